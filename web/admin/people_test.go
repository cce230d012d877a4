package admin_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"decroche/people"
)

func TestTheFirstAdminChoosesAPasswordAndIsIn(t *testing.T) {
	s := open(t)
	s.must(s.srv.People.Add(s.Context(), "console", people.Account{Name: "camille", Full: "Camille Martin", Roles: []people.Role{people.Admin}}))
	secret, err := s.srv.People.Link(s.Context(), "console", "camille")
	s.must(err)
	v := s.visitor()
	if v.get("/comptes").wants(200, "Se connecter"); !strings.HasPrefix(v.at, "/connexion?vers=") {
		t.Errorf("who is not signed in is led to %s", v.at)
	}
	v.get("/mot-de-passe/"+secret).wants(200, "Bonjour Camille Martin. Votre identifiant est camille.")
	v.submit("password", "court", "again", "court").wants(422, "trop court")
	v.submit("password", password, "again", password+"x").wants(422, "ne sont pas les mêmes")
	v.submit("password", "aaaaaaaaaaaaaa", "again", "aaaaaaaaaaaaaa").wants(422, "se devine")
	v.submit("password", password, "again", password).wants(200, "Messages d'incident", "Camille Martin")
	s.visitor().get("/mot-de-passe/"+secret).wants(410, "Ce lien ne sert plus")
}

func TestWhoSignsInComesBackToWhereTheyWere(t *testing.T) {
	s := open(t)
	s.account("camille", people.Admin)
	v := s.visitor().get("/journal")
	v.submit("name", "camille", "password", "un autre mot de passe").wants(422, "n'est pas le bon")
	v.submit("name", "CAMILLE ", "password", password).wants(200, "Journal", "Connexion refusée")
	if v.at != "/journal" {
		t.Errorf("led to %s", v.at)
	}
	for _, evil := range []string{"https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"} {
		w := s.visitor().get("/connexion?" + url.Values{"vers": {evil}}.Encode())
		if w.submit("name", "camille", "password", password); w.at != "/messages" {
			t.Errorf("%s leads to %s", evil, w.at)
		}
	}
	v.do(http.MethodPost, "/deconnexion", nil).wants(200, "Vous êtes déconnecté")
	if v.get("/journal"); !strings.HasPrefix(v.at, "/connexion") {
		t.Errorf("who signed out sees %s", v.at)
	}
}

func TestWrongPasswordsCostAWait(t *testing.T) {
	s := open(t)
	s.account("camille", people.Admin)
	v := s.visitor().get("/connexion")
	for range 5 {
		v.submit("name", "camille", "password", "faux faux faux")
	}
	v.submit("name", "camille", "password", password).wants(429, "Trop d'essais")
	acts, err := s.db.People().Acts(s.Context(), people.Acts{Limit: 100})
	s.must(err)
	refused := 0
	for _, a := range acts {
		if a.What == "account.refused" {
			refused++
		}
	}
	if refused != 5 {
		t.Errorf("the log has %d refusals: %+v", refused, acts)
	}
}

func TestOnesOwnPasswordIsChangedAndOtherSessionsEnd(t *testing.T) {
	s := open(t)
	here, elsewhere := s.account("camille", people.Manager), s.visitor()
	elsewhere.get("/connexion").submit("name", "camille", "password", password).wants(200)
	const next = "une autre phrase que je retiens"
	here.get("/moi").wants(200, "Mon compte", "Responsable")
	here.submitTo("/moi/mot-de-passe", "current", "faux", "password", next, "again", next).wants(422, "pas votre mot de passe actuel")
	here.get("/moi").submitTo("/moi/mot-de-passe", "current", password, "password", next, "again", "autre").wants(422, "ne sont pas les mêmes")
	here.get("/moi").submitTo("/moi/mot-de-passe", "current", password, "password", "court", "again", "court").wants(422, "trop court")
	here.get("/moi").submitTo("/moi/mot-de-passe", "current", password, "password", next, "again", next).wants(200, "Votre mot de passe est changé")
	elsewhere.get("/moi").wants(200, "Se connecter").lacks("Mon compte</h1>")
	elsewhere.get("/connexion").submit("name", "camille", "password", next).wants(200)
	elsewhere.get("/moi").submitTo("/moi/deconnecter").wants(200, "Vous êtes déconnecté")
	here.get("/moi").wants(200, "Se connecter").lacks("Mon compte</h1>")

	// Who tries one password after another on a page left open waits too.
	here.get("/connexion").submit("name", "camille", "password", next).wants(200)
	for range 6 {
		here.get("/moi").submitTo("/moi/mot-de-passe", "current", "faux", "password", password, "again", password)
	}
	here.wants(422, "Trop d'essais")
}

func TestTheLogIsFilteredAndExported(t *testing.T) {
	s := open(t)
	v := s.account("camille", people.Admin)
	s.must(s.srv.Accounts.Log(s.Context(), people.Act{At: time.Now(), Who: "lou", What: "message.published", About: "7", Detail: "=1+1"}))
	v.get("/journal").wants(200, "Message diffusé", "Mot de passe choisi")
	v.get("/journal?qui=lou&quoi=message").wants(200, "Message diffusé", `<option value="lou" selected>`)
	v.get("/journal?qui=lou&quoi=account").wants(200, "Rien pour ces filtres")
	v.get("/journal?au=2020-01-01").wants(200, "Rien pour ces filtres")
	v.get("/journal?du=hier").wants(422, "Indiquez un jour")
	v.get("/journal/export?quoi=message").wants(200, "lou;Message diffusé;7;'=1+1").lacks("Mot de passe choisi")
	if kind := v.answer.Get("Content-Type"); kind != "text/csv; charset=utf-8" {
		t.Errorf("the file is %s", kind)
	}
	v.do(http.MethodPost, "/journal", nil).wants(404)
	v.do(http.MethodDelete, "/journal", nil).wants(404)
	s.account("lou", people.Editor).get("/journal/export").wants(403)
}

// longLog is a log of many lines, which cannot be read below one.
type longLog struct {
	people.Store
	lines, broken int64
}

func (l longLog) Acts(_ context.Context, of people.Acts) (list []people.Act, err error) {
	id := l.lines
	if of.Before != 0 {
		id = of.Before - 1
	}
	for ; id > 0 && len(list) < of.Limit; id-- {
		if id <= l.broken {
			return nil, errors.New("the store is away")
		}
		list = append(list, people.Act{ID: id, At: time.Now(), Who: "lou", What: "message.published", About: fmt.Sprint(id)})
	}
	return list, nil
}

func TestALongLogIsExportedWhole(t *testing.T) {
	s := open(t)
	v := s.account("camille", people.Admin)
	s.srv.Accounts = longLog{s.srv.Accounts, 60_000, 0}
	v.get("/journal/export").wants(200)
	if lines := strings.Split(strings.TrimSpace(v.raw), "\n"); len(lines) != 60_001 || !strings.HasPrefix(lines[0], "\ufeffQuand;Qui;") || !strings.HasSuffix(lines[60_000], ";lou;Message diffusé;1;") {
		t.Errorf("the file has %d lines, from %.60q to %q", len(lines), lines[0], lines[len(lines)-1])
	}
	s.srv.Accounts = longLog{s.srv.Accounts, 60_000, 30_500}
	res, err := v.client.Get(s.web.URL + "/journal/export")
	s.must(err)
	defer res.Body.Close()
	if raw, err := io.ReadAll(res.Body); err == nil {
		t.Errorf("a file that broke off is told as whole, with %d bytes", len(raw))
	}
}

func TestWhoLosesARightIsOutAtOnce(t *testing.T) {
	s := open(t)
	chief, lou := s.account("camille", people.Admin), s.account("lou", people.Admin)
	chief.get("/comptes/lou")
	_, form := chief.form("/comptes/lou")
	form["role"] = []string{"editor"}
	chief.do(http.MethodPost, "/comptes/lou", form).wants(200, "Le compte est enregistré")
	if lou.get("/comptes"); !strings.HasPrefix(lou.at, "/connexion") {
		t.Errorf("who has lost a role sees %s", lou.at)
	}
	chief.get("/comptes/camille")
	_, form = chief.form("/comptes/camille")
	form["role"] = []string{"editor"}
	chief.do(http.MethodPost, "/comptes/camille", form).wants(422, "gardez un administrateur")
	other := s.visitor().get("/connexion")
	other.submit("name", "camille", "password", password)
	chief.do(http.MethodPost, "/comptes/camille/deconnecter", nil)
	if other.get("/messages"); !strings.HasPrefix(other.at, "/connexion") {
		t.Errorf("who was signed out sees %s", other.at)
	}
}

func TestAnAccountIsMadeAndItsLinkIsShownOnce(t *testing.T) {
	s := open(t)
	v := s.account("camille", people.Admin)
	v.get("/comptes").submitTo("/comptes", "name", "É", "full", "").wants(422, "Lettres sans accent")
	_, form := v.form("/comptes")
	form.Set("name", "Lou.Petit")
	form.Set("full", "Lou Petit <script>")
	form["role"] = []string{"editor", "approver"}
	v.do(http.MethodPost, "/comptes", form).wants(200, "Donnez ce lien", s.web.URL+"/mot-de-passe/")
	link := regexp.MustCompile(`/mot-de-passe/([A-Z0-9]+)`).FindString(v.body)
	v.get("/comptes/lou.petit").lacks("/mot-de-passe/")
	v.get("/comptes").wants(200, "lou.petit", "Mot de passe à choisir", "Rédacteur, Approbateur")
	s.visitor().get(link).wants(200, "Choisir un mot de passe")
	v.do(http.MethodPost, "/comptes", form).wants(422, "déjà pris")
	form.Set("name", "api") // who it is in the log
	v.do(http.MethodPost, "/comptes", form).wants(422, "déjà pris")
}
