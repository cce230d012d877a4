package service

import (
	"slices"
	"time"

	"decroche/call"
)

// Access is how deaf and hard-of-hearing callers are served.
type Access struct {
	// Hint tells the key, before anything else; Prompt is said behind it. Hours equal to the
	// line's are the zero value.
	Hint   string
	Prompt string
	Number call.Number
	Hours  *Hours
	Queue  string
	// Writing are the ways to write to an agent: "sms", "web".
	Writing []string
	// Relay is the relay centre that the service works with; nil for none.
	Relay *Relay
}

// Relay is a relay centre: an operator there speaks with us and signs, or types, with the citizen.
type Relay struct {
	Label Text
	// Number reaches the centre: callbacks to its citizens go through it. Withheld: it is not called.
	Number call.Number
	// Callers are the numbers that the centre calls from: such a call is a relayed one, whatever
	// number of ours it dials.
	Callers []call.Number
	// Trunk, if set, is the deployment's trunk to the centre: calls to it go there, and what
	// comes by it is relayed.
	Trunk string
	// Hours are the centre's own, in the service's time zone; nil: it is there whenever the line is.
	Hours *Hours
	// Ring is how long the centre's telephone rings, Answer how long its operator has to get the
	// citizen on the line before asking for it again.
	Ring, Answer time.Duration
}

// PublicRelay is the public of relayed calls.
const PublicRelay = "relay"

// PublicOf is who a caller is, as far as the numbers and the trunk tell: a value of
// Number.Public. A relay centre is known by its numbers, and by its trunk.
func (d *Definition) PublicOf(c call.Info) string {
	if r := d.Access.Relay; r != nil && r.calls(c) {
		return PublicRelay
	}
	number, ok := d.NumberFor(c.To)
	if !ok || number.Public == "" {
		return "general"
	}
	return number.Public
}

// IsRelay says whether a number is the relay centre's.
func (d *Definition) IsRelay(n call.Number) bool {
	r := d.Access.Relay
	return r != nil && n != call.Withheld && (n == r.Number || slices.Contains(r.Callers, n))
}

func (r *Relay) calls(c call.Info) bool {
	if r.Trunk != "" && c.Trunk == r.Trunk {
		return true
	}
	return c.From != call.Withheld && (c.From == r.Number || slices.Contains(r.Callers, c.From))
}

// Writes says whether citizens may write to an agent by a channel, "sms" or "web".
func (a Access) Writes(channel string) bool { return slices.Contains(a.Writing, channel) }

// RelayNumber is the relay centre's that is called; Withheld for none.
func (d *Definition) RelayNumber() call.Number {
	if d.Access.Relay == nil {
		return call.Withheld
	}
	return d.Access.Relay.Number
}

// RelayOpen says whether the relay centre is there at an instant.
func (d *Definition) RelayOpen(at time.Time) bool {
	r := d.Access.Relay
	if r == nil {
		return false
	}
	return r.Hours == nil || r.Hours.contain(at.In(d.location()))
}

// AccessOpen says whether deaf and hard-of-hearing callers are served at an instant.
func (d *Definition) AccessOpen(at time.Time) bool {
	a := d.Access
	return a.Prompt != "" && d.Opening(at).Open && (a.Hours == nil || a.Hours.contain(at.In(d.location())))
}

// AccessQueue is the queue of the access: the first menu's where none is written.
func (d *Definition) AccessQueue() string {
	if d.Queues[d.Access.Queue] != nil {
		return d.Access.Queue
	}
	if m := d.Menus[d.Entry.Menu]; m != nil {
		return m.Queue
	}
	return ""
}

// ThroughRelay is the service as it is open for who is reached through the relay centre: at the
// hours that both are there. Without a centre, or one with hours of its own, it is the service itself.
func (d *Definition) ThroughRelay() *Definition {
	r := d.Access.Relay
	if r == nil || r.Hours == nil {
		return d
	}
	both := *d
	both.Hours = common(d.Hours, *r.Hours)
	both.Openings = slices.Clone(d.Openings)
	for i, o := range both.Openings {
		day, week := o.Day.In(d.location()).Weekday(), Hours{}
		week.Week[day] = o.Ranges
		both.Openings[i].Ranges = common(week, *r.Hours).Week[day]
	}
	return &both
}

// contain says whether a wall clock lies in the week's ranges.
func (h *Hours) contain(wall time.Time) bool {
	minute := wall.Hour()*60 + wall.Minute()
	return slices.ContainsFunc(h.Week[wall.Weekday()], func(r Range) bool { return r.From <= minute && minute < r.To })
}

// Bounds of a relay's patience.
const (
	DefaultRelayRing   = 40 * time.Second
	DefaultRelayAnswer = 90 * time.Second
)

func (r *reader) access(o *object) {
	n := o.get("access")
	if n == nil {
		return
	}
	ao := r.object(n, "access", theKey("access"))
	ao.need("prompt", "access.prompt")
	r.def.Access = Access{
		Hint: ao.ref("hint", "prompt"), Prompt: ao.ref("prompt", "prompt"), Number: ao.number("number"), Queue: ao.ref("queue", "queue"),
		Hours: r.sameOr(ao, "access.hours"), Relay: r.relay(ao),
	}
	for _, item := range ao.list("writing") {
		way, ok := r.scalar(item, ao.item("writing"))
		switch {
		case !ok:
		case way != "sms" && way != "web":
			r.problem(item.at, say("writing.unknown", "way", way), say("writing.unknown.fix"))
		case r.def.Access.Writes(way):
			r.problem(item.at, say("item.twice", "value", way, "key", "writing", "of", ao.label), say("keep"))
		default:
			r.def.Access.Writing = append(r.def.Access.Writing, way)
		}
	}
	ao.close()
}

// sameOr reads hours of their own; nil for "same", or none.
func (r *reader) sameOr(o *object, path string) *Hours {
	h := o.get("hours")
	if h == nil || h.kind == scalar && h.text == "same" {
		return nil
	}
	hours := r.hours(h, path)
	return &hours
}

func (r *reader) relay(ao *object) *Relay {
	n := ao.get("relay")
	if n == nil {
		return nil
	}
	ro := r.object(n, "access.relay", theKey("relay"))
	relay := &Relay{
		Number: ro.number("number"), Trunk: ro.text("trunk"), Hours: r.sameOr(ro, "access.relay.hours"),
		Ring:   ro.duration("ring", DefaultRelayRing, 10*time.Second, 2*time.Minute),
		Answer: ro.duration("answer", DefaultRelayAnswer, 30*time.Second, 10*time.Minute),
	}
	if l := ro.get("label"); l != nil {
		relay.Label = r.label(l, "access.relay.label", labelOf(say("the.relay")))
	}
	for _, item := range ro.list("callers") {
		s, ok := r.scalar(item, ro.item("callers"))
		if !ok {
			continue
		}
		number, err := call.ParseNumber(s)
		switch {
		case err != nil || number == call.Withheld:
			r.problem(item.at, say("number.wrong", "key", "callers", "of", ro.label, "value", s, "why", call.ErrNotANumber), say("number.wrong.fix"))
		case slices.Contains(relay.Callers, number):
			r.problem(item.at, say("item.twice", "value", number.Spoken(), "key", "callers", "of", ro.label), say("keep"))
		default:
			if _, ours := r.def.NumberFor(number); ours {
				r.problem(item.at, say("relay.own", "number", number.Spoken()), say("relay.own.fix"))
			}
			relay.Callers = append(relay.Callers, number)
		}
	}
	if relay.Number == call.Withheld && len(relay.Callers) == 0 && relay.Trunk == "" {
		r.problem(n.at, say("relay.unreachable"), say("relay.unreachable.fix"))
	}
	ro.close()
	return relay
}

// access holds the definition to row 11: a key that is said first, hours that are the line's.
func (l *linter) access() {
	a := l.d.Access
	if a.Prompt == "" {
		l.add(RuleAccess, 11, Defect, "access", "access.missing")
	}
	if a.Hours != nil && !sameHours(*a.Hours, l.d.Hours) {
		l.add(RuleAccess, 11, Defect, "access.hours", "access.hours")
	}
	if a.Number != call.Withheld {
		l.cost(Number{Number: a.Number, Cost: l.declaredCost(a.Number)}, "access.number")
	}
	first := l.d.Menus[l.d.Entry.Menu]
	if first == nil {
		return
	}
	for _, key := range keysOf(first.Choices) {
		if first.Choices[key].Access {
			l.accessKey(key)
			return
		}
	}
	l.add(RuleAccess, 11, Defect, "menus."+first.ID+".choices", "access.key")
}

// hintWithin is how soon the key for deaf and hard-of-hearing callers is said.
const hintWithin = 10 * time.Second

// accessKey looks at when the key is said: first, in each language that the caller may need.
func (l *linter) accessKey(key call.Digit) {
	hint := l.d.Access.Hint
	if hint == "" {
		l.add(RuleAccess, 11, Defect, "access", "access.first", "key", key)
		return
	}
	if lang, taken := l.d.Entry.LanguageKeys[key]; taken {
		l.add(RuleAccess, 11, Defect, "access.hint", "access.taken", "key", key, "language", lang)
	}
	for _, n := range l.d.Numbers {
		if n.Queue != "" || n.Public == PublicRelay {
			continue
		}
		var lasts time.Duration
		for _, lang := range l.heardIn(n) {
			lasts += l.dur(hint, lang)
		}
		if lasts > hintWithin {
			l.add(RuleAccess, 11, Defect, "access.hint", "access.late", "seconds", seconds(lasts), "number", n.Number.Spoken(), "most", seconds(hintWithin))
			return
		}
	}
}

func sameHours(a, b Hours) bool {
	for day := range a.Week {
		if !slices.Equal(a.Week[day], b.Week[day]) {
			return false
		}
	}
	return true
}
