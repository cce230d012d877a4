package speech

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"decroche/call"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// realEngines are the engines this machine has; it must have one.
func realEngines(t *testing.T) []string {
	t.Helper()
	var names []string
	if installed("pico2wave") {
		names = append(names, "pico")
	}
	if installed("espeak-ng") {
		names = append(names, "espeak-ng")
	}
	if len(names) == 0 || !installed("sox") {
		t.Fatal("espeak-ng or pico2wave, and sox, are needed: run speech/install-voices.sh")
	}
	return names
}

func open(t *testing.T, opts Options) *Library {
	t.Helper()
	if opts.Dir == "" {
		opts.Dir = filepath.Join(t.TempDir(), "sounds")
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	l, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	l.recheck = 0
	return l
}

// script writes an executable shell script and returns its path.
func script(t *testing.T, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "engine.sh")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// fakeVoice is an engine that "says" a tone and appends its input to a file.
func fakeVoice(t *testing.T) (command []string, said func() string) {
	t.Helper()
	wav := writeWAV(t, 16000, 1, tone(16000, 440, 0.3, 600*time.Millisecond))
	heard := filepath.Join(t.TempDir(), "heard")
	prog := script(t, fmt.Sprintf("{ cat; echo \" [$*]\"; } >>%s\ncp %s \"$2\"\n", heard, wav))
	return []string{prog, "{lang}", "{out}"}, func() string {
		data, _ := os.ReadFile(heard)
		return string(data)
	}
}

func tone(rate int, hz, amplitude float64, d time.Duration) []float64 {
	x := make([]float64, int(d.Seconds()*float64(rate)))
	for i := range x {
		x[i] = amplitude * math.Sin(2*math.Pi*hz*float64(i)/float64(rate))
	}
	return x
}

// writeWAV writes a WAV file of 16 bits, the same on each channel.
func writeWAV(t *testing.T, rate, channels int, x []float64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sound.wav")
	var b bytes.Buffer
	put := func(vs ...any) {
		for _, v := range vs {
			_ = binary.Write(&b, binary.LittleEndian, v)
		}
	}
	n := uint32(2 * channels * len(x))
	put([]byte("RIFF"), n+36, []byte("WAVEfmt "), uint32(16), uint16(1), uint16(channels), uint32(rate),
		uint32(2*rate*channels), uint16(2*channels), uint16(16), []byte("data"), n)
	for _, v := range toInt16(x) {
		for range channels {
			put(v)
		}
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// heard decodes a sound's file to samples of ±1.
func heard(t *testing.T, s call.Sound, ext string) (x []float64, rate int) {
	t.Helper()
	data, err := os.ReadFile(s.Path + ext)
	if err != nil {
		t.Fatal(err)
	}
	var samples []int16
	rate = 8000
	switch ext {
	case ".alaw":
		for _, c := range data {
			samples = append(samples, expandAlaw(c))
		}
	case ".ulaw":
		for _, c := range data {
			samples = append(samples, expandUlaw(c))
		}
	case ".g722":
		samples, rate = decodeG722(data), 16000
	}
	for _, v := range samples {
		x = append(x, float64(v)/32768)
	}
	return x, rate
}

// silences measures how long a sound takes to begin, and is silent at its end.
func silences(x []float64, rate int) (lead, trail time.Duration) {
	first, last := -1, 0
	for i, v := range x {
		if math.Abs(v) > 0.003 { // -50 dBFS
			if first < 0 {
				first = i
			}
			last = i
		}
	}
	unit := time.Second / time.Duration(rate)
	return time.Duration(first) * unit, time.Duration(len(x)-1-last) * unit
}

func peak(x []float64) (p float64) {
	for _, v := range x {
		p = max(p, math.Abs(v))
	}
	return 20 * math.Log10(p)
}

func TestRealPromptsAreLevelledTrimmedAndShort(t *testing.T) {
	ids := strings.Fields("hold.connecting position.12 wait.under1 wait.2-4 info.offer-person agent.paused number.digit.07")
	for _, engine := range realEngines(t) {
		l := open(t, Options{Engine: engine})
		for _, lang := range Langs() {
			for _, id := range ids {
				s, err := l.System(t.Context(), id, lang)
				if err != nil {
					t.Fatal(err)
				}
				longest := 4 * time.Second
				if id == "info.offer-person" {
					longest = 10 * time.Second
				}
				if s.Duration < 400*time.Millisecond || s.Duration > longest {
					t.Errorf("%s %s %s lasts %s", engine, lang, id, s.Duration)
				}
				for _, c := range codings {
					if c.ext != ".ulaw" || id == "wait.2-4" {
						checkSound(t, engine, s, c.ext)
					}
				}
			}
		}
	}
}

func checkSound(t *testing.T, engine string, s call.Sound, ext string) {
	t.Helper()
	x, rate := heard(t, s, ext)
	what := fmt.Sprintf("%s %s %s%s", engine, s.Lang, s.Name, ext)
	if d := time.Duration(len(x)) * time.Second / time.Duration(rate); d != s.Duration {
		t.Errorf("%s lasts %s, and says %s", what, d, s.Duration)
	}
	if level := activeLevel(x, rate); math.Abs(level-SpeechLevel) > 2 {
		t.Errorf("%s: level %.1f dBFS, want %.0f ± 2", what, level, SpeechLevel)
	}
	if p := peak(x); p > PeakLevel {
		t.Errorf("%s: peak %.1f dBFS, want at most %.0f", what, p, PeakLevel)
	}
	lead, trail := silences(x, rate)
	// A last "s" is above what G.711 carries: there its end is heard as silence.
	if lead < 90*time.Millisecond || lead > 160*time.Millisecond || trail < 80*time.Millisecond || trail > 320*time.Millisecond {
		t.Errorf("%s: %s of silence before and %s after", what, lead, trail)
	}
}

func TestEightCallersOfOneTextRenderItOnce(t *testing.T) {
	command, said := fakeVoice(t)
	dir := t.TempDir()
	a, b := open(t, Options{Dir: dir, Engine: "command", Command: command}), open(t, Options{Dir: dir, Engine: "command", Command: command})
	var wg sync.WaitGroup
	sounds := make([]call.Sound, 16)
	for i := range sounds {
		wg.Go(func() {
			l := a
			if i%2 == 1 {
				l = b // as another process would
			}
			var err error
			if sounds[i], err = l.Text(t.Context(), "welcome", "fr", "Bonjour à tous."); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, s := range sounds {
		if s != sounds[0] {
			t.Errorf("got %v and %v", s, sounds[0])
		}
	}
	if n := strings.Count(said(), "Bonjour"); n > 2 {
		t.Errorf("rendered %d times by two libraries, want once each at most", n)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "fr", "*")); len(files) != 3 {
		t.Errorf("files: %v, want one set of three", files)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "fr", ".*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestAwkwardTextsAreSpoken(t *testing.T) {
	for _, engine := range realEngines(t) {
		l := open(t, Options{Engine: engine})
		say := func(text string) time.Duration {
			s, err := l.Text(t.Context(), "message:1", "fr", text)
			if err != nil {
				t.Errorf("%s: %.40q: %v", engine, text, err)
			}
			if s.Text != text {
				t.Errorf("the sound's text is %q", s.Text)
			}
			return s.Duration
		}
		plain := say("Bonjour à tous, le service est fermé.")
		for _, text := range []string{
			"« Bonjour à tous », le service est fermé.", "Bonjour à tous,\nle service est fermé.", "\"Bonjour\" à tous,\r\n le 'service' est fermé.",
			"Bonjour à tous, <le service> est fermé.", "😀 Bonjour à tous, le service est fermé. 🚧", "Bonjour a\u0300 tous, le service est ferme\u0301.",
		} {
			if d := say(text); math.Abs(d.Seconds()-plain.Seconds()) > 0.7 {
				t.Errorf("%s: %q lasts %s, the plain text %s", engine, text, d, plain)
			}
		}
		// Tags are not obeyed: a pause of nine seconds, a speed of a tenth.
		if d := say(`Bonjour <break time="9s"/> à tous <speed level="20"> le service est fermé </speed>`); d > 9*time.Second {
			t.Errorf("%s obeys markup: %s", engine, d)
		}
		for _, text := range []string{"-l en-US", "--help", "a & b < c", "$(touch x) `id` ; ls | cat", "%s%n%d"} {
			say(text)
		}
		long := strings.Repeat("Le service est fermé pour travaux. ", 29)[:1000]
		if d := say(long); d < 40*time.Second || d > 120*time.Second {
			t.Errorf("%s: 1,000 characters last %s", engine, d)
		}
	}
}

func TestTextWithNothingToSayIsRefused(t *testing.T) {
	command, said := fakeVoice(t)
	l := open(t, Options{Engine: "command", Command: command})
	for _, text := range []string{"", " \n\t", "…", "😀🚧", "<>", "-", "\u200b"} {
		if _, err := l.Text(t.Context(), "message:1", "fr", text); !errors.Is(err, ErrNothingToSay) {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{strings.Repeat("a", MaxText+1), "caf\xe9"} {
		if _, err := l.Text(t.Context(), "message:1", "fr", text); err == nil {
			t.Errorf("%.20q is taken", text)
		}
	}
	for _, lang := range []call.Lang{"", "../fr", "FR", "fr/x", "-x"} {
		if _, err := l.Text(t.Context(), "message:1", lang, "Bonjour."); err == nil {
			t.Errorf("language %q is taken", lang)
		}
	}
	if said() != "" {
		t.Errorf("the engine heard %q", said())
	}
}

func TestCommandGetsTheTextOnItsInputAndNowhereElse(t *testing.T) {
	command, said := fakeVoice(t)
	l := open(t, Options{Engine: "command", Command: command})
	if _, err := l.Text(t.Context(), "x", "br", "Degemer mat & trugarez"); err != nil {
		t.Fatal(err)
	}
	text, args, _ := strings.Cut(said(), " [")
	if text != "Degemer mat trugarez" || strings.Contains(args, "Degemer") || !strings.HasPrefix(args, "br /") {
		t.Errorf("the engine heard %q with arguments %q", text, args)
	}
}

func TestEngineThatFailsSaysWhatItSaid(t *testing.T) {
	for body, want := range map[string]string{
		"echo no such voice >&2; exit 3":            "no such voice",
		"exit 0":                                    "cannot be read",
		"echo rubbish >\"$2\"":                      "sox cannot read",
		": >\"$2\"":                                 "empty",
		"cp " + silentWAV(t) + " \"$2\"":            "silent",
		"cp " + longWAV(t) + " \"$2\"":              "5m0s",
		"dd if=/dev/zero of=\"$2\" bs=1 count=2000": "sox cannot read",
	} {
		l := open(t, Options{Engine: "command", Command: []string{script(t, body), "{lang}", "{out}"}})
		_, err := l.Text(t.Context(), "welcome", "fr", "Bonjour.")
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `"welcome"`) {
			t.Errorf("%s: %v, want %q in it", body, err, want)
		}
	}
}

func silentWAV(t *testing.T) string { return writeWAV(t, 16000, 1, make([]float64, 16000)) }

func longWAV(t *testing.T) string {
	return writeWAV(t, 4000, 1, tone(4000, 440, 0.3, MaxRecording+time.Second))
}

func TestAutoFallsBackWhereAnEngineFailsOrIsMissing(t *testing.T) {
	realEngines(t)
	bin := t.TempDir()
	fake := "#!/bin/sh\necho broken >&2\nexit 1\n"
	if err := os.WriteFile(filepath.Join(bin, "pico2wave"), []byte(fake), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	if !installed("espeak-ng") {
		t.Fatal("espeak-ng is needed: run speech/install-voices.sh")
	}
	l := open(t, Options{})
	s, err := l.System(t.Context(), "goodbye", "fr")
	if err != nil {
		t.Fatal(err)
	}
	want, err := open(t, Options{Engine: "espeak-ng"}).System(t.Context(), "goodbye", "fr")
	if err != nil || filepath.Base(s.Path) != filepath.Base(want.Path) {
		t.Errorf("got %s, espeak-ng's is %s (%v)", s.Path, want.Path, err)
	}

	t.Setenv("PATH", "/nowhere")
	// What was rendered before is still heard where no engine is.
	again := open(t, Options{Dir: l.files.dir})
	if s2, err := again.System(t.Context(), "goodbye", "fr"); err != nil || s2 != s {
		t.Errorf("got %v, %v, want %v", s2, err, s)
	}
	_, err = again.System(t.Context(), "queue.joined", "fr")
	if !errors.Is(err, ErrNoVoice) || !strings.Contains(err.Error(), "install-voices.sh") {
		t.Errorf("without an engine: %v", err)
	}
	if _, err := Open(Options{Dir: t.TempDir(), Engine: "pico"}); err == nil || !strings.Contains(err.Error(), "install-voices.sh") {
		t.Errorf("an engine that is not installed: %v", err)
	}
}

func TestOptionsThatCannotWorkAreRefused(t *testing.T) {
	notDir := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(notDir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, opts := range []Options{
		{},
		{Dir: notDir, Engine: "none"},
		{Dir: filepath.Join(notDir, "below"), Engine: "none"},
		{Dir: t.TempDir(), Engine: "cloud"},
		{Dir: t.TempDir(), Engine: "command"},
		{Dir: t.TempDir(), Engine: "command", Command: []string{"sh", "-c", "true"}},
		{Dir: t.TempDir(), Engine: "none", Langs: []call.Lang{"fr", "tlh"}},
	} {
		if _, err := Open(opts); err == nil {
			t.Errorf("%+v is taken", opts)
		}
	}
}

func TestMissingOrTornFilesAreMadeAgain(t *testing.T) {
	command, said := fakeVoice(t)
	l := open(t, Options{Engine: "command", Command: command})
	get := func() call.Sound {
		s, err := l.System(t.Context(), "goodbye", "fr")
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := get()
	harm := map[string]func(path string) error{
		"deleted":   os.Remove,
		"truncated": func(p string) error { return os.Truncate(p, 100) },
		"emptied":   func(p string) error { return os.Truncate(p, 0) },
	}
	times := 1
	for how, do := range harm {
		for _, c := range codings {
			if err := do(s.Path + c.ext); err != nil {
				t.Fatal(err)
			}
			if again := get(); again != s {
				t.Errorf("%s %s: got %v, want %v", how, c.ext, again, s)
			}
			times++
			if _, ok := l.files.find(s.Path); !ok || strings.Count(said(), "Merci") != times {
				t.Errorf("%s %s: rendered %d times, want %d", how, c.ext, strings.Count(said(), "Merci"), times)
			}
		}
	}
	get()
	if n := strings.Count(said(), "Merci"); n != times {
		t.Errorf("a whole set was rendered again (%d times, want %d)", n, times)
	}
}

func TestFilesCanBeReadByAsteriskWhateverTheUmask(t *testing.T) {
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	command, _ := fakeVoice(t)
	dir := filepath.Join(t.TempDir(), "var", "sounds")
	l := open(t, Options{Dir: dir, Engine: "command", Command: command})
	s, err := l.System(t.Context(), "goodbye", "fr")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]os.FileMode{dir: 0o755, filepath.Dir(dir): 0o755, filepath.Join(dir, "fr"): 0o755}
	for _, c := range codings {
		want[s.Path+c.ext] = 0o644
	}
	for path, mode := range want {
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v, want %v", path, st.Mode(), err, mode)
		}
	}
	if filepath.Dir(s.Path) != filepath.Join(dir, "fr") || !filepath.IsAbs(s.Path) || len(filepath.Base(s.Path)) != 32 {
		t.Errorf("path %s", s.Path)
	}
}

func TestFullDiskIsSaidAndLeavesNothingHalf(t *testing.T) {
	command, _ := fakeVoice(t)
	l := open(t, Options{Engine: "command", Command: command})
	heardBefore, err := l.System(t.Context(), "goodbye", "fr")
	if err != nil {
		t.Fatal(err)
	}
	l.files.write = func(f *os.File, data []byte) (int, error) {
		n, _ := f.Write(data[:len(data)/2])
		return n, syscall.ENOSPC
	}
	_, err = l.System(t.Context(), "queue.joined", "fr")
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "is full") || !strings.Contains(err.Error(), l.files.dir) {
		t.Errorf("got %v", err)
	}
	if s, err := l.System(t.Context(), "goodbye", "fr"); err != nil || s != heardBefore {
		t.Errorf("what was there before: %v, %v", s, err)
	}
	if files, _ := os.ReadDir(filepath.Join(l.files.dir, "fr")); len(files) != 3 {
		t.Errorf("files: %v", files)
	}
}

func TestRenderSystemRendersAllAndShowsProgress(t *testing.T) {
	l := open(t, Options{Langs: []call.Lang{"fr"}})
	wav, err := os.ReadFile(writeWAV(t, 16000, 1, tone(16000, 440, 0.3, 50*time.Millisecond)))
	if err != nil {
		t.Fatal(err)
	}
	l.engines = []*engine{{id: "fake", installed: true, run: func(_ context.Context, _, _, out string) error {
		return os.WriteFile(out, wav, 0o600)
	}}}
	var seen []int
	if err := l.RenderSystem(t.Context(), func(done, total int) {
		if total != len(IDs("fr")) {
			t.Errorf("total %d, want %d", total, len(IDs("fr")))
		}
		seen = append(seen, done)
	}); err != nil {
		t.Fatal(err)
	}
	for i, n := range seen {
		if n != i+1 {
			t.Fatalf("progress went %v", seen)
		}
	}
	if len(seen) != len(IDs("fr")) {
		t.Errorf("progress stopped at %d", len(seen))
	}
}

func TestRenderSystemStopsWhenItsContextEnds(t *testing.T) {
	l := open(t, Options{Engine: "command", Command: []string{script(t, "exec sleep 60"), "{out}"}})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := l.RenderSystem(ctx, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestCallerWhoGivesUpLeavesTheRenderingToTheNext(t *testing.T) {
	wav := writeWAV(t, 16000, 1, tone(16000, 440, 0.3, time.Second))
	gate := filepath.Join(t.TempDir(), "gate")
	// Without the gate it says that it has begun, and hangs.
	begun := gate + ".begun"
	command := []string{script(t, fmt.Sprintf("[ -e %s ] || { : > %s; exec sleep 60; }\ncp %s \"$1\"\n", gate, begun, wav)), "{out}"}
	l := open(t, Options{Engine: "command", Command: command})
	first, hangUp := context.WithCancelCause(t.Context())
	gone := make(chan error)
	go func() {
		_, err := l.System(first, "goodbye", "fr")
		gone <- err
	}()
	for _, err := os.Stat(begun); err != nil; _, err = os.Stat(begun) {
		time.Sleep(time.Millisecond)
	}
	second := make(chan error)
	go func() {
		_, err := l.System(t.Context(), "goodbye", "fr")
		second <- err
	}()
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	hangUp(call.ErrHangup)
	if err := <-gone; !errors.Is(err, call.ErrHangup) {
		t.Errorf("the one who gave up got %v", err)
	}
	if err := <-second; err != nil {
		t.Errorf("the next got %v", err)
	}
}

func TestExportGivesAPromptAFixedName(t *testing.T) {
	command, _ := fakeVoice(t)
	l := open(t, Options{Engine: "command", Command: command})
	dest := filepath.Join(t.TempDir(), "asterisk", "decroche-hold")
	s, err := l.System(t.Context(), "dialplan.hold", "fr")
	if err != nil || Exported(dest) {
		t.Fatal(err)
	}
	for range 2 {
		if err := Export(s, dest); err != nil || !Exported(dest) {
			t.Fatal(err)
		}
	}
	for _, c := range codings {
		want, _ := os.ReadFile(s.Path + c.ext)
		if got, err := os.ReadFile(dest + c.ext); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v, want %d", c.ext, len(got), err, len(want))
		}
	}
	if err := Export(call.Sound{Path: filepath.Join(t.TempDir(), "none")}, dest); err == nil || !Exported(dest) {
		t.Error("a sound that is not there is exported")
	}
}

func TestSoundFoundBeforeCostsNoAllocation(t *testing.T) {
	command, _ := fakeVoice(t)
	l := open(t, Options{Engine: "command", Command: command})
	l.recheck = time.Hour
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() {
		if _, err := l.System(ctx, "goodbye", "fr"); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Text(ctx, "welcome", "fr", "Bonjour et bienvenue."); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkSystem(b *testing.B) {
	l, err := Open(Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := l.System(b.Context(), "goodbye", "fr"); err != nil {
			b.Fatal(err)
		}
	}
}

func TestMusicIsCalmLoudEnoughAndNeverClips(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "moh")
	if err := WriteMusic(dir); err != nil {
		t.Fatal(err)
	}
	if f, ok := (&folder{}).find(filepath.Join(dir, MusicName)); !ok || f.duration != musicSeconds*time.Second {
		t.Fatalf("the music is %v, %v", f, ok)
	}
	for _, c := range codings[:1] {
		x, rate := heard(t, call.Sound{Path: filepath.Join(dir, MusicName)}, c.ext)
		if level := activeLevel(x, rate); math.Abs(level-MusicLevel) > 1 {
			t.Errorf("%s: %.1f dBFS, want %.0f", c.ext, level, MusicLevel)
		}
		if p := peak(x); p > -10 {
			t.Errorf("%s: peak %.1f dBFS", c.ext, p)
		}
		// A caller never takes the music for a line that went dead.
		for at := 0; at+rate <= len(x); at += rate / 2 {
			if level := 20 * math.Log10(rms(x[at:at+rate])); level < -40 {
				t.Errorf("%s: %.0f dBFS at %d s", c.ext, level, at/rate)
			}
		}
	}
	before, _ := os.Stat(filepath.Join(dir, MusicName+".alaw"))
	if err := WriteMusic(dir); err != nil {
		t.Fatal(err)
	}
	if after, _ := os.Stat(filepath.Join(dir, MusicName+".alaw")); !os.SameFile(before, after) {
		t.Error("music that was there is replaced while it may play")
	}
	if err := os.Remove(filepath.Join(dir, MusicName+".ulaw")); err != nil {
		t.Fatal(err)
	}
	if err := WriteMusic(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, MusicName+".ulaw")); err != nil {
		t.Error(err)
	}
}
