package main

import (
	"context"
	"fmt"
	"strings"

	"decroche/people"
)

// firstAdmin makes the first account of the site while there is none, and gives the link by which its
// password is chosen; "" when somebody can sign in already.
func (s *server) firstAdmin(ctx context.Context) (string, error) {
	all, err := s.db.People().Accounts(ctx)
	if err != nil {
		return "", err
	}
	office := &people.Office{Store: s.db.People()}
	switch {
	case len(all) == 0:
		err = office.Add(ctx, "console", people.Account{Name: "admin", Full: "Administration", Roles: []people.Role{people.Admin}})
		if err != nil {
			return "", err
		}
	case len(all) != 1 || all[0].Name != "admin" || all[0].Password != "":
		return "", nil
	}
	secret, err := office.Link(ctx, "console", "admin")
	return s.c.adminURL() + "/mot-de-passe/" + secret, err
}

type userCmd struct {
	Add  userAddCmd  `cmd:"" help:"Make an account of the administration site, and print the link to choose its password."`
	Link userLinkCmd `cmd:"" help:"Print a new link to choose the password of an account."`
	List userListCmd `cmd:"" default:"1" help:"List the accounts."`
}

type userAddCmd struct {
	Name  string   `arg:"" help:"What they sign in with."`
	Full  string   `help:"Their name; the sign-in name by default."`
	Roles []string `name:"role" default:"admin" help:"agent, supervisor, editor, approver, manager, admin or auditor; again and again."`
}

// Run works beside a controller, or without one.
func (cmd userAddCmd) Run(e *env) error {
	a := people.Account{Name: cmd.Name, Full: cmd.Full}
	if a.Full == "" {
		a.Full = cmd.Name
	}
	for _, r := range cmd.Roles {
		a.Roles = append(a.Roles, people.Role(r))
	}
	return e.atOffice(func(o *people.Office) error { return o.Add(e.ctx, "console", a) }, strings.ToLower(cmd.Name))
}

type userLinkCmd struct {
	Name string `arg:"" help:"What they sign in with."`
}

// Run works beside a controller, or without one.
func (cmd userLinkCmd) Run(e *env) error {
	return e.atOffice(func(*people.Office) error { return nil }, strings.ToLower(cmd.Name))
}

// atOffice does something with accounts, and prints the link of one.
func (e *env) atOffice(do func(*people.Office) error, name string) error {
	b, err := e.openBooks()
	if err != nil {
		return err
	}
	defer b.db.Close()
	office := &people.Office{Store: b.db.People()}
	if err := do(office); err != nil {
		return err
	}
	secret, err := office.Link(e.ctx, "console", name)
	if err != nil {
		return fmt.Errorf("account %s: %w", name, err)
	}
	fmt.Fprintf(e.stdout, "%s/mot-de-passe/%s\nThis link serves once, for 24 hours: %s chooses the password there.\n", b.c.adminURL(), secret, name)
	return nil
}

type userListCmd struct{}

// Run prints the accounts.
func (userListCmd) Run(e *env) error {
	b, err := e.openBooks()
	if err != nil {
		return err
	}
	defer b.db.Close()
	all, err := b.db.People().Accounts(e.ctx)
	for _, a := range all {
		state := ""
		switch {
		case a.Closed:
			state = " closed"
		case a.Password == "":
			state = " (no password chosen yet)"
		}
		fmt.Fprintf(e.stdout, "%s\t%s\t%s%s\n", a.Name, a.Full, a.RoleNames(), state)
	}
	return err
}
