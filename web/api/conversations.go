package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"decroche/call"
	"decroche/chat"
)

// Chats is what agents do with conversations in writing: *chat.Office.
type Chats interface {
	Answer(ctx context.Context, id chat.ID, agent call.AgentID, key, words string, takeOver bool) (chat.Conversation, error)
	Close(ctx context.Context, id chat.ID, agent call.AgentID) (chat.Conversation, error)
}

// Conversations reads what was written.
type Conversations interface {
	Conversation(ctx context.Context, id chat.ID) (chat.Conversation, error)
	Messages(ctx context.Context, id chat.ID, after int64) ([]chat.Message, error)
	Conversations(ctx context.Context, f chat.Filter) ([]chat.Conversation, error)
}

// Conversation is one as the API gives it. The number is in clear only where one is asked for;
// lists have it masked, and no messages.
type Conversation struct {
	chat.Conversation
	Number   string         `json:"number,omitempty"`
	Messages []chat.Message `json:"messages,omitempty"`
}

// conversationStates are the words of ?state=.
var conversationStates = map[string][]chat.State{
	"open": {chat.Waiting, chat.Answered}, "waiting": {chat.Waiting}, "answered": {chat.Answered}, "closed": {chat.Closed}, "all": nil,
}

func (s *Server) conversations(r *http.Request) (any, error) {
	q := r.URL.Query()
	word := cmp.Or(q.Get("state"), "open")
	states, ok := conversationStates[word]
	if !ok {
		return nil, bad("state %q: write open, waiting, answered, closed or all", word)
	}
	if queue := q.Get("queue"); queue != "" && !s.HasQueue(queue) {
		return nil, bad("there is no queue %q in the service", queue)
	}
	list, err := s.Conversations.Conversations(r.Context(), chat.Filter{States: states, Queue: q.Get("queue")})
	if err != nil {
		return nil, err
	}
	out := make([]Conversation, 0, len(list))
	for _, c := range list {
		out = append(out, Conversation{Conversation: s.inZone(c), Number: masked(c.Number)})
	}
	return out, nil
}

func masked(n call.Number) string {
	if n == call.Withheld {
		return ""
	}
	return n.Masked()
}

func (s *Server) inZone(c chat.Conversation) chat.Conversation {
	c.Opened, c.Since = c.Opened.In(s.Zone()), c.Since.In(s.Zone())
	if !c.Told.IsZero() {
		c.Told = c.Told.In(s.Zone())
	}
	return c
}

func conversationID(r *http.Request) chat.ID { return chat.ID(strings.ToUpper(r.PathValue("id"))) }

func (s *Server) showConversation(r *http.Request) (any, error) {
	c, err := s.Conversations.Conversation(r.Context(), conversationID(r))
	if err != nil {
		return nil, chatFault(err)
	}
	return s.wholeConversation(r.Context(), c)
}

func (s *Server) wholeConversation(ctx context.Context, c chat.Conversation) (any, error) {
	list, err := s.Conversations.Messages(ctx, c.ID, 0)
	if err != nil {
		return nil, err
	}
	for i := range list {
		list[i].At = list[i].At.In(s.Zone())
	}
	return Conversation{Conversation: s.inZone(c), Number: string(c.Number), Messages: list}, nil
}

// NewMessage is what an agent answers. Key makes a request that is sent twice one message.
type NewMessage struct {
	Agent    call.AgentID `json:"agent"`
	Text     string       `json:"text,omitempty"`
	Key      string       `json:"key,omitempty"`
	TakeOver bool         `json:"take_over,omitempty"` // from another agent
}

func (s *Server) ofAgent(r *http.Request) (NewMessage, error) {
	var body NewMessage
	if err := decode(r, &body); err != nil {
		return body, err
	}
	if _, ok := s.Floor.Agent(body.Agent); !ok {
		return body, bad("agent: there is no agent %q", body.Agent)
	}
	return body, nil
}

func (s *Server) answerConversation(r *http.Request) (any, error) {
	body, err := s.ofAgent(r)
	if err != nil {
		return nil, err
	}
	c, err := s.Chats.Answer(r.Context(), conversationID(r), body.Agent, body.Key, body.Text, body.TakeOver)
	if err != nil {
		return nil, chatFault(err)
	}
	return s.wholeConversation(r.Context(), c)
}

func (s *Server) closeConversation(r *http.Request) (any, error) {
	body, err := s.ofAgent(r)
	if err != nil {
		return nil, err
	}
	c, err := s.Chats.Close(r.Context(), conversationID(r), body.Agent)
	if err != nil {
		return nil, chatFault(err)
	}
	return s.wholeConversation(r.Context(), c)
}

// chatFault gives an error of a conversation its status.
func chatFault(err error) error {
	taken := new(chat.TakenError)
	switch {
	case errors.Is(err, chat.ErrNone):
		return &fault{http.StatusNotFound, err}
	case errors.Is(err, chat.ErrText):
		return &fault{http.StatusUnprocessableEntity, err}
	case errors.As(err, &taken):
		return &fault{http.StatusConflict, fmt.Errorf("%w (\"take_over\": true)", err)}
	case errors.Is(err, chat.ErrClosed), errors.Is(err, chat.ErrStop):
		return &fault{http.StatusConflict, err}
	}
	return err
}
