package callback

import (
	"iter"
	"time"

	"decroche/call"
	"decroche/service"
)

// sight is how far ahead a moment to call is looked for.
const sight = 90 * 24 * time.Hour

// usualDay are the citizens' hours when the service says none: Monday to Saturday, 08:00–20:00.
var usualDay = func() (h service.Hours) {
	for day := time.Monday; day <= time.Saturday; day++ {
		h.Week[day] = []service.Range{{From: 8 * 60, To: 20 * 60}}
	}
	return h
}()

// CallableAt says whether a citizen of this zone may be called at this moment: the line is
// open and the citizen's day is on. A nil zone is the service's own.
func CallableAt(def *service.Definition, zone *time.Location, at time.Time) bool {
	return def.Opening(at).Open && citizenDay(def, zone).Opening(at).Open
}

// NextCallable is the earliest moment from which a citizen of this zone may be called; ok is
// false when there is none within 90 days.
func NextCallable(def *service.Definition, zone *time.Location, from time.Time) (at time.Time, ok bool) {
	for s := range spans(from, from.Add(sight), def, citizenDay(def, zone)) {
		return s.from, true
	}
	return time.Time{}, false
}

// LineOf is the line as it is open for callbacks: through a relay centre, while that is there too.
func LineOf(def *service.Definition, relay call.Number) *service.Definition {
	if def == nil || relay == call.Withheld {
		return def
	}
	return def.ThroughRelay()
}

// citizenDay is the citizens' day as a line that opens and closes in their own time zone, so
// that the clocks that change there are read as those of a service are.
func citizenDay(def *service.Definition, zone *time.Location) *service.Definition {
	hours := def.Callback.Hours
	if noHours(hours) {
		hours = usualDay
	}
	if zone == nil {
		zone = def.Location
	}
	return weekly(zone, hours)
}

func weekly(zone *time.Location, hours service.Hours) *service.Definition {
	return &service.Definition{Location: zone, Holidays: "none", Hours: hours}
}

func noHours(h service.Hours) bool {
	for _, ranges := range h.Week {
		if len(ranges) > 0 {
			return false
		}
	}
	return true
}

// A span is a time without a break: [from, until).
type span struct{ from, until time.Time }

// spans walks in order the times within [from, until) at which all of the lines are open. It
// goes from change to change, never by the minute. Two spans never touch.
func spans(from, until time.Time, lines ...*service.Definition) iter.Seq[span] {
	return func(yield func(span) bool) {
		states := make([]service.Opening, len(lines))
		for i, line := range lines {
			states[i] = line.Opening(from)
		}
		for at := from; at.Before(until); {
			end, next := until, at
			for i, line := range lines {
				if u := states[i].Until; !u.IsZero() && !at.Before(u) {
					states[i] = line.Opening(at)
				}
				switch s := states[i]; {
				case s.Open && !s.Until.IsZero() && s.Until.Before(end):
					end = s.Until
				case !s.Open && s.Next.IsZero():
					return
				case !s.Open && s.Next.After(next):
					next = s.Next
				}
			}
			if next.After(at) {
				at = next
				continue
			}
			if !yield(span{at, end}) {
				return
			}
			at = end
		}
	}
}

// nextDay is the first instant of the day after t's, in a zone's calendar.
func nextDay(zone *time.Location, t time.Time) time.Time {
	if zone == nil {
		zone = time.UTC
	}
	y, m, d := t.In(zone).Date()
	return midnight(y, m, d+1, zone)
}

// midnight is the first instant of a day. Where the clocks jump over midnight it is the
// moment they jump to.
func midnight(y int, m time.Month, d int, zone *time.Location) time.Time {
	t := time.Date(y, m, d, 0, 0, 0, 0, zone)
	noon := time.Date(y, m, d, 12, 0, 0, 0, zone)
	if t.Day() != noon.Day() {
		_, end := t.ZoneBounds()
		return end
	}
	if t.Hour() > 0 { // the jump, seen from its far side
		start, _ := t.ZoneBounds()
		return start
	}
	if earlier := t.Add(-time.Hour); earlier.Day() == t.Day() { // midnight comes twice
		return earlier
	}
	return t
}
