package callback

import (
	"time"

	"decroche/call"
)

// Request is somebody who asks to be called back.
type Request struct {
	Number call.Number
	Lang   call.Lang
	Queue  string
	Reason string
	Public string // "" is "general"
	// Relay is the relay centre to go through, Withheld for none: Number is the citizen's all the same.
	Relay   call.Number
	Origin  Origin
	Contact call.ID // "": a new contact
	// Score is the answer to a survey that makes it, of 5; 0: none.
	Score int
	// Joined is when the caller joined the line; zero: now.
	Joined time.Time
	// Kind and Slot are what is asked for; Slot is a quarter of an hour's start.
	Kind Kind
	Slot time.Time
	// Place of the citizen's day, one of Zones, when they are not where their number is from; "": they are.
	Zone string
	// By is who asks for somebody else: "agent:2001".
	By string
	// Wait is the estimated wait of a Place, zero when it is not known: a Place is promised
	// only if it can be kept before the line closes.
	Wait time.Duration
}

// Options are what can be promised to who asks.
type Options struct {
	// Live is the promise the number has already: asking again says it.
	Live *Promise
	// Place: the place in line can be promised.
	Place bool
	// Slots are the first free slots, soonest first.
	Slots []time.Time
	// Zone is the citizen's time zone.
	Zone *time.Location
}

// Why says why a request is refused: one out of a closed set, each with a prompt
// "callback.refused.<why>" and a text "sms"- or page-side.
type Why string

const (
	WhyOff       Why = "off"       // the service calls nobody back
	WhyWithheld  Why = "withheld"  // no number to call
	WhyEmergency Why = "emergency" // 15, 17, 18, 112 …
	WhyShort     Why = "short"     // 3939, 10xx …
	WhyPremium   Why = "premium"   // 08x: a surcharge, or no person's number
	WhyForeign   Why = "foreign"   // not among the prefixes allowed
	WhyInvalid   Why = "invalid"   // not a telephone number
	WhyOurs      Why = "ours"      // one of the service's own numbers
	WhyTooMany   Why = "too_many"  // the number's promises of today
	WhyFull      Why = "full"      // no free slot and no place
	WhyAsleep    Why = "asleep"    // no hour at which the line is open and the citizen's day is on
	WhySlot      Why = "slot"      // this slot is taken, past, closed or too far
)

// Refusal is a request that is politely refused.
type Refusal struct{ Why Why }

// refused says each reason to those who work with the desk, and how to go on.
var refused = map[Why]string{
	WhyOff:       "the service calls nobody back: its definition has no \"callback\"",
	WhyWithheld:  "there is no number to call: ask for one",
	WhyEmergency: "it is an emergency number",
	WhyShort:     "short numbers are not called",
	WhyPremium:   "numbers in 08 and of machines are not called: ask for a personal one",
	WhyForeign:   "its country is not among \"callback.numbers\" of the service",
	WhyInvalid:   "no telephone has this number",
	WhyOurs:      "it is one of the service's own numbers",
	WhyTooMany:   "the number has had as many promises today as \"callback.per_day\" allows",
	WhyFull:      "nothing can be promised: the line is closed or closes too soon for a place in it, and no slot was asked for or is free",
	WhyAsleep:    "the line is never open in the citizen's day",
	WhySlot:      "the slot is taken, past, too far, or outside the hours of the line or of the citizen: take another",
}

func (e *Refusal) Error() string {
	return "a callback is refused (" + string(e.Why) + "): " + refused[e.Why]
}
