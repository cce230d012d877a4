package metrics

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// Interval is a day or a month.
type Interval struct {
	Grain Grain  `json:"g"`
	Start Moment `json:"s"`
}

// sumUp makes the days and months that are over from their quarters of an hour and days, once
// the window of réitération has passed, for until then they change with every repeat. A sum
// holds until a fact changes one of its parts; then it is dropped, and made again here. What
// is over is said by the facts themselves: history that is told late is no reason to hurry.
func (b *book) sumUp(ctx context.Context, now time.Time) error {
	if err := b.await(); err != nil {
		return err
	}
	settled := min(At(now), b.state.LastFact) - Moment(memory.Milliseconds())
	for _, g := range []Grain{Daily, Monthly} {
		var over []Interval
		for i := range b.stale {
			if i.Grain == g && g.next(i.Start, b.settings.Zone) <= settled {
				over = append(over, i)
			}
		}
		slices.SortFunc(over, func(x, y Interval) int { return cmp.Compare(x.Start, y.Start) })
		for some := range slices.Chunk(over, sumsAtOnce) {
			if err := b.keepSums(ctx, some); err != nil {
				return err
			}
		}
	}
	return nil
}

// sumsAtOnce are the sums of one commit.
const sumsAtOnce = 31

func (b *book) keepSums(ctx context.Context, some []Interval) error {
	batch := Batch{Side: b.side, From: b.from, Upto: b.from, Rows: map[RowKey]Row{}, Drop: some}
	for _, i := range some {
		until := i.Grain.next(i.Start, b.settings.Zone)
		for d := range dims {
			sum := Row{}
			for _, part := range covers(i.Start, until, b.isStale, b.settings.Zone) {
				if err := readRows(ctx, b.store, b.side, sum, part, d, true, nil); err != nil {
					return err
				}
			}
			if len(sum) > 0 {
				batch.Rows[RowKey{i.Grain, d, i.Start}] = sum
			}
		}
	}
	for _, i := range some {
		delete(b.stale, i)
	}
	batch.State = b.standing().State
	return b.store.Commit(ctx, batch)
}

func (b *book) isStale(i Interval) bool { return b.stale[i] }

// readRows adds the rows of a range to a row.
func readRows(ctx context.Context, s Store, side int, into Row, c cover, d Dim, full bool, only func(string) bool) error {
	return s.Rows(ctx, side, c.grain, d, c.from, c.until, func(_ Moment, row []byte) error {
		return into.DecodeInto(row, full, only)
	})
}

// inherit keeps the figures of the days whose facts the journal has given up.
func (b *book) inherit(ctx context.Context, from Standing) error {
	old, err := openBook(b.store, from, b.settings)
	if err != nil {
		return err
	}
	b.state.Purged = old.state.Purged
	for d := range dims {
		err := b.store.Rows(ctx, from.Side, Quarter, d, 0, old.state.Purged, func(start Moment, row []byte) error {
			r := Row{}
			b.rows[RowKey{Quarter, d, start}] = r
			for _, g := range []Grain{Daily, Monthly} {
				b.stale[Interval{g, g.start(start, b.settings.Zone)}] = true
			}
			return r.DecodeInto(row, true, nil)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// cover is a range of time, and which rows it is read from.
type cover struct {
	grain       Grain
	from, until Moment
}

// covers splits [from, until) into ranges read from the longest sums there are; a stale sum is
// none. Quarters of an hour are always there.
func covers(from, until Moment, stale func(Interval) bool, zone *time.Location) []cover {
	var out []cover
	for at := from; at < until; {
		g, next := Quarter, min(until, Daily.next(at, zone))
		for _, longer := range []Grain{Monthly, Daily} {
			if end := longer.next(at, zone); longer.start(at, zone) == at && end <= until && !stale(Interval{longer, at}) {
				g, next = longer, end
				break
			}
		}
		if last := len(out) - 1; last >= 0 && out[last].grain == g {
			out[last].until = next
		} else {
			out = append(out, cover{g, at, next})
		}
		at = next
	}
	return out
}
