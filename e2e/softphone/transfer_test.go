package softphone

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

func TestAttendedTransferLetsTheTwoOthersTalk(t *testing.T) {
	t.Parallel()
	x := startedExchange(t)
	alice, bob := talk(t, x)
	carol, user := agent(t, x)
	asking, carolsCall := meet(t, bob.phone, carol, user)
	bothWays(t, asking, carolsCall)
	if err := bob.AttendedTransfer(within(t, 5*time.Second), asking); err != nil {
		t.Fatal(err)
	}
	wait(t, bob.Done(), "the end of the first call")
	wait(t, asking.Done(), "the end of the second call")
	bothWays(t, alice, carolsCall)
}

func TestAttendedTransferOfAHeldCallerWorks(t *testing.T) {
	t.Parallel()
	x := startedExchange(t)
	alice, bob := talk(t, x)
	bothWays(t, alice, bob) // Asterisk refuses a transfer before they are joined
	if err := bob.Hold(within(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	carol, user := agent(t, x)
	asking, carolsCall := meet(t, bob.phone, carol, user)
	if err := bob.AttendedTransfer(within(t, 5*time.Second), asking); err != nil {
		t.Fatal(err)
	}
	bothWays(t, alice, carolsCall)
}

func TestBlindTransferMovesTheOtherSide(t *testing.T) {
	t.Parallel()
	x := startedExchange(t)
	alice, bob := talk(t, x)
	bothWays(t, alice, bob) // Asterisk refuses a transfer before they are joined
	if err := bob.Transfer(within(t, 5*time.Second), "echo"); err != nil {
		t.Fatal(err)
	}
	wait(t, bob.Done(), "the end of the transferred call")
	alice.SpeakTone(700)
	if err := alice.HearsTone(t.Context(), 700, 3*time.Second); err != nil {
		t.Error(err)
	}
}

func TestBlindTransferToNowhereIsRefused(t *testing.T) {
	t.Parallel()
	alice, bob := talk(t, startedExchange(t))
	bothWays(t, alice, bob)
	wantRejected(t, bob.Transfer(within(t, 5*time.Second), "nowhere"), 404)
	bothWays(t, alice, bob)
}

func TestSixtyCallsAtOnceLoseNothing(t *testing.T) {
	x := startedExchange(t)
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			p, err := New(Config{Server: x.server, User: "caller"})
			if err != nil {
				t.Error(err)
				return
			}
			defer p.Close()
			c, err := p.Dial(within(t, 20*time.Second), "echo")
			if err != nil {
				t.Error(err)
				return
			}
			freq := float64(400 + 20*i)
			c.SpeakTone(freq)
			if err := c.HearsTone(t.Context(), freq, 5*time.Second); err != nil {
				t.Error(fmt.Errorf("call %d: %w", i, err))
			}
			if st := c.RecvStats(); st.Lost > 0 {
				t.Errorf("call %d lost %d of %d packets", i, st.Lost, st.Packets)
			}
		})
	}
	wg.Wait()
}
