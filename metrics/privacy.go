package metrics

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"decroche/call"
)

// Unname makes a person's contacts theirs no more: their pseudonyms give way to a name drawn
// at random, which no number leads to. It is the same for all of them, so that what repeats
// still does, and every figure stays what it was. Source is told first which calls get which
// name, to do the same in the journal: while contacts keep their pseudonyms, whoever was killed
// in between finds them again. It returns how many contacts there were.
func (l *Ledger) Unname(ctx context.Context, pseudonyms []string, source func(calls []call.ID, name string) error) (int, error) {
	if err := l.Advance(ctx); err != nil {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.book
	kept, err := b.store.Person(ctx, b.side, pseudonyms, 0, never)
	if err != nil || len(kept) == 0 {
		return 0, err
	}
	name := "erased-" + strings.ToLower(rand.Text())
	var calls []call.ID
	batch := Batch{Side: b.side, From: b.from, Upto: b.from, State: b.standing().State}
	for _, k := range kept {
		c, err := k.Contact()
		if err != nil {
			return 0, err
		}
		c.Caller, c.Was = name, ""
		facts, err := c.Facts()
		if err != nil {
			return 0, err
		}
		batch.Contacts = append(batch.Contacts, Kept{ID: k.ID, Call: c.ID, Caller: name, Facts: facts})
		calls = append(calls, c.Calls()...)
	}
	if err := source(calls, name); err != nil {
		return 0, err
	}
	l.book = nil // what is in memory still has the old names
	if err := b.store.Commit(ctx, batch); err != nil {
		return 0, fmt.Errorf("erase a person from the figures: %w", err)
	}
	return len(kept), nil
}

// Of lists a person's contacts by their pseudonyms, by arrival.
func (l *Ledger) Of(ctx context.Context, pseudonyms []string) ([]Contact, error) {
	at, err := l.Store.Standing(ctx)
	if err != nil {
		return nil, err
	}
	kept, err := l.Store.Person(ctx, at.Side, pseudonyms, 0, never)
	if err != nil {
		return nil, err
	}
	var out []Contact
	for _, k := range kept {
		c, err := k.Contact()
		if err != nil {
			return nil, err
		}
		out = append(out, *c)
	}
	return out, nil
}

// Purge gives up the contacts that arrived before the local day of a moment. Their figures
// stay, and cannot be opened any more. It returns where they end now: the journal may drop
// what is before.
func (l *Ledger) Purge(ctx context.Context, before time.Time) (until time.Time, gone int64, err error) {
	if err := l.Advance(ctx); err != nil {
		return until, 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.book
	start := Daily.start(At(before), b.settings.Zone)
	until = start.Time()
	if start <= b.state.Purged {
		return until, 0, nil
	}
	b.state.Purged = start
	batch := Batch{Side: b.side, From: b.from, Upto: b.from, State: b.standing().State}
	if err := b.store.Commit(ctx, batch); err != nil {
		l.book = nil
		return until, 0, fmt.Errorf("purge the figures' contacts: %w", err)
	}
	gone, err = b.store.Purge(ctx, b.side, int64(start)<<12)
	l.book = nil
	return until, gone, err
}
