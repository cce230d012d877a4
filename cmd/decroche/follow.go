package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"decroche/call"
	"decroche/ivr"
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

// hearing counts who heard messages, from the journal.
type hearing struct {
	mu    sync.Mutex
	at    time.Time
	facts follower
	heard map[int64]map[call.ID]time.Time
	left  map[call.ID]time.Time // of those who heard any: the end of their call, zero before
}

const (
	// hearingFresh is how old a count may be, leftAfter how soon a hang-up follows what was heard.
	hearingFresh = 5 * time.Second
	leftAfter    = 10 * time.Second
)

// of counts those who heard a message, and those of them whose call ended soon after it.
func (h *hearing) of(journal *store.Journal) func(ctx context.Context, m ivr.Message) (heard, left int, err error) {
	h.facts.kinds = []call.EventKind{call.EventMessage, call.EventEnded}
	return func(ctx context.Context, m ivr.Message) (heard, left int, err error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		if time.Since(h.at) > hearingFresh || m.Created.Before(h.facts.since) {
			since := time.Now().Add(-recordingListed) // as far as the list goes, or as this message does
			if m.Created.Before(since) {
				since = m.Created
			}
			if err := h.facts.read(ctx, journal, since, h.begin, h.take); err != nil {
				return 0, 0, err
			}
			h.at = time.Now()
		}
		for id, at := range h.heard[m.ID] {
			heard++
			if end := h.left[id]; !end.IsZero() && end.Sub(at) < leftAfter {
				left++
			}
		}
		return heard, left, nil
	}
}

func (h *hearing) begin() {
	h.heard, h.left = map[int64]map[call.ID]time.Time{}, map[call.ID]time.Time{}
}

func (h *hearing) take(f store.Entry) error {
	if f.Kind == call.EventEnded {
		if _, any := h.left[f.Call]; any {
			h.left[f.Call] = f.At
		}
		return nil
	}
	var told struct {
		ID int64 `json:"id"`
	}
	if err := json.Unmarshal(f.Data, &told); err != nil {
		return fmt.Errorf("fact %d of the journal: %w", f.ID, err)
	}
	if h.heard[told.ID] == nil {
		h.heard[told.ID] = map[call.ID]time.Time{}
	}
	h.heard[told.ID][f.Call] = f.At
	h.left[f.Call] = time.Time{}
	return nil
}
