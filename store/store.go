// Package store keeps what must not be lost, in SQL, on SQLite (one node) or
// PostgreSQL (several). One hand-written set of statements serves both.
//
// Who owns what. A DB owns its connections and two goroutines: one writes the
// journal, one writes the checkpoints; a third probes the database while nothing
// is written. Callers own nothing of it: what they hand over is copied.
//
// Ordering. Checkpoints are written in groups, at most 50 ms or 500 changes after
// the first of the group; inside a group the last change of a call wins. Journal
// events are written in the order of Append, in groups of at most 50 ms or 1,000
// events; ids rise in that order for one process. With several processes on one
// PostgreSQL a lower id may become visible after a higher one.
//
// Failure. Neither Save nor Append waits for the database. While it is locked,
// full or unreachable, checkpoints keep the last change of each call and the
// journal keeps its events, first in memory, then in journal.spill.jsonl of the
// data folder; both are written when the database is back, the file also at the
// next start, each event once. Healthy says in words what is wrong, Stats counts.
// A kill loses what no group had written yet: at most the last 50 ms when the
// database was well.
//
// Durability. SQLite runs in WAL mode with synchronous=NORMAL: a commit survives
// the death of the process, and a power cut may take the last commits (never the
// file). A power cut also ends the calls on the machine, so their checkpoints are
// worth nothing; what was promised to a person (incident messages, callbacks, text
// messages) is committed with synchronous=FULL before the call that keeps it returns. PostgreSQL commits as its server is configured.
package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Options is how a store is opened.
type Options struct {
	// URL is "sqlite:/path/to/file.db" or "postgres://user@host:5432/name?sslmode=verify-full".
	// A PostgreSQL URL has no password: it comes from PasswordFile or from PGPASSFILE.
	URL string
	// PasswordFile holds the PostgreSQL password on its first line.
	PasswordFile string
	// DataDir is an existing folder for the spill file and the pseudonym key; by default
	// the folder of the SQLite file. It must be set with PostgreSQL.
	DataDir string
	Log     *slog.Logger // default: slog.Default()
	// Tool opens the store for a short command beside a controller: it leaves the spill file
	// of the controller alone and does not probe.
	Tool bool

	// PseudonymKey keys the pseudonyms of callers in the journal, in this period of 30 days. By
	// default it is kept in pseudonym.key of the data folder, and turned. Nodes that share a
	// database must once be given the same file.
	PseudonymKey []byte

	JournalMemory int           // events kept in memory before the file is used; default 200,000
	CloseTimeout  time.Duration // how long Close tries to write what is left; default 5 s
	ProbeEvery    time.Duration // how often an idle database is tried; default 5 s
}

// DB is an open store. Its methods may be called from any goroutine.
type DB struct {
	opts        Options
	log         *slog.Logger
	eng         *engine
	checkpoints *Checkpoints
	journal     *Journal
	ledger      *Ledger
	probe       *probe
	closing     sync.Once
	closeErr    error
}

// Open opens the store and brings its schema up to date; it creates the SQLite file, not
// its folder. It refuses, and changes nothing, when the schema is newer than this program,
// when the SQLite file is damaged, or when the data folder is missing or not writable.
func Open(ctx context.Context, opts Options) (*DB, error) {
	opts = opts.withDefaults()
	eng, err := openEngine(ctx, &opts)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	db := &DB{opts: opts, log: opts.Log, eng: eng}
	if err := db.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open the database: %w", err), eng.close())
	}
	return db, nil
}

func (db *DB) start(ctx context.Context) error {
	if err := checkFolder(db.opts.DataDir); err != nil {
		return err
	}
	// Another process may be opening the same database. The change of a schema takes its time.
	patient, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := retrying(patient, (*Fault).locked, func() error { return db.eng.migrate(ctx) }); err != nil {
		return err
	}
	keys, err := openKeys(db.opts)
	if err != nil {
		return err
	}
	base := context.WithoutCancel(ctx)
	j, err := newJournal(base, db.eng, db.opts, keys)
	if err != nil {
		return err
	}
	db.journal = j
	db.ledger = &Ledger{eng: db.eng, j: j, bare: map[int]bool{}}
	db.checkpoints = newCheckpoints(base, db.eng, db.log)
	if !db.opts.Tool {
		db.probe = newProbe(base, db.eng, db.opts.ProbeEvery)
	}
	return nil
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.JournalMemory <= 0 {
		o.JournalMemory = 200_000
	}
	if o.CloseTimeout <= 0 {
		o.CloseTimeout = 5 * time.Second
	}
	if o.ProbeEvery <= 0 {
		o.ProbeEvery = 5 * time.Second
	}
	return o
}

// Checkpoints keeps where each call stands.
func (db *DB) Checkpoints() *Checkpoints { return db.checkpoints }

// Journal takes and gives the facts.
func (db *DB) Journal() *Journal { return db.journal }

// AcquireEpoch makes this process the one controller of a node: it returns the node's new
// epoch, and from now on every older holder is fenced. It is called once per DB, before the
// first Save.
func (db *DB) AcquireEpoch(ctx context.Context, node string) (int64, error) {
	return db.checkpoints.acquire(ctx, node)
}

// Fenced is closed when a later epoch of the node exists: this process must let go of its calls.
func (db *DB) Fenced() <-chan struct{} { return db.checkpoints.fencedCh }

// Healthy returns nil when everything handed over so far has been written or is about to be,
// and otherwise says what is wrong, since when and how much waits. It does not block.
func (db *DB) Healthy() error {
	errs := []error{db.checkpoints.healthy(), db.journal.healthy()}
	if db.probe != nil {
		errs = append(errs, db.probe.healthy())
	}
	return errors.Join(errs...)
}

// Stats counts what went through the store since it was opened.
type Stats struct {
	Journal     JournalStats
	Checkpoints CheckpointStats
}

// Stats returns the counters of now.
func (db *DB) Stats() Stats {
	return Stats{Journal: db.journal.stats(), Checkpoints: db.checkpoints.stats()}
}

// Close writes what is left, for at most CloseTimeout, moves the events it could not write
// to the spill file and closes the database. It returns an error when something is lost. It
// may be called twice.
func (db *DB) Close() error {
	db.closing.Do(func() {
		if db.probe != nil {
			db.probe.close()
		}
		deadline := time.Now().Add(db.opts.CloseTimeout)
		var wg sync.WaitGroup
		var errC, errJ error
		wg.Go(func() { errC = db.checkpoints.close(deadline) })
		wg.Go(func() { errJ = db.journal.close(deadline) })
		wg.Wait()
		db.closeErr = errors.Join(errC, errJ, db.eng.close())
	})
	return db.closeErr
}

// checkFolder says whether files can be written in the folder.
func checkFolder(dir string) error {
	if dir == "" {
		return errors.New("no data folder is set: name an existing folder for the journal's overflow file")
	}
	st, err := os.Stat(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("the folder %s does not exist: create it", dir)
	case err != nil:
		return fmt.Errorf("the folder %s: %w", dir, err)
	case !st.IsDir():
		return fmt.Errorf("%s is not a folder", dir)
	}
	f, err := os.CreateTemp(dir, ".write-test-*")
	if err != nil {
		return fmt.Errorf("the folder %s cannot be written: %w", dir, err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
