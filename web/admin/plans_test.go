package admin_test

import (
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"decroche/people"
	"decroche/service"
)

// closed is the line in the middle of a closure of some days.
func (s *site) closed() {
	s.Helper()
	text, err := os.ReadFile(s.file)
	s.must(err)
	day := func(n int) string { return time.Now().AddDate(0, 0, n).Format(time.DateOnly) }
	def, err := service.Parse(s.file, []byte(strings.Replace(string(text), "closures:\n", "closures:\n  - {from: "+day(-2)+", until: "+day(2)+", why: travaux}\n", 1)))
	s.must(err)
	s.def.Store(def)
}

func TestAPlanUntilTheClosingIsRefusedWhenTheLineIsClosed(t *testing.T) {
	s := open(t)
	v := s.account("camille", people.Supervisor)
	s.closed()
	for _, end := range []string{"closing", "9h"} {
		v.do(http.MethodPost, "/plans/afflux", url.Values{"end": {end}}).
			wants(422, "Plan « Afflux d'appels » : cette fin n'est plus possible", `href="#end-afflux"`, `id="end-afflux-error"`, `aria-describedby="end-afflux-error"`, "Inactif").
			lacks("Actif par", `id="end-fermeture-error"`, "Arrêter ce plan")
	}
	v.do(http.MethodPost, "/plans/autre", url.Values{"end": {"closing"}}).wants(404)
	v.get("/plans").submitTo("/plans/afflux", "end", "2h").wants(200, "Le plan est actif", "Actif par camille")
	s.account("dom", people.Manager).get("/journal").wants(200, "Plan activé")
}

func TestTheLogTellsWhichPlanWasEndedAndOnce(t *testing.T) {
	s := open(t)
	v := s.account("camille", people.Supervisor)
	v.do(http.MethodPost, "/plans/afflux", nil).wants(200, "Le plan est actif")
	v.do(http.MethodPost, "/plans/999/arreter", url.Values{"plan": {"rien-de-tel"}}).wants(200)
	for range 2 { // a double click
		v.do(http.MethodPost, "/plans/1/arreter", url.Values{"plan": {"texte-du-navigateur"}}).wants(200, "Le plan est arrêté")
	}
	log, err := s.db.People().Acts(s.Context(), people.Acts{Group: "plan", Limit: 9})
	s.must(err)
	if len(log) != 2 || log[0].What != "plan.off" || log[0].About != "afflux" || log[0].Who != "camille" || log[1].What != "plan.on" {
		t.Errorf("the log has %+v", log)
	}
}

func TestAPlanThatWasEndedWhileItsCauseMayLastSaysThatItWaits(t *testing.T) {
	s := open(t)
	v := s.account("camille", people.Supervisor)
	const waits = "Tant que sa cause dure, ce plan ne s'active plus de lui-même"
	v.do(http.MethodPost, "/plans/fermeture", nil).wants(200)
	v.do(http.MethodPost, "/plans/1/arreter", nil).wants(200).lacks(waits) // it has no rule
	v.do(http.MethodPost, "/plans/afflux", nil).wants(200).lacks(waits)
	v.do(http.MethodPost, "/plans/2/arreter", nil).wants(200, waits)
	last, err := s.db.LastRuns(s.Context())
	s.must(err)
	for _, r := range last {
		_, err := s.db.PlanHeld(s.Context(), r.ID, r.Held, time.Time{})
		s.must(err)
	}
	v.get("/plans").lacks(waits)
}
