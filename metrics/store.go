package metrics

import (
	"context"
	"errors"

	"decroche/call"
)

// Store keeps the ledger: what is derived from the journal. It has two sides, of which one is
// live; a rebuild fills the other and then turns the ledger over.
type Store interface {
	// Scan gives the journal's events with ids above after, in the order of their ids.
	Scan(ctx context.Context, after int64, fn func(id int64, e call.Event) error) error
	// Standing is where the live side stands; the zero Standing when nothing was ever derived.
	Standing(ctx context.Context) (Standing, error)
	// Fresh empties the side that is not live and returns where it stands: at the beginning.
	Fresh(ctx context.Context) (Standing, error)
	// Turn makes the side of to the live one, if from is and has not gone further meanwhile;
	// otherwise it returns ErrMoved. Nothing can be committed to the other side any more.
	Turn(ctx context.Context, from, to Standing) error
	// Tidy gives up what the side holds that a Turn has left. It may take long, and lets others
	// write meanwhile.
	Tidy(ctx context.Context) error

	// Commit writes a batch in one transaction, if its side still stands at the batch's From;
	// otherwise it writes nothing and returns ErrMoved.
	Commit(ctx context.Context, b Batch) error

	// Purge deletes the contacts with ids below until, and how many there were.
	Purge(ctx context.Context, side int, until int64) (int64, error)

	// Contact finds the contact of a call: its own first, or one that Links tie to it.
	Contact(ctx context.Context, side int, id call.ID) (Kept, bool, error)
	// Linked finds the contacts that a Link's key ties.
	Linked(ctx context.Context, side int, key string) ([]Kept, error)
	// Person finds the contacts with one of these pseudonyms, of either period, that arrived
	// in [from, until), in the order of their ids.
	Person(ctx context.Context, side int, pseudonyms []string, from, until Moment) ([]Kept, error)
	// Contacts gives the contacts with first ≤ id < until in the order of their ids, until fn
	// returns false. Of Kept it fills ID and Facts alone.
	Contacts(ctx context.Context, side int, first, until int64, fn func(Kept) bool) error
	// Rows gives the rows of a grain and dimension with from ≤ start < until, by start. The
	// bytes are valid until fn returns.
	Rows(ctx context.Context, side int, g Grain, d Dim, from, until Moment, fn func(start Moment, row []byte) error) error
}

// ErrMoved says that another controller has moved the ledger on: read where it stands, go on.
var ErrMoved = errors.New("the ledger was moved on by another controller")

// Standing is where one side of the ledger stands.
type Standing struct {
	Side int
	// Upto is the id of the last event folded in.
	Upto int64
	// State is what the ledger keeps beside its rows; see state.
	State []byte
}

// Batch is what a commit writes to a side.
type Batch struct {
	Side       int
	From, Upto int64
	State      []byte
	// Contacts replace those with the same ID.
	Contacts []Kept
	// Rows are added to those kept: Store reads, adds and writes them with AddRows.
	Rows map[RowKey]Row
	// Drop are days and months whose sums, of every dimension, are deleted before Rows are added.
	Drop  []Interval
	Links []Link
}

// Kept is a contact as it is kept.
type Kept struct {
	// ID orders contacts by arrival: see contactID.
	ID   int64
	Call call.ID
	// Caller and Was are the contact's pseudonyms, "" none.
	Caller, Was string
	Facts       []byte
}

// Contact reads the facts.
func (k Kept) Contact() (*Contact, error) { return decodeContact(k.Facts) }

// Facts writes the contact as Kept has it.
func (c *Contact) Facts() ([]byte, error) { return encodeContact(c) }

// Link ties a call, or a promise, to a contact that is not named after it.
type Link struct {
	Key     string
	Contact int64
}

// AddRows adds a row to the bytes of the one kept; nil when nothing is left to keep.
func AddRows(kept []byte, r Row) ([]byte, error) {
	if len(kept) == 0 {
		return r.Encode(), nil
	}
	sum := Row{}
	if err := sum.DecodeInto(kept, true, nil); err != nil {
		return nil, err
	}
	sum.Merge(r)
	return sum.Encode(), nil
}
