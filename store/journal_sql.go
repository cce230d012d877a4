package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"decroche/call"
)

// record is an event as it is written, and as the spill file keeps it.
type record struct {
	Writer string          `json:"w"`
	Seq    int64           `json:"s"`
	At     int64           `json:"at"`
	Call   string          `json:"call,omitempty"`
	Kind   string          `json:"kind"`
	Data   json.RawMessage `json:"data"`
}

// prepare makes an event fit for both engines and takes personal data out. It returns false
// when the event's data was no JSON.
func (j *Journal) prepare(n numbered) (record, bool) {
	rec := record{
		Writer: j.writer, Seq: n.seq, At: millis(n.ev.At),
		Call: clean(string(n.ev.Call)), Kind: clean(string(n.ev.Kind)),
	}
	data, valid := n.ev.Data, true
	if len(data) == 0 {
		data = json.RawMessage("{}")
	}
	if !json.Valid(data) {
		valid = false
		data, _ = json.Marshal(map[string]string{"malformed": string(data)}) // strings always encode
	}
	if n.ev.Kind == call.EventArrived {
		data = pseudonymise(data, j.keys, n.ev.At)
	}
	rec.Data = json.RawMessage(clean(string(data)))
	return rec, valid
}

// pseudonymise masks "from" and adds "caller", a keyed pseudonym, so that repeated calls can
// be counted without the number; "caller_was" is what it was under the key before, where that
// is still needed. Withheld numbers get none.
func pseudonymise(data json.RawMessage, keys *keys, at time.Time) json.RawMessage {
	var fields map[string]json.RawMessage
	if json.Unmarshal(data, &fields) != nil {
		return json.RawMessage(`{"malformed":"arrived without an object"}`) // it might hold a number
	}
	raw, has := fields["from"]
	if !has {
		return data
	}
	var from call.Number
	if json.Unmarshal(raw, &from) != nil {
		delete(fields, "from")
	} else {
		set := func(k, v string) { fields[k], _ = json.Marshal(v) } // strings always encode
		set("from", from.Masked())
		if from != call.Withheld {
			now, was := keys.at(at)
			set("caller", Pseudonym(now, from))
			if was != nil {
				set("caller_was", Pseudonym(was, from))
			}
		}
	}
	out, err := json.Marshal(fields)
	if err != nil {
		return json.RawMessage("{}")
	}
	return out
}

// writeRecords commits the records. The last number of each writer is committed with them, so
// records already there (the answer to a commit was lost, a spill file is read twice) are
// left out. The records of one writer come in the order of their numbers.
func (j *Journal) writeRecords(ctx context.Context, recs []record) error {
	return j.eng.write(ctx, ordinary, func(tx *sql.Tx) error {
		if err := j.alone(ctx, tx); err != nil {
			return err
		}
		args := make([]any, 0, 4*len(recs))
		for start := 0; start < len(recs); {
			end := start + 1
			for end < len(recs) && recs[end].Writer == recs[start].Writer {
				end++
			}
			have := int64(0)
			err := tx.QueryRowContext(ctx, `SELECT seq FROM journal_writers WHERE writer = $1`, recs[start].Writer).Scan(&have)
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return err
			}
			top := have
			for _, r := range recs[start:end] {
				if r.Seq > top {
					top = r.Seq
					args = append(args, r.At, r.Call, r.Kind, string(r.Data))
				}
			}
			if top > have {
				_, err := tx.ExecContext(ctx, `INSERT INTO journal_writers (writer, seq, at) VALUES ($1, $2, $3)
					ON CONFLICT (writer) DO UPDATE SET seq = excluded.seq, at = excluded.at`,
					recs[start].Writer, top, time.Now().UnixMilli())
				if err != nil {
					return err
				}
			}
			start = end
		}
		return j.eng.execRows(ctx, tx, `INSERT INTO journal (at, call_id, kind, data)`, 4, ``, args)
	})
}

// Entry is an event of the journal as it is kept.
type Entry struct {
	ID int64
	call.Event
}

// Filter chooses entries; zero fields choose all.
type Filter struct {
	Call         call.ID
	Kinds        []call.EventKind
	Since, Until time.Time // Since ≤ At < Until
	After        int64     // ids above it
	Limit        int
}

// readPage is how many entries are read at a time, so that a slow reader holds no transaction.
const readPage = 1000

// Read calls fn for the chosen entries in the order of their ids, until fn returns an error,
// which Read returns. Events appended a moment ago may be missing: Flush first if they matter.
// An entry's data may be kept, and not changed.
func (j *Journal) Read(ctx context.Context, f Filter, fn func(Entry) error) error {
	for after, left := f.After, f.Limit; ; {
		page, last, err := j.page(ctx, f, after, left)
		if err != nil {
			return fmt.Errorf("read the journal: %w", j.eng.explain(err))
		}
		for _, e := range page {
			if err := fn(e); err != nil {
				return err
			}
		}
		left -= len(page)
		if last == 0 || f.Limit > 0 && left == 0 {
			return nil
		}
		after = last
	}
}

// page gives the next entries, and the id to go on after, 0 at the end. The facts that follow
// are in a block, or else in the table, unless they were packed between the two looks.
func (j *Journal) page(ctx context.Context, f Filter, after int64, left int) ([]Entry, int64, error) {
	n := readPage
	if f.Limit > 0 {
		n = min(n, left)
	}
	b, err := j.nextBlock(ctx, f, after)
	if err == nil && b == nil {
		var page []Entry
		where, args := f.where()
		query := `SELECT id, at, call_id, kind, data FROM journal WHERE id > $1` + where + ` ORDER BY id LIMIT ` + strconv.Itoa(n)
		page, err = rowsOf(ctx, j.eng.reader, scanEntry, query, append([]any{after}, args...)...)
		if err == nil {
			b, err = j.nextBlock(ctx, f, after)
		}
		if err == nil && b == nil {
			if len(page) < n {
				return page, 0, nil
			}
			return page, page[len(page)-1].ID, nil
		}
	}
	if err != nil {
		return nil, 0, err
	}
	facts, err := unpack(b.data)
	if err != nil {
		return nil, 0, err
	}
	chosen := facts[:0]
	for i := range facts {
		if e := &facts[i]; e.ID > after && f.chooses(e) {
			chosen = append(chosen, *e)
		}
	}
	if f.Limit > 0 && len(chosen) > left {
		chosen = chosen[:left]
	}
	return chosen, b.last, nil
}

// chooses is what where says, for one entry.
func (f Filter) chooses(e *Entry) bool {
	return (f.Call == "" || e.Call == f.Call) &&
		(f.Since.IsZero() || !e.At.Before(f.Since)) && (f.Until.IsZero() || e.At.Before(f.Until)) &&
		(len(f.Kinds) == 0 || slices.Contains(f.Kinds, e.Kind))
}

// where writes the filter as SQL whose arguments start at $2.
func (f Filter) where() (string, []any) {
	var b strings.Builder
	var args []any
	add := func(cond string, v any) {
		args = append(args, v)
		fmt.Fprintf(&b, " AND "+cond, len(args)+1)
	}
	if f.Call != "" {
		add("call_id = $%d", string(f.Call))
	}
	if !f.Since.IsZero() {
		add("at >= $%d", millis(f.Since))
	}
	if !f.Until.IsZero() {
		add("at < $%d", millis(f.Until))
	}
	for i, k := range f.Kinds {
		args = append(args, string(k))
		sep := ","
		if i == 0 {
			sep = " AND kind IN ("
		}
		fmt.Fprintf(&b, "%s$%d", sep, len(args)+1)
	}
	if len(f.Kinds) > 0 {
		b.WriteByte(')')
	}
	return b.String(), args
}

func scanEntry(rows *sql.Rows) (Entry, error) {
	var e Entry
	var at int64
	var data string
	err := rows.Scan(&e.ID, &at, &e.Call, &e.Kind, &data)
	e.At, e.Data = fromMillis(at), json.RawMessage(data)
	return e, err
}
