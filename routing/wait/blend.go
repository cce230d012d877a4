package wait

import (
	"math"
	"math/bits"
	"sort"
)

// blend holds estimates against the waits that followed, and corrects the next ones: the
// model's mean is multiplied by the ratio of waits to estimates of callers who found about
// as many ahead, and its interval is moved to where 80 % of the waits fell. Where the model
// is right the correction stays near one; where the data it is given is wrong (agents who
// are signed in and do not answer, ringing time, shared agents) it is what mends it.
//
// Only callers for whom an estimate was asked when they joined count; hang-ups count with the
// wait they could still expect, since leaving out long waits would bias the ratio.
type blend struct {
	// Same is by the number ahead, in powers of two; All is over all of them; Recent
	// forgets fast.
	Same        [blendClasses]ratio
	All, Recent ratio
	Seen        float64 // when the last wait ended
	Spread      spread

	pending []pending // estimates whose wait is not over, in the order of their times
	agents  float64   // at the last estimate
}

type pending struct {
	at     float64
	ahead  int
	agents float64
	model  cumulants
	fresh  float64 // share of the wait that does not overlap the one of the caller before
	done   bool
}

const (
	blendClasses   = 10
	mostPending    = 4096
	slowMemory     = 6000.0 // in completions
	recentMemory   = 200.0
	recentSeconds  = 2700.0
	ratioPrior     = 500.0 // completions that a ratio of one weighs
	samePrior      = 300.0 // and, for a class, the ratio over all
	matchTolerance = 2.0   // seconds
)

// ratio is a mean of waits over estimates, weighed by what each tells: the number of
// completions it stands for.
type ratio struct{ Info, Sum float64 }

func (r *ratio) add(x, info, memory float64) {
	keep := math.Exp(-info / memory)
	r.Info = r.Info*keep + info
	r.Sum = r.Sum*keep + info*x
}

func (r *ratio) towards(prior, weight float64) float64 {
	return (r.Sum + prior*weight) / (r.Info + weight)
}

func classOf(ahead int) int { return min(blendClasses-1, bits.Len(uint(max(0, ahead)))) }

// factor is what the model's wait is multiplied by.
func (b *blend) factor(ahead int) float64 {
	f := b.Same[classOf(ahead)].towards(b.All.towards(1, ratioPrior), samePrior)
	if b.Recent.Info > 20 {
		// Waits of the last hour that differ by more than chance can explain pull the rest of
		// the way; smaller differences are left alone, for they are mostly noise.
		off := b.Recent.Sum/b.Recent.Info - f
		chance := 2.5 / math.Sqrt(b.Recent.Info)
		f += math.Copysign(max(0, math.Abs(off)-chance*f), off)
	}
	return min(3, max(1./3, f))
}

// corrected applies the factor and gives the mean and the interval in seconds.
func (b *blend) corrected(model cumulants, ahead int) (point, low, high float64) {
	c := model.scaled(b.factor(ahead))
	lowZ, highZ := b.Spread.bounds()
	return c.k1, min(c.k1, c.quantile(lowZ)), max(c.k1, c.quantile(highZ))
}

// expect notes an estimate made for a caller who joins.
func (b *blend) expect(p pending) {
	b.agents = p.agents
	// Waits overlap, and what overlaps tells nothing new. The share is reckoned from the
	// times of joining, which do not depend on the waits: else short waits would weigh more.
	p.fresh = 1
	if len(b.pending) > 0 && p.model.k1 > 0 {
		p.fresh = min(1, max(0, p.at-b.pending[len(b.pending)-1].at)/p.model.k1)
	}
	if len(b.pending) >= mostPending {
		b.pending = append(b.pending[:0], b.pending[mostPending/4:]...)
	}
	b.pending = append(b.pending, p)
	for i := len(b.pending) - 1; i > 0 && b.pending[i].at < b.pending[i-1].at; i-- {
		b.pending[i], b.pending[i-1] = b.pending[i-1], b.pending[i]
	}
}

// match takes the estimate made for a caller who joined at the time with so many ahead.
func (b *blend) match(joined float64, ahead int) (pending, bool) {
	from := sort.Search(len(b.pending), func(i int) bool { return b.pending[i].at >= joined-matchTolerance })
	best := -1
	for i := from; i < len(b.pending) && b.pending[i].at <= joined+matchTolerance; i++ {
		p := &b.pending[i]
		if !p.done && p.ahead == ahead && (best < 0 || math.Abs(p.at-joined) < math.Abs(b.pending[best].at-joined)) {
			best = i
		}
	}
	if best < 0 {
		return pending{}, false
	}
	p := b.pending[best]
	b.pending[best].done = true
	gone := 0
	for gone < len(b.pending) && b.pending[gone].done {
		gone++
	}
	b.pending = b.pending[gone:]
	return p, true
}

// observe learns from the end of a wait that began with so many ahead.
func (b *blend) observe(ahead int, waited, at float64, answered bool) {
	p, ok := b.match(at-waited, ahead)
	if !ok || p.model.k1 <= 0 || waited < 0 {
		return
	}
	if math.Abs(p.agents-b.agents) > 0.15*b.agents {
		return // agents came or left meanwhile: the estimate was made for another world
	}
	scaled := p.model.scaled(b.factor(ahead))
	z := scaled.deviate(waited)
	x := waited
	if !answered {
		x = b.Spread.expected(scaled, z, waited)
	}
	info := p.fresh * p.model.k1 * p.model.k1 / p.model.k2
	if b.Seen > 0 {
		forget := math.Exp(-max(0, at-b.Seen) / recentSeconds)
		b.Recent.Info *= forget
		b.Recent.Sum *= forget
	}
	b.Seen = max(b.Seen, at)
	ratio := min(10, x/p.model.k1)
	b.Same[classOf(ahead)].add(ratio, info, slowMemory)
	b.All.add(ratio, info, slowMemory)
	b.Recent.add(ratio, info, recentMemory)
	b.Spread.add(z, answered)
}

// spread keeps where the 10 % and the 90 % points of the waits fell, as normal deviates of
// the model, found by stochastic approximation (Robbins and Monro 1951).
type spread struct {
	Low, High float64 // offsets from ∓1.28
	Count     float64
}

const (
	spreadPrior  = 500.0
	spreadMemory = 5000.0
)

func (s *spread) bounds() (low, high float64) { return z10 + s.Low, -z10 + s.High }

// share is the calibrated probability of a deviate below z.
func (s *spread) share(z float64) float64 {
	low, high := s.bounds()
	return normalCDF((z - (low+high)/2) / (high - low) * 2 * -z10)
}

func (s *spread) add(z float64, answered bool) {
	low, high := s.bounds()
	s.Count = min(s.Count+1, spreadMemory)
	// 0.1755 is the density of the normal distribution at its 10 % point.
	gain := 1 / (0.1755 * (spreadPrior + s.Count))
	f := s.share(z)
	below := func(q, p float64) float64 {
		switch {
		case answered && z <= q:
			return 1
		case answered || z >= q:
			return 0
		default: // hung up at z: the wait would have ended below q with this probability
			return max(0, p-f) / (1 - f)
		}
	}
	s.Low += gain * (0.1 - below(low, 0.1))
	s.High += gain * (0.9 - below(high, 0.9))
	s.Low = min(1, max(-1.5, s.Low))
	s.High = min(1.5, max(-1, s.High))
}

// expected is the mean wait of a caller who has waited already (deviate z) and would stay.
func (s *spread) expected(c cumulants, z, waited float64) float64 {
	low, high := s.bounds()
	f := s.share(z)
	if f > 0.999 {
		return waited
	}
	const parts = 6
	sum := 0.0
	for i := range parts {
		p := f + (1-f)*(float64(i)+0.5)/parts
		sum += max(waited, c.quantile((low+high)/2+normalQuantile(p)*(high-low)/2/-z10))
	}
	return sum / parts
}
