package routing

import (
	"time"
)

// Agents lists the agents by id.
func (f *Floor) Agents() []AgentStatus {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]AgentStatus, 0, len(f.agents))
	for _, a := range f.sorted() {
		out = append(out, a.status())
	}
	return out
}

// Queues lists the queues by id: those in service, and those removed where callers still wait or talk.
func (f *Floor) Queues() []QueueStatus {
	f.mu.Lock()
	now := f.begin()
	var out []QueueStatus
	var situations []Situation
	for _, l := range f.m.lines {
		if l.removed && len(l.waiting)+len(l.reserved)+l.counts.talking == 0 {
			continue
		}
		out = append(out, l.status(now))
		next := &waiter{Caller: Caller{Queue: l.id}, line: l, at: now.UnixNano() + 1}
		situations = append(situations, f.situation(f.m.outlook(next), l.id, 0, now))
	}
	f.mu.Unlock()
	if f.opts.Estimator != nil {
		for i := range out {
			out[i].Estimate = f.opts.Estimator.Estimate(situations[i])
		}
	}
	return out
}

func (l *line) status(now time.Time) QueueStatus {
	s := QueueStatus{
		ID: l.id, Removed: l.removed,
		Waiting: len(l.waiting) + len(l.reserved), Ringing: len(l.reserved), Talking: l.counts.talking,
		SignedIn: l.present(), Available: l.idle(),
		Arrived: l.counts.arrived, Answered: l.counts.answered,
		Abandoned: l.counts.abandoned, Refused: l.counts.refused,
	}
	s.Busy = l.staffed() - s.Available
	s.Paused = s.SignedIn - l.staffed()
	for _, line := range [][]*waiter{l.waiting, l.reserved} {
		if len(line) > 0 {
			s.LongestWait = max(s.LongestWait, now.Sub(line[0].Joined))
		}
	}
	return s
}
