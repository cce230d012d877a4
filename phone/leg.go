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

var legSeq atomic.Int64

func newLegID() string { return legPrefix + process + strconv.FormatInt(legSeq.Add(1), 10) }

// leg is an agent's phone in a call; it implements call.AgentLeg.
type leg struct {
	l        *line
	bridge   string
	answered chan struct{}
	gone     chan struct{} // closed when the agent's channel has ended
	events   chan call.TalkEvent
	answer   func() // closes answered; it may be called more than once

	mu      sync.Mutex
	channel string
	agent   call.AgentID
	cause   int
	ended   bool
	bridged bool
	settle  func() // ends the consultation a transfer came from, once the journey knows of it
}

func (l *line) newLeg(channel string, agent call.AgentID) *leg {
	g := &leg{
		l: l, channel: channel, agent: agent, bridge: "talk-" + l.id,
		answered: make(chan struct{}), gone: make(chan struct{}), events: make(chan call.TalkEvent, 16),
	}
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
	err := l.do(ctx, func(ctx context.Context) error {
		_, err := l.x.ari.Originate(ctx, ari.Originate{
			ID: g.channel, Endpoint: "PJSIP/" + string(r.Agent), Args: "agent",
			CallerID: callerID(r), Timeout: r.Timeout + 5*time.Second, Originator: l.id,
			Variables: map[string]string{"PJSIP_TRANSFER_HANDLING()": "ari-only"},
		})
		return err
	})
	if err != nil {
		g.forget()
		if l.ctx.Err() != nil || errors.Is(err, ari.ErrUnavailable) {
			return nil, fmt.Errorf("ring agent %s: %w", r.Agent, err)
		}
		return nil, &call.RingError{Agent: r.Agent, Result: call.Unreachable} // no phone registered
	}
	timer := time.NewTimer(r.Timeout)
	defer timer.Stop()
	select {
	case <-g.answered:
		return g, nil
	case <-g.gone:
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

// ResumeLeg implements call.Call.
func (l *line) ResumeLeg(ctx context.Context, st call.LegState) (call.AgentLeg, bool) {
	g := l.newLeg(st.Channel, st.Agent)
	g.bridge = st.Bridge
	var b ari.Bridge
	err := l.do(ctx, func(ctx context.Context) (err error) {
		if _, err = l.x.ari.Channel(ctx, st.Channel); err == nil {
			b, err = l.x.ari.Bridge(ctx, st.Bridge)
		}
		return err
	})
	if err != nil {
		g.forget()
		return nil, false
	}
	g.answer()
	l.log.Info("a conversation goes on", "agent", st.Agent, "channels", len(b.Channels))
	return g, true
}

// end is told by the line that the agent's channel has gone.
func (g *leg) end(cause int) {
	g.mu.Lock()
	defer g.mu.Unlock()
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

// Whisper implements call.AgentLeg.
func (g *leg) Whisper(ctx context.Context, sounds ...call.Sound) error {
	if len(sounds) == 0 {
		return nil
	}
	p, err := g.l.play(ctx, g.id(), sounds, nil)
	if err != nil {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-g.gone:
		g.l.finish(p)
		return errAgentGone
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Bridge implements call.AgentLeg.
func (g *leg) Bridge(ctx context.Context, observe func(call.TalkEvent)) (call.TalkEnd, error) {
	if err := g.join(ctx); err != nil {
		return "", err
	}
	for {
		select {
		case e := <-g.events:
			if e.Kind == call.EventTransferred {
				return call.Transferred, nil
			}
			observe(e)
		case <-g.gone:
			g.close(ctx)
			return call.AgentLeft, nil
		case <-ctx.Done():
			cause := context.Cause(ctx)
			if errors.Is(cause, call.ErrDetach) || errors.Is(cause, call.ErrFenced) {
				return "", cause // both stay on the line for the next controller
			}
			g.Release(ctx)
			g.close(ctx)
			return call.CallerLeft, nil
		}
	}
}

// join puts caller and agent together, unless they are already.
func (g *leg) join(ctx context.Context) error {
	g.mu.Lock()
	settle, bridged := g.settle, g.bridged
	g.settle, g.bridged = nil, true
	g.mu.Unlock()
	if settle != nil {
		settle()
	}
	if bridged {
		return nil
	}
	if err := g.l.quiet(ctx); err != nil {
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
		case <-g.gone: // hung up in the same moment: Bridge tells
		default:
			g.Release(ctx)
			return fmt.Errorf("bridge caller and agent: %w", err)
		}
	}
	return nil
}

// close ends the bridge; who is left in it stays on the line.
func (g *leg) close(ctx context.Context) {
	g.forget()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
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

// refer carries out what the agent's phone asks for by REFER: an attended transfer to the
// colleague whom the agent consults. Anything else is declined, and the call goes on.
func (g *leg) refer(e *ari.ChannelTransfer) {
	if e.State != "" { // the echo of our own word on how it goes
		return
	}
	g.l.x.spawn(func() {
		ctx, cancel := context.WithTimeout(g.l.ctx, 10*time.Second)
		defer cancel()
		state := ari.TransferDeclined
		if c := g.l.x.consultOf(e); c != nil {
			if err := g.transfer(ctx, c); err != nil {
				g.l.log.Warn("an attended transfer failed; the call stays with the agent", "agent", g.Agent(), "err", err)
				state = ari.TransferUnavailable
			} else {
				state = ari.TransferAnswered
			}
		}
		asked := e.ReferredBy.SourceChannel.ID
		if err := g.l.x.ari.TransferProgress(ctx, asked, state); err != nil && !errors.Is(err, ari.ErrNotFound) {
			g.l.log.Warn("a phone could not be told how its transfer went", "err", err)
		}
		if state == ari.TransferAnswered { // most phones hang up by themselves; be sure
			_ = g.l.x.ari.Hangup(ctx, asked, ari.ReasonNormal)
		}
	})
}

// transfer moves the consulted colleague into the conversation in place of the agent.
func (g *leg) transfer(ctx context.Context, c *consult) error {
	colleague, channel, ok := c.take()
	if !ok {
		return errors.New("the colleague is not on the line any more")
	}
	old := g.id()
	g.l.mail.Add(channel)
	g.l.mu.Lock()
	g.l.legs[channel] = g
	g.l.mu.Unlock()
	if err := g.l.x.ari.AddToBridge(ctx, g.bridge, ari.Join{Channels: []string{channel}}); err != nil {
		g.l.mu.Lock()
		delete(g.l.legs, channel)
		g.l.mu.Unlock()
		c.giveBack()
		return err
	}
	g.mu.Lock()
	g.channel, g.agent, g.settle = channel, colleague, c.end
	g.mu.Unlock()
	g.l.mu.Lock()
	delete(g.l.legs, old) // its end is not the end of the conversation
	g.l.mu.Unlock()
	g.l.mail.Remove(old)
	g.tell(call.TalkEvent{Kind: call.EventTransferred, Agent: colleague})
	return nil
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
