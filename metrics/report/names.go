package report

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"decroche/call"
	"decroche/metrics"
	"decroche/text"
)

func compare[T cmp.Ordered](a, b T) int { return cmp.Compare(a, b) }

// Written is a figure as people read it in a language: "86,4 %", "1 min 30 s", "4,2 / 5".
func (f Figure) Written(lang call.Lang) string {
	if f.Figure == nil {
		return text.Get(lang, "report.unknown")
	}
	return written(lang, f.Unit, *f.Figure)
}

// space does not break a line between a number and its unit.
const space = "\u00a0"

func written(lang call.Lang, unit metrics.Unit, v float64) string {
	switch unit {
	case metrics.Share:
		s := number(lang, v*100, 1)
		if lang == "fr" {
			s += space
		}
		return s + "%"
	case metrics.Seconds:
		return length(lang, v)
	case metrics.Points:
		return number(lang, v, 2) + space + "/" + space + "5"
	case metrics.Euros:
		if lang == "fr" {
			return number(lang, v, 2) + space + "€"
		}
		return "€" + number(lang, v, 2)
	}
	if v == math.Trunc(v) {
		return number(lang, v, 0)
	}
	return number(lang, v, 2)
}

// number writes a number with so many decimals, and its thousands apart.
func number(lang call.Lang, v float64, decimals int) string {
	whole, part, _ := strings.Cut(strconv.FormatFloat(math.Abs(v), 'f', decimals, 64), ".")
	thousands, point := ",", "."
	if lang == "fr" {
		thousands, point = "\u202f", "," // narrow, and unbroken
	}
	var b strings.Builder
	if v < 0 && strings.Trim(whole+part, "0") != "" {
		b.WriteString("−")
	}
	for i, r := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteString(thousands)
		}
		b.WriteRune(r)
	}
	if part != "" {
		b.WriteString(point + part)
	}
	return b.String()
}

// length writes a time in seconds as people say it.
func length(lang call.Lang, seconds float64) string {
	sign := ""
	if seconds < 0 {
		sign, seconds = "−", -seconds
	}
	if seconds < 60 {
		return sign + number(lang, seconds, 0) + space + "s"
	}
	d := time.Duration(math.Round(seconds)) * time.Second
	if d < time.Hour {
		return fmt.Sprintf("%s%d%smin%s%02d%ss", sign, int(d.Minutes()), space, space, int(d.Seconds())%60, space)
	}
	return fmt.Sprintf("%s%d%sh%s%02d", sign, int(d.Hours()), space, space, int(d.Minutes())%60)
}

// period writes the time of a line: a day, a month, an hour.
func (r *Report) period(f Figure) string {
	from := f.From.In(r.zone)
	switch metrics.Step(r.Step) {
	case metrics.ByYear:
		return from.Format("2006")
	case metrics.ByMonth:
		return from.Format("2006-01")
	case metrics.ByWeek:
		y, w := from.ISOWeek()
		return fmt.Sprintf("%d-W%02d", y, w)
	case metrics.ByDay:
		return from.Format(time.DateOnly)
	case metrics.ByHour, metrics.ByQuarter:
		return from.Format("2006-01-02 15:04 -07:00")
	}
	return ""
}

// span writes the report's own time, as days where it is made of days.
func (r *Report) span() string {
	from, to := r.From.In(r.zone), r.To.In(r.zone)
	if from.Hour()+from.Minute() == 0 && to.Hour()+to.Minute() == 0 {
		last := to.AddDate(0, 0, -1)
		if from.Format(time.DateOnly) == last.Format(time.DateOnly) {
			return text.Get(r.lang, "report.on", "day", day(r.lang, from))
		}
		return text.Get(r.lang, "report.days", "from", day(r.lang, from), "to", day(r.lang, last))
	}
	return text.Get(r.lang, "report.days", "from", day(r.lang, from)+from.Format(" 15:04"), "to", day(r.lang, to)+to.Format(" 15:04"))
}

func day(lang call.Lang, t time.Time) string {
	if lang == "fr" {
		return t.Format("02/01/2006")
	}
	return t.Format("2 January 2006")
}

// sorted are the keys of a map in their order.
func sorted[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// briefly writes a period below a chart.
func briefly(lang call.Lang, step metrics.Step, from time.Time) string {
	switch step {
	case metrics.ByMonth:
		return from.Format("01/2006")
	case metrics.ByWeek:
		_, w := from.ISOWeek()
		return text.Get(lang, "report.chart.week", "n", w)
	}
	if lang == "fr" {
		return from.Format("02/01")
	}
	return from.Format("2 Jan")
}
