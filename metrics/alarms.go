package metrics

import (
	"math"
	"slices"
	"time"
)

// AlarmKind is what managers are told of. The catalogue has its texts: "alarm.KIND.title",
// "alarm.KIND" (what was found) and "alarm.KIND.do" (what the guide advises).
type AlarmKind string

const (
	ViciousCircleAlarm AlarmKind = "vicious_circle"
	OtherReasonAlarm   AlarmKind = "other_reason"
	AnnouncedAlarm     AlarmKind = "announced_above"
)

// AlarmKinds are all of them.
var AlarmKinds = []AlarmKind{ViciousCircleAlarm, OtherReasonAlarm, AnnouncedAlarm}

// Alarm is a finding of the daily audit. It says that somebody should look, and no more.
type Alarm struct {
	Kind AlarmKind
	// Queue is the queue it is about, "" the service as a whole.
	Queue string
	// Since and Until bound the time in which it was found.
	Since time.Time
	Until time.Time
	// Value is the share found, in [0, 1], of N contacts; Low and High are its 95 % interval.
	Value float64
	Low   float64
	High  float64
	N     int64
	// Limit is what Value is held against: a setting or, for the vicious circle, the share
	// before.
	Limit float64
	// Better and Worse are the indicators that moved, for the vicious circle. Value is that of
	// the first that got worse.
	Better []Move
	Worse  []Move
}

// Move is how an indicator changed. The catalogue has it as "alarm.moved.INDICATOR", with
// {before} and {now} in the indicator's unit.
type Move struct {
	Indicator string
	Before    Figure
	Now       Figure
	// Z is by how many standard errors it moved, positive whichever way.
	Z float64
}

// Period is what was counted for a queue, or for a service as a whole, in [From, To).
type Period struct {
	Queue    string
	From, To time.Time
	Cell     *Cell
}

// What keeps noise from giving an alarm.
const (
	leastJudged   = 30    // contacts, to judge one share
	leastCompared = 100   // contacts in each period, to compare two
	movedZ        = 2.326 // standard errors: by chance once in a hundred, on one side
	movedPoints   = 0.02  // and two points of a share, or
	movedLength   = 0.05  // 5 % of a length: calls of one day resemble each other, and many make no trifle an alarm
)

// A watched indicator takes part in the vicious circle when it moves one way.
type watched struct {
	id    string
	rises bool
}

var (
	seemsBetter = []watched{{"decroche_agent", true}, {"dmc", false}}
	getsWorse   = []watched{{"repeated_24h", true}, {"repeated_7d", true}, {"resolved_agent", false}}
)

// WatchedIndicators are those whose moves can make a vicious circle.
func WatchedIndicators() (ids []string) {
	for _, w := range slices.Concat(seemsBetter, getsWorse) {
		ids = append(ids, w.id)
	}
	return ids
}

// ViciousCircle finds the circle of the guide (p. 12): conversations are cut short to answer
// more calls, and citizens who were not helped call again. It is told when the taux de décroché
// rises or the DMC falls, while réitération (within 24 hours, or 7 days) rises or the agents'
// word of résolution falls. DMC is no goal, and its fall alone no alarm.
//
// Shares are compared by the two-proportion z-test with the pooled share p:
//
//	z = (p₂ − p₁) / √(p (1 − p) (1/n₁ + 1/n₂))
//
// and lengths by the same with the pooled mean in place of √(p (1 − p)): conversations vary about
// as much as they last. Each must move by 2.326 standard errors (by chance, once in a hundred) and by
// 2 points, or by 5 % for a length, with 100 contacts or more in each period. An indicator whose window
// is not over before now (Needs) takes no part: repeats that are still to come would look like
// progress. The periods should have the same days of the week: see CirclePeriods.
func ViciousCircle(now, before Period, at time.Time) (Alarm, bool) {
	better := moves(seemsBetter, now, before, at)
	worse := moves(getsWorse, now, before, at)
	if len(better) == 0 || len(worse) == 0 {
		return Alarm{}, false
	}
	first := worse[0]
	a := now.alarm(ViciousCircleAlarm, first.Now, first.Before.Value)
	a.Better, a.Worse = better, worse
	return a, true
}

// CirclePeriods are the four weeks whose repeats within 24 hours are known on a day, and the
// four weeks before them: whole weeks, so that Mondays are compared with Mondays.
func CirclePeriods(today time.Time) (before, now [2]time.Time) {
	y, m, d := today.Date()
	days := func(n int) time.Time { return time.Date(y, m, d-n, 0, 0, 0, 0, today.Location()) }
	return [2]time.Time{days(57), days(29)}, [2]time.Time{days(29), days(1)}
}

func moves(list []watched, now, before Period, at time.Time) (out []Move) {
	for _, w := range list {
		i, _ := IndicatorOf(w.id) // a test holds the names
		if now.To.Add(i.Needs).After(at) {
			continue
		}
		m := Move{Indicator: w.id, Before: i.Of(before.Cell), Now: i.Of(now.Cell)}
		if m.Before.Den < leastCompared || m.Now.Den < leastCompared {
			continue
		}
		by := m.Now.Value - m.Before.Value
		if !w.rises {
			by = -by
		}
		spread, least := m.spread(i.Unit)
		if m.Z = by / spread; by >= least && m.Z >= movedZ {
			out = append(out, m)
		}
	}
	return out
}

// spread is the standard error of the difference if nothing had changed, and the least
// difference that matters.
func (m Move) spread(unit Unit) (se, least float64) {
	n1, n2 := float64(m.Before.Den), float64(m.Now.Den)
	pooled := (m.Before.Value*n1 + m.Now.Value*n2) / (n1 + n2)
	each := math.Sqrt(1/n1 + 1/n2)
	if unit == Share {
		return math.Sqrt(pooled*(1-pooled)) * each, movedPoints
	}
	return pooled * each, movedLength * m.Before.Value
}

// OtherReason finds that too many contacts have no reason, or "autre": the guide (p. 43) wants
// that share watched, for new motifs hide there. limit is a share (service.Indicators.Other).
// Fewer than 30 contacts are not judged. The contacts are all there are and no sample, so
// the share is taken as it is.
func OtherReason(p Period, limit float64) (Alarm, bool) {
	i, _ := IndicatorOf("other_reason")
	f := i.Of(p.Cell)
	if f.Den < leastJudged || f.Value <= limit {
		return Alarm{}, false
	}
	return p.alarm(OtherReasonAlarm, f, limit), true
}

// An Audit holds the waits announced against the waits lived, for answered callers: of those
// who gave up it is not known how long they would have waited, so that it is rather too kind.
type Audit struct {
	Period
	// Told is the share of answered callers who were told a range.
	Told Proportion
	// In and Above are the shares of those told who waited within the range, and longer.
	In    Proportion
	Above Proportion
	// Bias is the mean of real wait − estimate, in seconds: positive when waits are longer than
	// estimated. BiasKnown is false when nobody was told an estimate.
	Bias      float64
	BiasKnown bool
}

// Proportion is a share K/N with its 95 % interval, all of [0, 1]. With N = 0 nothing is known:
// Share is 0, Low 0, High 1.
type Proportion struct {
	K     int64
	N     int64
	Share float64
	Low   float64
	High  float64
}

// Announced audits what callers were told of their wait.
func Announced(p Period) Audit {
	share := func(id string) Proportion {
		i, _ := IndicatorOf(id)
		f := i.Of(p.Cell)
		return Wilson(f.Num, f.Den)
	}
	bias, _ := IndicatorOf("told_bias")
	b := bias.Of(p.Cell)
	return Audit{
		Period: p, Told: share("told"), In: share("told_in_range"), Above: share("told_above"),
		Bias: b.Value, BiasKnown: b.Known,
	}
}

// Alarm tells that callers wait longer than they were told more often than limit, a share
// (service.Indicators.AnnouncedAbove): the whole 95 % interval is above it, of 30 callers or
// more. A range is a forecast, and a few callers above it are in its nature.
func (a Audit) Alarm(limit float64) (Alarm, bool) {
	if a.Above.N < leastJudged || a.Above.Low <= limit {
		return Alarm{}, false
	}
	return a.alarm(AnnouncedAlarm, Figure{Num: a.Above.K, Den: a.Above.N, Value: a.Above.Share}, limit), true
}

func (p Period) alarm(kind AlarmKind, f Figure, limit float64) Alarm {
	w := Wilson(f.Num, f.Den)
	return Alarm{
		Kind: kind, Queue: p.Queue, Since: p.From, Until: p.To,
		Value: f.Value, Low: w.Low, High: w.High, N: f.Den, Limit: limit,
	}
}

// Wilson is the share k/n with its 95 % score interval, which holds for few contacts and for
// shares near 0 and 1 (E. B. Wilson, JASA 22, 1927). 0 ≤ k ≤ n.
func Wilson(k, n int64) Proportion {
	if n <= 0 {
		return Proportion{High: 1}
	}
	const z = 1.959964
	p, m := float64(k)/float64(n), float64(n)
	mid := (p + z*z/(2*m)) / (1 + z*z/m)
	half := z / (1 + z*z/m) * math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	return Proportion{K: k, N: n, Share: p, Low: max(0, mid-half), High: min(1, mid+half)}
}
