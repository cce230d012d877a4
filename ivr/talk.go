package ivr

import (
	"context"
	"time"

	"decroche/call"
	"decroche/routing"
)

// talk lets caller and agent talk until one of them leaves.
func (j *Journey) talk(ctx context.Context, c call.Call, v *Visit) (string, error) {
	if v.leg == nil {
		gone := j.resumeTalk(ctx, c, v)
		v.settle()
		if gone {
			return StepGoodbye, nil
		}
	}
	agent := v.leg.Agent()
	end, err := v.leg.Bridge(ctx, func(e call.TalkEvent) { j.note(c, e.Kind, "agent", e.Agent) })
	if cause := context.Cause(ctx); leftInPlace(cause) {
		return "", cause // both stay on the line: the next controller goes on
	}
	if end == call.Transferred {
		j.transferred(c, v, agent)
		return StepTalk, nil // saved with the colleague's leg before they go on
	}
	if v.reservation != nil {
		v.reservation.Done(time.Since(v.Connected))
	}
	if err != nil && context.Cause(ctx) == nil {
		return "", err
	}
	if context.Cause(ctx) != nil {
		end = call.CallerLeft
	}
	j.note(c, call.EventTalkEnded, "agent", agent, "by", end, "talk_ms", time.Since(v.Connected).Milliseconds())
	if end == call.CallerLeft {
		return v.end(call.Answered, leftBecause(context.Cause(ctx)))
	}
	return StepGoodbye, nil
}

// transferred notes that a colleague has the caller now, whom the agent consulted before:
// transfers without a word to the colleague are declined.
func (j *Journey) transferred(c call.Call, v *Visit, from call.AgentID) {
	state := v.leg.State()
	v.Leg = &state
	before := v.level()
	if v.reservation != nil {
		if err := v.reservation.TransferTo(state.Agent); err != nil {
			j.Log.Warn("a transfer could not be followed on the floor", "call", c.Info().ID, "err", err)
		}
	}
	j.note(c, call.EventTransferred, "agent", from, "to", state.Agent, "team", v.agent().Team, "how", "consulted",
		"from_level", before, "to_level", v.level())
}

// level is the agent's in the skill the caller's queue asks most of; 0 when it asks none.
func (v *Visit) level() int {
	skill, most := "", 0
	if q := v.def.Queues[v.Queue]; q != nil {
		for id, least := range q.Needs {
			if least > most || least == most && id < skill {
				skill, most = id, least
			}
		}
	}
	return v.agent().Skills[skill]
}

// resumeTalk finds agent and conversation again after a restart of the controller. It
// tells when the agent is gone.
func (j *Journey) resumeTalk(ctx context.Context, c call.Call, v *Visit) (gone bool) {
	if j.resumeLeg(ctx, c, v) {
		talk := int64(0)
		if !v.Connected.IsZero() {
			talk = time.Since(v.Connected).Milliseconds()
		}
		var agent call.AgentID
		if v.Leg != nil {
			agent = v.Leg.Agent
		}
		j.note(c, call.EventTalkEnded, "agent", agent, "by", call.AgentLeft, "why", call.ReasonControllerDown, "talk_ms", talk)
		return true
	}
	return false
}

// resumeLeg finds the agent of a call again after a restart of the controller, and keeps
// others from being sent there. It tells when the agent is gone.
func (j *Journey) resumeLeg(ctx context.Context, c call.Call, v *Visit) (gone bool) {
	var ok bool
	if v.Leg != nil {
		v.leg, ok = c.ResumeLeg(ctx, *v.Leg)
	}
	if !ok {
		v.leg = nil
		return true
	}
	j.note(c, call.EventResumed, "agent", v.Leg.Agent)
	var err error
	if v.reservation, err = j.Floor.ResumeTalk(routing.Caller{
		ID: c.Info().ID, Queue: v.Queue, Lang: v.Lang, Joined: v.Joined, Resumed: true,
	}, v.leg.Agent()); err != nil { // they go on talking all the same
		j.Log.Warn("a conversation could not be followed on the floor", "call", c.Info().ID, "err", err)
	}
	return false
}

// goodbye thanks a caller whose agent has hung up.
func (j *Journey) goodbye(ctx context.Context, c call.Call, v *Visit) (string, error) {
	words := "goodbye"
	if v.Recall != nil { // it was we who called
		words = "recall.goodbye"
	}
	if err := c.Say(ctx, j.prompts(ctx, v, words)...); err != nil {
		return "", err
	}
	return v.end(call.Answered, call.ReasonAgentHungUp)
}
