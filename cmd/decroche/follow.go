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
	heard map[int64]map[call.ID]span
	left  map[call.ID]time.Time // of those who heard any: when they hung up, zero while they have not
}

// span is when a message was said to a caller. It has no length where the journal is told once it was said.
type span struct{ from, until time.Time }

const (
	// hearingFresh is how old a count may be, leftAfter how soon a hang-up follows what was heard.
	hearingFresh = 5 * time.Second
	leftAfter    = 10 * time.Second
)

// of counts those who heard a message, and those of them who hung up while it was said or soon after its end.
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
		for id, said := range h.heard[m.ID] {
			end := h.left[id]
			if !end.IsZero() && end.Before(said.from) { // before its first word
				continue
			}
			heard++
			if !end.IsZero() && end.Sub(said.until) < leftAfter {
				left++
			}
		}
		return heard, left, nil
	}
}

func (h *hearing) begin() {
	h.heard, h.left = map[int64]map[call.ID]span{}, map[call.ID]time.Time{}
}

func (h *hearing) take(f store.Entry) error {
	if f.Kind == call.EventEnded {
		return h.ended(f)
	}
	var told struct {
		ID      int64 `json:"id"`
		AfterMS int64 `json:"after_ms"`
		LastsMS int64 `json:"lasts_ms"`
	}
	if err := json.Unmarshal(f.Data, &told); err != nil {
		return fmt.Errorf("fact %d of the journal: %w", f.ID, err)
	}
	if h.heard[told.ID] == nil {
		h.heard[told.ID] = map[call.ID]span{}
	}
	from := f.At.Add(time.Duration(told.AfterMS) * time.Millisecond)
	h.heard[told.ID][f.Call] = span{from, from.Add(time.Duration(told.LastsMS) * time.Millisecond)}
	h.left[f.Call] = time.Time{}
	return nil
}

// ended takes the end of a call that the caller hung up. Ends that we made, and those of a conversation with an agent,
// say nothing of a message; nor does one of who pressed a key because it was all they needed.
func (h *hearing) ended(f store.Entry) error {
	if _, any := h.left[f.Call]; !any {
		return nil
	}
	var end call.End
	if err := json.Unmarshal(f.Data, &end); err != nil {
		return fmt.Errorf("fact %d of the journal: %w", f.ID, err)
	}
	if end.Reason == call.ReasonCallerHungUp && end.Outcome != call.Answered {
		h.left[f.Call] = f.At
	}
	return nil
}
