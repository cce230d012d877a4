package service

import (
	"os"
	"strings"
	"testing"
	"time"
)

// withIndicators is the demonstration with one more section.
func withIndicators(t *testing.T, section string) (*Definition, error) {
	t.Helper()
	text, err := os.ReadFile("../demo/prefecture.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return Parse("prefecture.yaml", append(text, "\n"+section...))
}

func TestWithoutAWordTheSettingsAreThoseOfTheGuide(t *testing.T) {
	d, err := withIndicators(t, "")
	if err != nil {
		t.Fatal(err)
	}
	in := d.Indicators
	if in.Goals != (Goals{0.85, 0.92}) || in.ShortAbandon != 5*time.Second || in.Other != 0.15 || in.SelfService != 7*day {
		t.Errorf("the settings are %+v", in)
	}
	if q := d.Queues["accueil"]; q.InTime != (InTime{time.Minute, 0.80}) {
		t.Errorf("in time is %+v", q.InTime)
	}
	if d.Privacy != (Privacy{90 * day, 1095 * day}) {
		t.Errorf("retention is %+v", d.Privacy)
	}
}

func TestTheSettingsAreReadAsTheyAreWritten(t *testing.T) {
	d, err := withIndicators(t, `indicators:
  short_abandon: 10s
  self_service: 24h
  other: {share: 12, reason: permis}
  goals: {answered: "86,5", excellent: 95}
  costs: {hour: 32.50, teams: {titres: 36}, minute_in: 0.012, sms: 0.045}
privacy: {numbers: 30d, journal: 400d}
`)
	if err != nil {
		t.Fatal(err)
	}
	in := d.Indicators
	if in.Goals != (Goals{0.865, 0.95}) || in.ShortAbandon != 10*time.Second || in.SelfService != day || in.OtherReason != "permis" {
		t.Errorf("the settings are %+v", in)
	}
	if c := in.Costs; c.Hour != 32.5 || c.Teams["titres"] != 36 || c.MinuteIn != 0.012 || c.MinuteOut != 0 || c.SMS != 0.045 || c.FullTime != 35 {
		t.Errorf("the costs are %+v", c)
	}
	if d.Privacy != (Privacy{30 * day, 400 * day}) {
		t.Errorf("retention is %+v", d.Privacy)
	}
}

func TestTheLengthOfCallsCannotBeAGoal(t *testing.T) {
	for _, section := range []string{
		"indicators:\n  goals: {answered: 85, dmt: 240s}\n",
		"indicators:\n  goals: {dmc: 3m}\n",
		"indicators:\n  aht: 4m\n",
		"indicators:\n  goals: {max_talk: 3m}\n",
	} {
		_, err := withIndicators(t, section)
		if err == nil || !strings.Contains(err.Error(), "p. 49") || !strings.Contains(err.Error(), "ne pas en faire un objectif") {
			t.Errorf("%s is refused with: %v", section, err)
		}
		if err != nil && strings.Contains(err.Error(), "unknown key") {
			t.Errorf("%s is also said to be unknown: %v", section, err)
		}
	}
	text, err := os.ReadFile("../demo/prefecture.yaml")
	if err != nil {
		t.Fatal(err)
	}
	queue := strings.Replace(string(text), "    default_aht: 3m\n", "    default_aht: 3m\n    max_talk: 3m\n", 1)
	if _, err := Parse("prefecture.yaml", []byte(queue)); err == nil || !strings.Contains(err.Error(), "p. 49") {
		t.Errorf("a bound on talk in a queue is refused with: %v", err)
	}
}

func TestWrongSettingsSayHowToMendThem(t *testing.T) {
	for section, want := range map[string]string{
		"indicators:\n  goals: {answered: 95, excellent: 90}\n": `the excellent décroché, 90 %, is less than the goal, 95 %`,
		"indicators:\n  goals: {answered: 850}\n":               `write a share from 1 to 100, in percent`,
		"indicators:\n  costs: {hour: cheap}\n":                 `write an amount in euros from 0 to 1000`,
		"indicators:\n  other: {reason: nothing}\n":             `reason "nothing"`,
		"indicators:\n  self_service: 2d\n":                     `"self_service"`,
		"privacy: {numbers: 90}\n":                              `write a number of days from 1 to 3650, such as 90d`,
		"privacy: {journal: 7d}\n":                              `write a number of days from 8 to 3650`,
		"privacy: {numbers: 400d, journal: 300d}\n":             `longer than the journal, 300 days`,
	} {
		if _, err := withIndicators(t, section); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is refused with %v, want %q", section, err, want)
		}
	}
}
