package phone

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"decroche/ari"
	"decroche/call"
)

// Account is an agent's SIP account.
type Account struct {
	ID       call.AgentID
	Name     string
	Password string
}

// PushAccounts gives Asterisk the agents' accounts. They live in its memory: they are
// pushed again after it restarts.
func (x *Exchange) PushAccounts(ctx context.Context, accounts []Account) error {
	for _, a := range accounts {
		id := string(a.ID)
		objects := []struct {
			kind   string
			fields []ari.ConfigTuple
		}{
			{"auth", tuples("auth_type", "userpass", "username", id, "password", a.Password)},
			{"aor", tuples("max_contacts", "1", "remove_existing", "yes", "remove_unavailable", "yes", "qualify_frequency", "60", "support_path", "no")},
			{"endpoint", tuples("context", "from-agent", "disallow", "all", "allow", "alaw,ulaw,g722", "auth", id, "aors", id,
				"direct_media", "no", "dtmf_mode", "auto_info", "rtp_symmetric", "yes", "force_rport", "yes", "rewrite_contact", "yes",
				"callerid", fmt.Sprintf("%q <%s>", a.Name, id), "identify_by", "auth_username,username", "rtp_timeout", "120",
				"rtp_timeout_hold", "3600", "timers", "yes", "send_connected_line", "no")},
		}
		for _, o := range objects {
			if err := x.ari.PutConfig(ctx, "res_pjsip", o.kind, id, o.fields...); err != nil {
				return fmt.Errorf("give Asterisk the SIP account of agent %s: %w", a.ID, err)
			}
		}
	}
	return nil
}

// DropAccount takes an agent's account away.
func (x *Exchange) DropAccount(ctx context.Context, id call.AgentID) error {
	for _, kind := range []string{"endpoint", "aor", "auth"} {
		if err := x.ari.DeleteConfig(ctx, "res_pjsip", kind, string(id)); err != nil && !errors.Is(err, ari.ErrNotFound) {
			return fmt.Errorf("take away the SIP account of agent %s: %w", id, err)
		}
	}
	return nil
}

func tuples(pairs ...string) []ari.ConfigTuple {
	t := make([]ari.ConfigTuple, 0, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		t = append(t, ari.ConfigTuple{Attribute: pairs[i], Value: pairs[i+1]})
	}
	return t
}

// side is a channel that is no caller's: an agent's phone that dialled a code or a colleague.
type side struct {
	x    *Exchange
	id   string
	mail *ari.Mailbox
}

// play says the sounds to the channel and waits for their end.
func (s *side) play(ctx context.Context, sounds []call.Sound) error {
	if len(sounds) == 0 {
		return nil
	}
	media := make([]string, len(sounds))
	for i, snd := range sounds {
		media[i] = "sound:" + snd.Path
	}
	if _, err := s.x.ari.Play(ctx, s.id, ari.Play{ID: "say-" + s.id, Media: media}); err != nil {
		return err
	}
	for {
		e, err := s.mail.Next(ctx)
		if err != nil {
			return err
		}
		switch e.(type) {
		case *ari.PlaybackFinished, *ari.ChannelDestroyed, *ari.StasisEnd:
			return nil
		}
	}
}

// code obeys a star code: the agent hears what is so now.
func (x *Exchange) code(ctx context.Context, ch ari.Channel, code string, agent call.AgentID) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	s := &side{x: x, id: ch.ID, mail: x.ari.Open(ch.ID)}
	defer s.mail.Close()
	if err := s.play(ctx, x.Code(ctx, agent, code)); err != nil && !errors.Is(err, ari.ErrNotFound) {
		x.Log.Warn("an agent could not be told the new state", "agent", agent, "err", err)
	}
	x.hangup(ctx, ch.ID)
}

func (x *Exchange) hangup(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	if err := x.ari.Hangup(ctx, id, ari.ReasonNormal); err != nil && !errors.Is(err, ari.ErrNotFound) {
		x.Log.Warn("could not hang up", "channel", id, "err", err)
	}
}

// ErrNoColleague says that no agent has the number an agent has dialled.
var ErrNoColleague = errors.New("no agent has that number")

// consult is an agent's call to a colleague; an attended transfer may take the colleague away.
type consult struct {
	asking, asked   string // channels
	from, colleague call.AgentID

	mu    sync.Mutex
	up    bool // the colleague has answered
	taken bool
	over  chan struct{} // closed when a transfer has taken the colleague
	told  chan struct{} // closed when the phone that asked for the transfer knows it was made
}

// consult lets an agent speak with a colleague. It ends with either, or with a transfer.
func (x *Exchange) consult(ctx context.Context, ch ari.Channel, to, from call.AgentID) {
	release, err := x.Consult(from, to)
	if err != nil {
		x.Log.Info("a consultation is not possible", "from", from, "why", err)
		why := ari.ReasonBusy
		if errors.Is(err, ErrNoColleague) {
			why = ari.ReasonUnallocated
		}
		_ = x.ari.Hangup(ctx, ch.ID, why)
		return
	}
	defer release()
	c := &consult{asking: ch.ID, asked: newLegID(), from: from, colleague: to, over: make(chan struct{}), told: make(chan struct{})}
	mail := x.ari.Open(c.asking, c.asked)
	defer mail.Close()
	x.mu.Lock()
	x.consults[c.asking] = c
	x.mu.Unlock()
	defer func() {
		x.mu.Lock()
		delete(x.consults, c.asking)
		x.mu.Unlock()
	}()
	_ = x.ari.Ring(ctx, c.asking)
	_, err = x.ari.Originate(ctx, ari.Originate{
		ID: c.asked, Endpoint: "PJSIP/" + string(to), Args: "agent", CallerID: fmt.Sprintf("<%s>", from),
		Timeout: 30 * time.Second, Originator: c.asking, Variables: transfersAskUs,
	})
	if err != nil {
		_ = x.ari.Hangup(ctx, c.asking, ari.ReasonBusy)
		return
	}
	x.converse(ctx, c, mail)
}

// converse follows a consultation to its end. When ctx ends it stays as it is: the next
// controller hangs it up.
func (x *Exchange) converse(ctx context.Context, c *consult, mail *ari.Mailbox) {
	moving := false // a REFER is being carried out
	for {
		select {
		case <-c.over:
			// A phone that asked on this very call would take its end for a transfer that failed.
			select {
			case <-c.told:
			case <-ctx.Done():
			}
			x.endConsult(ctx, c, c.asking)
			return
		case <-ctx.Done():
			return
		case e, ok := <-mail.Events():
			if !ok {
				return
			}
			switch e := e.(type) {
			case *ari.StasisStart:
				if e.Channel.ID == c.asked {
					c.answered()
					if err := x.join(ctx, c); err != nil {
						x.Log.Warn("a consultation could not be connected", "err", err)
						x.endConsult(ctx, c, c.asking, c.asked)
						return
					}
				}
			case *ari.ChannelTransfer:
				moving = x.referred(ctx, c, e) || moving
			case *ari.ChannelDestroyed, *ari.StasisEnd:
				if c.isTaken() || moving && c.wait(ctx) {
					continue // over follows
				}
				x.endConsult(ctx, c, c.asking, c.asked)
				return
			}
		}
	}
}

// referred takes a REFER that concerns a consultation. One on the agent's call with the
// caller is carried out there; one on the consultation itself, as some phones send it, is
// handed to it. It tells whether a transfer is under way.
func (x *Exchange) referred(ctx context.Context, c *consult, e *ari.ChannelTransfer) bool {
	if e.State != "" { // the echo of our own word on how it goes
		return false
	}
	source := e.ReferredBy.SourceChannel.ID
	if source != c.asking && source != c.asked {
		return true
	}
	if to := e.ReferTo.DestinationChannel; source == c.asking && to != nil {
		if g := x.legBy(to.ID); g != nil && g.Agent() == c.from {
			g.carryOut(c, source)
			return true
		}
	}
	x.spawn(func() { x.tellPhone(ctx, source, ari.TransferDeclined) })
	return false
}

// tellPhone tells a phone how the transfer went that it has asked for.
//
// Asterisk sends the event of a REFER before it is done with it, and dies of a null pointer when the answer
// comes first (22.10.1: refer_incoming_ari_request sets progress->ari_state after ari_notify). What is asked
// of CHANNEL(pjsip) is answered in the thread that takes the REFER, so after it.
func (x *Exchange) tellPhone(ctx context.Context, channel string, state ari.TransferState) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	_, err := x.ari.Variable(ctx, channel, "CHANNEL(pjsip,call-id)")
	if err == nil {
		err = x.ari.TransferProgress(ctx, channel, state)
	}
	if err != nil && !errors.Is(err, ari.ErrNotFound) {
		x.Log.Warn("a phone could not be told how its transfer went", "err", err)
	}
}

func (c *consult) bridge() string { return consultPrefix + c.asking }

const consultPrefix = "consult-"

func (x *Exchange) join(ctx context.Context, c *consult) error {
	if err := x.ari.Answer(ctx, c.asking); err != nil {
		return err
	}
	if _, err := x.ari.CreateBridge(ctx, c.bridge(), "mixing", "consultation"); err != nil {
		return err
	}
	return x.ari.AddToBridge(ctx, c.bridge(), ari.Join{Channels: []string{c.asking, c.asked}})
}

func (x *Exchange) endConsult(ctx context.Context, c *consult, channels ...string) {
	for _, id := range channels {
		x.hangup(ctx, id)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	if err := x.ari.DestroyBridge(ctx, c.bridge()); err != nil && !errors.Is(err, ari.ErrNotFound) {
		x.Log.Warn("could not end the bridge of a consultation", "err", err)
	}
}

// consultOf finds the consultation that a REFER names: by the call it would replace.
func (x *Exchange) consultOf(e *ari.ChannelTransfer) *consult {
	if e.ReferTo.DestinationChannel == nil {
		return nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.consults[e.ReferTo.DestinationChannel.ID]
}

func (c *consult) answered() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.up = true
}

func (c *consult) isTaken() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.taken
}

// wait gives a transfer under way its time: a phone may hang up as soon as it has asked.
func (c *consult) wait(ctx context.Context) (taken bool) {
	select {
	case <-c.over:
	case <-ctx.Done():
	case <-time.After(2 * time.Second):
	}
	return c.isTaken()
}

// take gives the colleague to a transfer, once.
func (c *consult) take() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.up || c.taken {
		return false
	}
	c.taken = true
	return true
}

// giveBack undoes take.
func (c *consult) giveBack() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.taken = false
}

// end closes the consultation after its colleague was taken. The conversation was told
// first, so that the colleague is never free in between.
func (c *consult) end() { close(c.over) }
