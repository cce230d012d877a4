package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"decroche/tags"
)

// Tags implements tags.Store. Every change is committed with synchronous=FULL before it returns.
type Tags struct{ eng *engine }

var _ tags.Store = (*Tags)(nil)

// Tags keeps the tags of callers.
func (db *DB) Tags() *Tags { return &Tags{db.eng} }

// Tag implements tags.Store.
func (s *Tags) Tag(ctx context.Context, k tags.Kept) error {
	err := s.eng.writeRetrying(ctx, promised, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO tagged_numbers (person, sealed) VALUES ($1, $2) ON CONFLICT (person) DO NOTHING`, k.Person, k.Sealed)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO tags (person, kind, value, reason, by_agent, set_at, until_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (person, kind) DO UPDATE SET value = excluded.value, reason = excluded.reason, by_agent = excluded.by_agent,
				set_at = excluded.set_at, until_at = excluded.until_at`,
			k.Person, string(k.Kind), clean(k.Value), clean(k.Reason), clean(string(k.By)), millis(k.Set), millis(k.Until))
		return err
	})
	return s.explain("keep a tag", err)
}

// Untag implements tags.Store.
func (s *Tags) Untag(ctx context.Context, person string, kind tags.Kind) (gone int64, err error) {
	err = s.eng.writeRetrying(ctx, promised, func(tx *sql.Tx) (err error) {
		if gone, err = rows(tx.ExecContext(ctx, `DELETE FROM tags WHERE person = $1 AND (kind = $2 OR $2 = '')`, person, string(kind))); err != nil {
			return err
		}
		return dropUntagged(ctx, tx)
	})
	return gone, s.explain("delete a tag", err)
}

// dropUntagged deletes the numbers of those who have no tag any more.
func dropUntagged(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM tagged_numbers WHERE NOT EXISTS (SELECT 1 FROM tags WHERE tags.person = tagged_numbers.person)`)
	return err
}

// Tagged implements tags.Store.
func (s *Tags) Tagged(ctx context.Context, person string, at time.Time) ([]tags.Kept, error) {
	list, err := rowsOf(ctx, s.eng.reader, func(r *sql.Rows) (k tags.Kept, err error) {
		var set, until int64
		err = r.Scan(&k.Person, &k.Kind, &k.Value, &k.Reason, &k.By, &set, &until, &k.Sealed)
		k.Set, k.Until = fromMillis(set), fromMillis(until)
		return k, err
	}, `SELECT t.person, t.kind, t.value, t.reason, t.by_agent, t.set_at, t.until_at, n.sealed
		FROM tags t JOIN tagged_numbers n ON n.person = t.person
		WHERE t.until_at > $1 AND (t.person = $2 OR $2 = '') ORDER BY t.person, t.kind`, millis(at), person)
	return list, s.explain("read tags", err)
}

// PurgeTags implements tags.Store.
func (s *Tags) PurgeTags(ctx context.Context, before time.Time) (gone int64, err error) {
	err = s.eng.writeRetrying(ctx, ordinary, func(tx *sql.Tx) (err error) {
		if gone, err = rows(tx.ExecContext(ctx, `DELETE FROM tags WHERE until_at <= $1`, millis(before))); err != nil || gone == 0 {
			return err
		}
		return dropUntagged(ctx, tx)
	})
	return gone, s.explain("delete tags that are over", err)
}

func (s *Tags) explain(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, s.eng.explain(err))
}
