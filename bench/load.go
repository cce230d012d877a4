package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// load is what sipp does: calls at a rate, each with one key.
type load struct {
	rate  int // calls a second
	calls int
	key   string
	// before the key and after it, until the caller hangs up.
	before, after time.Duration
}

// journey is the call that is compared: welcome, menu, a key at 3 s, an agent, goodbye by the caller.
func journey(rate, calls int, length time.Duration) load {
	return load{rate: rate, calls: calls, key: "1", before: 3 * time.Second, after: length - 3*time.Second}
}

// used is the processor time of everything that takes part.
type used struct{ asterisk, controller, sipp, phones time.Duration }

// outcome is what came of a load.
type outcome struct {
	calls, failed, retransmitted int
	wall                         time.Duration
	used                         used
	probed                       latencies
	loadAverage                  string
}

// sipp is a load under way.
type sipp struct {
	cmd   *exec.Cmd
	stats string
	words bytes.Buffer // on its standard error
}

func (s *side) sipp(l load) (*sipp, error) {
	raw, err := assets.ReadFile("assets/caller.xml")
	if err != nil {
		return nil, err
	}
	sound := filepath.Join(s.dir, "noise.alaw")
	if err := os.WriteFile(sound, murmur(5*time.Second), 0o644); err != nil {
		return nil, err
	}
	ms := func(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
	text := strings.NewReplacer("SOUND", sound, "BEFORE", ms(l.before), "AFTER", ms(l.after), "Signal=KEY", "Signal="+l.key).Replace(string(raw))
	scenario := filepath.Join(s.dir, "caller.xml")
	if err := os.WriteFile(scenario, []byte(text), 0o644); err != nil {
		return nil, err
	}
	p := &sipp{stats: filepath.Join(s.dir, "sipp.csv")}
	_ = os.Remove(p.stats)
	p.cmd = exec.Command("sipp", s.sip, "-sf", scenario, "-s", number, "-i", trunk, "-mi", trunk, "-t", "u1",
		"-r", strconv.Itoa(l.rate), "-m", strconv.Itoa(l.calls), "-l", strconv.Itoa(l.calls),
		"-rtp_threadtasks", "100", "-timeout", "180s",
		"-nostdin", "-trace_stat", "-stf", p.stats, "-fd", "1", "-trace_err", "-error_file", filepath.Join(s.dir, "sipp.err"))
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p.cmd.Dir = s.dir
	p.cmd.Stderr = &p.words
	return p, p.cmd.Start()
}

// murmur is sound that is no silence: Asterisk is not to take it for a pause.
func murmur(d time.Duration) []byte {
	b := make([]byte, 8*d.Milliseconds())
	for i := range b {
		b[i] = 0xd5 ^ byte(i*7&0x1f)
	}
	return b
}

// now reads a column of sipp's last line of figures.
func (p *sipp) now(column string) (int, error) {
	f, err := os.Open(p.stats)
	if err != nil {
		return 0, fmt.Errorf("read sipp's figures: %w: sipp says: %s", err, p.words.String())
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma, r.FieldsPerRecord = ';', -1
	rows, err := r.ReadAll()
	if err != nil || len(rows) < 2 {
		return 0, fmt.Errorf("read sipp's figures: %w", errors.Join(err, errors.New("too few")))
	}
	for i, name := range rows[0] {
		if name == column {
			return strconv.Atoi(rows[len(rows)-1][i])
		}
	}
	return 0, fmt.Errorf("sipp has no figure %q", column)
}

// run puts the load on the side, with or without probes, until its last call is over.
func (s *side) run(ctx context.Context, l load, probing bool) (o outcome, err error) {
	if err := s.renew(ctx); err != nil {
		return o, err
	}
	before, err := s.used()
	if err != nil {
		return o, err
	}
	begun := time.Now()
	p, err := s.sipp(l)
	if err != nil {
		return o, fmt.Errorf("start sipp: %w", err)
	}
	done := make(chan error, 1)
	go func() { done <- p.cmd.Wait() }()
	if probing {
		span := time.Duration(l.calls/l.rate) * time.Second
		o.probed, err = s.measure(ctx, l.before+l.after, span) // when all calls are up
		if err != nil {
			return o, err
		}
	}
	select {
	case <-ctx.Done():
		_ = p.cmd.Process.Kill()
		<-done
		return o, ctx.Err()
	case <-done: // its exit code tells of failed calls, which are counted
	}
	o.wall = time.Since(begun)
	after, err := s.used()
	if err != nil {
		return o, err
	}
	o.used = used{
		asterisk: after.asterisk - before.asterisk, controller: after.controller - before.controller,
		phones: after.phones - before.phones, sipp: p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime(),
	}
	o.loadAverage = loadAverage()
	for column, into := range map[string]*int{"SuccessfulCall(C)": &o.calls, "FailedCall(C)": &o.failed, "Retransmissions(C)": &o.retransmitted} {
		n, err := p.now(column)
		if err != nil {
			return o, err
		}
		*into = n
	}
	if raw, err := os.ReadFile(filepath.Join(s.dir, "sipp.err")); err == nil && o.failed > 0 {
		say("%s: the first that sipp complains of: %.600s", s.name, raw)
	}
	return o, nil
}

func (s *side) used() (u used, err error) {
	if u.asterisk, err = cpu(s.asteriskPID); err != nil {
		return u, err
	}
	if s.controller != nil {
		if u.controller, err = cpu(s.controller.cmd.Process.Pid); err != nil {
			return u, err
		}
	}
	u.phones = ownCPU()
	return u, nil
}

// held is what so many waiting callers cost.
type held struct {
	callers, failed               int
	controllerRSS, asteriskRSS    int64         // bytes for each caller
	controllerCPU, asteriskCPU    time.Duration // for each caller and minute
	controllerBase, controllerTop int64
}

// hold lets callers wait where no agent is, through two announcements, and measures the
// second half minute.
func (s *side) hold(ctx context.Context, n int) (h held, err error) {
	memory := func() (asterisk, controller int64) {
		asterisk, err1 := rss(s.asteriskPID)
		var err2 error
		if s.controller != nil {
			controller, err2 = rss(s.controller.cmd.Process.Pid)
		}
		err = errors.Join(err, err1, err2)
		return asterisk, controller
	}
	a0, c0 := memory()
	const rate = 20
	ramp := time.Duration(n/rate)*time.Second + 3*time.Second
	p, err := s.sipp(load{rate: rate, calls: n, key: "2", before: 3 * time.Second, after: ramp + 40*time.Second})
	if err != nil {
		return h, err
	}
	done := make(chan struct{})
	go func() { _ = p.cmd.Wait(); close(done) }()
	defer func() { <-done }()
	pause := func(d time.Duration) {
		select {
		case <-ctx.Done():
			_ = p.cmd.Process.Kill()
		case <-time.After(d):
		}
	}
	pause(ramp + 8*time.Second)
	u0, err0 := s.used()
	const window = 32 * time.Second
	pause(window)
	u1, err1 := s.used()
	h.callers, err = p.now("CurrentCall")
	a1, c1 := memory()
	if err := errors.Join(err, err0, err1, ctx.Err()); err != nil {
		return h, err
	}
	count := max(h.callers, 1)
	h.asteriskRSS, h.controllerRSS = (a1-a0)/int64(count), (c1-c0)/int64(count)
	h.controllerBase, h.controllerTop = c0, c1
	minute := func(d time.Duration) time.Duration {
		return d * time.Duration(time.Minute/time.Second) / time.Duration(count) / (window / time.Second)
	}
	h.asteriskCPU, h.controllerCPU = minute(u1.asterisk-u0.asterisk), minute(u1.controller-u0.controller)
	<-done
	h.failed, err = p.now("FailedCall(C)")
	return h, err
}
