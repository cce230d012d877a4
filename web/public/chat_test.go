package public

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"decroche/call"
	"decroche/chat"
	"decroche/store/storetest"
)

// written is an office of conversations on a store of its own.
type written struct {
	*chat.Office
	chat.Store
	err error
}

func (w *written) Append(call.Event) {}

func (w *written) Conversation(ctx context.Context, id chat.ID) (chat.Conversation, error) {
	if w.err != nil {
		return chat.Conversation{}, w.err
	}
	return w.Store.Conversation(ctx, id)
}

// writing lets citizens write to the office.
func (o *office) writing() *written {
	o.t.Helper()
	o.def.Access.Writing = []string{"web"}
	o.def.Access.Queue = "accueil"
	w := &written{Store: storetest.Open(o.t, "sqlite:"+o.t.TempDir()+"/decroche.db").Conversations()}
	w.Office = &chat.Office{Store: w.Store, Service: o.srv.Service, Journal: w, Now: o.desk.now, Log: slog.New(slog.DiscardHandler)}
	o.srv.Chats = w
	return w
}

// chatting is an office at ten o'clock on a Tuesday, with a clock that tests turn: a database does
// not live in a bubble.
func chatting(t *testing.T) (o *office, w *written, later func(time.Duration)) {
	at := time.Date(2026, 11, 24, 9, 5, 0, 0, time.UTC)
	o = newOffice(t, func() time.Time { return at })
	return o, o.writing(), func(d time.Duration) { at = at.Add(d) }
}

func (w *written) only(t *testing.T) chat.Conversation {
	t.Helper()
	list, err := w.Conversations(t.Context(), chat.Filter{})
	if err != nil || len(list) != 1 {
		t.Fatalf("%d conversations, want one (%v)", len(list), err)
	}
	return list[0]
}

func TestACitizenWritesWithAnAgentOnAPage(t *testing.T) {
	o, w, later := chatting(t)
	r := o.reader().get("/fr").wants(200, "Nos services", `href="/fr/ecrire"`)
	r.get("/fr/ecrire").wants(200, "Écrire à un agent", "Un agent lit votre message", `href="/fr/rappel?relais=1"`).lacks("<script", "sont fermés")
	_, form := r.filled("words", "Bonjour <b>à tous</b>\nsans parler")
	r.submit("words", "Bonjour <b>à tous</b>\nsans parler").wants(200, "Écrire à un agent", "Bonjour <b>à tous</b>", "sans parler",
		"bien reçu. Un agent vous répond ici", "Un agent va vous répondre", "10 h 05", chatPath)
	at := r.at
	if !strings.HasPrefix(at, "/c/") || len(at) != len("/c/")+tokenLen {
		t.Errorf("the conversation is at %s", at)
	}
	if got := o.reader().do("POST", "/fr/ecrire", form); got.at != at { // the same form once more
		t.Errorf("the form sent twice leads to %s", got.at)
	}
	c := w.only(t)
	later(time.Minute)
	if _, err := w.Answer(t.Context(), c.ID, "2001", "", "Bonjour, que puis-je faire ?", false); err != nil {
		t.Fatal(err)
	}
	r.get(at).wants(200, "Écrire à un agent", "Bonjour, que puis-je faire ?", "Un agent vous a répondu", "10 h 06").lacks("2001")
	r.submit("words", "Refaire mon titre").wants(200, "Écrire à un agent", "Refaire mon titre", "Un agent va vous répondre")
	if got := strings.Count(r.body, "<li class="); got != 4 {
		t.Errorf("%d messages are shown, want 4", got)
	}
	if got := r.answer.Get("Content-Security-Policy"); got != policy+"; script-src 'self'; connect-src 'self'" {
		t.Errorf("the policy of the page is %q", got)
	}
	if strings.Contains(r.body, " style=") || r.answer.Get("Set-Cookie") != "" {
		t.Error("the page has a style of its own, or a cookie")
	}
	r.get(chatPath)
	if r.status != 200 || !strings.HasPrefix(r.answer.Get("Content-Type"), "text/javascript") {
		t.Errorf("the script is answered %d, %s", r.status, r.answer.Get("Content-Type"))
	}
}

func TestAFormOfAConversationSentTwiceIsOneMessage(t *testing.T) {
	o, w, _ := chatting(t)
	r := o.reader().get("/en/ecrire").submit("words", "Hello")
	action, form := r.filled("words", "A question")
	for range 3 {
		r.do("POST", action, form).wants(200, "Write to an agent", "A question")
	}
	if c := w.only(t); c.Last != 3 || c.Lang != "en" {
		t.Errorf("the conversation is %+v", c)
	}
	form.Set("k", "no key of ours: <>")
	r.do("POST", action, form).wants(200, "Write to an agent")
	if c := w.only(t); c.Last != 4 {
		t.Errorf("with another key it is %+v", c)
	}
}

func TestWhoWritesAfterTheEndIsInAnotherConversation(t *testing.T) {
	o, w, later := chatting(t)
	r := o.reader().get("/fr/ecrire").submit("words", "Bonjour")
	first, c := r.at, w.only(t)
	if _, err := w.Close(t.Context(), c.ID, "2001"); err != nil {
		t.Fatal(err)
	}
	later(time.Minute)
	r.get(first).wants(200, "Écrire à un agent", "Cette conversation est terminée")
	r.submit("words", "Encore une question").wants(200, "Écrire à un agent", "Encore une question").lacks("Bonjour")
	if r.at == first {
		t.Error("the conversation that is over goes on")
	}
}

func TestMessagesThatCannotBeTakenSaySo(t *testing.T) {
	o, w, later := chatting(t)
	r := o.reader().get("/fr/ecrire").submit("words", "  ").wants(422, "Écrire à un agent", "Écrivez votre message", `aria-describedby="words-hint words-error"`)
	long := strings.Repeat("a", chat.MaxText+1)
	r.submit("words", long).wants(422, "Écrire à un agent", "1000 caractères", long)
	r.submit("words", "Bonjour").submit("words", long).wants(422, "Écrire à un agent", "1000 caractères", long, "Bonjour")
	at := r.at
	for range 29 {
		r.get(at).submit("words", "encore")
	}
	r.get(at).submit("words", "encore").wants(429, "Trop de messages en peu de temps", "10 h 15")
	later(11 * time.Minute)
	r.get(at).submit("words", "encore").wants(200, "Écrire à un agent")
	w.err = errors.New("the database is away")
	r.get(at).wants(503, "Un incident technique nous empêche de répondre")
	w.err = nil
	later(31 * 24 * time.Hour)
	r.get(at).wants(410, "Cette conversation n'est plus là")
	r.get("/c/"+strings.Repeat("a", tokenLen)).wants(404, "Cette page n'existe pas")
	o.def.Access.Writing = nil
	r.get("/fr/ecrire").wants(404, "On ne peut pas nous écrire ici")
	r.do("POST", "/fr/ecrire", url.Values{"words": {"Bonjour"}}).wants(404, "On ne peut pas nous écrire ici")
	r.get("/fr").lacks("/fr/ecrire")
}

func TestAnAddressBeginsSoManyConversationsAndNoMore(t *testing.T) {
	o, _, later := chatting(t)
	r := o.reader()
	for range 10 {
		r.get("/fr/ecrire").submit("words", "Bonjour").wants(200, "Écrire à un agent")
	}
	r.get("/fr/ecrire").submit("words", "Bonjour").wants(http.StatusTooManyRequests, "Trop de messages en peu de temps")
	other := o.reader()
	other.from = "198.51.100.1:4000"
	other.get("/fr/ecrire").submit("words", "Bonjour").wants(200, "Écrire à un agent")
	later(time.Hour)
	r.get("/fr/ecrire").submit("words", "Bonjour").wants(200, "Écrire à un agent")
}

func TestAClosedLineTellsItBeforeSomebodyWrites(t *testing.T) {
	o, _, later := chatting(t)
	later(9 * time.Hour)
	o.reader().get("/fr/ecrire").wants(200, "Écrire à un agent", "à partir de 8 h 30").
		submit("words", "Bonsoir").wants(200, "Écrire à un agent", "Un agent vous répond ici demain dès 8 h 30")
}
