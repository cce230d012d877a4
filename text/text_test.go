package text

import (
	"slices"
	"strings"
	"testing"
	"time"

	"decroche/call"
)

func TestEveryTextIsThereInBothLanguages(t *testing.T) {
	fr, en := IDs("fr"), IDs("en")
	for _, id := range fr {
		if !slices.Contains(en, id) && id != "time.spoken1" && id != "time.spoken1.full" {
			t.Errorf("%s has no English text", id)
		}
	}
	for _, id := range en {
		if !slices.Contains(fr, id) {
			t.Errorf("%s has no French text", id)
		}
	}
}

// Citizens who speak another language read their text messages and their pages in it.
func TestWhatCitizensReadIsInEveryLanguageOfTheVoices(t *testing.T) {
	for _, lang := range []call.Lang{"es", "de", "it"} {
		ids := IDs(lang)
		for _, id := range IDs("en") {
			part, _, _ := strings.Cut(id, ".")
			if wanted := part == "time" || part == "page" || strings.HasPrefix(part, "sms"); wanted != slices.Contains(ids, id) && part != "phone" {
				t.Errorf("%s in %s: there %v, wanted %v", id, lang, !wanted, wanted)
			}
		}
	}
}

func TestDaysAndHoursAreWrittenAsPeopleWriteThem(t *testing.T) {
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, paris)
	for _, c := range []struct {
		lang               call.Lang
		at                 time.Time
		day, clock, spoken string
	}{
		{"fr", now.Add(75 * time.Minute), "aujourd'hui", "10 h 15", "10 heures 15"},
		{"fr", time.Date(2026, 11, 24, 8, 0, 0, 0, paris), "demain", "8 h", "8 heures"},
		{"fr", time.Date(2026, 12, 1, 12, 0, 0, 0, paris), "mardi 1er décembre", "12 h", "midi"},
		{"fr", time.Date(2026, 11, 27, 13, 5, 0, 0, paris), "vendredi 27 novembre", "13 h 05", "13 heures 5"},
		{"en", time.Date(2026, 11, 24, 13, 15, 0, 0, paris), "tomorrow", "1:15 p.m.", "1 15 p.m."},
		{"es", time.Date(2026, 12, 1, 9, 5, 0, 0, paris), "el martes 1 de diciembre", "9:05", "9 y 5"},
		{"de", time.Date(2026, 12, 1, 12, 0, 0, 0, paris), "am Dienstag, 1. Dezember", "12 Uhr", "12 Uhr"},
		{"it", time.Date(2026, 11, 27, 14, 30, 0, 0, paris), "venerdì 27 novembre", "14:30", "14 e 30"},
		{"en", time.Date(2026, 12, 1, 9, 0, 0, 0, paris), "Tuesday 1 December", "9 a.m.", "9 a.m."},
	} {
		if d, k, s := Day(c.lang, c.at, now), Clock(c.lang, c.at), SpokenClock(c.lang, c.at); d != c.day || k != c.clock || s != c.spoken {
			t.Errorf("%s: %q %q %q, want %q %q %q", c.at, d, k, s, c.day, c.clock, c.spoken)
		}
	}
}

func TestDurationsAreReadAsPeopleWriteThem(t *testing.T) {
	for typed, want := range map[string]time.Duration{
		"3 min": 3 * time.Minute, "3m": 3 * time.Minute, "90 s": 90 * time.Second, "90 secondes": 90 * time.Second, "1 min 30": 90 * time.Second,
		"1 h 30": 90 * time.Minute, "1h": time.Hour, "2 Heures": 2 * time.Hour, "1 h 5 min 10 s": time.Hour + 5*time.Minute + 10*time.Second,
		"2 minutes": 2 * time.Minute, "0": 0, "1\u00a0h\u00a005": 65 * time.Minute,
	} {
		if got, ok := ParseSpan(typed); !ok || got != want {
			t.Errorf("%q is %s, %v; want %s", typed, got, ok, want)
		}
	}
	for _, typed := range []string{"", " ", "30", "une heure", "1 h 75", "1 s 30", "-1 min", "3 jours", "9999999 h"} {
		if got, ok := ParseSpan(typed); ok {
			t.Errorf("%q was read as %s", typed, got)
		}
	}
	for s := range 4 * 3600 {
		d := time.Duration(s) * time.Second
		if got, ok := ParseSpan(Span(d)); !ok || got != d {
			t.Fatalf("%s is written %q and read %s", d, Span(d), got)
		}
	}
	if got := Span(2*time.Hour + 5*time.Minute); got != "2 h 05 min" {
		t.Error(got)
	}
}
