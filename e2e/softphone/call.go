package softphone

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Ended says who ended a call.
type Ended string

const (
	EndedUs   Ended = "us"   // Hangup, Close
	EndedThem Ended = "them" // a BYE came
	EndedLost Ended = "lost" // Call.Vanish, Phone.Vanish
)

// Call is a call that is up, or was.
type Call struct {
	phone  *Phone
	dlg    *dialog
	stream *stream
	start  time.Time
	notes  chan note // progress of a transfer
	done   chan struct{}
	acked  chan uint32 // numbers of INVITEs whose ACK came

	turn sync.Mutex // one request of ours with an SDP at a time

	mu       sync.Mutex
	ended    Ended
	ending   sync.Once
	answered time.Duration
	dir      direction // what we want: sendrecv, or sendonly while we hold
	busy     bool      // our own re-INVITE is on its way
	version  uint64
	delayed  bool // our 200 made the offer, the ACK brings the answer
}

type note struct {
	code   int
	reason string
}

func newCall(p *Phone, d *dialog, st *stream) *Call {
	c := &Call{
		phone: p, dlg: d, stream: st, start: st.line.start, dir: sendrecv,
		notes: make(chan note, 32), done: make(chan struct{}), acked: make(chan uint32, 8),
	}
	return c
}

// up marks the call as answered.
func (c *Call) up() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answered = time.Since(c.start)
}

// offer is our side of the media.
func (c *Call) offer(dir direction) media {
	return media{addr: c.stream.addr(), codecs: c.phone.codecs, event: 101, dir: dir}
}

type message interface {
	AppendHeader(sip.Header)
	SetBody([]byte)
}

func (c *Call) putSDP(m message, sdp media) {
	c.mu.Lock()
	c.version++
	v := c.version
	c.mu.Unlock()
	m.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
	m.SetBody(sdp.body(v))
}

// agree takes the other side's answer to our offer.
func (c *Call) agree(body []byte) error {
	m, err := parseMedia(body)
	if err != nil {
		return err
	}
	shared := m.shared(c.phone.codecs)
	if shared == nil {
		return errors.New("agree on a codec: none in common")
	}
	c.mu.Lock()
	sends := c.dir == sendrecv && m.dir.receives()
	c.mu.Unlock()
	c.stream.set(m.addr, shared, m.event, sends)
	return nil
}

// reply takes the other side's offer and returns our answer.
func (c *Call) reply(body []byte) (media, error) {
	m, err := parseMedia(body)
	if err != nil {
		return m, err
	}
	shared := m.shared(c.phone.codecs)
	if shared == nil {
		return m, errors.New("agree on a codec: none in common")
	}
	c.mu.Lock()
	want := c.dir
	c.mu.Unlock()
	dir := m.dir.answering(want)
	c.stream.set(m.addr, shared, m.event, dir.sends() && want == sendrecv)
	return media{addr: c.stream.addr(), codecs: []*codec{shared}, event: m.event, dir: dir}, nil
}

// Done closes when the call is over and its sound complete.
func (c *Call) Done() <-chan struct{} { return c.done }

// EndedBy says who ended the call, "" while it is up.
func (c *Call) EndedBy() Ended {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

func (c *Call) claim(by Ended) (first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended != "" {
		return false
	}
	c.ended = by
	return true
}

func (c *Call) end(by Ended) {
	c.claim(by)
	c.ending.Do(func() {
		c.stream.close()
		c.phone.forget(c)
		close(c.done)
	})
}

// Hangup ends the call. Ending a call that is over does nothing.
func (c *Call) Hangup(ctx context.Context) error { return c.hangup(ctx, "") }

// HangupBecause is Hangup with a Q.850 cause in a Reason header (RFC 3326), as networks send
// it: 16 normal, 27 out of order, 38 network out of order, 41 temporary failure.
func (c *Call) HangupBecause(ctx context.Context, cause int) error {
	return c.hangup(ctx, fmt.Sprintf("Q.850;cause=%d", cause))
}

// Vanish ends this call alone without a word: no BYE, no sound any more.
func (c *Call) Vanish() { c.end(EndedLost) }

func (c *Call) hangup(ctx context.Context, reason string) error {
	if !c.claim(EndedUs) {
		return nil
	}
	req := c.dlg.request(sip.BYE, 0)
	if reason != "" {
		req.AppendHeader(sip.NewHeader("Reason", reason))
	}
	res, err := c.phone.exchange(ctx, req, nil)
	c.end(EndedUs)
	if err != nil {
		return fmt.Errorf("hang up: %w", err)
	}
	if !res.IsSuccess() && res.StatusCode != 481 { // 481: they hung up too
		return fmt.Errorf("hang up: %w", rejected(req, res))
	}
	return nil
}

// send makes one request in the dialog and wants a success.
func (c *Call) send(ctx context.Context, req *sip.Request) (*sip.Response, error) {
	if by := c.EndedBy(); by != "" {
		return nil, fmt.Errorf("send %s: the call is over, ended by %s", req.Method, by)
	}
	before := req.CSeq().SeqNo
	res, err := c.phone.exchange(ctx, req, nil)
	c.dlg.mu.Lock()
	c.dlg.cseq += req.CSeq().SeqNo - before
	c.dlg.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if !res.IsSuccess() {
		return res, rejected(req, res)
	}
	return res, nil
}

// Hold stops the conversation: the other side hears the exchange's music, this telephone
// neither sends nor is sent sound.
func (c *Call) Hold(ctx context.Context) error { return c.reinvite(ctx, sendonly, "hold") }

// Unhold takes the conversation up again.
func (c *Call) Unhold(ctx context.Context) error { return c.reinvite(ctx, sendrecv, "take up again") }

func (c *Call) reinvite(ctx context.Context, dir direction, what string) error {
	c.turn.Lock()
	defer c.turn.Unlock()
	for {
		res, req, err := c.tryReinvite(ctx, dir)
		if err == nil {
			c.mu.Lock()
			c.dir = dir
			c.mu.Unlock()
			if err := c.dlg.ack(req.CSeq().SeqNo); err != nil {
				return fmt.Errorf("%s: %w", what, err)
			}
			return c.agree(res.Body())
		}
		var refused *Rejected
		if !errors.As(err, &refused) || refused.Code != 491 {
			return fmt.Errorf("%s: %w", what, err)
		}
		// Both sides asked at once (RFC 3261, 14.1).
		select {
		case <-time.After(time.Duration(100+rand.IntN(400)) * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, context.Cause(ctx))
		}
	}
}

func (c *Call) tryReinvite(ctx context.Context, dir direction) (*sip.Response, *sip.Request, error) {
	c.mu.Lock()
	c.busy = true
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.busy = false
		c.mu.Unlock()
	}()
	req := c.dlg.request(sip.INVITE, 0)
	c.putSDP(req, c.offer(dir))
	res, err := c.send(ctx, req)
	return res, req, err
}

// Transfer sends the other side to another number without asking (REFER). It returns when
// the exchange reports success; a refusal of the number is a *Rejected.
func (c *Call) Transfer(ctx context.Context, to string) error {
	uri := "<sip:" + to + "@" + c.phone.server.String() + ">"
	if strings.HasPrefix(to, "sip:") {
		uri = "<" + to + ">"
	}
	if err := c.refer(ctx, uri); err != nil {
		return fmt.Errorf("transfer to %s: %w", masked(to), err)
	}
	return nil
}

// AttendedTransfer joins the other side of this call with the other side of other
// (REFER with Replaces). Both calls of this telephone are over when it succeeds.
func (c *Call) AttendedTransfer(ctx context.Context, other *Call) error {
	o := other.dlg
	o.mu.Lock()
	target := *o.target.Clone()
	o.mu.Unlock()
	target.UriParams = nil
	escape := strings.NewReplacer("%", "%25", "@", "%40", ";", "%3B", "=", "%3D", ":", "%3A").Replace
	replaces := escape(o.callID + ";to-tag=" + o.remoteTag() + ";from-tag=" + o.localTag)
	if err := c.refer(ctx, "<"+target.String()+"?Replaces="+replaces+">"); err != nil {
		return fmt.Errorf("transfer to the other call: %w", err)
	}
	return other.leave(ctx)
}

// referWait is how long the word on a transfer is waited for.
const referWait = 30 * time.Second

func (c *Call) refer(ctx context.Context, uri string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, referWait, fmt.Errorf("the exchange took the REFER and did not say within %s how it went", referWait))
	defer cancel()
	for len(c.notes) > 0 {
		<-c.notes
	}
	req := c.dlg.request(sip.REFER, 0)
	req.AppendHeader(sip.NewHeader("Refer-To", uri))
	req.AppendHeader(sip.NewHeader("Referred-By", "<"+c.phone.contact().Address.String()+">"))
	if _, err := c.send(ctx, req); err != nil {
		return err
	}
	for {
		select {
		case n := <-c.notes:
			switch {
			case n.code >= 300:
				return &Rejected{Method: "REFER", Code: n.code, Reason: n.reason}
			case n.code >= 200:
				return c.leave(ctx)
			}
		case <-c.done:
			return c.afterNotes()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// afterNotes judges a transfer whose call ended: the last word may still lie in the queue.
func (c *Call) afterNotes() error {
	for {
		select {
		case n := <-c.notes:
			if n.code >= 300 {
				return &Rejected{Method: "REFER", Code: n.code, Reason: n.reason}
			}
			if n.code >= 200 {
				return nil
			}
		default:
			if c.EndedBy() == EndedThem {
				return nil // the exchange took the call over and hung up
			}
			return errors.New("the call ended before the transfer")
		}
	}
}

// leave waits shortly for the exchange's BYE after a transfer, then hangs up itself.
func (c *Call) leave(ctx context.Context) error {
	select {
	case <-c.done:
		return nil
	case <-time.After(500 * time.Millisecond):
		return c.Hangup(ctx)
	}
}
