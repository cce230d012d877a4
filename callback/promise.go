// Package callback keeps promises to call citizens back.
//
//	Book    takes a request, gives what can be promised, keeps the promise, moves and cancels it
//	Dialer  puts promises that are due in the same line as live callers, and has them called
//	rules   numbers.go (whom we call, and when their day is), slots.go, retry.go: pure functions
//
// A promise is kept in the Store before it is said. Its state changes by the functions of
// this package, run inside a transaction of the Store; each change carries the text
// messages that tell the citizen, kept in the same transaction.
package callback

import (
	"context"
	"errors"
	"time"

	"decroche/call"
	"decroche/sms"
)

// ID names a promise: ten characters of Crockford's base 32, random.
type ID string

// Kind is what was promised.
type Kind string

const (
	// Place keeps the caller's place in line: the citizen is called when it is their turn.
	Place Kind = "place"
	// Slot is a quarter of an hour of a day.
	Slot Kind = "slot"
)

// Origin is how the promise came to be: one out of a closed set.
type Origin string

const (
	FromQueue     Origin = "queue"     // by a key while waiting
	FromSaturated Origin = "saturated" // the queue was full
	FromClosed    Origin = "closed"    // outside opening hours
	FromClosing   Origin = "closing"   // too near closing time to wait
	FromPage      Origin = "page"      // the public page
	FromAgent     Origin = "agent"     // an agent wrote it down
	FromCutOff    Origin = "cut_off"   // the line was cut while the caller waited
	FromAccess    Origin = "access"    // behind the key for deaf and hard-of-hearing callers
	FromMessage   Origin = "message"   // an incident message offered it
	FromSurvey    Origin = "survey"    // who was not satisfied, and wants to be called back
)

// State is where a promise stands. Pending, InLine and Calling are live: one at most for each person.
type State string

const (
	Pending State = "pending" // not in line: its slot or the next try is to come, or the line is closed
	InLine  State = "in_line" // a controller has it in line
	Calling State = "calling" // an attempt is under way
	// Kept: a person spoke with the citizen.
	Kept State = "kept"
	// Unreachable: all attempts failed; the citizen was told how to book again.
	Unreachable State = "unreachable"
	// Cancelled by the citizen (page, SMS) or by an agent.
	Cancelled State = "cancelled"
	// Answered: the citizen called again and spoke with a person.
	Answered State = "answered"
)

// Live says whether the promise is still to be kept.
func (s State) Live() bool { return s == Pending || s == InLine || s == Calling }

// Promise is one citizen's callback.
type Promise struct {
	ID     ID          `json:"id"`
	Number call.Number `json:"-"` // whom we call; never in a log or an answer in clear
	Lang   call.Lang   `json:"lang"`
	Queue  string      `json:"queue"`
	Reason string      `json:"reason,omitempty"`
	// Public is who the citizen is: a value of service.Number.Public.
	Public string `json:"public,omitempty"`
	// Relay is the relay centre that is called, and that gets the citizen on the line; "" for none.
	Relay call.Number `json:"relay,omitempty"`
	// Zone is where the citizen said to be, one of Zones; "": where the number is from.
	Zone   string `json:"zone,omitempty"`
	Kind   Kind   `json:"kind"`
	Origin Origin `json:"origin"`
	// Contact is the first call of the citizen's contact; a page's request has an id of its own.
	Contact call.ID `json:"contact"`
	// Score is what a promise FromSurvey was given for, of 5; 0: none.
	Score int `json:"score,omitempty"`

	Asked time.Time `json:"asked"`
	// Joined is the promise's moment in line: when the caller joined, or the start of the slot.
	Joined time.Time `json:"joined"`
	// Slot is the start of the quarter of an hour promised; zero for a Place.
	Slot time.Time `json:"slot,omitzero"`
	// Due is from when it is to be in line: Joined, a few seconds after who asked on the
	// telephone could hang up, or the next try.
	Due time.Time `json:"due"`
	// By ends the window promised: kept later is late.
	By time.Time `json:"by"`

	State State `json:"state"`
	// Node has it in line or calls; "" when Pending or settled.
	Node string `json:"node,omitempty"`
	// Tries counts the attempts that rang the citizen: what the retry rule counts. Attempts counts all.
	Tries    int `json:"tries"`
	Attempts int `json:"attempts"`
	// Voicemail says that a message was left: it is left once.
	Voicemail bool      `json:"voicemail,omitempty"`
	Settled   time.Time `json:"settled,omitzero"`
	SettledBy string    `json:"settled_by,omitempty"` // "page", "sms", "agent:2001", "call:<id>"
	// Version counts the changes, from 1: who changes an older one is told so.
	Version int64 `json:"version"`
}

// Result is how an attempt ended: one out of a closed set.
type Result string

const (
	Connected  Result = "connected"
	NoAnswer   Result = "no_answer"
	Busy       Result = "busy"
	Refused    Result = "refused"
	Machine    Result = "voicemail"   // nobody pressed a key or spoke
	NotReached Result = "unreachable" // the network could not ring the number
	// HungUp: the citizen answered and hung up before pressing a key.
	HungUp Result = "hung_up"
	// The following have not rung the citizen or were no fault of theirs: they do not count as tries.
	NoLine       Result = "no_line"       // our line to the operator, or the operator, failed
	AgentMissed  Result = "agent_missed"  // the agent did not answer
	AgentRefused Result = "agent_refused" // the agent previewed it and gave it back
	Interrupted  Result = "interrupted"   // by a crash, a restart or a failure of ours
)

// Counts says whether the attempt counts as a try at reaching the citizen.
func (r Result) Counts() bool {
	return r != NoLine && r != AgentMissed && r != AgentRefused && r != Interrupted
}

// Attempt is one try at keeping a promise; N counts from 1 for each promise.
type Attempt struct {
	Promise ID           `json:"promise"`
	N       int          `json:"n"`
	Call    call.ID      `json:"call"` // of the citizen's leg, made by us
	Agent   call.AgentID `json:"agent"`
	Node    string       `json:"node"`
	Epoch   int64        `json:"-"` // of the controller; an older one is refused
	Started time.Time    `json:"started"`
	Ended   time.Time    `json:"ended,omitzero"`
	Result  Result       `json:"result,omitempty"` // "" while under way
}

// Change is what a change of a promise does beside it, in the same transaction.
type Change struct {
	Send []sms.Message
	Drop []string // keys of messages not sent yet that are not to be
}

// Bounds are what Store.Ask refuses by.
type Bounds struct {
	// Slot is how many live promises one queue may have in the promise's slot; 0: no bound.
	Slot int
	// PerDay is how many promises a number may be given since Since, settled ones included; 0: no bound.
	PerDay int
	Since  time.Time
}

var (
	// ErrSlotFull: the slot was taken meanwhile.
	ErrSlotFull = errors.New("the slot is full")
	// ErrTooMany: the number has had as many promises today as one may.
	ErrTooMany = errors.New("too many callbacks for this number today")
	// ErrNoPromise: there is no promise with this id.
	ErrNoPromise = errors.New("there is no such promise")
	// ErrSettled: the promise is not live any more.
	ErrSettled = errors.New("the promise is settled")
	// ErrChanged: the promise was changed by somebody else meanwhile.
	ErrChanged = errors.New("the promise was changed meanwhile")
	// ErrCalling: the promise is being kept this very moment.
	ErrCalling = errors.New("the citizen is being called")
)

// Filter chooses promises to list. Zero fields choose all.
type Filter struct {
	States []State
	Number call.Number
	Queue  string
	Node   string // with States InLine alone it is found at once, however many promises there are
	// From and Until bound Due.
	From, Until time.Time
	Limit       int // default 100
}

// Risk is how long before its window ends a promise that nobody has begun to keep is at risk: of a slot, when the quarter
// of an hour that was said is over.
const Risk = Quarter

// Standing counts promises of a queue that are to be kept by a moment: all that are Due until then, and of these those
// AtRisk, whose window ends within Risk from now while nobody keeps them, and those Late, whose window is over.
type Standing struct{ Due, AtRisk, Late int64 }

// Store keeps promises. Its changes are durable when they return.
type Store interface {
	// Ask keeps a new promise with its messages, unless the number has a live one: that one
	// is returned, and made is false. It returns ErrSlotFull or ErrTooMany.
	Ask(ctx context.Context, p Promise, b Bounds, c Change) (kept Promise, made bool, err error)
	// Promise returns one, or ErrNoPromise.
	Promise(ctx context.Context, id ID) (Promise, error)
	// Live returns the live promise of a number.
	Live(ctx context.Context, n call.Number) (p Promise, ok bool, err error)
	// Promises lists by Due, then Joined, then id.
	Promises(ctx context.Context, f Filter) ([]Promise, error)
	// Attempts lists those of one promise, oldest first.
	Attempts(ctx context.Context, id ID) ([]Attempt, error)
	// Change reads the promise, lets fn change it and saves it with its messages, in one
	// transaction. fn may run more than once. An error of fn changes nothing and is returned.
	// slot bounds the new slot if fn changes it: ErrSlotFull.
	Change(ctx context.Context, id ID, slot int, fn func(*Promise) (Change, error)) (Promise, error)
	// TakeDue gives a node up to limit Pending promises with Due ≤ now, those of the given
	// queues only, by Joined then id: they are InLine on return, and no other node has them.
	TakeDue(ctx context.Context, node string, queues []string, now time.Time, limit int) ([]Promise, error)
	// Begin makes an attempt of an InLine promise of the attempt's node: the promise is Calling.
	// It returns the attempt with its N, or call.ErrFenced, ErrSettled, ErrChanged.
	Begin(ctx context.Context, a Attempt) (Attempt, error)
	// End closes an open attempt with its result and changes the promise as in Change. An
	// attempt closed already is left alone, and fn is not run.
	End(ctx context.Context, id ID, n int, at time.Time, r Result, fn func(*Promise) (Change, error)) (Promise, error)
	// Open lists the attempts of a node that have no result: what a crash left.
	Open(ctx context.Context, node string) ([]Attempt, error)
	// Release gives back what is InLine on the node: Pending again, as it was.
	Release(ctx context.Context, node string) (int, error)
	// Taken counts the live promises of a queue by slot, in [from, until).
	Taken(ctx context.Context, queue string, from, until time.Time) (map[time.Time]int, error)
	// Counts counts live promises by state, and those late: live with By before now.
	Counts(ctx context.Context, now time.Time) (map[State]int, int, error)
}
