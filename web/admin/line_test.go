package admin_test

import (
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"decroche/people"
)

// publish lets the drafts out.
func (s *site) publish(v *visitor) {
	s.Helper()
	l, err := s.srv.Drafts.Look(s.Context())
	s.must(err)
	v.do(http.MethodPost, "/service/brouillon", url.Values{"version": {l.Version}}).wants(200, "C'est publié")
}

func TestWhatTheLineSaysIsListedByPartOfTheCallWithItsVoice(t *testing.T) {
	s := open(t)
	v := s.account("camille", people.Editor).get("/service/textes")
	v.wants(200, "Textes de la ligne", "À l'entrée de la file", "Demande de rappel", "Poste de l'agent", "Fin de l'appel",
		`<a href="/service/textes/queue.joined">queue.joined</a>`, "queue.joined fr</a>", "queue.joined en</a>", "Français · 1 s · voix essai fr", "Anglais · 1 s · voix essai en",
		"callback.noted.slot {day} {clock} fr", "agent.available fr").lacks("agent.available en", "Mots du service", "admin.line")
	if queue, callback, agent := strings.Index(v.body, "À l'entrée de la file"), strings.Index(v.body, "Demande de rappel"), strings.Index(v.body, "Poste de l'agent"); queue > callback || callback > agent {
		t.Errorf("the parts are not in the order of a call: %d %d %d", queue, callback, agent)
	}
	s.account("lou", people.Auditor).get("/service/textes").wants(200, "queue.joined fr", `href="/service/textes/queue.joined"`).lacks("/service/textes/nouveau") // to be read
	v.get("/messages/ecoute?langue=fr&texte=&son=line:queue.joined").wants(200, "RIFF of queue.joined fr")
	v.get("/messages/ecoute?langue=fr&texte=Ce+sera+%7Bday%7D.&son=line:callback.noted.slot").wants(200, "RIFF of Ce sera mardi.")
	v.get("/messages/ecoute?langue=fr&texte=&son=line:no.such").wants(404)
	v.get("/messages/ecoute?langue=fr&texte=&son=").wants(404)
	v.get("/service/textes/no.such").wants(404)
}

func TestTheLinesWordsAreChangedPublishedEmptiedAndRestored(t *testing.T) {
	s := open(t)
	before, err := os.ReadFile(s.file)
	s.must(err)
	v := s.account("camille", people.Editor)
	v.get("/service/textes/queue.joined").wants(200, "À l'entrée de la file", ">queue.joined fr</textarea>", ">queue.joined en</textarea>", "Ce texte est celui de la ligne").lacks("Sans vos mots")
	v.submit().wants(200) // as it is: the line's words stay the line's
	v.get("/service/brouillon").wants(200, "Aucune modification")
	v.get("/service/textes/queue.joined").submit("text_fr", "C'est indicible.").wants(422, "ne peut pas être dit")
	v.get("/service/textes/queue.joined").submit("text_fr", "Merci de votre appel.").wants(200, "C'est dans le brouillon", "les appelants entendent encore",
		">Merci de votre appel.</textarea>", ">queue.joined en</textarea>", "Sans vos mots, la ligne dit", "Ce que les appelants entendent aujourd'hui", "queue.joined fr")
	v.get("/service/textes").wants(200, "Merci de votre appel.", "Mots du service", "Brouillon", "voix essai fr")
	v.get("/service/brouillon").wants(200, "Texte de la ligne « queue.joined »", "Français : Merci de votre appel.\nAnglais : queue.joined en", "Français : queue.joined fr")
	s.publish(v)
	if got := s.def.Load().Wording; len(got) != 1 || len(got["queue.joined"]) != 1 || got["queue.joined"]["fr"].Say != "Merci de votre appel." {
		t.Errorf("the line's words are %+v", got)
	}

	v.get("/service/textes/queue.joined").submit("text_fr", "").wants(200, "C'est dans le brouillon", ">queue.joined fr</textarea>", "Merci de votre appel.")
	s.publish(v)
	if after, err := os.ReadFile(s.file); err != nil || string(after) != string(before) {
		t.Errorf("emptied again, the file is not as it was: %v\n%s", err, after)
	}
	v.get("/service/textes").lacks("Mots du service")

	v.get("/service/textes/queue.joined").wants(200, "Textes d'avant", "Merci de votre appel.")
	all := regexp.MustCompile(`name="restore" value="([^"]*)"`).FindAllStringSubmatch(v.body, -1)
	if len(all) != 2 { // the words that were emptied, and the line's before them
		t.Fatalf("the texts of the past are %q", all)
	}
	_, form := v.form("/service/textes/queue.joined")
	form = url.Values{"was": form["was"], "seen": form["seen"], "restore": {all[0][1]}}
	v.do(http.MethodPost, "/service/textes/queue.joined", form).wants(200, "C'est dans le brouillon", ">Merci de votre appel.</textarea>")
	v.get("/service/textes/queue.joined")
	_, form = v.form("/service/textes/queue.joined")
	form = url.Values{"was": form["was"], "seen": form["seen"], "restore": {all[1][1]}}
	v.do(http.MethodPost, "/service/textes/queue.joined", form).wants(200, ">queue.joined fr</textarea>")
	v.get("/service/brouillon").wants(200, "Aucune modification")
	s.account("lou", people.Manager).get("/journal").wants(200, "wording.queue.joined")
}

func TestASentenceKeepsItsValuesAndLosesNothingThatWasTyped(t *testing.T) {
	s := open(t)
	v := s.account("camille", people.Editor)
	v.get("/service/textes/callback.noted.slot").wants(200, "Gardez {day}, {clock}")
	v.submit("text_fr", "Ce sera {day}.").wants(422, "il manque {clock}. Pour corriger : écrivez {clock}", ">Ce sera {day}.</textarea>")
	v.submit("text_fr", "Ce sera {day} à {clock}.").wants(200, "C'est dans le brouillon")
	v.get("/service/textes/callback.noted").submit("text_fr", "Noté.").wants(200, "C'est dans le brouillon") // its id begins the other's
	v.get("/service/brouillon").wants(200, "Ce sera {day} à {clock}.", "Noté.")
	s.publish(v)
	if got := s.def.Load().Wording; got["callback.noted"]["fr"].Say != "Noté." || got["callback.noted.slot"]["fr"].Say != "Ce sera {day} à {clock}." {
		t.Errorf("the line's words are %+v", got)
	}
	raw, err := os.ReadFile(s.file)
	s.must(err)
	s.must(os.WriteFile(s.file, []byte(strings.Replace(string(raw), "Ce sera {day} à {clock}.", "Ce sera {day}.", 1)), 0o600)) // by hand
	v.get("/service/textes/accueil").submit("text_fr", "Bonjour.").wants(200, "C'est dans le brouillon")                       // what was wrong before keeps nobody from mending more
	v.get("/service/brouillon").wants(200, "il manque {clock}", "écrivez {clock}")
}

func TestTwoEditorsOfTheLinesWordsLoseNothing(t *testing.T) {
	s := open(t)
	a, b := s.account("camille", people.Editor), s.account("lou", people.Editor)
	a.get("/service/textes/goodbye")
	b.get("/service/textes/goodbye")
	a.submit("text_fr", "Au revoir et merci.").wants(200, "C'est dans le brouillon")
	b.submit("text_fr", "Bonne journée.").wants(422, "Une autre personne a changé cette partie", ">Bonne journée.</textarea>", "Ce qu'une autre personne a écrit entre-temps", "Au revoir et merci.")
	b.submit().wants(200, "C'est dans le brouillon", ">Bonne journée.</textarea>")
	a.get("/service/textes/queue.joined").submit("text_en", "Hold on.").wants(200, "C'est dans le brouillon")
	a.get("/service/brouillon").wants(200, "Bonne journée.", "Hold on.")
}

func TestARecordingSaysWhatTheLineSays(t *testing.T) {
	s := open(t)
	v := s.account("camille", people.Editor).get("/service/textes/queue.joined")
	action, form := v.form("/service/textes/queue.joined")
	v.upload(action, form, "voix.wav", "un son").wants(200, "C'est dans le brouillon", "voix.wav", "· enregistrement")
	v.get("/service/textes").wants(200, "enregistrement · Mots du service")
	s.publish(v)
	if p := s.def.Load().Wording["queue.joined"]["fr"]; p.Recording != "voix.wav" || p.Say != "queue.joined fr" {
		t.Errorf("the line's words are %+v", p)
	}
}

// A prompt of the service that has the name of one of the line's is the service's own.
func TestAPromptNamedLikeTheLinesIsEditedAsAPrompt(t *testing.T) {
	s := open(t)
	raw, err := os.ReadFile(s.file)
	s.must(err)
	s.must(os.WriteFile(s.file, []byte(strings.Replace(string(raw), "\nprompts:\n", "\nprompts:\n  goodbye: {fr: Adieu., en: Farewell.}\n", 1)), 0o600))
	v := s.account("camille", people.Editor)
	v.get("/service/textes").lacks("goodbye fr")
	v.get("/service/textes/goodbye").wants(200, ">Adieu.</textarea>").lacks("Ce texte est celui de la ligne")
}
