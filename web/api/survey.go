package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"decroche/call"
	"decroche/survey"
)

// Surveys is what agents do with surveys: *survey.Office.
type Surveys interface {
	HandOver(ctx context.Context, contact call.ID) error
}

// HandedOver is a call whose caller is asked when the agent hangs up.
type HandedOver struct {
	Call call.ID `json:"call"`
}

// handOver lets an agent hand the caller over to the survey.
func (s *Server) handOver(r *http.Request) (any, error) {
	id := call.ID(r.PathValue("id"))
	speakers, err := s.Speakers(r.Context(), id)
	switch {
	case err != nil:
		return nil, err
	case len(speakers) == 0:
		return nil, &fault{http.StatusNotFound, fmt.Errorf("no agent has talked on a call %q: GET /api/agents tells the call of each agent", id)}
	}
	if err := s.Surveys.HandOver(r.Context(), id); err != nil {
		if errors.Is(err, survey.ErrNoSurvey) {
			err = &fault{http.StatusConflict, err}
		}
		return nil, err
	}
	return HandedOver{id}, nil
}
