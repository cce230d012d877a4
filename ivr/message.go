package ivr

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"
	"unicode/utf8"

	"decroche/call"
	"decroche/service"
)

const (
	// MessageMaxLife is the longest time an incident message may run.
	MessageMaxLife = 31 * 24 * time.Hour
	// MessageMaxText is the longest text of a message in one language, in characters.
	MessageMaxText = service.MessageMaxText
	// messageLang is the language every message must be written in: the line's callers
	// are those of a French public service.
	messageLang = call.Lang("fr")
)

// ErrNoMessage is of an id that no message has, ErrMessageOver of one whose place was to be taken and that is over,
// ErrMessageReused of a form or a request that made another message before, ErrNotHeld of a message that waits for
// no second person any more.
var (
	ErrNoMessage     = errors.New("there is no such message")
	ErrMessageOver   = errors.New("the message that this one takes the place of is over")
	ErrMessageReused = errors.New("the key of the request was used for another message")
	ErrNotHeld       = errors.New("the message waits for no second person any more")
)

// Message is an incident message: what callers hear now, for as long as it runs.
type Message struct {
	ID   int64
	Text map[call.Lang]string
	// Sound names recordings that are said in place of the text of their language; the text
	// is what is read of it on the page and in text messages.
	Sound map[call.Lang]string
	// Queue is the queue whose callers hear it, MessageMenu and a menu for those who come to that
	// menu, "" for all.
	Queue string
	// Replace says that the message takes the place of the journey: who calls now hears it
	// and is let go. Callers who wait already hear it and keep their place.
	Replace bool
	// Offer is what is offered after the words: OfferCallback, OfferExit, OfferLink and a link of the
	// service, or "" for nothing. A message that replaces the journey offers nothing.
	Offer string
	// Held: it waits for a second person. ApprovedBy is who let it out; "" where nobody had to.
	Held       bool
	ApprovedBy string
	// Instead is a message that this one takes the place of, from the moment it is heard; 0 for none. Continues is
	// the first message with the same words that it goes on from: who heard that one is not told again; 0 for none.
	Instead, Continues int64
	// From and Until bound the message: From ≤ now < Until. Until is never zero.
	From, Until time.Time
	Created     time.Time
	CreatedBy   string
	// Stopped is when somebody ended it early, zero while nobody did.
	Stopped   time.Time
	StoppedBy string
}

// Over says that no caller will hear the message after that time.
func (m Message) Over(at time.Time) bool {
	return !at.Before(m.Until) || !m.Stopped.IsZero() && !at.Before(m.Stopped)
}

// Active says whether callers hear the message at that time.
func (m Message) Active(at time.Time) bool {
	return !m.Held && !at.Before(m.From) && !m.Over(at)
}

// MadeAt says that the request of this moment made the message, and none before it. The log is told of that one.
func (m Message) MadeAt(created time.Time) bool { return m.Created.UnixMilli() == created.UnixMilli() }

// StoppedAt says that it is the stop of this moment that ended the message, and none before it.
func (m Message) StoppedAt(at time.Time) bool { return m.Stopped.UnixMilli() == at.UnixMilli() }

// Words is the id by which callers are known to have heard these words.
func (m Message) Words() int64 { return cmp.Or(m.Continues, m.ID) }

// SameWords says that callers hear the same of two messages.
func (m Message) SameWords(o Message) bool {
	return maps.Equal(m.Text, o.Text) && maps.Equal(m.Sound, o.Sound) && m.Offer == o.Offer && m.Replace == o.Replace
}

// Validate says everything that is wrong with a message about to be published at now.
func (m Message) Validate(now time.Time) error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }

	switch {
	case m.Until.IsZero():
		fail("the end of the message is missing: say until when it is heard")
	case !m.Until.After(now):
		fail("the end of the message is in the past: %s", m.Until.Format(time.RFC3339))
	case m.Until.Sub(now) > MessageMaxLife:
		fail("the end of the message is too far: %s, at most %d days from now", m.Until.Format(time.RFC3339), MessageMaxLife/(24*time.Hour))
	case !m.From.Before(m.Until):
		fail("the message ends before it starts: from %s until %s", m.From.Format(time.RFC3339), m.Until.Format(time.RFC3339))
	}
	if strings.TrimSpace(m.Text[messageLang]) == "" {
		fail("the text in French is missing")
	}
	for lang, text := range m.Text {
		switch n := utf8.RuneCountInString(text); {
		case lang == "":
			fail("a text has no language")
		case !utf8.ValidString(text) || strings.ContainsRune(text, 0):
			fail("the text in %s is not valid UTF-8 text", lang)
		case strings.TrimSpace(text) == "" && lang != messageLang:
			fail("the text in %s is empty: write it or leave the language out", lang)
		case n > MessageMaxText:
			fail("the text in %s has %d characters: at most %d", lang, n, MessageMaxText)
		}
	}
	if link, is := m.Link(); m.Offer != "" && m.Offer != OfferCallback && m.Offer != OfferExit && (!is || link == "") {
		fail("what the message offers is %q: write callback, exit, or link: and the name of a link", m.Offer)
	}
	if m.Offer != "" && m.Replace {
		fail("a message that takes the place of the journey offers nothing: leave one of the two out")
	}
	for lang, sound := range m.Sound {
		if m.Text[lang] == "" {
			fail("the recording in %s has no text: write what it says, for those who read it", lang)
		}
		if len(sound) > 200 || strings.ContainsAny(sound, "/\\") {
			fail("the recording in %s has no name of a recording", lang)
		}
	}
	return errors.Join(errs...)
}

// What a message may offer.
const (
	OfferCallback = "callback" // to be called back
	OfferExit     = "exit"     // to end the call: the message was all they needed
	OfferLink     = "link:"    // a link, by text message or said
)

// Link is the link that the message offers.
func (m Message) Link() (id string, ok bool) { return strings.CutPrefix(m.Offer, OfferLink) }

// ErrOwnMessage is of who would let out what they wrote themselves.
var ErrOwnMessage = errors.New("a message is let out by another person than who wrote it")

// MessageMenu begins the place of a message that is heard in a menu.
const MessageMenu = "menu:"

// MessageRecording begins the name of a message's recording, as a voice is asked for it.
const MessageRecording = "message:"

// Phrase is what a voice says of the message in a language that it has.
func (m Message) Phrase(lang call.Lang) service.Phrase {
	p := service.Phrase{Say: m.Text[lang]}
	if sound := m.Sound[lang]; sound != "" {
		p.Recording = MessageRecording + sound
	}
	return p
}

// SoundName is what logs, journals and tests call the message's sound.
func (m Message) SoundName() string { return fmt.Sprintf("message:%d", m.ID) }
