package service

import (
	"strings"
	"testing"
	"time"
)

func TestPlansAreReadAndWhatIsWrongIsTold(t *testing.T) {
	d, err := ParseFile("../demo/prefecture.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p := d.Plans["afflux"]
	if p == nil || p.Ends != 2*time.Hour || p.When.WaitAbove != 15*time.Minute || p.When.For != 3*time.Minute || p.OfferAbove != time.Minute || p.Queues["etrangers"].MaxWaiting != 20 ||
		len(p.Messages) != 1 || p.Messages[0].Offer != "callback" || d.Plans["fermeture"].When != nil || !d.Plans["fermeture"].Messages[0].Replace {
		t.Errorf("read was %+v", p)
	}
	demo := string(demoText(t))
	for change, want := range map[[2]string]string{
		{"when: {wait_above: 15m, for: 3m}", "when: {for: 3m}"}:                                               "has 0 conditions",
		{"when: {wait_above: 15m, for: 3m}", "when: {wait_above: 15m, agents_below: 2}"}:                      "has 2 conditions",
		{"prompt: message-afflux, offer: callback", "prompt: message-afflux, offer: link"}:                    "offers a link without its name",
		{"prompt: message-afflux, offer: callback", "prompt: nulle-part"}:                                     `prompt "nulle-part"`,
		{"prompt: message-afflux, offer: callback", "prompt: message-afflux, queue: accueil, menu: conduite"}: "for a queue and for a menu",
		{"prompt: message-fermeture, replace: true", "prompt: message-fermeture, replace: true, offer: exit"}: "takes the place of the journey and offers",
		{"      etrangers: {max_waiting: 20}\n  fermeture", "      etrangers: {}\n  fermeture"}:               "changes nothing",
		{"callback: {offer_above: 1m}\n    queues", "callback: {}\n    queues"}:                               "offer_above",
		{"ends: 4h\n    messages:\n      - {prompt: message-fermeture, replace: true}", "ends: 4h"}:           "does nothing",
		{"ends: 4h", "ends: 4000h"}: "write a duration",
		{"Aucun agent ne peut vous répondre pour le moment.", strings.Repeat("Non. ", 200)}: "characters in \"fr\", at most 1000 in a message",
	} {
		text := strings.Replace(demo, change[0], change[1], 1)
		if text == demo {
			t.Fatalf("the demonstration has no %q", change[0])
		}
		if _, err := Parse("../demo/prefecture.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", change[1], err, want)
		}
	}
}
