package service

import (
	"strings"
	"testing"
	"time"
)

// surveyed reads the demonstration with another survey.
func surveyed(t *testing.T, section string) (*Definition, error) {
	t.Helper()
	return withSection(t, "survey", section)
}

func TestASurveyIsOffUnlessItIsWritten(t *testing.T) {
	d, err := surveyed(t, "")
	if err != nil || d.Survey.On {
		t.Errorf("it is %+v (%v)", d.Survey, err)
	}
	d, err = surveyed(t, "survey: {}")
	if err != nil {
		t.Fatal(err)
	}
	s := d.Survey
	if !s.On || s.Sample != 0.2 || s.AgainAfter != 90*24*time.Hour || !s.ByCall || !s.BySMS || s.Before || s.CallbackAt != 2 || len(s.Questions) != 2 {
		t.Errorf("by default it is %+v", s)
	}
}

func TestASurveyIsReadAsItIsWritten(t *testing.T) {
	d, err := surveyed(t, `survey:
  sample: 5
  again_after: 30d
  by: [before, sms]
  callback_at: 0
  questions: [resolved, welcome]
  wording:
    welcome: {fr: "Bien accueilli ?", en: "Well received?"}`)
	if err != nil {
		t.Fatal(err)
	}
	s := d.Survey
	if s.Sample != 0.05 || s.AgainAfter != 30*24*time.Hour || !s.Before || s.ByCall || !s.BySMS || s.CallbackAt != 0 {
		t.Errorf("it is %+v", s)
	}
	resolved, welcome := s.Questions[0], s.Questions[1]
	if resolved.About != "resolved" || resolved.Of() != 2 || welcome.Of() != 5 || welcome.Wording["en"].Say != "Well received?" {
		t.Errorf("the questions are %+v", s.Questions)
	}
	if s.Unhappy(welcome, 1) {
		t.Error("with callback_at: 0 somebody is offered a callback")
	}
	s.CallbackAt = 2
	for score, want := range map[int]bool{1: true, 2: true, 3: false} {
		if s.Unhappy(welcome, score) != want {
			t.Errorf("a score of %d offers a callback: %v", score, !want)
		}
	}
	if s.Unhappy(resolved, 2) {
		t.Error("a no is a score")
	}
	if _, ok := s.Question("answer"); ok {
		t.Error("a question is found that is not asked")
	}
}

func TestASurveyThatCannotBeIsRefusedWithItsPlace(t *testing.T) {
	for section, want := range map[string]string{
		"survey: {sample: 0}":          "from 1 to 100",
		"survey: {again_after: 366d}":  "from 1 to 365",
		"survey: {by: [mail]}":         `"mail" is not a value`,
		"survey: {callback_at: 5}":     "from 0 to 4",
		"survey: {questions: [price]}": `"price" is not a value`,
		"survey: {questions: [welcome, answer, personal, overall, resolved]}": "four are the most",
		"survey: {wording: {welcome: Bonjour ?}}":                             "which is not asked",
		"survey: {wording: {overall: {fr: Content ?}}}":                       `no text in "en"`,
		"survey: {question: [overall]}":                                       `unknown key "question"`,
	} {
		_, err := surveyed(t, section)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "prefecture.yaml:") {
			t.Errorf("%s: %v, want %q", section, err, want)
		}
	}
}
