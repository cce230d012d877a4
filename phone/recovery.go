package phone

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"decroche/ari"
	"decroche/call"
)

// recoveryPatience bounds how long new callers wait for those taken up to have their place again.
const recoveryPatience = 3 * time.Second

// recover compares the checkpoints with Asterisk's channels. Both: the call goes on.
// Checkpoint only: the caller left meanwhile. Channel only: it begins. What is left of
// agents' phones is for nobody and hung up, and so is what we have placed: a citizen's phone
// that still rings is given up, with its checkpoint, and one that has answered goes on if it
// has a checkpoint. Later connects have no checkpoints to look at:
// the calls of this process have their lines, which read their channels again by themselves.
func (x *Exchange) recover(ctx context.Context, asterisk ari.AsteriskInfo) error {
	var open []call.Checkpoint
	first := !x.recovered
	if first {
		var err error
		if open, err = x.Checkpoints.Open(ctx); err != nil {
			return fmt.Errorf("recover calls: read the open checkpoints: %w", err)
		}
		if x.Turn != nil {
			slices.SortStableFunc(open, x.Turn)
		}
	}
	pending := make(map[string]*line, len(open)) // listening before we look, so that no hang-up is missed
	for _, cp := range open {
		id := string(cp.Call)
		if x.line(id) == nil {
			info := cp.Info
			info.Resumed = true
			pending[id] = x.newLine(info)
		}
	}
	channels, err := x.ari.Channels(ctx)
	if err != nil {
		for _, l := range pending {
			l.mail.Close()
		}
		return fmt.Errorf("recover calls: list Asterisk's channels: %w", err)
	}
	kept, resumed, gone := x.takeUp(ctx, open, pending, channels, asterisk)
	x.recovered = true
	begun := 0
	for _, ch := range channels {
		inApp := ch.Dialplan.AppName == "Stasis"
		switch {
		case x.line(ch.ID) != nil || x.legInUse(ch.ID) || kept[ch.ID]:
		case strings.HasPrefix(ch.ID, outPrefix): // a citizen who is rung by nobody
			x.hangup(ctx, ch.ID)
		case strings.HasPrefix(ch.ID, guestPrefix): // of a conversation that is over, unless it was found
			if !x.isGuest(ch.ID) {
				x.hangup(ctx, ch.ID)
			}
		case strings.HasPrefix(ch.Name, "PJSIP/trunk-"):
			if inApp {
				x.begin(x.infoOfOrphan(ctx, ch))
				begun++
			}
		case strings.HasPrefix(ch.ID, legPrefix): // a phone that rings for nobody
			x.hangup(ctx, ch.ID)
		case inApp: // an agent's phone that dialled a code or a colleague
			x.endConsult(ctx, &consult{asking: ch.ID}, ch.ID)
		}
	}
	if first {
		x.sweep(ctx)
	}
	if resumed+gone+begun > 0 {
		x.Log.Info("calls recovered", "resumed", resumed, "left_meanwhile", gone, "begun", begun)
	}
	return nil
}

// takeUp starts the calls whose caller is still there, each after the one before has its
// place, and closes the others. kept are the agents' channels that conversations need.
func (x *Exchange) takeUp(ctx context.Context, open []call.Checkpoint, pending map[string]*line, channels []ari.Channel, asterisk ari.AsteriskInfo) (kept map[string]bool, resumed, gone int) {
	there := make(map[string]bool, len(channels))
	for _, ch := range channels {
		there[ch.ID] = ch.State == "Up" || !strings.HasPrefix(ch.ID, outPrefix)
	}
	kept = map[string]bool{}
	patience, cancel := context.WithTimeout(ctx, recoveryPatience)
	defer cancel()
	for _, cp := range open {
		l := pending[string(cp.Call)]
		switch {
		case l == nil: // taken up at a connect that was lost before its recovery was over
		case there[l.id]:
			l.before = cp.Epoch
			kept[legOf(cp)] = true
			select {
			case <-x.start(l, &cp):
			case <-patience.Done():
			}
			resumed++
		default:
			if _, rings := there[l.id]; rings {
				x.hangup(ctx, l.id)
			}
			l.mail.Close()
			x.Gone(ctx, cp, goneBecause(cp, asterisk))
			gone++
		}
	}
	return kept, resumed, gone
}

// goneBecause says why a call is not there any more: it was cut off with its Asterisk if
// this one is younger than what was last saved of the call. Asterisk tells its start in seconds.
func goneBecause(cp call.Checkpoint, asterisk ari.AsteriskInfo) error {
	if s := asterisk.Status; s != nil && s.StartupTime.After(cp.At) {
		return errExchangeLost
	}
	return call.ErrHangup
}

// sweep ends the bridges of conversations that ended while no controller was there.
func (x *Exchange) sweep(ctx context.Context) {
	bridges, err := x.ari.Bridges(ctx)
	if err != nil {
		x.Log.Warn("bridges of earlier conversations could not be looked for", "err", err)
		return
	}
	for _, b := range bridges {
		ours := strings.HasPrefix(b.ID, talkPrefix) || strings.HasPrefix(b.ID, consultPrefix)
		if !ours || len(b.Channels) > 0 {
			continue
		}
		if err := x.ari.DestroyBridge(ctx, b.ID); err != nil && !errors.Is(err, ari.ErrNotFound) {
			x.Log.Warn("could not end the bridge of an earlier conversation", "bridge", b.ID, "err", err)
		}
	}
}
