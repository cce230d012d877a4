package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"decroche/call"
)

// AgentState is what an agent's phone was last set to. State and Reason are words of the
// routing: "available", "paused" …
type AgentState struct {
	ID     call.AgentID
	State  string
	Reason string
	Since  time.Time // to the millisecond
	// Until is when the state ends by itself (wrap-up, set aside); zero when it does not.
	Until time.Time
	// Next is the state asked for after the call; "" when none was.
	Next, NextReason string
}

// PutAgentState keeps the agent's state in place of the one before.
func (db *DB) PutAgentState(ctx context.Context, a AgentState) error {
	err := db.eng.writeRetrying(ctx, ordinary, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO agent_states (agent, state, reason, since, until_at, next_state, next_reason)
			VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (agent) DO UPDATE SET state = excluded.state, reason = excluded.reason, since = excluded.since,
				until_at = excluded.until_at, next_state = excluded.next_state, next_reason = excluded.next_reason`,
			clean(string(a.ID)), clean(a.State), clean(a.Reason), millis(a.Since), millis(a.Until), clean(a.Next), clean(a.NextReason))
		return err
	})
	if err != nil {
		return fmt.Errorf("keep the state of agent %s: %w", a.ID, err)
	}
	return nil
}

// AgentStates lists the states kept, by agent.
func (db *DB) AgentStates(ctx context.Context) ([]AgentState, error) {
	list, err := rowsOf(ctx, db.eng.reader, func(rows *sql.Rows) (AgentState, error) {
		var a AgentState
		var since, until int64
		err := rows.Scan(&a.ID, &a.State, &a.Reason, &since, &until, &a.Next, &a.NextReason)
		a.Since, a.Until = fromMillis(since), fromMillis(until)
		return a, err
	}, `SELECT agent, state, reason, since, until_at, next_state, next_reason FROM agent_states ORDER BY agent`)
	if err != nil {
		return nil, fmt.Errorf("list the agents' states: %w", db.eng.explain(err))
	}
	return list, nil
}

// PutBlob keeps a value under a name in place of the one before: a learned state that its
// owner can do without.
func (db *DB) PutBlob(ctx context.Context, name string, value []byte) error {
	err := db.eng.writeRetrying(ctx, ordinary, func(tx *sql.Tx) error {
		return putBlob(ctx, tx, clean(name), value, time.Now())
	})
	if err != nil {
		return fmt.Errorf("keep %s: %w", name, err)
	}
	return nil
}

func putBlob(ctx context.Context, tx *sql.Tx, name string, value []byte, now time.Time) error {
	if value == nil {
		value = []byte{}
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO blobs (name, value, at) VALUES ($1, $2, $3)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value, at = excluded.at`, name, value, now.UnixMilli())
	return err
}

// GetBlob returns the value kept under the name, and false when there is none.
func (db *DB) GetBlob(ctx context.Context, name string) ([]byte, bool, error) {
	var value []byte
	err := db.eng.reader.QueryRowContext(ctx, `SELECT value FROM blobs WHERE name = $1`, clean(name)).Scan(&value)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, false, nil
	case err != nil:
		return nil, false, fmt.Errorf("read %s: %w", name, db.eng.explain(err))
	}
	return value, true, nil
}
