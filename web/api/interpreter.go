package api

import (
	"errors"
	"fmt"
	"net/http"

	"decroche/call"
)

// ErrNoInterpreter wraps why no interpreter can be asked into a call.
var ErrNoInterpreter = errors.New("no interpreter can be asked into this call")

// NewInterpreter is the body of a request for an interpreter, or to let them go.
type NewInterpreter struct {
	Lang  string `json:"lang,omitempty"`
	Leave bool   `json:"leave,omitempty"`
}

// Interpreted is the answer: State is "rings" or "leaves".
type Interpreted struct {
	Call  call.ID `json:"call"`
	Lang  string  `json:"lang,omitempty"`
	State string  `json:"state"`
}

func (s *Server) interpreter(r *http.Request) (any, error) {
	var body NewInterpreter
	if err := decode(r, &body); err != nil {
		return nil, err
	}
	id := call.ID(r.PathValue("id"))
	if body.Leave {
		if !s.Dismiss(r.Context(), id) {
			return nil, &fault{http.StatusNotFound, fmt.Errorf("nobody was asked into call %q", id)}
		}
		return Interpreted{Call: id, Lang: body.Lang, State: "leaves"}, nil
	}
	if err := s.Interpret(r.Context(), id, body.Lang); err != nil {
		if errors.Is(err, ErrNoInterpreter) {
			err = &fault{http.StatusConflict, err}
		}
		return nil, err
	}
	return Interpreted{Call: id, Lang: body.Lang, State: "rings"}, nil
}
