package sms

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

const (
	twilioSID    = "AC0123456789abcdef0123456789abcdef"
	twilioMSID   = "MG0123456789abcdef0123456789abcdef"
	twilioSecret = "0123456789abcdef0123456789abcdef"
	messagesPath = "/2010-04-01/Accounts/{AccountSid}/Messages.json"
)

// described is Twilio's published description, cut down to the one resource that we use.
var described = sync.OnceValues(func() (routers.Router, error) {
	doc, err := openapi3.NewLoader().LoadFromFile(filepath.Join("..", "..", "shared", "reference", "twilio_api_v2010.json"))
	if err != nil {
		return nil, fmt.Errorf("Twilio's description is to lie beside the repository: %w", err)
	}
	item := doc.Paths.Value(messagesPath)
	if item == nil {
		return nil, errors.New("the description has no Messages resource")
	}
	item.Servers = nil
	doc.Servers = nil
	doc.Paths = openapi3.NewPaths(openapi3.WithPath(messagesPath, item))
	return gorillamux.NewRouter(doc)
})

// switchboard plays Twilio: it holds every request and each of its own answers against the
// description, names of fields included, keeps what it took, and fails as it is told.
type switchboard struct {
	*httptest.Server
	// complain is called with what is not as described.
	complain func(format string, args ...any)
	mu       sync.Mutex
	// fail answers instead; it says whether the message is taken before.
	fail func(w http.ResponseWriter, form url.Values) (failed, taken bool)
	took []map[string]any
	asks []*http.Request
	post []url.Values
}

func newSwitchboard(t *testing.T) *switchboard {
	t.Helper()
	b := &switchboard{complain: t.Errorf}
	router, err := described()
	if err != nil {
		t.Fatal(err)
	}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { b.serve(router, w, r) }))
	t.Cleanup(b.Close)
	return b
}

func (b *switchboard) serve(router routers.Router, w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	route, params, err := router.FindRoute(r)
	if err != nil {
		b.complain("%s %s is not in the description: %v", r.Method, r.URL.Path, err)
		http.NotFound(w, r)
		return
	}
	in := &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route, Options: &openapi3filter.Options{
		AuthenticationFunc: func(_ context.Context, a *openapi3filter.AuthenticationInput) error {
			if user, password, ok := r.BasicAuth(); !ok || user != twilioSID || password != twilioSecret {
				return errors.New("no basic authentication of the account")
			}
			return nil
		},
	}}
	if err := openapi3filter.ValidateRequest(r.Context(), in); err != nil {
		b.complain("a request that the description refuses: %v", err)
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		b.complain("body: %v", err)
	}
	b.checkNames(route, r.URL.Query(), form)
	b.asks, b.post = append(b.asks, r), append(b.post, form)
	if b.fail != nil {
		failed, taken := b.fail(w, form)
		if taken && r.Method == http.MethodPost {
			b.took = append(b.took, b.message(form))
		}
		if failed {
			return
		}
	}
	status, answer := http.StatusOK, any(nil)
	if r.Method == http.MethodPost {
		m := b.message(form)
		b.took = append(b.took, m)
		status, answer = http.StatusCreated, m
	} else {
		answer = b.list(r)
	}
	raw, err := json.Marshal(answer)
	if err != nil {
		b.complain("write the answer: %v", err)
	}
	header := http.Header{"Content-Type": {"application/json"}}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: status, Header: header}
	out.SetBodyBytes(raw)
	if err := openapi3filter.ValidateResponse(r.Context(), out); err != nil {
		b.complain("the server's own answer is not as described: %v", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(raw)
}

// checkNames refuses fields that the description does not name, for it accepts any.
func (b *switchboard) checkNames(route *routers.Route, query, form url.Values) {
	if body := route.Operation.RequestBody; body != nil {
		schema := body.Value.Content.Get("application/x-www-form-urlencoded").Schema.Value
		for name := range form {
			if schema.Properties[name] == nil {
				b.complain("the description knows no field %q", name)
			}
		}
	} else if len(form) > 0 {
		b.complain("a body where none is described: %v", form)
	}
	for name := range query {
		if route.Operation.Parameters.GetByInAndName("query", name) == nil {
			b.complain("the description knows no parameter %q", name)
		}
	}
}

func (b *switchboard) message(form url.Values) map[string]any {
	at := time.Now().UTC().Format(time.RFC1123Z)
	m := map[string]any{
		"account_sid": twilioSID, "api_version": "2010-04-01", "body": form.Get("Body"), "to": form.Get("To"),
		"date_created": at, "date_updated": at, "date_sent": nil, "direction": "outbound-api", "error_code": nil,
		"error_message": nil, "num_media": "0", "num_segments": "1", "price": nil, "price_unit": nil, "status": "queued",
		"sid": fmt.Sprintf("SM%032x", len(b.took)+1), "from": nil, "messaging_service_sid": nil, "subresource_uris": map[string]any{},
	}
	if f := form.Get("From"); f != "" {
		m["from"] = f
	}
	if s := form.Get("MessagingServiceSid"); s != "" {
		m["messaging_service_sid"] = s
	}
	return m
}

func (b *switchboard) list(r *http.Request) map[string]any {
	found := []map[string]any{}
	for _, m := range slices.Backward(b.took) {
		if to := r.URL.Query().Get("To"); to == "" || m["to"] == to {
			found = append(found, m)
		}
	}
	return map[string]any{
		"messages": found, "page": 0, "page_size": 200, "start": 0, "end": len(found), "uri": r.URL.String(),
		"first_page_uri": r.URL.String(), "next_page_uri": nil, "previous_page_uri": nil,
	}
}

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

func dialTwilio(t *testing.T, b *switchboard, set func(*Config)) *Twilio {
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
	b := newSwitchboard(t)
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
	if got := b.post[0]; got.Encode() != want.Encode() {
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
			b := newSwitchboard(t)
			complaints := 0
			b.complain = func(string, ...any) { complaints++ }
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
	b := newSwitchboard(t)
	p := dialTwilio(t, b, func(c *Config) { c.From, c.CallbackURL, c.Twilio.MessagingService = "", "", twilioMSID })
	m := note("a")
	m.Expires = time.Now().Add(-time.Hour) // a validity below 1 s would be refused
	if _, err := p.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	got := b.post[0]
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
			b := newSwitchboard(t)
			b.fail = func(w http.ResponseWriter, _ url.Values) (bool, bool) { c.answer(w); return true, false }
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
	b := newSwitchboard(t)
	p := dialTwilio(t, b, nil)
	b.Close()
	_, err := p.Send(t.Context(), note("a"))
	var refused *Refused
	if err == nil || errors.Is(err, ErrUnsure) || errors.As(err, &refused) {
		t.Errorf("judged %v", err)
	}
}

func TestTwilioThatDoesNotAnswerInTimeIsADoubt(t *testing.T) {
	b := newSwitchboard(t)
	hang := make(chan struct{})
	b.fail = func(http.ResponseWriter, url.Values) (bool, bool) { <-hang; return true, true }
	p := dialTwilio(t, b, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := p.Send(ctx, note("a"))
	close(hang)
	if !errors.Is(err, ErrUnsure) {
		t.Errorf("judged %v", err)
	}
}

func TestTwilioTellsWhetherItTookAMessage(t *testing.T) {
	b := newSwitchboard(t)
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
	b.fail = func(w http.ResponseWriter, _ url.Values) (bool, bool) { w.WriteHeader(502); return true, true }
	if _, err := p.Send(t.Context(), m); !errors.Is(err, ErrUnsure) {
		t.Fatal(err)
	}
	b.fail = nil
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
	if q := b.asks[len(b.asks)-1].URL.Query(); q.Get("To") != string(marie) {
		t.Errorf("asked %v", q)
	}
	b.fail = func(w http.ResponseWriter, _ url.Values) (bool, bool) {
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
	b := newSwitchboard(t)
	b.fail = func(w http.ResponseWriter, form url.Values) (bool, bool) {
		if form.Get("Body") == "" || len(b.took) > 0 {
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
	if m := s.get(t, "a"); m.State != Sent || len(b.took) != 1 || m.ProviderID != b.took[0]["sid"] {
		t.Errorf("%+v, taken %d times", m, len(b.took))
	}
}
