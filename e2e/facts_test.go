package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"decroche/call"
	"decroche/e2e/rig"
	"decroche/e2e/softphone"
	"decroche/routing"
)

// twoTeams are an agent of the first line and one of the second, who knows more.
const twoTeams = `agents:
  - {id: 2001, name: Camille Martin, team: nord, skills: {accueil: 1}}
  - {id: 2002, name: Noé Bernard, team: sud, skills: {accueil: 4}}
`

// factsOf are the facts of one call, oldest first.
func factsOf(r *rig.Rig, id string) (facts []rig.Fact) {
	for _, f := range r.Journal() {
		if f.Call == id {
			facts = append(facts, f)
		}
	}
	return facts
}

// one is the only fact of a kind, with these fields; "*" is any value.
func one(t *testing.T, facts []rig.Fact, kind call.EventKind, want map[string]any) rig.Fact {
	t.Helper()
	var found []rig.Fact
	for _, f := range facts {
		if f.Kind == kind {
			found = append(found, f)
		}
	}
	if len(found) != 1 {
		t.Fatalf("the journal has %d facts %s, want one: %v", len(found), kind, found)
	}
	for key, value := range want {
		got, there := found[0].Data[key]
		if !there || value != "*" && got != value {
			t.Errorf("%s: %q is %v, want %v", kind, key, got, value)
		}
	}
	return found[0]
}

// between fails the test unless a field is a length of time within bounds.
func between(t *testing.T, f rig.Fact, key string, least, most time.Duration) {
	t.Helper()
	ms, ok := f.Data[key].(float64)
	if d := time.Duration(ms) * time.Millisecond; !ok || d < least || d > most {
		t.Errorf("%s: %q is %v, want between %v and %v", f.Kind, key, f.Data[key], least, most)
	}
}

// wrapsUp waits until the agents' wrap-ups of a call are told, once each and in this order.
func wrapsUp(t *testing.T, r *rig.Rig, id string, agents ...string) (facts []rig.Fact) {
	t.Helper()
	r.Eventually(15*time.Second, fmt.Sprintf("%v have wrapped up call %s", agents, id), func() error {
		facts = nil
		var told []string
		for _, f := range r.Facts(call.EventWrapped) {
			if f.Call == id {
				facts = append(facts, f)
				told = append(told, f.Data["agent"].(string))
			}
		}
		if !slices.Equal(told, agents) {
			return fmt.Errorf("the journal says %v", told)
		}
		return nil
	})
	return facts
}

func TestTheJournalHoldsEachFactOfACallPassedOnAndCodedAfterwards(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{Config: twoTeams, Service: essai(t, "wrap_up: 2s", "wrap_up: 6s")})
	desk, other := r.Agent("2001"), r.Agent("2002")
	r.Must("agent", "available", "2001")
	c, agent := talks(t, r, desk, caller)
	r.Must("agent", "available", "2002")
	hold(t, agent)
	c.Hears("music", 5*time.Second)
	asking, asked := colleague(t, r, desk, other, "2002")
	if err := agent.AttendedTransfer(t.Context(), asking.Call); err != nil {
		t.Fatal(err)
	}
	agent.Ends(5 * time.Second)
	asking.Ends(5 * time.Second)
	r.Talks(c, asked)
	id := string(agentStatus(t, r, "2002").Call)
	if got := agentStatus(t, r, "2001"); string(got.LastCall) != id || got.Team != "nord" {
		t.Errorf("who has passed call %s on is %+v", id, got)
	}

	t.Log("the first agent codes the call in wrap-up, the second while it lasts, and thinks better of it")
	if out := r.Must("agent", "wrap-up", id, "--agent", "2001", "--reason", "venir"); !strings.Contains(out, "agent 2001: reason venir") {
		t.Errorf("the command says %q", out)
	}
	var said map[string]any
	if status, words := callAPI(t, r, "POST", "/api/calls/"+id+"/wrap-up", map[string]any{"reason": "titre", "resolved": false}, &said); status != http.StatusOK {
		t.Fatalf("%d %s", status, words)
	}
	if status, words := callAPI(t, r, "POST", "/api/calls/"+id+"/wrap-up", map[string]any{"reason": "autre"}, nil); status != http.StatusBadRequest || !strings.Contains(words, "dossier, titre, venir") {
		t.Errorf("a reason that the service does not have: %d %s", status, words)
	}
	time.Sleep(time.Second) // what they say to each other
	c.HangsUp()
	asked.Ends(5 * time.Second)
	agentBecomes(t, r, "2002", routing.WrapUp, "")
	if out := r.Must("agent", "wrap-up", id, "--resolved"); !strings.Contains(out, "agent 2002: resolved") {
		t.Errorf("the command says %q", out)
	}
	time.Sleep(time.Second) // of the second wrap-up, which the agent ends before its time
	r.Must("agent", "wrapup-done", "2002")
	wraps := wrapsUp(t, r, id, "2001", "2002")
	between(t, wraps[0], "wrap_ms", 5900*time.Millisecond, 7*time.Second)
	between(t, wraps[1], "wrap_ms", time.Second, 5*time.Second)

	facts := factsOf(r, id)
	if first := facts[0]; first.Kind != call.EventArrived {
		t.Errorf("the first fact is %s", first.Kind)
	}
	one(t, facts, call.EventArrived, map[string]any{
		"to": line, "service": "essai", "public": "general", "open": true, "withheld": false, "trunk": "operator", "from": "*", "held_by_dialplan_ms": "*",
	})
	one(t, facts, call.EventQueued, map[string]any{"queue": "accueil", "position": 1.0})
	connected := one(t, facts, call.EventConnected, map[string]any{"agent": "2001", "team": "nord", "queue": "accueil"})
	between(t, connected, "wait_ms", time.Second, time.Minute)
	one(t, facts, call.EventHold, map[string]any{"agent": "2001"})
	consulted := one(t, facts, call.EventConsulted, map[string]any{"agent": "2001", "with": "2002"})
	passed := one(t, facts, call.EventTransferred, map[string]any{
		"agent": "2001", "to": "2002", "team": "sud", "how": "consulted", "from_level": 1.0, "to_level": 4.0,
	})
	if !consulted.At.Before(passed.At) {
		t.Error("the colleague was asked after the caller was passed on")
	}
	talk := one(t, facts, call.EventTalkEnded, map[string]any{"agent": "2002", "by": "caller"})
	between(t, talk, "talk_ms", time.Second, talk.At.Sub(passed.At)+50*time.Millisecond)
	one(t, facts, call.EventEnded, map[string]any{"outcome": "answered", "reason": "caller_hung_up"})
	var reasons, words []string
	for _, f := range facts {
		switch f.Kind {
		case call.EventReason:
			reasons = append(reasons, fmt.Sprint(f.Data["reason"], " by ", f.Data["by"]))
		case call.EventResolved:
			words = append(words, fmt.Sprint(f.Data["resolved"], " by ", f.Data["agent"]))
		}
	}
	if want := []string{"dossier by menu", "venir by agent", "titre by agent"}; !slices.Equal(reasons, want) {
		t.Errorf("the reasons are %q, want %q", reasons, want)
	}
	if want := []string{"false by 2002", "true by 2002"}; !slices.Equal(words, want) {
		t.Errorf("the agents' words are %q, want %q", words, want)
	}
	for _, f := range r.Facts(call.EventAgentState) {
		if team := map[any]string{"2001": "nord", "2002": "sud"}[f.Data["agent"]]; f.Data["team"] != team || f.Call != "" {
			t.Errorf("the journal says %v of call %q, want team %s", f.Data, f.Call, team)
		}
	}
}

func TestACallOfOursSaysFirstWhoseItIsAndIsWrappedUpAlsoOverACrashOfTheController(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{Config: twoTeams, Service: callbacksOn(t, "", "wrap_up: 2s", "wrap_up: 60s")})
	home := mobile(t, r, softphone.Manner{})
	desk := r.Available("2001")
	promise := promised(t, r, nth(1), "dossier")
	agent := r.Answers(desk, 10*time.Second)
	back := home.answered(t, r)
	back.Hears("fr/recall.press", 15*time.Second)
	back.Types("1")
	r.Talks(back, agent)
	id := string(agentStatus(t, r, "2001").Call)
	if !strings.HasPrefix(id, "out-") {
		t.Errorf("the agent talks on call %q", id)
	}

	t.Log("the controller dies; the citizen hangs up while nobody is there")
	r.WaitFact(call.EventConnected, nil)
	time.Sleep(500 * time.Millisecond) // agents' states are written behind
	r.KillController()
	back.HangsUp()
	r.StartController()
	r.WaitReady()
	end := r.WaitFact(call.EventEnded, func(f rig.Fact) bool { return f.Call == id })
	facts := factsOf(r, id)
	for i, f := range facts {
		if i == 0 && f.Kind != call.EventCalling {
			t.Errorf("the first fact is %s", f.Kind)
		}
		contact, _ := f.Data["contact"].(string) // the next controller says it again
		if f.Kind == call.EventCalling && (f.Data["promise"] != string(promise) || f.Data["attempt"] != 1.0 || contact == "") {
			t.Errorf("calling: %v", f.Data)
		}
	}
	one(t, facts, call.EventConnected, map[string]any{"agent": "2001", "team": "nord", "queue": "accueil", "wait_ms": "*"})
	one(t, facts, call.EventTalkEnded, map[string]any{"agent": "2001", "by": "caller", "why": "controller_was_down", "talk_ms": "*"})
	one(t, facts, call.EventEnded, map[string]any{"outcome": "answered", "reason": "controller_was_down"})
	one(t, r.Journal(), call.EventPromised, map[string]any{
		"promise": string(promise), "reason": "dossier", "public": "general", "queue": "accueil", "asked_ms": "*", "joined_ms": "*", "by_ms": "*", "merged": false,
	})

	t.Log("the agent, who was kept free for the call, has no wrap-up, and codes it all the same")
	r.Must("agent", "available", "2001")
	wraps := wrapsUp(t, r, id, "2001")
	between(t, wraps[0], "wrap_ms", 0, 0)
	if status := agentStatus(t, r, "2001"); string(status.LastCall) != id {
		raw, _ := json.Marshal(status)
		t.Errorf("afterwards the agent is %s", raw)
	}
	r.Must("agent", "wrap-up", id, "--reason", "titre", "--unresolved")
	word := r.WaitFact(call.EventResolved, nil)
	if word.Call != id || word.Data["resolved"] != false || word.Data["agent"] != "2001" || word.ID < end.ID {
		t.Errorf("the journal says %v of call %q", word.Data, word.Call)
	}
}
