package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"decroche/call"
	"decroche/metrics"
	"decroche/service"
	"decroche/store"
)

// watchEvery is how often the line and its access for deaf and hard-of-hearing callers are compared.
const watchEvery = 15 * time.Second

// watchAccess tells the journal how the two stand: at each change, and in each half-hour.
func (s *server) watchAccess(ctx context.Context) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	var last metrics.Sight
	for {
		now := s.sight(time.Now())
		if changed := now.Line != last.Line || now.Open != last.Open || now.Why != last.Why; changed || !now.At.Truncate(metrics.HalfHour).Equal(last.At.Truncate(metrics.HalfHour)) {
			if changed && now.Line && !now.Open {
				s.log.Warn("the line is open and its access for deaf and hard-of-hearing callers is not", "why", now.Why)
			}
			s.live.Append(call.NewEvent("", call.EventAccess, now))
			last = now
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// sight is how the two stand now. The line is open while a person can be reached in any queue.
func (s *server) sight(now time.Time) metrics.Sight {
	def := s.def.Load()
	seen := metrics.Sight{At: now}
	if def.Opening(now).Open {
		for id := range def.Queues {
			seen.Line = seen.Line || !s.closedNow(id)
		}
	}
	switch {
	case !seen.Line:
	case !def.AccessOpen(now):
		seen.Why = "hours"
	case s.closedNow(def.AccessQueue()):
		seen.Why = "message"
	default:
		seen.Open = true
	}
	return seen
}

type accessCmd struct {
	Month  string `placeholder:"2026-11" help:"The month; the present one by default."`
	Format string `default:"text" enum:"text,json" help:"text or json."`
}

// Run proves, half-hour by half-hour, that deaf callers had the hours of everybody.
func (cmd accessCmd) Run(e *env) error {
	b, err := e.openBooks()
	if err != nil {
		return err
	}
	defer b.db.Close()
	from, to, err := cmd.span(time.Now(), b.def)
	if err != nil {
		return err
	}
	p, err := parityIn(b.db)(e.ctx, from, to)
	if err != nil {
		return err
	}
	if cmd.Format == "json" {
		return json.NewEncoder(e.stdout).Encode(p)
	}
	return printParity(e.stdout, p, b.def.Location)
}

// parityIn counts the half-hours of [from, to) by what the journal has.
func parityIn(db *store.DB) func(ctx context.Context, from, to time.Time) (metrics.Parity, error) {
	var mu sync.Mutex
	var seen []metrics.Sight
	facts := follower{kinds: []call.EventKind{call.EventAccess}}
	return func(ctx context.Context, from, to time.Time) (metrics.Parity, error) {
		mu.Lock()
		defer mu.Unlock()
		err := facts.read(ctx, db.Journal(), from, func() { seen = nil }, func(f store.Entry) error {
			var s metrics.Sight
			if err := json.Unmarshal(f.Data, &s); err != nil {
				return fmt.Errorf("fact %d of the journal: %w", f.ID, err)
			}
			s.At = f.At
			seen = append(seen, s)
			return nil
		})
		if err != nil {
			return metrics.Parity{}, err
		}
		return metrics.ParityOf(seen, from, to), nil
	}
}

// span is the month up to now, in whole half-hours.
func (cmd accessCmd) span(now time.Time, def *service.Definition) (from, to time.Time, err error) {
	now = now.In(def.Location)
	from = time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, def.Location)
	if cmd.Month != "" {
		if from, err = time.ParseInLocation("2006-01", cmd.Month, def.Location); err != nil {
			return from, to, fmt.Errorf("--month %s: write a month as 2026-11", cmd.Month)
		}
	}
	if to = from.AddDate(0, 1, 0); to.After(now) {
		to = now.Truncate(metrics.HalfHour).Add(metrics.HalfHour)
	}
	if !from.Before(to) {
		return from, to, fmt.Errorf("--month %s has not begun", cmd.Month)
	}
	return from, to, nil
}

func printParity(out io.Writer, p metrics.Parity, zone *time.Location) error {
	line := func(format string, args ...any) { fmt.Fprintf(out, format+"\n", args...) }
	line("from %s until %s", p.From.In(zone).Format("2006-01-02 15:04"), p.To.In(zone).Format("2006-01-02 15:04"))
	line("the line was open in %d half-hours; its access for deaf and hard-of-hearing callers in %d of them", p.Line, p.Open)
	for _, g := range p.Missing {
		line("missing: %s – %s (%s)", g.From.In(zone).Format("2006-01-02 15:04"), g.To.In(zone).Format("15:04"), g.Why)
	}
	if p.Unwatched > 0 {
		line("of %d half-hours nothing is known: no controller ran", p.Unwatched)
	}
	if share, ok := p.Share(); ok {
		line("parity: %.2f %%", 100*share)
	}
	return nil
}
