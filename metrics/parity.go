package metrics

import "time"

// HalfHour is what the hours of the access for deaf and hard-of-hearing callers are counted by.
const HalfHour = 30 * time.Minute

// Sight is how the line and its access for deaf and hard-of-hearing callers stood at a moment: a
// fact call.EventAccess. There is one at each change, and one at least in each half-hour watched.
type Sight struct {
	At   time.Time `json:"-"`
	Line bool      `json:"line"` // somebody could reach a person
	Open bool      `json:"open"` // and so could a deaf caller
	Why  string    `json:"why,omitempty"`
}

// Gap is a time in which the line was open and its access was not, whole half-hours.
type Gap struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	Why  string    `json:"why,omitempty"`
}

// Parity compares the hours of the access with those of the line (loi 2016-1321, article 105, and
// décret 2017-875: all the hours from 2026-10-01).
type Parity struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// Line are the half-hours in which the line was open, Open those of them in which the access
	// was open whenever the line was; the others are in Missing.
	Line    int   `json:"line"`
	Open    int   `json:"open"`
	Missing []Gap `json:"missing"`
	// Unwatched are the half-hours of which nothing is known: no controller ran.
	Unwatched int `json:"unwatched"`
}

// Share is the part of the line's half-hours in which the access was open, in [0, 1]; ok is false
// when the line was never open.
func (p Parity) Share() (share float64, ok bool) {
	if p.Line == 0 {
		return 0, false
	}
	return float64(p.Open) / float64(p.Line), true
}

// ParityOf counts [from, to), whole half-hours, by what was seen, in the order of time.
func ParityOf(seen []Sight, from, to time.Time) Parity {
	p := Parity{From: from, To: to}
	for start := from; start.Before(to); start = start.Add(HalfHour) {
		end := start.Add(HalfHour)
		for len(seen) > 0 && seen[0].At.Before(start) {
			seen = seen[1:]
		}
		watched, line, missing, why := false, false, false, ""
		for len(seen) > 0 && seen[0].At.Before(end) {
			s := seen[0]
			seen = seen[1:]
			watched, line = true, line || s.Line
			if s.Line && !s.Open {
				missing, why = true, s.Why
			}
		}
		switch {
		case !watched:
			p.Unwatched++
		case missing:
			p.Line++
			p.miss(start, end, why)
		case line:
			p.Line++
			p.Open++
		}
	}
	return p
}

// miss adds a half-hour to the gaps; one that follows another is part of it.
func (p *Parity) miss(from, to time.Time, why string) {
	if n := len(p.Missing); n > 0 && p.Missing[n-1].To.Equal(from) && p.Missing[n-1].Why == why {
		p.Missing[n-1].To = to
		return
	}
	p.Missing = append(p.Missing, Gap{from, to, why})
}
