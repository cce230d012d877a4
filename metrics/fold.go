package metrics

import (
	"slices"

	"decroche/call"
)

// begin is the contact that a fact opens: a citizen's call, or a promise that no call made.
func begin(f *Fact) Contact {
	if f.Kind == call.EventPromised {
		return Contact{
			ID: f.Call, Arrived: f.At, First: f.ID, Source: f.Origin, Public: orGeneral(f.Public),
			Reason: f.Reason, Queue: f.Queue, Outcome: call.CalledBack, Ended: f.At,
		}
	}
	return Contact{
		ID: f.Call, Arrived: f.At, First: f.ID, Called: true, Source: f.Source,
		Number: f.To, Service: f.Service, Public: orGeneral(f.Public), Open: f.Open,
		Caller: f.Caller, Was: f.CallerWas, Withheld: f.Withheld,
	}
}

func orGeneral(public string) string {
	if public == "" {
		return "general"
	}
	return public
}

// apply adds a fact to the contact it belongs to. A fact told twice, as after a crash, is
// counted once; one that makes no sense where the contact stands changes nothing.
func (c *Contact) apply(f *Fact) {
	c.Last = max(c.Last, f.ID)
	switch f.Kind {
	case call.EventArrived:
		c.opens(f, false)
	case call.EventCalling, call.EventDialled:
		c.opens(f, true)
	case call.EventLanguage:
		c.Lang = f.Lang
	case call.EventReason:
		c.Reason = f.data.Reason
	case call.EventAgentAsked:
		c.asks(f)
	case call.EventQueued:
		c.asks(f)
		if l := c.line(f.Call); l != nil && l.Queued == 0 {
			l.Queued = f.At
		}
		if c.Queued == 0 {
			c.Queued, c.Queue = f.At, f.Queue
		}
	case call.EventAnnounced:
		if c.Said == nil && c.Answered == 0 && (f.Rung != "" || f.HighS > 0) {
			c.Said = &Said{At: f.At, Low: f.LowS, High: f.HighS, Estimate: f.EstimateS, Method: f.Method}
		}
	case call.EventOffered:
		c.Offers++
	case call.EventOfferRefused:
		c.Refused++
	case call.EventConnected, call.EventHold, call.EventUnhold, call.EventTransferred, call.EventTalkEnded, call.EventWrapped:
		c.talk(f)
	case call.EventConsulted:
		c.Consulted++
	case call.EventResolved:
		if c.Resolved = No; f.Resolved {
			c.Resolved = Yes
		}
	case call.EventPromised, call.EventPromiseMoved, call.EventAttempted, call.EventPromiseEnded:
		c.keeps(f)
	case call.EventSMS:
		c.writes(f)
	case call.EventSurveyAsked:
		c.Surveyed = true
	case call.EventSurveyAnswer:
		if f.Score < 1 || f.Score > f.Of {
			return // on no scale
		}
		i := slices.IndexFunc(c.Scores, func(s Score) bool { return s.About == f.About })
		if i < 0 {
			c.Scores = append(c.Scores, Score{About: f.About})
			i = len(c.Scores) - 1
		}
		c.Scores[i].Score, c.Scores[i].Of = f.Score, f.Of
	case call.EventEnded:
		c.ends(f)
	}
}

// opens begins a call. While citizens who were cut off are back on the line, their contact is
// under way again, and the range told before the line broke is no word to hold us to.
func (c *Contact) opens(f *Fact, ours bool) {
	again := f.Call == c.ID && f.ID != c.First
	if again || c.line(f.Call) != nil || slices.Contains(c.Over, f.Call) {
		return
	}
	c.Live = append(c.Live, LiveCall{ID: f.Call, Since: f.At, Ours: ours})
	if !ours {
		c.Ended, c.Said = 0, nil
	}
}

func (c *Contact) asks(f *Fact) {
	if l := c.line(f.Call); l != nil && l.Ours {
		return
	}
	if c.Asked == 0 {
		c.Asked = f.At
	}
	if c.Queue == "" {
		c.Queue = f.Queue
	}
}

// talk follows the conversations.
func (c *Contact) talk(f *Fact) {
	switch f.Kind {
	case call.EventConnected:
		c.connects(f)
		return
	case call.EventWrapped:
		if l := c.leg(f.Call, f.Agent, false); l != nil {
			l.Wrap = f.WrapMS
		}
		return
	}
	l := c.leg(f.Call, f.Agent, true)
	if l == nil {
		return
	}
	switch f.Kind {
	case call.EventHold:
		if l.Held == 0 {
			l.Held = f.At
		}
	case call.EventUnhold:
		l.resume(f.At)
	case call.EventTalkEnded:
		l.close(f.At)
	case call.EventTransferred:
		l.close(f.At)
		l.Handed, l.Higher = HandedConsulted, f.ToLevel > f.FromLevel && f.FromLevel > 0
		if f.How == "blind" {
			l.Handed = HandedBlind
		}
		c.Legs = append(c.Legs, Leg{Call: f.Call, Agent: f.To, Team: f.Team, Queue: l.Queue, Start: f.At})
	}
}

func (c *Contact) connects(f *Fact) {
	line := c.line(f.Call)
	if c.leg(f.Call, f.Agent, true) != nil || line == nil {
		return
	}
	c.Legs = append(c.Legs, Leg{Call: f.Call, Agent: f.Agent, Team: f.Team, Queue: f.Queue, Start: f.At})
	line.Reached = true
	if line.Ours || c.Answered != 0 {
		return
	}
	c.asks(f) // who speaks with a person has requested one, whatever was not told
	c.Answered, c.Wait = f.At, f.WaitMS
	if line.Queued != 0 {
		c.Wait = max(0, int64(f.At-line.Queued))
	}
}

// resume ends a hold.
func (l *Leg) resume(at Moment) {
	if l.Held != 0 {
		l.Hold += max(0, int64(at-l.Held))
		l.Held = 0
	}
}

// close ends the conversation.
func (l *Leg) close(at Moment) {
	l.resume(at)
	l.Talk, l.Over = max(0, int64(at-l.Start)-l.Hold), true
}

// keeps follows the promises.
func (c *Contact) keeps(f *Fact) {
	p := c.promise(f.Promise)
	if p == nil && f.Kind == call.EventPromised {
		c.Promises = append(c.Promises, Promise{ID: f.Promise})
		p = &c.Promises[len(c.Promises)-1]
	}
	if p == nil {
		return // nobody knows when it was asked, or by when
	}
	switch f.Kind {
	case call.EventPromised:
		if p.Asked == 0 {
			p.Asked, p.Merged = f.At, f.Merged
			if f.AskedMS > 0 && !f.Merged {
				p.Asked = Moment(f.AskedMS)
			}
		}
		p.By = Moment(f.ByMS)
	case call.EventPromiseMoved:
		p.By = Moment(f.ByMS)
	case call.EventAttempted:
		p.Attempts++
	case call.EventPromiseEnded:
		p.State, p.Late, p.Ended = f.State, f.Late, f.At
	}
}

// writes follows text messages; the states are those of package sms.
func (c *Contact) writes(f *Fact) {
	switch f.State {
	case "sent":
		c.SMS++
		if f.Purpose == "link" {
			c.Links++
		}
	case "failed", "undelivered":
		c.SMSFailed++
	}
	if f.Purpose == "link" && (f.State == "failed" || f.State == "undelivered" || f.State == "dropped") {
		c.LinksLost++
	}
}

// ends closes a call. The contact's outcome is the citizen's last call's, but once answered a
// contact stays answered.
func (c *Contact) ends(f *Fact) {
	i := slices.IndexFunc(c.Live, func(l LiveCall) bool { return l.ID == f.Call })
	if i < 0 {
		return
	}
	line := c.Live[i]
	c.Live = slices.Delete(c.Live, i, i+1)
	if f.Call != c.ID {
		c.Over = append(c.Over, f.Call)
	}
	for j := range c.Legs {
		if l := &c.Legs[j]; l.Call == f.Call && !l.Over {
			l.close(f.At)
		}
	}
	if line.Ours {
		if line.Reached {
			c.LineOut += max(0, int64(f.At-line.Since))
		}
		return
	}
	c.LineIn += max(0, int64(f.At-line.Since))
	c.Ended = f.At
	if c.Answered != 0 {
		c.Outcome = call.Answered
	} else {
		c.Outcome = f.Outcome
	}
	c.Why = call.Reason(f.data.Reason)
}
