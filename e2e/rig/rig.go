// Package rig runs the whole line for a test: a real Asterisk and the decroche binary as
// two processes, on free ports of loopback, with a folder of their own. Tests dial in
// with the test telephone, sign agents on, and kill what they like.
//
// Callers come from 127.0.0.2, the one trunk; agents' phones from 127.0.0.3. What a
// process wrote is shown when the test fails; a data race or a panic in the controller
// fails the test by itself.
package rig

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"decroche/call"
	"decroche/e2e/port"
	"decroche/e2e/softphone"
	"decroche/service"
	"decroche/speech"
)

// Trunk and Desk are where callers' and agents' telephones are.
const (
	Trunk   = "127.0.0.2"
	Desk    = "127.0.0.3"
	Unknown = "127.0.0.9" // an address no trunk has
	Centre  = "127.0.0.4" // a relay centre's, with Options.Relay
)

// Options change the rig from its defaults.
type Options struct {
	// Service is the text of the service definition; e2e/testdata/service.yaml by default.
	Service string
	// Config is added to the deployment's configuration.
	Config string
	// Admin is added to the keys of the administration site: ", approval: true".
	Admin string
	// Database is its URL; SQLite in the rig's folder by default.
	Database string
	// Check is how often the operator is asked whether it is there; "" for never, as citizens' telephones
	// come and go.
	Check string
	// Relay adds the trunk "relais" to a relay centre.
	Relay bool
	// NoAsterisk and NoController leave a process for the test to start.
	NoAsterisk, NoController bool
}

// Rig is one line.
type Rig struct {
	tb       testing.TB
	Dir      string // the data folder
	Config   string
	SIP, Web string // addresses
	Public   string // of the pages for citizens
	Admin    string // of the administration site
	Operator int    // port of Trunk where our calls to citizens go
	Relay    int    // port of Centre where our calls to the relay centre go
	ARI      int    // Asterisk's port for it
	Database string // its URL
	Sounds   string // the folder of the line's prompts; lines share it
	bin      string
	def      *service.Definition
	ix       *softphone.Index
	known    []softphone.Prompt // what Learn added to

	asterisk *process
	control  *process
}

// Start brings a line up and takes it down at the end of the test.
func Start(tb testing.TB, o Options) *Rig {
	tb.Helper()
	r := &Rig{tb: tb, bin: binary(tb)}
	r.Dir = dataFolder(tb)
	r.write(o)
	r.load()
	tb.Cleanup(r.stop)
	if !o.NoAsterisk {
		r.StartAsterisk()
	}
	if !o.NoController {
		r.StartController()
		if !o.NoAsterisk {
			r.WaitReady()
		}
	}
	return r
}

// dataFolder is a temporary folder that Asterisk's user may enter.
func dataFolder(tb testing.TB) string {
	dir, err := os.MkdirTemp("", "decroche-e2e-")
	if err != nil {
		tb.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if tb.Failed() && os.Getenv("DECROCHE_KEEP") != "" {
			tb.Log("the rig's folder is kept:", dir)
			return
		}
		os.RemoveAll(dir)
	})
	return dir
}

func cacheDir() string {
	if d := os.Getenv("DECROCHE_CACHE"); d != "" {
		return d
	}
	return "/var/cache/decroche"
}

// root is the repository's folder.
func root() string {
	dir, _ := os.Getwd()
	for !exists(filepath.Join(dir, "go.mod")) && dir != "/" {
		dir = filepath.Dir(dir)
	}
	return dir
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

var build sync.Once

// binary is the program under test: $DECROCHE_BIN, or built here with the race detector.
func binary(tb testing.TB) string {
	if bin := os.Getenv("DECROCHE_BIN"); bin != "" {
		return bin
	}
	bin := filepath.Join(root(), "bin", "decroche-race")
	build.Do(func() {
		cmd := exec.Command("go", "build", "-race", "-o", bin, "./cmd/decroche")
		cmd.Dir = root()
		if out, err := cmd.CombinedOutput(); err != nil {
			tb.Fatalf("build the program under test: %v\n%s", err, out)
		}
	})
	return bin
}

// write makes the deployment's configuration and the service definition.
func (r *Rig) write(o Options) {
	r.tb.Helper()
	if o.Service == "" {
		raw, err := os.ReadFile(filepath.Join(root(), "e2e", "testdata", "service.yaml"))
		if err != nil {
			r.tb.Fatal(err)
		}
		o.Service = string(raw)
	}
	r.WriteService(o.Service)
	sip, ari, web, public, admin := port.Must(r.tb), port.Must(r.tb), port.Must(r.tb), port.Must(r.tb), port.Must(r.tb)
	r.Public, r.Operator = fmt.Sprintf("127.0.0.1:%d", public), port.Must(r.tb)
	r.ARI, r.Database, r.Sounds = ari, o.Database, filepath.Join(cacheDir(), "test-sounds")
	r.Admin = fmt.Sprintf("127.0.0.1:%d", admin)
	r.SIP, r.Web = fmt.Sprintf("127.0.0.1:%d", sip), fmt.Sprintf("127.0.0.1:%d", web)
	database := ""
	if o.Database != "" {
		database = "database: " + o.Database
	}
	text := fmt.Sprintf(`
service: service.yaml
sounds: %s
%s
sip: {bind: 127.0.0.1, port: %d, rtp_from: 24000, rtp_to: 31999}
ari: {bind: 127.0.0.1, port: %d}
web: {listen: %s, public: {listen: %s}, admin: {listen: %s%s}}
%s
`, filepath.Join(cacheDir(), "test-sounds"), database, sip, ari, r.Web, r.Public, r.Admin, o.Admin, o.Config)
	if !strings.Contains(o.Config, "trunks:") {
		text += fmt.Sprintf("trunks:\n  - {name: operator, match: [%s], server: \"%s:%d\", check: %s}\n", Trunk, Trunk, r.Operator, cmp.Or(o.Check, "0"))
		if o.Relay {
			r.Relay = port.Must(r.tb)
			text += fmt.Sprintf("  - {name: relais, match: [%s], server: \"%s:%d\", check: 0}\n", Centre, Centre, r.Relay)
		}
	}
	if !strings.Contains(o.Config, "agents:") {
		text += `agents:
  - {id: 2001, name: Camille Martin, skills: {accueil: 3}}
  - {id: 2002, name: Noé Bernard, skills: {accueil: 2, titres: 3}}
  - {id: 2003, name: Inès Laurent, skills: {titres: 4}}
`
	}
	r.Config = filepath.Join(r.Dir, "decroche.yaml")
	if err := os.WriteFile(r.Config, []byte(text), 0o644); err != nil {
		r.tb.Fatal(err)
	}
}

// WriteService replaces the service definition's file; the controller reads it at a reload.
func (r *Rig) WriteService(text string) {
	if err := os.WriteFile(filepath.Join(r.Dir, "service.yaml"), []byte(text), 0o644); err != nil {
		r.tb.Fatal(err)
	}
}

// load reads the definition and learns what its prompts sound like.
func (r *Rig) load() {
	r.tb.Helper()
	def, err := service.ParseFile(filepath.Join(r.Dir, "service.yaml"))
	if err != nil {
		r.tb.Fatal(err)
	}
	r.def = def
}

// Index recognises every prompt of the line. Prompts are named "fr/menu-principal"; the
// music is "music".
func (r *Rig) Index() *softphone.Index {
	r.tb.Helper()
	if r.ix != nil {
		return r.ix
	}
	labels := map[string]service.Text{}
	for id, reason := range r.def.Reasons {
		labels[id] = reason.Label
	}
	key := fmt.Sprint(r.def.Languages, r.def.Prompts, labels)
	indexes.Lock()
	defer indexes.Unlock()
	if indexes.of[key] == nil {
		prompts, err := r.prompts()
		if err != nil {
			r.tb.Fatalf("load the prompts: %v", err)
		}
		indexes.of[key] = softphone.NewIndex(prompts)
	}
	r.ix = indexes.of[key]
	return r.ix
}

// indexes are those made so far: with the race detector one takes seconds, and most rigs
// say the same.
var indexes = struct {
	sync.Mutex
	of map[string]*softphone.Index
}{of: map[string]*softphone.Index{}}

func (r *Rig) prompts() ([]softphone.Prompt, error) {
	ctx := r.tb.Context()
	lib, err := speech.Open(speech.Options{Dir: filepath.Join(cacheDir(), "test-sounds"), Langs: r.def.Languages})
	if err != nil {
		return nil, err
	}
	var list []softphone.Prompt
	add := func(s call.Sound, err error) error {
		if err != nil {
			return err
		}
		p, err := softphone.LoadPrompt(s.Path + ".alaw")
		p.Name = string(s.Lang) + "/" + s.Name
		list = append(list, p)
		return err
	}
	for _, lang := range r.def.Languages {
		for _, id := range speech.IDs(lang) {
			if strings.HasPrefix(id, "number.") {
				continue
			}
			if err := add(lib.System(ctx, id, lang)); err != nil {
				return nil, err
			}
		}
	}
	for name, text := range r.def.Prompts {
		for lang, phrase := range text {
			if err := add(lib.Text(ctx, name, lang, phrase.Say)); err != nil {
				return nil, err
			}
		}
	}
	for id, reason := range r.def.Reasons {
		if err := add(lib.Text(ctx, "reason."+id, "fr", reason.Label["fr"].Say)); err != nil {
			return nil, err
		}
	}
	music, err := softphone.LoadPrompt(filepath.Join(r.Dir, "music", speech.MusicName+".alaw"))
	music.Name = "music"
	return append(list, music), err
}

// SoundOf gives the samples of a text as the line would say it, for an Index of its own.
func (r *Rig) SoundOf(name string, lang call.Lang, text string) softphone.Prompt {
	r.tb.Helper()
	return r.soundOf(name, lang, text, false)
}

func (r *Rig) soundOf(name string, lang call.Lang, text string, slow bool) softphone.Prompt {
	r.tb.Helper()
	lib, err := speech.Open(speech.Options{Dir: filepath.Join(cacheDir(), "test-sounds")})
	if err != nil {
		r.tb.Fatal(err)
	}
	s, err := lib.Text(r.tb.Context(), name, lang, text)
	if err == nil && slow {
		s, err = lib.Clear(r.tb.Context(), s)
	}
	if err != nil {
		r.tb.Fatal(err)
	}
	p, err := softphone.LoadPrompt(s.Path + ".alaw")
	if err != nil {
		r.tb.Fatal(err)
	}
	p.Name = name
	return p
}

// process is a child whose output is kept.
type process struct {
	cmd  *exec.Cmd
	mu   sync.Mutex
	out  bytes.Buffer
	done chan struct{}
	err  error
	seen map[string]chan struct{}
}

func (r *Rig) spawn(args ...string) *process {
	r.tb.Helper()
	p := &process{done: make(chan struct{}), seen: map[string]chan struct{}{}}
	p.cmd = exec.Command(r.bin, append([]string{"--config", r.Config, "--data", r.Dir, "--cache", cacheDir()}, args...)...)
	p.cmd.Dir = r.Dir
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.Env = append(os.Environ(), "GORACE=halt_on_error=0")
	reader, writer, err := os.Pipe()
	if err != nil {
		r.tb.Fatal(err)
	}
	p.cmd.Stdout, p.cmd.Stderr = writer, writer
	if err := p.cmd.Start(); err != nil {
		r.tb.Fatalf("start decroche %s: %v", args[0], err)
	}
	writer.Close()
	go func() {
		lines := bufio.NewReader(reader)
		for {
			line, err := lines.ReadString('\n')
			p.mu.Lock()
			p.out.WriteString(line)
			p.mu.Unlock()
			if err != nil {
				break
			}
		}
		reader.Close()
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p
}

func (p *process) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// end sends the signal and waits for the end, at most ten seconds.
func (p *process) end(sig syscall.Signal) {
	_ = p.cmd.Process.Signal(sig)
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// StartAsterisk starts Asterisk and waits until it answers.
func (r *Rig) StartAsterisk() {
	r.tb.Helper()
	r.asterisk = r.spawn("asterisk")
	r.eventually(60*time.Second, "Asterisk serves SIP", func() error {
		if !r.asterisk.running() {
			r.tb.Fatalf("asterisk ended: %s", r.asterisk.text())
		}
		raw, err := os.ReadFile(filepath.Join(r.Dir, "asterisk", "log", "console.log"))
		if err != nil || !bytes.Contains(raw, []byte("Asterisk Ready")) {
			return errors.New("not yet")
		}
		return nil
	})
}

// KillAsterisk ends Asterisk without a word.
func (r *Rig) KillAsterisk() {
	_ = os.Truncate(filepath.Join(r.Dir, "asterisk", "log", "console.log"), 0)
	r.asterisk.end(syscall.SIGKILL) // Asterisk dies with the process that started it
	r.eventually(5*time.Second, "Asterisk is gone", func() error {
		c, err := net.DialTimeout("tcp", r.SIP, 100*time.Millisecond)
		if err != nil {
			return nil
		}
		c.Close()
		return errors.New("it still listens")
	})
}

// StartController starts the controller; WaitReady waits for it.
func (r *Rig) StartController() {
	r.tb.Helper()
	r.control = r.spawn("serve")
}

// WaitReady waits until a call can be placed.
func (r *Rig) WaitReady() {
	r.tb.Helper()
	r.eventually(120*time.Second, "the controller is ready", func() error {
		if !r.control.running() {
			r.tb.Fatalf("the controller ended: %v\n%s", r.control.err, r.control.text())
		}
		return r.Ready()
	})
}

// Ready asks /readyz.
func (r *Rig) Ready() error {
	res, err := http.Get("http://" + r.Web + "/readyz")
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	return nil
}

// KillController ends the controller with SIGKILL; StopController asks it to stop.
func (r *Rig) KillController() { r.control.end(syscall.SIGKILL) }
func (r *Rig) StopController() { r.control.end(syscall.SIGTERM) }

// Signal sends a signal to the controller.
func (r *Rig) Signal(sig syscall.Signal) { _ = r.control.cmd.Process.Signal(sig) }

// ControllerLog is what the controller wrote so far; ControllerEnded tells whether it has ended.
func (r *Rig) ControllerLog() string            { return r.control.text() }
func (r *Rig) ControllerEnded() <-chan struct{} { return r.control.done }

// ControllerPID is the process id of the controller.
func (r *Rig) ControllerPID() int { return r.control.cmd.Process.Pid }

func (r *Rig) stop() {
	var logs []string
	if r.control != nil {
		r.control.end(syscall.SIGTERM)
		text := r.control.text()
		logs = append(logs, "controller:\n"+text)
		for _, bad := range []string{"DATA RACE", "panic:", "panicked"} {
			if strings.Contains(text, bad) {
				r.tb.Errorf("the controller's log says %q", bad)
			}
		}
	}
	if r.asterisk != nil {
		r.asterisk.end(syscall.SIGTERM)
		console, _ := os.ReadFile(filepath.Join(r.Dir, "asterisk", "log", "messages.log"))
		logs = append(logs, "asterisk:\n"+r.asterisk.text()+string(console))
	}
	if r.tb.Failed() {
		for _, l := range logs {
			r.tb.Log(last(l, 12000))
		}
	}
}

func last(s string, n int) string {
	if len(s) > n {
		return "…" + s[len(s)-n:]
	}
	return s
}

// CLI runs a decroche command on this line and gives its output.
func (r *Rig) CLI(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(r.tb.Context(), 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, r.bin, append([]string{"--config", r.Config, "--data", r.Dir, "--cache", cacheDir()}, args...)...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Must runs a decroche command that has to succeed.
func (r *Rig) Must(args ...string) string {
	r.tb.Helper()
	out, err := r.CLI(args...)
	if err != nil {
		r.tb.Fatalf("decroche %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// Secret reads a secret of the data folder.
func (r *Rig) Secret(name string) string {
	raw, err := os.ReadFile(filepath.Join(r.Dir, "secrets", name))
	if err != nil {
		r.tb.Fatal(err)
	}
	return strings.TrimSpace(string(raw))
}

// Fact is a line of the journal.
type Fact struct {
	ID   int64          `json:"id"`
	At   time.Time      `json:"at"`
	Call string         `json:"call"`
	Kind call.EventKind `json:"kind"`
	Data map[string]any `json:"data"`
}

// Journal reads the facts so far.
func (r *Rig) Journal() []Fact {
	r.tb.Helper()
	var facts []Fact
	d := json.NewDecoder(strings.NewReader(r.Must("journal")))
	for d.More() {
		var f Fact
		if err := d.Decode(&f); err != nil {
			r.tb.Fatalf("read the journal: %v", err)
		}
		facts = append(facts, f)
	}
	return facts
}

// WaitFact waits for a fact of a kind that matches.
func (r *Rig) WaitFact(kind call.EventKind, match func(Fact) bool) Fact {
	r.tb.Helper()
	var found Fact
	r.eventually(15*time.Second, "the journal has "+string(kind), func() error {
		for _, f := range r.Journal() {
			if f.Kind == kind && (match == nil || match(f)) {
				found = f
				return nil
			}
		}
		return errors.New("not there")
	})
	return found
}

// Eventually waits until f gives no error.
func (r *Rig) Eventually(within time.Duration, what string, f func() error) {
	r.tb.Helper()
	r.eventually(within, what, f)
}

func (r *Rig) eventually(within time.Duration, what string, f func() error) {
	r.tb.Helper()
	deadline := time.Now().Add(within)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			r.tb.Fatalf("%s: not within %s: %v", what, within, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
