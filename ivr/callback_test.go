package ivr

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"decroche/call"
	"decroche/callback"
)

// readBack is 06 39 98 00 01 as the caller hears it.
var readBack = []string{"fr/number.digit.06", "fr/number.digit.39", "fr/number.digit.98", "fr/number.digit.00", "fr/number.digit.01"}

// hear is a list of prompts out of names and lists.
func hear(parts ...any) (list []string) {
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			list = append(list, p)
		case []string:
			list = append(list, p...)
		}
	}
	return list
}

// question is what is asked of the number; after it the caller has six seconds.
var question = hear("fr/callback.number.yours", readBack, "fr/callback.number.choice")

// asking is a waiting caller who has pressed 1 and hears the question to its end.
func (s *stage) asking() *fake {
	s.t.Helper()
	c := s.waiting(10 * time.Second)
	c.hears(c.names()...)
	c.types("1")
	time.Sleep(15 * time.Second)
	c.hears(question...)
	return c
}

func TestAWaitingCallerIsPromisedTheirPlaceInLine(t *testing.T) {
	play(t, func(s *stage) {
		b := s.desk()
		joined := time.Now()
		c := s.asking()
		if q := s.queue("accueil"); q.Waiting != 0 || q.Abandoned != 0 {
			t.Errorf("while the caller decides the queue stands %+v", q)
		}
		c.types("1")
		time.Sleep(7 * time.Second)
		c.hears("fr/callback.when.place", "fr/callback.when.slot", "fr/callback.when.slot")
		if len(look(b, &b.asked)) != 0 {
			t.Error("a promise was made before the caller chose")
		}
		c.types("1")
		time.Sleep(time.Second)
		p := b.only(s) // kept before it is said
		if p.Kind != callback.Place || p.Number != "+33639980001" || p.Origin != callback.FromQueue || p.Contact != "call-1" {
			t.Errorf("promised was %+v", p)
		}
		if r := look(b, &b.asked)[0]; r.Queue != "accueil" || r.Reason != "dossier" || r.Public != "general" || r.Lang != "fr" || r.Joined.Sub(joined) > time.Second {
			t.Errorf("asked was %+v", r)
		}
		c.ends(call.CalledBack, call.ReasonPlace)
		c.hears(hear("fr/callback.noted", "fr/callback.number.yours", readBack, "fr/callback.noted.place", "fr/callback.noted.sms", "fr/goodbye")...)
		if q := s.queue("accueil"); q.Waiting != 0 || q.Abandoned != 0 {
			t.Errorf("then the queue stands %+v", q)
		}
		if len(look(b, &b.invited)) != 0 {
			t.Error("who was promised a callback is not invited to ask for one")
		}
	})
}

func TestASlotIsPromisedWithItsDayAndHour(t *testing.T) {
	play(t, func(s *stage) {
		b := s.desk()
		c := s.asking()
		c.types("1")
		time.Sleep(7 * time.Second)
		c.types("3")
		c.ends(call.CalledBack, call.ReasonSlot)
		if p := b.only(s); p.Kind != callback.Slot || !p.Slot.Equal(b.slots[1]) {
			t.Errorf("promised was %+v", p)
		}
		got := c.names()
		if !slices.Contains(got, "fr/callback.noted.slot") || slices.Contains(got, "fr/callback.when.zone") {
			t.Errorf("heard %q", got)
		}
		want := []string{
			"callback.when.slot: key 2 day aujourd'hui clock 11 heures 15",
			"callback.when.slot: key 3 day demain clock 9 heures 30",
			"callback.noted.slot: day demain clock 9 heures 30",
		}
		if said := s.sentences(); !slices.Equal(said, want) {
			t.Errorf("said %q\nwant %q", said, want)
		}
	})
}

func TestWhereOnlyThePlaceCanBePromisedNothingIsAsked(t *testing.T) {
	play(t, func(s *stage) {
		b := s.desk()
		b.slots = nil
		c := s.asking()
		c.types("1")
		c.ends(call.CalledBack, call.ReasonPlace)
		if got := c.names(); got[0] != "fr/callback.number.choice/" && got[0] != "fr/callback.noted" {
			t.Errorf("heard %q", got)
		}
	})
}

func TestWhoGoesBackToWaitingKeepsThePlace(t *testing.T) {
	for name, keys := range map[string]string{"by the key": "3", "saying nothing": "", "with wrong keys": "777"} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *stage) {
				b := s.desk()
				c := s.asking()
				later := s.waiting(5 * time.Second)
				for _, k := range keys {
					c.types(string(k))
					time.Sleep(8 * time.Second)
				}
				time.Sleep(2 * time.Minute)
				if got := c.names(); !slices.Contains(got, "fr/callback.back") || slices.Contains(got, "fr/caller.resumed") {
					t.Errorf("heard %q", got)
				}
				if q := s.queue("accueil"); q.Waiting != 2 {
					t.Errorf("the queue stands %+v", q)
				}
				s.signIn("2001")
				time.Sleep(10 * time.Second)
				c.leg().is(true, false) // nobody has overtaken
				if len(later.legs) != 0 {
					t.Error("the later caller was served first")
				}
				if n := len(s.facts.of(call.EventOfferRefused)); n != 1 {
					t.Errorf("the journal has %d refusals", n)
				}
				if len(look(b, &b.asked)) != 0 {
					t.Error("a promise was made")
				}
			})
		})
	}
}

func TestAnAgentWhoIsRungForWhoAsksInsteadStopsRinging(t *testing.T) {
	play(t, func(s *stage) {
		s.desk()
		c := s.caller(general)
		c.rings["2001"] = after(time.Minute)
		c.types("1")
		c.begin(StepGreet, new(Visit))
		time.Sleep(10 * time.Second)
		s.signIn("2001")
		time.Sleep(2 * time.Second)
		c.types("1")
		if st := s.state("2001"); st != "available" {
			t.Errorf("the agent is %s", st)
		}
	})
}

func TestALongWaitIsOfferedACallbackOnEntry(t *testing.T) {
	for why, words := range map[string]string{"estimate": "fr/callback.offer", "closing": "fr/callback.offer.closing"} {
		t.Run(why, func(t *testing.T) {
			play(t, func(s *stage) {
				b := s.desk()
				b.offers = why
				s.busy("2001")
				before := len(look(b, &b.offered))
				c := s.waiting(9 * time.Second)
				c.hears("fr/queue.joined", "fr/position.1", "fr/wait.under5", words)
				if len(look(b, &b.offered)) != before+1 || look(b, &b.offered)[before] < time.Minute || look(b, &b.offered)[before] > 20*time.Minute {
					t.Errorf("the upper bound of the wait was told as %v", look(b, &b.offered))
				}
				offers := s.facts.of(call.EventOffered)
				if last := offers[len(offers)-1]; last["what"] != "callback" || last["why"] != why {
					t.Errorf("the journal says %v", last)
				}
				c.types("1")
				time.Sleep(15 * time.Second)
				c.types("1")
				time.Sleep(7 * time.Second)
				c.types("1")
				c.ends(call.CalledBack, call.ReasonPlace)
				want := callback.FromQueue
				if why == "closing" {
					want = callback.FromClosing
				}
				if p := b.only(s); p.Origin != want {
					t.Errorf("the promise came %s", p.Origin)
				}
				if look(b, &b.requests)[0].Wait < time.Minute {
					t.Errorf("the wait was told as %s", look(b, &b.requests)[0].Wait)
				}
			})
		})
	}
}

func TestTheKeyIsToldInEverySecondAnnouncementAtMost(t *testing.T) {
	for name, test := range map[string]struct {
		offers string
		agents bool
		want   string
	}{
		"after an offer":         {"estimate", true, "offer - hint - hint"},
		"without one":            {"", true, "- hint - hint -"},
		"when nobody is there":   {"", false, "hint - hint - hint"},
		"an offer, nobody there": {"estimate", false, "offer - hint - hint"},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *stage) {
				s.desk().offers = test.offers
				if test.agents {
					s.busy("2001")
				}
				c := s.waiting(10 * time.Second)
				time.Sleep(2*time.Minute + 5*time.Second)
				var got []string
				for _, n := range c.names() {
					switch {
					case n == "fr/position.1":
						got = append(got, "-")
					case strings.HasPrefix(n, "fr/callback."):
						got[len(got)-1] = strings.TrimPrefix(n, "fr/callback.")
					}
				}
				if s := strings.Join(got, " "); s != test.want {
					t.Errorf("the announcements went %q, want %q", s, test.want)
				}
			})
		})
	}
}

func TestWithoutCallbacksEveryKeyTellsTheStanding(t *testing.T) {
	play(t, func(s *stage) {
		c := s.waiting(10 * time.Second)
		c.hears("fr/queue.joined", "fr/position.1", "fr/queue.noagents")
		c.types("1")
		c.hears("fr/position.1")
	})
}

func TestARefusalIsSaidAndTheCallerWaitsOn(t *testing.T) {
	for _, why := range []callback.Why{callback.WhyOff, callback.WhyTooMany, callback.WhyFull, callback.WhyAsleep} {
		t.Run(string(why), func(t *testing.T) {
			play(t, func(s *stage) {
				s.desk().why = why
				c := s.waiting(10 * time.Second)
				c.hears(c.names()...)
				c.types("1")
				time.Sleep(3 * time.Second)
				c.hears("fr/callback.refused."+string(why), "fr/callback.back")
				if q := s.queue("accueil"); q.Waiting != 1 || q.Abandoned != 0 {
					t.Errorf("the queue stands %+v", q)
				}
			})
		})
	}
	t.Run("a failure of ours", func(t *testing.T) {
		play(t, func(s *stage) {
			b := s.desk()
			c := s.asking()
			b.change(func() { b.err = errors.New("the disk is full") })
			c.types("1")
			time.Sleep(3 * time.Second)
			c.hears("fr/callback.failed", "fr/callback.back")
			c.types("1")
			time.Sleep(3 * time.Second)
			c.hears("fr/callback.failed", "fr/callback.back")
			c.hangsUp()
			c.ends(call.Abandoned, call.ReasonCallerHungUp)
		})
	})
}

func TestAnOverseasCallerHearsTheHoursOfTheirOwnClock(t *testing.T) {
	play(t, func(s *stage) {
		b := s.desk()
		b.zone = time.FixedZone("Indian/Reunion", 4*3600)
		c := s.from("+262692000001", "1")
		time.Sleep(10 * time.Second)
		c.types("1")
		time.Sleep(15 * time.Second)
		c.types("1")
		time.Sleep(8 * time.Second)
		got := c.names()
		if !slices.Contains(got, "fr/number.digit.92") || !slices.Contains(got, "fr/callback.when.zone") {
			t.Errorf("heard %q", got)
		}
		c.types("2")
		c.ends(call.CalledBack, call.ReasonSlot)
		want := []string{
			"callback.when.slot: key 2 day aujourd'hui clock 14 heures 15", "callback.when.slot: key 3 day demain clock 12 heures 30",
			"callback.noted.slot: day aujourd'hui clock 14 heures 15",
		}
		if said := s.sentences(); !slices.Equal(said, want) {
			t.Errorf("said %q, want %q", said, want)
		}
		if !slices.Contains(c.names(), "fr/callback.noted.sms") {
			t.Error("an overseas mobile is told of its SMS")
		}
	})
}

func TestASlotTakenMeanwhileGivesWayToTheOthers(t *testing.T) {
	play(t, func(s *stage) {
		b := s.desk()
		b.taken = 1
		second := b.slots[1]
		c := s.asking()
		c.types("1")
		time.Sleep(7 * time.Second)
		c.hears("fr/callback.when.place", "fr/callback.when.slot", "fr/callback.when.slot")
		c.types("2")
		time.Sleep(7 * time.Second)
		c.hears("fr/callback.refused.slot", "fr/callback.when.place", "fr/callback.when.slot")
		c.types("2")
		c.ends(call.CalledBack, call.ReasonSlot)
		if p := b.only(s); !p.Slot.Equal(second) {
			t.Errorf("promised was %+v", p)
		}
	})
	play(t, func(s *stage) { // whoever is fast takes them all
		b := s.desk()
		b.taken, b.place = 9, false
		b.slots = append(b.slots, b.slots[1].Add(time.Hour), b.slots[1].Add(2*time.Hour))
		c := s.asking()
		c.types("1")
		for range 3 {
			time.Sleep(time.Second)
			c.types("1")
		}
		time.Sleep(5 * time.Second)
		if got := c.names(); !slices.Contains(got, "fr/callback.back") || s.queue("accueil").Waiting != 1 {
			t.Errorf("heard %q", got)
		}
	})
}

func TestASlotThatCannotBeSaidIsNotOffered(t *testing.T) {
	play(t, func(s *stage) {
		b := s.desk()
		c := s.asking()
		s.lose("callback.when.slot")
		c.types("1")
		time.Sleep(3 * time.Second)
		c.types("2")
		time.Sleep(3 * time.Second)
		if len(look(b, &b.asked)) != 0 {
			t.Errorf("promised was what nobody heard: %+v", look(b, &b.asked))
		}
		c.types("1")
		c.ends(call.CalledBack, call.ReasonPlace)
	})
}

func TestOnePersonHasOnePromise(t *testing.T) {
	t.Run("which is said with its moment, and kept at the key", func(t *testing.T) {
		play(t, func(s *stage) {
			b := s.desk()
			b.live["+33639980001"] = callback.Promise{ID: "P9", Kind: callback.Slot, Slot: b.slots[0], Contact: "call-0"}
			c := s.waiting(10 * time.Second)
			c.hears(c.names()...)
			c.types("1")
			time.Sleep(5 * time.Second)
			c.hears("fr/callback.already.slot", "fr/callback.already.keep")
			if said := s.sentences(); !slices.Equal(said, []string{"callback.already.slot: day aujourd'hui clock 11 heures 15"}) {
				t.Errorf("said %q", said)
			}
			c.types("1")
			c.ends(call.CalledBack, call.ReasonSlot)
			c.hears("fr/goodbye")
			if len(look(b, &b.asked)) != 1 || len(look(b, &b.promises)) != 0 {
				t.Errorf("the request should be merged: %+v", look(b, &b.asked))
			}
		})
	})
	t.Run("and who does not press waits on", func(t *testing.T) {
		play(t, func(s *stage) {
			b := s.desk()
			b.live["+33639980001"] = callback.Promise{ID: "P9", Kind: callback.Place}
			c := s.waiting(10 * time.Second)
			c.hears(c.names()...)
			c.types("1")
			time.Sleep(13 * time.Second)
			c.hears("fr/callback.already.place", "fr/callback.already.keep", "fr/callback.back")
			if s.queue("accueil").Waiting != 1 || len(look(b, &b.asked)) != 0 {
				t.Error("the caller should wait on")
			}
		})
	})
	t.Run("also by the number typed, and when is not for every caller to hear", func(t *testing.T) {
		play(t, func(s *stage) {
			b := s.desk()
			b.live["+33199001122"] = callback.Promise{ID: "P9", Kind: callback.Place}
			c := s.asking()
			c.types("2")
			c.types("0199001122")
			time.Sleep(time.Second)
			c.hears("fr/callback.number.type/", "fr/callback.number.typed")
			c.types("1") // the number is the caller's to know before anything is said of it
			time.Sleep(3 * time.Second)
			c.hears("fr/callback.already", "fr/callback.already.keep")
			c.types("1")
			c.ends(call.CalledBack, call.ReasonPlace)
		})
	})
	t.Run("also when two ask at once", func(t *testing.T) {
		play(t, func(s *stage) {
			b := s.desk()
			c := s.asking()
			c.types("1")
			time.Sleep(7 * time.Second)
			c.hears("fr/callback.when.place", "fr/callback.when.slot", "fr/callback.when.slot")
			b.change(func() { b.live["+33639980001"] = callback.Promise{ID: "P9", Kind: callback.Place, Contact: "page"} })
			c.types("2")
			time.Sleep(3 * time.Second)
			c.hears("fr/callback.already.place", "fr/callback.already.keep")
			if len(look(b, &b.promises)) != 0 {
				t.Error("two promises were made")
			}
		})
	})
}

// Where a caller is who hangs up: what the journal says, and whether they are called back.
func TestHangingUpOnTheWayToAPromise(t *testing.T) {
	steps := []struct {
		keys string
		wait time.Duration
	}{{"1", time.Second}, {"1", time.Second}, {"1", time.Second}}
	for name, test := range map[string]struct {
		presses int
		other   string
		outcome call.Outcome
		kept    int
	}{
		"at the number":      {1, "", call.Abandoned, 0},
		"at the kind":        {2, "", call.Abandoned, 0},
		"at the words of it": {3, "", call.CalledBack, 1},
		"while typing":       {1, "20199", call.Abandoned, 0},
		"at the number read": {1, "20199001122", call.Abandoned, 0},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *stage) {
				b := s.desk()
				c := s.waiting(10 * time.Second)
				for _, step := range steps[:test.presses] {
					c.types(step.keys)
					time.Sleep(step.wait)
				}
				if test.other != "" {
					c.types(test.other)
					time.Sleep(time.Second)
				}
				c.hangsUp()
				reason := call.ReasonCallerHungUp
				if test.kept > 0 {
					reason = call.ReasonPlace
				}
				c.ends(test.outcome, reason)
				if len(look(b, &b.promises)) != test.kept || len(look(b, &b.invited)) != 1-test.kept {
					t.Errorf("%d promises, %d invitations", len(look(b, &b.promises)), len(look(b, &b.invited)))
				}
				if q := s.queue("accueil"); q.Waiting != 0 {
					t.Errorf("the queue stands %+v", q)
				}
			})
		})
	}
	t.Run("after the offer of a closed line", func(t *testing.T) {
		play(t, func(s *stage) {
			b := s.desk()
			time.Sleep(8 * time.Hour)
			c := s.dial(general)
			time.Sleep(7 * time.Second)
			c.types("1")
			time.Sleep(time.Second)
			c.hangsUp()
			c.ends(call.Closed, call.ReasonCallerHungUp)
			if len(look(b, &b.invited))+len(look(b, &b.asked)) != 0 {
				t.Error("who was not in line is left in peace")
			}
		})
	})
}

// At each step of the asking: what a caller hears after a restart, and what comes of it.
func TestAskingIsTakenUpAfterARestart(t *testing.T) {
	for step, test := range map[string]struct {
		keys  string
		hears []string
		then  string
	}{
		StepCallback: {"1", []string{"fr/caller.resumed", "fr/callback.number.yours"}, "11"},
		StepWhen:     {"11", []string{"fr/caller.resumed", "fr/callback.when.place"}, "1"},
		StepNoted:    {"111", []string{"fr/caller.resumed", "fr/callback.noted"}, ""},
	} {
		t.Run(step, func(t *testing.T) {
			play(t, func(s *stage) {
				b := s.desk()
				c := s.waiting(10 * time.Second)
				for _, k := range test.keys {
					c.types(string(k))
					time.Sleep(time.Second)
				}
				if cp, _ := s.saved.of(c.info.ID); cp.Step != step {
					t.Fatalf("the checkpoint is at %q", cp.Step)
				}
				r := s.restart(c)[0]
				time.Sleep(3 * time.Second)
				r.hears(test.hears...)
				for _, k := range test.then {
					r.types(string(k))
					time.Sleep(time.Second)
				}
				r.ends(call.CalledBack, call.ReasonPlace)
				if p := b.only(s); p.Joined.IsZero() {
					t.Errorf("promised was %+v", p)
				}
			})
		})
	}
	t.Run("after the promise and before its checkpoint", func(t *testing.T) {
		play(t, func(s *stage) {
			b := s.desk()
			c := s.waiting(10 * time.Second)
			c.types("1")
			time.Sleep(time.Second)
			c.types("1")
			time.Sleep(time.Second)
			b.live["+33639980001"] = callback.Promise{ID: "P1", Kind: callback.Place, Contact: c.info.ID}
			r := s.restart(c)[0]
			r.ends(call.CalledBack, call.ReasonPlace)
			if got := r.names(); got[1] != "fr/callback.noted" || slices.Contains(got, "fr/callback.already.place") {
				t.Errorf("heard %q", got)
			}
		})
	})
}

// from is a call of somebody else's number.
func (s *stage) from(number call.Number, keys ...string) *fake {
	c := s.caller(general)
	c.info.From = number
	c.types(strings.Join(keys, ""))
	c.begin(StepGreet, new(Visit))
	synctest.Wait()
	return c
}
