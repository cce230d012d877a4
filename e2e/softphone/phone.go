package softphone

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"
)

// Config is one telephone.
type Config struct {
	// User and Password are the SIP account; a telephone without a password is a trunk's caller.
	User, Password string
	DisplayName    string
	// Local is the address to bind, "127.0.0.1" when empty; Port 0 is a free one.
	Local string
	Port  int
	// Server is the exchange, "127.0.0.1:5060".
	Server string
	// Codecs, best first: "PCMA", "PCMU". Empty: both, PCMA first.
	Codecs []string
	// FromHeader replaces the From header of outgoing calls, for the odd forms operators
	// send: `"Mme X" <sip:0033199000001@example.invalid>`. The tag is added.
	FromHeader string
	// Headers are added to every outgoing INVITE.
	Headers map[string]string
	// AutoAnswer answers every call after AnswerAfter; the calls come from Phone.Answered
	// and not from Phone.Incoming.
	AutoAnswer  bool
	AnswerAfter time.Duration
	// Log is where the telephone says what it meets; nil: nowhere.
	Log *slog.Logger
}

// Phone is one SIP telephone. Its methods may be used from any goroutine.
type Phone struct {
	cfg    Config
	codecs []*codec
	log    *slog.Logger
	server *net.UDPAddr

	conn   *net.UDPConn
	ua     *sipgo.UserAgent
	client *sipgo.Client

	incoming chan *Ringing
	answered chan *Call
	ctx      context.Context
	cancel   context.CancelCauseFunc
	wg       sync.WaitGroup // work in progress; see enter
	served   chan struct{}  // closed when the SIP socket's reader has ended

	deaf   atomic.Bool // set at closing: what comes in is not looked at any more
	mu     sync.Mutex
	closed bool
	calls  map[string]*Call // by Call-ID and local tag
	reg    registration
}

// ErrClosed is the cause of what ends because the telephone was closed.
var ErrClosed = errors.New("the telephone was closed")

// New opens the telephone's SIP port. It does not register.
func New(cfg Config) (*Phone, error) {
	if cfg.Local == "" {
		cfg.Local = "127.0.0.1"
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if len(cfg.Codecs) == 0 {
		cfg.Codecs = []string{"PCMA", "PCMU"}
	}
	p := &Phone{
		cfg: cfg, log: cfg.Log, calls: map[string]*Call{},
		incoming: make(chan *Ringing, 16), answered: make(chan *Call, 16),
		served: make(chan struct{}),
	}
	for _, name := range cfg.Codecs {
		c := codecs[strings.ToUpper(name)]
		if c == nil {
			return nil, fmt.Errorf("open a telephone: codec %q is neither PCMA nor PCMU", name)
		}
		p.codecs = append(p.codecs, c)
	}
	var err error
	if p.server, err = net.ResolveUDPAddr("udp", cfg.Server); err != nil {
		return nil, fmt.Errorf("open a telephone: server %q: %w", cfg.Server, err)
	}
	local, err := net.ResolveUDPAddr("udp", net.JoinHostPort(cfg.Local, fmt.Sprint(cfg.Port)))
	if err != nil {
		return nil, fmt.Errorf("open a telephone on %s: %w", cfg.Local, err)
	}
	if p.conn, err = net.ListenUDP("udp", local); err != nil {
		return nil, fmt.Errorf("open a telephone: %w", err)
	}
	p.ctx, p.cancel = context.WithCancelCause(context.Background())
	if err := p.start(); err != nil {
		_ = p.conn.Close()
		return nil, fmt.Errorf("open a telephone: %w", err)
	}
	return p, nil
}

func (p *Phone) start() error {
	quiet := slog.New(dropNoise{p.log.Handler()})
	var err error
	p.ua, err = sipgo.NewUA(
		sipgo.WithUserAgent("decroche-softphone"),
		sipgo.WithUserAgentTransactionLayerOptions(
			sip.WithTransactionLayerLogger(quiet),
			sip.WithTransactionLayerUnhandledResponseHandler(p.strayResponse)),
		sipgo.WithUserAgentTransportLayerOptions(
			sip.WithTransportLayerLogger(quiet), sip.WithTransportLayerReadFilter(p.filter)),
	)
	if err != nil {
		return err
	}
	p.client, err = sipgo.NewClient(p.ua, sipgo.WithClientLogger(quiet),
		sipgo.WithClientAddr(p.Addr()), sipgo.WithClientConnectionAddr(p.Addr()))
	if err != nil {
		return err
	}
	server, err := sipgo.NewServer(p.ua, sipgo.WithServerLogger(quiet))
	if err != nil {
		return err
	}
	for method, handle := range map[sip.RequestMethod]sipgo.RequestHandler{
		sip.INVITE: p.onInvite, sip.ACK: p.onAck, sip.BYE: p.onBye, sip.CANCEL: p.onOther,
		sip.INFO: p.onInDialog, sip.NOTIFY: p.onNotify, sip.OPTIONS: p.onOptions,
		sip.UPDATE: p.onUpdate, sip.MESSAGE: p.onInDialog, sip.REFER: p.onRefer,
	} {
		server.OnRequest(method, func(req *sip.Request, tx sip.ServerTransaction) {
			if !p.enter() {
				return
			}
			defer p.wg.Done()
			handle(req, tx)
		})
	}
	go func() {
		defer close(p.served)
		if err := p.ua.TransportLayer().ServeUDP(p.conn); err != nil {
			p.log.Error("serve SIP", "error", err)
		}
	}()
	// The transport knows its socket only once it serves; a request sent before would open another.
	for range 1000 {
		if c, err := p.ua.TransportLayer().GetConnection("udp", p.Addr()); err == nil && c != nil {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
	return errors.New("the SIP transport did not start within 1 s")
}

// lastPacket is how long the library may take to hand on a packet it has read.
const lastPacket = 20 * time.Millisecond

func (p *Phone) filter(_ sip.TransportReadProps, data []byte) ([]byte, error) {
	if p.deaf.Load() {
		return nil, nil
	}
	return data, nil
}

// enter counts a piece of work that Close waits for; false when the telephone is closed.
func (p *Phone) enter() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.wg.Add(1)
	return true
}

// Addr is the telephone's SIP address, "127.0.0.1:41234".
func (p *Phone) Addr() string { return p.conn.LocalAddr().String() }

// Incoming gives the calls that come in. A telephone that rings 16 times unheard says busy.
func (p *Phone) Incoming() <-chan *Ringing { return p.incoming }

// Answered gives the calls that AutoAnswer took.
func (p *Phone) Answered() <-chan *Call { return p.answered }

// Calls are the calls that are up.
func (p *Phone) Calls() []*Call {
	p.mu.Lock()
	defer p.mu.Unlock()
	calls := make([]*Call, 0, len(p.calls))
	for _, c := range p.calls {
		calls = append(calls, c)
	}
	return calls
}

// Close hangs up what is up and ends the telephone. Its registration stays at the
// exchange until it expires (see Unregister). It may be called twice.
func (p *Phone) Close() {
	var wg sync.WaitGroup
	for _, c := range p.Calls() {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
			defer cancel()
			if err := c.Hangup(ctx); err != nil {
				p.log.Debug("hang up at closing", "error", err)
			}
		})
	}
	wg.Wait()
	p.Vanish()
}

// Vanish ends the telephone without a word to anybody.
func (p *Phone) Vanish() {
	p.mu.Lock()
	closed := p.closed
	p.closed = true
	p.mu.Unlock()
	if !closed {
		p.cancel(ErrClosed)
		for _, c := range p.Calls() {
			c.end(EndedLost)
		}
	}
	// Work in progress ends first: what it would still send on a closed socket, the
	// library would send from a new one, and keep that. The same goes for packets the
	// library has read and not handed on yet, which nothing counts: they get a moment.
	p.deaf.Store(true)
	p.wg.Wait()
	if !closed {
		time.Sleep(lastPacket)
		_ = p.conn.Close()
		_ = p.ua.Close()
	}
	<-p.served
}

func (p *Phone) add(c *Call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls[c.dlg.key()] = c
}

func (p *Phone) forget(c *Call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.calls, c.dlg.key())
}

// callOf finds the call a request belongs to.
func (p *Phone) callOf(req *sip.Request) *Call {
	if req.CallID() == nil || req.To() == nil {
		return nil
	}
	tag, _ := req.To().Params.Get("tag")
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[req.CallID().Value()+"\x00"+tag]
}

func (p *Phone) respond(tx sip.ServerTransaction, req *sip.Request, code int, reason string) {
	if err := tx.Respond(sip.NewResponseFromRequest(req, code, reason, nil)); err != nil {
		p.log.Debug("respond", "method", req.Method, "code", code, "error", err)
	}
}

func (p *Phone) onOptions(req *sip.Request, tx sip.ServerTransaction) {
	res := sip.NewResponseFromRequest(req, 200, "OK", nil)
	res.AppendHeader(sip.NewHeader("Allow", allow))
	res.AppendHeader(sip.NewHeader("Accept", "application/sdp"))
	if err := tx.Respond(res); err != nil {
		p.log.Debug("respond to OPTIONS", "error", err)
	}
}

// onOther meets requests without a call: a CANCEL that came too late, for one.
func (p *Phone) onOther(req *sip.Request, tx sip.ServerTransaction) {
	p.respond(tx, req, 481, "Call/Transaction Does Not Exist")
}

func (p *Phone) onRefer(req *sip.Request, tx sip.ServerTransaction) {
	p.respond(tx, req, 603, "Decline")
}

func (p *Phone) onInDialog(req *sip.Request, tx sip.ServerTransaction) {
	if p.callOf(req) == nil && req.Method == sip.INFO {
		p.onOther(req, tx)
		return
	}
	p.respond(tx, req, 200, "OK")
}

// strayResponse answers a repeated 200 of an INVITE with the ACK again.
func (p *Phone) strayResponse(res *sip.Response) {
	if !res.IsSuccess() || res.CSeq() == nil || res.CSeq().MethodName != sip.INVITE || res.From() == nil || !p.enter() {
		return
	}
	defer p.wg.Done()
	tag, _ := res.From().Params.Get("tag")
	p.mu.Lock()
	c := p.calls[res.CallID().Value()+"\x00"+tag]
	p.mu.Unlock()
	if c == nil {
		return
	}
	if err := c.dlg.ack(res.CSeq().SeqNo); err != nil {
		p.log.Debug("repeat an ACK", "error", err)
	}
}

const allow = "INVITE, ACK, BYE, CANCEL, INFO, NOTIFY, OPTIONS, REFER"

// dropNoise hides what the SIP library thinks worth a line below warnings.
type dropNoise struct{ slog.Handler }

func (h dropNoise) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && h.Handler.Enabled(ctx, l)
}

func (h dropNoise) WithAttrs(a []slog.Attr) slog.Handler { return dropNoise{h.Handler.WithAttrs(a)} }

func (h dropNoise) WithGroup(n string) slog.Handler { return dropNoise{h.Handler.WithGroup(n)} }
