package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"decroche/call"
	"decroche/ivr"
	"decroche/service"
	"decroche/speech"
)

// library opens the prompts of the deployment. Without languages it speaks all of the catalogue's.
func (c *config) library(langs []call.Lang) (*speech.Library, error) {
	return speech.Open(speech.Options{
		Dir: c.sounds(), Recordings: c.Speech.Recordings, Engine: c.Speech.Engine, Command: c.Speech.Command, Langs: langs,
	})
}

// voice is the library with the service's own recordings. One that cannot be said is an error to
// who writes it, before anybody hears it.
type voice struct {
	*speech.Library
	s *server
}

// Phrase gives a wording's recording where it has one, else its text.
func (v voice) Phrase(ctx context.Context, name string, lang call.Lang, p service.Phrase) (call.Sound, error) {
	if p.Recording == "" {
		return v.Text(ctx, name, lang, p.Say)
	}
	path := filepath.Join(filepath.Dir(v.s.c.Service), p.Recording)
	if kept, is := strings.CutPrefix(p.Recording, ivr.MessageRecording); is {
		var err error
		if path, err = v.s.messageSound(ctx, kept); err != nil {
			return call.Sound{}, err
		}
	}
	sound, err := v.Recording(ctx, name, lang, path)
	sound.Text = p.Say // sent to who wants it written
	return sound, err
}

// steady is the voice that callers and agents hear. A recording that has gone since it was taken
// leaves its words, not a silence.
type steady struct{ voice }

// Phrase implements ivr.Voice.
func (v steady) Phrase(ctx context.Context, name string, lang call.Lang, p service.Phrase) (call.Sound, error) {
	sound, err := v.voice.Phrase(ctx, name, lang, p)
	if err == nil || p.Recording == "" || p.Say == "" {
		return sound, err
	}
	v.s.log.Error("a recording cannot be said; its words are", "prompt", name, "recording", p.Recording, "err", err)
	return v.Text(ctx, name, lang, p.Say)
}

// render makes every sound the service can need, so that no caller waits for one, and
// says how far it is when that takes a while.
func (s *server) render(ctx context.Context, def *service.Definition) error {
	begun, told := time.Now(), time.Now()
	if err := s.lib.RenderSystem(ctx, func(done, total int) {
		if time.Since(told) > time.Second {
			told = time.Now()
			slog.Info("rendering the prompts of the line", "done", done, "of", total)
		}
	}); err != nil {
		return err
	}
	v := voice{s.lib, s}
	for name, text := range def.Prompts {
		for lang, phrase := range text {
			if _, err := v.Phrase(ctx, name, lang, phrase); err != nil {
				return fmt.Errorf("the service's prompt %q: %w", name, err)
			}
		}
	}
	if err := v.renderLine(ctx, def); err != nil {
		return err
	}
	for _, q := range def.Survey.Questions {
		for lang, phrase := range q.Wording {
			if _, err := v.Phrase(ctx, "survey."+q.About, lang, phrase); err != nil {
				return fmt.Errorf("the survey's question %q: %w", q.About, err)
			}
		}
	}
	labels := make([]service.Text, 0, len(def.Queues)+len(def.Reasons))
	for _, q := range def.Queues {
		labels = append(labels, q.Label)
	}
	for _, r := range def.Reasons {
		labels = append(labels, r.Label)
	}
	for _, label := range labels { // whispered to agents
		if phrase := label[def.Languages[0]]; phrase.Say != "" {
			if _, err := v.Phrase(ctx, "label", def.Languages[0], phrase); err != nil {
				return fmt.Errorf("the label %q: %w", phrase.Say, err)
			}
		}
	}
	if took := time.Since(begun); took > time.Second {
		slog.Info("prompts rendered", "took", took.Round(time.Millisecond))
	}
	return nil
}

// rehearse makes the sounds of a message before anybody hears it.
func (s *server) rehearse(ctx context.Context, m ivr.Message) error {
	for lang := range m.Text {
		if _, err := (voice{s.lib, s}).Phrase(ctx, "message", lang, m.Phrase(lang)); err != nil {
			return err
		}
	}
	return nil
}

// rescueMargin is how much longer the silence before the rescue lasts than the wait for a
// key: the controller's word must come before it, even on a busy machine.
const rescueMargin = 2 * time.Second

// rescue is what Asterisk goes on to by itself after a question that nobody is left to hear
// the answer of. A sound that cannot be had leaves the question without it.
func (s *server) rescue(lang call.Lang, wait time.Duration) []call.Sound {
	sorry, err := s.prompt(context.Background(), "sorry.moment", lang)
	if err != nil {
		s.log.Warn("a question is asked without a rescue", "err", err)
		return nil
	}
	silence, err := s.silence(wait + rescueMargin)
	if err != nil {
		s.log.Warn("a question is asked without a rescue", "err", err)
		return nil
	}
	music := call.Sound{Path: filepath.Join(s.c.music(), speech.MusicName), Name: "music"}
	list := []call.Sound{{Path: silence, Name: "silence"}}
	for range 5 { // some six minutes
		list = append(list, sorry, music)
	}
	return list
}

// silence gives the file of a silence of whole seconds, made at its first use.
func (s *server) silence(d time.Duration) (path string, err error) {
	seconds := int((d + time.Second - 1) / time.Second)
	path = filepath.Join(s.c.sounds(), fmt.Sprintf("decroche-silence-%d", seconds))
	if _, made := s.silences.Load(seconds); made {
		return path, nil
	}
	if err := speech.WriteSilence(path, time.Duration(seconds)*time.Second); err != nil {
		return "", err
	}
	s.silences.Store(seconds, true)
	return path, nil
}

// dialplanPrompts are what Asterisk plays by itself while no controller is there.
var dialplanPrompts = map[string]string{"decroche-hold": "dialplan.hold", "decroche-sorry": "dialplan.sorry"}

// dialplanLangs are those that it plays them in, one after the other.
var dialplanLangs = []call.Lang{"fr", "en"}

// exportDialplan gives Asterisk its own prompts and its music; what is there already is made anew
// or left. Asterisk looks for music when it starts, so this goes before.
func exportDialplan(ctx context.Context, c *config, say saying, anew bool) error {
	if err := speech.WriteMusic(c.music()); err != nil {
		return err
	}
	for name, id := range dialplanPrompts {
		for _, lang := range dialplanLangs {
			dest := filepath.Join(c.sounds(), name+"-"+string(lang))
			if !anew && speech.Exported(dest) { // a controller's, in the service's words
				continue
			}
			sound, err := say(ctx, id, lang)
			if err == nil {
				err = speech.Export(sound, dest)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}
