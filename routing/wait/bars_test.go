package wait

import (
	"math"
	"testing"
)

// bar is a world with what the estimator must reach in it. All parameters are learned while
// the world runs; the true ones are known only to the "known" QLm that runs beside.
type bar struct {
	world
	theta float64
	unit  float64 // seconds in which ASE is given
	// ase is the most that ours may reach; ofKnown the most as a multiple of QLm with the
	// true parameters on the same calls.
	ase, ofKnown float64
}

func markovian100(lambda float64) world {
	return world{agents: 100, arrival: lambda / 240, service: exponential(240), patience: exponential(240), warmUp: 20_000}
}

func twenty(service float64) world {
	w := world{agents: 20, arrival: 1.1 * 20 / 240, service: exponential(240), patience: exponential(300), warmUp: 10_000}
	if service > 0 {
		w.service = lognormal(240, service)
	}
	return w
}

func (b bar) hold(t *testing.T) {
	t.Helper()
	b.ages = true
	mine := []predictor{
		ours{New(Options{})},
		known{rate: float64(b.agents) / 240, theta: b.theta},
		newRates("QL", false), newAppQueue(),
	}
	scores := b.run(t, mine...)
	for _, p := range mine {
		scores[p.name()].print(t, p.name(), b.unit)
	}
	us, best, asterisk := scores["decroche"], scores["known"], scores["app_queue"]
	if got := us.ase / b.unit / b.unit; got > b.ase {
		t.Errorf("ASE %.4g, want at most %.4g", got, b.ase)
	}
	if got := us.ase / best.ase; got > b.ofKnown {
		t.Errorf("ASE is %.3f times that of QLm with the true parameters, want at most %.3f", got, b.ofKnown)
	}
	if asterisk.ase < 1.8*us.ase {
		t.Errorf("app_queue's formula reaches %.4g beside our %.4g: it should lose by far", asterisk.ase, us.ase)
	}
	if c := us.coverage(); c < 0.78 || c > 0.82 {
		t.Errorf("the 80 %% interval holds %.2f %% of the waits, want 78 to 82", 100*c)
	}
	if s := us.said(); s < 0.8 {
		t.Errorf("the spoken range holds %.2f %% of the waits, want at least 80", 100*s)
	}
	if us.rungs < us.n*99/100 {
		t.Errorf("a range was said to %d of %d callers", us.rungs, us.n)
	}
}

func TestEstimateNearsTheOptimumWhereALargeQueueIsOverloaded(t *testing.T) {
	t.Parallel()
	w := markovian100(140)
	w.seed, w.calls = 3, 100_000
	bar{world: w, theta: 1. / 240, unit: 240, ase: 3.0e-3, ofKnown: 1.04}.hold(t)
}

func TestEstimateNearsTheOptimumWhereALargeQueueIsBusy(t *testing.T) {
	t.Parallel()
	w := markovian100(120)
	w.seed, w.calls = 4, 60_000
	bar{world: w, theta: 1. / 240, unit: 240, ase: 1.85e-3, ofKnown: 1.04}.hold(t)
}

func TestEstimateNearsTheOptimumWithTwentyAgents(t *testing.T) {
	t.Parallel()
	w := twenty(0)
	w.seed, w.calls = 5, 100_000
	bar{world: w, theta: 1. / 300, unit: 1, ase: 705, ofKnown: 1.02}.hold(t)
}

func TestEstimateUsesTheAgesOfUnevenCalls(t *testing.T) {
	t.Parallel()
	w := twenty(1.2)
	w.seed, w.calls = 6, 80_000
	bar{world: w, theta: 1. / 300, unit: 1, ase: 26 * 26, ofKnown: 1.0}.hold(t)
}

func TestEstimateUsesTheAgesOfEvenCalls(t *testing.T) {
	t.Parallel()
	w := twenty(0.5)
	w.seed, w.calls = 7, 40_000
	bar{world: w, theta: 1. / 300, unit: 1, ase: 420, ofKnown: 0.93}.hold(t)
}

func TestEstimateLearnsThatPatienceIsNotEven(t *testing.T) {
	t.Parallel()
	w := world{agents: 5, arrival: 1.2 * 5 / 240, service: lognormal(240, 0.7), patience: lognormal(300, 1), warmUp: 5_000, seed: 9, calls: 30_000, ages: true}
	scores := w.run(t, ours{New(Options{})}, newRates("QLm", true))
	us, plain := scores["decroche"], scores["QLm"]
	us.print(t, "decroche", 1)
	plain.print(t, "QLm", 1)
	if us.ase > 0.92*plain.ase || math.Abs(us.bias) > 0.04*us.meanWait {
		t.Errorf("bias %.1f s of a mean wait of %.0f, ASE %.0f beside %.0f of QLm", us.bias, us.meanWait, us.ase, plain.ase)
	}
	if c := us.coverage(); c < 0.78 || c > 0.82 {
		t.Errorf("the 80 %% interval holds %.2f %% of the waits, want 78 to 82", 100*c)
	}
	if s := us.said(); s < 0.8 {
		t.Errorf("the spoken range holds %.2f %% of the waits, want at least 80", 100*s)
	}
}

// The simulator itself is held against the published figures: the baselines do not depend on us.
func TestBaselinesReachTheirPublishedErrors(t *testing.T) {
	t.Parallel()
	w := markovian100(140)
	w.seed, w.calls = 8, 60_000
	scores := w.run(t, newRates("QLm", true), newRates("QL", false), newAppQueue(), newLES(), newHOL(), newMeanOf15())
	for name, want := range map[string]float64{
		"QLm": 2.878e-3, "QL": 8.750e-3, "app_queue": 5.982e-3, "LES": 5.903e-3, "HOL": 5.762e-3, "mean_of_15": 6.367e-3,
	} {
		got := scores[name].ase / 240 / 240
		t.Logf("%-10s %.4g, published %.4g", name, got, want)
		if math.Abs(got/want-1) > 0.06 {
			t.Errorf("ASE of %s is %.4g, published %.4g", name, got, want)
		}
	}
}
