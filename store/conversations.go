package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"decroche/chat"
)

// Conversations implements chat.Store. Every change is committed with synchronous=FULL before it returns.
type Conversations struct{ eng *engine }

var _ chat.Store = (*Conversations)(nil)

// Conversations keeps what is written with citizens.
func (db *DB) Conversations() *Conversations { return &Conversations{db.eng} }

const conversationColumns = `id, channel, number, lang, queue, state, agent, opened, since, told, last`

// Open implements chat.Store.
func (s *Conversations) Open(ctx context.Context, c chat.Conversation, key string) (open chat.Conversation, err error) {
	err = s.eng.writeRetrying(ctx, promised, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO conversations (`+conversationColumns+`, key) VALUES`+placeholders(1, 12)+`ON CONFLICT DO NOTHING`,
			clean(string(c.ID)), string(c.Channel), clean(string(c.Number)), clean(string(c.Lang)), clean(c.Queue), string(c.State), clean(string(c.Agent)),
			millis(c.Opened), millis(c.Since), millis(c.Told), c.Last, clean(key))
		if err != nil {
			return err
		}
		open, err = scanConversation(tx.QueryRowContext(ctx, `SELECT `+conversationColumns+` FROM conversations WHERE key = $1`, clean(key)))
		if errors.Is(err, sql.ErrNoRows) && c.Channel == chat.BySMS {
			open, err = scanConversation(tx.QueryRowContext(ctx, `SELECT `+conversationColumns+` FROM conversations
				WHERE number = $1 AND channel = 'sms' AND state <> 'closed'`, clean(string(c.Number))))
		}
		return err
	})
	return open, s.explain("open a conversation", err)
}

// Say implements chat.Store.
func (s *Conversations) Say(ctx context.Context, id chat.ID, key string, fn func(*chat.Conversation) (chat.Change, error)) (c chat.Conversation, said bool, err error) {
	err = s.eng.writeRetrying(ctx, promised, func(tx *sql.Tx) (err error) {
		said = false
		c, err = scanConversation(tx.QueryRowContext(ctx,
			`SELECT `+conversationColumns+` FROM conversations WHERE id = $1`+s.eng.locking("FOR UPDATE"), clean(string(id))))
		if err != nil {
			return err
		}
		if key != "" {
			var there bool
			err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM conversation_messages WHERE conversation = $1 AND key = $2)`, string(c.ID), clean(key)).Scan(&there)
			if err != nil || there {
				return err
			}
		}
		after := c
		change, err := fn(&after)
		if err != nil {
			return err
		}
		for _, m := range change.Messages {
			_, err := tx.ExecContext(ctx, `INSERT INTO conversation_messages (conversation, seq, key, author, agent, text, at) VALUES`+placeholders(1, 7),
				string(c.ID), m.Seq, clean(m.Key), string(m.Author), clean(string(m.Agent)), clean(m.Text), millis(m.At))
			if err != nil {
				return err
			}
		}
		if _, err := tx.ExecContext(ctx, `UPDATE conversations SET state = $2, agent = $3, since = $4, told = $5, last = $6 WHERE id = $1`,
			string(c.ID), string(after.State), clean(string(after.Agent)), millis(after.Since), millis(after.Told), after.Last); err != nil {
			return err
		}
		c, said = after, true
		return insertMessages(ctx, tx, change.Texts, time.Now())
	})
	return c, said, s.explain("write in a conversation", err)
}

// Conversation implements chat.Store.
func (s *Conversations) Conversation(ctx context.Context, id chat.ID) (chat.Conversation, error) {
	c, err := scanConversation(s.eng.reader.QueryRowContext(ctx, `SELECT `+conversationColumns+` FROM conversations WHERE id = $1`, clean(string(id))))
	return c, s.explain("read a conversation", err)
}

// Messages implements chat.Store.
func (s *Conversations) Messages(ctx context.Context, id chat.ID, after int64) ([]chat.Message, error) {
	list, err := rowsOf(ctx, s.eng.reader, func(r *sql.Rows) (m chat.Message, err error) {
		var at int64
		err = r.Scan(&m.Seq, &m.Key, &m.Author, &m.Agent, &m.Text, &at, &m.SMS)
		m.At = fromMillis(at)
		return m, err
	}, `SELECT m.seq, m.key, m.author, m.agent, m.text, m.at, COALESCE(s.state, '')
		FROM conversation_messages m LEFT JOIN sms s ON s.key = 'chat:' || m.conversation || ':' || m.seq
		WHERE m.conversation = $1 AND m.seq > $2 ORDER BY m.seq`, clean(string(id)), after)
	return list, s.explain("read a conversation", err)
}

// Conversations implements chat.Store.
func (s *Conversations) Conversations(ctx context.Context, f chat.Filter) ([]chat.Conversation, error) {
	var where []string
	var args []any
	if len(f.States) > 0 {
		var in []string
		for _, st := range f.States {
			args = append(args, string(st))
			in = append(in, fmt.Sprintf("$%d", len(args)))
		}
		where = append(where, "state IN ("+strings.Join(in, ", ")+")")
	}
	if f.Queue != "" {
		args = append(args, clean(f.Queue))
		where = append(where, fmt.Sprintf("queue = $%d", len(args)))
	}
	query := `SELECT ` + conversationColumns + ` FROM conversations`
	if len(where) > 0 {
		query += ` WHERE ` + strings.Join(where, " AND ")
	}
	query += fmt.Sprintf(` ORDER BY CASE state WHEN 'waiting' THEN 0 WHEN 'answered' THEN 1 ELSE 2 END, since, id LIMIT %d`, cmp.Or(f.Limit, 200))
	list, err := rowsOf(ctx, s.eng.reader, scanConversation, query, args...)
	return list, s.explain("list the conversations", err)
}

func (s *Conversations) explain(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("%s: %w", doing, chat.ErrNone)
	}
	return fmt.Errorf("%s: %w", doing, s.eng.explain(err))
}

func scanConversation[R interface{ Scan(...any) error }](row R) (chat.Conversation, error) {
	var c chat.Conversation
	var opened, since, told int64
	err := row.Scan(&c.ID, &c.Channel, &c.Number, &c.Lang, &c.Queue, &c.State, &c.Agent, &opened, &since, &told, &c.Last)
	c.Opened, c.Since, c.Told = fromMillis(opened), fromMillis(since), fromMillis(told)
	return c, err
}
