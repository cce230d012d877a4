package service

import (
	"errors"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func demoText(t testing.TB) []byte {
	data, err := os.ReadFile("../demo/prefecture.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestAnEditChangesItsPartAndLeavesTheRestAsItIsWritten(t *testing.T) {
	data := demoText(t)
	out, err := Rewrite(data, Edit{"prompts.menu-conduite", "fr: Pour le permis, tapez 1.\nen: For a licence, press 1."})
	if err != nil {
		t.Fatal(err)
	}
	before, after := strings.Split(string(data), "\n"), strings.Split(string(out), "\n")
	a := 0
	for before[a] == after[a] {
		a++
	}
	b := 1
	for before[len(before)-b] == after[len(after)-b] {
		b++
	}
	if got := strings.Join(after[a:len(after)-b+1], "\n"); got != "    fr: Pour le permis, tapez 1.\n    en: For a licence, press 1." || before[a-1] != "  menu-conduite:" {
		t.Errorf("changed was:\n%s", got)
	}
	for path, value := range map[string]string{
		"callback.share":                 "30",
		"queues.etrangers.in_time":       "within: 2m\nshare: 75",
		"queues.etrangers.in_time.share": "70",
		"indicators.goals.answered":      "80",
		"closures":                       "- from: 2027-01-02\n  until: 2027-01-03\n  why: \"travaux: peinture\"",
		"openings":                       "",
		"privacy.contacts":               "200d",
		"hours":                          "mon-fri: 09:00-12:00",
		"reasons.autre.label.fr":         "Autre motif",
	} {
		out, err := Rewrite(data, Edit{path, value})
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		want, _ := Canonical(value)
		if got, _ := Part(out, path); got != want {
			t.Errorf("%s is now\n%s\nwant\n%s", path, got, want)
		}
		if n := strings.Count(string(data), "\n#") - strings.Count(string(out), "\n#"); n != 0 {
			t.Errorf("%s: %d comments are lost", path, n)
		}
	}
}

func TestADefinitionThatWasRewrittenIsReadAsBefore(t *testing.T) {
	data := demoText(t)
	if _, err := Parse("../demo/prefecture.yaml", data); err != nil {
		t.Fatal(err)
	}
	root, _ := readTree("", data)
	for _, p := range root.pairs { // every part written anew says the same
		part, err := Part(data, p.key)
		if err != nil {
			t.Fatal(err)
		}
		if data, err = Rewrite(data, Edit{p.key, part}); err != nil {
			t.Fatalf("%s: %v\n%s", p.key, err, part)
		}
	}
	if _, err := Parse("../demo/prefecture.yaml", data); err != nil {
		t.Errorf("%v\n%s", err, data)
	}
}

func TestAFileThatCannotBeKeptIsLeftAsItIs(t *testing.T) {
	for _, text := range []string{"{prompts: {a: {fr: x}}, other: y}\n", "prompts: &a\n  x: y\n"} {
		if out, err := Rewrite([]byte(text), Edit{"prompts.a.fr", "z"}); err == nil {
			if got, _ := Part(out, "prompts.a.fr"); got != "z" {
				t.Errorf("%q became %q", text, out)
			}
		} else if ps := Problems(nil); !errors.Is(err, ErrByHand) && !errors.As(err, &ps) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestAnyTextComesBackAsItWasWritten(t *testing.T) {
	data := demoText(t)
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.StringMatching(`[ -~éàçœ’«»€]{1,300}`).Draw(t, "words")
		if strings.TrimSpace(words) == "" {
			return
		}
		value := renderPair("fr", &node{kind: scalar, text: words}) + renderPair("en", &node{kind: scalar, text: "x: y # z"})
		out, err := Rewrite(data, Edit{"prompts.accueil", value}, Edit{"prompts.neuf", value})
		if err != nil {
			t.Fatalf("%q: %v", words, err)
		}
		def, err := Parse("../demo/prefecture.yaml", out)
		if err != nil {
			t.Fatalf("%q: %v", words, err)
		}
		want := strings.Join(strings.Fields(words), " ")
		if got := def.Prompts["neuf"]["fr"].Say; got != want || def.Prompts["accueil"]["en"].Say != "x: y # z" {
			t.Fatalf("%q came back as %q", want, got)
		}
	})
}
