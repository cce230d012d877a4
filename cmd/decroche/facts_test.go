package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"decroche/call"
	"decroche/ivr"
	"decroche/metrics"
	"decroche/routing"
	"decroche/service"
	"decroche/store"
)

// essai is the service of the end-to-end tests, with a number for professionals.
func essai(t *testing.T) *service.Definition {
	t.Helper()
	def, err := service.ParseFile(filepath.Join("..", "..", "e2e", "testdata", "service.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range def.Numbers {
		if def.Numbers[i].Number == "+33199003942" {
			def.Numbers[i].Public = "professional"
		}
	}
	return def
}

func TestWhatIsKnownOfACallThatComesIn(t *testing.T) {
	def := essai(t)
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) // a Monday; the line is open for a minute of the night
	for name, test := range map[string]struct {
		info call.Info
		want map[string]any
	}{
		"on a number that is always open": {
			call.Info{From: "+33639980001", To: "+33199003939", Trunk: "operator", Arrived: noon, HeldByDialplan: 3 * time.Second},
			map[string]any{"from": "+33639980001", "to": "+33199003939", "trunk": "operator", "withheld": false, "held_by_dialplan_ms": int64(3000), "service": "essai", "public": "general", "open": true},
		},
		"outside the hours": {call.Info{To: "+33199003941", Arrived: noon}, map[string]any{"service": "essai", "open": false}},
		"within them":       {call.Info{To: "+33199003941", Arrived: noon.Add(-10 * time.Hour)}, map[string]any{"open": true}},
		"of professionals":  {call.Info{To: "+33199003942", Arrived: noon}, map[string]any{"public": "professional", "open": true}},
		"withheld":          {call.Info{From: call.Withheld, To: "+33199003939", Arrived: noon}, map[string]any{"withheld": true}},
		"on another number": {call.Info{To: "+33199003999", Arrived: noon}, map[string]any{"service": "", "public": "general", "open": false}},
	} {
		got := arrival(def, test.info)
		for key, want := range test.want {
			if got[key] != want {
				t.Errorf("%s: %s is %v (%T), want %v", name, key, got[key], got[key], want)
			}
		}
	}
}

// office is a controller of which only the journal, the floor and the journey are there.
type office struct {
	*server
	t *testing.T
}

func newOffice(t *testing.T) office {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	db, err := store.Open(t.Context(), store.Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "d.db"), DataDir: t.TempDir(), Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	s := &server{log: quiet, db: db, began: time.Now()}
	s.def.Store(essai(t))
	s.live = metrics.NewLive(db.Journal())
	s.floor = routing.NewFloor(routing.Options{})
	t.Cleanup(s.close)
	s.floor.SetRoster([]routing.Agent{{ID: "2001", Team: "nord"}})
	s.journey = &ivr.Journey{Service: s.def.Load, Floor: s.floor, Journal: s.live, Log: quiet}
	return office{s, t}
}

// before is what the controller before this one has written, some time ago.
func (o office) before(id call.ID, ago time.Duration, kind call.EventKind, data map[string]any) {
	e := call.NewEvent(id, kind, data)
	e.At = o.began.Add(-ago)
	o.live.Append(e)
	o.flush()
}

func (o office) flush() {
	o.t.Helper()
	if err := o.db.Journal().Flush(o.t.Context()); err != nil {
		o.t.Fatal(err)
	}
}

// told lists the facts of a call.
func (o office) told(id call.ID) (list []string) {
	o.t.Helper()
	o.flush()
	err := o.db.Journal().Read(o.t.Context(), store.Filter{Call: id}, func(e store.Entry) error {
		var d struct {
			Agent, By, Why, Promise string
			TalkMS                  *int64 `json:"talk_ms"`
		}
		if err := json.Unmarshal(e.Data, &d); err != nil {
			return err
		}
		fact := string(e.Kind)
		if d.TalkMS != nil {
			fact += fmt.Sprintf(" %s by %s (%s) after %v", d.Agent, d.By, d.Why, (time.Duration(*d.TalkMS) * time.Millisecond).Round(time.Second))
		}
		list = append(list, strings.TrimSpace(fact+" "+d.Promise))
		return nil
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return list
}

// left is the checkpoint of a call in which agent 2001 talked ten minutes before the start.
func (o office) left(id call.ID, change func(*ivr.Visit)) call.Checkpoint {
	o.t.Helper()
	v := &ivr.Visit{
		Queue: "accueil", Joined: o.began.Add(-11 * time.Minute), Connected: o.began.Add(-10 * time.Minute), Talking: "2001",
		Leg: &call.LegState{Agent: "2001"},
	}
	if change != nil {
		change(v)
	}
	state, err := json.Marshal(v)
	if err != nil {
		o.t.Fatal(err)
	}
	return call.Checkpoint{Call: id, Step: ivr.StepTalk, State: state, At: v.Connected}
}

func TestACallThatEndedWhileNoControllerWasThereIsToldToItsEndOnce(t *testing.T) {
	connected := func(o office) {
		o.before("c", 10*time.Minute, call.EventConnected, map[string]any{"agent": "2001"})
	}
	for name, test := range map[string]struct {
		before func(o office)
		change func(*ivr.Visit)
		want   []string
	}{
		"its conversation ended with the last sign of life": {
			func(o office) {
				connected(o)
				o.before("another", 4*time.Minute, call.EventArrived, nil)
			}, nil,
			[]string{"connected", "talk_ended 2001 by caller (controller_was_down) after 6m0s", "ended"},
		},
		"nothing was heard since": {
			connected, nil,
			[]string{"connected", "talk_ended 2001 by caller (controller_was_down) after 0s", "ended"},
		},
		"the journal was not told that it began": {
			func(office) {}, func(v *ivr.Visit) { v.Talking = "" },
			[]string{"connected", "talk_ended 2001 by caller (controller_was_down) after 0s", "ended"},
		},
		"the conversation was told": {
			func(o office) {
				connected(o)
				o.before("c", 8*time.Minute, call.EventTalkEnded, map[string]any{"agent": "2001"})
			}, nil,
			[]string{"connected", "talk_ended", "ended"},
		},
		"all was told, and the checkpoint not forgotten": {
			func(o office) {
				connected(o)
				o.before("c", 8*time.Minute, call.EventTalkEnded, map[string]any{"agent": "2001"})
				o.before("c", 8*time.Minute, call.EventEnded, nil)
			}, nil,
			[]string{"connected", "talk_ended", "ended"},
		},
		"a colleague had taken the caller": {
			func(o office) {
				connected(o)
				o.before("c", 9*time.Minute, call.EventTransferred, map[string]any{"agent": "2000", "to": "2001"})
			}, nil,
			[]string{"connected", "transferred", "talk_ended 2001 by caller (controller_was_down) after 1m0s", "ended"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			test.before(o)
			cp := o.left("c", test.change)
			v, err := visitOf(cp)
			if err != nil {
				t.Fatal(err)
			}
			o.tellEnd(t.Context(), cp, v, call.End{Outcome: call.Answered, Reason: call.ReasonControllerDown})
			if got := o.told("c"); !slices.Equal(got, test.want) {
				t.Errorf("the journal says %q, want %q", got, test.want)
			}
		})
	}
}

func TestACallOfOursThatIsGoneIsFirstSaidToBeOurs(t *testing.T) {
	o := newOffice(t)
	cp := o.left("out-P1-x", nil)
	cp.Step, cp.Info.Outgoing, cp.Info.ID = ivr.StepRecallDial, true, "out-P1-x"
	o.tellEnd(t.Context(), cp, &ivr.Visit{Recall: &ivr.Recall{Promise: "P1", Attempt: 1, Contact: "c"}}, call.End{Outcome: call.NotReached})
	if got, want := o.told("out-P1-x"), []string{"calling P1", "ended"}; !slices.Equal(got, want) {
		t.Errorf("the journal says %q, want %q", got, want)
	}
}

func TestTheCallThatAnAgentHadIsFoundInTheJournalAfterARestart(t *testing.T) {
	o := newOffice(t)
	o.before("old", time.Hour, call.EventTalkEnded, map[string]any{"agent": "2001"})
	o.before("c", 60*time.Second, call.EventConnected, map[string]any{"agent": "2000"})
	o.before("c", 30*time.Second, call.EventTransferred, map[string]any{"agent": "2000", "to": "2001"})
	o.before("c", 10*time.Second, call.EventTalkEnded, map[string]any{"agent": "2001"})
	for name, test := range map[string]struct {
		agent call.AgentID
		state routing.AgentState
		ago   time.Duration
		want  call.ID
	}{
		"in wrap-up":                 {"2001", routing.WrapUp, 10 * time.Second, "c"},
		"in wrap-up after passing":   {"2000", routing.WrapUp, 30 * time.Second, "c"},
		"talking":                    {"2000", routing.Talking, 60 * time.Second, "c"},
		"talking after a transfer":   {"2001", routing.Talking, 30 * time.Second, "c"},
		"in a wrap-up of before":     {"2001", routing.WrapUp, time.Hour, "old"},
		"in consultation":            {"2002", routing.Talking, 45 * time.Second, ""},
		"available":                  {"2001", routing.Available, 10 * time.Second, ""},
		"at a moment of nothing":     {"2001", routing.WrapUp, 20 * time.Minute, ""},
		"somebody of the same times": {"2003", routing.WrapUp, 10 * time.Second, ""},
	} {
		a := store.AgentState{ID: test.agent, State: string(test.state), Since: o.began.Add(-test.ago)}
		if got := o.lastCallOf(t.Context(), a); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
	speakers, err := o.speakers(t.Context(), "c")
	if want := []call.AgentID{"2000", "2001"}; err != nil || !slices.Equal(speakers, want) {
		t.Errorf("on the call have talked %q, %v, want %q", speakers, err, want)
	}
	if speakers, err := o.speakers(t.Context(), "nobody's"); err != nil || len(speakers) != 0 {
		t.Errorf("on nobody's call have talked %q, %v", speakers, err)
	}
}
