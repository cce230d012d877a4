package metrics

import (
	"slices"
	"testing"
	"time"
)

func TestParityCountsHalfHoursAndOneThatIsMissingIsFound(t *testing.T) {
	day := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	at := func(clock string) time.Time {
		c, err := time.Parse("15:04", clock)
		if err != nil {
			t.Fatal(err)
		}
		return day.Add(time.Duration(c.Hour())*time.Hour + time.Duration(c.Minute())*time.Minute)
	}
	open, shut, down := Sight{Line: true, Open: true}, Sight{}, Sight{Line: true, Why: "message"}
	seen := func(of ...any) (list []Sight) {
		for i := 0; i < len(of); i += 2 {
			s := of[i+1].(Sight)
			s.At = at(of[i].(string))
			list = append(list, s)
		}
		return list
	}
	for name, c := range map[string]struct {
		seen []Sight
		want Parity
	}{
		"nobody watched": {nil, Parity{Unwatched: 4}},
		"open whenever the line is": {
			seen("09:00", open, "09:30", open, "10:00", open, "10:10", shut, "10:30", shut),
			Parity{Line: 3, Open: 3},
		},
		"shut for a minute": {
			seen("09:00", open, "09:30", open, "09:40", down, "09:41", open, "10:00", open, "10:30", shut),
			Parity{Line: 3, Open: 2, Missing: []Gap{{at("09:30"), at("10:00"), "message"}}},
		},
		"two in a row are one gap": {
			seen("09:00", open, "09:30", down, "10:00", down, "10:20", open, "10:30", open),
			Parity{Line: 4, Open: 2, Missing: []Gap{{at("09:30"), at("10:30"), "message"}}},
		},
		"two apart are two": {
			seen("09:00", down, "09:10", open, "09:30", open, "10:00", down, "10:30", shut),
			Parity{Line: 3, Open: 1, Missing: []Gap{{at("09:00"), at("09:30"), "message"}, {at("10:00"), at("10:30"), "message"}}},
		},
		"a controller that was away": {
			seen("08:59", down, "09:00", open, "10:30", open, "11:00", down),
			Parity{Line: 2, Open: 2, Unwatched: 2},
		},
	} {
		got := ParityOf(c.seen, at("09:00"), at("11:00"))
		if got.Line != c.want.Line || got.Open != c.want.Open || got.Unwatched != c.want.Unwatched || !slices.Equal(got.Missing, c.want.Missing) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
	if share, ok := (Parity{Line: 4, Open: 3}).Share(); !ok || share != 0.75 {
		t.Errorf("three of four are %v", share)
	}
	if _, ok := (Parity{}).Share(); ok {
		t.Error("a line that was never open has a share")
	}
}
