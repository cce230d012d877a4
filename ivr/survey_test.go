package ivr

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"decroche/call"
	"decroche/callback"
	"decroche/routing"
	"decroche/service"
	"decroche/survey"
)

// opinions stands for the office of surveys.
type opinions struct {
	mu      sync.Mutex
	offers  bool
	asked   *survey.Survey // who is asked on the line; nil: nobody
	err     error          // of everything
	talks   []survey.Talk  // of OnTheLine
	linked  []survey.Talk
	unhappy int // the highest score that offers a callback
	noted   []callback.ID
}

func (o *opinions) Offered(call.ID) bool { return o.offers }

func (o *opinions) OnTheLine(_ context.Context, t survey.Talk) (survey.Survey, bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.talks = append(o.talks, t)
	if o.asked == nil || o.err != nil {
		return survey.Survey{}, false, o.err
	}
	return *o.asked, true, nil
}

func (o *opinions) Answer(ctx context.Context, _ survey.ID, about string, score int) (survey.Survey, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := errors.Join(o.err, ctx.Err()); err != nil {
		return survey.Survey{}, err
	}
	o.asked.Answers = append(slices.Clone(o.asked.Answers), survey.Answer{About: about, Score: score})
	return *o.asked, nil
}

func (o *opinions) Unhappy(s survey.Survey) int {
	for _, a := range s.Answers {
		if a.Score <= o.unhappy && a.About != "resolved" {
			return a.Score
		}
	}
	return 0
}

func (o *opinions) Promised(_ context.Context, _ survey.ID, p callback.ID) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.noted = append(o.noted, p)
	return o.err
}

func (o *opinions) ByLink(_ context.Context, t survey.Talk) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.linked = append(o.linked, t)
	return o.err
}

func (o *opinions) answers() []survey.Answer {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.asked.Answers)
}

// opined makes a stage where the next caller is asked two questions.
func (s *stage) opined() *opinions {
	def := *s.def.Load()
	def.Survey = service.DefaultSurvey()
	s.def.Store(&def)
	o := &opinions{asked: &survey.Survey{ID: "S1"}, unhappy: 2}
	s.journey.Surveys, s.surveys = o, o
	return o
}

// talked is a caller whose agent is on the line.
func (s *stage) talked() *fake {
	s.t.Helper()
	s.signIn("2001")
	c := s.dial(general, "1")
	time.Sleep(time.Minute)
	if s.state("2001") != routing.Talking {
		s.t.Fatalf("they do not talk: %s, heard %q", s.state("2001"), c.names())
	}
	c.hears(c.names()...)
	return c
}

func TestWhoseAgentHangsUpIsAskedAndThanked(t *testing.T) {
	play(t, func(s *stage) {
		o := s.opined()
		c := s.talked()
		close(c.leg().leave)
		time.Sleep(time.Second)
		if s.state("2001") != routing.WrapUp {
			t.Errorf("meanwhile the agent is %s", s.state("2001"))
		}
		time.Sleep(6 * time.Second)
		c.hears("fr/survey.hello", "fr/survey.question.overall", "fr/survey.scale")
		c.types("4")
		time.Sleep(5 * time.Second)
		c.hears("fr/survey.question.resolved", "fr/survey.yesno")
		c.types("1")
		c.ends(call.Answered, call.ReasonAgentHungUp)
		c.hears("fr/survey.thanks")
		if got := o.answers(); !slices.Equal(got, []survey.Answer{{About: "overall", Score: 4}, {About: "resolved", Score: 1}}) {
			t.Errorf("the answers are %v", got)
		}
		want := survey.Talk{Contact: c.info.ID, Number: c.info.From, Lang: "fr", Queue: "accueil", Reason: "dossier", Public: "general", Agent: "2001"}
		if o.talks[0] != want {
			t.Errorf("they are asked about %+v\nwant %+v", o.talks[0], want)
		}
	})
}

func TestWhoIsNotAskedHearsGoodbyeOnly(t *testing.T) {
	for name, change := range map[string]func(o *opinions){
		"not drawn":   func(o *opinions) { o.asked = nil },
		"our failure": func(o *opinions) { o.err = errors.New("the database is away") },
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *stage) {
				change(s.opined())
				c := s.talked()
				close(c.leg().leave)
				c.ends(call.Answered, call.ReasonAgentHungUp)
				c.hears("fr/goodbye")
			})
		})
	}
}

func TestWhoAnswersNothingOrWrongIsLetGoAndKeepsWhatWasSaid(t *testing.T) {
	for name, c := range map[string]struct {
		keys []string // one after each question
		want []survey.Answer
		said []string
	}{
		"silence":         {nil, nil, []string{"fr/menu.noinput", "fr/survey.question.overall", "fr/survey.scale", "fr/goodbye"}},
		"no such score":   {[]string{"9", "0"}, nil, []string{"fr/menu.wrong", "fr/survey.question.overall", "fr/survey.scale", "fr/goodbye"}},
		"at second try":   {[]string{"#", "5"}, []survey.Answer{{About: "overall", Score: 5}}, nil},
		"one, no more":    {[]string{"3"}, []survey.Answer{{About: "overall", Score: 3}}, nil},
		"3 is no yes, no": {[]string{"5", "3", "2"}, []survey.Answer{{About: "overall", Score: 5}, {About: "resolved", Score: 2}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *stage) {
				o := s.opined()
				caller := s.talked()
				caller.types("77") // while they talk: it is no answer
				close(caller.leg().leave)
				for _, k := range c.keys {
					time.Sleep(7 * time.Second)
					caller.types(k)
				}
				caller.ends(call.Answered, call.ReasonAgentHungUp)
				if got := o.answers(); !slices.Equal(got, c.want) {
					t.Errorf("the answers are %v, want %v", got, c.want)
				}
				if got := caller.names(); c.said != nil && !slices.Equal(got[len(got)-len(c.said):], c.said) {
					t.Errorf("heard %q, want at the end %q", got, c.said)
				}
			})
		})
	}
}

func TestWhoHangsUpAmidTheQuestionsHasAnsweredSoFar(t *testing.T) {
	play(t, func(s *stage) {
		o := s.opined()
		c := s.talked()
		close(c.leg().leave)
		time.Sleep(7 * time.Second)
		c.types("2")
		c.hangsUp()
		if c.end != (call.End{Outcome: call.Answered, Reason: call.ReasonCallerHungUp}) {
			t.Errorf("the call ended %v", c.end)
		}
		if got := o.answers(); !slices.Equal(got, []survey.Answer{{About: "overall", Score: 2}}) {
			t.Errorf("the answers are %v", got)
		}
	})
}

func TestAfterARestartTheQuestionsGoOnWhereTheyWere(t *testing.T) {
	play(t, func(s *stage) {
		o := s.opined()
		c := s.talked()
		close(c.leg().leave)
		time.Sleep(7 * time.Second)
		c.types("5")
		time.Sleep(time.Second)
		c = s.restart(c)[0]
		time.Sleep(7 * time.Second)
		c.hears("fr/caller.resumed", "fr/survey.question.resolved", "fr/survey.yesno")
		c.types("2")
		c.ends(call.Answered, call.ReasonAgentHungUp)
		if got := o.answers(); !slices.Equal(got, []survey.Answer{{About: "overall", Score: 5}, {About: "resolved", Score: 2}}) {
			t.Errorf("the answers are %v", got)
		}
	})
}

func TestTheServicesOwnWordingIsAsked(t *testing.T) {
	play(t, func(s *stage) {
		s.opined()
		def := *s.def.Load()
		def.Survey.Questions = []service.Question{{About: "welcome", Wording: service.Text{"fr": {Say: "Et l'accueil ?"}}}}
		s.def.Store(&def)
		c := s.talked()
		close(c.leg().leave)
		time.Sleep(7 * time.Second)
		c.hears("fr/survey.hello", "fr/survey.welcome", "fr/survey.scale")
	})
}

func TestWhoIsNotSatisfiedIsCalledBackIfTheyWant(t *testing.T) {
	play(t, func(s *stage) {
		b, o := s.desk(), s.opined()
		c := s.talked()
		close(c.leg().leave)
		time.Sleep(7 * time.Second)
		c.types("1")
		time.Sleep(5 * time.Second)
		c.types("2")
		time.Sleep(time.Second)
		c.hears("fr/survey.hello", "fr/survey.question.overall", "fr/survey.scale", "fr/survey.question.resolved", "fr/survey.yesno", "fr/survey.sorry")
		c.types("1")
		time.Sleep(15 * time.Second)
		c.hears(hear("fr/survey.sorry/", "fr/callback.number.yours", readBack, "fr/callback.number.choice.end")[1:]...)
		c.types("1")
		time.Sleep(7 * time.Second)
		c.types("1")
		c.ends(call.Answered, call.ReasonAgentHungUp) // a person has spoken with them
		p := b.only(s)
		r := look(b, &b.asked)[0]
		if p.Origin != callback.FromSurvey || r.Score != 1 || r.Contact != c.info.ID || r.Number != c.info.From || !r.Joined.IsZero() {
			t.Errorf("promised was %+v for %+v", p, r)
		}
		if !slices.Equal(o.noted, []callback.ID{p.ID}) {
			t.Errorf("with the survey is noted %v", o.noted)
		}
	})
}

func TestWhoIsNotSatisfiedAndWantsNothingIsThanked(t *testing.T) {
	play(t, func(s *stage) {
		b := s.desk()
		s.opined()
		c := s.talked()
		close(c.leg().leave)
		for _, k := range []string{"1", "2"} {
			time.Sleep(7 * time.Second)
			c.types(k)
		}
		c.ends(call.Answered, call.ReasonAgentHungUp)
		if got := c.names(); !slices.Equal(got[len(got)-2:], []string{"fr/survey.sorry", "fr/survey.thanks"}) {
			t.Errorf("heard %q", got)
		}
		if asked := look(b, &b.asked); len(asked) != 0 {
			t.Errorf("promised was %+v", asked)
		}
	})
}

func TestWhoHangsUpAfterTalkingIsSentTheLinkUnlessTheLineBroke(t *testing.T) {
	for name, c := range map[string]struct {
		cause error
		want  int
	}{
		"hangs up":  {call.ErrHangup, 1},
		"line cut":  {call.ErrCutOff, 0},
		"exchange":  {call.ErrTechnical, 0},
		"in line":   {nil, 0},
		"by refuse": {call.ErrHangup, 0},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *stage) {
				o := s.opined()
				var caller *fake
				switch name {
				case "in line":
					caller = s.dial(general, "1")
					time.Sleep(20 * time.Second)
				default:
					caller = s.talked()
				}
				if name == "by refuse" {
					caller.visit.Survey = WishOffered
				}
				if c.cause == nil {
					c.cause = call.ErrHangup
				}
				caller.leaves(c.cause)
				if len(o.linked) != c.want {
					t.Errorf("%d links, want %d", len(o.linked), c.want)
				}
			})
		})
	}
}

func TestWhoWaitsIsOfferedTheQuestionsOnceAndChoosesThem(t *testing.T) {
	play(t, func(s *stage) {
		o := s.opined()
		o.offers = true
		c := s.dial(general, "1")
		time.Sleep(25 * time.Second)
		if got := c.names(); slices.Contains(got, "fr/survey.offer") {
			t.Errorf("the first words offer it: %q", got)
		}
		time.Sleep(40 * time.Second)
		offers := func() (n int) {
			for _, h := range c.names() {
				if h == "fr/survey.offer" {
					n++
				}
			}
			return n
		}
		time.Sleep(2 * time.Minute)
		if n := offers(); n != 1 {
			t.Errorf("it is offered %d times", n)
		}
		c.types("5")
		time.Sleep(3 * time.Second)
		if got := c.names(); !slices.Contains(got, "fr/survey.chosen") {
			t.Errorf("heard %q", got)
		}
		s.signIn("2001")
		time.Sleep(30 * time.Second)
		close(c.leg().leave)
		time.Sleep(3 * time.Second)
		o.mu.Lock()
		defer o.mu.Unlock()
		if len(o.talks) != 1 || !o.talks[0].Chosen {
			t.Errorf("asked are %+v", o.talks)
		}
	})
}

func TestTheAgentOfACallbackAfterASurveyHearsTheScore(t *testing.T) {
	play(t, func(s *stage) {
		c := s.recall(func(v *Visit) { v.Recall.Origin, v.Recall.Score = callback.FromSurvey, 2 })
		time.Sleep(12 * time.Second)
		c.leg().hears("fr/whisper.callback", "fr/reason.dossier", "fr/whisper.callback.asked", "fr/whisper.survey.2", "fr/whisper.callback.refuse")
		c.answers = after(time.Second)
		time.Sleep(20 * time.Second)
		if got := c.names(); !slices.Contains(got, "fr/recall.hello.survey") {
			t.Errorf("the citizen heard %q", got)
		}
	})
}
