package service

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

var keyRead = regexp.MustCompile(`\.(?:get|need|text|ref|choice|words|address|truth|truthOr|percent|euros|days|integer|duration|number|list|journey|section)\((?:o, )?"([a-z_]+)"`)

func TestTheExamplesOfTheReferenceAreOneDefinitionThatIsClean(t *testing.T) {
	page, err := os.ReadFile("../docs/service.md")
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for i, part := range strings.Split(string(page), "```") {
		if yaml, ok := strings.CutPrefix(part, "yaml\n"); ok && i%2 == 1 {
			text.WriteString(yaml)
		}
	}
	d, err := Parse("service.md", []byte(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	if found := Lint(d, nil); len(found) > 0 {
		out, _ := Report(found, "text")
		t.Error(out)
	}
	if d.Queues["accueil"].Overflow[0].To != "voirie" || len(d.Openings) != 1 || len(d.Closures) != 1 || len(d.Numbers) != 3 {
		t.Errorf("the examples were not all read: %+v", d)
	}
}

// Every key that the reader asks for is in the reference, named or shown.
func TestEveryKeyIsInTheReference(t *testing.T) {
	page, err := os.ReadFile("../docs/service.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"parse.go", "parse_hours.go", "parse_tree.go", "parse_callback.go", "parse_indicators.go", "survey.go", "plans.go"} {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		keys := 0
		for _, m := range keyRead.FindAllStringSubmatch(string(source), -1) {
			keys++
			if !strings.Contains(string(page), "`"+m[1]+"`") && !strings.Contains(string(page), m[1]+":") {
				t.Errorf("key %q, read in %s, is not in docs/service.md", m[1], file)
			}
		}
		if keys < 4 {
			t.Errorf("only %d keys were found in %s", keys, file)
		}
	}
}
