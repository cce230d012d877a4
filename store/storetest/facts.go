package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"decroche/call"
	"decroche/store"
)

func itoa(i int) string { return strconv.Itoa(i) }

// event is fact number i of a source.
func event(source string, i int) call.Event {
	return call.Event{
		At: noon.Add(time.Duration(i) * time.Second), Call: call.ID(source), Kind: call.EventQueued,
		Data: json.RawMessage(`{"position":` + itoa(i) + `}`),
	}
}

func entries(t testing.TB, j *store.Journal, f store.Filter) []store.Entry {
	t.Helper()
	var all []store.Entry
	must(t, j.Read(t.Context(), f, func(e store.Entry) error { all = append(all, e); return nil }))
	return all
}

// inOrder checks that the journal has the facts 0 … n-1 of the source, once, in this order.
func inOrder(t testing.TB, j *store.Journal, source string, n int) {
	t.Helper()
	got := entries(t, j, store.Filter{Call: call.ID(source)})
	if len(got) != n {
		t.Errorf("%s: %d facts are in the journal, want %d", source, len(got), n)
	}
	last := int64(0)
	for i, e := range got {
		if want := event(source, i); string(e.Data) != string(want.Data) || !e.At.Equal(want.At) || e.ID <= last {
			t.Fatalf("%s: at place %d is %s (id %d after %d), want %s", source, i, e.Data, e.ID, last, want.Data)
		}
		last = e.ID
	}
}

func journalFilters(t *testing.T, e Engine) {
	db := Open(t, e.URL(t))
	j := db.Journal()
	for i := range 1500 {
		ev := event("c"+itoa(i%2), i)
		if i%5 == 0 {
			ev.Kind = call.EventEnded
		}
		j.Append(ev)
	}
	must(t, j.Flush(t.Context()))
	all := entries(t, j, store.Filter{})
	if len(all) != 1500 {
		t.Fatalf("%d facts, want 1500", len(all))
	}
	for i, e := range all {
		if string(e.Data) != `{"position":`+itoa(i)+`}` {
			t.Fatalf("at place %d is %s", i, e.Data)
		}
	}
	for _, c := range []struct {
		what string
		f    store.Filter
		want int
	}{
		{"by call", store.Filter{Call: "c1"}, 750},
		{"by kind", store.Filter{Kinds: []call.EventKind{call.EventEnded}}, 300},
		{"by kinds", store.Filter{Kinds: []call.EventKind{call.EventEnded, call.EventQueued}}, 1500},
		{"by call and kind", store.Filter{Call: "c0", Kinds: []call.EventKind{call.EventEnded}}, 150},
		{"since", store.Filter{Since: noon.Add(1000 * time.Second)}, 500},
		{"between", store.Filter{Since: noon.Add(10 * time.Second), Until: noon.Add(20 * time.Second)}, 10},
		{"after an id", store.Filter{After: all[99].ID}, 1400},
		{"limited to one page and a bit", store.Filter{Limit: 1001}, 1001},
	} {
		if got := len(entries(t, j, c.f)); got != c.want {
			t.Errorf("%s: %d facts, want %d", c.what, got, c.want)
		}
	}
	stop, seen := errors.New("enough"), 0
	err := j.Read(t.Context(), store.Filter{}, func(store.Entry) error { seen++; return stop })
	if !errors.Is(err, stop) || seen != 1 {
		t.Errorf("Read went on after fn's error: %v after %d", err, seen)
	}
}

func concurrentAppends(t *testing.T, e Engine) {
	db := Open(t, e.URL(t))
	const each = 400
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range each {
				db.Journal().Append(event("g"+itoa(g), i))
			}
		})
	}
	wg.Wait()
	must(t, db.Journal().Flush(t.Context()))
	for g := range 8 {
		inOrder(t, db.Journal(), "g"+itoa(g), each)
	}
	if s := db.Stats().Journal; s.Appended != 8*each || s.Written != 8*each || s.InMemory != 0 || s.Lost != 0 {
		t.Errorf("the counters are wrong: %+v", s)
	}
}

func journalMasks(t *testing.T, e Engine) {
	key := []byte("a key of the tests")
	db := Open(t, e.URL(t), func(o *store.Options) { o.PseudonymKey = key })
	for _, data := range []string{
		`{"from":"+33639980042","to":"+33199003939"}`, `{"from":""}`, `{"from":{"odd":"+33639980042"}}`, `["+33639980042"]`,
	} {
		db.Journal().Append(call.Event{At: time.Now(), Call: "a", Kind: call.EventArrived, Data: json.RawMessage(data)})
	}
	must(t, db.Journal().Flush(t.Context()))
	got := entries(t, db.Journal(), store.Filter{})
	for _, e := range got {
		if strings.Contains(string(e.Data), "39980042") {
			t.Errorf("the journal has the caller's number: %s", e.Data)
		}
	}
	var first struct{ From, To, Caller string }
	must(t, json.Unmarshal(got[0].Data, &first))
	if first.From != "+33…42" || first.To != "+33199003939" || first.Caller != store.Pseudonym(key, "+33639980042") {
		t.Errorf("the arrival is kept as %+v", first)
	}
	if string(got[1].Data) != `{"from":"withheld"}` {
		t.Errorf("a withheld number is kept as %s", got[1].Data)
	}
}

func oddTexts(t *testing.T, e Engine) {
	db := Open(t, e.URL(t))
	for _, data := range []string{"", "not json", "{\"a\":\"\xff\"}", `{"a":"\u0000"}`, "\x00"} {
		db.Journal().Append(call.Event{At: noon, Call: "c\x00\xff", Kind: "k\x00", Data: json.RawMessage(data)})
	}
	db.Journal().Append(event("a", 0))
	must(t, db.Journal().Flush(t.Context()))
	inOrder(t, db.Journal(), "a", 1)
	all := entries(t, db.Journal(), store.Filter{})
	if len(all) != 6 || db.Stats().Journal.Malformed != 2 {
		t.Errorf("%d facts and %d malformed, want 6 and 2", len(all), db.Stats().Journal.Malformed)
	}
	for _, e := range all {
		if !json.Valid(e.Data) {
			t.Errorf("kept as no JSON: %q", e.Data)
		}
	}
	get(db.AcquireEpoch(t.Context(), "n"))(t)
	cp := checkpoint("b\x00", noon)
	cp.State = json.RawMessage("{\"a\":\"\xff\"}")
	must(t, db.Checkpoints().Save(t.Context(), cp))
	if n := len(get(db.Checkpoints().Open(t.Context()))(t)); n != 1 {
		t.Errorf("%d calls are open, want 1", n)
	}
}

func lockedDatabase(t *testing.T, e Engine) {
	ctx, url := t.Context(), e.URL(t)
	db := Open(t, url)
	get(db.AcquireEpoch(ctx, "n"))(t)
	db.Journal().Append(event("a", 0))
	must(t, db.Journal().Flush(ctx))
	must(t, db.Healthy())

	unlock := e.Lock(t, url)
	defer unlock()
	locked := time.Now()
	slow, n := 0, 1
	for ; time.Since(locked) < 3*time.Second; n++ {
		start := time.Now()
		db.Journal().Append(event("a", n))
		must(t, db.Checkpoints().Save(ctx, checkpoint("call."+itoa(n), noon.Add(time.Duration(n)))))
		if time.Since(start) > 400*time.Millisecond {
			slow++
		}
		time.Sleep(2 * time.Millisecond)
	}
	if slow > 3 { // a busy machine may hold up one or two
		t.Errorf("%d calls of %d waited for the locked database", slow, n-1)
	}
	for _, words := range []string{"locked by another process", "the journal cannot be written", "checkpoints cannot be written"} {
		eventually(t, "Healthy says "+words, func() bool {
			err := db.Healthy()
			return err != nil && strings.Contains(err.Error(), words)
		})
	}
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if err := db.Journal().Flush(short); err == nil {
		t.Error("Flush says that all is written while the database is locked")
	}
	unlock()
	must(t, db.Journal().Flush(ctx))
	inOrder(t, db.Journal(), "a", n)
	if got := len(get(db.Checkpoints().Open(ctx))(t)); got != n-1 {
		t.Errorf("%d calls are open, want %d", got, n-1)
	}
	must(t, db.Healthy())
	if s := db.Stats(); s.Journal.Lost+s.Checkpoints.Lost != 0 || s.Journal.Retries+s.Checkpoints.Retries == 0 {
		t.Errorf("the counters are wrong: %+v", s)
	}
}

func spillsAndReplays(t *testing.T, e Engine) {
	ctx, url, dir := t.Context(), e.URL(t), t.TempDir()
	db := Open(t, url, func(o *store.Options) { o.JournalMemory = 100; o.DataDir = dir })
	spill := filepath.Join(dir, "journal.spill.jsonl")
	unlock := e.Lock(t, url)
	defer unlock()
	const n = 2000
	for i := range n {
		db.Journal().Append(event("a", i))
		if i%200 == 0 {
			// The writer takes them in groups; memory may not hold them all at once.
			eventually(t, "the events are put away", func() bool { return db.Stats().Journal.InMemory <= 300 })
		}
	}
	eventually(t, "the events are in the file", func() bool { return db.Stats().Journal.InFile >= n-200 })
	if st := get(os.Stat(spill))(t); st.Mode().Perm() != 0o600 {
		t.Errorf("the file is open to others: %s", st.Mode())
	}
	unlock()
	for i := range 500 {
		db.Journal().Append(event("a", n+i)) // while the file is replayed
		time.Sleep(100 * time.Microsecond)
	}
	must(t, db.Journal().Flush(ctx))
	inOrder(t, db.Journal(), "a", n+500)
	if _, err := os.Stat(spill); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is still there: %v", err)
	}
	if s := db.Stats().Journal; s.Replayed == 0 || s.Spilled == 0 || s.Lost != 0 || s.InFile != 0 {
		t.Errorf("the counters are wrong: %+v", s)
	}
}

func leftoverNextStart(t *testing.T, e Engine) {
	ctx, url, dir := t.Context(), e.URL(t), t.TempDir()
	spill := filepath.Join(dir, "journal.spill.jsonl")
	open := func() *store.DB {
		return Open(t, url, func(o *store.Options) {
			o.DataDir, o.JournalMemory, o.CloseTimeout = dir, 100, 300*time.Millisecond
		})
	}
	db := open()
	for i := range 50 {
		db.Journal().Append(event("a", i))
	}
	must(t, db.Journal().Flush(ctx))
	unlock := e.Lock(t, url)
	defer unlock()
	for i := 50; i < 250; i++ {
		db.Journal().Append(event("a", i))
	}
	eventually(t, "the file is in use", func() bool { return db.Stats().Journal.InFile > 0 })
	start := time.Now()
	must(t, db.Close()) // nothing is lost, so no error
	if took := time.Since(start); took > 15*time.Second {
		t.Errorf("Close took %s without a database", took)
	}
	unlock()
	left := get(os.ReadFile(spill))(t)
	if n := strings.Count(string(left), "\n"); n != 200 {
		t.Fatalf("%d events wait in the file, want 200", n)
	}
	// A crash cut the last line of the file, and a line is damaged.
	must(t, os.WriteFile(spill, []byte(string(left)+"{damaged}\n"+`{"w":"cut`), 0o600))

	db = open()
	db.Journal().Append(event("b", 0))
	must(t, db.Journal().Flush(ctx))
	inOrder(t, db.Journal(), "a", 250)
	inOrder(t, db.Journal(), "b", 1)
	if s := db.Stats().Journal; s.Replayed < 200 || s.Unread != 2 {
		t.Errorf("the counters are wrong: %+v", s)
	}
	if bad := get(os.ReadFile(filepath.Join(dir, "journal.spill.bad.jsonl")))(t); !strings.Contains(string(bad), "{damaged}") {
		t.Errorf("the damaged line is not set aside: %q", bad)
	}
	must(t, db.Close())

	// The process died after the commit and before the file was removed: nothing comes twice.
	must(t, os.WriteFile(spill, left, 0o600))
	db = open()
	must(t, db.Journal().Flush(ctx))
	eventually(t, "the file is gone", func() bool { return db.Stats().Journal.InFile == 0 })
	inOrder(t, db.Journal(), "a", 250)
}
