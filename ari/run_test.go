package ari

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

func TestRunCallsOnUpAfterEveryConnectWithTheApplication(t *testing.T) {
	f := newFake(t)
	c := f.client(func(c *Config) { c.EventFilterDisallow = []string{"ChannelVarset"} })
	r := start(t, c, nil)
	up := receive(t, r.ups)
	if !up.First || up.Restarted || up.Info.System.Version != "22.10.1" || up.Application.ChannelIDs[0] != "c1" {
		t.Fatalf("first up: %+v", up)
	}
	if !c.Connected() {
		t.Fatal("not connected while up")
	}
	_ = f.conn().CloseNow()
	if up := receive(t, r.ups); up.First || up.Restarted {
		t.Fatalf("second up: %+v", up)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.filters) != 2 || f.filters[1] != `{"disallowed":[{"type":"ChannelVarset"}]}` {
		t.Fatalf("event filters %q, want one each connect", f.filters)
	}
	for _, q := range f.requests {
		if strings.Contains(q.URL.String(), "secret") || q.URL.Query().Has("subscribeAll") {
			t.Fatalf("request %s", q.URL)
		}
	}
	if got := c.Stats().Reconnects; got != 1 {
		t.Fatalf("%d reconnects", got)
	}
}

func TestMailboxHearsOfTheLossAndOfTheReturn(t *testing.T) {
	f := newFake(t)
	c := f.client()
	box := c.Open("c1")
	r := start(t, c, nil)
	receive(t, r.ups)
	conn := f.conn()
	f.send(conn, digit("c1", "1"))
	want[*ChannelDtmfReceived](t, box.Events())
	_ = conn.CloseNow()
	if down := want[*Down](t, box.Events()); down.Err == nil {
		t.Fatal("down without a reason")
	}
	if re := want[*Resync](t, box.Events()); re.Reason != Reconnected {
		t.Fatalf("resync for %q", re.Reason)
	}
	f.send(f.conn(), digit("c1", "2"))
	if e := want[*ChannelDtmfReceived](t, box.Events()); e.Digit != "2" {
		t.Fatalf("digit %q", e.Digit)
	}
}

func TestUnclaimedEventsWaitForOnUpWhileMailboxesGetTheirs(t *testing.T) {
	f := newFake(t)
	c := f.client()
	box := c.Open("mine")
	proceed := make(chan struct{})
	r := start(t, c, func(context.Context, Up) error { <-proceed; return nil })
	receive(t, r.ups)
	f.send(f.conn(), digit("other", "1"), digit("mine", "2"))
	want[*ChannelDtmfReceived](t, box.Events())
	select {
	case e := <-r.unclaimed:
		t.Fatalf("%T handed out before onUp returned", e)
	default:
	}
	close(proceed)
	if e := want[*ChannelDtmfReceived](t, r.unclaimed); e.Channel.ID != "other" {
		t.Fatalf("channel %q", e.Channel.ID)
	}
}

func TestMailboxOpenedInUnclaimedMissesNothingAndKeepsTheOrder(t *testing.T) {
	f := newFake(t)
	c := f.client(func(c *Config) { c.MailboxSize = 200 })
	ctx, cancel := context.WithCancel(context.Background())
	boxes := make(chan *Mailbox, 1)
	sent := make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- c.Run(ctx, func(context.Context, Up) error { return nil }, func(e Event) {
			<-sent // so that some of what follows is held, and some still to come
			boxes <- c.Open(e.IDs()[0])
		})
	}()
	conn := f.conn()
	for i := range 100 {
		f.send(conn, digit("c9", fmt.Sprint(i)))
		if i == 50 {
			close(sent)
		}
	}
	box := receive(t, boxes)
	for i := 1; i < 100; i++ {
		if e := want[*ChannelDtmfReceived](t, box.Events()); e.Digit != fmt.Sprint(i) {
			t.Fatalf("digit %q at place %d", e.Digit, i)
		}
	}
	cancel()
	receive(t, done)
	if len(boxes) != 0 {
		t.Fatal("an event of a claimed channel was handed out as unclaimed")
	}
}

func TestFullMailboxGetsOneResyncAfterWhatItHolds(t *testing.T) {
	f := newFake(t)
	c := f.client() // 8 events
	box := c.Open("c1")
	mark := c.Open("mark")
	r := start(t, c, nil)
	receive(t, r.ups)
	conn := f.conn()
	for i := range 20 {
		f.send(conn, digit("c1", fmt.Sprint(i)))
	}
	f.send(conn, digit("mark", "1"))
	want[*ChannelDtmfReceived](t, mark.Events())
	for i := range 8 {
		if e := want[*ChannelDtmfReceived](t, box.Events()); e.Digit != fmt.Sprint(i) {
			t.Fatalf("digit %q at place %d", e.Digit, i)
		}
	}
	if re := want[*Resync](t, box.Events()); re.Reason != Overflowed {
		t.Fatalf("resync for %q", re.Reason)
	}
	if box.Lost() != 12 || c.Stats().Overflowed != 12 {
		t.Fatalf("lost %d, overflowed %d, want 12", box.Lost(), c.Stats().Overflowed)
	}
	f.send(conn, digit("c1", "20"))
	if e := want[*ChannelDtmfReceived](t, box.Events()); e.Digit != "20" {
		t.Fatalf("digit %q after the resync", e.Digit)
	}
}

func TestUnknownAndMalformedEventsAreCountedAndSkipped(t *testing.T) {
	f := newFake(t)
	var logged bytes.Buffer
	c := f.client(func(c *Config) { c.Log = slog.New(slog.NewTextHandler(&logged, nil)) })
	box := c.Open("c1")
	r := start(t, c, nil)
	receive(t, r.ups)
	f.send(f.conn(),
		`{"type":"NobodyKnows","channel":{"id":"c1"}}`,
		`{"type":"ChannelVarset","channel":{"id":"c1"}}`,
		`{"type":"ChannelDtmfReceived","digit":"8675309","channel":`, ``, `[]`, `{}`, `nonsense`,
		`{"type":"ChannelDtmfReceived","digit":{"a":1},"channel":{"id":"c1"}}`,
		digit("c1", "5"))
	if re := want[*Resync](t, box.Events()); re.Reason != Undecodable {
		t.Fatalf("resync for %q", re.Reason)
	}
	if e := want[*ChannelDtmfReceived](t, box.Events()); e.Digit != "5" {
		t.Fatalf("digit %q", e.Digit)
	}
	s := c.Stats()
	if s.Received != 9 || s.Unknown != 1 || s.Ignored != 1 || s.Malformed != 6 {
		t.Fatalf("stats %+v", s)
	}
	r.stop()
	receive(t, r.done)
	if out := logged.String(); strings.Contains(out, "8675309") || strings.Contains(out, "secret") {
		t.Fatalf("the log tells too much: %s", out)
	}
}

func TestRefusedPasswordIsFatalAndSaysSo(t *testing.T) {
	f := newFake(t)
	c := f.client(func(c *Config) { c.Password = "wr0ng-one" })
	err := receive(t, start(t, c, nil).done)
	if !errors.Is(err, ErrUnauthorized) || !strings.Contains(err.Error(), "check the password") || strings.Contains(err.Error(), "wr0ng-one") {
		t.Fatalf("error %v", err)
	}
}

func TestReplacedApplicationEndsRun(t *testing.T) {
	f := newFake(t)
	r := start(t, f.client(), nil)
	receive(t, r.ups)
	f.send(f.conn(), `{"type":"ApplicationReplaced","application":"app","timestamp":"2026-11-22T21:24:57.847+0000"}`)
	if err := receive(t, r.done); !errors.Is(err, ErrReplaced) {
		t.Fatalf("error %v", err)
	}
}

func TestUnreachableAsteriskIsTriedUntilTheContextEnds(t *testing.T) {
	f := newFake(t)
	c := f.client()
	f.Close()
	if _, err := c.Channels(t.Context()); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("a command's error is %v", err)
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, errors.New("enough"))
	defer cancel()
	if err := c.Run(ctx, nil, nil); err == nil || err.Error() != "enough" {
		t.Fatalf("error %v, want the context's cause", err)
	}
}

func TestFailedOnUpDropsTheConnectionAndTriesAgain(t *testing.T) {
	f := newFake(t)
	n := 0
	r := start(t, f.client(), func(context.Context, Up) error {
		if n++; n == 1 {
			return errors.New("the database is locked")
		}
		return nil
	})
	receive(t, r.ups)
	receive(t, r.ups)
	f.conn()
	f.send(f.conn(), digit("c1", "1"))
	want[*ChannelDtmfReceived](t, r.unclaimed)
}

func TestOnUpContextEndsWithItsConnection(t *testing.T) {
	f := newFake(t)
	causes := make(chan error, 1)
	r := start(t, f.client(), func(ctx context.Context, up Up) error {
		if up.First {
			<-ctx.Done()
			causes <- context.Cause(ctx)
		}
		return nil
	})
	receive(t, r.ups)
	_ = f.conn().CloseNow()
	if err := receive(t, causes); err == nil || !strings.Contains(err.Error(), "websocket") {
		t.Fatalf("cause %v", err)
	}
	receive(t, r.ups)
}

func TestWebsocketThatDoesNotAnswerPingsIsDropped(t *testing.T) {
	conns := make(chan struct{}, 16)
	f := newFake(t)
	mute := f.Config.Handler
	f.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/ari/events" {
			mute.ServeHTTP(w, r)
			return
		}
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Errorf("accept: %v", err)
			return
		}
		conns <- struct{}{}
		nc := websocket.NetConn(r.Context(), conn, websocket.MessageText) // never read: no pong
		<-t.Context().Done()
		_ = nc.Close()
	})
	c := f.client(func(c *Config) { c.PingEvery, c.ReadDeadline = 10*time.Millisecond, 50*time.Millisecond })
	box := c.Open("c1")
	start(t, c, nil)
	receive(t, conns)
	if down := want[*Down](t, box.Events()); !strings.Contains(down.Err.Error(), "ping") {
		t.Fatalf("down for %v", down.Err)
	}
	receive(t, conns)
}

func TestBigEventPasses(t *testing.T) {
	f := newFake(t)
	c := f.client()
	box := c.Open("c1")
	r := start(t, c, nil)
	receive(t, r.ups)
	big := strings.Repeat("x", 500_000)
	f.send(f.conn(), digit("c1", big))
	if e := want[*ChannelDtmfReceived](t, box.Events()); e.Digit != big {
		t.Fatalf("%d bytes", len(e.Digit))
	}
}
