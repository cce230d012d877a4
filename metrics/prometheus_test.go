package metrics

import (
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"decroche/call"
)

// pad is a journal in memory.
type pad struct {
	mu   sync.Mutex
	kept []call.Event
}

func (b *pad) Append(e call.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kept = append(b.kept, e)
}

func TestEveryFactIsKeptAndCountedOnTheWay(t *testing.T) {
	var kept pad
	live := NewLive(&kept, Gauge{
		Name: "decroche_waiting", Help: "Callers waiting.", Labels: []string{"queue"},
		Read: func(emit func(float64, ...string)) { emit(3, "accueil") },
	})
	var calls sync.WaitGroup
	for _, id := range []call.ID{"a", "b", "c", "d"} {
		calls.Go(func() {
			live.Append(call.NewEvent(id, call.EventQueued, map[string]any{"queue": "accueil"}))
			live.Append(call.NewEvent(id, call.EventConnected, map[string]any{"wait_ms": 42_000}))
			live.Append(call.NewEvent(id, call.EventEnded, call.End{Outcome: call.Answered, Reason: call.ReasonAgentHungUp}))
		})
	}
	calls.Wait()
	live.Append(call.Event{Kind: call.EventEnded, Data: []byte("garbage")}) // a malformed fact is kept, and counted as what it is
	if len(kept.kept) != 13 {
		t.Errorf("%d facts went on to the journal, want 13", len(kept.kept))
	}
	if len(live.queues) != 0 {
		t.Errorf("%d calls that are over are remembered", len(live.queues))
	}
	rec := httptest.NewRecorder()
	live.Handler().ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	for _, line := range []string{
		`decroche_calls_ended_total{outcome="answered",reason="agent_hung_up"} 4`,
		`decroche_wait_seconds_bucket{queue="accueil",le="30"} 0`,
		`decroche_wait_seconds_bucket{queue="accueil",le="60"} 4`,
		`decroche_waiting{queue="accueil"} 3`,
		`decroche_journal_events_total{kind="ended"} 5`,
	} {
		if !strings.Contains(rec.Body.String(), line) {
			t.Errorf("the figures do not say %s", line)
		}
	}
}
