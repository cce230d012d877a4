package softphone

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	// stalled is how long nothing must come before a prompt that could turn out as another no longer can.
	stalled = 400 * time.Millisecond
	// gone is how long nothing must come before a prompt that could go on is over.
	gone = time.Second
)

// Listener recognises prompts while the call is up. It works in the goroutine that
// waits, and may be used by one after the other.
type Listener struct {
	call *Call

	mu     sync.Mutex
	scan   *scan
	past   []Heard       // judged, and never looked at again
	after  time.Duration // where the last hearing that was waited for began
	taken  bool          // after is set
	closed bool
	stale  bool // nothing came for stalled
	gone   bool // nothing came for gone
}

// Listen follows the call with the prompts of a catalogue, from the call's beginning.
// A call in A-law hears them exactly; on another one they are recognised after 0.7 s.
func (c *Call) Listen(prompts []Prompt) *Listener { return c.ListenFor(NewIndex(prompts)) }

// ListenFor is Listen with an index that several calls share.
func (c *Call) ListenFor(ix *Index) *Listener {
	return &Listener{call: c, scan: newScan(ix, c.codec() != pcma)}
}

// WaitFor returns when the prompt of that name is recognised: 0.3 s after it began, or,
// for prompts that begin alike, once they differ. Hearings are taken in their order: it
// returns the first that began after the one returned last, be it heard already.
// The error lists what was heard in its place.
func (l *Listener) WaitFor(ctx context.Context, name string) (Heard, error) {
	return l.WaitMatch(ctx, name, func(n string) bool { return n == name })
}

// WaitAny is WaitFor with the first of several prompts.
func (l *Listener) WaitAny(ctx context.Context, names ...string) (Heard, error) {
	return l.WaitMatch(ctx, fmt.Sprintf("one of %q", names), func(n string) bool { return slices.Contains(names, n) })
}

// WaitMatch is WaitFor with a choice of names; what says in the error what was waited for.
// The name that matched is the one of the Heard.
func (l *Listener) WaitMatch(ctx context.Context, what string, match func(name string) bool) (Heard, error) {
	for {
		wake := l.listen()
		if h, ok := l.take(match); ok {
			return h, nil
		}
		if err := l.pause(ctx, wake); err != nil {
			return Heard{}, fmt.Errorf("wait to hear %s: %w; heard %s", what, err, describeHeard(l.Heard()))
		}
	}
}

// WaitEnd waits until a prompt that was recognised is over, and returns all of it.
func (l *Listener) WaitEnd(ctx context.Context, h Heard) (Heard, error) {
	for {
		wake := l.listen()
		l.mu.Lock()
		hs := l.all()
		over := l.closed
		for _, now := range hs {
			if now.prompt == h.prompt && now.from >= h.from-slack && now.from <= h.from+slack {
				h = now
				over = over || !now.open || l.gone
			}
		}
		l.mu.Unlock()
		if over {
			return h, nil
		}
		if err := l.pause(ctx, wake); err != nil {
			return h, fmt.Errorf("wait for the end of %s: %w; heard %s", h.Name, err, describeHeard(l.Heard()))
		}
	}
}

// Heard is what was recognised up to now, in order.
func (l *Listener) Heard() []Heard {
	l.listen()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all()
}

func (l *Listener) all() []Heard {
	return append(slices.Clone(l.past), l.scan.heard(!l.closed && !l.stale, l.call.stream.delays())...)
}

// listen takes in what came since.
func (l *Listener) listen() (wake <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	wire, fresh, closed := l.call.stream.heard(len(l.scan.pcm), false)
	if len(wire) > 0 {
		l.scan.feed(l.call.codec().decodeAll(wire))
	}
	l.closed = closed
	now := time.Since(l.call.start)
	silent := now - l.call.stream.delays().end(len(l.scan.pcm))
	l.stale, l.gone = closed || silent > stalled, closed || silent > gone
	l.archive()
	return fresh
}

// archive judges for good what is long over, so that a long call costs no more than a short one.
func (l *Listener) archive() {
	runs := l.scan.runs
	if len(runs) < 16 {
		return
	}
	for _, r := range runs {
		if r.open || len(l.scan.pcm)-r.to < 2*mergeGap {
			return
		}
	}
	l.past = append(l.past, l.scan.heard(false, l.call.stream.delays())...)
	l.scan.runs = nil
	clear(l.scan.last)
}

// take gives the next hearing that matches beyond doubt.
func (l *Listener) take(match func(string) bool) (Heard, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range l.all() {
		if l.taken && h.Start <= l.after {
			continue
		}
		if name, ok := h.matches(match, l.stale); ok {
			h.Also = slices.DeleteFunc(append(slices.Clone(h.Also), h.Name), func(n string) bool { return n == name })
			h.Name = name
			l.after, l.taken = h.Start, true
			return h, true
		}
	}
	return Heard{}, false
}

// matches says which of the names is the one; a prompt that plays must not be able to
// turn out as another.
func (h Heard) matches(match func(string) bool, stale bool) (name string, ok bool) {
	if h.End-h.Start < 250*time.Millisecond && !h.Complete && h.open {
		return "", false
	}
	own := append([]string{h.Name}, h.Also...)
	i := slices.IndexFunc(own, match)
	if i < 0 {
		return "", false
	}
	if h.open && !stale {
		mine := []string{h.Name}
		for _, n := range h.Also {
			if !slices.ContainsFunc(h.rivals, func(g []string) bool { return slices.Contains(g, n) }) {
				mine = append(mine, n)
			}
		}
		for _, group := range append(h.rivals, mine) {
			if !slices.ContainsFunc(group, match) {
				return "", false
			}
		}
	}
	return own[i], true
}

// pause waits for more sound, or until the silence is long enough to judge.
func (l *Listener) pause(ctx context.Context, wake <-chan struct{}) error {
	l.mu.Lock()
	closed := l.closed
	l.mu.Unlock()
	if closed {
		return fmt.Errorf("the call is over, ended by %s", l.call.EndedBy())
	}
	// Packets come each 20 ms: looking at every third is soon enough.
	timer := time.NewTimer(3 * frameTime)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case <-wake:
	case <-time.After(stalled):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}
