package ivr

import (
	"errors"
	"slices"
	"testing"
	"time"

	"decroche/call"
	"decroche/callback"
)

func TestAClosedLineOffersACallback(t *testing.T) {
	closed := []string{"fr/ferme", "fr/ferme-horaires", "fr/autres-moyens"}
	at := func(t *testing.T, story func(s *stage, b *book)) {
		play(t, func(s *stage) {
			b := s.desk()
			b.place = false
			time.Sleep(8 * time.Hour)
			story(s, b)
		})
	}
	t.Run("which is promised", func(t *testing.T) {
		at(t, func(s *stage, b *book) {
			c := s.dial(general, "1") // typed for the menu
			time.Sleep(9 * time.Second)
			c.hears(hear(closed, "fr/callback.hint")...)
			c.types("1")
			time.Sleep(15 * time.Second)
			c.hears(hear("fr/callback.number.yours", readBack, "fr/callback.number.choice.end")...)
			c.types("1")
			time.Sleep(5 * time.Second)
			c.hears("fr/callback.when.slot", "fr/callback.when.slot")
			c.types("1")
			c.ends(call.CalledBack, call.ReasonSlot)
			if p := b.only(s); p.Origin != callback.FromClosed || look(b, &b.asked)[0].Queue != "accueil" {
				t.Errorf("promised was %+v, asked %+v", p, look(b, &b.asked)[0])
			}
		})
	})
	t.Run("at once to who types ahead", func(t *testing.T) {
		at(t, func(s *stage, _ *book) {
			c := s.dial(general)
			time.Sleep(time.Second)
			c.types("1")
			time.Sleep(6 * time.Second)
			c.hears(hear(closed, "fr/callback.number.yours")...)
		})
	})
	t.Run("for the queue of the number dialled", func(t *testing.T) {
		at(t, func(s *stage, b *book) {
			s.dial(direct)
			time.Sleep(time.Second)
			if look(b, &b.requests)[0].Queue != "titres" {
				t.Errorf("asked was %+v", look(b, &b.requests)[0])
			}
		})
	})
	t.Run("which is let be", func(t *testing.T) {
		at(t, func(s *stage, _ *book) {
			c := s.dial(general)
			c.ends(call.Closed, call.ReasonClosedHours)
			c.hears(hear(closed, "fr/callback.hint", "fr/goodbye")...)
			if len(s.facts.of(call.EventOffered)) != 1 || len(s.facts.of(call.EventOfferRefused)) != 1 {
				t.Error("the journal should have the offer and its refusal")
			}
		})
	})
	t.Run("which any other key lets be", func(t *testing.T) {
		at(t, func(s *stage, _ *book) {
			c := s.dial(general)
			time.Sleep(7 * time.Second)
			c.types("5")
			c.ends(call.Closed, call.ReasonClosedHours)
			c.hears(hear(closed, "fr/callback.hint/", "fr/goodbye")...)
		})
	})
	t.Run("which is given up later", func(t *testing.T) {
		at(t, func(s *stage, _ *book) {
			c := s.dial(general)
			time.Sleep(7 * time.Second)
			c.types("1")
			time.Sleep(time.Second)
			c.types("3")
			c.ends(call.Closed, call.ReasonClosedHours)
			got := c.names()
			if got[len(got)-1] != "fr/goodbye" || slices.Contains(got, "fr/callback.back") {
				t.Errorf("heard %q", got)
			}
		})
	})
	t.Run("to who hides the number too", func(t *testing.T) {
		at(t, func(s *stage, _ *book) {
			c := s.from(call.Withheld)
			time.Sleep(7 * time.Second)
			c.types("1")
			time.Sleep(3 * time.Second)
			c.hears(hear(closed, "fr/callback.hint/", "fr/callback.refused.withheld", "fr/callback.number.type")...)
		})
	})
	for name, change := range map[string]func(b *book){
		"but not when none can be promised": func(b *book) { b.slots = nil },
		"but not when they are refused":     func(b *book) { b.why = callback.WhyTooMany },
		"but not when the book fails":       func(b *book) { b.err = errors.New("the disk is full") },
	} {
		t.Run(name, func(t *testing.T) {
			at(t, func(s *stage, b *book) {
				b.change(func() { change(b) })
				c := s.dial(general)
				c.ends(call.Closed, call.ReasonClosedHours)
				c.hears(hear(closed, "fr/rappel", "fr/goodbye")...)
			})
		})
	}
	t.Run("but only says the promise there is", func(t *testing.T) {
		at(t, func(s *stage, b *book) {
			b.change(func() { b.live["+33639980001"] = callback.Promise{ID: "P9", Kind: callback.Slot, Slot: b.slots[1]} })
			c := s.dial(general)
			c.ends(call.Closed, call.ReasonClosedHours)
			c.hears(hear(closed, "fr/callback.already.slot", "fr/goodbye")...)
		})
	})
}

func TestAFullQueueOffersACallback(t *testing.T) {
	play(t, func(s *stage) {
		b := s.desk()
		s.signIn("2002")
		s.dial(direct)
		time.Sleep(15 * time.Second)
		s.dial(direct)
		time.Sleep(15 * time.Second)
		c := s.dial(direct)
		time.Sleep(11 * time.Second)
		c.hears("fr/bienvenue", "fr/sature", "fr/ferme-horaires", "fr/autres-moyens", "fr/callback.hint")
		if r := look(b, &b.requests)[0]; r.Origin != callback.FromSaturated || r.Queue != "titres" || r.Wait < time.Minute || !r.Joined.IsZero() {
			t.Errorf("asked was %+v", r)
		}
		c.types("1")
		time.Sleep(time.Second)
		c.types("1")
		time.Sleep(time.Second)
		c.types("1")
		c.ends(call.CalledBack, call.ReasonPlace)
	})
}

// Outside the hours an information serves all the same: who calls from overseas does not wait for the
// mainland to wake up.
func TestAClosedLineHasAMenuOfItsOwn(t *testing.T) {
	closed := []string{"fr/ferme", "fr/ferme-horaires"}
	at := func(t *testing.T, story func(s *stage)) {
		play(t, func(s *stage) {
			b := s.desk()
			b.place = false
			s.selfCare()
			time.Sleep(8 * time.Hour)
			story(s)
		})
	}
	t.Run("which informs", func(t *testing.T) {
		at(t, func(s *stage) {
			c := s.dial(general)
			time.Sleep(5 * time.Second)
			c.types("3")
			time.Sleep(4 * time.Second)
			c.hears(hear(closed, "fr/menu-principal/", "fr/info-horaires", "fr/info.while-closed")...)
			c.hangsUp()
			c.ends(call.SelfServed, call.ReasonHeardAll)
			if len(s.facts.of(call.EventAgentAsked)) != 0 {
				t.Error("the journal says that a person was asked for")
			}
		})
	})
	t.Run("and leads back to when we answer, and to a callback", func(t *testing.T) {
		at(t, func(s *stage) {
			c := s.dial(general)
			time.Sleep(5 * time.Second)
			c.types("0")
			time.Sleep(8 * time.Second)
			c.hears(hear(closed, "fr/menu-principal/", closed, "fr/autres-moyens", "fr/callback.hint")...)
			c.ends(call.Closed, call.ReasonClosedHours)
		})
	})
	t.Run("also for who chooses nothing", func(t *testing.T) {
		at(t, func(s *stage) {
			c := s.dial(general)
			c.ends(call.Closed, call.ReasonClosedHours)
			if got := c.names(); slices.Contains(got, "fr/menu.to-person") || !slices.Contains(got, "fr/autres-moyens") {
				t.Errorf("heard %q", got)
			}
		})
	})
	t.Run("and who hangs up in it found a closed line", func(t *testing.T) {
		at(t, func(s *stage) {
			c := s.dial(general)
			time.Sleep(5 * time.Second)
			c.hangsUp()
			c.ends(call.Closed, call.ReasonCallerHungUp)
		})
	})
	t.Run("until the line opens", func(t *testing.T) {
		play(t, func(s *stage) {
			s.selfCare()
			time.Sleep(22*time.Hour + 59*time.Minute + 50*time.Second) // ten seconds before nine on Tuesday
			c := s.dial(general)
			time.Sleep(12 * time.Second)
			c.types("0")
			time.Sleep(2 * time.Second)
			if s.queue("accueil").Waiting != 1 {
				t.Errorf("heard %q", c.names())
			}
		})
	})
}

// selfCare gives the closed line a menu.
func (s *stage) selfCare() {
	def := *s.def.Load()
	def.Closed.Menu = "principal"
	s.def.Store(&def)
}
