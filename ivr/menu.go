package ivr

import (
	"context"
	"errors"
	"slices"

	"decroche/call"
)

// patience is how often a menu is said again to a caller who cannot choose, before a
// person is fetched: never a loop, never a hang-up.
const patience = 2

// menu offers its choices and follows the key.
func (j *Journey) menu(ctx context.Context, c call.Call, v *Visit) (string, error) {
	m, ok := v.def.Menus[v.Menu]
	if !ok { // removed by a reload before a restart
		m = v.def.Menus[v.def.Entry.Menu]
	}
	if v.Tries == 0 {
		if next, err := j.sayIncidents(ctx, c, v, MessageMenu+m.ID, StepMenu); err != nil || next != "" {
			return next, err
		}
	}
	why := ""
	for try := v.Tries; try <= patience; try++ {
		key, err := c.Read(ctx, m.Timeout, j.prompts(ctx, v, why, m.Prompt)...)
		v.Tries = try + 1
		switch choice, known := m.Choices[key]; {
		case errors.Is(err, call.ErrNoInput):
			why = "menu.noinput"
		case err != nil:
			return "", err
		case !known:
			c.Flush() // what follows a wrong key was meant for another place
			why = "menu.wrong"
		case choice.Repeat:
			why, try = "", try-1
		default:
			v.Tries = 0
			j.note(c, call.EventMenu, "menu", m.ID, "choice", string(rune(key)))
			if choice.Reason != "" {
				v.Reason = choice.Reason
				j.note(c, call.EventReason, "reason", choice.Reason, "by", "menu")
			}
			switch {
			case choice.Menu != "":
				v.Menu = choice.Menu
				return StepMenu, nil
			case choice.Info != "":
				v.Info = choice.Info
				return StepInfo, nil
			case choice.Access:
				return StepAccess, nil
			case choice.Queue != "":
				return j.toQueue(c, v, choice.Queue)
			default:
				return j.toQueue(c, v, m.Queue)
			}
		}
		j.note(c, call.EventMenu, "menu", m.ID, "choice", "", "why", why)
	}
	return j.toPerson(ctx, c, v, m.Queue)
}

// info says an information to its end, then offers a person: self-care never stands
// between a citizen and an agent.
func (j *Journey) info(ctx context.Context, c call.Call, v *Visit) (string, error) {
	info, ok := v.def.Infos[v.Info]
	if !ok {
		return StepMenu, nil
	}
	if info.Reason != "" && v.Reason == "" {
		v.Reason = info.Reason
		j.note(c, call.EventReason, "reason", info.Reason, "by", "info")
	}
	sounds := j.prompts(ctx, v, info.Prompt)
	heard, err := c.SayUnlessKey(ctx, sounds...)
	if err != nil {
		return "", err
	}
	if heard && len(sounds) > 0 {
		v.InfoHeard = true
		j.note(c, call.EventInfo, "info", v.Info)
	}
	if err := j.sayAddress(ctx, c, v, info.Link); err != nil { // to who has no mobile
		return "", err
	}
	var first []call.Sound
	for try := 0; try <= patience; try++ {
		link, offered := j.offerLink(ctx, c, v, info.Link)
		without, away := j.offerOffline(ctx, v, info)
		offer := "info.offer-person"
		if j.shut(c, v) {
			offer = "info.while-closed"
		}
		question := slices.Concat(first, link, without, j.prompts(ctx, v, offer))
		key, err := c.Read(ctx, pause+pause, question...)
		switch {
		case errors.Is(err, call.ErrNoInput):
			first = j.prompts(ctx, v, "menu.noinput")
		case err != nil:
			return "", err
		case key == '1' || key == '0':
			return j.toQueue(c, v, info.Queue)
		case key == '2':
			return StepInfo, nil
		case key == keyLink && offered:
			first = j.link(ctx, c, v, info.Link)
		case key == keyOffline && away:
			if first, err = j.offline(ctx, c, v, info); err != nil {
				return "", err
			}
		default:
			c.Flush()
			first = j.prompts(ctx, v, "menu.wrong")
		}
	}
	return j.toPerson(ctx, c, v, info.Queue)
}

// toPerson fetches a person for who cannot choose.
func (j *Journey) toPerson(ctx context.Context, c call.Call, v *Visit, queue string) (string, error) {
	if !j.shut(c, v) {
		if err := c.Say(ctx, j.prompts(ctx, v, "menu.to-person")...); err != nil {
			return "", err
		}
	}
	return j.toQueue(c, v, queue)
}

// toQueue notes that a person was asked for, and where. While nobody answers, that is to be told
// when somebody does, and to be called back.
func (j *Journey) toQueue(c call.Call, v *Visit, queue string) (string, error) {
	if j.shut(c, v) {
		return StepClosed, nil
	}
	queue = v.queueFor(queue)
	v.Queue, v.AgentAsked = queue, true
	j.note(c, call.EventAgentAsked, "queue", queue)
	return StepQueue, nil
}
