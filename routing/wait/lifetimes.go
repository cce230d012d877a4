package wait

import (
	"math"
	"time"
)

// lifetimes learns a distribution of durations that may be cut short (a caller who was
// answered had more patience than was seen): events and exposure in each of a fixed set of
// bins, so that events/exposure is the rate at which the duration ends at that age.
type lifetimes struct {
	Events, Exposure [lifetimeBins]float64
}

// Bins are half octaves: up to 4 s, 5.7 s, 8 s, … 3.2 h and above.
const lifetimeBins = 24

var lifetimeEdges = func() (edges [lifetimeBins]float64) {
	for i := range edges {
		edges[i] = 4 * math.Pow(2, float64(i)/2)
	}
	edges[lifetimeBins-1] = math.Inf(1)
	return edges
}()

func (l *lifetimes) add(d float64, ended bool, memory float64) {
	keep := 1 - 1/memory
	from := 0.0
	for i, to := range lifetimeEdges {
		l.Events[i] *= keep
		l.Exposure[i] = l.Exposure[i]*keep + max(0, min(d, to)-from)
		if ended && d >= from && d < to {
			l.Events[i]++
		}
		from = to
	}
}

// totals gives the number of events and the time over which they were seen.
func (l *lifetimes) totals() (events, exposure float64) {
	for i := range l.Events {
		events += l.Events[i]
		exposure += l.Exposure[i]
	}
	return events, exposure
}

// hazards are the rates at which durations end, per bin, and their integral.
type hazards struct {
	rate [lifetimeBins]float64
	sum  [lifetimeBins]float64 // integral up to the lower edge of the bin
}

// hazards gives the rates, drawn to the constant rate overall with the weight of shrink
// events, so that an exponential distribution stays one.
func (l *lifetimes) hazards(overall, shrink float64) *hazards {
	var rate [lifetimeBins]float64
	for i := range rate {
		rate[i] = (l.Events[i] + shrink) / (l.Exposure[i] + shrink/overall)
	}
	return newHazards(rate)
}

func newHazards(rate [lifetimeBins]float64) *hazards {
	h := &hazards{rate: rate}
	from := 0.0
	for i := 1; i < lifetimeBins; i++ {
		h.sum[i] = h.sum[i-1] + (lifetimeEdges[i-1]-from)*rate[i-1]
		from = lifetimeEdges[i-1]
	}
	return h
}

// cumulative is the integral of the rate up to age t: survival is exp(-cumulative).
func (h *hazards) cumulative(t float64) float64 {
	low, high := 0, lifetimeBins-1
	for low < high {
		if mid := (low + high) / 2; t <= lifetimeEdges[mid] {
			high = mid
		} else {
			low = mid + 1
		}
	}
	if low == 0 {
		return t * h.rate[0]
	}
	return h.sum[low] + (t-lifetimeEdges[low-1])*h.rate[low]
}

// completions tells at what rate an agent whose call has a given age will be done with
// calls over the time to come, later calls included, and how far the number of them
// varies: the renewal process that starts from that age. The last row stands for an agent
// whose call has an unknown age (the equilibrium renewal process).
type completions struct {
	step     float64 // seconds
	ages     [completionAges]float64
	rate     [completionAges + 1][completionSteps]float64 // in step k
	variance [completionAges + 1][completionSteps]float64 // of the number up to the end of step k
	end      float64                                      // rate far ahead
}

const (
	completionAges  = 20
	anyAge          = completionAges
	completionSteps = 64
	stepsPerMean    = 16
)

type steps = [completionSteps]float64

// newCompletions works in steps of a sixteenth of the mean, four means far. It takes about
// a tenth of a millisecond.
func newCompletions(h *hazards, mean float64) *completions {
	c := &completions{step: mean / stepsPerMean, end: 1 / mean}
	fresh := finishing(h, 0, c.step)
	var renewal, total, at steps // density, mean number so far, mean number at mid-step
	for k := range renewal {
		sum := fresh[k]
		for j := 1; j <= k; j++ {
			sum += fresh[j] * halfStep(&renewal, k-j)
		}
		if k > 0 {
			sum += fresh[0] * renewal[k-1] / 2
			total[k] = total[k-1]
		}
		renewal[k] = sum / (1 - fresh[0]/2)
		total[k] += renewal[k]
		at[k] = total[k] - renewal[k]/2
	}
	for a := range c.ages {
		if a > 0 {
			c.ages[a] = mean / 32 * math.Pow(2, float64(a-1)/2)
		}
		first := finishing(h, c.ages[a], c.step)
		var density steps
		for k := range first {
			density[k] = first[k]
			for j := 0; j <= k; j++ {
				density[k] += first[j] * halfStep(&renewal, k-j)
			}
		}
		c.fill(a, density, &at)
	}
	var even steps
	for k := range even {
		even[k] = c.step / mean
	}
	c.fill(anyAge, even, &at)
	return c
}

// halfStep is the renewal density in the step k after a call that ended within step 0: in
// its middle on average, so that the next one is half a step into its own life at its end.
func halfStep(renewal *steps, k int) float64 {
	if k == 0 {
		return renewal[0] / 2
	}
	return (renewal[k] + renewal[k-1]) / 2
}

// fill sets a row from the probability of a completion in each step, and at, the mean
// number of completions of a fresh agent by each mid-step. The variance is that of a
// renewal process: E[N(N-1)] = 2 ∫ density(u) M(t-u) du.
func (c *completions) fill(row int, density steps, at *steps) {
	mean := 0.0
	for k := range density {
		mean += density[k]
		pairs := 0.0
		for j := 0; j <= k; j++ {
			pairs += 2 * density[j] * at[k-j]
		}
		c.rate[row][k] = density[k] / c.step
		c.variance[row][k] = max(0, pairs+mean-mean*mean)
	}
}

// finishing gives the probability that a call of this age ends in each coming step.
func finishing(h *hazards, age, step float64) (out steps) {
	start := h.cumulative(age)
	before := 1.0
	for k := range out {
		after := math.Exp(start - h.cumulative(age+float64(k+1)*step))
		out[k], before = before-after, after
	}
	return out
}

// outlook is what a set of agents will do: completions per second in each coming step.
type outlook struct {
	of     *completions
	weight [completionAges + 1]float64 // agents per row
	rate   steps
	far    float64
}

// outlook is that of agents whose calls have these ages; those whose age is not given are
// anywhere in their calls.
func (c *completions) outlook(ages []time.Duration, agents float64) *outlook {
	o := &outlook{of: c, far: agents * c.end}
	each := 1.0
	if n := float64(len(ages)); n > agents {
		each = agents / n
	}
	o.weight[anyAge] = max(0, agents-float64(len(ages)))
	for _, age := range ages {
		i, part := c.locate(max(0, age.Seconds()))
		o.weight[i] += each * (1 - part)
		if part > 0 {
			o.weight[i+1] += each * part
		}
	}
	for i, w := range o.weight {
		if w == 0 {
			continue
		}
		for k := range o.rate {
			o.rate[k] += w * c.rate[i][k]
		}
	}
	return o
}

// at is the rate of completions t seconds ahead.
func (o *outlook) at(t float64) float64 {
	x := max(0, t/o.of.step-0.5)
	if x >= completionSteps-1 {
		return o.far
	}
	k := int(x)
	return o.rate[k] + (x-float64(k))*(o.rate[k+1]-o.rate[k])
}

// dispersion is the variance of the number of completions over the next t seconds, divided
// by its mean: 1 for exponential calls, less where calls are even or their ages known.
func (o *outlook) dispersion(t float64) float64 {
	k := min(completionSteps-1, int(t/o.of.step))
	variance := 0.0
	for i, w := range o.weight {
		variance += w * o.of.variance[i][k]
	}
	end := float64(k+1) * o.of.step
	if number := o.mean(end) * end; number > 0 {
		return min(3, max(0.05, variance/number))
	}
	return 1
}

// mean is the mean rate of completions over the next t seconds.
func (o *outlook) mean(t float64) float64 {
	number, left := 0.0, t
	for _, rate := range o.rate {
		if left <= 0 {
			break
		}
		number += rate * min(left, o.of.step)
		left -= o.of.step
	}
	if t <= 0 {
		return o.rate[0]
	}
	return (number + max(0, left)*o.far) / t
}

// locate finds the grid points around an age, and how far it is to the upper one.
func (c *completions) locate(age float64) (int, float64) {
	if age >= c.ages[completionAges-1] {
		return completionAges - 1, 0
	}
	i := 0
	if age >= c.ages[1] {
		i = 1 + int(2*math.Log2(age/c.ages[1]))
		i = min(i, completionAges-2)
	}
	return i, min(1, max(0, (age-c.ages[i])/(c.ages[i+1]-c.ages[i])))
}
