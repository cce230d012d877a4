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

// TakeDue gives a node what is due; see callback.Store. A node that finds nothing has read
// only. It returns call.ErrFenced when this process has acquired the node and a later
// controller has too.
//
// Due and the order of the line are two orders, and no index has both. Most promises are due
// at their moment in line, and have one order. The others are read by Due while few are due,
// and in the order of the line when many are: what is passed over then are tries to come of
// those who joined before. The answer is exact either way.
func (s *Promises) TakeDue(ctx context.Context, node string, queues []string, now time.Time, limit int) ([]callback.Promise, error) {
	if limit <= 0 {
		return nil, nil
	}
	queues = slices.Compact(slices.Sorted(slices.Values(queues)))
	for range 10 { // what another node took meanwhile is not ours: look again
		first, err := s.dueFirst(ctx, queues, millis(now), limit)
		if err != nil {
			return nil, fmt.Errorf("look for promises that are due: %w", s.eng.explain(err))
		}
		if len(first) == 0 {
			return nil, nil
		}
		taken, err := s.take(ctx, node, first, millis(now))
		if err != nil {
			return nil, fmt.Errorf("take the promises that are due: %w", err)
		}
		if len(taken) > 0 {
			return taken, nil
		}
	}
	return nil, nil
}

// place is a promise's place in line.
type place struct {
	joined int64
	id     string
}

// dueFirst finds the first due promises of all these queues in the order of the line.
func (s *Promises) dueFirst(ctx context.Context, queues []string, now int64, limit int) ([]place, error) {
	var all []place
	add := func(query string, queue string, limit int) (int, error) {
		found, err := rowsOf(ctx, s.eng.reader, func(rows *sql.Rows) (p place, err error) {
			return p, rows.Scan(&p.joined, &p.id)
		}, query, clean(queue), now, limit)
		all = append(all, found...)
		return len(found), err
	}
	for _, q := range queues {
		_, err := add(`SELECT joined, id FROM promises
			WHERE state = 'pending' AND due = joined AND queue = $1 AND joined <= $2 ORDER BY joined, id LIMIT $3`, q, limit)
		if err != nil {
			return nil, err
		}
		n, err := add(`SELECT joined, id FROM promises
			WHERE state = 'pending' AND due <> joined AND queue = $1 AND due <= $2 ORDER BY due LIMIT $3`, q, fewDue+1)
		if err == nil && n > fewDue {
			all = all[:len(all)-n]
			// The plus keeps the planners from the index by Due.
			_, err = add(`SELECT joined, id FROM promises
				WHERE state = 'pending' AND due <> joined AND queue = $1 AND +due <= $2 ORDER BY joined, id LIMIT $3`, q, limit)
		}
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(all, func(a, b place) int { return cmp.Or(cmp.Compare(a.joined, b.joined), cmp.Compare(a.id, b.id)) })
	return all[:min(limit, len(all))], nil
}

// take claims those of the promises that are still due, in one transaction.
func (s *Promises) take(ctx context.Context, node string, first []place, now int64) ([]callback.Promise, error) {
	var taken []callback.Promise
	err := s.eng.writeRetrying(ctx, promised, func(tx *sql.Tx) error {
		if len(taken) > 0 { // the commit of an earlier run was not answered
			p, err := scanPromise(tx.QueryRowContext(ctx, `SELECT `+promiseColumns+` FROM promises WHERE id = $1`, string(taken[0].ID)))
			if err != nil || p == taken[0] {
				return err
			}
		}
		taken = nil
		if err := s.fence(ctx, tx, node); err != nil {
			return err
		}
		for chunk := range slices.Chunk(first, 500) {
			some, err := s.takeSome(ctx, tx, clean(node), chunk, now)
			if err != nil {
				return err
			}
			taken = append(taken, some...)
		}
		return nil
	})
	slices.SortFunc(taken, func(a, b callback.Promise) int {
		return cmp.Or(a.Joined.Compare(b.Joined), cmp.Compare(a.ID, b.ID))
	})
	return taken, err
}

// takeSome locks rows in the order of their ids, so that two nodes do not wait for each other.
func (s *Promises) takeSome(ctx context.Context, tx *sql.Tx, node string, some []place, now int64) ([]callback.Promise, error) {
	args := []any{node, now}
	for _, p := range some {
		args = append(args, p.id)
	}
	return rowsOf(ctx, tx, scanPromise, `UPDATE promises SET state = 'in_line', node = $1, version = version + 1
		WHERE id IN (SELECT id FROM promises WHERE id IN `+inList(3, len(some))+`
			AND state = 'pending' AND due <= $2 ORDER BY id`+s.eng.locking("FOR UPDATE")+`)
		RETURNING `+promiseColumns, args...)
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
