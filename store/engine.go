package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// attemptTimeout bounds one attempt of the group writers, so that a server that does not
// answer is noticed.
const attemptTimeout = 5 * time.Second

// engine is one of the two databases. On SQLite the writer is one connection, for SQLite has
// one writer and a queue in Go is fairer than its busy loop; the reader is a pool.
type engine struct {
	name           string // "sqlite" or "postgres"
	where          string // for people, without a password
	writer, reader *sql.DB
	health         health // of the last write, whoever made it
}

func openEngine(ctx context.Context, opts *Options) (*engine, error) {
	switch scheme, rest, _ := strings.Cut(opts.URL, ":"); scheme {
	case "sqlite":
		return openSQLite(ctx, rest, opts)
	case "postgres", "postgresql":
		return openPostgres(ctx, opts)
	default:
		return nil, errors.New("the database URL must start with sqlite: or postgres://")
	}
}

func (e *engine) close() error {
	var errs []error
	if e.reader != nil && e.reader != e.writer {
		errs = append(errs, e.reader.Close())
	}
	if e.writer != nil {
		errs = append(errs, e.writer.Close())
	}
	return errors.Join(errs...)
}

// durability is what a commit promises; see the package's text.
type durability bool

const (
	ordinary durability = false
	promised durability = true
)

// write runs fn in a transaction, once.
func (e *engine) write(ctx context.Context, d durability, fn func(*sql.Tx) error) (err error) {
	e.health.begin()
	defer func() {
		err = e.explain(err)
		e.health.end(err)
	}()
	conn, err := e.writer.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if d == promised && e.name == "sqlite" {
		if _, err := conn.ExecContext(ctx, "PRAGMA synchronous=FULL"); err != nil {
			return err
		}
		defer func() {
			if _, perr := conn.ExecContext(context.WithoutCancel(ctx), "PRAGMA synchronous=NORMAL"); perr != nil {
				discard(conn)
			}
		}()
	}
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // when fn panics; after a commit it does nothing
	if err := fn(tx); err != nil {
		if rerr := tx.Rollback(); rerr != nil && !errors.Is(rerr, sql.ErrTxDone) {
			discard(conn)
		}
		return err
	}
	if err := tx.Commit(); err != nil {
		// The connection may still be inside the transaction: it must not be used again.
		discard(conn)
		return err
	}
	return nil
}

// patience is how long requests of people, and the opening of the database, wait for a lock or
// a server to come back.
const patience = 10 * time.Second

// writeRetrying is write for requests of people: it tries again while the database is locked
// or away, until ctx ends or patience is over. fn may run more than once.
func (e *engine) writeRetrying(ctx context.Context, d durability, fn func(*sql.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return retrying(ctx, (*Fault).passing, func() error { return e.write(ctx, d, fn) })
}

// retrying calls fn again while it meets a fault worth waiting for, until ctx ends.
func retrying(ctx context.Context, worth func(*Fault) bool, fn func() error) error {
	var pause time.Duration
	for {
		err := fn()
		var f *Fault
		if err == nil || !errors.As(err, &f) || !worth(f) {
			return err
		}
		pause = nextPause(pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return err
		}
	}
}

// discard closes the connection itself instead of giving it back to the pool.
func discard(conn *sql.Conn) {
	_ = conn.Raw(func(any) error { return driver.ErrBadConn })
}

// nextPause doubles from 50 ms to 2 s.
func nextPause(last time.Duration) time.Duration {
	return min(max(2*last, 50*time.Millisecond), 2*time.Second)
}

// execRows runs "head VALUES (…), (…) tail" for all rows; each has the same number of columns.
func (e *engine) execRows(ctx context.Context, tx *sql.Tx, head string, columns int, tail string, args []any) error {
	if e.name == "postgres" {
		return execArrays(ctx, tx, head, columns, tail, args)
	}
	// In statements of few distinct sizes, and understood once. The placeholders have no
	// numbers: SQLite looks a numbered one up in the list of them all, each time.
	row := " (?" + strings.Repeat(",?", columns-1) + ")"
	// What fails is rolled back whole by whoever asked; SQLite need not be able to undo one
	// statement of it, and is spared writing down how.
	head = strings.Replace(head, "INSERT INTO", "INSERT OR ROLLBACK INTO", 1)
	for _, size := range []int{128, 16, 1} {
		n := size * columns
		if len(args) < n {
			continue
		}
		stmt, err := tx.PrepareContext(ctx, head+" VALUES"+row+strings.Repeat(","+row, size-1)+" "+tail)
		if err != nil {
			return err
		}
		for ; len(args) >= n && err == nil; args = args[n:] {
			_, err = stmt.ExecContext(ctx, args[:n]...)
		}
		if err = errors.Join(err, stmt.Close()); err != nil {
			return err
		}
	}
	return nil
}

// execArrays hands PostgreSQL the columns as arrays: one statement, whatever the number of rows.
func execArrays(ctx context.Context, tx *sql.Tx, head string, columns int, tail string, args []any) error {
	const rows = 4096 // of a statement, so that a large one does not take all memory
	for part := range slices.Chunk(args, rows*columns) {
		types, arrays := make([]string, columns), make([]any, columns)
		for c := range columns {
			types[c], arrays[c] = column(part, c, columns)
			types[c] = fmt.Sprintf("$%d::%s[]", c+1, types[c])
		}
		query := head + " SELECT * FROM unnest(" + strings.Join(types, ",") + ") " + tail
		if _, err := tx.ExecContext(ctx, query, arrays...); err != nil {
			return err
		}
	}
	return nil
}

// column takes a column out of rows, with its type in PostgreSQL.
func column(args []any, c, columns int) (string, any) {
	var numbers []int64
	var texts []string
	var bytes [][]byte
	for i := c; i < len(args); i += columns {
		switch v := args[i].(type) {
		case string:
			texts = append(texts, v)
		case []byte:
			bytes = append(bytes, v)
		default:
			numbers = append(numbers, reflect.ValueOf(v).Int()) // the tables hold nothing else
		}
	}
	switch {
	case texts != nil:
		return "text", texts
	case bytes != nil:
		return "bytea", bytes
	}
	return "bigint", numbers
}

// placeholders writes " ($1,$2),($3,$4) " for rows of columns.
func placeholders(rows, columns int) string {
	var b strings.Builder
	b.Grow(rows * columns * 6)
	n := 1
	for r := range rows {
		if r > 0 {
			b.WriteByte(',')
		}
		b.WriteString(" (")
		for c := range columns {
			if c > 0 {
				b.WriteByte(',')
			}
			b.WriteByte('$')
			b.WriteString(strconv.Itoa(n))
			n++
		}
		b.WriteByte(')')
	}
	b.WriteByte(' ')
	return b.String()
}

// inList writes "($4,$5,$6)" for n arguments from $first on.
func inList(first, n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(",$")
		b.WriteString(strconv.Itoa(first + i))
	}
	return "(" + strings.TrimPrefix(b.String(), ",") + ")"
}

// locking ends a SELECT that reads rows to change them, or to keep them as they are until the
// commit: PostgreSQL locks them, and SQLite's one writer holds the whole database already.
func (e *engine) locking(clause string) string {
	if e.name == "postgres" {
		return " " + clause
	}
	return ""
}

// millis is a time as the tables hold it: milliseconds UTC, 0 for the zero time.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// clean makes a text that both engines take: valid UTF-8 without NUL. A text that one engine
// refuses would stop its group, and every later one, for ever.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
}

// rowsOf reads a query's rows, on a database or in a transaction.
func rowsOf[T any](ctx context.Context, db interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}, scan func(*sql.Rows) (T, error), query string, args ...any,
) ([]T, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("read a row: %w", err)
		}
		all = append(all, v)
	}
	return all, rows.Err()
}
