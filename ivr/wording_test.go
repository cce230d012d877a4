package ivr

import (
	"slices"
	"strings"
	"testing"
	"time"

	"decroche/call"
	"decroche/service"
)

// reword gives the definition in force words of its own for what the line says.
func (s *stage) reword(wording string) {
	s.t.Helper()
	s.def.Store(parse(s.t, definition+prompts()+"wording:\n"+wording))
}

func TestAServiceSaysTheLinesWordsInItsOwn(t *testing.T) {
	play(t, func(s *stage) {
		s.reword("  queue.joined: {fr: Merci de votre appel.}\n  position.1: {fr: C'est à vous.}\n")
		x := s.online()
		c := s.from("+33639980001", "1")
		time.Sleep(25 * time.Second)
		c.hears("fr/queue.joined", "fr/position.1", "fr/queue.noagents") // by the same names
		c.types("*")
		time.Sleep(10 * time.Second)
		c.hears("fr/~position.1", "fr/~queue.noagents")
		c.types("#")
		time.Sleep(4 * time.Second)
		if sent := x.sent(); len(sent) != 1 || sent[0].Text != "Service : C'est à vous. queue.noagents." {
			t.Errorf("sent was %+v", sent)
		}
	})
}

// A wording that cannot be said, as a recording whose file is gone and that has no words, leaves those of the line.
func TestARecordingThatIsGoneLeavesNoSilence(t *testing.T) {
	play(t, func(s *stage) {
		s.lose("gone.wav")
		s.reword("  menu.wrong: {fr: Cette touche ne sert pas.}\n")
		def := s.def.Load()
		def.Wording["menu.wrong"]["fr"] = service.Phrase{Recording: "gone.wav"}
		r, err := s.journey.Rehearse(t.Context(), def, call.Info{From: "+33639980001", To: general}, time.Now(), "7")
		if err != nil {
			t.Fatal(err)
		}
		said := map[string]string{}
		for _, turn := range r.Turns {
			for _, sound := range turn.Sounds {
				said[sound.Name] = sound.Text
			}
		}
		if said["menu.wrong"] != "menu.wrong." {
			t.Errorf("said was %q", said)
		}
	})
}

func TestALanguageThatIsNotWordedKeepsTheLinesWords(t *testing.T) {
	play(t, func(s *stage) {
		s.reword("  menu.wrong: {fr: \"Cette touche ne sert pas.\"}\n")
		for lang, want := range map[call.Lang]string{"fr": "Cette touche ne sert pas.", "en": "menu.wrong."} {
			keys := map[call.Lang]string{"fr": "17", "en": "27"}[lang]
			r, err := s.journey.Rehearse(t.Context(), s.def.Load(), call.Info{From: "+33639980001", To: "+33199003940"}, time.Now(), keys)
			if err != nil {
				t.Fatal(err)
			}
			said := r.Turns[len(r.Turns)-1].Sounds
			if i := slices.IndexFunc(said, func(s call.Sound) bool { return s.Name == "menu.wrong" }); i < 0 || said[i].Text != want || said[i].Lang != lang {
				t.Errorf("in %s a wrong key is answered by %+v, want %q", lang, said, want)
			}
		}
	})
}

// A call keeps the definition it began with, and a rehearsal has the draft's: neither asks what is in force.
func TestADraftsWordsAreHeardInItsRehearsalAlone(t *testing.T) {
	play(t, func(s *stage) {
		draft := parse(t, definition+prompts()+"wording: {info.offer-person: {fr: \"Un agent, touche 1.\"}}\n")
		for def, want := range map[string]string{"draft": "Un agent, touche 1.", "live": "info.offer-person."} {
			with := s.def.Load()
			if def == "draft" {
				with = draft
			}
			r, err := s.journey.Rehearse(t.Context(), with, call.Info{From: "+33639980001", To: general}, time.Now(), "3")
			if err != nil {
				t.Fatal(err)
			}
			said := r.Turns[len(r.Turns)-1].Sounds
			if last := said[len(said)-1]; last.Name != "info.offer-person" || last.Text != want {
				t.Errorf("%s: the last word is %+v, want %q", def, last, want)
			}
		}
	})
}

func TestASentenceInTheServicesWordsIsFilledIn(t *testing.T) {
	play(t, func(s *stage) {
		s.reword("  callback.noted.slot: {fr: \"Nous vous appelons {day} à {clock}.\", en: \"We call {day} at {clock}.\"}\n")
		s.desk()
		c := s.asking()
		c.types("1")
		time.Sleep(7 * time.Second)
		c.types("3")
		c.ends(call.CalledBack, call.ReasonSlot)
		if got := c.names(); !slices.Contains(got, "fr/callback.noted.slot") {
			t.Errorf("heard %q", got)
		}
		if said := strings.Join(s.sentences(), "\n"); !strings.HasSuffix(said, "\nNous vous appelons {day} à {clock}.: day demain clock 9 heures 30") {
			t.Errorf("filled in were\n%s", said)
		}
	})
}

func TestAgentsAreToldInTheServicesWords(t *testing.T) {
	play(t, func(s *stage) {
		s.reword("  whisper.callback.asked: {fr: \"Demande de {clock}.\"}\n")
		c := s.recall(nil)
		time.Sleep(6 * time.Second)
		c.leg().hears("fr/whisper.callback", "fr/reason.dossier", "fr/whisper.callback.asked")
		if said := s.sentences(); !slices.ContainsFunc(said, func(line string) bool { return strings.HasPrefix(line, "Demande de {clock}.: ") }) {
			t.Errorf("filled in were %q", said)
		}
	})
}
