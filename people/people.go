// Package people keeps who may use the administration site, and what they did.
//
//	roles.go     who may do what: one table
//	password.go  argon2id, and what a password must be
//	people.go    accounts, links to choose a password, signing in, the log
//
// An account is made without a password: its link, which serves once and for a day, is where the
// person chooses it. Nobody else ever knows it. What is done is written in a log that nothing
// here can change.
package people

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Account is somebody who may sign in.
type Account struct {
	// Name is what they sign in with: 2 to 60 of a-z, 0-9, '.', '-', '_' and '@'.
	Name string
	// Full is their name for people, 1 to 80 characters.
	Full  string
	Roles []Role
	// Password is an argon2id hash in its standard form; "" while none was chosen.
	Password string
	// Subject is who they are at the provider of OpenID Connect: its issuer and their subject there; "" while
	// they have not signed in by it.
	Subject string
	// Closed accounts cannot sign in. They are kept, for the log names them.
	Closed bool
	// Since: sessions that began before it are over.
	Since   time.Time
	Created time.Time
	// Version counts what changed it, from 1.
	Version int64
}

// Reserved are the names in the log of who has no account: the HTTP interface and the command line.
var Reserved = []string{"api", "console"}

// An Act is something that was done: a line of the log.
type Act struct {
	ID int64
	At time.Time
	// Who is an account's name, or one of Reserved.
	Who string
	// What is one out of a closed set, such as "message.published"; the catalogue has "admin.act.<what>".
	What string
	// About is the account, the message or the address that it was done to.
	About string
	// Detail is for people, in the language of the site; no personal data of callers.
	Detail string
}

// Errors of accounts. Their texts are for logs and consoles; the site has its own words.
var (
	ErrNone    = errors.New("there is no such account")
	ErrTaken   = errors.New("an account has this name already, or the line itself in the log")
	ErrChanged = errors.New("the account was changed meanwhile")
	ErrWrong   = errors.New("the name or the password is wrong")
	ErrLink    = errors.New("the link has served already, or is too old")
	ErrLast    = errors.New("this is the last open account that may give accounts")
)

// Store keeps accounts, links and the log.
type Store interface {
	// AddAccount keeps a new account; ErrTaken.
	AddAccount(ctx context.Context, a Account, act Act) error
	// ChangeAccount changes one in a transaction, with its act; version 0 is any. ErrNone, ErrChanged, or
	// what change returns. check, if not nil, sees all accounts as they would be, and may refuse.
	ChangeAccount(ctx context.Context, name string, version int64, act Act, change func(*Account) error, check func([]Account) error) (Account, error)
	// Account reads one; ErrNone.
	Account(ctx context.Context, name string) (Account, error)
	Accounts(ctx context.Context) ([]Account, error)
	// KeepLink keeps the hash of a link that serves once until its end, and forgets the account's others.
	KeepLink(ctx context.Context, hash []byte, name string, until time.Time) error
	// TakeLink gives whose link it is; with use it serves no more. ErrLink.
	TakeLink(ctx context.Context, hash []byte, at time.Time, use bool) (name string, err error)
	// Log appends to the log.
	Log(ctx context.Context, act Act) error
	// Acts lists the log, newest first.
	Acts(ctx context.Context, of Acts) ([]Act, error)
}

// Acts chooses lines of the log; what is zero chooses all.
type Acts struct {
	Before int64  // those with an ID below
	Who    string // an account's name
	Group  string // of what was done: "message" for "message.published"
	// From ≤ At < Until.
	From, Until time.Time
	Limit       int // at most so many; 0 is none
}

// LinkLife is how long a link to choose a password serves.
const LinkLife = 24 * time.Hour

// Office is what the site and the console do with accounts.
type Office struct {
	Store Store
	Logs  *slog.Logger
	// KiB is the memory that hashing a password takes; 0 is RFC 9106's 64 MiB. Tests, which choose many, take less.
	KiB uint32

	limits limiter
}

var nameShape = regexp.MustCompile(`^[a-z0-9][a-z0-9._@-]{1,59}$`)

// A Fault is what is wrong with what was typed: a field, and which rule. The catalogue has
// "admin.fault.<Rule>".
type Fault struct{ Field, Rule string }

func (f *Fault) Error() string { return f.Field + ": " + ruleWords[f.Rule] }

var ruleWords = map[string]string{
	"name":     "2 to 60 of a-z, 0-9, '.', '-', '_' and '@', beginning with a letter or a digit",
	"full":     "a name of 1 to 80 characters",
	"roles":    "one role at least, out of agent, supervisor, editor, approver, manager, admin, auditor",
	"short":    "12 characters at least",
	"long":     "200 characters at most",
	"same":     "not the name of the account, and not one character again and again",
	"mismatch": "the two are not the same",
	"current":  "not the password of the account",
}

func check(a Account) error {
	switch {
	case !nameShape.MatchString(a.Name):
		return &Fault{"name", "name"}
	case strings.TrimSpace(a.Full) == "" || utf8.RuneCountInString(a.Full) > 80 || !utf8.ValidString(a.Full):
		return &Fault{"full", "full"}
	case len(a.Roles) == 0 || slices.ContainsFunc(a.Roles, func(r Role) bool { return !slices.Contains(Roles, r) }):
		return &Fault{"roles", "roles"}
	}
	return nil
}

// Add makes an account without a password. It returns a *Fault or ErrTaken.
func (o *Office) Add(ctx context.Context, by string, a Account) error {
	a.Name, a.Full = strings.ToLower(strings.TrimSpace(a.Name)), strings.TrimSpace(a.Full)
	if err := check(a); err != nil {
		return err
	}
	if slices.Contains(Reserved, a.Name) {
		return ErrTaken
	}
	now := time.Now()
	a.Password, a.Closed, a.Created, a.Since, a.Version = "", false, now, now, 1
	return o.Store.AddAccount(ctx, a, Act{At: now, Who: by, What: "account.added", About: a.Name, Detail: roleNames(a.Roles)})
}

// Change gives an account another name for people and other roles, and closes or opens it. Whoever
// loses something is signed out. It returns a *Fault, ErrNone, ErrChanged or ErrLast.
func (o *Office) Change(ctx context.Context, by string, a Account) (Account, error) {
	a.Full = strings.TrimSpace(a.Full)
	if err := check(a); err != nil {
		return Account{}, err
	}
	now := time.Now()
	detail := roleNames(a.Roles)
	if a.Closed {
		detail += " (closed)"
	}
	return o.Store.ChangeAccount(ctx, a.Name, a.Version, Act{At: now, Who: by, What: "account.changed", About: a.Name, Detail: detail}, func(b *Account) error {
		loses := a.Closed && !b.Closed || slices.ContainsFunc(b.Roles, func(r Role) bool { return !slices.Contains(a.Roles, r) })
		if b.Full, b.Roles, b.Closed = a.Full, a.Roles, a.Closed; loses {
			b.Since = now
		}
		return nil
	}, someoneGives)
}

// someoneGives refuses a change after which nobody could give accounts.
func someoneGives(all []Account) error {
	if slices.ContainsFunc(all, func(a Account) bool { return a.May(GivePeople) }) {
		return nil
	}
	return ErrLast
}

// SignOut ends all sessions of an account.
func (o *Office) SignOut(ctx context.Context, by, name string) error {
	now := time.Now()
	_, err := o.Store.ChangeAccount(ctx, name, 0, Act{At: now, Who: by, What: "account.signed_out", About: name}, func(a *Account) error {
		a.Since = now
		return nil
	}, nil)
	return err
}

// Link gives the secret of a new link to choose a password; those given before serve no more.
func (o *Office) Link(ctx context.Context, by, name string) (string, error) {
	a, err := o.Store.Account(ctx, name)
	if err != nil {
		return "", err
	}
	secret := rand.Text()
	if err := o.Store.KeepLink(ctx, hashOf(secret), a.Name, time.Now().Add(LinkLife)); err != nil {
		return "", err
	}
	return secret, o.Store.Log(ctx, Act{At: time.Now(), Who: by, What: "account.link", About: a.Name})
}

// LinkOf tells whose link it is, without using it. It returns ErrLink.
func (o *Office) LinkOf(ctx context.Context, secret string) (Account, error) {
	name, err := o.Store.TakeLink(ctx, hashOf(secret), time.Now(), false)
	if err != nil {
		return Account{}, err
	}
	return o.Store.Account(ctx, name)
}

// Choose keeps the password that somebody chose by their link; all their sessions are over. It
// returns a *Fault, which leaves the link as it is, or ErrLink.
func (o *Office) Choose(ctx context.Context, secret, password, again string) (Account, error) {
	a, err := o.LinkOf(ctx, secret)
	if err != nil {
		return Account{}, err
	}
	if a.Closed {
		return Account{}, ErrLink
	}
	if password != again {
		return Account{}, &Fault{"again", "mismatch"}
	}
	if err := judge(a.Name, password); err != nil {
		return Account{}, err
	}
	if _, err := o.Store.TakeLink(ctx, hashOf(secret), time.Now(), true); err != nil {
		return Account{}, err
	}
	return o.setPassword(ctx, a.Name, password)
}

// ChangePassword gives somebody who is signed in another password; all their sessions are over. from is their
// address, for limits. It returns a *Fault, or a *TooMany without looking at the current password.
func (o *Office) ChangePassword(ctx context.Context, name, current, password, again, from string) (Account, error) {
	now := time.Now()
	if wait := o.limits.wait(now, name, from); wait > 0 {
		return Account{}, &TooMany{wait}
	}
	a, err := o.Store.Account(ctx, name)
	if err != nil {
		return Account{}, err
	}
	switch ok, err := samePassword(ctx, a.Password, current); {
	case err != nil:
		return Account{}, err
	case !ok || a.Closed:
		o.limits.failed(now, name, from)
		return Account{}, &Fault{"current", "current"}
	case password != again:
		return Account{}, &Fault{"again", "mismatch"}
	}
	if err := judge(a.Name, password); err != nil {
		return Account{}, err
	}
	return o.setPassword(ctx, a.Name, password)
}

func (o *Office) setPassword(ctx context.Context, name, password string) (Account, error) {
	hash, err := hashPassword(ctx, password, o.KiB)
	if err != nil {
		return Account{}, err
	}
	now := time.Now()
	return o.Store.ChangeAccount(ctx, name, 0, Act{At: now, Who: name, What: "account.password", About: name}, func(a *Account) error {
		a.Password, a.Since = hash, now
		return nil
	}, nil)
}

// SignIn lets somebody in. from is their address, for limits. It returns ErrWrong, or a *TooMany
// without looking at the password.
func (o *Office) SignIn(ctx context.Context, name, password, from string) (Account, error) {
	name = strings.ToLower(strings.TrimSpace(name))
	now := time.Now()
	if wait := o.limits.wait(now, name, from); wait > 0 {
		return Account{}, &TooMany{wait}
	}
	a, err := o.Store.Account(ctx, name)
	switch {
	case errors.Is(err, ErrNone):
		a = Account{}
	case err != nil:
		return Account{}, err
	}
	ok, err := samePassword(ctx, a.Password, password) // of nobody, too: it takes as long
	if err != nil {
		return Account{}, err
	}
	if !ok || a.Closed {
		o.limits.failed(now, name, from)
		act := Act{At: now, Who: "", What: "account.refused", About: a.Name}
		if a.Name != "" { // what strangers type is not written down
			if err := o.Store.Log(ctx, act); err != nil {
				return Account{}, err
			}
		}
		return Account{}, ErrWrong
	}
	o.limits.forget(now, name, from)
	return a, o.Store.Log(ctx, Act{At: now, Who: a.Name, What: "account.signed_in", About: a.Name})
}

// SignInBy lets in whom a provider of OpenID Connect has made sure of: by the subject or, the first time, by
// the address that is the name of an open account. It returns ErrNone when there is no such account.
func (o *Office) SignInBy(ctx context.Context, subject, email string) (Account, error) {
	all, err := o.Store.Accounts(ctx)
	if err != nil {
		return Account{}, err
	}
	i := slices.IndexFunc(all, func(a Account) bool { return a.Subject == subject })
	if i < 0 && email != "" {
		i = slices.IndexFunc(all, func(a Account) bool { return a.Subject == "" && a.Name == email })
	}
	if subject == "" || i < 0 || all[i].Closed {
		return Account{}, ErrNone
	}
	now := time.Now()
	return o.Store.ChangeAccount(ctx, all[i].Name, all[i].Version, Act{At: now, Who: all[i].Name, What: "account.signed_in", About: all[i].Name, Detail: "OpenID Connect"}, func(a *Account) error {
		a.Subject = subject
		return nil
	}, nil)
}

// Current reads who has a session that began at a time. It returns ErrNone when that is over.
func (o *Office) Current(ctx context.Context, name string, began time.Time) (Account, error) {
	a, err := o.Store.Account(ctx, name)
	if err == nil && (a.Closed || began.Before(a.Since)) {
		return Account{}, ErrNone
	}
	return a, err
}

// RoleNames lists the roles of an account.
func (a Account) RoleNames() string { return roleNames(a.Roles) }

func roleNames(roles []Role) string {
	names := make([]string, len(roles))
	for i, r := range roles {
		names[i] = string(r)
	}
	return strings.Join(names, ", ")
}

// hashOf is how a link's secret is kept: 128 random bits need no slow hash.
func hashOf(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// TooMany says that too many wrong passwords came; After is how long to wait.
type TooMany struct{ After time.Duration }

func (t *TooMany) Error() string {
	return fmt.Sprintf("too many wrong passwords: try again in %s", t.After.Round(time.Second))
}
