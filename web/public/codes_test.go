package public

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"decroche/call"
	"decroche/callback"
)

var home = netip.MustParsePrefix("192.0.2.7/32")

func TestACodeHasSixDigitsAndIsKeptHashed(t *testing.T) {
	m := NewCodes()
	code, fresh, err := m.New("p", 1, mobile, home)
	if err != nil || !fresh || len(code) != 6 || strings.Trim(code, "0123456789") != "" {
		t.Fatalf("%q, %v, %v", code, fresh, err)
	}
	if strings.Contains(fmt.Sprintf("%+v", *m.proofs["p"]), code) {
		t.Error("the code is kept in clear")
	}
	for range 2 { // a form sent twice
		if err := m.Check("p", code); err != nil {
			t.Errorf("the right code: %v", err)
		}
	}
	if err := m.Check("another", code); !errors.Is(err, ErrNoCode) {
		t.Errorf("for another proof: %v", err)
	}
}

// wrongFor gives a code that is not the right one.
func wrongFor(code string) string {
	if code == "000000" {
		return "000001"
	}
	return "000000"
}

func TestACodeMayBeTriedFiveTimes(t *testing.T) {
	m := NewCodes()
	code, _, _ := m.New("p", 1, mobile, home)
	for left := CodeTries - 1; left > 0; left-- {
		wrong := new(WrongCode)
		if err := m.Check("p", wrongFor(code)); !errors.As(err, &wrong) || wrong.Left != left {
			t.Fatalf("with %d tries left: %v", left, err)
		}
	}
	if err := m.Check("p", wrongFor(code)); !errors.Is(err, ErrNoCode) {
		t.Errorf("the fifth wrong code: %v", err)
	}
	if err := m.Check("p", code); !errors.Is(err, ErrNoCode) {
		t.Errorf("the right code after five wrong ones: %v", err)
	}
}

func TestACodeEndsAfterTenMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewCodes()
		code, _, _ := m.New("p", 1, mobile, home)
		time.Sleep(CodeLife - time.Nanosecond)
		if err := m.Check("p", code); err != nil {
			t.Errorf("in its last moment: %v", err)
		}
		time.Sleep(time.Nanosecond)
		if err := m.Check("p", code); !errors.Is(err, ErrNoCode) {
			t.Errorf("after ten minutes: %v", err)
		}
	})
}

func TestANewRoundEndsTheCodeBeforeAndTheSameRoundSendsNothing(t *testing.T) {
	m := NewCodes()
	first, _, _ := m.New("p", 1, mobile, home)
	if code, fresh, err := m.New("p", 1, mobile, home); err != nil || fresh || code != "" {
		t.Errorf("the same round again: %q, %v, %v", code, fresh, err)
	}
	second, fresh, err := m.New("p", 2, mobile, home)
	if err != nil || !fresh {
		t.Fatal(fresh, err)
	}
	if first != second { // one in a million is the same
		if err := m.Check("p", first); err == nil {
			t.Error("the code of the round before is still right")
		}
	}
	if err := m.Check("p", second); err != nil {
		t.Error(err)
	}
}

func TestANumberIsSentThreeCodesAnHourAndFiveADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, n := NewCodes(), 0
		ask := func() error {
			n++
			_, _, err := m.New(fmt.Sprint(n), 1, mobile, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}), 32))
			return err
		}
		refused := func(after time.Duration) {
			t.Helper()
			many := new(TooMany)
			if err := ask(); !errors.As(err, &many) || many.Of != "number" || many.After != after {
				t.Fatalf("after %d codes: %v, want to wait %s", n-1, err, after)
			}
		}
		for range 3 {
			if err := ask(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Minute)
		}
		refused(30 * time.Minute)
		if _, _, err := m.New("other", 1, another, home); err != nil {
			t.Errorf("another number is refused too: %v", err)
		}
		time.Sleep(30 * time.Minute)
		for range 2 {
			if err := ask(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
		}
		refused(21 * time.Hour)
		time.Sleep(21 * time.Hour)
		if err := ask(); err != nil {
			t.Errorf("a day later: %v", err)
		}
	})
}

func TestAnAddressIsGivenTwentyCodesAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewCodes()
		ask := func(i int) error {
			_, _, err := m.New(fmt.Sprint(i), 1, call.Number(fmt.Sprintf("+336399800%02d", i)), home)
			return err
		}
		for i := range 20 {
			if err := ask(i); err != nil {
				t.Fatal(i, err)
			}
		}
		many := new(TooMany)
		if err := ask(20); !errors.As(err, &many) || many.Of != "address" || many.After != time.Hour {
			t.Errorf("the twenty-first: %v", err)
		}
		time.Sleep(time.Hour)
		if err := ask(21); err != nil {
			t.Errorf("an hour later: %v", err)
		}
	})
}

func TestACodeThatCouldNotBeSentCountsForNothing(t *testing.T) {
	m := NewCodes()
	for range 10 {
		code, fresh, err := m.New("p", 1, mobile, home)
		if err != nil || !fresh {
			t.Fatal(fresh, err)
		}
		m.Withdraw("p", 1)
		if err := m.Check("p", code); !errors.Is(err, ErrNoCode) {
			t.Fatalf("a code that was never sent is right: %v", err)
		}
	}
}

func TestTheMemoryOfCodesIsBoundedAndForgetsWhatHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewCodes()
		m.Rooms = 10
		ask := func(i int) error {
			at := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 32)
			_, _, err := m.New(fmt.Sprint(i), 1, call.Number(fmt.Sprintf("+33639%06d", i)), at)
			return err
		}
		refused := 0
		for i := range 100 {
			many := new(TooMany)
			if err := ask(i); errors.As(err, &many) && many.Of == "all" {
				refused++
			}
		}
		if refused != 90 || len(m.proofs) != 10 || len(m.asked) > 20 {
			t.Errorf("%d refused, %d proofs, %d numbers and addresses", refused, len(m.proofs), len(m.asked))
		}
		time.Sleep(25 * time.Hour)
		if err := ask(1000); err != nil {
			t.Errorf("a day later: %v", err)
		}
		if len(m.proofs) != 1 {
			t.Errorf("%d proofs are remembered, want one", len(m.proofs))
		}
	})
}

func TestWhatWasPromisedByAProofIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewCodes()
		if _, ok := m.Kept("p"); ok {
			t.Error("a proof that was never made has promised something")
		}
		m.Keep("p", "K3AB000001") // the code was sent before a restart
		if id, ok := m.Kept("p"); !ok || id != callback.ID("K3AB000001") {
			t.Error(id, ok)
		}
		time.Sleep(keptFor + time.Second)
		if _, ok := m.Kept("p"); ok {
			t.Error("it is remembered for ever")
		}
	})
}

func TestFiveTriesAreFiveHoweverManyAreMadeAtOnce(t *testing.T) {
	m := NewCodes()
	code, _, _ := m.New("p", 1, mobile, home)
	var wg sync.WaitGroup
	var mu sync.Mutex
	judged := 0
	for range 50 {
		wg.Go(func() {
			if err := m.Check("p", wrongFor(code)); errors.As(err, new(*WrongCode)) {
				mu.Lock()
				judged++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if judged != CodeTries-1 {
		t.Errorf("%d codes were judged before the end", judged)
	}
	if err := m.Check("p", code); !errors.Is(err, ErrNoCode) {
		t.Errorf("then the right one: %v", err)
	}
}
