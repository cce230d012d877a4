package e2e

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"decroche/call"
	"decroche/callback"
	"decroche/e2e/rig"
	"decroche/e2e/softphone"
	"decroche/ivr"
	"decroche/sms/smstest"
	"decroche/speech"
)

// portal is the site of the tests' link that nobody checks.
const portal = "https://www.exemple.fr/demarches"

// linked is the tests' service with two links: that of the information 3 is switched by hand,
// that of the information 4 is checked.
func linked(t *testing.T, checked string) string {
	t.Helper()
	return essai(t,
		"horaires: {prompt: info-horaires, queue: accueil, reason: venir}",
		"horaires: {prompt: info-horaires, queue: accueil, reason: venir, link: portail}\n  aide: {prompt: info-aide, queue: accueil, link: aide}",
		"3: {info: horaires}", "3: {info: horaires}\n      4: {info: aide}",
		"annonce-accueil: {fr", "info-aide: {fr: \"Une aide existe.\", en: There is help.}\n  annonce-accueil: {fr",
	) + fmt.Sprintf(`links:
  portail: {url: %s, every: 0s, label: {fr: notre site, en: our website}, prompts: [autres-moyens]}
  aide: {url: %s, every: 10s, label: {fr: le site de l'aide, en: the site of help}}
`, portal, checked)
}

// listens dials and chooses an information by its key; it returns once a person is offered.
func listens(r *rig.Rig, from, key string) *rig.Line {
	c := r.Dial(line, from)
	c.Hears("fr/bienvenue", 10*time.Second)
	c.Types(key)
	c.Hears("fr/info-*", 10*time.Second)
	c.Hears("fr/info.offer-person", 60*time.Second)
	return c
}

// sentence is one of the catalogue's with its values.
func sentence(t *testing.T, id string, pairs ...any) string {
	t.Helper()
	words, err := speech.SentenceText(id, "fr", pairs...)
	if err != nil {
		t.Fatal(err)
	}
	return words
}

// textsTo counts the lines of `decroche sms` about a number and a purpose.
func textsTo(r *rig.Rig, number, purpose string) (n int) {
	for l := range strings.Lines(r.Must("sms")) {
		if strings.Contains(l, call.Number(number).Masked()) && strings.Contains(l, " "+purpose+" ") {
			n++
		}
	}
	return n
}

func TestALinkIsSentAtTheCallersKeyAndNoneWhileItsSiteIsDown(t *testing.T) {
	t.Parallel()
	var works atomic.Bool
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !works.Load() {
			http.Error(w, "broken", http.StatusInternalServerError)
		}
	}))
	t.Cleanup(site.Close)
	r := rig.Start(t, rig.Options{Service: linked(t, site.URL+"/aide")})
	const first, second, third, fourth, landline = "+33639980410", "+33639980411", "+33639980412", "+33639980413", "+33199000415"

	c := listens(r, first, "3")
	c.Types("3")
	c.Hears("fr/link.sent", 10*time.Second)
	c.Types("3")
	c.Hears("fr/menu.wrong", 10*time.Second)
	texted(t, r, "link", "+33…10", "sent", "notre site "+portal)
	if n := textsTo(r, first, "link"); n != 1 {
		t.Errorf("the link was sent %d times in one call", n)
	}
	if n := count(c, "fr/link.offer"); n != 1 {
		t.Errorf("the link was offered %d times: %v", n, c.Heard())
	}
	c.HangsUp()

	old := listens(r, landline, "3")
	if count(old, "fr/link.offer") != 0 || count(old, "fr/link.hear") != 1 {
		t.Errorf("a landline is read the address: %v", old.Heard())
	}
	old.HangsUp()
	address := sentence(t, "link.address", "address", ivr.SpokenAddress("fr", portal))
	if n := times(t, r, old, address); n != 2 {
		t.Errorf("the address was read %d times, not twice", n)
	}

	r.Must("links", "set", "portail", "off", "le site est en travaux")
	if out := r.Must("links"); !strings.Contains(out, "le site est en travaux") {
		t.Errorf("the operator sees\n%s", out)
	}
	c = listens(r, second, "3")
	c.Types("3")
	c.Hears("fr/menu.wrong", 10*time.Second)
	c.HangsUp()
	if n := times(t, r, c, sentence(t, "link.down", "label", "notre site")); n < 1 || count(c, "fr/link.offer") != 0 {
		t.Errorf("it is said %d times that the site is down: %v", n, c.Heard())
	}
	closed := r.Dial(closedLine, third)
	for _, p := range []string{"ferme", "ferme-horaires", "rappel", "goodbye"} {
		closed.Hears("fr/"+p, 15*time.Second)
	}
	if n := count(closed, "fr/autres-moyens"); n != 0 {
		t.Errorf("nobody is sent to a site that is down: %v", closed.Heard())
	}
	if n := textsTo(r, second, "link"); n != 0 {
		t.Errorf("%d links were sent to a site that is down", n)
	}
	r.Must("links", "set", "portail", "auto")

	health := func(want string) func() error {
		return func() error {
			out := r.Must("links")
			for l := range strings.Lines(out) {
				if f := strings.Fields(l); len(f) > 2 && f[0] == "aide" && f[2] == want {
					return nil
				}
			}
			return errors.New(out)
		}
	}
	r.Eventually(40*time.Second, "the check finds the site broken", health("false"))
	if n := r.Metric(`decroche_link_down{link="aide"}`); n != 1 {
		t.Errorf("the metric says %v", n)
	}
	down := listens(r, fourth, "4")
	down.HangsUp()
	works.Store(true) // not before: the next check would find it
	if n := times(t, r, down, sentence(t, "link.down", "label", "le site de l'aide")); n != 1 || count(down, "fr/link.offer") != 0 {
		t.Errorf("it is said %d times that the site is down: %v", n, down.Heard())
	}
	r.Eventually(30*time.Second, "the check finds the site mended", health("true"))
	if up := listens(r, fourth, "4"); count(up, "fr/link.offer") != 1 {
		t.Errorf("the link of a site that works is offered: %v", up.Heard())
	}
	noDigits(t, r, "639980", "199000415")
}

// times counts how often a sentence was heard to its end in a call that is over.
func times(t *testing.T, r *rig.Rig, c *rig.Line, words string) (n int) {
	t.Helper()
	<-c.Done()
	heard := softphone.NewIndex([]softphone.Prompt{r.SoundOf("sentence", "fr", words)}).Recognise(c.Hear())
	t.Logf("of %q is heard: %v", words, heard) // what a failure is judged by
	for _, h := range heard {
		if h.Complete && h.Score > 0.25 { // a lost packet may part it; its end is heard once
			n++
		}
	}
	return n
}

// told posts to a hook as Twilio does, signed with a token: base64 of HMAC-SHA1 over the
// address and the fields in their order, names and values.
func told(t *testing.T, r *rig.Rig, path, token string, fields map[string]string) int {
	t.Helper()
	address := "http://" + r.Public + path
	mac := hmac.New(sha1.New, []byte(token))
	mac.Write([]byte(address))
	form := url.Values{}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		mac.Write([]byte(name + fields[name]))
		form.Set(name, fields[name])
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("X-Twilio-Signature", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("call the hook %s: %v", path, err)
	}
	res.Body.Close()
	return res.StatusCode
}

// sentTo are the messages that Twilio took for a number.
func sentTo(b *smstest.Twilio, number string) (bodies []string) {
	for _, m := range b.Taken() {
		if m["to"] == number {
			bodies = append(bodies, m["body"].(string))
		}
	}
	return bodies
}

func TestTextMessagesGoByTwilioOnceAndItsReportsAndAnswersAreBelievedWhenSigned(t *testing.T) {
	t.Parallel()
	const asker, stopper, unlucky = caller, "+33639980022", "+33639980033"
	b := smstest.New(t)
	taken, answer := make(chan struct{}), make(chan struct{})
	held := false
	b.Fail = func(_ http.ResponseWriter, form url.Values) (failed, took bool) {
		if form.Get("To") != unlucky || held { // under the server's lock
			return false, false
		}
		held = true
		close(taken)
		<-answer // the controller dies meanwhile
		return true, true
	}
	r := rig.Start(t, rig.Options{NoController: true, Service: callbacksOn(t, ""), Config: fmt.Sprintf(
		"sms: {provider: twilio, from: \"+33700000000\", twilio: {account_sid: %s, auth_token_file: twilio-token, base_url: \"%s\"}}", smstest.SID, b.URL)})
	if err := os.WriteFile(filepath.Join(r.Dir, "twilio-token"), []byte(smstest.Token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.EditConfig("public: {listen: "+r.Public+"}", "public: {listen: "+r.Public+", url: \"http://"+r.Public+"\"}")
	r.StartController()
	r.WaitReady()

	// The controller dies between Twilio's taking a message and its answer.
	r.Must("callbacks", "add", unlucky, "--queue", "accueil")
	select {
	case <-taken:
	case <-time.After(15 * time.Second):
		t.Fatalf("the confirmation should go to Twilio:\n%s", r.Must("sms"))
	}
	r.KillController()
	close(answer)
	r.StartController()
	r.WaitReady()

	asks(t, r, mobile(t, r, softphone.Manner{}).Phone).Ends(30 * time.Second)
	p := promiseFor(t, r, asker)
	texted(t, r, "confirmed", "+33…01", "sent")
	want := url.Values{
		"To": {asker}, "From": {"+33700000000"}, "StatusCallback": {"http://" + r.Public + "/hooks/twilio/status"},
	}
	sid := ""
	for i, form := range b.Posted() {
		if form.Get("To") != asker {
			continue
		}
		body := form.Get("Body")
		if !strings.Contains(body, "dès que votre tour vient") || !strings.Contains(body, "http://"+r.Public+"/p/") || len(form.Get("ValidityPeriod")) == 0 {
			t.Errorf("Twilio is given %v", form)
		}
		form.Del("Body")
		form.Del("ValidityPeriod")
		if form.Encode() != want.Encode() {
			t.Errorf("message %d: %v", i, form)
		}
	}
	for _, m := range b.Taken() {
		if m["to"] == asker {
			sid = m["sid"].(string)
		}
	}

	report := map[string]string{"MessageSid": sid, "MessageStatus": "delivered", "AccountSid": smstest.SID, "To": asker, "From": "+33700000000"}
	if status := told(t, r, "/hooks/twilio/status", "another", report); status != http.StatusForbidden {
		t.Errorf("a report with a wrong signature is answered %d", status)
	}
	if out := r.Must("sms"); strings.Contains(out, "delivered") {
		t.Errorf("a forged report is believed:\n%s", out)
	}
	for range 2 { // it may come again
		if status := told(t, r, "/hooks/twilio/status", smstest.Token, report); status != http.StatusOK {
			t.Errorf("a report is answered %d", status)
		}
	}
	texted(t, r, "confirmed", "+33…01", "delivered")
	report["MessageStatus"] = "sent" // late
	told(t, r, "/hooks/twilio/status", smstest.Token, report)
	texted(t, r, "confirmed", "+33…01", "delivered")

	cancel := map[string]string{"MessageSid": "SM1", "From": asker, "To": "+33700000000", "Body": "Annuler.", "AccountSid": smstest.SID}
	if status := told(t, r, "/hooks/twilio/incoming", "another", cancel); status != http.StatusForbidden {
		t.Errorf("a message with a wrong signature is answered %d", status)
	}
	if now := promiseFor(t, r, asker); !now.State.Live() || now.ID != p.ID {
		t.Errorf("a forged message is believed: %+v", now)
	}
	for range 2 {
		if status := told(t, r, "/hooks/twilio/incoming", smstest.Token, cancel); status != http.StatusOK {
			t.Errorf("a message is answered %d", status)
		}
	}
	if now := promiseFor(t, r, asker); now.State != callback.Cancelled || now.SettledBy != "sms" {
		t.Errorf("the promise: %+v", now)
	}
	r.Eventually(10*time.Second, "the citizen is told of it", func() error {
		if got := sentTo(b, asker); len(got) != 2 || !strings.Contains(got[1], "votre rappel est annulé") {
			return fmt.Errorf("sent were %q", got)
		}
		return nil
	})

	stop := map[string]string{"MessageSid": "SM2", "From": stopper, "To": "+33700000000", "Body": "STOP", "AccountSid": smstest.SID}
	if status := told(t, r, "/hooks/twilio/incoming", smstest.Token, stop); status != http.StatusOK {
		t.Errorf("a message is answered %d", status)
	}
	if out := r.Must("sms", "inbox"); !strings.Contains(out, "stop") || !strings.Contains(out, "cancelled") {
		t.Errorf("agents see\n%s", out)
	}
	r.Must("callbacks", "add", stopper, "--queue", "accueil")
	texted(t, r, "confirmed", "+33…22", "dropped")
	if got := sentTo(b, stopper); len(got) != 0 {
		t.Errorf("who said STOP is sent %q", got)
	}

	// What was in doubt is found at Twilio, once the lease of the controller that died is over.
	r.Eventually(90*time.Second, "the message in doubt is found", func() error {
		for l := range strings.Lines(r.Must("sms")) {
			if strings.Contains(l, "+33…33") && strings.Contains(l, " sent ") {
				return nil
			}
		}
		return errors.New(r.Must("sms"))
	})
	if got := sentTo(b, unlucky); len(got) != 1 {
		t.Errorf("it was sent %d times: %q", len(got), got)
	}
	noDigits(t, r, "639980", smstest.Token)
}
