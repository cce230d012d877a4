// Package chat is conversations in writing: by text message, or on a page, with no voice at all.
// Deaf callers, and whoever cannot or will not speak, have the same agents by it.
//
//	Office        takes what citizens and agents write, answers at once, and forgets nobody
//	Conversation  what is said with one citizen; Message is one word of it
//	Store         keeps both; the same words that come twice are kept once
//
// The service itself writes first: that the message is there, who answers and when. An agent takes
// a conversation by answering it. Who waits for long is told so, once, with the ways out; what has
// been quiet for days after an answer is closed, and a citizen who writes again opens another.
package chat

import (
	"context"
	"errors"
	"fmt"
	"time"

	"decroche/call"
	"decroche/sms"
)

// ID names a conversation: ten characters of Crockford's base 32.
type ID string

// Channel is what carries a conversation.
type Channel string

const (
	BySMS Channel = "sms"
	ByWeb Channel = "web"
)

// State is where a conversation stands.
type State string

const (
	Waiting  State = "waiting"  // the citizen waits for an agent
	Answered State = "answered" // an agent wrote last
	Closed   State = "closed"
)

// Author is who wrote a message.
type Author string

const (
	Citizen Author = "citizen"
	Agent   Author = "agent"
	Service Author = "service" // by itself
)

// Conversation is with one citizen.
type Conversation struct {
	ID      ID           `json:"id"`
	Channel Channel      `json:"channel"`
	Number  call.Number  `json:"-"` // Withheld on a page
	Lang    call.Lang    `json:"lang"`
	Queue   string       `json:"queue"`
	State   State        `json:"state"`
	Agent   call.AgentID `json:"agent,omitempty"` // who answers it
	Opened  time.Time    `json:"opened"`
	// Since is when it came into its state; Told when the service last wrote by itself.
	Since time.Time `json:"since"`
	Told  time.Time `json:"told,omitzero"`
	// Last is the number of the last message, from 1.
	Last int64 `json:"last"`
}

// Message is what was written once.
type Message struct {
	Seq    int64        `json:"seq"` // from 1, without a gap
	Author Author       `json:"author"`
	Agent  call.AgentID `json:"agent,omitempty"`
	Text   string       `json:"text"`
	At     time.Time    `json:"at"`
	// SMS is what became of it on its way, "" where it goes by no text message.
	SMS sms.State `json:"sms,omitempty"`
	// Key is the writer's: the same key twice in a conversation is the same message.
	Key string `json:"-"`
}

// Change is what a conversation gains: messages, and the text messages that carry them.
type Change struct {
	Messages []Message
	Texts    []sms.Message
}

// Filter chooses conversations.
type Filter struct {
	States []State // none: all
	Queue  string
	Limit  int // 0: 200
}

// Store keeps conversations. Its changes are durable when they return.
type Store interface {
	// Open keeps a new conversation under a key, and gives the one there is: that of the key, or
	// for BySMS the one of the number that is not closed.
	Open(ctx context.Context, c Conversation, key string) (Conversation, error)
	// Say changes a conversation by fn, in one transaction with what it returns. When the
	// conversation has a message with the key, nothing is changed and said is false. An error of
	// fn is returned as it is. fn may run more than once.
	Say(ctx context.Context, id ID, key string, fn func(c *Conversation) (Change, error)) (c Conversation, said bool, err error)
	// Conversation returns one, or ErrNone.
	Conversation(ctx context.Context, id ID) (Conversation, error)
	// Messages lists those after a number, the oldest first.
	Messages(ctx context.Context, id ID, after int64) ([]Message, error)
	// Conversations lists those that a filter chooses; who waits for longest first.
	Conversations(ctx context.Context, f Filter) ([]Conversation, error)
}

// Errors of conversations.
var (
	ErrNone   = errors.New("there is no such conversation")
	ErrClosed = errors.New("the conversation is closed")
	ErrOff    = errors.New("the service is not written to this way")
	ErrStop   = errors.New("the citizen has written STOP: no text message may be sent to them")
	ErrText   = errors.New("the text cannot be taken")
)

// TakenError: another agent answers the conversation.
type TakenError struct{ By call.AgentID }

func (e *TakenError) Error() string {
	return fmt.Sprintf("agent %s answers this conversation: say that you take it over", e.By)
}

// MaxText is how many characters a message may have.
const MaxText = 1000
