package ivr

import (
	"context"
	"errors"
	"time"

	"decroche/call"
	"decroche/service"
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
	if !v.def.OpeningFor(number, j.now()).Open {
		return StepClosed, nil
	}
	if !v.again && !v.relayed() { // nobody is welcomed twice
		if _, err := c.SayUnlessKey(ctx, j.prompts(ctx, v, v.hint(number), v.def.Entry.Welcome)...); err != nil {
			return "", err
		}
	}
	return StepNews, nil
}
