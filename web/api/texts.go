package api

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"decroche/links"
	"decroche/sms"
	"decroche/text"
)

// Texts reads the outbox and the inbox.
type Texts interface {
	Outbox(ctx context.Context, limit int) ([]sms.Message, error)
	Inbox(ctx context.Context, limit int) ([]sms.Incoming, error)
}

// Links are the sites that callers are sent to.
type Links interface {
	Status() []links.Status
	Set(ctx context.Context, id, state, why, by string) error
}

// Text is a text message sent or to be sent, as the API gives it.
type Text struct {
	ID         int64       `json:"id"`
	To         string      `json:"to"` // masked
	Purpose    sms.Purpose `json:"purpose"`
	State      sms.State   `json:"state"`
	Text       string      `json:"text"`
	Promise    string      `json:"promise,omitempty"`
	Created    time.Time   `json:"created"`
	NotBefore  time.Time   `json:"not_before,omitzero"`
	Sent       time.Time   `json:"sent,omitzero"`
	Done       time.Time   `json:"done,omitzero"`
	Tries      int         `json:"tries"`
	Error      string      `json:"error,omitempty"`
	MaybeTwice bool        `json:"maybe_twice,omitempty"`
}

// textsShown bounds a list of messages.
const textsShown = 200

func (s *Server) outbox(r *http.Request) (any, error) {
	list, err := s.Texts.Outbox(r.Context(), textsShown)
	if err != nil {
		return nil, err
	}
	out := make([]Text, 0, len(list))
	for _, m := range list {
		out = append(out, Text{
			ID: m.ID, To: m.To.Masked(), Purpose: m.Purpose, State: m.State, Text: m.Text, Promise: m.Promise,
			Created: m.Created, NotBefore: m.NotBefore, Sent: m.SentAt, Done: m.DoneAt, Tries: m.Tries, Error: m.Error, MaybeTwice: m.MaybeTwice,
		})
	}
	return out, nil
}

// ReceivedText is a text message of a citizen's.
type ReceivedText struct {
	sms.Incoming
	From string `json:"from"` // in clear: an agent answers it
}

func (s *Server) inbox(r *http.Request) (any, error) {
	list, err := s.Texts.Inbox(r.Context(), textsShown)
	if err != nil {
		return nil, err
	}
	out := make([]ReceivedText, 0, len(list))
	for _, in := range list {
		out = append(out, ReceivedText{Incoming: in, From: string(in.From)})
	}
	return out, nil
}

func (s *Server) links(*http.Request) (any, error) { return s.Links.Status(), nil }

// LinkSwitch is the body of a change of a link: auto, on or off.
type LinkSwitch struct {
	State string `json:"state"`
	Why   string `json:"why,omitempty"`
	By    string `json:"by,omitempty"`
}

func (s *Server) setLink(r *http.Request) (any, error) {
	var body LinkSwitch
	if err := decode(r, &body); err != nil {
		return nil, err
	}
	ctx, id := context.WithoutCancel(r.Context()), r.PathValue("id")
	if err := s.Links.Set(ctx, id, body.State, body.Why, cmp.Or(body.By, "api")); err != nil {
		return nil, &fault{http.StatusBadRequest, err}
	}
	s.log(ctx, "link.switched", id, text.Get("fr", "admin.links.state."+body.State), body.Why, body.By)
	return s.Links.Status(), nil
}
