package service

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

var dayNames = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// hours reads a week: days or spans of days, each with its ranges.
func (r *reader) hours(n *node, path string) Hours {
	var h Hours
	o := r.object(n, path, theKey(path))
	set := map[time.Weekday]int{}
	o.each(func(day string, at Position, v *node) {
		days, ok := r.days(day, at)
		if !ok {
			return
		}
		ranges := r.ranges(v, at, say("the.day", "day", day))
		for _, day := range days {
			if line, twice := set[day]; twice {
				r.problem(at, say("hours.twice", "day", dayNames[day], "line", line), say("keep"))
				continue
			}
			set[day] = at.Line
			h.Week[day] = ranges
		}
	})
	return h
}

// days reads "mon", "mon-fri" or "mon, wed".
func (r *reader) days(key string, at Position) (days []time.Weekday, ok bool) {
	for part := range strings.SplitSeq(key, ",") {
		from, to, span := strings.Cut(strings.TrimSpace(part), "-")
		if !span {
			to = from
		}
		first, last := slices.Index(dayNames, strings.TrimSpace(from)), slices.Index(dayNames, strings.TrimSpace(to))
		if first < 0 || last < 0 {
			word := from
			if first >= 0 {
				word = to
			}
			r.problem(at, say("day", "value", word), say("day.fix"))
			return nil, false
		}
		for d := first; ; d = (d + 1) % 7 {
			days = append(days, time.Weekday(d))
			if d == last {
				break
			}
		}
	}
	return days, true
}

// ranges reads "08:30-12:30, 13:30-17:00" or "closed".
func (r *reader) ranges(n *node, at Position, label words) []Range {
	if n.kind == empty {
		r.problem(at, say("hours.none", "of", label), say("hours.none.fix"))
		return nil
	}
	s, ok := r.scalar(n, say("the.hours", "of", label))
	if !ok || s == "closed" {
		return nil
	}
	var ranges []Range
	for part := range strings.SplitSeq(s, ",") {
		part = strings.TrimSpace(part)
		from, to, dash := strings.Cut(part, "-")
		a, okA := minutes(from)
		b, okB := minutes(to)
		switch {
		case !dash || !okA || !okB:
			r.problem(n.at, say("range", "value", part), say("range.fix"))
		case a >= b:
			r.problem(n.at, say("range.backwards", "value", part), say("range.backwards.fix"))
		default:
			ranges = append(ranges, Range{From: a, To: b})
		}
	}
	slices.SortFunc(ranges, func(a, b Range) int { return cmp.Compare(a.From, b.From) })
	for i := 1; i < len(ranges); i++ {
		if ranges[i].From < ranges[i-1].To {
			r.problem(n.at, say("ranges", "a", ranges[i-1], "b", ranges[i], "of", label), say("ranges.fix"))
		}
	}
	return mergeTouching(ranges)
}

// mergeTouching makes one range of two that touch, so that the line does not close between them.
func mergeTouching(ranges []Range) []Range {
	var out []Range
	for _, r := range ranges {
		if len(out) > 0 && out[len(out)-1].To == r.From {
			out[len(out)-1].To = r.To
			continue
		}
		out = append(out, r)
	}
	return out
}

func (r Range) String() string {
	return fmt.Sprintf("%02d:%02d-%02d:%02d", r.From/60, r.From%60, r.To/60, r.To%60)
}

// minutes reads "08:30" as minutes from midnight, up to 24:00.
func minutes(s string) (int, bool) {
	hh, mm, ok := strings.Cut(strings.TrimSpace(s), ":")
	if !ok || len(hh) < 1 || len(hh) > 2 || len(mm) != 2 {
		return 0, false
	}
	h, err1 := strconv.ParseUint(hh, 10, 8)
	m, err2 := strconv.ParseUint(mm, 10, 8)
	total := int(h)*60 + int(m)
	return total, err1 == nil && err2 == nil && m < 60 && total <= 24*60
}

func (r *reader) holidays(o *object) HolidaySet {
	var names []string
	for _, set := range HolidaySets() {
		names = append(names, string(set))
	}
	s := o.choice("holidays", names...)
	if s == "" {
		return "metropole"
	}
	return HolidaySet(s)
}

func (r *reader) closures(o *object) {
	for i, item := range o.list("closures") {
		path := fmt.Sprintf("closures[%d]", i)
		r.def.pos[path] = item.at
		co := r.object(item, path, say("the.closure", "n", i+1))
		from, until, ok := r.span(co)
		c := Closure{From: from, Until: until, Prompt: co.ref("prompt", "prompt"), Why: co.text("why")}
		co.close()
		if ok {
			r.def.Closures = append(r.def.Closures, c)
		}
	}
}

func (r *reader) openings(o *object) {
	for i, item := range o.list("openings") {
		path := fmt.Sprintf("openings[%d]", i)
		r.def.pos[path] = item.at
		xo := r.object(item, path, say("the.opening", "n", i+1))
		day, dateOnly, ok := r.moment(xo, "day", true)
		var e ExtraOpening
		if n := xo.need("hours", "opening.hours"); n != nil {
			e = ExtraOpening{Day: day, Ranges: r.ranges(n, n.at, xo.label)}
		}
		xo.close()
		if ok && !dateOnly {
			r.problem(xo.place("day"), say("opening.day"), say("opening.day.fix"))
		}
		if slices.ContainsFunc(r.def.Openings, func(other ExtraOpening) bool { return ok && other.Day.Equal(day) }) {
			r.problem(xo.place("day"), say("opening.twice"), say("opening.twice.fix"))
		}
		r.def.Openings = append(r.def.Openings, e)
	}
}

// span reads "from" and "until". A date alone means the whole day: "until: 2026-12-26"
// includes the 26th, as people say it.
func (r *reader) span(o *object) (from, until time.Time, ok bool) {
	from, _, okFrom := r.moment(o, "from", true)
	until, dateOnly, okUntil := r.moment(o, "until", true)
	if !okFrom || !okUntil {
		return from, until, false
	}
	if dateOnly {
		until = time.Date(until.Year(), until.Month(), until.Day()+1, 0, 0, 0, 0, r.def.Location)
	}
	if !from.Before(until) {
		r.problem(o.place("until"), say("span", "of", o.label), say("span.fix"))
		return from, until, false
	}
	return from, until, true
}

func (r *reader) moment(o *object, key string, needed bool) (t time.Time, dateOnly, ok bool) {
	if needed {
		o.need(key, "date", "key", key)
	}
	s := o.text(key)
	if s == "" {
		return time.Time{}, false, false
	}
	for _, layout := range []string{"2006-01-02 15:04", "2006-01-02T15:04"} {
		if t, err := time.ParseInLocation(layout, s, r.def.Location); err == nil {
			return t, false, true
		}
	}
	if t, err := time.ParseInLocation("2006-01-02", s, r.def.Location); err == nil {
		return t, true, true
	}
	r.problem(o.get(key).at, say("date", "key", key, "of", o.label, "value", s), say("date.fix"))
	return time.Time{}, false, false
}
