package wait

import "math"

// cumulants are the first three cumulants of a wait, in seconds, s² and s³. Waits are
// sums of independent stages, so cumulants add.
type cumulants struct{ k1, k2, k3 float64 }

func (c cumulants) plus(o cumulants) cumulants {
	return cumulants{c.k1 + o.k1, c.k2 + o.k2, c.k3 + o.k3}
}

func (c cumulants) times(f float64) cumulants {
	return cumulants{c.k1 * f, c.k2 * f, c.k3 * f}
}

// scaled is the wait multiplied by f.
func (c cumulants) scaled(f float64) cumulants {
	return cumulants{c.k1 * f, c.k2 * f * f, c.k3 * f * f * f}
}

// exactStages is how many stages are summed one by one; above, several are taken at a step.
const exactStages = 100

// queueAhead gives the cumulants of the time until the caller with n ahead is served:
// the sum over i = n … 0 of the time to get from i ahead to i-1, at rate service(t) for
// the completions t seconds from now and leave(i, t) for the hang-ups of those ahead.
//
// With constant rates this is QLm (Whitt 1999): mean Σ 1/(sμ+iθ), variance Σ 1/(sμ+iθ)².
//
// dispersion(t), if given, is the variance-to-mean ratio of the completions over the next t
// seconds. Where it is not 1 the stages are not exponential: the variance follows it, and the
// mean too, since the n+1st event of an even stream comes half a stage sooner.
func queueAhead(n int, service func(t float64) float64, leave func(i, t float64) float64, dispersion func(t float64) float64) cumulants {
	var sum cumulants
	var byService, last float64 // the part of the variance that completions make
	for i := n; i >= 0; {
		group := 1
		if i > exactStages {
			group = 1 + (i-exactStages)/25
		}
		serve, hangUp := service(sum.k1), leave(float64(i)-float64(group-1)/2, sum.k1)
		if serve+hangUp <= 0 {
			return endless
		}
		stage := 1 / (serve + hangUp)
		byService += float64(group) * stage * stage * stage * serve
		last = stage * stage * serve
		sum = sum.plus(cumulants{stage, stage * stage, 2 * stage * stage * stage}.times(float64(group)))
		i -= group
	}
	if dispersion == nil {
		return sum
	}
	excess := dispersion(sum.k1) - 1
	spread := max(0.05, 1+excess*byService/sum.k2)
	return cumulants{sum.k1 + excess*last/2, sum.k2 * spread, sum.k3 * spread * spread}
}

// endless is a wait without end.
var endless = cumulants{math.Inf(1), math.Inf(1), math.Inf(1)}

// lowPriority gives the cumulants of the same wait when callers of a higher priority come
// in at rate higher and go ahead. Each stage is the first passage of a birth-death process
// from i ahead to i-1: up at rate higher, down at rate service+i·theta. For theta = 0 the
// mean is (n+1)/(sμ-λ) and the variance (n+1)(sμ+λ)/(sμ-λ)³; if then sμ ≤ λ there is no end.
func lowPriority(n int, service, theta, higher float64) cumulants {
	if theta <= 0 {
		return steadyPassage(service, higher).times(float64(n + 1))
	}
	// From top on, twice as many leave as come, and the local formula is exact enough to
	// start the recursion 40 stages above what is needed.
	needed := min(n, exactStages)
	top := max(needed, int(math.Ceil((2*higher-service)/theta))) + 40
	if top > maxPassageStates {
		return endless
	}
	var sum cumulants
	for i := n; i > top; {
		group := min(1+(i-top)/32, i-top)
		mid := float64(i) - float64(group-1)/2
		sum = sum.plus(steadyPassage(service+mid*theta, higher).times(float64(group)))
		i -= group
	}
	above := passageMoments(steadyPassage(service+float64(top+1)*theta, higher))
	for i := top; i >= 0; i-- {
		above = passageDown(service+float64(i)*theta, higher, above)
		if i <= n {
			sum = sum.plus(above.cumulants())
		}
	}
	return sum
}

// maxPassageStates bounds the work of lowPriority; a queue that needs more has no useful estimate.
const maxPassageStates = 20_000

// steadyPassage is the passage one down when the rates do not change with the state: the
// busy period of an M/M/1 queue.
func steadyPassage(down, up float64) cumulants {
	if down <= up {
		return endless
	}
	d := down - up
	return cumulants{
		k1: 1 / d,
		k2: (down + up) / (d * d * d),
		k3: 2 * (down*down + 4*down*up + up*up) / (d * d * d * d * d),
	}
}

// moments are the raw moments of a passage time.
type moments struct{ m1, m2, m3 float64 }

func passageMoments(c cumulants) moments {
	return moments{c.k1, c.k2 + c.k1*c.k1, c.k3 + 3*c.k1*c.k2 + c.k1*c.k1*c.k1}
}

func (m moments) cumulants() cumulants {
	return cumulants{m.m1, m.m2 - m.m1*m.m1, m.m3 - 3*m.m1*m.m2 + 2*m.m1*m.m1*m.m1}
}

// passageDown gives the moments of the passage from a state to the one below, from those
// of the state above: wait Exp(down+up), then with probability up/(down+up) pass down twice.
func passageDown(down, up float64, above moments) moments {
	total := down + up
	p, q := up/total, down/total
	x1, x2, x3 := 1/total, 2/(total*total), 6/(total*total*total)
	m1 := (x1 + p*above.m1) / q
	y1 := above.m1 + m1
	m2 := (x2 + 2*x1*p*y1 + p*(above.m2+2*above.m1*m1)) / q
	y2 := above.m2 + 2*above.m1*m1 + m2
	m3 := (x3 + 3*x2*p*y1 + 3*x1*p*y2 + p*(above.m3+3*above.m2*m1+3*above.m1*m2)) / q
	return moments{m1, m2, m3}
}

// quantile is the wait that a standard normal deviate z stands for, by the
// Wilson–Hilferty transform of the gamma distribution (Pearson III) with these cumulants.
func (c cumulants) quantile(z float64) float64 {
	sd, g := c.shape()
	if sd == 0 {
		return c.k1
	}
	root := 1 + g*z/6 - g*g/36
	return max(0, c.k1+sd*(2/g)*(root*root*root-1))
}

// deviate is the inverse of quantile: the standard normal deviate of a wait of x seconds.
func (c cumulants) deviate(x float64) float64 {
	sd, g := c.shape()
	if sd == 0 {
		return 0
	}
	return (math.Cbrt(max(0, (x-c.k1)/sd*g/2+1)) - 1 + g*g/36) * 6 / g
}

// shape gives the standard deviation and the skewness, the latter kept where the transform is sound.
func (c cumulants) shape() (sd, skew float64) {
	if c.k2 <= 0 {
		return 0, 0
	}
	sd = math.Sqrt(c.k2)
	return sd, min(max(c.k3/(c.k2*sd), 0.02), 2.5)
}

// normalCDF and normalQuantile are those of the standard normal distribution.
func normalCDF(z float64) float64 { return 0.5 * math.Erfc(-z/math.Sqrt2) }

func normalQuantile(p float64) float64 {
	return -math.Sqrt2 * math.Erfcinv(2*min(max(p, 1e-9), 1-1e-9))
}
