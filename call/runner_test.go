package call

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
)

// trip is the state of a journey of a few steps.
type trip struct {
	Been []string `json:"been"`
	Wish string   `json:"wish,omitempty"`
}

// desk is a runner with what it has written down.
type desk struct {
	run     Runner[trip]
	saved   []Checkpoint
	refuse  error
	deleted []ID
	events  []Event
	line    *silentCall
}

func newDesk(steps map[string]Step[trip]) *desk {
	d := &desk{line: &silentCall{}}
	d.run = Runner[trip]{
		Steps: steps, Excuse: "excuse", Checkpoints: d, Journal: d, Epoch: 7, Log: slog.New(slog.DiscardHandler),
		Ended: func(s *trip, step string, err error) End {
			return End{Outcome: Outcome("after " + strings.Join(s.Been, ",")), Reason: Reason(fmt.Sprintf("%s %v", step, err))}
		},
	}
	return d
}

func (d *desk) Save(_ context.Context, cp Checkpoint) error {
	if d.refuse == nil {
		d.saved = append(d.saved, cp)
	}
	return d.refuse
}

func (d *desk) Delete(_ context.Context, id ID) error {
	d.deleted = append(d.deleted, id)
	return nil
}
func (d *desk) Open(context.Context) ([]Checkpoint, error) { return nil, nil }
func (d *desk) Append(e Event)                             { d.events = append(d.events, e) }

// silentCall can only be hung up.
type silentCall struct {
	Call
	hungUp int
}

func (*silentCall) Info() Info { return Info{ID: "c1", To: "+33199003939"} }

func (c *silentCall) Hangup(ctx context.Context) error {
	c.hungUp++
	return ctx.Err() // it must still work when the call's context is over
}

// to is a step that goes on to the next.
func to(name, next string) Step[trip] {
	return func(_ context.Context, _ Call, s *trip) (string, error) {
		s.Been = append(s.Been, name)
		return next, nil
	}
}

func fails(err error) Step[trip] {
	return func(context.Context, Call, *trip) (string, error) { return "", err }
}

func (d *desk) steps() (names []string) {
	for _, cp := range d.saved {
		names = append(names, cp.Step)
	}
	return names
}

func (d *desk) endsOnce(t *testing.T, want End) {
	t.Helper()
	if len(d.events) != 1 || d.events[0].Kind != EventEnded || d.events[0].Call != "c1" {
		t.Fatalf("the journal has %v", d.events)
	}
	var end End
	if err := json.Unmarshal(d.events[0].Data, &end); err != nil || end != want {
		t.Errorf("the journal says %v (%v), want %v", end, err, want)
	}
	if d.line.hungUp != 1 || !reflect.DeepEqual(d.deleted, []ID{"c1"}) {
		t.Errorf("hung up %d times, forgotten %v", d.line.hungUp, d.deleted)
	}
}

func TestARunSavesBeforeEachStepAndEndsOnce(t *testing.T) {
	d := newDesk(map[string]Step[trip]{"a": to("a", "b"), "b": to("b", Over)})
	end, err := d.run.Run(t.Context(), d.line, "a", new(trip))
	if err != nil || end.Outcome != "after a,b" {
		t.Fatal(end, err)
	}
	if got := d.steps(); !reflect.DeepEqual(got, []string{"a", "b"}) {
		t.Errorf("saved before %q", got)
	}
	if cp := d.saved[1]; cp.Epoch != 7 || cp.Info.To != "+33199003939" || string(cp.State) != `{"been":["a"]}` || cp.At.IsZero() {
		t.Errorf("the checkpoint is %+v", cp)
	}
	d.endsOnce(t, end)
}

func TestAStepThatFailsIsExcusedOnce(t *testing.T) {
	fault := errors.New("a fault")
	for name, test := range map[string]struct {
		bad, excuse Step[trip]
		reason      string
	}{
		"error":               {fails(fault), to("excuse", Over), "<nil>"},
		"panic":               {func(context.Context, Call, *trip) (string, error) { panic("oh") }, to("excuse", Over), "<nil>"},
		"unknown step":        {to("bad", "nowhere"), to("excuse", Over), "<nil>"},
		"the excuse fails":    {fails(fault), fails(fault), "excuse a fault"},
		"the excuse panics":   {fails(fault), func(context.Context, Call, *trip) (string, error) { panic("oh") }, "excuse step"},
		"after it, a failure": {fails(fault), to("excuse", "bad"), "bad a fault"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(map[string]Step[trip]{"bad": test.bad, "excuse": test.excuse})
			end, err := d.run.Run(t.Context(), d.line, "bad", new(trip))
			if err != nil || !strings.Contains(string(end.Reason), test.reason) {
				t.Errorf("ended %v, %v; want %q", end, err, test.reason)
			}
			d.endsOnce(t, end)
		})
	}
}

func TestTheEndOfTheCallEndsTheRunWithItsCause(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	d := newDesk(map[string]Step[trip]{
		"a": func(ctx context.Context, _ Call, _ *trip) (string, error) {
			cancel(ErrHangup)
			return "", context.Cause(ctx)
		},
		"excuse": to("excuse", Over),
	})
	end, err := d.run.Run(ctx, d.line, "a", new(trip))
	if err != nil || end.Reason != Reason("a "+ErrHangup.Error()) || end.Outcome != "after " {
		t.Errorf("ended %v, %v", end, err)
	}
	d.endsOnce(t, end)
}

func TestAHangUpWhileTheLastStepReturnsIsStillTheStepsEnd(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	d := newDesk(map[string]Step[trip]{"a": func(_ context.Context, _ Call, s *trip) (string, error) {
		s.Been = append(s.Been, "a")
		cancel(ErrHangup)
		return Over, nil
	}})
	end, err := d.run.Run(ctx, d.line, "a", new(trip))
	if err != nil || end.Outcome != "after a" {
		t.Errorf("ended %v, %v", end, err)
	}
	d.endsOnce(t, end)
}

func TestACallLeftInPlaceIsNotEnded(t *testing.T) {
	for _, cause := range []error{ErrDetach, ErrFenced} {
		ctx, cancel := context.WithCancelCause(t.Context())
		d := newDesk(map[string]Step[trip]{"a": func(ctx context.Context, _ Call, _ *trip) (string, error) {
			cancel(cause)
			return "", context.Cause(ctx)
		}})
		end, err := d.run.Run(ctx, d.line, "a", new(trip))
		if !errors.Is(err, cause) || end != (End{}) || len(d.events) != 0 || d.line.hungUp != 0 || len(d.deleted) != 0 {
			t.Errorf("%v: ended %v, %v, journal %v, hung up %d", cause, end, err, d.events, d.line.hungUp)
		}
	}
}

func TestACheckpointOfALaterControllerStopsTheRun(t *testing.T) {
	d := newDesk(map[string]Step[trip]{"a": to("a", Over), "excuse": to("excuse", Over)})
	d.refuse = fmt.Errorf("save: %w", ErrFenced)
	s := new(trip)
	_, err := d.run.Run(t.Context(), d.line, "a", s)
	if !errors.Is(err, ErrFenced) || len(s.Been) != 0 || d.line.hungUp != 0 || len(d.events) != 0 {
		t.Errorf("%v; been %q, hung up %d", err, s.Been, d.line.hungUp)
	}
}

func TestACallThatCannotBeSavedGoesOn(t *testing.T) {
	d := newDesk(map[string]Step[trip]{"a": to("a", "b"), "b": to("b", Over)})
	d.refuse = errors.New("the disk is full")
	end, err := d.run.Run(t.Context(), d.line, "a", new(trip))
	if err != nil || end.Outcome != "after a,b" {
		t.Errorf("ended %v, %v", end, err)
	}
	d.endsOnce(t, end)
}
