package store

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// dialects are the few words in which the engines differ in the migrations.
var dialects = map[string][]string{
	// AUTOINCREMENT never gives an id twice, as an identity column does not. SQLite's INTEGER
	// has 64 bits, and as a primary key it is the place of the row itself.
	"sqlite":   {"{{identity}}", "INTEGER PRIMARY KEY AUTOINCREMENT", "{{bytes}}", "BLOB", "{{bigint}}", "INTEGER"},
	"postgres": {"{{identity}}", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "{{bytes}}", "BYTEA", "{{bigint}}", "BIGINT"},
}

// migrate brings the schema up to date, or refuses a schema this program does not know.
func (e *engine) migrate(ctx context.Context) error {
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return err
	}
	dialect, opts := goose.DialectSQLite3, []goose.ProviderOption{goose.WithDisableGlobalRegistry(true)}
	if e.name == "postgres" {
		dialect = goose.DialectPostgres
		locker, err := lock.NewPostgresSessionLocker()
		if err != nil {
			return err
		}
		opts = append(opts, goose.WithSessionLocker(locker))
	}
	p, err := goose.NewProvider(dialect, e.writer, wordsFS{files, dialects[e.name]}, opts...)
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	for {
		have, know, err := p.GetVersions(ctx)
		switch {
		case err != nil:
			return fmt.Errorf("read the version of the schema: %w", e.explain(err))
		case have > know:
			return fmt.Errorf("the database %s has schema version %d and this program knows versions up to %d: "+
				"it was written by a newer release, run that one; nothing was changed", e.where, have, know)
		case have == know:
			return nil
		}
		if _, err := p.Up(ctx); err != nil {
			// Another process may be at it: as long as the schema gets on, we go on from there.
			if now, _, verr := p.GetVersions(ctx); verr == nil && now > have {
				continue
			}
			return fmt.Errorf("bring the schema of %s from version %d to %d: %w", e.where, have, know, e.explain(err))
		}
	}
}

// wordsFS serves migrations with the engine's words in them.
type wordsFS struct {
	fs.FS
	words []string // old, new, old, new …
}

func (w wordsFS) Open(name string) (fs.File, error) {
	f, err := w.FS.Open(name)
	if err != nil {
		return nil, err
	}
	if st, err := f.Stat(); err != nil || st.IsDir() {
		return f, err
	}
	text, err := fs.ReadFile(w.FS, name)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	for i := 0; i < len(w.words); i += 2 {
		text = bytes.ReplaceAll(text, []byte(w.words[i]), []byte(w.words[i+1]))
	}
	return &wordsFile{File: f, text: bytes.NewReader(text)}, nil
}

// ReadDir keeps the folder listing of the files below.
func (w wordsFS) ReadDir(name string) ([]fs.DirEntry, error) { return fs.ReadDir(w.FS, name) }

type wordsFile struct {
	fs.File
	text *bytes.Reader
}

func (f *wordsFile) Read(b []byte) (int, error) { return f.text.Read(b) }
