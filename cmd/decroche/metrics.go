package main

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"decroche/call"
	"decroche/metrics"
	"decroche/metrics/report"
	"decroche/privacy"
	"decroche/service"
	"decroche/store"
)

type metricsCmd struct {
	Rebuild rebuildCmd `cmd:"" help:"Make all figures anew from the journal. The line may be running."`
	Status  statusCmd  `cmd:"" help:"Tell how fresh the figures are."`
}

// books are the figures as a tool of the command line reads them.
type books struct {
	db  *store.DB
	c   *config
	def *service.Definition
}

// openBooks opens the database beside a controller, or without one.
func (e *env) openBooks() (*books, error) {
	c, err := e.load()
	if err != nil {
		return nil, err
	}
	def, err := service.ParseFile(c.Service)
	if err != nil {
		return nil, err
	}
	db, err := store.Open(e.ctx, store.Options{URL: c.Database, PasswordFile: c.DatabasePasswordFile, DataDir: c.Data, Tool: true})
	if err != nil {
		return nil, err
	}
	return &books{db, c, def}, nil
}

func (b *books) settings() *metrics.Settings { return metrics.SettingsOf(b.def) }

func (b *books) ledger() *metrics.Ledger {
	return &metrics.Ledger{Store: b.db.Ledger(), Settings: b.settings, Log: slog.Default()}
}

// rebuildGC lets a rebuild, which holds weeks of contacts in memory, take more of it and clean
// up less often: a few seconds of each million contacts.
const rebuildGC = 400

type rebuildCmd struct{}

// Run makes the figures anew.
func (rebuildCmd) Run(e *env) error {
	b, err := e.openBooks()
	if err != nil {
		return err
	}
	defer b.db.Close()
	began := time.Now()
	debug.SetGCPercent(rebuildGC)
	l := b.ledger()
	if err := l.Rebuild(e.ctx); err != nil {
		return fmt.Errorf("make the figures anew: %w", err)
	}
	took := time.Since(began)
	at, err := b.db.Ledger().Standing(e.ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "the figures were made anew from %d facts in %s\n", at.Upto, took.Round(time.Millisecond))
	return l.Tidy(e.ctx)
}

type statusCmd struct{}

// Run tells how fresh the figures are.
func (statusCmd) Run(e *env) error {
	b, err := e.openBooks()
	if err != nil {
		return err
	}
	defer b.db.Close()
	f := metrics.Figures{Store: b.db.Ledger(), Settings: b.settings, Now: time.Now}
	fresh, err := f.Fresh(e.ctx)
	if err != nil {
		return err
	}
	switch {
	case fresh.LastFact.IsZero():
		fmt.Fprintln(e.stdout, "no fact is counted yet")
	case fresh.Outdated:
		fmt.Fprintf(e.stdout, "counted up to %s, with other settings than those of %s: decroche metrics rebuild, or the controller at its next start\n",
			fresh.LastFact.In(b.def.Location).Format(time.DateTime), b.c.Service)
	default:
		fmt.Fprintf(e.stdout, "counted up to %s\n", fresh.LastFact.In(b.def.Location).Format(time.DateTime))
	}
	if !fresh.PurgedBefore.IsZero() {
		fmt.Fprintf(e.stdout, "figures before %s cannot be opened any more: their facts are not kept so long\n",
			fresh.PurgedBefore.In(b.def.Location).Format(time.DateOnly))
	}
	return nil
}

// figures of the line as it runs.
func (s *server) assembleFigures() {
	settings := func() *metrics.Settings { return metrics.SettingsOf(s.def.Load()) }
	s.ledger = &metrics.Ledger{Store: s.db.Ledger(), Settings: settings, Log: s.log}
	s.office = &privacy.Office{Registers: map[string]privacy.Register{}, Store: s.db, Journal: s.db.Journal(), Recordings: s.dropRecordings, Ledger: s.ledger, Service: s.def.Load, Log: s.log}
	s.parity = parityIn(s.db)
	s.figures = &metrics.Figures{Store: s.db.Ledger(), Settings: settings, Now: time.Now, Gently: true}
}

// reports are made from the figures of now.
func (s *server) reports() report.Source {
	names := map[string]string{}
	for _, a := range s.floor.Agents() {
		names[string(a.ID)] = a.Name
	}
	return report.Source{
		Figures: s.figures, Service: s.def.Load(), Now: time.Now, Parity: s.parity, Agent: func(id string) string { return names[id] },
	}
}

// facts serves the facts of a call.
type facts struct{ *store.Journal }

// Facts implements api.Facts.
func (f facts) Facts(ctx context.Context, id call.ID) (out []call.Event, err error) {
	err = f.Read(ctx, store.Filter{Call: id}, func(e store.Entry) error { out = append(out, e.Event); return nil })
	return out, err
}

// auditAt is the local hour of the daily audit: after the night's last calls, before the first.
const auditAt = 5

// audits looks at the figures at the start and once a day, and tells what managers should know.
func (s *server) audits(ctx context.Context) error {
	for {
		now := time.Now().In(s.def.Load().Location)
		today := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location())
		found, err := s.figures.Daily(ctx, today, s.def.Load().Indicators)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			s.log.Warn("the daily audit of the figures failed", "err", err)
		default:
			s.audited.Store(found)
			for _, a := range found.Alarms {
				s.log.Warn("the daily audit found something: decroche report --format html tells more", "kind", a.Kind, "queue", a.Queue,
					"share", a.Value, "limit", a.Limit, "contacts", a.N, "since", a.Since.Format(time.DateOnly))
			}
		}
		next := time.Date(now.Year(), now.Month(), now.Day(), auditAt, 0, 0, 0, now.Location())
		if !next.After(now) {
			next = next.AddDate(0, 0, 1)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Until(next)):
		}
	}
}

// alarms gives what the last audit found.
func (s *server) alarms(emit func(float64, ...string)) {
	if found := s.audited.Load(); found != nil {
		for _, a := range found.Alarms {
			emit(1, string(a.Kind), a.Queue)
		}
	}
}

// packs keeps the journal small until ctx ends.
func (s *server) packs(ctx context.Context) error {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		if _, err := s.db.Journal().Seal(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("the journal takes more room than it should, trying again", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// today gives the taux de décroché of the day, agent and global, as far as there is one.
func (s *server) today(emit func(float64, ...string)) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	zone := s.def.Load().Location
	y, m, d := time.Now().In(zone).Date()
	lines, err := s.figures.Lines(ctx, metrics.Query{From: time.Date(y, m, d, 0, 0, 0, 0, zone), To: time.Date(y, m, d+1, 0, 0, 0, 0, zone)})
	if err != nil || len(lines) == 0 {
		return
	}
	for _, name := range []string{"decroche_agent", "decroche_global"} {
		if i, ok := metrics.IndicatorOf(name); ok {
			if f := i.Of(lines[0].Cell); f.Known {
				emit(f.Value, name)
			}
		}
	}
}
