package people

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestAPasswordIsKeptAsItsHashAlone(t *testing.T) {
	const password = "une phrase que je retiens"
	hash, err := hashPassword(t.Context(), password, 0)
	if err != nil || !strings.HasPrefix(hash, "$argon2id$v=19$m=65536,t=3,p=4$") || strings.Contains(hash, "phrase") {
		t.Fatalf("%q, %v", hash, err)
	}
	again, _ := hashPassword(t.Context(), password, 0)
	if again == hash {
		t.Error("two hashes of one password are the same")
	}
	for given, want := range map[string]bool{password: true, password + " ": false, "": false, strings.Repeat("x", 1000): false} {
		if ok, err := samePassword(t.Context(), hash, given); err != nil || ok != want {
			t.Errorf("%.30q: %t, %v", given, ok, err)
		}
	}
	for _, broken := range []string{"", "x", "$argon2id$v=19$m=65536,t=3,p=4$AA$", "$argon2id$v=19$m=999999999,t=3,p=4$AAAA$AAAAAAAAAAAAAAAAAAAAAAAA"} {
		if ok, err := samePassword(t.Context(), broken, ""); ok || err != nil {
			t.Errorf("%q is somebody's: %v", broken, err)
		}
	}
}

func TestWhatAPasswordMustBe(t *testing.T) {
	for password, rule := range map[string]string{
		"court": "short", "onze lettre": "short", strings.Repeat("é", 201): "long", "camille.martin": "same", " Camille.Martin ": "same", "aaaaaaaaaaaaaaa": "same",
		"une phrase que je retiens": "", strings.Repeat("é", 11) + "à": "",
	} {
		err := judge("camille.martin", password)
		if f, is := err.(*Fault); is != (rule != "") || is && f.Rule != rule {
			t.Errorf("%q: %v, want %q", password, err, rule)
		}
	}
}

func TestWrongPasswordsWaitLongerAndLongerAndAStrangerLocksNobodyOut(t *testing.T) {
	var l limiter
	now := time.Now()
	for range freeByBoth {
		if l.wait(now, "camille", "192.0.2.1") != 0 {
			t.Fatal("a free attempt waits")
		}
		l.failed(now, "camille", "192.0.2.1")
	}
	first := l.wait(now, "camille", "192.0.2.1")
	l.failed(now, "camille", "192.0.2.1")
	if second := l.wait(now, "camille", "192.0.2.1"); first != leastWait || second != 2*leastWait {
		t.Errorf("waits are %s, then %s", first, second)
	}
	if l.wait(now, "camille", "192.0.2.2") != 0 {
		t.Error("a stranger locks Camille out from everywhere")
	}
	if l.wait(now, "lou", "192.0.2.1") != 0 {
		t.Error("a colleague at the same address waits already")
	}
	for range 100 {
		l.failed(now, "camille", "192.0.2.1")
	}
	if d := l.wait(now, "camille", "192.0.2.1"); d != longestWait {
		t.Errorf("the longest wait is %s", d)
	}
	l.forget(now, "camille", "192.0.2.1")
	if d := l.wait(now.Add(forgotten+time.Second), "camille", "192.0.2.1"); d != 0 {
		t.Errorf("after an hour the wait is %s", d)
	}
}

func TestARightPasswordGivesAnAddressBackItsOwnSlipsAlone(t *testing.T) {
	var office limiter // behind one address, where everybody mistypes once
	now := time.Now()
	for i := range 3 * freeByAddress {
		now = now.Add(time.Minute)
		name := fmt.Sprint("agent", i)
		if d := office.wait(now, name, "192.0.2.1"); d != 0 {
			t.Fatalf("after %d colleagues who mistyped once, the next waits %s", i, d)
		}
		office.failed(now, name, "192.0.2.1")
		office.forget(now, name, "192.0.2.1")
	}

	var l limiter // somebody who has an account guesses at the others'
	for i := range freeByAddress {
		l.failed(now, fmt.Sprint("other", i), "192.0.2.1")
		l.failed(now, "own", "192.0.2.1")
		l.forget(now, "own", "192.0.2.1")
		l.forget(now, "own", "192.0.2.1") // twice gives nothing more
	}
	if d := l.wait(now, "one-more", "192.0.2.1"); d != leastWait {
		t.Errorf("who signs in between two guesses waits %s, want %s", d, leastWait)
	}

	var old limiter // what the address has forgotten already is not given back again
	old.failed(now, "own", "192.0.2.1")
	now = now.Add(forgotten + time.Minute)
	for i := range freeByAddress {
		old.failed(now, fmt.Sprint("other", i), "192.0.2.1")
	}
	old.forget(now, "own", "192.0.2.1")
	if d := old.wait(now, "one-more", "192.0.2.1"); d != leastWait {
		t.Errorf("a slip of long ago gives guesses back: the wait is %s", d)
	}
}

func TestTheTableOfRightsIsWhole(t *testing.T) {
	for right, roles := range rights {
		if len(roles) == 0 {
			t.Errorf("nobody may %s", right)
		}
		if right != SeeAgents && !(Account{Roles: []Role{Admin}}).May(right) {
			t.Errorf("an admin may not %s", right)
		}
		if (Account{Roles: Roles, Closed: true}).May(right) {
			t.Errorf("a closed account may %s", right)
		}
	}
	for _, changes := range []Right{Publish, Approve, GivePeople, EditService, EditAgents, RunFloor} {
		if (Account{Roles: []Role{Auditor}}).May(changes) {
			t.Errorf("an auditor may %s", changes)
		}
	}
}
