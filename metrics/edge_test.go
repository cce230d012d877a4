package metrics

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"decroche/call"
)

// person is a citizen of their own name.
func person(n int) []any { return []any{"caller", fmt.Sprintf("citizen-%d", n)} }

// The edges of the definitions, each as a story with its exact counts. Every story is counted as facts come in
// and again from the journal.
func TestTheEdgesOfTheDefinitions(t *testing.T) {
	const sec, min = time.Second, time.Minute
	for name, c := range map[string]struct {
		tell  func(d *day)
		wants string
	}{
		"a zero wait is a wait": {func(d *day) { d.arrives().served(0) }, "asa 0/1, in_time 1/1, decroche_agent 1/1"},
		"in time to the millisecond": {func(d *day) {
			d.arrives().served(60 * sec)
			d.arrives().served(60*sec + time.Millisecond)
		}, "in_time 1/2, asa 120001/2"},
		"a queue has a time of its own": {func(d *day) {
			d.settings.InTime["accueil"] = 90 * sec
			d.arrives().served(90 * sec)
			d.arrives().served(91 * sec)
		}, "in_time 1/2"},
		"an abandonment at the threshold is no short one": {func(d *day) {
			d.arrives().queues("accueil").waits(4999 * time.Millisecond).abandons()
			d.arrives().queues("accueil").waits(5 * sec).abandons()
		}, "abandoned 2/2, abandoned_short 1/2, in_time 0/1, decroche_agent 0/2"},
		"who hangs up in the menu abandons nothing": {
			func(d *day) { d.arrives().waits(10*sec).ends(call.LeftIVR, call.ReasonCallerHungUp) },
			"left_ivr 1/1, abandoned 0/0, decroche_agent 0/0, decroche_global 0/1",
		},
		"out of hours is in neither rate": {func(d *day) {
			d.arrives("open", false).ends(call.Closed, call.ReasonClosedHours)
			d.arrives("open", false).informed("horaires")
		}, "received 2/0, received_open 0/0, decroche_agent 0/0, decroche_global 0/0, outcome_closed 1/0, self_served 1/2"},
		"dissuaded and failed calls harm the harsher reading alone": {func(d *day) {
			d.arrives().served(10 * sec)
			d.arrives().ends(call.Dissuaded, call.ReasonSaturated)
			d.arrives().queues("accueil").ends(call.Failed, call.ReasonExchange)
		}, "decroche_agent 1/1, decroche_agent_harsher 1/3, decroche_global 1/3"},
		"a call under way is counted nowhere": {func(d *day) {
			d.arrives().queues("accueil").connects("2001")
			d.arrives().served(0)
		}, "received 1/0, decroche_agent 1/1"},
		"a call that ends twice is counted once": {func(d *day) {
			d.arrives().served(0).ends(call.Answered, call.ReasonCallerHungUp)
		}, "received 1/0, dmc 120000/1"},
		"facts told twice after a crash count once": {func(d *day) {
			c := d.arrives().queues("accueil").queues("accueil").waits(10 * sec)
			c.connects("2001").connects("2001").talks("2001", min, 30*sec)
			c.tell(c.id, call.EventWrapped, "agent", "2001", "wrap_ms", 30_000)
		}, "asa 10000/1, dmc 60000/1, dmt 90000/1"},
		"facts of unknown calls change nothing": {func(d *day) {
			d.tell("nobody", call.EventConnected, "agent", "2001")
			d.tell("nobody", call.EventEnded, "outcome", "answered")
			d.arrives().served(0)
		}, "received 1/0, dmc 120000/1"},
		"a second line keeps the first wait's clock": {func(d *day) { // overflow
			c := d.arrives().queues("accueil").waits(30 * sec)
			c.tell(c.id, call.EventQueued, "queue", "secours", "position", 1)
			c.waits(15*sec).connects("2002").talks("2002", min, 0)
		}, "asa 45000/1, in_time 1/1"},

		// conversations
		"a chain of transfers is one contact": {func(d *day) {
			c := d.arrives().queues("accueil").connects("2001")
			c.waits(min).transfers("2001", "2002", "blind").connects("2002").waits(min)
			c.transfers("2002", "2003", "consulted").connects("2003").talks("2003", min, 0)
		}, "received 1/0, decroche_agent 1/1, transferred 1/1, transferred_blind 1/1, dmc 180000/3, dmc_contact 180000/1"},
		"a call given back to its first agent": {func(d *day) {
			c := d.arrives().queues("accueil").connects("2001")
			c.waits(min).transfers("2001", "2002", "consulted").connects("2002").waits(min)
			c.transfers("2002", "2001", "consulted").connects("2001").talks("2001", min, 0)
		}, "transferred 1/1, transferred_blind 0/1, dmc 180000/3"},
		"from the first level to the second": {func(d *day) {
			c := d.arrives().queues("accueil").connects("2001")
			c.transfers("2001", "2002", "consulted", 1, 2).connects("2002").talks("2002", min, 0)
			c = d.arrives().queues("accueil").connects("2001")
			c.transfers("2001", "2002", "consulted", 2, 1).connects("2002").talks("2002", min, 0)
		}, "transferred 2/2, escalated 1/2"},
		"a colleague who is asked is no transfer": {func(d *day) {
			c := d.arrives().queues("accueil").connects("2001")
			c.tell(c.id, call.EventConsulted, "agent", "2001", "with", "2002")
			c.talks("2001", min, 0)
		}, "transferred 0/1, consulted 1/1"},
		"hold is no talk": {func(d *day) {
			c := d.arrives().queues("accueil").connects("2001").waits(min)
			c.tell(c.id, call.EventHold, "agent", "2001")
			c.waits(30 * sec)
			c.tell(c.id, call.EventUnhold, "agent", "2001")
			c.talks("2001", min, 0)
		}, "dmc 120000/1, dmt 150000/1"},
		"a caller who hangs up on hold": {func(d *day) {
			c := d.arrives().queues("accueil").connects("2001").waits(min)
			c.tell(c.id, call.EventHold, "agent", "2001")
			c.waits(20*sec).ends(call.Answered, call.ReasonCallerHungUp)
		}, "dmc 60000/1, dmt 80000/1"},
		"the last word of the wrap-up holds": {func(d *day) {
			c := d.arrives().served(0)
			c.tell(c.id, call.EventResolved, "agent", "2001", "resolved", true)
			c.tell(c.id, call.EventResolved, "agent", "2001", "resolved", false)
		}, "resolved_agent 0/1"},
		"no word is neither yes nor no": {func(d *day) { d.arrives().served(0) }, "resolved_agent 0/0"},

		// réitération
		"again at exactly 24 hours, and one millisecond later": {func(d *day) {
			at := d.now
			d.arrives(person(1)...).reason("a").served(0)
			d.arrives(person(2)...).reason("a").served(0)
			d.now = at.Add(24 * time.Hour)
			d.arrives(person(1)...).reason("a").served(0)
			d.now = at.Add(24*time.Hour + 2*min + time.Millisecond)
			d.arrives(person(2)...).reason("a").served(0)
		}, "repeated_24h 1/4, repeated_7d 2/4, resolved_behaviour 2/4"},
		"again at exactly seven days, and one millisecond later": {func(d *day) {
			at := d.now
			d.arrives(person(1)...).reason("a").served(0)
			d.arrives(person(2)...).reason("a").served(0)
			d.now = at.Add(7 * 24 * time.Hour)
			d.arrives(person(1)...).reason("a").served(0)
			d.now = at.Add(7*24*time.Hour + 2*min + time.Millisecond)
			d.arrives(person(2)...).reason("a").served(0)
		}, "repeated_24h 0/4, repeated_7d 1/4"},
		"for another reason": {func(d *day) {
			d.arrives(person(1)...).reason("a").served(0)
			d.after(time.Hour).arrives(person(1)...).reason("b").served(0)
		}, "repeated_24h 0/2"},
		"a reason corrected afterwards makes a repeat": {func(d *day) {
			c := d.arrives(person(1)...).reason("b").served(0)
			d.after(time.Hour).arrives(person(1)...).reason("a").served(0)
			c.reason("a")
		}, "repeated_24h 1/2"},
		"and unmakes one": {func(d *day) {
			c := d.arrives(person(1)...).reason("a").served(0)
			d.after(time.Hour).arrives(person(1)...).reason("a").served(0)
			c.reason("b")
		}, "repeated_24h 0/2"},
		"an information is one of three": {func(d *day) { // a between two of reason b is followed by none
			d.arrives(person(1)...).reason("b").served(0)
			d.after(time.Hour).arrives(person(1)...).reason("a").served(0)
			d.after(time.Hour).arrives(person(1)...).reason("b").served(0)
		}, "repeated_24h 1/3"},
		"across a turn of the key": {func(d *day) {
			d.arrives("caller", "old-name").reason("a").served(0)
			d.after(24*time.Hour).arrives("caller", "new-name", "caller_was", "old-name").reason("a").served(0)
			d.after(24*time.Hour).arrives("caller", "new-name", "caller_was", "old-name").reason("a").served(0)
			d.after(48*time.Hour).arrives("caller", "new-name").reason("a").served(0)
		}, "repeated_7d 3/4"},
		"withheld numbers are nobody's": {func(d *day) {
			for range 2 {
				d.arrives("caller", "", "withheld", true).reason("a").served(0)
			}
		}, "withheld 2/2, repeated_24h 0/0"},
		"two users of a relay centre are two": {func(d *day) {
			for range 2 {
				d.arrives("caller", "centre", "public", "relay").reason("a").served(0)
			}
		}, "repeated_24h 0/0, received 2/0"},
		"history told late finds its place": {func(d *day) {
			d.at("2026-03-10 12:00:00.000").arrives(person(1)...).reason("a").served(0)
			d.at("2026-03-10 09:00:00.000").arrives(person(1)...).reason("a").served(0)
			d.at("2026-03-10 10:00:00.000").arrives(person(1)...).reason("a").served(0)
		}, "repeated_24h 2/3"},
		"informed, and back within the window": {func(d *day) {
			d.arrives(person(1)...).informed("horaires")
			d.arrives(person(2)...).informed("horaires")
			d.after(6 * 24 * time.Hour).arrives(person(1)...).reason("horaires").served(0)
		}, "self_served 1/3, simple 1/1, outcome_self_served 2/0"},
		"a link that did not arrive serves nobody": {func(d *day) {
			c := d.arrives()
			c.reason("a")
			c.tell(c.id, call.EventSMS, "purpose", "link", "state", "sent")
			c.tell(c.id, call.EventSMS, "purpose", "link", "state", "undelivered")
			c.ends(call.SelfServed, call.ReasonHeardAll)
		}, "self_served 0/1, sms_sent 1/0, sms_failed 1/0"},

		// cut off
		"cut off while waiting, and back at once": {func(d *day) {
			d.arrives(person(1)...).reason("a").queues("accueil").waits(min).cut(call.Abandoned)
			d.after(4 * min).arrives(person(1)...).reason("a").served(0)
		}, "received 1/0, decroche_agent 1/1, abandoned 0/1, repeated_24h 0/1"},
		"cut off, and back too late": {func(d *day) {
			d.arrives(person(1)...).reason("a").queues("accueil").waits(min).cut(call.Abandoned)
			d.after(5*min + time.Millisecond).arrives(person(1)...).reason("a").served(0)
		}, "received 2/0, decroche_agent 1/2, abandoned 1/2, repeated_24h 1/2"},
		"cut off in conversation, and back": {func(d *day) {
			c := d.arrives(person(1)...).reason("a").queues("accueil").connects("2001").waits(min)
			c.tell(c.id, call.EventTalkEnded, "agent", "2001", "talk_ms", 60_000)
			c.cut(call.Answered)
			d.after(min).arrives(person(1)...).reason("a").served(10 * sec)
		}, "received 1/0, decroche_agent 1/1, dmc 180000/2, repeated_24h 0/1"},
		"a number withheld cannot come back": {func(d *day) {
			d.arrives("caller", "", "withheld", true).queues("accueil").cut(call.Abandoned)
			d.arrives("caller", "", "withheld", true).served(0)
		}, "received 2/0, decroche_agent 1/2"},

		// callbacks
		"a callback kept in the window": {func(d *day) {
			d.arrives(person(1)...).books("p1", time.Hour).waits(10*min).reaches("p1", false)
		}, "decroche_agent 0/1, decroche_agent_kept 1/1, promises_kept 1/1, attempts 1/1, callback_delay 600000/1, outcome_called_back 1/0, received 1/0, repeated_24h 0/1"},
		"a callback kept late keeps the citizen and breaks the promise": {func(d *day) {
			d.arrives().books("p1", time.Hour).waits(2*time.Hour).reaches("p1", true)
		}, "decroche_agent_kept 0/1, promises_kept 0/1, promises_late 1/0"},
		"unreachable after three attempts": {func(d *day) {
			c := d.arrives().books("p1", time.Hour)
			for range 3 {
				c.waits(10 * min).misses("p1")
			}
			c.settles("p1", "unreachable", false)
		}, "promises_kept 0/1, promises_unreachable 1/0, attempts 3/1, decroche_agent_kept 0/1"},
		"a promise that nobody tried to keep is told as such": {func(d *day) {
			d.arrives().books("p1", time.Hour).waits(2*time.Hour).settles("p1", "unreachable", false)
		}, "promises_expired 1/0, promises_unreachable 0/0, promises_kept 0/1"},
		"cancelled by the citizen": {func(d *day) {
			d.arrives().books("p1", time.Hour).settles("p1", "cancelled", false)
		}, "promises_cancelled 1/0, promises_kept 0/0, promises_asked 1/0"},
		"the citizen called again and was answered": {func(d *day) {
			c := d.arrives(person(1)...).reason("a").books("p1", time.Hour)
			d.after(5 * min).arrives(person(1)...).reason("a").served(0)
			c.settles("p1", "answered", false)
		}, "promises_answered 1/0, decroche_agent 1/2, decroche_agent_kept 2/2, promises_kept 0/0"},
		"our own calls are no contacts": {func(d *day) {
			c := d.arrives(person(1)...).reason("a").books("p1", time.Hour)
			c.waits(min).misses("p1")
			c.waits(min).reaches("p1", false)
		}, "received 1/0, repeated_24h 0/1, dmc 60000/1"},
		"a promise asked for on a page is no call": {func(d *day) {
			page := &caller{d, "w1"}
			page.promised("w1", time.Hour, "kind", "slot", "origin", "page")
			for range 3 {
				page.waits(10 * min).misses("w1")
			}
			page.settles("w1", "unreachable", false)
		}, "received 0/0, promises_asked 1/0, promises_unreachable 1/0, decroche_agent 0/0"},

		// announced waits
		"a wait at both ends of its range is as announced": {func(d *day) {
			for _, wait := range []time.Duration{60 * sec, 120 * sec, 120*sec + time.Millisecond, 59 * sec} {
				c := d.arrives().queues("accueil")
				c.tell(c.id, call.EventAnnounced, "low_s", 60, "high_s", 120, "estimate_s", 90)
				c.waits(wait).connects("2001").talks("2001", min, 0)
			}
		}, "told 4/4, told_in_range 2/4, told_above 1/4, told_bias -999/4"},
		"who gave up is in no audit": {func(d *day) {
			c := d.arrives().queues("accueil")
			c.tell(c.id, call.EventAnnounced, "low_s", 60, "high_s", 120, "estimate_s", 90)
			c.waits(10 * min).abandons()
		}, "told 0/0, told_above 0/0"},

		// opinions
		"scores of other scales become points of five": {func(d *day) {
			for of, score := range map[int]int{5: 3, 3: 2, 11: 6} {
				c := d.arrives().served(0)
				c.tell(c.id, call.EventSurveyAsked)
				c.tell(c.id, call.EventSurveyAnswer, "about", "overall", "score", score, "of", of)
			}
		}, "satisfaction_overall 9000/3, survey_replies 3/3"},
		"a score on no scale, and one given twice": {func(d *day) {
			c := d.arrives().served(0)
			c.tell(c.id, call.EventSurveyAsked)
			c.tell(c.id, call.EventSurveyAnswer, "about", "overall", "score", 9, "of", 5)
			c.tell(c.id, call.EventSurveyAnswer, "about", "overall", "score", 1, "of", 5)
			c.tell(c.id, call.EventSurveyAnswer, "about", "overall", "score", 5, "of", 5)
			d.arrives().served(0).tell("call-2", call.EventSurveyAsked)
		}, "satisfaction_overall 5000/1, survey_replies 1/2"},
		"no reason, and the reason other": {func(d *day) {
			d.arrives().reason("autre").served(0)
			d.arrives().served(0)
			d.arrives().reason("permis").served(0)
		}, "other_reason 2/3"},
	} {
		t.Run(name, func(t *testing.T) {
			d := on(t, "2026-03-10 09:00")
			c.tell(d)
			d.wants(d.cell(Whole, ""), c.wants)
			before := d.cell(Whole, "").encode(nil)
			if err := d.ledger.Rebuild(t.Context()); err != nil {
				t.Fatal(err)
			}
			if again := d.cell(Whole, "").encode(nil); string(again) != string(before) {
				t.Error("made anew the figures are others")
			}
		})
	}
}

// lines asks for the figures of some days, and writes one indicator of each line.
func (d *day) lines(from, to string, step Step, indicator string) string {
	d.Helper()
	d.cell(Whole, "")
	at := func(s string) time.Time {
		t, err := time.ParseInLocation("2006-01-02", s, paris)
		if err != nil {
			d.Fatal(err)
		}
		return t
	}
	lines, err := d.figures().Lines(d.Context(), Query{From: at(from), To: at(to), Step: step})
	if err != nil {
		d.Fatal(err)
	}
	i, _ := IndicatorOf(indicator)
	var out []string
	for _, l := range lines {
		f := i.Of(l.Cell)
		out = append(out, fmt.Sprintf("%s %d", l.From.In(paris).Format("01-02 15:04-07"), f.Num))
	}
	return strings.Join(out, ", ")
}

func (d *day) says(what, got, want string) {
	d.Helper()
	if got != want {
		d.Errorf("%s: %s, want %s", what, got, want)
	}
}

func TestAContactBelongsToTheDayOfItsArrival(t *testing.T) {
	d := on(t, "2026-03-10 23:59")
	d.at("2026-03-10 23:59:59.999").arrives().served(2 * time.Minute)
	d.at("2026-03-11 00:00:00.000").arrives().served(0)
	d.says("by day", d.lines("2026-03-10", "2026-03-12", ByDay, "answered"), "03-10 00:00+01 1, 03-11 00:00+01 1")
}

func TestDaysOfAClockChangeHave23And25Hours(t *testing.T) {
	d := on(t, "2026-03-28 12:00")
	for h := range 48 {
		d.now = time.Date(2026, 3, 28, 12, 0, 0, 0, paris).Add(time.Duration(h) * time.Hour)
		d.arrives().ends(call.LeftIVR, call.ReasonCallerHungUp)
	}
	d.says("spring", d.lines("2026-03-28", "2026-03-31", ByDay, "received"), "03-28 00:00+01 12, 03-29 00:00+01 23, 03-30 00:00+02 13")
	d = on(t, "2026-10-24 12:00")
	for h := range 48 {
		d.now = time.Date(2026, 10, 24, 12, 0, 0, 0, paris).Add(time.Duration(h) * time.Hour)
		d.arrives().ends(call.LeftIVR, call.ReasonCallerHungUp)
	}
	d.says("autumn", d.lines("2026-10-24", "2026-10-27", ByDay, "received"), "10-24 00:00+02 12, 10-25 00:00+02 25, 10-26 00:00+01 11")
	hours := d.lines("2026-10-25", "2026-10-26", ByHour, "received")
	for _, want := range []string{"10-25 02:00+02 1, 10-25 02:00+01 1", "10-25 23:00+01 1"} {
		if !strings.Contains(hours, want) {
			t.Errorf("no %q in %s", want, hours)
		}
	}
	if strings.Count(hours, ",") != 24 {
		t.Errorf("the day has these hours: %s", hours)
	}
}

func TestWeeksAreThoseOfISOAlsoOverTheNewYear(t *testing.T) {
	d := on(t, "2026-12-31 09:00")
	d.arrives().served(0)
	d.at("2027-01-03 09:00:00.000").arrives().served(0) // Sunday of week 53
	d.at("2027-01-04 09:00:00.000").arrives().served(0)
	d.says("by week", d.lines("2026-12-28", "2027-01-11", ByWeek, "answered"), "12-28 00:00+01 2, 01-04 00:00+01 1")
	d.says("by month", d.lines("2026-12-01", "2027-02-01", ByMonth, "answered"), "12-01 00:00+01 1, 01-01 00:00+01 2")
	d.says("by year", d.lines("2026-01-01", "2028-01-01", ByYear, "answered"), "01-01 00:00+01 1, 01-01 00:00+01 2")
}

func TestAgentsTimeIsSplitOverIntervalsAndMidnight(t *testing.T) {
	d := on(t, "2026-03-10 23:50")
	d.agent("2001", "titres", "available")
	d.at("2026-03-11 00:20:00.000").agent("2001", "titres", "talking")
	d.at("2026-03-11 00:25:00.000").agent("2001", "titres", "signed_out")
	d.says("by quarter", d.lines("2026-03-10", "2026-03-12", ByQuarter, "logged_hours"),
		"03-10 23:45+01 600000, 03-11 00:00+01 900000, 03-11 00:15+01 600000")
	d.says("busy", d.lines("2026-03-10", "2026-03-12", ByDay, "occupancy"), "03-10 00:00+01 0, 03-11 00:00+01 300000")
}

func TestATeamAndAnAgentHaveTheirOwnPartOfAContact(t *testing.T) {
	d := on(t, "2026-03-10 09:00")
	c := d.arrives().queues("accueil").connects("2001").waits(time.Minute)
	c.transfers("2001", "2002", "consulted").connects("2002").talks("2002", 3*time.Minute, time.Minute)
	d.wants(d.cell(ByTeam, "t-2001"), "decroche_agent 1/1, dmc 60000/1")
	d.wants(d.cell(ByTeam, "t-2002"), "decroche_agent 0/0, dmc 180000/1, dmt 240000/1")
	d.wants(d.cell(ByAgent, "2002"), "dmc 180000/1")
	d.wants(d.cell(Whole, ""), "decroche_agent 1/1, dmc 240000/2")
}

func TestRelayedCallsHaveADMTOfTheirOwn(t *testing.T) {
	d := on(t, "2026-03-10 09:00")
	for range 2 {
		d.arrives("caller", "centre", "public", "relay").queues("accueil").connects("2001").talks("2001", 9*time.Minute, time.Minute).ends(call.Answered, call.ReasonCallerHungUp)
	}
	d.arrives().queues("accueil").connects("2001").talks("2001", 2*time.Minute, time.Minute).ends(call.Answered, call.ReasonCallerHungUp)
	d.wants(d.cell(ByPublic, "relay"), "dmt 1200000/2, dmc 1080000/2, decroche_agent 2/2, repeated_24h 0/0")
	d.wants(d.cell(ByPublic, "general"), "dmt 180000/1")
}
