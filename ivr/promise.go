package ivr

import (
	"context"
	"errors"
	"time"

	"decroche/call"
	"decroche/callback"
)

// when lets the caller choose between the place in line and slots, and keeps the promise.
func (j *Journey) when(ctx context.Context, c call.Call, v *Visit) (string, error) {
	a := v.Asking
	if err := j.takeUp(ctx, c, v); err != nil {
		return "", err
	}
	said := ""
	for range tries {
		r := v.request(c.Info(), a, a.Number)
		opts, why, err := j.options(ctx, r)
		switch {
		case err != nil:
			return j.failedToPromise(ctx, c, v, err)
		case why != "":
			return j.back(ctx, c, v, refusal(why))
		case opts.Live != nil:
			return j.already(ctx, c, v, *opts.Live, opts.Zone)
		}
		chosen, err := j.pick(ctx, c, v, opts, said)
		if err != nil {
			return "", err
		}
		if chosen.kind == "" {
			return j.back(ctx, c, v)
		}
		r.Kind, r.Slot = chosen.kind, chosen.slot
		p, made, err := j.ask(ctx, r)
		refused := new(callback.Refusal)
		switch {
		case errors.Is(err, callback.ErrSlotFull), errors.As(err, &refused) && refused.Why == callback.WhySlot:
			said = refusal(callback.WhySlot)
		case errors.Is(err, callback.ErrTooMany):
			return j.back(ctx, c, v, refusal(callback.WhyTooMany))
		case errors.As(err, &refused):
			return j.back(ctx, c, v, refusal(refused.Why))
		case err != nil:
			return j.failedToPromise(ctx, c, v, err)
		case !made:
			return j.already(ctx, c, v, p, opts.Zone)
		default:
			v.promised(p, opts.Zone)
			j.noteSurvey(ctx, c, v, p.ID)
			return StepNoted, nil
		}
	}
	return j.back(ctx, c, v, said)
}

func (j *Journey) ask(ctx context.Context, r callback.Request) (callback.Promise, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, bookPatience)
	defer cancel()
	return j.Callbacks.Ask(ctx, r)
}

// promised notes what is kept from now on, even if the caller hangs up at once.
func (v *Visit) promised(p callback.Promise, zone *time.Location) {
	v.Promise = p.ID
	v.Asking.Kind, v.Asking.Slot = p.Kind, v.local(p.Slot, zone)
	v.End = call.End{Outcome: call.CalledBack, Reason: call.ReasonPlace}
	if p.Kind == callback.Slot {
		v.End.Reason = call.ReasonSlot
	}
	if v.Asking.Origin == callback.FromSurvey { // a person has spoken with them
		v.End = v.Asking.End
	}
}

// local is a moment in the citizen's time zone, the service's when it is not known.
func (v *Visit) local(t time.Time, zone *time.Location) time.Time {
	switch {
	case t.IsZero():
		return t
	case zone != nil:
		return t.In(zone)
	case v.def.Location != nil:
		return t.In(v.def.Location)
	}
	return t
}

// choice is one thing that can be promised.
type choice struct {
	kind callback.Kind
	slot time.Time
}

// pick says what can be promised and returns what the caller chooses; nothing if the caller
// does not. said goes before.
func (j *Journey) pick(ctx context.Context, c call.Call, v *Visit, opts callback.Options, said string) (choice, error) {
	if opts.Place && len(opts.Slots) == 0 {
		return choice{kind: callback.Place}, nil // there is nothing to choose
	}
	var offered []choice
	sounds := j.prompts(ctx, v, said)
	if opts.Place {
		offered = append(offered, choice{kind: callback.Place})
		sounds = append(sounds, j.prompts(ctx, v, "callback.when.place")...)
	}
	if v.elsewhere(opts.Slots[0], opts.Zone) {
		sounds = append(sounds, j.prompts(ctx, v, "callback.when.zone")...)
	}
	for _, slot := range opts.Slots {
		words := j.moment(ctx, v, v.Lang, "callback.when.slot", v.local(slot, opts.Zone), "key", len(offered)+1)
		if len(offered) < 9 && len(words) > 0 { // what cannot be said cannot be chosen
			offered = append(offered, choice{callback.Slot, slot})
			sounds = append(sounds, words...)
		}
	}
	key, err := j.choose(ctx, c, v, "123456789"[:len(offered)], sounds...)
	if key == 0 || err != nil {
		return choice{}, err
	}
	return offered[key-'1'], nil
}

// elsewhere says that the citizen's clock shows another hour than the service's at that moment.
func (v *Visit) elsewhere(t time.Time, zone *time.Location) bool {
	_, here := v.local(t, nil).Zone()
	_, there := v.local(t, zone).Zone()
	return here != there
}

// already tells who asks again what is promised already; nothing more is offered. Whose
// promise was made in this very call hears it as new: the controller stopped in between.
func (j *Journey) already(ctx context.Context, c call.Call, v *Visit, p callback.Promise, zone *time.Location) (string, error) {
	if p.Contact == c.Info().ID {
		v.promised(p, zone)
		return StepNoted, nil
	}
	words := j.alreadyPromised(ctx, v, p, zone)
	if v.Asking.Number != c.Info().From { // when somebody else is called back is not for every caller to hear
		words = j.prompts(ctx, v, "callback.already")
	}
	if v.Asking.Waiting {
		key, err := j.read(ctx, c, pause+pause, append(words, j.prompts(ctx, v, "callback.already.keep")...)...)
		if err != nil {
			return "", err
		}
		if key != '1' {
			return j.back(ctx, c, v)
		}
		words = nil
	}
	r := v.request(c.Info(), v.Asking, v.Asking.Number)
	r.Kind, r.Slot = p.Kind, p.Slot
	if kept, _, err := j.ask(ctx, r); err == nil { // merged with the one there is
		p = kept
	} else if ctx.Err() == nil {
		j.Log.Warn("a request could not be merged with the promise there is", "call", c.Info().ID, "promise", p.ID, "err", err)
	}
	v.promised(p, zone)
	j.noteSurvey(ctx, c, v, p.ID)
	if err := c.Say(ctx, append(words, j.prompts(ctx, v, "goodbye")...)...); err != nil {
		return "", err
	}
	return call.Over, nil
}

func (j *Journey) alreadyPromised(ctx context.Context, v *Visit, p callback.Promise, zone *time.Location) []call.Sound {
	if p.Kind == callback.Slot {
		return j.moment(ctx, v, v.Lang, "callback.already.slot", v.local(p.Slot, zone))
	}
	return j.prompts(ctx, v, "callback.already.place")
}

// noted says what was promised. It is kept whether or not this is heard.
func (j *Journey) noted(ctx context.Context, c call.Call, v *Visit) (string, error) {
	if err := j.takeUp(ctx, c, v); err != nil {
		return "", err
	}
	a := v.Asking
	words := j.prompts(ctx, v, append([]string{"callback.noted", "callback.number.yours"}, NumberPrompts(a.Number)...)...)
	if a.Kind == callback.Slot {
		words = append(words, j.moment(ctx, v, v.Lang, "callback.noted.slot", a.Slot)...)
	} else {
		words = append(words, j.prompts(ctx, v, "callback.noted.place")...)
	}
	if a.Number.Kind() == call.KindMobile {
		words = append(words, j.prompts(ctx, v, "callback.noted.sms")...)
	}
	if err := c.Say(ctx, append(words, j.prompts(ctx, v, "goodbye")...)...); err != nil {
		return "", err
	}
	return call.Over, nil
}
