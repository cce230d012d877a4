package rig

import (
	"context"
	"strings"
	"testing"
	"time"

	"decroche/e2e/softphone"
)

// Line is a caller's call with its ears.
type Line struct {
	*softphone.Call
	*softphone.Listener
	Phone *softphone.Phone
	tb    testing.TB
}

// Dial calls a number of the service from the trunk. from is the caller's number.
func (r *Rig) Dial(number, from string, opts ...softphone.DialOption) *Line {
	r.tb.Helper()
	p, err := softphone.New(softphone.Config{User: from, Local: Trunk, Server: r.SIP})
	if err != nil {
		r.tb.Fatal(err)
	}
	r.tb.Cleanup(p.Close)
	return r.DialFrom(p, number, opts...)
}

// DialFrom calls a number from a telephone that is there, and listens.
func (r *Rig) DialFrom(p *softphone.Phone, number string, opts ...softphone.DialOption) *Line {
	r.tb.Helper()
	r.Index() // before the call begins: to make it takes a while
	ctx, cancel := context.WithTimeout(r.tb.Context(), 15*time.Second)
	defer cancel()
	c, err := p.Dial(ctx, number, opts...)
	if err != nil {
		r.tb.Fatalf("dial %s: %v", number, err)
	}
	return r.Listen(p, c)
}

// Listen gives a telephone's call its ears.
func (r *Rig) Listen(p *softphone.Phone, c *softphone.Call) *Line {
	return &Line{Call: c, Listener: c.ListenFor(r.Index()), Phone: p, tb: r.tb}
}

// Hears waits for a prompt ("fr/menu"; a trailing * matches any end) and fails the test without it.
func (l *Line) Hears(name string, within time.Duration) softphone.Heard {
	l.tb.Helper()
	ctx, cancel := context.WithTimeout(l.tb.Context(), within)
	defer cancel()
	prefix, any := strings.CutSuffix(name, "*")
	h, err := l.WaitMatch(ctx, name, func(got string) bool {
		return got == name || any && strings.HasPrefix(got, prefix)
	})
	if err != nil {
		l.tb.Fatalf("the caller should hear %s within %s: %v", name, within, err)
	}
	return h
}

// HearsAll waits for a prompt and for its end.
func (l *Line) HearsAll(name string, within time.Duration) softphone.Heard {
	l.tb.Helper()
	h := l.Hears(name, within)
	ctx, cancel := context.WithTimeout(l.tb.Context(), 60*time.Second)
	defer cancel()
	h, err := l.WaitEnd(ctx, h)
	if err != nil {
		l.tb.Fatalf("the caller should hear %s to its end: %v", name, err)
	}
	return h
}

// Types presses keys.
func (l *Line) Types(keys string, opts ...softphone.PressOption) {
	l.tb.Helper()
	if err := l.Press(l.tb.Context(), keys, opts...); err != nil {
		l.tb.Fatalf("press keys: %v", err)
	}
}

// Ends waits for the call's end.
func (l *Line) Ends(within time.Duration) softphone.Ended {
	l.tb.Helper()
	select {
	case <-l.Done():
		return l.EndedBy()
	case <-time.After(within):
		l.tb.Fatalf("the call should have ended within %s; heard so far: %v", within, l.Heard())
		return ""
	}
}

// HangsUp ends the call from the caller's side.
func (l *Line) HangsUp() {
	l.tb.Helper()
	if err := l.Hangup(l.tb.Context()); err != nil {
		l.tb.Fatalf("hang up: %v", err)
	}
}

// Up tells whether the call is still up.
func (l *Line) Up() bool {
	select {
	case <-l.Done():
		return false
	default:
		return true
	}
}

// Agent registers the phone of an agent, who is not available yet.
func (r *Rig) Agent(id string) *softphone.Phone {
	r.tb.Helper()
	p, err := softphone.New(softphone.Config{User: id, Password: r.Secret("agents/" + id), Local: Desk, Server: r.SIP})
	if err != nil {
		r.tb.Fatal(err)
	}
	r.tb.Cleanup(p.Close)
	ctx, cancel := context.WithTimeout(r.tb.Context(), 10*time.Second)
	defer cancel()
	if err := p.Register(ctx); err != nil {
		r.tb.Fatalf("register agent %s: %v", id, err)
	}
	return p
}

// Available registers an agent who takes calls.
func (r *Rig) Available(id string) *softphone.Phone {
	r.tb.Helper()
	p := r.Agent(id)
	r.Must("agent", "available", id)
	return p
}

// Rings waits for the phone to ring.
func (r *Rig) Rings(p *softphone.Phone, within time.Duration) *softphone.Ringing {
	r.tb.Helper()
	select {
	case ring := <-p.Incoming():
		return ring
	case <-time.After(within):
		r.tb.Fatalf("the agent's phone should ring within %s", within)
		return nil
	}
}

// Answers waits for the phone to ring, and answers.
func (r *Rig) Answers(p *softphone.Phone, within time.Duration) *Line {
	r.tb.Helper()
	ring := r.Rings(p, within)
	c, err := ring.Answer(r.tb.Context())
	if err != nil {
		r.tb.Fatalf("answer: %v", err)
	}
	return r.Listen(p, c)
}

// Talks proves that speech passes both ways.
func (r *Rig) Talks(a, b *Line) {
	r.tb.Helper()
	a.SpeakTone(600)
	b.SpeakTone(1000)
	defer a.Silent()
	defer b.Silent()
	if err := b.HearsTone(r.tb.Context(), 600, 5*time.Second); err != nil {
		r.tb.Fatalf("the second should hear the first: %v", err)
	}
	if err := a.HearsTone(r.tb.Context(), 1000, 5*time.Second); err != nil {
		r.tb.Fatalf("the first should hear the second: %v", err)
	}
}
