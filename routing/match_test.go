package routing

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"decroche/call"
	"decroche/service"
)

var epoch = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// The reference: the rule of the package's doc, by brute force over plain lists, with
// nothing kept from one event to the next but the facts.
type refCaller struct {
	Caller
	assigned call.AgentID
}

type refAgent struct {
	Agent
	presence presence
	since    time.Time
}

type reference struct {
	now     time.Time
	queues  map[string]*service.Queue // with the removed ones
	callers map[call.ID]*refCaller
	agents  map[call.AgentID]*refAgent
}

func meets(a Agent, q *service.Queue) (score int, ok bool) {
	for skill, least := range q.Needs {
		if a.Skills[skill] < least {
			return 0, false
		}
		score += a.Skills[skill]
	}
	return score, true
}

func (r *reference) waiting(queue string) (n int) {
	for _, c := range r.callers {
		if c.Queue == queue && c.assigned == "" {
			n++
		}
	}
	return n
}

// through says by which rule an agent may serve a caller: 0 own needs, 1… the overflow
// rules in order, -1 not at all.
func (r *reference) through(c *refCaller, a *refAgent) (rule, score int) {
	q := r.queues[c.Queue]
	if score, ok := meets(a.Agent, q); ok {
		return 0, score
	}
	for i, o := range q.Overflow {
		score, ok := meets(a.Agent, r.queues[o.To])
		byWait := o.After > 0 && r.now.Sub(c.Joined) >= o.After
		byLength := o.LongerThan > 0 && r.waiting(c.Queue) > o.LongerThan
		if ok && (byWait || byLength) {
			return i + 1, score
		}
	}
	return -1, 0
}

func (r *reference) goesBefore(a, b *refCaller) bool {
	return cmp.Or(-cmp.Compare(r.queues[a.Queue].Priority, r.queues[b.Queue].Priority),
		a.Joined.Compare(b.Joined), cmp.Compare(a.ID, b.ID)) < 0
}

// next finds the caller first in order who can be served, and the best agent.
func (r *reference) next() (caller *refCaller, agent *refAgent) {
	type quality struct{ rule, speaks, score int }
	var best quality
	for _, c := range r.callers {
		if c.assigned != "" || caller != nil && caller != c && !r.goesBefore(c, caller) {
			continue
		}
		for _, a := range r.agents {
			rule, score := r.through(c, a)
			if a.presence != idle || rule < 0 {
				continue
			}
			q := quality{rule: rule, score: -score}
			if len(a.Languages) > 0 && !slices.Contains(a.Languages, c.Lang) {
				q.speaks = 1
			}
			if caller == c && cmp.Or(cmp.Compare(q.rule, best.rule), cmp.Compare(q.speaks, best.speaks),
				cmp.Compare(q.score, best.score), a.since.Compare(agent.since), cmp.Compare(a.ID, agent.ID)) >= 0 {
				continue
			}
			caller, agent, best = c, a, q
		}
	}
	return caller, agent
}

// settle assigns until nobody can be served, and returns who got whom.
func (r *reference) settle() map[call.ID]call.AgentID {
	out := map[call.ID]call.AgentID{}
	for {
		c, a := r.next()
		if c == nil {
			return out
		}
		c.assigned, a.presence = a.ID, busy
		out[c.ID] = a.ID
	}
}

// model drives matcher and reference with the same events.
type model struct {
	t       *rapid.T
	m       *matcher
	ref     *reference
	waiters map[call.ID]*waiter
	nextID  int
}

var skillNames = []string{"cni", "permis", "etrangers"}

func drawNeeds(t *rapid.T, label string) map[string]int {
	return rapid.MapOfN(rapid.SampledFrom(skillNames), rapid.IntRange(1, 5), 0, 2).Draw(t, label)
}

func drawQueues(t *rapid.T) map[string]*service.Queue {
	ids := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d"}), 1, 4, rapid.ID).Draw(t, "queues")
	queues := map[string]*service.Queue{}
	for _, id := range ids {
		q := &service.Queue{ID: id, Needs: drawNeeds(t, "needs"), Priority: rapid.IntRange(0, 2).Draw(t, "priority")}
		for _, to := range ids {
			if to != id && rapid.Bool().Draw(t, "overflows") {
				q.Overflow = append(q.Overflow, service.Overflow{
					To:         to,
					After:      time.Duration(rapid.SampledFrom([]int{0, 30, 90}).Draw(t, "after")) * time.Second,
					LongerThan: rapid.SampledFrom([]int{0, 1, 3}).Draw(t, "longer"),
				})
			}
		}
		queues[id] = q
	}
	return queues
}

func drawAgents(t *rapid.T) []Agent {
	var agents []Agent
	for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(1, 9), 1, 7, rapid.ID).Draw(t, "agents") {
		agents = append(agents, Agent{
			ID:        call.AgentID(fmt.Sprintf("200%d", n)),
			Skills:    rapid.MapOfN(rapid.SampledFrom(skillNames), rapid.IntRange(1, 5), 0, 3).Draw(t, "skills"),
			Languages: rapid.SliceOfNDistinct(rapid.SampledFrom([]call.Lang{"fr", "en"}), 0, 1, rapid.ID).Draw(t, "langs"),
		})
	}
	return agents
}

func (x *model) setQueues() {
	queues := drawQueues(x.t)
	out := x.m.setQueues(queues)
	for id, q := range x.ref.queues {
		if queues[id] == nil && q.ID != "" {
			queues[id] = q // old rules for those who wait
		}
	}
	x.ref.queues = queues
	x.check("reload of queues", out)
}

func (x *model) setAgents() {
	agents := drawAgents(x.t)
	listed := map[call.AgentID]bool{}
	for _, a := range agents {
		listed[a.ID] = true
	}
	// As the Floor does: an agent who has a caller stays to the end.
	for id, a := range x.ref.agents {
		if !listed[id] && a.presence == busy && x.callerOf(id) != nil {
			agents = append(agents, a.Agent)
			listed[id] = true
		}
	}
	for id := range x.ref.agents {
		if !listed[id] {
			delete(x.ref.agents, id)
		}
	}
	for _, a := range agents {
		if was := x.ref.agents[a.ID]; was != nil {
			was.Agent = a
		} else {
			x.ref.agents[a.ID] = &refAgent{Agent: a}
		}
	}
	x.check("reload of the roster", x.m.setAgents(agents))
}

func (x *model) callerOf(id call.AgentID) *refCaller {
	for _, c := range x.ref.callers {
		if c.assigned == id {
			return c
		}
	}
	return nil
}

func (x *model) tick() {
	x.ref.now = x.ref.now.Add(time.Duration(rapid.SampledFrom([]int{0, 1, 7, 29, 30, 61, 200}).Draw(x.t, "seconds")) * time.Second)
	x.check("time", x.m.advance(x.ref.now))
}

func (x *model) arrive() {
	live := slices.DeleteFunc(slices.Collect(maps.Values(x.m.byID)), func(l *line) bool { return l.removed })
	slices.SortFunc(live, func(a, b *line) int { return cmp.Compare(a.id, b.id) })
	l := rapid.SampledFrom(live).Draw(x.t, "queue")
	x.nextID++
	c := Caller{
		// Ids do not grow with time, so ties by id are tried too.
		ID: call.ID(fmt.Sprintf("call-%d", (x.nextID*7919)%10007)), Queue: l.id, Joined: x.ref.now,
		Lang: rapid.SampledFrom([]call.Lang{"fr", "en"}).Draw(x.t, "lang"),
	}
	if rapid.IntRange(0, 4).Draw(x.t, "resumed") == 0 {
		c.Resumed, c.Joined = true, x.ref.now.Add(-time.Duration(rapid.IntRange(0, 120).Draw(x.t, "waited"))*time.Second)
	}
	w := &waiter{Caller: c, line: l}
	x.waiters[c.ID] = w
	x.ref.callers[c.ID] = &refCaller{Caller: c}
	x.check("arrival", x.m.arrive(w))
}

func (x *model) drawCaller(assigned bool) *refCaller {
	var ids []call.ID
	for id, c := range x.ref.callers {
		if (c.assigned != "") == assigned {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	slices.Sort(ids)
	return x.ref.callers[rapid.SampledFrom(ids).Draw(x.t, "caller")]
}

func (x *model) abandon() {
	if c := x.drawCaller(false); c != nil {
		delete(x.ref.callers, c.ID)
		if s := x.m.leave(x.waiters[c.ID]); s != nil {
			x.t.Fatalf("%s had agent %s, but waited", c.ID, s.id)
		}
		x.check("abandonment", nil)
	}
}

// hangUpWhileRinging frees the agent, with the agent's old idle time.
func (x *model) hangUpWhileRinging() {
	c := x.drawCaller(true)
	if c == nil {
		return
	}
	delete(x.ref.callers, c.ID)
	s := x.m.leave(x.waiters[c.ID])
	if s == nil || s.id != c.assigned {
		x.t.Fatalf("%s was to release %s, released %v", c.ID, c.assigned, s)
	}
	a := x.ref.agents[c.assigned]
	a.presence = idle
	x.check("hang-up while ringing", x.m.setPresence(s, idle, a.since))
}

// ringTimeout sets the agent aside; the caller keeps the place.
func (x *model) ringTimeout() {
	c := x.drawCaller(true)
	if c == nil {
		return
	}
	p := rapid.SampledFrom([]presence{busy, absent}).Draw(x.t, "aside")
	x.ref.agents[c.assigned].presence = p
	x.m.setPresence(x.m.seats[c.assigned], p, x.ref.now)
	c.assigned = ""
	x.check("ring time-out", x.m.back(x.waiters[c.ID]))
}

// connect leaves the agent at work: the caller is out of line.
func (x *model) connect() {
	if c := x.drawCaller(true); c != nil {
		delete(x.ref.callers, c.ID)
		x.m.leave(x.waiters[c.ID])
		x.check("connection", nil)
	}
}

// agentMoves: comes back from wrap-up, pause or aside, pauses, signs off.
func (x *model) agentMoves() {
	var ids []call.AgentID
	for id := range x.ref.agents {
		if x.callerOf(id) == nil {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return
	}
	slices.Sort(ids)
	id := rapid.SampledFrom(ids).Draw(x.t, "agent")
	p := rapid.SampledFrom([]presence{idle, idle, idle, away, absent, busy}).Draw(x.t, "presence")
	a := x.ref.agents[id]
	a.presence, a.since = p, x.ref.now
	x.check("agent's move", x.m.setPresence(x.m.seats[id], p, x.ref.now))
}

// check compares what was decided with the reference, and the state with the invariants.
func (x *model) check(event string, out []assignment) {
	x.t.Helper()
	got := map[call.ID]call.AgentID{}
	for _, a := range out {
		if _, twice := got[a.waiter.ID]; twice {
			x.t.Fatalf("after %s, %s got two agents", event, a.waiter.ID)
		}
		got[a.waiter.ID] = a.seat.id
	}
	if want := x.ref.settle(); !maps.Equal(got, want) {
		x.t.Fatalf("after %s, assignments %v, by brute force %v", event, got, want)
	}
	taken := map[*seat]call.ID{}
	for _, l := range x.m.lines {
		if !slices.IsSortedFunc(l.waiting, (*waiter).compare) || !slices.IsSortedFunc(l.reserved, (*waiter).compare) {
			x.t.Fatalf("after %s, line %s is out of order", event, l.id)
		}
		for _, w := range l.reserved {
			if other, twice := taken[w.seat]; twice {
				x.t.Fatalf("after %s, agent %s has two calls, %s and %s", event, w.seat.id, other, w.ID)
			}
			taken[w.seat] = w.ID
		}
		for _, w := range l.waiting {
			for _, s := range x.m.seats {
				if ok, _ := x.m.mayServe(s.profile, w); ok && s.presence == idle {
					x.t.Fatalf("after %s, %s waits while agent %s is available", event, w.ID, s.id)
				}
			}
		}
	}
	for _, p := range x.m.pools {
		var n pool
		for _, s := range p.seats {
			n.idle += b2i(s.presence == idle)
			n.staffed += b2i(s.presence >= busy)
			n.present += b2i(s.presence >= away)
		}
		if n.idle != p.idle || n.staffed != p.staffed || n.present != p.present {
			x.t.Fatalf("after %s, the pool counts %+v, has %+v", event, p, n)
		}
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func newModel(t *rapid.T) *model {
	x := &model{
		t: t, m: newMatcher(), waiters: map[call.ID]*waiter{},
		ref: &reference{now: epoch, callers: map[call.ID]*refCaller{}, agents: map[call.AgentID]*refAgent{}},
	}
	x.m.advance(epoch)
	x.setQueues()
	x.setAgents()
	return x
}

func TestAnySequenceOfEventsGivesTheAssignmentsOfTheBruteForceRule(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := newModel(t)
		t.Repeat(map[string]func(*rapid.T){
			"arrive 1": func(*rapid.T) { x.arrive() }, "arrive 2": func(*rapid.T) { x.arrive() },
			"arrive 3": func(*rapid.T) { x.arrive() }, "agent 1": func(*rapid.T) { x.agentMoves() },
			"agent 2": func(*rapid.T) { x.agentMoves() }, "abandon": func(*rapid.T) { x.abandon() },
			"hang up ringing": func(*rapid.T) { x.hangUpWhileRinging() },
			"time-out":        func(*rapid.T) { x.ringTimeout() }, "connect": func(*rapid.T) { x.connect() },
			"time": func(*rapid.T) { x.tick() }, "queues": func(*rapid.T) { x.setQueues() },
			"roster": func(*rapid.T) { x.setAgents() },
		})
	})
}

// TestNobodyIsOvertakenByALaterArrivalOfTheSamePriorityTheSameAgentCouldServe is the rule
// said for itself, without the reference: each time an agent is given, whoever waits
// still and goes before the one who was served could not be served by that agent.
func TestNobodyIsOvertakenByALaterArrivalOfTheSamePriorityTheSameAgentCouldServe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := newModel(t)
		x.m.setPresence(x.m.seats[slices.Sorted(maps.Keys(x.m.seats))[0]], idle, epoch)
		served := map[call.ID]bool{}
		for i := range rapid.IntRange(5, 40).Draw(t, "events") {
			x.m.advance(epoch.Add(time.Duration(i*5) * time.Second))
			var out []assignment
			if rapid.Bool().Draw(t, "arrival") {
				l := rapid.SampledFrom(x.m.lines).Draw(t, "queue")
				w := &waiter{line: l, Caller: Caller{ID: call.ID(fmt.Sprint(i)), Queue: l.id, Joined: time.Unix(0, x.m.now)}}
				x.waiters[w.ID] = w
				out = x.m.arrive(w)
			} else {
				id := rapid.SampledFrom(slices.Sorted(maps.Keys(x.m.seats))).Draw(t, "agent")
				out = x.m.setPresence(x.m.seats[id], idle, time.Unix(0, x.m.now))
			}
			for _, a := range out {
				if served[a.waiter.ID] {
					t.Fatalf("%s was served twice", a.waiter.ID)
				}
				served[a.waiter.ID] = true
				for id, w := range x.waiters {
					before := w.line == a.waiter.line && w.at < a.waiter.at ||
						w.line.rules.Priority == a.waiter.line.rules.Priority && maps.Equal(w.line.rules.Needs, a.waiter.line.rules.Needs) && w.at < a.waiter.at
					if w.seat == nil && !w.gone && before {
						if ok, _ := x.m.mayServe(a.seat.profile, w); ok {
							t.Fatalf("%s, who joined later, was served by %s before %s", a.waiter.ID, a.seat.id, id)
						}
					}
				}
			}
		}
	})
}
