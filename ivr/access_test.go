package ivr

import (
	"strings"
	"testing"
	"time"

	"decroche/call"
	"decroche/callback"
	"decroche/sms"
)

// accessible is a service whose key 8 is for deaf and hard-of-hearing callers, said first.
func (s *stage) accessible() {
	s.t.Helper()
	text := strings.Replace(definition, "      9: repeat\n", "      8: access\n      9: repeat\n", 1)
	text = strings.Replace(text, "  prompt: acces\n", "  hint: touche-acces\n  prompt: acces\n", 1)
	s.def.Store(parse(s.t, text+prompts()+"  touche-acces: {fr: touche-acces, en: touche-acces}\n"))
	s.accessURL = func(lang call.Lang) string { return "https://rappel.example/" + string(lang) }
	s.journey.AccessURL = s.accessURL
}

func TestTheKeyForDeafCallersIsSaidFirst(t *testing.T) {
	play(t, func(s *stage) {
		s.accessible()
		c := s.dial(general)
		time.Sleep(8 * time.Second)
		c.hears("fr/touche-acces", "fr/bienvenue", "fr/menu-principal")
	})
	play(t, func(s *stage) { // in each language, before the languages themselves
		s.accessible()
		c := s.dial(both)
		time.Sleep(9 * time.Second)
		c.hears("fr/touche-acces", "en/touche-acces", "fr/langue", "en/langue")
	})
	play(t, func(s *stage) { // who hears no menu has no use for a key
		s.accessible()
		c := s.dial(direct)
		time.Sleep(5 * time.Second)
		if heard := c.names(); strings.Contains(strings.Join(heard, " "), "touche-acces") {
			t.Errorf("heard %q", heard)
		}
	})
}

func TestTheKeyServesFromTheFirstWordOn(t *testing.T) {
	for _, number := range []call.Number{general, both} {
		play(t, func(s *stage) {
			s.accessible()
			c := s.dial(number, "8")
			time.Sleep(3 * time.Second)
			c.hears("fr/acces", "fr/access.person")
		})
	}
}

func TestBehindTheKeyAMobileIsSentWhatCanBeDoneWithoutAVoice(t *testing.T) {
	play(t, func(s *stage) {
		x := s.online()
		s.accessible()
		c := s.from("+33639980001", "8")
		time.Sleep(9 * time.Second)
		c.hears("fr/acces", "fr/access.sms", "fr/access.person")
		sent := x.sent()
		if len(sent) != 1 || sent[0].Purpose != sms.Access || !strings.HasSuffix(sent[0].Text, "https://rappel.example/fr") {
			t.Fatalf("sent was %+v", sent)
		}
		r := s.restart(c)[0] // the same message, not another
		time.Sleep(3 * time.Second)
		r.hears("fr/acces", "fr/access.sms")
		if sent := x.sent(); len(sent) != 2 || sent[0].Key != sent[1].Key {
			t.Errorf("sent was %+v", sent)
		}
		r.types("1")
		time.Sleep(3 * time.Second)
		if q := s.queue("titres"); q.Waiting != 1 {
			t.Errorf("%d wait in the queue of the access", q.Waiting)
		}
	})
	play(t, func(s *stage) {
		x := s.online()
		s.accessible()
		c := s.from(landline, "8")
		time.Sleep(5 * time.Second)
		c.hears("fr/acces", "fr/access.person")
		if len(x.sent()) != 0 {
			t.Error("a landline was sent a text")
		}
	})
}

func TestWhoSaysNothingBehindTheKeyIsGivenAPerson(t *testing.T) {
	play(t, func(s *stage) {
		s.accessible()
		c := s.dial(general, "8")
		time.Sleep(90 * time.Second)
		if heard := strings.Join(c.names(), " "); !strings.Contains(heard, "fr/menu.to-person fr/queue.joined") {
			t.Errorf("heard %s", heard)
		}
	})
}

func TestACallbackThroughTheRelayIsAskedBehindTheKey(t *testing.T) {
	play(t, func(s *stage) {
		b := s.desk()
		s.accessible()
		c := s.dial(general, "8")
		time.Sleep(7 * time.Second)
		c.hears("fr/acces", "fr/access.person", "fr/access.relay")
		c.types("2")
		time.Sleep(12 * time.Second)
		c.types("1") // one's own number
		time.Sleep(3 * time.Second)
		c.types("1") // at one's turn
		c.ends(call.CalledBack, call.ReasonPlace)
		asked := look(b, &b.asked)
		if len(asked) != 1 || asked[0].Relay != relayCentre || asked[0].Number != "+33639980001" || asked[0].Origin != callback.FromAccess || asked[0].Public != "deaf" || asked[0].Queue != "titres" {
			t.Errorf("asked was %+v", asked)
		}
	})
}

func TestWhoDoesNotWantTheCallbackGoesBackToTheDoor(t *testing.T) {
	play(t, func(s *stage) {
		s.desk()
		s.accessible()
		c := s.dial(general, "8")
		time.Sleep(7 * time.Second)
		c.types("2")
		time.Sleep(12 * time.Second)
		c.types("3")
		time.Sleep(3 * time.Second)
		heard := c.names()
		if last := heard[len(heard)-1]; last != "fr/access.person" && last != "fr/acces" {
			t.Errorf("heard %q", heard)
		}
		c.hangsUp()
		c.ends(call.LeftIVR, call.ReasonCallerHungUp)
	})
}
