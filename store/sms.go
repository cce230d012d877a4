package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"decroche/call"
	"decroche/sms"
)

// SMS implements sms.Store, and keeps the messages that go with changes of promises. Every
// change is committed with synchronous=FULL before it returns, and is tried again for up to
// ten seconds while the database is locked or away.
type SMS struct{ eng *engine }

// SMS keeps the text messages.
func (db *DB) SMS() *SMS { return &SMS{db.eng} }

var _ sms.Store = (*SMS)(nil)

// reportsKept is how long a provider's report waits for its message. An account may serve
// others too, whose reports are of nobody here.
const reportsKept = 24 * time.Hour

const smsColumns = `id, key, number, lang, text, purpose, promise, contact, not_before, expires, state, created,
	next_at, tries, provider, provider_id, sent_at, done_at, error, maybe_twice, unsure`

// stopped is the Error of a message that STOP has dropped.
const stopped = "the number has said STOP"

// Enqueue keeps messages to be sent; see sms.Store. Created is now when it is zero; NextAt is
// NotBefore, or Created. A message to a number that is blocked is kept as dropped.
func (s *SMS) Enqueue(ctx context.Context, ms ...sms.Message) error {
	if len(ms) == 0 {
		return nil
	}
	err := s.eng.writeRetrying(ctx, promised, func(tx *sql.Tx) error { return insertMessages(ctx, tx, ms, time.Now()) })
	if err != nil {
		return fmt.Errorf("enqueue a text message: %w", err)
	}
	return nil
}

// listens is what a blocked number still gets: it asked for it.
func listens(p sms.Purpose) bool { return p == sms.Code || p == sms.Reply }

func insertMessages(ctx context.Context, tx *sql.Tx, ms []sms.Message, now time.Time) error {
	for _, m := range ms {
		if m.Key == "" || m.To == call.Withheld {
			return fmt.Errorf("the text message %q needs a key and a number", m.Key)
		}
		created := m.Created
		if created.IsZero() {
			created = now
		}
		next := m.NotBefore
		if next.IsZero() {
			next = created
		}
		state, done, why := sms.Queued, time.Time{}, ""
		if !listens(m.Purpose) {
			switch blocked, err := isBlocked(ctx, tx, m.To); {
			case err != nil:
				return err
			case blocked:
				state, done, why = sms.Dropt, created, stopped
			}
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO sms (key, number, lang, text, purpose, promise, contact, not_before, expires,
				state, created, wanted, next_at, tries, provider, provider_id, sent_at, done_at, error, maybe_twice, unsure, node, unwanted)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12, 0, '', '', 0, $13, $14, 0, 0, '', 0)
			ON CONFLICT (key) DO NOTHING`,
			clean(m.Key), clean(string(m.To)), clean(string(m.Lang)), clean(m.Text), clean(string(m.Purpose)), clean(m.Promise),
			clean(string(m.Contact)), millis(m.NotBefore), millis(m.Expires), string(state), millis(created), millis(next),
			millis(done), why)
		if err != nil {
			return err
		}
	}
	return nil
}

// dropMessages drops the messages with these keys that have not left. One that is being sent
// is not tried again when it fails.
func dropMessages(ctx context.Context, tx *sql.Tx, keys []string, now time.Time) error {
	for _, key := range keys {
		if err := drop(ctx, tx, `key = $2`, clean(key), "not needed any more", now); err != nil {
			return err
		}
	}
	return nil
}

func drop(ctx context.Context, tx *sql.Tx, which, value, why string, now time.Time) error {
	_, err := tx.ExecContext(ctx, `UPDATE sms SET unwanted = 1,
			done_at = CASE WHEN state = 'queued' THEN $1 ELSE done_at END,
			error = CASE WHEN state = 'queued' THEN $3 ELSE error END,
			state = CASE WHEN state = 'queued' THEN 'dropped' ELSE state END
		WHERE `+which+` AND state IN ('queued', 'sending')`, millis(now), value, why)
	return err
}

// Claim gives the message whose turn it is; see sms.Store. Its NextAt is the end of the
// lease. What is not wanted any more, or goes to a blocked number, is dropped on the way.
// Messages that have expired are given: who sends them drops them and tells the journal.
func (s *SMS) Claim(ctx context.Context, node string, now time.Time, lease time.Duration) (sms.Message, bool, error) {
	var one int
	err := s.eng.reader.QueryRowContext(ctx,
		`SELECT 1 FROM sms WHERE state IN ('queued', 'sending') AND next_at <= $1 LIMIT 1`, millis(now)).Scan(&one)
	switch {
	case errors.Is(err, sql.ErrNoRows): // most often, and it costs no write
		return sms.Message{}, false, nil
	case err != nil:
		return sms.Message{}, false, fmt.Errorf("look for a text message to send: %w", s.eng.explain(err))
	}
	var m sms.Message
	var ok bool
	err = s.eng.writeRetrying(ctx, promised, func(tx *sql.Tx) error {
		if ok { // the commit of an earlier run was not answered
			kept, err := scanSMS(tx.QueryRowContext(ctx, `SELECT `+smsColumns+` FROM sms WHERE id = $1 AND node = $2`, m.ID, clean(node)))
			if err == nil && kept == m {
				return nil
			}
		}
		var err error
		m, ok, err = s.claim(ctx, tx, clean(node), now, lease)
		return err
	})
	if err != nil {
		return sms.Message{}, false, fmt.Errorf("claim a text message: %w", err)
	}
	return m, ok, nil
}

func (s *SMS) claim(ctx context.Context, tx *sql.Tx, node string, now time.Time, lease time.Duration) (sms.Message, bool, error) {
	for {
		var id int64
		var number call.Number
		var purpose sms.Purpose
		var unwanted int
		err := tx.QueryRowContext(ctx, `SELECT id, number, purpose, unwanted FROM sms
			WHERE state IN ('queued', 'sending') AND next_at <= $1 ORDER BY next_at, id LIMIT 1`+
			s.eng.locking("FOR UPDATE SKIP LOCKED"), millis(now)).Scan(&id, &number, &purpose, &unwanted)
		if errors.Is(err, sql.ErrNoRows) {
			return sms.Message{}, false, nil
		}
		if err != nil {
			return sms.Message{}, false, err
		}
		blocked := false
		if !listens(purpose) {
			if blocked, err = isBlocked(ctx, tx, number); err != nil {
				return sms.Message{}, false, err
			}
		}
		if blocked || unwanted != 0 {
			why := "not needed any more"
			if blocked {
				why = stopped
			}
			// One whose lease has ended may have left: Unsure says so.
			if _, err := tx.ExecContext(ctx, `UPDATE sms SET unsure = CASE WHEN state = 'sending' THEN 1 ELSE unsure END,
					state = 'dropped', done_at = $1, error = $2 WHERE id = $3`, millis(now), why, id); err != nil {
				return sms.Message{}, false, err
			}
			continue
		}
		m, err := scanSMS(tx.QueryRowContext(ctx, `UPDATE sms SET unsure = CASE WHEN state = 'sending' THEN 1 ELSE unsure END,
				state = 'sending', next_at = $1, node = $2 WHERE id = $3 RETURNING `+smsColumns, millis(now.Add(lease)), node, id))
		return m, err == nil, err
	}
}

// Settle saves what became of a claimed message; see sms.Store. It never takes back that a
// message was sent or delivered, and only that it was sent takes back that it failed or was
// dropped. A message to be tried again that is not wanted any more is dropped instead. A
// report that came first is applied.
func (s *SMS) Settle(ctx context.Context, m sms.Message) error {
	state := m.State
	err := s.eng.writeRetrying(ctx, promised, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE sms SET next_at = $1, tries = $2, provider = $3, provider_id = $4, sent_at = $5,
				done_at = CASE WHEN $6 = 'queued' AND unwanted = 1 THEN CAST($7 AS BIGINT) ELSE $8 END, error = $9, maybe_twice = $10, unsure = $11,
				state = CASE WHEN $6 = 'queued' AND unwanted = 1 THEN 'dropped' ELSE $6 END
			WHERE id = $12 AND (state IN ('queued', 'sending') OR (state IN ('failed', 'dropped') AND $6 = 'sent'))`,
			millis(m.NextAt), m.Tries, clean(m.Provider), clean(m.ProviderID), millis(m.SentAt), string(state),
			time.Now().UnixMilli(), millis(m.DoneAt), clean(m.Error), number(m.MaybeTwice), number(m.Unsure), m.ID)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if err != nil {
			return err
		}
		if n == 0 {
			var one int
			err := tx.QueryRowContext(ctx, `SELECT 1 FROM sms WHERE id = $1`, m.ID).Scan(&one)
			if errors.Is(err, sql.ErrNoRows) {
				return errors.New("there is no such message")
			}
			return err
		}
		return applyEarlyReport(ctx, tx, clean(m.Provider), clean(m.ProviderID))
	})
	if err != nil {
		return fmt.Errorf("save what became of text message %d: %w", m.ID, err)
	}
	return nil
}

// applyEarlyReport applies what the provider said before its name for the message was saved.
func applyEarlyReport(ctx context.Context, tx *sql.Tx, provider, providerID string) error {
	if providerID == "" {
		return nil
	}
	var st sms.State
	var why string
	var at int64
	err := tx.QueryRowContext(ctx, `DELETE FROM sms_reports WHERE provider = $1 AND provider_id = $2 RETURNING state, why, at`,
		provider, providerID).Scan(&st, &why, &at)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	_, _, err = applyReport(ctx, tx, provider, providerID, st, why, at)
	return err
}

// applyReport changes the message that the provider knows by this name: what is delivered stays so,
// and what has failed can only turn out to be delivered.
func applyReport(ctx context.Context, tx *sql.Tx, provider, providerID string, st sms.State, why string, at int64) (m sms.Message, changed bool, err error) {
	m, err = scanSMS(tx.QueryRowContext(ctx, `UPDATE sms SET state = $1, done_at = $2, error = $3, unsure = 0
		WHERE provider_id = $4 AND provider_id <> '' AND provider = $5 AND state <> 'delivered' AND (state <> 'failed' OR $1 = 'delivered')
		RETURNING `+smsColumns, string(st), at, why, providerID, provider))
	if errors.Is(err, sql.ErrNoRows) {
		return m, false, nil
	}
	return m, err == nil, err
}

// Report saves what the provider says later; see sms.Store. Delivered and Failed alone change
// anything. A report about a message that is unknown is kept for a day, for it may have
// overtaken the Settle that makes the message known.
func (s *SMS) Report(ctx context.Context, provider, providerID string, st sms.State, why string, at time.Time) (m sms.Message, changed bool, err error) {
	if providerID == "" {
		return sms.Message{}, false, nil
	}
	provider, providerID = clean(provider), clean(providerID)
	err = s.eng.writeRetrying(ctx, promised, func(tx *sql.Tx) error {
		changed = false
		found, err := scanSMS(tx.QueryRowContext(ctx, `SELECT `+smsColumns+` FROM sms
			WHERE provider_id = $1 AND provider_id <> '' AND provider = $2 LIMIT 1`, providerID, provider))
		final := st == sms.Delivered || st == sms.Failed
		switch m = found; {
		case err != nil && !errors.Is(err, sql.ErrNoRows):
			return err
		case !final:
			return nil
		case err == nil:
			after, did, err := applyReport(ctx, tx, provider, providerID, st, clean(why), millis(at))
			if did {
				m, changed = after, true
			}
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM sms_reports WHERE at < $1`, millis(at.Add(-reportsKept))); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO sms_reports (provider, provider_id, state, why, at) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (provider, provider_id) DO UPDATE SET state = excluded.state, why = excluded.why, at = excluded.at
			WHERE sms_reports.state <> 'delivered'`, provider, providerID, string(st), clean(why), millis(at))
		return err
	})
	if err != nil {
		return sms.Message{}, false, fmt.Errorf("save a report of %s about a text message: %w", provider, err)
	}
	return m, changed, nil
}

// Receive keeps an incoming message, once; see sms.Store. Without a ProviderID a replay
// cannot be told.
func (s *SMS) Receive(ctx context.Context, in sms.Incoming) (bool, error) {
	var providerID any
	if in.ProviderID != "" {
		providerID = clean(in.ProviderID)
	}
	request, first := rand.Text(), false
	err := s.eng.writeRetrying(ctx, promised, func(tx *sql.Tx) error {
		var have string // what an earlier run, whose commit was not answered, has written
		err := tx.QueryRowContext(ctx, `SELECT request FROM sms_inbox WHERE request = $1`, request).Scan(&have)
		if first = err == nil; first {
			return nil
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		res, err := tx.ExecContext(ctx, `INSERT INTO sms_inbox (provider, provider_id, number, text, at, handled, request)
			VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (provider, provider_id) DO NOTHING`,
			clean(in.Provider), providerID, clean(string(in.From)), clean(in.Text), millis(in.At), clean(in.Handled), request)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		first = n == 1
		return err
	})
	if err != nil {
		return false, fmt.Errorf("keep an incoming text message: %w", err)
	}
	return first, nil
}

// Block remembers a STOP; see sms.Store. A second one changes nothing but what it drops.
func (s *SMS) Block(ctx context.Context, n call.Number, at time.Time) error {
	err := s.eng.writeRetrying(ctx, promised, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO sms_blocked (number, at) VALUES ($1, $2) ON CONFLICT (number) DO NOTHING`,
			clean(string(n)), millis(at))
		if err != nil {
			return err
		}
		return drop(ctx, tx, `number = $2 AND purpose NOT IN ('code', 'reply')`, clean(string(n)), stopped, at)
	})
	if err != nil {
		return fmt.Errorf("remember a STOP: %w", err)
	}
	return nil
}

// Unblock remembers a START; see sms.Store. What STOP has dropped stays dropped.
func (s *SMS) Unblock(ctx context.Context, n call.Number) error {
	err := s.eng.writeRetrying(ctx, promised, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM sms_blocked WHERE number = $1`, clean(string(n)))
		return err
	})
	if err != nil {
		return fmt.Errorf("remember a START: %w", err)
	}
	return nil
}

// Blocked tells whether a number has said STOP; see sms.Store.
func (s *SMS) Blocked(ctx context.Context, n call.Number) (bool, error) {
	blocked, err := isBlocked(ctx, s.eng.reader, n)
	if err != nil {
		return false, fmt.Errorf("look whether a number has said STOP: %w", s.eng.explain(err))
	}
	return blocked, nil
}

type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func isBlocked(ctx context.Context, q querier, n call.Number) (bool, error) {
	var one int
	err := q.QueryRowContext(ctx, `SELECT 1 FROM sms_blocked WHERE number = $1`, clean(string(n))).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// Outbox lists the newest messages first; see sms.Store. limit is 100 when it is not positive.
func (s *SMS) Outbox(ctx context.Context, limit int) ([]sms.Message, error) {
	list, err := rowsOf(ctx, s.eng.reader, scanSMS, `SELECT `+smsColumns+` FROM sms ORDER BY id DESC LIMIT $1`, orHundred(limit))
	if err != nil {
		return nil, fmt.Errorf("list the outbox: %w", s.eng.explain(err))
	}
	return list, nil
}

// Inbox lists the newest messages received first; see sms.Store. limit is as in Outbox.
func (s *SMS) Inbox(ctx context.Context, limit int) ([]sms.Incoming, error) {
	list, err := rowsOf(ctx, s.eng.reader, func(rows *sql.Rows) (sms.Incoming, error) {
		var in sms.Incoming
		var providerID sql.NullString
		var at int64
		err := rows.Scan(&in.ID, &in.Provider, &providerID, &in.From, &in.Text, &at, &in.Handled)
		in.ProviderID, in.At = providerID.String, fromMillis(at)
		return in, err
	}, `SELECT id, provider, provider_id, number, text, at, handled FROM sms_inbox ORDER BY id DESC LIMIT $1`, orHundred(limit))
	if err != nil {
		return nil, fmt.Errorf("list the inbox: %w", s.eng.explain(err))
	}
	return list, nil
}

func orHundred(limit int) int {
	if limit <= 0 {
		return 100
	}
	return limit
}

// Backlog counts the messages that are to be sent, later ones and those under way included.
// oldest is how long ago the first of them should have left: since its NotBefore or its
// creation, whatever was tried since; 0 when none is overdue.
func (s *SMS) Backlog(ctx context.Context, now time.Time) (int, time.Duration, error) {
	var waiting int
	var first sql.NullInt64
	err := s.eng.reader.QueryRowContext(ctx,
		`SELECT count(*), min(wanted) FROM sms WHERE state IN ('queued', 'sending')`).Scan(&waiting, &first)
	if err != nil {
		return 0, 0, fmt.Errorf("count the text messages that wait: %w", s.eng.explain(err))
	}
	if !first.Valid {
		return 0, 0, nil
	}
	return waiting, max(0, now.Sub(fromMillis(first.Int64))), nil
}

func scanSMS[R interface{ Scan(...any) error }](row R) (sms.Message, error) {
	var m sms.Message
	var notBefore, expires, created, next, sent, done int64
	var twice, unsure int
	err := row.Scan(&m.ID, &m.Key, &m.To, &m.Lang, &m.Text, &m.Purpose, &m.Promise, &m.Contact, &notBefore, &expires,
		&m.State, &created, &next, &m.Tries, &m.Provider, &m.ProviderID, &sent, &done, &m.Error, &twice, &unsure)
	m.NotBefore, m.Expires, m.Created, m.NextAt = fromMillis(notBefore), fromMillis(expires), fromMillis(created), fromMillis(next)
	m.SentAt, m.DoneAt, m.MaybeTwice, m.Unsure = fromMillis(sent), fromMillis(done), twice != 0, unsure != 0
	return m, err
}
