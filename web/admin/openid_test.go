package admin_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/op"

	"decroche/people"
	"decroche/web/admin"
)

// assuring says of everybody that they have signed in at a level of assurance; the provider's own storage knows none.
type assuring struct {
	*storage.Storage
	level string
}

// assured is a sign-in at that level.
type assured struct {
	*storage.AuthRequest
	level string
}

func (a assured) GetACR() string { return a.level }

func (s assuring) AuthRequestByCode(ctx context.Context, code string) (op.AuthRequest, error) {
	r, err := s.Storage.AuthRequestByCode(ctx, code)
	if err != nil {
		return nil, err
	}
	return assured{r.(*storage.AuthRequest), s.level}, nil
}

// CreateAccessToken gives the storage the sign-in that it knows.
func (s assuring) CreateAccessToken(ctx context.Context, r op.TokenRequest) (string, time.Time, error) {
	if a, ok := r.(assured); ok {
		r = a.AuthRequest
	}
	return s.Storage.CreateAccessToken(ctx, r)
}

// provider is a real provider of OpenID Connect, Zitadel's, on this machine; it has the person whose address
// is test-user@zitadel.ch, and says that everybody has signed in at a level of assurance.
func provider(t *testing.T, site, level string) string {
	t.Helper()
	var handler http.Handler
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(web.Close)
	storage.RegisterClients(storage.WebClient("decroche", "secret", site+"/connexion/openid/retour"))
	handler = exampleop.SetupServer(web.URL+"/", assuring{storage.NewStorage(storage.NewUserStore(web.URL)), level}, nil, false)
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
	issuer := provider(t, s.web.URL, "eidas2")
	s.srv.OpenID = &admin.OpenID{Name: "ProConnect", Issuer: issuer + "/", Client: "decroche", Secret: "secret", Scopes: []string{"email", "profile"}, URL: s.web.URL, ACR: "eidas1 eidas2"}
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

func TestASignInAtAnotherLevelOfAssuranceIsRefused(t *testing.T) {
	for level, asked := range map[string]string{"": "eidas1", "eidas1": "eidas2 eidas3", "eidas": "eidas1 eidas2"} {
		s := open(t)
		var said bytes.Buffer
		s.srv.Log = slog.New(slog.NewTextHandler(&said, nil))
		issuer := provider(t, s.web.URL, level)
		s.srv.OpenID = &admin.OpenID{Issuer: issuer + "/", Client: "decroche", Secret: "secret", Scopes: []string{"email"}, URL: s.web.URL, ACR: asked}
		s.must(s.srv.People.Add(s.Context(), "console", people.Account{Name: "test-user@zitadel.ch", Full: "Dominique", Roles: []people.Role{people.Manager}}))
		v := s.visitor()
		v.get("/connexion").wants(200, "Se connecter avec votre compte professionnel").lacks("ProConnect")
		v.atProvider(issuer, "/journal").wants(403, "Votre connexion n'est pas assez sûre pour ce site")
		if v.get("/journal"); !strings.HasPrefix(v.at, "/connexion") {
			t.Errorf("who signed in at %q, where %q was asked for, sees %s", level, asked, v.at)
		}
		v.do(http.MethodPost, "/langue", url.Values{"langue": {"en"}})
		v.atProvider(issuer, "/journal").wants(403, "Your sign-in is not safe enough for this site")
		s.web.Close() // the log is written to no more
		if !strings.Contains(said.String(), "level of assurance") || !strings.Contains(said.String(), asked) {
			t.Errorf("the log says of %q, where %q was asked for:\n%s", level, asked, said.String())
		}
	}
}
