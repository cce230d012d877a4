package hooks

import (
	"context"
	"net/http"
	"strings"

	"github.com/twilio/twilio-go/client"

	"decroche/sms"
)

// twilio proves a call by X-Twilio-Signature and the account it is of. Twilio signs no time:
// a call that comes again is known by its message.
func (h *Hooks) twilio(then func(ctx context.Context, fields map[string]string) error) http.HandlerFunc {
	validator := client.NewRequestValidator(h.TwilioToken)
	return func(w http.ResponseWriter, r *http.Request) {
		fields, err := form(w, r)
		if err == nil {
			signature := r.Header.Get("X-Twilio-Signature")
			address := strings.TrimSuffix(h.Base, "/") + r.URL.RequestURI()
			if signature == "" || !validator.Validate(address, fields, signature) || !same(fields["AccountSid"], h.TwilioAccount) {
				err = errUnproved
			}
		}
		if err == nil {
			err = then(r.Context(), fields)
		}
		if h.finish(w, r.URL.Path, err) {
			// An empty answer in Twilio's own language: nothing more to do.
			w.Header().Set("Content-Type", "text/xml")
			_, _ = w.Write([]byte("<Response/>"))
		}
	}
}

// twilioWhy says what Twilio's codes of undelivered messages mean.
var twilioWhy = map[string]string{
	"21610": "the citizen has answered STOP",
	"30002": "the account is suspended",
	"30003": "the telephone cannot be reached",
	"30004": "the number refuses messages",
	"30005": "the number is not in service",
	"30006": "a landline, or an operator that cannot be reached",
	"30007": "an operator took it for an advertisement",
	"30008": "the operator does not say why",
	"30036": "it expired before it was delivered",
}

func (h *Hooks) twilioStatus(ctx context.Context, f map[string]string) error {
	id := f["MessageSid"]
	switch f["MessageStatus"] {
	case "accepted", "scheduled", "queued", "sending":
		return nil // we know that
	case "sent":
		return h.report(ctx, "twilio", id, sms.Sent, "")
	case "delivered", "read":
		return h.report(ctx, "twilio", id, sms.Delivered, "")
	case "undelivered", "failed", "canceled":
		why, known := twilioWhy[f["ErrorCode"]]
		if !known {
			why = "Twilio says " + f["MessageStatus"]
		}
		if code := f["ErrorCode"]; code != "" {
			why = sms.Scrub(why + " (" + code[:min(len(code), 8)] + ")")
		}
		return h.report(ctx, "twilio", id, sms.Failed, why)
	}
	return nil // Twilio may add states; an answer of error would only be an alarm there
}

// twilioReplies are the words that Twilio always answers itself.
var twilioReplies = map[string]bool{"STOP": true, "STOPALL": true, "UNSUBSCRIBE": true, "START": true, "UNSTOP": true}

func (h *Hooks) twilioIncoming(ctx context.Context, f map[string]string) error {
	answered := f["OptOutType"] != "" || twilioReplies[strings.ToUpper(strings.TrimSpace(f["Body"]))]
	return h.receive(ctx, "twilio", f["MessageSid"], f["From"], f["Body"], answered)
}
