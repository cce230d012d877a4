package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"

	asteriskconfig "decroche/asterisk-config"
)

type asteriskCmd struct {
	ExtraModules []string `hidden:"" help:"Modules for benchmarks."`
	ExtraConfig  string   `hidden:"" type:"existingdir" help:"A folder of .conf files, appended to ours, for benchmarks."`
}

// Run renders the configuration and stays with Asterisk until it ends.
func (cmd *asteriskCmd) Run(e *env) error {
	c, err := e.load()
	if err != nil {
		return err
	}
	child, err := cmd.start(e.ctx, e, c)
	if err != nil {
		return err
	}
	return child.wait()
}

// child is an Asterisk that we started.
type child struct {
	ctx   context.Context
	dir   string
	ended chan error
}

// start renders Asterisk's configuration and starts it; ctx ends it.
func (cmd *asteriskCmd) start(ctx context.Context, e *env, c *config) (*child, error) {
	a, err := asteriskconfig.Find(e.Cache)
	if err != nil {
		return nil, err
	}
	rendered, err := c.asterisk(a)
	if err != nil {
		return nil, fmt.Errorf("configuration %s: %w", c.file, err)
	}
	rendered.ExtraModules = cmd.ExtraModules
	if rendered.Extra, err = readAll(cmd.ExtraConfig); err != nil {
		return nil, err
	}
	if err := portsFree(c); err != nil {
		return nil, err
	}
	uid, gid, err := asteriskconfig.User()
	if err != nil {
		return nil, err
	}
	if err := c.makeFolders(); err != nil {
		return nil, err
	}
	if lib, err := c.library(nil); err != nil {
		return nil, err
	} else if err := exportDialplan(ctx, c, lib.System, false); err != nil {
		return nil, fmt.Errorf("make what Asterisk plays by itself: %w", err)
	}
	if err := rendered.Render(uid, gid); err != nil {
		return nil, err
	}
	logFile, err := os.OpenFile(filepath.Join(rendered.Dir, "log", "console.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open Asterisk's log: %w", err)
	}
	defer logFile.Close()
	proc := a.Command(ctx, rendered.Dir, uid, gid)
	proc.Stdout, proc.Stderr = logFile, logFile
	p := &child{ctx: ctx, dir: rendered.Dir, ended: make(chan error, 1)}
	started := make(chan error)
	go func() {
		// The child is told of the death of the thread that started it, which is not to
		// end before this process does.
		runtime.LockOSThread()
		err := proc.Start()
		started <- err
		if err == nil {
			p.ended <- proc.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start Asterisk: %w", err)
	}
	slog.Info("asterisk started", "version", a.Version, "pid", proc.Process.Pid, "dir", rendered.Dir)
	return p, nil
}

// readAll gives the .conf files of a folder by their names; no folder, no files.
func readAll(dir string) (map[string]string, error) {
	files := map[string]string{}
	if dir == "" {
		return files, nil
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*.conf"))
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read configuration to add to Asterisk's: %w", err)
		}
		files[filepath.Base(path)] = string(raw)
	}
	return files, nil
}

// wait returns when Asterisk has ended: nil if we ended it.
func (p *child) wait() error {
	err := <-p.ended
	if p.ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("asterisk ended by itself (%v); its last words:\n%s", err, tail(filepath.Join(p.dir, "log", "console.log"), 1500))
}

func tail(path string, n int64) string {
	f, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil && st.Size() > n {
		_, _ = f.Seek(-n, io.SeekEnd)
	}
	raw, _ := io.ReadAll(f)
	return string(raw)
}

// makeFolders makes what Asterisk and the controller share, readable by both.
func (c *config) makeFolders() error {
	for _, dir := range []string{c.Data, c.sounds(), c.music()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("make the data folder: %w (name another with --data or DECROCHE_DATA)", err)
		}
	}
	return nil
}

// portsFree says which port is taken, before Asterisk says it less clearly.
func portsFree(c *config) error {
	udp := net.JoinHostPort(c.SIP.Bind, fmt.Sprint(c.SIP.Port))
	p, err := net.ListenPacket("udp", udp)
	if err != nil {
		return fmt.Errorf("SIP cannot be served on udp %s: %w: another program has it; stop that one, or set sip.port in %s", udp, err, c.file)
	}
	p.Close()
	return errors.Join(
		tcpFree("SIP", net.JoinHostPort(c.SIP.Bind, fmt.Sprint(c.SIP.Port)), "sip.port", c.file),
		tcpFree("ARI", net.JoinHostPort(c.ARI.Bind, fmt.Sprint(c.ARI.Port)), "ari.port", c.file),
	)
}

func tcpFree(what, addr, key, file string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("%s cannot be served on tcp %s: %w: another program has it; stop that one, or set %s in %s", what, addr, err, key, file)
	}
	return l.Close()
}
