package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/klauspost/compress/zstd"

	"decroche/call"
	"decroche/metrics"
)

// Ledger implements metrics.Store: contacts and figures derived from the journal. It has two
// sides, 0 and 1, each with tables of its own; one is live. What it holds can be made anew, so
// its commits are ordinary ones.
type Ledger struct {
	eng *engine
	j   *Journal

	mu   sync.Mutex
	bare map[int]bool // sides whose indexes are not made yet
}

var _ metrics.Store = (*Ledger)(nil)

// Ledger keeps what is derived from the journal.
func (db *DB) Ledger() *Ledger { return db.ledger }

// The tables of a side. A contact's id begins with its arrival, so its primary key is the
// order of time, and most contacts are found by it from the name of their call. caller and was
// are hashes that find candidates: what is found is compared with the facts themselves.
const (
	ledgerTables = `
	CREATE TABLE contacts_{{side}} (
		id     {{bigint}} PRIMARY KEY,
		caller BIGINT NOT NULL,
		was    BIGINT NOT NULL,
		facts  {{bytes}} NOT NULL
	);
	CREATE TABLE rollups_{{side}} (
		grain INTEGER NOT NULL,
		dim   INTEGER NOT NULL,
		start BIGINT NOT NULL,
		row   {{bytes}} NOT NULL,
		PRIMARY KEY (grain, dim, start)
	);
	CREATE TABLE links_{{side}} (
		key     TEXT NOT NULL,
		contact BIGINT NOT NULL,
		PRIMARY KEY (key, contact)
	)`
	ledgerDrop = `
	DROP TABLE IF EXISTS contacts_{{side}};
	DROP TABLE IF EXISTS rollups_{{side}};
	DROP TABLE IF EXISTS links_{{side}}`
)

var ledgerIndexes = []string{
	`CREATE INDEX IF NOT EXISTS contacts_{{side}}_caller ON contacts_{{side}} (caller) WHERE caller <> 0`,
	`CREATE INDEX IF NOT EXISTS contacts_{{side}}_was ON contacts_{{side}} (was) WHERE was <> 0`,
}

// on writes SQL for a side, in the engine's words.
func (l *Ledger) on(side int, query string) string {
	words := append([]string{"{{side}}", fmt.Sprint(side)}, dialects[l.eng.name]...)
	return strings.NewReplacer(words...).Replace(query)
}

// define runs the statements of a definition, one after the other.
func (l *Ledger) define(ctx context.Context, tx *sql.Tx, side int, statements ...string) error {
	for _, list := range statements {
		for one := range strings.SplitSeq(list, ";") {
			if _, err := tx.ExecContext(ctx, l.on(side, one)); err != nil {
				return err
			}
		}
	}
	return nil
}

// Standing implements metrics.Store.
func (l *Ledger) Standing(ctx context.Context) (metrics.Standing, error) {
	at, err := l.standing(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		err = l.eng.writeRetrying(ctx, ordinary, func(tx *sql.Tx) error { return l.begin(ctx, tx) })
		if err == nil {
			at, err = l.standing(ctx)
		}
	}
	if err != nil {
		return at, fmt.Errorf("read where the figures stand: %w", l.eng.explain(err))
	}
	return at, nil
}

func (l *Ledger) standing(ctx context.Context) (at metrics.Standing, err error) {
	var state string
	err = l.eng.reader.QueryRowContext(ctx, `SELECT side, upto, state FROM ledger WHERE live = 1`).Scan(&at.Side, &at.Upto, &state)
	at.State = []byte(state)
	return at, err
}

// begin makes the first side, unless another process just has.
func (l *Ledger) begin(ctx context.Context, tx *sql.Tx) error {
	done, err := tx.ExecContext(ctx, `INSERT INTO ledger (side, live, upto, state) VALUES (0, 1, 0, '') ON CONFLICT (side) DO NOTHING`)
	if err != nil {
		return err
	}
	if n, err := done.RowsAffected(); err != nil || n == 0 {
		return err
	}
	return l.define(ctx, tx, 0, append([]string{ledgerDrop, ledgerTables}, ledgerIndexes...)...)
}

// Fresh implements metrics.Store.
func (l *Ledger) Fresh(ctx context.Context) (metrics.Standing, error) {
	live, err := l.Standing(ctx)
	if err != nil {
		return live, err
	}
	side := 1 - live.Side
	// A rebuild that was cut short has left rows there: too many to be dropped at once.
	err = l.eng.writeRetrying(ctx, ordinary, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE ledger SET upto = -1 WHERE side = $1 AND live = 0`, side)
		return err
	})
	if err != nil {
		return live, fmt.Errorf("prepare a new side of the figures: %w", err)
	}
	if err := l.Tidy(ctx); err != nil {
		return live, err
	}
	err = l.eng.writeRetrying(ctx, ordinary, func(tx *sql.Tx) error {
		if err := l.redefine(ctx, tx, side, ledgerDrop, ledgerTables); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO ledger (side, live, upto, state) VALUES ($1, 0, 0, '')
			ON CONFLICT (side) DO UPDATE SET upto = 0, state = ''`, side)
		return err
	})
	if err != nil {
		return live, fmt.Errorf("prepare a new side of the figures: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bare[side] = true
	return metrics.Standing{Side: side}, nil
}

// indexed makes the indexes of a side that has none yet. A side being filled is spared them
// until somebody looks for a contact in it.
func (l *Ledger) indexed(ctx context.Context, side int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.bare[side] {
		return nil
	}
	for _, index := range ledgerIndexes { // one by one: others write in between
		err := l.eng.write(ctx, ordinary, func(tx *sql.Tx) error { return l.redefine(ctx, tx, side, index) })
		if err != nil {
			return fmt.Errorf("index the figures: %w", err)
		}
	}
	l.bare[side] = false
	return nil
}

// Turn implements metrics.Store.
func (l *Ledger) Turn(ctx context.Context, from, to metrics.Standing) error {
	if err := l.indexed(ctx, to.Side); err != nil {
		return err
	}
	err := l.eng.write(ctx, ordinary, func(tx *sql.Tx) error {
		if err := moved(tx.ExecContext(ctx, `UPDATE ledger SET live = 0, upto = -1 WHERE side = $1 AND live = 1 AND upto <= $2`, from.Side, to.Upto)); err != nil {
			return err
		}
		return moved(tx.ExecContext(ctx, `UPDATE ledger SET live = 1 WHERE side = $1 AND upto = $2`, to.Side, to.Upto))
	})
	return l.told("turn to the new figures", err)
}

// tidyAtOnce are the contacts given up in one transaction: a tenth of a second.
const tidyAtOnce = 20_000

// Tidy implements metrics.Store. Turn has left upto = -1; a side that is filled anew has not.
func (l *Ledger) Tidy(ctx context.Context) error {
	left, err := rowsOf(ctx, l.eng.reader, func(r *sql.Rows) (side int, err error) { return side, r.Scan(&side) },
		`SELECT side FROM ledger WHERE live = 0 AND upto = -1`)
	if err != nil {
		return fmt.Errorf("look for figures to give up: %w", l.eng.explain(err))
	}
	for _, side := range left {
		for more := true; more; {
			err := l.eng.write(ctx, ordinary, func(tx *sql.Tx) (err error) {
				if err := moved(tx.ExecContext(ctx, `UPDATE ledger SET upto = -1 WHERE side = $1 AND live = 0 AND upto = -1`, side)); err != nil {
					return err
				}
				if more, err = l.giveUp(ctx, tx, side); more || err != nil {
					return err
				}
				if err := l.redefine(ctx, tx, side, ledgerDrop); err != nil {
					return err
				}
				_, err = tx.ExecContext(ctx, `UPDATE ledger SET upto = -2 WHERE side = $1`, side)
				return err
			})
			if errors.Is(err, metrics.ErrMoved) { // it is being filled, or was given up by another process
				break
			}
			if err != nil {
				return fmt.Errorf("give up the figures before: %w", err)
			}
		}
	}
	return nil
}

// redefine is define for tables that were filled of late. PostgreSQL's autovacuum holds them, and
// gives way to who has waited for a second (deadlock_timeout): longer than our writers have patience.
func (l *Ledger) redefine(ctx context.Context, tx *sql.Tx, side int, statements ...string) error {
	if l.eng.name == "postgres" {
		if _, err := tx.ExecContext(ctx, `SET LOCAL lock_timeout = '5s'`); err != nil {
			return err
		}
	}
	return l.define(ctx, tx, side, statements...)
}

// giveUp takes out some contacts of a side, and tells whether there are more. SQLite takes a
// large table away page by page, and nobody else writes meanwhile; PostgreSQL does it at once.
func (l *Ledger) giveUp(ctx context.Context, tx *sql.Tx, side int) (more bool, err error) {
	if l.eng.name == "postgres" {
		return false, nil
	}
	var tables int
	if err := tx.QueryRowContext(ctx, l.on(side, `SELECT count(*) FROM sqlite_master WHERE name = 'contacts_{{side}}'`)).Scan(&tables); err != nil || tables == 0 { // another process was faster
		return false, err
	}
	for _, index := range []string{"caller", "was"} {
		if _, err := tx.ExecContext(ctx, l.on(side, `DROP INDEX IF EXISTS contacts_{{side}}_`+index)); err != nil {
			return false, err
		}
	}
	var until int64
	err = tx.QueryRowContext(ctx, l.on(side, `SELECT id FROM contacts_{{side}} ORDER BY id LIMIT 1 OFFSET $1`), tidyAtOnce).Scan(&until)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	_, err = tx.ExecContext(ctx, l.on(side, `DELETE FROM contacts_{{side}} WHERE id < $1`), until)
	return true, err
}

// moved is ErrMoved when no row was where it was expected.
func moved(done sql.Result, err error) error {
	if err != nil {
		return err
	}
	n, err := done.RowsAffected()
	if err == nil && n == 0 {
		return metrics.ErrMoved
	}
	return err
}

func (l *Ledger) told(what string, err error) error {
	if err == nil || errors.Is(err, metrics.ErrMoved) {
		return err
	}
	return fmt.Errorf("%s: %w", what, err)
}

// Commit implements metrics.Store.
func (l *Ledger) Commit(ctx context.Context, b metrics.Batch) error {
	err := l.eng.write(ctx, ordinary, func(tx *sql.Tx) error {
		if err := moved(tx.ExecContext(ctx, `UPDATE ledger SET upto = $1, state = $2 WHERE side = $3 AND upto = $4`,
			b.Upto, string(b.State), b.Side, b.From)); err != nil {
			return err
		}
		if err := l.writeContacts(ctx, tx, b); err != nil {
			return err
		}
		for _, i := range b.Drop {
			if _, err := tx.ExecContext(ctx, l.on(b.Side, `DELETE FROM rollups_{{side}} WHERE grain = $1 AND start = $2 AND dim >= 0`), i.Grain, i.Start); err != nil {
				return err
			}
		}
		return l.writeRows(ctx, tx, b)
	})
	return l.told("keep the figures", err)
}

func (l *Ledger) writeContacts(ctx context.Context, tx *sql.Tx, b metrics.Batch) error {
	args := make([]any, 0, 4*len(b.Contacts))
	for _, k := range b.Contacts {
		args = append(args, k.ID, keyOf(k.Caller), keyOf(k.Was), k.Facts)
	}
	err := l.eng.execRows(ctx, tx, l.on(b.Side, `INSERT INTO contacts_{{side}} (id, caller, was, facts)`), 4,
		`ON CONFLICT (id) DO UPDATE SET caller = excluded.caller, was = excluded.was, facts = excluded.facts`, args)
	if err != nil {
		return err
	}
	args = args[:0]
	for _, k := range b.Links {
		args = append(args, clean(k.Key), k.Contact)
	}
	return l.eng.execRows(ctx, tx, l.on(b.Side, `INSERT INTO links_{{side}} (key, contact)`), 2, `ON CONFLICT DO NOTHING`, args)
}

// writeRows adds the batch's rows to those kept.
func (l *Ledger) writeRows(ctx context.Context, tx *sql.Tx, b metrics.Batch) error {
	kept, err := l.keptRows(ctx, tx, b)
	if err != nil {
		return err
	}
	args := make([]any, 0, 4*len(b.Rows))
	for _, k := range sortedKeys(b.Rows) {
		sum, err := metrics.AddRows(kept[k], b.Rows[k])
		if err != nil {
			return err
		}
		if len(sum) > 0 {
			args = append(args, k.Grain, k.Dim, k.Start, packRow(sum))
			continue
		}
		if _, err := tx.ExecContext(ctx, l.on(b.Side, `DELETE FROM rollups_{{side}} WHERE grain = $1 AND dim = $2 AND start = $3`), k.Grain, k.Dim, k.Start); err != nil {
			return err
		}
	}
	return l.eng.execRows(ctx, tx, l.on(b.Side, `INSERT INTO rollups_{{side}} (grain, dim, start, row)`), 4,
		`ON CONFLICT (grain, dim, start) DO UPDATE SET row = excluded.row`, args)
}

func sortedKeys(rows map[metrics.RowKey]metrics.Row) []metrics.RowKey {
	return slices.SortedFunc(maps.Keys(rows), func(a, b metrics.RowKey) int {
		switch {
		case a.Grain != b.Grain:
			return int(a.Grain - b.Grain)
		case a.Dim != b.Dim:
			return int(a.Dim - b.Dim)
		}
		return int(a.Start - b.Start)
	})
}

// keptRows reads the rows that the batch adds to: those of neighbouring intervals at once.
func (l *Ledger) keptRows(ctx context.Context, tx *sql.Tx, b metrics.Batch) (map[metrics.RowKey][]byte, error) {
	kept := map[metrics.RowKey][]byte{}
	keys := sortedKeys(b.Rows)
	if len(keys) == 0 {
		return kept, nil
	}
	stmt, err := tx.PrepareContext(ctx, l.on(b.Side, `SELECT start, row FROM rollups_{{side}} WHERE grain = $1 AND dim = $2 AND start >= $3 AND start <= $4`))
	if err != nil {
		return nil, err
	}
	defer stmt.Close()
	for len(keys) > 0 {
		n := 1
		for n < len(keys) && near(keys[n-1], keys[n]) {
			n++
		}
		if err := l.keptBetween(ctx, stmt, keys[0], keys[n-1].Start, b.Rows, kept); err != nil {
			return nil, err
		}
		keys = keys[n:]
	}
	return kept, nil
}

// near says that little lies between two rows, in the order of sortedKeys.
func near(a, b metrics.RowKey) bool {
	const hours = 4 * 60 * 60 * 1000
	return a.Grain == b.Grain && a.Dim == b.Dim && b.Start-a.Start <= hours
}

func (l *Ledger) keptBetween(ctx context.Context, stmt *sql.Stmt, first metrics.RowKey, last metrics.Moment, wanted map[metrics.RowKey]metrics.Row, kept map[metrics.RowKey][]byte) error {
	rows, err := stmt.QueryContext(ctx, first.Grain, first.Dim, first.Start, last)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		key, packed := first, []byte(nil)
		if err := rows.Scan(&key.Start, &packed); err != nil {
			return err
		}
		if _, is := wanted[key]; !is {
			continue
		}
		if kept[key], err = unpackRow(nil, packed); err != nil {
			return err
		}
	}
	return rows.Err()
}

// keyOf is a hash to find a text by; 0 is the empty text's alone.
func keyOf(s string) int64 {
	if s == "" {
		return 0
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(s)) // never fails
	return int64(h.Sum64() | 1)
}

// Purge implements metrics.Store. It goes by days, so that no transaction is long.
func (l *Ledger) Purge(ctx context.Context, side int, until int64) (gone int64, err error) {
	const day = int64(24*60*60*1000) << 12
	for {
		var first sql.NullInt64
		if err := l.eng.reader.QueryRowContext(ctx, l.on(side, `SELECT min(id) FROM contacts_{{side}}`)).Scan(&first); err != nil {
			return gone, fmt.Errorf("purge contacts: %w", l.eng.explain(err))
		}
		if !first.Valid || first.Int64 >= until {
			return gone, nil
		}
		err := l.eng.write(ctx, ordinary, func(tx *sql.Tx) error {
			end := min(until, first.Int64+day)
			if _, err := tx.ExecContext(ctx, l.on(side, `DELETE FROM links_{{side}} WHERE contact < $1`), end); err != nil {
				return err
			}
			done, err := tx.ExecContext(ctx, l.on(side, `DELETE FROM contacts_{{side}} WHERE id < $1`), end)
			if err != nil {
				return err
			}
			n, err := done.RowsAffected()
			gone += n
			return err
		})
		if err != nil {
			return gone, fmt.Errorf("purge contacts: %w", err)
		}
	}
}

// Contact implements metrics.Store.
func (l *Ledger) Contact(ctx context.Context, side int, id call.ID) (metrics.Kept, bool, error) {
	if first, until, ok := metrics.Within(id); ok {
		near, err := l.read(ctx, side, `id >= $1 AND id < $2`, first, until)
		if err != nil {
			return metrics.Kept{}, false, err
		}
		for _, k := range near {
			if k.Call == id {
				return k, true, nil
			}
		}
	}
	found, err := l.Linked(ctx, side, string(id))
	if err != nil || len(found) == 0 {
		return metrics.Kept{}, false, err
	}
	return found[0], true, nil
}

// Linked implements metrics.Store.
func (l *Ledger) Linked(ctx context.Context, side int, key string) ([]metrics.Kept, error) {
	return l.read(ctx, side, `id IN (SELECT contact FROM links_{{side}} WHERE key = $1)`, clean(key))
}

// Person implements metrics.Store.
func (l *Ledger) Person(ctx context.Context, side int, pseudonyms []string, from, until metrics.Moment) ([]metrics.Kept, error) {
	args := []any{int64(from) << 12, int64(until) << 12}
	for _, p := range pseudonyms {
		args = append(args, keyOf(p))
	}
	in := inList(3, len(pseudonyms))
	found, err := l.find(ctx, side, `id >= $1 AND id < $2 AND (caller <> 0 AND caller IN `+in+` OR was <> 0 AND was IN `+in+`)`, args...)
	return slices.DeleteFunc(found, func(k metrics.Kept) bool {
		return !slices.Contains(pseudonyms, k.Caller) && !slices.Contains(pseudonyms, k.Was)
	}), err
}

// find is read by way of the indexes.
func (l *Ledger) find(ctx context.Context, side int, where string, args ...any) ([]metrics.Kept, error) {
	if err := l.indexed(ctx, side); err != nil {
		return nil, err
	}
	return l.read(ctx, side, where, args...)
}

// read gives contacts in the order of their ids.
func (l *Ledger) read(ctx context.Context, side int, where string, args ...any) ([]metrics.Kept, error) {
	found, err := rowsOf(ctx, l.eng.reader, func(r *sql.Rows) (metrics.Kept, error) {
		var k metrics.Kept
		if err := r.Scan(&k.ID, &k.Facts); err != nil {
			return k, err
		}
		c, err := k.Contact()
		if err != nil {
			return k, err
		}
		k.Call, k.Caller, k.Was = c.ID, c.Caller, c.Was
		return k, nil
	}, l.on(side, `SELECT id, facts FROM contacts_{{side}} WHERE `+where+` ORDER BY id`), args...)
	if err != nil {
		return nil, fmt.Errorf("look for a contact: %w", l.eng.explain(err))
	}
	return found, nil
}

// Contacts implements metrics.Store.
func (l *Ledger) Contacts(ctx context.Context, side int, first, until int64, fn func(metrics.Kept) bool) error {
	rows, err := l.eng.reader.QueryContext(ctx, l.on(side, `SELECT id, facts FROM contacts_{{side}} WHERE id >= $1 AND id < $2 ORDER BY id`), first, until)
	if err != nil {
		return fmt.Errorf("read contacts: %w", l.eng.explain(err))
	}
	defer rows.Close()
	for rows.Next() {
		var k metrics.Kept
		if err := rows.Scan(&k.ID, &k.Facts); err != nil {
			return fmt.Errorf("read contacts: %w", l.eng.explain(err))
		}
		if !fn(k) {
			return nil
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read contacts: %w", l.eng.explain(err))
	}
	return nil
}

// Rows implements metrics.Store.
func (l *Ledger) Rows(ctx context.Context, side int, g metrics.Grain, d metrics.Dim, from, until metrics.Moment, fn func(metrics.Moment, []byte) error) error {
	rows, err := l.eng.reader.QueryContext(ctx, l.on(side, `SELECT start, row FROM rollups_{{side}}
		WHERE grain = $1 AND dim = $2 AND start >= $3 AND start < $4 ORDER BY start`), g, d, from, until)
	if err != nil {
		return fmt.Errorf("read figures: %w", l.eng.explain(err))
	}
	defer rows.Close()
	var packed sql.RawBytes
	var room []byte
	for rows.Next() {
		var start int64
		if err := rows.Scan(&start, &packed); err != nil {
			return fmt.Errorf("read figures: %w", l.eng.explain(err))
		}
		row, err := unpackRow(room[:0], packed)
		if err != nil {
			return err
		}
		if err := fn(metrics.Moment(start), row); err != nil {
			return err
		}
		if len(packed) > 0 && packed[0] == rowZstd {
			room = row
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read figures: %w", l.eng.explain(err))
	}
	return nil
}

// Scan implements metrics.Store.
func (l *Ledger) Scan(ctx context.Context, after int64, fn func(id int64, e call.Event) error) error {
	return l.j.Read(ctx, Filter{After: after}, func(e Entry) error { return fn(e.ID, e.Event) })
}

// A row is kept as it is, or compressed where that pays; its first byte says which.
const (
	rowPlain = 'p'
	rowZstd  = 'z'
	// worthPacking is the length from which a row is compressed.
	worthPacking = 200
)

var (
	rowPacker, _   = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2), zstd.WithEncoderCRC(false))
	rowUnpacker, _ = zstd.NewReader(nil, zstd.WithDecoderConcurrency(2))
)

func packRow(row []byte) []byte {
	if len(row) < worthPacking {
		return append([]byte{rowPlain}, row...)
	}
	return rowPacker.EncodeAll(row, append(make([]byte, 0, len(row)), rowZstd))
}

// unpackRow appends the row to room; a plain one is returned as it lies in packed.
func unpackRow(room, packed []byte) ([]byte, error) {
	switch {
	case len(packed) > 0 && packed[0] == rowPlain:
		return packed[1:], nil
	case len(packed) > 0 && packed[0] == rowZstd:
		row, err := rowUnpacker.DecodeAll(packed[1:], room)
		if err == nil {
			return row, nil
		}
	}
	return nil, errors.New("a row of the figures is damaged: decroche metrics rebuild makes it anew")
}
