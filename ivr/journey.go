// Package ivr is what a caller hears: the journey from the first word to the last, as
// steps that read like the conversation.
//
//	greet → language → hours → news → menu ⇄ info, access → queue → talk → survey → goodbye
//	           closed, saturated, replaced, exit and sorry are the ways out that cannot lead to a person now
//	queue, closed, saturated ⇄ callback → callback.when → callback.noted: a promise to call back
//	survey → callback: who was not satisfied may be called back
//	recall.agent → recall.dial → recall.greet → talk: a call that we place to keep one
//
// A promise is kept by Callbacks before it is said, so that who hangs up early, or is cut
// off, has either heard nothing or is called. What fails on the way there is said, and the
// caller waits on at the same place.
//
// A step may run twice after a crash; between steps the Visit is saved. The caller's
// place in the queue lives in routing.Floor, keyed by the call's id and the moment of
// joining, so that a step that runs again finds the same place.
package ivr

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"decroche/call"
	"decroche/callback"
	"decroche/routing"
	"decroche/routing/wait"
	"decroche/service"
	"decroche/tags"
)

// Voice gives the sounds. A sound that cannot be had is left out, logged and counted
// by the journey: a caller hears less rather than nothing.
type Voice interface {
	// System is a prompt of the built-in catalogue.
	System(ctx context.Context, id string, lang call.Lang) (call.Sound, error)
	// Phrase is a wording of the service: its recording where it has one, else its text; its text
	// also where its recording has gone.
	Phrase(ctx context.Context, name string, lang call.Lang, p service.Phrase) (call.Sound, error)
	// Sentence is a sentence of the built-in catalogue with its values filled in: name, value, … words
	// are the service's own for it, "" for the catalogue's. Its sound has the sentence's id as its
	// name, whatever the values.
	Sentence(ctx context.Context, id string, lang call.Lang, words string, pairs ...any) (call.Sound, error)
	// Clear is the same sound slower and louder, for who has not understood it.
	Clear(ctx context.Context, s call.Sound) (call.Sound, error)
}

// News is the board of incident messages.
type News interface {
	// Active lists the messages for callers of a queue ("" before any queue is chosen), oldest first.
	Active(queue string, at time.Time) []Message
}

// Journey is the conversation of one service's callers.
type Journey struct {
	// Service is the definition in force; a call keeps the one it began with.
	Service func() *service.Definition
	Floor   *routing.Floor
	Voice   Voice
	News    News
	Journal call.Journal
	Log     *slog.Logger
	// Keep saves where a call stands in the midst of a long step; nil is allowed.
	Keep func(ctx context.Context, c call.Call, step string, v *Visit) error
	// Heard is told of each wait announcement, for metrics; nil is allowed.
	Heard func(queue string, e wait.Estimate, rung *wait.Rung)

	// Callbacks makes promises, Links knows which sites work and Texts sends their addresses.
	// What is nil is not offered.
	Callbacks Callbacks
	Links     Links
	Texts     Texter
	// MenuURL is the page where the menu is read; nil: there is none.
	MenuURL func(lang call.Lang) string
	// AccessURL is the page by which a callback through the relay centre is booked; nil or "": none.
	AccessURL func(lang call.Lang) string
	// WriteURL is the page by which an agent is written to; nil or "": none.
	WriteURL func(lang call.Lang) string
	// Tags tells what callers want known of them; nil: nothing is known.
	Tags Tags
	// Surveys asks callers what they thought; nil: nobody is asked.
	Surveys Surveys
	// Now is the time that decides what is said; nil is the clock. A rehearsal has another.
	Now func() time.Time
}

func (j *Journey) now() time.Time {
	if j.Now != nil {
		return j.Now()
	}
	return time.Now()
}

// Visit is what the journey knows of one caller. It is saved between steps.
type Visit struct {
	Lang call.Lang `json:"lang"`
	// Public is who calls: a value of service.Number.Public.
	Public string `json:"public,omitempty"`
	Menu   string `json:"menu,omitempty"`
	Tries  int    `json:"tries,omitempty"`
	Info   string `json:"info,omitempty"`
	Reason string `json:"reason,omitempty"`
	Queue  string `json:"queue,omitempty"`
	// InfoHeard: an information was heard to its end; AgentAsked: a person was asked for.
	InfoHeard  bool `json:"info_heard,omitempty"`
	AgentAsked bool `json:"agent_asked,omitempty"`
	// Joined is when the caller joined the line; a resumed caller keeps it.
	Joined time.Time `json:"joined,omitzero"`
	// Greeted callers are not welcomed to the queue again.
	QueueGreeted bool            `json:"queue_greeted,omitempty"`
	Announcer    *wait.Announcer `json:"announcer,omitempty"`
	News         []int64         `json:"news,omitempty"` // incident messages heard, by Message.Words
	Leg          *call.LegState  `json:"leg,omitempty"`
	// Connected is when caller and agent began to talk, the colleague of a transfer included;
	// Talking is whose conversation the journal knows of and has not closed.
	Connected time.Time    `json:"connected,omitzero"`
	Talking   call.AgentID `json:"talking,omitempty"`
	// End is set by the step that ends the call in good order.
	End call.End `json:"end,omitzero"`

	// Unoffered counts the announcements since a callback was last spoken of.
	Unoffered int `json:"unoffered,omitempty"`
	// SelfCare: the line was closed, and they were led to the menu of that time.
	SelfCare bool `json:"self_care,omitempty"`
	// Closing says that the wait is likely to outlast the opening hours.
	Closing bool `json:"closing,omitempty"`
	// Asking is of who asks to be called back; nil when nobody does.
	Asking *Asking `json:"asking,omitempty"`
	// Promise is what the caller was promised in this call.
	Promise callback.ID `json:"promise,omitempty"`
	// Tags are what is known of the caller.
	Tags []tags.Kind `json:"tags,omitempty"`
	// Offline: they do without the internet; nothing is offered online any more.
	Offline bool `json:"offline,omitempty"`
	// Link and Exit are what a message offered to who waits: a link to be sent, and to end the call.
	Link string `json:"link,omitempty"`
	Exit bool   `json:"exit,omitempty"`
	// LinkSent: the one link of this call was sent.
	LinkSent bool `json:"link_sent,omitempty"`
	// Again counts how often words were asked for again, Written those sent as a text.
	Again   int `json:"again,omitempty"`
	Written int `json:"written,omitempty"`
	// Survey is what the caller wants of the survey; Answered: they have answered some of it.
	Survey   Wish `json:"survey,omitempty"`
	Answered bool `json:"answered,omitempty"`
	// Recall is of a call that we place, nil for all others.
	Recall *Recall `json:"recall,omitempty"`

	// Settled is told once a caller taken up after a restart has the place in line or the
	// agent again, so that nobody new comes before; nil is allowed.
	Settled func() `json:"-"`

	def         *service.Definition
	place       *routing.Place
	reservation *routing.Reservation
	leg         call.AgentLeg
	// again says that an earlier controller has begun the present step.
	again bool
	// told is what was announced last to who waits; slowly says that the next is to be said so.
	told   []call.Sound
	slowly bool
}

// The names of the steps, as checkpoints keep them.
const (
	StepGreet     = "greet"
	StepLanguage  = "language"
	StepHours     = "hours"
	StepNews      = "news"
	StepMenu      = "menu"
	StepInfo      = "info"
	StepAccess    = "access"
	StepQueue     = "queue"
	StepTalk      = "talk"
	StepSurvey    = "survey"
	StepGoodbye   = "goodbye"
	StepClosed    = "closed"
	StepSaturated = "saturated"
	StepReplaced  = "replaced"
	StepExit      = "exit"
	StepUnknown   = "unknown"
	StepSorry     = "sorry"

	StepCallback = "callback"       // the number to call back
	StepWhen     = "callback.when"  // at one's turn, or in a slot
	StepNoted    = "callback.noted" // what was promised

	// Of a call that we place.
	StepRecallAgent = "recall.agent"
	StepRecallDial  = "recall.dial"
	StepRecallGreet = "recall.greet"
	StepRecallWait  = "recall.wait" // on hold, until an agent has answered
)

// Steps is the journey for the runner.
func (j *Journey) Steps() map[string]call.Step[Visit] {
	steps := map[string]call.Step[Visit]{
		StepGreet:     j.greet,
		StepLanguage:  j.language,
		StepHours:     j.hours,
		StepNews:      j.news,
		StepMenu:      j.menu,
		StepInfo:      j.info,
		StepAccess:    j.access,
		StepQueue:     j.queue,
		StepTalk:      j.talk,
		StepSurvey:    j.survey,
		StepGoodbye:   j.goodbye,
		StepClosed:    j.closed,
		StepSaturated: j.saturated,
		StepReplaced:  j.replaced,
		StepExit:      j.exit,
		StepUnknown:   j.unknown,
		StepSorry:     j.sorry,

		StepCallback: j.callback,
		StepWhen:     j.when,
		StepNoted:    j.noted,

		StepRecallAgent: j.recallAgent,
		StepRecallDial:  j.recallDial,
		StepRecallGreet: j.recallGreet,
		StepRecallWait:  j.recallWait,
	}
	for name, step := range steps {
		steps[name] = func(ctx context.Context, c call.Call, v *Visit) (string, error) {
			v.again = v.def == nil && c.Info().Resumed
			if v.def == nil { // the first step of this process for the call
				v.def = j.Service()
			}
			_, rehearsed := c.(*rehearsed)
			if !strings.HasPrefix(name, "recall.") && !rehearsed { // where a key is a sign of a person
				c = &listener{Call: c, j: j, v: v}
			}
			return step(ctx, c, v)
		}
	}
	return steps
}

// Ended says how a call ended that the caller left at a step, or that ended in good order.
func (j *Journey) Ended(v *Visit, step string, err error) call.End {
	switch {
	case v.End.Outcome != "":
		return v.End
	case v.Recall != nil:
		return v.Recall.ended(step, err)
	case step == StepSorry && !errors.Is(err, call.ErrHangup) && !errors.Is(err, call.ErrTechnical):
		return call.End{Outcome: call.Failed, Reason: call.ReasonInternal}
	}
	reason := leftBecause(err)
	switch step {
	case StepTalk, StepSurvey, StepGoodbye:
		return call.End{Outcome: call.Answered, Reason: reason}
	case StepQueue:
		return call.End{Outcome: call.Abandoned, Reason: reason}
	case StepExit:
		if v.AgentAsked {
			return call.End{Outcome: call.Abandoned, Reason: call.ReasonHeardAll}
		}
		return call.End{Outcome: call.SelfServed, Reason: call.ReasonHeardAll}
	case StepCallback, StepWhen, StepNoted: // from the access too
		return call.End{Outcome: v.outcomeUnpromised(), Reason: reason}
	case StepClosed:
		return call.End{Outcome: call.Closed, Reason: reason}
	case StepSaturated, StepReplaced:
		return call.End{Outcome: call.Dissuaded, Reason: reason}
	case StepUnknown, StepSorry:
		return call.End{Outcome: call.Failed, Reason: reason}
	}
	if v.InfoHeard && !v.AgentAsked {
		return call.End{Outcome: call.SelfServed, Reason: call.ReasonHeardAll}
	}
	if v.SelfCare {
		return call.End{Outcome: call.Closed, Reason: reason}
	}
	return call.End{Outcome: call.LeftIVR, Reason: reason}
}

// leftBecause tells a hang-up on purpose from a line that broke and an exchange that died.
func leftBecause(err error) call.Reason {
	switch {
	case errors.Is(err, call.ErrTechnical):
		return call.ReasonExchange
	case errors.Is(err, call.ErrCutOff):
		return call.ReasonCutOff
	}
	return call.ReasonCallerHungUp
}

// note writes a fact of the call in the journal; pairs are key, value, …
func (j *Journey) note(c call.Call, kind call.EventKind, pairs ...any) {
	j.noteOf(c.Info().ID, time.Now(), kind, pairs...)
}

func (j *Journey) noteOf(id call.ID, at time.Time, kind call.EventKind, pairs ...any) {
	data := make(map[string]any, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		data[pairs[i].(string)] = pairs[i+1]
	}
	e := call.NewEvent(id, kind, data)
	e.At = at
	j.Journal.Append(e)
}

// prompts gives the sounds of these prompts in the caller's language: the service's own
// wording first, the catalogue's otherwise. Empty names are left out.
func (j *Journey) prompts(ctx context.Context, v *Visit, names ...string) []call.Sound {
	return j.promptsIn(ctx, v, v.Lang, names...)
}

func (j *Journey) promptsIn(ctx context.Context, v *Visit, lang call.Lang, names ...string) []call.Sound {
	var sounds []call.Sound
	for _, name := range names {
		if name == "" || j.Links != nil && j.Links.Muted(name) || v.Offline && v.def.SendsOnline(name) {
			continue // it sends online, and the site is down or of no use to them
		}
		sound, err := j.prompt(ctx, v, lang, name)
		if err != nil {
			j.Log.Error("a prompt cannot be said and is left out", "prompt", name, "lang", lang, "err", err)
			continue
		}
		sounds = append(sounds, sound)
	}
	return sounds
}

func (j *Journey) prompt(ctx context.Context, v *Visit, lang call.Lang, name string) (call.Sound, error) {
	if text, ok := v.def.Prompts[name]; ok {
		phrase, ok := text[lang]
		if !ok {
			return call.Sound{}, fmt.Errorf("the service has no wording of %q in %q", name, lang)
		}
		return j.Voice.Phrase(ctx, name, lang, phrase)
	}
	if phrase, worded := v.def.Wording[name][lang]; worded {
		sound, err := j.Voice.Phrase(ctx, name, lang, phrase)
		if err == nil {
			return sound, nil
		}
		j.Log.Error("a wording cannot be said; the line's own is", "prompt", name, "lang", lang, "err", err)
	}
	return j.Voice.System(ctx, name, lang)
}

func (v *Visit) settle() {
	if v.Settled != nil {
		v.Settled()
	}
}

// end ends the call in good order after the step that returns it.
func (v *Visit) end(o call.Outcome, r call.Reason) (string, error) {
	v.End = call.End{Outcome: o, Reason: r}
	return call.Over, nil
}
