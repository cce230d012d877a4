package metrics

import (
	"context"
	"errors"
	"time"

	"decroche/call"
)

// longestLive is how long a conversation that was begun before this ledger was opened is looked for.
const longestLive = 12 * time.Hour

// UnderWay tells what the contacts that arrived since a moment, and whose citizen has spoken with an agent and is
// on the line still, would count if their call ended now: by value of a dimension that a contact has as a whole.
type UnderWay func(by Dim, since time.Time) map[string]*Cell

// Live brings the ledger up to date, and has figures read while it stands still, so that what is under way and what
// is over are of one moment. Figures count a contact when its call is over; whoever follows the day live adds
// those under way, or an hour of long conversations looks like one of nothing but abandonments.
//
// It waits for nobody: while the figures are being made anew, what is under way is not known and told as nothing.
func (l *Ledger) Live(ctx context.Context, read func(UnderWay) error) error {
	if !l.mu.TryLock() {
		return read(func(Dim, time.Time) map[string]*Cell { return nil })
	}
	defer l.mu.Unlock()
	now := time.Now()
	err := l.advance(ctx)
	if err == nil {
		err = l.book.recall(ctx, now)
	}
	if err != nil {
		l.book = nil                  // read anew where the ledger stands
		if errors.Is(err, ErrMoved) { // by another controller: the next look finds it
			return read(func(Dim, time.Time) map[string]*Cell { return nil })
		}
		return err
	}
	return read(func(by Dim, since time.Time) map[string]*Cell { return l.book.underWay(by, At(since), At(now)) })
}

// recall takes into memory, once, the contacts under way that began before the book was opened.
func (b *book) recall(ctx context.Context, now time.Time) error {
	if b.recalled {
		return nil
	}
	var bad error
	err := b.store.Contacts(ctx, b.side, int64(At(now.Add(-longestLive)))<<12, int64(never)<<12, func(k Kept) bool {
		c, err := decodeContact(k.Facts)
		if err == nil && c.Ended == 0 && c.Answered != 0 {
			_, err = b.remember(Kept{ID: k.ID, Facts: append([]byte(nil), k.Facts...)})
		}
		bad = errors.Join(bad, err)
		return bad == nil
	})
	err = errors.Join(err, bad)
	b.recalled = err == nil
	return err
}

func (b *book) underWay(by Dim, since, now Moment) map[string]*Cell {
	cells := map[string]*Cell{}
	var k counted
	for _, e := range b.inMemory {
		if e.Ended != 0 || e.Answered == 0 || e.Arrived < since {
			continue
		}
		c := e.Contact // a copy: the citizen is on the line still
		c.Ended, c.Outcome = now, call.Answered
		b.settings.contribute(&c, &k, func(ref cellRef, k *counted) {
			if ref.dim != by || ref.leg != nil {
				return
			}
			if cells[ref.value] == nil {
				cells[ref.value] = new(Cell)
			}
			cells[ref.value].count(k, 1)
		})
	}
	return cells
}
