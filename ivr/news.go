package ivr

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"decroche/call"
	"decroche/callback"
	"decroche/tags"
)

// news says what is new: the incidents of today, then the messages known in advance.
// Incidents are heard to their end; the rest gives way to a key.
func (j *Journey) news(ctx context.Context, c call.Call, v *Visit) (string, error) {
	if next, err := j.sayIncidents(ctx, c, v, "", StepNews); err != nil || next != "" {
		return next, err
	}
	if err := j.sayDated(ctx, c, v, ""); err != nil {
		return "", err
	}
	number, _ := v.def.NumberFor(c.Info().To)
	if queue := v.straight(number); queue != "" {
		return j.toQueue(c, v, queue)
	}
	if v.tagged(tags.Deaf) && v.def.Access.Prompt != "" { // as if they had pressed its key
		return StepAccess, nil
	}
	v.Menu, v.Tries = v.def.Entry.Menu, 0
	return StepMenu, nil
}

// sayDated says the messages known in advance that are for callers of the queue, "" for all.
func (j *Journey) sayDated(ctx context.Context, c call.Call, v *Visit, queue string) error {
	now := j.now()
	for _, m := range v.def.Entry.Messages {
		if v.relayed() || m.Queue != queue || now.Before(m.From) || !now.Before(m.Until) {
			continue
		}
		if _, err := c.SayUnlessKey(ctx, j.prompts(ctx, v, m.Prompt)...); err != nil {
			return err
		}
		j.note(c, call.EventMessage, "dated", m.ID)
	}
	return nil
}

// sayIncidents says the incident messages this caller has not heard, and what they offer. next is
// where the caller goes by one of them, "" for on; here is the step to come back to.
func (j *Journey) sayIncidents(ctx context.Context, c call.Call, v *Visit, queue, here string) (next string, err error) {
	if slices.ContainsFunc(j.News.Active(queue, j.now()), func(m Message) bool { return m.Replace }) {
		next = StepReplaced
	}
	for _, m := range j.unheard(v, queue) {
		if err := j.tell(ctx, c, v, m); err != nil {
			return next, err
		}
		if next != "" || m.Offer == "" {
			continue
		}
		if next, err = j.offerOf(ctx, c, v, m, here); err != nil || next != "" {
			return next, err
		}
	}
	return next, nil
}

// unheard are the messages for callers of the queue that this one has not heard. Who is relayed hears
// those alone that end the call.
func (j *Journey) unheard(v *Visit, queue string) (list []Message) {
	for _, m := range j.News.Active(queue, j.now()) {
		if !slices.Contains(v.News, m.Words()) && (m.Replace || !v.relayed()) {
			list = append(list, m)
		}
	}
	return list
}

// keyExit ends the call of who needs no more than a message.
const keyExit = '9'

// offerOf offers what a message does, once, to who does not wait yet. A key that is another was meant
// for what follows.
func (j *Journey) offerOf(ctx context.Context, c call.Call, v *Visit, m Message, here string) (next string, err error) {
	words, key := j.offered(ctx, c, v, m)
	if key == 0 {
		return "", c.Say(ctx, words...)
	}
	pressed, err := j.read(ctx, c, pause, words...)
	switch {
	case err != nil:
		return "", err
	case pressed != key:
		if pressed != 0 {
			c.Unread(pressed)
		}
		return "", nil
	case key == keyLink:
		link, _ := m.Link()
		return "", c.Say(ctx, j.link(ctx, c, v, link)...)
	case key == keyExit:
		return StepExit, nil
	}
	if menu, is := strings.CutPrefix(m.Queue, MessageMenu); is && v.def.Menus[menu] != nil {
		v.Queue = v.def.Menus[menu].Queue
	}
	v.Asking = &Asking{
		Origin: callback.FromMessage, Back: here, Wait: j.waitToCome(v.Queue),
		End: call.End{Outcome: call.LeftIVR, Reason: call.ReasonCallerHungUp},
	}
	j.note(c, call.EventOffered, "what", "callback", "why", callback.FromMessage)
	return StepCallback, nil
}

// exit ends the call of who needed no more than a message. Who waited has not been answered all the same.
func (j *Journey) exit(ctx context.Context, c call.Call, v *Visit) (string, error) {
	if err := c.Say(ctx, j.prompts(ctx, v, "goodbye")...); err != nil {
		return "", err
	}
	if v.AgentAsked {
		return v.end(call.Abandoned, call.ReasonHeardAll)
	}
	return v.end(call.SelfServed, call.ReasonHeardAll)
}

// offered are the words of what a message offers, and its key; 0 when it is not to be had, and the
// words say so or are none.
func (j *Journey) offered(ctx context.Context, c call.Call, v *Visit, m Message) (words []call.Sound, key call.Digit) {
	link, is := m.Link()
	switch {
	case is:
		words, ok := j.offerLink(ctx, c, v, link)
		if !ok {
			return words, 0
		}
		if c.Info().From.Kind() != call.KindMobile { // who cannot be sent it hears it
			words = append(j.address(ctx, v, v.def.Links[link]), words...)
		}
		return words, keyLink
	case m.Offer == OfferCallback && j.callsBack(v):
		return j.prompts(ctx, v, "callback.hint"), '1'
	case m.Offer == OfferExit:
		return j.prompts(ctx, v, "message.exit"), keyExit
	}
	return nil, 0
}

// firstWord is how long a message is said before who leaves has heard any of it. A hang-up is told a moment after the
// sound that it cuts has ended: a message that is said in this moment is said to nobody.
const firstWord = 500 * time.Millisecond

// tell says an incident message. Who hangs up meanwhile has heard it too; who is left to the next controller is told
// again, whole.
func (j *Journey) tell(ctx context.Context, c call.Call, v *Visit, m Message) error {
	began := time.Now()
	err := c.Say(ctx, j.incident(ctx, v, m)...)
	if err == nil {
		v.News = append(v.News, m.Words())
	}
	if time.Since(began) >= firstWord && (err == nil || errors.Is(context.Cause(ctx), call.ErrHangup)) {
		j.note(c, call.EventMessage, "id", m.ID, "queue", m.Queue)
	}
	return err
}

// incident gives the sounds of a message: in the caller's language, or in French after a
// word that says so.
func (j *Journey) incident(ctx context.Context, v *Visit, m Message) []call.Sound {
	lang := v.Lang
	var sounds []call.Sound
	if m.Text[lang] == "" {
		sounds = j.prompts(ctx, v, "message.in-french")
		lang = "fr"
	}
	sound, err := j.Voice.Phrase(ctx, m.SoundName(), lang, m.Phrase(lang))
	if err != nil {
		j.Log.Error("an incident message cannot be said", "message", m.ID, "err", err)
		return nil
	}
	return append(sounds, sound)
}
