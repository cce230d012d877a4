package sms

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"decroche/sms/smstest"
)

const (
	twilioSID    = smstest.SID
	twilioMSID   = smstest.Service
	twilioSecret = smstest.Token
	messagesPath = smstest.MessagesPath
)

// refuse answers as Twilio refuses.
func refuse(w http.ResponseWriter, status, code int, words string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"code": code, "message": words, "status": status, "more_info": fmt.Sprintf("https://www.twilio.com/docs/errors/%d", code),
	})
}

// secretFile writes a secret only its owner may read.
func secretFile(t *testing.T, secret string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func dialTwilio(t *testing.T, b *smstest.Twilio, set func(*Config)) *Twilio {
	t.Helper()
	c := Config{
		Provider: "twilio", From: "+33700000000", CallbackURL: "https://accueil.example.fr/",
		Twilio: TwilioConfig{AccountSID: twilioSID, AuthTokenFile: secretFile(t, twilioSecret), BaseURL: b.URL},
	}
	if set != nil {
		set(&c)
	}
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	tw := p.(*Twilio)
	t.Cleanup(tw.pool.CloseIdleConnections)
	return tw
}

func TestTwilioIsAskedAsItsDescriptionSays(t *testing.T) {
	b := smstest.New(t)
	p := dialTwilio(t, b, nil)
	m := note("promise:K3:confirmed:1")
	m.Text = "Rappel prévu à 10 h, où vous êtes : 100 % & plus; <oui> + € 😀"
	m.Expires = time.Now().Add(10*time.Minute + time.Second/2)
	id, err := p.Send(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	if id != "SM00000000000000000000000000000001" {
		t.Errorf("id %s", id)
	}
	want := url.Values{
		"To": {string(marie)}, "From": {"+33700000000"}, "Body": {m.Text}, "ValidityPeriod": {"600"},
		"StatusCallback": {"https://accueil.example.fr/hooks/twilio/status"},
	}
	if got := b.Post[0]; got.Encode() != want.Encode() {
		t.Errorf("sent %v\nwant %v", got, want)
	}
}

func TestTheDescriptionRefusesWhatTwilioWould(t *testing.T) {
	for _, c := range []struct{ name, form string }{
		{"a field that is not named so", "To=%2B33612345678&Text=oui"},
		{"no number", "Body=oui"},
		{"a field of another kind", "To=%2B33612345678&ValidityPeriod=soon"},
		{"a service that is none", "To=%2B33612345678&MessagingServiceSid=MG12"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := smstest.New(t)
			complaints := 0
			b.Complain = func(string, ...any) { complaints++ }
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
				b.URL+strings.Replace(messagesPath, "{AccountSid}", twilioSID, 1), strings.NewReader(c.form))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			req.SetBasicAuth(twilioSID, twilioSecret)
			resp, err := b.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if complaints == 0 {
				t.Error("nobody complained")
			}
		})
	}
}

func TestTwilioChoosesTheSenderWhenAServiceIsSet(t *testing.T) {
	b := smstest.New(t)
	p := dialTwilio(t, b, func(c *Config) { c.From, c.CallbackURL, c.Twilio.MessagingService = "", "", twilioMSID })
	m := note("a")
	m.Expires = time.Now().Add(-time.Hour) // a validity below 1 s would be refused
	if _, err := p.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	got := b.Post[0]
	if got.Get("MessagingServiceSid") != twilioMSID || got.Has("From") || got.Has("StatusCallback") || got.Get("ValidityPeriod") != "6" {
		t.Errorf("sent %v", got)
	}
}

func TestTwilioAnswersAreJudged(t *testing.T) {
	stopped := func(err error) bool {
		var r *Refused
		return errors.As(err, &r) && r.Stopped && r.Code == "21610"
	}
	refused := func(err error) bool {
		var r *Refused
		return errors.As(err, &r) && !r.Stopped
	}
	waits := func(d time.Duration) func(error) bool {
		return func(err error) bool {
			var l *Later
			return errors.As(err, &l) && l.After == d
		}
	}
	settings := func(err error) bool {
		return errors.Is(err, ErrSettings) && !errors.Is(err, ErrUnsure) && !refused(err)
	}
	unsure := func(err error) bool { return errors.Is(err, ErrUnsure) && !refused(err) }
	for _, c := range []struct {
		name   string
		answer func(w http.ResponseWriter)
		judged func(error) bool
	}{
		{"a number that is none", func(w http.ResponseWriter) {
			refuse(w, 400, 21211, "The 'To' number +33612345678 is not a valid phone number.")
		}, refused},
		{"a landline", func(w http.ResponseWriter) { refuse(w, 400, 21614, "'To' number is not a valid mobile number") }, refused},
		{"a code that we do not know", func(w http.ResponseWriter) { refuse(w, 400, 21999, "No +33612345678, never") }, refused},
		{"STOP", func(w http.ResponseWriter) { refuse(w, 400, 21610, "Attempt to send to unsubscribed recipient") }, stopped},
		{"too many requests, by code", func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "7")
			refuse(w, 429, 20429, "Too Many Requests")
		}, waits(7 * time.Second)},
		{"too many requests, by status", func(w http.ResponseWriter) { w.WriteHeader(429) }, waits(time.Minute)},
		{"a queue of Twilio that is full", func(w http.ResponseWriter) { refuse(w, 400, 21611, "exceeded the maximum number of queued messages") }, waits(time.Minute)},
		{"a wrong token", func(w http.ResponseWriter) { refuse(w, 401, 20003, "Authenticate") }, settings},
		{"an account that is not there", func(w http.ResponseWriter) { refuse(w, 404, 20404, "not found") }, settings},
		{"a sender that is not ours", func(w http.ResponseWriter) { refuse(w, 400, 21606, "not a valid message-capable number") }, settings},
		{"a proxy's refusal", func(w http.ResponseWriter) { http.Error(w, "<html>blocked", http.StatusForbidden) }, settings},
		{"another address", func(w http.ResponseWriter) { w.Header().Set("Location", "/x"); w.WriteHeader(307) }, settings},
		{"500", func(w http.ResponseWriter) { refuse(w, 500, 20500, "Internal Server Error") }, unsure},
		{"503, no JSON", func(w http.ResponseWriter) { http.Error(w, "<html>", http.StatusServiceUnavailable) }, unsure},
		{"an answer that is cut", func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "4000")
			w.WriteHeader(201)
			_, _ = w.Write([]byte(`{"sid": "SM0`))
		}, unsure},
		{"an answer without a name", func(w http.ResponseWriter) { w.WriteHeader(201); _, _ = w.Write([]byte(`{}`)) }, unsure},
		{"a connection that is cut", func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, unsure},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := smstest.New(t)
			b.Fail = func(w http.ResponseWriter, _ url.Values) (bool, bool) { c.answer(w); return true, false }
			_, err := dialTwilio(t, b, nil).Send(t.Context(), note("a"))
			if err == nil || !c.judged(err) {
				t.Errorf("judged %v", err)
			}
			if strings.Contains(fmt.Sprint(err), "612345678") {
				t.Errorf("the error tells the number: %v", err)
			}
		})
	}
}

func TestTwilioThatCannotBeReachedHasTakenNothing(t *testing.T) {
	b := smstest.New(t)
	p := dialTwilio(t, b, nil)
	b.Close()
	_, err := p.Send(t.Context(), note("a"))
	var refused *Refused
	if err == nil || errors.Is(err, ErrUnsure) || errors.As(err, &refused) {
		t.Errorf("judged %v", err)
	}
}

func TestTwilioThatDoesNotAnswerInTimeIsADoubt(t *testing.T) {
	b := smstest.New(t)
	hang := make(chan struct{})
	ctx, giveUp := context.WithCancel(t.Context())
	b.Fail = func(http.ResponseWriter, url.Values) (bool, bool) { giveUp(); <-hang; return true, true }
	p := dialTwilio(t, b, nil)
	_, err := p.Send(ctx, note("a"))
	close(hang)
	if !errors.Is(err, ErrUnsure) {
		t.Errorf("judged %v", err)
	}
}

func TestTwilioTellsWhetherItTookAMessage(t *testing.T) {
	b := smstest.New(t)
	p := dialTwilio(t, b, nil)
	m := note("a")
	m.Created = time.Now()
	find := func(m Message) string {
		t.Helper()
		id, found, err := p.Find(t.Context(), m)
		if err != nil || found != (id != "") {
			t.Fatalf("%q %v %v", id, found, err)
		}
		return id
	}
	if id := find(m); id != "" {
		t.Errorf("found %s where nothing was sent", id)
	}
	b.Fail = func(w http.ResponseWriter, _ url.Values) (bool, bool) { w.WriteHeader(502); return true, true }
	if _, err := p.Send(t.Context(), m); !errors.Is(err, ErrUnsure) {
		t.Fatal(err)
	}
	b.Fail = nil
	if id := find(m); id != "SM00000000000000000000000000000001" {
		t.Errorf("found %q", id)
	}
	other, elsewhere, later := m, m, m
	other.Text = "Autre chose."
	elsewhere.To = paul
	later.Created = time.Now().Add(10 * time.Minute) // the same words another day
	for _, m := range []Message{other, elsewhere, later} {
		if id := find(m); id != "" {
			t.Errorf("found %s for another message", id)
		}
	}
	if q := b.Asks[len(b.Asks)-1].URL.Query(); q.Get("To") != string(marie) {
		t.Errorf("asked %v", q)
	}
	b.Fail = func(w http.ResponseWriter, _ url.Values) (bool, bool) {
		refuse(w, 401, 20003, "Authenticate")
		return true, false
	}
	if _, found, err := p.Find(t.Context(), m); found || !errors.Is(err, ErrSettings) {
		t.Errorf("found %v, %v", found, err)
	}
}

// TestOutboxSendsOnceThroughABreakingTwilio runs the whole way: two connections are cut after
// Twilio took the message, and it is sent once all the same.
func TestOutboxSendsOnceThroughABreakingTwilio(t *testing.T) {
	b := smstest.New(t)
	b.Fail = func(w http.ResponseWriter, form url.Values) (bool, bool) {
		if form.Get("Body") == "" || len(b.Took) > 0 {
			return false, false
		}
		w.WriteHeader(500)
		return true, true
	}
	s := newMemory()
	o := &Outbox{Store: s, Provider: dialTwilio(t, b, nil), Log: quiet}
	if err := s.Enqueue(t.Context(), note("a")); err != nil {
		t.Fatal(err)
	}
	for range 2 { // two turns by hand: the wait between them is not for a test
		m, ok, err := s.Claim(t.Context(), "a", time.Now().Add(time.Hour), lease)
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		o.init()
		o.handle(t.Context(), m)
	}
	if m := s.get(t, "a"); m.State != Sent || len(b.Took) != 1 || m.ProviderID != b.Took[0]["sid"] {
		t.Errorf("%+v, taken %d times", m, len(b.Took))
	}
}
