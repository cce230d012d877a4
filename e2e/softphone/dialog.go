package softphone

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"
)

// Rejected is a request the other side refused: the SIP code and its words.
type Rejected struct {
	Method string
	Code   int
	Reason string
}

func (r *Rejected) Error() string {
	return fmt.Sprintf("%s was refused: %d %s", r.Method, r.Code, r.Reason)
}

// ErrNobody says that no program listens on the exchange's port.
var ErrNobody = errors.New("nobody listens there")

// dialog is the SIP dialog of one call (RFC 3261, section 12).
type dialog struct {
	phone    *Phone
	callID   string
	localTag string

	mu          sync.Mutex
	localURI    sip.FromHeader // ours, with the tag
	remoteURI   sip.ToHeader   // theirs, with the tag once known
	target      sip.Uri
	routes      []string
	destination string // where the other side's messages come from
	cseq        uint32
	auth        sip.Header // the credentials the dialog was opened with
}

func (d *dialog) key() string { return d.callID + "\x00" + d.localTag }

func (d *dialog) remoteTag() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	tag, _ := d.remoteURI.Params.Get("tag")
	return tag
}

// request makes the next request of the dialog. cseq 0 takes the next number.
func (d *dialog) request(method sip.RequestMethod, cseq uint32) *sip.Request {
	d.mu.Lock()
	defer d.mu.Unlock()
	if cseq == 0 {
		d.cseq++
		cseq = d.cseq
	}
	req := sip.NewRequest(method, *d.target.Clone())
	from, to := d.localURI, d.remoteURI
	from.Params, to.Params = from.Params.Clone(), to.Params.Clone()
	callID, maxForwards := sip.CallIDHeader(d.callID), sip.MaxForwardsHeader(70)
	req.AppendHeader(&from)
	req.AppendHeader(&to)
	req.AppendHeader(&callID)
	req.AppendHeader(&sip.CSeqHeader{SeqNo: cseq, MethodName: method})
	req.AppendHeader(&maxForwards)
	for _, r := range d.routes {
		req.AppendHeader(sip.NewHeader("Route", r))
	}
	if method != sip.BYE && method != sip.ACK {
		req.AppendHeader(d.phone.contact())
		req.AppendHeader(sip.NewHeader("Allow", allow))
	}
	if d.auth != nil && method == sip.ACK {
		req.AppendHeader(d.auth)
	}
	if d.destination != "" {
		req.SetDestination(d.destination)
	}
	return req
}

func (p *Phone) contact() *sip.ContactHeader {
	a := p.conn.LocalAddr().(*net.UDPAddr)
	user := p.cfg.User
	if user == "" {
		user = "softphone"
	}
	return &sip.ContactHeader{Address: sip.Uri{Scheme: "sip", User: user, Host: a.IP.String(), Port: a.Port}}
}

func (d *dialog) ack(cseq uint32) error {
	return d.phone.client.WriteRequest(d.request(sip.ACK, cseq), d.phone.fromOurSocket)
}

// asIs sends a request as it was made, with a Via.
func asIs(c *sipgo.Client, req *sip.Request) error {
	if err := sipgo.ClientRequestAddVia(c, req); err != nil {
		return err
	}
	req.SetBody(req.Body()) // Content-Length
	return nil
}

// learn takes what an answer to our INVITE says of the other side.
func (d *dialog) learn(res *sip.Response) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if to := res.To(); to != nil {
		d.remoteURI = *to
		d.remoteURI.Params = to.Params.Clone()
	}
	if c := res.Contact(); c != nil {
		d.target = *c.Address.Clone()
	}
	if src := res.Source(); src != "" {
		d.destination = src
	}
	d.routes = nil
	rr := res.GetHeaders("Record-Route")
	for i := len(rr) - 1; i >= 0; i-- {
		d.routes = append(d.routes, rr[i].Value())
	}
}

// authorise adds the answer to a challenge, or says why it can't.
func (p *Phone) authorise(req *sip.Request, res *sip.Response) (sip.Header, error) {
	ask, answer := "WWW-Authenticate", "Authorization"
	if res.StatusCode == sip.StatusProxyAuthRequired {
		ask, answer = "Proxy-Authenticate", "Proxy-Authorization"
	}
	for _, h := range res.GetHeaders(ask) {
		chal, err := digest.ParseChallenge(h.Value())
		if err != nil || !digest.CanDigest(chal) {
			continue
		}
		cred, err := digest.Digest(chal, digest.Options{
			Method: string(req.Method), URI: req.Recipient.String(), Count: 1,
			Username: p.cfg.User, Password: p.cfg.Password,
		})
		if err != nil {
			return nil, fmt.Errorf("answer the challenge of %s: %w", req.Method, err)
		}
		return sip.NewHeader(answer, cred.String()), nil
	}
	return nil, fmt.Errorf("answer the challenge of %s: no digest we know", req.Method)
}

// exchange sends a request and returns the final response. provisional hears the
// others; a challenge is answered once with the account's password. When ctx ends, an
// INVITE is cancelled, and the error is the cause of ctx.
func (p *Phone) exchange(ctx context.Context, req *sip.Request, provisional func(*sip.Response)) (*sip.Response, error) {
	if !p.enter() {
		return nil, ErrClosed
	}
	defer p.wg.Done()
	for attempt := 0; ; attempt++ {
		res, err := p.attempt(ctx, req, provisional)
		if err != nil {
			return nil, err
		}
		challenged := res.StatusCode == sip.StatusUnauthorized || res.StatusCode == sip.StatusProxyAuthRequired
		if !challenged || p.cfg.Password == "" || attempt > 0 {
			return res, nil
		}
		cred, err := p.authorise(req, res)
		if err != nil {
			return nil, err
		}
		next := req.Clone()
		next.RemoveHeader("Via")
		next.RemoveHeader("Authorization")
		next.RemoveHeader("Proxy-Authorization")
		next.AppendHeader(cred)
		next.SetDestination(req.Destination())
		next.CSeq().SeqNo++
		req.CSeq().SeqNo++ // the caller learns the number that was used
		req = next
	}
}

// attempt is one transaction.
func (p *Phone) attempt(ctx context.Context, req *sip.Request, provisional func(*sip.Response)) (*sip.Response, error) {
	tx, err := p.client.TransactionRequest(p.ctx, req, p.fromOurSocket)
	if err != nil {
		return nil, fmt.Errorf("send %s: %w", req.Method, err)
	}
	defer tx.Terminate()
	cancelled, seen := ctx.Done(), false
	probe := time.NewTimer(time.Second)
	defer probe.Stop()
	giveUp := make(<-chan time.Time)
	wantCancel := false
	for {
		select {
		case res := <-tx.Responses():
			seen = true
			if !res.IsProvisional() {
				if wantCancel && res.IsSuccess() {
					p.refuse(req, res)
				}
				if wantCancel {
					return nil, context.Cause(ctx)
				}
				return res, nil
			}
			if wantCancel {
				p.sendCancel(req)
			} else if provisional != nil {
				provisional(res)
			}
		case <-probe.C:
			if !seen && p.nobodyListens() {
				return nil, fmt.Errorf("send %s to %s: %w", req.Method, p.server, ErrNobody)
			}
		case <-tx.Done():
			if errors.Is(tx.Err(), sip.ErrTransactionTimeout) {
				return nil, fmt.Errorf("send %s to %s: no answer in %s", req.Method, req.Destination(), sip.Timer_B)
			}
			return nil, fmt.Errorf("send %s: %w", req.Method, errors.Join(tx.Err(), context.Cause(p.ctx)))
		case <-cancelled:
			if req.Method != sip.INVITE {
				return nil, fmt.Errorf("send %s: %w", req.Method, context.Cause(ctx))
			}
			cancelled, wantCancel = nil, true
			giveUp = time.After(2 * time.Second)
			if seen {
				p.sendCancel(req)
			}
		case <-giveUp:
			return nil, context.Cause(ctx)
		case <-p.ctx.Done():
			return nil, ErrClosed
		}
	}
}

// fromOurSocket is asIs, sent from the telephone's own port.
func (p *Phone) fromOurSocket(c *sipgo.Client, req *sip.Request) error {
	if err := asIs(c, req); err != nil {
		return err
	}
	a := p.conn.LocalAddr().(*net.UDPAddr)
	req.Laddr = sip.Addr{IP: a.IP, Port: a.Port}
	return nil
}

// sendCancel gives up an INVITE (RFC 3261, 9.1): same Via, same numbers.
func (p *Phone) sendCancel(invite *sip.Request) {
	req := sip.NewRequest(sip.CANCEL, *invite.Recipient.Clone())
	req.AppendHeader(sip.HeaderClone(invite.Via()))
	for _, name := range []string{"From", "To", "Call-ID", "Max-Forwards", "Route"} {
		sip.CopyHeaders(name, invite, req)
	}
	req.AppendHeader(&sip.CSeqHeader{SeqNo: invite.CSeq().SeqNo, MethodName: sip.CANCEL})
	req.SetBody(nil)
	req.SetDestination(invite.Destination())
	req.Laddr = invite.Laddr
	if err := p.client.WriteRequest(req, func(*sipgo.Client, *sip.Request) error { return nil }); err != nil {
		p.log.Debug("cancel", "error", err)
	}
}

// refuse ends a call that was answered while it was being cancelled.
func (p *Phone) refuse(invite *sip.Request, res *sip.Response) {
	d := &dialog{phone: p, callID: invite.CallID().Value(), localURI: *invite.From(), cseq: invite.CSeq().SeqNo}
	d.learn(res)
	if err := d.ack(invite.CSeq().SeqNo); err != nil {
		p.log.Debug("acknowledge a call given up", "error", err)
	}
	if err := p.client.WriteRequest(d.request(sip.BYE, 0), p.fromOurSocket); err != nil {
		p.log.Debug("hang up a call given up", "error", err)
	}
}

// nobodyListens asks the kernel of the other side, which refuses a packet to a closed port.
func (p *Phone) nobodyListens() bool {
	conn, err := net.DialUDP("udp", nil, p.server)
	if err != nil {
		return true
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(200 * time.Millisecond))
	if _, err := conn.Write([]byte("\r\n\r\n")); err != nil {
		return true
	}
	_, err = conn.Read(make([]byte, 16))
	return errors.Is(err, syscall.ECONNREFUSED)
}

func rejected(req *sip.Request, res *sip.Response) *Rejected {
	return &Rejected{Method: string(req.Method), Code: res.StatusCode, Reason: res.Reason}
}

// registration keeps one Call-ID and a rising number, as RFC 3261 10.2 wants.
type registration struct {
	mu     sync.Mutex
	callID string
	cseq   uint32
}

// Register signs the telephone in for ten minutes. A refusal is a *Rejected.
func (p *Phone) Register(ctx context.Context) error { return p.register(ctx, 600) }

// Unregister signs it out.
func (p *Phone) Unregister(ctx context.Context) error { return p.register(ctx, 0) }

func (p *Phone) register(ctx context.Context, expires int) error {
	p.reg.mu.Lock()
	defer p.reg.mu.Unlock()
	if p.reg.callID == "" {
		p.reg.callID = sip.GenerateTagN(24)
	}
	p.reg.cseq++
	host, port := p.server.IP.String(), p.server.Port
	req := sip.NewRequest(sip.REGISTER, sip.Uri{Scheme: "sip", Host: host, Port: port})
	who := sip.Uri{Scheme: "sip", User: p.cfg.User, Host: host}
	from := &sip.FromHeader{DisplayName: p.cfg.DisplayName, Address: who}
	from.Params.Add("tag", sip.GenerateTagN(10))
	callID, maxForwards := sip.CallIDHeader(p.reg.callID), sip.MaxForwardsHeader(70)
	req.AppendHeader(from)
	req.AppendHeader(&sip.ToHeader{Address: who})
	req.AppendHeader(&callID)
	req.AppendHeader(&sip.CSeqHeader{SeqNo: p.reg.cseq, MethodName: sip.REGISTER})
	req.AppendHeader(&maxForwards)
	req.AppendHeader(p.contact())
	req.AppendHeader(sip.NewHeader("Expires", strconv.Itoa(expires)))
	req.SetDestination(p.server.String())
	res, err := p.exchange(ctx, req, nil)
	p.reg.cseq = req.CSeq().SeqNo
	if err != nil {
		return fmt.Errorf("register %s: %w", p.cfg.User, err)
	}
	if !res.IsSuccess() {
		return fmt.Errorf("register %s: %w", p.cfg.User, rejected(req, res))
	}
	return nil
}

// Ping asks the exchange whether it is there (OPTIONS); any answer but 503 will do.
func (p *Phone) Ping(ctx context.Context) error {
	d, err := p.newDialog("", "")
	if err != nil {
		return fmt.Errorf("ask %s: %w", p.server, err)
	}
	res, err := p.exchange(ctx, d.request(sip.OPTIONS, 0), nil)
	if err != nil {
		return fmt.Errorf("ask %s: %w", p.server, err)
	}
	if res.StatusCode == sip.StatusServiceUnavailable {
		return fmt.Errorf("ask %s: %w", p.server, rejected(d.request(sip.OPTIONS, 0), res))
	}
	return nil
}
