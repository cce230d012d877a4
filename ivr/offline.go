package ivr

import (
	"context"
	"errors"

	"decroche/call"
	"decroche/service"
)

// keyOffline is the key of callers who do without the internet.
const keyOffline = '4'

// offerOffline tells that there is a way without the internet, once, where one is told of.
func (j *Journey) offerOffline(ctx context.Context, v *Visit, info *service.Info) (words []call.Sound, key bool) {
	if v.Offline || info.Link == "" || info.Offline == "" && len(v.def.Points) == 0 {
		return nil, false
	}
	return j.prompts(ctx, v, "offline.offer"), true
}

// offline tells how it is done by telephone or in person, and where. From then on nothing of this
// contact is offered online.
func (j *Journey) offline(ctx context.Context, c call.Call, v *Visit, info *service.Info) ([]call.Sound, error) {
	v.Offline = true
	j.note(c, call.EventOfferRefused, "what", "online")
	words := j.prompts(ctx, v, "offline.noted", info.Offline)
	if len(v.def.Points) == 0 {
		return words, nil
	}
	ask := append(words, j.prompts(ctx, v, "offline.postcode")...)
	for range tries {
		postcode, err := j.postcode(ctx, c, ask)
		switch {
		case err != nil:
			return nil, err
		case postcode == "": // they do not want to
			return nil, nil
		}
		if p := v.def.Nearest(postcode); p != nil {
			return j.prompts(ctx, v, p.Prompt), nil
		}
		ask = j.prompts(ctx, v, "offline.unknown")
	}
	return nil, nil
}

// postcode reads five digits; "" when they do not come.
func (j *Journey) postcode(ctx context.Context, c call.Call, question []call.Sound) (string, error) {
	var digits []byte
	for patience := pause + pause; len(digits) < 5; patience, question = betweenDigits, nil {
		key, err := c.Read(ctx, patience, question...)
		switch {
		case errors.Is(err, call.ErrNoInput):
			return "", nil
		case err != nil:
			return "", err
		case key == '*':
			digits = nil
		case key != '#':
			digits = append(digits, byte(key))
		}
	}
	return string(digits), nil
}
