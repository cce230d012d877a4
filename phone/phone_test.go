package phone

import (
	"encoding/json"
	"testing"
	"time"

	"decroche/ari"
	"decroche/call"
)

func TestCallIsReadFromWhatTheDialplanTells(t *testing.T) {
	arrived := time.Now().Add(-42 * time.Second).Truncate(time.Second)
	second := func() string { b, _ := json.Marshal(arrived.Unix()); return string(b) }()
	for _, tt := range []struct {
		name, caller string
		args         []string
		from, to     call.Number
		held         time.Duration
	}{
		{"national forms", "0639980001", []string{"0199003939", "operator", second, "0", "allowed_not_screened"}, "+33639980001", "+33199003939", 0},
		{"international forms", "0033639980001", []string{"0033199003939", "operator", second, "0", "allowed"}, "+33639980001", "+33199003939", 0},
		{"a withheld number that the operator tells all the same", "+33639980001", []string{"+33199003939", "operator", second, "0", "prohib_passed_screen"}, call.Withheld, "+33199003939", 0},
		{"anonymous", "anonymous", []string{"+33199003939", "operator", second, "0", "unavailable"}, call.Withheld, "+33199003939", 0},
		{"held by the dialplan", "", []string{"+33199003939", "operator", second, "7", ""}, call.Withheld, "+33199003939", 42 * time.Second},
		{"nothing told", "", nil, call.Withheld, "", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ch := ari.Channel{ID: "n1-1.1"}
			ch.Caller.Number = tt.caller
			info := infoOf(ch, tt.args)
			if info.From != tt.from || info.To != tt.to {
				t.Errorf("from %q to %q, want from %q to %q", info.From, info.To, tt.from, tt.to)
			}
			if d := info.HeldByDialplan - tt.held; d < 0 || d > 2*time.Second {
				t.Errorf("held by the dialplan %s, want %s", info.HeldByDialplan, tt.held)
			}
			if info.Arrived.IsZero() {
				t.Error("the moment of arrival is missing")
			}
		})
	}
}

func TestCausesOfARingWithoutAnswer(t *testing.T) {
	for cause, want := range map[int]call.RingResult{
		17: call.Busy, 21: call.Refused, 19: call.NoAnswer, 18: call.NoAnswer, 20: call.Unreachable, 3: call.Unreachable, 0: call.Unreachable,
	} {
		if got := ringResult(cause); got != want {
			t.Errorf("cause %d: %s, want %s", cause, got, want)
		}
	}
}

func TestCheckpointTellsWhichAgentsLegItNeeds(t *testing.T) {
	if got := legOf(call.Checkpoint{State: json.RawMessage(`{"leg":{"agent":"2001","channel":"leg-7","bridge":"talk-1"}}`)}); got != "leg-7" {
		t.Errorf("the leg is %q, want leg-7", got)
	}
	for _, none := range []string{`{}`, `{"leg":null}`, `garbage`, ``} {
		if got := legOf(call.Checkpoint{State: json.RawMessage(none)}); got != "" {
			t.Errorf("state %q: the leg is %q, want none", none, got)
		}
	}
}
