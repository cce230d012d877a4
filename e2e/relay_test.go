package e2e

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"decroche/call"
	"decroche/callback"
	"decroche/e2e/rig"
	"decroche/e2e/softphone"
	"decroche/routing"
	"decroche/web/api"
)

// The relay centre of these tests: the number it is called at, and the one it calls from.
const (
	centreNumber = "+33199005000"
	centreCalls  = "+33199005001"
)

// relayed is a service that works with a relay centre, which has a trunk of its own.
func relayed(t *testing.T, changes ...string) rig.Options {
	t.Helper()
	changes = append([]string{
		"access: {prompt: acces, number: 01 99 00 39 42, queue: accueil}",
		"access: {prompt: acces, number: 01 99 00 39 42, queue: accueil, relay: {number: 01 99 00 50 00, trunk: relais, callers: [01 99 00 50 01], ring: 10s, answer: 30s}}",
	}, changes...)
	return rig.Options{Service: callbacksOn(t, ", attempts: 2", changes...), Relay: true}
}

// centre is the telephone of the relay centre's operator.
func centre(t *testing.T, r *rig.Rig, m softphone.Manner) (*softphone.Phone, *softphone.Citizen) {
	t.Helper()
	p, err := softphone.New(softphone.Config{User: centreCalls, Local: rig.Centre, Port: r.Relay, Server: r.SIP})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p, p.Citizen(m)
}

// heardNone fails if one of these was heard.
func heardNone(t *testing.T, l *rig.Line, names ...string) {
	t.Helper()
	for _, h := range l.Heard() {
		if slices.Contains(names, h.Name) {
			t.Errorf("the relay heard %s", h.Name)
		}
	}
}

func TestARelayedCallHasNoMenuAndTheAgentKnowsWhatItIs(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, relayed(t))
	operator, _ := centre(t, r, softphone.Manner{})
	c := r.DialFrom(operator, line) // the general number
	c.Hears("fr/relay.joined", 10*time.Second)
	desk := r.Available("2001")
	ring := r.Rings(desk, 10*time.Second)
	if name := ring.DisplayName(); name != "APPEL RELAYÉ accueil" {
		t.Errorf("the agent's telephone shows %q", name)
	}
	up, err := ring.Answer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	agent := r.Listen(desk, up)
	agent.Hears("fr/whisper.relay", 15*time.Second)
	agent.HearsAll("fr/whisper.wait.under1", 20*time.Second)
	var a routing.AgentStatus
	if status, words := callAPI(t, r, "GET", "/api/agents/2001", nil, &a); status != http.StatusOK {
		t.Fatal(words)
	}
	if a.Public != "relay" {
		t.Errorf("the desk has %+v", a)
	}
	c.Hears("fr/hold.connecting", 15*time.Second)
	r.Talks(c, agent)
	heardNone(t, c, "fr/bienvenue", "fr/menu-principal", "fr/callback.hint")
	agent.HangsUp()
	c.Ends(15 * time.Second)
	r.Eventually(10*time.Second, "the journal has a relayed call", func() error {
		for _, f := range r.Facts(call.EventArrived) {
			if f.Data["public"] == "relay" {
				return nil
			}
		}
		return context.DeadlineExceeded
	})
}

// A relay that says nothing for more than ninety seconds is still there, and so is the question.
// Then it asks for a callback of its citizen, who is called through it: the agent is rung when the
// citizen is on the line.
func TestASilentRelayIsWaitedForAndItsCitizenCalledBackThroughIt(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, relayed(t))
	operator, calls := centre(t, r, softphone.Manner{})
	c := r.DialFrom(operator, line)
	c.Hears("fr/relay.joined", 10*time.Second)
	c.Types("1")
	c.HearsAll("fr/callback.number.type", 20*time.Second)
	quiet := time.Now()
	time.Sleep(95 * time.Second) // what is proved is that nothing ends
	if !c.Up() {
		t.Fatalf("the relay was let go after %s of silence", time.Since(quiet))
	}
	c.Types("063998")
	time.Sleep(20 * time.Second) // an operator types as the citizen signs
	c.Types("0009")
	c.HearsAll("fr/callback.number.confirm", 30*time.Second)
	c.Types("1")
	c.Hears("fr/callback.when.place", 15*time.Second)
	c.Types("1")
	c.Hears("fr/callback.noted", 15*time.Second)
	c.Ends(30 * time.Second)
	p := onePromise(t, r)
	if p.Number != "+33639980009" || p.Relay != centreNumber || p.Public != "relay" {
		t.Fatalf("the promise is %+v", p)
	}
	id := p.ID
	texted(t, r, "confirmed", "par le centre relais")

	desk := r.Available("2001")
	var back *rig.Line
	select {
	case up := <-calls.Calls():
		back = r.Listen(operator, up)
	case <-time.After(20 * time.Second):
		t.Fatal("the relay centre should have been called")
	}
	back.HearsAll("fr/recall.relay.press", 40*time.Second)
	select {
	case <-desk.Incoming():
		t.Fatal("the agent is rung before the citizen is on the line")
	default:
	}
	back.Types("1")
	agent := r.Answers(desk, 15*time.Second)
	agent.HearsAll("fr/whisper.relay", 20*time.Second)
	r.Talks(back, agent)
	agent.HangsUp()
	back.Ends(20 * time.Second)
	isNow(t, r, id, callback.Kept)
}

// A relay centre that does not answer: the citizen is told by text when we try again, and the
// agent is not bothered.
func TestTheCitizenOfARelayThatDoesNotAnswerIsToldByText(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, relayed(t))
	_, calls := centre(t, r, softphone.Manner{Never: true})
	r.Available("2001")
	var p api.Callback
	orders(t, r, "/api/callbacks", api.NewCallback{Number: "+33639980009", Queue: "accueil", Relay: true}, &p)
	r.Eventually(30*time.Second, "the relay centre has rung in vain", func() error {
		if h := show(t, r, p.ID).History; len(h) == 0 || h[0].Result != callback.NoAnswer {
			return fmt.Errorf("%+v", h)
		}
		return nil
	})
	if met := calls.Met(); len(met) != 1 {
		t.Errorf("the relay centre was rung %d times", len(met))
	}
	texted(t, r, "relay", "centre relais sans réponse", "Nouvel essai")
	agentBecomes(t, r, "2001", routing.Available, "")
}
