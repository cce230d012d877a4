package e2e

import (
	"strings"
	"testing"
	"time"

	"decroche/call"
	"decroche/e2e/rig"
	"decroche/e2e/softphone"
)

// Who does without the internet is told how it is done by telephone and where, by the postcode they
// type, and is offered nothing online any more: no link, no invitation after the call.
func TestWhoDoesWithoutTheInternetIsToldWhereOnTheLine(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{Service: essai(t,
		"horaires: {prompt: info-horaires, queue: accueil, reason: venir}",
		"horaires: {prompt: info-horaires, queue: accueil, reason: venir, link: portail, offline: sans}",
		"queues:\n", "points:\n  nord: {prompt: point-nord, postcodes: [59]}\n  lille: {prompt: point-lille, postcodes: [59800]}\nqueues:\n",
		"annonce-accueil: {fr", "sans: {fr: \"Vous pouvez aussi venir au guichet, le matin.\", en: You may also come in the morning.}\n"+
			"  point-nord: {fr: \"Le lieu le plus proche est la maison du Nord, rue de la Gare.\", en: The nearest place is rue de la Gare.}\n"+
			"  point-lille: {fr: \"Le lieu le plus proche est la maison de Lille, place du Marché.\", en: The nearest place is place du Marché.}\n"+
			"  annonce-accueil: {fr",
	) + "links:\n  portail: {url: " + portal + ", every: 0s, label: {fr: notre site, en: our website}}\n"})
	c := r.DialFrom(mobile(t, r, softphone.Manner{}).Phone, line)
	c.Hears("fr/bienvenue", 10*time.Second)
	c.Types("3")
	c.Hears("fr/info-horaires", 10*time.Second)
	c.HearsAll("fr/offline.offer", 40*time.Second)
	c.Types("4")
	c.Hears("fr/offline.noted", 10*time.Second)
	c.HearsAll("fr/offline.postcode", 40*time.Second)
	c.Types("75012") // no point there
	c.HearsAll("fr/offline.unknown", 20*time.Second)
	c.Types("59800")
	c.HearsAll("fr/point-lille", 20*time.Second)
	c.Hears("fr/info.offer-person", 20*time.Second)
	c.Types("1")
	c.Hears("fr/queue.joined", 20*time.Second)
	c.HangsUp()
	c.Ends(15 * time.Second)
	if out := r.Must("sms"); strings.Contains(out, "link") || strings.Contains(out, "invitation") {
		t.Errorf("who does without the internet is sent\n%s", out)
	}
	if f := r.Facts(call.EventOfferRefused); len(f) != 1 || f[0].Data["what"] != "online" {
		t.Errorf("the journal has %+v", f)
	}
}
