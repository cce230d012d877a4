package asteriskconfig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Oldest is the oldest Asterisk that has what the line needs (REFER given to ARI came with 20.13).
const Oldest = 20

// Asterisk is an Asterisk that can be run: one installed on the machine, or Debian's
// from a cached tree, started by the tree's own loader so that paths stay the machine's.
type Asterisk struct {
	argv []string
	// Modules and Documentation are folders that its configuration names.
	Modules, Documentation string
	Version                string
}

var version = regexp.MustCompile(`Asterisk (\d+)\.[^\s]*`)

// Find looks for an installed Asterisk, then for the tree in cache.
func Find(cache string) (Asterisk, error) {
	var tried []string
	if path, err := exec.LookPath("asterisk"); err == nil {
		a := Asterisk{argv: []string{path}, Modules: installedModules(), Documentation: "/usr/share/asterisk/documentation"}
		if err := a.check(); err == nil && a.Modules != "" {
			return a, nil
		} else if err != nil {
			tried = append(tried, err.Error())
		}
	}
	tree := filepath.Join(cache, "asterisk-sid")
	lib := filepath.Join(tree, "usr/lib", triplet())
	loaders, _ := filepath.Glob(filepath.Join(tree, "usr/lib*/ld-linux-*.so.*"))
	if len(loaders) == 0 {
		loaders, _ = filepath.Glob(filepath.Join(lib, "ld-linux-*.so.*"))
	}
	if len(loaders) > 0 {
		a := Asterisk{
			argv:    []string{loaders[0], "--library-path", lib, filepath.Join(tree, "usr/sbin/asterisk")},
			Modules: filepath.Join(lib, "asterisk/modules"), Documentation: filepath.Join(tree, "usr/share/asterisk/documentation"),
		}
		err := a.check()
		if err == nil {
			return a, nil
		}
		tried = append(tried, err.Error())
	} else {
		tried = append(tried, "no tree in "+tree)
	}
	return Asterisk{}, fmt.Errorf("no Asterisk %d or later to run (%s): run make run once as root, or install Asterisk", Oldest, strings.Join(tried, "; "))
}

func (a *Asterisk) check() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, a.argv[0], append(a.argv[1:len(a.argv):len(a.argv)], "-V")...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s -V: %w: %s", a.argv[len(a.argv)-1], err, strings.TrimSpace(string(out)))
	}
	m := version.FindStringSubmatch(string(out))
	if m == nil {
		return fmt.Errorf("%s does not tell its version", a.argv[len(a.argv)-1])
	}
	if major, _ := strconv.Atoi(m[1]); major < Oldest {
		return fmt.Errorf("%s is too old: %d or later is needed", m[0], Oldest)
	}
	a.Version = strings.TrimPrefix(m[0], "Asterisk ")
	return nil
}

func triplet() string {
	switch runtime.GOARCH {
	case "arm64":
		return "aarch64-linux-gnu"
	default:
		return "x86_64-linux-gnu"
	}
}

func installedModules() string {
	for _, d := range []string{"/usr/lib/" + triplet() + "/asterisk/modules", "/usr/lib/asterisk/modules", "/usr/lib64/asterisk/modules"} {
		if st, err := os.Stat(d); err == nil && st.IsDir() {
			return d
		}
	}
	return ""
}

// User returns the ids Asterisk runs under: those of the system user asterisk when we
// are root, or -1, -1 to stay who we are.
func User() (uid, gid int, err error) {
	if os.Geteuid() != 0 {
		return -1, -1, nil
	}
	u, err := user.Lookup("asterisk")
	if err != nil {
		return 0, 0, errors.New("there is no user asterisk to run Asterisk under: run make run once, or adduser --system --group --no-create-home asterisk")
	}
	uid, err = strconv.Atoi(u.Uid)
	if err != nil {
		return 0, 0, err
	}
	gid, err = strconv.Atoi(u.Gid)
	return uid, gid, err
}

// Command runs Asterisk in the foreground on the configuration rendered in dir. The
// process dies with this one, whatever happens to this one.
func (a Asterisk) Command(ctx context.Context, dir string, uid, gid int) *exec.Cmd {
	args := append(a.argv[1:len(a.argv):len(a.argv)], "-C", filepath.Join(dir, "etc/asterisk.conf"), "-f", "-q")
	cmd := exec.CommandContext(ctx, a.argv[0], args...)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if uid >= 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// Ask gives the Asterisk that runs on dir's configuration a command of its console and
// returns what it prints.
func (a Asterisk) Ask(ctx context.Context, dir, command string) (string, error) {
	args := append(a.argv[1:len(a.argv):len(a.argv)], "-C", filepath.Join(dir, "etc/asterisk.conf"), "-r", "-x", command)
	out, err := exec.CommandContext(ctx, a.argv[0], args...).CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("ask Asterisk %q: %w", command, err)
	}
	return string(out), nil
}
