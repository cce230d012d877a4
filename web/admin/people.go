package admin

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"decroche/people"
)

type peopleView struct {
	All  []accountRow
	New  people.Account
	Give bool
}

type accountRow struct {
	Name, Full, Roles, State string
}

type accountView struct {
	people.Account
	Roles []roleChoice
	Give  bool
	// Link is that of a new password, shown once.
	Link   string
	Theirs *theirs
}

type roleChoice struct {
	Value, Name, Does string
	Chosen            bool
}

func (v *visit) showPeople() {
	v.told()
	v.peoplePage(people.Account{})
}

func (v *visit) peoplePage(fresh people.Account) {
	all, err := v.s.Accounts.Accounts(v.r.Context())
	if err != nil {
		v.fail("list the accounts", err)
		return
	}
	v.People = &peopleView{New: fresh, Give: v.Me.May(people.GivePeople)}
	v.Account = &accountView{Account: fresh, Roles: v.roles(fresh.Roles)}
	for _, a := range all {
		v.People.All = append(v.People.All, v.accountRow(a))
	}
	v.render(http.StatusOK, "people.html", v.T("people.title"))
}

// accountRow is an account in words.
func (v *visit) accountRow(a people.Account) accountRow {
	row := accountRow{Name: a.Name, Full: a.Full, State: v.T("people.open")}
	var names []string
	for _, r := range a.Roles {
		names = append(names, v.T("role."+string(r)))
	}
	row.Roles = strings.Join(names, ", ")
	switch {
	case a.Closed:
		row.State = v.T("people.closed")
	case a.Password == "":
		row.State = v.T("people.new")
	}
	return row
}

func (v *visit) roles(chosen []people.Role) (all []roleChoice) {
	for _, r := range people.Roles {
		all = append(all, roleChoice{string(r), v.T("role." + string(r)), v.T("role." + string(r) + ".does"), slices.Contains(chosen, r)})
	}
	return all
}

// typed is the account as it was filled in.
func (v *visit) typed(name string) people.Account {
	a := people.Account{Name: name, Full: v.r.PostFormValue("full"), Closed: v.r.PostFormValue("closed") != ""}
	for _, r := range v.r.PostForm["role"] {
		a.Roles = append(a.Roles, people.Role(r))
	}
	a.Version, _ = strconv.ParseInt(v.r.PostFormValue("version"), 10, 64)
	return a
}

func (v *visit) addAccount() {
	a := v.typed(v.r.PostFormValue("name"))
	err := v.s.People.Add(v.r.Context(), v.Me.Name, a)
	switch {
	case errors.Is(err, people.ErrTaken):
		v.wrong("name", "people.taken")
		v.peoplePage(a)
	case v.faulty(err):
		v.peoplePage(a)
	case err != nil:
		v.fail("add an account", err)
	default:
		v.linkPage(strings.ToLower(strings.TrimSpace(a.Name)))
	}
}

// linkPage makes a link to choose a password, and shows it this once.
func (v *visit) linkPage(name string) {
	secret, err := v.s.People.Link(v.r.Context(), v.Me.Name, name)
	switch {
	case errors.Is(err, people.ErrNone):
		v.stop(http.StatusNotFound, "missing")
		return
	case err != nil:
		v.fail("make a link", err)
		return
	}
	base := v.s.URL
	if base == "" {
		base = "http://" + v.r.Host
	}
	v.accountPage(name, base+"/mot-de-passe/"+url.PathEscape(secret))
}

func (v *visit) showAccount() {
	v.told()
	v.accountPage(v.r.PathValue("name"), "")
}

func (v *visit) accountPage(name, link string) {
	a, err := v.s.Accounts.Account(v.r.Context(), name)
	switch {
	case errors.Is(err, people.ErrNone):
		v.stop(http.StatusNotFound, "missing")
	case err != nil:
		v.fail("read an account", err)
	default:
		v.Account = &accountView{Account: a, Roles: v.roles(a.Roles), Give: v.Me.May(people.GivePeople), Link: link}
		v.render(http.StatusOK, "account.html", a.Full)
	}
}

func (v *visit) changeAccount() {
	a := v.typed(v.r.PathValue("name"))
	var other *theirs
	_, err := v.s.People.Change(v.r.Context(), v.Me.Name, a)
	switch {
	case errors.Is(err, people.ErrChanged): // what was typed is shown beside what is there now
		var ok bool
		if other, a.Version, ok = v.accountNow(a.Name); !ok {
			return
		}
		v.wrong("full", "people.changed")
	case errors.Is(err, people.ErrLast):
		v.wrong("role-agent", "people.last")
	case errors.Is(err, people.ErrNone):
		v.stop(http.StatusNotFound, "missing")
		return
	case v.faulty(err):
	case err != nil:
		v.fail("change an account", err)
		return
	default:
		v.see("/comptes/"+url.PathEscape(a.Name)+"?fait=compte", nil)
		return
	}
	v.Account = &accountView{Account: a, Roles: v.roles(a.Roles), Give: true, Theirs: other}
	v.render(http.StatusOK, "account.html", v.T("people.title"))
}

// accountNow is what another person made of an account since its form was filled in, and which version that is. ok is
// false when the page of a failure was given.
func (v *visit) accountNow(name string) (t *theirs, version int64, ok bool) {
	a, err := v.s.Accounts.Account(v.r.Context(), name)
	if err != nil {
		v.fail("read an account", err)
		return nil, 0, false
	}
	row := v.accountRow(a)
	t = &theirs{Title: v.T("theirs"), Text: v.listed(v.T("people.full"), row.Full, v.T("people.roles"), row.Roles, v.T("people.state"), row.State)}
	t.Who, ok = v.lastAct("account", name)
	return t, a.Version, ok
}

func (v *visit) newLink() { v.linkPage(v.r.PathValue("name")) }

func (v *visit) endSessions() {
	name := v.r.PathValue("name")
	err := v.s.People.SignOut(v.r.Context(), v.Me.Name, name)
	switch {
	case errors.Is(err, people.ErrNone):
		v.stop(http.StatusNotFound, "missing")
	case err != nil:
		v.fail("sign somebody out", err)
	default:
		v.see("/comptes/"+url.PathEscape(name)+"?fait=deconnecte", nil)
	}
}
