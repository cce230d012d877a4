package speech

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"decroche/call"
)

// version is part of every key: change it when the processing changes what is heard.
const version = "1"

// The codings of a sound, one file each. All three take 8,000 bytes a second.
var codings = []struct {
	ext    string
	encode func(prepared) []byte
}{
	{".alaw", func(p prepared) []byte { return encodeAlaw(p.narrow) }},
	{".ulaw", func(p prepared) []byte { return encodeUlaw(p.narrow) }},
	{".g722", func(p prepared) []byte { return encodeG722(p.wide) }},
}

const bytesPerSecond = 8000

// folder holds the sound files. A set of files is never changed once complete: it is
// used as it is, or made again when part of it is gone.
type folder struct {
	dir string
	// write writes a new file; tests stand a full disk in.
	write func(f *os.File, data []byte) (int, error)
}

// file is a set of ready-coded files.
type file struct {
	base     string // path without extension
	duration time.Duration
	voice    string // who says it; "" for a recording
}

func key(parts ...string) string {
	h := sha256.New()
	for _, p := range append([]string{version}, parts...) {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func (f *folder) base(lang call.Lang, key string) string {
	return filepath.Join(f.dir, string(lang), key)
}

// find returns the set of a base, or false when it is not complete.
func (f *folder) find(base string) (file, bool) {
	size := int64(0)
	for i, c := range codings {
		st, err := os.Stat(base + c.ext)
		if err != nil || st.Size() == 0 || !st.Mode().IsRegular() || (i > 0 && st.Size() != size) {
			return file{}, false
		}
		size = st.Size()
	}
	return file{base: base, duration: time.Duration(size) * time.Second / bytesPerSecond}, true
}

// put writes a set, unless another process has completed it meanwhile: then that one
// stands, for it may be playing.
func (f *folder) put(base string, p prepared) (file, error) {
	if err := mkdir(filepath.Dir(base)); err != nil {
		return file{}, fullDisk(f.dir, fmt.Errorf("make the folder of sounds: %w", err))
	}
	var temps []string
	defer func() {
		for _, t := range temps {
			_ = os.Remove(t)
		}
	}()
	for _, c := range codings {
		t, err := f.temp(base, c.encode(p))
		if t != "" {
			temps = append(temps, t)
		}
		if err != nil {
			return file{}, err
		}
	}
	unlock, err := f.lock()
	if err != nil {
		return file{}, fullDisk(f.dir, err)
	}
	defer unlock()
	if found, ok := f.find(base); ok {
		return found, nil
	}
	for i, c := range codings {
		if err := os.Rename(temps[i], base+c.ext); err != nil {
			return file{}, fmt.Errorf("put a sound file in place: %w", err)
		}
	}
	found, ok := f.find(base)
	if !ok {
		return file{}, fmt.Errorf("sound files %s.* are not whole after they were written", base)
	}
	return found, nil
}

// temp writes a file beside its final place; its name is returned for removal even when it fails.
func (f *folder) temp(base string, data []byte) (string, error) {
	t, err := os.CreateTemp(filepath.Dir(base), tempPrefix+"*")
	if err != nil {
		return "", fullDisk(f.dir, fmt.Errorf("create a sound file: %w", err))
	}
	_, err = f.write(t, data)
	// Asterisk runs as another user, whatever our umask.
	err = errors.Join(err, t.Chmod(0o644), t.Close())
	if err != nil {
		err = fullDisk(f.dir, fmt.Errorf("write a sound file: %w", err))
	}
	return t.Name(), err
}

const tempPrefix = ".new-"

// lock keeps other processes from putting files in place at the same time.
func (f *folder) lock() (unlock func(), err error) {
	l, err := os.OpenFile(filepath.Join(f.dir, ".lock"), os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock the folder of sounds: %w", err)
	}
	for {
		err = syscall.Flock(int(l.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("lock the folder of sounds: %w", err)
	}
	return func() { _ = l.Close() }, nil
}

// sweep removes what a killed process left behind.
func (f *folder) sweep(now time.Time) {
	left, _ := filepath.Glob(filepath.Join(f.dir, "*", tempPrefix+"*"))
	for _, path := range left {
		if st, err := os.Stat(path); err == nil && now.Sub(st.ModTime()) > time.Hour {
			_ = os.Remove(path)
		}
	}
}

// mkdir makes a folder and its parents readable by all, whatever the umask; it leaves
// alone those that exist.
func mkdir(dir string) error {
	if st, err := os.Stat(dir); err == nil {
		if !st.IsDir() {
			return fmt.Errorf("%s is not a folder", dir)
		}
		return nil
	}
	if parent := filepath.Dir(dir); parent != dir {
		if err := mkdir(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		if errors.Is(err, os.ErrExist) {
			return nil
		}
		return err
	}
	return os.Chmod(dir, 0o755)
}

func fullDisk(dir string, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("the disk that holds %s is full, free some space: %w", dir, err)
	}
	return err
}

// copyFile puts a copy of a file in place at once; it leaves a same one alone.
func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return replaceFile(to, data)
}

func replaceFile(to string, data []byte) error {
	if old, err := os.ReadFile(to); err == nil && bytes.Equal(old, data) {
		return nil
	}
	f := &folder{dir: filepath.Dir(to), write: (*os.File).Write}
	t, err := f.temp(to, data)
	if err == nil {
		err = os.Rename(t, to)
	}
	if err != nil && t != "" {
		_ = os.Remove(t)
	}
	return err
}

// hashFile gives the hash of a file's bytes, read up to limit.
func hashFile(path string, limit int64) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if n, err := io.Copy(h, io.LimitReader(f, limit+1)); err != nil {
		return "", err
	} else if n > limit {
		return "", fmt.Errorf("%s is larger than %d MB", path, limit>>20)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// plainName holds ids of prompts to what is safe in a file name.
func plainName(id string) bool {
	return id != "" && !strings.ContainsAny(id, "/\\\x00") && !strings.HasPrefix(id, ".")
}
