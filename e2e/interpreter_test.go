package e2e

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"decroche/call"
	"decroche/e2e/rig"
	"decroche/e2e/softphone"
	"decroche/routing"
	"decroche/web/api"
)

// interpreted is a service with an interpreter of Spanish, on a trunk of their own.
func interpreted(t *testing.T) rig.Options {
	t.Helper()
	return rig.Options{Relay: true, Service: essai(t,
		"queues:\n", "interpreters:\n  es: {number: 01 99 00 60 00, trunk: relais, per_minute: 0.9, label: {fr: espagnol, en: Spanish}}\nqueues:\n")}
}

// talking brings a caller and agent 2001 together, and gives the call's name.
func talking(t *testing.T, r *rig.Rig) (c, agent *rig.Line, id call.ID) {
	t.Helper()
	desk := r.Available("2001")
	c = r.Dial(line, caller)
	c.Hears("fr/bienvenue", 10*time.Second)
	c.Types("1")
	agent = r.Answers(desk, 20*time.Second)
	c.Hears("fr/hold.connecting", 15*time.Second)
	r.Talks(c, agent)
	var a routing.AgentStatus
	if status, words := callAPI(t, r, "GET", "/api/agents/2001", nil, &a); status != http.StatusOK || a.Call == "" {
		t.Fatalf("the agent's call: %s", words)
	}
	return c, agent, a.Call
}

// interpreterFacts waits for facts about the interpreter, in their order.
func interpreterFacts(t *testing.T, r *rig.Rig, want ...string) (last map[string]any) {
	t.Helper()
	r.Eventually(15*time.Second, fmt.Sprintf("the journal has %v", want), func() error {
		var got []string
		for _, f := range r.Facts(call.EventInterpreter) {
			got, last = append(got, fmt.Sprint(f.Data["what"])), f.Data
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			return fmt.Errorf("it has %v", got)
		}
		return nil
	})
	return last
}

// Three talk, the controller is killed, the three go on, and the end of the conversation is the
// interpreter's end too, with its cost.
func TestAnInterpreterIsAskedIntoTheConversation(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, interpreted(t))
	phone, calls := centre(t, r, softphone.Manner{})
	c, agent, id := talking(t, r)
	r.Must("interpreter", string(id), "es")
	var es *rig.Line
	select {
	case up := <-calls.Calls():
		es = r.Listen(phone, up)
	case <-time.After(15 * time.Second):
		t.Fatal("the interpreter should have been called")
	}
	interpreterFacts(t, r, "asked", "joined")
	r.Talks(c, agent)
	r.Talks(c, es)
	r.Talks(agent, es)
	if status, words := callAPI(t, r, "POST", "/api/calls/"+string(id)+"/interpreter", api.NewInterpreter{Lang: "es"}, nil); status != http.StatusConflict {
		t.Errorf("a second interpreter is answered %d: %s", status, words)
	}
	r.KillController()
	r.Talks(agent, es)
	r.StartController()
	r.WaitReady()
	r.Talks(c, es)
	agent.HangsUp()
	es.Ends(15 * time.Second)
	c.Ends(20 * time.Second)
	left := interpreterFacts(t, r, "asked", "joined", "left")
	if cost, ok := left["cost"].(float64); !ok || cost <= 0 || left["name"] != "es" || left["agent"] != "2001" {
		t.Errorf("the journal has %v", left)
	}
}

// An interpreter who does not answer changes nothing; one who is let go leaves the two alone.
func TestAConversationGoesOnWithoutItsInterpreter(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, interpreted(t))
	phone, calls := centre(t, r, softphone.Manner{Refuse: 486})
	for _, refused := range []struct {
		call, lang string
		want       int
	}{{"nobody", "es", http.StatusConflict}, {"nobody", "de", http.StatusConflict}} {
		if status, words := callAPI(t, r, "POST", "/api/calls/"+refused.call+"/interpreter", api.NewInterpreter{Lang: refused.lang}, nil); status != refused.want {
			t.Errorf("%+v is answered %d: %s", refused, status, words)
		}
	}
	c, agent, id := talking(t, r)
	r.Must("interpreter", string(id), "es")
	if f := interpreterFacts(t, r, "asked", "unreached"); f["why"] != string(call.Busy) {
		t.Errorf("the journal has %v", f)
	}
	r.Talks(c, agent)
	calls.Behave(softphone.Manner{})
	r.Must("interpreter", string(id), "es")
	var es *rig.Line
	select {
	case up := <-calls.Calls():
		es = r.Listen(phone, up)
	case <-time.After(15 * time.Second):
		t.Fatal("the interpreter should have been called")
	}
	r.Talks(c, es)
	r.Must("interpreter", string(id), "--leave")
	es.Ends(10 * time.Second)
	interpreterFacts(t, r, "asked", "unreached", "asked", "joined", "left")
	r.Talks(c, agent)
	c.HangsUp()
	agent.Ends(15 * time.Second)
}
