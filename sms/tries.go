package sms

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"time"
	"unicode/utf8"

	"decroche/call"
)

// handle brings a claimed message one step further and saves that.
func (o *Outbox) handle(ctx context.Context, m Message) {
	until := time.Now().Add(budget)
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	m = o.step(ctx, m)
	before := time.Now()
	if !o.settle(ctx, m, until) {
		return
	}
	switch m.State {
	case Sent, Failed, Dropt:
		o.note(m)
		o.overtaken(context.WithoutCancel(ctx), m, before)
	}
	if m.State == Queued && !m.NextAt.After(time.Now()) {
		o.Wake()
	}
}

// step decides what becomes of a claimed message, and sends it when nothing speaks against it.
func (o *Outbox) step(ctx context.Context, m Message) Message {
	if finder, ok := o.Provider.(Finder); ok && m.Unsure {
		id, found, err := o.find(ctx, finder, m)
		switch {
		case err != nil:
			return o.again(m, asked(err), fmt.Errorf("ask the provider whether it took the message: %w", err))
		case found:
			return sent(m, o.Provider.Name(), id)
		}
		m.Unsure = false
	}
	if !m.Expires.IsZero() && !time.Now().Before(m.Expires) {
		if m.Tries == 0 && !m.Unsure {
			return ended(m, Dropt, "it expired before it could be sent")
		}
		return o.giveUp(m, "it expired")
	}
	if m.Purpose != Code && m.Purpose != Reply {
		blocked, err := o.Store.Blocked(ctx, m.To)
		switch {
		case err != nil: // not a try: nothing was sent
			m.State, m.NextAt = Queued, time.Now().Add(o.backoff(1))
			return m
		case blocked:
			return ended(m, Dropt, "the number has said STOP")
		}
	}
	if idem, ok := o.Provider.(Idempotent); m.Unsure && !(ok && idem.Idempotent()) {
		if m.MaybeTwice {
			return ended(m, Failed, "twice it was not known whether the provider took it; it is not sent a third time")
		}
		// Saved before the message is sent again, for a second crash must find it.
		m.State, m.Unsure, m.MaybeTwice, m.NextAt = Queued, false, true, time.Now()
		return m
	}
	return o.send(ctx, m)
}

// send gives the message to the provider and judges the answer.
func (o *Outbox) send(ctx context.Context, m Message) Message {
	m.Tries++
	id, err := o.offer(ctx, m)
	var refused *Refused
	switch wait := asked(err); {
	case err == nil:
		return sent(m, o.Provider.Name(), id)
	case errors.As(err, &refused):
		if refused.Stopped {
			o.stopped(ctx, m.To)
		}
		m.Unsure = false
		return ended(m, Failed, err.Error())
	case wait > 0:
		m.Unsure = false
		o.mu.Lock()
		if until := time.Now().Add(min(wait, time.Minute)); until.After(o.quiet) {
			o.quiet = until
		}
		o.mu.Unlock()
		return o.again(m, wait, err)
	default:
		m.Unsure = errors.Is(err, ErrUnsure)
		return o.again(m, 0, err)
	}
}

// asked is how long an error asks to wait; 0 when it does not.
func asked(err error) time.Duration {
	var later *Later
	if errors.As(err, &later) {
		return max(later.After, time.Second)
	}
	return 0
}

// again puts the message back, to be tried after the wait asked for, or one that doubles with
// its tries. When it would expire before, it has failed.
func (o *Outbox) again(m Message, wait time.Duration, err error) Message {
	level := slog.LevelWarn
	if errors.Is(err, ErrSettings) {
		level = slog.LevelError
	}
	o.Log.Log(context.Background(), level, "a text message waits for another try",
		"message", m.ID, "purpose", m.Purpose, "tries", m.Tries, "unsure", m.Unsure, "err", err)
	switch wait += time.Duration(o.Rand() * float64(wait) / 4); {
	case wait == 0 && m.Unsure:
		// What we gave up waiting for may still be on its way to the provider's list.
		wait = max(o.backoff(m.Tries), settling)
	case wait == 0:
		wait = o.backoff(m.Tries)
	}
	m.State, m.NextAt, m.Error = Queued, time.Now().Add(wait), short(err.Error())
	if m.NextAt.After(deadline(m)) {
		return o.giveUp(m, err.Error())
	}
	return m
}

func (o *Outbox) backoff(tries int) time.Duration {
	d := min(backoffMin<<min(max(tries-1, 0), 10), backoffMax)
	return time.Duration(float64(d) * (0.8 + 0.4*o.Rand()))
}

// deadline is when a message that has been tried in vain is given up.
func deadline(m Message) time.Time {
	if !m.Expires.IsZero() {
		return m.Expires
	}
	if m.NotBefore.After(m.Created) {
		return m.NotBefore.Add(patience)
	}
	return m.Created.Add(patience)
}

func (o *Outbox) giveUp(m Message, why string) Message {
	doubt := ""
	if m.Unsure {
		doubt = "; the provider may have taken it"
	}
	return ended(m, Failed, fmt.Sprintf("given up after %d tries%s: %s", m.Tries, doubt, why))
}

func sent(m Message, provider, id string) Message {
	m.State, m.Unsure, m.Error = Sent, false, ""
	m.Provider, m.ProviderID, m.SentAt = provider, id, time.Now()
	return m
}

func ended(m Message, s State, why string) Message {
	m.State, m.DoneAt, m.Error = s, time.Now(), short(why)
	return m
}

// short keeps an error to what a list shows.
func short(s string) string {
	if len(s) <= 300 {
		return s
	}
	s = s[:300]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s + "…"
}

// offer is Send that does not panic: what a provider's fault has done is not known.
func (o *Outbox) offer(ctx context.Context, m Message) (id string, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	defer o.survive(&err)
	return o.Provider.Send(ctx, m)
}

func (o *Outbox) find(ctx context.Context, f Finder, m Message) (id string, found bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	defer o.survive(&err)
	return f.Find(ctx, m)
}

func (o *Outbox) survive(err *error) {
	v := recover()
	if v == nil {
		return
	}
	// What was panicked with may hold the message; an error of the runtime does not.
	what := fmt.Sprintf("%T", v)
	if r, ok := v.(runtime.Error); ok {
		what = r.Error()
	}
	o.Log.Error("the provider of text messages panicked", "provider", o.Provider.Name(), "panic", what, "stack", string(debug.Stack()))
	*err = fmt.Errorf("%w: it panicked: %s", ErrUnsure, what)
}

// stopped remembers what the citizen told the provider and not us.
func (o *Outbox) stopped(ctx context.Context, n call.Number) {
	if err := o.Store.Block(ctx, n, time.Now()); err != nil {
		// The next message is refused by the provider like this one, and brings us here again.
		o.Log.Error("a STOP that the provider knows of was not saved", "err", err)
	}
}

// settle saves the message's fate, for as long as it is ours. A fate that is not saved is in
// doubt for who claims the message next.
func (o *Outbox) settle(ctx context.Context, m Message, until time.Time) bool {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		// The context may have ended because Run is to stop: the fate is saved all the same.
		save, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		err := o.Store.Settle(save, m)
		cancel()
		if err == nil {
			return true
		}
		o.Log.Error("what became of a text message is not saved yet", "message", m.ID, "state", m.State, "err", err)
		if time.Now().Add(wait).After(until) || ctx.Err() != nil {
			o.Log.Error("what became of a text message is not saved: it is in doubt", "message", m.ID, "state", m.State)
			return false
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// note tells the journal and the log what became of a message.
func (o *Outbox) note(m Message) {
	o.Log.Info("text message", "message", m.ID, "purpose", m.Purpose, "state", m.State, "provider", m.Provider,
		"tries", m.Tries, "maybe_twice", m.MaybeTwice, "why", m.Error)
	if o.Journal != nil {
		o.Journal.Append(fact(m, string(m.State)))
	}
}

// overtaken tells the journal of a report that was there before the message was saved as sent,
// at a moment before that: of a later one, who received it tells.
func (o *Outbox) overtaken(ctx context.Context, m Message, before time.Time) {
	if m.State != Sent || o.Journal == nil {
		return
	}
	now, _, err := o.Store.Report(ctx, m.Provider, m.ProviderID, Sent, "", time.Now())
	if err != nil {
		o.Log.Warn("whether a report of a text message came early is not known", "message", m.ID, "err", err)
		return
	}
	if now.DoneAt.IsZero() || !now.DoneAt.Before(before) {
		return
	}
	if e, ok := Reported(now); ok {
		o.Journal.Append(e)
	}
}

// Reported is what the journal is told of a message whose fate the provider has reported:
// "delivered", or "undelivered", which is not "failed", for the message had left. ok is false
// when the provider has not said how it ended.
func Reported(m Message) (e call.Event, ok bool) {
	switch m.State {
	case Delivered:
		return fact(m, "delivered"), true
	case Failed:
		return fact(m, "undelivered"), true
	}
	return call.Event{}, false
}

func fact(m Message, state string) call.Event {
	data, _ := json.Marshal(struct { // of strings: it cannot fail
		Purpose Purpose `json:"purpose"`
		State   string  `json:"state"`
		Promise string  `json:"promise,omitempty"`
	}{m.Purpose, state, m.Promise})
	return call.Event{At: time.Now(), Call: m.Contact, Kind: call.EventSMS, Data: data}
}
