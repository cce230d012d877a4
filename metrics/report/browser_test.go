package report_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"decroche/call"
	"decroche/e2e/browser"
	"decroche/metrics"
	"decroche/metrics/report"
)

// The page in a real Chromium: testdata/look.mjs opens it, this writes it. DECROCHE_SHOTS names a
// folder that is given screenshots and a print.
func TestThePageIsReadInARealBrowser(t *testing.T) {
	lock, err := os.ReadFile("../../web/public/testdata/browser/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	node, chromium, modules := browser.Program(t, "node"), browser.Program(t, "chromium"), browser.Modules(t, lock)
	dir := t.TempDir()
	type seen struct {
		Name string `json:"name"`
		File string `json:"file"`
		Lang string `json:"lang"`
		// Words must be read, and Rows so many rows be in tables.
		Words []string `json:"words"`
		Rows  int      `json:"rows"`
	}
	var pages []seen
	page := func(name string, r report.Request, words []string, rows int) {
		src := source(t)
		src.Parity = parity
		rep, err := src.Page(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := rep.HTML(&b); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, name+".html")
		if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		if r.Lang == "" {
			r.Lang = "fr"
		}
		pages = append(pages, seen{name, file, string(r.Lang), words, rows})
	}
	rate := func(lang call.Lang) string {
		r := month()
		r.Lang, r.Indicators = lang, []string{"decroche_agent"}
		return made(t, r).Figures[0].Written(lang)
	}
	page("month", month(), []string{"Taux de décroché (agent)", rate("fr"), "ne pas en faire un objectif", "Jours à l'objectif", "Coût par appel décroché", "85,0 %", "399 des 400 demi-heures", "message d'incident", "De 3 demi-heures"}, len(metrics.Indicators))
	english := month()
	english.Lang = "en"
	page("month-en", english, []string{"Answer rate (agent)", rate("en"), "Days at target", "399 of the 400 half-hours"}, len(metrics.Indicators))
	page("year", report.Request{From: begins, To: begins.AddDate(1, 0, 0)}, []string{"2025-W45"}, len(metrics.Indicators))
	table := month()
	table.By, table.Step, table.Indicators = metrics.ByQueue, metrics.ByWeek, report.Brief
	page("table", table, []string{"2025-W45"}, 20)
	page("nothing", report.Request{From: begins.AddDate(-1, 0, 0), To: begins.AddDate(-1, 0, 1)}, []string{"Contacts reçus", "—"}, len(metrics.Indicators))

	in, err := json.Marshal(map[string]any{"modules": modules, "chromium": chromium, "pages": pages, "shots": os.Getenv("DECROCHE_SHOTS")})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), node, "testdata/look.mjs")
	cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir(), "NODE_USE_ENV_PROXY=0")
	var out, says bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = bytes.NewReader(in), &out, &says, 5*time.Second
	if err := cmd.Run(); err != nil {
		t.Fatalf("look.mjs: %v\n%s%s", err, out.String(), says.String())
	}
	for line := range strings.Lines(out.String()) {
		t.Error(strings.TrimSpace(line))
	}
	if says.String() != "5 pages looked at\n" {
		t.Errorf("look.mjs says %s", says.String())
	}
}

// parity is that of a month in which one half-hour was missing.
func parity(_ context.Context, from, to time.Time) (metrics.Parity, error) {
	gap := metrics.Gap{From: from.Add(33 * time.Hour), To: from.Add(33*time.Hour + metrics.HalfHour), Why: "message"}
	return metrics.Parity{From: from, To: to, Line: 400, Open: 399, Missing: []metrics.Gap{gap}, Unwatched: 3}, nil
}
