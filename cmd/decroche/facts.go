package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"decroche/call"
	"decroche/ivr"
	"decroche/routing"
	"decroche/service"
	"decroche/store"
)

// The facts of this file are those that no journey tells: how a call began and, across
// restarts of the controller, how it ended. The journal itself says what was told before.

// arrival is what is known of a call when it comes in. A number that is not the service's
// belongs to none, and is never open.
func arrival(def *service.Definition, info call.Info) map[string]any {
	facts := map[string]any{
		"from": string(info.From), "to": string(info.To), "trunk": info.Trunk,
		"withheld": info.From == call.Withheld, "held_by_dialplan_ms": info.HeldByDialplan.Milliseconds(),
		"service": "", "public": "general", "open": false,
	}
	if number, ok := def.NumberFor(info.To); ok {
		facts["service"], facts["public"] = def.ID, def.PublicOf(info)
		facts["open"] = def.OpeningFor(number, info.Arrived).Open
	}
	return facts
}

// calling tells whose contact a call of ours is, before anything else of it; after a crash again.
func (s *server) calling(info call.Info, v *ivr.Visit) {
	if r := v.Recall; info.Outgoing && r != nil {
		s.live.Append(call.NewEvent(info.ID, call.EventCalling, map[string]any{"promise": r.Promise, "attempt": r.Attempt, "contact": r.Contact}))
	}
}

// tellEnd tells how a call ended while no controller was there, and its conversation before,
// unless the controller that died has told them and only not forgotten the checkpoint.
func (s *server) tellEnd(ctx context.Context, cp call.Checkpoint, v *ivr.Visit, end call.End) {
	var over, talked bool
	err := s.db.Journal().Read(ctx, store.Filter{Call: cp.Call, Kinds: []call.EventKind{
		call.EventConnected, call.EventTransferred, call.EventTalkEnded, call.EventEnded,
	}}, func(e store.Entry) error {
		talked = e.Kind == call.EventTalkEnded || e.Kind == call.EventEnded
		over = over || e.Kind == call.EventEnded
		return nil
	})
	if err != nil { // told twice rather than not
		s.log.Warn("the journal does not say what it knows of a call that is over", "call", cp.Call, "err", err)
	}
	s.calling(cp.Info, v)
	if !talked {
		s.journey.LeftTalking(cp.Call, v, cp.Step, s.lastSign(ctx, cp))
	}
	if !over {
		s.live.Append(call.NewEvent(cp.Call, call.EventEnded, end))
	}
}

// longestCall is what Asterisk lets a call last (see phone: callLimit, and the dialplan).
const longestCall = 4 * time.Hour

// lastSign is the best that is known of when a call ended that nobody saw end: when the
// controller before gave its last sign of life. They may have talked on for a while; a
// controller that was away all night would make a conversation of hours.
func (s *server) lastSign(ctx context.Context, cp call.Checkpoint) time.Time {
	s.sign.Do(func() {
		for _, back := range []time.Duration{time.Minute, 15 * time.Minute, longestCall} { // most often the last minute has one
			if !s.signed.IsZero() {
				return
			}
			_ = s.db.Journal().Read(ctx, store.Filter{Since: s.began.Add(-back), Until: s.began}, func(e store.Entry) error {
				s.signed = e.At
				return nil
			}) // a journal that cannot be read now leaves what the checkpoint says
		}
	})
	if s.signed.After(cp.At) {
		return s.signed
	}
	return cp.At
}

// speakers are the agents who have talked on a call, in the order in which they did.
func (s *server) speakers(ctx context.Context, id call.ID) (agents []call.AgentID, err error) {
	err = s.db.Journal().Read(ctx, store.Filter{Call: id, Kinds: []call.EventKind{call.EventConnected, call.EventTransferred}}, func(e store.Entry) error {
		var d struct{ Agent, To call.AgentID }
		if err := json.Unmarshal(e.Data, &d); err != nil {
			return fmt.Errorf("fact %d of the journal: %w", e.ID, err)
		}
		agents = append(agents, cmp.Or(d.To, d.Agent))
		return nil
	})
	return agents, err
}

// aroundTalk is how far the end of a conversation in the journal may be from the change of
// the agent's state that it caused.
const aroundTalk = 3 * time.Second

// lastCallOf finds in the journal the call that an agent talked on or wrapped up when the state
// was kept: the one whose conversation began, or ended, at that moment. "" when there is none.
func (s *server) lastCallOf(ctx context.Context, a store.AgentState) (id call.ID) {
	st := routing.AgentState(a.State)
	if st != routing.WrapUp && st != routing.Talking {
		return ""
	}
	err := s.db.Journal().Read(ctx, store.Filter{
		Kinds: []call.EventKind{call.EventConnected, call.EventTransferred, call.EventTalkEnded},
		Since: a.Since.Add(-aroundTalk), Until: a.Since.Add(aroundTalk),
	}, func(e store.Entry) error {
		var d struct{ Agent, To call.AgentID }
		if json.Unmarshal(e.Data, &d) == nil && (d.Agent == a.ID || d.To == a.ID) {
			id = e.Call
		}
		return nil
	})
	if err != nil {
		s.log.Warn("the journal does not say which call an agent had", "agent", a.ID, "err", err)
	}
	return id
}
