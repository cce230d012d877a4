package callback

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"decroche/call"
	"decroche/service"
	"decroche/sms"
)

// unknownWait is the least time before closing in which a Place is promised while its wait is not known.
const unknownWait = 30 * time.Minute

// handsFree is how long who asks on the telephone has to hear the promise and hang up: called
// at once they would be busy. Their place in line is Joined all the same.
const handsFree = 10 * time.Second

// Outbox takes messages that belong to no promise.
type Outbox interface {
	Enqueue(ctx context.Context, ms ...sms.Message) error
}

// Book takes requests to be called back and keeps the promises. It owns the rules; the Store
// owns the promises. Every method may be called from any goroutine and node; what two of them
// decide at once, the Store's transactions settle.
//
// A *Refusal is an answer to the citizen; any other error means that nothing was promised.
type Book struct {
	Store   Store
	Service func() *service.Definition
	// Agents counts the roster's agents who meet a queue's needs; nil: one.
	Agents  func(queue string) int
	Journal call.Journal // nil: none
	Log     *slog.Logger // nil: none
	// PageURL is the signed link of a promise's page; nil or "": there is none.
	PageURL func(p Promise) string
	// BookURL is the page to book a callback; nil or "": there is none.
	BookURL func(lang call.Lang) string
	// Texts takes invitations; nil: none is sent.
	Texts Outbox
	// Changed is told that a message was enqueued or a promise changed; nil is allowed.
	Changed func()
}

// A plan is what a request is judged by.
type plan struct {
	Request
	def  *service.Definition
	zone *time.Location
	now  time.Time
}

// plan refuses those whom the service does not call back at all.
func (b *Book) plan(r Request) (plan, error) {
	pl := plan{Request: r, def: LineOf(b.Service(), r.Relay), now: time.Now()}
	if pl.def == nil || !pl.def.Callback.On {
		return pl, &Refusal{WhyOff}
	}
	if pl.def.Queues[r.Queue] == nil {
		return pl, fmt.Errorf("plan a callback: the service has no queue %q", r.Queue)
	}
	if r.Zone != "" && !slices.Contains(Zones, r.Zone) {
		return pl, fmt.Errorf("plan a callback: there is no zone %q, take one of %v", r.Zone, Zones)
	}
	zone, refused := At(r.Number, r.Zone, pl.def)
	if refused != nil {
		return pl, refused
	}
	pl.zone = zone
	if pl.Lang == "" && len(pl.def.Languages) > 0 {
		pl.Lang = pl.def.Languages[0]
	}
	if pl.Public == "" {
		pl.Public = "general"
	}
	if pl.Joined.IsZero() || pl.Joined.After(pl.now) {
		pl.Joined = pl.now
	}
	if pl.Kind == "" {
		pl.Kind = Place
		if !pl.Slot.IsZero() {
			pl.Kind = Slot
		}
	}
	return pl, nil
}

// place says until when a Place of this moment can be kept: while the line is open and the
// citizen's day is on without a break, if the wait ends before.
func (pl plan) place() (until time.Time, ok bool) {
	if !pl.def.Callback.Place {
		return time.Time{}, false
	}
	for s := range spans(pl.now, pl.now.Add(24*time.Hour), pl.def, citizenDay(pl.def, pl.zone)) {
		wait := pl.Wait
		if wait <= 0 {
			wait = unknownWait
		}
		return s.until, s.from.Equal(pl.now) && !pl.now.Add(wait).After(s.until)
	}
	return time.Time{}, false
}

// Options tells what can be promised. A number with a live promise is told that one alone.
func (b *Book) Options(ctx context.Context, r Request) (Options, error) {
	pl, err := b.plan(r)
	if err != nil {
		return Options{}, err
	}
	o := Options{Zone: pl.zone}
	live, ok, err := b.Store.Live(ctx, r.Number)
	if err != nil {
		return Options{}, fmt.Errorf("look for a live promise: %w", err)
	}
	if ok {
		o.Live = &live
		return o, nil
	}
	if err := b.tooMany(ctx, pl); err != nil {
		return Options{}, err
	}
	_, o.Place = pl.place()
	free, err := b.free(ctx, pl, enough)
	if err != nil {
		return Options{}, err
	}
	o.Slots = Choices(free, pl.zone)
	if !o.Place && len(o.Slots) == 0 {
		return Options{}, &Refusal{pl.whyNothing()}
	}
	return o, nil
}

// whyNothing tells a day that never meets the line's from a line that is full.
func (pl plan) whyNothing() Why {
	found := false
	slots(pl.def, pl.zone, pl.Public, pl.now.Add(lead), horizonEnd(pl.def, pl.now), func(time.Time) bool {
		found = true
		return false
	})
	if found || CallableAt(pl.def, pl.zone, pl.now) {
		return WhyFull
	}
	return WhyAsleep
}

// tooMany refuses early what Store.Ask would refuse in the end.
func (b *Book) tooMany(ctx context.Context, pl plan) error {
	limit := pl.def.Callback.PerDay
	if limit <= 0 {
		return nil
	}
	since := today(pl.def, pl.now)
	// A promise is due from when its citizen joined the line, which may be shortly before it was asked.
	list, err := b.Store.Promises(ctx, Filter{Number: pl.Number, From: since.Add(-12 * time.Hour)})
	if err != nil {
		return fmt.Errorf("count the promises of a number: %w", err)
	}
	for _, p := range list {
		if !p.Asked.Before(since) {
			limit--
		}
	}
	if limit <= 0 {
		return &Refusal{WhyTooMany}
	}
	return nil
}

// today is the first instant of the service's day.
func today(def *service.Definition, now time.Time) time.Time {
	zone := def.Location
	if zone == nil {
		zone = time.UTC
	}
	y, m, d := now.In(zone).Date()
	return midnight(y, m, d, zone)
}

// SlotsFor lists free slots, soonest first, up to limit; 0 is all up to the horizon.
func (b *Book) SlotsFor(ctx context.Context, r Request, limit int) ([]time.Time, error) {
	pl, err := b.plan(r)
	if err != nil {
		return nil, err
	}
	return b.free(ctx, pl, limit)
}

func (b *Book) free(ctx context.Context, pl plan, limit int) ([]time.Time, error) {
	room := b.capacity(pl.def, pl.Queue)
	if !pl.def.Callback.Slots || room == 0 {
		return nil, nil
	}
	horizon := horizonEnd(pl.def, pl.now)
	taken, err := b.Store.Taken(ctx, pl.Queue, pl.now, horizon)
	if err != nil {
		return nil, fmt.Errorf("count the slots taken of queue %s: %w", pl.Queue, err)
	}
	return freeSlots(pl.def, pl.zone, pl.Public, pl.now, horizon, room, bySecond(taken), limit), nil
}

func (b *Book) capacity(def *service.Definition, queue string) int {
	agents := 1
	if b.Agents != nil {
		agents = b.Agents(queue)
	}
	return Capacity(def, queue, agents)
}

// Offer decides whether a caller who joins a line is offered a callback: "estimate" when the
// wait is above the service's setting, "closing" when the line closes before their turn. It is
// offered only if something can be promised; whether this number may be, Options tells.
func (b *Book) Offer(queue, public string, estimate time.Duration, now time.Time) (offer bool, why string) {
	def := b.Service()
	if def == nil || !def.Callback.On || def.Queues[queue] == nil {
		return false, ""
	}
	pl := plan{Request: Request{Queue: queue, Public: public, Wait: estimate}, def: def, zone: def.Location, now: now}
	switch o := def.Opening(now); {
	case o.Open && !o.Until.IsZero() && now.Add(max(estimate, nearClosing)).After(o.Until):
		why = "closing"
	case estimate > offerAbove(def):
		why = "estimate"
	default:
		return false, ""
	}
	if def.Callback.Slots && b.capacity(def, queue) > 0 {
		return true, why
	}
	if _, ok := pl.place(); ok {
		return true, why
	}
	return false, ""
}

// nearClosing is when a line is about to close for callers whose wait is not known, or short.
const nearClosing = 5 * time.Minute

func offerAbove(def *service.Definition) time.Duration {
	if def.Callback.OfferAbove > 0 {
		return def.Callback.OfferAbove
	}
	return 3 * time.Minute
}

// Ask keeps a promise and the messages about it, and returns when both are durable: only
// then may it be said. made is false when the number has a live promise: it is that one.
func (b *Book) Ask(ctx context.Context, r Request) (p Promise, made bool, err error) {
	pl, err := b.plan(r)
	if err != nil {
		return Promise{}, false, err
	}
	if live, ok, err := b.Store.Live(ctx, r.Number); err != nil {
		return Promise{}, false, fmt.Errorf("look for a live promise: %w", err)
	} else if ok {
		b.promised(live, r.Contact, true)
		return live, false, nil
	}
	p, err = b.draft(ctx, pl)
	if err != nil {
		return Promise{}, false, err
	}
	bounds := Bounds{PerDay: pl.def.Callback.PerDay, Since: today(pl.def, pl.now)}
	if p.Kind == Slot {
		bounds.Slot = b.capacity(pl.def, pl.Queue)
	}
	kept, made, err := b.Store.Ask(ctx, p, bounds, Change{Send: b.notes(pl.def, pl.zone, pl.now).confirmed(p)})
	if err != nil {
		return Promise{}, false, asRefusal(fmt.Errorf("keep a promise for queue %s: %w", p.Queue, err))
	}
	b.promised(kept, r.Contact, !made)
	if made {
		b.changed()
	}
	return kept, made, nil
}

// asRefusal tells the citizen what the Store refused.
func asRefusal(err error) error {
	switch {
	case errors.Is(err, ErrSlotFull):
		return &Refusal{WhySlot}
	case errors.Is(err, ErrTooMany):
		return &Refusal{WhyTooMany}
	}
	return err
}

// draft is the promise asked for, if it can be kept. Who was cut off, or answers a survey, did
// not ask for a Place rather than a slot: where there is no Place they get the first free slot.
func (b *Book) draft(ctx context.Context, pl plan) (Promise, error) {
	p := Promise{
		ID: NewID(), Number: pl.Number, Lang: pl.Lang, Queue: pl.Queue, Reason: pl.Reason, Public: pl.Public, Relay: pl.Relay, Zone: pl.Zone,
		Kind: pl.Kind, Origin: pl.Origin, Contact: pl.Contact, Score: pl.Score, Asked: pl.now, State: Pending,
	}
	if p.Contact == "" {
		p.Contact = call.ID("ask-" + p.ID)
	}
	slot := pl.Slot
	if p.Kind == Place {
		until, ok := pl.place()
		if ok {
			p.Joined, p.Due, p.By = pl.Joined, pl.Joined, until
			if p.Origin == FromQueue || p.Origin == FromSaturated || p.Origin == FromClosing || p.Origin == FromAccess || p.Origin == FromMessage {
				p.Due = pl.now.Add(handsFree)
			}
			return p, nil
		}
		if p.Origin != FromCutOff && p.Origin != FromSurvey {
			return Promise{}, &Refusal{WhyFull}
		}
		free, err := b.free(ctx, pl, 1)
		if err != nil {
			return Promise{}, err
		}
		if len(free) == 0 {
			return Promise{}, &Refusal{pl.whyNothing()}
		}
		slot = free[0]
	}
	if err := b.checkSlot(pl, slot); err != nil {
		return Promise{}, err
	}
	p.toSlot(slot)
	return p, nil
}

func (b *Book) checkSlot(pl plan, slot time.Time) error {
	if !pl.def.Callback.Slots || b.capacity(pl.def, pl.Queue) == 0 || !SlotAllowed(pl.def, pl.zone, pl.Public, slot, pl.now) {
		return &Refusal{WhySlot}
	}
	return nil
}

// toSlot promises a slot: the citizen stands in line from its start, and expects the call
// within the quarter, or the next one while an agent ends a conversation.
func (p *Promise) toSlot(slot time.Time) {
	p.Kind, p.Slot, p.Joined, p.Due, p.By = Slot, slot, slot, slot, slot.Add(Quarter+margin)
}

// Move promises another slot, or a place in line from now on: who had one and waits for the
// next try keeps it. version is the one that the citizen saw, 0 for any. It returns
// ErrChanged, ErrSettled, ErrCalling or a *Refusal.
func (b *Book) Move(ctx context.Context, id ID, version int64, kind Kind, slot time.Time, by string) (Promise, error) {
	before, err := b.Store.Promise(ctx, id)
	if err != nil {
		return Promise{}, fmt.Errorf("move promise %s: %w", id, err)
	}
	pl, err := b.plan(Request{Number: before.Number, Lang: before.Lang, Queue: before.Queue, Public: before.Public, Relay: before.Relay, Zone: before.Zone, Kind: kind, Slot: slot})
	if err != nil {
		return Promise{}, err
	}
	if err := movable(before, version); err != nil {
		return Promise{}, fmt.Errorf("move promise %s: %w", id, err)
	}
	soon := kind == Place && !before.Due.After(pl.now)
	if before.Kind == kind && (soon || kind == Slot && before.Slot.Equal(slot)) {
		return before, nil
	}
	bound, until, ok := 0, time.Time{}, true
	if kind == Slot {
		bound, err = b.capacity(pl.def, pl.Queue), b.checkSlot(pl, slot)
	} else if until, ok = pl.place(); !ok {
		err = &Refusal{WhyFull}
	}
	if err != nil {
		return Promise{}, err
	}
	after, err := b.Store.Change(ctx, id, bound, func(p *Promise) (Change, error) {
		if err := movable(*p, version); err != nil {
			return Change{}, err
		}
		c := Change{Drop: pending(*p)}
		if p.State, p.Node, p.Tries = Pending, "", 0; kind == Slot {
			p.toSlot(slot)
		} else {
			if p.Kind != Place {
				p.Joined = pl.now
			}
			p.Kind, p.Slot, p.Due, p.By = Place, time.Time{}, pl.now, until
		}
		c.Send = b.notes(pl.def, pl.zone, pl.now).moved(*p)
		return c, nil
	})
	if err != nil {
		return Promise{}, asRefusal(fmt.Errorf("move promise %s: %w", id, err))
	}
	why := "agent" // whatever the name that an operator goes by
	if by == "page" || by == "sms" {
		why = "citizen"
	}
	b.moved(after, why)
	b.changed()
	return after, nil
}

func movable(p Promise, version int64) error {
	switch {
	case !p.State.Live():
		return ErrSettled
	case p.State == Calling:
		return ErrCalling
	case version != 0 && version != p.Version:
		return ErrChanged
	}
	return nil
}

// errSame says inside a change that nothing is to change.
var errSame = errors.New("nothing changes")

// Cancel ends a promise at the citizen's or an agent's word, also while the citizen is being
// called: then no further attempt is made. Cancelling what is cancelled is no error; what is
// settled otherwise gives ErrSettled.
func (b *Book) Cancel(ctx context.Context, id ID, by string) (Promise, error) {
	return b.settle(ctx, id, Cancelled, by, true)
}

// CancelNumber cancels the live promise of a number; ok is false when there is none.
func (b *Book) CancelNumber(ctx context.Context, n call.Number, by string) (p Promise, ok bool, err error) {
	if n == call.Withheld {
		return Promise{}, false, nil
	}
	p, ok, err = b.Store.Live(ctx, n)
	if err != nil {
		return Promise{}, false, fmt.Errorf("look for the promise to cancel: %w", err)
	}
	if !ok {
		return Promise{}, false, nil
	}
	p, err = b.Cancel(ctx, p.ID, by)
	if errors.Is(err, ErrSettled) {
		return Promise{}, false, nil
	}
	return p, err == nil, err
}

// CalledAgain ends the promise of a citizen who called and is connected to an agent.
func (b *Book) CalledAgain(ctx context.Context, n call.Number, id call.ID) error {
	if n == call.Withheld {
		return nil
	}
	p, ok, err := b.Store.Live(ctx, n)
	if err != nil {
		return fmt.Errorf("look for the promise of a citizen who called again: %w", err)
	}
	if !ok {
		return nil
	}
	if _, err = b.settle(ctx, p.ID, Answered, "call:"+string(id), false); errors.Is(err, ErrSettled) {
		return nil
	}
	return err
}

// settle ends a live promise; one that ended so already is returned as it is.
func (b *Book) settle(ctx context.Context, id ID, s State, by string, tell bool) (Promise, error) {
	now := time.Now()
	var same Promise
	after, err := b.Store.Change(ctx, id, 0, func(p *Promise) (Change, error) {
		if p.State == s {
			same = *p
			return Change{}, errSame
		}
		if !p.State.Live() {
			return Change{}, ErrSettled
		}
		c := Change{Drop: pending(*p)}
		p.end(s, by, now)
		if tell {
			c.Send = b.notesFor(*p, now).cancelled(*p)
		}
		return c, nil
	})
	if errors.Is(err, errSame) {
		return same, nil
	}
	if err != nil {
		return Promise{}, fmt.Errorf("end promise %s as %s: %w", id, s, err)
	}
	b.ended(after)
	b.changed()
	return after, nil
}

func (p *Promise) end(s State, by string, now time.Time) {
	p.State, p.Node, p.Settled, p.SettledBy = s, "", now, by
}

// Invite tells a mobile that hung up while waiting how to book a callback, at most once a day.
// It does nothing where the service does not want it, or there is no page to book on.
func (b *Book) Invite(ctx context.Context, r Request) error {
	pl, err := b.plan(r)
	if refused := (*Refusal)(nil); errors.As(err, &refused) {
		return nil
	} else if err != nil {
		return err
	}
	n := b.notes(pl.def, pl.zone, pl.now)
	if b.Texts == nil || !pl.def.Callback.InviteAbandoned || !Mobile(r.Number) || n.book(pl.Lang) == "" {
		return nil
	}
	if _, ok, err := b.Store.Live(ctx, r.Number); err != nil {
		return fmt.Errorf("look for a live promise: %w", err)
	} else if ok {
		return nil
	}
	if err := b.Texts.Enqueue(ctx, n.invitation(pl.Request, pl.zone)); err != nil {
		return fmt.Errorf("invite who hung up to book a callback: %w", err)
	}
	b.changed()
	return nil
}

func (b *Book) notes(def *service.Definition, zone *time.Location, now time.Time) notes {
	n := notes{def: def, zone: zone, now: now, page: b.PageURL, book: b.BookURL}
	if n.zone == nil {
		n.zone = time.UTC
	}
	if n.page == nil {
		n.page = func(Promise) string { return "" }
	}
	if n.book == nil {
		n.book = func(call.Lang) string { return "" }
	}
	return n
}

// notesFor is notes for a promise there is, whatever the service says by now of its number.
func (b *Book) notesFor(p Promise, now time.Time) notes {
	def := LineOf(b.Service(), p.Relay)
	if def == nil {
		def = &service.Definition{Location: time.UTC}
	}
	return b.notes(def, zoneOf(p, def), now)
}

func (b *Book) promised(p Promise, contact call.ID, merged bool) {
	if contact == "" {
		contact = p.Contact
	}
	b.append(call.EventPromised, contact, map[string]any{
		"promise": p.ID, "kind": p.Kind, "origin": p.Origin, "queue": p.Queue, "reason": p.Reason, "public": p.Public,
		"asked_ms":  p.Asked.UnixMilli(),
		"relayed":   p.Relay != "",
		"joined_ms": p.Joined.UnixMilli(), "by_ms": p.By.UnixMilli(), "merged": merged,
	})
}

func (b *Book) moved(p Promise, why string) {
	b.append(call.EventPromiseMoved, p.Contact, map[string]any{"promise": p.ID, "by_ms": p.By.UnixMilli(), "why": why})
}

func (b *Book) ended(p Promise) {
	b.append(call.EventPromiseEnded, p.Contact, map[string]any{
		"promise": p.ID, "state": p.State, "by": p.SettledBy, "late": p.Settled.After(p.By),
	})
}

func (b *Book) append(kind call.EventKind, contact call.ID, data map[string]any) {
	if b.Journal == nil {
		return
	}
	raw, err := json.Marshal(data)
	if err != nil {
		b.log().Error("a fact of the journal could not be written", "kind", string(kind), "error", err)
		return
	}
	b.Journal.Append(call.Event{At: time.Now(), Call: contact, Kind: kind, Data: raw})
}

func (b *Book) changed() {
	if b.Changed != nil {
		b.Changed()
	}
}

func (b *Book) log() *slog.Logger {
	if b.Log != nil {
		return b.Log
	}
	return slog.New(slog.DiscardHandler)
}

// NewID is ten characters of Crockford's base 32: fifty random bits.
func NewID() ID {
	const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	raw := make([]byte, 10)
	_, _ = rand.Read(raw) // never fails: it would crash the program
	for i, c := range raw {
		raw[i] = crockford[c&31]
	}
	return ID(raw)
}
