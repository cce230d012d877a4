package admin

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"decroche/service"
	"decroche/text"
)

// hoursView is the calendar, and the forms of what it is made of.
type hoursView struct {
	Days     []dayField
	Week     part
	Holidays []choice
	HolyPart part
	Closures []closureField
	Closing  part
	Openings []openingField
	Opening  part
	Prompts  []choice
	Calendar []weekRow
}

type dayField struct{ ID, Name, Text string }

type closureField struct {
	N                            int
	From, FromAt, Until, UntilAt string
	Why, Prompt                  string
	Prompts                      []choice
}

type openingField struct {
	N          int
	Day, Hours string
}

// weekRow is a week of the calendar.
type weekRow struct{ Days []dayCell }

type dayCell struct {
	Name, Text, Note string
	Closed, Today    bool
	Listen           string // address of the rehearsal of that day
}

// calendarWeeks is how far ahead the calendar goes.
const calendarWeeks = 8

var weekdays = []struct {
	id  string
	day time.Weekday
}{{"mon", 1}, {"tue", 2}, {"wed", 3}, {"thu", 4}, {"fri", 5}, {"sat", 6}, {"sun", 0}}

func (v *visit) showHours() {
	v.told()
	v.hoursPage(nil)
}

// hoursPage gives the page. typed is what one of its forms has, by its name, after an error.
func (v *visit) hoursPage(typed *hoursView) {
	if v.look() == nil {
		return
	}
	h := &hoursView{}
	parts := map[string]*part{"hours": &h.Week, "holidays": &h.HolyPart, "closures": &h.Closing, "openings": &h.Opening}
	for path, p := range parts {
		_, seen, ok := v.partOf(path)
		if !ok {
			return
		}
		*p = seen
	}
	for _, d := range weekdays {
		h.Days = append(h.Days, dayField{d.id, v.T("day." + d.id), rangesText(v.def.Hours.Week[d.day])})
	}
	for _, set := range service.HolidaySets() {
		h.Holidays = append(h.Holidays, choice{string(set), v.T("holidays." + string(set)), v.def.Holidays == set})
	}
	for _, c := range v.def.Closures {
		f := closureField{From: c.From.Format(time.DateOnly), FromAt: clockText(c.From), Why: c.Why, Prompt: c.Prompt}
		until := c.Until
		if f.UntilAt = clockText(until); f.UntilAt == "" { // the last day is in it, as people say it
			until = until.AddDate(0, 0, -1)
		}
		f.Until = until.Format(time.DateOnly)
		h.Closures = append(h.Closures, f)
	}
	for _, o := range v.def.Openings {
		h.Openings = append(h.Openings, openingField{Day: o.Day.Format(time.DateOnly), Hours: rangesText(o.Ranges)})
	}
	if typed != nil { // nothing that was typed is lost
		if typed.Days != nil {
			h.Days = typed.Days
		}
		if typed.Closures != nil {
			h.Closures = typed.Closures
		}
		if typed.Openings != nil {
			h.Openings = typed.Openings
		}
	}
	h.Closures = append(h.Closures, closureField{})
	h.Openings = append(h.Openings, openingField{})
	for i := range h.Closures {
		h.Closures[i].N, h.Closures[i].Prompts = i, v.promptChoices(h.Closures[i].Prompt)
	}
	for i := range h.Openings {
		h.Openings[i].N = i
	}
	h.Calendar = v.calendar()
	v.Hours = h
	v.render(http.StatusOK, "hours.html", v.T("hours.title"))
}

func (v *visit) promptChoices(chosen string) []choice {
	all := []choice{{"", v.T("hours.usual"), chosen == ""}}
	for _, use := range uses(v.def) {
		if use.id == "closed" || use.id == "other" {
			for _, name := range use.names {
				all = append(all, choice{name, name, name == chosen})
			}
		}
	}
	return all
}

// calendar are the coming weeks, from the Monday of this one.
func (v *visit) calendar() (weeks []weekRow) {
	today := v.now.In(v.zone())
	monday := today.AddDate(0, 0, -(int(today.Weekday())+6)%7)
	for w := range calendarWeeks {
		var row weekRow
		for d := range 7 {
			p := v.def.DayPlan(time.Date(monday.Year(), monday.Month(), monday.Day()+7*w+d, 12, 0, 0, 0, v.zone()))
			cell := dayCell{Name: text.Day(v.Lang, p.Day, time.Time{}), Closed: len(p.Open) == 0, Today: p.Day.YearDay() == today.YearDay() && p.Day.Year() == today.Year()}
			var open []string
			for _, s := range p.Open {
				until := s.Until.Format("15:04")
				if until == "00:00" {
					until = "24:00"
				}
				open = append(open, s.From.Format("15:04")+"–"+until)
			}
			if cell.Text = strings.Join(open, ", "); cell.Closed {
				cell.Text = v.T("hours.closed")
			}
			switch {
			case p.Closure != nil:
				cell.Note = v.T("hours.closure", "why", p.Closure.Why)
			case p.Holiday != "":
				cell.Note = p.Holiday
			}
			cell.Listen = "/service/ecouter?jour=" + p.Day.Format(time.DateOnly) + "&heure=10:00"
			row.Days = append(row.Days, cell)
		}
		weeks = append(weeks, row)
	}
	return weeks
}

// rangesText writes hours as the form has them; "" for closed.
func rangesText(ranges []service.Range) string {
	parts := make([]string, len(ranges))
	for i, r := range ranges {
		parts[i] = r.String()
	}
	return strings.Join(parts, ", ")
}

// clockText is a time of day; "" for midnight, which is a whole day.
func clockText(t time.Time) string {
	if t.Hour() == 0 && t.Minute() == 0 {
		return ""
	}
	return t.Format("15:04")
}

var clockForm = regexp.MustCompile(`^([0-9]{1,2})\s*(?:[h:]\s*([0-9]{2})?)?$`)

// typedRanges reads hours as people write them: "8h30-12h30, 13:30 à 17h"; "" and "fermé" are closed.
func typedRanges(s string) (string, bool) {
	s = strings.ToLower(strings.TrimSpace(s))
	if s == "" || s == "fermé" || s == "ferme" || s == "closed" {
		return "closed", true
	}
	s = strings.NewReplacer("–", "-", "—", "-", " à ", "-", " to ", "-", " et ", ",", " and ", ",", ";", ",").Replace(s)
	var out []string
	for part := range strings.SplitSeq(s, ",") {
		from, until, ok := strings.Cut(part, "-")
		if !ok {
			return "", false
		}
		a, okA := typedClock(from)
		b, okB := typedClock(until)
		if !okA || !okB {
			return "", false
		}
		out = append(out, a+"-"+b)
	}
	return strings.Join(out, ", "), true
}

func typedClock(s string) (string, bool) {
	m := clockForm.FindStringSubmatch(strings.TrimSpace(s))
	if m == nil {
		return "", false
	}
	if m[2] == "" {
		m[2] = "00"
	}
	return fmt.Sprintf("%02s:%s", m[1], m[2]), true
}

// writeHours takes one of the forms of the page.
func (v *visit) writeHours() {
	if !v.filled() || v.look() == nil {
		return
	}
	typed := &hoursView{}
	var path, value, field string
	switch path = v.r.PathValue("part"); path {
	case "hours":
		value, field = v.typedWeek(typed), "mon"
	case "holidays":
		value, field = service.Scalar(v.r.PostFormValue("holidays")), "holidays"
	case "closures":
		value, field = v.typedClosures(typed), "from-0"
	case "openings":
		value, field = v.typedOpenings(typed), "day-0"
	default:
		v.stop(http.StatusNotFound, "missing")
		return
	}
	if len(v.Errors) == 0 && v.writePart(field, path, value, v.seenPart("")) {
		v.see("/service/horaires?fait=brouillon", nil)
		return
	}
	v.hoursPage(typed)
}

func (v *visit) typedWeek(typed *hoursView) string {
	var pairs []string
	for _, d := range weekdays {
		s := v.r.PostFormValue(d.id)
		typed.Days = append(typed.Days, dayField{d.id, v.T("day." + d.id), s})
		ranges, ok := typedRanges(s)
		if !ok {
			v.wrong(d.id, "hours.error.ranges", "day", v.T("day."+d.id))
		}
		pairs = append(pairs, d.id, ranges)
	}
	return service.Fields(pairs...)
}

func (v *visit) typedClosures(typed *hoursView) string {
	var items []string
	post := v.r.PostFormValue
	for n := range 200 {
		id := fmt.Sprint("-", n)
		if _, sent := v.r.PostForm["from"+id]; !sent {
			break
		}
		f := closureField{From: post("from" + id), FromAt: post("from_at" + id), Until: post("until" + id), UntilAt: post("until_at" + id), Why: strings.TrimSpace(post("why" + id)), Prompt: post("prompt" + id)}
		if f.From == "" && f.Until == "" && f.Why == "" || post("drop"+id) != "" {
			continue
		}
		typed.Closures = append(typed.Closures, f)
		if f.Until == "" {
			f.Until = f.From
		}
		items = append(items, service.Fields("from", strings.TrimSpace(f.From+" "+f.FromAt), "until", strings.TrimSpace(f.Until+" "+f.UntilAt), "why", f.Why, "prompt", f.Prompt))
		if f.From == "" {
			v.wrong("from"+id, "write.error.moment")
		}
	}
	return service.Items(items)
}

func (v *visit) typedOpenings(typed *hoursView) string {
	var items []string
	post := v.r.PostFormValue
	for n := range 200 {
		id := fmt.Sprint("-", n)
		if _, sent := v.r.PostForm["day"+id]; !sent {
			break
		}
		f := openingField{Day: post("day" + id), Hours: post("hours" + id)}
		if f.Day == "" && f.Hours == "" || post("drop"+id) != "" {
			continue
		}
		typed.Openings = append(typed.Openings, f)
		ranges, ok := typedRanges(f.Hours)
		if !ok || ranges == "closed" {
			v.wrong("hours"+id, "hours.error.ranges", "day", f.Day)
		}
		if f.Day == "" {
			v.wrong("day"+id, "write.error.moment")
		}
		items = append(items, service.Fields("day", f.Day, "hours", ranges))
	}
	slices.Sort(items)
	return service.Items(items)
}
