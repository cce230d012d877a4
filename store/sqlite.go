package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// busyWait is how long SQLite itself waits for a lock; the writers try again after it.
const busyWait = 500 * time.Millisecond

func openSQLite(ctx context.Context, path string, opts *Options) (*engine, error) {
	path = strings.TrimPrefix(path, "//")
	if path == "" || strings.ContainsAny(path, "?#\x00") {
		return nil, errors.New("the database URL must be sqlite:/path/to/file.db, without options")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("the path of the database: %w", err)
	}
	if opts.DataDir == "" {
		opts.DataDir = filepath.Dir(path)
	}
	if err := checkFolder(filepath.Dir(path)); err != nil {
		return nil, err
	}
	if err := checkSQLite(ctx, path); err != nil {
		return nil, err
	}
	if err := keepPrivate(path); err != nil {
		return nil, err
	}
	e := &engine{name: "sqlite", where: path}
	// journal_size_limit gives the space of a burst back; the rest is in the package's text.
	pragmas := url.Values{
		"_busy_timeout": {fmt.Sprint(busyWait.Milliseconds())},
		"_journal_mode": {"WAL"},
		"_synchronous":  {"NORMAL"},
		"_foreign_keys": {"1"},
		"_pragma":       {"journal_size_limit(67108864)"},
	}
	open := func(extra url.Values) *sql.DB {
		q := url.Values{}
		for _, v := range []url.Values{pragmas, extra} {
			for k := range v {
				q[k] = v[k]
			}
		}
		db, oerr := sql.Open("sqlite", sqliteDSN(path, q))
		err = errors.Join(err, oerr)
		return db
	}
	e.writer = open(url.Values{"_txlock": {"immediate"}, "_pragma": {"journal_size_limit(67108864)", "cache_size(-65536)", "wal_autocheckpoint(8000)"}})
	e.reader = open(url.Values{"_query_only": {"1"}})
	if err != nil {
		return nil, err
	}
	e.writer.SetMaxOpenConns(1)
	e.reader.SetMaxOpenConns(8)
	e.reader.SetMaxIdleConns(8)
	return e, nil
}

func sqliteDSN(path string, q url.Values) string {
	return (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
}

// checkSQLite refuses a file that SQLite could not use, before anything may write to it.
// The deep check reads the whole file, so it stops after two seconds: a file it has not
// finished by then is taken as sound, and a fault met later is told by Healthy.
func checkSQLite(ctx context.Context, path string) error {
	damaged := func(why string) error {
		return fmt.Errorf("the database file %s is damaged (%s); it was not touched: put a backup in its place, "+
			"or move it away together with its -wal and -shm files to start with an empty one", path, why)
	}
	f, err := os.Open(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("the database file: %w", err)
	}
	defer f.Close()
	const magic = "SQLite format 3\x00"
	head := make([]byte, len(magic))
	switch n, err := io.ReadFull(f, head); {
	case err == io.EOF:
		return nil // empty: a new database
	case err != nil && err != io.ErrUnexpectedEOF:
		return fmt.Errorf("read the database file %s: %w", path, err)
	case string(head[:n]) != magic:
		return damaged("it does not start as an SQLite database does")
	}
	ro, err := sql.Open("sqlite", sqliteDSN(path, url.Values{"mode": {"ro"}, "_busy_timeout": {"2000"}}))
	if err != nil {
		return err
	}
	defer ro.Close()
	short, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	var verdict string
	err = ro.QueryRowContext(short, "PRAGMA quick_check(1)").Scan(&verdict)
	var fault *Fault
	switch {
	case short.Err() != nil:
		return ctx.Err()
	case errors.As((&engine{where: path}).explain(err), &fault) && fault.Kind == Damaged:
		return damaged(err.Error())
	case fault != nil && fault.Kind == Locked:
		return nil // in use, so somebody can use it
	case err != nil:
		return fmt.Errorf("check the database file %s: %w", path, err)
	case verdict != "ok":
		return damaged(strings.Join(strings.Fields(verdict), " "))
	}
	return nil
}

// keepPrivate makes the file, or its permissions, 0600: it holds callers' numbers. SQLite
// gives the -wal and -shm files the permissions of the file itself.
func keepPrivate(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("the database file cannot be written: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("the database file: %w", err)
	}
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		st, err := os.Stat(name)
		if err != nil || st.Mode().Perm()&0o077 == 0 {
			continue
		}
		if err := os.Chmod(name, 0o600); err != nil {
			return fmt.Errorf("make %s private: %w", name, err)
		}
	}
	return nil
}
