package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"decroche/ari"
	"decroche/ivr"
	"decroche/phone"
	"decroche/routing"
	"decroche/routing/wait"
	"decroche/web/admin"
)

// asterisk answers as one that is there, and notes the agents' accounts.
type asterisk struct {
	*httptest.Server
	mu       sync.Mutex
	accounts map[string]bool
	fails    bool // to take an account away
}

func newAsterisk(t *testing.T) *asterisk {
	a := &asterisk{accounts: map[string]bool{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ari/events", func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err == nil {
			<-conn.CloseRead(r.Context()).Done()
		}
	})
	mux.HandleFunc("GET /ari/asterisk/info", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"system":{"version":"22.10.1"},"status":{"startup_time":"2026-11-22T10:00:00.000+0000"}}`)
	})
	mux.HandleFunc("/ari/applications/{app}", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{}`) })
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet { // a list
			fmt.Fprint(w, `[]`)
			return
		}
		fmt.Fprint(w, `{}`)
	})
	mux.HandleFunc("/ari/asterisk/config/dynamic/res_pjsip/endpoint/{id}", func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		defer a.mu.Unlock()
		switch {
		case r.Method == http.MethodPut:
			a.accounts[r.PathValue("id")] = true
		case a.fails:
			w.WriteHeader(http.StatusInternalServerError)
			return
		default:
			delete(a.accounts, r.PathValue("id"))
		}
		fmt.Fprint(w, `[]`)
	})
	a.Server = httptest.NewServer(mux)
	t.Cleanup(a.CloseClientConnections)
	return a
}

// has tells who has an account.
func (a *asterisk) has() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var ids []string
	for id := range a.accounts {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return strings.Join(ids, " ")
}

func (a *asterisk) failing(fails bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fails = fails
}

// reloadable is a controller with the agents 2001 and 2002, beside an Asterisk.
func reloadable(t *testing.T, a *asterisk) *server {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	essai, err := os.ReadFile(filepath.Join("..", "..", "e2e", "testdata", "service.yaml"))
	must(err)
	must(os.WriteFile(filepath.Join(dir, "essai.yaml"), essai, 0o600))
	host, port, err := net.SplitHostPort(a.Listener.Addr().String())
	must(err)
	file := filepath.Join(dir, "decroche.yaml")
	must(os.WriteFile(file, []byte(fmt.Sprintf(`service: essai.yaml
sounds: %s
ari: {bind: %s, port: %s}
trunks: [{name: operator, server: 127.0.0.1}]
agents:
  - {id: "2001", name: Camille, skills: {accueil: 1}}
  - {id: "2002", name: Lou, skills: {accueil: 1}}
`, filepath.Join(cmp.Or(os.Getenv("DECROCHE_CACHE"), "/var/cache/decroche"), "test-sounds"), host, port)), 0o600))
	e := &env{cli: &cli{Config: file, Data: filepath.Join(dir, "data")}, ctx: t.Context()}
	s := newOffice(t).server
	s.load = e.load
	s.c, err = e.load()
	must(err)
	s.base.Store(s.def.Load())
	s.roster.Store(&s.c.Agents)
	s.floor.SetRoster(s.c.roster())
	s.waits = wait.New(wait.Options{})
	s.board = ivr.NewBoard(s.db.Active)
	s.lib, err = s.c.library(s.def.Load().Languages)
	must(err)
	s.assemblePlans()
	s.ari = ari.New(ari.Config{URL: s.c.ariURL(), App: s.c.app(), Username: "decroche", Password: "x", Log: slog.New(slog.DiscardHandler)})
	s.x = phone.New(phone.Options{ARI: s.ari, App: s.c.app(), Log: slog.New(slog.DiscardHandler), Checkpoints: s.db.Checkpoints(), Accounts: s.accounts})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.x.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
	for limit := time.Now().Add(20 * time.Second); !s.x.Ready(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("the controller does not find Asterisk")
		}
	}
	return s
}

// knows tells which agents the line knows.
func knows(s *server) string {
	var ids []string
	for _, a := range s.floor.Agents() {
		if a.State == routing.SignedOut {
			ids = append(ids, string(a.ID))
		}
	}
	slices.Sort(ids)
	return strings.Join(ids, " ")
}

// What cannot be taken changes nothing, whatever fails and however late: the file, who the line knows, and the
// telephones are as they were.
func TestARosterThatCannotBeTakenChangesNothing(t *testing.T) {
	a := newAsterisk(t)
	s := reloadable(t, a)
	if got := a.has(); got != "2001 2002" {
		t.Fatalf("accounts of %q", got)
	}
	r := &roster{s: s}
	list, was, err := r.Agents(t.Context())
	if err != nil || len(list) != 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	before, _ := os.ReadFile(s.c.file)
	blocked := filepath.Join(s.c.Data, "music") // as on a full disk: what Asterisk plays by itself cannot be written
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	changed := []admin.Agent{list[0], {ID: "2003", Name: "Noé", Skills: map[string]int{"accueil": 1}}}
	if err := r.SetAgents(t.Context(), changed, was); err == nil {
		t.Fatal("what cannot be taken was taken")
	}
	if after, _ := os.ReadFile(s.c.file); string(after) != string(before) {
		t.Errorf("the file is\n%s", after)
	}
	if n, _ := filepath.Glob(filepath.Join(filepath.Dir(s.c.file), ".new-*")); len(n) > 0 {
		t.Errorf("left behind: %q", n)
	}
	if got := a.has(); got != "2001 2002" {
		t.Errorf("the telephones are those of %q", got)
	}
	if got := knows(s); got != "2001 2002" || len(*s.roster.Load()) != 2 || (*s.roster.Load())[1].ID != "2002" {
		t.Errorf("the line knows %q, and %+v", got, *s.roster.Load())
	}

	if err := os.Remove(blocked); err != nil {
		t.Fatal(err)
	}
	a.failing(true) // who has left keeps an account for a while: that is no reason to refuse the others
	if err := r.SetAgents(t.Context(), changed, was); err != nil {
		t.Fatal(err)
	}
	if got := knows(s); got != "2001 2003" || a.has() != "2001 2002 2003" {
		t.Errorf("the line knows %q, with the telephones of %q", got, a.has())
	}
	a.failing(false)
	s.dropAccounts(t.Context())
	if got := a.has(); got != "2001 2003" {
		t.Errorf("in the end the telephones are those of %q", got)
	}
}
