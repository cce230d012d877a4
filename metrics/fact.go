package metrics

import (
	"encoding/json"
	"fmt"

	"decroche/call"
)

// Fact is a fact of the journal as it is folded: the fields of every kind, in one.
type Fact struct {
	ID   int64 // in the journal
	At   Moment
	Call call.ID
	Kind call.EventKind
	data
}

// data has the fields of the kinds that figures are made of; see call.EventKind.
type data struct {
	To        string       `json:"to"`
	Withheld  bool         `json:"withheld"`
	Service   string       `json:"service"`
	Public    string       `json:"public"`
	Open      bool         `json:"open"`
	Source    string       `json:"source"`
	Caller    string       `json:"caller"`
	CallerWas string       `json:"caller_was"`
	Lang      string       `json:"lang"`
	Reason    string       `json:"reason"`
	Queue     string       `json:"queue"`
	LowS      int64        `json:"low_s"`
	HighS     int64        `json:"high_s"`
	EstimateS int64        `json:"estimate_s"`
	Method    string       `json:"method"`
	Rung      string       `json:"rung"`
	Agent     string       `json:"agent"`
	Team      string       `json:"team"`
	WaitMS    int64        `json:"wait_ms"`
	How       string       `json:"how"`
	FromLevel int          `json:"from_level"`
	ToLevel   int          `json:"to_level"`
	WrapMS    int64        `json:"wrap_ms"`
	Resolved  bool         `json:"resolved"`
	Outcome   call.Outcome `json:"outcome"`
	Contact   call.ID      `json:"contact"`
	What      string       `json:"what"`
	Promise   string       `json:"promise"`
	Origin    string       `json:"origin"`
	Merged    bool         `json:"merged"`
	AskedMS   int64        `json:"asked_ms"`
	ByMS      int64        `json:"by_ms"`
	State     string       `json:"state"`
	Late      bool         `json:"late"`
	Purpose   string       `json:"purpose"`
	About     string       `json:"about"`
	Score     int          `json:"score"`
	Of        int          `json:"of"`
}

// FactOf reads an event of the journal. It fails when the event's data is no object of the
// kind; what the journal calls malformed gives no fact.
func FactOf(id int64, e call.Event) (Fact, error) {
	var f Fact
	err := new(factReader).read(&f, id, e)
	return f, err
}

// unfolded are the kinds that change no contact: their data need not be read.
var unfolded = map[call.EventKind]bool{
	call.EventResumed: true, call.EventMessage: true, call.EventMenu: true, call.EventInfo: true, call.EventOverflowed: true,
	call.EventRinging: true, call.EventRingFailed: true, call.EventAgentAnswered: true, call.EventAccess: true,
}

// factReader reads facts, one after the other.
type factReader struct {
	words map[string]string // one copy of each word that comes often
}

// manyWords bounds the words kept: agents, queues, reasons.
const manyWords = 4096

func (r *factReader) read(f *Fact, id int64, e call.Event) error {
	*f = Fact{ID: id, At: At(e.At), Call: e.Call, Kind: e.Kind}
	if unfolded[e.Kind] {
		return nil
	}
	s := scanner{b: e.Data, factReader: r}
	if s.object(&f.data) {
		return nil
	}
	f.data = data{}
	if err := json.Unmarshal(e.Data, &f.data); err != nil {
		return fmt.Errorf("fact %d of the journal, %s: %w", id, e.Kind, err)
	}
	return nil
}

// word is the text of b.
func (r *factReader) word(b []byte) string {
	if len(b) > 20 { // a pseudonym, or the name of a call: it does not come often
		return string(b)
	}
	w, ok := r.words[string(b)]
	if !ok {
		w = string(b)
		if r.words == nil {
			r.words = map[string]string{}
		}
		if len(r.words) < manyWords {
			r.words[w] = w
		}
	}
	return w
}

// scanner reads the plain objects that the journal is made of, which are nearly all, many
// times faster than encoding/json, and gives up on every other: it knows objects of plain
// texts, whole numbers, true, false and null. A test holds it to encoding/json.
type scanner struct {
	b   []byte
	bad bool
	*factReader
}

func (s *scanner) object(d *data) bool {
	s.space()
	s.expect('{')
	if s.space(); s.next('}') {
		s.space()
		return !s.bad && len(s.b) == 0
	}
	for !s.bad {
		s.space()
		key := s.quoted()
		s.space()
		s.expect(':')
		s.space()
		s.field(d, key)
		if s.space(); s.next('}') {
			s.space()
			return !s.bad && len(s.b) == 0
		}
		s.expect(',')
	}
	return false
}

func (s *scanner) field(d *data, key []byte) {
	if s.null() { // leaves the field as it is
		return
	}
	switch string(key) {
	case "to":
		s.text(&d.To)
	case "withheld":
		s.yes(&d.Withheld)
	case "service":
		s.text(&d.Service)
	case "public":
		s.text(&d.Public)
	case "open":
		s.yes(&d.Open)
	case "source":
		s.text(&d.Source)
	case "caller":
		s.text(&d.Caller)
	case "caller_was":
		s.text(&d.CallerWas)
	case "lang":
		s.text(&d.Lang)
	case "reason":
		s.text(&d.Reason)
	case "queue":
		s.text(&d.Queue)
	case "low_s":
		s.whole(&d.LowS)
	case "high_s":
		s.whole(&d.HighS)
	case "estimate_s":
		s.whole(&d.EstimateS)
	case "method":
		s.text(&d.Method)
	case "rung":
		s.text(&d.Rung)
	case "agent":
		s.text(&d.Agent)
	case "team":
		s.text(&d.Team)
	case "wait_ms":
		s.whole(&d.WaitMS)
	case "how":
		s.text(&d.How)
	case "from_level":
		s.small(&d.FromLevel)
	case "to_level":
		s.small(&d.ToLevel)
	case "wrap_ms":
		s.whole(&d.WrapMS)
	case "resolved":
		s.yes(&d.Resolved)
	case "outcome":
		s.text((*string)(&d.Outcome))
	case "contact":
		s.text((*string)(&d.Contact))
	case "what":
		s.text(&d.What)
	case "promise":
		s.text(&d.Promise)
	case "origin":
		s.text(&d.Origin)
	case "merged":
		s.yes(&d.Merged)
	case "asked_ms":
		s.whole(&d.AskedMS)
	case "by_ms":
		s.whole(&d.ByMS)
	case "state":
		s.text(&d.State)
	case "late":
		s.yes(&d.Late)
	case "purpose":
		s.text(&d.Purpose)
	case "about":
		s.text(&d.About)
	case "score":
		s.small(&d.Score)
	case "of":
		s.small(&d.Of)
	default:
		s.skip(key)
	}
}

// skip passes over a field that figures are not made of. encoding/json takes names in any
// letters: those that are not as the journal writes them are left to it.
func (s *scanner) skip(key []byte) {
	for _, c := range key {
		s.bad = s.bad || (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_'
	}
	if len(s.b) == 0 {
		s.bad = true
		return
	}
	var flag bool
	var number int64
	switch c := s.b[0]; {
	case c == '"':
		s.quoted()
	case c == 't' || c == 'f':
		s.yes(&flag)
	default:
		s.whole(&number)
	}
}

func (s *scanner) space() {
	for len(s.b) > 0 && (s.b[0] == ' ' || s.b[0] == '\t' || s.b[0] == '\n' || s.b[0] == '\r') {
		s.b = s.b[1:]
	}
}

// next takes a character, if it is the next.
func (s *scanner) next(c byte) bool {
	if len(s.b) == 0 || s.b[0] != c {
		return false
	}
	s.b = s.b[1:]
	return true
}

func (s *scanner) expect(c byte) { s.bad = !s.next(c) || s.bad }

func (s *scanner) null() bool { return s.literal("null") }

func (s *scanner) literal(word string) bool {
	if len(s.b) < len(word) || string(s.b[:len(word)]) != word {
		return false
	}
	s.b = s.b[len(word):]
	return true
}

// quoted takes a text of printable ASCII without escapes.
func (s *scanner) quoted() []byte {
	s.expect('"')
	for i, c := range s.b {
		switch {
		case c == '"':
			text := s.b[:i]
			s.b = s.b[i+1:]
			return text
		case c < ' ' || c > '~' || c == '\\':
			s.bad = true
			return nil
		}
	}
	s.bad = true
	return nil
}

func (s *scanner) text(to *string) { *to = s.word(s.quoted()) }

func (s *scanner) yes(to *bool) {
	switch {
	case s.literal("true"):
		*to = true
	case s.literal("false"):
		*to = false
	default:
		s.bad = true
	}
}

// whole takes a number of 17 digits at most; what follows it is looked at by who takes more.
func (s *scanner) whole(to *int64) {
	minus, n, i := s.next('-'), int64(0), 0
	for ; i < len(s.b) && i < 18 && s.b[i] >= '0' && s.b[i] <= '9'; i++ {
		n = n*10 + int64(s.b[i]-'0')
	}
	s.bad = s.bad || i == 0 || i == 18 || s.b[0] == '0' && i > 1
	s.b = s.b[i:]
	if *to = n; minus {
		*to = -n
	}
}

func (s *scanner) small(to *int) {
	var n int64
	s.whole(&n)
	*to = int(n)
	s.bad = s.bad || int64(*to) != n
}
