package ivr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"decroche/call"
	"decroche/routing"
	"decroche/routing/wait"
	"decroche/service"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The bubble's time begins on Saturday 1 January 2000; a stage opens on Monday at ten in Paris.
const untilMonday = 2*24*time.Hour + 9*time.Hour

// definition has every branch of the journey. All prompts last two seconds.
const definition = `
service: essai
name: {fr: Service, en: Service}
time_zone: Europe/Paris
languages: [fr, en]
numbers:
  - {number: 01 99 00 39 39, language: fr}
  - {number: 01 99 00 39 40}
  - {number: 01 99 00 39 42, language: fr, queue: titres}
  - {number: 01 99 00 39 43, language: en, always_open: true}
present: 01 99 00 39 39
hours: {mon: "09:00-17:00", tue: "09:00-17:00"}
holidays: metropole
closures:
  - {from: 2000-01-11, until: 2000-01-11, prompt: ferme-travaux, why: travaux}
  - {from: 2000-01-17, until: 2000-01-17, why: essai}
entry:
  welcome: bienvenue
  language_prompt: langue
  language_keys: {1: fr, 2: en}
  menu: principal
  messages:
    - {id: ete, from: 2000-01-04, until: 2000-01-04, prompt: date-ete}
    - {id: ete-titres, from: 2000-01-04, until: 2000-01-04, prompt: date-titres, queue: titres}
menus:
  principal:
    prompt: menu-principal
    queue: accueil
    timeout: 4s
    choices:
      1: {queue: accueil, reason: dossier}
      2: {menu: second}
      3: {info: horaires}
      9: repeat
      0: person
  second:
    prompt: menu-second
    queue: titres
    timeout: 4s
    choices:
      1: {queue: titres, reason: titre}
      0: person
infos:
  horaires: {prompt: info-horaires, queue: accueil, reason: venir}
queues:
  accueil: {label: {fr: Accueil, en: Reception}, needs: {accueil: 1}, ring: 10s, wrap_up: 5s, announce: 30s, default_aht: 3m, whisper: annonce}
  titres: {label: {fr: Titres, en: Permits}, needs: {titres: 1}, max_waiting: 1, ring: 10s, wrap_up: 5s, announce: 30s, default_aht: 3m, whisper: annonce}
skills: {accueil: {fr: Accueil, en: Reception}, titres: {fr: Titres, en: Permits}}
reasons:
  dossier: {label: {fr: Dossier, en: Case}}
  titre: {label: {fr: Titre, en: Permit}}
  venir: {label: {fr: Venir, en: Visit}, simple: true}
closed: {prompt: ferme, hours: ferme-horaires, other_means: autres-moyens, callback: rappel}
saturated: {prompt: sature, hours: ferme-horaires, other_means: autres-moyens, callback: rappel}
access: {prompt: acces, number: 01 99 00 39 42, queue: accueil}
prompts:
`

// prompts are the wordings of the definition; what they say does not matter here.
func prompts() (text string) {
	for _, p := range strings.Fields(`bienvenue langue menu-principal menu-second info-horaires annonce ferme ferme-horaires
		ferme-travaux autres-moyens rappel sature acces date-ete date-titres`) {
		text += fmt.Sprintf("  %s: {fr: %s, en: %s}\n", p, p, p)
	}
	return text
}

// stage is a line in virtual time: the journey on a real floor with a real estimator.
type stage struct {
	t       *testing.T
	def     atomic.Pointer[service.Definition]
	floor   *routing.Floor
	journey *Journey
	runner  *call.Runner[Visit]
	board   news
	facts   journal
	saved   checkpoints
	calls   []*fake

	mu      sync.Mutex
	missing map[string]bool // prompts that cannot be had
}

// play runs a story in a bubble, on Monday at ten.
func play(t *testing.T, story func(s *stage)) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(untilMonday)
		s := &stage{t: t, missing: map[string]bool{}}
		s.saved.open = map[call.ID]call.Checkpoint{}
		s.def.Store(parse(t, definition+prompts()))
		s.start()
		defer func() {
			for _, c := range s.calls {
				c.cancel(call.ErrHangup)
				<-c.over
			}
			s.floor.Close()
		}()
		story(s)
	})
}

func parse(t *testing.T, text string) *service.Definition {
	t.Helper()
	def, err := service.Parse("service.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return def
}

// start makes the parts that a controller makes; after a stop it makes them anew.
func (s *stage) start() {
	estimator := wait.New(wait.Options{})
	s.floor = routing.NewFloor(routing.Options{Estimator: estimator, Journal: &s.facts})
	s.floor.SetQueues(s.def.Load().Queues)
	s.floor.SetRoster([]routing.Agent{
		{ID: "2001", Skills: map[string]int{"accueil": 3}},
		{ID: "2002", Skills: map[string]int{"accueil": 2, "titres": 2}},
	})
	log := slog.New(slog.DiscardHandler)
	s.journey = &Journey{
		Service: s.def.Load, Floor: s.floor, Voice: s, News: &s.board, Journal: &s.facts, Log: log,
	}
	s.runner = &call.Runner[Visit]{
		Steps: s.journey.Steps(), Excuse: StepSorry, Ended: s.journey.Ended, Checkpoints: &s.saved, Journal: &s.facts, Log: log,
	}
	s.journey.Keep = s.runner.Save
}

func (s *stage) signIn(agents ...call.AgentID) {
	s.t.Helper()
	for _, id := range agents {
		if _, err := s.floor.SetState(id, routing.Available, ""); err != nil {
			s.t.Fatal(err)
		}
	}
}

// System implements Voice.
func (s *stage) System(_ context.Context, id string, lang call.Lang) (call.Sound, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.missing[id] {
		return call.Sound{}, errors.New("no such file")
	}
	if id == "" {
		panic("a prompt without a name")
	}
	return call.Sound{Name: id, Lang: lang, Duration: 2 * time.Second}, nil
}

// Phrase implements Voice.
func (s *stage) Phrase(ctx context.Context, name string, lang call.Lang, p service.Phrase) (call.Sound, error) {
	if p.Say == "" {
		return call.Sound{}, errors.New("nothing to say")
	}
	return s.System(ctx, name, lang)
}

func (s *stage) lose(prompts ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range prompts {
		s.missing[p] = true
	}
}

// news is a board that a test writes on.
type news struct {
	mu   sync.Mutex
	list []Message
}

func (n *news) Active(queue string, at time.Time) (active []Message) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, m := range n.list {
		if m.Active(at) && (m.Queue == "" || m.Queue == queue) {
			active = append(active, m)
		}
	}
	return active
}

func (n *news) publish(m Message) {
	n.mu.Lock()
	defer n.mu.Unlock()
	m.ID = int64(len(n.list) + 1)
	if m.Until.IsZero() {
		m.Until = time.Now().Add(time.Hour)
	}
	if m.Text == nil {
		m.Text = map[call.Lang]string{"fr": "Incident."}
	}
	n.list = append(n.list, m)
}

// journal keeps the facts.
type journal struct {
	mu     sync.Mutex
	events []call.Event
}

func (j *journal) Append(e call.Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.events = append(j.events, e)
}

// of gives the facts of a kind.
func (j *journal) of(kind call.EventKind) (list []map[string]any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, e := range j.events {
		if e.Kind == kind {
			var data map[string]any
			if err := json.Unmarshal(e.Data, &data); err != nil {
				panic(err)
			}
			list = append(list, data)
		}
	}
	return list
}

// checkpoints keeps the last checkpoint of each call, and may refuse.
type checkpoints struct {
	mu   sync.Mutex
	open map[call.ID]call.Checkpoint
	err  error
}

func (c *checkpoints) Save(_ context.Context, cp call.Checkpoint) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.open[cp.Call] = cp
	}
	return c.err
}

func (c *checkpoints) refuse(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
}

func (c *checkpoints) Delete(_ context.Context, id call.ID) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, id)
	return nil
}

func (c *checkpoints) Open(context.Context) (list []call.Checkpoint, err error) { return nil, nil }

func (c *checkpoints) of(id call.ID) (call.Checkpoint, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cp, ok := c.open[id]
	return cp, ok
}

// fake is a caller whose telephone is the test.
type fake struct {
	s      *stage
	info   call.Info
	ctx    context.Context
	cancel context.CancelCauseFunc
	digits chan call.Digit
	unread []call.Digit
	over   chan struct{}
	end    call.End
	left   error // why the call lives on elsewhere

	mu       sync.Mutex
	heard    []hearing
	held     bool
	speaking *speech
	failing  func(what string) error // a method that goes wrong
	rings    map[call.AgentID]func(ctx context.Context) error
	legs     []*fakeLeg
	resumes  map[string]*fakeLeg
	hungUp   bool
}

// hearing is a prompt that was heard.
type hearing struct {
	name string
	at   time.Time
	cut  bool
}

// speech is an announcement to a held caller, under way until it ends or is stopped.
type speech struct {
	sounds []call.Sound
	from   time.Time
}

const (
	general  = call.Number("+33199003939")
	both     = call.Number("+33199003940")
	direct   = call.Number("+33199003942")
	alwaysEn = call.Number("+33199003943")
)

// caller is a call that has not begun; begin or resume starts it.
func (s *stage) caller(to call.Number) *fake {
	c := &fake{
		s: s, info: call.Info{ID: call.ID(fmt.Sprintf("call-%d", len(s.calls)+1)), From: "+33639980001", To: to, Arrived: time.Now()},
		digits: make(chan call.Digit, 64), over: make(chan struct{}),
		rings: map[call.AgentID]func(context.Context) error{}, resumes: map[string]*fakeLeg{},
	}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	s.calls = append(s.calls, c)
	return c
}

// dial is a call in which these keys are typed before the first word.
func (s *stage) dial(to call.Number, keys ...string) *fake {
	c := s.caller(to)
	c.types(strings.Join(keys, ""))
	c.begin(StepGreet, new(Visit))
	return c
}

func (c *fake) begin(step string, v *Visit) {
	go func() {
		defer close(c.over)
		c.end, c.left = c.s.runner.Run(c.ctx, c, step, v)
	}()
}

// resume is the same caller after a restart of the controller: only the checkpoint is left.
func (s *stage) resume(old *fake) *fake {
	s.t.Helper()
	cp, ok := s.saved.of(old.info.ID)
	if !ok {
		s.t.Fatalf("call %s has no checkpoint", old.info.ID)
	}
	c := s.caller(old.info.To)
	c.info = cp.Info
	c.info.Resumed = true
	for _, g := range old.legs {
		if !g.released {
			c.resumes[g.channel] = &fakeLeg{c: c, agent: g.agent, channel: g.channel, leave: make(chan struct{}), moved: make(chan call.AgentID, 1)}
		}
	}
	v := new(Visit)
	if err := json.Unmarshal(cp.State, v); err != nil {
		s.t.Fatal(err)
	}
	c.begin(cp.Step, v)
	return c
}

// restart stops the controller with the callers in place, and starts the next.
func (s *stage) restart(calls ...*fake) (resumed []*fake) {
	s.t.Helper()
	for _, c := range calls {
		c.cancel(call.ErrDetach)
		<-c.over
		if !errors.Is(c.left, call.ErrDetach) {
			s.t.Fatalf("a call that the controller leaves in place ended: %v %v", c.end, c.left)
		}
	}
	s.floor.Close()
	s.start()
	for _, c := range calls {
		resumed = append(resumed, s.resume(c))
	}
	synctest.Wait()
	return resumed
}

// types presses keys.
func (c *fake) types(keys string) {
	for _, k := range keys {
		c.digits <- call.Digit(k)
	}
	synctest.Wait()
}

func (c *fake) hangsUp() {
	c.cancel(call.ErrHangup)
	<-c.over
}

// ends waits for the end of the call, in virtual time.
func (c *fake) ends(outcome call.Outcome, reason call.Reason) {
	c.s.t.Helper()
	select {
	case <-c.over:
	case <-time.After(10 * time.Minute):
		c.s.t.Fatalf("the call should have ended; heard %v", c.names())
	}
	if want := (call.End{Outcome: outcome, Reason: reason}); c.end != want {
		c.s.t.Errorf("the call ended %v, want %v; heard %v", c.end, want, c.names())
	}
	if ended := c.s.facts.of(call.EventEnded); len(ended) == 0 {
		c.s.t.Error("the journal does not have the end")
	}
	if !c.hungUp {
		c.s.t.Error("the call was not hung up")
	}
	if _, ok := c.s.saved.of(c.info.ID); ok {
		c.s.t.Error("the checkpoint of an ended call is still there")
	}
}

// names lists what was heard; what was cut has a stroke after it.
func (c *fake) names() (list []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range c.settled() {
		name := h.name
		if h.cut {
			name += "/"
		}
		list = append(list, name)
	}
	return list
}

// hears fails the test unless exactly this was heard since the last look.
func (c *fake) hears(want ...string) {
	c.s.t.Helper()
	synctest.Wait()
	got := c.names()
	c.mu.Lock()
	c.settle()
	c.heard = nil
	c.mu.Unlock()
	if !slices.Equal(got, want) {
		c.s.t.Errorf("heard %q\nwant  %q", got, want)
	}
}

// settled is what was heard with the announcement under way as far as it got.
func (c *fake) settled() []hearing {
	list := slices.Clone(c.heard)
	if c.speaking == nil {
		return list
	}
	at := c.speaking.from
	for _, s := range c.speaking.sounds {
		if at.After(time.Now()) {
			break
		}
		list = append(list, hearing{name: spoken(s), at: at})
		at = at.Add(s.Duration)
	}
	return list
}

// settle ends the look at an announcement: what is still to come of it stays.
func (c *fake) settle() {
	if c.speaking == nil {
		return
	}
	c.heard = c.settled()
	for len(c.speaking.sounds) > 0 && !c.speaking.from.After(time.Now()) {
		c.speaking.from = c.speaking.from.Add(c.speaking.sounds[0].Duration)
		c.speaking.sounds = c.speaking.sounds[1:]
	}
	if len(c.speaking.sounds) == 0 {
		c.speaking = nil
	}
}

// quiet stops the announcement under way: the sound that plays is cut.
func (c *fake) quiet() {
	if c.speaking == nil {
		return
	}
	list, at := c.settled(), c.speaking.from
	for _, s := range c.speaking.sounds {
		if end := at.Add(s.Duration); !at.After(time.Now()) && end.After(time.Now()) {
			list[len(list)-1].cut = true
		}
		at = at.Add(s.Duration)
	}
	c.heard, c.speaking = list, nil
}

func spoken(s call.Sound) string { return string(s.Lang) + "/" + s.Name }

func (c *fake) fail(what string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failing == nil {
		return nil
	}
	return c.failing(what)
}

// Info and what follows implement call.Call.
func (c *fake) Info() call.Info           { return c.info }
func (c *fake) Digits() <-chan call.Digit { return c.digits }
func (c *fake) Unread(d call.Digit)       { c.unread = append(c.unread, d) }

func (c *fake) Flush() {
	c.unread = nil
	for len(c.digits) > 0 {
		<-c.digits
	}
}

func (c *fake) next() (call.Digit, bool) {
	if n := len(c.unread); n > 0 {
		d := c.unread[n-1]
		c.unread = c.unread[:n-1]
		return d, true
	}
	select {
	case d := <-c.digits:
		return d, true
	default:
		return 0, false
	}
}

// say plays the sounds until they end, a key comes (0 if none) or the call is over.
func (c *fake) say(ctx context.Context, keys <-chan call.Digit, sounds []call.Sound) (call.Digit, error) {
	if err := c.fail("say"); err != nil {
		return 0, err
	}
	c.mu.Lock()
	c.quiet()
	c.held = false
	c.mu.Unlock()
	for _, s := range sounds {
		c.mu.Lock()
		at := len(c.heard)
		c.heard = append(c.heard, hearing{name: spoken(s), at: time.Now()})
		c.mu.Unlock()
		cut := func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			if at < len(c.heard) {
				c.heard[at].cut = true
			}
		}
		timer := time.NewTimer(s.Duration)
		defer timer.Stop()
		select {
		case <-timer.C:
		case d := <-keys:
			cut()
			return d, nil
		case <-ctx.Done():
			cut()
			return 0, context.Cause(ctx)
		}
	}
	return 0, nil
}

func (c *fake) Say(ctx context.Context, sounds ...call.Sound) error {
	_, err := c.say(ctx, nil, sounds)
	return err
}

func (c *fake) SayUnlessKey(ctx context.Context, sounds ...call.Sound) (bool, error) {
	if d, ok := c.next(); ok {
		c.Unread(d)
		return false, nil
	}
	d, err := c.say(ctx, c.digits, sounds)
	if d != 0 {
		c.Unread(d)
	}
	return d == 0 && err == nil, err
}

func (c *fake) Read(ctx context.Context, timeout time.Duration, sounds ...call.Sound) (call.Digit, error) {
	if d, ok := c.next(); ok {
		return d, nil
	}
	if d, err := c.say(ctx, c.digits, sounds); d != 0 || err != nil {
		return d, err
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case d := <-c.digits:
		return d, nil
	case <-timer.C:
		return 0, call.ErrNoInput
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

func (c *fake) Hold(context.Context) error {
	if err := c.fail("hold"); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = true
	return nil
}

func (c *fake) Announce(_ context.Context, sounds ...call.Sound) error {
	if err := c.fail("announce"); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.held {
		return errors.New("an announcement to a caller who is not held")
	}
	c.quiet()
	c.speaking = &speech{sounds: sounds, from: time.Now()}
	return nil
}

func (c *fake) Ring(ctx context.Context, r call.Ring) (call.AgentLeg, error) {
	c.mu.Lock()
	answer := c.rings[r.Agent]
	c.mu.Unlock()
	if answer == nil {
		answer = after(time.Second)
	}
	if err := answer(ctx); err != nil {
		if failed := new(call.RingError); errors.As(err, &failed) {
			failed.Agent = r.Agent
		}
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	g := &fakeLeg{
		c: c, agent: r.Agent, channel: fmt.Sprintf("leg-%s-%d", r.Agent, len(c.legs)), leave: make(chan struct{}), moved: make(chan call.AgentID, 1),
	}
	c.legs = append(c.legs, g)
	return g, nil
}

// after is an agent who answers after a while.
func after(d time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// misses is an agent who cannot be had, told after a while.
func misses(d time.Duration, err error) func(context.Context) error {
	return func(ctx context.Context) error {
		if cause := after(d)(ctx); cause != nil {
			return cause
		}
		return err
	}
}

func (c *fake) ResumeLeg(_ context.Context, st call.LegState) (call.AgentLeg, bool) {
	g := c.resumes[st.Channel]
	if g == nil {
		return nil, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.legs = append(c.legs, g)
	return g, true
}

func (c *fake) Hangup(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hungUp = true
	return nil
}

// leg waits until an agent's leg is there and gives the last.
func (c *fake) leg() *fakeLeg {
	c.s.t.Helper()
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.legs) == 0 {
		c.s.t.Fatal("no agent has answered")
	}
	return c.legs[len(c.legs)-1]
}

// fakeLeg is an agent who has answered.
type fakeLeg struct {
	c       *fake
	channel string

	leave chan struct{} // closed: the agent hangs up
	moved chan call.AgentID

	mu       sync.Mutex
	agent    call.AgentID
	heard    []string
	talking  bool
	released bool
}

func (g *fakeLeg) Agent() call.AgentID {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.agent
}

func (g *fakeLeg) Whisper(ctx context.Context, sounds ...call.Sound) error {
	for _, s := range sounds {
		g.mu.Lock()
		g.heard = append(g.heard, spoken(s))
		g.mu.Unlock()
		select {
		case <-time.After(s.Duration):
		case <-g.leave:
			return errors.New("the agent hung up")
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func (g *fakeLeg) Bridge(ctx context.Context, _ func(call.TalkEvent)) (call.TalkEnd, error) {
	if err := g.c.fail("bridge"); err != nil {
		return "", err
	}
	g.c.mu.Lock()
	g.c.quiet()
	g.c.held = false
	g.c.mu.Unlock()
	g.mu.Lock()
	g.talking = true
	g.mu.Unlock()
	select {
	case to := <-g.moved:
		g.mu.Lock()
		defer g.mu.Unlock()
		g.agent = to
		return call.Transferred, nil
	case <-g.leave:
		return call.AgentLeft, nil
	case <-ctx.Done():
		cause := context.Cause(ctx)
		if errors.Is(cause, call.ErrDetach) || errors.Is(cause, call.ErrFenced) {
			return "", cause
		}
		g.Release(ctx)
		return call.CallerLeft, nil
	}
}

func (g *fakeLeg) Release(context.Context) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.released = true
}

func (g *fakeLeg) State() call.LegState {
	g.mu.Lock()
	defer g.mu.Unlock()
	return call.LegState{Agent: g.agent, Channel: g.channel, Bridge: "talk"}
}

func (g *fakeLeg) is(talking, released bool) {
	g.c.s.t.Helper()
	synctest.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.talking != talking || g.released != released {
		g.c.s.t.Errorf("the agent's leg: talking %t, released %t; want %t, %t", g.talking, g.released, talking, released)
	}
}

// state is what an agent is doing.
func (s *stage) state(id call.AgentID) routing.AgentState {
	synctest.Wait()
	for _, a := range s.floor.Agents() {
		if a.ID == id {
			return a.State
		}
	}
	return ""
}

// queue is how a queue stands.
func (s *stage) queue(id string) routing.QueueStatus {
	synctest.Wait()
	for _, q := range s.floor.Queues() {
		if q.ID == id {
			return q
		}
	}
	return routing.QueueStatus{}
}
