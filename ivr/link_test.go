package ivr

import (
	"errors"
	"strings"
	"testing"
	"time"

	"decroche/call"
	"decroche/sms"
)

const landline = call.Number("+33199001122")

// informed is a caller who hears an information that has a link: 2 is the site, 3 the other.
func (s *stage) informed(from call.Number, key string) *fake {
	c := s.from(from, "2"+key)
	time.Sleep(time.Second)
	return c
}

func TestALinkIsSentToAMobileOnceAtTheKey(t *testing.T) {
	play(t, func(s *stage) {
		x := s.online()
		c := s.informed("+33639980001", "2")
		time.Sleep(6 * time.Second)
		c.hears("fr/info-site", "fr/link.offer", "fr/info.offer-person")
		if len(x.sent()) != 0 {
			t.Error("a link was sent that nobody asked for")
		}
		c.types("3")
		time.Sleep(3 * time.Second)
		c.hears("fr/link.sent", "fr/info.offer-person") // it is not offered again
		want := sms.Message{
			Key: "link:call-1", To: "+33639980001", Lang: "fr", Purpose: sms.Link, Contact: "call-1",
			Text: "Service : notre site https://www.exemple.fr/titres",
		}
		if len(x.sent()) != 1 || x.sent()[0] != want {
			t.Errorf("sent was %+v", x.sent())
		}
		c.types("3")
		time.Sleep(time.Second)
		c.hears("fr/menu.wrong")
		c.types("2") // the information again
		time.Sleep(5 * time.Second)
		c.hears("fr/info-site", "fr/info.offer-person")
		if len(x.sent()) != 1 {
			t.Errorf("sent was %+v", x.sent())
		}
		c.types("1")
		time.Sleep(time.Second)
		c.hears("fr/queue.joined")
	})
}

func TestALinkAskedForAgainAfterARestartIsTheSameMessage(t *testing.T) {
	play(t, func(s *stage) {
		x := s.online()
		c := s.informed("+33639980001", "2")
		time.Sleep(2 * time.Second)
		c.types("3")
		r := s.restart(c)[0] // the step begins anew
		time.Sleep(3 * time.Second)
		r.hears("fr/info-site", "fr/link.offer")
		r.types("3")
		if len(x.sent()) != 2 || x.sent()[0] != x.sent()[1] { // the outbox knows it by its key
			t.Errorf("sent was %+v", x.sent())
		}
	})
}

func TestOtherTelephonesAreToldTheAddressSlowlyAndTwice(t *testing.T) {
	for name, from := range map[string]call.Number{"a landline": landline, "a number withheld": call.Withheld} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *stage) {
				x := s.online()
				c := s.informed(from, "2")
				time.Sleep(9 * time.Second)
				c.hears("fr/info-site", "fr/adresse", "fr/adresse", "fr/link.hear", "fr/info.offer-person")
				c.types("3")
				time.Sleep(7 * time.Second)
				c.hears("fr/adresse", "fr/adresse", "fr/link.hear", "fr/info.offer-person")
				if len(x.sent()) != 0 {
					t.Errorf("sent was %+v", x.sent())
				}
			})
		})
	}
	t.Run("spelt where the service has no words for it", func(t *testing.T) {
		play(t, func(s *stage) {
			s.online()
			c := s.informed(landline, "3")
			time.Sleep(4 * time.Second)
			c.hears("fr/info-site", "fr/link.address", "fr/link.address")
			if said := s.sentences(); said[0] != "link.address: address exemple, point, fr, barre oblique, rendez, tiret, vous" {
				t.Errorf("said %q", said)
			}
		})
	})
	t.Run("who skip it with a key", func(t *testing.T) {
		play(t, func(s *stage) {
			s.online()
			c := s.informed(landline, "2")
			time.Sleep(2 * time.Second)
			c.types("1")
			time.Sleep(time.Second)
			c.hears("fr/info-site", "fr/adresse/", "fr/queue.joined")
		})
	})
}

func TestWhileASiteIsDownNobodyIsSentThere(t *testing.T) {
	for name, from := range map[string]call.Number{"a mobile": "+33639980001", "a landline": landline} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *stage) {
				x := s.online()
				s.sites.fail("site", "info-site", "autres-moyens")
				c := s.informed(from, "2")
				time.Sleep(4 * time.Second)
				c.hears("fr/link.down", "fr/info.offer-person")
				c.types("3")
				time.Sleep(time.Second)
				c.hears("fr/menu.wrong")
				c.hangsUp()
				c.ends(call.LeftIVR, call.ReasonCallerHungUp) // nothing was heard to its end
				if len(x.sent()) != 0 {
					t.Errorf("sent was %+v", x.sent())
				}
			})
		})
	}
	t.Run("which may happen after the offer", func(t *testing.T) {
		play(t, func(s *stage) {
			x := s.online()
			c := s.informed("+33639980001", "2")
			time.Sleep(2 * time.Second)
			c.hears("fr/info-site", "fr/link.offer")
			s.sites.fail("site")
			c.types("3")
			time.Sleep(time.Second)
			c.hears("fr/link.down")
			if said := s.sentences(); len(x.sent()) != 0 || said[0] != "link.down: label notre site" {
				t.Errorf("sent was %+v, said %q", x.sent(), said)
			}
		})
	})
	t.Run("also by the words of a closed line", func(t *testing.T) {
		play(t, func(s *stage) {
			s.online()
			s.sites.fail("site", "autres-moyens")
			time.Sleep(8 * time.Hour)
			c := s.dial(general)
			c.ends(call.Closed, call.ReasonClosedHours)
			c.hears("fr/ferme", "fr/ferme-horaires", "fr/rappel", "fr/goodbye")
		})
	})
}

func TestALinkThatCannotBeSentIsSaidInstead(t *testing.T) {
	play(t, func(s *stage) {
		s.online().err = errors.New("the disk is full")
		c := s.informed("+33639980001", "2")
		time.Sleep(3 * time.Second)
		c.types("3")
		time.Sleep(7 * time.Second)
		if got := strings.Join(c.names(), " "); !strings.Contains(got, "fr/link.failed fr/adresse fr/adresse fr/link.offer") {
			t.Errorf("heard %s", got)
		}
	})
}

func TestWithoutTextMessagesNoLinkIsSpokenOf(t *testing.T) {
	play(t, func(s *stage) {
		c := s.informed("+33639980001", "2")
		time.Sleep(4 * time.Second)
		c.hears("fr/info-site", "fr/info.offer-person")
	})
}

func TestAddressesAreReadOutSignBySign(t *testing.T) {
	for url, want := range map[string]string{
		"https://www.exemple.fr":         "www, point, exemple, point, fr",
		"https://exemple.fr/a_b?x=1":     "exemple, point, fr, barre oblique, a, tiret bas, b, point d'interrogation, x, égal, 1",
		"http://127.0.0.1:8080/demarche": "127, point, 0, point, 0, point, 1, deux points, 8080, barre oblique, demarche",
	} {
		if got := SpokenAddress("fr", url); got != want {
			t.Errorf("%s is read %q, want %q", url, got, want)
		}
	}
	if got := SpokenAddress("en", "https://exemple.fr/"); got != "exemple, dot, fr" {
		t.Errorf("in English: %q", got)
	}
}
