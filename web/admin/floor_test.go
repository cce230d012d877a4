package admin_test

import (
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
	board := v.follows("/direct/flux")
	board.hears("(17/20)")
	begun := time.Now()
	_, err := s.floor.SetState("2001", routing.Available, "")
	s.must(err)
	board.hears("Camille Martin")
	if d := time.Since(begun); d > time.Second {
		t.Errorf("a change was seen after %s", d)
	}
	s.must(s.srv.People.SignOut(s.Context(), "console", "camille"))
	board.ends()
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
	admin.Hurry(t, 6*time.Second, time.Second, 1500*time.Millisecond)
	s := open(t)
	wall, idle := s.account("mur", people.Supervisor), s.account("lou", people.Supervisor)
	wall.get("/direct?mur=1").wants(200, `class="wall"`, "Quitter l'affichage mural").lacks("/deconnexion\"><nav")
	wall.follows("/direct/flux")
	time.Sleep(8 * time.Second)
	wall.get("/direct?mur=1").wants(200, `id="board"`)
	idle.get("/direct").wants(200, "Se connecter").lacks(`id="board"`)
}
