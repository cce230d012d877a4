package public

import (
	"errors"
	"net/http"
	"strconv"

	"decroche/callback"
	"decroche/service"
	"decroche/survey"
	"decroche/text"
)

// surveyView is a survey as its page shows it.
type surveyView struct {
	Lead      string
	Action    string
	Questions []questionView
	// CallBack is where who was not satisfied asks to be called back, "" when it is not offered;
	// Called says that they did.
	CallBack string
	Called   bool
}

type questionView struct {
	About, Text string
	Answers     []answerView
}

type answerView struct {
	Score  int
	Text   string
	Chosen bool
}

// withSurvey reads the token and the survey.
func (s *Server) withSurvey(handle func(v *visit, sv survey.Survey)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := s.visit(w, r, langOfPath(r))
		id, err := s.Signer.openSurvey(r.PathValue("token"), v.now)
		if errors.Is(err, errForged) || s.Surveys == nil {
			v.stop(http.StatusNotFound, "missing")
			return
		}
		var sv survey.Survey
		if err == nil {
			sv, err = s.Surveys.Survey(r.Context(), id)
		}
		switch {
		case errors.Is(err, errExpired), errors.Is(err, survey.ErrNoSurvey), err == nil && !v.now.Before(sv.Until):
			v.stop(http.StatusGone, "survey.expired")
			return
		case err != nil:
			v.fail("read a survey", err)
			return
		}
		if r.URL.Query().Get("lang") == "" {
			v.Lang = known(sv.Lang)
		}
		v.in = asked(s.Signer.surveyPath(sv))
		if v.form() {
			handle(v, sv)
		}
	}
}

// showSurvey asks, and thanks who has answered.
func (s *Server) showSurvey(v *visit, sv survey.Survey) {
	path, in := s.Signer.surveyPath(sv), "?lang="+string(v.Lang)
	view := &surveyView{Action: path + in, Lead: v.T("survey.lead", "day", text.Day(v.Lang, sv.Asked.In(v.serviceZone()), v.now.In(v.serviceZone())))}
	v.Survey = view
	if len(sv.Answers) > 0 {
		view.Called = sv.Promise != ""
		if !view.Called && s.Surveys.Unhappy(sv) > 0 {
			view.CallBack = path + "/rappel" + in
			v.Masked, v.Ending = masked(sv.Number)
		}
		v.render(http.StatusOK, "thanks.html", v.T("survey.thanks.title"))
		return
	}
	for _, q := range v.def.Survey.Questions {
		view.Questions = append(view.Questions, v.questionOf(q))
	}
	v.render(http.StatusOK, "survey.html", v.T("survey.title"))
}

// questionOf writes a question, the best answer first.
func (v *visit) questionOf(q service.Question) questionView {
	out := questionView{About: q.About, Text: v.T("survey.question." + q.About)}
	if own := v.phrase(q.Wording); own != "" {
		out.Text = set(v.Lang, own)
	}
	chosen := v.r.PostFormValue(q.About)
	add := func(score int, text string) {
		out.Answers = append(out.Answers, answerView{score, text, chosen == strconv.Itoa(score)})
	}
	if q.Of() == 2 {
		add(1, v.T("survey.yes"))
		add(2, v.T("survey.no"))
		return out
	}
	for score := q.Of(); score > 0; score-- {
		add(score, v.T("survey.score."+strconv.Itoa(score)))
	}
	return out
}

// takeSurvey keeps the answers. The first ones hold: the same form twice is one answer.
func (s *Server) takeSurvey(v *visit, sv survey.Survey) {
	taken := len(sv.Answers) > 0
	for _, q := range v.def.Survey.Questions {
		score, err := strconv.Atoi(v.r.PostFormValue(q.About))
		if err != nil {
			continue // not answered
		}
		switch _, err := s.Surveys.Answer(v.r.Context(), sv.ID, q.About, score); {
		case errors.Is(err, survey.ErrAnswer):
			continue // a form of our own does not send it
		case errors.Is(err, survey.ErrOver), errors.Is(err, survey.ErrNoSurvey):
			v.stop(http.StatusGone, "survey.expired")
			return
		case err != nil:
			v.fail("keep an answer to a survey", err)
			return
		}
		taken = true
	}
	if !taken {
		v.wrong("survey", "error.survey")
		s.showSurvey(v, sv)
		return
	}
	v.see(s.Signer.surveyPath(sv), map[string][]string{"lang": {string(v.Lang)}})
}

// takeSurveyCallback promises a callback to who was not satisfied.
func (s *Server) takeSurveyCallback(v *visit, sv survey.Survey) {
	p, err := s.Surveys.CallBack(v.r.Context(), sv.ID)
	refused := new(callback.Refusal)
	switch {
	case err == nil:
		s.toPage(v, p, "nouveau")
	case errors.As(err, &refused):
		v.stop(http.StatusOK, "survey.refused", "phone", v.Spoken(v.Phone()))
	case errors.Is(err, survey.ErrAnswer): // they were satisfied
		v.see(s.Signer.surveyPath(sv), map[string][]string{"lang": {string(v.Lang)}})
	default:
		v.fail("promise a callback after a survey", err)
	}
}
