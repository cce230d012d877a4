package public

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"decroche/callback"
	"decroche/service"
	"decroche/survey"
)

// opinions is an office of surveys in memory.
type opinions struct {
	o *office

	mu      sync.Mutex
	all     map[survey.ID]survey.Survey
	answers int
	err     error
}

func (x *opinions) Survey(_ context.Context, id survey.ID) (survey.Survey, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	s, ok := x.all[id]
	if !ok && x.err == nil {
		return s, survey.ErrNoSurvey
	}
	return s, x.err
}

func (x *opinions) Answer(_ context.Context, id survey.ID, about string, score int) (survey.Survey, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	s := x.all[id]
	q, ok := x.o.def.Survey.Question(about)
	switch {
	case x.err != nil:
		return s, x.err
	case !ok || score < 1 || score > q.Of():
		return s, survey.ErrAnswer
	case s.Score(about) == 0:
		s.Answers = append(s.Answers, survey.Answer{About: about, Score: score})
		x.answers++
		x.all[id] = s
	}
	return s, nil
}

func (x *opinions) Unhappy(s survey.Survey) int {
	if n := s.Score("overall"); n != 0 && n <= 2 && x.o.def.Callback.On {
		return n
	}
	return 0
}

func (x *opinions) CallBack(ctx context.Context, id survey.ID) (callback.Promise, error) {
	s, err := x.Survey(ctx, id)
	if err != nil {
		return callback.Promise{}, err
	}
	if x.Unhappy(s) == 0 {
		return callback.Promise{}, survey.ErrAnswer
	}
	p, _, err := x.o.desk.Ask(ctx, callback.Request{Number: s.Number, Lang: s.Lang, Queue: "etrangers", Kind: callback.Place, Origin: callback.FromSurvey})
	if err == nil {
		s.Promise = string(p.ID)
		x.mu.Lock()
		defer x.mu.Unlock()
		x.all[id] = s
	}
	return p, err
}

// surveyed makes an office that has asked a citizen three questions, and gives the link.
func surveyed(o *office) (*opinions, survey.Survey, string) {
	x := &opinions{o: o, all: map[survey.ID]survey.Survey{}}
	o.srv.Surveys = x
	o.def.Survey = service.DefaultSurvey()
	o.def.Survey.Questions = append(o.def.Survey.Questions, service.Question{About: "welcome", Wording: words("Bien accueilli par l'accueil ?", "Well received?")})
	s := survey.Survey{
		ID: "S3AB000001", Contact: "c1", Number: mobile, Lang: "fr", How: survey.BySMS, Asked: o.desk.now(), Until: o.desk.now().Add(7 * 24 * time.Hour),
	}
	x.all[s.ID] = s
	return x, s, strings.TrimPrefix(o.srv.Signer.SurveyURL(s), o.srv.Signer.Base)
}

func TestACitizenSaysWhatTheyThoughtOfTheCall(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		x, s, link := surveyed(o)
		r := o.reader()
		r.get(link).wants(200, "Votre avis sur votre appel", "Vous nous avez parlé aujourd'hui", "Au total, êtes-vous satisfait de cet appel ?",
			"5 : tout à fait satisfait", "1 : pas du tout satisfait", "Votre demande est-elle réglée ?", "Bien accueilli par l'accueil ?").lacks("page.", "06 39")
		r.get(link+"?lang=en").wants(200, "What did you think of your call?", "Well received?", "5: fully satisfied", "today").lacks("page.", "satisfait")
		if x.answers != 0 {
			t.Fatal("who opens the link has answered")
		}
		r.get(link).submit().wants(422, "Votre avis sur votre appel", "Répondez à une question au moins")
		r.submit("overall", "4", "welcome", "5").wants(200, "Merci de votre avis", "Vos réponses sont enregistrées").lacks("Être rappelé")
		if got := x.all[s.ID]; len(got.Answers) != 2 || got.Score("overall") != 4 || got.Score("welcome") != 5 {
			t.Errorf("answered is %v", got.Answers)
		}
		r.get(link).wants(200, "Merci de votre avis")
	})
}

func TestAFormSentTwiceIsOneAnswerAndTheFirstHolds(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		x, s, link := surveyed(o)
		r := o.reader()
		r.get(link)
		action, form := r.filled("overall", "3", "resolved", "1")
		r.do("POST", action, form).wants(200, "Merci de votre avis")
		r.do("POST", action, form).wants(200, "Merci de votre avis")
		form.Set("overall", "5")
		r.do("POST", action, form).wants(200, "Merci de votre avis")
		if got := x.all[s.ID]; x.answers != 2 || got.Score("overall") != 3 {
			t.Errorf("%d answers: %v", x.answers, got.Answers)
		}
		r.do("POST", link, url.Values{"overall": {"77"}, "price": {"3"}, "welcome": {"x"}}).wants(200, "Merci de votre avis")
		if x.answers != 2 {
			t.Errorf("what no form of ours sends is taken: %v", x.all[s.ID].Answers)
		}
	})
}

func TestWhoIsNotSatisfiedIsCalledBackWhenTheyAskForIt(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		_, _, link := surveyed(o)
		r := o.reader()
		r.get(link).submit("overall", "1").wants(200, "Merci de votre avis", "Nous regrettons", "06 •• •• •• 12", "Être rappelé").lacks("0639980012")
		action, form := r.filled()
		r.do("POST", action, form).wants(200, "Votre rappel", "C'est noté", "Dès que votre tour vient")
		r.do("POST", action, form).wants(200, "Votre rappel") // a double click
		if p := o.desk.only(t); p.Origin != callback.FromSurvey || p.Number != mobile {
			t.Errorf("promised is %+v", p)
		}
		r.get(link).wants(200, "Merci de votre avis", "Un rappel est prévu").lacks("Être rappelé")
	})
}

func TestACallbackThatCannotBeIsToldAndWhoIsSatisfiedIsOfferedNone(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		_, _, link := surveyed(o)
		r := o.reader()
		r.get(link).submit("overall", "5")
		r.do("POST", link+"/rappel", url.Values{}).wants(200, "Merci de votre avis").lacks("Nous regrettons")

		_, _, link = surveyed(o)
		r.get(link).submit("overall", "2")
		o.desk.err = &callback.Refusal{Why: callback.WhyFull}
		r.submit().wants(200, "Nous ne pouvons pas noter ce rappel", "01 99 00 39 40")
		o.desk.err = errors.New("the disk is gone")
		r.do("POST", link+"/rappel", url.Values{}).wants(503, "Un incident technique nous empêche de répondre")
	})
}

func TestALinkThatIsNoSurveyOrOverSaysSo(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		x, s, link := surveyed(o)
		p := o.promise(another, callback.Place)
		r := o.reader()
		for address, status := range map[string]int{
			"/s/" + strings.Repeat("a", tokenLen):                                    404,
			strings.Replace(o.link(p), "/p/", "/s/", 1):                              404, // one purpose proves nothing to another
			strings.Replace(link, "/s/", "/p/", 1):                                   404,
			link[:len(link)-1]:                                                       404,
			o.srv.Signer.surveyPath(survey.Survey{ID: "S3AB000009", Until: s.Until}): 410, // deleted by now
		} {
			if r.get(address); r.status != status {
				t.Errorf("%s: %d, want %d", address, r.status, status)
			}
		}
		s.Until = o.desk.now().Add(-time.Minute)
		x.all[s.ID] = s
		r.get(link).wants(410, "Ce questionnaire est terminé")
		r.do("POST", link, url.Values{"overall": {"3"}}).wants(410, "Ce questionnaire est terminé")
		x.err = errors.New("the disk is gone")
		r.get(link).wants(503, "Un incident technique nous empêche de répondre")
		o.srv.Surveys = nil
		if r.get(link); r.status != 404 {
			t.Errorf("without surveys: %d", r.status)
		}
	})
}
