package phone

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"decroche/ari"
	"decroche/call"
)

// line is one call in Asterisk: it implements call.Call, and call.Outgoing of a call that we
// place.
type line struct {
	x    *Exchange
	id   string
	info call.Info
	log  *slog.Logger
	mail *ari.Mailbox

	ctx    context.Context
	cancel context.CancelCauseFunc

	dialling *dialling // of a call that this process places; nil: somebody is on the line

	noises    chan noise // what the far end is heard to do, while listening
	listening atomic.Bool

	digits chan call.Digit
	unread []call.Digit // given back; owned by the driving goroutine
	before int64        // the epoch whose sounds may still play; 0: none. Owned by the driving goroutine

	mu    sync.Mutex
	plays map[string]*playback
	legs  map[string]*leg
	guest *guest // who was asked into the conversation
	seq   int
	held  bool
	news  *playback // the announcement under way
	left  error     // why the far end has gone, once it is told
}

// typeAhead is how many digits are kept; more than anybody types before a question.
const typeAhead = 64

func (x *Exchange) newLine(info call.Info) *line {
	id := string(info.ID)
	l := &line{
		x: x, id: id, info: info, log: x.Log.With("call", id), mail: x.ari.Open(id),
		digits: make(chan call.Digit, typeAhead), noises: make(chan noise, typeAhead), plays: map[string]*playback{}, legs: map[string]*leg{},
	}
	l.ctx, l.cancel = context.WithCancelCause(context.Background())
	return l
}

// follow takes the line's events, in order, until the call is over.
func (l *line) follow() {
	for {
		select {
		case <-l.ctx.Done():
			return
		case e, ok := <-l.mail.Events():
			if !ok {
				return
			}
			l.take(e)
		}
	}
}

func (l *line) take(e ari.Event) {
	switch e := e.(type) {
	case *ari.ChannelDtmfReceived:
		if e.Channel.ID == l.id && len(e.Digit) == 1 {
			select {
			case l.digits <- call.Digit(e.Digit[0]):
			default:
				l.log.Warn("a caller typed more digits than are kept")
			}
		}
	case *ari.ChannelHangupRequest:
		if e.Channel.ID == l.id {
			l.leaves(leftBecause(e.Cause, e.Soft))
		}
	case *ari.StasisEnd:
		l.gone(e.Channel.ID, 0)
	case *ari.ChannelDestroyed:
		l.gone(e.Channel.ID, e.Cause)
	case *ari.PlaybackContinuing:
		if p := l.playing(e.Playback.ID); p != nil {
			l.advance(p)
		}
	case *ari.PlaybackFinished:
		if p := l.playing(e.Playback.ID); p != nil {
			l.failed(p, e.Playback)
			l.finish(p)
		}
	case *ari.StasisStart:
		if e.Channel.ID == l.id && l.dialling != nil {
			l.dialling.answer()
		} else if g := l.leg(e.Channel.ID); g != nil {
			g.answer()
		}
	case *ari.ChannelTalkingStarted:
		l.heard(e.Channel.ID, noise{at: time.Now()})
	case *ari.ChannelTalkingFinished:
		l.heard(e.Channel.ID, noise{at: time.Now(), over: true, length: time.Duration(e.Duration) * time.Millisecond})
	case *ari.ChannelHold:
		l.talkEvent(e.Channel.ID, call.EventHold)
	case *ari.ChannelUnhold:
		l.talkEvent(e.Channel.ID, call.EventUnhold)
	case *ari.ChannelTransfer:
		if g := l.leg(e.ReferredBy.SourceChannel.ID); g != nil {
			g.refer(e)
		}
	case *ari.Resync:
		l.x.spawn(l.resync)
	}
}

// gone ends what the channel carried: the call, or an agent's leg.
func (l *line) gone(channel string, cause int) {
	if channel == l.id {
		if l.dialling != nil && l.dialling.end(cause) {
			return // it has rung in vain
		}
		if cause != 0 {
			l.leaves(leftBecause(cause, false))
		}
		l.leaves(call.ErrHangup)
		l.cancel(l.why())
		return
	}
	if g := l.leg(channel); g != nil {
		g.end(channel, cause)
	}
}

// leaves notes why the far end has gone. What was told first counts.
func (l *line) leaves(why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left == nil {
		l.left = why
	}
}

func (l *line) why() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.left
}

// errExchangeLost ends the calls of an Asterisk that has died.
var errExchangeLost = fmt.Errorf("%w with the exchange: %w", call.ErrCutOff, call.ErrTechnical)

// resync reads again what events may have told while nobody listened.
func (l *line) resync() {
	l.x.waitUp(l.ctx)
	ctx, cancel := context.WithTimeout(l.ctx, 10*time.Second)
	defer cancel()
	if !l.onLine() {
		l.resyncDial(ctx)
	} else if _, err := l.x.ari.Channel(ctx, l.id); errors.Is(err, ari.ErrNotFound) {
		l.cancel(fmt.Errorf("%w while the exchange was out of reach", call.ErrHangup))
		return
	}
	l.mu.Lock()
	plays, legs := make([]*playback, 0, len(l.plays)), make([]*leg, 0, len(l.legs))
	for _, p := range l.plays {
		plays = append(plays, p)
	}
	for _, g := range l.legs {
		legs = append(legs, g)
	}
	l.mu.Unlock()
	for _, p := range plays {
		if _, err := l.x.ari.Playback(ctx, p.id); errors.Is(err, ari.ErrNotFound) {
			l.finish(p)
		}
	}
	for _, g := range legs {
		made := g.isMade()
		switch ch, err := l.x.ari.Channel(ctx, g.id()); {
		case errors.Is(err, ari.ErrNotFound):
			if made {
				g.end(g.id(), causeUnknown)
			}
		case err == nil && ch.State == "Up":
			g.answer()
		}
	}
}

// Info implements call.Call.
func (l *line) Info() call.Info { return l.info }

// Digits implements call.Call.
func (l *line) Digits() <-chan call.Digit { return l.digits }

// Unread implements call.Call.
func (l *line) Unread(d call.Digit) { l.unread = append(l.unread, d) }

// Flush implements call.Call.
func (l *line) Flush() {
	l.unread = nil
	for {
		select {
		case <-l.digits:
		default:
			return
		}
	}
}

// next takes a digit that is there already.
func (l *line) next() (call.Digit, bool) {
	if n := len(l.unread); n > 0 {
		d := l.unread[n-1]
		l.unread = l.unread[:n-1]
		return d, true
	}
	select {
	case d := <-l.digits:
		return d, true
	default:
		return 0, false
	}
}

// Say implements call.Call.
func (l *line) Say(ctx context.Context, sounds ...call.Sound) error {
	if err := l.leaveHold(ctx); err != nil || len(sounds) == 0 {
		return err
	}
	p, err := l.play(ctx, l.id, sounds, nil)
	if err != nil {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// SayUnlessKey implements call.Call.
func (l *line) SayUnlessKey(ctx context.Context, sounds ...call.Sound) (bool, error) {
	if d, ok := l.next(); ok {
		l.Unread(d)
		return false, nil
	}
	if err := l.leaveHold(ctx); err != nil || len(sounds) == 0 {
		return true, err
	}
	p, err := l.play(ctx, l.id, sounds, nil)
	if err != nil {
		return false, err
	}
	select {
	case <-p.done:
		return true, nil
	case d := <-l.digits:
		l.Unread(d)
		return false, l.stop(ctx, p)
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
}

// Read implements call.Call. What follows the question is played by Asterisk on its own
// if nobody is left to stop it: an excuse and music instead of silence.
func (l *line) Read(ctx context.Context, timeout time.Duration, sounds ...call.Sound) (call.Digit, error) {
	if d, ok := l.next(); ok {
		return d, nil
	}
	if err := l.leaveHold(ctx); err != nil {
		return 0, err
	}
	var asked <-chan struct{}
	var p *playback
	if len(sounds) > 0 {
		var err error
		if p, err = l.play(ctx, l.id, sounds, l.rescue(sounds, timeout)); err != nil {
			return 0, err
		}
		asked = p.said
	} else {
		now := make(chan struct{})
		close(now)
		asked = now
	}
	var late <-chan time.Time
	for {
		select {
		case d := <-l.digits:
			return d, l.stop(ctx, p)
		case <-asked:
			asked = nil
			timer := time.NewTimer(timeout)
			defer timer.Stop()
			late = timer.C
		case <-late:
			if err := l.stop(ctx, p); err != nil {
				return 0, err
			}
			return 0, call.ErrNoInput
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}

func (l *line) rescue(sounds []call.Sound, wait time.Duration) []call.Sound {
	if l.x.Rescue == nil {
		return nil
	}
	return l.x.Rescue(sounds[len(sounds)-1].Lang, wait)
}

// Hold implements call.Call.
func (l *line) Hold(ctx context.Context) error {
	if l.isHeld() {
		return nil
	}
	if err := l.hush(ctx); err != nil {
		return err
	}
	if err := l.do(ctx, func(ctx context.Context) error {
		return l.x.ari.AddToBridge(ctx, l.x.holdBridge(), ari.Join{Channels: []string{l.id}, Role: ari.RoleHoldingParticipant})
	}); err != nil {
		return fmt.Errorf("put the caller on hold: %w", err)
	}
	l.setHeld(true)
	return nil
}

// leaveHold takes a held caller off the music.
func (l *line) leaveHold(ctx context.Context) error {
	if err := l.hush(ctx); err != nil {
		return err
	}
	if !l.isHeld() {
		return nil
	}
	if err := l.quiet(ctx); err != nil {
		return err
	}
	err := l.do(ctx, func(ctx context.Context) error {
		return l.x.ari.RemoveFromBridge(ctx, l.x.holdBridge(), l.id)
	})
	if err != nil {
		return fmt.Errorf("take the caller off hold: %w", err)
	}
	l.setHeld(false)
	return nil
}

// Announce implements call.Call.
func (l *line) Announce(ctx context.Context, sounds ...call.Sound) error {
	if err := l.quiet(ctx); err != nil || len(sounds) == 0 {
		return err
	}
	p, err := l.play(ctx, l.id, sounds, nil)
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.news = p
	l.mu.Unlock()
	return nil
}

// quiet stops the announcement under way. It must go before any command that moves the
// channel: Asterisk would let that command wait until the last sound has ended.
func (l *line) quiet(ctx context.Context) error {
	if err := l.hush(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	p := l.news
	l.news = nil
	l.mu.Unlock()
	return l.stop(ctx, p)
}

// hush stops what an earlier controller let the caller hear, once: an announcement, or a
// question with its rescue, which would go on for minutes.
func (l *line) hush(ctx context.Context) error {
	if l.before == 0 {
		return nil
	}
	for seq := range playSlots {
		err := l.do(ctx, func(ctx context.Context) error {
			if err := l.x.ari.StopPlayback(ctx, playID(l.id, l.before, seq)); !errors.Is(err, ari.ErrNotFound) {
				return err
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("stop what the controller before played: %w", err)
		}
	}
	l.before = 0
	return nil
}

// Hangup implements call.Call.
func (l *line) Hangup(ctx context.Context) error {
	if l.dialling != nil && !l.dialling.live() {
		return nil // nobody was rung, or it has rung in vain
	}
	err := l.x.ari.Hangup(ctx, l.id, ari.ReasonNormal)
	if errors.Is(err, ari.ErrNotFound) {
		return nil
	}
	return err
}

// do runs a command about this call. A channel that is gone is a hang-up; an exchange
// out of reach is waited for once.
func (l *line) do(ctx context.Context, command func(context.Context) error) error {
	err := command(ctx)
	if errors.Is(err, ari.ErrUnavailable) && ctx.Err() == nil {
		if l.x.waitUp(ctx) {
			err = command(ctx)
		}
	}
	switch {
	case err == nil:
		return nil
	case context.Cause(ctx) != nil:
		return context.Cause(ctx)
	case errors.Is(err, ari.ErrNotFound) && l.onLine():
		if _, lost := l.x.ari.Channel(ctx, l.id); errors.Is(lost, ari.ErrNotFound) {
			l.x.waitUp(ctx) // an Asterisk that has started anew knows nobody: up tells the calls so
			l.awaitEnd()
			return context.Cause(l.ctx)
		}
	}
	return fmt.Errorf("%w: %w", call.ErrTechnical, err)
}

// awaitEnd gives the news of a hang-up its time, for it says why, and then does without.
func (l *line) awaitEnd() {
	patience := time.NewTimer(hangupFollows)
	defer patience.Stop()
	select {
	case <-l.ctx.Done():
	case <-patience.C:
		l.cancel(call.ErrHangup)
	}
}

func (l *line) isHeld() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held
}

func (l *line) setHeld(held bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = held
}
