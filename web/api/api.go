// Package api is the HTTP interface for operators and their tools: agents, queues,
// callbacks, text messages, links, incident messages, reload, and what monitoring asks for.
//
// Everything below /api wants the token of the deployment ("Authorization: Bearer …").
// Answers are JSON; an error is {"error": "…"} with what to mend. /healthz says that the
// process lives, /readyz that it can take calls, /metrics is for Prometheus.
package api

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"decroche/call"
	"decroche/ivr"
	"decroche/metrics/report"
	"decroche/people"
	"decroche/routing"
	"decroche/service"
)

// Messages keeps incident messages.
type Messages interface {
	Publish(ctx context.Context, m ivr.Message, key string) (ivr.Message, error)
	Messages(ctx context.Context, endAfter time.Time) ([]ivr.Message, error)
	Stop(ctx context.Context, id int64, by string, at time.Time) (ivr.Message, error)
}

// Acts is the log of what was done, which the administration site shows.
type Acts interface {
	Log(ctx context.Context, act people.Act) error
}

// Server answers the requests.
type Server struct {
	Floor    *routing.Floor
	Messages Messages
	Acts     Acts
	Desk     Desk
	Promises Promises
	Texts    Texts
	Links    Links
	Privacy  Privacy
	Surveys  Surveys
	Tags     Tags
	// Chats writes in conversations, Conversations reads them.
	Chats         Chats
	Conversations Conversations
	// Reports are made from the figures as they are now; Facts are those behind them.
	Reports func() report.Source
	Facts   Facts
	// Journal takes what agents say of their calls.
	Journal call.Journal
	// Speakers are the agents who have talked on a call, in the order in which they did.
	Speakers func(ctx context.Context, id call.ID) ([]call.AgentID, error)
	// Reasons are those of the service in force.
	Reasons func() map[string]*service.Reason
	// Rehearse makes the message's sounds before it is public: what cannot be said is told to
	// who wrote it, and no caller waits for a rendering.
	Rehearse func(ctx context.Context, m ivr.Message) error
	// Changed is called after a message was published or stopped.
	Changed func(ctx context.Context) error
	// Interpret asks the interpreter of a language into a call, Dismiss lets who is there go.
	Interpret func(ctx context.Context, id call.ID, lang string) error
	Dismiss   func(ctx context.Context, id call.ID) bool
	// Relay is the number of the relay centre that is called, Withheld for none.
	Relay func() call.Number
	// HasQueue tells whether the service has a queue.
	HasQueue func(id string) bool
	// HasMenu tells whether the service has a menu.
	HasMenu func(id string) bool
	// HasLink tells whether the service has a link.
	HasLink func(id string) bool
	// Board is how the line stands, in words, for the boards of other lines.
	Board func(ctx context.Context, lang call.Lang) (any, error)
	// Zone is the service's time zone, for times given as "18:00".
	Zone   func() *time.Location
	Reload func(ctx context.Context) (string, error)
	// Ready says what keeps the line from taking calls; nil when nothing does.
	Ready   func() error
	Metrics http.Handler
	Token   string
	Log     *slog.Logger
}

// Handler is the server's whole tree.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("GET /readyz", s.ready)
	mux.Handle("GET /metrics", s.Metrics)
	mux.HandleFunc("GET /api/agents", s.private(s.agents))
	mux.HandleFunc("GET /api/agents/{id}", s.private(s.agent))
	mux.HandleFunc("POST /api/agents/{id}/state", s.private(s.setAgent))
	mux.HandleFunc("POST /api/calls/{id}/wrap-up", s.private(s.wrapUp))
	mux.HandleFunc("POST /api/calls/{id}/survey", s.private(s.handOver))
	mux.HandleFunc("POST /api/calls/{id}/interpreter", s.private(s.interpreter))
	mux.HandleFunc("GET /api/queues", s.private(s.queues))
	mux.HandleFunc("GET /api/board", s.private(func(r *http.Request) (any, error) {
		return s.Board(r.Context(), call.Lang(cmp.Or(r.URL.Query().Get("lang"), "fr")))
	}))
	mux.HandleFunc("GET /api/messages", s.private(s.messages))
	mux.HandleFunc("POST /api/messages", s.private(s.publish))
	mux.HandleFunc("POST /api/messages/{id}/stop", s.private(s.stop))
	mux.HandleFunc("GET /api/callbacks", s.private(s.callbacks))
	mux.HandleFunc("POST /api/callbacks", s.private(s.askCallback))
	mux.HandleFunc("GET /api/callbacks/{id}", s.private(s.showCallback))
	mux.HandleFunc("POST /api/callbacks/{id}/move", s.private(s.moveCallback))
	mux.HandleFunc("POST /api/callbacks/{id}/cancel", s.private(s.cancelCallback))
	mux.HandleFunc("GET /api/conversations", s.private(s.conversations))
	mux.HandleFunc("GET /api/conversations/{id}", s.private(s.showConversation))
	mux.HandleFunc("POST /api/conversations/{id}/messages", s.private(s.answerConversation))
	mux.HandleFunc("POST /api/conversations/{id}/close", s.private(s.closeConversation))
	mux.HandleFunc("GET /api/tags", s.private(s.everybody))
	mux.HandleFunc("POST /api/tags", s.private(s.setTag))
	mux.HandleFunc("POST /api/tags/of", s.private(s.findTags))
	mux.HandleFunc("POST /api/tags/remove", s.private(s.removeTag))
	mux.HandleFunc("GET /api/slots", s.private(s.slots))
	mux.HandleFunc("GET /api/sms", s.private(s.outbox))
	mux.HandleFunc("GET /api/sms/inbox", s.private(s.inbox))
	mux.HandleFunc("GET /api/links", s.private(s.links))
	mux.HandleFunc("POST /api/links/{id}", s.private(s.setLink))
	mux.HandleFunc("POST /api/privacy/erase", s.private(s.erase))
	mux.HandleFunc("POST /api/privacy/export", s.private(s.export))
	mux.HandleFunc("GET /api/privacy/log", s.private(s.receipts))
	mux.HandleFunc("GET /api/indicators", s.private(s.indicators))
	mux.HandleFunc("GET /api/figures", s.private(s.figures))
	mux.HandleFunc("GET /api/figures/contacts", s.private(s.openFigure))
	mux.HandleFunc("GET /api/contacts/{id}", s.private(s.contact))
	mux.HandleFunc("POST /api/reload", s.private(s.reload))
	return http.NewCrossOriginProtection().Handler(http.MaxBytesHandler(mux, 64<<10))
}

// fault is an error with the status it is answered by.
type fault struct {
	status int
	err    error
}

func (f *fault) Error() string { return f.err.Error() }
func (f *fault) Unwrap() error { return f.err }

func bad(format string, args ...any) error {
	return &fault{http.StatusBadRequest, fmt.Errorf(format, args...)}
}

// private asks for the token and answers what the handler returns.
func (s *Server) private(handle func(r *http.Request) (any, error)) http.HandlerFunc {
	want := sha256.Sum256([]byte(s.Token))
	return func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		got := sha256.Sum256([]byte(token))
		if s.Token == "" || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			answer(w, http.StatusUnauthorized, map[string]string{"error": "the token is missing or wrong: send Authorization: Bearer with the content of secrets/api-token"})
			return
		}
		out, err := handle(r)
		if err != nil {
			status := http.StatusInternalServerError
			if f := new(fault); errors.As(err, &f) {
				status = f.status
			} else {
				s.Log.Error("a request failed", "path", r.URL.Path, "err", err)
			}
			answer(w, status, map[string]string{"error": err.Error()})
			return
		}
		answer(w, http.StatusOK, out)
	}
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// decode reads a JSON body strictly.
func decode(r *http.Request, into any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return bad("the body is not what is expected here: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return bad("the body has more than one JSON object")
	}
	return nil
}

func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	if err := s.Ready(); err != nil {
		answer(w, http.StatusServiceUnavailable, map[string]string{"status": "not ready", "error": err.Error()})
		return
	}
	answer(w, http.StatusOK, map[string]string{"status": "ready"})
}

func (s *Server) agents(*http.Request) (any, error) { return s.Floor.Agents(), nil }
func (s *Server) queues(*http.Request) (any, error) { return s.Floor.Queues(), nil }

func (s *Server) agent(r *http.Request) (any, error) {
	id := r.PathValue("id")
	a, ok := s.Floor.Agent(call.AgentID(id))
	if !ok {
		return nil, &fault{http.StatusNotFound, fmt.Errorf("there is no agent %q", id)}
	}
	return a, nil
}

// AgentState is the body of a change of an agent's state: available, paused, signed_out or wrap_up_done.
type AgentState struct {
	State  routing.AgentState `json:"state"`
	Reason string             `json:"reason,omitempty"`
}

func (s *Server) setAgent(r *http.Request) (any, error) {
	var body AgentState
	if err := decode(r, &body); err != nil {
		return nil, err
	}
	if len(body.Reason) > 100 {
		return nil, bad("the reason is longer than 100 characters")
	}
	st, err := s.Floor.SetState(call.AgentID(r.PathValue("id")), body.State, body.Reason)
	switch {
	case errors.Is(err, routing.ErrUnknownAgent):
		return nil, &fault{http.StatusNotFound, err}
	case errors.Is(err, routing.ErrAgentState):
		return nil, &fault{http.StatusConflict, err}
	}
	return st, err
}

// Message is an incident message as the API gives and takes it. In a request, Text,
// Queue, Replace, Offer ("callback", "exit", "link:" and a link), Instead, From, Until and By are read. Until is RFC 3339, or a time of today
// ("18:00") in the service's time zone.
type Message struct {
	ID        int64                `json:"id,omitempty"`
	Text      map[call.Lang]string `json:"text"`
	Queue     string               `json:"queue,omitempty"`
	Replace   bool                 `json:"replace,omitempty"`
	Offer     string               `json:"offer,omitempty"`
	Held      bool                 `json:"held,omitempty"`    // waits for a second person, on the site
	Instead   int64                `json:"instead,omitempty"` // the message whose place it takes
	From      string               `json:"from,omitempty"`
	Until     string               `json:"until"`
	By        string               `json:"by,omitempty"`
	Created   string               `json:"created,omitempty"`
	Stopped   string               `json:"stopped,omitempty"`
	StoppedBy string               `json:"stopped_by,omitempty"`
	Active    bool                 `json:"active"`
}

func (s *Server) show(m ivr.Message) Message {
	zone := s.Zone()
	out := Message{
		ID: m.ID, Text: m.Text, Queue: m.Queue, Replace: m.Replace, Offer: m.Offer, Held: m.Held, Instead: m.Instead, By: m.CreatedBy, StoppedBy: m.StoppedBy,
		From: m.From.In(zone).Format(time.RFC3339), Until: m.Until.In(zone).Format(time.RFC3339),
		Created: m.Created.In(zone).Format(time.RFC3339), Active: m.Active(time.Now()),
	}
	if !m.Stopped.IsZero() {
		out.Stopped = m.Stopped.In(zone).Format(time.RFC3339)
	}
	return out
}

func (s *Server) messages(r *http.Request) (any, error) {
	since := time.Now()
	if r.URL.Query().Get("all") != "" {
		since = time.Time{}
	}
	list, err := s.Messages.Messages(r.Context(), since)
	if err != nil {
		return nil, err
	}
	out := make([]Message, 0, len(list))
	for _, m := range list {
		out = append(out, s.show(m))
	}
	return out, nil
}

// publish lets a message out at once, also where the site asks for a second person: the token is of who runs the
// machine, and of its alarms, which have nobody to wait for.
func (s *Server) publish(r *http.Request) (any, error) {
	var body Message
	if err := decode(r, &body); err != nil {
		return nil, err
	}
	now := time.Now()
	m := ivr.Message{Text: body.Text, Queue: body.Queue, Replace: body.Replace, Offer: body.Offer, Instead: body.Instead, Created: now, From: now, CreatedBy: body.By}
	var err error
	if m.Until, err = moment(body.Until, now, s.Zone()); err != nil {
		return nil, bad("until: %w", err)
	}
	if body.From != "" {
		if m.From, err = moment(body.From, now, s.Zone()); err != nil {
			return nil, bad("from: %w", err)
		}
	}
	if menu, is := strings.CutPrefix(m.Queue, ivr.MessageMenu); m.Queue != "" && !s.HasQueue(m.Queue) && (!is || !s.HasMenu(menu)) {
		return nil, bad("there is no queue %q in the service, nor such a menu (%sNAME)", m.Queue, ivr.MessageMenu)
	}
	if link, is := m.Link(); is && !s.HasLink(link) {
		return nil, bad("there is no link %q in the service", link)
	}
	if err := m.Validate(now); err != nil {
		return nil, &fault{http.StatusBadRequest, err}
	}
	if err := s.Rehearse(r.Context(), m); err != nil {
		return nil, bad("the message cannot be said: %w", err)
	}
	ctx := context.WithoutCancel(r.Context()) // what is done is logged, though nobody waits for the answer
	m, err = s.Messages.Publish(ctx, m, r.Header.Get("Idempotency-Key"))
	if errors.Is(err, ivr.ErrNoMessage) || errors.Is(err, ivr.ErrMessageOver) || errors.Is(err, ivr.ErrMessageReused) {
		return nil, &fault{http.StatusConflict, err}
	}
	if err != nil {
		return nil, err
	}
	s.changed(ctx)
	if m.MadeAt(now) { // and not by the same request before
		s.log(ctx, "message.published", strconv.FormatInt(m.ID, 10), m.CreatedBy, m.Queue, m.Until.In(s.Zone()).Format("2006-01-02 15:04"))
		s.Log.Info("incident message published", "message", m.ID, "by", m.CreatedBy, "queue", m.Queue, "replace", m.Replace, "until", m.Until)
	}
	return s.show(m), nil
}

// changed tells the line at once of what was published or stopped. Where that fails nothing is lost: every controller
// reads the messages again each ivr.BoardPeriod.
func (s *Server) changed(ctx context.Context) {
	if err := s.Changed(ctx); err != nil {
		s.Log.Error("the line was not told of a message at once; it finds out by itself", "err", err)
	}
}

// log writes a line of the log, with what there is of the details; that it cannot is told, and stops nothing that was
// done. Whoever has the token is "api": the name that they give themselves is a detail.
func (s *Server) log(ctx context.Context, what, about string, details ...string) {
	details = slices.DeleteFunc(details, func(d string) bool { return d == "" })
	act := people.Act{At: time.Now(), Who: "api", What: what, About: about, Detail: strings.Join(details, " · ")}
	if err := s.Acts.Log(ctx, act); err != nil {
		s.Log.Error("what was done could not be written in the log", "what", what, "about", about, "err", err)
	}
}

func (s *Server) stop(r *http.Request) (any, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return nil, bad("the message's id is a number")
	}
	ctx, by, now := context.WithoutCancel(r.Context()), r.URL.Query().Get("by"), time.Now()
	m, err := s.Messages.Stop(ctx, id, by, now)
	switch {
	case errors.Is(err, ivr.ErrNoMessage):
		return nil, &fault{http.StatusNotFound, err}
	case err != nil:
		return nil, err
	}
	s.changed(ctx)
	if m.StoppedAt(now) { // and not before
		s.log(ctx, "message.stopped", strconv.FormatInt(id, 10), by)
		s.Log.Info("incident message stopped", "message", m.ID, "by", m.StoppedBy)
	}
	return s.show(m), nil
}

// moment reads RFC 3339, or "18:00": the next time it is so in the zone.
func moment(text string, now time.Time, zone *time.Location) (time.Time, error) {
	if text == "" {
		return time.Time{}, errors.New("it is missing: write 18:00, or 2026-11-30T18:00:00+01:00")
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	clock, err := time.Parse("15:04", text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is neither a time of day such as 18:00 nor a moment such as 2026-11-30T18:00:00+01:00", text)
	}
	local := now.In(zone)
	t := time.Date(local.Year(), local.Month(), local.Day(), clock.Hour(), clock.Minute(), 0, 0, zone)
	for _, again := range []time.Duration{-time.Hour, 0, time.Hour} { // one hour of the year comes twice
		at := t.Add(again).In(zone)
		if at.After(now) && at.Hour() == clock.Hour() && at.Minute() == clock.Minute() {
			return at, nil
		}
	}
	if !t.After(now) {
		return time.Time{}, fmt.Errorf("%s is already past today: write the day too, such as %s", text, t.AddDate(0, 0, 1).Format(time.RFC3339))
	}
	return t, nil
}

func (s *Server) reload(r *http.Request) (any, error) {
	said, err := s.Reload(r.Context())
	if err != nil {
		return nil, &fault{http.StatusUnprocessableEntity, err}
	}
	return map[string]string{"status": said}, nil
}
