package wait

import (
	"math"
	"slices"
	"time"
)

// replayed is one call of a log.
type replayed struct {
	id, queue, agent    string
	queued, left        float64 // seconds
	answeredAt, endedAt float64 // NaN where unknown
	answered            bool
	ahead               int
	said                []prediction // by predictor; nil when not to be scored
}

// replayAgent is what the log tells of an agent.
type replayAgent struct {
	busy  bool
	since float64 // of the call, or free since
	// calls are those taken per queue, older ones weighing less: how the agent is shared out.
	calls map[string]float64
	// member and paused are set where the log says so.
	member, paused map[string]bool
	pausedAll      bool
}

// replayRun is the state of a replay: who waits, who serves, what each estimator said.
type replayRun struct {
	opts       ReplayOptions
	report     Report
	predictors []predictor
	tallies    []tally
	waiting    map[string][]*replayed // in the order they joined
	since      map[string]float64     // since when callers have waited without a break
	agents     map[string]*replayAgent
	open       map[string]*replayed // by call id, in a queue_log
	now        float64
}

func newReplayRun(opts ReplayOptions) *replayRun {
	run := &replayRun{
		opts: opts,
		predictors: []predictor{
			ours{New(opts.Estimator)},
			newRates("QLm", true), newRates("QL", false),
			newAppQueue(), newLES(), newHOL(), newMeanOf15(),
		},
		waiting: map[string][]*replayed{}, since: map[string]float64{},
		agents: map[string]*replayAgent{}, open: map[string]*replayed{},
	}
	run.tallies = make([]tally, len(run.predictors))
	run.report.Ignored = map[string]int{}
	run.now = math.Inf(-1)
	return run
}

func (run *replayRun) refuse(line int, why string) {
	run.report.Refused++
	if len(run.report.Refusals) < run.opts.MaxRefusals {
		run.report.Refusals = append(run.report.Refusals, Refusal{line, why})
	}
}

func moment(t float64) time.Time { return time.UnixMicro(int64(math.Round(t * 1e6))) }

func (run *replayRun) clock(t float64) time.Time {
	run.now = max(run.now, t)
	at := moment(run.now)
	if run.report.From.IsZero() {
		run.report.From = at
	}
	run.report.Until = at
	return at
}

// joined asks every estimator, then puts the call in its line.
func (run *replayRun) joined(c *replayed) {
	at := run.clock(c.queued)
	line := run.waiting[c.queue]
	if c.ahead < 0 {
		c.ahead = len(line)
	}
	if len(line) == 0 {
		run.since[c.queue] = c.queued
	}
	run.report.Calls++
	where := run.place(c.queue, c.ahead, at)
	said := make([]prediction, len(run.predictors))
	all := run.report.Calls > run.opts.WarmUp && (c.ahead > 0 || float64(where.Busy)+1 > where.Agents)
	for i, p := range run.predictors {
		p.arrived(c.queue, at)
		var ok bool
		said[i], ok = p.predict(where)
		all = all && ok
	}
	if all {
		c.said = said
	}
	run.waiting[c.queue] = append(line, c)
}

// left takes the call out of its line, answered or not.
func (run *replayRun) left(c *replayed) {
	at := run.clock(c.left)
	line := run.waiting[c.queue]
	if i := slices.Index(line, c); i >= 0 {
		run.waiting[c.queue] = slices.Delete(line, i, i+1)
	}
	waited := max(0, c.left-c.queued)
	if !c.answered {
		run.report.Abandoned++
		for _, p := range run.predictors {
			p.abandoned(c.queue, c.ahead, waited, at)
		}
		return
	}
	run.report.Answered++
	for i, p := range run.predictors {
		if c.said != nil {
			run.tallies[i].add(c.said[i], waited)
		}
		p.answered(c.queue, c.ahead, waited, at)
	}
	if c.said != nil {
		run.report.Scored++
	}
	a := run.agent(c.agent)
	a.busy, a.since = true, run.now
	for q := range a.calls {
		a.calls[q] *= 0.95
	}
	a.calls[c.queue]++
}

// ended frees the agent.
func (run *replayRun) ended(c *replayed) {
	at := run.clock(c.endedAt)
	if a := run.agent(c.agent); a.busy {
		a.busy, a.since = false, run.now
	}
	for _, p := range run.predictors {
		p.served(c.queue, c.endedAt-c.answeredAt, at)
	}
}

func (run *replayRun) agent(name string) *replayAgent {
	a := run.agents[name]
	if a == nil {
		a = &replayAgent{since: math.Inf(-1), calls: map[string]float64{}, member: map[string]bool{}, paused: map[string]bool{}}
		run.agents[name] = a
	}
	return a
}

// place is the situation of a caller who joins now.
func (run *replayRun) place(queue string, ahead int, at time.Time) place {
	p := place{Situation: Situation{Queue: queue, At: at, Ahead: ahead}}
	names := make([]string, 0, len(run.agents))
	for name := range run.agents {
		names = append(names, name)
	}
	busy := 0.0
	slices.Sort(names) // sums of fractions must not depend on the order of a map
	for _, name := range names {
		a := run.agents[name]
		part := run.part(a, queue)
		if part <= 0 {
			continue
		}
		p.Agents += part
		if a.busy {
			busy += part
			p.InService = append(p.InService, duration(run.now-a.since))
		}
	}
	p.Busy = int(math.Round(busy))
	if line := run.waiting[queue]; len(line) > 0 {
		p.head, p.hasHead = run.now-line[0].queued, true
	}
	return p
}

// part is how much of an agent serves the queue now, 0 to 1.
func (run *replayRun) part(a *replayAgent, queue string) float64 {
	total := 0.0
	for _, n := range a.calls {
		total += n
	}
	member, told := a.member[queue]
	if told && (!member || a.paused[queue] || a.pausedAll) && !a.busy {
		return 0
	}
	share := 1.0
	if total > 0 {
		share = a.calls[queue] / total
	}
	if told || a.busy {
		if told && share == 0 {
			return 1 / float64(1+len(a.calls))
		}
		return share
	}
	free := run.now - a.since
	if a.paused[queue] || a.pausedAll || free > run.opts.AgentIdle.Seconds() {
		return 0
	}
	if len(run.waiting[queue]) > 0 && run.now-max(a.since, run.since[queue]) > run.opts.WrapUp.Seconds() {
		return 0
	}
	return share
}

func (run *replayRun) finish() {
	for i, p := range run.predictors {
		run.report.Estimators = append(run.report.Estimators, run.tallies[i].score(p.name()))
	}
}
