package sms

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// HTTP sends by any provider that takes one message a request: what it is told and what its
// answers mean is configuration.
type HTTP struct {
	c       Config
	headers http.Header
	pool    *http.Transport
}

// Idempotent is a Provider that may tell that two sends of one key are one message.
type Idempotent interface{ Idempotent() bool }

// Idempotent tells what the configuration says of the provider.
func (h *HTTP) Idempotent() bool { return h.c.HTTP.Idempotent }

func newHTTP(c Config) (*HTTP, error) {
	h := &HTTP{c: c, headers: http.Header{}, pool: transport()}
	s := &h.c.HTTP
	errs := []error{checkURL("sms.http.url", s.URL, s.AllowPlain)}
	if s.Method == "" {
		s.Method = http.MethodPost
	}
	if s.Method != http.MethodPost && s.Method != http.MethodPut {
		errs = append(errs, fmt.Errorf("sms.http.method: %q: write POST or PUT", s.Method))
	}
	if s.Refused == nil {
		s.Refused = []int{http.StatusBadRequest, http.StatusGone, http.StatusUnprocessableEntity}
	}
	if s.Later == nil {
		s.Later = []int{http.StatusTooManyRequests, http.StatusServiceUnavailable}
	}
	for _, status := range slices.Concat(s.Refused, s.Later) {
		if status < 400 || status > 599 {
			errs = append(errs, fmt.Errorf("sms.http.refused, sms.http.later: %d is no status of an error", status))
		}
	}
	errs = append(errs, h.checkBody(), h.readHeaders())
	return h, errors.Join(errs...)
}

func (h *HTTP) checkBody() error {
	s := h.c.HTTP
	for _, want := range []string{"{to}", "{text}"} {
		if !strings.Contains(s.Body, want) {
			return fmt.Errorf("sms.http.body: %s is missing", want)
		}
	}
	if !s.Form && !json.Valid([]byte(h.body(Message{To: "+33600000000", Text: `a "quoted" text`, Key: "k"}))) {
		return errors.New(`sms.http.body: it is no JSON when filled in: write {"to": "{to}", "text": "{text}"}, or set sms.http.form`)
	}
	return nil
}

func (h *HTTP) readHeaders() error {
	var errs []error
	secret := ""
	if h.c.HTTP.SecretFile != "" {
		var err error
		if secret, err = ReadSecret("sms.http.secret_file", h.c.HTTP.SecretFile); err != nil {
			errs = append(errs, err)
		}
	}
	for name, value := range h.c.HTTP.Headers {
		wants := strings.Contains(value, "{secret}")
		lower := strings.ToLower(name)
		switch {
		case wants && h.c.HTTP.SecretFile == "":
			errs = append(errs, fmt.Errorf("sms.http.headers.%s: {secret} wants sms.http.secret_file", name))
		case !wants && (lower == "authorization" || strings.Contains(lower, "key") || strings.Contains(lower, "token") || strings.Contains(lower, "secret")):
			errs = append(errs, fmt.Errorf("sms.http.headers.%s: put the secret in sms.http.secret_file and write {secret} here", name))
		}
		h.headers.Set(name, strings.ReplaceAll(value, "{secret}", secret))
	}
	return errors.Join(errs...)
}

// Name is "http".
func (*HTTP) Name() string { return "http" }

// body fills the template in.
func (h *HTTP) body(m Message) string {
	escape := func(s string) string {
		b, _ := json.Marshal(s) // a string is always JSON
		return string(b[1 : len(b)-1])
	}
	if h.c.HTTP.Form {
		escape = url.QueryEscape
	}
	callback := ""
	if h.c.CallbackURL != "" {
		callback = h.c.CallbackURL + "/hooks/http/status"
	}
	return strings.NewReplacer("{to}", escape(string(m.To)), "{from}", escape(h.c.From), "{text}", escape(m.Text),
		"{key}", escape(m.Key), "{callback}", escape(callback)).Replace(h.c.HTTP.Body)
}

// Send makes the request and reads the provider's id in the answer.
func (h *HTTP) Send(ctx context.Context, m Message) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, h.c.HTTP.Method, h.c.HTTP.URL, strings.NewReader(h.body(m)))
	if err != nil {
		return "", fmt.Errorf("write the request: %w", bare(err))
	}
	req.Header.Set("Content-Type", "application/json")
	if h.c.HTTP.Form {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Idempotency-Key", m.Key)
	for name := range h.headers {
		req.Header.Set(name, h.headers.Get(name))
	}
	w := &wire{next: h.pool}
	w.reset(ctx)
	c := &http.Client{Transport: w, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := c.Do(req)
	if err != nil {
		return "", w.failed(err, time.Now())
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return "", h.judge(w)
	}
	if h.c.HTTP.IDPath == "" {
		return m.Key, nil
	}
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", w.failed(err, time.Now())
	}
	id, err := pick(answer, h.c.HTTP.IDPath)
	if err != nil {
		// The message is taken all the same: a path that is wrong must not send everything twice.
		return "no-id:" + m.Key, nil
	}
	return id, nil
}

func (h *HTTP) judge(w *wire) error {
	switch {
	case slices.Contains(h.c.HTTP.Refused, w.status):
		return &Refused{Code: strconv.Itoa(w.status), Why: "as sms.http.refused says"}
	case slices.Contains(h.c.HTTP.Later, w.status):
		return &Later{After: retryAfter(w.after, time.Now()), Why: "status " + strconv.Itoa(w.status)}
	}
	if err := w.failed(nil, time.Now()); err != nil {
		return err
	}
	return fmt.Errorf("%w: it answers %d: check sms.http.url and sms.http.headers, or say in sms.http.refused that it refuses by this status", ErrSettings, w.status)
}

// pick follows a path of names and indexes, "messages.0.id", to a string or a number.
func pick(answer []byte, path string) (string, error) {
	d := json.NewDecoder(strings.NewReader(string(answer)))
	d.UseNumber()
	var at any
	if err := d.Decode(&at); err != nil {
		return "", fmt.Errorf("read the answer: %w", err)
	}
	for step := range strings.SplitSeq(path, ".") {
		switch v := at.(type) {
		case map[string]any:
			at = v[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(v) {
				return "", fmt.Errorf("%s leads nowhere in the answer", path)
			}
			at = v[i]
		default:
			return "", fmt.Errorf("%s leads nowhere in the answer", path)
		}
	}
	switch v := at.(type) {
	case string:
		if v != "" {
			return v, nil
		}
	case json.Number:
		return v.String(), nil
	}
	return "", fmt.Errorf("%s leads to no id in the answer", path)
}
