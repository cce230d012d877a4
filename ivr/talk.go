package ivr

import (
	"context"
	"errors"
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
	j.began(c.Info().ID, v)
	if j.Keep != nil { // so that the next controller does not tell it again
		switch err := j.Keep(ctx, c, StepTalk, v); {
		case errors.Is(err, call.ErrFenced):
			return "", err
		case err != nil && ctx.Err() == nil:
			j.Log.Error("a conversation goes on that could not be saved", "call", c.Info().ID, "err", err)
		}
	}
	end, err := v.leg.Bridge(ctx, func(e call.TalkEvent) { j.note(c, e.Kind, "agent", e.Agent) })
	cause := context.Cause(ctx)
	if leftInPlace(cause) {
		return "", cause // both stay on the line: the next controller goes on
	}
	if end == call.Transferred {
		j.transferred(c, v)
		return StepTalk, nil // saved with the colleague's leg before they go on
	}
	why := call.Reason("")
	switch {
	case cause != nil:
		end = call.CallerLeft
	case err != nil: // the exchange did not put them together, or lost them
		end, why = call.AgentLeft, call.ReasonExchange
	}
	j.talkEnded(c.Info().ID, v, time.Now(), end, why)
	if v.reservation != nil {
		v.reservation.Done(time.Since(v.Connected))
	}
	switch {
	case end == call.CallerLeft:
		return v.end(call.Answered, leftBecause(cause))
	case err != nil:
		return "", err
	case j.Surveys != nil:
		return StepSurvey, nil
	}
	return StepGoodbye, nil
}

// began tells the journal who has the caller since v.Connected: the agent first, then each
// colleague to whom the caller was passed on. Those were consulted before: transfers without a
// word to the colleague are declined.
func (j *Journey) began(id call.ID, v *Visit) {
	if v.Leg == nil || v.Leg.Agent == v.Talking {
		return
	}
	agent, _ := j.Floor.Agent(v.Leg.Agent) // who is in the roster no more has no team
	if v.Talking == "" {
		j.noteOf(id, v.Connected, call.EventConnected, "agent", v.Leg.Agent, "team", agent.Team, "queue", v.Queue,
			"wait_ms", v.Connected.Sub(v.Joined).Milliseconds())
	} else {
		before, _ := j.Floor.Agent(v.Talking)
		j.noteOf(id, v.Connected, call.EventTransferred, "agent", v.Talking, "to", v.Leg.Agent, "team", agent.Team, "how", "consulted",
			"from_level", v.level(before.Agent), "to_level", v.level(agent.Agent))
	}
	v.Talking = v.Leg.Agent
}

// transferred gives the caller to a colleague.
func (j *Journey) transferred(c call.Call, v *Visit) {
	state := v.leg.State()
	v.Leg, v.Connected = &state, time.Now()
	if v.reservation == nil {
		return
	}
	if err := v.reservation.TransferTo(state.Agent); err != nil {
		j.Log.Warn("a transfer could not be followed on the floor", "call", c.Info().ID, "err", err)
	}
}

// level is the agent's in the skill the caller's queue asks most of; 0 when it asks none.
func (v *Visit) level(agent routing.Agent) int {
	skill, most := "", 0
	if q := v.def.Queues[v.Queue]; q != nil {
		for id, least := range q.Needs {
			if least > most || least == most && id < skill {
				skill, most = id, least
			}
		}
	}
	return agent.Skills[skill]
}

// talkEnded tells the journal that a conversation is over; why is "" when one of the two ended it.
func (j *Journey) talkEnded(id call.ID, v *Visit, at time.Time, by call.TalkEnd, why call.Reason) {
	if v.Talking == "" {
		return
	}
	data := []any{"agent", v.Talking, "by", by, "talk_ms", max(0, at.Sub(v.Connected).Milliseconds())}
	if why != "" {
		data = append(data, "why", why)
	}
	j.noteOf(id, at, call.EventTalkEnded, data...)
	v.Talking = ""
}

// LeftTalking closes the conversation of a call that ended while no controller was there, as
// its checkpoint has it. at is the last moment at which they may have talked.
func (j *Journey) LeftTalking(id call.ID, v *Visit, step string, at time.Time) {
	if step != StepTalk {
		return
	}
	if v.def == nil {
		v.def = j.Service()
	}
	j.began(id, v)
	j.talkEnded(id, v, at, call.CallerLeft, call.ReasonControllerDown)
}

// resumeTalk finds agent and conversation again after a restart of the controller. It
// tells when the agent is gone.
func (j *Journey) resumeTalk(ctx context.Context, c call.Call, v *Visit) (gone bool) {
	if gone = j.resumeLeg(ctx, c, v); gone {
		j.began(c.Info().ID, v)
		j.talkEnded(c.Info().ID, v, time.Now(), call.AgentLeft, call.ReasonControllerDown)
	}
	return gone
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
		ID: c.Info().ID, Queue: v.Queue, Lang: v.Lang, Public: v.Public, Joined: v.Joined, Resumed: true,
	}, v.leg.Agent()); err != nil { // they go on talking all the same
		j.Log.Warn("a conversation could not be followed on the floor", "call", c.Info().ID, "err", err)
	}
	return false
}

// goodbye thanks a caller whose agent has hung up.
func (j *Journey) goodbye(ctx context.Context, c call.Call, v *Visit) (string, error) {
	words := "goodbye"
	switch {
	case v.Answered:
		words = "survey.thanks"
	case v.Recall != nil: // it was we who called
		words = "recall.goodbye"
	}
	if err := c.Say(ctx, j.prompts(ctx, v, words)...); err != nil {
		return "", err
	}
	return v.end(call.Answered, call.ReasonAgentHungUp)
}
