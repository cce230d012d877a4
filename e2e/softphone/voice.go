package softphone

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
)

// keyNames are the keys by their RFC 4733 event number.
const keyNames = "0123456789*#ABCD"

type pressOptions struct {
	info      bool
	tone, gap time.Duration
}

// PressOption changes how keys are sent.
type PressOption func(*pressOptions)

// WithRFC4733 sends keys as RTP events; this is the default.
func WithRFC4733() PressOption { return func(o *pressOptions) { o.info = false } }

// WithINFO sends keys as SIP INFO (application/dtmf-relay).
func WithINFO() PressOption { return func(o *pressOptions) { o.info = true } }

// WithLength sets the length of each key (100 ms) and the gap after it (60 ms), in steps of 20 ms.
func WithLength(tone, gap time.Duration) PressOption {
	return func(o *pressOptions) { o.tone, o.gap = tone, gap }
}

var errOver = errors.New("the call is over")

// Press presses keys (0-9, *, #, A-D) one after the other and returns when the last was sent.
func (c *Call) Press(ctx context.Context, keys string, opts ...PressOption) error {
	o := pressOptions{tone: 100 * time.Millisecond, gap: 60 * time.Millisecond}
	for _, opt := range opts {
		opt(&o)
	}
	for _, k := range keys {
		if !strings.ContainsRune(keyNames, k) {
			return errors.New("press keys: one of them is not on a telephone")
		}
	}
	send := c.pressRTP
	if o.info {
		send = c.pressINFO
	}
	if err := send(ctx, keys, o); err != nil {
		return fmt.Errorf("press %d keys: %w", len(keys), err)
	}
	return nil
}

func (c *Call) pressRTP(ctx context.Context, keys string, o pressOptions) error {
	s := c.stream
	s.mu.Lock()
	if over := !s.ended.IsZero(); over || s.event == 0 {
		s.mu.Unlock()
		if over {
			return errOver
		}
		return errors.New("the other side takes no telephone events")
	}
	var last *keypress
	for i := range len(keys) {
		last = &keypress{
			code: uint8(strings.IndexByte(keyNames, keys[i])),
			tone: max(int(o.tone/frameTime), 1), gap: int(o.gap / frameTime), endSent: make(chan struct{}),
		}
		s.keys = append(s.keys, last)
	}
	s.mu.Unlock()
	if last == nil {
		return nil
	}
	select {
	case <-last.endSent:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if by := c.EndedBy(); by != "" {
		return errOver
	}
	return nil
}

func (c *Call) pressINFO(ctx context.Context, keys string, o pressOptions) error {
	for i := range len(keys) {
		req := c.dlg.request(sip.INFO, 0)
		req.AppendHeader(sip.NewHeader("Content-Type", "application/dtmf-relay"))
		req.SetBody(fmt.Appendf(nil, "Signal=%c\r\nDuration=%d\r\n", keys[i], o.tone.Milliseconds()))
		if _, err := c.send(ctx, req); err != nil {
			return err
		}
		select {
		case <-time.After(o.tone + o.gap):
		case <-c.done:
			return errOver
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// Pressed are the keys the other side pressed (RFC 4733), in order.
func (c *Call) Pressed() string {
	c.stream.mu.Lock()
	defer c.stream.mu.Unlock()
	return c.stream.pressed.String()
}

// SpeakTone says a tone of freq Hz until told otherwise; 0 is silence.
func (c *Call) SpeakTone(freq float64) {
	s := c.stream
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hush()
	s.voice.freq = freq
}

// Silent says nothing; silence goes on being sent.
func (c *Call) Silent() { c.SpeakTone(0) }

// Speak says 8 kHz PCM and returns when it was sent.
func (c *Call) Speak(ctx context.Context, pcm []int16) error {
	if len(pcm) == 0 {
		return nil
	}
	s := c.stream
	said := make(chan struct{})
	s.mu.Lock()
	if !s.ended.IsZero() {
		s.mu.Unlock()
		return fmt.Errorf("speak: %w", errOver)
	}
	s.hush()
	s.voice.pcm, s.voice.said = pcm, said
	s.mu.Unlock()
	select {
	case <-said:
	case <-ctx.Done():
		return fmt.Errorf("speak: %w", context.Cause(ctx))
	}
	if by := c.EndedBy(); by != "" {
		return fmt.Errorf("speak: %w", errOver)
	}
	return nil
}

// Hear is what was heard up to now.
func (c *Call) Hear() Recording {
	wire, _, _ := c.stream.heard(0, true)
	delays := c.stream.delays()
	c.mu.Lock()
	defer c.mu.Unlock()
	return Recording{Start: c.start, Answered: c.answered, Codec: c.codec().name, PCM: c.codec().decodeAll(wire), marks: delays}
}

// codec of the recording; it is set before sound comes and does not change.
func (c *Call) codec() *codec {
	c.stream.mu.Lock()
	defer c.stream.mu.Unlock()
	return c.stream.line.codec
}

// SaveWAV writes what was heard up to now.
func (c *Call) SaveWAV(path string) error { return c.Hear().SaveWAV(path) }

// HearsTone waits until a tone of freq Hz has been heard for 200 ms, counted from now.
// The error says what was heard in its place.
func (c *Call) HearsTone(ctx context.Context, freq float64, within time.Duration) error {
	const window, step = rate / 5, rate / 50
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	from := samples(time.Since(c.start))
	pos := from
	var heard []int16
	for {
		wire, fresh, closed := c.stream.heard(from, false)
		heard = c.codec().decodeAll(wire)
		for ; pos-from+window <= len(heard); pos += step {
			w := heard[pos-from : pos-from+window]
			if rms(w) >= quiet && goertzel(w, freq) > 0.7 {
				return nil
			}
		}
		if closed {
			return fmt.Errorf("hear a tone of %.0f Hz: the call ended; heard %s", freq, describe(heard))
		}
		select {
		case <-fresh:
		case <-deadline.C:
			return fmt.Errorf("hear a tone of %.0f Hz within %s: heard %s", freq, within, describe(heard))
		case <-ctx.Done():
			return fmt.Errorf("hear a tone of %.0f Hz: %w; heard %s", freq, context.Cause(ctx), describe(heard))
		}
	}
}

// describe says in a few words what the end of a recording sounds like.
func describe(pcm []int16) string {
	if len(pcm) == 0 {
		return "no packet"
	}
	tail := pcm[max(0, len(pcm)-rate/2):]
	level := rms(tail)
	if level < quiet {
		return "silence"
	}
	best, share := 0.0, 0.0
	for f := 100.0; f < 3800; f += 4 {
		if g := goertzel(tail, f); g > share {
			best, share = f, g
		}
	}
	return fmt.Sprintf("sound of %.0f dBFS, %.0f %% of it near %.0f Hz", 20*math.Log10(level/32768), 100*share, best)
}

// RecvStats are figures of what was received.
type RecvStats struct {
	Packets, Lost int
	// Strays came from another address than the one agreed, and were not heard.
	Strays int
	// FirstMedia is from the INVITE to the first packet, 0 when none came.
	FirstMedia time.Duration
	// LongestSilence since the answer, up to now.
	LongestSilence time.Duration
}

// RecvStats of the call up to now.
func (c *Call) RecvStats() RecvStats {
	rec := c.Hear()
	c.stream.mu.Lock()
	l := &c.stream.line
	st := RecvStats{Packets: l.packets, Lost: l.lost, Strays: l.strays, FirstMedia: l.first}
	c.stream.mu.Unlock()
	st.LongestSilence = LongestSilence(rec, rec.Answered, 0).Length()
	return st
}
