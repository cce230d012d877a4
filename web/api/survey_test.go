package api

import (
	"context"
	"errors"
	"strings"
	"testing"

	"decroche/call"
	"decroche/survey"
)

type handovers struct {
	calls []call.ID
	err   error
}

func (h *handovers) HandOver(_ context.Context, id call.ID) error {
	h.calls = append(h.calls, id)
	return h.err
}

func TestAnAgentHandsACallOverToTheSurvey(t *testing.T) {
	for name, c := range map[string]struct {
		call   string
		err    error
		status int
		calls  int
	}{
		"their call":        {"c1", nil, 200, 1},
		"a call of nobody":  {"c9", nil, 404, 0},
		"there is none":     {"c1", survey.ErrNoSurvey, 409, 1},
		"the disk is gone":  {"c1", errors.New("the disk is gone"), 500, 1},
		"so is the journal": {"broken", nil, 500, 0},
	} {
		t.Run(name, func(t *testing.T) {
			g, _ := afterCall(t)
			h := &handovers{err: c.err}
			g.Surveys = h
			status, out, _ := g.do(request{"POST", "/api/calls/" + c.call + "/survey", "", nil})
			if status != c.status || len(h.calls) != c.calls {
				t.Errorf("%d %v, %d calls handed over", status, out, len(h.calls))
			}
			if status == 409 && !strings.Contains(out["error"].(string), "survey") {
				t.Errorf("the answer is %v", out)
			}
		})
	}
}
