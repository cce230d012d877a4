package metrics

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"

	"decroche/call"
)

// Moment is a time in milliseconds since 1970 UTC; 0 is "never".
type Moment int64

// At is the moment of a time.
func At(t time.Time) Moment {
	if t.IsZero() {
		return 0
	}
	return Moment(t.UnixMilli())
}

// Time is the moment as a time, in UTC.
func (m Moment) Time() time.Time { return time.UnixMilli(int64(m)).UTC() }

// Contact is one request of one citizen, all its facts: the citizen's call, the calls of ours
// that keep a promise made on it, and the call they make again after being cut off. What is
// not known yet, or never happened, is zero. Times of day are Moments, lengths milliseconds.
type Contact struct {
	_ struct{} `cbor:",toarray"`

	// ID is the contact's first call, or the name of a promise that no call made.
	ID      call.ID
	Arrived Moment
	// First and Last are the ids of its first and last facts in the journal.
	First, Last int64
	// Called says that the citizen called; a promise asked for on a page is a contact too.
	Called   bool
	Source   string // "" live; "import"; "page", "agent", …: where a promise came from
	Number   string // dialled
	Service  string
	Public   string
	Lang     string
	Caller   string // pseudonym under the key of the period
	Was      string // and under the key before, while the two overlap
	Withheld bool
	Open     bool // came within opening hours

	Reason string
	Asked  Moment // for a person
	Queue  string // the first the citizen stood in, or else asked for
	Queued Moment // 0: never stood in line
	// Answered is the first word with an agent on the citizen's own call; Wait is from joining
	// the queue to it, on the call that was answered.
	Answered Moment
	Wait     int64
	Said     *Said // the first range told
	Offers   int   // of a callback or a link
	Refused  int

	Legs       []Leg
	Consulted  int // colleagues asked while the citizen held
	Resolved   Word
	Promises   []Promise
	Links, SMS int // links sent, text messages sent in all
	SMSFailed  int
	LinksLost  int // links that were not sent, or did not arrive
	Surveyed   bool
	Scores     []Score

	// Ended is the end of the citizen's last call; a contact is counted from then on, and not
	// while the citizen is on the line again.
	Ended   Moment
	Outcome call.Outcome
	Why     call.Reason
	// LineIn and LineOut are how long the line was taken, by the citizen's calls and by ours.
	LineIn, LineOut int64
	// Live are the calls that are not over, the citizen's and ours; Over those that are, but for
	// the first.
	Live []LiveCall
	Over []call.ID

	// Next is the arrival of the next contact of the same citizen for the same reason, if it
	// came within the longest window of réitération.
	Next Moment
}

// LiveCall is a call that is not over.
type LiveCall struct {
	_       struct{} `cbor:",toarray"`
	ID      call.ID
	Since   Moment
	Ours    bool
	Queued  Moment
	Reached bool // an agent spoke
}

// Said is a range told to a citizen who waits, of what is left to wait.
type Said struct {
	_        struct{} `cbor:",toarray"`
	At       Moment
	Low      int64 // seconds
	High     int64 // seconds; 0 has no upper bound
	Estimate int64 // seconds
	Method   string
}

// Leg is a conversation with one agent.
type Leg struct {
	_      struct{} `cbor:",toarray"`
	Call   call.ID
	Agent  string
	Team   string
	Queue  string
	Start  Moment
	Talk   int64 // without hold; while the leg is open it is 0
	Hold   int64
	Wrap   int64
	Held   Moment // since when the citizen holds
	Over   bool
	Handed Handed // how the conversation left this agent
	Higher bool   // to a higher level
}

// Handed is how a conversation went on to a colleague.
type Handed int8

const (
	NotHanded       Handed = 0
	HandedBlind     Handed = 1
	HandedConsulted Handed = 2
)

// Word is a yes or no that may be missing.
type Word int8

const (
	Unsaid Word = 0
	Yes    Word = 1
	No     Word = 2
)

// Promise is a promise to call back.
type Promise struct {
	_     struct{} `cbor:",toarray"`
	ID    string
	Asked Moment
	By    Moment
	// Merged says that another contact made it and this one asked again.
	Merged   bool
	Attempts int
	// State is how it ended: kept, answered, unreachable, cancelled; "" while it is live.
	State string
	Late  bool
	Ended Moment
}

// Score is an answer to a question of a survey, 1 to Of.
type Score struct {
	_     struct{} `cbor:",toarray"`
	About string
	Score int
	Of    int
}

// contactID orders contacts by arrival; two of the same millisecond differ by their calls.
func contactID(at Moment, id call.ID) int64 { return int64(at)<<12 | int64(hash(string(id))&0xfff) }

// Within gives the ids, first ≤ id < until, among which the contact of a call is if the call's
// name tells when it came. Asterisk's do: "<node>-<Unix second>.<number>". Contacts that are not
// there are tied to their call by a Link.
func Within(id call.ID) (first, until int64, ok bool) {
	name := string(id[strings.LastIndexByte(string(id), '-')+1:])
	second, _, dot := strings.Cut(name, ".")
	at, err := strconv.ParseInt(second, 10, 64)
	if len(name) == len(id) || !dot || err != nil || at < around || at > int64(never)/1000 {
		return 0, 0, false
	}
	return (at - around) * 1000 << 12, (at + around + 1) * 1000 << 12, true
}

// around is how many seconds a call's name and its arrival may differ by.
const around = 2

// arrivedOf is the arrival in an id of contactID.
func arrivedOf(id int64) Moment { return Moment(id >> 12) }

// repeats says that the later contact is the same citizen's for the same reason. Two contacts
// whose reason nobody knows count as one reason: what is not known must not better a figure.
func (c *Contact) repeats(later *Contact) bool {
	return later.Reason == c.Reason && c.same(later)
}

// same says that one citizen made both contacts, under whichever key they share.
func (c *Contact) same(o *Contact) bool {
	if c.Caller == "" || o.Caller == "" {
		return false
	}
	return c.Caller == o.Caller || c.Caller == o.Was || c.Was != "" && c.Was == o.Caller
}

// canRepeat leaves out who cannot be recognised, and the numbers that many share: relay
// centres. Our own calls and a cut-off caller's return are parts of a contact already.
func (c *Contact) canRepeat() bool {
	return c.Called && c.Caller != "" && !c.Withheld && c.Public != publicRelay
}

const publicRelay = "relay"

// promise finds a promise of the contact; nil when it has none of this name.
func (c *Contact) promise(id string) *Promise {
	i := slices.IndexFunc(c.Promises, func(p Promise) bool { return p.ID == id })
	if i < 0 {
		return nil
	}
	return &c.Promises[i]
}

// leg finds the conversation of a call with the agent that is not over, or the last one.
func (c *Contact) leg(id call.ID, agent string, open bool) *Leg {
	for i := len(c.Legs) - 1; i >= 0; i-- {
		l := &c.Legs[i]
		if l.Call == id && (agent == "" || l.Agent == agent) && (!open || !l.Over) {
			return l
		}
	}
	return nil
}

// Calls are all of the contact: its own, ours, and those after a cut-off.
func (c *Contact) Calls() []call.ID {
	ids := append([]call.ID{c.ID}, c.Over...)
	for _, l := range c.Live {
		if l.ID != c.ID {
			ids = append(ids, l.ID)
		}
	}
	return ids
}

func (c *Contact) line(id call.ID) *LiveCall {
	i := slices.IndexFunc(c.Live, func(l LiveCall) bool { return l.ID == id })
	if i < 0 {
		return nil
	}
	return &c.Live[i]
}

// first is the conversation that answered the citizen's call, or kept the promise.
func (c *Contact) first() *Leg {
	if len(c.Legs) == 0 {
		return nil
	}
	return &c.Legs[0]
}

// inOrder sorts contacts by arrival.
func inOrder(a, b *Contact) int {
	return cmp.Or(cmp.Compare(a.Arrived, b.Arrived), cmp.Compare(a.ID, b.ID))
}

// waits says that more facts of the contact are to come.
func (c *Contact) waits() bool {
	return len(c.Live) > 0 || slices.ContainsFunc(c.Promises, func(p Promise) bool { return p.State == "" })
}

// contactVersion changes with the fields of Contact, and with the tables of the store.
const contactVersion = 3

func encodeContact(c *Contact) ([]byte, error) {
	facts, err := cbor.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("write contact %s: %w", c.ID, err)
	}
	return facts, nil
}

// errContact is a contact that cannot be read.
var errContact = errors.New("a contact of the figures is damaged: decroche metrics rebuild makes them anew")

func decodeContact(facts []byte) (*Contact, error) {
	c := new(Contact)
	if err := cbor.Unmarshal(facts, c); err != nil {
		return nil, fmt.Errorf("%w (%w)", errContact, err)
	}
	return c, nil
}
