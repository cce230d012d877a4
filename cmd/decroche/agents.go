package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"decroche/call"
	"decroche/callback"
	"decroche/metrics"
	"decroche/phone"
	"decroche/routing"
	"decroche/store"
)

// accounts are the agents' SIP accounts. One that cannot be made keeps no other from its phone.
func (s *server) accounts() []phone.Account {
	list, err := s.accountsOf(*s.roster.Load())
	if err != nil {
		s.log.Error("agents' phones have no account", "err", err)
	}
	return list
}

// accountsOf are the SIP accounts of these agents, for Asterisk; their passwords are made when they are first asked for.
func (s *server) accountsOf(agents []agent) (list []phone.Account, err error) {
	for _, a := range agents {
		password, missing := s.c.secret(filepath.Join("agents", string(a.ID)))
		if missing != nil {
			err = errors.Join(err, fmt.Errorf("make the account of agent %s: %w", a.ID, missing))
			continue
		}
		list = append(list, phone.Account{ID: a.ID, Name: a.Name, Password: password})
		s.given.add(a.ID)
	}
	return list, err
}

// accountsGiven are those that Asterisk may have from this process.
type accountsGiven struct {
	mu  sync.Mutex
	ids map[call.AgentID]bool
}

func (g *accountsGiven) add(id call.AgentID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ids == nil {
		g.ids = map[call.AgentID]bool{}
	}
	g.ids[id] = true
}

// but lists those of nobody in a roster.
func (g *accountsGiven) but(roster []agent) (list []call.AgentID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for id := range g.ids {
		if !slices.ContainsFunc(roster, func(a agent) bool { return a.ID == id }) {
			list = append(list, id)
		}
	}
	return list
}

func (g *accountsGiven) remove(id call.AgentID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.ids, id)
}

// dropAccounts takes away the accounts of who is no agent. Where that fails it is tried again.
func (s *server) dropAccounts(ctx context.Context) {
	if !s.reloads.TryLock() { // which does it at its end
		return
	}
	defer s.reloads.Unlock()
	gone := s.given.but(*s.roster.Load())
	if len(gone) == 0 || !s.x.Ready() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), accountPatience)
	defer cancel()
	for _, id := range gone {
		if err := s.x.DropAccount(ctx, id); err != nil {
			s.log.Error("the phone of who is no agent any more still has its account; it is tried again", "agent", id, "err", err)
			continue
		}
		s.given.remove(id)
	}
}

// accountPatience bounds the taking away of accounts.
const accountPatience = 10 * time.Second

// starCodes are dialled on an agent's phone. Each answers with what is so now.
var starCodes = map[string]struct {
	state  routing.AgentState
	prompt string
}{
	"*10": {routing.Available, "agent.available"},
	"*11": {routing.Paused, "agent.paused"},
	"*12": {routing.WrapUpDone, "agent.wrapup-done"},
	"*13": {routing.SignedOut, "agent.signed-out"},
	"*14": {"", ""}, // tells the state
}

// code obeys a star code.
func (s *server) code(ctx context.Context, id call.AgentID, code string) []call.Sound {
	prompt := "agent.refused-code"
	if c, ok := starCodes[code]; ok {
		prompt = c.prompt
		if c.state == "" {
			prompt = s.statePrompt(id)
		} else if _, err := s.floor.SetState(id, c.state, "phone"); err != nil {
			s.log.Info("a star code changed nothing", "agent", id, "code", code, "why", err)
			prompt = s.statePrompt(id)
		}
	}
	sound, err := s.prompt(ctx, prompt, s.def.Load().Languages[0])
	if err != nil {
		s.log.Error("an agent cannot be told", "prompt", prompt, "err", err)
		return nil
	}
	return []call.Sound{sound}
}

// statePrompt names the prompt that tells an agent's state.
func (s *server) statePrompt(id call.AgentID) string {
	for _, a := range s.floor.Agents() {
		if a.ID != id {
			continue
		}
		switch a.State {
		case routing.Available, routing.Reserved:
			return "agent.state.available"
		case routing.Paused:
			return "agent.state.paused"
		case routing.Ringing:
			return "agent.state.ringing"
		case routing.Talking:
			return "agent.state.talking"
		case routing.WrapUp:
			return "agent.state.wrapup"
		case routing.SetAside:
			return "agent.state.set-aside"
		}
	}
	return "agent.state.signed-out"
}

// consult reserves the colleague an agent calls, and an agent who calls without having a
// caller: nobody else's call rings either meanwhile.
func (s *server) consult(from, to call.AgentID) (func(), error) {
	known := slices.ContainsFunc(*s.roster.Load(), func(a agent) bool { return a.ID == to })
	if !known || from == to {
		return nil, phone.ErrNoColleague
	}
	release, ok := s.floor.ReserveAgent(to)
	if !ok {
		return nil, fmt.Errorf("agent %s is not available", to)
	}
	if a, ok := s.floor.Agent(from); ok && a.State == routing.Talking && a.Call != "" { // the caller waits
		s.live.Append(call.NewEvent(a.Call, call.EventConsulted, map[string]any{"agent": from, "with": to}))
	}
	own, _ := s.floor.ReserveAgent(from)
	return func() { own(); release() }, nil
}

// restoreAgents gives the agents the state they had before the restart.
func (s *server) restoreAgents(ctx context.Context) error {
	rows, err := s.db.AgentStates(ctx)
	if err != nil {
		return err
	}
	for _, r := range rows {
		st := routing.AgentStatus{
			State: routing.AgentState(r.State), Reason: r.Reason, Since: r.Since, Until: r.Until,
			Next: routing.AgentState(r.Next), NextReason: r.NextReason, Call: s.lastCallOf(ctx, r),
		}
		if err := s.floor.Restore(r.ID, st); err != nil && !errors.Is(err, routing.ErrUnknownAgent) {
			s.log.Warn("an agent's state was not restored", "agent", r.ID, "err", err)
		}
	}
	return nil
}

// stateKeeper saves agents' states behind the floor: the last of each agent, so that a
// slow database holds up nobody.
type stateKeeper struct {
	db  *store.DB
	log *slog.Logger

	mu   sync.Mutex
	last map[call.AgentID]store.AgentState
	wake chan struct{}
}

func newStateKeeper(db *store.DB, log *slog.Logger) *stateKeeper {
	return &stateKeeper{db: db, log: log, last: map[call.AgentID]store.AgentState{}, wake: make(chan struct{}, 1)}
}

func (k *stateKeeper) keep(st routing.AgentStatus) {
	k.mu.Lock()
	k.last[st.ID] = store.AgentState{
		ID: st.ID, State: string(st.State), Reason: st.Reason, Since: st.Since, Until: st.Until,
		Next: string(st.Next), NextReason: st.NextReason,
	}
	k.mu.Unlock()
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// statesPause is the least time between two writes.
const statesPause = 200 * time.Millisecond

// run writes until ctx ends, and once more then.
func (k *stateKeeper) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
			defer cancel()
			k.write(ctx)
			return
		case <-k.wake:
			k.write(ctx)
			select { // the states of one call follow each other: often the last is enough
			case <-ctx.Done():
			case <-time.After(statesPause):
			}
		}
	}
}

func (k *stateKeeper) write(ctx context.Context) {
	k.mu.Lock()
	rows := k.last
	k.last = map[call.AgentID]store.AgentState{}
	k.mu.Unlock()
	for id, row := range rows {
		if err := k.db.PutAgentState(ctx, row); err != nil {
			k.log.Warn("an agent's state could not be saved; it is tried again with the next change", "agent", id, "err", err)
			k.mu.Lock()
			if _, newer := k.last[id]; !newer {
				k.last[id] = row
			}
			k.mu.Unlock()
		}
	}
}

// gauges are the live figures.
func (s *server) gauges() []metrics.Gauge {
	perQueue := func(read func(routing.QueueStatus) float64) func(func(float64, ...string)) {
		return func(emit func(float64, ...string)) {
			for _, q := range s.floor.Queues() {
				emit(read(q), q.ID)
			}
		}
	}
	queue := []string{"queue"}
	return []metrics.Gauge{
		{Name: "decroche_waiting", Help: "Callers waiting.", Labels: queue, Read: perQueue(func(q routing.QueueStatus) float64 { return float64(q.Waiting) })},
		{Name: "decroche_longest_wait_seconds", Help: "Longest wait of those waiting.", Labels: queue, Read: perQueue(func(q routing.QueueStatus) float64 { return q.LongestWait.Seconds() })},
		{Name: "decroche_estimated_wait_seconds", Help: "Estimated wait of who would join now.", Labels: queue, Read: perQueue(func(q routing.QueueStatus) float64 { return q.Estimate.Point.Seconds() })},
		{Name: "decroche_agents", Help: "Agents by state.", Labels: []string{"state"}, Read: func(emit func(float64, ...string)) {
			n := map[routing.AgentState]int{}
			for _, a := range s.floor.Agents() {
				n[a.State]++
			}
			for st, count := range n {
				emit(float64(count), string(st))
			}
		}},
		{Name: "decroche_today_ratio", Help: "Taux de décroché of the day, agent and global.", Labels: []string{"indicator"}, Read: s.today},
		{Name: "decroche_alarm", Help: "What the daily audit found: see decroche report.", Labels: []string{"kind", "queue"}, Read: s.alarms},
		{Name: "decroche_promises", Help: "Promises to call back that are to be kept, by state.", Labels: []string{"state"}, Read: func(emit func(float64, ...string)) {
			s.countPromises(func(states map[callback.State]int, _ int) {
				for _, st := range []callback.State{callback.Pending, callback.InLine, callback.Calling} {
					emit(float64(states[st]), string(st))
				}
			})
		}},
		{Name: "decroche_promises_late", Help: "Promises still to be kept whose window is over.", Read: func(emit func(float64, ...string)) {
			s.countPromises(func(_ map[callback.State]int, late int) { emit(float64(late)) })
		}},
		{Name: "decroche_promises_at_risk", Help: "Promises due that nobody keeps yet and whose window ends within a quarter of an hour.", Labels: queue, Read: s.promisesAtRisk},
		{Name: "decroche_sms_waiting", Help: "Text messages to be sent whose time has come.", Read: func(emit func(float64, ...string)) {
			s.smsBacklog(func(n int, _ time.Duration) { emit(float64(n)) })
		}},
		{Name: "decroche_sms_oldest_seconds", Help: "How long the oldest of them is overdue.", Read: func(emit func(float64, ...string)) {
			s.smsBacklog(func(_ int, oldest time.Duration) { emit(oldest.Seconds()) })
		}},
		{Name: "decroche_link_down", Help: "1 while no caller is sent to the site.", Labels: []string{"link"}, Read: func(emit func(float64, ...string)) {
			for _, l := range s.desk.links.Status() {
				down := 0.0
				if _, is := s.desk.links.Down(l.ID); is {
					down = 1
				}
				emit(down, l.ID)
			}
		}},
		{Name: "decroche_trunk_down", Help: "1 while the operator of the trunk does not answer: nobody is called back by it.", Labels: []string{"trunk"}, Read: func(emit func(float64, ...string)) {
			for _, t := range s.c.Trunks {
				down := 0.0
				if s.trunks.Down(t.Name) {
					down = 1
				}
				if t.Server != "" {
					emit(down, t.Name)
				}
			}
		}},
		{Name: "decroche_lines", Help: "Callers on the line.", Read: func(emit func(float64, ...string)) { emit(float64(s.x.Lines())) }},
		{Name: "decroche_ready", Help: "1 when calls can be taken.", Read: func(emit func(float64, ...string)) {
			v := 0.0
			if s.ready() == nil {
				v = 1
			}
			emit(v)
		}},
		{Name: "decroche_ari_events_total", Help: "Events read from Asterisk, by fate.", Labels: []string{"fate"}, Counter: true, Read: func(emit func(float64, ...string)) {
			st := s.ari.Stats()
			emit(float64(st.Received), "received")
			emit(float64(st.Unknown), "unknown")
			emit(float64(st.Malformed), "malformed")
			emit(float64(st.Overflowed), "overflowed")
			emit(float64(st.Reconnects), "reconnects")
		}},
	}
}

// scrapePatience bounds what a scrape may ask of the database.
const scrapePatience = 2 * time.Second

// countPromises gives the counts of now; a database that is away gives none, and readyz says so.
func (s *server) countPromises(emit func(map[callback.State]int, int)) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapePatience)
	defer cancel()
	states, late, err := s.db.Promises().Counts(ctx, time.Now())
	if err != nil {
		s.log.Warn("the promises could not be counted", "err", err)
		return
	}
	emit(states, late)
}

// promisesAtRisk counts those of each queue; a queue without any is 0, so that an alert of it ends.
func (s *server) promisesAtRisk(emit func(float64, ...string)) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapePatience)
	defer cancel()
	now := time.Now()
	all, err := s.db.Promises().Standings(ctx, now, now)
	if err != nil {
		s.log.Warn("the promises at risk could not be counted", "err", err)
		return
	}
	for _, q := range s.floor.Queues() {
		emit(float64(all[q.ID].AtRisk), q.ID)
	}
}

func (s *server) smsBacklog(emit func(int, time.Duration)) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapePatience)
	defer cancel()
	n, oldest, err := s.db.SMS().Backlog(ctx, time.Now())
	if err != nil {
		s.log.Warn("the text messages could not be counted", "err", err)
		return
	}
	emit(n, oldest)
}
