package callback

import (
	"encoding/json"
	"sync"
	"testing"

	"decroche/call"
)

// facts is a journal that remembers.
type facts struct {
	mu   sync.Mutex
	list []call.Event
}

func (f *facts) Append(e call.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, e)
}

// of gives the data of the facts of one kind, in order.
func (f *facts) of(t *testing.T, kind call.EventKind) []map[string]any {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []map[string]any
	for _, e := range f.list {
		if e.Kind != kind {
			continue
		}
		data := map[string]any{"call": string(e.Call)}
		if err := json.Unmarshal(e.Data, &data); err != nil {
			t.Fatal(err)
		}
		out = append(out, data)
	}
	return out
}
