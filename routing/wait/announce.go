package wait

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"
)

// Rung is one thing that can be said about the remaining wait, in whole minutes.
type Rung struct {
	// ID is the prompt's name: "wait.under1", "wait.1-2", "wait.over60", "wait.late".
	ID string
	// LowMin and HighMin bound the wait; HighMin = 0 means that no upper bound is said.
	LowMin, HighMin int
	// Late says "a little longer than foreseen" and nothing about minutes.
	Late bool
}

// Covers says whether a wait lies in the rung.
func (r Rung) Covers(w time.Duration) bool {
	m := w.Minutes()
	return !r.Late && m >= float64(r.LowMin) && (r.HighMin == 0 || m <= float64(r.HighMin))
}

// Ladder is the fixed set of ranges that are spoken, so that each is one recorded prompt.
type Ladder []Rung

var defaultLadder = DefaultLadder()

// DefaultLadder is the ladder of the demonstration catalogue. Its steps are close enough
// for a range of 80 % to be near the narrowest possible, and few enough to be recorded.
func DefaultLadder() Ladder {
	return Ladder{
		between(0, 1), between(0, 2), between(0, 3), between(0, 5), between(0, 10), between(0, 15), between(0, 20), between(0, 30),
		between(1, 2), between(1, 3), between(1, 4), between(1, 5), between(2, 4), between(2, 5), between(2, 8),
		between(3, 5), between(3, 8), between(4, 6), between(5, 8), between(5, 10), between(5, 15), between(8, 12), between(8, 15),
		between(10, 15), between(10, 20), between(15, 20), between(15, 30), between(20, 30), between(20, 45),
		between(30, 45), between(30, 60), between(45, 60),
		over(30), over(45), over(60),
		{ID: "wait.late", Late: true},
	}
}

func between(low, high int) Rung {
	id := "wait." + strconv.Itoa(low) + "-" + strconv.Itoa(high)
	if low == 0 {
		id = "wait.under" + strconv.Itoa(high)
	}
	return Rung{ID: id, LowMin: low, HighMin: high}
}

func over(low int) Rung { return Rung{ID: "wait.over" + strconv.Itoa(low), LowMin: low} }

// Causes are counters that move when something outside makes waits longer.
type Causes struct {
	// AgentsLeft counts agents who stopped serving the queue, HigherPriority callers who
	// came later and went ahead.
	AgentsLeft     uint64 `json:"agents_left"`
	HigherPriority uint64 `json:"higher_priority"`
}

// since names what moved between two readings, "" if nothing did.
func (c Causes) since(old Causes) string {
	switch {
	case c.AgentsLeft != old.AgentsLeft:
		return "agents_left"
	case c.HigherPriority != old.HigherPriority:
		return "higher_priority"
	}
	return ""
}

// Announcement is what to say of the wait.
type Announcement struct {
	// Rung is nil when nothing is to be said about time.
	Rung *Rung
	// Rose says that more is announced than before; Cause is then why: "agents_left" or
	// "higher_priority".
	Rose  bool
	Cause string
}

// Announcer chooses what one caller hears of the wait, over the whole of it. What it
// promises is the upper end of the remaining wait. That never rises unless a cause moved
// since time was last spoken of. When the estimate worsens without one, the last range is
// held while it is still likely, and then nothing is said about time. When the time said
// has passed and no shorter range can be said, the caller hears that it takes longer.
//
// Its JSON form is its state, for the call's checkpoint; the zero value uses DefaultLadder.
// One goroutine owns it.
type Announcer struct {
	ladder Ladder
	st     announcerState
}

type announcerState struct {
	// Spoken is set once time was spoken of; LowMin and HighMin are what was said.
	Spoken  bool `json:"spoken"`
	LowMin  int  `json:"low_min"`
	HighMin int  `json:"high_min"`
	// Since is the elapsed wait at which this upper end was first said; it is negative when
	// the caller was told that it takes longer, and the promise is not running.
	Since  time.Duration `json:"since"`
	Causes Causes        `json:"causes"`
}

// The least probability that a range holds: to be chosen, and to be said again when the
// estimate has worsened without a cause.
const (
	chooseAt = 0.80
	holdAt   = 0.65
)

// NewAnnouncer returns the announcer of a caller who has heard nothing yet.
func NewAnnouncer(ladder Ladder) *Announcer { return &Announcer{ladder: ladder} }

// MarshalJSON gives the state, without the ladder.
func (a *Announcer) MarshalJSON() ([]byte, error) { return json.Marshal(a.st) }

// UnmarshalJSON takes up a saved state and keeps the ladder.
func (a *Announcer) UnmarshalJSON(data []byte) error {
	var st announcerState
	if err := json.Unmarshal(data, &st); err != nil {
		return fmt.Errorf("read the state of a wait announcer: %w", err)
	}
	a.st = st
	return nil
}

// Next chooses what to say now, elapsed into the wait, and takes it as said.
func (a *Announcer) Next(e Estimate, elapsed time.Duration, causes Causes) Announcement {
	if a.ladder == nil {
		a.ladder = defaultLadder
	}
	if !a.st.Spoken {
		a.st.Causes = causes
	}
	cause := causes.since(a.st.Causes)
	chosen := a.choose(e, a.st.Spoken && cause == "")
	if a.overdue(elapsed) && (chosen == nil || cause == "" && !lower(*chosen, a.st.HighMin)) {
		a.st.Since = -1
		return Announcement{Rung: a.late()}
	}
	if chosen == nil {
		return Announcement{}
	}
	rose := a.st.Spoken && higher(*chosen, a.st.HighMin)
	if !a.st.Spoken || chosen.HighMin != a.st.HighMin || a.st.Since < 0 {
		a.st.Since = elapsed
	}
	a.st.Spoken, a.st.LowMin, a.st.HighMin, a.st.Causes = true, chosen.LowMin, chosen.HighMin, causes
	if !rose {
		cause = ""
	}
	return Announcement{Rung: chosen, Rose: rose, Cause: cause}
}

// overdue says that the time said has passed.
func (a *Announcer) overdue(elapsed time.Duration) bool {
	return a.st.Spoken && a.st.Since >= 0 && a.st.HighMin > 0 &&
		elapsed > a.st.Since+time.Duration(a.st.HighMin)*time.Minute
}

// choose gives the narrowest rung that holds the wait with probability chooseAt, or nil.
// A bound caller hears no higher upper end, and no higher lower end under the same upper one.
func (a *Announcer) choose(e Estimate, bound bool) *Rung {
	if !e.Known {
		return nil
	}
	var best, likely *Rung
	var bestP, likelyP float64
	for i := range a.ladder {
		r := &a.ladder[i]
		if r.Late || bound && (higher(*r, a.st.HighMin) || r.HighMin == a.st.HighMin && r.LowMin > a.st.LowMin) {
			continue
		}
		p := e.probability(*r)
		if p >= chooseAt && (best == nil || r.width() < best.width() || r.width() == best.width() && p > bestP) {
			best, bestP = r, p
		}
		if p > likelyP {
			likely, likelyP = r, p
		}
	}
	if best == nil && likelyP >= holdAt {
		return likely
	}
	return best
}

func (a *Announcer) late() *Rung {
	for i := range a.ladder {
		if a.ladder[i].Late {
			return &a.ladder[i]
		}
	}
	return nil
}

// width orders rungs from sharp to vague; no upper end is vaguer than any.
func (r Rung) width() int {
	if r.HighMin == 0 {
		return 1_000_000 - r.LowMin
	}
	return r.HighMin - r.LowMin
}

// higher and lower compare the upper end of a rung with one said before.
func higher(r Rung, high int) bool { return high != 0 && (r.HighMin == 0 || r.HighMin > high) }
func lower(r Rung, high int) bool  { return r.HighMin != 0 && (high == 0 || r.HighMin < high) }

// probability is how likely the remaining wait lies in the rung: cube roots of waits are
// close to normal (Wilson–Hilferty), and Low and High are the 10 % and 90 % points.
func (e Estimate) probability(r Rung) float64 {
	low, high := math.Cbrt(e.Low.Seconds()), math.Cbrt(e.High.Seconds())
	below := func(minutes int) float64 {
		x := math.Cbrt(float64(minutes) * 60)
		if high-low < 1e-9 {
			if x >= high {
				return 1
			}
			return 0
		}
		return normalCDF((x - (low+high)/2) / (high - low) * 2 * -z10)
	}
	from, to := 0.0, 1.0
	if r.LowMin > 0 {
		from = below(r.LowMin)
	}
	if r.HighMin > 0 {
		to = below(r.HighMin)
	}
	return to - from
}
