package ivr

import (
	"context"
	"strings"

	"decroche/call"
	"decroche/callback"
	"decroche/service"
	"decroche/sms"
	"decroche/text"
)

// Links knows which of the service's sites work.
type Links interface {
	// Down says that a link is not to be sent now, and why.
	Down(id string) (why string, down bool)
	// Muted says that a prompt sends callers to a site that is down.
	Muted(prompt string) bool
}

// Texter takes a text message, durably; a message whose key is known already is not sent again.
type Texter interface {
	SendText(ctx context.Context, m sms.Message) error
}

// keyLink is the key that has the link sent, or its address said again.
const keyLink = '3'

// offerLink is what an information says of its link: that it can be sent to a mobile; its
// address, slowly and twice, to the others; that the site is down.
func (j *Journey) offerLink(ctx context.Context, c call.Call, v *Visit, id string) (words []call.Sound, key bool) {
	link := v.def.Links[id]
	switch {
	case link == nil || j.Texts == nil || v.LinkSent || v.Offline:
		return nil, false
	case j.isDown(id):
		return j.sentence(ctx, v, v.Lang, "link.down", "label", phraseIn(link.Label, v)), false
	case c.Info().From.Kind() == call.KindMobile:
		return j.prompts(ctx, v, "link.offer"), true
	}
	return j.prompts(ctx, v, "link.hear"), true
}

func (j *Journey) isDown(id string) bool {
	if j.Links == nil {
		return false
	}
	_, down := j.Links.Down(id)
	return down
}

// sayAddress tells callers without a mobile where the link leads; a key skips it.
func (j *Journey) sayAddress(ctx context.Context, c call.Call, v *Visit, id string) error {
	link := v.def.Links[id]
	if link == nil || j.Texts == nil || v.Offline || j.isDown(id) || c.Info().From.Kind() == call.KindMobile {
		return nil
	}
	_, err := c.SayUnlessKey(ctx, j.address(ctx, v, link)...)
	return err
}

// link does what its key asks for, and returns the words that tell it.
func (j *Journey) link(ctx context.Context, c call.Call, v *Visit, id string) []call.Sound {
	link, info := v.def.Links[id], c.Info()
	if j.isDown(id) { // since it was offered
		return j.sentence(ctx, v, v.Lang, "link.down", "label", phraseIn(link.Label, v))
	}
	if info.From.Kind() != call.KindMobile {
		return j.address(ctx, v, link)
	}
	bounded, cancel := context.WithTimeout(ctx, bookPatience)
	defer cancel()
	err := j.Texts.SendText(bounded, sms.Message{
		Key: "link:" + string(info.ID), To: info.From, Lang: v.Lang, Purpose: sms.Link, Contact: info.ID,
		Text: callback.Plain(text.Get(v.Lang, "smslink.link", "service", v.serviceName(), "label", phraseIn(link.Label, v), "url", link.URL)),
	})
	if err != nil {
		if ctx.Err() == nil {
			j.Log.Error("a link could not be sent", "call", info.ID, "link", id, "err", err)
		}
		return append(j.prompts(ctx, v, "link.failed"), j.address(ctx, v, link)...)
	}
	v.LinkSent = true
	return j.prompts(ctx, v, "link.sent")
}

// address says where a link leads, slowly and twice.
func (j *Journey) address(ctx context.Context, v *Visit, link *service.Link) []call.Sound {
	if link.Spoken != "" {
		return j.prompts(ctx, v, link.Spoken, link.Spoken)
	}
	once := j.sentence(ctx, v, v.Lang, "link.address", "address", SpokenAddress(v.Lang, link.URL))
	return append(once, once...)
}

// SpokenAddress writes an address as it is read out, each part by itself:
// "https://www.exemple.fr/rendez-vous" is "www, point, exemple, point, fr, barre oblique, …".
func SpokenAddress(lang call.Lang, url string) string {
	_, address, ok := strings.Cut(url, "://")
	if !ok {
		address = url
	}
	address = strings.TrimSuffix(address, "/")
	var parts []string
	word := ""
	for _, r := range address {
		sign := text.Get(lang, "smslink.sign."+string(r))
		if strings.HasPrefix(sign, "smslink.") { // no sign
			word += string(r)
			continue
		}
		if word != "" {
			parts, word = append(parts, word), ""
		}
		parts = append(parts, sign)
	}
	if word != "" {
		parts = append(parts, word)
	}
	return strings.Join(parts, ", ")
}

// phraseIn is a wording in the caller's language, else in the service's first.
func phraseIn(t service.Text, v *Visit) string {
	if p := t[v.Lang]; p.Say != "" {
		return p.Say
	}
	return t[v.def.Languages[0]].Say
}
