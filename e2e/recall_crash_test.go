package e2e

import (
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"decroche/call"
	"decroche/callback"
	"decroche/e2e/rig"
	"decroche/e2e/softphone"
	"decroche/routing"
	"decroche/web/api"
)

// walk is one promise after the other that a controller is killed over.
type walk struct {
	*testing.T
	r    *rig.Rig
	desk *softphone.Phone
	home *citizen
}

// dies kills the controller without a word and starts the next one.
func (w walk) dies() {
	w.Helper()
	w.r.KillController()
	w.returns()
}

func (w walk) returns() {
	w.Helper()
	w.r.StartController()
	w.r.WaitReady()
}

// attempt waits until the n-th attempt at the promise is under way.
func (w walk) attempt(id callback.ID, n int) {
	w.Helper()
	w.r.Eventually(15*time.Second, fmt.Sprintf("attempt %d is under way", n), func() error {
		if p := show(w.T, w.r, id); p.State != callback.Calling || p.Attempts != n {
			return fmt.Errorf("%s after %d attempts: %+v", p.State, p.Attempts, p.History)
		}
		return nil
	})
}

// free holds that agents are held by nobody.
func (w walk) free() error {
	for id, a := range w.r.Agents() {
		if a.State == routing.Ringing || a.State == routing.Reserved || a.State == routing.Talking {
			return fmt.Errorf("agent %s is %s", id, a.State)
		}
	}
	return nil
}

// quiet holds that no citizen's phone rings any more, and that the agent is held by nobody.
func (w walk) quiet() {
	w.Helper()
	w.r.Eventually(10*time.Second, "nothing is left of the attempt", func() error {
		if err := w.free(); err != nil {
			return err
		}
		for _, m := range w.home.Met() {
			if m.Result == "ringing" {
				return fmt.Errorf("the citizen's phone rings since %s", m.At)
			}
		}
		return nil
	})
}

// keeps has the agent take the callback, and the citizen, who presses a key.
func (w walk) keeps(id callback.ID, n int) (agent, back *rig.Line) {
	w.Helper()
	agent = w.takes(n)
	back = w.home.answered(w.T, w.r)
	back.Hears("fr/recall.press", 15*time.Second)
	back.Types("1")
	w.r.Talks(back, agent)
	isNow(w.T, w.r, id, callback.Kept)
	return agent, back
}

// rung waits for the agent's phone to ring, past what rang for a controller that is dead.
func (w walk) rung() *softphone.Ringing {
	w.Helper()
	for {
		ring := w.r.Rings(w.desk, 20*time.Second)
		select {
		case <-ring.Cancelled():
		default:
			return ring
		}
	}
}

// answers takes what rings.
func (w walk) answers() *rig.Line {
	w.Helper()
	c, err := w.rung().Answer(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	return w.r.Listen(w.desk, c)
}

// takes has the agent answer and hear the callback out; the citizen's phone rings for the n-th time then.
func (w walk) takes(n int) *rig.Line {
	w.Helper()
	agent := w.answers()
	w.home.rings(w.T, w.r, n)
	return agent
}

// results are those of the attempts so far.
func results(p api.Callback) (list []callback.Result) {
	for _, a := range p.History {
		list = append(list, a.Result)
	}
	return list
}

func TestAControllerKilledAtAnyStepOfACallbackLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{Service: callbacksOn(t, "", "wrap_up: 2s", "wrap_up: 1s", "ring: 5s", "ring: 20s")})
	w := walk{t, r, r.Agent("2001"), mobile(t, r, softphone.Manner{Never: true})}
	first := promised(t, r, nth(1), "dossier")
	second := promised(t, r, nth(2), "")
	third := promised(t, r, nth(3), "")

	// The attempt is kept in the database and the command is on its way: Asterisk stands still.
	syscall.Kill(r.AsteriskPID(), syscall.SIGSTOP)
	r.Must("agent", "available", "2001")
	w.attempt(first, 1)
	r.KillController()
	syscall.Kill(r.AsteriskPID(), syscall.SIGCONT)
	w.returns()
	w.quiet()

	// The agent's phone rings.
	r.Must("agent", "available", "2001")
	ring := w.rung()
	w.attempt(first, 2)
	w.dies()
	select {
	case <-ring.Cancelled():
	case <-time.After(5 * time.Second):
		t.Error("the agent's phone should not ring for nobody")
	}
	w.quiet()

	// The agent is being told what the callback is about.
	r.Must("agent", "available", "2001")
	agent := w.answers()
	agent.Hears("fr/whisper.callback", 5*time.Second)
	w.dies()
	agent.Ends(10 * time.Second)
	w.quiet()
	if n := len(w.home.Met()); n != 0 {
		t.Errorf("the citizen was rung %d times for an agent who was not ready", n)
	}

	// The citizen's phone rings.
	r.Must("agent", "available", "2001")
	agent = w.takes(1)
	w.dies()
	agent.Ends(10 * time.Second)
	w.home.gaveUp(t, r, 0)
	w.quiet()
	if got, want := results(show(t, r, first)), slices.Repeat([]callback.Result{callback.Interrupted}, 4); !slices.Equal(got, want) {
		t.Fatalf("the attempts ended %v", got)
	}

	// The citizen has answered and is being told who calls.
	w.home.Behave(softphone.Manner{})
	r.Must("agent", "available", "2001")
	agent = w.takes(2)
	back := w.home.answered(t, r)
	back.Hears("fr/recall.press", 15*time.Second)
	heard := back.Hear().Duration()
	w.dies()
	back.Hears("fr/recall.again", 10*time.Second)
	if !agent.Up() {
		t.Error("the agent was lost while the citizen was told who calls")
	}
	for h := back.Hears("fr/recall.press", 15*time.Second); h.Start < heard; {
		h = back.Hears("fr/recall.press", 15*time.Second)
	}
	neverSilent(t, "the citizen", back, 0, 4*time.Second)
	back.Types("1")
	r.WaitFact(call.EventConnected, nil)
	w.dies() // at the first word
	r.Talks(back, agent)
	w.dies() // in the midst of the conversation
	r.Talks(back, agent)
	isNow(t, r, first, callback.Kept)
	agent.HangsUp()
	back.Hears("fr/recall.goodbye", 10*time.Second)
	back.Ends(10 * time.Second)
	if p := show(t, r, first); p.Attempts != 5 || p.Tries != 1 || p.History[4].Result != callback.Connected {
		t.Errorf("the promise: %+v", p)
	}

	// Those behind were not forgotten, and are called in their order.
	r.Must("agent", "available", "2001")
	agent, back = w.keeps(second, 3)
	r.StopController() // in good order, with one who talks and one in line
	r.Talks(back, agent)
	w.returns()
	r.Talks(back, agent)
	back.HangsUp()
	agent.Ends(10 * time.Second)
	agent, back = w.keeps(third, 4)
	agent.HangsUp()
	back.Ends(10 * time.Second)
	w.quiet()

	attempts := 0
	for _, id := range []callback.ID{first, second, third} {
		attempts += show(t, r, id).Attempts
	}
	if n := len(w.home.Met()); n > attempts || n != 4 || attempts != 7 {
		t.Errorf("the citizens' phones rang %d times for %d attempts", n, attempts)
	}
	if w.home.Most() > 1 {
		t.Errorf("%d phones rang at one time", w.home.Most())
	}
	kept := map[any]int{}
	for _, f := range r.Facts(call.EventPromiseEnded) {
		kept[f.Data["promise"]]++
	}
	if len(kept) != 3 || kept[string(first)] != 1 {
		t.Errorf("the journal ends the promises %v times", kept)
	}
}

func TestAnAsteriskThatDiesDuringACallbackCostsTheAttemptAndNotThePromise(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{Service: callbacksOn(t, "", "wrap_up: 2s", "wrap_up: 1s")})
	w := walk{t, r, r.Available("2001"), mobile(t, r, softphone.Manner{Never: true})}
	first := promised(t, r, nth(1), "dossier")
	second := promised(t, r, nth(2), "")
	w.takes(1)
	w.r.CrashAsterisk() // the citizen's phone rings, and nobody knows for how long
	r.Eventually(20*time.Second, "the attempt ends", func() error {
		if p := show(t, r, first); len(p.History) != 1 || p.History[0].Result != callback.Interrupted {
			return fmt.Errorf("the attempts: %+v", p.History)
		}
		return nil
	})
	r.Eventually(10*time.Second, "the agent is free", w.free)
	if p := show(t, r, second); !p.State.Live() || p.Attempts != 0 {
		t.Errorf("who was in line behind: %+v", p)
	}
	r.StartAsterisk()
	r.WaitReady()

	signIn := func() {
		t.Helper()
		if err := w.desk.Register(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.Must("agent", "available", "2001")
	}
	w.home.Behave(softphone.Manner{})
	signIn()
	w.keeps(first, 2)
	r.CrashAsterisk() // they talk
	r.StartAsterisk()
	r.WaitReady()
	r.Eventually(10*time.Second, "the agent is free", w.free)
	if p := show(t, r, first); p.State != callback.Kept || p.Attempts != 2 {
		t.Errorf("the promise was kept: %+v", p)
	}
	signIn()
	w.keeps(second, 3)
	if n := len(w.home.Met()); n != 3 {
		t.Errorf("the citizens' phones rang %d times", n)
	}
}
