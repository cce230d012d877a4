package wait

import "math"

// learned is what is known of one queue. Its exported fields are what a snapshot keeps.
type learned struct {
	opts       Options
	DefaultAHT float64

	Services decayed
	Leaving  patience
	Arrivals arrivals
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

// patience is the rate at which waiting callers hang up: hang-ups over time waited.
type patience struct{ Hangups, Waited float64 }

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
	if d > 0 {
		q.Services.add(d, float64(q.opts.Memory))
	}
}

func (q *learned) left(_ int, waited, _ float64, answered bool) {
	keep := 1 - 1/float64(q.opts.Memory)
	q.Leaving.Hangups *= keep
	q.Leaving.Waited = q.Leaving.Waited*keep + max(0, waited)
	if !answered {
		q.Leaving.Hangups++
	}
}

// defaultCalls is how many calls a default weighs, defaultHangups how many hang-ups.
const (
	defaultCalls   = 10
	defaultHangups = 2
	leastCalls     = 3
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

func (q *learned) theta() float64 {
	return (q.Leaving.Hangups + defaultHangups) / (q.Leaving.Waited + defaultHangups*q.opts.DefaultPatience.Seconds())
}

func (q *learned) estimate(s Situation) Estimate {
	aht, ok := q.aht()
	if !ok || s.Agents <= 0 || s.Ahead < 0 {
		return Estimate{Method: "unknown"}
	}
	if s.Ahead == 0 && float64(s.Busy) < s.Agents && float64(s.Busy)+1 <= s.Agents {
		return Estimate{Confidence: 1, Method: "free", Known: true}
	}
	rate, theta := s.Agents/aht, q.theta()
	var c cumulants
	method := "qlm"
	if s.HigherRate > 0 {
		c, method = lowPriority(s.Ahead, rate, theta, s.HigherRate), "priority"
	} else {
		c = queueAhead(s.Ahead, func(float64) float64 { return rate }, func(i, _ float64) float64 { return i * theta })
	}
	if math.IsInf(c.k1, 1) {
		return Estimate{Method: "unknown"}
	}
	return Estimate{
		Point: duration(c.k1), Low: duration(c.quantile(z10)), High: duration(c.quantile(-z10)),
		Confidence: q.confidence(), Method: method, Known: true,
	}
}

// z10 is the 10 % point of the normal distribution.
const z10 = -1.2815515655446004

func (q *learned) confidence() float64 {
	w := q.Services.Weight
	if q.DefaultAHT > 0 {
		w += defaultCalls / 2
	}
	return w / (w + 20)
}
