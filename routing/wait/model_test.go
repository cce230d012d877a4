package wait

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func near(got, want, relative float64) bool { return math.Abs(got-want) <= relative*math.Abs(want) }

// qlm is queueAhead with constant rates.
func qlm(n int, service, theta float64) cumulants {
	return queueAhead(n, func(float64) float64 { return service }, func(i, _ float64) float64 { return i * theta }, nil)
}

func TestQLmGivesTheExactErrorsOfTheReference(t *testing.T) {
	data, err := os.ReadFile("testdata/queueing.json")
	if err != nil {
		t.Fatal(err)
	}
	var ref struct {
		Exact []struct {
			S                 int
			Lambda, Mu, Theta float64
			PDelay            float64 `json:"p_delay"`
			MeanWait          float64 `json:"mean_wait"`
			ASEQLm            float64 `json:"ase_qlm"`
			ASEQL             float64 `json:"ase_ql"`
		}
	}
	if err := json.Unmarshal(data, &ref); err != nil {
		t.Fatal(err)
	}
	if len(ref.Exact) != 3 {
		t.Fatalf("%d models, want 3", len(ref.Exact))
	}
	for _, m := range ref.Exact {
		// The stationary distribution of the number in the system, relative to that of zero.
		full := float64(m.S) * m.Mu
		all, delayed, wait, mine, ql := 0.0, 0.0, 0.0, 0.0, 0.0
		p := 1.0
		for k := 0; k < m.S+490; k++ {
			all += p
			if n := k - m.S; n >= 0 {
				c := qlm(n, full, m.Theta)
				naive := qlm(n, full, 0).k1
				delayed += p
				wait += p * c.k1
				mine += p * c.k2
				ql += p * (c.k2 + (naive-c.k1)*(naive-c.k1))
			}
			leave := float64(min(k+1, m.S))*m.Mu + float64(max(0, k+1-m.S))*m.Theta
			p *= m.Lambda / leave
		}
		for _, x := range []struct {
			name      string
			got, want float64
		}{
			{"P(delay)", delayed / all, m.PDelay},
			{"mean wait", wait / delayed, m.MeanWait},
			{"ASE of QLm", mine / delayed, m.ASEQLm},
			{"ASE of QL", ql / delayed, m.ASEQL},
		} {
			if !near(x.got, x.want, 1e-9) {
				t.Errorf("s=%d lambda=%g: %s %.10g, want %.10g", m.S, m.Lambda, x.name, x.got, x.want)
			}
		}
	}
}

func TestLongQueuesAreSummedInGroupsWithoutLosingAccuracy(t *testing.T) {
	for _, n := range []int{600, 2_000, 20_000} {
		var want cumulants
		for i := range n + 1 {
			s := 1 / (0.5 + float64(i)*0.004)
			want = want.plus(cumulants{s, s * s, 2 * s * s * s})
		}
		got := qlm(n, 0.5, 0.004)
		if !near(got.k1, want.k1, 1e-4) || !near(got.k2, want.k2, 1e-3) || !near(got.k3, want.k3, 1e-2) {
			t.Errorf("n=%d: %+v, want %+v", n, got, want)
		}
	}
}

func TestLowPriorityFormulaIsTheOneOfTheReference(t *testing.T) {
	for _, n := range []int{0, 3, 40} {
		const service, higher = 0.4, 0.25
		c := lowPriority(n, service, 0, higher)
		mean := float64(n+1) / (service - higher)
		variance := float64(n+1) * (service + higher) / math.Pow(service-higher, 3)
		if !near(c.k1, mean, 1e-12) || !near(c.k2, variance, 1e-12) {
			t.Errorf("n=%d: mean %g variance %g, want %g and %g", n, c.k1, c.k2, mean, variance)
		}
		// With a patience that hardly matters the recursion must come to the same.
		c = lowPriority(n, service, 1e-4, higher)
		if !near(c.k1, mean, 0.03) || !near(c.k2, variance, 0.12) {
			t.Errorf("n=%d, hardly any hang-ups: mean %g variance %g, want about %g and %g", n, c.k1, c.k2, mean, variance)
		}
		// Without arrivals that go ahead it is QLm.
		if a, b := lowPriority(n, service, 0.01, 0), qlm(n, service, 0.01); !near(a.k1, b.k1, 1e-9) || !near(a.k2, b.k2, 1e-9) || !near(a.k3, b.k3, 1e-9) {
			t.Errorf("n=%d, nobody goes ahead: %+v, want %+v", n, a, b)
		}
	}
	if c := lowPriority(3, 0.2, 0, 0.3); !math.IsInf(c.k1, 1) {
		t.Errorf("more go ahead than are served and nobody hangs up: %+v, want no end", c)
	}
}

func TestLowPriorityCumulantsAreThoseOfASimulation(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const n, service, theta, higher, runs = 6, 0.1, 0.005, 0.08, 60_000
	waits := make([]float64, runs)
	for r := range waits {
		for i := n; i >= 0; {
			down := service + float64(i)*theta
			waits[r] += rng.ExpFloat64() / (down + higher)
			if rng.Float64()*(down+higher) < down {
				i--
			} else {
				i++
			}
		}
	}
	mean := 0.0
	for _, w := range waits {
		mean += w / runs
	}
	k2, k3 := 0.0, 0.0
	for _, w := range waits {
		k2 += (w - mean) * (w - mean) / runs
		k3 += (w - mean) * (w - mean) * (w - mean) / runs
	}
	c := lowPriority(n, service, theta, higher)
	if !near(c.k1, mean, 0.01) || !near(c.k2, k2, 0.03) || !near(c.k3, k3, 0.1) {
		t.Errorf("%+v, simulated %g, %g, %g", c, mean, k2, k3)
	}
	slices.Sort(waits)
	if low, high := waits[runs/10], waits[runs*9/10]; !near(c.quantile(z10), low, 0.03) || !near(c.quantile(-z10), high, 0.02) {
		t.Errorf("80 %% interval %g to %g, simulated %g to %g", c.quantile(z10), c.quantile(-z10), low, high)
	}
}

func TestDeviateUndoesQuantile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := qlm(rapid.IntRange(0, 400).Draw(t, "n"), rapid.Float64Range(0.001, 10).Draw(t, "service"), rapid.Float64Range(0, 0.1).Draw(t, "theta"))
		z := rapid.Float64Range(-1.5, 3).Draw(t, "z")
		if got := c.deviate(c.quantile(z)); math.Abs(got-z) > 1e-6 {
			t.Fatalf("deviate(quantile(%g)) = %g", z, got)
		}
	})
}

func TestCompletionsOfExponentialCallsDoNotDependOnTheirAge(t *testing.T) {
	var rate [lifetimeBins]float64
	for i := range rate {
		rate[i] = 1. / 240
	}
	c := newCompletions(newHazards(rate), 240)
	ages := []time.Duration{0, 10 * time.Second, 5 * time.Minute, 3 * time.Hour}
	o := c.outlook(ages, 6)
	for _, at := range []float64{0, 60, 300, 900, 5000} {
		if got := o.at(at); !near(got, 6./240, 0.01) {
			t.Errorf("%g s ahead: %g completions per second, want %g", at, got, 6./240)
		}
		if got := o.dispersion(at); !near(got, 1, 0.02) {
			t.Errorf("over %g s: dispersion %g, want 1", at, got)
		}
	}
}

func TestCompletionsFollowTheAgesOfEvenCalls(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	draw := lognormal(240, 0.4)
	var l lifetimes
	for range 50_000 {
		l.add(draw(rng), true, 1e9)
	}
	c := newCompletions(l.hazards(1./240, 3), 240)
	ages := []time.Duration{5 * time.Second, 60 * time.Second, 200 * time.Second, 320 * time.Second}
	o := c.outlook(ages, 4)
	for _, horizon := range []float64{60, 120, 300} {
		n, squares := 0.0, 0.0
		const runs = 20_000
		for range runs {
			k := 0.0
			for _, age := range ages {
				total := draw(rng)
				for total < age.Seconds() {
					total = draw(rng)
				}
				for left := total - age.Seconds(); left < horizon; left += draw(rng) {
					k++
				}
			}
			n += k / runs
			squares += k * k / runs
		}
		got := 0.0
		for x := 0.5; x < horizon; x++ {
			got += o.at(x)
		}
		if !near(got, n, 0.05) {
			t.Errorf("over %g s: %.3f completions expected, %.3f simulated", horizon, got, n)
		}
		if d, want := o.dispersion(horizon), (squares-n*n)/n; math.Abs(d-want) > 0.06 {
			t.Errorf("over %g s: dispersion %.3f, %.3f simulated", horizon, d, want)
		}
	}
}
