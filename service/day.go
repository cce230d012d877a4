package service

import "time"

// DayPlan is one day of the line as a calendar shows it.
type DayPlan struct {
	// Day is its local midnight.
	Day time.Time
	// Open are the spans in which the line is open, within the day.
	Open []Span
	// Holiday is the name of the public holiday, Closure the closure that takes some of the day.
	Holiday string
	Closure *Closure
}

// Span is a part of a day: From ≤ t < Until.
type Span struct{ From, Until time.Time }

// DayPlan tells how the line stands over the local day that a moment is in.
func (d *Definition) DayPlan(at time.Time) DayPlan {
	at = at.In(d.location())
	p := DayPlan{Day: time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, d.location())}
	end := time.Date(at.Year(), at.Month(), at.Day()+1, 0, 0, 0, 0, d.location())
	for t := p.Day; t.Before(end); {
		o := d.Opening(t)
		until := o.Until
		if until.IsZero() || until.After(end) {
			until = end
		}
		if o.Open {
			p.Open = append(p.Open, Span{t, until})
		}
		if o.Holiday != "" {
			p.Holiday = o.Holiday
		}
		if o.Closure != nil {
			p.Closure = o.Closure
		}
		t = until
	}
	return p
}
