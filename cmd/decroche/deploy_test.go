package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"decroche/call"
	"decroche/metrics"
)

// told are the names of what /metrics tells.
func told(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{"decroche_calls_ended_total": true, "decroche_journal_events_total": true}
	for _, part := range []string{"bucket", "sum", "count"} {
		names["decroche_wait_seconds_"+part] = true
	}
	for _, g := range (&server{}).gauges() {
		names[g.Name] = true
	}
	return names
}

var name = regexp.MustCompile(`decroche_[a-z_]+`)

// asks holds an expression against what there is; the names of indicators are values.
func asks(t *testing.T, what, expr string, known map[string]bool) {
	t.Helper()
	for _, n := range name.FindAllString(regexp.MustCompile(`"[^"]*"`).ReplaceAllString(expr, ""), -1) {
		if !known[n] {
			t.Errorf("%s asks for %s, which is not told", what, n)
		}
	}
}

func TestTheDashboardAsksForWhatThereIs(t *testing.T) {
	raw, err := os.ReadFile("../../deploy/grafana/decroche.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Title  string
		Panels []struct {
			Title, Type string
			Targets     []struct{ Expr, RefID string }
		}
	}
	if err := json.Unmarshal(raw, &board); err != nil {
		t.Fatal(err)
	}
	known := told(t)
	if len(board.Panels) < 10 {
		t.Fatalf("the dashboard has %d panels", len(board.Panels))
	}
	for _, p := range board.Panels {
		if p.Title == "" || p.Type == "" || len(p.Targets) == 0 {
			t.Errorf("panel %q shows nothing", p.Title)
		}
		for _, q := range p.Targets {
			if !strings.Contains(q.Expr, "decroche_") {
				t.Errorf("panel %q asks %q", p.Title, q.Expr)
			}
			asks(t, "panel "+p.Title, q.Expr, known)
		}
	}
}

func TestTheAlertRulesAreReadAndProvedByPrometheus(t *testing.T) {
	cache := os.Getenv("DECROCHE_CACHE")
	if cache == "" {
		cache = "/var/cache/decroche"
	}
	promtool := filepath.Join(cache, "promtool", "promtool")
	if _, err := os.Stat(promtool); err != nil {
		t.Fatalf("there is no promtool: run 'setup/install.sh test' as root: %v", err)
	}
	rules, err := os.ReadFile("../../deploy/prometheus/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	known := told(t)
	for l := range strings.Lines(string(rules)) {
		if expr, is := strings.CutPrefix(strings.TrimSpace(l), "expr: "); is {
			asks(t, "a rule", expr, known)
		}
	}
	for _, args := range [][]string{{"check", "rules", "alerts.yml"}, {"test", "rules", "alerts_test.yml"}} {
		cmd := exec.CommandContext(t.Context(), promtool, args...)
		cmd.Dir = "../../deploy/prometheus"
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}

func TestWhatPrometheusIsToldIsRegisteredOnce(t *testing.T) {
	live := metrics.NewLive(nothing{}, (&server{}).gauges()...)
	if live.Handler() == nil {
		t.Error("nothing is served")
	}
}

type nothing struct{}

func (nothing) Append(call.Event) {}
