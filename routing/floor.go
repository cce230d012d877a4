package routing

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"decroche/call"
	"decroche/service"
)

// Floor owns the callers in line and the agents. Its methods may be called from any
// goroutine, and return at once; from OnAgentState's function too, Close excepted.
type Floor struct {
	opts Options
	log  *slog.Logger

	mu      sync.Mutex
	m       *matcher
	agents  map[call.AgentID]*agent
	waiters map[call.ID]*waiter
	due     deadlines
	// versions counts the states that agents entered.
	versions uint64
	wakeAt   time.Time // when the clock will look; zero: it sleeps
	outbox   []func()
	onState  func(AgentStatus)
	closed   bool

	rearm, post chan struct{} // capacity 1
	stop        chan struct{}
	running     sync.WaitGroup
}

// NewFloor returns a Floor with no queue and no agent. Close it.
func NewFloor(opts Options) *Floor {
	if opts.SetAside <= 0 {
		opts.SetAside = time.Minute
	}
	if opts.BusyAside <= 0 {
		opts.BusyAside = 20 * time.Second
	}
	if opts.Recovering <= 0 {
		opts.Recovering = 30 * time.Second
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	f := &Floor{
		opts: opts, log: opts.Log, m: newMatcher(),
		agents: map[call.AgentID]*agent{}, waiters: map[call.ID]*waiter{},
		rearm: make(chan struct{}, 1), post: make(chan struct{}, 1), stop: make(chan struct{}),
	}
	f.running.Go(f.clock)
	f.running.Go(f.deliver)
	return f
}

// Close ends the Floor's timers, hands over what is still to be told, and waits for it.
// What happens afterwards is told to nobody. Closing twice does nothing more.
func (f *Floor) Close() {
	f.mu.Lock()
	if !f.closed {
		f.closed = true
		close(f.stop)
	}
	f.mu.Unlock()
	f.running.Wait()
}

// OnAgentState sets the function told of each change of an agent's status, in order, one
// at a time, outside locks. Changes made before are not told. The function should not take
// long: the journal and the estimator are told after it.
func (f *Floor) OnAgentState(fn func(AgentStatus)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.onState = fn
}

// SetQueues puts the queues in service. Callers of a queue that is gone keep its old
// rules until they leave; the others are under the new rules at once.
func (f *Floor) SetQueues(queues map[string]*service.Queue) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.begin()
	f.apply(f.m.setQueues(queues), now)
	if d, ok := f.opts.Estimator.(interface {
		SetDefaults(queue string, aht time.Duration)
	}); ok {
		for _, id := range sortedKeys(queues) {
			aht := queues[id].DefaultAHT
			f.tell(func() { d.SetDefaults(id, aht) })
		}
	}
	f.arm()
}

// Place is a caller's place in line.
type Place struct {
	f        *Floor
	w        *waiter
	reserved chan *Reservation
	changed  chan struct{}
	// live is the reservation not yet connected or failed.
	live *Reservation
}

// Join puts a caller in line. It returns ErrUnknownQueue, ErrAlreadyWaiting, ErrClosed or
// a *FullError; resumed callers are never refused as full.
func (f *Floor) Join(c Caller) (*Place, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.begin()
	l := f.m.byID[c.Queue]
	switch {
	case f.closed:
		return nil, fmt.Errorf("join queue %s: %w", c.Queue, ErrClosed)
	case l == nil || l.removed && !c.Resumed:
		return nil, fmt.Errorf("join queue %q: %w", c.Queue, ErrUnknownQueue)
	case f.waiters[c.ID] != nil:
		return nil, fmt.Errorf("join queue %s: %w in queue %s", c.Queue, ErrAlreadyWaiting, f.waiters[c.ID].Queue)
	}
	if most := l.rules.MaxWaiting; most > 0 && len(l.waiting) >= most && !c.Resumed {
		if n := l.onTheLine(); n >= most {
			l.counts.refused++
			return nil, &FullError{Queue: c.Queue, Waiting: n}
		}
	}
	if c.Joined.IsZero() || c.Joined.After(now) {
		c.Joined = now
	}
	w := &waiter{Caller: c, line: l, at: c.Joined.UnixNano()}
	w.place = &Place{f: f, w: w, reserved: make(chan *Reservation, 1), changed: make(chan struct{}, 1)}
	o := f.m.outlook(w)
	w.onArrive = o.ahead
	f.waiters[c.ID] = w
	if !c.Resumed {
		l.counts.arrived++
		if e := f.opts.Estimator; e != nil {
			// What is estimated for each caller who joins is held against the wait that follows:
			// that is how the estimator calibrates itself.
			found := f.situation(o, c.Queue, 0, now)
			f.tell(func() {
				e.ObserveArrival(c.Queue, now)
				e.Estimate(found)
			})
		}
	}
	f.apply(f.m.arrive(w), now)
	f.arm()
	return w.place, nil
}

// Reserved gives an agent who is reserved for this caller: one at a time, the next one
// after the one before has Failed. Its capacity is 1; it is never closed.
func (p *Place) Reserved() <-chan *Reservation { return p.reserved }

// Changed nudges when the caller's standing changed by a cause: agents left, the first
// came, an overflow opened, rules were reloaded. Nudges nobody took in between are one. It is never closed.
func (p *Place) Changed() <-chan struct{} { return p.changed }

// Leave takes out of line a caller who gave up. A reservation not connected is released.
// After Connected, or a second time, it does nothing.
func (p *Place) Leave() { p.leave(true) }

// Withdraw is Leave for a caller who did not give up: who chose to be called back, or
// whom the controller leaves in place when it stops. It does not count as abandoned.
func (p *Place) Withdraw() { p.leave(false) }

func (p *Place) leave(abandoned bool) {
	f, w := p.f, p.w
	f.mu.Lock()
	defer f.mu.Unlock()
	if w.gone {
		return
	}
	now := f.begin()
	seat := f.m.leave(w)
	delete(f.waiters, w.ID)
	select {
	case <-p.reserved: // nobody will take it
	default:
	}
	if abandoned {
		w.line.counts.abandoned++
		if e := f.opts.Estimator; e != nil && !w.Resumed {
			f.tell(func() { e.ObserveAbandoned(w.Queue, w.onArrive, now.Sub(w.Joined), now) })
		}
	}
	if seat != nil {
		p.live.over = true
		p.live = nil
		f.releaseUnrung(f.agents[seat.id], now)
	}
	f.arm()
}

// Standing tells where the caller stands; it is zero once the caller waits no more.
func (p *Place) Standing() Standing {
	f, w := p.f, p.w
	f.mu.Lock()
	if w.gone {
		f.mu.Unlock()
		return Standing{}
	}
	now := f.begin()
	o := f.m.outlook(w)
	l := w.line
	s := Standing{
		Position: o.own + 1, Ahead: o.ahead, Waiting: len(l.waiting) + len(l.reserved),
		Agents: o.reachable, NoAgents: !l.anyPresent(), Elapsed: max(0, now.Sub(w.Joined)),
		AgentsLeft: l.agentsLeft, HigherPriorityCame: l.higherCame,
	}
	situation := f.situation(o, w.Queue, s.Elapsed, now)
	f.mu.Unlock()
	if f.opts.Estimator != nil {
		s.Estimate = f.opts.Estimator.Estimate(situation)
	}
	return s
}

func (f *Floor) situation(o outlook, queue string, elapsed time.Duration, now time.Time) Situation {
	return Situation{
		Queue: queue, At: now, Ahead: o.ahead, Agents: o.agents, Busy: o.busy,
		HigherRate: o.higherRate, Elapsed: elapsed, InService: f.ages(o.pools, now),
	}
}

// begin starts each event: the time goes on, overflows that are due open first.
func (f *Floor) begin() time.Time {
	now := time.Now()
	f.apply(f.m.advance(now), now)
	return now
}

// apply turns what the matching decided into reservations, and tells what it noted.
func (f *Floor) apply(out []assignment, now time.Time) {
	for _, o := range f.m.opened {
		f.journal(call.EventOverflowed, o.waiter.ID, now, map[string]any{"queue": o.to})
		o.waiter.place.nudge()
	}
	f.m.opened = f.m.opened[:0]
	f.nudgeShaken()
	for _, a := range out {
		f.reserve(a, now)
	}
}

func (f *Floor) nudgeShaken() {
	f.m.marks++
	for _, l := range f.m.shaken {
		if l.mark == f.m.marks {
			continue
		}
		l.mark = f.m.marks
		for _, w := range l.waiting {
			w.place.nudge()
		}
	}
	f.m.shaken = f.m.shaken[:0]
}

func (p *Place) nudge() {
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// arm makes the clock look at the next moment something is due.
func (f *Floor) arm() {
	next := f.due.next()
	if f.m.nextDue != never {
		if t := time.Unix(0, f.m.nextDue); next.IsZero() || t.Before(next) {
			next = t
		}
	}
	if next.IsZero() || !f.wakeAt.IsZero() && !next.Before(f.wakeAt) {
		return // a wake-up too early costs nothing
	}
	f.wakeAt = next
	select {
	case f.rearm <- struct{}{}:
	default:
	}
}

// clock runs what is due by time.
func (f *Floor) clock() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-f.stop:
			return
		case <-f.rearm:
		case <-timer.C:
			f.tick()
		}
		f.mu.Lock()
		at := f.wakeAt
		f.mu.Unlock()
		if at.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(at))
		}
	}
}

func (f *Floor) tick() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	now := f.begin()
	f.wakeAt = time.Time{}
	for {
		a, ok := f.due.pop(now)
		if !ok {
			break
		}
		f.timeUp(a, now)
	}
	f.arm()
}

// tell hands something over to be done outside the lock, after all that was told before.
func (f *Floor) tell(fn func()) {
	if f.closed {
		return
	}
	f.outbox = append(f.outbox, fn)
	select {
	case f.post <- struct{}{}:
	default:
	}
}

// backlog is how many changes may wait to be told before the operator hears of it.
const backlog = 10_000

// deliver does what was told, in order, until the Floor is closed and all is done.
func (f *Floor) deliver() {
	for {
		stopping := false
		select {
		case <-f.post:
		case <-f.stop:
			stopping = true
		}
		for {
			f.mu.Lock()
			todo := f.outbox
			f.outbox = nil
			f.mu.Unlock()
			if len(todo) == 0 {
				break
			}
			if len(todo) > backlog {
				f.log.Warn("the journal or the store of agents' states is slow: changes wait to be told", "waiting", len(todo))
			}
			for _, fn := range todo {
				fn()
			}
		}
		if stopping {
			return
		}
	}
}

// journal writes a fact, outside the lock.
func (f *Floor) journal(kind call.EventKind, id call.ID, at time.Time, data map[string]any) {
	if f.opts.Journal == nil {
		return
	}
	raw, err := json.Marshal(data)
	if err != nil { // strings and numbers always marshal
		f.log.Error("journal entry", "kind", string(kind), "err", err)
		return
	}
	f.tell(func() { f.opts.Journal.Append(call.Event{At: at, Call: id, Kind: kind, Data: raw}) })
}
