package ivr

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"decroche/call"
	"decroche/callback"
	"decroche/routing"
	"decroche/service"
	"decroche/text"
)

// Recall is a call that we place to keep a promise.
type Recall struct {
	Promise callback.ID `json:"promise"`
	// Attempt is its number, from 1; Last says that no other follows if the citizen is not reached.
	Attempt int  `json:"attempt"`
	Last    bool `json:"last,omitempty"`
	// Contact is the first call of the citizen's contact.
	Contact call.ID         `json:"contact,omitempty"`
	Asked   time.Time       `json:"asked"`
	Slot    time.Time       `json:"slot,omitzero"`
	Origin  callback.Origin `json:"origin"`
	// Score is the answer to a survey that the promise was made for, 0 for none.
	Score int `json:"score,omitempty"`
	// Citizen is whom a relay centre is to get on the line; Withheld: we call the citizen ourselves.
	Citizen call.Number `json:"citizen,omitempty"`
	// VoicemailLeft: a message was left, now or in an attempt before.
	VoicemailLeft bool `json:"voicemail_left,omitempty"`
	// AgentFirst: the agent is rung, then the citizen.
	AgentFirst bool `json:"agent_first,omitempty"`
	// OnLine: the citizen, or a machine, has answered; Again: to an earlier controller.
	OnLine bool `json:"on_line,omitempty"`
	Again  bool `json:"again,omitempty"`
	// Allowed says whether the citizen may be rung this very moment; the agent may have been slow
	// to answer. nil: yes.
	Allowed func() bool `json:"-"`
	// Wanted says whether the promise is still to be kept: since the attempt began it may have
	// been cancelled, or the citizen have called and be with an agent. nil: yes.
	Wanted func(ctx context.Context) bool `json:"-"`
	// Busy says that the citizen is on a call to us this very moment. nil: no.
	Busy func() bool `json:"-"`
	// Result is how the attempt ended, "" while it is under way.
	Result callback.Result `json:"result,omitempty"`
}

// Outcome is how an attempt ended whose call is over: without a result of its own it was interrupted.
func (r *Recall) Outcome() callback.Result {
	if r == nil || r.Result == "" {
		return callback.Interrupted
	}
	return r.Result
}

// Carry gives the visit its place in line and the agent reserved, before the first step.
func (v *Visit) Carry(p *routing.Place, r *routing.Reservation) { v.place, v.reservation = p, r }

// FirstRecallStep is where a call that we place begins.
func (j *Journey) FirstRecallStep(v *Visit) string {
	if v.Recall.AgentFirst {
		return StepRecallAgent
	}
	return StepRecallDial
}

// recallAgent rings the agent and tells what the callback is about, before the citizen's
// phone rings. An agent who hangs up during these words gives it back.
func (j *Journey) recallAgent(ctx context.Context, c call.Call, v *Visit) (string, error) {
	if v.reservation == nil { // nobody is rung for a call of an earlier controller
		return v.unreached(callback.Interrupted)
	}
	answered := make(chan struct{}, 1)
	r := j.ring(ctx, c, v, v.reservation, v.rules(j), answered)
	if r.err == nil {
		v.leg = r.leg
		state := r.leg.State()
		v.Leg = &state
		return StepRecallDial, nil
	}
	if cause := context.Cause(ctx); cause != nil {
		return "", cause
	}
	if failed := new(call.RingError); errors.As(r.err, &failed) && failed.Result == call.Refused {
		j.note(c, call.EventRingFailed, "agent", failed.Agent, "result", failed.Result)
		return v.unreached(callback.AgentRefused) // for how long the agent is then left in peace, the dialer says
	}
	j.missed(c, r)
	return v.unreached(callback.AgentMissed)
}

// unreached ends the call without citizen and agent having talked.
func (v *Visit) unreached(result callback.Result) (string, error) {
	v.Recall.Result = result
	end := v.Recall.ended("", nil)
	return v.end(end.Outcome, end.Reason)
}

// ended is how a call that we place ended, when no step says so.
func (r *Recall) ended(step string, err error) call.End {
	switch {
	case r.Result == callback.Connected:
		return call.End{Outcome: call.Answered, Reason: leftBecause(err)}
	case r.Result == "" && r.OnLine && errors.Is(err, call.ErrHangup) && !errors.Is(err, call.ErrTechnical) && step != StepSorry:
		r.Result = callback.HungUp
	case r.Result == "":
		r.Result = callback.Interrupted
	}
	reason := map[callback.Result]call.Reason{
		callback.NoAnswer: call.ReasonNoAnswer, callback.Busy: call.ReasonBusy, callback.Refused: call.ReasonRefused,
		callback.Machine: call.ReasonVoicemail, callback.NotReached: call.ReasonUnreachable, callback.HungUp: call.ReasonCallerHungUp,
		callback.NoLine: call.ReasonExchange, callback.AgentMissed: call.ReasonNoAgent, callback.AgentRefused: call.ReasonNoAgent,
	}[r.Result]
	if reason == "" {
		reason = call.ReasonInternal
		if errors.Is(err, call.ErrTechnical) {
			reason = call.ReasonExchange
		}
	}
	return call.End{Outcome: call.NotReached, Reason: reason}
}

// Why a citizen's phone that rings is given up.
var (
	errAgentGone = errors.New("the agent hung up")
	errSettled   = errors.New("the promise is settled")
)

// wanted asks whether the promise is still to be kept.
func (r *Recall) wanted(ctx context.Context) bool { return r.Wanted == nil || r.Wanted(ctx) }

// recallDial rings the citizen; the agent, if rung first, hears it ring.
func (j *Journey) recallDial(ctx context.Context, c call.Call, v *Visit) (string, error) {
	out, ok := c.(call.Outgoing)
	switch {
	case !ok:
		return "", fmt.Errorf("call %s cannot ring a citizen", c.Info().ID)
	case v.again: // the citizen answered while no controller was there
		v.Recall.OnLine = true
		if gone := j.resumeRecall(ctx, c, v); gone {
			return j.recallSorry(ctx, c, v)
		}
		return StepRecallGreet, nil
	case v.Recall.Allowed != nil && !v.Recall.Allowed():
		j.free(ctx, v, "recall.agent.late")
		return v.unreached(callback.Interrupted) // the dialer carries it over
	case !v.Recall.wanted(ctx):
		return j.recallSettled(ctx, v)
	case v.Recall.Busy != nil && v.Recall.Busy():
		j.free(ctx, v, "recall.agent.busy")
		return v.unreached(callback.Interrupted) // the dialer waits for the end of their call
	}
	j.ringback(ctx, v, true)
	j.greeting(ctx, v) // in the making before it is needed
	err := j.dial(ctx, out, v)
	if err == nil {
		v.Recall.OnLine = true
		return StepRecallGreet, nil
	}
	if left := context.Cause(ctx); left != nil {
		if !leftInPlace(left) {
			j.free(ctx, v, "")
		}
		return "", left
	}
	failed := new(call.RingError)
	switch {
	case errors.Is(err, errAgentGone):
		j.agentLeft(ctx, c, v)
		return v.unreached(callback.AgentMissed)
	case errors.Is(err, errSettled):
		return j.recallSettled(ctx, v)
	case !errors.As(err, &failed):
		j.Log.Error("a citizen could not be rung", "call", c.Info().ID, "err", err)
		j.free(ctx, v, "recall.agent.unreachable")
		return v.unreached(callback.Interrupted)
	}
	result := map[call.RingResult]callback.Result{
		call.NoAnswer: callback.NoAnswer, call.Busy: callback.Busy, call.Refused: callback.Refused, call.NoLine: callback.NoLine,
	}[failed.Result]
	if result == "" {
		result = callback.NotReached
	}
	j.free(ctx, v, "recall.agent."+string(result))
	return v.unreached(result)
}

// lookAgain is how often a phone that rings is asked whether it still has to.
const lookAgain = 500 * time.Millisecond

// dial rings the citizen until they answer, and gives up when the agent leaves, or when there
// is no promise to keep any more.
func (j *Journey) dial(ctx context.Context, out call.Outgoing, v *Visit) error {
	ctx, giveUp := context.WithCancelCause(ctx)
	var watch sync.WaitGroup
	defer watch.Wait()
	defer giveUp(nil)
	var gone <-chan struct{}
	if v.leg != nil {
		gone = v.leg.Gone()
	}
	watch.Go(func() {
		again := time.NewTicker(lookAgain)
		defer again.Stop()
		for {
			select {
			case <-gone:
				giveUp(errAgentGone)
			case <-again.C:
				if v.Recall.wanted(ctx) {
					continue
				}
				giveUp(errSettled)
			case <-ctx.Done():
			}
			return
		}
	})
	r := v.Recall
	ring := v.def.Callback.Ring
	if relay := v.def.Access.Relay; r.Citizen != call.Withheld && relay != nil {
		ring = relay.Ring
	}
	err := out.Dial(ctx, call.Dial{Timeout: ring, Started: func() {
		j.note(out, call.EventDialled, "promise", r.Promise, "attempt", r.Attempt, "contact", r.Contact)
	}})
	if why := context.Cause(ctx); err != nil && (errors.Is(why, errAgentGone) || errors.Is(why, errSettled)) {
		return why
	}
	return err
}

// recallGreet says who calls, and waits for a sign of a person: a voicemail never counts as
// a promise kept.
func (j *Journey) recallGreet(ctx context.Context, c call.Call, v *Visit) (string, error) {
	out, ok := c.(call.Outgoing)
	if !ok {
		return "", fmt.Errorf("call %s cannot be confirmed", c.Info().ID)
	}
	if v.again {
		if gone := j.resumeRecall(ctx, c, v); gone {
			return j.recallSorry(ctx, c, v)
		}
	}
	var err error
	switch rules, words := v.def.Callback, j.greeting(ctx, v); {
	case v.Recall.Citizen != call.Withheld:
		err = j.throughRelay(ctx, c, v, words)
	case rules.Speech:
		err = out.Confirm(ctx, rules.Answer, words...)
	default:
		_, err = c.Read(ctx, rules.Answer, words...)
	}
	switch left := context.Cause(ctx); {
	case left != nil && !leftInPlace(left):
		j.free(ctx, v, "recall.agent.hung_up")
		return "", left
	case left != nil:
		return "", left
	case errors.Is(err, call.ErrNoInput):
		return j.voicemail(ctx, c, v)
	case err != nil:
		return "", err
	}
	if !v.Recall.wanted(ctx) { // they cancelled it meanwhile, or are with an agent on another call
		if err := c.Say(ctx, j.prompts(ctx, v, "recall.goodbye")...); err != nil {
			return "", err
		}
		return j.recallSettled(ctx, v)
	}
	if v.leg == nil {
		return StepRecallWait, nil
	}
	select {
	case <-v.leg.Gone():
		j.agentLeft(ctx, c, v)
		return StepRecallWait, nil
	default:
	}
	j.ringback(ctx, v, false)
	return j.hand(ctx, c, v)
}

// greeting is what a citizen hears first.
func (j *Journey) greeting(ctx context.Context, v *Visit) []call.Sound {
	if v.Recall.Citizen != call.Withheld {
		return j.relayGreeting(ctx, v)
	}
	hello, press := "recall.hello", "recall.press"
	switch v.Recall.Origin {
	case callback.FromCutOff:
		hello = "recall.hello.cut"
	case callback.FromSurvey:
		hello = "recall.hello.survey"
	}
	if !v.def.Callback.Speech {
		press = "recall.press.key"
	}
	var words []call.Sound
	if v.Recall.Again {
		words = j.prompts(ctx, v, "recall.again")
	}
	said := j.sentence(ctx, v, v.Lang, hello, "service", v.serviceName())
	if len(said) == 0 {
		said = j.prompts(ctx, v, "recall.hello.plain")
	}
	return append(append(words, said...), j.prompts(ctx, v, press)...)
}

func (v *Visit) serviceName() string {
	if name := v.def.Name[v.Lang].Say; name != "" {
		return name
	}
	return v.def.Name[v.def.Languages[0]].Say
}

// resumeRecall finds the agent of a call again that an earlier controller placed. It tells
// when the agent is gone for whom the citizen was rung.
func (j *Journey) resumeRecall(ctx context.Context, c call.Call, v *Visit) (gone bool) {
	v.Recall.Again = true
	if !v.Recall.AgentFirst {
		return false
	}
	return j.resumeLeg(ctx, c, v)
}

// voicemail ends a call that nobody has confirmed: the agent is free at once, and a short
// message is left, once.
func (j *Journey) voicemail(ctx context.Context, c call.Call, v *Visit) (string, error) {
	r := v.Recall
	r.Result = callback.Machine
	var freed sync.WaitGroup
	defer freed.Wait()
	freed.Go(func() { j.free(ctx, v, "recall.agent.voicemail") })
	if !r.VoicemailLeft && r.Citizen == call.Withheld { // a centre has nobody to give it to
		r.VoicemailLeft = true
		id := "recall.voicemail"
		if r.Last {
			id = "recall.voicemail.last"
		}
		now := v.local(time.Now(), nil)
		words := j.sentence(ctx, v, v.Lang, id, "service", v.serviceName(),
			"day", text.Day(v.Lang, now, now.AddDate(0, 0, -7)), // heard on another day, "today" would mislead
			"clock", text.SpokenClock(v.Lang, now))
		if err := c.Say(ctx, words...); err != nil && context.Cause(ctx) == nil {
			j.Log.Warn("no message could be left on a voicemail", "call", c.Info().ID, "err", err)
		}
	}
	return v.unreached(callback.Machine)
}

// recallWait keeps the citizen on hold until an agent has answered: the one reserved, then,
// if that one cannot be had, the next.
func (j *Journey) recallWait(ctx context.Context, c call.Call, v *Visit) (string, error) {
	if v.place == nil { // after a restart of the controller
		var err error
		v.place, err = j.Floor.Join(routing.Caller{
			ID: call.ID("cb-" + string(v.Recall.Promise)), Queue: v.Queue, Lang: v.Lang, Public: v.Public, Joined: v.Joined, Resumed: true, Kind: "callback",
		})
		if err != nil {
			return "", err
		}
	}
	defer v.place.Withdraw() // after the agent has answered it does nothing
	if err := c.Hold(ctx); err != nil {
		return "", err
	}
	c.Flush()
	j.announcer(v)
	words := j.prompts(ctx, v, "recall.wait")
	if v.again {
		words = j.prompts(ctx, v, "caller.resumed")
	}
	if err := c.Announce(ctx, words...); err != nil {
		return "", err
	}
	return j.attend(ctx, c, v, length(words))
}

// recallSettled lets the agent go when there is nobody to call any more.
func (j *Journey) recallSettled(ctx context.Context, v *Visit) (string, error) {
	j.free(ctx, v, "recall.agent.settled")
	return v.unreached(callback.Interrupted)
}

// recallSorry ends a call that a failure of ours has broken: the citizen is called again.
func (j *Journey) recallSorry(ctx context.Context, c call.Call, v *Visit) (string, error) {
	r := v.Recall
	r.Result = callback.Interrupted
	j.free(ctx, v, "recall.agent.unreachable")
	if r.OnLine {
		if err := c.Say(ctx, j.prompts(ctx, v, "recall.sorry")...); err != nil {
			return "", err
		}
	}
	return v.unreached(callback.Interrupted)
}

// free lets the agent of a callback go that came to nothing: told why, and at once free for
// the next caller.
func (j *Journey) free(ctx context.Context, v *Visit, why string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), bookPatience)
	defer cancel()
	if leg := v.leg; leg != nil {
		v.leg, v.Leg = nil, nil
		_ = leg.Whisper(ctx, j.promptsIn(ctx, v, v.def.Languages[0], why)...) // who has hung up needs no word
		leg.Release(ctx)
	}
	if v.place != nil {
		v.place.Withdraw()
	}
	if v.reservation != nil { // of a call taken up after a restart, which has no place
		v.reservation.Done(0)
	}
}

// agentLeft sets an agent aside who hung up before the citizen was there. The promise keeps its place.
func (j *Journey) agentLeft(ctx context.Context, c call.Call, v *Visit) {
	v.leg.Release(context.WithoutCancel(ctx))
	j.note(c, call.EventRingFailed, "agent", v.leg.Agent(), "result", call.Refused)
	if v.reservation != nil {
		v.reservation.Failed(call.Refused)
		v.reservation.Done(0)
	}
	v.leg, v.Leg, v.reservation = nil, nil, nil
}

// ringback lets the agent hear that the citizen's phone rings.
func (j *Journey) ringback(ctx context.Context, v *Visit, on bool) {
	if v.leg == nil {
		return
	}
	if err := v.leg.Ringback(ctx, on); err != nil && ctx.Err() == nil {
		j.Log.Warn("an agent does not hear the citizen's phone ring", "agent", v.leg.Agent(), "err", err)
	}
}

// kept says that the promise is kept, before citizen and agent hear each other. They talk
// whatever comes of it: the end of the attempt says it again.
func (j *Journey) kept(ctx context.Context, c call.Call, v *Visit) {
	r := v.Recall
	r.Result = callback.Connected
	bounded, cancel := context.WithTimeout(ctx, promptly)
	defer cancel()
	if err := j.Callbacks.Kept(bounded, r.Promise, r.Attempt); err != nil && ctx.Err() == nil {
		j.Log.Error("a promise is kept and could not be noted so", "call", c.Info().ID, "promise", r.Promise, "err", err)
	}
}

// recallWhisper tells the agent what the callback is about: its reason, and when it was
// asked for or promised.
func (j *Journey) recallWhisper(ctx context.Context, v *Visit, rules *service.Queue) []call.Sound {
	lang := v.def.Languages[0]
	sounds := append(j.promptsIn(ctx, v, lang, "whisper.callback"), j.subject(ctx, v, rules)...)
	now, asked := v.local(time.Now(), nil), v.local(v.Recall.Asked, nil)
	switch {
	case !v.Recall.Slot.IsZero():
		sounds = append(sounds, j.moment(ctx, v, lang, "whisper.callback.slot", v.local(v.Recall.Slot, nil))...)
	case now.YearDay() == asked.YearDay() && now.Year() == asked.Year():
		sounds = append(sounds, j.moment(ctx, v, lang, "whisper.callback.asked", asked)...)
	default:
		sounds = append(sounds, j.moment(ctx, v, lang, "whisper.callback.asked.day", asked)...)
	}
	if v.Recall.Score > 0 {
		sounds = append(sounds, j.promptsIn(ctx, v, lang, "whisper.survey."+strconv.Itoa(v.Recall.Score))...)
	}
	if v.relayed() {
		sounds = append(sounds, j.promptsIn(ctx, v, lang, "whisper.relay")...)
	}
	if v.Recall.AgentFirst {
		sounds = append(sounds, j.promptsIn(ctx, v, lang, "whisper.callback.refuse")...)
	}
	return sounds
}

// leftInPlace says that the call goes on without this process.
func leftInPlace(cause error) bool {
	return errors.Is(cause, call.ErrDetach) || errors.Is(cause, call.ErrFenced)
}
