package ivr

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"decroche/call"
	"decroche/callback"
	"decroche/routing"
)

// of the facts of one call, these kinds in their order.
func (j *journal) told(id call.ID, kinds ...call.EventKind) (list []call.EventKind) {
	synctest.Wait()
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, e := range j.events {
		if e.Call == id && slices.Contains(kinds, e.Kind) {
			list = append(list, e.Kind)
		}
	}
	return list
}

var talkKinds = []call.EventKind{
	call.EventConnected, call.EventTransferred, call.EventTalkEnded, call.EventWrapped, call.EventEnded,
}

// says fails the test unless the call's conversations were told so, and then nothing more.
func (s *stage) says(id call.ID, want ...call.EventKind) {
	s.t.Helper()
	if got := s.facts.told(id, talkKinds...); !slices.Equal(got, want) {
		s.t.Errorf("of call %s the journal says %q, want %q", id, got, want)
	}
}

// teams gives the agents of the stage a team each: north and south.
func (s *stage) teams() {
	s.floor.SetRoster([]routing.Agent{
		{ID: "2001", Team: "nord", Skills: map[string]int{"accueil": 3}},
		{ID: "2002", Team: "sud", Skills: map[string]int{"accueil": 2, "titres": 2}},
	})
}

func TestAConversationIsToldWithTheTeamTheQueueTheWaitAndTheLevels(t *testing.T) {
	play(t, func(s *stage) {
		s.teams()
		c := s.busy("2001")
		s.signIn("2002")
		time.Sleep(50 * time.Second)
		talked := time.Since(c.visit.Connected)
		c.leg().moved <- "2002"
		time.Sleep(30 * time.Second)
		c.hangsUp()
		time.Sleep(time.Minute)
		s.says(c.info.ID, call.EventConnected, call.EventTransferred, call.EventWrapped, call.EventTalkEnded, call.EventEnded, call.EventWrapped)

		connected := s.facts.of(call.EventConnected)[0]
		wait := connected["wait_ms"].(float64)
		if connected["agent"] != "2001" || connected["team"] != "nord" || connected["queue"] != "accueil" || wait < 1000 || wait > 10_000 {
			t.Errorf("connected: %v", connected)
		}
		passed := s.facts.of(call.EventTransferred)[0]
		if passed["agent"] != "2001" || passed["to"] != "2002" || passed["team"] != "sud" || passed["how"] != "consulted" ||
			passed["from_level"] != 3.0 || passed["to_level"] != 2.0 {
			t.Errorf("transferred: %v", passed)
		}
		ended := s.facts.of(call.EventTalkEnded)[0]
		if ended["agent"] != "2002" || ended["by"] != "caller" || ended["talk_ms"] != 30_000.0 {
			t.Errorf("talk ended: %v; the first of the two had talked for %v", ended, talked)
		}
		for i, want := range []string{"2001", "2002"} {
			if w := s.facts.of(call.EventWrapped)[i]; w["agent"] != want || w["wrap_ms"] != 5_000.0 {
				t.Errorf("wrapped: %v, want 5 s of %s", w, want)
			}
		}
	})
}

func TestAQueueThatNeedsNoSkillHasNoLevels(t *testing.T) {
	play(t, func(s *stage) {
		v := &Visit{Queue: "accueil", def: s.def.Load()}
		v.def.Queues["accueil"].Needs = nil
		if got := v.level(routing.Agent{Skills: map[string]int{"accueil": 3}}); got != 0 {
			t.Errorf("the level is %d", got)
		}
		v.def.Queues["accueil"].Needs = map[string]int{"titres": 2, "accueil": 1, "autre": 2}
		if got := v.level(routing.Agent{Skills: map[string]int{"accueil": 3, "autre": 4, "titres": 5}}); got != 4 {
			t.Errorf("of the skills asked most of, the first by name has level %d, want 4", got)
		}
	})
}

func TestEachConversationIsEndedOnceWhoeverEndsIt(t *testing.T) {
	for name, test := range map[string]struct {
		end func(c *fake, g *fakeLeg)
		by  string
		why any
	}{
		"the caller":       {func(c *fake, _ *fakeLeg) { c.hangsUp() }, "caller", nil},
		"the agent":        {func(_ *fake, g *fakeLeg) { close(g.leave) }, "agent", nil},
		"a line that cuts": {func(c *fake, _ *fakeLeg) { c.leaves(call.ErrCutOff) }, "caller", nil},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *stage) {
				c := s.busy("2001")
				time.Sleep(time.Minute)
				test.end(c, c.leg())
				<-c.over
				time.Sleep(time.Minute)
				if got := s.facts.told(c.info.ID, call.EventConnected, call.EventTalkEnded, call.EventEnded); !slices.Equal(got,
					[]call.EventKind{call.EventConnected, call.EventTalkEnded, call.EventEnded}) {
					t.Errorf("the journal says %q", got)
				}
				ended := s.facts.of(call.EventTalkEnded)[0]
				if ended["agent"] != "2001" || ended["by"] != test.by || ended["why"] != test.why || ended["talk_ms"].(float64) < 60_000 {
					t.Errorf("the journal says %v", ended)
				}
				if n := len(s.facts.of(call.EventWrapped)); n != 1 {
					t.Errorf("%d wrap-ups are told", n)
				}
			})
		})
	}
}

func TestAConversationThatTheExchangeBreaksIsEndedToo(t *testing.T) {
	play(t, func(s *stage) {
		s.signIn("2001")
		c := s.caller(general)
		c.failing = func(what string) error {
			if what == "bridge" {
				return errors.New("no bridge")
			}
			return nil
		}
		c.types("1")
		c.begin(StepGreet, new(Visit))
		<-c.over
		time.Sleep(time.Minute)
		if got := s.facts.told(c.info.ID, call.EventConnected, call.EventTalkEnded, call.EventEnded); len(got) != 3 {
			t.Errorf("the journal says %q", got)
		}
		if ended := s.facts.of(call.EventTalkEnded); len(ended) != 1 || ended[0]["agent"] != "2001" || ended[0]["why"] != "exchange_failed" {
			t.Errorf("the journal says %v", ended)
		}
	})
}

func TestAConversationThatGoesOnOverARestartIsToldOnce(t *testing.T) {
	play(t, func(s *stage) {
		s.signIn("2001")
		c := s.dial(general, "1")
		time.Sleep(10 * time.Second)
		again := s.restart(s.restart(c)[0])[0]
		again.hangsUp()
		s.says(c.info.ID, call.EventConnected, call.EventTalkEnded, call.EventEnded)
	})
}

func TestAConversationWhoseAgentIsGoneAfterARestartEndsWithWhatIsKnown(t *testing.T) {
	play(t, func(s *stage) {
		s.signIn("2001")
		c := s.dial(general, "1")
		time.Sleep(40 * time.Second)
		c.leg().Release(t.Context())
		after := s.restart(c)[0]
		after.ends(call.Answered, call.ReasonAgentHungUp)
		ended := s.facts.of(call.EventTalkEnded)
		if len(ended) != 1 || ended[0]["agent"] != "2001" || ended[0]["by"] != "agent" || ended[0]["why"] != "controller_was_down" || ended[0]["talk_ms"].(float64) < 20_000 {
			t.Errorf("the journal says %v", ended)
		}
	})
}

// The controller dies after the checkpoint, and before the journal: what the checkpoint has is
// told by the next one, who finds the agent there, or gone, or the caller gone.
func TestAConversationThatTheJournalDoesNotKnowIsToldByTheNextController(t *testing.T) {
	for name, test := range map[string]struct {
		then func(s *stage, c *fake)
		want []call.EventKind
	}{
		"who finds both": {func(s *stage, c *fake) {
			s.resume(c).hangsUp()
		}, []call.EventKind{call.EventConnected, call.EventTalkEnded, call.EventEnded}},
		"who finds the caller": {func(s *stage, c *fake) {
			c.leg().Release(t.Context())
			s.resume(c).ends(call.Answered, call.ReasonAgentHungUp)
		}, []call.EventKind{call.EventConnected, call.EventTalkEnded, call.EventEnded}},
		"who finds nobody": {func(s *stage, c *fake) {
			cp, _ := s.saved.of(c.info.ID)
			v := new(Visit)
			if err := json.Unmarshal(cp.State, v); err != nil {
				s.t.Fatal(err)
			}
			at := time.Now()
			s.journey.LeftTalking(cp.Call, v, cp.Step, at)
			s.journey.LeftTalking("another", v, StepQueue, at)   // nobody talked there
			s.journey.LeftTalking("another", v, StepGoodbye, at) // and here it was told before
		}, []call.EventKind{call.EventConnected, call.EventTalkEnded}},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *stage) {
				s.teams()
				c := s.busy("2001")
				c.cancel(call.ErrDetach)
				<-c.over
				s.floor.Close()
				cp, _ := s.saved.of(c.info.ID)
				v := new(Visit)
				if err := json.Unmarshal(cp.State, v); err != nil {
					t.Fatal(err)
				}
				v.Talking = "" // as it was saved before they talked
				cp.State, _ = json.Marshal(v)
				if err := s.saved.Save(t.Context(), cp); err != nil {
					t.Fatal(err)
				}
				s.facts.mu.Lock()
				s.facts.events = nil
				s.facts.mu.Unlock()
				s.start()
				s.teams()
				test.then(s, c)
				s.says(c.info.ID, test.want...)
				s.says("another")
				if f := s.facts.of(call.EventConnected); len(f) != 1 || f[0]["agent"] != "2001" || f[0]["team"] != "nord" {
					t.Errorf("the journal says %v", f)
				}
			})
		})
	}
}

func TestACallThatWePlaceIsToldUnderItsOwnID(t *testing.T) {
	play(t, func(s *stage) {
		c := s.recall(nil)
		time.Sleep(17 * time.Second) // whisper, ringing, hello
		c.types("1")
		time.Sleep(time.Minute)
		if a, _ := s.floor.Agent("2001"); a.State != routing.Talking || a.Call != c.info.ID {
			t.Fatalf("the agent is %s on %q", a.State, a.Call)
		}
		c.hangsUp()
		if got := c.visit.Recall.Outcome(); got != callback.Connected {
			t.Errorf("the attempt ended %s", got)
		}
		time.Sleep(time.Minute)
		s.says(c.info.ID, call.EventConnected, call.EventTalkEnded, call.EventEnded, call.EventWrapped)
		s.says("cb-P1")
	})
}
