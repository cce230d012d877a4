package sms_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"decroche/call"
	"decroche/sms"
	"decroche/store"
)

// plain is a provider that takes all and can be asked nothing.
type plain struct{ took chan string }

func (*plain) Name() string { return "plain" }

func (p *plain) Send(_ context.Context, m sms.Message) (string, error) {
	p.took <- m.Key
	return "id-" + m.Key, nil
}

// TestOutboxAndInboxWorkOnTheRealStore sends, stops and replies on SQLite.
func TestOutboxAndInboxWorkOnTheRealStore(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	db, err := store.Open(t.Context(), store.Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "d.db"), Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	s, p := db.SMS(), &plain{took: make(chan string, 10)}
	o := &sms.Outbox{Store: s, Provider: p, Node: "a", Log: quiet, PerSecond: 1000, Poll: time.Hour}
	b := &sms.Inbox{
		Store: s, Log: quiet, Changed: o.Wake,
		Service: func() string { return "Mairie" }, Phone: func() string { return "09 72 72 72 72" },
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- o.Run(ctx) }()
	message := func(key string) sms.Message {
		return sms.Message{Key: key, To: "+33612345678", Lang: "fr", Text: "Rappel demain.", Purpose: sms.Confirmed, Promise: "K3"}
	}
	arrive := func(want string) {
		t.Helper()
		select {
		case got := <-p.took:
			if got != want {
				t.Fatalf("%s left, want %s", got, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s did not leave", want)
		}
	}
	if err := s.Enqueue(ctx, message("a")); err != nil {
		t.Fatal(err)
	}
	o.Wake()
	arrive("a")
	in := sms.Incoming{Provider: "plain", ProviderID: "1", From: call.Number("+33612345678"), Text: "Arrêt", At: time.Now()}
	for range 2 {
		if err := b.Receive(ctx, in); err != nil {
			t.Fatal(err)
		}
	}
	arrive("reply:stopped:plain:1")
	if err := s.Enqueue(ctx, message("b")); err != nil {
		t.Fatal(err)
	}
	o.Wake()
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	all, err := s.Outbox(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, m := range all {
		got += fmt.Sprint(m.Key, " ", m.State, " ", m.ProviderID, "; ")
	}
	if got != "b dropped ; reply:stopped:plain:1 sent id-reply:stopped:plain:1; a sent id-a; " {
		t.Errorf("the outbox holds %s", got)
	}
	if kept, err := s.Inbox(t.Context(), 10); err != nil || len(kept) != 1 || kept[0].Handled != sms.HandledStop {
		t.Errorf("the inbox holds %+v, %v", kept, err)
	}
}

// TestDoubtIsKeptByTheRealStore leaves a message whose lease ended, as a crash does.
func TestDoubtIsKeptByTheRealStore(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	db, err := store.Open(t.Context(), store.Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "d.db"), Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	s := db.SMS()
	m := sms.Message{Key: "a", To: "+33612345678", Text: "Rappel demain.", Purpose: sms.Confirmed}
	if err := s.Enqueue(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	// The process that claims it dies at once; its lease ends, in the past.
	if _, ok, err := s.Claim(t.Context(), "dead", time.Now(), -time.Second); err != nil || !ok {
		t.Fatal(ok, err)
	}
	p := &plain{took: make(chan string, 10)}
	o := &sms.Outbox{Store: s, Provider: p, Node: "a", Log: quiet, PerSecond: 1000}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- o.Run(ctx) }()
	select {
	case <-p.took:
	case <-time.After(10 * time.Second):
		t.Fatal("it did not leave")
	}
	stop()
	<-ended
	all, err := s.Outbox(t.Context(), 1)
	if err != nil || len(all) != 1 || all[0].State != sms.Sent || !all[0].MaybeTwice || all[0].Unsure {
		t.Errorf("%+v, %v", all, err)
	}
}
