package links

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"decroche/call"
	"decroche/service"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shelf is a Store that several watchers may share.
type shelf struct {
	mu    sync.Mutex
	list  map[string]Switch
	fault error
	read  func() // called within LinkSwitches, after it has read
}

func (s *shelf) LinkSwitches(context.Context) ([]Switch, error) {
	s.mu.Lock()
	var out []Switch
	for _, sw := range s.list {
		out = append(out, sw)
	}
	fault, read := s.fault, s.read
	s.mu.Unlock()
	if read != nil {
		read()
	}
	return out, fault
}

func (s *shelf) SetLinkSwitch(_ context.Context, sw Switch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault != nil {
		return s.fault
	}
	if s.list == nil {
		s.list = map[string]Switch{}
	}
	s.list[sw.ID] = sw
	return nil
}

func (s *shelf) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = err
}

// diary is a Journal.
type diary struct {
	mu   sync.Mutex
	said []string
}

func (d *diary) Append(e call.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.said = append(d.said, string(e.Kind)+" "+string(e.Data))
}

// web answers for every site, in memory: the clock of a bubble goes on meanwhile.
type web struct {
	mu     sync.Mutex
	status map[string]int // by host; 0 never answers
	asked  []string
	at     []time.Time
	most   int // at once
	now    int
}

func (n *web) RoundTrip(req *http.Request) (*http.Response, error) {
	n.mu.Lock()
	n.asked, n.at = append(n.asked, req.URL.String()), append(n.at, time.Now())
	n.now++
	n.most = max(n.most, n.now)
	status := n.status[req.URL.Host]
	n.mu.Unlock()
	defer func() { n.mu.Lock(); n.now--; n.mu.Unlock() }()
	switch {
	case status == 0:
		<-req.Context().Done()
		return nil, req.Context().Err()
	case status < 0:
		return nil, errors.New("connection refused")
	}
	time.Sleep(100 * time.Millisecond)
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader("bonjour")), Request: req, Header: http.Header{}}, nil
}

func (n *web) answer(host string, status int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.status[host] = status
}

func (n *web) checks() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.asked)
}

// post is a watcher with all that stands around it.
type post struct {
	*Watcher
	def     atomic.Pointer[service.Definition]
	web     web
	shelf   *shelf
	journal diary
}

func link(id, check string, every time.Duration, prompts ...string) *service.Link {
	return &service.Link{ID: id, URL: "https://" + id + ".example", Check: check, Every: every, Prompts: prompts}
}

func newPost(store *shelf, list ...*service.Link) *post {
	p := &post{shelf: store, web: web{status: map[string]int{}}}
	p.define(list...)
	p.Watcher = &Watcher{
		Service: p.def.Load, Store: store, HTTP: &http.Client{Transport: &p.web}, Log: slog.New(slog.DiscardHandler), Journal: &p.journal,
		Rand: func() float64 { return 0.5 },
	}
	return p
}

func (p *post) define(list ...*service.Link) {
	d := &service.Definition{Links: map[string]*service.Link{}}
	for _, l := range list {
		d.Links[l.ID] = l
	}
	p.def.Store(d)
}

// run runs the watcher for as long as the test's function.
func (p *post) run(t *testing.T, then func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	then()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func (p *post) isDown(id string) bool {
	_, down := p.Down(id)
	return down
}

func TestALinkGoesDownAtTheSecondFailureAndUpAtTheFirstSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPost(&shelf{}, link("site", "https://site.example/sante", time.Minute, "en-ligne"))
		p.web.answer("site.example", 503)
		start := time.Now()
		p.run(t, func() {
			if p.isDown("site") || p.Muted("en-ligne") || !p.Status()[0].Healthy {
				t.Error("a link that was never checked is not up")
			}
			time.Sleep(7 * time.Second) // the first check comes after half of 10 s
			if st := p.Status()[0]; p.web.checks() != 1 || st.Down || st.LastError != "it answers 503 Service Unavailable" {
				t.Errorf("after %d checks: %+v", p.web.checks(), st)
			}
			time.Sleep(10 * time.Second) // the second comes soon after a failure
			why, down := p.Down("site")
			if !down || why != "its site does not work: it answers 503 Service Unavailable" || !p.Muted("en-ligne") || p.Muted("bonjour") {
				t.Errorf("down %v, %q, muted %v", down, why, p.Muted("en-ligne"))
			}
			if st := p.Status()[0]; !st.Down || st.Healthy || st.Since.Sub(start) > 17*time.Second || st.State != Auto {
				t.Errorf("%+v", st)
			}
			p.web.answer("site.example", 200)
			time.Sleep(62 * time.Second)
			if p.isDown("site") || p.Muted("en-ligne") {
				t.Error("a site that works again is still down")
			}
			if st := p.Status()[0]; st.LastError != "" || !st.Healthy || st.Since.IsZero() {
				t.Errorf("%+v", st)
			}
			p.web.answer("site.example", 500)
			time.Sleep(60500 * time.Millisecond) // one failure
			p.web.answer("site.example", 200)
			time.Sleep(time.Minute)
		})
		want := []string{`controller {"link":"site","what":"link_down","why":"it answers 503 Service Unavailable"}`, `controller {"link":"site","what":"link_up"}`}
		if !slices.Equal(p.journal.said, want) {
			t.Errorf("the journal says %q", p.journal.said)
		}
	})
}

func TestChecksKeepTheirPeriodAndASilentSiteIsGivenUpAfterFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPost(&shelf{}, link("site", "https://site.example", time.Minute), link("never", "https://never.example", 0))
		p.run(t, func() { time.Sleep(30 * time.Second) })
		if why, down := p.Down("site"); !down || !strings.HasSuffix(why, "no answer within 5s") {
			t.Errorf("%q, %v", why, down)
		}
		p = newPost(&shelf{}, link("site", "https://site.example", time.Minute), link("never", "https://never.example", 0))
		p.web.answer("site.example", 200)
		p.run(t, func() { time.Sleep(time.Hour) })
		if n := p.web.checks(); n < 55 || n > 60 {
			t.Errorf("%d checks in an hour", n)
		}
		if slices.Contains(p.web.asked, "https://never.example") {
			t.Error("a link that is never to be checked was")
		}
	})
}

func TestLinksAreNotCheckedTogetherNorManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var list []*service.Link
		for i := range 20 {
			id := fmt.Sprintf("site-%d", i)
			list = append(list, link(id, "https://"+id+".example", time.Minute))
		}
		p := newPost(&shelf{}, list...) // none of them answers
		p.run(t, func() { time.Sleep(4 * time.Minute) })
		if p.web.most != atOnce {
			t.Errorf("%d checks at once, want %d", p.web.most, atOnce)
		}
		for _, st := range p.Status() {
			if !st.Down {
				t.Errorf("%s was left out", st.ID)
			}
		}
		spread := newPost(&shelf{}, list...)
		var next atomic.Int64
		spread.Rand = func() float64 { return float64(next.Add(1)%20) / 20 }
		for _, l := range list {
			spread.web.answer(strings.TrimPrefix(l.Check, "https://"), 200)
		}
		spread.run(t, func() { time.Sleep(11 * time.Second) })
		if first, last := spread.web.at[0], spread.web.at[len(spread.web.at)-1]; len(spread.web.at) != 20 || last.Sub(first) < 7*time.Second {
			t.Errorf("%d first checks within %s", len(spread.web.at), last.Sub(first))
		}
	})
}

func TestASwitchWinsOverTheChecksAndSurvivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &shelf{}
		p := newPost(store, link("site", "https://site.example", time.Minute, "en-ligne"))
		p.web.answer("site.example", 200)
		p.run(t, func() {
			if err := p.Set(t.Context(), "site", "off", "panne\nnationale", "marie"); err != nil {
				t.Fatal(err)
			}
			why, down := p.Down("site")
			if !down || why != "it is switched off by marie: panne nationale" || !p.Muted("en-ligne") {
				t.Errorf("%q, %v", why, down)
			}
			time.Sleep(3 * time.Minute)
			if st := p.Status()[0]; !st.Down || !st.Healthy || st.State != Off || st.By != "marie" || st.Since.IsZero() || st.LastChecked.IsZero() {
				t.Errorf("%+v", st)
			}
		})

		again := newPost(store, link("site", "https://site.example", time.Minute, "en-ligne"))
		if err := again.Load(t.Context()); err != nil || !again.isDown("site") {
			t.Errorf("after a restart the link is up, %v", err)
		}
		again.web.answer("site.example", -1)
		again.run(t, func() {
			if err := again.Set(t.Context(), "site", "on", "", "marie"); err != nil || again.isDown("site") {
				t.Error("switched on it is down", err)
			}
			time.Sleep(2 * time.Minute)
			if st := again.Status()[0]; st.Down || st.Healthy || st.LastError != "no answer: connection refused" {
				t.Errorf("switched on, not healthy: %+v", st)
			}
			if err := again.Set(t.Context(), "site", "auto", "", ""); err != nil || !again.isDown("site") {
				t.Error("as its checks say it is up", err)
			}
		})
	})
}

func TestASwitchSetByAnotherProcessIsSeenWithinTwoSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &shelf{}
		here, there := newPost(store, link("site", "", 0)), newPost(store, link("site", "", 0))
		here.run(t, func() {
			time.Sleep(time.Second)
			if err := there.Set(t.Context(), "site", "off", "", ""); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second)
			if !here.isDown("site") {
				t.Error("the switch was not seen")
			}
			store.fail(errors.New("the disk is gone"))
			time.Sleep(time.Minute)
			if !here.isDown("site") {
				t.Error("a store that cannot be read switched the link on")
			}
			if err := here.Set(t.Context(), "site", "auto", "", ""); err == nil || !here.isDown("site") {
				t.Errorf("what was not kept is done: %v", err)
			}
			store.fail(nil)
			if err := there.Set(t.Context(), "site", "auto", "", ""); err != nil {
				t.Fatal(err)
			}
			time.Sleep(3 * time.Second)
			if here.isDown("site") {
				t.Error("the switch was not seen after the trouble")
			}
		})
	})
}

func TestASwitchIsNotUndoneByAnOlderReading(t *testing.T) {
	store := &shelf{}
	p := newPost(store, link("site", "", 0))
	store.read = func() {
		store.read = nil
		if err := p.Set(t.Context(), "site", "off", "", ""); err != nil {
			t.Error(err)
		}
	}
	if err := p.Load(t.Context()); err != nil || !p.isDown("site") {
		t.Errorf("switched off while the store was read, the link is up (%v)", err)
	}
}

func TestAnotherDefinitionIsTakenUpWhileItRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPost(&shelf{}, link("site", "https://old.example", time.Minute), link("gone", "https://gone.example", time.Minute))
		p.web.answer("new.example", 200)
		p.web.answer("added.example", -1)
		p.run(t, func() {
			time.Sleep(30 * time.Second)
			if !p.isDown("site") || !p.isDown("gone") {
				t.Fatal("sites that do not answer are up")
			}
			p.define(link("site", "https://new.example", time.Minute), link("added", "https://added.example", time.Minute))
			if p.isDown("site") || p.isDown("gone") || len(p.Status()) != 2 {
				t.Errorf("what was found of another address holds: %+v", p.Status())
			}
			time.Sleep(30 * time.Second)
			if p.isDown("site") || !p.isDown("added") {
				t.Errorf("%+v", p.Status())
			}
			asked := len(p.web.asked)
			p.define()
			time.Sleep(10 * time.Minute)
			if len(p.web.asked) != asked || len(p.Status()) != 0 {
				t.Error("links that are gone are checked")
			}
		})
	})
}

func TestWhatIsNoLinkOrNoStateIsNotSwitched(t *testing.T) {
	p := newPost(&shelf{}, link("site", "", 0))
	for _, c := range []struct{ id, state, want string }{
		{"nowhere", "off", `switch link "nowhere": the service has no such link, it has site`},
		{"site", "of", `switch link "site": "of" is no state, write auto, on or off`},
	} {
		if err := p.Set(t.Context(), c.id, c.state, "", ""); err == nil || err.Error() != c.want {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
	if p.isDown("site") || p.isDown("nowhere") || len(p.shelf.list) != 0 || len(p.journal.said) != 0 {
		t.Error("something was switched")
	}
	if err := p.Set(t.Context(), "site", "off", strings.Repeat("é", 300), strings.Repeat("x", 300)); err != nil {
		t.Fatal(err)
	}
	if st := p.Status()[0]; len([]rune(st.Why)) != 200 || len(st.By) != 100 {
		t.Errorf("kept %d and %d characters", len([]rune(st.Why)), len(st.By))
	}
}

// The real client against real answers.
func TestASiteWorksWhenACitizenWouldFindIt(t *testing.T) {
	mux := http.NewServeMux()
	for _, code := range []int{200, 204, 304, 400, 401, 403, 404, 405, 406, 408, 410, 418, 429, 451, 500, 502, 503} {
		mux.HandleFunc(fmt.Sprintf("/%d", code), func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
	}
	mux.HandleFunc("/hops/{n}", func(w http.ResponseWriter, r *http.Request) {
		var n int
		if _, err := fmt.Sscan(r.PathValue("n"), &n); err != nil || n == 0 {
			return
		}
		http.Redirect(w, r, fmt.Sprintf("/hops/%d", n-1), http.StatusFound)
	})
	mux.HandleFunc("/broken", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte("Bonj"))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	mux.HandleFunc("/long", func(w http.ResponseWriter, _ *http.Request) {
		for range 1000 {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return // read no further than needed
			}
		}
		t.Error("a page of 64 MB was read")
	})
	site := httptest.NewServer(mux)
	defer site.Close()
	secret := httptest.NewUnstartedServer(mux)
	secret.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // it says that its certificate was refused
	secret.StartTLS()
	defer secret.Close()
	gone := httptest.NewServer(mux)
	gone.Close()

	client := new(Watcher).client()
	for _, c := range []struct{ address, want string }{
		{site.URL + "/200", ""},
		{site.URL + "/204", ""},
		{site.URL + "/401", ""},
		{site.URL + "/403", ""},
		{site.URL + "/405", ""},
		{site.URL + "/406", ""},
		{site.URL + "/429", ""},
		{site.URL + "/long", ""},
		{site.URL + "/hops/3", ""},
		{site.URL + "/hops/4", "it redirects more than 3 times"},
		{site.URL + "/304", "it answers 304 Not Modified"}, // nobody asked for a change
		{site.URL + "/400", "it answers 400 Bad Request"},
		{site.URL + "/404", "it answers 404 Not Found"},
		{site.URL + "/408", "it answers 408 Request Timeout"},
		{site.URL + "/410", "it answers 410 Gone"},
		{site.URL + "/451", "it answers 451 Unavailable For Legal Reasons"},
		{site.URL + "/500", "it answers 500 Internal Server Error"},
		{site.URL + "/503", "it answers 503 Service Unavailable"},
		{site.URL + "/broken", "its page breaks off: unexpected EOF"},
		{secret.URL + "/200", "certificate"},
		{gone.URL + "/200", "no answer: dial tcp"},
	} {
		err := probe(t.Context(), client, c.address)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", strings.TrimPrefix(c.address, site.URL), err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "http://") {
			t.Errorf("the address is said again: %v", err)
		}
	}
}

func BenchmarkDown(b *testing.B) {
	p := newPost(&shelf{}, link("a", "https://a.example", time.Minute, "x"), link("b", "https://b.example", time.Minute, "y", "z"))
	for b.Loop() {
		p.Down("a")
		p.Muted("z")
	}
}
