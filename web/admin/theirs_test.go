package admin_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"decroche/people"
	"decroche/web/admin"
)

var theirsShown = regexp.MustCompile(`(?s)<section class="notice" aria-label="Ce qu'une autre personne a écrit entre-temps">.*?</section>`)

// conflict expects the page of somebody who was slower: what another wrote is beside what they typed.
func (v *visitor) conflict(mine []string, theirs ...string) *visitor {
	v.s.Helper()
	v.wants(422, mine...)
	shown := strings.Join(theirsShown.FindAllString(v.body, -1), "\n")
	for _, p := range theirs {
		if !strings.Contains(shown, p) {
			v.s.Errorf("%s does not show that another wrote %q:\n%s\n%s", v.at, p, shown, v.body)
		}
	}
	return v
}

// formWith is the form to an address that has a field with a value, as it is filled in, with these pairs set.
func (v *visitor) formWith(to, name, value string, pairs ...string) url.Values {
	v.s.Helper()
	for _, f := range forms.FindAllString(v.raw, -1) {
		if !strings.Contains(f, `action="`+to+`"`) {
			continue
		}
		w := *v
		w.raw = f
		if _, values := w.form(to); values.Has(name) && values.Get(name) == value {
			for i := 0; i < len(pairs); i += 2 {
				values.Set(pairs[i], pairs[i+1])
			}
			return values
		}
	}
	v.s.Fatalf("%s has no form to %s with %s = %q:\n%s", v.at, to, name, value, v.body)
	return nil
}

func TestTwoEditorsOfTheHoursLoseNothing(t *testing.T) {
	s := open(t)
	a, b := s.account("camille", people.Editor), s.account("lou", people.Editor)
	both := func() { a.get("/service/horaires"); b.get("/service/horaires") }
	both()
	a.submitTo("/horaires/closures", "from-2", "2026-12-25", "why-2", "Noël").wants(200, "C'est dans le brouillon")
	b.submitTo("/horaires/closures", "from-2", "2026-12-31", "why-2", "inventaire").
		conflict([]string{"Une autre personne a changé cette partie", `value="2026-12-31"`, `value="inventaire"`}, "Écrit par camille, ", "Du : 2026-12-25", "Pourquoi : Noël", "Pourquoi : veille de Noël")
	b.submitTo("/horaires/closures", "from-3", "2026-12-25", "why-3", "Noël").wants(200, "C'est dans le brouillon") // knowingly
	if c := s.looked().Next.Closures; len(c) != 4 {
		t.Errorf("the closures are %+v", c)
	}
	both()
	a.submitTo("/horaires/hours", "mon", "9h-12h").wants(200, "C'est dans le brouillon")
	b.submitTo("/horaires/hours", "tue", "10h-11h").conflict([]string{`name="tue" value="10h-11h"`, `name="mon" value="08:30-12:30, 13:30-17:00"`}, "Écrit par camille", "Lundi : 09:00-12:00")
	a.publish()
	b.submitTo("/horaires/hours").conflict([]string{`name="tue" value="10h-11h"`}, "Écrit par camille, publié par camille", "Lundi : 09:00-12:00")
	b.submitTo("/horaires/hours").wants(200, "C'est dans le brouillon")
	both()
	a.submitTo("/horaires/openings", "day-1", "2026-12-19", "hours-1", "9h-12h").wants(200)
	b.submitTo("/horaires/openings", "day-1", "2026-12-20", "hours-1", "10h-11h").conflict([]string{`value="2026-12-20"`}, "Jour : 2026-12-19", "Horaires : 09:00-12:00")
	both()
	a.submitTo("/horaires/holidays", "holidays", "reunion").wants(200)
	b.submitTo("/horaires/holidays", "holidays", "guyane").conflict([]string{`value="guyane" selected`}, "La Réunion")
	b.submitTo("/horaires/holidays").wants(200, `value="guyane" selected`)
	both()
	a.submitTo("/horaires/relay", "relay-mon", "8h30-19h").wants(200)
	b.submitTo("/horaires/relay", "relay-tue", "8h-9h").conflict([]string{`name="relay-tue" value="8h-9h"`}, "Lundi : 08:30-19:00")
	if theirsShown.MatchString(b.get("/service/horaires").body) {
		t.Error("a page that answers no form tells what another wrote")
	}
}

func TestTwoEditorsOfSettingsLoseNothing(t *testing.T) {
	s := open(t)
	a, b := s.account("camille", people.Editor), s.account("lou", people.Editor)
	a.get("/service/reglages")
	b.get("/service/reglages")
	a.submit("callback.share", "30", "callback.abandoned", "nothing", "privacy.numbers", "60").wants(200, "C'est dans le brouillon")
	b.submit("callback.share", "40", "queues.accueil.wrap_up", "45 s", "privacy.numbers", "70").
		conflict([]string{"Une autre personne a changé cette partie", `value="40"`, `value="70"`, `value="45 s"`, `value="nothing" selected`}, "Écrit par camille", "<pre tabindex=\"0\">30</pre>", "60 jours")
	if n := len(theirsShown.FindAllString(b.body, -1)); n != 2 { // what was kept, and what was not touched, is no conflict
		t.Errorf("the page shows %d settings of another's", n)
	}
	if c := s.looked().Next.Callback; c.Share != 30 {
		t.Errorf("the share is %d", c.Share)
	}
	b.submit().wants(200, "C'est dans le brouillon", `value="40"`) // knowingly
	if n := s.looked().Next; n.Callback.Share != 40 || n.Privacy.Numbers != 70*24*time.Hour || n.Queues["accueil"].WrapUp != 45*time.Second {
		t.Errorf("the drafts are %+v", n.Callback)
	}
}

func TestTwoEditorsOfAReasonLoseNothing(t *testing.T) {
	s := open(t)
	a, b := s.account("camille", people.Editor), s.account("lou", people.Editor)
	const at = "/service/motifs"
	stale := b.get(at).formWith(at, "id", "permis", "label_fr", "Permis auto")
	a.do(http.MethodPost, at, a.get(at).formWith(at, "id", "permis", "label_fr", "Permis B", "simple", "1", "retired", "1")).wants(200, "C'est dans le brouillon")
	b.do(http.MethodPost, at, stale).conflict([]string{"Une autre personne a changé cette partie", `value="Permis auto"`}, "Écrit par camille", "Français : Permis B", "Anglais : Driving licence", "Direction : France Titres", "Demande simple : oui", "Retiré : oui")
	b.do(http.MethodPost, at, b.formWith(at, "id", "permis")).wants(200, "Permis auto") // knowingly
	if r := s.looked().Next.Reasons["permis"]; r.Label["fr"].Say != "Permis auto" || r.Retired {
		t.Errorf("the reason is %+v", r)
	}

	// A new one does not write over one that is there, not even when it is sent again.
	fresh := a.get(at).formWith(at, "id", "", "id", "permis", "label_fr", "Encore", "label_en", "Again")
	a.do(http.MethodPost, at, fresh).wants(422, "Ce nom est déjà pris", `name="id" value="permis"`, `value="Encore"`)
	a.do(http.MethodPost, at, a.formWith(at, "label_fr", "Encore")).wants(422, "Ce nom est déjà pris")
	a.do(http.MethodPost, at, a.formWith(at, "label_fr", "Encore", "id", "encore")).wants(200, "Encore")

	// One whose draft was forgotten meanwhile is made anew, knowingly.
	stale = a.get(at).formWith(at, "id", "encore", "label_fr", "Toujours")
	for _, d := range s.looked().Drafts {
		if d.Path == "reasons.encore" {
			_, err := s.srv.Drafts.Drop(s.Context(), d.ID, "lou")
			s.must(err)
		}
	}
	a.do(http.MethodPost, at, stale).conflict([]string{`value="Toujours"`}, "Cette partie a été retirée")
	a.do(http.MethodPost, at, a.formWith(at, "label_fr", "Toujours")).wants(200, "Toujours")
}

func TestAgentsAreChangedAndTwoEditorsLoseNothing(t *testing.T) {
	s := open(t)
	s.roster.list = []admin.Agent{{ID: "2001", Name: "Camille Martin", Team: "accueil", Skills: map[string]int{"accueil": 3}}}
	const at = "/service/agents"
	a, b := s.account("camille", people.Supervisor), s.account("lou", people.Admin)
	a.get(at).wants(200, "Camille Martin", "Accueil général (3)", "accueil")
	mine := b.get(at).formWith(at, "id", "2001", "name", "Camille Durand")
	fresh := a.formWith(at, "id", "", "id", "2002", "name", "Noé Bernard", "team", "titres", "skill_etrangers", "5", "skill_accueil", "")
	fresh["language"] = []string{"fr", "xx"}
	a.do(http.MethodPost, at, fresh).wants(200, "C'est enregistré", "Noé Bernard", "Droit au séjour (5)", "Français")
	b.do(http.MethodPost, at, mine).wants(200, "C'est enregistré", "Camille Durand") // another agent is no conflict

	mine = b.get(at).formWith(at, "id", "2001", "name", "Camille Petit", "skill_conduite", "4")
	a.do(http.MethodPost, at, a.get(at).formWith(at, "id", "2001", "team", "titres", "skill_accueil", "5")).wants(200, "C'est enregistré")
	b.do(http.MethodPost, at, mine).conflict([]string{"Une autre personne a changé cette partie", `value="Camille Petit"`, `name="skill_conduite" value="4"`},
		"Agent modifié – camille, ", "Nom : Camille Durand", "Équipe : titres", "Compétences : Accueil général (5)")
	b.do(http.MethodPost, at, b.formWith(at, "id", "2001")).wants(200, "C'est enregistré", "Camille Petit") // knowingly
	if l := s.roster.list; len(l) != 2 || l[0].Name != "Camille Petit" || l[0].Team != "accueil" || l[0].Skills["conduite"] != 4 || l[0].Skills["accueil"] != 3 || len(l[1].Languages) != 1 || len(l[1].Skills) != 1 {
		t.Errorf("the agents are %+v", l)
	}

	b.do(http.MethodPost, at, b.get(at).formWith(at, "id", "2002", "team", "refus")).wants(422, "La ligne n'a pas accepté", `value="refus"`)
	mine = b.get(at).formWith(at, "id", "2002", "name", "Noé Durand")
	a.do(http.MethodPost, at, a.get(at).formWith(at, "id", "2002", "drop", "1")).wants(200, "C'est enregistré").lacks("Noé Bernard")
	b.do(http.MethodPost, at, mine).conflict([]string{`value="Noé Durand"`}, "Agent retiré – camille", "Cette partie a été retirée")
	b.do(http.MethodPost, at, b.formWith(at, "id", "2002")).wants(200, "C'est enregistré", "Noé Durand") // knowingly
	s.account("dom", people.Editor).get(at).wants(200, "Camille Petit").lacks(`action="/service/agents"`)
}

func TestANewAgentDoesNotTakeTheNumberOfAnother(t *testing.T) {
	s := open(t)
	s.roster.list = []admin.Agent{{ID: "2001", Name: "Camille Martin", Team: "accueil", Skills: map[string]int{"accueil": 3}}}
	const at = "/service/agents"
	v := s.account("lou", people.Admin)
	v.do(http.MethodPost, at, v.get(at).formWith(at, "id", "", "id", "2001", "name", "Noé Bernard", "team", "titres", "skill_accueil", "2")).
		wants(422, "Ce numéro est déjà celui de Camille Martin", `id="id--error"`, `name="id" value="2001"`, `value="Noé Bernard"`, `value="titres"`, `name="skill_accueil" value="2"`)
	v.do(http.MethodPost, at, v.formWith(at, "name", "Noé Bernard")).wants(422, "Ce numéro est déjà celui de Camille Martin") // nor when it is sent again
	if l := s.roster.list; len(l) != 1 || l[0].Name != "Camille Martin" {
		t.Errorf("the agents are %+v", l)
	}
	v.do(http.MethodPost, at, v.formWith(at, "name", "Noé Bernard", "id", "20", "name", "")).wants(422, "3 à 10 chiffres", "Écrivez le nom", `name="id" value="20"`)
	v.do(http.MethodPost, at, v.formWith(at, "id", "20", "id", "2002", "name", "Noé Bernard")).wants(200, "C'est enregistré", "Noé Bernard")
}

func TestALevelThatIsNoneIsToldAndNothingIsLost(t *testing.T) {
	s := open(t)
	s.roster.list = []admin.Agent{{ID: "2001", Name: "Camille Martin", Team: "accueil", Skills: map[string]int{"accueil": 3}}}
	const at = "/service/agents"
	v := s.account("lou", people.Admin)
	for _, level := range []string{"9", "-1", "3,5", "beaucoup"} {
		v.do(http.MethodPost, at, v.get(at).formWith(at, "id", "2001", "skill_accueil", level, "name", "Camille Durand")).
			wants(422, "Accueil général : écrivez un nombre de 1 à 5, ou 0", `id="skill-accueil-2001-error"`, `name="skill_accueil" value="`+level+`"`, `value="Camille Durand"`)
	}
	if l := s.roster.list; l[0].Skills["accueil"] != 3 || l[0].Name != "Camille Martin" {
		t.Errorf("the agents are %+v", l)
	}
	for level, want := range map[string]int{" 5 ": 5, "1": 1, "0": 0, "": 0} {
		v.do(http.MethodPost, at, v.get(at).formWith(at, "id", "2001", "skill_accueil", level)).wants(200, "C'est enregistré")
		if got := s.roster.list[0].Skills["accueil"]; got != want {
			t.Errorf("the level %q is kept as %d", level, got)
		}
	}
}

func TestTwoEditorsOfAnAccountLoseNothing(t *testing.T) {
	s := open(t)
	v := s.account("camille", people.Admin)
	s.account("lou", people.Editor)
	v.get("/comptes/lou")
	action, mine := v.form("/comptes/lou")
	_, err := s.srv.People.Change(s.Context(), "autre", people.Account{Name: "lou", Full: "Lou Autre", Roles: []people.Role{people.Editor, people.Manager}, Closed: true})
	s.must(err)
	mine.Set("full", "Lou Mienne")
	v.do(http.MethodPost, action, mine).conflict([]string{"a changé entre-temps", `value="Lou Mienne"`}, "Compte modifié – autre, ", "Nom : Lou Autre", "Rôles : Rédacteur, Responsable", "État : Fermé")
	if a, err := s.srv.Accounts.Account(s.Context(), "lou"); err != nil || !a.Closed || len(a.Roles) != 2 || a.Full != "Lou Autre" {
		t.Errorf("before it is sent again: %+v, %v", a, err)
	}
	_, mine = v.form("/comptes/lou")
	mine["role"], mine["closed"] = []string{"editor", "manager"}, []string{"1"} // as the page shows it
	v.do(http.MethodPost, action, mine).wants(200, "Le compte est enregistré", "Lou Mienne")
	if a, err := s.srv.Accounts.Account(s.Context(), "lou"); err != nil || !a.Closed || len(a.Roles) != 2 || a.Full != "Lou Mienne" {
		t.Errorf("after: %+v, %v", a, err)
	}
}

// What a page of the service shows to who may write is read by who may read, without what they may not press.
func TestWhoMayReadReadsTheWholeService(t *testing.T) {
	s := open(t)
	e := s.account("camille", people.Editor)
	e.get("/service/textes/accueil").submit("text_fr", "Bonjour, premier texte.").wants(200)
	e.publish()
	e.get("/service/textes/accueil").submit("text_fr", "Bonjour, second texte.").wants(200)
	e.get("/service/liens/demarches").submit("label_fr", "nos démarches").wants(200)
	e.get("/plans/fermeture/modifier").submit("drop", "1").wants(200)
	for _, role := range []people.Role{people.Auditor, people.Manager, people.Supervisor, people.Approver} {
		v := s.account(string(role), role)
		for path, parts := range map[string][]string{
			"/service/textes":           {`href="/service/textes/accueil"`},
			"/service/textes/accueil":   {"Bonjour, second texte.", "vous voyez un brouillon", "Bonjour, premier texte.", "Textes d'avant", "vous êtes en relation"},
			"/service/textes/goodbye":   {"goodbye fr"},
			"/plans":                    {`href="/plans/afflux/modifier"`, "Voir le plan « Afflux d'appels »"},
			"/plans/afflux/modifier":    {"Rappel proposé dès que l'attente dépasse 1 min", "S'active de lui-même"},
			"/plans/fermeture/modifier": {"Un brouillon retire ce plan", "Fermeture d'urgence"},
			"/service/liens":            {`href="/service/liens/demarches"`},
			"/service/liens/demarches":  {"vous voyez un brouillon", "Français : nos démarches", "Adresse : https://www.val-d-arzon.example/demarches"},
			"/service/horaires":         {"Lundi", "Métropole", "Pourquoi : veille de Noël", "Jour : 2027-01-09"},
			"/service/motifs":           {"Français : Permis de conduire", "Direction : France Titres"},
			"/service/reglages":         {`value="3 min"`},
			"/service/agents":           {"<li>Droit au séjour</li>"},
		} {
			v.get(path).wants(200)
			for _, p := range parts {
				if !strings.Contains(strings.ToLower(v.body), strings.ToLower(p)) {
					t.Errorf("%s as %s does not say %q:\n%s", path, role, p, v.body)
				}
			}
			if path != "/plans" && (path != "/service/agents" || role != people.Supervisor) && strings.Count(v.body, "<button") != 2 { // to sign out, and the language
				t.Errorf("%s as %s has buttons:\n%s", path, role, v.body)
			}
		}
		for _, path := range []string{"/plans/-/modifier", "/service/liens/-"} {
			v.get(path).wants(403)
		}
		v.get("/service/textes/inconnu").wants(404)
	}
	s.account("dom", people.Agent).get("/plans").wants(200).lacks("/modifier")
}

// What somebody wrote, and another wrote over or forgot, is still read.
func TestADraftThatAnotherWroteOverIsFoundAgain(t *testing.T) {
	s := open(t)
	a, b := s.account("camille", people.Editor), s.account("lou", people.Editor)
	a.get("/service/textes/accueil").submit("text_fr", "Le tout premier de Camille.").wants(200)
	a.get("/service/textes/accueil").submit("text_fr", "Le texte de Camille.").wants(200)
	a.get("/service/brouillon").wants(200).lacks("remplacés ou oubliés") // one's own is nothing that was lost
	b.get("/service/textes/accueil").submit("text_fr", "Le texte de Lou.").wants(200)
	a.get("/service/horaires").submitTo("/horaires/closures", "from-2", "2026-12-25", "why-2", "Noël").wants(200)
	for _, d := range s.looked().Drafts {
		if d.Path == "closures" {
			_, err := s.srv.Drafts.Drop(s.Context(), d.ID, "lou")
			s.must(err)
		}
	}
	a.get("/service/brouillon").wants(200, "Brouillons remplacés ou oubliés par une autre personne", "Texte « accueil »", "Écrit par camille, ", "remplacé ou oublié par lou", "Français : Le texte de Camille.", "Pourquoi : Noël").
		lacks("Le tout premier de Camille")
}
