package metrics

// Measure is a count, or a sum, that a contact or an agent's time adds to. Every indicator is
// made of measures; they are stored as integers, so that figures add up without rounding.
type Measure int

// The measures. Sums of time are in milliseconds, sums of scores in thousandths of a point.
const (
	Received     Measure = iota // calls of citizens, as contacts
	ReceivedOpen                // within opening hours
	Withheld                    // of them, without a number

	// Décroché: a person was requested within opening hours.
	Asked        // dissuaded and failed contacts left out
	AskedHarsher // with them
	AnsweredCalls
	AnsweredKept    // or with a person in the window of the promise
	SelfServed      // informed, and not back for the same reason in the window
	SelfServedOpen  // within opening hours
	OutAnswered     // by outcome, all hours
	OutSelfServed   //
	OutLeftIVR      //
	OutAbandoned    //
	OutCalledBack   //
	OutClosed       //
	OutDissuaded    //
	OutTransferred  //
	OutFailed       //
	Offered         // stood in a queue
	AbandonedQueue  //
	AbandonedShort  // of them, short
	InTimeAnswers   // within T of the queue
	WaitMS          // of those answered, from the queue
	PerceivedMS     // of those answered, from arrival
	Reached         // contacts with a conversation, on their call or on ours
	Legs            // conversations
	TalkMS          //
	HoldMS          //
	WrapMS          //
	Transferred     // contacts transferred after an answer
	TransferredHow  // of them, without consulting
	Consultations   // contacts in which a colleague was asked
	Escalated       // contacts sent to a higher level
	ResolvedYes     // the agent's word
	ResolvedNo      //
	SurveySaidYes   // the citizen's word
	SurveySaidNo    //
	Repeatable      // contacts that can be recognised
	Repeated24h     // of them, followed within 24 hours for the same reason
	Repeated7d      // within 7 days
	Told            // answered contacts that were told a range
	ToldIn          // whose wait fell in it
	ToldAbove       // longer than its upper bound
	ToldEstimate    // told an estimate to compare with
	ToldBiasMS      // Σ (what was left to wait − estimate)
	SimpleAnswered  // answered contacts whose reason is simple
	NoReason        // received contacts with no reason, or "autre"
	Surveyed        // asked for an opinion
	SurveyReplies   // contacts that gave one answer or more
	WelcomeN        // answers about …
	WelcomeSum      // Σ on a scale of 1 to 5
	AnswerN         //
	AnswerSum       //
	PersonalN       //
	PersonalSum     //
	OverallN        //
	OverallSum      //
	PromisesAsked   // callbacks
	PromisesKept    // in the window
	PromisesLate    //
	PromisesNone    // unreachable after all attempts
	PromisesGone    // cancelled by the citizen
	PromisesMet     // ended because the citizen called again and was answered
	PromisesExpired // ended without one attempt: must be 0
	Attempts        //
	CallbackMS      // Σ from asking to the conversation
	Offers          // of a callback, while waiting or away
	Refusals        //
	LinksSent       //
	SMSSent         //
	SMSFailed       //
	LineInMS        // telephony
	LineOutMS       //

	// Agents' time, split over the intervals.
	LoggedMS
	ReadyMS
	BusyMS // talk, hold and wrap-up
	PausedMS

	measures // how many there are
)

// A distribution counts values in whole seconds, so that a percentile is exact to the second
// however intervals are added.
type distribution int

const (
	waits     distribution = iota // of those answered, from the queue
	perceived                     // from arrival
	callbacks                     // from asking to the conversation
	abandons                      // patience of those who left the queue
	distributions
)

// Dim is what figures are broken down by.
type Dim int

// The dimensions. Whole is all together; ReasonTeam serves the cost by reason.
const (
	Whole Dim = iota
	ByService
	ByNumber
	ByQueue
	ByReason
	ByPublic
	ByLanguage
	ByTeam
	ByAgent
	ReasonTeam
	dims
)

// DimNames are the names of the dimensions in reports and in the API.
var DimNames = map[string]Dim{
	"": Whole, "service": ByService, "number": ByNumber, "queue": ByQueue, "reason": ByReason,
	"public": ByPublic, "language": ByLanguage, "team": ByTeam, "agent": ByAgent,
}

// String is the name of DimNames.
func (d Dim) String() string {
	for name, dim := range DimNames {
		if dim == d {
			return name
		}
	}
	return "reason_team"
}

// counted are a contact's contributions to one cell.
type counted struct {
	n []entry
	d []sample
}

type entry struct {
	m Measure
	n int64
}

type sample struct {
	d       distribution
	seconds int64
}

func (k *counted) add(m Measure, n int64) {
	if n != 0 {
		k.n = append(k.n, entry{m, n})
	}
}

func (k *counted) when(cond bool, m Measure) {
	if cond {
		k.n = append(k.n, entry{m, 1})
	}
}

func (k *counted) see(d distribution, ms int64) {
	k.d = append(k.d, sample{d, ms / 1000})
}

func (k *counted) reset() { k.n, k.d = k.n[:0], k.d[:0] }

// has says how much the contact adds to a measure.
func (k *counted) of(m Measure) (n int64) {
	for _, e := range k.n {
		if e.m == m {
			n += e.n
		}
	}
	return n
}
