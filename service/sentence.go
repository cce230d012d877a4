package service

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"decroche/call"
	"decroche/text"
)

// Sentence is what is wrong in a definition, or how it is mended, in the languages that
// administrators read. Programs and logs have it in English.
type Sentence struct{ FR, EN string }

// In is the sentence in a language; one that has none of it reads French.
func (s Sentence) In(lang call.Lang) string {
	if lang == "en" {
		return s.EN
	}
	return s.FR
}

// Error is the English: a sentence that refuses a definition is an error.
func (s Sentence) Error() string { return s.EN }

// MarshalText writes the English.
func (s Sentence) MarshalText() ([]byte, error) { return []byte(s.EN), nil }

// words are a sentence, or a part of one, that is not written yet: an id of the catalogue's part
// "definition", and what fills it in, a name and a value in turn. A value that is words itself is
// written in the same language.
type words struct {
	id   string
	with []any
}

func say(id string, with ...any) words { return words{id, with} }

// theKey is how messages call a group of keys at the top of the file.
func theKey(key string) words { return say("the.key", "key", key) }

// labelOf is the label of something.
func labelOf(of words) words { return say("the.label", "of", of) }

// Say writes a sentence of the catalogue's part "definition": id, then a name and a value in turn.
func Say(id string, with ...any) Sentence { return say(id, with...).written() }

func (w words) written() Sentence { return Sentence{FR: w.in("fr"), EN: w.in("en")} }

func (w words) in(lang call.Lang) string {
	if w.id == "" {
		return ""
	}
	with := slices.Clone(w.with)
	for i := 1; i < len(with); i += 2 {
		switch v := with[i].(type) {
		case words:
			with[i] = v.in(lang)
		case Sentence:
			with[i] = v.In(lang)
		case call.Digit:
			with[i] = string(rune(v))
		case time.Duration: // in French as people write it, in English as the file has it
			with[i] = Compact(v)
			if lang == "fr" {
				with[i] = text.Span(v)
			}
		case string:
			with[i] = visible(v)
		}
	}
	return text.Get(lang, "definition."+w.id, with...)
}

// visible writes what cannot be seen as Go does: it comes from the file and goes to terminals.
func visible(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsGraphic(r) }) {
		return s
	}
	return strings.Trim(strconv.Quote(s), `"`)
}

// whole writes a number, and seconds a duration, without decimals.
func whole(v float64) string { return strconv.FormatFloat(v, 'f', 0, 64) }

func seconds(d time.Duration) string { return whole(d.Seconds()) }
