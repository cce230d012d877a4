package metrics

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// month is a period of four weeks that ended n days before auditDay.
func month(endedBefore int, counts map[Measure]int64) Period {
	p := Period{Queue: "accueil", To: auditDay.AddDate(0, 0, -endedBefore), Cell: new(Cell)}
	p.From = p.To.AddDate(0, 0, -28)
	for m, n := range counts {
		p.Cell.n[m] = n
	}
	return p
}

var auditDay = time.Date(2026, 6, 15, 6, 0, 0, 0, paris)

// fair is a month of 1,000 calls: décroché 80 %, DMC 300 s, 10 % call again, 85 % solved.
func fair() map[Measure]int64 {
	return map[Measure]int64{
		Asked: 1000, AnsweredCalls: 800, Legs: 800, TalkMS: 240_000_000,
		Repeatable: 900, Repeated24h: 90, Repeated7d: 120, ResolvedYes: 680, ResolvedNo: 120,
	}
}

func with(base map[Measure]int64, changes map[Measure]int64) map[Measure]int64 {
	for m, n := range changes {
		base[m] = n
	}
	return base
}

func TestTheViciousCircleIsToldWhenTheFiguresOfThePressureRiseAndCitizensCallAgain(t *testing.T) {
	more := map[Measure]int64{AnsweredCalls: 900, Legs: 900, TalkMS: 270_000_000} // décroché 90 %, DMC as before
	for _, c := range []struct {
		name          string
		now           map[Measure]int64
		ended         int // days before the audit
		better, worse []string
	}{
		{"décroché up, repeats up", with(with(fair(), more), map[Measure]int64{Repeated24h: 160}), 1, []string{"decroche_agent"}, []string{"repeated_24h"}},
		{"décroché up, résolution down", with(with(fair(), more), map[Measure]int64{ResolvedYes: 600, ResolvedNo: 200}), 1, []string{"decroche_agent"}, []string{"resolved_agent"}},
		{"DMC down, repeats up", with(fair(), map[Measure]int64{TalkMS: 192_000_000, Repeated24h: 160}), 1, []string{"dmc"}, []string{"repeated_24h"}},
		{"both sides, twice", with(with(fair(), more), map[Measure]int64{TalkMS: 180_000_000, Repeated24h: 160, ResolvedYes: 600, ResolvedNo: 200}), 1, []string{"decroche_agent", "dmc"}, []string{"repeated_24h", "resolved_agent"}},
		{"repeats within 7 days, once they are known", with(with(fair(), more), map[Measure]int64{Repeated7d: 190}), 7, []string{"decroche_agent"}, []string{"repeated_7d"}},
		{"repeats within 7 days are not known yet", with(with(fair(), more), map[Measure]int64{Repeated7d: 190}), 6, nil, nil},
		{"repeats within 24 hours are not known yet", with(with(fair(), more), map[Measure]int64{Repeated24h: 160}), 0, nil, nil},
		{"nothing moves", fair(), 1, nil, nil},
		{"progress", with(with(fair(), more), map[Measure]int64{Repeated24h: 40}), 1, nil, nil},
		{"all gets worse: no circle, and seen elsewhere", with(fair(), map[Measure]int64{AnsweredCalls: 600, Repeated24h: 160}), 1, nil, nil},
		{"longer conversations", with(fair(), map[Measure]int64{TalkMS: 300_000_000, Repeated24h: 160}), 1, nil, nil},
		{"a fall of DMC alone", with(fair(), map[Measure]int64{TalkMS: 120_000_000}), 1, nil, nil},
		{"too little to tell from noise", with(fair(), map[Measure]int64{AnsweredCalls: 825, Repeated24h: 100}), 1, nil, nil},
		{"99 contacts that could be recognised", with(with(fair(), more), map[Measure]int64{Repeatable: 99, Repeated24h: 60}), 1, nil, nil},
		{"nobody called", map[Measure]int64{}, 1, nil, nil},
	} {
		now := month(c.ended, c.now)
		a, told := ViciousCircle(now, month(c.ended+28, fair()), auditDay.Truncate(time.Hour))
		if told != (len(c.worse) > 0) || !same(a.Better, c.better) || !same(a.Worse, c.worse) {
			t.Errorf("%s: told %v, better %v, worse %v", c.name, told, a.Better, a.Worse)
			continue
		}
		if told && (a.Kind != ViciousCircleAlarm || a.Queue != "accueil" || !a.Since.Equal(now.From) || !a.Until.Equal(now.To) ||
			a.Value != a.Worse[0].Now.Value || a.Limit != a.Worse[0].Before.Value || a.N != a.Worse[0].Now.Den || a.Low >= a.Value || a.High <= a.Value) {
			t.Errorf("%s: the alarm is %+v", c.name, a)
		}
	}
}

func same(moves []Move, ids []string) bool {
	if len(moves) != len(ids) {
		return false
	}
	for i, m := range moves {
		if m.Indicator != ids[i] || m.Z < movedZ {
			return false
		}
	}
	return true
}

func TestMovesAreMeasuredInStandardErrors(t *testing.T) {
	// By hand: p = 0.85, √(0.85 × 0.15 × (1/1000 + 1/1000)) = 0.015969; 0.1 / 0.015969.
	m := moves([]watched{{"decroche_agent", true}}, month(1, map[Measure]int64{Asked: 1000, AnsweredCalls: 900}), month(29, fair()), auditDay)
	if len(m) != 1 || math.Abs(m[0].Z-6.2622) > 1e-3 {
		t.Errorf("décroché moved by %+v", m)
	}
	// The mean of all is 270 s, and 270 × √(1/800 + 1/800) = 13.5; 60 / 13.5.
	m = moves([]watched{{"dmc", false}}, month(1, with(fair(), map[Measure]int64{TalkMS: 192_000_000})), month(29, fair()), auditDay)
	if len(m) != 1 || math.Abs(m[0].Z-4.4444) > 1e-3 {
		t.Errorf("DMC moved by %+v", m)
	}
}

// A million calls make any trifle certain; managers are told of what matters.
func TestATrifleIsNoAlarmHoweverManyTheCalls(t *testing.T) {
	many := func(counts map[Measure]int64) map[Measure]int64 {
		for m := range counts {
			counts[m] *= 1000
		}
		return counts
	}
	trifle := with(fair(), map[Measure]int64{AnsweredCalls: 815, Legs: 815, TalkMS: 240_000_000, Repeated24h: 105})
	if a, told := ViciousCircle(month(1, many(trifle)), month(29, many(fair())), auditDay); told {
		t.Errorf("told of %+v", a)
	}
}

// drawn is a month of 600 calls of which each is answered, cut short, repeated or solved by chance.
func drawn(rng *rand.Rand, endedBefore int, answered, talk, repeated, solved float64) Period {
	counts := map[Measure]int64{}
	for range 600 {
		counts[Asked]++
		if rng.Float64() < answered {
			counts[AnsweredCalls]++
			counts[Legs]++
			counts[TalkMS] += int64(talk * 1000 * rng.ExpFloat64())
			if rng.Float64() < solved {
				counts[ResolvedYes]++
			} else {
				counts[ResolvedNo]++
			}
		}
		counts[Repeatable]++
		if rng.Float64() < repeated {
			counts[Repeated24h]++
		}
	}
	return month(endedBefore, counts)
}

func TestNoiseGivesNoAlarmAndARealCircleDoes(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 9))
	const months = 2000
	wrong, found := 0, 0
	for range months {
		before := drawn(rng, 29, 0.80, 300, 0.10, 0.85)
		if _, told := ViciousCircle(drawn(rng, 1, 0.80, 300, 0.10, 0.85), before, auditDay); told {
			wrong++
		}
		if _, told := ViciousCircle(drawn(rng, 1, 0.90, 220, 0.20, 0.75), before, auditDay); told {
			found++
		}
	}
	t.Logf("of %d months without change %d gave an alarm; of as many with a circle %d", months, wrong, found)
	if wrong > months/200 || found < months*95/100 {
		t.Errorf("of %d months: %d false alarms, %d circles found", months, wrong, found)
	}
}

func TestTheCirclesPeriodsAreWholeWeeksWhoseRepeatsAreKnown(t *testing.T) {
	// The clocks change on 29 March 2026, in the later period.
	today := time.Date(2026, 4, 15, 6, 30, 0, 0, paris)
	before, now := CirclePeriods(today)
	for i, want := range []string{"2026-02-17 00:00", "2026-03-17 00:00", "2026-03-17 00:00", "2026-04-14 00:00"} {
		if got := [4]time.Time{before[0], before[1], now[0], now[1]}[i].Format("2006-01-02 15:04"); got != want {
			t.Errorf("moment %d is %s, want %s", i, got, want)
		}
	}
	if i, _ := IndicatorOf("repeated_24h"); now[1].Add(i.Needs).After(today) {
		t.Error("repeats of the last day are not known yet")
	}
}

func TestTooManyContactsWithoutReasonAreToldAboveTheSettingAlone(t *testing.T) {
	for _, c := range []struct {
		none, received int64
		told           bool
	}{
		{150, 1000, false}, // 15 % is not above 15 %
		{151, 1000, true},
		{5, 30, true},
		{29, 29, false}, // too few
		{0, 0, false},
	} {
		a, told := OtherReason(month(0, map[Measure]int64{Received: c.received, NoReason: c.none}), 0.15)
		if told != c.told {
			t.Errorf("%d of %d: told %v", c.none, c.received, told)
		}
		if told && (a.Kind != OtherReasonAlarm || a.Value != float64(c.none)/float64(c.received) || a.Limit != 0.15 || a.N != c.received) {
			t.Errorf("%d of %d: the alarm is %+v", c.none, c.received, a)
		}
	}
}

func TestWhatWasAnnouncedIsAuditedAgainstWhatWasLived(t *testing.T) {
	audit := Announced(month(0, map[Measure]int64{
		AnsweredCalls: 500, Told: 400, ToldIn: 320, ToldAbove: 60, ToldEstimate: 380, ToldBiasMS: 5_700_000,
	}))
	if audit.Told.Share != 0.8 || audit.In.Share != 0.8 || audit.Above.Share != 0.15 || audit.Above.N != 400 || audit.Bias != 15 || !audit.BiasKnown {
		t.Errorf("the audit is %+v", audit)
	}
	a, told := audit.Alarm(0.10)
	if !told || a.Kind != AnnouncedAlarm || a.Queue != "accueil" || a.Value != 0.15 || a.N != 400 || a.Limit != 0.10 || a.Low != audit.Above.Low || a.Low <= 0.10 {
		t.Errorf("told %v: %+v", told, a)
	}
	if nothing := Announced(month(0, nil)); nothing.BiasKnown || nothing.Above.High != 1 || nothing.Above.Low != 0 {
		t.Errorf("of nothing, the audit is %+v", nothing)
	}
}

func TestWaitsAboveTheRangeAreToldOnceTheyAreSurelyMoreThanTheSetting(t *testing.T) {
	for _, c := range []struct {
		above, told int64
		alarm       bool
	}{
		{29, 29, false}, // too few, whatever they say
		{4, 30, false},  // 13 %, which 10 % gives by chance
		{7, 30, true},   // 23 %
		{12, 100, false},
		{18, 100, true},
		{100, 1000, false},
		{125, 1000, true},
		{40, 1000, false},
	} {
		if _, alarm := Announced(month(0, map[Measure]int64{AnsweredCalls: c.told, Told: c.told, ToldAbove: c.above})).Alarm(0.10); alarm != c.alarm {
			t.Errorf("%d of %d above: alarm %v", c.above, c.told, alarm)
		}
	}
}

// The examples of R. G. Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
func TestWilsonsIntervalIsThatOfThePublishedExamples(t *testing.T) {
	for _, c := range []struct {
		k, n      int64
		low, high float64
	}{
		{81, 263, 0.2553, 0.3662},
		{15, 148, 0.0624, 0.1605},
		{0, 20, 0, 0.1611},
		{1, 29, 0.0061, 0.1718},
		{29, 29, 0.8830, 1},
	} {
		if w := Wilson(c.k, c.n); math.Abs(w.Low-c.low) > 5e-5 || math.Abs(w.High-c.high) > 5e-5 {
			t.Errorf("%d of %d: %.4f to %.4f, want %.4f to %.4f", c.k, c.n, w.Low, w.High, c.low, c.high)
		}
	}
}

func TestAlarmsWatchIndicatorsThatExist(t *testing.T) {
	for _, id := range append(WatchedIndicators(), "other_reason", "told", "told_in_range", "told_above", "told_bias") {
		if _, ok := IndicatorOf(id); !ok {
			t.Errorf("indicator %q does not exist", id)
		}
	}
}
