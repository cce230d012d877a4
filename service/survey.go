package service

import (
	"slices"
	"strings"
	"time"
)

// Survey is how citizens are asked what they thought of a call: at its end, by keys, or by a
// link sent to their mobile.
type Survey struct {
	// On: the section is there. Without it nobody is asked.
	On bool
	// Sample is the share of the contacts with a conversation that are asked, over 0 to 1;
	// default 0.2.
	Sample float64
	// AgainAfter is how long nobody is asked twice, 1 to 365 days; default 90 days.
	AgainAfter time.Duration
	// ByCall: citizens whose agent hangs up first are asked on the line. BySMS: the others are
	// sent a link. Both by default. Before: callers who wait hear that they can be asked
	// afterwards, and choose it by a key.
	Before, ByCall, BySMS bool
	// CallbackAt: who gives this score, of 5, or a lower one, is offered a callback; 0: nobody.
	// Default 2.
	CallbackAt int
	// Questions are 1 to 4, each about another thing; default: overall, then resolved.
	Questions []Question
}

// Question is one question of a survey.
type Question struct {
	// About is what is asked: "welcome", "answer", "personal" (treatment), "overall", on a scale of
	// 1 to 5, or "resolved", which is yes (1) or no (2).
	About string
	// Wording is the service's own; without it the catalogue's is said.
	Wording Text
}

// Of is the highest answer.
func (q Question) Of() int {
	if q.About == "resolved" {
		return 2
	}
	return 5
}

// Unhappy says that a score offers a callback.
func (s *Survey) Unhappy(q Question, score int) bool { return q.Of() == 5 && score <= s.CallbackAt }

// Question finds the question about something.
func (s *Survey) Question(about string) (Question, bool) {
	i := slices.IndexFunc(s.Questions, func(q Question) bool { return q.About == about })
	if i < 0 {
		return Question{}, false
	}
	return s.Questions[i], true
}

// askable are what a question can be about.
var askable = []string{"welcome", "answer", "personal", "overall", "resolved"}

// DefaultSurvey is the survey that "survey: {}" switches on.
func DefaultSurvey() Survey {
	return Survey{
		On: true, Sample: 0.20, AgainAfter: 90 * day, ByCall: true, BySMS: true, CallbackAt: 2,
		Questions: []Question{{About: "overall"}, {About: "resolved"}},
	}
}

func (r *reader) survey(o *object) {
	n := o.get("survey")
	if n == nil {
		return
	}
	s := DefaultSurvey()
	so := r.object(n, "survey", theKey("survey"))
	s.Sample = so.percent("sample", s.Sample)
	s.AgainAfter = so.days("again_after", s.AgainAfter, 1, 365)
	if by := so.words("by", "before", "call", "sms"); by != nil {
		s.Before, s.ByCall, s.BySMS = slices.Contains(by, "before"), slices.Contains(by, "call"), slices.Contains(by, "sms")
	}
	s.CallbackAt = so.integer("callback_at", s.CallbackAt, 0, 4)
	if asked := so.words("questions", askable...); asked != nil {
		if len(asked) > 4 {
			r.problem(so.place("questions"), say("survey.long", "n", len(asked)), say("survey.long.fix"))
		}
		s.Questions = nil
		for _, about := range asked {
			s.Questions = append(s.Questions, Question{About: about})
		}
	}
	if w := so.get("wording"); w != nil {
		r.object(w, "survey.wording", so.key("wording")).each(func(about string, at Position, n *node) {
			i := slices.IndexFunc(s.Questions, func(q Question) bool { return q.About == about })
			if i < 0 {
				r.problem(at, say("survey.unasked", "about", about), say("survey.unasked.fix", "list", strings.Join(askable, ", ")))
				return
			}
			s.Questions[i].Wording = r.label(n, "survey.wording."+about, say("the.wording", "about", about))
		})
	}
	so.close()
	r.def.Survey = s
}
