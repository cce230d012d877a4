package ivr

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// Board is what callers hear now: a copy of the live messages, read again every second
// and at once after a change made here. While the database is away the last copy serves
// on, and a message still ends at its end.
type Board struct {
	source func(ctx context.Context, at time.Time) ([]Message, error)
	list   atomic.Pointer[[]Message]
}

// BoardPeriod is how often the board is read again, for changes that another process made.
const BoardPeriod = time.Second

// NewBoard makes a board over the store's list of active messages.
func NewBoard(source func(ctx context.Context, at time.Time) ([]Message, error)) *Board {
	b := &Board{source: source}
	b.list.Store(&[]Message{})
	return b
}

// Refresh reads the messages now.
func (b *Board) Refresh(ctx context.Context) error {
	list, err := b.source(ctx, time.Now())
	if err != nil {
		return fmt.Errorf("read the incident messages: %w", err)
	}
	b.list.Store(&list)
	return nil
}

// Run keeps the board fresh until ctx ends; failed is told of each failure.
func (b *Board) Run(ctx context.Context, failed func(error)) {
	tick := time.NewTicker(BoardPeriod)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := b.Refresh(ctx); err != nil && ctx.Err() == nil {
				failed(err)
			}
		}
	}
}

// Active implements News.
func (b *Board) Active(queue string, at time.Time) []Message {
	var active []Message
	for _, m := range *b.list.Load() {
		if m.Active(at) && (m.Queue == "" || m.Queue == queue) {
			active = append(active, m)
		}
	}
	return active
}
