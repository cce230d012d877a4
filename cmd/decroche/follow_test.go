package main

import (
	"path/filepath"
	"testing"
	"time"

	"decroche/call"
	"decroche/ivr"
	"decroche/store"
	"decroche/store/storetest"
)

// A fact is read once however often a page asks, and everything again when something older is asked for.
func TestAFactOfTheJournalIsReadOnceHoweverOftenAPageAsks(t *testing.T) {
	db := storetest.Open(t, "sqlite:"+filepath.Join(t.TempDir(), "decroche.db"))
	noon := time.Now().Add(-2 * time.Hour).Truncate(time.Second)
	var given []call.ID
	begun := 0
	f := follower{kinds: []call.EventKind{call.EventAccess}}
	read := func(since time.Time) {
		t.Helper()
		given = nil
		must(t, db.Journal().Flush(t.Context()))
		must(t, f.read(t.Context(), db.Journal(), since, func() { begun++ }, func(e store.Entry) error {
			given = append(given, e.Call)
			return nil
		}))
	}
	tell := func(id call.ID, at time.Time, kind call.EventKind) {
		db.Journal().Append(call.Event{At: at, Call: id, Kind: kind, Data: []byte(`{}`)})
	}
	tell("old", noon.Add(-time.Hour), call.EventAccess)
	tell("first", noon, call.EventAccess)
	tell("another kind", noon, call.EventEnded)
	if read(noon); len(given) != 1 || given[0] != "first" || begun != 1 {
		t.Errorf("at first %v is given, after %d beginnings", given, begun)
	}
	if read(noon); len(given) != 0 {
		t.Errorf("then %v again", given)
	}
	tell("second", noon.Add(time.Minute), call.EventAccess)
	if read(noon.Add(time.Second)); len(given) != 1 || given[0] != "second" || begun != 1 {
		t.Errorf("what is new is %v, after %d beginnings", given, begun)
	}
	if read(noon.Add(-2 * time.Hour)); len(given) != 3 || begun != 2 {
		t.Errorf("of long ago %v is given, after %d beginnings", given, begun)
	}
}

// Who heard a message, and who hung up within ten seconds of it, is counted as it comes.
func TestWhoHeardAMessageIsCountedAsItComes(t *testing.T) {
	db := storetest.Open(t, "sqlite:"+filepath.Join(t.TempDir(), "decroche.db"))
	at := time.Now().Add(-time.Hour).Truncate(time.Second)
	h := new(hearing)
	counts := h.of(db.Journal())
	holds := func(m ivr.Message, heard, left int) {
		t.Helper()
		must(t, db.Journal().Flush(t.Context()))
		h.at = time.Time{} // as some seconds later
		if n, gone, err := counts(t.Context(), m); err != nil || n != heard || gone != left {
			t.Errorf("message %d was heard by %d of whom %d left, want %d and %d (%v)", m.ID, n, gone, heard, left, err)
		}
	}
	hears := func(id call.ID, message string, after time.Duration) {
		db.Journal().Append(call.Event{At: at.Add(after), Call: id, Kind: call.EventMessage, Data: []byte(`{"id": ` + message + `}`)})
	}
	ends := func(id call.ID, after time.Duration) {
		db.Journal().Append(call.Event{At: at.Add(after), Call: id, Kind: call.EventEnded, Data: []byte(`{}`)})
	}
	now, long := ivr.Message{ID: 7, Created: at}, ivr.Message{ID: 3, Created: at.AddDate(0, 0, -45)}
	holds(now, 0, 0)
	hears("a", "7", time.Second)
	holds(now, 1, 0)
	ends("a", 5*time.Second)
	ends("who heard nothing", 5*time.Second)
	hears("b", "7", time.Minute)
	hears("c", "7", time.Minute)
	ends("b", 2*time.Minute)
	holds(now, 3, 1)
	holds(now, 3, 1)
	hears("d", "3", -45*24*time.Hour+time.Minute) // of long ago, as an import tells it
	ends("d", -45*24*time.Hour+time.Minute+time.Second)
	holds(long, 1, 1)
	holds(now, 3, 1)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
