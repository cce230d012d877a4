package ivr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"decroche/call"
)

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

	visit   *Visit
	dials   int                             // how often the citizen was rung
	answers func(ctx context.Context) error // how a citizen answers whom we call
	onLine  bool
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
	c.visit = v
	go func() {
		defer close(c.over)
		c.end, c.left = c.s.runner.Run(c.ctx, c, step, v)
		if c.left == nil { // as the controller does
			c.s.journey.LeftWaiting(context.WithoutCancel(c.ctx), c.info, v, context.Cause(c.ctx))
			c.s.journey.LeftAnswered(context.WithoutCancel(c.ctx), c.info, v, context.Cause(c.ctx))
		}
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
	c.info, c.onLine = cp.Info, old.onLine
	c.info.Resumed = true
	for _, g := range old.legs {
		if !g.released && !g.isGone() {
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

func (c *fake) hangsUp() { c.leaves(call.ErrHangup) }

// leaves ends the caller's line by a cause.
func (c *fake) leaves(cause error) {
	c.cancel(cause)
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
	c.mustBeThere("is spoken to")
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
	c.mustBeThere("is put on hold")
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

// mustBeThere fails the test when something is done to somebody who has not answered.
func (c *fake) mustBeThere(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.info.Outgoing && !c.onLine {
		c.s.t.Errorf("a citizen who has not answered %s", what)
	}
}

// Dial and Confirm implement call.Outgoing.
func (c *fake) Dial(ctx context.Context, d call.Dial) error {
	c.mu.Lock()
	c.dials++
	answer := c.answers
	c.mu.Unlock()
	if d.Started != nil {
		d.Started()
	}
	if answer == nil {
		answer = after(3 * time.Second)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, d.Timeout, &call.RingError{Result: call.NoAnswer})
	defer cancel()
	if err := answer(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.onLine = true
	return nil
}

// voice is a digit that stands for a short word spoken.
const voice = call.Digit('v')

func (c *fake) Confirm(ctx context.Context, timeout time.Duration, sounds ...call.Sound) error {
	if err := c.fail("confirm"); err != nil {
		return err
	}
	_, err := c.Read(ctx, timeout, sounds...)
	return err
}

// rung is how often the citizen's phone was rung.
func (c *fake) rung() int {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dials
}
