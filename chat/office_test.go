package chat_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"decroche/call"
	"decroche/chat"
	"decroche/service"
	"decroche/sms"
	"decroche/store"
	"decroche/store/storetest"
)

const citizen = call.Number("+33639980041")

// line is a service that is written to, on a store of its own, with a clock of its own.
type line struct {
	*chat.Office
	*testing.T
	db  *store.DB
	def *service.Definition
	at  time.Time

	mu   sync.Mutex
	told []call.Event
}

func (l *line) Append(e call.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told = append(l.told, e)
}

// facts counts what the journal was told.
func (l *line) facts(what string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.told {
		if e.Kind == call.EventConversation && strings.Contains(string(e.Data), `"what":"`+what+`"`) {
			n++
		}
	}
	return n
}

func stories(t *testing.T, story func(l *line)) {
	for name, url := range map[string]func(t *testing.T) string{
		"SQLite":     func(t *testing.T) string { return "sqlite:" + t.TempDir() + "/decroche.db" },
		"PostgreSQL": func(t *testing.T) string { return storetest.Postgres(t) },
	} {
		t.Run(name, func(t *testing.T) { story(newLine(t, url(t))) })
	}
}

func newLine(t *testing.T, url string) *line {
	t.Helper()
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	// A Tuesday morning.
	l := &line{T: t, db: storetest.Open(t, url), at: time.Date(2026, 11, 24, 10, 0, 0, 0, paris)}
	l.def = &service.Definition{
		Name: service.Text{"fr": {Say: "Préfecture"}}, Languages: []call.Lang{"fr", "en"}, Location: paris,
		Queues: map[string]*service.Queue{"accueil": {ID: "accueil"}}, Access: service.Access{Queue: "accueil", Writing: []string{"sms", "web"}},
	}
	for day := time.Monday; day <= time.Friday; day++ {
		l.def.Hours.Week[day] = []service.Range{{From: 9 * 60, To: 17 * 60}}
	}
	l.Office = &chat.Office{
		Store: l.db.Conversations(), Service: func() *service.Definition { return l.def }, Journal: l, Blocked: l.db.SMS().Blocked,
		RelayURL: func(lang call.Lang) string { return "https://rappel.example.fr/" + string(lang) + "/rappel?relais=1" },
		Now:      func() time.Time { return l.at }, Log: slog.New(slog.DiscardHandler),
	}
	return l
}

func (l *line) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

// texted has the citizen send a text message.
func (l *line) texted(id, words string) {
	l.Helper()
	taken, err := l.Texted(l.Context(), sms.Incoming{Provider: "test", ProviderID: id, From: citizen, Text: words, At: l.at}, "fr")
	if err != nil || !taken {
		l.Fatalf("a text message is taken: %v, %v", taken, err)
	}
}

func (l *line) open() []chat.Conversation {
	l.Helper()
	list, err := l.Store.Conversations(l.Context(), chat.Filter{States: []chat.State{chat.Waiting, chat.Answered}})
	l.must(err)
	return list
}

func (l *line) only() chat.Conversation {
	l.Helper()
	list := l.open()
	if len(list) != 1 {
		l.Fatalf("%d conversations are open, want one: %+v", len(list), list)
	}
	return list[0]
}

// said is what a conversation holds, "author: text".
func (l *line) said(id chat.ID) (all []string) {
	l.Helper()
	list, err := l.Store.Messages(l.Context(), id, 0)
	l.must(err)
	for i, m := range list {
		if m.Seq != int64(i+1) {
			l.Errorf("message %d has number %d", i+1, m.Seq)
		}
		all = append(all, string(m.Author)+": "+m.Text)
	}
	return all
}

// sent are the text messages to the citizen, the oldest first.
func (l *line) sent() (all []string) {
	l.Helper()
	list, err := l.db.SMS().Outbox(l.Context(), 100)
	l.must(err)
	for _, m := range slices.Backward(list) {
		if m.To != citizen || m.Purpose != sms.Chat {
			l.Errorf("a message %+v", m)
		}
		all = append(all, m.Text)
	}
	return all
}

func (l *line) equal(what string, got []string, want ...string) {
	l.Helper()
	if !slices.Equal(got, want) {
		l.Errorf("%s:\n%q\nwant\n%q", what, got, want)
	}
}

const hello = "Préfecture : bien reçu. Un agent vous répond ici. Rappel par le centre relais : https://rappel.example.fr/fr/rappel?relais=1"

func TestATextMessageIsAnsweredAtOnceThenByAnAgent(t *testing.T) {
	stories(t, func(l *line) {
		l.texted("1", "  Bonjour, je suis sourd.\nComment refaire mon titre ?  ")
		l.texted("1", "Bonjour, je suis sourd.\nComment refaire mon titre ?") // the provider delivers twice
		c := l.only()
		if c.State != chat.Waiting || c.Queue != "accueil" || c.Channel != chat.BySMS || c.Number != citizen || c.Last != 2 {
			l.Errorf("the conversation is %+v", c)
		}
		l.at = l.at.Add(time.Minute)
		_, err := l.Answer(l.Context(), c.ID, "2001", "k1", "Bonjour. Avez-vous l'ancien titre ?", false)
		l.must(err)
		_, err = l.Answer(l.Context(), c.ID, "2001", "k1", "Bonjour. Avez-vous l'ancien titre ?", false) // a double click
		l.must(err)
		l.texted("2", "Oui")
		if now := l.only(); now.State != chat.Waiting || now.Agent != "2001" || now.ID != c.ID {
			l.Errorf("after the answer it is %+v", now)
		}
		l.equal("said was", l.said(c.ID), "citizen: Bonjour, je suis sourd.\nComment refaire mon titre ?", "service: "+hello,
			"agent: Bonjour. Avez-vous l'ancien titre ?", "citizen: Oui")
		l.equal("sent were", l.sent(), strings.ReplaceAll(hello, "reçu", "recu"), "Bonjour. Avez-vous l'ancien titre ?")
		list, err := l.Store.Messages(l.Context(), c.ID, 2)
		l.must(err)
		if list[0].SMS != sms.Queued || list[1].SMS != "" {
			l.Errorf("an agent sees %+v", list)
		}
		if l.facts("opened") != 1 || l.facts("answered") != 1 {
			l.Errorf("the journal has %+v", l.told)
		}
	})
}

func TestTwoAgentsDoNotAnswerAtOnceUnlessOneTakesOver(t *testing.T) {
	stories(t, func(l *line) {
		c, err := l.Begin(l.Context(), "fr", "page-key-1", "Bonjour")
		l.must(err)
		_, err = l.Answer(l.Context(), c.ID, "2001", "", "Bonjour.", false)
		l.must(err)
		taken := new(chat.TakenError)
		if _, err = l.Answer(l.Context(), c.ID, "2002", "", "Bonjour aussi.", false); !errors.As(err, &taken) || taken.By != "2001" {
			l.Errorf("a second agent answers: %v", err)
		}
		now, err := l.Answer(l.Context(), c.ID, "2002", "", "Je reprends.", true)
		if err != nil || now.Agent != "2002" {
			l.Errorf("who takes over: %+v, %v", now, err)
		}
	})
}

func TestAFormSentTwiceIsOneConversationAndWhatIsNoMessageIsRefused(t *testing.T) {
	stories(t, func(l *line) {
		var wg sync.WaitGroup
		ids := make([]chat.ID, 4)
		for i := range ids {
			wg.Go(func() {
				c, err := l.Begin(context.WithoutCancel(l.Context()), "en", "the-same-key", "Hello")
				if err != nil {
					l.Error(err)
				}
				ids[i] = c.ID
			})
		}
		wg.Wait()
		if len(slices.Compact(ids)) != 1 {
			l.Errorf("conversations %q", ids)
		}
		if said := l.said(ids[0]); len(said) != 2 || said[0] != "citizen: Hello" || !strings.HasPrefix(said[1], "service: Préfecture: we have your message.") {
			l.Errorf("said was %q", said)
		}
		for _, words := range []string{"", " \n\t ", "\u202e\u0007", strings.Repeat("é", chat.MaxText+1)} {
			if _, err := l.Hear(l.Context(), ids[0], "k", words); !errors.Is(err, chat.ErrText) {
				l.Errorf("%.10q is taken: %v", words, err)
			}
		}
		if _, err := l.Hear(l.Context(), "NOSUCHONE0", "k", "Hello"); !errors.Is(err, chat.ErrNone) {
			l.Errorf("in no conversation: %v", err)
		}
		if len(l.sent()) != 0 {
			l.Error("a page sends text messages")
		}
	})
}

func TestWhoWritesAtNightIsToldWhenAndTheHoursAreNotToldAtEachWord(t *testing.T) {
	stories(t, func(l *line) {
		l.at = l.at.Add(9 * time.Hour)
		l.texted("1", "Bonsoir")
		l.texted("2", "Il y a quelqu'un ?")
		said := l.said(l.only().ID)
		if len(said) != 3 || !strings.HasPrefix(said[1], "service: Préfecture : bien reçu. Un agent vous répond ici demain dès 9 h. Rappel") {
			l.Errorf("said was %q", said)
		}
		l.at = l.at.Add(10 * time.Hour) // at five in the morning it is told once more
		l.texted("3", "Bonjour")
		if said := l.said(l.only().ID); len(said) != 5 || !strings.Contains(said[4], "aujourd'hui dès 9 h") {
			l.Errorf("said was %q", said)
		}
	})
}

func TestNobodyWhoWaitsIsForgotten(t *testing.T) {
	stories(t, func(l *line) {
		l.texted("1", "Bonjour")
		c := l.only()
		l.at = l.at.Add(chat.SlowAfter - time.Second)
		l.must(l.Look(l.Context()))
		l.at = l.at.Add(time.Second)
		for range 3 { // several looks, of several nodes
			l.must(l.Look(l.Context()))
		}
		slow := "service: Préfecture : nous ne vous oublions pas. Un agent vous répond ici. Rappel par le centre relais : https://rappel.example.fr/fr/rappel?relais=1"
		l.equal("said was", l.said(c.ID), "citizen: Bonjour", "service: "+hello, slow)
		_, err := l.Answer(l.Context(), c.ID, "2001", "", "Bonjour.", false)
		l.must(err)
		l.at = l.at.Add(time.Hour)
		l.must(l.Look(l.Context()))
		if said := l.said(c.ID); len(said) != 4 {
			l.Errorf("who was answered is told %q", said)
		}
		l.at = l.at.Add(chat.QuietAfter)
		l.must(l.Look(l.Context()))
		if list := l.open(); len(list) != 0 || l.facts("closed") != 1 {
			l.Errorf("what is quiet is open: %+v", list)
		}
		if _, err := l.Answer(l.Context(), c.ID, "2001", "", "Encore là ?", false); !errors.Is(err, chat.ErrClosed) {
			l.Errorf("a closed conversation is answered: %v", err)
		}
		l.texted("9", "Rebonjour")
		if again := l.only(); again.ID == c.ID || again.Last != 2 {
			l.Errorf("who writes again is in %+v", again)
		}
	})
}

func TestAtNightNobodyIsToldThatItTakesLong(t *testing.T) {
	stories(t, func(l *line) {
		l.at = l.at.Add(9 * time.Hour)
		l.texted("1", "Bonsoir")
		l.at = l.at.Add(14*time.Hour + 5*time.Minute) // open for five minutes
		l.must(l.Look(l.Context()))
		if said := l.said(l.only().ID); len(said) != 2 {
			l.Errorf("said was %q", said)
		}
		l.at = l.at.Add(10 * time.Minute)
		l.must(l.Look(l.Context()))
		if said := l.said(l.only().ID); len(said) != 3 {
			l.Errorf("said was %q", said)
		}
	})
}

func TestWhoSaidStopIsNotWrittenToAndTheAgentKnows(t *testing.T) {
	stories(t, func(l *line) {
		l.texted("1", "Bonjour")
		l.must(l.db.SMS().Block(l.Context(), citizen, l.at))
		if _, err := l.Answer(l.Context(), l.only().ID, "2001", "", "Bonjour.", false); !errors.Is(err, chat.ErrStop) {
			l.Errorf("an agent writes to who said STOP: %v", err)
		}
	})
}

func TestWhereNobodyReadsNothingIsTaken(t *testing.T) {
	stories(t, func(l *line) {
		l.def.Access.Writing = nil
		taken, err := l.Texted(l.Context(), sms.Incoming{Provider: "test", ProviderID: "1", From: citizen, Text: "Bonjour"}, "fr")
		if taken || err != nil {
			l.Errorf("taken: %v, %v", taken, err)
		}
		if _, err := l.Begin(l.Context(), "fr", "k", "Bonjour"); !errors.Is(err, chat.ErrOff) {
			l.Errorf("a page: %v", err)
		}
		l.def.Access.Writing = []string{"sms"}
		for _, from := range []call.Number{call.Withheld, "+33199003939"} { // nobody there to answer
			if taken, err := l.Texted(l.Context(), sms.Incoming{Provider: "test", ProviderID: "2", From: from, Text: "Bonjour"}, "fr"); taken || err != nil {
				l.Errorf("from %q: %v, %v", from, taken, err)
			}
		}
	})
}

func TestManyWordsAtOnceAreAllKeptOnce(t *testing.T) {
	stories(t, func(l *line) {
		c, err := l.Begin(l.Context(), "fr", "first-words", "0")
		l.must(err)
		var wg sync.WaitGroup
		for i := range 8 {
			for range 2 { // each one twice
				wg.Go(func() {
					if _, err := l.Hear(context.WithoutCancel(l.Context()), c.ID, fmt.Sprint("k", i), fmt.Sprint(i+1)); err != nil {
						l.Error(err)
					}
				})
			}
		}
		wg.Wait()
		said := l.said(c.ID)
		if len(said) != 10 {
			l.Errorf("said was %q", said)
		}
		for i := range 9 {
			if !slices.Contains(said, fmt.Sprint("citizen: ", i)) {
				l.Errorf("%d is lost", i)
			}
		}
	})
}
