// Package hooks is where providers of text messages call us: what became of a message, and
// what citizens answer.
//
//	POST /hooks/twilio/status, /hooks/twilio/incoming    signed by Twilio over the public address
//	GET|POST /hooks/ovh/{token}/status                   OVHcloud signs nothing: the address is the secret
//	POST /hooks/ovh/{token}/incoming
//	POST /hooks/http/status, /hooks/http/incoming        HMAC-SHA256 over time and body
//
// A call that is not proved changes nothing and is answered 403. One that comes again changes
// nothing either. What cannot be saved is answered 500, so that the provider calls again. Logs
// hold no number, no text and no token.
//
// Twilio takes CANCEL for a STOP by default: take it off the opt-out keywords of the messaging
// service (Advanced Opt-Out), or who cancels a callback by this word gets no more messages.
package hooks

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"decroche/call"
	"decroche/sms"
)

// Reports saves what became of a message; it is a part of sms.Store.
type Reports interface {
	Report(ctx context.Context, provider, providerID string, s sms.State, why string, at time.Time) (m sms.Message, changed bool, err error)
}

// Inbox takes what citizens write; it is *sms.Inbox.
type Inbox interface {
	Receive(ctx context.Context, in sms.Incoming) error
}

// Hooks answers the providers' calls. The hooks of a provider whose secret is empty are not there.
type Hooks struct {
	Store Reports
	Inbox Inbox
	// Base is the public address in front of "/hooks/…", as sms.Config.CallbackURL: what Twilio
	// signs, whatever a proxy makes of it.
	Base string
	Secrets
	// Journal is told once of each message that was delivered, or that was sent and did not
	// arrive; nil: nothing is journaled.
	Journal call.Journal
	// Now is the time; time.Now when it is nil.
	Now func() time.Time
	Log *slog.Logger
}

// Secrets are what proves calls.
type Secrets struct {
	// TwilioToken is the account's token, TwilioAccount its SID.
	TwilioToken, TwilioAccount string
	// OVHToken is the part of the address that only OVHcloud knows; at least 16 characters.
	OVHToken string
	// HTTPSecret is the key of the generic provider's signatures; at least 16 characters.
	HTTPSecret string
}

// ReadSecrets reads those of the provider configured. Its errors say which setting to mend.
func ReadSecrets(c sms.Config) (Secrets, error) {
	var s Secrets
	var err error
	switch c.Provider {
	case "twilio":
		s.TwilioAccount = c.Twilio.AccountSID
		s.TwilioToken, err = sms.ReadSecret("sms.twilio.auth_token_file", c.Twilio.AuthTokenFile)
	case "ovh":
		s.OVHToken, err = long("sms.ovh.hook_token_file", c.OVH.HookTokenFile)
	case "http":
		s.HTTPSecret, err = long("sms.http.hook_secret_file", c.HTTP.HookSecretFile)
	}
	return s, err
}

// long reads a secret that may be left out, and may not be guessed.
func long(setting, path string) (string, error) {
	if path == "" {
		return "", nil
	}
	secret, err := sms.ReadSecret(setting, path)
	if err == nil && len(secret) < minSecret {
		return "", fmt.Errorf("%s: the secret in %s is to have %d characters or more", setting, path, minSecret)
	}
	return secret, err
}

const (
	maxBody = 64 << 10
	// tolerance is how far a signed time may be from ours.
	tolerance = 5 * time.Minute
	minSecret = 16
)

// Handler is the tree below /hooks/.
func (h *Hooks) Handler() http.Handler {
	if h.Now == nil {
		h.Now = time.Now
	}
	mux := http.NewServeMux()
	if h.TwilioToken != "" {
		mux.HandleFunc("POST /hooks/twilio/status", h.twilio(h.twilioStatus))
		mux.HandleFunc("POST /hooks/twilio/incoming", h.twilio(h.twilioIncoming))
	}
	if len(h.OVHToken) >= minSecret {
		mux.HandleFunc("GET /hooks/ovh/{token}/status", h.ovh(h.ovhStatus))
		mux.HandleFunc("POST /hooks/ovh/{token}/status", h.ovh(h.ovhStatus))
		mux.HandleFunc("POST /hooks/ovh/{token}/incoming", h.ovh(h.ovhIncoming))
	}
	if len(h.HTTPSecret) >= minSecret {
		mux.HandleFunc("POST /hooks/http/status", h.generic(h.genericStatus))
		mux.HandleFunc("POST /hooks/http/incoming", h.generic(h.genericIncoming))
	}
	return mux
}

// A refusal is a call that is answered with a status and changes nothing.
type refusal struct {
	status int
	why    string
}

func (e *refusal) Error() string { return e.why }

var errUnproved = &refusal{http.StatusForbidden, "the signature is missing or wrong"}

// finish answers a call that may have failed.
func (h *Hooks) finish(w http.ResponseWriter, hook string, err error) bool {
	var no *refusal
	switch {
	case err == nil:
		return true
	case errors.As(err, &no):
		h.Log.Warn("a provider's call is refused", "hook", hook, "status", no.status, "why", no.why)
		http.Error(w, no.why, no.status)
	default:
		h.Log.Error("a provider's call is not saved; it is to call again", "hook", hook, "err", err)
		http.Error(w, "not saved, call again", http.StatusInternalServerError)
	}
	return false
}

// read gives the body of a call of the content type wanted.
func read(w http.ResponseWriter, r *http.Request, want string) ([]byte, error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != want {
		return nil, &refusal{http.StatusUnsupportedMediaType, "the body is to be " + want}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var big *http.MaxBytesError
	switch {
	case errors.As(err, &big):
		return nil, &refusal{http.StatusRequestEntityTooLarge, "the body is too large"}
	case err != nil:
		return nil, &refusal{http.StatusBadRequest, "the body cannot be read"}
	}
	return body, nil
}

// form reads a body of fields. Of a field that comes twice the first counts, here and in signatures.
func form(w http.ResponseWriter, r *http.Request) (map[string]string, error) {
	body, err := read(w, r, "application/x-www-form-urlencoded")
	if err != nil {
		return nil, err
	}
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, &refusal{http.StatusBadRequest, "the body cannot be read"}
	}
	return firsts(values), nil
}

func firsts(values url.Values) map[string]string {
	fields := make(map[string]string, len(values))
	for k := range values {
		fields[k] = values.Get(k)
	}
	return fields
}

// report saves a message's state. One that is not known was sent by somebody else, or its id
// is not saved yet: the Store keeps the report for it.
func (h *Hooks) report(ctx context.Context, provider, id string, s sms.State, why string) error {
	if id == "" || len(id) > 200 {
		return &refusal{http.StatusBadRequest, "the message's id is missing"}
	}
	m, changed, err := h.Store.Report(ctx, provider, id, s, why, h.Now())
	if e, ok := sms.Reported(m); ok && changed && h.Journal != nil {
		h.Journal.Append(e)
	}
	return err
}

// receive hands a citizen's message over.
func (h *Hooks) receive(ctx context.Context, provider, id, from, text string, answered bool) error {
	if id == "" || len(id) > 200 {
		return &refusal{http.StatusBadRequest, "the message's id is missing"}
	}
	n, err := call.ParseNumber(from)
	if err != nil {
		n = call.Withheld // a short number or a name: kept, and nobody is answered
	}
	return h.Inbox.Receive(ctx, sms.Incoming{
		Provider: provider, ProviderID: id, From: n, Text: strings.ToValidUTF8(text, "�"), At: h.Now(), Answered: answered,
	})
}

// generic proves a call by X-Decroche-Timestamp (Unix seconds) and X-Decroche-Signature
// ("sha256=" and hexadecimal HMAC-SHA256 of timestamp, ".", body).
func (h *Hooks) generic(then func(ctx context.Context, body []byte) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := read(w, r, "application/json")
		if err == nil {
			err = h.proveGeneric(r, body)
		}
		if err == nil {
			err = then(r.Context(), body)
		}
		if h.finish(w, r.URL.Path, err) {
			w.WriteHeader(http.StatusNoContent)
		}
	}
}

func (h *Hooks) proveGeneric(r *http.Request, body []byte) error {
	stamp := r.Header.Get("X-Decroche-Timestamp")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return errUnproved
	}
	given, err := hex.DecodeString(strings.TrimPrefix(r.Header.Get("X-Decroche-Signature"), "sha256="))
	if err != nil {
		return errUnproved
	}
	mac := hmac.New(sha256.New, []byte(h.HTTPSecret))
	mac.Write([]byte(stamp + "."))
	mac.Write(body)
	if !hmac.Equal(mac.Sum(nil), given) {
		return errUnproved
	}
	if off := h.Now().Sub(time.Unix(seconds, 0)); off > tolerance || off < -tolerance {
		return &refusal{http.StatusForbidden, "the time signed is more than 5 minutes from ours"}
	}
	return nil
}

func (h *Hooks) genericStatus(ctx context.Context, body []byte) error {
	var b struct {
		ID     string    `json:"id"`
		State  sms.State `json:"state"`
		Reason string    `json:"reason"`
	}
	if err := json.Unmarshal(body, &b); err != nil {
		return &refusal{http.StatusBadRequest, "the body is no JSON of id, state and reason"}
	}
	switch b.State {
	case sms.Sent, sms.Delivered:
		return h.report(ctx, "http", b.ID, b.State, "")
	case sms.Failed:
		return h.report(ctx, "http", b.ID, b.State, sms.Scrub(b.Reason))
	case sms.Queued, sms.Sending:
		return nil
	}
	return &refusal{http.StatusUnprocessableEntity, "state is to be queued, sending, sent, delivered or failed"}
}

func (h *Hooks) genericIncoming(ctx context.Context, body []byte) error {
	var b struct {
		ID   string `json:"id"`
		From string `json:"from"`
		Text string `json:"text"`
	}
	if err := json.Unmarshal(body, &b); err != nil {
		return &refusal{http.StatusBadRequest, "the body is no JSON of id, from and text"}
	}
	return h.receive(ctx, "http", b.ID, b.From, b.Text, false)
}

// same compares secrets in constant time, lengths included.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}
