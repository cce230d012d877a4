package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"decroche/call"
	"decroche/callback"
	"decroche/ivr"
	"decroche/routing"
	"decroche/web/admin"
)

// The board counts what is to be called back, and tells what is at risk before it is late.
func TestTheBoardCountsCallbacksAsTheyStand(t *testing.T) {
	o := newOffice(t)
	o.assembleFigures()
	now := time.Now()
	for i, by := range []time.Duration{-time.Minute, 5 * time.Minute, 10 * time.Minute, time.Hour} {
		p := callback.Promise{
			ID: callback.NewID(), Number: call.Number(fmt.Sprintf("+3363998%04d", i)), Lang: "fr", Queue: "accueil", Kind: callback.Place, Origin: callback.FromPage,
			Contact: call.ID(fmt.Sprintf("n1-%d", i)), Asked: now, Joined: now.Add(-2 * time.Hour), Due: now.Add(-2 * time.Hour), By: now.Add(by), State: callback.Pending,
		}
		if _, made, err := o.db.Promises().Ask(t.Context(), p, callback.Bounds{}, callback.Change{}); err != nil || !made {
			t.Fatal(made, err)
		}
	}
	day, err := o.boardDay(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d := day["accueil"]; d.CallbacksDue != 4 || d.CallbacksAtRisk != 2 || d.CallbacksLate != 1 {
		t.Errorf("the board has %+v", d)
	}
	o.promisesAtRisk(func(n float64, labels ...string) {
		if want := map[string]float64{"accueil": 2}[labels[0]]; n != want {
			t.Errorf("%v of queue %s are at risk, want %v", n, labels[0], want)
		}
	})
}

func TestAnAlarmOfCallbacksTellsWhyAndWhatHelps(t *testing.T) {
	o := newOffice(t)
	o.c = &config{}
	o.board = ivr.NewBoard(o.db.Active)
	late, risk := admin.Day{CallbacksDue: 5, CallbacksAtRisk: 2, CallbacksLate: 1}, admin.Day{CallbacksDue: 5, CallbacksAtRisk: 2}
	const title, soon = "Accueil : des rappels sont en retard", "Accueil : des rappels risquent d'être en retard"
	check := func(d admin.Day, q routing.QueueStatus, title string, parts ...string) {
		t.Helper()
		q.ID = "accueil"
		a, is := o.callbackAlarm("fr", "Accueil", q, d)
		if !is || a.Title != title {
			t.Errorf("alarm %t %q, want %q", is, a.Title, title)
		}
		for _, p := range parts {
			if !strings.Contains(a.Text+" | "+a.Do, p) {
				t.Errorf("the alarm does not say %q: %q, %q", p, a.Text, a.Do)
			}
		}
		if en, _ := o.callbackAlarm("en", "Desk", q, d); !strings.HasPrefix(en.Title, "Desk: callbacks are ") || strings.Contains(en.Text+en.Do, "alarm.") || strings.ContainsAny(en.Text+en.Do, "{}") {
			t.Errorf("in English the alarm is %+v", en)
		}
	}
	check(late, routing.QueueStatus{}, title, "Rappels en retard : 1.", "moins de 15 min : 2.", "Aucun agent n'est connecté.", "Connectez un agent")
	check(risk, routing.QueueStatus{SignedIn: 3, Available: 1}, soon, "Rappels en retard : 0.", "Agents connectés : 3, dont libres : 1.", "reprendre")
	now := time.Now()
	closing := ivr.Message{Text: map[call.Lang]string{"fr": "Nous fermons."}, Replace: true, From: now.Add(-time.Minute), Until: now.Add(time.Hour), Created: now, CreatedBy: "camille"}
	if _, err := o.db.Publish(t.Context(), closing, ""); err != nil {
		t.Fatal(err)
	}
	if err := o.board.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	check(late, routing.QueueStatus{SignedIn: 3}, title, "un message ferme la ligne", "Arrêtez ce message")
	if a, is := o.callbackAlarm("fr", "Accueil", routing.QueueStatus{ID: "accueil"}, admin.Day{CallbacksDue: 5}); is {
		t.Errorf("callbacks in time raise the alarm %+v", a)
	}
}
