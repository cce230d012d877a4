package api

import (
	"context"
	"errors"
	"slices"
	"testing"

	"decroche/call"
	"decroche/service"
)

// diary is a journal.
type diary struct{ told []string }

func (d *diary) Append(e call.Event) {
	d.told = append(d.told, string(e.Call)+" "+string(e.Kind)+" "+string(e.Data))
}

// afterCall is a rig in which agents 2001, then 2002, have talked on call c1.
func afterCall(t *testing.T) (*rig, *diary) {
	g, d := newRig(t), &diary{}
	g.Journal = d
	g.Reasons = func() map[string]*service.Reason {
		return map[string]*service.Reason{"titre": {ID: "titre"}, "dossier": {ID: "dossier"}}
	}
	g.Speakers = func(_ context.Context, id call.ID) ([]call.AgentID, error) {
		switch id {
		case "c1":
			return []call.AgentID{"2001", "2002"}, nil
		case "broken":
			return nil, errors.New("the disk is gone")
		}
		return nil, nil
	}
	return g, d
}

func TestAnAgentCorrectsTheReasonAndSaysWhetherTheCallIsResolved(t *testing.T) {
	for name, test := range map[string]struct {
		body string
		told []string
	}{
		"both":                   {`{"agent":"2001","reason":"titre","resolved":true}`, []string{`c1 reason {"by":"agent","reason":"titre"}`, `c1 resolved {"agent":"2001","resolved":true}`}},
		"not resolved":           {`{"agent":"2001","resolved":false}`, []string{`c1 resolved {"agent":"2001","resolved":false}`}},
		"the reason alone":       {`{"agent":"2002","reason":"dossier"}`, []string{`c1 reason {"by":"agent","reason":"dossier"}`}},
		"who talked last on it":  {`{"resolved":true}`, []string{`c1 resolved {"agent":"2002","resolved":true}`}},
		"of who passed it on":    {`{"agent":"2001","resolved":true}`, []string{`c1 resolved {"agent":"2001","resolved":true}`}},
		"reason of an old agent": {`{"agent":"2001","reason":"titre"}`, []string{`c1 reason {"by":"agent","reason":"titre"}`}},
	} {
		t.Run(name, func(t *testing.T) {
			g, d := afterCall(t)
			status, out, _ := g.do(request{"POST", "/api/calls/c1/wrap-up", test.body, nil})
			if status != 200 || out["agent"] == nil || !slices.Equal(d.told, test.told) {
				t.Errorf("%d %v; the journal is told %q, want %q", status, out, d.told, test.told)
			}
		})
	}
}

func TestTheLastWordOfAnAgentComesLastInTheJournal(t *testing.T) {
	g, d := afterCall(t)
	for _, body := range []string{`{"reason":"titre"}`, `{"reason":"titre"}`, `{"reason":"dossier"}`} {
		if status, out, _ := g.do(request{"POST", "/api/calls/c1/wrap-up", body, nil}); status != 200 {
			t.Fatal(status, out)
		}
	}
	if n := len(d.told); n != 3 || d.told[2] != `c1 reason {"by":"agent","reason":"dossier"}` {
		t.Errorf("the journal is told %q", d.told)
	}
}

func TestAWordThatMakesNoSenseIsRefusedAndNotTold(t *testing.T) {
	for name, test := range map[string]struct {
		path, body string
		status     int
		says       string
	}{
		"an unknown reason":      {"/api/calls/c1/wrap-up", `{"reason":"titres"}`, 400, `no reason "titres": use one of dossier, titre`},
		"nothing":                {"/api/calls/c1/wrap-up", `{"agent":"2001"}`, 400, `give its "reason"`},
		"a call nobody knows":    {"/api/calls/c9/wrap-up", `{"reason":"titre"}`, 404, `no agent has talked on a call "c9"`},
		"an agent who was not":   {"/api/calls/c1/wrap-up", `{"agent":"2003","reason":"titre"}`, 409, "agent 2003 has not talked on call c1"},
		"half a body":            {"/api/calls/c1/wrap-up", `{"reason":`, 400, "body"},
		"another word":           {"/api/calls/c1/wrap-up", `{"solved":true}`, 400, "solved"},
		"a word that is no word": {"/api/calls/c1/wrap-up", `{"resolved":"yes"}`, 400, "body"},
		"a journal out of reach": {"/api/calls/broken/wrap-up", `{"reason":"titre"}`, 500, "the disk is gone"},
	} {
		t.Run(name, func(t *testing.T) {
			g, d := afterCall(t)
			g.refuses(request{"POST", test.path, test.body, nil}, test.status, test.says)
			if len(d.told) != 0 {
				t.Errorf("the journal is told %q", d.told)
			}
		})
	}
}

func TestOneAgentIsShownByNumber(t *testing.T) {
	g, _ := afterCall(t)
	if status, out, _ := g.do(request{"GET", "/api/agents/2001", "", nil}); status != 200 || out["name"] != "Camille" || out["state"] != "signed_out" {
		t.Errorf("%d %v", status, out)
	}
	g.refuses(request{"GET", "/api/agents/2999", "", nil}, 404, `no agent "2999"`)
}
