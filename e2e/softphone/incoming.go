package softphone

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Ringing is a call that comes in and rings.
type Ringing struct {
	call      *Call
	req       *sip.Request
	decide    chan decision
	cancelled chan struct{}
	over      chan struct{} // closed when the INVITE is settled
}

type decision struct {
	code   int
	result chan error
}

// Caller is the caller's number and display name as the From header has them.
func (r *Ringing) Caller() (number, name string) {
	from := r.req.From()
	return from.Address.User, from.DisplayName
}

// CallerID is the caller's number.
func (r *Ringing) CallerID() string { return r.req.From().Address.User }

// DisplayName is the text beside the number.
func (r *Ringing) DisplayName() string { return r.req.From().DisplayName }

// Header is the first header of the INVITE with that name, "" when there is none.
func (r *Ringing) Header(name string) string {
	if h := r.req.GetHeader(name); h != nil {
		return h.Value()
	}
	return ""
}

// Since is when the INVITE came in.
func (r *Ringing) Since() time.Time { return r.call.start }

// Cancelled closes when the caller gives up, or the telephone is closed.
func (r *Ringing) Cancelled() <-chan struct{} { return r.cancelled }

var errCancelled = errors.New("the caller gave up")

// Answer takes the call and returns once the caller's side has acknowledged it.
func (r *Ringing) Answer(ctx context.Context) (*Call, error) {
	if err := r.settle(ctx, 200); err != nil {
		return nil, fmt.Errorf("answer: %w", err)
	}
	return r.call, nil
}

// Reject refuses the call: 486 busy, 603 declined, 480 not there.
func (r *Ringing) Reject(code int) error {
	if code < 300 {
		return fmt.Errorf("reject: %d is no refusal", code)
	}
	if err := r.settle(context.Background(), code); err != nil {
		return fmt.Errorf("reject: %w", err)
	}
	return nil
}

func (r *Ringing) settle(ctx context.Context, code int) error {
	d := decision{code, make(chan error, 1)}
	select {
	case r.decide <- d:
	case <-r.cancelled:
		return errCancelled
	case <-r.over:
		return errors.New("the call is settled already")
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-d.result:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// onInvite stays in the library's goroutine until the INVITE is settled.
func (p *Phone) onInvite(req *sip.Request, tx sip.ServerTransaction) {
	if req.To() == nil || req.From() == nil || req.CallID() == nil || req.Contact() == nil {
		p.respond(tx, req, 400, "Bad Request")
		return
	}
	if req.To().Params.Has("tag") {
		p.onReinvite(req, tx)
		return
	}
	r, err := p.newRinging(req)
	if err != nil {
		p.log.Warn("take an incoming call", "error", err)
		p.respond(tx, req, 500, "Server Internal Error")
		return
	}
	defer close(r.over)
	cancelled := make(chan struct{})
	if !tx.OnCancel(func(*sip.Request) { close(cancelled) }) {
		r.giveUp()
		return
	}
	if !p.announce(r) {
		p.respond(tx, req, 486, "Busy Here")
		r.giveUp()
		return
	}
	p.respondWithContact(tx, req, 180, "Ringing", nil)
	for {
		select {
		case d := <-r.decide:
			if done := r.carryOut(d, tx); done {
				return
			}
		case <-cancelled:
			r.giveUp()
			return
		case <-p.ctx.Done():
			r.giveUp()
			return
		}
	}
}

func (p *Phone) newRinging(req *sip.Request) (*Ringing, error) {
	st, err := openStream(p.cfg.Local, p.log)
	if err != nil {
		return nil, err
	}
	d := &dialog{phone: p, callID: req.CallID().Value(), localTag: sip.GenerateTagN(12)}
	req.To().Params.Add("tag", d.localTag) // every response to this INVITE carries it
	d.localURI = req.To().AsFrom()
	d.localURI.Params = req.To().Params.Clone()
	from := req.From()
	d.remoteURI = sip.ToHeader{DisplayName: from.DisplayName, Address: *from.Address.Clone(), Params: from.Params.Clone()}
	d.target = *req.Contact().Address.Clone()
	for _, h := range req.GetHeaders("Record-Route") {
		d.routes = append(d.routes, h.Value())
	}
	d.destination = req.Source()
	return &Ringing{
		call: newCall(p, d, st), req: req, decide: make(chan decision),
		cancelled: make(chan struct{}), over: make(chan struct{}),
	}, nil
}

// announce hands the call to whoever answers for this telephone.
func (p *Phone) announce(r *Ringing) bool {
	if !p.cfg.AutoAnswer {
		select {
		case p.incoming <- r:
			return true
		default:
			return false
		}
	}
	if !p.enter() {
		return false
	}
	go func() {
		defer p.wg.Done()
		select {
		case <-time.After(p.cfg.AnswerAfter):
		case <-r.cancelled:
			return
		case <-p.ctx.Done():
			return
		}
		c, err := r.Answer(p.ctx)
		if err != nil {
			p.log.Info("answer by itself", "error", err)
			return
		}
		select {
		case p.answered <- c:
		default:
			p.log.Warn("nobody takes the calls answered by themselves: one is not handed on")
		}
	}()
	return true
}

func (r *Ringing) giveUp() {
	close(r.cancelled)
	r.call.end(EndedThem)
}

// carryOut answers or refuses; false when the INVITE is still open.
func (r *Ringing) carryOut(d decision, tx sip.ServerTransaction) (done bool) {
	p, c := r.call.phone, r.call
	if d.code != 200 {
		p.respond(tx, r.req, d.code, reasonOf(d.code))
		c.end(EndedUs)
		d.result <- nil
		return true
	}
	p.add(c)
	if err := c.answerInvite(r.req, tx); err != nil {
		c.end(EndedUs)
		d.result <- err
		return true
	}
	c.up()
	d.result <- nil
	return true
}

func reasonOf(code int) string {
	switch code {
	case 404:
		return "Not Found"
	case 480:
		return "Temporarily Unavailable"
	case 486:
		return "Busy Here"
	case 503:
		return "Service Unavailable"
	case 603:
		return "Decline"
	}
	return "Refused"
}

func (p *Phone) respondWithContact(tx sip.ServerTransaction, req *sip.Request, code int, reason string, put func(*sip.Response)) *sip.Response {
	res := sip.NewResponseFromRequest(req, code, reason, nil)
	res.AppendHeader(p.contact())
	res.AppendHeader(sip.NewHeader("Allow", allow))
	if put != nil {
		put(res)
	}
	if err := tx.Respond(res); err != nil {
		p.log.Debug("respond", "method", req.Method, "code", code, "error", err)
	}
	return res
}

// answerInvite says 200 to an INVITE, the first or a later one, until its ACK comes (RFC 3261, 13.3.1.4).
func (c *Call) answerInvite(req *sip.Request, tx sip.ServerTransaction) error {
	sdp := c.offer(sendrecv)
	delayed := len(req.Body()) == 0
	if !delayed {
		var err error
		if sdp, err = c.reply(req.Body()); err != nil {
			c.phone.respond(tx, req, 488, "Not Acceptable Here")
			return err
		}
	}
	c.mu.Lock()
	c.delayed = delayed
	c.mu.Unlock()
	res := c.phone.respondWithContact(tx, req, 200, "OK", func(res *sip.Response) { c.putSDP(res, sdp) })
	wait := sip.T1
	for total := time.Duration(0); total < 64*sip.T1; total += wait {
		timer := time.NewTimer(wait)
		select {
		case n := <-c.acked:
			timer.Stop()
			if n == req.CSeq().SeqNo {
				return nil
			}
		case <-c.done:
			timer.Stop()
			return errors.New("the call ended while it was answered")
		case <-c.phone.ctx.Done():
			timer.Stop()
			return ErrClosed
		case <-timer.C:
			if err := tx.Respond(res); err != nil {
				return fmt.Errorf("repeat the answer: %w", err)
			}
			wait = min(2*wait, sip.T2)
		}
	}
	return errors.New("the answer was not acknowledged")
}

// onReinvite follows a change of the media.
func (p *Phone) onReinvite(req *sip.Request, tx sip.ServerTransaction) {
	c := p.callOf(req)
	if c == nil {
		p.onOther(req, tx)
		return
	}
	c.mu.Lock()
	busy := c.busy
	c.mu.Unlock()
	if busy {
		p.respond(tx, req, 491, "Request Pending")
		return
	}
	if err := c.answerInvite(req, tx); err != nil {
		p.log.Info("follow a re-INVITE", "error", err)
	}
}

func (p *Phone) onUpdate(req *sip.Request, tx sip.ServerTransaction) {
	c := p.callOf(req)
	if c == nil {
		p.onOther(req, tx)
		return
	}
	if len(req.Body()) == 0 {
		p.respondWithContact(tx, req, 200, "OK", nil)
		return
	}
	sdp, err := c.reply(req.Body())
	if err != nil {
		p.respond(tx, req, 488, "Not Acceptable Here")
		return
	}
	p.respondWithContact(tx, req, 200, "OK", func(res *sip.Response) { c.putSDP(res, sdp) })
}

func (p *Phone) onAck(req *sip.Request, _ sip.ServerTransaction) {
	c := p.callOf(req)
	if c == nil || req.CSeq() == nil {
		return
	}
	c.mu.Lock()
	delayed := c.delayed
	c.delayed = false
	c.mu.Unlock()
	if delayed && len(req.Body()) > 0 {
		if err := c.agree(req.Body()); err != nil {
			p.log.Warn("read the answer in an ACK", "error", err)
		}
	}
	select {
	case c.acked <- req.CSeq().SeqNo:
	default: // a repeated one: nobody waits
	}
}

func (p *Phone) onBye(req *sip.Request, tx sip.ServerTransaction) {
	c := p.callOf(req)
	if c == nil {
		p.onOther(req, tx)
		return
	}
	c.claim(EndedThem)
	p.respond(tx, req, 200, "OK")
	c.end(EndedThem)
}

// onNotify reads the progress of a transfer (RFC 3515): a status line in the body.
func (p *Phone) onNotify(req *sip.Request, tx sip.ServerTransaction) {
	p.respond(tx, req, 200, "OK")
	c := p.callOf(req)
	if c == nil {
		return // of a subscription we did not ask for: voice mail, for one
	}
	f := strings.SplitN(strings.TrimSpace(string(req.Body())), " ", 3)
	if len(f) < 2 || !strings.HasPrefix(f[0], "SIP/") {
		return
	}
	code, err := strconv.Atoi(f[1])
	if err != nil {
		return
	}
	n := note{code: code}
	if len(f) == 3 {
		n.reason, _, _ = strings.Cut(f[2], "\r\n")
	}
	select {
	case c.notes <- n:
	default:
		p.log.Warn("a transfer's progress was not read: one report is lost")
	}
}
