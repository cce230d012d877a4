package ivr

import (
	"context"
	"slices"
	"time"

	"decroche/call"
	"decroche/tags"
)

// Tags tells what callers want known of them; *tags.Office is one.
type Tags interface {
	Of(ctx context.Context, n call.Number) ([]tags.Tag, error)
}

// tagPatience is how long a caller may wait for what is known of them: without it they are
// received like anybody else.
const tagPatience = 500 * time.Millisecond

// recognise follows what the caller has wanted known, and gives their language, "" when it is not
// known. Who calls for others, or by a number that is for a public of its own, is who they say.
func (j *Journey) recognise(ctx context.Context, c call.Call, v *Visit) (lang call.Lang) {
	if j.Tags == nil || v.relayed() || c.Info().From == call.Withheld {
		return ""
	}
	v.Tags = nil // the step may run twice
	bounded, cancel := context.WithTimeout(ctx, tagPatience)
	defer cancel()
	list, err := j.Tags.Of(bounded, c.Info().From)
	if err != nil {
		if ctx.Err() == nil {
			j.Log.Error("a caller's tags could not be read", "call", c.Info().ID, "err", err)
		}
		return ""
	}
	for _, t := range list {
		v.Tags = append(v.Tags, t.Kind)
		switch t.Kind {
		case tags.Language:
			if slices.Contains(v.def.Languages, call.Lang(t.Value)) {
				lang = call.Lang(t.Value)
			}
		case tags.Offline:
			v.Offline = true
		case tags.Deaf, tags.Vulnerable, tags.Overseas:
			if v.Public == "general" || t.Kind == tags.Deaf {
				v.Public = string(t.Kind)
			}
		}
		j.note(c, call.EventTag, "what", "used", "tag", t.Kind)
	}
	return lang
}

// tagged says whether something is known of the caller.
func (v *Visit) tagged(kind tags.Kind) bool { return slices.Contains(v.Tags, kind) }

// queueFor is where a caller of a queue waits, by what is known of them.
func (v *Visit) queueFor(queue string) string {
	for _, kind := range v.Tags {
		if other := v.def.Tags[string(kind)].Queues[queue]; other != "" {
			return other
		}
	}
	return queue
}
