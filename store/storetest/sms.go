package storetest

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"decroche/call"
	"decroche/callback"
	"decroche/sms"
	"decroche/store"
)

const lease = time.Minute

// claim expects a message to be due.
func claim(t testing.TB, db *store.DB, at time.Time) sms.Message {
	t.Helper()
	m, ok, err := db.SMS().Claim(t.Context(), "n1", at, lease)
	if err != nil || !ok {
		t.Fatalf("claim: %v %v", ok, err)
	}
	return m
}

func noneDue(t testing.TB, db *store.DB, at time.Time) {
	t.Helper()
	if m, ok, err := db.SMS().Claim(t.Context(), "n1", at, lease); ok || err != nil {
		t.Errorf("message %q is given at %s (%v), want none", m.Key, at, err)
	}
}

// kept finds a message by its key.
func kept(t testing.TB, db *store.DB, key string) sms.Message {
	t.Helper()
	for _, m := range get(db.SMS().Outbox(t.Context(), 1000))(t) {
		if m.Key == key {
			return m
		}
	}
	t.Fatalf("there is no message %q", key)
	return sms.Message{}
}

// sentAs brings a message to the state that a provider's answer gives it.
func sentAs(t testing.TB, db *store.DB, key, providerID string) sms.Message {
	t.Helper()
	must(t, db.SMS().Enqueue(t.Context(), text(key, citizen(1))))
	m := claim(t, db, noon)
	m.State, m.Tries, m.Provider, m.ProviderID, m.SentAt = sms.Sent, 1, "twilio", providerID, noon.Add(time.Second)
	must(t, db.SMS().Settle(t.Context(), m))
	return m
}

func messageRoundTrip(t *testing.T, e Engine) {
	ctx, url := t.Context(), e.URL(t)
	db := Open(t, url)
	must(t, db.SMS().Enqueue(ctx))
	want := sms.Message{
		Key: "link:1", To: citizen(1), Lang: "fr", Text: "Voilà l'€ 😀", Purpose: sms.Link, Promise: "P1", Contact: "17000.1",
		NotBefore: noon.Add(time.Minute), Expires: noon.Add(time.Hour), Created: noon,
	}
	must(t, db.SMS().Enqueue(ctx, want))
	must(t, db.Close())
	db = Open(t, url)
	got := kept(t, db, "link:1")
	want.ID, want.State, want.NextAt = got.ID, sms.Queued, want.NotBefore
	if got != want || got.ID == 0 {
		t.Errorf("kept as %+v, want %+v", got, want)
	}
	noneDue(t, db, noon.Add(59*time.Second))
	at := noon.Add(time.Minute)
	want.State, want.NextAt = sms.Sending, at.Add(lease)
	if got := claim(t, db, at); got != want {
		t.Errorf("claimed as %+v, want %+v", got, want)
	}
	noneDue(t, db, at.Add(lease-time.Millisecond))
	want.State, want.NextAt, want.Tries, want.Error, want.Unsure = sms.Queued, noon.Add(5*time.Minute), 1, "HTTP 503", true
	must(t, db.SMS().Settle(ctx, want))
	if got := kept(t, db, "link:1"); got != want {
		t.Errorf("settled as %+v, want %+v", got, want)
	}
	claim(t, db, noon.Add(5*time.Minute))
	want.State, want.Tries, want.Provider, want.ProviderID, want.Error, want.Unsure = sms.Sent, 2, "ovh", "17", "", false
	want.SentAt, want.MaybeTwice = noon.Add(5*time.Minute), true
	must(t, db.SMS().Settle(ctx, want))
	if got := kept(t, db, "link:1"); got != want {
		t.Errorf("sent as %+v, want %+v", got, want)
	}
	noneDue(t, db, noon.Add(24*time.Hour))
	for what, err := range map[string]error{
		"a message without a key":    db.SMS().Enqueue(ctx, sms.Message{To: citizen(1), Text: "x"}),
		"a message without a number": db.SMS().Enqueue(ctx, sms.Message{Key: "k", Text: "x"}),
		"an unknown message":         db.SMS().Settle(ctx, sms.Message{ID: 4711, State: sms.Sent}),
	} {
		if err == nil || strings.Contains(err.Error(), string(citizen(1))) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func keysAreOne(t *testing.T, e Engine) {
	ctx := t.Context()
	db := Open(t, e.URL(t))
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			m := text("same", citizen(i))
			if err := db.SMS().Enqueue(ctx, m, text("own:"+itoa(i), citizen(i)), m); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := len(get(db.SMS().Outbox(ctx, 0))(t)); n != 21 {
		t.Errorf("%d messages are kept, want 21", n)
	}
	sent := sentAs(t, db, "again", "id-1") // of the first in line
	must(t, db.SMS().Enqueue(ctx, text(sent.Key, citizen(1))))
	if m := kept(t, db, sent.Key); m.State != sms.Sent {
		t.Errorf("a message that was sent is queued again: %+v", m)
	}
	if got := get(db.SMS().Outbox(ctx, 2))(t); len(got) != 2 || got[0].Key != "again" || got[0].ID < got[1].ID {
		t.Errorf("the newest are %+v", got)
	}
}

func claimedOnce(t *testing.T, e Engine) {
	ctx, url := t.Context(), e.URL(t)
	a, b := Open(t, url), Open(t, url)
	const n = 60
	for i := range n {
		m := text(fmt.Sprintf("m%02d", i), citizen(i))
		m.NotBefore = noon.Add(time.Duration(n-i) * time.Second)
		must(t, a.SMS().Enqueue(ctx, m))
	}
	// In the order of their turn, for one who asks alone.
	for i := range 5 {
		if m := claim(t, a, noon.Add(time.Minute)); m.Key != fmt.Sprintf("m%02d", n-1-i) || m.State != sms.Sending || m.Unsure {
			t.Errorf("claim %d gives %+v", i, m)
		}
	}
	var mu sync.Mutex
	seen := map[string]int{}
	var wg sync.WaitGroup
	for w := range 6 {
		wg.Go(func() {
			db := []*store.DB{a, b}[w%2]
			for {
				m, ok, err := db.SMS().Claim(ctx, "n"+itoa(w%2), noon.Add(time.Minute), lease)
				if err != nil {
					t.Error(err)
				}
				if !ok {
					return
				}
				mu.Lock()
				seen[m.Key]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for key, times := range seen {
		if times != 1 {
			t.Errorf("message %s was given %d times", key, times)
		}
	}
	if len(seen) != n-5 {
		t.Errorf("%d messages were given, want %d", len(seen), n-5)
	}
}

func leaseEnds(t *testing.T, e Engine) {
	ctx, url := t.Context(), e.URL(t)
	db := Open(t, url)
	must(t, db.SMS().Enqueue(ctx, text("a", citizen(1)), text("b", citizen(1))))
	first := claim(t, db, noon)
	must(t, db.Close()) // the process dies while it sends
	db = Open(t, url)
	if other := claim(t, db, noon.Add(lease-1)); other.Key == first.Key {
		t.Error("a message is given again while its lease lasts")
	}
	again := claim(t, db, noon.Add(lease))
	if again.ID != first.ID || !again.Unsure || again.Tries != 0 {
		t.Errorf("after the lease: %+v", again)
	}
	// The first sender was slow, not dead: what it saves last is not lost, nor taken back.
	first.State, first.Provider, first.ProviderID, first.SentAt = sms.Sent, "twilio", "SM1", noon.Add(2*time.Minute)
	must(t, db.SMS().Settle(ctx, first))
	again.State, again.NextAt = sms.Queued, noon.Add(3*time.Minute)
	must(t, db.SMS().Settle(ctx, again))
	if m := kept(t, db, first.Key); m.State != sms.Sent || m.ProviderID != "SM1" {
		t.Errorf("a message that was sent is queued again: %+v", m)
	}
}

func reports(t *testing.T, e Engine) {
	ctx := t.Context()
	db := Open(t, e.URL(t))
	changes := 0
	report := func(id string, s sms.State, why string, after time.Duration) bool {
		t.Helper()
		m, changed, err := db.SMS().Report(ctx, "twilio", id, s, why, noon.Add(after))
		must(t, err)
		if changed {
			changes++
		}
		if m.ID != 0 && (m.ProviderID != id || changed && m.State != s) {
			t.Errorf("the report of %s gives %+v", id, m)
		}
		return m.ID != 0
	}
	changed := func(want int) {
		t.Helper()
		if changes != want {
			t.Errorf("%d reports changed a message, want %d", changes, want)
		}
		changes = 0
	}
	is := func(key string, s sms.State, why string, done time.Duration) {
		t.Helper()
		if m := kept(t, db, key); m.State != s || m.Error != why || !m.DoneAt.Equal(noon.Add(done)) || m.ProviderID == "" {
			t.Errorf("%s is %s (%q) at %s, want %s (%q)", key, m.State, m.Error, m.DoneAt, s, why)
		}
	}
	sentAs(t, db, "a", "SMa")
	if !report("SMa", sms.Sent, "", time.Minute) || kept(t, db, "a").State != sms.Sent {
		t.Error("a report of sent")
	}
	for i := range 3 { // replays
		if !report("SMa", sms.Delivered, "", time.Duration(2+i)*time.Minute) {
			t.Error("the message is not found")
		}
	}
	is("a", sms.Delivered, "", 2*time.Minute)
	report("SMa", sms.Sent, "", 9*time.Minute)
	report("SMa", sms.Failed, "30003", 9*time.Minute)
	is("a", sms.Delivered, "", 2*time.Minute)
	changed(1)

	sentAs(t, db, "b", "SMb")
	report("SMb", sms.Failed, "30003 unreachable", 3*time.Minute)
	report("SMb", sms.Failed, "again", 4*time.Minute)
	report("SMb", sms.Sent, "", 5*time.Minute)
	is("b", sms.Failed, "30003 unreachable", 3*time.Minute)
	report("SMb", sms.Delivered, "", 6*time.Minute)
	is("b", sms.Delivered, "", 6*time.Minute)
	changed(2)

	if report("SMunknown", sms.Delivered, "", 0) || report("", sms.Delivered, "", 0) {
		t.Error("a message that is nobody's is found")
	}
	if m, changed, err := db.SMS().Report(ctx, "ovh", "SMb", sms.Failed, "", noon); m.ID != 0 || changed || err != nil {
		t.Errorf("another provider's message is found: %+v, %v", m, err)
	}
	// The report comes before the answer of the provider is saved.
	if report("SMc", sms.Delivered, "", 7*time.Minute) || report("SMc", sms.Failed, "late", 8*time.Minute) {
		t.Error("a message is found before it is known")
	}
	sentAs(t, db, "c", "SMc")
	is("c", sms.Delivered, "", 7*time.Minute)
	report("SMold", sms.Delivered, "", 0)
	report("SMnew", sms.Delivered, "", 25*time.Hour) // what waits for more than a day is forgotten
	sentAs(t, db, "d", "SMold")
	if m := kept(t, db, "d"); m.State != sms.Sent {
		t.Errorf("a report of the day before is applied: %+v", m)
	}
}

func dropsWhileSending(t *testing.T, e Engine) {
	ctx := t.Context()
	db := Open(t, e.URL(t))
	ask(t, db, slotPromise(1, 0))
	must(t, db.SMS().Enqueue(ctx, text("failing", citizen(1)), text("crashing", citizen(1)), text("going", citizen(1))))
	failing, crashing, going := claim(t, db, noon), claim(t, db, noon), claim(t, db, noon)
	get(db.Promises().Change(ctx, slotPromise(1, 0).ID, 0, func(p *callback.Promise) (callback.Change, error) {
		return callback.Change{Drop: []string{"failing", "crashing", "going"}}, nil
	}))(t)
	if m := kept(t, db, "failing"); m != failing {
		t.Errorf("a message under way is changed: %+v, want %+v", m, failing)
	}
	failing.State, failing.NextAt, failing.Tries = sms.Queued, noon.Add(time.Second), 1
	must(t, db.SMS().Settle(ctx, failing))
	going.State, going.ProviderID = sms.Sent, "SM9"
	must(t, db.SMS().Settle(ctx, going))
	noneDue(t, db, noon.Add(time.Hour))
	for key, want := range map[string]sms.State{"failing": sms.Dropt, "crashing": sms.Dropt, "going": sms.Sent} {
		if m := kept(t, db, key); m.State != want || (want == sms.Dropt && m.DoneAt.IsZero()) || m.Unsure != (key == crashing.Key) {
			t.Errorf("%s ends as %+v, want %s", key, m, want)
		}
	}
}

func blocks(t *testing.T, e Engine) {
	ctx := t.Context()
	db := Open(t, e.URL(t))
	of := func(key string, n call.Number, p sms.Purpose) sms.Message {
		m := text(key, n)
		m.Purpose = p
		return m
	}
	must(t, db.SMS().Enqueue(ctx, of("sending", citizen(1), sms.Link), of("reminder", citizen(1), sms.Reminder),
		of("code", citizen(1), sms.Code), of("other", citizen(2), sms.Link)))
	sending := claim(t, db, noon)
	for range 2 {
		must(t, db.SMS().Block(ctx, citizen(1), noon))
	}
	if !get(db.SMS().Blocked(ctx, citizen(1)))(t) || get(db.SMS().Blocked(ctx, citizen(2)))(t) {
		t.Error("the wrong number is blocked")
	}
	if m := kept(t, db, "reminder"); m.State != sms.Dropt || m.Error == "" || !m.DoneAt.Equal(noon) {
		t.Errorf("a queued message to a blocked number: %+v", m)
	}
	must(t, db.SMS().Enqueue(ctx, of("late", citizen(1), sms.Link), of("reply", citizen(1), sms.Reply)))
	if m := kept(t, db, "late"); m.State != sms.Dropt {
		t.Errorf("a message is queued for a blocked number: %+v", m)
	}
	sending.State, sending.NextAt = sms.Queued, noon
	must(t, db.SMS().Settle(ctx, sending))
	for _, want := range []string{"code", "other", "reply"} {
		if m := claim(t, db, noon); m.Key != want {
			t.Errorf("given is %s, want %s", m.Key, want)
		}
	}
	noneDue(t, db, noon.Add(time.Second))
	if n, _, _ := db.SMS().Backlog(ctx, noon); n != 3 {
		t.Errorf("%d messages wait, want the 3 under way", n)
	}
	for range 2 {
		must(t, db.SMS().Unblock(ctx, citizen(1)))
	}
	must(t, db.SMS().Enqueue(ctx, of("after", citizen(1), sms.Link)))
	if m := claim(t, db, noon); m.Key != "after" || get(db.SMS().Blocked(ctx, citizen(1)))(t) {
		t.Errorf("after START %q is given", m.Key)
	}
}

func inbox(t *testing.T, e Engine) {
	ctx := t.Context()
	db := Open(t, e.URL(t))
	in := sms.Incoming{Provider: "twilio", ProviderID: "SM1", From: citizen(1), Text: "STOP", At: noon, Handled: "stop"}
	firsts := make([]bool, 20)
	var wg sync.WaitGroup
	for i := range firsts {
		wg.Go(func() {
			var err error
			if firsts[i], err = db.SMS().Receive(ctx, in); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	n := 0
	for _, f := range firsts {
		if f {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d of twenty deliveries were the first", n)
	}
	other := in
	other.Provider, other.Text, other.Handled = "ovh", "Merci \x00\xff!", "kept"
	nameless := other
	nameless.ProviderID = ""
	for _, m := range []sms.Incoming{other, nameless, nameless} {
		if !get(db.SMS().Receive(ctx, m))(t) {
			t.Errorf("%+v counts as a replay", m)
		}
	}
	got := get(db.SMS().Inbox(ctx, 0))(t)
	if len(got) != 4 || got[2].Text != "Merci \uFFFD!" || got[2].Handled != "kept" || got[0].ProviderID != "" {
		t.Fatalf("the inbox has %+v", got)
	}
	in.ID = got[3].ID
	if !reflect.DeepEqual(got[3], in) {
		t.Errorf("kept as %+v, want %+v", got[3], in)
	}
	if n := len(get(db.SMS().Inbox(ctx, 2))(t)); n != 2 {
		t.Errorf("%d are listed, want 2", n)
	}
}

func backlog(t *testing.T, e Engine) {
	ctx := t.Context()
	db := Open(t, e.URL(t))
	is := func(at time.Duration, waiting int, oldest time.Duration) {
		t.Helper()
		n, d, err := db.SMS().Backlog(ctx, noon.Add(at))
		if err != nil || n != waiting || d != oldest {
			t.Errorf("%d wait, the oldest for %s (%v), want %d and %s", n, d, err, waiting, oldest)
		}
	}
	is(0, 0, 0)
	later := text("later", citizen(1))
	later.NotBefore = noon.Add(time.Hour)
	must(t, db.SMS().Enqueue(ctx, later))
	is(0, 1, 0)
	must(t, db.SMS().Enqueue(ctx, text("now", citizen(1))))
	is(time.Minute, 2, time.Minute)
	m := claim(t, db, noon.Add(time.Minute))
	m.State, m.NextAt = sms.Queued, noon.Add(10*time.Minute)
	must(t, db.SMS().Settle(ctx, m)) // a provider that is down does not look like one with nothing to do
	is(5*time.Minute, 2, 5*time.Minute)
	m = claim(t, db, noon.Add(10*time.Minute))
	is(10*time.Minute, 2, 10*time.Minute)
	m.State = sms.Failed
	must(t, db.SMS().Settle(ctx, m))
	is(10*time.Minute, 1, 0)
}
