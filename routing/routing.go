// Package routing decides who answers.
//
// The matching is pure (match.go): one event goes in, assignments come out, with no
// clock, no I/O and no goroutine. A Floor owns the state around it: the callers in
// line, the agents and what each is doing.
//
// # Who is served
//
// An agent who becomes available takes, of the callers the agent can serve, the one
// of the highest priority who joined first (then by id). A caller who can be served
// gets the best suited agent: one who meets the needs of the caller's own queue before
// one who only helps by overflow (in the order of the queue's overflow rules), then one
// who speaks the caller's language, then the one with the highest sum of levels in the
// skills needed, then the one who has been idle longest, then by id.
//
// All callers of a queue have the same needs and stand in one line by the moment they
// joined it; what an overflow rule opens by wait, it opens to the head of the line
// first. So nobody is overtaken by a later arrival of the same priority whom the same
// agent could serve, and no caller waits while an agent who may take the call is available.
//
// # Ownership, order, failure
//
// The Floor's state is behind one mutex that is never held across I/O nor a callback.
// Journal entries, observations and OnAgentState are handed over by one goroutine, in
// the order the changes happened. A Floor keeps nothing on disk: after a restart the
// agents' states come back by Restore, talks by ResumeTalk, waiting callers by Join with
// their first joining time. An agent whose phone fails is taken out of the way; the
// caller keeps the place in line and gets the next agent.
package routing

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"decroche/call"
)

// Agent is somebody who answers.
type Agent struct {
	ID   call.AgentID `json:"id"`
	Name string       `json:"name"`
	// Skills are the agent's levels, 1 (beginner) to 5 (expert).
	Skills map[string]int `json:"skills,omitempty"`
	Team   string         `json:"team,omitempty"`
	// Languages the agent speaks; empty: any. A language is a preference: a caller
	// never waits for it while another suited agent is available.
	Languages []call.Lang `json:"languages,omitempty"`
}

// CheckRoster reports agents that cannot be: no id, an id used twice, a level outside 1..5.
func CheckRoster(agents []Agent) error {
	var errs []error
	seen := map[call.AgentID]bool{}
	for i, a := range agents {
		if a.ID == "" {
			errs = append(errs, fmt.Errorf("agent number %d of the roster has no id: give the user part of the SIP account, such as \"2001\"", i+1))
			continue
		}
		if seen[a.ID] {
			errs = append(errs, fmt.Errorf("agent %s is twice in the roster: keep one of them", a.ID))
		}
		seen[a.ID] = true
		for _, skill := range sortedKeys(a.Skills) {
			if level := a.Skills[skill]; level < 1 || level > 5 {
				errs = append(errs, fmt.Errorf("agent %s has level %d in %q: levels go from 1 to 5", a.ID, level, skill))
			}
		}
	}
	return errors.Join(errs...)
}

// Caller is somebody who joins a line.
type Caller struct {
	ID    call.ID
	Queue string
	Lang  call.Lang
	// Public is who calls, for the agent to know: "relay", "deaf" …; see service.Number.
	Public string
	// Joined is the caller's moment in line, the first one when the call is resumed.
	// Zero or in the future: now.
	Joined time.Time
	// Resumed callers stood in line before this process started: they are never refused as full.
	Resumed bool
	// Kind is "" for a caller on the line. Other kinds stand in the same line by the same rule,
	// and never make it full for those on the line.
	Kind string
}

// AgentState is what an agent is doing.
type AgentState string

const (
	SignedOut AgentState = "signed_out"
	Available AgentState = "available"
	Reserved  AgentState = "reserved" // chosen for a caller, the phone does not ring yet
	Ringing   AgentState = "ringing"
	Talking   AgentState = "talking" // to a caller, or in a consultation with a colleague
	WrapUp    AgentState = "wrap_up"
	Paused    AgentState = "paused"
	SetAside  AgentState = "set_aside" // did not take a call; comes back by itself
)

// WrapUpDone is what an agent asks to end the wrap-up before its time; it is no state.
const WrapUpDone AgentState = "wrap_up_done"

// Reasons that the Floor itself gives for an agent's state.
const (
	ReasonUnreachable  = "unreachable"  // signed out: the phone is not there
	ReasonNoAnswer     = "no_answer"    // set aside
	ReasonBusy         = "busy"         // set aside
	ReasonRefused      = "refused"      // set aside
	ReasonRecovering   = "recovering"   // set aside: was on a call when the controller stopped
	ReasonRemoved      = "removed"      // signed out: not in the roster any more
	ReasonConsultation = "consultation" // talking to a colleague
)

// AgentStatus is an agent and what the agent is doing.
type AgentStatus struct {
	Agent
	State  AgentState `json:"state"`
	Reason string     `json:"reason,omitempty"`
	// Since is when the state began; Until when it ends by itself (wrap-up, set aside), else zero.
	Since time.Time `json:"since"`
	Until time.Time `json:"until,omitzero"`
	// Next is the state asked for while on a call, applied when the call is over.
	Next       AgentState `json:"next,omitempty"`
	NextReason string     `json:"next_reason,omitempty"`
	// Call, Queue and Public are of the caller reserved, rung for, talked to or wrapped up;
	// LastCall is the last one talked to, for what the agent has to say of it afterwards.
	// Public is who that caller is: of "relay" an operator of a relay centre translates.
	Call     call.ID `json:"call,omitempty"`
	Queue    string  `json:"queue,omitempty"`
	Public   string  `json:"public,omitempty"`
	LastCall call.ID `json:"last_call,omitempty"`
	// Answered and Missed count calls since the controller started.
	Answered int `json:"answered"`
	Missed   int `json:"missed"`
}

// QueueStatus is a queue at one moment.
type QueueStatus struct {
	ID string `json:"id"`
	// Waiting are the callers not yet connected; for Ringing of them an agent is reserved or rung.
	Waiting int `json:"waiting"`
	Ringing int `json:"ringing"`
	Talking int `json:"talking"`
	// LongestWait is of the callers waiting now.
	LongestWait time.Duration `json:"longest_wait"`
	// Agents who meet the queue's needs: SignedIn = Available + Busy + Paused. Busy holds
	// reserved, ringing, talking, wrap-up and set aside.
	SignedIn  int `json:"signed_in"`
	Available int `json:"available"`
	Busy      int `json:"busy"`
	Paused    int `json:"paused"`
	// Estimate is for a caller who would join now.
	Estimate Estimate `json:"estimate"`
	// Counts since the controller started. Refused are callers who found the queue full.
	Arrived   int `json:"arrived"`
	Answered  int `json:"answered"`
	Abandoned int `json:"abandoned"`
	Refused   int `json:"refused"`
	// Removed queues take no new callers; those who wait are served by the old rules.
	Removed bool `json:"removed,omitempty"`
}

// Standing is where a waiting caller stands. The zero Standing is of one who waits no more.
type Standing struct {
	// Position in the caller's own line, 1 = next. Callers in front whose agent still
	// rings are counted, so a ring without an answer never makes it rise.
	Position int
	// Ahead are the callers expected to be served before this one by the same agents,
	// those of other queues included in the measure they compete.
	Ahead int
	// Waiting callers in the queue, this one included.
	Waiting int
	// Agents signed in and not paused who can serve this caller now; overflow counts once open.
	Agents int
	// NoAgents: nobody who is signed in, even paused, could serve this caller, now or by overflow later.
	NoAgents bool
	// Elapsed since the caller joined.
	Elapsed  time.Duration
	Estimate Estimate
	// AgentsLeft and HigherPriorityCame only grow, each time this cause for a longer wait
	// happens: a rise of the announced wait has a cause if one of them differs.
	AgentsLeft         uint64
	HigherPriorityCame uint64
}

// Estimator learns from what happens and tells waits. Its methods are called from
// several goroutines, never under the Floor's lock.
type Estimator interface {
	ObserveArrival(queue string, at time.Time)
	// ObserveAnswered and ObserveAbandoned: ahead is what the caller found on joining (see Standing.Ahead).
	ObserveAnswered(queue string, ahead int, waited time.Duration, at time.Time)
	ObserveAbandoned(queue string, ahead int, waited time.Duration, at time.Time)
	// ObserveService: d is talk, hold and wrap-up of one agent for one caller.
	ObserveService(queue string, d time.Duration, at time.Time)
	Estimate(Situation) Estimate
}

// Options of a Floor. The zero value works.
type Options struct {
	Log       *slog.Logger
	Estimator Estimator    // nil: nothing is known about waits
	Journal   call.Journal // nil: nothing is journaled
	// SetAside is how long an agent is left in peace who did not answer or refused; default 60 s.
	SetAside time.Duration
	// BusyAside is the same for an agent whose phone was in use; default 20 s.
	BusyAside time.Duration
	// Recovering is how long an agent restored as being on a call is kept free for ResumeTalk; default 30 s.
	Recovering time.Duration
}

var (
	// ErrUnknownQueue: no queue in service has this id.
	ErrUnknownQueue = errors.New("no such queue")
	// ErrUnknownAgent: the roster has no such agent.
	ErrUnknownAgent = errors.New("no such agent")
	// ErrAgentState: what was asked of an agent does not go with what the agent is doing.
	ErrAgentState = errors.New("not in this state")
	// ErrAlreadyWaiting: the caller stands in a line already.
	ErrAlreadyWaiting = errors.New("the caller waits already")
	// ErrClosed: the Floor is closed.
	ErrClosed = errors.New("the floor is closed")
)

// FullError refuses a caller who found the queue at its greatest length.
type FullError struct {
	Queue   string
	Waiting int
}

func (e *FullError) Error() string {
	return "queue " + e.Queue + " is full: " + strconv.Itoa(e.Waiting) + " callers wait"
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
