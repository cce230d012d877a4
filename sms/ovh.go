package sms

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ovh/go-ovh/ovh"
)

// OVH sends by OVHcloud's /sms. It has no key of idempotency, but each message carries a tag
// made of ours, by which Find asks for it.
type OVH struct {
	c    Config
	pool *http.Transport
	// lines are its clients: one exchange at a time each, for the library's client is not made
	// for more.
	lines chan *ovhLine
}

type ovhLine struct {
	*ovh.Client
	wire *wire
}

var ovhService = regexp.MustCompile(`^[a-z0-9-]+$`)

func newOVH(c Config) (*OVH, error) {
	o := &OVH{c: c, pool: transport(), lines: make(chan *ovhLine, 4)}
	var errs []error
	if !ovhService.MatchString(c.OVH.Service) {
		errs = append(errs, errors.New(`sms.ovh.service: write the account's name, "sms-ab12345-1"`))
	}
	if c.OVH.ApplicationKey == "" {
		errs = append(errs, errors.New("sms.ovh.application_key: write the key that eu.api.ovh.com/createToken gave"))
	}
	secret, err := ReadSecret("sms.ovh.application_secret_file", c.OVH.ApplicationSecretFile)
	errs = append(errs, err)
	consumer, err := ReadSecret("sms.ovh.consumer_key_file", c.OVH.ConsumerKeyFile)
	errs = append(errs, err)
	endpoint := ovh.Endpoints["ovh-eu"]
	if e := c.OVH.Endpoint; strings.Contains(e, "/") {
		errs = append(errs, checkURL("sms.ovh.endpoint", e, false))
		endpoint = strings.TrimSuffix(e, "/")
	} else if e != "" {
		if endpoint = ovh.Endpoints[e]; endpoint == "" {
			errs = append(errs, fmt.Errorf("sms.ovh.endpoint: %q is not known: write ovh-eu or ovh-ca", e))
		}
	}
	for range cap(o.lines) {
		w := &wire{next: o.pool}
		// Not ovh.NewClient, which would read files and the environment of the process.
		l := &ovhLine{wire: w, Client: &ovh.Client{
			AppKey: c.OVH.ApplicationKey, AppSecret: secret, ConsumerKey: consumer,
			Client: &http.Client{
				Transport:     w,
				CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			},
			Timeout: timeout,
		}}
		errs = append(errs, l.SetEndpoint(endpoint))
		o.lines <- l
	}
	return o, errors.Join(errs...)
}

// Name is "ovh".
func (*OVH) Name() string { return "ovh" }

// ovhJob is a request of POST /sms/{serviceName}/jobs.
type ovhJob struct {
	Message           string   `json:"message"`
	Receivers         []string `json:"receivers"`
	Sender            string   `json:"sender,omitempty"`
	SenderForResponse bool     `json:"senderForResponse"`
	NoStopClause      bool     `json:"noStopClause"` // no advertisement, so at any hour
	Priority          string   `json:"priority"`
	Charset           string   `json:"charset"`
	Tag               string   `json:"tag"`
	ValidityPeriod    int      `json:"validityPeriod,omitempty"` // minutes
}

// ovhReport is its answer, sms.SmsSendingReport.
type ovhReport struct {
	IDs     []int64  `json:"ids"`
	Invalid []string `json:"invalidReceivers"`
}

// Send adds a job of one message. Without From, a short number sends it that can be answered.
func (o *OVH) Send(ctx context.Context, m Message) (string, error) {
	job := ovhJob{
		Message: m.Text, Receivers: []string{string(m.To)}, Sender: o.c.From, SenderForResponse: o.c.From == "",
		NoStopClause: true, Priority: "high", Charset: "UTF-8", Tag: ovhTag(m),
	}
	if !m.Expires.IsZero() {
		job.ValidityPeriod = min(max(int(time.Until(m.Expires)/time.Minute), 1), 2880)
	}
	var report ovhReport
	if err := o.ask(ctx, http.MethodPost, "/jobs", job, &report); err != nil {
		return "", err
	}
	switch {
	case len(report.IDs) > 0:
		return strconv.FormatInt(report.IDs[0], 10), nil
	case len(report.Invalid) > 0:
		return "", &Refused{Code: "invalidReceivers", Why: "the number is not valid, or has answered STOP"}
	}
	return "", fmt.Errorf("%w: OVHcloud's answer names no message", ErrUnsure)
}

// Find asks for the message by its tag among those sent, then by its text among those that
// still wait, which are not listed by tag.
func (o *OVH) Find(ctx context.Context, m Message) (string, bool, error) {
	var sent []int64
	if err := o.ask(ctx, http.MethodGet, "/outgoing?tag="+url.QueryEscape(ovhTag(m)), nil, &sent); err != nil {
		return "", false, err
	}
	if len(sent) > 0 {
		return strconv.FormatInt(slices.Min(sent), 10), true, nil
	}
	var waiting []int64
	if err := o.ask(ctx, http.MethodGet, "/jobs", nil, &waiting); err != nil {
		return "", false, err
	}
	slices.Sort(waiting)
	slices.Reverse(waiting) // the newest first
	for _, id := range waiting[:min(len(waiting), 20)] {
		var job struct {
			Message  string `json:"message"`
			Receiver string `json:"receiver"`
		}
		name := strconv.FormatInt(id, 10)
		switch err := o.ask(ctx, http.MethodGet, "/jobs/"+name, nil, &job); {
		case errors.Is(err, errOVHGone):
			// It left meanwhile; the list of those sent has it now.
			return "", false, fmt.Errorf("ask OVHcloud for a message: it is leaving")
		case err != nil:
			return "", false, err
		}
		if job.Message == m.Text && digits(job.Receiver) == digits(string(m.To)) {
			return name, true, nil
		}
	}
	return "", false, nil
}

// errOVHGone is a 404.
var errOVHGone = fmt.Errorf("%w: OVHcloud answers 404: check sms.ovh.service", ErrSettings)

// ask makes one exchange below /sms/{serviceName}.
func (o *OVH) ask(ctx context.Context, method, path string, body, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var l *ovhLine
	select {
	case l = <-o.lines:
		defer func() { o.lines <- l }()
	case <-ctx.Done():
		return fmt.Errorf("reach OVHcloud: %w", context.Cause(ctx))
	}
	// A request is signed with the provider's hour: it is asked for by itself, lest a failure
	// to learn it look like a failure to send.
	l.wire.reset(ctx)
	if _, err := l.TimeDelta(); err != nil {
		return fmt.Errorf("ask OVHcloud for the time: %w", bare(err))
	}
	l.wire.reset(ctx)
	err := l.CallAPIWithContext(ctx, method, "/sms/"+o.c.OVH.Service+path, body, answer, true)
	if err == nil {
		return nil
	}
	return o.judge(err, l.wire)
}

func (o *OVH) judge(err error, w *wire) error {
	if err := w.failed(err, time.Now()); err != nil {
		return err
	}
	var api *ovh.APIError
	if !errors.As(err, &api) {
		return fmt.Errorf("%w: status %d: %w", ErrUnsure, w.status, bare(err))
	}
	words := strings.ToLower(api.Message)
	switch {
	case w.status == http.StatusNotFound:
		return errOVHGone
	case w.status == http.StatusBadRequest && strings.Contains(words, "sender"):
		return fmt.Errorf("%w: OVHcloud answers 400: check sms.from: %s", ErrSettings, Scrub(api.Message))
	case w.status == http.StatusBadRequest && !strings.Contains(words, "credit") && !strings.Contains(words, "signature"):
		return &Refused{Code: strconv.Itoa(w.status), Why: Scrub(api.Message)}
	}
	// Credits, rights, an account that expired (460): messages wait until it is mended.
	return fmt.Errorf("%w: OVHcloud answers %d: %s", ErrSettings, w.status, Scrub(api.Message))
}

// ovhTag names a message at OVHcloud: its key may be longer than a tag.
func ovhTag(m Message) string {
	sum := sha256.Sum256([]byte(m.Key))
	return "decroche-" + hex.EncodeToString(sum[:8])
}

func digits(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
	return strings.TrimPrefix(s, "00")
}
