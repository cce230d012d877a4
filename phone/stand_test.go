package phone

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"decroche/ari"
	"decroche/call"
	"decroche/e2e/lab"
	"decroche/e2e/softphone"
)

// The numbers of these tests.
const (
	citizen = "+33639980002"
	public  = "+33199003939"
)

// stand is an Exchange on a real Asterisk. What comes in is put on driven.
type stand struct {
	*testing.T
	lab    *lab.Lab
	x      *Exchange
	ari    *ari.Client
	driven chan *drive
	gone   chan call.Checkpoint
	open   []call.Checkpoint
	stop   func()
	seq    int
}

// drive is a call given to the journey, which goes on until over is closed.
type drive struct {
	ctx  context.Context
	call call.Call
	cp   *call.Checkpoint
	over func()
}

func newStand(t *testing.T, l *lab.Lab, open ...call.Checkpoint) *stand {
	t.Helper()
	return newStandAt(t, l, l.URL()+"/ari", open...)
}

// newStandAt reaches Asterisk at an address.
func newStandAt(t *testing.T, l *lab.Lab, address string, open ...call.Checkpoint) *stand {
	t.Helper()
	s := &stand{T: t, lab: l, driven: make(chan *drive, 16), gone: make(chan call.Checkpoint, 16), open: open}
	s.ari = l.Client(func(c *ari.Config) { c.URL, c.MailboxSize = address, 64 })
	s.x = New(Options{
		ARI: s.ari, App: l.App, Epoch: 2, Log: slog.New(slog.NewTextHandler(writer{t}, nil)), Checkpoints: s,
		Drive: func(ctx context.Context, c call.Call, cp *call.Checkpoint, settled func()) {
			settled()
			done := make(chan struct{})
			s.driven <- &drive{ctx, c, cp, sync.OnceFunc(func() { close(done) })}
			<-done
		},
		Gone:     func(_ context.Context, cp call.Checkpoint, _ error) { s.gone <- cp },
		Accounts: func() []Account { return []Account{{ID: "2001", Name: "Camille", Password: "secret2001"}} },
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.x.Run(ctx) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		<-done
		s.ari.Close()
	})
	t.Cleanup(s.stop)
	s.until("the exchange is ready", s.x.Ready)
	return s
}

// writer shows the log of a test that fails.
type writer struct{ t *testing.T }

func (w writer) Write(b []byte) (int, error) {
	fmt.Fprint(w.t.Output(), string(b))
	return len(b), nil
}

func (s *stand) Save(context.Context, call.Checkpoint) error           { return nil }
func (s *stand) Delete(context.Context, call.ID) error                 { return nil }
func (s *stand) Open(context.Context) (o []call.Checkpoint, err error) { return s.open, nil }

// until polls what other processes do.
func (s *stand) until(what string, is func() bool) {
	s.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.Fatalf("%s: not within 20 s", what)
		}
	}
}

func (s *stand) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *stand) within(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(s.Context(), d)
	s.Cleanup(cancel)
	return ctx
}

func take[T any](s *stand, ch <-chan T, what string) (v T) {
	s.Helper()
	select {
	case v = <-ch:
	case <-time.After(90 * time.Second): // an Asterisk that starts anew has 60
		s.Fatalf("%s: not within 90 s", what)
	}
	return v
}

// placed is a call of ours while the test drives it.
type placed struct {
	call.Outgoing
	ctx  context.Context
	id   call.ID
	over func() // returns when PlaceCall has
}

// place begins a call to the citizen.
func (s *stand) place() *placed {
	s.Helper()
	s.seq++
	p := &placed{id: call.ID(fmt.Sprintf("out-%s%d", process, s.seq))}
	begun, done, returned := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(returned)
		s.x.PlaceCall(call.Info{ID: p.id, From: citizen, To: public, Trunk: "operator"}, func(ctx context.Context, c call.Outgoing) {
			p.ctx, p.Outgoing = ctx, c
			close(begun)
			<-done
		})
	}()
	p.over = sync.OnceFunc(func() {
		close(done)
		<-returned
	})
	s.Cleanup(p.over)
	take(s, begun, "the call is placed")
	return p
}

// sound is one of the lab's tones.
func (s *stand) sound(name string, hz float64, d time.Duration) call.Sound {
	s.Helper()
	return call.Sound{Path: s.lab.Tone("sounds/"+name, hz, d), Name: name, Duration: d}
}

// rings has an agent answer the call that rings now.
func (s *stand) ring(p *placed, desk *softphone.Phone) (call.AgentLeg, *softphone.Call) {
	s.Helper()
	answered := make(chan *softphone.Call, 1)
	go func() {
		select {
		case r := <-desk.Incoming():
			if c, err := r.Answer(s.Context()); err == nil {
				answered <- c
			}
		case <-s.Context().Done():
		}
	}()
	leg, err := p.Ring(p.ctx, call.Ring{Agent: "2001", Timeout: 10 * time.Second, Show: citizen, Name: "Rappel"})
	s.ok(err)
	return leg, take(s, answered, "the agent answers")
}

func result(err error) call.RingResult {
	e := new(call.RingError)
	if errors.As(err, &e) && e.Agent == "" {
		return e.Result
	}
	return ""
}

// channels are the ids of Asterisk's channels that begin so.
func (s *stand) channels(prefix string) (ids []string) {
	s.Helper()
	list, err := s.ari.Channels(s.Context())
	s.ok(err)
	for _, ch := range list {
		if strings.HasPrefix(ch.ID, prefix) {
			ids = append(ids, ch.ID)
		}
	}
	return ids
}
