package store

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"decroche/call"
)

// begins is the first moment of a period.
func begins(period int64) time.Time { return time.UnixMilli(period * keyLife.Milliseconds()).UTC() }

// opened reads the keys of a folder as a program that starts does.
func opened(t *testing.T, dir string) *keys {
	t.Helper()
	k, err := openKeys(Options{DataDir: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// caller is what the journal calls a number at a moment.
func (k *keys) caller(n call.Number, at time.Time) (caller, was string) {
	now, before := k.at(at)
	if before != nil {
		was = Pseudonym(before, n)
	}
	return Pseudonym(now, n), was
}

func TestWhoCallsAgainAcrossPeriodsIsKnownForSevenDaysAndNeverAfterwards(t *testing.T) {
	const n = call.Number("+33639980042")
	dir := t.TempDir()
	k := opened(t, dir)
	p := k.period
	first, was := k.caller(n, begins(p).Add(20*24*time.Hour))
	if was != "" {
		t.Error("a first period has a key before it")
	}
	edge := begins(p + 1)
	for _, c := range []struct {
		at    time.Time
		known bool
	}{
		{edge, true}, {edge.Add(keyOverlap - time.Millisecond), true}, {edge.Add(keyOverlap), false}, {edge.Add(20 * 24 * time.Hour), false},
	} {
		name, was := k.caller(n, c.at)
		if name == first || (was == first) != c.known {
			t.Errorf("at %s a caller who was %s is %s, and was %q", c.at, first, name, was)
		}
	}

	second, _ := k.caller(n, edge)
	k.turn(edge.Add(keyOverlap - time.Millisecond))
	if again := opened(t, dir); again.period != p {
		t.Error("the key is gone while it is needed")
	}
	if names := k.all(n, edge); len(names) != 2 || names[0] != first || names[1] != second {
		t.Errorf("a person is known by %q", names)
	}
	k.turn(edge.Add(keyOverlap))
	again := opened(t, dir)
	if again.period != p+1 {
		t.Fatal("the key of a period that is over was not destroyed")
	}
	if name, _ := again.caller(n, edge.Add(9*24*time.Hour)); name != second {
		t.Error("the key of this period was lost with that of the one before")
	}
	for _, k := range []*keys{k, again} {
		if name, _ := k.caller(n, begins(p).Add(20*24*time.Hour)); name == first {
			t.Error("a number can still be tied to what it was called in a period whose key is destroyed")
		}
		if names := k.all(n, edge.Add(9*24*time.Hour)); len(names) != 1 || names[0] != second {
			t.Errorf("a person is known by %q", names)
		}
	}
}

func TestNodesOnceGivenTheSameFileGoOnWithTheSameKeys(t *testing.T) {
	const n = call.Number("+33639980042")
	one, two := t.TempDir(), t.TempDir()
	a := opened(t, one)
	text, err := os.ReadFile(filepath.Join(one, "pseudonym.key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(two, "pseudonym.key"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	later := begins(a.period + 5).Add(keyOverlap)
	a.turn(later)
	b := opened(t, two) // was switched off for months
	nameA, _ := a.caller(n, later)
	nameB, _ := b.caller(n, later)
	if nameA != nameB {
		t.Error("two nodes call the same person by two names")
	}
	if st, err := os.Stat(filepath.Join(one, "pseudonym.key")); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the key can be read by others: %v, %v", st.Mode(), err)
	}
}

func TestHistoryOlderThanAnyKeyIsTiedTogetherByAKeyThatNobodyKeeps(t *testing.T) {
	const n = call.Number("+33639980042")
	dir := t.TempDir()
	k := opened(t, dir)
	old, was := k.caller(n, begins(k.period-30))
	older, _ := k.caller(n, begins(k.period-40))
	if old != older || was != "" {
		t.Error("a person of old times is called by two names")
	}
	if _, was := k.caller(n, begins(k.period)); was != old {
		t.Error("who called just before the first period, and just after it began, is two persons")
	}
	if name, _ := opened(t, dir).caller(n, begins(k.period-30)); name == old {
		t.Error("the key of old times was kept")
	}
}

func TestAKeyFileOfBeforePeriodsServesOnAndADamagedOneIsRefused(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "pseudonym.key")
	key := strings.Repeat("ab", 32)
	if err := os.WriteFile(file, []byte(key+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	now, _ := periodOf(time.Now())
	if k := opened(t, dir); k.period != now {
		t.Error("the key alone is not the present one")
	}
	for _, text := range []string{"", "12 34", "x " + key, "-1 " + key, "1 2 " + key} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := openKeys(Options{DataDir: dir})
		if err == nil || !strings.Contains(err.Error(), "put it back from a backup") {
			t.Errorf("%q is taken: %v", text, err)
		}
	}
}

func TestAKeyThatCannotBeDestroyedYetServesOnAndIsTriedAgain(t *testing.T) {
	dir := t.TempDir()
	k := opened(t, dir)
	p := k.period
	k.path = filepath.Join(dir, "gone", "pseudonym.key")
	k.turn(begins(p + 2))
	if k.period != p || !k.failed {
		t.Error("the keys moved on without the file")
	}
	k.path = filepath.Join(dir, "pseudonym.key")
	k.turn(begins(p + 2))
	if k.period != p+1 || k.failed {
		t.Error("the file is not tried again")
	}
}
