package hooks

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"decroche/call"
	"decroche/sms"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	base    = "https://accueil.example.fr"
	account = "AC0123456789abcdef0123456789abcdef"
	token   = "0123456789abcdef0123456789abcdef"
	secret  = "une clé de signature"
	path    = "un-mot-que-nul-ne-devine"
)

var nine = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

// ledger is what hooks change: messages by "provider id", and what was received.
type ledger struct {
	states map[string]string
	in     []sms.Incoming
	asked  int
	fail   error
	facts  []call.Event
	log    bytes.Buffer
}

func (l *ledger) Report(_ context.Context, provider, id string, s sms.State, why string, _ time.Time) (sms.Message, bool, error) {
	if l.asked++; l.fail != nil {
		return sms.Message{}, false, l.fail
	}
	key, now := provider+" "+id, strings.TrimSpace(string(s)+" "+why)
	before, known := l.states[key]
	if !known {
		return sms.Message{}, false, nil
	}
	l.states[key] = now
	return sms.Message{ID: 1, Purpose: sms.Link, Promise: "K3", Contact: "call-1", State: s}, now != before, nil
}

func (l *ledger) Append(e call.Event) { l.facts = append(l.facts, e) }

func (l *ledger) Receive(_ context.Context, in sms.Incoming) error {
	if l.fail != nil {
		return l.fail
	}
	l.in = append(l.in, in)
	return nil
}

func newHooks() (*ledger, http.Handler) {
	l := &ledger{states: map[string]string{"twilio SM1": "sent", "ovh 17": "sent", "http x-1": "sent"}}
	h := &Hooks{
		Store: l, Inbox: l, Journal: l, Base: base + "/", Now: func() time.Time { return nine }, Log: slog.New(slog.NewTextHandler(&l.log, nil)),
		Secrets: Secrets{TwilioToken: token, TwilioAccount: account, OVHToken: path, HTTPSecret: secret},
	}
	return l, h.Handler()
}

// signTwilio signs as Twilio's documentation says: HMAC-SHA1 over the address and the fields,
// sorted by name, name and value without anything between, in base 64.
func signTwilio(address string, fields url.Values) string {
	var names []string
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	mac := hmac.New(sha1.New, []byte(token))
	io.WriteString(mac, address)
	for _, name := range names {
		io.WriteString(mac, name+fields.Get(name))
	}
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// knock makes a request and gives the status and the body.
func knock(h http.Handler, r *http.Request) (int, string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// byTwilio is a request as Twilio makes it. The address that it sees is our public one; the
// one that we see is what the proxy makes of it.
func byTwilio(hook string, fields url.Values) *http.Request {
	fields.Set("AccountSid", account)
	fields.Set("ApiVersion", "2010-04-01")
	r := httptest.NewRequest(http.MethodPost, "http://10.0.0.7:8080/hooks/twilio/"+hook, strings.NewReader(fields.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
	r.Header.Set("X-Twilio-Signature", signTwilio(base+"/hooks/twilio/"+hook, fields))
	return r
}

func status(state, code string) url.Values {
	f := url.Values{"MessageSid": {"SM1"}, "SmsSid": {"SM1"}, "MessageStatus": {state}, "To": {"+33612345678"}}
	if code != "" {
		f.Set("ErrorCode", code)
	}
	return f
}

func TestSignatureIsTheOneOfTwiliosDocumentation(t *testing.T) {
	// The example of Twilio's page on the security of webhooks.
	mac := hmac.New(sha1.New, []byte("12345"))
	io.WriteString(mac, "https://example.com/myapp.php?foo=1&bar=2CallSidCA1234567890ABCDECaller+14158675310Digits1234From+14158675310To+18005551212")
	if got := base64.StdEncoding.EncodeToString(mac.Sum(nil)); got != "L/OH5YylLD5NRKLltdqwSvS0BnU=" {
		t.Errorf("%s", got)
	}
}

func TestTwiliosReportsAreSaved(t *testing.T) {
	for _, c := range []struct{ state, code, want string }{
		{"queued", "", "sent"},
		{"sending", "", "sent"},
		{"sent", "", "sent"},
		{"delivered", "", "delivered"},
		{"undelivered", "30003", "failed the telephone cannot be reached (30003)"},
		{"failed", "30006", "failed a landline, or an operator that cannot be reached (30006)"},
		{"failed", "39999", "failed Twilio says failed (39999)"},
		{"failed", "", "failed Twilio says failed"},
		{"something new", "", "sent"},
	} {
		l, h := newHooks()
		for range 2 { // a report may come again
			if code, body := knock(h, byTwilio("status", status(c.state, c.code))); code != http.StatusOK || body != "<Response/>" {
				t.Fatalf("%s: %d %s", c.state, code, body)
			}
		}
		if got := l.states["twilio SM1"]; got != c.want {
			t.Errorf("%s %s: %q, want %q", c.state, c.code, got, c.want)
		}
	}
}

func TestReportOfAMessageThatIsNotKnownIsNoError(t *testing.T) {
	l, h := newHooks()
	f := status("delivered", "")
	f.Set("MessageSid", "SM2")
	if code, _ := knock(h, byTwilio("status", f)); code != http.StatusOK || l.asked != 1 || len(l.states) != 3 {
		t.Errorf("%d, %d reports, %v", code, l.asked, l.states)
	}
}

func TestSecretsAreThoseOfTheProviderConfigured(t *testing.T) {
	file := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good, bare, brief := file("good", secret, 0o600), file("bare", secret, 0o644), file("brief", "court", 0o600)
	for _, c := range []struct {
		c    sms.Config
		want Secrets
		err  string
	}{
		{sms.Config{}, Secrets{}, ""},
		{sms.Config{Provider: "twilio", Twilio: sms.TwilioConfig{AccountSID: account, AuthTokenFile: good}}, Secrets{TwilioToken: secret, TwilioAccount: account}, ""},
		{sms.Config{Provider: "ovh", OVH: sms.OVHConfig{HookTokenFile: good}}, Secrets{OVHToken: secret}, ""},
		{sms.Config{Provider: "ovh"}, Secrets{}, ""},
		{sms.Config{Provider: "http", HTTP: sms.HTTPConfig{HookSecretFile: good}}, Secrets{HTTPSecret: secret}, ""},
		{sms.Config{Provider: "http", HTTP: sms.HTTPConfig{HookSecretFile: bare}}, Secrets{}, "chmod 600"},
		{sms.Config{Provider: "ovh", OVH: sms.OVHConfig{HookTokenFile: brief}}, Secrets{}, "sms.ovh.hook_token_file"},
	} {
		got, err := ReadSecrets(c.c)
		if got != c.want || (err != nil) != (c.err != "") || !strings.Contains(fmt.Sprint(err), c.err) {
			t.Errorf("%s: %v, %v", c.c.Provider, got, err)
		}
	}
}

func TestMessagesToTwilioAreReceived(t *testing.T) {
	for _, c := range []struct {
		fields   url.Values
		from     call.Number
		answered bool
	}{
		{url.Values{"From": {"+33612345678"}, "Body": {"Annuler + 1 & é"}}, "+33612345678", false},
		{url.Values{"From": {"+33612345678"}, "Body": {" stop "}}, "+33612345678", true},
		{url.Values{"From": {"+33612345678"}, "Body": {"ARRET"}, "OptOutType": {"STOP"}}, "+33612345678", true},
		{url.Values{"From": {"+33612345678"}, "Body": {"Arrêt"}}, "+33612345678", false},
		{url.Values{"From": {"whatsapp:+33612345678"}, "Body": {"oui"}}, call.Withheld, false},
	} {
		l, h := newHooks()
		c.fields.Set("MessageSid", "SM9")
		if code, body := knock(h, byTwilio("incoming", c.fields)); code != http.StatusOK || body != "<Response/>" {
			t.Fatalf("%d %s", code, body)
		}
		want := sms.Incoming{Provider: "twilio", ProviderID: "SM9", From: c.from, Text: c.fields.Get("Body"), At: nine, Answered: c.answered}
		if len(l.in) != 1 || l.in[0] != want {
			t.Errorf("received %+v, want %+v", l.in, want)
		}
	}
}

func TestCallThatIsNotTwiliosChangesNothing(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(r *http.Request)
	}{
		{"no signature", func(r *http.Request) { r.Header.Del("X-Twilio-Signature") }},
		{"an empty signature", func(r *http.Request) { r.Header.Set("X-Twilio-Signature", "") }},
		{"another's signature", func(r *http.Request) {
			r.Header.Set("X-Twilio-Signature", signTwilio("https://other.example.fr/hooks/twilio/status", url.Values{}))
		}},
		{"another state", func(r *http.Request) { body(r, strings.NewReplacer("delivered", "failed")) }},
		{"a field more", func(r *http.Request) { add(r, "&ErrorCode=30003") }},
		{"a query", func(r *http.Request) { r.URL.RawQuery = "MessageStatus=failed" }},
		{"another hook", func(r *http.Request) { r.URL.Path = "/hooks/twilio/incoming" }},
		{"another account, well signed", func(r *http.Request) {
			f := status("delivered", "")
			f.Set("AccountSid", "AC9")
			r.Body = io.NopCloser(strings.NewReader(f.Encode()))
			r.Header.Set("X-Twilio-Signature", signTwilio(base+"/hooks/twilio/status", f))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, h := newHooks()
			r := byTwilio("status", status("delivered", ""))
			c.change(r)
			if code, _ := knock(h, r); code != http.StatusForbidden {
				t.Errorf("answered %d", code)
			}
			if l.asked != 0 || len(l.in) != 0 {
				t.Errorf("%d reports, %d received", l.asked, len(l.in))
			}
		})
	}
}

func TestFieldThatComesTwiceCountsOnce(t *testing.T) {
	l, h := newHooks()
	r := byTwilio("status", status("delivered", ""))
	add(r, "&MessageStatus=failed") // the signature is of the first
	if code, _ := knock(h, r); code != http.StatusOK || l.states["twilio SM1"] != "delivered" {
		t.Errorf("%d %s", code, l.states["twilio SM1"])
	}
}

// body changes a request's body.
func body(r *http.Request, with *strings.Replacer) {
	old, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(strings.NewReader(with.Replace(string(old))))
}

// add adds to a request's body.
func add(r *http.Request, more string) {
	old, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(strings.NewReader(string(old) + more))
}

// signed is a request to the generic hooks.
func signed(hook, content string, at time.Time) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/hooks/http/"+hook, strings.NewReader(content))
	r.Header.Set("Content-Type", "application/json")
	stamp := fmt.Sprint(at.Unix())
	mac := hmac.New(sha256.New, []byte(secret))
	io.WriteString(mac, stamp+"."+content)
	r.Header.Set("X-Decroche-Timestamp", stamp)
	r.Header.Set("X-Decroche-Signature", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	return r
}

func TestGenericReportsAndMessagesAreTaken(t *testing.T) {
	for _, c := range []struct {
		hook, content string
		at            time.Time
		code          int
		want          string
	}{
		{"status", `{"id":"x-1","state":"delivered"}`, nine, 204, "delivered"},
		{"status", `{"id":"x-1","state":"delivered"}`, nine.Add(-5 * time.Minute), 204, "delivered"},
		{"status", `{"id":"x-1","state":"failed","reason":"+33612345678 is off"}`, nine.Add(5 * time.Minute), 204, "failed … is off"},
		{"status", `{"id":"x-1","state":"sent"}`, nine, 204, "sent"},
		{"status", `{"id":"x-1","state":"queued"}`, nine, 204, "sent"},
		{"status", `{"id":"x-1","state":"dropped"}`, nine, 422, "sent"},
		{"status", `{"id":"","state":"delivered"}`, nine, 400, "sent"},
		{"status", `[]`, nine, 400, "sent"},
		{"status", `{"id":"x-1","state":"delivered"}`, nine.Add(-5*time.Minute - time.Second), 403, "sent"},
		{"status", `{"id":"x-1","state":"delivered"}`, nine.Add(5*time.Minute + time.Second), 403, "sent"},
		{"incoming", `{"id":"y","from":"06 12 34 56 78","text":"STOP"}`, nine, 204, "sent"},
		{"incoming", `{"id":"y"`, nine, 400, "sent"},
	} {
		l, h := newHooks()
		if code, words := knock(h, signed(c.hook, c.content, c.at)); code != c.code || l.states["http x-1"] != c.want {
			t.Errorf("%s %s: %d %s, %s", c.hook, c.content, code, words, l.states["http x-1"])
		}
		if received := c.hook == "incoming" && c.code == 204; received != (len(l.in) == 1) {
			t.Errorf("%s: received %+v", c.content, l.in)
		} else if received && (l.in[0].From != "+33612345678" || l.in[0].Text != "STOP" || l.in[0].Provider != "http") {
			t.Errorf("received %+v", l.in[0])
		}
	}
}

func TestGenericCallThatIsNotProvedChangesNothing(t *testing.T) {
	for name, change := range map[string]func(r *http.Request){
		"no signature":     func(r *http.Request) { r.Header.Del("X-Decroche-Signature") },
		"no time":          func(r *http.Request) { r.Header.Del("X-Decroche-Timestamp") },
		"another time":     func(r *http.Request) { r.Header.Set("X-Decroche-Timestamp", fmt.Sprint(nine.Unix()+1)) },
		"another body":     func(r *http.Request) { body(r, strings.NewReplacer("delivered", "failed")) },
		"a short mac":      func(r *http.Request) { r.Header.Set("X-Decroche-Signature", "sha256=00") },
		"no mac":           func(r *http.Request) { r.Header.Set("X-Decroche-Signature", "sha256=") },
		"no hexadecimal":   func(r *http.Request) { r.Header.Set("X-Decroche-Signature", "sha256=zz") },
		"a time of a word": func(r *http.Request) { r.Header.Set("X-Decroche-Timestamp", "now") },
	} {
		l, h := newHooks()
		r := signed("status", `{"id":"x-1","state":"delivered"}`, nine)
		change(r)
		if code, _ := knock(h, r); code != http.StatusForbidden || l.asked != 0 {
			t.Errorf("%s: %d, %d reports", name, code, l.asked)
		}
	}
}

func TestOVHsCallsAreTakenAtTheSecretAddress(t *testing.T) {
	get := func(word, query string) *http.Request {
		return httptest.NewRequest(http.MethodGet, "/hooks/ovh/"+word+"/status?"+query, nil)
	}
	post := func(word, form string) *http.Request {
		r := httptest.NewRequest(http.MethodPost, "/hooks/ovh/"+word+"/incoming", strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return r
	}
	for _, c := range []struct {
		r    *http.Request
		code int
		want string
	}{
		{get(path, "id=17&ptt=4&date=20261123&description=1"), 204, "delivered"},
		{get(path, "id=17&ptt=3"), 204, "sent"},
		{get(path, "id=17&ptt=2"), 204, "sent"},
		{get(path, "id=17&ptt=24"), 204, "failed the telephone cannot be reached (ptt 24)"},
		{get(path, "id=17"), 204, "sent"},
		{get(path, "ptt=4"), 400, "sent"},
		{get("un-autre-mot", "id=17&ptt=4"), 403, "sent"},
		{get(path[:len(path)-1], "id=17&ptt=4"), 403, "sent"},
		{post(path, "id=5&senderid=%2B33612345678&message=Arr%C3%AAt&shortcode=38069&tag=t"), 204, "sent"},
		{post("un-autre-mot", "id=5&senderid=%2B33612345678&message=STOP"), 403, "sent"},
	} {
		l, h := newHooks()
		if code, words := knock(h, c.r); code != c.code || l.states["ovh 17"] != c.want {
			t.Errorf("%s: %d %s, %s", c.r.URL, code, words, l.states["ovh 17"])
		}
		if received := c.r.Method == http.MethodPost && c.code == 204; received != (len(l.in) == 1) {
			t.Errorf("%s: received %+v", c.r.URL, l.in)
		} else if received && (l.in[0].From != "+33612345678" || l.in[0].Text != "Arrêt" || l.in[0].ProviderID != "5") {
			t.Errorf("received %+v", l.in[0])
		}
		if strings.Contains(l.log.String(), path) {
			t.Errorf("the log tells the address: %s", l.log.String())
		}
	}
}

func TestCallsOfAnotherShapeAreRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(r *http.Request)
		code   int
	}{
		{"a GET", func(r *http.Request) { r.Method = http.MethodGet }, 405},
		{"JSON", func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }, 415},
		{"no type", func(r *http.Request) { r.Header.Del("Content-Type") }, 415},
		{"too much", func(r *http.Request) { add(r, "&Body="+strings.Repeat("a", maxBody)) }, 413},
		{"no form", func(r *http.Request) { body(r, strings.NewReplacer("=", "=%zz")) }, 400},
		{"elsewhere", func(r *http.Request) { r.URL.Path = "/hooks/twilio/voice" }, 404},
	} {
		l, h := newHooks()
		r := byTwilio("status", status("delivered", ""))
		c.change(r)
		if code, _ := knock(h, r); code != c.code || l.asked != 0 {
			t.Errorf("%s: %d, want %d", c.name, code, c.code)
		}
	}
}

func TestHooksOfAProviderWithoutSecretAreNotThere(t *testing.T) {
	l := &ledger{}
	h := (&Hooks{Store: l, Inbox: l, Base: base, Secrets: Secrets{OVHToken: "court", HTTPSecret: "court"}, Log: slog.New(slog.DiscardHandler)}).Handler()
	for _, r := range []*http.Request{
		byTwilio("status", status("delivered", "")), signed("status", "{}", nine),
		httptest.NewRequest(http.MethodGet, "/hooks/ovh/court/status?id=17&ptt=4", nil),
	} {
		if code, _ := knock(h, r); code != http.StatusNotFound {
			t.Errorf("%s: %d", r.URL.Path, code)
		}
	}
}

func TestWhatIsNotSavedIsToComeAgain(t *testing.T) {
	l, h := newHooks()
	l.fail = errors.New("disk full at +33612345678")
	incoming := url.Values{"MessageSid": {"SM9"}, "From": {"+33612345678"}, "Body": {"STOP"}}
	for _, r := range []*http.Request{byTwilio("status", status("delivered", "")), byTwilio("incoming", incoming)} {
		if code, words := knock(h, r); code != http.StatusInternalServerError || strings.Contains(words, "disk") {
			t.Errorf("%d %s", code, words)
		}
	}
}

// FuzzUnprovedCallsChangeNothing calls hooks with whatever bodies and signatures: none is
// proved, so none may change anything or be an error of ours.
func FuzzUnprovedCallsChangeNothing(f *testing.F) {
	f.Add("/hooks/twilio/status", "application/x-www-form-urlencoded", status("delivered", "").Encode(), "x", "")
	f.Add("/hooks/http/incoming", "application/json", `{"id":"1","from":"+33612345678","text":"STOP"}`, "sha256=00", "1795424400")
	f.Add("/hooks/ovh/x/status", "text/plain", "id=17&ptt=4", "", "")
	f.Add("/hooks//http/../status", "multipart/form-data; boundary=a", "--a", "", "0")
	f.Fuzz(func(t *testing.T, where, kind, content, signature, stamp string) {
		u, err := url.ParseRequestURI(where)
		if err != nil || strings.Contains(where, path) {
			return
		}
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(content))
		r.URL, r.RequestURI = u, where
		r.Header.Set("Content-Type", kind)
		r.Header.Set("X-Twilio-Signature", signature)
		r.Header.Set("X-Decroche-Signature", signature)
		r.Header.Set("X-Decroche-Timestamp", stamp)
		l, h := newHooks()
		if code, _ := knock(h, r); code < 300 || code >= 500 {
			t.Errorf("answered %d", code)
		}
		if l.asked != 0 || len(l.in) != 0 {
			t.Errorf("%d reports, %d received", l.asked, len(l.in))
		}
	})
}

func TestTheJournalIsToldOnceOfEachFateThatTheProviderReports(t *testing.T) {
	l, h := newHooks()
	status := func(id, state, code string) {
		t.Helper()
		fields := url.Values{"MessageSid": {id}, "MessageStatus": {state}}
		if code != "" {
			fields.Set("ErrorCode", code)
		}
		if got, body := knock(h, byTwilio("status", fields)); got >= 300 {
			t.Fatalf("%s %s: %d %s", id, state, got, body)
		}
	}
	status("SM1", "sent", "") // what our outbox has told already
	status("SM1", "undelivered", "30003")
	status("SM1", "undelivered", "30003")
	status("SM1", "delivered", "")
	status("SM1", "delivered", "")
	status("SM9", "delivered", "") // nobody's
	var told []string
	for _, e := range l.facts {
		if e.Kind != call.EventSMS || e.Call != "call-1" {
			t.Errorf("the journal has %s of %q", e.Kind, e.Call)
		}
		told = append(told, string(e.Data))
	}
	want := []string{
		`{"purpose":"link","state":"undelivered","promise":"K3"}`,
		`{"purpose":"link","state":"delivered","promise":"K3"}`,
	}
	if !slices.Equal(told, want) {
		t.Errorf("the journal is told %q, want %q", told, want)
	}
}
