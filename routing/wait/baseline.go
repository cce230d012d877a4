package wait

import "time"

// predictor is one way to estimate the wait of a caller who joins the queue, run over a
// log or a simulation: it sees the facts in order and is asked at each arrival.
type predictor interface {
	name() string
	// predict gives the expected wait in seconds; false when it has nothing to go by.
	predict(p place) (prediction, bool)
	answered(queue string, ahead int, waited float64, at time.Time)
	abandoned(queue string, ahead int, waited float64, at time.Time)
	served(queue string, d float64, at time.Time)
	arrived(queue string, at time.Time)
}

// place is the situation of a caller who joins, and what only the classic estimators use.
type place struct {
	Situation
	// head is how long the caller at the head of the queue has waited; hasHead is false
	// when nobody waits.
	head    float64
	hasHead bool
}

type prediction struct {
	point     float64 // seconds
	low, high float64 // 80 %, where the predictor gives them
	interval  bool
	estimate  Estimate // where it is ours
}

// ours is the Estimator of this package as a predictor.
type ours struct{ e *Estimator }

func (o ours) name() string { return "decroche" }

func (o ours) predict(p place) (prediction, bool) {
	e := o.e.Estimate(p.Situation)
	return prediction{e.Point.Seconds(), e.Low.Seconds(), e.High.Seconds(), true, e}, e.Known
}

func (o ours) answered(q string, ahead int, w float64, at time.Time) {
	o.e.ObserveAnswered(q, ahead, duration(w), at)
}

func (o ours) abandoned(q string, ahead int, w float64, at time.Time) {
	o.e.ObserveAbandoned(q, ahead, duration(w), at)
}
func (o ours) served(q string, d float64, at time.Time) { o.e.ObserveService(q, duration(d), at) }
func (o ours) arrived(q string, at time.Time)           { o.e.ObserveArrival(q, at) }

// rates is the plain formula with learned means: QL, (n+1)/(sμ), and QLm, Σ 1/(sμ+iθ).
type rates struct {
	label         string
	leaving       bool
	service, wait map[string]*decayed
	hangups       map[string]*decayed
}

func newRates(label string, leaving bool) *rates {
	return &rates{label, leaving, map[string]*decayed{}, map[string]*decayed{}, map[string]*decayed{}}
}

func (r *rates) name() string { return r.label }

const baselineMemory = 2000

func remember(m map[string]*decayed, queue string, x float64) {
	if m[queue] == nil {
		m[queue] = &decayed{}
	}
	m[queue].add(x, baselineMemory)
}

func (r *rates) predict(p place) (prediction, bool) {
	service := r.service[p.Queue]
	if service == nil || p.Agents <= 0 {
		return prediction{}, false
	}
	theta := 0.0
	if w := r.wait[p.Queue]; r.leaving && w != nil && w.Sum > 0 {
		theta = r.hangups[p.Queue].Sum / w.Sum
	}
	rate := p.Agents * service.Weight / service.Sum
	c := queueAhead(p.Ahead, func(float64) float64 { return rate }, func(i, _ float64) float64 { return i * theta }, nil)
	return prediction{point: c.k1}, true
}

func (r *rates) answered(q string, _ int, w float64, _ time.Time) {
	remember(r.wait, q, w)
	remember(r.hangups, q, 0)
}

func (r *rates) abandoned(q string, _ int, w float64, _ time.Time) {
	remember(r.wait, q, w)
	remember(r.hangups, q, 1)
}

func (r *rates) served(q string, d float64, _ time.Time) {
	if d > 0 {
		remember(r.service, q, d)
	}
}
func (r *rates) arrived(string, time.Time) {}

// history estimates from past waits of answered callers alone: app_queue's moving average,
// the last caller answered (LES), the caller at the head (HOL), the mean of the last 15.
type history struct {
	label string
	next  func(h *past, waited float64)
	guess func(h *past, p place) float64
	of    map[string]*past
}

type past struct {
	value float64
	last  []float64
}

func (h *history) name() string { return h.label }

func (h *history) predict(p place) (prediction, bool) {
	known := h.of[p.Queue]
	if known == nil {
		return prediction{}, false
	}
	return prediction{point: h.guess(known, p)}, true
}

func (h *history) answered(q string, _ int, w float64, _ time.Time) {
	known := h.of[q]
	if known == nil {
		known = &past{}
		h.of[q] = known
	}
	h.next(known, w)
}

func (h *history) abandoned(string, int, float64, time.Time) {}
func (h *history) served(string, float64, time.Time)         {}
func (h *history) arrived(string, time.Time)                 {}

// newAppQueue is app_queue's announced hold time: a moving average with weight 1/4 on the
// last caller connected (recalc_holdtime in Asterisk's apps/app_queue.c), without its
// rounding to whole seconds.
func newAppQueue() *history {
	return &history{
		label: "app_queue", of: map[string]*past{},
		next:  func(h *past, w float64) { h.value += (w - h.value) / 4 },
		guess: func(h *past, _ place) float64 { return h.value },
	}
}

// newLES is the wait of the last caller to enter service.
func newLES() *history {
	return &history{
		label: "LES", of: map[string]*past{},
		next:  func(h *past, w float64) { h.value = w },
		guess: func(h *past, _ place) float64 { return h.value },
	}
}

// newHOL is the elapsed wait of the caller at the head of the line, or LES if there is none.
func newHOL() *history {
	h := newLES()
	h.label = "HOL"
	h.guess = func(h *past, p place) float64 {
		if p.hasHead {
			return p.head
		}
		return h.value
	}
	return h
}

func newMeanOf15() *history {
	return &history{
		label: "mean_of_15", of: map[string]*past{},
		next: func(h *past, w float64) {
			if len(h.last) == 15 {
				copy(h.last, h.last[1:])
				h.last = h.last[:14]
			}
			h.last = append(h.last, w)
		},
		guess: func(h *past, _ place) float64 {
			sum := 0.0
			for _, w := range h.last {
				sum += w
			}
			return sum / float64(len(h.last))
		},
	}
}
