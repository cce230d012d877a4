package admin_test

import (
	"bytes"
	"context"
	"errors"
	"html"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"decroche/ivr"
	"decroche/people"
	"decroche/store"
)

// shaky keeps messages but while it fails.
type shaky struct {
	*store.DB
	fails atomic.Bool
}

func (s *shaky) Publish(ctx context.Context, m ivr.Message, key string) (ivr.Message, error) {
	if s.fails.Load() {
		return m, errors.New("the disk of the database is full")
	}
	return s.DB.Publish(ctx, m, key)
}

// active are the messages that callers hear now.
func (s *site) active() []ivr.Message {
	s.Helper()
	list, err := s.db.Active(s.Context(), time.Now())
	s.must(err)
	return list
}

// did is what the log has of messages, the newest last.
func (s *site) did() (lines []string) {
	s.Helper()
	acts, err := s.db.People().Acts(s.Context(), people.Acts{Group: "message", Limit: 100})
	s.must(err)
	for _, a := range acts {
		lines = append([]string{a.Who + " " + a.What + " " + a.About}, lines...)
	}
	return lines
}

func (s *site) hasDone(want ...string) {
	s.Helper()
	if got := s.did(); strings.Join(got, "\n") != strings.Join(want, "\n") {
		s.Errorf("the log has %q, want %q", got, want)
	}
}

// anotherMoment lets the clock of the log go on: two clicks are never in one millisecond.
func anotherMoment() { time.Sleep(2 * time.Millisecond) }

func TestAMessageThatCannotBeSavedComesBackWithItsWords(t *testing.T) {
	s := open(t)
	db := &shaky{DB: s.db}
	s.srv.Messages = db
	v := s.account("camille", people.Editor).get("/messages/nouveau")
	v.submit("text_fr", "Une panne touche nos services.", "text_en", "Our services are down.", "queue", "accueil", "effect", "exit", "end", "2h", "step", "review").wants(200)
	db.fails.Store(true)
	v.submit("step", "publish").wants(503, "il n'est pas diffusé", "Réessayez dans un instant")
	_, back := v.form("/messages/nouveau")
	for field, want := range map[string]string{"text_fr": "Une panne touche nos services.", "text_en": "Our services are down.", "queue": "accueil", "effect": "exit", "end": "other"} {
		if back.Get(field) != want {
			t.Errorf("%s comes back as %q, want %q", field, back.Get(field), want)
		}
	}
	db.fails.Store(false)
	v.submit("step", "publish").wants(200, "Votre message est enregistré")
	if a := s.active(); len(a) != 1 || a[0].Text["en"] != "Our services are down." {
		t.Errorf("heard are %+v", a)
	}
	s.hasDone("camille message.published 1")
}

// Who goes back to a form that has served, mends its words and lets them out again is told that the first are out,
// keeps what they typed, and chooses.
func TestAFormThatHasServedComesBackWithItsNewWords(t *testing.T) {
	for name, test := range map[string]struct {
		beside string
		want   string
	}{
		"in its place": {"", "Une panne touche nos services."},
		"beside it":    {"1", "Une panne tuche nos services. Une panne touche nos services."},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			v := s.account("camille", people.Editor).get("/messages/nouveau")
			v.submit("text_fr", "Une panne tuche nos services.", "end", "2h", "step", "review").wants(200)
			action, typed := v.form("/messages/nouveau")
			typed.Set("step", "publish")
			v.do(http.MethodPost, action, typed).wants(200, "Votre message est enregistré")
			typed.Set("text_fr", "Une panne touche nos services.")
			v.do(http.MethodPost, action, typed).wants(422, "Ce formulaire a déjà servi", "Une panne touche nos services.", `href="/messages#m1"`, "prend la place de celui")
			if _, again := v.form("/messages/nouveau"); again.Get("key") == typed.Get("key") || again.Get("instead") != "1" {
				t.Errorf("the form comes back as %v", again)
			}
			pairs := []string{"step", "review"}
			if test.beside != "" {
				pairs = append(pairs, "beside", test.beside)
			}
			v.submit(pairs...).wants(200, "Vérifier avant de diffuser")
			if strings.Contains(v.body, "prend la place de celui") != (test.beside == "") {
				t.Errorf("the page to check says:\n%s", v.body)
			}
			v.submit("step", "publish").wants(200, "Votre message est enregistré", `id="m1"`)
			var heard []string
			for _, m := range s.active() {
				heard = append(heard, m.Text["fr"])
			}
			if got := strings.Join(heard, " "); got != test.want {
				t.Errorf("heard is %q, want %q", got, test.want)
			}
		})
	}
}

func TestAFormWhoseMessageIsOverDoesNotSayThatItIsHeard(t *testing.T) {
	s := open(t)
	v := s.account("camille", people.Editor).get("/messages/nouveau")
	action, typed := v.form("/messages/nouveau")
	typed.Set("text_fr", "Une panne.")
	typed.Set("end", "other")
	until := time.Now().Add(2 * time.Hour).In(s.def.Load().Location)
	typed.Set("until_day", until.Format(time.DateOnly))
	typed.Set("until_at", until.Format("15:04"))
	typed.Set("step", "publish")
	v.do(http.MethodPost, action, typed).wants(200, "Votre message est enregistré")
	v.do(http.MethodPost, "/messages/1/arreter", nil).wants(200)
	v.do(http.MethodPost, action, typed).wants(422, "son premier message est terminé", "Une panne.").lacks(`name="instead"`)
	v.submit("step", "publish").wants(200, "Votre message est enregistré")
	if a := s.active(); len(a) != 1 || a[0].ID != 2 {
		t.Errorf("heard are %+v", a)
	}
}

// What is saved is told as saved, also while the line cannot be told at once: it finds out by itself.
func TestAMessageIsOutThoughTheLineIsNotToldAtOnce(t *testing.T) {
	s := open(t)
	s.srv.Approval = true
	s.srv.Changed = func(context.Context) error { return errors.New("the board cannot be read") }
	author, other := s.account("camille", people.Editor), s.account("lou", people.Approver, people.Editor)
	author.get("/messages/nouveau").submit("text_fr", "Panne.", "end", "1h", "step", "publish").wants(200, "attend l'accord d'une autre personne")
	other.get("/messages").submitTo("/autoriser").wants(200, "Le message est autorisé")
	other.submitTo("/arreter").wants(200, "plus personne ne l'entend")
	s.hasDone("camille message.written 1", "lou message.approved 1", "lou message.stopped 1")
}

func TestTheLogHasWhoDidItAndOnce(t *testing.T) {
	s := open(t)
	s.srv.Approval = true
	author, lou, sacha := s.account("camille", people.Editor, people.Approver), s.account("lou", people.Approver), s.account("sacha", people.Approver, people.Editor)
	author.get("/messages/nouveau").submit("text_fr", "Panne.", "end", "1h", "step", "review")
	action, typed := author.form("/messages/nouveau")
	typed.Set("step", "publish")
	for range 2 {
		author.do(http.MethodPost, action, typed).wants(200, "attend l'accord")
		anotherMoment()
	}
	for range 2 {
		lou.do(http.MethodPost, "/messages/1/autoriser", nil).wants(200, "Le message est autorisé")
		anotherMoment()
	}
	for _, late := range []*visitor{sacha, author} {
		late.do(http.MethodPost, "/messages/1/autoriser", nil).wants(200, "Ce message était déjà autorisé, par lou")
	}
	for _, v := range []*visitor{author, author, sacha} {
		v.do(http.MethodPost, "/messages/1/arreter", nil).wants(200, "plus personne ne l'entend", "Arrêté par camille")
		anotherMoment()
	}
	s.hasDone("camille message.written 1", "lou message.approved 1", "camille message.stopped 1")
	s.srv.Approval = false
	author.get("/messages/nouveau").submit("text_fr", "Autre panne.", "end", "1h", "step", "publish").wants(200, "Votre message est enregistré")
	lou.do(http.MethodPost, "/messages/2/autoriser", nil).wants(200, "n'attend l'accord de personne")
	s.hasDone("camille message.written 1", "lou message.approved 1", "camille message.stopped 1", "camille message.published 2")
}

// forgotten is a visitor whose session is over.
func (v *visitor) forgotten() *visitor {
	jar, err := cookiejar.New(nil)
	v.s.must(err)
	w := *v
	w.client = &http.Client{Jar: jar, Timeout: 20 * time.Second}
	return &w
}

// unsaved is what the page gives back of what was typed.
func (v *visitor) unsaved() string {
	v.s.Helper()
	m := regexp.MustCompile(`(?s)<textarea id="unsaved"[^>]* readonly>(.*?)</textarea>`).FindStringSubmatch(v.raw)
	if m == nil {
		v.s.Fatalf("%s gives nothing back:\n%s", v.at, v.raw)
	}
	return html.UnescapeString(m[1])
}

func TestAFormThatCannotBeTakenGivesItsWordsBack(t *testing.T) {
	s := open(t)
	s.srv.Studio, s.srv.Recorder = room{}, "+33199003949"
	s.account("chef", people.Admin)
	v := s.account("camille", people.Editor).get("/messages/nouveau")
	v.submit("text_fr", "Une panne </textarea> touche nos services.", "text_en", "Down.", "step", "phone_fr")
	action, typed := v.form("/messages/nouveau")
	const words = "Down.\n\nUne panne </textarea> touche nos services."
	typed.Set("step", "publish")
	over := v.forgotten().do(http.MethodPost, action, typed).wants(401, "Vous n'êtes plus connecté", "copiez-le avant de quitter cette page").lacks("123456", typed.Get("key"))
	if got := over.unsaved(); got != words {
		t.Errorf("given back is %q", got)
	}
	var b bytes.Buffer // as browsers send it, with a recording
	form := multipart.NewWriter(&b)
	for _, field := range []string{"key", "text_fr", "phone_fr"} {
		s.must(form.WriteField(field, typed.Get(field)))
	}
	file, err := form.CreateFormFile("sound_fr", "panne.wav")
	s.must(err)
	_, err = file.Write([]byte(strings.Repeat("un son ", 1000)))
	s.must(err)
	s.must(form.WriteField("text_en", "Down."))
	s.must(form.Close())
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.web.URL+action, &b)
	s.must(err)
	req.Header.Set("Content-Type", form.FormDataContentType())
	over = v.forgotten().send(req).wants(401, "Vous n'êtes plus connecté").lacks("123456", "un son")
	if got := over.unsaved(); got != words {
		t.Errorf("given back is %q", got)
	}
	_, err = (&people.Office{Store: s.db.People()}).Change(t.Context(), "console", people.Account{Name: "camille", Full: "camille", Roles: []people.Role{people.Agent}})
	s.must(err)
	if got := v.do(http.MethodPost, action, typed).wants(401).unsaved(); got != words { // no editor any more
		t.Errorf("given back is %q", got)
	}
	if got := s.account("lou", people.Agent).do(http.MethodPost, action, typed).wants(403).unsaved(); got != words {
		t.Errorf("given back is %q", got)
	}
	v.forgotten().do(http.MethodPost, "/messages/1/arreter", nil).wants(401).lacks("readonly") // nothing was typed
	v.header.Set("Sec-Fetch-Site", "cross-site")
	v.do(http.MethodPost, action, typed).wants(403).lacks("readonly", "panne")
}

func TestPasswordsAreNeverGivenBack(t *testing.T) {
	s := open(t)
	v := s.visitor()
	const secret = "une phrase que personne ne lit"
	form := url.Values{"password": {secret}, "again": {secret}, "current": {secret}, "name": {"camille"}}
	for _, path := range []string{"/connexion", "/mot-de-passe/x", "/moi/mot-de-passe"} {
		v.do(http.MethodPost, path, form).lacks(secret)
	}
	for range 300 { // nor by who asks too often
		if v.do(http.MethodPost, "/connexion", form); v.status == http.StatusTooManyRequests {
			break
		}
	}
	v.wants(429).lacks(secret)
}
