package ivr

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"decroche/call"
	"decroche/callback"
	"decroche/routing"
)

const citizen = call.Number("+33639980007")

// recalled is a call that we place, with its place in line and an agent reserved; 2001 is
// signed in for it. It has not begun.
func (s *stage) recalled(change func(v *Visit)) *fake {
	s.t.Helper()
	if s.book == nil {
		s.desk()
	}
	s.signIn("2001")
	joined := time.Now().Add(-20 * time.Minute)
	place, err := s.floor.Join(routing.Caller{ID: "cb-P1", Queue: "accueil", Lang: "fr", Joined: joined, Resumed: true, Kind: "callback"})
	if err != nil {
		s.t.Fatal(err)
	}
	c := s.caller(general)
	c.info = call.Info{ID: "out-P1-1", From: citizen, To: general, Outgoing: true, Arrived: time.Now()}
	c.visit = &Visit{
		Lang: "fr", Queue: "accueil", Reason: "dossier", Joined: joined, AgentAsked: true,
		Recall: &Recall{Promise: "P1", Attempt: 2, Contact: "call-0", Asked: joined, Origin: callback.FromQueue, AgentFirst: true},
	}
	if change != nil {
		change(c.visit)
	}
	c.visit.Carry(place, <-place.Reserved())
	return c
}

// starts begins the call.
func (c *fake) starts() *fake {
	c.begin(c.s.journey.FirstRecallStep(c.visit), c.visit)
	synctest.Wait()
	return c
}

// recall is recalled and begun.
func (s *stage) recall(change func(v *Visit)) *fake { return s.recalled(change).starts() }

func citizenFirst(v *Visit) { v.Recall.AgentFirst = false }

// results in, as the dialer learns it, and the end in the journal.
func (c *fake) results(want callback.Result, outcome call.Outcome, reason call.Reason) {
	c.s.t.Helper()
	c.ends(outcome, reason)
	if got := c.visit.Recall.Outcome(); got != want {
		c.s.t.Errorf("the attempt ended %s, want %s", got, want)
	}
}

// says is a citizen who does something some time after the phone begins to ring.
func says(d time.Duration, result call.RingResult) func(context.Context) error {
	return misses(d, &call.RingError{Result: result})
}

func TestAnAgentIsToldTheCitizenRungAndTheTwoSpeak(t *testing.T) {
	play(t, func(s *stage) {
		c := s.recall(nil)
		if s.state("2001") != routing.Ringing || c.rung() != 0 {
			t.Fatalf("first the agent is rung: %s, %d dials", s.state("2001"), c.rung())
		}
		time.Sleep(6 * time.Second)
		g := c.leg()
		g.hears("fr/whisper.callback", "fr/reason.dossier", "fr/whisper.callback.asked")
		if c.rung() != 0 {
			t.Error("the citizen is rung while the agent is still being told")
		}
		time.Sleep(4 * time.Second)
		g.hears("fr/whisper.callback.refuse")
		if c.rung() != 1 || !g.hearsRinging() {
			t.Errorf("then the citizen is rung: %d dials, ringback %t", c.rung(), g.hearsRinging())
		}
		if d := s.facts.of(call.EventDialled); len(d) != 1 || d[0]["promise"] != "P1" || d[0]["attempt"] != 2.0 || d[0]["contact"] != "call-0" {
			t.Errorf("the journal says %v", d)
		}
		time.Sleep(7 * time.Second)
		c.hears("fr/recall.hello", "fr/recall.press")
		g.is(false, false)
		if len(look(s.book, &s.book.kept)) != 0 {
			t.Error("the promise counts as kept before anybody has answered")
		}
		c.types("5")
		g.is(true, false)
		if s.state("2001") != routing.Talking || g.hearsRinging() || !slices.Equal(look(s.book, &s.book.kept), []string{"P1/2"}) {
			t.Errorf("the agent is %s, ringback %t, kept %v", s.state("2001"), g.hearsRinging(), look(s.book, &s.book.kept))
		}
		if len(look(s.book, &s.book.again)) != 0 {
			t.Error("a citizen whom we called has not called again")
		}
		if n := s.facts.of(call.EventConnected); len(n) != 1 || n[0]["wait_ms"].(float64) < 20*60_000 {
			t.Errorf("the journal says %v", n)
		}
		if cp, _ := s.saved.of(c.info.ID); cp.Step != StepTalk || !strings.Contains(string(cp.State), `"result":"connected"`) {
			t.Errorf("the checkpoint is %s %s", cp.Step, cp.State)
		}
		close(g.leave)
		c.results(callback.Connected, call.Answered, call.ReasonAgentHungUp)
		c.hears("fr/recall.goodbye")
		if s.state("2001") != routing.WrapUp || s.queue("accueil").Waiting != 0 {
			t.Errorf("the agent is %s, the queue %+v", s.state("2001"), s.queue("accueil"))
		}
	})
}

func TestAWordCountsAsAKeyUnlessTheServiceWantsKeys(t *testing.T) {
	play(t, func(s *stage) {
		c := s.recall(nil)
		time.Sleep(15 * time.Second)
		c.types(string(voice))
		c.leg().is(true, false)
		c.hangsUp()
		c.results(callback.Connected, call.Answered, call.ReasonCallerHungUp)
	})
	play(t, func(s *stage) {
		s.def.Load().Callback.Speech = false
		c := s.recalled(nil)
		c.failing = func(what string) error {
			if what == "confirm" {
				t.Error("the service wants keys, and speech is listened for")
			}
			return nil
		}
		c.starts()
		time.Sleep(17 * time.Second)
		c.hears("fr/recall.hello", "fr/recall.press.key")
		c.types("1")
		c.leg().is(true, false)
	})
}

func TestTheAgentIsToldWhatTheCallbackIsAbout(t *testing.T) {
	for name, test := range map[string]struct {
		change func(v *Visit)
		want   string
	}{
		"a place asked for today":   {nil, "whisper.callback.asked: day aujourd'hui clock 9 heures 40"},
		"a slot":                    {func(v *Visit) { v.Recall.Slot = time.Now() }, "whisper.callback.slot: day aujourd'hui clock 10 heures"},
		"a place of the day before": {func(v *Visit) { v.Recall.Asked = time.Now().Add(-24 * time.Hour) }, "whisper.callback.asked.day: day dimanche 2 janvier clock 10 heures"},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *stage) {
				s.recall(test.change)
				time.Sleep(5 * time.Second)
				if said := s.sentences(); !slices.Equal(said, []string{test.want}) {
					t.Errorf("said %q, want %q", said, test.want)
				}
			})
		})
	}
}

func TestAnAgentWhoDoesNotTakeACallbackLeavesTheCitizenInPeace(t *testing.T) {
	for name, test := range map[string]struct {
		agent  func(context.Context) error
		result callback.Result
		state  routing.AgentState
	}{
		"does not answer":    {misses(10*time.Second, &call.RingError{Result: call.NoAnswer}), callback.AgentMissed, routing.SetAside},
		"is on another call": {misses(0, &call.RingError{Result: call.Busy}), callback.AgentMissed, routing.SetAside},
		"has no phone":       {misses(0, &call.RingError{Result: call.Unreachable}), callback.AgentMissed, routing.SignedOut},
		"cannot be rung":     {misses(0, call.ErrTechnical), callback.AgentMissed, routing.SetAside},
		"panics":             {func(context.Context) error { panic("a fault of ours") }, callback.AgentMissed, routing.SetAside},
		"refuses":            {misses(time.Second, &call.RingError{Result: call.Refused}), callback.AgentRefused, routing.Ringing}, // until the dialer says more
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *stage) {
				c := s.recalled(nil)
				c.rings["2001"] = test.agent
				c.starts()
				c.results(test.result, call.NotReached, call.ReasonNoAgent)
				if c.rung() != 0 || s.state("2001") != test.state || s.queue("accueil").Waiting != 1 {
					t.Errorf("%d dials, the agent is %s, the queue %+v", c.rung(), s.state("2001"), s.queue("accueil"))
				}
				if n := len(s.facts.of(call.EventRingFailed)); n != 1 {
					t.Errorf("%d rings failed", n)
				}
			})
		})
	}
	t.Run("hangs up when told", func(t *testing.T) {
		play(t, func(s *stage) {
			c := s.recall(nil)
			time.Sleep(3 * time.Second)
			g := c.leg()
			close(g.leave)
			c.results(callback.AgentRefused, call.NotReached, call.ReasonNoAgent)
			g.is(false, true)
			if c.rung() != 0 {
				t.Error("the citizen was rung")
			}
		})
	})
	t.Run("hangs up while the citizen is rung", func(t *testing.T) {
		play(t, func(s *stage) {
			c := s.recalled(nil)
			stops := make(chan error, 1)
			c.answers = func(ctx context.Context) error {
				err := after(20 * time.Second)(ctx)
				stops <- err
				return err
			}
			c.starts()
			time.Sleep(12 * time.Second)
			close(c.leg().leave)
			c.results(callback.AgentMissed, call.NotReached, call.ReasonNoAgent)
			c.leg().is(false, true)
			if stopped := <-stops; stopped == nil || s.state("2001") != routing.SetAside || s.queue("accueil").Waiting != 1 {
				t.Errorf("the citizen's phone stopped: %v; the agent is %s, the queue %+v", stopped, s.state("2001"), s.queue("accueil"))
			}
		})
	})
}

func TestACitizenWhoIsNotReachedFreesTheAgentAtOnce(t *testing.T) {
	for name, test := range map[string]struct {
		answers func(context.Context) error
		result  callback.Result
		reason  call.Reason
		told    string
	}{
		"no answer":   {says(29*time.Second, call.NoAnswer), callback.NoAnswer, call.ReasonNoAnswer, "no_answer"},
		"rings on":    {misses(time.Hour, nil), callback.NoAnswer, call.ReasonNoAnswer, "no_answer"},
		"busy":        {says(time.Second, call.Busy), callback.Busy, call.ReasonBusy, "busy"},
		"refused":     {says(5*time.Second, call.Refused), callback.Refused, call.ReasonRefused, "refused"},
		"unreachable": {says(time.Second, call.Unreachable), callback.NotReached, call.ReasonUnreachable, "unreachable"},
		"no exchange": {misses(time.Second, call.ErrTechnical), callback.Interrupted, call.ReasonInternal, "unreachable"},
	} {
		for who, first := range map[string]func(*Visit){"agent first": nil, "citizen first": citizenFirst} {
			t.Run(name+", "+who, func(t *testing.T) {
				play(t, func(s *stage) {
					c := s.recalled(first)
					c.answers = test.answers
					c.starts()
					c.results(test.result, call.NotReached, test.reason)
					if s.state("2001") != routing.Available || s.queue("accueil").Waiting != 0 {
						t.Errorf("the agent is %s, the queue %+v", s.state("2001"), s.queue("accueil"))
					}
					c.hears()
					if first == nil {
						g := c.leg()
						g.is(false, true)
						if g.last() != "fr/recall.agent."+test.told {
							t.Errorf("the agent heard %q", g.last())
						}
					} else if len(c.legs) != 0 {
						t.Error("an agent was rung for nobody")
					}
					if len(look(s.book, &s.book.kept)) != 0 {
						t.Error("the promise counts as kept")
					}
				})
			})
		}
	}
}

func TestAVoicemailIsNoCitizenAndGetsOneMessage(t *testing.T) {
	for name, test := range map[string]struct {
		change func(v *Visit)
		hears  []string
	}{
		"the first time":               {nil, []string{"fr/recall.hello", "fr/recall.press", "fr/recall.voicemail"}},
		"the last time":                {func(v *Visit) { v.Recall.Last = true }, []string{"fr/recall.hello", "fr/recall.press", "fr/recall.voicemail.last"}},
		"when there is a message":      {func(v *Visit) { v.Recall.VoicemailLeft = true }, []string{"fr/recall.hello", "fr/recall.press"}},
		"before any agent was rung":    {citizenFirst, []string{"fr/recall.hello", "fr/recall.press", "fr/recall.voicemail"}},
		"of a citizen who was cut off": {func(v *Visit) { v.Recall.Origin = callback.FromCutOff }, []string{"fr/recall.hello.cut", "fr/recall.press", "fr/recall.voicemail"}},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *stage) {
				c := s.recall(test.change)
				for s.state("2001") != routing.Available {
					time.Sleep(time.Second)
				}
				if _, on := s.saved.of(c.info.ID); len(test.hears) == 3 && !on {
					t.Error("the agent waited for the end of the message")
				}
				c.results(callback.Machine, call.NotReached, call.ReasonVoicemail)
				c.hears(test.hears...)
				said := s.sentences()
				if last := said[len(said)-1]; len(test.hears) == 3 && !strings.HasSuffix(last, ": service Service day lundi 3 janvier clock 10 heures") {
					t.Errorf("the message says %q", last)
				}
				if !c.visit.Recall.VoicemailLeft {
					t.Error("that a message was left is to be kept")
				}
				for _, g := range c.legs {
					g.is(false, true)
					if g.last() != "fr/recall.agent.voicemail" {
						t.Errorf("the agent heard %q", g.last())
					}
				}
				if len(look(s.book, &s.book.kept)) != 0 {
					t.Error("the promise counts as kept")
				}
			})
		})
	}
}

func TestACitizenWhoHangsUpBeforeTheKeyWasNotReached(t *testing.T) {
	for name, test := range map[string]struct {
		cause  error
		result callback.Result
		reason call.Reason
	}{
		"on purpose": {call.ErrHangup, callback.HungUp, call.ReasonCallerHungUp},
		"cut off":    {call.ErrCutOff, callback.HungUp, call.ReasonCallerHungUp},
		"exchange":   {errors.Join(call.ErrHangup, call.ErrTechnical), callback.Interrupted, call.ReasonExchange},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *stage) {
				c := s.recall(nil)
				time.Sleep(15 * time.Second)
				c.leaves(test.cause)
				c.results(test.result, call.NotReached, test.reason)
				g := c.leg()
				g.is(false, true)
				if s.state("2001") != routing.Available || g.last() != "fr/recall.agent.hung_up" {
					t.Errorf("the agent is %s and heard %q", s.state("2001"), g.last())
				}
				if len(look(s.book, &s.book.invited))+len(look(s.book, &s.book.asked)) != 0 {
					t.Error("nobody is invited to what is promised already")
				}
			})
		})
	}
	t.Run("on hold after it", func(t *testing.T) {
		play(t, func(s *stage) {
			c := s.recalled(citizenFirst)
			c.rings["2001"] = after(time.Minute)
			c.starts()
			time.Sleep(5 * time.Second)
			c.types("1")
			time.Sleep(5 * time.Second)
			c.hangsUp()
			c.results(callback.HungUp, call.NotReached, call.ReasonCallerHungUp)
			if s.state("2001") != routing.Available || s.queue("accueil").Waiting != 0 {
				t.Errorf("the agent is %s, the queue %+v", s.state("2001"), s.queue("accueil"))
			}
		})
	})
	t.Run("given up before anybody answers", func(t *testing.T) {
		play(t, func(s *stage) {
			c := s.recalled(nil)
			c.answers = misses(20*time.Second, nil)
			c.starts()
			time.Sleep(12 * time.Second)
			c.hangsUp()
			c.results(callback.Interrupted, call.NotReached, call.ReasonInternal)
			c.leg().is(false, true)
		})
	})
}

func TestACitizenWhoAnswersToAnAgentWhoLeftGetsTheNext(t *testing.T) {
	play(t, func(s *stage) {
		c := s.recall(nil)
		time.Sleep(15 * time.Second)
		g := c.leg()
		close(g.leave)
		time.Sleep(2 * time.Second) // the question is over for a second
		c.types("1")
		time.Sleep(time.Second)
		c.hears("fr/recall.hello", "fr/recall.press", "fr/recall.wait")
		g.is(false, true)
		if s.state("2001") != routing.SetAside {
			t.Errorf("the agent who left is %s", s.state("2001"))
		}
		s.signIn("2002")
		time.Sleep(10 * time.Second)
		next := c.leg()
		next.is(true, false)
		if next.Agent() != "2002" || !slices.Equal(look(s.book, &s.book.kept), []string{"P1/2"}) {
			t.Errorf("the citizen speaks with %s, kept %v", next.Agent(), look(s.book, &s.book.kept))
		}
		close(next.leave)
		c.results(callback.Connected, call.Answered, call.ReasonAgentHungUp)
	})
}

func TestWithTheCitizenFirstAnAgentIsRungAfterTheKey(t *testing.T) {
	play(t, func(s *stage) {
		c := s.recall(citizenFirst)
		time.Sleep(4 * time.Second)
		if len(s.facts.of(call.EventRinging)) != 0 || s.state("2001") != routing.Reserved {
			t.Errorf("the agent is %s", s.state("2001"))
		}
		c.types("1")
		time.Sleep(9 * time.Second)
		c.hears("fr/recall.hello/", "fr/recall.wait/", "fr/hold.connecting")
		g := c.leg()
		g.is(true, false)
		g.hears("fr/whisper.callback", "fr/reason.dossier", "fr/whisper.callback.asked")
		if len(look(s.book, &s.book.kept)) != 1 {
			t.Errorf("kept %v", look(s.book, &s.book.kept))
		}
		close(g.leave)
		c.results(callback.Connected, call.Answered, call.ReasonAgentHungUp)
		if n := len(s.facts.of(call.EventRinging)); n != 1 {
			t.Errorf("the agent was rung %d times", n)
		}
	})
	t.Run("and the next when that one does not answer", func(t *testing.T) {
		play(t, func(s *stage) {
			c := s.recalled(citizenFirst)
			c.rings["2001"] = misses(5*time.Second, &call.RingError{Result: call.NoAnswer})
			c.starts()
			time.Sleep(5 * time.Second)
			c.types("1") // asks for no callback: this is one
			time.Sleep(2 * time.Second)
			c.types("1")
			s.signIn("2002")
			time.Sleep(20 * time.Second)
			if got := c.leg(); got.Agent() != "2002" {
				t.Errorf("agent %s has the citizen", got.Agent())
			}
			c.leg().is(true, false)
		})
	})
}

func TestWhatFailsOnTheWayIsSaidToACitizenWhoHasAnswered(t *testing.T) {
	for name, fault := range map[string]func() error{
		"an error": func() error { return call.ErrTechnical },
		"a panic":  func() error { panic("a fault of ours") },
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *stage) {
				c := s.recalled(nil)
				c.failing = func(what string) error {
					if what == "confirm" {
						return fault()
					}
					return nil
				}
				c.starts()
				c.results(callback.Interrupted, call.NotReached, call.ReasonInternal)
				c.hears("fr/recall.sorry")
				c.leg().is(false, true)
				if s.state("2001") != routing.Available {
					t.Errorf("the agent is %s", s.state("2001"))
				}
			})
		})
	}
	t.Run("not to one who has not", func(t *testing.T) {
		play(t, func(s *stage) {
			c := s.recalled(nil)
			c.answers = func(context.Context) error { panic("a fault of ours") }
			c.starts()
			c.results(callback.Interrupted, call.NotReached, call.ReasonInternal)
			c.hears()
			c.leg().is(false, true)
		})
	})
	t.Run("a promise that cannot be noted as kept is kept all the same", func(t *testing.T) {
		play(t, func(s *stage) {
			c := s.recall(nil)
			s.book.change(func() { s.book.err = errors.New("the disk is full") })
			time.Sleep(15 * time.Second)
			c.types("1")
			c.leg().is(true, false)
			close(c.leg().leave)
			c.results(callback.Connected, call.Answered, call.ReasonAgentHungUp)
		})
	})
	t.Run("a name that cannot be said is left out", func(t *testing.T) {
		play(t, func(s *stage) {
			s.lose("recall.hello", "whisper.callback.asked", "recall.voicemail")
			c := s.recall(nil)
			time.Sleep(14 * time.Second)
			c.hears("fr/recall.hello.plain", "fr/recall.press")
			c.results(callback.Machine, call.NotReached, call.ReasonVoicemail)
		})
	})
}

func TestACitizenIsNotRungAfterHoursThoughTheAgentHasAnswered(t *testing.T) {
	play(t, func(s *stage) {
		c := s.recall(func(v *Visit) { v.Recall.Allowed = func() bool { return false } })
		c.results(callback.Interrupted, call.NotReached, call.ReasonInternal)
		g := c.leg()
		g.is(false, true)
		if c.rung() != 0 || g.last() != "fr/recall.agent.late" || s.state("2001") != routing.Available {
			t.Errorf("%d dials, the agent heard %q and is %s", c.rung(), g.last(), s.state("2001"))
		}
	})
}

func TestACitizenWhomNobodyHasToCallAnyMoreIsLeftInPeace(t *testing.T) {
	for who, first := range map[string]func(*Visit){"agent first": func(*Visit) {}, "citizen first": citizenFirst} {
		for name, test := range map[string]struct {
			after time.Duration // from the beginning until the promise is settled
			rung  int
			hears []string
		}{
			"before the phone rings": {0, 0, nil},
			"while it rings":         {12 * time.Second, 1, nil},
			"before the key":         {time.Hour, 1, []string{"fr/recall.hello", "fr/recall.press", "fr/recall.goodbye"}},
		} {
			t.Run(name+", "+who, func(t *testing.T) {
				play(t, func(s *stage) {
					settled := time.Now().Add(test.after)
					var byNow atomic.Bool
					c := s.recalled(func(v *Visit) {
						first(v)
						v.Recall.Wanted = func(context.Context) bool { return time.Now().Before(settled) && !byNow.Load() }
					})
					stops := make(chan time.Time, 1)
					c.answers = func(ctx context.Context) error {
						defer func() { stops <- time.Now() }()
						return after(18 * time.Second)(ctx)
					}
					c.starts()
					if len(test.hears) > 0 {
						<-stops
						time.Sleep(7 * time.Second)
						byNow.Store(true)
						c.types("1")
					}
					c.results(callback.Interrupted, call.NotReached, call.ReasonInternal)
					if test.rung > 0 && len(test.hears) == 0 {
						if late := (<-stops).Sub(settled); late > time.Second {
							t.Errorf("the phone rang for %s more", late)
						}
					}
					c.hears(test.hears...)
					if c.rung() != test.rung || s.state("2001") != routing.Available || len(look(s.book, &s.book.kept)) != 0 {
						t.Errorf("%d dials, the agent is %s", c.rung(), s.state("2001"))
					}
					for _, g := range c.legs {
						g.is(false, true)
						if g.last() != "fr/recall.agent.settled" {
							t.Errorf("the agent heard %q", g.last())
						}
					}
				})
			})
		}
	}
}

func TestACitizenWhoIsOnACallToUsIsNotRungBesideIt(t *testing.T) {
	play(t, func(s *stage) {
		c := s.recall(func(v *Visit) { v.Recall.Busy = func() bool { return true } })
		c.results(callback.Interrupted, call.NotReached, call.ReasonInternal)
		if c.rung() != 0 || c.leg().last() != "fr/recall.agent.busy" || s.state("2001") != routing.Available {
			t.Errorf("%d dials, the agent heard %q and is %s", c.rung(), c.leg().last(), s.state("2001"))
		}
	})
}

func TestACitizenIsSpokenToInTheirLanguageAndTheAgentInTheService(t *testing.T) {
	play(t, func(s *stage) {
		c := s.recall(func(v *Visit) { v.Lang = "en" })
		time.Sleep(17 * time.Second)
		c.hears("en/recall.hello", "en/recall.press")
		c.leg().hears("fr/whisper.callback", "fr/reason.dossier", "fr/whisper.callback.asked", "fr/whisper.callback.refuse")
	})
}

// A call that we place, over a restart of the controller.
func TestACallThatWePlaceIsTakenUpAfterARestart(t *testing.T) {
	t.Run("at the greeting, with its agent", func(t *testing.T) {
		play(t, func(s *stage) {
			c := s.recall(nil)
			time.Sleep(15 * time.Second)
			g := c.leg()
			r := s.restart(c)[0]
			g.is(false, false)
			if s.state("2001") != routing.Talking {
				t.Errorf("the agent is %s: others would be sent there", s.state("2001"))
			}
			time.Sleep(7 * time.Second)
			r.hears("fr/recall.again", "fr/recall.hello", "fr/recall.press")
			r.types("1")
			r.leg().is(true, false)
			if !slices.Equal(look(s.book, &s.book.kept), []string{"P1/2"}) {
				t.Errorf("kept %v", look(s.book, &s.book.kept))
			}
			close(r.leg().leave)
			r.results(callback.Connected, call.Answered, call.ReasonAgentHungUp)
			if s.state("2001") != routing.WrapUp {
				t.Errorf("the agent is %s", s.state("2001"))
			}
		})
	})
	t.Run("at the greeting, and nobody presses a key", func(t *testing.T) {
		play(t, func(s *stage) {
			c := s.recall(nil)
			time.Sleep(15 * time.Second)
			r := s.restart(c)[0]
			r.results(callback.Machine, call.NotReached, call.ReasonVoicemail)
			r.leg().is(false, true)
			if st := s.state("2001"); st == routing.Talking {
				t.Errorf("the agent is %s", st)
			}
		})
	})
	t.Run("at the greeting, its agent gone", func(t *testing.T) {
		play(t, func(s *stage) {
			c := s.recall(nil)
			time.Sleep(15 * time.Second)
			c.leg().Release(context.Background())
			r := s.restart(c)[0]
			r.results(callback.Interrupted, call.NotReached, call.ReasonInternal)
			r.hears("fr/recall.sorry")
		})
	})
	t.Run("at the greeting, its agent gone a moment later", func(t *testing.T) {
		play(t, func(s *stage) {
			c := s.recall(nil)
			time.Sleep(15 * time.Second)
			r := s.restart(c)[0]
			close(r.leg().leave)
			r.types("1")
			time.Sleep(time.Second)
			r.hears("fr/recall.again/", "fr/recall.wait")
			s.signIn("2002")
			time.Sleep(10 * time.Second)
			if got := r.leg(); got.Agent() != "2002" {
				t.Errorf("agent %s has the citizen", got.Agent())
			}
			r.leg().is(true, false)
		})
	})
	t.Run("answered while no controller was there", func(t *testing.T) {
		play(t, func(s *stage) {
			c := s.recalled(nil)
			c.answers = misses(20*time.Second, nil)
			c.starts()
			time.Sleep(12 * time.Second)
			g := c.leg()
			c.mu.Lock()
			c.onLine = true
			c.mu.Unlock()
			r := s.restart(c)[0]
			g.is(false, false) // the agent waits on
			if r.rung() != 0 {
				t.Error("the citizen was rung twice")
			}
			time.Sleep(7 * time.Second)
			r.hears("fr/recall.again", "fr/recall.hello", "fr/recall.press")
			r.types("1")
			r.leg().is(true, false)
		})
	})
	t.Run("on hold", func(t *testing.T) {
		play(t, func(s *stage) {
			c := s.recalled(citizenFirst)
			c.rings["2001"] = after(time.Minute)
			c.starts()
			time.Sleep(5 * time.Second)
			c.types("1")
			time.Sleep(40 * time.Second)
			if cp, _ := s.saved.of(c.info.ID); cp.Step != StepRecallWait {
				t.Fatalf("the checkpoint is at %q", cp.Step)
			}
			r := s.restart(c)[0]
			time.Sleep(time.Second)
			r.hears("fr/caller.resumed")
			s.signIn("2002")
			time.Sleep(10 * time.Second)
			r.leg().is(true, false)
			if q := s.queue("accueil"); q.Waiting != 0 || q.Abandoned != 0 {
				t.Errorf("the queue stands %+v", q)
			}
		})
	})
	t.Run("in conversation", func(t *testing.T) {
		play(t, func(s *stage) {
			c := s.recall(nil)
			time.Sleep(15 * time.Second)
			c.types("1")
			r := s.restart(c)[0]
			close(r.leg().leave)
			r.results(callback.Connected, call.Answered, call.ReasonAgentHungUp)
			r.hears("fr/recall.goodbye")
		})
	})
	t.Run("before anybody was rung", func(t *testing.T) {
		play(t, func(s *stage) {
			c := s.recalled(nil)
			c.info.Resumed = true
			c.visit.Carry(nil, nil)
			c.starts()
			c.results(callback.Interrupted, call.NotReached, call.ReasonInternal)
		})
	})
}

func TestACallThatIsNotTheirsHasNoOutcome(t *testing.T) {
	var none *Recall
	if got := none.Outcome(); got != callback.Interrupted {
		t.Errorf("a checkpoint that cannot be read ends %s", got)
	}
}
