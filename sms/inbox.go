package sms

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"decroche/call"
	"decroche/text"
)

// Inbox takes what citizens write to us: STOP and START are honoured and remembered, ANNULER
// cancels the callback, and anything else is kept for the agents.
type Inbox struct {
	Store Store
	// Cancel cancels the callback of a number; ok is false when it has none. Who cancels tells
	// the citizen. nil: there are no callbacks.
	Cancel func(ctx context.Context, from call.Number) (ok bool, err error)
	// Talk takes what asks for nothing else into a conversation with the agents; taken is false
	// where nobody reads text messages. nil: nobody does.
	Talk func(ctx context.Context, in Incoming) (taken bool, err error)
	// Service is the name in front of replies; Phone is how to call us, as people write it.
	// Without both nobody is replied to.
	Service func() string
	Phone   func() string
	// Lang is the language of who has written; nil, or an empty answer: French.
	Lang func(ctx context.Context, from call.Number) call.Lang
	// Changed is called after a reply was enqueued; it may be nil.
	Changed func()
	Log     *slog.Logger

	mu sync.Mutex // one message at a time: a replay that comes at once sees the first
}

// What was done with a message: values of Incoming.Handled.
const (
	HandledStop      = "stop"
	HandledStart     = "start"
	HandledCancelled = "cancelled"
	HandledTalked    = "talked" // it is part of a conversation
	HandledKept      = "kept"
)

// replays is how many messages back a replay is known by its id before anything is done again.
const replays = 1000

// Receive does what a message asks for, then keeps it: after a crash between the two, the
// provider's second delivery does it again, which changes nothing. It returns an error when
// the message is not kept; the provider should deliver it again.
func (b *Inbox) Receive(ctx context.Context, in Incoming) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	known, err := b.known(ctx, in)
	if err != nil {
		return fmt.Errorf("look for an incoming message: %w", err)
	}
	if known {
		b.Log.Info("an incoming message came again", "provider", in.Provider)
		return nil
	}
	in.Handled, err = b.act(ctx, in)
	if err != nil {
		return fmt.Errorf("handle an incoming message: %w", err)
	}
	if _, err := b.Store.Receive(ctx, in); err != nil {
		return fmt.Errorf("keep an incoming message: %w", err)
	}
	b.Log.Info("incoming message", "provider", in.Provider, "handled", in.Handled)
	return nil
}

func (b *Inbox) known(ctx context.Context, in Incoming) (bool, error) {
	last, err := b.Store.Inbox(ctx, replays)
	if err != nil {
		return false, err
	}
	for _, l := range last {
		if l.Provider == in.Provider && l.ProviderID == in.ProviderID {
			return true, nil
		}
	}
	return false, nil
}

func (b *Inbox) act(ctx context.Context, in Incoming) (handled string, err error) {
	if in.From == call.Withheld { // a short number or a name: there is nobody to answer
		return HandledKept, nil
	}
	switch meaning(in.Text) {
	case HandledStop:
		return HandledStop, b.stop(ctx, in)
	case HandledStart:
		return HandledStart, b.start(ctx, in)
	case HandledCancelled:
		return b.cancel(ctx, in)
	}
	if b.Talk != nil {
		if taken, err := b.Talk(ctx, in); err != nil || taken {
			return HandledTalked, err
		}
	}
	return HandledKept, b.reply(ctx, in, "unread", daily(in))
}

// stop replies before it blocks: the reply of a first STOP is not lost in a crash, and a
// second STOP, by an answering machine maybe, is not replied to.
func (b *Inbox) stop(ctx context.Context, in Incoming) error {
	blocked, err := b.Store.Blocked(ctx, in.From)
	if err != nil {
		return err
	}
	if !blocked {
		if err := b.reply(ctx, in, "stopped", in.Provider+":"+in.ProviderID); err != nil {
			return err
		}
	}
	return b.Store.Block(ctx, in.From, in.At)
}

func (b *Inbox) start(ctx context.Context, in Incoming) error {
	blocked, err := b.Store.Blocked(ctx, in.From)
	if err != nil {
		return err
	}
	if blocked {
		if err := b.reply(ctx, in, "started", in.Provider+":"+in.ProviderID); err != nil {
			return err
		}
	}
	return b.Store.Unblock(ctx, in.From)
}

func (b *Inbox) cancel(ctx context.Context, in Incoming) (string, error) {
	if b.Cancel == nil {
		return HandledKept, b.reply(ctx, in, "nothing", daily(in))
	}
	ok, err := b.Cancel(ctx, in.From)
	switch {
	case err != nil:
		// The provider may not deliver it again: kept for the agents, who see that it asks.
		b.Log.Error("a callback that a text message cancels is not cancelled; the message is kept for the agents", "err", err)
		return HandledKept, nil
	case !ok:
		return HandledKept, b.reply(ctx, in, "nothing", daily(in))
	}
	return HandledCancelled, nil
}

// reply enqueues one reply for each key.
func (b *Inbox) reply(ctx context.Context, in Incoming, id, key string) error {
	if in.Answered || b.Service == nil || b.Phone == nil {
		return nil
	}
	lang := call.Lang("fr")
	if b.Lang != nil {
		if l := b.Lang(ctx, in.From); l != "" {
			lang = l
		}
	}
	m := Message{
		Key: "reply:" + id + ":" + key, To: in.From, Lang: lang, Purpose: Reply, Created: in.At,
		Text: text.Get(lang, "smsreply."+id, "service", b.Service(), "number", b.Phone()),
		// A reply that comes the next day puzzles more than it helps.
		Expires: in.At.Add(12 * time.Hour),
	}
	if err := b.Store.Enqueue(ctx, m); err != nil {
		return fmt.Errorf("enqueue a reply: %w", err)
	}
	if b.Changed != nil {
		b.Changed()
	}
	return nil
}

// daily is a key that one number has once a day. It does not show the number.
func daily(in Incoming) string {
	sum := sha256.Sum256([]byte(in.From))
	return hex.EncodeToString(sum[:8]) + ":" + in.At.UTC().Format(time.DateOnly)
}

// words are the messages that ask for something, written without accents, in capitals. Only a
// message of such words alone asks: "stop, on se rappelle" is for a person to read.
var words = map[string]string{
	"STOP": HandledStop, "STOPALL": HandledStop, "STOPSMS": HandledStop, "ARRET": HandledStop, "ARRETE": HandledStop,
	"ARRETER": HandledStop, "ARRETEZ": HandledStop, "UNSUBSCRIBE": HandledStop, "DESABONNER": HandledStop, "DESINSCRIRE": HandledStop,
	"START": HandledStart, "UNSTOP": HandledStart, "REPRENDRE": HandledStart, "REPRISE": HandledStart,
	"ANNULER": HandledCancelled, "ANNULE": HandledCancelled, "ANNULEZ": HandledCancelled, "ANNULATION": HandledCancelled,
	"CANCEL": HandledCancelled, "ANULAR": HandledCancelled, "CANCELAR": HandledCancelled,
	"ABSAGEN": HandledCancelled, "STORNIEREN": HandledCancelled, "ANNULLA": HandledCancelled, "ANNULLARE": HandledCancelled,
}

// meaning reads a message as people write it: any case, with or without accents, blanks and
// punctuation around, "S T O P", "stop." or the word with our name behind it left out.
func meaning(s string) string {
	if len(s) > 400 {
		return ""
	}
	var b strings.Builder
	for _, r := range norm.NFKD.String(s) {
		if unicode.IsLetter(r) {
			b.WriteRune(unicode.ToUpper(r))
		}
	}
	return words[b.String()]
}
