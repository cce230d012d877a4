package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"decroche/call"
	"decroche/callback"
	"decroche/ivr"
	"decroche/phone"
	"decroche/service"
	"decroche/sms"
	"decroche/web/admin"
)

const (
	// trialLife is how long an account to try the line serves, mostTrials how many there are at a time.
	trialLife  = 15 * time.Minute
	mostTrials = 5
	// trialCaller is who calls, for the journey: a mobile of those kept for fiction.
	trialCaller = "+33639980000"
)

// trials are the calls by which people of the service try the line from a browser.
type trials struct {
	s   *server
	mu  sync.Mutex
	all map[string]*trial
}

type trial struct {
	by    string
	def   *service.Definition
	end   *time.Timer
	turns chan ivr.Turn

	mu   sync.Mutex
	over bool
}

// tell passes on what is said; what nobody reads is dropped.
func (r *trial) tell(turn ivr.Turn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return
	}
	select {
	case r.turns <- turn:
	default:
	}
}

func (r *trial) finish() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.end.Stop()
	r.over = true
	close(r.turns)
}

// Open implements admin.Trials.
func (t *trials) Open(ctx context.Context, by string, def *service.Definition) (admin.Trial, error) {
	key, password := strings.ToLower(rand.Text()[:12]), rand.Text()
	t.mu.Lock()
	if len(t.all) >= mostTrials {
		t.mu.Unlock()
		return admin.Trial{}, admin.ErrBusy
	}
	if t.all == nil {
		t.all = map[string]*trial{}
	}
	t.all[key] = &trial{by: by, def: def, turns: make(chan ivr.Turn, 100), end: time.AfterFunc(trialLife, func() { t.close(key) })}
	t.mu.Unlock()
	if err := t.s.x.OpenTrial(ctx, key, password, trialCaller); err != nil {
		t.close(key)
		return admin.Trial{}, err
	}
	return admin.Trial{Key: key, User: phone.TrialTrunk + key, Password: password}, nil
}

// Turns implements admin.Trials.
func (t *trials) Turns(key, by string) (<-chan ivr.Turn, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r := t.all[key]; r != nil && r.by == by {
		return r.turns, true
	}
	return nil, false
}

// Socket implements admin.Trials: Asterisk's own, which nothing but this process reaches.
func (t *trials) Socket() string {
	return "ws" + strings.TrimPrefix(strings.TrimSuffix(t.s.c.ariURL(), "/ari"), "http") + "/ws"
}

func (t *trials) close(key string) {
	t.mu.Lock()
	r := t.all[key]
	delete(t.all, key)
	t.mu.Unlock()
	if r == nil {
		return
	}
	r.finish()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := t.s.x.CloseTrial(ctx, key); err != nil {
		t.s.log.Warn("an account to try the line stays until Asterisk restarts", "err", err)
	}
}

// book promises a trial what it would promise a citizen now, by the definition that is tried; nothing is kept.
func (t *trials) book(r *trial) *callback.Book {
	book := *t.s.desk.book
	book.Service, book.Journal, book.Texts, book.Changed = func() *service.Definition { return r.def }, nil, nil, nil
	book.Store = callback.Paper{Store: t.s.db.Promises(), Sent: func(m sms.Message) { r.tell(ivr.Turn{Written: m.Text}) }}
	return &book
}

// drive takes a call that tries the line through the journey; ok is false for any other call.
func (t *trials) drive(ctx context.Context, c call.Call) (ok bool) {
	key, is := strings.CutPrefix(c.Info().Trunk, phone.TrialTrunk)
	if !is {
		return false
	}
	t.mu.Lock()
	r := t.all[key]
	t.mu.Unlock()
	if r != nil { // nil: of a controller before this one
		defer t.close(key)
		err := t.s.journey.Try(ctx, r.def, t.book(r), c, r.tell)
		if err != nil && !errors.Is(err, call.ErrHangup) && context.Cause(ctx) == nil {
			t.s.log.Error("a trial of the line ended early", "call", c.Info().ID, "err", fmt.Errorf("try: %w", err))
		}
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := c.Hangup(end); err != nil {
		t.s.log.Warn("a trial of the line could not be ended", "call", c.Info().ID, "err", err)
	}
	return true
}
