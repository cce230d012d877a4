package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"decroche/metrics/report"
	"decroche/routing/wait"
)

// aPast is a folder with a configuration of its own, and no controller.
type aPast struct {
	*testing.T
	dir, config string
}

func newPast(t *testing.T) *aPast {
	t.Helper()
	p := &aPast{T: t, dir: t.TempDir()}
	service, err := filepath.Abs("../../demo/prefecture.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../demo/decroche.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p.config = p.file("decroche.yaml", strings.Replace(string(text), "service: prefecture.yaml", "service: "+service, 1))
	return p
}

func (p *aPast) file(name, text string) string {
	p.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		p.Fatal(err)
	}
	return path
}

// says runs a command that has to succeed.
func (p *aPast) says(args ...string) string {
	p.Helper()
	var out, errs bytes.Buffer
	if code := run(append([]string{"--config", p.config, "--data", p.dir}, args...), &out, &errs); code != 0 {
		p.Fatalf("decroche %q: %d: %s", args, code, errs.String())
	}
	return out.String()
}

// counts reads figures of a day: numerator and denominator.
func (p *aPast) counts(day string, want map[string][2]int64) {
	p.Helper()
	var rep report.Report
	if err := json.Unmarshal([]byte(p.says("report", "--from", day, "--format", "json")), &rep); err != nil {
		p.Fatal(err)
	}
	for _, f := range rep.Figures {
		if w, held := want[f.Indicator]; held && (f.Num != w[0] || f.Den != w[1]) {
			p.Errorf("%s is %d / %d, want %d / %d", f.Indicator, f.Num, f.Den, w[0], w[1])
		}
	}
}

func TestPastCallsAreInTheFiguresOnceAndTeachHowLongOneWaits(t *testing.T) {
	p := newPast(t)
	day := time.Now().AddDate(0, 0, -20)
	at := func(clock string) string { return day.Format(time.DateOnly) + " " + clock }
	var text strings.Builder
	text.WriteString("call_id,queue,queued_at,left_queue_at,answered_at,ended_at,outcome,agent,caller,reason,wrapup_s,open\n")
	for i := range 8 {
		fmt.Fprintf(&text, "a%d,accueil,%s,,%s,%s,answered,2001,06399800%02d,permis,30,1\n", i, at(fmt.Sprintf("10:%02d:00", i)), at(fmt.Sprintf("10:%02d:30", i)), at(fmt.Sprintf("10:%02d:30", i+2)), i%7)
	}
	fmt.Fprintf(&text, "b1,accueil,%s,%s,,,abandoned,,,,,1\n", at("11:00:00"), at("11:02:00"))
	fmt.Fprintf(&text, "b2,accueil,%s,%s,,,lost,,0639980042,,,1\n", at("11:00:00"), at("11:02:00"))
	file := p.file("past.csv", text.String())

	if out := p.says("import", "--dry-run", file); !strings.Contains(out, "nothing was written") || !strings.Contains(out, "9 calls") {
		t.Errorf("trying says\n%s", out)
	}
	p.counts(day.Format(time.DateOnly), map[string][2]int64{"received": {0, 0}})

	folder := filepath.Join(p.dir, "refused")
	out := p.says("import", "--refused", folder, file)
	if !strings.Contains(out, "written: 9") || !strings.Contains(out, "past.csv:11: the outcome") || strings.Contains(out, "39980042") {
		t.Errorf("importing says\n%s", out)
	}
	mend, err := os.ReadFile(filepath.Join(folder, "past.csv"))
	if err != nil || strings.Count(string(mend), "\n") != 2 || !strings.HasPrefix(string(mend), "call_id") {
		t.Errorf("to be mended: %q (%v)", mend, err)
	}
	if st, err := os.Stat(filepath.Join(folder, "past.csv")); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("others can read the refused lines: %v (%v)", st, err)
	}
	want := map[string][2]int64{"received": {9, 0}, "decroche_agent": {8, 9}, "abandoned": {1, 9}, "asa": {8 * 30_000, 8}, "dmt": {8 * 150_000, 8}, "repeated_24h": {1, 8}}
	p.counts(day.Format(time.DateOnly), want)

	if out := p.says("import", file); !strings.Contains(out, "written: 0; known from an earlier import: 9") {
		t.Errorf("importing again says\n%s", out)
	}
	p.counts(day.Format(time.DateOnly), want)
	if out := p.says("metrics", "rebuild"); out == "" {
		t.Error("a rebuild says nothing")
	}
	p.counts(day.Format(time.DateOnly), want)

	mended := p.file("mended.csv", strings.Replace(string(mend), "lost", "abandoned", 1))
	if out := p.says("import", mended); !strings.Contains(out, "written: 1") {
		t.Errorf("importing what was mended says\n%s", out)
	}
	p.counts(day.Format(time.DateOnly), map[string][2]int64{"received": {10, 0}, "abandoned": {2, 10}})

	p.learned(t)
}

// learned holds what a controller takes from the past when it starts.
func (p *aPast) learned(t *testing.T) {
	t.Helper()
	e := &env{cli: &cli{Config: p.config, Data: p.dir}, ctx: t.Context()}
	b, err := e.openBooks()
	if err != nil {
		t.Fatal(err)
	}
	defer b.db.Close()
	s := &server{db: b.db, waits: wait.New(wait.Options{}), log: slog.New(slog.DiscardHandler)}
	if err := s.learnFromPast(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.waits.Latest("accueil").IsZero() {
		t.Error("nothing was learned of the queue")
	}
}
