package service

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var weekday = []Range{{8*60 + 30, 12*60 + 30}, {13*60 + 30, 17 * 60}}

func office(zone string, set HolidaySet) *Definition {
	loc, err := time.LoadLocation(zone)
	if err != nil {
		panic(err)
	}
	d := &Definition{Location: loc, Holidays: set}
	for day := time.Monday; day <= time.Friday; day++ {
		d.Hours.Week[day] = weekday
	}
	return d
}

func at(t *testing.T, d *Definition, s string) time.Time {
	t.Helper()
	v, err := time.ParseInLocation("2006-01-02 15:04", s, d.Location)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestTheLineFollowsItsWeekItsHolidaysAndItsClosures(t *testing.T) {
	d := office("Europe/Paris", "metropole")
	d.Closures = []Closure{{From: at(t, d, "2026-12-24 12:00"), Until: at(t, d, "2026-12-25 00:00"), Why: "veille de Noël"}}
	d.Openings = []ExtraOpening{{Day: at(t, d, "2026-11-11 00:00"), Ranges: []Range{{540, 720}}}}
	for _, c := range []struct {
		at   string
		open bool
		why  Why
		name string
		// until and next are local times, "" for none
		until, next string
	}{
		{"2026-11-23 08:29", false, WhyHours, "", "2026-11-23 08:30", "2026-11-23 08:30"},
		{"2026-11-23 08:30", true, WhyHours, "", "2026-11-23 12:30", "2026-11-23 13:30"},
		{"2026-11-23 12:30", false, WhyHours, "", "2026-11-23 13:30", "2026-11-23 13:30"},
		{"2026-11-20 16:59", true, WhyHours, "", "2026-11-20 17:00", "2026-11-23 08:30"},
		{"2026-11-22 21:00", false, WhyHours, "", "2026-11-23 08:30", "2026-11-23 08:30"},
		{"2026-05-14 10:00", false, WhyHoliday, "Ascension", "2026-05-15 00:00", "2026-05-15 08:30"},
		{"2026-12-24 11:00", true, WhyHours, "", "2026-12-24 12:00", "2026-12-28 08:30"},
		{"2026-12-24 12:00", false, WhyClosure, "", "2026-12-25 00:00", "2026-12-28 08:30"},
		{"2026-12-25 09:00", false, WhyHoliday, "Noël", "2026-12-26 00:00", "2026-12-28 08:30"},
		{"2026-11-11 10:00", true, WhyHours, "", "2026-11-11 12:00", "2026-11-12 08:30"},
		{"2026-11-11 14:00", false, WhyHours, "", "2026-11-12 08:30", "2026-11-12 08:30"},
	} {
		o := d.Opening(at(t, d, c.at))
		if o.Open != c.open || o.Why != c.why || o.Holiday != c.name || (o.Closure != nil) != (c.why == WhyClosure) {
			t.Errorf("%s: %+v", c.at, o)
		}
		if got := o.Until.Format("2006-01-02 15:04"); got != c.until {
			t.Errorf("%s: until %s, want %s", c.at, got, c.until)
		}
		if got := o.Next.Format("2006-01-02 15:04"); got != c.next {
			t.Errorf("%s: next %s, want %s", c.at, got, c.next)
		}
	}
}

func TestANumberThatIsAlwaysOpenIgnoresTheHours(t *testing.T) {
	d := office("Europe/Paris", "metropole")
	sunday := at(t, d, "2026-11-22 23:00")
	if o := d.OpeningFor(Number{AlwaysOpen: true}, sunday); !o.Open || !o.Until.IsZero() {
		t.Errorf("always open: %+v", o)
	}
	if o := d.OpeningFor(Number{}, sunday); o.Open {
		t.Errorf("an ordinary number on Sunday night: %+v", o)
	}
}

func TestALineThatNeverOpensHasNoNextOpening(t *testing.T) {
	d := &Definition{Location: time.UTC, Holidays: "none"}
	if o := d.Opening(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)); o.Open || !o.Until.IsZero() || !o.Next.IsZero() {
		t.Errorf("%+v", o)
	}
}

func TestALineOpenDayAndNightDoesNotCloseAtMidnight(t *testing.T) {
	d := &Definition{Location: time.UTC, Holidays: "none"}
	for i := range d.Hours.Week {
		d.Hours.Week[i] = []Range{{0, 1440}}
	}
	if o := d.Opening(time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)); !o.Open || !o.Until.IsZero() {
		t.Errorf("%+v", o)
	}
}

// In 2026 Paris jumps from 02:00 to 03:00 on 29 March, and repeats 02:00–03:00 on 25 October.
func TestTheHourThatIsMissingDoesNotTakePlaceAndTheHourThatComesTwiceDoesTwice(t *testing.T) {
	open := func(ranges ...Range) *Definition {
		d := office("Europe/Paris", "none")
		d.Hours.Week[time.Sunday] = ranges
		return d
	}
	utc := func(month time.Month, day, h, m int) time.Time {
		return time.Date(2026, month, day, h, m, 0, 0, time.UTC)
	}

	d := open(Range{120, 180}, Range{200, 240}) // 02:00–03:00, 03:20–04:00
	if o := d.Opening(utc(3, 29, 0, 59)); o.Open || !o.Next.Equal(utc(3, 29, 1, 20)) {
		t.Errorf("before the missing hour: %+v", o)
	}
	d = open(Range{150, 240}) // 02:30–04:00 begins inside the missing hour: at 03:00
	if o := d.Opening(utc(3, 29, 0, 59)); o.Open || !o.Until.Equal(utc(3, 29, 1, 0)) {
		t.Errorf("a range that begins in the missing hour: %+v", o)
	}
	d = open(Range{60, 150}) // 01:00–02:30 ends inside it: at 03:00, which is 02:00
	if o := d.Opening(utc(3, 29, 0, 30)); !o.Open || !o.Until.Equal(utc(3, 29, 1, 0)) {
		t.Errorf("a range that ends in the missing hour: %+v", o)
	}
	d = open(Range{120, 180}) // 02:00–03:00 lasts two hours
	if o := d.Opening(utc(10, 25, 0, 0)); !o.Open || !o.Until.Equal(utc(10, 25, 2, 0)) {
		t.Errorf("a range over the hour that comes twice: %+v", o)
	}
	d = open(Range{120, 150}) // 02:00–02:30 comes twice
	if o := d.Opening(utc(10, 25, 0, 10)); !o.Open || !o.Until.Equal(utc(10, 25, 0, 30)) || !o.Next.Equal(utc(10, 25, 1, 0)) {
		t.Errorf("half of the hour that comes twice: %+v", o)
	}
	d = open(Range{0, 1440})
	if o := d.Opening(utc(10, 25, 10, 0)); !o.Until.Equal(utc(10, 25, 23, 0)) {
		t.Errorf("a day of 25 hours: %+v", o)
	}
}

func anyDefinition(t *rapid.T) *Definition {
	zone := rapid.SampledFrom([]string{"Europe/Paris", "America/Martinique", "America/Miquelon", "Pacific/Noumea", "Australia/Lord_Howe", "UTC"}).Draw(t, "zone")
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	d := &Definition{Location: loc, Holidays: rapid.SampledFrom(HolidaySets()).Draw(t, "holidays")}
	ranges := func() []Range {
		var out []Range
		for from := rapid.IntRange(0, 600).Draw(t, "from"); from < 1440 && len(out) < rapid.IntRange(0, 3).Draw(t, "ranges"); {
			to := min(1440, from+rapid.IntRange(1, 500).Draw(t, "length"))
			out = append(out, Range{from, to})
			from = to + rapid.IntRange(1, 200).Draw(t, "gap")
		}
		return out
	}
	for i := range d.Hours.Week {
		d.Hours.Week[i] = ranges()
	}
	for range rapid.IntRange(0, 2).Draw(t, "closures") {
		from := time.Date(2024, 1, 1, 0, rapid.IntRange(0, 12*525600).Draw(t, "closure"), 0, 0, loc)
		d.Closures = append(d.Closures, Closure{From: from, Until: from.Add(time.Duration(rapid.IntRange(1, 20000).Draw(t, "minutes")) * time.Minute)})
	}
	if rapid.Bool().Draw(t, "opening") {
		d.Openings = []ExtraOpening{{Day: time.Date(2024, 1, rapid.IntRange(1, 12*365).Draw(t, "day"), 0, 0, 0, 0, loc), Ranges: ranges()}}
	}
	return d
}

// The state is asked minute by minute, which knows nothing of how Until is found.
func TestUntilIsExactAndNextIsTheNextOpening(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := anyDefinition(t)
		// Half the time near a change of the clocks, a closure or a new year.
		start := time.Date(2024, 1, 1, 0, rapid.IntRange(0, 12*525600).Draw(t, "at"), 0, 0, time.UTC)
		switch rapid.IntRange(0, 3).Draw(t, "near") {
		case 0:
			if _, end := start.In(d.Location).ZoneBounds(); !end.IsZero() {
				start = end.Add(time.Duration(rapid.IntRange(-1500, 1500).Draw(t, "around")) * time.Minute)
			}
		case 1:
			if len(d.Closures) > 0 {
				start = d.Closures[0].From.Add(time.Duration(rapid.IntRange(-1500, 1500).Draw(t, "around")) * time.Minute)
			}
		}
		o := d.Opening(start)
		same := func(a Opening) bool {
			return a.Open == o.Open && a.Why == o.Why && a.Holiday == o.Holiday && a.Closure == o.Closure
		}
		stateOf := func(at time.Time) Opening {
			s := d.stateAt(at)
			out := Opening{Open: s.open, Why: s.why, Holiday: s.holiday}
			if s.closure >= 0 {
				out.Closure = &d.Closures[s.closure]
			}
			return out
		}
		var changed, opened time.Time
		closed := !o.Open
		for at := start.Truncate(time.Minute); at.Before(start.Add(12 * 24 * time.Hour)); at = at.Add(time.Minute) {
			if !at.After(start) {
				continue
			}
			s := stateOf(at)
			if changed.IsZero() && !same(s) {
				changed = at
			}
			if s.Open && closed {
				opened = at
				break
			}
			closed = closed || !s.Open
		}
		if !changed.IsZero() && !o.Until.Equal(changed) {
			t.Fatalf("at %v until is %v, minute by minute it is %v", start.In(d.Location), o.Until, changed)
		}
		if !opened.IsZero() && !o.Next.Equal(opened) {
			t.Fatalf("at %v next is %v, minute by minute it is %v", start.In(d.Location), o.Next, opened)
		}
		if changed.IsZero() && !o.Until.IsZero() && o.Until.Before(start.Add(12*24*time.Hour-time.Minute)) {
			t.Fatalf("at %v until is %v, minute by minute nothing changes", start, o.Until)
		}
	})
}

// The dates are those of the State's published calendars (service-public.fr), not computed here.
func TestHolidaysFallOnThePublishedDates(t *testing.T) {
	for year, want := range map[int]string{
		2024: "01-01 04-01 05-01 05-08 05-09 05-20 07-14 08-15 11-01 11-11 12-25",
		2025: "01-01 04-21 05-01 05-08 05-29 06-09 07-14 08-15 11-01 11-11 12-25",
		2026: "01-01 04-06 05-01 05-08 05-14 05-25 07-14 08-15 11-01 11-11 12-25",
		2027: "01-01 03-29 05-01 05-06 05-08 05-17 07-14 08-15 11-01 11-11 12-25",
	} {
		var got []string
		for _, h := range HolidaySet("metropole").In(year) {
			got = append(got, time.Date(year, h.Month, h.Day, 0, 0, 0, 0, time.UTC).Format("01-02"))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%d: %s, want %s", year, strings.Join(got, " "), want)
		}
	}
	// Easter by the tables, 2024–2035.
	for year, want := range map[int]string{
		2024: "03-31", 2025: "04-20", 2026: "04-05", 2027: "03-28", 2028: "04-16", 2029: "04-01",
		2030: "04-21", 2031: "04-13", 2032: "03-28", 2033: "04-17", 2034: "04-09", 2035: "03-25", 2038: "04-25",
	} {
		if got := Easter(year).Format("01-02"); got != want {
			t.Errorf("Easter %d is %s, want %s", year, got, want)
		}
	}
}

func TestEachSetHasItsOwnDays(t *testing.T) {
	for _, c := range []struct {
		set  HolidaySet
		day  string
		want bool
	}{
		{"alsace-moselle", "2026-04-03", true},
		{"alsace-moselle", "2026-12-26", true},
		{"metropole", "2026-04-03", false},
		{"mayotte", "2026-04-27", true},
		{"martinique", "2026-05-22", true},
		{"guadeloupe", "2026-05-27", true},
		{"saint-martin", "2026-05-28", true},
		{"guyane", "2026-06-10", true},
		{"reunion", "2026-12-20", true},
		{"saint-barthelemy", "2026-10-09", true},
		{"martinique", "2026-07-21", true},
		{"guadeloupe", "2026-07-21", true},
		{"guyane", "2026-07-21", false},
		{"polynesie", "2026-03-05", true},
		{"polynesie", "2026-04-03", true},
		{"polynesie", "2024-06-29", true},
		{"polynesie", "2026-06-29", false},
		{"polynesie", "2026-11-20", true},
		{"nouvelle-caledonie", "2026-09-24", true},
		{"wallis-et-futuna", "2026-04-28", true},
		{"wallis-et-futuna", "2026-07-29", true},
		{"saint-pierre-et-miquelon", "2026-05-27", false},
		{"none", "2026-12-25", false},
	} {
		d, _ := time.Parse("2006-01-02", c.day)
		if _, got := c.set.On(d.Year(), d.Month(), d.Day()); got != c.want {
			t.Errorf("%s on %s: %v, want %v", c.set, c.day, got, c.want)
		}
	}
	if name, _ := HolidaySet("metropole").On(2008, time.May, 1); name != "Fête du travail, Ascension" && name != "Ascension, Fête du travail" {
		t.Errorf("two holidays on one day are called %q", name)
	}
}

func BenchmarkOpening(b *testing.B) {
	d := office("Europe/Paris", "metropole")
	now := time.Date(2026, 11, 20, 18, 0, 0, 0, time.UTC)
	for b.Loop() {
		d.Opening(now)
	}
}
