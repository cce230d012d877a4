package speech

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestRecordingIsLevelledAndCoded(t *testing.T) {
	realEngines(t)
	l := open(t, Options{Engine: "none"})
	quiet := tone(44100, 500, 0.01, 2*time.Second)
	quiet = append(append(make([]float64, 44100), quiet...), make([]float64, 2*44100)...)
	path := writeWAV(t, 44100, 2, quiet)
	flac := filepath.Join(t.TempDir(), "a b's.flac")
	if out, err := exec.CommandContext(t.Context(), "sox", path, flac).CombinedOutput(); err != nil {
		t.Fatalf("sox: %v: %s", err, out)
	}
	odd := writeWAV(t, 44101, 1, resample(quiet, 44100, 44100))
	for _, p := range []string{path, flac, odd} {
		s, err := l.Recording(t.Context(), "welcome", "fr", p)
		if err != nil {
			t.Fatal(err)
		}
		if s.Name != "welcome" || s.Lang != "fr" || s.Duration < 2200*time.Millisecond || s.Duration > 2400*time.Millisecond {
			t.Errorf("got %+v", s)
		}
		for _, c := range codings {
			checkSound(t, filepath.Ext(p), s, c.ext)
		}
	}
}

func TestRecordingOfACataloguePromptWins(t *testing.T) {
	command, _ := fakeVoice(t)
	recordings := t.TempDir()
	l := open(t, Options{Engine: "command", Command: command, Recordings: recordings})
	spoken, err := l.System(t.Context(), "goodbye", "fr")
	if err != nil {
		t.Fatal(err)
	}
	place := func(d time.Duration) {
		data, err := os.ReadFile(writeWAV(t, 8000, 1, tone(8000, 300, 0.2, d)))
		if err == nil {
			err = os.MkdirAll(filepath.Join(recordings, "fr"), 0o755)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(recordings, "fr", "goodbye.wav"), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	last := spoken
	for _, d := range []time.Duration{time.Second, 2 * time.Second} {
		place(d)
		s, err := l.System(t.Context(), "goodbye", "fr")
		if err != nil || s.Path == last.Path || s.Duration < d || s.Duration > d+400*time.Millisecond || s.Text != spoken.Text {
			t.Fatalf("with a recording of %s: %+v, %v", d, s, err)
		}
		last = s
	}
	if s, err := l.System(t.Context(), "goodbye", "en"); err != nil || s.Path == last.Path {
		t.Errorf("the French recording is used in English: %v, %v", s, err)
	}
	// A recording that breaks later leaves what was heard before.
	if err := os.WriteFile(filepath.Join(recordings, "fr", "goodbye.wav"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := l.System(t.Context(), "goodbye", "fr"); err != nil || s != last {
		t.Errorf("after the recording broke: %v, %v", s, err)
	}
	if err := os.Remove(filepath.Join(recordings, "fr", "goodbye.wav")); err != nil {
		t.Fatal(err)
	}
	if s, err := l.System(t.Context(), "goodbye", "fr"); err != nil || s != spoken {
		t.Errorf("after the recording was taken away: %v, %v", s, err)
	}
}

func TestRecordingThatCannotServeIsRefusedWithItsReason(t *testing.T) {
	realEngines(t)
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	l := open(t, Options{Engine: "none"})
	for path, want := range map[string]string{
		filepath.Join(dir, "missing.wav"):        "no such file",
		dir:                                      "not a file",
		file("empty.wav", ""):                    "empty",
		writeWAV(t, 8000, 1, nil):                "empty",
		silentWAV(t):                             "silent",
		longWAV(t):                               "5m1s, more than the 5m0s",
		file("rubbish.wav", "this is not sound"): "sox cannot read",
		file("list.m3u", "/etc/passwd\n"):        "taken as .wav",
		file("cut.wav", "RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00"): "sox cannot read",
	} {
		_, err := l.Recording(t.Context(), "welcome", "fr", path)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want %q in it", filepath.Base(path), err, want)
		}
	}
	if files, _ := filepath.Glob(filepath.Join(l.files.dir, "*", "*")); len(files) != 0 {
		t.Errorf("files were made: %v", files)
	}
}

func FuzzWAVOfAnyBytesIsReadOrRefused(f *testing.F) {
	f.Add([]byte("RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00data\x04\x00\x00\x00\x01\x02\x03\x04"))
	f.Add([]byte("RIFF\xff\xff\xff\xffWAVEdata\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := parseWAV(data)
		if err == nil && (p.rate < 4000 || len(p.samples) > len(data)) {
			t.Errorf("rate %d, %d samples", p.rate, len(p.samples))
		}
	})
}

// Recordings come as people have them: WAV, MP3 and OGG say the same.
func TestRecordingsAreReadInTheFormatsThatPeopleHave(t *testing.T) {
	dir := t.TempDir()
	lib, err := Open(Options{Dir: filepath.Join(dir, "sounds")})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.wav", "a.mp3", "a.ogg"} {
		path := filepath.Join(dir, name)
		if out, err := exec.CommandContext(t.Context(), "sox", "-n", "-r", "44100", path, "synth", "2", "sine", "440", "gain", "-20").CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		s, err := lib.Recording(t.Context(), name, "fr", path)
		if err != nil || s.Duration < 1900*time.Millisecond || s.Duration > 2500*time.Millisecond {
			t.Errorf("%s lasts %s: %v", name, s.Duration, err)
		}
	}
}

// stubs makes a folder with the named programs of this machine, and scripts of ours.
func stubs(t *testing.T, real string, ours map[string]string) string {
	t.Helper()
	bin := t.TempDir()
	for _, name := range strings.Fields(real) {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	for name, body := range ours {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return bin
}

func TestInstallScriptSaysWhatItDidOrWhyNot(t *testing.T) {
	const tools = "sh mktemp rm awk sed tail grep chmod cat find mkdir dirname"
	aptWithoutPico := `case "$*" in *indextargets*) ;; *libttspico*) echo "E: Unable to locate package" >&2; exit 100;; esac`
	for name, c := range map[string]struct {
		bin  string
		exit int
		says string
	}{
		"no apt-get": {stubs(t, tools, nil), 1, "lacks"},
		"no root":    {stubs(t, tools, map[string]string{"id": "echo 1000", "apt-get": "exit 9"}), 1, "root is needed"},
		"no network": {stubs(t, tools, map[string]string{
			"id": "echo 0", "apt-cache": "exit 0",
			"apt-get": "echo 'E: Temporary failure resolving' >&2; exit 100",
		}), 1, "Temporary failure resolving"},
		"no Pico on the mirror": {stubs(t, tools, map[string]string{
			"id": "echo 0", "espeak-ng": "exit 0", "sox": "echo flac mp3 wav", "apt-cache": "exit 0", "apt-get": aptWithoutPico,
		}), 0, "spoken by espeak-ng"},
		"all there": {stubs(t, tools, map[string]string{
			"espeak-ng": "exit 0", "sox": "echo flac mp3 wav", "pico2wave": `echo x >"$4"`,
		}), 0, "ready: SVOX Pico"},
		"sox does not read MP3": {stubs(t, tools, map[string]string{
			"id": "echo 1000", "espeak-ng": "exit 0", "sox": "echo flac wav", "apt-get": "exit 9",
		}), 1, "root is needed to install"},
		"no root, and espeak-ng is there": {stubs(t, tools, map[string]string{
			"id": "echo 1000", "espeak-ng": "exit 0", "sox": "echo flac mp3 wav", "apt-get": "exit 9",
		}), 0, "root is needed"},
	} {
		cmd := exec.CommandContext(t.Context(), "/bin/sh", "./install-voices.sh")
		cmd.Env = []string{"PATH=" + c.bin, "HOME=" + t.TempDir()}
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil {
			t.Fatal(err)
		}
		if code := cmd.ProcessState.ExitCode(); code != c.exit || !strings.Contains(string(out), c.says) {
			t.Errorf("%s: exit %d, want %d, and %q in:\n%s", name, code, c.exit, c.says, out)
		}
	}
}

func TestInstallScriptDoesNotAskForPicoAtEveryStart(t *testing.T) {
	asked := filepath.Join(t.TempDir(), "asked")
	bin := stubs(t, "sh mktemp rm awk sed tail grep chmod cat find mkdir dirname", map[string]string{
		"id": "echo 0", "espeak-ng": "exit 0", "sox": "echo flac mp3 wav", "apt-cache": "exit 0",
		"apt-get": "echo x >>" + asked + "; exit 100",
	})
	home := t.TempDir()
	run := func(args ...string) int {
		_ = os.Remove(asked)
		cmd := exec.CommandContext(t.Context(), "/bin/sh", append([]string{"./install-voices.sh"}, args...)...)
		cmd.Env = []string{"PATH=" + bin, "HOME=" + home}
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "espeak-ng") {
			t.Fatalf("%v:\n%s", err, out)
		}
		calls, _ := os.ReadFile(asked)
		return len(calls)
	}
	if first, second, again := run(), run(), run("--again"); first == 0 || second != 0 || again == 0 {
		t.Errorf("apt-get was asked %d, %d and %d times", first, second, again)
	}
}
