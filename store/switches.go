package store

import (
	"context"
	"database/sql"
	"fmt"

	"decroche/links"
)

var _ links.Store = (*DB)(nil)

// LinkSwitches lists the switches of the links, by link; see links.Store.
func (db *DB) LinkSwitches(ctx context.Context) ([]links.Switch, error) {
	list, err := rowsOf(ctx, db.eng.reader, func(rows *sql.Rows) (links.Switch, error) {
		var s links.Switch
		var at int64
		err := rows.Scan(&s.ID, &s.State, &s.Why, &s.By, &at)
		s.At = fromMillis(at)
		return s, err
	}, `SELECT link, state, why, set_by, at FROM link_switches ORDER BY link`)
	if err != nil {
		return nil, fmt.Errorf("list the switches of the links: %w", db.eng.explain(err))
	}
	return list, nil
}

// SetLinkSwitch keeps a link's switch, durably, in place of the one before; see links.Store.
func (db *DB) SetLinkSwitch(ctx context.Context, s links.Switch) error {
	err := db.eng.writeRetrying(ctx, promised, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO link_switches (link, state, why, set_by, at) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (link) DO UPDATE SET state = excluded.state, why = excluded.why, set_by = excluded.set_by, at = excluded.at`,
			clean(s.ID), clean(string(s.State)), clean(s.Why), clean(s.By), millis(s.At))
		return err
	})
	if err != nil {
		return fmt.Errorf("switch link %s: %w", s.ID, err)
	}
	return nil
}
