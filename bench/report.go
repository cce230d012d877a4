package main

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"slices"
	"strings"
	"text/template"
	"time"

	asteriskconfig "decroche/asterisk-config"
)

// results are everything a run has measured; index 0 is decroche, 1 the baseline.
type results struct {
	o                    options
	begun                time.Time
	asterisk, loadBefore string
	held                 [2]held
	rounds               [2][]outcome
	probed               [2]outcome
	best                 [2]int
	limit                [2]string
	called               recalls
	micro                []micro
}

// micro is the output of a Go benchmark.
type micro struct{ Command, Output string }

func asteriskVersion(o options) string {
	a, err := asteriskconfig.Find(o.cache)
	if err != nil {
		return "?"
	}
	return a.Version
}

// benchmarks runs the Go benchmarks whose figures belong beside these.
func (r *results) benchmarks(ctx context.Context) error {
	for _, command := range []string{
		"go test -run ^$ -bench . -benchmem -benchtime 200ms ./routing",
		"go test -run ^$ -bench Bars -benchtime 1x ./routing/wait",
		"go test -run ^$ -bench Journal|Checkpoints|Save|Scan|Decode -benchmem -benchtime 300ms ./store ./ari",
		"go test -run ^$ -bench NextDueAmong100000/(disk|SQLite) -benchtime 1000x ./store",
		"go test -run ^$ -bench Offer ./callback",
	} {
		say("%s", command)
		args := strings.Fields(command)
		out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s: %w\n%s", command, err, out)
		}
		r.micro = append(r.micro, micro{quoted(args), benchLines(string(out))})
	}
	return nil
}

// quoted writes a command as a shell takes it.
func quoted(args []string) string {
	words := make([]string, len(args))
	for i, a := range args {
		if words[i] = a; strings.ContainsAny(a, "^$|()") {
			words[i] = "'" + a + "'"
		}
	}
	return strings.Join(words, " ")
}

// benchLines keeps the results and drops what the machine says of itself again.
func benchLines(out string) string {
	var keep []string
	for line := range strings.Lines(out) {
		line = strings.TrimRight(line, "\n")
		if line == "PASS" || strings.HasPrefix(line, "goos:") || strings.HasPrefix(line, "goarch:") || strings.HasPrefix(line, "cpu:") || strings.HasPrefix(line, "ok ") {
			continue
		}
		keep = append(keep, line)
	}
	return strings.Join(keep, "\n")
}

// partsTitle begins what only -all measures; a run without it keeps what is there.
const partsTitle = "## The parts by themselves"

// write fills the template in; the words that are not figures live there.
func (r *results) write() error {
	if r.o.out == "" || r.o.quick {
		return nil
	}
	t, err := template.ParseFS(assets, "assets/RESULTS.md")
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, r.view()); err != nil {
		return fmt.Errorf("write the results: %w", err)
	}
	if !r.o.all {
		b.Write(r.former(partsTitle))
	}
	b.Write(r.former(ledgerTitle))
	b.Write(r.former(siteTitle))
	if err := os.WriteFile(r.o.out, b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write the results: %w", err)
	}
	say("%s is written; the run took %s", r.o.out, time.Since(r.begun).Round(time.Second))
	return nil
}

// former is a section that an earlier run wrote: from its title to the next, or to the end.
func (r *results) former(title string) []byte {
	text, _ := os.ReadFile(r.o.out) // there is none before the first run
	i := bytes.Index(text, []byte(title))
	if i < 0 {
		return nil
	}
	section := text[i:]
	if end := bytes.Index(section, []byte("\n## ")); end >= 0 {
		section = section[:end+1]
	}
	return section
}

// view gives the template rows of text.
func (r *results) view() map[string]any {
	ast := ratios(r.rounds, func(o outcome, base outcome) float64 {
		return float64(o.perCall(o.used.asterisk)) / float64(base.perCall(base.used.asterisk))
	})
	share := make([]float64, 0, len(r.rounds[0]))
	for _, o := range r.rounds[0] {
		share = append(share, float64(o.used.controller)/float64(o.used.asterisk))
	}
	d, a := r.probed[0].probed, r.probed[1].probed
	per := func(i int, read func(outcome) time.Duration) string {
		return ms(median(r.rounds[i], func(o outcome) float64 { return float64(o.perCall(read(o))) }))
	}
	asterisk := func(o outcome) time.Duration { return o.used.asterisk }
	controller := func(o outcome) time.Duration { return o.used.controller }
	waiting := func(i int, read func(held) string) string {
		if r.held[i].callers == 0 {
			return "–"
		}
		return read(r.held[i])
	}
	kib := func(n int64) string { return fmt.Sprintf("%.1f KiB", float64(n)/1024) }
	rows := [][]string{
		{"calls/s held", r.climbed(0), r.climbed(1), ""},
		{fmt.Sprintf("Asterisk CPU per call, %d/s", r.o.rate), per(0, asterisk), per(1, asterisk), mark(middle(ast) <= 1.25, "ratio %.2f (each round: %s); to reach: ≤ 1.25", middle(ast), floats(ast))},
		{fmt.Sprintf("controller CPU per call, %d/s", r.o.rate), per(0, controller), "none", mark(middle(share) <= 0.15, "%.0f %% of Asterisk's; to reach: ≤ 15 %%", 100*middle(share))},
		{fmt.Sprintf("INVITE → first sound, %d/s: p50, p95, p99", probedRate), percentiles(d.firstSound), percentiles(a.firstSound), bar(d.firstSound, 150)},
		{"key → next prompt: p50, p95, p99", percentiles(d.prompt), percentiles(a.prompt), bar(d.prompt, 100)},
		{"agent free → agent rings: p50, p95, p99", percentiles(d.ring), percentiles(a.ring), bar(d.ring, 100)},
		{"callback: agent free → citizen rings: p50, p95, p99", percentiles(r.called.beyond), "–", r.called.mark()},
		{
			"callers held, waiting", waiting(0, func(h held) string { return fmt.Sprint(h.callers) }), waiting(1, func(h held) string { return fmt.Sprint(h.callers) }),
			mark(r.held[0].callers >= 300 && r.held[0].failed == 0, "to reach: 300"),
		},
		{
			"controller memory per waiting caller", waiting(0, func(h held) string { return kib(h.controllerRSS) }), "none",
			mark(r.held[0].controllerRSS <= 32<<10, "to reach: ≤ 32 KiB"),
		},
		{"Asterisk memory per waiting caller", waiting(0, func(h held) string { return kib(h.asteriskRSS) }), waiting(1, func(h held) string { return kib(h.asteriskRSS) }), ""},
		{"Asterisk CPU per waiting caller and minute", waiting(0, func(h held) string { return ms(float64(h.asteriskCPU)) }), waiting(1, func(h held) string { return ms(float64(h.asteriskCPU)) }), ""},
		{"controller CPU per waiting caller and minute", waiting(0, func(h held) string { return ms(float64(h.controllerCPU)) }), "none", ""},
	}
	names := [2]string{decroche, baseline}
	var rounds [][]string
	for n := range r.rounds[0] {
		for i, name := range names {
			rounds = append(rounds, r.rounds[i][n].row(name, r.o.rate))
		}
	}
	for i, name := range names {
		rounds = append(rounds, r.probed[i].row(name, probedRate))
	}
	return map[string]any{
		"Machine": machine(), "Asterisk": r.asterisk, "Date": r.begun.Format("2006-01-02 15:04 MST"), "Load": r.loadBefore,
		"Parts": partsTitle, "Rows": rows, "Rounds": rounds, "Micro": r.micro,
		"Rate": r.o.rate, "Seconds": r.o.seconds, "N": r.o.rounds, "Length": r.o.length, "ProbedRate": probedRate, "ProbedLength": probedLength,
		"Callbacks": r.called, "Agents": r.o.agents, "Waiting": r.o.waiting,
		"Samples": fmt.Sprintf("%d/%d/%d for decroche, %d/%d/%d for app_queue", len(d.firstSound), len(d.prompt), len(d.ring), len(a.firstSound), len(a.prompt), len(a.ring)),
	}
}

func (r *results) climbed(i int) string {
	if r.limit[i] == "" {
		return fmt.Sprintf("%d (none higher was tried)", r.best[i])
	}
	return fmt.Sprintf("%d (%s)", r.best[i], r.limit[i])
}

// row is a round as the table of rounds shows it.
func (o outcome) row(name string, rate int) []string {
	cores := func(d time.Duration) string { return fmt.Sprintf("%.2f", d.Seconds()/o.wall.Seconds()) }
	return []string{
		name, fmt.Sprint(rate), fmt.Sprint(o.calls), fmt.Sprint(o.failed), fmt.Sprint(o.retransmitted),
		ms(float64(o.perCall(o.used.asterisk))), ms(float64(o.perCall(o.used.controller))),
		cores(o.used.asterisk), cores(o.used.controller), cores(o.used.sipp), cores(o.used.phones), o.loadAverage,
	}
}

func (o outcome) perCall(d time.Duration) time.Duration { return d / time.Duration(max(o.calls, 1)) }

func (o outcome) String() string {
	return fmt.Sprintf("%d calls, %d failed, %d retransmissions, %s; a call: asterisk %s, controller %s; cores: asterisk %.2f, controller %.2f, sipp %.2f, phones %.2f; load average %s",
		o.calls, o.failed, o.retransmitted, o.wall.Round(time.Second), ms(float64(o.perCall(o.used.asterisk))), ms(float64(o.perCall(o.used.controller))),
		o.used.asterisk.Seconds()/o.wall.Seconds(), o.used.controller.Seconds()/o.wall.Seconds(),
		o.used.sipp.Seconds()/o.wall.Seconds(), o.used.phones.Seconds()/o.wall.Seconds(), o.loadAverage)
}

func ms(ns float64) string { return fmt.Sprintf("%.1f ms", ns/1e6) }

// quantile by the nearest rank.
func quantile(list []time.Duration, q float64) time.Duration {
	if len(list) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(list))
	return sorted[max(int(math.Ceil(q*float64(len(sorted))))-1, 0)]
}

func percentiles(list []time.Duration) string {
	if len(list) == 0 {
		return "–"
	}
	p := func(q float64) int64 { return quantile(list, q).Round(time.Millisecond).Milliseconds() }
	return fmt.Sprintf("%d, %d, %d ms", p(0.5), p(0.95), p(0.99))
}

func bar(list []time.Duration, limit int64) string {
	p95 := quantile(list, 0.95)
	return mark(len(list) > 0 && p95.Milliseconds() <= limit, "to reach: p95 ≤ %d ms", limit)
}

func mark(reached bool, format string, args ...any) string {
	word := "missed"
	if reached {
		word = "reached"
	}
	return fmt.Sprintf(format, args...) + ": **" + word + "**"
}

func median(rounds []outcome, read func(outcome) float64) float64 {
	list := make([]float64, len(rounds))
	for i, o := range rounds {
		list[i] = read(o)
	}
	return middle(list)
}

func middle(list []float64) float64 {
	if len(list) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(list))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// ratios compares each round with its neighbour of the other side.
func ratios(rounds [2][]outcome, ratio func(a, b outcome) float64) []float64 {
	var list []float64
	for i := range min(len(rounds[0]), len(rounds[1])) {
		list = append(list, ratio(rounds[0][i], rounds[1][i]))
	}
	return list
}

func floats(list []float64) string {
	words := make([]string, len(list))
	for i, f := range list {
		words[i] = fmt.Sprintf("%.2f", f)
	}
	return strings.Join(words, ", ")
}
