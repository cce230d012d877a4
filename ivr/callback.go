package ivr

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"decroche/call"
	"decroche/callback"
	"decroche/routing"
	"decroche/service"
	"decroche/survey"
)

// Callbacks makes promises to call back; *callback.Book is one. A request that cannot be
// granted is refused with a *callback.Refusal.
type Callbacks interface {
	// Options tells what can be promised.
	Options(ctx context.Context, r callback.Request) (callback.Options, error)
	// Ask keeps a promise, durably, before it returns; a number that has a live one gets that
	// one, and made is false. It returns callback.ErrSlotFull when the slot went meanwhile.
	Ask(ctx context.Context, r callback.Request) (p callback.Promise, made bool, err error)
	// CalledAgain ends the live promise of a citizen who called and has a person on the line.
	CalledAgain(ctx context.Context, n call.Number, id call.ID) error
	// Kept says that citizen and agent are about to talk.
	Kept(ctx context.Context, id callback.ID, n int) error
	// Invite tells who hung up while waiting how to be called back.
	Invite(ctx context.Context, r callback.Request) error
	// Offer decides whether who joins a line is offered a callback, and why; estimate is the
	// upper bound of the wait, 0 when it is not known.
	Offer(queue, public string, estimate time.Duration, now time.Time) (offer bool, why string)
}

// Asking is somebody who asks to be called back, on the way to a promise.
type Asking struct {
	Origin callback.Origin `json:"origin"`
	// Waiting callers have a line to go back to; for the others End is how the call ends
	// without a promise.
	Waiting bool     `json:"waiting,omitempty"`
	End     call.End `json:"end,omitzero"`
	// Wait is the upper bound of the wait that was left, 0 when it is not known.
	Wait time.Duration `json:"wait,omitempty"`
	// Number is the one to call, once the caller has chosen it.
	Number call.Number `json:"number,omitempty"`
	// Kind and Slot are what was promised; Slot is in the citizen's time zone.
	Kind callback.Kind `json:"kind,omitempty"`
	Slot time.Time     `json:"slot,omitzero"`
	// Survey and Score are of who was not satisfied.
	Survey survey.ID `json:"survey,omitempty"`
	Score  int       `json:"score,omitempty"`
	// Relay: the citizen is to be called through the relay centre.
	Relay bool `json:"relay,omitempty"`
	// Back is the step to go back to without a promise, "" for the line, or goodbye.
	Back string `json:"back,omitempty"`
}

// bookPatience bounds how long a caller waits for the book of promises.
const bookPatience = 5 * time.Second

// callsBack says whether callbacks are offered in this call.
func (j *Journey) callsBack(v *Visit) bool {
	return j.Callbacks != nil && v.def.Callback.On && v.Recall == nil && (!v.relayed() || v.relayNumber() != call.Withheld)
}

// request is what the caller asks for, for the number given.
func (v *Visit) request(c call.Info, a *Asking, n call.Number) callback.Request {
	number, _ := v.def.NumberFor(c.To)
	queue := v.Queue
	if queue == "" {
		queue = number.Queue
	}
	if v.def.Queues[queue] == nil {
		queue = v.def.Menus[v.def.Entry.Menu].Queue
	}
	contact, joined := c.ID, v.Joined
	if v.Recall != nil {
		contact = v.Recall.Contact
	}
	if a.Origin == callback.FromSurvey { // that wait is over
		joined = time.Time{}
	}
	relay := v.relayNumber()
	if a.Relay {
		relay = v.def.RelayNumber()
	}
	return callback.Request{
		Number: n, Lang: v.Lang, Queue: queue, Reason: v.Reason, Public: cmp.Or(v.Public, number.Public), Relay: relay,
		Origin: a.Origin, Contact: contact, Score: a.Score, Joined: joined, Wait: a.Wait,
	}
}

// options asks the book what can be promised; why tells a refusal from a failure.
func (j *Journey) options(ctx context.Context, r callback.Request) (opts callback.Options, why callback.Why, err error) {
	ctx, cancel := context.WithTimeout(ctx, bookPatience)
	defer cancel()
	opts, err = j.Callbacks.Options(ctx, r)
	if refused := new(callback.Refusal); errors.As(err, &refused) {
		return opts, refused.Why, nil
	}
	if err == nil && opts.Live == nil && !opts.Place && len(opts.Slots) == 0 {
		return opts, callback.WhyFull, nil
	}
	return opts, "", err
}

// aboutNumber says that another number may be called where this one may not.
func aboutNumber(why callback.Why) bool {
	switch why {
	case callback.WhyWithheld, callback.WhyEmergency, callback.WhyShort, callback.WhyPremium,
		callback.WhyForeign, callback.WhyInvalid, callback.WhyOurs:
		return true
	}
	return false
}

func refusal(why callback.Why) string { return "callback.refused." + string(why) }

// instead ends a call that cannot lead to a person: it says what there is to say, then
// offers a callback; where none can be promised, the service's own words tell how else.
func (j *Journey) instead(ctx context.Context, c call.Call, v *Visit, words service.Journey, origin callback.Origin, end call.End) (string, error) {
	a := &Asking{Origin: origin, End: end, Wait: j.waitToCome(v.Queue)}
	static := words.Callback
	words.Callback = ""
	var opts callback.Options
	why, err := callback.WhyOff, error(nil)
	if j.callsBack(v) {
		opts, why, err = j.options(ctx, v.request(c.Info(), a, v.own(c.Info())))
	}
	sounds := j.prompts(ctx, v, words.Prompts()...)
	switch {
	case err != nil || why != "" && !aboutNumber(why):
		if err != nil && ctx.Err() == nil {
			j.Log.Error("no callback can be offered", "call", c.Info().ID, "err", err)
		}
		sounds = append(sounds, j.prompts(ctx, v, static)...)
	case opts.Live != nil:
		sounds = append(sounds, j.alreadyPromised(ctx, v, *opts.Live, opts.Zone)...)
	default:
		c.Flush() // what was typed for the menus is no answer to an offer
		if err := c.Say(ctx, sounds...); err != nil {
			return "", err
		}
		j.note(c, call.EventOffered, "what", "callback", "why", origin)
		key, err := j.read(ctx, c, pause+pause, j.prompts(ctx, v, "callback.hint")...)
		if err != nil {
			return "", err
		}
		if key == '1' {
			v.Asking = a
			return StepCallback, nil
		}
		j.note(c, call.EventOfferRefused, "what", "callback")
		sounds = nil
	}
	if err := c.Say(ctx, append(sounds, j.prompts(ctx, v, "goodbye")...)...); err != nil {
		return "", err
	}
	return v.end(end.Outcome, end.Reason)
}

// read is Call.Read with 0 for no digit.
func (j *Journey) read(ctx context.Context, c call.Call, timeout time.Duration, sounds ...call.Sound) (call.Digit, error) {
	key, err := c.Read(ctx, timeout, sounds...)
	if errors.Is(err, call.ErrNoInput) {
		return 0, nil
	}
	return key, err
}

// waitToCome is the upper bound of the wait of who would join the queue now, 0 when it is not known.
func (j *Journey) waitToCome(queue string) time.Duration {
	for _, q := range j.Floor.Queues() {
		if q.ID == queue && q.Estimate.Known {
			return q.Estimate.High
		}
	}
	return 0
}

// callback finds out which number to call: the caller's own, or another that is typed.
func (j *Journey) callback(ctx context.Context, c call.Call, v *Visit) (string, error) {
	a := v.Asking
	if err := j.takeUp(ctx, c, v); err != nil {
		return "", err
	}
	own := c.Info().From
	if v.relayed() { // that is the centre's
		return j.another(ctx, c, v, "callback.relay")
	}
	opts, why, err := j.options(ctx, v.request(c.Info(), a, own))
	switch {
	case err != nil:
		return j.failedToPromise(ctx, c, v, err)
	case aboutNumber(why):
		return j.another(ctx, c, v, refusal(why))
	case why != "":
		return j.back(ctx, c, v, refusal(why))
	case opts.Live != nil:
		a.Number = own
		return j.already(ctx, c, v, *opts.Live, opts.Zone)
	}
	question := j.prompts(ctx, v, append(append([]string{"callback.number.yours"}, NumberPrompts(own)...), a.prompt("callback.number.choice"))...)
	switch key, err := j.choose(ctx, c, v, "123", question...); {
	case err != nil:
		return "", err
	case key == '1':
		a.Number = own
		return StepWhen, nil
	case key == '2':
		return j.another(ctx, c, v, "")
	}
	return j.back(ctx, c, v)
}

// prompt names a question whose last choice is to wait on, or to end the call where there is no line.
func (a *Asking) prompt(id string) string {
	if a.Waiting || a.Back != "" {
		return id
	}
	return id + ".end"
}

// takeUp tells who was in the midst of it that the call goes on; others begin with no key typed.
func (j *Journey) takeUp(ctx context.Context, c call.Call, v *Visit) error {
	if v.Asking == nil {
		return fmt.Errorf("call %s asks for no callback", c.Info().ID)
	}
	if !v.again {
		return nil
	}
	return c.Say(ctx, j.prompts(ctx, v, "caller.resumed")...)
}

// back ends the asking without a promise: in line again at the same place, or goodbye.
func (j *Journey) back(ctx context.Context, c call.Call, v *Visit, words ...string) (string, error) {
	a := v.Asking
	j.note(c, call.EventOfferRefused, "what", "callback")
	c.Flush()
	if !a.Waiting && a.Back == "" {
		words = append(words, "goodbye")
	}
	if err := c.Say(ctx, j.prompts(ctx, v, words...)...); err != nil {
		return "", err
	}
	v.Asking = nil
	switch {
	case a.Waiting:
		return StepQueue, nil
	case a.Back != "":
		return a.Back, nil
	}
	return v.end(a.End.Outcome, a.End.Reason)
}

// failedToPromise says sorry for a failure of ours; the caller waits on.
func (j *Journey) failedToPromise(ctx context.Context, c call.Call, v *Visit, err error) (string, error) {
	if cause := context.Cause(ctx); cause != nil {
		return "", cause
	}
	j.Log.Error("no callback could be promised", "call", c.Info().ID, "err", err)
	return j.back(ctx, c, v, "callback.failed")
}

// outcomeUnpromised is how the call ends of who leaves before anything was promised.
func (v *Visit) outcomeUnpromised() call.Outcome {
	if v.Asking == nil || v.Asking.Waiting {
		return call.Abandoned
	}
	return v.Asking.End.Outcome
}

// offer is what an announcement says of callbacks: the offer itself on entry, when the wait
// is long; the key alone when nobody is there to answer, and later on in every second
// announcement at most.
func (j *Journey) offer(ctx context.Context, c call.Call, v *Visit, s routing.Standing, entry bool) []call.Sound {
	if !j.callsBack(v) {
		return nil
	}
	if entry {
		if made, why := j.Callbacks.Offer(v.Queue, v.request(c.Info(), &Asking{}, call.Withheld).Public, upper(s), time.Now()); made {
			words := "callback.offer"
			if why == "closing" {
				words, v.Closing = "callback.offer.closing", true
			}
			j.note(c, call.EventOffered, "what", "callback", "why", why)
			return j.prompts(ctx, v, words)
		}
	}
	if v.Unoffered++; v.Unoffered < 2 && !(entry && s.NoAgents) {
		return nil
	}
	v.Unoffered = 0
	return j.prompts(ctx, v, "callback.hint")
}

// upper is the upper bound of the wait, 0 when it is not known.
func upper(s routing.Standing) time.Duration {
	if s.Estimate.Known {
		return s.Estimate.High
	}
	return 0
}

// askWaiting is a waiting caller who asks to be called back.
func (v *Visit) askWaiting() *Asking {
	a := &Asking{Origin: callback.FromQueue, Waiting: true, Wait: upper(v.place.Standing())}
	if v.Closing {
		a.Origin = callback.FromClosing
	}
	return a
}
