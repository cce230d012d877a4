package routing

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"decroche/call"
	"decroche/service"
)

// recorder is the journal and the estimator of a story.
type recorder struct {
	mu     sync.Mutex
	events []call.Event
	facts  []string
	asked  Situation
}

func (r *recorder) Append(e call.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

func (r *recorder) fact(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.facts = append(r.facts, fmt.Sprintf(format, args...))
}

func (r *recorder) ObserveArrival(q string, _ time.Time) { r.fact("arrival %s", q) }
func (r *recorder) ObserveAnswered(q string, ahead int, waited time.Duration, _ time.Time) {
	r.fact("answered %s after %d in %v", q, ahead, waited)
}

func (r *recorder) ObserveAbandoned(q string, ahead int, waited time.Duration, _ time.Time) {
	r.fact("abandoned %s after %d in %v", q, ahead, waited)
}

func (r *recorder) ObserveService(q string, d time.Duration, _ time.Time) {
	r.fact("service %s %v", q, d)
}

func (r *recorder) Estimate(s Situation) Estimate {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = s
	return Estimate{Point: time.Duration(s.Ahead) * time.Minute, Known: true}
}

// The floor tells its journal and its estimator from a goroutine of its own: what is read
// here is read when that one has nothing more to say.

// journal lists what the journal was told.
func (r *recorder) journal() []call.Event {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

// observed lists what the estimator was told.
func (r *recorder) observed() []string {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.facts)
}

// lastAsked is what the estimator was last asked about.
func (r *recorder) lastAsked() Situation {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked
}

// states lists what the journal says of an agent.
func (r *recorder) states(id call.AgentID) (out []string) {
	for _, e := range r.journal() {
		var d struct {
			Agent         call.AgentID
			State, Reason string
		}
		if e.Kind == call.EventAgentState && json.Unmarshal(e.Data, &d) == nil && d.Agent == id {
			if d.Reason != "" {
				d.State += ":" + d.Reason
			}
			out = append(out, d.State)
		}
	}
	return out
}

// story is a floor in virtual time.
type story struct {
	*testing.T
	*Floor
	rec *recorder
}

func tell(t *testing.T, queues []*service.Queue, agents []Agent, fn func(s story)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		rec := &recorder{}
		f := NewFloor(Options{Journal: rec, Estimator: rec})
		defer f.Close()
		f.SetQueues(byID(queues...))
		f.SetRoster(agents)
		fn(story{t, f, rec})
	})
}

func byID(queues ...*service.Queue) map[string]*service.Queue {
	m := map[string]*service.Queue{}
	for _, q := range queues {
		m[q.ID] = q
	}
	return m
}

func cni(level int) map[string]int { return map[string]int{"cni": level} }

var queueCNI = &service.Queue{ID: "cni", Needs: cni(1), WrapUp: 30 * time.Second, DefaultAHT: 4 * time.Minute}

func (s story) is(id call.AgentID, want AgentState) AgentStatus {
	s.Helper()
	synctest.Wait()
	for _, a := range s.Agents() {
		if a.ID == id {
			if a.State != want {
				s.Fatalf("agent %s is %s (%s), want %s", id, a.State, a.Reason, want)
			}
			return a
		}
	}
	s.Fatalf("there is no agent %s", id)
	return AgentStatus{}
}

func (s story) set(id call.AgentID, state AgentState) {
	s.Helper()
	if _, err := s.SetState(id, state, ""); err != nil {
		s.Fatal(err)
	}
}

func (s story) join(id call.ID, queue string) *Place {
	s.Helper()
	p, err := s.Join(Caller{ID: id, Queue: queue, Lang: "fr"})
	if err != nil {
		s.Fatal(err)
	}
	return p
}

// agentFor is the reservation that is there now.
func (s story) agentFor(p *Place, want call.AgentID) *Reservation {
	s.Helper()
	select {
	case r := <-p.Reserved():
		if r.Agent().ID != want {
			s.Fatalf("agent %s is reserved, want %s", r.Agent().ID, want)
		}
		return r
	default:
		s.Fatalf("nobody is reserved, want %s", want)
		return nil
	}
}

func (s story) nobodyFor(p *Place) {
	s.Helper()
	synctest.Wait()
	select {
	case r := <-p.Reserved():
		s.Fatalf("agent %s is reserved, want nobody", r.Agent().ID)
	default:
	}
}

func nudged(p *Place) bool {
	select {
	case <-p.Changed():
		return true
	default:
		return false
	}
}

func TestRingTimeoutsChainThroughTheAgentsAndTheCallerKeepsThePlace(t *testing.T) {
	tell(t, []*service.Queue{queueCNI}, []Agent{{ID: "2001", Skills: cni(1)}, {ID: "2002", Skills: cni(3)}, {ID: "2003", Skills: cni(3)}}, func(s story) {
		s.set("2001", Available)
		s.set("2003", Available)
		time.Sleep(time.Second)
		s.set("2002", Available)
		first := s.join("first", "cni")
		r := s.agentFor(first, "2003") // as good as 2002, idle longer
		s.is("2003", Reserved)
		r.Ringing()
		s.is("2003", Ringing)
		time.Sleep(20 * time.Second)
		r.Failed(call.NoAnswer)
		r.Failed(call.NoAnswer) // twice does nothing
		if a := s.is("2003", SetAside); a.Reason != ReasonNoAnswer || a.Until.Sub(a.Since) != time.Minute || a.Missed != 1 {
			t.Errorf("set aside as %+v", a)
		}
		s.agentFor(first, "2002").Failed(call.Refused)
		r = s.agentFor(first, "2001")
		second := s.join("second", "cni")
		if got := second.Standing(); got.Position != 2 || got.Waiting != 2 {
			t.Errorf("the second stands %+v", got)
		}
		r.Failed(call.Busy)
		s.nobodyFor(first)
		if got := first.Standing().Position; got != 1 {
			t.Errorf("the first is at position %d after three rings", got)
		}
		time.Sleep(20*time.Second - time.Millisecond)
		s.is("2001", SetAside)
		time.Sleep(time.Millisecond) // a busy phone is tried again sooner
		synctest.Wait()
		r = s.agentFor(first, "2001")
		r.Connected()
		s.is("2001", Talking)
		if got := second.Standing().Position; got != 1 {
			t.Errorf("the second is at position %d when the first talks", got)
		}
		time.Sleep(40 * time.Second)
		synctest.Wait()
		s.agentFor(second, "2002") // back a moment before 2003? both at 80 s: by id
		if got := s.rec.states("2003"); !slices.Equal(got, []string{"available", "reserved", "ringing", "set_aside:no_answer", "available"}) {
			t.Errorf("journal of 2003: %v", got)
		}
	})
}

func TestUnreachablePhoneSignsTheAgentOutAndSaysWhy(t *testing.T) {
	tell(t, []*service.Queue{queueCNI}, []Agent{{ID: "2001", Skills: cni(1)}}, func(s story) {
		s.set("2001", Available)
		p := s.join("c", "cni")
		s.agentFor(p, "2001").Failed(call.Unreachable)
		if a := s.is("2001", SignedOut); a.Reason != ReasonUnreachable || a.Call != "" {
			t.Errorf("signed out as %+v", a)
		}
		if st := p.Standing(); !st.NoAgents || st.AgentsLeft != 1 {
			t.Errorf("the caller stands %+v", st)
		}
		time.Sleep(time.Hour)
		s.is("2001", SignedOut)
		s.set("2001", Available)
		s.agentFor(p, "2001")
	})
}

func TestLastAgentSignsOutWhileTenWait(t *testing.T) {
	tell(t, []*service.Queue{queueCNI}, []Agent{{ID: "2001", Skills: cni(2)}, {ID: "2002", Skills: map[string]int{"permis": 5}}}, func(s story) {
		s.set("2001", Paused)
		s.set("2002", Available)
		var places []*Place
		for i := range 10 {
			places = append(places, s.join(call.ID(fmt.Sprint("c", i)), "cni"))
		}
		for _, p := range places {
			nudged(p)
		}
		before := places[9].Standing()
		if before.NoAgents || before.Agents != 0 || before.Position != 10 || before.Waiting != 10 {
			t.Errorf("with the only agent paused the last stands %+v", before)
		}
		s.set("2001", Available)
		talk := s.agentFor(places[0], "2001")
		talk.Connected()
		if st := places[9].Standing(); st.Agents != 1 || st.Position != 9 || st.Ahead != 8 || st.Estimate.Point != 8*time.Minute {
			t.Errorf("with one agent the last stands %+v", st)
		}
		for _, p := range places[1:] {
			nudged(p)
		}
		if a, err := s.SetState("2001", SignedOut, "end of shift"); err != nil || a.State != Talking || a.Next != SignedOut {
			t.Errorf("asked while talking: %+v, %v", a, err)
		}
		if nudged(places[9]) || places[9].Standing().NoAgents {
			t.Error("the agent is said to be gone while still talking")
		}
		talk.Done(3 * time.Minute)
		if a := s.is("2001", SignedOut); a.Reason != "end of shift" || a.Next != "" {
			t.Errorf("after the call: %+v", a)
		}
		for i, p := range places[1:] {
			after := p.Standing()
			if !after.NoAgents || after.AgentsLeft != before.AgentsLeft+1 || !nudged(p) {
				t.Errorf("caller %d stands %+v, before %+v", i, after, before)
			}
		}
	})
}

func TestOverflowOpensTheAidQueueAfterFiveMinutes(t *testing.T) {
	queues := []*service.Queue{
		{ID: "cni", Needs: cni(1), Overflow: []service.Overflow{{To: "general", After: 5 * time.Minute}}},
		{ID: "general", Needs: map[string]int{"general": 1}},
	}
	tell(t, queues, []Agent{{ID: "2001", Skills: map[string]int{"general": 2}}}, func(s story) {
		s.set("2001", Available)
		p := s.join("c", "cni")
		if st := p.Standing(); st.NoAgents || st.Agents != 0 {
			t.Errorf("before the overflow the caller stands %+v", st)
		}
		time.Sleep(time.Minute)
		later := s.join("later", "cni")
		time.Sleep(4*time.Minute - time.Nanosecond)
		s.nobodyFor(p)
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		r := s.agentFor(p, "2001")
		r.Connected()
		r.Done(time.Second)
		s.nobodyFor(later)
		time.Sleep(time.Minute)
		synctest.Wait()
		s.agentFor(later, "2001")
		var opened []string
		for _, e := range s.rec.journal() {
			if e.Kind == call.EventOverflowed {
				opened = append(opened, string(e.Call)+string(e.Data))
			}
		}
		if !slices.Equal(opened, []string{`c{"queue":"general"}`, `later{"queue":"general"}`}) {
			t.Errorf("journal of overflows: %v", opened)
		}
	})
}

func TestCallbacksInLineNeverMakeAQueueFullForThoseOnTheLine(t *testing.T) {
	q := *queueCNI
	q.MaxWaiting = 2
	tell(t, []*service.Queue{&q}, []Agent{{ID: "2001", Skills: cni(1)}}, func(s story) {
		for i := range 5 {
			if _, err := s.Join(Caller{ID: call.ID(fmt.Sprint("cb-", i)), Queue: "cni", Resumed: true, Kind: "callback"}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		s.join("c0", "cni")
		if p := s.join("c1", "cni"); p.Standing().Position != 7 {
			t.Errorf("behind five callbacks and a caller one stands %+v", p.Standing())
		}
		var full *FullError
		if _, err := s.Join(Caller{ID: "c2", Queue: "cni"}); !errors.As(err, &full) || full.Waiting != 2 {
			t.Errorf("the third caller on the line got %v", err)
		}
	})
}

func TestAnAgentWhoCameBackToTheRosterIsNotFreedByATimerOfBefore(t *testing.T) {
	roster := []Agent{{ID: "2001", Skills: cni(1)}}
	tell(t, []*service.Queue{queueCNI}, roster, func(s story) {
		s.set("2001", Available)
		r := s.agentFor(s.join("c0", "cni"), "2001")
		r.Failed(call.NoAnswer) // set aside for a minute, the third state
		s.SetRoster(nil)
		s.SetRoster(roster)
		s.set("2001", Paused)
		s.set("2001", Available) // c0 is in line still, and gets the third state of this agent
		s.is("2001", Reserved)
		time.Sleep(2 * time.Minute)
		s.is("2001", Reserved)
	})
}

func TestFullQueueRefusesButNotThoseWhoStoodThereBefore(t *testing.T) {
	q := *queueCNI
	q.MaxWaiting = 2
	tell(t, []*service.Queue{&q}, []Agent{{ID: "2001", Skills: cni(1)}, {ID: "2002", Skills: cni(1)}}, func(s story) {
		s.set("2001", Available)
		s.set("2002", Available)
		for i := range 4 { // two of them have an agent at once, and take no room
			s.join(call.ID(fmt.Sprint("c", i)), "cni")
		}
		_, err := s.Join(Caller{ID: "c4", Queue: "cni"})
		var full *FullError
		if !errors.As(err, &full) || *full != (FullError{"cni", 2}) {
			t.Errorf("the fifth caller got %v", err)
		}
		before := s.Floor.waiters["c2"].place
		p, err := s.Join(Caller{ID: "c5", Queue: "cni", Resumed: true, Joined: time.Now().Add(-10 * time.Minute)})
		if err != nil {
			t.Fatal(err)
		}
		if st := p.Standing(); st.Position != 1 || st.Elapsed != 10*time.Minute { // before all who joined later
			t.Errorf("the resumed caller stands %+v", st)
		}
		if st := before.Standing(); st.Position != 4 {
			t.Errorf("the one who came later stands %+v", st)
		}
		if _, err := s.Join(Caller{ID: "c5", Queue: "cni"}); !errors.Is(err, ErrAlreadyWaiting) {
			t.Errorf("joining twice: %v", err)
		}
		if _, err := s.Join(Caller{ID: "c6", Queue: "nowhere"}); !errors.Is(err, ErrUnknownQueue) {
			t.Errorf("joining no queue: %v", err)
		}
		st := s.Queues()[0]
		st.Estimate = Estimate{}
		if want := (QueueStatus{
			ID: "cni", Waiting: 5, Ringing: 2, LongestWait: 10 * time.Minute,
			SignedIn: 2, Busy: 2, Arrived: 4, Refused: 1,
		}); st != want {
			t.Errorf("the queue is %+v, want %+v", st, want)
		}
	})
}

func TestWrapUpKeepsTheAgentUntilItsEndOrUntilDone(t *testing.T) {
	tell(t, []*service.Queue{queueCNI}, []Agent{{ID: "2001", Skills: cni(1)}}, func(s story) {
		s.set("2001", Available)
		p := s.join("c1", "cni")
		r := s.agentFor(p, "2001")
		r.Connected()
		p.Leave() // after the connection it means nothing
		time.Sleep(2 * time.Minute)
		if _, err := s.SetState("2001", WrapUpDone, ""); !errors.Is(err, ErrAgentState) {
			t.Errorf("ending a wrap-up while talking: %v", err)
		}
		r.Done(2 * time.Minute)
		r.Done(time.Hour)
		if a := s.is("2001", WrapUp); a.Until.Sub(a.Since) != 30*time.Second || a.Call != "c1" {
			t.Errorf("wraps up as %+v", a)
		}
		next := s.join("c2", "cni")
		time.Sleep(30*time.Second - 1)
		s.nobodyFor(next)
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		r = s.agentFor(next, "2001")
		r.Connected()
		time.Sleep(time.Minute)
		r.Done(0)
		time.Sleep(10 * time.Second)
		s.set("2001", WrapUpDone)
		s.is("2001", Available)
		time.Sleep(time.Minute) // the old deadline must not strike
		if a := s.is("2001", Available); a.Answered != 2 {
			t.Errorf("answered %d", a.Answered)
		}
		want := []string{
			"arrival cni", "answered cni after 0 in 0s", "arrival cni", "service cni 2m30s",
			"answered cni after 0 in 30s", "service cni 1m10s",
		}
		if got := s.rec.observed(); !slices.Equal(got, want) {
			t.Errorf("observed %q", got)
		}
	})
}

func TestWhatAnAgentAsksWhileTalkingIsAppliedAfterTheCall(t *testing.T) {
	tell(t, []*service.Queue{queueCNI}, []Agent{{ID: "2001", Skills: cni(1)}}, func(s story) {
		s.set("2001", Available)
		talk := func() *Reservation {
			p := s.join("c", "cni")
			r := s.agentFor(p, "2001")
			r.Connected()
			return r
		}
		r := talk()
		s.SetState("2001", Paused, "lunch")
		s.is("2001", Talking)
		r.Done(time.Minute)
		if a := s.is("2001", Paused); a.Reason != "lunch" {
			t.Errorf("paused as %+v", a)
		}
		s.set("2001", Available)
		r = talk()
		s.set("2001", Paused)
		s.set("2001", Available) // taken back
		r.Done(time.Minute)
		s.is("2001", WrapUp)
		if _, err := s.SetState("2001", "asleep", ""); !errors.Is(err, ErrAgentState) {
			t.Errorf("an unknown state: %v", err)
		}
		if _, err := s.SetState("2009", Available, ""); !errors.Is(err, ErrUnknownAgent) {
			t.Errorf("an unknown agent: %v", err)
		}
	})
}

func TestCallerWhoLeavesWhileThePhoneRingsGivesTheAgentBackWithTheIdleTime(t *testing.T) {
	tell(t, []*service.Queue{queueCNI}, []Agent{{ID: "2001", Skills: cni(1)}, {ID: "2002", Skills: cni(1)}}, func(s story) {
		s.set("2002", Available)
		time.Sleep(time.Minute)
		s.set("2001", Available)
		p := s.join("c1", "cni")
		r := s.agentFor(p, "2002")
		r.Ringing()
		time.Sleep(5 * time.Second)
		p.Leave()
		p.Leave()
		r.Connected() // too late
		if a := s.is("2002", Available); time.Since(a.Since) != time.Minute+5*time.Second || a.Call != "" {
			t.Errorf("available as %+v", a)
		}
		if st := p.Standing(); st != (Standing{}) {
			t.Errorf("who has left stands %+v", st)
		}
		s.agentFor(s.join("c2", "cni"), "2002") // still idle longest
		untaken := s.join("c3", "cni")          // its reservation is never received
		waiting := s.join("c4", "cni")
		untaken.Withdraw()
		s.nobodyFor(untaken)
		s.agentFor(waiting, "2001")
		if q := s.Queues()[0]; q.Abandoned != 1 || q.Arrived != 4 || q.Answered != 0 {
			t.Errorf("the queue counts %+v", q)
		}
	})
}

func TestReloadDropsNeitherTalkingAgentsNorWaitingCallers(t *testing.T) {
	permis := &service.Queue{ID: "permis", Needs: map[string]int{"permis": 1}}
	tell(t, []*service.Queue{queueCNI, permis}, []Agent{{ID: "2001", Skills: cni(1)}, {ID: "2002", Skills: cni(1)}}, func(s story) {
		s.set("2001", Available)
		talking := s.agentFor(s.join("c1", "cni"), "2001")
		talking.Connected()
		waiting, other := s.join("c2", "cni"), s.join("c3", "permis")
		s.SetQueues(byID(permis))
		if !nudged(waiting) {
			t.Error("a reload nudges nobody")
		}
		if _, err := s.Join(Caller{ID: "c4", Queue: "cni"}); !errors.Is(err, ErrUnknownQueue) {
			t.Errorf("joining a removed queue: %v", err)
		}
		s.SetRoster([]Agent{{ID: "2003", Skills: map[string]int{"cni": 1, "permis": 1}}})
		s.is("2001", Talking)
		if _, err := s.SetState("2001", Available, ""); !errors.Is(err, ErrUnknownAgent) {
			t.Errorf("an agent who is gone asked for a state: %v", err)
		}
		s.set("2003", Available)
		r := s.agentFor(waiting, "2003") // came first, under the old rules
		talking.Done(time.Minute)
		if len(s.Agents()) != 1 {
			t.Errorf("after the call the roster is %v", s.Agents())
		}
		if got := s.rec.states("2001"); got[len(got)-1] != "signed_out:removed" {
			t.Errorf("journal of 2001: %v", got)
		}
		r.Connected()
		r.Done(time.Minute)
		s.is("2003", WrapUp)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		s.agentFor(other, "2003")
		s.SetQueues(byID(permis))
		if q := s.Queues(); len(q) != 1 || q[0].ID != "permis" {
			t.Errorf("a removed and empty queue is still there: %+v", q)
		}
		if n := len(s.Floor.m.lines); n != 1 {
			t.Errorf("%d lines are kept, want one", n)
		}
	})
}

func TestSkillsGivenByAReloadServeWhoWaits(t *testing.T) {
	tell(t, []*service.Queue{queueCNI}, []Agent{{ID: "2001"}}, func(s story) {
		s.set("2001", Available)
		p := s.join("c", "cni")
		s.nobodyFor(p)
		s.SetRoster([]Agent{{ID: "2001", Skills: cni(1)}})
		s.agentFor(p, "2001")
	})
}

func TestAttendedTransferPutsTheSecondAgentInTheTalkAndTheFirstInWrapUp(t *testing.T) {
	tell(t, []*service.Queue{queueCNI}, []Agent{{ID: "2001", Skills: cni(5)}, {ID: "2002"}, {ID: "2003"}}, func(s story) {
		s.set("2001", Available)
		s.set("2002", Available)
		s.set("2003", Paused)
		r := s.agentFor(s.join("c", "cni"), "2001")
		r.Connected()
		time.Sleep(time.Minute)
		release, ok := s.ReserveAgent("2002")
		if _, again := s.ReserveAgent("2002"); !ok || again {
			t.Fatalf("a consultation with an available agent: %v, a second: %v", ok, again)
		}
		if a := s.is("2002", Talking); a.Reason != ReasonConsultation {
			t.Errorf("consulted as %+v", a)
		}
		time.Sleep(10 * time.Second)
		if err := r.TransferTo("2002"); err != nil {
			t.Fatal(err)
		}
		release() // the consultation became the talk
		if a := s.is("2002", Talking); a.Call != "c" || r.Agent().ID != "2002" {
			t.Errorf("after the transfer 2002 is %+v, the talk is with %s", a, r.Agent().ID)
		}
		s.is("2001", WrapUp)
		time.Sleep(time.Minute)
		s.is("2001", Available)
		if err := r.TransferTo("2003"); err != nil { // not by our doing, but true
			t.Fatal(err)
		}
		if err := r.TransferTo("2999"); !errors.Is(err, ErrUnknownAgent) {
			t.Errorf("transfer to nobody: %v", err)
		}
		time.Sleep(time.Minute)
		r.Done(4 * time.Minute)
		s.is("2003", Paused) // as before the call
		if err := r.TransferTo("2001"); !errors.Is(err, ErrAgentState) {
			t.Errorf("transfer after the end: %v", err)
		}
		release, _ = s.ReserveAgent("2001")
		release()
		release()
		s.is("2001", Available)
		time.Sleep(time.Hour)
		want := []string{"arrival cni", "answered cni after 0 in 0s", "service cni 1m40s", "service cni 1m30s", "service cni 1m0s"}
		if got := s.rec.observed(); !slices.Equal(got, want) {
			t.Errorf("observed %q", got)
		}
		if q := s.Queues()[0]; q.Talking != 0 || q.Answered != 1 {
			t.Errorf("the queue counts %+v", q)
		}
	})
}

func TestAfterARestartTalksAndStatesGoOn(t *testing.T) {
	agents := []Agent{{ID: "2001", Skills: cni(1)}, {ID: "2002", Skills: cni(1)}, {ID: "2003", Skills: cni(1)}, {ID: "2004", Skills: cni(1)}}
	tell(t, []*service.Queue{queueCNI}, agents, func(s story) {
		now := time.Now()
		for id, st := range map[call.AgentID]AgentStatus{
			"2001": {State: Talking, Next: Paused, NextReason: "lunch"},
			"2002": {State: Ringing},
			"2003": {State: WrapUp, Since: now.Add(-20 * time.Second), Until: now.Add(10 * time.Second)},
			"2004": {State: Paused, Reason: "training", Since: now.Add(-time.Hour)},
		} {
			if err := s.Restore(id, st); err != nil {
				t.Fatal(err)
			}
		}
		r, err := s.ResumeTalk(Caller{ID: "talks", Queue: "cni", Resumed: true}, "2001")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.ResumeTalk(Caller{ID: "another", Queue: "cni"}, "2001"); !errors.Is(err, ErrAgentState) {
			t.Errorf("two talks with one agent: %v", err)
		}
		gone, err := s.ResumeTalk(Caller{ID: "third", Queue: "gone"}, "2009")
		if err != nil {
			t.Fatal(err)
		}
		s.is("2009", Talking)
		if a := s.is("2002", SetAside); a.Reason != ReasonRecovering {
			t.Errorf("who was rung is %+v", a)
		}
		if a := s.is("2004", Paused); a.Reason != "training" || now.Sub(a.Since) != time.Hour {
			t.Errorf("who was paused is %+v", a)
		}
		p, err := s.Join(Caller{ID: "waits", Queue: "cni", Joined: now.Add(-3 * time.Minute), Resumed: true})
		if err != nil {
			t.Fatal(err)
		}
		later := s.join("later", "cni")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		s.agentFor(p, "2003").Connected()
		time.Sleep(20 * time.Second)
		synctest.Wait()
		s.agentFor(later, "2002")
		gone.Done(time.Minute)
		r.Done(10 * time.Minute)
		if a := s.is("2001", Paused); a.Reason != "lunch" || len(s.Agents()) != 4 {
			t.Errorf("after the talk 2001 is %+v in a roster of %d", a, len(s.Agents()))
		}
		for _, err := range []error{s.Restore("2999", AgentStatus{State: Available}), s.Restore("2003", AgentStatus{State: Available}), s.Restore("2004", AgentStatus{State: "asleep"})} {
			if err == nil {
				t.Error("a wrong Restore is no error")
			}
		}
		if slices.Contains(s.rec.observed(), "answered cni after 0 in 3m10s") {
			t.Error("a resumed caller, who did not find the queue as it is said, teaches the estimator")
		}
	})
}

func TestAgentStatesAreToldInOrderOutsideTheLock(t *testing.T) {
	tell(t, []*service.Queue{queueCNI}, []Agent{{ID: "2001", Skills: cni(1)}}, func(s story) {
		var told []AgentState
		s.OnAgentState(func(a AgentStatus) {
			s.Agents() // would hang under the lock
			told = append(told, a.State)
		})
		s.set("2001", Available)
		s.set("2001", Available) // nothing new
		p := s.join("c", "cni")
		r := s.agentFor(p, "2001")
		r.Ringing()
		r.Connected()
		r.Done(time.Second)
		s.Close() // hands over what is left
		s.Close()
		if want := []AgentState{Available, Reserved, Ringing, Talking, WrapUp}; !slices.Equal(told, want) {
			t.Errorf("told %v", told)
		}
		if _, err := s.Join(Caller{ID: "late", Queue: "cni"}); !errors.Is(err, ErrClosed) {
			t.Errorf("joining a closed floor: %v", err)
		}
	})
}

func TestHigherPriorityGoesFirstAndIsACause(t *testing.T) {
	urgent := &service.Queue{ID: "urgent", Needs: cni(1), Priority: 10}
	tell(t, []*service.Queue{queueCNI, urgent}, []Agent{{ID: "2001", Skills: cni(1)}}, func(s story) {
		s.set("2001", Available)
		r := s.agentFor(s.join("c0", "cni"), "2001")
		r.Connected()
		p := s.join("c1", "cni")
		before := p.Standing()
		u := s.join("u1", "urgent")
		synctest.Wait() // the estimator was asked of the urgent caller
		after := p.Standing()
		if before.Ahead != 0 || after.Ahead != 1 || after.Position != 1 || after.HigherPriorityCame != before.HigherPriorityCame+1 {
			t.Errorf("before %+v, after %+v", before, after)
		}
		if asked := s.rec.lastAsked(); asked.Queue != "cni" || asked.HigherRate <= 0 || asked.Busy != 1 || asked.Agents != 1 {
			t.Errorf("the estimator was asked about %+v", asked)
		}
		if st := u.Standing(); st.Ahead != 0 || st.HigherPriorityCame != 0 {
			t.Errorf("the urgent caller stands %+v", st)
		}
		r.Done(time.Second)
		s.set("2001", WrapUpDone)
		s.agentFor(u, "2001")
	})
}

// TestTwoThousandAgentsServeFiveThousandCallers runs a floor at full size, one goroutine a
// call as in the controller, with phones that fail and callers who give up.
func TestTwoThousandAgentsServeFiveThousandCallers(t *testing.T) {
	const agents, callers = 2000, 5000
	roster := make([]Agent, agents)
	for i := range roster {
		roster[i] = Agent{ID: call.AgentID(fmt.Sprint(20000 + i)), Skills: cni(1 + i%5)}
	}
	q := *queueCNI
	tell(t, []*service.Queue{&q}, roster, func(s story) {
		for _, a := range roster {
			s.set(a.ID, Available)
		}
		var mu sync.Mutex
		holds := map[call.AgentID]call.ID{}
		var answered, gaveUp int
		var wg sync.WaitGroup
		serve := func(i int) {
			id := call.ID(fmt.Sprintf("c%05d", i))
			p := s.join(id, "cni")
			patience := time.After(time.Duration(1+i%20) * time.Minute)
			for {
				select {
				case <-patience:
					p.Leave()
					mu.Lock()
					gaveUp++
					mu.Unlock()
					return
				case r := <-p.Reserved():
					agent := r.Agent().ID
					mu.Lock()
					if other := holds[agent]; other != "" {
						t.Errorf("agent %s has %s and %s", agent, other, id)
					}
					holds[agent] = id
					mu.Unlock()
					r.Ringing()
					time.Sleep(5 * time.Second)
					failed := (i+len(agent))%7 == 0
					i++ // the next phone answers
					mu.Lock()
					delete(holds, agent)
					if !failed {
						holds[agent] = id
						answered++
					}
					mu.Unlock()
					if failed {
						r.Failed(call.NoAnswer)
						continue
					}
					r.Connected()
					time.Sleep(3 * time.Minute)
					mu.Lock()
					delete(holds, agent)
					mu.Unlock()
					r.Done(3 * time.Minute)
					return
				}
			}
		}
		for i := range callers {
			wg.Go(func() { serve(i) })
		}
		wg.Wait()
		if answered+gaveUp != callers || answered < 4000 {
			t.Errorf("%d answered and %d gave up of %d", answered, gaveUp, callers)
		}
		st := s.Queues()[0]
		if st.Answered != answered || st.Abandoned != gaveUp || st.Waiting != 0 || st.Talking != 0 {
			t.Errorf("the queue counts %+v", st)
		}
		time.Sleep(time.Hour)
		for _, a := range s.Agents() {
			if a.State != Available {
				t.Fatalf("in the end agent %s is %s", a.ID, a.State)
			}
		}
	})
}
