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
	clock time.Time // goes on when the test says so
}

func open(t *testing.T) *bench {
	t.Helper()
	def, err := service.Parse("service.yaml", []byte(definition))
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{T: t, clock: time.Now(), def: def, db: storetest.Open(t, "sqlite:"+filepath.Join(t.TempDir(), "d.db")), state: plans.State{Open: true, Queues: map[string]plans.QueueState{}}}
	b.o = b.office()
	return b
}

// office is that of a process; another is one after a restart.
func (b *bench) office() *plans.Office {
	return &plans.Office{
		Store: b.db, Messages: b.db, Service: func() *service.Definition { return b.def },
		State:   func(context.Context) (plans.State, error) { return b.state, nil },
		Changed: func(context.Context) error { return nil }, Log: slog.New(slog.DiscardHandler), Now: b.now,
		Apply: func(on []*service.Plan) {
			b.on = nil
			for _, p := range on {
				b.on = append(b.on, p.ID)
			}
		},
	}
}

func (b *bench) now() time.Time { return b.clock }

// pass lets time pass.
func (b *bench) pass(d time.Duration) { b.clock = b.clock.Add(d) }

// look is one look at the plans and their rules.
func (b *bench) look() {
	b.Helper()
	if err := b.o.Look(b.Context()); err != nil {
		b.Fatal(err)
	}
}

// off ends a run by hand.
func (b *bench) off(id int64) {
	b.Helper()
	if _, ended, err := b.o.Off(b.Context(), id, "lou"); err != nil || !ended {
		b.Fatalf("ended: %t, %v", ended, err)
	}
}

// waited is a look after a while, at a longest wait.
func (b *bench) waited(after, longest time.Duration) {
	b.Helper()
	b.pass(after)
	b.state.Queues["accueil"] = plans.QueueState{Longest: longest}
	b.look()
}

func (b *bench) messages() (texts []string) {
	list, err := b.db.Active(b.Context(), b.now())
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
	if _, err := b.o.On(t.Context(), "afflux", b.now().Add(-time.Hour), "lou"); !errors.Is(err, plans.ErrEnd) {
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
	for _, want := range []bool{true, false} { // a double click
		if was, ended, err := b.o.Off(t.Context(), r.ID, "lou"); err != nil || ended != want || ended && was.Plan != "afflux" {
			t.Fatalf("ended %t %+v, %v", ended, was, err)
		}
	}
	if m := b.messages(); len(b.on) != 0 || len(m) != 0 {
		t.Errorf("off are %v, messages %q", b.on, m)
	}
}

func TestAPlanEndsAtItsTime(t *testing.T) {
	b := open(t)
	if _, err := b.o.On(t.Context(), "afflux", b.now().Add(time.Minute), "lou"); err != nil {
		t.Fatal(err)
	}
	b.pass(time.Minute)
	if m := b.messages(); len(m) != 0 {
		t.Errorf("messages outlive the plan: %q", m)
	}
	b.look()
	runs, err := b.o.Runs(t.Context(), b.now().Add(-time.Hour))
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
	runs, _ := b.o.Runs(t.Context(), b.now())
	if len(runs) != 1 || runs[0].By != plans.ByRule {
		t.Fatalf("runs: %+v", runs)
	}
	b.off(runs[0].ID)
	if wait(12 * time.Minute); len(b.on) != 0 {
		t.Error("the rule overrules the hand")
	}
	wait(time.Minute)
	if wait(11 * time.Minute); len(b.on) != 1 {
		t.Error("the rule is never obeyed again")
	}
	runs, _ = b.o.Runs(t.Context(), b.now())
	b.off(runs[0].ID)
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
		"a": {Longest: time.Minute, Agents: 3, Requested: 20, Answered: 11}, "b": {Agents: 1, Requested: 9}, "c": {Agents: 3, Requested: 9, Answered: 9}, "d": {Agents: 3},
	}}
	for name, c := range map[string]struct {
		t    service.Trigger
		want string
	}{
		"the site":                       {service.Trigger{LinkDown: "site"}, "holds"},
		"another site":                   {service.Trigger{LinkDown: "autre"}, "does not"},
		"a wait":                         {service.Trigger{WaitAbove: 50 * time.Second}, "holds"},
		"a longer wait":                  {service.Trigger{WaitAbove: time.Minute}, "does not"},
		"agents of any":                  {service.Trigger{AgentsBelow: 2}, "holds"},
		"agents of one":                  {service.Trigger{AgentsBelow: 2, Queue: "a"}, "does not"},
		"décroché":                       {service.Trigger{AnsweredBelow: 0.6}, "holds"},
		"décroché just so":               {service.Trigger{AnsweredBelow: 0.55, Queue: "a"}, "does not"},
		"of any, in doubt":               {service.Trigger{AnsweredBelow: 0.55}, "unknown"},
		"décroché of few, below":         {service.Trigger{AnsweredBelow: 0.6, Queue: "b"}, "unknown"},
		"décroché of few, and not below": {service.Trigger{AnsweredBelow: 0.6, Queue: "c"}, "unknown"},
		"décroché of nobody":             {service.Trigger{AnsweredBelow: 0.6, Queue: "d"}, "unknown"},
	} {
		if got := told(plans.Holds(&c.t, s)); got != c.want {
			t.Errorf("%s: it %s", name, got)
		}
	}
	delete(s.Queues, "b")
	if got := told(plans.Holds(&service.Trigger{AnsweredBelow: 0.55}, s)); got != "does not" {
		t.Errorf("of any, where a queue of few calls is well: it %s", got)
	}
	if got := told(plans.Holds(&service.Trigger{AnsweredBelow: 0.55, Queue: "d"}, plans.State{Queues: s.Queues})); got != "does not" {
		t.Errorf("while the line is closed: it %s", got)
	}
}

func told(holds, known bool) string {
	switch {
	case !known:
		return "unknown"
	case holds:
		return "holds"
	}
	return "does not"
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
	b.off(r.ID)
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
	list, err := b.db.Active(t.Context(), b.now())
	if err != nil || len(list) != 1 {
		t.Fatalf("%v, %v", list, err)
	}
	if _, err := b.db.Stop(t.Context(), list[0].ID, "dom", b.now()); err != nil {
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
	if runs, err := b.o.Runs(t.Context(), b.now()); err != nil || len(runs) != 1 || !runs[0].On(b.now()) {
		t.Errorf("after a restart: %+v, %v", runs, err)
	}
	b.off(r.ID)
	runs, err := b.o.Runs(t.Context(), b.now().Add(-time.Hour))
	if m := b.messages(); err != nil || len(m) != 0 || len(runs) != 1 || runs[0].EndedBy != "lou" {
		t.Errorf("ended was %+v, %v; it says %q", runs, err, m)
	}
}

func TestARunWhosePlanIsThereNoMoreEndsAtItsTime(t *testing.T) {
	b := open(t)
	r, err := b.o.On(t.Context(), "afflux", b.now().Add(time.Minute), "lou")
	if err != nil {
		t.Fatal(err)
	}
	b.without()
	b.pass(r.Until.Sub(b.now()) - 1)
	if m := b.messages(); len(m) != 1 {
		t.Errorf("messages end before the plan: %q", m)
	}
	b.pass(1)
	if m := b.messages(); len(m) != 0 {
		t.Errorf("messages outlive the plan: %q", m)
	}
	b.look()
	runs, err := b.o.Runs(t.Context(), b.now().Add(-time.Hour))
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
	b.pass(60 * time.Millisecond) // the rule held for longer than the next one asks for
	b.changed("wait_above: 10m, queue: accueil, for: 0s", "wait_above: 5m, queue: accueil, for: 50ms")
	if wait(11 * time.Minute); len(b.on) != 0 {
		t.Error("a rule is hasty")
	}
	b.pass(60 * time.Millisecond)
	if wait(11 * time.Minute); len(b.on) != 1 {
		t.Error("a rule that was changed is never obeyed")
	}
}

const (
	calm, crowd = time.Minute, 11 * time.Minute // longest waits
	tick        = 5 * time.Second
)

// running is the run of "afflux" that has not ended.
func (b *bench) running() plans.Run {
	b.Helper()
	runs, err := b.o.Runs(b.Context(), b.now())
	i := slices.IndexFunc(runs, func(r plans.Run) bool { return r.Plan == "afflux" && r.Ended.IsZero() })
	if err != nil || i < 0 {
		b.Fatalf("the plan is off: %+v, %v", runs, err)
	}
	return runs[i]
}

func TestAHandIsObeyedAfterACrashToo(t *testing.T) {
	b := open(t)
	b.waited(0, crowd)
	b.off(b.running().ID)
	for range 3 {
		b.o = b.office()
		b.waited(time.Hour, crowd)
		if b.waited(tick, crowd); len(b.on) != 0 {
			t.Fatal("after a crash the rule overrules the hand")
		}
	}
	b.o = b.office()
	b.waited(time.Hour, calm) // callers are not found again yet
	if b.waited(tick, crowd); len(b.on) != 0 {
		t.Error("that a rule did not hold when its process began says that it has ceased")
	}
	b.o = b.office()
	b.waited(time.Hour, calm)
	b.waited(time.Minute, calm)
	if b.waited(tick, crowd); len(b.on) != 1 {
		t.Error("the rule is never obeyed again")
	}
	b.off(b.running().ID)
	if _, err := b.o.On(t.Context(), "afflux", time.Time{}, "lou"); err != nil {
		t.Fatal(err)
	}
	if b.waited(tick, calm); len(b.on) != 1 {
		t.Error("the rule ends what a hand has switched on")
	}
}

func TestWhoEndsAPlanBeforeTheRuleWasLookedAtIsObeyed(t *testing.T) {
	b := open(t)
	b.state.Queues["accueil"] = plans.QueueState{Longest: crowd}
	r, err := b.o.On(t.Context(), "afflux", time.Time{}, "lou")
	if err != nil {
		t.Fatal(err)
	}
	b.off(r.ID)
	if b.look(); len(b.on) != 0 {
		t.Error("the rule overrules the hand")
	}
}

// Two nodes share the database, and each has its own callers: the rule holds on the first alone.
func TestAHandIsObeyedByEveryNodeAndTheyDoNotUndoEachOther(t *testing.T) {
	b := open(t)
	other := *b
	other.state = plans.State{Open: true, Queues: map[string]plans.QueueState{}}
	other.o = other.office()
	both := func(longest time.Duration) {
		b.waited(tick, longest)
		other.clock = b.clock
		other.look()
	}
	both(crowd)
	first := b.running()
	for range 24 { // two minutes
		both(crowd)
	}
	if r := b.running(); r.ID != first.ID || !slices.Equal(other.on, []string{"afflux"}) {
		t.Fatalf("the node whose callers do not wait has ended it: %+v", r)
	}
	other.off(first.ID)
	for range 24 {
		both(crowd)
	}
	if len(b.on) != 0 || len(other.on) != 0 {
		t.Fatal("the rule overrules the hand on the other node")
	}
	other.waited(0, crowd) // its callers wait too, and the first node's do no more
	b.state.Queues["accueil"] = plans.QueueState{}
	for range 24 {
		b.pass(tick)
		b.look()
		other.clock = b.clock
		other.look()
	}
	if len(b.on) != 0 || len(other.on) != 0 {
		t.Fatal("the rule overrules the hand on the node that it was ended on")
	}
	other.state.Queues["accueil"] = plans.QueueState{}
	for range 12 {
		both(calm)
	}
	if both(crowd); len(b.on) != 1 {
		t.Error("the rule is never obeyed again")
	}
}

func TestAPlanThatCameToItsEndWhileItsCauseLastsStaysOffAndThatIsTold(t *testing.T) {
	b := open(t)
	b.waited(0, crowd)
	b.waited(2*time.Hour-tick, crowd)
	if b.running(); b.o.Lasting("afflux") {
		t.Error("the cause lasts, and so does the plan")
	}
	for range 3 {
		b.waited(tick, crowd)
	}
	if len(b.on) != 0 || !b.o.Lasting("afflux") || b.o.Lasting("panne") {
		t.Errorf("after its end on are %v; told: %t", b.on, b.o.Lasting("afflux"))
	}
	b.o = b.office()
	if b.waited(time.Hour, crowd); len(b.on) != 0 {
		t.Error("after a crash it is on again")
	}
	if b.waited(tick, crowd); !b.o.Lasting("afflux") {
		t.Error("after a crash it is not told")
	}
	if b.waited(tick, calm); len(b.on) != 0 {
		t.Error("it is on without a cause")
	}
	if b.waited(time.Minute, calm); b.o.Lasting("afflux") {
		t.Error("it is told that a cause lasts which has ceased")
	}
	if b.waited(tick, crowd); len(b.on) != 1 {
		t.Error("when its cause is back it stays off")
	}
}

func TestAPlanStaysAsItIsWhileNobodyKnows(t *testing.T) {
	b := open(t)
	b.changed("wait_above: 10m, queue: accueil, for: 0s", "answered_below: 50, queue: accueil, for: 2m")
	hour := func(after time.Duration, requested, answered int64) {
		b.Helper()
		b.pass(after)
		b.state.Queues["accueil"] = plans.QueueState{Requested: requested, Answered: answered}
		b.look()
	}
	for range 2 {
		if hour(3*time.Minute, 9, 0); len(b.on) != 0 {
			t.Error("nine calls switch it on")
		}
	}
	hour(tick, 10, 4)
	if hour(2*time.Minute, 10, 4); len(b.on) != 1 {
		t.Fatal("it stays off")
	}
	first := b.running()
	for range 3 { // few calls
		hour(3*time.Minute, 9, 3)
	}
	hour(3*time.Minute, 0, 0)
	hour(tick, 10, 4)
	if r := b.running(); r.ID != first.ID {
		t.Errorf("what nobody knows ended it, and it came back: %+v", r)
	}
	hour(tick, 10, 6)
	if hour(2*time.Minute, 12, 7); len(b.on) != 0 {
		t.Error("it stays on")
	}
}

// spoken is a message's recording in French, "" for none.
func (b *bench) spoken() (all []string) {
	b.Helper()
	list, err := b.db.Active(b.Context(), b.now())
	if err != nil {
		b.Fatal(err)
	}
	for _, m := range list {
		all = append(all, m.Text["fr"]+" "+m.Sound["fr"])
	}
	return all
}

func TestAPlanSaysTheRecordingOfItsTextAndElseItsWords(t *testing.T) {
	b := open(t)
	var lost error
	b.o.Keep = func(_ context.Context, recording string) (string, error) {
		return "kept-" + recording, lost
	}
	record := func(voice string) {
		b.Helper()
		b.def.Prompts["beaucoup"] = service.Text{"fr": {Say: "Beaucoup de monde.", Recording: voice}}
		if err := b.o.Again(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	record("lou.wav")
	r, err := b.o.On(t.Context(), "afflux", time.Time{}, "lou")
	if err != nil {
		t.Fatal(err)
	}
	if got := b.spoken(); !slices.Equal(got, []string{"Beaucoup de monde. kept-lou.wav"}) {
		t.Errorf("callers hear %q", got)
	}
	keep := b.o.Keep
	b.o = b.office() // a restart lets nothing out again
	b.o.Keep = keep
	if b.look(); len(b.spoken()) != 1 {
		t.Errorf("after a restart callers hear %q", b.spoken())
	}
	record("dom.wav")
	if got := b.spoken(); !slices.Equal(got, []string{"Beaucoup de monde. kept-dom.wav"}) {
		t.Errorf("with another recording callers hear %q", got)
	}
	lost = errors.New("the disk is full")
	record("max.wav")
	if got := b.spoken(); !slices.Equal(got, []string{"Beaucoup de monde. "}) {
		t.Errorf("without it callers hear %q", got)
	}
	b.off(r.ID)
	if got := b.spoken(); len(got) != 0 {
		t.Errorf("off, it says %q", got)
	}
}
