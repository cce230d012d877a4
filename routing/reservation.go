package routing

import (
	"fmt"
	"time"

	"decroche/call"
)

// Reservation is an agent for a caller: reserved, then rung, then talking. Exactly one of
// Failed, Connected or the Place's Leave ends the reserving; Done ends the talk. What
// comes twice or too late does nothing.
type Reservation struct {
	f     *Floor
	w     *waiter
	line  *line // nil after a restart that removed the queue
	agent *agent
	// call is the caller's, which is not the waiter's id when it is we who call.
	call call.ID
	// legBegan is when the present agent began to talk.
	legBegan  time.Time
	connected bool
	moved     bool // transferred at least once
	over      bool
}

// reserve makes an assignment a reservation and hands it to the caller.
func (f *Floor) reserve(as assignment, now time.Time) {
	a, p := f.agents[as.seat.id], as.waiter.place
	r := &Reservation{f: f, w: as.waiter, line: as.waiter.line, agent: a, call: as.waiter.ID}
	a.res, p.live = r, r
	a.Call, a.Queue, a.Public = r.call, as.waiter.Queue, as.waiter.Public
	a.idleBefore = a.Since
	f.enter(a, Reserved, "", now)
	select {
	case <-p.reserved: // cannot be: the one before was taken, or it would not have failed
	default:
	}
	p.reserved <- r
}

// Agent is who is reserved, and after a transfer who talks.
func (r *Reservation) Agent() Agent {
	r.f.mu.Lock()
	defer r.f.mu.Unlock()
	return r.agent.Agent
}

// On says on which call the caller is rung for and talked to, when it has another id than
// the place in line: a promise waits, and each attempt at it is a call of its own.
func (r *Reservation) On(id call.ID) {
	r.f.mu.Lock()
	defer r.f.mu.Unlock()
	if r.over {
		return
	}
	r.call, r.agent.Call = id, id
}

// Ringing says that the agent's phone rings.
func (r *Reservation) Ringing() {
	f := r.f
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.over || r.agent.State != Reserved {
		return
	}
	f.enter(r.agent, Ringing, "", f.begin())
	f.arm()
}

// Failed says that the agent did not take the call. The caller is back in line at the
// same place, where the next reservation comes by itself. The agent who did not answer or
// refused is set aside, one whose phone was in use for a shorter time; one whose phone is
// not reachable is signed out, with that reason.
func (r *Reservation) Failed(res call.RingResult) {
	f := r.f
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.over || r.connected {
		return
	}
	now := f.begin()
	a := r.agent
	r.over, a.res, r.w.place.live = true, nil, nil
	a.Missed++
	id := a.ID
	f.tell(func() {
		f.log.Info("agent did not take the call", "agent", string(id), "call", string(r.w.ID), "result", string(res))
	})
	aside, reason := f.opts.SetAside, ReasonNoAnswer
	switch res {
	case call.Busy:
		aside, reason = f.opts.BusyAside, ReasonBusy
	case call.Refused:
		reason = ReasonRefused
	}
	switch {
	case res == call.Unreachable && !a.removed:
		a.Next, a.NextReason = "", ""
		f.enter(a, SignedOut, ReasonUnreachable, now)
	case a.removed || a.Next != "":
		f.afterCall(a, 0, now)
	default:
		a.Until = now.Add(aside)
		f.enter(a, SetAside, reason, now)
	}
	f.apply(f.m.back(r.w), now)
	f.arm()
}

// Connected says that caller and agent talk: the caller's place in line is given up.
func (r *Reservation) Connected() {
	f := r.f
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.over || r.connected {
		return
	}
	now := f.begin()
	w, a := r.w, r.agent
	r.connected, r.legBegan, w.place.live = true, now, nil
	f.m.leave(w)
	delete(f.waiters, w.ID)
	r.line.counts.answered++
	r.line.counts.talking++
	a.Answered++
	a.began, a.LastCall = now, r.call
	if e := f.opts.Estimator; e != nil && !w.Resumed {
		f.tell(func() { e.ObserveAnswered(w.Queue, w.onArrive, now.Sub(w.Joined), now) })
	}
	f.enter(a, Talking, "", now)
	f.arm()
}

// Done says that the talk is over. The agent wraps up for the queue's time. talk is how
// long the caller talked in all; 0: since Connected. Before Connected it does nothing.
func (r *Reservation) Done(talk time.Duration) {
	f := r.f
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.over || !r.connected {
		return
	}
	now := f.begin()
	r.over = true
	if r.line != nil {
		r.line.counts.talking--
	}
	if talk <= 0 || r.moved {
		talk = now.Sub(r.legBegan)
	}
	r.endLeg(talk, now)
	f.arm()
}

// endLeg sends the present agent to wrap-up.
func (r *Reservation) endLeg(talk time.Duration, now time.Time) {
	a := r.agent
	a.res, a.stint = nil, &stint{r.call, r.w.Queue, talk}
	wrapUp := time.Duration(0)
	if r.line != nil {
		wrapUp = r.line.rules.WrapUp
	}
	r.f.afterCall(a, wrapUp, now)
}

// TransferTo says that another agent talks to the caller from now on: one in a
// consultation (see ReserveAgent), or in any state without a call. The first agent goes
// to wrap-up. It returns ErrUnknownAgent, or ErrAgentState when that agent has another
// caller or the talk is over.
func (r *Reservation) TransferTo(id call.AgentID) error {
	f := r.f
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.begin()
	to := f.agents[id]
	switch {
	case r.over || !r.connected:
		return fmt.Errorf("transfer the caller to agent %s: %w: caller and agent do not talk", id, ErrAgentState)
	case to == r.agent:
		return nil
	case to == nil:
		return fmt.Errorf("transfer the caller of agent %s to %q: %w", r.agent.ID, id, ErrUnknownAgent)
	case to.res != nil:
		return fmt.Errorf("transfer the caller of agent %s to agent %s: %w: that agent is %s", r.agent.ID, id, ErrAgentState, to.State)
	}
	talk := now.Sub(r.legBegan)
	from := r.agent
	if to.Next == "" && (to.State == Paused || to.State == SignedOut) {
		to.Next, to.NextReason = to.State, to.Reason // a call he took all the same does not end it
	}
	f.take(r, to, now)
	r.moved = true
	back := &Reservation{f: f, w: r.w, line: r.line, agent: from, call: r.call}
	back.endLeg(talk, now)
	f.arm()
	return nil
}

// take gives a connected caller to an agent without a call.
func (f *Floor) take(r *Reservation, a *agent, now time.Time) {
	a.consult = nil // its release has nothing to release any more
	a.res, r.agent, r.legBegan = r, a, now
	a.Call, a.LastCall, a.Queue, a.Public, a.began = r.call, r.call, r.w.Queue, r.w.Public, now
	a.Answered++
	f.enter(a, Talking, "", now)
}

// releaseUnrung makes an agent available again whose caller left: the agent's time of
// being idle goes on.
func (f *Floor) releaseUnrung(a *agent, now time.Time) {
	a.res = nil
	if a.removed || a.Next != "" {
		f.afterCall(a, 0, now)
		return
	}
	f.enterSince(a, Available, "", a.idleBefore, now)
}

// ResumeTalk takes up a talk that outlived the controller. An agent who is not in the
// roster any more is let finish; a queue that is gone has no wrap-up. c.ID is the call's, also
// of one that we place. It returns ErrAgentState when the agent has another caller.
func (f *Floor) ResumeTalk(c Caller, id call.AgentID) (*Reservation, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, fmt.Errorf("resume the talk of agent %s: %w", id, ErrClosed)
	}
	now := f.begin()
	a := f.agents[id]
	if a == nil {
		a = &agent{AgentStatus: AgentStatus{Agent: Agent{ID: id}, State: SignedOut, Since: now}, removed: true}
		f.agents[id] = a
		f.reseat(now)
	}
	if a.res != nil {
		return nil, fmt.Errorf("resume the talk of agent %s: %w: the agent is %s with another caller", id, ErrAgentState, a.State)
	}
	if a.stint != nil && a.stint.call == c.ID {
		a.stint = nil // it goes on
	}
	r := &Reservation{f: f, w: &waiter{Caller: c, gone: true}, line: f.m.byID[c.Queue], call: c.ID, connected: true}
	if r.line != nil {
		r.line.counts.talking++
	}
	f.take(r, a, now)
	f.arm()
	return r, nil
}
