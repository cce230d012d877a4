package survey_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"decroche/call"
	"decroche/callback"
	"decroche/service"
	"decroche/sms"
	"decroche/store"
	"decroche/store/storetest"
	"decroche/survey"
)

const citizen = call.Number("+33639980041")

// line is a service whose citizens are all asked, on a store of its own.
type line struct {
	*survey.Office
	*testing.T
	db   *store.DB
	def  *service.Definition
	book *book

	mu    sync.Mutex
	told  []call.Event
	calls int
}

// book promises what it is asked for.
type book struct {
	asked []callback.Request
	err   error
}

func (b *book) Ask(_ context.Context, r callback.Request) (callback.Promise, bool, error) {
	b.asked = append(b.asked, r)
	return callback.Promise{ID: "K3AB000001", Number: r.Number, Origin: r.Origin, Score: r.Score}, true, b.err
}

func newLine(t *testing.T) *line {
	t.Helper()
	l := &line{T: t, db: storetest.Open(t, "sqlite:"+t.TempDir()+"/decroche.db"), book: &book{}}
	l.def = &service.Definition{
		Name: service.Text{"fr": {Say: "Préfecture"}}, Languages: []call.Lang{"fr"}, Survey: service.DefaultSurvey(),
		Callback: service.Callback{On: true},
	}
	l.def.Survey.Sample = 1
	l.Office = &survey.Office{
		Store: l.db.Surveys(), Service: func() *service.Definition { return l.def }, Journal: l, Callbacks: l.book,
		PageURL: func(s survey.Survey) string { return "https://rappel.example.fr/s/" + string(s.ID) },
		Blocked: l.db.SMS().Blocked, Secret: []byte("a secret of the tests"), Log: slog.New(slog.DiscardHandler),
	}
	return l
}

// Append implements call.Journal.
func (l *line) Append(e call.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told = append(l.told, e)
}

// facts are what the journal was told, one kind.
func (l *line) facts(kind call.EventKind) (list []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.told {
		if e.Kind == kind {
			list = append(list, string(e.Call)+" "+string(e.Data))
		}
	}
	return list
}

// talk is another conversation.
func (l *line) talk(n call.Number) survey.Talk {
	l.calls++
	return survey.Talk{
		Contact: call.ID(fmt.Sprint("call-", l.calls)), Number: n, Lang: "fr", Queue: "titres", Reason: "permis", Public: "general", Agent: "2001", Team: "titres",
	}
}

func (l *line) asks(t survey.Talk) (survey.Survey, bool) {
	l.Helper()
	s, ok, err := l.OnTheLine(l.Context(), t)
	l.must(err)
	return s, ok
}

func (l *line) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

func (l *line) texts() []sms.Message {
	l.Helper()
	list, err := l.db.SMS().Outbox(l.Context(), 100)
	l.must(err)
	return list
}

func TestWhoIsAskedAnswersOnceAndTheJournalHasIt(t *testing.T) {
	l := newLine(t)
	talk := l.talk(citizen)
	s, ok := l.asks(talk)
	if !ok || s.Contact != talk.Contact || s.How != survey.ByCall {
		t.Fatalf("asked is %+v, %v", s, ok)
	}
	for range 2 { // the second time after a crash
		_, err := l.Answer(t.Context(), s.ID, "overall", 2)
		l.must(err)
	}
	again, ok := l.asks(talk)
	if !ok || again.ID != s.ID || again.Score("overall") != 2 {
		t.Errorf("after a crash asked is %+v, %v", again, ok)
	}
	_, err := l.Answer(t.Context(), s.ID, "overall", 5) // the first one holds
	l.must(err)
	_, err = l.Answer(t.Context(), s.ID, "resolved", 1)
	l.must(err)
	id := string(s.ID)
	if got, want := strings.Join(l.facts(call.EventSurveyAnswer), "\n"), `call-1 {"about":"overall","of":5,"question":"q1","score":2,"survey":"`+id+`"}
call-1 {"about":"resolved","of":2,"question":"q2","score":1,"survey":"`+id+`"}`; got != want {
		t.Errorf("the journal has\n%s\nwant\n%s", got, want)
	}
	if got := l.facts(call.EventSurveyAsked); len(got) != 1 || got[0] != `call-1 {"agent":"2001","how":"call","survey":"`+id+`","team":"titres"}` {
		t.Errorf("asked in the journal are %q", got)
	}
}

func TestWhatIsNoAnswerIsRefused(t *testing.T) {
	l := newLine(t)
	s, _ := l.asks(l.talk(citizen))
	for _, c := range []struct {
		id    survey.ID
		about string
		score int
		want  error
	}{
		{s.ID, "overall", 0, survey.ErrAnswer},
		{s.ID, "overall", 6, survey.ErrAnswer},
		{s.ID, "resolved", 3, survey.ErrAnswer},
		{s.ID, "welcome", 3, survey.ErrAnswer},
		{"NOBODY", "overall", 3, survey.ErrNoSurvey},
	} {
		if _, err := l.Answer(t.Context(), c.id, c.about, c.score); !errors.Is(err, c.want) {
			t.Errorf("%s %s %d: %v, want %v", c.id, c.about, c.score, err, c.want)
		}
	}
	over := survey.Survey{ID: "OVER", Contact: "old", How: survey.BySMS, Until: time.Now().Add(-time.Second)}
	if ok, err := l.db.Surveys().Open(t.Context(), over, "", time.Time{}); !ok || err != nil {
		t.Fatal(err)
	}
	if _, err := l.Answer(t.Context(), "OVER", "overall", 3); !errors.Is(err, survey.ErrOver) {
		t.Errorf("an answer that is too late: %v", err)
	}
	if got := l.facts(call.EventSurveyAnswer); len(got) != 0 {
		t.Errorf("the journal has %q", got)
	}
}

func TestNobodyIsAskedTwiceInTheTime(t *testing.T) {
	l := newLine(t)
	if _, ok := l.asks(l.talk(citizen)); !ok {
		t.Fatal("the citizen is not asked")
	}
	if _, ok := l.asks(l.talk(citizen)); ok {
		t.Error("the citizen is asked again on the line")
	}
	l.must(l.ByLink(t.Context(), l.talk(citizen)))
	chosen := l.talk(citizen)
	chosen.Chosen = true
	if _, ok := l.asks(chosen); ok {
		t.Error("who chooses it is asked again too soon")
	}
	if got := l.texts(); len(got) != 0 {
		t.Errorf("the citizen is written to: %+v", got)
	}
	l.def.Survey.AgainAfter = 0 // all that was is long ago
	time.Sleep(2 * time.Millisecond)
	if _, ok := l.asks(l.talk(citizen)); !ok {
		t.Error("after the time the citizen is not asked")
	}
	for range 2 { // who is not known cannot be recognised
		if _, ok := l.asks(l.talk(call.Withheld)); !ok {
			t.Error("who withholds the number is not asked")
		}
	}
}

func TestTheLinkGoesToMobilesThatWantMessages(t *testing.T) {
	l := newLine(t)
	l.must(l.db.SMS().Block(t.Context(), "+33639980042", time.Now()))
	for _, n := range []call.Number{citizen, "+33199000001", call.Withheld, "+33639980042"} {
		l.must(l.ByLink(t.Context(), l.talk(n)))
	}
	got := l.texts()
	if len(got) != 1 || got[0].To != citizen || got[0].Purpose != sms.Survey || got[0].Contact != "call-1" ||
		!strings.HasPrefix(got[0].Text, "Préfecture : que pensez-vous de votre appel ?") || !strings.Contains(got[0].Text, "https://rappel.example.fr/s/") {
		t.Fatalf("sent is %+v", got)
	}
	s, ok, err := l.db.Surveys().OfContact(t.Context(), "call-1")
	l.must(err)
	if !ok || s.How != survey.BySMS || s.Until.Sub(s.Asked) != 7*24*time.Hour {
		t.Errorf("kept is %+v", s)
	}
	l.must(l.ByLink(t.Context(), survey.Talk{Contact: "call-1", Number: citizen, Lang: "fr"})) // told twice
	if n := len(l.texts()); n != 1 {
		t.Errorf("%d messages", n)
	}
}

func TestTheServiceDecidesWhoIsAskedAndByWhichWay(t *testing.T) {
	for name, c := range map[string]struct {
		rules        func(s *service.Survey)
		talk         func(t *survey.Talk)
		handed       bool
		line, linked bool
	}{
		"off":                     {func(s *service.Survey) { s.On = false }, nil, false, false, false},
		"not drawn":               {func(s *service.Survey) { s.Sample = 0 }, nil, false, false, false},
		"not drawn, but chosen":   {func(s *service.Survey) { s.Sample = 0 }, func(t *survey.Talk) { t.Chosen = true }, false, true, true},
		"not drawn, but handed":   {func(s *service.Survey) { s.Sample = 0 }, nil, true, true, true},
		"by call alone":           {func(s *service.Survey) { s.BySMS = false }, nil, false, true, false},
		"by SMS alone":            {func(s *service.Survey) { s.ByCall = false }, nil, false, false, true},
		"by SMS alone, but asked": {func(s *service.Survey) { s.ByCall = false }, nil, true, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLine(t)
			c.rules(&l.def.Survey)
			a, b := l.talk(citizen), l.talk("+33639980043")
			for _, talk := range []*survey.Talk{&a, &b} {
				if c.talk != nil {
					c.talk(talk)
				}
				if c.handed {
					l.must(l.HandOver(t.Context(), talk.Contact))
				}
			}
			if _, ok := l.asks(a); ok != c.line {
				t.Errorf("asked on the line: %v", ok)
			}
			l.must(l.ByLink(t.Context(), b))
			if n := len(l.texts()); (n == 1) != c.linked {
				t.Errorf("%d links", n)
			}
		})
	}
	l := newLine(t)
	l.def.Survey.On = false
	if err := l.HandOver(t.Context(), "call-1"); !errors.Is(err, survey.ErrNoSurvey) {
		t.Errorf("handing over without a survey: %v", err)
	}
}

func TestTheDrawTakesItsShareAndTheSameOnesEachTime(t *testing.T) {
	l := newLine(t)
	l.def.Survey.Before, l.def.Survey.Sample = true, 0.2
	n := 0
	for i := range 5000 {
		id := call.ID(fmt.Sprintf("rcpt-1790000000.%d", i))
		drawn := l.Offered(id)
		if drawn {
			n++
		}
		if again := l.Offered(id); again != drawn {
			t.Fatal("the draw changes its mind")
		}
	}
	if n < 850 || n > 1150 {
		t.Errorf("%d of 5000 are drawn, want about 1000", n)
	}
}

func TestWhoIsNotSatisfiedAsksToBeCalledBack(t *testing.T) {
	l := newLine(t)
	s, _ := l.asks(l.talk(citizen))
	if _, err := l.CallBack(t.Context(), s.ID); !errors.Is(err, survey.ErrAnswer) {
		t.Errorf("without an answer: %v", err)
	}
	_, err := l.Answer(t.Context(), s.ID, "resolved", 2) // a no is no score
	l.must(err)
	if _, err := l.CallBack(t.Context(), s.ID); !errors.Is(err, survey.ErrAnswer) {
		t.Errorf("after a no: %v", err)
	}
	_, err = l.Answer(t.Context(), s.ID, "overall", 1)
	l.must(err)
	p, err := l.CallBack(t.Context(), s.ID)
	l.must(err)
	want := callback.Request{
		Number: citizen, Lang: "fr", Queue: "titres", Reason: "permis", Public: "general", Origin: callback.FromSurvey, Contact: "call-1", Score: 1,
	}
	if len(l.book.asked) != 1 || l.book.asked[0] != want {
		t.Errorf("asked for is %+v\nwant %+v", l.book.asked, want)
	}
	if kept, err := l.Survey(t.Context(), s.ID); err != nil || kept.Promise != string(p.ID) {
		t.Errorf("kept with the survey is %q (%v)", kept.Promise, err)
	}
	l.book.err = &callback.Refusal{Why: callback.WhyFull}
	if _, err := l.CallBack(t.Context(), s.ID); !errors.As(err, new(*callback.Refusal)) {
		t.Errorf("a refusal is told as %v", err)
	}
	l.def.Callback.On = false
	if kept, _ := l.Survey(t.Context(), s.ID); l.Unhappy(kept) != 0 {
		t.Error("a callback is offered by a service that calls nobody back")
	}
}

func TestAPersonIsForgottenAndGivenTheirs(t *testing.T) {
	l := newLine(t)
	s, _ := l.asks(l.talk(citizen))
	_, err := l.Answer(t.Context(), s.ID, "overall", 4)
	l.must(err)
	rows, err := l.Held(t.Context(), citizen)
	l.must(err)
	if len(rows) != 1 || fmt.Sprint(rows[0]["answers"]) != "[{overall 4}]" || rows[0]["contact"] != call.ID("call-1") {
		t.Errorf("held is %v", rows)
	}
	n, err := l.Forget(t.Context(), citizen)
	l.must(err)
	if rows, err := l.Held(t.Context(), citizen); n != 2 || len(rows) != 0 || err != nil {
		t.Errorf("%d rows went, %v are left (%v)", n, rows, err)
	}
}
