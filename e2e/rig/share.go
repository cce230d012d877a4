package rig

import (
	"path/filepath"
	"testing"

	"decroche/call"
	"decroche/e2e/softphone"
	"decroche/speech"
)

// With is the same line for a subtest, which then fails by itself. The processes are
// those of now: a subtest does not restart them.
func (r *Rig) With(tb testing.TB) *Rig {
	r.Index() // shared
	c := *r
	c.tb = tb
	return &c
}

// Learn lets calls placed from now on recognise a text that is not in the definition the
// rig began with: an incident message, or the wording of a reload.
func (r *Rig) Learn(name string, lang call.Lang, text string) {
	r.tb.Helper()
	if r.known == nil {
		prompts, err := r.prompts()
		if err != nil {
			r.tb.Fatalf("load the prompts: %v", err)
		}
		r.known = prompts
	}
	r.known = append(r.known, r.SoundOf(name, lang, text))
	r.ix = softphone.NewIndex(r.known)
}

// LearnSlow lets telephones recognise a text said slower and louder.
func (r *Rig) LearnSlow(name string, lang call.Lang, text string) {
	r.tb.Helper()
	r.Learn(name+".plain", lang, text)
	r.known[len(r.known)-1] = r.soundOf(name, lang, text, true)
	r.ix = softphone.NewIndex(r.known)
}

// LearnRecording lets telephones recognise a recording as the line says it.
func (r *Rig) LearnRecording(name, path string) {
	r.tb.Helper()
	lib, err := speech.Open(speech.Options{Dir: filepath.Join(cacheDir(), "test-sounds")})
	if err != nil {
		r.tb.Fatal(err)
	}
	s, err := lib.Recording(r.tb.Context(), name, "fr", path)
	if err != nil {
		r.tb.Fatal(err)
	}
	p, err := softphone.LoadPrompt(s.Path + ".alaw")
	if err != nil {
		r.tb.Fatal(err)
	}
	p.Name = name
	if r.known == nil {
		if r.known, err = r.prompts(); err != nil {
			r.tb.Fatalf("load the prompts: %v", err)
		}
	}
	r.known = append(r.known, p)
	r.ix = softphone.NewIndex(r.known)
}
