package ivr

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"time"

	"decroche/call"
	"decroche/routing"
	"decroche/routing/wait"
	"decroche/service"
)

// queue keeps the caller in line, tells the truth about the wait, and rings the agents
// reserved for this caller until one answers. The caller keeps the place meanwhile.
func (j *Journey) queue(ctx context.Context, c call.Call, v *Visit) (string, error) {
	if !v.QueueGreeted {
		if step, err := j.entrance(ctx, c, v); step != "" || err != nil {
			return step, err
		}
	}
	err := j.enter(c, v)
	v.settle()
	if full := new(routing.FullError); errors.As(err, &full) {
		v.Joined = time.Time{}
		return StepSaturated, nil
	}
	if err != nil {
		return "", err
	}
	place := v.place
	defer func() {
		if leftInPlace(context.Cause(ctx)) {
			place.Withdraw() // the caller still waits, for the next controller
			return
		}
		place.Leave()
	}()
	if err := c.Hold(ctx); err != nil {
		return "", err
	}
	c.Flush() // what was typed for the menus is no question about the wait
	spoken, err := j.join(ctx, c, v)
	if err != nil {
		return "", err
	}
	next, err := j.attend(ctx, c, v, spoken)
	if next == StepCallback { // not given up: the caller may come back to the same place
		place.Withdraw()
	}
	return next, err
}

// entrance says the incident messages of this queue, and those known in advance; an
// incident that replaces the journey ends it here.
func (j *Journey) entrance(ctx context.Context, c call.Call, v *Visit) (string, error) {
	if next, err := j.sayIncidents(ctx, c, v, v.Queue, StepQueue); err != nil || next != "" {
		return next, err
	}
	return "", j.sayDated(ctx, c, v, v.Queue)
}

// enter takes the caller's place in line. Who asked for a queue that a reload has taken
// away still asked for a person: the queue of the first menu has one.
func (j *Journey) enter(c call.Call, v *Visit) (err error) {
	if v.Joined.IsZero() {
		v.Joined = time.Now()
	}
	who := routing.Caller{ID: c.Info().ID, Queue: v.Queue, Lang: v.Lang, Public: v.Public, Joined: v.Joined, Resumed: v.QueueGreeted}
	err = routing.ErrUnknownQueue
	if v.def.Queues[v.Queue] != nil {
		v.place, err = j.Floor.Join(who)
	}
	if errors.Is(err, routing.ErrUnknownQueue) {
		v.def = j.Service()
		v.Queue = v.def.Menus[v.def.Entry.Menu].Queue
		who.Queue = v.Queue
		v.place, err = j.Floor.Join(who)
	}
	return err
}

// rules are those of the caller's queue; one that a reload has taken away gives way to the
// first menu's.
func (v *Visit) rules(j *Journey) *service.Queue {
	if q := v.def.Queues[v.Queue]; q != nil {
		return q
	}
	v.def = j.Service()
	return v.def.Queues[v.def.Menus[v.def.Entry.Menu].Queue]
}

func (j *Journey) announcer(v *Visit) {
	if v.Announcer == nil {
		v.Announcer = wait.NewAnnouncer(nil)
	}
}

// join says where the caller stands, once; who comes back, after a restart or from asking
// for a callback, goes on waiting. It returns how long the words last.
func (j *Journey) join(ctx context.Context, c call.Call, v *Visit) (time.Duration, error) {
	j.announcer(v)
	if v.QueueGreeted && !v.again {
		back := j.prompts(ctx, v, "callback.back")
		return length(back), c.Announce(ctx, back...)
	}
	if v.QueueGreeted {
		j.note(c, call.EventResumed, "queue", v.Queue, "waited_ms", time.Since(v.Joined).Milliseconds())
		again := j.prompts(ctx, v, "caller.resumed")
		return length(again), c.Announce(ctx, again...)
	}
	v.QueueGreeted = true
	j.note(c, call.EventQueued, "queue", v.Queue, "position", v.place.Standing().Position)
	if v.relayed() {
		return j.announce(ctx, c, v, "relay.joined")
	}
	return j.announce(ctx, c, v, "queue.joined")
}

// rung is how ringing an agent ended.
type rung struct {
	reservation *routing.Reservation
	leg         call.AgentLeg
	err         error
}

// breath is the least music between two announcements.
const breath = 3 * time.Second

// attend is the wait itself; the words under way last as long as spoken.
func (j *Journey) attend(ctx context.Context, c call.Call, v *Visit, spoken time.Duration) (string, error) {
	rules := v.rules(j)
	period := v.period(rules)
	next := time.NewTimer(max(period, spoken+breath))
	defer next.Stop()
	announce := func() error {
		spoken, err := j.announce(ctx, c, v)
		next.Reset(max(period, spoken+breath))
		return err
	}
	tell := func(words []call.Sound) error { // something else than the place in line
		next.Reset(max(period, length(words)+breath))
		return c.Announce(ctx, words...)
	}
	answered, rings := make(chan struct{}, 1), make(chan rung, 1)
	ringing, connecting := false, false
	reserved := make(chan *routing.Reservation, 1)
	if v.reservation != nil { // made before the wait began
		reserved <- v.reservation
		v.reservation = nil
	}
	ringCtx, stopRinging := context.WithCancel(ctx)
	defer func() { // who is rung for nobody stops ringing before the step ends
		stopRinging()
		if ringing {
			if r := <-rings; r.leg != nil {
				r.leg.Release(context.WithoutCancel(ctx))
			}
		}
	}()
	ring := func(r *routing.Reservation) {
		ringing = true
		go func() { rings <- j.ring(ringCtx, c, v, r, rules, answered) }()
	}
	for {
		select {
		case <-ctx.Done():
			return "", context.Cause(ctx)

		case r := <-reserved:
			ring(r)

		case r := <-v.place.Reserved():
			ring(r)

		case <-answered: // the agent is being told about the call: the caller hears that it begins
			connecting = true
			next.Stop()
			words := j.prompts(ctx, v, "hold.connecting")
			spoken = length(words)
			if err := c.Announce(ctx, words...); err != nil {
				return "", err
			}

		case r := <-rings:
			ringing = false
			if r.err == nil {
				v.reservation, v.leg = r.reservation, r.leg
				return j.hand(ctx, c, v)
			}
			if cause := context.Cause(ctx); cause != nil {
				return "", cause
			}
			select {
			case <-answered:
			default:
			}
			j.missed(c, r)
			if connecting { // it was said too early: the caller soon hears the place again
				connecting = false
				next.Reset(spoken + breath)
			}

		case key := <-c.Digits(): // any key: where do I stand?
			if connecting {
				continue
			}
			if key == keyWritten {
				if err := tell(j.write(ctx, c, v, v.told)); err != nil {
					return "", err
				}
				continue
			}
			if key == keyAgain {
				v.Again++
				v.slowly = true
			}
			if key == keySurvey && v.Survey == WishOffered {
				v.Survey = WishChosen
				if err := tell(j.prompts(ctx, v, "survey.chosen")); err != nil {
					return "", err
				}
				continue
			}
			if key == keyExit && v.Exit {
				return StepExit, nil
			}
			if key == keyLink && v.Link != "" {
				if err := tell(j.link(ctx, c, v, v.Link)); err != nil {
					return "", err
				}
				continue
			}
			if key == '1' && j.callsBack(v) {
				v.Asking = v.askWaiting()
				return StepCallback, nil
			}
			if err := announce(); err != nil {
				return "", err
			}

		case <-next.C:
			if err := announce(); err != nil {
				return "", err
			}
		}
	}
}

// missed puts the caller back in line after an agent could not be had. An exchange that
// failed is no fault of the agent's, who is left alone for a short while only.
func (j *Journey) missed(c call.Call, r rung) {
	failed := new(call.RingError)
	if !errors.As(r.err, &failed) {
		j.Log.Warn("an agent could not be rung; the caller keeps the place", "call", c.Info().ID, "agent", r.reservation.Agent().ID, "err", r.err)
		failed = &call.RingError{Agent: r.reservation.Agent().ID, Result: call.Busy}
	}
	j.note(c, call.EventRingFailed, "agent", failed.Agent, "result", failed.Result)
	r.reservation.Failed(failed.Result)
}

// ring rings the agent and whispers to the agent who calls, before the two can hear each
// other. It runs beside the wait, so it catches its own faults.
func (j *Journey) ring(ctx context.Context, c call.Call, v *Visit, r *routing.Reservation, rules *service.Queue, answered chan<- struct{}) (out rung) {
	defer func() {
		if p := recover(); p != nil {
			out = rung{reservation: r, err: fmt.Errorf("ringing an agent panicked: %v\n%s", p, debug.Stack())}
		}
	}()
	agent := r.Agent().ID
	r.On(c.Info().ID)
	r.Ringing()
	j.note(c, call.EventRinging, "agent", agent)
	leg, err := c.Ring(ctx, call.Ring{Agent: agent, Timeout: rules.RingTimeout, Show: c.Info().From, Name: v.banner(rules)})
	if err != nil {
		return rung{reservation: r, err: err}
	}
	j.note(c, call.EventAgentAnswered, "agent", agent)
	answered <- struct{}{}
	if err := leg.Whisper(ctx, j.whisper(ctx, v, rules)...); err != nil {
		leg.Release(context.WithoutCancel(ctx))
		if context.Cause(ctx) == nil { // the agent hung up during the whisper: that is a refusal
			err = &call.RingError{Agent: agent, Result: call.Refused}
		}
		return rung{reservation: r, err: err}
	}
	return rung{reservation: r, leg: leg}
}

// whisper tells the agent what the call is about and how long the caller has waited.
func (j *Journey) whisper(ctx context.Context, v *Visit, rules *service.Queue) []call.Sound {
	if v.Recall != nil {
		return j.recallWhisper(ctx, v, rules)
	}
	lang := v.def.Languages[0] // the agents' language
	sounds := j.promptsIn(ctx, v, lang, rules.Whisper)
	if v.relayed() {
		sounds = append(sounds, j.promptsIn(ctx, v, lang, "whisper.relay")...)
	}
	sounds = append(sounds, j.subject(ctx, v, rules)...)
	return append(sounds, j.promptsIn(ctx, v, lang, WhisperWait(time.Since(v.Joined)))...)
}

// subject names what the call is about: its reason, or else its queue.
func (j *Journey) subject(ctx context.Context, v *Visit, rules *service.Queue) []call.Sound {
	lang := v.def.Languages[0]
	label := rules.Label[lang]
	if r, ok := v.def.Reasons[v.Reason]; ok {
		label = r.Label[lang]
	}
	if label.Say == "" {
		return nil
	}
	s, err := j.Voice.Phrase(ctx, "reason."+v.Reason, lang, label)
	if err != nil {
		return nil
	}
	return []call.Sound{s}
}

// WhisperWait names the prompt that tells an agent how long the caller has waited.
func WhisperWait(d time.Duration) string {
	switch minutes := int(d / time.Minute); {
	case minutes < 1:
		return "whisper.wait.under1"
	case minutes >= 60:
		return "whisper.wait.over60"
	default:
		return "whisper.wait." + strconv.Itoa(minutes)
	}
}

// hand gives the caller to the agent who has answered.
func (j *Journey) hand(ctx context.Context, c call.Call, v *Visit) (string, error) {
	v.Connected = time.Now()
	if v.Recall != nil {
		j.kept(ctx, c, v)
	} else {
		j.calledAgain(ctx, c, v)
	}
	if v.reservation != nil {
		v.reservation.Connected()
	}
	state := v.leg.State()
	v.Leg = &state
	return StepTalk, nil // where the journal is told, once the next controller would find them there
}

// announce says news not heard yet, then the place in line and a range for the wait.
// It returns how long the words last.
func (j *Journey) announce(ctx context.Context, c call.Call, v *Visit, first ...string) (time.Duration, error) {
	sounds, news := j.prompts(ctx, v, first...), []announced(nil)
	for _, m := range j.unheard(v, v.Queue) {
		words := j.incident(ctx, v, m)
		news = append(news, announced{m, len(sounds), len(sounds) + len(words)})
		v.News = append(v.News, m.Words())
		sounds = append(sounds, words...)
		sounds = append(sounds, j.offeredWaiting(ctx, c, v, m)...)
	}
	now := time.Now()
	standing := v.place.Standing()
	said := v.Announcer.Next(standing.Estimate, now.Sub(v.Joined), wait.Causes{
		AgentsLeft: standing.AgentsLeft, HigherPriority: standing.HigherPriorityCame,
	})
	sounds = append(sounds, j.prompts(ctx, v, PositionPrompt(standing.Position))...)
	data := []any{
		"queue", v.Queue, "position", standing.Position, "estimate_s", int(standing.Estimate.Point.Seconds()),
		"method", standing.Estimate.Method, "elapsed_ms", now.Sub(v.Joined).Milliseconds(),
	}
	switch {
	case said.Rung != nil:
		sounds = append(sounds, j.prompts(ctx, v, said.Rung.ID)...)
		data = append(data, "rung", said.Rung.ID, "low_s", said.Rung.LowMin*60, "high_s", said.Rung.HighMin*60, "cause", said.Cause)
	case standing.NoAgents:
		sounds = append(sounds, j.prompts(ctx, v, "queue.noagents")...)
	default:
		sounds = append(sounds, j.prompts(ctx, v, "wait.unknown")...)
	}
	sounds = append(sounds, j.offer(ctx, c, v, standing, len(first) > 0)...)
	sounds = append(sounds, j.offerSurvey(ctx, c, v, len(first) > 0)...)
	j.note(c, call.EventAnnounced, data...)
	if j.Heard != nil {
		j.Heard(v.Queue, standing.Estimate, said.Rung)
	}
	if j.Keep != nil { // the next controller knows what this caller has been told
		step := StepQueue
		if v.Recall != nil {
			step = StepRecallWait
		}
		switch err := j.Keep(ctx, c, step, v); {
		case errors.Is(err, call.ErrFenced):
			return 0, err
		case err != nil && ctx.Err() == nil:
			j.Log.Error("a caller waits on who could not be saved", "call", c.Info().ID, "err", err)
		}
	}
	v.told = sounds
	if v.slowly {
		sounds, v.slowly = j.clear(ctx, sounds), false
	} else {
		sounds = j.paced(ctx, v, sounds)
	}
	if err := c.Announce(ctx, sounds...); err != nil {
		return 0, err
	}
	for _, n := range news {
		j.note(c, call.EventMessage, "id", n.message.ID, "queue", n.message.Queue,
			"after_ms", length(sounds[:n.from]).Milliseconds(), "lasts_ms", length(sounds[n.from:n.until]).Milliseconds())
	}
	return length(sounds), nil
}

// announced is an incident message among the sounds of an announcement, which are said while the wait goes on.
type announced struct {
	message     Message
	from, until int
}

// offeredWaiting is what a message offers to who waits: its key works from then on.
func (j *Journey) offeredWaiting(ctx context.Context, c call.Call, v *Visit, m Message) []call.Sound {
	if m.Replace || v.Recall != nil {
		return nil
	}
	words, key := j.offered(ctx, c, v, m)
	switch key {
	case keyLink:
		v.Link, _ = m.Link()
	case keyExit:
		v.Exit = true
	}
	return words
}

// length is how long the sounds last, one after the other.
func length(sounds []call.Sound) (d time.Duration) {
	for _, s := range sounds {
		d += s.Duration
	}
	return d
}

// PositionPrompt names the prompt of a place in line, from 1.
func PositionPrompt(n int) string {
	if n < 1 || n > 20 {
		return "position.many"
	}
	return "position." + strconv.Itoa(n)
}
