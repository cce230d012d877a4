package ari

import (
	"context"
	"io"
	"slices"
	"sync"
	"time"
)

// Mailbox has the events about the ids it claims, in order. It belongs to one owner, who
// reads Events and calls Close once done; its methods may be called from any goroutine.
//
// It holds Config.MailboxSize events. What does not fit is counted (Lost, and
// Stats.Overflowed) and replaced by one *Resync after what it holds: the owner then reads its channels
// again, for one of the lost events may have been the end.
type Mailbox struct {
	d  *dispatcher
	ch chan Event // one place more than the size, for a Resync

	// Under d.mu.
	ids    []string
	closed bool
	lost   uint64
	// tail says that the last event put in is a Resync: while it is there,
	// a further loss is covered by it.
	tail bool
}

// Events gives the mailbox's events. Close closes it.
func (m *Mailbox) Events() <-chan Event { return m.ch }

// Next waits for the next event. Its error is the context's cause, or io.EOF after Close.
func (m *Mailbox) Next(ctx context.Context) (Event, error) {
	select {
	case e, ok := <-m.ch:
		if !ok {
			return nil, io.EOF
		}
		return e, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Add claims events about one more channel, bridge or playback.
func (m *Mailbox) Add(id string) {
	m.d.mu.Lock()
	defer m.d.mu.Unlock()
	m.d.claim(m, id)
}

// Remove lets an id go. Its later events are unclaimed, unless another mailbox has it.
func (m *Mailbox) Remove(id string) {
	m.d.mu.Lock()
	defer m.d.mu.Unlock()
	m.ids = slices.DeleteFunc(m.ids, func(s string) bool { return s == id })
	m.d.release(m, id)
}

// Lost counts the events that found the mailbox full.
func (m *Mailbox) Lost() uint64 {
	m.d.mu.Lock()
	defer m.d.mu.Unlock()
	return m.lost
}

// Close lets all ids go and closes Events; what it still holds can be read. Closing
// twice does nothing.
func (m *Mailbox) Close() {
	m.d.mu.Lock()
	defer m.d.mu.Unlock()
	if m.closed {
		return
	}
	m.closed = true
	for _, id := range m.ids {
		m.d.release(m, id)
	}
	m.ids = nil
	delete(m.d.boxes, m)
	close(m.ch)
}

// put appends an event, or a Resync where it does not fit. Under d.mu, so there is one
// sender: the channel can only get emptier meanwhile.
func (m *Mailbox) put(e Event) {
	if m.closed {
		return
	}
	_, resync := e.(*Resync)
	if len(m.ch) < cap(m.ch)-1 {
		m.ch <- e
		m.tail = resync
		return
	}
	if !resync {
		m.lost++
		m.d.overflowed++
	}
	if m.tail {
		return
	}
	if !resync {
		e = &Resync{Reason: Overflowed, at: time.Now()}
	}
	m.ch <- e
	m.tail = true
}

// dispatcher knows which mailbox claims which id, and holds the events nobody claimed
// until they are handed out. Lookups, claims and holding are under one lock, so an
// event is either in its mailbox or held, and keeps its place among the events of its ids.
type dispatcher struct {
	mu    sync.Mutex
	size  int
	boxes map[*Mailbox]struct{}
	byID  map[string][]*Mailbox

	held  []Event
	heldN int // the most that is held
	// wake tells the goroutine that hands out that there is something.
	wake chan struct{}

	overflowed uint64
	discarded  uint64
}

func newDispatcher(size int) *dispatcher {
	return &dispatcher{
		size: size, boxes: map[*Mailbox]struct{}{}, byID: map[string][]*Mailbox{},
		heldN: 1 << 16, wake: make(chan struct{}, 1),
	}
}

func (d *dispatcher) open(ids []string) *Mailbox {
	m := &Mailbox{d: d, ch: make(chan Event, d.size+1)}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.boxes[m] = struct{}{}
	for _, id := range ids {
		d.claim(m, id)
	}
	return m
}

func (d *dispatcher) claim(m *Mailbox, id string) {
	if m.closed || id == "" || slices.Contains(m.ids, id) {
		return
	}
	m.ids = append(m.ids, id)
	d.byID[id] = append(d.byID[id], m)
	d.held = slices.DeleteFunc(d.held, func(e Event) bool {
		if !slices.Contains(e.IDs(), id) {
			return false
		}
		m.put(e)
		return true
	})
}

func (d *dispatcher) release(m *Mailbox, id string) {
	left := slices.DeleteFunc(d.byID[id], func(o *Mailbox) bool { return o == m })
	if len(left) == 0 {
		delete(d.byID, id)
		return
	}
	d.byID[id] = left
}

// deliver puts the event in the mailboxes that claim one of its ids, or holds it. It
// says false when there is no room left to hold it.
func (d *dispatcher) deliver(e Event, ids [][]byte) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.toOwners(e, ids) {
		return true
	}
	if len(d.held) >= d.heldN {
		return false
	}
	d.held = append(d.held, e)
	select {
	case d.wake <- struct{}{}:
	default:
	}
	return true
}

// toOwners puts the event in each mailbox once, and says whether there was one.
func (d *dispatcher) toOwners(e Event, ids [][]byte) bool {
	var given []*Mailbox
	for i, id := range ids {
		for _, m := range d.byID[string(id)] {
			if i > 0 && slices.Contains(given, m) {
				continue
			}
			m.put(e)
			given = append(given, m)
		}
	}
	return len(given) > 0
}

// undecodable tells the owners of ids that one of their events could not be read.
func (d *dispatcher) undecodable(ids [][]byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.toOwners(&Resync{Reason: Undecodable, at: time.Now()}, ids)
}

// all puts an event in every mailbox.
func (d *dispatcher) all(e Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for m := range d.boxes {
		m.put(e)
	}
}

// discard forgets what is held: the connection it came by is lost, and the next one's
// onUp reads everything again.
func (d *dispatcher) discard() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.discarded += uint64(len(d.held))
	d.held = nil
}

// handOut gives the held events to f, one at a time, without the lock, until ctx ends.
func (d *dispatcher) handOut(ctx context.Context, f func(Event)) {
	for {
		d.mu.Lock()
		var e Event
		if len(d.held) > 0 {
			e = d.held[0]
			d.held[0] = nil
			d.held = d.held[1:]
		}
		d.mu.Unlock()
		if ctx.Err() != nil {
			return
		}
		if e != nil {
			f(e)
			continue
		}
		select {
		case <-d.wake:
		case <-ctx.Done():
			return
		}
	}
}
