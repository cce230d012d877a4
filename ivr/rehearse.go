package ivr

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"decroche/call"
	"decroche/callback"
	"decroche/routing"
	"decroche/service"
	"decroche/sms"
)

// Rehearsal is what a caller would hear, up to a question, the line of those who wait, or the end.
type Rehearsal struct {
	// Turns are what is said, each until the key that is pressed after it.
	Turns []Turn
	// Asked: a key is waited for. Waits is the queue in which the caller would wait, Callback says that
	// they would be asked for the number to call.
	Asked    bool
	Waits    string
	Callback bool
	// End is how the call would end, zero when it goes on.
	End call.End
}

// Turn is what is said, and the key pressed after it: 0 for none.
type Turn struct {
	Sounds []call.Sound
	Key    call.Digit
	// Written is a text message that the caller would be sent.
	Written string
}

// RehearsedSilence among the keys of a rehearsal is of who presses none.
const RehearsedSilence = 't'

// longestRehearsal is how many steps a rehearsal has at most.
const longestRehearsal = 60

// Rehearse plays the journey of a definition as a caller would hear it at a time, who presses these
// keys one after the other. Nobody is called, nothing is kept, and nobody waits.
func (j *Journey) Rehearse(ctx context.Context, def *service.Definition, info call.Info, at time.Time, keys string) (Rehearsal, error) {
	floor := routing.NewFloor(routing.Options{Journal: nowhere{}})
	defer floor.Close()
	floor.SetQueues(def.Queues)
	alone := *j
	alone.Service = func() *service.Definition { return def }
	alone.Floor, alone.Journal, alone.Log = floor, nowhere{}, slog.New(slog.DiscardHandler)
	alone.Keep, alone.Heard, alone.Texts, alone.Tags, alone.Surveys = nil, nil, nil, nil, nil
	alone.Now = func() time.Time { return at }
	alone.Callbacks = nil
	if def.Callback.On {
		alone.Callbacks = granted{}
	}
	info.ID = "rehearsal"
	c := &rehearsed{info: info, keys: keys, out: Rehearsal{Turns: []Turn{{}}}}
	steps, v := alone.Steps(), new(Visit)
	for step, n := StepGreet, 0; step != call.Over; n++ {
		switch {
		case n == longestRehearsal:
			return c.out, fmt.Errorf("a rehearsal goes round in circles at step %q", step)
		case step == StepCallback:
			c.out.Callback = true
			return c.out, nil
		case steps[step] == nil:
			return c.out, fmt.Errorf("a rehearsal came to step %q, which is not there", step)
		}
		next, err := steps[step](ctx, c, v)
		switch {
		case errors.Is(err, errAsked):
			c.out.Asked = true
			return c.out, nil
		case errors.Is(err, errHeld):
			c.out.Waits = v.Queue
			return c.out, nil
		case err != nil:
			return c.out, fmt.Errorf("rehearse step %q: %w", step, err)
		}
		step = next
	}
	c.out.End = v.End
	return c.out, nil
}

var (
	errAsked = errors.New("a key is waited for")
	errHeld  = errors.New("the caller waits")
)

// rehearsed is a call that nobody has placed.
type rehearsed struct {
	call.Call // what a rehearsal never comes to
	info      call.Info
	keys      string
	out       Rehearsal
}

func (c *rehearsed) Info() call.Info              { return c.info }
func (c *rehearsed) Unread(d call.Digit)          { c.keys = string(rune(d)) + c.keys }
func (c *rehearsed) Flush()                       {}
func (c *rehearsed) Hold(context.Context) error   { return errHeld }
func (c *rehearsed) Hangup(context.Context) error { return nil }

func (c *rehearsed) Say(_ context.Context, sounds ...call.Sound) error {
	last := &c.out.Turns[len(c.out.Turns)-1]
	last.Sounds = append(last.Sounds, sounds...)
	return nil
}

func (c *rehearsed) SayUnlessKey(ctx context.Context, sounds ...call.Sound) (bool, error) {
	return true, c.Say(ctx, sounds...)
}

func (c *rehearsed) Read(ctx context.Context, _ time.Duration, sounds ...call.Sound) (call.Digit, error) {
	_ = c.Say(ctx, sounds...)
	if c.keys == "" {
		return 0, errAsked
	}
	key := call.Digit(c.keys[0])
	c.keys = c.keys[1:]
	c.out.Turns[len(c.out.Turns)-1].Key = key
	c.out.Turns = append(c.out.Turns, Turn{})
	if key == RehearsedSilence {
		return 0, call.ErrNoInput
	}
	return key, nil
}

// nowhere is a journal that keeps nothing.
type nowhere struct{}

func (nowhere) Append(call.Event) {}

// granted are callbacks that are always to be had: a rehearsal says the offer, and ends there.
type granted struct{ Callbacks }

func (granted) Options(context.Context, callback.Request) (callback.Options, error) {
	return callback.Options{Place: true}, nil
}

func (granted) Offer(string, string, time.Duration, time.Time) (bool, string) { return false, "" }

// Try drives a call that somebody of the service has placed to try the line: the journey of a definition
// as it is now, on a floor without agents. Nothing of it is kept and no text is sent; book makes its promises, which
// nobody keeps. told hears what is said and written, and the keys.
func (j *Journey) Try(ctx context.Context, def *service.Definition, book Callbacks, c call.Call, told func(Turn)) error {
	floor := routing.NewFloor(routing.Options{Journal: nowhere{}})
	defer floor.Close()
	floor.SetQueues(def.Queues)
	alone := *j
	alone.Service = func() *service.Definition { return def }
	alone.Floor, alone.Journal, alone.Log = floor, nowhere{}, slog.New(slog.DiscardHandler)
	alone.Keep, alone.Heard, alone.Tags, alone.Surveys = nil, nil, nil, nil
	alone.Callbacks, alone.Texts = book, shown{told}
	steps, v := alone.Steps(), new(Visit)
	v.Settled = func() {}
	line := &transcribed{Call: c, told: told}
	for step := StepGreet; step != call.Over; {
		run := steps[step]
		if run == nil {
			return fmt.Errorf("a trial came to step %q, which is not there", step)
		}
		next, err := run(ctx, line, v)
		if err != nil {
			return err
		}
		step = next
	}
	return nil
}

// shown tells of text messages in place of sending them.
type shown struct{ told func(Turn) }

func (s shown) SendText(_ context.Context, m sms.Message) error {
	s.told(Turn{Written: m.Text})
	return nil
}

// transcribed tells what is said on a call.
type transcribed struct {
	call.Call
	told func(Turn)
}

func (c *transcribed) Say(ctx context.Context, sounds ...call.Sound) error {
	c.told(Turn{Sounds: sounds})
	return c.Call.Say(ctx, sounds...)
}

func (c *transcribed) SayUnlessKey(ctx context.Context, sounds ...call.Sound) (bool, error) {
	c.told(Turn{Sounds: sounds})
	return c.Call.SayUnlessKey(ctx, sounds...)
}

func (c *transcribed) Announce(ctx context.Context, sounds ...call.Sound) error {
	c.told(Turn{Sounds: sounds})
	return c.Call.Announce(ctx, sounds...)
}

func (c *transcribed) Read(ctx context.Context, timeout time.Duration, sounds ...call.Sound) (call.Digit, error) {
	c.told(Turn{Sounds: sounds})
	key, err := c.Call.Read(ctx, timeout, sounds...)
	if err == nil {
		c.told(Turn{Key: key})
	}
	return key, err
}
