package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"time"

	"decroche/call"
	"decroche/privacy"
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
		"messages of conversations", "conversation_messages", `conversation IN (SELECT id FROM conversations WHERE number = $1)`,
		`conversation IN (SELECT id FROM conversations WHERE state = 'closed' AND since < $1)`,
		[]string{"conversation", "seq", "author", "text", "at"},
		"",
	},
	{
		"conversations in writing", "conversations", `number = $1`, `state = 'closed' AND since < $1`,
		[]string{"id", "channel", "number", "lang", "queue", "state", "opened"},
		"",
	},
	{
		"text messages received", "sms_inbox", `number = $1`, `at < $1`,
		[]string{"number", "text", "at", "handled"},
		"",
	},
}

var _ privacy.Store = (*DB)(nil)

// PurgeNumbers implements privacy.Store.
func (db *DB) PurgeNumbers(ctx context.Context, before time.Time) (privacy.Counted, error) {
	gone := privacy.Counted{}
	err := db.eng.writeRetrying(ctx, ordinary, func(tx *sql.Tx) error {
		clear(gone)
		for _, p := range abodes {
			if err := p.remove(ctx, tx, p.old, millis(before), gone); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("purge numbers: %w", err)
	}
	return gone, nil
}

func (p abode) remove(ctx context.Context, tx *sql.Tx, where string, arg any, gone privacy.Counted) error {
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

// Erase implements privacy.Store.
func (db *DB) Erase(ctx context.Context, n call.Number, by string, before privacy.Counted) (r privacy.Receipt, err error) {
	err = db.eng.writeRetrying(ctx, promised, func(tx *sql.Tx) error {
		gone := maps.Clone(before)
		if err := idle(ctx, tx, n); err != nil {
			return err
		}
		for _, p := range abodes {
			if err := p.remove(ctx, tx, p.rows, string(n), gone); err != nil {
				return err
			}
		}
		r, err = logged(ctx, tx, "erased", by, gone)
		return err
	})
	if err != nil {
		return r, fmt.Errorf("erase a person: %w", err)
	}
	return r, nil
}

// Idle implements privacy.Store.
func (db *DB) Idle(ctx context.Context, n call.Number) error {
	err := db.eng.writeRetrying(ctx, ordinary, func(tx *sql.Tx) error { return idle(ctx, tx, n) })
	if err != nil {
		return fmt.Errorf("erase a person: %w", err)
	}
	return nil
}

// idle says what is under way with a number.
func idle(ctx context.Context, tx *sql.Tx, n call.Number) error {
	quoted, _ := json.Marshal(string(n)) // strings always encode
	for _, c := range []struct{ query, arg, why string }{
		{`SELECT count(*) FROM promises WHERE number = $1 AND live = 1`, string(n), "a callback is promised: cancel it first (decroche callbacks)"},
		{`SELECT count(*) FROM conversations WHERE number = $1 AND state <> 'closed'`, string(n), "a conversation in writing is open: close it first (decroche conversations)"},
		{`SELECT count(*) FROM sms WHERE number = $1 AND state IN ('queued', 'sending')`, string(n), "a text message is being sent: try again in a minute"},
		{`SELECT count(*) FROM checkpoints WHERE info LIKE $1`, "%" + string(quoted) + "%", "they are on the line: try again after the call"},
	} {
		var found int
		if err := tx.QueryRowContext(ctx, c.query, c.arg).Scan(&found); err != nil {
			return err
		}
		if found > 0 {
			return fmt.Errorf("%w: %s", privacy.ErrUnderWay, c.why)
		}
	}
	return nil
}

// logged notes what was done and returns the entry.
func logged(ctx context.Context, tx *sql.Tx, what, by string, c privacy.Counted) (privacy.Receipt, error) {
	r := privacy.Receipt{At: fromMillis(time.Now().UnixMilli()), By: clean(by), What: what, Counts: c}
	text, err := json.Marshal(c)
	if err != nil {
		return r, err
	}
	err = tx.QueryRowContext(ctx, `INSERT INTO privacy_log (at, by_who, what, counts) VALUES ($1, $2, $3, $4) RETURNING id`,
		millis(r.At), r.By, what, string(text)).Scan(&r.ID)
	return r, err
}

// Log implements privacy.Store.
func (db *DB) Log(ctx context.Context, what, by string, c privacy.Counted) error {
	return db.eng.writeRetrying(ctx, ordinary, func(tx *sql.Tx) error {
		_, err := logged(ctx, tx, what, by, c)
		return err
	})
}

// Export implements privacy.Store.
func (db *DB) Export(ctx context.Context, n call.Number, by string) (privacy.Held, error) {
	held, c := privacy.Held{}, privacy.Counted{}
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
		_, err := logged(ctx, tx, "exported", by, c)
		return err
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

// Receipts implements privacy.Store.
func (db *DB) Receipts(ctx context.Context, limit int) ([]privacy.Receipt, error) {
	out, err := rowsOf(ctx, db.eng.reader, func(r *sql.Rows) (privacy.Receipt, error) {
		var e privacy.Receipt
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

// DropBefore implements privacy.Journal.
func (j *Journal) DropBefore(ctx context.Context, at time.Time) (gone int64, err error) {
	for more := true; more; {
		err := j.eng.write(ctx, ordinary, func(tx *sql.Tx) error {
			n, err := j.dropSome(ctx, tx, millis(at))
			gone += n
			more = n > 0
			return err
		})
		if err != nil {
			return gone, fmt.Errorf("drop facts before %s: %w", at.Format(time.DateOnly), err)
		}
	}
	// an import refuses what is older than the journal: nobody asks for these names any more
	err = j.eng.write(ctx, ordinary, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM imports WHERE at < $1`, millis(at))
		return err
	})
	if err != nil {
		return gone, fmt.Errorf("forget imports before %s: %w", at.Format(time.DateOnly), err)
	}
	return gone, nil
}

// dropSome drops a block's worth of facts before a moment: whole blocks, those of a block that
// begins before it, or those in the table.
func (j *Journal) dropSome(ctx context.Context, tx *sql.Tx, before int64) (gone int64, err error) {
	if err := j.alone(ctx, tx); err != nil {
		return 0, err
	}
	err = j.rewrite(ctx, tx, func(e *Entry) bool {
		old := millis(e.At) < before
		if old {
			gone++
		}
		return !old
	}, everyCall, `from_at < $1`, before)
	if err != nil || gone > 0 {
		return gone, err
	}
	done, err := tx.ExecContext(ctx, `DELETE FROM journal WHERE id IN (SELECT id FROM journal WHERE at < $1 ORDER BY at LIMIT 5000)`, before)
	if err != nil {
		return 0, err
	}
	return done.RowsAffected()
}

// Pseudonyms implements privacy.Journal.
func (j *Journal) Pseudonyms(n call.Number) []string { return j.keys.all(n, time.Now()) }

// Rename implements privacy.Journal.
func (j *Journal) Rename(ctx context.Context, calls []call.ID, name string) error {
	err := j.eng.writeRetrying(ctx, promised, func(tx *sql.Tx) error {
		if err := j.alone(ctx, tx); err != nil {
			return err
		}
		for _, id := range calls {
			if err := j.rename(ctx, tx, id, name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("rename a person in the journal: %w", err)
	}
	return nil
}

func (j *Journal) rename(ctx context.Context, tx *sql.Tx, id call.ID, name string) error {
	found, err := rowsOf(ctx, tx, scanEntry, `SELECT id, at, call_id, kind, data FROM journal WHERE call_id = $1 AND kind = $2`, string(id), string(call.EventArrived))
	if err != nil {
		return err
	}
	for _, e := range found {
		if _, err := tx.ExecContext(ctx, `UPDATE journal SET data = $1 WHERE id = $2`, string(renamed(e.Data, name)), e.ID); err != nil {
			return err
		}
	}
	hash := callHash(id)
	return j.rewrite(ctx, tx, func(e *Entry) bool {
		if e.Call == id && e.Kind == call.EventArrived {
			e.Data = renamed(e.Data, name)
		}
		return true
	}, func(calls []byte) bool { return hasCall(calls, hash) }, `events > 0`)
}

// renamed is an arrival under another name, without what was left of the number.
func renamed(data json.RawMessage, name string) json.RawMessage {
	var facts map[string]json.RawMessage
	if json.Unmarshal(data, &facts) != nil {
		return json.RawMessage("{}") // whatever it holds
	}
	delete(facts, "caller_was")
	delete(facts, "from")
	facts["caller"], _ = json.Marshal(name) // strings always encode
	out, err := json.Marshal(facts)
	if err != nil {
		return json.RawMessage("{}")
	}
	return out
}
