// Package speech makes what is said: the catalogue of the line's own prompts per
// language, synthesis, recordings, and the sound files Asterisk plays.
//
// A Library owns a folder. A sound is three files beside each other, .alaw, .ulaw and
// .g722, named by the hash of what made them (text, engine, voice, processing, or the
// recording's bytes): <Dir>/<lang>/<32 hex digits>. A file set that is whole is never
// changed, so an edit never cuts a prompt that plays; one that is not whole (deleted,
// or torn by a power cut) is made again at the next use. Several processes may share a
// folder: files are renamed into place under a lock, and the first to come stands.
//
// A service's own words for a prompt of the catalogue come here as a text or a recording of theirs. Without
// them, what wins, in order: a recording in <Recordings>/<lang>/<id>.wav (catalogue prompts
// only), the first engine that speaks the language, the next engine when that fails.
//
// A failure renders nothing and changes nothing: the error says what to mend, and the
// prompts that were rendered go on being served. Sentences whose values are filled in when
// they are said (days, hours) are kept under <Dir>/said while they are in use. Library has no goroutine of its own;
// the caller who first wants a sound renders it, others who want the same one wait.
package speech

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"decroche/call"

	"golang.org/x/sync/errgroup"
)

// Options say where a Library keeps its sounds and who speaks.
type Options struct {
	// Dir is the folder of the sound files; it is made if need be, readable by all, and
	// must be at the same path for Asterisk.
	Dir string
	// Recordings, if set, holds recordings of catalogue prompts: <lang>/<id>.wav.
	Recordings string
	// Engine is "auto" (or ""), "pico", "espeak-ng", "command" or "none" (recordings only).
	// "auto" is Pico, then espeak-ng.
	Engine string
	// Command is the program of engine "command" and its arguments, {lang} and {out}
	// replaced. The text comes on its standard input; it writes a WAV file to {out}.
	Command []string
	// Log takes what an operator should know; nil: slog.Default().
	Log *slog.Logger
	// Langs are the languages RenderSystem renders; none: all of the catalogue.
	Langs []call.Lang
}

// recheck is how long a sound found on disk is taken to be still there.
const recheck = 2 * time.Second

// Library gives sounds. Its methods may be called from any goroutine.
type Library struct {
	files      folder
	said       folder // sentences with their values, for as long as they are in use
	recordings string
	engines    []*engine
	log        *slog.Logger
	langs      []call.Lang
	recheck    time.Duration
	started    time.Time
	// slots bounds the renderings that run at once.
	slots chan struct{}

	mu      sync.RWMutex
	cache   map[cacheKey]cached
	flights map[string]chan struct{}
	stamps  map[string]stamp
	swept   time.Time // when said was
}

type cacheKey struct {
	kind byte // 's' catalogue, 't' text, 'r' recording
	lang call.Lang
	what string // id, text or path
}

type cached struct {
	file
	checked time.Duration // since started
}

// Open readies the folder and the engines. It fails when the folder cannot be written,
// when a named engine is not installed, and when a language is not one of the catalogue.
func Open(opts Options) (*Library, error) {
	if opts.Dir == "" {
		return nil, errors.New("open the sounds: no folder is given")
	}
	dir, err := filepath.Abs(opts.Dir)
	if err != nil {
		return nil, fmt.Errorf("open the sounds: %w", err)
	}
	engines, err := engines(opts.Engine, opts.Command)
	if err != nil {
		return nil, fmt.Errorf("open the sounds: %w", err)
	}
	if _, err := catalogues(); err != nil {
		return nil, fmt.Errorf("open the sounds: %w", err)
	}
	l := &Library{
		files:      folder{dir: dir, write: (*os.File).Write},
		said:       folder{dir: filepath.Join(dir, "said"), write: (*os.File).Write},
		recordings: opts.Recordings,
		engines:    engines,
		log:        opts.Log,
		langs:      opts.Langs,
		recheck:    recheck,
		started:    time.Now(),
		slots:      make(chan struct{}, 2),
		cache:      map[cacheKey]cached{},
		flights:    map[string]chan struct{}{},
		stamps:     map[string]stamp{},
	}
	if l.log == nil {
		l.log = slog.Default()
	}
	if len(l.langs) == 0 {
		l.langs = Langs()
	}
	if err := l.checkLangs(); err != nil {
		return nil, fmt.Errorf("open the sounds: %w", err)
	}
	if err := l.checkFolder(); err != nil {
		return nil, fmt.Errorf("open the sounds: %w", err)
	}
	l.files.sweep(time.Now())
	return l, nil
}

func (l *Library) checkLangs() error {
	for _, lang := range l.langs {
		if !slices.Contains(Langs(), lang) {
			return fmt.Errorf("the catalogue has no language %q: it has %v", lang, Langs())
		}
		speaks := func(e *engine) bool { _, ok := e.voice(lang); return ok && e.installed }
		if !slices.ContainsFunc(l.engines, speaks) {
			l.log.Warn("nothing here speaks a language; only recordings and prompts rendered earlier will be heard",
				"lang", lang, "mend", "run speech/install-voices.sh")
		}
	}
	return nil
}

func (l *Library) checkFolder() error {
	if err := mkdir(l.files.dir); err != nil {
		return fmt.Errorf("make the folder of sounds: %w", err)
	}
	unlock, err := l.files.lock()
	if err != nil {
		return err
	}
	unlock()
	return nil
}

// System gives a prompt of the catalogue, rendered if need be. Found before, it costs
// under a microsecond; every two seconds its files are looked at again.
func (l *Library) System(ctx context.Context, id string, lang call.Lang) (call.Sound, error) {
	text, err := SystemText(id, lang)
	if err != nil {
		return call.Sound{}, err
	}
	k := cacheKey{'s', lang, id}
	f, ok := l.fresh(k)
	if !ok {
		if path, recorded := l.recordingOf(id, lang); recorded {
			f, err = l.code(ctx, lang, path)
		} else {
			f, err = l.speak(ctx, &l.files, lang, text)
		}
		if f, err = l.keep(ctx, k, f, err); err != nil {
			return call.Sound{}, fmt.Errorf("render prompt %q in language %q: %w", id, lang, err)
		}
	}
	return call.Sound{Path: f.base, Name: id, Lang: lang, Text: text, Duration: f.duration, Voice: f.voice}, nil
}

// Text gives any text as a sound, up to MaxText characters; name is what logs and
// journals call it. The same text in the same language is one set of files. It returns
// ErrNothingToSay for a text without a letter or a digit, and ErrNoVoice.
func (l *Library) Text(ctx context.Context, name string, lang call.Lang, text string) (call.Sound, error) {
	k := cacheKey{'t', lang, text}
	f, ok := l.fresh(k)
	if !ok {
		var err error
		f, err = l.speak(ctx, &l.files, lang, text)
		if f, err = l.keep(ctx, k, f, err); err != nil {
			return call.Sound{}, fmt.Errorf("render %q in language %q: %w", name, lang, err)
		}
	}
	return call.Sound{Path: f.base, Name: name, Lang: lang, Text: text, Duration: f.duration, Voice: f.voice}, nil
}

// Recording gives an operator's recording as a sound, trimmed, levelled and coded.
// WAV files of 16 bits are read here; other WAV files, FLAC, Ogg, AIFF, AU, GSM and
// MP3 are read by sox where it is installed. A recording that is empty, silent or longer
// than MaxRecording is refused.
func (l *Library) Recording(ctx context.Context, name string, lang call.Lang, path string) (call.Sound, error) {
	k := cacheKey{'r', lang, path}
	f, ok := l.fresh(k)
	if !ok {
		var err error
		f, err = l.code(ctx, lang, path)
		if f, err = l.keep(ctx, k, f, err); err != nil {
			return call.Sound{}, fmt.Errorf("take recording %s for %q in language %q: %w", path, name, lang, err)
		}
	}
	return call.Sound{Path: f.base, Name: name, Lang: lang, Duration: f.duration}, nil
}

// RenderSystem renders the catalogue in the languages of Options.Langs, and stops at
// the first failure. progress, if not nil, is called by one goroutine at a time.
func (l *Library) RenderSystem(ctx context.Context, progress func(done, total int)) error {
	type prompt struct {
		id   string
		lang call.Lang
	}
	var todo []prompt
	for _, lang := range l.langs {
		for _, id := range IDs(lang) {
			todo = append(todo, prompt{id, lang})
		}
	}
	var mu sync.Mutex
	done := 0
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(cap(l.slots))
	for _, p := range todo {
		group.Go(func() error {
			if err := context.Cause(ctx); err != nil {
				return err
			}
			if _, err := l.System(ctx, p.id, p.lang); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			done++
			if progress != nil {
				progress(done, len(todo))
			}
			return nil
		})
	}
	return group.Wait()
}

// Export copies a sound to dest.alaw, dest.ulaw and dest.g722, for a dialplan that plays it by
// a fixed name. Each file is replaced at once.
func Export(s call.Sound, dest string) error {
	if err := mkdir(filepath.Dir(dest)); err != nil {
		return fmt.Errorf("export prompt %q: %w", s.Name, err)
	}
	for _, c := range codings {
		if err := copyFile(s.Path+c.ext, dest+c.ext); err != nil {
			return fmt.Errorf("export prompt %q: %w", s.Name, err)
		}
	}
	return nil
}

// Exported tells whether a sound is there under a fixed name.
func Exported(dest string) bool {
	_, whole := (&folder{}).find(dest)
	return whole
}

func (l *Library) fresh(k cacheKey) (file, bool) {
	l.mu.RLock()
	c, ok := l.cache[k]
	l.mu.RUnlock()
	return c.file, ok && time.Since(l.started)-c.checked < l.recheck
}

// keep remembers what a look-up gave. Where it failed and the sound heard before is
// still whole (its recording was taken away, the disk is full), that one goes on.
func (l *Library) keep(ctx context.Context, k cacheKey, f file, err error) (file, error) {
	if err != nil {
		l.mu.RLock()
		before, known := l.cache[k]
		l.mu.RUnlock()
		still, whole := file{}, false
		if known && ctx.Err() == nil {
			still, whole = l.files.find(before.base)
		}
		if !whole {
			return file{}, err
		}
		l.log.Warn("a sound cannot be made anew; the one rendered before is used", "lang", k.lang, "err", err)
		f, f.voice = still, before.voice
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cache[k] = cached{f, time.Since(l.started)}
	return f, nil
}

// speak gives the file of a text, in a folder of sounds, by the first engine that can.
func (l *Library) speak(ctx context.Context, in *folder, lang call.Lang, text string) (file, error) {
	if !langForm.MatchString(string(lang)) {
		return file{}, fmt.Errorf("%q is not a language as BCP 47 writes it", lang)
	}
	clean, err := spoken(text, lang)
	if err != nil {
		return file{}, err
	}
	var failed []error
	for _, e := range l.engines {
		voice, ok := e.voice(lang)
		if !ok {
			continue
		}
		base := in.base(lang, key("text", e.id, voice, clean))
		f, err := l.once(ctx, in, base, e.installed, func() (prepared, error) { return e.synthesise(ctx, voice, clean) })
		switch {
		case err == nil && f.base != "":
			f.voice = e.called(voice)
			return f, nil
		case err == nil:
			continue
		case ctx.Err() != nil || !errors.Is(err, errEngine):
			// Another engine would not help.
			return file{}, err
		}
		l.log.Warn("an engine failed", "engine", e.name(), "lang", lang, "err", err)
		failed = append(failed, err)
	}
	if len(failed) > 0 {
		return file{}, errors.Join(failed...)
	}
	return file{}, fmt.Errorf("%w for language %q: run speech/install-voices.sh, or bring a recording", ErrNoVoice, lang)
}

// once gives the file of a base: found on disk, or made by one caller while the others
// wait. It gives no file and no error when there is none and make may not be called.
func (l *Library) once(ctx context.Context, in *folder, base string, may bool, make func() (prepared, error)) (file, error) {
	for {
		if f, ok := in.find(base); ok {
			return f, nil
		}
		if !may {
			return file{}, nil
		}
		wait, leave := l.join(base)
		if wait == nil {
			f, err := l.render(ctx, in, base, make)
			leave()
			return f, err
		}
		select {
		case <-wait:
			// Found on disk now, or its maker failed: then it is this caller's turn.
		case <-ctx.Done():
			return file{}, context.Cause(ctx)
		}
	}
}

// join says whom to wait for, or that the caller is the one who makes the file.
func (l *Library) join(base string) (wait <-chan struct{}, leave func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if flight, ok := l.flights[base]; ok {
		return flight, nil
	}
	flight := make(chan struct{})
	l.flights[base] = flight
	return nil, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.flights, base)
		close(flight)
	}
}

func (l *Library) render(ctx context.Context, in *folder, base string, make func() (prepared, error)) (file, error) {
	select {
	case l.slots <- struct{}{}:
		defer func() { <-l.slots }()
	case <-ctx.Done():
		return file{}, context.Cause(ctx)
	}
	p, err := make()
	if err != nil {
		return file{}, err
	}
	return in.put(base, p)
}

// recordingOf finds the recording of a catalogue prompt.
func (l *Library) recordingOf(id string, lang call.Lang) (string, bool) {
	if l.recordings == "" || !plainName(id) || !langForm.MatchString(string(lang)) {
		return "", false
	}
	path := filepath.Join(l.recordings, string(lang), id+".wav")
	st, err := os.Stat(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		l.log.Warn("a recording cannot be looked at", "path", path, "err", err)
	}
	return path, err == nil && !st.IsDir()
}
