package sms

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/twilio/twilio-go/client"
	twilioapi "github.com/twilio/twilio-go/rest/api/v2010"
)

// Twilio sends by Twilio's Messages resource. It has no key of idempotency: after a doubt,
// Find looks for the message in Twilio's list.
type Twilio struct {
	c     Config
	token string
	base  *url.URL
	pool  *http.Transport
}

var (
	twilioAccount = regexp.MustCompile(`^AC[0-9a-fA-F]{32}$`)
	twilioService = regexp.MustCompile(`^MG[0-9a-fA-F]{32}$`)
)

func newTwilio(c Config) (*Twilio, error) {
	t := &Twilio{c: c, pool: transport()}
	var errs []error
	if !twilioAccount.MatchString(c.Twilio.AccountSID) {
		errs = append(errs, errors.New("sms.twilio.account_sid: write the account's SID, AC and 32 hexadecimal digits"))
	}
	if s := c.Twilio.MessagingService; s != "" && !twilioService.MatchString(s) {
		errs = append(errs, errors.New("sms.twilio.messaging_service: write the service's SID, MG and 32 hexadecimal digits"))
	}
	if c.Twilio.MessagingService == "" && c.From == "" {
		errs = append(errs, errors.New("sms.from: write the sender's number or name, or set sms.twilio.messaging_service"))
	}
	var err error
	if t.token, err = ReadSecret("sms.twilio.auth_token_file", c.Twilio.AuthTokenFile); err != nil {
		errs = append(errs, err)
	}
	if c.Twilio.BaseURL != "" {
		if err := checkURL("sms.twilio.base_url", c.Twilio.BaseURL, false); err != nil {
			errs = append(errs, err)
		} else if t.base, err = url.Parse(c.Twilio.BaseURL); err != nil {
			errs = append(errs, err)
		}
	}
	return t, errors.Join(errs...)
}

// Name is "twilio".
func (*Twilio) Name() string { return "twilio" }

// api is Twilio's client over a wire of its own: the library knows no contexts.
func (t *Twilio) api(ctx context.Context) (*twilioapi.ApiService, *wire) {
	w := &wire{next: t.pool, base: t.base}
	w.reset(ctx)
	c := &client.Client{
		Credentials: client.NewCredentials(t.c.Twilio.AccountSID, t.token),
		HTTPClient: &http.Client{
			Transport:     w,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	c.SetAccountSid(t.c.Twilio.AccountSID)
	// Not NewRequestHandler, which would read the process's environment.
	return twilioapi.NewApiService(&client.RequestHandler{Client: c, Edge: t.c.Twilio.Edge, Region: t.c.Twilio.Region}), w
}

// Send creates the message at Twilio and returns its SID.
func (t *Twilio) Send(ctx context.Context, m Message) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	p := &twilioapi.CreateMessageParams{}
	p.SetTo(string(m.To)).SetBody(m.Text)
	if t.c.Twilio.MessagingService != "" {
		p.SetMessagingServiceSid(t.c.Twilio.MessagingService)
	}
	if t.c.From != "" {
		p.SetFrom(t.c.From)
	}
	if t.c.CallbackURL != "" {
		p.SetStatusCallback(t.c.CallbackURL + "/hooks/twilio/status")
	}
	if !m.Expires.IsZero() {
		left := int(time.Until(m.Expires) / time.Second)
		p.SetValidityPeriod(min(max(left, 6), 36000)) // Twilio advises against 5 s and less
	}
	api, w := t.api(ctx)
	made, err := api.CreateMessage(p)
	if err != nil {
		return "", t.judge(err, w)
	}
	if w.status >= 300 {
		return "", w.failed(errors.New("a redirection"), time.Now())
	}
	if made.Sid == nil || *made.Sid == "" {
		return "", fmt.Errorf("%w: Twilio's answer names no message", ErrUnsure)
	}
	return *made.Sid, nil
}

// Find looks for the message in the list of those to its number. It does not ask by the date
// of sending, which a message still in Twilio's queue has not, but compares the date of
// creation. A message with the same text a moment earlier is taken for it: the citizen has it.
func (t *Twilio) Find(ctx context.Context, m Message) (string, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	p := &twilioapi.ListMessageParams{}
	p.SetTo(string(m.To)).SetPageSize(200)
	api, w := t.api(ctx)
	page, err := api.PageMessage(p, "", "")
	if err != nil {
		return "", false, t.judge(err, w)
	}
	if w.status >= 300 {
		return "", false, w.failed(errors.New("a redirection"), time.Now())
	}
	since := m.Created.Add(-2 * time.Minute) // clocks differ
	for _, l := range page.Messages {
		if l.Sid == nil || l.Body == nil || *l.Body != m.Text || l.Direction == nil || !strings.HasPrefix(*l.Direction, "outbound") {
			continue
		}
		if made, ok := twilioTime(l.DateCreated); !ok || made.Before(since) {
			continue
		}
		return *l.Sid, true, nil
	}
	return "", false, nil
}

func twilioTime(s *string) (time.Time, bool) {
	if s == nil {
		return time.Time{}, false
	}
	at, err := time.Parse(time.RFC1123Z, *s)
	return at, err == nil
}

// What Twilio's codes mean; docs/api/errors of Twilio has them all. A code of neither set
// with a status of 4xx is a refusal.
var (
	twilioRefusals = map[int]string{
		21211: "the number is not valid", 21214: "the number cannot be reached", 21217: "the number is not valid",
		21219: "the number is not verified, which a trial account wants", 21265: "the number cannot be a short code",
		21408: "the account may not send to this country", 21602: "the text is empty", 21604: "the number is missing",
		21610: "the citizen has answered STOP", 21612: "this sender cannot reach this number",
		21614: "the number is no mobile", 21617: "the text is too long", 21635: "the number is a landline",
	}
	twilioSettings = map[int]string{
		20003: "check sms.twilio.account_sid and the token's file", 20005: "the account is not active", 20404: "check sms.twilio.account_sid",
		21212: "check sms.from", 21603: "check sms.from", 21606: "check sms.from: the account has no such sender",
		21609: "check sms.callback_url", 21659: "check sms.from: the account has no such sender", 21660: "check sms.from: another account's sender",
		21701: "check sms.twilio.messaging_service", 21703: "the messaging service has no sender", 21704: "the messaging service has no sender",
		21705: "check sms.twilio.messaging_service", 30002: "the account is suspended", 90010: "the account is not active",
	}
	twilioLater = map[int]bool{
		14107: true, 20429: true, 21611: true, 30001: true, 30022: true, 63018: true, 63038: true,
	}
)

// judge turns an error of the library into one of this package's kinds.
func (t *Twilio) judge(err error, w *wire) error {
	var rest *client.TwilioRestError
	errors.As(err, &rest)
	if rest != nil && twilioLater[rest.Code] {
		return &Later{After: retryAfter(w.after, time.Now()), Why: "Twilio's code " + strconv.Itoa(rest.Code)}
	}
	if err := w.failed(err, time.Now()); err != nil {
		return err
	}
	if rest == nil {
		rest = &client.TwilioRestError{} // a page of some proxy: the status alone tells
	}
	if advice, ours := twilioSettings[rest.Code]; ours {
		return fmt.Errorf("%w: Twilio answers %d, code %d: %s", ErrSettings, w.status, rest.Code, advice)
	}
	if w.status == http.StatusUnauthorized || w.status == http.StatusForbidden && rest.Code == 0 || w.status == http.StatusNotFound {
		return fmt.Errorf("%w: Twilio answers %d, code %d: %s", ErrSettings, w.status, rest.Code, twilioSettings[20003])
	}
	why, known := twilioRefusals[rest.Code]
	if !known {
		why = Scrub(rest.Message)
	}
	if rest.Code == 0 && !known {
		return fmt.Errorf("%w: an answer of status %d that is not Twilio's", ErrSettings, w.status)
	}
	return &Refused{Code: strconv.Itoa(rest.Code), Why: why, Stopped: rest.Code == 21610}
}
