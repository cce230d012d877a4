package softphone

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
)

type dialOptions struct {
	from    string
	to      string
	headers map[string]string
	ringing func(code int)
}

// DialOption changes one call.
type DialOption func(*dialOptions)

// From replaces Config.FromHeader for this call.
func From(header string) DialOption { return func(o *dialOptions) { o.from = header } }

// To replaces the user part of the To header: operators that call an account by its name say
// there which number was dialled.
func To(user string) DialOption { return func(o *dialOptions) { o.to = user } }

// Headers are added to the INVITE, to those of Config.Headers:
// {"P-Asserted-Identity": "<sip:+33199000001@example.invalid>"}.
func Headers(h map[string]string) DialOption {
	return func(o *dialOptions) { maps.Copy(o.headers, h) }
}

// OnRinging is called with each provisional answer's code (180, 183), from the dialling goroutine.
func OnRinging(f func(code int)) DialOption { return func(o *dialOptions) { o.ringing = f } }

// Dial calls a number ("+33199003939", "2001") or a SIP address ("sip:x@host") and returns when the
// call is answered. When ctx ends before, the call is cancelled and the error is the cause of ctx.
// A refusal is a *Rejected; a closed port is ErrNobody, known after 1 s.
func (p *Phone) Dial(ctx context.Context, to string, opts ...DialOption) (*Call, error) {
	o := dialOptions{from: p.cfg.FromHeader, headers: maps.Clone(p.cfg.Headers)}
	if o.headers == nil {
		o.headers = map[string]string{}
	}
	for _, opt := range opts {
		opt(&o)
	}
	d, err := p.newDialog(to, o.from)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", masked(to), err)
	}
	if o.to != "" {
		d.remoteURI.Address.User = o.to
	}
	st, err := openStream(p.cfg.Local, p.log)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", masked(to), err)
	}
	c := newCall(p, d, st)
	if err := c.invite(ctx, o); err != nil {
		c.end(EndedUs)
		return nil, fmt.Errorf("dial %s: %w", masked(to), err)
	}
	return c, nil
}

// masked keeps the two last characters of a number: what was dialled stays out of logs.
func masked(to string) string {
	user, _, _ := strings.Cut(strings.TrimPrefix(to, "sip:"), "@")
	if len(user) <= 5 {
		return user
	}
	return user[:3] + "…" + user[len(user)-2:]
}

func (p *Phone) newDialog(to, from string) (*dialog, error) {
	d := &dialog{phone: p, callID: sip.GenerateTagN(24), localTag: sip.GenerateTagN(12), destination: p.server.String()}
	uri := "sip:" + strings.ReplaceAll(to, "#", "%23") + "@" + p.server.String()
	if strings.HasPrefix(to, "sip:") {
		uri = to
	}
	if err := sip.ParseUri(uri, &d.target); err != nil {
		return nil, fmt.Errorf("read the address: %w", err)
	}
	if strings.HasPrefix(to, "sip:") {
		d.destination = d.target.HostPort()
	}
	d.remoteURI = sip.ToHeader{Address: sip.Uri{Scheme: "sip", User: d.target.User, Host: d.target.Host}}
	d.localURI = sip.FromHeader{
		DisplayName: p.cfg.DisplayName,
		Address:     sip.Uri{Scheme: "sip", User: p.cfg.User, Host: p.cfg.Local},
	}
	if from != "" {
		var err error
		d.localURI.Address, d.localURI.Params = sip.Uri{}, nil
		d.localURI.DisplayName, err = sip.ParseAddressValue(from, &d.localURI.Address, &d.localURI.Params)
		if err != nil {
			return nil, fmt.Errorf("read the From header %q: %w", from, err)
		}
	}
	d.localURI.Params.Add("tag", d.localTag)
	return d, nil
}

// invite opens the dialog.
func (c *Call) invite(ctx context.Context, o dialOptions) error {
	req := c.dlg.request(sip.INVITE, 0)
	for name, value := range o.headers {
		req.AppendHeader(sip.NewHeader(name, value))
	}
	c.putSDP(req, c.offer(sendrecv))
	res, err := c.phone.exchange(ctx, req, func(res *sip.Response) {
		if o.ringing != nil && res.StatusCode > 100 {
			o.ringing(res.StatusCode)
		}
		if len(res.Body()) == 0 {
			return
		}
		if err := c.agree(res.Body()); err != nil {
			c.phone.log.Warn("early media", "error", err)
		}
	})
	c.dlg.mu.Lock()
	c.dlg.cseq = req.CSeq().SeqNo
	c.dlg.mu.Unlock()
	if err != nil {
		return err
	}
	if !res.IsSuccess() {
		return rejected(req, res)
	}
	c.dlg.learn(res)
	c.phone.add(c)
	if err := c.dlg.ack(req.CSeq().SeqNo); err != nil {
		return fmt.Errorf("acknowledge the answer: %w", err)
	}
	if err := c.agree(res.Body()); err != nil {
		c.hangupSoon(ctx)
		return err
	}
	c.up()
	return nil
}

func (c *Call) hangupSoon(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := c.Hangup(ctx); err != nil {
		c.phone.log.Debug("hang up a call without media", "error", err)
	}
}
