package call

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"
)

// Step is one part of a journey: it talks with the caller and names the step that
// follows, or Over. A step may run twice after a crash, so what it does outside the
// call is keyed by the call's id and safe to repeat.
type Step[S any] func(ctx context.Context, c Call, s *S) (next string, err error)

// Over is the name of the step after the last.
const Over = ""

// Runner drives calls through the steps of a journey, one goroutine per call, and
// saves a checkpoint between steps.
type Runner[S any] struct {
	Steps map[string]Step[S]
	// Excuse is the step taken when a step fails while the caller is still there: it
	// apologises. It is taken once.
	Excuse string
	// Ended says how the call ended; left tells that the caller hung up at the step named.
	Ended func(s *S, step string, err error) End

	Checkpoints Checkpoints
	Journal     Journal
	Epoch       int64
	Log         *slog.Logger
}

// Run takes the call through the journey from the step named and returns how it
// ended. With ErrDetach or ErrFenced the call lives on elsewhere: nothing is ended and
// the error is returned.
func (r *Runner[S]) Run(ctx context.Context, c Call, step string, s *S) (End, error) {
	info := c.Info()
	log := r.Log.With("call", info.ID)
	var err error
	excused := false
	for step != Over {
		if err = r.Save(ctx, c, step, s); errors.Is(err, ErrFenced) {
			break
		} else if err != nil && context.Cause(ctx) == nil { // the caller is worth more than the checkpoint
			log.Error("a call goes on that could not be saved", "step", step, "err", err)
		}
		at := step
		step, err = r.take(ctx, c, at, s)
		if err == nil {
			continue
		}
		step = at
		if context.Cause(ctx) != nil || excused || errors.Is(err, ErrFenced) {
			break
		}
		log.Error("a step failed; the caller hears an apology", "step", at, "err", err)
		excused, step = true, r.Excuse
	}
	cause := context.Cause(ctx)
	if errors.Is(cause, ErrDetach) || errors.Is(cause, ErrFenced) || errors.Is(err, ErrFenced) {
		return End{}, errors.Join(cause, err)
	}
	if cause != nil {
		err = cause
	}
	end := r.Ended(s, step, err)
	r.close(ctx, c, end, log)
	return end, nil
}

// take runs one step; a fault of ours in it becomes an error, and not the end of every call.
func (r *Runner[S]) take(ctx context.Context, c Call, name string, s *S) (next string, err error) {
	step, ok := r.Steps[name]
	if !ok {
		return "", fmt.Errorf("there is no step %q", name)
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("step %q panicked: %v\n%s", name, p, debug.Stack())
		}
	}()
	return step(ctx, c, s)
}

// Save keeps where the call stands: before each step, and in the midst of a long one.
func (r *Runner[S]) Save(ctx context.Context, c Call, step string, s *S) error {
	state, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("save the state before step %q: %w", step, err)
	}
	info := c.Info()
	cp := Checkpoint{Call: info.ID, Epoch: r.Epoch, Step: step, State: state, Info: info, At: time.Now()}
	if err := r.Checkpoints.Save(ctx, cp); err != nil {
		return fmt.Errorf("save the checkpoint before step %q: %w", step, err)
	}
	return nil
}

// close ends the call on the line, in the journal and among the checkpoints, in this
// order: a crash in between is mended by recovery, which finds the checkpoint without its channel.
func (r *Runner[S]) close(ctx context.Context, c Call, end End, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := c.Hangup(ctx); err != nil {
		log.Warn("could not hang up", "err", err)
	}
	r.Journal.Append(NewEvent(c.Info().ID, EventEnded, end))
	if err := r.Checkpoints.Delete(ctx, c.Info().ID); err != nil {
		log.Warn("could not forget the checkpoint of an ended call", "err", err)
	}
	log.Info("call ended", "outcome", end.Outcome, "reason", end.Reason)
}

// NewEvent makes a fact of now. Data must marshal to a JSON object; nil is {}.
func NewEvent(id ID, kind EventKind, data any) Event {
	raw := json.RawMessage("{}")
	if data != nil {
		if b, err := json.Marshal(data); err == nil {
			raw = b
		}
	}
	return Event{At: time.Now(), Call: id, Kind: kind, Data: raw}
}
