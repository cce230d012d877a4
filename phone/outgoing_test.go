package phone

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"decroche/call"
	"decroche/e2e/lab"
	"decroche/e2e/softphone"
)

func TestAnAgentHearsTheCitizenRingAndBothTalkOnceConfirmed(t *testing.T) {
	t.Parallel()
	s := newStand(t, lab.Start(t, lab.Options{}))
	desk := s.lab.Agent("2001", "secret2001")
	home := s.lab.Called().Citizen(softphone.Manner{After: 1500 * time.Millisecond, Then: softphone.PressesWhenSpokenTo("1")})

	p := s.place()
	if !s.x.Alive(p.id) || s.x.Alive("out-other") {
		t.Error("the call is not known by its id")
	}
	leg, agent := s.ring(p, desk)
	type patient interface {
		Gone() <-chan struct{}
		Ringback(context.Context, bool) error
	}
	waits := leg.(patient)
	s.ok(waits.Ringback(p.ctx, true))
	s.ok(agent.HearsTone(t.Context(), 440, 20*time.Second))
	s.ok(leg.Whisper(p.ctx, s.sound("why", 1500, 800*time.Millisecond))) // ends the ringing
	s.ok(waits.Ringback(p.ctx, true))

	started := make(chan time.Time, 1)
	s.ok(p.Dial(p.ctx, call.Dial{Timeout: 10 * time.Second, Started: func() { started <- time.Now() }}))
	take(s, started, "the exchange has taken the command")
	far := take(s, home.Calls(), "the citizen answers")
	if met := home.Met(); len(met) != 1 || met[0].Shown != public || met[0].Asserted != public || met[0].Result != "answered" {
		t.Errorf("the citizen's phone met %+v", met)
	}
	s.ok(agent.HearsTone(t.Context(), 440, 20*time.Second)) // still
	s.ok(p.Confirm(p.ctx, 5*time.Second, s.sound("question", 1500, 3*time.Second)))
	select {
	case <-waits.Gone():
		t.Error("the agent is told to be gone")
	default:
	}
	ended := make(chan call.TalkEnd, 1)
	go func() {
		end, _ := leg.Bridge(p.ctx, func(call.TalkEvent) {})
		ended <- end
	}()
	far.SpeakTone(600)
	agent.SpeakTone(1000)
	s.ok(agent.HearsTone(t.Context(), 600, 20*time.Second))
	s.ok(far.HearsTone(t.Context(), 1000, 20*time.Second))
	if err := agent.HearsTone(within(t, 2*time.Second), 440, 2*time.Second); err == nil {
		t.Error("the agent hears a phone ring while talking")
	}
	s.ok(far.Hangup(t.Context()))
	if end := take(s, ended, "the conversation ends"); end != call.CallerLeft {
		t.Errorf("it was ended by %q", end)
	}
	if cause := context.Cause(p.ctx); !errors.Is(cause, call.ErrHangup) || errors.Is(cause, call.ErrCutOff) {
		t.Errorf("the call ended with %v", cause)
	}
	take(s, agent.Done(), "the agent's leg ends")
	p.over()
	if s.x.Alive(p.id) {
		t.Error("the call is still known")
	}
}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestARingInVainSaysWhyAndTheCallGoesOnWithoutTheCitizen(t *testing.T) {
	t.Parallel()
	s := newStand(t, lab.Start(t, lab.Options{}))
	home := s.lab.Called().Citizen(softphone.Manner{})
	for name, c := range map[string]struct {
		manner softphone.Manner
		want   call.RingResult
	}{
		"busy":                {softphone.Manner{Refuse: 486}, call.Busy},
		"busy everywhere":     {softphone.Manner{Refuse: 600}, call.Busy},
		"declined":            {softphone.Manner{Refuse: 603}, call.Refused},
		"forbidden":           {softphone.Manner{Refuse: 403}, call.Refused},
		"no such number":      {softphone.Manner{Refuse: 404}, call.Unreachable},
		"gone":                {softphone.Manner{Refuse: 410}, call.Unreachable},
		"the network is full": {softphone.Manner{Refuse: 503}, call.NoLine},
		"the operator fails":  {softphone.Manner{Refuse: 500}, call.NoLine},
		"switched off":        {softphone.Manner{Refuse: 480}, call.NoAnswer},
		"a time-out there":    {softphone.Manner{Refuse: 408}, call.NoAnswer},
		"nobody answers":      {softphone.Manner{Never: true}, call.NoAnswer},
	} {
		home.Behave(c.manner)
		p := s.place()
		timeout := 20 * time.Second
		if c.manner.Never {
			timeout = 1500 * time.Millisecond
		}
		err := p.Dial(p.ctx, call.Dial{Timeout: timeout})
		if got := result(err); got != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
		if p.ctx.Err() != nil {
			t.Errorf("%s: the call is over, because %v, before its result was told", name, context.Cause(p.ctx))
		}
		s.until("the phone has stopped ringing", func() bool { // the CANCEL is on its way when Dial returns
			met := home.Met()
			return met[len(met)-1].Result != "ringing"
		})
		if err := p.Dial(p.ctx, call.Dial{Timeout: time.Second}); !errors.Is(err, call.ErrTechnical) {
			t.Errorf("%s: dialled again: %v", name, err)
		}
		s.ok(p.Hangup(p.ctx))
		p.over()
	}
	if home.Most() != 1 {
		t.Errorf("%d phones rang at a time", home.Most())
	}
	s.until("Asterisk has none of their channels", func() bool { return len(s.channels(outPrefix)) == 0 })
}

func TestACallThatCannotBeDialledIsUnreachable(t *testing.T) {
	t.Parallel()
	s := newStand(t, lab.Start(t, lab.Options{}))
	for what, info := range map[string]call.Info{
		"no number":     {From: call.Withheld, To: public, Trunk: "operator"},
		"no trunk":      {From: citizen, To: public},
		"unknown trunk": {From: citizen, To: public, Trunk: "other"},
		"no number but": {From: "+33&SIP/x", To: public, Trunk: "operator"},
	} {
		info.ID = call.ID("out-" + process + "x")
		var err error
		s.x.PlaceCall(info, func(ctx context.Context, c call.Outgoing) {
			err = c.Dial(ctx, call.Dial{Timeout: time.Second, Started: func() { t.Errorf("%s: it rings", what) }})
		})
		if want := map[bool]call.RingResult{true: call.Unreachable, false: call.NoLine}[strings.HasPrefix(what, "no number")]; result(err) != want {
			t.Errorf("%s: %v", what, err)
		}
	}
	s.x.PlaceCall(call.Info{ID: "n1-1.1", From: citizen, To: public, Trunk: "operator"}, func(context.Context, call.Outgoing) {
		t.Error("a call with the id of one that came in was placed")
	})
}

func TestAnAgentWhoHangsUpStopsTheCitizensPhone(t *testing.T) {
	t.Parallel()
	s := newStand(t, lab.Start(t, lab.Options{}))
	desk := s.lab.Agent("2001", "secret2001")
	home := s.lab.Called().Citizen(softphone.Manner{Never: true})
	p := s.place()
	leg, agent := s.ring(p, desk)
	left := errors.New("the agent left")
	ctx, giveUp := context.WithCancelCause(p.ctx)
	go func() {
		<-leg.(interface{ Gone() <-chan struct{} }).Gone()
		giveUp(left)
	}()
	dialled := make(chan error, 1)
	go func() { dialled <- p.Dial(ctx, call.Dial{Timeout: 60 * time.Second}) }()
	s.until("the citizen's phone rings", func() bool { return len(home.Met()) == 1 })
	s.ok(agent.Hangup(t.Context()))
	if err := take(s, dialled, "Dial returns"); !errors.Is(err, left) {
		t.Errorf("Dial returned %v", err)
	}
	s.until("the phone has stopped ringing", func() bool { return home.Met()[0].Result == "cancelled" })
	if met := home.Met(); len(met) != 1 {
		t.Errorf("the citizen's phone met %+v", met)
	}
	if p.ctx.Err() != nil {
		t.Errorf("the call is over: %v", context.Cause(p.ctx))
	}
}

func TestAStopOfTheControllerGivesUpAPhoneThatRings(t *testing.T) {
	t.Parallel()
	s := newStand(t, lab.Start(t, lab.Options{}))
	home := s.lab.Called().Citizen(softphone.Manner{Never: true})
	p := s.place()
	dialled := make(chan error, 1)
	go func() {
		err := p.Dial(p.ctx, call.Dial{Timeout: 60 * time.Second})
		dialled <- err
		p.over()
	}()
	s.until("the citizen's phone rings", func() bool { return len(home.Met()) == 1 })
	s.stop()
	if err := take(s, dialled, "Dial returns"); !errors.Is(err, call.ErrDetach) {
		t.Errorf("Dial returned %v", err)
	}
	s.until("the phone stops ringing", func() bool { return home.Met()[0].Result == "cancelled" })
	s.x.PlaceCall(call.Info{ID: "out-late", From: citizen, To: public, Trunk: "operator"}, func(context.Context, call.Outgoing) {
		t.Error("a call was placed on an exchange that has stopped")
	})
}

func TestOnlyAPersonConfirms(t *testing.T) {
	t.Parallel()
	s := newStand(t, lab.Start(t, lab.Options{}))
	home := s.lab.Called().Citizen(softphone.Manner{})
	const (
		asking    = 3 * time.Second
		answering = 5 * time.Second
		silence   = 1500 * time.Millisecond // longer than a busy machine's packets stay away, shorter than answering
		late      = 15 * time.Second
	)
	question := s.sound("ask", 1500, asking)
	for name, c := range map[string]struct {
		then     func(context.Context, *softphone.Call)
		person   bool
		at, most time.Duration // of the answer
	}{
		"presses a key over the question": {softphone.PressesWhenSpokenTo("5"), true, 0, asking},
		"says yes":                        {softphone.SaysYes(silence), true, asking, late},
		"says hello, then yes": {func(ctx context.Context, c *softphone.Call) {
			_ = c.Speak(ctx, softphone.Murmur(500*time.Millisecond))
			softphone.SaysYes(silence)(ctx, c)
		}, true, asking, late},
		"is silent":                              {nil, false, asking + answering, late},
		"is a voicemail that talks for 20 s":     {softphone.IsVoicemail(20 * time.Second), false, asking + answering, late},
		"is a voicemail that talks for 5 s":      {softphone.IsVoicemail(5 * time.Second), false, asking + answering, late},
		"is a voicemail whose beep comes at 2 s": {softphone.IsVoicemail(2 * time.Second), false, asking + answering, late},
	} {
		home.Behave(softphone.Manner{Then: c.then})
		p := s.place()
		s.ok(p.Dial(p.ctx, call.Dial{Timeout: 20 * time.Second}))
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			err := p.Confirm(p.ctx, answering, question)
			took := time.Since(began)
			if c.person && err != nil || !c.person && !errors.Is(err, call.ErrNoInput) {
				t.Errorf("Confirm says %v after %s", err, took)
			}
			if took < c.at || took > c.most {
				t.Errorf("Confirm took %s, want between %s and %s", took, c.at, c.most)
			}
			t.Logf("%v after %s", err, took)
			if err := p.Say(p.ctx, question); err != nil { // the line is there
				t.Error(err)
			}
			if err := p.Hangup(context.WithoutCancel(p.ctx)); err != nil { // its own end ends p.ctx
				t.Error(err)
			}
		})
	}
}

func TestAnEndDuringTheQuestionIsTheCause(t *testing.T) {
	t.Parallel()
	s := newStand(t, lab.Start(t, lab.Options{}))
	home := s.lab.Called().Citizen(softphone.Manner{})
	p := s.place()
	s.ok(p.Dial(p.ctx, call.Dial{Timeout: 20 * time.Second}))
	far := take(s, home.Calls(), "the citizen answers")
	go func() { _ = far.HangupBecause(context.WithoutCancel(t.Context()), 41) }()
	err := p.Confirm(p.ctx, 5*time.Second, s.sound("ask", 1500, 10*time.Second))
	if !errors.Is(err, call.ErrCutOff) {
		t.Errorf("Confirm says %v", err)
	}
}

func TestTheCommandReachesTheCitizensNetworkAtOnce(t *testing.T) {
	t.Parallel()
	s := newStand(t, lab.Start(t, lab.Options{}))
	home := s.lab.Called().Citizen(softphone.Manner{Refuse: 486})
	var invite []time.Duration
	for range 40 {
		p := s.place()
		began := time.Now()
		if err := p.Dial(p.ctx, call.Dial{Timeout: 20 * time.Second}); result(err) != call.Busy {
			t.Fatal(err)
		}
		met := home.Met()
		invite = append(invite, met[len(met)-1].At.Sub(began))
		p.over()
	}
	slices.Sort(invite)
	t.Logf("from Dial to the INVITE: p50 %s, p95 %s, most %s", invite[20], invite[38], invite[39])
	if invite[0] > 100*time.Millisecond { // other Asterisks work beside it: RESULTS has the median of an idle machine
		t.Errorf("no INVITE comes sooner than %s", invite[0])
	}
}

// cut tells how the calls of a stand end that come in.
func (s *stand) cut(p *softphone.Phone, end func(*softphone.Call)) error {
	s.Helper()
	c, err := p.Dial(s.within(10*time.Second), public)
	s.ok(err)
	d := take(s, s.driven, "the call comes in")
	defer d.over()
	end(c)
	take(s, d.ctx.Done(), "the call ends")
	return context.Cause(d.ctx)
}

func TestTheExchangeTellsWhoIsCutOff(t *testing.T) {
	t.Parallel()
	s := newStand(t, lab.Start(t, lab.Options{Edit: map[string]func(string) string{"pjsip.conf": shortRTP}}))
	p := s.lab.Caller("0639980001")
	for name, c := range map[string]struct {
		end func(*softphone.Call)
		cut bool
	}{
		"plain BYE":         {func(c *softphone.Call) { s.ok(c.Hangup(t.Context())) }, false},
		"normal clearing":   {func(c *softphone.Call) { s.ok(c.HangupBecause(t.Context(), 16)) }, false},
		"interworking":      {func(c *softphone.Call) { s.ok(c.HangupBecause(t.Context(), 127)) }, false},
		"out of order":      {func(c *softphone.Call) { s.ok(c.HangupBecause(t.Context(), 27)) }, true},
		"network failure":   {func(c *softphone.Call) { s.ok(c.HangupBecause(t.Context(), 38)) }, true},
		"temporary failure": {func(c *softphone.Call) { s.ok(c.HangupBecause(t.Context(), 41)) }, true},
		"no sound any more": {func(c *softphone.Call) { c.Vanish() }, true},
	} {
		cause := s.cut(p, c.end)
		if !errors.Is(cause, call.ErrHangup) || errors.Is(cause, call.ErrCutOff) != c.cut {
			t.Errorf("%s: %v", name, cause)
		}
	}
}

func TestAnAsteriskThatStopsCutsItsCallersOff(t *testing.T) {
	t.Parallel()
	for name, sig := range map[string]syscall.Signal{"in good order": syscall.SIGTERM, "by a fault": syscall.SIGKILL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStand(t, lab.Start(t, lab.Options{}))
			var again sync.WaitGroup
			defer again.Wait()
			cause := s.cut(s.lab.Caller("0639980001"), func(*softphone.Call) {
				again.Go(func() {
					s.lab.Stop(sig)
					s.lab.StartAsterisk()
				})
			})
			if !errors.Is(cause, call.ErrCutOff) {
				t.Errorf("the call ended with %v", cause)
			}
		})
	}
}

// shortRTP gives up a trunk's call after 2 s without sound.
func shortRTP(conf string) string {
	return strings.Replace(conf, "rtp_timeout = 120", "rtp_timeout = 2", 1)
}
