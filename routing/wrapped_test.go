package routing

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"decroche/call"
	"decroche/service"
)

// wrapped lists what the journal says of wrap-ups that are over: call, agent and length.
func (s story) wrapped() (out []string) {
	s.Helper()
	for _, e := range s.rec.journal() {
		if e.Kind != call.EventWrapped {
			continue
		}
		var d struct {
			Agent call.AgentID
			MS    int64 `json:"wrap_ms"`
		}
		if err := json.Unmarshal(e.Data, &d); err != nil {
			s.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%s by %s in %v", e.Call, d.Agent, time.Duration(d.MS)*time.Millisecond))
	}
	return out
}

// talked is an agent whose conversation of a minute with a caller of queue cni has just ended.
func (s story) talked(agent call.AgentID, id call.ID) {
	s.Helper()
	s.set(agent, Available)
	r := s.agentFor(s.join(id, "cni"), agent)
	r.Connected()
	time.Sleep(time.Minute)
	r.Done(0)
}

func TestEachConversationIsWrappedUpOnceHoweverItsWrapUpEnds(t *testing.T) {
	roster := []Agent{{ID: "2001", Team: "nord", Skills: cni(1)}}
	short := *queueCNI
	short.WrapUp = 0
	for name, test := range map[string]struct {
		queue *service.Queue
		after func(s story)
		want  string
	}{
		"at its time":             {queueCNI, func(story) { time.Sleep(time.Minute) }, "c by 2001 in 30s"},
		"by the agent":            {queueCNI, func(s story) { time.Sleep(10 * time.Second); s.set("2001", WrapUpDone) }, "c by 2001 in 10s"},
		"by a pause":              {queueCNI, func(s story) { time.Sleep(7 * time.Second); s.set("2001", Paused) }, "c by 2001 in 7s"},
		"by going home":           {queueCNI, func(s story) { time.Sleep(8 * time.Second); s.set("2001", SignedOut) }, "c by 2001 in 8s"},
		"by leaving the roster":   {queueCNI, func(s story) { time.Sleep(9 * time.Second); s.SetRoster(nil) }, "c by 2001 in 9s"},
		"in a queue without one":  {&short, func(story) {}, "c by 2001 in 0s"},
		"twice, which is nothing": {queueCNI, func(s story) { s.set("2001", WrapUpDone); s.set("2001", Paused); s.set("2001", Available) }, "c by 2001 in 0s"},
	} {
		t.Run(name, func(t *testing.T) {
			tell(t, []*service.Queue{test.queue}, roster, func(s story) {
				s.talked("2001", "c")
				test.after(s)
				if got := s.wrapped(); !slices.Equal(got, []string{test.want}) {
					t.Errorf("the journal says %q, want %q", got, test.want)
				}
			})
		})
	}
}

func TestAStateAskedForDuringTheCallTakesThePlaceOfTheWrapUp(t *testing.T) {
	tell(t, []*service.Queue{queueCNI}, []Agent{{ID: "2001", Skills: cni(1)}, {ID: "2002", Skills: cni(2)}}, func(s story) {
		s.set("2001", Available)
		r := s.agentFor(s.join("c", "cni"), "2001")
		r.Connected()
		s.set("2001", SignedOut)
		if got := s.wrapped(); got != nil {
			t.Errorf("while they talk the journal says %q", got)
		}
		r.Done(time.Minute)
		if got := s.wrapped(); !slices.Equal(got, []string{"c by 2001 in 0s"}) {
			t.Errorf("the journal says %q", got)
		}
		s.set("2002", Available)
		r = s.agentFor(s.join("d", "cni"), "2002")
		r.Connected()
		s.SetRoster(nil) // on a call: it is let finish
		r.Done(time.Minute)
		if got := s.wrapped(); !slices.Equal(got, []string{"c by 2001 in 0s", "d by 2002 in 0s"}) {
			t.Errorf("of who left the roster in a call the journal says %q", got)
		}
	})
}

func TestWhoPassesACallerOnWrapsUpAndSoDoesTheColleague(t *testing.T) {
	tell(t, []*service.Queue{queueCNI}, []Agent{{ID: "2001", Skills: cni(2)}, {ID: "2002", Skills: cni(1)}}, func(s story) {
		s.set("2001", Available)
		s.set("2002", Available)
		r := s.agentFor(s.join("c", "cni"), "2001")
		r.Connected()
		release, _ := s.ReserveAgent("2002")
		if err := r.TransferTo("2002"); err != nil {
			t.Fatal(err)
		}
		release()
		time.Sleep(time.Minute)
		r.Done(0)
		time.Sleep(time.Minute)
		if got := s.wrapped(); !slices.Equal(got, []string{"c by 2001 in 30s", "c by 2002 in 30s"}) {
			t.Errorf("the journal says %q", got)
		}
	})
}

func TestAConsultationOrARingIsNotWrappedUp(t *testing.T) {
	tell(t, []*service.Queue{queueCNI}, []Agent{{ID: "2001", Skills: cni(2)}}, func(s story) {
		s.set("2001", Available)
		release, _ := s.ReserveAgent("2001")
		release()
		p := s.join("c", "cni")
		s.agentFor(p, "2001").Failed(call.NoAnswer)
		time.Sleep(10 * time.Minute)
		if got := s.wrapped(); got != nil {
			t.Errorf("the journal says %q", got)
		}
	})
}

func TestACallThatWePlaceIsWrappedUpUnderItsOwnIDAndNotThePlaces(t *testing.T) {
	tell(t, []*service.Queue{queueCNI}, []Agent{{ID: "2001", Skills: cni(2)}}, func(s story) {
		s.set("2001", Available)
		r := s.agentFor(s.join("cb-P1", "cni"), "2001")
		r.On("out-P1-x")
		r.Ringing()
		if a := s.is("2001", Ringing); a.Call != "out-P1-x" || a.LastCall != "" {
			t.Errorf("rung, the agent has %q, and had %q", a.Call, a.LastCall)
		}
		r.Connected()
		r.Done(time.Minute)
		if a := s.is("2001", WrapUp); a.Call != "out-P1-x" {
			t.Errorf("the agent wraps up %q", a.Call)
		}
		time.Sleep(time.Minute)
		if got := s.wrapped(); !slices.Equal(got, []string{"out-P1-x by 2001 in 30s"}) {
			t.Errorf("the journal says %q", got)
		}
		if a, ok := s.Agent("2001"); !ok || a.Call != "" || a.LastCall != "out-P1-x" {
			t.Errorf("afterwards the agent is %+v", a)
		}
		if _, ok := s.Agent("2999"); ok {
			t.Error("there is an agent 2999")
		}
	})
}

func TestAWrapUpAndATalkOfBeforeARestartAreWrappedUpOnce(t *testing.T) {
	roster := []Agent{{ID: "2001", Skills: cni(1)}}
	for name, test := range map[string]struct {
		kept  func(now time.Time) AgentStatus
		after func(s story)
		want  []string
	}{
		"the wrap-up goes on": {
			func(now time.Time) AgentStatus {
				return AgentStatus{State: WrapUp, Since: now.Add(-20 * time.Second), Until: now.Add(10 * time.Second), Call: "c"}
			},
			func(story) { time.Sleep(time.Minute) },
			[]string{"c by 2001 in 30s"},
		},
		"it ended meanwhile": {
			func(now time.Time) AgentStatus {
				return AgentStatus{State: WrapUp, Since: now.Add(-time.Hour), Until: now.Add(-59 * time.Minute), Call: "c"}
			},
			func(story) {},
			[]string{"c by 2001 in 1m0s"},
		},
		"of a call that is not known": {
			func(now time.Time) AgentStatus {
				return AgentStatus{State: WrapUp, Since: now, Until: now.Add(10 * time.Second)}
			},
			func(story) { time.Sleep(time.Minute) }, nil,
		},
		"they talk on": {
			func(now time.Time) AgentStatus { return AgentStatus{State: Talking, Since: now, Call: "c"} },
			func(s story) {
				r, err := s.ResumeTalk(Caller{ID: "c", Queue: "cni"}, "2001")
				if err != nil {
					s.Fatal(err)
				}
				time.Sleep(time.Hour)
				if got := s.wrapped(); got != nil {
					s.Errorf("while they talk the journal says %q", got)
				}
				r.Done(0)
				time.Sleep(time.Minute)
			},
			[]string{"c by 2001 in 30s"},
		},
		"the caller had left": {
			func(now time.Time) AgentStatus { return AgentStatus{State: Talking, Since: now, Call: "c"} },
			func(story) { time.Sleep(time.Minute) },
			[]string{"c by 2001 in 0s"},
		},
		"the agent rang": {
			func(now time.Time) AgentStatus { return AgentStatus{State: Ringing, Since: now, Call: "c"} },
			func(story) { time.Sleep(time.Minute) }, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			tell(t, []*service.Queue{queueCNI}, roster, func(s story) {
				if err := s.Restore("2001", test.kept(time.Now())); err != nil {
					t.Fatal(err)
				}
				test.after(s)
				if got := s.wrapped(); !slices.Equal(got, test.want) {
					t.Errorf("the journal says %q, want %q", got, test.want)
				}
				for _, fact := range s.rec.observed() {
					if fact == "service  1h0m0s" {
						t.Errorf("the estimator was told %q of a queue that nobody knows", fact)
					}
				}
			})
		})
	}
}

func TestTheJournalSaysTheTeamOfAnAgentsState(t *testing.T) {
	tell(t, []*service.Queue{queueCNI}, []Agent{{ID: "2001", Team: "nord", Skills: cni(1)}}, func(s story) {
		s.set("2001", Available)
		events := s.rec.journal()
		e := events[len(events)-1]
		if want := `{"agent":"2001","reason":"","state":"available","team":"nord"}`; e.Kind != call.EventAgentState || string(e.Data) != want || e.Call != "" {
			t.Errorf("the journal says %s %q %s, want %s", e.Kind, e.Call, e.Data, want)
		}
	})
}
