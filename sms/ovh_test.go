package sms

import (
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// ovhServer plays the part of OVHcloud's API that we use: the hour, the signature, jobs, those
// sent. Its hour is an hour ahead of ours.
type ovhServer struct {
	*httptest.Server
	t    *testing.T
	mu   sync.Mutex
	fail func(w http.ResponseWriter, r *http.Request) bool
	sent []map[string]any // bodies of jobs that are sent, by id - 1
	jobs []int            // indexes of sent that still wait
}

func newOVHServer(t *testing.T) *ovhServer {
	t.Helper()
	o := &ovhServer{t: t}
	o.Server = httptest.NewServer(http.HandlerFunc(o.serve))
	t.Cleanup(o.Close)
	return o
}

func (o *ovhServer) serve(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	answer := func(v any) { _ = json.NewEncoder(w).Encode(v) }
	if r.URL.Path == "/1.0/auth/time" {
		answer(time.Now().Add(time.Hour).Unix())
		return
	}
	body, _ := io.ReadAll(r.Body)
	o.checkSignature(r, body)
	if o.fail != nil && o.fail(w, r) {
		return
	}
	path := strings.TrimPrefix(r.URL.Path, "/1.0/sms/sms-ab12345-1")
	switch {
	case r.Method == http.MethodPost && path == "/jobs":
		var job map[string]any
		if err := json.Unmarshal(body, &job); err != nil {
			o.t.Error(err)
		}
		o.checkJob(job)
		o.sent = append(o.sent, job)
		answer(map[string]any{
			"ids": []int{len(o.sent)}, "validReceivers": job["receivers"], "invalidReceivers": []string{}, "totalCreditsRemoved": 1,
		})
	case r.Method == http.MethodGet && path == "/outgoing":
		ids := []int{}
		for i, job := range o.sent {
			if job["tag"] == r.URL.Query().Get("tag") && !o.waits(i) {
				ids = append(ids, i+1)
			}
		}
		answer(ids)
	case r.Method == http.MethodGet && path == "/jobs":
		ids := []int{}
		for _, i := range o.jobs {
			ids = append(ids, i+1)
		}
		answer(ids)
	case r.Method == http.MethodGet && strings.HasPrefix(path, "/jobs/"):
		id, err := strconv.Atoi(strings.TrimPrefix(path, "/jobs/"))
		if err != nil || !o.waits(id-1) {
			ovhError(w, 404, "The requested object does not exist")
			return
		}
		job := o.sent[id-1]
		answer(map[string]any{"id": id, "message": job["message"], "receiver": "0033612345678", "sender": job["sender"]})
	default:
		o.t.Errorf("%s %s is not in OVHcloud's API as we know it", r.Method, r.URL)
		http.NotFound(w, r)
	}
}

func (o *ovhServer) waits(i int) bool {
	for _, j := range o.jobs {
		if j == i {
			return true
		}
	}
	return false
}

// checkSignature computes X-Ovh-Signature as the API's documentation says.
func (o *ovhServer) checkSignature(r *http.Request, body []byte) {
	stamp := r.Header.Get("X-Ovh-Timestamp")
	sum := sha1.Sum([]byte(strings.Join([]string{"app-secret", "consumer", r.Method, o.URL + r.URL.RequestURI(), string(body), stamp}, "+")))
	if got, want := r.Header.Get("X-Ovh-Signature"), "$1$"+hex.EncodeToString(sum[:]); got != want {
		o.t.Errorf("signature %s, want %s", got, want)
	}
	if r.Header.Get("X-Ovh-Application") != "app-key" || r.Header.Get("X-Ovh-Consumer") != "consumer" {
		o.t.Errorf("keys %v", r.Header)
	}
	at, err := strconv.ParseInt(stamp, 10, 64)
	if off := time.Until(time.Unix(at, 0)) - time.Hour; err != nil || off > 10*time.Second || off < -10*time.Second {
		o.t.Errorf("signed %v from OVHcloud's hour", off)
	}
}

// checkJob holds a job against the parameters that the API lists for POST /sms/{serviceName}/jobs.
func (o *ovhServer) checkJob(job map[string]any) {
	kinds := map[string]string{
		"noStopClause": "bool", "tag": "string", "receiversDocumentUrl": "string", "senderForResponse": "bool", "sender": "string",
		"receiversSlotId": "string", "message": "string", "coding": "string", "differedPeriod": "float64", "receivers": "[]interface {}",
		"validityPeriod": "float64", "priority": "string", "charset": "string", "class": "string",
	}
	for name, value := range job {
		if kind := fmt.Sprintf("%T", value); kinds[name] != kind {
			o.t.Errorf("%s is %s, want %q", name, kind, kinds[name])
		}
	}
	for _, enum := range []struct {
		name string
		of   string
	}{{"priority", "high low medium veryLow"}, {"charset", "UTF-8"}} {
		if v, _ := job[enum.name].(string); !strings.Contains(enum.of, v) || v == "" {
			o.t.Errorf("%s is %q, want one of %s", enum.name, v, enum.of)
		}
	}
}

func ovhError(w http.ResponseWriter, status int, words string) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"class": "Client::BadRequest", "message": words})
}

func dialOVH(t *testing.T, server *ovhServer, set func(*Config)) *OVH {
	t.Helper()
	c := Config{Provider: "ovh", OVH: OVHConfig{
		Service: "sms-ab12345-1", Endpoint: server.URL + "/1.0", ApplicationKey: "app-key",
		ApplicationSecretFile: secretFile(t, "app-secret"), ConsumerKeyFile: secretFile(t, "consumer"),
	}}
	if set != nil {
		set(&c)
	}
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	o := p.(*OVH)
	t.Cleanup(o.pool.CloseIdleConnections)
	return o
}

func TestOVHIsAskedWithOneMessageAJob(t *testing.T) {
	server := newOVHServer(t)
	p := dialOVH(t, server, nil)
	m := note("promise:K3:confirmed:1")
	m.Expires = time.Now().Add(10*time.Minute + 30*time.Second)
	id, err := p.Send(t.Context(), m)
	if err != nil || id != "1" {
		t.Fatal(id, err)
	}
	job := server.sent[0]
	if fmt.Sprint(job["receivers"]) != "[+33612345678]" || job["message"] != m.Text || job["senderForResponse"] != true ||
		job["noStopClause"] != true || job["validityPeriod"] != 10.0 || job["sender"] != nil {
		t.Errorf("%v", job)
	}
	named := dialOVH(t, server, func(c *Config) { c.From = "MAIRIE" })
	if id, err = named.Send(t.Context(), note("b")); err != nil || id != "2" {
		t.Fatal(id, err)
	}
	if job := server.sent[1]; job["sender"] != "MAIRIE" || job["senderForResponse"] != false || job["tag"] == server.sent[0]["tag"] {
		t.Errorf("%v", job)
	}
}

func TestOVHTakesSeveralMessagesAtOnce(t *testing.T) {
	server := newOVHServer(t)
	p := dialOVH(t, server, nil)
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			if _, err := p.Send(t.Context(), note(fmt.Sprint(i))); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(server.sent) != 12 {
		t.Errorf("%d jobs", len(server.sent))
	}
}

func TestOVHTellsWhetherItTookAMessageByItsTag(t *testing.T) {
	server := newOVHServer(t)
	p := dialOVH(t, server, nil)
	m, other := note("a"), note("b")
	other.Text = "Autre chose."
	for _, step := range []struct {
		name string
		set  func()
		id   string
	}{
		{"nothing was sent", func() {}, ""},
		{"another was", func() { _, _ = p.Send(t.Context(), other) }, ""},
		{"it waits to be sent", func() { _, _ = p.Send(t.Context(), m); server.jobs = []int{0, 1} }, "2"},
		{"it was sent", func() { server.jobs = nil }, "2"},
	} {
		step.set()
		if id, found, err := p.Find(t.Context(), m); err != nil || found != (step.id != "") || id != step.id {
			t.Errorf("%s: %q %v %v", step.name, id, found, err)
		}
	}
}

func TestOVHAnswersAreJudged(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		words  string
		want   string
	}{
		{"a message that it does not take", 400, "Message too long for +33612345678", "refused"},
		{"a sender that it does not know", 400, "Invalid sender MAIRIE", "settings"},
		{"no credits left", 400, "Not enough credits", "settings"},
		{"a wrong key", 403, "This call has not been granted", "settings"},
		{"an account that is not there", 404, "This service does not exist", "settings"},
		{"too much", 429, "Too many requests", "later"},
		{"500", 500, "Internal server error", "unsure"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := newOVHServer(t)
			server.fail = func(w http.ResponseWriter, _ *http.Request) bool { ovhError(w, c.status, c.words); return true }
			_, err := dialOVH(t, server, nil).Send(t.Context(), note("a"))
			if got := kindOf(err); got != c.want {
				t.Errorf("judged %s: %v", got, err)
			}
			if strings.Contains(fmt.Sprint(err), "612345678") {
				t.Errorf("the error tells the number: %v", err)
			}
		})
	}
	t.Run("a connection that is cut", func(t *testing.T) {
		server := newOVHServer(t)
		server.fail = func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }
		if _, err := dialOVH(t, server, nil).Send(t.Context(), note("a")); kindOf(err) != "unsure" {
			t.Errorf("judged %v", err)
		}
	})
	t.Run("an hour that it does not tell", func(t *testing.T) {
		server := newOVHServer(t)
		p := dialOVH(t, server, nil)
		server.Close()
		if _, err := p.Send(t.Context(), note("a")); kindOf(err) != "other" {
			t.Errorf("judged %v", err)
		}
	})
	t.Run("a number that it does not take", func(t *testing.T) {
		server := newOVHServer(t)
		server.fail = func(w http.ResponseWriter, _ *http.Request) bool {
			_, _ = w.Write([]byte(`{"ids":[],"validReceivers":[],"invalidReceivers":["+33612345678"],"totalCreditsRemoved":0}`))
			return true
		}
		if _, err := dialOVH(t, server, nil).Send(t.Context(), note("a")); kindOf(err) != "refused" {
			t.Errorf("judged %v", err)
		}
	})
}

// kindOf names the kind of a provider's error; one that has two kinds has both names.
func kindOf(err error) string {
	var kinds []string
	var refused *Refused
	var later *Later
	if errors.As(err, &refused) {
		kinds = append(kinds, "refused")
	}
	if errors.As(err, &later) {
		kinds = append(kinds, "later")
	}
	if errors.Is(err, ErrSettings) {
		kinds = append(kinds, "settings")
	}
	if errors.Is(err, ErrUnsure) {
		kinds = append(kinds, "unsure")
	}
	if err != nil && kinds == nil {
		kinds = []string{"other"}
	}
	return strings.Join(kinds, ", ")
}
