package storetest

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"testing"
	"time"

	"decroche/call"
	"decroche/metrics"
)

func contactOf(at time.Time, id, caller, was string) metrics.Kept {
	c := metrics.Contact{ID: call.ID(id), Arrived: metrics.At(at), Called: true, Caller: caller, Was: was}
	facts, err := c.Facts()
	if err != nil {
		panic(err)
	}
	return metrics.Kept{ID: at.UnixMilli() << 12, Call: c.ID, Caller: caller, Was: was, Facts: facts}
}

func callsOf(ks []metrics.Kept) (out []string) {
	for _, k := range ks {
		out = append(out, string(k.Call))
	}
	return out
}

func wantCalls(t *testing.T, got []metrics.Kept, err error, want ...string) {
	t.Helper()
	must(t, err)
	if !slices.Equal(callsOf(got), want) {
		t.Errorf("found %q, want %q", callsOf(got), want)
	}
}

func ledgerFinds(t *testing.T, e Engine) {
	l := Open(t, e.URL(t)).Ledger()
	at, err := l.Standing(t.Context())
	must(t, err)
	minute := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Minute) }
	named := func(id string, n int) string { return fmt.Sprintf("%s-%d.7", id, minute(n).Unix()) } // as Asterisk does
	nameA := named("a", 0)
	a, b, c := contactOf(minute(0), nameA, "p1", ""), contactOf(minute(1), "b", "p2", "p1"), contactOf(minute(2), "c", "", "")
	must(t, l.Commit(t.Context(), metrics.Batch{
		Side: at.Side, Upto: 7, State: []byte(`{}`), Contacts: []metrics.Kept{a, b, c},
		Links: []metrics.Link{{Key: "out-1", Contact: b.ID}, {Key: "promise:x", Contact: a.ID}, {Key: "promise:x", Contact: c.ID}},
	}))
	for id, want := range map[call.ID]string{call.ID(nameA): nameA, "out-1": "b"} {
		k, ok, err := l.Contact(t.Context(), at.Side, id)
		must(t, err)
		if !ok || string(k.Call) != want {
			t.Errorf("the contact of call %s is %q (%v), want %q", id, k.Call, ok, want)
		}
	}
	if _, ok, err := l.Contact(t.Context(), at.Side, "nobody"); err != nil || ok {
		t.Errorf("an unknown call has a contact (%v)", err)
	}
	if _, ok, err := l.Contact(t.Context(), at.Side, call.ID(named("z", 0))); err != nil || ok {
		t.Errorf("a call of the same second has the contact (%v)", err)
	}
	found, err := l.Linked(t.Context(), at.Side, "promise:x")
	wantCalls(t, found, err, nameA, "c")
	from, until := metrics.At(minute(0)), metrics.At(minute(9))
	found, err = l.Person(t.Context(), at.Side, []string{"p1"}, from, until)
	wantCalls(t, found, err, nameA, "b")
	found, err = l.Person(t.Context(), at.Side, []string{"p2", "p1"}, metrics.At(minute(1)), until)
	wantCalls(t, found, err, "b")

	changed := contactOf(minute(0), nameA, "p9", "")
	must(t, l.Commit(t.Context(), metrics.Batch{Side: at.Side, From: 7, Upto: 7, Contacts: []metrics.Kept{changed}}))
	found, err = l.Person(t.Context(), at.Side, []string{"p1"}, from, until)
	wantCalls(t, found, err, "b")
	n := 0
	must(t, l.Contacts(t.Context(), at.Side, b.ID, c.ID+1, func(metrics.Kept) bool { n++; return true }))
	if n != 2 {
		t.Errorf("%d contacts from the second on, want 2", n)
	}
}

// ledgerRows reads what is kept of a dimension, by start.
func ledgerRows(t *testing.T, l metrics.Store, side int, g metrics.Grain, d metrics.Dim) map[metrics.Moment]string {
	t.Helper()
	out := map[metrics.Moment]string{}
	must(t, l.Rows(t.Context(), side, g, d, 0, metrics.At(noon.AddDate(1, 0, 0)), func(m metrics.Moment, row []byte) error {
		out[m] = string(row)
		return nil
	}))
	return out
}

// told is a small journal: two citizens, one of whom calls again.
func told(n int) []call.Event {
	var out []call.Event
	for i := range n {
		at, id := noon.Add(time.Duration(i)*time.Minute), call.ID("c"+itoa(i))
		for j, e := range []call.Event{
			call.NewEvent(id, call.EventArrived, map[string]any{"service": "s", "to": "+33199003939", "open": true, "caller": "person-" + itoa(i%7)}),
			call.NewEvent(id, call.EventReason, map[string]any{"reason": "r" + itoa(i%3)}),
			call.NewEvent(id, call.EventQueued, map[string]any{"queue": "q" + itoa(i%2)}),
			call.NewEvent(id, call.EventConnected, map[string]any{"agent": "200" + itoa(i%4), "team": "t"}),
			call.NewEvent(id, call.EventTalkEnded, map[string]any{"agent": "200" + itoa(i%4)}),
			call.NewEvent(id, call.EventEnded, call.End{Outcome: call.Answered, Reason: call.ReasonCallerHungUp}),
		} {
			e.At = at.Add(time.Duration(j*j) * time.Second)
			out = append(out, e)
		}
	}
	return out
}

func ledgerIsRebuilt(t *testing.T, e Engine) {
	db := Open(t, e.URL(t))
	settings := &metrics.Settings{Zone: time.UTC, Short: 5 * time.Second, SelfService: metrics.Week}
	live := &metrics.Ledger{Store: db.Ledger(), Settings: func() *metrics.Settings { return settings }, Log: slog.New(slog.DiscardHandler)}
	for i, ev := range told(200) {
		db.Journal().Append(ev)
		if i%150 == 149 { // facts come in between, and controllers change
			must(t, db.Journal().Flush(t.Context()))
			must(t, live.Advance(t.Context()))
			live = &metrics.Ledger{Store: db.Ledger(), Settings: live.Settings, Log: live.Log}
		}
	}
	must(t, db.Journal().Flush(t.Context()))
	must(t, live.Advance(t.Context()))
	before, err := db.Ledger().Standing(t.Context())
	must(t, err)
	had := map[metrics.Dim]map[metrics.Moment]string{}
	for d := range metrics.ByAgent + 1 {
		had[d] = ledgerRows(t, db.Ledger(), before.Side, metrics.Quarter, d)
	}
	if len(had[metrics.Whole]) != 14 {
		t.Fatalf("200 contacts a minute apart lie in %d quarters of an hour, want 14", len(had[metrics.Whole]))
	}

	must(t, live.Rebuild(t.Context()))
	after, err := db.Ledger().Standing(t.Context())
	must(t, err)
	if after.Side == before.Side || after.Upto != before.Upto {
		t.Errorf("the ledger stands at %d on side %d, and stood at %d on side %d", after.Upto, after.Side, before.Upto, before.Side)
	}
	for d, rows := range had {
		if again := ledgerRows(t, db.Ledger(), after.Side, metrics.Quarter, d); !maps.Equal(rows, again) {
			t.Errorf("by %v the figures made anew differ", d)
		}
	}
	figures := metrics.Figures{Store: db.Ledger(), Settings: live.Settings, Now: time.Now}
	page, err := figures.Contacts(t.Context(), metrics.Drill{
		From: noon.Add(-time.Hour), To: noon.AddDate(0, 0, 1), Where: map[metrics.Dim]string{metrics.ByQueue: "q1"},
		Counted: []metrics.Measure{metrics.Repeated24h}, Limit: 500,
	})
	must(t, err)
	// The same citizen and reason come back every 21 calls, so all but the last 21 have a next.
	if want := 179 / 2; len(page.Contacts) != want {
		t.Errorf("%d contacts of the queue are followed by another, want %d", len(page.Contacts), want)
	}
}

func ledgerMovesOnce(t *testing.T, e Engine) {
	db := Open(t, e.URL(t))
	at0 := fmt.Sprintf("n1-%d.1", noon.Unix())
	l := db.Ledger()
	at, err := l.Standing(t.Context())
	must(t, err)
	must(t, l.Commit(t.Context(), metrics.Batch{Side: at.Side, Upto: 5}))
	if err := l.Commit(t.Context(), metrics.Batch{Side: at.Side, Upto: 6, Contacts: []metrics.Kept{contactOf(noon, at0, "", "")}}); !errors.Is(err, metrics.ErrMoved) {
		t.Errorf("a commit from where the ledger no longer stands: %v", err)
	}
	if _, ok, err := l.Contact(t.Context(), at.Side, call.ID(at0)); ok || err != nil {
		t.Errorf("and its contact is there (%v)", err)
	}
	fresh, err := l.Fresh(t.Context())
	must(t, err)
	must(t, l.Commit(t.Context(), metrics.Batch{Side: fresh.Side, Upto: 4}))
	fresh.Upto = 4
	if err := l.Turn(t.Context(), at, fresh); !errors.Is(err, metrics.ErrMoved) {
		t.Errorf("a turn from where the ledger no longer stands: %v", err)
	}
	must(t, l.Commit(t.Context(), metrics.Batch{Side: fresh.Side, From: 4, Upto: 8}))
	fresh.Upto = 8
	must(t, l.Turn(t.Context(), at, fresh))
	if err := l.Commit(t.Context(), metrics.Batch{Side: at.Side, From: 5, Upto: 9}); !errors.Is(err, metrics.ErrMoved) {
		t.Errorf("a commit to the side that was given up: %v", err)
	}
	if now, err := l.Standing(t.Context()); err != nil || now.Side != fresh.Side {
		t.Errorf("the ledger stands on side %d (%v)", now.Side, err)
	}
}

func ledgerGivesUpWhatIsOver(t *testing.T, e Engine) {
	db := Open(t, e.URL(t))
	l := db.Ledger()
	at, err := l.Standing(t.Context())
	must(t, err)
	many := make([]metrics.Kept, 45_000) // of several transactions
	for i := range many {
		many[i] = contactOf(noon.Add(time.Duration(i)*time.Second), fmt.Sprintf("n-%d.1", noon.Unix()+int64(i)), "p", "")
	}
	must(t, l.Commit(t.Context(), metrics.Batch{Side: at.Side, Upto: 5, Contacts: many}))
	must(t, l.Tidy(t.Context())) // nothing is over
	if kept, ok, err := l.Contact(t.Context(), at.Side, many[7].Call); !ok || err != nil || kept.ID != many[7].ID {
		t.Errorf("a contact is found by the name of its call: %v, %v", ok, err)
	}
	fresh, err := l.Fresh(t.Context())
	must(t, err)
	must(t, l.Tidy(t.Context())) // the fresh side is being filled
	must(t, l.Commit(t.Context(), metrics.Batch{Side: fresh.Side, Upto: 5, Contacts: many[:1]}))
	at.Upto, fresh.Upto = 5, 5
	must(t, l.Turn(t.Context(), at, fresh))
	for range 2 {
		must(t, l.Tidy(t.Context()))
	}
	if _, _, err := l.Contact(t.Context(), at.Side, many[7].Call); err == nil {
		t.Error("the side that is over is still there")
	}
	if _, ok, err := l.Contact(t.Context(), fresh.Side, many[0].Call); !ok || err != nil {
		t.Errorf("the live side lost a contact (%v)", err)
	}
	again, err := l.Fresh(t.Context())
	must(t, err)
	must(t, l.Commit(t.Context(), metrics.Batch{Side: again.Side, Upto: 5, Contacts: many}))
	anew, err := l.Fresh(t.Context()) // the rebuild before was cut short
	must(t, err)
	must(t, l.Commit(t.Context(), metrics.Batch{Side: anew.Side, Upto: 5, Contacts: many[:1]}))
	if _, ok, err := l.Contact(t.Context(), anew.Side, many[7].Call); ok || err != nil {
		t.Errorf("a side begun anew holds what was there before (%v)", err)
	}
}
