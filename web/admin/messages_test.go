package admin_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"decroche/ivr"
	"decroche/people"
)

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
	until, err := time.Parse(time.RFC3339, values.Get("until"))
	s.must(err)
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
	if len(all) != 1 || all[0].Queue != "accueil" || all[0].CreatedBy != "camille" || all[0].Replace || !all[0].Until.Equal(until) || time.Until(until) < 118*time.Minute || time.Until(until) > 2*time.Hour {
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

// "gone" is a code that serves no more.
func (r room) Recorded(code, by string, _ time.Time) (sound string, known bool) {
	sound = r[code+by]
	if sound == "gone" {
		return "", false
	}
	return sound, true
}

func TestACodeThatServesNoMoreIsTold(t *testing.T) {
	s := open(t)
	taken := room{}
	s.srv.Studio, s.srv.Recorder = taken, "+33199003949"
	v := s.account("camille", people.Editor)
	v.get("/messages/nouveau").submit("text_fr", "Panne.", "step", "phone_fr").wants(200, "123456", "Demander un nouveau code", `data-gone="Ce code ne sert plus`)
	taken["123456camille"] = "gone" // by its time, or with the process that gave it
	w := *v
	if w.get("/enregistrement?code=123456"); w.body != "unknown" {
		t.Errorf("the page is told %q", w.body)
	}
	action, form := v.form("/messages/nouveau")
	form.Set("step", "phone_fr")
	w.do(http.MethodPost, action, form).wants(200, "123456", "Panne.") // another is asked for: there is nothing to tell
	form.Set("step", "review")
	w.do(http.MethodPost, action, form).wants(422, "Le code d'enregistrement ne sert plus", "Panne.", "Enregistrer par téléphone").lacks("123456")
	w.submit("effect", "exit", "end", "1h", "step", "review").wants(200, "Vérifier avant de diffuser") // without it, knowingly
}

func TestAMessageIsRecordedByTelephone(t *testing.T) {
	s := open(t)
	taken := room{}
	s.srv.Studio, s.srv.Recorder = taken, "+33199003949"
	v := s.account("camille", people.Editor)
	v.get("/messages/nouveau").wants(200, "Enregistrer par téléphone").lacks("123456")
	v.submit("text_fr", "Panne.", "step", "phone_fr").wants(200, "01 99 00 39 49", "123456", "Panne.")
	w := *v
	if w.get("/enregistrement?code=123456"); w.body != "no" {
		t.Errorf("before the call the page is told %q", w.body)
	}
	taken["123456camille"] = "voice.wav"
	if w.get("/enregistrement?code=123456"); w.body != "yes" {
		t.Errorf("after the call the page is told %q", w.body)
	}
	action, form := v.form("/messages/nouveau")
	w.upload(action, form, "other.wav", "un son").wants(422, "Un enregistrement est déjà là").lacks("123456") // a file sent later wins
	if kept := regexp.MustCompile(`name="kept_fr" value="([^"]*)"`).FindStringSubmatch(w.body); kept == nil || kept[1] == "voice.wav" {
		t.Errorf("the file that was sent is not kept: %q", kept)
	}
	if w.submit("drop_fr", "1"); strings.Contains(w.body, "kept_fr") || strings.Contains(w.body, "123456") {
		t.Error("a recording that was dropped comes back")
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

// A recording that is sent over a slow line arrives, where other requests are held to a shorter time.
func TestARecordingOverASlowLineArrives(t *testing.T) {
	s := open(t)
	v := s.account("camille", people.Editor)
	web := httptest.NewUnstartedServer(s.srv.Handler())
	web.Config.ReadTimeout, web.Config.WriteTimeout = 4*time.Second, 4*time.Second
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
			time.Sleep(1500 * time.Millisecond)
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
