package e2e

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"decroche/call"
	"decroche/e2e/rig"
	"decroche/e2e/softphone"
	"decroche/privacy"
	"decroche/web/api"
)

// An agent tags a caller who is deaf and one who speaks English, with their consent: at the next call
// nothing has to be chosen. The tag is shown on request, and erased with the person.
func TestWhatACallerWantsKnownIsFollowedAtTheNextCall(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, written(t))
	tagged := api.NewTag{Number: "06 39 98 00 01", Tag: "deaf", Reason: "l'a demandé", Agent: "2001"}
	if status, words := callAPI(t, r, "POST", "/api/tags", tagged, nil); status != http.StatusUnprocessableEntity || !strings.Contains(words, "agreed") {
		t.Errorf("without consent a tag is answered %d: %s", status, words)
	}
	tagged.Consent = true
	var now api.Tagged
	if status, words := callAPI(t, r, "POST", "/api/tags", tagged, &now); status != http.StatusOK || len(now.Tags) != 1 {
		t.Fatalf("a tag is answered %d: %s", status, words)
	}
	if out := r.Must("tags"); !strings.Contains(out, "deaf") || !strings.Contains(out, call.Number(caller).Masked()) || strings.Contains(out, "639980001") {
		t.Errorf("the list is\n%s", out)
	}

	c := r.DialFrom(mobile(t, r, softphone.Manner{}).Phone, line)
	c.Hears("fr/acces", 15*time.Second)
	c.HearsAll("fr/access.sms", 20*time.Second)
	heardNone(t, c, "fr/menu-principal")
	texted(t, r, "access", "répondez à ce SMS")
	c.HangsUp()

	other := tagged
	other.Number, other.Tag, other.Value = "06 39 98 00 02", "language", "en"
	if status, words := callAPI(t, r, "POST", "/api/tags", other, &now); status != http.StatusOK {
		t.Fatal(words)
	}
	raw, err := os.ReadFile(filepath.Join(r.Dir, "decroche.db"))
	if err != nil {
		t.Fatal(err)
	}
	wal, _ := os.ReadFile(filepath.Join(r.Dir, "decroche.db-wal"))
	if strings.Contains(string(raw)+string(wal), "639980002") { // nobody has called from it yet
		t.Error("the number of a tag is in clear in the database")
	}
	e := r.Dial(bilingual, "+33639980002")
	e.Hears("en/bienvenue", 15*time.Second)
	heardNone(t, e, "fr/langue")
	e.HangsUp()

	var erased privacy.Receipt
	var held map[string][]map[string]any
	if status, words := callAPI(t, r, "POST", "/api/privacy/export", api.Person{Number: other.Number, By: "test"}, &held); status != http.StatusOK || len(held["tags"]) != 1 {
		t.Errorf("the person is shown %s", words)
	}
	r.Eventually(10*time.Second, "the person is erased, once the call is over", func() error {
		if status, words := callAPI(t, r, "POST", "/api/privacy/erase", api.Person{Number: other.Number, By: "test"}, &erased); status != http.StatusOK {
			return errors.New(words)
		}
		return nil
	})
	var gone api.Tagged
	if status, words := callAPI(t, r, "POST", "/api/tags/of", api.NewTag{Number: other.Number}, &gone); status != http.StatusOK || len(gone.Tags) != 0 {
		t.Errorf("after the erasure %s", words)
	}
	noDigits(t, r, "639980")
}
