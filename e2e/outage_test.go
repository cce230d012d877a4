package e2e

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"decroche/call"
	"decroche/e2e/rig"
	"decroche/routing"

	_ "modernc.org/sqlite"
)

// repeats fails when a line of the log is there more often than the most, its time apart.
func repeats(t *testing.T, log string, most int) {
	t.Helper()
	seen := map[string]int{}
	for l := range strings.Lines(log) {
		if len(l) > 20 {
			words, _, _ := strings.Cut(l[20:], "=")
			seen[words]++
		}
	}
	for words, n := range seen {
		if n > most && strings.Contains(words, "WARN") || strings.Contains(words, "ERROR") && n > most {
			t.Errorf("the log says %d times: %s", n, words)
		}
	}
}

func TestControllerOutlivesAsteriskAndServesAgainWhenItIsBack(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{Config: manyAgents(2)})
	desk := r.Available("2001")
	talks := r.Dial(line, nth(1))
	talks.Types("1")
	r.Answers(desk, 10*time.Second)
	r.WaitFact(call.EventConnected, nil)
	waits := r.Dial(line, nth(2))
	waits.Types("1")
	waits.Hears("fr/position.1", 15*time.Second)
	lost := callIDs(r)

	r.CrashAsterisk()
	if words := r.NotReady(5 * time.Second); !strings.Contains(words, "no Asterisk") {
		t.Errorf("/readyz says %s", words)
	}
	time.Sleep(6 * time.Second) // the controller lives on without it
	r.StartAsterisk()
	r.WaitReady()
	for _, id := range lost {
		end := r.WaitFact(call.EventEnded, func(f rig.Fact) bool { return f.Call == id })
		if end.Data["reason"] != "exchange_failed" {
			t.Errorf("a call that Asterisk took with it ended as %v", end.Data)
		}
	}
	// The phones sign in with the accounts that were pushed again, and calls go on.
	again := r.Agent("2001")
	next := r.Dial(line, nth(3))
	next.Hears("fr/bienvenue", 5*time.Second)
	next.Types("1")
	r.Must("agent", "available", "2001")
	agent := r.Answers(again, 15*time.Second)
	r.WaitFact(call.EventConnected, func(f rig.Fact) bool { return f.Call == callIDs(r)[2] })
	r.Talks(next, agent)
	repeats(t, r.ControllerLog(), 12)
	if n := strings.Count(r.ControllerLog(), "\n"); n > 60 {
		t.Errorf("the controller wrote %d lines", n)
	}
}

func TestControllerWaitsForAnAsteriskThatIsNotThereYet(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{NoAsterisk: true})
	c := r.Controller()
	c.Says("no connection to asterisk, trying again", 60*time.Second)
	if words := r.NotReady(time.Second); !strings.Contains(words, "no Asterisk at http://127.0.0.1:") {
		t.Errorf("/readyz says %s", words)
	}
	r.StartAsterisk()
	r.WaitReady()
	r.Dial(line, caller).Hears("fr/bienvenue", 5*time.Second)
}

func TestControllerStopsWhenAsteriskRefusesItsPassword(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{NoController: true})
	r.WriteSecret("ari-password", "wrong")
	c := r.Run("serve")
	if code := c.Ends(60 * time.Second); code == 0 || !strings.Contains(c.Text(), "refuses user") || !strings.Contains(c.Text(), "check the password") {
		t.Errorf("it ended with %d and said: %s", code, c.Text())
	}
	if strings.Contains(c.Text(), "wrong") {
		t.Error("the password is in the log")
	}
}

func TestCallsGoOnWhenTheConnectionToAsteriskIsCut(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{Config: manyAgents(2), NoController: true})
	cable := r.ThroughCable()
	r.StartController()
	r.WaitReady()
	desk := r.Available("2001")
	talks := r.Dial(line, nth(1))
	talks.Types("1")
	agent := r.Answers(desk, 10*time.Second)
	r.WaitFact(call.EventConnected, nil)
	waits, leaves := r.Dial(line, nth(2)), r.Dial(line, nth(3))
	waits.Types("1")
	leaves.Types("1")
	leaves.Hears("fr/position.2", 15*time.Second)
	menu := r.Dial(line, nth(4))
	menu.Hears("fr/bienvenue", 5*time.Second)

	cable.Cut()
	cut := waits.Hear().Duration()
	r.NotReady(5 * time.Second)
	leaves.HangsUp()
	r.Talks(talks, agent)
	time.Sleep(5 * time.Second) // the welcome ends, and nobody is told
	cable.Mend()
	r.WaitReady()
	end := r.WaitFact(call.EventEnded, func(f rig.Fact) bool { return f.Call == callIDs(r)[2] })
	if end.Data["reason"] != "caller_hung_up" {
		t.Errorf("who hung up meanwhile ended as %v", end.Data)
	}
	menu.Hears("fr/menu-principal", 5*time.Second)
	menu.Types("1")
	menu.Hears("fr/position.2", 10*time.Second)
	r.Talks(talks, agent)
	neverSilent(t, "who waits", waits, cut, 2*time.Second)
	noneHears(t, "who waits", waits, cut, "fr/bienvenue", "fr/queue.joined", "fr/caller.resumed")
	if err := agent.Hangup(t.Context()); err != nil {
		t.Fatal(err)
	}
	talks.Hears("fr/goodbye", 5*time.Second)
	served := r.Answers(desk, 10*time.Second)
	r.WaitFact(call.EventConnected, func(f rig.Fact) bool { return f.Call == callIDs(r)[1] })
	r.Talks(waits, served)
}

func TestCallersNoticeNothingOfALockedDatabase(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	db, err := sql.Open("sqlite", filepath.Join(r.Dir, "decroche.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	before := r.Dial(line, nth(1))
	before.Types("1")
	before.Hears("fr/position.1", 15*time.Second)

	lock, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	r.Eventually(5*time.Second, "the database is locked", func() error {
		_, err := lock.ExecContext(t.Context(), "BEGIN EXCLUSIVE")
		return err
	})
	locked := time.Now()
	during := r.Dial(line, nth(2))
	during.Hears("fr/bienvenue", 3*time.Second)
	during.HearsAll("fr/menu-principal", 5*time.Second)
	during.Types("1")
	during.Hears("fr/position.2", 10*time.Second)
	if words := r.NotReady(10 * time.Second); !strings.Contains(words, "locked") {
		t.Errorf("/readyz says %s", words)
	}
	time.Sleep(time.Until(locked.Add(10 * time.Second)))
	if _, err := lock.ExecContext(context.WithoutCancel(t.Context()), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	r.WaitReady()
	neverSilent(t, "who came in meanwhile", during, during.Hear().Answered, 2*time.Second)
	desk := r.Available("2001")
	r.Answers(desk, 10*time.Second)
	r.WaitFact(call.EventConnected, nil)
	complete(t, r, callIDs(r)[1], call.EventArrived, call.EventMenu, call.EventQueued, call.EventAnnounced)
	repeats(t, r.ControllerLog(), 15)
}

// complete fails for each kind of fact that the journal of a call lacks.
func complete(t *testing.T, r *rig.Rig, id string, kinds ...call.EventKind) {
	t.Helper()
	has := map[call.EventKind]bool{}
	for _, f := range r.Journal() {
		if f.Call == id {
			has[f.Kind] = true
		}
	}
	for _, kind := range kinds {
		if !has[kind] {
			t.Errorf("the journal of call %s has no %s", id, kind)
		}
	}
}

func TestCallersNoticeNothingOfAFullDisk(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{NoController: true, Database: "sqlite:" + rig.SmallDisk(t, 8<<20) + "/decroche.db"})
	r.StartController()
	r.WaitReady()
	before := r.Dial(line, nth(1))
	before.Types("1")
	before.Hears("fr/position.1", 15*time.Second)
	disk := filepath.Dir(strings.TrimPrefix(r.Database, "sqlite:"))
	filler := filepath.Join(disk, "filler")
	fill(t, filler)
	during := r.Dial(line, nth(2))
	during.Hears("fr/bienvenue", 3*time.Second)
	during.HearsAll("fr/menu-principal", 5*time.Second)
	during.Types("1")
	during.Hears("fr/position.2", 10*time.Second)
	if words := r.NotReady(15 * time.Second); !strings.Contains(words, "the disk of the database is full") {
		t.Errorf("/readyz says %s", words)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	r.WaitReady()
	neverSilent(t, "who came in meanwhile", during, during.Hear().Answered, 2*time.Second)
	r.Eventually(10*time.Second, "the journal is complete", func() error {
		if len(callIDs(r)) < 2 {
			return errors.New("the second call is missing")
		}
		return nil
	})
	complete(t, r, callIDs(r)[1], call.EventArrived, call.EventMenu, call.EventQueued, call.EventAnnounced)
	repeats(t, r.ControllerLog(), 15)
}

// fill writes until the disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, size := range []int{1 << 16, 1 << 10, 1} {
		for err = nil; err == nil; {
			_, err = f.Write(bytes.Repeat([]byte{1}, size))
		}
	}
}

func TestWhatCannotStartSaysWhy(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{NoController: true})
	for name, c := range map[string]struct {
		damage func(t *testing.T) (undo func())
		words  []string
	}{
		"a damaged database": {
			func(t *testing.T) func() {
				path := filepath.Join(r.Dir, "decroche.db")
				if err := os.WriteFile(path, []byte("this is no database, and it is long enough to be looked at"), 0o600); err != nil {
					t.Fatal(err)
				}
				return func() { os.Remove(path) }
			},
			[]string{"decroche.db is damaged", "put a backup in its place"},
		},
		"an empty secret": {
			func(t *testing.T) func() {
				was := r.Secret("ari-password")
				r.WriteSecret("ari-password", "")
				return func() { r.WriteSecret("ari-password", was) }
			},
			[]string{"secret", "ari-password is empty", "remove the file"},
		},
		"a data folder that is a file": {
			func(t *testing.T) func() {
				if err := os.WriteFile(filepath.Join(r.Dir, "file"), nil, 0o600); err != nil {
					t.Fatal(err)
				}
				r.EditConfig("service: service.yaml\n", "service: service.yaml\ndatabase: sqlite:"+r.Dir+"/file/decroche.db\n")
				return func() { r.EditConfig("database: sqlite:"+r.Dir+"/file/decroche.db\n", "") }
			},
			[]string{"open the database", "is not a folder"},
		},
		"a sounds folder that cannot be made": {
			func(t *testing.T) func() {
				if err := os.WriteFile(filepath.Join(r.Dir, "file"), nil, 0o600); err != nil {
					t.Fatal(err)
				}
				r.EditConfig("sounds: ", "sounds: "+r.Dir+"/file")
				return func() { r.EditConfig("sounds: "+r.Dir+"/file", "sounds: ") }
			},
			[]string{"make the data folder", "/file"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			undo := c.damage(t)
			defer undo()
			p := r.Run("serve")
			if code := p.Ends(60 * time.Second); code == 0 {
				t.Error("it ended with 0")
			}
			for _, words := range c.words {
				if !strings.Contains(p.Text(), words) {
					t.Errorf("it does not say %q but: %s", words, p.Text())
				}
			}
		})
	}
}

func TestNothingIsLeftOfTwoHundredShortCalls(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	desk := r.Available("2001")
	r.Dial(line, caller).HangsUp()
	measure := func() (goroutines, fds float64) {
		return r.Metric("go_goroutines"), r.Metric("process_open_fds")
	}
	settled := func() error {
		if n := r.Metric("decroche_lines"); n != 0 {
			return fmt.Errorf("%v callers are on the line", n)
		}
		return nil
	}
	r.Eventually(10*time.Second, "the line is empty", settled)
	goroutines, fds := measure()
	stop := make(chan struct{})
	taken := make(chan int)
	go func() {
		n := 0
		defer func() { taken <- n }()
		for {
			select {
			case <-stop:
				return
			case ring := <-desk.Incoming():
				if c, err := ring.Answer(t.Context()); err == nil {
					n++
					<-c.Done()
				}
			}
		}
	}()
	for i := range 200 {
		c := r.Dial(line, nth(i))
		switch i % 4 {
		case 0:
		case 1, 2:
			c.Types("1")
		case 3:
			c.Types("9")
		}
		if i%4 == 2 {
			time.Sleep(100 * time.Millisecond)
		}
		c.HangsUp()
	}
	close(stop)
	t.Log("agents answered", <-taken)
	r.Eventually(15*time.Second, "the line is empty", settled)
	r.Eventually(30*time.Second, "nothing is left", func() error {
		g, f := measure()
		if g > goroutines+5 || f > fds+5 {
			return fmt.Errorf("%v goroutines and %v files, before the calls %v and %v", g, f, goroutines, fds)
		}
		return nil
	})
	for id, a := range r.Agents() {
		if a.State == routing.Reserved || a.State == routing.Talking {
			t.Errorf("agent %s is %s though nobody is there", id, a.State)
		}
	}
}
