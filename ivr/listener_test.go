package ivr

import (
	"errors"
	"strings"
	"testing"
	"time"

	"decroche/call"
	"decroche/sms"
)

func TestStarSaysTheQuestionAgainSlowerAndLouder(t *testing.T) {
	play(t, func(s *stage) {
		c := s.dial(general)
		time.Sleep(5 * time.Second)
		c.hears("fr/bienvenue", "fr/menu-principal")
		c.types("*")
		time.Sleep(4 * time.Second)
		c.hears("fr/~menu-principal")
		c.types("2") // the choice still serves
		time.Sleep(3 * time.Second)
		c.hears("fr/menu-second")
	})
}

func TestStarInTheMidstOfAMessageSaysItAgainFromTheStart(t *testing.T) {
	play(t, func(s *stage) {
		c := s.dial(general)
		time.Sleep(time.Second)
		c.types("*")
		time.Sleep(6 * time.Second)
		c.hears("fr/bienvenue/", "fr/~bienvenue", "fr/menu-principal")
	})
}

func TestWhoAsksTwiceHearsAllTheRestSlowly(t *testing.T) {
	play(t, func(s *stage) {
		c := s.dial(general, "3")
		time.Sleep(4 * time.Second)
		c.types("*")
		time.Sleep(4 * time.Second)
		c.types("*")
		time.Sleep(4 * time.Second)
		c.names()
		c.types("1")
		time.Sleep(20 * time.Second)
		heard := strings.Join(c.names(), " ")
		for _, want := range []string{"fr/~queue.joined", "fr/~position.1"} {
			if !strings.Contains(heard, want) {
				t.Errorf("heard %s, want %s", heard, want)
			}
		}
		r := s.restart(c)[0] // and the next controller knows
		time.Sleep(40 * time.Second)
		if heard := strings.Join(r.names(), " "); !strings.Contains(heard, "fr/~position.1") {
			t.Errorf("after a restart: %s", heard)
		}
	})
}

func TestWhoWaitsHearsTheWaitAgainSlowlyAndMayHaveItWritten(t *testing.T) {
	play(t, func(s *stage) {
		x := s.online()
		c := s.from("+33639980001", "1")
		time.Sleep(25 * time.Second)
		c.hears("fr/queue.joined", "fr/position.1", "fr/queue.noagents")
		c.types("*")
		time.Sleep(10 * time.Second)
		c.hears("fr/~position.1", "fr/~queue.noagents")
		c.types("#")
		time.Sleep(4 * time.Second)
		c.hears("fr/again.sent")
		sent := x.sent()
		if len(sent) != 1 || sent[0].Text != "Service : position.1. queue.noagents." || sent[0].Purpose != sms.Said || sent[0].To != "+33639980001" {
			t.Errorf("sent was %+v", sent)
		}
		c.types("1") // any other key: where do I stand?
		time.Sleep(5 * time.Second)
		c.hears("fr/position.1", "fr/queue.noagents")
	})
}

func TestHashSendsWhatWasSaidAndTheQuestionStands(t *testing.T) {
	play(t, func(s *stage) {
		x := s.online()
		c := s.from("+33639980001", "")
		time.Sleep(3 * time.Second)
		c.types("#")
		time.Sleep(3 * time.Second)
		c.hears("fr/bienvenue", "fr/menu-principal/", "fr/again.sent")
		if sent := x.sent(); len(sent) != 1 || sent[0].Text != "Service : menu-principal." {
			t.Errorf("sent was %+v", sent)
		}
		c.types("2")
		time.Sleep(3 * time.Second)
		c.hears("fr/menu-second")
	})
}

func TestWordsAreNotSentWhereTheyCannotBe(t *testing.T) {
	play(t, func(s *stage) {
		s.online()
		c := s.from(landline, "")
		time.Sleep(3 * time.Second)
		c.types("#")
		time.Sleep(3 * time.Second)
		c.hears("fr/bienvenue", "fr/menu-principal/", "fr/again.no-sms")
	})
	play(t, func(s *stage) {
		x := s.online()
		x.err = errors.New("the disk is full")
		c := s.from("+33639980001", "")
		time.Sleep(3 * time.Second)
		c.types("#")
		time.Sleep(3 * time.Second)
		c.hears("fr/bienvenue", "fr/menu-principal/", "fr/again.failed")
	})
	play(t, func(s *stage) {
		x := s.online()
		c := s.caller(general)
		c.info.From = "+33639980001"
		c.begin(StepMenu, &Visit{Lang: "fr", Menu: "principal", Written: mostWritten})
		time.Sleep(time.Second)
		c.types("#")
		time.Sleep(3 * time.Second)
		c.hears("fr/menu-principal/", "fr/again.enough")
		if len(x.sent()) != 0 {
			t.Error("a seventh text of one call was sent")
		}
	})
}

func TestWhatCannotBeSlowedDownIsSaidAsItIs(t *testing.T) {
	play(t, func(s *stage) {
		s.lose("~menu-principal")
		c := s.dial(general)
		time.Sleep(3 * time.Second)
		c.types("*")
		time.Sleep(3 * time.Second)
		c.hears("fr/bienvenue", "fr/menu-principal/", "fr/menu-principal")
	})
}

func TestStarAfterTheLastWordsOfAClosedLineSaysThemAgain(t *testing.T) {
	play(t, func(s *stage) {
		time.Sleep(8 * time.Hour) // Monday evening
		c := s.dial(general)
		time.Sleep(5 * time.Second)
		c.types("*")
		c.ends(call.Closed, call.ReasonClosedHours)
		heard := strings.Join(c.names(), " ")
		if !strings.Contains(heard, "fr/~ferme fr/~ferme-horaires fr/~autres-moyens") {
			t.Errorf("heard %s", heard)
		}
	})
}

func TestATextHasEachSentenceOnceAndAnEnd(t *testing.T) {
	long := strings.Repeat("a", longestWritten)
	for _, c := range []struct {
		said []call.Sound
		want string
	}{
		{nil, ""},
		{[]call.Sound{{Text: "Un. "}, {}, {Text: "Deux."}, {Text: "Un. "}}, "Un. Deux."},
		{[]call.Sound{{Text: "Un."}, {Text: long}}, "Un."},
		{[]call.Sound{{Text: long + "b"}}, long + "b"},
	} {
		if got := textOf(c.said); got != c.want {
			t.Errorf("%v is written %q, want %q", c.said, got, c.want)
		}
	}
}
