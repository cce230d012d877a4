// Package call is the vocabulary of a telephone call: its identity, what can be
// said and heard on it, how it is held, connected and ended, and how its journey
// is saved so that another process can take it up where it stood.
//
// One goroutine owns each call (see Runner). Every method of Call takes a context
// that ends when the caller hangs up; context.Cause then says why: ErrHangup,
// ErrDetach (the controller stops and leaves the caller in place) or ErrFenced
// (another controller owns the call).
package call

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ID names a call. It is the id of the caller's channel in Asterisk, unique over
// nodes and restarts, safe in a file name.
type ID string

// AgentID names an agent: the user part of the SIP account, "2001".
type AgentID string

// Lang is a language as BCP 47 writes it: "fr", "en".
type Lang string

var (
	// ErrHangup is the cause of a context whose caller hung up.
	ErrHangup = errors.New("the caller hung up")
	// ErrCutOff is the cause when the line broke and the caller did not hang up on purpose. It is an ErrHangup.
	ErrCutOff = fmt.Errorf("%w: the line was cut", ErrHangup)
	// ErrDetach is the cause when the controller stops and leaves the caller in place.
	ErrDetach = errors.New("the controller stops and leaves the call in place")
	// ErrFenced is the cause when another controller owns the call.
	ErrFenced = errors.New("another controller owns the call")
	// ErrNoInput is returned by Call.Read when no digit came in time.
	ErrNoInput = errors.New("no digit came")
	// ErrTechnical wraps what went wrong with the telephone exchange while the caller was still there.
	ErrTechnical = errors.New("the exchange failed")
)

// Sound is something to be heard: a ready-coded file.
type Sound struct {
	// Path is the file without its extension, absolute, as Asterisk sees it.
	Path string
	// Name is what logs, journals and tests call it: "welcome", "position.3", "message:7".
	Name string
	Lang Lang
	Text string
	// Duration is the real length of the file.
	Duration time.Duration
	// Voice is who says it, an engine and its voice: "pico fr-FR"; "" for a recording.
	Voice string
}

// Info is what is known of a call when it comes in.
type Info struct {
	ID ID
	// From is the caller, withheld numbers are Withheld; To is the number dialled. Of a call
	// that we place, From is the citizen on the other end and To the number of ours that is shown.
	From, To Number
	// Outgoing says that we place the call.
	Outgoing bool `json:",omitempty"`
	// Arrived is when the exchange took the call, before any answer of ours.
	Arrived time.Time
	// Trunk is the operator's trunk the call came by.
	Trunk string
	// Resumed says that an earlier controller drove this call already.
	Resumed bool
	// HeldByDialplan is how long the dialplan kept the caller while no controller was there.
	HeldByDialplan time.Duration
}

// Digit is one key of a telephone: 0-9, * and #. It is never logged.
type Digit byte

// Call is one caller, answered, on the line. Its methods are called from the
// goroutine that owns the call, one at a time.
type Call interface {
	Info() Info

	// Say plays the sounds in order and returns when the last has ended, or at once
	// when there is none. Digits typed meanwhile are kept for the next Read.
	Say(ctx context.Context, sounds ...Sound) error

	// SayUnlessKey is Say for those who know the way: a digit, typed early or meanwhile,
	// ends it and stays for the next Read. It tells whether the last sound ended by itself.
	SayUnlessKey(ctx context.Context, sounds ...Sound) (heard bool, err error)

	// Read returns the next digit. A digit typed early is returned at once, and nothing
	// is played. A digit stops the sounds. After the last sound it waits for up to
	// timeout, then returns ErrNoInput.
	Read(ctx context.Context, timeout time.Duration, sounds ...Sound) (Digit, error)

	// Unread gives a digit back: the next Read returns it.
	Unread(Digit)

	// Flush forgets digits typed early.
	Flush()

	// Hold puts the caller on music, which goes on when this process dies. It returns
	// once the exchange has taken it. Holding a held caller does nothing.
	Hold(ctx context.Context) error

	// Announce says the sounds to a held caller; the music comes back by itself. It
	// returns at once. A later Announce replaces one that still plays.
	Announce(ctx context.Context, sounds ...Sound) error

	// Digits gives the digits typed while held, as they come. Digits are taken from
	// here or by Read, each one once.
	Digits() <-chan Digit

	// Ring rings the agent's phone while the caller stays on hold.
	// It returns when the agent has answered, or an error of type *RingError. It may run
	// beside the other methods.
	Ring(ctx context.Context, r Ring) (AgentLeg, error)

	// ResumeLeg finds an agent's leg again after a restart of the controller, or tells
	// that it is gone.
	ResumeLeg(ctx context.Context, st LegState) (AgentLeg, bool)

	// Hangup ends the call in good order.
	Hangup(ctx context.Context) error
}

// Recorder is a call that can be recorded.
type Recorder interface {
	Call
	// Record records what is said on the line from now on, for up to longest, until # is typed or
	// nothing is said for a while. It gives a WAV file.
	Record(ctx context.Context, longest time.Duration) (wav []byte, err error)
}

// Outgoing is a call that we place. Until Dial has returned nil nobody is on the line: only
// Info, Ring and ResumeLeg may be used, and the context ends when the call is given up.
type Outgoing interface {
	Call
	// Dial rings the citizen and returns when they have answered, or an error of type *RingError.
	Dial(ctx context.Context, d Dial) error
	// Confirm says the sounds and waits for up to timeout after them for a sign of a person:
	// a key, or a short answer spoken after the question. It returns ErrNoInput when none
	// comes, as from a voicemail, which talks on or is silent.
	Confirm(ctx context.Context, timeout time.Duration, sounds ...Sound) error
}

// Dial is how a citizen is rung. Whom and with which number shown, the call's Info says.
type Dial struct {
	Timeout time.Duration
	// Started is called once the exchange has taken the command; nil is allowed.
	Started func()
}

// Ring is how an agent is rung.
type Ring struct {
	Agent   AgentID
	Timeout time.Duration
	// Show is the number shown on the agent's phone; Name the text beside it.
	Show Number
	Name string
}

// RingResult says why a ring did not end with an answer.
type RingResult string

const (
	NoAnswer    RingResult = "no_answer"
	Busy        RingResult = "busy"
	Refused     RingResult = "refused"
	Unreachable RingResult = "unreachable"
	// NoLine: our own way out failed, the operator or the way to it; nothing is known of who was called.
	NoLine RingResult = "no_line"
)

// RingError is a ring without an answer: of an agent, or of a citizen whom we call.
type RingError struct {
	Agent  AgentID // "" for a citizen
	Result RingResult
}

func (e *RingError) Error() string {
	if e.Agent == "" {
		return "the citizen was rung: " + string(e.Result)
	}
	return "agent " + string(e.Agent) + " was rung: " + string(e.Result)
}

// AgentLeg is an agent who has answered and does not hear the caller yet.
type AgentLeg interface {
	// Agent is who is on the leg; an attended transfer changes it.
	Agent() AgentID
	// Whisper says the sounds to the agent alone, and returns when they have ended.
	Whisper(ctx context.Context, sounds ...Sound) error
	// Gone is closed when the agent's phone has ended the leg, and not by Release.
	Gone() <-chan struct{}
	// Ringback lets the agent hear a phone ring, until it is told off, something is whispered
	// or Bridge puts them together. An agent who has hung up is no failure.
	Ringback(ctx context.Context, on bool) error
	// Bridge lets caller and agent talk until one of them leaves or the call is transferred,
	// and returns how it ended. ctx ends with the caller; the agent's leg is then closed.
	// After Transferred, Agent is who has the caller now; call Bridge again to go on.
	Bridge(ctx context.Context, observe func(TalkEvent)) (TalkEnd, error)
	// Release ends the leg if it is still up. It is safe to call at any time.
	Release(ctx context.Context)
	// State is what must be kept for Resume to find this leg again.
	State() LegState
}

// LegState is an agent's leg as a checkpoint keeps it.
type LegState struct {
	Agent   AgentID `json:"agent"`
	Channel string  `json:"channel"`
	Bridge  string  `json:"bridge"`
}

// TalkEvent is something that happens while caller and agent talk.
type TalkEvent struct {
	Kind  EventKind // EventHold, EventUnhold
	Agent AgentID
}

// Guest is a third party who is asked into a conversation: an interpreter.
type Guest struct {
	Name   string // of the definition: "es"
	Number Number
	Trunk  string
	Show   Number // the number shown
}

// GuestEvent is what becomes of a guest.
type GuestEvent struct {
	What  GuestWhat
	Name  string
	Agent AgentID
	// Talked is how long they were in the conversation, of GuestLeft; Result says why they never
	// were, of GuestUnreached.
	Talked time.Duration
	Result RingResult
}

// GuestWhat is what a GuestEvent tells.
type GuestWhat string

const (
	GuestAsked     GuestWhat = "asked"
	GuestJoined    GuestWhat = "joined"
	GuestLeft      GuestWhat = "left"
	GuestUnreached GuestWhat = "unreached"
)

// TalkEnd says who ended the conversation.
type TalkEnd string

const (
	CallerLeft TalkEnd = "caller"
	AgentLeft  TalkEnd = "agent"
	// Transferred is not an end: a colleague has the caller now.
	Transferred TalkEnd = "transferred"
)
