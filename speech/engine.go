package speech

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"decroche/call"
)

// ErrNoVoice is returned when nothing on this machine can speak a language.
var ErrNoVoice = errors.New("no voice")

// errEngine wraps failures of one engine, where another may do better.
var errEngine = errors.New("the synthesis failed")

// renderTimeout bounds one run of an engine: a hung program costs a prompt, not the line.
const renderTimeout = 60 * time.Second

// An engine turns a clean text (see spoken) into a WAV file.
type engine struct {
	// id is part of the key of what it renders: another engine or voice, another file.
	id string
	// installed is false for an engine that is not here; its files from elsewhere still serve.
	installed bool
	// voices maps the languages it speaks to its own names for them; nil: any language.
	voices map[call.Lang]string
	run    func(ctx context.Context, voice, text, out string) error
}

func (e *engine) voice(lang call.Lang) (string, bool) {
	if e.voices == nil {
		return string(lang), true
	}
	v, ok := e.voices[lang]
	return v, ok
}

// engines lists the engines to try in order.
func engines(name string, command []string) ([]*engine, error) {
	switch name {
	case "", "auto":
		p, e := pico(), espeak()
		p.installed, e.installed = installed("pico2wave"), installed("espeak-ng")
		return []*engine{p, e}, nil
	case "pico":
		return need("pico2wave", pico())
	case "espeak-ng":
		return need("espeak-ng", espeak())
	case "command":
		if len(command) == 0 || !slices.ContainsFunc(command, func(a string) bool { return strings.Contains(a, "{out}") }) {
			return nil, errors.New(`engine "command" needs a command that writes a WAV file to {out}, as in ["prog", "{lang}", "{out}"]; the text comes on its standard input`)
		}
		return need(command[0], fromCommand(command))
	case "none":
		return nil, nil
	default:
		return nil, fmt.Errorf("engine %q is not known: write auto, pico, espeak-ng, command or none", name)
	}
}

func installed(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

func need(program string, e *engine) ([]*engine, error) {
	if !installed(program) {
		return nil, fmt.Errorf("engine %s needs the program %s, which is not installed: speech/install-voices.sh installs Pico and espeak-ng", e.name(), program)
	}
	e.installed = true
	return []*engine{e}, nil
}

func pico() *engine {
	return &engine{
		id:     "pico",
		voices: map[call.Lang]string{"fr": "fr-FR", "en": "en-GB", "es": "es-ES", "de": "de-DE", "it": "it-IT"},
		run: func(ctx context.Context, voice, text, out string) error {
			// Everything after "--" is text, whatever it starts with.
			return runEngine(ctx, "", "pico2wave", "-l", voice, "-w", out, "--", text)
		},
	}
}

func espeak() *engine {
	return &engine{
		id:     "espeak-ng",
		voices: map[call.Lang]string{"fr": "fr-fr", "en": "en-gb", "es": "es", "de": "de", "it": "it"},
		run: func(ctx context.Context, voice, text, out string) error {
			return runEngine(ctx, text, "espeak-ng", "-v", voice, "-s", "150", "-w", out, "--stdin")
		},
	}
}

func fromCommand(command []string) *engine {
	return &engine{
		id: "command " + strings.Join(command, "\x00"),
		run: func(ctx context.Context, voice, text, out string) error {
			args := make([]string, len(command))
			for i, a := range command {
				args[i] = strings.NewReplacer("{lang}", voice, "{out}", out).Replace(a)
			}
			return runEngine(ctx, text, args[0], args[1:]...)
		},
	}
}

func runEngine(ctx context.Context, stdin, program string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, renderTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.WaitDelay = time.Second
	cmd.Stdin = strings.NewReader(stdin)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return fmt.Errorf("run %s: %w%s", program, err, firstWords(said.Bytes()))
	}
	return nil
}

func firstWords(out []byte) string {
	s := strings.Join(strings.Fields(string(out)), " ")
	if s == "" {
		return ""
	}
	if len(s) > 200 {
		s = strings.ToValidUTF8(s[:200], "") + "…"
	}
	return ": " + s
}

// synthesise speaks a clean text and returns it ready for coding.
func (e *engine) synthesise(ctx context.Context, voice, text string) (prepared, error) {
	dir, err := os.MkdirTemp("", "decroche-speech-")
	if err != nil {
		return prepared{}, fmt.Errorf("make a folder for the synthesis: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	out := filepath.Join(dir, "out.wav")
	if err := e.run(ctx, voice, text, out); err != nil {
		return prepared{}, fmt.Errorf("%w: %w", errEngine, err)
	}
	sound, err := readSound(ctx, out)
	if err != nil {
		return prepared{}, fmt.Errorf("%w: what %s wrote cannot be read: %w", errEngine, e.name(), err)
	}
	p, err := prepareSpeech(sound)
	if err != nil {
		return prepared{}, fmt.Errorf("%w: %s: %w", errEngine, e.name(), err)
	}
	return p, nil
}

// name is the engine's id as an error or a log shows it.
func (e *engine) name() string {
	name, _, _ := strings.Cut(e.id, "\x00")
	return name
}

// called is the engine's voice as people are told of it: "pico fr-FR".
func (e *engine) called(voice string) string {
	return filepath.Base(strings.TrimPrefix(e.name(), "command ")) + " " + voice
}

// langForm holds languages to what is safe in a folder's name and in an argument.
var langForm = regexp.MustCompile(`^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$`)
