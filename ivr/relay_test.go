package ivr

import (
	"slices"
	"strings"
	"testing"
	"time"

	"decroche/call"
	"decroche/callback"
	"decroche/routing"
)

const (
	relayCentre = call.Number("+33199005000") // whom we call
	relayCalls  = call.Number("+33199005001") // whom it calls from
)

func TestARelayCentreHearsNoMenuAndNoWelcome(t *testing.T) {
	play(t, func(s *stage) {
		s.board.publish(Message{Text: map[call.Lang]string{"fr": "Le site est en panne."}})
		c := s.from(relayCalls) // on the general number
		time.Sleep(10 * time.Second)
		c.hears("fr/relay.joined", "fr/position.1", "fr/queue.noagents")
		if q := s.queue("titres"); q.Waiting != 1 { // the queue of the access
			t.Errorf("%d wait in the queue of the access", q.Waiting)
		}
	})
}

func TestWhatClosesTheLineIsToldToARelayToo(t *testing.T) {
	play(t, func(s *stage) {
		s.board.publish(Message{Replace: true})
		c := s.from(relayCalls)
		c.ends(call.Dissuaded, call.ReasonClosure)
	})
}

func TestARelayInLineIsLeftInPeaceForTwoMinutes(t *testing.T) {
	play(t, func(s *stage) {
		c := s.from(relayCalls)
		time.Sleep(20 * time.Second)
		c.names()
		c.hears("fr/relay.joined", "fr/position.1", "fr/queue.noagents")
		time.Sleep(90 * time.Second)
		c.hears()
		time.Sleep(30 * time.Second)
		c.hears("fr/position.1", "fr/queue.noagents")
		select {
		case <-c.over:
			t.Error("the relay was let go")
		case <-time.After(10 * time.Minute):
		}
	})
}

func TestTheAgentOfARelayedCallKnowsWhatItIs(t *testing.T) {
	play(t, func(s *stage) {
		s.signIn("2002")
		c := s.from(relayCalls)
		time.Sleep(8 * time.Second)
		a, _ := s.floor.Agent("2002")
		if a.Public != "relay" || a.State != routing.Ringing {
			t.Errorf("the desk shows %q, %s", a.Public, a.State)
		}
		if g := c.leg(); !slices.Contains(g.heard, "fr/whisper.relay") {
			t.Errorf("the agent was told %q", g.heard)
		}
		if v := (&Visit{Public: "relay", def: s.def.Load()}); v.banner(s.def.Load().Queues["titres"]) != "APPEL RELAYÉ titres" {
			t.Errorf("the phone shows %q", v.banner(s.def.Load().Queues["titres"]))
		}
	})
}

// Ninety seconds without a word, and the question still stands.
func TestASilenceOfNinetySecondsIsNoEndForARelay(t *testing.T) {
	play(t, func(s *stage) {
		s.desk()
		time.Sleep(8 * time.Hour) // closed
		c := s.from(relayCalls)
		time.Sleep(95 * time.Second)
		if heard := strings.Join(c.names(), " "); !strings.HasSuffix(heard, "fr/callback.hint") {
			t.Errorf("heard %s", heard)
		}
		c.types("1")
		time.Sleep(80 * time.Second)
		c.types("0")
		time.Sleep(80 * time.Second) // between two keys
		c.types("639980009")
		time.Sleep(70 * time.Second)
		heard := strings.Join(c.names(), " ")
		if !strings.Contains(heard, "fr/callback.relay fr/callback.number.type fr/callback.number.typed") {
			t.Errorf("heard %s", heard)
		}
	})
}

func TestACallbackAskedThroughARelayRemembersTheCitizenAndTheRelay(t *testing.T) {
	play(t, func(s *stage) {
		b := s.desk()
		c := s.from(relayCalls)
		time.Sleep(30 * time.Second)
		c.types("1")
		time.Sleep(3 * time.Second)
		c.types("0639980009")
		time.Sleep(10 * time.Second)
		c.types("1")
		time.Sleep(5 * time.Second)
		c.types("1")
		c.ends(call.CalledBack, call.ReasonPlace)
		asked := look(b, &b.asked)
		if len(asked) != 1 || asked[0].Number != "+33639980009" || asked[0].Relay != relayCentre || asked[0].Public != "relay" {
			t.Errorf("asked was %+v", asked)
		}
	})
}

func TestTwoCitizensBehindOneRelayAreNeverTakenForOne(t *testing.T) {
	play(t, func(s *stage) {
		b := s.desk()
		s.signIn("2002")
		b.live[relayCalls] = callback.Promise{ID: "P9", Kind: callback.Place}
		c := s.from(relayCalls)
		time.Sleep(30 * time.Second)
		if again := look(b, &b.again); len(again) != 0 {
			t.Errorf("the promise of %v was ended by another citizen's call", again)
		}
		c.leaves(call.ErrCutOff)
		if asked := look(b, &b.asked); len(asked) != 0 {
			t.Errorf("the relay itself is to be called back: %+v", asked)
		}
	})
	play(t, func(s *stage) { // cut off in line: whose call it was nobody knows
		b := s.desk()
		c := s.from(relayCalls)
		time.Sleep(30 * time.Second)
		c.leaves(call.ErrCutOff)
		if len(look(b, &b.asked))+len(look(b, &b.invited)) != 0 {
			t.Error("the relay itself is to be called back, or invited")
		}
	})
}

func TestNobodyIsCalledBackThroughARelayThatIsNotCalled(t *testing.T) {
	play(t, func(s *stage) {
		s.def.Store(parse(t, strings.Replace(definition, "relay: {number: 01 99 00 50 00, callers:", "relay: {callers:", 1)+prompts()))
		b := s.desk()
		b.offers = "estimate"
		c := s.from(relayCalls)
		time.Sleep(time.Minute)
		c.types("1")
		time.Sleep(10 * time.Second)
		for _, name := range c.names() {
			if strings.HasPrefix(name, "fr/callback.") {
				t.Errorf("heard %s", name)
			}
		}
	})
}

// through is a callback whose citizen is behind a relay centre.
func through(v *Visit) {
	v.Public = "relay"
	v.Recall.AgentFirst, v.Recall.Citizen = false, citizen
}

func TestACallbackThroughARelayAsksForTheCitizenAndThenRingsTheAgent(t *testing.T) {
	play(t, func(s *stage) {
		c := s.recall(through)
		time.Sleep(60 * time.Second)
		heard := strings.Join(c.names(), " ")
		if !strings.HasPrefix(heard, "fr/recall.relay.hello fr/recall.relay.number fr/number.digit.06") || !strings.HasSuffix(heard, "fr/recall.relay.press") {
			t.Errorf("the operator heard %s", heard)
		}
		if len(c.legs) != 0 {
			t.Error("the agent was rung before the citizen was on the line")
		}
		c.types("1")
		time.Sleep(15 * time.Second)
		g := c.leg()
		g.is(true, false)
		if !slices.Contains(g.heard, "fr/whisper.callback") || !slices.Contains(g.heard, "fr/whisper.relay") {
			t.Errorf("the agent was told %q", g.heard)
		}
		close(g.leave)
		c.results(callback.Connected, call.Answered, call.ReasonAgentHungUp)
	})
}

func TestARelayThatGetsNobodyOnTheLineIsAskedThreeTimesAndLeftNoMessage(t *testing.T) {
	play(t, func(s *stage) {
		c := s.recall(through)
		time.Sleep(7 * time.Minute)
		c.results(callback.Machine, call.NotReached, call.ReasonVoicemail)
		heard := strings.Join(c.names(), " ")
		if n := strings.Count(heard, "recall.relay.press"); n != tries {
			t.Errorf("the operator was asked %d times", n)
		}
		if strings.Contains(heard, "recall.voicemail") {
			t.Error("a message was left with the relay centre")
		}
	})
}
