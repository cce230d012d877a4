package callback

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"decroche/call"
	"decroche/routing"
	"decroche/service"
)

// office is a dial loop on a real floor in virtual time, with a store in memory and an
// exchange of a test.
type office struct {
	*testing.T
	store   *memory
	tap     *tap
	def     atomic.Pointer[service.Definition]
	floor   *routing.Floor
	book    *Book
	dialer  *Dialer
	phones  *phones
	ready   atomic.Bool
	closed  atomic.Bool
	alive   sync.Map // call ids
	calling sync.Map // numbers on a call to us
	ended   chan error
	stop    context.CancelFunc
}

// open plays fn in an office whose clock shows the given time of Paris; agents are signed in.
func open(t *testing.T, at string, agents []call.AgentID, fn func(o *office)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(local(at)))
		o := &office{T: t, store: newMemory(), phones: newPhones()}
		o.tap = &tap{Store: o.store}
		def := prefecture()
		def.Queues["accueil"].WrapUp = 30 * time.Second
		o.def.Store(def)
		o.ready.Store(true)
		o.floor = newFloor(def, agents)
		defer o.floor.Close()
		o.book = newBook(def, o.tap)
		o.book.Service = o.def.Load
		o.phones.book, o.phones.floor = o.book, o.floor
		o.begin()
		fn(o)
		o.end()
		for _, wrong := range o.phones.wrong() {
			t.Error(wrong)
		}
	})
}

func newFloor(def *service.Definition, agents []call.AgentID) *routing.Floor {
	f := routing.NewFloor(routing.Options{})
	f.SetQueues(def.Queues)
	var roster []routing.Agent
	for _, id := range agents {
		roster = append(roster, routing.Agent{ID: id})
	}
	f.SetRoster(roster)
	for _, id := range agents {
		if _, err := f.SetState(id, routing.Available, ""); err != nil {
			panic(err)
		}
	}
	return f
}

// begin starts a dial loop over what the store has once the test waits: what the test puts
// there before is there at the first look, whichever of the two runs first.
func (o *office) begin() {
	var calls atomic.Int64
	epoch := o.store.fences["n1"] + 1
	o.store.fence("n1", epoch)
	o.dialer = &Dialer{
		Store: o.tap, Book: o.book, Floor: o.floor, Service: o.def.Load, Node: "n1", Epoch: epoch, Ready: o.ready.Load,
		Alive:  func(id call.ID) bool { _, ok := o.alive.Load(id); return ok },
		OnLine: func(n call.Number) bool { _, ok := o.calling.Load(n); return ok },
		Closed: func(string) bool { return o.closed.Load() }, Call: o.phones.call,
		NewCallID: func(p Promise) call.ID {
			return call.ID(fmt.Sprintf("out-%s-%d-%d", p.ID, epoch, calls.Add(1)))
		},
	}
	ctx, cancel := context.WithCancel(o.Context())
	o.stop, o.ended = cancel, make(chan error, 1)
	d, ended := o.dialer, o.ended
	time.AfterFunc(time.Nanosecond, func() { ended <- d.Run(ctx) })
}

// settles returns once all that happens now has happened, and the nanosecond of begin with it.
func (o *office) settles() {
	time.Sleep(time.Microsecond)
	synctest.Wait()
}

func (o *office) end() {
	o.Helper()
	if o.stop == nil {
		return
	}
	o.stop()
	o.stop = nil
	if err := <-o.ended; err != nil {
		o.Errorf("the dial loop ended with %v", err)
	}
}

// promise keeps one that is due, of a citizen who joined some time ago.
func (o *office) promise(id ID, due time.Time, ago time.Duration) Promise {
	p := Promise{
		ID: id, Number: numberOf(id), Lang: "fr", Queue: "accueil", Kind: Place, Origin: FromQueue, Contact: call.ID("in-" + id),
		Asked: time.Now(), Joined: due.Add(-ago), Due: due, By: due.Add(time.Hour), State: Pending, Version: 1,
	}
	o.store.put(p)
	return p
}

// underWay makes it a promise whose first attempt an earlier controller of the node began.
func (o *office) underWay(p Promise, id call.ID) {
	p.State, p.Node, p.Attempts = Calling, "n1", 1
	o.store.mu.Lock()
	defer o.store.mu.Unlock()
	o.store.promises[p.ID] = p
	o.store.attempts[p.ID] = []Attempt{{Promise: p.ID, N: 1, Call: id, Node: "n1", Started: time.Now()}}
}

// numberOf is a mobile of the range for fiction, or overseas where the id says so.
func numberOf(id ID) call.Number {
	sum := 0
	for _, c := range id {
		sum = (sum*31 + int(c)) % 10_000
	}
	if strings.HasPrefix(string(id), "noumea") {
		return call.Number(fmt.Sprintf("+68775%04d", sum))
	}
	return call.Number(fmt.Sprintf("+3363998%04d", sum))
}

// is tells the promise once all that happens now has happened, and what it is not as it should be.
func (o *office) is(id ID, want State) Promise {
	o.Helper()
	o.settles()
	o.store.mu.Lock()
	defer o.store.mu.Unlock()
	p := o.store.promises[id]
	if p.State != want {
		o.Errorf("at %s promise %s is %s, want %s: %+v", clock(), id, p.State, want, o.store.attempts[id])
	}
	return p
}

func clock() string { return time.Now().In(paris).Format("Mon 15:04:05.000") }

// results lists how the attempts of a promise ended.
func (o *office) results(id ID) (out []Result) {
	o.settles()
	o.store.mu.Lock()
	defer o.store.mu.Unlock()
	for _, a := range o.store.attempts[id] {
		out = append(out, a.Result)
	}
	return out
}

func (o *office) agent(id call.AgentID, want routing.AgentState) routing.AgentStatus {
	o.Helper()
	o.settles()
	for _, a := range o.floor.Agents() {
		if a.ID == id {
			if a.State != want {
				o.Errorf("at %s agent %s is %s (%s), want %s", clock(), id, a.State, a.Reason, want)
			}
			return a
		}
	}
	o.Fatalf("there is no agent %s", id)
	return routing.AgentStatus{}
}

func (o *office) set(id call.AgentID, s routing.AgentState) {
	o.Helper()
	if _, err := o.floor.SetState(id, s, ""); err != nil {
		o.Fatal(err)
	}
}

// texts counts the messages of one purpose about a promise.
func (o *office) texts(id ID, what string) (n int) {
	o.settles()
	for _, m := range o.store.messages() {
		if strings.HasPrefix(m.Key, key(id, what)) {
			n++
		}
	}
	return n
}

// dial is a citizen's phone that was rung.
type dial struct {
	id ID
	at time.Time
}

// phones is the exchange: it rings agent and citizen as the plan says.
type phones struct {
	book  *Book
	floor *routing.Floor
	// pickUp is how long an agent takes, ring how long a citizen is rung, talk how long both talk.
	pickUp, ring, talk time.Duration
	// hook, if set, is told of each step; true: the process dies here.
	hook func(step string) bool

	mu      sync.Mutex
	plan    map[ID][]Result // by attempt, the last one again and again; none: Connected
	calls   map[ID]int
	dials   []dial
	ringing map[ID]call.ID
	talking map[ID]call.ID
	talks   map[ID]int
	under   int
	errs    []string
}

func newPhones() *phones {
	return &phones{
		pickUp: 2 * time.Second, ring: 5 * time.Second, talk: 3 * time.Minute, plan: map[ID][]Result{}, calls: map[ID]int{},
		ringing: map[ID]call.ID{}, talking: map[ID]call.ID{}, talks: map[ID]int{},
	}
}

func (x *phones) wrong() []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.ringing)+len(x.talking) > 0 {
		return append(slices.Clone(x.errs), fmt.Sprint("phones are in use at the end: ", x.ringing, x.talking))
	}
	return slices.Clone(x.errs)
}

func (x *phones) fault(format string, args ...any) {
	x.errs = append(x.errs, clock()+": "+fmt.Sprintf(format, args...))
}

// dialled lists the phones that were rung, once nothing more happens at this moment.
func (x *phones) dialled() []dial {
	synctest.Wait()
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.dials)
}

// rung lists when a citizen was rung.
func (x *phones) rung(id ID) (at []time.Time) {
	synctest.Wait()
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, d := range x.dials {
		if d.id == id {
			at = append(at, d.at)
		}
	}
	return at
}

func (x *phones) next(id ID) Result {
	x.mu.Lock()
	defer x.mu.Unlock()
	plan := x.plan[id]
	x.calls[id]++
	if len(plan) == 0 {
		return Connected
	}
	return plan[min(x.calls[id], len(plan))-1]
}

// step says whether the process lives on after some time.
func (x *phones) step(ctx context.Context, name string, d time.Duration) bool {
	if !pause(ctx, max(d, 1)) { // a timer that is due when it is made can crash Go 1.26 in a bubble with -race
		return false
	}
	return x.hook == nil || !x.hook(name)
}

// call plays one attempt, agent first. "" is a controller that stops or dies on the way.
func (x *phones) call(ctx context.Context, w Work) Result {
	x.mu.Lock()
	x.under++
	agents := 0
	for _, a := range x.floor.Agents() {
		if strings.HasPrefix(string(a.Call), "cb-") && (a.State == routing.Reserved || a.State == routing.Ringing || a.State == routing.Talking) {
			agents++
		}
	}
	if x.under > agents {
		x.fault("%d callbacks are under way with %d agents for them", x.under, agents)
	}
	x.mu.Unlock()
	over := sync.OnceFunc(func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.under--
	})
	defer over()
	if !x.step(ctx, "taken", 0) {
		return ""
	}
	w.Reservation.Ringing()
	result := x.next(w.Promise.ID)
	if !x.step(ctx, "agent rung", x.pickUp) {
		return ""
	}
	switch result {
	case AgentMissed, AgentRefused:
		return result
	case "panic":
		panic("a fault of ours")
	}
	x.rings(w)
	if !x.step(ctx, "citizen rung", x.ring) {
		return ""
	}
	if result != Connected {
		x.hangUp(w.Promise.ID)
		return result
	}
	x.answers(w)
	if !x.step(ctx, "answered", 0) {
		return ""
	}
	if err := x.book.Kept(ctx, w.Promise.ID, w.Attempt.N); err != nil {
		return "" // the store went with the process
	}
	w.Reservation.Connected()
	if !x.step(ctx, "talking", x.talk) {
		return ""
	}
	x.hangUp(w.Promise.ID)
	over()
	w.Reservation.Done(0)
	return Connected
}

func (x *phones) rings(w Work) {
	x.mu.Lock()
	defer x.mu.Unlock()
	id := w.Promise.ID
	if x.ringing[id] != "" || x.talking[id] != "" {
		x.fault("promise %s: a second call beside %s%s", id, x.ringing[id], x.talking[id])
	}
	x.ringing[id] = w.Attempt.Call
	x.dials = append(x.dials, dial{id, time.Now().Truncate(time.Microsecond)})
}

func (x *phones) answers(w Work) {
	x.mu.Lock()
	defer x.mu.Unlock()
	id := w.Promise.ID
	delete(x.ringing, id)
	x.talking[id] = w.Attempt.Call
	if x.talks[id]++; x.talks[id] > 1 {
		x.fault("the citizen of promise %s talks for the second time", id)
	}
}

func (x *phones) hangUp(id ID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.ringing, id)
	delete(x.talking, id)
}

// tap lets a test come between the dial loop and the store.
type tap struct {
	Store
	// before and after, if set, are asked around each operation: an error is what the dial
	// loop sees, with the operation done when it is after's.
	before, after hook
}

type hook struct {
	fn atomic.Pointer[func(op string) error]
}

func (h *hook) set(fn func(op string) error) { h.fn.Store(&fn) }

func (h *hook) ask(op string) error {
	if fn := h.fn.Load(); fn != nil {
		return (*fn)(op)
	}
	return nil
}

var errAway = errors.New("the store is away")

func through[T any](t *tap, op string, do func() (T, error)) (T, error) {
	var zero T
	if err := t.before.ask(op); err != nil {
		return zero, err
	}
	v, err := do()
	if wrong := t.after.ask(op); wrong != nil {
		return zero, wrong
	}
	return v, err
}

func (t *tap) Promises(ctx context.Context, f Filter) ([]Promise, error) {
	return through(t, "promises", func() ([]Promise, error) { return t.Store.Promises(ctx, f) })
}

func (t *tap) Attempts(ctx context.Context, id ID) ([]Attempt, error) {
	return through(t, "attempts", func() ([]Attempt, error) { return t.Store.Attempts(ctx, id) })
}

func (t *tap) Change(ctx context.Context, id ID, slot int, fn func(*Promise) (Change, error)) (Promise, error) {
	return through(t, "change", func() (Promise, error) { return t.Store.Change(ctx, id, slot, fn) })
}

func (t *tap) TakeDue(ctx context.Context, node string, queues []string, now time.Time, limit int) ([]Promise, error) {
	return through(t, "take due", func() ([]Promise, error) { return t.Store.TakeDue(ctx, node, queues, now, limit) })
}

func (t *tap) Begin(ctx context.Context, a Attempt) (Attempt, error) {
	return through(t, "begin", func() (Attempt, error) { return t.Store.Begin(ctx, a) })
}

func (t *tap) End(ctx context.Context, id ID, n int, at time.Time, r Result, fn func(*Promise) (Change, error)) (Promise, error) {
	return through(t, "end", func() (Promise, error) { return t.Store.End(ctx, id, n, at, r, fn) })
}

func (t *tap) Open(ctx context.Context, node string) ([]Attempt, error) {
	return through(t, "open", func() ([]Attempt, error) { return t.Store.Open(ctx, node) })
}

func (t *tap) Release(ctx context.Context, node string) (int, error) {
	return through(t, "release", func() (int, error) { return t.Store.Release(ctx, node) })
}
