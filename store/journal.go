package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"decroche/call"
)

const (
	journalDelay = 50 * time.Millisecond
	journalGroup = 1000
)

// Journal implements call.Journal: see the package's text on groups and failure.
//
// An event is in exactly one of four places, oldest first: memory (at most
// Options.JournalMemory events), the spill file, late (what the file could not take), and in
// (what the writer has not looked at). Only Append and the writer touch in, under the mutex;
// the other three belong to the writer.
type Journal struct {
	eng   *engine
	log   *slog.Logger
	base  context.Context // for the writer goroutine: never cancelled
	bound int
	tool  bool
	keys  *keys // of pseudonyms

	mu      sync.Mutex
	in      []numbered
	seq     int64
	closed  bool
	waiting waiters
	counts  JournalStats

	memory, late []record
	spill        *spill
	losing       bool // a loss was told of

	unswept  atomic.Int64 // facts packed since their room was given back
	writer   string       // names this process' events, see writeRecords
	pace     pacer
	health   health
	deadline time.Time // of the last writes, set before stop is closed
	done     chan struct{}
}

type numbered struct {
	seq int64
	ev  call.Event
}

// JournalStats counts events since the store was opened.
type JournalStats struct {
	Appended  uint64 // taken in
	Written   uint64 // committed, those of earlier processes included
	Groups    uint64 // transactions that did it
	Retries   uint64 // transactions that failed and were tried again
	Spilled   uint64 // moved to the spill file
	Replayed  uint64 // read back from it and committed
	Unread    uint64 // lines of the spill file that could not be read; they are kept in journal.spill.bad.jsonl
	Malformed uint64 // events whose Data was no JSON; it is kept as a string
	Lost      uint64 // given up: neither memory nor the file could take them, or they came after Close
	InMemory  int    // waiting in memory
	InFile    int    // waiting in the spill file
}

func newJournal(base context.Context, eng *engine, opts Options, keys *keys) (*Journal, error) {
	j := &Journal{
		eng: eng, log: opts.Log, base: base, bound: opts.JournalMemory, keys: keys, tool: opts.Tool,
		writer: rand.Text(), pace: newPacer(), done: make(chan struct{}),
	}
	sp, err := openSpill(opts.DataDir, !opts.Tool, opts.Log)
	if err != nil {
		return nil, err
	}
	j.spill = sp
	j.counts.InFile = sp.count
	if sp.count > 0 {
		opts.Log.Warn("the journal has events of an earlier run to write", "events", sp.count, "file", sp.path)
		j.pace.hurry()
	}
	go j.run()
	return j, nil
}

// Append takes the event and returns at once. Events are written in the order of Append.
// Times are kept to the millisecond. The caller's number in EventArrived's "from" is masked
// before it is written anywhere, and a keyed pseudonym is added as "caller".
func (j *Journal) Append(ev call.Event) {
	ev.Data = bytes.Clone(ev.Data)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.counts.Appended++
	switch {
	case j.closed:
		j.lose(1, "the store is closed")
		return
	case len(j.in) >= 2*j.bound+journalGroup:
		// The writer does not even move events away: the disk hangs.
		j.lose(1, "memory is full and the writer is stuck")
		return
	}
	j.seq++
	j.in = append(j.in, numbered{j.seq, ev})
	j.pace.added(len(j.in), min(journalGroup, j.bound))
}

// lose counts events given up and tells of the first. The mutex is held.
func (j *Journal) lose(n int, why string) {
	j.counts.Lost += uint64(n)
	if !j.losing {
		j.losing = true
		j.log.Error("events of the journal are lost", "why", why)
	}
}

// Flush returns when every event appended before it is committed, or with an error when ctx
// ends first or the store is closed.
func (j *Journal) Flush(ctx context.Context) error {
	j.mu.Lock()
	ch, seq := j.waiting.add(j.seq), j.seq
	j.mu.Unlock()
	j.pace.hurry()
	select {
	case <-ch:
		return nil
	case <-j.done:
		j.mu.Lock()
		defer j.mu.Unlock()
		if j.waiting.done >= seq {
			return nil
		}
		return errClosed
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("the journal is not written yet: %w", context.Cause(ctx)), j.healthy())
	}
}

// run is the writer: one group after the other until close.
func (j *Journal) run() {
	defer close(j.done)
	var pause time.Duration
	for j.pace.wait(journalDelay, pause, func() { j.take() }) {
		if j.writeAll(time.Now().Add(time.Hour)) == nil {
			pause = 0
		} else {
			pause = nextPause(pause)
		}
	}
	pause = 0
	for time.Until(j.deadline) > 0 && j.writeAll(j.deadline) != nil {
		pause = min(nextPause(pause), max(0, time.Until(j.deadline)))
		time.Sleep(pause)
	}
	j.putAway()
}

// take moves what was appended to memory, or behind what is in the spill file. It returns the
// number of the last event moved.
func (j *Journal) take() int64 {
	j.mu.Lock()
	in, seq := j.in, j.seq
	j.in = nil
	j.mu.Unlock()
	if !j.tool {
		j.keys.turn(time.Now())
	}
	malformed := uint64(0)
	for _, n := range in {
		rec, ok := j.prepare(n)
		if !ok {
			malformed++
		}
		j.late = append(j.late, rec)
	}
	if j.spill.count == 0 {
		n := min(len(j.late), max(0, j.bound-len(j.memory)))
		j.memory = append(j.memory, j.late[:n]...)
		j.late = j.late[n:]
	}
	spilled, lost := 0, 0
	var spillErr error
	if len(j.late) > 0 {
		if spillErr = j.spill.append(j.late); spillErr == nil {
			spilled, j.late = len(j.late), nil
		} else if lost = len(j.late) - j.bound; lost > 0 {
			j.late = j.late[:j.bound]
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.counts.Malformed += malformed
	j.counts.Spilled += uint64(spilled)
	if lost > 0 {
		j.lose(lost, fmt.Sprintf("memory is full and the spill file cannot take them: %v", spillErr))
	}
	j.measure()
	return seq
}

// measure copies the writer's lengths to the counters. The mutex is held.
func (j *Journal) measure() {
	j.counts.InMemory = len(j.memory) + len(j.late)
	j.counts.InFile = j.spill.count
}

// writeAll writes until nothing is left. It fails at the first group that cannot be written.
func (j *Journal) writeAll(deadline time.Time) error {
	for {
		upto := j.take()
		group, fromFile, err := j.next()
		if err == nil && len(group) == 0 && !fromFile {
			j.mu.Lock()
			j.waiting.reach(upto)
			j.losing = false
			j.mu.Unlock()
			return nil
		}
		if err == nil && len(group) > 0 {
			err = j.writeGroup(group, deadline)
		}
		if err != nil {
			return err
		}
		j.forget(group, fromFile)
	}
}

// next returns the oldest events, of memory or else of the file. The file may give none and
// still have been read: then its lines were unreadable.
func (j *Journal) next() (group []record, fromFile bool, err error) {
	if len(j.memory) > 0 {
		return j.memory[:min(journalGroup, len(j.memory))], false, nil
	}
	if j.spill.count == 0 {
		return nil, false, nil
	}
	group, unread, err := j.spill.next(journalGroup)
	if unread > 0 {
		j.mu.Lock()
		j.counts.Unread += uint64(unread)
		j.mu.Unlock()
	}
	if err != nil {
		j.log.Error("the journal's spill file cannot be read", "error", err, "file", j.spill.path)
		j.health.begin()
		j.health.end(&Fault{Kind: DiskError, Where: j.spill.path, Err: err})
	}
	return group, true, err
}

func (j *Journal) writeGroup(group []record, deadline time.Time) error {
	if d := time.Now().Add(attemptTimeout); d.Before(deadline) {
		deadline = d
	}
	ctx, cancel := context.WithDeadline(j.base, deadline)
	defer cancel()
	_, was := j.health.state()
	j.health.begin()
	err := j.writeRecords(ctx, group)
	j.health.end(asFault(j.eng, err))
	if err == nil {
		return nil
	}
	j.mu.Lock()
	j.counts.Retries++
	j.mu.Unlock()
	if was == nil {
		j.log.Error("the journal cannot be written, trying again", "error", err)
	}
	return err
}

// forget drops a group that is committed.
func (j *Journal) forget(group []record, fromFile bool) {
	if fromFile {
		if err := j.spill.advance(); err != nil {
			// Harmless for the journal: a second replay writes nothing twice.
			j.log.Warn("the journal's spill file cannot be shortened", "error", err, "file", j.spill.path)
		}
	} else if j.memory = j.memory[len(group):]; len(j.memory) == 0 {
		j.memory = nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(group) > 0 {
		j.counts.Groups++
		j.counts.Written += uint64(len(group))
	}
	if fromFile {
		j.counts.Replayed += uint64(len(group))
	}
	for i := len(group) - 1; i >= 0; i-- {
		if group[i].Writer == j.writer {
			j.waiting.reach(group[i].Seq)
			break
		}
	}
	j.measure()
}

// putAway moves what could not be written to the spill file, in order, at the end.
func (j *Journal) putAway() {
	j.take()
	left := len(j.memory) + len(j.late)
	var err error
	if left > 0 {
		if err = j.spill.putAway(j.memory, j.late); err == nil {
			j.memory, j.late = nil, nil
			j.log.Warn("events of the journal wait in a file for the next start", "events", left, "file", j.spill.path)
		}
	}
	err = errors.Join(err, j.spill.close())
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.memory)+len(j.late) > 0 {
		j.lose(left, fmt.Sprint(err))
	} else {
		j.counts.Spilled += uint64(left)
	}
	j.measure()
}

func (j *Journal) healthy() error {
	d, err := j.health.state()
	if err == nil {
		return nil
	}
	s := j.stats()
	return fmt.Errorf("the journal cannot be written for %s: %w (%d events wait in memory, %d in %s)",
		d.Round(100*time.Millisecond), err, s.InMemory, s.InFile, j.spill.path)
}

func (j *Journal) stats() JournalStats {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := j.counts
	s.InMemory += len(j.in)
	return s
}

func (j *Journal) close(deadline time.Time) error {
	j.mu.Lock()
	j.closed = true
	before := j.counts.Lost
	j.mu.Unlock()
	j.deadline = deadline
	j.pace.close()
	<-j.done
	j.mu.Lock()
	defer j.mu.Unlock()
	if n := j.counts.Lost - before; n > 0 {
		return fmt.Errorf("close the store: %d events of the journal could not be kept and are lost", n)
	}
	return nil
}
