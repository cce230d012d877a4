package service

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// anyLabel is a label in each language, with the signs that YAML gives a meaning to.
func anyLabel(t *rapid.T, d *Definition) Text {
	label := Text{}
	for _, l := range d.Languages {
		words := strings.Join(strings.Fields(rapid.StringMatching(`[a-zé:#'"{}\[\]&*!|>%@,-][ -~éàçœ’«»€]{0,120}`).Draw(t, "label")), " ")
		label[l] = Phrase{Say: words}
	}
	return label
}

// anySpan is a duration of whole milliseconds between two.
func anySpan(t *rapid.T, name string, least, most time.Duration) time.Duration {
	if rapid.Bool().Draw(t, name+" in minutes") && most >= 10*time.Minute {
		return max(least, most/time.Minute*time.Minute-time.Duration(rapid.IntRange(0, 9).Draw(t, name))*time.Minute)
	}
	return time.Duration(rapid.Int64Range(int64(least/time.Millisecond), int64(most/time.Millisecond)).Draw(t, name)) * time.Millisecond
}

func anyPlan(t *rapid.T, d *Definition) *Plan {
	one := func(name string, of []string) string { return rapid.SampledFrom(of).Draw(t, name) }
	queues, menus, links := keysOf(d.Queues), append(keysOf(d.Menus), ""), keysOf(d.Links)
	p := &Plan{ID: "essai", Label: anyLabel(t, d), Ends: anySpan(t, "ends", time.Minute, longestPlan), Queues: map[string]PlanQueue{}}
	for range rapid.IntRange(0, 3).Draw(t, "messages") {
		m := PlanMessage{Prompt: one("prompt", keysOf(d.Prompts)), Menu: one("menu", menus)}
		if m.Menu == "" {
			m.Queue = one("queue", append(slices.Clone(queues), ""))
		}
		switch m.Offer = one("offer", []string{"", "callback", "exit", "link"}); m.Offer {
		case "link":
			m.Link = one("link", links)
		case "":
			m.Replace = rapid.Bool().Draw(t, "replace")
		}
		p.Messages = append(p.Messages, m)
	}
	if rapid.Bool().Draw(t, "callback") {
		p.OfferAbove = anySpan(t, "above", time.Second, time.Hour)
	}
	for _, id := range queues {
		q := PlanQueue{MaxWaiting: rapid.IntRange(-1, 50).Draw(t, "waiting")}
		for range rapid.IntRange(0, 2).Draw(t, "rules") {
			to := one("to", slices.DeleteFunc(slices.Clone(queues), func(o string) bool { return o == id }))
			o := Overflow{To: to, After: anySpan(t, "after", 0, 4*time.Hour), LongerThan: rapid.IntRange(0, 30).Draw(t, "longer")}
			if o.After == 0 && o.LongerThan == 0 {
				o.LongerThan = 1
			}
			q.Overflow = append(q.Overflow, o)
		}
		if (q.MaxWaiting >= 0 || q.Overflow != nil) && rapid.Bool().Draw(t, "changed") {
			p.Queues[id] = q
		}
	}
	if len(p.Messages) == 0 && p.OfferAbove == 0 && len(p.Queues) == 0 {
		p.OfferAbove = time.Minute
	}
	if rapid.Bool().Draw(t, "rule") {
		w := &Trigger{Queue: one("of", append(slices.Clone(queues), "")), For: anySpan(t, "for", 0, 4*time.Hour)}
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			w.LinkDown = one("site", links)
		case 1:
			w.WaitAbove = anySpan(t, "wait", 10*time.Second, 4*time.Hour)
		case 2:
			w.AgentsBelow = rapid.IntRange(1, 10_000).Draw(t, "agents")
		default:
			w.AnsweredBelow = float64(rapid.IntRange(10, 1000).Draw(t, "share")) / 10 / 100
		}
		p.When = w
	}
	return p
}

func TestAnyPlanComesBackAsItWasWritten(t *testing.T) {
	data := demoText(t)
	d, err := Parse("../demo/prefecture.yaml", data)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		p := anyPlan(t, d)
		value := p.YAML(d.Languages)
		if got, err := d.ParsePlan("essai", value); err != nil || !reflect.DeepEqual(got, p) {
			t.Fatalf("by itself: %v\n%s\n%+v\nis not\n%+v", err, value, got, p)
		}
		out, err := Rewrite(data, Edit{"plans.essai", value})
		if err != nil {
			t.Fatalf("%v\n%s", err, value)
		}
		whole, err := Parse("../demo/prefecture.yaml", out)
		if err != nil || !reflect.DeepEqual(whole.Plans["essai"], p) {
			t.Fatalf("in the file: %v\n%s\n%+v", err, value, p)
		}
		if delete(whole.Plans, "essai"); !reflect.DeepEqual(d.Plans, whole.Plans) {
			t.Fatalf("another plan was changed by\n%s", value)
		}
		if again, err := Canonical(value); err != nil || again != value {
			t.Fatalf("not as the desk keeps it: %v\n%s\n%s", err, value, again)
		}
	})
}

func TestAnyLinkComesBackAsItWasWritten(t *testing.T) {
	data := demoText(t)
	d, err := Parse("../demo/prefecture.yaml", data)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		address := func(name string) string {
			return "https://" + rapid.StringMatching(`[a-z]{1,9}\.example(/[a-z0-9?&=#:,-]{0,20})?`).Draw(t, name)
		}
		l := &Link{ID: "essai", URL: address("url"), Label: anyLabel(t, d), Spoken: rapid.SampledFrom(append(keysOf(d.Prompts), "")).Draw(t, "spoken"), Every: anySpan(t, "every", 10*time.Second, 24*time.Hour)}
		if l.Check = l.URL; rapid.Bool().Draw(t, "check") {
			l.Check = address("checked")
		}
		if rapid.Bool().Draw(t, "never") {
			l.Every = 0
		}
		l.Prompts = append(l.Prompts, keysOf(d.Prompts)[:rapid.IntRange(0, 3).Draw(t, "prompts")]...)
		value := l.YAML(d.Languages)
		if got, err := d.ParseLink("essai", value); err != nil || !reflect.DeepEqual(got, l) {
			t.Fatalf("by itself: %v\n%s\n%+v\nis not\n%+v", err, value, got, l)
		}
		out, err := Rewrite(data, Edit{"links.essai", value})
		if err != nil {
			t.Fatalf("%v\n%s", err, value)
		}
		if whole, err := Parse("../demo/prefecture.yaml", out); err != nil || !reflect.DeepEqual(whole.Links["essai"], l) {
			t.Fatalf("in the file: %v\n%s", err, value)
		}
	})
}

// Forms tie a problem to their field by it.
func TestAProblemSaysWhichPartItStandsIn(t *testing.T) {
	const plan = `
    label: {fr: Essai, en: Trial}
    ends: 1s
    when: {wait_above: 15m, for: 1000h}
    messages:
      - prompt: message-afflux
      - {prompt: nulle-part, queue: aussi-nulle-part}
      - {offer: exit}
    callback: {offer_above: 1h2}
    queues:
      etrangers:
        max_waiting: beaucoup
        overflow: [{to: etrangers, after: 1m}, {to: accueil}]
`
	text := strings.Replace(string(demoText(t)), "\nplans:\n", "\nplans:\n  essai:"+plan, 1)
	_, err := Parse("../demo/prefecture.yaml", []byte(text))
	var problems Problems
	if !errors.As(err, &problems) {
		t.Fatal(err)
	}
	var got []string
	for _, p := range problems {
		got = append(got, p.Path)
	}
	want := []string{
		"plans.essai.ends", "plans.essai.when.for", "plans.essai.messages[1].prompt", "plans.essai.messages[1].queue", "plans.essai.messages[2]",
		"plans.essai.callback.offer_above", "plans.essai.queues.etrangers.max_waiting", "plans.essai.queues.etrangers.overflow[0]", "plans.essai.queues.etrangers.overflow[1]",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the problems stand in\n%s\nwant\n%s\n%v", strings.Join(got, "\n"), strings.Join(want, "\n"), err)
	}
}
