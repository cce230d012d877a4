package api

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"decroche/call"
	"decroche/service"
)

// WrapUp is what an agent says of a call, while it lasts or afterwards: the reason it turned
// out to have, and whether it is resolved. What is left out stays as it was; the last word holds.
type WrapUp struct {
	// Agent is one of those who have talked on the call; "" is the last of them.
	Agent    call.AgentID `json:"agent,omitempty"`
	Reason   string       `json:"reason,omitempty"`
	Resolved *bool        `json:"resolved,omitempty"`
}

func (s *Server) wrapUp(r *http.Request) (any, error) {
	id := call.ID(r.PathValue("id"))
	var body WrapUp
	if err := decode(r, &body); err != nil {
		return nil, err
	}
	if body.Reason == "" && body.Resolved == nil {
		return nil, bad(`nothing is said of the call: give its "reason", or "resolved": true or false`)
	}
	reasons := maps.Clone(s.Reasons())
	maps.DeleteFunc(reasons, func(_ string, r *service.Reason) bool { return r.Retired })
	if body.Reason != "" && reasons[body.Reason] == nil {
		return nil, bad("the service has no reason %q: use one of %s", body.Reason, strings.Join(slices.Sorted(maps.Keys(reasons)), ", "))
	}
	speakers, err := s.Speakers(r.Context(), id)
	switch {
	case err != nil:
		return nil, err
	case len(speakers) == 0:
		return nil, &fault{http.StatusNotFound, fmt.Errorf("no agent has talked on a call %q: GET /api/agents tells the call of each agent", id)}
	case body.Agent == "":
		body.Agent = speakers[len(speakers)-1]
	case !slices.Contains(speakers, body.Agent):
		return nil, &fault{http.StatusConflict, errors.New("agent " + string(body.Agent) + " has not talked on call " + string(id))}
	}
	if body.Reason != "" {
		s.Journal.Append(call.NewEvent(id, call.EventReason, map[string]any{"reason": body.Reason, "by": "agent"}))
	}
	if body.Resolved != nil {
		s.Journal.Append(call.NewEvent(id, call.EventResolved, map[string]any{"agent": body.Agent, "resolved": *body.Resolved}))
	}
	return body, nil
}
