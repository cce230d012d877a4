package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"decroche/call"
	"decroche/ivr"
	"decroche/store"
)

// What was recorded and never published goes the next day, from the database and from this node; a copy here
// goes with time, and comes again where it is still needed.
func TestRecordingsThatNobodyNeedsGo(t *testing.T) {
	dir := t.TempDir()
	db, err := store.Open(t.Context(), store.Options{URL: "sqlite:" + filepath.Join(dir, "d.db"), DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	s := &server{c: &config{Data: dir}, db: db, log: slog.New(slog.DiscardHandler)}
	now := time.Now()
	copied := func(name string, at time.Time) string {
		path, err := s.writeMessageSound(name, []byte("RIFF"))
		if err == nil {
			err = os.Chtimes(path, at, at)
		}
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	if n, err := s.dropRecordings(t.Context(), now); n != 0 || err != nil {
		t.Fatalf("without any: %d, %v", n, err)
	}
	if err := db.PutBlob(t.Context(), soundBlob+"unused.wav", []byte("RIFF")); err != nil {
		t.Fatal(err)
	}
	unused, old := copied("unused.wav", now), copied("elsewhere.wav", now.Add(-31*24*time.Hour))
	if n, err := s.dropRecordings(t.Context(), now.Add(23*time.Hour)); n != 0 || err != nil {
		t.Errorf("within the day %d went, %v", n, err)
	}
	for path, want := range map[string]bool{unused: true, old: false} {
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("%s: %v", filepath.Base(path), err)
		}
	}
	if n, err := s.dropRecordings(t.Context(), now.Add(25*time.Hour)); n != 1 || err != nil {
		t.Errorf("the next day %d went, %v", n, err)
	}
	if _, err := os.Stat(unused); err == nil {
		t.Error("the copy of what is gone is still here")
	}
	if _, err := s.messageSound(context.Background(), "unused.wav"); err == nil {
		t.Error("it can still be heard")
	}
	if s.lib, err = s.c.library(nil); err != nil {
		t.Fatal(err)
	}
	m := ivr.Message{Text: map[call.Lang]string{"fr": "Panne en cours."}, Sound: map[call.Lang]string{"fr": "unused.wav"}}
	if said, err := (steady{voice{s.lib, s}}).Phrase(t.Context(), m.SoundName(), "fr", m.Phrase("fr")); err != nil || said.Text != "Panne en cours." {
		t.Errorf("callers hear %+v, %v", said, err)
	}
	if err := s.rehearse(t.Context(), m); err == nil {
		t.Error("who publishes it is not told")
	}
}
