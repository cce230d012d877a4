package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"decroche/drafts"
)

// Drafts implements drafts.Store. Every change is committed with synchronous=FULL before it returns.
type Drafts struct{ eng *engine }

var _ drafts.Store = (*Drafts)(nil)

// Drafts keeps what is to be changed in the service's definition.
func (db *DB) Drafts() *Drafts { return &Drafts{db.eng} }

const draftColumns = `id, path, value, was, written_by, written_at, state, settled_at, settled_by`

// PutDraft implements drafts.Store.
func (s *Drafts) PutDraft(ctx context.Context, c drafts.Change, seen int64) (drafts.Change, error) {
	var kept drafts.Change
	err := s.eng.writeRetrying(ctx, promised, func(tx *sql.Tx) error {
		var current int64
		var value, by string
		err := tx.QueryRowContext(ctx, `SELECT id, value, written_by FROM drafts WHERE path = $1 AND state = 'draft'`+s.eng.locking("FOR UPDATE"), clean(c.Path)).Scan(&current, &value, &by)
		switch {
		case err != nil && !errors.Is(err, sql.ErrNoRows):
			return err
		case current != seen && value == clean(c.Value) && by == clean(c.By): // an earlier run of this was committed, and not answered
			kept, err = scanDraft(tx.QueryRowContext(ctx, `SELECT `+draftColumns+` FROM drafts WHERE id = $1`, current))
			return err
		case current != seen:
			return drafts.ErrChanged
		}
		if _, err := tx.ExecContext(ctx, `UPDATE drafts SET state = 'dropped', settled_at = $1, settled_by = $2 WHERE id = $3`, millis(c.At), clean(c.By), seen); err != nil {
			return err
		}
		kept, err = scanDraft(tx.QueryRowContext(ctx, `INSERT INTO drafts (path, value, was, written_by, written_at, state, settled_at, settled_by)
			VALUES ($1, $2, $3, $4, $5, 'draft', 0, '') ON CONFLICT (path) WHERE state = 'draft' DO NOTHING RETURNING `+draftColumns,
			clean(c.Path), clean(c.Value), clean(c.Was), clean(c.By), millis(c.At)))
		if errors.Is(err, sql.ErrNoRows) { // another's came between
			return drafts.ErrChanged
		}
		return err
	})
	return kept, s.explain("keep a draft", err)
}

// Drafts implements drafts.Store.
func (s *Drafts) Drafts(ctx context.Context) ([]drafts.Change, error) {
	list, err := rowsOf(ctx, s.eng.reader, scanDraft, `SELECT `+draftColumns+` FROM drafts WHERE state = 'draft' ORDER BY id`)
	return list, s.explain("list the drafts", err)
}

// SettleDrafts implements drafts.Store.
func (s *Drafts) SettleDrafts(ctx context.Context, ids []int64, state drafts.State, by string, at time.Time) error {
	overruled := ""
	if state == drafts.Published {
		overruled = string(drafts.Dropped)
	}
	return s.explain("settle drafts", s.eng.writeRetrying(ctx, promised, func(tx *sql.Tx) error {
		for _, id := range ids {
			n, err := rows(tx.ExecContext(ctx, `UPDATE drafts SET state = $1, settled_at = $2, settled_by = $3
				WHERE id = $4 AND (state = 'draft' OR state = $5 OR state = $1 AND settled_at = $2 AND settled_by = $3)`, string(state), millis(at), clean(by), id, overruled))
			if err != nil {
				return err
			}
			if n == 0 && state != drafts.Published { // another node may have published it
				return drafts.ErrNone
			}
		}
		return nil
	}))
}

// History implements drafts.Store.
func (s *Drafts) History(ctx context.Context, path string, limit int) ([]drafts.Change, error) {
	list, err := rowsOf(ctx, s.eng.reader, scanDraft, `SELECT `+draftColumns+` FROM drafts
		WHERE state = 'published' AND (path = $1 OR $1 = '') ORDER BY id DESC LIMIT $2`, clean(path), limit)
	return list, s.explain("read the history of a part", err)
}

// Lost implements drafts.Store.
func (s *Drafts) Lost(ctx context.Context, limit int) ([]drafts.Change, error) {
	list, err := rowsOf(ctx, s.eng.reader, scanDraft, `SELECT `+draftColumns+` FROM drafts
		WHERE state = 'dropped' AND settled_by <> written_by ORDER BY settled_at DESC, id DESC LIMIT $1`, limit)
	return list, s.explain("list the drafts that were written over", err)
}

func scanDraft[R interface{ Scan(...any) error }](row R) (c drafts.Change, err error) {
	var written, settled int64
	err = row.Scan(&c.ID, &c.Path, &c.Value, &c.Was, &c.By, &written, &c.State, &settled, &c.SettledBy)
	c.At, c.Settled = fromMillis(written), fromMillis(settled)
	return c, err
}

func (s *Drafts) explain(doing string, err error) error {
	if err == nil || errors.Is(err, drafts.ErrChanged) || errors.Is(err, drafts.ErrNone) {
		return err
	}
	return fmt.Errorf("%s: %w", doing, s.eng.explain(err))
}
