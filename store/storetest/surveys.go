package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"decroche/call"
	"decroche/sms"
	"decroche/survey"
)

func surveyOf(contact string, n call.Number, at time.Time) survey.Survey {
	return survey.Survey{
		ID: survey.ID("S-" + contact), Contact: call.ID(contact), Number: n, Lang: "fr", Queue: "titres", Reason: "permis", Public: "general",
		How: survey.BySMS, Asked: at, Until: at.Add(7 * 24 * time.Hour),
	}
}

func surveyedOnce(t *testing.T, e Engine) {
	s := Open(t, e.URL(t)).Surveys()
	day := 24 * time.Hour
	open := func(contact, person string, at time.Time) bool {
		t.Helper()
		v := surveyOf(contact, "+33639980041", at)
		v.ID += survey.ID(person) // each question is a new one
		return get(s.Open(t.Context(), v, person, at.Add(-90*day)))(t)
	}
	for _, c := range []struct {
		contact, person string
		at              time.Time
		want            bool
	}{
		{"a", "p", noon, true},
		{"a", "q", noon, false}, // the contact has one
		{"b", "p", noon.Add(89 * day), false},
		{"c", "p", noon.Add(91 * day), true},
		{"d", "p", noon.Add(92 * day), false},
		{"e", "", noon, true}, // who is not known is not asked twice in a contact
		{"f", "", noon, true},
		{"g", "q", noon, true}, // the refused one has left no trace
	} {
		if got := open(c.contact, c.person, c.at); got != c.want {
			t.Errorf("contact %s of %q at %s is asked: %v", c.contact, c.person, c.at, got)
		}
	}
	if _, ok, err := s.OfContact(t.Context(), "b"); ok || err != nil {
		t.Errorf("who was not asked has a survey (%v)", err)
	}
}

func surveyedByManyAtOnce(t *testing.T, e Engine) {
	db := Open(t, e.URL(t))
	var asked atomic.Int64
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			v := surveyOf(fmt.Sprint("call-", i), "+33639980041", noon)
			m := sms.Message{Key: "survey:" + string(v.ID), To: v.Number, Lang: "fr", Text: "Votre avis ?", Purpose: sms.Survey}
			ok, err := db.Surveys().Open(t.Context(), v, "one person", noon.Add(-time.Hour), m)
			if err != nil {
				t.Error(err)
			}
			if ok {
				asked.Add(1)
			}
		})
	}
	wg.Wait()
	if n := asked.Load(); n != 1 {
		t.Errorf("one person was asked %d times", n)
	}
	if sent := get(db.SMS().Outbox(t.Context(), 10))(t); len(sent) != 1 {
		t.Errorf("%d messages are to be sent", len(sent))
	}
}

func surveyRoundTrip(t *testing.T, e Engine) {
	s := Open(t, e.URL(t)).Surveys()
	want := surveyOf("call-é", "+33639980041", noon)
	get(s.Open(t.Context(), want, "p", noon))(t)
	changed := get(s.Change(t.Context(), want.ID, func(v *survey.Survey) error {
		v.Answers = append(v.Answers, survey.Answer{About: "overall", Score: 2})
		v.Promise = "K123"
		return nil
	}))(t)
	boom := errors.New("no")
	if _, err := s.Change(t.Context(), want.ID, func(v *survey.Survey) error { v.Promise = ""; return boom }); !errors.Is(err, boom) {
		t.Errorf("a change that fails says %v", err)
	}
	got := get(s.Survey(t.Context(), want.ID))(t)
	if got.Score("overall") != 2 || got.Promise != "K123" || got.Contact != want.Contact || got.Number != want.Number || !got.Until.Equal(want.Until) || changed.Score("overall") != 2 {
		t.Errorf("kept is %+v", got)
	}
	of, ok, err := s.OfContact(t.Context(), want.Contact)
	if err != nil || !ok || of.ID != want.ID {
		t.Errorf("the contact has survey %q, %v (%v)", of.ID, ok, err)
	}
	for name, err := range map[string]error{
		"read":   func() error { _, err := s.Survey(t.Context(), "nobody"); return err }(),
		"change": func() error { _, err := s.Change(t.Context(), "nobody", nil); return err }(),
	} {
		if !errors.Is(err, survey.ErrNoSurvey) {
			t.Errorf("to %s what is not there says %v", name, err)
		}
	}
	must(t, s.HandOver(t.Context(), "call-2", noon))
	must(t, s.HandOver(t.Context(), "call-2", noon))
	for contact, want := range map[call.ID]bool{"call-2": true, "call-3": false} {
		if yes := get(s.HandedOver(t.Context(), contact))(t); yes != want {
			t.Errorf("%s is handed over: %v", contact, yes)
		}
	}
}

func surveysGo(t *testing.T, e Engine) {
	s := Open(t, e.URL(t)).Surveys()
	get(s.Open(t.Context(), surveyOf("a", "+33639980041", noon), "p", noon))(t)
	get(s.Open(t.Context(), surveyOf("b", call.Withheld, noon), "", noon))(t)
	if held := get(s.Held(t.Context(), "+33639980041"))(t); len(held) != 1 || held[0].Contact != "a" {
		t.Errorf("held of the person is %+v", held)
	}
	if held := get(s.Held(t.Context(), call.Withheld))(t); len(held) != 0 {
		t.Errorf("held of nobody is %+v", held)
	}
	if n := get(s.Forget(t.Context(), "+33639980041", "p"))(t); n != 2 {
		t.Errorf("%d rows of the person went, want the survey and when they were asked", n)
	}
	over := noon.Add(8 * 24 * time.Hour)
	if n := get(s.Purge(t.Context(), noon, noon))(t); n != 0 {
		t.Errorf("%d rows went too early", n)
	}
	must(t, s.HandOver(t.Context(), "b", noon))
	if n := get(s.Purge(t.Context(), over, over))(t); n != 2 {
		t.Errorf("%d rows went, want the survey and the handing over", n)
	}
}
