package wait

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var start = clock(0)

// taught is an estimator that has seen calls of 240 s and callers with 300 s of patience.
func taught(calls int) *Estimator {
	e := New(Options{})
	rng := rand.New(rand.NewPCG(9, 9))
	for i := range calls {
		at := start.Add(time.Duration(i) * 10 * time.Second)
		e.ObserveArrival("q", at)
		e.ObserveService("q", duration(rng.ExpFloat64()*240), at)
		if patience, wait := rng.ExpFloat64()*300, rng.ExpFloat64()*60; patience < wait {
			e.ObserveAbandoned("q", 3, duration(patience), at)
		} else {
			e.ObserveAnswered("q", 3, duration(wait), at)
		}
	}
	return e
}

func TestEstimateIsUnknownWhereNothingHonestCanBeSaid(t *testing.T) {
	e := New(Options{})
	here := Situation{Queue: "q", At: start, Ahead: 2, Agents: 3, Busy: 3}
	if got := e.Estimate(here); got.Known || got.Point != 0 || got.Confidence != 0 {
		t.Errorf("nothing observed and no default: %+v", got)
	}
	e.ObserveService("q", 4*time.Minute, start)
	if got := e.Estimate(here); got.Known {
		t.Errorf("one call tells too little: %+v", got)
	}
	e.ObserveService("q", 4*time.Minute, start)
	e.ObserveService("q", 4*time.Minute, start)
	if got := e.Estimate(here); !got.Known || got.Confidence <= 0 || got.Confidence > 0.3 {
		t.Errorf("three calls observed: %+v", got)
	}
	here.Agents, here.Busy = 0, 0
	if got := e.Estimate(here); got.Known {
		t.Errorf("no agent: %+v", got)
	}
	e.SetDefaults("other", 5*time.Minute)
	if got := e.Estimate(Situation{Queue: "other", At: start, Ahead: 0, Agents: 1, Busy: 1}); !got.Known || !near(got.Point.Seconds(), 300, 0.01) {
		t.Errorf("a default alone: %+v", got)
	}
	if got := taught(1000).Estimate(Situation{Queue: "q", At: start, Ahead: 5, Agents: 2, Busy: 2, HigherRate: 5}); got.Known {
		t.Errorf("more go ahead than can ever leave: %+v", got)
	}
}

func TestEstimateIsZeroWhenAnAgentIsFree(t *testing.T) {
	got := taught(100).Estimate(Situation{Queue: "q", At: start, Agents: 3, Busy: 2})
	if !got.Known || got.Point != 0 || got.High != 0 || got.Method != "free" {
		t.Errorf("%+v", got)
	}
}

func TestEstimateGrowsWithThoseAheadAndShrinksWithAgents(t *testing.T) {
	e := taught(1000)
	rapid.Check(t, func(t *rapid.T) {
		s := Situation{
			Queue: "q", At: start.Add(10_000 * time.Second), Ahead: rapid.IntRange(0, 2000).Draw(t, "ahead"),
			Agents: rapid.Float64Range(0.2, 200).Draw(t, "agents"), HigherRate: rapid.SampledFrom([]float64{0, 0, 0.001, 0.01}).Draw(t, "higher"),
			Elapsed: time.Second,
		}
		s.Busy = int(math.Ceil(s.Agents))
		got := e.Estimate(s)
		if !got.Known {
			return
		}
		if got.Low < 0 || got.Low > got.Point || got.Point > got.High || got.Confidence < 0 || got.Confidence > 1 {
			t.Fatalf("%+v gives %+v", s, got)
		}
		more := s
		more.Ahead++
		if b := e.Estimate(more); b.Point < got.Point-got.Point/1000 {
			t.Fatalf("one more ahead: %v, was %v", b.Point, got.Point)
		}
		more = s
		more.Agents *= 1.5
		more.Busy = int(math.Ceil(more.Agents))
		if b := e.Estimate(more); b.Known && b.Point > got.Point {
			t.Fatalf("half as many agents more: %v, was %v", b.Point, got.Point)
		}
		more = s
		more.HigherRate += 0.005
		if b := e.Estimate(more); b.Known && b.Point < got.Point {
			t.Fatalf("more who go ahead: %v, was %v", b.Point, got.Point)
		}
	})
}

func TestEstimateMendsANumberOfAgentsThatIsNotTrue(t *testing.T) {
	w := twenty(0)
	w.agents, w.told, w.seed, w.calls = 16, 20, 12, 20_000 // four of those told of never answer
	w.arrival = 1.1 * 16 / 240
	scores := w.run(t, ours{New(Options{})}, newRates("QLm", true), newAppQueue())
	us, plain := scores["decroche"], scores["QLm"]
	us.print(t, "decroche", 1)
	plain.print(t, "QLm", 1)
	scores["app_queue"].print(t, "app_queue", 1)
	if math.Abs(us.bias) > 0.05*us.meanWait || us.ase > 0.85*plain.ase {
		t.Errorf("bias %.1f s of a mean wait of %.1f, ASE %.0f beside %.0f of QLm", us.bias, us.meanWait, us.ase, plain.ase)
	}
	if c := us.coverage(); c < 0.77 || c > 0.83 {
		t.Errorf("the 80 %% interval holds %.1f %%", 100*c)
	}
}

func TestEstimateFollowsCallsThatGetLonger(t *testing.T) {
	w := twenty(0)
	served := 0
	w.service = func(r *rand.Rand) float64 {
		if served++; served > 6000 {
			return r.ExpFloat64() * 360 // from here on, a new form to fill in
		}
		return r.ExpFloat64() * 240
	}
	w.arrival = 20. / 240
	w.warmUp, w.calls, w.seed = 8000, 1500, 13 // measured from some hours after the change on
	scores := w.run(t, ours{New(Options{})}, newRates("QLm", true))
	us, plain := scores["decroche"], scores["QLm"]
	us.print(t, "decroche", 1)
	plain.print(t, "QLm", 1)
	if us.ase > plain.ase || math.Abs(us.bias) > 0.1*us.meanWait {
		t.Errorf("bias %.1f s of %.1f, ASE %.0f beside %.0f of QLm", us.bias, us.meanWait, us.ase, plain.ase)
	}
}

func TestLearningSurvivesARestart(t *testing.T) {
	w := twenty(1.2)
	w.warmUp, w.calls, w.seed, w.ages = 0, 3000, 14, true
	e := New(Options{})
	e.SetDefaults("fresh", time.Minute)
	w.run(t, ours{e})
	data, err := e.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	after := New(Options{})
	after.SetDefaults("fresh", time.Minute)
	if err := after.Restore(data); err != nil {
		t.Fatal(err)
	}
	for ahead := range 60 {
		s := Situation{Queue: "q", At: clock(50_000), Ahead: ahead, Agents: 20, Busy: 20, InService: []time.Duration{0, time.Minute, time.Hour}, Elapsed: 1}
		a, b := e.Estimate(s), after.Estimate(s)
		if !near(a.Point.Seconds(), b.Point.Seconds(), 0.02) || !near(a.High.Seconds(), b.High.Seconds(), 0.02) || a.Confidence != b.Confidence {
			t.Fatalf("%d ahead: %+v before, %+v after", ahead, a, b)
		}
	}
	if !after.Estimate(Situation{Queue: "fresh", At: start, Agents: 1, Busy: 1}).Known {
		t.Error("the default was lost")
	}
	for _, bad := range []string{"", "{", `{"version":99}`, `[1]`} {
		if err := after.Restore([]byte(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	if !after.Estimate(Situation{Queue: "q", At: start, Ahead: 3, Agents: 20, Busy: 20}).Known {
		t.Error("a bad snapshot cost what was learned")
	}
}

func TestArrivalRateIsThatOfTheLastMinutes(t *testing.T) {
	e := New(Options{})
	for i := range 3600 {
		e.ObserveArrival("q", clock(float64(i)*2))
	}
	if got := e.ArrivalRate("q", clock(7200)); !near(got, 0.5, 0.02) {
		t.Errorf("%g, want 0.5", got)
	}
	if got := e.ArrivalRate("q", clock(7200+3600)); got > 0.01 {
		t.Errorf("an hour later: %g", got)
	}
	if got := e.ArrivalRate("none", start); got != 0 {
		t.Errorf("nobody ever came: %g", got)
	}
}

func TestEstimatorMayBeUsedByManyAtOnce(t *testing.T) {
	e := taught(100)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 200 {
				at := clock(float64(i))
				q := fmt.Sprint("q", g%3)
				e.ObserveArrival(q, at)
				e.ObserveService(q, time.Minute, at)
				e.Estimate(Situation{Queue: q, At: at, Ahead: i, Agents: 3, Busy: 3})
				e.ObserveAnswered(q, i, time.Second, at)
				if _, err := e.Snapshot(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkEstimate(b *testing.B) {
	e := taught(5000)
	ages := make([]time.Duration, 100)
	for i := range ages {
		ages[i] = time.Duration(i) * 7 * time.Second
	}
	for _, ahead := range []int{0, 10, 300, 3000} {
		for _, higher := range []float64{0, 0.05} {
			b.Run(fmt.Sprintf("ahead=%d,higher=%g", ahead, higher), func(b *testing.B) {
				s := Situation{Queue: "q", At: clock(50_000), Ahead: ahead, Agents: 100, Busy: 100, InService: ages, HigherRate: higher, Elapsed: 1}
				for b.Loop() {
					e.Estimate(s)
				}
			})
		}
	}
}

// BenchmarkBars runs the bars over a million calls each, with the parameters learned and known.
func BenchmarkBars(b *testing.B) {
	for name, bar := range map[string]bar{
		"M_M_100_M-140": {world: markovian100(140), theta: 1. / 240, unit: 240},
		"M_M_100_M-120": {world: markovian100(120), theta: 1. / 240, unit: 240},
		"M_M_20_M":      {world: twenty(0), theta: 1. / 300, unit: 1},
		"M_LN1.2_20_M":  {world: twenty(1.2), theta: 1. / 300, unit: 1},
		"M_LN0.5_20_M":  {world: twenty(0.5), theta: 1. / 300, unit: 1},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				w := bar.world
				w.seed, w.calls, w.ages = 99, 1_000_000, true
				predictors := []predictor{ours{New(Options{})}, known{rate: float64(w.agents) / 240, theta: bar.theta}, newRates("QLm", true), newRates("QL", false), newAppQueue(), newLES(), newHOL(), newMeanOf15()}
				scores := w.run(b, predictors...)
				for _, p := range predictors {
					scores[p.name()].print(b, p.name(), bar.unit)
				}
			}
		})
	}
}
