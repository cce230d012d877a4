package admin

import (
	"errors"
	"net/http"
	"time"

	"decroche/people"
)

// showOwn is the page of one's own account.
func (v *visit) showOwn() {
	v.told()
	v.ownPage()
}

func (v *visit) ownPage() {
	v.Account = &accountView{Account: v.Me, Roles: v.roles(v.Me.Roles)}
	v.render(http.StatusOK, "own.html", v.T("mine.title"))
}

// changePassword gives oneself another password: all one's other pages are signed out.
func (v *visit) changePassword() {
	post := v.r.PostFormValue
	a, err := v.s.People.ChangePassword(v.r.Context(), v.Me.Name, post("current"), post("password"), post("again"), v.address())
	many := new(people.TooMany)
	switch {
	case errors.As(err, &many):
		v.wrong("current", "sign.toomany", "minutes", int((many.After+time.Minute-1)/time.Minute))
		v.ownPage()
	case v.faulty(err):
		v.ownPage()
	case err != nil:
		v.fail("change a password", err)
	case v.begin(a):
		v.see("/moi?fait=mot-de-passe", nil)
	}
}

// signOutEverywhere ends all one's sessions, this one too.
func (v *visit) signOutEverywhere() {
	if err := v.s.People.SignOut(v.r.Context(), v.Me.Name, v.Me.Name); err != nil {
		v.fail("sign somebody out", err)
		return
	}
	v.signOut()
}
