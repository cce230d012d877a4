package ari

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// Config says where Asterisk is and how to talk to it. URL, App, Username and Password
// have no default.
type Config struct {
	// URL is "http://127.0.0.1:8088/ari".
	URL string
	// App is the application's name; one client at a time has it.
	App      string
	Username string
	Password string
	// Log is slog.Default() when nil. It never gets the password, a query or a body.
	Log *slog.Logger
	// HTTPTimeout bounds a command (default 5 s).
	HTTPTimeout time.Duration
	// MaxConns bounds the HTTP connections (default 32; Asterisk's sessionlimit is 100).
	MaxConns int
	// MailboxSize is how many events a mailbox holds (default 256; 16 bytes each, and the events).
	MailboxSize int
	// PingEvery is how often the websocket is tried (default 10 s), ReadDeadline how
	// long the answer may take before the connection counts as lost (default 10 s).
	PingEvery, ReadDeadline time.Duration
	// BackoffMin and BackoffMax bound the wait before connecting again (default 100 ms
	// and 5 s); it doubles, and is shortened by up to half by Rand (default math/rand).
	BackoffMin, BackoffMax time.Duration
	Rand                   func() float64
	// EventFilterDisallow are event types Asterisk must not send. They are set on every connect.
	EventFilterDisallow []string
}

// Client talks to one Asterisk. Its commands work with or without Run.
type Client struct {
	cfg  Config
	log  *slog.Logger
	base string
	http *http.Client
	d    *dispatcher

	connected  atomic.Bool
	received   atomic.Uint64
	ignored    atomic.Uint64
	unknown    atomic.Uint64
	malformed  atomic.Uint64
	reconnects atomic.Uint64
}

// New makes a client; it connects nowhere yet.
func New(cfg Config) *Client {
	cfg.HTTPTimeout = cmp.Or(cfg.HTTPTimeout, 5*time.Second)
	cfg.MaxConns = cmp.Or(cfg.MaxConns, 32)
	cfg.MailboxSize = cmp.Or(cfg.MailboxSize, 256)
	cfg.PingEvery = cmp.Or(cfg.PingEvery, 10*time.Second)
	cfg.ReadDeadline = cmp.Or(cfg.ReadDeadline, 10*time.Second)
	cfg.BackoffMin = cmp.Or(cfg.BackoffMin, 100*time.Millisecond)
	cfg.BackoffMax = cmp.Or(cfg.BackoffMax, 5*time.Second)
	if cfg.Rand == nil {
		cfg.Rand = rand.Float64
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	return &Client{
		cfg: cfg, log: cfg.Log, base: strings.TrimRight(cfg.URL, "/"), d: newDispatcher(cfg.MailboxSize),
		http: &http.Client{Transport: &http.Transport{
			MaxIdleConnsPerHost: cfg.MaxConns,
			MaxConnsPerHost:     cfg.MaxConns,
			// Below Asterisk's session_keep_alive (15 s): a POST on a connection that Asterisk
			// just closed would fail, and may not be repeated.
			IdleConnTimeout: 10 * time.Second,
		}},
	}
}

// Close drops idle HTTP connections. Run must have returned.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// App is the application's name.
func (c *Client) App() string { return c.cfg.App }

// Connected says whether events come in.
func (c *Client) Connected() bool { return c.connected.Load() }

// Open makes a mailbox that claims the events about these channels, bridges and playbacks. Open
// first, then act. Several mailboxes may claim one id; each gets its events.
func (c *Client) Open(ids ...string) *Mailbox { return c.d.open(ids) }

// Stats counts events since New.
type Stats struct {
	// Received is every message of the websocket.
	Received uint64
	// Ignored are events Asterisk documents and nobody here uses; Unknown are not documented.
	Ignored, Unknown uint64
	// Malformed could not be read. Owners, where known, were told by a Resync.
	Malformed uint64
	// Overflowed found a mailbox full. Its owner was told by a Resync.
	Overflowed uint64
	// Discarded were held unclaimed when the connection was lost.
	Discarded  uint64
	Reconnects uint64
	// Mailboxes are open now, Held events wait now to be handed out.
	Mailboxes, Held int
}

// Stats gives the counters.
func (c *Client) Stats() Stats {
	c.d.mu.Lock()
	defer c.d.mu.Unlock()
	return Stats{
		Received: c.received.Load(), Ignored: c.ignored.Load(), Unknown: c.unknown.Load(), Malformed: c.malformed.Load(),
		Overflowed: c.d.overflowed, Discarded: c.d.discarded, Reconnects: c.reconnects.Load(),
		Mailboxes: len(c.d.boxes), Held: len(c.d.held),
	}
}

// do runs one command. What may be personal goes in the body, which no log has;
// query and body may be nil, out too.
func (c *Client) do(ctx context.Context, method, path string, query url.Values, body, out any) error {
	fail := func(status int, msg string, cause error) error {
		return &Error{Method: method, Path: path, Status: status, Message: msg, cause: cause}
	}
	var content io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("asterisk: %s %s: encode: %w", method, path, err)
		}
		content = bytes.NewReader(b)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.cfg.HTTPTimeout, fmt.Errorf("no answer in %v: %w", c.cfg.HTTPTimeout, context.DeadlineExceeded))
	defer cancel()
	target := c.base + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, content)
	if err != nil {
		return fail(0, "the address is not a URL", nil)
	}
	req.SetBasicAuth(c.cfg.Username, c.cfg.Password)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.http.Do(req)
	if err != nil {
		return fail(0, reason(ctx, err), cmp.Or(context.Cause(ctx), err))
	}
	defer res.Body.Close()
	return c.answer(ctx, res, out, fail)
}

func (c *Client) answer(ctx context.Context, res *http.Response, out any, fail func(int, string, error) error) error {
	b, err := io.ReadAll(io.LimitReader(res.Body, 64<<20))
	if err != nil {
		return fail(0, reason(ctx, err), cmp.Or(context.Cause(ctx), err))
	}
	if res.StatusCode/100 != 2 {
		var said struct{ Message, Error string }
		_ = json.Unmarshal(b, &said) // some answers are HTML, then the status says enough
		return fail(res.StatusCode, cmp.Or(said.Message, said.Error, http.StatusText(res.StatusCode)), nil)
	}
	switch out := out.(type) {
	case nil:
		return nil
	case *[]byte: // a file
		*out = b
		return nil
	}
	if err := json.Unmarshal(b, out); err != nil {
		return fail(res.StatusCode, "answer not understood: "+err.Error(), err)
	}
	return nil
}

// reason says why there was no answer, without the URL, whose query may be personal.
func reason(ctx context.Context, err error) string {
	if cause := context.Cause(ctx); cause != nil {
		return cause.Error()
	}
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err.Error()
	}
	return err.Error()
}

// esc makes one segment of a path. Asterisk reads + as a space there too.
func esc(segment string) string {
	return strings.ReplaceAll(url.PathEscape(segment), "+", "%2B")
}
