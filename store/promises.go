package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"decroche/call"
	"decroche/callback"
)

// Promises implements callback.Store. Every change is committed with synchronous=FULL before
// it returns, and is tried again for up to ten seconds while the database is locked or away.
//
// One person has one live promise because an index says so, whoever asks and however often;
// a slot is never given more often than it may be because its count is raised by a statement
// that refuses beyond the bound, in the transaction that keeps the promise. Whoever changes a
// promise holds its row until the commit: on SQLite as the one writer, on PostgreSQL by a
// lock taken before the row is read. Locks are taken in one order (epoch, promise, attempt,
// slots, messages), so that no two changes wait for each other.
//
// A change whose commit was not answered is looked for before it is made again.
type Promises struct {
	eng   *engine
	owner func() (node string, epoch int64) // what this process has acquired
}

// Promises keeps the promises to call back.
func (db *DB) Promises() *Promises {
	return &Promises{eng: db.eng, owner: db.checkpoints.owner}
}

var _ callback.Store = (*Promises)(nil)

const (
	promiseColumns = `id, number, lang, queue, reason, public, kind, origin, contact, asked, joined, slot, due, by_at,
		state, live, node, tries, attempts, voicemail, settled, settled_by, version, score, relay, zone`
	promiseWidth = 26
)

var (
	insertPromise = `INSERT INTO promises (` + promiseColumns + `) VALUES` + placeholders(1, promiseWidth) +
		`ON CONFLICT (number) WHERE live = 1 DO NOTHING`
	updatePromise = `UPDATE promises SET (` + promiseColumns + `) =` + placeholders(1, promiseWidth) + `WHERE id = $1`
)

// Ask keeps a new promise with its messages; see callback.Store. A State that is empty is
// Pending. Version becomes 1, and Tries and Attempts are kept as given.
func (s *Promises) Ask(ctx context.Context, p callback.Promise, b callback.Bounds, c callback.Change) (callback.Promise, bool, error) {
	if p.State == "" {
		p.State = callback.Pending
	}
	p.Version = 1
	p = asKept(p)
	if p.ID == "" || p.Number == call.Withheld || !p.State.Live() {
		return callback.Promise{}, false, fmt.Errorf("keep promise %q: it needs an id, a number and a live state", p.ID)
	}
	var kept callback.Promise
	var made, before bool
	err := s.eng.writeRetrying(ctx, promised, func(tx *sql.Tx) error {
		var err error
		if kept, made, err = askOnce(ctx, tx, p); err != nil {
			return err
		}
		if !made {
			made = before && kept.ID == p.ID // the commit of an earlier run was not answered
			return nil
		}
		before = true
		if err := withinDay(ctx, tx, p, b); err != nil {
			return err
		}
		if err := moveSlot(ctx, tx, callback.Promise{}, p, b.Slot); err != nil {
			return err
		}
		return applyChange(ctx, tx, c)
	})
	if err != nil {
		return callback.Promise{}, false, fmt.Errorf("keep promise %s: %w", p.ID, err)
	}
	return kept, made, nil
}

// askOnce inserts the promise, or returns the live one that the number has.
func askOnce(ctx context.Context, tx *sql.Tx, p callback.Promise) (callback.Promise, bool, error) {
	for range 10 {
		res, err := tx.ExecContext(ctx, insertPromise, promiseArgs(p)...)
		if err != nil {
			return p, false, err
		}
		if n, err := res.RowsAffected(); err != nil || n == 1 {
			return p, err == nil, err
		}
		live, err := scanPromise(tx.QueryRowContext(ctx,
			`SELECT `+promiseColumns+` FROM promises WHERE number = $1 AND live = 1`, string(p.Number)))
		if !errors.Is(err, sql.ErrNoRows) {
			return live, false, err
		}
		// It was settled between the two statements: the place is free.
	}
	return p, false, errors.New("the number's live promise comes and goes")
}

// withinDay refuses what the number may not be given any more. The number's live row, just
// inserted, holds off everybody else who asks for it.
func withinDay(ctx context.Context, tx *sql.Tx, p callback.Promise, b callback.Bounds) error {
	if b.PerDay <= 0 {
		return nil
	}
	var given int
	err := tx.QueryRowContext(ctx, `SELECT count(*) FROM promises WHERE number = $1 AND asked >= $2 AND id <> $3`,
		string(p.Number), millis(b.Since), string(p.ID)).Scan(&given)
	if err == nil && given >= b.PerDay {
		return callback.ErrTooMany
	}
	return err
}

// seat is the place that a promise takes in the count of slots.
type seat struct {
	queue string
	start int64
}

func seatOf(p callback.Promise) (seat, bool) {
	return seat{p.Queue, millis(p.Slot)}, p.State.Live() && !p.Slot.IsZero()
}

// moveSlot gives back the slot that before had and takes the one of after, at most bound
// times. Rows are locked in one order, so that two who swap slots do not wait for each other.
func moveSlot(ctx context.Context, tx *sql.Tx, before, after callback.Promise, bound int) error {
	old, had := seatOf(before)
	young, has := seatOf(after)
	if had == has && (!had || old == young) {
		return nil
	}
	take := func() error {
		if !has {
			return nil
		}
		limit := int64(math.MaxInt64)
		if bound > 0 {
			limit = int64(bound)
		}
		res, err := tx.ExecContext(ctx, `INSERT INTO slots (queue, start, taken) VALUES ($1, $2, 1)
			ON CONFLICT (queue, start) DO UPDATE SET taken = slots.taken + 1 WHERE slots.taken < $3`,
			young.queue, young.start, limit)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, callback.ErrSlotFull)
		}
		return nil
	}
	give := func() error {
		if !had {
			return nil
		}
		if _, err := tx.ExecContext(ctx, `UPDATE slots SET taken = taken - 1 WHERE queue = $1 AND start = $2`,
			old.queue, old.start); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM slots WHERE queue = $1 AND start = $2 AND taken <= 0`, old.queue, old.start)
		return err
	}
	steps := []func() error{give, take}
	if young.queue < old.queue || (young.queue == old.queue && young.start < old.start) {
		slices.Reverse(steps)
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// applyChange keeps what a change of a promise does beside it.
func applyChange(ctx context.Context, tx *sql.Tx, c callback.Change) error {
	if err := dropMessages(ctx, tx, c.Drop, time.Now()); err != nil {
		return err
	}
	return insertMessages(ctx, tx, c.Send, time.Now())
}

// Change changes a promise; see callback.Store. The store counts Version and Attempts itself,
// and refuses an fn that changes the id or the number. A promise that stops
// being live loses its Node and, when fn has not set Settled, is settled now; a Pending one
// has no Node. fn must not write to this store: on SQLite it holds the one writer.
func (s *Promises) Change(ctx context.Context, id callback.ID, slot int, fn func(*callback.Promise) (callback.Change, error)) (callback.Promise, error) {
	var kept callback.Promise
	var wrote *callback.Promise
	err := s.eng.writeRetrying(ctx, promised, func(tx *sql.Tx) error {
		before, err := s.locked(ctx, tx, id)
		if err != nil {
			return err
		}
		if wrote != nil && before == *wrote {
			kept = before // the commit of an earlier run was not answered
			return nil
		}
		kept, err = alter(ctx, tx, before, slot, fn)
		after := kept
		wrote = &after
		return err
	})
	if err != nil {
		return callback.Promise{}, fmt.Errorf("change promise %s: %w", id, err)
	}
	return kept, nil
}

// locked reads a promise that nobody else changes before the transaction ends.
func (s *Promises) locked(ctx context.Context, tx *sql.Tx, id callback.ID) (callback.Promise, error) {
	p, err := scanPromise(tx.QueryRowContext(ctx,
		`SELECT `+promiseColumns+` FROM promises WHERE id = $1`+s.eng.locking("FOR UPDATE"), clean(string(id))))
	if errors.Is(err, sql.ErrNoRows) {
		return p, callback.ErrNoPromise
	}
	return p, err
}

// alter runs fn on a promise that is locked, and saves what it made of it.
func alter(ctx context.Context, tx *sql.Tx, before callback.Promise, slot int, fn func(*callback.Promise) (callback.Change, error)) (callback.Promise, error) {
	after := before
	c, err := fn(&after)
	if err != nil {
		return before, err
	}
	if after.ID != before.ID || after.Number != before.Number {
		return before, errors.New("the id and the number of a promise stay as they are")
	}
	if !after.State.Live() && after.Settled.IsZero() {
		after.Settled = time.Now()
	}
	if after.State == callback.Pending || !after.State.Live() {
		after.Node = ""
	}
	after.Version, after.Attempts = before.Version+1, before.Attempts
	after = asKept(after)
	if err := moveSlot(ctx, tx, before, after, slot); err != nil {
		return before, err
	}
	if _, err := tx.ExecContext(ctx, updatePromise, promiseArgs(after)...); err != nil {
		return before, err
	}
	return after, applyChange(ctx, tx, c)
}

// Promise returns one; see callback.Store.
func (s *Promises) Promise(ctx context.Context, id callback.ID) (callback.Promise, error) {
	p, err := scanPromise(s.eng.reader.QueryRowContext(ctx,
		`SELECT `+promiseColumns+` FROM promises WHERE id = $1`, clean(string(id))))
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return callback.Promise{}, fmt.Errorf("read promise %s: %w", id, callback.ErrNoPromise)
	case err != nil:
		return callback.Promise{}, fmt.Errorf("read promise %s: %w", id, s.eng.explain(err))
	}
	return p, nil
}

// Live returns the live promise of a number; see callback.Store.
func (s *Promises) Live(ctx context.Context, n call.Number) (callback.Promise, bool, error) {
	p, err := scanPromise(s.eng.reader.QueryRowContext(ctx,
		`SELECT `+promiseColumns+` FROM promises WHERE number = $1 AND live = 1`, clean(string(n))))
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return callback.Promise{}, false, nil
	case err != nil:
		return callback.Promise{}, false, fmt.Errorf("read the live promise of a number: %w", s.eng.explain(err))
	}
	return p, true, nil
}

// Promises lists by Due, then Joined, then id; see callback.Filter. From ≤ Due < Until.
func (s *Promises) Promises(ctx context.Context, f callback.Filter) ([]callback.Promise, error) {
	var conds []string
	var args []any
	add := func(cond string, v any) {
		args = append(args, v)
		conds = append(conds, fmt.Sprintf(cond, len(args)))
	}
	due := "due"
	if inLine := []callback.State{callback.InLine}; f.Node != "" && slices.Equal(f.States, inLine) {
		// What a node asks each second. Written out, and not sorted by an index, it is found by
		// promises_node, among few.
		conds, due = append(conds, "state = 'in_line'"), "+due"
	} else if len(f.States) > 0 {
		for _, st := range f.States {
			args = append(args, string(st))
		}
		conds = append(conds, "state IN "+inList(1, len(args)))
	}
	if f.Number != "" {
		add("number = $%d", clean(string(f.Number)))
	}
	if f.Queue != "" {
		add("queue = $%d", clean(f.Queue))
	}
	if f.Node != "" {
		add("node = $%d", clean(f.Node))
	}
	if !f.From.IsZero() {
		add("due >= $%d", millis(f.From))
	}
	if !f.Until.IsZero() {
		add("due < $%d", millis(f.Until))
	}
	query := `SELECT ` + promiseColumns + ` FROM promises`
	if len(conds) > 0 {
		query += ` WHERE ` + strings.Join(conds, " AND ")
	}
	limit := f.Limit
	if limit <= 0 {
		limit = 100
	}
	args = append(args, limit)
	list, err := rowsOf(ctx, s.eng.reader, scanPromise, query+fmt.Sprintf(` ORDER BY %s, joined, id LIMIT $%d`, due, len(args)), args...)
	if err != nil {
		return nil, fmt.Errorf("list the promises: %w", s.eng.explain(err))
	}
	return list, nil
}

// Taken counts the live promises of a queue by slot, in [from, until). The keys are in UTC.
func (s *Promises) Taken(ctx context.Context, queue string, from, until time.Time) (map[time.Time]int, error) {
	taken := map[time.Time]int{}
	_, err := rowsOf(ctx, s.eng.reader, func(rows *sql.Rows) (int, error) {
		var start int64
		var n int
		err := rows.Scan(&start, &n)
		taken[fromMillis(start)] = n
		return n, err
	}, `SELECT start, taken FROM slots WHERE queue = $1 AND start >= $2 AND start < $3`, clean(queue), millis(from), millis(until))
	if err != nil {
		return nil, fmt.Errorf("count the slots taken in queue %s: %w", queue, s.eng.explain(err))
	}
	return taken, nil
}

// Counts counts live promises by state, and those late: live with By before now.
func (s *Promises) Counts(ctx context.Context, now time.Time) (map[callback.State]int, int, error) {
	counts, late := map[callback.State]int{}, 0
	_, err := rowsOf(ctx, s.eng.reader, func(rows *sql.Rows) (int, error) {
		var state callback.State
		var n, over int
		err := rows.Scan(&state, &n, &over)
		counts[state] = n
		late += over
		return n, err
	}, `SELECT state, count(*), sum(CASE WHEN by_at <> 0 AND by_at < $1 THEN 1 ELSE 0 END)
		FROM promises WHERE live = 1 GROUP BY state`, millis(now))
	if err != nil {
		return nil, 0, fmt.Errorf("count the promises: %w", s.eng.explain(err))
	}
	return counts, late, nil
}

// Standings counts the live promises with Due before a moment, by queue, as they stand now.
func (s *Promises) Standings(ctx context.Context, now, until time.Time) (map[string]callback.Standing, error) {
	all := map[string]callback.Standing{}
	// Live promises are few beside those of the past: the sign keeps the index of due out of it.
	_, err := rowsOf(ctx, s.eng.reader, func(rows *sql.Rows) (queue string, err error) {
		var st callback.Standing
		err = rows.Scan(&queue, &st.Due, &st.AtRisk, &st.Late)
		all[queue] = st
		return queue, err
	}, `SELECT queue, count(*), sum(CASE WHEN by_at >= $1 AND by_at < $2 AND state <> 'calling' THEN 1 ELSE 0 END),
		sum(CASE WHEN by_at <> 0 AND by_at < $1 THEN 1 ELSE 0 END)
		FROM promises WHERE live = 1 AND +due < $3 GROUP BY queue`, millis(now), millis(now.Add(callback.Risk)), millis(until))
	if err != nil {
		return nil, fmt.Errorf("count the promises of queues: %w", s.eng.explain(err))
	}
	return all, nil
}

// asKept is the promise as a read gives it back: times to the millisecond in UTC, texts that
// both engines take.
func asKept(p callback.Promise) callback.Promise {
	for _, t := range []*time.Time{&p.Asked, &p.Joined, &p.Slot, &p.Due, &p.By, &p.Settled} {
		*t = fromMillis(millis(*t))
	}
	p.ID, p.Number, p.Relay, p.Lang = cleaned(p.ID), cleaned(p.Number), cleaned(p.Relay), cleaned(p.Lang)
	p.Queue, p.Reason, p.Public, p.Zone = clean(p.Queue), clean(p.Reason), clean(p.Public), clean(p.Zone)
	p.Kind, p.Origin, p.Contact = cleaned(p.Kind), cleaned(p.Origin), cleaned(p.Contact)
	p.State, p.Node, p.SettledBy = cleaned(p.State), clean(p.Node), clean(p.SettledBy)
	return p
}

func cleaned[S ~string](s S) S { return S(clean(string(s))) }

// promiseArgs are the columns of a promise that asKept has been through.
func promiseArgs(p callback.Promise) []any {
	return []any{
		string(p.ID), string(p.Number), string(p.Lang), p.Queue, p.Reason, p.Public, string(p.Kind), string(p.Origin),
		string(p.Contact), millis(p.Asked), millis(p.Joined), millis(p.Slot), millis(p.Due), millis(p.By),
		string(p.State), number(p.State.Live()), p.Node, p.Tries, p.Attempts, number(p.Voicemail),
		millis(p.Settled), p.SettledBy, p.Version, p.Score, string(p.Relay), p.Zone,
	}
}

func scanPromise[R interface{ Scan(...any) error }](row R) (callback.Promise, error) {
	var p callback.Promise
	var asked, joined, slot, due, by, settled int64
	var live, voicemail int
	err := row.Scan(&p.ID, &p.Number, &p.Lang, &p.Queue, &p.Reason, &p.Public, &p.Kind, &p.Origin, &p.Contact,
		&asked, &joined, &slot, &due, &by, &p.State, &live, &p.Node, &p.Tries, &p.Attempts, &voicemail,
		&settled, &p.SettledBy, &p.Version, &p.Score, &p.Relay, &p.Zone)
	p.Asked, p.Joined, p.Slot, p.Due = fromMillis(asked), fromMillis(joined), fromMillis(slot), fromMillis(due)
	p.By, p.Settled, p.Voicemail = fromMillis(by), fromMillis(settled), voicemail != 0
	return p, err
}
