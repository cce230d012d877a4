package wait

import (
	"encoding/json"
	"fmt"
)

// snapshotVersion changes when what is learned changes its meaning; an older snapshot is then refused.
const snapshotVersion = 1

type snapshot struct {
	Version int                 `json:"version"`
	Queues  map[string]*learned `json:"queues"`
}

// Snapshot gives what was learned as JSON, for Restore in a later process.
func (e *Estimator) Snapshot() ([]byte, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	data, err := json.Marshal(snapshot{snapshotVersion, e.queues})
	if err != nil {
		return nil, fmt.Errorf("write what was learned about waits: %w", err)
	}
	return data, nil
}

// Restore replaces what was learned by a snapshot. Defaults set by SetDefaults stay. When
// it returns an error nothing has changed.
func (e *Estimator) Restore(data []byte) error {
	var s snapshot
	if err := json.Unmarshal(data, &s); err != nil {
		return fmt.Errorf("read what was learned about waits: %w", err)
	}
	if s.Version != snapshotVersion {
		return fmt.Errorf("read what was learned about waits: version %d, want %d", s.Version, snapshotVersion)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for name, q := range s.Queues {
		if q == nil {
			delete(s.Queues, name)
			continue
		}
		q.opts = e.opts
		if old := e.queues[name]; old != nil {
			q.DefaultAHT = old.DefaultAHT
		}
	}
	for name, old := range e.queues {
		if s.Queues[name] == nil {
			fresh := newLearned(e.opts)
			fresh.DefaultAHT = old.DefaultAHT
			if s.Queues == nil {
				s.Queues = map[string]*learned{}
			}
			s.Queues[name] = fresh
		}
	}
	if s.Queues == nil {
		s.Queues = map[string]*learned{}
	}
	e.queues = s.Queues
	return nil
}
