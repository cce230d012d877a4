// Package studio records incident messages, and prompts, by telephone.
//
// Who writes one on the site is given a code of six digits. They dial the private number from any
// telephone, type the code, speak, listen to what callers will hear, and keep it. A code serves one
// recording, for a quarter of an hour, and for as long as the call lasts that typed it in time; wrong codes are counted,
// and too many close the number for a while. Codes are this process's: another, or the next, does not know them, which
// the page is told.
package studio

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"sync"
	"time"

	"decroche/call"
)

const (
	codeLength = 6
	codeLife   = 15 * time.Minute
	// keptLife is how long a recording waits for the page to take it over: as long as the recording itself is kept.
	keptLife = 24 * time.Hour
	// Of a million codes one in wrongMost is guessed in an hour at most.
	wrongMost, wrongSpan = 15, 10 * time.Minute
	// Longest is how long a recording may be, as any of an incident message.
	Longest  = time.Minute
	tries    = 3
	patience = 10 * time.Second
)

// ErrUnfit is of a recording that cannot be said: it is empty or silent.
var ErrUnfit = errors.New("the recording cannot be said")

// Office keeps the codes, and answers the private number.
type Office struct {
	// Number is the private number; call.Withheld: there is none.
	Number call.Number
	// Keep keeps a recording and gives its name, and its sound as callers will hear it. It returns ErrUnfit.
	Keep func(ctx context.Context, wav []byte) (name string, sound call.Sound, err error)
	// Prompts gives the sounds of the built-in catalogue, in French.
	Prompts func(ctx context.Context, ids ...string) []call.Sound
	Log     *slog.Logger

	mu      sync.Mutex
	tickets map[string]*ticket
	wrong   []time.Time
}

// ticket is a code that was given.
type ticket struct {
	by    string
	until time.Time
	sound string
	calls int // that use it now
}

// over says that the code serves no more, and that nothing waits for its page.
func (t *ticket) over(now time.Time) bool { return t.calls == 0 && !now.Before(t.until) }

// Open gives a code to an account.
func (o *Office) Open(by string, now time.Time) (code string, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.tickets == nil {
		o.tickets = map[string]*ticket{}
	}
	for c, t := range o.tickets {
		if t.over(now) {
			delete(o.tickets, c)
		}
	}
	for {
		n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
		if err != nil {
			return "", fmt.Errorf("make a code: %w", err)
		}
		if code = fmt.Sprintf("%06d", n); o.tickets[code] == nil {
			o.tickets[code] = &ticket{by: by, until: now.Add(codeLife)}
			return code, nil
		}
	}
}

// Recorded gives the recording that an account's code was used for, "" while there is none; known is false for a code
// that serves no more.
func (o *Office) Recorded(code, by string, now time.Time) (sound string, known bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if t := o.tickets[code]; t != nil && t.by == by && !t.over(now) {
		return t.sound, true
	}
	return "", false
}

// take gives the ticket of a code that was typed, nil when it may not be used; open tells whether any may still be tried.
// It is the call's until that lets it go.
func (o *Office) take(code string, now time.Time) (t *ticket, open bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.wrong) > 0 && now.Sub(o.wrong[0]) > wrongSpan {
		o.wrong = o.wrong[1:]
	}
	if len(o.wrong) >= wrongMost {
		return nil, false
	}
	if t := o.tickets[code]; t != nil && now.Before(t.until) && t.sound == "" {
		t.calls++
		return t, true
	}
	o.wrong = append(o.wrong, now)
	return nil, true
}

func (o *Office) letGo(t *ticket) {
	o.mu.Lock()
	defer o.mu.Unlock()
	t.calls--
}

func (o *Office) kept(t *ticket, sound string, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	t.sound, t.until = sound, now.Add(keptLife)
}

// Answer is the conversation. It returns when it is over, or why the line was left.
func (o *Office) Answer(ctx context.Context, c call.Recorder) error {
	t, err := o.letIn(ctx, c)
	if err != nil || t == nil {
		return err
	}
	defer o.letGo(t)
	words := []string{"studio.speak"}
	for silent := 0; silent < tries; {
		if err := c.Say(ctx, o.Prompts(ctx, words...)...); err != nil {
			return err
		}
		c.Flush()
		wav, err := c.Record(ctx, Longest)
		if err != nil {
			return err
		}
		name, sound, err := o.Keep(ctx, wav)
		switch {
		case errors.Is(err, ErrUnfit):
			silent++
			words = []string{"studio.empty", "studio.speak"}
			continue
		case err != nil:
			o.Log.Error("a recording could not be kept", "call", c.Info().ID, "err", err)
			return c.Say(ctx, o.Prompts(ctx, "sorry.technical")...)
		}
		keep, err := o.judged(ctx, c, sound)
		if err != nil {
			return err
		}
		if keep {
			o.kept(t, name, time.Now())
			o.Log.Info("a recording was made by telephone", "call", c.Info().ID, "recording", name)
			return c.Say(ctx, o.Prompts(ctx, "studio.kept", "goodbye")...)
		}
		silent, words = 0, []string{"studio.speak"}
	}
	return c.Say(ctx, o.Prompts(ctx, "studio.empty", "goodbye")...) // nobody is there
}

// letIn asks for the code; nil when none was good.
func (o *Office) letIn(ctx context.Context, c call.Call) (*ticket, error) {
	ask := []string{"studio.code"}
	for range tries {
		code, err := o.readCode(ctx, c, ask)
		if err != nil {
			return nil, err
		}
		t, open := o.take(code, time.Now())
		if t != nil {
			return t, nil
		}
		if !open {
			o.Log.Warn("the private number is closed for a while: too many wrong codes", "call", c.Info().ID)
			break
		}
		ask = []string{"studio.wrong", "studio.code"}
	}
	return nil, c.Say(ctx, o.Prompts(ctx, "studio.refused", "goodbye")...)
}

func (o *Office) readCode(ctx context.Context, c call.Call, ask []string) (code string, err error) {
	sounds := o.Prompts(ctx, ask...)
	for len(code) < codeLength {
		key, err := c.Read(ctx, patience, sounds...)
		switch {
		case errors.Is(err, call.ErrNoInput) || err == nil && key == '#':
			return code, nil
		case err != nil:
			return "", err
		}
		code, sounds = code+string(rune(key)), nil
	}
	return code, nil
}

// judged lets them listen, and tells whether they keep it.
func (o *Office) judged(ctx context.Context, c call.Call, sound call.Sound) (keep bool, err error) {
	for range tries {
		key, err := c.Read(ctx, patience, append(append(o.Prompts(ctx, "studio.listen"), sound), o.Prompts(ctx, "studio.choice")...)...)
		switch {
		case errors.Is(err, call.ErrNoInput):
		case err != nil:
			return false, err
		case key == '1':
			return true, nil
		case key == '2':
			return false, nil
		}
	}
	return false, call.ErrHangup // nobody is there
}
