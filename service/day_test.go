package service

import (
	"strings"
	"testing"
	"time"
)

func TestACalendarShowsHoursHolidaysAndClosures(t *testing.T) {
	d, err := ParseFile("../demo/prefecture.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for day, want := range map[string]string{
		"2026-11-24": "08:30-12:30 13:30-17:00",
		"2026-11-27": "08:30-12:30 13:30-16:30",
		"2026-11-28": "",
		"2026-11-11": "", // a Wednesday, and a public holiday
		"2026-12-24": "08:30-12:30",
		"2027-01-09": "09:00-12:00", // a Saturday that is opened
	} {
		at, _ := time.ParseInLocation(time.DateOnly, day, d.Location)
		p := d.DayPlan(at.Add(13 * time.Hour))
		var open []string
		for _, s := range p.Open {
			open = append(open, s.From.Format("15:04")+"-"+s.Until.Format("15:04"))
		}
		if got := strings.Join(open, " "); got != want || !p.Day.Equal(at) {
			t.Errorf("%s is open %q, want %q", day, got, want)
		}
		if (p.Holiday != "") != (day == "2026-11-11") || (p.Closure != nil) != (day == "2026-12-24") {
			t.Errorf("%s: holiday %q, closure %v", day, p.Holiday, p.Closure)
		}
	}
}
