package ivr

import (
	"context"
	"errors"
	"testing"
	"time"

	"decroche/call"
	"decroche/callback"
)

func TestWhoSpeaksWithAPersonNeedsNoCallbackAnyMore(t *testing.T) {
	for name, fails := range map[string]bool{"and is noted so": false, "also when it cannot be noted": true} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *stage) {
				b := s.desk()
				if fails {
					b.err = errors.New("the disk is full")
				}
				s.signIn("2001")
				c := s.dial(general, "1")
				time.Sleep(10 * time.Second)
				c.leg().is(true, false)
				if len(look(b, &b.again)) != 1 || look(b, &b.again)[0] != "+33639980001" {
					t.Errorf("told was %v", look(b, &b.again))
				}
			})
		})
	}
}

// Who is cut off while waiting is called back; who hangs up may be told how to be.
func TestWhoLeavesTheLineIsLookedAfter(t *testing.T) {
	waits := func(s *stage) *fake { return s.waiting(15 * time.Second) }
	asks := func(s *stage) *fake { return s.asking() }
	broken := errors.Join(call.ErrHangup, call.ErrTechnical)
	for name, test := range map[string]struct {
		where  func(s *stage) *fake
		cause  error
		before func(s *stage, b *book)
		end    call.End
		kind   callback.Kind // of the promise, "" for none
		invite bool
	}{
		"cut off":                  {waits, call.ErrCutOff, nil, call.End{Outcome: call.Abandoned, Reason: call.ReasonCutOff}, callback.Place, false},
		"cut off while asking":     {asks, call.ErrCutOff, nil, call.End{Outcome: call.Abandoned, Reason: call.ReasonCutOff}, callback.Place, false},
		"the exchange died":        {waits, broken, nil, call.End{Outcome: call.Abandoned, Reason: call.ReasonExchange}, callback.Place, false},
		"cut off, no place":        {waits, call.ErrCutOff, func(_ *stage, b *book) { b.place = false }, call.End{Outcome: call.Abandoned, Reason: call.ReasonCutOff}, callback.Slot, false},
		"cut off, slot just taken": {waits, call.ErrCutOff, func(_ *stage, b *book) { b.place, b.taken = false, 1 }, call.End{Outcome: call.Abandoned, Reason: call.ReasonCutOff}, callback.Slot, false},
		"cut off, not to be":       {waits, call.ErrCutOff, func(s *stage, _ *book) { s.def.Load().Callback.CutOff = false }, call.End{Outcome: call.Abandoned, Reason: call.ReasonCutOff}, "", false},
		"cut off, refused":         {waits, call.ErrCutOff, func(_ *stage, b *book) { b.why = callback.WhyForeign }, call.End{Outcome: call.Abandoned, Reason: call.ReasonCutOff}, "", false},
		"hung up":                  {waits, call.ErrHangup, nil, call.End{Outcome: call.Abandoned, Reason: call.ReasonCallerHungUp}, "", true},
		"hung up, not to be told":  {waits, call.ErrHangup, func(s *stage, _ *book) { s.def.Load().Callback.InviteAbandoned = false }, call.End{Outcome: call.Abandoned, Reason: call.ReasonCallerHungUp}, "", false},
		"hung up at once":          {func(s *stage) *fake { return s.waiting(5 * time.Second) }, call.ErrHangup, nil, call.End{Outcome: call.Abandoned, Reason: call.ReasonCallerHungUp}, "", false},
		"cut off in the menu":      {func(s *stage) *fake { c := s.dial(general); time.Sleep(time.Second); return c }, call.ErrCutOff, nil, call.End{Outcome: call.LeftIVR, Reason: call.ReasonCutOff}, "", false},
		"cut off in conversation":  {func(s *stage) *fake { return s.busy("2001") }, call.ErrCutOff, nil, call.End{Outcome: call.Answered, Reason: call.ReasonCutOff}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *stage) {
				b := s.desk()
				c := test.where(s)
				if test.before != nil {
					b.change(func() { test.before(s, b) })
				}
				c.leaves(test.cause)
				c.ends(test.end.Outcome, test.end.Reason)
				if test.invite != (len(look(b, &b.invited)) == 1) {
					t.Errorf("invited were %+v", look(b, &b.invited))
				}
				if test.kind == "" {
					if len(look(b, &b.promises)) != 0 {
						t.Errorf("promised was %+v", look(b, &b.promises))
					}
					return
				}
				if p := b.only(s); p.Kind != test.kind || p.Origin != callback.FromCutOff || p.Joined.IsZero() || p.Contact != c.info.ID {
					t.Errorf("promised was %+v", p)
				}
			})
		})
	}
	t.Run("cut off with a number chosen", func(t *testing.T) {
		play(t, func(s *stage) {
			b := s.desk()
			c := s.asking()
			c.types("20199001122")
			time.Sleep(time.Second)
			c.types("1")
			time.Sleep(time.Second)
			c.leaves(call.ErrCutOff)
			if p := b.only(s); p.Number != "+33199001122" {
				t.Errorf("promised was %+v", p)
			}
		})
	})
	t.Run("cut off with a promise", func(t *testing.T) {
		play(t, func(s *stage) {
			b := s.desk()
			b.live["+33639980001"] = callback.Promise{ID: "P9", Kind: callback.Place}
			s.waiting(15 * time.Second).leaves(call.ErrCutOff)
			if len(look(b, &b.asked)) != 0 {
				t.Errorf("asked was %+v", look(b, &b.asked))
			}
		})
	})
	t.Run("left in place by the controller", func(t *testing.T) {
		play(t, func(s *stage) {
			b := s.desk()
			s.restart(s.waiting(15 * time.Second))
			if len(look(b, &b.asked))+len(look(b, &b.invited)) != 0 {
				t.Error("the caller waits on and was looked after")
			}
		})
	})
	t.Run("cut off while no controller was there", func(t *testing.T) {
		play(t, func(s *stage) {
			b := s.desk()
			v := &Visit{Lang: "fr", Queue: "accueil", Joined: time.Now().Add(-time.Minute)} // as read from a checkpoint
			s.journey.LeftWaiting(context.Background(), call.Info{ID: "call-9", From: "+33639980009", To: general}, v, call.ErrTechnical)
			if p := b.only(s); p.Number != "+33639980009" || p.Kind != callback.Place {
				t.Errorf("promised was %+v", p)
			}
		})
	})
}

func TestNobodyElseIsLookedAfter(t *testing.T) {
	for name, change := range map[string]func(v *Visit){
		"who spoke with a person":    func(v *Visit) { v.Connected = time.Now() },
		"whose call had its end":     func(v *Visit) { v.End = call.End{Outcome: call.Dissuaded, Reason: call.ReasonClosure} },
		"who was promised something": func(v *Visit) { v.Promise = "P1" },
		"who never stood in line":    func(v *Visit) { v.Joined = time.Time{} },
		"whom we called":             func(v *Visit) { v.Recall = &Recall{Promise: "P1"} },
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *stage) {
				b := s.desk()
				v := &Visit{Lang: "fr", Queue: "accueil", Joined: time.Now().Add(-time.Minute)}
				change(v)
				for _, cause := range []error{call.ErrCutOff, call.ErrHangup, nil} {
					s.journey.LeftWaiting(context.Background(), call.Info{ID: "call-9", From: "+33639980009", To: general}, v, cause)
				}
				if len(look(b, &b.asked))+len(look(b, &b.invited)) != 0 {
					t.Error("they were looked after")
				}
			})
		})
	}
}
