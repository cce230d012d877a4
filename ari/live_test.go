package ari

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// These tests run against a real Asterisk.

func TestRealListOfSoundsPlaysInOrderAndStopsAtOnce(t *testing.T) {
	t.Parallel()
	a := startAsterisk(t)
	c := a.client()
	a.up(c)
	ctx := t.Context()
	box := a.call(c, "line+1/é", "heard") // an id that needs escaping
	ch, err := c.Channel(ctx, "line+1/é")
	a.ok(err)
	if ch.State != "Up" || ch.Var("MARK") != "m1" || time.Since(ch.Creationtime.Time).Abs() > time.Minute {
		t.Fatalf("channel %+v", ch)
	}
	box.Add("pb1")
	media := []string{a.sound("a"), a.sound("b"), a.sound("c")}
	a.must(c.Play(ctx, ch.ID, Play{ID: "pb1", Media: media}))
	for i, m := range media {
		if s := until[*PlaybackStarted](t, box.Events()); s.Playback.MediaURI != m {
			t.Fatalf("started %q at place %d", s.Playback.MediaURI, i)
		}
		if i < 2 {
			if e := want[*PlaybackContinuing](t, box.Events()); e.Playback.NextMediaURI != media[i+1] {
				t.Fatalf("continuing with %q", e.Playback.NextMediaURI)
			}
		}
	}
	if f := want[*PlaybackFinished](t, box.Events()); f.Playback.State != "done" || f.Playback.ID != "pb1" {
		t.Fatalf("finished: %+v", f.Playback)
	}
	// Asterisk forgets a playback a moment after it has said that it is over.
	for end := time.Now().Add(5 * time.Second); ; {
		err := c.StopPlayback(ctx, "pb1")
		if errors.Is(err, ErrNotFound) {
			break
		}
		if err != nil || time.Now().After(end) {
			t.Fatalf("stopping what ended: %v", err)
		}
	}

	a.must(c.Play(ctx, ch.ID, Play{ID: "pb2", Media: []string{a.sound("long"), a.sound("a")}}))
	until[*PlaybackStarted](t, box.Events())
	before := time.Now()
	a.ok(c.StopPlayback(ctx, "pb2"))
	want[*PlaybackFinished](t, box.Events())
	if d := time.Since(before); d > 5*time.Second {
		t.Fatalf("stopped after %v", d)
	}

	a.must(c.Play(ctx, ch.ID, Play{ID: "pb3", Media: []string{"sound:/nowhere"}}))
	if f := until[*PlaybackFinished](t, box.Events()); f.Playback.State != "failed" {
		t.Fatalf("a missing file: %+v", f.Playback)
	}
	a.ok(c.Hangup(ctx, ch.ID, ReasonBusy))
	until[*StasisEnd](t, box.Events())
	until[*ChannelDestroyed](t, box.Events())
}

func TestRealPlaybackStoppedAtAnyMomentStaysStopped(t *testing.T) {
	t.Parallel()
	a := startAsterisk(t)
	c := a.client()
	a.up(c)
	ctx := t.Context()
	a.call(c, "one", "idle")
	rng := rand.New(rand.NewPCG(1, 2))
	a.tone("snd/tick", 1000, 20*time.Millisecond) // so that stops fall between two sounds too
	for i := range 60 {
		id := fmt.Sprintf("pb%d", i)
		a.must(c.Play(ctx, "one", Play{ID: id, Media: []string{a.sound("tick"), a.sound("tick"), a.sound("long")}}))
		if i%3 > 0 { // else at once, while it is queued
			pause := time.After(time.Duration(rng.IntN(60)) * time.Millisecond)
			<-pause
		}
		before := time.Now()
		a.ok(c.StopPlayback(ctx, id))
		for { // its PlaybackFinished may not come
			if _, err := c.Playback(ctx, id); errors.Is(err, ErrNotFound) {
				break
			}
		}
		if d := time.Since(before); d > 5*time.Second { // the sound has 20 s, the machine may be busy
			t.Fatalf("playback %d played on for %v after it was stopped", i, d)
		}
	}
}

func TestRealHoldingBridgePlaysMusicAroundAnAnnouncement(t *testing.T) {
	t.Parallel()
	a := startAsterisk(t)
	c := a.client()
	a.up(c)
	ctx := t.Context()
	box, other := a.call(c, "one", "heard"), a.call(c, "two", "heard")
	a.must(c.CreateBridge(ctx, "hold", BridgeHolding, "waiting"))
	a.ok(c.SetVariable(ctx, "two", "CHANNEL(musicclass)", "other"))
	if v, err := c.Variable(ctx, "two", "CHANNEL(musicclass)"); err != nil || v != "other" {
		t.Fatalf("variable %q, %v", v, err)
	}
	a.ok(c.AddToBridge(ctx, "hold", Join{Channels: []string{"one", "two"}, Role: RoleHoldingParticipant}))
	if e := until[*ChannelEnteredBridge](t, box.Events()); e.Bridge.ID != "hold" {
		t.Fatalf("entered %+v", e.Bridge)
	}
	until[*ChannelEnteredBridge](t, other.Events())
	music := time.After(700 * time.Millisecond)
	<-music
	a.must(c.Play(ctx, "one", Play{ID: "pb", Media: []string{a.sound("a")}}))
	until[*PlaybackFinished](t, box.Events())
	music = time.After(700 * time.Millisecond)
	<-music

	// A playback that goes on would hold the removal up; stopped, it does not.
	a.must(c.Play(ctx, "one", Play{ID: "pb2", Media: []string{a.sound("long")}}))
	until[*PlaybackStarted](t, box.Events())
	a.ok(c.StopPlayback(ctx, "pb2"))
	before := time.Now()
	a.ok(c.RemoveFromBridge(ctx, "hold", "one"))
	if d := time.Since(before); d > 4*time.Second {
		t.Fatalf("removed after %v", d)
	}
	until[*ChannelLeftBridge](t, box.Events())
	if err := c.RemoveFromBridge(ctx, "hold", "one"); !errors.Is(err, ErrConflict) {
		t.Fatalf("removing twice: %v", err)
	}
	for _, id := range []string{"one", "two"} {
		a.ok(c.Hangup(ctx, id, ""))
	}
	until[*ChannelDestroyed](t, box.Events())
	until[*ChannelDestroyed](t, other.Events())
	a.ok(c.DestroyBridge(ctx, "hold"))

	got := a.heard("one")
	got = slices.DeleteFunc(got, func(s string) bool { return s == "2500" || s == "-" }) // the instant of pb2
	if !slices.Equal(slices.Compact(got), []string{"440", "1000", "440"}) {
		t.Fatalf("heard %v, want music, the announcement, music", got)
	}
	if got := a.heard("two"); !slices.Equal(got, []string{"600"}) {
		t.Fatalf("the other heard %v, want its own music class only", got)
	}
}

func TestRealKeysArriveFromAHoldingBridge(t *testing.T) {
	t.Parallel()
	a := startAsterisk(t)
	c := a.client()
	a.up(c)
	box := a.call(c, "one", "keys")
	a.must(c.CreateBridge(t.Context(), "hold", BridgeHolding, ""))
	a.ok(c.AddToBridge(t.Context(), "hold", Join{Channels: []string{"one"}, Role: RoleHoldingParticipant}))
	if e := until[*ChannelDtmfReceived](t, box.Events()); e.Digit != "5" {
		t.Fatalf("digit %q", e.Digit)
	}
}

func TestRealErrorsAreMapped(t *testing.T) {
	t.Parallel()
	a := startAsterisk(t)
	c := a.client()
	r := a.up(c)
	ctx := t.Context()
	a.call(c, "one", "idle")
	a.must(c.CreateBridge(ctx, "mix", BridgeMixing, "m"))
	notFound := map[string]error{
		"answer": c.Answer(ctx, "gone"), "hangup": c.Hangup(ctx, "gone", ReasonNormal), "stop": c.StopPlayback(ctx, "gone"),
		"join": c.AddToBridge(ctx, "mix", Join{Channels: []string{"gone"}}), "bridge": c.DestroyBridge(ctx, "gone"),
		"leave": c.RemoveFromBridge(ctx, "mix", "gone"), "module": c.ReloadModule(ctx, "gone.so"),
		"config": c.DeleteConfig(ctx, "res_pjsip", "auth", "x"), "transfer": c.TransferProgress(ctx, "gone", TransferAnswered),
	}
	_, notFound["play"] = c.Play(ctx, "gone", Play{ID: "p", Media: []string{a.sound("a")}})
	_, notFound["channel"] = c.Channel(ctx, "gone")
	_, notFound["variable"] = c.Variable(ctx, "one", "NOT_SET")
	_, notFound["endpoint"] = c.Endpoint(ctx, "PJSIP", "gone")
	for what, err := range notFound {
		if !errors.Is(err, ErrNotFound) || errors.Is(err, ErrConflict) || errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v, want not found", what, err)
		}
	}
	_, err := c.Originate(ctx, Originate{ID: "one", Endpoint: "Local/idle@t/n"})
	if !errors.Is(err, ErrConflict) {
		t.Errorf("an id twice: %v", err)
	}
	if _, err := a.client(func(c *Config) { c.Password = "x" }).Channels(ctx); !errors.Is(err, ErrUnauthorized) {
		t.Errorf("wrong password: %v", err)
	}
	err = receive(t, start(t, a.client(func(c *Config) { c.Password = "x" }), nil).done)
	if !errors.Is(err, ErrUnauthorized) {
		t.Errorf("Run with a wrong password: %v", err)
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	if err := c.Answer(canceled, "one"); !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnavailable) {
		t.Errorf("a canceled command: %v", err)
	}
	a.up(a.client()) // the same application
	if err := receive(t, r.done); !errors.Is(err, ErrReplaced) {
		t.Errorf("replaced: %v", err)
	}
}

func TestRealCommandsAreAccepted(t *testing.T) {
	t.Parallel()
	a := startAsterisk(t)
	c := a.client(func(c *Config) { c.EventFilterDisallow = []string{"ChannelVarset", "ChannelDialplan"} })
	r := a.up(c)
	ctx := t.Context()
	box := a.call(c, "one", "idle")
	app, err := c.Application(ctx)
	a.ok(err)
	if !slices.Contains(app.ChannelIDs, "one") || len(app.EventsDisallowed) != 2 {
		t.Errorf("application %+v", app)
	}
	for what, err := range map[string]error{
		"hold": c.Hold(ctx, "one"), "unhold": c.Unhold(ctx, "one"), "music": c.StartMusic(ctx, "one", "other"),
		"stop music": c.StopMusic(ctx, "one"), "silence": c.StartSilence(ctx, "one"), "stop silence": c.StopSilence(ctx, "one"),
		"ring": c.Ring(ctx, "one"), "stop ring": c.StopRing(ctx, "one"), "answer": c.Answer(ctx, "one"), "dtmf": c.SendDTMF(ctx, "one", "1#"),
		"reload": c.ReloadModule(ctx, "res_musiconhold.so"), "subscribe": c.Subscribe(ctx, "deviceState:Local/keys@t"),
	} {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	a.call(c, "device", "keys")
	for {
		if e := until[*DeviceStateChanged](t, r.unclaimed); e.DeviceState.Name == "Local/keys@t" && e.DeviceState.State == "INUSE" {
			break
		}
	}
	if state, err := c.DeviceState(ctx, "Local/keys@t"); err != nil || state != "INUSE" {
		t.Errorf("device state %q, %v", state, err)
	}
	a.ok(c.Unsubscribe(ctx, "deviceState:Local/keys@t"))
	a.ok(c.Hangup(ctx, "device", "21"))
	a.must(c.CreateBridge(ctx, "mix", BridgeMixing, "m"))
	box.Add("mix")
	a.ok(c.AddToBridge(ctx, "mix", Join{Channels: []string{"one"}, Quiet: true, AbsorbDTMF: true}))
	a.must(c.PlayToBridge(ctx, "mix", Play{ID: "pb", Media: []string{a.sound("c")}}))
	if f := until[*PlaybackFinished](t, box.Events()); f.Playback.TargetURI != "bridge:mix" || f.Playback.State != "done" {
		t.Errorf("finished %+v", f.Playback)
	}
	a.ok(c.StartBridgeMusic(ctx, "mix", ""))
	a.ok(c.StopBridgeMusic(ctx, "mix"))
	a.must(c.Bridge(ctx, "mix"))
	if list, err := c.Bridges(ctx); err != nil || len(list) != 1 || list[0].Channels[0] != "one" {
		t.Errorf("bridges %+v, %v", list, err)
	}
	a.ok(c.Subscribe(ctx, "bridge:mix")) // else its events end when the last channel leaves
	a.ok(c.DestroyBridge(ctx, "mix"))
	until[*BridgeDestroyed](t, box.Events())
	a.ok(c.Continue(ctx, "one", Place{Context: "t", Extension: "idle", Priority: 2}))
	until[*StasisEnd](t, box.Events())
	if err := c.Answer(ctx, "one"); !errors.Is(err, ErrConflict) {
		t.Errorf("answer outside the application: %v", err)
	}
	created := c.Open("two")
	a.must(c.Create(ctx, Originate{ID: "two", OtherID: "two-b", Endpoint: "Local/idle@t/n"}))
	until[*StasisStart](t, created.Events())
	a.ok(c.Dial(ctx, "two", "", 10*time.Second))
	for {
		if d := until[*Dial](t, created.Events()); d.Dialstatus == "ANSWER" {
			break
		}
	}
	if list, err := c.Channels(ctx); err != nil || len(list) < 4 {
		t.Errorf("%d channels, %v", len(list), err)
	}
	if s := c.Stats(); s.Malformed+s.Unknown+s.Overflowed != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestRealAccountOfAPhoneIsPushedAndTakenBack(t *testing.T) {
	t.Parallel()
	a := startAsterisk(t)
	c := a.client()
	r := a.up(c)
	ctx := t.Context()
	a.ok(c.PutConfig(ctx, "res_pjsip", "auth", "2001", ConfigTuple{"auth_type", "userpass"}, ConfigTuple{"username", "2001"}, ConfigTuple{"password", "s3cret"}))
	a.ok(c.PutConfig(ctx, "res_pjsip", "aor", "2001", ConfigTuple{"max_contacts", "1"}, ConfigTuple{"contact", "sip:2001@127.0.0.1:9"}))
	a.ok(c.PutConfig(ctx, "res_pjsip", "endpoint", "2001", ConfigTuple{"aors", "2001"}, ConfigTuple{"auth", "2001"}, ConfigTuple{"disallow", "all"}, ConfigTuple{"allow", "alaw"}))
	tuples, err := c.Config(ctx, "res_pjsip", "endpoint", "2001")
	if err != nil || !slices.Contains(tuples, ConfigTuple{"auth", "2001"}) {
		t.Fatalf("endpoint %v, %v", tuples, err)
	}
	a.ok(c.Subscribe(ctx, "endpoint:PJSIP/2001"))
	e, err := c.Endpoint(ctx, "PJSIP", "2001")
	if err != nil || e.Resource != "2001" || e.State == "" {
		t.Fatalf("endpoint %+v, %v", e, err)
	}
	if list, err := c.Endpoints(ctx, "PJSIP"); err != nil || len(list) != 1 {
		t.Fatalf("endpoints %+v, %v", list, err)
	}
	// Pushed again with more contacts, as after a change.
	a.ok(c.PutConfig(ctx, "res_pjsip", "aor", "2001", ConfigTuple{"max_contacts", "2"}))
	// A call of the phone that is not there ends by itself, and is heard of.
	box := c.Open("ring")
	a.must(c.Originate(ctx, Originate{ID: "ring", Endpoint: "PJSIP/2001", CallerID: "Desk <0199000001>", Timeout: time.Second, Variables: map[string]string{"PJSIP_TRANSFER_HANDLING()": "ari-only"}}))
	until[*ChannelDestroyed](t, box.Events())
	for _, kind := range []string{"endpoint", "aor", "auth"} {
		a.ok(c.DeleteConfig(ctx, "res_pjsip", kind, "2001"))
	}
	if _, err := c.Config(ctx, "res_pjsip", "endpoint", "2001"); !errors.Is(err, ErrNotFound) {
		t.Fatalf("endpoint after it was taken back: %v", err)
	}
	r.stop()
	receive(t, r.done)
}

func TestRealCallFromTheDialplanIsUnclaimed(t *testing.T) {
	t.Parallel()
	a := startAsterisk(t)
	c := a.client()
	r := a.up(c)
	a.must(c.Originate(t.Context(), Originate{ID: "far", OtherID: "in", Endpoint: "Local/call@t/n", Context: "t", Extension: "idle"}))
	s := until[*StasisStart](t, r.unclaimed)
	if s.Channel.ID != "in" || !slices.Equal(s.Args, []string{"in", "two"}) {
		t.Fatalf("start %+v", s)
	}
}

func TestRealAsteriskKilledAndRestartedIsTakenUpAgain(t *testing.T) {
	t.Parallel()
	a := startAsterisk(t)
	c := a.client()
	r := a.up(c)
	box := a.call(c, "one", "idle")
	a.kill()
	until[*Down](t, box.Events())
	if _, err := c.Channel(t.Context(), "one"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("a command while Asterisk is dead: %v", err)
	}
	a.start()
	if up := receive(t, r.ups); up.First || !up.Restarted || len(up.Application.ChannelIDs) != 0 {
		t.Errorf("up after the restart: %+v", up)
	}
	if re := until[*Resync](t, box.Events()); re.Reason != Reconnected {
		t.Errorf("resync for %q", re.Reason)
	}
	if _, err := c.Channel(t.Context(), "one"); !errors.Is(err, ErrNotFound) {
		t.Errorf("the channel of the dead Asterisk: %v", err)
	}
	a.call(c, "two", "idle")
}

func TestRealChannelsOutliveALostWebsocketAndAreHeardAgain(t *testing.T) {
	t.Parallel()
	a := startAsterisk(t)
	front, cut := cutter(t, a)
	c := a.client(func(c *Config) { c.URL = front })
	r := a.up(c)
	box := a.call(c, "one", "idle")
	cut()
	until[*Down](t, box.Events())
	until[*Resync](t, box.Events())
	up := receive(t, r.ups)
	if up.Restarted || !slices.Contains(up.Application.ChannelIDs, "one") {
		t.Fatalf("up after the loss: %+v", up)
	}
	a.must(c.Play(t.Context(), "one", Play{ID: "pb", Media: []string{a.sound("c")}}))
	until[*PlaybackFinished](t, box.Events())
}

// cutter is a way to Asterisk whose websockets can be cut.
func cutter(t *testing.T, a *asterisk) (front string, cut func()) {
	target, _ := url.Parse(strings.TrimSuffix(a.client().base, "/ari"))
	var mu sync.Mutex
	var conns []net.Conn
	tr := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		mu.Lock()
		defer mu.Unlock()
		conns = append(conns, conn)
		return conn, err
	}}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.Transport = tr
	srv := newServer(t, proxy)
	t.Cleanup(tr.CloseIdleConnections)
	return srv + "/ari", func() {
		mu.Lock()
		defer mu.Unlock()
		for _, conn := range conns {
			_ = conn.Close()
		}
		conns = nil
	}
}
