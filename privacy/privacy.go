// Package privacy answers for personal data: how long it is kept, what is held of a person,
// and how a person is erased. What counts calls names nobody, and stays.
//
// A number is in clear in promises to call back and in text messages alone. The journal has
// keyed pseudonyms, whose keys are destroyed with time: what can no longer be tied to a number
// is not personal data any more, and cannot be found for who asks.
package privacy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"decroche/call"
	"decroche/metrics"
	"decroche/service"
)

// Counted is how many rows of each kind of data something concerned.
type Counted map[string]int64

// Held is what is held of a person: by kind, rows as objects.
type Held map[string][]map[string]any

// Receipt is an entry of the log of personal data. It never says whose data it was.
type Receipt struct {
	ID     int64     `json:"id"`
	At     time.Time `json:"at"`
	By     string    `json:"by"`
	What   string    `json:"what"` // erased, exported, purged
	Counts Counted   `json:"counts"`
}

// ErrUnderWay says that a person cannot be erased now: something is going on with them.
var ErrUnderWay = errors.New("something is under way with this number")

// Kinds of data beside those of the Store.
const (
	Contacts   = "contacts"
	Facts      = "facts of the journal"
	Recordings = "recordings of messages"
)

// Store keeps what holds numbers in clear, and the log.
type Store interface {
	// Erase deletes a person's rows, in one transaction with the receipt, which also counts
	// what was erased before. It returns ErrUnderWay, and deletes nothing, while a callback is
	// promised, a message waits, or they are on the line.
	Erase(ctx context.Context, n call.Number, by string, before Counted) (Receipt, error)
	// Idle returns ErrUnderWay in the same cases.
	Idle(ctx context.Context, n call.Number) error
	// Export reads a person's rows, and notes that they were given out.
	Export(ctx context.Context, n call.Number, by string) (Held, error)
	// PurgeNumbers deletes rows settled before a moment. A number that has said STOP stays, for
	// it must not be written to again.
	PurgeNumbers(ctx context.Context, before time.Time) (Counted, error)
	// Log notes what was done; Receipts lists it, the newest first.
	Log(ctx context.Context, what, by string, c Counted) error
	Receipts(ctx context.Context, limit int) ([]Receipt, error)
}

// Journal has facts under pseudonyms.
type Journal interface {
	// Pseudonyms are those a number has under the keys there still are.
	Pseudonyms(n call.Number) []string
	// Rename gives the arrivals of these calls another pseudonym and drops the rest of the number.
	Rename(ctx context.Context, calls []call.ID, name string) error
	// DropBefore deletes the facts before a moment.
	DropBefore(ctx context.Context, at time.Time) (int64, error)
}

// Register is kept under pseudonyms of its own: surveys, tags.
type Register interface {
	Forget(ctx context.Context, n call.Number) (int64, error)
	Held(ctx context.Context, n call.Number) ([]map[string]any, error)
}

// Office does what is asked about personal data.
type Office struct {
	Store Store
	// Registers are those kept elsewhere, by the kind of data.
	Registers map[string]Register
	Journal   Journal
	// Recordings deletes what was recorded for incident messages and is of no use any more; nil: nothing is.
	Recordings func(ctx context.Context, now time.Time) (int64, error)
	Ledger     *metrics.Ledger
	Service    func() *service.Definition
	Log        *slog.Logger
}

// Erase takes a person out of everything, and gives a receipt. Contacts that can be tied to
// the number get a name drawn at random: figures stay what they were. by is who asked for it.
func (o *Office) Erase(ctx context.Context, n call.Number, by string) (Receipt, error) {
	if n == call.Withheld {
		return Receipt{}, errors.New("erase a person: a number is needed")
	}
	if err := o.Store.Idle(ctx, n); err != nil {
		return Receipt{}, err
	}
	counts := Counted{}
	contacts, err := o.Ledger.Unname(ctx, o.Journal.Pseudonyms(n), func(calls []call.ID, name string) error {
		return o.Journal.Rename(ctx, calls, name)
	})
	if err != nil {
		return Receipt{}, err
	}
	if contacts > 0 {
		counts[Contacts] = int64(contacts)
	}
	for kind, r := range o.Registers {
		gone, err := r.Forget(ctx, n)
		if err != nil {
			return Receipt{}, err
		}
		if gone > 0 {
			counts[kind] = gone
		}
	}
	return o.Store.Erase(ctx, n, by, counts)
}

// Export gives what is held of a person: rows in clear, and the contacts that can be tied to
// the number.
func (o *Office) Export(ctx context.Context, n call.Number, by string) (Held, error) {
	if n == call.Withheld {
		return nil, errors.New("export a person's data: a number is needed")
	}
	held, err := o.Store.Export(ctx, n, by)
	if err != nil {
		return nil, err
	}
	for kind, r := range o.Registers {
		rows, err := r.Held(ctx, n)
		if err != nil {
			return nil, err
		}
		if len(rows) > 0 {
			held[kind] = rows
		}
	}
	contacts, err := o.Ledger.Of(ctx, o.Journal.Pseudonyms(n))
	if err != nil {
		return nil, err
	}
	for _, c := range contacts {
		held[Contacts] = append(held[Contacts], map[string]any{
			"call": c.ID, "arrived": c.Arrived.Time().Format(time.RFC3339), "number_dialled": c.Number, "service": c.Service,
			"language": c.Lang, "public": c.Public, "reason": c.Reason, "queue": c.Queue, "outcome": c.Outcome,
			"conversations": len(c.Legs), "answers_to_surveys": c.Scores,
		})
	}
	return held, nil
}

// Receipts lists what was erased, exported and purged, the newest first.
func (o *Office) Receipts(ctx context.Context, limit int) ([]Receipt, error) {
	return o.Store.Receipts(ctx, limit)
}

// Purge deletes what has been kept long enough, by the service's rules.
func (o *Office) Purge(ctx context.Context, now time.Time) (Counted, error) {
	rules := o.Service().Privacy
	gone, err := o.Store.PurgeNumbers(ctx, now.Add(-rules.Numbers))
	if err != nil {
		return nil, err
	}
	until, contacts, err := o.Ledger.Purge(ctx, now.Add(-rules.Journal))
	if err != nil {
		return gone, err
	}
	facts, err := o.Journal.DropBefore(ctx, until)
	if err != nil {
		return gone, err
	}
	var voices int64
	if o.Recordings != nil {
		if voices, err = o.Recordings(ctx, now); err != nil {
			return gone, err
		}
	}
	for kind, n := range map[string]int64{Contacts: contacts, Facts: facts, Recordings: voices} {
		if n > 0 {
			gone[kind] = n
		}
	}
	if len(gone) == 0 {
		return gone, nil
	}
	if err := o.Store.Log(ctx, "purged", "decroche", gone); err != nil {
		return gone, fmt.Errorf("note what was purged: %w", err)
	}
	return gone, nil
}

// purgeEvery is how often what is old is looked for.
const purgeEvery = time.Hour

// Run purges until ctx ends.
func (o *Office) Run(ctx context.Context) error {
	tick := time.NewTicker(purgeEvery)
	defer tick.Stop()
	for {
		switch gone, err := o.Purge(ctx, time.Now()); {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			o.Log.Error("what has been kept long enough could not be purged; it is tried again", "err", err)
		case len(gone) > 0:
			o.Log.Info("what has been kept long enough was purged", "rows", gone)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
