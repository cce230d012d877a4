package e2e

import (
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"decroche/e2e/rig"
)

// planned is the tests' service with a prepared plan, which a link that is down switches on.
func planned(t *testing.T) string {
	t.Helper()
	return essai(t, "annonce-accueil: {fr", "panne-site: {fr: \""+outage+"\", en: Our site is down.}\n  annonce-accueil: {fr") +
		"links:\n  portail: {url: " + portal + ", every: 0s, label: {fr: notre site, en: our website}}\n" +
		"plans:\n  site:\n    label: {fr: Site en panne, en: Site down}\n    ends: 2h\n    when: {link_down: portail, for: 0s}\n    messages: [{prompt: panne-site}]\n    queues: {accueil: {max_waiting: 0}}\n"
}

const outage = "Notre site internet est en panne. Nos équipes le réparent."

// A site that is down switches a prepared plan on by its rule, and off when it works again; an admin
// switches it on by hand in one click. It outlives a crash of the controller, and is heard by nobody once it is off.
func TestAPreparedPlanIsSwitchedOnByItsRuleAndByHand(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{Service: planned(t)})
	r.Learn("outage", "fr", outage)
	hears := func(from string, want bool) {
		t.Helper()
		c := r.Dial(line, from)
		if want {
			c.HearsAll("outage", 10*time.Second)
		}
		c.Hears("fr/menu-principal", 10*time.Second)
		c.HangsUp()
		for _, h := range c.Heard() {
			if h.Is("outage") && !want {
				t.Errorf("the caller hears %s", h)
			}
		}
	}
	hears("+33639980631", false)
	r.Must("links", "set", "portail", "off")
	r.Eventually(10*time.Second, "the rule lets its message out", func() error {
		if !strings.Contains(r.Must("message", "list"), "heard") {
			return errors.New("not yet")
		}
		return nil
	})
	hears("+33639980632", true)
	r.KillController()
	r.StartController()
	r.WaitReady()
	hears("+33639980633", true)
	if n := strings.Count(r.Must("message", "list"), outage); n != 1 {
		t.Errorf("after a crash the message is there %d times", n)
	}
	r.Must("links", "set", "portail", "auto")
	r.Eventually(10*time.Second, "the rule stops its message", func() error {
		if strings.Contains(r.Must("message", "list"), "heard") {
			return errors.New("not yet")
		}
		return nil
	})
	hears("+33639980634", false)

	lou := signIn(t, r, "lou", "supervisor")
	begun := time.Now()
	lou.post("/plans/site", url.Values{"end": {"1h"}}, nil, http.StatusOK)
	t.Logf("a plan is on %s after the click", time.Since(begun).Round(time.Millisecond))
	hears("+33639980635", true)
	stop := regexp.MustCompile(`action="(/plans/\d+/arreter)"`).FindStringSubmatch(lou.get("/plans", http.StatusOK))
	if stop == nil {
		t.Fatal("the page does not stop the plan")
	}
	lou.post(stop[1], url.Values{"plan": {"site"}}, nil, http.StatusOK)
	hears("+33639980636", false)
}
