// Package metricstest makes up journals: the facts of a public service over months, with
// every outcome, in the order of time. The same seed tells the same year.
package metricstest

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"decroche/call"
)

// Year is what a service lived through: citizens who call ten queues for twenty reasons, in
// three languages and of five publics, and sixty agents of eight teams who answer.
type Year struct {
	Seed     uint64
	Contacts int
	// From is the first day, at midnight in its own zone; default: 1 January 2026 in Paris.
	From time.Time
	// Days is how long it lasts; default 365. Callbacks may end a little later.
	Days int
}

// Paris is the zone of the service.
var Paris = func() *time.Location {
	zone, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		panic(err)
	}
	return zone
}()

const (
	queues, reasons, agents, teams = 10, 20, 60, 8

	second  = int64(1000) // times are milliseconds since 1970
	minute  = 60 * second
	hour    = 60 * minute
	day     = 24 * hour
	keyLife = 30 * day // of the pseudonyms' key
	overlap = 7 * day  // in which the key before is kept too
)

// Events tells the facts in the order of time.
func (y Year) Events() iter.Seq[call.Event] {
	if y.From.IsZero() {
		y.From = time.Date(2026, 1, 1, 0, 0, 0, 0, Paris)
	}
	if y.Days == 0 {
		y.Days = 365
	}
	return func(yield func(call.Event) bool) {
		t := &teller{Year: y, rng: rand.New(rand.NewPCG(y.Seed, 1))}
		for d, n := range y.perDay() {
			morning, next := y.From.AddDate(0, 0, d), y.From.AddDate(0, 0, d+1)
			t.day(morning, n)
			if !t.give(next.UnixMilli(), yield) {
				return
			}
		}
		t.give(1<<62, yield)
	}
}

// perDay shares the contacts out: Mondays are heavy, Sundays empty, August is calm.
func (y Year) perDay() []int {
	week := [7]float64{0.02, 1.3, 1.1, 0.95, 1, 0.85, 0.08}
	season := [12]float64{1.25, 1.05, 1, 1, 0.9, 1, 0.85, 0.7, 1.25, 1.1, 1, 0.8}
	weights, total := make([]float64, y.Days), 0.0
	for d := range weights {
		at := y.From.AddDate(0, 0, d)
		weights[d] = week[at.Weekday()] * season[at.Month()-1]
		total += weights[d]
	}
	out, sum, given := make([]int, y.Days), 0.0, 0
	for d, w := range weights {
		sum += w
		upto := int(float64(y.Contacts)*sum/total + 0.5)
		out[d], given = upto-given, upto
	}
	return out
}

// shape is how the arrivals of a day spread over its hours; some call at night.
var shape = [24]int{7: 1, 8: 60, 9: 130, 10: 150, 11: 120, 12: 70, 13: 85, 14: 120, 15: 105, 16: 70, 17: 8, 18: 3, 19: 2, 20: 1, 21: 1}

type teller struct {
	Year
	rng     *rand.Rand
	pending []fact
	room    []byte
	told    int // facts, which keeps those of one moment in order
	calls   int
	people  []person // who called in the last days
	oldest  int
	crew    [agents]agent
}

// fact is an event that is not given yet.
type fact struct {
	at, n int64
	call  call.ID
	kind  call.EventKind
	data  []byte
}

type agent struct {
	from, until int64 // the shift
	free        int64
}

type person struct {
	id     uint64
	reason int
	last   int64
}

// day makes up what begins on one day.
func (t *teller) day(morning time.Time, n int) {
	arrivals := make([]int64, n)
	for i := range arrivals {
		at := t.rng.IntN(926) // the sum of shape
		h := 0
		for at >= shape[h] {
			at -= shape[h]
			h++
		}
		arrivals[i] = morning.UnixMilli() + int64(h)*hour + t.rng.Int64N(hour)
	}
	slices.Sort(arrivals)
	if wd := morning.Weekday(); wd != time.Sunday {
		t.shifts(morning.UnixMilli())
	}
	for _, at := range arrivals {
		t.contact(at, morning)
	}
}

// shifts signs the agents in and out, with a break.
func (t *teller) shifts(morning int64) {
	for i := range t.crew {
		from := morning + 8*hour + 30*minute + t.rng.Int64N(30*minute)
		a := &t.crew[i]
		*a = agent{from: from, until: from + 7*hour + t.rng.Int64N(hour), free: from}
		pause := from + 2*hour + t.rng.Int64N(2*hour)
		t.state(i, from, "available")
		t.state(i, pause, "paused", "reason", "pause")
		t.state(i, pause+10*minute, "available")
		t.state(i, a.until, "signed_out")
	}
}

func (t *teller) state(a int, at int64, state string, more ...any) {
	t.tell(at, "", call.EventAgentState, append([]any{"agent", agentID(a), "team", teamOf(a), "state", state}, more...)...)
}

func agentID(a int) string { return strconv.Itoa(2001 + a) }

func teamOf(a int) string { return teamNames[a%teams] }

var (
	teamNames   = [teams]string{"accueil", "titres", "etrangers", "sociale", "logement", "elections", "associations", "routes"}
	queueNames  = [queues]string{"accueil", "titres", "etrangers", "sociale", "logement", "elections", "associations", "routes", "anglais", "specialistes"}
	reasonNames = [reasons]string{"autre", "carte_identite", "passeport", "permis", "carte_grise", "titre_sejour", "naturalisation", "visa", "rsa", "apl", "logement_social", "expulsion", "procuration", "liste_electorale", "association", "manifestation", "radar", "infraction", "horaires", "rendez_vous"}
	publics     = [5]string{"general", "deaf", "overseas", "vulnerable", "relay"}
)

// contact makes up one request of a citizen.
func (t *teller) contact(at int64, morning time.Time) {
	p := t.who(at)
	t.calls++
	c := caller{teller: t, person: p, at: at, id: call.ID(fmt.Sprintf("rcpt-%d.%d", at/second, t.calls)), queue: p.reason % queues, lang: "fr"}
	public := publics[0]
	if r := t.rng.IntN(100); r < 8 {
		public = publics[1+r%4]
	}
	if r := t.rng.IntN(100); r < 9 {
		c.lang = [2]string{"en", "ar"}[r&1]
	}
	open := at >= morning.UnixMilli()+8*hour+30*minute && at < morning.UnixMilli()+17*hour && morning.Weekday()%6 != 0
	withheld := t.rng.IntN(100) < 5
	c.known = !withheld
	fields := []any{"to", "+33199003939", "trunk", "operateur", "withheld", withheld, "service", "prefecture", "public", public, "open", open, "held_by_dialplan_ms", 0}
	if withheld {
		fields = append(fields, "from", "")
	} else {
		period := at / keyLife
		fields = append(fields, "caller", t.pseudonym(p.id, period))
		if at-period*keyLife < overlap {
			fields = append(fields, "caller_was", t.pseudonym(p.id, period-1))
		}
	}
	c.tell(call.EventArrived, fields...)
	if !open {
		c.wait(12 * second)
		c.end(call.Closed, call.ReasonClosedHours)
		return
	}
	c.language()
	c.live()
}

// who calls: often somebody who called in the last days.
func (t *teller) who(at int64) person {
	for t.oldest < len(t.people) && at-t.people[t.oldest].last > 7*day {
		t.oldest++
	}
	if t.oldest > 100_000 {
		t.people = slices.Delete(t.people, 0, t.oldest)
		t.oldest = 0
	}
	p := person{id: t.rng.Uint64(), reason: t.rng.IntN(reasons), last: at}
	if known := len(t.people) - t.oldest; known > 20 && t.rng.IntN(100) < 15 {
		p = t.people[t.oldest+t.rng.IntN(known)]
		p.last = at
		if t.rng.IntN(100) < 30 {
			p.reason = t.rng.IntN(reasons)
		}
	}
	t.people = append(t.people, p)
	return p
}

// pseudonym looks as one of the journal's: 32 hexadecimal digits that differ by period.
func (t *teller) pseudonym(id uint64, period int64) string {
	g := rand.NewPCG(id^t.Seed, uint64(period))
	var b [16]byte
	x, y := g.Uint64(), g.Uint64()
	for i := range 8 {
		b[i], b[8+i] = byte(x>>(8*i)), byte(y>>(8*i))
	}
	return hex.EncodeToString(b[:])
}

// caller is a citizen on the line, at a moment.
type caller struct {
	*teller
	person person
	id     call.ID
	at     int64
	queue  int
	lang   string
	known  bool
}

func (c *caller) wait(ms int64) { c.at += ms }

// some waits between 0 and twice the mean, and returns how long.
func (c *caller) some(mean int64) int64 {
	ms := c.rng.Int64N(2*mean + 1)
	c.wait(ms)
	return ms
}

func (c *caller) tell(kind call.EventKind, fields ...any) { c.teller.tell(c.at, c.id, kind, fields...) }

func (c *caller) end(o call.Outcome, why call.Reason) {
	c.tell(call.EventEnded, "outcome", string(o), "reason", string(why))
}

func (c *caller) reason() string { return reasonNames[c.person.reason] }

func (c *caller) language() {
	c.some(2 * second)
	c.tell(call.EventLanguage, "lang", c.lang, "by", "key")
}

// live goes through the menu to one of the outcomes.
func (c *caller) live() {
	c.some(6 * second)
	r := c.rng.IntN(1000)
	if r < 60 {
		c.end(call.LeftIVR, call.ReasonCallerHungUp)
		return
	}
	c.tell(call.EventMenu, "menu", "principal", "choice", strconv.Itoa(1+c.queue%9))
	c.tell(call.EventReason, "reason", c.reason(), "by", "menu")
	switch {
	case r < 150:
		c.informed()
		return
	case r < 160:
		c.tell(call.EventAgentAsked, "queue", queueNames[c.queue])
		c.end(call.Dissuaded, call.ReasonSaturated)
		return
	case r < 165:
		c.end(call.Failed, call.ReasonExchange)
		return
	}
	c.some(second)
	c.tell(call.EventAgentAsked, "queue", queueNames[c.queue])
	c.tell(call.EventQueued, "queue", queueNames[c.queue], "position", 1+c.rng.IntN(12))
	joined := c.at
	if estimate := 30 + c.rng.IntN(400); c.rng.IntN(100) < 80 {
		c.tell(call.EventAnnounced, "queue", queueNames[c.queue], "position", 1+c.rng.IntN(12), "low_s", estimate*7/10, "high_s", estimate*14/10, "estimate_s", estimate, "method", "flow")
	}
	switch {
	case r < 275:
		c.some(90 * second)
		c.end(call.Abandoned, call.ReasonCallerHungUp)
	case r < 300:
		c.some(20 * second)
		c.end(call.Abandoned, call.ReasonCutOff)
		if c.rng.IntN(2) == 0 {
			c.again()
		}
	case r < 350:
		c.promised()
	default:
		c.some(80 * second)
		c.answered(joined)
		c.after()
	}
}

// informed hears an information, and may get the link.
func (c *caller) informed() {
	c.some(40 * second)
	c.tell(call.EventInfo, "info", "info-"+strconv.Itoa(c.person.reason))
	if c.rng.IntN(3) == 0 {
		c.tell(call.EventOffered, "what", "sms", "why", "info")
		c.tell(call.EventSMS, "purpose", "link", "state", "sent")
		late := *c
		late.some(20 * second)
		state := "delivered"
		if c.rng.IntN(20) == 0 {
			state = "failed"
		}
		late.tell(call.EventSMS, "purpose", "link", "state", state)
	}
	c.end(call.SelfServed, call.ReasonHeardAll)
}

// again calls a second time after being cut off.
func (c *caller) again() {
	if !c.known {
		return
	}
	c.some(2 * minute)
	c.calls++
	c.id = call.ID(fmt.Sprintf("rcpt-%d.%d", c.at/second, c.calls))
	c.tell(call.EventArrived, "to", "+33199003939", "trunk", "operateur", "withheld", false, "service", "prefecture", "public", "general", "open", true,
		"caller", c.pseudonym(c.person.id, c.at/keyLife), "held_by_dialplan_ms", 0)
	c.language()
	c.tell(call.EventAgentAsked, "queue", queueNames[c.queue])
	c.tell(call.EventQueued, "queue", queueNames[c.queue], "position", 1)
	joined := c.at
	c.some(20 * second)
	c.answered(joined)
}

// pick finds an agent of the queue: one who is free, if there is.
func (c *caller) pick() (a int, free bool) {
	a = (c.queue + teams*c.rng.IntN(agents/teams)) % agents
	for range agents / teams {
		if who := &c.crew[a]; who.free <= c.at && who.from <= c.at && c.at < who.until {
			return a, true
		}
		a = (a + teams) % agents
	}
	return a, false
}

// answered is the conversation, with holds and transfers, and what the agent says of it.
func (c *caller) answered(joined int64) {
	a, free := c.pick()
	c.tell(call.EventRinging, "agent", agentID(a))
	c.some(3 * second)
	began := c.at
	c.tell(call.EventAgentAnswered, "agent", agentID(a))
	c.tell(call.EventConnected, "agent", agentID(a), "team", teamOf(a), "queue", queueNames[c.queue], "wait_ms", c.at-joined)
	started := c.at
	c.some(2 * minute)
	if c.rng.IntN(100) < 12 {
		c.tell(call.EventHold, "agent", agentID(a))
		c.some(30 * second)
		if c.rng.IntN(3) == 0 {
			c.tell(call.EventConsulted, "agent", agentID(a), "with", agentID((a+1)%agents))
		}
		c.tell(call.EventUnhold, "agent", agentID(a))
	}
	if c.rng.IntN(100) < 6 {
		to := (a + 1) % agents
		how := [2]string{"blind", "consulted"}[c.rng.IntN(2)]
		c.tell(call.EventTransferred, "agent", agentID(a), "to", agentID(to), "team", teamOf(to), "how", how, "from_level", 1, "to_level", 1+c.rng.IntN(2))
		if free {
			c.worked(a, began, 20*second)
		}
		a, free, started = to, false, c.at
		c.some(2 * minute)
	}
	c.tell(call.EventTalkEnded, "agent", agentID(a), "by", [2]string{"caller", "agent"}[c.rng.IntN(2)], "talk_ms", c.at-started)
	end := c.at
	if r := c.rng.IntN(100); r < 80 {
		c.tell(call.EventResolved, "agent", agentID(a), "resolved", r < 68)
	}
	c.end(call.Answered, call.ReasonCallerHungUp)
	wrap := c.rng.Int64N(60 * second)
	late := *c
	late.at = end + wrap
	if c.rng.IntN(100) < 7 {
		c.person.reason = c.rng.IntN(reasons)
		late.tell(call.EventReason, "reason", reasonNames[c.person.reason], "by", "agent")
	}
	late.tell(call.EventWrapped, "agent", agentID(a), "wrap_ms", wrap)
	if free {
		c.worked(a, began, wrap)
	}
}

// worked tells the states of an agent in a conversation.
func (c *caller) worked(a int, began, wrap int64) {
	c.state(a, began, "talking")
	c.state(a, c.at, "wrap_up")
	c.state(a, c.at+wrap, "available")
	c.crew[a].free = c.at + wrap
}

// after asks some for their opinion.
func (c *caller) after() {
	if c.rng.IntN(100) >= 10 {
		return
	}
	c.tell(call.EventSurveyAsked, "survey", "chaud", "how", "sms")
	if c.rng.IntN(100) < 40 {
		c.some(hour)
		for i, about := range []string{"welcome", "answer", "overall"} {
			c.wait(5 * second)
			c.tell(call.EventSurveyAnswer, "survey", "chaud", "question", "q"+strconv.Itoa(i+1), "about", about, "score", 1+c.rng.IntN(5), "of", 5)
		}
	}
}

// promised asks to be called back, and is.
func (c *caller) promised() {
	first, promise := *c, "p"+strconv.FormatUint(c.rng.Uint64(), 36)
	c.some(30 * second)
	c.tell(call.EventOffered, "what", "callback", "why", "wait")
	if c.rng.IntN(10) == 0 {
		c.tell(call.EventOfferRefused, "what", "callback")
		c.some(minute)
		c.end(call.Abandoned, call.ReasonCallerHungUp)
		return
	}
	by := c.at + hour
	c.tell(call.EventPromised, "promise", promise, "kind", "place", "origin", "queue", "queue", queueNames[c.queue], "reason", c.reason(),
		"public", "general", "asked_ms", c.at, "joined_ms", first.at, "by_ms", by, "merged", false)
	c.end(call.CalledBack, call.ReasonPlace)
	c.tell(call.EventSMS, "purpose", "promise", "state", "sent", "promise", promise)
	contact := c.id
	promiseEnded := func(state string) {
		c.id = contact
		c.tell(call.EventPromiseEnded, "promise", promise, "state", state, "by", "us", "late", c.at > by)
	}
	switch r := c.rng.IntN(100); {
	case r < 5:
		c.some(10 * minute)
		promiseEnded("cancelled")
	case r < 10:
		c.some(30 * minute)
		by += day
		c.tell(call.EventPromiseMoved, "promise", promise, "by_ms", by, "why", "citizen")
		c.wait(day - 30*minute)
		fallthrough
	default:
		for n := 1; n <= 3; n++ {
			c.some(20 * minute)
			if c.callBack(contact, promise, n) {
				promiseEnded("kept")
				return
			}
		}
		promiseEnded("unreachable")
	}
}

// callBack places a call of ours.
func (c *caller) callBack(contact call.ID, promise string, n int) bool {
	c.id = call.ID("out-" + promise + "-" + strconv.Itoa(n))
	asked := c.at
	c.tell(call.EventCalling, "promise", promise, "attempt", n, "contact", string(contact))
	result, spoke := "no_answer", c.rng.IntN(100) < 65
	if spoke {
		result = "connected"
	}
	c.tell(call.EventDialled, "promise", promise, "attempt", n, "contact", string(contact))
	if spoke {
		c.some(10 * second)
		c.answered(asked)
	} else {
		c.wait(25 * second)
		c.end(call.Abandoned, call.ReasonNoAnswer)
	}
	c.teller.tell(c.at, contact, call.EventAttempted, "promise", promise, "attempt", n, "agent", "", "result", result, "tries", n)
	return spoke
}

// tell notes a fact; fields are pairs.
func (t *teller) tell(at int64, id call.ID, kind call.EventKind, fields ...any) {
	t.told++
	if cap(t.room)-len(t.room) < 1024 {
		t.room = make([]byte, 0, 1<<18)
	}
	start := len(t.room)
	b := append(t.room, '{')
	for i := 0; i < len(fields); i += 2 {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), fields[i].(string)...), '"', ':')
		switch v := fields[i+1].(type) {
		case string: // all of them plain letters, so that quotes are enough
			b = append(append(append(b, '"'), v...), '"')
		case bool:
			b = strconv.AppendBool(b, v)
		case int:
			b = strconv.AppendInt(b, int64(v), 10)
		case int64:
			b = strconv.AppendInt(b, v, 10)
		default:
			panic(fmt.Sprintf("a field of type %T", v))
		}
	}
	t.room = append(b, '}')
	t.pending = append(t.pending, fact{at, int64(t.told), id, kind, t.room[start:len(t.room):len(t.room)]})
}

// give yields what happens before a moment.
func (t *teller) give(before int64, yield func(call.Event) bool) bool {
	slices.SortFunc(t.pending, func(a, b fact) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.n, b.n)) })
	n := 0
	for ; n < len(t.pending) && t.pending[n].at < before; n++ {
		f := &t.pending[n]
		if !yield(call.Event{At: time.UnixMilli(f.at).UTC(), Call: f.call, Kind: f.kind, Data: json.RawMessage(f.data)}) {
			return false
		}
	}
	t.pending = slices.Delete(t.pending, 0, n)
	return true
}
