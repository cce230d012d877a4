package phone

import (
	"context"
	"errors"
	"fmt"
	"time"

	"decroche/ari"
	"decroche/call"
)

const (
	// recordSilence ends a recording; recordLook is how often it is asked whether it is over.
	recordSilence = 5 * time.Second
	recordLook    = 200 * time.Millisecond
)

var _ call.Recorder = (*line)(nil)

// Record implements call.Recorder. Nothing of it stays in Asterisk.
func (l *line) Record(ctx context.Context, longest time.Duration) ([]byte, error) {
	if err := l.leaveHold(ctx); err != nil {
		return nil, err
	}
	name := fmt.Sprintf("record-%s-%d", l.id, l.x.Epoch)
	if err := l.do(ctx, func(ctx context.Context) error {
		return l.x.ari.Record(ctx, l.id, ari.Record{Name: name, Longest: longest, Silence: recordSilence})
	}); err != nil {
		return nil, fmt.Errorf("record who is on the line: %w", err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		if err := l.x.ari.DeleteRecording(ctx, name); err != nil && !errors.Is(err, ari.ErrNotFound) {
			l.log.Warn("a recording stays with Asterisk", "recording", name, "err", err)
		}
	}()
	if err := l.recorded(ctx, name); err != nil {
		return nil, err
	}
	l.Flush() // the # that ended it
	var wav []byte
	err := l.do(ctx, func(ctx context.Context) (err error) {
		wav, err = l.x.ari.StoredRecording(ctx, name)
		return err
	})
	return wav, err
}

// recorded waits for a recording's end.
func (l *line) recorded(ctx context.Context, name string) error {
	look := time.NewTicker(recordLook)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-look.C:
		}
		switch err := l.x.ari.Recording(ctx, name); {
		case errors.Is(err, ari.ErrNotFound):
			return nil
		case err != nil && !errors.Is(err, ari.ErrUnavailable):
			return fmt.Errorf("%w: %w", call.ErrTechnical, err)
		}
	}
}
