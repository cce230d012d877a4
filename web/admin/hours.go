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
	Days     []string // their names, Monday first
	Weeks    []weekForm
	Holidays []choice
	HolyPart formPart
	Closures []closureField
	Closing  formPart
	Openings []openingField
	Opening  formPart
	Special  []choice // holidays, closures and openings, for who may not write
	Prompts  []choice
	Calendar []weekRow
}

// weekForm is one of the weeks of the definition.
type weekForm struct {
	ID, Name, Hint string
	Days           []dayField
	formPart
	Read string
}

// hoursTyped is the form of the page that was sent and cannot be kept: its part, what its sender saw, what they typed.
type hoursTyped struct {
	path     string
	seen     part
	days     []dayField
	holidays string
	closures []closureField
	openings []openingField
}

// sent is what the sender of the form of a part saw, nil if another form was sent, or none.
func (t *hoursTyped) sent(path string) *part {
	if t == nil || t.path != path {
		return nil
	}
	return &t.seen
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

// week is a week of the definition that the page changes.
type week struct {
	id, path string
	// of gives its hours, nil where none are written, and whether the service has such a week at all.
	of func(d *service.Definition) (h *service.Hours, there bool)
	// unsaid: without any hours the part is not written, and has its usual meaning.
	unsaid bool
}

// weeks are those of the page, in their order: one table.
var weeks = []week{
	{"hours", "hours", func(d *service.Definition) (*service.Hours, bool) { return &d.Hours, true }, false},
	{"callback", "callback.hours", func(d *service.Definition) (*service.Hours, bool) { return &d.Callback.Hours, d.Callback.On }, true},
	{"quiet", "callback.off_peak.hours", func(d *service.Definition) (*service.Hours, bool) {
		return &d.Callback.OffPeak.Hours, d.Callback.On && len(d.Callback.OffPeak.Publics) > 0
	}, false},
	{"relay", "access.relay.hours", func(d *service.Definition) (*service.Hours, bool) {
		if d.Access.Relay == nil {
			return nil, false
		}
		return d.Access.Relay.Hours, true
	}, true},
}

// weekForms are the weeks as the definition has them, one of them as it was typed.
func (v *visit) weekForms(typed *hoursTyped) (forms []weekForm, ok bool) {
	for _, w := range weeks {
		hours, there := w.of(v.def)
		if !there {
			continue
		}
		p, ok := v.formPart(w.path, typed.sent(w.path))
		if !ok {
			return nil, false
		}
		f := weekForm{ID: w.id, Name: v.T("hours.week." + w.id), Hint: v.T("hours.week." + w.id + ".hint"), formPart: p, Read: v.weekText(p.Was)}
		for _, d := range weekdays {
			day := dayField{w.dayID(d.id), v.T("day." + d.id), ""}
			if hours != nil {
				day.Text = rangesText(hours.Week[d.day])
			}
			f.Days = append(f.Days, day)
		}
		if typed.sent(w.path) != nil {
			f.Days = typed.days
		}
		forms = append(forms, f)
	}
	return forms, true
}

// dayID is the field of a day: "mon" of the line's week, "relay-mon" of another.
func (w week) dayID(day string) string {
	if w.id == "hours" {
		return day
	}
	return w.id + "-" + day
}

var dayWord = regexp.MustCompile(`\b(mon|tue|wed|thu|fri|sat|sun)\b`)

// weekText is the YAML of a week as people read it: "Lundi : 08:30-12:30".
func (v *visit) weekText(value string) string {
	var lines []string
	for line := range strings.SplitSeq(value, "\n") {
		days, ranges, is := strings.Cut(line, ": ")
		if !is {
			return value // "same", or nothing
		}
		if ranges == "closed" {
			ranges = v.T("hours.closed")
		}
		days = dayWord.ReplaceAllStringFunc(strings.Trim(days, `"`), func(d string) string { return v.T("day." + d) })
		lines = append(lines, v.T("hours.line", "days", days, "ranges", ranges))
	}
	return strings.Join(lines, "\n")
}

func (v *visit) showHours() {
	v.told()
	v.hoursPage(nil)
}

// hoursPage gives the page. typed is what one of its forms has, after an error: nothing that was typed is lost.
func (v *visit) hoursPage(typed *hoursTyped) {
	if v.look() == nil {
		return
	}
	h := &hoursView{}
	var ok bool
	for path, p := range map[string]*formPart{"holidays": &h.HolyPart, "closures": &h.Closing, "openings": &h.Opening} {
		if *p, ok = v.formPart(path, typed.sent(path)); !ok {
			return
		}
	}
	for _, d := range weekdays {
		h.Days = append(h.Days, v.T("day."+d.id))
	}
	if h.Weeks, ok = v.weekForms(typed); !ok {
		return
	}
	v.specialDays(h)
	for _, p := range []struct{ path, value string }{{"holidays", h.HolyPart.Was}, {"closures", h.Closing.Was}, {"openings", h.Opening.Was}} {
		h.Special = append(h.Special, choice{v.partText(p.path, p.value), v.T("hours." + p.path), false})
	}
	chosen := string(v.def.Holidays)
	switch {
	case typed.sent("holidays") != nil:
		chosen = typed.holidays
	case typed.sent("closures") != nil:
		h.Closures = typed.closures
	case typed.sent("openings") != nil:
		h.Openings = typed.openings
	}
	for _, set := range service.HolidaySets() {
		h.Holidays = append(h.Holidays, choice{string(set), v.T("holidays." + string(set)), string(set) == chosen})
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

// specialDays adds the closures and openings, as the definition has them.
func (v *visit) specialDays(h *hoursView) {
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
	typed := &hoursTyped{path: v.r.PathValue("part"), seen: v.seenPart("")}
	var value, field string
	at := slices.IndexFunc(weeks, func(w week) bool { return w.id == typed.path })
	switch {
	case at >= 0:
		w := weeks[at]
		typed.path, value, field = w.path, v.typedWeek(w, typed), w.dayID("mon")
	case typed.path == "holidays":
		typed.holidays = v.r.PostFormValue("holidays")
		value, field = service.Scalar(typed.holidays), "holidays"
	case typed.path == "closures":
		value, field = v.typedClosures(typed), "from-0"
	case typed.path == "openings":
		value, field = v.typedOpenings(typed), "day-0"
	default:
		v.stop(http.StatusNotFound, "missing")
		return
	}
	if len(v.Errors) == 0 && v.writePart(field, typed.path, value, typed.seen) {
		v.see("/service/horaires?fait=brouillon", nil)
		return
	}
	v.hoursPage(typed)
}

func (v *visit) typedWeek(w week, typed *hoursTyped) string {
	var pairs []string
	written := false
	for _, d := range weekdays {
		id := w.dayID(d.id)
		s := v.r.PostFormValue(id)
		typed.days = append(typed.days, dayField{id, v.T("day." + d.id), s})
		ranges, ok := typedRanges(s)
		if !ok {
			v.wrong(id, "hours.error.ranges", "day", v.T("day."+d.id))
		}
		written = written || strings.TrimSpace(s) != ""
		pairs = append(pairs, d.id, ranges)
	}
	if w.unsaid && !written {
		return ""
	}
	return service.Fields(pairs...)
}

func (v *visit) typedClosures(typed *hoursTyped) string {
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
		typed.closures = append(typed.closures, f)
		if f.Until == "" {
			f.Until = f.From
		}
		items = append(items, service.Fields("from", strings.TrimSpace(f.From+" "+f.FromAt), "until", strings.TrimSpace(f.Until+" "+f.UntilAt), "why", f.Why, "prompt", f.Prompt))
		if f.From == "" {
			v.wrong(fmt.Sprint("from-", len(typed.closures)-1), "write.error.moment") // where the page has it now
		}
	}
	return service.Items(items)
}

func (v *visit) typedOpenings(typed *hoursTyped) string {
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
		typed.openings = append(typed.openings, f)
		id = fmt.Sprint("-", len(typed.openings)-1) // where the page has it now
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
