package callback

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"decroche/call"
	"decroche/sms"
)

// memory is a Store for tests: what the conformance suite asks of the real ones, without
// durability. A transaction is the lock.
type memory struct {
	mu       sync.Mutex
	promises map[ID]Promise
	attempts map[ID][]Attempt
	sms      []sms.Message
	fences   map[string]int64 // by node, the latest epoch seen
	// fail, if set, is asked before every operation, by its method's name.
	fail func(op string) error
}

var _ Store = (*memory)(nil)

func newMemory() *memory {
	return &memory{promises: map[ID]Promise{}, attempts: map[ID][]Attempt{}, fences: map[string]int64{}}
}

// fence makes a node's older epochs refused.
func (m *memory) fence(node string, epoch int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fences[node] = max(m.fences[node], epoch)
}

// messages gives the outbox as it is, oldest first.
func (m *memory) messages() []sms.Message {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.sms)
}

// put keeps a promise as it is, past every rule.
func (m *memory) put(p Promise) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.promises[p.ID] = p
}

// enter locks the store, unless the context is over or the test wants a failure.
func (m *memory) enter(ctx context.Context, op string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if m.fail != nil {
		if err := m.fail(op); err != nil {
			return fmt.Errorf("%s: %w", op, err)
		}
	}
	m.mu.Lock()
	return nil
}

func (m *memory) Ask(ctx context.Context, p Promise, b Bounds, c Change) (Promise, bool, error) {
	if err := m.enter(ctx, "ask"); err != nil {
		return Promise{}, false, err
	}
	defer m.mu.Unlock()
	if live, ok := m.live(p.Number); ok {
		return live, false, nil
	}
	today := 0
	for _, other := range m.promises {
		if other.Number == p.Number && !other.Asked.Before(b.Since) {
			today++
		}
	}
	if b.PerDay > 0 && today >= b.PerDay {
		return Promise{}, false, ErrTooMany
	}
	if m.full(p, b.Slot) {
		return Promise{}, false, ErrSlotFull
	}
	p.Version = 1
	m.promises[p.ID] = p
	m.apply(c)
	return p, true, nil
}

func (m *memory) live(n call.Number) (Promise, bool) {
	for _, p := range m.promises {
		if p.Number == n && p.State.Live() {
			return p, true
		}
	}
	return Promise{}, false
}

// full says whether the slot of p is taken by others as often as it may.
func (m *memory) full(p Promise, bound int) bool {
	if bound <= 0 || p.Slot.IsZero() {
		return false
	}
	taken := 0
	for _, other := range m.promises {
		if other.ID != p.ID && other.State.Live() && other.Queue == p.Queue && other.Slot.Equal(p.Slot) {
			taken++
		}
	}
	return taken >= bound
}

func (m *memory) apply(c Change) {
	for i := range m.sms {
		if m.sms[i].State == sms.Queued && slices.Contains(c.Drop, m.sms[i].Key) {
			m.sms[i].State = sms.Dropt
		}
	}
	for _, s := range c.Send {
		if !slices.ContainsFunc(m.sms, func(o sms.Message) bool { return o.Key == s.Key }) {
			s.ID, s.State = int64(len(m.sms)+1), sms.Queued
			m.sms = append(m.sms, s)
		}
	}
}

func (m *memory) Promise(ctx context.Context, id ID) (Promise, error) {
	if err := m.enter(ctx, "promise"); err != nil {
		return Promise{}, err
	}
	defer m.mu.Unlock()
	p, ok := m.promises[id]
	if !ok {
		return Promise{}, ErrNoPromise
	}
	return p, nil
}

func (m *memory) Live(ctx context.Context, n call.Number) (Promise, bool, error) {
	if err := m.enter(ctx, "live"); err != nil {
		return Promise{}, false, err
	}
	defer m.mu.Unlock()
	p, ok := m.live(n)
	return p, ok, nil
}

func (m *memory) Promises(ctx context.Context, f Filter) ([]Promise, error) {
	if err := m.enter(ctx, "promises"); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	var out []Promise
	for _, p := range m.promises {
		switch {
		case len(f.States) > 0 && !slices.Contains(f.States, p.State),
			f.Number != "" && f.Number != p.Number,
			f.Queue != "" && f.Queue != p.Queue,
			f.Node != "" && f.Node != p.Node,
			!f.From.IsZero() && p.Due.Before(f.From),
			!f.Until.IsZero() && !p.Due.Before(f.Until):
			continue
		}
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b Promise) int {
		return cmp.Or(a.Due.Compare(b.Due), a.Joined.Compare(b.Joined), cmp.Compare(a.ID, b.ID))
	})
	return out[:min(len(out), cmp.Or(f.Limit, 100))], nil
}

func (m *memory) Attempts(ctx context.Context, id ID) ([]Attempt, error) {
	if err := m.enter(ctx, "attempts"); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	return slices.Clone(m.attempts[id]), nil
}

func (m *memory) Change(ctx context.Context, id ID, slot int, fn func(*Promise) (Change, error)) (Promise, error) {
	if err := m.enter(ctx, "change"); err != nil {
		return Promise{}, err
	}
	defer m.mu.Unlock()
	return m.change(id, slot, fn)
}

func (m *memory) change(id ID, slot int, fn func(*Promise) (Change, error)) (Promise, error) {
	before, ok := m.promises[id]
	if !ok {
		return Promise{}, ErrNoPromise
	}
	p := before
	c, err := fn(&p)
	if err != nil {
		return Promise{}, err
	}
	if !p.Slot.Equal(before.Slot) && m.full(p, slot) {
		return Promise{}, ErrSlotFull
	}
	p.Version = before.Version + 1
	m.promises[id] = p
	m.apply(c)
	return p, nil
}

func (m *memory) TakeDue(ctx context.Context, node string, queues []string, now time.Time, limit int) ([]Promise, error) {
	if err := m.enter(ctx, "take due"); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	var due []Promise
	for _, p := range m.promises {
		if p.State == Pending && !p.Due.After(now) && slices.Contains(queues, p.Queue) {
			due = append(due, p)
		}
	}
	slices.SortFunc(due, func(a, b Promise) int { return cmp.Or(a.Joined.Compare(b.Joined), cmp.Compare(a.ID, b.ID)) })
	due = due[:min(len(due), limit)]
	for i := range due {
		due[i].State, due[i].Node, due[i].Version = InLine, node, due[i].Version+1
		m.promises[due[i].ID] = due[i]
	}
	return due, nil
}

func (m *memory) Begin(ctx context.Context, a Attempt) (Attempt, error) {
	if err := m.enter(ctx, "begin"); err != nil {
		return Attempt{}, err
	}
	defer m.mu.Unlock()
	if a.Epoch < m.fences[a.Node] {
		return Attempt{}, call.ErrFenced
	}
	p, ok := m.promises[a.Promise]
	switch {
	case !ok:
		return Attempt{}, ErrNoPromise
	case !p.State.Live():
		return Attempt{}, ErrSettled
	case p.State != InLine || p.Node != a.Node:
		return Attempt{}, ErrChanged
	}
	m.fences[a.Node] = a.Epoch
	p.State, p.Attempts, p.Version = Calling, p.Attempts+1, p.Version+1
	m.promises[p.ID] = p
	a.N = len(m.attempts[a.Promise]) + 1
	m.attempts[a.Promise] = append(m.attempts[a.Promise], a)
	return a, nil
}

func (m *memory) End(ctx context.Context, id ID, n int, at time.Time, r Result, fn func(*Promise) (Change, error)) (Promise, error) {
	if err := m.enter(ctx, "end"); err != nil {
		return Promise{}, err
	}
	defer m.mu.Unlock()
	if n < 1 || n > len(m.attempts[id]) {
		return Promise{}, ErrNoPromise
	}
	a := &m.attempts[id][n-1]
	if a.Result != "" {
		return m.promises[id], nil
	}
	p, err := m.change(id, 0, fn)
	if err != nil {
		return Promise{}, err
	}
	a.Ended, a.Result = at, r
	return p, nil
}

func (m *memory) Open(ctx context.Context, node string) ([]Attempt, error) {
	if err := m.enter(ctx, "open"); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	var open []Attempt
	for _, id := range slices.Sorted(maps.Keys(m.attempts)) {
		for _, a := range m.attempts[id] {
			if a.Node == node && a.Result == "" {
				open = append(open, a)
			}
		}
	}
	return open, nil
}

func (m *memory) Release(ctx context.Context, node string) (int, error) {
	if err := m.enter(ctx, "release"); err != nil {
		return 0, err
	}
	defer m.mu.Unlock()
	n := 0
	for id, p := range m.promises {
		if p.State == InLine && p.Node == node {
			p.State, p.Node, p.Version = Pending, "", p.Version+1
			m.promises[id] = p
			n++
		}
	}
	return n, nil
}

func (m *memory) Taken(ctx context.Context, queue string, from, until time.Time) (map[time.Time]int, error) {
	if err := m.enter(ctx, "taken"); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	taken := map[time.Time]int{}
	for _, p := range m.promises {
		if p.Queue == queue && p.State.Live() && !p.Slot.IsZero() && !p.Slot.Before(from) && p.Slot.Before(until) {
			taken[p.Slot.UTC()]++
		}
	}
	return taken, nil
}

func (m *memory) Counts(ctx context.Context, now time.Time) (map[State]int, int, error) {
	if err := m.enter(ctx, "counts"); err != nil {
		return nil, 0, err
	}
	defer m.mu.Unlock()
	counts, late := map[State]int{}, 0
	for _, p := range m.promises {
		if !p.State.Live() {
			continue
		}
		counts[p.State]++
		if p.By.Before(now) {
			late++
		}
	}
	return counts, late, nil
}
