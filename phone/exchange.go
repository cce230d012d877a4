// Package phone is call.Call on top of the Asterisk REST Interface: it takes calls as
// they come in, places those we make (PlaceCall), finds both again after a restart, and gives
// agents' phones their accounts.
//
// Exchange owns the connection to one Asterisk. Each call is a line with two
// goroutines: one follows the events of the caller's channel and of the agents' legs, the
// other drives the journey. If the socket drops, the lines stay: commands wait for the
// connection, and after each connect a line reads its channel again before it goes on.
// If this process dies, callers stay in Asterisk, on music; the next process compares
// Asterisk's channels with the open checkpoints and takes each caller up at the step saved.
package phone

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"decroche/ari"
	"decroche/call"
)

// Options are what an Exchange needs.
type Options struct {
	ARI *ari.Client
	App string
	// Epoch is this controller's; that of a checkpoint tells who drove the call before.
	Epoch int64
	Log   *slog.Logger
	// Checkpoints tells which calls are not over.
	Checkpoints call.Checkpoints
	// Drive takes a call through its journey, from the checkpoint if there is one, and
	// returns when it has ended or the context has. It calls settled, once or more, when a
	// call taken up has its place again: the next one is taken up after it.
	Drive func(ctx context.Context, c call.Call, cp *call.Checkpoint, settled func())
	// Turn orders the calls to take up; nil: the oldest arrival first.
	Turn func(a, b call.Checkpoint) int
	// Gone closes a call whose caller left while no controller was there. why is call.ErrHangup,
	// and call.ErrTechnical too when the call ended with an Asterisk that has started anew since.
	Gone func(ctx context.Context, cp call.Checkpoint, why error)
	// Code obeys a star code an agent has dialled and gives what the agent hears.
	Code func(ctx context.Context, agent call.AgentID, code string) []call.Sound
	// Consult reserves a colleague whom an agent calls; the colleague is released when it ends.
	Consult func(from, to call.AgentID) (release func(), err error)
	// Rescue is what follows each question while its answer is awaited, should this process
	// die: a word of excuse and music, after a silence longer than the wait for the key.
	Rescue func(lang call.Lang, wait time.Duration) []call.Sound
	// Guest is told of third parties in conversations; nil is allowed.
	Guest func(id call.ID, e call.GuestEvent)
	// Accounts are the agents' SIP accounts, pushed after each connect.
	Accounts func() []Account
}

// Exchange owns one Asterisk.
type Exchange struct {
	Options
	ari *ari.Client

	mu       sync.Mutex
	lines    map[string]*line
	consults map[string]*consult // by the channel of the agent who asks
	stopping bool
	work     sync.WaitGroup
	ready    uint64 // the connection, counted from 1, whose calls are recovered

	recovered bool // the checkpoints of the process before are dealt with; owned by up
}

// New makes an Exchange; Run starts it.
func New(o Options) *Exchange {
	return &Exchange{Options: o, ari: o.ARI, lines: map[string]*line{}, consults: map[string]*consult{}}
}

// Ready tells whether Asterisk is connected and its calls are recovered.
func (x *Exchange) Ready() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.ready == x.connection() && x.ari.Connected()
}

// connection counts the connections to Asterisk, from 1.
func (x *Exchange) connection() uint64 { return x.ari.Stats().Reconnects + 1 }

// Lines is how many callers are on the line.
func (x *Exchange) Lines() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.lines)
}

// Run serves until ctx ends; callers then stay in Asterisk for the next controller. It
// returns ari.ErrUnauthorized when the password is refused and call.ErrFenced when
// another controller took the application.
func (x *Exchange) Run(ctx context.Context) error {
	err := x.ari.Run(ctx, x.up, func(e ari.Event) { x.unclaimed(ctx, e) })
	cause := call.ErrDetach
	if errors.Is(err, ari.ErrReplaced) {
		cause, err = call.ErrFenced, fmt.Errorf("%w: %w", call.ErrFenced, err)
	}
	x.mu.Lock()
	x.stopping, x.ready = true, 0
	for _, l := range x.lines {
		l.cancel(cause)
	}
	x.mu.Unlock()
	x.work.Wait()
	return err
}

// Fence lets go of every call: another controller owns them.
func (x *Exchange) Fence() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, l := range x.lines {
		l.cancel(call.ErrFenced)
	}
}

// holdBridge is where waiting callers sit: Asterisk itself plays the music there.
func (x *Exchange) holdBridge() string { return x.App + "-hold" }

// up runs after every connect, before events of unknown channels are handed out.
func (x *Exchange) up(ctx context.Context, how ari.Up) error {
	connection := x.connection()
	x.mu.Lock()
	lost := 0
	if how.Restarted {
		for _, l := range x.lines {
			l.cancel(errExchangeLost)
		}
		lost = len(x.lines)
	}
	x.mu.Unlock()
	if lost > 0 {
		x.Log.Error("Asterisk started anew: the calls that were on it are over", "calls", lost)
	}
	if _, err := x.ari.CreateBridge(ctx, x.holdBridge(), "holding", "decroche waiting room"); err != nil && !errors.Is(err, ari.ErrConflict) {
		return fmt.Errorf("make the bridge where callers wait: %w", err)
	}
	if x.Accounts != nil {
		if err := x.PushAccounts(ctx, x.Accounts()); err != nil {
			return err
		}
	}
	if err := x.recover(ctx, how.Info); err != nil {
		return err
	}
	x.mu.Lock()
	x.ready = connection
	x.mu.Unlock()
	return nil
}

// unclaimed takes the events of channels that no line knows: new calls, star codes and
// consultations.
func (x *Exchange) unclaimed(ctx context.Context, e ari.Event) {
	start, ok := e.(*ari.StasisStart)
	if !ok || len(start.Args) == 0 {
		return
	}
	ch := start.Channel
	switch start.Args[0] {
	case "call":
		if x.line(ch.ID) == nil { // recovery may have found it first
			x.begin(infoOf(ch, start.Args[1:]))
		}
	case "out": // answered in the moment it was given up
		if x.line(ch.ID) == nil {
			x.spawn(func() { x.hangup(ctx, ch.ID) })
		}
	case "guest": // answered after the conversation was over
		if !x.isGuest(ch.ID) {
			x.spawn(func() { x.hangup(ctx, ch.ID) })
		}
	case "code":
		x.spawn(func() { x.code(ctx, ch, arg(start.Args, 1), call.AgentID(arg(start.Args, 2))) })
	case "consult":
		x.spawn(func() { x.consult(ctx, ch, call.AgentID(arg(start.Args, 1)), call.AgentID(arg(start.Args, 2))) })
	}
}

// begin starts a call that nobody has driven yet.
func (x *Exchange) begin(info call.Info) { x.start(x.newLine(info), nil) }

// start registers the line and gives it its goroutines. The channel it returns is closed
// when the call has its place again.
func (x *Exchange) start(l *line, cp *call.Checkpoint) <-chan struct{} {
	settled := make(chan struct{})
	settle := sync.OnceFunc(func() { close(settled) })
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.stopping {
		l.mail.Close()
		settle()
		return settled
	}
	x.lines[l.id] = l
	x.work.Go(l.follow)
	x.work.Go(func() {
		defer x.forget(l)
		defer settle()
		x.Drive(l.ctx, l, cp, settle)
	})
	return settled
}

// forget takes a line whose call is over, or left in place, off the list.
func (x *Exchange) forget(l *line) {
	x.mu.Lock()
	delete(x.lines, l.id)
	x.mu.Unlock()
	l.cancel(call.ErrDetach)
	l.mail.Close()
}

func (x *Exchange) spawn(f func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.stopping {
		x.work.Go(f)
	}
}

func (x *Exchange) line(id string) *line {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.lines[id]
}

// Reaches says whether Asterisk reaches a trunk's operator, as far as it knows: one that it does not ask
// is taken to be there.
func (x *Exchange) Reaches(ctx context.Context, trunk string) (bool, error) {
	e, err := x.ari.Endpoint(ctx, "PJSIP", "trunk-"+trunk)
	if err != nil {
		return false, fmt.Errorf("ask for trunk %q: %w", trunk, err)
	}
	return e.State != "offline", nil
}

// OnLine tells whether somebody with that number is on a call to us.
func (x *Exchange) OnLine(n call.Number) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, l := range x.lines {
		if !l.info.Outgoing && l.info.From == n && n != call.Withheld {
			return true
		}
	}
	return false
}

// legInUse tells whether a line or a consultation of this process has the channel.
func (x *Exchange) legInUse(id string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, l := range x.lines {
		if l.hasLeg(id) {
			return true
		}
	}
	for _, c := range x.consults {
		if c.asking == id || c.asked == id {
			return true
		}
	}
	return false
}

// legBy finds an agent's leg by its channel.
func (x *Exchange) legBy(channel string) *leg {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, l := range x.lines {
		if g := l.leg(channel); g != nil {
			return g
		}
	}
	return nil
}

// infoOf reads a call from the arguments the dialplan gave: number dialled, trunk, second
// of arrival, tries before, presentation of the caller's number.
func infoOf(ch ari.Channel, args []string) call.Info {
	info := call.Info{ID: call.ID(ch.ID), Trunk: arg(args, 1), Arrived: ch.Creationtime.Time}
	info.To, _ = call.ParseNumber(arg(args, 0))
	if tries, _ := strconv.Atoi(arg(args, 3)); tries > 0 {
		if arrived, err := strconv.ParseInt(arg(args, 2), 10, 64); err == nil {
			info.HeldByDialplan = time.Since(time.Unix(arrived, 0)).Round(time.Second)
		}
	}
	if !strings.Contains(arg(args, 4), "prohib") {
		info.From, _ = call.ParseNumber(ch.Caller.Number)
	}
	if info.Arrived.IsZero() {
		info.Arrived = time.Now()
	}
	return info
}

// infoOfOrphan does the same for a call that came in while no controller was there to be told.
func (x *Exchange) infoOfOrphan(ctx context.Context, ch ari.Channel) call.Info {
	get := func(name string) string {
		v, err := x.ari.Variable(ctx, ch.ID, name)
		if err != nil {
			x.Log.Warn("a call's variable could not be read", "call", ch.ID, "variable", name, "err", err)
		}
		return v
	}
	return infoOf(ch, []string{get("DIALLED"), get("DECROCHE_TRUNK"), get("ARRIVED"), get("TRIES"), get("CALLERID(num-pres)")})
}

// waitUp waits for the connection to come back and the calls to be compared, for as long as
// a caller can be left with what Asterisk plays. It tells whether it did.
func (x *Exchange) waitUp(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !x.Ready() {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	return true
}

func arg(args []string, i int) string {
	if i < len(args) {
		return args[i]
	}
	return ""
}
