package storetest

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"decroche/call"
	"decroche/callback"
	"decroche/store"
)

var passports = []string{"passeports"}

func numbers(ps []callback.Promise) string {
	var s []string
	for _, p := range ps {
		s = append(s, strings.TrimLeft(string(p.ID), "P0"))
	}
	return strings.Join(s, " ")
}

func takesDue(t *testing.T, e Engine) {
	ctx := t.Context()
	db := Open(t, e.URL(t))
	ps := db.Promises()
	retry := placePromise(5, -time.Hour) // first in line, but its next try is to come
	retry.Due = noon.Add(10 * time.Minute)
	other := placePromise(6, -2*time.Hour)
	other.Queue = "titres"
	early := placePromise(7, time.Hour) // due before its moment in line
	early.Due = noon.Add(-time.Hour)
	ask(t, db, placePromise(4, 0), placePromise(3, 0), placePromise(1, -time.Minute), placePromise(2, time.Millisecond), retry, other, early)
	take := func(at time.Time, limit int, queues ...string) string {
		t.Helper()
		got := get(ps.TakeDue(ctx, "n1", queues, at, limit))(t)
		for _, p := range got {
			if kept := get(ps.Promise(ctx, p.ID))(t); p.State != callback.InLine || p.Node != "n1" || p.Version != 2 || kept != p {
				t.Errorf("taken as %+v and kept as %+v", p, kept)
			}
		}
		return numbers(got)
	}
	for _, c := range []struct{ got, want string }{
		{take(noon, 0, "passeports"), ""},
		{take(noon, 5), ""},
		{take(noon, 5, "unknown"), ""},
		{take(noon, 2, "passeports"), "1 3"},
		{take(noon, 5, "passeports"), "4 7"},
		{take(noon.Add(10*time.Minute), 5, "titres", "passeports", "titres"), "6 5 2"},
		{take(noon.Add(time.Hour), 5, "titres", "passeports"), ""},
	} {
		if c.got != c.want {
			t.Errorf("taken are %q, want %q", c.got, c.want)
		}
	}
	if n := get(ps.Release(ctx, "n2"))(t); n != 0 {
		t.Errorf("another node gives back %d", n)
	}
	if n := get(ps.Release(ctx, "n1"))(t); n != 7 {
		t.Errorf("%d are given back, want 7", n)
	}
	if p := get(ps.Promise(ctx, retry.ID))(t); p.State != callback.Pending || p.Node != "" || !p.Due.Equal(retry.Due) || p.Version != 3 {
		t.Errorf("given back as %+v", p)
	}
	if got := get(ps.TakeDue(ctx, "n2", passports, noon, 9))(t); numbers(got) != "1 3 4 7" {
		t.Errorf("after that %s are taken, want 1 3 4 7", numbers(got))
	}
}

// takesFromMany holds the second way of finding what is due to the first one's answer.
func takesFromMany(t *testing.T, e Engine) {
	ctx := t.Context()
	db := Open(t, e.URL(t))
	rng := rand.New(rand.NewPCG(1, 2))
	const n = 480
	var wg sync.WaitGroup
	var all []callback.Promise
	for i := range n {
		p := placePromise(i, time.Duration(rng.IntN(3600))*time.Second)
		p.Due = noon.Add(time.Duration(rng.IntN(3600)) * time.Second)
		p.Queue = []string{"passeports", "titres"}[rng.IntN(2)*rng.IntN(2)]
		all = append(all, p)
	}
	for chunk := range slices.Chunk(all, n/6) {
		wg.Go(func() {
			for _, p := range chunk {
				if _, _, err := db.Promises().Ask(ctx, p, callback.Bounds{}, callback.Change{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	now := noon.Add(50 * time.Minute)
	var want []callback.Promise
	for _, p := range all {
		if !p.Due.After(now) {
			want = append(want, p)
		}
	}
	slices.SortFunc(want, func(a, b callback.Promise) int {
		if c := a.Joined.Compare(b.Joined); c != 0 {
			return c
		}
		return strings.Compare(string(a.ID), string(b.ID))
	})
	var got []callback.Promise
	for {
		some := get(db.Promises().TakeDue(ctx, "n", []string{"passeports", "titres"}, now, 60))(t)
		if len(some) == 0 {
			break
		}
		got = append(got, some...)
	}
	if len(want) < 350 || numbers(got) != numbers(want) {
		t.Errorf("%d were taken and %d are due; the order is %s, want %s", len(got), len(want), numbers(got), numbers(want))
	}
}

func nodesTakeApart(t *testing.T, e Engine) {
	ctx, url := t.Context(), e.URL(t)
	a, b := Open(t, url), Open(t, url)
	const n = 120
	for i := range n {
		ask(t, a, placePromise(i, time.Duration(i%9)*time.Second))
	}
	var mu sync.Mutex
	owner := map[callback.ID]string{}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			db, node := a, "a"
			if w%2 == 1 {
				db, node = b, "b"
			}
			for {
				got, err := db.Promises().TakeDue(ctx, node, passports, noon.Add(time.Minute), 1+w)
				if err != nil {
					t.Error(err)
				}
				if err != nil || len(got) == 0 {
					return
				}
				mu.Lock()
				for _, p := range got {
					if owner[p.ID] != "" {
						t.Errorf("%s was given to %s and to %s", p.ID, owner[p.ID], node)
					}
					owner[p.ID] = node
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(owner) != n {
		t.Errorf("%d were taken, want %d", len(owner), n)
	}
}

func attemptLife(t *testing.T, e Engine) {
	ctx, url := t.Context(), e.URL(t)
	db := Open(t, url)
	epoch := get(db.AcquireEpoch(ctx, "n1"))(t)
	ps := db.Promises()
	ask(t, db, slotPromise(1, 0), placePromise(2, 0))
	id := slotPromise(1, 0).ID
	a := callback.Attempt{Promise: id, Call: "out-1", Agent: "2001", Node: "n1", Epoch: epoch, Started: noon}
	refused := func(want error, a callback.Attempt) {
		t.Helper()
		if _, err := ps.Begin(ctx, a); !errors.Is(err, want) {
			t.Errorf("begin: %v, want %v", err, want)
		}
	}
	with := func(change func(*callback.Attempt)) callback.Attempt { b := a; change(&b); return b }
	refused(callback.ErrChanged, a) // it is not in line
	if got := get(ps.TakeDue(ctx, "n1", passports, noon, 9))(t); len(got) != 2 {
		t.Fatalf("%d are due", len(got))
	}
	refused(call.ErrFenced, with(func(b *callback.Attempt) { b.Epoch-- }))
	refused(call.ErrFenced, with(func(b *callback.Attempt) { b.Epoch++ }))
	refused(call.ErrFenced, with(func(b *callback.Attempt) { b.Node = "n2" }))
	refused(callback.ErrNoPromise, with(func(b *callback.Attempt) { b.Promise = "nothing" }))
	begun := get(ps.Begin(ctx, a))(t)
	a.N = 1
	if begun != a {
		t.Errorf("begun as %+v, want %+v", begun, a)
	}
	refused(callback.ErrChanged, a) // it is being called
	if p := get(ps.Promise(ctx, id))(t); p.State != callback.Calling || p.Attempts != 1 || p.Node != "n1" || p.Version != 3 {
		t.Errorf("while called: %+v", p)
	}
	if n := get(ps.Release(ctx, "n1"))(t); n != 1 {
		t.Errorf("%d are given back, want the one in line and not the one called", n)
	}
	// The process dies here.
	must(t, db.Close())
	db = Open(t, url)
	ps = db.Promises()
	if open := get(ps.Open(ctx, "n1"))(t); len(open) != 1 || open[0] != a {
		t.Fatalf("open after a crash: %+v", open)
	}
	if open := get(ps.Open(ctx, "n2"))(t); len(open) != 0 {
		t.Errorf("open on another node: %+v", open)
	}
	ran := 0
	end := func() callback.Promise {
		t.Helper()
		return get(ps.End(ctx, id, 1, noon.Add(time.Minute), callback.Busy, func(p *callback.Promise) (callback.Change, error) {
			ran++
			p.State, p.Tries, p.Due = callback.Pending, p.Tries+1, noon.Add(time.Hour)
			return callback.Change{}, nil
		}))(t)
	}
	first, again := end(), end()
	if ran != 1 || first != again || first.State != callback.Pending || first.Node != "" || first.Tries != 1 || first.Version != 4 {
		t.Errorf("ended %d times: %+v then %+v", ran, first, again)
	}
	if _, err := ps.End(ctx, id, 2, noon, callback.Busy, settle(callback.Kept)); !errors.Is(err, callback.ErrNoPromise) {
		t.Errorf("an attempt that was never begun is ended: %v", err)
	}
	boom := errors.New("no")
	epoch = get(db.AcquireEpoch(ctx, "n1"))(t)
	get(ps.TakeDue(ctx, "n1", passports, noon.Add(time.Hour), 9))(t)
	a.Epoch = epoch
	second := get(ps.Begin(ctx, a))(t)
	_, err := ps.End(ctx, id, second.N, noon, callback.Connected, func(*callback.Promise) (callback.Change, error) { return callback.Change{}, boom })
	if !errors.Is(err, boom) || len(get(ps.Open(ctx, "n1"))(t)) != 1 {
		t.Errorf("an end that fn refuses: %v", err)
	}
	done := get(ps.End(ctx, id, second.N, noon.Add(time.Hour), callback.Connected, settle(callback.Kept)))(t)
	if done.State != callback.Kept || done.Attempts != 2 {
		t.Errorf("kept as %+v", done)
	}
	a.Epoch, a.N = epoch-1, 1
	a.Ended, a.Result = noon.Add(time.Minute), callback.Busy
	second.Ended, second.Result = noon.Add(time.Hour), callback.Connected
	if got, want := get(ps.Attempts(ctx, id))(t), []callback.Attempt{a, second}; !reflect.DeepEqual(got, want) {
		t.Errorf("the attempts are %+v, want %+v", got, want)
	}
	refused(callback.ErrSettled, with(func(b *callback.Attempt) { b.Epoch = epoch }))
	slotsAreTrue(t, db)
}

func beginsOnce(t *testing.T, e Engine) {
	ctx := t.Context()
	db := Open(t, e.URL(t))
	epoch := get(db.AcquireEpoch(ctx, "n"))(t)
	ask(t, db, placePromise(1, 0))
	get(db.Promises().TakeDue(ctx, "n", passports, noon, 1))(t)
	var wg sync.WaitGroup
	errs := make([]error, 20)
	for i := range errs {
		wg.Go(func() {
			_, errs[i] = db.Promises().Begin(ctx, callback.Attempt{Promise: placePromise(1, 0).ID, Call: "out-1", Node: "n", Epoch: epoch, Started: noon})
		})
	}
	wg.Wait()
	begun := 0
	for _, err := range errs {
		if err == nil {
			begun++
		} else if !errors.Is(err, callback.ErrChanged) {
			t.Error(err)
		}
	}
	if begun != 1 || len(get(db.Promises().Open(ctx, "n"))(t)) != 1 {
		t.Errorf("%d attempts were begun, want 1", begun)
	}
}

func fencedDialer(t *testing.T, e Engine) {
	ctx, url := t.Context(), e.URL(t)
	old, young := Open(t, url), Open(t, url)
	get(old.AcquireEpoch(ctx, "n"))(t)
	ask(t, old, placePromise(1, 0), placePromise(2, 0))
	get(young.AcquireEpoch(ctx, "n"))(t)
	if got := get(young.Promises().TakeDue(ctx, "n", passports, noon, 1))(t); len(got) != 1 {
		t.Fatalf("%d were taken", len(got))
	}
	if got, err := old.Promises().TakeDue(ctx, "n", passports, noon, 1); !errors.Is(err, call.ErrFenced) {
		t.Errorf("the old controller takes %+v, %v", got, err)
	}
	if n, err := old.Promises().Release(ctx, "n"); !errors.Is(err, call.ErrFenced) {
		t.Errorf("the old controller gives back %d, %v", n, err)
	}
	if counts, _, _ := young.Promises().Counts(ctx, noon); counts[callback.InLine] != 1 || counts[callback.Pending] != 1 {
		t.Errorf("the promises are %v", counts)
	}
}

// randomDay does random things in random order and holds the count of slots to the promises.
func randomDay(t *testing.T, e Engine) {
	ctx := t.Context()
	db := Open(t, e.URL(t))
	epoch := get(db.AcquireEpoch(ctx, "n"))(t)
	const bound = 3
	for round := range 4 {
		var wg sync.WaitGroup
		for g := range 4 {
			wg.Go(func() {
				rng := rand.New(rand.NewPCG(uint64(round), uint64(g)))
				for i := range 16 {
					if err := randomStep(t, db, rng, epoch, (round*4+g)*16+i, bound); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		slotsAreTrue(t, db)
	}
	for start, n := range get(db.Promises().Taken(ctx, "passeports", noon, noon.Add(100*time.Hour)))(t) {
		if n > bound {
			t.Errorf("slot %s has %d promises, want %d at most", start, n, bound)
		}
	}
}

func randomStep(t *testing.T, db *store.DB, rng *rand.Rand, epoch int64, i, bound int) error {
	ctx, ps := t.Context(), db.Promises()
	var err error
	switch rng.IntN(5) {
	case 0, 1:
		p := slotPromise(i, rng.IntN(6))
		p.Number = citizen(rng.IntN(30))
		_, _, err = ps.Ask(ctx, p, callback.Bounds{Slot: bound}, callback.Change{})
	case 2: // moved, or turned into a place
		p, ok, lerr := ps.Live(ctx, citizen(rng.IntN(30)))
		if !ok {
			return lerr
		}
		to := time.Time{}
		if q := rng.IntN(7); q > 0 {
			to = noon.Add(time.Duration(q-1) * 15 * time.Minute)
		}
		_, err = ps.Change(ctx, p.ID, bound, func(p *callback.Promise) (callback.Change, error) {
			if !p.State.Live() {
				return callback.Change{}, callback.ErrSettled
			}
			p.Slot = to
			return callback.Change{}, nil
		})
	case 3:
		p, ok, lerr := ps.Live(ctx, citizen(rng.IntN(30)))
		if !ok {
			return lerr
		}
		_, err = ps.Change(ctx, p.ID, 0, settle(callback.Cancelled))
	case 4:
		due, terr := ps.TakeDue(ctx, "n", passports, noon.Add(time.Hour), 2)
		for _, p := range due {
			a, err := ps.Begin(ctx, callback.Attempt{Promise: p.ID, Node: "n", Epoch: epoch, Started: noon})
			if errors.Is(err, callback.ErrSettled) || errors.Is(err, callback.ErrChanged) {
				continue
			}
			if err != nil {
				return err
			}
			to := []callback.State{callback.Kept, callback.Pending}[rng.IntN(2)]
			if _, err := ps.End(ctx, p.ID, a.N, noon, callback.Busy, func(p *callback.Promise) (callback.Change, error) {
				if p.State.Live() {
					p.State = to
				}
				return callback.Change{}, nil
			}); err != nil {
				return err
			}
		}
		return terr
	}
	if errors.Is(err, callback.ErrSlotFull) || errors.Is(err, callback.ErrSettled) {
		return nil
	}
	return err
}
