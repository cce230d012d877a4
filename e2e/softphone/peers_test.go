package softphone

import (
	"context"
	"testing"
	"time"
)

// Two telephones without an exchange between them.

func TestOddCallerFormsReachTheOtherSideAsTheyWereGiven(t *testing.T) {
	t.Parallel()
	bob := phone(t, Config{User: "bob", Server: "127.0.0.1:9"})
	alice := phone(t, Config{User: "alice", Server: bob.Addr(), Headers: map[string]string{"X-Trunk": "one"}})
	for _, c := range []struct{ from, number, name string }{
		{`"Mme X" <sip:0033199000001@operator.invalid>`, "0033199000001", "Mme X"},
		{`<sip:0199000001@operator.invalid;user=phone>`, "0199000001", ""},
		{`"Anonymous" <sip:anonymous@anonymous.invalid>`, "anonymous", "Anonymous"},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_, _ = alice.Dial(ctx, "3939", From(c.from), Headers(map[string]string{"P-Asserted-Identity": "<sip:+33199000001@operator.invalid>"}))
		}()
		r := wait(t, bob.Incoming(), "the ring")
		if number, name := r.Caller(); number != c.number || name != c.name {
			t.Errorf("%s came as %q %q", c.from, number, name)
		}
		if r.Header("X-Trunk") != "one" || r.Header("P-Asserted-Identity") != "<sip:+33199000001@operator.invalid>" {
			t.Errorf("headers came as %q and %q", r.Header("X-Trunk"), r.Header("P-Asserted-Identity"))
		}
		cancel()
		wait(t, ended, "the end of dialling")
		wait(t, r.Cancelled(), "the cancel")
	}
	if _, err := alice.Dial(t.Context(), "3939", From("<sip:")); err == nil {
		t.Error("a From header that is none was taken")
	}
}

func TestTwoTelephonesTalkDirectlyAndHearEachOthersKeysAndHold(t *testing.T) {
	t.Parallel()
	b := phone(t, Config{User: "bob", Server: "127.0.0.1:9"})
	a := phone(t, Config{User: "alice", Server: b.Addr(), Codecs: []string{"PCMU"}})
	alice, bob := meet(t, a, b, "bob")
	bothWays(t, alice, bob)
	if bob.Hear().Codec != "PCMU" {
		t.Errorf("codec %s", bob.Hear().Codec)
	}
	if err := alice.Press(t.Context(), "147*#D"); err != nil {
		t.Fatal(err)
	}
	if got := bob.Pressed(); got != "147*#D" {
		t.Errorf("pressed %q", got)
	}
	if err := alice.Hold(within(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := alice.HearsTone(t.Context(), 1200, 500*time.Millisecond); err == nil {
		t.Error("a held side still sends")
	}
	if err := bob.HearsTone(t.Context(), 500, 500*time.Millisecond); err == nil {
		t.Error("a holding side still sends")
	}
	if err := alice.Unhold(within(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	bothWays(t, alice, bob)
	if err := alice.Press(t.Context(), "x"); err == nil {
		t.Error("a key that is on no telephone was pressed")
	}
}

func TestTelephoneThatVanishesLeavesTheOtherSideInSilence(t *testing.T) {
	t.Parallel()
	b := phone(t, Config{User: "bob", Server: "127.0.0.1:9"})
	a := phone(t, Config{User: "alice", Server: b.Addr()})
	alice, bob := meet(t, a, b, "bob")
	bothWays(t, alice, bob)
	a.Vanish()
	wait(t, alice.Done(), "the end of the vanished side")
	if alice.EndedBy() != EndedLost || bob.EndedBy() != "" {
		t.Errorf("ended by %q and %q", alice.EndedBy(), bob.EndedBy())
	}
	if err := bob.HearsTone(t.Context(), 500, 300*time.Millisecond); err == nil {
		t.Error("a tone was heard of a telephone that is gone")
	}
}
