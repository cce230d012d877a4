package storetest

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"decroche/call"
	"decroche/metrics/past"
	"decroche/store"
)

// bundle is a past call of n facts, the first of which tells who called.
func bundle(id string, caller call.Number, n int) past.Bundle {
	b := past.Bundle{ID: call.ID(id), At: noon, Digest: int64(len(id))}
	for i := range n {
		e := event(id, i)
		if i == 0 {
			e = call.NewEvent(call.ID(id), call.EventArrived, map[string]any{"from": string(caller), "source": "import"})
			e.At = noon
		}
		b.Facts = append(b.Facts, e)
	}
	return b
}

func importsOnce(t *testing.T, e Engine) {
	db := Open(t, e.URL(t))
	a, b, c := bundle("imp-a", "+33199000001", 3), bundle("imp-bb", "", 2), bundle("imp-ccc", "", 4)
	known := get(db.Imports().Import(t.Context(), []past.Bundle{a, b}))(t)
	if len(known) != 0 {
		t.Errorf("an empty journal knows %v", known)
	}
	known = get(db.Imports().Import(t.Context(), []past.Bundle{b, c, a}))(t)
	if len(known) != 2 || known["imp-a"] != a.Digest || known["imp-bb"] != b.Digest {
		t.Errorf("known are %v, want the two that were written, with their digests", known)
	}
	for _, want := range []past.Bundle{a, b, c} {
		got := entries(t, db.Journal(), store.Filter{Call: want.ID})
		if len(got) != len(want.Facts) {
			t.Fatalf("%s has %d facts in the journal, want %d", want.ID, len(got), len(want.Facts))
		}
		for i, f := range got {
			if f.Kind != want.Facts[i].Kind || !f.At.Equal(want.Facts[i].At) {
				t.Errorf("%s: fact %d is %s at %s", want.ID, i, f.Kind, f.At)
			}
		}
	}
	late := bundle("imp-late", "+33199000001", 1)
	late.Facts[0].At = time.Now()
	get(db.Imports().Import(t.Context(), []past.Bundle{late}))(t)
	names := db.Journal().Pseudonyms("+33199000001")
	if text := string(entries(t, db.Journal(), store.Filter{Call: late.ID})[0].Data); !strings.Contains(text, `"caller":"`+names[len(names)-1]+`"`) {
		t.Errorf("an imported caller of these days is %s, and one who calls is %q", text, names)
	}
	if text := string(entries(t, db.Journal(), store.Filter{Call: a.ID})[0].Data); !strings.Contains(text, `"caller":`) {
		t.Errorf("an imported caller of old times has no pseudonym: %s", text)
	}
	for _, f := range entries(t, db.Journal(), store.Filter{}) {
		if strings.Contains(string(f.Data), "199000001") {
			t.Errorf("a number is in the journal: %s", f.Data)
		}
	}
	get(db.Journal().DropBefore(t.Context(), noon.Add(time.Second)))(t)
	if known := get(db.Imports().Import(t.Context(), []past.Bundle{a}))(t); len(known) != 0 {
		t.Errorf("after forgetting %v is known", known)
	}
}

func importsWholeOrNot(t *testing.T, e Engine) {
	db := Open(t, e.URL(t))
	good, bad := bundle("imp-good", "", 2), bundle("imp-bad", "", 2)
	bad.Facts[1].Data = json.RawMessage(`{"queue":`)
	if _, err := db.Imports().Import(t.Context(), []past.Bundle{good, bad}); err == nil || !strings.Contains(err.Error(), "no JSON") {
		t.Fatalf("data that is no JSON: %v", err)
	}
	if left := entries(t, db.Journal(), store.Filter{}); len(left) != 0 {
		t.Errorf("%d facts of a batch that failed are in the journal", len(left))
	}
	if known := get(db.Imports().Import(t.Context(), []past.Bundle{good}))(t); len(known) != 0 {
		t.Error("a call of a batch that failed counts as imported")
	}
}

// importsBeside has two imports of the same calls beside a controller that goes on, and a
// reader who follows the journal by its ids, as the ledger does.
func importsBeside(t *testing.T, e Engine) {
	url := e.URL(t)
	db, other := Open(t, url), Open(t, url, func(o *store.Options) { o.Tool = true })
	const calls, facts, live = 120, 4, 2000
	var all []past.Bundle
	for i := range calls {
		all = append(all, bundle("imp-"+itoa(i), "", facts))
	}
	stop, seen := make(chan struct{}), map[call.ID]int{}
	after := int64(0)
	follow := func() {
		must(t, db.Journal().Read(t.Context(), store.Filter{After: after}, func(f store.Entry) error {
			after = f.ID
			seen[f.Call]++
			return nil
		}))
	}
	var reader, writers sync.WaitGroup
	reader.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				follow()
			}
		}
	})
	writers.Go(func() {
		for i := range live {
			db.Journal().Append(event("live", i))
		}
		must(t, db.Journal().Flush(t.Context()))
	})
	for _, d := range []*store.DB{db, other} {
		writers.Go(func() {
			for i := 0; i < calls; i += 10 {
				if _, err := d.Imports().Import(t.Context(), all[i:i+10]); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	reader.Wait()
	follow()
	for _, b := range all {
		if seen[b.ID] != facts {
			t.Errorf("who follows the journal saw %d facts of %s, want %d", seen[b.ID], b.ID, facts)
		}
	}
	if seen["live"] != live {
		t.Errorf("who follows the journal saw %d facts of the controller, want %d", seen["live"], live)
	}
}
