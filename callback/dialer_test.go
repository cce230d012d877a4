package callback

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"decroche/call"
	"decroche/routing"
	"decroche/service"
)

var agentA = []call.AgentID{"2001"}

func TestASlotOfTomorrowIsKeptTomorrowAtItsFirstMoment(t *testing.T) {
	open(t, "2000-01-03 16:30", agentA, func(o *office) {
		slot := local("2000-01-04 10:15")
		o.promise("slot", slot, 0)
		time.Sleep(time.Until(slot) - time.Millisecond)
		o.is("slot", Pending)
		time.Sleep(time.Hour)
		o.is("slot", Kept)
		if at := o.phones.rung("slot"); len(at) != 1 || !at[0].Equal(slot.Add(o.phones.pickUp)) {
			t.Errorf("rung at %v", at)
		}
	})
}

func TestALineThatClosesCarriesThoseInLineToTheNextOpeningAndTellsThem(t *testing.T) {
	open(t, "2000-01-03 16:50", agentA, func(o *office) {
		o.set("2001", routing.Paused)
		o.promise("a", time.Now(), time.Minute)
		o.promise("b", time.Now(), 0)
		time.Sleep(time.Second)
		o.is("a", InLine)
		if n := o.dialer.InLine(); n != 2 {
			t.Errorf("%d in line, want 2", n)
		}
		time.Sleep(time.Until(local("2000-01-03 17:00")))
		o.set("2001", routing.Available)
		time.Sleep(2 * breather) // whom the agent was for is seen to by the look after that
		for _, id := range []ID{"a", "b"} {
			if p := o.is(id, Pending); !p.Due.Equal(local("2000-01-04 08:30")) || o.texts(id, "carried") != 1 {
				t.Errorf("carried to %v, %d texts", p.Due, o.texts(id, "carried"))
			}
		}
		o.agent("2001", routing.Available)
		time.Sleep(16 * time.Hour)
		o.is("a", Kept)
		a, b := o.phones.rung("a"), o.phones.rung("b")
		if len(a) != 1 || len(b) != 1 || a[0].Before(local("2000-01-04 08:30")) || !a[0].Before(b[0]) {
			t.Errorf("rung at %v and %v", a, b)
		}
	})
}

func TestWhatIsDueAndFindsNoRoomInLineIsCarriedOverAtTheClosingAndTold(t *testing.T) {
	open(t, "2000-01-03 16:50", agentA, func(o *office) {
		o.set("2001", routing.Paused)
		o.closed.Store(true) // a message closes the queues until after the hours: nothing is taken in line
		o.promise("a", time.Now(), time.Minute)
		time.Sleep(time.Minute)
		o.is("a", Pending)
		if n := o.texts("a", "carried"); n != 0 {
			t.Errorf("told %d times while the window is still to come", n)
		}
		time.Sleep(time.Until(local("2000-01-03 17:01")))
		if p := o.is("a", Pending); !p.Due.Equal(local("2000-01-04 08:30")) || o.texts("a", "carried") != 1 {
			t.Errorf("carried to %v, %d texts", p.Due, o.texts("a", "carried"))
		}
	})
}

func TestAnAgentWhoComesAMomentAfterTheClosingIsGivenBack(t *testing.T) {
	open(t, "2000-01-03 10:00", agentA, func(o *office) {
		o.set("2001", routing.Paused)
		o.promise("a", time.Now(), 0)
		time.Sleep(1300 * time.Millisecond)
		o.is("a", InLine)
		o.closed.Store(true) // by a message: nobody wakes the dial loop
		time.Sleep(100 * time.Millisecond)
		o.is("a", InLine)
		o.set("2001", routing.Available)
		since := o.agent("2001", routing.Available).Since
		if time.Since(since) > time.Millisecond {
			t.Errorf("idle since %v, now is %v", since, time.Now())
		}
		time.Sleep(breather)
		// The line is open by its hours: what a message closed is carried past them.
		if p := o.is("a", Pending); !p.Due.Equal(local("2000-01-03 13:30")) || p.Attempts != 0 {
			t.Errorf("carried to %v after %d attempts", p.Due, p.Attempts)
		}
		o.promise("b", time.Now(), 0)
		time.Sleep(time.Minute)
		o.is("b", Pending)
		o.closed.Store(false)
		time.Sleep(time.Second)
		o.is("b", Calling)
		time.Sleep(5 * time.Minute)
	})
}

func TestAClosureByReloadTakesThePromisesOutOfLineAtOnce(t *testing.T) {
	open(t, "2000-01-03 10:00", agentA, func(o *office) {
		o.set("2001", routing.Paused)
		o.promise("a", time.Now(), 0)
		time.Sleep(1500 * time.Millisecond)
		o.is("a", InLine)
		def := prefecture()
		def.Closures = []service.Closure{{From: local("2000-01-03 09:00"), Until: local("2000-01-04 09:00")}}
		o.def.Store(def)
		o.dialer.Wake()
		time.Sleep(breather)
		if p := o.is("a", Pending); !p.Due.Equal(local("2000-01-04 09:00")) || o.texts("a", "carried") != 1 {
			t.Errorf("carried to %v, told %d times", p.Due, o.texts("a", "carried"))
		}
		o.set("2001", routing.Available)
		time.Sleep(time.Hour)
		o.agent("2001", routing.Available)
		time.Sleep(time.Until(local("2000-01-04 09:05")))
		o.is("a", Kept)
	})
}

func TestACitizenOverseasIsCalledInTheirDayAlone(t *testing.T) {
	// At 10:00 in Paris it is 20:00 in Nouméa.
	open(t, "2000-01-03 09:59", agentA, func(o *office) {
		o.set("2001", routing.Paused)
		o.promise("noumea-early", time.Now(), 0)
		o.promise("noumea-late", local("2000-01-03 10:30"), 0)
		time.Sleep(59 * time.Second)
		o.is("noumea-early", InLine)
		time.Sleep(time.Second)
		o.set("2001", routing.Available)
		time.Sleep(31 * time.Minute)
		for _, id := range []ID{"noumea-early", "noumea-late"} {
			if p := o.is(id, Pending); !p.Due.Equal(local("2000-01-04 08:30")) || p.Attempts != 0 || o.texts(id, "carried") != 1 {
				t.Errorf("%s is due at %v after %d attempts", id, p.Due, p.Attempts)
			}
		}
		o.agent("2001", routing.Available)
	})
}

func TestWhoSaysToBeOverseasIsCalledInTheDayOfThatPlace(t *testing.T) {
	open(t, "2000-01-03 11:00", agentA, func(o *office) { // 21:00 in Nouméa; their number is of the mainland
		p := o.promise("a", time.Now(), 0)
		_, err := o.store.Change(t.Context(), p.ID, 0, func(p *Promise) (Change, error) {
			p.Zone = "Pacific/Noumea"
			return Change{}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		o.dialer.Wake()
		time.Sleep(6 * time.Hour)
		if p := o.is("a", Pending); !p.Due.Equal(local("2000-01-04 08:30")) || p.Attempts != 0 {
			t.Errorf("it is due at %v after %d attempts", p.Due, p.Attempts)
		}
		time.Sleep(time.Until(local("2000-01-04 09:00")))
		o.is("a", Kept)
	})
}

func TestTheClocksThatChangeDoNotMoveTheHoursOnTheWall(t *testing.T) {
	open(t, "2000-03-26 23:00", agentA, func(o *office) { // the night after the clocks went forward
		o.promise("a", local("2000-03-26 23:00"), 0)
		time.Sleep(time.Until(time.Date(2000, 3, 27, 6, 30, 0, 0, time.UTC)) - time.Millisecond)
		o.is("a", Pending)
		time.Sleep(time.Millisecond)
		o.is("a", Calling)
		time.Sleep(10 * time.Minute)
	})
	night := func(o *office) {
		def := prefecture()
		def.Hours.Week[time.Sunday] = []service.Range{{From: 120, To: 180}}
		def.Callback.Hours.Week[time.Sunday] = []service.Range{{From: 0, To: 1440}}
		o.def.Store(def)
	}
	open(t, "2000-03-26 01:00", agentA, func(o *office) { // from 02:00 to 03:00 there is no time
		night(o)
		o.promise("a", time.Now(), 0)
		time.Sleep(3 * time.Hour)
		o.is("a", Pending)
	})
	open(t, "2000-10-29 01:00", agentA, func(o *office) { // 02:00 to 03:00 comes twice
		night(o)
		o.phones.talk = 20 * time.Minute
		for i := range 9 {
			o.promise(ID(fmt.Sprint("p", i)), time.Now(), 0)
		}
		time.Sleep(5 * time.Hour)
		dials := o.phones.dialled()
		first, last := dials[0].at, dials[len(dials)-1].at
		from := time.Date(2000, 10, 29, 0, 0, 0, 0, time.UTC)
		if first.Before(from) || first.Sub(from) > time.Minute || last.Before(from.Add(90*time.Minute)) || !last.Before(from.Add(2*time.Hour)) {
			t.Errorf("rung from %v to %v", first.UTC(), last.UTC())
		}
	})
}

func TestTriesFollowTheRetryRuleAndThenTheCitizenIsTold(t *testing.T) {
	open(t, "2000-01-03 09:00", agentA, func(o *office) {
		o.phones.plan["a"] = []Result{NoAnswer, Busy, Machine}
		start := time.Now()
		o.promise("a", start, 0)
		time.Sleep(3 * time.Hour)
		p := o.is("a", Unreachable)
		if got := o.results("a"); !slices.Equal(got, []Result{NoAnswer, Busy, Machine}) || p.Tries != 3 || !p.Voicemail {
			t.Errorf("attempts ended %v, %+v", got, p)
		}
		if o.texts("a", "unreachable") != 1 {
			t.Errorf("told %d times", o.texts("a", "unreachable"))
		}
		at := o.phones.rung("a")
		for i, want := range []time.Time{start, start.Add(10 * time.Minute), start.Add(70 * time.Minute)} {
			if late := at[i].Sub(want); late < 0 || late > time.Minute {
				t.Errorf("try %d at %v, want %v", i+1, at[i], want)
			}
		}
	})
	open(t, "2000-01-03 15:00", agentA, func(o *office) {
		def := prefecture()
		def.Callback.Attempts = 4
		o.def.Store(def)
		o.phones.plan["a"] = []Result{NoAnswer, NoAnswer, HungUp, Connected}
		o.promise("a", time.Now(), 0)
		time.Sleep(18 * time.Hour)
		o.is("a", Kept)
		if at := o.phones.rung("a"); len(at) != 4 || at[3].Before(local("2000-01-04 08:30")) || at[3].After(local("2000-01-04 08:31")) {
			t.Errorf("rung at %v", at)
		}
	})
}

func TestAnAgentWhoMissesTheCallbackIsSetAsideAndTheNextOneTakesItAtOnce(t *testing.T) {
	open(t, "2000-01-03 10:00", []call.AgentID{"2001", "2002"}, func(o *office) {
		o.set("2002", routing.Paused)
		o.phones.plan["a"] = []Result{AgentMissed, AgentRefused, Connected}
		o.promise("a", time.Now(), 0)
		time.Sleep(2 * time.Second)
		o.is("a", InLine)
		o.set("2002", routing.Available)
		if a := o.agent("2001", routing.SetAside); a.Reason != routing.ReasonNoAnswer {
			t.Errorf("set aside for %s", a.Reason)
		}
		o.agent("2002", routing.Ringing)
		time.Sleep(o.phones.pickUp)
		if a := o.agent("2002", routing.SetAside); a.Until.Sub(a.Since) != 20*time.Second {
			t.Errorf("who gave it back is left in peace for %v", a.Until.Sub(a.Since))
		}
		o.is("a", InLine)
		if o.dialer.InLine() != 1 || o.dialer.Calling() != 0 {
			t.Errorf("%d in line, %d called", o.dialer.InLine(), o.dialer.Calling())
		}
		time.Sleep(20 * time.Second)
		o.agent("2002", routing.Ringing)
		time.Sleep(10 * time.Second)
		if p := o.is("a", Kept); p.Tries != 1 || p.Attempts != 3 {
			t.Errorf("kept after %+v", p)
		}
		time.Sleep(10 * time.Minute)
	})
}

func TestAnAgentIsAvailableAtOnceWhenTheCitizenDoesNotAnswer(t *testing.T) {
	open(t, "2000-01-03 10:00", agentA, func(o *office) {
		since := o.agent("2001", routing.Available).Since
		o.phones.plan["a"] = []Result{NoAnswer, Connected}
		o.promise("a", time.Now(), 0)
		time.Sleep(time.Second + o.phones.pickUp + o.phones.ring)
		if a := o.agent("2001", routing.Available); !a.Since.Equal(since) {
			t.Errorf("idle since %v, want %v", a.Since, since)
		}
		if o.dialer.InLine()+o.dialer.Calling() != 0 {
			t.Error("it stands in line still")
		}
		time.Sleep(15 * time.Minute)
		o.is("a", Kept)
	})
}

func TestWhatIsCancelledMovedOrAnsweredLeavesTheLineWithinASecond(t *testing.T) {
	open(t, "2000-01-03 10:00", agentA, func(o *office) {
		o.set("2001", routing.Paused)
		for _, id := range []ID{"cancelled", "moved", "answered"} {
			o.promise(id, time.Now(), 0)
		}
		time.Sleep(1200 * time.Millisecond)
		if n := o.dialer.InLine(); n != 3 {
			t.Fatalf("%d in line", n)
		}
		ctx := t.Context()
		// Changed is not wired: as if another process had changed them.
		if _, err := o.book.Cancel(ctx, "cancelled", "page"); err != nil {
			t.Fatal(err)
		}
		if _, err := o.book.Move(ctx, "moved", 0, Slot, local("2000-01-03 11:00"), "page"); err != nil {
			t.Fatal(err)
		}
		if err := o.book.CalledAgain(ctx, numberOf("answered"), "in-2"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if n := o.dialer.InLine(); n != 0 {
			t.Errorf("%d stand in line still", n)
		}
		o.set("2001", routing.Available)
		o.agent("2001", routing.Available)
		o.book.Changed = o.dialer.Wake
		if _, err := o.book.Move(ctx, "moved", 0, Place, time.Time{}, "page"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(breather)
		o.is("moved", Calling)
		time.Sleep(5 * time.Minute)
		o.is("moved", Kept)
		if n := len(o.phones.dialled()); n != 1 {
			t.Errorf("%d phones were rung", n)
		}
	})
}

func TestACancellationBetweenTheReservationAndTheCallFreesTheAgentAtOnce(t *testing.T) {
	open(t, "2000-01-03 10:00", agentA, func(o *office) {
		o.tap.before.set(func(op string) error {
			if op == "begin" {
				if _, err := o.book.Cancel(context.Background(), "a", "page"); err != nil {
					t.Error(err)
				}
			}
			return nil
		})
		o.promise("a", time.Now(), 0)
		time.Sleep(time.Second)
		o.is("a", Cancelled)
		o.agent("2001", routing.Available)
		if len(o.results("a"))+len(o.phones.rung("a")) > 0 {
			t.Error("an attempt was made")
		}
	})
}

func TestAFaultInACallIsAnInterruptionAndThePromiseIsKeptLater(t *testing.T) {
	open(t, "2000-01-03 10:00", agentA, func(o *office) {
		o.phones.plan["a"] = []Result{"panic", Connected}
		o.promise("a", time.Now(), 0)
		time.Sleep(time.Minute)
		if p := o.is("a", Kept); p.Tries != 1 {
			t.Errorf("%d tries", p.Tries)
		}
		if got := o.results("a"); !slices.Equal(got, []Result{Interrupted, Connected}) {
			t.Errorf("attempts ended %v", got)
		}
		time.Sleep(10 * time.Minute)
		o.agent("2001", routing.Available)
	})
}

func TestWhileTheStoreIsAwayNobodyIsCalledAndNoAgentIsHeld(t *testing.T) {
	for _, op := range []string{"begin", "promises", "take due", "end", "attempts"} {
		t.Run(op, func(t *testing.T) {
			open(t, "2000-01-03 10:00", agentA, func(o *office) {
				o.phones.plan["a"] = []Result{NoAnswer, Connected}
				var away atomic.Bool
				away.Store(true)
				o.tap.before.set(func(at string) error {
					if away.Load() && at == op {
						return errAway
					}
					return nil
				})
				o.promise("a", time.Now(), 0)
				time.Sleep(time.Minute)
				o.agent("2001", routing.Available)
				away.Store(false)
				time.Sleep(20 * time.Minute)
				o.is("a", Kept)
				if at := o.phones.rung("a"); len(at) != 2 || at[1].Sub(at[0]) < 10*time.Minute {
					t.Errorf("rung at %v", at)
				}
				o.agent("2001", routing.Available)
			})
		})
	}
}

func TestACommitThatIsNotAnsweredIsFoundAndNothingIsLostOrDoneTwice(t *testing.T) {
	for _, op := range []string{"begin", "take due", "end", "change"} {
		t.Run(op, func(t *testing.T) {
			open(t, "2000-01-03 10:00", agentA, func(o *office) {
				o.phones.plan["noumea"] = []Result{NoAnswer, Connected}
				o.phones.plan["a"] = []Result{NoAnswer, Connected}
				var done atomic.Bool
				o.tap.after.set(func(at string) error {
					if at == op && done.CompareAndSwap(false, true) {
						return errAway
					}
					return nil
				})
				o.promise("a", time.Now(), 0)
				o.promise("noumea", time.Now(), 0) // to be carried
				time.Sleep(time.Hour)
				if !done.Load() {
					t.Fatalf("%q was never asked", op)
				}
				o.is("a", Kept)
				if n := len(o.phones.rung("a")); n != 2 {
					t.Errorf("rung %d times", n)
				}
				if p := o.is("noumea", Pending); o.texts("noumea", "carried") != 1 || p.Attempts != 0 {
					t.Errorf("told %d times", o.texts("noumea", "carried"))
				}
			})
		})
	}
}

func TestARestartGivesBackWhatWasInLineAndClosesWhatWasCutOff(t *testing.T) {
	open(t, "2000-01-03 10:00", agentA, func(o *office) {
		o.promise("ringing", time.Now(), 0)
		time.Sleep(3 * time.Second)
		o.is("ringing", Calling)
		o.promise("waiting", time.Now(), 0)
		time.Sleep(time.Second)
		o.is("waiting", InLine)
		o.end()
		o.is("waiting", Pending)
		o.is("ringing", Calling)
		o.phones.hangUp("ringing")
		p := o.promise("alive", time.Now(), 0)
		o.underWay(p, "out-alive")
		o.alive.Store(call.ID("out-alive"), true)
		for _, a := range o.floor.Agents() { // a restart frees the agent of a call that rang
			o.set(a.ID, routing.Available)
		}
		o.floor.Close()
		o.floor = newFloor(o.def.Load(), agentA)
		o.phones.floor = o.floor
		o.begin()
		time.Sleep(15 * time.Minute)
		o.is("waiting", Kept)
		o.is("ringing", Kept)
		if got := o.results("ringing"); !slices.Equal(got, []Result{Interrupted, Connected}) {
			t.Errorf("attempts ended %v", got)
		}
		o.is("alive", Calling) // it goes on
		// The one who follows it tells that the agent had missed it: its place stands here.
		if _, err := o.book.Attempted(t.Context(), "alive", 1, AgentMissed); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		o.is("alive", Kept)
		time.Sleep(5 * time.Minute)
		o.floor.Close()
	})
}

func TestAnAttemptThatNoCallBelongsToIsClosedInTheEnd(t *testing.T) {
	open(t, "2000-01-03 10:00", agentA, func(o *office) {
		o.alive.Store(call.ID("out-a"), true)
		p := o.promise("a", time.Now(), 0)
		o.underWay(p, "out-a")
		time.Sleep(5 * time.Minute)
		o.is("a", Calling)
		o.alive.Delete(call.ID("out-a")) // and its result was never kept
		time.Sleep(20 * time.Second)
		o.is("a", Calling)
		time.Sleep(time.Minute)
		o.is("a", Kept)
		time.Sleep(5 * time.Minute)
	})
}

func TestAControllerWhoseNodeIsAnothersStopsAndCallsNobody(t *testing.T) {
	open(t, "2000-01-03 10:00", agentA, func(o *office) {
		time.Sleep(time.Second)
		o.store.fence("n1", 100)
		o.promise("a", time.Now(), 0)
		time.Sleep(time.Second)
		err := <-o.ended
		o.stop()
		o.stop = nil
		if !errors.Is(err, call.ErrFenced) {
			t.Errorf("it ended with %v", err)
		}
		if len(o.phones.dialled()) > 0 {
			t.Error("a phone rang")
		}
		o.agent("2001", routing.Available)
	})
}

func TestWhileTheExchangeIsAwayNoPromiseHoldsAnAgent(t *testing.T) {
	open(t, "2000-01-03 10:00", agentA, func(o *office) {
		o.set("2001", routing.Paused)
		o.promise("a", time.Now(), 0)
		time.Sleep(time.Second)
		o.ready.Store(false)
		o.set("2001", routing.Available)
		o.agent("2001", routing.Available)
		time.Sleep(time.Minute)
		o.is("a", InLine)
		if o.dialer.InLine() != 0 {
			t.Error("it stands in line")
		}
		o.ready.Store(true)
		time.Sleep(time.Second)
		o.is("a", Calling)
		time.Sleep(5 * time.Minute)
	})
}

func TestACitizenWhoIsOnACallToUsIsNotRungBesideItAndKeepsThePlace(t *testing.T) {
	open(t, "2000-01-03 10:00", agentA, func(o *office) {
		o.set("2001", routing.Paused)
		o.promise("a", time.Now(), time.Minute)
		time.Sleep(2 * time.Second)
		o.is("a", InLine)
		o.calling.Store(numberOf("a"), true)
		o.promise("b", time.Now(), 0)
		o.set("2001", routing.Available)
		time.Sleep(10 * time.Second)
		if p := o.is("a", InLine); p.Attempts != 0 || len(o.phones.rung("b")) != 1 {
			t.Errorf("%d attempts; b was rung %d times", p.Attempts, len(o.phones.rung("b")))
		}
		time.Sleep(10 * time.Minute)
		if since := o.agent("2001", routing.Available).Since; time.Since(since) < 5*time.Minute {
			t.Errorf("an agent is held again and again for who cannot be rung: idle since %v", since)
		}
		o.calling.Delete(numberOf("a")) // and was not answered
		o.promise("c", time.Now(), 0)
		o.set("2001", routing.Paused)
		time.Sleep(away + look)
		o.set("2001", routing.Available)
		time.Sleep(10 * time.Minute)
		a, c := o.phones.rung("a"), o.phones.rung("c")
		if len(a) != 1 || len(c) != 1 || !a[0].Before(c[0]) {
			t.Errorf("rung at %v and %v", a, c)
		}
	})
}

func TestWhenTheExchangeIsBackThoseWhoJoinedFirstAreCalledFirst(t *testing.T) {
	open(t, "2000-01-03 10:00", agentA, func(o *office) {
		o.set("2001", routing.Paused)
		o.promise("later", time.Now(), 0)
		time.Sleep(time.Second)
		o.is("later", InLine)
		o.ready.Store(false) // and the one before comes back from an attempt that was cut short
		time.Sleep(2 * time.Second)
		o.promise("first", time.Now(), time.Minute)
		o.set("2001", routing.Available)
		o.ready.Store(true)
		time.Sleep(10 * time.Minute)
		first, later := o.phones.rung("first"), o.phones.rung("later")
		if len(first) != 1 || len(later) != 1 || !first[0].Before(later[0]) {
			t.Errorf("rung at %v and %v", first, later)
		}
	})
}

func TestAQueueWithoutAgentsNeverKeepsAnothersPromisesOut(t *testing.T) {
	open(t, "2000-01-03 10:00", agentA, func(o *office) {
		o.phones.talk = 5 * time.Second
		def := prefecture()
		def.Queues["titres"].Needs = map[string]int{"titres": 1}
		o.def.Store(def)
		o.floor.SetQueues(def.Queues)
		for i := range 600 {
			p := o.promise(ID(fmt.Sprint("t", i)), time.Now(), time.Hour-time.Duration(i)*time.Second)
			p.Queue = "titres"
			o.store.put(p)
		}
		time.Sleep(2 * time.Second)
		if n := o.dialer.InLine(); n != lineMax/2 {
			t.Errorf("%d in line", n)
		}
		o.promise("a", time.Now(), 0)
		time.Sleep(time.Second)
		o.is("a", Calling)
		// Who joined before the last of a full line takes that place.
		p := o.promise("early", time.Now(), 2*time.Hour)
		p.Queue = "titres"
		o.store.put(p)
		time.Sleep(2 * time.Second)
		o.is("early", InLine)
		o.is("t0", InLine)
		o.is(ID(fmt.Sprint("t", lineMax/2-1)), Pending)
		if n := o.dialer.InLine(); n != lineMax/2 {
			t.Errorf("%d in line", n)
		}
		time.Sleep(20 * time.Second)
		o.is("a", Kept)
	})
}

func TestAQueueThatIsGoneLosesNoPromise(t *testing.T) {
	open(t, "2000-01-03 10:00", agentA, func(o *office) {
		o.set("2001", routing.Paused)
		o.promise("a", time.Now(), 0)
		time.Sleep(time.Second)
		def := prefecture()
		delete(def.Queues, "accueil")
		o.def.Store(def)
		o.floor.SetQueues(def.Queues)
		time.Sleep(time.Minute)
		o.is("a", Pending)
		o.def.Store(prefecture())
		o.floor.SetQueues(prefecture().Queues)
		o.set("2001", routing.Available)
		time.Sleep(time.Minute)
		o.is("a", Kept)
		time.Sleep(5 * time.Minute)
	})
}

func TestManyAreCarriedOverInOneGo(t *testing.T) {
	open(t, "2000-01-03 16:59", agentA, func(o *office) {
		o.set("2001", routing.Paused)
		for i := range 230 {
			o.promise(ID(fmt.Sprint("p", i)), time.Now(), 0)
		}
		time.Sleep(time.Until(local("2000-01-03 17:00")))
		o.settles()
		if n := o.dialer.InLine(); n != 0 {
			t.Errorf("%d stand in line of a closed service", n)
		}
		time.Sleep(time.Second)
		for i := range 230 {
			o.is(ID(fmt.Sprint("p", i)), Pending)
		}
	})
}

func TestTheDialLoopEndsInGoodOrderBeforeItsExchangeIsThere(t *testing.T) {
	open(t, "2000-01-03 10:00", agentA, func(o *office) {
		o.end()
		o.ready.Store(false)
		o.begin()
		o.promise("a", time.Now(), 0)
		time.Sleep(time.Minute)
		o.is("a", Pending)
	})
}
