package past

import (
	"cmp"
	"iter"
	"slices"
	"time"

	"decroche/call"
)

// What happens to a wait.
type What int8

const (
	Served    What = iota // an agent is free again, For after the answer, wrap-up included
	Answered              // For is the wait
	Abandoned             // For is the wait
	Joined
)

// Wait is a fact that wait estimation learns from.
type Wait struct {
	At    time.Time
	What  What
	Queue string
	// Ahead is how many callers were before this one on joining.
	Ahead int
	For   time.Duration
}

// waiting is a fact of one stay before it is known how many were ahead.
type waiting struct {
	at    time.Time
	what  What
	stay  *stay
	ahead *int
}

// Waits gives the facts of those stays in queues that newer wants, in the order of time. How
// many were ahead is what the file says, or else the callers who were in the queue then.
func (h *History) Waits(newer func(queue string, joined time.Time) bool) iter.Seq[Wait] {
	var all []waiting
	for _, r := range h.records {
		for i := range r.stays {
			all = append(all, facts(&r.stays[i], r.outcome)...)
		}
	}
	slices.SortStableFunc(all, func(a, b waiting) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.what, b.what)) })
	return func(yield func(Wait) bool) {
		line := map[string]int{}
		for _, w := range all {
			switch w.what {
			case Joined:
				if *w.ahead = w.stay.position - 1; w.stay.position == 0 {
					*w.ahead = line[w.stay.queue]
				}
				line[w.stay.queue]++
			case Answered, Abandoned:
				line[w.stay.queue]--
			}
			if !newer(w.stay.queue, w.stay.joined) {
				continue
			}
			out := Wait{At: w.at, What: w.what, Queue: w.stay.queue, Ahead: *w.ahead, For: w.stay.left.Sub(w.stay.joined)}
			if w.what == Served {
				out.For = w.at.Sub(w.stay.answered)
			}
			if !yield(out) {
				return
			}
		}
	}
}

func facts(s *stay, outcome call.Outcome) []waiting {
	ahead := new(int)
	out := []waiting{{s.joined, Joined, s, ahead}}
	switch {
	case !s.answered.IsZero():
		return append(out, waiting{s.left, Answered, s, ahead}, waiting{s.over.Add(max(0, s.wrap)), Served, s, ahead})
	case outcome == call.Failed: // nobody knows how long they would have waited
		return nil
	}
	return append(out, waiting{s.left, Abandoned, s, ahead})
}
