package admin_test

import (
	"cmp"
	"context"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"decroche/call"
	"decroche/drafts"
	"decroche/ivr"
	"decroche/links"
	"decroche/metrics"
	"decroche/metrics/report"
	"decroche/people"
	"decroche/plans"
	"decroche/routing"
	"decroche/service"
	"decroche/store"
	"decroche/store/storetest"
	"decroche/web/admin"
	"decroche/web/proxies"
)

const password = "une phrase que je retiens"

// site is the administration site on a real store, with a floor and a voice of the tests.
type site struct {
	*testing.T
	srv    *admin.Server
	db     *store.DB
	floor  *routing.Floor
	web    *httptest.Server
	day    map[string]admin.Day
	sites  sites
	roster roster
	file   string // the definition's
	def    atomic.Pointer[service.Definition]
}

// roster has agents in memory.
type roster struct{ list []admin.Agent }

func (r *roster) Agents(context.Context) ([]admin.Agent, string, error) {
	return slices.Clone(r.list), fmt.Sprint(r.list), nil
}

func (r *roster) SetAgents(_ context.Context, list []admin.Agent, was string) error {
	if was != fmt.Sprint(r.list) {
		return drafts.ErrChanged
	}
	for _, a := range list {
		if a.Team == "refus" {
			return fmt.Errorf("%w: no", drafts.ErrUnfit)
		}
	}
	r.list = list
	return nil
}

// sites are those that callers are sent to.
type sites struct{ set []string }

func (*sites) Status() []links.Status {
	return []links.Status{{ID: "demarches", URL: "https://site.example.fr", State: links.Auto, Down: true, LastError: "503", Since: time.Now().Add(-time.Hour)}}
}

func (s *sites) Set(_ context.Context, id, state, why, by string) error {
	s.set = append(s.set, state+" "+why+" "+by)
	return nil
}

func open(t *testing.T) *site {
	t.Helper()
	file := filepath.Join(t.TempDir(), "prefecture.yaml")
	demo, err := os.ReadFile("../../demo/prefecture.yaml")
	if err == nil {
		err = os.WriteFile(file, demo, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	def, err := service.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{T: t, file: file, db: storetest.Open(t, "sqlite:"+filepath.Join(t.TempDir(), "decroche.db")), floor: routing.NewFloor(routing.Options{})}
	t.Cleanup(s.floor.Close)
	s.def.Store(def)
	s.floor.SetQueues(def.Queues)
	s.floor.SetRoster([]routing.Agent{{ID: "2001", Name: "Camille Martin", Team: "Accueil", Skills: map[string]int{"accueil": 3}}})
	s.srv = &admin.Server{
		People: &people.Office{Store: s.db.People(), KiB: 64}, Accounts: s.db.People(), Sessions: s.db.People(), Service: s.def.Load,
		Floor: s.floor, Messages: s.db, Changed: func(context.Context) error { return nil }, Log: slog.New(slog.DiscardHandler),
		Rehearse: func(_ context.Context, _ call.Lang, p service.Phrase) ([]byte, error) {
			if strings.Contains(p.Say, "indicible") {
				return nil, fmt.Errorf("it cannot be said")
			}
			return []byte("RIFF of " + p.Say + p.Recording), nil
		},
		KeepSound: func(_ context.Context, ext string, data []byte) (string, error) {
			if string(data) == "silence" {
				return "", fmt.Errorf("%w: it is silent", admin.ErrSound)
			}
			return fmt.Sprintf("%d%s", len(data), ext), nil
		},
		Reports: func() report.Source {
			return report.Source{Figures: &metrics.Figures{Store: s.db.Ledger(), Settings: func() *metrics.Settings { return metrics.SettingsOf(def) }, Now: time.Now}, Service: def, Now: time.Now, Agent: func(id string) string {
				return map[string]string{"2001": "Camille Martin", "2002": "Noé Bernard"}[id]
			}}
		},
		Facts: func(_ context.Context, id call.ID) ([]call.Event, error) {
			if id != "n1-1.1" {
				return nil, nil
			}
			return []call.Event{call.NewEvent(id, call.EventArrived, map[string]string{"to": "+33199003939"})}, nil
		},
		Links:  &s.sites,
		Roster: &s.roster,
		Plans: &plans.Office{
			Store: s.db, Messages: s.db, Service: s.def.Load, Changed: func(context.Context) error { return nil },
			Apply: func([]*service.Plan) {}, Log: slog.New(slog.DiscardHandler),
		},
		Drafts: &drafts.Desk{Store: s.db.Drafts(), File: file, Judge: judge, Reload: func(context.Context) error {
			def, err := service.ParseFile(file)
			if err == nil {
				s.def.Store(def)
			}
			return err
		}},
		Sound: spoken,
		KeepRecording: func(_ context.Context, ext string, data []byte) (string, error) {
			if string(data) == "silence" {
				return "", fmt.Errorf("%w: it is silent", admin.ErrSound)
			}
			return "voix" + ext, os.WriteFile(filepath.Join(filepath.Dir(file), "voix"+ext), data, 0o600)
		},
		Catalogue: catalogue{},
		Play: func(ctx context.Context, def *service.Definition, info call.Info, at time.Time, keys string) (ivr.Rehearsal, error) {
			j := &ivr.Journey{Voice: voice{}, News: ivr.NewBoard(nil), Log: slog.New(slog.DiscardHandler)}
			return j.Rehearse(ctx, def, info, at, keys)
		},
		Heard: func(context.Context, ivr.Message) (int, int, error) { return 12, 3, nil },
		Today: func(context.Context) (map[string]admin.Day, error) { return s.day, nil },
		Alarms: func(call.Lang, map[string]admin.Day) []admin.Alarm {
			return []admin.Alarm{{Title: "Un site est en panne", Text: "Il ne répond pas.", Do: "Prévenez."}}
		},
	}
	s.web = httptest.NewServer(s.srv.Handler())
	t.Cleanup(s.web.Close)
	t.Cleanup(s.srv.Close)
	return s
}

// spoken lasts 70 ms a letter.
func spoken(_ context.Context, lang call.Lang, p service.Phrase) (call.Sound, error) {
	if strings.Contains(p.Say, "indicible") {
		return call.Sound{}, fmt.Errorf("it cannot be said")
	}
	sound := call.Sound{Duration: time.Duration(len(p.Say)) * 70 * time.Millisecond}
	if p.Recording == "" {
		sound.Voice = "essai " + string(lang)
	}
	return sound, nil
}

// catalogue is a line that says five things by itself, one of them to agents.
type catalogue struct{}

func (catalogue) IDs() []string {
	return []string{"agent.available", "callback.noted", "callback.noted.slot", "goodbye", "queue.joined"}
}

func (catalogue) Text(id string, lang call.Lang) string {
	switch {
	case !slices.Contains(catalogue{}.IDs(), id):
		return ""
	case id == "callback.noted.slot":
		return id + " {day} {clock} " + string(lang)
	}
	return id + " " + string(lang)
}

func (catalogue) Langs(def *service.Definition, id string) []call.Lang {
	if strings.HasPrefix(id, "agent.") {
		return def.Languages[:1]
	}
	return def.Languages
}

func (c catalogue) Sound(ctx context.Context, id string, lang call.Lang, p service.Phrase) (call.Sound, error) {
	p.Say = cmp.Or(p.Say, c.Text(id, lang))
	return spoken(ctx, lang, p)
}

func (c catalogue) Listen(_ context.Context, id string, lang call.Lang, p service.Phrase) ([]byte, error) {
	words := strings.NewReplacer("{day}", "mardi", "{clock}", "10 heures").Replace(cmp.Or(p.Say, c.Text(id, lang)))
	return []byte("RIFF of " + words), nil
}

// judge refuses a wording of what the line does not say, or without its values.
func judge(def *service.Definition) error {
	for id, text := range def.Wording {
		for lang, p := range text {
			if strings.Contains(catalogue{}.Text(id, lang), "{clock}") && !strings.Contains(p.Say, "{clock}") {
				return service.Problems{{What: service.Sentence{FR: "il manque {clock}", EN: "{clock} is missing"}, Fix: service.Sentence{FR: "écrivez {clock}", EN: "write {clock}"}}}
			}
		}
	}
	return nil
}

// voice says whatever there is to say.
type voice struct{}

func (voice) System(_ context.Context, id string, lang call.Lang) (call.Sound, error) {
	return call.Sound{Name: id, Lang: lang, Text: id}, nil
}

func (voice) Phrase(_ context.Context, name string, lang call.Lang, p service.Phrase) (call.Sound, error) {
	return call.Sound{Name: name, Lang: lang, Text: p.Say}, nil
}

func (voice) Sentence(_ context.Context, id string, lang call.Lang, _ string, _ ...any) (call.Sound, error) {
	return call.Sound{Name: id, Lang: lang, Text: id}, nil
}

func (voice) Clear(_ context.Context, s call.Sound) (call.Sound, error) { return s, nil }

// account makes one with a password, and gives it a browser that is signed in.
func (s *site) account(name string, roles ...people.Role) *visitor {
	s.Helper()
	s.must(s.srv.People.Add(s.Context(), "console", people.Account{Name: name, Full: "Camille " + name, Roles: roles}))
	secret, err := s.srv.People.Link(s.Context(), "console", name)
	s.must(err)
	v := s.visitor()
	v.get("/mot-de-passe/"+secret).wants(200, "Choisir un mot de passe", name)
	v.submit("password", password, "again", password)
	return v
}

func (s *site) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// visitor is a browser without scripts.
type visitor struct {
	s      *site
	client *http.Client
	header http.Header
	status int
	at     string
	body   string // as it is read
	raw    string // as it is written
	answer http.Header
}

func (s *site) visitor() *visitor {
	jar, _ := cookiejar.New(nil)
	return &visitor{s: s, client: &http.Client{Jar: jar, Timeout: 20 * time.Second}, header: http.Header{"Accept-Language": {"fr"}}}
}

func (v *visitor) do(method, path string, form url.Values) *visitor {
	v.s.Helper()
	req, err := http.NewRequestWithContext(v.s.Context(), method, v.s.web.URL+path, strings.NewReader(form.Encode()))
	v.s.must(err)
	req.Header = v.header.Clone()
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return v.send(req)
}

func (v *visitor) send(req *http.Request) *visitor {
	v.s.Helper()
	res, err := v.client.Do(req)
	v.s.must(err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	v.s.must(err)
	body := strings.ReplaceAll(html.UnescapeString(string(raw)), "\u00a0", " ")
	v.status, v.at, v.body, v.raw, v.answer = res.StatusCode, res.Request.URL.RequestURI(), body, string(raw), res.Header
	return v
}

func (v *visitor) get(path string) *visitor { return v.do(http.MethodGet, path, nil) }

var forms = regexp.MustCompile(`(?s)<form method="post" action="([^"]*)".*?</form>`)

// form gives the form that goes to an address which has this in it, as it is filled in.
func (v *visitor) form(to string) (action string, values url.Values) {
	v.s.Helper()
	for _, f := range forms.FindAllStringSubmatch(v.raw, -1) {
		if !strings.Contains(f[1], to) || f[1] == "/langue" || f[1] == "/deconnexion" {
			continue
		}
		values := url.Values{}
		for _, in := range regexp.MustCompile(`<input[^>]*>`).FindAllString(f[0], -1) {
			get := func(attr string) string {
				if m := regexp.MustCompile(` ` + attr + `="([^"]*)"`).FindStringSubmatch(in); m != nil {
					return html.UnescapeString(m[1])
				}
				return ""
			}
			if kind := get("type"); (kind == "radio" || kind == "checkbox") && !strings.Contains(in, " checked") {
				continue
			}
			values.Add(get("name"), get("value"))
		}
		for _, m := range regexp.MustCompile(`(?s)<select[^>]* name="([^"]*)".*?</select>`).FindAllStringSubmatch(f[0], -1) {
			if chosen := regexp.MustCompile(`value="([^"]*)" selected`).FindStringSubmatch(m[0]); chosen != nil {
				values.Set(m[1], html.UnescapeString(chosen[1]))
			}
		}
		for _, m := range regexp.MustCompile(`(?s)<textarea[^>]* name="([^"]*)"[^>]*>(.*?)</textarea>`).FindAllStringSubmatch(f[0], -1) {
			values.Set(m[1], html.UnescapeString(m[2]))
		}
		return f[1], values
	}
	v.s.Fatalf("%s has no form to %q:\n%s", v.at, to, v.body)
	return "", nil
}

// submit fills in the first form of the page, and sends it.
func (v *visitor) submit(pairs ...string) *visitor { return v.submitTo("", pairs...) }

func (v *visitor) submitTo(to string, pairs ...string) *visitor {
	v.s.Helper()
	action, values := v.form(to)
	for i := 0; i < len(pairs); i += 2 {
		values.Set(pairs[i], pairs[i+1])
	}
	return v.do(http.MethodPost, action, values)
}

func (v *visitor) wants(status int, parts ...string) *visitor {
	v.s.Helper()
	if v.status != status {
		v.s.Errorf("%s: status %d, want %d\n%s", v.at, v.status, status, v.body)
	}
	for _, p := range parts {
		if !strings.Contains(v.body, p) {
			v.s.Errorf("%s does not say %q:\n%s", v.at, p, v.body)
		}
	}
	return v
}

func (v *visitor) lacks(parts ...string) *visitor {
	v.s.Helper()
	for _, p := range parts {
		if strings.Contains(v.body, p) {
			v.s.Errorf("%s says %q:\n%s", v.at, p, v.body)
		}
	}
	return v
}

func TestEveryAnswerIsSafe(t *testing.T) {
	s := open(t)
	v := s.account("camille", people.Admin)
	for _, path := range []string{"/messages", "/messages/nouveau", "/direct", "/indicateurs", "/indicateurs?par=queue&pas=day", "/indicateurs/contacts?indicateur=received", "/indicateurs/contact/n1-1.1", "/sites", "/plans", "/plans/afflux/modifier", "/plans/-/modifier", "/service/liens", "/service/liens/demarches", "/service/liens/-", "/service/textes", "/service/textes/accueil", "/service/textes/nouveau?nom=neuf", "/service/horaires", "/service/motifs", "/service/agents", "/service/reglages", "/service/ecouter?jour=2026-07-14&heure=10:00", "/service/brouillon", "/comptes", "/comptes/camille", "/journal", "/journal?qui=camille&quoi=message&du=2026-01-01", "/moi", "/connexion", "/nulle-part", "/mot-de-passe/x"} {
		for _, lang := range []string{"fr", "en"} {
			v.header.Set("Accept-Language", lang)
			v.get(path)
			if policy := v.answer.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
				t.Errorf("%s: policy %q", path, policy)
			}
			for header, want := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Cache-Control": "no-store", "Referrer-Policy": "same-origin"} {
				if got := v.answer.Get(header); got != want {
					t.Errorf("%s: %s is %q", path, header, got)
				}
			}
			if regexp.MustCompile(`\badmin\.[a-z]+\.[a-z]`).MatchString(strings.ReplaceAll(strings.ReplaceAll(v.body, "/admin.", ""), "admin.css", "")) || strings.Contains(v.body, " style=") || strings.Contains(v.body, "<no value>") {
				t.Errorf("%s in %s has a text that is missing, or a style of its own:\n%s", path, lang, v.body)
			}
			if strings.Count(v.body, "<h1") != 1 || !strings.Contains(v.body, `<html lang="`+lang+`">`) {
				t.Errorf("%s in %s has not one heading, or not its language", path, lang)
			}
		}
	}
	v.header.Set("Sec-Fetch-Site", "cross-site")
	v.do(http.MethodPost, "/messages/nouveau", nil).wants(403)
	u, err := url.Parse(s.web.URL)
	s.must(err)
	raw, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.web.URL+"/connexion", strings.NewReader(url.Values{"name": {"camille"}, "password": {password}}.Encode()))
	s.must(err)
	raw.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(raw)
	s.must(err)
	res.Body.Close()
	c := res.Header.Get("Set-Cookie")
	if !strings.Contains(c, "HttpOnly") || !strings.Contains(c, "SameSite=Strict") || u.Scheme == "https" {
		t.Errorf("the cookie is %q", c)
	}
}

func TestWhoAsksForTooMuchWaits(t *testing.T) {
	s := open(t)
	v := s.account("camille", people.Admin)
	stranger := s.visitor()
	for range 300 {
		if stranger.get("/connexion"); stranger.status == http.StatusTooManyRequests {
			break
		}
	}
	stranger.wants(429, "Trop de demandes à la fois")
	v.get("/messages").wants(200) // at the same address, and signed in
}

func TestVisitorsBehindAProxyAreCountedOneByOne(t *testing.T) {
	s := open(t)
	trusted, err := proxies.Parse([]string{"127.0.0.0/8", "::1"})
	s.must(err)
	s.srv.Proxies = trusted
	s.account("camille", people.Admin)
	stranger, colleague := s.visitor(), s.visitor()
	stranger.header.Set("X-Forwarded-For", "203.0.113.5, 198.51.100.1") // what the stranger wrote, and what the proxy did
	colleague.header.Set("X-Forwarded-For", "203.0.113.5, 198.51.100.2")
	stranger.get("/connexion")
	for i := range 20 {
		stranger.submit("name", fmt.Sprint("agent", i), "password", "faux faux faux").wants(422)
	}
	stranger.submit("name", "agent", "password", "faux faux faux").wants(429, "Trop d'essais")
	for range 300 {
		if stranger.get("/connexion"); stranger.status == http.StatusTooManyRequests {
			break
		}
	}
	stranger.wants(429, "Trop de demandes à la fois")
	colleague.get("/connexion").wants(200).submit("name", "camille", "password", password).wants(200, "Messages d'incident")
}

func TestAThemeFollowsTheStyle(t *testing.T) {
	s := open(t)
	s.visitor().get("/connexion").wants(200).lacks("theme.css")
	s.srv.Theme = fstest.MapFS{"theme.css": {Data: []byte(":root { --blue: #000091 }")}}
	web := httptest.NewServer(s.srv.Handler())
	defer web.Close()
	s.web = web
	v := s.visitor().get("/connexion").wants(200, `href="/theme/theme.css"`)
	if v.get("/theme/theme.css").wants(200, "#000091"); !strings.HasPrefix(v.answer.Get("Content-Type"), "text/css") {
		t.Errorf("the theme is %s", v.answer.Get("Content-Type"))
	}
	v.get("/theme/../admin.go").wants(404)
}

func TestTheCookieIsSecureBehindHTTPS(t *testing.T) {
	s := open(t)
	s.account("camille", people.Admin)
	s.srv.URL = "https://admin.exemple.fr"
	web := httptest.NewServer(s.srv.Handler())
	defer web.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, web.URL+"/connexion", strings.NewReader(url.Values{"name": {"camille"}, "password": {password}}.Encode()))
	s.must(err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(req)
	s.must(err)
	res.Body.Close()
	if c := res.Header.Get("Set-Cookie"); !strings.HasPrefix(c, "__Host-decroche=") || !strings.Contains(c, "Secure") || res.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("headers: %v", res.Header)
	}
}

func TestASiteIsSwitchedOffByHand(t *testing.T) {
	s := open(t)
	v := s.account("camille", people.Editor)
	v.get("/sites").wants(200, "En panne", "https://site.example.fr", "503")
	v.submitTo("/sites/demarches", "state", "off", "why", "maintenance").wants(200, "C'est noté")
	if len(s.sites.set) != 1 || s.sites.set[0] != "off maintenance camille" {
		t.Errorf("switched: %q", s.sites.set)
	}
	v.submitTo("/sites/demarches", "why", strings.Repeat("x", 201)).wants(422, "200 caractères")
	v.do(http.MethodPost, "/sites/autre", url.Values{"state": {"off"}}).wants(404)
	s.account("lou", people.Auditor).get("/sites").wants(200, "En panne").lacks(`action="/sites/demarches"`)
}
