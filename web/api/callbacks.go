package api

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"decroche/call"
	"decroche/callback"
	"decroche/service"
)

// Desk is what agents do with callbacks: *callback.Book.
type Desk interface {
	Ask(ctx context.Context, r callback.Request) (callback.Promise, bool, error)
	Move(ctx context.Context, id callback.ID, version int64, kind callback.Kind, slot time.Time, by string) (callback.Promise, error)
	Cancel(ctx context.Context, id callback.ID, by string) (callback.Promise, error)
	SlotsFor(ctx context.Context, r callback.Request, limit int) ([]time.Time, error)
}

// Promises reads what is kept.
type Promises interface {
	Promise(ctx context.Context, id callback.ID) (callback.Promise, error)
	Promises(ctx context.Context, f callback.Filter) ([]callback.Promise, error)
	Attempts(ctx context.Context, id callback.ID) ([]callback.Attempt, error)
}

// Callback is a promise as the API gives it. The number is in clear only where one promise
// is asked for, by who may call it; lists have it masked.
type Callback struct {
	callback.Promise
	Number   string             `json:"number"`
	Late     bool               `json:"late"`
	History  []callback.Attempt `json:"history,omitempty"`
	Existing bool               `json:"existing,omitempty"` // asked for again: the promise there was
}

func (s *Server) callback(p callback.Promise, inClear bool) Callback {
	c := Callback{Promise: p, Number: p.Number.Masked(), Late: late(p)}
	if inClear {
		c.Number = string(p.Number)
	}
	zone := s.Zone()
	for _, t := range []*time.Time{&c.Asked, &c.Joined, &c.Slot, &c.Due, &c.By, &c.Settled} {
		if !t.IsZero() {
			*t = t.In(zone)
		}
	}
	return c
}

// late says whether the promise was kept after its window, or is live past it.
func late(p callback.Promise) bool {
	if p.State.Live() {
		return time.Now().After(p.By)
	}
	return p.State == callback.Kept && p.Settled.After(p.By)
}

// callbackFault gives an error of the desk its status and its words.
func callbackFault(err error) error {
	refusal := new(callback.Refusal)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refusal):
		return &fault{http.StatusUnprocessableEntity, err}
	case errors.Is(err, callback.ErrNoPromise):
		return &fault{http.StatusNotFound, err}
	case errors.Is(err, callback.ErrSettled), errors.Is(err, callback.ErrChanged), errors.Is(err, callback.ErrCalling), errors.Is(err, callback.ErrSlotFull):
		return &fault{http.StatusConflict, err}
	}
	return err
}

// listStates are the words of ?state=.
var listStates = map[string][]callback.State{
	"live":    {callback.Pending, callback.InLine, callback.Calling},
	"settled": {callback.Kept, callback.Unreachable, callback.Cancelled, callback.Answered},
	"all":     nil,
}

func (s *Server) callbacks(r *http.Request) (any, error) {
	q := r.URL.Query()
	f := callback.Filter{Queue: q.Get("queue"), Limit: 200}
	word := cmp.Or(q.Get("state"), "live")
	states, ok := listStates[word]
	if !ok {
		states = []callback.State{callback.State(word)}
		if !knownState(states[0]) {
			return nil, bad("state %q: write live, settled, all, or one of %s", word, "pending, in_line, calling, kept, unreachable, cancelled, answered")
		}
	}
	f.States = states
	if n := q.Get("number"); n != "" {
		number, err := call.ParseNumber(n)
		if err != nil {
			return nil, bad("number: %w", err)
		}
		f.Number = number
	}
	if l := q.Get("limit"); l != "" {
		n, err := strconv.Atoi(l)
		if err != nil || n < 1 || n > 1000 {
			return nil, bad("limit: a whole number from 1 to 1000")
		}
		f.Limit = n
	}
	list, err := s.Promises.Promises(r.Context(), f)
	if err != nil {
		return nil, err
	}
	out := make([]Callback, 0, len(list))
	for _, p := range list {
		out = append(out, s.callback(p, false))
	}
	return out, nil
}

func knownState(st callback.State) bool {
	return st.Live() || st == callback.Kept || st == callback.Unreachable || st == callback.Cancelled || st == callback.Answered
}

func (s *Server) showCallback(r *http.Request) (any, error) {
	p, err := s.Promises.Promise(r.Context(), promiseID(r))
	if err != nil {
		return nil, callbackFault(err)
	}
	return s.whole(r.Context(), p)
}

func (s *Server) whole(ctx context.Context, p callback.Promise) (any, error) {
	out := s.callback(p, true)
	var err error
	if out.History, err = s.Promises.Attempts(ctx, p.ID); err != nil {
		return nil, err
	}
	return out, nil
}

func promiseID(r *http.Request) callback.ID {
	return callback.ID(strings.ToUpper(r.PathValue("id")))
}

// NewCallback asks for a callback for a citizen, or moves one. Slot is RFC 3339, or "10:15" of today.
// Without a slot the citizen keeps a place in line from now.
type NewCallback struct {
	Number string    `json:"number,omitempty"`
	Queue  string    `json:"queue,omitempty"`
	Reason string    `json:"reason,omitempty"`
	Lang   call.Lang `json:"lang,omitempty"`
	Public string    `json:"public,omitempty"`
	// Relay says that the citizen is called through the relay centre.
	Relay bool `json:"relay,omitempty"`
	// Zone is where the citizen will be, one of callback.Zones; "": where the number is from.
	Zone    string `json:"zone,omitempty"`
	Slot    string `json:"slot,omitempty"`
	Version int64  `json:"version,omitempty"` // of the promise moved; 0: any
	By      string `json:"by,omitempty"`
}

func (s *Server) askCallback(r *http.Request) (any, error) {
	var body NewCallback
	if err := decode(r, &body); err != nil {
		return nil, err
	}
	number, err := call.ParseNumber(body.Number)
	if err != nil {
		return nil, bad("number: %w", err)
	}
	if !s.HasQueue(body.Queue) {
		return nil, bad("there is no queue %q in the service", body.Queue)
	}
	req := callback.Request{
		Number: number, Queue: body.Queue, Reason: body.Reason, Lang: cmp.Or(body.Lang, "fr"), Public: body.Public,
		Origin: callback.FromAgent, By: cmp.Or(body.By, "api"),
	}
	if req.Kind, req.Slot, err = s.slot(body.Slot); err != nil {
		return nil, err
	}
	if req.Zone = body.Zone; req.Zone != "" && !slices.Contains(callback.Zones, req.Zone) {
		return nil, bad("zone: there is no zone %q: take one of %v", req.Zone, callback.Zones)
	}
	if body.Relay {
		if req.Relay = s.Relay(); req.Relay == call.Withheld {
			return nil, bad("relay: the service calls no relay centre: write its \"number\" in \"relay\" of \"access\" in the definition")
		}
		req.Public = service.PublicRelay
	}
	p, made, err := s.Desk.Ask(r.Context(), req)
	if err != nil {
		return nil, callbackFault(err)
	}
	out := s.callback(p, true)
	out.Existing = !made
	return out, nil
}

func (s *Server) slot(text string) (callback.Kind, time.Time, error) {
	if text == "" {
		return callback.Place, time.Time{}, nil
	}
	at, err := moment(text, time.Now(), s.Zone())
	if err != nil {
		return "", at, bad("slot: %w", err)
	}
	return callback.Slot, at, nil
}

func (s *Server) moveCallback(r *http.Request) (any, error) {
	var body NewCallback
	if err := decode(r, &body); err != nil {
		return nil, err
	}
	kind, at, err := s.slot(body.Slot)
	if err != nil {
		return nil, err
	}
	p, err := s.Desk.Move(r.Context(), promiseID(r), body.Version, kind, at, cmp.Or(body.By, "api"))
	if err != nil {
		return nil, callbackFault(err)
	}
	return s.whole(r.Context(), p)
}

func (s *Server) cancelCallback(r *http.Request) (any, error) {
	p, err := s.Desk.Cancel(r.Context(), promiseID(r), cmp.Or(r.URL.Query().Get("by"), "api"))
	if err != nil {
		return nil, callbackFault(err)
	}
	return s.whole(r.Context(), p)
}

// slots lists the free slots of a queue, for a number if it is given: in its day.
func (s *Server) slots(r *http.Request) (any, error) {
	q := r.URL.Query()
	if !s.HasQueue(q.Get("queue")) {
		return nil, bad("there is no queue %q in the service", q.Get("queue"))
	}
	number, err := call.ParseNumber(q.Get("number"))
	if err != nil {
		return nil, bad("number: %w", err)
	}
	req := callback.Request{Number: number, Queue: q.Get("queue"), Public: q.Get("public"), Origin: callback.FromAgent, Kind: callback.Slot}
	list, err := s.Desk.SlotsFor(r.Context(), req, 500)
	if err != nil {
		return nil, callbackFault(err)
	}
	out := make([]string, 0, len(list))
	for _, at := range list {
		out = append(out, at.In(s.Zone()).Format(time.RFC3339))
	}
	return out, nil
}
