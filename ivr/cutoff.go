package ivr

import (
	"context"
	"errors"
	"time"

	"decroche/call"
	"decroche/callback"
)

// shortWait is the least wait after which somebody who hung up is told how to be called back.
const shortWait = 10 * time.Second

// LeftWaiting looks after who left the line without a person and without a promise: called
// after the end of every call, it concerns those who stood in line, or were asking to be
// called back from there. Who was cut off is called back, at the same place if that can be
// promised; who hung up on purpose may be told how to ask for it. cause is why the call's
// context ended; nil concerns nobody.
func (j *Journey) LeftWaiting(ctx context.Context, c call.Info, v *Visit, cause error) {
	if v.def == nil {
		v.def = j.Service()
	}
	switch {
	case cause == nil || !j.callsBack(v) || v.End.Outcome != "" || v.Promise != "":
		return
	case v.Joined.IsZero() || !v.Connected.IsZero():
		return
	case v.relayed() && (v.Asking == nil || v.Asking.Number == call.Withheld):
		return // the relay's number is not the citizen's
	}
	a := &Asking{Origin: callback.FromCutOff}
	number := c.From
	if v.Asking != nil && v.Asking.Number != call.Withheld {
		number = v.Asking.Number
	}
	r := v.request(c, a, number)
	rules := v.def.Callback
	switch cut := errors.Is(cause, call.ErrCutOff) || errors.Is(cause, call.ErrTechnical); {
	case cut && rules.CutOff:
		j.promiseCutOff(ctx, r)
	case !cut && errors.Is(cause, call.ErrHangup) && rules.InviteAbandoned && !v.Offline && time.Since(v.Joined) >= shortWait:
		ctx, cancel := context.WithTimeout(ctx, bookPatience)
		defer cancel()
		if err := j.Callbacks.Invite(ctx, r); err != nil {
			j.sayNotPromised("a caller who hung up could not be told how to be called back", c.ID, err)
		}
	}
}

// promiseCutOff promises the place in line, or else the first slot that can be had.
func (j *Journey) promiseCutOff(ctx context.Context, r callback.Request) {
	for range tries {
		opts, why, err := j.options(ctx, r)
		if err != nil || why != "" {
			if err == nil {
				err = &callback.Refusal{Why: why}
			}
			j.sayNotPromised("a caller who was cut off is not called back", r.Contact, err)
			return
		}
		switch {
		case opts.Live != nil: // and is kept
			return
		case opts.Place:
			r.Kind, r.Slot = callback.Place, time.Time{}
		default:
			r.Kind, r.Slot = callback.Slot, opts.Slots[0]
		}
		if _, _, err = j.ask(ctx, r); err == nil {
			return
		}
		if refused := new(callback.Refusal); !errors.Is(err, callback.ErrSlotFull) && (!errors.As(err, &refused) || refused.Why != callback.WhySlot) {
			j.sayNotPromised("a caller who was cut off is not called back", r.Contact, err)
			return
		}
	}
}

// sayNotPromised tells the operator of failures; a refusal is in the order of things.
func (j *Journey) sayNotPromised(what string, id call.ID, err error) {
	if refused := new(callback.Refusal); errors.As(err, &refused) {
		j.Log.Info(what, "call", id, "why", refused.Why)
		return
	}
	j.Log.Error(what, "call", id, "err", err)
}

// calledAgain ends the promise of a caller who has a person on the line now. The call goes
// on whatever comes of it.
func (j *Journey) calledAgain(ctx context.Context, c call.Call, v *Visit) {
	if !j.callsBack(v) || c.Info().From == call.Withheld || v.relayed() {
		return
	}
	bounded, cancel := context.WithTimeout(ctx, promptly)
	defer cancel()
	if err := j.Callbacks.CalledAgain(bounded, c.Info().From, c.Info().ID); err != nil && ctx.Err() == nil {
		j.Log.Error("the promise of a citizen who called again could not be ended", "call", c.Info().ID, "err", err)
	}
}

// promptly bounds what is saved between an agent's answer and the first word.
const promptly = time.Second
