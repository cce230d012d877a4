package service

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"decroche/call"
)

// Severity says how sure a finding is.
type Severity string

const (
	// Defect is against the guide.
	Defect Severity = "error"
	// Doubt needs a person to look: the definition does not tell enough.
	Doubt Severity = "warning"
)

// Rule names a rule of the lint.
type Rule string

const (
	RuleChoices   Rule = "choices"   // subjects per menu
	RuleDepth     Rule = "depth"     // menus below menus
	RuleSpeech    Rule = "speech"    // seconds before a person can be asked for
	RulePerson    Rule = "person"    // a key reaches a person everywhere
	RuleDeadEnd   Rule = "dead-end"  // every key and number leads somewhere
	RuleClosed    Rule = "closed"    // what is said outside opening hours
	RuleSaturated Rule = "saturated" // what is said when the queue is full
	RuleFailed    Rule = "failed"    // what is said when nothing works
	RuleAccess    Rule = "access"    // deaf and hard-of-hearing callers
	RuleCost      Rule = "cost"      // surcharged numbers, dialled or said
	RuleNumbers   Rule = "numbers"   // count of numbers
	RuleLanguages Rule = "languages" // every prompt in every language
	RuleAnnounce  Rule = "announce"  // the wait is told
	RuleLinks     Rule = "links"     // everybody can follow a link; no site that is down is named
	RuleSMS       Rule = "sms"       // text messages stay short
	RuleCallback  Rule = "callback"  // what is promised can be kept
	RuleOffline   Rule = "offline"   // every procedure has a way without the internet
	RuleReasons   Rule = "reasons"   // a base of reasons, and the share of "autre" is watched
)

// Finding is one thing the guide asks for that the definition does not do.
type Finding struct {
	Rule     Rule     `json:"rule"`
	Row      int      `json:"row"` // of the table of what the guide asks, requirements.md
	Severity Severity `json:"severity"`
	Where    string   `json:"where"` // YAML path
	File     string   `json:"file"`
	Line     int      `json:"line"` // 0 when not known
	What     Sentence `json:"what"`
	Fix      Sentence `json:"fix"`
}

// Durations gives how long a prompt lasts in a language. Prompts that are not known
// last nothing.
type Durations func(prompt string, lang call.Lang) time.Duration

// Lint holds a definition against the guide and returns the findings in the order of the
// file. dur gives real durations of prompts; nil stands for EstimatedDuration.
func Lint(d *Definition, dur func(prompt string, lang call.Lang) time.Duration) []Finding {
	if dur == nil {
		dur = d.EstimatedDuration
	}
	l := &linter{d: d, dur: dur}
	l.numbers()
	l.menus()
	l.infos()
	l.offline()
	l.speech()
	l.journeys()
	l.access()
	l.queues()
	l.reasons()
	l.links()
	l.callbacks()
	l.textMessages()
	l.texts()
	slices.SortStableFunc(l.found, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Where, b.Where), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.What.EN, b.What.EN))
	})
	return l.found
}

// charactersPerSecond is the pace of the Pico voice: 13.9 measured over the demonstration's
// prompts in French and English.
const charactersPerSecond = 14

// EstimatedDuration is a prompt's length at the pace of the usual voice, for when
// the sound itself is not at hand. A recording without text counts as nothing.
func (d *Definition) EstimatedDuration(prompt string, lang call.Lang) time.Duration {
	return time.Duration(utf8.RuneCountInString(d.Prompts[prompt][lang].Say)) * time.Second / charactersPerSecond
}

type linter struct {
	d     *Definition
	dur   Durations
	found []Finding
}

// add notes a finding: what is wrong is the sentence "lint." and id of the catalogue, and how it is mended that
// with ".fix".
func (l *linter) add(rule Rule, row int, severity Severity, where, id string, with ...any) {
	l.found = append(l.found, Finding{
		Rule: rule, Row: row, Severity: severity, Where: where, File: l.d.File,
		Line: l.d.Position(where).Line, What: say("lint."+id, with...).written(), Fix: say("lint."+id+".fix", with...).written(),
	})
}

// limits are the definition's, with defaults for those not set.
func (l *linter) limits() Limits {
	lim := l.d.Limits
	lim.MaxChoices = cmp.Or(lim.MaxChoices, DefaultMaxChoices)
	lim.MaxDepth = cmp.Or(lim.MaxDepth, DefaultMaxDepth)
	lim.SpeechToPerson = cmp.Or(lim.SpeechToPerson, DefaultSpeech)
	lim.MaxNumbers = cmp.Or(lim.MaxNumbers, DefaultMaxNumbers)
	return lim
}

func (l *linter) numbers() {
	general := 0
	for i, n := range l.d.Numbers {
		where := fmt.Sprintf("numbers[%d]", i)
		if n.Public == "general" || n.Public == "" {
			general++
		}
		l.cost(n, where)
		if n.Queue == "" && l.d.Menus[l.d.Entry.Menu] == nil {
			l.add(RuleDeadEnd, 3, Defect, where, "number.nowhere", "number", n.Number.Spoken())
		} else if n.Queue != "" && l.d.Queues[n.Queue] == nil {
			l.add(RuleDeadEnd, 3, Defect, where, "number.queue", "number", n.Number.Spoken(), "queue", n.Queue)
		}
	}
	if most := l.limits().MaxNumbers; general > most {
		l.add(RuleNumbers, 1, Defect, "numbers", "numbers", "n", general, "most", most)
	}
}

// cost judges a number that callers dial.
func (l *linter) cost(n Number, where string) {
	kind := n.Number.Kind()
	switch {
	case kind.Surcharged() || n.Cost == "premium":
		l.add(RuleCost, 1, Defect, where, "cost", "number", n.Number.Spoken(), "kind", say("cost."+string(kind)))
	case kind == call.KindShortMayCost && n.Cost == "":
		l.add(RuleCost, 1, Doubt, where, "cost.doubt", "number", n.Number.Spoken())
	}
}

func (l *linter) menus() {
	lim := l.limits()
	for _, id := range keysOf(l.d.Menus) {
		m, where := l.d.Menus[id], "menus."+id
		subjects, person := 0, false
		for _, key := range keysOf(m.Choices) {
			c := m.Choices[key]
			person = person || c.Person
			if !c.Person && !c.Repeat && !c.Access {
				subjects++
			}
			l.choice(m, c, fmt.Sprintf("%s.choices.%c", where, key))
		}
		if subjects > lim.MaxChoices {
			l.add(RuleChoices, 3, Defect, where+".choices", "choices", "menu", id, "n", subjects, "most", lim.MaxChoices)
		}
		if !person {
			l.add(RulePerson, 3, Defect, where+".choices", "person", "menu", id)
		}
		if l.d.Queues[m.Queue] == nil {
			l.add(RuleDeadEnd, 3, Defect, where, "menu.queue", "menu", id)
		}
	}
	for _, deep := range l.tooDeep(lim.MaxDepth) {
		l.add(RuleDepth, 3, Defect, "menus."+deep.id, "depth", "menu", deep.id, "level", len(deep.path), "most", lim.MaxDepth, "path", strings.Join(deep.path, " → "))
	}
}

// choice looks for a key that leads nowhere.
func (l *linter) choice(m *Menu, c Choice, where string) {
	ok := c.Person || c.Repeat || c.Access || l.d.Menus[c.Menu] != nil || l.d.Infos[c.Info] != nil || l.d.Queues[c.Queue] != nil
	if !ok {
		l.add(RuleDeadEnd, 3, Defect, where, "key.nowhere", "key", c.Key, "menu", m.ID)
	}
	if ok && c.Repeat && len(m.Choices) == 1 {
		l.add(RuleDeadEnd, 3, Defect, where, "menu.repeats", "menu", m.ID)
	}
}

type deepMenu struct {
	id   string
	path []string
}

// tooDeep finds the menus that are reached below the deepest level allowed, each with
// its shortest path: one that is near by one way is not deep.
func (l *linter) tooDeep(most int) (deep []deepMenu) {
	path := map[string][]string{}
	next := []string{l.d.Entry.Menu}
	path[l.d.Entry.Menu] = next
	if menu := l.d.Closed.Menu; menu != "" && path[menu] == nil {
		next = append(next, menu)
		path[menu] = []string{menu}
	}
	for len(next) > 0 {
		id := next[0]
		next = next[1:]
		m := l.d.Menus[id]
		if m == nil {
			continue
		}
		if len(path[id]) > most {
			deep = append(deep, deepMenu{id, path[id]})
		}
		for _, key := range keysOf(m.Choices) {
			if below := m.Choices[key].Menu; below != "" && path[below] == nil {
				path[below] = append(slices.Clone(path[id]), below)
				next = append(next, below)
			}
		}
	}
	return deep
}

func (l *linter) infos() {
	for _, id := range keysOf(l.d.Infos) {
		if l.d.Queues[l.d.Infos[id].Queue] == nil {
			l.add(RulePerson, 4, Defect, "infos."+id, "info.person", "info", id)
		}
	}
}

func (l *linter) journeys() {
	cb := l.d.Callback
	for _, j := range []struct {
		rule    Rule
		journey Journey
		offered bool // a callback is offered on the spot: no place in a line that is closed, nothing when the service fails
	}{
		{RuleClosed, l.d.Closed, cb.On && cb.Slots},
		{RuleSaturated, l.d.Saturated, cb.On},
		{RuleFailed, l.d.Failed, false},
	} {
		key, when := string(j.rule), say("when."+string(j.rule))
		if len(j.journey.Prompts()) == 0 {
			l.add(j.rule, 2, Defect, key, "silent", "when", when, "key", key)
			continue
		}
		for _, part := range []struct{ key, prompt string }{
			{"prompt", j.journey.Prompt}, {"hours", j.journey.Hours}, {"other_means", j.journey.OtherMeans}, {"callback", j.journey.Callback},
		} {
			if part.prompt == "" && !(part.key == "callback" && j.offered) {
				l.add(j.rule, 2, Defect, key, "journey."+part.key, "when", when)
			}
		}
	}
}

func (l *linter) declaredCost(n call.Number) string {
	number, _ := l.d.NumberFor(n)
	return number.Cost
}

// maxAnnounce is the longest silence about the wait.
const maxAnnounce = 2 * time.Minute

func (l *linter) queues() {
	for _, id := range keysOf(l.d.Queues) {
		switch q := l.d.Queues[id]; {
		case q.Announce <= 0:
			l.add(RuleAnnounce, 2, Defect, "queues."+id+".announce", "announce", "queue", id)
		case q.Announce > maxAnnounce:
			l.add(RuleAnnounce, 2, Defect, "queues."+id+".announce", "announce.rare", "queue", id, "every", q.Announce)
		}
	}
}
