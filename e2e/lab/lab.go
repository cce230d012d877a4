// Package lab runs a real Asterisk on the configuration that decroche renders, without a
// controller: the test is the controller. It is for the parts below the journey; e2e/rig
// runs the whole line.
//
// Callers come from, and citizens are called at, 127.0.0.2, the trunk "operator"; agents'
// phones are at 127.0.0.3. What Asterisk wrote is shown when the test fails.
package lab

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"decroche/ari"
	asteriskconfig "decroche/asterisk-config"
	"decroche/e2e/port"
	"decroche/e2e/softphone"
)

// Trunk and Desk are where citizens' and agents' telephones are.
const (
	Trunk = "127.0.0.2"
	Desk  = "127.0.0.3"
)

// Options change the lab from its defaults.
type Options struct {
	// Edit changes a rendered file, by its name ("pjsip.conf").
	Edit map[string]func(string) string
	// ExtraModules are loaded beside those the line needs.
	ExtraModules []string
}

// Lab is one Asterisk.
type Lab struct {
	tb     testing.TB
	Dir    string
	SIP    string // its address for telephones
	App    string // the application of the controller
	config asteriskconfig.Config
	port   int // of Trunk, where calls out go
	o      Options

	asterisk asteriskconfig.Asterisk
	cmd      *exec.Cmd
	ended    chan struct{}
}

// Start runs an Asterisk until the end of the test.
func Start(tb testing.TB, o Options) *Lab {
	tb.Helper()
	cache := os.Getenv("DECROCHE_CACHE")
	if cache == "" {
		cache = "/var/cache/decroche"
	}
	a, err := asteriskconfig.Find(cache)
	if err != nil {
		tb.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "lab") // short: Asterisk's socket lies in it
	if err != nil {
		tb.Fatal(err)
	}
	l := &Lab{tb: tb, Dir: dir, App: "decroche-n1", o: o, asterisk: a, port: port.Must(tb)}
	sip := port.Must(tb)
	l.SIP = fmt.Sprintf("127.0.0.1:%d", sip)
	l.config = asteriskconfig.Config{
		Dir: dir, Node: "n1", SIPBind: "127.0.0.1", SIPPort: sip, RTPFrom: 32000, RTPTo: 32767,
		ARIBind: "127.0.0.1", ARIPort: port.Must(tb), ARIUser: "decroche", ARIPassword: "secret", App: l.App,
		Sounds: filepath.Join(dir, "sounds"), Music: filepath.Join(dir, "music"), HoldLimit: 180,
		Trunks:  []asteriskconfig.Trunk{{Name: "operator", Match: []string{Trunk}, Server: fmt.Sprintf("%s:%d", Trunk, l.port)}},
		Modules: a.Modules, Documentation: a.Documentation, ExtraModules: o.ExtraModules,
	}
	tb.Cleanup(func() {
		l.Stop(syscall.SIGKILL)
		if said, err := os.ReadFile(filepath.Join(dir, "log", "messages.log")); err == nil && tb.Failed() {
			tb.Logf("Asterisk said:\n%s", said)
		}
		os.RemoveAll(dir)
	})
	l.Tone("music/music", 700, 20*time.Second)
	l.StartAsterisk()
	return l
}

// StartAsterisk starts it, at first or after Stop.
func (l *Lab) StartAsterisk() {
	l.tb.Helper()
	if err := l.config.Render(-1, -1); err != nil {
		l.tb.Fatal(err)
	}
	for name, edit := range l.o.Edit {
		path := filepath.Join(l.Dir, "etc", name)
		raw, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(path, []byte(edit(string(raw))), 0o600)
		}
		if err != nil {
			l.tb.Fatalf("edit Asterisk's %s: %v", name, err)
		}
	}
	out, err := os.Create(filepath.Join(l.Dir, "out"))
	if err != nil {
		l.tb.Fatal(err)
	}
	defer out.Close()
	l.cmd = l.asterisk.Command(context.Background(), l.Dir, -1, -1)
	l.cmd.SysProcAttr.Pdeathsig = 0 // the death of the thread that starts it is not ours
	l.cmd.Stdout, l.cmd.Stderr = out, out
	if err := l.cmd.Start(); err != nil {
		l.tb.Fatalf("start Asterisk: %v", err)
	}
	cmd, ended := l.cmd, make(chan struct{})
	l.ended = ended
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	l.wait()
}

func (l *Lab) wait() {
	l.tb.Helper()
	c := l.Client()
	defer c.Close()
	deadline := time.Now().Add(60 * time.Second)
	for {
		said, _ := os.ReadFile(filepath.Join(l.Dir, "out"))
		_, err := c.Ping(l.tb.Context())
		if err == nil && strings.Contains(string(said), "Asterisk Ready") {
			return
		}
		select {
		case <-l.ended:
			l.tb.Fatalf("Asterisk ended at once:\n%s", said)
		default:
		}
		if time.Now().After(deadline) {
			l.tb.Fatalf("Asterisk is not ready after a minute: %v\n%s", err, said)
		}
		time.Sleep(20 * time.Millisecond) // polls the start of another process
	}
}

// Stop ends Asterisk by a signal: SIGTERM in good order, SIGKILL as a fault of its own would.
func (l *Lab) Stop(sig syscall.Signal) {
	if l.cmd == nil || l.cmd.Process == nil {
		return
	}
	_ = l.cmd.Process.Signal(sig)
	select {
	case <-l.ended:
	case <-time.After(20 * time.Second):
		_ = l.cmd.Process.Kill()
		<-l.ended
	}
}

// URL is the address of Asterisk's web server.
func (l *Lab) URL() string { return fmt.Sprintf("http://127.0.0.1:%d", l.config.ARIPort) }

// Client is a new client of this Asterisk's interface, closed with the test.
func (l *Lab) Client(change ...func(*ari.Config)) *ari.Client {
	cfg := ari.Config{
		URL: l.URL() + "/ari", App: l.App, Username: "decroche", Password: "secret",
		Log: slog.New(slog.DiscardHandler), BackoffMin: 10 * time.Millisecond, BackoffMax: 100 * time.Millisecond,
	}
	for _, f := range change {
		f(&cfg)
	}
	c := ari.New(cfg)
	l.tb.Cleanup(c.Close)
	return c
}

// Ask gives Asterisk a command of its console.
func (l *Lab) Ask(command string) string {
	l.tb.Helper()
	ctx, cancel := context.WithTimeout(l.tb.Context(), 10*time.Second)
	defer cancel()
	out, err := l.asterisk.Ask(ctx, l.Dir, command)
	if err != nil {
		l.tb.Fatalf("%v: %s", err, out)
	}
	return out
}

// Caller is a telephone behind the trunk.
func (l *Lab) Caller(number string) *softphone.Phone {
	return l.phone(softphone.Config{User: number, Local: Trunk, Server: l.SIP})
}

// Called is the telephone that every call out over the trunk reaches. One at a time.
func (l *Lab) Called() *softphone.Phone {
	return l.phone(softphone.Config{User: "operator", Local: Trunk, Port: l.port, Server: l.SIP})
}

// Agent registers the telephone of an agent whose account was pushed.
func (l *Lab) Agent(id, password string) *softphone.Phone {
	l.tb.Helper()
	p := l.phone(softphone.Config{User: id, Password: password, Local: Desk, Server: l.SIP})
	ctx, cancel := context.WithTimeout(l.tb.Context(), 10*time.Second)
	defer cancel()
	if err := p.Register(ctx); err != nil {
		l.tb.Fatal(err)
	}
	return p
}

func (l *Lab) phone(cfg softphone.Config) *softphone.Phone {
	l.tb.Helper()
	p, err := softphone.New(cfg)
	if err != nil {
		l.tb.Fatal(err)
	}
	l.tb.Cleanup(p.Close)
	return p
}

// Tone makes a sound file of one frequency in the lab's folder and gives its path without
// the extension.
func (l *Lab) Tone(name string, hz float64, d time.Duration) string {
	l.tb.Helper()
	pcm := make([]int16, d*8/time.Millisecond)
	for i := range pcm {
		pcm[i] = int16(8000 * math.Sin(2*math.Pi*hz*float64(i)/8000))
	}
	path := filepath.Join(l.Dir, name)
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path+".alaw", softphone.EncodeAlaw(pcm), 0o644)
	}
	if err != nil {
		l.tb.Fatalf("make a sound: %v", err)
	}
	return path
}
