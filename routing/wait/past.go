package wait

import (
	"math"
	"time"
)

// Latest is when the last caller joined the queue, as far as was learned; zero when nobody did.
func (e *Estimator) Latest(queue string) time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	if q := e.queues[queue]; q != nil && q.Arrivals.Count > 0 {
		return time.UnixMicro(int64(math.Round(q.Arrivals.Last * 1e6)))
	}
	return time.Time{}
}

// knownCalls is from how many calls on what was learned is worth more than an older past.
const knownCalls = 30

// Adopt takes from a Snapshot of the past, as of imported calls, each queue of which this
// estimator knows nothing newer, or next to nothing. Defaults stay. It returns how many
// queues it took; when it returns an error nothing has changed.
func (e *Estimator) Adopt(data []byte) (int, error) {
	past := New(e.opts)
	if err := past.Restore(data); err != nil {
		return 0, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for name, q := range past.queues {
		old := e.queue(name)
		newer := q.Arrivals.Last > old.Arrivals.Last
		more := old.Services.Weight < knownCalls && q.Services.Weight > old.Services.Weight
		if !newer && !more {
			continue
		}
		q.DefaultAHT = old.DefaultAHT
		e.queues[name] = q
		n++
	}
	return n, nil
}
