package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"decroche/ivr"
	"decroche/people"
	"decroche/routing"
	"decroche/service"
)

const token = "a-token-for-tests"

// board keeps messages in memory.
type board struct {
	list []ivr.Message
	keys map[string]int
	err  error
}

func (b *board) Publish(_ context.Context, m ivr.Message, key string) (ivr.Message, error) {
	if b.err != nil {
		return m, b.err
	}
	if i, ok := b.keys[key]; ok && key != "" {
		return b.list[i], nil
	}
	m.ID = int64(len(b.list) + 1)
	b.keys[key] = len(b.list)
	b.list = append(b.list, m)
	return m, nil
}

func (b *board) Messages(_ context.Context, after time.Time) (list []ivr.Message, _ error) {
	for _, m := range b.list {
		if m.Until.After(after) {
			list = append(list, m)
		}
	}
	return list, b.err
}

func (b *board) Stop(_ context.Context, id int64, by string, at time.Time) (ivr.Message, error) {
	if id < 1 || int(id) > len(b.list) {
		return ivr.Message{}, fmt.Errorf("stop message %d: %w", id, ivr.ErrNoMessage)
	}
	m := &b.list[id-1]
	if m.Stopped.IsZero() {
		m.Stopped, m.StoppedBy = at, by
	}
	return *m, b.err
}

// acts is the log of what was done.
type acts []people.Act

func (a *acts) Log(_ context.Context, act people.Act) error {
	*a = append(*a, act)
	return nil
}

// are the lines as they are read.
func (a *acts) are() (lines []string) {
	for _, act := range *a {
		lines = append(lines, strings.Join([]string{act.Who, act.What, act.About, act.Detail}, " | "))
	}
	return lines
}

// rig is a server with everything around it in memory.
type rig struct {
	*Server
	t       *testing.T
	board   *board
	acts    acts
	changed int
	stale   error // why the line is not told at once
	unsaid  error
	refused error
	unready error
}

func newRig(t *testing.T) *rig {
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	floor := routing.NewFloor(routing.Options{})
	t.Cleanup(floor.Close)
	floor.SetQueues(map[string]*service.Queue{"accueil": {ID: "accueil", Needs: map[string]int{"accueil": 1}}})
	floor.SetRoster([]routing.Agent{{ID: "2001", Name: "Camille", Skills: map[string]int{"accueil": 3}}})
	g := &rig{t: t, board: &board{keys: map[string]int{}}}
	g.Server = &Server{
		Floor: floor, Messages: g.board, Token: token, Log: slog.New(slog.DiscardHandler),
		Rehearse: func(context.Context, ivr.Message) error { return g.unsaid },
		Changed:  func(context.Context) error { g.changed++; return g.stale },
		Acts:     &g.acts,
		HasQueue: func(id string) bool { return id == "accueil" },
		Zone:     func() *time.Location { return paris },
		Reload:   func(context.Context) (string, error) { return "in force", g.refused },
		Ready:    func() error { return g.unready },
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "decroche_calls 1\n")
		}),
	}
	return g
}

type request struct {
	method, path, body string
	header             map[string]string
}

// do sends a request with the token, unless its header says otherwise.
func (g *rig) do(q request) (int, map[string]any, http.Header) {
	g.t.Helper()
	r := httptest.NewRequest(q.method, q.path, strings.NewReader(q.body))
	r.Header.Set("Authorization", "Bearer "+token)
	for k, v := range q.header {
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	g.Handler().ServeHTTP(w, r)
	var out map[string]any
	if strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") && !strings.HasPrefix(w.Body.String(), "[") {
		if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
			g.t.Fatalf("%s %s: %v: %s", q.method, q.path, err, w.Body)
		}
	} else {
		out = map[string]any{"text": w.Body.String()}
	}
	return w.Code, out, w.Header()
}

// refuses wants the status and an error that says what to mend.
func (g *rig) refuses(q request, status int, says string) {
	g.t.Helper()
	got, out, _ := g.do(q)
	said, _ := out["error"].(string)
	if got != status || !strings.Contains(said, says) || len(out) != 1 {
		g.t.Errorf("%s %s %.60s: %d %v, want %d with %q", q.method, q.path, q.body, got, out, status, says)
	}
}

// later is a moment a while from now as JSON bodies have it.
func later(d time.Duration) string { return time.Now().Add(d).Format(time.RFC3339) }

func TestEverythingBelowAPIWantsTheToken(t *testing.T) {
	g := newRig(t)
	for _, route := range []string{
		"GET /api/agents", "GET /api/agents/2001", "POST /api/agents/2001/state", "POST /api/calls/c1/wrap-up", "GET /api/queues", "GET /api/messages",
		"POST /api/messages", "POST /api/messages/1/stop", "POST /api/reload", "GET /api/callbacks", "POST /api/callbacks",
		"GET /api/callbacks/X", "POST /api/callbacks/X/move", "POST /api/callbacks/X/cancel", "GET /api/slots",
		"GET /api/sms", "GET /api/sms/inbox", "GET /api/links", "POST /api/links/site",
	} {
		method, path, _ := strings.Cut(route, " ")
		for _, auth := range []string{"", "Bearer ", "Bearer wrong", "Basic " + token, "Bearer " + token + "x", "bearer"} {
			status, out, header := g.do(request{method, path, "{}", map[string]string{"Authorization": auth}})
			if status != 401 || header.Get("WWW-Authenticate") != "Bearer" || !strings.Contains(fmt.Sprint(out["error"]), "token") {
				t.Errorf("%s with %q: %d %v", route, auth, status, out)
			}
		}
	}
	if len(g.board.list) != 0 || g.changed != 0 {
		t.Error("a request without the token changed something")
	}
	g.Token = "" // a controller without a token lets nobody in
	if status, _, _ := g.do(request{"GET", "/api/agents", "", map[string]string{"Authorization": "Bearer "}}); status != 401 {
		t.Errorf("without a token the server answers %d", status)
	}
}

func TestMonitoringNeedsNoToken(t *testing.T) {
	g := newRig(t)
	none := map[string]string{"Authorization": ""}
	if status, out, _ := g.do(request{"GET", "/healthz", "", none}); status != 200 || out["status"] != "ok" {
		t.Errorf("healthz: %d %v", status, out)
	}
	if status, out, _ := g.do(request{"GET", "/readyz", "", none}); status != 200 || out["status"] != "ready" {
		t.Errorf("readyz: %d %v", status, out)
	}
	g.unready = errors.New("no Asterisk yet")
	if status, out, _ := g.do(request{"GET", "/readyz", "", none}); status != 503 || out["error"] != "no Asterisk yet" {
		t.Errorf("readyz: %d %v", status, out)
	}
	if status, out, _ := g.do(request{"GET", "/metrics", "", none}); status != 200 || out["text"] != "decroche_calls 1\n" {
		t.Errorf("metrics: %d %v", status, out)
	}
}

func TestWrongPathsAndMethodsAreToldApart(t *testing.T) {
	g := newRig(t)
	for route, want := range map[string]int{
		"GET /": 404, "GET /api": 404, "GET /api/nothing": 404, "DELETE /api/messages": 405, "GET /api/reload": 405, "PUT /api/messages/1/stop": 405, "POST /healthz": 405,
	} {
		method, path, _ := strings.Cut(route, " ")
		if got, _, _ := g.do(request{method: method, path: path}); got != want {
			t.Errorf("%s: %d, want %d", route, got, want)
		}
	}
}

func TestAPageOfAnotherSiteIsRefused(t *testing.T) {
	g := newRig(t)
	body := `{"text": {"fr": "Panne."}, "until": "` + later(time.Hour) + `"}`
	for _, header := range []map[string]string{{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://elsewhere.example"}} {
		if got, _, _ := g.do(request{"POST", "/api/messages", body, header}); got != 403 {
			t.Errorf("with %v: %d", header, got)
		}
	}
	if got, _, _ := g.do(request{"POST", "/api/messages", body, map[string]string{"Sec-Fetch-Site": "same-origin"}}); got != 200 || len(g.board.list) != 1 {
		t.Errorf("from the same site: %d, %d messages", got, len(g.board.list))
	}
}

func TestAMessageIsPublishedListedAndStopped(t *testing.T) {
	g := newRig(t)
	body := `{"text": {"fr": "Panne."}, "queue": "accueil", "replace": true, "by": "chef", "until": "` + later(time.Hour) + `"}`
	once := map[string]string{"Idempotency-Key": "k"}
	for range 2 {
		if status, out, _ := g.do(request{"POST", "/api/messages", body, once}); status != 200 || out["id"] != 1.0 || out["active"] != true || out["by"] != "chef" {
			t.Fatalf("%d %v", status, out)
		}
	}
	if len(g.board.list) != 1 || g.changed != 2 {
		t.Errorf("%d messages, the board was told %d times", len(g.board.list), g.changed)
	}
	m := g.board.list[0]
	if m.Queue != "accueil" || !m.Replace || m.Text["fr"] != "Panne." || m.From.After(time.Now()) {
		t.Errorf("published %+v", m)
	}
	if _, out, header := g.do(request{method: "GET", path: "/api/messages"}); !strings.Contains(fmt.Sprint(out["text"]), `"text":{"fr":"Panne."}`) || header.Get("Cache-Control") != "no-store" {
		t.Errorf("listed %v", out)
	}
	if status, out, _ := g.do(request{method: "POST", path: "/api/messages/1/stop?by=chef"}); status != 200 || out["active"] != false || out["stopped_by"] != "chef" || g.changed != 3 {
		t.Errorf("stopped: %d %v, the board was told %d times", status, out, g.changed)
	}
	g.refuses(request{method: "POST", path: "/api/messages/7/stop"}, 404, "no such message")
	g.refuses(request{method: "POST", path: "/api/messages/x/stop"}, 400, "number")
}

func TestWhatTheAPIDoesIsInTheLogOnce(t *testing.T) {
	g := newRig(t)
	g.stale = errors.New("the board cannot be read") // the line finds out by itself
	sites := newBook()
	g.Links = sites
	paris := g.Zone()
	until := time.Now().Add(time.Hour)
	body := `{"text": {"fr": "Panne."}, "queue": "accueil", "by": "chef", "until": "` + until.Format(time.RFC3339) + `"}`
	for range 2 { // as a request is sent again
		if status, out, _ := g.do(request{"POST", "/api/messages", body, map[string]string{"Idempotency-Key": "k"}}); status != 200 || out["active"] != true || out["held"] != nil {
			t.Fatalf("%d %v", status, out)
		}
		time.Sleep(2 * time.Millisecond) // two requests are never in one millisecond
	}
	for _, by := range []string{"chef", "chef", "lou"} {
		if status, out, _ := g.do(request{method: "POST", path: "/api/messages/1/stop?by=" + by}); status != 200 || out["stopped_by"] != "chef" {
			t.Errorf("stopped: %d %v", status, out)
		}
		time.Sleep(2 * time.Millisecond)
	}
	if status, out, _ := g.do(request{method: "POST", path: "/api/links/demarches", body: `{"state": "off", "why": "maintenance", "by": "chef"}`}); status != 200 {
		t.Errorf("switched: %d %v", status, out)
	}
	want := []string{
		"api | message.published | 1 | chef · accueil · " + until.In(paris).Format("2006-01-02 15:04"),
		"api | message.stopped | 1 | chef",
		"api | link.switched | demarches | Non · maintenance · chef",
	}
	if got := g.acts.are(); !slices.Equal(got, want) {
		t.Errorf("the log has %q\nwant %q", got, want)
	}
	g.board.err = fmt.Errorf("publish a message: %w", ivr.ErrMessageReused)
	g.refuses(request{method: "POST", path: "/api/messages", body: body}, 409, "used for another message")
	g.board.err = errors.New("the database is locked")
	g.refuses(request{method: "POST", path: "/api/messages/1/stop"}, 500, "locked")
	if n := len(g.acts); n != 3 {
		t.Errorf("the log has %q", g.acts.are())
	}
}

func TestAnEmptyListIsAnArray(t *testing.T) {
	g := newRig(t)
	if _, out, _ := g.do(request{method: "GET", path: "/api/messages"}); out["text"] != "[]\n" {
		t.Errorf("the answer is %v", out)
	}
}

func TestAWrongMessageIsRefusedWithWhatToMend(t *testing.T) {
	g := newRig(t)
	body := func(rest string) string { return `{"text": {"fr": "Panne."}, ` + rest + `}` }
	until := `"until": "` + later(time.Hour) + `"`
	for _, test := range []struct{ body, says string }{
		{"", "body"},
		{"{", "body"},
		{"[]", "body"},
		{`{"until": 18}`, "body"},
		{`{"text": "Panne.", ` + until + `}`, "body"},
		{body(`"untill": "18:00"`), "untill"},
		{body(until) + `{"text": {"fr": "Une autre."}}`, "more than one"},
		{body(`"by": "x"`), "until: it is missing"},
		{body(`"until": "soon"`), `"soon" is neither`},
		{body(`"until": "25:00"`), `"25:00" is neither`},
		{body(`"until": "` + later(-time.Minute) + `"`), "past"},
		{body(`"until": "` + later(32*24*time.Hour) + `"`), "too far"},
		{body(until + `, "from": "` + later(2*time.Hour) + `"`), "ends before it starts"},
		{body(until + `, "from": "x"`), "from:"},
		{body(until + `, "queue": "nulle"`), `no queue "nulle"`},
		{`{"text": {"en": "Down."}, ` + until + `}`, "French"},
		{`{"text": {"fr": "` + strings.Repeat("a", ivr.MessageMaxText+1) + `"}, ` + until + `}`, "at most 1000"},
		{`{"text": {"fr": "` + strings.Repeat("a", 70<<10) + `"}, ` + until + `}`, "too large"},
	} {
		g.refuses(request{method: "POST", path: "/api/messages", body: test.body}, 400, test.says)
	}
	g.unsaid = errors.New("no voice for de")
	g.refuses(request{method: "POST", path: "/api/messages", body: body(until)}, 400, "no voice for de")
	if len(g.board.list) != 0 || g.changed != 0 {
		t.Error("a refused message was kept")
	}
	g.unsaid, g.board.err = nil, errors.New("the database is locked")
	g.refuses(request{method: "POST", path: "/api/messages", body: body(until)}, 500, "locked")
}

func TestAgentsAreSeenAndTold(t *testing.T) {
	g := newRig(t)
	set := func(id, body string) request {
		return request{method: "POST", path: "/api/agents/" + id + "/state", body: body}
	}
	if status, out, _ := g.do(set("2001", `{"state": "available"}`)); status != 200 || out["state"] != "available" {
		t.Errorf("%d %v", status, out)
	}
	if status, out, _ := g.do(set("2001", `{"state": "paused", "reason": "pause"}`)); status != 200 || out["state"] != "paused" || out["reason"] != "pause" {
		t.Errorf("%d %v", status, out)
	}
	g.refuses(set("2999", `{"state": "available"}`), 404, "2999")
	g.refuses(set("2001", `{"state": "wrap_up_done"}`), 409, "2001")
	g.refuses(set("2001", `{"state": "asleep"}`), 409, "asleep")
	g.refuses(set("2001", `{"state": "paused", "reason": "`+strings.Repeat("x", 101)+`"}`), 400, "100")
	g.refuses(set("2001", `{"stat": "paused"}`), 400, "stat")
	for _, path := range []string{"/api/agents", "/api/queues"} {
		if status, out, _ := g.do(request{method: "GET", path: path}); status != 200 || !strings.HasPrefix(fmt.Sprint(out["text"]), "[{") {
			t.Errorf("%s: %d %v", path, status, out)
		}
	}
}

func TestARefusedReloadSaysWhy(t *testing.T) {
	g := newRig(t)
	if status, out, _ := g.do(request{method: "POST", path: "/api/reload"}); status != 200 || out["status"] != "in force" {
		t.Errorf("%d %v", status, out)
	}
	g.refused = errors.New("service.yaml:3: no such menu")
	g.refuses(request{method: "POST", path: "/api/reload"}, 422, "service.yaml:3")
}

func TestATimeOfDayIsReadInTheServicesZone(t *testing.T) {
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	at := func(text string) time.Time {
		m, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	for _, test := range []struct{ now, text, want, fails string }{
		{"2026-11-02T10:00:00Z", "18:00", "2026-11-02T17:00:00Z", ""},
		{"2026-07-02T10:00:00Z", "18:00", "2026-07-02T16:00:00Z", ""},
		{"2026-07-01T22:30:00Z", "18:00", "2026-07-02T16:00:00Z", ""}, // it is already the second in Paris
		{"2026-10-25T00:10:00Z", "18:00", "2026-10-25T17:00:00Z", ""}, // the clocks go back that night
		{"2026-10-25T00:10:00Z", "02:30", "2026-10-25T00:30:00Z", ""}, // comes twice: the first of them
		{"2026-10-25T00:40:00Z", "02:30", "2026-10-25T01:30:00Z", ""}, // then the second
		{"2026-10-25T01:40:00Z", "02:30", "", "already past today"},
		{"2026-03-29T00:10:00Z", "02:30", "2026-03-29T01:30:00Z", ""}, // does not come that day: when it would have been
		{"2026-03-29T00:10:00Z", "18:00", "2026-03-29T16:00:00Z", ""}, // they go forward
		{"2026-11-02T10:00:00Z", "2026-11-30T18:00:00+01:00", "2026-11-30T17:00:00Z", ""},
		{"2026-11-02T10:00:00Z", "09:00", "", "already past today"},
		{"2026-11-02T10:00:00Z", "11:00", "", "already past today"},
		{"2026-11-02T10:00:00Z", "", "", "missing"},
		{"2026-11-02T10:00:00Z", "24:00", "", "neither"},
		{"2026-11-02T10:00:00Z", "18h", "", "neither"},
		{"2026-11-02T10:00:00Z", "2026-11-30", "", "neither"},
	} {
		got, err := moment(test.text, at(test.now), paris)
		switch {
		case test.fails != "" && (err == nil || !strings.Contains(err.Error(), test.fails)):
			t.Errorf("%q at %s: %v, %v; want %q", test.text, test.now, got, err, test.fails)
		case test.fails == "" && (err != nil || !got.Equal(at(test.want))):
			t.Errorf("%q at %s: %v, %v; want %s", test.text, test.now, got, err, test.want)
		}
	}
}

func TestAnAgentsIDWithASlashFindsNobody(t *testing.T) {
	g := newRig(t)
	g.refuses(request{method: "POST", path: "/api/agents/..%2f2001/state", body: `{"state": "available"}`}, 404, "no such agent")
}
