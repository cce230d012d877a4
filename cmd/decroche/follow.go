package main

import (
	"context"
	"time"

	"decroche/call"
	"decroche/store"
)

// follower reads facts of some kinds from the journal, each once however often it is asked: a month of a journal
// takes a second to read, and pages ask every few seconds. Its owner guards it.
type follower struct {
	kinds []call.EventKind
	since time.Time // it has what was told from then on
	after int64     // the last fact it gave
}

// followed is how much more than what is asked for is kept.
const followed = 40 * 24 * time.Hour

// read gives take what is new since the last time. Where something older is asked for, or much less, begin is
// called and everything since then is given.
func (t *follower) read(ctx context.Context, journal *store.Journal, since time.Time, begin func(), take func(store.Entry) error) error {
	if t.after == 0 || since.Before(t.since) || since.Sub(t.since) > followed {
		begin()
		t.since, t.after = since, 0
	}
	return journal.Read(ctx, store.Filter{Kinds: t.kinds, Since: t.since, After: t.after}, func(e store.Entry) error {
		if err := take(e); err != nil {
			return err
		}
		t.after = e.ID
		return nil
	})
}
