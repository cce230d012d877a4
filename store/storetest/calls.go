package storetest

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"

	"decroche/call"
)

func checkpoint(id string, arrived time.Time) call.Checkpoint {
	return call.Checkpoint{Call: call.ID(id), Step: "queue", At: arrived, Info: call.Info{ID: call.ID(id), Arrived: arrived}}
}

func checkpointRoundTrip(t *testing.T, e Engine) {
	db := Open(t, e.URL(t))
	epoch := get(db.AcquireEpoch(t.Context(), "n1"))(t)
	want := call.Checkpoint{
		Call: "1700000000.1", Epoch: epoch, Step: "queue", At: noon,
		State: json.RawMessage(`{"queue":"passeports","text":"é'\""}`),
		Info: call.Info{
			ID: "1700000000.1", From: "+33639980001", To: "+33199003939", Arrived: noon.Add(-time.Minute),
			Trunk: "op1", Resumed: true, HeldByDialplan: 3 * time.Second,
		},
	}
	must(t, db.Checkpoints().Save(t.Context(), want))
	got := get(db.Checkpoints().Open(t.Context()))(t)
	if len(got) != 1 || !reflect.DeepEqual(got[0], want) {
		t.Fatalf("got %+v, want %+v", got, want)
	}
}

func lastChangeWins(t *testing.T, e Engine) {
	ctx := t.Context()
	db := Open(t, e.URL(t))
	get(db.AcquireEpoch(ctx, "n1"))(t)
	cps := db.Checkpoints()
	steps := func() map[call.ID]string {
		m := map[call.ID]string{}
		for _, cp := range get(cps.Open(ctx))(t) {
			m[cp.Call] = cp.Step
		}
		return m
	}
	save := func(id, step string) {
		cp := checkpoint(id, noon)
		cp.Step = step
		must(t, cps.Save(ctx, cp))
	}
	save("a", "one")
	save("a", "two")
	save("b", "one")
	must(t, cps.Delete(ctx, "b"))
	must(t, cps.Delete(ctx, "c"))
	save("c", "again")
	if got, want := steps(), (map[call.ID]string{"a": "two", "c": "again"}); !reflect.DeepEqual(got, want) {
		t.Fatalf("inside a group: got %v, want %v", got, want)
	}
	must(t, cps.Delete(ctx, "a"))
	save("b", "back")
	save("c", "three")
	if got, want := steps(), (map[call.ID]string{"b": "back", "c": "three"}); !reflect.DeepEqual(got, want) {
		t.Fatalf("over groups: got %v, want %v", got, want)
	}
	// More than the largest statement, in one group, then all of them gone.
	for i := range 300 {
		save("many."+itoa(i), "x")
	}
	if n := len(steps()); n != 302 {
		t.Fatalf("%d calls are open, want 302", n)
	}
	for i := range 300 {
		must(t, cps.Delete(ctx, call.ID("many."+itoa(i))))
	}
	if n := len(steps()); n != 2 {
		t.Fatalf("%d calls are open, want 2", n)
	}
	if s := db.Stats().Checkpoints; s.Groups > 20 || s.Pending != 0 {
		t.Errorf("305 saves and 302 deletes took %d transactions, %d pending: they are not grouped", s.Groups, s.Pending)
	}
}

func oldestFirst(t *testing.T, e Engine) {
	db := Open(t, e.URL(t))
	get(db.AcquireEpoch(t.Context(), "n1"))(t)
	for _, id := range []string{"3", "1", "2"} {
		must(t, db.Checkpoints().Save(t.Context(), checkpoint(id, noon.Add(time.Duration(id[0])*time.Second))))
	}
	var order string
	for _, cp := range get(db.Checkpoints().Open(t.Context()))(t) {
		order += string(cp.Call)
	}
	if order != "123" {
		t.Fatalf("the order is %s, want 123", order)
	}
}

func laterEpochFences(t *testing.T, e Engine) {
	ctx, url := t.Context(), e.URL(t)
	old, young := Open(t, url), Open(t, url)
	first := get(old.AcquireEpoch(ctx, "n1"))(t)
	must(t, old.Checkpoints().Save(ctx, checkpoint("a", noon)))
	must(t, old.Checkpoints().Flush(ctx))
	second := get(young.AcquireEpoch(ctx, "n1"))(t)
	if second <= first {
		t.Fatalf("epochs %d then %d: they must rise", first, second)
	}
	cp := checkpoint("a", noon)
	cp.Step = "by the old one"
	must(t, old.Checkpoints().Save(ctx, cp)) // it cannot know yet
	select {
	case <-old.Fenced():
	case <-time.After(10 * time.Second):
		t.Fatal("the old holder is not told")
	}
	if err := old.Checkpoints().Save(ctx, cp); !errors.Is(err, call.ErrFenced) {
		t.Errorf("save after that: %v, want ErrFenced", err)
	}
	if err := old.Checkpoints().Delete(ctx, "a"); !errors.Is(err, call.ErrFenced) {
		t.Errorf("delete after that: %v, want ErrFenced", err)
	}
	if _, err := old.Checkpoints().Open(ctx); !errors.Is(err, call.ErrFenced) {
		t.Errorf("open after that: %v, want ErrFenced", err)
	}
	got := get(young.Checkpoints().Open(ctx))(t)
	if len(got) != 1 || got[0].Step != "queue" {
		t.Errorf("the young holder finds %+v, want the call as it was before", got)
	}
	stale := checkpoint("a", noon)
	stale.Epoch = first
	if err := young.Checkpoints().Save(ctx, stale); !errors.Is(err, call.ErrFenced) {
		t.Errorf("a checkpoint with the old epoch is taken: %v, want ErrFenced", err)
	}
	select {
	case <-young.Fenced():
		t.Error("the young holder is told to let go")
	default:
	}
}

func nodesApart(t *testing.T, e Engine) {
	ctx, url := t.Context(), e.URL(t)
	a, b, tool := Open(t, url), Open(t, url), Open(t, url)
	get(a.AcquireEpoch(ctx, "a"))(t)
	get(b.AcquireEpoch(ctx, "b"))(t)
	must(t, a.Checkpoints().Save(ctx, checkpoint("on-a", noon)))
	must(t, b.Checkpoints().Save(ctx, checkpoint("on-b", noon)))
	must(t, b.Checkpoints().Flush(ctx))
	if got := get(a.Checkpoints().Open(ctx))(t); len(got) != 1 || got[0].Call != "on-a" {
		t.Errorf("node a lists %+v, want its own call", got)
	}
	if got := get(tool.Checkpoints().Open(ctx))(t); len(got) != 2 {
		t.Errorf("without a node %d calls are listed, want 2", len(got))
	}
	if _, err := a.AcquireEpoch(ctx, "c"); err == nil {
		t.Error("a second epoch is given to the same process")
	}
}

func epochFirst(t *testing.T, e Engine) {
	db := Open(t, e.URL(t))
	if err := db.Checkpoints().Save(t.Context(), checkpoint("a", noon)); err == nil {
		t.Error("a checkpoint is taken without an epoch")
	}
	get(db.AcquireEpoch(t.Context(), "n"))(t)
	cp := checkpoint("a", noon)
	cp.Epoch = 7
	if err := db.Checkpoints().Save(t.Context(), cp); err == nil {
		t.Error("a checkpoint is taken with an epoch from nowhere")
	}
}
