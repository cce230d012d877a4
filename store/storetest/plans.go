package storetest

import (
	"errors"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"decroche/plans"
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
