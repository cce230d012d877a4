package service

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"decroche/call"
)

// path is what a caller hears in full before a person can be asked for.
type path struct {
	where string // YAML path of the last prompt
	said  []string
	lasts time.Duration
}

func (p path) and(name string, lasts time.Duration) path {
	return path{where: p.where, said: append(slices.Clone(p.said), name), lasts: p.lasts + lasts}
}

// speech measures every path from every number, in every language it can be heard in,
// and keeps the longest for each place where a person can first be asked for. Keys typed early
// shorten nothing here: a caller who does not know the menu hears it to its end.
func (l *linter) speech() {
	limit := l.limits().SpeechToPerson
	worst := map[string][]any{}
	longest := map[string]time.Duration{}
	for _, n := range l.d.Numbers {
		for _, lang := range l.heardIn(n) {
			for _, p := range l.paths(n, lang) {
				if p.lasts <= limit || p.lasts <= longest[p.where] {
					continue
				}
				longest[p.where] = p.lasts
				worst[p.where] = []any{
					"seconds", seconds(p.lasts), "lang", lang, "most", seconds(limit), "said", strings.Join(p.said, " + "), "number", n.Number.Spoken(),
				}
			}
		}
	}
	for _, where := range keysOf(worst) {
		l.add(RuleSpeech, 3, Defect, where, "speech", worst[where]...)
	}
}

// heardIn lists the languages a number's callers can hear.
func (l *linter) heardIn(n Number) []call.Lang {
	if n.Language != "" {
		return []call.Lang{n.Language}
	}
	return l.d.Languages
}

// paths follows a number to each place where a person can first be asked for.
func (l *linter) paths(n Number, lang call.Lang) []path {
	e := l.d.Entry
	p := path{where: "entry.welcome"}
	if hint := l.d.Access.Hint; hint != "" && n.Queue == "" {
		for _, each := range l.heardIn(n) {
			p = p.and(hint+"."+string(each), l.dur(hint, each))
		}
	}
	if n.Language == "" && len(l.d.Languages) > 1 && e.LanguagePrompt != "" {
		for _, each := range l.d.Languages {
			p = p.and(e.LanguagePrompt+"."+string(each), l.dur(e.LanguagePrompt, each))
		}
	}
	p = p.and(e.Welcome, l.dur(e.Welcome, lang))
	if messages := l.messages(n.Queue, lang); messages > 0 {
		p = p.and("messages", messages)
	}
	if n.Queue != "" {
		return []path{p}
	}
	return l.below(e.Menu, lang, p, nil)
}

// messages is the most that dated messages last together, on the worst day.
func (l *linter) messages(queue string, lang call.Lang) (most time.Duration) {
	for _, day := range l.d.Entry.Messages {
		var sum time.Duration
		for _, m := range l.d.Entry.Messages {
			heard := m.Queue == "" || m.Queue == queue
			if heard && !m.From.After(day.From) && day.From.Before(m.Until) {
				sum += l.dur(m.Prompt, lang)
			}
		}
		most = max(most, sum)
	}
	return most
}

// below goes through a menu. A menu that offers a person, or a queue of a subject, ends the
// path at the end of its prompt; the others go on.
func (l *linter) below(id string, lang call.Lang, p path, seen []string) []path {
	m := l.d.Menus[id]
	if m == nil || slices.Contains(seen, id) {
		return nil
	}
	p = p.and(m.Prompt, l.dur(m.Prompt, lang))
	p.where = "menus." + id + ".prompt"
	var out []path
	for _, key := range keysOf(m.Choices) {
		switch c := m.Choices[key]; {
		case c.Person:
			return []path{p}
		case c.Queue != "" || c.Access:
			out = append(out, p)
		case c.Menu != "":
			out = append(out, l.below(c.Menu, lang, p, append(slices.Clone(seen), id))...)
		case c.Info != "" && l.d.Infos[c.Info] != nil:
			prompt := l.d.Infos[c.Info].Prompt
			q := p.and(prompt, l.dur(prompt, lang))
			q.where = "infos." + c.Info + ".prompt"
			out = append(out, q)
		}
	}
	return out
}

var (
	// surcharged08 finds ten-digit 08 numbers however they are spaced.
	surcharged08 = regexp.MustCompile(`(?:\b0[ .\-\x{a0}\x{202f}]?|\+33 ?|\b0033 ?)8(?:[ .\-\x{a0}\x{202f}]?\d){8}\b`)
	// shortAfterCall finds short numbers after a word that says to call them; a bare
	// 3600 may be a price.
	shortAfterCall = regexp.MustCompile(`(?i)(?:\bau|\ble|\bnuméro|\bappelez|\bcomposez|\bcall|\bdial|\bring|\bnumber|\bon)[ \x{a0}]+((?:118[ .\x{a0}]?\d{3}|3[2-9][ .\x{a0}]?\d\d))\b`)
	// saysTheCost is what makes a doubtful short number clear.
	saysTheCost = regexp.MustCompile(`(?i)gratuit|prix d['’]un appel|appel non surtaxé|free of charge|free call|toll[- ]free|price of a (?:local |normal )?call|local rate`)
)

// texts looks at every prompt: its languages, and the numbers it names; those of wordings, too.
func (l *linter) texts() {
	for _, id := range keysOf(l.d.Prompts) {
		for _, lang := range l.d.Languages {
			phrase := l.d.Prompts[id][lang]
			if phrase.Say == "" && phrase.Recording == "" {
				l.add(RuleLanguages, 13, Defect, "prompts."+id, "language", "prompt", id, "lang", lang)
			}
			l.numbersIn(phrase.Say, fmt.Sprintf("prompts.%s.%s", id, lang))
		}
	}
	for _, id := range keysOf(l.d.Wording) {
		for _, lang := range keysOf(l.d.Wording[id]) {
			l.numbersIn(l.d.Wording[id][lang].Say, fmt.Sprintf("wording.%s.%s", id, lang))
		}
	}
}

func (l *linter) numbersIn(text, where string) {
	for _, written := range surcharged08.FindAllString(text, -1) {
		if n, err := call.ParseNumber(written); err == nil && n.Kind().Surcharged() {
			l.add(RuleCost, 1, Defect, where, "cost.named", "number", n.Spoken(), "kind", say("cost."+string(n.Kind())))
		}
	}
	for _, found := range shortAfterCall.FindAllStringSubmatch(text, -1) {
		n, err := call.ParseNumber(found[1])
		if err != nil {
			continue
		}
		switch kind := n.Kind(); {
		case kind.Surcharged():
			l.add(RuleCost, 1, Defect, where, "cost.named", "number", n.Spoken(), "kind", say("cost."+string(kind)))
		case kind == call.KindShortMayCost && !saysTheCost.MatchString(text) && l.declaredCost(n) == "":
			l.add(RuleCost, 1, Doubt, where, "cost.unsaid", "number", n.Spoken())
		}
	}
}
