package ivr

import (
	"context"
	"time"

	"decroche/call"
	"decroche/callback"
	"decroche/sms"
	"decroche/text"
)

// publicDeaf is who comes by the key for deaf and hard-of-hearing callers.
const publicDeaf = "deaf"

// access is the door behind the key for deaf and hard-of-hearing callers. Who cannot hear what
// is said here has a text message at once, with what can be done without a voice; the others, and
// whoever calls for them, are offered a callback through the relay centre, and a person.
func (j *Journey) access(ctx context.Context, c call.Call, v *Visit) (string, error) {
	if !v.relayed() {
		v.Public = publicDeaf
	}
	words := j.prompts(ctx, v, v.def.Access.Prompt)
	if j.textAccess(ctx, c, v) {
		words = append(words, j.prompts(ctx, v, "access.sms")...)
	}
	keys := "10"
	words = append(words, j.prompts(ctx, v, "access.person")...)
	if j.callsBack(v) && v.def.RelayNumber() != call.Withheld {
		keys += "2"
		words = append(words, j.prompts(ctx, v, "access.relay")...)
	}
	key, err := j.choose(ctx, c, v, keys, words...)
	switch {
	case err != nil:
		return "", err
	case key == '2':
		v.Queue = v.def.AccessQueue()
		v.Asking = &Asking{
			Origin: callback.FromAccess, Relay: true, Back: StepAccess, Wait: j.waitToCome(v.Queue),
			End: call.End{Outcome: call.LeftIVR, Reason: call.ReasonCallerHungUp},
		}
		j.note(c, call.EventOffered, "what", "callback", "why", callback.FromAccess)
		return StepCallback, nil
	case key == 0: // who cannot choose is not left alone
		if err := c.Say(ctx, j.prompts(ctx, v, "menu.to-person")...); err != nil {
			return "", err
		}
	}
	return j.toQueue(c, v, v.def.AccessQueue())
}

// textAccess sends the caller's mobile what can be done without a voice, once a call. It tells
// whether it did.
func (j *Journey) textAccess(ctx context.Context, c call.Call, v *Visit) bool {
	info := c.Info()
	if j.Texts == nil || v.relayed() || info.From.Kind() != call.KindMobile {
		return false
	}
	words := j.accessWords(v)
	if words == "" {
		return false
	}
	bounded, cancel := context.WithTimeout(ctx, bookPatience)
	defer cancel()
	err := j.Texts.SendText(bounded, sms.Message{
		Key: "access:" + string(info.ID), To: info.From, Lang: v.Lang, Purpose: sms.Access, Contact: info.ID,
		Text: callback.Plain(words), Expires: time.Now().Add(time.Hour),
	})
	if err != nil && ctx.Err() == nil {
		j.Log.Error("a deaf caller could not be sent what can be done by text", "call", info.ID, "err", err)
	}
	return err == nil
}

// accessWords tell how the service is reached without a voice: by answering, on a page, or through
// the relay centre; "" when it is not.
func (j *Journey) accessWords(v *Visit) string {
	at := func(url func(call.Lang) string) string {
		if url == nil {
			return ""
		}
		return url(v.Lang)
	}
	relay, page, id := at(j.AccessURL), at(j.WriteURL), ""
	link := relay
	switch {
	case v.def.Access.Writes("sms") && relay != "":
		id = "sms.access.write"
	case v.def.Access.Writes("sms"):
		id = "sms.access.write.bare"
	case page != "": // which leads to the relay centre too
		id, link = "sms.access.page", page
	case relay != "":
		id = "sms.access"
	default:
		return ""
	}
	return text.Get(v.Lang, id, "service", v.serviceName(), "link", link)
}
