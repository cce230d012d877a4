package ivr

import (
	"context"
	"errors"
	"time"

	"decroche/call"
	"decroche/service"
	"decroche/text"
)

// A relayed call is placed by an operator of a relay centre, who speaks with us and signs, or
// types, with a citizen. It has the rights of any call and its own pace: no menu, no
// announcement that is not about the wait, and all the time that a translation takes.

const (
	// relayPatience is how long an answer of a relay may take at least.
	relayPatience = 90 * time.Second
	// relayPeriod is the least time between two announcements to a relay in line.
	relayPeriod = 2 * time.Minute
)

// relayed says that an operator of a relay centre is on the line.
func (v *Visit) relayed() bool { return v.Public == service.PublicRelay }

// patience is how long this caller has for an answer.
func (v *Visit) patience(usual time.Duration) time.Duration {
	if v.relayed() {
		return max(usual, relayPatience)
	}
	return usual
}

// period is how often this caller is told the wait.
func (v *Visit) period(rules *service.Queue) time.Duration {
	if v.relayed() {
		return max(rules.Announce, relayPeriod)
	}
	return rules.Announce
}

// straight is the queue of callers who hear no menu; "" for those who do.
func (v *Visit) straight(number service.Number) string {
	switch {
	case number.Queue != "":
		return number.Queue
	case !v.relayed():
		return ""
	}
	return v.def.AccessQueue()
}

// relayNumber is the centre that this caller is called back through; Withheld for none.
func (v *Visit) relayNumber() call.Number {
	if !v.relayed() {
		return call.Withheld
	}
	return v.def.RelayNumber()
}

// own is the citizen's number, as far as the call tells it.
func (v *Visit) own(c call.Info) call.Number {
	if v.relayed() {
		return call.Withheld
	}
	return c.From
}

// relayGreeting tells the operator of a relay centre whom we want to speak with.
func (j *Journey) relayGreeting(ctx context.Context, v *Visit) []call.Sound {
	words := j.sentence(ctx, v, v.Lang, "recall.relay.hello", "service", v.serviceName())
	names := append([]string{"recall.relay.number"}, NumberPrompts(v.Recall.Citizen)...)
	return append(words, j.prompts(ctx, v, append(names, "recall.relay.press")...)...)
}

// throughRelay waits until the operator has the citizen on the line and presses a key; the
// request is said again while they try.
func (j *Journey) throughRelay(ctx context.Context, c call.Call, v *Visit, words []call.Sound) (err error) {
	answer := service.DefaultRelayAnswer
	if r := v.def.Access.Relay; r != nil {
		answer = r.Answer
	}
	for range tries {
		if _, err = c.Read(ctx, answer, words...); !errors.Is(err, call.ErrNoInput) {
			return err
		}
	}
	return err
}

// banner is what the agent's telephone shows beside the caller's number.
func (v *Visit) banner(rules *service.Queue) string {
	if !v.relayed() {
		return rules.ID
	}
	return text.Get(v.def.Languages[0], "phone.relayed", "queue", rules.ID)
}
