package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"decroche/call"
	"decroche/callback"
)

// fewDue is how many due promises of a queue are read and sorted. Where more are due, the
// index in the order of the line finds the first of them after a few steps instead.
const fewDue = 256

// TakeDue gives a node what is due; see callback.Store. It costs a node that finds nothing a
// read alone. It returns call.ErrFenced when this process has acquired the node and a later
// controller has too.
//
// Due and the order of the line are two orders, and no index has both. What is due is read by
// Due while it is little (slots to come and tries to come are not touched), and in the order of
// the line when it is much (what is passed over then are tries to come of those who joined
// before). Both answers are exact; the unary plus keeps the planners to the index meant.
func (s *Promises) TakeDue(ctx context.Context, node string, queues []string, now time.Time, limit int) ([]callback.Promise, error) {
	if limit <= 0 || len(queues) == 0 {
		return nil, nil
	}
	queues = slices.Compact(slices.Sorted(slices.Values(queues)))
	some, err := s.anyDue(ctx, queues, now)
	if err != nil || !some {
		return nil, err
	}
	var taken []callback.Promise
	err = s.eng.writeRetrying(ctx, promised, func(tx *sql.Tx) error {
		if len(taken) > 0 { // the commit of an earlier run was not answered
			first, err := scanPromise(tx.QueryRowContext(ctx, `SELECT `+promiseColumns+` FROM promises WHERE id = $1`, string(taken[0].ID)))
			if err == nil && first == taken[0] {
				return nil
			}
			taken = nil
		}
		if err := s.fence(ctx, tx, node); err != nil {
			return err
		}
		for range 10 { // what another node took meanwhile is not ours: look again
			ids, err := dueFirst(ctx, tx, queues, millis(now), limit)
			if err != nil || len(ids) == 0 {
				return err
			}
			if taken, err = s.take(ctx, tx, clean(node), ids, millis(now)); err != nil || len(taken) > 0 {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("take the promises that are due: %w", err)
	}
	return taken, nil
}

func (s *Promises) anyDue(ctx context.Context, queues []string, now time.Time) (bool, error) {
	for _, q := range queues {
		var one int
		err := s.eng.reader.QueryRowContext(ctx,
			`SELECT 1 FROM promises WHERE state = 'pending' AND queue = $1 AND due <= $2 LIMIT 1`, clean(q), millis(now)).Scan(&one)
		if err == nil {
			return true, nil
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return false, fmt.Errorf("look for promises that are due: %w", s.eng.explain(err))
		}
	}
	return false, nil
}

// place is a promise's place in line.
type place struct {
	joined int64
	id     string
}

func byPlace(a, b place) int { return cmp.Or(cmp.Compare(a.joined, b.joined), cmp.Compare(a.id, b.id)) }

// dueFirst finds the first due promises of all these queues in the order of the line.
func dueFirst(ctx context.Context, tx *sql.Tx, queues []string, now int64, limit int) ([]place, error) {
	var all []place
	for _, q := range queues {
		q = clean(q)
		found, err := placesOf(ctx, tx, `SELECT joined, id FROM promises
			WHERE state = 'pending' AND queue = $1 AND due <= $2 ORDER BY due LIMIT $3`, q, now, fewDue+1)
		if err == nil && len(found) > fewDue {
			found, err = placesOf(ctx, tx, `SELECT joined, id FROM promises
				WHERE state = 'pending' AND queue = $1 AND +due <= $2 ORDER BY joined, id LIMIT $3`, q, now, limit)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	slices.SortFunc(all, byPlace)
	return all[:min(limit, len(all))], nil
}

func placesOf(ctx context.Context, tx *sql.Tx, query string, args ...any) ([]place, error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []place
	for rows.Next() {
		var p place
		if err := rows.Scan(&p.joined, &p.id); err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, rows.Err()
}

// take claims those of the promises that are still due. Their rows are locked in the order of
// their ids, so that two nodes do not wait for each other.
func (s *Promises) take(ctx context.Context, tx *sql.Tx, node string, ids []place, now int64) ([]callback.Promise, error) {
	var taken []callback.Promise
	for chunk := range slices.Chunk(ids, 500) {
		args := []any{node, now}
		for _, p := range chunk {
			args = append(args, p.id)
		}
		rows, err := tx.QueryContext(ctx, `UPDATE promises SET state = 'in_line', node = $1, version = version + 1
			WHERE id IN (SELECT id FROM promises WHERE id IN `+inList(3, len(chunk))+`
				AND state = 'pending' AND due <= $2 ORDER BY id`+s.eng.locking("FOR UPDATE")+`)
			RETURNING `+promiseColumns, args...)
		if err != nil {
			return nil, err
		}
		for rows.Next() {
			p, err := scanPromise(rows)
			if err != nil {
				return nil, errors.Join(err, rows.Close())
			}
			taken = append(taken, p)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(taken, func(a, b callback.Promise) int {
		return cmp.Or(a.Joined.Compare(b.Joined), cmp.Compare(a.ID, b.ID))
	})
	return taken, nil
}

// fence refuses a process that acquired the node and has been followed by another.
func (s *Promises) fence(ctx context.Context, tx *sql.Tx, node string) error {
	mine, epoch := s.owner()
	if mine == "" || mine != node {
		return nil
	}
	return s.holds(ctx, tx, node, epoch)
}

// holds returns call.ErrFenced unless the epoch is the node's last one; no later one begins
// before the transaction ends.
func (s *Promises) holds(ctx context.Context, tx *sql.Tx, node string, epoch int64) error {
	var last int64
	err := tx.QueryRowContext(ctx, `SELECT epoch FROM epochs WHERE node = $1`+s.eng.locking("FOR SHARE"), clean(node)).Scan(&last)
	if errors.Is(err, sql.ErrNoRows) || (err == nil && last != epoch) {
		return call.ErrFenced
	}
	return err
}

// Begin makes an attempt; see callback.Store. It also returns callback.ErrNoPromise.
func (s *Promises) Begin(ctx context.Context, a callback.Attempt) (callback.Attempt, error) {
	begun := callback.Attempt{}
	err := s.eng.writeRetrying(ctx, promised, func(tx *sql.Tx) error {
		if err := s.holds(ctx, tx, a.Node, a.Epoch); err != nil {
			return err
		}
		p, err := s.locked(ctx, tx, a.Promise)
		if err != nil {
			return err
		}
		if begun.N != 0 && p.State == callback.Calling && p.Attempts == begun.N {
			if kept, err := attempt(ctx, tx, p.ID, begun.N); err == nil && kept == begun {
				return nil // the commit of an earlier run was not answered
			}
		}
		switch {
		case !p.State.Live():
			return callback.ErrSettled
		case p.State != callback.InLine || p.Node != clean(a.Node):
			return callback.ErrChanged
		}
		begun = callback.Attempt{
			Promise: p.ID, N: p.Attempts + 1, Call: cleaned(a.Call), Agent: cleaned(a.Agent), Node: p.Node,
			Epoch: a.Epoch, Started: fromMillis(millis(a.Started)),
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO attempts (promise, n, call_id, agent, node, epoch, started, ended, result)
			VALUES ($1, $2, $3, $4, $5, $6, $7, 0, '')`, string(begun.Promise), begun.N, string(begun.Call),
			string(begun.Agent), begun.Node, begun.Epoch, millis(begun.Started))
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE promises SET state = 'calling', attempts = $1, version = version + 1 WHERE id = $2`,
			begun.N, string(p.ID))
		return err
	})
	if err != nil {
		return callback.Attempt{}, fmt.Errorf("begin an attempt of promise %s: %w", a.Promise, err)
	}
	return begun, nil
}

// End closes an attempt; see callback.Store. It returns callback.ErrNoPromise when there is no
// such attempt. fn is bound as in Change.
func (s *Promises) End(ctx context.Context, id callback.ID, n int, at time.Time, r callback.Result,
	fn func(*callback.Promise) (callback.Change, error),
) (callback.Promise, error) {
	if r == "" {
		return callback.Promise{}, fmt.Errorf("end attempt %d of promise %s: it needs a result", n, id)
	}
	var kept callback.Promise
	err := s.eng.writeRetrying(ctx, promised, func(tx *sql.Tx) error {
		before, err := s.locked(ctx, tx, id)
		if err != nil {
			return err
		}
		a, err := attempt(ctx, tx, before.ID, n)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return callback.ErrNoPromise
		case err != nil:
			return err
		case a.Result != "":
			kept = before
			return nil
		}
		if kept, err = alter(ctx, tx, before, 0, fn); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE attempts SET ended = $1, result = $2 WHERE promise = $3 AND n = $4`,
			millis(at), clean(string(r)), string(before.ID), n)
		return err
	})
	if err != nil {
		return callback.Promise{}, fmt.Errorf("end attempt %d of promise %s: %w", n, id, err)
	}
	return kept, nil
}

// Release gives back what is InLine on the node; see callback.Store. It returns call.ErrFenced
// when this process has acquired the node and a later controller has too: what is in line
// there is the other's.
func (s *Promises) Release(ctx context.Context, node string) (int, error) {
	total := int64(0)
	err := s.eng.writeRetrying(ctx, promised, func(tx *sql.Tx) error {
		if err := s.fence(ctx, tx, node); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, `UPDATE promises SET state = 'pending', node = '', version = version + 1
			WHERE id IN (SELECT id FROM promises WHERE state = 'in_line' AND node = $1 ORDER BY id`+s.eng.locking("FOR UPDATE")+`)`, clean(node))
		if err != nil {
			return err
		}
		total, err = res.RowsAffected()
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("give back the promises in line on node %s: %w", node, err)
	}
	return int(total), nil
}

const attemptColumns = `promise, n, call_id, agent, node, epoch, started, ended, result`

// Attempts lists those of one promise, oldest first; see callback.Store.
func (s *Promises) Attempts(ctx context.Context, id callback.ID) ([]callback.Attempt, error) {
	list, err := rowsOf(ctx, s.eng.reader, scanAttempt,
		`SELECT `+attemptColumns+` FROM attempts WHERE promise = $1 ORDER BY n`, clean(string(id)))
	if err != nil {
		return nil, fmt.Errorf("list the attempts of promise %s: %w", id, s.eng.explain(err))
	}
	return list, nil
}

// Open lists the attempts of a node that have no result, oldest first; see callback.Store.
func (s *Promises) Open(ctx context.Context, node string) ([]callback.Attempt, error) {
	list, err := rowsOf(ctx, s.eng.reader, scanAttempt,
		`SELECT `+attemptColumns+` FROM attempts WHERE result = '' AND node = $1 ORDER BY started, promise, n`, clean(node))
	if err != nil {
		return nil, fmt.Errorf("list the open attempts of node %s: %w", node, s.eng.explain(err))
	}
	return list, nil
}

func attempt(ctx context.Context, tx *sql.Tx, id callback.ID, n int) (callback.Attempt, error) {
	return scanAttempt(tx.QueryRowContext(ctx, `SELECT `+attemptColumns+` FROM attempts WHERE promise = $1 AND n = $2`, string(id), n))
}

func scanAttempt[R interface{ Scan(...any) error }](row R) (callback.Attempt, error) {
	var a callback.Attempt
	var started, ended int64
	err := row.Scan(&a.Promise, &a.N, &a.Call, &a.Agent, &a.Node, &a.Epoch, &started, &ended, &a.Result)
	a.Started, a.Ended = fromMillis(started), fromMillis(ended)
	return a, err
}
