// Package plans switches prepared plans on and off: by hand, or by their rules.
//
// What runs is kept in the database: a plan is on once, whoever switches it on, and it ends at its time
// even if nobody is there: its messages have that end themselves. Who ends a plan by hand is obeyed, and so is its end:
// its rule waits until what it is about has ceased. That is in the database too, known to every node and after
// a crash.
//
// A plan that is on follows its definition: when that changes, so do its rules and what it says. When the plan
// is there no more its rules are gone, and what it says goes on until its end, or until somebody ends it: what was
// let out for an incident does not fall silent because a file was changed.
package plans

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"decroche/call"
	"decroche/ivr"
	"decroche/service"
)

// Run is one time that a plan is or was on.
type Run struct {
	ID   int64
	Plan string
	// From ≤ t < Until; ended earlier at Ended, if that is not zero.
	From, Until time.Time
	// By is an account, "console", or ByRule.
	By      string
	Ended   time.Time
	EndedBy string
	// Held is when its rule was last seen to hold, by any node; zero for none, and once that has ceased after the end.
	Held time.Time
}

// ByRule is who switches by a rule, ByEnd what ends a plan at its time; ByChange stops a message that its plan says
// no more.
const (
	ByRule   = "rule"
	ByEnd    = "end"
	ByChange = "change"
)

// On says whether the run is on at a time.
func (r Run) On(at time.Time) bool {
	return r.Ended.IsZero() && !at.Before(r.From) && at.Before(r.Until)
}

// Waits says that the rule does not switch the plan on again before it has ceased to hold: what is decided by hand, and
// an end, are not undone while the cause lasts.
func (r Run) Waits() bool { return !r.Ended.IsZero() && r.EndedBy != ByRule && !r.Held.IsZero() }

// Errors of plans.
var (
	ErrNone    = errors.New("there is no such plan")
	ErrRunning = errors.New("the plan is on already")
	ErrEnd     = errors.New("a plan ends after its beginning, and within 31 days")
)

const longest = 31 * 24 * time.Hour

// Store keeps runs.
type Store interface {
	// StartPlan keeps a run; ErrRunning when one of the plan has no end yet.
	StartPlan(ctx context.Context, r Run) (Run, error)
	// EndPlan ends a run that has no end yet; ended is false when it had.
	EndPlan(ctx context.Context, id int64, by string, at time.Time) (ended bool, err error)
	// PlanRuns lists the runs that have no end, or ended after a time; oldest first.
	PlanRuns(ctx context.Context, since time.Time) ([]Run, error)
	// LastRuns gives the last run of every plan that was ever on.
	LastRuns(ctx context.Context) ([]Run, error)
	// PlanHeld keeps when the rule of a run was last seen to hold, zero for no more; nothing, and kept is false, when
	// that is no more what it was: another node was faster.
	PlanHeld(ctx context.Context, id int64, was, at time.Time) (kept bool, err error)
}

// Messages are let out and stopped; store.DB is one.
type Messages interface {
	Publish(ctx context.Context, m ivr.Message, key string) (ivr.Message, error)
	// MessagesOf gives the messages whose keys begin with a prefix, by their keys.
	MessagesOf(ctx context.Context, prefix string) (map[string]ivr.Message, error)
	Stop(ctx context.Context, id int64, by string, at time.Time) (ivr.Message, error)
}

// State is how the service stands, as rules look at it.
type State struct {
	Open bool
	// Down are the links whose sites do not work.
	Down map[string]bool
	// Queues by their ids.
	Queues map[string]QueueState
}

// QueueState is how a queue stands: the longest wait of who waits, agents signed in, and the calls of the last hour.
type QueueState struct {
	Longest             time.Duration
	Agents              int
	Requested, Answered int64
}

// leastCalls is how many calls a queue has in an hour before its décroché says something.
const leastCalls = 10

// recent is for how long it counts that another process has seen a rule hold: nodes look every period, and one that
// was just started finds its callers again meanwhile.
const recent = 6 * period

// Office switches plans.
type Office struct {
	Store    Store
	Messages Messages
	// Service is the definition as it is written, without any plan.
	Service func() *service.Definition
	// State tells how the service stands.
	State func(ctx context.Context) (State, error)
	// Apply is called with the plans that are on whenever they are others, in the order they were switched on.
	Apply func(on []*service.Plan)
	// Changed is called after messages were let out or stopped.
	Changed func(ctx context.Context) error
	// Keep keeps a recording of the service as one of messages, which every node has, and gives its name.
	Keep func(ctx context.Context, recording string) (name string, err error)
	// Now is the clock of the runs; nil is time.Now.
	Now func() time.Time
	Log *slog.Logger

	mu    sync.Mutex
	on    []int64 // the runs that were applied last
	names atomic.Pointer[[]string]
	lasts atomic.Pointer[[]string] // plans that came to their end while their rule holds
	known bool
	ready map[int64]bool // runs whose messages are those of the definition, by this process
	rule  map[string]service.Trigger
	since map[string]time.Time
	held  map[string]bool      // whether that rule held, since that time
	saw   map[string]time.Time // when the rule was last seen to hold, as this process has kept it
}

func (o *Office) now() time.Time {
	if o.Now == nil {
		return time.Now()
	}
	return o.Now()
}

// On switches a plan on until a time; the zero time is what the plan says. It returns ErrNone, ErrRunning or ErrEnd.
func (o *Office) On(ctx context.Context, id string, until time.Time, by string) (Run, error) {
	p := o.Service().Plans[id]
	if p == nil {
		return Run{}, ErrNone
	}
	now := o.now()
	if until.IsZero() {
		until = now.Add(p.Ends)
	}
	if !until.After(now) || until.Sub(now) > longest {
		return Run{}, ErrEnd
	}
	r := Run{Plan: id, From: now, Until: until, By: by}
	if p.When != nil { // who ends it at once is obeyed too
		r.Held = now
	}
	r, err := o.Store.StartPlan(ctx, r)
	if err != nil {
		return Run{}, err
	}
	o.mu.Lock()
	o.forRules()
	o.saw[id] = r.Held
	o.mu.Unlock()
	o.Log.Info("a plan is on", "plan", id, "by", by, "until", until)
	return r, o.look(ctx)
}

// Off ends a run and gives it; ended is false when it was over already, and stays as it is.
func (o *Office) Off(ctx context.Context, id int64, by string) (r Run, ended bool, err error) {
	runs, err := o.Store.PlanRuns(ctx, o.now())
	if err != nil {
		return Run{}, false, err
	}
	i := slices.IndexFunc(runs, func(r Run) bool { return r.ID == id })
	if i < 0 {
		return Run{}, false, nil
	}
	if ended, err = o.end(ctx, runs[i], by, o.now()); err != nil {
		return runs[i], ended, err
	}
	return runs[i], ended, o.look(ctx)
}

func (o *Office) end(ctx context.Context, r Run, by string, at time.Time) (ended bool, err error) {
	ended, err = o.Store.EndPlan(ctx, r.ID, by, at)
	if err != nil || !ended {
		return false, err
	}
	o.Log.Info("a plan is off", "plan", r.Plan, "by", by)
	if by == ByEnd { // its messages have ended at the same time
		return true, nil
	}
	if err := o.stop(ctx, r, nil, by, at); err != nil {
		return true, err
	}
	return true, o.Changed(ctx)
}

// stop ends the messages of a run, but those that are kept: what is out, whatever the definition says by now.
func (o *Office) stop(ctx context.Context, r Run, keep []string, by string, at time.Time) error {
	out, err := o.Messages.MessagesOf(ctx, r.prefix())
	if err != nil {
		return err
	}
	for key, m := range out {
		if !m.Stopped.IsZero() || slices.Contains(keep, key) {
			continue
		}
		if _, err := o.Messages.Stop(ctx, m.ID, by, at); err != nil {
			return err
		}
	}
	return nil
}

// IsOn tells whether a plan is on, as of the last look.
func (o *Office) IsOn(id string) bool {
	names := o.names.Load()
	return names != nil && slices.Contains(*names, id)
}

// Lasting tells whether a plan came to its end while what its rule is about lasts, as of the last look.
func (o *Office) Lasting(id string) bool {
	lasts := o.lasts.Load()
	return lasts != nil && slices.Contains(*lasts, id)
}

// Runs lists those that are on, and those that ended after a time.
func (o *Office) Runs(ctx context.Context, since time.Time) ([]Run, error) {
	return o.Store.PlanRuns(ctx, since)
}

// messages are those of a run as the definition has them now, for the languages of the service.
func (o *Office) messages(ctx context.Context, p *service.Plan, r Run, now time.Time) (list []ivr.Message) {
	def := o.Service()
	for _, pm := range p.Messages {
		m := ivr.Message{
			Text: map[call.Lang]string{}, Sound: map[call.Lang]string{}, Queue: pm.Queue, Replace: pm.Replace, Offer: pm.Offer,
			From: now, Until: r.Until, Created: now, CreatedBy: r.By,
		}
		if pm.Menu != "" {
			m.Queue = ivr.MessageMenu + pm.Menu
		}
		if pm.Link != "" {
			m.Offer = ivr.OfferLink + pm.Link
		}
		for lang, phrase := range def.Prompts[pm.Prompt] {
			m.Text[lang] = phrase.Say
			if name := o.kept(ctx, p, phrase.Recording); name != "" {
				m.Sound[lang] = name
			}
		}
		list = append(list, m)
	}
	return list
}

// kept is the name of a recording among those of messages; "" for none, and for one that cannot be kept: its words are
// said then.
func (o *Office) kept(ctx context.Context, p *service.Plan, recording string) string {
	if recording == "" || o.Keep == nil {
		return ""
	}
	name, err := o.Keep(ctx, recording)
	if err != nil {
		o.Log.Error("the recording of a plan cannot be said; its words are", "plan", p.ID, "recording", recording, "err", err)
		return ""
	}
	return name
}

// prefix begins the keys of a run's messages.
func (r Run) prefix() string { return fmt.Sprintf("plan:%d:", r.ID) }

// key names a message of a run by what it says, so that it is let out once; one that was stopped by hand stays so. A
// message that the plan says again, after it had said it no more, is another: out are those of the run.
func (r Run) key(m ivr.Message, out map[string]ivr.Message) string {
	parts := []any{m.Text, m.Queue, m.Offer, m.Replace}
	if len(m.Sound) > 0 {
		parts = append(parts, m.Sound)
	}
	says, _ := json.Marshal(parts) // strings alone
	base := fmt.Sprintf("%s%x.", r.prefix(), sha256.Sum256(says))
	before := 0
	for key, m := range out {
		if strings.HasPrefix(key, base) && m.StoppedBy == ByChange {
			before++
		}
	}
	return fmt.Sprint(base, before)
}

// look ends what is over, lets out the messages of what is on, and applies what is on. It may be run at
// any time, again and again. What fails for one plan keeps no other from its time.
func (o *Office) look(ctx context.Context) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.now()
	runs, err := o.Store.PlanRuns(ctx, now)
	if err != nil {
		return err
	}
	o.forRules()
	var on []*service.Plan
	var ids []int64
	var errs []error
	for _, r := range runs {
		p := o.Service().Plans[r.Plan]
		switch {
		case r.On(now) && p != nil:
			on, ids = append(on, p), append(ids, r.ID)
			errs = append(errs, o.letOut(ctx, p, r, now))
		case r.Ended.IsZero() && !now.Before(r.Until):
			_, err := o.end(ctx, r, ByEnd, r.Until)
			errs = append(errs, err)
		}
	}
	if !o.known || !slices.Equal(ids, o.on) {
		o.known, o.on = true, ids
		names := make([]string, len(on))
		for i, p := range on {
			names[i] = p.ID
		}
		o.names.Store(&names)
		o.Apply(on)
	}
	return errors.Join(errs...)
}

// letOut makes what a run says what its plan says, once for each definition: it publishes what is not out, and
// stops what the plan says no more.
func (o *Office) letOut(ctx context.Context, p *service.Plan, r Run, now time.Time) error {
	if o.ready[r.ID] {
		return nil
	}
	out, err := o.Messages.MessagesOf(ctx, r.prefix())
	if err != nil {
		return err
	}
	var said []string
	var errs []error
	for _, m := range o.messages(ctx, p, r, now) {
		key := r.key(m, out)
		said = append(said, key)
		if _, is := out[key]; is {
			continue
		}
		if _, err := o.Messages.Publish(ctx, m, key); err != nil {
			errs = append(errs, fmt.Errorf("plan %s: %w", r.Plan, err))
		}
	}
	errs = append(errs, o.stop(ctx, r, said, ByChange, now), o.endedMeanwhile(ctx, r), o.Changed(ctx))
	err = errors.Join(errs...)
	o.ready[r.ID] = err == nil
	return err
}

// endedMeanwhile stops what was let out of a run that another node ended at the same moment: who ended it may not
// have seen all of it.
func (o *Office) endedMeanwhile(ctx context.Context, r Run) error {
	runs, err := o.Store.PlanRuns(ctx, r.From)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(runs, func(other Run) bool { return other.ID == r.ID })
	if i < 0 || runs[i].Ended.IsZero() {
		return nil
	}
	return o.stop(ctx, r, nil, runs[i].EndedBy, runs[i].Ended)
}

// Again applies what is on anew: the definition is another, and what is said may be too.
func (o *Office) Again(ctx context.Context) error {
	o.mu.Lock()
	o.known, o.ready = false, map[int64]bool{}
	o.mu.Unlock()
	return o.look(ctx)
}

func (o *Office) forRules() {
	if o.since == nil {
		o.ready, o.rule = map[int64]bool{}, map[string]service.Trigger{}
		o.since, o.held, o.saw = map[string]time.Time{}, map[string]bool{}, map[string]time.Time{}
	}
}

// period is how often plans are looked at.
const period = 5 * time.Second

// Run looks at plans and their rules until ctx ends.
func (o *Office) Run(ctx context.Context) error {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		if err := o.Look(ctx); err != nil && ctx.Err() == nil {
			o.Log.Warn("plans could not be looked at; their messages end by themselves", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Look looks at plans and their rules once.
func (o *Office) Look(ctx context.Context) error { return errors.Join(o.look(ctx), o.rules(ctx)) }

// rules switches plans by what they wait for.
func (o *Office) rules(ctx context.Context) error {
	list := slices.DeleteFunc(values(o.Service().Plans), func(p *service.Plan) bool { return p.When == nil })
	if len(list) == 0 {
		o.lasts.Store(nil)
		return nil
	}
	state, err := o.State(ctx)
	if err != nil {
		return err
	}
	runs, err := o.Store.LastRuns(ctx)
	if err != nil {
		return err
	}
	var lasts []string
	var errs []error
	for _, p := range list {
		var last Run
		if i := slices.IndexFunc(runs, func(r Run) bool { return r.Plan == p.ID }); i >= 0 {
			last = runs[i]
		}
		now := o.now()
		if last.Waits() && last.EndedBy == ByEnd && now.Sub(last.Held) < recent {
			lasts = append(lasts, p.ID)
		}
		errs = append(errs, o.obey(ctx, p, last, o.watch(p, state, last, now), now))
	}
	o.lasts.Store(&lasts)
	return errors.Join(errs...)
}

// obey does what a rule says, as the last run of the plan stands.
func (o *Office) obey(ctx context.Context, p *service.Plan, last Run, says verdict, now time.Time) error {
	on := last.ID != 0 && last.Ended.IsZero()
	switch {
	case says >= holds && (on || last.Waits()):
		return o.holding(ctx, last, now)
	case says == due:
		if _, err := o.On(ctx, p.ID, time.Time{}, ByRule); err != nil && !errors.Is(err, ErrRunning) {
			return err
		}
	case says == ceased && on && last.By == ByRule:
		_, _, err := o.Off(ctx, last.ID, ByRule)
		return err
	case says == ceased && last.Waits():
		_, err := o.Store.PlanHeld(ctx, last.ID, last.Held, time.Time{})
		return err
	}
	return nil
}

// holding keeps for the other nodes, and for after a crash, that the rule of a run holds. What is kept is later than
// what was: it tells who kept it.
func (o *Office) holding(ctx context.Context, last Run, now time.Time) error {
	at := now.Truncate(time.Millisecond)
	if !at.After(last.Held) {
		at = last.Held.Add(time.Millisecond)
	}
	kept, err := o.Store.PlanHeld(ctx, last.ID, last.Held, at)
	if kept {
		o.mu.Lock()
		o.saw[last.Plan] = at
		o.mu.Unlock()
	}
	return err
}

func values(plans map[string]*service.Plan) (list []*service.Plan) {
	for _, p := range plans {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b *service.Plan) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// verdict is what a rule says of its plan.
type verdict int

const (
	unsure verdict = iota // it is not known whether the rule holds, or it holds no more and that is not for long enough
	ceased                // it holds no more, for long enough
	holds
	due // it holds, for long enough
)

// watch looks at a rule. One that was changed begins anew, and so does one of which nobody knew for a while. What
// another process has seen lately counts: with several nodes it may be its callers who wait.
func (o *Office) watch(p *service.Plan, s State, last Run, now time.Time) verdict {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.forRules()
	if o.rule[p.ID] != *p.When {
		o.rule[p.ID] = *p.When
		delete(o.held, p.ID)
	}
	does, known := Holds(p.When, s)
	if !known {
		delete(o.held, p.ID)
		return unsure
	}
	if before, is := o.held[p.ID]; !is || before != does {
		o.held[p.ID], o.since[p.ID] = does, now
	}
	long, others := now.Sub(o.since[p.ID]), !last.Held.Equal(o.saw[p.ID])
	switch {
	case does && long >= p.When.For:
		return due
	case does:
		return holds
	case others && (long < recent || now.Sub(last.Held) < recent), long < p.When.For:
		return unsure
	}
	return ceased
}

// Holds says whether a rule holds as the service stands. It is not known while the décroché is below of fewer calls
// than say something, or no queue has as many: then the plan stays as it is.
func Holds(t *service.Trigger, s State) (holds, known bool) {
	if t.LinkDown != "" {
		return s.Down[t.LinkDown], true
	}
	if !s.Open {
		return false, true
	}
	var doubt, judged bool
	for id, q := range s.Queues {
		if t.Queue != "" && t.Queue != id {
			continue
		}
		enough, below := q.Requested >= leastCalls, float64(q.Answered) < t.AnsweredBelow*float64(q.Requested)
		if t.WaitAbove > 0 && q.Longest > t.WaitAbove || t.AgentsBelow > 0 && q.Agents < t.AgentsBelow || enough && below {
			return true, true
		}
		doubt, judged = doubt || below, judged || enough
	}
	return false, t.AnsweredBelow == 0 || judged && !doubt
}
