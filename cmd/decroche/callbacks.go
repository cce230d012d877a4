package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"decroche/call"
	"decroche/callback"
	"decroche/chat"
	"decroche/ivr"
	"decroche/links"
	"decroche/service"
	"decroche/sms"
	"decroche/web/hooks"
	"decroche/web/proxies"
	"decroche/web/public"
)

// desk is what makes promises and keeps them.
type desk struct {
	book   *callback.Book
	dialer *callback.Dialer
	outbox *sms.Outbox
	inbox  *sms.Inbox
	links  *links.Watcher
	public *http.Server // pages for citizens, and the providers' webhooks
}

// assembleDesk makes the parts of callbacks, text messages and links.
func (s *server) assembleDesk(ctx context.Context) error {
	key, err := s.c.secret("page-key")
	if err != nil {
		return err
	}
	signer := &public.Signer{Key: []byte(key), Base: s.c.publicURL()}
	provider, err := sms.New(s.c.SMS)
	if err != nil {
		return fmt.Errorf("configuration %s: %w", s.c.file, err)
	}
	secrets, err := hooks.ReadSecrets(s.c.SMS)
	if err != nil {
		return fmt.Errorf("configuration %s: %w", s.c.file, err)
	}
	d := &s.desk
	d.outbox = &sms.Outbox{Store: s.db.SMS(), Provider: provider, Node: s.c.Node, Journal: s.live, Log: s.log}
	d.book = &callback.Book{
		Store: s.db.Promises(), Texts: s.db.SMS(), Service: s.def.Load, Agents: s.agentsFor, Journal: s.live, Log: s.log,
		PageURL: signer.PromiseURL, BookURL: signer.BookURL, Changed: s.deskChanged,
	}
	d.inbox = &sms.Inbox{Store: s.db.SMS(), Log: s.log, Cancel: func(ctx context.Context, from call.Number) (bool, error) {
		_, ok, err := d.book.CancelNumber(ctx, from, "sms")
		return ok, err
	}, Changed: s.deskChanged, Service: s.serviceName, Phone: func() string { return s.def.Load().Present.Spoken() }, Lang: s.langOf}
	d.links = &links.Watcher{Service: s.def.Load, Store: s.db, Log: s.log, Journal: s.live}
	if err := d.links.Load(ctx); err != nil { // before the first call: a site switched off stays so
		return err
	}
	d.dialer = &callback.Dialer{
		Store: s.db.Promises(), Book: d.book, Floor: s.floor, Service: s.def.Load, Node: s.c.Node, Epoch: s.epoch,
		Ready: s.x.Ready, Alive: s.x.Alive, Call: s.callBack, Closed: s.uncallable, OnLine: s.x.OnLine, Log: s.log, NewCallID: newOutgoingID,
	}
	s.journey.Callbacks, s.journey.Links, s.journey.Texts = d.book, d.links, textsOf{s}
	s.journey.MenuURL = signer.MenuURL
	s.assembleSurveys(signer)
	s.assembleChats(signer)
	if err := s.assembleTags(); err != nil {
		return err
	}
	s.journey.AccessURL, s.journey.WriteURL = s.chats.RelayURL, func(lang call.Lang) string {
		if !s.chats.On(chat.ByWeb) {
			return ""
		}
		return signer.WriteURL(lang)
	}
	trusted, err := proxies.Parse(s.c.Web.Public.Proxies)
	if err != nil {
		return err
	}
	pages := &public.Server{
		Desk: pagesDesk{d.book, s.db.Promises()}, Service: s.def.Load, Codes: public.NewCodes(), Signer: signer, Log: s.log,
		Send: textsOf{s}.SendText, Wait: s.waitToCome, Proxies: trusted, Surveys: s.surveys, Now: lineNow{s}, Chats: pagesChats{s.chats, s.db.Conversations()},
	}
	told := &hooks.Hooks{Store: s.db.SMS(), Inbox: d.inbox, Secrets: secrets, Base: s.c.publicURL(), Journal: s.live, Log: s.log}
	mux := http.NewServeMux()
	mux.Handle("/hooks/", told.Handler())
	mux.Handle("/", pages.Handler())
	d.public = s.httpServer(mux)
	return nil
}

// lineNow is what the page of the menu tells of this moment.
type lineNow struct{ s *server }

// News implements public.Now.
func (l lineNow) News(queue string, lang call.Lang) (texts []string) {
	for _, m := range l.s.board.Active(queue, time.Now()) {
		if m.Queue == queue {
			texts = append(texts, cmp.Or(m.Text[lang], m.Text["fr"]))
		}
	}
	return texts
}

// Range implements public.Now.
func (l lineNow) Range(queue string) (low, high time.Duration, ok bool) {
	for _, q := range l.s.floor.Queues() {
		if q.ID == queue && q.Estimate.Known {
			return q.Estimate.Low, q.Estimate.High, true
		}
	}
	return 0, 0, false
}

// Down implements public.Now.
func (l lineNow) Down(link string) bool {
	_, down := l.s.desk.links.Down(link)
	return down
}

// pagesDesk is what the public pages need of the desk.
type pagesDesk struct {
	*callback.Book
	store callback.Store
}

// Promise reads one promise.
func (d pagesDesk) Promise(ctx context.Context, id callback.ID) (callback.Promise, error) {
	return d.store.Promise(ctx, id)
}

// deskChanged wakes who has something to do after a promise or a message was kept.
func (s *server) deskChanged() {
	s.desk.outbox.Wake()
	s.desk.dialer.Wake()
}

// textsOf sends what the journey and the pages have to send.
type textsOf struct{ s *server }

// SendText implements ivr.Texter: the message is kept, and leaves at once.
func (t textsOf) SendText(ctx context.Context, m sms.Message) error {
	if err := t.s.db.SMS().Enqueue(ctx, m); err != nil {
		return err
	}
	t.s.desk.outbox.Wake()
	return nil
}

func (s *server) serviceName() string {
	def := s.def.Load()
	return def.Name[def.Languages[0]].Say
}

// langOf is the language of a citizen who has a promise; French is answered to anybody else.
func (s *server) langOf(ctx context.Context, from call.Number) call.Lang {
	p, ok, err := s.db.Promises().Live(ctx, from)
	if err != nil || !ok {
		return ""
	}
	return p.Lang
}

// waitToCome is the upper bound of the wait of who would join the queue now, 0 when nobody knows.
func (s *server) waitToCome(queue string) time.Duration {
	for _, q := range s.floor.Queues() {
		if q.ID == queue && q.Estimate.Known {
			return q.Estimate.High
		}
	}
	return 0
}

// agentsFor counts the agents of the roster who meet a queue's needs.
func (s *server) agentsFor(queue string) int {
	q := s.def.Load().Queues[queue]
	if q == nil {
		return 0
	}
	n := 0
	for _, a := range *s.roster.Load() {
		if meets(a, q) {
			n++
		}
	}
	return n
}

func meets(a agent, q *service.Queue) bool {
	for skill, level := range q.Needs {
		if a.Skills[skill] < level {
			return false
		}
	}
	return true
}

// uncallable says that nobody of the queue is called for now: its line is closed, or the operator is not there.
func (s *server) uncallable(queue string) bool {
	return s.trunks.Down(s.c.callsOut()) || s.closedNow(queue)
}

// closedNow tells of an incident that closes the queue's line.
func (s *server) closedNow(queue string) bool {
	for _, m := range s.board.Active(queue, time.Now()) {
		if m.Replace {
			return true
		}
	}
	return false
}

// outgoing begins the ids of the calls that we place.
const outgoing = "out-"

func newOutgoingID(p callback.Promise) call.ID {
	return call.ID(outgoing + string(p.ID) + "-" + strings.ToLower(rand.Text()[:8]))
}

// callBack makes one attempt at keeping a promise, and tells how it ended; "" says that the
// call goes on without this process.
func (s *server) callBack(_ context.Context, w callback.Work) callback.Result {
	p, def := w.Promise, s.def.Load()
	info := call.Info{
		ID: w.Attempt.Call, From: p.Number, To: def.Present, Arrived: time.Now(), Trunk: s.c.callsOut(), Outgoing: true,
	}
	visit := &ivr.Visit{
		Lang: p.Lang, Public: p.Public, Queue: p.Queue, Reason: p.Reason, Joined: p.Joined, AgentAsked: true,
		Recall: &ivr.Recall{
			Promise: p.ID, Attempt: w.Attempt.N, Contact: p.Contact, Asked: p.Asked, Slot: p.Slot, Origin: p.Origin, Score: p.Score,
			Last: p.Tries+1 >= def.Callback.Attempts, VoicemailLeft: p.Voicemail, AgentFirst: def.Callback.AgentFirst,
			Allowed: func() bool { return s.desk.dialer.Allowed(p) },
			Wanted:  func(ctx context.Context) bool { return s.stillPromised(ctx, p.ID) },
			Busy:    func() bool { return s.x.OnLine(p.Number) },
		},
	}
	if p.Relay != call.Withheld { // the agent is rung when the centre has the citizen on the line
		info.From, info.Trunk, visit.Public = p.Relay, s.c.relayBy(def), service.PublicRelay
		visit.Recall.Citizen, visit.Recall.AgentFirst = p.Number, false
	}
	visit.Carry(w.Place, w.Reservation)
	result := callback.Interrupted
	s.x.PlaceCall(info, func(ctx context.Context, c call.Outgoing) {
		s.calling(info, visit)
		if _, err := s.runner().Run(ctx, c, s.journey.FirstRecallStep(visit), visit); err != nil {
			s.log.Info("a call is left in place", "call", info.ID, "why", err)
			result = ""
			return
		}
		result = visit.Recall.Outcome()
		s.journey.LeftAnswered(context.WithoutCancel(ctx), info, visit, context.Cause(ctx))
	})
	return result
}

// stillPromised says whether a citizen is still to be called; if the store does not say, they are.
func (s *server) stillPromised(ctx context.Context, id callback.ID) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	p, err := s.db.Promises().Promise(ctx, id)
	return err != nil || p.State.Live()
}

// recallEnded closes the attempt of a call that a controller before this one placed.
func (s *server) recallEnded(ctx context.Context, v *ivr.Visit, r callback.Result) {
	if v.Recall == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
	defer cancel()
	if _, err := s.desk.book.Attempted(ctx, v.Recall.Promise, v.Recall.Attempt, r); err != nil {
		s.log.Error("an attempt at a callback could not be closed; the next start does it", "promise", v.Recall.Promise, "err", err)
	}
}

// httpServer bounds what a slow or hostile client can hold.
func (s *server) httpServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 32 << 10,
	}
}

// callsOut names the trunk that calls go out by.
func (c *config) callsOut() string {
	if c.CallsOut != "" {
		return c.CallsOut
	}
	for _, t := range c.Trunks {
		if t.Server != "" {
			return t.Name
		}
	}
	return ""
}

// relayBy names the trunk that calls to the relay centre go out by.
func (c *config) relayBy(def *service.Definition) string {
	if r := def.Access.Relay; r != nil && r.Trunk != "" {
		return r.Trunk
	}
	return c.callsOut()
}

// publicURL is how citizens reach the public pages, without a slash at the end.
func (c *config) publicURL() string {
	return strings.TrimSuffix(cmp.Or(c.Web.Public.URL, "http://"+c.Web.Public.Listen), "/")
}

// canCallBack says what keeps a service that promises callbacks from making them: a service.Sentence, or nil.
func (c *config) canCallBack(def *service.Definition) error {
	if r := def.Access.Relay; r != nil && r.Trunk != "" && !slices.ContainsFunc(c.Trunks, func(t trunk) bool { return t.Name == r.Trunk }) {
		return service.Say("trunk.relay", "service", c.Service, "trunk", r.Trunk, "config", c.file)
	}
	for _, lang := range slices.Sorted(maps.Keys(def.Interpreters)) {
		switch i := def.Interpreters[lang]; {
		case i.Trunk != "" && !slices.ContainsFunc(c.Trunks, func(t trunk) bool { return t.Name == i.Trunk }):
			return service.Say("trunk.interpreter", "lang", lang, "service", c.Service, "trunk", i.Trunk, "config", c.file)
		case i.Trunk == "" && c.callsOut() == "":
			return service.Say("trunk.interpreters", "service", c.Service, "config", c.file)
		}
	}
	if !def.Callback.On || c.callsOut() != "" {
		return nil
	}
	return service.Say("trunk.callback", "service", c.Service, "config", c.file)
}

// visitOf reads what a checkpoint knows of its caller.
func visitOf(cp call.Checkpoint) (*ivr.Visit, error) {
	v := new(ivr.Visit)
	if err := json.Unmarshal(cp.State, v); err != nil {
		return new(ivr.Visit), err
	}
	return v, nil
}
