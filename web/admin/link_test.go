package admin_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"decroche/people"
)

func TestALinkIsMadeChangedAndTakenOut(t *testing.T) {
	s := open(t)
	v := s.account("camille", people.Editor)
	v.get("/sites").wants(200, `href="/service/liens"`)
	v.get("/service/reglages").lacks("val-d-arzon.example") // one way to do a thing
	v.get("/service/liens").wants(200, "vos démarches en ligne", "https://www.val-d-arzon.example/demarches", "Ajouter un lien")
	v.get("/service/liens/demarches").wants(200, `value="0"`, "adresse-demarches : ", `value="etre-rappele" checked`, `value="autres-moyens" checked`)
	v.submit("url", "pas une adresse", "every", "souvent").wants(422, `id="every-error"`, `value="pas une adresse"`, `value="souvent"`)
	v.submit("every", "2 s").wants(422, `id="url-error"`, `id="every-error"`, "Cette valeur n'est pas possible", `value="2 s"`)
	v.submit("url", "https://www.val-d-arzon.example/nouveau", "every", "1 min 30", "check", "https://www.val-d-arzon.example/sante", "label_fr", "").wants(422, `id="label_fr-error"`)
	v.submit("label_fr", "nos démarches").wants(200, "C'est dans le brouillon", "nos démarches", "Brouillon")
	l := s.looked().Next.Links["demarches"]
	if l.URL != "https://www.val-d-arzon.example/nouveau" || l.Check != "https://www.val-d-arzon.example/sante" || l.Every != 90*time.Second || l.Label["en"].Say != "our online services" || l.Spoken != "adresse-demarches" ||
		!slices.Equal(l.Prompts, []string{"autres-moyens", "etre-rappele"}) {
		t.Errorf("the link is %+v", l)
	}
	v.get("/service/brouillon").wants(200, "Lien « nos démarches »", "Contrôle automatique tous les : 1 min 30 s", "Adresse : https://www.val-d-arzon.example/nouveau", "Textes tus pendant une panne : autres-moyens, etre-rappele")
	v.get("/service/liens/-").submit("id", "demarches", "label_fr", "x", "label_en", "x").wants(422, "Ce nom est déjà pris", "Écrivez l'adresse")
	v.submit("id", "carte", "url", "https://carte.example", "label_fr", "la carte", "label_en", "the map").wants(200, "C'est dans le brouillon", "la carte")
	if l := s.looked().Next.Links["carte"]; l.Every != time.Minute || l.Check != l.URL {
		t.Errorf("the new link is %+v", l)
	}
	v.publish()
	v.get("/service/liens/demarches").submit("drop", "1").wants(422, `id="drop-error"`, "encore nécessaire", "le lien « demarches »")
	v.get("/service/liens/carte").submit("drop", "1").wants(200, "C'est dans le brouillon")
	v.get("/service/liens/carte").wants(200, "Un brouillon retire ce lien", `value="https://carte.example"`)
	v.publish()
	if s.written().Links["carte"] != nil || s.written().Links["demarches"] == nil {
		t.Error("the links are not those that were left")
	}
	v.get("/service/liens/carte").wants(404)
	v.do(http.MethodPost, "/service/liens/Carte", nil).wants(404)
}

func TestALinkThatIsSavedAsItIsMakesNoDraft(t *testing.T) {
	s := open(t)
	a, b := s.account("camille", people.Editor), s.account("lou", people.Editor)
	a.get("/service/liens/demarches").submit().wants(200)
	if l := s.looked(); len(l.Drafts) != 0 {
		t.Errorf("the drafts are %+v", l.Drafts)
	}
	a.get("/service/liens/demarches")
	b.get("/service/liens/demarches").submit("label_fr", "de Lou")
	a.submit("label_fr", "de Camille").wants(422, "Une autre personne a changé", "Français : de Lou", `value="de Camille"`)
	a.submit().wants(200, "de Camille")
}

func TestSkillsAreNamedAddedAndTakenOut(t *testing.T) {
	s := open(t)
	v := s.account("camille", people.Editor)
	v.get("/service/agents").wants(200, "Nouvelle compétence", `value="Accueil général"`)
	// fill is the form of a skill, "" for the new one, as the page has it.
	fill := func(of string, pairs ...string) url.Values {
		for _, f := range forms.FindAllString(v.raw, -1) {
			if !strings.Contains(f, `action="/service/agents/competences"`) {
				continue
			}
			w := *v
			w.raw = f
			if _, values := w.form("/competences"); values.Get("of") == of {
				for i := 0; i < len(pairs); i += 2 {
					values.Set(pairs[i], pairs[i+1])
				}
				return values
			}
		}
		t.Fatalf("no form of the skill %q", of)
		return nil
	}
	send := func(values url.Values) *visitor { return v.do(http.MethodPost, "/service/agents/competences", values) }
	send(fill("", "skill", "Été", "skill_fr-", "Langue des signes")).wants(422, `id="skill-error"`, `id="skill_en--error"`, `value="Langue des signes"`, `value="Été"`)
	send(fill("", "skill", "accueil", "skill_en-", "Sign language")).wants(422, "Ce nom est déjà pris")
	send(fill("", "skill", "lsf")).wants(200, "C'est dans le brouillon", "Langue des signes")
	send(fill("accueil", "skill_fr-accueil", "Premier accueil")).wants(200, `value="Premier accueil"`)
	send(fill("etrangers", "drop-etrangers", "1")).wants(422, `id="drop-etrangers-error"`, "encore nécessaire", "la compétence « etrangers »")
	v.get("/service/brouillon").wants(200, "Compétence « Langue des signes »", "Anglais : Sign language", "Compétence « Premier accueil »")
	v.publish()
	v.get("/service/agents")
	stale := fill("lsf", "skill_fr-lsf", "Signes")
	send(fill("lsf", "drop-lsf", "1")).wants(200, "retirée par le brouillon")
	send(stale).wants(422, "Une autre personne a changé", "Cette partie a été retirée", `value="Signes"`)
	v.publish()
	if got := s.written().Skills; got["lsf"] != nil || got["accueil"]["fr"].Say != "Premier accueil" || got["accueil"]["en"].Say != "General reception" {
		t.Errorf("the skills are %v", got)
	}
	w := s.account("lou", people.Supervisor)
	w.get("/service/agents").wants(200).lacks("/service/agents/competences")
	w.do(http.MethodPost, "/service/agents/competences", nil).wants(403)
}
