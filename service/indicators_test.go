package service

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// withSection is the demonstration with this section in place of its own of that name.
func withSection(t *testing.T, name, section string) (*Definition, error) {
	t.Helper()
	text, err := os.ReadFile("../demo/prefecture.yaml")
	if err != nil {
		t.Fatal(err)
	}
	without := regexp.MustCompile(`(?m)^`+name+`:\n(?:  .*\n)+`).ReplaceAllString(string(text), "")
	if without == string(text) {
		t.Fatalf("the demonstration has no section %q to replace", name)
	}
	return Parse("prefecture.yaml", []byte(without+"\n"+section))
}

func withIndicators(t *testing.T, section string) (*Definition, error) {
	t.Helper()
	return withSection(t, "indicators", section)
}

func TestWithoutAWordTheSettingsAreThoseOfTheGuide(t *testing.T) {
	d, err := withIndicators(t, "")
	if err != nil {
		t.Fatal(err)
	}
	in := d.Indicators
	if in.Goals != (Goals{0.85, 0.92}) || in.ShortAbandon != 5*time.Second || in.Other != 0.15 || in.AnnouncedAbove != 0.10 || in.SelfService != 7*day {
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
  announced_above: 8 %
  goals: {answered: "86,5", excellent: 95}
  costs: {hour: 32.50, teams: {titres: 36}, minute_in: 0.012, sms: 0.045}
privacy: {numbers: 30d, journal: 400d}
`)
	if err != nil {
		t.Fatal(err)
	}
	in := d.Indicators
	if in.Goals != (Goals{0.865, 0.95}) || in.ShortAbandon != 10*time.Second || in.SelfService != day || in.Other != 0.12 || in.OtherReason != "permis" || in.AnnouncedAbove != 0.08 {
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
		"indicators:\n  goals: {objectif_dmt: 3m}\n",
		"indicators:\n  goals: {durée-moyenne: 3m}\n",
		"indicators:\n  goals: {aht_target: 3m}\n",
		"indicators:\n  aht: 4m\n",
		"indicators:\n  goals: {max_talk: 3m}\n",
	} {
		_, err := withIndicators(t, section)
		refusedAsGoal(t, section, err)
	}
	for _, key := range []string{"max_talk: 3m", "dmt: 3m", "in_time: {within: 60s, dmt: 3m}"} {
		text, err := os.ReadFile("../demo/prefecture.yaml")
		if err != nil {
			t.Fatal(err)
		}
		queue := strings.Replace(string(text), "    default_aht: 3m\n", "    default_aht: 3m\n    "+key+"\n", 1)
		_, err = Parse("prefecture.yaml", []byte(queue))
		refusedAsGoal(t, key, err)
	}
}

// refusedAsGoal looks for the guide's own words, and for one message alone.
func refusedAsGoal(t *testing.T, what string, err error) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), "p. 49") || !strings.Contains(err.Error(), "ne pas en faire un objectif") || !strings.Contains(err.Error(), `goals are "answered"`) {
		t.Errorf("%s is refused with: %v", what, err)
	}
	if err != nil && strings.Contains(err.Error(), "unknown key") {
		t.Errorf("%s is also said to be unknown: %v", what, err)
	}
}

// Until there is data, waits are estimated from a length that the service gives: no goal.
func TestALengthOfCallsToBeginWithIsNoGoal(t *testing.T) {
	d := demo(t)
	if aht := d.Queues["accueil"].DefaultAHT; aht != 3*time.Minute {
		t.Errorf("the length to begin with is %v", aht)
	}
	text, err := os.ReadFile("../demo/prefecture.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, err = Parse("prefecture.yaml", []byte(strings.Replace(string(text), "default_aht: 3m", "default-aht: 3m", 1)))
	if err == nil || !strings.Contains(err.Error(), `"default_aht"`) || strings.Contains(err.Error(), "p. 49") {
		t.Errorf("a slip of the pen is told as %v", err)
	}
}

func TestAQueueSaysWhatInTimeMeansAndAReasonWhoCausesIt(t *testing.T) {
	d := demo(t)
	if q := d.Queues["etrangers"]; q.InTime != (InTime{90 * time.Second, 0.80}) {
		t.Errorf("in time is %+v", q.InTime)
	}
	if r := d.Reasons["titre-sejour"]; r.Directorate != "DGEF" || d.Reasons["horaires"].Directorate != "" {
		t.Errorf("the reason is %+v", r)
	}
	if d.Indicators.OtherReason != "autre" || d.Indicators.Costs.Teams["titres"] != 36 {
		t.Errorf("the indicators are %+v", d.Indicators)
	}
}

func TestWrongSettingsSayHowToMendThem(t *testing.T) {
	for section, want := range map[string]string{
		"indicators:\n  goals: {answered: 95, excellent: 90}\n": `the excellent décroché, 90 %, is less than the goal, 95 %`,
		"indicators:\n  goals: {answered: 850}\n":               `write a share from 1 to 100, in percent`,
		"indicators:\n  goals: {answered: NaN}\n":               `write a share from 1 to 100, in percent`,
		"indicators:\n  announced_above: 0\n":                   `"announced_above" of "indicators" is "0"`,
		"indicators:\n  short_abandon: 2m\n":                    `write a duration from 0s to 1m`,
		"indicators:\n  goals: [85, 92]\n":                      `"goals" of "indicators" is a list`,
		"indicators:\n  costs: {sms: NaN}\n":                    `write an amount in euros from 0 to 10`,
		"indicators:\n  costs: {full_time: 90}\n":               `write a whole number from 1 to 60`,
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
