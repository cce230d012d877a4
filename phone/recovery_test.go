package phone

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"decroche/ari"
	"decroche/call"
	"decroche/e2e/lab"
	"decroche/e2e/softphone"
)

// crashed is a controller that has made channels and died: only they are left of it.
type crashed struct {
	*testing.T
	lab  *lab.Lab
	ari  *ari.Client
	die  func()
	home *softphone.Citizen
}

func newCrashed(t *testing.T, l *lab.Lab) *crashed {
	c := &crashed{T: t, lab: l, ari: l.Client(), home: l.Called().Citizen(softphone.Manner{})}
	ctx, cancel := context.WithCancel(context.Background())
	up, done := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(done)
		_ = c.ari.Run(ctx, func(ctx context.Context, _ ari.Up) error { up <- struct{}{}; return nil }, func(ari.Event) {})
	}()
	c.die = func() { cancel(); <-done }
	<-up
	if err := New(Options{ARI: c.ari}).PushAccounts(t.Context(), []Account{{ID: "2001", Name: "Camille", Password: "secret2001"}}); err != nil {
		t.Fatal(err)
	}
	return c
}

// rung makes a channel to a citizen, or to an agent, and waits for its state.
func (c *crashed) rung(id, endpoint, state string, m softphone.Manner) {
	c.Helper()
	c.home.Behave(m)
	_, err := c.ari.Originate(c.Context(), ari.Originate{ID: id, Endpoint: endpoint, Args: "out", Formats: outFormats})
	for deadline := time.Now().Add(10 * time.Second); err == nil; time.Sleep(5 * time.Millisecond) {
		var ch ari.Channel
		ch, err = c.ari.Channel(c.Context(), id)
		if err == nil && ch.State == state && (state != "Up" || ch.Dialplan.AppName == "Stasis") {
			return
		}
		if time.Now().After(deadline) {
			err = fmt.Errorf("it is %s %s", ch.State, ch.Dialplan.AppName)
		}
	}
	c.Fatalf("make channel %s: %v", id, err)
}

func checkpoint(id call.ID, leg *call.LegState) call.Checkpoint {
	state, _ := json.Marshal(map[string]any{"leg": leg})
	return call.Checkpoint{
		Call: id, Epoch: 1, Step: "recall.dial", State: state, At: time.Now(),
		Info: call.Info{ID: id, From: citizen, To: public, Trunk: "operator", Outgoing: true, Arrived: time.Now()},
	}
}

func TestAfterACrashCitizensWhoAnsweredGoOnAndNobodyElseRings(t *testing.T) {
	t.Parallel()
	l := lab.Start(t, lab.Options{})
	before := newCrashed(t, l)
	desk := l.Agent("2001", "secret2001")
	agents := make(chan *softphone.Call, 4)
	go func() {
		for {
			select {
			case r := <-desk.Incoming():
				if c, err := r.Answer(t.Context()); err == nil {
					agents <- c
				}
			case <-t.Context().Done():
				return
			}
		}
	}()
	trunk := "PJSIP/" + citizen + "@trunk-operator"
	before.rung("out-rings", trunk, "Ringing", softphone.Manner{Never: true})
	before.rung("out-unknown-rings", trunk, "Ringing", softphone.Manner{Never: true})
	before.rung("out-stray", trunk, "Up", softphone.Manner{})
	before.rung("out-up", trunk, "Up", softphone.Manner{})
	before.rung("leg-up", "PJSIP/2001", "Up", softphone.Manner{})
	before.rung("leg-rings", "PJSIP/2001", "Up", softphone.Manner{})
	<-before.home.Calls()
	far, agent, other := <-before.home.Calls(), <-agents, <-agents
	if err := before.ari.Ring(t.Context(), "leg-up"); err != nil { // the agent waited for the citizen
		t.Fatal(err)
	}
	before.die()

	leg := call.LegState{Agent: "2001", Channel: "leg-up", Bridge: talkPrefix + "out-up"}
	s := newStand(t, l, checkpoint("out-rings", &call.LegState{Agent: "2001", Channel: "leg-rings"}), checkpoint("out-up", &leg), checkpoint("out-gone", nil))
	gone := map[call.ID]bool{take(s, s.gone, "a call is gone").Call: true, take(s, s.gone, "a call is gone").Call: true}
	if !gone["out-rings"] || !gone["out-gone"] {
		t.Errorf("gone are %v", gone)
	}
	d := take(s, s.driven, "a call goes on")
	defer d.over()
	info := d.call.Info()
	if info.ID != "out-up" || !info.Outgoing || !info.Resumed || d.cp == nil {
		t.Errorf("driven is %+v from %+v", info, d.cp)
	}
	if !s.x.Alive("out-up") || s.x.Alive("out-rings") || s.x.Alive("out-stray") {
		t.Error("the wrong calls are known to be on the line")
	}
	s.until("phones that ring for nobody are given up", func() bool {
		n := 0
		for _, m := range before.home.Met() {
			if m.Result == "cancelled" {
				n++
			}
		}
		return n == 2
	})
	take(s, other.Done(), "the agent of a call that is gone is free")
	s.until("only what goes on is left", func() bool { return len(s.channels("out-")) == 1 && len(s.channels("leg-")) == 1 })

	// Citizen and agent were not put together yet.
	g, ok := d.call.ResumeLeg(d.ctx, leg)
	if !ok {
		t.Fatal("the agent's leg is not found")
	}
	s.ok(d.call.(call.Outgoing).Say(d.ctx, s.sound("hello", 1500, 500*time.Millisecond)))
	ended := make(chan call.TalkEnd, 1)
	go func() {
		end, _ := g.Bridge(d.ctx, func(call.TalkEvent) {})
		ended <- end
	}()
	far.SpeakTone(600)
	agent.SpeakTone(1000)
	s.ok(agent.HearsTone(t.Context(), 600, 5*time.Second))
	s.ok(far.HearsTone(t.Context(), 1000, 5*time.Second))
	s.ok(agent.Hangup(t.Context()))
	if end := take(s, ended, "the conversation ends"); end != call.AgentLeft {
		t.Errorf("it was ended by %q", end)
	}
	if _, ok := d.call.ResumeLeg(d.ctx, leg); ok {
		t.Error("a leg that is gone is found")
	}
	s.ok(d.call.Hangup(context.WithoutCancel(d.ctx)))
	take(s, d.ctx.Done(), "the call is over")
}

func TestARingWhoseEndWasNotToldIsFoundAgain(t *testing.T) {
	t.Parallel()
	l := lab.Start(t, lab.Options{})
	s := newStand(t, l)
	home := l.Called().Citizen(softphone.Manner{})
	for what, c := range map[string]struct {
		manner softphone.Manner
		met    string
		want   call.RingResult
	}{
		"answered": {softphone.Manner{After: 300 * time.Millisecond}, "answered", ""},
		"refused":  {softphone.Manner{After: 300 * time.Millisecond, Refuse: 486}, "refused", call.NoAnswer}, // why is not known any more
	} {
		home.Behave(c.manner)
		p := s.place()
		line := s.x.line(string(p.id))
		line.take(&ari.Resync{}) // before there is a channel
		line.mail.Remove(line.id)
		dialled := make(chan error, 1)
		go func() { dialled <- p.Dial(p.ctx, call.Dial{Timeout: 15 * time.Second}) }()
		s.until("the citizen's phone was rung", func() bool {
			if c.want != "" {
				met := home.Met()
				return len(met) > 0 && met[len(met)-1].Result == c.met && len(s.channels(line.id)) == 0
			}
			ch, err := s.ari.Channel(t.Context(), line.id) // Asterisk hears of the answer a moment later
			return err == nil && ch.State == "Up"
		})
		line.take(&ari.Resync{})
		if err := take(s, dialled, "Dial returns"); result(err) != c.want || c.want == "" && err != nil {
			t.Errorf("%s: %v", what, err)
		}
		p.over() // hangs up what is up
		s.until("nobody is on the line", func() bool { return len(s.channels(line.id)) == 0 })
	}
}

func TestACommandWhoseAnswerWasLostIsNotObeyedTwice(t *testing.T) {
	t.Parallel()
	l := lab.Start(t, lab.Options{})
	home := l.Called().Citizen(softphone.Manner{After: time.Second})
	var lost atomic.Int32
	s := newStandThrough(t, l, func(res *http.Response) error {
		if strings.Contains(res.Request.URL.Path, "/channels/out-") && res.Request.Method == http.MethodPost && lost.Add(1) == 1 {
			return errors.New("lost")
		}
		return nil
	})
	p := s.place()
	s.ok(p.Dial(p.ctx, call.Dial{Timeout: 10 * time.Second}))
	if met := home.Met(); len(met) != 1 || lost.Load() != 2 {
		t.Errorf("the citizen's phone met %+v, the command was given %d times", met, lost.Load())
	}
	far := take(s, home.Calls(), "the citizen answers")
	s.ok(far.Hangup(t.Context()))
	take(s, p.ctx.Done(), "the call is over")
}

// newStandThrough is newStand with what becomes of Asterisk's answers on their way.
func newStandThrough(t *testing.T, l *lab.Lab, way func(*http.Response) error) *stand {
	t.Helper()
	target, err := url.Parse(l.URL())
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }, Transport: transport,
		ModifyResponse: way, ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	srv := httptest.NewServer(proxy)
	t.Cleanup(srv.Close)
	return newStandAt(t, l, srv.URL+"/ari")
}
