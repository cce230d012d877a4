package sms

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
)

// A wire carries one exchange at a time for a provider's client library, and knows of it what
// the library does not tell: whether anything may have reached the provider, its status, and
// how long it asks to wait. It binds the exchange to a context, and closes what the library
// leaves open.
type wire struct {
	next http.RoundTripper
	base *url.URL        // where to instead of the library's address; nil: there
	ctx  context.Context // of the exchange; libraries that know contexts give the same

	begun  atomic.Bool // a connection was there: what we wrote may have been read
	status int         // 0: no answer
	after  string      // Retry-After
}

// reset prepares for another exchange.
func (w *wire) reset(ctx context.Context) {
	w.ctx, w.status, w.after = ctx, 0, ""
	w.begun.Store(false)
}

func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { w.begun.Store(true) }}
	req = req.Clone(httptrace.WithClientTrace(w.ctx, trace))
	if w.base != nil {
		req.URL.Scheme, req.URL.Host, req.Host = w.base.Scheme, w.base.Host, ""
	}
	resp, err := w.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	w.status, w.after = resp.StatusCode, resp.Header.Get("Retry-After")
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	resp.Body.Close()
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// failed judges an exchange without a usable answer, and what every provider's statuses mean
// alike. It returns nil when the status says something that is the provider's own to judge.
func (w *wire) failed(err error, now time.Time) error {
	switch s := w.status; {
	case s == 0 && !w.begun.Load():
		return fmt.Errorf("reach the provider: %w", bare(err))
	case s == 0:
		return fmt.Errorf("%w: the connection broke: %w", ErrUnsure, bare(err))
	case s < 300:
		return fmt.Errorf("%w: status %d, and an answer that cannot be read: %w", ErrUnsure, s, bare(err))
	case s < 400:
		return fmt.Errorf("%w: the provider answers %d, another address; check the address configured", ErrSettings, s)
	case s == http.StatusTooManyRequests:
		return &Later{After: retryAfter(w.after, now), Why: "status 429"}
	case s == http.StatusRequestTimeout || s >= 500:
		return fmt.Errorf("%w: status %d", ErrUnsure, s)
	}
	return nil
}

// bare takes from an error the address asked for, which may hold a number.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	if err == nil {
		return errors.New("no answer")
	}
	return err
}

// retryAfter reads a Retry-After: seconds or a date; a minute when there is none that can be
// read, never more than an hour.
func retryAfter(header string, now time.Time) time.Duration {
	d := time.Minute
	if s, err := strconv.Atoi(strings.TrimSpace(header)); err == nil && s >= 0 {
		d = time.Duration(min(s, 3600)) * time.Second
	} else if at, err := http.ParseTime(header); err == nil {
		d = at.Sub(now)
	}
	return min(max(d, time.Second), time.Hour)
}

// Scrub takes numbers and line ends out of a provider's words, for they go to logs.
func Scrub(words string) string {
	var b strings.Builder
	for field := range strings.FieldsSeq(words) {
		digits := 0
		for _, r := range field {
			if unicode.IsDigit(r) {
				digits++
			}
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		if digits > 5 {
			field = "…"
		}
		b.WriteString(field)
		if b.Len() > 200 {
			return b.String() + " …"
		}
	}
	return b.String()
}

// transport is a provider's own pool of connections.
func transport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 4
	return t
}
