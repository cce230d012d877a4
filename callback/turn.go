package callback

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"decroche/call"
	"decroche/routing"
)

// turn is a promise in line on this node, from its joining until it is dropped or its place
// is used up. What may change is behind the Dialer's lock.
type turn struct {
	p     Promise
	place *routing.Place
	gone  chan struct{} // closed when it is dropped
	// calling is from before the attempt is begun until its result is kept: nothing drops it meanwhile.
	calling bool
	dropped bool
	call    call.ID // of the attempt
	changed uint64  // the look in which calling changed last
}

// join puts a promise in line and waits there for an agent.
func (d *Dialer) join(ctx context.Context, p Promise) error {
	d.mu.Lock()
	before := d.line[p.ID]
	d.mu.Unlock()
	if before != nil && !d.drop(before) {
		return ErrCalling // its turn is ending; the look after that finds the promise
	}
	place, err := d.Floor.Join(routing.Caller{
		ID: call.ID("cb-" + string(p.ID)), Queue: p.Queue, Lang: p.Lang, Joined: p.Joined, Resumed: true, Kind: "callback",
	})
	if err != nil {
		return err
	}
	d.mu.Lock()
	t := &turn{p: p, place: place, gone: make(chan struct{}), changed: d.looks}
	d.line[p.ID] = t
	d.mu.Unlock()
	d.turns.Go(func() { d.stand(ctx, t) })
	return nil
}

// drop takes a promise out of line unless it is being called. It tells whether it did.
func (d *Dialer) drop(t *turn) bool {
	d.mu.Lock()
	if t.calling || t.dropped {
		d.mu.Unlock()
		return false
	}
	t.dropped = true
	close(t.gone)
	d.forget(t)
	d.mu.Unlock()
	t.place.Withdraw()
	return true
}

// forget is called with the lock held.
func (d *Dialer) forget(t *turn) {
	if d.line[t.p.ID] == t {
		delete(d.line, t.p.ID)
	}
}

func (d *Dialer) dropAll() {
	for _, t := range d.waiting() {
		d.drop(t.turn)
	}
}

// seen is a turn and what was in it at one moment.
type seen struct {
	*turn
	p       Promise
	changed uint64
}

// waiting lists those in line who are not called.
func (d *Dialer) waiting() []seen {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]seen, 0, len(d.line))
	for _, t := range d.line {
		if !t.calling {
			all = append(all, seen{t, t.p, t.changed})
		}
	}
	return all
}

// refresh notes what changed of a promise that stands where it stood.
func (d *Dialer) refresh(t *turn, p Promise) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !t.calling {
		t.p = p
	}
}

// stand waits for agents and makes attempts until the place is used up or the turn is dropped.
func (d *Dialer) stand(ctx context.Context, t *turn) {
	for {
		select {
		case r := <-t.place.Reserved():
			if !d.attempt(ctx, t, r) {
				return
			}
		case <-t.gone:
			return
		case <-ctx.Done():
			d.drop(t)
			return
		}
	}
}

// attempt calls the citizen with the agent who is reserved. It tells whether the place stands.
func (d *Dialer) attempt(ctx context.Context, t *turn, r *routing.Reservation) bool {
	p, ok := d.claim(ctx, t)
	if !ok {
		return false
	}
	a, err := d.begin(ctx, p, t.call, r)
	if err != nil {
		t.place.Withdraw()
		if !d.fenced(err) && !overtaken(err) {
			d.rest()
			d.Log.Error("an attempt at a callback could not be begun: nobody is called until it can", "promise", p.ID, "err", err)
			d.undo(ctx, t)
		}
		d.leave(t)
		return false
	}
	p.State, p.Attempts = Calling, a.N
	result := Interrupted
	if ctx.Err() == nil {
		result = d.made(ctx, Work{Promise: p, Attempt: a, Place: t.place, Reservation: r})
	}
	if result == "" {
		d.leave(t)
		return false
	}
	d.finish(t, r, result)
	after, ok := d.settled(ctx, t, a.N, result)
	stands := ok && after.State == InLine && after.Node == d.Node && result.placeStands()
	if !stands || !d.again(ctx, t, after) {
		t.place.Withdraw()
		d.leave(t)
		return false
	}
	return true
}

// placeStands says whether the promise stays in line where it stands: nobody called the citizen.
func (r Result) placeStands() bool { return r == AgentMissed || r == AgentRefused }

// claim makes the turn's promise one that is called, if it may be called this very moment.
// If not, the turn is over and the next look sees to the promise.
func (d *Dialer) claim(ctx context.Context, t *turn) (Promise, bool) {
	d.mu.Lock()
	p, gone := t.p, t.dropped
	t.calling = !gone
	d.mu.Unlock()
	if gone {
		return p, false
	}
	busy := d.onLine(p)
	if busy {
		d.hold(p.ID)
	}
	if ctx.Err() == nil && d.ready() && d.Allowed(p) && !busy {
		id := d.NewCallID(p)
		d.mu.Lock()
		t.call = id
		d.mu.Unlock()
		return p, true
	}
	t.place.Withdraw()
	d.leave(t)
	return p, false
}

// begin has the attempt committed. It is not cut short: a commit in doubt is worse than a late stop.
func (d *Dialer) begin(ctx context.Context, p Promise, id call.ID, r *routing.Reservation) (Attempt, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	return d.Store.Begin(ctx, Attempt{
		Promise: p.ID, Call: id, Agent: r.Agent().ID, Node: d.Node, Epoch: d.Epoch, Started: time.Now(),
	})
}

// undo closes the attempt whose beginning was not answered, if it was begun all the same.
func (d *Dialer) undo(ctx context.Context, t *turn) {
	d.insist(ctx, t, "look for an attempt that may have begun", func(ctx context.Context) error {
		open, err := d.Store.Open(ctx, d.Node)
		if err != nil {
			return err
		}
		for _, a := range open {
			if a.Call == t.call {
				_, err = d.Book.Attempted(ctx, a.Promise, a.N, Interrupted)
			}
		}
		return err
	})
}

// made has the call made.
func (d *Dialer) made(ctx context.Context, w Work) (result Result) {
	defer func() {
		if v := recover(); v != nil {
			d.Log.Error("a callback panicked", "promise", w.Promise.ID, "call", w.Attempt.Call, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			result = Interrupted
		}
	}()
	return d.Call(ctx, w)
}

// finish frees the agent: at once, before anything is written. An agent who was rung in vain
// is left in peace for a while, one who gave the callback back for a shorter one, and the
// place stands; for the others the citizen's place is over, and the agent's idle time goes on.
func (d *Dialer) finish(t *turn, r *routing.Reservation, result Result) {
	switch result {
	case AgentMissed:
		r.Failed(call.NoAnswer)
	case AgentRefused:
		r.Failed(call.Busy)
	default:
		t.place.Withdraw()
		r.Done(0) // a talk whose call broke off; else it is over
	}
}

// settled keeps the result. ok is false when it could not be kept before ctx ended: the next
// start then finds the attempt open.
func (d *Dialer) settled(ctx context.Context, t *turn, n int, result Result) (after Promise, ok bool) {
	d.insist(ctx, t, "keep the result of a callback", func(ctx context.Context) (err error) {
		after, err = d.Book.Attempted(ctx, t.p.ID, n, result)
		ok = err == nil
		return err
	})
	return after, ok
}

// insist does what has to be done until it is done, ctx ends, or there is nothing to do it to.
// It is done once at least, and not cut short. The turn loses its place if it takes long.
func (d *Dialer) insist(ctx context.Context, t *turn, what string, do func(context.Context) error) {
	for wait := 250 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		once, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		err := do(once)
		cancel()
		if err == nil || overtaken(err) || errors.Is(err, call.ErrFenced) {
			return
		}
		t.place.Withdraw()
		d.Log.Error(what+": it is tried again", "promise", t.p.ID, "err", err)
		if !pause(ctx, wait) {
			return
		}
	}
}

// again makes a promise that was called one that waits, at its place.
func (d *Dialer) again(ctx context.Context, t *turn, p Promise) bool {
	if ctx.Err() != nil || t.place.Standing().Position == 0 {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	t.p, t.calling, t.changed = p, false, d.looks
	return true
}

// leave ends a turn, and has the line looked at.
func (d *Dialer) leave(t *turn) {
	d.mu.Lock()
	d.forget(t)
	d.mu.Unlock()
	d.Wake()
}
