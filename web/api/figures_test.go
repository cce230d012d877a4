package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"decroche/call"
	"decroche/metrics"
	"decroche/metrics/metricstest"
	"decroche/metrics/report"
	"decroche/service"
	"decroche/store"
)

// kept serves the facts of a store's journal.
type kept struct{ *store.Journal }

func (k kept) Facts(ctx context.Context, id call.ID) (out []call.Event, err error) {
	err = k.Read(ctx, store.Filter{Call: id}, func(e store.Entry) error { out = append(out, e.Event); return nil })
	return out, err
}

// begins is when the year of the tests begins.
var begins = time.Date(2025, 11, 1, 0, 0, 0, 0, metricstest.Paris)

// aYear is a database with the facts and figures of a year, made once for all tests, which only read it.
var aYear = sync.OnceValues(func() (path string, err error) {
	dir, err := os.MkdirTemp("", "decroche-api-")
	if err != nil {
		return "", err
	}
	yearDir, path = dir, filepath.Join(dir, "d.db")
	ctx := context.Background()
	db, err := store.Open(ctx, store.Options{URL: "sqlite:" + path, DataDir: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return path, err
	}
	for e := range (metricstest.Year{Seed: 3, Contacts: 1500, From: begins}).Events() {
		db.Journal().Append(e)
	}
	if err = db.Journal().Flush(ctx); err == nil {
		err = ledgerOf(db, demo()).Advance(ctx)
	}
	return path, errors.Join(err, db.Close())
})

var yearDir string // "" while no test asked for it

func TestMain(m *testing.M) {
	code := m.Run()
	if yearDir != "" {
		os.RemoveAll(yearDir)
	}
	os.Exit(code)
}

func demo() *service.Definition {
	def, err := service.ParseFile("../../demo/prefecture.yaml")
	if err != nil {
		panic(err)
	}
	return def
}

func ledgerOf(db *store.DB, def *service.Definition) *metrics.Ledger {
	settings := func() *metrics.Settings { return metrics.SettingsOf(def) }
	return &metrics.Ledger{Store: db.Ledger(), Settings: settings, Log: slog.New(slog.DiscardHandler)}
}

// counting is a server with the figures of that year.
func counting(t *testing.T) *rig {
	t.Helper()
	path, err := aYear()
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), store.Options{URL: "sqlite:" + path, DataDir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	def := demo()
	settings := ledgerOf(db, def).Settings
	now := func() time.Time { return begins.AddDate(1, 1, 0) }
	g := newRig(t)
	g.Facts = kept{db.Journal()}
	g.Reports = func() report.Source {
		return report.Source{Figures: &metrics.Figures{Store: db.Ledger(), Settings: settings, Now: now}, Service: def, Now: now}
	}
	return g
}

// gets reads an answer into a value.
func gets[T any](g *rig, path string) (out T) {
	g.t.Helper()
	status, answer, _ := g.do(request{method: "GET", path: path})
	raw, _ := json.Marshal(answer)
	if text, is := answer["text"].(string); is {
		raw = []byte(text)
	}
	if err := json.Unmarshal(raw, &out); err != nil || status != 200 {
		g.t.Fatalf("%s: %d %.300s (%v)", path, status, raw, err)
	}
	return out
}

const months = "from=2025-11-01&to=2026-02-01"

func TestEachIndicatorIsDefinedForThoseWhoReadIt(t *testing.T) {
	list := gets[[]Definition](counting(t), "/api/indicators")
	if len(list) != len(metrics.Indicators) {
		t.Fatalf("%d of %d indicators are defined", len(list), len(metrics.Indicators))
	}
	for n, d := range list {
		if d.ID != metrics.Indicators[n].ID || d.Name["fr"] == "" || d.Name["en"] == d.Name["fr"] && d.ID != "consulted" || d.Is["fr"] == "" || d.Unit == "" {
			t.Errorf("%+v", d)
		}
		if strings.HasPrefix(d.ID, "dm") && d.Better != "" {
			t.Errorf("%s has a better way: it could be made a goal", d.ID)
		}
	}
}

func TestFiguresAreThoseOfTheReport(t *testing.T) {
	g := counting(t)
	rep := gets[report.Report](g, "/api/figures?"+months+"&by=queue&step=month&indicator=decroche_agent&indicator=received&where.language=fr&lang=en")
	if rep.By != "queue" || rep.Step != "month" || len(rep.Where) != 1 || len(rep.Figures) < 20 || rep.Figures[0].Name != "Answer rate (agent)" {
		t.Errorf("%+v", rep)
	}
	sum := int64(0)
	for _, f := range rep.Figures {
		if f.Indicator == "received" {
			sum += f.Num
		}
	}
	whole := gets[report.Report](g, "/api/figures?"+months+"&indicator=received&where.language=fr")
	if len(whole.Figures) != 1 || whole.Figures[0].Num != sum || sum == 0 {
		t.Errorf("the parts are %d contacts, the whole is %+v", sum, whole.Figures)
	}
}

func TestAFigureOpensPageByPageAndAContactOnItsFacts(t *testing.T) {
	g := counting(t)
	rate := gets[report.Report](g, "/api/figures?"+months+"&indicator=decroche_agent").Figures[0]
	for side, want := range map[string]int64{"num": rate.Num, "den": rate.Den} {
		n, after := int64(0), int64(0)
		for {
			page := gets[opened](g, fmt.Sprintf("/api/figures/contacts?%s&indicator=decroche_agent&side=%s&limit=40&after=%d", months, side, after))
			n += int64(len(page.Contacts))
			if after = page.Next; after == 0 {
				break
			}
		}
		if n != want {
			t.Errorf("%s opens on %d contacts and counts %d", side, n, want)
		}
	}
	first := gets[opened](g, "/api/figures/contacts?"+months+"&indicator=decroche_agent").Contacts[0]
	c := gets[whole](g, "/api/contacts/"+string(first.Contact))
	if c.Contact != first.Contact || len(c.Facts) < 5 || c.Facts[0].Kind != call.EventArrived || c.Facts[len(c.Facts)-1].At.Before(c.Facts[0].At) {
		t.Errorf("%+v", c)
	}
	for _, f := range c.Facts {
		if f.Data["caller"] != nil || f.Data["caller_was"] != nil {
			t.Errorf("a pseudonym is shown: %v", f.Data)
		}
	}
}

func TestAQuestionAboutFiguresThatIsWrongIsToldWhatIsWrong(t *testing.T) {
	g := counting(t)
	for query, says := range map[string]string{
		"figures?to=2026-01-01":                                       "from: write a day as",
		"figures?from=2026-01-01&to=01/02/2026":                       "to: write a day as",
		"figures?" + months + "&by=colour":                            `by: there is no dimension "colour"`,
		"figures?" + months + "&where.colour=red":                     "where.colour: this question has no such parameter",
		"figures?" + months + "&queue=accueil":                        "queue: this question has no such parameter",
		"figures?" + months + "&step=decade":                          `no period "decade"`,
		"figures?" + months + "&indicator=dmtt":                       `no indicator "dmtt"`,
		"figures?" + months + "&lang=de":                              "lang: fr or en",
		"figures?from=2026-02-01&to=2026-01-01":                       "ends at",
		"figures?from=2026-02-01T00:07:00Z&to=2026-02-02":             "quarter of an hour",
		"figures/contacts?" + months:                                  "name the one that is opened",
		"figures/contacts?" + months + "&indicator=asa&side=left":     "side: num opens",
		"figures/contacts?" + months + "&indicator=wait_p90":          "is a percentile",
		"figures/contacts?" + months + "&indicator=asa&limit=501":     "limit: 1 to 500",
		"figures/contacts?" + months + "&indicator=asa&after=-1":      "after: give",
		"figures/contacts?" + months + "&indicator=received&side=den": "has no denominator",
	} {
		g.refuses(request{method: "GET", path: "/api/" + query}, 400, says)
	}
	g.refuses(request{method: "GET", path: "/api/contacts/nobody"}, 404, "there is no contact nobody")
}
