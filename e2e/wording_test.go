package e2e

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"decroche/e2e/rig"
)

// An editor says what the line says in other words on the site: nobody hears them before they are published;
// then the next caller does, and the agents.
func TestAnEditorRewordsWhatTheLineSaysAndTheNextCallerHearsIt(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	const joined, state = "Merci de votre appel, un agent va vous répondre.", "Vous pouvez recevoir des appels."
	r.Learn("joined", "fr", joined)
	r.Learn("state", "fr", state)
	lou := signIn(t, r, "lou", "editor")
	lou.rewords("queue.joined", joined, http.StatusOK)
	lou.rewords("agent.available", state, http.StatusOK)
	lou.rewords("callback.noted.slot", "Nous vous rappelons {day}.", http.StatusUnprocessableEntity)
	lou.rewords("queue.joint", joined, http.StatusNotFound)

	before := joins(r, "+33639980631")
	lou.publishes()
	c := r.Dial(line, "+33639980632")
	c.Hears("fr/bienvenue", 10*time.Second)
	c.Types("1")
	c.HearsAll("joined", 10*time.Second)
	if n := count(c, "fr/queue.joined"); n != 0 {
		t.Errorf("the line's own words are said, too: %v", c.Heard())
	}
	if page := lou.get("/service/textes", http.StatusOK); !strings.Contains(page, joined) || !strings.Contains(page, "pico fr-FR") || !strings.Contains(page, "Mots du service") {
		t.Error("the page does not list the service's words, and who says them")
	}
	if page := lou.get("/service/textes/queue.joined", http.StatusOK); !strings.Contains(page, "Votre appel est placé dans la file d'attente.") {
		t.Error("the page does not show what the line would say")
	}
	lou.looksFast("/service/textes", 500*time.Millisecond) // with the race detector; without it 100 ms are plenty
	c.HangsUp()
	before.HangsUp()

	// A file that words what the line does not say is refused, and the words in force stay.
	file := filepath.Join(r.Dir, "service.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r.WriteService(strings.Replace(string(text), "  queue.joined:", "  queue.joint:", 1))
	if out, err := r.CLI("reload"); err == nil || !strings.Contains(out, `write "queue.joined"`) {
		t.Errorf("a wording of nothing: %v\n%s", err, out)
	}
	r.WriteService(string(text))

	agent := r.Agent("2001")
	told := r.DialFrom(agent, "*10")
	told.HearsAll("state", 10*time.Second)
}

// rewords keeps words for what the line says in French as a draft.
func (v *visitor) rewords(id, words string, want int) {
	v.t.Helper()
	form := url.Values{"was": {""}, "seen": {"0"}, "text_fr": {words}, "text_en": {""}}
	v.post("/service/textes/"+id, form, nil, want)
}

// publishes lets the drafts out.
func (v *visitor) publishes() {
	v.t.Helper()
	version := regexp.MustCompile(`name="version" value="([^"]*)"`).FindStringSubmatch(v.get("/service/brouillon", http.StatusOK))
	if version == nil {
		v.t.Fatal("the drafts cannot be published")
	}
	v.post("/service/brouillon", url.Values{"version": {version[1]}}, nil, http.StatusOK)
}

// looksFast holds a page that was seen before to a time: that of the best of a few looks, for the machine is shared.
func (v *visitor) looksFast(path string, within time.Duration) {
	v.t.Helper()
	best, size := time.Hour, 0
	for range 10 {
		begun := time.Now()
		size = len(v.get(path, http.StatusOK))
		best = min(best, time.Since(begun))
	}
	v.t.Logf("%s: %d kB in %s", path, size>>10, best)
	if best > within {
		v.t.Errorf("%s takes %s, more than %s", path, best, within)
	}
}
