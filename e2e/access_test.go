package e2e

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"decroche/e2e/rig"
	"decroche/e2e/softphone"
	"decroche/metrics"
)

// Star says it again, slower and louder; hash sends it.
func TestWhoHasNotUnderstoodHearsItSlowlyOrReadsIt(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{Service: callbacksOn(t, "")})
	r.LearnSlow("slow", "fr", "Dossier, tapez 1. Titres, tapez 2. Horaires, tapez 3. Un agent, tapez 0.")
	p := mobile(t, r, softphone.Manner{})
	c := r.DialFrom(p.Phone, line)
	c.Hears("fr/menu-principal", 15*time.Second)
	c.Types("*")
	c.HearsAll("slow", 10*time.Second)
	c.Types("#")
	c.Hears("fr/again.sent", 10*time.Second)
	texted(t, r, "said", "Dossier, tapez 1.")
	c.Types("1")
	c.Hears("fr/queue.joined", 15*time.Second)
}

// The hours of the access are those of the line: proved by the month, and one half-hour in which
// a message closes the queue of the access alone is found.
func TestTheHoursOfTheAccessAreProvedAndAGapIsFound(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, relayed(t))
	parity := func() (p metrics.Parity) {
		if err := json.Unmarshal([]byte(r.Must("access", "--format", "json")), &p); err != nil {
			t.Fatal(err)
		}
		return p
	}
	r.Eventually(20*time.Second, "the present half-hour is proved", func() error {
		if p := parity(); p.Line == 0 || p.Open != p.Line || len(p.Missing) != 0 {
			return fmt.Errorf("%+v", p)
		}
		return nil
	})
	r.Must("message", "publish", "--queue", "accueil", "--replace", "--until", time.Now().Add(10*time.Minute).Format(time.RFC3339), "--text", "L'accueil ne répond pas.")
	r.Eventually(40*time.Second, "the gap is found", func() error {
		if p := parity(); len(p.Missing) == 0 || p.Missing[0].Why != "message" || p.Open == p.Line {
			return fmt.Errorf("%+v", p)
		}
		return nil
	})
}
