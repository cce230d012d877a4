package metrics

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"decroche/call"
	"decroche/metrics/metricstest"
)

// A journal of some weeks, over a change of the clocks, told to a ledger in parts of any size
// while controllers come and go, is the same to the byte as when it is read in one go.
func TestARandomJournalToldInPartsWithRestartsIsWhatARebuildMakes(t *testing.T) {
	settings := usual()
	ledger := func(s *shelf) *Ledger {
		return &Ledger{Store: s, Settings: func() *Settings { return settings }, Log: slog.New(slog.DiscardHandler)}
	}
	rapid.Check(t, func(r *rapid.T) {
		events := slices.Collect(metricstest.Year{
			Seed: rapid.Uint64().Draw(r, "seed"), Contacts: rapid.IntRange(0, 90).Draw(r, "contacts"),
			From: time.Date(2026, 3, 16, 0, 0, 0, 0, paris), Days: rapid.IntRange(1, 18).Draw(r, "days"),
		}.Events())
		live := newShelf()
		l := ledger(live)
		for rest := events; len(rest) > 0; {
			n := rapid.IntRange(1, max(1, len(rest)/3)).Draw(r, "part")
			live.events, rest = append(live.events, rest[:n]...), rest[n:]
			if err := l.Advance(t.Context()); err != nil {
				r.Fatal(err)
			}
			if rapid.Bool().Draw(r, "restart") {
				l = ledger(live)
			}
		}
		anew := newShelf(events...)
		if err := ledger(anew).Rebuild(t.Context()); err != nil {
			r.Fatal(err)
		}
		wantSame(r, live, anew)
	})
}

// A long history makes a rebuild write as it goes, and let go of what is old, which the live
// ledger of a service that runs for months does too.
func TestALongHistoryIsRebuiltAsItWasKept(t *testing.T) {
	settings := usual()
	events := slices.Collect(metricstest.Year{Seed: 5, Contacts: 14_000, Days: 60}.Events())
	var shelves [2]*shelf
	for i, parts := range []int{len(events)/12 + 1, len(events)} {
		s := newShelf()
		l := &Ledger{Store: &counting{shelf: s}, Settings: func() *Settings { return settings }, Log: slog.New(slog.DiscardHandler)}
		for part := range slices.Chunk(events, parts) {
			s.events = append(s.events, part...)
			advance := l.Advance
			if parts == len(events) {
				advance = l.Rebuild
			}
			if err := advance(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if commits := l.Store.(*counting).commits; commits < 3 {
			t.Errorf("%d commits: the history was to be too long for one", commits)
		}
		shelves[i] = s
	}
	wantSame(t, shelves[0], shelves[1])
	var want int
	for _, e := range events {
		if e.Kind == call.EventArrived {
			want++
		}
	}
	if got := len(shelves[0].sorted(shelves[0].live)); got < want*97/100 || got > want {
		t.Errorf("%d contacts of %d calls", got, want)
	}
}

// counting counts commits.
type counting struct {
	*shelf
	commits int
}

func (c *counting) Commit(ctx context.Context, b Batch) error {
	c.commits++
	return c.shelf.Commit(ctx, b)
}

// forgetful is a store that keeps nothing, so that what is measured is the ledger.
type forgetful struct{ *shelf }

func (forgetful) Commit(context.Context, Batch) error { return nil }

func (f forgetful) Turn(context.Context, Standing, Standing) error { return nil }

func BenchmarkRebuild(b *testing.B) {
	settings := usual()
	events := slices.Collect(metricstest.Year{Seed: 5, Contacts: 100_000, Days: 20}.Events())
	l := &Ledger{Store: forgetful{newShelf(events...)}, Settings: func() *Settings { return settings }, Log: slog.New(slog.DiscardHandler)}
	b.ReportAllocs()
	for b.Loop() {
		if err := l.Rebuild(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(100_000*b.N)/b.Elapsed().Seconds(), "contacts/s")
}
