package sms

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"time"
)

// Config chooses and describes the provider. Secrets are in files of their own: nothing in
// the configuration needs hiding.
type Config struct {
	// Provider is "outbox" (the default: nothing leaves), "twilio", "ovh" or "http".
	Provider string `yaml:"provider"`
	// From is what telephones show: a number, or a name of at most 11 letters and digits, which
	// cannot be answered.
	From string `yaml:"from"`
	// CallbackURL is the public address before "/hooks/…" by which providers report deliveries,
	// "https://accueil.example.fr"; "" asks for no reports.
	CallbackURL string       `yaml:"callback_url"`
	Twilio      TwilioConfig `yaml:"twilio"`
	OVH         OVHConfig    `yaml:"ovh"`
	HTTP        HTTPConfig   `yaml:"http"`
}

// TwilioConfig is an account at Twilio.
type TwilioConfig struct {
	AccountSID string `yaml:"account_sid"` // "AC" and 32 hexadecimal digits
	// AuthTokenFile holds the account's token; it also proves Twilio's calls to our hooks.
	AuthTokenFile string `yaml:"auth_token_file"`
	// MessagingService chooses the sender instead of From: "MG" and 32 hexadecimal digits.
	MessagingService string `yaml:"messaging_service"`
	// Edge and Region choose where data are processed: "dublin" and "ie1" for Ireland.
	Edge   string `yaml:"edge"`
	Region string `yaml:"region"`
	// BaseURL replaces https://api.twilio.com, for tests.
	BaseURL string `yaml:"base_url"`
}

// OVHConfig is an SMS account at OVHcloud. The three keys need the rights POST /sms/*/jobs,
// GET /sms/*/jobs, GET /sms/*/jobs/*, GET /sms/*/outgoing and GET /sms/*/outgoing/*.
type OVHConfig struct {
	Service               string `yaml:"service"`  // "sms-ab12345-1"
	Endpoint              string `yaml:"endpoint"` // "ovh-eu" (the default), "ovh-ca", or an address for tests
	ApplicationKey        string `yaml:"application_key"`
	ApplicationSecretFile string `yaml:"application_secret_file"`
	ConsumerKeyFile       string `yaml:"consumer_key_file"`
	// HookTokenFile holds the part of our hooks' address that only OVHcloud knows: 16 characters
	// or more, letters and digits; "": OVHcloud does not call us.
	HookTokenFile string `yaml:"hook_token_file"`
}

// HTTPConfig describes any provider with an HTTP interface that takes one message a request.
type HTTPConfig struct {
	URL    string `yaml:"url"`
	Method string `yaml:"method"` // POST by default
	// Headers are sent as they are, {secret} replaced by the content of SecretFile.
	Headers    map[string]string `yaml:"headers"`
	SecretFile string            `yaml:"secret_file"`
	// Form says that the body is application/x-www-form-urlencoded; it is JSON otherwise.
	Form bool `yaml:"form"`
	// Body is a template: {to} (+33…), {from}, {text}, {key} (names the message) and {callback}
	// (CallbackURL and "/hooks/http/status"), each escaped as the body wants it.
	Body string `yaml:"body"`
	// IDPath leads to the provider's id in a JSON answer: "messages.0.id"; "": {key} is the
	// id. Where it leads nowhere the id is "no-id:" and the key: no report will find the message.
	IDPath string `yaml:"id_path"`
	// Refused are the statuses that trying again does not mend: 400, 410 and 422 by default.
	Refused []int `yaml:"refused"`
	// Later are the statuses that ask to wait: 429 and 503 by default.
	Later []int `yaml:"later"`
	// Idempotent says that the provider takes two messages with the same {key}, or the same
	// Idempotency-Key header, for one: after a crash it is sent again without a doubt.
	Idempotent bool `yaml:"idempotent"`
	// HookSecretFile holds the key by which the provider signs its calls to our hooks: 16
	// characters or more; "": it does not call us.
	HookSecretFile string `yaml:"hook_secret_file"`
	// AllowPlain permits http:// to another machine: numbers and texts cross the network in clear.
	AllowPlain bool `yaml:"allow_plain"`
}

// ErrSettings: the provider refuses our credentials, our sender or our account. Messages
// wait; an operator mends it.
var ErrSettings = errors.New("the provider refuses our settings")

// timeout bounds one exchange with a provider.
const timeout = 15 * time.Second

// New makes the provider that the configuration describes. Its errors say which setting to
// mend.
func New(c Config) (Provider, error) {
	var errs []error
	if c.CallbackURL != "" {
		if err := checkURL("sms.callback_url", c.CallbackURL, false); err != nil {
			errs = append(errs, err)
		}
		c.CallbackURL = strings.TrimSuffix(c.CallbackURL, "/")
	}
	var p Provider
	var err error
	switch c.Provider {
	case "", "outbox":
		p = Hold{}
	case "twilio":
		p, err = newTwilio(c)
	case "ovh":
		p, err = newOVH(c)
	case "http":
		p, err = newHTTP(c)
	default:
		err = fmt.Errorf("sms.provider: %q is not known: write outbox, twilio, ovh or http", c.Provider)
	}
	if errs = append(errs, err); errors.Join(errs...) != nil {
		return nil, errors.Join(errs...)
	}
	return p, nil
}

// Hold sends nothing: messages stay in the outbox, marked sent, for whoever wants to read them.
type Hold struct{}

// Name is "outbox".
func (Hold) Name() string { return "outbox" }

// Send takes the message and keeps it where it is.
func (Hold) Send(_ context.Context, m Message) (string, error) { return m.Key, nil }

// Find tells that every message was taken: there is nowhere to lose it.
func (Hold) Find(_ context.Context, m Message) (string, bool, error) { return m.Key, true, nil }

// ReadSecret reads the one line of a secret's file, which others may not read. setting names
// it in errors; they never hold its content.
func ReadSecret(setting, path string) (string, error) {
	if path == "" {
		return "", fmt.Errorf("%s: write the path of a file that holds the secret", setting)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", setting, err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("%s: %w", setting, err)
	}
	if !st.Mode().IsRegular() {
		return "", fmt.Errorf("%s: %s is no file", setting, path)
	}
	if st.Mode().Perm()&0o007 != 0 {
		return "", fmt.Errorf("%s: %s may be read by everybody on this machine (mode %04o): chmod 600 it, and change the secret if others use the machine", setting, path, st.Mode().Perm())
	}
	raw, err := io.ReadAll(io.LimitReader(f, 4097))
	if err != nil {
		return "", fmt.Errorf("%s: read %s: %w", setting, path, err)
	}
	secret := strings.TrimSpace(string(raw))
	if secret == "" || len(raw) > 4096 || strings.ContainsAny(secret, "\r\n") {
		return "", fmt.Errorf("%s: %s holds no secret: write it there, alone, on one line", setting, path)
	}
	return secret, nil
}

// checkURL wants https, or http where nothing leaves the machine or plain is allowed.
func checkURL(setting, raw string, plain bool) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("%s: %q is no address: write https://…", setting, raw)
	case u.User != nil:
		return fmt.Errorf("%s: the address holds a password, which logs would show: put it in a file", setting)
	case u.Scheme == "http" && !plain && !loopback(u.Hostname()):
		return fmt.Errorf("%s: %s would carry telephone numbers in clear: write https://…", setting, raw)
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
