package ivr

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"decroche/call"
	"decroche/callback"
	"decroche/sms"
)

// book is a book of promises that a test writes in.
type book struct {
	mu     sync.Mutex
	place  bool
	slots  []time.Time
	zone   *time.Location
	live   map[call.Number]callback.Promise
	why    callback.Why // refuses everybody
	taken  int          // so many slots are taken before they can be had
	err    error        // everything fails
	offers string       // why an offer is made on entry, "" for none

	requests []callback.Request // of Options
	asked    []callback.Request // of Ask
	promises []callback.Promise
	again    []call.Number
	kept     []string
	invited  []callback.Request
	offered  []time.Duration
}

// desk makes a stage where callbacks are made: at one's place, and in two slots.
func (s *stage) desk() *book {
	now := time.Now()
	s.book = &book{place: true, live: map[call.Number]callback.Promise{}}
	s.book.slots = []time.Time{now.Add(75 * time.Minute).Truncate(15 * time.Minute), now.Add(23*time.Hour + 30*time.Minute)}
	s.journey.Callbacks = s.book
	return s.book
}

func (b *book) Options(_ context.Context, r callback.Request) (callback.Options, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.requests = append(b.requests, r)
	o := callback.Options{Zone: b.zone}
	switch kind := r.Number.Kind(); {
	case b.err != nil:
		return o, b.err
	case b.why != "":
		return o, &callback.Refusal{Why: b.why}
	case kind == call.KindWithheld:
		return o, &callback.Refusal{Why: callback.WhyWithheld}
	case kind == call.KindEmergency:
		return o, &callback.Refusal{Why: callback.WhyEmergency}
	case kind == call.KindShort || kind == call.KindShortMayCost:
		return o, &callback.Refusal{Why: callback.WhyShort}
	case kind == call.KindPremium:
		return o, &callback.Refusal{Why: callback.WhyPremium}
	case kind == call.KindForeign && !strings.HasPrefix(string(r.Number), "+687"):
		return o, &callback.Refusal{Why: callback.WhyForeign}
	case r.Number == general:
		return o, &callback.Refusal{Why: callback.WhyOurs}
	}
	if p, ok := b.live[r.Number]; ok {
		o.Live = &p
		return o, nil
	}
	o.Place, o.Slots = b.place, b.slots
	return o, nil
}

func (b *book) Ask(_ context.Context, r callback.Request) (callback.Promise, bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = append(b.asked, r)
	if b.err != nil {
		return callback.Promise{}, false, b.err
	}
	if p, ok := b.live[r.Number]; ok {
		return p, false, nil
	}
	if r.Kind == callback.Slot && b.taken > 0 {
		b.taken--
		b.slots = b.slots[1:]
		return callback.Promise{}, false, &callback.Refusal{Why: callback.WhySlot}
	}
	p := callback.Promise{
		ID: callback.ID(fmt.Sprintf("P%d", len(b.promises)+1)), Number: r.Number, Kind: r.Kind, Slot: r.Slot, Origin: r.Origin, Contact: r.Contact, Joined: r.Joined,
	}
	b.promises = append(b.promises, p)
	b.live[r.Number] = p
	return p, true, nil
}

func (b *book) CalledAgain(_ context.Context, n call.Number, _ call.ID) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.again = append(b.again, n)
	delete(b.live, n)
	return b.err
}

func (b *book) Kept(_ context.Context, id callback.ID, n int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kept = append(b.kept, fmt.Sprintf("%s/%d", id, n))
	return b.err
}

func (b *book) Invite(_ context.Context, r callback.Request) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.invited = append(b.invited, r)
	return b.err
}

func (b *book) Offer(_, _ string, estimate time.Duration, _ time.Time) (bool, string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.offered = append(b.offered, estimate)
	return b.offers != "", b.offers
}

// change changes the book while calls go on.
func (b *book) change(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
}

// look gives a list of the book as it is now.
func look[T any](b *book, list *[]T) []T {
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(*list)
}

// only gives the one promise that was made.
func (b *book) only(s *stage) callback.Promise {
	s.t.Helper()
	list := look(b, &b.promises)
	if len(list) != 1 {
		s.t.Fatalf("%d promises were made, want 1", len(list))
	}
	return list[0]
}

// sites are the service's, some of them down.
type sites struct {
	mu    sync.Mutex
	down  map[string]bool
	muted map[string]bool
}

func (l *sites) Down(id string) (string, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return "it does not answer", l.down[id]
}

func (l *sites) Muted(prompt string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.muted[prompt]
}

func (l *sites) fail(id string, prompts ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down[id] = true
	for _, p := range prompts {
		l.muted[p] = true
	}
}

// texts takes messages.
type texts struct {
	mu   sync.Mutex
	list []sms.Message
	err  error
}

func (x *texts) SendText(_ context.Context, m sms.Message) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.err == nil {
		x.list = append(x.list, m)
	}
	return x.err
}

// online makes a stage where links are sent.
func (s *stage) online() *texts {
	s.texts, s.sites = &texts{}, &sites{down: map[string]bool{}, muted: map[string]bool{}}
	s.journey.Texts, s.journey.Links = s.texts, s.sites
	return s.texts
}

// sent gives the messages taken so far.
func (x *texts) sent() []sms.Message {
	synctest.Wait()
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.list)
}
