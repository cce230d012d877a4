package admin_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"log/slog"
	"mime/multipart"
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
		Alarms: func(call.Lang) []admin.Alarm {
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

func TestTheFirstAdminChoosesAPasswordAndIsIn(t *testing.T) {
	s := open(t)
	s.must(s.srv.People.Add(s.Context(), "console", people.Account{Name: "camille", Full: "Camille Martin", Roles: []people.Role{people.Admin}}))
	secret, err := s.srv.People.Link(s.Context(), "console", "camille")
	s.must(err)
	v := s.visitor()
	if v.get("/comptes").wants(200, "Se connecter"); !strings.HasPrefix(v.at, "/connexion?vers=") {
		t.Errorf("who is not signed in is led to %s", v.at)
	}
	v.get("/mot-de-passe/"+secret).wants(200, "Bonjour Camille Martin. Votre identifiant est camille.")
	v.submit("password", "court", "again", "court").wants(422, "trop court")
	v.submit("password", password, "again", password+"x").wants(422, "ne sont pas les mêmes")
	v.submit("password", "aaaaaaaaaaaaaa", "again", "aaaaaaaaaaaaaa").wants(422, "se devine")
	v.submit("password", password, "again", password).wants(200, "Messages d'incident", "Camille Martin")
	s.visitor().get("/mot-de-passe/"+secret).wants(410, "Ce lien ne sert plus")
}

func TestWhoSignsInComesBackToWhereTheyWere(t *testing.T) {
	s := open(t)
	s.account("camille", people.Admin)
	v := s.visitor().get("/journal")
	v.submit("name", "camille", "password", "un autre mot de passe").wants(422, "n'est pas le bon")
	v.submit("name", "CAMILLE ", "password", password).wants(200, "Journal", "Connexion refusée")
	if v.at != "/journal" {
		t.Errorf("led to %s", v.at)
	}
	for _, evil := range []string{"https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"} {
		w := s.visitor().get("/connexion?" + url.Values{"vers": {evil}}.Encode())
		if w.submit("name", "camille", "password", password); w.at != "/messages" {
			t.Errorf("%s leads to %s", evil, w.at)
		}
	}
	v.do(http.MethodPost, "/deconnexion", nil).wants(200, "Vous êtes déconnecté")
	if v.get("/journal"); !strings.HasPrefix(v.at, "/connexion") {
		t.Errorf("who signed out sees %s", v.at)
	}
}

func TestWrongPasswordsCostAWait(t *testing.T) {
	s := open(t)
	s.account("camille", people.Admin)
	v := s.visitor().get("/connexion")
	for range 5 {
		v.submit("name", "camille", "password", "faux faux faux")
	}
	v.submit("name", "camille", "password", password).wants(429, "Trop d'essais")
	acts, err := s.db.People().Acts(s.Context(), people.Acts{Limit: 100})
	s.must(err)
	refused := 0
	for _, a := range acts {
		if a.What == "account.refused" {
			refused++
		}
	}
	if refused != 5 {
		t.Errorf("the log has %d refusals: %+v", refused, acts)
	}
}

func TestWhoMayDoWhatIsHeldTo(t *testing.T) {
	s := open(t)
	v := map[people.Role]*visitor{}
	for _, r := range people.Roles {
		v[r] = s.account(string(r), r)
	}
	for path, may := range map[string][]people.Role{
		"/messages":         people.Roles,
		"/messages/nouveau": {people.Supervisor, people.Editor, people.Admin},
		"/direct":           people.Roles,
		"/indicateurs":      {people.Supervisor, people.Manager, people.Admin, people.Auditor},
		"/indicateurs/contacts?indicateur=received": {people.Supervisor, people.Manager, people.Admin, people.Auditor},
		"/sites":                   people.Roles,
		"/service/textes":          {people.Supervisor, people.Editor, people.Approver, people.Manager, people.Admin, people.Auditor},
		"/service/textes/accueil":  {people.Editor, people.Admin},
		"/plans/afflux/modifier":   {people.Editor, people.Admin},
		"/service/liens/demarches": {people.Editor, people.Admin},
		"/service/brouillon":       {people.Supervisor, people.Editor, people.Approver, people.Manager, people.Admin, people.Auditor},
		"/comptes":                 {people.Admin, people.Auditor},
		"/comptes/agent":           {people.Admin, people.Auditor},
		"/journal":                 {people.Manager, people.Admin, people.Auditor},
	} {
		for _, r := range people.Roles {
			want := 403
			for _, m := range may {
				if m == r {
					want = 200
				}
			}
			if v[r].get(path); v[r].status != want {
				t.Errorf("%s as %s: %d, want %d", path, r, v[r].status, want)
			}
		}
	}
	v[people.Auditor].do(http.MethodPost, "/comptes", url.Values{"name": {"autre"}}).wants(403)
	v[people.Manager].do(http.MethodPost, "/messages/1/arreter", nil).wants(403)
	s.visitor().do(http.MethodPost, "/messages/1/arreter", nil).wants(401, "Vous n'êtes plus connecté")
}

func TestAMessageIsWrittenHeardLetOutAndStopped(t *testing.T) {
	s := open(t)
	v := s.account("camille", people.Editor)
	v.get("/messages").wants(200, "Aucun message")
	v.get("/messages/nouveau")
	v.submit("text_fr", "", "effect", "say").wants(422, "Écrivez le texte en français", "Choisissez quand le message s'arrête")
	v.submit("text_fr", "Panne <b>générale</b>.", "end", "other", "until_day", "2020-01-01", "until_at", "10:00").wants(422, "Cette fin est déjà passée", "Panne <b>générale</b>.")
	v.submit("text_fr", "C'est indicible.", "end", "1h").wants(422, "ne peut pas être dit")
	v.get("/messages/nouveau")
	v.submit("text_fr", "Une panne touche nos services.", "queue", "accueil", "effect", "say", "end", "2h", "step", "review")
	v.wants(200, "Vérifier avant de diffuser", "Une panne touche nos services.", "Pas de texte en : Anglais.", `<audio controls`)
	sound := regexp.MustCompile(`src="(/messages/ecoute[^"]*)"`).FindStringSubmatch(v.body)[1]
	action, values := v.form("/messages/nouveau")
	w := *v
	if w.get(sound); w.body != "RIFF of Une panne touche nos services." || w.answer.Get("Content-Type") != "audio/wav" {
		t.Errorf("the sound is %q", w.body)
	}
	values.Set("step", "change")
	v.do(http.MethodPost, action, values).wants(200, "Écrire un message d'incident", "Une panne touche nos services.")
	values.Set("step", "publish")
	v.do(http.MethodPost, action, values).wants(200, "Votre message est enregistré", "Diffusé", "Appelants qui l'ont entendu : 12.")
	v.do(http.MethodPost, action, values).wants(200) // a double click
	all, err := s.db.Messages(s.Context(), time.Time{})
	s.must(err)
	if len(all) != 1 || all[0].Queue != "accueil" || all[0].CreatedBy != "camille" || all[0].Replace || time.Until(all[0].Until) < 118*time.Minute || time.Until(all[0].Until) > 2*time.Hour {
		t.Fatalf("published: %+v", all)
	}
	v.get("/messages").submitTo("/arreter").wants(200, "plus personne ne l'entend", "Terminé")
	v.do(http.MethodPost, fmt.Sprintf("/messages/%d/arreter", all[0].ID), nil).wants(200)
	v.do(http.MethodPost, "/messages/4711/arreter", nil).wants(404)
	acts, err := s.db.People().Acts(s.Context(), people.Acts{Limit: 10})
	s.must(err)
	if len(acts) < 2 || acts[0].What != "message.stopped" && acts[1].What != "message.stopped" {
		t.Errorf("the log has %+v", acts)
	}
}

func TestAMessageIsProlongedChangedAndUsedAgain(t *testing.T) {
	s := open(t)
	camille, lou := s.account("camille", people.Editor), s.account("lou", people.Editor)
	camille.get("/messages/nouveau").submit("text_fr", "Une panne touche nos services.", "queue", "accueil", "effect", "exit", "end", "1h", "step", "publish").wants(200, "Modifier ou prolonger")
	change := regexp.MustCompile(`href="(/messages/nouveau\?depuis=\d+)"`)
	link := change.FindStringSubmatch(camille.body)[1]
	late := lou.get(link).wants(200, "Une panne touche nos services.", "prend la place de celui") // two editors at once
	action, typed := late.form("/messages/nouveau")
	camille.get(link).submit("end", "4h", "step", "review").wants(200, "Vérifier avant de diffuser", "prend la place de celui")
	camille.submit("step", "publish").wants(200, "Votre message est enregistré", "Arrêté par camille")
	active := func() []ivr.Message {
		t.Helper()
		list, err := s.db.Active(s.Context(), time.Now())
		s.must(err)
		return list
	}
	if a := active(); len(a) != 1 || a[0].Queue != "accueil" || a[0].Offer != ivr.OfferExit || a[0].Words() == a[0].ID || time.Until(a[0].Until) < 3*time.Hour {
		t.Fatalf("prolonged: %+v", a)
	}
	typed.Set("text_fr", "La panne est réparée.")
	typed.Set("end", "1h")
	typed.Set("step", "publish")
	lou.do(http.MethodPost, action, typed).wants(422, "vient d'être arrêté ou remplacé", "La panne est réparée.").lacks(`name="instead"`)
	if n := len(active()); n != 1 {
		t.Errorf("%d messages are heard after a conflict", n)
	}
	lou.submit("step", "publish").wants(200, "Votre message est enregistré")
	if n := len(active()); n != 2 {
		t.Errorf("%d messages are heard, want the second editor's beside the first's", n)
	}
	past := regexp.MustCompile(`(?s)<h2>Terminés.*?href="(/messages/nouveau\?depuis=\d+)">Reprendre ce message`).FindStringSubmatch(lou.get("/messages").body)
	if past == nil {
		t.Fatalf("a message that is over cannot be used again:\n%s", lou.body)
	}
	lou.get(past[1]).wants(200, "Une panne touche nos services.").lacks(`name="instead"`)
	lou.get("/messages/nouveau?depuis=4711").wants(404)
}

// room is one where messages are recorded by telephone.
type room map[string]string

func (r room) Open(by string, _ time.Time) (string, error) { return "123456", nil }
func (r room) Recorded(code, by string) string             { return r[code+by] }

func TestAMessageIsRecordedByTelephone(t *testing.T) {
	s := open(t)
	taken := room{}
	s.srv.Studio, s.srv.Recorder = taken, "+33199003949"
	v := s.account("camille", people.Editor)
	v.get("/messages/nouveau").wants(200, "Enregistrer par téléphone").lacks("123456")
	v.submit("text_fr", "Panne.", "step", "phone_fr").wants(200, "01 99 00 39 49", "123456", "Panne.")
	w := *v
	if w.get("/messages/enregistrement?code=123456"); w.body != "no" {
		t.Errorf("before the call the page is told %q", w.body)
	}
	taken["123456camille"] = "voice.wav"
	if w.get("/messages/enregistrement?code=123456"); w.body != "yes" {
		t.Errorf("after the call the page is told %q", w.body)
	}
	v.submit("end", "1h", "step", "review").wants(200, "Vérifier avant de diffuser", "Français ♪")
	v.submit("step", "publish").wants(200, "Votre message est enregistré")
	all, err := s.db.Messages(s.Context(), time.Time{})
	s.must(err)
	if len(all) != 1 || all[0].Sound["fr"] != "voice.wav" {
		t.Errorf("published: %+v", all)
	}
}

func TestWhatAMessageOffersIsChosen(t *testing.T) {
	s := open(t)
	v := s.account("camille", people.Editor)
	v.get("/messages/nouveau").wants(200, "propose d'être rappelé", "propose le lien", "propose de terminer l'appel")
	v.submit("text_fr", "Panne.", "effect", "link:nowhere", "end", "1h").wants(422, "Ceci n'est plus possible")
	v.submit("effect", "link:demarches", "step", "publish").wants(200, "Dit, puis propose le lien")
	all, err := s.db.Messages(s.Context(), time.Time{})
	s.must(err)
	if len(all) != 1 || all[0].Offer != "link:demarches" || all[0].Replace {
		t.Errorf("published: %+v", all)
	}
}

func TestASecondPersonLetsAMessageOut(t *testing.T) {
	s := open(t)
	s.srv.Approval = true
	author, other := s.account("camille", people.Editor, people.Approver), s.account("lou", people.Approver)
	author.get("/messages/nouveau").submit("text_fr", "Panne.", "end", "1h", "step", "review").wants(200, "Demander l'accord d'une autre personne")
	author.submit("step", "publish").wants(200, "attend l'accord d'une autre personne", "Attend un accord").lacks("/autoriser")
	author.do(http.MethodPost, "/messages/1/autoriser", nil).wants(403, "Une autre personne doit l'autoriser")
	active := func() int {
		list, err := s.db.Active(s.Context(), time.Now())
		s.must(err)
		return len(list)
	}
	if active() != 0 {
		t.Error("it is heard before")
	}
	other.get("/messages").submitTo("/autoriser").wants(200, "Le message est autorisé", "Autorisé par lou", "Diffusé")
	other.do(http.MethodPost, "/messages/1/autoriser", nil).wants(200) // a double click
	other.do(http.MethodPost, "/messages/4711/autoriser", nil).wants(404)
	if active() != 1 {
		t.Error("it is not heard after")
	}
}

func TestTwoEditorsOfAnAccountLoseNothing(t *testing.T) {
	s := open(t)
	v := s.account("camille", people.Admin)
	s.account("lou", people.Editor)
	v.get("/comptes/lou")
	action, mine := v.form("/comptes/lou")
	_, err := s.srv.People.Change(s.Context(), "autre", people.Account{Name: "lou", Full: "Lou Autre", Roles: []people.Role{people.Editor, people.Manager}})
	s.must(err)
	mine.Set("full", "Lou Mienne")
	v.do(http.MethodPost, action, mine).wants(422, "a changé entre-temps", "Lou Mienne")
	v.submitTo("/comptes/lou").wants(200, "Le compte est enregistré", "Lou Mienne")
}

func TestOnesOwnPasswordIsChangedAndOtherSessionsEnd(t *testing.T) {
	s := open(t)
	here, elsewhere := s.account("camille", people.Manager), s.visitor()
	elsewhere.get("/connexion").submit("name", "camille", "password", password).wants(200)
	const next = "une autre phrase que je retiens"
	here.get("/moi").wants(200, "Mon compte", "Responsable")
	here.submitTo("/moi/mot-de-passe", "current", "faux", "password", next, "again", next).wants(422, "pas votre mot de passe actuel")
	here.get("/moi").submitTo("/moi/mot-de-passe", "current", password, "password", next, "again", "autre").wants(422, "ne sont pas les mêmes")
	here.get("/moi").submitTo("/moi/mot-de-passe", "current", password, "password", "court", "again", "court").wants(422, "trop court")
	here.get("/moi").submitTo("/moi/mot-de-passe", "current", password, "password", next, "again", next).wants(200, "Votre mot de passe est changé")
	elsewhere.get("/moi").wants(200, "Se connecter").lacks("Mon compte</h1>")
	elsewhere.get("/connexion").submit("name", "camille", "password", next).wants(200)
	elsewhere.get("/moi").submitTo("/moi/deconnecter").wants(200, "Vous êtes déconnecté")
	here.get("/moi").wants(200, "Se connecter").lacks("Mon compte</h1>")

	// Who tries one password after another on a page left open waits too.
	here.get("/connexion").submit("name", "camille", "password", next).wants(200)
	for range 6 {
		here.get("/moi").submitTo("/moi/mot-de-passe", "current", "faux", "password", password, "again", password)
	}
	here.wants(422, "Trop d'essais")
}

func TestTheLogIsFilteredAndExported(t *testing.T) {
	s := open(t)
	v := s.account("camille", people.Admin)
	s.must(s.srv.Accounts.Log(s.Context(), people.Act{At: time.Now(), Who: "lou", What: "message.published", About: "7", Detail: "=1+1"}))
	v.get("/journal").wants(200, "Message diffusé", "Mot de passe choisi")
	v.get("/journal?qui=lou&quoi=message").wants(200, "Message diffusé", `<option value="lou" selected>`)
	v.get("/journal?qui=lou&quoi=account").wants(200, "Rien pour ces filtres")
	v.get("/journal?au=2020-01-01").wants(200, "Rien pour ces filtres")
	v.get("/journal?du=hier").wants(422, "Indiquez un jour")
	v.get("/journal/export?quoi=message").wants(200, "lou;Message diffusé;7;'=1+1").lacks("Mot de passe choisi")
	if kind := v.answer.Get("Content-Type"); kind != "text/csv; charset=utf-8" {
		t.Errorf("the file is %s", kind)
	}
	v.do(http.MethodPost, "/journal", nil).wants(404)
	v.do(http.MethodDelete, "/journal", nil).wants(404)
	s.account("lou", people.Editor).get("/journal/export").wants(403)
}

func TestWhoLosesARightIsOutAtOnce(t *testing.T) {
	s := open(t)
	chief, lou := s.account("camille", people.Admin), s.account("lou", people.Admin)
	chief.get("/comptes/lou")
	_, form := chief.form("/comptes/lou")
	form["role"] = []string{"editor"}
	chief.do(http.MethodPost, "/comptes/lou", form).wants(200, "Le compte est enregistré")
	if lou.get("/comptes"); !strings.HasPrefix(lou.at, "/connexion") {
		t.Errorf("who has lost a role sees %s", lou.at)
	}
	chief.get("/comptes/camille")
	_, form = chief.form("/comptes/camille")
	form["role"] = []string{"editor"}
	chief.do(http.MethodPost, "/comptes/camille", form).wants(422, "gardez un administrateur")
	other := s.visitor().get("/connexion")
	other.submit("name", "camille", "password", password)
	chief.do(http.MethodPost, "/comptes/camille/deconnecter", nil)
	if other.get("/messages"); !strings.HasPrefix(other.at, "/connexion") {
		t.Errorf("who was signed out sees %s", other.at)
	}
}

func TestAnAccountIsMadeAndItsLinkIsShownOnce(t *testing.T) {
	s := open(t)
	v := s.account("camille", people.Admin)
	v.get("/comptes").submitTo("/comptes", "name", "É", "full", "").wants(422, "Lettres sans accent")
	_, form := v.form("/comptes")
	form.Set("name", "Lou.Petit")
	form.Set("full", "Lou Petit <script>")
	form["role"] = []string{"editor", "approver"}
	v.do(http.MethodPost, "/comptes", form).wants(200, "Donnez ce lien", s.web.URL+"/mot-de-passe/")
	link := regexp.MustCompile(`/mot-de-passe/([A-Z0-9]+)`).FindString(v.body)
	v.get("/comptes/lou.petit").lacks("/mot-de-passe/")
	v.get("/comptes").wants(200, "lou.petit", "Mot de passe à choisir", "Rédacteur, Approbateur")
	s.visitor().get(link).wants(200, "Choisir un mot de passe")
	v.do(http.MethodPost, "/comptes", form).wants(422, "déjà pris")
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

// A recording that is sent over a slow line arrives, where other requests are held to a shorter time.
func TestARecordingOverASlowLineArrives(t *testing.T) {
	s := open(t)
	v := s.account("camille", people.Editor)
	web := httptest.NewUnstartedServer(s.srv.Handler())
	web.Config.ReadTimeout, web.Config.WriteTimeout = time.Second, time.Second
	web.Start()
	defer web.Close()
	s.web = web
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	for name, value := range map[string]string{"key": "lent", "text_fr": "Panne.", "end": "1h", "effect": "say", "step": "publish"} {
		s.must(w.WriteField(name, value))
	}
	file, err := w.CreateFormFile("sound_fr", "message.wav")
	s.must(err)
	_, err = file.Write(bytes.Repeat([]byte("son"), 1000))
	s.must(err)
	s.must(w.Close())
	slow, sent := io.Pipe()
	go func() {
		for part := range slices.Chunk(form.Bytes(), form.Len()/4+1) {
			time.Sleep(600 * time.Millisecond)
			if _, err := sent.Write(part); err != nil {
				return
			}
		}
		sent.Close()
	}()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, web.URL+"/messages/nouveau", slow)
	s.must(err)
	req.Header.Set("Content-Type", w.FormDataContentType())
	v.send(req).wants(200, "Votre message est enregistré")
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

func TestARecordingIsSentHeardAndKeptThroughTheSteps(t *testing.T) {
	s := open(t)
	v := s.account("camille", people.Editor).get("/messages/nouveau")
	action, form := v.form("/messages/nouveau")
	form.Set("text_fr", "Une panne.")
	form.Set("end", "1h")
	for name, data := range map[string]string{"panne.wav": "silence", "panne.exe": "un son"} {
		v.upload(action, form, name, data).wants(422, "Ce fichier ne peut pas être dit", "Une panne.")
	}
	v.upload(action, form, "panne.MP3", "un son").wants(200, "Vérifier avant de diffuser", "son=6.mp3")
	sound := regexp.MustCompile(`src="(/messages/ecoute[^"]*)"`).FindStringSubmatch(v.body)[1]
	_, form = v.form("/messages/nouveau")
	w := *v
	if w.get(sound); w.body != "RIFF of Une panne.message:6.mp3" {
		t.Errorf("the sound is %q", w.body)
	}
	form.Set("step", "change")
	v.do(http.MethodPost, action, form).wants(200, "Un enregistrement est déjà là")
	form.Set("step", "publish")
	v.do(http.MethodPost, action, form).wants(200, "Votre message est enregistré")
	all, err := s.db.Messages(s.Context(), time.Time{})
	s.must(err)
	if len(all) != 1 || all[0].Sound["fr"] != "6.mp3" || all[0].Text["fr"] != "Une panne." {
		t.Errorf("published: %+v", all)
	}
	v.upload(action, form, "grand.wav", strings.Repeat("x", 33<<20)).wants(413, "trop gros")
}

// upload sends a form with a recording.
func (v *visitor) upload(path string, form url.Values, name, data string) *visitor {
	v.s.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for field, values := range form {
		v.s.must(w.WriteField(field, values[0]))
	}
	f, err := w.CreateFormFile("sound_fr", name)
	v.s.must(err)
	_, err = f.Write([]byte(data))
	v.s.must(errors.Join(err, w.Close()))
	req, err := http.NewRequestWithContext(v.s.Context(), http.MethodPost, v.s.web.URL+path, &b)
	v.s.must(err)
	req.Header = v.header.Clone()
	req.Header.Set("Content-Type", w.FormDataContentType())
	return v.send(req)
}
