package admin_test

import (
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"decroche/call"
	"decroche/metrics"
	"decroche/people"
)

func TestIndicatorsAreShownFilteredExportedAndOpened(t *testing.T) {
	s := open(t)
	v := s.account("camille", people.Manager)
	v.get("/indicateurs").wants(200, "Taux de décroché (agent)", "Jours à l'objectif", `class="report"`)
	v.get("/indicateurs?du=2026-01-01&au=2026-01-31&par=queue&pas=week&queue=accueil").wants(200, `value="2026-01-01"`, `<option value="accueil" selected>`)
	v.get("/indicateurs?du=hier&au=2026-01-31").wants(422, "Indiquez un jour")
	v.get("/indicateurs?du=2026-02-01&au=2026-01-31").wants(422, "La fin vient avant le début")
	for format, kind := range map[string]string{"csv": "text/csv", "json": "application/json", "html": "text/html", "xlsx": "application/vnd"} {
		if v.get("/indicateurs/export?du=2026-01-01&au=2026-01-31&format=" + format); v.status != 200 || !strings.HasPrefix(v.answer.Get("Content-Type"), kind) ||
			!strings.Contains(v.answer.Get("Content-Disposition"), "indicateurs-2026-01-01-2026-01-31."+format) {
			t.Errorf("%s: %d %v", format, v.status, v.answer)
		}
	}
	v.get("/indicateurs/export?format=exe").wants(404)
	v.get("/indicateurs/contacts?indicateur=received").wants(200, "Aucun contact")
	v.get("/indicateurs/contacts?indicateur=nothing").wants(400, "ne peuvent pas être demandés")
	v.get("/indicateurs/contact/n1-1.1").wants(200, "arrived", "+33199003939")
	v.get("/indicateurs/contact/n1-9.9").wants(404)
}

// calls writes contacts into the figures: at a time of day of 10 March 2026, for a queue, answered by an agent.
func (s *site) calls(contacts ...[3]string) {
	s.Helper()
	zone, err := time.LoadLocation("Europe/Paris")
	s.must(err)
	for i, c := range contacts {
		at, err := time.ParseInLocation("2006-01-02 15:04", "2026-03-10 "+c[0], zone)
		s.must(err)
		tell := func(after time.Duration, kind call.EventKind, data string) {
			s.db.Journal().Append(call.Event{At: at.Add(after), Call: call.ID(fmt.Sprintf("n1-%d.1", 100+i)), Kind: kind, Data: []byte(data)})
		}
		tell(0, call.EventArrived, `{"to": "+33199003939", "service": "essai", "public": "general", "open": true, "from": "+3363998000`+fmt.Sprint(i)+`"}`)
		tell(0, call.EventLanguage, `{"lang": "fr"}`)
		tell(time.Second, call.EventAgentAsked, `{"queue": "`+c[1]+`"}`)
		tell(time.Second, call.EventQueued, `{"queue": "`+c[1]+`", "position": 1}`)
		tell(20*time.Second, call.EventConnected, `{"agent": "`+c[2]+`", "team": "jour", "queue": "`+c[1]+`", "wait_ms": 19000}`)
		tell(80*time.Second, call.EventTalkEnded, `{"agent": "`+c[2]+`", "by": "caller", "talk_ms": 60000}`)
		tell(80*time.Second, call.EventEnded, `{"outcome": "answered", "reason": "caller_hangup"}`)
	}
	s.must(s.db.Journal().Flush(s.Context()))
	ledger := &metrics.Ledger{Store: s.db.Ledger(), Settings: func() *metrics.Settings { return metrics.SettingsOf(s.def.Load()) }, Log: slog.New(slog.DiscardHandler)}
	s.must(ledger.Advance(s.Context()))
}

// A figure opens on the contacts that it counts, whatever the page is broken down by and filtered.
func TestAFigureBrokenDownOpensOnTheContactsOfItsRowAndPeriod(t *testing.T) {
	s := open(t)
	s.calls([3]string{"09:10", "accueil", "2001"}, [3]string{"09:50", "accueil", "2002"}, [3]string{"14:20", "accueil", "2001"}, [3]string{"14:40", "titres", "2002"})
	v := s.account("camille", people.Manager)
	const day = "du=2026-03-10&au=2026-03-10"
	received := func(page string) (links []string) {
		t.Helper()
		v.get("/indicateurs?" + day + page).wants(200)
		for _, m := range regexp.MustCompile(`href="(/indicateurs/contacts\?[^"]*indicateur=received&[^"]*)"`).FindAllStringSubmatch(v.body, -1) {
			links = append(links, m[1])
		}
		return links
	}
	contacts := func(link string) int {
		return strings.Count(v.get(link).wants(200).body, `href="/indicateurs/contact/`)
	}
	for page, want := range map[string][]int{
		"":                          {4},
		"&queue=titres":             {1},
		"&queue=accueil&pas=hour":   {2, 1},
		"&par=queue":                {3, 1},
		"&par=queue&pas=hour":       {2, 1, 1},
		"&pas=quarter":              {1, 1, 1, 1},
		"&par=number":               {4},
		"&par=team&pas=year":        {4},
		"&par=reason":               {4}, // those without one
		"&language=fr&par=public":   {4},
		"&number=%2B33199003939":    {4},
		"&queue=gone&pas=day":       nil, // a queue of the past that nobody called
		"&team=jour&queue=titres":   {1},
		"&public=general&pas=month": {4},
	} {
		links := received(page)
		var got []int
		for _, l := range links {
			got = append(got, contacts(l))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q opens on %v contacts, want %v", page, got, want)
		}
	}
	back := received("&par=queue&pas=hour")[0]
	v.get(back)
	v.get(regexp.MustCompile(`href="(/indicateurs\?[^"]*)"`).FindStringSubmatch(v.body)[1]).wants(200, `<option value="hour" selected>`, `<option value="queue" selected>`)
	v.get("/indicateurs/contacts?indicateur=received&retour=%22%3E%3Cscript%3E").lacks("<script>alert", `"><script>`)
	v.get("/indicateurs?du=2026-01-01&au=2026-03-10&pas=hour").wants(422, "plus de 200 périodes")
	v.get("/indicateurs?"+day).wants(200, "Avant").lacks(`value="agent"`)
	v.get("/indicateurs?"+day+"&queue=titres").wants(200, "se lisent sans filtre").lacks("Jours à l'objectif</h2>")

	// One agent's figures are for those who work with them.
	v.get("/indicateurs?"+day+"&par=agent").wants(200, "Taux de décroché (agent)").lacks("2001")
	lead := s.account("lou", people.Supervisor)
	lead.get("/indicateurs?"+day+"&par=agent").wants(200, `<th scope="row">Camille Martin</th>`, `<th scope="row">Noé Bernard</th>`)
}
