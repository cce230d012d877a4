package main

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"decroche/call"
	"decroche/service"
	"decroche/speech"
	"decroche/text"
)

// reworded is the demonstration with words of its own for what the line says.
func reworded(t *testing.T, wording string) (file string) {
	t.Helper()
	demo, err := os.ReadFile("../../demo/prefecture.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "service.yaml")
	if err := os.WriteFile(file, append(demo, "wording:\n"+wording...), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func definitionOf(t *testing.T, file string) *service.Definition {
	t.Helper()
	def, err := service.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return def
}

func TestCheckTakesWordsForWhatTheLineSays(t *testing.T) {
	file := reworded(t, `  queue.joined: {fr: Merci de votre appel., en: Thank you for calling.}
  wait.7-9: {fr: Entre sept et neuf minutes.}
  number.digit.42: {en: forty-two}
  agent.available: {fr: À vous.}
  callback.noted.slot: {fr: "Nous vous appelons {day} à {clock}."}
`)
	if code, out, errs := command(t, "check", file); code != 0 || !strings.Contains(out, "clean") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
}

func TestTheWordingOfTheReferenceIsHeard(t *testing.T) {
	page, err := os.ReadFile("../../docs/service.md")
	if err != nil {
		t.Fatal(err)
	}
	var all string
	for i, part := range strings.Split(string(page), "```") {
		if yaml, ok := strings.CutPrefix(part, "yaml\n"); ok && i%2 == 1 {
			all += yaml
		}
	}
	def, err := service.Parse("service.md", []byte(all))
	if err != nil || len(def.Wording) < 3 {
		t.Fatalf("%v: %+v", err, def)
	}
	if err := unheardWording(def); err != nil {
		t.Error(err)
	}
}

// What would not be heard, or not as it is meant, is refused where it is written: by check, and by who serves it.
func TestAWordingThatWouldNotBeHeardIsRefusedWithWhatToWrite(t *testing.T) {
	for _, c := range []struct{ wording, fr, en string }{
		{
			"queue.joint: {fr: Merci.}", "« queue.joint » n'est pas un texte de la ligne (« wording »); écrivez « queue.joined »",
			`"queue.joint" is no prompt of the line ("wording"); write "queue.joined"`,
		},
		{
			`callback.noted.slot: {fr: "Ce sera {day}."}`, "« wording.callback.noted.slot », en « fr » : il manque {clock}; écrivez {clock} là où il se dit, comme dans « Ce sera {day} à {clock}. »",
			`"wording.callback.noted.slot" in "fr" lacks {clock}; write {clock} where it is to be said, as in "Ce sera {day} à {clock}."`,
		},
		{
			`callback.noted.slot: {en: "It is {day} at {clock}, {heure}."}`, "« wording.callback.noted.slot », en « en » : rien ne remplace {heure}; retirez-le, accolades comprises ; ce texte a pour valeurs : {clock}, {day}",
			`"wording.callback.noted.slot" in "en": nothing fills {heure} in; take it out with its braces; the values of this prompt are {clock}, {day}`,
		},
		{
			`goodbye: {fr: "Au revoir de {service}."}`, "« wording.goodbye », en « fr » : rien ne remplace {service}; retirez-le, accolades comprises ; ce texte n'a pas de valeur",
			`"wording.goodbye" in "fr": nothing fills {service} in; take it out with its braces; this prompt has no values`,
		},
		{
			"recall.hello: {fr: {say: \"Ici {service}.\", recording: service.yaml}}", "« wording.recall.hello », en « fr » : un enregistrement ne peut pas dire {service}, qui change à chaque appel; écrivez le texte",
			`"wording.recall.hello" in "fr": a recording cannot say {service}, which is another in each call; write the text`,
		},
		{
			"agent.paused: {en: On pause.}", "« wording.agent.paused » ne serait pas entendu en « en » : c'est dit aux agents, dans la première langue du service; retirez « en: »",
			`"wording.agent.paused" would not be heard in "en": it is said to agents, in the first language of the service; take "en:" out`,
		},
		{"whisper.callback.slot: {en: \"At {clock}.\"}", "« wording.whisper.callback.slot » ne serait pas entendu en « en » : c'est dit aux agents", ""},
		{"recall.agent.busy: {en: Busy.}", "« wording.recall.agent.busy » ne serait pas entendu en « en » : c'est dit aux agents", ""},
		{"unknown-number: {en: No.}", "« wording.unknown-number » ne serait pas entendu en « en » : c'est dit dans la première langue du service", ""},
		{"studio.speak: {en: Speak.}", "« wording.studio.speak » ne serait pas entendu en « en » : c'est dit en français, à qui enregistre un message", ""},
		{"message.in-french: {fr: En français.}", "« wording.message.in-french » ne serait pas entendu en « fr » : c'est dit avant un message en français", ""},
	} {
		file := reworded(t, "  "+c.wording+"\n")
		var problems service.Problems
		if err := (&config{CallsOut: "x"}).judge(definitionOf(t, file)); !errors.As(err, &problems) || len(problems) != 1 {
			t.Errorf("%s: %v", c.wording, err)
			continue
		}
		p := problems[0]
		if fr, en := p.What.FR+"; "+p.Fix.FR, p.What.EN+"; "+p.Fix.EN; !strings.HasPrefix(fr, c.fr) || !strings.HasPrefix(en, c.en) {
			t.Errorf("%s:\n%s\n%s", c.wording, fr, en)
		}
		code, _, errs := command(t, "check", file)
		if code != 2 || !strings.Contains(errs, "service.yaml:") || !strings.Contains(errs, p.What.EN) || p.Line < 300 {
			t.Errorf("%s: exit %d at line %d\n%s", c.wording, code, p.Line, errs)
		}
	}
}

func TestAQuestionThatTheSurveyWordsIsNotWordedTwice(t *testing.T) {
	demo := definitionOf(t, reworded(t, "  survey.question.overall: {fr: Satisfait ?}\n"))
	for i := range demo.Survey.Questions {
		demo.Survey.Questions[i].Wording = nil
	}
	if err := unheardWording(demo); err != nil {
		t.Errorf("without the survey's words: %v", err)
	}
	demo.Survey.Questions = []service.Question{{About: "overall", Wording: service.Text{"fr": {Say: "Alors ?"}}}}
	if err := unheardWording(demo); err == nil || !strings.Contains(err.Error(), `"survey.wording" words that question already`) {
		t.Errorf("with the survey's words: %v", err)
	}
	if slices.Contains(catalogue{}.Langs(demo, "survey.question.overall"), "fr") {
		t.Error("the site lists it all the same")
	}
}

// Every prompt that the site lists may be worded in the languages that it lists it in, and has a heading.
func TestAllThatTheSiteListsMayBeWorded(t *testing.T) {
	def := definitionOf(t, reworded(t, "  goodbye: {fr: Au revoir.}\n"))
	def.Languages = []call.Lang{"fr", "en", "es", "de", "it"}
	ids := catalogue{}.IDs()
	if len(ids) < 180 || len(ids) > 260 || !slices.Contains(ids, "position.3") || !slices.Contains(ids, "callback.noted.slot") || slices.Contains(ids, "number.digit.42") || slices.Contains(ids, "whisper.wait.3") {
		t.Errorf("listed are %d: %q", len(ids), ids)
	}
	for _, id := range ids {
		def.Wording[id] = service.Text{}
		for _, lang := range (catalogue{}).Langs(def, id) {
			def.Wording[id][lang] = service.Phrase{Say: catalogue{}.Text(id, lang)}
		}
		part, _, _ := strings.Cut(id, ".")
		for _, lang := range []call.Lang{"fr", "en"} {
			if key := "admin.line." + part; text.Get(lang, key) == key {
				t.Errorf("%s has no heading in %s", id, lang)
			}
		}
	}
	if err := unheardWording(def); err != nil {
		t.Error(err)
	}
}

// worded is a line with these words, that says what it says to whom is in no call of the journey.
func worded(t *testing.T, wording string) *server {
	t.Helper()
	file := reworded(t, wording)
	s := &server{c: &config{Service: file, Data: t.TempDir()}, log: slog.New(slog.DiscardHandler)}
	lib, err := s.c.library(nil)
	if err != nil {
		t.Fatal(err)
	}
	s.lib = lib
	s.def.Store(definitionOf(t, file))
	return s
}

func TestAgentsAndWhoRecordsAMessageHearTheServicesWords(t *testing.T) {
	s := worded(t, "  agent.refused-code: {fr: Code inconnu.}\n  studio.speak: {fr: Parlez.}\n")
	if said := s.code(t.Context(), "2001", "*99"); len(said) != 1 || said[0].Text != "Code inconnu." || said[0].Name != "agent.refused-code" || said[0].Voice == "" {
		t.Errorf("an agent hears %+v", said)
	}
	s.assembleStudio()
	if said := s.studio.Prompts(t.Context(), "studio.speak", "studio.empty"); len(said) != 2 || said[0].Text != "Parlez." || said[1].Text != lineText("studio.empty", "fr") {
		t.Errorf("who records hears %+v", said)
	}
}

func TestNobodyIsLeftInSilenceByARecordingThatIsGone(t *testing.T) {
	s := worded(t, "  agent.refused-code: {fr: Code inconnu.}\n")
	def := s.def.Load()
	for _, c := range []struct{ say, want string }{{"Code inconnu.", "Code inconnu."}, {"", lineText("agent.refused-code", "fr")}} {
		def.Wording["agent.refused-code"]["fr"] = service.Phrase{Say: c.say, Recording: "gone.wav"}
		if said := s.code(t.Context(), "2001", "*99"); len(said) != 1 || said[0].Text != c.want {
			t.Errorf("a recording of %q that is gone: an agent hears %+v", c.say, said)
		}
	}
	gone, strict := service.Phrase{Say: "Bonjour.", Recording: "gone.wav"}, voice{s.lib, s}
	if said, err := (steady{strict}).Phrase(t.Context(), "bienvenue", "fr", gone); err != nil || said.Text != "Bonjour." || said.Voice == "" {
		t.Errorf("a recording that is gone: a caller hears %+v, %v", said, err)
	}
	if _, err := strict.Phrase(t.Context(), "bienvenue", "fr", gone); err == nil {
		t.Error("who writes it is not told")
	}
}

// What Asterisk plays by itself is in the service's words once a controller has been there; an Asterisk that
// starts by itself leaves them.
func TestAsteriskPlaysTheServicesWordsByItself(t *testing.T) {
	s := worded(t, "  dialplan.hold: {fr: Un instant.}\n")
	same := func(path string, want call.Sound) bool {
		got, err := os.ReadFile(path + ".alaw")
		expected, err2 := os.ReadFile(want.Path + ".alaw")
		return err == nil && err2 == nil && bytes.Equal(got, expected)
	}
	ctx, hold := t.Context(), filepath.Join(s.c.sounds(), "decroche-hold-fr")
	own, err := s.lib.Text(ctx, "own", "fr", "Un instant.")
	line, err2 := s.lib.System(ctx, "dialplan.hold", "fr")
	if err := errors.Join(err, err2, exportDialplan(ctx, s.c, s.lib.System, false)); err != nil || !same(hold, line) {
		t.Fatalf("before any controller: %v", err)
	}
	if err := exportDialplan(ctx, s.c, s.words(s.def.Load()), true); err != nil || !same(hold, own) {
		t.Errorf("with a controller: %v", err)
	}
	if err := exportDialplan(ctx, s.c, s.lib.System, false); err != nil || !same(hold, own) {
		t.Errorf("with Asterisk started anew: %v", err)
	}
	english, err := s.lib.System(ctx, "dialplan.hold", "en")
	if err != nil || !same(filepath.Join(s.c.sounds(), "decroche-hold-en"), english) {
		t.Errorf("in English: %v", err)
	}
}

func TestARecordingOfWhatTheLineSaysKeepsItsText(t *testing.T) {
	s := worded(t, "  goodbye: {fr: Au revoir.}\n")
	from, err := s.lib.Text(t.Context(), "x", "fr", "Merci, au revoir.")
	if err != nil {
		t.Fatal(err)
	}
	wav, err := speech.Listen(from)
	if err == nil {
		err = os.WriteFile(filepath.Join(filepath.Dir(s.c.Service), "voix.wav"), wav, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	sound, err := catalogue{s}.Sound(t.Context(), "goodbye", "fr", service.Phrase{Say: "Merci, au revoir.", Recording: "voix.wav"})
	if err != nil || sound.Text != "Merci, au revoir." || sound.Name != "goodbye" || sound.Voice != "" || sound.Duration <= 0 {
		t.Errorf("the recording is %+v, %v", sound, err)
	}
	if _, err := (catalogue{s}).Sound(t.Context(), "no.such", "fr", service.Phrase{}); err == nil {
		t.Error("what the line does not say has a sound")
	}
}

func TestASentenceIsListenedToWithExamplesOfItsValues(t *testing.T) {
	s := worded(t, "  goodbye: {fr: Au revoir.}\n")
	for _, id := range speech.SentenceIDs() {
		for _, lang := range s.def.Load().Languages {
			sound, err := catalogue{s}.Sound(t.Context(), id, lang, service.Phrase{})
			if err != nil || strings.ContainsAny(sound.Text, "{}") || sound.Text == "" || sound.Name != id {
				t.Errorf("%s in %s: %+v, %v", id, lang, sound, err)
			}
		}
	}
	own, err := catalogue{s}.Sound(t.Context(), "callback.noted.slot", "fr", service.Phrase{Say: "À {clock}, {day}."})
	if err != nil || own.Text != "À 10 heures 30, mardi 3 mars." {
		t.Errorf("in the service's words: %+v, %v", own, err)
	}
}
