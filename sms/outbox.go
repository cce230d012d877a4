package sms

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"decroche/call"
)

const (
	// lease is how long a claimed message is ours; budget how long we work on it: to ask the
	// provider about it, to send it and to save that, with some left before another may have it.
	lease  = time.Minute
	budget = lease - 10*time.Second
	// patience is how long a message is tried that says itself nothing of when it expires.
	patience = 24 * time.Hour
	// Waits between tries double from the first to the last, each ± 20 %.
	backoffMin, backoffMax = 5 * time.Second, 15 * time.Minute
	// settling is how long a doubt rests before the provider is asked about it.
	settling = 20 * time.Second
	// grace is how long Run lets messages under way come to an end when it is stopped.
	grace = 5 * time.Second
)

// Outbox sends what is in the Store by the Provider. Several nodes may run one each on the
// same Store: a message is claimed by one at a time. Messages go in the order of their turn,
// but one that is tried again may be overtaken by a later one to the same number.
//
// A message's fate is saved after each try. A try whose fate is not known, for the connection
// broke or the process died, makes the message Unsure. Then the provider is asked before
// anything is sent again, if it can tell (Finder); the message is sent again, if the provider
// takes one key for one message (Idempotent); else it is sent once more at most, and
// MaybeTwice is saved before that.
type Outbox struct {
	Store    Store
	Provider Provider
	Node     string
	Journal  call.Journal
	Log      *slog.Logger
	// PerSecond bounds the messages sent in a second by this node; 10 when it is 0.
	PerSecond float64
	// Parallel bounds those under way at once; 4 when it is 0.
	Parallel int
	// Poll is how often the Store is asked without a Wake; 2 s when it is 0.
	Poll time.Duration
	// Rand gives numbers in [0,1) for the waits between tries, to several goroutines;
	// rand.Float64 when it is nil.
	Rand func() float64

	once sync.Once
	wake chan struct{}

	mu    sync.Mutex
	quiet time.Time // nothing is sent before: the provider asked to wait
}

func (o *Outbox) init() {
	o.once.Do(func() {
		o.wake = make(chan struct{}, 1)
		if o.PerSecond <= 0 {
			o.PerSecond = 10
		}
		if o.Parallel <= 0 {
			o.Parallel = 4
		}
		if o.Poll <= 0 {
			o.Poll = 2 * time.Second
		}
		if o.Rand == nil {
			o.Rand = rand.Float64
		}
	})
}

// Wake tells that there may be something to send. It never blocks.
func (o *Outbox) Wake() {
	o.init()
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// Run sends until the context ends, then waits for what is under way, 5 s and what saving
// takes at most. It returns nil: what goes wrong is logged and tried again.
func (o *Outbox) Run(ctx context.Context) error {
	o.init()
	// Messages under way outlive ctx by a moment: cutting them off would leave each in doubt.
	work, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cut(nil)
	var under sync.WaitGroup
	o.feed(ctx, func(m Message, done func()) {
		under.Go(func() {
			defer done()
			o.handle(work, m)
		})
	})
	t := time.AfterFunc(grace, func() { cut(errors.New("the outbox stops")) })
	defer t.Stop()
	under.Wait()
	return nil
}

// feed claims messages as fast as they may be sent, until ctx ends.
func (o *Outbox) feed(ctx context.Context, start func(m Message, done func())) {
	limit := rate.NewLimiter(rate.Limit(o.PerSecond), 1)
	slots := make(chan struct{}, o.Parallel)
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		// After the slot: what the message before met, this one heeds.
		if !o.keepQuiet(ctx) || limit.Wait(ctx) != nil {
			return
		}
		m, ok, err := o.claim(ctx)
		if err != nil {
			o.Log.Error("text messages wait: the store gives none", "err", err)
		}
		if err == nil && ok {
			start(m, func() { <-slots })
			continue
		}
		<-slots
		select {
		case <-ctx.Done():
		case <-o.wake:
		case <-time.After(o.Poll):
		}
	}
}

// claim is not cut off by the end of ctx: a message claimed without our knowing would be in doubt.
func (o *Outbox) claim(ctx context.Context) (Message, bool, error) {
	if ctx.Err() != nil {
		return Message{}, false, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return o.Store.Claim(ctx, o.Node, time.Now(), lease)
}

// keepQuiet waits as long as the provider has asked; false when ctx ended.
func (o *Outbox) keepQuiet(ctx context.Context) bool {
	for {
		o.mu.Lock()
		left := time.Until(o.quiet)
		o.mu.Unlock()
		if left <= 0 {
			return ctx.Err() == nil
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(left):
		}
	}
}
