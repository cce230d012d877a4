package routing

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"decroche/call"
)

// TestAnySequenceOnAFloorKeepsItsPromises plays random calls, agents, reloads and restarts
// of a floor, and holds what is seen from outside to the invariants.
func TestAnySequenceOnAFloorKeepsItsPromises(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// The wrapping hides Deadline, which a bubble does not allow.
		rapid.Check(struct{ testing.TB }{t}, func(t *rapid.T) {
			x := &chance{T: t, f: NewFloor(Options{Journal: &recorder{}})}
			defer x.f.Close()
			x.f.SetQueues(drawQueues(t))
			x.f.SetRoster(drawAgents(t))
			t.Repeat(map[string]func(*rapid.T){
				"":       func(*rapid.T) { x.check() },
				"join 1": func(*rapid.T) { x.join() }, "join 2": func(*rapid.T) { x.join() },
				"leave":  func(*rapid.T) { x.leave() },
				"ring 1": func(*rapid.T) { x.ring() }, "ring 2": func(*rapid.T) { x.ring() },
				"end": func(*rapid.T) { x.end() }, "transfer": func(*rapid.T) { x.transfer() },
				"consult": func(*rapid.T) { x.consult() },
				"agent 1": func(*rapid.T) { x.agent() }, "agent 2": func(*rapid.T) { x.agent() },
				"roster": func(*rapid.T) { x.f.SetRoster(drawAgents(x.T)) },
				"queues": func(*rapid.T) { x.f.SetQueues(drawQueues(x.T)) },
				"time": func(t *rapid.T) {
					time.Sleep(time.Duration(rapid.IntRange(1, 70).Draw(t, "seconds")) * time.Second)
				},
			})
		})
	})
}

// chance plays the callers' goroutines and the agents.
type chance struct {
	*rapid.T
	f        *Floor
	n        int
	places   []*Place
	reserved []*Reservation
	talks    []*Reservation
	releases []func()
}

func pick[E any](t *rapid.T, from *[]E, what string) (e E, ok bool) {
	if len(*from) == 0 {
		return e, false
	}
	i := rapid.IntRange(0, len(*from)-1).Draw(t, what)
	e = (*from)[i]
	*from = slices.Delete(*from, i, i+1)
	return e, true
}

func (x *chance) join() {
	queues := x.f.Queues()
	q := rapid.SampledFrom(queues).Draw(x.T, "queue")
	x.n++
	p, err := x.f.Join(Caller{
		ID: call.ID(fmt.Sprint("c", x.n)), Queue: q.ID,
		Joined: time.Now().Add(-time.Duration(rapid.IntRange(0, 60).Draw(x.T, "before")) * time.Second),
	})
	if err != nil {
		if !q.Removed {
			x.Fatal(err)
		}
		return
	}
	x.places = append(x.places, p)
}

func (x *chance) leave() {
	if p, ok := pick(x.T, &x.places, "who leaves"); ok {
		p.Leave()
		x.reserved = slices.DeleteFunc(x.reserved, func(r *Reservation) bool { return r.w == p.w })
	}
}

func (x *chance) ring() {
	for _, p := range x.places {
		select {
		case r := <-p.Reserved():
			x.reserved = append(x.reserved, r)
		default:
		}
	}
	r, ok := pick(x.T, &x.reserved, "whose phone")
	if !ok {
		return
	}
	r.Ringing()
	result := rapid.SampledFrom([]call.RingResult{"", "", call.NoAnswer, call.Busy, call.Refused, call.Unreachable}).Draw(x.T, "result")
	if result != "" {
		r.Failed(result)
		return
	}
	r.Connected()
	x.talks = append(x.talks, r)
	x.places = slices.DeleteFunc(x.places, func(p *Place) bool { return r.w == p.w })
}

func (x *chance) end() {
	if r, ok := pick(x.T, &x.talks, "which talk"); ok {
		r.Done(time.Minute)
	}
	if release, ok := pick(x.T, &x.releases, "which consultation"); ok {
		release()
	}
}

func (x *chance) drawAgent() AgentStatus {
	return rapid.SampledFrom(x.f.Agents()).Draw(x.T, "agent")
}

func (x *chance) transfer() {
	if len(x.talks) > 0 && len(x.f.Agents()) > 0 {
		_ = x.talks[0].TransferTo(x.drawAgent().ID) // refused when that agent has a caller
	}
}

func (x *chance) consult() {
	if len(x.f.Agents()) == 0 {
		return
	}
	if release, ok := x.f.ReserveAgent(x.drawAgent().ID); ok {
		x.releases = append(x.releases, release)
	}
}

func (x *chance) agent() {
	if len(x.f.Agents()) == 0 {
		return
	}
	state := rapid.SampledFrom([]AgentState{Available, Available, Available, Paused, SignedOut, WrapUpDone}).Draw(x.T, "state")
	_, _ = x.f.SetState(x.drawAgent().ID, state, "") // refused where it makes no sense
}

// check looks from outside: who has whom, and whether somebody waits who need not.
func (x *chance) check() {
	synctest.Wait()
	f := x.f
	status := map[call.AgentID]AgentStatus{}
	holds := map[call.ID]call.AgentID{}
	for _, a := range f.Agents() {
		status[a.ID] = a
		if a.onCallWith() {
			if other, twice := holds[a.Call]; twice {
				x.Fatalf("caller %s holds the agents %s and %s", a.Call, a.ID, other)
			}
			holds[a.Call] = a.ID
		}
		if (a.State == WrapUp || a.State == SetAside) && !a.Until.After(time.Now().Add(-time.Second)) {
			x.Fatalf("the time of agent %s was up at %v: %+v", a.ID, a.Until, a)
		}
	}
	seen := map[call.AgentID]call.ID{}
	for _, r := range x.talks {
		id := r.Agent().ID
		if other, twice := seen[id]; twice {
			x.Fatalf("agent %s talks to %s and %s", id, r.w.ID, other)
		}
		seen[id] = r.w.ID
		if a := status[id]; a.State != Talking || a.Call != r.w.ID {
			x.Fatalf("%s talks to agent %s, who is %+v", r.w.ID, id, a)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, a := range f.agents {
		if a.seat != f.m.seats[id] || a.seat.agent != a || a.seat.presence != presenceOf(a.State) {
			x.Fatalf("agent %s is %s, the matching has %+v", id, a.State, a.seat)
		}
	}
	for _, l := range f.m.lines {
		for _, w := range l.waiting {
			if s, _ := f.m.bestSeat(w); s != nil {
				x.Fatalf("%s waits while agent %s is available", w.ID, s.id)
			}
		}
		for _, w := range l.reserved {
			if w.place.live == nil || holds[w.ID] != w.seat.id {
				x.Fatalf("%s has agent %s reserved, who has another: %v", w.ID, w.seat.id, holds)
			}
		}
	}
}

// onCallWith says whether the agent has a caller.
func (a AgentStatus) onCallWith() bool {
	return a.Call != "" && (a.State == Reserved || a.State == Ringing || a.State == Talking)
}
