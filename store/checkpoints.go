package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"decroche/call"
)

const (
	checkpointDelay = 50 * time.Millisecond
	checkpointGroup = 500
)

// Checkpoints implements call.Checkpoints: see the package's text on groups and failure.
type Checkpoints struct {
	eng  *engine
	log  *slog.Logger
	base context.Context // for the writer goroutine: never cancelled

	mu      sync.Mutex
	node    string
	epoch   int64
	fenced  bool
	closed  bool
	pending map[call.ID]change
	waiting waiters
	seq     int64 // of the last change taken in
	counts  CheckpointStats

	pace     pacer
	health   health
	fencedCh chan struct{}
	deadline time.Time // of the last writes, set before stop is closed
	done     chan struct{}
}

// change is the last thing said about a call: its checkpoint, or nil when it is over.
type change struct {
	cp  *call.Checkpoint
	seq int64
}

// CheckpointStats counts checkpoints since the store was opened.
type CheckpointStats struct {
	Saved, Deleted uint64 // accepted from callers
	Written        uint64 // rows saved or deleted in the database
	Groups         uint64 // transactions that did it
	Retries        uint64 // transactions that failed and were tried again
	Pending        int    // calls whose last change is not written yet
	Lost           uint64 // changes given up: at Close without a database, or when fenced
}

func newCheckpoints(base context.Context, eng *engine, log *slog.Logger) *Checkpoints {
	c := &Checkpoints{
		eng: eng, log: log, base: base,
		pending:  map[call.ID]change{},
		pace:     newPacer(),
		fencedCh: make(chan struct{}),
		done:     make(chan struct{}),
	}
	go c.run()
	return c
}

var errClosed = errors.New("the store is closed")

// Save queues the checkpoint and returns at once. cp.Epoch is the epoch that AcquireEpoch
// gave; 0 means that one. It returns call.ErrFenced once a later epoch exists.
func (c *Checkpoints) Save(_ context.Context, cp call.Checkpoint) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return fmt.Errorf("save the checkpoint of call %s: %w", cp.Call, errClosed)
	case c.epoch == 0:
		return fmt.Errorf("save the checkpoint of call %s: no epoch was acquired for this node", cp.Call)
	case c.fenced, cp.Epoch != 0 && cp.Epoch < c.epoch:
		return fmt.Errorf("save the checkpoint of call %s: %w", cp.Call, call.ErrFenced)
	case cp.Epoch > c.epoch:
		return fmt.Errorf("save the checkpoint of call %s: epoch %d was never acquired here", cp.Call, cp.Epoch)
	}
	cp.Epoch = c.epoch
	cp.State = bytes.Clone(cp.State)
	c.counts.Saved++
	c.queue(cp.Call, &cp)
	return nil
}

// Delete queues the end of the call and returns at once. A call that is not there is no error.
func (c *Checkpoints) Delete(_ context.Context, id call.ID) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return fmt.Errorf("forget call %s: %w", id, errClosed)
	case c.fenced:
		return fmt.Errorf("forget call %s: %w", id, call.ErrFenced)
	}
	c.counts.Deleted++
	c.queue(id, nil)
	return nil
}

func (c *Checkpoints) queue(id call.ID, cp *call.Checkpoint) {
	c.seq++
	c.pending[id] = change{cp, c.seq}
	c.pace.added(len(c.pending), checkpointGroup)
}

// Open lists the calls of this node that are not over, oldest arrival first; of all nodes
// while no epoch is acquired. What was queued before is written first; when that cannot be
// done before ctx ends, it returns an error.
func (c *Checkpoints) Open(ctx context.Context) ([]call.Checkpoint, error) {
	if err := c.Flush(ctx); err != nil {
		return nil, fmt.Errorf("list the open calls: %w", err)
	}
	c.mu.Lock()
	node := c.node
	c.mu.Unlock()
	list, err := rowsOf(ctx, c.eng.reader, scanCheckpoint,
		`SELECT call_id, epoch, step, state, info, at FROM checkpoints WHERE node = $1 OR $1 = ''
		 ORDER BY arrived, call_id`, node)
	if err != nil {
		return nil, fmt.Errorf("list the open calls: %w", c.eng.explain(err))
	}
	return list, nil
}

// Flush returns when everything queued before it is in the database, or with an error when
// ctx ends first, the process is fenced or the store is closed.
func (c *Checkpoints) Flush(ctx context.Context) error {
	c.mu.Lock()
	switch {
	case c.fenced:
		c.mu.Unlock()
		return call.ErrFenced
	case len(c.pending) == 0 && c.waiting.done >= c.seq:
		c.mu.Unlock()
		return nil
	}
	ch := c.waiting.add(c.seq)
	c.mu.Unlock()
	c.pace.hurry()
	select {
	case <-ch:
	case <-c.fencedCh:
		return call.ErrFenced
	case <-c.done:
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("the checkpoints are not written yet: %w", context.Cause(ctx)), c.healthy())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.pending) > 0 && c.closed {
		return errClosed
	}
	return nil
}

// acquire is DB.AcquireEpoch.
func (c *Checkpoints) acquire(ctx context.Context, node string) (int64, error) {
	if node == "" {
		return 0, errors.New("acquire an epoch: the node has no name")
	}
	c.mu.Lock()
	had := c.node
	c.mu.Unlock()
	if had != "" {
		return 0, fmt.Errorf("acquire an epoch of node %s: this process holds one of node %s already", node, had)
	}
	var epoch int64
	err := c.eng.writeRetrying(ctx, promised, func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `INSERT INTO epochs (node, epoch, seen) VALUES ($1, 1, $2)
			ON CONFLICT (node) DO UPDATE SET epoch = epochs.epoch + 1, seen = excluded.seen
			RETURNING epoch`, node, time.Now().UnixMilli()).Scan(&epoch)
	})
	if err != nil {
		return 0, fmt.Errorf("acquire an epoch of node %s: %w", node, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.node, c.epoch = node, epoch
	return epoch, nil
}

// owner is the node that this process acquired and its epoch there; "" before that.
func (c *Checkpoints) owner() (node string, epoch int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.node, c.epoch
}

// run is the writer: one group after the other until close.
func (c *Checkpoints) run() {
	defer close(c.done)
	var pause time.Duration
	for c.pace.wait(checkpointDelay, pause, nil) {
		ctx, cancel := context.WithTimeout(c.base, attemptTimeout)
		pause = c.flushGroup(ctx, pause)
		cancel()
	}
	ctx, cancel := context.WithDeadline(c.base, c.deadline)
	defer cancel()
	for pause = c.flushGroup(ctx, 0); pause > 0 && ctx.Err() == nil; pause = c.flushGroup(ctx, pause) {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// flushGroup writes what is pending and returns how long to wait before trying again, 0 when
// it went well.
func (c *Checkpoints) flushGroup(ctx context.Context, pause time.Duration) time.Duration {
	c.mu.Lock()
	group, upto, node, epoch := c.pending, c.seq, c.node, c.epoch
	c.pending = make(map[call.ID]change, len(group))
	c.mu.Unlock()
	if len(group) == 0 {
		c.mu.Lock()
		c.waiting.reach(upto)
		c.mu.Unlock()
		return 0
	}
	c.health.begin()
	err := c.eng.write(ctx, ordinary, func(tx *sql.Tx) error { return writeCheckpoints(ctx, c.eng, tx, node, epoch, group) })
	c.health.end(asFault(c.eng, err))

	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err == nil:
		c.counts.Groups++
		c.counts.Written += uint64(len(group))
		c.waiting.reach(upto)
		return 0
	case errors.Is(err, call.ErrFenced):
		c.counts.Lost += uint64(len(group) + len(c.pending))
		clear(c.pending)
		if !c.fenced {
			c.fenced = true
			close(c.fencedCh)
			c.log.Error("another controller has taken this node: its epoch is newer", "node", node, "epoch", epoch)
		}
		return 0
	default:
		if pause == 0 {
			c.log.Error("checkpoints cannot be written, trying again", "error", err, "calls", len(group))
		}
		c.counts.Retries++
		newer := c.pending
		c.pending = group
		maps.Copy(c.pending, newer)
		return nextPause(pause)
	}
}

func writeCheckpoints(ctx context.Context, e *engine, tx *sql.Tx, node string, epoch int64, group map[call.ID]change) error {
	if epoch != 0 {
		// The row's lock holds off a new epoch until this group is in.
		res, err := tx.ExecContext(ctx, `UPDATE epochs SET seen = $1 WHERE node = $2 AND epoch = $3`,
			time.Now().UnixMilli(), node, epoch)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, call.ErrFenced)
		}
	}
	saves := make([]any, 0, 8*len(group))
	var deletes []any
	for _, id := range slices.Sorted(maps.Keys(group)) {
		cp := group[id].cp
		if cp == nil {
			deletes = append(deletes, clean(string(id)))
			continue
		}
		info, err := json.Marshal(cp.Info)
		if err != nil {
			return fmt.Errorf("encode the checkpoint of call %s: %w", id, err)
		}
		saves = append(saves, clean(string(id)), node, cp.Epoch, clean(cp.Step), clean(string(cp.State)),
			clean(string(info)), millis(cp.Info.Arrived), millis(cp.At))
	}
	err := e.execRows(ctx, tx, `INSERT INTO checkpoints (call_id, node, epoch, step, state, info, arrived, at)`, 8,
		`ON CONFLICT (call_id) DO UPDATE SET node = excluded.node, epoch = excluded.epoch, step = excluded.step,
		 state = excluded.state, info = excluded.info, arrived = excluded.arrived, at = excluded.at`, saves)
	if err != nil {
		return err
	}
	return e.execRows(ctx, tx, `DELETE FROM checkpoints WHERE call_id IN (`, 1, `)`, deletes)
}

func scanCheckpoint(rows *sql.Rows) (call.Checkpoint, error) {
	var cp call.Checkpoint
	var state, info string
	var at int64
	if err := rows.Scan(&cp.Call, &cp.Epoch, &cp.Step, &state, &info, &at); err != nil {
		return cp, err
	}
	if state != "" {
		cp.State = json.RawMessage(state)
	}
	cp.At = fromMillis(at)
	if err := json.Unmarshal([]byte(info), &cp.Info); err != nil {
		return cp, fmt.Errorf("the checkpoint of call %s: %w", cp.Call, err)
	}
	return cp, nil
}

func (c *Checkpoints) healthy() error {
	d, err := c.health.state()
	if err == nil {
		return nil
	}
	c.mu.Lock()
	n := len(c.pending)
	c.mu.Unlock()
	return fmt.Errorf("checkpoints cannot be written for %s: %w (%d calls wait in memory)", d.Round(100*time.Millisecond), err, n)
}

func (c *Checkpoints) stats() CheckpointStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.counts
	s.Pending = len(c.pending)
	return s
}

func (c *Checkpoints) close(deadline time.Time) error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.deadline = deadline
	c.pace.close()
	<-c.done
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.pending); n > 0 {
		c.counts.Lost += uint64(n)
		return fmt.Errorf("close the store: the last checkpoints of %d calls could not be written and are lost", n)
	}
	return nil
}

// asFault makes any failed write count as a fault of health, but for being fenced.
func asFault(e *engine, err error) error {
	var f *Fault
	if err == nil || errors.Is(err, call.ErrFenced) || errors.As(err, &f) {
		return err
	}
	return &Fault{Kind: OtherFault, Where: e.where, Err: err}
}
