package speech

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"decroche/call"
)

// sentences are the catalogue's ids whose text is filled in when it is said, with the names
// of their values. A value is a day, an hour, a name of the service: never somebody's number.
var sentences = map[string][]string{
	"callback.when.slot":         {"clock", "day", "key"},
	"callback.already.slot":      {"clock", "day"},
	"callback.noted.slot":        {"clock", "day"},
	"whisper.callback.slot":      {"clock"},
	"whisper.callback.asked":     {"clock"},
	"whisper.callback.asked.day": {"clock", "day"},
	"recall.hello":               {"service"},
	"recall.hello.cut":           {"service"},
	"recall.hello.survey":        {"service"},
	"recall.relay.hello":         {"service"},
	"recall.voicemail":           {"clock", "day", "service"},
	"recall.voicemail.last":      {"clock", "day", "service"},
	"link.down":                  {"label"},
	"link.address":               {"address"},
}

// saidFor is how long the sound of a sentence is kept after it was said last: the days of a
// year and the hours of a day make too many to keep them all.
const saidFor = 48 * time.Hour

// SentenceIDs lists the sentences that are filled in, in alphabetical order.
func SentenceIDs() []string { return slices.Sorted(maps.Keys(sentences)) }

// Values are the names of what fills a prompt in when it is said, in alphabetical order; none for a
// prompt that is said as it is written.
func Values(id string) []string { return sentences[id] }

// Misplaced looks for the places of values in a wording: the first that is none of theirs, as it is
// written ("{jour}"), and the first value that has none ("{day}"); "" for nothing.
func Misplaced(text string, values []string) (unfilled, lost string) {
	there := placeholder.FindAllString(text, -1)
	for _, p := range there {
		if unfilled == "" && !slices.Contains(values, strings.Trim(p, "{}")) {
			unfilled = p
		}
	}
	for _, v := range values {
		if p := "{" + v + "}"; lost == "" && !slices.Contains(there, p) {
			lost = p
		}
	}
	return unfilled, lost
}

// RawText is a sentence of the catalogue as it is written, its values in braces.
func RawText(id string, lang call.Lang) (string, error) {
	all, err := catalogues()
	if err != nil {
		return "", err
	}
	text, ok := all[lang].raw[id]
	if _, known := sentences[id]; !known || !ok {
		return "", fmt.Errorf("find sentence %q in language %q: the catalogue has no such sentence", id, lang)
	}
	return text, nil
}

// SentenceText is a sentence of the catalogue with its values filled in: name, value, …
// Values that the sentence does not name are left out; one that is missing is an error.
func SentenceText(id string, lang call.Lang, pairs ...any) (string, error) {
	return filledIn(id, lang, "", pairs)
}

// filledIn is SentenceText, in words that are not the catalogue's where there are some.
func filledIn(id string, lang call.Lang, words string, pairs []any) (string, error) {
	text, err := RawText(id, lang)
	if err != nil {
		return "", err
	}
	for _, name := range sentences[id] {
		if !slices.Contains(pairs, any(name)) {
			return "", fmt.Errorf("fill in sentence %q in language %q: the value of {%s} is missing", id, lang, name)
		}
	}
	return Filled(cmp.Or(words, text), pairs...), nil
}

// Filled fills values in: name, value, …
func Filled(text string, pairs ...any) string {
	fill := make([]string, 0, len(pairs))
	for i := 0; i+1 < len(pairs); i += 2 {
		fill = append(fill, fmt.Sprintf("{%v}", pairs[i]), fmt.Sprint(pairs[i+1]))
	}
	return strings.NewReplacer(fill...).Replace(text)
}

// Sentence gives a sentence with its values filled in, synthesised at its first use: some
// 50 ms with Pico, under a millisecond again. words are a wording of the service, "" for the
// catalogue's. Its sound's name is the id.
func (l *Library) Sentence(ctx context.Context, id string, lang call.Lang, words string, pairs ...any) (call.Sound, error) {
	text, err := filledIn(id, lang, words, pairs)
	if err != nil {
		return call.Sound{}, err
	}
	l.sweepSaid(time.Now())
	f, err := l.speak(ctx, &l.said, lang, text)
	if err == nil && !touch(f.base, time.Now()) { // swept away this very moment
		f, err = l.speak(ctx, &l.said, lang, text)
	}
	if err != nil {
		return call.Sound{}, fmt.Errorf("render sentence %q in language %q: %w", id, lang, err)
	}
	return call.Sound{Path: f.base, Name: id, Lang: lang, Text: text, Duration: f.duration, Voice: f.voice}, nil
}

// touch notes that a sound is used; it tells whether it is still there.
func touch(base string, now time.Time) bool {
	for _, c := range codings {
		st, err := os.Stat(base + c.ext)
		if err != nil {
			return false
		}
		if now.Sub(st.ModTime()) > time.Hour && os.Chtimes(base+c.ext, now, now) != nil {
			return false
		}
	}
	return true
}

// sweepSaid removes, once an hour, the sentences nobody has heard for long.
func (l *Library) sweepSaid(now time.Time) {
	l.mu.Lock()
	due := now.Sub(l.swept) > time.Hour
	if due {
		l.swept = now
	}
	l.mu.Unlock()
	if !due {
		return
	}
	l.said.sweep(now)
	files, _ := filepath.Glob(filepath.Join(l.said.dir, "*", "*"))
	for _, path := range files {
		if st, err := os.Stat(path); err == nil && now.Sub(st.ModTime()) > saidFor {
			_ = os.Remove(path)
		}
	}
}
