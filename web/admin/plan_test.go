package admin_test

import (
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"decroche/drafts"
	"decroche/people"
	"decroche/service"
)

// looked is what the drafts are.
func (s *site) looked() *drafts.Look {
	s.Helper()
	l, err := s.srv.Drafts.Look(s.Context())
	s.must(err)
	return l
}

// publish lets the drafts out, on their page.
func (v *visitor) publish() *visitor {
	v.s.Helper()
	m := regexp.MustCompile(`name="version" value="([^"]*)"`).FindStringSubmatch(v.get("/service/brouillon").body)
	if m == nil {
		v.s.Fatalf("the draft cannot be published:\n%s", v.body)
	}
	v.do(http.MethodPost, "/service/brouillon", url.Values{"version": {m[1]}}).wants(200, "C'est publié")
	v.s.must(v.s.srv.Plans.Again(v.s.Context())) // as the line does
	return v
}

func TestAPlanIsWrittenOnThePageFromItsFirstWordToItsEnd(t *testing.T) {
	s := open(t)
	v := s.account("camille", people.Editor)
	v.get("/plans").wants(200, "Préparer un nouveau plan", "Modifier le plan « Afflux d'appels »")
	v.get("/plans/-/modifier").wants(200, "message-fermeture : ", "(nouvel onglet)", `name="prompt-0"`).lacks(`name="prompt-1"`, "Retirer ce plan")
	v.submit("id", "Panne", "ends", "longtemps").wants(422, `id="id-error"`, `id="label_fr-error"`, `id="label_en-error"`, `id="ends-error"`, `value="Panne"`, `value="longtemps"`, "Écrivez une durée, par exemple")
	v.submit("id", "panne", "ends", "1 min 30", "label_fr", "Panne du site", "label_en", "Site outage").wants(422, "Ce plan ne fait rien", `id="prompt-0-error"`, `value="1 min 30"`)
	v.submit("prompt-0", "message-fermeture", "place-0", "accueil", "effect-0", "link:demarches", "step", "message").wants(200, `name="prompt-1"`, "Modifier le texte « message-fermeture »", `value="Panne du site"`)
	if l := s.looked(); len(l.Drafts) != 0 {
		t.Errorf("to add a message keeps %+v", l.Drafts)
	}
	v.submit("prompt-1", "message-afflux", "place-1", "menu:conduite", "effect-1", "callback", "above", "1 min", "max-accueil", "0", "to-etrangers-0", "accueil", "step", "rule-etrangers").wants(200, `name="to-etrangers-1"`)
	v.submit("to-etrangers-1", "conduite", "longer-etrangers-1", "5", "when", "link").wants(422, `id="after-etrangers-0-error"`, "Dites quand l'aide commence", `id="link-error"`, "Choisissez le site")
	v.submit("after-etrangers-0", "1 min 30", "link", "demarches", "of", "", "for", "0", "wait", "12 min").wants(200, "C'est dans le brouillon", "Panne du site", "Pas encore publié", "Ce plan est un brouillon").lacks(`action="/plans/panne"`)
	want := &service.Plan{
		ID: "panne", Label: service.Text{"fr": {Say: "Panne du site"}, "en": {Say: "Site outage"}}, Ends: 90 * time.Second, OfferAbove: time.Minute,
		Messages: []service.PlanMessage{{Prompt: "message-fermeture", Queue: "accueil", Offer: "link", Link: "demarches"}, {Prompt: "message-afflux", Menu: "conduite", Offer: "callback"}},
		Queues:   map[string]service.PlanQueue{"accueil": {}, "etrangers": {MaxWaiting: -1, Overflow: []service.Overflow{{To: "accueil", After: 90 * time.Second}, {To: "conduite", LongerThan: 5}}}},
		When:     &service.Trigger{LinkDown: "demarches"},
	}
	if got := s.looked().Next.Plans["panne"]; !reflect.DeepEqual(got, want) {
		t.Errorf("written was %+v (%+v), want %+v", got, got.When, want)
	}
	v.do(http.MethodPost, "/plans/panne", nil).wants(404) // not before it is published
	v.get("/service/brouillon").wants(200, "Plan « Panne du site »", "Français : Panne du site", "Durée prévue : 1 min 30 s", "S'active de lui-même si vos démarches en ligne est en panne",
		"Branche du menu : conduite", "Texte « message-afflux »", "aidée par les agents de Permis et carte grise dès qu'il y a plus de 5 appelants en attente")
	v.publish().get("/plans").wants(200, `action="/plans/panne"`).lacks("Pas encore publié")
	v.do(http.MethodPost, "/plans/panne", url.Values{"end": {"1h"}}).wants(200, "Le plan est actif")
	v.get("/messages").wants(200, "File Accueil général")
	v.get("/plans/panne/modifier").wants(200, "Actif par camille", "vaut aussitôt", `value="1 min 30 s"`)
	v.submit("drop-0", "1").wants(200, "C'est dans le brouillon", "Un brouillon change ce plan")
	if p := s.looked().Next.Plans["panne"]; len(p.Messages) != 1 || p.Messages[0].Prompt != "message-afflux" {
		t.Errorf("without a message: %+v", p.Messages)
	}
	v.publish().get("/messages").wants(200, "Arrêté par un changement du plan")
	v.get("/plans/panne/modifier").submit("drop", "1").wants(200, "Un brouillon retire ce plan")
	v.get("/plans/panne/modifier").wants(200, "Enregistrez-le pour le garder", `value="Panne du site"`)
	v.get("/service/brouillon").wants(200, "Plan « Panne du site »")
	v.publish().get("/plans").wants(200, "Ce plan n'est plus dans le service", "Actif par camille")
	v.submitTo("/arreter").wants(200, "Le plan est arrêté").lacks("Ce plan n'est plus dans le service")
	if active, err := s.db.Active(s.Context(), time.Now()); err != nil || len(active) != 0 || s.written().Plans["panne"] != nil {
		t.Errorf("callers still hear %+v, %v", active, err)
	}
	v.get("/plans/panne/modifier").wants(404)
	v.do(http.MethodPost, "/plans/Panne/modifier", nil).wants(404)
}

// Plans with everything that a definition can say of one.
var everything = map[string]string{
	"tout": `label: {fr: "Tout : un plan", en: Everything}
ends: 26h
when: {answered_below: 55.5, queue: accueil, for: 90s}
messages:
  - {prompt: message-afflux, menu: principal, offer: exit}
  - {prompt: message-afflux, queue: conduite, offer: link, link: demarches}
  - {prompt: message-fermeture, replace: true}
  - {prompt: message-fermeture, offer: callback}
callback: {offer_above: 1.5s}
queues:
  accueil: {max_waiting: 0, overflow: [{to: conduite, after: 1m, longer_than: 3}, {to: etrangers, longer_than: 7}]}
  etrangers: {overflow: [{to: accueil, after: 2h}, {to: accueil, after: 3h}]}
  conduite: {max_waiting: 12}`,
	"attente": "label: Attente\nwhen: {wait_above: 15m30s, for: 0s}\ncallback: {offer_above: 1m}",
	"agents":  "label: {fr: Agents, en: Agents}\nwhen: {agents_below: 3}\ncallback: {offer_above: 1m}",
	"site":    "label: {fr: Site, en: Site}\nwhen: {link_down: demarches, queue: conduite}\nqueues: {conduite: {max_waiting: 5}}",
	"main":    "label: {fr: Main, en: Hand}\nqueues: {conduite: {max_waiting: 5}}",
}

func TestAPlanThatTheFileHasIsShownWholeAndNothingOfItIsLost(t *testing.T) {
	s := open(t)
	v := s.account("camille", people.Editor)
	first := regexp.MustCompile(`(?m)^menus:\n  ([a-z-]+):`).FindStringSubmatch(string(s.looked().Text))[1]
	for id, value := range everything {
		s.must(s.srv.Drafts.Write(s.Context(), "plans."+id, strings.ReplaceAll(value, "menu: principal", "menu: "+first), "", 0, "noe"))
	}
	v.publish()
	before := s.written().Plans
	for id := range everything {
		v.get("/plans/"+id+"/modifier").wants(200).submit().wants(200, "C'est dans le brouillon")
		if l := s.looked(); len(l.Drafts) != 0 {
			t.Errorf("%s saved as it is became\n%s", id, l.Drafts[0].Value)
		}
		want := *before[id]
		want.Label = service.Text{"fr": {Say: "Un autre libellé"}, "en": want.Label["en"]}
		v.get("/plans/"+id+"/modifier").submit("label_fr", "Un autre libellé").wants(200)
		if got := s.looked().Next.Plans[id]; !reflect.DeepEqual(got, &want) {
			t.Errorf("%s with another label became %+v, %+v, want %+v, %+v", id, got, got.When, &want, want.When)
		}
		v.get("/plans/"+id+"/modifier").submit("label_fr", before[id].Label["fr"].Say).wants(200)
		_, err := s.srv.Drafts.Drop(s.Context(), s.looked().Drafts[0].ID, "camille")
		s.must(err)
	}
}

func TestWhatAPlanCannotSayIsToldAtItsField(t *testing.T) {
	s := open(t)
	v := s.account("camille", people.Editor)
	at := func(id string) string { return `aria-describedby="` + id }
	v.get("/plans/afflux/modifier").submit("ends", "5000 h", "for", "9 h", "max-accueil", "999999", "to-accueil-0", "accueil", "after-accueil-0", "1 min").
		wants(422, `value="5000 h"`, `value="9 h"`, `value="999999"`, `id="ends-error"`, `id="for-error"`, `id="max-accueil-error"`, `id="to-accueil-0-error"`, "écrivez une durée de 1 min", at("ends-hint ends-error"))
	v.get("/plans/afflux/modifier").submit("wait", "peu", "above", "0", "max-accueil", "beaucoup", "longer-accueil-0", "trois").
		wants(422, `id="wait-error"`, `id="above-error"`, `id="max-accueil-error"`, `id="longer-accueil-0-error"`, `id="to-accueil-0-error"`, `value="beaucoup"`, `value="trois"`)
	v.get("/plans/afflux/modifier").submit("when", "share", "share", "130 %").wants(422, `id="share-error"`, `value="130 %"`)
	v.get("/plans/afflux/modifier").submit("when", "agents", "agents", "0").wants(422, `id="agents-error"`)
	v.get("/plans/afflux/modifier").submit("when", "humeur").wants(422, `id="when-error"`)
	v.get("/plans/afflux/modifier").submit("prompt-1", "", "effect-1", "exit").wants(422, `id="prompt-1-error"`)
	v.get("/plans/-/modifier").submit("id", "afflux", "label_fr", "x", "label_en", "x", "above", "1 min").wants(422, "Ce nom est déjà pris", `id="id-error"`)
	// A text that no message has yet may be long; then no plan may say it, and one that a plan says stays short.
	long := strings.Repeat("Trop long. ", 100)
	v.get("/service/textes/message-afflux").submit("text_fr", long).wants(422, "1000 au plus pour un message", "Trop long.")
	v.get("/service/textes/bien-long").submit("text_fr", long, "text_en", "Long.").wants(200, "C'est dans le brouillon")
	v.get("/plans/afflux/modifier").submit("prompt-0", "bien-long").wants(422, `id="prompt-0-error"`, "1000 au plus pour un message")
	if l := s.looked(); len(l.Drafts) != 1 {
		t.Errorf("the drafts are %+v", l.Drafts)
	}
}

func TestTwoEditorsOfAPlanLoseNothing(t *testing.T) {
	s := open(t)
	a, b := s.account("camille", people.Editor), s.account("lou", people.Editor)
	a.get("/plans/afflux/modifier")
	b.get("/plans/afflux/modifier")
	a.submit("above", "2 min").wants(200, "C'est dans le brouillon")
	b.submit("above", "3 min", "label_fr", "Foule").wants(422, "Une autre personne a changé cette partie", "Ce qu'une autre personne a écrit entre-temps", "dès que l'attente dépasse 2 min", `value="3 min"`, `value="Foule"`)
	b.submit().wants(200, "C'est dans le brouillon") // knowingly
	if p := s.looked().Next.Plans["afflux"]; p.OfferAbove != 3*time.Minute || p.Label["fr"].Say != "Foule" {
		t.Errorf("the plan is %+v", p)
	}
	a.get("/plans/afflux/modifier")
	b.get("/plans/afflux/modifier").submit("drop", "1").wants(200, "Un brouillon retire ce plan")
	a.submit("above", "5 min").wants(422, "Cette partie a été retirée", `value="5 min"`)
	s.account("dom", people.Supervisor).get("/plans").wants(200, "Afflux d'appels", "Activer ce plan", "Voir le plan").lacks("Modifier le plan", "Un brouillon")
}
