package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"decroche/call"
	"decroche/ivr"
	"decroche/plans"
	"decroche/service"
	"decroche/store"
	"decroche/web/admin"
)

// Soon after a full hour the rules of plans still know the calls before it.
func TestTheRulesOfPlansLookAtTheLastHourAndNotAtThatOfTheClock(t *testing.T) {
	o := newOffice(t)
	o.assembleFigures()
	now := o.began.Truncate(24*time.Hour).AddDate(0, 0, -2).Add(10*time.Hour + time.Minute)
	ring := func(id call.ID, at time.Time, outcome call.Outcome) {
		facts := []call.Event{
			call.NewEvent(id, call.EventArrived, map[string]any{"service": "essai", "to": "+33199003939", "open": true}),
			call.NewEvent(id, call.EventQueued, map[string]any{"queue": "accueil"}),
		}
		if outcome == call.Answered {
			facts = append(facts, call.NewEvent(id, call.EventConnected, map[string]any{"agent": "2001", "team": "nord"}))
		}
		for i, e := range append(facts, call.NewEvent(id, call.EventEnded, call.End{Outcome: outcome, Reason: call.ReasonCallerHungUp})) {
			e.At = at.Add(time.Duration(i) * 20 * time.Second)
			o.live.Append(e)
		}
	}
	for i := range 12 {
		ring(call.ID(fmt.Sprintf("n1-%d.1", i)), now.Add(-time.Duration(50-4*i)*time.Minute), call.Abandoned)
	}
	ring("n1-90.1", now.Add(-20*time.Minute), call.Answered)
	ring("n1-91.1", now.Add(-2*time.Hour), call.Answered)
	o.flush()
	hour, err := o.lastHour(t.Context(), now)
	if got := hour["accueil"]; err != nil || got.Requested != 13 || got.Answered != 1 {
		t.Fatalf("a minute after the full hour the calls are %+v, %v", hour, err)
	}
	rule := &service.Trigger{AnsweredBelow: 0.5, Queue: "accueil"}
	if holds, known := plans.Holds(rule, plans.State{Open: true, Queues: hour}); !holds || !known {
		t.Errorf("the rule holds: %t, known: %t", holds, known)
	}
	if quiet, err := o.lastHour(t.Context(), now.Add(3*time.Hour)); err != nil || len(quiet) != 0 {
		t.Errorf("three hours later they are %+v, %v", quiet, err)
	}
}

// Callers hear of a plan what was listened to on its page: also on a node without the file, and longer than a
// recording that is made for a message.
func TestAPlansRecordingIsHeardOnEveryNodeAndElseItsWords(t *testing.T) {
	dir := t.TempDir()
	db, err := store.Open(t.Context(), store.Options{URL: "sqlite:" + filepath.Join(dir, "d.db"), DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	node := func(name string) *server {
		c := &config{Service: filepath.Join(dir, name, "service.yaml"), Data: filepath.Join(dir, name)}
		s := &server{c: c, db: db, log: slog.New(slog.DiscardHandler)}
		if s.lib, err = c.library(nil); err != nil {
			t.Fatal(err)
		}
		return s
	}
	one, two := node("one"), node("two")
	const recording = "enregistrements/afflux.wav"
	file := filepath.Join(dir, "one", recording)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, hum(70*time.Second), 0o600); err != nil {
		t.Fatal(err)
	}
	name, err := one.keepPlanSound(t.Context(), recording)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	m := ivr.Message{Text: map[call.Lang]string{"fr": "Beaucoup de monde."}, Sound: map[call.Lang]string{"fr": name}}
	for _, s := range []*server{one, two} {
		said, err := (steady{voice{s.lib, s}}).Phrase(t.Context(), m.SoundName(), "fr", m.Phrase("fr"))
		if err != nil || said.Voice != "" || said.Duration.Round(time.Second) != 70*time.Second {
			t.Errorf("callers hear %+v, %v", said, err)
		}
	}
	if _, err := one.keepPlanSound(t.Context(), recording); err == nil {
		t.Error("a recording that is gone is kept")
	}
}

// A plan that came to its end while its cause lasts stays off; who is on the floor is told, with the plan at hand.
func TestTheBoardTellsOfAPlanThatIsOverWhileItsCauseLasts(t *testing.T) {
	o := newOffice(t)
	def, err := service.ParseFile("../../demo/prefecture.yaml")
	if err != nil {
		t.Fatal(err)
	}
	o.base.Store(def)
	var ahead time.Duration
	o.plans = &plans.Office{
		Store: o.db, Messages: o.db, Service: o.base.Load, Log: o.log, Now: func() time.Time { return o.began.Add(ahead) },
		Apply: func([]*service.Plan) {}, Changed: func(context.Context) error { return nil },
		State: func(context.Context) (plans.State, error) {
			return plans.State{Open: true, Queues: map[string]plans.QueueState{"accueil": {Longest: time.Hour}}}, nil
		},
	}
	look := func(after time.Duration) []admin.Alarm {
		t.Helper()
		ahead += after
		if err := o.plans.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
		return o.lastingAlarms("fr")
	}
	look(0)
	if list := look(3 * time.Minute); len(list) != 0 || !o.plans.IsOn("afflux") {
		t.Fatalf("while the plan is on the board has %+v", list)
	}
	look(2 * time.Hour)
	list := look(5 * time.Second)
	want := []admin.Alarm{{
		Title: "Le plan « Afflux d'appels » est terminé, mais sa cause dure", Text: "Il est arrivé à sa fin. Tant que sa cause dure, il ne s'active plus de lui-même.",
		Do: "Activez-le de nouveau si les appelants en ont encore besoin.", Plans: []admin.AlarmPlan{{ID: "afflux", Name: "Afflux d'appels"}},
	}}
	if !reflect.DeepEqual(list, want) || o.plans.IsOn("afflux") {
		t.Errorf("the board has %+v", list)
	}
	if _, err := o.plans.On(t.Context(), "afflux", time.Time{}, "lou"); err != nil || len(o.lastingAlarms("fr")) != 0 {
		t.Errorf("when it is on again the board has %+v, %v", o.lastingAlarms("fr"), err)
	}
}

// hum is a tone in a WAV file.
func hum(d time.Duration) []byte {
	const rate = 8000
	samples := make([]int16, int(d.Seconds()*rate))
	for i := range samples {
		samples[i] = int16(8000 * math.Sin(2*math.Pi*440*float64(i)/rate))
	}
	var b bytes.Buffer
	n := uint32(2 * len(samples))
	for _, v := range []any{
		[]byte("RIFF"), n + 36, []byte("WAVEfmt "), uint32(16), uint16(1), uint16(1), uint32(rate), uint32(2 * rate), uint16(2), uint16(16), []byte("data"), n, samples,
	} {
		_ = binary.Write(&b, binary.LittleEndian, v) // in memory
	}
	return b.Bytes()
}
