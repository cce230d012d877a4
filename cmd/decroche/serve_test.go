package main

import (
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"decroche/call"
	"decroche/e2e/rig"
	"decroche/ivr"
)

func TestConversationsAreTakenUpFirstThenTheLineInItsOrder(t *testing.T) {
	at := func(minute int) time.Time { return time.Date(2026, 3, 2, 9, minute, 0, 0, time.UTC) }
	cp := func(id, step string, arrived int, v ivr.Visit) call.Checkpoint {
		state, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return call.Checkpoint{Call: call.ID(id), Step: step, State: state, Info: call.Info{Arrived: at(arrived)}}
	}
	list := []call.Checkpoint{
		cp("at the menu", ivr.StepMenu, 0, ivr.Visit{}),
		cp("joined third", ivr.StepQueue, 1, ivr.Visit{Joined: at(9)}),
		cp("joined first", ivr.StepQueue, 4, ivr.Visit{Joined: at(5)}),
		cp("talks since later", ivr.StepTalk, 2, ivr.Visit{Joined: at(3), Connected: at(8)}),
		cp("joined second", ivr.StepQueue, 3, ivr.Visit{Joined: at(6)}),
		cp("at the door of the queue", ivr.StepQueue, 8, ivr.Visit{}),
		cp("talks", ivr.StepTalk, 7, ivr.Visit{Joined: at(7), Connected: at(7)}),
		{Call: "unreadable", Step: ivr.StepQueue, State: json.RawMessage("nonsense"), Info: call.Info{Arrived: at(9)}},
	}
	slices.SortStableFunc(list, turn)
	var order []call.ID
	for _, cp := range list {
		order = append(order, cp.Call)
	}
	want := []call.ID{
		"talks", "talks since later", "joined first", "joined second", "joined third",
		"at the menu", "at the door of the queue", "unreadable",
	}
	if !slices.Equal(order, want) {
		t.Errorf("taken up in the order %q, not %q", order, want)
	}
}

func TestControllerLeavesNoGoroutineBehind(t *testing.T) {
	r := rig.Start(t, rig.Options{NoController: true})
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	defer http.DefaultClient.CloseIdleConnections()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	e := &env{
		cli: &cli{Config: r.Config, Data: r.Dir, Cache: cmp.Or(os.Getenv("DECROCHE_CACHE"), "/var/cache/decroche")},
		ctx: ctx, stdout: io.Discard, stderr: io.Discard,
	}
	ended := make(chan error, 1)
	go func() { ended <- serveCmd{}.Run(e) }()
	r.Eventually(60*time.Second, "the controller is ready", r.Ready)
	line := r.Dial("+33199003939", "+33639980001")
	defer line.Phone.Close()
	line.Types("1")
	line.Hears("fr/position.1", 20*time.Second)
	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(15 * time.Second):
		t.Fatal("the controller does not stop")
	}
}
