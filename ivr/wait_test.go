package ivr

import (
	"context"
	"strings"
	"testing"
	"time"

	"decroche/call"
	"decroche/routing"
)

// waiting is a caller who stands in the queue accueil and has just heard it.
func (s *stage) waiting(within time.Duration) *fake {
	s.t.Helper()
	c := s.dial(general, "1")
	time.Sleep(within)
	if !slicesHas(c.names(), "fr/queue.joined") {
		s.t.Fatalf("the caller should be in line, heard %v", c.names())
	}
	return c
}

// ranges keeps what was said of time.
func ranges(names []string) (list []string) {
	for _, n := range names {
		if strings.HasPrefix(n, "fr/wait.") {
			list = append(list, strings.TrimPrefix(n, "fr/"))
		}
	}
	return list
}

// busy signs an agent in who talks to somebody else.
func (s *stage) busy(agent call.AgentID) *fake {
	s.t.Helper()
	s.signIn(agent)
	c := s.dial(general, "1")
	time.Sleep(10 * time.Second)
	c.leg().is(true, false)
	return c
}

func TestTheWaitIsToldOnEntryThenPeriodicallyWithMusicBetween(t *testing.T) {
	play(t, func(s *stage) {
		s.busy("2001")
		c := s.waiting(7 * time.Second)
		c.hears("fr/queue.joined", "fr/position.1", "fr/wait.under5")
		time.Sleep(20 * time.Second) // music
		c.hears()
		time.Sleep(10 * time.Second)
		got := c.names()
		if len(got) != 2 || got[0] != "fr/position.1" {
			t.Errorf("after half a minute the caller hears %q", got)
		}
		if said := s.facts.of(call.EventAnnounced); len(said) < 2 || said[len(said)-1]["rung"] == nil || said[len(said)-1]["position"] != 1.0 {
			t.Errorf("the journal says %v", said)
		}
	})
}

func TestNothingIsSaidOfTimeWhenNobodyServesTheQueueOrNothingIsKnown(t *testing.T) {
	play(t, func(s *stage) {
		c := s.waiting(7 * time.Second)
		c.hears("fr/queue.joined", "fr/position.1", "fr/queue.noagents")
		for _, q := range s.def.Load().Queues {
			q.DefaultAHT = 0
		}
		c.hangsUp()
		s.floor.Close()
		s.start() // an estimator that knows nothing
		s.busy("2001")
		c = s.waiting(7 * time.Second)
		c.hears("fr/queue.joined", "fr/position.1", "fr/wait.unknown")
	})
}

func TestAnnouncementsAreNotCutByTheNextOne(t *testing.T) {
	play(t, func(s *stage) {
		for _, q := range s.def.Load().Queues {
			q.Announce = time.Second // more often than the words last
		}
		s.busy("2001")
		for range 5 {
			s.board.publish(Message{}) // long words
		}
		c := s.waiting(20 * time.Second)
		time.Sleep(2 * time.Minute)
		if got := strings.Join(c.names(), " "); strings.Contains(got, "/ ") {
			t.Errorf("an announcement was cut: %s", got)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		all := c.settled()
		for i := 1; i < len(all); i++ {
			if all[i].name == "fr/position.1" && all[i-1].name != "fr/queue.joined" && !strings.HasPrefix(all[i-1].name, "fr/message:") {
				if music := all[i].at.Sub(all[i-1].at) - 2*time.Second; music < breath {
					t.Errorf("only %s of music before %s", music, all[i].name)
				}
			}
		}
	})
}

func TestAnyKeyWhileWaitingIsAnsweredAtOnce(t *testing.T) {
	play(t, func(s *stage) {
		s.busy("2001")
		c := s.waiting(10 * time.Second)
		c.hears("fr/queue.joined", "fr/position.1", "fr/wait.under5")
		c.types("5")
		c.hears("fr/position.1")
		time.Sleep(3 * time.Second)
		c.hears("fr/wait.under5")
		time.Sleep(25 * time.Second)
		c.hears() // the next announcement is half a minute after the key
		time.Sleep(3 * time.Second)
		if got := c.names(); len(got) == 0 {
			t.Error("the announcements should go on")
		}
	})
}

func TestThePlaceInLineFallsAndTheRangeWithIt(t *testing.T) {
	play(t, func(s *stage) {
		talking := s.busy("2001")
		first := s.waiting(8 * time.Second)
		second := s.waiting(8 * time.Second)
		early := second.names()
		if !slicesHas(early, "fr/position.2") {
			t.Fatalf("heard %q", early)
		}
		second.hears(early...)
		close(talking.leg().leave)
		time.Sleep(40 * time.Second)
		first.leg().is(true, false)
		late := second.names()
		if !slicesHas(late, "fr/position.1") || slicesHas(late, "fr/position.2") {
			t.Errorf("then heard %q", late)
		}
		if a, b := ranges(early), ranges(late); len(a) != 1 || len(b) == 0 || a[0] == b[0] {
			t.Errorf("the range should change: first %q, then %q", a, b)
		}
	})
}

func TestTheRangeRisesOnlyWhenAgentsHaveLeft(t *testing.T) {
	play(t, func(s *stage) {
		one, two := s.busy("2001"), s.busy("2002")
		for range 4 {
			s.waiting(8 * time.Second)
		}
		c := s.waiting(8 * time.Second)
		high := func() float64 {
			t.Helper()
			list := s.facts.of(call.EventAnnounced)
			for i := len(list) - 1; i >= 0; i-- {
				if list[i]["position"] == 5.0 && list[i]["rung"] != nil {
					if list[i]["high_s"] == 0.0 {
						return 1e9
					}
					return list[i]["high_s"].(float64)
				}
			}
			t.Fatalf("no range was announced: %v", list)
			return 0
		}
		before := high()
		for range 6 { // nobody is served for three minutes: what was said does not rise
			time.Sleep(30 * time.Second)
			if now := high(); now > before {
				t.Fatalf("the wait rose from %v s to %v s without a cause", before, now)
			}
		}
		if _, err := s.floor.SetState("2002", routing.SignedOut, ""); err != nil {
			t.Fatal(err)
		}
		close(two.leg().leave) // the agent ends the call and goes home
		time.Sleep(time.Minute)
		said := s.facts.of(call.EventAnnounced)
		rose := false
		for _, a := range said {
			rose = rose || a["cause"] == "agents_left"
		}
		if now := high(); now <= before || !rose {
			t.Errorf("the wait should rise when an agent leaves: %v s, then %v s, %v", before, now, said[len(said)-1])
		}
		c.hangsUp()
		one.hangsUp()
	})
}

func TestNewsIsToldOnceToThoseWhoWait(t *testing.T) {
	play(t, func(s *stage) {
		s.busy("2001")
		c := s.waiting(10 * time.Second)
		s.board.publish(Message{})
		s.board.publish(Message{Queue: "titres"})
		s.board.publish(Message{Queue: "accueil", Replace: true}) // who waits already keeps the place
		time.Sleep(10 * time.Minute)
		got := strings.Join(c.names(), " ")
		for name, want := range map[string]int{"message:1": 1, "message:2": 0, "message:3": 1} {
			if n := strings.Count(got, name); n != want {
				t.Errorf("%s was heard %d times: %s", name, n, got)
			}
		}
		if !strings.Contains(got, "fr/message:1 fr/message:3 fr/position.1") {
			t.Errorf("news comes before the place: %s", got)
		}
		if s.queue("accueil").Waiting != 1 {
			t.Error("the caller should keep the place")
		}
	})
}

func TestAnExpiredMessageIsNotToldToThoseWhoWait(t *testing.T) {
	play(t, func(s *stage) {
		s.busy("2001")
		c := s.waiting(10 * time.Second)
		s.board.publish(Message{Until: time.Now().Add(5 * time.Second)})
		time.Sleep(time.Minute)
		if got := strings.Join(c.names(), " "); strings.Contains(got, "message:") {
			t.Errorf("heard %s", got)
		}
	})
}

func TestAnAgentWhoDoesNotAnswerCostsTheCallerNoPlace(t *testing.T) {
	for _, result := range []call.RingResult{call.NoAnswer, call.Busy, call.Refused, call.Unreachable} {
		t.Run(string(result), func(t *testing.T) {
			play(t, func(s *stage) {
				c := s.caller(general)
				c.rings["2001"] = misses(2*time.Second, &call.RingError{Result: result})
				c.types("1")
				c.begin(StepGreet, new(Visit))
				time.Sleep(time.Second)
				other := s.waiting(time.Second) // comes later
				s.signIn("2001")
				time.Sleep(3 * time.Second)
				if got := s.queue("accueil"); got.Waiting != 2 {
					t.Errorf("the queue stands %+v", got)
				}
				if n := len(s.facts.of(call.EventRinging)); n != 1 {
					t.Errorf("agents were rung %d times", n)
				}
				s.signIn("2002")
				time.Sleep(10 * time.Second)
				if got := c.leg().Agent(); got != "2002" {
					t.Errorf("the first caller speaks with %s", got)
				}
				if len(other.legs) != 0 {
					t.Error("the later caller was served before")
				}
				failed := s.facts.of(call.EventRingFailed)
				if len(failed) != 1 || failed[0]["agent"] != "2001" || failed[0]["result"] != string(result) {
					t.Errorf("the journal says %v", failed)
				}
			})
		})
	}
}

func TestAnExchangeThatCannotRingLosesNoCaller(t *testing.T) {
	play(t, func(s *stage) {
		c := s.caller(general)
		c.rings["2001"] = misses(0, call.ErrTechnical)
		c.types("1")
		c.begin(StepGreet, new(Visit))
		s.signIn("2001")
		time.Sleep(2 * time.Second)
		if st := s.state("2001"); st != routing.SetAside {
			t.Errorf("the agent is %s", st)
		}
		c.mu.Lock()
		c.rings["2001"] = nil
		c.mu.Unlock()
		time.Sleep(40 * time.Second) // the agent is back by itself
		c.leg().is(true, false)
	})
}

func TestAnAgentWhoHangsUpDuringTheWhisperGivesTheCallerBack(t *testing.T) {
	play(t, func(s *stage) {
		s.signIn("2001")
		c := s.dial(general, "1")
		time.Sleep(2 * time.Second)
		g := c.leg()
		c.hears("fr/queue.joined/", "fr/hold.connecting")
		c.types("5") // the place is no news now
		close(g.leave)
		time.Sleep(2 * time.Second)
		g.is(false, true)
		c.hears()
		if st := s.state("2001"); st != routing.SetAside {
			t.Errorf("the agent is %s", st)
		}
		if s.queue("accueil").Waiting != 1 {
			t.Error("the caller should be back in line")
		}
		time.Sleep(4 * time.Second)
		c.hears("fr/position.1") // and hears so soon
		s.signIn("2002")
		time.Sleep(10 * time.Second)
		c.leg().is(true, false)
	})
}

func TestNothingIsAnnouncedOnceAnAgentHasAnswered(t *testing.T) {
	play(t, func(s *stage) {
		c := s.waiting(25 * time.Second)
		c.hears("fr/queue.joined", "fr/position.1", "fr/queue.noagents")
		s.signIn("2001")
		time.Sleep(6 * time.Second) // half a minute is over while the agent hears who calls
		c.hears("fr/hold.connecting")
		time.Sleep(2 * time.Second)
		c.leg().is(true, false)
	})
}

func TestATransferredCallerStaysWithTheColleague(t *testing.T) {
	play(t, func(s *stage) {
		s.signIn("2002")
		c := s.busy("2001")
		g := c.leg()
		agent := g.Agent()
		colleague := map[call.AgentID]call.AgentID{"2001": "2002", "2002": "2001"}[agent]
		if _, err := s.floor.SetState("2001", routing.Available, ""); err != nil && agent != "2001" {
			t.Fatal(err)
		}
		g.moved <- colleague
		g.is(true, false)
		if st := s.state(colleague); st != routing.Talking {
			t.Errorf("the colleague is %s", st)
		}
		if cp, _ := s.saved.of(c.info.ID); !strings.Contains(string(cp.State), `"agent":"`+string(colleague)+`"`) {
			t.Errorf("the checkpoint is %s", cp.State)
		}
		close(g.leave)
		c.ends(call.Answered, call.ReasonAgentHungUp)
	})
}

func TestAnAgentRungForACallerWhoLeavesStopsRinging(t *testing.T) {
	play(t, func(s *stage) {
		c := s.caller(general)
		var ended error
		c.rings["2001"] = func(ctx context.Context) error {
			ended = after(time.Minute)(ctx)
			return ended
		}
		c.types("1")
		c.begin(StepGreet, new(Visit))
		s.signIn("2001")
		time.Sleep(2 * time.Second)
		if st := s.state("2001"); st != routing.Ringing {
			t.Fatalf("the agent is %s", st)
		}
		c.hangsUp()
		if ended == nil || s.state("2001") != routing.Available {
			t.Errorf("the ring ended with %v, the agent is %s", ended, s.state("2001"))
		}
	})
}

func TestTheWhisperSaysHowLongTheCallerHasWaited(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "whisper.wait.under1", 59 * time.Second: "whisper.wait.under1", time.Minute: "whisper.wait.1", 61 * time.Minute: "whisper.wait.over60",
	} {
		if got := WhisperWait(d); got != want {
			t.Errorf("%s: %s, want %s", d, got, want)
		}
	}
	for n, want := range map[int]string{0: "position.many", 1: "position.1", 20: "position.20", 21: "position.many"} {
		if got := PositionPrompt(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}
