package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"decroche/ivr"
)

var (
	// ErrNoMessage is returned for an id that no message has.
	ErrNoMessage = ivr.ErrNoMessage
	// ErrMessageOver is returned when the message whose place is to be taken is over.
	ErrMessageOver = ivr.ErrMessageOver
	// ErrRequestReused is returned, with that message, when a request's key was used before for another one.
	ErrRequestReused = ivr.ErrMessageReused
)

const messageColumns = `id, text, queue, replaces, from_at, until_at, created_at, created_by, stopped_at, stopped_by, sounds, offer, held, approved_by, instead, continues`

// Publish keeps a message, durably, and returns it with its id. A zero Created is now, a zero
// From is Created. A message that ivr.Message.Validate refuses is not kept. A request that
// comes again with the same key returns the first message and makes no second one; an
// empty key is never the same. The message of m.Instead ends when this one begins to be heard; ErrMessageOver
// is returned when it is over already.
func (db *DB) Publish(ctx context.Context, m ivr.Message, key string) (ivr.Message, error) {
	if m.Created.IsZero() {
		m.Created = time.Now()
	}
	if m.From.IsZero() {
		m.From = m.Created
	}
	if err := m.Validate(m.Created); err != nil {
		return m, fmt.Errorf("publish a message: %w", err)
	}
	text, err := json.Marshal(m.Text)
	if err != nil {
		return m, fmt.Errorf("publish a message: %w", err)
	}
	sounds, err := json.Marshal(m.Sound)
	if err != nil {
		return m, fmt.Errorf("publish a message: %w", err)
	}
	if key == "" {
		key = rand.Text()
	}
	key = clean(key)
	var kept ivr.Message
	err = db.eng.writeRetrying(ctx, promised, func(tx *sql.Tx) error {
		var err error
		kept, err = scanMessage(tx.QueryRowContext(ctx, `SELECT `+messageColumns+` FROM messages WHERE request = $1`, key))
		if !errors.Is(err, sql.ErrNoRows) {
			return err // it is there already, or something failed
		}
		continues := int64(0)
		if m.Instead != 0 {
			before, err := messageIn(ctx, tx, m.Instead)
			switch {
			case err != nil:
				return err
			case before.Over(m.Created):
				return ErrMessageOver
			case before.SameWords(m):
				continues = before.Words()
			}
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO messages
			(request, text, queue, replaces, from_at, until_at, created_at, created_by, stopped_at, stopped_by, sounds, offer, held, instead, continues)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, '', $9, $10, $11, $12, $13) ON CONFLICT (request) DO NOTHING`,
			key, clean(string(text)), clean(m.Queue), number(m.Replace), millis(m.From), millis(m.Until),
			millis(m.Created), clean(m.CreatedBy), clean(string(sounds)), clean(m.Offer), number(m.Held), m.Instead, continues)
		if err != nil {
			return err
		}
		kept, err = scanMessage(tx.QueryRowContext(ctx, `SELECT `+messageColumns+` FROM messages WHERE request = $1`, key))
		if err != nil || kept.Held {
			return err
		}
		return takePlace(ctx, tx, kept, m.Created)
	})
	switch {
	case err != nil:
		return m, fmt.Errorf("publish a message: %w", err)
	case !sameMessage(kept, m):
		return kept, fmt.Errorf("publish a message: %w", ErrRequestReused)
	}
	return kept, nil
}

// takePlace ends the message whose place another takes, from when that is heard.
func takePlace(ctx context.Context, tx *sql.Tx, m ivr.Message, now time.Time) error {
	at := m.From
	if at.Before(now) {
		at = now
	}
	_, err := tx.ExecContext(ctx, `UPDATE messages SET stopped_at = $1, stopped_by = $2 WHERE id = $3 AND (stopped_at = 0 OR stopped_at > $1)`,
		millis(at), clean(m.CreatedBy), m.Instead)
	return err
}

// giveBack lets the message go on whose place another was to take later, and will not.
func giveBack(ctx context.Context, tx *sql.Tx, m ivr.Message) error {
	_, err := tx.ExecContext(ctx, `UPDATE messages SET stopped_at = 0, stopped_by = '' WHERE id = $1 AND stopped_at = $2`, m.Instead, millis(m.From))
	return err
}

func messageIn(ctx context.Context, tx *sql.Tx, id int64) (ivr.Message, error) {
	m, err := scanMessage(tx.QueryRowContext(ctx, `SELECT `+messageColumns+` FROM messages WHERE id = $1`, id))
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNoMessage
	}
	return m, err
}

// sameMessage says whether a repeated request asks for what was kept. The start is left out:
// a request without one means "now", which moves.
func sameMessage(a, b ivr.Message) bool {
	return a.SameWords(b) && a.Queue == b.Queue && a.Instead == b.Instead && millis(a.Until) == millis(b.Until)
}

// Active lists the messages heard at that time, oldest first.
func (db *DB) Active(ctx context.Context, at time.Time) ([]ivr.Message, error) {
	list, err := rowsOf(ctx, db.eng.reader, scanMessage,
		`SELECT `+messageColumns+` FROM messages
		 WHERE until_at > $1 AND from_at <= $1 AND (stopped_at = 0 OR stopped_at > $1) AND held = 0 ORDER BY id`, millis(at))
	if err != nil {
		return nil, fmt.Errorf("list the active messages: %w", db.eng.explain(err))
	}
	return list, nil
}

// Messages lists the messages whose end is after that time, stopped ones included, oldest
// first; the zero time lists all.
func (db *DB) Messages(ctx context.Context, endAfter time.Time) ([]ivr.Message, error) {
	list, err := rowsOf(ctx, db.eng.reader, scanMessage,
		`SELECT `+messageColumns+` FROM messages WHERE until_at > $1 ORDER BY id`, millis(endAfter))
	if err != nil {
		return nil, fmt.Errorf("list the messages: %w", db.eng.explain(err))
	}
	return list, nil
}

// MessagesOf gives the messages that were published under keys with a prefix, by their keys.
func (db *DB) MessagesOf(ctx context.Context, prefix string) (map[string]ivr.Message, error) {
	all := map[string]ivr.Message{}
	_, err := rowsOf(ctx, db.eng.reader, func(r *sql.Rows) (key string, err error) {
		m, err := scanMessage(keyed{r, &key})
		all[key] = m
		return key, err
	}, `SELECT request, `+messageColumns+` FROM messages WHERE substr(request, 1, $1) = $2`, utf8.RuneCountInString(prefix), prefix)
	if err != nil {
		return nil, fmt.Errorf("list the messages of %s: %w", prefix, db.eng.explain(err))
	}
	return all, nil
}

// keyed is a row of a message behind its key.
type keyed struct {
	row *sql.Rows
	key *string
}

func (k keyed) Scan(dest ...any) error { return k.row.Scan(append([]any{k.key}, dest...)...) }

// DropRecordings deletes the recordings, blobs whose names begin with prefix, that were kept before a moment and
// that no message names which ended after another; it returns their names behind the prefix.
func (db *DB) DropRecordings(ctx context.Context, prefix string, kept, ended time.Time) (dropped []string, err error) {
	err = db.eng.writeRetrying(ctx, ordinary, func(tx *sql.Tx) error {
		dropped = nil
		old, err := rowsOf(ctx, tx, func(r *sql.Rows) (name string, err error) { err = r.Scan(&name); return name, err },
			`SELECT name FROM blobs WHERE substr(name, 1, $1) = $2 AND at < $3 ORDER BY name`, utf8.RuneCountInString(prefix), prefix, millis(kept))
		if err != nil || len(old) == 0 {
			return err
		}
		messages, err := rowsOf(ctx, tx, scanMessage, `SELECT `+messageColumns+` FROM messages WHERE until_at > $1 AND sounds <> '{}'`, millis(ended))
		if err != nil {
			return err
		}
		used := map[string]bool{}
		for _, m := range messages {
			for _, name := range m.Sound {
				used[prefix+name] = true
			}
		}
		for _, name := range old {
			if used[name] {
				continue
			}
			if _, err := tx.ExecContext(ctx, `DELETE FROM blobs WHERE name = $1`, name); err != nil {
				return err
			}
			dropped = append(dropped, strings.TrimPrefix(name, prefix))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("drop old recordings: %w", err)
	}
	return dropped, nil
}

// Stop ends a message, durably, and returns it. Stopping it again changes nothing: the first
// stop stays. A message that was to take the place of another, and has not begun, leaves that as it was. It
// returns ErrNoMessage for an unknown id.
func (db *DB) Stop(ctx context.Context, id int64, by string, at time.Time) (ivr.Message, error) {
	var m ivr.Message
	err := db.eng.writeRetrying(ctx, promised, func(tx *sql.Tx) error {
		before, err := messageIn(ctx, tx, id)
		if err != nil {
			return err
		}
		// One whose place another is to take later is stopped already, but in the future.
		_, err = tx.ExecContext(ctx, `UPDATE messages SET stopped_at = $1, stopped_by = $2 WHERE id = $3 AND (stopped_at = 0 OR stopped_at > $1)`,
			millis(at), clean(by), id)
		if err == nil && before.Instead != 0 && !before.Held && at.Before(before.From) && !before.Over(at) {
			err = giveBack(ctx, tx, before)
		}
		if err == nil {
			m, err = messageIn(ctx, tx, id)
		}
		return err
	})
	if err != nil {
		return ivr.Message{}, fmt.Errorf("stop message %d: %w", id, err)
	}
	return m, nil
}

// Approve lets out, durably, a message that waits for a second person, and returns it. It returns ivr.ErrNotHeld,
// with the message as it is, for one that does not wait, ivr.ErrOwnMessage when by wrote it, and ErrNoMessage for one
// that is over, or that nobody wrote.
func (db *DB) Approve(ctx context.Context, id int64, by string, at time.Time) (ivr.Message, error) {
	var m ivr.Message
	tried := false // an earlier run of this may have been committed, and not answered
	err := db.eng.writeRetrying(ctx, promised, func(tx *sql.Tx) (err error) {
		m, err = messageIn(ctx, tx, id)
		switch {
		case err != nil:
			return err
		case !m.Held && tried && m.ApprovedBy == by:
			return nil
		case !m.Held:
			return ivr.ErrNotHeld
		case m.CreatedBy == by:
			return ivr.ErrOwnMessage
		case m.Over(at):
			return ErrNoMessage
		}
		n, err := rows(tx.ExecContext(ctx, `UPDATE messages SET held = 0, approved_by = $1 WHERE id = $2 AND held = 1`, clean(by), id))
		if err != nil {
			return err
		}
		if m, err = messageIn(ctx, tx, id); err != nil {
			return err
		}
		if n == 0 { // another was faster by a moment
			return ivr.ErrNotHeld
		}
		tried = true
		return takePlace(ctx, tx, m, at)
	})
	if err != nil {
		return m, fmt.Errorf("let out message %d: %w", id, err)
	}
	return m, nil
}

func scanMessage[R interface{ Scan(...any) error }](row R) (ivr.Message, error) {
	var m ivr.Message
	var text, sounds string
	var replaces, held int
	var from, until, created, stopped int64
	err := row.Scan(&m.ID, &text, &m.Queue, &replaces, &from, &until, &created, &m.CreatedBy, &stopped, &m.StoppedBy, &sounds, &m.Offer, &held, &m.ApprovedBy, &m.Instead, &m.Continues)
	if err != nil {
		return m, err
	}
	m.Replace, m.Held = replaces != 0, held != 0
	m.From, m.Until, m.Created, m.Stopped = fromMillis(from), fromMillis(until), fromMillis(created), fromMillis(stopped)
	if err := json.Unmarshal([]byte(text), &m.Text); err != nil {
		return m, fmt.Errorf("the texts of message %d: %w", m.ID, err)
	}
	if err := json.Unmarshal([]byte(sounds), &m.Sound); err != nil {
		return m, fmt.Errorf("the recordings of message %d: %w", m.ID, err)
	}
	return m, nil
}

// number is a truth value as both engines keep it.
func number(b bool) int {
	if b {
		return 1
	}
	return 0
}
