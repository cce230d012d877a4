package phone

import (
	"errors"
	"testing"
	"time"

	"decroche/ari"
	"decroche/call"
)

func TestWhoHangsUpOnPurposeIsToldFromWhoIsCutOff(t *testing.T) {
	type told struct {
		cause int
		soft  bool
	}
	for what, c := range map[told]bool{
		{0, false}: false, {16, false}: false, {31, false}: false, {127, false}: false,
		{27, false}: true, {38, false}: true, {41, false}: true, {42, false}: true, {44, false}: true, {47, false}: true,
		{102, false}: true, {111, false}: true, {18, false}: true,
		{1, true}: true, {4, true}: true, {5, true}: true, // no sound came; Asterisk stops
		{32, true}: false, {8, true}: false, {0, true}: false, // a command; the longest call is over
	} {
		why := leftBecause(what.cause, what.soft)
		if !errors.Is(why, call.ErrHangup) {
			t.Errorf("%+v: %v is no end of the call", what, why)
		}
		if errors.Is(why, call.ErrCutOff) != c {
			t.Errorf("%+v: %v; cut off: %v wanted", what, why, c)
		}
	}
	if !errors.Is(errExchangeLost, call.ErrCutOff) || !errors.Is(errExchangeLost, call.ErrTechnical) {
		t.Error("who was on an Asterisk that has died was cut off")
	}
}

func TestACallThatIsGoneWithItsAsteriskWasCutOff(t *testing.T) {
	saved := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name    string
		started time.Time
		cut     bool
	}{
		{"the same Asterisk", saved.Add(-time.Hour), false},
		{"one that started since", saved.Add(time.Second), true},
	} {
		err := goneBecause(call.Checkpoint{At: saved}, ari.AsteriskInfo{Status: &ari.StatusInfo{StartupTime: ari.Date{Time: c.started}}})
		if errors.Is(err, call.ErrTechnical) != c.cut || !errors.Is(err, call.ErrHangup) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if err := goneBecause(call.Checkpoint{At: saved}, ari.AsteriskInfo{}); errors.Is(err, call.ErrTechnical) {
		t.Errorf("an Asterisk that does not tell its start: %v", err)
	}
}
