package callback

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"decroche/call"
	"decroche/routing"
	"decroche/service"
)

const (
	// lineMax is how many promises of a node stand in line at most; each open queue has an equal
	// share, and at least shareMin, so that a queue without agents never keeps another's out.
	lineMax, shareMin = 500, 20
	// carryMax is how many promises are carried over in one look at the line.
	carryMax = 100
	// look is the longest time between two looks at the line, breather the shortest.
	look, breather = time.Second, 50 * time.Millisecond
	// away is for how long nothing is tried after the store failed, or the floor refused a place.
	away = 2 * time.Second
	// patience bounds what is asked of the store while an agent is held.
	patience = 2 * time.Second
	// An open attempt that no call of ours belongs to is closed once it was found so for orphaned.
	sweepEvery, orphaned = 15 * time.Second, 30 * time.Second
)

// Keeper decides what becomes of promises: a *Book, but for tests.
type Keeper interface {
	// Attempted ends an attempt and applies the retry rule. The promise is InLine after a result
	// for which its place stands. It is idempotent.
	Attempted(ctx context.Context, id ID, n int, r Result) (Promise, error)
	// Carry puts the promise to the next moment at which it may be kept, and tells the citizen.
	Carry(ctx context.Context, id ID) (Promise, error)
}

// Work is one attempt, begun: an agent is reserved.
type Work struct {
	Promise     Promise
	Attempt     Attempt
	Place       *routing.Place
	Reservation *routing.Reservation
}

// Dialer puts the promises that are due in line, and has each called when an agent is
// reserved for it. There is one for each node.
//
// The Store says what is in line on this node. The Dialer looks at it at least each second,
// and at once after Wake: what is there and stands in no line joins, what is not there any
// more leaves. So a promise that was cancelled, moved or answered leaves the line, and
// whatever fails half-way is taken up again from what the Store says.
//
// Each promise in line has one goroutine. It waits for an agent, checks that the citizen may
// be called this very moment, has the Store begin the attempt, and then only has the call made:
// attempts begun are never fewer than calls made, and calls never more than agents reserved.
//
// Where the Store fails, agents are given back, promises leave the line for a moment and
// nothing is called; their moment in line is kept.
type Dialer struct {
	Store   Store
	Book    Keeper
	Floor   *routing.Floor
	Service func() *service.Definition
	Node    string
	Epoch   int64
	// Ready says that calls can be made; nil: always. While it is not, no promise is in line.
	Ready func() bool
	// Alive says that the call of an earlier controller is on the line still; nil: none is.
	Alive func(call.ID) bool
	// Call makes the call of one attempt and returns when it is over. "" says that it goes on
	// without this process. It returns soon after ctx has ended. A panic is Interrupted.
	//
	// Connected: caller and agent were put together on the Reservation. For AgentMissed and
	// AgentRefused the Dialer fails the Reservation if Call has not.
	Call func(ctx context.Context, w Work) Result
	// Closed says that nobody is called for now: a message closes the queue's line, or the operator is
	// not there. nil: never.
	Closed func(queue string) bool
	// OnLine says that the citizen is on a call to us this very moment: they are not rung
	// beside it, and their place is kept. nil: never.
	OnLine func(call.Number) bool
	Log    *slog.Logger
	// NewCallID names the call of the next attempt.
	NewCallID func(p Promise) call.ID

	once sync.Once
	wake chan struct{} // capacity 1

	mu    sync.Mutex
	line  map[ID]*turn
	held  map[ID]time.Time // not to join before
	rests time.Time        // nothing joins before: the store failed
	looks uint64           // at the line, counted
	turns sync.WaitGroup
	fence context.CancelCauseFunc // ends everything

	// Of the goroutine of Run alone.
	hours   hours
	orphans map[call.ID]time.Time // open attempts no call belongs to, and since when
	traded  time.Time             // when places were last traded
}

func (d *Dialer) init() {
	d.wake = make(chan struct{}, 1)
	d.line, d.held, d.orphans = map[ID]*turn{}, map[ID]time.Time{}, map[call.ID]time.Time{}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
}

// Wake says that promises changed. It returns at once and may be called at any time.
func (d *Dialer) Wake() {
	d.once.Do(d.init)
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// InLine counts the promises that wait for an agent.
func (d *Dialer) InLine() int { return d.count(false) }

// Calling counts the attempts under way.
func (d *Dialer) Calling() int { return d.count(true) }

func (d *Dialer) count(calling bool) (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, t := range d.line {
		if t.calling == calling {
			n++
		}
	}
	return n
}

// Allowed says whether the citizen may be rung this very moment: the line is open, no message
// closes it, and the citizen's day is on. The journey asks again before it rings, for the
// agent may have been slow to answer.
func (d *Dialer) Allowed(p Promise) bool {
	def := LineOf(d.Service(), p.Relay)
	return def != nil && def.Queues[p.Queue] != nil && !d.closed(p.Queue) && CallableAt(def, zoneOf(p, def), time.Now())
}

func (d *Dialer) closed(queue string) bool { return d.Closed != nil && d.Closed(queue) }

func (d *Dialer) onLine(p Promise) bool { return d.OnLine != nil && d.OnLine(p.Number) }

func (d *Dialer) ready() bool { return d.Ready == nil || d.Ready() }

// zoneOf is where the citizen's day is, also when the service would promise them nothing any more.
func zoneOf(p Promise, def *service.Definition) *time.Location {
	zone, refused := At(p.Number, p.Zone, def)
	if refused != nil {
		return def.Location
	}
	return zone
}

// Run keeps promises until ctx ends, and returns nil then; or until another controller has the
// node: it returns call.ErrFenced. On return no promise of it stands in line, and no call is its own.
//
// It begins with what an earlier controller left: what was in line is Pending again, and
// attempts whose call is gone are closed as Interrupted.
func (d *Dialer) Run(ctx context.Context) error {
	d.once.Do(d.init)
	ctx, d.fence = context.WithCancelCause(ctx)
	defer d.fence(nil)
	if d.takeOver(ctx) {
		d.keep(ctx)
	}
	d.dropAll()
	d.turns.Wait()
	if err := context.Cause(ctx); errors.Is(err, call.ErrFenced) {
		return fmt.Errorf("keep the promises of node %s: %w", d.Node, err)
	}
	// Other nodes may keep them meanwhile; if it fails, the next start does it.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if _, err := d.Store.Release(last, d.Node); err != nil {
		d.Log.Warn("promises in line could not be given back: the next start does it", "err", err)
	}
	return nil
}

// takeOver waits for the exchange and settles what was left. It tells whether ctx goes on.
func (d *Dialer) takeOver(ctx context.Context) bool {
	for !d.ready() {
		if !pause(ctx, 100*time.Millisecond) {
			return false
		}
	}
	for {
		n, err := d.Store.Release(ctx, d.Node)
		if err == nil {
			err = d.sweep(ctx, 0)
		}
		if err == nil {
			d.Log.Info("promises are kept", "node", d.Node, "given_back", n)
			return true
		}
		if d.fenced(err) {
			return false
		}
		if ctx.Err() == nil {
			d.Log.Error("what an earlier controller left of promises could not be settled: it is tried again", "err", err)
		}
		if !pause(ctx, away) {
			return false
		}
	}
}

// sweep closes the attempts that no call belongs to and that were found so for the given time.
func (d *Dialer) sweep(ctx context.Context, after time.Duration) error {
	open, err := d.Store.Open(ctx, d.Node)
	if err != nil {
		return err
	}
	now := time.Now()
	found := map[call.ID]time.Time{}
	ours := d.calls()
	for _, a := range open {
		if ours[a.Call] || d.Alive != nil && d.Alive(a.Call) {
			continue
		}
		since, ok := d.orphans[a.Call]
		if !ok {
			since = now
		}
		found[a.Call] = since
		if now.Sub(since) < after {
			continue
		}
		d.Log.Warn("an attempt at a callback was interrupted", "promise", a.Promise, "call", a.Call)
		if _, err := d.Book.Attempted(ctx, a.Promise, a.N, Interrupted); err != nil {
			return err
		}
	}
	d.orphans = found
	return nil
}

// calls are the calls that this process makes.
func (d *Dialer) calls() map[call.ID]bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	ids := map[call.ID]bool{}
	for _, t := range d.line {
		if t.calling {
			ids[t.call] = true
		}
	}
	return ids
}

// keep looks at the line again and again until ctx ends.
func (d *Dialer) keep(ctx context.Context) {
	swept := time.Now()
	for {
		next, err := d.lookOnce(ctx)
		if err == nil && time.Since(swept) >= sweepEvery {
			swept = time.Now()
			err = d.sweep(ctx, orphaned)
		}
		switch {
		case ctx.Err() != nil || d.fenced(err):
			return
		case err != nil:
			d.Log.Error("the promises in line could not be looked at: it is tried again", "err", err)
			next = time.Now().Add(look)
		}
		if !pause(ctx, breather) {
			return
		}
		timer := time.NewTimer(time.Until(next))
		select {
		case <-ctx.Done():
		case <-d.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// pause waits, and tells whether ctx goes on.
func pause(ctx context.Context, wait time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(wait):
		return true
	}
}

// fenced says that another controller has the node, and stops everything then.
func (d *Dialer) fenced(err error) bool {
	if !errors.Is(err, call.ErrFenced) {
		return false
	}
	d.fence(call.ErrFenced)
	return true
}
