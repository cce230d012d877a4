package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"decroche/ari"
	"decroche/call"
	"decroche/callback"
	"decroche/chat"
	"decroche/ivr"
	"decroche/metrics"
	"decroche/phone"
	"decroche/plans"
	"decroche/privacy"
	"decroche/routing"
	"decroche/routing/wait"
	"decroche/service"
	"decroche/speech"
	"decroche/store"
	"decroche/studio"
	"decroche/survey"
	"decroche/tags"
	"decroche/web/admin"
	"decroche/web/api"
)

type serveCmd struct{}

// Run is the controller alone: Asterisk runs elsewhere and may come and go.
func (serveCmd) Run(e *env) error {
	c, err := e.load()
	if err != nil {
		return err
	}
	s, err := newServer(e, c)
	if err != nil {
		return err
	}
	defer s.close()
	return s.run(e.ctx, func() { fmt.Fprintln(e.stdout, c.readyLine()) })
}

// readyLine tells where a call can be placed.
func (c *config) readyLine() string {
	def, err := service.ParseFile(c.Service)
	number := "+33199003939"
	if err == nil && len(def.Numbers) > 0 {
		number = string(def.Numbers[0].Number)
	}
	return fmt.Sprintf("ready sip:%s@%s web http://%s", number, net.JoinHostPort(c.SIP.Bind, fmt.Sprint(c.SIP.Port)), c.Web.Listen)
}

// server is one controller: everything that lives as long as the process.
type server struct {
	c       *config
	log     *slog.Logger
	db      *store.DB
	epoch   int64
	lib     *speech.Library
	base    atomic.Pointer[service.Definition] // as it is written
	def     atomic.Pointer[service.Definition] // in force: with the plans that are on
	plans   *plans.Office
	roster  atomic.Pointer[[]agent]
	floor   *routing.Floor
	waits   *wait.Estimator
	board   *ivr.Board
	live    *metrics.Live
	ledger  *metrics.Ledger
	office  *privacy.Office
	surveys *survey.Office
	chats   *chat.Office
	tags    *tags.Office
	figures *metrics.Figures
	parity  func(ctx context.Context, from, to time.Time) (metrics.Parity, error)
	audited atomic.Pointer[metrics.Audited]
	ari     *ari.Client
	x       *phone.Exchange
	journey *ivr.Journey
	desk    desk
	trunks  trunkWatch
	states  *stateKeeper
	http    *http.Server
	site    *http.Server
	studio  *studio.Office
	trials  *trials
	admin   *admin.Server
	reloads sync.Mutex
	given   accountsGiven
	// began is when this controller was started; signed is the last that was heard of the one before.
	began  time.Time
	signed time.Time
	sign   sync.Once
	// silences are those made, by their seconds.
	silences sync.Map
	load     func() (*config, error)
}

// newServer opens and checks everything; nothing is heard or answered yet.
func newServer(e *env, c *config) (_ *server, err error) {
	s := &server{c: c, log: slog.Default(), load: e.load, began: time.Now()}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if err := c.makeFolders(); err != nil {
		return nil, err
	}
	ctx := e.ctx
	def, err := service.ParseFile(c.Service)
	if err != nil {
		return nil, err
	}
	if err := c.canCallBack(def); err != nil {
		return nil, err
	}
	if err := unheardWording(def); err != nil { // a new release may lack a prompt: the line answers all the same
		s.log.Warn("some of the service's wording is not heard as it is meant; decroche check says what to mend", "err", err)
	}
	c.warn(def, s.log)
	s.base.Store(def)
	s.def.Store(def)
	s.roster.Store(&c.Agents)
	if s.lib, err = c.library(def.Languages); err != nil {
		return nil, err
	}
	if err := s.render(ctx, def); err != nil {
		return nil, err
	}
	if err := exportDialplan(ctx, c, s.words(def), true); err != nil {
		return nil, err
	}
	if s.db, err = store.Open(ctx, store.Options{
		URL: c.Database, PasswordFile: c.DatabasePasswordFile, DataDir: c.Data, Log: s.log,
	}); err != nil {
		return nil, err
	}
	if s.epoch, err = s.db.AcquireEpoch(ctx, c.Node); err != nil {
		return nil, err
	}
	if err := s.assemble(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// assemble makes the parts and ties them together.
func (s *server) assemble(ctx context.Context) error {
	c, def := s.c, s.def.Load()
	s.waits = wait.New(wait.Options{})
	s.setDefaults(def)
	if err := s.recallWaits(ctx); err != nil {
		s.log.Warn("what was learned about waits could not be read; learning begins anew", "err", err)
	}
	if err := s.learnFromPast(ctx); err != nil {
		s.log.Warn("what imported calls tell of waits could not be read", "err", err)
	}
	s.assembleFigures()
	s.live = metrics.NewLive(s.db.Journal(), s.gauges()...)
	s.floor = routing.NewFloor(routing.Options{Log: s.log, Estimator: s.waits, Journal: s.live})
	s.floor.SetQueues(def.Queues)
	s.floor.SetRoster(c.roster())
	if err := s.restoreAgents(ctx); err != nil {
		return err
	}
	s.states = newStateKeeper(s.db, s.log)
	s.floor.OnAgentState(s.states.keep)
	s.board = ivr.NewBoard(s.db.Active)
	if err := s.board.Refresh(ctx); err != nil {
		return err
	}
	password, err := c.secret("ari-password")
	if err != nil {
		return err
	}
	s.ari = ari.New(ari.Config{
		URL: c.ariURL(), App: c.app(), Username: "decroche", Password: password, Log: s.log,
		EventFilterDisallow: unusedEvents, MailboxSize: 64,
	})
	s.journey = &ivr.Journey{
		Service: s.def.Load, Floor: s.floor, Voice: steady{voice{s.lib, s}}, News: s.board, Journal: s.live, Log: s.log,
	}
	s.journey.Keep = func(ctx context.Context, c call.Call, step string, v *ivr.Visit) error {
		return s.runner().Save(ctx, c, step, v)
	}
	s.x = phone.New(phone.Options{
		ARI: s.ari, App: c.app(), Epoch: s.epoch, Log: s.log, Checkpoints: s.db.Checkpoints(),
		Drive: s.drive, Turn: turn, Gone: s.gone, Code: s.code, Consult: s.consult, Rescue: s.rescue, Accounts: s.accounts, Guest: s.guest,
	})
	if err := s.assembleDesk(ctx); err != nil {
		return err
	}
	s.assemblePlans()
	s.take(ctx, def)
	if err := s.assembleSite(); err != nil {
		return err
	}
	token, err := c.secret("api-token")
	if err != nil {
		return err
	}
	s.http = s.httpServer((&api.Server{
		Floor: s.floor, Messages: s.db, Acts: s.db.People(), Rehearse: s.rehearse, Changed: s.board.Refresh,
		Desk: s.desk.book, Promises: s.db.Promises(), Texts: s.db.SMS(), Links: s.desk.links,
		Reports: s.reports, Facts: facts{s.db.Journal()},
		Privacy: s.office, Surveys: s.surveys, Tags: s.tags, Chats: s.chats, Conversations: s.db.Conversations(), Journal: s.live, Speakers: s.speakers,
		Reasons:   func() map[string]*service.Reason { return s.def.Load().Reasons },
		Relay:     func() call.Number { return s.def.Load().RelayNumber() },
		Interpret: s.interpret, Dismiss: s.x.Dismiss,
		HasQueue: func(id string) bool { return s.def.Load().Queues[id] != nil },
		HasMenu:  func(id string) bool { return s.def.Load().Menus[id] != nil },
		HasLink:  func(id string) bool { return s.def.Load().Links[id] != nil },
		Zone:     func() *time.Location { return s.def.Load().Location },
		Board:    s.admin.Board,
		Reload:   s.reload, Ready: s.ready, Metrics: s.live.Handler(), Token: token, Log: s.log,
	}).Handler())
	return nil
}

// unusedEvents are those of Asterisk's events that would be read and thrown away.
var unusedEvents = []string{
	"ChannelVarset", "ChannelDialplan", "ChannelCallerId", "ChannelConnectedLine", "ChannelCreated", "ChannelUserevent",
	"ChannelStateChange", "ChannelEnteredBridge", "ChannelLeftBridge", "ChannelToneDetected", "BridgeCreated", "BridgeDestroyed", "BridgeMerged", "BridgeVideoSourceChanged",
	"BridgeBlindTransfer", "BridgeAttendedTransfer", "PlaybackStarted", "Dial", "DeviceStateChanged", "EndpointStateChange",
	"PeerStatusChange", "ContactStatusChange", "RecordingStarted", "RecordingFinished", "RecordingFailed", "TextMessageReceived",
}

// run serves until ctx ends. ready is called once, when the first call can be placed.
func (s *server) run(ctx context.Context, ready func()) error {
	listener, err := s.listen(s.c.Web.Listen, "web.listen")
	if err != nil {
		return err
	}
	public, err := s.listen(s.c.Web.Public.Listen, "web.public.listen")
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	site, err := s.listen(s.c.Web.Admin.Listen, "web.admin.listen")
	if err != nil {
		return errors.Join(err, listener.Close(), public.Close())
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	s.live.Append(call.NewEvent("", call.EventController, map[string]any{"what": "started", "epoch": s.epoch}))

	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.x.Run(ctx) })
	serveWeb(ctx, g, s.http, func() error { return s.http.Serve(listener) })
	serveWeb(ctx, g, s.desk.public, func() error { return s.desk.public.Serve(public) })
	serveWeb(ctx, g, s.site, func() error { return s.serveSite(site) })
	g.Go(func() error { return s.watchTrunks(ctx) })
	g.Go(func() error { return s.desk.dialer.Run(ctx) })
	g.Go(func() error { return s.desk.outbox.Run(ctx) })
	g.Go(func() error { return s.ledger.Run(ctx) })
	g.Go(func() error { return s.office.Run(ctx) })
	g.Go(func() error { return s.surveys.Run(ctx) })
	g.Go(func() error { return s.chats.Run(ctx) })
	g.Go(func() error { return s.tags.Run(ctx) })
	g.Go(func() error { return s.plans.Run(ctx) })
	g.Go(func() error { return s.packs(ctx) })
	g.Go(func() error { return s.audits(ctx) })
	g.Go(func() error { return s.watchAccess(ctx) })
	g.Go(func() error { return s.desk.links.Run(ctx) })
	g.Go(func() error {
		s.board.Run(ctx, func(err error) { s.log.Warn("the board of messages is not fresh", "err", err) })
		return nil
	})
	g.Go(func() error { s.states.run(ctx); return nil })
	g.Go(func() error { return s.housekeep(ctx, hup) })
	g.Go(func() error { return s.sayReady(ctx, ready) })
	if err := g.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// listen takes an address; key is where the configuration names it.
func (s *server) listen(address, key string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("serve the web on %s: %w: another program has the port; stop that one, or set %s in %s", address, err, key, s.c.file)
	}
	return l, nil
}

// serveWeb serves until ctx ends.
func serveWeb(ctx context.Context, g *errgroup.Group, srv *http.Server, serve func() error) {
	g.Go(func() error {
		if err := serve(); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve the web: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
		return srv.Shutdown(bounded)
	})
}

// housekeep obeys SIGHUP, stops when another controller took over, and keeps what was learned.
func (s *server) housekeep(ctx context.Context, hup <-chan os.Signal) error {
	tick := time.NewTicker(30 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			s.keepWaits(context.WithoutCancel(ctx))
			return nil
		case <-s.db.Fenced():
			s.x.Fence()
			return fmt.Errorf("another controller has taken node %q: %w", s.c.Node, call.ErrFenced)
		case <-tick.C:
			s.keepWaits(ctx)
			s.dropAccounts(ctx)
		case <-hup:
			if said, err := s.reload(ctx); err != nil {
				s.log.Error("the service definition was not taken; the old one stays", "err", err)
			} else {
				s.log.Info(said)
			}
		}
	}
}

// sayReady waits for the first call to be possible, and says why not meanwhile.
func (s *server) sayReady(ctx context.Context, ready func()) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			err := s.ready()
			if err == nil {
				ready()
				return nil
			}
			if n%200 == 0 {
				s.log.Warn("not ready yet", "why", err)
			}
		}
	}
}

// ready says what keeps the line from taking calls.
func (s *server) ready() error {
	var errs []error
	if !s.x.Ready() {
		errs = append(errs, fmt.Errorf("no Asterisk at %s yet", s.c.ariURL()))
	}
	if err := s.db.Healthy(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// close ends what newServer opened, in the reverse order.
func (s *server) close() {
	if s.floor != nil {
		s.floor.Close()
	}
	if s.ari != nil {
		s.ari.Close()
	}
	if s.db != nil {
		if err := s.db.Close(); err != nil {
			s.log.Error("the database was not closed in good order", "err", err)
		}
	}
}

// drive takes one call through the journey, from its checkpoint if there is one.
func (s *server) drive(ctx context.Context, c call.Call, cp *call.Checkpoint, settled func()) {
	info := c.Info()
	if room, ok := s.recording(c); ok {
		s.record(ctx, room)
		return
	}
	if s.trials.drive(ctx, c) {
		return
	}
	step, visit := ivr.StepGreet, new(ivr.Visit)
	if cp != nil {
		v, err := visitOf(*cp)
		if err != nil {
			s.log.Error("a checkpoint cannot be read; the call begins anew", "call", info.ID, "err", err)
		} else {
			step = cp.Step
		}
		visit = v
		if visit.Settled = settled; step != ivr.StepQueue && step != ivr.StepTalk {
			settled()
		}
		s.calling(info, visit)
		s.live.Append(call.NewEvent(info.ID, call.EventResumed, map[string]any{"step": step}))
	} else {
		s.live.Append(call.NewEvent(info.ID, call.EventArrived, arrival(s.def.Load(), info)))
		s.log.Info("call came in", "call", info.ID, "from", info.From, "to", info.To, "trunk", info.Trunk)
	}
	_, err := s.runner().Run(ctx, c, step, visit)
	switch {
	case err != nil:
		s.log.Info("a call is left in place", "call", info.ID, "why", err)
	case info.Outgoing:
		s.recallEnded(ctx, visit, visit.Recall.Outcome())
		s.journey.LeftAnswered(context.WithoutCancel(ctx), info, visit, context.Cause(ctx))
	default:
		s.journey.LeftWaiting(context.WithoutCancel(ctx), info, visit, context.Cause(ctx))
		s.journey.LeftAnswered(context.WithoutCancel(ctx), info, visit, context.Cause(ctx))
	}
}

// turn orders the calls to take up after a restart: conversations first, so that their
// agents are known to be busy; then the callers in line, as they joined it; then the others.
func turn(a, b call.Checkpoint) int {
	rank := func(cp call.Checkpoint) (int, time.Time) {
		v, _ := visitOf(cp) // what cannot be read begins anew, after the others
		switch {
		case cp.Step == ivr.StepTalk:
			return 0, v.Connected
		case cp.Step == ivr.StepQueue && !v.Joined.IsZero():
			return 1, v.Joined
		}
		return 2, cp.Info.Arrived
	}
	ra, ta := rank(a)
	rb, tb := rank(b)
	return cmp.Or(cmp.Compare(ra, rb), ta.Compare(tb))
}

func (s *server) runner() *call.Runner[ivr.Visit] {
	return &call.Runner[ivr.Visit]{
		Steps: s.journey.Steps(), Excuse: ivr.StepSorry, Ended: s.journey.Ended,
		Checkpoints: s.db.Checkpoints(), Journal: s.live, Epoch: s.epoch, Log: s.log,
	}
}

// gone closes a call whose caller left while no controller was there.
func (s *server) gone(ctx context.Context, cp call.Checkpoint, why error) {
	visit, err := visitOf(cp)
	if err != nil {
		s.log.Warn("the checkpoint of a call that is over cannot be read", "call", cp.Call, "err", err)
	}
	if cp.Info.Outgoing {
		s.recallEnded(ctx, visit, callback.Interrupted)
	}
	end := s.journey.Ended(visit, cp.Step, why)
	if !errors.Is(why, call.ErrTechnical) {
		end.Reason = call.ReasonControllerDown
	}
	s.tellEnd(ctx, cp, visit, end)
	if err := s.db.Checkpoints().Delete(ctx, cp.Call); err != nil {
		s.log.Warn("could not forget the checkpoint of a call that is over", "call", cp.Call, "err", err)
	}
	s.log.Info("a caller left while no controller was there", "call", cp.Call, "step", cp.Step)
	if !cp.Info.Outgoing && errors.Is(why, call.ErrTechnical) { // cut off with their Asterisk: they are called back
		s.journey.LeftWaiting(ctx, cp.Info, visit, why)
	}
}

// reload takes the service definition and the agents as they are now in their files. What
// is wrong is told, and nothing changes: all that can fail comes first.
func (s *server) reload(ctx context.Context) (string, error) {
	s.reloads.Lock()
	defer s.dropAccounts(ctx) // of who is no agent any more, or of a roster that was not taken
	defer s.reloads.Unlock()
	c, err := s.load()
	if err != nil {
		return "", err
	}
	def, err := service.ParseFile(c.Service)
	if err != nil {
		return "", err
	}
	if err := c.judge(def); err != nil {
		return "", err
	}
	if err := s.render(ctx, def); err != nil {
		return "", err
	}
	if err := s.learnFromPast(ctx); err != nil {
		return "", err
	}
	accounts, err := s.accountsOf(c.Agents)
	if err != nil {
		return "", err
	}
	if s.x.Ready() {
		if err := s.x.PushAccounts(ctx, accounts); err != nil {
			return "", err
		}
	}
	if err := exportDialplan(ctx, c, s.words(def), true); err != nil {
		return "", err
	}
	c.warn(def, s.log)
	s.roster.Store(&c.Agents)
	s.take(ctx, def)
	s.floor.SetRoster(c.roster())
	return fmt.Sprintf("service %s is in force: %d menus, %d queues, %d agents; calls under way go on", def.ID, len(def.Menus), len(def.Queues), len(c.Agents)), nil
}

func (s *server) setDefaults(def *service.Definition) {
	for id, q := range def.Queues {
		s.waits.SetDefaults(id, q.DefaultAHT)
	}
}

const waitsBlob = "wait-estimator"

func (s *server) recallWaits(ctx context.Context) error {
	blob, ok, err := s.db.GetBlob(ctx, waitsBlob)
	if err != nil || !ok {
		return err
	}
	return s.waits.Restore(blob)
}

func (s *server) keepWaits(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	blob, err := s.waits.Snapshot()
	if err == nil {
		err = s.db.PutBlob(ctx, waitsBlob, blob)
	}
	if err != nil {
		s.log.Warn("what was learned about waits could not be kept", "err", err)
	}
}
