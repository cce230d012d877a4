package service

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"decroche/call"
	"decroche/text"
)

// pageLink stands for the address of a promise's page, whose host the definition does not
// know: here it has 20 characters, and the path 28 as always.
const pageLink = "https://rappel.arzon.example/p/XXXXXXXXXXXXXXXXXXXXXXXXX"

// textMessages looks at what the service puts into text messages: its name, and the labels and
// addresses of its links.
func (l *linter) textMessages() {
	sends := l.d.Callback.On || slices.ContainsFunc(keysOf(l.d.Infos), func(id string) bool { return l.d.Links[l.d.Infos[id].Link] != nil })
	if !sends {
		return
	}
	for _, lang := range l.d.Languages {
		l.alphabet(l.d.Name[lang].Say, fmt.Sprintf("name.%s", lang), say("the.name"))
		if l.d.Callback.On {
			l.segments(lang, l.longest(lang, []string{"sms.", "smsreply."}), "name."+string(lang), say("lint.segments.name"))
		}
		for _, id := range keysOf(l.d.Links) {
			link, where := l.d.Links[id], fmt.Sprintf("links.%s.label.%s", id, lang)
			l.alphabet(link.Label[lang].Say, where, labelOf(say("the.link", "name", id)))
			worst := l.longest(lang, []string{"smslink.link"}, "{label}", plain(link.Label[lang].Say), "{url}", link.URL)
			l.segments(lang, worst, where, say("lint.segments.link"))
		}
	}
}

// alphabet finds letters that text messages have not: one alone makes the message one of
// 70 characters a segment.
func (l *linter) alphabet(said, where string, what words) {
	if odd := text.NotGSM7(said); len(odd) > 0 {
		l.add(RuleSMS, 9, Doubt, where, "alphabet", "what", what, "text", said, "letters", quoted(odd))
	}
}

func quoted(letters []rune) string {
	var out []string
	for _, r := range letters {
		out = append(out, fmt.Sprintf("“%c”", r))
	}
	return strings.Join(out, ", ")
}

// plain is as long as the text will be, in the alphabet of text messages: that a letter is not in
// it is a finding of its own.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if len(text.NotGSM7(string(r))) > 0 {
			return 'x'
		}
		return r
	}, s)
}

// message is a text of the catalogue as it is sent.
type message struct {
	id, text string
	segments int
}

// longest writes every message of the catalogue whose id begins as one of those given, with the
// service's name, the longest day and hour, and pairs; and gives the longest.
func (l *linter) longest(lang call.Lang, ids []string, pairs ...string) (worst message) {
	wanted := func(id string) bool {
		return slices.ContainsFunc(ids, func(prefix string) bool { return strings.HasPrefix(id, prefix) })
	}
	day, clock := longestTime(lang)
	fill := []string{
		"{service}", plain(l.d.Name[lang].Say), "{number}", l.d.Present.Spoken(), "{link}", pageLink, "{code}", "000000", "{minutes}", "10",
		"{when}", text.Get(lang, "sms.when", "day", day, "clock", clock), "{day}", day, "{clock}", clock,
	}
	filled := strings.NewReplacer(append(fill, pairs...)...)
	most := -1
	for _, id := range messageIDs() {
		if !wanted(id) || id == "sms.when" { // a part of others
			continue
		}
		m := message{id: id, text: filled.Replace(text.Get(lang, id))}
		if n := utf8.RuneCountInString(m.text); n > most {
			most, worst = n, m
		}
	}
	worst.segments, _ = text.Segments(plain(worst.text))
	return worst
}

// messageIDs are those of French, which every other language falls back to.
var messageIDs = sync.OnceValue(func() []string {
	ids := slices.DeleteFunc(text.IDs("fr"), func(id string) bool { return !strings.HasPrefix(id, "sms") })
	slices.Sort(ids)
	return ids
})

func (l *linter) segments(lang call.Lang, m message, where string, fix words) {
	if m.segments > 1 {
		l.add(RuleSMS, 9, Doubt, where, "segments", "message", m.id, "lang", lang, "n", utf8.RuneCountInString(m.text), "segments", m.segments, "shorter", fix)
	}
}

// longestTime is the day and the hour that take the most room, looked for once in a language.
func longestTime(lang call.Lang) (day, clock string) {
	if known, ok := longestTimes.Load(lang); ok {
		l := known.([2]string)
		return l[0], l[1]
	}
	for d := range 366 {
		day = longer(day, text.Day(lang, time.Date(2026, 1, 1+d, 12, 0, 0, 0, time.UTC), time.Time{}))
	}
	for quarter := range 96 {
		clock = longer(clock, text.Clock(lang, time.Date(2026, 1, 1, 0, 15*quarter, 0, 0, time.UTC)))
	}
	longestTimes.Store(lang, [2]string{day, clock})
	return day, clock
}

var longestTimes sync.Map // call.Lang: [2]string

func longer(a, b string) string {
	if utf8.RuneCountInString(b) > utf8.RuneCountInString(a) {
		return b
	}
	return a
}

// links looks for links that some callers cannot follow, and for prompts that cannot be left out.
func (l *linter) links() {
	needed := l.neededPrompts()
	for _, id := range keysOf(l.d.Links) {
		link, where := l.d.Links[id], "links."+id
		offered := slices.ContainsFunc(keysOf(l.d.Infos), func(info string) bool { return l.d.Infos[info].Link == id })
		if link.Spoken == "" && offered {
			l.add(RuleLinks, 9, Doubt, where, "link.spoken", "link", id)
		}
		if n := utf8.RuneCountInString(link.URL); n > adviseURL {
			l.add(RuleLinks, 9, Doubt, where+".url", "link.long", "link", id, "n", n, "most", adviseURL)
		}
		for i, prompt := range link.Prompts {
			if use, is := needed[prompt]; is {
				l.add(RuleLinks, 7, Defect, fmt.Sprintf("%s.prompts[%d]", where, i), "link.needed", "prompt", prompt, "use", use, "link", id)
			}
		}
	}
	for _, id := range keysOf(l.d.Infos) {
		if link := l.d.Infos[id].Link; link != "" && l.d.Links[link] == nil {
			l.add(RuleLinks, 9, Defect, "infos."+id+".link", "link.unknown", "info", id, "link", link)
		}
	}
}

// neededPrompts are those that a caller must hear whatever site is down, and what they are.
func (l *linter) neededPrompts() map[string]words {
	d := l.d
	needed := map[string]words{}
	for _, id := range keysOf(d.Infos) {
		needed[d.Infos[id].Prompt] = say("use.info", "name", id)
	}
	for _, id := range keysOf(d.Queues) {
		needed[d.Queues[id].Whisper] = say("use.whisper", "name", id)
	}
	for _, id := range keysOf(d.Menus) {
		needed[d.Menus[id].Prompt] = say("use.menu", "name", id)
	}
	for _, c := range d.Closures {
		needed[c.Prompt] = say("use.closure")
	}
	needed[d.Closed.Prompt], needed[d.Saturated.Prompt], needed[d.Failed.Prompt] = say("use.journey", "key", "closed"), say("use.journey", "key", "saturated"), say("use.journey", "key", "failed")
	needed[d.Entry.Welcome], needed[d.Entry.LanguagePrompt], needed[d.Access.Prompt] = say("use.welcome"), say("use.language"), say("use.access")
	delete(needed, "")
	return needed
}

// callbacks looks for promises that could never be kept.
func (l *linter) callbacks() {
	cb, none := l.d.Callback, Hours{}
	if !cb.On || sameHours(l.d.Hours, none) {
		return
	}
	both := common(l.d.Hours, cb.Hours)
	if sameHours(both, none) {
		l.add(RuleCallback, 15, Defect, "callback.hours", "callback.hours")
		return
	}
	if len(cb.OffPeak.Publics) > 0 && cb.Slots && sameHours(common(both, cb.OffPeak.Hours), none) {
		l.add(RuleCallback, 10, Defect, "callback.off_peak.hours", "callback.quiet")
	}
}

// common are the hours that two weeks share.
func common(a, b Hours) (both Hours) {
	for day := range a.Week {
		for _, x := range a.Week[day] {
			for _, y := range b.Week[day] {
				if r := (Range{From: max(x.From, y.From), To: min(x.To, y.To)}); r.From < r.To {
					both.Week[day] = append(both.Week[day], r)
				}
			}
		}
	}
	return both
}
