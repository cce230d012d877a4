package speech

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// said lists the files of sentences.
func saidFiles(t *testing.T, l *Library) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(l.said.dir, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestASentenceIsRenderedWithItsValuesOnce(t *testing.T) {
	command, said := fakeVoice(t)
	l := open(t, Options{Engine: "command", Command: command})
	first, err := l.Sentence(t.Context(), "callback.noted.slot", "fr", "", "day", "demain", "clock", "10 heures 15")
	if err != nil {
		t.Fatal(err)
	}
	if first.Name != "callback.noted.slot" || first.Text != "Ce sera demain à 10 heures 15." || first.Duration <= 0 {
		t.Errorf("the sound is %+v", first)
	}
	if again, err := l.Sentence(t.Context(), "callback.noted.slot", "fr", "", "clock", "10 heures 15", "day", "demain"); err != nil || again != first {
		t.Errorf("the same values give %+v, %v", again, err)
	}
	other, err := l.Sentence(t.Context(), "callback.noted.slot", "fr", "", "day", "demain", "clock", "11 heures")
	if err != nil || other.Path == first.Path {
		t.Errorf("other values give %+v, %v", other, err)
	}
	own, err := l.Sentence(t.Context(), "callback.noted.slot", "fr", "À {clock}, {day}.", "day", "demain", "clock", "11 heures")
	if err != nil || own.Text != "À 11 heures, demain." || own.Name != first.Name || own.Path == other.Path || own.Voice != first.Voice || own.Voice == "" {
		t.Errorf("the service's own words are %+v, %v", own, err)
	}
	if got := strings.Count(said(), "Ce sera demain"); got != 2 {
		t.Errorf("the voice spoke %d times: %s", got, said())
	}
	if _, err := l.Sentence(t.Context(), "callback.noted.slot", "fr", "", "day", "demain"); err == nil {
		t.Error("a sentence is said without its hour")
	}
	if _, err := l.Sentence(t.Context(), "goodbye", "fr", ""); err == nil {
		t.Error("a prompt is taken for a sentence")
	}
}

func TestSentencesNobodyHearsAnyMoreAreSweptAway(t *testing.T) {
	command, said := fakeVoice(t)
	l := open(t, Options{Engine: "command", Command: command})
	say := func(clock string) string {
		t.Helper()
		s, err := l.Sentence(t.Context(), "whisper.callback.slot", "fr", "", "clock", clock)
		if err != nil {
			t.Fatal(err)
		}
		return s.Path
	}
	age := func(path string, d time.Duration) {
		t.Helper()
		for _, c := range codings {
			then := time.Now().Add(-d)
			if err := os.Chtimes(path+c.ext, then, then); err != nil {
				t.Fatal(err)
			}
		}
	}
	prompt, err := l.System(t.Context(), "goodbye", "fr")
	if err != nil {
		t.Fatal(err)
	}
	used, old := say("10 heures"), say("11 heures")
	age(used, saidFor+time.Hour)
	age(old, saidFor+time.Hour)
	age(prompt.Path, 100*saidFor)
	if say("10 heures") != used { // and is in use again
		t.Error("the same sentence has another file")
	}
	l.swept = time.Now().Add(-2 * time.Hour)
	say("midi")
	if got := len(saidFiles(t, l)); got != 2*len(codings) {
		t.Errorf("%d files are left: %v", got, saidFiles(t, l))
	}
	if _, whole := l.said.find(used); !whole {
		t.Error("a sentence in use was swept away")
	}
	if _, whole := l.files.find(prompt.Path); !whole {
		t.Error("a prompt of the line was swept away")
	}
	if say("11 heures") != old || strings.Count(said(), "11 heures") != 2 {
		t.Error("what was swept away is made again at its next use")
	}
}

func TestEverySentenceIsSpokenByTheRealVoices(t *testing.T) {
	values := []any{
		"day", "mardi 24 novembre", "clock", "10 heures 15", "key", 2, "service", "Préfecture du Val-d'Arzon",
		"label", "notre site", "address", "www, point, exemple, point, fr",
	}
	for _, engine := range realEngines(t)[:1] {
		l := open(t, Options{Engine: engine})
		for _, id := range SentenceIDs() {
			if s, err := l.Sentence(t.Context(), id, "fr", "", values...); err != nil || s.Duration < 300*time.Millisecond || s.Duration > 15*time.Second {
				t.Errorf("%s: %+v, %v", id, s, err)
			}
		}
	}
}

func BenchmarkSentenceSaidBefore(b *testing.B) {
	l, err := Open(Options{Dir: filepath.Join(b.TempDir(), "sounds")})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := l.Sentence(b.Context(), "whisper.callback.slot", "fr", "", "clock", "10 heures"); err != nil {
			b.Fatal(err)
		}
	}
}
