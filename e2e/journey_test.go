package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"decroche/call"
	"decroche/e2e/rig"
	"decroche/e2e/softphone"
)

// The numbers of the test service.
const (
	caller     = "+33639980001"
	line       = "+33199003939" // French, always open
	bilingual  = "+33199003940" // asks for the language
	closedLine = "+33199003941" // keeps the hours
	permits    = "+33199003942" // straight to the queue titres
)

func TestCallerHearsTheTruthAboutTheWaitAndSpeaksWithAnAgent(t *testing.T) {
	t.Parallel()
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
	c.Hears("fr/hold.connecting", 5*time.Second)
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

// heardOf gives the last hearing of a prompt.
func heardOf(t *testing.T, l *rig.Line, name string) softphone.Heard {
	t.Helper()
	all := l.Heard()
	for _, h := range slices.Backward(all) {
		if h.Is(name) {
			return h
		}
	}
	t.Fatalf("%s was not heard: %v", name, all)
	return softphone.Heard{}
}

// count is how often a prompt was heard from its beginning; a trailing * matches any end.
func count(l *rig.Line, name string) (n int) {
	prefix, open := strings.CutSuffix(name, "*")
	for _, h := range l.Heard() {
		if h.Offset == 0 && (h.Is(name) || open && strings.HasPrefix(h.Name, prefix)) {
			n++
		}
	}
	return n
}

func TestAKeyCutsTheMenuWithin300Milliseconds(t *testing.T) {
	r := rig.Start(t, rig.Options{})
	for name, press := range map[string]softphone.PressOption{"RFC 4733": softphone.WithRFC4733(), "SIP INFO": softphone.WithINFO()} {
		c := r.Dial(line, caller)
		c.Hears("fr/menu-principal", 10*time.Second)
		pressed := time.Since(c.Hear().Start)
		c.Types("2", press, softphone.WithLength(100*time.Millisecond, 60*time.Millisecond))
		c.Hears("fr/menu-second", 3*time.Second)
		menu := heardOf(t, c, "fr/menu-principal")
		next := heardOf(t, c, "fr/menu-second")
		if menu.Complete {
			t.Errorf("%s: the menu was not cut", name)
		}
		t.Logf("%s: the menu stopped %s after the key was pressed, the next began after %s", name, menu.End-pressed, next.Start-pressed)
		if cut := menu.End - pressed; cut > 300*time.Millisecond {
			t.Errorf("%s: the menu was cut %s after the key", name, cut)
		}
		c.HangsUp()
	}
}

func TestTheJourneyOnTheTelephone(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	t.Run("together", func(t *testing.T) {
		for name, story := range map[string]func(t *testing.T, r *rig.Rig){
			"who knows the way types ahead and goes straight on": typesAhead,
			"who says nothing gets a person":                     saysNothing,
			"who presses wrong keys gets a person":               pressesWrongKeys,
			"English is chosen by its key":                       choosesEnglish,
			"who chooses no language is spoken to in French":     choosesNoLanguage,
			"a closed line says so":                              findsItClosed,
			"an information ends with the offer of a person":     listensToInformation,
			"a menu is said again":                               repeatsTheMenu,
		} {
			t.Run(name, func(t *testing.T) {
				shared := r.With(t) // one after the other
				t.Parallel()
				story(t, shared)
			})
		}
	})
	t.Run("a full queue tells what else can be done", func(t *testing.T) { findsItFull(t, r.With(t)) })
}

func typesAhead(t *testing.T, r *rig.Rig) {
	c := r.Dial(line, "+33639980011")
	c.Hears("fr/bienvenue", 5*time.Second)
	c.Types("1")
	c.Hears("fr/queue.joined", 4*time.Second)
	if n := count(c, "fr/menu-principal"); n != 0 {
		t.Errorf("the menu was heard: %v", c.Heard())
	}
	c.HangsUp()
}

func saysNothing(t *testing.T, r *rig.Rig) {
	c := r.Dial(line, "+33639980012")
	c.Hears("fr/menu.noinput", 20*time.Second)
	c.Hears("fr/menu.noinput", 20*time.Second)
	c.Hears("fr/menu.to-person", 20*time.Second)
	c.Hears("fr/queue.joined", 5*time.Second)
	if n := count(c, "fr/menu-principal"); n != 3 {
		t.Errorf("the menu was said %d times: %v", n, c.Heard())
	}
	c.HangsUp()
}

func pressesWrongKeys(t *testing.T, r *rig.Rig) {
	c := r.Dial(line, "+33639980013")
	for range 3 {
		c.Hears("fr/menu-principal", 10*time.Second)
		c.Types("7")
	}
	c.Hears("fr/menu.to-person", 5*time.Second)
	c.Hears("fr/queue.joined", 5*time.Second)
	if n := count(c, "fr/menu.wrong"); n != 2 {
		t.Errorf("it was said %d times that the key is wrong: %v", n, c.Heard())
	}
	c.HangsUp()
}

func choosesEnglish(t *testing.T, r *rig.Rig) {
	c := r.Dial(bilingual, "+33639980014")
	c.Hears("fr/langue", 5*time.Second)
	c.Types("2")
	c.Hears("en/bienvenue", 3*time.Second)
	c.Hears("en/menu-principal", 5*time.Second)
	c.Types("1")
	c.Hears("en/queue.joined", 3*time.Second)
	c.Hears("en/position.*", 5*time.Second)
	if n := count(c, "fr/*"); n != 1 { // the offer of French
		t.Errorf("an English caller heard %v", c.Heard())
	}
	c.HangsUp()
}

func choosesNoLanguage(_ *testing.T, r *rig.Rig) {
	c := r.Dial(bilingual, "+33639980015")
	c.HearsAll("fr/langue", 5*time.Second)
	c.HearsAll("en/langue", 5*time.Second)
	c.Hears("fr/bienvenue", 6*time.Second)
	c.HangsUp()
}

func findsItClosed(t *testing.T, r *rig.Rig) {
	c := r.Dial(closedLine, "+33639980016")
	for _, p := range []string{"ferme", "ferme-horaires", "autres-moyens", "rappel", "goodbye"} {
		c.HearsAll("fr/"+p, 10*time.Second)
	}
	if by := c.Ends(5 * time.Second); by != softphone.EndedThem {
		t.Errorf("the call was ended by %s", by)
	}
	r.WaitFact(call.EventEnded, func(f rig.Fact) bool { return f.Data["outcome"] == "closed" && f.Data["reason"] == "outside_hours" })
}

func listensToInformation(_ *testing.T, r *rig.Rig) {
	c := r.Dial(line, "+33639980017")
	c.Hears("fr/menu-principal", 10*time.Second)
	c.Types("3")
	c.HearsAll("fr/info-horaires", 5*time.Second)
	c.Hears("fr/info.offer-person", 5*time.Second)
	r.WaitFact(call.EventInfo, nil)
	c.Types("1")
	c.Hears("fr/queue.joined", 3*time.Second)
	c.HangsUp()
	c = r.Dial(line, "+33639980017")
	c.Hears("fr/bienvenue", 10*time.Second)
	c.Types("3")
	c.HearsAll("fr/info-horaires", 5*time.Second)
	c.Hears("fr/info.offer-person", 5*time.Second)
	c.HangsUp()
	r.WaitFact(call.EventEnded, func(f rig.Fact) bool { return f.Data["outcome"] == "self_served" })
}

func repeatsTheMenu(_ *testing.T, r *rig.Rig) {
	c := r.Dial(line, "+33639980018")
	c.Hears("fr/menu-principal", 10*time.Second)
	c.Types("2")
	for range 5 {
		c.Hears("fr/menu-second", 5*time.Second)
		c.Types("9")
	}
	c.Hears("fr/menu-second", 5*time.Second)
	c.HangsUp()
}

func findsItFull(t *testing.T, r *rig.Rig) {
	first, second := r.Dial(permits, "+33639980021"), r.Dial(permits, "+33639980022")
	first.Hears("fr/queue.joined", 10*time.Second)
	second.Hears("fr/position.*", 10*time.Second)
	if n := count(first, "fr/menu-principal"); n != 0 {
		t.Errorf("a number with its own queue has no menu: %v", first.Heard())
	}
	third := r.Dial(permits, "+33639980023")
	for _, p := range []string{"sature", "ferme-horaires", "autres-moyens", "rappel", "goodbye"} {
		third.HearsAll("fr/"+p, 10*time.Second)
	}
	third.Ends(5 * time.Second)
	r.WaitFact(call.EventEnded, func(f rig.Fact) bool { return f.Data["outcome"] == "dissuaded" && f.Data["reason"] == "saturated" })
	if !first.Up() || !second.Up() {
		t.Error("who waits already should go on waiting")
	}
	first.HangsUp()
	second.HangsUp()
}
