package ivr

import (
	"context"

	"decroche/call"
	"decroche/callback"
	"decroche/service"
)

// closed says that the line is closed, when it opens, what else can be done, and how to
// be called back (row 2 of the guide).
func (j *Journey) closed(ctx context.Context, c call.Call, v *Visit) (string, error) {
	opening := v.def.Opening(j.now())
	reason, first := call.ReasonClosedHours, v.def.Closed.Prompt
	switch opening.Why {
	case service.WhyHoliday:
		reason = call.ReasonHoliday
	case service.WhyClosure:
		reason = call.ReasonClosure
		if opening.Closure != nil && opening.Closure.Prompt != "" {
			first = opening.Closure.Prompt
		}
	}
	// What a message offers is for who can reach a person: here a callback is offered to all.
	for _, m := range j.unheard(v, "") {
		if err := j.tell(ctx, c, v, m); err != nil {
			return "", err
		}
	}
	w := v.def.Closed
	w.Prompt = first
	if v.def.Menus[w.Menu] != nil && !v.SelfCare && !v.relayed() {
		if _, err := c.SayUnlessKey(ctx, j.prompts(ctx, v, w.Prompt, w.Hours)...); err != nil {
			return "", err
		}
		v.SelfCare, v.Menu, v.Tries = true, w.Menu, 0
		return StepMenu, nil
	}
	return j.instead(ctx, c, v, w, callback.FromClosed, call.End{Outcome: call.Closed, Reason: reason})
}

// shut says that the caller is in the menu of the hours at which nobody answers, and that it is so still.
func (j *Journey) shut(c call.Call, v *Visit) bool {
	number, _ := v.def.NumberFor(c.Info().To)
	return v.SelfCare && !v.def.OpeningFor(number, j.now()).Open
}

// saturated says that nobody can take the call now, and what else can be done.
func (j *Journey) saturated(ctx context.Context, c call.Call, v *Visit) (string, error) {
	return j.instead(ctx, c, v, v.def.Saturated, callback.FromSaturated, call.End{Outcome: call.Dissuaded, Reason: call.ReasonSaturated})
}

// replaced ends a call whose journey an incident message has taken the place of.
func (j *Journey) replaced(ctx context.Context, c call.Call, v *Visit) (string, error) {
	if err := c.Say(ctx, j.prompts(ctx, v, "goodbye")...); err != nil {
		return "", err
	}
	return v.end(call.Dissuaded, call.ReasonClosure)
}

// unknown tells who dialled a number that no service has.
func (j *Journey) unknown(ctx context.Context, c call.Call, v *Visit) (string, error) {
	if err := c.Say(ctx, j.prompts(ctx, v, "unknown-number")...); err != nil {
		return "", err
	}
	return v.end(call.Failed, call.ReasonUnknownNumber)
}

// sorry is said when something of ours failed: never a silence.
func (j *Journey) sorry(ctx context.Context, c call.Call, v *Visit) (string, error) {
	if v.Lang == "" {
		v.Lang = v.def.Languages[0]
	}
	if v.Recall != nil && v.Recall.Result != callback.Connected {
		return j.recallSorry(ctx, c, v)
	}
	words := v.def.Failed.Prompts()
	if len(words) == 0 {
		words = []string{"sorry.technical"}
	}
	if err := c.Say(ctx, j.prompts(ctx, v, words...)...); err != nil {
		return "", err
	}
	return v.end(call.Failed, call.ReasonInternal)
}
