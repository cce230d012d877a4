package api

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"decroche/callback"
	"decroche/links"
	"decroche/sms"
)

// book is a desk with one promise, and what it was asked for.
type book struct {
	p     callback.Promise
	asked callback.Request
	moved []any
	by    string
	err   error
}

func newBook() *book {
	at := time.Date(2026, 11, 24, 9, 15, 0, 0, time.UTC)
	return &book{p: callback.Promise{
		ID: "K3M9Q2R7TV", Number: "+33639980012", Queue: "accueil", Kind: callback.Slot, Slot: at, Joined: at, Due: at,
		By: at.Add(30 * time.Minute), Asked: at.Add(-24 * time.Hour), State: callback.Pending, Version: 3, Contact: "n1-1",
	}}
}

func (b *book) Ask(_ context.Context, r callback.Request) (callback.Promise, bool, error) {
	b.asked = r
	return b.p, b.p.Version == 1, b.err
}

func (b *book) Move(_ context.Context, id callback.ID, version int64, kind callback.Kind, slot time.Time, by string) (callback.Promise, error) {
	b.moved, b.by = []any{id, version, kind, slot.UTC()}, by
	return b.p, b.err
}

func (b *book) Cancel(_ context.Context, _ callback.ID, by string) (callback.Promise, error) {
	b.by = by
	return b.p, b.err
}

func (b *book) SlotsFor(_ context.Context, r callback.Request, _ int) ([]time.Time, error) {
	b.asked = r
	return []time.Time{b.p.Slot}, b.err
}

func (b *book) Promise(_ context.Context, id callback.ID) (callback.Promise, error) {
	if id != b.p.ID {
		return callback.Promise{}, callback.ErrNoPromise
	}
	return b.p, nil
}

func (b *book) Promises(_ context.Context, f callback.Filter) ([]callback.Promise, error) {
	if f.Number != "" && f.Number != b.p.Number {
		return nil, nil
	}
	return []callback.Promise{b.p}, nil
}

func (b *book) Attempts(context.Context, callback.ID) ([]callback.Attempt, error) {
	return []callback.Attempt{{Promise: b.p.ID, N: 1, Agent: "2001", Result: callback.Busy}}, nil
}

func (b *book) Outbox(context.Context, int) ([]sms.Message, error) {
	return []sms.Message{{ID: 1, To: "+33639980012", Text: "Bonjour", Purpose: sms.Confirmed, State: sms.Sent}}, nil
}

func (b *book) Inbox(context.Context, int) ([]sms.Incoming, error) {
	return []sms.Incoming{{ID: 1, From: "+33639980012", Text: "STOP", Handled: "stop"}}, nil
}

func (b *book) Status() []links.Status { return []links.Status{{ID: "site"}} }

func (b *book) Set(_ context.Context, id, state, why, by string) error {
	b.moved, b.by = []any{id, state, why}, by
	return b.err
}

func deskRig(t *testing.T) (*rig, *book) {
	g, b := newRig(t), newBook()
	g.Desk, g.Promises, g.Texts, g.Links = b, b, b, b
	return g, b
}

func TestAListOfCallbacksMasksTheNumbersAndOneShowsItsOwn(t *testing.T) {
	g, _ := deskRig(t)
	_, list, _ := g.do(request{method: "GET", path: "/api/callbacks"})
	if text, _ := list["text"].(string); strings.Contains(text, "639980012") || !strings.Contains(text, "+33…12") {
		t.Errorf("the list: %s", text)
	}
	status, one, _ := g.do(request{method: "GET", path: "/api/callbacks/k3m9q2r7tv"})
	if status != http.StatusOK || one["number"] != "+33639980012" || one["history"] == nil {
		t.Errorf("%d %v", status, one)
	}
	if one["slot"] != "2026-11-24T10:15:00+01:00" {
		t.Errorf("the slot is not in the service's time: %v", one["slot"])
	}
	_, texts, _ := g.do(request{method: "GET", path: "/api/sms"})
	if text, _ := texts["text"].(string); strings.Contains(text, "639980012") || !strings.Contains(text, "Bonjour") {
		t.Errorf("the outbox: %s", text)
	}
}

func TestAnAgentAsksForACallback(t *testing.T) {
	g, b := deskRig(t)
	body := `{"number": "06 39 98 00 12", "queue": "accueil", "slot": "2026-11-24T10:15:00+01:00", "by": "agent:2001"}`
	status, out, _ := g.do(request{method: "POST", path: "/api/callbacks", body: body})
	if status != http.StatusOK || out["existing"] != true {
		t.Errorf("%d %v", status, out)
	}
	want := callback.Request{
		Number: "+33639980012", Queue: "accueil", Lang: "fr", Origin: callback.FromAgent, By: "agent:2001",
		Kind: callback.Slot, Slot: b.asked.Slot,
	}
	if b.asked != want || !b.asked.Slot.Equal(b.p.Slot) {
		t.Errorf("asked %+v, want %+v", b.asked, want)
	}
}

func TestACallbackIsMovedAndCancelledByWhoeverSaysSo(t *testing.T) {
	g, b := deskRig(t)
	g.do(request{method: "POST", path: "/api/callbacks/K3M9Q2R7TV/move", body: `{"slot": "2026-11-24T11:00:00+01:00", "version": 3, "by": "marie"}`})
	if len(b.moved) != 4 || b.moved[1] != int64(3) || b.moved[3] != time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC) || b.by != "marie" {
		t.Errorf("moved %v by %s", b.moved, b.by)
	}
	g.do(request{method: "POST", path: "/api/callbacks/K3M9Q2R7TV/cancel?by=marie"})
	if b.by != "marie" {
		t.Errorf("cancelled by %s", b.by)
	}
}

func TestWhatACallbackRefusesIsSaidWithItsStatus(t *testing.T) {
	g, b := deskRig(t)
	ask := func(body string) request { return request{method: "POST", path: "/api/callbacks", body: body} }
	good := `{"number": "0639980012", "queue": "accueil"}`
	g.refuses(ask(`{"number": "12x", "queue": "accueil"}`), http.StatusBadRequest, "not a telephone number")
	g.refuses(ask(`{"number": "0639980012", "queue": "nulle"}`), http.StatusBadRequest, "no queue")
	g.refuses(ask(`{"number": "0639980012", "queue": "accueil", "slot": "tomorrow"}`), http.StatusBadRequest, "slot: ")
	g.refuses(request{method: "GET", path: "/api/callbacks?state=odd"}, http.StatusBadRequest, "write live, settled, all")
	g.refuses(request{method: "GET", path: "/api/callbacks?limit=0"}, http.StatusBadRequest, "limit")
	g.refuses(request{method: "GET", path: "/api/callbacks/NOBODY"}, http.StatusNotFound, "no such promise")
	for _, c := range []struct {
		err    error
		status int
	}{
		{&callback.Refusal{Why: callback.WhyPremium}, http.StatusUnprocessableEntity},
		{callback.ErrSlotFull, http.StatusConflict},
		{callback.ErrChanged, http.StatusConflict},
		{callback.ErrSettled, http.StatusConflict},
		{callback.ErrCalling, http.StatusConflict},
	} {
		b.err = c.err
		g.refuses(ask(good), c.status, c.err.Error())
		g.refuses(request{method: "POST", path: "/api/callbacks/K3M9Q2R7TV/cancel"}, c.status, c.err.Error())
	}
}

func TestALinkIsSwitchedByTheAPI(t *testing.T) {
	g, b := deskRig(t)
	g.do(request{method: "POST", path: "/api/links/site", body: `{"state": "off", "why": "panne", "by": "marie"}`})
	if len(b.moved) != 3 || b.moved[1] != "off" || b.moved[2] != "panne" || b.by != "marie" {
		t.Errorf("switched %v by %s", b.moved, b.by)
	}
}
