package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"decroche/people"
)

// People implements people.Store, and keeps the sessions of the site. Every change is committed with
// synchronous=FULL before it returns; a change and its line of the log are one transaction.
type People struct{ eng *engine }

var _ people.Store = (*People)(nil)

// People keeps the accounts of the administration site.
func (db *DB) People() *People { return &People{db.eng} }

const accountColumns = `name, full_name, roles, password, closed, since_at, created_at, version, subject`

// AddAccount implements people.Store.
func (s *People) AddAccount(ctx context.Context, a people.Account, act people.Act) error {
	var before bool // an earlier run of this was committed, and not answered
	return s.explain("add an account", s.eng.writeRetrying(ctx, promised, func(tx *sql.Tx) error {
		n, err := rows(tx.ExecContext(ctx, `INSERT INTO accounts (`+accountColumns+`) VALUES`+placeholders(1, 9)+`ON CONFLICT (name) DO NOTHING`, accountArgs(a)...))
		switch {
		case err != nil:
			return err
		case n == 0 && !before:
			return people.ErrTaken
		case n == 0:
			return nil
		}
		before = true
		return logAct(ctx, tx, act)
	}))
}

// ChangeAccount implements people.Store. All accounts are locked: who asks whether somebody is left to
// give accounts must see nobody else going.
func (s *People) ChangeAccount(ctx context.Context, name string, version int64, act people.Act, change func(*people.Account) error, check func([]people.Account) error) (after people.Account, err error) {
	err = s.eng.writeRetrying(ctx, promised, func(tx *sql.Tx) error {
		all, err := rowsOf(ctx, tx, scanAccount, `SELECT `+accountColumns+` FROM accounts ORDER BY name`+s.eng.locking("FOR UPDATE"))
		if err != nil {
			return err
		}
		i := -1
		for j, a := range all {
			if a.Name == name {
				i = j
			}
		}
		if i < 0 {
			return people.ErrNone
		}
		if version != 0 && all[i].Version != version {
			return people.ErrChanged
		}
		before := all[i]
		before.Roles = slices.Clone(before.Roles)
		if err := change(&all[i]); err != nil {
			return err
		}
		all[i].Name = name
		if !reflect.DeepEqual(all[i], before) { // a sign-in by a provider changes nothing, and no editor's form grows old
			all[i].Version++
		}
		if check != nil {
			if err := check(all); err != nil {
				return err
			}
		}
		after = all[i]
		if _, err := tx.ExecContext(ctx, `UPDATE accounts SET (`+accountColumns+`) =`+placeholders(1, 9)+`WHERE name = $1`, accountArgs(after)...); err != nil {
			return err
		}
		return logAct(ctx, tx, act)
	})
	return after, s.explain("change an account", err)
}

// Account implements people.Store.
func (s *People) Account(ctx context.Context, name string) (people.Account, error) {
	list, err := rowsOf(ctx, s.eng.reader, scanAccount, `SELECT `+accountColumns+` FROM accounts WHERE name = $1`, clean(name))
	switch {
	case err != nil:
		return people.Account{}, s.explain("read an account", err)
	case len(list) == 0:
		return people.Account{}, people.ErrNone
	}
	return list[0], nil
}

// Accounts implements people.Store.
func (s *People) Accounts(ctx context.Context) ([]people.Account, error) {
	list, err := rowsOf(ctx, s.eng.reader, scanAccount, `SELECT `+accountColumns+` FROM accounts ORDER BY name`)
	return list, s.explain("list the accounts", err)
}

// KeepLink implements people.Store.
func (s *People) KeepLink(ctx context.Context, hash []byte, name string, until time.Time) error {
	return s.explain("keep a link", s.eng.writeRetrying(ctx, promised, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO account_links (name, hash, until_at) VALUES ($1, $2, $3)
			ON CONFLICT (name) DO UPDATE SET hash = excluded.hash, until_at = excluded.until_at`, clean(name), hash, millis(until))
		return err
	}))
}

// TakeLink implements people.Store.
func (s *People) TakeLink(ctx context.Context, hash []byte, at time.Time, use bool) (name string, err error) {
	const of = ` FROM account_links WHERE hash = $1 AND until_at > $2`
	if !use {
		err = s.eng.reader.QueryRowContext(ctx, `SELECT name`+of, hash, millis(at)).Scan(&name)
	} else {
		err = s.eng.writeRetrying(ctx, promised, func(tx *sql.Tx) error {
			return tx.QueryRowContext(ctx, `DELETE`+of+` RETURNING name`, hash, millis(at)).Scan(&name)
		})
	}
	if errors.Is(err, sql.ErrNoRows) {
		return "", people.ErrLink
	}
	return name, s.explain("read a link", err)
}

// Log implements people.Store.
func (s *People) Log(ctx context.Context, act people.Act) error {
	return s.explain("write the log", s.eng.writeRetrying(ctx, promised, func(tx *sql.Tx) error { return logAct(ctx, tx, act) }))
}

// Acts implements people.Store.
func (s *People) Acts(ctx context.Context, of people.Acts) ([]people.Act, error) {
	list, err := rowsOf(ctx, s.eng.reader, func(r *sql.Rows) (a people.Act, err error) {
		var at int64
		err = r.Scan(&a.ID, &at, &a.Who, &a.What, &a.About, &a.Detail)
		a.At = fromMillis(at)
		return a, err
	}, `SELECT id, at, who, what, about, detail FROM acts WHERE (id < $1 OR $1 = 0) AND (who = $2 OR $2 = '')
		AND (substr(what, 1, $3) = $4) AND at >= $5 AND (at < $6 OR $6 = 0) ORDER BY id DESC LIMIT $7`,
		of.Before, of.Who, len(group(of.Group)), group(of.Group), millis(of.From), millis(of.Until), of.Limit)
	return list, s.explain("read the log", err)
}

// group is how what was done of a group begins; "" for any.
func group(name string) string {
	if name == "" {
		return ""
	}
	return name + "."
}

func logAct(ctx context.Context, tx *sql.Tx, a people.Act) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO acts (at, who, what, about, detail) VALUES ($1, $2, $3, $4, $5)`,
		millis(a.At), clean(a.Who), clean(a.What), clean(a.About), clean(a.Detail))
	return err
}

// FindCtx, CommitCtx and DeleteCtx are the store of the site's sessions; a token here is a hash already.
func (s *People) FindCtx(ctx context.Context, token string) (data []byte, found bool, err error) {
	err = s.eng.reader.QueryRowContext(ctx, `SELECT data FROM site_sessions WHERE token = $1 AND until_at > $2 AND length(data) > 0`, token, millis(time.Now())).Scan(&data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	return data, err == nil, s.explain("read a session", err)
}

// CommitCtx keeps a session until its end, and forgets those that are over. One that was ended stays so.
func (s *People) CommitCtx(ctx context.Context, token string, data []byte, until time.Time) error {
	return s.explain("keep a session", s.eng.writeRetrying(ctx, ordinary, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM site_sessions WHERE until_at <= $1`, millis(time.Now())); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO site_sessions (token, data, until_at) VALUES ($1, $2, $3)
			ON CONFLICT (token) DO UPDATE SET data = excluded.data, until_at = excluded.until_at WHERE length(site_sessions.data) > 0`, token, data, millis(until))
		return err
	}))
}

// DeleteCtx ends a session. Its token stays, with nothing, until the session would have been over: a request that
// was under way, or a board, must not write it back.
func (s *People) DeleteCtx(ctx context.Context, token string) error {
	return s.explain("end a session", s.eng.writeRetrying(ctx, promised, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE site_sessions SET data = '' WHERE token = $1`, token)
		return err
	}))
}

// Find, Commit and Delete are those above for who has no context.
func (s *People) Find(token string) ([]byte, bool, error) {
	return s.FindCtx(context.Background(), token)
}

func (s *People) Commit(token string, data []byte, until time.Time) error {
	return s.CommitCtx(context.Background(), token, data, until)
}

func (s *People) Delete(token string) error { return s.DeleteCtx(context.Background(), token) }

func accountArgs(a people.Account) []any {
	roles := make([]string, len(a.Roles))
	for i, r := range a.Roles {
		roles[i] = string(r)
	}
	return []any{clean(a.Name), clean(a.Full), strings.Join(roles, " "), a.Password, number(a.Closed), millis(a.Since), millis(a.Created), a.Version, clean(a.Subject)}
}

func scanAccount(r *sql.Rows) (a people.Account, err error) {
	var roles string
	var closed int
	var since, created int64
	err = r.Scan(&a.Name, &a.Full, &roles, &a.Password, &closed, &since, &created, &a.Version, &a.Subject)
	for _, name := range strings.Fields(roles) {
		a.Roles = append(a.Roles, people.Role(name))
	}
	a.Closed, a.Since, a.Created = closed != 0, fromMillis(since), fromMillis(created)
	return a, err
}

func (s *People) explain(doing string, err error) error {
	if err == nil || errors.Is(err, people.ErrNone) || errors.Is(err, people.ErrTaken) || errors.Is(err, people.ErrChanged) || errors.Is(err, people.ErrLast) {
		return err
	}
	return fmt.Errorf("%s: %w", doing, s.eng.explain(err))
}
