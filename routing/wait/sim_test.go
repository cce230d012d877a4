package wait

import (
	"container/heap"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// world is a queue to simulate: times in seconds, first come first served, agents never leave.
type world struct {
	agents   int
	arrival  float64 // calls per second
	service  func(*rand.Rand) float64
	patience func(*rand.Rand) float64
	calls    int // delayed arrivals to measure
	warmUp   int // arrivals before the measure
	seed     uint64
	ages     bool    // whether the ages of calls in progress are given
	told     float64 // the number of agents the estimator is told of, if not the true one
}

func exponential(mean float64) func(*rand.Rand) float64 {
	return func(r *rand.Rand) float64 { return r.ExpFloat64() * mean }
}

// lognormal has the given mean and coefficient of variation.
func lognormal(mean, cv float64) func(*rand.Rand) float64 {
	s2 := math.Log(1 + cv*cv)
	return func(r *rand.Rand) float64 { return mean * math.Exp(math.Sqrt(s2)*r.NormFloat64()-s2/2) }
}

// simulated is one caller in the line. Those who have hung up keep their place as ghosts,
// to know the wait they would have had (their potential wait).
type simulated struct {
	at      float64
	ahead   int
	gone    bool
	measure bool
	said    map[string]prediction
}

type event struct {
	at   float64
	kind int // 0 arrival, 1 completion, 2 abandonment
	call *simulated
	dur  float64
}

type events []event

func (h events) Len() int           { return len(h) }
func (h events) Less(i, j int) bool { return h[i].at < h[j].at }
func (h events) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *events) Push(x any)        { *h = append(*h, x.(event)) }
func (h *events) Pop() any          { o := *h; e := o[len(o)-1]; *h = o[:len(o)-1]; return e }

// score is what an estimator reached over the delayed arrivals.
type score struct {
	n                 int
	ase, bias         float64
	inside, low, high int // of its 80 % interval: in it, below, above
	spoken, rungs     int
	rungWidth         float64
	meanWait          float64
}

func (s score) coverage() float64 { return float64(s.inside) / float64(s.n) }

func clock(t float64) time.Time { return time.Unix(1_700_000_000, 0).Add(duration(t)) }

// run simulates and scores the predictors.
func (w world) run(tb testing.TB, predictors ...predictor) map[string]*score {
	tb.Helper()
	rng := rand.New(rand.NewPCG(w.seed, 7))
	scores := map[string]*score{}
	for _, p := range predictors {
		scores[p.name()] = &score{}
	}
	var h events
	var line []*simulated
	started := make([]float64, 0, w.agents) // of the calls in progress
	waiting, arrivals, measured := 0, 0, 0
	begin := func(t float64) {
		d := w.service(rng)
		started = append(started, t)
		heap.Push(&h, event{at: t + d, kind: 1, dur: d})
	}
	heap.Push(&h, event{at: rng.ExpFloat64() / w.arrival})
	for measured < w.calls {
		ev := heap.Pop(&h).(event)
		t, at := ev.at, clock(ev.at)
		switch ev.kind {
		case 0:
			heap.Push(&h, event{at: t + rng.ExpFloat64()/w.arrival})
			arrivals++
			for _, p := range predictors {
				p.arrived("q", at)
			}
			if len(started) < w.agents {
				for _, p := range predictors {
					p.answered("q", 0, 0, at)
				}
				begin(t)
				continue
			}
			c := &simulated{at: t, ahead: waiting, measure: arrivals > w.warmUp}
			where := place{Situation: Situation{Queue: "q", At: at, Ahead: waiting, Agents: float64(w.agents), Busy: len(started)}}
			if w.told > 0 {
				where.Agents, where.Busy = w.told, int(w.told)
			}
			if w.ages {
				for _, s := range started {
					where.InService = append(where.InService, duration(t-s))
				}
			}
			for _, l := range line {
				if !l.gone {
					where.head, where.hasHead = t-l.at, true
					break
				}
			}
			c.said = map[string]prediction{}
			for _, p := range predictors {
				if said, ok := p.predict(where); ok {
					c.said[p.name()] = said
				}
			}
			line = append(line, c)
			waiting++
			heap.Push(&h, event{at: t + w.patience(rng), kind: 2, call: c})
		case 1:
			for i, s := range started {
				if math.Abs(s+ev.dur-t) < 1e-7 {
					started[i] = started[len(started)-1]
					started = started[:len(started)-1]
					break
				}
			}
			for _, p := range predictors {
				p.served("q", ev.dur, at)
			}
			for len(line) > 0 {
				c := line[0]
				line = line[1:]
				if c.measure {
					measured++
					for name, s := range scores {
						s.add(c.said[name], t-c.at)
					}
				}
				if c.gone {
					continue
				}
				c.gone = true
				waiting--
				for _, p := range predictors {
					p.answered("q", c.ahead, t-c.at, at)
				}
				begin(t)
				break
			}
		case 2:
			if c := ev.call; !c.gone {
				c.gone = true
				waiting--
				for _, p := range predictors {
					p.abandoned("q", c.ahead, t-c.at, at)
				}
			}
		}
	}
	for _, s := range scores {
		s.ase /= float64(s.n)
		s.bias /= float64(s.n)
		s.meanWait /= float64(s.n)
	}
	return scores
}

func (s *score) add(said prediction, waited float64) {
	s.n++
	d := said.point - waited
	s.ase += d * d
	s.bias += d
	s.meanWait += waited
	if !said.interval {
		return
	}
	switch {
	case waited < said.low:
		s.low++
	case waited > said.high:
		s.high++
	default:
		s.inside++
	}
	if a := NewAnnouncer(nil).Next(said.estimate, 0, Causes{}); a.Rung != nil {
		s.rungs++
		s.rungWidth += float64(a.Rung.width())
		if a.Rung.Covers(duration(waited)) {
			s.spoken++
		}
	}
}

// known is QLm with the true parameters: the best that a formula in n alone can reach in M/M/s+M.
type known struct {
	silent
	rate, theta float64
}

func (k known) name() string { return "known" }

func (k known) predict(p place) (prediction, bool) {
	c := queueAhead(p.Ahead, func(float64) float64 { return k.rate }, func(i, _ float64) float64 { return i * k.theta }, nil)
	return prediction{point: c.k1, low: c.quantile(z10), high: c.quantile(-z10), interval: true}, true
}

type silent struct{}

func (silent) answered(string, int, float64, time.Time)  {}
func (silent) abandoned(string, int, float64, time.Time) {}
func (silent) served(string, float64, time.Time)         {}
func (silent) arrived(string, time.Time)                 {}

func (s score) print(t testing.TB, name string, unit float64) {
	t.Helper()
	t.Logf("%-10s n=%d ASE=%.4g RASE=%.4g bias=%.3g mean wait=%.4g; 80%% interval holds %.2f%% (%.2f%% below, %.2f%% above); spoken range holds %.2f%%, %.2f min wide, said to %.1f%%", name, s.n,
		s.ase/unit/unit, math.Sqrt(s.ase)/unit, s.bias/unit, s.meanWait/unit,
		100*s.coverage(), 100*float64(s.low)/float64(s.n), 100*float64(s.high)/float64(s.n),
		100*s.said(), s.rungWidth/float64(max(1, s.rungs)), 100*float64(s.rungs)/float64(s.n))
}

func (s score) said() float64 { return float64(s.spoken) / float64(max(1, s.rungs)) }
