package e2e

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"decroche/call"
	"decroche/e2e/rig"
	"decroche/e2e/softphone"
	"decroche/routing"
)

// essai is the tests' service with some of its words changed, old and new in turn.
func essai(t *testing.T, changes ...string) string {
	t.Helper()
	raw, err := os.ReadFile("testdata/service.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	for i := 0; i+1 < len(changes); i += 2 {
		if !strings.Contains(text, changes[i]) {
			t.Fatalf("the tests' service has no %q", changes[i])
		}
		text = strings.Replace(text, changes[i], changes[i+1], 1)
	}
	return text
}

// manyAgents is a roster of n agents of the reception, from 2001 on.
func manyAgents(n int) string {
	var b strings.Builder
	b.WriteString("agents:\n")
	for i := range n {
		fmt.Fprintf(&b, "  - {id: %d, name: Agent %d, skills: {accueil: 3}}\n", 2001+i, i+1)
	}
	return b.String()
}

// nth is the number of the n-th caller.
func nth(n int) string { return fmt.Sprintf("+3363998%04d", n) }

// callIDs are the calls in their order of arrival.
func callIDs(r *rig.Rig) []string {
	var ids []string
	for _, f := range r.Facts(call.EventArrived) {
		ids = append(ids, f.Call)
	}
	slices.SortFunc(ids, func(a, b string) int { // as Asterisk counts them
		return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
	})
	return ids
}

// waiting waits until so many callers are in line.
func waiting(t *testing.T, r *rig.Rig, n int) {
	t.Helper()
	r.Eventually(20*time.Second, fmt.Sprintf("%d callers wait", n), func() error {
		if got := int(r.Metric(`decroche_waiting{queue="accueil"}`)); got != n {
			return fmt.Errorf("%d do", got)
		}
		return nil
	})
}

// noneHears fails for each prompt of the list that a caller heard after the moment given.
func noneHears(t *testing.T, who string, c *rig.Line, after time.Duration, prompts ...string) {
	t.Helper()
	for _, h := range c.Heard() {
		if h.Start > after && slices.ContainsFunc(prompts, h.Is) {
			t.Errorf("%s should not hear %s again, after %s", who, h, after)
		}
	}
}

// neverSilent fails when the caller heard nothing for longer than the most.
func neverSilent(t *testing.T, who string, c *rig.Line, from time.Duration, most time.Duration) {
	t.Helper()
	if s := softphone.LongestSilence(c.Hear(), from, 0); s.Length() > most {
		t.Errorf("%s heard nothing from %s to %s", who, s.Start, s.End)
	}
}

func TestFiftyWaitingAndFiveTalkingCallersLiveThroughAKillOfTheController(t *testing.T) {
	t.Parallel()
	const talking, inLine = 5, 50
	r := rig.Start(t, rig.Options{
		Config:  manyAgents(talking),
		Service: essai(t, "wrap_up: 2s", "wrap_up: 1s", "announce: 5s", "announce: 8s", "    whisper: annonce-accueil\n", ""),
	})
	desks := make([]*softphone.Phone, talking)
	agents, callers := make([]*rig.Line, talking), make([]*rig.Line, talking)
	for i := range talking {
		desks[i] = r.Available(fmt.Sprint(2001 + i))
		callers[i] = r.Dial(line, nth(i))
		callers[i].Types("1")
		agents[i] = r.Answers(desks[i], 10*time.Second)
	}
	for i := range talking {
		r.Talks(callers[i], agents[i])
	}
	line := dialMany(t, r, inLine, talking)
	waiting(t, r, inLine)
	line[inLine-1].Hears("fr/position.*", 15*time.Second)
	joined := r.Facts(call.EventQueued)

	r.KillController()
	killed := time.Now()
	before := make([]time.Duration, inLine)
	for i, c := range line {
		before[i] = c.Hear().Duration()
	}
	for i := range talking {
		r.Talks(callers[i], agents[i])
	}
	time.Sleep(time.Until(killed.Add(10 * time.Second))) // what is proved is that nothing happens
	for i, c := range append(slices.Clone(line), callers...) {
		if !c.Up() {
			t.Fatalf("caller %d was cut when the controller died", i)
		}
	}
	for i, c := range line {
		neverSilent(t, fmt.Sprintf("waiting caller %d", i), c, before[i], 2*time.Second)
	}
	line[0].Hears("music", time.Second)
	line[inLine-1].Hears("music", time.Second)

	r.StartController()
	r.WaitReady()
	waiting(t, r, inLine)
	resumed := map[string]bool{}
	for _, f := range r.Facts(call.EventResumed) {
		resumed[f.Call] = true
	}
	if len(resumed) != talking+inLine {
		t.Errorf("%d calls were taken up of %d", len(resumed), talking+inLine)
	}
	for i := range talking {
		r.Talks(callers[i], agents[i])
	}
	line[7].Hears("fr/caller.resumed", 5*time.Second)
	line[7].Hears("fr/position.8", 20*time.Second)
	line[17].Hears("fr/position.18", 20*time.Second)
	for i, c := range line {
		noneHears(t, fmt.Sprintf("caller %d", i), c, before[i], "fr/bienvenue", "fr/menu-principal", "fr/queue.joined")
	}

	// The agents take several callers each, in the order of their arrival.
	const served = 10
	ids := callIDs(r)
	serve(t, r, desks, agents, talking+served)
	var order []string
	since := map[string]time.Time{}
	for _, f := range joined {
		since[f.Call] = f.At
	}
	for _, f := range r.Facts(call.EventConnected)[talking:] {
		order = append(order, f.Call)
		waited := time.Duration(f.Data["wait_ms"].(float64)) * time.Millisecond
		if want := f.At.Sub(since[f.Call]); (waited - want).Abs() > 1500*time.Millisecond {
			t.Errorf("call %s waited %s says the journal, and %s from its joining on", f.Call, waited, want)
		}
	}
	for i, id := range order { // two who are rung within a moment may be connected in either order
		if at := slices.Index(ids, id) - talking; at < i-1 || at > i+1 {
			t.Errorf("the caller who was number %d in line was served as number %d", at+1, i+1)
		}
	}
}

// dialMany lets callers join the line one after the other, so that their order is known.
func dialMany(t *testing.T, r *rig.Rig, n, first int) []*rig.Line {
	t.Helper()
	lines := make([]*rig.Line, n)
	for i := range n {
		lines[i] = r.Dial(line, nth(first+i))
		lines[i].Types("1")
		r.Eventually(10*time.Second, "the caller joins the line", func() error {
			if got := int(r.Metric(`decroche_waiting{queue="accueil"}`)); got <= i {
				return errors.New("not yet")
			}
			return nil
		})
	}
	return lines
}

// serve ends the calls under way, a second apart so that each of the next has its own
// moment, then answers and ends calls on these phones until so many were connected in all.
func serve(t *testing.T, r *rig.Rig, desks []*softphone.Phone, agents []*rig.Line, n int) {
	t.Helper()
	deadline := time.After(90 * time.Second)
	stop := make(chan struct{})
	done := make(chan struct{})
	for i, desk := range desks {
		go func() {
			defer func() { done <- struct{}{} }()
			time.Sleep(time.Duration(i) * time.Second)
			if err := agents[i].Hangup(t.Context()); err != nil {
				t.Error(err)
			}
			for {
				select {
				case <-stop:
					return
				case ring := <-desk.Incoming():
					c, err := ring.Answer(t.Context())
					if err != nil {
						continue // the caller left
					}
					select {
					case <-c.Done():
					case <-stop:
					case <-time.After(5 * time.Second): // the whisper is over
					}
					_ = c.Hangup(t.Context())
				}
			}
		}()
	}
	for len(r.Facts(call.EventConnected)) < n {
		select {
		case <-deadline:
			t.Fatalf("the agents should have taken %d calls; journal: %v", n, r.Facts(call.EventConnected))
		case <-time.After(300 * time.Millisecond):
		}
	}
	close(stop)
	for range desks {
		<-done
	}
}

// long is a text of some twelve seconds.
const long = "Ce texte est long pour que le contrôleur puisse être arrêté pendant qu'il est dit. On entend bien la suite. Il parle de tout et de rien et du temps qu'il fait. Il parle aussi des saisons qui passent et de la patience de ceux qui écoutent."

func TestCallersAndAgentsOfEveryStepAreTakenUpAfterAKill(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{Service: essai(t,
		"ring: 5s", "ring: 25s",
		"timeout: 2s", "timeout: 5s",
		"bienvenue: {fr: Bonjour et bienvenue.", "bienvenue: {fr: Bonjour et bienvenue. "+long,
		"info-horaires: {fr: \"Nos bureaux ouvrent à neuf heures.", "info-horaires: {fr: \"Nos bureaux ouvrent à neuf heures. "+long,
		"annonce-accueil: {fr: \"Appel pour l'accueil.", "annonce-accueil: {fr: \"Appel pour l'accueil. "+long,
		"langue: {fr: \"Pour le français, tapez 1.", "langue: {fr: \"Pour le français, tapez 1. "+long,
	), Config: `agents:
  - {id: 2001, name: Camille Martin, skills: {titres: 3}}
  - {id: 2002, name: Noé Bernard, skills: {accueil: 2}}
  - {id: 2003, name: Inès Laurent, skills: {accueil: 3}}
`})

	// One caller at each step.
	desk1, desk2 := r.Available("2001"), r.Agent("2002")
	talks := r.Dial(line, nth(1))
	talks.Types("21")
	agent := r.Answers(desk1, 10*time.Second)
	r.WaitFact(call.EventConnected, nil)
	desk3 := r.Available("2003")
	rung := r.Dial(line, nth(2))
	rung.Types("1")
	ringing := r.Rings(desk3, 10*time.Second)
	waits := r.Dial(line, nth(3))
	waits.Types("1")
	waits.Hears("fr/position.2", 15*time.Second)
	leaves := r.Dial(line, nth(4))
	leaves.Types("1")
	menu := r.Dial(line, nth(5))
	menu.Types("9") // no choice; ends the welcome
	menu.Hears("fr/menu-principal", 10*time.Second)
	language := r.Dial("+33199003940", nth(6))
	language.Hears("fr/langue", 5*time.Second)
	info := r.Dial(line, nth(7))
	info.Types("3")
	info.Hears("fr/info-horaires", 5*time.Second)
	welcome := r.Dial(line, nth(8))
	welcome.Hears("fr/bienvenue", 5*time.Second)
	r.Must("agent", "available", "2002")
	whisper := r.Answers(desk2, 5*time.Second) // for the first who waits
	whisper.Hears("fr/annonce-accueil", 5*time.Second)

	r.KillController()
	dead := time.Now()
	before := map[*rig.Line]time.Duration{}
	everyone := map[string]*rig.Line{"talk": talks, "ringing": rung, "queue": waits, "menu": menu, "language": language, "info": info, "welcome": welcome}
	for _, c := range everyone {
		before[c] = c.Hear().Duration()
	}
	leaves.HangsUp()
	arrives := r.Dial(line, nth(9))
	arrives.Hears("fr/dialplan.hold", 3*time.Second)
	r.Talks(talks, agent)
	menu.Hears("fr/sorry.moment", 15*time.Second)
	menu.Hears("music", 15*time.Second)
	neverSilent(t, "the caller at the menu", menu, before[menu], 8*time.Second)
	arrives.Hears("music", 20*time.Second)

	r.StartController()
	r.WaitReady()
	t.Log("the controller was away for", time.Since(dead).Round(time.Second))
	select {
	case <-ringing.Cancelled():
	case <-time.After(5 * time.Second):
		t.Error("a phone should not ring for nobody")
	}
	whisper.Ends(5 * time.Second)
	for who, prompt := range map[string]string{
		"queue": "fr/caller.resumed", "ringing": "fr/caller.resumed", "menu": "fr/menu-principal",
		"language": "fr/langue", "info": "fr/info-horaires", "welcome": "fr/menu-principal",
	} {
		c := everyone[who]
		h := c.Hears(prompt, 10*time.Second)
		for h.Start < before[c] { // heard before the kill
			h = c.Hears(prompt, 20*time.Second)
		}
		if !c.Up() {
			t.Errorf("%s: the caller was cut", who)
		}
		noneHears(t, "the caller of step "+who, c, before[c], "fr/bienvenue", "fr/queue.joined")
	}
	arrives.Hears("fr/bienvenue", 5*time.Second)
	r.Talks(talks, agent)
	language.Types("2")
	language.Hears("en/menu-principal", 15*time.Second)

	// Whoever was in line still is, and is served first come, first served.
	end := r.WaitFact(call.EventEnded, func(f rig.Fact) bool { return f.Data["reason"] == "controller_was_down" })
	if ids := callIDs(r); end.Call != ids[3] || end.Data["outcome"] != "abandoned" {
		t.Errorf("who left meanwhile is %s in the journal, as %v", end.Call, end.Data)
	}
	rings := len(r.Facts(call.EventRinging))
	for id, a := range r.Agents() { // what they did before is forgotten, unless it goes on
		want := routing.SetAside
		if id == "2001" {
			want = routing.Talking
		}
		if a.State != want {
			t.Errorf("agent %s is %s after the restart, not %s", id, a.State, want)
		}
	}
	r.Rings(desk3, 40*time.Second)
	r.Rings(desk2, 5*time.Second)
	var again []string
	for _, f := range r.Facts(call.EventRinging)[rings:] {
		again = append(again, f.Call)
	}
	slices.Sort(again) // they are rung at the same moment
	if want := callIDs(r)[1:3]; !slices.Equal(again, want) {
		t.Errorf("agents were rung for %v after the restart; first in line were %v", again, want)
	}
	if err := agent.Hangup(t.Context()); err != nil {
		t.Fatal(err)
	}
	talks.Hears("fr/goodbye", 5*time.Second)
	talks.Ends(10 * time.Second)
}

func TestCallersStayWhenTheControllerStopsAndWhenAnotherTakesOver(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{Config: manyAgents(2)})
	desk := r.Available("2001")
	talks := r.Dial(line, nth(1))
	talks.Types("1")
	agent := r.Answers(desk, 10*time.Second)
	r.WaitFact(call.EventConnected, nil)
	waits := r.Dial(line, nth(2))
	waits.Types("1")
	waits.Hears("fr/position.1", 15*time.Second)

	stopped := r.Controller()
	stopped.Signal(15)
	if code := stopped.Ends(10 * time.Second); code != 0 {
		t.Errorf("a controller that is asked to stop ends with %d: %s", code, stopped.Text())
	}
	r.Talks(talks, agent)
	r.StartController()
	r.WaitReady()
	waits.Hears("fr/caller.resumed", 10*time.Second)
	r.Talks(talks, agent)

	first := r.Takeover()
	if code := first.Ends(15 * time.Second); code == 0 || !strings.Contains(first.Text(), "another controller") {
		t.Errorf("a controller that is replaced should say so; it ended with %d and said: %s", code, first.Text())
	}
	r.WaitReady()
	waits.Hears("fr/caller.resumed", 10*time.Second)
	r.Talks(talks, agent)
	waits.Hears("fr/position.1", 20*time.Second)
	if err := agent.Hangup(t.Context()); err != nil {
		t.Fatal(err)
	}
	talks.Hears("fr/goodbye", 5*time.Second)
	served := r.Answers(desk, 10*time.Second)
	r.WaitFact(call.EventConnected, func(f rig.Fact) bool { return f.Call == callIDs(r)[1] })
	r.Talks(waits, served)
	if err := served.Hangup(t.Context()); err != nil {
		t.Fatal(err)
	}
	waits.Hears("fr/goodbye", 5*time.Second)
	r.KillController() // in the midst of the last word
	r.StartController()
	r.WaitReady()
	waits.Hears("fr/goodbye", 5*time.Second)
	waits.Ends(10 * time.Second)
	for _, id := range callIDs(r) {
		n := 0
		for _, f := range r.Facts(call.EventConnected) {
			if f.Call == id {
				n++
			}
		}
		if n != 1 {
			t.Errorf("call %s was connected %d times", id, n)
		}
	}
}
