package routing

import (
	"math"
	"slices"
	"time"

	"decroche/routing/wait"
)

// Situation is what an Estimator is asked about, Estimate what it answers.
type (
	Situation = wait.Situation
	Estimate  = wait.Estimate
)

var _ Estimator = (*wait.Estimator)(nil)

// rate is a rate of arrivals that forgets with time.
type rate struct {
	perSecond float64
	at        int64
}

// rateMemory is the time in which an arrival's weight falls to 1/e.
const rateMemory = 15 * time.Minute

func (r *rate) add(now int64) {
	r.perSecond = r.get(now) + 1/rateMemory.Seconds()
	r.at = now
}

func (r *rate) get(now int64) float64 {
	if r.perSecond == 0 {
		return 0
	}
	return r.perSecond * math.Exp(-float64(max(0, now-r.at))/float64(rateMemory))
}

// outlook is what stands between a caller and an agent.
type outlook struct {
	own        int // callers in front in the own line, with those whose agent rings
	ahead      int // callers served before by the same agents
	agents     float64
	busy       int
	higherRate float64
	reachable  int // agents signed in and not paused who can serve the caller now
	pools      []*pool
}

// basin is a pool on the way to a caller: each of its agents first serves before callers
// (a mean, in services) of other lines.
type basin struct {
	pool   *pool
	before float64
	// higher is the rate at which such callers keep coming.
	higher float64
}

// outlook works out how many callers go before w, and how many agents that leaves. w is
// in line, or would join now.
//
// Agents shared with other lines are shared out by the callers who go first there: those
// callers spread evenly over the agents who can serve them, so each pool of agents has
// some work to do before it turns to w's line. Pools are then filled like basins: w's own
// line pours first over the pools that are ready first, and reaches w's turn at a level t
// (in services per agent) with Σ agents × (t − before)⁺ = callers in front in the own line + 1.
// Pools that are not ready by t do not count, nor does their work.
func (m *matcher) outlook(w *waiter) outlook {
	l := w.line
	o := outlook{own: rank(l.waiting, w) + rank(l.reserved, w)}
	basins := m.basins(w)
	for _, b := range basins {
		o.reachable += b.pool.staffed
	}
	slices.SortFunc(basins, func(a, b basin) int {
		switch {
		case a.before < b.before:
			return -1
		case a.before > b.before:
			return 1
		}
		return a.pool.index - b.pool.index
	})
	ownWork := float64(rank(l.waiting, w))
	ahead, level := ownWork, 0.0
	for i, b := range basins {
		if i > 0 && b.before >= level {
			break
		}
		n := float64(b.pool.staffed)
		o.agents += n
		ahead += n * b.before
		level = (ahead + 1) / o.agents
		o.busy += b.pool.staffed - b.pool.idle
		o.higherRate += n * b.higher
		o.pools = append(o.pools, b.pool)
	}
	o.ahead = int(math.Round(ahead))
	return o
}

// basins lists the staffed pools that can serve w, with the work each has before.
func (m *matcher) basins(w *waiter) []basin {
	before := make([]float64, len(m.pools))
	higher := make([]float64, len(m.pools))
	for _, l := range m.lines {
		if l == w.line {
			continue
		}
		n, r := 0, 0.0
		switch p := l.rules.Priority; {
		case p > w.line.rules.Priority:
			n, r = len(l.waiting), l.arrivals.get(m.now)
		case p == w.line.rules.Priority:
			n = rank(l.waiting, w)
		}
		if n == 0 && r == 0 {
			continue
		}
		pools := m.reach(l, l.head())
		agents := 0
		for _, p := range pools {
			agents += p.staffed
		}
		if agents == 0 {
			continue
		}
		for _, p := range pools {
			before[p.index] += float64(n) / float64(agents)
			higher[p.index] += r / float64(agents)
		}
	}
	var basins []basin
	for _, p := range m.reach(w.line, w) {
		if p.staffed > 0 {
			basins = append(basins, basin{p, before[p.index], higher[p.index]})
		}
	}
	return basins
}

// reach lists the pools that may serve w, of line l, now; w may be nil.
func (m *matcher) reach(l *line, w *waiter) []*pool {
	pools := l.pools
	if w == nil {
		return pools
	}
	for _, a := range l.aids {
		if !m.open(l, w, a) {
			continue
		}
		for _, p := range a.to.pools {
			if !slices.Contains(pools, p) {
				pools = append(slices.Clip(pools), p)
			}
		}
	}
	return pools
}

// anyPresent says whether somebody signed in may serve the line, now or by overflow later.
func (l *line) anyPresent() bool {
	if l.present() > 0 {
		return true
	}
	for _, a := range l.aids {
		if (a.after > 0 || a.longer > 0) && a.to.present() > 0 {
			return true
		}
	}
	return false
}
