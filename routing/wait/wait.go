// Package wait estimates how long a caller will wait for an agent, decides what of it is
// said to the caller, and measures estimators on the past log of a service.
//
// The Estimator learns, per queue, how long calls last, how patient callers are, and how
// far its own estimates were from the waits that followed. It is told facts (Observe…) by
// whoever owns the queue, and asked (Estimate) at any time. It owns its state behind one
// lock, does no I/O, starts no goroutine, and never fails: what it cannot know it says with
// Known = false. Facts of one queue must come in the order of their times; a fact that
// comes late is taken as it is and costs accuracy only. A Snapshot keeps what was learned
// over a restart; without one, learning starts again from the defaults.
//
// The Announcer holds what one caller was told and chooses the next announcement; the
// goroutine of the call owns it, and its state lives in the call's checkpoint.
//
// The method and the sources of its formulas are in docs/wait.md.
package wait

import (
	"math"
	"sync"
	"time"
)

// Options are what the Estimator assumes before it has data. The zero value is usable.
type Options struct {
	// DefaultPatience is the mean patience assumed until hang-ups are seen (default 8 min).
	DefaultPatience time.Duration
	// DefaultAHT is the mean handling time assumed for every queue without its own
	// (SetDefaults); 0 means unknown.
	DefaultAHT time.Duration
	// Memory is how many calls the learning remembers, in the sense of an exponentially
	// decaying weight (default 2000). Fewer adapt faster and estimate less well.
	Memory int
}

// Situation is what a caller meets.
type Situation struct {
	Queue string
	At    time.Time
	// Ahead is how many waiting callers will be served before this one; for a caller
	// already waiting, those who are still ahead.
	Ahead int
	// Agents is how many agents serve this queue, in parts where they are shared with
	// other queues; Busy is how many of them are ringing, in a call or in wrap-up, in the
	// same measure. With Ahead = 0 and Busy+1 ≤ Agents somebody is free and the wait is 0.
	Agents float64
	Busy   int
	// HigherRate is the rate, in calls per second, at which callers arrive who will be
	// served before this one although they come later.
	HigherRate float64
	// Elapsed is how long the caller has waited already. Zero marks a caller who joins: that
	// estimate is held against the wait that follows (ObserveAnswered or ObserveAbandoned with
	// the same Ahead, at - waited within 2 s of At), so ask once for everyone who joins.
	Elapsed time.Duration
	// InService is, for each busy agent, how long ago the present call began (0 ≤ d), as
	// ObserveService will count it. It may be nil: the estimate is then less sharp when
	// calls are not exponentially distributed.
	InService []time.Duration
}

// Estimate is what is known of the remaining wait.
type Estimate struct {
	// Point is the expected remaining wait; Low and High bound it with probability 80 %.
	Point, Low, High time.Duration
	// Confidence is 0 (nothing known) to 1: how well the parameters behind are known,
	// w/(w+20) for w calls seen (a default counts for 5). 0.2 is a default alone, 0.7 is 50 calls.
	Confidence float64
	// Method says how it was made: "free" (an agent is free), "qlm", "qlm+ages" (with the
	// ages of the calls in progress), "priority" (with later arrivals that go ahead), "unknown".
	Method string
	// Known is false when nothing honest can be said: no agent serves the queue, or
	// neither calls nor a default tell how long calls last.
	Known bool
}

// Estimator estimates waits. It is safe for concurrent use.
type Estimator struct {
	opts Options

	mu     sync.Mutex
	queues map[string]*learned
}

// New returns an Estimator that has learned nothing yet.
func New(opts Options) *Estimator {
	if opts.DefaultPatience <= 0 {
		opts.DefaultPatience = 8 * time.Minute
	}
	if opts.Memory <= 0 {
		opts.Memory = 2000
	}
	return &Estimator{opts: opts, queues: map[string]*learned{}}
}

// SetDefaults gives the mean handling time to assume for the queue until there is data.
func (e *Estimator) SetDefaults(queue string, aht time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.queue(queue).DefaultAHT = aht.Seconds()
}

// ObserveArrival says that a caller joined the queue.
func (e *Estimator) ObserveArrival(queue string, at time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.queue(queue).arrived(seconds(at))
}

// ObserveAnswered says that a caller who found ahead callers before him was answered at
// the time at, after waited.
func (e *Estimator) ObserveAnswered(queue string, ahead int, waited time.Duration, at time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.queue(queue).left(ahead, waited.Seconds(), seconds(at), true)
}

// ObserveAbandoned says that a caller who found ahead callers before him hung up at the
// time at, after waited.
func (e *Estimator) ObserveAbandoned(queue string, ahead int, waited time.Duration, at time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.queue(queue).left(ahead, waited.Seconds(), seconds(at), false)
}

// ObserveService says that an agent was taken for d by a call of the queue: from the
// answer until free again, wrap-up included.
func (e *Estimator) ObserveService(queue string, d time.Duration, at time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.queue(queue).served(d.Seconds(), seconds(at))
}

// ArrivalRate is the recent rate of arrivals in calls per second, for HigherRate.
func (e *Estimator) ArrivalRate(queue string, at time.Time) float64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.queue(queue).arrivalRate(seconds(at))
}

// Estimate says how long the caller in this situation will still wait.
func (e *Estimator) Estimate(s Situation) Estimate {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.queue(s.Queue).estimate(s)
}

func (e *Estimator) queue(name string) *learned {
	q := e.queues[name]
	if q == nil {
		q = newLearned(e.opts)
		e.queues[name] = q
	}
	return q
}

func seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

func duration(s float64) time.Duration {
	if s >= math.MaxInt64/float64(time.Second) {
		return math.MaxInt64
	}
	return time.Duration(s * float64(time.Second))
}
