package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"decroche/call"
	"decroche/ivr"
	"decroche/service"
)

// words are a voice that says what there is to say by its words.
type words struct{}

func (words) System(_ context.Context, id string, lang call.Lang) (call.Sound, error) {
	return call.Sound{Name: id, Lang: lang, Text: id}, nil
}

func (words) Phrase(_ context.Context, name string, lang call.Lang, p service.Phrase) (call.Sound, error) {
	return call.Sound{Name: name, Lang: lang, Text: p.Say}, nil
}

func (words) Sentence(_ context.Context, id string, lang call.Lang, _ string, _ ...any) (call.Sound, error) {
	return call.Sound{Name: id, Lang: lang, Text: id}, nil
}

func (words) Clear(_ context.Context, s call.Sound) (call.Sound, error) { return s, nil }

func TestTheJourneyOfAMomentHasTheMessagesOfThatMoment(t *testing.T) {
	o := newOffice(t)
	now := time.Now()
	o.board = ivr.NewBoard(o.db.Active)
	o.journey.Voice, o.journey.News = words{}, o.board
	publish := func(words string, from, until time.Duration, held bool) {
		t.Helper()
		m := ivr.Message{Text: map[call.Lang]string{"fr": words}, From: now.Add(from), Until: now.Add(until), Created: now, CreatedBy: "camille", Held: held}
		if _, err := o.db.Publish(t.Context(), m, words); err != nil {
			t.Fatal(err)
		}
	}
	publish("Panne.", -time.Minute, time.Hour, false)
	publish("Travaux.", 24*time.Hour, 48*time.Hour, false)
	publish("Attend.", 24*time.Hour, 48*time.Hour, true)
	if err := o.board.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	for after, want := range map[time.Duration]string{0: "Panne.", time.Hour: "", 24 * time.Hour: "Travaux.", 48 * time.Hour: ""} {
		r, err := o.play(t.Context(), o.def.Load(), call.Info{From: "+33639980001", To: "+33199003939"}, now.Add(after), "")
		if err != nil {
			t.Fatal(err)
		}
		var heard []string
		for _, s := range r.Turns[0].Sounds {
			if strings.HasPrefix(s.Name, "message:") {
				heard = append(heard, s.Text)
			}
		}
		if got := strings.Join(heard, " "); got != want {
			t.Errorf("after %s a caller hears %q, want %q", after, got, want)
		}
	}
}
