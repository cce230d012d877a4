package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"decroche/call"
	"decroche/callback"
	"decroche/e2e/rig"
	"decroche/e2e/softphone"
	"decroche/routing"
	"decroche/web/api"
)

// promised has an agent promise a callback at once.
func promised(t *testing.T, r *rig.Rig, number, reason string) callback.ID {
	t.Helper()
	var p api.Callback
	orders(t, r, "/api/callbacks", api.NewCallback{Number: number, Queue: "accueil", Reason: reason}, &p)
	return p.ID
}

// again puts a promise that waits for its next try in line now.
func again(t *testing.T, r *rig.Rig, id callback.ID) {
	t.Helper()
	orders(t, r, "/api/callbacks/"+string(id)+"/move", api.NewCallback{}, new(api.Callback))
}

// cancelled ends a promise.
func cancelled(t *testing.T, r *rig.Rig, id callback.ID) {
	t.Helper()
	orders(t, r, "/api/callbacks/"+string(id)+"/cancel", nil, new(api.Callback))
}

// show is one promise with its attempts.
func show(t *testing.T, r *rig.Rig, id callback.ID) (p api.Callback) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.Must("callbacks", "show", "--json", string(id))), &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// isNow waits until the promise is in the state.
func isNow(t *testing.T, r *rig.Rig, id callback.ID, want callback.State) (p api.Callback) {
	t.Helper()
	r.Eventually(10*time.Second, "the promise is "+string(want), func() error {
		if p = show(t, r, id); p.State != want {
			return fmt.Errorf("it is %s: %+v", p.State, p.History)
		}
		return nil
	})
	return p
}

// rings waits until the citizen's phone has rung so many times.
func (c *citizen) rings(t *testing.T, r *rig.Rig, n int) softphone.Met {
	t.Helper()
	r.Eventually(20*time.Second, fmt.Sprintf("the citizen's phone rings for call %d", n), func() error {
		if got := len(c.Met()); got != n {
			return fmt.Errorf("it rang %d times", got)
		}
		return nil
	})
	return c.Met()[n-1]
}

// gaveUp waits until the i-th ringing has stopped because we gave it up.
func (c *citizen) gaveUp(t *testing.T, r *rig.Rig, i int) {
	t.Helper()
	r.Eventually(10*time.Second, "the citizen's phone stops ringing", func() error {
		if got := c.Met()[i].Result; got != "cancelled" {
			return errors.New(got)
		}
		return nil
	})
}

// answered is the next call that the citizen has answered.
func (c *citizen) answered(t *testing.T, r *rig.Rig) *rig.Line {
	t.Helper()
	select {
	case up := <-c.Citizen.Calls():
		return r.Listen(c.Phone, up)
	case <-time.After(20 * time.Second):
		t.Fatalf("the citizen should have answered a call: %+v", c.Met())
		return nil
	}
}

// lastResult waits for the promise's last attempt to end, n in all.
func lastResult(t *testing.T, r *rig.Rig, id callback.ID, n int, want callback.Result) (p api.Callback) {
	t.Helper()
	r.Eventually(10*time.Second, fmt.Sprintf("attempt %d ends as %s", n, want), func() error {
		p = show(t, r, id)
		if len(p.History) != n || p.History[n-1].Result != want {
			return fmt.Errorf("the attempts: %+v", p.History)
		}
		return nil
	})
	return p
}

func TestWhatKeepsACitizenFromAnsweringIsToldToTheAgentWhoIsFreeAtOnce(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{Service: callbacksOn(t, ", attempts: 2", "wrap_up: 2s", "wrap_up: 60s")})
	home := mobile(t, r, softphone.Manner{})
	desk := r.Available("2001")
	n := 0
	for _, way := range []struct {
		manner softphone.Manner
		result callback.Result
		told   string
	}{
		{softphone.Manner{Refuse: 486}, callback.Busy, "busy"},
		{softphone.Manner{Refuse: 603}, callback.Refused, "refused"},
		{softphone.Manner{Refuse: 404}, callback.NotReached, "unreachable"},
		{softphone.Manner{Never: true}, callback.NoAnswer, "no_answer"},
	} {
		n++
		home.Behave(way.manner)
		id := promised(t, r, nth(n), "dossier")
		agent := r.Answers(desk, 10*time.Second)
		agent.Hears("fr/recall.agent."+way.told, 30*time.Second)
		agent.Ends(5 * time.Second)
		agentBecomes(t, r, "2001", routing.Available, "") // not in a wrap-up
		p := lastResult(t, r, id, 1, way.result)
		if wait := time.Until(p.Due); p.State != callback.Pending || p.Tries != 1 || wait < 30*time.Second || wait > time.Minute {
			t.Errorf("after %s the promise is %s, due in %s: %+v", way.result, p.State, wait, p)
		}
		cancelled(t, r, id)
	}

	home.Behave(softphone.Manner{}) // answers, and hangs up when told who calls
	id := promised(t, r, nth(5), "")
	agent := r.Answers(desk, 10*time.Second)
	back := home.answered(t, r)
	back.Hears("fr/recall.press", 15*time.Second)
	back.HangsUp()
	agent.Hears("fr/recall.agent.hung_up", 10*time.Second)
	agent.Ends(5 * time.Second)
	lastResult(t, r, id, 1, callback.HungUp)
	agentBecomes(t, r, "2001", routing.Available, "")

	home.Behave(softphone.Manner{Refuse: 486}) // an agent's word begins the count of tries anew
	again(t, r, id)
	agent = r.Answers(desk, 10*time.Second)
	agent.Hears("fr/recall.agent.busy", 30*time.Second)
	if p := lastResult(t, r, id, 2, callback.Busy); p.State != callback.Pending || p.Tries != 1 {
		t.Errorf("the promise: %+v", p)
	}
}

func TestAVoicemailIsLeftOneMessageAndNeverCountsAsKept(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{Service: callbacksOn(t, ", attempts: 2", "wrap_up: 2s", "wrap_up: 60s")})
	r.Index()
	home := mobile(t, r, softphone.Manner{Then: softphone.IsVoicemail(25 * time.Second)})
	desk := r.Available("2001")
	id := promised(t, r, nth(1), "dossier")
	agent := r.Answers(desk, 10*time.Second)
	machine := home.answered(t, r)
	agent.Hears("fr/recall.agent.voicemail", 20*time.Second)
	agent.Ends(5 * time.Second)
	if !machine.Up() {
		t.Error("no message is left")
	}
	agentBecomes(t, r, "2001", routing.Available, "") // while the message is being left
	machine.Ends(30 * time.Second)
	p := lastResult(t, r, id, 1, callback.Machine)
	if p.State != callback.Pending || p.Tries != 1 || !p.Voicemail || time.Until(p.Due) < 30*time.Second {
		t.Errorf("the promise: %+v", p)
	}
	left := machine.Hear().Duration()

	again(t, r, id) // the count of tries begins anew, that of messages does not
	agent = r.Answers(desk, 10*time.Second)
	machine = home.answered(t, r)
	agent.Hears("fr/recall.agent.voicemail", 20*time.Second)
	machine.Ends(5 * time.Second)
	if second := machine.Hear().Duration(); second > left-3*time.Second {
		t.Errorf("the first call to the machine lasted %s, the second %s: was a message left again?", left, second)
	}

	// A person who does not find the keys says yes, as one is told one may.
	home.Behave(softphone.Manner{})
	lastResult(t, r, id, 2, callback.Machine)
	again(t, r, id)
	agent = r.Answers(desk, 10*time.Second)
	back := home.answered(t, r)
	back.HearsAll("fr/recall.press", 15*time.Second)
	if err := back.Speak(t.Context(), softphone.Murmur(600*time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	r.WaitFact(call.EventConnected, nil)
	r.Talks(back, agent)
	isNow(t, r, id, callback.Kept)
	agent.HangsUp()
	back.Hears("fr/recall.goodbye", 5*time.Second)
	back.Ends(10 * time.Second)

	// Whom no try reaches is told how to ask again.
	home.Behave(softphone.Manner{Refuse: 486})
	r.WriteService(callbacksOn(t, ", attempts: 1"))
	r.Must("reload")
	r.Must("agent", "available", "2001")
	lost := promised(t, r, nth(2), "")
	r.Answers(desk, 10*time.Second).Hears("fr/recall.agent.busy", 20*time.Second)
	isNow(t, r, lost, callback.Unreachable)
	texted(t, r, "unreachable", "nous n'avons pas réussi à vous joindre", "http://"+r.Public)
	if f := r.WaitFact(call.EventPromiseEnded, func(f rig.Fact) bool { return f.Data["promise"] == string(lost) }); f.Data["state"] != "unreachable" {
		t.Errorf("the journal says %v", f.Data)
	}
}

func TestACallbackThatAnAgentDoesNotTakeKeepsItsPlaceForTheNext(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{Service: callbacksOn(t, "")})
	home := mobile(t, r, softphone.Manner{Never: true})
	one, two := r.Agent("2001"), r.Agent("2002")
	first, second := promised(t, r, nth(1), "dossier"), promised(t, r, nth(2), "")
	place := show(t, r, first).Joined
	stands := func(n int, want callback.Result) {
		t.Helper()
		p := lastResult(t, r, first, n, want)
		if p.State == callback.Pending || !p.Joined.Equal(place) || p.Tries != 0 {
			t.Errorf("after %s the promise is %s since %s: %+v", want, p.State, p.Joined, p)
		}
	}

	r.Must("agent", "available", "2001") // who gives it back
	agent := r.Answers(one, 10*time.Second)
	agent.Hears("fr/whisper.callback", 5*time.Second)
	agent.HangsUp()
	stands(1, callback.AgentRefused)
	agentBecomes(t, r, "2001", routing.SetAside, routing.ReasonBusy)
	if n := len(home.Met()); n != 0 {
		t.Errorf("the citizen was rung %d times", n)
	}

	r.Must("agent", "available", "2002") // who is not there
	ring := r.Rings(two, 10*time.Second)
	select {
	case <-ring.Cancelled():
	case <-time.After(10 * time.Second):
		t.Fatal("the agent's phone rings on")
	}
	stands(2, callback.AgentMissed)
	agentBecomes(t, r, "2002", routing.SetAside, routing.ReasonNoAnswer)

	r.Must("agent", "available", "2001") // who leaves while the citizen's phone rings
	agent = r.Answers(one, 10*time.Second)
	home.rings(t, r, 1)
	agent.Hears("fr/whisper.callback.refuse", 5*time.Second)
	agent.HangsUp()
	home.gaveUp(t, r, 0)
	stands(3, callback.AgentMissed)
	agentBecomes(t, r, "2001", routing.SetAside, routing.ReasonRefused)

	home.Behave(softphone.Manner{})
	r.Must("agent", "available", "2002")
	agent = r.Answers(two, 10*time.Second)
	back := home.answered(t, r)
	back.Hears("fr/recall.press", 15*time.Second)
	back.Types("1")
	r.Talks(back, agent)
	if p := isNow(t, r, first, callback.Kept); p.Tries != 1 || p.Attempts != 4 || p.History[3].Agent != "2002" {
		t.Errorf("the promise: %+v", p)
	}
	if p := show(t, r, second); p.State != callback.InLine || p.Attempts != 0 {
		t.Errorf("the one behind was called before: %+v", p)
	}
	if home.Most() > 1 {
		t.Errorf("%d phones rang at one time", home.Most())
	}
}

func TestWhereCitizensAreRungFirstTheAgentIsReservedMeanwhile(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{Service: callbacksOn(t, ", first: citizen")})
	home := mobile(t, r, softphone.Manner{After: 2 * time.Second})
	desk := r.Available("2001")
	id := promised(t, r, nth(1), "dossier")
	home.rings(t, r, 1)
	if a := agentStatus(t, r, "2001"); a.State != routing.Reserved {
		t.Errorf("the agent is %s while the citizen's phone rings", a.State)
	}
	back := home.answered(t, r)
	back.Hears("fr/recall.press", 15*time.Second)
	select {
	case <-desk.Incoming():
		t.Error("the agent's phone rings before there is a person on the line")
	default:
	}
	back.Types("1")
	pressed := back.Hear().Duration()
	ring := r.Rings(desk, 5*time.Second)
	back.Hears("fr/recall.wait", 5*time.Second)
	back.Hears("music", 10*time.Second)
	c, err := ring.Answer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	agent := r.Listen(desk, c)
	agent.HearsAll("fr/whisper.callback", 5*time.Second)
	agent.Hears("fr/reason.dossier", 5*time.Second)
	neverSilent(t, "the citizen", back, pressed, 2*time.Second)
	r.WaitFact(call.EventConnected, nil)
	r.Talks(back, agent)
	hears(t, "the agent", agent, "fr/whisper.callback.refuse", "fr/recall")
	hears(t, "the citizen", back, "fr/whisper", "fr/reason")
	if p := isNow(t, r, id, callback.Kept); p.Attempts != 1 || p.Tries != 1 {
		t.Errorf("the promise: %+v", p)
	}
	back.HangsUp()
	agent.Ends(5 * time.Second)
	if met := home.Met(); len(met) != 1 || met[0].Shown != line {
		t.Errorf("the citizen saw %+v", met)
	}
}

func TestCallersAndCallbacksAreServedInTheOrderOfTheirJoining(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{Service: callbacksOn(t, "", "wrap_up: 2s", "wrap_up: 0s")})
	home := mobile(t, r, softphone.Manner{})
	desk := r.Agent("2001")
	a := joins(r, nth(1))
	b := promised(t, r, nth(2), "dossier")
	isNow(t, r, b, callback.InLine)
	c := joins(r, nth(3))
	c.Hears("fr/position.3", 15*time.Second)

	r.Must("agent", "available", "2001")
	agent := r.Answers(desk, 10*time.Second)
	agent.HearsAll("fr/whisper.wait.*", 10*time.Second)
	r.Talks(a, agent)
	c.Hears("fr/position.2", 15*time.Second)
	a.HangsUp()
	agent.Ends(5 * time.Second)

	agent = r.Answers(desk, 10*time.Second)
	agent.Hears("fr/whisper.callback", 10*time.Second)
	back := home.answered(t, r)
	back.Hears("fr/recall.press", 15*time.Second)
	back.Types("1")
	r.Talks(back, agent)
	c.Hears("fr/position.1", 15*time.Second)
	back.HangsUp()
	agent.Ends(5 * time.Second)
	isNow(t, r, b, callback.Kept)

	agent = r.Answers(desk, 10*time.Second)
	agent.HearsAll("fr/whisper.wait.*", 10*time.Second)
	r.Talks(c, agent)
}

func TestAHundredRequestsForOneNumberAtOnceAreOnePromise(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{Service: callbacksOn(t, "")})
	const n = 100
	type asked struct {
		p      api.Callback
		status int
		words  string
		err    error
	}
	answers := make(chan asked, n)
	start := make(chan struct{})
	for i := range n {
		go func() {
			<-start
			var a asked
			a.status, a.words, a.err = request(t, r, "POST", "/api/callbacks", api.NewCallback{Number: nth(1), Queue: "accueil", By: fmt.Sprint("agent ", i)}, &a.p)
			answers <- a
		}()
	}
	close(start)
	made, ids := 0, map[callback.ID]int{}
	for range n {
		a := <-answers
		if a.err != nil || a.status != http.StatusOK {
			t.Fatal(a.status, a.words, a.err)
		}
		if ids[a.p.ID]++; !a.p.Existing {
			made++
		}
	}
	if made != 1 || len(ids) != 1 {
		t.Errorf("%d promises were made: %v", made, ids)
	}
	if list := promises(t, r, "all"); len(list) != 1 {
		t.Errorf("there are %d promises", len(list))
	}
	if out := r.Must("sms"); strings.Count(out, "confirmed") != 1 {
		t.Errorf("the citizen is told more than once, or never:\n%s", out)
	}
}

func TestACitizenWhoCallsAgainIsNeverCalledBesideItNorTwice(t *testing.T) {
	t.Parallel()
	text := strings.Replace(callbacksOn(t, "", "ring: 5s", "ring: 20s"), "ring: 10s", "ring: 40s", 1) // their own call takes a while
	r := rig.Start(t, rig.Options{Service: text})
	home := mobile(t, r, softphone.Manner{Never: true})
	one, two := r.Agent("2001"), r.Agent("2002")
	back := func(number string, desk *softphone.Phone) { // calls and is answered
		t.Helper()
		c := joins(r, number)
		agent := r.Answers(desk, 10*time.Second)
		agent.HearsAll("fr/whisper.wait.*", 10*time.Second)
		r.Talks(c, agent)
	}
	settled := func(id callback.ID, n int) {
		t.Helper()
		if p := isNow(t, r, id, callback.Answered); len(home.Met()) != n {
			t.Errorf("the citizen was rung %d times, want %d: %+v", len(home.Met()), n, p)
		}
	}

	// The agent hears the callback out while the citizen is on another call to us.
	id := promised(t, r, nth(1), "dossier")
	r.Must("agent", "available", "2001")
	ring := r.Rings(one, 10*time.Second)
	c := joins(r, nth(1))
	up, err := ring.Answer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	agent := r.Listen(one, up)
	agent.Hears("fr/recall.agent.busy", 20*time.Second)
	other := r.Answers(one, 10*time.Second)
	other.HearsAll("fr/whisper.wait.*", 10*time.Second)
	r.Talks(c, other)
	settled(id, 0)
	c.HangsUp()
	r.Must("agent", "pause", "2001")

	// The citizen's phone rings when another agent answers their call.
	r.Must("agent", "available", "2002")
	id = promised(t, r, nth(2), "")
	agent = r.Answers(two, 10*time.Second)
	home.rings(t, r, 1)
	r.Must("agent", "available", "2001")
	back(nth(2), one)
	home.gaveUp(t, r, 0)
	agent.Hears("fr/recall.agent.settled", 5*time.Second)
	agent.Ends(5 * time.Second)
	settled(id, 1)
}

func TestALineThatClosesCarriesItsCallbacksOverAndSaysSo(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{Service: callbacksOn(t, "")})
	home := mobile(t, r, softphone.Manner{})
	desk := r.Agent("2001")
	waits, rung := promised(t, r, nth(1), "dossier"), promised(t, r, nth(2), "")
	isNow(t, r, waits, callback.InLine)
	isNow(t, r, rung, callback.InLine)

	// An incident ends the journey of callers: nobody is called either, though an agent is there.
	var m struct{ ID int64 }
	orders(t, r, "/api/messages", map[string]any{
		"text": map[string]string{"fr": "Nos services sont fermés par une panne."}, "queue": "accueil", "replace": true, "until": time.Now().Add(time.Hour),
	}, &m)
	r.Must("agent", "available", "2001")
	for _, id := range []callback.ID{waits, rung} {
		p := isNow(t, r, id, callback.Pending)
		if time.Until(p.Due) < time.Minute || p.Attempts != 0 {
			t.Errorf("carried over to %s after %d attempts", p.Due, p.Attempts)
		}
	}
	texted(t, r, "carried", "votre rappel est reporté")
	r.Must("message", "stop", fmt.Sprint(m.ID))

	// The agent is being told of a callback when the line closes: the citizen is not rung any more.
	again(t, r, rung)
	agent := r.Answers(desk, 10*time.Second)
	r.WriteService(callbacksOn(t, "") + fmt.Sprintf("closures: [{from: %q, until: %q}]\n",
		time.Now().Add(-time.Hour).Format("2006-01-02 15:04"), time.Now().Add(48*time.Hour).Format("2006-01-02 15:04")))
	r.Must("reload")
	agent.Hears("fr/recall.agent.late", 20*time.Second)
	agent.Ends(5 * time.Second)
	agentBecomes(t, r, "2001", routing.Available, "")
	p := isNow(t, r, rung, callback.Pending)
	if wait := time.Until(p.Due); wait < 40*time.Hour || p.Tries != 0 {
		t.Errorf("carried over by %s after %d tries", wait, p.Tries)
	}
	if n := len(home.Met()); n != 0 {
		t.Errorf("the citizen was rung %d times while the line was closed", n)
	}

	// It opens again, and what was promised is kept.
	r.WriteService(callbacksOn(t, ""))
	r.Must("reload")
	again(t, r, waits)
	agent = r.Answers(desk, 10*time.Second)
	back := home.answered(t, r)
	back.Hears("fr/recall.press", 15*time.Second)
	back.Types("1")
	r.Talks(back, agent)
	isNow(t, r, waits, callback.Kept)
}

func TestACitizenCalledBackIsHeldAndTransferredLikeAnyCaller(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{Service: callbacksOn(t, "")})
	home := mobile(t, r, softphone.Manner{})
	desk, other := r.Available("2001"), r.Agent("2002")
	id := promised(t, r, nth(1), "dossier")
	ring := r.Rings(desk, 10*time.Second)
	if number := ring.CallerID(); number != nth(1) {
		t.Errorf("the agent's phone shows %s", number)
	}
	up, err := ring.Answer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	agent := r.Listen(desk, up)
	for _, prompt := range []string{"fr/whisper.callback", "fr/reason.dossier", "fr/whisper.callback.refuse"} {
		agent.Hears(prompt, 10*time.Second)
	}
	back := home.answered(t, r)
	back.Hears("fr/recall.press", 15*time.Second)
	back.Types("1")
	r.Talks(back, agent)
	r.Must("agent", "available", "2002")
	hold(t, agent)
	back.Hears("music", 5*time.Second)
	asking, asked := colleague(t, r, desk, other, "2002")
	if err := agent.AttendedTransfer(t.Context(), asking.Call); err != nil {
		t.Fatal(err)
	}
	agent.Ends(5 * time.Second)
	r.Talks(back, asked)
	agentBecomes(t, r, "2002", routing.Talking, "")
	if f := r.WaitFact(call.EventTransferred, nil); f.Data["agent"] != "2001" || f.Data["to"] != "2002" {
		t.Errorf("the journal says %v", f.Data)
	}
	asked.HangsUp()
	back.Hears("fr/recall.goodbye", 5*time.Second)
	back.Ends(10 * time.Second)
	agentBecomes(t, r, "2002", routing.Available, "") // after its wrap-up
	if p := isNow(t, r, id, callback.Kept); p.Attempts != 1 || p.History[0].Result != callback.Connected {
		t.Errorf("the promise: %+v", p)
	}
	if out := asterisk(t, r, "core show channels concise"); strings.Contains(out, "PJSIP") {
		t.Errorf("channels are left:\n%s", out)
	}
}
