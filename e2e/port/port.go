// Package port gives the tests ports that no other test is given, in whatever process it runs.
//
// Asking the system for any free port and closing it again is not enough here: between that
// moment and the start of the program that is to listen there, the system may hand the same
// port to somebody else, and on a busy machine it does.
package port

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// The ports are above those Linux gives to whoever asks for any (32768 to 60999), and above
// those our tests give to media.
const from, to = 61000, 65500

// Take is a port that is free for TCP and UDP on every address, and kept from other tests
// until this process ends: a locked file in the temporary folder says whose it is.
func Take() (int, error) {
	dir := filepath.Join(os.TempDir(), "decroche-ports")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return 0, fmt.Errorf("a port for a test: %w", err)
	}
	for p := from; p <= to; p++ {
		mine, err := lock(filepath.Join(dir, fmt.Sprint(p)))
		if err != nil {
			return 0, fmt.Errorf("a port for a test: %w", err)
		}
		if mine && free(p) {
			return p, nil
		}
	}
	return 0, fmt.Errorf("no port from %d to %d is free", from, to)
}

// Must is Take for those who cannot go on without.
func Must(tb interface {
	Helper()
	Fatal(args ...any)
},
) int {
	tb.Helper()
	p, err := Take()
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// lock leaves the file open, and so locked, until the process ends.
func lock(path string) (mine bool, err error) {
	fd, err := syscall.Open(path, syscall.O_CREAT|syscall.O_RDWR|syscall.O_CLOEXEC, 0o666)
	if err != nil {
		return false, err
	}
	err = syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return true, nil
	}
	_ = syscall.Close(fd)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return false, err
}

func free(p int) bool {
	addr := fmt.Sprintf("0.0.0.0:%d", p)
	t, err := net.Listen("tcp4", addr)
	if err != nil {
		return false
	}
	defer t.Close()
	u, err := net.ListenPacket("udp4", addr)
	if err != nil {
		return false
	}
	_ = u.Close()
	return true
}
