package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"decroche/call"
	"decroche/e2e/rig"
	"decroche/e2e/softphone"
	"decroche/routing"
)

// agent is one agent as `decroche agent list --json` tells.
func agentStatus(t *testing.T, r *rig.Rig, id string) routing.AgentStatus {
	t.Helper()
	var list []routing.AgentStatus
	if err := json.Unmarshal([]byte(r.Must("agent", "list", "--json")), &list); err != nil {
		t.Fatal(err)
	}
	for _, a := range list {
		if string(a.ID) == id {
			return a
		}
	}
	t.Fatalf("there is no agent %s in %v", id, list)
	return routing.AgentStatus{}
}

// agentBecomes waits until the agent is in the state.
func agentBecomes(t *testing.T, r *rig.Rig, id string, want routing.AgentState, reason string) {
	t.Helper()
	r.Eventually(10*time.Second, fmt.Sprintf("agent %s is %s (%s)", id, want, reason), func() error {
		if a := agentStatus(t, r, id); a.State != want || a.Reason != reason {
			return fmt.Errorf("the agent is %s (%s)", a.State, a.Reason)
		}
		return nil
	})
}

// tells dials a star code and waits for what the agent hears.
func tells(t *testing.T, r *rig.Rig, p *softphone.Phone, code, prompt string) {
	t.Helper()
	l := r.DialFrom(p, code)
	l.Hears("fr/"+prompt, 8*time.Second)
	l.Ends(10 * time.Second)
}

// waits is a caller in the queue of a key, who has been greeted there.
func waits(t *testing.T, r *rig.Rig, key, from string) *rig.Line {
	t.Helper()
	c := r.Dial(line, from)
	c.Hears("fr/bienvenue", 10*time.Second)
	c.Types(key)
	c.Hears("fr/queue.joined", 10*time.Second)
	return c
}

func postState(t *testing.T, r *rig.Rig, id, body, token string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+r.Web+"/api/agents/"+id+"/state", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var b bytes.Buffer
	_, _ = b.ReadFrom(res.Body)
	return res.StatusCode, b.String()
}

func TestAgentSetsTheStateFromThePhoneAndHearsIt(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	desk := r.Agent("2001")
	tells(t, r, desk, "*14", "agent.state.signed-out")
	tells(t, r, desk, "*10", "agent.available")
	agentBecomes(t, r, "2001", routing.Available, "phone")
	tells(t, r, desk, "*14", "agent.state.available")
	tells(t, r, desk, "*11", "agent.paused")
	agentBecomes(t, r, "2001", routing.Paused, "phone")
	tells(t, r, desk, "*12", "agent.state.paused") // no wrap-up to end: what is so
	agentBecomes(t, r, "2001", routing.Paused, "phone")
	tells(t, r, desk, "*99", "agent.refused-code")
	tells(t, r, desk, "*10,2002", "agent.refused-code") // one more argument is not smuggled in
	agentBecomes(t, r, "2002", routing.SignedOut, "")
	agentBecomes(t, r, "2001", routing.Paused, "phone")
	tells(t, r, desk, "*13", "agent.signed-out")
	agentBecomes(t, r, "2001", routing.SignedOut, "phone")
}

func TestAgentStateIsSetByCommandAndByAPIAndSurvivesARestart(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	desk := r.Agent("2001")
	if out := r.Must("agent", "pause", "2001", "déjeuner"); !strings.Contains(out, "2001 Camille Martin: paused") {
		t.Errorf("the command says %q", out)
	}
	agentBecomes(t, r, "2001", routing.Paused, "déjeuner")
	if out, err := r.CLI("agent", "pause", "2999"); err == nil || !strings.Contains(out, "2999") {
		t.Errorf("an agent nobody knows: %v, %q", err, out)
	}
	if out, err := r.CLI("agent", "wrapup-done", "2001"); err == nil {
		t.Errorf("there is no wrap-up to end, and it said %q", out)
	}
	token := r.Secret("api-token")
	if code, body := postState(t, r, "2002", `{"state":"available"}`, "wrong"); code != http.StatusUnauthorized {
		t.Errorf("without the token: %d %s", code, body)
	}
	for id, want := range map[string]int{"2002": http.StatusOK, "2999": http.StatusNotFound} {
		if code, body := postState(t, r, id, `{"state":"available"}`, token); code != want {
			t.Errorf("agent %s: %d %s, want %d", id, code, body, want)
		}
	}
	for _, wrong := range []string{`{"state":"talking"}`, `{"state":"asleep"}`, `{"stat":"paused"}`, `{`} {
		if code, body := postState(t, r, "2002", wrong, token); code < 400 || code >= 500 {
			t.Errorf("%s: %d %s, want a refusal", wrong, code, body)
		}
	}
	agentBecomes(t, r, "2002", routing.Available, "")

	time.Sleep(500 * time.Millisecond) // states are written behind; what is asked is that they are there after a kill
	r.KillController()
	r.StartController()
	r.WaitReady()
	agentBecomes(t, r, "2001", routing.Paused, "déjeuner")
	agentBecomes(t, r, "2002", routing.Available, "")
	agentBecomes(t, r, "2003", routing.SignedOut, "")
	tells(t, r, desk, "*14", "agent.state.paused") // the phone's account is still known
}

func TestAnAgentWithoutAPhoneIsSignedOutAndTheNextOneRings(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	c := waits(t, r, "1", caller)
	second := r.Agent("2002")
	r.Must("agent", "available", "2001") // the best suited, whose phone is not there
	agentBecomes(t, r, "2001", routing.SignedOut, routing.ReasonUnreachable)
	f := r.WaitFact(call.EventRingFailed, nil)
	if f.Data["agent"] != "2001" || f.Data["result"] != "unreachable" {
		t.Errorf("the journal says %v", f.Data)
	}
	r.Must("agent", "available", "2002")
	agent := r.Answers(second, 5*time.Second)
	agent.Hears("fr/whisper.wait.under1", 10*time.Second)
	r.Talks(c, agent)
}

func TestWhoDoesNotAnswerIsBusyOrRefusesIsSetAsideAndTheCallerKeepsThePlace(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{Config: `agents:
  - {id: 2001, name: A, skills: {accueil: 5}}
  - {id: 2002, name: B, skills: {accueil: 4}}
  - {id: 2003, name: C, skills: {accueil: 3}}
  - {id: 2004, name: D, skills: {accueil: 2}}
  - {id: 2005, name: E, skills: {accueil: 1}}
`})
	phones := map[string]*softphone.Phone{}
	for _, id := range []string{"2001", "2002", "2003", "2004", "2005"} {
		phones[id] = r.Available(id)
	}
	c := waits(t, r, "1", caller)

	first := r.Rings(phones["2001"], 5*time.Second) // the best suited, who does not answer
	later := waits(t, r, "1", "+33639980002")
	second := r.Rings(phones["2002"], 5*time.Second) // the later caller, meanwhile
	if number, _ := second.Caller(); number != "+33639980002" {
		t.Errorf("the second agent is shown %s", number)
	}
	if err := second.Reject(486); err != nil {
		t.Fatal(err)
	}
	third := r.Rings(phones["2003"], 5*time.Second)
	if err := third.Reject(603); err != nil {
		t.Fatal(err)
	}
	agentBecomes(t, r, "2002", routing.SetAside, routing.ReasonBusy)
	agentBecomes(t, r, "2003", routing.SetAside, routing.ReasonRefused)
	fourth := r.Answers(phones["2004"], 5*time.Second) // the later caller again; hangs up when told who calls
	fourth.Hears("fr/annonce-accueil", 5*time.Second)
	if err := fourth.Hangup(t.Context()); err != nil {
		t.Fatal(err)
	}
	agentBecomes(t, r, "2004", routing.SetAside, routing.ReasonRefused)

	select {
	case <-first.Cancelled():
	case <-time.After(10 * time.Second):
		t.Error("the first phone should stop ringing")
	}
	agentBecomes(t, r, "2001", routing.SetAside, routing.ReasonNoAnswer)
	fifth := r.Rings(phones["2005"], 10*time.Second) // the later caller's again, or the first one's
	if err := fifth.Reject(603); err != nil {
		t.Fatal(err)
	}
	agentBecomes(t, r, "2005", routing.SetAside, routing.ReasonRefused)
	r.Must("agent", "available", "2001")
	agent := r.Answers(phones["2001"], 5*time.Second)
	agent.HearsAll("fr/whisper.wait.under1", 10*time.Second)
	r.Talks(c, agent) // the first to have come is the first served
	results := map[any]int{}
	for _, f := range r.Journal() {
		if f.Kind == call.EventRingFailed {
			results[f.Data["result"]]++
		}
	}
	if results["no_answer"] != 1 || results["busy"] != 1 || results["refused"] != 3 {
		t.Errorf("the journal counts %v", results)
	}
	if !later.Up() {
		t.Error("the later caller was lost")
	}
}

func TestTheLongestIdleOfTheBestSuitedAgentsRings(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{Config: `agents:
  - {id: 2001, name: A, skills: {accueil: 2}}
  - {id: 2002, name: B, skills: {accueil: 3}}
  - {id: 2003, name: C, skills: {accueil: 3}}
`})
	novice := r.Available("2001") // idle for longest, and less suited
	idle := r.Available("2003")
	other := r.Available("2002")
	c := waits(t, r, "1", caller)
	agent := r.Answers(idle, 5*time.Second)
	agent.Hears("fr/whisper.wait.under1", 10*time.Second)
	r.Talks(c, agent)
	waits(t, r, "1", "+33639980002")
	r.Rings(other, 5*time.Second)
	waits(t, r, "1", "+33639980003")
	r.Rings(novice, 5*time.Second)
	select {
	case <-idle.Incoming():
		t.Error("the agent who talks was rung for another call")
	default:
	}
}

func TestNobodyRingsDuringTheWrapUpUnlessTheAgentEndsIt(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{Service: essai(t, "wrap_up: 2s", "wrap_up: 8s")})
	desk := r.Available("2001")
	c := waits(t, r, "1", caller)
	agent := r.Answers(desk, 5*time.Second)
	agent.HearsAll("fr/whisper.wait.under1", 10*time.Second)
	r.Talks(c, agent)
	next := waits(t, r, "1", "+33639980002")
	c.HangsUp()
	agent.Ends(5 * time.Second)
	hungUp := time.Now()
	tells(t, r, desk, "*14", "agent.state.wrapup")
	ring := r.Rings(desk, 15*time.Second)
	if wrapped := time.Since(hungUp); wrapped < 7*time.Second {
		t.Errorf("the next call rang %s after the last, within the wrap-up of 8 s", wrapped)
	}
	k, err := ring.Answer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	again := r.Listen(desk, k)
	again.HearsAll("fr/whisper.wait.under1", 10*time.Second)
	r.Talks(next, again)
	next.HangsUp()
	again.Ends(5 * time.Second)

	waits(t, r, "1", "+33639980003")
	agentBecomes(t, r, "2001", routing.WrapUp, "")
	ended := time.Now()
	tells(t, r, desk, "*12", "agent.wrapup-done")
	r.Rings(desk, 5*time.Second)
	if time.Since(ended) > 7*time.Second {
		t.Errorf("*12 did not end the wrap-up: the next call rang after %s", time.Since(ended))
	}
}

func TestAnAgentsPhoneCannotDialOut(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	desk := r.Available("2001")
	other := r.Available("2002")
	for _, number := range []string{
		"0639980012", "+33639980012", "0033639980012", "3939", "118218", "112", "17", "2999", "trunk-operator",
		"0639980012%40trunk-operator", "2002%40trunk-operator", "2002%2F..%2Ftrunk-operator", "2002,2003", "s", "i", "h", "call", line, "199003939",
	} {
		c, err := desk.Dial(t.Context(), number)
		if err == nil {
			t.Errorf("%s was answered", number)
			_ = c.Hangup(t.Context())
			continue
		}
		var refused *softphone.Rejected
		if !errors.As(err, &refused) || refused.Code < 400 {
			t.Errorf("%s: %v, want a refusal", number, err)
		}
	}
	select {
	case ring := <-other.Incoming():
		number, _ := ring.Caller()
		t.Errorf("a colleague's phone rang for %s", number)
	default:
	}
	agentBecomes(t, r, "2001", routing.Available, "")
}

func TestAWrapUpGoesOnOverARestartOfTheController(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{Service: essai(t, "wrap_up: 2s", "wrap_up: 60s")})
	desk := r.Available("2001")
	c := waits(t, r, "1", caller)
	agent := r.Answers(desk, 5*time.Second)
	agent.HearsAll("fr/whisper.wait.under1", 10*time.Second)
	r.Talks(c, agent)
	agent.HangsUp()
	agentBecomes(t, r, "2001", routing.WrapUp, "")
	c.Ends(15 * time.Second)
	r.StopController()
	r.StartController()
	r.WaitReady()
	agentBecomes(t, r, "2001", routing.WrapUp, "")
}
