package ivr

import (
	"context"
	"strings"
	"time"

	"decroche/call"
	"decroche/text"
)

// patienceForWords bounds how long a sentence may be in the making: a caller hears less
// rather than nothing.
const patienceForWords = 3 * time.Second

// sentence gives a sentence with its values filled in, in the service's own words where it has some,
// or nothing when it cannot be had.
func (j *Journey) sentence(ctx context.Context, v *Visit, lang call.Lang, id string, pairs ...any) []call.Sound {
	bounded, cancel := context.WithTimeout(ctx, patienceForWords)
	defer cancel()
	sound, err := j.Voice.Sentence(bounded, id, lang, v.def.Wording[id][lang].Say, pairs...)
	if err != nil {
		if ctx.Err() == nil {
			j.Log.Error("a sentence cannot be said and is left out", "sentence", id, "lang", lang, "err", err)
		}
		return nil
	}
	return []call.Sound{sound}
}

// moment gives a sentence that tells a day and an hour; t is in the listener's time zone.
func (j *Journey) moment(ctx context.Context, v *Visit, lang call.Lang, id string, t time.Time, pairs ...any) []call.Sound {
	return j.sentence(ctx, v, lang, id, append(pairs, "day", text.Day(lang, t, j.now()), "clock", text.SpokenClock(lang, t))...)
}

// NumberPrompts names the prompts that read a number back, by pairs as the French do.
func NumberPrompts(n call.Number) []string {
	var names []string
	for group := range strings.FieldsSeq(n.Spoken()) {
		if rest, plus := strings.CutPrefix(group, "+"); plus {
			names, group = append(names, "number.plus"), rest
		}
		if len(group)%2 == 1 {
			names, group = append(names, "number.single."+group[:1]), group[1:]
		}
		for ; len(group) > 1; group = group[2:] {
			names = append(names, "number.digit."+group[:2])
		}
	}
	return names
}

// tries is how often a question is asked before the call goes on without an answer.
const tries = 3

// choose asks a question until one of the keys is pressed, up to three times. It returns 0
// when none was.
func (j *Journey) choose(ctx context.Context, c call.Call, v *Visit, keys string, question ...call.Sound) (call.Digit, error) {
	var why []call.Sound
	for range tries {
		key, err := j.read(ctx, c, pause+pause, append(why, question...)...)
		switch {
		case err != nil:
			return 0, err
		case key == 0:
			why = j.prompts(ctx, v, "menu.noinput")
		case strings.ContainsRune(keys, rune(key)):
			return key, nil
		default:
			c.Flush() // what follows a wrong key was meant for another place
			why = j.prompts(ctx, v, "menu.wrong")
		}
	}
	return 0, nil
}
