package e2e

import (
	"testing"
	"time"

	"decroche/call"
	"decroche/e2e/rig"
)

const (
	caller = "+33639980001"
	line   = "+33199003939"
)

func TestCallerHearsTheTruthAboutTheWaitAndSpeaksWithAnAgent(t *testing.T) {
	r := rig.Start(t, rig.Options{})
	c := r.Dial(line, caller)
	c.Hears("fr/bienvenue", 5*time.Second)
	c.HearsAll("fr/menu-principal", 10*time.Second)
	c.Types("1")
	c.Hears("fr/queue.joined", 3*time.Second)
	c.Hears("fr/position.1", 5*time.Second)
	c.Hears("fr/queue.noagents", 10*time.Second)
	c.Hears("music", 15*time.Second)

	desk := r.Available("2001")
	agent := r.Answers(desk, 5*time.Second)
	agent.HearsAll("fr/annonce-accueil", 5*time.Second)
	agent.HearsAll("fr/reason.dossier", 5*time.Second)
	agent.HearsAll("fr/whisper.wait.under1", 5*time.Second)
	r.Talks(c, agent)
	if err := agent.Hangup(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.Hears("fr/goodbye", 5*time.Second)
	c.Ends(10 * time.Second)
	end := r.WaitFact(call.EventEnded, nil)
	if end.Data["outcome"] != "answered" || end.Data["reason"] != "agent_hung_up" {
		t.Errorf("the journal says %v", end.Data)
	}
}
