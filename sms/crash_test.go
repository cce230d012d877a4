package sms

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// errDead is what every operation of a killed process returns: none has an effect any more.
var errDead = errors.New("the process is dead")

// A killer lets a process live until a given operation, of the store or the provider, and
// kills it before or after that operation's effect.
type killer struct {
	mu    sync.Mutex
	left  int // operations until death; 2n: before the nth, 2n+1: after it
	dead  bool
	died  func()
	trail []string
}

// mark is called before and after each effect; its error is of a dead process.
func (k *killer) mark(what string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.dead {
		return errDead
	}
	k.trail = append(k.trail, what)
	if k.left--; k.left == 0 {
		k.dead = true
		k.died()
		return errDead
	}
	return nil
}

// mortal is a provider in a process that may be killed around each exchange.
type mortal struct {
	*phone
	k *killer
}

func (p *mortal) Send(ctx context.Context, m Message) (string, error) {
	if err := p.k.mark("before send"); err != nil {
		return "", fmt.Errorf("%w: %w", ErrUnsure, err)
	}
	id, err := p.phone.Send(ctx, m)
	if dead := p.k.mark("after send"); dead != nil {
		return "", fmt.Errorf("%w: %w", ErrUnsure, dead)
	}
	return id, err
}

type mortalFinder struct {
	*mortal
	asked *askable
}

func (p *mortalFinder) Find(ctx context.Context, m Message) (string, bool, error) {
	if err := p.k.mark("find"); err != nil {
		return "", false, err
	}
	return p.asked.Find(ctx, m)
}

type mortalDeduping struct{ *mortal }

func (mortalDeduping) Idempotent() bool { return true }

// live runs one process until it dies of its nth mark, or until nothing is to be
// sent, 25 hours at most. It gives back its steps.
func live(t *testing.T, s *memory, p *phone, kind string, n int) (trail []string) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	k := &killer{left: n, died: stop}
	s.op = func(name string) error { return k.mark("before " + name) }
	s.after = func(name string) error { return k.mark("after " + name) }
	var provider Provider = &mortal{p, k}
	switch kind {
	case "finder":
		provider = &mortalFinder{&mortal{p, k}, &askable{phone: p}}
	case "idempotent":
		provider = mortalDeduping{&mortal{p, k}}
	}
	o := &Outbox{Store: s, Provider: provider, Node: "a", Log: quiet, Rand: func() float64 { return 0.5 }, Poll: 10 * time.Second}
	ended := make(chan error)
	go func() { ended <- o.Run(ctx) }()
	for range 25 * 60 {
		time.Sleep(time.Minute)
		if ctx.Err() != nil || s.idle() {
			break
		}
	}
	stop()
	<-ended
	s.op, s.after = nil, nil
	return k.trail
}

// TestNothingIsLostWhereverTheProcessIsKilled walks all steps of sending two messages, one of
// which meets a broken connection, and kills the process at each; then at each pair of steps,
// the process after it too.
func TestNothingIsLostWhereverTheProcessIsKilled(t *testing.T) {
	for _, kind := range []string{"finder", "idempotent", "neither"} {
		for _, cut := range []bool{false, true} {
			name := kind
			if cut {
				name += ", a connection cut"
			}
			t.Run(name, func(t *testing.T) {
				walked := 0
				for first := 1; ; first++ {
					if !kill(t, kind, cut, first, 0) {
						break
					}
					walked++
					for second := 1; second <= 16; second++ {
						kill(t, kind, cut, first, second)
						walked++
					}
				}
				if walked < 150 {
					t.Errorf("%d walks only", walked)
				}
			})
		}
	}
}

// kill runs one life that dies at its nth step, one that may die too, and one that lives. It
// says whether the first died while there was something to do.
func kill(t *testing.T, kind string, cut bool, first, second int) (died bool) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemory()
		p := &phone{}
		if cut {
			p.answer = func(n int, _ Message) error {
				if n == 1 {
					return fmt.Errorf("%w: cut", ErrUnsure)
				}
				return nil
			}
		}
		if err := s.Enqueue(t.Context(), note("a"), note("b")); err != nil {
			t.Fatal(err)
		}
		done := func() bool { return s.get(t, "a").State == Sent && s.get(t, "b").State == Sent }
		live(t, s, p, kind, first)
		died = !done()
		if second > 0 {
			live(t, s, p, kind, second)
		}
		trail := live(t, s, p, kind, 1<<30)
		for _, key := range []string{"a", "b"} {
			m, taken := s.get(t, key), p.taken[key]
			fail := func(why string) {
				t.Errorf("killed at %d then %d: %s: %s, taken %d times, maybe twice %v, unsure %v, %q\nlast life: %s",
					first, second, why, m.State, taken, m.MaybeTwice, m.Unsure, m.Error, strings.Join(trail, ", "))
			}
			if m.Unsure && m.State != Failed {
				fail("in doubt for ever")
			}
			switch kind {
			case "finder":
				if m.State != Sent || taken != 1 {
					fail("to be taken once")
				}
			case "idempotent":
				if m.State != Sent || taken < 1 {
					fail("to be taken, as often as the provider likes")
				}
			case "neither":
				if taken > 2 || taken > 1 && !m.MaybeTwice {
					fail("at most twice, and marked")
				}
				// Two kills before a send look like two doubts: given up, and said so.
				if m.State != Sent && (m.State != Failed || second == 0 && !cut || m.Error == "") {
					fail("lost")
				}
			}
		}
	})
	return died
}
