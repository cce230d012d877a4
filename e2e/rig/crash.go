package rig

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"decroche/e2e/port"

	"decroche/call"
	"decroche/routing"
)

// Process is a decroche of its own beside those of the rig.
type Process struct {
	p *process
	r *Rig
}

// Run starts a decroche command on the rig's files; it is ended with the test.
func (r *Rig) Run(args ...string) *Process {
	r.tb.Helper()
	p := &Process{r.spawn(args...), r}
	r.tb.Cleanup(func() { p.p.end(syscall.SIGTERM) })
	return p
}

// PID is the process id; Text what it wrote so far; Ended closes when it has ended.
func (p *Process) PID() int               { return p.p.cmd.Process.Pid }
func (p *Process) Text() string           { return p.p.text() }
func (p *Process) Ended() <-chan struct{} { return p.p.done }

// Signal sends a signal.
func (p *Process) Signal(sig syscall.Signal) { _ = p.p.cmd.Process.Signal(sig) }

// Ends waits for the end and gives the exit code, -1 for a signal.
func (p *Process) Ends(within time.Duration) int {
	p.r.tb.Helper()
	select {
	case <-p.p.done:
		return p.p.cmd.ProcessState.ExitCode()
	case <-time.After(within):
		p.r.tb.Fatalf("the process should have ended within %s; it wrote:\n%s", within, last(p.Text(), 6000))
		return 0
	}
}

// Says waits until the process has written the words.
func (p *Process) Says(words string, within time.Duration) {
	p.r.tb.Helper()
	p.r.eventually(within, fmt.Sprintf("the process says %q", words), func() error {
		if !strings.Contains(p.Text(), words) {
			return errors.New(last(p.Text(), 2000))
		}
		return nil
	})
}

// Controller is the rig's controller as a Process.
func (r *Rig) Controller() *Process { return &Process{r.control, r} }

// CrashAsterisk ends Asterisk with SIGKILL, as a fault of its own would.
func (r *Rig) CrashAsterisk() {
	r.tb.Helper()
	pid := r.AsteriskPID()
	_ = os.Truncate(filepath.Join(r.Dir, "asterisk", "log", "console.log"), 0)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		r.tb.Fatalf("kill Asterisk: %v", err)
	}
	select {
	case <-r.asterisk.done:
	case <-time.After(5 * time.Second):
		r.tb.Fatal("who started Asterisk should notice its end")
	}
}

// Takeover starts a second controller of the same node, on another web port. It is the
// rig's from now on; the first is returned.
func (r *Rig) Takeover() (first *Process) {
	r.tb.Helper()
	first = &Process{r.control, r}
	r.tb.Cleanup(func() { first.p.end(syscall.SIGTERM) })
	for _, address := range []*string{&r.Web, &r.Public, &r.Admin} {
		other := fmt.Sprintf("127.0.0.1:%d", port.Must(r.tb))
		r.EditConfig("listen: "+*address, "listen: "+other)
		*address = other
	}
	r.StartController()
	return first
}

// EditConfig changes the deployment's configuration for what is started from now on.
func (r *Rig) EditConfig(old, replacement string) {
	r.tb.Helper()
	raw, err := os.ReadFile(r.Config)
	if err != nil {
		r.tb.Fatal(err)
	}
	if !strings.Contains(string(raw), old) {
		r.tb.Fatalf("the configuration has no %q:\n%s", old, raw)
	}
	if err := os.WriteFile(r.Config, []byte(strings.Replace(string(raw), old, replacement, 1)), 0o644); err != nil {
		r.tb.Fatal(err)
	}
}

// NotReady waits until /readyz says no, and gives its words.
func (r *Rig) NotReady(within time.Duration) string {
	r.tb.Helper()
	words := ""
	r.eventually(within, "/readyz says no", func() error {
		res, err := http.Get("http://" + r.Web + "/readyz")
		if err != nil {
			return err
		}
		defer res.Body.Close()
		raw, _ := io.ReadAll(res.Body)
		if words = string(raw); res.StatusCode == http.StatusOK {
			return errors.New("it says yes")
		}
		return nil
	})
	return words
}

// Metric reads one figure of /metrics, by its name and labels as they are written there.
func (r *Rig) Metric(name string) float64 {
	r.tb.Helper()
	res, err := http.Get("http://" + r.Web + "/metrics")
	if err != nil {
		r.tb.Fatalf("read the metrics: %v", err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			f, err := strconv.ParseFloat(value, 64)
			if err != nil {
				r.tb.Fatalf("metric %s: %v", name, err)
			}
			return f
		}
	}
	r.tb.Fatalf("there is no metric %s", name)
	return 0
}

// Agents are the agents as `decroche agent` tells them.
func (r *Rig) Agents() map[call.AgentID]routing.AgentStatus {
	r.tb.Helper()
	var list []routing.AgentStatus
	if err := json.Unmarshal([]byte(r.Must("agent", "list", "--json")), &list); err != nil {
		r.tb.Fatal(err)
	}
	agents := map[call.AgentID]routing.AgentStatus{}
	for _, a := range list {
		agents[a.ID] = a
	}
	return agents
}

// Facts are those of a kind, oldest first.
func (r *Rig) Facts(kind call.EventKind) []Fact {
	r.tb.Helper()
	var facts []Fact
	for _, f := range r.Journal() {
		if f.Kind == kind {
			facts = append(facts, f)
		}
	}
	return facts
}

// Cable is a TCP connection between the controller and Asterisk that a test can cut.
type Cable struct {
	l  net.Listener
	to string

	mu    sync.Mutex
	conns map[net.Conn]bool
	down  bool
	work  sync.WaitGroup
}

// ThroughCable lets the controller reach Asterisk by a cable; it goes between StartAsterisk
// and StartController.
func (r *Rig) ThroughCable() *Cable {
	r.tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.tb.Fatal(err)
	}
	c := &Cable{l: l, to: fmt.Sprintf("127.0.0.1:%d", r.ARI), conns: map[net.Conn]bool{}}
	c.work.Go(c.serve)
	r.tb.Cleanup(func() {
		l.Close()
		c.Cut()
		c.work.Wait()
	})
	r.EditConfig(fmt.Sprintf("ari: {bind: 127.0.0.1, port: %d}", r.ARI), fmt.Sprintf("ari: {bind: 127.0.0.1, port: %d}", l.Addr().(*net.TCPAddr).Port))
	return c
}

func (c *Cable) serve() {
	for {
		near, err := c.l.Accept()
		if err != nil {
			return
		}
		c.mu.Lock()
		if c.down {
			near.Close()
			c.mu.Unlock()
			continue
		}
		far, err := net.Dial("tcp", c.to)
		if err != nil {
			near.Close()
			c.mu.Unlock()
			continue
		}
		c.conns[near], c.conns[far] = true, true
		c.mu.Unlock()
		c.work.Go(func() { c.copy(near, far) })
		c.work.Go(func() { c.copy(far, near) })
	}
}

func (c *Cable) copy(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	to.Close()
	from.Close()
	c.mu.Lock()
	delete(c.conns, to)
	delete(c.conns, from)
	c.mu.Unlock()
}

// Cut ends all connections; none can be made until Mend.
func (c *Cable) Cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down = true
	for conn := range c.conns {
		conn.Close()
	}
}

// Mend lets connections be made again.
func (c *Cable) Mend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down = false
}

// WriteSecret replaces a secret of the data folder.
func (r *Rig) WriteSecret(name, text string) {
	r.tb.Helper()
	if err := os.WriteFile(filepath.Join(r.Dir, "secrets", name), []byte(text+"\n"), 0o600); err != nil {
		r.tb.Fatal(err)
	}
}

// SmallDisk mounts a disk of so many bytes, gone with the test.
func SmallDisk(tb testing.TB, size int) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "decroche-disk-")
	if err != nil {
		tb.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0755", size)); err != nil {
		tb.Fatalf("mount a small disk (the end-to-end tests run as root): %v", err)
	}
	tb.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			tb.Errorf("unmount the small disk: %v", err)
		}
		os.Remove(dir)
	})
	return dir
}

// Command is a decroche command on the rig's files, for the test to start as it likes.
func (r *Rig) Command(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, r.bin, append([]string{"--config", r.Config, "--data", r.Dir, "--cache", cacheDir()}, args...)...)
}

// AsteriskPID is the process of the rig's Asterisk.
func (r *Rig) AsteriskPID() int { return AsteriskPID(r.tb, r.asterisk.text()) }

// AsteriskPID reads from what decroche wrote which process Asterisk is.
func AsteriskPID(tb testing.TB, log string) int {
	tb.Helper()
	_, after, _ := strings.Cut(log, " pid=")
	pid, err := strconv.Atoi(strings.Fields(after + " ?")[0])
	if err != nil {
		tb.Fatalf("find Asterisk's process in %q: %v", log, err)
	}
	return pid
}

// Lives tells whether a process is there and no zombie.
func Lives(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z") && !strings.HasPrefix(state, "X")
}
