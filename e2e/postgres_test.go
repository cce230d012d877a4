package e2e

import (
	"errors"
	"strings"
	"testing"
	"time"

	"decroche/call"
	"decroche/e2e/rig"
	"decroche/store/storetest"
)

func TestALineOnPostgreSQLLivesThroughKillsAndAStoppedServer(t *testing.T) {
	t.Parallel()
	server := storetest.StartPostgres(t)
	r := rig.Start(t, rig.Options{Config: manyAgents(2), Database: server.Database(t)})
	desk := r.Available("2001")
	first := r.Dial(line, nth(1))
	first.Types("1")
	agent := r.Answers(desk, 10*time.Second)
	r.WaitFact(call.EventConnected, nil)
	waits := r.Dial(line, nth(2))
	waits.Types("1")
	waits.Hears("fr/position.1", 15*time.Second)

	r.KillController()
	r.StartController()
	r.WaitReady()
	waits.Hears("fr/caller.resumed", 10*time.Second)
	r.Talks(first, agent)

	server.Stop(t)
	during := r.Dial(line, nth(3))
	during.Hears("fr/bienvenue", 3*time.Second)
	during.Types("1")
	during.Hears("fr/position.2", 10*time.Second)
	if words := r.NotReady(15 * time.Second); !strings.Contains(words, "the database server cannot be reached") {
		t.Errorf("/readyz says %s", words)
	}
	if err := agent.Hangup(t.Context()); err != nil {
		t.Fatal(err)
	}
	first.Hears("fr/goodbye", 5*time.Second)
	served := r.Answers(desk, 10*time.Second)
	served.Hears("fr/annonce-accueil", 5*time.Second)
	server.Start(t)
	r.WaitReady()
	r.Eventually(20*time.Second, "the journal is complete", func() error {
		if len(callIDs(r)) != 3 || len(r.Facts(call.EventEnded)) != 1 || len(r.Facts(call.EventConnected)) != 2 {
			return errors.New("not yet")
		}
		return nil
	})
	r.Talks(waits, served)
	neverSilent(t, "who came in meanwhile", during, during.Hear().Answered, 2*time.Second)
	ids := callIDs(r)
	complete(t, r, ids[0], call.EventArrived, call.EventConnected, call.EventResumed, call.EventTalkEnded, call.EventEnded)
	complete(t, r, ids[2], call.EventArrived, call.EventMenu, call.EventQueued, call.EventAnnounced)
	repeats(t, r.ControllerLog(), 15)
}
