// Package plans switches prepared plans on and off: by hand, or by their rules.
//
// What runs is kept in the database: a plan is on once, whoever switches it on, and it ends at its time
// even if nobody is there: its messages have that end themselves. Who ends a plan by hand is obeyed; its
// rule waits until it has not held once.
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

// QueueState is how a queue stands: the longest wait of who waits, agents signed in, and the calls of the hour.
type QueueState struct {
	Longest             time.Duration
	Agents              int
	Requested, Answered int64
}

// leastCalls is how many calls an hour has before its décroché says something.
const leastCalls = 10

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
	Log     *slog.Logger

	mu     sync.Mutex
	on     []int64 // the runs that were applied last
	names  atomic.Pointer[[]string]
	known  bool
	ready  map[int64]bool // runs whose messages are those of the definition, by this process
	rule   map[string]service.Trigger
	since  map[string]time.Time
	held   map[string]bool // whether that rule held, since that time
	manual map[string]bool // ended by hand while the rule held
}

// On switches a plan on until a time; the zero time is what the plan says. It returns ErrNone, ErrRunning or ErrEnd.
func (o *Office) On(ctx context.Context, id string, until time.Time, by string) (Run, error) {
	p := o.Service().Plans[id]
	if p == nil {
		return Run{}, ErrNone
	}
	now := time.Now()
	if until.IsZero() {
		until = now.Add(p.Ends)
	}
	if !until.After(now) || until.Sub(now) > longest {
		return Run{}, ErrEnd
	}
	r, err := o.Store.StartPlan(ctx, Run{Plan: id, From: now, Until: until, By: by})
	if err != nil {
		return Run{}, err
	}
	o.Log.Info("a plan is on", "plan", id, "by", by, "until", until)
	return r, o.look(ctx)
}

// Off ends a run; one that is over stays as it is.
func (o *Office) Off(ctx context.Context, id int64, by string) error {
	runs, err := o.Store.PlanRuns(ctx, time.Now())
	if err != nil {
		return err
	}
	i := slices.IndexFunc(runs, func(r Run) bool { return r.ID == id })
	if i < 0 {
		return nil
	}
	if by != ByRule && by != ByEnd {
		o.mu.Lock()
		o.forRules()
		o.manual[runs[i].Plan] = true
		o.mu.Unlock()
	}
	if err := o.end(ctx, runs[i], by, time.Now()); err != nil {
		return err
	}
	return o.look(ctx)
}

func (o *Office) end(ctx context.Context, r Run, by string, at time.Time) error {
	ended, err := o.Store.EndPlan(ctx, r.ID, by, at)
	if err != nil || !ended {
		return err
	}
	o.Log.Info("a plan is off", "plan", r.Plan, "by", by)
	if by == ByEnd { // its messages have ended at the same time
		return nil
	}
	if err := o.stop(ctx, r, nil, by, at); err != nil {
		return err
	}
	return o.Changed(ctx)
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

// Runs lists those that are on, and those that ended after a time.
func (o *Office) Runs(ctx context.Context, since time.Time) ([]Run, error) {
	return o.Store.PlanRuns(ctx, since)
}

// messages are those of a run as the definition has them now, for the languages of the service.
func (o *Office) messages(p *service.Plan, r Run, now time.Time) (list []ivr.Message) {
	def := o.Service()
	for _, pm := range p.Messages {
		m := ivr.Message{
			Text: map[call.Lang]string{}, Queue: pm.Queue, Replace: pm.Replace, Offer: pm.Offer,
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
		}
		list = append(list, m)
	}
	return list
}

// prefix begins the keys of a run's messages.
func (r Run) prefix() string { return fmt.Sprintf("plan:%d:", r.ID) }

// key names a message of a run by what it says, so that it is let out once; one that was stopped by hand stays so. A
// message that the plan says again, after it had said it no more, is another: out are those of the run.
func (r Run) key(m ivr.Message, out map[string]ivr.Message) string {
	says, _ := json.Marshal([]any{m.Text, m.Queue, m.Offer, m.Replace}) // strings alone
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
	now := time.Now()
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
			errs = append(errs, o.end(ctx, r, ByEnd, r.Until))
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
	for _, m := range o.messages(p, r, now) {
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
		o.since, o.held, o.manual = map[string]time.Time{}, map[string]bool{}, map[string]bool{}
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
	plans := o.Service().Plans
	if !slices.ContainsFunc(values(plans), func(p *service.Plan) bool { return p.When != nil }) {
		return nil
	}
	state, err := o.State(ctx)
	if err != nil {
		return err
	}
	runs, err := o.Store.PlanRuns(ctx, time.Now())
	if err != nil {
		return err
	}
	for _, p := range values(plans) {
		if p.When == nil {
			continue
		}
		i := slices.IndexFunc(runs, func(r Run) bool { return r.Plan == p.ID && r.Ended.IsZero() })
		switch holds, long := o.watch(p, state, time.Now()); {
		case holds && long && i < 0:
			if _, err := o.On(ctx, p.ID, time.Time{}, ByRule); err != nil && !errors.Is(err, ErrRunning) {
				return err
			}
		case !holds && long && i >= 0 && runs[i].By == ByRule:
			if err := o.Off(ctx, runs[i].ID, ByRule); err != nil {
				return err
			}
		}
	}
	return nil
}

func values(plans map[string]*service.Plan) (list []*service.Plan) {
	for _, p := range plans {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b *service.Plan) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// watch tells whether a plan's rule holds, and whether that has been so for long enough. A rule that was changed
// begins anew.
func (o *Office) watch(p *service.Plan, s State, now time.Time) (holds, long bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.forRules()
	if o.rule[p.ID] != *p.When {
		o.rule[p.ID] = *p.When
		delete(o.held, p.ID)
	}
	holds = Holds(p.When, s)
	if before, known := o.held[p.ID]; !known || before != holds {
		o.held[p.ID], o.since[p.ID] = holds, now
		if !holds {
			delete(o.manual, p.ID)
		}
	}
	long = now.Sub(o.since[p.ID]) >= p.When.For && !(holds && o.manual[p.ID])
	return holds, long
}

// Holds says whether a rule holds as the service stands.
func Holds(t *service.Trigger, s State) bool {
	if t.LinkDown != "" {
		return s.Down[t.LinkDown]
	}
	if !s.Open {
		return false
	}
	for id, q := range s.Queues {
		if t.Queue != "" && t.Queue != id {
			continue
		}
		switch {
		case t.WaitAbove > 0 && q.Longest > t.WaitAbove,
			t.AgentsBelow > 0 && q.Agents < t.AgentsBelow,
			t.AnsweredBelow > 0 && q.Requested >= leastCalls && float64(q.Answered) < t.AnsweredBelow*float64(q.Requested):
			return true
		}
	}
	return false
}
