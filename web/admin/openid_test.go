package admin_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"

	"decroche/people"
	"decroche/web/admin"
)

// provider is a real provider of OpenID Connect, Zitadel's, on this machine; it has the person whose address
// is test-user@zitadel.ch.
func provider(t *testing.T, site string) string {
	t.Helper()
	var handler http.Handler
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(web.Close)
	storage.RegisterClients(storage.WebClient("decroche", "secret", site+"/connexion/openid/retour"))
	handler = exampleop.SetupServer(web.URL+"/", storage.NewStorage(storage.NewUserStore(web.URL)), nil, false)
	return web.URL
}

// atProvider goes there, gives the password, and comes back.
func (v *visitor) atProvider(issuer, to string) *visitor {
	v.s.Helper()
	v.get("/connexion/openid?vers=" + url.QueryEscape(to))
	id := regexp.MustCompile(`name="id" value="([^"]*)"`).FindStringSubmatch(v.body)
	if id == nil {
		v.s.Fatalf("the provider asks nothing: %d %s", v.status, v.body)
	}
	form := url.Values{"username": {"test-user@127.0.0.1"}, "password": {"verysecure"}, "id": {id[1]}}
	req, err := http.NewRequestWithContext(v.s.Context(), http.MethodPost, issuer+"/login/username", strings.NewReader(form.Encode()))
	v.s.must(err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return v.send(req)
}

func TestWhoHasAnAccountSignsInByTheProvider(t *testing.T) {
	s := open(t)
	issuer := provider(t, s.web.URL)
	s.srv.OpenID = &admin.OpenID{Issuer: issuer + "/", Client: "decroche", Secret: "secret", Scopes: []string{"email", "profile"}, URL: s.web.URL, ACR: "eidas1"}
	v := s.visitor()
	v.header.Set("Accept-Language", "fr")
	v.get("/connexion").wants(200, "Se connecter avec ProConnect")
	v.atProvider(issuer, "/journal").wants(403, "Aucun compte à votre nom", "test-user@zitadel.ch")
	if v.get("/messages"); !strings.HasPrefix(v.at, "/connexion") {
		t.Errorf("who has no account is in: %s", v.at)
	}
	account := people.Account{Name: "test-user@zitadel.ch", Full: "Dominique", Roles: []people.Role{people.Manager}}
	s.must(s.srv.People.Add(s.Context(), "console", account))
	v.atProvider(issuer, "/journal").wants(200, "Vous êtes connecté", `content="0;url=/journal"`)
	back := v.at
	v.get("/journal").wants(200, "Dominique", "OpenID Connect")
	s.visitor().get(back).wants(400, "ne peut pas continuer") // in another browser
	v.get(back).wants(400, "ne peut pas continuer")           // again
	v.do(http.MethodPost, "/deconnexion", nil).wants(200, "Vous êtes déconnecté", "Se déconnecter aussi de ProConnect", "/end_session?", "id_token_hint=")
	if v.get("/journal"); !strings.HasPrefix(v.at, "/connexion") {
		t.Errorf("who signed out sees %s", v.at)
	}
	again := s.visitor()
	again.atProvider(issuer, "https://evil.example/").wants(200, `content="0;url=/"`)
	kept, err := s.srv.Accounts.Account(s.Context(), account.Name)
	s.must(err)
	if !strings.HasSuffix(kept.Subject, " id1") {
		t.Errorf("the subject kept is %q", kept.Subject)
	}
	kept.Closed = true
	s.account("chef", people.Admin)
	_, err = s.srv.People.Change(s.Context(), "chef", kept)
	s.must(err)
	again.atProvider(issuer, "/").wants(403, "Aucun compte à votre nom")
}

func TestAProviderThatIsAwayIsTold(t *testing.T) {
	s := open(t)
	s.visitor().get("/connexion/openid").wants(404)
	s.srv.OpenID = &admin.OpenID{Issuer: "http://127.0.0.1:1", Client: "decroche", URL: s.web.URL}
	s.visitor().get("/connexion/openid").wants(503, "mot de passe")
	s.visitor().get("/connexion/openid/retour?state=x&code=y").wants(400)
}
