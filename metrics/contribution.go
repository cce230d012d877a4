package metrics

import (
	"hash/fnv"
	"time"

	"decroche/call"
	"decroche/service"
)

func hash(s string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s)) // never fails
	return h.Sum64()
}

// The windows of réitération (kpi.md).
const (
	Day  = 24 * time.Hour
	Week = 7 * Day
)

// Settings are what figures are computed with, beside the facts: see service.Indicators.
type Settings struct {
	Zone        *time.Location
	Short       time.Duration
	Reconnect   time.Duration
	SelfService time.Duration
	OtherReason string
	Simple      map[string]bool
	InTime      map[string]time.Duration // by queue; the others have a minute
}

// SettingsOf are those of a service.
func SettingsOf(def *service.Definition) *Settings {
	s := &Settings{
		Zone: def.Location, Short: def.Indicators.ShortAbandon, Reconnect: def.Indicators.Reconnect,
		SelfService: def.Indicators.SelfService, OtherReason: def.Indicators.OtherReason,
		Simple: map[string]bool{}, InTime: map[string]time.Duration{},
	}
	for id, r := range def.Reasons {
		if r.Simple {
			s.Simple[id] = true
		}
	}
	for id, q := range def.Queues {
		s.InTime[id] = q.InTime.Within
	}
	return s
}

func (s *Settings) inTime(queue string) int64 {
	if d := s.InTime[queue]; d > 0 {
		return d.Milliseconds()
	}
	return time.Minute.Milliseconds()
}

// A cellRef names a cell of an interval.
type cellRef struct {
	dim   Dim
	value string
	// leg is the conversation that made the contact count for a team or agent.
	leg *Leg
}

// contribute tells what a contact adds, cell by cell, to the interval of its arrival: nothing
// until its first call is over. The contact as a whole counts for its service, number, queue,
// reason, public and language, and for the team and agent who had it first; each conversation
// counts for its own agent. k is room to work in.
func (s *Settings) contribute(c *Contact, k *counted, add func(cellRef, *counted)) {
	if c.Ended == 0 {
		return
	}
	k.reset()
	s.outcome(c, k)
	s.waiting(c, k)
	s.quality(c, k)
	s.promised(c, k)
	mark, seen := len(k.n), len(k.d)
	for i := range c.Legs {
		conversation(&c.Legs[i], k)
	}
	for dim := Whole; dim <= ByLanguage; dim++ {
		add(cellRef{dim: dim, value: c.value(dim)}, k)
	}
	k.n, k.d = k.n[:mark], k.d[:seen]
	if first := c.first(); first != nil {
		add(cellRef{ByTeam, first.Team, first}, k)
		add(cellRef{ByAgent, first.Agent, first}, k)
	}
	for i := range c.Legs {
		leg := &c.Legs[i]
		k.reset()
		conversation(leg, k)
		add(cellRef{ByTeam, leg.Team, leg}, k)
		add(cellRef{ByAgent, leg.Agent, leg}, k)
		add(cellRef{ReasonTeam, c.Reason + "\x1f" + leg.Team, leg}, k)
	}
}

// contributeTo tells what a contact adds to the values of by, under conditions. It counts for
// an agent or a team what it counts for them alone, whatever it is broken down by: of a contact
// that two teams had, each finds its own part, and parts add up.
func (s *Settings) contributeTo(c *Contact, by Dim, where map[Dim]string, k *counted, add func(value string, k *counted)) {
	from := by
	for d, value := range where {
		if d <= ByLanguage && c.value(d) != value {
			return
		}
		from = max(from, d)
	}
	s.contribute(c, k, func(ref cellRef, k *counted) {
		value, only := where[ref.dim]
		switch {
		case ref.dim != from || only && value != ref.value || !ref.leg.meets(where):
		case by <= ByLanguage:
			add(c.value(by), k)
		case by == ByTeam && ref.leg != nil:
			add(ref.leg.Team, k)
		default:
			add(ref.value, k)
		}
	})
}

// meets says that the conversation is one of the team and of the agent asked for.
func (l *Leg) meets(where map[Dim]string) bool {
	team, ofTeam := where[ByTeam]
	agent, ofAgent := where[ByAgent]
	return l == nil || (!ofTeam || l.Team == team) && (!ofAgent || l.Agent == agent)
}

// value is the contact's own in a dimension.
func (c *Contact) value(d Dim) string {
	switch d {
	case ByService:
		return c.Service
	case ByNumber:
		return c.Number
	case ByQueue:
		return c.Queue
	case ByReason:
		return c.Reason
	case ByPublic:
		return c.Public
	case ByLanguage:
		return c.Lang
	}
	return ""
}

func conversation(l *Leg, k *counted) {
	k.add(Legs, 1)
	k.add(TalkMS, l.Talk)
	k.add(HoldMS, l.Hold)
	k.add(WrapMS, l.Wrap)
}

var outcomes = map[call.Outcome]Measure{
	call.Answered: OutAnswered, call.SelfServed: OutSelfServed, call.LeftIVR: OutLeftIVR,
	call.Abandoned: OutAbandoned, call.CalledBack: OutCalledBack, call.Closed: OutClosed,
	call.Dissuaded: OutDissuaded, call.TransferredOut: OutTransferred, call.Failed: OutFailed,
}

// outcome counts the contact and how it ended: the taux de décroché and its variants.
func (s *Settings) outcome(c *Contact, k *counted) {
	if !c.Called {
		return
	}
	k.add(Received, 1)
	k.when(c.Open, ReceivedOpen)
	k.when(c.Withheld, Withheld)
	k.add(outcomes[c.Outcome], 1)
	k.when(c.Reason == "" || c.Reason == s.OtherReason, NoReason)
	served := c.Outcome == call.SelfServed && c.LinksLost == 0 && !c.repeatedWithin(s.SelfService)
	k.when(served, SelfServed)
	k.when(served && c.Open, SelfServedOpen)
	if !c.Open {
		return
	}
	turnedAway := c.Outcome == call.Dissuaded || c.Outcome == call.Failed
	asked := c.Asked != 0 && !turnedAway
	k.when(asked, Asked)
	k.when(asked || turnedAway, AskedHarsher)
	k.when(asked && c.Answered != 0, AnsweredCalls)
	k.when(asked && (c.Answered != 0 || c.keptInWindow()), AnsweredKept)
	k.when(c.Answered != 0 && s.Simple[c.Reason], SimpleAnswered)
}

// keptInWindow says that a person spoke with the citizen within a promised window: when we
// called back, or when they called again.
func (c *Contact) keptInWindow() bool {
	for _, p := range c.Promises {
		if (p.State == "kept" || p.State == "answered") && !p.Late {
			return true
		}
	}
	return false
}

func (c *Contact) repeatedWithin(window time.Duration) bool {
	return c.Next != 0 && int64(c.Next-c.Arrived) <= window.Milliseconds()
}

// waiting counts the queue and what was said of it. Only those who stood in line within hours.
func (s *Settings) waiting(c *Contact, k *counted) {
	if !c.Open || !c.Called {
		return
	}
	k.when(c.Queued != 0, Offered)
	if c.Answered != 0 && c.Asked != 0 && c.Outcome == call.Answered {
		k.add(WaitMS, c.Wait)
		k.see(waits, c.Wait)
		k.add(PerceivedMS, int64(c.Answered-c.Arrived))
		k.see(perceived, int64(c.Answered-c.Arrived))
		k.when(c.Queued != 0 && c.Wait <= s.inTime(c.Queue), InTimeAnswers)
		c.audit(k)
	}
	if c.Outcome == call.Abandoned && c.Queued != 0 {
		patience := int64(c.Ended - c.Queued)
		k.add(AbandonedQueue, 1)
		k.when(patience < s.Short.Milliseconds(), AbandonedShort)
		k.see(abandons, patience)
	}
}

// audit compares what was left to wait with the first range told.
func (c *Contact) audit(k *counted) {
	said := c.Said
	if said == nil || said.At > c.Answered {
		return
	}
	left := int64(c.Answered - said.At)
	above := said.High > 0 && left > said.High*1000
	k.add(Told, 1)
	k.when(above, ToldAbove)
	k.when(!above && left >= said.Low*1000, ToldIn)
	if said.Estimate > 0 {
		k.add(ToldEstimate, 1)
		k.add(ToldBiasMS, left-said.Estimate*1000)
	}
}

// quality counts transfers, resolution, repeats and opinions.
func (s *Settings) quality(c *Contact, k *counted) {
	k.when(len(c.Legs) > 0, Reached)
	var blind, handed, higher bool
	for _, l := range c.Legs {
		handed = handed || l.Handed != NotHanded
		blind = blind || l.Handed == HandedBlind
		higher = higher || l.Higher
	}
	k.when(handed, Transferred)
	k.when(blind, TransferredHow)
	k.when(higher, Escalated)
	k.when(c.Consulted > 0, Consultations)
	k.when(c.Resolved == Yes, ResolvedYes)
	k.when(c.Resolved == No, ResolvedNo)
	if c.canRepeat() {
		k.add(Repeatable, 1)
		k.when(c.repeatedWithin(Day), Repeated24h)
		k.when(c.repeatedWithin(Week), Repeated7d)
	}
	k.when(c.Surveyed, Surveyed)
	k.when(len(c.Scores) > 0, SurveyReplies)
	for _, sc := range c.Scores {
		opinion(sc, k)
	}
	k.add(Offers, int64(c.Offers))
	k.add(Refusals, int64(c.Refused))
	k.add(LinksSent, int64(c.Links))
	k.add(SMSSent, int64(c.SMS))
	k.add(SMSFailed, int64(c.SMSFailed))
	k.add(LineInMS, c.LineIn)
	k.add(LineOutMS, c.LineOut)
}

// opinion counts one answer, on a scale of 1 to 5 whatever that of the question.
func opinion(sc Score, k *counted) {
	if sc.About == "resolved" {
		k.when(sc.Score == 1, SurveySaidYes)
		k.when(sc.Score != 1, SurveySaidNo)
		return
	}
	n, sum := OverallN, OverallSum
	switch sc.About {
	case "welcome":
		n, sum = WelcomeN, WelcomeSum
	case "answer":
		n, sum = AnswerN, AnswerSum
	case "personal":
		n, sum = PersonalN, PersonalSum
	}
	k.add(n, 1)
	k.add(sum, 1000+4000*int64(sc.Score-1)/int64(max(1, sc.Of-1)))
}

// promised counts the promises of the contact; one that only asked again is not asked twice.
func (s *Settings) promised(c *Contact, k *counted) {
	for i := range c.Promises {
		p := &c.Promises[i]
		if p.Merged {
			continue
		}
		k.add(PromisesAsked, 1)
		k.add(Attempts, int64(p.Attempts))
		switch p.State {
		case "":
			continue
		case "kept":
			k.when(!p.Late, PromisesKept)
			k.when(p.Late, PromisesLate)
			k.add(CallbackMS, int64(p.Ended-p.Asked))
			k.see(callbacks, int64(p.Ended-p.Asked))
		case "answered":
			k.add(PromisesMet, 1)
		case "cancelled":
			k.add(PromisesGone, 1)
		default:
			k.when(p.Attempts > 0, PromisesNone)
			k.when(p.Attempts == 0, PromisesExpired)
		}
	}
}
