package chat

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"decroche/call"
	"decroche/callback"
	"decroche/service"
	"decroche/sms"
	"decroche/text"
)

// The patience of a conversation.
const (
	// SlowAfter is how long a citizen waits, while the line is open, before being told that they
	// are not forgotten.
	SlowAfter = 10 * time.Minute
	// QuietAfter is how long an answer stays without a word of the citizen's before the
	// conversation is closed.
	QuietAfter = 72 * time.Hour
	// toldAgain is how long what was said of the hours holds.
	toldAgain = 8 * time.Hour
)

// Office takes what citizens and agents write. Every method may be called from any goroutine and node.
type Office struct {
	Store   Store
	Service func() *service.Definition
	Journal call.Journal
	// Blocked tells who has written STOP; nil: nobody.
	Blocked func(ctx context.Context, n call.Number) (bool, error)
	// RelayURL is the page to book a callback through the relay centre, "" where there is none.
	RelayURL func(lang call.Lang) string
	// Changed is told that a text message was enqueued; nil is allowed.
	Changed func()
	Log     *slog.Logger

	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

func (o *Office) clock() time.Time {
	if o.Now != nil {
		return o.Now()
	}
	return time.Now()
}

// On says whether citizens may write by a channel.
func (o *Office) On(by Channel) bool {
	def := o.Service()
	return def != nil && def.Access.Writes(string(by))
}

// Texted takes a text message that asks for nothing we know. taken is false where nobody reads
// text messages. The same message twice is one.
func (o *Office) Texted(ctx context.Context, in sms.Incoming, lang call.Lang) (taken bool, err error) {
	if !o.On(BySMS) || in.From == call.Withheld || in.From.Kind() != call.KindMobile {
		return false, nil
	}
	words := Tidy(in.Text)
	if words == "" {
		return false, nil
	}
	for again := range 3 { // it may be closed between the two
		key := fmt.Sprintf("sms:%s:%s:%d", in.Provider, in.ProviderID, again)
		c, err := o.Store.Open(ctx, o.begun(BySMS, in.From, lang), key)
		if err != nil {
			return false, err
		}
		_, err = o.Hear(ctx, c.ID, "sms:"+in.Provider+":"+in.ProviderID, words)
		if !errors.Is(err, ErrClosed) {
			return err == nil, err
		}
	}
	return false, fmt.Errorf("take a text message: %w", ErrClosed)
}

// Begin opens a conversation on a page with its first words. key is the page's: the same form
// sent twice is one conversation.
func (o *Office) Begin(ctx context.Context, lang call.Lang, key, words string) (Conversation, error) {
	if !o.On(ByWeb) {
		return Conversation{}, ErrOff
	}
	words, err := Check(words)
	if err != nil {
		return Conversation{}, err
	}
	c, err := o.Store.Open(ctx, o.begun(ByWeb, call.Withheld, lang), "web:"+key)
	if err != nil {
		return c, err
	}
	return o.Hear(ctx, c.ID, "web:"+key, words)
}

func (o *Office) begun(by Channel, n call.Number, lang call.Lang) Conversation {
	now := o.clock()
	return Conversation{
		ID: ID(callback.NewID()), Channel: by, Number: n, Lang: lang, Queue: o.Service().AccessQueue(), State: Waiting, Opened: now, Since: now,
	}
}

// Hear takes what the citizen writes in a conversation, and answers at once where there is
// something to say. It returns ErrClosed, ErrNone or ErrText.
func (o *Office) Hear(ctx context.Context, id ID, key, words string) (Conversation, error) {
	words, err := Check(words)
	if err != nil {
		return Conversation{}, err
	}
	now := o.clock()
	var first bool
	c, said, err := o.Store.Say(ctx, id, key, func(c *Conversation) (Change, error) {
		if c.State == Closed {
			return Change{}, ErrClosed
		}
		first = c.Last == 0
		var ch Change
		c.add(&ch, Message{Author: Citizen, Text: words, Key: key, At: now})
		if c.State == Answered {
			c.State, c.Since = Waiting, now
		}
		if hello := o.hello(c, first, now); hello != "" {
			c.Told = now
			c.add(&ch, Message{Author: Service, Text: hello, Key: key + ":hello", At: now})
		}
		return ch, nil
	})
	if err != nil || !said {
		return c, err
	}
	if first {
		o.tell(c, "opened")
	}
	o.changed(c)
	return c, nil
}

// hello is what the service says by itself to who has just written, "" for nothing.
func (o *Office) hello(c *Conversation, first bool, now time.Time) string {
	def := o.Service()
	opening := def.Opening(now)
	if opening.Open && !first || !opening.Open && now.Sub(c.Told) < toldAgain {
		return ""
	}
	id, when := "smschat.hello.open", opening.Next
	switch {
	case opening.Open:
	case when.IsZero():
		id = "smschat.hello.closed.bare"
	default:
		id = "smschat.hello.closed"
	}
	when = when.In(def.Location)
	said := o.say(c, id, "day", text.Day(c.Lang, when, now.In(def.Location)), "clock", text.Clock(c.Lang, when))
	return said + o.wayOut(c)
}

// wayOut is where a callback through the relay centre is booked, with a space before.
func (o *Office) wayOut(c *Conversation) string {
	if o.RelayURL == nil {
		return ""
	}
	url := o.RelayURL(c.Lang)
	if url == "" {
		return ""
	}
	return " " + o.say(c, "smschat.relay", "link", url)
}

func (o *Office) say(c *Conversation, id string, pairs ...any) string {
	def := o.Service()
	name := cmp.Or(def.Name[c.Lang].Say, def.Name[def.Languages[0]].Say)
	return text.Get(c.Lang, id, append(pairs, "service", name)...)
}

// Answer writes what an agent answers. The first to answer has the conversation; another agent
// gets a *TakenError unless they take it over. key makes a request that is sent twice one answer. It
// returns ErrClosed, ErrNone, ErrText or ErrStop.
func (o *Office) Answer(ctx context.Context, id ID, agent call.AgentID, key, words string, takeOver bool) (Conversation, error) {
	words, err := Check(words)
	if err != nil {
		return Conversation{}, err
	}
	if err := o.mayWrite(ctx, id); err != nil {
		return Conversation{}, err
	}
	now, key := o.clock(), "agent:"+cmp.Or(key, string(callback.NewID()))
	var waited time.Duration
	c, said, err := o.Store.Say(ctx, id, key, func(c *Conversation) (Change, error) {
		if err := c.takenBy(agent, takeOver); err != nil {
			return Change{}, err
		}
		waited = 0
		if c.State == Waiting {
			waited = now.Sub(c.Since)
		}
		c.Agent, c.State, c.Since = agent, Answered, now
		var ch Change
		c.add(&ch, Message{Author: Agent, Agent: agent, Text: words, Key: key, At: now})
		return ch, nil
	})
	if err != nil || !said {
		return c, err
	}
	o.tell(c, "answered", "agent", agent, "waited_ms", waited.Milliseconds())
	o.changed(c)
	return c, nil
}

func (o *Office) mayWrite(ctx context.Context, id ID) error {
	c, err := o.Store.Conversation(ctx, id)
	if err != nil || o.Blocked == nil || c.Channel != BySMS {
		return err
	}
	blocked, err := o.Blocked(ctx, c.Number)
	if err == nil && blocked {
		return ErrStop
	}
	return err
}

func (c *Conversation) takenBy(agent call.AgentID, over bool) error {
	switch {
	case c.State == Closed:
		return ErrClosed
	case c.Agent != "" && c.Agent != agent && !over:
		return &TakenError{By: c.Agent}
	}
	return nil
}

// Close ends a conversation; one that is closed stays so.
func (o *Office) Close(ctx context.Context, id ID, agent call.AgentID) (Conversation, error) {
	return o.close(ctx, id, agent, func(*Conversation) bool { return true })
}

func (o *Office) close(ctx context.Context, id ID, agent call.AgentID, still func(*Conversation) bool) (Conversation, error) {
	done := false
	c, _, err := o.Store.Say(ctx, id, "", func(c *Conversation) (Change, error) {
		if done = c.State != Closed && still(c); done {
			c.State, c.Since = Closed, o.clock()
		}
		return Change{}, nil
	})
	if err == nil && done {
		o.tell(c, "closed", "agent", agent)
	}
	return c, err
}

// add appends a message to a change, with the text message that carries it.
func (c *Conversation) add(ch *Change, m Message) {
	c.Last++
	m.Seq = c.Last
	ch.Messages = append(ch.Messages, m)
	if c.Channel != BySMS || m.Author == Citizen {
		return
	}
	ch.Texts = append(ch.Texts, sms.Message{
		Key: TextKey(c.ID, m.Seq), To: c.Number, Lang: c.Lang, Purpose: sms.Chat, Text: callback.Plain(m.Text), Created: m.At,
		Expires: m.At.Add(24 * time.Hour),
	})
}

// TextKey names the text message that carries a message.
func TextKey(id ID, seq int64) string { return fmt.Sprintf("chat:%s:%d", id, seq) }

// Check gives a text as it is kept, or ErrText.
func Check(words string) (string, error) {
	words = Tidy(words)
	switch n := utf8.RuneCountInString(words); {
	case n == 0:
		return "", fmt.Errorf("%w: it is empty", ErrText)
	case n > MaxText:
		return "", fmt.Errorf("%w: it has %d characters, at most %d: send it in two", ErrText, n, MaxText)
	}
	return words, nil
}

// Tidy drops what is not writing: blanks around, and control characters but the ends of lines.
func Tidy(words string) string {
	words = strings.ReplaceAll(strings.ToValidUTF8(words, "\uFFFD"), "\r\n", "\n")
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
			return -1
		}
		return r
	}, words))
}

func (o *Office) changed(c Conversation) {
	if c.Channel == BySMS && o.Changed != nil {
		o.Changed()
	}
}

func (o *Office) tell(c Conversation, what string, pairs ...any) {
	data := map[string]any{"what": what, "conversation": c.ID, "channel": c.Channel, "queue": c.Queue, "lang": c.Lang}
	for i := 0; i+1 < len(pairs); i += 2 {
		data[pairs[i].(string)] = pairs[i+1]
	}
	o.Journal.Append(call.NewEvent("", call.EventConversation, data))
}

// Look tells who waits for long that they are not forgotten, and closes what is quiet.
func (o *Office) Look(ctx context.Context) error {
	open, err := o.Store.Conversations(ctx, Filter{States: []State{Waiting, Answered}, Limit: 10_000})
	if err != nil {
		return err
	}
	now, def := o.clock(), o.Service()
	working := def.Opening(now).Open && def.Opening(now.Add(-SlowAfter)).Open
	for _, c := range open {
		switch quiet := now.Sub(c.Since); {
		case c.State == Answered && quiet >= QuietAfter:
			_, err = o.close(ctx, c.ID, "", func(now *Conversation) bool { return now.Last == c.Last })
		case c.State == Waiting && quiet >= SlowAfter && working && c.Last > 0:
			err = o.slow(ctx, c)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// slow tells a citizen once a wait that it takes long.
func (o *Office) slow(ctx context.Context, seen Conversation) error {
	now, key := o.clock(), fmt.Sprintf("slow:%d", seen.Since.UnixMilli())
	c, said, err := o.Store.Say(ctx, seen.ID, key, func(c *Conversation) (Change, error) {
		if c.State != Waiting || !c.Since.Equal(seen.Since) {
			return Change{}, errLate
		}
		var ch Change
		c.Told = now
		c.add(&ch, Message{Author: Service, Text: o.say(c, "smschat.slow") + o.wayOut(c), Key: key, At: now})
		return ch, nil
	})
	switch {
	case errors.Is(err, errLate):
		return nil
	case err == nil && said:
		o.tell(c, "slow")
		o.changed(c)
	}
	return err
}

// errLate says inside a change that somebody was faster.
var errLate = errors.New("the conversation has gone on")

// lookEvery is how often conversations are looked at.
const lookEvery = 20 * time.Second

// Run looks at conversations until ctx ends.
func (o *Office) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		if err := o.Look(ctx); err != nil && ctx.Err() == nil {
			o.Log.Error("conversations could not be looked at; it is tried again", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
