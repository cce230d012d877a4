package wait

import "math"

// learned is what is known of one queue. Its exported fields are what a snapshot keeps.
type learned struct {
	opts       Options
	DefaultAHT float64

	Services decayed
	Lengths  lifetimes
	// Leaving is the patience of callers: how long they wait before they hang up.
	Leaving  lifetimes
	Arrivals arrivals
	Blend    blend

	completions *completions
	sinceBuilt  int // services since completions was built
}

// decayed is a mean whose older observations weigh less.
type decayed struct {
	Weight, Sum float64
}

func (d *decayed) add(x, memory float64) {
	keep := 1 - 1/memory
	d.Weight = d.Weight*keep + 1
	d.Sum = d.Sum*keep + x
}

// arrivals is the arrival rate over about the last ten minutes.
type arrivals struct{ Count, First, Last float64 }

const arrivalWindow = 600.0

func newLearned(opts Options) *learned {
	return &learned{opts: opts, DefaultAHT: opts.DefaultAHT.Seconds()}
}

func (q *learned) arrived(at float64) {
	a := &q.Arrivals
	if a.Count == 0 {
		a.First = at
	} else {
		a.Count *= math.Exp(-max(0, at-a.Last) / arrivalWindow)
	}
	a.Count++
	a.Last = at
}

func (q *learned) arrivalRate(at float64) float64 {
	a := &q.Arrivals
	if a.Count == 0 {
		return 0
	}
	seen := max(30, at-a.First)
	return a.Count * math.Exp(-max(0, at-a.Last)/arrivalWindow) / (arrivalWindow * (1 - math.Exp(-seen/arrivalWindow)))
}

func (q *learned) served(d, _ float64) {
	if d <= 0 {
		return
	}
	q.Services.add(d, float64(q.opts.Memory))
	q.Lengths.add(d, true, float64(q.opts.Memory))
	q.sinceBuilt++
}

func (q *learned) left(ahead int, waited, at float64, answered bool) {
	q.Blend.observe(ahead, waited, at, answered)
	q.Leaving.add(max(0, waited), !answered, 2*float64(q.opts.Memory))
}

// defaultCalls is how many calls a default weighs, defaultHangups how many hang-ups.
const (
	defaultCalls   = 10
	defaultHangups = 2
	leastCalls     = 3 - 0.5 // three, whose weights have decayed a little
)

// aht is the mean handling time in seconds; false if nothing tells.
func (q *learned) aht() (float64, bool) {
	w, sum := q.Services.Weight, q.Services.Sum
	if q.DefaultAHT > 0 {
		return (sum + defaultCalls*q.DefaultAHT) / (w + defaultCalls), true
	}
	if w < leastCalls {
		return 0, false
	}
	return sum / w, true
}

// theta is the mean rate at which waiting callers hang up, 1/s.
func (q *learned) theta() float64 {
	hangups, waited := q.Leaving.totals()
	return (hangups + defaultHangups) / (waited + defaultHangups*q.opts.DefaultPatience.Seconds())
}

// leaving gives the rate of hang-ups among the i callers just ahead, t seconds from now.
// Callers do not hang up at an even rate (Brown et al. 2005): some at once, others never.
// The j-th caller ahead came about j/λ earlier, so has waited t + j/λ by then; the rate is
// the sum of what is learned for such waits (Whitt 2005, the M/M/s+M(n) approximation).
func (q *learned) leaving(at float64) func(i, t float64) float64 {
	theta := q.theta()
	lambda := q.arrivalRate(at)
	hangups, _ := q.Leaving.totals()
	if lambda <= 0 || hangups < leastHangups {
		return func(i, _ float64) float64 { return i * theta }
	}
	h := q.Leaving.hazards(theta, patienceShrink)
	return func(i, t float64) float64 { return lambda * (h.cumulative(t+i/lambda) - h.cumulative(t)) }
}

// leastHangups is from how many hang-ups on patience is more than a mean; patienceShrink is
// how many events the mean weighs against those of one range of waits.
const (
	leastHangups   = 50
	patienceShrink = 10
)

func (q *learned) estimate(s Situation) Estimate {
	aht, ok := q.aht()
	if !ok || s.Agents <= 0 || s.Ahead < 0 {
		return Estimate{Method: "unknown"}
	}
	if s.Ahead == 0 && float64(s.Busy)+1 <= s.Agents {
		return Estimate{Confidence: 1, Method: "free", Known: true}
	}
	model, method := q.model(s, aht)
	if math.IsInf(model.k1, 1) || math.IsNaN(model.k1) {
		return Estimate{Method: "unknown"}
	}
	if s.Elapsed == 0 {
		q.Blend.expect(pending{at: seconds(s.At), ahead: s.Ahead, agents: s.Agents, model: model})
	}
	point, low, high := q.Blend.corrected(model, s.Ahead)
	return Estimate{
		Point: duration(point), Low: duration(low), High: duration(high),
		Confidence: q.confidence(), Method: method, Known: true,
	}
}

// model is the wait by what is learned of calls and callers, before it is held against waits.
func (q *learned) model(s Situation, aht float64) (cumulants, string) {
	rate := s.Agents / aht
	method := "qlm"
	var coming *outlook
	if q.Services.Weight >= leastForAges {
		if len(s.InService) > 0 {
			method = "qlm+ages"
		}
		coming = q.coming(aht).outlook(s.InService, s.Agents)
	}
	if s.HigherRate > 0 {
		// The passages need a constant rate: that over the time they take.
		theta := q.theta()
		c := lowPriority(s.Ahead, rate, theta, s.HigherRate)
		if coming != nil && !math.IsInf(c.k1, 1) {
			c = lowPriority(s.Ahead, coming.mean(c.k1), theta, s.HigherRate)
		}
		return c, "priority"
	}
	leave := q.leaving(seconds(s.At))
	if coming == nil {
		return queueAhead(s.Ahead, func(float64) float64 { return rate }, leave, nil), method
	}
	return queueAhead(s.Ahead, coming.at, leave, coming.dispersion), method
}

// leastForAges is how many calls must have been seen for their lengths to say more than their mean.
const leastForAges = 50

func (q *learned) coming(aht float64) *completions {
	if q.completions == nil || float64(q.sinceBuilt) > max(10, q.Services.Weight/20) {
		q.completions = newCompletions(q.Lengths.hazards(1/aht, hazardShrink), aht)
		q.sinceBuilt = 0
	}
	return q.completions
}

// hazardShrink is how many events the constant rate weighs against those seen in a bin.
const hazardShrink = 3

// z10 is the 10 % point of the normal distribution.
const z10 = -1.2815515655446004

func (q *learned) confidence() float64 {
	w := q.Services.Weight
	if q.DefaultAHT > 0 {
		w += defaultCalls / 2
	}
	return w / (w + 20)
}
