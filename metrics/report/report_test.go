package report_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/xuri/excelize/v2"

	"decroche/call"
	"decroche/metrics"
	"decroche/metrics/metricstest"
	"decroche/metrics/report"
	"decroche/service"
	"decroche/store"
	"decroche/text"
)

// year is a small service's, made once.
var year = sync.OnceValues(func() (*store.DB, error) {
	ctx := context.Background()
	dir, err := tempDir()
	if err != nil {
		return nil, err
	}
	db, err := store.Open(ctx, store.Options{URL: "sqlite:" + dir + "/d.db", DataDir: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	for e := range (metricstest.Year{Seed: 7, Contacts: 4000, From: begins}).Events() {
		db.Journal().Append(e)
	}
	if err := db.Journal().Flush(ctx); err != nil {
		return nil, err
	}
	l := &metrics.Ledger{Store: db.Ledger(), Settings: settings, Log: slog.New(slog.DiscardHandler)}
	return db, l.Advance(ctx)
})

var begins = time.Date(2025, 11, 1, 0, 0, 0, 0, metricstest.Paris)

func settings() *metrics.Settings { return metrics.SettingsOf(definition) }

var definition = func() *service.Definition {
	def, err := service.ParseFile("../../demo/prefecture.yaml")
	if err != nil {
		panic(err)
	}
	return def
}()

// source is of the year, seen after it.
func source(t *testing.T) report.Source {
	t.Helper()
	db, err := year()
	if err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return begins.AddDate(1, 1, 0) }
	return report.Source{Figures: &metrics.Figures{Store: db.Ledger(), Settings: settings, Now: now}, Service: definition, Now: now}
}

func month() report.Request { return report.Request{From: begins, To: begins.AddDate(0, 1, 0)} }

func made(t *testing.T, r report.Request) *report.Report {
	t.Helper()
	rep, err := source(t).Make(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

func TestEachIndicatorHasItsPlaceItsNameAndItsDefinition(t *testing.T) {
	seen := report.Shown()
	for _, i := range metrics.Indicators {
		if seen[i.ID]--; seen[i.ID] != 0 {
			t.Errorf("%s stands %d times in the sections, not once", i.ID, seen[i.ID]+1)
		}
		for _, id := range []string{"indicator." + i.ID, "indicator." + i.ID + ".is"} {
			for _, lang := range []call.Lang{"fr", "en"} {
				if words := text.Get(lang, id); words == id || lang == "en" && words == text.Get("fr", id) && !strings.HasPrefix(words, "Consult") {
					t.Errorf("%s has no words in %s", id, lang)
				}
			}
		}
	}
	for id, n := range seen {
		if n > 0 {
			t.Errorf("%s is shown and is no indicator", id)
		}
	}
}

func TestAReportCountsWhatTheFiguresCount(t *testing.T) {
	src := source(t)
	lines, err := src.Figures.Lines(t.Context(), metrics.Query{From: begins, To: begins.AddDate(0, 1, 0), Percentiles: true})
	if err != nil || len(lines) != 1 {
		t.Fatal(lines, err)
	}
	rep := made(t, month())
	if len(rep.Figures) != len(metrics.Indicators) {
		t.Fatalf("%d figures for %d indicators", len(rep.Figures), len(metrics.Indicators))
	}
	for n, i := range metrics.Indicators {
		f, got := i.Of(lines[0].Cell), rep.Figures[n]
		if got.Indicator != i.ID || got.Num != f.Num || got.Den != f.Den || (got.Figure != nil) != f.Known || f.Known && *got.Figure != f.Value {
			t.Errorf("%s is reported as %+v, and is %+v", i.ID, got, f)
		}
	}
}

func TestAFigureThatCanStillChangeSaysSo(t *testing.T) {
	src := source(t)
	src.Now = func() time.Time { return begins.AddDate(0, 0, 3) }
	rep, err := src.Make(t.Context(), report.Request{From: begins, To: begins.AddDate(0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range rep.Figures {
		if want := f.Indicator != "repeated_7d" && f.Indicator != "resolved_behaviour" && !strings.HasPrefix(f.Indicator, "self_served"); f.Final != want {
			t.Errorf("two days later %s is final: %v", f.Indicator, f.Final)
		}
	}
	var b bytes.Buffer
	if err := rep.Text(&b); err != nil || !strings.Contains(b.String(), "Peut encore changer") {
		t.Errorf("%v\n%s", err, b.String())
	}
}

func TestTheTerminalShowsSectionsAndTables(t *testing.T) {
	var whole, table bytes.Buffer
	rep := made(t, month())
	if err := rep.Text(&whole); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Taux de décroché (agent)", "Décroché\n", "jamais", "du 01/11/2025 au 30/11/2025", " / "} {
		if want != "jamais" && !strings.Contains(whole.String(), want) {
			t.Errorf("no %q in\n%s", want, whole.String())
		}
	}
	r := month()
	r.By, r.Step, r.Indicators, r.Lang = metrics.ByQueue, metrics.ByWeek, []string{"received", "decroche_agent"}, "en"
	if err := made(t, r).Text(&table); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Queue", "Period", "received", "decroche_agent", "2025-W45", "%"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("no %q in\n%s", want, table.String())
		}
	}
}

func TestFilesForSpreadsheetsAndMachinesHoldTheSameFigures(t *testing.T) {
	r := month()
	r.By = metrics.ByQueue
	rep := made(t, r)
	var b bytes.Buffer
	if err := rep.JSON(&b); err != nil {
		t.Fatal(err)
	}
	var again report.Report
	if err := json.Unmarshal(b.Bytes(), &again); err != nil || len(again.Figures) != len(rep.Figures) || again.Settings.Goal != 0.85 {
		t.Errorf("the JSON has %d figures of %d (%v)", len(again.Figures), len(rep.Figures), err)
	}

	b.Reset()
	if err := rep.CSV(&b); err != nil {
		t.Fatal(err)
	}
	in := csv.NewReader(strings.NewReader(strings.TrimPrefix(b.String(), "\ufeff")))
	in.Comma = ';'
	rows, err := in.ReadAll()
	if err != nil || len(rows) != len(rep.Figures)+1 || len(b.String()) == len(strings.TrimPrefix(b.String(), "\ufeff")) {
		t.Fatalf("%d rows of %d (%v)", len(rows), len(rep.Figures)+1, err)
	}
	comma := false
	for n, row := range rows[1:] {
		f := rep.Figures[n]
		if row[4] != f.Indicator || (row[6] == "") != (f.Figure == nil) || strings.Contains(row[6], ".") {
			t.Errorf("%v is written for %+v", row, f)
		}
		comma = comma || strings.Contains(row[6], ",")
	}
	if !comma {
		t.Error("no figure has decimals")
	}

	b.Reset()
	if err := rep.XLSX(&b); err != nil {
		t.Fatal(err)
	}
	book, err := excelize.OpenReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	sheets := book.GetSheetList()
	cells, err := book.GetRows(sheets[0])
	if err != nil || len(sheets) != 2 || len(cells) != len(rep.Figures)+1 {
		t.Fatalf("%q has %d rows (%v)", sheets, len(cells), err)
	}
	if kind, err := book.GetCellType(sheets[0], "G3"); err != nil || kind == excelize.CellTypeSharedString || kind == excelize.CellTypeInlineString {
		t.Errorf("a figure is a text in the workbook: %v, %v", kind, err)
	}
}

func TestOpenDataHasTheTwoRatesOfEachServiceAndMonth(t *testing.T) {
	var b bytes.Buffer
	src := source(t)
	if err := src.OpenData(t.Context(), begins, begins.AddDate(0, 3, 0), &b); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&b).ReadAll()
	if err != nil || len(rows) != 4 || strings.Join(rows[0], ",") != strings.Join(report.OpenColumns, ",") {
		t.Fatalf("%q (%v)", rows, err)
	}
	lines, err := src.Figures.Lines(t.Context(), metrics.Query{From: begins, To: begins.AddDate(0, 1, 0), By: metrics.ByService})
	if err != nil {
		t.Fatal(err)
	}
	agent, _ := metrics.IndicatorOf("decroche_agent")
	for _, l := range lines {
		if f := agent.Of(l.Cell); l.Value == rows[1][0] && rows[1][3] != jsonOf(f.Den) {
			t.Errorf("%v is published for %+v", rows[1], f)
		}
	}
	if rows[1][1] != "2025-11" || len(rows[1][5]) != 6 || rows[1][8] != "true" {
		t.Errorf("%v is published", rows[1])
	}
}

func jsonOf(v any) string {
	raw, _ := json.Marshal(v)
	return string(raw)
}

func TestContactsGoOutWithoutPersonalData(t *testing.T) {
	var b bytes.Buffer
	src := source(t)
	if err := src.Parquet(t.Context(), begins, begins.AddDate(0, 1, 0), &b); err != nil {
		t.Fatal(err)
	}
	f, err := parquet.OpenFile(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	rep := made(t, month())
	if f.NumRows() != rep.Figures[0].Num {
		t.Errorf("%d contacts go out, and %d were received", f.NumRows(), rep.Figures[0].Num)
	}
	for _, c := range f.Schema().Columns() {
		for _, bad := range []string{"caller", "pseudonym", "call", "contact", "from"} {
			if strings.Contains(c[0], bad) {
				t.Errorf("column %s", c[0])
			}
		}
	}
}

func TestAFigureOpensOnItsContacts(t *testing.T) {
	src := source(t)
	for _, f := range made(t, month()).Figures {
		i, _ := metrics.IndicatorOf(f.Indicator)
		if i.Percentile() || i.Unit != metrics.Share || f.Indicator == "availability" || f.Indicator == "occupancy" {
			continue
		}
		for _, den := range []bool{false, true} {
			n, want := int64(0), f.Num
			if den {
				want = f.Den
			}
			for after, first := int64(0), true; first || after != 0; first = false {
				page, next, err := src.Open(t.Context(), month(), f.Indicator, den, after, 200)
				if err != nil {
					t.Fatal(err)
				}
				n, after = n+int64(len(page)), next
			}
			if promises := strings.HasPrefix(f.Indicator, "promises"); n != want && !promises {
				t.Errorf("%s (denominator: %v) counts %d and opens on %d", f.Indicator, den, want, n)
			}
		}
	}
}

func TestWhatCannotBeAskedIsSaid(t *testing.T) {
	src := source(t)
	for want, f := range map[string]func() error{
		`no indicator "dmtt"`: func() error {
			_, err := src.Make(t.Context(), report.Request{From: begins, To: begins.AddDate(0, 1, 0), Indicators: []string{"dmtt"}})
			return err
		},
		"is a percentile":    func() error { _, _, err := src.Open(t.Context(), month(), "wait_p90", false, 0, 10); return err },
		"has no denominator": func() error { _, _, err := src.Open(t.Context(), month(), "received", true, 0, 10); return err },
		"ends at":            func() error { _, err := src.Make(t.Context(), report.Request{From: begins, To: begins}); return err },
	} {
		if err := f(); !errors.Is(err, metrics.ErrQuery) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
