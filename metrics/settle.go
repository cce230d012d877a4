package metrics

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// commit writes all that changed.
func (b *book) commit(ctx context.Context) error { return b.flush(ctx, never) }

// settle writes what is not going to change any more, so that a rebuild writes each contact
// once, when it has grown by enough to be worth looking through all of it.
func (b *book) settle(ctx context.Context) error {
	if len(b.dirty) < b.unsettled+b.unsettled/4+5000 {
		return nil
	}
	err := b.flush(ctx, b.frontier-Moment(memory.Milliseconds()))
	b.unsettled = len(b.dirty)
	return err
}

// flush writes the contacts that arrived before and changed, with what they count, and lets
// go of those that are old and over. What is not all is written while reading goes on.
func (b *book) flush(ctx context.Context, before Moment) error {
	b.release()
	batch := Batch{Side: b.side, From: b.from, Upto: b.upto, Links: b.newLinks, Rows: b.takeRows(before)}
	quarters := map[Moment]bool{}
	for k := range batch.Rows {
		quarters[k.Start] = true
	}
	b.dirty = slices.DeleteFunc(b.dirty, func(e *entryOf) bool {
		if e.Arrived >= before {
			return false
		}
		b.leaving = append(b.leaving, e)
		e.leaving, e.dirty = true, false
		quarters[quarterOf(e.Arrived)] = true
		return true
	})
	for start := range quarters {
		b.spoil(start, &batch)
	}
	over := b.endSums(min(before-quarter, b.settled(time.Now())))
	batch.State = b.standing().State
	if len(b.leaving)+len(batch.Rows)+len(batch.Links) > 0 || b.upto > b.from {
		last := b.sent
		b.sent = &sending{made: make(chan struct{}), done: make(chan struct{})}
		go b.send(ctx, b.sent, last, over, b.leaving, batch)
	}
	b.newLinks, b.from = nil, b.upto
	clear(b.missing)
	b.letGo()
	if before == never {
		return b.await()
	}
	return nil
}

// send makes a batch and commits it after the last one. Where that failed, this one does.
func (b *book) send(ctx context.Context, s, last *sending, over []Interval, leaving []*entryOf, batch Batch) {
	defer close(s.done)
	s.err = b.make(leaving, over, &batch)
	close(s.made)
	if last != nil {
		<-last.done
		if last.err != nil {
			s.err = last.err
		}
	}
	if s.err == nil {
		s.err = b.store.Commit(ctx, batch)
	}
}

// make encodes contacts that nobody changes meanwhile, and the sums that are over.
func (b *book) make(leaving []*entryOf, over []Interval, batch *Batch) error {
	slices.SortFunc(leaving, func(x, y *entryOf) int { return cmp.Compare(x.id, y.id) })
	b.counting = rowsOf{}
	for _, e := range leaving {
		if err := b.write(e, batch); err != nil {
			return err
		}
	}
	if b.fresh {
		b.sums.grow(batch.Rows, over)
	}
	return nil
}

// release waits until the batch under way is made: its contacts may be changed again.
func (b *book) release() {
	if b.sent == nil {
		return
	}
	<-b.sent.made
	for _, e := range b.leaving {
		e.leaving = false
	}
	b.leaving = b.leaving[:0]
}

// await waits for the commits under way, which must be there before the store is asked. A book
// whose commit failed is of no use any more.
func (b *book) await() error {
	if b.sent == nil {
		return nil
	}
	b.release()
	<-b.sent.done
	err := b.sent.err
	b.sent = nil
	return err
}

// touch marks a contact that is about to change; one that is being written is waited for.
func (b *book) touch(e *entryOf) {
	if !e.dirty {
		e.dirty = true
		b.dirty = append(b.dirty, e)
	}
	if e.leaving {
		b.release()
	}
}

// takeRows takes out the rows that are ready to be written: while everything is made anew,
// those that no contact in memory can change.
func (b *book) takeRows(before Moment) map[RowKey]Row {
	b.spending = rowsOf{}
	if before == never {
		rows := b.rows
		b.rows = map[RowKey]Row{}
		return rows
	}
	rows := map[RowKey]Row{}
	for k, r := range b.rows {
		if k.Start < before-quarter {
			rows[k] = r
			delete(b.rows, k)
		}
	}
	return rows
}

// spoil drops the sums that a changed quarter belongs to, and notes that they are to be made;
// while everything is made anew they are made as rows come.
func (b *book) spoil(start Moment, batch *Batch) {
	for _, g := range []Grain{Daily, Monthly} {
		sum := Interval{g, g.start(start, b.settings.Zone)}
		if b.stale[sum] || b.sums.kept[sum] {
			continue
		}
		b.stale[sum] = true
		if !b.fresh {
			batch.Drop = append(batch.Drop, sum)
		}
	}
}

// write encodes a contact and moves what it counts.
func (b *book) write(e *entryOf, batch *Batch) error {
	if e.kept != nil {
		was, err := decodeContact(e.kept)
		if err != nil {
			return err
		}
		b.count(was, -1, batch)
	}
	b.count(&e.Contact, 1, batch)
	facts, err := encodeContact(&e.Contact)
	if err != nil {
		return err
	}
	e.kept = facts
	batch.Contacts = append(batch.Contacts, Kept{ID: e.id, Call: e.ID, Caller: e.Caller, Was: e.Was, Facts: facts})
	return nil
}

func (b *book) count(c *Contact, sign int64, batch *Batch) {
	start := quarterOf(c.Arrived)
	if b.counting.rows == nil || b.counting.start != start {
		b.counting = rowsOf{start: start, rows: make([]Row, dims)}
	}
	b.settings.contribute(c, &b.work, func(ref cellRef, k *counted) {
		r := b.counting.rows[ref.dim]
		if r == nil {
			r = rowOf(batch.Rows, RowKey{Quarter, ref.dim, start})
			b.counting.rows[ref.dim] = r
		}
		r.cell(ref.value).count(k, sign)
	})
}

// rowsOf are the rows of a quarter of an hour by dimension, nil where nobody has looked yet.
// What is counted next lies nearly always in the same quarter as what was counted before.
type rowsOf struct {
	start Moment
	rows  []Row
}

// rowOf finds a row, or makes it.
func rowOf(rows map[RowKey]Row, k RowKey) Row {
	r := rows[k]
	if r == nil {
		r = Row{}
		rows[k] = r
	}
	return r
}

// letGo forgets contacts too old to be met again, unless they wait for something, whenever
// there are enough new ones to be worth looking through all.
func (b *book) letGo() {
	if len(b.byID) < b.left+b.left/4+5000 {
		return
	}
	keep := memory
	if b.fresh {
		keep = memoryAnew
	}
	limit := b.frontier - Moment(keep.Milliseconds())
	young := slices.IndexFunc(b.inMemory, func(e *entryOf) bool { return e.Arrived >= limit })
	if young < 0 {
		young = len(b.inMemory)
	}
	old := slices.DeleteFunc(slices.Clone(b.inMemory[:young]), func(e *entryOf) bool {
		done := !e.dirty && !e.waits()
		if done {
			b.forget(e)
		}
		return done
	})
	b.inMemory = append(old, b.inMemory[young:]...) // who is old among the young leaves later
	b.whole, b.left = max(b.whole, limit), len(b.byID)
}
