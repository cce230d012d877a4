package ari

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// fake is a server that speaks as much of the interface as Run needs, to make what
// a real Asterisk does only when something is broken.
type fake struct {
	*httptest.Server
	t     *testing.T
	conns chan *websocket.Conn

	mu       sync.Mutex
	password string
	filters  []string
	requests []*http.Request
}

func newFake(t *testing.T) *fake {
	f := &fake{t: t, conns: make(chan *websocket.Conn, 16), password: "secret"}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ari/events", f.events)
	mux.HandleFunc("GET /ari/asterisk/info", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"system":{"version":"22.10.1"},"status":{"startup_time":"2026-11-22T10:00:00.000+0000"}}`)
	})
	mux.HandleFunc("GET /ari/applications/app", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"name":"app","channel_ids":["c1"],"bridge_ids":["b1"]}`)
	})
	mux.HandleFunc("PUT /ari/applications/app/eventFilter", func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		f.mu.Lock()
		f.filters = append(f.filters, string(b))
		f.mu.Unlock()
	})
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.requests = append(f.requests, r)
		ok := f.password
		f.mu.Unlock()
		if _, p, _ := r.BasicAuth(); p != ok {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error":"Invalid credentials"}`)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *fake) events(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		f.t.Errorf("accept: %v", err)
		return
	}
	ctx := conn.CloseRead(context.Background()) // answers pings
	f.conns <- conn
	<-ctx.Done()
}

func (f *fake) client(change ...func(*Config)) *Client {
	cfg := Config{
		URL: f.URL + "/ari", App: "app", Username: "ari", Password: "secret", MailboxSize: 8,
		Log: slog.New(slog.DiscardHandler), BackoffMin: time.Millisecond, BackoffMax: 10 * time.Millisecond,
	}
	for _, c := range change {
		c(&cfg)
	}
	c := New(cfg)
	f.t.Cleanup(c.Close)
	return c
}

// conn is the next connection a client makes.
func (f *fake) conn() *websocket.Conn {
	f.t.Helper()
	return receive(f.t, f.conns)
}

func (f *fake) send(conn *websocket.Conn, events ...string) {
	f.t.Helper()
	for _, e := range events {
		if err := conn.Write(context.Background(), websocket.MessageText, []byte(e)); err != nil {
			f.t.Fatalf("send: %v", err)
		}
	}
}

// run runs a client until the test ends, and gives what onUp and unclaimed get.
type running struct {
	ups       chan Up
	unclaimed chan Event
	done      chan error
	stop      context.CancelFunc
}

func start(t *testing.T, c *Client, onUp func(context.Context, Up) error) *running {
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{ups: make(chan Up, 64), unclaimed: make(chan Event, 1024), done: make(chan error, 1), stop: cancel}
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		r.done <- c.Run(ctx, func(ctx context.Context, up Up) error {
			r.ups <- up
			if onUp != nil {
				return onUp(ctx, up)
			}
			return nil
		}, func(e Event) { r.unclaimed <- e })
	}()
	t.Cleanup(func() {
		cancel()
		<-finished
	})
	return r
}

func receive[T any](t *testing.T, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(10 * time.Second):
		var zero T
		t.Fatalf("no %T within 10 s", zero)
		return zero
	}
}

// want takes the next event and checks its type.
func want[E Event](t *testing.T, ch <-chan Event) E {
	t.Helper()
	e := receive(t, ch)
	got, ok := e.(E)
	if !ok {
		t.Fatalf("event is %T %+v, not %T", e, e, got)
	}
	return got
}

// until passes over events of other types.
func until[E Event](t *testing.T, ch <-chan Event) E {
	t.Helper()
	for {
		if e, ok := receive(t, ch).(E); ok {
			return e
		}
	}
}

// digit is the event of a key on a channel.
func digit(channel, key string) string {
	b, _ := json.Marshal(key)
	return `{"type":"ChannelDtmfReceived","timestamp":"2026-11-22T21:24:57.847+0000","digit":` + string(b) + `,"duration_ms":100,` +
		`"channel":{"id":"` + channel + `","name":"PJSIP/trunk-00000001","state":"Up","protocol_id":"x","caller":{"name":"","number":"+33199000001"},` +
		`"connected":{"name":"","number":""},"accountcode":"","dialplan":{"context":"in","exten":"s","priority":3,"app_name":"Stasis","app_data":"app"},` +
		`"creationtime":"2026-11-22T21:24:50.000+0000","language":"fr"},"asterisk_id":"02:fc:00:00:00:01","application":"app"}`
}

func newServer(t *testing.T, h http.Handler) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}
