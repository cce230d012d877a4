package report_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"decroche/call"
	"decroche/metrics"
	"decroche/metrics/report"
	"decroche/text"
)

func TestThePageOfIndicatorsIsThatOfTheProgram(t *testing.T) {
	raw, err := os.ReadFile("../../docs/indicators.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for l := range strings.Lines(string(raw)) {
		if strings.HasPrefix(l, "| `") {
			rows = append(rows, strings.TrimSpace(l))
		}
	}
	if len(rows) != len(metrics.Indicators) {
		t.Errorf("%d indicators are on the page, of %d", len(rows), len(metrics.Indicators))
	}
	better := map[metrics.Direction]string{metrics.HigherIsBetter: "higher", metrics.LowerIsBetter: "lower"}
	for n, i := range metrics.Indicators {
		final, page := "", ""
		if i.Needs > 0 {
			final = fmt.Sprintf("%.0f h", i.Needs.Hours())
		}
		if i.Page > 0 {
			page = fmt.Sprint(i.Page)
		}
		name := func(lang, of string) string { return text.Get(call.Lang(lang), "indicator."+i.ID+of) }
		want := fmt.Sprintf("| `%s` | %s | %s | %s | %s | %s | %s | %s |", i.ID, name("fr", ""), name("en", ""), name("en", ".is"), i.Unit, better[i.Better], final, page)
		if n < len(rows) && rows[n] != want {
			t.Errorf("the page has\n%s\nand the program\n%s", rows[n], want)
		}
	}
}

func TestTheSchemaOfTheOpenDataIsThatOfTheFile(t *testing.T) {
	raw, err := os.ReadFile("../../docs/opendata.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Fields []struct{ Name, Type, Title, Description string }
	}
	if err := json.Unmarshal(raw, &schema); err != nil {
		t.Fatal(err)
	}
	if len(schema.Fields) != len(report.OpenColumns) {
		t.Fatalf("the schema has %d fields, the file %d", len(schema.Fields), len(report.OpenColumns))
	}
	for n, f := range schema.Fields {
		if f.Name != report.OpenColumns[n] || f.Type == "" || f.Title == "" || f.Description == "" {
			t.Errorf("field %d is %+v, and %s in the file", n, f, report.OpenColumns[n])
		}
	}
}
