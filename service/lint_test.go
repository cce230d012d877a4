package service

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"decroche/call"
)

func TestTheDemonstrationHasNothingAgainstTheGuide(t *testing.T) {
	d := demo(t)
	if found := Lint(d, nil); len(found) > 0 {
		out, _ := Report(found, "text")
		t.Error(out)
	}
	// A voice that speaks a third slower changes nothing: there is a margin.
	slow := func(p string, l call.Lang) time.Duration { return d.EstimatedDuration(p, l) * 4 / 3 }
	if found := Lint(d, slow); len(found) > 0 {
		out, _ := Report(found, "text")
		t.Error(out)
	}
}

// cleanDefinition draws a definition that keeps every rule, with durations.
func cleanDefinition(t *rapid.T) (*Definition, map[string]time.Duration) {
	all := []call.Lang{"fr", "en", "es"}
	d := &Definition{
		Languages: all[:rapid.IntRange(1, 3).Draw(t, "languages")],
		Prompts:   map[string]Text{}, Menus: map[string]*Menu{}, Infos: map[string]*Info{}, Queues: map[string]*Queue{},
	}
	durations := map[string]time.Duration{}
	prompt := func(name string) string {
		durations[name] = time.Duration(rapid.IntRange(1, 4).Draw(t, name)) * time.Second
		d.Prompts[name] = Text{}
		for _, l := range d.Languages {
			d.Prompts[name][l] = Phrase{Say: rapid.SampledFrom([]string{"Bonjour.", "Appelez le 01 99 00 39 39.", "Cela coûte 3600 euros."}).Draw(t, "text")}
		}
		return name
	}
	for i := range rapid.IntRange(1, 3).Draw(t, "queues") {
		d.Queues[fmt.Sprintf("q%d", i)] = &Queue{Announce: time.Duration(rapid.IntRange(1, 120).Draw(t, "announce")) * time.Second}
	}
	queue := func() string { return rapid.SampledFrom(keysOf(d.Queues)).Draw(t, "queue") }
	for i := range rapid.IntRange(1, 3).Draw(t, "infos") {
		id := fmt.Sprintf("i%d", i)
		d.Infos[id] = &Info{ID: id, Prompt: prompt("p-" + id), Queue: queue()}
	}
	menu := func(id string) *Menu {
		m := &Menu{ID: id, Prompt: prompt("p-" + id), Queue: queue(), Choices: map[call.Digit]Choice{
			'0': {Key: '0', Person: true}, '1': {Key: '1', Queue: queue()},
		}}
		if rapid.Bool().Draw(t, "repeat") {
			m.Choices['9'] = Choice{Key: '9', Repeat: true}
		}
		if rapid.Bool().Draw(t, "info") {
			m.Choices['2'] = Choice{Key: '2', Info: rapid.SampledFrom(keysOf(d.Infos)).Draw(t, "info")}
		}
		d.Menus[id] = m
		return m
	}
	root := menu("root")
	menu("sub")
	root.Choices['3'] = Choice{Key: '3', Menu: "sub"}
	root.Choices['8'] = Choice{Key: '8', Info: "i0", Access: true}
	d.Entry = Entry{Welcome: prompt("welcome"), LanguagePrompt: prompt("language"), Menu: "root"}
	for i := range rapid.IntRange(0, 2).Draw(t, "messages") {
		from := time.Date(2026, 1, 1+i, 0, 0, 0, 0, time.UTC)
		d.Entry.Messages = append(d.Entry.Messages, DatedMessage{From: from, Until: from.AddDate(0, 0, 2), Prompt: prompt(fmt.Sprintf("m%d", i))})
	}
	for i := range rapid.IntRange(1, 3).Draw(t, "numbers") {
		d.Numbers = append(d.Numbers, Number{Number: call.Number(fmt.Sprintf("+3319900390%d", i)), Public: "general"})
	}
	if rapid.Bool().Draw(t, "deaf") {
		d.Numbers = append(d.Numbers, Number{Number: "+33199003911", Public: "deaf", Queue: queue(), Language: "fr"})
	}
	for _, j := range []*Journey{&d.Closed, &d.Saturated, &d.Failed} {
		*j = Journey{Prompt: prompt("why"), Hours: prompt("hours"), OtherMeans: prompt("means"), Callback: prompt("callback")}
	}
	d.Access = Access{Prompt: prompt("access"), Number: "+33199003911"}
	return d, durations
}

// plant puts one defect in, and nothing else that a rule could find.
var plant = map[Rule][]func(*Definition, map[string]time.Duration){
	RuleChoices: {func(d *Definition, _ map[string]time.Duration) {
		for _, key := range []call.Digit{'2', '4', '5', '6'} {
			d.Menus["root"].Choices[key] = Choice{Key: key, Queue: "q0"}
		}
	}},
	RuleDepth: {func(d *Definition, _ map[string]time.Duration) {
		d.Menus["deep"] = &Menu{ID: "deep", Prompt: "welcome", Queue: "q0", Choices: map[call.Digit]Choice{'0': {Key: '0', Person: true}}}
		d.Menus["sub"].Choices['4'] = Choice{Key: '4', Menu: "deep"}
	}},
	RuleSpeech: {
		func(_ *Definition, dur map[string]time.Duration) { dur["p-root"] = 46 * time.Second },
		func(_ *Definition, dur map[string]time.Duration) { dur["welcome"] = 46 * time.Second },
		func(d *Definition, dur map[string]time.Duration) {
			d.Prompts["long"] = d.Prompts["welcome"]
			dur["long"] = 46 * time.Second
			d.Entry.Messages = append(d.Entry.Messages, DatedMessage{From: time.Unix(0, 0), Until: time.Unix(1, 0), Prompt: "long"})
		},
	},
	RulePerson: {
		func(d *Definition, _ map[string]time.Duration) { delete(d.Menus["sub"].Choices, '0') },
		func(d *Definition, _ map[string]time.Duration) { d.Infos["i0"].Queue = "" },
	},
	RuleDeadEnd: {
		func(d *Definition, _ map[string]time.Duration) {
			d.Menus["sub"].Choices['5'] = Choice{Key: '5', Info: "nowhere"}
		},
		func(d *Definition, _ map[string]time.Duration) { d.Menus["sub"].Queue = "" },
		func(d *Definition, _ map[string]time.Duration) {
			d.Numbers = append(d.Numbers, Number{Number: "+33199003912", Public: "overseas", Queue: "nowhere"})
		},
	},
	RuleClosed: {
		func(d *Definition, _ map[string]time.Duration) { d.Closed.Callback = "" },
		func(d *Definition, _ map[string]time.Duration) { d.Closed = Journey{} },
	},
	RuleSaturated: {
		func(d *Definition, _ map[string]time.Duration) { d.Saturated.Hours = "" },
		func(d *Definition, _ map[string]time.Duration) { d.Saturated.OtherMeans = "" },
	},
	RuleFailed: {func(d *Definition, _ map[string]time.Duration) { d.Failed.OtherMeans = "" }},
	RuleAccess: {
		func(d *Definition, _ map[string]time.Duration) { d.Access.Prompt = "" },
		func(d *Definition, _ map[string]time.Duration) { delete(d.Menus["root"].Choices, '8') },
		func(d *Definition, _ map[string]time.Duration) {
			d.Access.Hours = &Hours{Week: [7][]Range{1: {{540, 600}}}}
		},
	},
	RuleCost: {
		func(d *Definition, _ map[string]time.Duration) { d.Numbers[0].Number = "+33892990039" },
		func(d *Definition, _ map[string]time.Duration) { d.Numbers[0].Number = "+33810990039" },
		func(d *Definition, _ map[string]time.Duration) { d.Numbers[0].Number = "3699" },
		func(d *Definition, _ map[string]time.Duration) { d.Numbers[0].Number = "118999" },
		func(d *Definition, _ map[string]time.Duration) { d.Access.Number = "+33825990039" },
		say("Appelez le 0 892 99 00 39, tous les jours."),
		say("Composez le +33 8 20 99 00 39."),
		say("Appelez le 36 99 pour le savoir."),
		say("Call 118 999."),
	},
	RuleNumbers: {func(d *Definition, _ map[string]time.Duration) {
		for i := range 4 {
			d.Numbers = append(d.Numbers, Number{Number: call.Number(fmt.Sprintf("+3319900391%d", 5+i)), Public: "general"})
		}
	}},
	RuleLanguages: {func(d *Definition, _ map[string]time.Duration) {
		d.Prompts["callback"] = maps.Clone(d.Prompts["callback"])
		delete(d.Prompts["callback"], d.Languages[len(d.Languages)-1])
	}},
	RuleAnnounce: {
		func(d *Definition, _ map[string]time.Duration) { d.Queues["q0"].Announce = 0 },
		func(d *Definition, _ map[string]time.Duration) { d.Queues["q0"].Announce = 121 * time.Second },
	},
}

func say(text string) func(*Definition, map[string]time.Duration) {
	return func(d *Definition, _ map[string]time.Duration) { d.Prompts["means"]["fr"] = Phrase{Say: text} }
}

func TestEachRuleFiresWhenItsDefectIsThereAndOnlyThen(t *testing.T) {
	planted := map[Rule]int{}
	rapid.Check(t, func(t *rapid.T) {
		d, durations := cleanDefinition(t)
		var want []Rule
		for _, rule := range keysOf(plant) {
			if rapid.IntRange(0, 3).Draw(t, string(rule)) == 0 {
				want = append(want, rule)
				rapid.SampledFrom(plant[rule]).Draw(t, "how")(d, durations)
				planted[rule]++
			}
		}
		var got []Rule
		for _, f := range Lint(d, func(p string, _ call.Lang) time.Duration { return durations[p] }) {
			if !slices.Contains(got, f.Rule) {
				got = append(got, f.Rule)
			}
			if f.What == "" || f.Fix == "" || f.Where == "" || f.Row < 1 || f.Row > 30 {
				t.Errorf("a finding that does not tell all: %+v", f)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Fatalf("found %v, planted %v", got, want)
		}
	})
	for rule := range plant {
		if planted[rule] == 0 {
			t.Errorf("rule %s was never tried", rule)
		}
	}
}

func TestEveryWayOfPlantingADefectIsFound(t *testing.T) {
	for rule, ways := range plant {
		for i, way := range ways {
			rapid.Check(t, func(t *rapid.T) {
				d, durations := cleanDefinition(t)
				way(d, durations)
				found := Lint(d, func(p string, _ call.Lang) time.Duration { return durations[p] })
				if len(found) == 0 || slices.ContainsFunc(found, func(f Finding) bool { return f.Rule != rule }) {
					t.Fatalf("defect %d of %s: found %+v", i, rule, found)
				}
			})
		}
	}
}

func TestSpeechIsCountedUpToTheFirstOfferOfAPerson(t *testing.T) {
	d := demo(t)
	seconds := map[string]time.Duration{
		"accueil": 5 * time.Second, "langue": 3 * time.Second, "message-delai": 7 * time.Second, "menu-principal": 20 * time.Second,
	}
	dur := func(p string, _ call.Lang) time.Duration { return seconds[p] }
	d.Limits.SpeechToPerson = 38 * time.Second // 5 + 3 + 3 + 7 + 20: the language is asked in two languages
	if found := Lint(d, dur); len(found) > 0 {
		t.Errorf("at the limit: %+v", found)
	}
	d.Limits.SpeechToPerson--
	found := Lint(d, dur)
	if len(found) != 1 || found[0].Rule != RuleSpeech || found[0].Where != "menus.principal.prompt" || !strings.Contains(found[0].What, "01 99 00 39 40") {
		t.Errorf("just over the limit: %+v", found)
	}
	// Without a key for a person, the paths go on into the menu below and the information.
	delete(d.Menus["principal"].Choices, '0')
	seconds["menu-conduite"] = 4 * time.Second
	seconds["info-venir"] = 9 * time.Second
	d.Limits.SpeechToPerson = 41 * time.Second
	var where []string
	for _, f := range Lint(d, dur) {
		where = append(where, string(f.Rule)+" "+f.Where)
	}
	slices.Sort(where)
	want := []string{"person menus.principal.choices", "speech infos.venir.prompt", "speech menus.conduite.prompt"}
	if !slices.Equal(where, want) {
		t.Errorf("found %v, want %v", where, want)
	}
}

func TestAMessageOfAQueueIsCountedForTheNumberThatLeadsThere(t *testing.T) {
	d := demo(t)
	d.Entry.Messages[0].Queue = "accueil"
	d.Limits.SpeechToPerson = 10 * time.Second
	dur := func(p string, _ call.Lang) time.Duration {
		if p == "message-delai" {
			return 11 * time.Second
		}
		return 0
	}
	found := Lint(d, dur)
	if len(found) != 1 || found[0].Where != "entry.welcome" || !strings.Contains(found[0].What, "01 99 00 39 41") {
		t.Errorf("%+v", found)
	}
}

func TestFindingsPointAtTheLineToMend(t *testing.T) {
	source, err := os.ReadFile("../demo/prefecture.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		rule          Rule
		before, after string // an edit of the demonstration
		line          string // how the line of the finding begins
	}{
		{RuleChoices, "      3: {info: venir}\n", "      3: {info: venir}\n      5: {queue: conduite}\n      6: {queue: conduite}\n", "    choices:"},
		{RuleDepth, "limits: absent", "", "  conduite:"},
		{RuleSpeech, "      Pour un titre de séjour, tapez 1.\n", strings.Repeat("      Pour un titre de séjour, tapez 1.\n", 12), "    prompt: menu-principal"},
		{RulePerson, "      4: {info: sourds, access: true}\n      0: person\n", "      4: {info: sourds, access: true}\n", "    choices:"},
		{RuleClosed, "closed:\n  prompt: ferme\n  hours: horaires\n", "closed:\n  prompt: ferme\n", "closed:"},
		{RuleSaturated, "  hours: meilleurs-horaires\n  other_means: autres-moyens\n  callback: etre-rappele\nfailed:", "  other_means: autres-moyens\n  callback: etre-rappele\nfailed:", "saturated:"},
		{RuleAccess, "  hours: same\n", "  hours: {mon-thu: 09:00-12:00}\n", "  hours: {mon-thu"},
		{RuleCost, "- number: 01 99 00 39 42", "- number: 0 892 99 00 42", "  - number: 0 892"},
		{RuleCost, "    en: A technical problem", "    en: Call 0 810 99 00 39. A technical problem", "    en: Call 0 810"},
		{RuleNumbers, "  - number: 01 99 00 39 42\n", "  - number: 01 99 00 39 42\n  - number: 01 99 00 39 43\n", "numbers:"},
		{RuleAnnounce, "    default_aht: 4m\n", "    default_aht: 4m\n    announce: 5m\n", "    announce: 5m"},
	} {
		text := strings.Replace(string(source), c.before, c.after, 1)
		if c.rule == RuleDepth {
			text += "\nlimits: {depth: 1}\n"
		}
		d, err := Parse("prefecture.yaml", []byte(text))
		if err != nil {
			t.Errorf("%s: %v", c.rule, err)
			continue
		}
		found := Lint(d, nil)
		if len(found) != 1 || found[0].Rule != c.rule {
			t.Errorf("%s: found %+v", c.rule, found)
			continue
		}
		lines := strings.Split(text, "\n")
		if n := found[0].Line; n < 1 || !strings.HasPrefix(lines[n-1], c.line) {
			t.Errorf("%s points at line %d, not at %q", c.rule, n, c.line)
		}
	}
}

func TestADeclaredCostSettlesAShortNumber(t *testing.T) {
	d := demo(t)
	d.Numbers = append(d.Numbers, Number{Number: "3699", Public: "overseas", Queue: "accueil"})
	d.Prompts["panne"]["fr"] = Phrase{Say: "Appelez le 36 99."}
	doubts := Lint(d, nil)
	if len(doubts) != 2 || doubts[0].Severity != Doubt || doubts[1].Severity != Doubt {
		t.Errorf("without a cost: %+v", doubts)
	}
	d.Numbers[len(d.Numbers)-1].Cost = "free"
	if found := Lint(d, nil); len(found) > 0 {
		t.Errorf("declared free: %+v", found)
	}
	d.Numbers[len(d.Numbers)-1].Cost = "premium"
	if found := Lint(d, nil); len(found) != 1 || found[0].Severity != Defect {
		t.Errorf("declared premium: %+v", found)
	}
	d.Numbers = d.Numbers[:len(d.Numbers)-1]
	d.Prompts["panne"]["fr"] = Phrase{Say: "Appelez le 36 99, appel gratuit."}
	if found := Lint(d, nil); len(found) > 0 {
		t.Errorf("said to be free: %+v", found)
	}
}

func TestReportsAreForPeopleOrForPrograms(t *testing.T) {
	d := demo(t)
	d.Closed.Callback = ""
	found := Lint(d, nil)
	text, err := Report(found, "text")
	line := d.Position("closed").Line
	want := fmt.Sprintf("../demo/prefecture.yaml:%d: error: callers are not told a way to be called back when the line is closed; ", line)
	if err != nil || !strings.HasPrefix(text, want) || !strings.Contains(text, "[closed, row 2, closed]\n1 finding\n") {
		t.Errorf("%v\n%s", err, text)
	}
	out, err := Report(found, "json")
	var back []Finding
	if err != nil || json.Unmarshal([]byte(out), &back) != nil || !slices.Equal(back, found) {
		t.Errorf("%v\n%s", err, out)
	}
	if out, _ := Report(nil, "json"); strings.TrimSpace(out) != "[]" {
		t.Errorf("no finding is %q", out)
	}
	if text, _ := Report(nil, "text"); !strings.HasPrefix(text, "clean") {
		t.Errorf("no finding is %q", text)
	}
	if _, err := Report(found, "xml"); err == nil {
		t.Error("an unknown format was accepted")
	}
}
