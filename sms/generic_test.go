package sms

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func dialHTTP(t *testing.T, c Config) *HTTP {
	t.Helper()
	c.Provider = "http"
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	h := p.(*HTTP)
	t.Cleanup(h.pool.CloseIdleConnections)
	return h
}

func TestGenericProviderIsAskedAsItsTemplateSays(t *testing.T) {
	text := "Il a dit \"oui\" & 10 € \\ 100 %\n+1 {to}"
	for _, form := range []bool{false, true} {
		t.Run(fmt.Sprintf("form %v", form), func(t *testing.T) {
			var got map[string]string
			var r *http.Request
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				r = req
				body, _ := io.ReadAll(req.Body)
				got = map[string]string{}
				if form {
					v, err := url.ParseQuery(string(body))
					if err != nil {
						t.Error(err)
					}
					for k := range v {
						got[k] = v.Get(k)
					}
				} else if err := json.Unmarshal(body, &got); err != nil {
					t.Errorf("%v in %s", err, body)
				}
				_, _ = w.Write([]byte(`{"messages": [{"id": 90071992547409931}]}`))
			}))
			t.Cleanup(server.Close)
			c := Config{From: "MAIRIE", CallbackURL: "https://a.fr", HTTP: HTTPConfig{
				URL: server.URL + "/sms", SecretFile: secretFile(t, "s3cret"), Headers: map[string]string{"Authorization": "Bearer {secret}"},
				Body: `{"to":"{to}","from":"{from}","text":"{text}","ref":"{key}","hook":"{callback}"}`, IDPath: "messages.0.id",
			}}
			if c.HTTP.Form = form; form {
				c.HTTP.Body = "to={to}&from={from}&text={text}&ref={key}&hook={callback}"
			}
			m := note("link:abc")
			m.Text = text
			id, err := dialHTTP(t, c).Send(t.Context(), m)
			if err != nil || id != "90071992547409931" {
				t.Fatal(id, err)
			}
			want := map[string]string{"to": string(marie), "from": "MAIRIE", "text": text, "ref": "link:abc", "hook": "https://a.fr/hooks/http/status"}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("got %q\nwant %q", got, want)
			}
			if r.Header.Get("Authorization") != "Bearer s3cret" || r.Header.Get("Idempotency-Key") != "link:abc" || r.Method != http.MethodPost {
				t.Errorf("%s %v", r.Method, r.Header)
			}
		})
	}
}

func TestGenericAnswersAreJudged(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer func(w http.ResponseWriter)
		want   string
		id     string
	}{
		{"taken", func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"id": "x"}`)) }, "", "x"},
		{"taken, its id unreadable", func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"ID": 1}`)) }, "", "no-id:a"},
		{"taken, no JSON", func(w http.ResponseWriter) { w.WriteHeader(202) }, "", "no-id:a"},
		{"400", func(w http.ResponseWriter) { w.WriteHeader(400) }, "refused", ""},
		{"its own refusal", func(w http.ResponseWriter) { w.WriteHeader(451) }, "refused", ""},
		{"429", func(w http.ResponseWriter) { w.WriteHeader(429) }, "later", ""},
		{"503", func(w http.ResponseWriter) { w.WriteHeader(503) }, "later", ""},
		{"401", func(w http.ResponseWriter) { w.WriteHeader(401) }, "settings", ""},
		{"404", func(w http.ResponseWriter) { w.WriteHeader(404) }, "settings", ""},
		{"302", func(w http.ResponseWriter) { w.Header().Set("Location", "/"); w.WriteHeader(302) }, "settings", ""},
		{"500", func(w http.ResponseWriter) { w.WriteHeader(500) }, "unsure", ""},
		{"cut", func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, "unsure", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { c.answer(w) }))
			t.Cleanup(server.Close)
			p := dialHTTP(t, Config{HTTP: HTTPConfig{URL: server.URL, Body: `{"a":"{to}","b":"{text}"}`, IDPath: "id", Refused: []int{400, 451}}})
			id, err := p.Send(t.Context(), note("a"))
			if kindOf(err) != c.want || id != c.id {
				t.Errorf("%q, judged %s: %v", id, kindOf(err), err)
			}
		})
	}
}

func TestRetryAfterIsReadInBothItsForms(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"": time.Minute, "12": 12 * time.Second, "0": time.Second, "-3": time.Minute, "99999999": time.Hour, "soon": time.Minute,
		"Mon, 23 Nov 2026 09:02:00 GMT": 2 * time.Minute, "Mon, 23 Nov 2026 08:02:00 GMT": time.Second,
	} {
		if got := retryAfter(header, now); got != want {
			t.Errorf("%q: %v, want %v", header, got, want)
		}
	}
}

func TestScrubTakesNumbersOut(t *testing.T) {
	for in, want := range map[string]string{
		"The 'To' number +33612345678 is not valid.": "The 'To' number … is not valid.",
		"code 21211\nforged line":                    "code 21211 forged line",
		strings.Repeat("mot ", 100):                  strings.TrimSpace(strings.Repeat("mot ", 51)) + " …",
	} {
		if got := Scrub(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestConfigurationSaysWhatToMend(t *testing.T) {
	open := filepath.Join(t.TempDir(), "open")
	if err := os.WriteFile(open, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	empty, two := secretFile(t, ""), secretFile(t, "a\nb")
	ok := secretFile(t, twilioSecret)
	twilio := TwilioConfig{AccountSID: twilioSID, AuthTokenFile: ok}
	body := `{"to":"{to}","text":"{text}"}`
	for _, c := range []struct {
		name string
		c    Config
		want string
	}{
		{"nothing", Config{}, ""},
		{"outbox", Config{Provider: "outbox"}, ""},
		{"another", Config{Provider: "pigeon"}, "sms.provider"},
		{"callback in clear", Config{CallbackURL: "http://accueil.example.fr"}, "sms.callback_url"},
		{"twilio", Config{Provider: "twilio", From: "MAIRIE", Twilio: twilio}, ""},
		{"twilio without account", Config{Provider: "twilio", From: "M", Twilio: TwilioConfig{AuthTokenFile: ok}}, "sms.twilio.account_sid"},
		{"twilio without sender", Config{Provider: "twilio", Twilio: twilio}, "sms.from"},
		{"a token that all may read", Config{Provider: "twilio", From: "M", Twilio: TwilioConfig{AccountSID: twilioSID, AuthTokenFile: open}}, "chmod 600"},
		{"a token that is not there", Config{Provider: "twilio", From: "M", Twilio: TwilioConfig{AccountSID: twilioSID, AuthTokenFile: open + "x"}}, "sms.twilio.auth_token_file"},
		{"an empty token", Config{Provider: "twilio", From: "M", Twilio: TwilioConfig{AccountSID: twilioSID, AuthTokenFile: empty}}, "no secret"},
		{"a token of two lines", Config{Provider: "twilio", From: "M", Twilio: TwilioConfig{AccountSID: twilioSID, AuthTokenFile: two}}, "one line"},
		{"no token's file", Config{Provider: "twilio", From: "M", Twilio: TwilioConfig{AccountSID: twilioSID}}, "sms.twilio.auth_token_file"},
		{"a folder for a token", Config{Provider: "twilio", From: "M", Twilio: TwilioConfig{AccountSID: twilioSID, AuthTokenFile: t.TempDir()}}, "is no file"},
		{"ovh", Config{Provider: "ovh", OVH: OVHConfig{Service: "sms-ab1-1", ApplicationKey: "k", ApplicationSecretFile: ok, ConsumerKeyFile: ok}}, ""},
		{"ovh of no account", Config{Provider: "ovh", OVH: OVHConfig{Service: "../me", ApplicationKey: "k", ApplicationSecretFile: ok, ConsumerKeyFile: ok}}, "sms.ovh.service"},
		{"ovh of no place", Config{Provider: "ovh", OVH: OVHConfig{Service: "sms-ab1-1", Endpoint: "ovh-mars", ApplicationKey: "k", ApplicationSecretFile: ok, ConsumerKeyFile: ok}}, "sms.ovh.endpoint"},
		{"ovh without keys", Config{Provider: "ovh", OVH: OVHConfig{Service: "sms-ab1-1"}}, "sms.ovh.consumer_key_file"},
		{"http in clear", Config{Provider: "http", HTTP: HTTPConfig{URL: "http://sms.example.fr", Body: body}}, "sms.http.url"},
		{"http in clear, on purpose", Config{Provider: "http", HTTP: HTTPConfig{URL: "http://sms.example.fr", Body: body, AllowPlain: true}}, ""},
		{"http with a password in the address", Config{Provider: "http", HTTP: HTTPConfig{URL: "https://u:p@sms.example.fr", Body: body}}, "sms.http.url"},
		{"http without text", Config{Provider: "http", HTTP: HTTPConfig{URL: "https://sms.example.fr", Body: `{"to":"{to}"}`}}, "{text}"},
		{"http of no JSON", Config{Provider: "http", HTTP: HTTPConfig{URL: "https://sms.example.fr", Body: `to={to}&text={text}`}}, "sms.http.form"},
		{"http with a secret in clear", Config{Provider: "http", HTTP: HTTPConfig{URL: "https://sms.example.fr", Body: body, Headers: map[string]string{"X-Api-Key": "abc"}}}, "secret_file"},
		{"http without its secret", Config{Provider: "http", HTTP: HTTPConfig{URL: "https://sms.example.fr", Body: body, Headers: map[string]string{"X-Api-Key": "{secret}"}}}, "sms.http.secret_file"},
		{"http by GET", Config{Provider: "http", HTTP: HTTPConfig{URL: "https://sms.example.fr", Body: body, Method: "GET"}}, "sms.http.method"},
		{"a refusal that is none", Config{Provider: "http", HTTP: HTTPConfig{URL: "https://sms.example.fr", Body: body, Refused: []int{200}}}, "sms.http.refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := New(c.c)
			if c.want == "" {
				if err != nil || p == nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want a word of %s", err, c.want)
			}
			if strings.Contains(fmt.Sprint(err), twilioSecret) {
				t.Errorf("the error tells the secret: %v", err)
			}
		})
	}
}

func TestDemonstrationKeepsMessagesWhereTheyAre(t *testing.T) {
	p, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	id, err := p.Send(t.Context(), note("a"))
	if err != nil || id != "a" || p.Name() != "outbox" {
		t.Errorf("%s %s %v", p.Name(), id, err)
	}
	if id, found, err := p.(Finder).Find(t.Context(), note("a")); err != nil || !found || id != "a" {
		t.Errorf("%s %v %v", id, found, err)
	}
}
