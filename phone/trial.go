package phone

import (
	"context"
	"errors"
	"fmt"

	"decroche/ari"
)

// TrialTrunk begins the trunk of calls that are placed to try the line from a browser; its key follows.
const TrialTrunk = "essai-"

// OpenTrial gives Asterisk an account for one call from a browser (WebRTC), which comes in like any
// other. The name of the account is TrialTrunk and the key; from is the number that calls, "" for none.
func (x *Exchange) OpenTrial(ctx context.Context, key, password, from string) error {
	id := TrialTrunk + key
	caller := from
	if caller == "" {
		caller = "anonymous"
	}
	for _, o := range []struct {
		kind   string
		fields []ari.ConfigTuple
	}{
		{"auth", tuples("auth_type", "userpass", "username", id, "password", password)},
		{"aor", tuples("max_contacts", "1", "remove_existing", "yes", "support_path", "no")},
		{"endpoint", tuples("context", "from-trunk", "disallow", "all", "allow", "alaw,ulaw", "auth", id, "aors", id, "webrtc", "yes",
			"direct_media", "no", "dtmf_mode", "rfc4733", "rewrite_contact", "yes", "force_rport", "yes", "identify_by", "auth_username,username",
			"callerid", "<"+caller+">", "trust_id_inbound", "no", "allow_transfer", "no", "rtp_timeout", "60", "set_var", "DECROCHE_TRUNK="+id)},
	} {
		if err := x.ari.PutConfig(ctx, "res_pjsip", o.kind, id, o.fields...); err != nil {
			return errors.Join(fmt.Errorf("give Asterisk an account to try the line: %w", err), x.CloseTrial(context.WithoutCancel(ctx), key))
		}
	}
	return nil
}

// CloseTrial takes the account away; a call under way goes on.
func (x *Exchange) CloseTrial(ctx context.Context, key string) error {
	for _, kind := range []string{"endpoint", "aor", "auth"} {
		if err := x.ari.DeleteConfig(ctx, "res_pjsip", kind, TrialTrunk+key); err != nil && !errors.Is(err, ari.ErrNotFound) {
			return fmt.Errorf("take away an account to try the line: %w", err)
		}
	}
	return nil
}
