package metrics

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"decroche/call"
	"decroche/metrics/metricstest"
)

// The indicators a second time, written from kpi.md alone and without any thought for speed:
// every figure is counted by going over all the facts again. What the ledger keeps as facts
// come in must say the same, for every day, queue, reason, public, language and agent, and
// open on the same contacts.
func TestFiguresAreThoseCountedAgainFromTheFacts(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		year := metricstest.Year{
			Seed: rapid.Uint64().Draw(r, "seed"), Contacts: rapid.IntRange(1, 60).Draw(r, "contacts"),
			From: time.Date(2026, 10, 19, 0, 0, 0, 0, paris), Days: rapid.IntRange(1, 12).Draw(r, "days"), // over the end of summer time
		}
		d := &day{TB: t, shelf: newShelf(slices.Collect(year.Events())...), settings: usual(), start: year.From}
		d.settings.Simple = map[string]bool{"horaires": true, "permis": true}
		d.settings.InTime = map[string]time.Duration{"titres": 40 * time.Second}
		d.now = d.events[len(d.events)-1].At.Add(10 * Day)
		d.ledger = &Ledger{Store: d.shelf, Settings: func() *Settings { return d.settings }, Log: slog.New(slog.DiscardHandler)}
		if err := d.ledger.Advance(t.Context()); err != nil {
			r.Fatal(err)
		}
		n := naively(d.events, d.settings)
		for dim, of := range map[Dim]func(*told) []string{
			Whole:      func(*told) []string { return []string{""} },
			ByQueue:    func(c *told) []string { return []string{c.queue()} },
			ByReason:   func(c *told) []string { return []string{c.last(call.EventReason, "reason")} },
			ByPublic:   func(c *told) []string { return []string{c.text(0, "public")} },
			ByLanguage: func(c *told) []string { return []string{c.last(call.EventLanguage, "lang")} },
		} {
			n.agrees(r, d, dim, of)
		}
		n.conversations(r, d)
		n.presence(r, d)
	})
}

// told are the facts of one contact, in the order of the journal.
type told struct {
	facts []map[string]any
	again bool // followed within 24 hours …
	later bool // … or seven days, for the same reason
}

type naive struct {
	contacts []*told
	agents   []map[string]any
	s        *Settings
}

// naively sorts the facts out by contact.
func naively(events []call.Event, s *Settings) *naive {
	n := &naive{s: s}
	of := map[string]*told{}
	for _, e := range events {
		f := map[string]any{}
		if err := json.Unmarshal(e.Data, &f); err != nil {
			panic(err)
		}
		f["at"], f["call"], f["fact"] = float64(e.At.UnixMilli()), string(e.Call), string(e.Kind)
		id := string(e.Call)
		switch e.Kind {
		case call.EventAgentState:
			n.agents = append(n.agents, f)
			continue
		case call.EventCalling:
			of[id] = of[f["contact"].(string)]
		case call.EventArrived:
			if of[id] = n.resumes(f); of[id] == nil {
				of[id] = &told{}
				n.contacts = append(n.contacts, of[id])
			}
		}
		of[id].facts = append(of[id].facts, f)
	}
	for _, a := range n.contacts {
		if !a.recognised() {
			continue
		}
		for _, b := range n.contacts {
			gap := b.at(0) - a.at(0)
			if gap <= 0 || !b.recognised() || !samePerson(a.facts[0], b.facts[0]) ||
				a.last(call.EventReason, "reason") != b.last(call.EventReason, "reason") {
				continue
			}
			a.again = a.again || gap <= 24*3600_000
			a.later = a.later || gap <= 7*24*3600_000
		}
	}
	return n
}

// resumes finds the contact of a caller who was cut off less than five minutes ago.
func (n *naive) resumes(arrived map[string]any) *told {
	for i := len(n.contacts) - 1; i >= 0; i-- {
		c := n.contacts[i]
		end := c.find(func(f map[string]any) bool { return f["fact"] == "ended" && !c.ours(f) })
		if len(end) == 0 || !samePerson(c.facts[0], arrived) || c.text(0, "public") == "relay" || arrived["public"] == "relay" {
			continue
		}
		last := end[len(end)-1]
		dropped := last["reason"] == string(call.ReasonCutOff) || last["reason"] == string(call.ReasonExchange)
		if dropped && arrived["at"].(float64)-last["at"].(float64) <= 5*60_000 {
			return c
		}
	}
	return nil
}

func samePerson(a, b map[string]any) bool {
	x, _ := a["caller"].(string)
	y, _ := b["caller"].(string)
	was, _ := b["caller_was"].(string)
	return x != "" && y != "" && (x == y || x == was)
}

func (c *told) find(is func(map[string]any) bool) (out []map[string]any) {
	for _, f := range c.facts {
		if is(f) {
			out = append(out, f)
		}
	}
	return out
}

func (c *told) kind(k call.EventKind) []map[string]any {
	return c.find(func(f map[string]any) bool { return f["fact"] == string(k) })
}

func (c *told) text(i int, field string) string { s, _ := c.facts[i][field].(string); return s }
func (c *told) at(i int) int64                  { return int64(c.facts[i]["at"].(float64)) }

func (c *told) last(k call.EventKind, field string) string {
	facts := c.kind(k)
	if len(facts) == 0 {
		return ""
	}
	return facts[len(facts)-1][field].(string)
}

// queue is the one the citizen asked for first.
func (c *told) queue() string {
	if asked := c.kind(call.EventAgentAsked); len(asked) > 0 {
		return asked[0]["queue"].(string)
	}
	return ""
}

func (c *told) ours(f map[string]any) bool { return f["call"].(string)[:3] == "out" }

func (c *told) recognised() bool {
	return c.facts[0]["withheld"] == false && c.text(0, "public") != "relay"
}

// of counts the contact for every indicator: what it adds to the numerator and to the
// denominator.
func (n *naive) of(c *told) map[string][2]int64 {
	out := map[string][2]int64{}
	count := func(id string, num, den bool) { out[id] = [2]int64{bit(num), bit(den)} }
	ends := c.find(func(f map[string]any) bool { return f["fact"] == "ended" && !c.ours(f) })
	outcome := ends[len(ends)-1]["outcome"].(string)
	spoke := c.kind(call.EventConnected)
	answered := len(spoke) > 0 && !c.ours(spoke[0])
	if answered {
		outcome = "answered"
	}
	open := c.facts[0]["open"] == true
	refused := outcome == "dissuaded" || outcome == "failed"
	asked := open && len(c.kind(call.EventAgentAsked)) > 0 && !refused
	answered = asked && answered
	reason := c.last(call.EventReason, "reason")

	lost := len(c.find(func(f map[string]any) bool {
		return f["fact"] == "sms" && f["purpose"] == "link" && f["state"] == "failed"
	})) > 0
	served := outcome == "self_served" && !lost && !c.later
	promise := c.kind(call.EventPromised)
	state, late := "", false
	if p := c.kind(call.EventPromiseEnded); len(p) > 0 {
		state, late = p[0]["state"].(string), p[0]["late"].(bool)
	}
	count("received", true, false)
	count("received_open", open, false)
	count("requested", asked, false)
	count("answered", answered, false)
	count("decroche_agent", answered, asked)
	count("decroche_agent_kept", answered || asked && state == "kept" && !late, asked)
	count("decroche_agent_harsher", answered, asked || open && refused)
	count("decroche_global", answered || served && open, open)
	count("left_ivr", outcome == "left_ivr", true)
	count("self_served", served, true)
	count("self_served_open", served && open, open)
	count("simple", answered && n.s.Simple[reason], answered)
	count("other_reason", reason == "" || reason == "autre", true)
	count("withheld", c.facts[0]["withheld"] == true, true)
	count("repeated_24h", c.again, c.recognised())
	count("repeated_7d", c.later, c.recognised())
	count("resolved_behaviour", c.recognised() && !c.later, c.recognised())
	for _, o := range []string{"self_served", "left_ivr", "abandoned", "called_back", "closed", "dissuaded", "transferred_out", "failed", "answered"} {
		count("outcome_"+o, outcome == o, false)
	}
	n.waits(c, out, outcome, open, answered, spoke)
	n.talks(c, out, spoke)
	n.words(c, out)

	made := len(promise) > 0
	tries := int64(len(c.kind(call.EventAttempted)))
	out["promises_asked"], out["attempts"] = [2]int64{bit(made)}, [2]int64{tries, bit(made)}
	count("promises_kept", state == "kept" && !late, state == "kept" || state == "unreachable")
	count("promises_late", state == "kept" && late, false)
	count("promises_unreachable", state == "unreachable" && tries > 0, false)
	count("promises_expired", state == "unreachable" && tries == 0, false)
	count("promises_cancelled", state == "cancelled", false)
	out["callback_delay"] = [2]int64{}
	if state == "kept" {
		done := c.kind(call.EventPromiseEnded)[0]["at"].(float64)
		out["callback_delay"] = [2]int64{int64(done - promise[0]["at"].(float64)), 1}
	}
	return out
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// waits are attente, délais, abandon and justesse de l'attente annoncée.
func (n *naive) waits(c *told, out map[string][2]int64, outcome string, open, answered bool, spoke []map[string]any) {
	queued := c.kind(call.EventQueued)
	offered := open && len(queued) > 0
	wait, from := int64(0), int64(0)
	if answered {
		for _, q := range queued {
			if q["call"] == spoke[0]["call"] {
				from = int64(q["at"].(float64))
				break
			}
		}
		wait = int64(spoke[0]["at"].(float64)) - from
		out["asa"] = [2]int64{wait, 1}
		out["perceived"] = [2]int64{int64(spoke[0]["at"].(float64)) - c.at(0), 1}
	}
	limit := int64(60_000)
	if d := n.s.InTime[c.queue()]; d > 0 {
		limit = d.Milliseconds()
	}
	gone := offered && outcome == "abandoned"
	short := false
	if gone {
		ends := c.find(func(f map[string]any) bool { return f["fact"] == "ended" && !c.ours(f) })
		short = ends[len(ends)-1]["at"].(float64)-queued[0]["at"].(float64) < 5_000
	}
	out["in_time"] = [2]int64{bit(answered && wait <= limit), bit(offered && !short)}
	out["abandoned"] = [2]int64{bit(gone), bit(offered)}
	out["abandoned_short"] = [2]int64{bit(gone && short), bit(offered)}
	if !answered {
		return
	}
	said := c.find(func(f map[string]any) bool { return f["fact"] == "announced" && f["call"] == spoke[0]["call"] })
	out["told"] = [2]int64{bit(len(said) > 0), 1}
	if len(said) > 0 {
		left := int64(spoke[0]["at"].(float64) - said[0]["at"].(float64))
		low, high := int64(said[0]["low_s"].(float64)*1000), int64(said[0]["high_s"].(float64)*1000)
		out["told_in_range"] = [2]int64{bit(low <= left && left <= high), 1}
		out["told_above"] = [2]int64{bit(left > high), 1}
		out["told_bias"] = [2]int64{left - int64(said[0]["estimate_s"].(float64)*1000), 1}
	}
}

// naiveLeg is a conversation of one agent.
type naiveLeg struct {
	agent            string
	talk, hold, wrap int64
}

// legs follows who speaks.
func (c *told) legs() (out []naiveLeg) {
	var since, held float64
	open := map[string]int{}
	begin := func(f map[string]any, agent string) {
		open[f["call"].(string)] = len(out)
		out = append(out, naiveLeg{agent: agent})
		since = f["at"].(float64)
	}
	for _, f := range c.facts {
		id := f["call"].(string)
		i, talking := open[id]
		at := f["at"].(float64)
		switch {
		case f["fact"] == "connected":
			begin(f, f["agent"].(string))
		case f["fact"] == "wrapped":
			for j := len(out) - 1; j >= 0; j-- {
				if out[j].agent == f["agent"] {
					out[j].wrap = int64(f["wrap_ms"].(float64))
					break
				}
			}
		case !talking:
		case f["fact"] == "hold":
			held = at
		case f["fact"] == "unhold":
			out[i].hold += int64(at - held)
		case f["fact"] == "transferred" || f["fact"] == "talk_ended":
			out[i].talk = int64(at-since) - out[i].hold
			delete(open, id)
			if f["fact"] == "transferred" {
				begin(f, f["to"].(string))
			}
		}
	}
	return out
}

// talks are DMC, DMT and taux de transfert.
func (n *naive) talks(c *told, out map[string][2]int64, spoke []map[string]any) {
	var talk, all int64
	legs := c.legs()
	for _, l := range legs {
		talk += l.talk
		all += l.talk + l.hold + l.wrap
	}
	reached := bit(len(spoke) > 0)
	out["dmc"], out["dmt"] = [2]int64{talk, int64(len(legs))}, [2]int64{all, int64(len(legs))}
	out["dmc_contact"], out["dmt_contact"] = [2]int64{talk, reached}, [2]int64{all, reached}
	moves := c.kind(call.EventTransferred)
	blind := slices.ContainsFunc(moves, func(f map[string]any) bool { return f["how"] == "blind" })
	higher := slices.ContainsFunc(moves, func(f map[string]any) bool { return f["to_level"].(float64) > f["from_level"].(float64) })
	out["transferred"], out["transferred_blind"] = [2]int64{bit(len(moves) > 0), reached}, [2]int64{bit(blind), reached}
	out["escalated"] = [2]int64{bit(higher), reached}
	out["consulted"] = [2]int64{bit(len(c.kind(call.EventConsulted)) > 0), reached}
}

// words are what agents and citizens say of it, and the text messages.
func (n *naive) words(c *told, out map[string][2]int64) {
	if w := c.kind(call.EventResolved); len(w) > 0 {
		out["resolved_agent"] = [2]int64{bit(w[len(w)-1]["resolved"] == true), 1}
	}
	answers := c.kind(call.EventSurveyAnswer)
	for _, a := range answers {
		out["satisfaction_"+a["about"].(string)] = [2]int64{int64(a["score"].(float64)) * 1000, 1}
	}
	asked := len(c.kind(call.EventSurveyAsked)) > 0
	out["survey_replies"] = [2]int64{bit(len(answers) > 0), bit(asked)}
	for _, f := range c.kind(call.EventSMS) {
		switch f["state"] {
		case "sent":
			out["sms_sent"] = [2]int64{out["sms_sent"][0] + 1}
		case "failed":
			out["sms_failed"] = [2]int64{1}
		}
	}
}

// agrees holds the ledger's figures and lists against the naive ones, by day and value.
func (n *naive) agrees(r *rapid.T, d *day, dim Dim, values func(*told) []string) {
	type key struct{ day, value, id string }
	want := map[key][2]int64{}
	who := map[key][2][]string{}
	for _, c := range n.contacts {
		on := time.UnixMilli(c.at(0)).In(paris).Format(time.DateOnly)
		for id, f := range n.of(c) {
			for _, v := range values(c) {
				k := key{on, v, id}
				want[k] = [2]int64{want[k][0] + f[0], want[k][1] + f[1]}
				k.day = ""
				lists := who[k]
				for i := range f {
					if f[i] != 0 {
						lists[i] = append(lists[i], c.text(0, "call"))
					}
				}
				who[k] = lists
			}
		}
	}
	figures := d.figures()
	q := Query{From: d.start, To: d.start.AddDate(0, 0, 30), Step: ByDay, By: dim}
	lines, err := figures.Lines(r.Context(), q)
	if err != nil {
		r.Fatal(err)
	}
	for _, l := range lines {
		for _, i := range Indicators {
			if i.Rank > 0 || i.ID == "availability" || i.ID == "occupancy" || i.ID == "logged_hours" {
				continue // agents' time is another matter; percentiles are asked of the spread
			}
			k := key{l.From.In(paris).Format(time.DateOnly), l.Value, i.ID}
			if f := i.Of(l.Cell); [2]int64{f.Num, f.Den} != want[k] {
				r.Fatalf("%s of %s %q is %d / %d, and counted again %v", k.id, k.day, k.value, f.Num, f.Den, want[k])
			}
			delete(want, k)
		}
	}
	for k, f := range want {
		if f != [2]int64{} {
			r.Fatalf("%s of %s %q is nothing, and counted again %v", k.id, k.day, k.value, f)
		}
	}
	n.opens(r, figures, q, dim, func(v, id string) [2][]string { return who[key{"", v, id}] })
}

// opens draws some figures, and holds the contacts behind them against those counted.
func (n *naive) opens(r *rapid.T, figures *Figures, q Query, dim Dim, want func(value, id string) [2][]string) {
	for range 3 {
		i := rapid.SampledFrom(Indicators).Draw(r, "indicator")
		v := ""
		where := map[Dim]string{}
		if dim != Whole {
			v = rapid.SampledFrom([]string{"titres", "autre", "general", "fr", "relay"}).Draw(r, "value")
			where[dim] = v
		}
		for side, measures := range [2][2][]Measure{{i.Num, i.NumLess}, {i.Den, i.DenLess}} {
			if i.Rank > 0 || len(measures[0]) == 0 || measures[0][0] >= LoggedMS || measures[0][0] == ReadyMS || measures[0][0] == BusyMS {
				continue
			}
			var got []string
			drill := Drill{From: q.From, To: q.To, Where: where, Counted: measures[0], Less: measures[1], Limit: 7}
			for {
				page, err := figures.Contacts(r.Context(), drill)
				if err != nil {
					r.Fatal(err)
				}
				for _, c := range page.Contacts {
					got = append(got, string(c.ID))
				}
				if drill.After = page.Next; page.Next == 0 {
					break
				}
			}
			expect := slices.Clone(want(v, i.ID)[side])
			slices.Sort(got)
			slices.Sort(expect)
			if !slices.Equal(got, expect) {
				r.Fatalf("%s (%d) of %q opens on %v, and counted again on %v", i.ID, side, v, got, expect)
			}
		}
	}
}

// conversations holds each agent's DMC and DMT.
func (n *naive) conversations(r *rapid.T, d *day) {
	want := map[string][3]int64{}
	for _, c := range n.contacts {
		for _, l := range c.legs() {
			w := want[l.agent]
			want[l.agent] = [3]int64{w[0] + 1, w[1] + l.talk, w[2] + l.talk + l.hold + l.wrap}
		}
	}
	lines, err := d.figures().Lines(r.Context(), Query{From: d.start, To: d.start.AddDate(0, 0, 30), By: ByAgent})
	if err != nil {
		r.Fatal(err)
	}
	got := map[string][3]int64{}
	for _, l := range lines {
		if n := l.Cell.N(Legs); n != 0 {
			got[l.Value] = [3]int64{n, l.Cell.N(TalkMS), l.Cell.N(TalkMS) + l.Cell.N(HoldMS) + l.Cell.N(WrapMS)}
		}
	}
	if !maps.Equal(got, want) {
		r.Fatalf("the agents' conversations are %v, and counted again %v", got, want)
	}
}

// presence holds disponibilité and occupation of each day.
func (n *naive) presence(r *rapid.T, d *day) {
	want := map[string][3]int64{} // logged in, ready, busy
	type doing struct {
		since int64
		state string
	}
	now := map[string]doing{}
	spend := func(agent string, at int64) {
		was, ok := now[agent]
		for from := was.since; ok && from < at; {
			y, m, day := time.UnixMilli(from).In(paris).Date()
			to := min(at, time.Date(y, m, day+1, 0, 0, 0, 0, paris).UnixMilli())
			on := fmt.Sprintf("%d-%02d-%02d", y, m, day)
			w := want[on]
			w[0] += to - from
			switch was.state {
			case "available":
				w[1] += to - from
			case "talking", "wrap_up":
				w[2] += to - from
			}
			want[on], from = w, to
		}
	}
	for _, f := range n.agents {
		agent, at := f["agent"].(string), int64(f["at"].(float64))
		spend(agent, at)
		if delete(now, agent); f["state"] != "signed_out" {
			now[agent] = doing{at, f["state"].(string)}
		}
	}
	for agent := range now { // who is there now
		spend(agent, d.now.UnixMilli())
	}
	lines, err := d.figures().Lines(r.Context(), Query{From: d.start, To: d.start.AddDate(0, 0, 30), Step: ByDay})
	if err != nil {
		r.Fatal(err)
	}
	got := map[string][3]int64{}
	for _, l := range lines {
		if l.Cell.N(LoggedMS) != 0 {
			got[l.From.In(paris).Format(time.DateOnly)] = [3]int64{l.Cell.N(LoggedMS), l.Cell.N(ReadyMS), l.Cell.N(BusyMS)}
		}
	}
	if !maps.Equal(got, want) {
		r.Fatalf("the agents' time is %v, and counted again %v", got, want)
	}
}
