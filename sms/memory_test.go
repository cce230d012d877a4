package sms

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"decroche/call"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

const (
	marie call.Number = "+33612345678"
	paul  call.Number = "+33698765432"
)

// memory is a Store that keeps nothing over the end of the test.
type memory struct {
	mu      sync.Mutex
	out     []*kept
	in      []Incoming
	blocked map[call.Number]time.Time
	// op is asked before each operation; its error is the operation's. after is asked when the
	// operation has had its effect.
	op, after func(name string) error
}

type kept struct {
	Message
	lease time.Time
}

func newMemory() *memory { return &memory{blocked: map[call.Number]time.Time{}} }

// around runs an operation between the two questions.
func (s *memory) around(name string, fn func()) error {
	if s.op != nil {
		if err := s.op(name); err != nil {
			return err
		}
	}
	s.mu.Lock()
	fn()
	s.mu.Unlock()
	if s.after != nil {
		return s.after(name)
	}
	return nil
}

func (s *memory) Enqueue(_ context.Context, ms ...Message) error {
	return s.around("enqueue", func() {
		for _, m := range ms {
			if slices.ContainsFunc(s.out, func(k *kept) bool { return k.Key == m.Key }) {
				continue
			}
			m.ID, m.State = int64(len(s.out)+1), Queued
			if m.Created.IsZero() {
				m.Created = time.Now()
			}
			if m.NextAt = m.NotBefore; m.NextAt.IsZero() {
				m.NextAt = m.Created
			}
			s.out = append(s.out, &kept{Message: m})
		}
	})
}

func (s *memory) Claim(_ context.Context, _ string, now time.Time, lease time.Duration) (m Message, ok bool, err error) {
	err = s.around("claim", func() {
		var best *kept
		for _, k := range s.out {
			due := k.State == Queued && !k.NextAt.After(now) || k.State == Sending && !k.lease.After(now)
			if due && (best == nil || k.NextAt.Before(best.NextAt)) {
				best = k
			}
		}
		if best == nil {
			return
		}
		if best.State == Sending {
			best.Unsure = true
		}
		best.State, best.lease = Sending, now.Add(lease)
		m, ok = best.Message, true
	})
	return m, ok && err == nil, err
}

func (s *memory) Settle(_ context.Context, m Message) error {
	return s.around("settle", func() {
		k := s.out[m.ID-1]
		k.State, k.NextAt, k.Tries, k.Provider, k.ProviderID = m.State, m.NextAt, m.Tries, m.Provider, m.ProviderID
		k.SentAt, k.DoneAt, k.Error, k.MaybeTwice, k.Unsure = m.SentAt, m.DoneAt, m.Error, m.MaybeTwice, m.Unsure
	})
}

// Report gives the message as it stands: what providers say later is put there by settled.
func (s *memory) Report(_ context.Context, provider, id string, _ State, _ string, _ time.Time) (m Message, changed bool, err error) {
	err = s.around("report", func() {
		for _, k := range s.out {
			if k.Provider == provider && k.ProviderID == id {
				m = k.Message
			}
		}
	})
	return m, false, err
}

func (s *memory) Receive(_ context.Context, in Incoming) (first bool, err error) {
	err = s.around("receive", func() {
		if first = !slices.ContainsFunc(s.in, func(l Incoming) bool { return l.Provider == in.Provider && l.ProviderID == in.ProviderID }); first {
			s.in = append(s.in, in)
		}
	})
	return first, err
}

func (s *memory) Block(_ context.Context, n call.Number, at time.Time) error {
	return s.around("block", func() { s.blocked[n] = at })
}

func (s *memory) Unblock(_ context.Context, n call.Number) error {
	return s.around("unblock", func() { delete(s.blocked, n) })
}

func (s *memory) Blocked(_ context.Context, n call.Number) (is bool, err error) {
	err = s.around("blocked", func() { _, is = s.blocked[n] })
	return is, err
}

func (s *memory) Outbox(_ context.Context, limit int) (ms []Message, err error) {
	err = s.around("outbox", func() {
		for _, k := range s.out {
			ms = append(ms, k.Message)
		}
	})
	slices.SortFunc(ms, func(a, b Message) int { return cmp.Compare(b.ID, a.ID) })
	return ms[:min(limit, len(ms))], err
}

func (s *memory) Inbox(_ context.Context, limit int) (in []Incoming, err error) {
	err = s.around("inbox", func() { in = slices.Clone(s.in) })
	slices.Reverse(in)
	return in[:min(limit, len(in))], err
}

func (s *memory) Backlog(context.Context, time.Time) (int, time.Duration, error) {
	return 0, 0, errors.New("no backlog in these tests")
}

// idle says that nothing is to be sent any more.
func (s *memory) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !slices.ContainsFunc(s.out, func(k *kept) bool { return k.State == Queued || k.State == Sending })
}

// get is a message as it stands.
func (s *memory) get(t *testing.T, key string) Message {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.out {
		if k.Key == key {
			return k.Message
		}
	}
	t.Fatalf("no message %s", key)
	return Message{}
}

// diary is a Journal.
type diary struct {
	mu     sync.Mutex
	events []call.Event
}

func (d *diary) Append(e call.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events = append(d.events, e)
}

// states are what the journal says of messages, by promise.
func (d *diary) states(t *testing.T) map[string][]State {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	all := map[string][]State{}
	for _, e := range d.events {
		var data map[string]string
		if err := json.Unmarshal(e.Data, &data); err != nil {
			t.Fatal(err)
		}
		all[data["promise"]] = append(all[data["promise"]], State(data["state"]))
	}
	return all
}
