// Package smstest plays a provider of text messages to tests, as its published description
// says it behaves.
package smstest

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
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// The account that the server knows, a messaging service and the resource that is described.
const (
	SID          = "AC0123456789abcdef0123456789abcdef"
	Service      = "MG0123456789abcdef0123456789abcdef"
	Token        = "0123456789abcdef0123456789abcdef"
	MessagesPath = "/2010-04-01/Accounts/{AccountSid}/Messages.json"
)

// described is Twilio's published description, cut down to the one resource that we use.
var described = sync.OnceValues(func() (routers.Router, error) {
	doc, err := openapi3.NewLoader().LoadFromFile(filepath.Join("..", "..", "shared", "reference", "twilio_api_v2010.json"))
	if err != nil {
		return nil, fmt.Errorf("read the description of Twilio, which is to lie beside the repository: %w", err)
	}
	item := doc.Paths.Value(MessagesPath)
	if item == nil {
		return nil, errors.New("the description has no Messages resource")
	}
	item.Servers = nil
	doc.Servers = nil
	doc.Paths = openapi3.NewPaths(openapi3.WithPath(MessagesPath, item))
	return gorillamux.NewRouter(doc)
})

// Twilio plays Twilio: it holds every request and each of its own answers against the
// description, names of fields included, keeps what it took, and fails as it is told.
type Twilio struct {
	*httptest.Server
	// Complain is called with what is not as described.
	Complain func(format string, args ...any)
	mu       sync.Mutex
	// Fail answers instead; it says whether the message is taken before.
	Fail func(w http.ResponseWriter, form url.Values) (failed, taken bool)
	// Took are the messages taken, Asks the requests and Post their bodies. They are for tests
	// that have no request under way.
	Took []map[string]any
	Asks []*http.Request
	Post []url.Values
}

// New starts one; it ends with the test.
func New(t testing.TB) *Twilio {
	t.Helper()
	b := &Twilio{Complain: t.Errorf}
	router, err := described()
	if err != nil {
		t.Fatal(err)
	}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { b.serve(router, w, r) }))
	t.Cleanup(b.Close)
	return b
}

func (b *Twilio) serve(router routers.Router, w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	route, params, err := router.FindRoute(r)
	if err != nil {
		b.Complain("%s %s is not in the description: %v", r.Method, r.URL.Path, err)
		http.NotFound(w, r)
		return
	}
	in := &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route, Options: &openapi3filter.Options{
		AuthenticationFunc: func(_ context.Context, a *openapi3filter.AuthenticationInput) error {
			if user, password, ok := r.BasicAuth(); !ok || user != SID || password != Token {
				return errors.New("no basic authentication of the account")
			}
			return nil
		},
	}}
	if err := openapi3filter.ValidateRequest(r.Context(), in); err != nil {
		b.Complain("a request that the description refuses: %v", err)
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		b.Complain("body: %v", err)
	}
	b.checkNames(route, r.URL.Query(), form)
	b.Asks, b.Post = append(b.Asks, r), append(b.Post, form)
	if b.Fail != nil {
		failed, taken := b.Fail(w, form)
		if taken && r.Method == http.MethodPost {
			b.Took = append(b.Took, b.message(form))
		}
		if failed {
			return
		}
	}
	status, answer := http.StatusOK, any(nil)
	if r.Method == http.MethodPost {
		m := b.message(form)
		b.Took = append(b.Took, m)
		status, answer = http.StatusCreated, m
	} else {
		answer = b.list(r)
	}
	raw, err := json.Marshal(answer)
	if err != nil {
		b.Complain("write the answer: %v", err)
	}
	header := http.Header{"Content-Type": {"application/json"}}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: status, Header: header}
	out.SetBodyBytes(raw)
	if err := openapi3filter.ValidateResponse(r.Context(), out); err != nil {
		b.Complain("the server's own answer is not as described: %v", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(raw)
}

// checkNames refuses fields that the description does not name, for it accepts any.
func (b *Twilio) checkNames(route *routers.Route, query, form url.Values) {
	if body := route.Operation.RequestBody; body != nil {
		schema := body.Value.Content.Get("application/x-www-form-urlencoded").Schema.Value
		for name := range form {
			if schema.Properties[name] == nil {
				b.Complain("the description knows no field %q", name)
			}
		}
	} else if len(form) > 0 {
		b.Complain("a body where none is described: %v", form)
	}
	for name := range query {
		if route.Operation.Parameters.GetByInAndName("query", name) == nil {
			b.Complain("the description knows no parameter %q", name)
		}
	}
}

func (b *Twilio) message(form url.Values) map[string]any {
	at := time.Now().UTC().Format(time.RFC1123Z)
	m := map[string]any{
		"account_sid": SID, "api_version": "2010-04-01", "body": form.Get("Body"), "to": form.Get("To"),
		"date_created": at, "date_updated": at, "date_sent": nil, "direction": "outbound-api", "error_code": nil,
		"error_message": nil, "num_media": "0", "num_segments": "1", "price": nil, "price_unit": nil, "status": "queued",
		"sid": fmt.Sprintf("SM%032x", len(b.Took)+1), "from": nil, "messaging_service_sid": nil, "subresource_uris": map[string]any{},
	}
	if f := form.Get("From"); f != "" {
		m["from"] = f
	}
	if s := form.Get("MessagingServiceSid"); s != "" {
		m["messaging_service_sid"] = s
	}
	return m
}

func (b *Twilio) list(r *http.Request) map[string]any {
	found := []map[string]any{}
	for _, m := range slices.Backward(b.Took) {
		if to := r.URL.Query().Get("To"); to == "" || m["to"] == to {
			found = append(found, m)
		}
	}
	return map[string]any{
		"messages": found, "page": 0, "page_size": 200, "start": 0, "end": len(found), "uri": r.URL.String(),
		"first_page_uri": r.URL.String(), "next_page_uri": nil, "previous_page_uri": nil,
	}
}

// Taken are the messages taken so far, oldest first, as the description names their fields.
func (b *Twilio) Taken() []map[string]any {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.Took)
}

// Posted are the bodies of the requests so far that had one.
func (b *Twilio) Posted() []url.Values {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(b.Post), func(f url.Values) bool { return len(f) == 0 })
}
