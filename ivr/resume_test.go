package ivr

import (
	"strings"
	"testing"
	"time"

	"decroche/call"
	"decroche/routing"
)

func TestAWaitingCallerKeepsPlaceWaitAndNewsOverARestart(t *testing.T) {
	play(t, func(s *stage) {
		s.board.publish(Message{})
		first := s.waiting(10 * time.Second)
		second := s.waiting(time.Minute)
		after := s.restart(second, first)
		c, next := after[1], after[0]
		if first.hungUp || second.hungUp {
			t.Error("a call that is left in place was hung up")
		}
		c.hears("fr/caller.resumed")
		if got := s.queue("accueil"); got.Waiting != 2 || got.LongestWait < time.Minute {
			t.Errorf("the queue stands %+v", got)
		}
		time.Sleep(40 * time.Second)
		for _, r := range after {
			got := strings.Join(r.names(), " ")
			if strings.Contains(got, "bienvenue") || strings.Contains(got, "queue.joined") || strings.Contains(got, "message:") {
				t.Errorf("a caller heard again %s", got)
			}
		}
		if got := next.names(); !slicesHas(got, "fr/position.2") {
			t.Errorf("the later caller heard %q", got)
		}
		s.signIn("2001")
		time.Sleep(10 * time.Second)
		g := c.leg()
		g.is(true, false)
		if len(next.legs) != 0 {
			t.Error("the later caller was served first")
		}
		if got := strings.Join(g.heard, " "); !strings.Contains(got, "whisper.wait.1") {
			t.Errorf("the agent heard %s", got)
		}
		for _, e := range s.facts.of(call.EventEnded) {
			t.Errorf("the journal says that a call ended: %v", e)
		}
		if n := len(s.facts.of(call.EventQueued)); n != 2 {
			t.Errorf("%d callers were queued", n)
		}
	})
}

func TestADetachedCallerHasNotAbandoned(t *testing.T) {
	play(t, func(s *stage) {
		c := s.waiting(10 * time.Second)
		c.cancel(call.ErrDetach)
		<-c.over
		if q := s.queue("accueil"); q.Waiting != 0 || q.Abandoned != 0 {
			t.Errorf("the queue stands %+v", q)
		}
		c = s.waiting(10 * time.Second)
		c.hangsUp()
		if q := s.queue("accueil"); q.Abandoned != 1 {
			t.Errorf("the queue stands %+v", q)
		}
	})
}

func TestAConversationGoesOnOverARestart(t *testing.T) {
	play(t, func(s *stage) {
		s.signIn("2001")
		c := s.dial(general, "1")
		time.Sleep(10 * time.Second)
		g := c.leg()
		after := s.restart(c)[0]
		g.is(true, false)
		if c.hungUp {
			t.Error("the caller was hung up")
		}
		if st := s.state("2001"); st != routing.Talking {
			t.Errorf("the agent is %s", st)
		}
		time.Sleep(time.Minute)
		close(after.leg().leave)
		after.ends(call.Answered, call.ReasonAgentHungUp)
		after.hears("fr/goodbye")
		ended := s.facts.of(call.EventTalkEnded)
		if len(ended) != 1 || ended[0]["talk_ms"].(float64) < 60_000 {
			t.Errorf("the journal says %v", ended)
		}
	})
}

func TestACallerWhoseAgentLeftDuringTheRestartIsThanked(t *testing.T) {
	play(t, func(s *stage) {
		s.signIn("2001")
		c := s.dial(general, "1")
		time.Sleep(10 * time.Second)
		c.leg().Release(t.Context())
		after := s.restart(c)[0]
		after.ends(call.Answered, call.ReasonAgentHungUp)
		after.hears("fr/goodbye")
	})
}

func TestAnAgentWhoAlreadyHasAnotherCallerDoesNotEndTheConversation(t *testing.T) {
	play(t, func(s *stage) {
		s.signIn("2001")
		c := s.dial(general, "1")
		time.Sleep(10 * time.Second)
		c.cancel(call.ErrDetach)
		<-c.over
		s.floor.Close()
		s.start()
		s.busy("2001") // the floor does not know yet
		after := s.resume(c)
		time.Sleep(time.Second)
		after.leg().is(true, false)
		close(after.leg().leave)
		after.ends(call.Answered, call.ReasonAgentHungUp)
	})
}

// At each step: what the caller hears first after a restart, and that the journey goes on.
func TestACallIsTakenUpAtEachStep(t *testing.T) {
	for step, test := range map[string]struct {
		to    call.Number
		keys  string
		after time.Duration
		hears []string
		in    string
	}{
		StepLanguage: {both, "", time.Second, []string{"fr/langue", "en/langue"}, StepMenu},
		StepHours:    {general, "", time.Second, []string{"fr/menu-principal"}, StepMenu}, // nobody is welcomed twice
		StepMenu:     {general, "", 3 * time.Second, []string{"fr/menu-principal"}, StepMenu},
		StepInfo:     {general, "3", time.Second, []string{"fr/info-horaires", "fr/info.offer-person"}, StepInfo},
		StepQueue:    {general, "1", 10 * time.Second, []string{"fr/caller.resumed"}, StepQueue},
	} {
		t.Run(step, func(t *testing.T) {
			play(t, func(s *stage) {
				c := s.dial(test.to, test.keys)
				time.Sleep(test.after)
				if cp, _ := s.saved.of(c.info.ID); cp.Step != step {
					t.Fatalf("the checkpoint is at %q", cp.Step)
				}
				r := s.restart(c)[0]
				time.Sleep(3 * time.Second)
				r.hears(test.hears...)
				time.Sleep(7 * time.Second)
				if cp, _ := s.saved.of(c.info.ID); cp.Step != test.in {
					t.Errorf("then the call is at %q", cp.Step)
				}
				if n := len(s.facts.of(call.EventLanguage)); n > 1 && step != StepLanguage {
					t.Errorf("the language was noted %d times", n)
				}
			})
		})
	}
}

func TestACallerOfAFullQueueIsLetBackIn(t *testing.T) {
	play(t, func(s *stage) {
		c := s.dial(direct)
		time.Sleep(10 * time.Second)
		c.cancel(call.ErrDetach)
		<-c.over
		s.floor.Close()
		s.start()
		s.dial(direct) // takes the one place before
		time.Sleep(5 * time.Second)
		r := s.resume(c)
		time.Sleep(time.Second)
		r.hears("fr/caller.resumed")
		if q := s.queue("titres"); q.Waiting != 2 {
			t.Errorf("the queue stands %+v", q)
		}
	})
}

func TestAQueueRemovedBeforeARestartGivesWayToTheFirstMenus(t *testing.T) {
	play(t, func(s *stage) {
		c := s.dial(direct)
		time.Sleep(10 * time.Second)
		text := strings.ReplaceAll(definition+prompts(), "queue: titres", "queue: accueil")
		s.def.Store(parse(t, text[:strings.Index(text, "  titres: {label")]+text[strings.Index(text, "skills:"):]))
		r := s.restart(c)[0]
		r.hears("fr/caller.resumed")
		if q := s.queue("accueil"); q.Waiting != 1 {
			t.Errorf("the queue stands %+v", q)
		}
	})
}

func TestAFencedCallIsLeftToTheOtherController(t *testing.T) {
	play(t, func(s *stage) {
		c := s.waiting(10 * time.Second)
		c.cancel(call.ErrFenced)
		<-c.over
		if c.left == nil || c.hungUp || len(s.facts.of(call.EventEnded)) != 0 || s.queue("accueil").Abandoned != 0 {
			t.Errorf("left %v, hung up %t", c.left, c.hungUp)
		}
		c = s.waiting(10 * time.Second)
		s.saved.refuse(call.ErrFenced) // found out at the next word
		time.Sleep(40 * time.Second)
		select {
		case <-c.over:
		default:
			t.Fatal("the call is still driven")
		}
		if c.left == nil || c.hungUp || slicesHas(c.names(), "fr/sorry.technical") {
			t.Errorf("left %v, hung up %t, heard %q", c.left, c.hungUp, c.names())
		}
	})
}
