package ivr

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"decroche/call"
)

func TestAMessageIsHeldToItsRules(t *testing.T) {
	now := time.Date(2026, 11, 2, 10, 0, 0, 0, time.UTC)
	fr := func(text string) map[call.Lang]string { return map[call.Lang]string{"fr": text} }
	for name, test := range map[string]struct {
		m    Message
		want string
	}{
		"good":               {Message{Text: fr("Panne."), From: now, Until: now.Add(time.Hour)}, ""},
		"as long as a month": {Message{Text: fr("Panne."), From: now, Until: now.Add(MessageMaxLife)}, ""},
		"no end":             {Message{Text: fr("Panne."), From: now}, "end of the message is missing"},
		"past":               {Message{Text: fr("Panne."), From: now, Until: now}, "in the past"},
		"too far":            {Message{Text: fr("Panne."), From: now, Until: now.Add(MessageMaxLife + 1)}, "too far"},
		"upside down":        {Message{Text: fr("Panne."), From: now.Add(2 * time.Hour), Until: now.Add(time.Hour)}, "ends before it starts"},
		"no French":          {Message{Text: map[call.Lang]string{"en": "Down."}, From: now, Until: now.Add(time.Hour)}, "French is missing"},
		"blank":              {Message{Text: fr(" \n"), From: now, Until: now.Add(time.Hour)}, "French is missing"},
		"blank in en":        {Message{Text: map[call.Lang]string{"fr": "Panne.", "en": " "}, From: now, Until: now.Add(time.Hour)}, "en is empty"},
		"too long":           {Message{Text: fr(strings.Repeat("é", MessageMaxText+1)), From: now, Until: now.Add(time.Hour)}, "at most 1000"},
		"just so long":       {Message{Text: fr(strings.Repeat("é", MessageMaxText)), From: now, Until: now.Add(time.Hour)}, ""},
		"not UTF-8":          {Message{Text: fr("\xff"), From: now, Until: now.Add(time.Hour)}, "not valid UTF-8"},
		"no language":        {Message{Text: map[call.Lang]string{"fr": "Panne.", "": "x"}, From: now, Until: now.Add(time.Hour)}, "no language"},
	} {
		err := test.m.Validate(now)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

func TestABoardThatCannotBeReadServesItsLastCopyAndStillEndsMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		list, fault := []Message{{ID: 1, Until: time.Now().Add(10 * time.Second)}}, error(nil)
		b := NewBoard(func(context.Context, time.Time) ([]Message, error) {
			mu.Lock()
			defer mu.Unlock()
			return list, fault
		})
		if len(b.Active("", time.Now())) != 0 {
			t.Error("a board that was not read has messages")
		}
		ctx, cancel := context.WithCancel(t.Context())
		var failures atomic.Int32
		done := make(chan struct{})
		go func() { b.Run(ctx, func(error) { failures.Add(1) }); close(done) }()
		time.Sleep(2 * time.Second)
		if len(b.Active("titres", time.Now())) != 1 {
			t.Error("the message is not on the board after two seconds")
		}
		mu.Lock()
		list, fault = nil, errors.New("the database is locked")
		mu.Unlock()
		time.Sleep(2 * time.Second)
		if len(b.Active("", time.Now())) != 1 || failures.Load() == 0 {
			t.Errorf("the last copy should serve on; %d failures told", failures.Load())
		}
		time.Sleep(7 * time.Second)
		if len(b.Active("", time.Now())) != 0 {
			t.Error("a message outlived its end")
		}
		cancel()
		<-done
	})
}

func TestAStoppedMessageIsNotActive(t *testing.T) {
	now := time.Now()
	m := Message{From: now, Until: now.Add(time.Hour), Stopped: now.Add(time.Minute)}
	if !m.Active(now) || m.Active(now.Add(time.Minute)) || m.Active(now.Add(-1)) {
		t.Error("a message runs from its beginning until it is stopped")
	}
}
