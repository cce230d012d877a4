package phone

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"decroche/ari"
	"decroche/call"
)

// outPrefix begins the id of every call that we place, and of its channel. A channel so
// called that no line knows is hung up: it rings, or speaks, for nobody.
const outPrefix = "out-"

// outFormats are what is offered on a channel that is made without another to follow. The
// sounds are ready-coded in both, and every trunk and every agent's phone has one of them.
const outFormats = "alaw,ulaw"

// callLimit is how many seconds a call that we place may last, as the dialplan has it for
// those that come in.
const callLimit = "14400"

// PlaceCall begins a call of ours: info.ID, which begins with "out-", will be the id of its
// channel, and must not begin the id of another: Asterisk 22 refuses "out-1" while "out-10" is
// there, capitals or not. info.From is the citizen, info.To the number shown, info.Trunk the trunk. The line
// is known from now on (see Alive) though nobody is rung yet. It runs the call and returns
// when run has; what run left ringing or up is hung up, unless the call is left in place
// (call.ErrDetach, call.ErrFenced).
//
// When the exchange stops, or knows the id already, run is not called.
func (x *Exchange) PlaceCall(info call.Info, run func(ctx context.Context, c call.Outgoing)) {
	info.Outgoing = true
	if info.Arrived.IsZero() {
		info.Arrived = time.Now()
	}
	if !strings.HasPrefix(string(info.ID), outPrefix) {
		x.Log.Error("a call is not placed: its id does not tell that it is ours", "call", info.ID)
		return
	}
	l := x.newLine(info)
	l.dialling = newDialling()
	if !x.register(l) {
		l.mail.Close()
		l.cancel(call.ErrDetach)
		return
	}
	defer x.work.Done()
	defer x.forget(l)
	defer func() {
		if l.ctx.Err() == nil && l.dialling.live() {
			x.hangup(l.ctx, l.id)
		}
	}()
	run(l.ctx, l)
}

// register makes the line known and follows its events. x.work counts who calls it.
func (x *Exchange) register(l *line) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.stopping || x.lines[l.id] != nil {
		return false
	}
	x.lines[l.id] = l
	x.work.Go(l.follow)
	x.work.Add(1)
	return true
}

// Alive tells whether a call of that id is on the line: placed by this process, or taken up
// from the one before.
func (x *Exchange) Alive(id call.ID) bool { return x.line(string(id)) != nil }

// dialling is how the ringing of a citizen stands. A line without one is on the line.
type dialling struct {
	answered, over chan struct{} // closed when the citizen has answered; when the channel ended unanswered

	mu      sync.Mutex
	begun   bool
	placed  bool // Asterisk has made the channel
	up      bool // answered is closed
	ended   bool // over is closed
	givenUp bool // an answer comes too late
	cause   int
}

func newDialling() *dialling {
	return &dialling{answered: make(chan struct{}), over: make(chan struct{})}
}

// begin is true once: a call is dialled once.
func (d *dialling) begin() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	first := !d.begun
	d.begun = true
	return first
}

// made says that Asterisk has made the channel: from now on, one that is not there has gone.
func (d *dialling) made() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.placed = true
}

// isMade says whether it has. Who asks Asterisk for the channel asks this before: the answer that
// there is none says nothing of a channel that was made meanwhile.
func (d *dialling) isMade() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.placed
}

func (d *dialling) answer() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.givenUp && !d.ended && !d.up {
		d.up = true
		close(d.answered)
	}
}

// giveUp makes an answer come too late; false: it came.
func (d *dialling) giveUp() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.up {
		return false
	}
	d.givenUp = true
	return true
}

// end tells that the channel has gone; false: it had answered, and its end is the call's.
func (d *dialling) end(cause int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.up {
		return false
	}
	if !d.ended && d.begun {
		d.cause, d.ended = cause, true
		close(d.over)
	}
	return true
}

// rings tells whether the channel may be there, unanswered; live, whether it may be there at all.
func (d *dialling) rings() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.begun && !d.up && !d.ended
}

func (d *dialling) live() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.begun && !d.ended
}

// onLine tells whether somebody has answered, or called: the channel is in the application.
func (l *line) onLine() bool {
	if l.dialling == nil {
		return true
	}
	select {
	case <-l.dialling.answered:
		return true
	default:
		return false
	}
}

// Dial implements call.Outgoing. It may be called once. When ctx ends it stops the ringing
// and returns the cause; the call's own context outlives a Dial that failed, so that the
// result can be told in order. It returns when Asterisk has given the citizen's phone up, whose
// CANCEL is then on its way, or 2 s after it was asked to.
func (l *line) Dial(ctx context.Context, d call.Dial) error {
	t := l.dialling
	if t == nil || !t.begin() {
		return fmt.Errorf("dial a citizen: %w: the call was dialled before", call.ErrTechnical)
	}
	if err := l.originate(ctx); err != nil {
		return err
	}
	t.made()
	if d.Started != nil {
		d.Started()
	}
	timer := time.NewTimer(d.Timeout)
	defer timer.Stop()
	select {
	case <-t.answered:
		return nil
	case <-t.over:
		return &call.RingError{Result: citizenResult(t.cause)}
	case <-timer.C:
		if !l.stopRinging(ctx) {
			return nil
		}
		if !l.x.Ready() { // nobody knows for how long it rang
			return fmt.Errorf("ring a citizen: %w: the exchange is out of reach", call.ErrTechnical)
		}
		return &call.RingError{Result: call.NoAnswer}
	case <-ctx.Done():
		if !l.stopRinging(ctx) {
			return nil
		}
		return context.Cause(ctx)
	}
}

// originate asks Asterisk to ring the citizen. The command is not taken back half-way: an
// Asterisk that has it would ring a phone that nobody here knows of. Nor is it given twice:
// the channel's id is ours, and taken if the first one came through.
func (l *line) originate(ctx context.Context) error {
	number, trunk := string(l.info.From), l.info.Trunk
	if !dialable(number) || trunk == "" {
		l.log.Error("a citizen cannot be rung: no number, or no trunk", "trunk", trunk)
		l.dialling.end(0)
		if trunk == "" {
			return &call.RingError{Result: call.NoLine}
		}
		return &call.RingError{Result: call.Unreachable}
	}
	again := false
	err := l.do(ctx, func(ctx context.Context) error {
		_, err := l.x.ari.Originate(context.WithoutCancel(ctx), ari.Originate{
			ID: l.id, Endpoint: "PJSIP/" + number + "@trunk-" + trunk, Args: "out", CallerID: "<" + string(l.info.To) + ">",
			Timeout: 5 * time.Minute, // ours comes before
			Formats: outFormats, Variables: map[string]string{"TIMEOUT(absolute)": callLimit},
		})
		if again && errors.Is(err, ari.ErrConflict) {
			return nil
		}
		again = true
		return err
	})
	if err == nil {
		return nil
	}
	if ctx.Err() != nil || errors.Is(err, ari.ErrUnavailable) { // it may ring all the same
		l.stopRinging(ctx)
		return fmt.Errorf("ring a citizen: %w", err)
	}
	l.log.Warn("Asterisk does not ring a citizen", "trunk", trunk, "err", err)
	l.dialling.end(0)
	return &call.RingError{Result: call.NoLine} // it knows that the operator does not answer
}

// citizenResult is ringResult for who is called through an operator: its own troubles, and those of the
// network, are not theirs.
func citizenResult(cause int) call.RingResult {
	switch cause {
	case 34, 38, 41, 42: // 500, 503, 409: no circuit, out of order, a failure for now, congestion
		return call.NoLine
	default:
		return ringResult(cause)
	}
}

// dialable tells whether a number has nothing in it but what a telephone has.
func dialable(number string) bool {
	digits := strings.TrimPrefix(number, "+")
	return digits != "" && strings.Trim(digits, "0123456789") == ""
}

// stopRinging gives the citizen's phone up, unless it was answered: then it is false.
func (l *line) stopRinging(ctx context.Context) bool {
	if !l.dialling.giveUp() {
		return false
	}
	l.x.hangup(ctx, l.id)
	patience := time.NewTimer(2 * time.Second)
	defer patience.Stop()
	select {
	case <-l.dialling.over:
	case <-l.ctx.Done(): // nobody follows the events any more
	case <-patience.C:
		l.log.Warn("Asterisk has not told that a phone has stopped ringing")
	}
	return true
}

// resyncDial reads again how the ringing stands.
func (l *line) resyncDial(ctx context.Context) {
	if !l.dialling.rings() {
		return
	}
	made := l.dialling.isMade()
	switch ch, err := l.x.ari.Channel(ctx, l.id); {
	case errors.Is(err, ari.ErrNotFound):
		if made {
			l.dialling.end(causeUnknown)
		}
	case err == nil && ch.State == "Up":
		l.dialling.answer()
	}
}
