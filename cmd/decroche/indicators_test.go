package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"decroche/call"
	"decroche/metrics"
	"decroche/service"
	"decroche/text"
)

func TestCheckRefusesTheLengthOfCallsAsAGoalInTheGuidesWords(t *testing.T) {
	demo, err := os.ReadFile("../../demo/prefecture.yaml")
	if err != nil {
		t.Fatal(err)
	}
	with := strings.Replace(string(demo), "  goals: {answered: 85, excellent: 92}\n", "  goals: {answered: 85, dmt: 240s}\n", 1)
	file := filepath.Join(t.TempDir(), "service.yaml")
	if err := os.WriteFile(file, []byte(with), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := command(t, "check", file)
	if code != 2 || out != "" {
		t.Errorf("exit %d, want 2, with:\n%s", code, out)
	}
	line := 1 + strings.Count(with[:strings.Index(with, "dmt: 240s")], "\n")
	for _, want := range []string{
		filepath.Base(file), fmt.Sprintf(":%d:", line), `"dmt"`, "guide (p. 49)", "ne pas en faire un objectif pour donner la priorité à la résolution", `goals are "answered"`,
	} {
		if !strings.Contains(errs, want) {
			t.Errorf("%q is not said:\n%s", want, errs)
		}
	}
}

func TestATeamThatNobodyIsOfIsToldWithWhatToMend(t *testing.T) {
	def := &service.Definition{Indicators: service.DefaultIndicators()}
	def.Indicators.Costs.Teams = map[string]float64{"titres": 36, "titre": 36, "acueil": 30}
	c := &config{Service: "prefecture.yaml", Agents: []agent{{ID: "2001", Team: "titres"}}}
	var said bytes.Buffer
	c.warn(def, slog.New(slog.NewTextHandler(&said, nil)))
	if !strings.Contains(said.String(), `teams="[acueil titre]"`) || !strings.Contains(said.String(), "write the team as in") || !strings.Contains(said.String(), "prefecture.yaml") {
		t.Errorf("said:\n%s", said.String())
	}
	said.Reset()
	def.Indicators.Costs.Teams = map[string]float64{"titres": 36}
	if c.warn(def, slog.New(slog.NewTextHandler(&said, nil))); said.Len() > 0 {
		t.Errorf("said of a team that is there:\n%s", said.String())
	}
}

// Every alarm can be told to managers, with nothing left to fill in.
func TestEveryAlarmHasItsWordsInBothLanguages(t *testing.T) {
	for _, lang := range []call.Lang{"fr", "en"} {
		whole := func(id string, pairs ...any) {
			t.Helper()
			if said := text.Get(lang, id, pairs...); said == id || strings.ContainsAny(said, "{}") {
				t.Errorf("%s in %s is said as %q", id, lang, said)
			}
		}
		for _, kind := range metrics.AlarmKinds {
			id := "alarm." + string(kind)
			whole(id + ".title")
			whole(id + ".do")
			whole(id, "where", "A", "since", "B", "until", "C", "value", "D", "low", "E", "high", "F", "n", "G", "limit", "H", "better", "I", "worse", "J")
		}
		for _, id := range metrics.WatchedIndicators() {
			whole("alarm.moved."+id, "before", "A", "now", "B")
		}
		whole("alarm.and")
		whole("alarm.service")
		whole("alarm.queue", "queue", "A")
	}
}
