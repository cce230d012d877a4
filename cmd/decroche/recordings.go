package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"decroche/call"
	"decroche/ivr"
	"decroche/service"
	"decroche/studio"
	"decroche/web/admin"
)

// assembleStudio makes what answers the private number.
func (s *server) assembleStudio() {
	number, err := call.ParseNumber(s.c.Web.Admin.Recorder)
	if err != nil { // it was checked
		number = call.Withheld
	}
	v := voice{s.lib, s}
	s.studio = &studio.Office{
		Number: number, Log: s.log,
		Keep: func(ctx context.Context, wav []byte) (string, call.Sound, error) {
			name, err := s.keepMessageSound(ctx, ".wav", wav)
			if errors.Is(err, admin.ErrSound) {
				return "", call.Sound{}, fmt.Errorf("%w: %w", studio.ErrUnfit, err)
			}
			if err != nil {
				return "", call.Sound{}, err
			}
			sound, err := v.Phrase(ctx, "message", "fr", service.Phrase{Recording: ivr.MessageRecording + name})
			return name, sound, err
		},
		Prompts: func(ctx context.Context, ids ...string) (sounds []call.Sound) {
			for _, id := range ids {
				sound, err := s.prompt(ctx, id, "fr")
				if err != nil {
					s.log.Error("a prompt cannot be said and is left out", "prompt", id, "err", err)
					continue
				}
				sounds = append(sounds, sound)
			}
			return sounds
		},
	}
}

// recording tells whether a call is for the private number, where messages are recorded.
func (s *server) recording(c call.Call) (call.Recorder, bool) {
	room, ok := c.(call.Recorder)
	info := c.Info()
	return room, ok && !info.Outgoing && info.To == s.studio.Number && s.studio.Number != call.Withheld
}

// record answers the private number. The call is no contact: the journal does not know it.
func (s *server) record(ctx context.Context, c call.Recorder) {
	id := c.Info().ID
	if err := s.studio.Answer(ctx, c); err != nil && context.Cause(ctx) == nil {
		s.log.Error("a recording by telephone ended early", "call", id, "err", err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := c.Hangup(ctx); err != nil {
		s.log.Warn("a call to record a message could not be ended", "call", id, "err", err)
	}
}

// longestMessage is how long the recording of an incident message may be.
const longestMessage = studio.Longest

// keepMessageSound keeps a recording for incident messages, in the database, where every node finds
// it, and gives its name. What cannot be said is refused, and what lasts too long.
func (s *server) keepMessageSound(ctx context.Context, ext string, data []byte) (string, error) {
	return s.keepSound(ctx, ext, data, longestMessage)
}

func (s *server) keepSound(ctx context.Context, ext string, data []byte, longest time.Duration) (string, error) {
	sum := sha256.Sum256(data)
	name := hex.EncodeToString(sum[:16]) + ext
	path, err := s.writeMessageSound(name, data)
	if err != nil {
		return "", err
	}
	sound, err := s.lib.Recording(ctx, "message", "fr", path)
	if err == nil && sound.Duration > longest {
		err = fmt.Errorf("it lasts %s: %s at most", sound.Duration.Round(time.Second), longest)
	}
	if err != nil {
		return "", errors.Join(fmt.Errorf("%w: %w", admin.ErrSound, err), os.Remove(path))
	}
	return name, s.db.PutBlob(ctx, soundBlob+name, data)
}

// recordings is the folder of the prompts' recordings, beside the definition.
const recordings = "enregistrements"

// keepRecording keeps the recording of a prompt beside the definition, and gives its path from there.
func (s *server) keepRecording(ctx context.Context, ext string, data []byte) (string, error) {
	sum := sha256.Sum256(data)
	name := hex.EncodeToString(sum[:16]) + ext
	path, err := writeSound(filepath.Join(filepath.Dir(s.c.Service), recordings), name, 0o755, 0o644, data)
	if err != nil {
		return "", err
	}
	if _, err := s.lib.Recording(ctx, "text", "fr", path); err != nil {
		return "", errors.Join(fmt.Errorf("%w: %w", admin.ErrSound, err), os.Remove(path))
	}
	return recordings + "/" + name, nil
}

const soundBlob = "message-sound:"

// messageSound gives the file of a recording, from the database where it is not here yet.
func (s *server) messageSound(ctx context.Context, name string) (string, error) {
	if path := filepath.Join(s.c.messageSounds(), name); filepath.Base(name) == name {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	data, ok, err := s.db.GetBlob(ctx, soundBlob+name)
	if err != nil || !ok {
		return "", errors.Join(err, fmt.Errorf("there is no recording %q", name))
	}
	return s.writeMessageSound(name, data)
}

// messageData is what is in it.
func (s *server) messageData(ctx context.Context, name string) ([]byte, error) {
	path, err := s.messageSound(ctx, name)
	if err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

// A recording of a message is kept as long as the site lists the message, 30 days after its end; one that no
// message has, for a day: somebody may be writing it.
const (
	recordingKept   = 24 * time.Hour
	recordingListed = 30 * 24 * time.Hour
)

// dropRecordings deletes the recordings of messages that are of no use any more: in the database, and the
// copies on this node, which come again from there where one is still needed.
func (s *server) dropRecordings(ctx context.Context, now time.Time) (int64, error) {
	names, err := s.db.DropRecordings(ctx, soundBlob, now.Add(-recordingKept), now.Add(-recordingListed))
	if err != nil {
		return 0, err
	}
	here, err := os.ReadDir(s.c.messageSounds())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return int64(len(names)), err
	}
	for _, f := range here {
		info, err := f.Info()
		if old := err == nil && now.Sub(info.ModTime()) > recordingListed; old || slices.Contains(names, f.Name()) {
			err = errors.Join(err, os.Remove(filepath.Join(s.c.messageSounds(), f.Name())))
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.log.Warn("an old recording of a message could not be removed", "file", f.Name(), "err", err)
		}
	}
	return int64(len(names)), nil
}

func (c *config) messageSounds() string { return filepath.Join(c.Data, "messages") }

func (s *server) writeMessageSound(name string, data []byte) (string, error) {
	return writeSound(s.c.messageSounds(), name, 0o700, 0o600, data)
}

// writeSound makes the file whole, or not at all.
func writeSound(dir, name string, dirMode, mode os.FileMode, data []byte) (string, error) {
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return "", fmt.Errorf("keep a recording: %w", err)
	}
	f, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return "", fmt.Errorf("keep a recording: %w", err)
	}
	defer os.Remove(f.Name())
	path := filepath.Join(dir, filepath.Base(name))
	_, err = f.Write(data)
	if err := errors.Join(err, f.Chmod(mode), f.Close()); err != nil {
		return "", fmt.Errorf("keep a recording: %w", err)
	}
	return path, os.Rename(f.Name(), path)
}
