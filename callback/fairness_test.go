package callback

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"decroche/call"
	"decroche/routing"
	"decroche/service"
)

// reports is a *testing.T, or what stands for it within a bubble.
type reports interface {
	Error(args ...any)
	Errorf(format string, args ...any)
}

// day is a morning of a service: callers on the line and promises that fall due, in one line.
type day struct {
	reports
	rng    *rand.Rand
	def    *service.Definition
	agents []routing.Agent
	store  *memory
	floor  *routing.Floor
	dialer *Dialer
	phones *phones
	missed float64 // the share of rings that agents miss
	talk   func() time.Duration
	ctx    context.Context
	live   sync.WaitGroup

	mu     sync.Mutex
	people map[call.ID]someone
	left   map[call.ID]bool // live callers who gave up or were served
	given  []given
}

// someone stands in line.
type someone struct {
	queue  string
	joined time.Time
}

// given is an agent reserved for somebody.
type given struct {
	at    time.Time
	agent call.AgentID
	to    call.ID
}

func newDay(t reports, rng *rand.Rand, queues []*service.Queue, agents []routing.Agent) *day {
	d := &day{
		reports: t, rng: rng, def: prefecture(), agents: agents, store: newMemory(), phones: newPhones(),
		people: map[call.ID]someone{}, left: map[call.ID]bool{},
		talk: func() time.Duration { return time.Minute },
	}
	d.def.Queues = map[string]*service.Queue{}
	for _, q := range queues {
		d.def.Queues[q.ID] = q
	}
	d.floor = routing.NewFloor(routing.Options{SetAside: 20 * time.Second, BusyAside: 10 * time.Second})
	d.floor.OnAgentState(func(st routing.AgentStatus) {
		if st.State == routing.Reserved {
			d.mu.Lock()
			d.given = append(d.given, given{st.Since, st.ID, st.Call})
			d.mu.Unlock()
		}
	})
	d.floor.SetQueues(d.def.Queues)
	d.floor.SetRoster(agents)
	for _, a := range agents {
		if _, err := d.floor.SetState(a.ID, routing.Available, ""); err != nil {
			t.Error(err)
		}
	}
	book := newBook(d.def, d.store)
	d.phones.book, d.phones.floor = book, d.floor
	n := 0
	d.dialer = &Dialer{
		Store: d.store, Book: book, Floor: d.floor, Service: func() *service.Definition { return d.def }, Node: "n1", Epoch: 1,
		Call: d.phones.call,
		NewCallID: func(p Promise) call.ID {
			d.mu.Lock()
			defer d.mu.Unlock()
			n++
			return call.ID(fmt.Sprint("out-", p.ID, "-", n))
		},
	}
	book.Changed = d.dialer.Wake
	return d
}

// run plays fn beside the dial loop and ends everything.
func (d *day) run(fn func()) {
	var cancel context.CancelFunc
	d.ctx, cancel = context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.dialer.Run(d.ctx) }()
	fn()
	cancel()
	if err := <-ended; err != nil {
		d.Error(err)
	}
	d.live.Wait()
	d.floor.Close()
	d.phones.mu.Lock()
	defer d.phones.mu.Unlock()
	for _, wrong := range d.phones.errs {
		d.Error(wrong)
	}
}

// promise keeps one due after some time, of somebody who joined before.
func (d *day) promise(id ID, queue string, in, ago time.Duration) {
	due := time.Now().Add(in)
	d.store.put(Promise{
		ID: id, Number: call.Number(fmt.Sprintf("+3363998%04d", len(d.people))), Queue: queue, Kind: Place,
		Joined: due.Add(-ago), Due: due, By: due.Add(time.Hour), State: Pending,
	})
	d.mu.Lock()
	d.people[call.ID("cb-"+id)] = someone{queue, due.Add(-ago)}
	d.mu.Unlock()
}

// caller is somebody on the line who gives up after patience.
func (d *day) caller(id call.ID, queue string, patience time.Duration) {
	d.mu.Lock()
	talk, seed := d.talk(), d.rng.Uint64()
	d.people[id] = someone{queue, time.Now()}
	d.mu.Unlock()
	rng := rand.New(rand.NewPCG(seed, 0))
	place, err := d.floor.Join(routing.Caller{ID: id, Queue: queue})
	if err != nil {
		d.Error(err)
		return
	}
	d.live.Go(func() {
		defer func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.left[id] = true
		}()
		giveUp := time.NewTimer(patience)
		defer giveUp.Stop()
		for {
			select {
			case <-d.ctx.Done():
				place.Withdraw()
				return
			case <-giveUp.C:
				place.Leave()
				return
			case r := <-place.Reserved():
				r.Ringing()
				if time.Sleep(2 * time.Second); rng.Float64() < d.missed {
					r.Failed(call.NoAnswer)
					continue
				}
				r.Connected()
				d.mu.Lock()
				d.left[id] = true
				d.mu.Unlock()
				time.Sleep(talk)
				r.Done(0)
				return
			}
		}
	})
}

// waiting are those in line without an agent once all that happens now has happened. A
// promise that fell due a moment ago may join within a second, and one that was interrupted
// joins again a moment later.
func (d *day) waiting() map[call.ID]someone {
	synctest.Wait()
	has := map[call.ID]bool{}
	for _, a := range d.floor.Agents() {
		has[a.Call] = true
	}
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	out := map[call.ID]someone{}
	for id, p := range d.people {
		if has[id] || d.left[id] {
			continue
		}
		if cb, ok := strings.CutPrefix(string(id), "cb-"); ok {
			of, ready := d.store.promises[ID(cb)], time.Now().Add(-time.Second)
			tries := d.store.attempts[of.ID]
			fresh := len(tries) > 0 && tries[len(tries)-1].Ended.After(ready)
			if of.State != InLine && (of.State != Pending || of.Due.After(ready) || fresh) {
				continue
			}
		}
		out[id] = p
	}
	return out
}

// second lets one pass, and holds who was given an agent meanwhile to those who waited all along.
func (d *day) second(before map[call.ID]someone) (after map[call.ID]someone) {
	time.Sleep(time.Second)
	after = d.waiting()
	d.mu.Lock()
	taken := d.given
	d.given = nil
	d.mu.Unlock()
	for _, g := range taken {
		to := d.people[g.to]
		i := slices.IndexFunc(d.agents, func(a routing.Agent) bool { return a.ID == g.agent })
		for id, p := range before {
			if _, still := after[id]; !still || id == g.to || !serves(d.agents[i], d.def.Queues[p.queue]) {
				continue
			}
			own, taker := d.def.Queues[p.queue].Priority, d.def.Queues[to.queue].Priority
			if own > taker || own == taker && p.joined.Before(to.joined) {
				d.Errorf("at %s agent %s was given to %s (%s, joined %s) over %s (%s, joined %s)", clock(), g.agent,
					g.to, to.queue, to.joined.Format("04:05"), id, p.queue, p.joined.Format("04:05"))
			}
		}
	}
	return after
}

func serves(a routing.Agent, q *service.Queue) bool {
	for skill, least := range q.Needs {
		if a.Skills[skill] < least {
			return false
		}
	}
	return true
}

// bubble is a virtual Monday morning.
func bubble(t *testing.T, fn func(t *testing.T)) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(local("2000-01-03 09:00")))
		fn(t)
	})
}

func TestNobodyIsOvertakenBeyondThePriorityRulesAndNoDialGoesWithoutAnAgent(t *testing.T) {
	rapid.Check(t, func(check *rapid.T) {
		seed := rapid.Uint64().Draw(check, "seed")
		queues, agents := rapid.IntRange(1, 3).Draw(check, "queues"), rapid.IntRange(1, 5).Draw(check, "agents")
		promises, callers := rapid.IntRange(0, 30).Draw(check, "promises"), rapid.IntRange(0, 40).Draw(check, "callers")
		wrong := &faults{}
		bubble(t, func(*testing.T) {
			mixed(wrong, rand.New(rand.NewPCG(seed, 1)), queues, agents, promises, callers)
		})
		for _, w := range wrong.list {
			check.Error(w)
		}
	})
}

// faults are what a bubble tells the check outside.
type faults struct {
	mu   sync.Mutex
	list []string
}

func (f *faults) Errorf(format string, args ...any) { f.Error(fmt.Sprintf(format, args...)) }

func (f *faults) Error(args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, fmt.Sprint(args...))
}

// mixed plays some minutes of queues and agents drawn at random.
func mixed(t reports, rng *rand.Rand, nQueues, nAgents, promises, callers int) {
	queues := []*service.Queue{
		{ID: "a", Needs: map[string]int{"a": 1}, Priority: rng.IntN(3)},
		{ID: "b", Needs: map[string]int{"b": 1 + rng.IntN(2)}, Priority: rng.IntN(3)},
		{ID: "c", Priority: rng.IntN(2), WrapUp: time.Duration(rng.IntN(10)) * time.Second},
	}[:nQueues]
	if nQueues > 1 && rng.IntN(2) == 0 {
		queues[0].Overflow = []service.Overflow{{To: "b", After: 20 * time.Second, LongerThan: rng.IntN(5)}}
	}
	agents := make([]routing.Agent, nAgents)
	for i := range agents {
		agents[i] = routing.Agent{ID: call.AgentID(fmt.Sprint(2001 + i)), Skills: map[string]int{}}
		for _, skill := range []string{"a", "b"} {
			if level := rng.IntN(4); level > 0 {
				agents[i].Skills[skill] = level
			}
		}
	}
	d := newDay(t, rng, queues, agents)
	d.def.Callback.Retry = []time.Duration{20 * time.Second, 40 * time.Second}
	d.missed = 0.2
	d.talk = func() time.Duration { return time.Duration(5+rng.IntN(40)) * time.Second }
	d.phones.talk = 15 * time.Second
	all := []Result{Connected, Connected, Connected, NoAnswer, Busy, Machine, HungUp, AgentMissed, AgentRefused, "panic"}
	const length = 70
	for i := range promises {
		id := ID(fmt.Sprint("p", i))
		for range 4 {
			d.phones.plan[id] = append(d.phones.plan[id], all[rng.IntN(len(all))])
		}
		d.promise(id, queues[rng.IntN(nQueues)].ID, time.Duration(rng.IntN(length))*time.Second, time.Duration(rng.IntN(90))*time.Second)
	}
	arrivals := map[int]int{}
	for range callers {
		arrivals[rng.IntN(length)]++
	}
	d.run(func() {
		waiting := d.waiting()
		d.mu.Lock()
		d.given = nil // who had an agent before anybody was seen to wait was given nothing over them
		d.mu.Unlock()
		for s := range length + 30 {
			for i := range arrivals[s] {
				d.caller(call.ID(fmt.Sprint("c", s, "-", i)), queues[rng.IntN(nQueues)].ID, time.Duration(20+rng.IntN(100))*time.Second)
			}
			waiting = d.second(waiting)
		}
	})
}

// rush plays hours of callers and callbacks of one queue at a load, and gives the longest wait
// for an agent of each kind, with those still in line at the end.
func rush(t *testing.T, seed uint64, load float64, length time.Duration) (d *day, waits map[string]time.Duration, left map[call.ID]someone) {
	rng := rand.New(rand.NewPCG(seed, 2))
	agents := []routing.Agent{{ID: "2001"}, {ID: "2002"}, {ID: "2003"}}
	d = newDay(t, rng, []*service.Queue{{ID: "accueil"}}, agents)
	d.phones.talk = 40 * time.Second
	d.talk = func() time.Duration { return d.phones.talk }
	each := d.phones.talk + 2*time.Second + d.phones.ring/2
	chance := load * float64(len(agents)) * float64(time.Second) / float64(each) // of an arrival in a second
	seconds := int(length / time.Second)
	arrives := make([]bool, seconds)
	for s := range seconds {
		if rng.Float64() < chance {
			if rng.IntN(2) == 0 {
				d.promise(ID(fmt.Sprint("p", s)), "accueil", time.Duration(s)*time.Second, 0)
			} else {
				arrives[s] = true
			}
		}
	}
	waits = map[string]time.Duration{}
	d.run(func() {
		for s := range seconds {
			if arrives[s] {
				d.caller(call.ID(fmt.Sprint("c", s)), "accueil", 24*time.Hour)
			}
			time.Sleep(time.Second)
		}
		left = d.waiting()
	})
	for _, g := range d.given {
		kind := "live"
		if strings.HasPrefix(string(g.to), "cb-") {
			kind = "callback"
		}
		waits[kind] = max(waits[kind], g.at.Sub(d.people[g.to].joined))
	}
	return d, waits, left
}

func TestBelowCapacityNeitherSideStarves(t *testing.T) {
	for seed := range uint64(3) {
		bubble(t, func(t *testing.T) {
			d, waits, left := rush(t, seed, 0.7, time.Hour)
			t.Logf("%d people, longest waits %v", len(d.people), waits)
			for _, kind := range []string{"live", "callback"} {
				if waits[kind] > 10*time.Minute {
					t.Errorf("a %s waited %v", kind, waits[kind])
				}
			}
			for id, p := range left {
				if time.Since(p.joined) > 10*time.Minute {
					t.Errorf("%s is in line since %s still", id, p.joined.In(paris).Format("15:04"))
				}
			}
			if len(d.given) < len(d.people)-len(left) {
				t.Errorf("%d of %d were served, %d are left", len(d.given), len(d.people), len(left))
			}
		})
	}
}

func TestBeyondCapacityTheMomentOfJoiningDecidesBetweenTheKinds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d, waits, left := rush(t, 7, 2, 20*time.Minute)
		t.Logf("%d people, %d left in line, longest waits %v", len(d.people), len(left), waits)
		var last time.Time
		kinds := map[bool]int{}
		for _, g := range d.given {
			joined := d.people[g.to].joined
			if joined.Before(last.Add(-time.Second)) {
				t.Errorf("%s, who joined at %s, came after one of %s", g.to, joined.Format("04:05"), last.Format("04:05"))
			}
			last = joined
			kinds[strings.HasPrefix(string(g.to), "cb-")]++
		}
		for id, p := range left {
			if p.joined.Before(last.Add(-time.Second)) {
				t.Errorf("%s was left in line before later ones", id)
			}
		}
		if kinds[true] < len(d.given)/3 || kinds[false] < len(d.given)/3 || len(left) < len(d.people)/3 {
			t.Errorf("served %v of %d, %d left", kinds, len(d.people), len(left))
		}
	})
}
