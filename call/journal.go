package call

import (
	"context"
	"encoding/json"
	"time"
)

// EventKind names a fact of the journal: one out of a closed set.
type EventKind string

const (
	EventArrived       EventKind = "arrived"         // from (masked by the store's policy), to, trunk, withheld, held_by_dialplan_ms, service, public, open, source; the store adds the pseudonyms caller and caller_was
	EventResumed       EventKind = "resumed"         // step; an earlier controller drove the call
	EventLanguage      EventKind = "language"        // lang, by
	EventMessage       EventKind = "message"         // id, queue; an incident message was heard, or the caller left while it was said. To who waits it is said after_ms later, and lasts lasts_ms
	EventMenu          EventKind = "menu"            // menu, choice ("" none)
	EventInfo          EventKind = "info"            // info; heard to its end
	EventReason        EventKind = "reason"          // reason, by (menu, info, agent, page, import); the last one holds
	EventAgentAsked    EventKind = "agent_asked"     // queue; the caller asked for a person
	EventQueued        EventKind = "queued"          // queue, position
	EventAnnounced     EventKind = "announced"       // queue, position, low_s, high_s, estimate_s, method, cause, elapsed_ms
	EventOverflowed    EventKind = "overflowed"      // queue: an aid queue that may serve from now on
	EventRinging       EventKind = "ringing"         // agent
	EventRingFailed    EventKind = "ring_failed"     // agent, result
	EventAgentAnswered EventKind = "agent_answered"  // agent
	EventConnected     EventKind = "connected"       // agent, team, queue, wait_ms
	EventHold          EventKind = "hold"            // agent
	EventUnhold        EventKind = "unhold"          // agent
	EventConsulted     EventKind = "consulted"       // agent, with: a colleague was asked while the caller waited
	EventTransferred   EventKind = "transferred"     // agent, to, team (of to), how (blind, consulted), from_level, to_level
	EventTalkEnded     EventKind = "talk_ended"      // agent, by (caller|agent), talk_ms
	EventWrapped       EventKind = "wrapped"         // agent, wrap_ms: wrap-up after this call is over
	EventResolved      EventKind = "resolved"        // agent, resolved (bool): the agent's word
	EventEnded         EventKind = "ended"           // outcome, reason
	EventCalling       EventKind = "calling"         // promise, attempt, contact: the first fact of every call that we place
	EventDialled       EventKind = "dialled"         // promise, attempt, contact; the citizen's phone is rung by us
	EventOffered       EventKind = "offered"         // what (callback, sms), why
	EventOfferRefused  EventKind = "offer_refused"   // what
	EventPromised      EventKind = "promised"        // promise, kind, origin, queue, reason, public, asked_ms, joined_ms, by_ms, merged; Call is the contact
	EventPromiseMoved  EventKind = "promise_moved"   // promise, by_ms, why (citizen, agent, closed, retry); Call is the contact
	EventAttempted     EventKind = "attempted"       // promise, attempt, agent, result, tries; Call is the contact
	EventPromiseEnded  EventKind = "promise_ended"   // promise, state, by, late; Call is the contact
	EventSMS           EventKind = "sms"             // purpose, state, promise; Call is the contact
	EventInterpreter   EventKind = "interpreter"     // what (asked, joined, left, unreached), name, agent, talk_ms, cost (euros), why
	EventTag           EventKind = "tag"             // what (set, removed, used), tag, agent; Call is that of a tag that is used
	EventConversation  EventKind = "conversation"    // what (opened, answered, slow, closed), conversation, channel, queue, lang, agent, waited_ms; no Call
	EventSurveyAsked   EventKind = "survey_asked"    // survey, how (call, sms), agent, team; Call is the contact
	EventSurveyAnswer  EventKind = "survey_answered" // survey, question, about (welcome, answer, personal, overall, resolved), score, of; Call is the contact
	EventAgentState    EventKind = "agent_state"     // agent, team, state, reason; Call is empty
	EventAccess        EventKind = "access"          // line, open, why (hours, message): the access for deaf callers beside the line; Call is empty
	EventController    EventKind = "controller"      // what: started, recovered, lost_exchange …; Call is empty
)

// Event is one fact, written once and never changed.
type Event struct {
	At   time.Time
	Call ID // "" for facts about agents and controllers
	Kind EventKind
	// Data is a small JSON object. It holds no digits and no text typed by the caller.
	Data json.RawMessage
}

// Journal takes facts. Append never blocks a call: the implementation groups the
// writes, keeps what it cannot write yet and says so to the operator.
type Journal interface {
	Append(Event)
}

// Checkpoint is where a call stands: enough for another process to go on.
type Checkpoint struct {
	Call  ID
	Epoch int64 // of the controller that drives the call
	// Step is the step to run next; Done is set when the call is over.
	Step  string
	State json.RawMessage
	Info  Info
	At    time.Time
}

// Checkpoints keeps where each call stands.
type Checkpoints interface {
	// Save stores the checkpoint; it returns before it is durable, in order per call.
	// It returns ErrFenced when a later epoch exists.
	Save(ctx context.Context, cp Checkpoint) error
	// Delete forgets a call that is over.
	Delete(ctx context.Context, id ID) error
	// Open lists the calls that are not over, oldest first.
	Open(ctx context.Context) ([]Checkpoint, error)
}
