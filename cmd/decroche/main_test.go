package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// command runs decroche in this process.
func command(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(args, &out, &errs)
	return code, out.String(), errs.String()
}

func TestDemonstrationPassesTheGuide(t *testing.T) {
	code, out, errs := command(t, "check", "../../demo/prefecture.yaml")
	if code != 0 || !strings.Contains(out, "clean") {
		t.Fatalf("exit %d\n%s%s", code, out, errs)
	}
}

func TestCheckNamesRowLineAndMend(t *testing.T) {
	demo, err := os.ReadFile("../../demo/prefecture.yaml")
	if err != nil {
		t.Fatal(err)
	}
	// A premium number, and no word about the wait.
	bad := strings.Replace(string(demo), "  - number: 01 99 00 39 40", "  - number: 08 99 00 39 40", 1)
	bad = strings.Replace(bad, "    max_waiting: 30\n", "    max_waiting: 30\n    announce: 0s\n", 1)
	file := filepath.Join(t.TempDir(), "service.yaml")
	if err := os.WriteFile(file, []byte(bad), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := command(t, "check", "--json", file)
	if code != 1 {
		t.Fatalf("exit %d, want 1\n%s%s", code, out, errs)
	}
	var findings []struct {
		Rule, What, Fix string
		Row, Line       int
	}
	if err := json.Unmarshal([]byte(out), &findings); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if len(findings) < 2 {
		t.Fatalf("found %+v, want the number and the announcement", findings)
	}
	for _, f := range findings {
		if f.Row == 0 || f.Line == 0 || f.Fix == "" || f.What == "" {
			t.Errorf("a finding without row, line, reason or mend: %+v", f)
		}
	}
}

func TestCheckOfWhatCannotBeReadExitsWithTwo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "service.yaml")
	if err := os.WriteFile(file, []byte("service: x\npromts: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, errs := command(t, "check", file)
	if code != 2 || !strings.Contains(errs, ":2:") || !strings.Contains(errs, `"prompts"`) {
		t.Errorf("exit %d, said:\n%s", code, errs)
	}
	if code, _, errs = command(t, "check", filepath.Join(t.TempDir(), "nowhere.yaml")); code != 2 || errs == "" {
		t.Errorf("exit %d, said:\n%s", code, errs)
	}
}

func TestReplayPrintsEachEstimatorsErrors(t *testing.T) {
	var log strings.Builder
	log.WriteString("call_id,queue,arrived_at,queued_at,left_queue_at,outcome,answered_at,ended_at,agent\n")
	// One agent, a call every 100 s that takes 150 s, every fourth gives up.
	free := 0
	for i := range 400 {
		at := 1_700_000_000 + i*100
		start := max(at, free)
		if start-at > 250 {
			writeRow(&log, i, at, at+200, "abandoned", "", "")
			continue
		}
		free = start + 150
		writeRow(&log, i, at, start, "answered", itoa(start), itoa(free))
	}
	file := filepath.Join(t.TempDir(), "calls.csv")
	if err := os.WriteFile(file, []byte(log.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := command(t, "wait", "replay", file)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, errs)
	}
	for _, word := range []string{"decroche", "MAE", "WAPE", "bias"} {
		if !strings.Contains(out, word) {
			t.Errorf("the report does not say %q:\n%s", word, out)
		}
	}
	if code, _, errs = command(t, "wait", "replay", "/nowhere.csv"); code != 1 || !strings.Contains(errs, "/nowhere.csv") {
		t.Errorf("exit %d: %s", code, errs)
	}
}

func writeRow(b *strings.Builder, i, at, left int, outcome, answered, ended string) {
	b.WriteString(strings.Join([]string{"c" + itoa(i), "q", itoa(at), itoa(at), itoa(left), outcome, answered, ended, "2001"}, ",") + "\n")
}

func itoa(n int) string { b, _ := json.Marshal(n); return string(b) }

func TestConfigurationErrorsSayAllThatIsWrongAndWhere(t *testing.T) {
	file := filepath.Join(t.TempDir(), "decroche.yaml")
	text := `
service: x.yaml
sip: {bind: here, port: 99999}
web: {listen: nowhere}
agents: [{id: x1, name: "A \"B\" <c>"}]
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, errs := command(t, "--config", file, "queues")
	if code != 1 {
		t.Errorf("exit %d, want 1", code)
	}
	for _, word := range []string{file, "sip.bind", "sip.port", "web.listen", "agent \"x1\"", "must not hold quotes"} {
		if !strings.Contains(errs, word) {
			t.Errorf("nothing is said of %s:\n%s", word, errs)
		}
	}
	if err := os.WriteFile(file, []byte("service: x.yaml\nspi: {port: 5060}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, errs = command(t, "--config", file, "queues"); !strings.Contains(errs, "spi") || !strings.Contains(errs, "[2:1]") {
		t.Errorf("an unknown key should be named with its line:\n%s", errs)
	}
}

func TestCommandsSayThatTheControllerDoesNotAnswer(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "decroche.yaml")
	text := "service: ../../demo/prefecture.yaml\nweb: {listen: 127.0.0.1:1}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, errs := command(t, "--config", file, "--data", dir, "agent")
	if !strings.Contains(errs, "has the controller run with this data folder?") {
		t.Errorf("without a token: %s", errs)
	}
	if err := os.MkdirAll(filepath.Join(dir, "secrets"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "secrets", "api-token"), []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, errs = command(t, "--config", file, "--data", dir, "agent")
	if !strings.Contains(errs, "is it running?") || strings.Contains(errs, "secret\n") {
		t.Errorf("without a controller: %s", errs)
	}
}

func TestSecretIsMadeOnceAndIsPrivate(t *testing.T) {
	c := &config{Data: t.TempDir()}
	got := make(chan string, 8)
	for range 8 {
		go func() {
			s, err := c.secret("agents/2001")
			if err != nil {
				t.Error(err)
			}
			got <- s
		}()
	}
	first := <-got
	for range 7 {
		if s := <-got; s != first {
			t.Errorf("two secrets were made: %d and %d characters", len(first), len(s))
		}
	}
	if len(first) < 20 {
		t.Errorf("a secret of %d characters is short", len(first))
	}
	st, err := os.Stat(filepath.Join(c.Data, "secrets", "agents", "2001"))
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", st.Mode().Perm(), err)
	}
}
