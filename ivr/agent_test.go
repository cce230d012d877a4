package ivr

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing/synctest"
	"time"

	"decroche/call"
)

// fakeLeg is an agent who has answered.
type fakeLeg struct {
	c       *fake
	channel string

	leave chan struct{} // closed: the agent hangs up
	moved chan call.AgentID

	mu       sync.Mutex
	agent    call.AgentID
	heard    []string
	talking  bool
	released bool
	ringback bool
}

func (g *fakeLeg) Agent() call.AgentID {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.agent
}

func (g *fakeLeg) Whisper(ctx context.Context, sounds ...call.Sound) error {
	for _, s := range sounds {
		g.mu.Lock()
		g.heard = append(g.heard, spoken(s))
		g.mu.Unlock()
		select {
		case <-time.After(s.Duration):
		case <-g.leave:
			return errors.New("the agent hung up")
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func (g *fakeLeg) Bridge(ctx context.Context, _ func(call.TalkEvent)) (call.TalkEnd, error) {
	if err := g.c.fail("bridge"); err != nil {
		return "", err
	}
	g.c.mu.Lock()
	g.c.quiet()
	g.c.held = false
	g.c.mu.Unlock()
	g.mu.Lock()
	g.talking = true
	g.mu.Unlock()
	select {
	case to := <-g.moved:
		g.mu.Lock()
		defer g.mu.Unlock()
		g.agent = to
		return call.Transferred, nil
	case <-g.leave:
		return call.AgentLeft, nil
	case <-ctx.Done():
		cause := context.Cause(ctx)
		if errors.Is(cause, call.ErrDetach) || errors.Is(cause, call.ErrFenced) {
			return "", cause
		}
		g.Release(ctx)
		return call.CallerLeft, nil
	}
}

func (g *fakeLeg) Release(context.Context) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.released = true
}

func (g *fakeLeg) State() call.LegState {
	g.mu.Lock()
	defer g.mu.Unlock()
	return call.LegState{Agent: g.agent, Channel: g.channel, Bridge: "talk"}
}

func (g *fakeLeg) is(talking, released bool) {
	g.c.s.t.Helper()
	synctest.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.talking != talking || g.released != released {
		g.c.s.t.Errorf("the agent's leg: talking %t, released %t; want %t, %t", g.talking, g.released, talking, released)
	}
}

// Gone and Ringback are of an agent who waits for a citizen.
func (g *fakeLeg) Gone() <-chan struct{} { return g.leave }

func (g *fakeLeg) isGone() bool {
	select {
	case <-g.leave:
		return true
	default:
		return false
	}
}

func (g *fakeLeg) Ringback(_ context.Context, on bool) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ringback = on
	return nil
}

// hears fails the test unless exactly this was whispered since the last look.
func (g *fakeLeg) hears(want ...string) {
	g.c.s.t.Helper()
	synctest.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	if !slices.Equal(g.heard, want) {
		g.c.s.t.Errorf("the agent heard %q, want %q", g.heard, want)
	}
	g.heard = nil
}

func (g *fakeLeg) hearsRinging() bool {
	synctest.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.ringback
}

// last is the last word the agent heard.
func (g *fakeLeg) last() string {
	synctest.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.heard) == 0 {
		return ""
	}
	return g.heard[len(g.heard)-1]
}
