package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// FaultKind is what is wrong with the database, in words for the operator.
type FaultKind string

const (
	Locked      FaultKind = "the database is locked by another process"
	DiskFull    FaultKind = "the disk of the database is full"
	Unreachable FaultKind = "the database server cannot be reached"
	NoAnswer    FaultKind = "the database does not answer in time"
	Damaged     FaultKind = "the database is damaged"
	ReadOnly    FaultKind = "the database cannot be written (read-only)"
	DiskError   FaultKind = "the disk of the database fails"
	Refused     FaultKind = "the database refuses the account or its password"
	OtherFault  FaultKind = "the database reports an error"
)

// Fault is an error of the database, told in words.
type Fault struct {
	Kind  FaultKind
	Where string // the file, or user@host:port/name
	Err   error
}

func (f *Fault) Error() string { return fmt.Sprintf("%s (%s): %v", f.Kind, f.Where, f.Err) }
func (f *Fault) Unwrap() error { return f.Err }

// passing says that the same write may work later with nothing else changed.
func (f *Fault) passing() bool {
	return f.Kind == Locked || f.Kind == Unreachable || f.Kind == NoAnswer
}

func (f *Fault) locked() bool { return f.Kind == Locked }

// explain gives an error of a driver its words; other errors are returned as they are.
func (e *engine) explain(err error) error {
	var known *Fault
	if err == nil || errors.As(err, &known) {
		return err
	}
	kind := FaultKind("")
	var lite *sqlite.Error
	var pg *pgconn.PgError
	var connect *pgconn.ConnectError
	var network net.Error
	switch {
	case errors.As(err, &lite):
		kind = sqliteFault(lite.Code())
	case errors.As(err, &pg):
		kind = postgresFault(pg.Code)
	case errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &connect):
		kind = Unreachable
	case errors.Is(err, context.DeadlineExceeded):
		kind = NoAnswer
	case errors.As(err, &network), errors.Is(err, net.ErrClosed):
		kind = Unreachable
	case e.name == "postgres" && isBroken(err):
		kind = Unreachable
	default:
		return err
	}
	return &Fault{Kind: kind, Where: e.where, Err: err}
}

func sqliteFault(code int) FaultKind {
	switch code & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return Locked
	case sqlite3.SQLITE_FULL:
		return DiskFull
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return Damaged
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
		return ReadOnly
	case sqlite3.SQLITE_IOERR:
		return DiskError
	case sqlite3.SQLITE_INTERRUPT:
		return NoAnswer
	default:
		return OtherFault
	}
}

func postgresFault(code string) FaultKind {
	switch {
	case code == "55P03", code == "40001", code == "40P01":
		return Locked
	case code == "53100":
		return DiskFull
	case code == "57014":
		return NoAnswer
	case len(code) == 5 && (code[:2] == "08" || code[:3] == "57P" || code == "53300"):
		return Unreachable // it stops, starts or has no connection left
	case code == "25006":
		return ReadOnly
	case code == "58030":
		return DiskError
	case code == "XX001", code == "XX002":
		return Damaged
	case code[:min(2, len(code))] == "28":
		return Refused
	default:
		return OtherFault
	}
}

// health is the state of one kind of writing.
type health struct {
	mu      sync.Mutex
	running int       // writes under way
	began   time.Time // the oldest of them, roughly
	since   time.Time // of the first failure of a series
	err     error
	last    time.Time // last success
}

// slow is how long a write may take before Healthy tells of it.
const slow = 2 * time.Second

func (h *health) begin() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.running == 0 {
		h.began = time.Now()
	}
	h.running++
}

func (h *health) end(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.running--
	h.began = time.Now()
	var f *Fault
	switch {
	case err == nil || !errors.As(err, &f):
		h.err, h.last = nil, time.Now() // an answer, even a refusal of ours, is a sign of life
	case h.err == nil:
		h.err, h.since = err, time.Now()
	default:
		h.err = err
	}
}

// state returns the last error and since when it lasts.
func (h *health) state() (since time.Duration, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil {
		return time.Since(h.since), h.err
	}
	if h.running > 0 && time.Since(h.began) > slow {
		return time.Since(h.began), errors.New(string(NoAnswer))
	}
	return 0, nil
}

func (h *health) idle() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.running > 0 {
		return 0
	}
	return time.Since(h.last)
}

// probe writes a small row while nothing else is written, so that Healthy is about now.
type probe struct {
	eng  *engine
	stop chan struct{}
	done chan struct{}
}

func newProbe(base context.Context, eng *engine, every time.Duration) *probe {
	p := &probe{eng: eng, stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(p.done)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-p.stop:
				return
			case <-tick.C:
			}
			if eng.health.idle() < every {
				continue
			}
			ctx, cancel := context.WithTimeout(base, attemptTimeout)
			// The outcome is kept by the engine's health.
			_ = eng.write(ctx, ordinary, func(tx *sql.Tx) error { return putBlob(ctx, tx, "store.probe", nil, time.Now()) })
			cancel()
		}
	}()
	return p
}

func (p *probe) healthy() error {
	d, err := p.eng.health.state()
	if err == nil {
		return nil
	}
	return fmt.Errorf("for %s: %w", d.Round(100*time.Millisecond), err)
}

func (p *probe) close() {
	close(p.stop)
	<-p.done
}
