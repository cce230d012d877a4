package past

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// clock reads the times of a file. Times without an offset are those on the wall of the
// service's time zone. In the hour that the clocks show twice, a time is the first of the two
// unless that would lie before what came before it: in its line, or in the file.
type clock struct {
	zone  *time.Location
	last  time.Time // of the line before
	twice int
}

var (
	errNoTime   = errors.New("is no time")
	errNoSuch   = errors.New("does not exist: the clocks went forward over it")
	mendTime    = "write 2026-03-02 09:00:00, 02/03/2026 09:00:00, 2026-03-02T09:00:00+01:00 or seconds since 1970"
	mendMissing = "write the time with its offset (2026-03-29T03:30:00+02:00)"
)

// disorder is how far the lines of a file may be from the order of time.
const disorder = 15 * time.Minute

// read gives the time of a text; zero for none. after is the time before it in its line.
func (c *clock) read(text string, after time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	wall, instant, err := parseTime(text)
	if err != nil {
		return time.Time{}, err
	}
	if instant.IsZero() {
		both := instants(wall, c.zone)
		if len(both) == 0 {
			return time.Time{}, errNoSuch
		}
		if instant = both[0]; len(both) == 2 {
			c.twice++
			floor := after
			if after.IsZero() && !c.last.IsZero() {
				floor = c.last.Add(-disorder)
			}
			if instant.Before(floor) {
				instant = both[1]
			}
		}
	}
	if after.IsZero() {
		c.last = instant
	}
	return instant, nil
}

// wall is a time as the wall shows it: the same however the file writes it.
func (c *clock) wall(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(c.zone).Format("2006-01-02T15:04:05.000")
}

// layouts are those of times on the wall; fractions of a second are read by all with seconds.
var layouts = []string{
	"2006-01-02 15:04:05", "2006-01-02T15:04:05", "02/01/2006 15:04:05", "2006-01-02 15:04", "2006-01-02T15:04", "02/01/2006 15:04",
}

// The seconds since 1970 that are taken for a time: from 1990 to 2100.
const firstSecond, lastSecond = 631_152_000, 4_102_444_800

// parseTime gives an instant, or else what the wall shows, as if it were UTC.
func parseTime(s string) (wall, instant time.Time, err error) {
	if x, err := strconv.ParseFloat(s, 64); err == nil {
		if !(x >= firstSecond && x <= lastSecond) {
			return wall, instant, errNoTime
		}
		return wall, time.UnixMilli(int64(math.Round(x * 1000))).UTC(), nil
	}
	if strings.ContainsAny(s, "Z+") || strings.LastIndexByte(s, '-') > 7 {
		if t, err := time.Parse(time.RFC3339Nano, strings.Replace(s, " ", "T", 1)); err == nil {
			return wall, t.UTC().Truncate(time.Millisecond), nil
		}
	}
	for _, l := range layouts {
		if (l[2] == '/') != (len(s) > 2 && s[2] == '/') {
			continue
		}
		if t, err := time.Parse(l, s); err == nil {
			return t.Truncate(time.Millisecond), instant, nil
		}
	}
	return wall, instant, errNoTime
}

// instants are those at which the wall shows a time: one, none when the clocks jump over it,
// two, in order, when they come back to it.
func instants(wall time.Time, zone *time.Location) []time.Time {
	out := make([]time.Time, 0, 2)
	for _, probe := range [2]time.Duration{-24 * time.Hour, 24 * time.Hour} {
		_, offset := wall.Add(probe).In(zone).Zone()
		t := wall.Add(-time.Duration(offset) * time.Second)
		if _, real := t.In(zone).Zone(); real == offset && (len(out) == 0 || !out[0].Equal(t)) {
			out = append(out, t)
		}
	}
	return out
}
