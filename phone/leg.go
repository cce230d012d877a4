package phone

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"decroche/ari"
	"decroche/call"
)

// legPrefix begins the id of every channel we make towards an agent.
const legPrefix = "leg-"

// process makes the ids of this process differ from those of the process before.
var process = strconv.FormatInt(time.Now().UnixMilli(), 36) + "-"

// talkPrefix begins the id of a conversation's bridge.
const talkPrefix = "talk-"

var legSeq atomic.Int64

func newLegID() string { return legPrefix + process + strconv.FormatInt(legSeq.Add(1), 10) }

// transfersAskUs makes Asterisk hand an agent's REFER to us instead of obeying it.
var transfersAskUs = map[string]string{"PJSIP_TRANSFER_HANDLING()": "ari-only"}

// leg is an agent's phone in a call; it implements call.AgentLeg.
type leg struct {
	l        *line
	bridge   string
	answered chan struct{}
	events   chan call.TalkEvent
	moved    chan struct{} // a transfer has changed the agent
	answer   func()        // closes answered; it may be called more than once

	mu      sync.Mutex
	channel string
	agent   call.AgentID
	cause   int
	gone    chan struct{} // closed when the agent's channel has ended
	placed  bool          // Asterisk has made the channel
	ended   bool
	bridged bool
	closed  chan struct{} // by shut, when the conversation has ended for good
	shut    func()
	rings   bool            // the agent hears a phone ring
	over    bool            // the conversation has ended
	moving  <-chan struct{} // closed when the transfer under way is decided; nil: none
	settle  func()          // ends the consultation a transfer came from, once the journey knows of it
}

func (l *line) newLeg(channel string, agent call.AgentID) *leg {
	g := &leg{
		l: l, channel: channel, agent: agent, bridge: talkPrefix + l.id,
		answered: make(chan struct{}), gone: make(chan struct{}), events: make(chan call.TalkEvent, 16), moved: make(chan struct{}, 1), closed: make(chan struct{}),
	}
	g.shut = sync.OnceFunc(func() { close(g.closed) })
	g.answer = sync.OnceFunc(func() { close(g.answered) })
	l.mu.Lock()
	l.legs[channel] = g
	l.mu.Unlock()
	l.mail.Add(channel) // before the channel exists: nothing about it is missed
	return g
}

func (l *line) leg(channel string) *leg {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.legs[channel]
}

func (l *line) hasLeg(channel string) bool { return l.leg(channel) != nil }

// Ring implements call.Call.
func (l *line) Ring(ctx context.Context, r call.Ring) (call.AgentLeg, error) {
	g := l.newLeg(newLegID(), r.Agent)
	o := ari.Originate{
		ID: g.channel, Endpoint: "PJSIP/" + string(r.Agent), Args: "agent",
		CallerID: callerID(r), Timeout: r.Timeout + 5*time.Second, Originator: l.id,
		Variables: transfersAskUs,
	}
	if !l.onLine() { // there is no channel of the citizen yet
		o.Originator, o.Formats = "", outFormats
	}
	err := l.do(ctx, func(ctx context.Context) error {
		_, err := l.x.ari.Originate(context.WithoutCancel(ctx), o) // not taken back half-way: the phone might ring
		return err
	})
	if err != nil {
		g.forget()
		if ctx.Err() != nil || errors.Is(err, ari.ErrUnavailable) {
			g.Release(ctx) // it may ring all the same
			return nil, fmt.Errorf("ring agent %s: %w", r.Agent, err)
		}
		return nil, &call.RingError{Agent: r.Agent, Result: call.Unreachable} // no phone registered
	}
	g.made()
	timer := time.NewTimer(r.Timeout)
	defer timer.Stop()
	select {
	case <-g.answered:
		return g, nil
	case <-g.ending():
		g.forget()
		return nil, &call.RingError{Agent: r.Agent, Result: ringResult(g.cause)}
	case <-timer.C:
		g.Release(ctx)
		return nil, &call.RingError{Agent: r.Agent, Result: call.NoAnswer}
	case <-ctx.Done():
		g.Release(ctx)
		return nil, context.Cause(ctx)
	}
}

func callerID(r call.Ring) string {
	if r.Show == call.Withheld {
		return fmt.Sprintf("%q <anonymous>", r.Name)
	}
	return fmt.Sprintf("%q <%s>", r.Name, string(r.Show))
}

// causeUnknown is of a channel that ended while nobody listened: most likely unanswered.
const causeUnknown = 19

// ringResult reads a Q.850 cause as Asterisk gives it for SIP answers.
func ringResult(cause int) call.RingResult {
	switch cause {
	case 17: // 486, 600
		return call.Busy
	case 21: // 403, 603
		return call.Refused
	case 18, 19, 102: // 408, 480
		return call.NoAnswer
	default:
		return call.Unreachable
	}
}

// ResumeLeg implements call.Call. A leg whose conversation had not begun is found too:
// Bridge then puts them together.
func (l *line) ResumeLeg(ctx context.Context, st call.LegState) (call.AgentLeg, bool) {
	g := l.newLeg(st.Channel, st.Agent)
	g.bridge = st.Bridge
	if st.Bridge == "" {
		g.bridge = talkPrefix + l.id
	}
	var ch ari.Channel
	err := l.do(ctx, func(ctx context.Context) (err error) {
		ch, err = l.x.ari.Channel(ctx, st.Channel)
		return err
	})
	if err != nil || ch.State != "Up" {
		g.forget()
		return nil, false
	}
	g.answer()
	g.mu.Lock()
	g.placed = true
	g.rings = true // it may: the controller before let it
	g.mu.Unlock()
	l.adopt(ctx, g)
	l.log.Info("an agent's leg is taken up", "agent", st.Agent)
	return g, true
}

// end is told by the line that a channel of the leg has gone.
func (g *leg) end(channel string, cause int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if channel != g.channel { // of an agent who has passed the caller on
		return
	}
	if cause != 0 {
		g.cause = cause
	}
	if !g.ended {
		if cause == 0 { // StasisEnd: the cause follows with ChannelDestroyed, unless we look again
			select {
			case <-g.answered:
			default:
				return
			}
		}
		g.ended = true
		close(g.gone)
	}
}

// made says that Asterisk has made the channel: from now on, one that is not there has gone.
func (g *leg) made() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.placed = true
}

// isMade says whether it has; it is asked before Asterisk is (see dialling.isMade).
func (g *leg) isMade() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.placed
}

// forget takes the leg off the line's list.
func (g *leg) forget() {
	id := g.id()
	g.l.mail.Remove(id)
	g.l.mu.Lock()
	delete(g.l.legs, id)
	g.l.mu.Unlock()
}

func (g *leg) id() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.channel
}

// Agent implements call.AgentLeg.
func (g *leg) Agent() call.AgentID {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.agent
}

// State implements call.AgentLeg.
func (g *leg) State() call.LegState {
	g.mu.Lock()
	defer g.mu.Unlock()
	return call.LegState{Agent: g.agent, Channel: g.channel, Bridge: g.bridge}
}

// errAgentGone says that the agent hung up while being told about the call.
var errAgentGone = errors.New("the agent hung up")

// Gone is closed when the present agent's channel has ended without our doing: the agent hung
// up, or the line to them broke.
func (g *leg) Gone() <-chan struct{} { return g.ending() }

// Ringback lets the agent hear a phone ring, the tone of the network, until it is told off,
// something is whispered or Bridge puts them together. It returns at once. An agent who has
// hung up is no failure.
func (g *leg) Ringback(ctx context.Context, on bool) error {
	g.mu.Lock()
	same := g.rings == on
	g.rings = on
	id := g.channel
	g.mu.Unlock()
	if same {
		return nil
	}
	command := g.l.x.ari.StopRing
	if on {
		command = g.l.x.ari.Ring
	}
	err := g.l.do(ctx, func(ctx context.Context) error { return command(ctx, id) })
	if err == nil || errors.Is(err, ari.ErrNotFound) {
		return nil
	}
	return fmt.Errorf("let an agent hear a phone ring: %w", err)
}

// Whisper implements call.AgentLeg.
func (g *leg) Whisper(ctx context.Context, sounds ...call.Sound) error {
	if len(sounds) == 0 {
		return nil
	}
	if err := g.Ringback(ctx, false); err != nil {
		return err
	}
	p, err := g.l.play(ctx, g.id(), sounds, nil)
	if err != nil {
		return err
	}
	select {
	case <-p.done:
	case <-g.ending():
		g.l.finish(p)
		return errAgentGone
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if !p.failed.Load() {
		return nil
	}
	select { // of a phone that hangs up, the end of what it hears is told first
	case <-g.ending():
		return errAgentGone
	case <-time.After(hangupFollows):
		g.l.log.Warn("an agent could not be told about a call", "agent", g.Agent(), "sound", sounds[0].Name)
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// hangupFollows bounds the time between the end of a playback that a hang-up cut and the
// news of the hang-up; measured: 1 ms.
const hangupFollows = 500 * time.Millisecond

// Bridge implements call.AgentLeg.
func (g *leg) Bridge(ctx context.Context, observe func(call.TalkEvent)) (call.TalkEnd, error) {
	if err := g.join(ctx); err != nil {
		return "", err
	}
	for {
		select {
		case e := <-g.events:
			observe(e)
		case <-g.moved:
			return call.Transferred, nil
		case <-g.ending():
			if g.finish(ctx) {
				g.close(ctx)
				return call.AgentLeft, nil
			}
		case <-ctx.Done():
			cause := context.Cause(ctx)
			if errors.Is(cause, call.ErrDetach) || errors.Is(cause, call.ErrFenced) {
				return "", cause // both stay on the line for the next controller
			}
			g.finish(ctx)
			g.Release(ctx)
			g.close(ctx)
			return call.CallerLeft, nil
		}
	}
}

// ending is closed when the present agent's channel has ended.
func (g *leg) ending() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.gone
}

// finish makes the conversation over, unless a transfer under way saves it from the end
// of the agent's channel. It tells which.
func (g *leg) finish(ctx context.Context) bool {
	g.mu.Lock()
	moving := g.moving
	g.mu.Unlock()
	if moving != nil {
		select {
		case <-moving:
		case <-ctx.Done():
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.ended && ctx.Err() == nil {
		return false
	}
	g.over = true
	return true
}

// join puts caller and agent together, unless they are already.
func (g *leg) join(ctx context.Context) error {
	g.settled()
	g.mu.Lock()
	bridged := g.bridged
	g.bridged = true
	g.mu.Unlock()
	if bridged {
		return nil
	}
	if err := g.l.quiet(ctx); err != nil {
		return err
	}
	if err := g.Ringback(ctx, false); err != nil {
		return err
	}
	err := g.l.do(ctx, func(ctx context.Context) error {
		if _, err := g.l.x.ari.CreateBridge(ctx, g.bridge, "mixing", "conversation"); err != nil && !errors.Is(err, ari.ErrConflict) {
			return err
		}
		return g.l.x.ari.AddToBridge(ctx, g.bridge, ari.Join{Channels: []string{g.l.id, g.id()}})
	})
	g.l.setHeld(false)
	if err != nil && ctx.Err() == nil {
		select {
		case <-g.ending(): // hung up in the same moment: Bridge tells
		default:
			g.Release(ctx)
			return fmt.Errorf("bridge caller and agent: %w", err)
		}
	}
	return nil
}

// settled ends the consultation that the last transfer came from.
func (g *leg) settled() {
	g.mu.Lock()
	settle := g.settle
	g.settle = nil
	g.mu.Unlock()
	if settle != nil {
		settle()
	}
}

// close ends the bridge; who is left in it stays on the line.
func (g *leg) close(ctx context.Context) {
	g.shut()
	g.forget()
	g.settled()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	if g.l.ctx.Err() == nil { // out of it first: what is played to a channel that is just leaving is lost without a word
		if err := g.l.x.ari.RemoveFromBridge(ctx, g.bridge, g.l.id); err != nil && g.l.ctx.Err() == nil {
			g.l.log.Info("the caller was not in the bridge of the conversation any more", "err", err)
		}
	}
	if err := g.l.x.ari.DestroyBridge(ctx, g.bridge); err != nil && !errors.Is(err, ari.ErrNotFound) {
		g.l.log.Warn("could not end the bridge of a conversation", "err", err)
	}
}

// Release implements call.AgentLeg.
func (g *leg) Release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	g.forget()
	if err := g.l.x.ari.Hangup(ctx, g.id(), ari.ReasonNormal); err != nil && !errors.Is(err, ari.ErrNotFound) {
		g.l.log.Warn("could not end an agent's leg", "agent", g.Agent(), "err", err)
	}
}

// talkEvent passes on what the agent's phone does; a conversation takes it in its own time.
func (l *line) talkEvent(channel string, kind call.EventKind) {
	if g := l.leg(channel); g != nil {
		g.tell(call.TalkEvent{Kind: kind, Agent: g.Agent()})
	}
}

func (g *leg) tell(e call.TalkEvent) {
	select {
	case g.events <- e:
	default:
		g.l.log.Warn("an event of a conversation came before the earlier ones were taken", "kind", e.Kind)
	}
}

// refer answers a REFER of the agent's phone: an attended transfer to the colleague whom
// the agent consults is carried out. Anything else is declined, and the call goes on.
func (g *leg) refer(e *ari.ChannelTransfer) {
	if e.State != "" { // the echo of our own word on how it goes
		return
	}
	x, source := g.l.x, e.ReferredBy.SourceChannel.ID
	if c := x.consultOf(e); c != nil && c.from == g.Agent() {
		g.carryOut(c, source)
		return
	}
	x.spawn(func() { x.tellPhone(g.l.ctx, source, ari.TransferDeclined) })
}

// carryOut transfers the caller to the colleague of a consultation, and tells the phone
// that asked, on the channel it asked by. Until then the end of the agent's own channel
// does not end the conversation: some phones hang up as soon as they have asked.
func (g *leg) carryOut(c *consult, source string) {
	done := make(chan struct{})
	g.mu.Lock()
	g.moving = done
	g.mu.Unlock()
	g.l.x.spawn(func() {
		defer close(done)
		ctx, cancel := context.WithTimeout(g.l.ctx, 10*time.Second)
		defer cancel()
		old := g.id()
		if err := g.transfer(ctx, c); err != nil {
			g.l.log.Warn("an attended transfer failed; the call stays with the agent", "agent", c.from, "err", err)
			g.l.x.tellPhone(ctx, source, ari.TransferUnavailable)
			return
		}
		g.l.x.tellPhone(ctx, source, ari.TransferAnswered)
		close(c.told)
		g.l.x.hangup(ctx, old) // most phones hang up by themselves; be sure
	})
}

// transfer moves the consulted colleague into the conversation in place of the agent.
func (g *leg) transfer(ctx context.Context, c *consult) error {
	if !c.take() {
		return errors.New("the colleague is not on the line")
	}
	old := g.id()
	g.l.mail.Add(c.asked)
	g.l.mu.Lock()
	g.l.legs[c.asked] = g
	g.l.mu.Unlock()
	err := g.l.x.ari.AddToBridge(ctx, g.bridge, ari.Join{Channels: []string{c.asked}})
	if err == nil && !g.become(c) {
		g.l.x.hangup(ctx, c.asked)
		err = errors.New("the conversation was over")
	}
	if err != nil {
		old = c.asked
		c.giveBack()
	}
	g.l.mu.Lock()
	delete(g.l.legs, old) // its end is not the end of the conversation
	g.l.mu.Unlock()
	g.l.mail.Remove(old)
	return err
}

// become makes the colleague the agent of this conversation, unless it is over.
func (g *leg) become(c *consult) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.over {
		return false
	}
	g.channel, g.agent, g.settle = c.asked, c.colleague, c.end
	g.ended, g.gone = false, make(chan struct{})
	select {
	case g.moved <- struct{}{}:
	default: // the journey has not taken up the move before this one yet
	}
	return true
}

// legOf reads from a checkpoint which agent's channel the call needs.
func legOf(cp call.Checkpoint) string {
	var v struct {
		Leg *call.LegState `json:"leg"`
	}
	if json.Unmarshal(cp.State, &v) != nil || v.Leg == nil {
		return ""
	}
	return v.Leg.Channel
}
