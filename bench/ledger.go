package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"
	"text/template"
	"time"

	"decroche/metrics"
	"decroche/metrics/metricstest"
	"decroche/store"
	"decroche/store/storetest"
)

// ledger is the part that measures the journal and what is derived from it.
const ledgerPart = "ledger"

// year is what one size of history measured on one engine.
type year struct {
	engine           string
	contacts, events int
	ingested         time.Duration    // journal and ledger, side by side
	rebuilt          time.Duration    // the median of three, and so
	tidied           time.Duration    // then, to give up what was live before
	bytes            map[string]int64 // by part
	asked, opened    []time.Duration  // figures of the year by queue and month; first pages
}

// eventsPerSecond, contactsPerSecond and bytesPerContact are what the bars are set on.
func (y year) eventsPerSecond() float64   { return float64(y.events) / y.ingested.Seconds() }
func (y year) contactsPerSecond() float64 { return float64(y.contacts) / y.rebuilt.Seconds() }
func (y year) bytesPerContact() float64 {
	sum := int64(0)
	for _, n := range y.bytes {
		sum += n
	}
	return float64(sum) / float64(y.contacts)
}

func (y year) String() string {
	return fmt.Sprintf("%s, %d contacts, %d events: ingestion %.0f events/s, rebuild %.0f contacts/s (then %.1f s to give up what was there before), %.0f bytes per contact (%s), a year by queue and month %s, first page %s",
		y.engine, y.contacts, y.events, y.eventsPerSecond(), y.contactsPerSecond(), y.tidied.Seconds(), y.bytesPerContact(), y.parts(), percentiles(y.asked), percentiles(y.opened))
}

func (y year) parts() string {
	var words []string
	for _, part := range []string{"journal", "contacts", "figures"} {
		words = append(words, fmt.Sprintf("%s %.0f", part, float64(y.bytes[part])/float64(y.contacts)))
	}
	return strings.Join(words, ", ")
}

// ledger measures a quarter, half and all of the contacts, so that the slope shows, and writes
// its section of the results.
func (r *results) ledger(ctx context.Context) error {
	if !slices.Contains([]string{"sqlite", "postgres", "both"}, r.o.engine) {
		return fmt.Errorf("there is no engine %q: write sqlite, postgres or both", r.o.engine)
	}
	var years []year
	for _, engine := range []string{"sqlite", "postgres"} {
		if r.o.engine != "both" && r.o.engine != engine {
			continue
		}
		for _, share := range []int{4, 2, 1} {
			y, err := r.year(ctx, engine, r.o.contacts/share)
			if err != nil {
				return fmt.Errorf("measure the figures on %s: %w", engine, err)
			}
			say("%v", y)
			years = append(years, y)
		}
	}
	return r.writeLedger(years)
}

// ledgerTitle begins what this part measures; runs without it keep what is there.
const ledgerTitle = "## The figures of a year"

// writeLedger puts the section in the place of the one before, or at the end.
func (r *results) writeLedger(years []year) error {
	if r.o.out == "" || r.o.quick {
		return nil
	}
	t, err := template.ParseFS(assets, "assets/LEDGER.md")
	if err != nil {
		return err
	}
	var rows [][]string
	for _, y := range years {
		rows = append(rows, y.row())
	}
	var section bytes.Buffer
	err = t.Execute(&section, map[string]any{
		"Title": ledgerTitle, "Date": r.begun.Format("2006-01-02 15:04 MST"), "Load": r.loadBefore, "Rows": rows, "Bars": bars(years),
	})
	if err != nil {
		return fmt.Errorf("write the results: %w", err)
	}
	text, err := os.ReadFile(r.o.out)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if former := r.former(ledgerTitle); former != nil {
		text = bytes.Replace(text, former, section.Bytes(), 1)
	} else {
		text = append(append(bytes.TrimRight(text, "\n"), "\n\n"...), section.Bytes()...)
	}
	return os.WriteFile(r.o.out, text, 0o644)
}

func (y year) row() []string {
	part := func(name string) string { return fmt.Sprintf("%.0f", float64(y.bytes[name])/float64(y.contacts)) }
	return []string{
		y.engine, fmt.Sprint(y.contacts), fmt.Sprint(y.events), fmt.Sprintf("%.0f", y.eventsPerSecond()), fmt.Sprintf("%.0f", y.contactsPerSecond()),
		fmt.Sprintf("%.0f", y.bytesPerContact()), part("journal") + ", " + part("contacts") + ", " + part("figures"), percentiles(y.asked), percentiles(y.opened),
	}
}

// bars says of each bar whether the largest years reached it, on every engine.
func bars(years []year) []string {
	most := 0
	for _, y := range years {
		most = max(most, y.contacts)
	}
	all := func(reached func(year) bool) bool {
		return !slices.ContainsFunc(years, func(y year) bool { return y.contacts == most && !reached(y) })
	}
	fast := func(list []time.Duration) bool { return quantile(list, 0.95) < 100*time.Millisecond }
	return []string{
		mark(all(func(y year) bool { return y.eventsPerSecond() >= 20_000 }), "ingestion, to reach: 20,000 events/s"),
		mark(all(func(y year) bool { return y.contactsPerSecond() >= 50_000 }), "rebuild, to reach: 50,000 contacts/s"),
		mark(all(func(y year) bool { return y.bytesPerContact() <= 1500 }), "disk, to reach: 1,500 bytes per contact"),
		mark(all(func(y year) bool { return fast(y.asked) }), "a year by queue and month, to reach: p95 below 100 ms"),
		mark(all(func(y year) bool { return fast(y.opened) }), "first page, to reach: p95 below 100 ms"),
	}
}

// year fills a new database with a year of contacts and asks it for figures.
func (r *results) year(ctx context.Context, engine string, contacts int) (year, error) {
	y := year{engine: engine, contacts: contacts}
	dir, err := os.MkdirTemp("", "decroche-bench-ledger-")
	if err != nil {
		return y, err
	}
	defer os.RemoveAll(dir)
	if r.o.keep != "" && engine == "sqlite" {
		dir = filepath.Join(r.o.keep, fmt.Sprint(contacts))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return y, err
		}
	}
	url := "sqlite:" + filepath.Join(dir, "decroche.db")
	if engine == "postgres" {
		s := &scene{}
		defer s.over()
		url = storetest.StartPostgres(s, "fsync=on").Database(s)
	}
	open := func() (*store.DB, error) {
		return store.Open(ctx, store.Options{URL: url, DataDir: dir, Log: slog.New(slog.DiscardHandler)})
	}
	db, err := open()
	if err != nil {
		return y, err
	}
	defer func() { db.Close() }()
	settings := &metrics.Settings{
		Zone: metricstest.Paris, Short: 5 * time.Second, Reconnect: 5 * time.Minute, SelfService: metrics.Week, OtherReason: "autre",
	}
	ledger := func() *metrics.Ledger {
		return &metrics.Ledger{Store: db.Ledger(), Settings: func() *metrics.Settings { return settings }, Log: slog.New(slog.DiscardHandler)}
	}
	l := ledger()
	to := time.Now().In(metricstest.Paris)
	from := time.Date(to.Year(), to.Month(), to.Day()-365, 0, 0, 0, 0, metricstest.Paris)
	if told := filepath.Join(dir, "told"); !y.toldBefore(told) {
		if err := y.ingest(ctx, db, l, metricstest.Year{Seed: 1, Contacts: contacts, From: from}); err != nil {
			return y, err
		}
		if err := os.WriteFile(told, fmt.Appendf(nil, "%d events in %d ns\n", y.events, y.ingested), 0o600); err != nil {
			return y, err
		}
	}
	if err := db.Close(); err != nil { // as a tool of the command line begins
		return y, err
	}
	if db, err = open(); err != nil {
		return y, err
	}
	l = ledger()
	if err := y.rebuild(ctx, l); err != nil {
		return y, err
	}
	if err := y.ask(ctx, &metrics.Figures{Store: db.Ledger(), Settings: l.Settings, Now: time.Now}, from); err != nil {
		return y, err
	}
	y.bytes, err = sizes(ctx, url)
	return y, err
}

// toldBefore reads how long the events took that the folder has already.
func (y *year) toldBefore(file string) bool {
	text, err := os.ReadFile(file)
	if err != nil {
		return false
	}
	n, err := fmt.Sscanf(string(text), "%d events in %d ns", &y.events, &y.ingested)
	return err == nil && n == 2
}

// rebuild makes everything derived anew, three times: what is told is the median.
func (y *year) rebuild(ctx context.Context, l *metrics.Ledger) error {
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // as `decroche metrics rebuild` does
	var rebuilt, tidied []time.Duration
	for range 3 {
		syscall.Sync() // what was written before is not to be waited for
		runtime.GC()
		begun := time.Now()
		if err := l.Rebuild(ctx); err != nil {
			return err
		}
		rebuilt = append(rebuilt, time.Since(begun))
		begun = time.Now()
		if err := l.Tidy(ctx); err != nil {
			return err
		}
		tidied = append(tidied, time.Since(begun))
	}
	y.rebuilt, y.tidied = quantile(rebuilt, 0.5), quantile(tidied, 0.5)
	return nil
}

// ingest hands the year to the journal, as fast as it takes it, while the ledger folds.
func (y *year) ingest(ctx context.Context, db *store.DB, l *metrics.Ledger, told metricstest.Year) error {
	more, folded := make(chan struct{}, 1), make(chan error, 1)
	fold := func() error {
		if err := l.Advance(ctx); err != nil {
			return err
		}
		_, err := db.Journal().Seal(ctx)
		if f := new(store.Fault); errors.As(err, &f) && f.Kind == store.Locked {
			return nil // in service too it is tried again later
		}
		return err
	}
	go func() {
		for range more {
			if err := fold(); err != nil {
				folded <- err
				return
			}
		}
		folded <- fold()
	}()
	begun := time.Now()
	for e := range told.Events() {
		db.Journal().Append(e)
		if y.events++; y.events%20_000 == 0 { // below what the journal keeps in memory
			if err := db.Journal().Flush(ctx); err != nil {
				return err
			}
			select {
			case more <- struct{}{}:
			case err := <-folded:
				return err
			default:
			}
		}
	}
	if err := db.Journal().Flush(ctx); err != nil {
		return err
	}
	close(more)
	err := <-folded
	y.ingested = time.Since(begun)
	return err
}

// ask times the figures of the year, each indicator of it, and the lists behind them.
func (y *year) ask(ctx context.Context, f *metrics.Figures, from time.Time) error {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 40 {
		begun := time.Now()
		lines, err := f.Lines(ctx, metrics.Query{From: from, To: from.AddDate(1, 0, 0), Step: metrics.ByMonth, By: metrics.ByQueue, Percentiles: true})
		if err != nil {
			return err
		}
		for _, i := range metrics.Indicators {
			for _, l := range lines {
				i.Of(l.Cell)
			}
		}
		y.asked = append(y.asked, time.Since(begun))
		for range 5 {
			l, i := lines[rng.IntN(len(lines))], metrics.Indicators[rng.IntN(len(metrics.Indicators))]
			if i.Percentile() {
				continue
			}
			begun := time.Now()
			_, err := f.Contacts(ctx, metrics.Drill{From: l.From, To: l.To, Where: map[metrics.Dim]string{metrics.ByQueue: l.Value}, Counted: i.Num})
			if err != nil {
				return err
			}
			y.opened = append(y.opened, time.Since(begun))
		}
	}
	return nil
}

// sizes are the bytes that tables take, with their indexes, by part.
func sizes(ctx context.Context, url string) (map[string]int64, error) {
	driver, query := "pgx", `SELECT relname, pg_total_relation_size(oid) FROM pg_class WHERE relkind = 'r' AND relname ~ '^(journal|contacts|links|rollups)'`
	if path, is := strings.CutPrefix(url, "sqlite:"); is {
		driver, url = "sqlite", path
		query = `SELECT name, sum(pgsize) FROM dbstat GROUP BY name`
	}
	db, err := sql.Open(driver, url)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]int64{}
	for rows.Next() {
		var name string
		var n int64
		if err := rows.Scan(&name, &n); err != nil {
			return nil, err
		}
		name = strings.TrimPrefix(name, "sqlite_autoindex_")
		for prefix, part := range map[string]string{"journal": "journal", "contacts": "contacts", "links": "contacts", "rollups": "figures"} {
			if strings.HasPrefix(name, prefix) {
				out[part] += n
			}
		}
	}
	return out, rows.Err()
}

// scene lets the tests' PostgreSQL be started outside a test.
type scene struct {
	testing.TB
	after []func()
}

func (s *scene) Helper()                      {}
func (s *scene) Cleanup(f func())             { s.after = append(s.after, f) }
func (s *scene) Fatal(args ...any)            { panic(fmt.Sprint(args...)) }
func (s *scene) Fatalf(f string, args ...any) { panic(fmt.Sprintf(f, args...)) }
func (s *scene) Errorf(f string, args ...any) { say(f, args...) }
func (s *scene) Context() context.Context     { return context.Background() }

func (s *scene) over() {
	for _, f := range slices.Backward(s.after) {
		f()
	}
}
