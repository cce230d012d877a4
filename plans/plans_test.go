package plans_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"decroche/ivr"
	"decroche/plans"
	"decroche/service"
	"decroche/store"
	"decroche/store/storetest"
)

const definition = `
service: essai
name: Essai
languages: [fr]
numbers: [01 99 00 39 39]
hours: {mon-sun: "00:00-24:00"}
entry: {welcome: a, menu: m}
menus: {m: {prompt: a, queue: accueil, choices: {0: person}}}
queues: {accueil: {max_waiting: 30}, autre: {}}
links: {site: {url: "https://exemple.fr", label: {fr: notre site}}}
closed: {prompt: a}
saturated: {prompt: a}
plans:
  afflux:
    label: Afflux
    ends: 2h
    when: {wait_above: 10m, queue: accueil, for: 0s}
    messages: [{prompt: beaucoup, queue: accueil, offer: callback}]
    callback: {offer_above: 1m}
    queues: {accueil: {max_waiting: 5, overflow: [{to: autre, after: 1m}]}}
  panne:
    label: Panne
    when: {link_down: site, for: 1h}
    messages: [{prompt: panne, replace: true}]
prompts: {a: {fr: Bonjour.}, beaucoup: {fr: "Beaucoup de monde."}, panne: {fr: "C'est la panne."}}
`

type bench struct {
	*testing.T
	o     *plans.Office
	db    *store.DB
	state plans.State
	on    []string
	def   *service.Definition
}

func open(t *testing.T) *bench {
	t.Helper()
	def, err := service.Parse("service.yaml", []byte(definition))
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{T: t, def: def, db: storetest.Open(t, "sqlite:"+filepath.Join(t.TempDir(), "d.db")), state: plans.State{Open: true, Queues: map[string]plans.QueueState{}}}
	b.o = b.office()
	return b
}

// office is that of a process; another is one after a restart.
func (b *bench) office() *plans.Office {
	return &plans.Office{
		Store: b.db, Messages: b.db, Service: func() *service.Definition { return b.def },
		State:   func(context.Context) (plans.State, error) { return b.state, nil },
		Changed: func(context.Context) error { return nil }, Log: slog.New(slog.DiscardHandler),
		Apply: func(on []*service.Plan) {
			b.on = nil
			for _, p := range on {
				b.on = append(b.on, p.ID)
			}
		},
	}
}

// look is one look at the plans and their rules.
func (b *bench) look() {
	b.Helper()
	if err := b.o.Look(b.Context()); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) messages() (texts []string) {
	list, err := b.db.Active(b.Context(), time.Now())
	if err != nil {
		b.Fatal(err)
	}
	for _, m := range list {
		texts = append(texts, m.Text["fr"]+" "+m.Queue+" "+m.Offer)
	}
	return texts
}

func TestAPlanIsSwitchedOnAndOffByHand(t *testing.T) {
	b := open(t)
	if _, err := b.o.On(t.Context(), "nowhere", time.Time{}, "lou"); !errors.Is(err, plans.ErrNone) {
		t.Errorf("a plan that is none: %v", err)
	}
	if _, err := b.o.On(t.Context(), "afflux", time.Now().Add(-time.Hour), "lou"); !errors.Is(err, plans.ErrEnd) {
		t.Errorf("a plan that has ended: %v", err)
	}
	r, err := b.o.On(t.Context(), "afflux", time.Time{}, "lou")
	if err != nil || r.Until.Sub(r.From) != 2*time.Hour {
		t.Fatalf("%+v, %v", r, err)
	}
	if m := b.messages(); len(b.on) != 1 || len(m) != 1 || m[0] != "Beaucoup de monde. accueil callback" {
		t.Errorf("on are %v, messages %q", b.on, m)
	}
	if _, err := b.o.On(t.Context(), "afflux", time.Time{}, "dom"); !errors.Is(err, plans.ErrRunning) {
		t.Errorf("twice: %v", err)
	}
	b.o = b.office() // a restart: the messages are not let out again
	b.look()
	if m := b.messages(); len(b.on) != 1 || len(m) != 1 {
		t.Errorf("after a restart on are %v, messages %q", b.on, m)
	}
	for range 2 { // a double click
		if err := b.o.Off(t.Context(), r.ID, "lou"); err != nil {
			t.Fatal(err)
		}
	}
	if m := b.messages(); len(b.on) != 0 || len(m) != 0 {
		t.Errorf("off are %v, messages %q", b.on, m)
	}
}

func TestAPlanEndsAtItsTime(t *testing.T) {
	b := open(t)
	if _, err := b.o.On(t.Context(), "afflux", time.Now().Add(1500*time.Millisecond), "lou"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1600 * time.Millisecond)
	if m := b.messages(); len(m) != 0 {
		t.Errorf("messages outlive the plan: %q", m)
	}
	b.look()
	runs, err := b.o.Runs(t.Context(), time.Now().Add(-time.Hour))
	if err != nil || len(runs) != 1 || runs[0].EndedBy != plans.ByEnd || len(b.on) != 0 {
		t.Errorf("the log has %+v, on are %v, %v", runs, b.on, err)
	}
}

func TestARuleSwitchesAPlanAndAHandIsObeyed(t *testing.T) {
	b := open(t)
	b.look()
	wait := func(d time.Duration) { b.state.Queues["accueil"] = plans.QueueState{Longest: d}; b.look() }
	if wait(9 * time.Minute); len(b.on) != 0 {
		t.Errorf("on are %v", b.on)
	}
	b.state.Open = false
	if wait(11 * time.Minute); len(b.on) != 0 {
		t.Errorf("while the line is closed on are %v", b.on)
	}
	b.state.Open = true
	if wait(11 * time.Minute); len(b.on) != 1 {
		t.Errorf("on are %v", b.on)
	}
	if wait(time.Minute); len(b.on) != 0 {
		t.Errorf("when it holds no more on are %v", b.on)
	}
	wait(11 * time.Minute)
	runs, _ := b.o.Runs(t.Context(), time.Now())
	if len(runs) != 1 || runs[0].By != plans.ByRule {
		t.Fatalf("runs: %+v", runs)
	}
	if err := b.o.Off(t.Context(), runs[0].ID, "lou"); err != nil {
		t.Fatal(err)
	}
	if wait(12 * time.Minute); len(b.on) != 0 {
		t.Error("the rule overrules the hand")
	}
	wait(time.Minute)
	if wait(11 * time.Minute); len(b.on) != 1 {
		t.Error("the rule is never obeyed again")
	}
	runs, _ = b.o.Runs(t.Context(), time.Now())
	_ = b.o.Off(t.Context(), runs[0].ID, "lou")
	wait(time.Minute)
	if _, err := b.o.On(t.Context(), "afflux", time.Time{}, "lou"); err != nil {
		t.Fatal(err)
	}
	if b.look(); len(b.on) != 1 {
		t.Error("the rule ends what a hand has switched on")
	}
	b.state.Down = map[string]bool{"site": true}
	if b.look(); len(b.on) != 1 {
		t.Error("a rule is hasty")
	}
}

func TestRulesLookAtWhatTheySay(t *testing.T) {
	s := plans.State{Open: true, Down: map[string]bool{"site": true}, Queues: map[string]plans.QueueState{
		"a": {Longest: time.Minute, Agents: 3, Requested: 20, Answered: 11}, "b": {Agents: 1, Requested: 9},
	}}
	for name, c := range map[string]struct {
		t    service.Trigger
		want bool
	}{
		"the site":         {service.Trigger{LinkDown: "site"}, true},
		"another site":     {service.Trigger{LinkDown: "autre"}, false},
		"a wait":           {service.Trigger{WaitAbove: 50 * time.Second}, true},
		"a longer wait":    {service.Trigger{WaitAbove: time.Minute}, false},
		"agents of any":    {service.Trigger{AgentsBelow: 2}, true},
		"agents of one":    {service.Trigger{AgentsBelow: 2, Queue: "a"}, false},
		"décroché":         {service.Trigger{AnsweredBelow: 0.6}, true},
		"décroché just so": {service.Trigger{AnsweredBelow: 0.55}, false},
		"décroché of few":  {service.Trigger{AnsweredBelow: 0.6, Queue: "b"}, false},
	} {
		if got := plans.Holds(&c.t, s); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestAPlanChangesTheDefinitionAndNothingElse(t *testing.T) {
	b := open(t)
	with := b.def.With(b.def.Plans["afflux"])
	if q := with.Queues["accueil"]; q.MaxWaiting != 5 || len(q.Overflow) != 1 || !with.Callback.On || with.Callback.OfferAbove != time.Minute || with.Queues["autre"] != b.def.Queues["autre"] {
		t.Errorf("with the plan: %+v", q)
	}
	if q := b.def.Queues["accueil"]; q.MaxWaiting != 30 || b.def.Callback.On || b.def.With() != b.def {
		t.Errorf("without it: %+v", q)
	}
}

// changed puts another definition in force, as a publication on the site does.
func (b *bench) changed(replace ...string) {
	b.Helper()
	if err := b.reworded(replace...); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) reworded(replace ...string) error {
	b.Helper()
	def, err := service.Parse("service.yaml", []byte(strings.NewReplacer(replace...).Replace(definition)))
	if err != nil {
		b.Fatal(err)
	}
	b.def = def
	return b.o.Again(b.Context())
}

const afflux = `    messages: [{prompt: beaucoup, queue: accueil, offer: callback}]`

func TestAPlanThatIsOnFollowsItsDefinition(t *testing.T) {
	b := open(t)
	r, err := b.o.On(t.Context(), "afflux", time.Time{}, "lou")
	if err != nil {
		t.Fatal(err)
	}
	b.changed(afflux, `    messages: [{prompt: beaucoup, queue: accueil, offer: callback}, {prompt: a}]`)
	if m := b.messages(); !slices.Equal(m, []string{"Beaucoup de monde. accueil callback", "Bonjour.  "}) {
		t.Errorf("with another message: %q", m)
	}
	b.changed(afflux, `    messages: [{prompt: a}]`)
	if m := b.messages(); !slices.Equal(m, []string{"Bonjour.  "}) {
		t.Errorf("without the first: %q", m)
	}
	b.changed("Beaucoup de monde.", "Il y a foule.")
	if m := b.messages(); !slices.Equal(m, []string{"Il y a foule. accueil callback"}) {
		t.Errorf("with other words: %q", m)
	}
	b.changed() // as it was at first: what was stopped by the change is said again
	if m := b.messages(); !slices.Equal(m, []string{"Beaucoup de monde. accueil callback"}) {
		t.Errorf("as it was at first: %q", m)
	}
	b.o = b.office() // a restart lets nothing out again
	b.look()
	if err := b.o.Off(t.Context(), r.ID, "lou"); err != nil {
		t.Fatal(err)
	}
	if m := b.messages(); len(m) != 0 || len(b.on) != 0 {
		t.Errorf("off are %v, messages %q", b.on, m)
	}
	b.changed("Beaucoup de monde.", "Il y a foule.")
	if m := b.messages(); len(m) != 0 {
		t.Errorf("a plan that is off says %q", m)
	}
}

func TestAMessageOfAPlanThatWasStoppedByHandStaysSo(t *testing.T) {
	b := open(t)
	if _, err := b.o.On(t.Context(), "afflux", time.Time{}, "lou"); err != nil {
		t.Fatal(err)
	}
	list, err := b.db.Active(t.Context(), time.Now())
	if err != nil || len(list) != 1 {
		t.Fatalf("%v, %v", list, err)
	}
	if _, err := b.db.Stop(t.Context(), list[0].ID, "dom", time.Now()); err != nil {
		t.Fatal(err)
	}
	b.changed("max_waiting: 5", "max_waiting: 6")
	b.o = b.office()
	b.look()
	if m := b.messages(); len(m) != 0 || len(b.on) != 1 {
		t.Errorf("on are %v, messages %q", b.on, m)
	}
}

// without takes the plan "afflux" out of the definition.
func (b *bench) without() {
	b.Helper()
	from, to := strings.Index(definition, "  afflux:"), strings.Index(definition, "  panne:")
	b.changed(definition[from:to], "")
	if b.def.Plans["afflux"] != nil {
		b.Fatal("the plan is still there")
	}
}

func TestARunWhosePlanIsThereNoMoreGoesOnUntilSomebodyEndsIt(t *testing.T) {
	b := open(t)
	r, err := b.o.On(t.Context(), "afflux", time.Time{}, "lou")
	if err != nil {
		t.Fatal(err)
	}
	b.without()
	b.look()
	if m := b.messages(); len(b.on) != 0 || len(m) != 1 {
		t.Errorf("its rules are %v, it says %q", b.on, m)
	}
	b.o = b.office()
	b.look()
	if runs, err := b.o.Runs(t.Context(), time.Now()); err != nil || len(runs) != 1 || !runs[0].On(time.Now()) {
		t.Errorf("after a restart: %+v, %v", runs, err)
	}
	if err := b.o.Off(t.Context(), r.ID, "dom"); err != nil {
		t.Fatal(err)
	}
	runs, err := b.o.Runs(t.Context(), time.Now().Add(-time.Hour))
	if m := b.messages(); err != nil || len(m) != 0 || len(runs) != 1 || runs[0].EndedBy != "dom" {
		t.Errorf("ended was %+v, %v; it says %q", runs, err, m)
	}
}

func TestARunWhosePlanIsThereNoMoreEndsAtItsTime(t *testing.T) {
	b := open(t)
	r, err := b.o.On(t.Context(), "afflux", time.Now().Add(1200*time.Millisecond), "lou")
	if err != nil {
		t.Fatal(err)
	}
	b.without()
	for len(b.messages()) > 0 && time.Now().Before(r.Until.Add(time.Second)) {
		time.Sleep(20 * time.Millisecond)
	}
	if m := b.messages(); len(m) != 0 || time.Now().Before(r.Until) {
		t.Errorf("messages outlive the plan, or end before it: %q", m)
	}
	b.look()
	runs, err := b.o.Runs(t.Context(), time.Now().Add(-time.Hour))
	if err != nil || len(runs) != 1 || runs[0].EndedBy != plans.ByEnd || !runs[0].Ended.Equal(runs[0].Until) {
		t.Errorf("the log has %+v, %v", runs, err)
	}
}

// refusing does not take one text: a full disk, or what nobody thought of.
type refusing struct {
	plans.Messages
	text string
}

var errRefused = errors.New("refused")

func (r refusing) Publish(ctx context.Context, m ivr.Message, key string) (ivr.Message, error) {
	if m.Text["fr"] == r.text {
		return m, errRefused
	}
	return r.Messages.Publish(ctx, m, key)
}

func TestAMessageThatCannotBeLetOutKeepsNoOtherPlanFromItsTime(t *testing.T) {
	b := open(t)
	if _, err := b.o.On(t.Context(), "afflux", time.Time{}, "lou"); err != nil {
		t.Fatal(err)
	}
	b.o.Messages = refusing{b.db, "Énormément de monde."}
	if err := b.reworded("Beaucoup de monde.", "Énormément de monde."); !errors.Is(err, errRefused) || !strings.Contains(err.Error(), "afflux") {
		t.Errorf("a message that is refused: %v", err)
	}
	if _, err := b.o.On(t.Context(), "panne", time.Time{}, "lou"); err == nil {
		t.Error("the other plan's message is told as if nothing was wrong")
	}
	if m := b.messages(); !slices.Equal(b.on, []string{"afflux", "panne"}) || !slices.Contains(m, "C'est la panne.  ") {
		t.Errorf("on are %v, messages %q", b.on, m)
	}
}

func TestTheTimeOfARuleThatWasChangedDoesNotCountForTheNewOne(t *testing.T) {
	b := open(t)
	b.changed("wait_above: 10m, queue: accueil, for: 0s", "wait_above: 10m, queue: accueil, for: 1h")
	wait := func(d time.Duration) { b.state.Queues["accueil"] = plans.QueueState{Longest: d}; b.look() }
	wait(11 * time.Minute)
	time.Sleep(60 * time.Millisecond) // the rule held for longer than the next one asks for
	b.changed("wait_above: 10m, queue: accueil, for: 0s", "wait_above: 5m, queue: accueil, for: 50ms")
	if wait(11 * time.Minute); len(b.on) != 0 {
		t.Error("a rule is hasty")
	}
	time.Sleep(60 * time.Millisecond)
	if wait(11 * time.Minute); len(b.on) != 1 {
		t.Error("a rule that was changed is never obeyed")
	}
}
