package ivr

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"decroche/call"
	"decroche/routing"
)

func TestACallerChoosesWaitsSpeaksAndIsThanked(t *testing.T) {
	play(t, func(s *stage) {
		c := s.dial(general)
		time.Sleep(3 * time.Second) // welcome, and a second of the menu
		c.types("1")
		time.Sleep(20 * time.Second)
		c.hears("fr/bienvenue", "fr/menu-principal/", "fr/queue.joined", "fr/position.1", "fr/queue.noagents")
		s.signIn("2001")
		time.Sleep(time.Second)
		c.hears("fr/hold.connecting")
		time.Sleep(6 * time.Second)
		g := c.leg()
		g.is(true, false)
		if want := "fr/annonce fr/reason.dossier fr/whisper.wait.under1"; strings.Join(g.heard, " ") != want {
			t.Errorf("the agent heard %q, want %q", g.heard, want)
		}
		close(g.leave)
		c.ends(call.Answered, call.ReasonAgentHungUp)
		c.hears("fr/goodbye")
		if s.state("2001") != routing.WrapUp {
			t.Errorf("the agent is %s", s.state("2001"))
		}
	})
}

// Where a caller is who hangs up, and what the journal then says.
func TestHangingUpEarlyHasATrueOutcomeAtEveryStep(t *testing.T) {
	type story func(s *stage) *fake
	menu := func(keys string) story {
		return func(s *stage) *fake {
			c := s.dial(general)
			time.Sleep(3 * time.Second)
			c.types(keys)
			time.Sleep(time.Second)
			return c
		}
	}
	served := func(s *stage) *fake {
		s.signIn("2001")
		c := menu("1")(s)
		time.Sleep(10 * time.Second)
		c.leg().is(true, false)
		return c
	}
	for name, test := range map[string]struct {
		before  story
		outcome call.Outcome
		reason  call.Reason
	}{
		"language":  {func(s *stage) *fake { c := s.dial(both); time.Sleep(time.Second); return c }, call.LeftIVR, call.ReasonCallerHungUp},
		"welcome":   {func(s *stage) *fake { c := s.dial(general); time.Sleep(time.Second); return c }, call.LeftIVR, call.ReasonCallerHungUp},
		"menu":      {func(s *stage) *fake { c := s.dial(general); time.Sleep(3 * time.Second); return c }, call.LeftIVR, call.ReasonCallerHungUp},
		"submenu":   {menu("2"), call.LeftIVR, call.ReasonCallerHungUp},
		"in info":   {menu("3"), call.LeftIVR, call.ReasonCallerHungUp},
		"info over": {func(s *stage) *fake { c := menu("3")(s); time.Sleep(2 * time.Second); return c }, call.SelfServed, call.ReasonHeardAll},
		"info over, then a person": {func(s *stage) *fake {
			c := menu("3")(s)
			time.Sleep(2 * time.Second)
			c.types("1")
			time.Sleep(time.Second)
			return c
		}, call.Abandoned, call.ReasonCallerHungUp},
		"info over, back in the info": {func(s *stage) *fake {
			c := menu("3")(s)
			time.Sleep(2 * time.Second)
			c.types("2")
			time.Sleep(time.Second)
			return c
		}, call.SelfServed, call.ReasonHeardAll},
		"to a person": {func(s *stage) *fake { c := s.dial(general); time.Sleep(25 * time.Second); return c }, call.LeftIVR, call.ReasonCallerHungUp},
		"queue":       {menu("1"), call.Abandoned, call.ReasonCallerHungUp},
		"ringing":     {func(s *stage) *fake { s.signIn("2001"); return menu("1")(s) }, call.Abandoned, call.ReasonCallerHungUp},
		"whisper": {func(s *stage) *fake {
			s.signIn("2001")
			c := menu("1")(s)
			time.Sleep(time.Second)
			return c
		}, call.Abandoned, call.ReasonCallerHungUp},
		"talk": {served, call.Answered, call.ReasonCallerHungUp},
		"goodbye": {func(s *stage) *fake {
			c := served(s)
			close(c.leg().leave)
			time.Sleep(time.Second)
			return c
		}, call.Answered, call.ReasonCallerHungUp},
		"closed": {func(s *stage) *fake {
			time.Sleep(10 * time.Hour)
			c := s.dial(general)
			time.Sleep(time.Second)
			return c
		}, call.Closed, call.ReasonCallerHungUp},
		"saturated": {func(s *stage) *fake {
			s.dial(direct)
			time.Sleep(time.Second)
			c := s.dial(direct)
			time.Sleep(3 * time.Second)
			return c
		}, call.Dissuaded, call.ReasonCallerHungUp},
		"replaced": {func(s *stage) *fake {
			s.board.publish(Message{Replace: true})
			c := s.dial(general)
			time.Sleep(5 * time.Second)
			return c
		}, call.Dissuaded, call.ReasonCallerHungUp},
		"unknown number": {func(s *stage) *fake { c := s.dial("+33199009999"); time.Sleep(time.Second); return c }, call.Failed, call.ReasonCallerHungUp},
		"apology": {func(s *stage) *fake {
			c := s.caller(general)
			c.failing = func(what string) error {
				if what == "hold" {
					return errors.New("no music")
				}
				return nil
			}
			c.types("1")
			c.begin(StepGreet, new(Visit))
			time.Sleep(time.Second)
			return c
		}, call.Failed, call.ReasonCallerHungUp},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *stage) {
				c := test.before(s)
				c.hangsUp()
				c.ends(test.outcome, test.reason)
				for _, g := range c.legs {
					g.is(g.talking, name != "goodbye") // there the agent has left already
				}
				for _, q := range s.floor.Queues() {
					if q.Talking != 0 || q.Waiting > 1 { // the one who fills the line in "saturated" waits on
						t.Errorf("the floor still has the caller: %+v", q)
					}
				}
				if st := s.state("2001"); st == routing.Reserved || st == routing.Ringing || st == routing.Talking {
					t.Errorf("the agent is still %s", st)
				}
			})
		})
	}
}

func TestWhoCannotChooseIsAskedTwiceAgainThenGetsAPerson(t *testing.T) {
	for name, test := range map[string]struct{ keys, why string }{"says nothing": {"", "menu.noinput"}, "presses wrong keys": {"7", "menu.wrong"}} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *stage) {
				c := s.dial(general)
				for range 3 {
					time.Sleep(5 * time.Second)
					c.types(test.keys)
				}
				time.Sleep(30 * time.Second)
				got := strings.Join(c.names(), " ")
				if n := strings.Count(got, "fr/menu-principal"); n != 3 {
					t.Errorf("the menu was said %d times: %s", n, got)
				}
				if n := strings.Count(got, test.why); n != 2 {
					t.Errorf("%s was said %d times: %s", test.why, n, got)
				}
				if !strings.Contains(got, "fr/menu.to-person fr/queue.joined") || s.queue("accueil").Waiting != 1 {
					t.Errorf("the caller should be led to a person: %s", got)
				}
				c.hangsUp()
			})
		})
	}
}

func TestWhatFollowsAWrongKeyIsForgotten(t *testing.T) {
	play(t, func(s *stage) {
		c := s.dial(general, "71") // the 1 was meant for what 7 would have been
		time.Sleep(3 * time.Second)
		c.hears("fr/menu.wrong", "fr/menu-principal")
	})
}

func TestTypeAheadGoesThroughTwoMenusWithoutAWord(t *testing.T) {
	play(t, func(s *stage) {
		c := s.dial(general, "21")
		time.Sleep(time.Second)
		c.hears("fr/queue.joined")
		if s.queue("titres").Waiting != 1 {
			t.Error("the caller should wait for titres")
		}
		c.hangsUp()
	})
}

func TestKeysTypedForTheMenusDoNotCutTheFirstWordsOfTheQueue(t *testing.T) {
	play(t, func(s *stage) {
		c := s.dial(general, "1111")
		time.Sleep(10 * time.Second)
		c.hears("fr/queue.joined", "fr/position.1", "fr/queue.noagents")
		c.hangsUp()
	})
}

func TestAMenuIsRepeatedAsOftenAsTheCallerLikes(t *testing.T) {
	play(t, func(s *stage) {
		c := s.dial(general)
		time.Sleep(2 * time.Second)
		for range 50 {
			time.Sleep(time.Second)
			c.types("9")
		}
		time.Sleep(time.Second)
		if n := strings.Count(strings.Join(c.names(), " "), "fr/menu-principal"); n != 51 {
			t.Errorf("the menu was said %d times", n)
		}
		c.types("1")
		c.hangsUp()
		c.ends(call.Abandoned, call.ReasonCallerHungUp)
	})
}

func TestAnInformationEndsWithTheOfferOfAPerson(t *testing.T) {
	play(t, func(s *stage) {
		c := s.dial(general, "3")
		time.Sleep(time.Second)
		c.hears("fr/info-horaires")
		if len(s.facts.of(call.EventInfo)) != 0 {
			t.Error("the information is counted before it was heard")
		}
		time.Sleep(2 * time.Second)
		c.hears("fr/info.offer-person")
		if len(s.facts.of(call.EventInfo)) != 1 {
			t.Error("the information was heard to its end and is not counted")
		}
		c.types("2")
		time.Sleep(time.Second)
		c.hears("fr/info-horaires")
		c.types("1") // skips the rest and asks for a person at once
		time.Sleep(time.Second)
		c.hears("fr/queue.joined")
		if len(s.facts.of(call.EventInfo)) != 1 {
			t.Error("a skipped information counts as heard")
		}
		c.hangsUp()
	})
}

func TestWhoSaysNothingAfterAnInformationGetsAPerson(t *testing.T) {
	play(t, func(s *stage) {
		c := s.dial(general, "3")
		time.Sleep(time.Minute)
		got := strings.Join(c.names(), " ")
		if strings.Count(got, "info.offer-person") != 3 || !strings.Contains(got, "fr/menu.to-person fr/queue.joined") {
			t.Errorf("heard %s", got)
		}
		c.hangsUp()
	})
}

func TestAnInformationThatCannotBeSaidIsNoSelfService(t *testing.T) {
	play(t, func(s *stage) {
		s.lose("info-horaires")
		c := s.dial(general, "3")
		time.Sleep(time.Second)
		c.hears("fr/info.offer-person")
		c.hangsUp()
		c.ends(call.LeftIVR, call.ReasonCallerHungUp)
	})
}

func TestTheLanguageIsChosenByKeyNumberOrDefault(t *testing.T) {
	offer := []string{"fr/langue", "en/langue"}
	for name, test := range map[string]struct {
		to    call.Number
		key   string
		heard []string
		by    string
	}{
		"key":                       {both, "2", []string{"fr/langue", "en/langue/", "en/bienvenue", "en/menu-principal"}, "key"},
		"default":                   {both, "", append(offer, "fr/bienvenue", "fr/menu-principal"), "default"},
		"number":                    {general, "", []string{"fr/bienvenue", "fr/menu-principal", "fr/menu.noinput"}, "number"},
		"English number":            {alwaysEn, "", []string{"en/bienvenue", "en/menu-principal", "en/menu.noinput"}, "number"},
		"a key of the menu, French": {both, "3", []string{"fr/langue", "en/langue/", "fr/info-horaires", "fr/info.offer-person"}, "default"},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *stage) {
				c := s.dial(test.to)
				time.Sleep(3 * time.Second)
				if test.key != "" {
					c.types(test.key)
					time.Sleep(3 * time.Second)
				} else {
					time.Sleep(6 * time.Second)
				}
				c.hears(test.heard...)
				if got := s.facts.of(call.EventLanguage); len(got) != 1 || got[0]["by"] != test.by {
					t.Errorf("the journal says %v, want by %s", got, test.by)
				}
				c.hangsUp()
			})
		})
	}
}

func TestAClosedLineSaysSoWithHoursOtherMeansAndCallback(t *testing.T) {
	monday := func(hours time.Duration) time.Duration { return hours * time.Hour } // from Monday ten o'clock
	for name, test := range map[string]struct {
		later  time.Duration
		first  string
		reason call.Reason
	}{
		"hours":                         {monday(8), "ferme", call.ReasonClosedHours},
		"closure with its own prompt":   {monday(8*24 + 1), "ferme-travaux", call.ReasonClosure},
		"closure with the usual prompt": {monday(14*24 + 1), "ferme", call.ReasonClosure},
		"Easter Monday":                 {monday(16*7*24 - 1), "ferme", call.ReasonHoliday},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *stage) {
				time.Sleep(test.later)
				c := s.dial(general, "1") // closed words are not skipped
				c.ends(call.Closed, test.reason)
				c.hears("fr/"+test.first, "fr/ferme-horaires", "fr/autres-moyens", "fr/rappel", "fr/goodbye")
			})
		})
	}
}

func TestANumberThatIsAlwaysOpenIgnoresTheHours(t *testing.T) {
	play(t, func(s *stage) {
		time.Sleep(12 * time.Hour)
		c := s.dial(alwaysEn)
		time.Sleep(time.Second)
		c.hears("en/bienvenue")
		c.hangsUp()
	})
}

func TestAFullQueueTellsWhatElseCanBeDone(t *testing.T) {
	play(t, func(s *stage) {
		first := s.dial(direct)
		time.Sleep(10 * time.Second)
		c := s.dial(direct)
		c.ends(call.Dissuaded, call.ReasonSaturated)
		c.hears("fr/bienvenue", "fr/sature", "fr/ferme-horaires", "fr/autres-moyens", "fr/rappel", "fr/goodbye")
		if !slicesHas(first.names(), "fr/queue.joined") || s.queue("titres").Waiting != 1 {
			t.Error("the first caller should wait on")
		}
		first.hangsUp()
	})
}

func slicesHas(list []string, want string) bool {
	for _, x := range list {
		if x == want {
			return true
		}
	}
	return false
}

func TestANumberNoServiceHasIsToldSo(t *testing.T) {
	play(t, func(s *stage) {
		c := s.dial("+33199001234")
		c.ends(call.Failed, call.ReasonUnknownNumber)
		c.hears("fr/unknown-number")
	})
}

func TestDatedMessagesAreSaidOnTheirDaysToTheirCallers(t *testing.T) {
	play(t, func(s *stage) {
		c := s.dial(direct)
		time.Sleep(3 * time.Second)
		c.hears("fr/bienvenue", "fr/queue.joined") // Monday
		c.hangsUp()
		time.Sleep(24 * time.Hour)
		c = s.dial(direct)
		time.Sleep(7 * time.Second)
		c.hears("fr/bienvenue", "fr/date-ete", "fr/date-titres", "fr/queue.joined") // Tuesday
		c.hangsUp()
		c = s.dial(general)
		time.Sleep(5 * time.Second)
		c.hears("fr/bienvenue", "fr/date-ete", "fr/menu-principal")
		c.types("1")
		time.Sleep(time.Second)
		c.hears("fr/queue.joined")
		c.hangsUp()
		c = s.dial(general)
		time.Sleep(3 * time.Second)
		c.types("1") // who knows the way skips what was known in advance
		time.Sleep(time.Second)
		c.hears("fr/bienvenue", "fr/date-ete/", "fr/queue.joined")
		c.hangsUp()
	})
}

func TestAnIncidentIsHeardInFullByThoseItConcerns(t *testing.T) {
	play(t, func(s *stage) {
		s.board.publish(Message{})
		s.board.publish(Message{Queue: "titres", Text: map[call.Lang]string{"fr": "Panne.", "en": "Breakdown."}})
		c := s.dial(general)
		time.Sleep(3 * time.Second)
		c.types("2") // does not cut the message
		time.Sleep(2 * time.Second)
		c.hears("fr/bienvenue", "fr/message:1", "fr/menu-second")
		c.types("1")
		time.Sleep(3 * time.Second)
		c.hears("fr/message:2", "fr/queue.joined")
		c.hangsUp()

		c = s.dial(alwaysEn)
		time.Sleep(3 * time.Second)
		c.hears("en/bienvenue", "en/message.in-french")
		time.Sleep(2 * time.Second)
		c.hears("fr/message:1")
		c.types("21")
		time.Sleep(2 * time.Second)
		c.hears("en/message:2")
		c.hangsUp()
	})
}

func TestAMessageOfAMenuIsHeardByThoseWhoComeThere(t *testing.T) {
	play(t, func(s *stage) {
		s.board.publish(Message{Queue: MessageMenu + "second"})
		c := s.dial(general)
		time.Sleep(3 * time.Second)
		c.hears("fr/bienvenue", "fr/menu-principal")
		c.types("2")
		time.Sleep(3 * time.Second)
		c.hears("fr/message:1", "fr/menu-second")
		c.types("7") // no choice: the menu is said again, the message is not
		time.Sleep(3 * time.Second)
		c.hears("fr/menu.wrong", "fr/menu-second")
	})
}

func TestAMessageThatReplacesTheJourneyEndsTheCall(t *testing.T) {
	play(t, func(s *stage) {
		s.board.publish(Message{Queue: "titres", Replace: true})
		c := s.dial(general, "21")
		c.ends(call.Dissuaded, call.ReasonClosure)
		c.hears("fr/message:1", "fr/goodbye")
		c = s.dial(general, "1")
		time.Sleep(time.Second)
		c.hears("fr/queue.joined") // the other queue goes on
		c.hangsUp()
		s.board.publish(Message{Replace: true})
		c = s.dial(general)
		c.ends(call.Dissuaded, call.ReasonClosure)
		c.hears("fr/bienvenue", "fr/message:2", "fr/goodbye")
	})
}

func TestACallKeepsTheDefinitionItBeganWith(t *testing.T) {
	play(t, func(s *stage) {
		c := s.dial(general)
		time.Sleep(3 * time.Second)
		s.def.Store(parse(t, strings.NewReplacer("2: {menu: second}", "2: {info: horaires}", "bienvenue", "bonjour").Replace(definition+prompts())))
		s.floor.SetQueues(s.def.Load().Queues)
		c.types("2")
		time.Sleep(time.Second)
		c.hears("fr/bienvenue", "fr/menu-principal/", "fr/menu-second")
		next := s.dial(general)
		time.Sleep(time.Second)
		next.hears("fr/bonjour")
		c.hangsUp()
		next.hangsUp()
	})
}

func TestWhoAskedForAQueueThatAReloadTookAwayGetsTheFirstMenus(t *testing.T) {
	play(t, func(s *stage) {
		c := s.dial(general)
		time.Sleep(3 * time.Second)
		text := definition + prompts()
		text = strings.ReplaceAll(text, "queue: titres", "queue: accueil")
		text = text[:strings.Index(text, "  titres: {label")] + text[strings.Index(text, "skills:"):]
		s.def.Store(parse(t, text))
		s.floor.SetQueues(s.def.Load().Queues)
		c.types("2")
		c.types("1")
		time.Sleep(time.Second)
		c.hears("fr/bienvenue", "fr/menu-principal/", "fr/menu-second/", "fr/queue.joined")
		if s.queue("accueil").Waiting != 1 {
			t.Error("the caller should wait for the first menu's queue")
		}
		c.hangsUp()
	})
}

func TestAMissingPromptIsLeftOutAndTheCallGoesOn(t *testing.T) {
	play(t, func(s *stage) {
		s.lose("menu-principal", "queue.joined")
		c := s.dial(general)
		time.Sleep(3 * time.Second)
		c.types("1")
		time.Sleep(time.Second)
		c.hears("fr/bienvenue", "fr/position.1")
		c.hangsUp()
	})
}

func TestAFaultIsExcusedOnceAndNeverLoops(t *testing.T) {
	t.Run("a panic", func(t *testing.T) {
		play(t, func(s *stage) {
			c := s.caller(general)
			c.failing = func(what string) error {
				if what == "hold" {
					panic("a fault of ours")
				}
				return nil
			}
			c.types("1")
			c.begin(StepGreet, new(Visit))
			c.ends(call.Failed, call.ReasonInternal)
			c.hears("fr/sorry.technical")
		})
	})
	t.Run("nothing can be said at all", func(t *testing.T) {
		play(t, func(s *stage) {
			c, tried := s.caller(general), 0
			c.failing = func(string) error { tried++; return call.ErrTechnical }
			c.begin(StepGreet, new(Visit))
			c.ends(call.Failed, call.ReasonExchange)
			if tried != 2 { // the welcome and the apology
				t.Errorf("the caller was spoken to %d times", tried)
			}
		})
	})
	t.Run("a fault while an agent is rung", func(t *testing.T) {
		play(t, func(s *stage) {
			s.signIn("2001", "2002")
			c := s.caller(general)
			c.rings["2001"] = func(context.Context) error { panic("a fault of ours") }
			c.types("1")
			c.begin(StepGreet, new(Visit))
			time.Sleep(10 * time.Second)
			if got := c.leg().Agent(); got != "2002" {
				t.Errorf("agent %s has the caller", got)
			}
			c.hangsUp()
		})
	})
	t.Run("the database", func(t *testing.T) {
		play(t, func(s *stage) {
			s.saved.refuse(errors.New("the disk is full"))
			c := s.dial(general, "1")
			time.Sleep(10 * time.Second)
			c.hears("fr/queue.joined", "fr/position.1", "fr/queue.noagents")
			c.hangsUp()
		})
	})
}
