package softphone

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"decroche/e2e/port"
)

func TestTelephoneRegistersWithItsPassword(t *testing.T) {
	t.Parallel()
	x := startedExchange(t)
	p, user := agent(t, x)
	if err := p.Register(t.Context()); err != nil {
		t.Error("a second time:", err)
	}
	if err := p.Unregister(t.Context()); err != nil {
		t.Error(err)
	}
	_, err := caller(t, x).Dial(t.Context(), user)
	wantRejected(t, err, 404)
}

func TestWrongPasswordIsRejected(t *testing.T) {
	t.Parallel()
	x := startedExchange(t)
	p := phone(t, Config{Server: x.server, User: "2030", Password: "wrong"})
	wantRejected(t, p.Register(t.Context()), 401)
	_, err := p.Dial(t.Context(), "echo")
	wantRejected(t, err, 401)
}

func wantRejected(t *testing.T, err error, codes ...int) {
	t.Helper()
	var r *Rejected
	if !errors.As(err, &r) {
		t.Fatalf("got %v, want a rejection with one of %v", err, codes)
	}
	for _, c := range codes {
		if r.Code == c {
			return
		}
	}
	t.Errorf("got %v, want one of %v", err, codes)
}

func TestUnknownAndForbiddenNumbersAndAFullLineAreRejectedWithTheirCode(t *testing.T) {
	t.Parallel()
	p := caller(t, startedExchange(t))
	for number, code := range map[string]int{"nowhere": 404, "forbidden": 403, "full": 503} {
		_, err := p.Dial(t.Context(), number)
		wantRejected(t, err, code)
	}
}

func TestNobodyOnThePortIsSaidSo(t *testing.T) {
	t.Parallel()
	nobody, err := port.Take()
	if err != nil {
		t.Fatal(err)
	}
	x := exchange{server: "127.0.0.1:" + fmt.Sprint(nobody)}
	_, err = caller(t, &x).Dial(t.Context(), "3939")
	if !errors.Is(err, ErrNobody) {
		t.Errorf("got %v, want ErrNobody", err)
	}
}

func TestEchoSendsTheToneBack(t *testing.T) {
	t.Parallel()
	c := dial(t, caller(t, startedExchange(t)), "echo")
	c.SpeakTone(440)
	if err := c.HearsTone(t.Context(), 440, 2*time.Second); err != nil {
		t.Error(err)
	}
	if err := c.HearsTone(t.Context(), 1000, 400*time.Millisecond); err == nil {
		t.Error("a tone was heard that nobody sent")
	} else {
		t.Log(err)
	}
	if err := c.Hangup(t.Context()); err != nil {
		t.Error(err)
	}
	if c.EndedBy() != EndedUs {
		t.Errorf("ended by %q", c.EndedBy())
	}
	if st := c.RecvStats(); st.Packets < 20 || st.Lost > 0 {
		t.Errorf("%+v", st)
	}
}

func TestTonesPassBothWaysBetweenTwoTelephones(t *testing.T) {
	t.Parallel()
	x := startedExchange(t)
	alice, bob := talk(t, x)
	bothWays(t, alice, bob)
	if err := alice.Hangup(t.Context()); err != nil {
		t.Error(err)
	}
	wait(t, bob.Done(), "the end at the other side")
	if bob.EndedBy() != EndedThem {
		t.Errorf("ended by %q", bob.EndedBy())
	}
}

// talk brings a caller and an agent together.
func talk(t *testing.T, x *exchange) (alice, bob *Call) {
	t.Helper()
	b, user := agent(t, x)
	return meet(t, caller(t, x), b, user)
}

func meet(t *testing.T, a, b *Phone, user string) (alice, bob *Call) {
	t.Helper()
	type result struct {
		c   *Call
		err error
	}
	dialled := make(chan result, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		c, err := a.Dial(ctx, user)
		dialled <- result{c, err}
	}()
	r := wait(t, b.Incoming(), "the ring")
	bob, err := r.Answer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := wait(t, dialled, "the answer")
	if got.err != nil {
		t.Fatal(got.err)
	}
	return got.c, bob
}

func bothWays(t *testing.T, alice, bob *Call) {
	t.Helper()
	alice.SpeakTone(500)
	bob.SpeakTone(1200)
	if err := bob.HearsTone(t.Context(), 500, 3*time.Second); err != nil {
		t.Error(err)
	}
	if err := alice.HearsTone(t.Context(), 1200, 3*time.Second); err != nil {
		t.Error(err)
	}
}

func TestCallerWhoGivesUpWhileItRingsIsCancelled(t *testing.T) {
	t.Parallel()
	x := startedExchange(t)
	bob, user := agent(t, x)
	a := caller(t, x)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := a.Dial(ctx, user)
		ended <- err
	}()
	r := wait(t, bob.Incoming(), "the ring")
	cancel()
	if err := wait(t, ended, "the end of dialling"); !errors.Is(err, context.Canceled) {
		t.Errorf("dialling ended with %v", err)
	}
	wait(t, r.Cancelled(), "the cancel at the rung telephone")
	if _, err := r.Answer(t.Context()); err == nil {
		t.Error("a cancelled call was answered")
	}
}

func TestBusyTelephoneIsHeardAsBusy(t *testing.T) {
	t.Parallel()
	x := startedExchange(t)
	bob, user := agent(t, x)
	a := caller(t, x)
	ended := make(chan error, 1)
	go func() {
		_, err := a.Dial(context.Background(), user)
		ended <- err
	}()
	r := wait(t, bob.Incoming(), "the ring")
	if r.CallerID() != "caller" {
		t.Errorf("caller id %q", r.CallerID())
	}
	if err := r.Reject(486); err != nil {
		t.Error(err)
	}
	wantRejected(t, wait(t, ended, "the refusal"), 486)
}

func TestHeldSideHearsMusicAndTheConversationComesBack(t *testing.T) {
	t.Parallel()
	alice, bob := talk(t, startedExchange(t))
	bothWays(t, alice, bob)
	if err := bob.Hold(within(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := alice.HearsTone(t.Context(), 330, 3*time.Second); err != nil {
		t.Error("music:", err)
	}
	if err := bob.Unhold(within(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	bothWays(t, alice, bob)
}

func TestAutoAnswerTakesTheCall(t *testing.T) {
	t.Parallel()
	x := startedExchange(t)
	p := agentWith(t, x, Config{User: "2029", AutoAnswer: true, AnswerAfter: 100 * time.Millisecond})
	alice := dial(t, caller(t, x), "2029")
	bothWays(t, alice, wait(t, p.Answered(), "the answer"))
}
