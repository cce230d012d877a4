package ivr

import (
	"context"
	"errors"

	"decroche/call"
	"decroche/callback"
	"decroche/service"
	"decroche/survey"
)

// Surveys asks callers what they thought of the call; *survey.Office is one.
type Surveys interface {
	// Offered says whether a caller who waits is offered to be asked afterwards.
	Offered(contact call.ID) bool
	// OnTheLine gives the survey to ask after a conversation; ok is false for who is not asked.
	OnTheLine(ctx context.Context, t survey.Talk) (s survey.Survey, ok bool, err error)
	// Answer takes an answer, durably.
	Answer(ctx context.Context, id survey.ID, about string, score int) (survey.Survey, error)
	// Unhappy is the answer that offers a callback, 0 for none.
	Unhappy(s survey.Survey) int
	// Promised notes the callback that the answer has made.
	Promised(ctx context.Context, id survey.ID, p callback.ID) error
	// ByLink sends the link to a caller who has hung up, if they are to be asked.
	ByLink(ctx context.Context, t survey.Talk) error
}

// Wish is what a caller wants of the survey.
type Wish string

const (
	WishUnknown Wish = ""        // it was not offered: the draw decides
	WishOffered Wish = "offered" // and the caller has not chosen it: they are not asked
	WishChosen  Wish = "chosen"
)

// keySurvey is the key by which a caller who waits chooses to be asked.
const keySurvey = '5'

// offerSurvey says, once while waiting, that there will be questions for who wants them. It is
// not said in the first words, which are about the wait.
func (j *Journey) offerSurvey(ctx context.Context, c call.Call, v *Visit, entry bool) []call.Sound {
	if entry || j.Surveys == nil || v.relayed() || v.Survey != WishUnknown || v.Recall != nil || !j.Surveys.Offered(c.Info().ID) {
		return nil
	}
	v.Survey = WishOffered
	return j.prompts(ctx, v, "survey.offer")
}

// conversation is what the survey is about.
func (j *Journey) conversation(c call.Info, v *Visit) survey.Talk {
	t := survey.Talk{
		Contact: c.ID, Number: c.From, Lang: v.Lang, Queue: v.Queue, Reason: v.Reason,
		Public: v.Public, Chosen: v.Survey == WishChosen,
	}
	if v.Leg != nil {
		agent, _ := j.Floor.Agent(v.Leg.Agent)
		t.Agent, t.Team = v.Leg.Agent, agent.Team
	}
	return t
}

// survey asks a caller whose agent has hung up, if they are one of those asked. Each answer is
// kept before the next question: who hangs up has answered so far.
func (j *Journey) survey(ctx context.Context, c call.Call, v *Visit) (string, error) {
	s, ok := j.surveyed(ctx, c, v)
	if !ok || v.relayed() { // nobody could tell who was asked already
		return StepGoodbye, nil
	}
	v.Answered = false
	c.Flush() // what was typed while talking is no answer
	words := j.prompts(ctx, v, "survey.hello")
	if v.again {
		words = j.prompts(ctx, v, "caller.resumed")
	}
	for _, q := range v.def.Survey.Questions {
		if s.Score(q.About) != 0 {
			continue
		}
		score, err := j.score(ctx, c, v, q, words)
		if err != nil {
			return "", err
		}
		if score == 0 { // they do not want to
			break
		}
		s = j.keepScore(ctx, c, s, q, score)
		words = nil
	}
	return j.surveyOver(ctx, c, v, s)
}

// surveyed asks the office; a failure of ours costs the caller nothing but the questions.
func (j *Journey) surveyed(ctx context.Context, c call.Call, v *Visit) (survey.Survey, bool) {
	bounded, cancel := context.WithTimeout(ctx, promptly)
	defer cancel()
	s, ok, err := j.Surveys.OnTheLine(bounded, j.conversation(c.Info(), v))
	if err != nil && ctx.Err() == nil {
		j.Log.Error("a caller could not be asked for their opinion", "call", c.Info().ID, "err", err)
	}
	return s, ok && err == nil
}

// score asks one question, twice at most; 0 when there is no answer.
func (j *Journey) score(ctx context.Context, c call.Call, v *Visit, q service.Question, before []call.Sound) (int, error) {
	ask := append(before, j.question(ctx, v, q)...)
	for range 2 {
		key, err := j.read(ctx, c, pause+pause, ask...)
		if err != nil {
			return 0, err
		}
		if score := int(key) - '0'; score >= 1 && score <= q.Of() {
			return score, nil
		}
		why := "menu.noinput"
		if key != 0 {
			c.Flush()
			why = "menu.wrong"
		}
		ask = append(j.prompts(ctx, v, why), j.question(ctx, v, q)...)
	}
	return 0, nil
}

// question is the service's wording, or the catalogue's, and the scale.
func (j *Journey) question(ctx context.Context, v *Visit, q service.Question) []call.Sound {
	scale := "survey.scale"
	if q.Of() == 2 {
		scale = "survey.yesno"
	}
	own, ok := q.Wording[v.Lang]
	if !ok {
		return j.prompts(ctx, v, "survey.question."+q.About, scale)
	}
	sound, err := j.Voice.Phrase(ctx, "survey."+q.About, v.Lang, own)
	if err != nil {
		j.Log.Error("a question of the survey cannot be said; the catalogue's is", "about", q.About, "lang", v.Lang, "err", err)
		return j.prompts(ctx, v, "survey.question."+q.About, scale)
	}
	return append([]call.Sound{sound}, j.prompts(ctx, v, scale)...)
}

// keepScore keeps an answer, also of who hangs up as they give it. One that cannot be kept is
// told to the operator, and the caller goes on.
func (j *Journey) keepScore(ctx context.Context, c call.Call, s survey.Survey, q service.Question, score int) survey.Survey {
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), bookPatience)
	defer cancel()
	after, err := j.Surveys.Answer(bounded, s.ID, q.About, score)
	if err != nil {
		j.Log.Error("an answer to the survey could not be kept", "call", c.Info().ID, "survey", s.ID, "about", q.About, "err", err)
		return s
	}
	return after
}

// surveyOver thanks, and offers to call back who is not satisfied.
func (j *Journey) surveyOver(ctx context.Context, c call.Call, v *Visit, s survey.Survey) (string, error) {
	unhappy := j.Surveys.Unhappy(s)
	if unhappy == 0 || j.Callbacks == nil || s.Promise != "" {
		v.Answered = len(s.Answers) > 0
		return StepGoodbye, nil
	}
	j.note(c, call.EventOffered, "what", "callback", "why", callback.FromSurvey)
	key, err := j.read(ctx, c, pause+pause, j.prompts(ctx, v, "survey.sorry")...)
	switch {
	case err != nil:
		return "", err
	case key == '1':
		v.Asking = &Asking{
			Origin: callback.FromSurvey, Survey: s.ID, Score: unhappy,
			End: call.End{Outcome: call.Answered, Reason: call.ReasonAgentHungUp},
		}
		return StepCallback, nil
	}
	j.note(c, call.EventOfferRefused, "what", "callback")
	v.Answered = true
	return StepGoodbye, nil
}

// noteSurvey ties a promise to the survey whose answer has made it.
func (j *Journey) noteSurvey(ctx context.Context, c call.Call, v *Visit, id callback.ID) {
	if v.Asking.Survey == "" {
		return
	}
	bounded, cancel := context.WithTimeout(ctx, bookPatience)
	defer cancel()
	if err := j.Surveys.Promised(bounded, v.Asking.Survey, id); err != nil && ctx.Err() == nil {
		j.Log.Error("the callback of a survey could not be noted with it", "call", c.Info().ID, "promise", id, "err", err)
	}
}

// LeftAnswered sends the survey's link to a caller who has hung up after talking with an agent,
// if they are to be asked: called after the end of every call. cause is why the call's context
// ended; whose line broke has other cares.
func (j *Journey) LeftAnswered(ctx context.Context, c call.Info, v *Visit, cause error) {
	if v.def == nil {
		v.def = j.Service()
	}
	broken := errors.Is(cause, call.ErrCutOff) || errors.Is(cause, call.ErrTechnical)
	if j.Surveys == nil || v.relayed() || v.Offline || v.Connected.IsZero() || v.Survey == WishOffered || broken {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, bookPatience)
	defer cancel()
	if err := j.Surveys.ByLink(ctx, j.conversation(c, v)); err != nil {
		j.Log.Error("a caller could not be sent the survey", "call", c.ID, "err", err)
	}
}
