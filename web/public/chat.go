package public

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"decroche/call"
	"decroche/chat"
	"decroche/text"
)

// Chats takes what citizens write to agents: *chat.Office, and the reading of what was said.
type Chats interface {
	On(by chat.Channel) bool
	Begin(ctx context.Context, lang call.Lang, key, words string) (chat.Conversation, error)
	Hear(ctx context.Context, id chat.ID, key, words string) (chat.Conversation, error)
	// Conversation returns one, or chat.ErrNone.
	Conversation(ctx context.Context, id chat.ID) (chat.Conversation, error)
	Messages(ctx context.Context, id chat.ID, after int64) ([]chat.Message, error)
}

// chatView is a conversation as its page shows it; without Said it is one to begin.
type chatView struct {
	Action string
	Lead   string
	// Key goes with the form: sent twice it is one message.
	Key    string
	Words  string // as they were typed
	Max    int
	Said   []saidView
	State  string
	Begun  bool
	Relay  string // where a callback through the relay centre is booked
	Script string
}

type saidView struct {
	Seq         int64
	Author, Who string
	Lines       []string
	Clock       string
}

// Writes says whether citizens may write on a page.
func (v *visit) Writes() bool { return v.s.Chats != nil && v.s.Chats.On(chat.ByWeb) }

func (v *visit) writePath() string { return "/" + string(v.Lang) + "/ecrire" }

// showWrite is the form of the first message.
func (s *Server) showWrite(v *visit) {
	if !v.Writes() {
		v.stop(http.StatusNotFound, "chat.off")
		return
	}
	v.in = under("/ecrire")
	v.Chat = &chatView{Action: v.writePath(), Lead: v.T("chat.lead"), Key: rand.Text(), Words: v.r.PostFormValue("words"), Max: chat.MaxText}
	if v.def.Callback.On && v.HasRelay() {
		v.Chat.Relay = v.path("") + "?relais=1"
	}
	if !v.def.Opening(v.now).Open {
		v.Chat.State = v.opening()
	}
	v.render(http.StatusOK, "chat.html", v.T("chat.title"))
}

// takeWrite opens a conversation.
func (s *Server) takeWrite(v *visit) {
	if !v.Writes() {
		v.stop(http.StatusNotFound, "chat.off")
		return
	}
	if !v.form() {
		return
	}
	if _, err := chat.Check(v.r.PostFormValue("words")); err == nil { // begin says what is wrong
		if wait := s.began.take(s.Proxies.Address(v.r).String(), v.now, beginsPerHour, time.Hour); wait > 0 {
			v.tooMuch(wait)
			return
		}
	}
	v.begin()
}

// begin opens a conversation with the words of the form, and leads to it.
func (v *visit) begin() {
	c, err := v.s.Chats.Begin(v.r.Context(), v.Lang, v.key(), v.r.PostFormValue("words"))
	switch {
	case errors.Is(err, chat.ErrText):
		v.wrongWords()
		v.s.showWrite(v)
	case errors.Is(err, chat.ErrClosed): // the same form once more, after it was over
		v.see(v.s.Signer.chatPath(c), nil)
	case err != nil:
		v.fail("open a conversation", err)
	default:
		v.see(v.s.Signer.chatPath(c), nil)
	}
}

// ours is what keys look like; others are replaced, and prove nothing.
var ours = regexp.MustCompile(`^[A-Za-z0-9-]{8,64}$`)

func (v *visit) key() string {
	if k := v.r.PostFormValue("k"); ours.MatchString(k) {
		return k
	}
	return rand.Text()
}

func (v *visit) wrongWords() {
	if chat.Tidy(v.r.PostFormValue("words")) == "" {
		v.wrong("words", "error.words")
		return
	}
	v.wrong("words", "error.words.long", "max", chat.MaxText)
}

// tooMuch asks somebody to wait. What they typed is on the page they come back to.
func (v *visit) tooMuch(wait time.Duration) {
	v.w.Header().Set("Retry-After", "60")
	v.stop(http.StatusTooManyRequests, "chat.toomany", "clock", v.clock(v.now.Add(wait).In(v.serviceZone())))
}

// withChat reads the token and the conversation.
func (s *Server) withChat(handle func(v *visit, c chat.Conversation)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := s.visit(w, r, langOfPath(r))
		id, err := s.Signer.openChat(r.PathValue("token"), v.now)
		if errors.Is(err, errForged) || s.Chats == nil {
			v.stop(http.StatusNotFound, "missing")
			return
		}
		var c chat.Conversation
		if err == nil {
			c, err = s.Chats.Conversation(r.Context(), id)
		}
		switch {
		case errors.Is(err, errExpired), errors.Is(err, chat.ErrNone):
			v.stop(http.StatusGone, "chat.expired")
			return
		case err != nil:
			v.fail("read a conversation", err)
			return
		}
		v.Lang, v.in = known(c.Lang), nil
		if v.form() {
			handle(v, c)
		}
	}
}

// showChat is what was said, and the form to say more.
func (s *Server) showChat(v *visit, c chat.Conversation) {
	list, err := s.Chats.Messages(v.r.Context(), c.ID, 0)
	if err != nil {
		v.fail("read a conversation", err)
		return
	}
	v.Chat = &chatView{
		Action: s.Signer.chatPath(c), Key: rand.Text(), Max: chat.MaxText, Begun: true, State: v.T("chat.state." + string(c.State)), Script: chatPath,
	}
	if len(v.Errors) > 0 {
		v.Chat.Words = v.r.PostFormValue("words")
	}
	zone := v.serviceZone()
	for _, m := range list {
		when := v.clock(m.At.In(zone))
		if m.At.In(zone).YearDay() != v.now.In(zone).YearDay() {
			when = text.Day(v.Lang, m.At.In(zone), v.now.In(zone)) + ", " + when
		}
		v.Chat.Said = append(v.Chat.Said, saidView{m.Seq, string(m.Author), v.T("chat.who." + string(m.Author)), strings.Split(m.Text, "\n"), when})
	}
	v.w.Header().Set("Content-Security-Policy", policy+"; script-src 'self'; connect-src 'self'")
	v.render(http.StatusOK, "chat.html", v.T("chat.title"))
}

// takeChat takes one more message. Who writes after the end begins anew.
func (s *Server) takeChat(v *visit, c chat.Conversation) {
	if wait := s.spoke.take(string(c.ID), v.now, saysPerWhile, saysWhile); wait > 0 {
		v.tooMuch(wait)
		return
	}
	switch _, err := s.Chats.Hear(v.r.Context(), c.ID, "page:"+v.key(), v.r.PostFormValue("words")); {
	case err == nil:
		v.see(s.Signer.chatPath(c), nil)
	case errors.Is(err, chat.ErrText):
		v.wrongWords()
		s.showChat(v, c)
	case errors.Is(err, chat.ErrClosed) && v.Writes():
		v.begin()
	case errors.Is(err, chat.ErrClosed):
		v.stop(http.StatusNotFound, "chat.off")
	default:
		v.fail("take a message of a conversation", err)
	}
}

// Limits of writing: conversations begun from an address, and messages in a conversation.
const (
	beginsPerHour = 10
	saysPerWhile  = 30
	saysWhile     = 10 * time.Minute
)

// pace counts how often something is done under a name, in this process's memory.
type pace struct {
	mu   sync.Mutex
	done map[string][]time.Time
}

// take counts one more; when there were so many within that time it tells how long to wait.
func (p *pace) take(name string, now time.Time, most int, within time.Duration) (wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.done) >= defaultRooms || p.done == nil { // begin anew rather than grow, or refuse everybody
		p.done = map[string][]time.Time{}
	}
	times := p.done[name]
	if len(times) == most {
		if wait := times[0].Add(within).Sub(now); wait > 0 {
			return wait
		}
		times = times[1:]
	}
	p.done[name] = append(times, now)
	return 0
}

var script = mustRead("chat.js")

// chatPath changes with the file, like cssPath.
var chatPath = "/chat." + digest(script) + ".js"

func serveScript(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(script)
}
