package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"decroche/call"
	"decroche/ivr"
	"decroche/service"
	"decroche/speech"
	"decroche/text"
)

// A saying gives the sound of a prompt of the line.
type saying func(ctx context.Context, id string, lang call.Lang) (call.Sound, error)

// words says the line's prompts as a definition words them, and in the line's own words where those
// cannot be said: as in the journey, nobody is left in silence.
func (s *server) words(def *service.Definition) saying {
	v := steady{voice{s.lib, s}}
	return func(ctx context.Context, id string, lang call.Lang) (call.Sound, error) {
		if p, worded := def.Wording[id][lang]; worded {
			sound, err := v.Phrase(ctx, id, lang, p)
			if err == nil {
				return sound, nil
			}
			s.log.Error("a wording cannot be said; the line's own is", "prompt", id, "lang", lang, "err", err)
		}
		return v.System(ctx, id, lang)
	}
}

// prompt gives a prompt of the line to who is in no call of the journey, in the words of the definition in force.
func (s *server) prompt(ctx context.Context, id string, lang call.Lang) (call.Sound, error) {
	return s.words(s.def.Load())(ctx, id, lang)
}

// line gives a prompt of the line in words for it, the zero Phrase being the catalogue's. A sentence has
// examples for its values.
func (v voice) line(ctx context.Context, def *service.Definition, id string, lang call.Lang, p service.Phrase) (call.Sound, error) {
	switch {
	case p.Recording != "":
		return v.Phrase(ctx, id, lang, p)
	case len(speech.Values(id)) > 0:
		words := cmp.Or(p.Say, lineText(id, lang))
		return v.Text(ctx, id, lang, speech.Filled(words, exampleValues(def, lang)...))
	case p.Say != "":
		return v.Text(ctx, id, lang, p.Say)
	}
	return v.System(ctx, id, lang)
}

// renderLine makes the sounds of a definition's wording, and those that its sentences have as examples.
func (v voice) renderLine(ctx context.Context, def *service.Definition) error {
	for _, id := range slices.Concat(speech.SentenceIDs(), slices.Sorted(maps.Keys(def.Wording))) {
		for _, lang := range (catalogue{}).Langs(def, id) {
			if _, err := v.line(ctx, def, id, lang, def.Wording[id][lang]); err != nil {
				return fmt.Errorf("the service's wording of %q: %w", id, err)
			}
		}
	}
	return nil
}

// exampleValues are values that stand for those of a call.
func exampleValues(def *service.Definition, lang call.Lang) []any {
	at := time.Date(2026, time.March, 3, 10, 30, 0, 0, time.UTC)
	name := def.Name[lang].Say
	label, address := name, "https://www.exemple.fr"
	if links := slices.Sorted(maps.Keys(def.Links)); len(links) > 0 {
		label, address = def.Links[links[0]].Label[lang].Say, def.Links[links[0]].URL
	}
	return []any{
		"day", text.Day(lang, at, at.AddDate(0, 0, -7)), "clock", text.SpokenClock(lang, at), "key", 2,
		"service", name, "label", label, "address", ivr.SpokenAddress(lang, address),
	}
}

// lineText is the catalogue's own wording of a prompt, its values in braces; "" for none.
func lineText(id string, lang call.Lang) string {
	words, err := speech.RawText(id, lang)
	if err != nil {
		words, _ = speech.SystemText(id, lang)
	}
	return words
}

// judge says what keeps a definition from being served here: service.Problems, a service.Sentence, or nil.
func (c *config) judge(def *service.Definition) error {
	if err := unheardWording(def); err != nil {
		return err
	}
	return c.canCallBack(def)
}

// unheardWording says what of a definition's wording would not be heard, or not as it is meant:
// service.Problems, or nil.
func unheardWording(def *service.Definition) error {
	var all service.Problems
	known := slices.Concat(speech.IDs("fr"), speech.SentenceIDs())
	for _, id := range slices.Sorted(maps.Keys(def.Wording)) {
		wrong := func(lang call.Lang, what, fix service.Sentence) {
			at := def.Position(strings.TrimSuffix("wording."+id+"."+string(lang), "."))
			all = append(all, service.Problem{File: def.File, Line: at.Line, Column: at.Column, What: what, Fix: fix})
		}
		switch {
		case lineText(id, "fr") == "":
			wrong("", service.Say("wording.unknown", "name", id), service.Suggest(id, known))
			continue
		case asked(def, id):
			wrong("", service.Say("wording.asked", "name", id), service.Say("wording.asked.fix"))
		}
		for _, lang := range slices.Sorted(maps.Keys(def.Wording[id])) {
			if why := unheard(def, id, lang); why != "" {
				wrong(lang, service.Say("wording.unheard", "name", id, "lang", lang, "why", service.Say("wording.where."+why)), service.Say("wording.unheard.fix", "lang", lang))
				continue
			}
			if what, fix := misfilled(id, lang, def.Wording[id][lang]); what != (service.Sentence{}) {
				wrong(lang, what, fix)
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

// misfilled says what is wrong with the values of a phrase, and how to mend it.
func misfilled(id string, lang call.Lang, p service.Phrase) (what, fix service.Sentence) {
	values := speech.Values(id)
	list := "{" + strings.Join(values, "}, {") + "}"
	unfilled, lost := speech.Misplaced(p.Say, values)
	switch {
	case len(values) > 0 && p.Recording != "":
		return service.Say("wording.recorded", "name", id, "lang", lang, "values", list), service.Say("wording.recorded.fix")
	case unfilled != "" && len(values) == 0:
		return service.Say("wording.unfilled", "name", id, "lang", lang, "value", unfilled), service.Say("wording.unfilled.fix")
	case unfilled != "":
		return service.Say("wording.unfilled", "name", id, "lang", lang, "value", unfilled), service.Say("wording.unfilled.values", "values", list)
	case lost != "":
		return service.Say("wording.lost", "name", id, "lang", lang, "value", lost), service.Say("wording.lost.fix", "value", lost, "words", lineText(id, lang))
	}
	return
}

// asked says that the survey of the service words this prompt itself.
func asked(def *service.Definition, id string) bool {
	about, is := strings.CutPrefix(id, "survey.question.")
	return is && slices.ContainsFunc(def.Survey.Questions, func(q service.Question) bool { return q.About == about && len(q.Wording) > 0 })
}

// unheard tells why a prompt of the line is never said in a language: a sentence "wording.where.…"; "" when it is.
func unheard(def *service.Definition, id string, lang call.Lang) string {
	first := lang == def.Languages[0]
	is := func(part string) bool { return strings.HasPrefix(id, part) }
	switch {
	case !first && (is("agent.") || is("whisper.") || is("recall.agent.")):
		return "agents"
	case !first && id == "unknown-number":
		return "first"
	case lang != "fr" && is("studio."):
		return "studio"
	case is("dialplan.") && !slices.Contains(dialplanLangs, lang):
		return "dialplan"
	case lang == "fr" && id == "message.in-french":
		return "french"
	}
	return ""
}

// catalogue is what the line says by itself, for the site.
type catalogue struct{ s *server }

// IDs implements admin.Catalogue: all but what differs by a number alone and is said within other words.
func (catalogue) IDs() []string {
	return slices.DeleteFunc(slices.Sorted(slices.Values(slices.Concat(speech.IDs("fr"), speech.SentenceIDs()))), func(id string) bool {
		return strings.HasPrefix(id, "number.") || strings.HasPrefix(id, "whisper.wait.")
	})
}

// Text implements admin.Catalogue.
func (catalogue) Text(id string, lang call.Lang) string { return lineText(id, lang) }

// Langs implements admin.Catalogue.
func (catalogue) Langs(def *service.Definition, id string) []call.Lang {
	if asked(def, id) {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(def.Languages), func(l call.Lang) bool { return unheard(def, id, l) != "" })
}

// Sound implements admin.Catalogue.
func (c catalogue) Sound(ctx context.Context, id string, lang call.Lang, p service.Phrase) (call.Sound, error) {
	if lineText(id, lang) == "" {
		return call.Sound{}, errors.New("the line has no such prompt")
	}
	return voice{c.s.lib, c.s}.line(ctx, c.s.def.Load(), id, lang, p)
}

// Listen implements admin.Catalogue.
func (c catalogue) Listen(ctx context.Context, id string, lang call.Lang, p service.Phrase) ([]byte, error) {
	sound, err := c.Sound(ctx, id, lang, p)
	if err != nil {
		return nil, err
	}
	return speech.Listen(sound)
}
