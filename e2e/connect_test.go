package e2e

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	asteriskconfig "decroche/asterisk-config"
	"decroche/call"
	"decroche/e2e/rig"
	"decroche/e2e/softphone"
	"decroche/routing"
)

// talks connects a caller with the agent who is available and suited best.
func talks(t *testing.T, r *rig.Rig, desk *softphone.Phone, from string) (c, agent *rig.Line) {
	t.Helper()
	c = waits(t, r, "1", from)
	agent = r.Answers(desk, 10*time.Second)
	agent.HearsAll("fr/whisper.wait.under1", 10*time.Second)
	r.Talks(c, agent)
	return c, agent
}

// colleague has the agent's phone call a colleague, who answers; they speak.
func colleague(t *testing.T, r *rig.Rig, from, to *softphone.Phone, number string) (asking, asked *rig.Line) {
	t.Helper()
	type result struct {
		c   *softphone.Call
		err error
	}
	dialled := make(chan result, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	go func() {
		c, err := from.Dial(ctx, number)
		dialled <- result{c, err}
	}()
	asked = r.Answers(to, 10*time.Second)
	got := <-dialled
	if got.err != nil {
		t.Fatalf("call colleague %s: %v", number, got.err)
	}
	asking = r.Listen(from, got.c)
	r.Talks(asking, asked)
	return asking, asked
}

// hold puts the caller on hold from the agent's phone, and take takes the caller back.
func hold(t *testing.T, l *rig.Line) {
	t.Helper()
	if err := l.Hold(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func take(t *testing.T, l *rig.Line) {
	t.Helper()
	if err := l.Unhold(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// hears fails the test if any of the prompts was heard.
func hears(t *testing.T, who string, l *rig.Line, prefixes ...string) {
	t.Helper()
	for _, h := range l.Heard() {
		for _, p := range prefixes {
			if strings.HasPrefix(h.Name, p) {
				t.Errorf("%s heard %s", who, h.Name)
			}
		}
	}
}

// ended checks how the journal ends a call.
func ended(t *testing.T, r *rig.Rig, outcome, reason, by string) {
	t.Helper()
	end := r.WaitFact(call.EventEnded, nil)
	if end.Data["outcome"] != outcome || end.Data["reason"] != reason {
		t.Errorf("the journal ends the call with %v, want %s by %s", end.Data, outcome, reason)
	}
	if f := r.WaitFact(call.EventTalkEnded, nil); f.Data["by"] != by {
		t.Errorf("the journal says the talk was ended by %v, want %s", f.Data["by"], by)
	}
}

func TestTheAgentIsToldWhoCallsAndTheCallerDoesNotHearIt(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	desk := r.Available("2001")
	c := waits(t, r, "1", caller)
	agent := r.Answers(desk, 10*time.Second)
	agent.SpeakTone(1300)
	for _, prompt := range []string{"fr/annonce-accueil", "fr/reason.dossier", "fr/whisper.wait.under1"} {
		agent.HearsAll(prompt, 10*time.Second)
	}
	agent.Silent()
	r.Talks(c, agent)
	hears(t, "the caller", c, "fr/annonce", "fr/reason", "fr/whisper")
	hears(t, "the agent", agent, "fr/queue", "fr/position", "fr/wait.")
	if out := asterisk(t, r, "bridge show all"); !strings.Contains(out, "native_rtp") {
		t.Errorf("caller and agent are not bridged natively:\n%s", out)
	}
	c.HangsUp()
	if by := agent.Ends(5 * time.Second); by != softphone.EndedThem {
		t.Errorf("the agent's phone was ended by %s", by)
	}
	ended(t, r, "answered", "caller_hung_up", "caller")
}

func TestTheCallerHearsMusicOnHoldAndSpeechAfterIt(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	c, agent := talks(t, r, r.Available("2001"), caller)
	for range 2 {
		hold(t, agent)
		c.Hears("music", 5*time.Second)
		take(t, agent)
		r.Talks(c, agent)
	}
	r.WaitFact(call.EventHold, func(f rig.Fact) bool { return f.Data["agent"] == "2001" })
	r.WaitFact(call.EventUnhold, nil)
	hold(t, agent)
	if err := agent.Hangup(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.Hears("fr/goodbye", 5*time.Second)
	c.Ends(10 * time.Second)
	ended(t, r, "answered", "agent_hung_up", "agent")
	agentBecomes(t, r, "2001", routing.Available, "")
}

func TestAnAttendedTransferGivesTheCallerToTheColleague(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	desk, other, third := r.Available("2001"), r.Available("2002"), r.Agent("2003")
	c, agent := talks(t, r, desk, caller)
	hold(t, agent)
	c.Hears("music", 5*time.Second)
	asking, asked := colleague(t, r, desk, other, "2002")
	agentBecomes(t, r, "2002", routing.Talking, routing.ReasonConsultation)
	if err := agent.AttendedTransfer(t.Context(), asking.Call); err != nil {
		t.Fatal(err)
	}
	agent.Ends(5 * time.Second)
	asking.Ends(5 * time.Second)
	r.Talks(c, asked)
	f := r.WaitFact(call.EventTransferred, nil)
	if f.Data["agent"] != "2001" || f.Data["to"] != "2002" {
		t.Errorf("the journal says %v", f.Data)
	}
	agentBecomes(t, r, "2001", routing.Available, "") // after 2 s of wrap-up
	agentBecomes(t, r, "2002", routing.Talking, "")

	// Who has the caller now may pass the caller on in turn.
	r.Must("agent", "available", "2003")
	hold(t, asked)
	asking, last := colleague(t, r, other, third, "2003")
	if err := asked.AttendedTransfer(t.Context(), asking.Call); err != nil {
		t.Fatal(err)
	}
	r.Talks(c, last)

	c.HangsUp()
	last.Ends(5 * time.Second)
	end := r.WaitFact(call.EventTalkEnded, nil)
	if end.Data["agent"] != "2003" || end.Data["by"] != "caller" {
		t.Errorf("the journal says %v", end.Data)
	}
	agentBecomes(t, r, "2003", routing.Available, "")
	if out := asterisk(t, r, "core show channels concise"); strings.Contains(out, "PJSIP") {
		t.Errorf("channels are left:\n%s", out)
	}
	if out := asterisk(t, r, "bridge show all"); strings.Contains(out, "consult") || strings.Contains(out, "talk-") {
		t.Errorf("bridges are left:\n%s", out)
	}
}

func TestAPhoneThatRefersItsSecondCallTransfersAsWell(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	desk, other := r.Available("2001"), r.Available("2002")
	c, agent := talks(t, r, desk, caller)
	hold(t, agent)
	asking, asked := colleague(t, r, desk, other, "2002")
	if err := asking.AttendedTransfer(t.Context(), agent.Call); err != nil {
		t.Fatal(err)
	}
	r.Talks(c, asked)
	agentBecomes(t, r, "2001", routing.Available, "")
	if err := asked.Hangup(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.Hears("fr/goodbye", 5*time.Second)
	ended(t, r, "answered", "agent_hung_up", "agent")
}

func TestABlindTransferIsDeclinedAndTheCallStays(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	desk, other := r.Available("2001"), r.Available("2002")
	c, agent := talks(t, r, desk, caller)
	for _, to := range []string{"2002", "0639980012", "+33639980012", "*11", line, "sip:0639980012@127.0.0.9"} {
		err := agent.Transfer(t.Context(), to)
		var refused *softphone.Rejected
		if !errors.As(err, &refused) {
			t.Fatalf("a blind transfer to %s: %v, want it declined", to, err)
		}
	}
	for range 200 { // an Asterisk that is answered before it has finished taking the REFER dies of it
		if err := agent.Transfer(t.Context(), "2002"); !errors.As(err, new(*softphone.Rejected)) {
			t.Fatalf("one of many blind transfers: %v, want it declined", err)
		}
	}
	r.Talks(c, agent)
	select {
	case <-other.Incoming():
		t.Error("the colleague's phone rang")
	default:
	}
	err := c.Transfer(t.Context(), "2002") // the caller's own
	var refused *softphone.Rejected
	if !errors.As(err, &refused) {
		t.Errorf("the caller's transfer: %v, want it refused", err)
	}
	r.Talks(c, agent)
}

func TestAConsultationThatDoesNotComeAboutOrEndsLeavesTheCallerWithTheAgent(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	desk, other := r.Available("2001"), r.Agent("2002")
	c, agent := talks(t, r, desk, caller)
	hold(t, agent)
	for number, code := range map[string]int{"2002": 486, "2003": 486, "2001": 404, "2999": 404} {
		_, err := desk.Dial(t.Context(), number)
		var refused *softphone.Rejected
		if !errors.As(err, &refused) || refused.Code != code {
			t.Errorf("call %s, who is not available or nobody: %v, want %d", number, err, code)
		}
	}
	r.Must("agent", "available", "2002")

	t.Log("the colleague does not answer, refuses, hangs up")
	ctx, cancel := context.WithCancel(t.Context())
	dialled := make(chan error, 1)
	go func() { _, err := desk.Dial(ctx, "2002"); dialled <- err }()
	ring := r.Rings(other, 10*time.Second)
	cancel()
	<-dialled
	select {
	case <-ring.Cancelled():
	case <-time.After(5 * time.Second):
		t.Error("the colleague's phone rings on after the agent gave up")
	}
	agentBecomes(t, r, "2002", routing.Available, "")
	go func() { _, err := desk.Dial(t.Context(), "2002"); dialled <- err }()
	if err := r.Rings(other, 10*time.Second).Reject(603); err != nil {
		t.Fatal(err)
	}
	if err := <-dialled; err == nil {
		t.Error("a colleague who refuses was connected")
	}
	agentBecomes(t, r, "2002", routing.Available, "")
	asking, asked := colleague(t, r, desk, other, "2002")
	if err := asked.Hangup(t.Context()); err != nil {
		t.Fatal(err)
	}
	asking.Ends(5 * time.Second)
	take(t, agent)
	r.Talks(c, agent)
	agentBecomes(t, r, "2002", routing.Available, "")

	t.Log("the agent ends it")
	hold(t, agent)
	asking, asked = colleague(t, r, desk, other, "2002")
	if err := asking.Hangup(t.Context()); err != nil {
		t.Fatal(err)
	}
	asked.Ends(5 * time.Second)
	take(t, agent)
	r.Talks(c, agent)
	agentBecomes(t, r, "2002", routing.Available, "")

	t.Log("the caller hangs up meanwhile; agent and colleague may speak on")
	hold(t, agent)
	asking, asked = colleague(t, r, desk, other, "2002")
	c.HangsUp()
	agent.Ends(5 * time.Second)
	ended(t, r, "answered", "caller_hung_up", "caller")
	r.Talks(asking, asked)
	if err := asked.Hangup(t.Context()); err != nil {
		t.Fatal(err)
	}
	asking.Ends(5 * time.Second)
	agentBecomes(t, r, "2001", routing.Available, "")
	agentBecomes(t, r, "2002", routing.Available, "")
}

func TestAnAgentWhoConsultsWithoutACallerIsNotRungMeanwhile(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	desk, other := r.Available("2001"), r.Available("2002")
	asking, _ := colleague(t, r, desk, other, "2002")
	agentBecomes(t, r, "2001", routing.Talking, routing.ReasonConsultation)
	c := waits(t, r, "1", caller)
	c.Hears("music", 15*time.Second)
	select {
	case <-desk.Incoming():
		t.Error("the agent's phone rang during the consultation")
	case <-other.Incoming():
		t.Error("the colleague's phone rang during the consultation")
	default:
	}
	if err := asking.Hangup(t.Context()); err != nil {
		t.Fatal(err)
	}
	agent := r.Answers(desk, 5*time.Second)
	agent.HearsAll("fr/whisper.wait.under1", 10*time.Second)
	r.Talks(c, agent)
}

func TestATransferredCallOutlivesTheControllerAndItsEndIsWritten(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	desk, other := r.Available("2001"), r.Available("2002")
	c, agent := talks(t, r, desk, caller)
	hold(t, agent)
	asking, asked := colleague(t, r, desk, other, "2002")
	if err := agent.AttendedTransfer(t.Context(), asking.Call); err != nil {
		t.Fatal(err)
	}
	r.Talks(c, asked)
	r.WaitFact(call.EventTransferred, nil) // written: so is the checkpoint, in the same order
	time.Sleep(500 * time.Millisecond)
	r.KillController()
	r.Talks(c, asked)
	r.StartController()
	r.WaitReady()
	agentBecomes(t, r, "2002", routing.Talking, "")
	r.Talks(c, asked)
	if err := asked.Hangup(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.Hears("fr/goodbye", 10*time.Second)
	c.Ends(10 * time.Second)
	end := r.WaitFact(call.EventTalkEnded, nil)
	if end.Data["agent"] != "2002" || end.Data["by"] != "agent" {
		t.Errorf("the journal says %v", end.Data)
	}
	ended(t, r, "answered", "agent_hung_up", "agent")
}

func TestAConsultationUnderWayEndsWithTheControllerAndTheCallerStaysWithTheAgent(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	desk, other := r.Available("2001"), r.Available("2002")
	c, agent := talks(t, r, desk, caller)
	hold(t, agent)
	asking, asked := colleague(t, r, desk, other, "2002")
	r.KillController()
	r.Talks(asking, asked)
	r.StartController()
	r.WaitReady()
	asking.Ends(5 * time.Second)
	asked.Ends(5 * time.Second)
	take(t, agent)
	r.Talks(c, agent)
	agentBecomes(t, r, "2001", routing.Talking, "")
	if out := asterisk(t, r, "bridge show all"); strings.Contains(out, "consult") {
		t.Errorf("the bridge of the consultation is left:\n%s", out)
	}
}

// asterisk gives Asterisk's console a command.
func asterisk(t *testing.T, r *rig.Rig, command string) string {
	t.Helper()
	a, err := asteriskconfig.Find(cacheFolder())
	if err != nil {
		t.Fatal(err)
	}
	out, err := a.Ask(t.Context(), filepath.Join(r.Dir, "asterisk"), command)
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return out
}

func cacheFolder() string {
	if dir := os.Getenv("DECROCHE_CACHE"); dir != "" {
		return dir
	}
	return "/var/cache/decroche"
}
