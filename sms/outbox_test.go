package sms

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// phone is a provider whose answers the test writes: answer is asked for the nth send, from 1;
// what it returns decides. An error that wraps ErrUnsure is of a message that was taken.
type phone struct {
	mu     sync.Mutex
	sends  []Message
	at     []time.Time
	taken  map[string]int
	answer func(n int, m Message) error
	takes  time.Duration // how long one send lasts
	under  atomic.Int32
	most   atomic.Int32
}

func (p *phone) Name() string { return "phone" }

func (p *phone) Send(ctx context.Context, m Message) (string, error) {
	if now := p.under.Add(1); now > p.most.Load() {
		p.most.Store(now)
	}
	defer p.under.Add(-1)
	if p.takes > 0 {
		select {
		case <-time.After(p.takes):
		case <-ctx.Done():
			return "", fmt.Errorf("%w: %w", ErrUnsure, context.Cause(ctx))
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sends, p.at = append(p.sends, m), append(p.at, time.Now())
	var err error
	if p.answer != nil {
		err = p.answer(len(p.sends), m)
	}
	if err == nil || errors.Is(err, ErrUnsure) {
		if p.taken == nil {
			p.taken = map[string]int{}
		}
		p.taken[m.Key]++
	}
	return "id-" + m.Key, err
}

// asked is a phone that can be asked.
type askable struct {
	*phone
	finds atomic.Int32
	fail  func(n int32) error
}

func (p *askable) Find(_ context.Context, m Message) (string, bool, error) {
	if n := p.finds.Add(1); p.fail != nil {
		if err := p.fail(n); err != nil {
			return "", false, err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return "id-" + m.Key, p.taken[m.Key] > 0, nil
}

// deduping is a phone that takes one key for one message.
type deduping struct{ *phone }

func (deduping) Idempotent() bool { return true }

// run runs an outbox in virtual time until it is idle for long enough, and gives back what it wrote.
func run(t *testing.T, s *memory, p Provider, set func(*Outbox), ms ...Message) *diary {
	t.Helper()
	d := &diary{}
	o := &Outbox{Store: s, Provider: p, Node: "a", Journal: d, Log: quiet, Rand: func() float64 { return 0.5 }, PerSecond: 1000}
	if set != nil {
		set(o)
	}
	if err := s.Enqueue(t.Context(), ms...); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- o.Run(ctx) }()
	for range 30 * 60 {
		time.Sleep(time.Minute)
		if s.idle() {
			break
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	return d
}

func note(key string) Message {
	return Message{Key: key, To: marie, Lang: "fr", Text: "Rappel demain à 10 h.", Purpose: Confirmed, Promise: key}
}

func TestMessageIsSentOnceAndTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newMemory(), &phone{}
		d := run(t, s, p, nil, note("a"), note("b"), note("a"))
		if len(p.sends) != 2 {
			t.Fatalf("%d sends, want 2", len(p.sends))
		}
		m := s.get(t, "a")
		if m.State != Sent || m.ProviderID != "id-a" || m.Provider != "phone" || m.Tries != 1 || m.SentAt.IsZero() || m.MaybeTwice || m.Unsure {
			t.Errorf("%+v", m)
		}
		if got := fmt.Sprint(d.states(t)); got != "map[a:[sent] b:[sent]]" {
			t.Errorf("the journal says %s", got)
		}
	})
}

func TestWakeSendsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newMemory(), &phone{}
		o := &Outbox{Store: s, Provider: p, Log: quiet, Poll: time.Hour}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- o.Run(ctx) }()
		time.Sleep(time.Minute)
		if err := s.Enqueue(ctx, note("a")); err != nil {
			t.Fatal(err)
		}
		asked := time.Now()
		o.Wake()
		o.Wake()
		time.Sleep(time.Second)
		stop()
		<-ended
		if len(p.sends) != 1 || p.at[0].Sub(asked) > 150*time.Millisecond {
			t.Errorf("sends at %v, woken at %v", p.at, asked)
		}
	})
}

func TestTriesBackOffAndAreGivenUpAfterADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newMemory(), &phone{answer: func(int, Message) error { return errors.New("no route") }}
		d := run(t, s, p, nil, note("a"))
		var waits []time.Duration
		for i := 1; i < len(p.at); i++ {
			waits = append(waits, p.at[i].Sub(p.at[i-1]).Round(5*time.Second))
		}
		if fmt.Sprint(waits[:5]) != "[5s 10s 20s 40s 1m20s]" {
			t.Errorf("waits begin %v", waits[:5])
		}
		if last := waits[len(waits)-1]; last != 15*time.Minute {
			t.Errorf("the last wait is %v", last)
		}
		m := s.get(t, "a")
		if m.State != Failed || m.DoneAt.Sub(m.Created) > 24*time.Hour || m.DoneAt.Sub(m.Created) < 23*time.Hour+30*time.Minute {
			t.Errorf("%s after %v: %s", m.State, m.DoneAt.Sub(m.Created), m.Error)
		}
		if !strings.Contains(m.Error, "no route") || m.Tries != len(p.sends) {
			t.Errorf("after %d sends: %d tries, %s", len(p.sends), m.Tries, m.Error)
		}
		if got := fmt.Sprint(d.states(t)); got != "map[a:[failed]]" {
			t.Errorf("the journal says %s", got)
		}
	})
}

func TestWaitsBetweenTriesVary(t *testing.T) {
	o := &Outbox{}
	for _, c := range []struct {
		tries     int
		rand      float64
		low, high time.Duration
	}{
		{1, 0, 4 * time.Second, 4 * time.Second},
		{1, 0.999, 5900 * time.Millisecond, 6 * time.Second},
		{4, 0.5, 40 * time.Second, 40 * time.Second},
		{60, 0.999, 17 * time.Minute, 18 * time.Minute},
	} {
		o.Rand = func() float64 { return c.rand }
		if d := o.backoff(c.tries); d < c.low || d > c.high {
			t.Errorf("after %d tries with %v: %v", c.tries, c.rand, d)
		}
	}
}

func TestExpiredMessageIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newMemory(), &phone{answer: func(int, Message) error { return errors.New("no route") }}
		late, tried := note("late"), note("tried")
		late.Expires = time.Now().Add(-time.Second)
		tried.Expires = time.Now().Add(time.Minute)
		run(t, s, p, nil, late, tried)
		if m := s.get(t, "late"); m.State != Dropt || m.Tries != 0 {
			t.Errorf("%s after %d tries", m.State, m.Tries)
		}
		if m := s.get(t, "tried"); m.State != Failed || m.Tries == 0 || m.DoneAt.After(tried.Expires) {
			t.Errorf("%s after %d tries at %v", m.State, m.Tries, m.DoneAt)
		}
	})
}

func TestProviderThatAsksToWaitIsObeyedForAllMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newMemory(), &phone{}
		p.answer = func(n int, _ Message) error {
			if n == 1 {
				return &Later{After: 40 * time.Second, Why: "429"}
			}
			return nil
		}
		run(t, s, p, func(o *Outbox) { o.Parallel = 1 }, note("a"), note("b"))
		if len(p.at) != 3 {
			t.Fatalf("%d sends", len(p.at))
		}
		if d := p.at[1].Sub(p.at[0]); d < 40*time.Second || d > 45*time.Second {
			t.Errorf("another message left %v later", d)
		}
		if d := p.at[2].Sub(p.at[0]); p.sends[2].Key != "a" || d < 40*time.Second || d > 55*time.Second {
			t.Errorf("%s was tried again %v later", p.sends[2].Key, d)
		}
	})
}

func TestRefusalIsFinalAndStopIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newMemory(), &phone{}
		p.answer = func(_ int, m Message) error {
			if m.To == paul {
				return &Refused{Code: "21610", Why: "STOP", Stopped: true}
			}
			return &Refused{Code: "21211", Why: "no number"}
		}
		stop := note("stop")
		stop.To = paul
		run(t, s, p, nil, note("a"), stop)
		if m := s.get(t, "a"); m.State != Failed || m.Tries != 1 || !strings.Contains(m.Error, "21211") {
			t.Errorf("%+v", m)
		}
		if _, is := s.blocked[paul]; !is || len(s.blocked) != 1 {
			t.Errorf("blocked: %v", len(s.blocked))
		}
	})
}

func TestNumberThatSaidStopGetsNothingButCodesAndReplies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newMemory(), &phone{}
		s.blocked[marie] = time.Now()
		code, reply := note("code"), note("reply")
		code.Purpose, reply.Purpose = Code, Reply
		d := run(t, s, p, nil, note("a"), code, reply)
		if m := s.get(t, "a"); m.State != Dropt || !strings.Contains(m.Error, "STOP") {
			t.Errorf("%s: %s", m.State, m.Error)
		}
		if len(p.sends) != 2 || s.get(t, "code").State != Sent || s.get(t, "reply").State != Sent {
			t.Errorf("%d sends", len(p.sends))
		}
		if got := fmt.Sprint(d.states(t)["a"]); got != "[dropped]" {
			t.Errorf("the journal says %s", got)
		}
	})
}

func TestDoubtIsAskedAboutBeforeAnythingIsSentAgain(t *testing.T) {
	for _, c := range []struct {
		name  string
		took  bool
		sends int
	}{{"it was taken", true, 1}, {"it was not", false, 2}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newMemory()
				p := &askable{phone: &phone{}, fail: func(n int32) error {
					if n == 1 {
						return errors.New("the list is down too")
					}
					return nil
				}}
				p.answer = func(n int, m Message) error {
					if n > 1 {
						return nil
					}
					if !c.took { // undo what the phone does for a doubt
						p.taken = map[string]int{m.Key: -1}
					}
					return fmt.Errorf("%w: cut", ErrUnsure)
				}
				run(t, s, p, nil, note("a"))
				m := s.get(t, "a")
				if m.State != Sent || m.MaybeTwice || m.Unsure || len(p.sends) != c.sends || p.finds.Load() != 2 {
					t.Errorf("%+v after %d sends and %d questions", m, len(p.sends), p.finds.Load())
				}
			})
		})
	}
}

func TestDoubtThatNobodyCanAnswerIsSentOnceMoreAndMarked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newMemory(), &phone{answer: func(n int, _ Message) error {
			if n == 1 {
				return fmt.Errorf("%w: cut", ErrUnsure)
			}
			return nil
		}}
		run(t, s, p, nil, note("a"))
		if m := s.get(t, "a"); m.State != Sent || !m.MaybeTwice || len(p.sends) != 2 {
			t.Errorf("%+v after %d sends", m, len(p.sends))
		}
	})
}

func TestSecondDoubtEndsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newMemory(), &phone{answer: func(int, Message) error { return fmt.Errorf("%w: cut", ErrUnsure) }}
		run(t, s, p, nil, note("a"))
		if m := s.get(t, "a"); m.State != Failed || !m.MaybeTwice || len(p.sends) != 2 || m.Error == "" {
			t.Errorf("%+v after %d sends", m, len(p.sends))
		}
	})
}

func TestProviderThatKnowsKeysIsSentTheMessageAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newMemory(), deduping{&phone{answer: func(n int, _ Message) error {
			if n < 4 {
				return fmt.Errorf("%w: cut", ErrUnsure)
			}
			return nil
		}}}
		run(t, s, p, nil, note("a"))
		if m := s.get(t, "a"); m.State != Sent || m.MaybeTwice || len(p.sends) != 4 {
			t.Errorf("%+v after %d sends", m, len(p.sends))
		}
	})
}

func TestPanicOfAProviderIsADoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemory()
		p := &askable{phone: &phone{}}
		p.answer = func(n int, m Message) error {
			if n == 1 {
				panic("secret " + string(m.To))
			}
			return nil
		}
		var log bytes.Buffer
		run(t, s, p, func(o *Outbox) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) }, note("a"))
		if words := log.String(); !strings.Contains(words, "panicked") || strings.Contains(words, "612345678") || strings.Contains(words, "Rappel") {
			t.Errorf("the log says %s", words)
		}
		m := s.get(t, "a")
		if m.State != Sent || p.finds.Load() != 1 || len(p.sends) != 2 {
			t.Errorf("%+v after %d questions, %d sends", m, p.finds.Load(), len(p.sends))
		}
	})
}

func TestSendingIsBoundedInRateAndInNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newMemory(), &phone{takes: 3 * time.Second}
		var ms []Message
		for i := range 60 {
			ms = append(ms, note(fmt.Sprint(i)))
		}
		begin := time.Now()
		run(t, s, p, func(o *Outbox) { o.PerSecond = 0 }, ms...)
		if p.most.Load() != 4 {
			t.Errorf("%d at once, want 4", p.most.Load())
		}
		if d := p.at[59].Sub(begin); d < 45*time.Second || d > 47*time.Second {
			t.Errorf("60 messages of 3 s, 4 at once, took %v", d)
		}

		fast := &phone{}
		for i := range ms {
			ms[i].Key = "fast" + ms[i].Key
		}
		begin = time.Now()
		run(t, s, fast, func(o *Outbox) { o.PerSecond = 0 }, ms...)
		if d := fast.at[59].Sub(begin); d < 5900*time.Millisecond || d > 7*time.Second {
			t.Errorf("60 messages at 10/s took %v", d)
		}
	})
}

func TestRunThatIsStoppedLetsAMessageUnderWayArrive(t *testing.T) {
	for _, c := range []struct {
		name  string
		takes time.Duration
		state State
		ends  time.Duration
	}{
		{"in time", 4 * time.Second, Sent, 4 * time.Second},
		{"too slow", 12 * time.Second, Queued, 6 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, p := newMemory(), &phone{takes: c.takes}
				if err := s.Enqueue(t.Context(), note("a")); err != nil {
					t.Fatal(err)
				}
				ctx, stop := context.WithCancel(t.Context())
				ended := make(chan error)
				o := &Outbox{Store: s, Provider: p, Log: quiet}
				begin := time.Now()
				go func() { ended <- o.Run(ctx) }()
				time.Sleep(time.Second)
				stop()
				<-ended
				m := s.get(t, "a")
				if m.State != c.state || m.Unsure != (c.state == Queued) || time.Since(begin) > c.ends {
					t.Errorf("%s, unsure %v, after %v", m.State, m.Unsure, time.Since(begin))
				}
			})
		})
	}
}

func TestStoreThatFailsForAMomentLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newMemory(), &phone{}
		begin := time.Now()
		s.op = func(name string) error {
			if since := time.Since(begin); name != "enqueue" && since > 100*time.Millisecond && since < 20*time.Second {
				return errors.New("disk full")
			}
			return nil
		}
		p.takes = time.Second
		run(t, s, p, nil, note("a"), note("b"), note("c"), note("d"), note("e"), note("f"))
		for _, key := range []string{"a", "b", "c", "d", "e", "f"} {
			if m := s.get(t, key); m.State != Sent || p.taken[key] != 1 || m.MaybeTwice {
				t.Errorf("%s: %s, taken %d times", key, m.State, p.taken[key])
			}
		}
	})
}

func TestAReportThatOvertookTheSendingIsToldOnceAndALaterOneIsNot(t *testing.T) {
	for name, test := range map[string]struct {
		state State
		done  time.Duration // from when the message is saved as sent
		want  []State
	}{
		"delivered before it was saved":     {Delivered, -time.Millisecond, []State{Sent, Delivered}},
		"not delivered":                     {Failed, -time.Millisecond, []State{Sent, "undelivered"}},
		"reported later, which a hook told": {Delivered, time.Millisecond, []State{Sent}},
		"not reported":                      {Sent, 0, []State{Sent}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newMemory()
				s.after = func(op string) error {
					if op == "settle" && test.state != Sent {
						s.mu.Lock()
						defer s.mu.Unlock()
						s.out[0].State, s.out[0].DoneAt = test.state, time.Now().Add(test.done)
					}
					return nil
				}
				d := run(t, s, &phone{}, nil, Message{Key: "a", To: "+33639980001", Promise: "K3"})
				if got := d.states(t)["K3"]; !slices.Equal(got, test.want) {
					t.Errorf("the journal says %q, want %q", got, test.want)
				}
			})
		})
	}
}
