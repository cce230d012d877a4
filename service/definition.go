// Package service holds the definition of a public service: one YAML file, checked
// and reviewed like code. Parse reads and validates it, Lint holds it against the
// State's guide, Opening answers "is the line open?".
package service

import (
	"cmp"
	"strings"
	"time"

	"decroche/call"
)

// Definition is one public service as its YAML file describes it. A parsed
// Definition is complete and consistent: every reference resolves, every prompt
// has a text or a recording in every language. It is not changed after Parse.
type Definition struct {
	ID       string
	Name     Text
	Location *time.Location
	// Languages in the order they are offered; the first is the default.
	Languages []call.Lang
	Numbers   []Number
	// Present is the number shown to those we call.
	Present call.Number

	Hours    Hours
	Holidays HolidaySet
	Closures []Closure
	// Openings are days with hours of their own, public holidays included.
	Openings []ExtraOpening

	Prompts map[string]Text
	// Wording is the service's own words for what the line says by itself, by the built-in prompt's
	// id; a language that is not there keeps the line's words.
	Wording map[string]Text
	Menus   map[string]*Menu
	Infos   map[string]*Info
	Reasons map[string]*Reason
	Queues  map[string]*Queue
	Skills  map[string]Text

	// Entry is what callers hear before the first menu.
	Entry Entry
	// Closed, Saturated and Failed are the journeys that cannot lead to a person now.
	Closed    Closed
	Saturated Saturated
	Failed    Journey
	Access    Access
	// Interpreters are by the language.
	Interpreters map[string]*Interpreter
	// Tags are the queues of callers of whom something is known, by the tag.
	Tags     map[string]TagRule
	Limits   Limits
	Callback Callback
	// Indicators are always complete: what is not written has its default.
	Indicators Indicators
	Privacy    Privacy
	Survey     Survey
	// Links are addresses sent by SMS, by id.
	Links map[string]*Link
	// Plans are prepared for incidents, by id.
	Plans map[string]*Plan
	// Points are the places where people are received, by id.
	Points map[string]*Point

	// File is where the definition was read from; Line and Column of a part of it
	// are found with Position.
	File string
	pos  map[string]Position
}

// Position is a place in the YAML file, both from 1; the zero value is "unknown".
type Position struct{ Line, Column int }

// Position finds a part of the definition in its file, named by its YAML path:
// "menus.main.choices.1", "numbers[0].number". A part that is not written has the
// place of the nearest part around it that is.
func (d *Definition) Position(path string) Position {
	for {
		at, ok := d.pos[path]
		cut := strings.LastIndexAny(path, ".[")
		switch {
		case ok:
			return at
		case strings.HasPrefix(path, wordingPath):
			cut = len(wordingPath) - 1
		case cut < 0:
			return Position{}
		}
		path = path[:cut]
	}
}

// wordingPath begins the path of a wording. Its id has dots of its own, so that such a path has two
// parts, "wording" and the rest; all other paths have a part between two dots.
const wordingPath = "wording."

func splitPath(path string) []string {
	if id, is := strings.CutPrefix(path, wordingPath); is {
		return []string{"wording", id}
	}
	return strings.Split(path, ".")
}

// partAt is the part that is written at a place: the last that begins there or before. A part and its first key begin
// together: what is said of their beginning is said of the part, what is behind it is the key's.
func (d *Definition) partAt(at Position) (path string) {
	var best Position
	for p, from := range d.pos {
		c := from.compare(best)
		nearer := len(p) > len(path)
		if from == at {
			nearer = len(p) < len(path)
		}
		if from.compare(at) <= 0 && (c > 0 || c == 0 && nearer) {
			best, path = from, p
		}
	}
	return path
}

func (p Position) compare(other Position) int {
	return cmp.Or(cmp.Compare(p.Line, other.Line), cmp.Compare(p.Column, other.Column))
}

// NumberFor finds what the definition says of a number dialled.
func (d *Definition) NumberFor(n call.Number) (Number, bool) {
	for _, number := range d.Numbers {
		if number.Number == n && n != call.Withheld {
			return number, true
		}
	}
	return Number{}, false
}

// Text is what is said in each language. Recording, where set, is a file that wins
// over synthesis; its path is relative to the definition's folder.
type Text map[call.Lang]Phrase

// Phrase is one language's wording of a prompt.
type Phrase struct {
	Say       string
	Recording string
}

// Number is a number that callers dial.
type Number struct {
	Number call.Number
	// Language, if set, spares the caller the choice of language.
	Language call.Lang
	// Public is who the number is for: "general", "deaf", "relay", "overseas", "vulnerable", "professional".
	Public string
	// Queue, if set, goes straight to a queue instead of the first menu.
	Queue string
	// AlwaysOpen says that this number ignores the opening hours, for a demonstration
	// or a permanent duty desk.
	AlwaysOpen bool
	// Cost is what a call costs where the number does not tell it: "free", "standard",
	// "premium", or "" when the number tells.
	Cost string
}

// Hours is the ordinary week.
type Hours struct {
	// Week has the ranges of each day, sorted and disjoint; index time.Sunday … time.Saturday.
	Week [7][]Range
}

// Range is a part of a local day, minutes from midnight, From < To ≤ 1440.
type Range struct{ From, To int }

// HolidaySet names the public holidays kept: "metropole", "alsace-moselle", "guadeloupe",
// "martinique", "guyane", "reunion", "mayotte", "saint-barthelemy", "saint-martin",
// "saint-pierre-et-miquelon", "nouvelle-caledonie", "polynesie", "wallis-et-futuna", or "none".
type HolidaySet string

// ExtraOpening is a day opened exceptionally: its ranges take the place of the
// week's, and a public holiday on that day does not close. A closure still does.
type ExtraOpening struct {
	// Day is local midnight.
	Day    time.Time
	Ranges []Range
}

// Closure is an exceptional closure [From, Until), local time of the service.
type Closure struct {
	From, Until time.Time
	// Prompt, if set, is said in place of the ordinary closed announcement.
	Prompt string
	Why    string
}

// Entry is the start of the journey.
type Entry struct {
	Welcome string // prompt, said in the caller's language once it is known
	// LanguagePrompt is said, in every language, when there is more than one and the number
	// dialled does not choose; each language is chosen by its key.
	LanguagePrompt string
	LanguageKeys   map[call.Digit]call.Lang
	Menu           string // first menu
	// Messages are information messages known in advance, with their dates.
	Messages []DatedMessage
}

// DatedMessage is said at entry while From ≤ now < Until.
type DatedMessage struct {
	ID          string
	From, Until time.Time
	Prompt      string
	Queue       string // "" for all
}

// Menu offers up to a few choices.
type Menu struct {
	ID      string
	Prompt  string
	Choices map[call.Digit]Choice
	// Queue is where a caller goes who asks for a person, or who cannot choose.
	Queue string
	// Timeout is how long to wait for a key after the prompt.
	Timeout time.Duration
}

// Choice is what a key does: exactly one of Menu, Info, Queue, Person, Repeat or Access.
type Choice struct {
	Key    call.Digit
	Menu   string
	Info   string
	Queue  string
	Person bool // to the menu's queue
	Repeat bool // says the menu again
	Reason string
	Access bool // the door for deaf and hard-of-hearing callers
}

// Info is an information branch; it always ends with the offer of a person.
type Info struct {
	ID     string
	Prompt string
	// Queue is where the caller goes who then asks for a person.
	Queue  string
	Reason string
	// Link, if set, is offered by SMS after the prompt.
	Link string
	// Offline, if set, is a prompt that tells how it is done without the internet: by telephone, or
	// in person.
	Offline string
}

// Reason is a motif of the service's shared base.
type Reason struct {
	ID     string
	Label  Text
	Simple bool
	// Directorate is the body that causes these contacts, in the words of the service; it
	// bears their cost. "" is none.
	Directorate string
	// Retired reasons are given to no contact any more; figures of the past name them still.
	Retired bool
}

// Queue is a line of callers and the rules to serve it.
type Queue struct {
	ID    string
	Label Text
	// Needs are the skills an agent must have, with the least level (1..5).
	Needs map[string]int
	// Priority: higher is served first among callers an agent can serve.
	Priority int
	// MaxWaiting: a caller who finds as many waiting gets the saturated journey; 0: no limit.
	MaxWaiting int
	// RingTimeout is how long an agent's phone rings; then the agent is set aside.
	RingTimeout time.Duration
	WrapUp      time.Duration
	Overflow    []Overflow
	// Announce is the period of the announcements; Whisper is said to the agent first (a prompt).
	Announce time.Duration
	Whisper  string
	// DefaultAHT is used until there is data.
	DefaultAHT time.Duration
	// InTime is what "in time" means here, and its goal.
	InTime InTime
}

// Overflow lets agents who meet another queue's needs serve this queue's callers,
// after a wait or from a number of waiting callers.
type Overflow struct {
	To         string
	After      time.Duration // 0: not by wait
	LongerThan int           // 0: not by length
}

// Journey is what is said to a caller who cannot reach a person now: prompts, said in
// this order, each of them optional but the first.
type Journey struct {
	Prompt, Hours, OtherMeans string
	// Callback says how to be called back, as row 2 of the guide asks.
	Callback string
	// Menu, of Closed alone, is heard after Hours: the informations that serve at any hour.
	Menu string
}

// Prompts lists the prompts that are set, in the order they are said.
func (j Journey) Prompts() []string {
	var said []string
	for _, p := range []string{j.Prompt, j.Hours, j.OtherMeans, j.Callback} {
		if p != "" {
			said = append(said, p)
		}
	}
	return said
}

type (
	// Closed is the journey outside opening hours.
	Closed = Journey
	// Saturated is the journey when the queue is full.
	Saturated = Journey
)

// Limits are the bounds the lint holds the definition to.
type Limits struct {
	// MaxChoices bounds the subjects of a menu. Default 4. The keys for a person, to hear
	// again and for deaf callers are not counted: other rules ask for them.
	MaxChoices     int
	MaxDepth       int           // default 2
	SpeechToPerson time.Duration // default 45 s
	// MaxNumbers bounds the numbers for the general public; those of a dedicated public
	// (deaf, overseas …) are not counted. Default 3.
	MaxNumbers int
}
