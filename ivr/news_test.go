package ivr

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"decroche/call"
	"decroche/callback"
)

func TestAMessageOffersTheWayOut(t *testing.T) {
	play(t, func(s *stage) {
		s.board.publish(Message{Offer: OfferExit})
		c := s.dial(general)
		time.Sleep(5 * time.Second) // bienvenue, and the message
		c.hears("fr/bienvenue", "fr/message:1", "fr/message.exit")
		c.types("9")
		c.ends(call.SelfServed, call.ReasonHeardAll)
		c.hears("fr/goodbye")
		stays := s.dial(general)
		time.Sleep(5 * time.Second)
		stays.types("1") // meant for the menu, which they know
		time.Sleep(time.Second)
		stays.hears("fr/bienvenue", "fr/message:1", "fr/message.exit/", "fr/queue.joined")
	})
}

func TestAMessageOffersALink(t *testing.T) {
	play(t, func(s *stage) {
		x := s.online()
		s.board.publish(Message{Offer: OfferLink + "autre"})
		c := s.from("+33639980001", "")
		time.Sleep(5 * time.Second)
		c.hears("fr/bienvenue", "fr/message:1", "fr/link.offer")
		c.types("3")
		time.Sleep(3 * time.Second)
		c.hears("fr/link.sent", "fr/menu-principal")
		if sent := x.sent(); len(sent) != 1 || !strings.HasSuffix(sent[0].Text, "https://exemple.fr/rendez-vous/") {
			t.Errorf("sent was %+v", sent)
		}
		fixed := s.from(landline, "") // who cannot be sent a link hears it
		time.Sleep(9 * time.Second)
		fixed.hears("fr/bienvenue", "fr/message:1", "fr/link.address", "fr/link.address", "fr/link.hear")
	})
}

func TestAMessageOffersACallback(t *testing.T) {
	play(t, func(s *stage) {
		b := s.desk()
		s.board.publish(Message{Offer: OfferCallback})
		s.board.publish(Message{})
		c := s.dial(general)
		time.Sleep(5 * time.Second)
		c.hears("fr/bienvenue", "fr/message:1", "fr/callback.hint")
		c.types("1")
		time.Sleep(15 * time.Second)
		c.hears(question...)
		c.types("3") // changes their mind: the journey goes on where it was
		time.Sleep(3 * time.Second)
		c.hears("fr/message:2", "fr/menu-principal")
		again := s.dial(general)
		time.Sleep(5 * time.Second)
		again.types("1")
		time.Sleep(15 * time.Second)
		again.types("1")
		time.Sleep(7 * time.Second)
		again.types("1")
		time.Sleep(time.Second)
		if p := b.only(s); p.Origin != callback.FromMessage || look(b, &b.asked)[0].Queue != "accueil" {
			t.Errorf("promised was %+v", p)
		}
		again.ends(call.CalledBack, call.ReasonPlace)
	})
}

func TestWhoWaitsIsOfferedWhatAMessageOffers(t *testing.T) {
	play(t, func(s *stage) {
		x := s.online()
		c := s.waiting(10 * time.Second)
		c.hears(c.names()...)
		s.board.publish(Message{Offer: OfferLink + "autre"})
		s.board.publish(Message{Offer: OfferExit})
		time.Sleep(40 * time.Second)
		c.hears("fr/message:1", "fr/link.offer", "fr/message:2", "fr/message.exit", "fr/position.1", "fr/queue.noagents")
		c.types("3")
		time.Sleep(time.Second)
		if len(x.sent()) != 1 {
			t.Errorf("sent was %+v", x.sent())
		}
		c.hears(c.names()...)
		c.types("9")
		c.ends(call.Abandoned, call.ReasonHeardAll)
	})
}

func TestAHeldMessageIsHeardByNobody(t *testing.T) {
	play(t, func(s *stage) {
		s.board.publish(Message{Held: true})
		c := s.dial(general)
		time.Sleep(5 * time.Second)
		c.hears("fr/bienvenue", "fr/menu-principal")
	})
}

func TestAMessageThatOnlyLastsLongerIsNotHeardTwice(t *testing.T) {
	play(t, func(s *stage) {
		s.board.publish(Message{Until: time.Now().Add(time.Minute)})
		c := s.waiting(10 * time.Second)
		heard := func(message string) bool { return strings.Contains(strings.Join(c.names(), " "), message) }
		if !heard("message:1") {
			t.Fatalf("who waits heard %q", c.names())
		}
		s.board.publish(Message{From: time.Now().Add(time.Minute), Instead: 1, Continues: 1})
		time.Sleep(5 * time.Minute)
		if heard("message:2") {
			t.Error("the same words were heard twice")
		}
		s.board.publish(Message{Instead: 2, Text: map[call.Lang]string{"fr": "C'est réparé."}})
		time.Sleep(2 * time.Minute)
		if !heard("message:3") {
			t.Error("other words were not heard")
		}
	})
}

// The journal has who heard a message: who hung up while it was said too, and who left before it not.
func TestWhoHangsUpDuringAMessageHasHeardIt(t *testing.T) {
	play(t, func(s *stage) {
		s.board.publish(Message{})
		heard := func(want int) {
			t.Helper()
			if got := s.facts.of(call.EventMessage); len(got) != want {
				t.Errorf("the journal has %v, want %d of them", got, want)
			}
		}
		early, atFirst, midway, whole := s.dial(general), s.dial(general), s.dial(general), s.dial(general)
		time.Sleep(time.Second)
		early.hangsUp()
		time.Sleep(1200 * time.Millisecond) // as when the hang-up of who left during the welcome is told late
		atFirst.hangsUp()
		heard(0)
		time.Sleep(800 * time.Millisecond)
		midway.hangsUp()
		heard(1)
		left := s.restart(whole)[0] // while the message is said: the next controller says it whole
		heard(1)
		time.Sleep(3 * time.Second)
		heard(2)
		left.hangsUp()
		heard(2)
	})
}

// To who waits a message is said after the journal is told: it has when, and how long.
func TestTheJournalHasWhenAMessageIsSaidToWhoWaits(t *testing.T) {
	play(t, func(s *stage) {
		c := s.waiting(10 * time.Second)
		s.board.publish(Message{Offer: OfferExit})
		s.board.publish(Message{})
		time.Sleep(40 * time.Second)
		c.hears(c.names()...)
		var said []string
		for _, f := range s.facts.of(call.EventMessage) {
			said = append(said, fmt.Sprintf("%v after %v, for %v", f["id"], f["after_ms"], f["lasts_ms"]))
		}
		if want := []string{"1 after 0, for 2000", "2 after 4000, for 2000"}; !slices.Equal(said, want) {
			t.Errorf("told was %q, want %q", said, want)
		}
		c.hangsUp()
	})
}
