package softphone

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestCallerHearsThePromptsInTheirOrderAndAtTheirTime(t *testing.T) {
	t.Parallel()
	x := startedExchange(t)
	c := dial(t, caller(t, x), "tour")
	l := c.ListenFor(files())
	for _, name := range []string{"welcome", "wait2", "wait5", "goodbye"} {
		if _, err := l.WaitFor(within(t, 10*time.Second), name); err != nil {
			t.Fatal(err)
		}
	}
	wait(t, c.Done(), "the end")
	if c.EndedBy() != EndedThem {
		t.Errorf("ended by %q", c.EndedBy())
	}
	rec := c.Hear()
	got := files().Recognise(rec)
	if live := l.Heard(); describeHeard(live) != describeHeard(got) {
		t.Errorf("live: %s\nafterwards: %s", describeHeard(live), describeHeard(got))
	}
	if len(got) != 4 {
		t.Fatalf("heard %s", describeHeard(got))
	}
	began := x.began(t, got)
	exact := 0
	for i, h := range got {
		off := h.Start - began[i].Sub(rec.Start)
		if off.Abs() <= 50*time.Millisecond {
			exact++
		}
		if off.Abs() > 300*time.Millisecond || !h.Exact || !h.Complete {
			t.Errorf("heard %v, Asterisk began it %s earlier", h, off)
		}
	}
	if exact < 3 { // a busy machine may hold up one of them
		t.Errorf("heard %s; Asterisk began them at %v", describeHeard(got), began)
	}
	if s := LongestSilence(rec, rec.Answered, 0); s.Length() < 900*time.Millisecond || s.Length() > 1200*time.Millisecond {
		t.Errorf("longest silence %v", s)
	}
	if st := c.RecvStats(); st.Lost > 0 || st.FirstMedia == 0 || st.FirstMedia > 2*time.Second {
		t.Errorf("%+v", st)
	}
}

// began reads in Asterisk's log when it began to play each prompt of the last tour of "caller".
func (x *exchange) began(t *testing.T, hs []Heard) []time.Time {
	t.Helper()
	log, err := os.ReadFile(filepath.Join(x.dir, "log", "messages"))
	if err != nil {
		t.Fatal(err)
	}
	channel := regexp.MustCompile(`\[tour@test:1\] Answer\("(PJSIP/caller-[0-9a-f]+)"`).FindAllSubmatch(log, -1)
	if channel == nil {
		t.Fatal("Asterisk's log has no tour")
	}
	var out []time.Time
	for _, h := range hs {
		line := regexp.MustCompile(`\[([^]]+)\] .*<` + string(channel[len(channel)-1][1]) + `> Playing '.*/` + h.Name + `\.alaw'`).FindSubmatch(log)
		if line == nil {
			t.Fatalf("Asterisk's log does not have %s", h.Name)
		}
		at, err := time.ParseInLocation("2006-01-02 15:04:05.000", string(line[1]), time.Local)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, at)
	}
	return out
}

func TestKeyCutsThePromptAndBranches(t *testing.T) {
	t.Parallel()
	x := startedExchange(t)
	for key, next := range map[string]string{"1": "wait2", "2": "wait5"} {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			c := dial(t, caller(t, x), "menu")
			l := c.ListenFor(files())
			h, err := l.WaitFor(within(t, 5*time.Second), "welcome")
			if err != nil {
				t.Fatal(err)
			}
			if delay := time.Since(c.start) - h.Start; delay > time.Second {
				t.Errorf("recognised %s after it began", delay)
			}
			if err := c.Press(t.Context(), key); err != nil {
				t.Fatal(err)
			}
			if _, err := l.WaitFor(within(t, 5*time.Second), next); err != nil {
				t.Error(err)
			}
			first := l.Heard()[0]
			if first.Name != "welcome" || first.Complete || first.Score > 0.8 {
				t.Errorf("heard %v, want welcome cut", first)
			}
		})
	}
}

func TestKeysArriveByRTPEventsAndByINFO(t *testing.T) {
	t.Parallel()
	x := startedExchange(t)
	for user, how := range map[string]PressOption{"caller": WithRFC4733(), "infocaller": WithINFO()} {
		t.Run(user, func(t *testing.T) {
			t.Parallel()
			c := dial(t, phone(t, Config{Server: x.server, User: user}), "pin")
			if err := c.Press(t.Context(), "47110", how); err != nil {
				t.Fatal(err)
			}
			if _, err := c.ListenFor(files()).WaitFor(within(t, 10*time.Second), "wait2"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestTranscodedCallIsRecognisedToo(t *testing.T) {
	t.Parallel()
	x := startedExchange(t)
	c := dial(t, phone(t, Config{Server: x.server, User: "ulawcaller", Codecs: []string{"PCMU"}}), "tour")
	l := c.ListenFor(files())
	for _, name := range []string{"welcome", "wait2", "wait5", "goodbye"} {
		if _, err := l.WaitFor(within(t, 10*time.Second), name); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWaitingForTheWrongPromptSaysWhatWasHeard(t *testing.T) {
	t.Parallel()
	c := dial(t, caller(t, startedExchange(t)), "menu")
	l := c.ListenFor(files())
	_, err := l.WaitFor(within(t, 1500*time.Millisecond), "goodbye")
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "heard welcome at") {
		t.Errorf("got %v", err)
	}
	h, err := l.WaitFor(within(t, time.Second), "welcome")
	if err != nil {
		t.Fatal(err)
	}
	if h, err = l.WaitEnd(within(t, 5*time.Second), h); err != nil || !h.Complete {
		t.Errorf("to its end: %v, %v", h, err)
	}
	if err := c.Hangup(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := l.WaitFor(t.Context(), "goodbye"); err == nil || !strings.Contains(err.Error(), "ended by us") {
		t.Errorf("after the end: %v", err)
	}
}
