package call

// Outcome is how a contact ended: one out of a closed set, the same value in the
// log, the journal and the metrics. The set is the one of the indicators.
type Outcome string

const (
	Answered       Outcome = "answered"
	SelfServed     Outcome = "self_served"
	LeftIVR        Outcome = "left_ivr"
	Abandoned      Outcome = "abandoned"
	CalledBack     Outcome = "called_back"
	Closed         Outcome = "closed"
	Dissuaded      Outcome = "dissuaded"
	TransferredOut Outcome = "transferred_out"
	Failed         Outcome = "failed"
	// NotReached is of a call that we placed and that did not reach the citizen. It is no
	// outcome of a contact: the contact is the citizen's own, whose promise stays live.
	NotReached Outcome = "not_reached"
)

// Reason says why a call had its outcome: one out of a closed set.
type Reason string

const (
	ReasonCallerHungUp   Reason = "caller_hung_up"
	ReasonAgentHungUp    Reason = "agent_hung_up"
	ReasonHeardAll       Reason = "heard_all"           // the information to its end
	ReasonClosedHours    Reason = "outside_hours"       // ordinary hours
	ReasonHoliday        Reason = "holiday"             // public holiday
	ReasonClosure        Reason = "closure"             // exceptional closure
	ReasonSaturated      Reason = "saturated"           // the queue was full
	ReasonNoAgents       Reason = "no_agents"           // nobody signed in to serve
	ReasonControllerDown Reason = "controller_was_down" // the caller left meanwhile
	ReasonExchange       Reason = "exchange_failed"     // Asterisk restarted or refused
	ReasonStore          Reason = "store_failed"        // what must be saved could not be
	ReasonInternal       Reason = "internal_error"      // a fault of ours
	ReasonUnknownNumber  Reason = "unknown_number"      // no service has the number dialled
	ReasonCutOff         Reason = "cut_off"             // the line broke, the caller did not hang up
	ReasonPlace          Reason = "place"               // a callback was promised at the place in line
	ReasonSlot           Reason = "slot"                // a callback was promised in a slot
	ReasonNoAnswer       Reason = "no_answer"           // of a call that we placed, as the next four
	ReasonBusy           Reason = "busy"
	ReasonRefused        Reason = "refused"
	ReasonUnreachable    Reason = "unreachable"
	ReasonVoicemail      Reason = "voicemail"
	ReasonNoAgent        Reason = "no_agent" // the agent reserved did not take it
)

// End is how a call ended.
type End struct {
	Outcome Outcome `json:"outcome"`
	Reason  Reason  `json:"reason"`
}
