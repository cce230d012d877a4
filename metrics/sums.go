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
	settled := b.settled(now)
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

// settled is the moment before which nothing changes any more with every repeat.
func (b *book) settled(now time.Time) Moment {
	return min(At(now), b.state.LastFact) - Moment(memory.Milliseconds())
}

// sums are the days and months under way while everything is made anew. They are made of the
// rows as these are written, and written themselves once over, so that nothing is read again.
type sums struct {
	zone *time.Location
	rows map[RowKey]Row
	kept map[Interval]bool // those written
}

func newSums(zone *time.Location) sums {
	return sums{zone: zone, rows: map[RowKey]Row{}, kept: map[Interval]bool{}}
}

// endSums says which of the sums under way are over at a moment, days before months, and takes
// them for kept: the next commit writes them.
func (b *book) endSums(at Moment) (over []Interval) {
	if !b.fresh {
		return nil
	}
	for i := range b.stale {
		if i.Grain.next(i.Start, b.settings.Zone) <= at {
			over = append(over, i)
			b.sums.kept[i] = true
			delete(b.stale, i)
		}
	}
	slices.SortFunc(over, func(x, y Interval) int { return cmp.Compare(x.Grain, y.Grain) })
	return over
}

// grow adds the quarters of an hour of a batch to their days, and the days that are over to
// their months; it puts the sums that are over into the batch. A quarter that comes when its
// day is kept already is added to what is kept.
func (s *sums) grow(batch map[RowKey]Row, over []Interval) {
	ended := map[Interval]bool{}
	for _, i := range over {
		ended[i] = true
	}
	late := map[RowKey]Row{} // days that were kept before this batch
	days := map[Moment]Moment{}
	for k, r := range batch {
		day, known := days[k.Start]
		if !known {
			day = Daily.start(k.Start, s.zone)
			days[k.Start] = day
		}
		into := s.rows
		if i := (Interval{Daily, day}); s.kept[i] && !ended[i] {
			into = late
		}
		rowOf(into, RowKey{Daily, k.Dim, day}).Merge(r)
	}
	for k, r := range late {
		s.month(batch, ended, k, r)
		batch[k] = r
	}
	for _, i := range over {
		for d := range dims {
			k := RowKey{i.Grain, d, i.Start}
			r := s.rows[k]
			if r == nil {
				continue
			}
			delete(s.rows, k)
			batch[k] = r
			if i.Grain == Daily {
				s.month(batch, ended, k, r)
			}
		}
	}
}

// month adds a day to its month.
func (s *sums) month(batch map[RowKey]Row, ended map[Interval]bool, day RowKey, r Row) {
	i := Interval{Monthly, Monthly.start(day.Start, s.zone)}
	into := s.rows
	if s.kept[i] && !ended[i] {
		into = batch
	}
	rowOf(into, RowKey{Monthly, day.Dim, i.Start}).Merge(r)
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
