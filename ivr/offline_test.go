package ivr

import (
	"strings"
	"testing"
	"time"

	"decroche/call"
)

// withoutInternet is a service whose information tells how it is done without, and where.
func (s *stage) withoutInternet() *texts {
	s.t.Helper()
	x := s.online()
	text := strings.Replace(definition, "  site: {prompt: info-site, queue: accueil, link: site}", "  site: {prompt: info-horaires, queue: accueil, link: site, offline: sans}", 1)
	text = strings.Replace(text, "queues:\n", "points:\n  nord: {prompt: point-nord, postcodes: [59, 59000]}\n  lille: {prompt: point-lille, postcodes: [59800]}\nqueues:\n", 1)
	s.def.Store(parse(s.t, text+prompts()+"  sans: {fr: sans, en: sans}\n  point-nord: {fr: nord, en: nord}\n  point-lille: {fr: lille, en: lille}\n"))
	return x
}

func TestWhoDoesWithoutTheInternetIsToldHowAndWhereAndNotOfferedItAgain(t *testing.T) {
	play(t, func(s *stage) {
		x := s.withoutInternet()
		b := s.desk()
		c := s.from("+33639980001", "22")
		time.Sleep(9 * time.Second)
		c.hears("fr/info-horaires", "fr/link.offer", "fr/offline.offer", "fr/info.offer-person")
		c.types("4")
		time.Sleep(7 * time.Second)
		c.hears("fr/offline.noted", "fr/sans", "fr/offline.postcode")
		c.types("59800")
		time.Sleep(5 * time.Second)
		c.hears("fr/point-lille", "fr/info.offer-person") // no link, and not asked again
		c.types("3")
		time.Sleep(time.Second)
		c.hears("fr/menu.wrong")
		if len(x.sent()) != 0 {
			t.Error("a link was sent")
		}
		c.types("1")
		time.Sleep(time.Minute)
		c.hangsUp()
		if len(look(b, &b.invited)) != 0 {
			t.Error("an address was sent to who does without")
		}
		if f := s.facts.of(call.EventOfferRefused); len(f) == 0 || f[0]["what"] != "online" {
			t.Errorf("the journal has %v", f)
		}
	})
}

func TestAPostcodeWithoutAPointMayBeTypedAgain(t *testing.T) {
	play(t, func(s *stage) {
		s.withoutInternet()
		c := s.from(landline, "22")
		time.Sleep(20 * time.Second)
		c.types("4")
		time.Sleep(7 * time.Second)
		c.names()
		c.types("75012")
		time.Sleep(3 * time.Second)
		c.types("59*59123")
		time.Sleep(3 * time.Second)
		heard := strings.Join(c.names(), " ")
		if !strings.Contains(heard, "fr/offline.unknown") || !strings.Contains(heard, "fr/point-nord") {
			t.Errorf("heard %s", heard)
		}
	})
	play(t, func(s *stage) { // who types nothing goes on
		s.withoutInternet()
		c := s.from(landline, "22")
		time.Sleep(20 * time.Second)
		c.types("4")
		time.Sleep(20 * time.Second)
		if heard := strings.Join(c.names(), " "); !strings.Contains(heard, "fr/offline.postcode fr/info.offer-person") {
			t.Errorf("heard %s", heard)
		}
	})
}

func TestWhatSendsOnlineIsNotSaidAnyMoreToWhoDoesWithout(t *testing.T) {
	play(t, func(s *stage) {
		s.withoutInternet()
		c := s.caller(general)
		c.begin(StepSaturated, &Visit{Lang: "fr", Queue: "titres", Offline: true})
		time.Sleep(20 * time.Second)
		heard := strings.Join(c.names(), " ")
		if strings.Contains(heard, "autres-moyens") || !strings.Contains(heard, "fr/sature") {
			t.Errorf("heard %s", heard)
		}
	})
}
