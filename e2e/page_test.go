package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"decroche/call"
	"decroche/callback"
	"decroche/e2e/rig"
	"decroche/text"
	"decroche/web/api"
	"decroche/web/public"
)

// page is what a browser was given, after the redirects.
type page struct {
	status int
	at     *url.URL
	body   string
}

// hidden is the value of a form's field.
func (p page) hidden(t *testing.T, name string) string {
	t.Helper()
	m := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(p.body)
	if m == nil {
		t.Fatalf("%s has no field %q:\n%s", p.at.Path, name, p.body)
	}
	return html.UnescapeString(m[1])
}

// slots are the values of the hours that can be chosen.
func (p page) slots() (values []string) {
	for _, m := range regexp.MustCompile(`name="slot"[^>]* value="([0-9]+)"`).FindAllStringSubmatch(p.body, -1) {
		values = append(values, m[1])
	}
	return values
}

// says fails when the page does not hold the text of the catalogue.
func (p page) says(t *testing.T, status int, id string, pairs ...any) {
	t.Helper()
	words := text.Get("fr", "page."+id, pairs...)
	if p.status != status || !strings.Contains(html.UnescapeString(p.body), words) {
		t.Errorf("%s is answered %d, without %q:\n%s", p.at.Path, p.status, words, p.body)
	}
}

// browse gets a page, or posts the fields; header adds name and value.
func browse(t *testing.T, address string, fields url.Values, header ...string) page {
	t.Helper()
	method, body := http.MethodGet, ""
	if fields != nil {
		method, body = http.MethodPost, fields.Encode()
	}
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if fields != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, req.URL.Path, err)
	}
	defer res.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(res.Body); err != nil {
		t.Fatalf("%s %s: %v", method, req.URL.Path, err)
	}
	plain := strings.NewReplacer("\u00a0", " ", "\u202f", " ").Replace(b.String())
	return page{res.StatusCode, res.Request.URL, plain}
}

// inOutbox waits for a message that matches, and gives what the first group did.
func inOutbox(t *testing.T, r *rig.Rig, pattern string) (found string) {
	t.Helper()
	re := regexp.MustCompile(pattern)
	r.Eventually(10*time.Second, "a message is "+pattern, func() error {
		out := r.Must("sms")
		m := re.FindStringSubmatch(out)
		if m == nil {
			return fmt.Errorf("the outbox is\n%s", out)
		}
		found = m[1]
		return nil
	})
	return found
}

// books goes the whole way of a booking, and gives the last form sent and the page it led to.
func books(t *testing.T, r *rig.Rig, number string, choose func(page) string) (last url.Values, at string, done page) {
	t.Helper()
	menu := browse(t, "http://"+r.Public+"/", nil, "Accept-Language", "fr-FR")
	menu.says(t, http.StatusOK, "menu.title")
	first := browse(t, menu.at.String()+"/rappel", nil)
	first.says(t, http.StatusOK, "book.title")
	times := browse(t, first.at.String(), url.Values{"subject": {"accueil/dossier"}, "number": {number}})
	times.says(t, http.StatusOK, "times.title")
	asked := browse(t, times.at.String(), url.Values{"e": {times.hidden(t, "e")}, "slot": {choose(times)}})
	asked.says(t, http.StatusOK, "code.title")
	noPromise(t, r, number)
	code := inOutbox(t, r, `\b([0-9]{6}) est votre code`)
	wrong := "000000"
	if code == wrong {
		wrong = "000001"
	}
	at = strings.Split(asked.at.String(), "?")[0]
	again := browse(t, at, url.Values{"e": {asked.hidden(t, "e")}, "code": {wrong}})
	if again.status != http.StatusUnprocessableEntity || !strings.Contains(again.body, `aria-invalid="true"`) {
		t.Errorf("a wrong code is answered %d:\n%s", again.status, again.body)
	}
	noPromise(t, r, number)
	last = url.Values{"e": {again.hidden(t, "e")}, "code": {code[:3] + " " + code[3:]}}
	return last, at, browse(t, at, last)
}

func TestACallbackIsBookedSeenMovedAndCancelledOnThePagesAlone(t *testing.T) {
	t.Parallel()
	const number = "0639980510"
	r := rig.Start(t, rig.Options{NoAsterisk: true, Service: callbacksOn(t, "")})
	r.Eventually(60*time.Second, "the pages are there without Asterisk", func() error {
		res, err := http.Get("http://" + r.Public + "/robots.txt")
		if err != nil {
			return err
		}
		return res.Body.Close()
	})
	form, at, done := books(t, r, number, func(p page) string { return p.slots()[1] })
	done.says(t, http.StatusOK, "told.nouveau")
	p := promiseFor(t, r, number)
	if p.Origin != callback.FromPage || p.Kind != callback.Slot || p.Reason != "dossier" {
		t.Errorf("the promise: %+v", p)
	}
	link := inOutbox(t, r, `confirmed .*(http://`+r.Public+`/p/\w+)`)
	if got := strings.Split(done.at.String(), "?")[0]; got != link {
		t.Errorf("the booking leads to %s, the SMS to %s", got, link)
	}

	// The last form comes again, from several taps at once.
	var taps sync.WaitGroup
	for range 5 {
		taps.Go(func() {
			if again := browse(t, at, form); strings.Split(again.at.String(), "?")[0] != link {
				t.Errorf("the same form again leads to %s", again.at)
			}
		})
	}
	taps.Wait()
	promiseFor(t, r, number)

	// Seen and moved by the link.
	seen := browse(t, link, nil)
	seen.says(t, http.StatusOK, "promise.title")
	for _, secret := range []string{"639980510", "06 39 98 05 10", string(p.ID)} {
		if strings.Contains(seen.body, secret) {
			t.Errorf("the page shows %s", secret)
		}
	}
	move := browse(t, link+"/deplacer", nil)
	to := move.slots()[4]
	change := url.Values{"version": {move.hidden(t, "version")}, "seen": {move.hidden(t, "seen")}, "slot": {to}}
	for range 2 {
		browse(t, link+"/deplacer", change).says(t, http.StatusOK, "told.deplace")
	}
	moved := promiseFor(t, r, number)
	if fmt.Sprint(moved.Slot.Unix()) != to || moved.ID != p.ID || moved.Version != p.Version+1 {
		t.Errorf("moved to %s: %+v", to, moved)
	}
	if out := r.Must("callbacks"); !strings.Contains(out, moved.Slot.Format("2006-01-02 15:04")) || strings.Contains(out, "639980510") {
		t.Errorf("agents see\n%s", out)
	}
	inOutbox(t, r, `moved .*(votre rappel est déplacé)`)

	// What is not ours, or is over, shows nothing.
	forged := []byte(link)
	forged[len(forged)-3] ^= 1
	browse(t, string(forged), nil).says(t, http.StatusNotFound, "missing.title")
	old := moved.Promise
	old.By = time.Now().AddDate(0, 0, -4)
	signer := &public.Signer{Key: []byte(r.Secret("page-key")), Base: "http://" + r.Public}
	browse(t, signer.PromiseURL(old), nil).says(t, http.StatusGone, "expired.title")
	signer = &public.Signer{Key: []byte("another key, long enough"), Base: "http://" + r.Public}
	browse(t, signer.PromiseURL(moved.Promise), nil).says(t, http.StatusNotFound, "missing.title")
	page := browse(t, link+"/annuler", nil)
	cancel := url.Values{"version": {page.hidden(t, "version")}, "seen": {page.hidden(t, "seen")}}
	browse(t, link+"/annuler", cancel, "Origin", "https://elsewhere.example").says(t, http.StatusForbidden, "foreign.title")
	if now := promiseFor(t, r, number); !now.State.Live() {
		t.Fatalf("a form of another site is obeyed: %+v", now)
	}

	for range 2 {
		browse(t, link+"/annuler", cancel).says(t, http.StatusOK, "told.annule")
	}
	if now := promiseFor(t, r, number); now.State != callback.Cancelled || now.SettledBy != "page" {
		t.Errorf("the promise: %+v", now)
	}
	inOutbox(t, r, `cancelled .*(votre rappel est annulé)`)
	noDigits(t, r, "639980", "0639980510")
	if log := r.ControllerLog(); strings.Contains(log, strings.TrimPrefix(link, "http://"+r.Public)) || strings.Contains(log, form.Get("code")) {
		t.Error("the log has a link or a code")
	}
}

func TestAgentsPromiseMoveAndCancelByCommandAndByAPI(t *testing.T) {
	t.Parallel()
	const number, other = "0639980520", "0639980521"
	r := rig.Start(t, rig.Options{NoAsterisk: true, Service: callbacksOn(t, "")})
	var slots []string
	r.Eventually(60*time.Second, "the controller answers", func() error {
		out, err := r.CLI("callbacks", "slots", "accueil", number)
		slots = strings.Fields(out)
		return err
	})
	if at, err := time.Parse(time.RFC3339, slots[3]); err != nil || !at.Equal(at.Truncate(15*time.Minute)) {
		t.Fatalf("the slots are %v", slots[:4])
	}

	if out := r.Must("callbacks", "add", number, "--queue", "accueil", "--slot", slots[1], "--reason", "dossier"); !strings.Contains(out, "+33639980520") {
		t.Errorf("an agent is told\n%s", out) // one promise, asked for by who may: in clear
	}
	if out := r.Must("callbacks", "add", number, "--queue", "accueil", "--slot", slots[2]); !strings.Contains(out, "this number has a promise already") {
		t.Errorf("who promises twice is told\n%s", out)
	}
	p := promiseFor(t, r, number)
	if p.Slot.Format(time.RFC3339) != slots[1] || p.Origin != callback.FromAgent {
		t.Errorf("the promise: %+v", p)
	}
	if out := r.Must("callbacks", "list"); !strings.Contains(out, string(p.ID)) || !strings.Contains(out, "+33…20") {
		t.Errorf("agents see\n%s", out)
	}
	r.Must("callbacks", "move", string(p.ID), "--slot", slots[3], "--version", fmt.Sprint(p.Version))
	out, err := r.CLI("callbacks", "move", string(p.ID), "--slot", slots[4], "--version", fmt.Sprint(p.Version))
	if err == nil || !strings.Contains(out, "changed") {
		t.Errorf("who moves an older version is told %v\n%s", err, out)
	}
	if out := r.Must("callbacks", "show", strings.ToLower(string(p.ID))); !strings.Contains(out, "+33639980520") || !strings.Contains(out, "Suivi") && !strings.Contains(out, "dossier") {
		t.Errorf("an agent sees\n%s", out)
	}
	byAgent := r.WaitFact(call.EventPromiseMoved, nil)
	if byAgent.Data["why"] != "agent" {
		t.Errorf("the journal says %v", byAgent.Data)
	}
	if got := promiseFor(t, r, number); got.Slot.Format(time.RFC3339) != slots[3] {
		t.Errorf("moved to %s: %+v", slots[3], got)
	}
	for range 2 { // twice is no error
		if out := r.Must("callbacks", "cancel", string(p.ID)); !strings.Contains(out, "is cancelled") {
			t.Errorf("who cancels is told\n%s", out)
		}
	}
	if got := promiseFor(t, r, number); got.State != callback.Cancelled || got.SettledBy == "" || got.SettledBy == "page" {
		t.Errorf("cancelled by the command: %+v", got)
	}
	for name, args := range map[string][]string{
		"a short number":        {"add", "3939", "--queue", "accueil"},
		"an emergency number":   {"add", "112", "--queue", "accueil"},
		"no number":             {"add", "hello", "--queue", "accueil"},
		"no queue of ours":      {"add", other, "--queue", "nowhere"},
		"an hour that is past":  {"add", other, "--queue", "accueil", "--slot", "2020-01-01T10:00:00+01:00"},
		"no promise of ours":    {"show", "0000000000"},
		"to move what is over":  {"move", string(p.ID)},
		"a state there is none": {"list", "--state", "maybe"},
	} {
		if out, err := r.CLI(append([]string{"callbacks"}, args...)...); err == nil || len(out) < 20 {
			t.Errorf("%s is taken: %s", name, out)
		}
	}

	var made, moved, gone api.Callback
	body := api.NewCallback{Number: other, Queue: "accueil", Slot: slots[5], By: "agent:2001"}
	if status, words := callAPI(t, r, "POST", "/api/callbacks", body, &made); status != http.StatusOK || made.Number != "+33639980521" {
		t.Fatalf("%d %s %+v", status, words, made)
	}
	if status, words := callAPI(t, r, "POST", "/api/callbacks/"+string(made.ID)+"/move", api.NewCallback{Version: made.Version, By: "agent:2001"}, &moved); status != http.StatusOK || moved.Kind != callback.Place {
		t.Errorf("%d %s %+v", status, words, moved)
	}
	for status, do := range map[int]func() (int, string){
		http.StatusConflict: func() (int, string) {
			return callAPI(t, r, "POST", "/api/callbacks/"+string(made.ID)+"/move", api.NewCallback{Version: made.Version, Slot: slots[6]}, nil)
		},
		http.StatusUnprocessableEntity: func() (int, string) {
			return callAPI(t, r, "POST", "/api/callbacks", api.NewCallback{Number: "0892123456", Queue: "accueil"}, nil)
		},
		http.StatusNotFound:   func() (int, string) { return callAPI(t, r, "GET", "/api/callbacks/ZZZZZZZZZZ", nil, nil) },
		http.StatusBadRequest: func() (int, string) { return callAPI(t, r, "GET", "/api/slots?queue=accueil&number=x", nil, nil) },
	} {
		if got, words := do(); got != status || strings.Contains(words, "892123456") {
			t.Errorf("answered %d %s, not %d", got, words, status)
		}
	}
	if res := browse(t, "http://"+r.Web+"/api/callbacks", nil); res.status != http.StatusUnauthorized {
		t.Errorf("without the token the promises are given with %d: %s", res.status, res.body)
	}
	if status, words := callAPI(t, r, "POST", "/api/callbacks/"+string(made.ID)+"/cancel?by=agent:2001", nil, &gone); status != http.StatusOK || gone.State != callback.Cancelled || gone.SettledBy != "agent:2001" {
		t.Errorf("%d %s %+v", status, words, gone)
	}
	for _, out := range []string{r.Must("callbacks", "list", "--state", "all"), r.Must("callbacks", "list", "--state", "all", "--json"), r.Must("sms")} {
		if strings.Contains(out, "639980") {
			t.Errorf("a list has numbers in clear:\n%s", out)
		}
	}
	var list []json.RawMessage
	callAPI(t, r, "GET", "/api/callbacks?state=all", nil, &list)
	if len(list) != 2 || slices.ContainsFunc(list, func(m json.RawMessage) bool { return bytes.Contains(m, []byte("639980")) }) {
		t.Errorf("the API lists %s", list)
	}
	noDigits(t, r, "639980", "892123456")
}
