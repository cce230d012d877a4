package metrics

import (
	"time"
)

// Unit says how a figure is read.
type Unit string

const (
	Share   Unit = "share"   // 0 to 1
	Seconds Unit = "seconds" //
	Number  Unit = "number"  //
	Points  Unit = "points"  // 1 to 5
	Euros   Unit = "euros"   //
)

// Direction is which way a figure is better. Neutral ones are followed, and never a goal.
type Direction int

const (
	Neutral Direction = iota
	HigherIsBetter
	LowerIsBetter
)

// Indicator is a figure of kpi.md: a quotient of sums of measures, or a percentile. Numerator
// and denominator are counted apart and divided last; a rate is never averaged.
type Indicator struct {
	// ID is its name in reports and in the API; the catalogue has its French and English names.
	ID     string
	Unit   Unit
	Better Direction
	// Num and Den are summed; less the measures of Less. Without Den the figure is Num itself.
	Num, Den []Measure
	NumLess  []Measure
	DenLess  []Measure
	// Scale multiplies the quotient, 0 is 1: measures of time are milliseconds.
	Scale float64
	// Of and Rank make a percentile in seconds: Rank in (0, 1).
	of   distribution
	Rank float64
	// Needs names the window that must be over before the figure is final; 0 none.
	Needs time.Duration
	// Page is that of the guide it comes from, 0 none.
	Page int
}

// one is short for a list of one.
func one(m Measure) []Measure { return []Measure{m} }

const perSecond = 0.001

// Indicators are all of them, in the order of a report.
var Indicators = []Indicator{
	{ID: "received", Unit: Number, Num: one(Received)},
	{ID: "received_open", Unit: Number, Num: one(ReceivedOpen)},
	{ID: "requested", Unit: Number, Num: one(Asked)},
	{ID: "answered", Unit: Number, Better: HigherIsBetter, Num: one(AnsweredCalls)},
	{ID: "decroche_agent", Unit: Share, Better: HigherIsBetter, Num: one(AnsweredCalls), Den: one(Asked), Page: 49},
	{ID: "decroche_agent_kept", Unit: Share, Better: HigherIsBetter, Num: one(AnsweredKept), Den: one(Asked), Page: 49},
	{ID: "decroche_agent_harsher", Unit: Share, Better: HigherIsBetter, Num: one(AnsweredCalls), Den: one(AskedHarsher), Page: 49},
	{ID: "decroche_global", Unit: Share, Better: HigherIsBetter, Num: []Measure{AnsweredCalls, SelfServedOpen}, Den: one(ReceivedOpen), Page: 49},

	{ID: "asa", Unit: Seconds, Better: LowerIsBetter, Num: one(WaitMS), Den: one(AnsweredCalls), Scale: perSecond, Page: 49},
	{ID: "wait_median", Unit: Seconds, Better: LowerIsBetter, of: waits, Rank: 0.5},
	{ID: "wait_p90", Unit: Seconds, Better: LowerIsBetter, of: waits, Rank: 0.9},
	{ID: "perceived", Unit: Seconds, Better: LowerIsBetter, Num: one(PerceivedMS), Den: one(AnsweredCalls), Scale: perSecond},
	{ID: "perceived_median", Unit: Seconds, Better: LowerIsBetter, of: perceived, Rank: 0.5},
	{ID: "perceived_p90", Unit: Seconds, Better: LowerIsBetter, of: perceived, Rank: 0.9},
	{ID: "in_time", Unit: Share, Better: HigherIsBetter, Num: one(InTimeAnswers), Den: one(Offered), DenLess: one(AbandonedShort), Page: 49},
	{ID: "abandoned", Unit: Share, Better: LowerIsBetter, Num: one(AbandonedQueue), Den: one(Offered)},
	{ID: "abandoned_short", Unit: Share, Num: one(AbandonedShort), Den: one(Offered)},
	{ID: "patience_median", Unit: Seconds, of: abandons, Rank: 0.5},
	{ID: "left_ivr", Unit: Share, Num: one(OutLeftIVR), Den: one(Received)},

	{ID: "dmc", Unit: Seconds, Num: one(TalkMS), Den: one(Legs), Scale: perSecond, Page: 49},
	{ID: "dmt", Unit: Seconds, Num: []Measure{TalkMS, HoldMS, WrapMS}, Den: one(Legs), Scale: perSecond, Page: 49},
	{ID: "dmc_contact", Unit: Seconds, Num: one(TalkMS), Den: one(Reached), Scale: perSecond},
	{ID: "dmt_contact", Unit: Seconds, Num: []Measure{TalkMS, HoldMS, WrapMS}, Den: one(Reached), Scale: perSecond},

	{ID: "resolved_agent", Unit: Share, Better: HigherIsBetter, Num: one(ResolvedYes), Den: []Measure{ResolvedYes, ResolvedNo}},
	{ID: "resolved_survey", Unit: Share, Better: HigherIsBetter, Num: one(SurveySaidYes), Den: []Measure{SurveySaidYes, SurveySaidNo}},
	{ID: "resolved_behaviour", Unit: Share, Better: HigherIsBetter, Num: one(Repeatable), NumLess: one(Repeated7d), Den: one(Repeatable), Needs: Week},
	{ID: "repeated_24h", Unit: Share, Better: LowerIsBetter, Num: one(Repeated24h), Den: one(Repeatable), Needs: Day, Page: 12},
	{ID: "repeated_7d", Unit: Share, Better: LowerIsBetter, Num: one(Repeated7d), Den: one(Repeatable), Needs: Week, Page: 12},
	{ID: "withheld", Unit: Share, Num: one(Withheld), Den: one(Received)},

	{ID: "transferred", Unit: Share, Better: LowerIsBetter, Num: one(Transferred), Den: one(Reached), Page: 55},
	{ID: "transferred_blind", Unit: Share, Better: LowerIsBetter, Num: one(TransferredHow), Den: one(Reached), Page: 55},
	{ID: "consulted", Unit: Share, Num: one(Consultations), Den: one(Reached), Page: 55},
	{ID: "escalated", Unit: Share, Num: one(Escalated), Den: one(Reached), Page: 55},

	{ID: "availability", Unit: Share, Num: one(ReadyMS), Den: one(LoggedMS)},
	{ID: "occupancy", Unit: Share, Num: one(BusyMS), Den: []Measure{BusyMS, ReadyMS}},
	{ID: "logged_hours", Unit: Number, Num: one(LoggedMS), Scale: 1.0 / 3_600_000},

	{ID: "self_served", Unit: Share, Better: HigherIsBetter, Num: one(SelfServed), Den: one(Received), Needs: Week, Page: 35},
	{ID: "self_served_open", Unit: Share, Better: HigherIsBetter, Num: one(SelfServedOpen), Den: one(ReceivedOpen), Needs: Week, Page: 35},
	{ID: "simple", Unit: Share, Num: one(SimpleAnswered), Den: one(AnsweredCalls)},
	{ID: "other_reason", Unit: Share, Better: LowerIsBetter, Num: one(NoReason), Den: one(Received), Page: 43},

	{ID: "satisfaction_welcome", Unit: Points, Better: HigherIsBetter, Num: one(WelcomeSum), Den: one(WelcomeN), Scale: perSecond, Page: 49},
	{ID: "satisfaction_answer", Unit: Points, Better: HigherIsBetter, Num: one(AnswerSum), Den: one(AnswerN), Scale: perSecond, Page: 49},
	{ID: "satisfaction_personal", Unit: Points, Better: HigherIsBetter, Num: one(PersonalSum), Den: one(PersonalN), Scale: perSecond, Page: 49},
	{ID: "satisfaction_overall", Unit: Points, Better: HigherIsBetter, Num: one(OverallSum), Den: one(OverallN), Scale: perSecond, Page: 49},
	{ID: "survey_replies", Unit: Share, Num: one(SurveyReplies), Den: one(Surveyed)},

	{ID: "promises_asked", Unit: Number, Num: one(PromisesAsked)},
	{ID: "promises_kept", Unit: Share, Better: HigherIsBetter, Num: one(PromisesKept), Den: []Measure{PromisesKept, PromisesLate, PromisesNone, PromisesExpired}},
	{ID: "promises_late", Unit: Number, Better: LowerIsBetter, Num: one(PromisesLate)},
	{ID: "promises_unreachable", Unit: Number, Num: one(PromisesNone)},
	{ID: "promises_cancelled", Unit: Number, Num: one(PromisesGone)},
	{ID: "promises_answered", Unit: Number, Num: one(PromisesMet)},
	{ID: "promises_expired", Unit: Number, Better: LowerIsBetter, Num: one(PromisesExpired)},
	{ID: "attempts", Unit: Number, Num: one(Attempts), Den: one(PromisesAsked)},
	{ID: "callback_delay", Unit: Seconds, Better: LowerIsBetter, Num: one(CallbackMS), Den: []Measure{PromisesKept, PromisesLate}, Scale: perSecond},
	{ID: "callback_median", Unit: Seconds, Better: LowerIsBetter, of: callbacks, Rank: 0.5},

	{ID: "told", Unit: Share, Better: HigherIsBetter, Num: one(Told), Den: one(AnsweredCalls)},
	{ID: "told_in_range", Unit: Share, Better: HigherIsBetter, Num: one(ToldIn), Den: one(Told)},
	{ID: "told_above", Unit: Share, Better: LowerIsBetter, Num: one(ToldAbove), Den: one(Told)},
	{ID: "told_bias", Unit: Seconds, Num: one(ToldBiasMS), Den: one(ToldEstimate), Scale: perSecond},

	{ID: "outcome_self_served", Unit: Number, Num: one(OutSelfServed)},
	{ID: "outcome_left_ivr", Unit: Number, Num: one(OutLeftIVR)},
	{ID: "outcome_abandoned", Unit: Number, Num: one(OutAbandoned)},
	{ID: "outcome_called_back", Unit: Number, Num: one(OutCalledBack)},
	{ID: "outcome_closed", Unit: Number, Num: one(OutClosed)},
	{ID: "outcome_dissuaded", Unit: Number, Num: one(OutDissuaded)},
	{ID: "outcome_transferred_out", Unit: Number, Num: one(OutTransferred)},
	{ID: "outcome_failed", Unit: Number, Num: one(OutFailed)},
	{ID: "outcome_answered", Unit: Number, Num: one(OutAnswered)},
	{ID: "sms_sent", Unit: Number, Num: one(SMSSent)},
	{ID: "sms_failed", Unit: Number, Better: LowerIsBetter, Num: one(SMSFailed)},
}

// IndicatorOf finds an indicator by its ID.
func IndicatorOf(id string) (Indicator, bool) {
	for _, i := range Indicators {
		if i.ID == id {
			return i, true
		}
	}
	return Indicator{}, false
}

// Figure is an indicator's value for a cell.
type Figure struct {
	// Num and Den are the counts, in the measures' own units; Den is 0 for a plain number.
	Num, Den int64
	// Value is in the indicator's unit. Known is false when the denominator counts nothing:
	// a rate of nothing is no rate.
	Value float64
	Known bool
}

// Of computes the indicator for a cell.
func (i Indicator) Of(c *Cell) Figure {
	if i.Rank > 0 {
		s, ok := c.percentile(i.of, i.Rank)
		return Figure{Num: s, Den: c.d[i.of].total(), Value: float64(s), Known: ok}
	}
	f := Figure{Num: c.sum(i.Num) - c.sum(i.NumLess), Den: c.sum(i.Den) - c.sum(i.DenLess)}
	scale := i.Scale
	if scale == 0 {
		scale = 1
	}
	switch {
	case len(i.Den) == 0:
		f.Value, f.Known = float64(f.Num)*scale, true
	case f.Den != 0:
		f.Value, f.Known = float64(f.Num)/float64(f.Den)*scale, true
	}
	return f
}

func (c *Cell) sum(ms []Measure) (n int64) {
	for _, m := range ms {
		n += c.n[m]
	}
	return n
}

// Percentile says that the indicator is one, and needs distributions.
func (i Indicator) Percentile() bool { return i.Rank > 0 }
