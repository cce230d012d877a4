package ivr

import (
	"context"
	"errors"
	"slices"
	"time"

	"decroche/call"
	"decroche/service"
	"decroche/tags"
)

// pause is how long the caller may think after being asked for a language.
const pause = 3 * time.Second

// greet finds out which number was dialled and what that says of the caller.
func (j *Journey) greet(ctx context.Context, c call.Call, v *Visit) (string, error) {
	v.Lang = v.def.Languages[0]
	number, ok := v.def.NumberFor(c.Info().To)
	if !ok {
		return StepUnknown, nil
	}
	v.Public = v.def.PublicOf(c.Info())
	known := j.recognise(ctx, c, v)
	by := "number"
	switch {
	case number.Language != "":
		v.Lang = number.Language
	case known != "":
		v.Lang, by = known, "tag"
	case len(v.def.Languages) > 1 && !v.relayed():
		return StepLanguage, nil
	}
	j.note(c, call.EventLanguage, "lang", v.Lang, "by", by)
	return StepHours, nil
}

// hint is the prompt that tells deaf and hard-of-hearing callers their key, before all others;
// "" where it was said with the languages, or no menu follows.
func (v *Visit) hint(number service.Number) string {
	asked := number.Language == "" && len(v.def.Languages) > 1
	if asked || v.straight(number) != "" {
		return ""
	}
	return v.def.Access.Hint
}

// language offers the languages, each in its own words. Who says nothing gets the first;
// a key that names no language was meant for the menu.
func (j *Journey) language(ctx context.Context, c call.Call, v *Visit) (string, error) {
	var offer []call.Sound
	for _, prompt := range []string{v.def.Access.Hint, v.def.Entry.LanguagePrompt} {
		for _, lang := range v.def.Languages {
			offer = append(offer, j.promptsIn(ctx, v, lang, prompt)...)
		}
	}
	key, err := c.Read(ctx, pause, offer...)
	by := "default"
	switch lang, ok := v.def.Entry.LanguageKeys[key]; {
	case errors.Is(err, call.ErrNoInput):
	case err != nil:
		return "", err
	case ok:
		v.Lang, by = lang, "key"
	default:
		c.Unread(key)
	}
	j.note(c, call.EventLanguage, "lang", v.Lang, "by", by)
	return StepHours, nil
}

// hours lets the caller in when the line is open.
func (j *Journey) hours(ctx context.Context, c call.Call, v *Visit) (string, error) {
	number, _ := v.def.NumberFor(c.Info().To)
	if !v.def.OpeningFor(number, time.Now()).Open {
		return StepClosed, nil
	}
	if !v.again && !v.relayed() { // nobody is welcomed twice
		if _, err := c.SayUnlessKey(ctx, j.prompts(ctx, v, v.hint(number), v.def.Entry.Welcome)...); err != nil {
			return "", err
		}
	}
	return StepNews, nil
}

// news says what is new: the messages known in advance, then the incidents of today.
// Incidents are heard to their end; the rest gives way to a key.
func (j *Journey) news(ctx context.Context, c call.Call, v *Visit) (string, error) {
	if replaced, err := j.sayIncidents(ctx, c, v, ""); err != nil || replaced {
		return StepReplaced, err
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
	now := time.Now()
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

// sayIncidents says the incident messages this caller has not heard. It tells whether one
// of them takes the place of the journey.
func (j *Journey) sayIncidents(ctx context.Context, c call.Call, v *Visit, queue string) (replaced bool, err error) {
	for _, m := range j.News.Active(queue, time.Now()) {
		replaced = replaced || m.Replace
		if slices.Contains(v.News, m.ID) || v.relayed() && !m.Replace {
			continue
		}
		if err := c.Say(ctx, j.incident(ctx, v, m)...); err != nil {
			return replaced, err
		}
		j.heard(c, v, m)
	}
	return replaced, nil
}

func (j *Journey) heard(c call.Call, v *Visit, m Message) {
	v.News = append(v.News, m.ID)
	j.note(c, call.EventMessage, "id", m.ID, "queue", m.Queue)
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
