package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"decroche/call"
)

// An abode is a table that holds numbers in clear.
type abode struct {
	kind string // for people
	// rows chooses those of a number, $1; old those that may go: settled before $1.
	table, rows, old string
	// columns are what the person is given of each row.
	columns []string
	// with deletes what hangs on rows, chosen in the same way; "" nothing.
	with string
}

// abodes are all of them, beside the checkpoints of calls under way.
var abodes = []abode{
	{
		"promises to call back", "promises", `number = $1`, `live = 0 AND settled > 0 AND settled < $1`,
		[]string{"id", "number", "lang", "queue", "reason", "public", "kind", "origin", "contact", "asked", "slot", "by_at", "state", "attempts", "settled"},
		`DELETE FROM attempts WHERE promise IN (SELECT id FROM promises WHERE `,
	},
	{
		"text messages sent", "sms", `number = $1`, `state NOT IN ('queued', 'sending') AND done_at < $1 AND created < $1`,
		[]string{"number", "lang", "text", "purpose", "promise", "contact", "state", "created", "sent_at", "done_at"},
		"",
	},
	{
		"text messages received", "sms_inbox", `number = $1`, `at < $1`,
		[]string{"number", "text", "at", "handled"},
		"",
	},
}

// Counted is how many rows of each kind of data something concerned.
type Counted map[string]int64

// ErrUnderWay says that a person cannot be erased now: something is going on with them.
var ErrUnderWay = errors.New("something is under way with this number")

// PurgeNumbers deletes what holds a number in clear and was settled before a moment. A number
// that has said STOP is kept, for it must not be written to again.
func (db *DB) PurgeNumbers(ctx context.Context, before time.Time) (Counted, error) {
	gone := Counted{}
	err := db.eng.writeRetrying(ctx, ordinary, func(tx *sql.Tx) error {
		clear(gone)
		for _, p := range abodes {
			if err := p.remove(ctx, tx, p.old, millis(before), gone); err != nil {
				return err
			}
		}
		if sum(gone) == 0 {
			return nil
		}
		return logged(ctx, tx, "decroche", "purged", gone)
	})
	if err != nil {
		return nil, fmt.Errorf("purge numbers: %w", err)
	}
	return gone, nil
}

func (p abode) remove(ctx context.Context, tx *sql.Tx, where string, arg any, gone Counted) error {
	if p.with != "" {
		if _, err := tx.ExecContext(ctx, p.with+where+`)`, arg); err != nil {
			return err
		}
	}
	done, err := tx.ExecContext(ctx, `DELETE FROM `+p.table+` WHERE `+where, arg)
	if err != nil {
		return err
	}
	n, err := done.RowsAffected()
	if n > 0 {
		gone[p.kind] += n
	}
	return err
}

func sum(c Counted) (n int64) {
	for _, k := range c {
		n += k
	}
	return n
}

// Erase deletes what holds a person's number in clear, and notes a receipt without it. It
// returns ErrUnderWay, and deletes nothing, while a promise to call them is live, a message
// to them waits, or they are on the line. Facts of the journal are not its: see Journal.
func (db *DB) Erase(ctx context.Context, n call.Number, by string) (receipt int64, gone Counted, err error) {
	gone = Counted{}
	err = db.eng.writeRetrying(ctx, promised, func(tx *sql.Tx) error {
		clear(gone)
		if err := idle(ctx, tx, n); err != nil {
			return err
		}
		for _, p := range abodes {
			if err := p.remove(ctx, tx, p.rows, string(n), gone); err != nil {
				return err
			}
		}
		if err := logged(ctx, tx, by, "erased", gone); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, `SELECT max(id) FROM privacy_log`).Scan(&receipt)
	})
	if err != nil {
		return 0, nil, fmt.Errorf("erase a person: %w", err)
	}
	return receipt, gone, nil
}

// idle says what is under way with a number.
func idle(ctx context.Context, tx *sql.Tx, n call.Number) error {
	quoted, _ := json.Marshal(string(n)) // strings always encode
	for _, c := range []struct{ query, arg, why string }{
		{`SELECT count(*) FROM promises WHERE number = $1 AND live = 1`, string(n), "a callback is promised: cancel it first (decroche callbacks)"},
		{`SELECT count(*) FROM sms WHERE number = $1 AND state IN ('queued', 'sending')`, string(n), "a text message is being sent: try again in a minute"},
		{`SELECT count(*) FROM checkpoints WHERE info LIKE $1`, "%" + string(quoted) + "%", "they are on the line: try again after the call"},
	} {
		var found int
		if err := tx.QueryRowContext(ctx, c.query, c.arg).Scan(&found); err != nil {
			return err
		}
		if found > 0 {
			return fmt.Errorf("%w: %s", ErrUnderWay, c.why)
		}
	}
	return nil
}

func logged(ctx context.Context, tx *sql.Tx, by, what string, c Counted) error {
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO privacy_log (at, by_who, what, counts) VALUES ($1, $2, $3, $4)`, time.Now().UnixMilli(), clean(by), what, string(text))
	return err
}

// Held is what is held of a person in clear: by kind, rows as objects.
type Held map[string][]map[string]any

// Export reads what holds a person's number in clear, and notes that it was given out.
func (db *DB) Export(ctx context.Context, n call.Number, by string) (Held, error) {
	held, c := Held{}, Counted{}
	err := db.eng.writeRetrying(ctx, ordinary, func(tx *sql.Tx) error {
		clear(held)
		clear(c)
		for _, p := range abodes {
			rows, err := p.read(ctx, tx, n)
			if err != nil {
				return err
			}
			if len(rows) > 0 {
				held[p.kind], c[p.kind] = rows, int64(len(rows))
			}
		}
		switch blocked, err := isBlocked(ctx, tx, n); {
		case err != nil:
			return err
		case blocked:
			held["refusal of text messages"], c["refusal of text messages"] = []map[string]any{{"number": string(n)}}, 1
		}
		return logged(ctx, tx, by, "exported", c)
	})
	if err != nil {
		return nil, fmt.Errorf("export a person's data: %w", err)
	}
	return held, nil
}

func (p abode) read(ctx context.Context, tx *sql.Tx, n call.Number) ([]map[string]any, error) {
	list := ""
	for i, c := range p.columns {
		if i > 0 {
			list += ", "
		}
		list += c
	}
	return rowsOf(ctx, tx, func(r *sql.Rows) (map[string]any, error) {
		values, into := make([]any, len(p.columns)), make([]any, len(p.columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := r.Scan(into...); err != nil {
			return nil, err
		}
		row := map[string]any{}
		for i, c := range p.columns {
			row[c] = readable(c, values[i])
		}
		return row, nil
	}, `SELECT `+list+` FROM `+p.table+` WHERE `+p.rows, string(n))
}

// moments are the columns that hold times.
var moments = map[string]bool{"asked": true, "slot": true, "by_at": true, "settled": true, "created": true, "sent_at": true, "done_at": true, "at": true}

func readable(column string, v any) any {
	if b, ok := v.([]byte); ok {
		v = string(b)
	}
	if moments[column] {
		ms, err := strconv.ParseInt(fmt.Sprint(v), 10, 64)
		if err != nil || ms == 0 {
			return nil
		}
		return fromMillis(ms).Format(time.RFC3339)
	}
	return v
}

// A Receipt is an entry of the log of personal data.
type Receipt struct {
	ID     int64     `json:"id"`
	At     time.Time `json:"at"`
	By     string    `json:"by"`
	What   string    `json:"what"`
	Counts Counted   `json:"counts"`
}

// Receipts lists what was erased, exported and purged, the newest first.
func (db *DB) Receipts(ctx context.Context, limit int) ([]Receipt, error) {
	out, err := rowsOf(ctx, db.eng.reader, func(r *sql.Rows) (Receipt, error) {
		var e Receipt
		var at int64
		var counts string
		if err := r.Scan(&e.ID, &at, &e.By, &e.What, &counts); err != nil {
			return e, err
		}
		e.At = fromMillis(at)
		return e, json.Unmarshal([]byte(counts), &e.Counts)
	}, `SELECT id, at, by_who, what, counts FROM privacy_log ORDER BY id DESC LIMIT `+strconv.Itoa(limit))
	if err != nil {
		return nil, fmt.Errorf("read the log of personal data: %w", db.eng.explain(err))
	}
	return out, nil
}
