package hooks

import (
	"context"
	"net/http"

	"decroche/sms"
)

// ovh proves a call by the address: OVHcloud signs nothing and adds its fields to the address
// given (sms.callBack), or posts them (smsResponse.cgiUrl). Whoever learns the address can
// forge reports and messages: give it to OVHcloud alone, and keep it out of proxies' logs.
func (h *Hooks) ovh(then func(ctx context.Context, fields map[string]string) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var err error
		if !same(r.PathValue("token"), h.OVHToken) {
			err = errUnproved
		}
		fields := firsts(r.URL.Query())
		if err == nil && r.Method == http.MethodPost {
			var posted map[string]string
			if posted, err = form(w, r); err == nil {
				for k, v := range posted {
					fields[k] = v
				}
			}
		}
		if err == nil {
			err = then(r.Context(), fields)
		}
		if h.finish(w, "ovh", err) {
			w.WriteHeader(http.StatusNoContent)
		}
	}
}

// ovhWhy says what the codes of tracking (ptt) of undelivered messages mean.
var ovhWhy = map[string]string{
	"5":   "the operator does not say why",
	"8":   "it expired before it was delivered",
	"20":  "the operator cannot deliver it as it is",
	"21":  "the subscription has no credit",
	"23":  "the number is not valid, or refuses messages",
	"24":  "the telephone cannot be reached",
	"25":  "a failure of the operator's network",
	"26":  "the telephone is full or busy",
	"27":  "the telephone cannot receive messages",
	"28":  "an operator took it for an advertisement",
	"29":  "the operator refuses the content",
	"33":  "the operator refuses the content",
	"39":  "a failure of the operator",
	"73":  "the operator cannot be reached",
	"74":  "the telephone is abroad",
	"76":  "the operator blocks this sender",
	"202": "the operator blocks this sender",
}

func (h *Hooks) ovhStatus(ctx context.Context, f map[string]string) error {
	id, code := f["id"], f["ptt"]
	why, failed := ovhWhy[code]
	switch {
	case code == "4":
		return h.report(ctx, "ovh", id, sms.Delivered, "")
	case code == "3":
		return h.report(ctx, "ovh", id, sms.Sent, "")
	case failed:
		return h.report(ctx, "ovh", id, sms.Failed, why+" (ptt "+code+")")
	}
	return nil // on its way, or not known to OVHcloud itself
}

func (h *Hooks) ovhIncoming(ctx context.Context, f map[string]string) error {
	return h.receive(ctx, "ovh", f["id"], f["senderid"], f["message"], false)
}
