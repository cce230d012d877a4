// Bench measures a reception line of decroche against a plain dialplan that does the
// same journey with app_queue, on the same Asterisk, in the same run, and writes
// bench/RESULTS.md.
//
// Each side has an Asterisk of its own for the whole run; rounds go in turn, so that what
// else the machine does falls on both. sipp makes the load; our own telephones are the
// agents, and probe what a caller and an agent notice. A round that fails ends the run
// with an error, and the file stays as it was.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"decroche/service"
)

const (
	decroche = "decroche"
	baseline = "app_queue"
	// callbacks is a line of its own, for calls that are placed.
	callbacks = "callbacks"
)

// options of a run.
type options struct {
	bin, cache, out string
	rate            int // calls a second of the processor rounds
	rounds, seconds int
	length          time.Duration // of a call
	agents, waiting int
	top             int // the highest rate that is tried
	callbacks       int // how many are measured
	all, quick      bool
	part            string
	contacts        int    // the most that are told to the journal
	engine          string // of the databases that keep them
	keep            string // the folder of SQLite's, to measure again what was told once
	// before prepares the data folder of a controller that is about to start; nil: nothing.
	before func(ctx context.Context, dir string) error
}

func main() { os.Exit(run()) }

func run() int {
	var o options
	flag.StringVar(&o.bin, "bin", os.Getenv("DECROCHE_BIN"), "the decroche that is measured; built when empty")
	flag.StringVar(&o.cache, "cache", cacheDir(), "the folder with Asterisk's tree")
	flag.StringVar(&o.out, "out", "bench/RESULTS.md", "where the figures go; empty: nowhere")
	flag.IntVar(&o.rate, "rate", 10, "calls a second when processor time is measured")
	flag.IntVar(&o.rounds, "rounds", 3, "rounds of each side")
	flag.IntVar(&o.seconds, "seconds", 12, "seconds of new calls in a round")
	flag.DurationVar(&o.length, "length", 15*time.Second, "length of a call")
	flag.IntVar(&o.agents, "agents", 160, "agents")
	flag.IntVar(&o.waiting, "waiting", 300, "callers held; 0: do not")
	flag.IntVar(&o.top, "top", 40, "the highest rate that is tried; 0: none")
	flag.IntVar(&o.callbacks, "callbacks", 32, "callbacks measured, one after the other; 0: none")
	flag.StringVar(&o.part, "part", "", "callbacks, site, ledger: these alone, and no file")
	flag.IntVar(&o.contacts, "contacts", 2_000_000, "contacts of the year whose figures are measured, and half and a quarter of them; 0: none")
	flag.StringVar(&o.engine, "engine", "both", "sqlite, postgres, or both, for these")
	flag.StringVar(&o.keep, "keep", "", "keep SQLite's years in this folder: they are told once, and measured again; empty: told anew")
	flag.BoolVar(&o.all, "all", false, "run the Go benchmarks of routing, store and ari too")
	flag.BoolVar(&o.quick, "quick", false, "processor rounds alone, and no file")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := measure(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

func cacheDir() string {
	if d := os.Getenv("DECROCHE_CACHE"); d != "" {
		return d
	}
	return "/var/cache/decroche"
}

func measure(ctx context.Context, o options) error {
	r := &results{o: o, begun: time.Now(), loadBefore: loadAverage(), asterisk: asteriskVersion(o)}
	if o.part == ledgerPart {
		return r.ledger(ctx)
	}
	if _, err := exec.LookPath("sipp"); err != nil && o.part != callbacks && o.part != sitePart {
		return errors.New("sipp is missing: apt-get install sip-tester, or make bench")
	}
	if o.bin == "" {
		dir, err := os.MkdirTemp("", "decroche-bench-bin-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		o.bin = filepath.Join(dir, "decroche")
		build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", o.bin, "./cmd/decroche")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("build decroche: %w\n%s", err, out)
		}
	}
	if o.part != "" && o.part != callbacks && o.part != sitePart {
		return fmt.Errorf("there is no part %q: write callbacks, site or ledger", o.part)
	}
	say("machine: %v; Asterisk %s; load average %s", machine(), r.asterisk, r.loadBefore)
	if o.part == sitePart {
		r.o.bin = o.bin
		return r.site(ctx)
	}
	if err := r.callbacks(ctx); err != nil || o.part != "" {
		return err
	}
	var sides [2]*side
	for i, name := range []string{decroche, baseline} {
		s, err := start(ctx, name, o)
		if err != nil {
			return err
		}
		defer s.stop()
		sides[i] = s
	}
	if err := r.line(ctx, sides); err != nil {
		return err
	}
	if o.all && !o.quick {
		if err := r.benchmarks(ctx); err != nil {
			return err
		}
	}
	return r.write()
}

// line measures the two sides in turn.
func (r *results) line(ctx context.Context, sides [2]*side) error {
	o := r.o
	each := func(f func(i int, s *side) error) error {
		for i, s := range sides {
			if err := f(i, s); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
		return nil
	}
	warm := func(_ int, s *side) error { _, err := s.run(ctx, journey(5, 20, 8*time.Second), false); return err }
	if err := each(warm); err != nil {
		return err
	}
	if o.waiting > 0 && !o.quick {
		if err := each(func(i int, s *side) (err error) {
			r.held[i], err = s.hold(ctx, o.waiting)
			say("%s: held %+v", s.name, r.held[i])
			return err
		}); err != nil {
			return err
		}
	}
	for range o.rounds {
		if err := each(func(i int, s *side) error {
			out, err := s.run(ctx, journey(o.rate, o.rate*o.seconds, o.length), false)
			r.rounds[i] = append(r.rounds[i], out)
			say("%s at %d/s: %s", s.name, o.rate, out)
			return err
		}); err != nil {
			return err
		}
	}
	if o.quick {
		return nil
	}
	if err := each(func(i int, s *side) error {
		out, err := s.run(ctx, journey(probedRate, probedRate*5*o.seconds/2, probedLength), true)
		r.probed[i] = out
		say("%s at %d/s: %s; %s", s.name, probedRate, out, out.probed)
		return err
	}); err != nil {
		return err
	}
	return each(func(i int, s *side) error { return r.climb(ctx, i, s) })
}

// At this rate the latencies are measured; calls are shorter, so that sipp keeps up.
const (
	probedRate   = 20
	probedLength = 9 * time.Second
)

// climb raises the rate until calls fail, the sound comes late or sipp falls behind.
func (r *results) climb(ctx context.Context, i int, s *side) error {
	r.best[i] = probedRate
	for rate := probedRate + 10; rate <= r.o.top; rate += 10 {
		out, err := s.run(ctx, journey(rate, rate*15, probedLength), true)
		if err != nil {
			return err
		}
		say("%s at %d/s: %s; %s", s.name, rate, out, out.probed)
		if why := out.tooMuch(rate); why != "" {
			r.limit[i] = fmt.Sprintf("%d/s: %s", rate, why)
			return nil
		}
		r.best[i] = rate
	}
	return nil
}

// tooMuch says why a rate was not held.
func (o outcome) tooMuch(rate int) string {
	late := quantile(o.probed.firstSound, 0.95)
	expected := time.Duration(o.calls+o.failed)*time.Second/time.Duration(rate) + probedLength
	switch {
	case o.failed > 0:
		return fmt.Sprintf("%d of %d calls failed", o.failed, o.calls+o.failed)
	case o.wall > expected*11/10+time.Second:
		return "sipp fell behind its rate"
	case late > 500*time.Millisecond:
		return fmt.Sprintf("first sound p95 %s", late.Round(time.Millisecond))
	}
	return ""
}

func definition() (*service.Definition, error) {
	raw, err := assets.ReadFile("assets/service.yaml")
	if err != nil {
		return nil, err
	}
	return service.Parse("service.yaml", raw)
}

func say(format string, args ...any) {
	fmt.Printf("%s  %s\n", time.Now().Format("15:04:05"), fmt.Sprintf(format, args...))
}
