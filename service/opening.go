package service

import (
	"slices"
	"time"
)

// Why says what makes a line open or closed.
type Why string

const (
	WhyHours   Why = "hours"   // the ordinary week, or an exceptional opening
	WhyHoliday Why = "holiday" // a public holiday; the whole day
	WhyClosure Why = "closure" // an exceptional closure; it wins over all the others
)

// horizon is how far ahead Opening looks.
const horizon = 400 * 24 * time.Hour

// Opening is the state of the line at an instant.
type Opening struct {
	Open bool
	Why  Why
	// Holiday is the name of the public holiday when Why is WhyHoliday.
	Holiday string
	// Closure is set when Why is WhyClosure.
	Closure *Closure
	// Until is the first instant at which any of the above changes: 17:00 for a line
	// open until 17:00. It is zero when nothing changes within 400 days.
	Until time.Time
	// Next is when the line opens next after at, zero if that is not within 400 days.
	// For an open line it is the opening after the coming close.
	Next time.Time
}

// OpeningFor is Opening for callers of one number: a number that is always open is open
// without end.
func (d *Definition) OpeningFor(n Number, at time.Time) Opening {
	if n.AlwaysOpen {
		return Opening{Open: true, Why: WhyHours}
	}
	return d.Opening(at)
}

// Opening tells whether the line is open at an instant, why, and what comes next.
//
// The hours are those on the wall: on the day the clocks go back, a range that covers
// the hour that comes twice is open both times; on the day they go forward, what lies in
// the missing hour does not take place.
func (d *Definition) Opening(at time.Time) Opening {
	now := d.stateAt(at)
	o := Opening{Open: now.open, Why: now.why, Holiday: now.holiday}
	if now.closure >= 0 {
		o.Closure = &d.Closures[now.closure]
	}
	closedSince := !now.open
	day := dateOf(at.In(d.location()))
	for end := at.Add(horizon); ; day = day.next() {
		for _, t := range d.changesOn(day) {
			if !t.After(at) {
				continue
			}
			if t.After(end) {
				return o
			}
			s := d.stateAt(t)
			if o.Until.IsZero() && s != now {
				o.Until = t
			}
			if s.open && closedSince {
				o.Next = t
				return o
			}
			closedSince = closedSince || !s.open
		}
	}
}

func (d *Definition) location() *time.Location {
	if d.Location == nil {
		return time.UTC
	}
	return d.Location
}

// state is what Opening tells of one instant, comparable.
type state struct {
	open    bool
	why     Why
	holiday string
	closure int // index, -1 for none
}

// stateAt reads the clock on the wall and the closures, and nothing else.
func (d *Definition) stateAt(t time.Time) state {
	for i, c := range d.Closures {
		if !t.Before(c.From) && t.Before(c.Until) {
			return state{why: WhyClosure, closure: i}
		}
	}
	wall := t.In(d.location())
	ranges, holiday := d.day(dateOf(wall))
	minute := wall.Hour()*60 + wall.Minute()
	if holiday != "" {
		return state{why: WhyHoliday, holiday: holiday, closure: -1}
	}
	open := slices.ContainsFunc(ranges, func(r Range) bool { return r.From <= minute && minute < r.To })
	return state{open: open, why: WhyHours, closure: -1}
}

// date is a day of the local calendar.
type date struct {
	year  int
	month time.Month
	day   int
}

func dateOf(t time.Time) date {
	y, m, d := t.Date()
	return date{y, m, d}
}

func (d date) next() date { return dateOf(time.Date(d.year, d.month, d.day+1, 12, 0, 0, 0, time.UTC)) }

// day gives the ranges of a local day, or the public holiday that closes it.
func (d *Definition) day(on date) (ranges []Range, holiday string) {
	for _, e := range d.Openings {
		if dateOf(e.Day.In(d.location())) == on {
			return e.Ranges, ""
		}
	}
	if name, ok := d.Holidays.On(on.year, on.month, on.day); ok {
		return nil, name
	}
	return d.Hours.Week[time.Date(on.year, on.month, on.day, 12, 0, 0, 0, time.UTC).Weekday()], ""
}

// changesOn lists, in order, every instant of a local day at which the state can change:
// its beginning, the ends of its ranges, those of closures, and a change of the clocks.
func (d *Definition) changesOn(on date) []time.Time {
	ranges, _ := d.day(on)
	walls := []int{0}
	for _, r := range ranges {
		walls = append(walls, r.From, r.To)
	}
	noon := time.Date(on.year, on.month, on.day, 12, 0, 0, 0, d.location())
	var changes []time.Time
	for _, minute := range walls {
		changes = append(changes, instants(noon, on, minute)...)
	}
	for _, c := range d.Closures {
		for _, t := range []time.Time{c.From, c.Until} {
			if dateOf(t.In(d.location())) == on {
				changes = append(changes, t)
			}
		}
	}
	if start, _ := noon.ZoneBounds(); !start.IsZero() && dateOf(start) == on {
		changes = append(changes, start)
	}
	if _, end := noon.ZoneBounds(); !end.IsZero() && dateOf(end) == on {
		changes = append(changes, end)
	}
	slices.SortFunc(changes, time.Time.Compare)
	return slices.CompactFunc(changes, time.Time.Equal)
}

// instants are the instants at which the clock on the wall shows a minute of a day: one,
// none when the clocks jump over it, two when they come back to it.
func instants(noon time.Time, on date, minute int) []time.Time {
	utc := time.Date(on.year, on.month, on.day, 0, minute, 0, 0, time.UTC)
	var out []time.Time
	for _, probe := range []time.Time{noon.Add(-18 * time.Hour), noon, noon.Add(18 * time.Hour)} {
		_, offset := probe.Zone()
		t := utc.Add(-time.Duration(offset) * time.Second).In(noon.Location())
		if _, real := t.Zone(); real == offset && !slices.ContainsFunc(out, t.Equal) {
			out = append(out, t)
		}
	}
	return out
}
