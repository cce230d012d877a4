package metrics

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"decroche/call"
)

var paris = func() *time.Location {
	zone, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		panic(err)
	}
	return zone
}()

// usual are the settings of the stories: those of a definition that says nothing.
func usual() *Settings {
	return &Settings{
		Zone: paris, Short: 5 * time.Second, Reconnect: 5 * time.Minute, SelfService: Week, OtherReason: "autre",
		Simple: map[string]bool{"horaires": true}, InTime: map[string]time.Duration{},
	}
}

// A day tells a story in facts, and asks for its figures.
type day struct {
	testing.TB
	*shelf
	settings *Settings
	ledger   *Ledger
	start    time.Time
	now      time.Time
	n        int
}

// on begins a story at a local time, "2026-03-10 09:00".
func on(t testing.TB, when string) *day {
	t.Helper()
	start, err := time.ParseInLocation("2006-01-02 15:04", when, paris)
	if err != nil {
		t.Fatal(err)
	}
	d := &day{TB: t, shelf: newShelf(), settings: usual(), start: start, now: start}
	d.ledger = &Ledger{Store: d.shelf, Settings: func() *Settings { return d.settings }, Log: slog.New(slog.DiscardHandler)}
	return d
}

// after moves the clock on.
func (d *day) after(by time.Duration) *day {
	d.now = d.now.Add(by)
	return d
}

// tell writes a fact; fields are pairs.
func (d *day) tell(id call.ID, kind call.EventKind, fields ...any) {
	d.Helper()
	m := map[string]any{}
	for i := 0; i < len(fields); i += 2 {
		m[fields[i].(string)] = fields[i+1]
	}
	raw, err := json.Marshal(m)
	if err != nil {
		d.Fatal(err)
	}
	d.Append(call.Event{At: d.now, Call: id, Kind: kind, Data: raw})
}

// caller is a citizen on the line.
type caller struct {
	*day
	id call.ID
}

// arrives lets somebody call within hours; fields change what is known of the call.
func (d *day) arrives(fields ...any) *caller {
	d.Helper()
	d.n++
	c := &caller{d, call.ID(fmt.Sprintf("call-%d", d.n))}
	d.tell(c.id, call.EventArrived, append([]any{
		"to", "+33199003939", "service", "pref", "public", "general", "open", true, "caller", fmt.Sprintf("person-%d", d.n),
	}, fields...)...)
	d.tell(c.id, call.EventLanguage, "lang", "fr")
	return c
}

func (c *caller) reason(r string) *caller {
	c.tell(c.id, call.EventReason, "reason", r, "by", "menu")
	return c
}

// queues asks for a person and stands in line.
func (c *caller) queues(queue string) *caller {
	c.tell(c.id, call.EventAgentAsked, "queue", queue)
	c.tell(c.id, call.EventQueued, "queue", queue, "position", 1)
	return c
}

func (c *caller) connects(agent string) *caller {
	c.tell(c.id, call.EventRinging, "agent", agent)
	c.tell(c.id, call.EventAgentAnswered, "agent", agent)
	c.tell(c.id, call.EventConnected, "agent", agent, "team", "t-"+agent, "queue", "accueil")
	return c
}

// talks for a while, ends and is wrapped up.
func (c *caller) talks(agent string, talk, wrap time.Duration) *caller {
	c.after(talk)
	c.tell(c.id, call.EventTalkEnded, "agent", agent, "by", "caller", "talk_ms", talk.Milliseconds())
	c.ends(call.Answered, call.ReasonCallerHungUp)
	c.after(wrap)
	c.tell(c.id, call.EventWrapped, "agent", agent, "wrap_ms", wrap.Milliseconds())
	return c
}

func (c *caller) ends(o call.Outcome, why call.Reason) *caller {
	c.tell(c.id, call.EventEnded, "outcome", o, "reason", why)
	return c
}

// at sets the clock to a local time, "2026-03-10 09:00:00.000".
func (d *day) at(when string) *day {
	d.Helper()
	at, err := time.ParseInLocation("2006-01-02 15:04:05.000", when, paris)
	if err != nil {
		d.Fatal(err)
	}
	d.now = at
	return d
}

// waits is a while in line.
func (c *caller) waits(by time.Duration) *caller {
	c.after(by)
	return c
}

// abandons hangs up.
func (c *caller) abandons() *caller { return c.ends(call.Abandoned, call.ReasonCallerHungUp) }

// cut is a line that breaks.
func (c *caller) cut(o call.Outcome) *caller { return c.ends(o, call.ReasonCutOff) }

// informed hears the information to its end.
func (c *caller) informed(reason string) *caller {
	c.reason(reason)
	c.tell(c.id, call.EventInfo, "info", "venir")
	return c.ends(call.SelfServed, call.ReasonHeardAll)
}

// served waits, and talks with an agent for two minutes.
func (c *caller) served(wait time.Duration) *caller {
	return c.queues("accueil").waits(wait).connects("2001").talks("2001", 2*time.Minute, 0)
}

// transfers gives the caller to a colleague.
func (c *caller) transfers(from, to, how string, levels ...int) *caller {
	fields := []any{"agent", from, "to", to, "team", "t-" + to, "how", how}
	if len(levels) == 2 {
		fields = append(fields, "from_level", levels[0], "to_level", levels[1])
	}
	c.tell(c.id, call.EventTransferred, fields...)
	return c
}

// promised is a callback asked for, by the end of a window.
func (c *caller) promised(promise string, window time.Duration, fields ...any) *caller {
	c.tell(c.id, call.EventPromised, append([]any{
		"promise", promise, "kind", "place", "origin", "queue", "queue", "accueil", "asked_ms", c.now.UnixMilli(), "by_ms", c.now.Add(window).UnixMilli(),
	}, fields...)...)
	return c
}

// books stands in line and chooses a callback.
func (c *caller) books(promise string, window time.Duration) *caller {
	return c.queues("accueil").promised(promise, window).ends(call.CalledBack, call.ReasonPlace)
}

// recalls places a call of ours for a promise of the contact.
func (c *caller) recalls(promise string) *caller {
	c.n++
	out := &caller{c.day, call.ID(fmt.Sprintf("out-%d", c.n))}
	out.tell(out.id, call.EventCalling, "promise", promise, "contact", c.id)
	out.tell(out.id, call.EventDialled, "promise", promise, "contact", c.id)
	return out
}

// misses is a call of ours that nobody takes.
func (c *caller) misses(promise string) {
	c.recalls(promise).ends(call.NotReached, call.ReasonNoAnswer)
	c.tell(c.id, call.EventAttempted, "promise", promise, "result", "no_answer")
}

// reaches is a call of ours on which citizen and agent talk for a minute.
func (c *caller) reaches(promise string, late bool) {
	out := c.recalls(promise)
	out.connects("2001")
	c.tell(c.id, call.EventAttempted, "promise", promise, "result", "connected")
	c.settles(promise, "kept", late)
	out.talks("2001", time.Minute, 0)
}

// settles ends a promise.
func (c *caller) settles(promise, state string, late bool) *caller {
	c.tell(c.id, call.EventPromiseEnded, "promise", promise, "state", state, "late", late)
	return c
}

// agent changes state.
func (d *day) agent(id, team, state string) *day {
	d.tell("", call.EventAgentState, "agent", id, "team", team, "state", state)
	return d
}

// figures are those of the days the story took, in a fresh rebuild and as facts came in.
func (d *day) cell(dim Dim, value string) *Cell {
	d.Helper()
	if err := d.ledger.Advance(d.Context()); err != nil {
		d.Fatal(err)
	}
	f := d.figures()
	from := d.start.Truncate(15 * time.Minute).Add(-24 * time.Hour)
	lines, err := f.Lines(d.Context(), Query{From: from, To: from.Add(60 * 24 * time.Hour), By: dim, Percentiles: true})
	if err != nil {
		d.Fatal(err)
	}
	for _, l := range lines {
		if l.Value == value {
			return l.Cell
		}
	}
	return new(Cell)
}

func (d *day) figures() *Figures {
	return &Figures{Store: d.shelf, Settings: func() *Settings { return d.settings }, Now: func() time.Time { return d.now }}
}

// want holds an indicator's counts against those told: numerator and denominator.
func (d *day) want(c *Cell, id string, num, den int64) {
	d.Helper()
	i, ok := IndicatorOf(id)
	if !ok {
		d.Fatalf("there is no indicator %q", id)
	}
	if f := i.Of(c); f.Num != num || f.Den != den {
		d.Errorf("%s is %d / %d, want %d / %d", id, f.Num, f.Den, num, den)
	}
}

// wants holds several: "decroche_agent 4/7, asa 180000/4".
func (d *day) wants(c *Cell, figures string) {
	d.Helper()
	for want := range strings.SplitSeq(figures, ", ") {
		var id string
		var num, den int64
		if _, err := fmt.Sscanf(strings.Replace(want, "/", " ", 1), "%s %d %d", &id, &num, &den); err != nil {
			d.Fatalf("%q is no figure: %v", want, err)
		}
		d.want(c, id, num, den)
	}
}

func TestTheWorkedExampleOfTheDefinitions(t *testing.T) {
	d := on(t, "2026-03-10 09:00")
	for _, wait := range []time.Duration{0, 30, 60, 90} {
		c := d.arrives().queues("accueil")
		c.after(wait * time.Second)
		c.connects("2001").talks("2001", 3*time.Minute, 30*time.Second)
	}
	menu := d.arrives()
	menu.after(8 * time.Second)
	menu.ends(call.LeftIVR, call.ReasonCallerHungUp)

	informed := d.arrives().reason("horaires")
	informed.tell(informed.id, call.EventInfo, "info", "venir")
	informed.tell(informed.id, call.EventSMS, "purpose", "link", "state", "sent")
	informed.ends(call.SelfServed, call.ReasonHeardAll)

	for _, patience := range []time.Duration{3, 200} {
		c := d.arrives().queues("accueil")
		c.after(patience * time.Second)
		c.ends(call.Abandoned, call.ReasonCallerHungUp)
	}

	chose := d.arrives().queues("accueil")
	chose.tell(chose.id, call.EventPromised, "promise", "p1", "kind", "place", "origin", "queue", "queue", "accueil", "by_ms", d.now.Add(time.Hour).UnixMilli())
	chose.ends(call.CalledBack, call.ReasonPlace)
	d.after(10 * time.Minute)
	d.tell("out-1", call.EventCalling, "promise", "p1", "attempt", 1, "contact", chose.id)
	d.tell("out-1", call.EventDialled, "promise", "p1", "attempt", 1, "contact", chose.id)
	d.tell("out-1", call.EventConnected, "agent", "2001", "team", "t-2001", "queue", "accueil")
	d.tell(chose.id, call.EventAttempted, "promise", "p1", "attempt", 1, "result", "connected", "tries", 1)
	d.tell(chose.id, call.EventPromiseEnded, "promise", "p1", "state", "kept", "late", false)
	d.after(2 * time.Minute)
	d.tell("out-1", call.EventTalkEnded, "agent", "2001", "by", "caller")
	d.tell("out-1", call.EventEnded, "outcome", call.Answered, "reason", call.ReasonCallerHungUp)

	full := d.arrives()
	full.tell(full.id, call.EventAgentAsked, "queue", "accueil")
	full.ends(call.Dissuaded, call.ReasonSaturated)

	late := d.arrives("open", false)
	late.ends(call.Closed, call.ReasonClosedHours)

	c := d.cell(Whole, "")
	d.want(c, "decroche_agent", 4, 7)
	d.want(c, "decroche_agent_kept", 5, 7)
	d.want(c, "decroche_agent_harsher", 4, 8)
	d.want(c, "decroche_global", 5, 10)
	d.want(c, "asa", 180_000, 4)
	d.want(c, "in_time", 3, 6)
	d.want(c, "abandoned", 2, 7)
	d.want(c, "abandoned_short", 1, 7)
	d.want(c, "self_served", 1, 11)
	d.want(c, "self_served_open", 1, 10)
	d.want(c, "promises_asked", 1, 0)
	d.want(c, "promises_kept", 1, 1)
	asa, _ := IndicatorOf("asa")
	if got := asa.Of(c).Value; got != 45 {
		t.Errorf("ASA is %v s, want 45", got)
	}
	d.want(d.cell(ByQueue, "accueil"), "decroche_agent", 4, 7)
}

func TestWhatIsKeptAsFactsComeInIsWhatARebuildMakes(t *testing.T) {
	d := on(t, "2026-03-10 09:00")
	for i := range 300 {
		c := d.arrives("caller", fmt.Sprintf("person-%d", i%40)).reason([]string{"a", "b", "autre"}[i%3]).queues("accueil")
		c.after(time.Duration(i) * time.Second)
		d.tell("", call.EventAgentState, "agent", "2001", "team", "t", "state", []string{"available", "talking", "wrap_up", "paused", "signed_out"}[i%5])
		if i%4 == 0 {
			c.ends(call.Abandoned, call.ReasonCallerHungUp)
		} else {
			c.connects("2001").talks("2001", time.Duration(i)*time.Second, 20*time.Second)
		}
		if i%7 == 0 { // facts come in between, and controllers change
			d.cell(Whole, "")
			d.ledger = &Ledger{Store: d.shelf, Settings: d.ledger.Settings, Log: d.ledger.Log}
		}
		d.after(time.Duration(i%50) * time.Minute)
	}
	d.cell(Whole, "")
	other := on(t, "2026-03-10 09:00")
	other.events = d.events
	if err := other.ledger.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantSame(t, d.shelf, other.shelf)
}

func TestWhatIsPurgedKeepsItsFiguresOverARebuild(t *testing.T) {
	d := on(t, "2026-03-10 23:50")
	for range 40 {
		d.arrives("caller", "person-1").reason("a").queues("accueil").connects("2001").talks("2001", time.Minute, 0).after(11 * time.Minute)
	}
	before := d.cell(Whole, "")
	noon := time.Date(2026, 3, 11, 12, 0, 0, 0, paris)
	until, gone, err := d.ledger.Purge(t.Context(), noon)
	if err != nil || gone != 1 || !until.Equal(time.Date(2026, 3, 11, 0, 0, 0, 0, paris)) {
		t.Fatalf("%d contacts went, until %s (%v)", gone, until, err)
	}
	first := d.events[0]
	d.events = d.events[7:] // the journal drops the first contact's facts; ids are given anew here
	d.sides[d.live].Upto = int64(len(d.events))
	if err := d.ledger.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	after := d.cell(Whole, "")
	for _, i := range Indicators {
		if a, b := i.Of(before), i.Of(after); a != b && i.ID != "repeated_24h" && i.ID != "repeated_7d" && i.ID != "resolved_behaviour" {
			t.Errorf("%s of calls since %s was %+v and is %+v", i.ID, first.At, a, b)
		}
	}
	if r := after.N(Repeated24h); r != before.N(Repeated24h) {
		t.Errorf("%d repeats, and before the purge %d", r, before.N(Repeated24h))
	}
	fresh, err := d.figures().Fresh(t.Context())
	if err != nil || !fresh.PurgedBefore.Equal(until) {
		t.Errorf("figures say they cannot be opened before %s (%v)", fresh.PurgedBefore, err)
	}
}

func TestAnErasedPersonKeepsTheFiguresAndLosesTheName(t *testing.T) {
	d := on(t, "2026-03-10 09:00")
	for range 3 {
		d.arrives("caller", "person-1", "caller_was", "person-0").reason("a").queues("accueil").connects("2001").talks("2001", time.Minute, 0).after(time.Hour)
	}
	before := d.cell(Whole, "")
	full := errors.New("the disk is full")
	if _, err := d.ledger.Unname(t.Context(), []string{"person-1"}, func([]call.ID, string) error { return full }); !errors.Is(err, full) {
		t.Errorf("a journal that keeps the name: %v", err)
	}
	var calls []call.ID
	name := ""
	n, err := d.ledger.Unname(t.Context(), []string{"person-1"}, func(c []call.ID, as string) error { calls, name = c, as; return nil })
	if err != nil || n != 3 || len(calls) != 3 || name == "" {
		t.Fatalf("%d contacts, %q, were renamed %q (%v)", n, calls, name, err)
	}
	if known, err := d.ledger.Of(t.Context(), []string{"person-1", "person-0"}); err != nil || len(known) != 0 {
		t.Errorf("%d contacts are still known by their pseudonyms (%v)", len(known), err)
	}
	for i, e := range d.events { // as the journal is rewritten
		d.events[i].Data = []byte(strings.ReplaceAll(strings.ReplaceAll(string(e.Data), "person-1", name), "person-0", ""))
	}
	if err := d.ledger.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	after := d.cell(Whole, "")
	if after.n != before.n || after.N(Repeated24h) != 2 {
		t.Errorf("the figures changed: %d repeats, and before %d", after.N(Repeated24h), before.N(Repeated24h))
	}
}
