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
		Reasons:   map[string]*Reason{"titres": {ID: "titres"}, "autre": {ID: "autre"}}, Indicators: Indicators{OtherReason: "autre"},
		Prompts: map[string]Text{}, Menus: map[string]*Menu{}, Infos: map[string]*Info{}, Queues: map[string]*Queue{},
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
		d.Infos[id] = &Info{ID: id, Prompt: prompt("p-" + id), Queue: queue(), Offline: "p-" + id}
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
	root.Choices['8'] = Choice{Key: '8', Access: true}
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
	hint := prompt("hint")
	durations[hint] = time.Second
	d.Access = Access{Hint: hint, Prompt: prompt("access"), Number: "+33199003911"}
	cleanLinks(t, d, prompt)
	cleanCallbacks(t, d)
	return d, durations
}

// named is a text that messages can hold, in each language.
func named(t *rapid.T, d *Definition, what string) Text {
	out := Text{}
	for _, l := range d.Languages {
		out[l] = Phrase{Say: rapid.StringMatching(`[A-Za-z éèàù'-]{1,20}`).Draw(t, what)}
	}
	return out
}

func cleanLinks(t *rapid.T, d *Definition, prompt func(string) string) {
	d.Links = map[string]*Link{}
	for i := range rapid.IntRange(0, 2).Draw(t, "links") {
		id := fmt.Sprintf("l%d", i)
		d.Links[id] = &Link{
			ID: id, URL: "https://" + rapid.StringMatching(`[a-z]{1,20}`).Draw(t, "host") + ".example", Label: named(t, d, "label"), Spoken: prompt("address-" + id),
		}
		d.Links[id].Prompts = rapid.SampledFrom([][]string{nil, {"means"}, {"means", "callback"}}).Draw(t, "muted")
	}
	for _, id := range keysOf(d.Infos) {
		if rapid.Bool().Draw(t, "offers a link") && len(d.Links) > 0 {
			d.Infos[id].Link = rapid.SampledFrom(keysOf(d.Links)).Draw(t, "link")
		}
	}
}

// cleanCallbacks switches callbacks on in half of the definitions: then the journeys need not
// say how to be called back.
func cleanCallbacks(t *rapid.T, d *Definition) {
	d.Name = named(t, d, "name")
	if rapid.Bool().Draw(t, "open") {
		for day := range 5 {
			d.Hours.Week[1+day] = []Range{{8 * 60, 12 * 60}, {13 * 60, 17 * 60}}
		}
	}
	if !rapid.Bool().Draw(t, "callbacks") {
		return
	}
	d.Callback = DefaultCallback()
	if rapid.Bool().Draw(t, "off-peak") {
		d.Callback.OffPeak = OffPeak{Publics: []string{"vulnerable"}, Hours: Hours{Week: [7][]Range{2: {{11 * 60, 14 * 60}}}}}
	}
	if rapid.Bool().Draw(t, "closed says nothing of callbacks") {
		d.Closed.Callback, d.Saturated.Callback = "", ""
	}
	if rapid.Bool().Draw(t, "no slots") && d.Closed.Callback != "" {
		d.Callback.Slots = false
	}
}

// withLink makes sure that there is a link and that it is offered.
func withLink(d *Definition) *Link {
	if d.Links["l0"] == nil {
		label := Text{}
		for _, l := range d.Languages {
			label[l] = Phrase{Say: "notre site"}
		}
		d.Links["l0"] = &Link{ID: "l0", URL: "https://arzon.example", Label: label, Spoken: "means"}
	}
	d.Infos["i0"].Link = "l0"
	return d.Links["l0"]
}

// promising switches callbacks on, for a line that is open on weekday mornings.
func promising(d *Definition) {
	if !d.Callback.On {
		d.Callback = DefaultCallback()
	}
	d.Callback.Slots = true
	if len(d.Hours.Week[1]) == 0 {
		for day := range 5 {
			d.Hours.Week[1+day] = []Range{{8 * 60, 12 * 60}}
		}
	}
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
		func(d *Definition, _ map[string]time.Duration) { d.Closed.Hours = "" },
		func(d *Definition, _ map[string]time.Duration) { d.Closed = Journey{} },
	},
	RuleSaturated: {
		func(d *Definition, _ map[string]time.Duration) { d.Saturated.Hours = "" },
		func(d *Definition, _ map[string]time.Duration) { d.Saturated.OtherMeans = "" },
	},
	RuleFailed: {
		func(d *Definition, _ map[string]time.Duration) { d.Failed.OtherMeans = "" },
		func(d *Definition, _ map[string]time.Duration) { d.Failed.Callback = "" },
	},
	RuleLinks: {
		func(d *Definition, _ map[string]time.Duration) { withLink(d).Spoken = "" },
		func(d *Definition, _ map[string]time.Duration) {
			withLink(d).URL = "https://arzon.example/" + strings.Repeat("a", 39)
		},
		func(d *Definition, _ map[string]time.Duration) { withLink(d).Prompts = []string{"means", "p-sub"} },
		func(d *Definition, _ map[string]time.Duration) { withLink(d).Prompts = []string{"welcome"} },
		func(d *Definition, _ map[string]time.Duration) { withLink(d).Prompts = []string{"why"} },
		func(d *Definition, _ map[string]time.Duration) {
			d.Infos["lost"] = &Info{ID: "lost", Queue: "q0", Link: "nowhere", Offline: "welcome"}
		},
	},
	RuleSMS: {
		func(d *Definition, _ map[string]time.Duration) {
			withLink(d).Label["fr"] = Phrase{Say: "aller au guichet de la forêt"}
		},
		func(d *Definition, _ map[string]time.Duration) {
			withLink(d).Label["fr"] = Phrase{Say: strings.Repeat("vos démarches en ligne ", 8)}
		},
		func(d *Definition, _ map[string]time.Duration) {
			promising(d)
			d.Name["fr"] = Phrase{Say: "Communauté de communes du Val-d'Arzon et de ses environs"}
		},
		func(d *Definition, _ map[string]time.Duration) {
			promising(d)
			d.Name["fr"] = Phrase{Say: "Forêt d'Arzon"}
		},
	},
	RuleCallback: {
		func(d *Definition, _ map[string]time.Duration) {
			promising(d)
			d.Callback.Hours = Hours{Week: [7][]Range{1: {{18 * 60, 20 * 60}}, 6: {{480, 720}}}}
		},
		func(d *Definition, _ map[string]time.Duration) {
			promising(d)
			d.Callback.OffPeak = OffPeak{Publics: []string{"deaf"}, Hours: Hours{Week: [7][]Range{1: {{7 * 60, 8 * 60}}}}}
		},
	},
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
		says("Appelez le 0 892 99 00 39, tous les jours."),
		says("Composez le +33 8 20 99 00 39."),
		says("Appelez le 36 99 pour le savoir."),
		says("Call 118 999."),
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
	RuleReasons: {
		func(d *Definition, _ map[string]time.Duration) { d.Reasons = nil },
		func(d *Definition, _ map[string]time.Duration) { d.Indicators.OtherReason = "" },
	},
}

func says(text string) func(*Definition, map[string]time.Duration) {
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
			if f.What.EN == "" || f.Fix.EN == "" || f.Where == "" || f.Row < 1 || f.Row > 30 {
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
	type way struct {
		rule Rule
		n    int
	}
	var ways []way
	for _, rule := range keysOf(plant) {
		for n := range plant[rule] {
			ways = append(ways, way{rule, n})
		}
	}
	tried := map[way]int{}
	rapid.Check(t, func(t *rapid.T) {
		for range 8 { // of some fifty, in each of a hundred draws
			w := rapid.SampledFrom(ways).Draw(t, "way")
			tried[w]++
			d, durations := cleanDefinition(t)
			plant[w.rule][w.n](d, durations)
			found := Lint(d, func(p string, _ call.Lang) time.Duration { return durations[p] })
			if len(found) == 0 || slices.ContainsFunc(found, func(f Finding) bool { return f.Rule != w.rule }) {
				t.Fatalf("defect %d of %s: found %+v", w.n, w.rule, found)
			}
		}
	})
	for _, w := range ways {
		if tried[w] == 0 {
			t.Errorf("defect %d of %s was never tried", w.n, w.rule)
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
	if len(found) != 1 || found[0].Rule != RuleSpeech || found[0].Where != "menus.principal.prompt" || !strings.Contains(found[0].What.EN, "01 99 00 39 40") {
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
	if len(found) != 1 || found[0].Where != "entry.welcome" || !strings.Contains(found[0].What.EN, "01 99 00 39 41") {
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
		{RulePerson, "      4: {access: true, reason: accessibilite}\n      0: person\n", "      4: {access: true, reason: accessibilite}\n", "    choices:"},
		{RuleClosed, "closed:\n  prompt: ferme\n  hours: horaires\n", "closed:\n  prompt: ferme\n", "closed:"},
		{RuleSaturated, "  hours: meilleurs-horaires\n  other_means: autres-moyens\n  callback: etre-rappele\nfailed:", "  other_means: autres-moyens\n  callback: etre-rappele\nfailed:", "saturated:"},
		{RuleAccess, "  hours: same\n", "  hours: {mon-thu: 09:00-12:00}\n", "  hours: {mon-thu"},
		{RuleOffline, "    offline: sans-internet\n", "", "  venir:"},
		{RuleAccess, "  hint: touche-sourds\n", "", "access:"},
		{RuleAccess, "language_keys: {1: fr, 2: en}", "language_keys: {1: fr, 4: en}", "  hint: touche"},
		{RuleAccess, "Sourds et malentendants: touche 4.", "Bonjour et bienvenue à la préfecture du Val-d'Arzon. " + strings.Repeat("Sourds et malentendants: touche 4. ", 3), "  hint: touche"},
		{RuleCost, "- number: 01 99 00 39 42", "- number: 0 892 99 00 42", "  - number: 0 892"},
		{RuleCost, "    en: A technical problem", "    en: Call 0 810 99 00 39. A technical problem", "    en: Call 0 810"},
		{RuleNumbers, "  - number: 01 99 00 39 42\n", "  - number: 01 99 00 39 42\n  - number: 01 99 00 39 43\n", "numbers:"},
		{RuleReasons, "  other: {share: 15, reason: autre}\n", "", "  autre:"},
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

func TestACallbackThatIsOfferedOnTheSpotNeedsNoPromptThatTellsOfIt(t *testing.T) {
	for _, c := range []struct {
		name        string
		on, slots   bool
		wantMissing []Rule
	}{
		{"without callbacks all three journeys tell how to be called back", false, true, []Rule{RuleClosed, RuleSaturated, RuleFailed}},
		{"with them only the one in which nothing works does", true, true, []Rule{RuleFailed}},
		{"a closed line has no place to offer", true, false, []Rule{RuleClosed, RuleFailed}},
	} {
		d := demo(t)
		d.Callback.On, d.Callback.Slots = c.on, c.slots
		d.Closed.Callback, d.Saturated.Callback, d.Failed.Callback = "", "", ""
		var missing []Rule
		for _, f := range Lint(d, nil) {
			missing = append(missing, f.Rule)
		}
		if !slices.Equal(missing, c.wantMissing) {
			t.Errorf("%s: found %v, want %v", c.name, missing, c.wantMissing)
		}
	}
}

func TestWhatMakesAMessageLongIsNamed(t *testing.T) {
	d := demo(t)
	d.Name["fr"] = Phrase{Say: "Communauté d'agglomération de la forêt et du Val-d'Arzon"}
	d.Links["demarches"].Label["en"] = Phrase{Say: "our “one‑stop” counter"}
	var got []string
	for _, f := range Lint(d, nil) {
		if f.Rule != RuleSMS || f.Severity != Doubt || f.Row != 9 {
			t.Errorf("%+v", f)
		}
		got = append(got, f.Where+": "+f.What.EN)
	}
	for i, want := range []string{
		`name.fr: message "sms.c`,
		`name.fr: the service's name, "Communauté d'agglomération de la forêt et du Val-d'Arzon", has “ê”, which`,
		`links.demarches.label.en: the label of link "demarches", "our “one‑stop” counter", has ““”, “‑”, “””, which`,
	} {
		if len(got) != 3 || !strings.HasPrefix(got[i], want) {
			t.Fatalf("found %q\nwant %q", got, want)
		}
	}
	if !strings.Contains(got[0], "is sent in 2 segments") {
		t.Error(got[0])
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
	d.Closed.Hours = ""
	found := Lint(d, nil)
	text, err := Report(found, "text")
	line := d.Position("closed").Line
	want := fmt.Sprintf("../demo/prefecture.yaml:%d: error: callers are not told when to call again when the line is closed; ", line)
	if err != nil || !strings.HasPrefix(text, want) || !strings.Contains(text, "[closed, row 2, closed]\n1 finding\n") {
		t.Errorf("%v\n%s", err, text)
	}
	out, err := Report(found, "json")
	var back []struct {
		Rule                   Rule
		Row                    int
		Severity               Severity
		Where, File, What, Fix string
		Line                   int
	}
	f := found[0]
	if err != nil || json.Unmarshal([]byte(out), &back) != nil || len(back) != 1 || back[0].What != f.What.EN || back[0].Fix != f.Fix.EN ||
		back[0].Rule != f.Rule || back[0].Row != f.Row || back[0].Severity != f.Severity || back[0].Where != f.Where || back[0].File != f.File || back[0].Line != f.Line {
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
