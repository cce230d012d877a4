package storetest

import (
	"errors"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"decroche/plans"
	"decroche/store"
)

func planLife(t *testing.T, e Engine) {
	ctx := t.Context()
	db := Open(t, e.URL(t))
	run := func(by string) plans.Run {
		return plans.Run{Plan: "afflux", From: noon, Until: noon.Add(time.Hour), By: by}
	}
	var started atomic.Int32
	var wg sync.WaitGroup
	for _, by := range []string{"a", "b", "c"} { // two nodes whose rule holds, and an admin
		wg.Go(func() {
			switch _, err := db.StartPlan(ctx, run(by)); {
			case err == nil:
				started.Add(1)
			case !errors.Is(err, plans.ErrRunning):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	on := get(db.PlanRuns(ctx, noon))(t)
	if started.Load() != 1 || len(on) != 1 || !on[0].On(noon) || on[0].On(noon.Add(time.Hour)) || on[0].On(noon.Add(-1)) {
		t.Fatalf("%d were started: %+v", started.Load(), on)
	}
	if again := get(db.StartPlan(ctx, run(on[0].By)))(t); !reflect.DeepEqual(again, on[0]) {
		t.Errorf("a start that comes again is another: %+v", again)
	}
	at := noon.Add(time.Minute)
	for i, want := range []bool{true, true} { // the answer of the first may be lost
		if got := get(db.EndPlan(ctx, on[0].ID, "lou", at))(t); got != want {
			t.Errorf("end %d: %t", i, got)
		}
	}
	if get(db.EndPlan(ctx, on[0].ID, "dom", at.Add(time.Second)))(t) {
		t.Error("a plan that has ended ends again")
	}
	if list := get(db.PlanRuns(ctx, noon))(t); len(list) != 1 || list[0].EndedBy != "lou" || !list[0].Ended.Equal(at) {
		t.Errorf("the log has %+v", list)
	}
	if list := get(db.PlanRuns(ctx, at))(t); len(list) != 0 {
		t.Errorf("what ended is on: %+v", list)
	}
	get(db.StartPlan(ctx, run("d")))(t)
}

func planHeld(t *testing.T, e Engine) {
	ctx, url := t.Context(), e.URL(t)
	db, other := Open(t, url), Open(t, url)
	last := func(db *store.DB, plan string) plans.Run {
		t.Helper()
		list := get(db.LastRuns(ctx))(t)
		i := slices.IndexFunc(list, func(r plans.Run) bool { return r.Plan == plan })
		if i < 0 || len(list) > 2 {
			t.Fatalf("the last runs are %+v", list)
		}
		return list[i]
	}
	start := func(plan string, held time.Time) plans.Run {
		t.Helper()
		return get(db.StartPlan(ctx, plans.Run{Plan: plan, From: noon, Until: noon.Add(time.Hour), By: plans.ByRule, Held: held}))(t)
	}
	if list := get(db.LastRuns(ctx))(t); len(list) != 0 {
		t.Errorf("of no run the last are %+v", list)
	}
	first := start("afflux", noon)
	get(db.EndPlan(ctx, first.ID, plans.ByRule, noon.Add(time.Minute)))(t)
	if last(other, "afflux").Waits() {
		t.Error("a rule waits after it has ended its plan itself")
	}
	second := start("afflux", noon)
	start("panne", time.Time{})
	at := noon.Add(2 * time.Minute)
	held := func(db *store.DB, was, at time.Time, want bool) {
		t.Helper()
		if kept := get(db.PlanHeld(ctx, second.ID, was, at))(t); kept != want {
			t.Errorf("kept: %t", kept)
		}
	}
	held(other, noon, at, true)
	held(db, noon, time.Time{}, false) // it did not know of the other's look
	if r := last(db, "afflux"); r.ID != second.ID || !r.Held.Equal(at) || r.Waits() || !last(db, "panne").Held.IsZero() {
		t.Errorf("one node takes the word of another back: %+v", r)
	}
	get(db.EndPlan(ctx, second.ID, "lou", at))(t)
	if r := last(Open(t, url), "afflux"); !r.Waits() || r.EndedBy != "lou" {
		t.Errorf("a controller that begins does not know what was ended by hand: %+v", r)
	}
	held(other, at, time.Time{}, true)
	held(db, at, at.Add(time.Second), false)
	if r := last(db, "afflux"); r.Waits() || !r.Held.IsZero() {
		t.Errorf("when its cause has ceased its rule waits still: %+v", r)
	}
}
