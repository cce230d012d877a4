package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"decroche/call"
	"decroche/callback"
	"decroche/e2e/rig"
	"decroche/e2e/softphone"
	"decroche/metrics/report"
)

// opines is a service that asks everybody.
func opines(t *testing.T) string {
	t.Helper()
	return callbacksOn(t, "") + "survey: {sample: 100, questions: [overall, resolved]}\n"
}

// reaches lets a caller and the agent talk.
func reaches(t *testing.T, r *rig.Rig, p, desk *softphone.Phone) (c, agent *rig.Line) {
	t.Helper()
	c = r.DialFrom(p, line)
	c.Hears("fr/bienvenue", 15*time.Second)
	c.Types("1")
	agent = r.Answers(desk, 15*time.Second)
	c.Hears("fr/hold.connecting", 15*time.Second)
	r.Talks(c, agent)
	return c, agent
}

// A citizen whose agent has hung up is asked, is not satisfied, wants to be called back, and is:
// by an agent who knows why.
func TestWhoIsNotSatisfiedIsCalledBackByAnAgentWhoKnowsWhy(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{Service: opines(t)})
	p := mobile(t, r, softphone.Manner{})
	desk := r.Available("2001")
	c, agent := reaches(t, r, p.Phone, desk)
	agent.HangsUp()
	c.Hears("fr/survey.hello", 10*time.Second)
	c.HearsAll("fr/survey.question.overall", 10*time.Second)
	c.Types("2")
	c.Hears("fr/survey.question.resolved", 10*time.Second)
	c.Types("2")
	c.Hears("fr/survey.sorry", 10*time.Second)
	c.Types("1")
	c.Hears("fr/callback.number.yours", 15*time.Second)
	c.Types("1")
	c.Hears("fr/callback.when.place", 15*time.Second)
	c.Types("1")
	c.Hears("fr/callback.noted", 15*time.Second)
	c.Ends(30 * time.Second)
	agent = r.Answers(desk, 30*time.Second)
	agent.HearsAll("fr/whisper.callback", 10*time.Second)
	agent.HearsAll("fr/whisper.survey.2", 15*time.Second)
	back := p.answered(t, r)
	back.Hears("fr/recall.press", 20*time.Second)
	back.Types("1")
	r.Talks(back, agent)
	agent.HangsUp()
	back.Hears("fr/recall.goodbye", 10*time.Second) // nobody is asked twice
	back.Ends(10 * time.Second)
	end := r.WaitFact(call.EventEnded, func(f rig.Fact) bool { return !strings.HasPrefix(f.Call, "out-") })
	if end.Data["outcome"] != "answered" {
		t.Errorf("the call ends as %v", end.Data)
	}
	for about, score := range map[string]float64{"overall": 2, "resolved": 2} {
		said := r.WaitFact(call.EventSurveyAnswer, func(f rig.Fact) bool { return f.Data["about"] == about })
		if said.Call != end.Call || said.Data["score"] != score {
			t.Errorf("of %s the journal has %v of %s", about, said.Data, said.Call)
		}
	}
	if got := onePromise(t, r); got.Origin != callback.FromSurvey || got.Score != 2 || string(got.Contact) != end.Call {
		t.Errorf("the promise is %+v", got)
	}
	becomes(t, r, callback.Kept, 10*time.Second)
	if asked := r.Facts(call.EventSurveyAsked); len(asked) != 1 {
		t.Errorf("the citizen was asked %d times: %v", len(asked), asked)
	}
}

// A citizen who hangs up first answers on the page that a message leads to.
func TestWhoHangsUpFirstAnswersByTheLink(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{Service: opines(t)})
	p := mobile(t, r, softphone.Manner{})
	desk := r.Available("2001")
	c, agent := reaches(t, r, p.Phone, desk)
	c.HangsUp()
	agent.Ends(10 * time.Second)
	link := inOutbox(t, r, `que pensez-vous de votre appel.*(http://\S+/s/[0-9A-Za-z]{25})`)
	form := browse(t, link, nil)
	form.says(t, http.StatusOK, "survey.title")
	if facts := r.Facts(call.EventSurveyAnswer); len(facts) != 0 {
		t.Errorf("who opens the link has answered: %v", facts)
	}
	thanks := browse(t, link, url.Values{"overall": {"5"}, "resolved": {"1"}})
	thanks.says(t, http.StatusOK, "survey.thanks.title")
	browse(t, link, url.Values{"overall": {"1"}}).says(t, http.StatusOK, "survey.thanks.title")

	r.Eventually(15*time.Second, "the report has the opinion", func() error {
		got := figuresNow(t, r, "satisfaction_overall", "survey_replies", "resolved_survey")
		if got != "satisfaction_overall 5000/1, survey_replies 1/1, resolved_survey 1/1" {
			return errors.New(got)
		}
		return nil
	})
	out := r.Must("sms")
	if strings.Contains(out, strings.TrimPrefix(p.number, "+33")) {
		t.Errorf("the number is in a list:\n%s", out)
	}

	c, agent = reaches(t, r, p.Phone, desk) // nobody is asked twice
	r.Must("agent", "survey", string(lastCall(r)))
	agent.HangsUp()
	c.Hears("fr/goodbye", 10*time.Second)
	c.Ends(10 * time.Second)

	withheld := r.Dial(line, "anonymous", softphone.From(`"Anonymous" <sip:anonymous@anonymous.invalid>`))
	withheld.Hears("fr/bienvenue", 15*time.Second)
	withheld.Types("1")
	agent = r.Answers(desk, 30*time.Second)
	r.Talks(withheld, agent)
	agent.HangsUp()
	withheld.Hears("fr/survey.question.overall", 15*time.Second)
	withheld.HangsUp()
}

// lastCall is the call that came in last.
func lastCall(r *rig.Rig) call.ID {
	ids := callIDs(r)
	return call.ID(ids[len(ids)-1])
}

// figuresNow are indicators of these days, as "asa 1000/2, …".
func figuresNow(t *testing.T, r *rig.Rig, indicators ...string) string {
	t.Helper()
	var rep report.Report
	at := func(d time.Duration) string { return time.Now().Add(d).Format(time.DateOnly) }
	q := url.Values{"from": {at(-24 * time.Hour)}, "to": {at(48 * time.Hour)}, "indicator": indicators}
	if status, words := callAPI(t, r, "GET", "/api/figures?"+q.Encode(), nil, &rep); status != http.StatusOK {
		t.Fatalf("ask for figures: %d %s", status, words)
	}
	var list []string
	for _, f := range rep.Figures {
		list = append(list, fmt.Sprintf("%s %d/%d", f.Indicator, f.Num, f.Den))
	}
	return strings.Join(list, ", ")
}
