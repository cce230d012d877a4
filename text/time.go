package text

import (
	"fmt"
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

func dayNumber(t time.Time) int {
	y, m, d := t.Date()
	return int(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}
