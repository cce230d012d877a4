package admin_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"decroche/call"
	"decroche/people"
	"decroche/web/admin"
)

// Two lines with controllers of their own are on one board, pushed; one that does not answer is told.
func TestSeveralLinesAreOnOneBoard(t *testing.T) {
	south := open(t)
	south.day = map[string]admin.Day{"accueil": {Requested: 40, Answered: 31}}
	away := make(chan struct{})
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-away:
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		default:
		}
		if r.Header.Get("Authorization") != "Bearer jeton" || r.URL.Path != "/api/board" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		board, err := south.srv.Board(r.Context(), call.Lang(r.URL.Query().Get("lang")))
		if err != nil {
			t.Error(err)
		}
		_ = json.NewEncoder(w).Encode(board)
	}))
	defer web.Close()
	north := open(t)
	north.srv.Others = []admin.Other{{Name: "Ligne sud", URL: web.URL, Token: "jeton"}}
	v := north.account("camille", people.Supervisor)
	v.get("/direct").wants(200, "Ligne sud")
	res, err := (&http.Client{Jar: v.client.Jar}).Get(north.web.URL + "/direct/flux")
	north.must(err)
	defer res.Body.Close()
	lines := make(chan string, 1000)
	go func() {
		for scan := bufio.NewScanner(res.Body); scan.Scan(); {
			lines <- scan.Text()
		}
	}()
	until := func(part string, within time.Duration) {
		t.Helper()
		limit := time.After(within)
		for {
			select {
			case l := <-lines:
				if strings.Contains(strings.ReplaceAll(l, "\u00a0", " "), part) {
					return
				}
			case <-limit:
				t.Fatalf("no %q within %s", part, within)
			}
		}
	}
	until("(31/40)", 15*time.Second)
	close(away)
	until("ne répond plus depuis", 30*time.Second)
}
