package speech

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"decroche/call"
)

// maxRecordingBytes bounds what is read into memory: five minutes at 48 kHz, stereo, 24 bits.
const maxRecordingBytes = 96 << 20

// recordingForms are the forms of recordings that are taken. Lists of files (.m3u, .pls),
// which sox would follow, are not among them.
var recordingForms = []string{".wav", ".flac", ".ogg", ".aif", ".aiff", ".au", ".gsm", ".mp3"}

// stamp is the hash of a file that looked like this.
type stamp struct {
	size    int64
	changed time.Time
	hash    string
}

// code gives the file of a recording, by its bytes.
func (l *Library) code(ctx context.Context, lang call.Lang, path string) (file, error) {
	if !langForm.MatchString(string(lang)) {
		return file{}, fmt.Errorf("%q is not a language as BCP 47 writes it", lang)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return file{}, err
	}
	hash, err := l.hash(path)
	if err != nil {
		return file{}, err
	}
	base := l.files.base(lang, key("recording", hash))
	return l.once(ctx, &l.files, base, true, func() (prepared, error) {
		sound, err := readSound(ctx, path)
		if err != nil {
			return prepared{}, err
		}
		return prepareSpeech(sound)
	})
}

// hash gives the hash of a file's bytes, read again only when the file has changed.
func (l *Library) hash(path string) (string, error) {
	st, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("read the recording: %w", err)
	}
	if !st.Mode().IsRegular() {
		return "", errors.New("it is not a file")
	}
	if !slices.Contains(recordingForms, strings.ToLower(filepath.Ext(path))) {
		return "", fmt.Errorf("recordings are taken as %s", strings.Join(recordingForms, " "))
	}
	l.mu.RLock()
	known := l.stamps[path]
	l.mu.RUnlock()
	if known.hash != "" && known.size == st.Size() && known.changed.Equal(st.ModTime()) {
		return known.hash, nil
	}
	hash, err := hashFile(path, maxRecordingBytes)
	if err != nil {
		return "", fmt.Errorf("read the recording: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stamps[path] = stamp{st.Size(), st.ModTime(), hash}
	return hash, nil
}

// readSound reads a sound file of up to MaxRecording: plain WAV here, the rest by sox.
func readSound(ctx context.Context, path string) (pcm, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return pcm{}, fmt.Errorf("read the sound: %w", err)
	}
	if len(data) == 0 {
		return pcm{}, errEmpty
	}
	sound, err := parseWAV(data)
	if errors.Is(err, errWAVForm) {
		sound, err = soxRead(ctx, path)
	}
	if err != nil {
		return pcm{}, err
	}
	if len(sound.samples) == 0 {
		return pcm{}, errEmpty
	}
	return sound, tooLong(sound)
}

// soxRead has sox read a file. The path is absolute: a name that begins with "|" or
// "-" would be more than a name to sox.
func soxRead(ctx context.Context, path string) (pcm, error) {
	if !installed("sox") {
		return pcm{}, fmt.Errorf("%w, and sox, which would read other forms, is not installed: run speech/install-voices.sh", errWAVForm)
	}
	ctx, cancel := context.WithTimeout(ctx, renderTimeout)
	defer cancel()
	limit := fmt.Sprintf("%d", int(MaxRecording.Seconds())+1)
	cmd := exec.CommandContext(ctx, "sox", "--no-glob", path, "-t", "wav", "-e", "signed-integer", "-b", "16", "-c", "1", "-r", "16000", "-", "trim", "0", limit)
	cmd.WaitDelay = time.Second
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return pcm{}, fmt.Errorf("sox cannot read the sound: %w%s", err, firstWords(said.Bytes()))
	}
	return parseWAV(out.Bytes())
}
