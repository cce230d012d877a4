package routing

import (
	"container/heap"
	"fmt"
	"slices"
	"strings"
	"time"

	"decroche/call"
)

// agent is an agent as the Floor knows one.
type agent struct {
	AgentStatus
	seat *seat
	// removed agents are in the roster no more; they go when their call is over.
	removed bool
	// res is the reservation or talk the agent is in; consult the consultation.
	res     *Reservation
	consult *consultation
	// began is when the work that keeps the agent busy began, idleBefore when the idle
	// time before a reservation did; stint is a conversation that is over and not wrapped up yet.
	began, idleBefore time.Time
	stint             *stint
	// version tells deadlines of earlier states from the present one's, those of an agent of the
	// same id who left the roster included.
	version uint64
}

// stint is one agent's work for one caller.
type stint struct {
	call  call.ID
	queue string // "" when it is not known any more: of before a restart
	talk  time.Duration
}

type consultation struct{ _ byte } // told apart by address

// onCall says whether the agent cannot change state before a call is over.
func (a *agent) onCall() bool {
	return a.State == Reserved || a.State == Ringing || a.State == Talking
}

func presenceOf(s AgentState) presence {
	switch s {
	case Available:
		return idle
	case Paused:
		return away
	case SignedOut:
		return absent
	default:
		return busy
	}
}

// SetRoster replaces the roster. New agents are signed out; those who are gone are signed
// out, after their call if they are on one. Of agents given twice the last counts (see CheckRoster).
func (f *Floor) SetRoster(roster []Agent) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.begin()
	listed := map[call.AgentID]bool{}
	for _, r := range roster {
		listed[r.ID] = true
		if a := f.agents[r.ID]; a != nil {
			a.Agent, a.removed = r, false
		} else {
			f.agents[r.ID] = &agent{AgentStatus: AgentStatus{Agent: r, State: SignedOut, Since: now}}
		}
	}
	for _, a := range f.sorted() {
		switch {
		case listed[a.ID]:
		case a.onCall():
			a.removed = true
		default:
			f.drop(a, now)
		}
	}
	f.reseat(now)
	f.arm()
}

// reseat makes the matching know the agents there are.
func (f *Floor) reseat(now time.Time) {
	agents := make([]Agent, 0, len(f.agents))
	for _, a := range f.sorted() {
		agents = append(agents, a.Agent)
	}
	out := f.m.setAgents(agents)
	for id, a := range f.agents {
		a.seat = f.m.seats[id]
		a.seat.agent = a
	}
	f.apply(out, now)
}

// drop signs out an agent who is not in the roster any more.
func (f *Floor) drop(a *agent, now time.Time) {
	a.Next, a.NextReason, a.removed = "", "", false
	f.enter(a, SignedOut, ReasonRemoved, now)
	delete(f.agents, a.ID)
	delete(f.m.seats, a.ID)
}

// SetState does what an agent asks for: Available, Paused, SignedOut or WrapUpDone, with a
// reason to be shown ("lunch"). While the agent is on a call, rung or reserved it is applied
// when that is over, in place of the wrap-up (Available then takes back what was asked
// before). It returns the agent as he then stands.
func (f *Floor) SetState(id call.AgentID, s AgentState, reason string) (AgentStatus, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a := f.agents[id]
	if a == nil || a.removed {
		return AgentStatus{}, fmt.Errorf("set agent %q %s: %w in a roster of %d", id, s, ErrUnknownAgent, len(f.agents))
	}
	now := f.begin()
	switch {
	case s == WrapUpDone && a.State != WrapUp:
		return a.status(), fmt.Errorf("end the wrap-up of agent %s: %w: the agent is %s", id, ErrAgentState, a.State)
	case s == WrapUpDone:
		f.enter(a, Available, "", now)
	case s != Available && s != Paused && s != SignedOut:
		return a.status(), fmt.Errorf("set agent %s %q: %w: ask for %s, %s, %s or %s", id, s, ErrAgentState,
			Available, Paused, SignedOut, WrapUpDone)
	case a.onCall():
		if s == Available {
			s, reason = "", ""
		}
		if a.Next != s || a.NextReason != reason {
			a.Next, a.NextReason = s, reason
			f.announce(a)
		}
	case a.State == s:
		if a.Reason != reason {
			a.Reason = reason
			f.announce(a)
		}
	default:
		f.enter(a, s, reason, now)
	}
	f.arm()
	return a.status(), nil
}

// Restore gives an agent the state kept from before a restart of the controller. One who
// was reserved, rung or talking is set aside for a moment, for ResumeTalk to find, and is
// then available. Call, where it is known, is the one talked on or wrapped up: a wrap-up that
// ended while no controller was there is told now with its length, and a talk that nobody
// takes up again had none. It returns ErrUnknownAgent, or ErrAgentState for an agent on a call.
func (f *Floor) Restore(id call.AgentID, st AgentStatus) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	a := f.agents[id]
	if a == nil {
		return fmt.Errorf("restore agent %q as %s: %w", id, st.State, ErrUnknownAgent)
	}
	if a.onCall() {
		return fmt.Errorf("restore agent %s as %s: %w: the agent is %s", id, st.State, ErrAgentState, a.State)
	}
	now := f.begin()
	since := st.Since
	if since.IsZero() || since.After(now) {
		since = now
	}
	a.LastCall = st.LastCall
	if st.Call != "" && (st.State == WrapUp || st.State == Talking) {
		a.stint, a.LastCall = &stint{call: st.Call}, st.Call
	}
	switch st.State {
	case Available, Paused, SignedOut:
		f.enterSince(a, st.State, st.Reason, since, now)
	case WrapUp, SetAside:
		if !st.Until.After(now) {
			if st.State == WrapUp {
				f.wrapped(a, st.Until.Sub(since), now)
			}
			f.enter(a, Available, "", now)
			break
		}
		if st.State == WrapUp {
			a.Call = st.Call
		}
		a.Until = st.Until
		f.enterSince(a, st.State, st.Reason, since, now)
	case Reserved, Ringing, Talking:
		a.Next, a.NextReason = st.Next, st.NextReason
		a.Until = now.Add(f.opts.Recovering)
		f.enter(a, SetAside, ReasonRecovering, now)
	default:
		return fmt.Errorf("restore agent %s as %q: %w", id, st.State, ErrAgentState)
	}
	f.arm()
	return nil
}

// ReserveAgent marks an available agent as talking to a colleague. release, which may be
// called at any time and more than once, makes the agent available again; after a
// transfer of the caller to this agent it does nothing. ok is false if the agent is not available.
func (f *Floor) ReserveAgent(id call.AgentID) (release func(), ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.begin()
	a := f.agents[id]
	if a == nil || a.State != Available {
		return func() {}, false
	}
	c := &consultation{}
	a.consult, a.began = c, now
	f.enter(a, Talking, ReasonConsultation, now)
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if a.consult != c {
			return
		}
		a.consult = nil
		f.afterCall(a, 0, f.begin())
		f.arm()
	}, true
}

// afterCall puts an agent whose call is over where the agent goes now.
func (f *Floor) afterCall(a *agent, wrapUp time.Duration, now time.Time) {
	switch next, reason := a.Next, a.NextReason; {
	case a.removed:
		f.drop(a, now)
	case next != "":
		a.Next, a.NextReason = "", ""
		f.enter(a, next, reason, now)
	case wrapUp > 0:
		a.Until = now.Add(wrapUp)
		f.enter(a, WrapUp, "", now)
	default:
		f.enter(a, Available, "", now)
	}
}

// timeUp ends a state that ends by itself.
func (f *Floor) timeUp(d deadline, now time.Time) {
	if a := f.agents[d.id]; a != nil && a.version == d.version {
		f.afterCall(a, 0, now)
	}
}

func (f *Floor) enter(a *agent, to AgentState, reason string, now time.Time) {
	f.enterSince(a, to, reason, now, now)
}

// enterSince changes an agent's state. Until is set before for a state that ends by itself.
func (f *Floor) enterSince(a *agent, to AgentState, reason string, since, now time.Time) {
	switch {
	case to == WrapUp || to == SetAside && reason == ReasonRecovering: // what follows the call is not over
	case a.State == WrapUp:
		f.wrapped(a, now.Sub(a.Since), now)
	default: // without a wrap-up: none is foreseen, or the agent had asked for another state
		f.wrapped(a, 0, now)
	}
	a.State, a.Reason, a.Since = to, reason, since
	f.versions++
	a.version = f.versions
	if to == WrapUp || to == SetAside {
		f.due.push(deadline{a.Until, a.ID, a.version})
	} else {
		a.Until = time.Time{}
	}
	if !a.onCall() && to != WrapUp {
		a.Call, a.Queue, a.Public = "", "", ""
	}
	f.announce(a)
	f.journal(call.EventAgentState, "", now, map[string]any{"agent": a.ID, "team": a.Team, "state": to, "reason": reason})
	f.apply(f.m.setPresence(a.seat, presenceOf(to), since), now)
}

// wrapped tells that what follows an agent's last conversation is over, once for each.
func (f *Floor) wrapped(a *agent, length time.Duration, now time.Time) {
	s := a.stint
	if s == nil {
		return
	}
	a.stint = nil
	if e := f.opts.Estimator; e != nil && s.queue != "" {
		f.tell(func() { e.ObserveService(s.queue, s.talk+length, now) })
	}
	f.journal(call.EventWrapped, s.call, now, map[string]any{"agent": a.ID, "wrap_ms": max(0, length.Milliseconds())})
}

// Agent gives one agent as the agent stands; ok is false when nobody has this id.
func (f *Floor) Agent(id call.AgentID) (st AgentStatus, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a := f.agents[id]
	if a == nil {
		return AgentStatus{}, false
	}
	return a.status(), true
}

// announce tells an agent's status to who wants to know.
func (f *Floor) announce(a *agent) {
	if fn := f.onState; fn != nil {
		st := a.status()
		f.tell(func() { fn(st) })
	}
}

func (a *agent) status() AgentStatus { return a.AgentStatus }

// sorted lists the agents by id.
func (f *Floor) sorted() []*agent {
	out := make([]*agent, 0, len(f.agents))
	for _, a := range f.agents {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b *agent) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return out
}

// ages tells how long the busy agents of these pools have been at their present call.
func (f *Floor) ages(pools []*pool, now time.Time) []time.Duration {
	var ages []time.Duration
	for _, p := range pools {
		for _, s := range p.seats {
			switch a := s.agent; a.State {
			case Talking, WrapUp:
				ages = append(ages, max(0, now.Sub(a.began)))
			case Reserved, Ringing:
				ages = append(ages, 0)
			}
		}
	}
	return ages
}

// deadline is when an agent's state ends by itself, unless it changed before.
type deadline struct {
	at      time.Time
	id      call.AgentID
	version uint64
}

type deadlines []deadline

func (d deadlines) Len() int      { return len(d) }
func (d deadlines) Swap(i, j int) { d[i], d[j] = d[j], d[i] }
func (d deadlines) Less(i, j int) bool {
	if !d[i].at.Equal(d[j].at) {
		return d[i].at.Before(d[j].at)
	}
	return d[i].id < d[j].id
}
func (d *deadlines) Push(x any) { *d = append(*d, x.(deadline)) }
func (d *deadlines) Pop() any {
	last := (*d)[len(*d)-1]
	*d = (*d)[:len(*d)-1]
	return last
}

func (d *deadlines) push(x deadline) { heap.Push(d, x) }

// next is the earliest, zero if there is none.
func (d deadlines) next() time.Time {
	if len(d) == 0 {
		return time.Time{}
	}
	return d[0].at
}

// pop takes out the earliest that is due.
func (d *deadlines) pop(now time.Time) (deadline, bool) {
	if len(*d) == 0 || (*d)[0].at.After(now) {
		return deadline{}, false
	}
	return heap.Pop(d).(deadline), true
}
