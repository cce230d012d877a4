package callback

import (
	"cmp"
	"time"

	"decroche/service"
)

// The usual rule: three tries, 10 minutes and an hour apart, then the next open day.
const usualAttempts = 3

var usualRetry = []time.Duration{10 * time.Minute, time.Hour, service.NextDay}

// Attempts that never reached the citizen are made again at once; after restAfter of them in
// a row the promise rests, so that a fault of ours cannot ring agents without end. Where the operator
// fails it rests each time, and from the restAfter-th on that counts: some operators answer so for a
// number that is not there.
const (
	restAfter = 5
	rest      = 5 * time.Minute
	shortRest = time.Minute
)

// Verdict is what the retry rule says of a promise after an attempt.
type Verdict struct {
	// State is Kept, Unreachable, Pending, or InLine: the place in line stands.
	State State
	// Due is when the next try is due, for Pending. A counted try moves it to a
	// moment at which the citizen may be called; the others leave it, or let it rest.
	Due   time.Time
	Tries int
	// Voicemail: a message has been left by now.
	Voicemail bool
}

// Judge applies the retry rule to a promise after an attempt. idle is how many attempts in a
// row, this one included, did not count as tries.
func Judge(def *service.Definition, zone *time.Location, p Promise, r Result, idle int, now time.Time) Verdict {
	v := Verdict{State: Pending, Due: p.Due, Tries: p.Tries, Voicemail: p.Voicemail || r == Machine}
	if !r.Counts() && (r != NoLine || idle < restAfter) {
		switch {
		case r == NoLine:
			v.Due = rested(def, zone, p.Due, now.Add(shortRest))
		case idle >= restAfter:
			v.Due = rested(def, zone, p.Due, now.Add(rest))
		case r == AgentMissed || r == AgentRefused:
			v.State = InLine
		}
		return v
	}
	v.Tries++
	if r == Connected {
		v.State = Kept
		return v
	}
	if v.Tries >= cmp.Or(def.Callback.Attempts, usualAttempts) {
		v.State = Unreachable
		return v
	}
	at, ok := NextCallable(def, zone, afterDelay(def, zone, v.Tries, now))
	if !ok {
		v.State = Unreachable
		return v
	}
	v.Due = at
	return v
}

// rested is the first moment after a rest at which the citizen may be called.
func rested(def *service.Definition, zone *time.Location, due, until time.Time) time.Time {
	due = latest(due, until)
	if at, ok := NextCallable(def, zone, due); ok {
		return at
	}
	return due
}

// afterDelay is from when the try after the given number of tries may be made. The next open
// day begins with the midnight of the service or of the citizen, whichever is later;
// NextCallable then finds its first moment.
func afterDelay(def *service.Definition, zone *time.Location, tries int, now time.Time) time.Time {
	delays := def.Callback.Retry
	if len(delays) == 0 {
		delays = usualRetry
	}
	delay := delays[min(tries, len(delays))-1]
	if delay != service.NextDay {
		return now.Add(max(delay, 0))
	}
	next := nextDay(def.Location, now)
	if zone != nil {
		next = latest(next, nextDay(zone, now))
	}
	return next
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
