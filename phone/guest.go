package phone

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"decroche/ari"
	"decroche/call"
)

// guestPrefix begins the id of a third party's channel, which ends with the guest's name:
// "guest-<process><n>-es".
const guestPrefix = "guest-"

// Errors of guests.
var (
	ErrNoTalk     = errors.New("nobody is talking on this call")
	ErrGuestThere = errors.New("somebody was asked into this conversation already: let them go first")
)

// guestRing is how long a guest's telephone rings.
const guestRing = 45 * time.Second

// guest is a third party in a conversation: an interpreter. Its own goroutine follows it. When this
// process ends it stays; the next one finds it in the bridge of the conversation.
type guest struct {
	x       *Exchange
	l       *line
	leg     *leg
	name    string
	channel string
	mail    *ari.Mailbox
	joined  time.Time // zero while it rings
}

// Invite rings a third party, and lets them into the conversation of a call when they answer.
// Options.Guest is told how it goes. It returns ErrNoTalk or ErrGuestThere.
func (x *Exchange) Invite(ctx context.Context, id call.ID, g call.Guest) error {
	l := x.line(string(id))
	if l == nil {
		return ErrNoTalk
	}
	leg := l.talking()
	if leg == nil {
		return ErrNoTalk
	}
	if !dialable(string(g.Number)) || g.Trunk == "" {
		return fmt.Errorf("invite %s: there is no number, or no trunk", g.Name)
	}
	gs := &guest{x: x, l: l, leg: leg, name: g.Name, channel: guestPrefix + process + strconv.FormatInt(legSeq.Add(1), 10) + "-" + g.Name}
	if !l.admit(gs) {
		return ErrGuestThere
	}
	gs.mail = x.ari.Open(gs.channel)
	_, err := x.ari.Originate(context.WithoutCancel(ctx), ari.Originate{
		ID: gs.channel, Endpoint: "PJSIP/" + string(g.Number) + "@trunk-" + g.Trunk, Args: "guest", CallerID: "<" + string(g.Show) + ">",
		Timeout: 2 * guestRing, Formats: outFormats, Variables: map[string]string{"TIMEOUT(absolute)": callLimit},
	})
	if err != nil {
		gs.mail.Close()
		l.dismissed(gs)
		x.hangup(ctx, gs.channel) // it may ring all the same
		return fmt.Errorf("invite %s: %w", g.Name, err)
	}
	gs.tell(call.GuestEvent{What: call.GuestAsked})
	x.spawn(gs.follow)
	return nil
}

// Dismiss lets the guest of a call go. It tells whether there was one.
func (x *Exchange) Dismiss(ctx context.Context, id call.ID) bool {
	l := x.line(string(id))
	if l == nil {
		return false
	}
	l.mu.Lock()
	gs := l.guest
	l.mu.Unlock()
	if gs == nil {
		return false
	}
	x.hangup(ctx, gs.channel)
	return true
}

// talking is the leg that talks with the caller now, nil when none does.
func (l *line) talking() *leg {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, g := range l.legs {
		g.mu.Lock()
		talks := g.bridged && !g.over
		g.mu.Unlock()
		if talks {
			return g
		}
	}
	return nil
}

// admit takes a guest in, if there is none.
func (l *line) admit(gs *guest) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.guest != nil {
		return false
	}
	l.guest = gs
	return true
}

func (l *line) dismissed(gs *guest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.guest == gs {
		l.guest = nil
	}
}

// follow takes the guest from the first ring to the end. The conversation's end is the guest's.
func (gs *guest) follow() {
	defer gs.mail.Close()
	defer gs.l.dismissed(gs)
	ring := time.NewTimer(guestRing)
	defer ring.Stop()
	for {
		select {
		case e, ok := <-gs.mail.Events():
			if !ok || gs.took(e) {
				return
			}
		case <-ring.C:
			if gs.joined.IsZero() {
				gs.leave(call.NoAnswer)
				return
			}
		case <-gs.leg.closed:
			gs.leave("")
			return
		case <-gs.l.ctx.Done():
			if cause := context.Cause(gs.l.ctx); !errors.Is(cause, call.ErrDetach) && !errors.Is(cause, call.ErrFenced) {
				gs.leave("")
			}
			return
		}
	}
}

// took takes an event; it tells whether the guest is gone.
func (gs *guest) took(e ari.Event) (gone bool) {
	switch e := e.(type) {
	case *ari.StasisStart:
		err := gs.l.do(gs.l.ctx, func(ctx context.Context) error {
			return gs.x.ari.AddToBridge(ctx, gs.leg.bridge, ari.Join{Channels: []string{gs.channel}})
		})
		if err != nil {
			gs.l.log.Warn("a guest could not be let into a conversation", "guest", gs.name, "err", err)
			gs.leave(call.Unreachable)
			return true
		}
		gs.joined = time.Now()
		gs.tell(call.GuestEvent{What: call.GuestJoined})
	case *ari.ChannelDestroyed:
		gs.end(ringResult(e.Cause))
		return true
	case *ari.Resync: // what was missed is read
		ctx, cancel := context.WithTimeout(gs.l.ctx, 3*time.Second)
		defer cancel()
		ch, err := gs.x.ari.Channel(ctx, gs.channel)
		switch {
		case errors.Is(err, ari.ErrNotFound):
			gs.end(call.NoAnswer)
			return true
		case err == nil && ch.State == "Up" && gs.joined.IsZero():
			return gs.took(&ari.StasisStart{Channel: ch})
		}
	}
	return false
}

// leave hangs the guest up.
func (gs *guest) leave(why call.RingResult) {
	gs.x.hangup(context.WithoutCancel(gs.l.ctx), gs.channel)
	gs.end(why)
}

func (gs *guest) end(why call.RingResult) {
	if gs.joined.IsZero() {
		if why == "" {
			why = call.NoAnswer
		}
		gs.tell(call.GuestEvent{What: call.GuestUnreached, Result: why})
		return
	}
	gs.tell(call.GuestEvent{What: call.GuestLeft, Talked: time.Since(gs.joined)})
}

func (gs *guest) tell(e call.GuestEvent) {
	e.Name, e.Agent = gs.name, gs.leg.Agent()
	gs.l.log.Info("a guest of a conversation", "guest", gs.name, "what", e.What)
	if gs.x.Guest != nil {
		gs.x.Guest(gs.l.info.ID, e)
	}
}

// adopt finds the guest of a conversation that is taken up.
func (l *line) adopt(ctx context.Context, g *leg) {
	bridges, err := l.x.ari.Bridges(ctx)
	if err != nil {
		l.log.Warn("the guests of a conversation could not be looked for", "err", err)
		return
	}
	for _, b := range bridges {
		if b.ID != g.bridge {
			continue
		}
		for _, id := range b.Channels {
			rest, is := strings.CutPrefix(id, guestPrefix)
			if !is {
				continue
			}
			gs := &guest{x: l.x, l: l, leg: g, name: rest[strings.LastIndex(rest, "-")+1:], channel: id, joined: time.Now()}
			if !l.admit(gs) {
				continue
			}
			gs.mail = l.x.ari.Open(id)
			if ch, err := l.x.ari.Channel(ctx, id); err == nil && !ch.Creationtime.IsZero() {
				gs.joined = ch.Creationtime.Time
			}
			l.x.spawn(gs.follow)
		}
	}
}

// isGuest tells whether a line of this process has the guest.
func (x *Exchange) isGuest(channel string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, l := range x.lines {
		l.mu.Lock()
		is := l.guest != nil && l.guest.channel == channel
		l.mu.Unlock()
		if is {
			return true
		}
	}
	return false
}
