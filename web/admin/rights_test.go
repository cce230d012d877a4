package admin_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"decroche/ivr"
	"decroche/people"
	"decroche/service"
	"decroche/web/admin"
)

// What people may do, said here once more: who is in each list is decided by the service, not by the code.
var (
	everybody = people.Roles
	seeing    = []people.Role{people.Supervisor, people.Editor, people.Approver, people.Manager, people.Admin, people.Auditor}
	counting  = []people.Role{people.Supervisor, people.Manager, people.Admin, people.Auditor}
	letting   = []people.Role{people.Supervisor, people.Editor, people.Admin}
	approving = []people.Role{people.Approver, people.Admin}
	editing   = []people.Role{people.Editor, people.Admin}
	staffing  = []people.Role{people.Supervisor, people.Admin}
	giving    = []people.Role{people.Admin}
	knowing   = []people.Role{people.Admin, people.Auditor}
	logging   = []people.Role{people.Manager, people.Admin, people.Auditor}
)

// visitable is an address of the site and a request to it. May are the roles that it serves; nil: also who is not signed in.
type visitable struct {
	pattern, path string
	may           []people.Role
}

// addresses are all of them. One that is not here fails the test: say who may use it.
var addresses = []visitable{
	{"GET /admin.*.css", "", nil},
	{"GET /admin.*.js", "", nil},
	{"GET /report.*.css", "", nil},
	{"GET /phone.*.js", "", nil},
	{"GET /theme/", "/theme/theme.css", nil},
	{"GET /icon.svg", "/icon.svg", nil},
	{"GET /connexion", "/connexion", nil},
	{"POST /connexion", "/connexion", nil},
	{"GET /connexion/openid", "/connexion/openid", nil},
	{"GET /connexion/openid/retour", "/connexion/openid/retour", nil},
	{"GET /mot-de-passe/{secret}", "/mot-de-passe/X", nil},
	{"POST /mot-de-passe/{secret}", "/mot-de-passe/X", nil},
	{"POST /langue", "/langue", nil},
	{"POST /deconnexion", "/deconnexion", nil},
	{"/", "/nulle-part", nil},

	{"GET /{$}", "/", everybody},
	{"GET /direct", "/direct", everybody},
	{"GET /direct/flux", "/direct/flux", everybody},
	{"GET /sites", "/sites", everybody},
	{"POST /sites/{id}", "/sites/demarches", letting},

	{"GET /messages", "/messages", everybody},
	{"GET /messages/ecoute", "/messages/ecoute?langue=fr&texte=Bonjour", everybody},
	{"GET /enregistrement", "/enregistrement?code=123456", everybody},
	{"GET /messages/nouveau", "/messages/nouveau", letting},
	{"POST /messages/nouveau", "/messages/nouveau", letting},
	{"POST /messages/{id}/autoriser", "/messages/1/autoriser", approving},
	{"POST /messages/{id}/arreter", "/messages/1/arreter", letting},

	{"GET /plans", "/plans", everybody},
	{"POST /plans/{plan}", "/plans/afflux", letting},
	{"POST /plans/{id}/arreter", "/plans/1/arreter", letting},
	{"GET /plans/{plan}/modifier", "/plans/afflux/modifier", seeing},
	{"GET /plans/{plan}/modifier", "/plans/-/modifier", editing},
	{"POST /plans/{plan}/modifier", "/plans/afflux/modifier", editing},

	{"GET /indicateurs", "/indicateurs", counting},
	{"GET /indicateurs/export", "/indicateurs/export?format=csv", counting},
	{"GET /indicateurs/contacts", "/indicateurs/contacts?indicateur=received", counting},
	{"GET /indicateurs/contact/{id}", "/indicateurs/contact/n1-1.1", counting},

	{"GET /service", "/service", seeing},
	{"GET /service/textes", "/service/textes", seeing},
	{"GET /service/textes/nouveau", "/service/textes/nouveau?nom=neuf", editing},
	{"GET /service/textes/{name}", "/service/textes/accueil", seeing},
	{"POST /service/textes/{name}", "/service/textes/accueil", editing},
	{"GET /service/horaires", "/service/horaires", seeing},
	{"POST /service/horaires/{part}", "/service/horaires/closures", editing},
	{"GET /service/motifs", "/service/motifs", seeing},
	{"POST /service/motifs", "/service/motifs", editing},
	{"GET /service/reglages", "/service/reglages", seeing},
	{"POST /service/reglages", "/service/reglages", editing},
	{"GET /service/agents", "/service/agents", seeing},
	{"POST /service/agents", "/service/agents", staffing},
	{"GET /service/agents/competences", "/service/agents/competences", seeing},
	{"POST /service/agents/competences", "/service/agents/competences", editing},
	{"GET /service/liens", "/service/liens", seeing},
	{"GET /service/liens/{link}", "/service/liens/demarches", seeing},
	{"GET /service/liens/{link}", "/service/liens/-", editing},
	{"POST /service/liens/{link}", "/service/liens/demarches", editing},
	{"GET /service/ecouter", "/service/ecouter", seeing},
	{"GET /service/appeler", "/service/appeler", seeing},
	{"POST /service/appeler", "/service/appeler", seeing},
	{"GET /service/appeler/flux", "/service/appeler/flux?cle=x", seeing},
	{"GET /service/appeler/ws", "/service/appeler/ws", seeing},
	{"GET /service/brouillon", "/service/brouillon", seeing},
	{"POST /service/brouillon", "/service/brouillon", editing},
	{"POST /service/brouillon/{id}/oublier", "/service/brouillon/1/oublier", editing},

	{"GET /comptes", "/comptes", knowing},
	{"POST /comptes", "/comptes", giving},
	{"GET /comptes/{name}", "/comptes/cible", knowing},
	{"POST /comptes/{name}", "/comptes/cible", giving},
	{"POST /comptes/{name}/lien", "/comptes/cible/lien", giving},
	{"POST /comptes/{name}/deconnecter", "/comptes/cible/deconnecter", giving},
	{"GET /journal", "/journal", logging},
	{"GET /journal/export", "/journal/export", logging},

	{"GET /moi", "/moi", everybody},
	{"POST /moi/mot-de-passe", "/moi/mot-de-passe", everybody},
	{"POST /moi/deconnecter", "/moi/deconnecter", everybody},

	// Forms whose address is asked for lead to their page, which looks at the rights.
	{"GET /messages/{id}/autoriser", "/messages/1/autoriser", everybody},
	{"GET /messages/{id}/arreter", "/messages/1/arreter", everybody},
	{"GET /plans/{plan}", "/plans/afflux", everybody},
	{"GET /plans/{id}/arreter", "/plans/1/arreter", everybody},
	{"GET /sites/{id}", "/sites/demarches", everybody},
	{"GET /service/horaires/{part}", "/service/horaires/closures", everybody},
	{"GET /service/brouillon/{id}/oublier", "/service/brouillon/1/oublier", everybody},
	{"GET /comptes/{name}/lien", "/comptes/cible/lien", everybody},
	{"GET /comptes/{name}/deconnecter", "/comptes/cible/deconnecter", everybody},
	{"GET /moi/mot-de-passe", "/moi/mot-de-passe", everybody},
	{"GET /moi/deconnecter", "/moi/deconnecter", everybody},
}

// trials is a line that nobody can try: its socket answers, and ends.
type trials struct{ socket string }

func (trials) Open(context.Context, string, *service.Definition) (admin.Trial, error) {
	return admin.Trial{}, admin.ErrBusy
}
func (trials) Turns(string, string) (<-chan ivr.Turn, bool) { return nil, false }
func (t trials) Socket() string                             { return t.socket }

var fileDigest = regexp.MustCompile(`\.[0-9a-f]{12}\.`)

// opened is a site with all that addresses need, and the addresses of its files filled in.
func opened(t *testing.T) (*site, []visitable) {
	s := open(t)
	s.srv.Theme, s.srv.Studio = fstest.MapFS{"theme.css": {Data: []byte(":root {}")}}, room{}
	s.srv.Trials = trials{"ws" + strings.TrimPrefix(s.web.URL, "http") + "/nulle-part"} // which takes no WebSocket
	s.web.Config.Handler = s.srv.Handler()
	s.must(s.srv.People.Add(s.Context(), "console", people.Account{Name: "cible", Full: "Une cible", Roles: []people.Role{people.Agent}}))
	all, files := slices.Clone(addresses), map[string]string{}
	var have, want []string
	for _, p := range s.srv.Patterns() {
		have = append(have, fileDigest.ReplaceAllString(p, ".*."))
		files[have[len(have)-1]] = p
	}
	for i, a := range all {
		want = append(want, a.pattern)
		if a.path == "" {
			_, all[i].path, _ = strings.Cut(files[a.pattern], " ")
		}
	}
	for _, p := range have {
		if !slices.Contains(want, p) {
			t.Errorf("the site has %q: say who may use it, in addresses", p)
		}
	}
	for _, p := range want {
		if !slices.Contains(have, p) {
			t.Errorf("the site has no %q", p)
		}
	}
	return s, all
}

func (a visitable) method() string {
	if strings.HasPrefix(a.pattern, "POST ") {
		return http.MethodPost
	}
	return http.MethodGet
}

// ask gives the status of one request, and where it leads; nothing is followed, and what streams is let go.
func (v *visitor) ask(a visitable, form url.Values) (status int, to string) {
	v.s.Helper()
	req, err := http.NewRequestWithContext(v.s.Context(), a.method(), v.s.web.URL+a.path, strings.NewReader(form.Encode()))
	v.s.must(err)
	if req.Header = v.header.Clone(); a.method() == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	client := *v.client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := client.Do(req)
	v.s.must(err)
	res.Body.Close()
	return res.StatusCode, res.Header.Get("Location")
}

// Every address of the site, read and written, as every role: whoever may not is told so, whoever may is not.
func TestWhoMayDoWhatIsHeldTo(t *testing.T) {
	s, all := opened(t)
	for _, role := range people.Roles {
		v := s.account(string(role), role)
		sign := url.Values{"name": {string(role)}, "password": {password}}
		for _, a := range all {
			var form url.Values
			if a.pattern == "POST /connexion" { // a wrong password would cost the next a wait
				form = sign
			}
			status, to := v.ask(a, form)
			refused := status == http.StatusForbidden || status == http.StatusUnauthorized || strings.HasPrefix(to, "/connexion?vers=")
			switch may := a.may == nil || slices.Contains(a.may, role); {
			case may && refused:
				t.Errorf("%s %s as %s: refused with %d %s", a.method(), a.path, role, status, to)
			case !may && status != http.StatusForbidden:
				t.Errorf("%s %s as %s: %d, want 403", a.method(), a.path, role, status)
			}
			if a.pattern == "POST /deconnexion" || a.pattern == "POST /moi/deconnecter" {
				v.do(http.MethodPost, "/connexion", sign).wants(200)
			}
		}
	}
}

// Who is not signed in is led to the page where that is done, and writes nothing.
func TestWhoIsNotSignedInIsServedNothing(t *testing.T) {
	s, all := opened(t)
	handler := s.srv.Handler()
	for i, a := range all {
		req := httptest.NewRequestWithContext(s.Context(), a.method(), a.path, nil)
		req.RemoteAddr = fmt.Sprintf("192.0.2.%d:1", i) // one alone would ask for too much
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, req)
		led := strings.HasPrefix(w.Header().Get("Location"), "/connexion?vers=")
		switch {
		case a.may == nil && (led || w.Code == http.StatusForbidden || w.Code == http.StatusUnauthorized):
			t.Errorf("%s %s is refused to who is not signed in: %d", a.method(), a.path, w.Code)
		case a.may != nil && a.method() == http.MethodGet && (w.Code != http.StatusSeeOther || !led):
			t.Errorf("%s %s: %d %s, want the page to sign in", a.method(), a.path, w.Code, w.Header().Get("Location"))
		case a.may != nil && a.method() == http.MethodPost && w.Code != http.StatusUnauthorized:
			t.Errorf("%s %s: %d, want 401", a.method(), a.path, w.Code)
		}
	}
}

// The draft is published by an approver where a second person is asked for, and by an editor where none is.
func TestWhoPublishesWhereASecondPersonIsAskedFor(t *testing.T) {
	s := open(t)
	s.srv.Approval = true
	for _, role := range people.Roles {
		want := http.StatusForbidden
		if role == people.Approver || role == people.Admin {
			want = http.StatusOK
		}
		s.account(string(role), role).do(http.MethodPost, "/service/brouillon", nil).wants(want)
	}
}
