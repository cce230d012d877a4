package storetest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"decroche/call"
	"decroche/store"
)

// mixed appends n facts of many calls, of a few kinds, not quite in the order of time.
func mixed(t *testing.T, db *store.DB, rng *rand.Rand, from, n int) {
	t.Helper()
	kinds := []call.EventKind{call.EventQueued, call.EventArrived, call.EventReason, call.EventEnded}
	for i := range n {
		data := fmt.Sprintf(`{"n":%d,"text":%q}`, from+i, strings.Repeat("é", rng.IntN(40)))
		kind := kinds[rng.IntN(len(kinds))]
		if kind == call.EventArrived {
			data = fmt.Sprintf(`{"n":%d,"from":"+3363998%04d"}`, from+i, rng.IntN(10_000))
		}
		db.Journal().Append(call.Event{
			At:   noon.Add(time.Duration(from+i)*time.Second + time.Duration(rng.IntN(60_000))*time.Millisecond),
			Call: call.ID("c" + itoa((from+i)/12)), Kind: kind, Data: json.RawMessage(data),
		})
		if i%10_000 == 0 {
			must(t, db.Journal().Flush(t.Context()))
		}
	}
	must(t, db.Journal().Flush(t.Context()))
}

// same says where two readings differ.
func same(t *testing.T, what string, got, want []store.Entry) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d facts, want %d", what, len(got), len(want))
	}
	for i := range got {
		g, w := got[i], want[i]
		if g.ID != w.ID || !g.At.Equal(w.At) || g.Call != w.Call || g.Kind != w.Kind || string(g.Data) != string(w.Data) {
			t.Fatalf("%s: at place %d is %v, want %v", what, i, g, w)
		}
	}
}

func packedReadsTheSame(t *testing.T, e Engine) {
	db, rng := Open(t, e.URL(t)), rand.New(rand.NewPCG(1, 2))
	mixed(t, db, rng, 0, 33_000)
	j := db.Journal()
	all := entries(t, j, store.Filter{})
	middle := all[len(all)/3].At
	filters := []store.Filter{
		{},
		{After: all[5000].ID},
		{After: all[4095].ID, Limit: 5000},
		{Limit: 1},
		{Limit: 9000},
		{Call: all[7].Call},
		{Call: all[12_000].Call, After: all[12_001].ID},
		{Call: "nobody"},
		{Since: middle, Until: middle.Add(time.Hour)},
		{Kinds: []call.EventKind{call.EventEnded}, Until: middle},
		{After: all[len(all)-1].ID},
		{Since: middle, Kinds: []call.EventKind{call.EventArrived, call.EventReason}, Limit: 6000},
	}
	var before [][]store.Entry
	for _, f := range filters {
		before = append(before, entries(t, j, f))
	}
	if n := get(j.Seal(t.Context()))(t); n != 3*4096 {
		t.Fatalf("%d facts are packed, want three blocks: the newest stay", n)
	}
	for i, f := range filters {
		same(t, fmt.Sprintf("%+v", f), entries(t, j, f), before[i])
	}
	mixed(t, db, rng, 33_000, 5000)
	if n := get(j.Seal(t.Context()))(t); n != 4096 {
		t.Errorf("%d more facts are packed", n)
	}
	same(t, "what was there, after more came", entries(t, j, store.Filter{Limit: len(all)}), all)
}

func packedBesideReaders(t *testing.T, e Engine) {
	url := e.URL(t)
	db := Open(t, url)
	mixed(t, db, rand.New(rand.NewPCG(3, 4)), 0, 45_000)
	all := entries(t, db.Journal(), store.Filter{})
	other := Open(t, url, func(o *store.Options) { o.Tool = true })
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for range 3 {
				last := 0
				err := db.Journal().Read(t.Context(), store.Filter{}, func(got store.Entry) error {
					if last == len(all) || got.ID != all[last].ID {
						return fmt.Errorf("fact %d is read at place %d", got.ID, last)
					}
					last++
					return nil
				})
				if err != nil || last != len(all) {
					t.Errorf("%d facts are read, want %d: %v", last, len(all), err)
				}
			}
		})
	}
	sealed := make([]int, 2)
	for i, by := range []*store.DB{db, other} { // two controllers
		wg.Go(func() {
			var err error
			// While the other has the database it waits, and tries again as the controller does.
			for until := time.Now().Add(2 * time.Minute); time.Now().Before(until); time.Sleep(100 * time.Millisecond) {
				var n int
				n, err = by.Journal().Seal(t.Context())
				if sealed[i] += n; err == nil {
					return
				}
			}
			t.Error(err)
		})
	}
	wg.Wait()
	if sealed[0]+sealed[1] != 6*4096 {
		t.Errorf("%d and %d facts are packed, want six blocks in all", sealed[0], sealed[1])
	}
	same(t, "after packing", entries(t, db.Journal(), store.Filter{}), all)
}

func packedIsForgotten(t *testing.T, e Engine) {
	db := Open(t, e.URL(t))
	mixed(t, db, rand.New(rand.NewPCG(5, 6)), 0, 33_000)
	j := db.Journal()
	get(j.Seal(t.Context()))(t)
	all := entries(t, j, store.Filter{})

	var renamed []call.ID
	for _, i := range []int{100, 5000, 32_900} { // two in blocks, one not
		renamed = append(renamed, all[i].Call)
	}
	must(t, j.Rename(t.Context(), renamed, "nobody-any-more"))
	want := len(all)
	all = entries(t, j, store.Filter{})
	if len(all) != want {
		t.Fatalf("%d facts are left of %d", len(all), want)
	}
	arrivals := 0
	for _, id := range renamed {
		for _, f := range entries(t, j, store.Filter{Call: id, Kinds: []call.EventKind{call.EventArrived}}) {
			arrivals++
			var data map[string]any
			must(t, json.Unmarshal(f.Data, &data))
			if data["caller"] != "nobody-any-more" || data["from"] != nil || data["n"] == nil {
				t.Errorf("an arrival is kept as %s", f.Data)
			}
		}
	}
	if arrivals < 3 {
		t.Errorf("only %d arrivals are renamed", arrivals)
	}

	for _, i := range []int{2000, 4096, 20_000} { // amid a block, at its end, in the table
		at := all[i].At
		left := 0
		for _, f := range all {
			if !f.At.Before(at) {
				left++
			}
		}
		gone := get(j.DropBefore(t.Context(), at))(t)
		if int(gone) != len(all)-left {
			t.Errorf("%d facts are dropped, want %d", gone, len(all)-left)
		}
		for _, f := range entries(t, j, store.Filter{}) {
			if f.At.Before(at) {
				t.Fatalf("a fact of %s outlives %s", f.At, at)
			}
			left--
		}
		if left != 0 {
			t.Errorf("%d facts too many are dropped", left)
		}
		all = entries(t, j, store.Filter{})
	}
}

// idsInOrder has several processes write while one reads on by ids: what was not there when a
// higher id was read never comes.
func idsInOrder(t *testing.T, e Engine) {
	url := e.URL(t)
	const each, writers = 1500, 3
	var wg sync.WaitGroup
	for w := range writers {
		db := Open(t, url)
		wg.Go(func() {
			for i := range each {
				db.Journal().Append(event("w"+itoa(w), i))
				if i%7 == 0 {
					if err := db.Journal().Flush(t.Context()); err != nil {
						t.Error(err)
					}
				}
			}
			if err := db.Journal().Flush(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	reader := Open(t, url).Journal()
	after, read := int64(0), 0
	look := func() {
		must(t, reader.Read(t.Context(), store.Filter{After: after}, func(e store.Entry) error { after, read = e.ID, read+1; return nil }))
	}
	for over := false; !over; {
		select {
		case <-done:
			over = true
		default:
		}
		look()
	}
	if read != writers*each {
		t.Errorf("%d facts are read on the way, of %d: some came with an id below one already read", read, writers*each)
	}
}
