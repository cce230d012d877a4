package admin

import (
	"cmp"
	"errors"
	"net/http"
	"time"

	"decroche/people"
)

// signView is the page to sign in, and that to choose a password.
type signView struct {
	Name, To, Action, Full string
	Provider               string // whom people may sign in by, by OpenID Connect; "" for nobody
	Out                    string // where the provider signs them out
}

func (v *visit) showSignIn() {
	v.told()
	v.Sign = &signView{To: inside(v.r.URL.Query().Get("vers")), Provider: v.provider()}
	v.render(http.StatusOK, "sign.html", v.T("sign.title"))
}

// provider is what the provider of OpenID Connect is called; "" when there is none.
func (v *visit) provider() string {
	if v.s.OpenID == nil {
		return ""
	}
	return cmp.Or(v.s.OpenID.Name, v.T("sign.provider.any"))
}

func (v *visit) signIn() {
	v.Sign = &signView{Name: v.r.PostFormValue("name"), To: inside(v.r.PostFormValue("vers")), Provider: v.provider()}
	a, err := v.s.People.SignIn(v.r.Context(), v.Sign.Name, v.r.PostFormValue("password"), v.address())
	many := new(people.TooMany)
	switch {
	case errors.As(err, &many):
		v.wrong("name", "sign.toomany", "minutes", int((many.After+time.Minute-1)/time.Minute))
		v.render(http.StatusTooManyRequests, "sign.html", v.T("sign.title"))
		return
	case errors.Is(err, people.ErrWrong):
		v.wrong("name", "sign.wrong")
		v.render(http.StatusOK, "sign.html", v.T("sign.title"))
		return
	case err != nil:
		v.fail("sign in", err)
		return
	}
	if v.begin(a) {
		v.see(v.Sign.To, nil)
	}
}

// begin opens a session.
func (v *visit) begin(a people.Account) bool {
	ctx := v.r.Context()
	if err := v.s.sessions.RenewToken(ctx); err != nil {
		v.fail("begin a session", err)
		return false
	}
	now := time.Now()
	v.s.sessions.Put(ctx, "name", a.Name)
	v.s.sessions.Put(ctx, "began", now)
	v.s.sessions.Put(ctx, "seen", now)
	return true
}

func (v *visit) signOut() {
	out := v.s.OpenID.wayOut(v.s.sessions.GetString(v.r.Context(), "id_token"))
	if err := v.s.sessions.Destroy(v.r.Context()); err != nil {
		v.fail("end a session", err)
		return
	}
	if out != "" { // a form may not lead to another site: it is a link
		v.Sign, v.Notice = &signView{To: "/", Provider: v.provider(), Out: out}, v.T("told.sorti")
		v.render(http.StatusOK, "sign.html", v.T("sign.title"))
		return
	}
	v.see("/connexion?fait=sorti", nil)
}

// showChoose is where the link of a new account leads.
func (v *visit) showChoose() {
	a, err := v.s.People.LinkOf(v.r.Context(), v.r.PathValue("secret"))
	switch {
	case errors.Is(err, people.ErrLink), err == nil && a.Closed:
		v.stop(http.StatusGone, "link")
	case err != nil:
		v.fail("read a link", err)
	default:
		v.choosePage(a)
	}
}

func (v *visit) choosePage(a people.Account) {
	v.Sign = &signView{Name: a.Name, Full: a.Full, Action: v.r.URL.Path}
	v.render(http.StatusOK, "choose.html", v.T("choose.title"))
}

func (v *visit) choose() {
	ctx, secret := v.r.Context(), v.r.PathValue("secret")
	a, err := v.s.People.Choose(ctx, secret, v.r.PostFormValue("password"), v.r.PostFormValue("again"))
	switch {
	case v.faulty(err):
		if a, err = v.s.People.LinkOf(ctx, secret); err != nil {
			v.stop(http.StatusGone, "link")
			return
		}
		v.choosePage(a)
	case errors.Is(err, people.ErrLink):
		v.stop(http.StatusGone, "link")
	case err != nil:
		v.fail("choose a password", err)
	default:
		if v.begin(a) {
			v.see("/", nil)
		}
	}
}
