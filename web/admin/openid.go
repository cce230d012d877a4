package admin

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"decroche/people"
)

// OpenID lets people sign in by a provider of OpenID Connect, such as ProConnect. The account is there
// already: its name is the address that the provider gives the first time, and its subject from then on.
type OpenID struct {
	// Issuer is the provider's address, Client and Secret are ours there.
	Issuer, Client, Secret string
	// Name is what people call the provider; "" for no name.
	Name string
	// Scopes beside "openid"; ACR are the levels of assurance that will do, as acr_values has them; "" for any.
	Scopes []string
	ACR    string
	// URL is the site's; the provider sends people back to URL + "/connexion/openid/retour".
	URL string

	mu       sync.Mutex
	provider *oidc.Provider
	out      string // the provider's end_session_endpoint
}

const (
	openidPath   = "/connexion/openid"
	openidReturn = openidPath + "/retour"
	openidCookie = "openid"
	// openidLife is how long somebody may take to sign in at the provider.
	openidLife = 10 * time.Minute
	// openidPatience bounds each question to the provider.
	openidPatience = 10 * time.Second
)

// attempt is a sign-in under way, kept where sessions are.
type attempt struct{ State, Nonce, Verifier, To string }

// known asks the provider about itself, once.
func (o *OpenID) known(ctx context.Context) (*oidc.Provider, *oauth2.Config, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.provider == nil {
		p, err := oidc.NewProvider(ctx, o.Issuer)
		if err != nil {
			return nil, nil, fmt.Errorf("ask the provider %s about itself: %w", o.Issuer, err)
		}
		var more struct {
			Out string `json:"end_session_endpoint"`
		}
		_ = p.Claims(&more) // a provider without one is signed out of by itself
		o.provider, o.out = p, more.Out
	}
	return o.provider, &oauth2.Config{
		ClientID: o.Client, ClientSecret: o.Secret, Endpoint: o.provider.Endpoint(), RedirectURL: o.URL + openidReturn, Scopes: append([]string{oidc.ScopeOpenID}, o.Scopes...),
	}, nil
}

// goToProvider begins a sign-in.
func (v *visit) goToProvider() {
	if v.s.OpenID == nil {
		v.stop(http.StatusNotFound, "missing")
		return
	}
	ctx, cancel := context.WithTimeout(v.r.Context(), openidPatience)
	defer cancel()
	_, config, err := v.s.OpenID.known(ctx)
	if err != nil {
		v.s.Log.Error("nobody can sign in by OpenID Connect", "err", err)
		v.stop(http.StatusServiceUnavailable, "provider")
		return
	}
	a := attempt{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), To: inside(v.r.URL.Query().Get("vers"))}
	raw, err := json.Marshal(a)
	if err == nil {
		err = v.s.Sessions.CommitCtx(ctx, openidCookie+digest([]byte(a.State)), raw, v.now.Add(openidLife))
	}
	if err != nil {
		v.fail("begin a sign-in", err)
		return
	}
	// The provider sends people back from its site: the cookie has to come with that, which the session's does not.
	http.SetCookie(v.w, &http.Cookie{
		Name: openidCookie, Value: a.State, Path: openidPath, MaxAge: int(openidLife / time.Second),
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: strings.HasPrefix(v.s.URL, "https://"),
	})
	options := []oauth2.AuthCodeOption{oidc.Nonce(a.Nonce), oauth2.S256ChallengeOption(a.Verifier)}
	if v.s.OpenID.ACR != "" {
		options = append(options, oauth2.SetAuthURLParam("acr_values", v.s.OpenID.ACR))
	}
	http.Redirect(v.w, v.r, config.AuthCodeURL(a.State, options...), http.StatusSeeOther)
}

// comeBack ends a sign-in: the provider has sent somebody back.
func (v *visit) comeBack() {
	if v.s.OpenID == nil {
		v.stop(http.StatusNotFound, "missing")
		return
	}
	ctx, cancel := context.WithTimeout(v.r.Context(), openidPatience)
	defer cancel()
	a, ok := v.attempt(ctx)
	q := v.r.URL.Query()
	if !ok || q.Get("state") != a.State || q.Get("code") == "" {
		v.stop(http.StatusBadRequest, "attempt")
		return
	}
	who, token, err := v.s.OpenID.who(ctx, a, q.Get("code"))
	if err != nil {
		v.s.Log.Warn("a sign-in by OpenID Connect failed", "err", err)
		if errors.Is(err, errLevel) {
			v.stop(http.StatusForbidden, "level")
			return
		}
		v.stop(http.StatusBadGateway, "provider")
		return
	}
	account, err := v.s.People.SignInBy(ctx, who.Subject, who.Email)
	switch {
	case errors.Is(err, people.ErrNone):
		v.stop(http.StatusForbidden, "unknown", "email", who.Email)
		return
	case err != nil:
		v.fail("sign in", err)
		return
	}
	if !v.begin(account) {
		return
	}
	v.s.sessions.Put(v.r.Context(), "id_token", token)
	// The session's cookie is not sent on a way that began on another site: the page goes on by itself.
	v.Onward = a.To
	v.stop(http.StatusOK, "welcome")
}

// attempt takes the sign-in of this browser; it serves once.
func (v *visit) attempt(ctx context.Context) (a attempt, ok bool) {
	c, err := v.r.Cookie(openidCookie)
	if err != nil {
		return a, false
	}
	http.SetCookie(v.w, &http.Cookie{Name: openidCookie, Path: openidPath, MaxAge: -1})
	key := openidCookie + digest([]byte(c.Value))
	raw, found, err := v.s.Sessions.FindCtx(ctx, key)
	if err != nil || !found || v.s.Sessions.DeleteCtx(ctx, key) != nil || json.Unmarshal(raw, &a) != nil {
		return a, false
	}
	return a, a.State == c.Value
}

// person is who the provider says came.
type person struct {
	Subject, Email string
}

// who asks the provider who came with a code.
func (o *OpenID) who(ctx context.Context, a attempt, code string) (p person, token string, err error) {
	provider, config, err := o.known(ctx)
	if err != nil {
		return p, "", err
	}
	tokens, err := config.Exchange(ctx, code, oauth2.VerifierOption(a.Verifier))
	if err != nil {
		return p, "", fmt.Errorf("exchange the code: %w", err)
	}
	token, _ = tokens.Extra("id_token").(string)
	id, err := provider.Verifier(&oidc.Config{ClientID: o.Client}).Verify(ctx, token)
	if err != nil {
		return p, "", fmt.Errorf("the identity token: %w", err)
	}
	if id.Nonce != a.Nonce {
		return p, "", errors.New("the identity token is of another sign-in")
	}
	if err := o.assured(id); err != nil {
		return p, "", err
	}
	// ProConnect gives the address with the user's information alone, and signs that.
	info, err := provider.UserInfo(ctx, config.TokenSource(ctx, tokens))
	if err != nil {
		return p, "", fmt.Errorf("the user's information: %w", err)
	}
	if info.Subject != id.Subject {
		return p, "", errors.New("the user's information is of somebody else")
	}
	var claims struct {
		Verified *bool `json:"email_verified"`
	}
	if err := info.Claims(&claims); err != nil {
		return p, "", fmt.Errorf("the user's information: %w", err)
	}
	if claims.Verified != nil && !*claims.Verified {
		return p, "", errors.New("the provider has not verified the address")
	}
	return person{Subject: id.Issuer + " " + id.Subject, Email: strings.ToLower(info.Email)}, token, nil
}

// errLevel is of a sign-in at another level of assurance than those that will do.
var errLevel = errors.New("the level of assurance is none of those that web.admin.openid.acr asks for")

// assured holds an identity token against what acr_values asked for: a provider may leave that unheeded.
func (o *OpenID) assured(id *oidc.IDToken) error {
	levels := strings.Fields(o.ACR)
	if len(levels) == 0 {
		return nil
	}
	var claims struct {
		ACR string `json:"acr"`
	}
	if err := id.Claims(&claims); err != nil {
		return fmt.Errorf("the identity token: %w", err)
	}
	if !slices.Contains(levels, claims.ACR) {
		return fmt.Errorf("%w: %q, not one of %q", errLevel, claims.ACR, o.ACR)
	}
	return nil
}

// wayOut is where the provider signs somebody out; "" when it does not.
func (o *OpenID) wayOut(token string) string {
	if o == nil || token == "" {
		return ""
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.out == "" {
		return ""
	}
	return o.out + "?" + url.Values{"id_token_hint": {token}, "client_id": {o.Client}, "state": {rand.Text()}, "post_logout_redirect_uri": {o.URL + "/connexion"}}.Encode()
}
