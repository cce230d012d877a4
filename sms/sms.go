// Package sms sends text messages: an outbox that loses nothing, and the providers behind
// one small interface. It does not know why a message is sent.
//
//	Outbox    sends what is in the Store, in the order of its turn, one node a message at a time
//	Inbox     takes what citizens write: STOP, START, ANNULER, and what is for the agents
//	Provider  Hold (sends nothing), Twilio, OVH, HTTP; New makes the one that Config describes
//
// Whoever has something to tell enqueues a Message in its own transaction and wakes the
// Outbox; from then on its fate is the Outbox's, which saves it after each try. After a crash
// or a lost answer a message is never lost, and never sent twice where the provider can tell
// (Twilio and OVHcloud can, by Find; HTTP where Config says so): see Outbox.
package sms

import (
	"context"
	"errors"
	"time"

	"decroche/call"
)

// Purpose is what a message is for: one out of a closed set.
type Purpose string

const (
	Link        Purpose = "link"        // an address, at the caller's key
	Code        Purpose = "code"        // that the number is the citizen's
	Confirmed   Purpose = "confirmed"   // a callback was promised
	Reminder    Purpose = "reminder"    // before a slot
	Moved       Purpose = "moved"       // to another slot
	Dropped     Purpose = "cancelled"   // the callback is cancelled
	CarriedOver Purpose = "carried"     // the line closed first: when we call instead
	NotReached  Purpose = "unreachable" // all attempts failed: how to book again
	CutOff      Purpose = "cut_off"     // the line was cut: we call back
	Invitation  Purpose = "invitation"  // who hung up while waiting may book
	Reply       Purpose = "reply"       // to an incoming message
	Survey      Purpose = "survey"      // what did you think of the call?
	Access      Purpose = "access"      // what deaf and hard-of-hearing callers can do without a voice
	RelaySilent Purpose = "relay"       // the relay centre did not answer: when we try again
	Chat        Purpose = "chat"        // a message of a conversation
	Said        Purpose = "said"        // what was said on the line, at the caller's key
)

// State is where a message stands.
type State string

const (
	Queued    State = "queued"
	Sending   State = "sending" // a node has claimed it until its lease ends
	Sent      State = "sent"    // the provider took it
	Delivered State = "delivered"
	Failed    State = "failed"  // for good; Error says why
	Dropt     State = "dropped" // not needed any more, or the number has said STOP
)

// Message is one text message to a mobile.
type Message struct {
	ID int64
	// Key makes a message one: a second with the same key is not made. "promise:K3…:confirmed:1".
	Key     string
	To      call.Number
	Lang    call.Lang
	Text    string
	Purpose Purpose
	// Promise and Contact say whose it is; either may be empty.
	Promise string
	Contact call.ID

	// NotBefore is when it may leave; zero: now. After Expires it is dropped instead; zero: never.
	NotBefore, Expires time.Time

	State    State
	Created  time.Time
	NextAt   time.Time // of the next try
	Tries    int
	Provider string
	// ProviderID is the provider's name for it, once sent.
	ProviderID string
	SentAt     time.Time
	DoneAt     time.Time // delivered, failed or dropped
	Error      string    // without the number
	// MaybeTwice: a crash or a lost answer hid whether the provider took the first try, and it
	// could not be asked.
	MaybeTwice bool
	// Unsure: a try was begun whose fate is not known.
	Unsure bool
}

// Provider sends one message. Send returns the provider's id, or an error: *Refused will
// never work; *Later asks to wait; anything else wraps ErrUnsure when the provider may
// have taken the message, and is otherwise tried again.
type Provider interface {
	Name() string
	Send(ctx context.Context, m Message) (providerID string, err error)
}

// Finder is a Provider that can tell whether it took a message.
type Finder interface {
	Find(ctx context.Context, m Message) (providerID string, found bool, err error)
}

// ErrUnsure: the provider may have taken the message: a time-out, a connection cut, a 5xx.
var ErrUnsure = errors.New("the provider may have taken the message")

// Refused is an error that trying again does not mend.
type Refused struct {
	Code string // the provider's
	Why  string // without the number
	// Stopped: the citizen asked the provider for no more messages.
	Stopped bool
}

func (e *Refused) Error() string { return "refused by the provider (" + e.Code + "): " + e.Why }

// Later is an error that asks to wait.
type Later struct {
	After time.Duration
	Why   string
}

func (e *Later) Error() string { return "the provider asks to wait: " + e.Why }

// Incoming is a message that a citizen sent us.
type Incoming struct {
	ID         int64       `json:"id"`
	Provider   string      `json:"provider"`
	ProviderID string      `json:"provider_id"` // a replay has the same
	From       call.Number `json:"-"`
	Text       string      `json:"text"`
	At         time.Time   `json:"at"`
	// Handled is what was done: "stop", "start", "cancelled", "kept" (for the agents).
	Handled string `json:"handled"`
	// Answered says that the provider replies itself, as to STOP; it is not kept.
	Answered bool `json:"-"`
}

// Store is the outbox and the inbox. Its changes are durable when they return.
type Store interface {
	// Enqueue keeps messages to be sent; a key that is there already is left alone.
	Enqueue(ctx context.Context, ms ...Message) error
	// Claim gives the message whose turn it is (Queued with NextAt ≤ now, or Sending with an
	// ended lease, which is then Unsure), Sending until now+lease; ok is false when there is none.
	Claim(ctx context.Context, node string, now time.Time, lease time.Duration) (m Message, ok bool, err error)
	// Settle saves what became of a claimed message: State, NextAt, Tries, Provider, ProviderID,
	// SentAt, DoneAt, Error, MaybeTwice, Unsure.
	Settle(ctx context.Context, m Message) error
	// Report saves what the provider says later: Delivered or Failed. It gives the message as it
	// stands then, and whether this report changed it: one that comes again, or "sent" after
	// "delivered", does not. A message that is unknown is no error and has no ID.
	Report(ctx context.Context, provider, providerID string, s State, why string, at time.Time) (m Message, changed bool, err error)
	// Receive keeps an incoming message, once: first is false for a replay.
	Receive(ctx context.Context, in Incoming) (first bool, err error)
	// Block and Unblock remember STOP and START; Blocked tells. A blocked number's queued messages are dropped,
	// and none is claimed, but those of the purpose Code and Reply.
	Block(ctx context.Context, n call.Number, at time.Time) error
	Unblock(ctx context.Context, n call.Number) error
	Blocked(ctx context.Context, n call.Number) (bool, error)
	// Outbox lists the newest messages first; Inbox those received.
	Outbox(ctx context.Context, limit int) ([]Message, error)
	Inbox(ctx context.Context, limit int) ([]Incoming, error)
	// Backlog counts messages to be sent and tells how long the oldest of them is overdue.
	Backlog(ctx context.Context, now time.Time) (waiting int, oldest time.Duration, err error)
}
