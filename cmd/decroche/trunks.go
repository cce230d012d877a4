package main

import (
	"context"
	"slices"
	"sync"
	"time"
)

// trunkLook is how often Asterisk is asked whether it reaches the operators.
const trunkLook = 2 * time.Second

// trunkWatch knows the trunks whose operator does not answer: no callback is tried meanwhile, which
// would ring an agent for nothing and take one of the citizen's tries.
type trunkWatch struct {
	mu   sync.Mutex
	down map[string]time.Time // and since when
}

// Down says that the trunk's operator does not answer.
func (w *trunkWatch) Down(trunk string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, down := w.down[trunk]
	return down
}

// All are the trunks that are down.
func (w *trunkWatch) All() (names []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for name := range w.down {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// set keeps how a trunk is, and tells whether that is new, and since when it was down.
func (w *trunkWatch) set(trunk string, down bool, now time.Time) (changed bool, since time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	since, was := w.down[trunk]
	switch {
	case was == down:
		return false, since
	case down:
		if w.down == nil {
			w.down = map[string]time.Time{}
		}
		w.down[trunk] = now
	default:
		delete(w.down, trunk)
	}
	return true, since
}

// watchTrunks asks Asterisk, again and again until ctx ends, whether it reaches the operators that calls
// go out to. What Asterisk does not tell changes nothing.
func (s *server) watchTrunks(ctx context.Context) error {
	again := time.NewTicker(trunkLook)
	defer again.Stop()
	for {
		for _, t := range s.c.Trunks {
			if t.Server == "" || !s.x.Ready() {
				continue
			}
			reached, err := s.x.Reaches(ctx, t.Name)
			if err != nil {
				continue
			}
			switch changed, since := s.trunks.set(t.Name, !reached, time.Now()); {
			case changed && !reached:
				s.log.Error("an operator does not answer: nobody is called back by it meanwhile", "trunk", t.Name, "server", t.Server)
			case changed:
				s.log.Info("an operator answers again", "trunk", t.Name, "away", time.Since(since).Round(time.Second))
				s.desk.dialer.Wake()
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-again.C:
		}
	}
}
