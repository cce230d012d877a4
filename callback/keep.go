package callback

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"decroche/call"
)

// Carry puts a promise that the line's closing, or the citizen's night, came before to the next
// moment at which both sides are there, and tells the citizen. Joined stays: it
// is still their place; By stays too, for a late callback is late. Where the line is open by its
// hours, closed by a message, that moment is after these hours. A promise due later is left alone.
func (b *Book) Carry(ctx context.Context, id ID) (Promise, error) {
	now := time.Now()
	var same Promise
	after, err := b.Store.Change(ctx, id, 0, func(p *Promise) (Change, error) {
		switch {
		case !p.State.Live():
			return Change{}, ErrSettled
		case p.State == Calling:
			return Change{}, ErrCalling
		case p.Due.After(now):
			same = *p
			return Change{}, errSame
		}
		n := b.notesFor(*p, now)
		from := now
		for s := range spans(now, now.Add(24*time.Hour), n.def, citizenDay(n.def, n.zone)) {
			if s.from.Equal(now) {
				from = s.until
			}
			break
		}
		c := Change{Drop: pending(*p)}
		due, ok := NextCallable(n.def, n.zone, from)
		if !ok {
			p.end(Unreachable, "", now)
			c.Send = n.unreachable(*p)
			return c, nil
		}
		p.State, p.Node, p.Due = Pending, "", due
		c.Send = n.carried(*p)
		return c, nil
	})
	if errors.Is(err, errSame) {
		return same, nil
	}
	if err != nil {
		return Promise{}, fmt.Errorf("carry promise %s over: %w", id, err)
	}
	if after.State.Live() {
		b.moved(after, "closed")
	} else {
		b.ended(after)
	}
	b.changed()
	return after, nil
}

// Kept ends a promise at the moment citizen and agent are put together. It may be called again,
// also for an attempt that was closed meanwhile by a controller who believed it dead.
func (b *Book) Kept(ctx context.Context, id ID, n int) error {
	p, err := b.Attempted(ctx, id, n, Connected)
	if err != nil || !p.State.Live() {
		return err
	}
	list, err := b.Store.Attempts(ctx, id)
	if err != nil || n < 1 || n > len(list) {
		return fmt.Errorf("read attempt %d of promise %s: %w", n, id, cmp.Or(err, ErrNoPromise))
	}
	if _, err = b.settle(ctx, id, Kept, "call:"+string(list[n-1].Call), false); errors.Is(err, ErrSettled) {
		return nil
	}
	return err
}

// Attempted closes an attempt and applies the retry rule to its promise, which it returns.
// InLine: the agent did not take it and the place in line stands. Pending: it is to leave the line until
// its Due, which may be now. A promise settled meanwhile stays settled, and an attempt closed
// already is left alone.
func (b *Book) Attempted(ctx context.Context, id ID, n int, r Result) (Promise, error) {
	now := time.Now()
	list, err := b.Store.Attempts(ctx, id)
	if err != nil {
		return Promise{}, fmt.Errorf("read the attempts of promise %s: %w", id, err)
	}
	var this Attempt
	idle := 0
	for _, a := range list {
		if a.N == n {
			this = a
			break
		}
		if idle++; a.Result.Counts() {
			idle = 0
		}
	}
	idle++ // this one
	var before *Promise
	after, err := b.Store.End(ctx, id, n, now, r, func(p *Promise) (Change, error) {
		was := *p
		before = &was
		return b.judge(p, r, idle, "call:"+string(this.Call), now), nil
	})
	if err != nil {
		return Promise{}, fmt.Errorf("end attempt %d of promise %s: %w", n, id, err)
	}
	if before == nil {
		return after, nil
	}
	b.append(call.EventAttempted, after.Contact, map[string]any{
		"promise": after.ID, "attempt": n, "agent": this.Agent, "result": r, "tries": after.Tries,
	})
	switch {
	case before.State.Live() && !after.State.Live():
		b.ended(after)
	case after.State.Live() && !after.Due.Equal(before.Due):
		b.moved(after, "retry")
	}
	b.changed()
	return after, nil
}

// judge applies the verdict of the retry rule.
func (b *Book) judge(p *Promise, r Result, idle int, by string, now time.Time) Change {
	n := b.notesFor(*p, now)
	v := Judge(n.def, n.zone, *p, r, idle, now)
	p.Tries, p.Voicemail = v.Tries, v.Voicemail
	if !p.State.Live() {
		return Change{}
	}
	c := Change{}
	switch v.State {
	case Kept:
		c.Drop = pending(*p)
		p.end(Kept, by, now)
	case Unreachable:
		c.Drop = pending(*p)
		p.end(Unreachable, by, now)
		c.Send = n.unreachable(*p)
	case InLine:
		p.State = InLine
	default:
		p.State, p.Node, p.Due = Pending, "", v.Due
		if p.Relay != call.Withheld && r.Counts() {
			c.Send = n.relaySilent(*p)
		}
	}
	return c
}
