package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"decroche/plans"
)

var _ plans.Store = (*DB)(nil)

const planColumns = `id, plan, from_at, until_at, started_by, ended_at, ended_by, held_at`

// StartPlan implements plans.Store, durably.
func (db *DB) StartPlan(ctx context.Context, r plans.Run) (plans.Run, error) {
	var kept plans.Run
	err := db.eng.writeRetrying(ctx, promised, func(tx *sql.Tx) error {
		var err error
		kept, err = scanPlanRun(tx.QueryRowContext(ctx, `INSERT INTO plan_runs (plan, from_at, until_at, started_by, ended_at, ended_by, held_at)
			VALUES ($1, $2, $3, $4, 0, '', $5) ON CONFLICT (plan) WHERE ended_at = 0 DO NOTHING RETURNING `+planColumns,
			clean(r.Plan), millis(r.From), millis(r.Until), clean(r.By), millis(r.Held)))
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		// An earlier run of this may have been committed, and not answered.
		kept, err = scanPlanRun(tx.QueryRowContext(ctx, `SELECT `+planColumns+` FROM plan_runs
			WHERE plan = $1 AND ended_at = 0 AND from_at = $2 AND started_by = $3`, clean(r.Plan), millis(r.From), clean(r.By)))
		if errors.Is(err, sql.ErrNoRows) {
			return plans.ErrRunning
		}
		return err
	})
	if err != nil && !errors.Is(err, plans.ErrRunning) {
		err = fmt.Errorf("switch plan %s on: %w", r.Plan, db.eng.explain(err))
	}
	return kept, err
}

// EndPlan implements plans.Store, durably.
func (db *DB) EndPlan(ctx context.Context, id int64, by string, at time.Time) (ended bool, err error) {
	err = db.eng.writeRetrying(ctx, promised, func(tx *sql.Tx) error {
		n, err := rows(tx.ExecContext(ctx, `UPDATE plan_runs SET ended_at = $1, ended_by = $2
			WHERE id = $3 AND (ended_at = 0 OR ended_at = $1 AND ended_by = $2)`, millis(at), clean(by), id))
		ended = n > 0
		return err
	})
	if err != nil {
		return false, fmt.Errorf("switch a plan off: %w", db.eng.explain(err))
	}
	return ended, nil
}

// PlanRuns implements plans.Store.
func (db *DB) PlanRuns(ctx context.Context, since time.Time) ([]plans.Run, error) {
	list, err := rowsOf(ctx, db.eng.reader, scanPlanRun, `SELECT `+planColumns+` FROM plan_runs WHERE ended_at = 0 OR ended_at > $1 ORDER BY id`, millis(since))
	if err != nil {
		return nil, fmt.Errorf("list the plans that are on: %w", db.eng.explain(err))
	}
	return list, nil
}

// LastRuns implements plans.Store.
func (db *DB) LastRuns(ctx context.Context) ([]plans.Run, error) {
	list, err := rowsOf(ctx, db.eng.reader, scanPlanRun, `SELECT `+planColumns+` FROM plan_runs WHERE id IN (SELECT MAX(id) FROM plan_runs GROUP BY plan)`)
	if err != nil {
		return nil, fmt.Errorf("list the last runs of plans: %w", db.eng.explain(err))
	}
	return list, nil
}

// PlanHeld implements plans.Store.
func (db *DB) PlanHeld(ctx context.Context, id int64, was, at time.Time) (kept bool, err error) {
	err = db.eng.writeRetrying(ctx, ordinary, func(tx *sql.Tx) error {
		n, err := rows(tx.ExecContext(ctx, `UPDATE plan_runs SET held_at = $1 WHERE id = $2 AND held_at = $3`, millis(at), id, millis(was)))
		kept = n > 0
		return err
	})
	if err != nil {
		return false, fmt.Errorf("keep that the rule of a plan holds: %w", db.eng.explain(err))
	}
	return kept, nil
}

func scanPlanRun[R interface{ Scan(...any) error }](row R) (r plans.Run, err error) {
	var from, until, ended, held int64
	err = row.Scan(&r.ID, &r.Plan, &from, &until, &r.By, &ended, &r.EndedBy, &held)
	r.From, r.Until, r.Ended, r.Held = fromMillis(from), fromMillis(until), fromMillis(ended), fromMillis(held)
	return r, err
}
