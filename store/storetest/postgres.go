package storetest

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"decroche/e2e/port"
)

// Postgres starts a throw-away PostgreSQL and returns the URL of an empty database in it.
// The server stops and its files go away at the end of the test, also when the test
// process is killed (then the files stay). It fails the test, and never skips it, when
// PostgreSQL is not installed.
func Postgres(t testing.TB) string { return StartPostgres(t).Database(t) }

// Server is a throw-away PostgreSQL on 127.0.0.1.
type Server struct {
	bin, dir string
	settings []string
	port     int
	cred     *syscall.Credential
	made     atomic.Int64
	cmd      *exec.Cmd
	ended    chan error
	log      bytes.Buffer
}

// StartPostgres starts a server with no databases of its own; see Postgres. It does not sync
// its files, for a test's server never sees a power cut; settings such as "fsync=on" change that.
func StartPostgres(t testing.TB, settings ...string) *Server {
	t.Helper()
	s := &Server{settings: settings, bin: postgresBin(t), cred: postgresUser(t)}
	dir, err := os.MkdirTemp("", "decroche-postgres-") // not t.TempDir: the server's user must get in
	if err != nil {
		t.Fatal(err)
	}
	s.dir = dir
	t.Cleanup(func() { os.RemoveAll(dir) })
	if s.cred != nil {
		if err := os.Chown(dir, int(s.cred.Uid), int(s.cred.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	init := s.command("initdb", "-D", filepath.Join(dir, "data"), "-U", "decroche", "--auth=trust",
		"--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions", "--wal-segsize=4")
	if out, err := init.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	for attempt := 1; ; attempt++ {
		s.port = port.Must(t)
		err := s.start()
		if err == nil {
			break
		}
		if attempt == 3 {
			t.Fatalf("start PostgreSQL: %v\n%s", err, s.log.Bytes())
		}
	}
	t.Cleanup(func() { s.Stop(t) })
	return s
}

// Database makes an empty database and returns its URL.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("d%d", s.made.Add(1))
	db, err := sql.Open("pgx", s.url("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("CREATE DATABASE " + name); err != nil {
		t.Fatalf("make a database: %v", err)
	}
	return s.url(name)
}

func (s *Server) url(database string) string {
	return fmt.Sprintf("postgres://decroche@127.0.0.1:%d/%s?sslmode=disable", s.port, database)
}

// RequirePassword makes the server ask its one account for a password from now on.
func (s *Server) RequirePassword(t testing.TB, password string) {
	t.Helper()
	db, err := sql.Open("pgx", s.url("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("ALTER ROLE decroche PASSWORD '" + password + "'"); err != nil {
		t.Fatalf("set the password: %v", err)
	}
	rules := []byte("host all all 127.0.0.1/32 scram-sha-256\n")
	path := filepath.Join(s.dir, "data", "pg_hba.conf")
	if err := os.WriteFile(path, rules, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("SELECT pg_reload_conf()"); err != nil {
		t.Fatalf("reload the rules: %v", err)
	}
	// The reload takes a moment: until then the account still gets in without.
	for limit := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		fresh, err := sql.Open("pgx", s.url("postgres"))
		if err != nil {
			t.Fatal(err)
		}
		err = fresh.Ping()
		fresh.Close()
		if err != nil {
			return
		}
		if time.Now().After(limit) {
			t.Fatal("the server never asked for the password")
		}
	}
}

// Stop stops the server at once, cutting its connections. Stopping twice does nothing.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	if s.cmd == nil {
		return
	}
	if err := s.cmd.Process.Signal(syscall.SIGINT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("stop PostgreSQL: %v", err)
	}
	select {
	case <-s.ended:
	case <-time.After(10 * time.Second):
		s.cmd.Process.Signal(syscall.SIGQUIT)
		<-s.ended
	}
	s.cmd = nil
}

// Start starts a stopped server again, on the same port with the same data.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	if err := s.start(); err != nil {
		t.Fatalf("start PostgreSQL again: %v\n%s", err, s.log.Bytes())
	}
}

func (s *Server) start() error {
	s.log.Reset()
	cmd := s.command("postgres", "-D", filepath.Join(s.dir, "data"), "-h", "127.0.0.1", "-p", strconv.Itoa(s.port),
		"-k", s.dir, "-c", "max_connections=60", "-c", "fsync=off")
	for _, set := range s.settings {
		cmd.Args = append(cmd.Args, "-c", set)
	}
	cmd.Stdout, cmd.Stderr = &s.log, &s.log
	// The server dies with the test process. That signal is tied to the thread that starts it,
	// so one goroutine keeps its thread until the server has ended.
	cmd.SysProcAttr.Pdeathsig = syscall.SIGQUIT
	started, ended := make(chan error, 1), make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			ended <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	db, err := sql.Open("pgx", s.url("postgres")+"&connect_timeout=2")
	if err != nil {
		return err
	}
	defer db.Close()
	for limit := time.Now().Add(20 * time.Second); ; time.Sleep(30 * time.Millisecond) {
		err := db.PingContext(context.Background())
		if err == nil {
			s.cmd, s.ended = cmd, ended
			return nil
		}
		select {
		case ended := <-ended:
			return errors.Join(err, ended)
		default:
		}
		if time.Now().After(limit) {
			cmd.Process.Signal(syscall.SIGQUIT)
			return errors.Join(err, <-ended)
		}
	}
}

func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Dir = s.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.cred}
	return cmd
}

// postgresBin finds the folder of the newest server, where Debian keeps it or in the PATH.
func postgresBin(t testing.TB) string {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		t.Fatal(err)
	}
	version := func(path string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path)))) // an odd name counts as old
		return n
	}
	slices.SortFunc(found, func(a, b string) int { return version(b) - version(a) })
	if len(found) > 0 {
		return filepath.Dir(found[0])
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path)
	}
	t.Fatal("PostgreSQL is missing, and the store is tested on it: install postgresql: apt-get install postgresql")
	return ""
}

// postgresUser is who the server runs as: nobody else when we are not root, as the server
// refuses root.
func postgresUser(t testing.TB) *syscall.Credential {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		t.Fatalf("PostgreSQL does not run as root, and its user is missing (%v): install postgresql: apt-get install postgresql", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}
