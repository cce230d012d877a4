package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"decroche/call"
	"decroche/ivr"
	"decroche/links"
	"decroche/store"
)

func agentStates(t *testing.T, e Engine) {
	ctx := t.Context()
	db := Open(t, e.URL(t))
	want := []store.AgentState{
		{
			ID: "2001", State: "wrap_up", Reason: "", Since: noon.Add(time.Minute), Until: noon.Add(2 * time.Minute),
			Next: "paused", NextReason: "formation",
		},
		{ID: "2002", State: "available", Since: noon},
	}
	must(t, db.PutAgentState(ctx, store.AgentState{ID: "2001", State: "available", Since: noon}))
	must(t, db.PutAgentState(ctx, want[1]))
	must(t, db.PutAgentState(ctx, want[0]))
	if got := get(db.AgentStates(ctx))(t); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func message(text string) ivr.Message {
	return ivr.Message{
		Text: map[call.Lang]string{"fr": text, "en": "in English"}, Queue: "passeports", Replace: true,
		From: noon, Until: noon.Add(time.Hour), Created: noon, CreatedBy: "camille",
	}
}

func publishOnce(t *testing.T, e Engine) {
	ctx := t.Context()
	db := Open(t, e.URL(t))
	want := message("Panne nationale")
	ids := make([]int64, 6)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			m, err := db.Publish(ctx, want, "request-1")
			if err != nil {
				t.Error(err)
			}
			ids[i] = m.ID
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id == 0 || id != ids[0] {
			t.Fatalf("one request made the messages %v", ids)
		}
	}
	if m, err := db.Publish(ctx, message("Autre chose"), "request-1"); !errors.Is(err, store.ErrRequestReused) || m.ID != ids[0] {
		t.Errorf("the key of another message is taken: %+v, %v", m, err)
	}
	for range 2 {
		get(db.Publish(ctx, want, ""))(t)
	}
	all := get(db.Messages(ctx, time.Time{}))(t)
	if len(all) != 3 {
		t.Fatalf("%d messages are kept, want 3", len(all))
	}
	want.ID = ids[0]
	if !reflect.DeepEqual(all[0], want) {
		t.Errorf("got %+v, want %+v", all[0], want)
	}
	get(db.Publish(ctx, want, "request_1"))(t)
	if of := get(db.MessagesOf(ctx, "request-"))(t); len(of) != 1 || !reflect.DeepEqual(of["request-1"], want) {
		t.Errorf("the messages whose keys begin alike are %+v", of)
	}
}

func messageLife(t *testing.T, e Engine) {
	ctx := t.Context()
	db := Open(t, e.URL(t))
	m := get(db.Publish(ctx, message("Panne"), ""))(t)
	later := message("Plus tard")
	later.From = noon.Add(30 * time.Minute)
	get(db.Publish(ctx, later, ""))(t)
	active := func(after time.Duration) (n int) {
		t.Helper()
		at := noon.Add(after)
		list := get(db.Active(ctx, at))(t)
		for _, m := range get(db.Messages(ctx, time.Time{}))(t) {
			if m.Active(at) {
				n++
			}
		}
		if n != len(list) {
			t.Errorf("at %s the database finds %d active messages and Message.Active %d", after, len(list), n)
		}
		return n
	}
	for after, want := range map[time.Duration]int{
		-time.Millisecond: 0, 0: 1, 29 * time.Minute: 1, 30 * time.Minute: 2, time.Hour - time.Millisecond: 2, time.Hour: 0,
	} {
		if got := active(after); got != want {
			t.Errorf("after %s %d messages are heard, want %d", after, got, want)
		}
	}
	stopped := get(db.Stop(ctx, m.ID, "dominique", noon.Add(40*time.Minute)))(t)
	again := get(db.Stop(ctx, m.ID, "camille", noon.Add(45*time.Minute)))(t)
	twice := get(db.Stop(ctx, m.ID, "dominique", noon.Add(46*time.Minute)))(t) // a double click
	if !stopped.StoppedAt(noon.Add(40*time.Minute)) || again.StoppedAt(noon.Add(45*time.Minute)) || twice.StoppedAt(noon.Add(46*time.Minute)) {
		t.Error("it is not the first stop alone that ended the message")
	}
	if !reflect.DeepEqual(stopped, again) || again.StoppedBy != "dominique" || !again.Stopped.Equal(noon.Add(40*time.Minute)) {
		t.Errorf("the first stop must stay: %+v then %+v", stopped, again)
	}
	if a, b := active(39*time.Minute), active(40*time.Minute); a != 2 || b != 1 {
		t.Errorf("before the stop %d are heard and after it %d, want 2 and 1", a, b)
	}
	if _, err := db.Stop(ctx, 4711, "camille", noon); !errors.Is(err, store.ErrNoMessage) {
		t.Errorf("stop of an unknown message: %v", err)
	}
	if n := len(get(db.Messages(ctx, noon.Add(2*time.Hour)))(t)); n != 0 {
		t.Errorf("%d messages end later than all", n)
	}
}

// messageHeld: nobody hears a message that waits for a second person, who is not its author.
func messageHeld(t *testing.T, e Engine) {
	ctx := t.Context()
	db := Open(t, e.URL(t))
	held := message("Panne")
	held.Held, held.Replace, held.Offer = true, false, ivr.OfferCallback
	m := get(db.Publish(ctx, held, ""))(t)
	if len(get(db.Active(ctx, noon))(t)) != 0 {
		t.Error("a held message is heard")
	}
	if _, err := db.Approve(ctx, m.ID, "camille", noon); !errors.Is(err, ivr.ErrOwnMessage) {
		t.Errorf("its author lets it out: %v", err)
	}
	if _, err := db.Approve(ctx, m.ID, "dominique", noon.Add(2*time.Hour)); !errors.Is(err, store.ErrNoMessage) {
		t.Errorf("it is let out after its end: %v", err)
	}
	if _, err := db.Approve(ctx, 4711, "dominique", noon); !errors.Is(err, store.ErrNoMessage) {
		t.Errorf("an unknown message is let out: %v", err)
	}
	out := get(db.Approve(ctx, m.ID, "dominique", noon))(t)
	for _, late := range []string{"lou", "dominique", "camille"} { // its author too: it is out already
		again, err := db.Approve(ctx, m.ID, late, noon)
		if !errors.Is(err, ivr.ErrNotHeld) || !reflect.DeepEqual(out, again) {
			t.Errorf("let out again, by %s: %+v, %v", late, again, err)
		}
	}
	if out.Held || out.ApprovedBy != "dominique" || out.Offer != ivr.OfferCallback {
		t.Errorf("let out is %+v", out)
	}
	if len(get(db.Active(ctx, noon))(t)) != 1 {
		t.Error("a message that was let out is not heard")
	}
	approvedOnce(t, db, get(db.Publish(ctx, held, ""))(t).ID)
	stopped := get(db.Publish(ctx, held, ""))(t)
	get(db.Stop(ctx, stopped.ID, "camille", noon))(t)
	if _, err := db.Approve(ctx, stopped.ID, "dominique", noon); !errors.Is(err, store.ErrNoMessage) {
		t.Errorf("a stopped message is let out: %v", err)
	}
}

// approvedOnce: of several who let a message out at the same moment one does, and the others are told who it was.
func approvedOnce(t *testing.T, db *store.DB, id int64) {
	t.Helper()
	by := make([]string, 6) // whom each of them is told
	var did atomic.Int32
	var wg sync.WaitGroup
	for i := range by {
		wg.Go(func() {
			m, err := db.Approve(t.Context(), id, fmt.Sprint("approver-", i), noon)
			switch {
			case err == nil:
				did.Add(1)
			case !errors.Is(err, ivr.ErrNotHeld):
				t.Error(err)
			}
			by[i] = m.ApprovedBy
		})
	}
	wg.Wait()
	if n := did.Load(); n != 1 || by[0] == "" || slices.ContainsFunc(by, func(who string) bool { return who != by[0] }) {
		t.Errorf("%d persons let a message out, which is told of %q", n, by)
	}
}

// messageInstead: the message before is heard until the one after it begins, and no longer; who changes a
// message that is over is told so.
func messageInstead(t *testing.T, e Engine) {
	ctx := t.Context()
	db := Open(t, e.URL(t))
	at := func(m int) time.Time { return noon.Add(time.Duration(m) * time.Minute) }
	heard := func(m int) (ids []int64) {
		t.Helper()
		for _, active := range get(db.Active(ctx, at(m)))(t) {
			ids = append(ids, active.ID)
		}
		return ids
	}
	holds := func(m int, want ...int64) {
		t.Helper()
		if got := heard(m); !reflect.DeepEqual(got, want) {
			t.Errorf("after %d minutes the messages %v are heard, want %v", m, got, want)
		}
	}
	first := get(db.Publish(ctx, message("Panne"), ""))(t)
	next := message("Panne")
	next.Created, next.From, next.Until, next.Instead = at(10), at(20), at(120), first.ID
	second := get(db.Publish(ctx, next, "change"))(t)
	if again := get(db.Publish(ctx, next, "change"))(t); again.ID != second.ID || second.Continues != first.ID || second.Words() != first.ID {
		t.Errorf("the same words are %+v, sent again %+v", second, again)
	}
	holds(19, first.ID)
	holds(20, second.ID)
	holds(70, second.ID)

	// Stopped before it began, it leaves the one before as it was.
	get(db.Stop(ctx, second.ID, "dominique", at(15)))(t)
	holds(30, first.ID)

	// One that waits for a second person takes no place before it is let out.
	held := message("Panne réparée")
	held.Created, held.From, held.Instead, held.Held = at(30), at(30), first.ID, true
	third := get(db.Publish(ctx, held, ""))(t)
	if third.Continues != 0 {
		t.Errorf("other words go on from %d", third.Continues)
	}
	holds(39, first.ID)
	get(db.Approve(ctx, third.ID, "dominique", at(40)))(t)
	holds(40, third.ID)

	late := message("Trop tard")
	late.Created, late.From, late.Instead = at(41), at(41), first.ID
	if _, err := db.Publish(ctx, late, ""); !errors.Is(err, store.ErrMessageOver) {
		t.Errorf("the place of a message that is over is taken: %v", err)
	}
	late.Instead = 4711
	if _, err := db.Publish(ctx, late, ""); !errors.Is(err, store.ErrNoMessage) {
		t.Errorf("the place of no message is taken: %v", err)
	}

	// Who is to give way later can be stopped now.
	later := message("Plus tard")
	later.Created, later.From, later.Instead = at(42), at(50), third.ID
	get(db.Publish(ctx, later, ""))(t)
	get(db.Stop(ctx, third.ID, "lou", at(43)))(t)
	holds(44)
}

func messageRefused(t *testing.T, e Engine) {
	db := Open(t, e.URL(t))
	long := strings.Repeat("é", ivr.MessageMaxText)
	for want, change := range map[string]func(*ivr.Message){
		"end of the message is missing":     func(m *ivr.Message) { m.Until = time.Time{} },
		"end of the message is in the past": func(m *ivr.Message) { m.Until = noon },
		"too far":                           func(m *ivr.Message) { m.Until = noon.Add(31*24*time.Hour + time.Second) },
		"ends before it starts":             func(m *ivr.Message) { m.From = m.Until },
		"French is missing":                 func(m *ivr.Message) { delete(m.Text, "fr") },
		"text in en is empty":               func(m *ivr.Message) { m.Text["en"] = " " },
		"1001 characters":                   func(m *ivr.Message) { m.Text["fr"] = long + "x" },
		"write callback, exit":              func(m *ivr.Message) { m.Replace, m.Offer = false, "more" },
		"offers nothing":                    func(m *ivr.Message) { m.Offer = ivr.OfferExit },
		"not valid UTF-8":                   func(m *ivr.Message) { m.Text["fr"] = "\xff" },
	} {
		m := message("Panne")
		change(&m)
		if _, err := db.Publish(t.Context(), m, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if n := len(get(db.Messages(t.Context(), time.Time{}))(t)); n != 0 {
		t.Errorf("%d messages are kept", n)
	}
	m := message(long) // the longest text and the latest end are good
	m.Until = noon.Add(ivr.MessageMaxLife)
	get(db.Publish(t.Context(), m, ""))(t)
}

func blobs(t *testing.T, e Engine) {
	ctx := t.Context()
	db := Open(t, e.URL(t))
	if _, found, err := db.GetBlob(ctx, "wait"); found || err != nil {
		t.Fatalf("a blob that was never kept: %v %v", found, err)
	}
	for _, want := range [][]byte{{0, 1, 0xff, 'x'}, {}, bytes.Repeat([]byte("7"), 1<<20)} {
		must(t, db.PutBlob(ctx, "wait", want))
		got, found, err := db.GetBlob(ctx, "wait")
		if err != nil || !found || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes, found %v, %v; want %d bytes", len(got), found, err, len(want))
		}
	}
}

func recordingsGo(t *testing.T, e Engine) {
	ctx := t.Context()
	db := Open(t, e.URL(t))
	for _, name := range []string{"sound:unused.wav", "sound:over.wav", "sound:heard.wav", "wait"} {
		must(t, db.PutBlob(ctx, name, []byte("RIFF")))
	}
	now := time.Now()
	publish := func(name string, until time.Time) {
		m := message("Le site est en panne.")
		m.Sound, m.From, m.Until, m.Created = map[call.Lang]string{"fr": name}, until.Add(-time.Hour), until, now
		if _, err := db.Publish(ctx, m, ""); err != nil {
			t.Fatal(err)
		}
	}
	publish("over.wav", now.Add(10*time.Minute))
	publish("heard.wav", now.Add(time.Hour))
	drop := func(kept, ended time.Time, want ...string) {
		t.Helper()
		if got, err := db.DropRecordings(ctx, "sound:", kept, ended); err != nil || !slices.Equal(got, want) {
			t.Errorf("dropped %q, %v; want %q", got, err, want)
		}
	}
	drop(now.Add(-time.Minute), now) // they were kept since
	drop(now.Add(time.Minute), now.Add(30*time.Minute), "over.wav", "unused.wav")
	drop(now.Add(time.Minute), now.Add(30*time.Minute))
	for name, want := range map[string]bool{"sound:unused.wav": false, "sound:over.wav": false, "sound:heard.wav": true, "wait": true} {
		if _, there, err := db.GetBlob(ctx, name); err != nil || there != want {
			t.Errorf("%s is there: %v, %v", name, there, err)
		}
	}
}

func secondProcess(t *testing.T, e Engine) {
	url := e.URL(t)
	dbs := make([]*store.DB, 4)
	var wg sync.WaitGroup
	for i := range dbs { // at the same time, on an empty database
		wg.Go(func() {
			opts := store.Options{URL: url, DataDir: t.TempDir()}
			db, err := store.Open(t.Context(), opts)
			if err != nil {
				t.Error(err)
				return
			}
			dbs[i] = db
		})
	}
	wg.Wait()
	for i, db := range dbs {
		if db == nil {
			continue
		}
		for k := range 20 {
			db.Journal().Append(event("p"+itoa(i), k))
		}
		must(t, db.Close())
	}
	db := Open(t, url)
	for i := range dbs {
		inOrder(t, db.Journal(), "p"+itoa(i), 20)
	}
}

func newerSchema(t *testing.T, e Engine) {
	url := e.URL(t)
	must(t, Open(t, url).Close())
	get(rawDB(t, url).Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, true)`))(t)
	_, err := store.Open(t.Context(), store.Options{URL: url, DataDir: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "999") || !strings.Contains(err.Error(), "newer release") {
		t.Errorf("a schema from the future: %v", err)
	}
}

func closedStore(t *testing.T, e Engine) {
	db := Open(t, e.URL(t))
	get(db.AcquireEpoch(t.Context(), "n"))(t)
	must(t, db.Close())
	must(t, db.Close())
	if err := db.Checkpoints().Save(t.Context(), checkpoint("a", noon)); err == nil {
		t.Error("a closed store takes a checkpoint")
	}
	db.Journal().Append(event("a", 0))
	if n := db.Stats().Journal.Lost; n != 1 {
		t.Errorf("an event after the end counts as %d lost, want 1", n)
	}
	if err := db.Journal().Flush(t.Context()); err != nil {
		t.Errorf("nothing waits, and Flush says %v", err)
	}
}

func linkSwitches(t *testing.T, e Engine) {
	ctx, url := t.Context(), e.URL(t)
	db := Open(t, url)
	if got := get(db.LinkSwitches(ctx))(t); len(got) != 0 {
		t.Errorf("switches that nobody set: %+v", got)
	}
	want := []links.Switch{
		{ID: "ants", State: links.Off, Why: "panne du site\x00", By: "camille", At: noon},
		{ID: "mairie", State: links.Auto, By: "dominique", At: noon.Add(time.Minute)},
	}
	must(t, db.SetLinkSwitch(ctx, links.Switch{ID: "ants", State: links.On, Why: "avant", By: "dominique", At: noon.Add(-time.Hour)}))
	must(t, db.SetLinkSwitch(ctx, want[1]))
	must(t, db.SetLinkSwitch(ctx, want[0]))
	must(t, db.Close())
	want[0].Why = "panne du site"
	if got := get(Open(t, url).LinkSwitches(ctx))(t); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
