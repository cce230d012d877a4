package ari

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// Up is what is known when the connection has come up.
type Up struct {
	// First is true once per Run.
	First bool
	// Restarted says that Asterisk started anew since the last connection: its channels and
	// pushed configuration are gone.
	Restarted bool
	// Info has Asterisk's version and start.
	Info AsteriskInfo
	// Application lists the channels and bridges that still belong to the application.
	Application Application
}

// readLimit bounds a message: events with many channels have hundreds of kB.
const readLimit = 16 << 20

// Run connects and stays connected until ctx ends, then returns ctx's cause. It returns
// early only on ErrUnauthorized and ErrReplaced; an Asterisk that is not there is tried
// again, for ever.
//
// After every connect it calls onUp, whose context ends when that connection is lost;
// onUp's error drops the connection, and it is tried again. Unclaimed events are given to
// unclaimed, one at a time, once onUp has returned; it should be quick, for those behind it
// wait. Both run in Run's goroutines: nothing of
// them is left when Run returns. One Run at a time.
func (c *Client) Run(ctx context.Context, onUp func(ctx context.Context, up Up) error, unclaimed func(Event)) error {
	r := runner{Client: c, onUp: onUp, unclaimed: unclaimed}
	wait := c.cfg.BackoffMin
	var told time.Time
	for {
		up, err := r.connection(ctx)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, ErrUnauthorized):
			return fmt.Errorf("asterisk at %s refuses user %q: check the password in ari.conf and in the configuration: %w", c.base, c.cfg.Username, err)
		case errors.Is(err, ErrReplaced):
			return fmt.Errorf("application %q on the asterisk at %s: %w", c.cfg.App, c.base, err)
		}
		if up {
			wait = c.cfg.BackoffMin
		}
		pause := time.Duration(float64(wait) * (1 - c.cfg.Rand()/2))
		if up || time.Since(told) >= time.Second { // the first tries come fast
			told = time.Now()
			c.log.Warn("no connection to asterisk, trying again", "url", c.base, "err", err, "in", pause.Round(time.Millisecond))
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		wait = min(2*wait, c.cfg.BackoffMax)
	}
}

type runner struct {
	*Client
	onUp      func(context.Context, Up) error
	unclaimed func(Event)
	dialed    int
	ups       int
	startup   time.Time
}

// connection lives through one connection and says whether it came up.
func (r *runner) connection(ctx context.Context) (up bool, err error) {
	conn, err := r.dial(ctx)
	if err != nil {
		return false, err
	}
	ctx, drop := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	if r.dialed++; r.dialed > 1 {
		r.reconnects.Add(1)
		r.d.all(&Resync{Reason: Reconnected, at: time.Now()})
	}
	r.connected.Store(true)
	wg.Go(func() { drop(r.read(ctx, conn)) })
	wg.Go(func() { drop(r.ping(ctx, conn)) })
	up, err = r.serve(ctx)
	drop(err)
	_ = conn.CloseNow() // ends read and ping, whatever they wait for
	wg.Wait()
	err = context.Cause(ctx)
	r.connected.Store(false)
	r.d.discard()
	r.d.all(&Down{Err: err, at: time.Now()})
	return up, err
}

// serve does what follows a connect, then hands out events until ctx ends.
func (r *runner) serve(ctx context.Context) (up bool, err error) {
	info, err := r.prepare(ctx)
	if err != nil {
		return false, err
	}
	r.ups++
	r.log.Info("connected to asterisk", "url", r.base, "app", r.cfg.App, "first", info.First, "restarted", info.Restarted)
	if err := r.onUp(ctx, info); err != nil {
		return false, fmt.Errorf("take up the state of asterisk: %w", err)
	}
	r.d.handOut(ctx, r.unclaimed)
	return true, nil
}

// prepare sets the event filter and asks how things stand.
func (r *runner) prepare(ctx context.Context) (up Up, err error) {
	if len(r.cfg.EventFilterDisallow) > 0 {
		if err := r.SetEventFilter(ctx, r.cfg.EventFilterDisallow); err != nil {
			return up, err
		}
	}
	if up.Info, err = r.Info(ctx); err != nil {
		return up, err
	}
	if up.Application, err = r.Application(ctx); err != nil {
		return up, err
	}
	up.First = r.ups == 0
	if s := up.Info.Status; s != nil {
		up.Restarted = !r.startup.IsZero() && !r.startup.Equal(s.StartupTime.Time)
		r.startup = s.StartupTime.Time
	}
	return up, nil
}

func (r *runner) dial(ctx context.Context) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.HTTPTimeout)
	defer cancel()
	req := http.Request{Header: http.Header{}}
	req.SetBasicAuth(r.cfg.Username, r.cfg.Password)
	conn, res, err := websocket.Dial(ctx, r.base+"/events?app="+url.QueryEscape(r.cfg.App), &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
		HTTPHeader: req.Header,
	})
	if err != nil {
		status := 0
		if res != nil && res.StatusCode != http.StatusSwitchingProtocols {
			status = res.StatusCode
		}
		return nil, &Error{Method: "GET", Path: "/events", Status: status, Message: err.Error(), cause: err}
	}
	conn.SetReadLimit(readLimit)
	return conn, nil
}

// ping notices a connection that is dead without saying so.
func (r *runner) ping(ctx context.Context, conn *websocket.Conn) error {
	tick := time.NewTicker(r.cfg.PingEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		pctx, cancel := context.WithTimeout(ctx, r.cfg.ReadDeadline)
		err := conn.Ping(pctx)
		cancel()
		if err != nil {
			return fmt.Errorf("websocket does not answer a ping within %v: %w", r.cfg.ReadDeadline, err)
		}
	}
}

var errBacklog = errors.New("too many events wait to be handed out")

// read takes events from the websocket until it fails.
func (r *runner) read(ctx context.Context, conn *websocket.Conn) error {
	var buf bytes.Buffer
	var s scanner
	for {
		_, msg, err := conn.Reader(ctx)
		if err != nil {
			return fmt.Errorf("websocket: %w", err)
		}
		buf.Reset()
		if _, err := buf.ReadFrom(msg); err != nil {
			return fmt.Errorf("websocket: %w", err)
		}
		if err := r.take(&s, buf.Bytes()); err != nil {
			return err
		}
		if buf.Cap() > 1<<20 {
			buf = bytes.Buffer{} // one huge event need not be paid for ever
		}
	}
}

// take reads one event and gives it to its owners. Only what ends the connection is an error.
func (r *runner) take(s *scanner, msg []byte) error {
	r.received.Add(1)
	if err := s.scan(msg); err != nil || len(s.kind) == 0 {
		r.malformed.Add(1)
		r.log.Warn("malformed event skipped", "bytes", len(msg))
		return nil
	}
	if unused[string(s.kind)] {
		r.ignored.Add(1)
		return nil
	}
	e := newEvent(string(s.kind))
	if e == nil {
		r.unknown.Add(1)
		r.log.Debug("unknown event skipped", "type", string(s.kind))
		return nil
	}
	if err := json.Unmarshal(msg, e); err != nil {
		r.malformed.Add(1)
		r.log.Warn("malformed event skipped", "type", string(s.kind), "bytes", len(msg))
		r.d.undecodable(s.ids)
		return nil
	}
	if _, ok := e.(*ApplicationReplaced); ok {
		return ErrReplaced
	}
	if !r.d.deliver(e, s.ids) {
		return errBacklog
	}
	return nil
}
