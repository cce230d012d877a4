package admin_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"decroche/people"
	"decroche/routing"
	"decroche/web/admin"
)

func TestTheBoardIsPushedAndEndsWithTheSession(t *testing.T) {
	s := open(t)
	v := s.account("camille", people.Supervisor)
	s.day = map[string]admin.Day{"accueil": {Requested: 20, Answered: 17, Offered: 18, InTime: 9, HourRequested: 2, HourAnswered: 1, Abandoned: 2, CallbacksDue: 3, CallbacksLate: 1}}
	v.get("/direct").wants(200, "Un site est en panne", "(17/20)", "(1/2)", "(9/18)", "3, dont 1 en retard", "0 libres sur 0")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.web.URL+"/direct/flux", nil)
	s.must(err)
	client := &http.Client{Jar: v.client.Jar}
	res, err := client.Do(req)
	s.must(err)
	defer res.Body.Close()
	if kind := res.Header.Get("Content-Type"); kind != "text/event-stream" {
		t.Fatalf("the stream is %s", kind)
	}
	lines := make(chan string, 1000)
	go func() {
		defer close(lines)
		buf := make([]byte, 64<<10)
		for {
			n, err := res.Body.Read(buf)
			if lines <- string(buf[:n]); err != nil {
				return
			}
		}
	}()
	until := func(part string, within time.Duration) {
		t.Helper()
		limit := time.After(within)
		for {
			select {
			case l, ok := <-lines:
				if strings.Contains(l, part) {
					return
				}
				if !ok {
					t.Fatalf("the stream ended without %q", part)
				}
			case <-limit:
				t.Fatalf("no %q within %s", part, within)
			}
		}
	}
	until("(17/20)", 3*time.Second)
	begun := time.Now()
	_, err = s.floor.SetState("2001", routing.Available, "")
	s.must(err)
	until("Camille Martin", 2*time.Second)
	if d := time.Since(begun); d > time.Second {
		t.Errorf("a change was seen after %s", d)
	}
	s.must(s.srv.People.SignOut(s.Context(), "console", "camille"))
	limit := time.After(15 * time.Second)
	for {
		select {
		case _, ok := <-lines:
			if !ok {
				return
			}
		case <-limit:
			t.Fatal("the stream outlives the session")
		}
	}
}

func TestTheBoardTellsOfCallbacksAtRiskAndLate(t *testing.T) {
	for words, d := range map[string]admin.Day{
		`<td class="n">0</td>`:                                      {},
		`<td class="n">3</td>`:                                      {CallbacksDue: 3},
		`<td class="n">3, dont 2 à risque</td>`:                     {CallbacksDue: 3, CallbacksAtRisk: 2},
		`<td class="n late">3, dont 1 en retard</td>`:               {CallbacksDue: 3, CallbacksLate: 1},
		`<td class="n late">3, dont 1 en retard et 2 à risque</td>`: {CallbacksDue: 3, CallbacksLate: 1, CallbacksAtRisk: 2},
	} {
		s := open(t)
		s.day = map[string]admin.Day{"accueil": d}
		s.account("camille", people.Supervisor).get("/direct").wants(200, words, "dans moins de 15 min et que personne ne rappelle encore")
	}
}

// A board on a wall that nobody clicks stays signed in; who looks at no board is signed out.
func TestABoardOnAWallStaysSignedIn(t *testing.T) {
	defer admin.Hurry(6*time.Second, time.Second, 1500*time.Millisecond)()
	s := open(t)
	wall, idle := s.account("mur", people.Supervisor), s.account("lou", people.Supervisor)
	wall.get("/direct?mur=1").wants(200, `class="wall"`, "Quitter l'affichage mural").lacks("/deconnexion\"><nav")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.web.URL+"/direct/flux", nil)
	s.must(err)
	res, err := (&http.Client{Jar: wall.client.Jar}).Do(req)
	s.must(err)
	defer res.Body.Close()
	time.Sleep(8 * time.Second)
	wall.get("/direct?mur=1").wants(200, `id="board"`)
	idle.get("/direct").wants(200, "Se connecter").lacks(`id="board"`)
}
