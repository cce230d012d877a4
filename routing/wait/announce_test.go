package wait

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// minutes is an estimate of low to high minutes.
func minutes(low, high float64) Estimate {
	return Estimate{Low: duration(low * 60), Point: duration((low + high) * 30), High: duration(high * 60), Known: true, Confidence: 1}
}

func said(a Announcement) string {
	if a.Rung == nil {
		return ""
	}
	return a.Rung.ID
}

func expect(t *testing.T, a *Announcer, e Estimate, elapsed time.Duration, c Causes, want string) Announcement {
	t.Helper()
	got := a.Next(e, elapsed, c)
	if said(got) != want {
		t.Fatalf("%v into the wait, %v to %v: said %q, want %q", elapsed, e.Low, e.High, said(got), want)
	}
	return got
}

func TestCallerHearsTheWaitGoDown(t *testing.T) {
	a := NewAnnouncer(nil)
	expect(t, a, minutes(5.3, 9.5), 0, Causes{}, "wait.5-10")
	expect(t, a, minutes(3.4, 7.6), 2*time.Minute, Causes{}, "wait.3-8")
	expect(t, a, minutes(2.2, 4.7), 4*time.Minute, Causes{}, "wait.2-5")
	expect(t, a, minutes(0.1, 0.9), 6*time.Minute, Causes{}, "wait.under1")
}

func TestCallerIsToldNothingOfTimeWhenTooLittleIsKnown(t *testing.T) {
	a := NewAnnouncer(nil)
	expect(t, a, Estimate{}, 0, Causes{}, "")
	expect(t, a, minutes(2.1, 3.9), 30*time.Second, Causes{}, "wait.2-4")
	expect(t, a, Estimate{}, time.Minute, Causes{}, "")
}

func TestWaitThatWorsensWithoutACauseIsHeldThenNotSpokenOf(t *testing.T) {
	a := NewAnnouncer(nil)
	expect(t, a, minutes(2.1, 3.9), 0, Causes{}, "wait.2-4")
	expect(t, a, minutes(2.4, 4.3), 30*time.Second, Causes{}, "wait.2-4")
	expect(t, a, minutes(4.5, 7.5), time.Minute, Causes{}, "")
	expect(t, a, minutes(2.2, 3.9), 90*time.Second, Causes{}, "wait.2-4")
}

func TestWaitThatWorsensWithACauseRisesAndSaysWhy(t *testing.T) {
	a := NewAnnouncer(nil)
	c := Causes{AgentsLeft: 4, HigherPriority: 9}
	expect(t, a, minutes(2.1, 3.9), 0, c, "wait.2-4")
	c.AgentsLeft++
	if got := expect(t, a, minutes(5.2, 9.5), 30*time.Second, c, "wait.5-10"); !got.Rose || got.Cause != "agents_left" {
		t.Errorf("%+v", got)
	}
	// One cause explains one rise.
	expect(t, a, minutes(10.5, 14.5), time.Minute, c, "")
	c.HigherPriority++
	if got := expect(t, a, minutes(10.5, 14.5), 90*time.Second, c, "wait.10-15"); !got.Rose || got.Cause != "higher_priority" {
		t.Errorf("%+v", got)
	}
}

func TestCauseThatCameWhileNothingWasSaidStillCounts(t *testing.T) {
	a := NewAnnouncer(nil)
	expect(t, a, minutes(2.1, 3.9), 0, Causes{}, "wait.2-4")
	expect(t, a, Estimate{}, 30*time.Second, Causes{AgentsLeft: 1}, "")
	if got := expect(t, a, minutes(5.2, 9.5), time.Minute, Causes{AgentsLeft: 1}, "wait.5-10"); got.Cause != "agents_left" {
		t.Errorf("%+v", got)
	}
}

func TestCallerWhoseTimeHasPassedHearsThatItTakesLonger(t *testing.T) {
	a := NewAnnouncer(nil)
	e := minutes(1.1, 1.9)
	expect(t, a, e, 0, Causes{}, "wait.1-2")
	for at := 30 * time.Second; at <= 2*time.Minute; at += 30 * time.Second {
		expect(t, a, e, at, Causes{}, "wait.1-2")
	}
	expect(t, a, e, 150*time.Second, Causes{}, "wait.late")
	expect(t, a, e, 180*time.Second, Causes{}, "wait.1-2") // honest again, and its two minutes begin anew
	expect(t, a, e, 300*time.Second, Causes{}, "wait.1-2")
	expect(t, a, e, 301*time.Second, Causes{}, "wait.late")
	expect(t, a, minutes(0.2, 0.9), 330*time.Second, Causes{}, "wait.under1")
	// All agents leave: nothing is known of the wait any more, but that it takes longer.
	expect(t, a, Estimate{}, 391*time.Second, Causes{AgentsLeft: 1}, "wait.late")
	expect(t, a, Estimate{}, 420*time.Second, Causes{AgentsLeft: 1}, "")
	expect(t, a, minutes(5.2, 9.5), 450*time.Second, Causes{AgentsLeft: 1}, "wait.5-10")
}

func TestLadderHasOneNamePerPromptAndAWordForEveryWait(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range DefaultLadder() {
		if seen[r.ID] || r.ID == "" || !r.Late && r.HighMin != 0 && r.HighMin <= r.LowMin {
			t.Errorf("rung %+v", r)
		}
		seen[r.ID] = true
	}
	for _, id := range []string{"wait.under1", "wait.1-2", "wait.over60", "wait.late"} {
		if !seen[id] {
			t.Errorf("%s is missing", id)
		}
	}
	e := taught(3000)
	for _, agents := range []int{1, 2, 5, 20, 100, 500} {
		for ahead := 0; ahead < 40*agents; ahead += 1 + ahead/10 {
			est := e.Estimate(Situation{Queue: "q", At: clock(30_000), Ahead: ahead, Agents: float64(agents), Busy: agents, Elapsed: 1})
			if got := NewAnnouncer(nil).Next(est, 0, Causes{}); got.Rung == nil || est.probability(*got.Rung) < chooseAt {
				t.Fatalf("%d agents, %d ahead, %v to %v: said %q", agents, ahead, est.Low, est.High, said(got))
			}
		}
	}
}

// heard follows one caller's announcements and holds them against the promises of Announcer.
type heard struct {
	spoken bool
	rung   Rung
	since  time.Duration // when this upper end was first said; late resets it
	late   bool
	causes Causes
}

func (h *heard) check(t *rapid.T, a Announcement, e Estimate, elapsed time.Duration, c Causes) {
	if a.Rung == nil {
		if a.Rose || a.Cause != "" {
			t.Fatalf("nothing said of time, and %+v", a)
		}
		return
	}
	if a.Rung.Late {
		switch {
		case !h.spoken || h.late:
			t.Fatalf("late at %v without a time said before", elapsed)
		case h.rung.HighMin == 0 || elapsed <= h.since+time.Duration(h.rung.HighMin)*time.Minute:
			t.Fatalf("late at %v, %s was said at %v", elapsed, h.rung.ID, h.since)
		}
		h.late = true
		return
	}
	if !e.Known {
		t.Fatalf("%s said of an unknown wait", a.Rung.ID)
	}
	if p := e.probability(*a.Rung); p < holdAt {
		t.Fatalf("%s said with probability %.2f", a.Rung.ID, p)
	}
	rises := h.spoken && higher(*a.Rung, h.rung.HighMin)
	if rises && c == h.causes {
		t.Fatalf("%s after %s without a cause", a.Rung.ID, h.rung.ID)
	}
	if rises != a.Rose || rises != (a.Cause != "") {
		t.Fatalf("%s after %s: %+v", a.Rung.ID, h.rung.ID, a)
	}
	same := h.spoken && a.Rung.HighMin == h.rung.HighMin
	if same && !h.late && c == h.causes && a.Rung.HighMin > 0 && elapsed > h.since+time.Duration(a.Rung.HighMin)*time.Minute {
		t.Fatalf("%s at %v, said first at %v", a.Rung.ID, elapsed, h.since)
	}
	if !same || h.late {
		h.since = elapsed
	}
	h.spoken, h.rung, h.late, h.causes = true, *a.Rung, false, c
}

func TestAnnouncementsNeverRiseWithoutACauseAndNeverOutliveTheirPromise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, h := NewAnnouncer(nil), heard{}
		var c Causes
		level := rapid.Float64Range(0.1, 80).Draw(t, "minutes")
		var elapsed time.Duration
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			level = max(0.05, level*rapid.Float64Range(0.6, 1.5).Draw(t, "change"))
			width := rapid.Float64Range(1.05, 6).Draw(t, "width")
			e := minutes(level/width, level*width)
			e.Known = rapid.IntRange(0, 9).Draw(t, "known") > 0
			switch rapid.IntRange(0, 9).Draw(t, "cause") {
			case 0:
				c.AgentsLeft++
			case 1:
				c.HigherPriority++
			}
			got := a.Next(e, elapsed, c)
			h.check(t, got, e, elapsed, c)
			// The controller may die after any announcement.
			data, err := json.Marshal(a)
			if err != nil {
				t.Fatal(err)
			}
			a = NewAnnouncer(nil)
			if err := json.Unmarshal(data, a); err != nil {
				t.Fatal(err)
			}
			elapsed += time.Duration(rapid.IntRange(10, 120).Draw(t, "pause")) * time.Second
		}
	})
}

func TestAnnouncerRefusesAStateItCannotRead(t *testing.T) {
	a := NewAnnouncer(nil)
	a.Next(minutes(2.1, 3.9), 0, Causes{})
	if err := json.Unmarshal([]byte(`{"spoken":"yes"}`), a); err == nil {
		t.Error("a state of the wrong form was taken")
	}
	expect(t, a, minutes(4.5, 7.5), time.Minute, Causes{}, "") // what was said before still binds
}

// Over whole waits, with announcements every 30 s, what is spoken must be true as often as
// it claims, although it may never rise.
func TestWhatIsSpokenOverTheWaitIsTrue(t *testing.T) {
	rng := rand.New(rand.NewPCG(31, 8))
	e := taught(20_000)
	first, firstTrue, all, allTrue, late, silent := 0, 0, 0, 0, 0, 0
	for range 4000 {
		ahead := rng.IntN(60)
		var left []float64 // when the number ahead goes down, the last one when it is our turn
		now := 0.0
		for i := ahead; i >= 0; i-- {
			now += rng.ExpFloat64() / (20./240 + float64(i)/300)
			left = append(left, now)
		}
		a := NewAnnouncer(nil)
		for at := 0.0; at < now; at += 30 {
			still := ahead
			for _, l := range left {
				if l <= at {
					still--
				}
			}
			got := a.Next(e.Estimate(Situation{Queue: "q", At: clock(300_000 + at), Ahead: still, Agents: 20, Busy: 20, Elapsed: duration(at + 1)}), duration(at), Causes{})
			switch {
			case got.Rung == nil:
				silent++
			case got.Rung.Late:
				late++
			default:
				ok := 0
				if got.Rung.Covers(duration(now - at)) {
					ok = 1
				}
				all++
				allTrue += ok
				if at == 0 {
					first++
					firstTrue += ok
				}
			}
		}
	}
	t.Logf("first range true for %.1f %%, all ranges for %.1f %% of %d; %d times late, %d times nothing of time",
		100*float64(firstTrue)/float64(first), 100*float64(allTrue)/float64(all), all, late, silent)
	if float64(firstTrue) < 0.8*float64(first) || float64(allTrue) < 0.8*float64(all) {
		t.Error("less than 80 % of what was spoken was true")
	}
	if n := all + late + silent; float64(silent) > 0.1*float64(n) {
		t.Errorf("nothing was said of time in %d of %d announcements", silent, n)
	}
}
