package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"decroche/call"
	"decroche/callback"
	"decroche/e2e/rig"
	"decroche/e2e/softphone"
	"decroche/web/api"
)

// callbacksOn is the tests' service with callbacks, open at any hour. more is added to the
// section, as YAML's flow has it: ", per_day: 1".
func callbacksOn(t *testing.T, more string, changes ...string) string {
	t.Helper()
	changes = append([]string{`hours: {mon: "03:00-03:01"}`, `hours: {mon-sun: "00:00-24:00"}`}, changes...)
	return essai(t, changes...) + "callback: {hours: {mon-sun: \"00:00-24:00\"}, retry: [1m], ring: 10s, answer: 4s" + more + "}\n"
}

// citizen is a mobile that calls the line and is called back.
type citizen struct {
	*softphone.Phone
	*softphone.Citizen
	number string
}

// mobile is the citizen's telephone, where the operator sends our calls.
func mobile(t *testing.T, r *rig.Rig, m softphone.Manner) *citizen {
	t.Helper()
	p, err := softphone.New(softphone.Config{User: caller, Local: rig.Trunk, Port: r.Operator, Server: r.SIP})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return &citizen{Phone: p, Citizen: p.Citizen(m), number: caller}
}

// asks has a caller ask for a callback from the queue, at the place in line, and returns
// once the promise was said.
func asks(t *testing.T, r *rig.Rig, p *softphone.Phone) *rig.Line {
	t.Helper()
	c := r.DialFrom(p, line)
	c.Hears("fr/bienvenue", 10*time.Second)
	c.Types("1")
	c.Hears("fr/queue.joined", 10*time.Second)
	c.Types("1")
	c.Hears("fr/callback.number.yours", 10*time.Second)
	c.Hears("fr/callback.number.choice", 15*time.Second)
	c.Types("1")
	c.Hears("fr/callback.when.place", 10*time.Second)
	c.Types("1")
	c.Hears("fr/callback.noted", 10*time.Second)
	return c
}

// promises are those that `decroche callbacks` lists.
func promises(t *testing.T, r *rig.Rig, state string) []api.Callback {
	t.Helper()
	var list []api.Callback
	if err := json.Unmarshal([]byte(r.Must("callbacks", "list", "--json", "--state", state)), &list); err != nil {
		t.Fatal(err)
	}
	return list
}

// onePromise is the only one there is.
func onePromise(t *testing.T, r *rig.Rig) api.Callback {
	t.Helper()
	list := promises(t, r, "all")
	if len(list) != 1 {
		t.Fatalf("there are %d promises: %v", len(list), list)
	}
	var p api.Callback
	if err := json.Unmarshal([]byte(r.Must("callbacks", "show", "--json", string(list[0].ID))), &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// becomes waits until the only promise is in the state.
func becomes(t *testing.T, r *rig.Rig, want callback.State, within time.Duration) api.Callback {
	t.Helper()
	var p api.Callback
	r.Eventually(within, "the promise is "+string(want), func() error {
		if p = onePromise(t, r); p.State != want {
			return fmt.Errorf("it is %s: %+v", p.State, p.History)
		}
		return nil
	})
	return p
}

// texted waits for a text message with these words in the outbox.
func texted(t *testing.T, r *rig.Rig, words ...string) {
	t.Helper()
	r.Eventually(10*time.Second, fmt.Sprintf("a text message says %q", words), func() error {
		out := r.Must("sms")
	lines:
		for l := range strings.Lines(out) {
			for _, w := range words {
				if !strings.Contains(l, w) {
					continue lines
				}
			}
			return nil
		}
		return errors.New(out)
	})
}

func TestACallbackAskedByKeysIsKept(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{Service: callbacksOn(t, "")})
	p := mobile(t, r, softphone.Manner{})
	c := asks(t, r, p.Phone)
	c.HearsAll("fr/callback.noted.place", 10*time.Second)
	c.Hears("fr/callback.noted.sms", 10*time.Second)
	c.Ends(15 * time.Second)
	texted(t, r, "confirmed", "sent", "dès que votre tour vient", "http://"+r.Public+"/p/")
	end := r.WaitFact(call.EventEnded, nil)
	if end.Data["outcome"] != "called_back" || end.Data["reason"] != "place" {
		t.Errorf("the call ends as %v", end.Data)
	}
	if got := onePromise(t, r); got.State != callback.InLine || got.Origin != callback.FromQueue || got.Reason != "dossier" {
		t.Errorf("the promise: %+v", got)
	}

	desk := r.Available("2001")
	agent := r.Answers(desk, 10*time.Second)
	agent.HearsAll("fr/whisper.callback", 10*time.Second)
	agent.Hears("fr/reason.dossier", 5*time.Second)
	var up *softphone.Call
	select {
	case up = <-p.Citizen.Calls():
	case <-time.After(20 * time.Second):
		t.Fatalf("the citizen's phone should ring; the agent heard %v", agent.Heard())
	}
	if met := p.Met(); met[0].Shown != "+33199003939" {
		t.Errorf("the citizen sees %+v", met[0])
	}
	back := r.Listen(p.Phone, up)
	back.Hears("fr/recall.press", 15*time.Second)
	back.Types("1")
	r.Talks(back, agent)
	kept := becomes(t, r, callback.Kept, 5*time.Second)
	if kept.Late || kept.Attempts != 1 || kept.History[0].Result != callback.Connected || kept.History[0].Agent != "2001" {
		t.Errorf("the promise: %+v", kept)
	}
	back.HangsUp()
	agent.Ends(10 * time.Second)
	said := r.WaitFact(call.EventPromiseEnded, nil)
	if said.Data["state"] != "kept" || said.Call != end.Call {
		t.Errorf("the journal says %+v of the contact %s", said, end.Call)
	}
}

func TestTheTelephonesInTheBinaryAreEnoughToSeeACallbackKept(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{Service: callbacksOn(t, "")})
	agent, citizen := r.Run("phone", "--agent", "2001"), r.Run("phone", "--keys", "1")
	agent.Says("waiting for calls", 20*time.Second)
	citizen.Says("waiting for calls", 20*time.Second)
	r.Must("agent", "available", "2001")
	if out := r.Must("callbacks", "add", "06 39 98 00 12", "--queue", "accueil", "--reason", "dossier"); !strings.Contains(out, "place in line") {
		t.Errorf("the promise is shown as: %s", out)
	}
	agent.Says("whisper.callback (fr): Rappel.", 15*time.Second)
	citizen.Says("rings: +33199003939", 20*time.Second)
	citizen.Says("press 1", 20*time.Second)
	becomes(t, r, callback.Kept, 10*time.Second)
	if out := r.Must("callbacks", "--state", "all"); !strings.Contains(out, "kept") || strings.Contains(out, "639980012") {
		t.Errorf("the list: %s", out)
	}
}

// An operator that is away costs citizens neither their place nor one of their tries, and agents nothing.
func TestCallbacksWaitForAnOperatorThatIsAway(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{Service: callbacksOn(t, ""), Check: "5s"})
	desk := r.Available("2001")
	r.Eventually(30*time.Second, "the operator is found to be away", func() error {
		if !strings.Contains(r.ControllerLog(), "an operator does not answer") {
			return errors.New("nothing says so")
		}
		return nil
	})
	if r.Metric(`decroche_trunk_down{trunk="operator"}`) != 1 {
		t.Error("no figure tells that the operator is away")
	}
	id := promised(t, r, nth(1), "dossier")
	select {
	case <-desk.Incoming():
		t.Fatal("an agent was rung for a citizen who cannot be")
	case <-time.After(5 * time.Second):
	}
	if p := show(t, r, id); p.State != callback.Pending || p.Tries != 0 || len(p.History) != 0 {
		t.Fatalf("the promise: %+v", p)
	}

	home := mobile(t, r, softphone.Manner{Refuse: 503}) // it is back, and has no circuit
	agent := r.Answers(desk, 30*time.Second)
	agent.Hears("fr/recall.agent.no_line", 30*time.Second)
	agent.Ends(5 * time.Second)
	p := lastResult(t, r, id, 1, callback.NoLine)
	if wait := time.Until(p.Due); p.State != callback.Pending || p.Tries != 0 || wait < 30*time.Second || wait > time.Minute {
		t.Errorf("the promise is %s, due in %s, after %d tries", p.State, wait, p.Tries)
	}
	home.Behave(softphone.Manner{})
	again(t, r, id)
	agent = r.Answers(desk, 10*time.Second)
	back := home.answered(t, r)
	back.Hears("fr/recall.press", 15*time.Second)
	back.Types("1")
	isNow(t, r, id, callback.Kept)
	back.HangsUp()
	agent.Ends(5 * time.Second)
}
