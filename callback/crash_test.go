package callback

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"decroche/call"
	"decroche/routing"
	"decroche/service"
)

var errKilled = errors.New("the process is dead")

// town is what a crash of the controller leaves: the database, and the exchange with its phones.
type town struct {
	*testing.T
	def    *service.Definition
	store  *memory
	phones *phones
}

// process is one controller, from its start to its death or the end of the test.
type process struct {
	*town
	ctx    context.Context
	cancel context.CancelFunc
	floor  *routing.Floor
	book   *Book
	alive  sync.Map // calls that an earlier process made and that go on
	ended  sync.WaitGroup

	mu     sync.Mutex
	steps  int
	idle   map[string]int
	killAt int // 0: never
	dead   atomic.Bool
}

// idleOps are repeated each second: a crash at the first of them is like one at the others.
var idleOps = map[string]int{"promises": 6, "take due": 8, "open": 6}

// at says whether the process dies here, or is dead.
func (p *process) at(step string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead.Load() {
		return true
	}
	if most, ok := idleOps[step]; ok {
		if p.idle[step]++; p.idle[step] > most {
			return false
		}
	}
	if p.steps++; p.steps == p.killAt {
		p.dead.Store(true)
		p.cancel()
		return true
	}
	return false
}

func (p *process) ask(op string) error {
	if p.at(op) {
		return errKilled
	}
	return nil
}

// start brings a controller up over what there is, recovers the calls, and keeps promises.
func (w *town) start(epoch int64, killAt int) *process {
	p := &process{town: w, floor: newFloor(w.def, []call.AgentID{"2001", "2002"}), killAt: killAt, idle: map[string]int{}}
	p.ctx, p.cancel = context.WithCancel(w.Context())
	store := &tap{Store: w.store}
	store.before.set(p.ask)
	store.after.set(p.ask)
	p.book = newBook(w.def, store)
	w.phones.book, w.phones.floor, w.phones.hook = p.book, p.floor, p.at
	w.store.fence("n1", epoch)
	calls := 0
	d := &Dialer{
		Store: store, Book: p.book, Floor: p.floor, Service: func() *service.Definition { return w.def }, Node: "n1", Epoch: epoch,
		Alive: func(id call.ID) bool { _, ok := p.alive.Load(id); return ok }, Call: w.phones.call,
		NewCallID: func(of Promise) call.ID {
			p.mu.Lock()
			defer p.mu.Unlock()
			calls++
			return call.ID(fmt.Sprintf("out-%s-%d-%d", of.ID, epoch, calls))
		},
	}
	p.book.Changed = d.Wake
	p.recover()
	p.ended.Go(func() { _ = d.Run(p.ctx) })
	return p
}

// recover hangs up what rings, and follows who talks, as the exchange's recovery does.
func (p *process) recover() {
	p.phones.mu.Lock()
	clear(p.phones.ringing)
	talking := map[ID]call.ID{}
	for id, c := range p.phones.talking {
		talking[id] = c
	}
	p.phones.mu.Unlock()
	for id, c := range talking {
		p.alive.Store(c, true)
		p.store.mu.Lock()
		attempts := p.store.attempts[id]
		p.store.mu.Unlock()
		a := attempts[len(attempts)-1]
		if a.Call != c {
			p.Errorf("the citizen of %s talks on %s, the last attempt is %s", id, c, a.Call)
			return
		}
		r, err := p.floor.ResumeTalk(routing.Caller{ID: c, Queue: "accueil", Resumed: true}, a.Agent)
		if err != nil {
			p.Error(err)
			return
		}
		p.ended.Go(func() { p.follow(a, r) })
	}
}

// follow is a talk that goes on without the dial loop.
func (p *process) follow(a Attempt, r *routing.Reservation) {
	if p.book.Kept(p.ctx, a.Promise, a.N) != nil || !p.phones.step(p.ctx, "followed", 5*time.Second) {
		return
	}
	r.Done(0)
	p.phones.hangUp(a.Promise)
	p.alive.Delete(a.Call)
}

// settled says whether nothing is left to do today: no promise is live but those carried over.
func (p *process) settled() bool {
	synctest.Wait()
	p.store.mu.Lock()
	defer p.store.mu.Unlock()
	for _, pr := range p.store.promises {
		if pr.State.Live() && pr.Due.Before(time.Now().Add(time.Hour)) {
			return false
		}
	}
	for _, a := range p.floor.Agents() {
		if a.State == routing.Reserved || a.State == routing.Ringing || a.State == routing.Talking {
			return false
		}
	}
	return true
}

// walk kills the first processes, as many as given, at their step k each. It tells whether any died.
func walk(t *testing.T, k, deaths int) (died bool) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(local("2000-01-03 10:00")))
		w := &town{T: t, def: prefecture(), store: newMemory(), phones: newPhones()}
		w.def.Queues["accueil"].WrapUp = time.Second
		w.def.Callback.Retry = []time.Duration{20 * time.Second}
		w.phones.talk = 8 * time.Second
		w.phones.plan = map[ID][]Result{
			"busy": {Busy, Connected}, "never": {NoAnswer}, "missed": {AgentMissed, Connected}, "fault": {"panic", Connected},
		}
		want := map[ID]State{"easy": Kept, "busy": Kept, "never": Unreachable, "missed": Kept, "fault": Kept, "noumea": Pending}
		for id := range want {
			w.store.put(Promise{
				ID: id, Number: numberOf(id), Queue: "accueil", Joined: time.Now(), Due: time.Now(), By: time.Now().Add(time.Hour), State: Pending,
			})
		}
		for epoch := int64(1); ; epoch++ {
			killAt := 0
			if int(epoch) <= deaths {
				killAt = k
			}
			p := w.start(epoch, killAt)
			began := time.Now()
			for !p.dead.Load() && time.Since(began) < 30*time.Minute {
				if time.Sleep(time.Second); p.settled() {
					break
				}
			}
			over := !p.dead.Load()
			if over && !p.settled() {
				t.Errorf("after half an hour agents are %+v", p.floor.Agents())
			}
			p.cancel()
			p.ended.Wait()
			p.floor.Close()
			if over {
				break
			}
			died = true
		}
		w.judge(k, want)
	})
	return died
}

// judge holds what is left of a walk to what was promised.
func (w *town) judge(k int, want map[ID]State) {
	w.phones.mu.Lock()
	defer w.phones.mu.Unlock()
	for _, wrong := range w.phones.errs {
		w.Errorf("killed at %d: %s", k, wrong)
	}
	dials := map[ID]int{}
	for _, d := range w.phones.dials {
		dials[d.id]++
	}
	for id, state := range want {
		p, attempts := w.store.promises[id], w.store.attempts[id]
		switch {
		case p.State != state:
			w.Errorf("killed at %d: promise %s is %s, want %s: %+v", k, id, p.State, state, attempts)
		case dials[id] > len(attempts) || p.Attempts != len(attempts):
			w.Errorf("killed at %d: promise %s was dialled %d times in %d attempts", k, id, dials[id], len(attempts))
		case state == Kept && w.phones.talks[id] != 1:
			w.Errorf("killed at %d: the citizen of %s talked %d times", k, id, w.phones.talks[id])
		case state == Unreachable && (p.Tries != 3 || dials[id] < 3):
			w.Errorf("killed at %d: %s is unreachable after %d tries and %d dials", k, id, p.Tries, dials[id])
		}
		for _, a := range attempts {
			if a.Result == "" {
				w.Errorf("killed at %d: attempt %d of %s is open", k, a.N, id)
			}
		}
	}
	told := 0
	for _, m := range w.store.sms {
		if m.Promise == "noumea" {
			told++
		}
	}
	if told != 1 {
		w.Errorf("killed at %d: the citizen carried over was told %d times", k, told)
	}
}

func TestAKillAtAnyStepOfAnyAttemptLosesNoPromiseAndDoublesNoCall(t *testing.T) {
	steps := 1
	for walk(t, steps, 1) {
		steps++
	}
	t.Logf("%d steps walked", steps-1)
	if steps < 60 {
		t.Errorf("only %d steps were walked", steps-1)
	}
}

func TestKillsOneAfterTheOtherAtAnyStepLoseNothingEither(t *testing.T) {
	for k := 3; walk(t, k, 3); k += 2 {
	}
}
