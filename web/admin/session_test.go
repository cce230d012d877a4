package admin_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"decroche/ivr"
	"decroche/people"
	"decroche/service"
	"decroche/store"
	"decroche/web/admin"
)

// streamed is what comes on a stream of a page.
type streamed struct {
	*testing.T
	parts chan string // closed when the stream is over
}

// follows opens a stream, as a page does.
func (v *visitor) follows(path string) *streamed {
	v.s.Helper()
	req, err := http.NewRequestWithContext(v.s.Context(), http.MethodGet, v.s.web.URL+path, nil)
	v.s.must(err)
	res, err := (&http.Client{Jar: v.client.Jar}).Do(req)
	v.s.must(err)
	v.s.Cleanup(func() { res.Body.Close() })
	if kind := res.Header.Get("Content-Type"); kind != "text/event-stream" {
		v.s.Fatalf("%s is %s", path, kind)
	}
	f := &streamed{v.s.T, make(chan string, 10_000)}
	go func() {
		defer close(f.parts)
		buf := make([]byte, 64<<10)
		for {
			n, err := res.Body.Read(buf)
			if f.parts <- string(buf[:n]); err != nil {
				return
			}
		}
	}()
	return f
}

// hears waits for a part of the stream.
func (f *streamed) hears(part string) {
	f.Helper()
	limit := time.After(20 * time.Second)
	for {
		select {
		case l, ok := <-f.parts:
			if strings.Contains(l, part) {
				return
			}
			if !ok {
				f.Fatalf("the stream ended without %q", part)
			}
		case <-limit:
			f.Fatalf("the stream is without %q", part)
		}
	}
}

// ends waits for its end.
func (f *streamed) ends() {
	f.Helper()
	limit := time.After(20 * time.Second)
	for {
		select {
		case _, ok := <-f.parts:
			if !ok {
				return
			}
		case <-limit:
			f.Fatal("the stream outlives its session")
		}
	}
}

// copied is another browser with the cookies of one.
func (v *visitor) copied() *visitor {
	v.s.Helper()
	u, err := url.Parse(v.s.web.URL)
	v.s.must(err)
	w := v.s.visitor()
	w.client.Jar.SetCookies(u, v.client.Jar.Cookies(u))
	return w
}

func TestSigningOutEndsTheBoardOfThatSessionAlone(t *testing.T) {
	// Each look of a board at its session writes it.
	admin.Hurry(t, time.Hour, 0, 50*time.Millisecond)
	s := open(t)
	here, elsewhere := s.account("camille", people.Supervisor), s.visitor()
	elsewhere.get("/connexion").submit("name", "camille", "password", password).wants(200)
	thief := here.copied()
	thief.get("/messages").wants(200, "Messages d'incident")
	mine, other := here.follows("/direct/flux"), elsewhere.follows("/direct/flux")
	mine.hears("alive")
	here.do(http.MethodPost, "/deconnexion", nil).wants(200, "Vous êtes déconnecté")
	mine.ends()
	if thief.get("/messages"); !strings.HasPrefix(thief.at, "/connexion") {
		t.Errorf("the board wrote back the session that was signed out: its cookie sees %s", thief.at)
	}
	for range 3 {
		other.hears("alive")
	}
}

// remembering is a store of sessions that knows the last one kept.
type remembering struct {
	*store.People
	mu    sync.Mutex
	token string
	data  []byte
}

func (r *remembering) CommitCtx(ctx context.Context, token string, data []byte, until time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.token, r.data = token, data
	return r.People.CommitCtx(ctx, token, data, until)
}

// expire makes its twelve hours be over.
func (r *remembering) expire(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.People.CommitCtx(ctx, r.token, r.data, time.Now().Add(-time.Second))
}

func TestABoardEndsWhenTheTimeOfItsSessionIsOver(t *testing.T) {
	admin.Hurry(t, time.Hour, time.Hour, 50*time.Millisecond)
	s := open(t)
	kept := &remembering{People: s.db.People()}
	s.srv.Sessions = kept
	s.web = httptest.NewServer(s.srv.Handler())
	t.Cleanup(s.web.Close)
	board := s.account("camille", people.Supervisor).follows("/direct/flux")
	board.hears("alive")
	s.must(kept.expire(t.Context()))
	board.ends()
}

// echoing are calls from the page that nobody takes: what the browser sends to the exchange comes back.
type echoing struct{ exchange string }

func (echoing) Open(context.Context, string, *service.Definition) (admin.Trial, error) {
	return admin.Trial{Key: "k", User: "essai-k", Password: "secret"}, nil
}

func (echoing) Turns(key, by string) (<-chan ivr.Turn, bool) { return make(chan ivr.Turn), true }

func (e echoing) Socket() string { return e.exchange }

// exchange answers each message with itself.
func exchange(t *testing.T) string {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"sip"}})
		if err != nil {
			return
		}
		defer c.CloseNow() //nolint:errcheck // it is over
		for {
			kind, message, err := c.Read(r.Context())
			if err != nil || c.Write(r.Context(), kind, message) != nil {
				return
			}
		}
	}))
	t.Cleanup(web.Close)
	return strings.Replace(web.URL, "http", "ws", 1)
}

func TestACallFromThePageEndsWithTheSession(t *testing.T) {
	admin.Hurry(t, time.Hour, time.Hour, 50*time.Millisecond)
	s := open(t)
	s.srv.Trials = echoing{exchange(t)}
	v := s.account("camille", people.Editor)
	stream := v.follows("/service/appeler/flux?cle=k")
	socket, _, err := websocket.Dial(t.Context(), s.web.URL+"/service/appeler/ws", &websocket.DialOptions{HTTPClient: v.client, Subprotocols: []string{"sip"}}) //nolint:bodyclose // of a socket
	s.must(err)
	defer socket.CloseNow() //nolint:errcheck // it is over
	s.must(socket.Write(t.Context(), websocket.MessageText, []byte("OPTIONS")))
	if _, message, err := socket.Read(t.Context()); err != nil || string(message) != "OPTIONS" {
		t.Fatalf("the exchange says %q, %v", message, err)
	}
	stream.hears("alive")
	s.must(s.srv.People.SignOut(t.Context(), "chef", "camille"))
	stream.ends()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, message, err := socket.Read(ctx); err == nil || ctx.Err() != nil {
		t.Errorf("the socket outlives its session: %q, %v", message, err)
	}
}
