package metrics

import (
	"context"
	"errors"
	"time"

	"decroche/service"
)

// Days are the days at target of one queue, team, site or of a service as a whole: days with a
// request for a person, which are the open ones that count, and those that met a goal.
type Days struct {
	Value string
	// Open days; of them those whose taux de décroché (agent) met the goal, and the excellent one.
	Open, Answered, Excellent int
	// InTime days met the queue's goal of décroché dans les délais, of those that had one to meet;
	// for queues alone.
	InTimeOpen, InTime int
}

// DaysAtGoal counts the days at target of [from, to), by value of a dimension, under conditions.
func (f *Figures) DaysAtGoal(ctx context.Context, q Query, goals service.Goals, inTime func(queue string) float64) ([]Days, error) {
	q.Step, q.Percentiles = ByDay, false
	lines, err := f.Lines(ctx, q)
	if err != nil {
		return nil, err
	}
	answered, _ := IndicatorOf("decroche_agent")
	timely, _ := IndicatorOf("in_time")
	var out []Days
	for _, l := range lines {
		if len(out) == 0 || out[len(out)-1].Value != l.Value {
			out = append(out, Days{Value: l.Value})
		}
		d := &out[len(out)-1]
		if a := answered.Of(l.Cell); a.Known {
			d.Open++
			d.Answered += met(a, goals.Answered)
			d.Excellent += met(a, goals.Excellent)
		}
		if t := timely.Of(l.Cell); q.By == ByQueue && t.Known {
			d.InTimeOpen++
			d.InTime += met(t, inTime(l.Value))
		}
	}
	return out, nil
}

// met compares counts, so that 85 of 100 meet 85 %.
func met(f Figure, goal float64) int {
	const rounding = 1e-9
	if float64(f.Num) >= (goal-rounding)*float64(f.Den) {
		return 1
	}
	return 0
}

// Audited is what the daily audit found.
type Audited struct {
	Alarms []Alarm
	// Announced holds the announced waits of each queue against the real ones.
	Announced []Audit
}

// Daily audits the four weeks whose repeats within 24 hours are known on a day, and compares them with the
// four before: the service as a whole and each of its queues. It is the same whenever it is
// asked on that day, but for repeats that become known.
func (f *Figures) Daily(ctx context.Context, today time.Time, in service.Indicators) (*Audited, error) {
	before, now := CirclePeriods(today)
	out := &Audited{}
	for _, by := range []Dim{Whole, ByQueue} {
		earlier, err1 := f.Lines(ctx, Query{From: before[0], To: before[1], By: by})
		later, err2 := f.Lines(ctx, Query{From: now[0], To: now[1], By: by})
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		was := map[string]Period{}
		for _, l := range earlier {
			was[l.Value] = Period{l.Value, before[0], before[1], l.Cell}
		}
		for _, l := range later {
			out.audit(Period{l.Value, now[0], now[1], l.Cell}, was[l.Value], by, today, in)
		}
	}
	return out, nil
}

func (a *Audited) audit(now, before Period, by Dim, today time.Time, in service.Indicators) {
	told := func(alarm Alarm, found bool) {
		if found {
			a.Alarms = append(a.Alarms, alarm)
		}
	}
	if by == ByQueue && now.Queue == "" {
		return // contacts that stood in no queue
	}
	if before.Cell != nil {
		told(ViciousCircle(now, before, today))
	}
	if by == Whole {
		told(OtherReason(now, in.Other))
		return
	}
	announced := Announced(now)
	if announced.Told.N > 0 {
		a.Announced = append(a.Announced, announced)
	}
	told(announced.Alarm(in.AnnouncedAbove))
}
