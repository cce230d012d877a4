package text

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"decroche/call"
)

// Day writes a day as people say it, seen from now: "aujourd'hui", "demain", "mardi 24 novembre".
// t and now are in the reader's time zone.
func Day(lang call.Lang, t, now time.Time) string {
	switch days := dayNumber(t) - dayNumber(now.In(t.Location())); days {
	case 0:
		return Get(lang, "time.today")
	case 1:
		return Get(lang, "time.tomorrow")
	}
	day := fmt.Sprint(t.Day())
	if t.Day() == 1 {
		day = Get(lang, "time.first")
	}
	return Get(lang, "time.date", "weekday", Get(lang, fmt.Sprintf("time.weekday.%d", t.Weekday())),
		"day", day, "month", Get(lang, fmt.Sprintf("time.month.%d", t.Month())))
}

// Clock writes an hour: "10 h 15", "10 h", "10:15 am".
func Clock(lang call.Lang, t time.Time) string { return clock(lang, "clock", t) }

// SpokenClock is Clock for the voices: "10 heures 15", "midi".
func SpokenClock(lang call.Lang, t time.Time) string {
	switch {
	case t.Hour() == 12 && t.Minute() == 0:
		return Get(lang, "time.noon")
	case t.Hour() == 1 && lang == "fr":
		return clock(lang, "spoken1", t)
	}
	return clock(lang, "spoken", t)
}

func clock(lang call.Lang, form string, t time.Time) string {
	id := "time." + form
	if t.Minute() == 0 {
		id += ".full"
	}
	half := "time.am"
	if t.Hour() >= 12 {
		half = "time.pm"
	}
	return Get(lang, id, "h", t.Hour(), "h12", (t.Hour()+11)%12+1, "half", Get(lang, half), "m", t.Minute(), "mm", fmt.Sprintf("%02d", t.Minute()))
}

// Span writes a duration in units that French and English share: "45 s", "3 min", "1 min 30 s", "2 h 05 min".
// What is less than a second is left out.
func Span(d time.Duration) string {
	var parts []string
	for _, u := range []struct {
		of   time.Duration
		name string
	}{{time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}} {
		n := d / u.of
		d %= u.of
		switch {
		case n > 0 && len(parts) > 0:
			parts = append(parts, fmt.Sprintf("%02d %s", n, u.name))
		case n > 0:
			parts = append(parts, fmt.Sprintf("%d %s", n, u.name))
		}
	}
	if len(parts) == 0 {
		return "0 s"
	}
	return strings.Join(parts, " ")
}

// spanForm is hours, minutes, seconds, and a last number whose unit goes without saying: "1 h 30", "1 min 30".
var spanForm = regexp.MustCompile(`^(?:([0-9]{1,6}) *(?:h|heures?|hours?))? *(?:([0-9]{1,6}) *(?:m|mn|min|minutes?))? *(?:([0-9]{1,6}) *(?:s|sec|secondes?|seconds?))? *([0-9]{1,2})?$`)

// ParseSpan reads a duration as people write it, in French or English: "3 min", "1 min 30", "1 h 30", "90 secondes", "2m".
// A number alone tells no unit and is none, but 0.
func ParseSpan(s string) (time.Duration, bool) {
	s = strings.ToLower(strings.Join(strings.Fields(s), " "))
	m := spanForm.FindStringSubmatch(s)
	if m == nil || s == "" {
		return 0, false
	}
	number := func(i int) time.Duration {
		n, _ := strconv.Atoi(m[i]) // at most six digits, or none
		return time.Duration(n)
	}
	d := number(1)*time.Hour + number(2)*time.Minute + number(3)*time.Second
	switch last := number(4); {
	case m[4] == "":
		return d, true
	case m[3] != "" || last >= 60:
		return 0, false
	case m[2] != "":
		return d + last*time.Second, true
	case m[1] != "":
		return d + last*time.Minute, true
	default:
		return 0, last == 0
	}
}

func dayNumber(t time.Time) int {
	y, m, d := t.Date()
	return int(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}
