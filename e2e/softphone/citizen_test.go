package softphone

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"
)

// house is a citizen's telephone and an operator's that calls it, without an exchange between.
func house(t *testing.T, m Manner) (operator *Phone, home *Citizen) {
	t.Helper()
	p := phone(t, Config{User: "citizen", Server: "127.0.0.1:9"})
	return phone(t, Config{User: "+33199003939", Server: p.Addr()}), p.Citizen(m)
}

func TestCitizenBehavesAsToldAndRemembersWhoCalled(t *testing.T) {
	t.Parallel()
	op, home := house(t, Manner{})
	for _, c := range []struct {
		manner Manner
		code   int // of the refusal
		result string
	}{
		{Manner{Refuse: 486}, 486, "refused"},
		{Manner{Refuse: 603, After: 50 * time.Millisecond}, 603, "refused"},
		{Manner{Refuse: 404}, 404, "refused"},
		{Manner{Never: true}, 0, "cancelled"},
		{Manner{After: 100 * time.Millisecond}, 0, "answered"},
	} {
		home.Behave(c.manner)
		ctx, cancel := context.WithTimeout(t.Context(), 600*time.Millisecond)
		call, err := op.Dial(ctx, "+33639980002", Headers(map[string]string{"P-Asserted-Identity": "<sip:+33199003940@operator.invalid>"}))
		cancel()
		var refused *Rejected
		if c.code != 0 && (!errors.As(err, &refused) || refused.Code != c.code) {
			t.Errorf("%+v: %v", c, err)
		}
		if c.result == "answered" {
			if err != nil {
				t.Fatal(err)
			}
			far := wait(t, home.Calls(), "the answered call")
			if err := call.Hangup(t.Context()); err != nil {
				t.Error(err)
			}
			wait(t, far.Done(), "its end")
		}
		var met Met
		for met.Result = "ringing"; met.Result == "ringing"; time.Sleep(time.Millisecond) { // the CANCEL is on its way
			met = home.Met()[len(home.Met())-1]
		}
		if met.Result != c.result || met.Shown != "+33199003939" || met.Asserted != "+33199003940" || met.Over.Sub(met.At) < c.manner.After {
			t.Errorf("%+v: met %+v", c, met)
		}
	}
	if home.Most() != 1 {
		t.Errorf("%d calls at a time", home.Most())
	}
}

func TestCitizenCountsCallsThatRingAtOneTime(t *testing.T) {
	t.Parallel()
	op, home := house(t, Manner{Never: true})
	ctx, cancel := context.WithCancel(t.Context())
	var calls sync.WaitGroup
	for range 2 {
		calls.Go(func() { _, _ = op.Dial(ctx, "citizen") })
	}
	for home.Most() < 2 {
		if ctx.Err() != nil {
			t.Fatal("they did not ring")
		}
		time.Sleep(time.Millisecond)
	}
	cancel()
	calls.Wait()
}

func TestCitizenAnswersAQuestionAndVoicemailDoesNot(t *testing.T) {
	t.Parallel()
	question := Murmur(1500 * time.Millisecond)
	for name, c := range map[string]struct {
		then        func(context.Context, *Call)
		keys        string
		early, late bool // speaks in the question; speaks after it
	}{
		"key":       {PressesWhenSpokenTo("12"), "12", false, false},
		"yes":       {SaysYes(300 * time.Millisecond), "", false, true},
		"voicemail": {IsVoicemail(4 * time.Second), "", true, true},
		"silent":    {nil, "", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			op, _ := house(t, Manner{Then: c.then})
			call := dial(t, op, "citizen")
			if err := call.Speak(t.Context(), question); err != nil {
				t.Fatal(err)
			}
			asked := call.Hear()
			heard := func(from, to time.Duration) bool {
				sound := to - from
				for _, silence := range call.Hear().silences(from, to) {
					sound -= silence.Length()
				}
				return sound > 300*time.Millisecond
			}
			time.Sleep(1500 * time.Millisecond) // what it says, it says now
			end := asked.Duration()
			if got := heard(asked.Answered+200*time.Millisecond, end); got != c.early {
				t.Errorf("speaks over the question: %v", got)
			}
			if got := heard(end, end+1200*time.Millisecond); got != c.late {
				t.Errorf("speaks after the question: %v", got)
			}
			if call.Pressed() != c.keys {
				t.Errorf("pressed %q", call.Pressed())
			}
		})
	}
}

func TestOneCallVanishesWithoutAWordAndTheTelephoneStays(t *testing.T) {
	t.Parallel()
	op, home := house(t, Manner{})
	first := dial(t, op, "citizen")
	far := wait(t, home.Calls(), "the first call")
	first.Vanish()
	wait(t, first.Done(), "the end here")
	if first.EndedBy() != EndedLost {
		t.Errorf("ended by %q", first.EndedBy())
	}
	second := dial(t, op, "citizen")
	other := wait(t, home.Calls(), "the second call")
	bothWays(t, second, other)
	select {
	case <-far.Done():
		t.Error("the far end was told")
	default:
	}
	if !slices.Contains(op.Calls(), second) {
		t.Error("the second call is not up")
	}
}
