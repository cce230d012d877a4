package e2e

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"decroche/call"
	"decroche/e2e/rig"
)

// stopped waits for the end of a process that is nobody's child.
func stopped(t *testing.T, r *rig.Rig, pid int, within time.Duration) {
	t.Helper()
	r.Eventually(within, fmt.Sprintf("process %d is gone", pid), func() error {
		if rig.Lives(pid) {
			return fmt.Errorf("it lives")
		}
		return nil
	})
}

func TestUpRunsTheLineAndStopsWhatItStartedAndNothingElse(t *testing.T) {
	t.Parallel()
	other := rig.Start(t, rig.Options{NoController: true})
	r := rig.Start(t, rig.Options{NoAsterisk: true, NoController: true})
	var out, log bytes.Buffer
	up := r.Command(t.Context(), "up")
	up.Stdout, up.Stderr = &out, &log
	begun := time.Now()
	if err := up.Start(); err != nil {
		t.Fatal(err)
	}
	r.Eventually(30*time.Second, "the line is ready", r.Ready)
	t.Log("ready after", time.Since(begun).Round(100*time.Millisecond))
	c := r.Dial(line, caller)
	c.Hears("fr/bienvenue", 5*time.Second)
	if err := up.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := up.Wait(); err != nil {
		t.Errorf("ended by Ctrl-C: %v\n%s", err, log.String())
	}
	want := fmt.Sprintf("^ready sip:%s@%s web http://%s\nadministration: choose the first password at http://%s/mot-de-passe/[A-Z2-7]{26} \\(serves once, for 24 hours\\)\n$",
		regexp.QuoteMeta(line), r.SIP, r.Web, r.Admin)
	if !regexp.MustCompile(want).MatchString(out.String()) {
		t.Errorf("it printed %q, not %q", out.String(), want)
	}
	if pid := rig.AsteriskPID(t, log.String()); rig.Lives(pid) {
		t.Errorf("Asterisk %d was left behind", pid)
	}
	if !rig.Lives(other.AsteriskPID()) {
		t.Error("an Asterisk that others started was stopped too")
	}

	// The second start finds everything made.
	begun = time.Now()
	again := r.Run("up")
	again.Says("ready sip:", 20*time.Second)
	if took := time.Since(begun); took > 10*time.Second { // 5 s on a machine with nothing else to do
		t.Errorf("the second start took %s", took)
	} else {
		t.Log("the second start took", took.Round(100*time.Millisecond))
	}

	// Killed, it cannot stop Asterisk: the kernel does.
	pid := rig.AsteriskPID(t, again.Text())
	again.Signal(syscall.SIGKILL)
	again.Ends(5 * time.Second)
	stopped(t, r, pid, 10*time.Second)
}

func TestUpEndsWithTheLastWordsOfAnAsteriskThatDies(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{NoAsterisk: true, NoController: true})
	up := r.Run("up")
	up.Says("ready sip:", 30*time.Second)
	if err := syscall.Kill(rig.AsteriskPID(t, up.Text()), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if code := up.Ends(15 * time.Second); code == 0 || !strings.Contains(up.Text(), "asterisk ended by itself (signal: killed); its last words:") {
		t.Errorf("it ended with %d and said: %s", code, up.Text())
	}
}

func TestUpSaysWhichPortIsTakenAndHowToMendIt(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{NoAsterisk: true, NoController: true})
	for _, c := range []struct{ network, addr, key string }{
		{"udp", r.SIP, "sip.port"},
		{"tcp", r.SIP, "sip.port"},
		{"tcp", fmt.Sprintf("127.0.0.1:%d", r.ARI), "ari.port"},
		{"tcp", r.Web, "web.listen"},
		{"tcp", r.Public, "web.public.listen"},
		{"tcp", r.Admin, "web.admin.listen"},
	} {
		t.Run(c.network+" "+c.key, func(t *testing.T) {
			if c.network == "udp" {
				p, err := net.ListenPacket("udp", c.addr)
				if err != nil {
					t.Fatal(err)
				}
				defer p.Close()
			} else {
				l, err := net.Listen("tcp", c.addr)
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
			}
			up := r.Run("up")
			if code := up.Ends(20 * time.Second); code == 0 {
				t.Error("it ended with 0")
			}
			for _, words := range []string{c.network + " " + c.addr, "another program has it", "set " + c.key + " in " + r.Config} {
				if !strings.Contains(up.Text(), words) {
					t.Errorf("it does not say %q but: %s", words, up.Text())
				}
			}
		})
	}
}

func TestUpSaysWhatAnOrdinaryUserLacks(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{NoAsterisk: true, NoController: true})
	bin := filepath.Join(r.Dir, "decroche")
	raw, err := os.ReadFile(r.Command(t.Context()).Path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bin, raw, 0o755); err != nil {
		t.Fatal(err)
	}
	up := r.Command(t.Context(), "up")
	up.Path = bin
	up.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := up.CombinedOutput()
	if err == nil {
		t.Error("it ended with 0")
	}
	for _, words := range []string{"permission denied", "--data"} {
		if !strings.Contains(string(out), words) {
			t.Errorf("it does not say %q but: %s", words, out)
		}
	}
}

func TestCallersWhoWaitAreNotCutBeforeUpHasSavedThem(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{NoAsterisk: true, NoController: true})
	up := r.Run("up")
	up.Says("ready sip:", 30*time.Second)
	c := r.Dial(line, caller)
	c.Types("1")
	c.Hears("fr/position.1", 15*time.Second)
	up.Signal(syscall.SIGTERM)
	if code := up.Ends(15 * time.Second); code != 0 {
		t.Errorf("it ended with %d: %s", code, up.Text())
	}
	c.Ends(5 * time.Second) // Asterisk ended too
	again := r.Run("up")
	again.Says("ready sip:", 30*time.Second)
	end := r.WaitFact(call.EventEnded, nil)
	if end.Data["outcome"] != "abandoned" || end.Data["reason"] != "exchange_failed" { // saved, and then cut off with Asterisk
		t.Errorf("the call ended as %v", end.Data)
	}
}
