package storetest

import (
	"errors"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"decroche/people"
)

func accountLife(t *testing.T, e Engine) {
	ctx := t.Context()
	db := Open(t, e.URL(t)).People()
	a := people.Account{Name: "camille", Full: "Camille Martin", Roles: []people.Role{people.Admin, people.Editor}, Since: noon, Created: noon, Version: 1}
	act := people.Act{At: noon, Who: "console", What: "account.added", About: "camille", Detail: "admin"}
	var added atomic.Int32
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			switch err := db.AddAccount(ctx, a, act); {
			case err == nil:
				added.Add(1)
			case !errors.Is(err, people.ErrTaken):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := get(db.Account(ctx, "camille"))(t); added.Load() != 1 || !reflect.DeepEqual(got, a) {
		t.Errorf("%d were added: %+v, want %+v", added.Load(), got, a)
	}
	if _, err := db.Account(ctx, "lou"); !errors.Is(err, people.ErrNone) {
		t.Errorf("an account that is none: %v", err)
	}
	change := func(version int64, subject string) error {
		_, err := db.ChangeAccount(ctx, "camille", version, people.Act{At: noon, Who: "camille", What: "account.changed", About: "camille"}, func(a *people.Account) error {
			a.Subject, a.Password = subject, "hash"
			return nil
		}, nil)
		return err
	}
	must(t, change(1, "issuer 1"))
	if err := change(1, "issuer 2"); !errors.Is(err, people.ErrChanged) {
		t.Errorf("an old version is changed: %v", err)
	}
	must(t, change(0, "issuer 3"))
	refused := errors.New("nobody would be left")
	if _, err := db.ChangeAccount(ctx, "camille", 0, people.Act{}, func(a *people.Account) error { a.Closed = true; return nil }, func(all []people.Account) error {
		if len(all) != 1 || !all[0].Closed {
			t.Errorf("the check sees %+v", all)
		}
		return refused
	}); !errors.Is(err, refused) {
		t.Errorf("a change that was refused: %v", err)
	}
	if got := get(db.Account(ctx, "camille"))(t); got.Closed || got.Subject != "issuer 3" || got.Version != 3 {
		t.Errorf("then the account is %+v", got)
	}
	must(t, db.AddAccount(ctx, people.Account{Name: "lou", Full: "Lou", Roles: []people.Role{people.Editor}, Since: noon, Created: noon, Version: 1}, act))
	if n := len(get(db.Accounts(ctx))(t)); n != 2 {
		t.Errorf("%d accounts", n)
	}
	acts := get(db.Acts(ctx, people.Acts{Limit: 2}))(t)
	if len(acts) != 2 || acts[0].ID <= acts[1].ID || acts[1].What != "account.changed" || acts[0].About != "camille" || !acts[0].At.Equal(noon) {
		t.Errorf("the log, newest first: %+v", acts)
	}
	if rest := get(db.Acts(ctx, people.Acts{Before: acts[1].ID, Limit: 10}))(t); len(rest) != 2 {
		t.Errorf("the rest of the log: %+v", rest)
	}
	later := act
	later.At, later.Who, later.What = noon.Add(time.Hour), "dominique", "message.published"
	must(t, db.Log(ctx, later))
	for of, want := range map[people.Acts]int{
		{Limit: 10}: 5, {Who: "dominique", Limit: 10}: 1, {Group: "message", Limit: 10}: 1, {Group: "mess", Limit: 10}: 0,
		{Group: "account", Limit: 10}: 4, {From: noon.Add(time.Hour), Limit: 10}: 1, {Until: noon.Add(time.Hour), Limit: 10}: 4,
		{Group: "account", Who: "dominique", Limit: 10}: 0,
	} {
		if got := get(db.Acts(ctx, of))(t); len(got) != want {
			t.Errorf("the log of %+v has %d lines, want %d: %+v", of, len(got), want, got)
		}
	}
	must(t, change(0, "issuer 3")) // as a sign-in: nothing is changed, and no form grows old
	if got := get(db.Account(ctx, "camille"))(t); got.Version != 3 {
		t.Errorf("what changed nothing made version %d", got.Version)
	}
}

func linksAndSessions(t *testing.T, e Engine) {
	ctx := t.Context()
	db := Open(t, e.URL(t)).People()
	must(t, db.AddAccount(ctx, people.Account{Name: "camille", Full: "C", Roles: []people.Role{people.Admin}, Since: noon, Created: noon, Version: 1}, people.Act{At: noon}))
	must(t, db.KeepLink(ctx, []byte("first"), "camille", noon.Add(time.Hour)))
	must(t, db.KeepLink(ctx, []byte("second"), "camille", noon.Add(time.Hour)))
	for hash, want := range map[string]error{"first": people.ErrLink, "second": nil, "none": people.ErrLink} {
		if name, err := db.TakeLink(ctx, []byte(hash), noon, false); !errors.Is(err, want) || (err == nil) != (name == "camille") {
			t.Errorf("link %s: %q, %v", hash, name, err)
		}
	}
	if _, err := db.TakeLink(ctx, []byte("second"), noon.Add(time.Hour), true); !errors.Is(err, people.ErrLink) {
		t.Errorf("an old link serves: %v", err)
	}
	var taken atomic.Int32
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if _, err := db.TakeLink(ctx, []byte("second"), noon, true); err == nil {
				taken.Add(1)
			}
		})
	}
	wg.Wait()
	if taken.Load() != 1 {
		t.Errorf("a link served %d times", taken.Load())
	}
	now := time.Now()
	must(t, db.CommitCtx(ctx, "old", []byte("x"), now.Add(-time.Second)))
	must(t, db.CommitCtx(ctx, "token", []byte("one"), now.Add(time.Hour)))
	must(t, db.CommitCtx(ctx, "token", []byte("two"), now.Add(time.Hour)))
	for token, want := range map[string]string{"token": "two", "old": "", "none": ""} {
		data, found, err := db.FindCtx(ctx, token)
		if err != nil || found != (want != "") || string(data) != want {
			t.Errorf("session %s: %q, %t, %v", token, data, found, err)
		}
	}
	must(t, db.DeleteCtx(ctx, "token"))
	if _, found, _ := db.FindCtx(ctx, "token"); found {
		t.Error("a session outlives its end")
	}
	must(t, db.CommitCtx(ctx, "token", []byte("three"), now.Add(2*time.Hour))) // by a request that was under way
	if data, found, err := db.FindCtx(ctx, "token"); found || err != nil {
		t.Errorf("a session that was ended is back with %q, %v", data, err)
	}
}
