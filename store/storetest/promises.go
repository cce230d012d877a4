package storetest

import (
	"context"
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
	"decroche/callback"
	"decroche/sms"
	"decroche/store"
)

// citizen is a number out of those reserved for fiction.
func citizen(i int) call.Number { return call.Number(fmt.Sprintf("+3363998%04d", i)) }

// slotPromise is a promise for number i in the quarter of an hour number q after noon.
func slotPromise(i, q int) callback.Promise {
	at := noon.Add(time.Duration(q) * 15 * time.Minute)
	return callback.Promise{
		ID: callback.ID(fmt.Sprintf("P%09d", i)), Number: citizen(i), Lang: "fr", Queue: "passeports", Reason: "retrait",
		Public: "general", Kind: callback.Slot, Origin: callback.FromQueue, Contact: call.ID(fmt.Sprintf("17000.%d", i)),
		Asked: noon, Joined: at, Slot: at, Due: at, By: at.Add(15 * time.Minute), State: callback.Pending,
	}
}

// placePromise is a promise for number i that joined so long after noon and is due then.
func placePromise(i int, after time.Duration) callback.Promise {
	p := slotPromise(i, 0)
	p.Kind, p.Slot = callback.Place, time.Time{}
	p.Joined, p.Due, p.By = noon.Add(after), noon.Add(after), noon.Add(after+time.Hour)
	return p
}

func ask(t testing.TB, db *store.DB, ps ...callback.Promise) {
	t.Helper()
	for _, p := range ps {
		if _, made, err := db.Promises().Ask(t.Context(), p, callback.Bounds{}, callback.Change{}); err != nil || !made {
			t.Fatalf("ask for %s: made %v, %v", p.ID, made, err)
		}
	}
}

// settle is an fn of Change that ends a promise.
func settle(s callback.State) func(*callback.Promise) (callback.Change, error) {
	return func(p *callback.Promise) (callback.Change, error) {
		p.State, p.SettledBy = s, "page"
		return callback.Change{}, nil
	}
}

func text(key string, to call.Number) sms.Message {
	return sms.Message{Key: key, To: to, Lang: "fr", Text: "Nous vous rappelons à midi.", Purpose: sms.Confirmed, Created: noon}
}

func promiseRoundTrip(t *testing.T, e Engine) {
	ctx, url := t.Context(), e.URL(t)
	db := Open(t, url)
	want := slotPromise(1, 2)
	want.Voicemail, want.Tries, want.Asked = true, 2, noon.Add(1500*time.Microsecond).In(time.FixedZone("there", 7200))
	msg := text("promise:1:confirmed:1", want.Number)
	msg.Promise, msg.Contact = string(want.ID), want.Contact
	kept, made, err := db.Promises().Ask(ctx, want, callback.Bounds{Slot: 1, PerDay: 1, Since: noon}, callback.Change{Send: []sms.Message{msg}})
	want.Version, want.Asked = 1, noon.Add(time.Millisecond)
	if err != nil || !made || kept != want {
		t.Fatalf("kept %+v, made %v, %v; want %+v", kept, made, err, want)
	}
	must(t, db.Close())
	db = Open(t, url)
	if got := get(db.Promises().Promise(ctx, want.ID))(t); got != want {
		t.Errorf("read again: %+v, want %+v", got, want)
	}
	if got, ok, err := db.Promises().Live(ctx, want.Number); !ok || err != nil || got != want {
		t.Errorf("the live promise of the number: %+v %v %v", got, ok, err)
	}
	if _, ok, err := db.Promises().Live(ctx, citizen(2)); ok || err != nil {
		t.Errorf("a number without a promise has one: %v %v", ok, err)
	}
	if _, err := db.Promises().Promise(ctx, "nothing"); !errors.Is(err, callback.ErrNoPromise) {
		t.Errorf("an unknown promise: %v", err)
	}
	out := get(db.SMS().Outbox(ctx, 0))(t)
	if len(out) != 1 || out[0].Key != msg.Key || out[0].Promise != msg.Promise || out[0].Contact != msg.Contact || out[0].State != sms.Queued {
		t.Errorf("the messages of the promise are %+v", out)
	}
	bad := slotPromise(3, 0)
	bad.Number = call.Withheld
	if _, _, err := db.Promises().Ask(ctx, bad, callback.Bounds{}, callback.Change{}); err == nil {
		t.Error("a promise without a number is kept")
	}
}

func oneLivePromise(t *testing.T, e Engine) {
	ctx := t.Context()
	db := Open(t, e.URL(t))
	const n = 100
	ids := make([]callback.ID, n)
	var made atomic.Int64
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			p := slotPromise(1, i%7)
			p.ID = callback.ID("R" + itoa(i))
			msg := text("promise:"+string(p.ID), p.Number)
			kept, first, err := db.Promises().Ask(ctx, p, callback.Bounds{Slot: 50}, callback.Change{Send: []sms.Message{msg}})
			if err != nil {
				t.Error(err)
			}
			if first {
				made.Add(1)
			}
			ids[i] = kept.ID
		})
	}
	wg.Wait()
	if len(slices.Compact(slices.Sorted(slices.Values(ids)))) != 1 || made.Load() != 1 {
		t.Fatalf("%d requests made %d promises, the ids said are %v", n, made.Load(), ids)
	}
	all := get(db.Promises().Promises(ctx, callback.Filter{}))(t)
	if len(all) != 1 || all[0].ID != ids[0] {
		t.Errorf("%d rows are kept", len(all))
	}
	if out := get(db.SMS().Outbox(ctx, 0))(t); len(out) != 1 || out[0].Key != "promise:"+string(ids[0]) {
		t.Errorf("%d messages are kept", len(out))
	}
	slotsAreTrue(t, db)
	// A settled promise leaves the number free.
	get(db.Promises().Change(ctx, ids[0], 0, settle(callback.Cancelled)))(t)
	ask(t, db, slotPromise(1, 3))
}

func perDay(t *testing.T, e Engine) {
	ctx := t.Context()
	db := Open(t, e.URL(t))
	today := callback.Bounds{PerDay: 2, Since: noon}
	for i := range 4 {
		p := placePromise(1, 0)
		p.ID, p.Asked = callback.ID("D"+itoa(i)), noon.Add(time.Duration(i-1)*time.Second) // the first one was asked yesterday
		msg := text("day:"+itoa(i), p.Number)
		_, made, err := db.Promises().Ask(ctx, p, today, callback.Change{Send: []sms.Message{msg}})
		switch {
		case i < 3 && (err != nil || !made):
			t.Fatalf("promise %d: made %v, %v", i, made, err)
		case i == 3 && !errors.Is(err, callback.ErrTooMany):
			t.Errorf("the third of a day: %v, want ErrTooMany", err)
		case i < 3:
			get(db.Promises().Change(ctx, p.ID, 0, settle(callback.Cancelled)))(t)
		}
	}
	if out := get(db.SMS().Outbox(ctx, 0))(t); len(out) != 3 {
		t.Errorf("%d messages are kept, want those of three promises", len(out))
	}
	other := placePromise(2, 0)
	if _, made, err := db.Promises().Ask(ctx, other, today, callback.Change{}); !made || err != nil {
		t.Errorf("another number is held back: %v", err)
	}
}

func slotBound(t *testing.T, e Engine) {
	ctx := t.Context()
	db := Open(t, e.URL(t))
	const bound, n = 7, 40
	var full atomic.Int64
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			_, _, err := db.Promises().Ask(ctx, slotPromise(i, 0), callback.Bounds{Slot: bound}, callback.Change{})
			if errors.Is(err, callback.ErrSlotFull) {
				full.Add(1)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	taken := get(db.Promises().Taken(ctx, "passeports", noon, noon.Add(time.Hour)))(t)
	if want := map[time.Time]int{noon: bound}; !reflect.DeepEqual(taken, want) || full.Load() != n-bound {
		t.Fatalf("taken %v and %d refused, want %v and %d", taken, full.Load(), want, n-bound)
	}
	if got := len(get(db.Promises().Promises(ctx, callback.Filter{}))(t)); got != bound {
		t.Errorf("%d promises are kept, want %d", got, bound)
	}
	// Moving away makes room, moving to a full slot is refused and changes nothing.
	late := slotPromise(n, 1)
	ask(t, db, late)
	move := func(id callback.ID, q int) error {
		_, err := db.Promises().Change(ctx, id, bound, func(p *callback.Promise) (callback.Change, error) {
			p.Slot = noon.Add(time.Duration(q) * 15 * time.Minute)
			return callback.Change{Send: []sms.Message{text("moved:"+string(id)+itoa(q), p.Number)}}, nil
		})
		return err
	}
	if err := move(late.ID, 0); !errors.Is(err, callback.ErrSlotFull) {
		t.Errorf("a full slot is given: %v", err)
	}
	if got := get(db.Promises().Promise(ctx, late.ID))(t); got.Version != 1 || !got.Slot.Equal(late.Slot) {
		t.Errorf("a refused move changed the promise: %+v", got)
	}
	inside := get(db.Promises().Promises(ctx, callback.Filter{Until: noon.Add(time.Second)}))(t)[0].ID
	must(t, move(inside, 4))
	must(t, move(late.ID, 0))
	slotsAreTrue(t, db)
	if out := get(db.SMS().Outbox(ctx, 0))(t); len(out) != 2 {
		t.Errorf("%d messages are kept, want those of two moves", len(out))
	}
}

// slotsAreTrue compares the count of slots with the promises themselves.
func slotsAreTrue(t testing.TB, db *store.DB) {
	t.Helper()
	want := map[string]map[time.Time]int{}
	for _, p := range get(db.Promises().Promises(t.Context(), callback.Filter{Limit: 1000}))(t) {
		if p.State.Live() && !p.Slot.IsZero() {
			if want[p.Queue] == nil {
				want[p.Queue] = map[time.Time]int{}
			}
			want[p.Queue][p.Slot]++
		}
	}
	for _, q := range []string{"passeports", "titres"} {
		got := get(db.Promises().Taken(t.Context(), q, time.Time{}, noon.Add(1000*time.Hour)))(t)
		if w := want[q]; len(got) != len(w) || (len(w) > 0 && !reflect.DeepEqual(got, w)) {
			t.Fatalf("queue %s: the slots taken are said to be %v and are %v", q, got, w)
		}
	}
}

func changePromise(t *testing.T, e Engine) {
	ctx := t.Context()
	db := Open(t, e.URL(t))
	ps := db.Promises()
	ask(t, db, slotPromise(1, 0), placePromise(2, 0))
	must(t, db.SMS().Enqueue(ctx, text("reminder", citizen(1)), text("other", citizen(1))))
	boom := errors.New("no")
	_, err := ps.Change(ctx, slotPromise(1, 0).ID, 0, func(p *callback.Promise) (callback.Change, error) {
		p.Reason = "changed"
		return callback.Change{Drop: []string{"reminder"}}, boom
	})
	if !errors.Is(err, boom) {
		t.Errorf("the error of fn is %v", err)
	}
	if got := get(ps.Promise(ctx, slotPromise(1, 0).ID))(t); got.Version != 1 || got.Reason != "retrait" {
		t.Errorf("a change that failed is kept: %+v", got)
	}
	before := time.Now().Add(-time.Second)
	got := get(ps.Change(ctx, slotPromise(1, 0).ID, 0, func(p *callback.Promise) (callback.Change, error) {
		p.State, p.SettledBy, p.Node = callback.Cancelled, "sms", "n1"
		return callback.Change{
			Drop: []string{"reminder", "never.there"},
			Send: []sms.Message{text("cancelled:1", p.Number), text("other", p.Number)},
		}, nil
	}))(t)
	if got.Version != 2 || got.Node != "" || got.Settled.Before(before) || got.Settled.After(time.Now().Add(time.Second)) {
		t.Errorf("a settled promise is %+v", got)
	}
	if again := get(ps.Promise(ctx, got.ID))(t); again != got {
		t.Errorf("it is read again as %+v, want %+v", again, got)
	}
	states := map[string]sms.State{}
	for _, m := range get(db.SMS().Outbox(ctx, 0))(t) {
		states[m.Key] = m.State
	}
	if want := (map[string]sms.State{"reminder": sms.Dropt, "other": sms.Queued, "cancelled:1": sms.Queued}); !reflect.DeepEqual(states, want) {
		t.Errorf("the messages are %v, want %v", states, want)
	}
	if _, err := ps.Change(ctx, "nothing", 0, settle(callback.Kept)); !errors.Is(err, callback.ErrNoPromise) {
		t.Errorf("a change of nothing: %v", err)
	}
	at := noon.Add(time.Minute)
	got = get(ps.Change(ctx, placePromise(2, 0).ID, 0, func(p *callback.Promise) (callback.Change, error) {
		p.State, p.Settled = callback.Answered, at
		return callback.Change{}, nil
	}))(t)
	if !got.Settled.Equal(at) {
		t.Errorf("the time that fn sets is %s", got.Settled)
	}
	_, err = ps.Change(ctx, got.ID, 0, func(p *callback.Promise) (callback.Change, error) {
		p.Number = citizen(9)
		return callback.Change{}, nil
	})
	if err == nil || strings.Contains(err.Error(), "39980009") {
		t.Errorf("a promise is given another number: %v", err)
	}
	slotsAreTrue(t, db)
}

func concurrentChanges(t *testing.T, e Engine) {
	ctx := t.Context()
	db := Open(t, e.URL(t))
	ask(t, db, slotPromise(1, 0), slotPromise(2, 1))
	var wg sync.WaitGroup
	for g := range 20 {
		wg.Go(func() {
			// Two promises swap the same two slots, from both sides.
			_, err := db.Promises().Change(ctx, slotPromise(1+g%2, 0).ID, 2, func(p *callback.Promise) (callback.Change, error) {
				p.Tries++
				if p.Slot.Equal(noon) {
					p.Slot = noon.Add(15 * time.Minute)
				} else {
					p.Slot = noon
				}
				return callback.Change{}, nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i := range 2 {
		p := get(db.Promises().Promise(ctx, slotPromise(1+i, 0).ID))(t)
		if p.Tries != 10 || p.Version != 11 || !p.Slot.Equal(slotPromise(1+i, i).Slot) {
			t.Errorf("after ten changes each: %+v", p)
		}
	}
	slotsAreTrue(t, db)
}

func lockedPromise(t *testing.T, e Engine) {
	url := e.URL(t)
	db := Open(t, url)
	unlock := e.Lock(t, url)
	defer unlock()
	short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, made, err := db.Promises().Ask(short, slotPromise(1, 0), callback.Bounds{}, callback.Change{}); err == nil || made {
		t.Errorf("a promise is said to be kept in a locked database: %v", err)
	} else if strings.Contains(err.Error(), "39980001") {
		t.Errorf("the error has the number: %v", err)
	}
	done := make(chan error, 1)
	go func() {
		_, made, err := db.Promises().Ask(t.Context(), slotPromise(2, 0), callback.Bounds{Slot: 1},
			callback.Change{Send: []sms.Message{text("two", citizen(2))}})
		if err == nil && !made {
			err = errors.New("it is said to be there already")
		}
		done <- err
	}()
	select {
	case err := <-done:
		t.Errorf("a promise is said to be kept in a locked database: %v", err)
		done <- err
	case <-time.After(1200 * time.Millisecond): // longer than one try waits for the lock
	}
	unlock()
	must(t, <-done)
	if all := get(db.Promises().Promises(t.Context(), callback.Filter{}))(t); len(all) != 1 || all[0].ID != slotPromise(2, 0).ID {
		t.Errorf("%d promises are kept, want the one that waited", len(all))
	}
	slotsAreTrue(t, db)
}

func listsPromises(t *testing.T, e Engine) {
	ctx := t.Context()
	db := Open(t, e.URL(t))
	early := placePromise(4, 0)
	early.Joined = noon.Add(-time.Hour)
	other := placePromise(3, 2*time.Minute)
	other.Queue = "titres"
	ask(t, db, placePromise(1, time.Minute), placePromise(2, 0), other, early)
	get(db.Promises().Change(ctx, placePromise(1, 0).ID, 0, settle(callback.Kept)))(t)
	for _, c := range []struct {
		what string
		f    callback.Filter
		want string
	}{
		{"all, by Due then Joined then id", callback.Filter{}, "4 2 1 3"},
		{"by state", callback.Filter{States: []callback.State{callback.Kept, callback.Cancelled}}, "1"},
		{"by states", callback.Filter{States: []callback.State{callback.Kept, callback.Pending}}, "4 2 1 3"},
		{"by number", callback.Filter{Number: citizen(2)}, "2"},
		{"by queue", callback.Filter{Queue: "titres"}, "3"},
		{"by time", callback.Filter{From: noon.Add(time.Minute), Until: noon.Add(2 * time.Minute)}, "1"},
		{"all of it", callback.Filter{States: []callback.State{callback.Pending}, Queue: "passeports", From: noon, Until: noon.Add(time.Hour), Limit: 1}, "4"},
	} {
		var got []string
		for _, p := range get(db.Promises().Promises(ctx, c.f))(t) {
			got = append(got, strings.TrimLeft(string(p.ID), "P0"))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, want %s", c.what, got, c.want)
		}
	}
	for _, node := range []string{"n1", "n2"} {
		get(db.Promises().TakeDue(ctx, node, []string{"titres", "passeports"}, noon.Add(time.Minute), 1))(t)
	}
	for want, f := range map[string]callback.Filter{
		"4":   {Node: "n1", States: []callback.State{callback.InLine}},
		"2":   {Node: "n2", States: []callback.State{callback.InLine, callback.Calling}},
		"4 2": {States: []callback.State{callback.InLine}},
		"":    {Node: "n3", States: []callback.State{callback.InLine}},
	} {
		var got []string
		for _, p := range get(db.Promises().Promises(ctx, f))(t) {
			got = append(got, strings.TrimLeft(string(p.ID), "P0"))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("by node, %+v: %v, want %s", f, got, want)
		}
	}
	for _, node := range []string{"n1", "n2"} {
		get(db.Promises().Release(ctx, node))(t)
	}
	counts, late, err := db.Promises().Counts(ctx, noon.Add(61*time.Minute))
	if want := (map[callback.State]int{callback.Pending: 3}); err != nil || !reflect.DeepEqual(counts, want) || late != 2 {
		t.Errorf("counts %v, %d late, %v; want %v and 2", counts, late, err, want)
	}
}

// promiseStandings are at noon, of promises that are due by a quarter past.
func promiseStandings(t *testing.T, e Engine) {
	ctx := t.Context()
	db := Open(t, e.URL(t))
	n := 0
	promise := func(queue string, due, by time.Duration, state callback.State) {
		n++
		p := placePromise(n, due)
		p.Queue, p.By = queue, noon.Add(by)
		ask(t, db, p)
		if state != callback.Pending {
			get(db.Promises().Change(ctx, p.ID, 0, func(p *callback.Promise) (callback.Change, error) {
				p.State = state
				return callback.Change{}, nil
			}))(t)
		}
	}
	const quarter = 15 * time.Minute
	promise("passeports", -time.Hour, quarter, callback.Pending)                  // has more than a quarter of an hour
	promise("passeports", -time.Hour, quarter-time.Millisecond, callback.Pending) // at risk
	promise("passeports", 0, 0, callback.InLine)                                  // at risk, at its last moment
	promise("passeports", 0, time.Minute, callback.Calling)                       // is being kept
	promise("passeports", -time.Hour, -time.Millisecond, callback.Pending)        // late
	promise("passeports", -time.Hour, -time.Minute, callback.Calling)             // late, though it is being kept
	promise("passeports", -time.Hour, -time.Minute, callback.Kept)
	promise("passeports", quarter, time.Minute, callback.Pending) // its next try is later
	promise("titres", quarter-time.Millisecond, time.Hour, callback.Pending)
	for range 120 { // more than a list has
		promise("titres", 0, time.Minute, callback.Pending)
	}
	got := get(db.Promises().Standings(ctx, noon, noon.Add(quarter)))(t)
	want := map[string]callback.Standing{"passeports": {Due: 6, AtRisk: 2, Late: 2}, "titres": {Due: 121, AtRisk: 120}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the promises stand as %+v, want %+v", got, want)
	}
}
