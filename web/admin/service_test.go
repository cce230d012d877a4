package admin_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"decroche/call"
	"decroche/drafts"
	"decroche/ivr"
	"decroche/people"
	"decroche/service"
)

// written is the definition as its file says now.
func (s *site) written() *service.Definition {
	s.Helper()
	def, err := service.ParseFile(s.file)
	s.must(err)
	return def
}

func TestATextIsChangedHeardPublishedAndRestored(t *testing.T) {
	s := open(t)
	v := s.account("camille", people.Editor)
	v.get("/service/textes").wants(200, "À l'arrivée de l'appel", "Bonjour, vous êtes en relation avec la préfecture", "Service fermé", "goodbye fr", `/service/textes/accueil"`)
	v.get("/service/textes/accueil").wants(200, "Val-d'Arzon Prefecture", "<audio")
	v.submit("text_fr", "").wants(422, "Écrivez ce texte")
	v.get("/service/textes/accueil").submit("text_fr", "C'est indicible.").wants(422, "ne peut pas être dit")
	v.get("/service/textes/accueil").submit("text_fr", "Bonjour, ici la préfecture.").wants(200, "C'est dans le brouillon", "les appelants entendent encore", "Ce que les appelants entendent aujourd'hui", "vous êtes en relation")
	if got := s.written().Prompts["accueil"]["fr"].Say; !strings.HasPrefix(got, "Bonjour, vous") {
		t.Errorf("a draft is in force: %q", got)
	}
	v.get("/service/ecouter?numero=%2B33199003939&jour=2026-11-24&heure=10:00&version=brouillon").wants(200, "Bonjour, ici la préfecture.")
	v.get("/service/ecouter?numero=%2B33199003939&jour=2026-11-24&heure=10:00").lacks("Bonjour, ici la préfecture.")
	v.get("/service/brouillon").wants(200, "Texte « accueil »", "Bonjour, ici la préfecture.", "Publier ces modifications")
	action, form := v.form("/service/brouillon")
	for f := range strings.SplitSeq(v.body, "<form") { // the form to publish, not those to forget
		if m := regexp.MustCompile(`name="version" value="([^"]*)"`).FindStringSubmatch(f); m != nil {
			action, form = "/service/brouillon", url.Values{"version": {m[1]}}
		}
	}
	v.do(http.MethodPost, action, form).wants(200, "C'est publié", "Publié auparavant")
	v.do(http.MethodPost, action, form).wants(200, "C'est publié") // a double click
	if got := s.def.Load().Prompts["accueil"]["fr"].Say; got != "Bonjour, ici la préfecture." {
		t.Errorf("the line says %q", got)
	}
	v.get("/service/textes/accueil").wants(200, "Textes d'avant", "vous êtes en relation", `name="restore" value="-`)
	restore := regexp.MustCompile(`name="restore" value="([^"]*)"`).FindStringSubmatch(v.body)[1]
	_, form = v.form("/service/textes/accueil")
	form = url.Values{"was": form["was"], "seen": form["seen"], "restore": {restore}}
	v.do(http.MethodPost, "/service/textes/accueil", form).wants(200, "C'est dans le brouillon", "Bonjour, vous êtes en relation")
	v.get("/service/brouillon").submitTo("/oublier").wants(200, "Cette modification est oubliée", "Aucune modification")
	s.account("lou", people.Manager).get("/journal").wants(200, "Service modifié", "prompts.accueil")
}

func TestTwoEditorsOfATextLoseNothing(t *testing.T) {
	s := open(t)
	a, b := s.account("camille", people.Editor), s.account("lou", people.Editor)
	a.get("/service/textes/accueil")
	b.get("/service/textes/accueil")
	a.submit("text_fr", "Le texte de Camille.").wants(200, "C'est dans le brouillon")
	b.submit("text_fr", "Le texte de Lou.").wants(422, "Une autre personne a changé cette partie", "Le texte de Lou.", "Ce qu'une autre personne a écrit entre-temps", "Le texte de Camille.")
	b.submit().wants(200, "C'est dans le brouillon", "Le texte de Lou.")                             // knowingly
	a.get("/service/textes/ferme").submit("text_fr", "Fermé.").wants(200, "C'est dans le brouillon") // another text is no conflict
	a.get("/service/brouillon").wants(200, "Le texte de Lou.", "Fermé.")
}

func TestARecordingIsSentForAText(t *testing.T) {
	s := open(t)
	v := s.account("camille", people.Editor).get("/service/textes/ferme")
	action, form := v.form("/service/textes/ferme")
	v.upload(action, form, "x.wav", "silence").wants(422, "Ce fichier ne peut pas être dit")
	v.upload(action, form, "voix.wav", "un son").wants(200, "C'est dans le brouillon", "voix.wav", "Français")
	v.get("/messages/ecoute?langue=fr&texte=&son=file:../secret").wants(404)
}

func TestATextIsRecordedByTelephone(t *testing.T) {
	s := open(t)
	taken := room{}
	s.srv.Studio, s.srv.Recorder = taken, "+33199003949"
	s.srv.KeptSound = func(_ context.Context, name string) ([]byte, error) {
		if name != "spoken.wav" {
			return nil, fmt.Errorf("there is no %q", name)
		}
		return []byte("une voix"), nil
	}
	v := s.account("camille", people.Editor)
	v.get("/service/textes/ferme").submit("text_fr", "Nous sommes fermés.", "text_en", "", "step", "phone_fr").wants(200, "01 99 00 39 49", "123456", "Nous sommes fermés.").lacks("Écrivez ce texte")
	v.get("/service/brouillon").wants(200, "Aucune modification")
	v.get("/service/textes/ferme").submit("text_fr", "Nous sommes fermés.", "step", "phone_fr")
	taken["123456camille"] = "lost.wav"
	action, form := v.form("/service/textes/ferme")
	v.do(http.MethodPost, action, form).wants(422, "ne peut pas être dit", "123456") // what was recorded is asked for again
	form.Set("step", "phone_en")                                                     // and is not forgotten when another language is recorded
	v.do(http.MethodPost, action, form).wants(422, "ne peut pas être dit", `name="phone_fr"`)
	form.Del("step")
	taken["123456camille"] = "spoken.wav"
	v.submit().wants(200, "C'est dans le brouillon", "voix.wav", "· enregistrement").lacks("123456")
	s.publish(v)
	if p := s.def.Load().Prompts["ferme"]["fr"]; p.Recording != "voix.wav" || p.Say != "Nous sommes fermés." {
		t.Errorf("published: %+v", p)
	}
	heard, err := os.ReadFile(filepath.Join(filepath.Dir(s.file), "voix.wav"))
	if err != nil || string(heard) != "une voix" {
		t.Errorf("beside the definition is %q, %v", heard, err)
	}
}

func TestHoursAreWrittenAsPeopleWriteThem(t *testing.T) {
	s := open(t)
	v := s.account("camille", people.Editor)
	v.get("/service/horaires").wants(200, "08:30-12:30, 13:30-17:00", "veille de Noël", "Métropole", "Calendrier")
	v.submitTo("/horaires/hours", "mon", "de bonne heure").wants(422, "Lundi : écrivez par exemple", "de bonne heure")
	v.get("/service/horaires").submitTo("/horaires/hours", "mon", "9h-12h et 14 h 30 à 17h", "sat", "fermé", "wed", "").wants(200, "C'est dans le brouillon", "09:00-12:00, 14:30-17:00")
	v.submitTo("/horaires/closures", "from-2", "2026-12-31", "why-2", "inventaire").wants(200, "C'est dans le brouillon", "inventaire", "veille de Noël")
	v.submitTo("/horaires/closures", "drop-0", "1").wants(200, "C'est dans le brouillon").lacks("veille de Noël")
	v.submitTo("/horaires/closures", "from-2", "2026-12-31", "until-2", "2026-12-30").wants(422, "Cette valeur n'est pas possible", "la fin est avant le début. Pour corriger")
	v.get("/service/horaires").submitTo("/horaires/openings", "day-1", "2026-12-19", "hours-1", "9h-12h").wants(200, "C'est dans le brouillon", `value="2026-12-19"`)
	v.submitTo("/horaires/openings", "day-2", "2026-12-20").wants(422, "écrivez par exemple")
	v.get("/service/horaires").submitTo("/horaires/holidays", "holidays", "reunion").wants(200, `value="reunion" selected`)
	v.get("/service/horaires").wants(200, "Centre relais", "Quand rappeler les usagers", `name="callback-sat" value="08:00-20:00"`, `name="relay-mon" value=""`)
	v.submitTo("/horaires/relay", "relay-mon", "au matin").wants(422, "Lundi : écrivez par exemple", `name="relay-mon" value="au matin"`, `name="mon" value="09:00-12:00, 14:30-17:00"`)
	v.get("/service/horaires").submitTo("/horaires/relay", "relay-mon", "8h30-19h", "relay-thu", "9h-12h").wants(200, `name="relay-mon" value="08:30-19:00"`)
	v.submitTo("/horaires/callback", "callback-sat", "").wants(200, `name="callback-sat" value=""`, `name="callback-fri" value="08:00-20:00"`)
	v.submitTo("/horaires/quiet", "quiet-mon", "", "quiet-tue", "", "quiet-wed", "", "quiet-thu", "").wants(422, "ces publics ne seraient jamais rappelés")
	v.get("/service/brouillon").wants(200, "Horaires du centre relais", "Lundi : 08:30-19:00", "Mardi : Fermé", "Quand rappeler les usagers")
	v.get("/service/horaires").submitTo("/horaires/relay", "relay-mon", "", "relay-thu", "").wants(200, `name="relay-mon" value=""`)
	if l, err := s.srv.Drafts.Look(s.Context()); err != nil || l.Next.Access.Relay.Hours != nil || len(l.Next.Callback.Hours.Week[6]) != 0 || len(l.Next.Callback.Hours.Week[5]) != 1 {
		t.Errorf("the drafts: %v, %+v, %+v", err, l.Next.Callback.Hours, l.Next.Access.Relay.Hours)
	}
	v.do(http.MethodPost, "/service/horaires/autre", nil).wants(404)
	l, err := s.srv.Drafts.Look(s.Context())
	s.must(err)
	week := l.Next.Hours.Week
	if len(l.Drafts) != 5 || len(week[1]) != 2 || week[1][1].From != 14*60+30 || len(week[3]) != 0 || len(l.Next.Closures) != 2 || l.Next.Closures[1].Why != "inventaire" || len(l.Next.Openings) != 2 || l.Next.Holidays != "reunion" {
		t.Errorf("the drafts: %+v", l.Next)
	}
}

// Whoever switches the language of a form that was refused, or asks for its address again, comes to its page.
func TestTheAddressOfAFormLeadsToItsPage(t *testing.T) {
	s := open(t)
	v := s.account("camille", people.Admin)
	v.get("/service/horaires").submitTo("/service/horaires/hours", "mon", "tôt").wants(422)
	v.wants(422, `name="vers" value="/service/horaires/hours"`)
	v.do(http.MethodPost, "/langue", url.Values{"langue": {"en"}, "vers": {"/service/horaires/hours"}}).wants(200, "<h1>Hours</h1>")
	for address, page := range map[string]string{"/sites/x": "Sites and links", "/plans/x": "Prepared plans", "/messages/4/arreter": "Incident messages", "/moi/mot-de-passe": "My account", "/comptes/camille/lien": "Accounts"} {
		v.get(address).wants(200, page+"</h1>")
	}
}

func TestTheFourteenthOfJulyIsHeardOnThePage(t *testing.T) {
	s := open(t)
	v := s.account("camille", people.Supervisor)
	v.get("/service/ecouter?numero=%2B33199003940&jour=2027-07-14&heure=10:00").wants(200, "Pour continuer en français", "Quelle touche")
	next := regexp.MustCompile(`href="(/service/ecouter[^"#]*touches=1&version=publie)#next"`).FindStringSubmatch(v.body)
	if next == nil {
		t.Fatalf("no key to press:\n%s", v.body)
	}
	v.get(next[1]).wants(200, "L'appelant tape 1.", "Nos bureaux sont actuellement fermés.", "callback.hint", "Revenir avant la dernière touche").lacks("Pour un titre de séjour")
	press := func(keys string) string { return strings.Replace(next[1], "touches=1", "touches="+keys, 1) }
	v.get(press("11")).wants(200, "L'appelant donne le numéro")
	v.get(press("1t")).wants(200, "L'appelant ne tape rien.", "le service est fermé")
	v.get("/service/ecouter?numero=%2B33199003939&jour=2027-07-13&heure=10:00&touches=0").wants(200, "L'appelant attend un agent. File : Accueil général.")
	v.get("/service/ecouter?jour=demain&heure=10:00").wants(422, "Indiquez le jour et l'heure")
	v.get("/service/ecouter?touches=x").wants(404)
}

func TestSettingsAndReasonsAreDrafts(t *testing.T) {
	s := open(t)
	v := s.account("camille", people.Editor)
	v.get("/service/reglages").wants(200, "Rappels", "Numéro du centre relais", "File · Accueil général", `value="3 min"`, `value="90 jours"`, "Ceux de la ligne")
	v.submit("callback.share", "200", "queues.accueil.wrap_up", "45s").wants(422, "Cette valeur n'est pas possible", "écrivez un nombre entier de 1 à 100", `value="200"`)
	v.get("/service/reglages").submit("callback.share", "30", "callback.offer_above", "").wants(200, "C'est dans le brouillon", `value="30"`)
	v.get("/service/reglages").submit("callback.offer_above", "une heure").wants(422, "écrivez un nombre et son unité, par exemple « 30 s » ou « 2 min »", `value="une heure"`)
	v.get("/service/reglages").submit("callback.offer_above", "2 h").wants(422, "écrivez une durée de 1 s à 1 h", `value="2 h"`)
	v.get("/service/reglages").submit("queues.accueil.wrap_up", "1 min 30", "privacy.numbers", "60").wants(200, "C'est dans le brouillon", `value="1 min 30 s"`, `value="60 jours"`)
	v.get("/service/brouillon").wants(200, "1 min 30 s", "60 jours")
	v.get("/service/motifs").wants(200, "Permis de conduire", "DGEF")
	var permis string
	for f := range strings.SplitSeq(v.body, "<form") {
		if strings.Contains(f, `name="id" value="permis"`) {
			permis = f
		}
	}
	field := func(name string) string {
		return regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(strings.ReplaceAll(permis, "\n", "\x00"))[1]
	}
	form := url.Values{"id": {"permis"}, "was": {strings.ReplaceAll(field("was"), "\x00", "\n")}, "seen": {field("seen")}, "label_fr": {"Permis"}, "label_en": {"Licence"}, "directorate": {"France Titres"}, "retired": {"1"}}
	v.do(http.MethodPost, "/service/motifs", form).wants(200, "C'est dans le brouillon", "retiré")
	v.do(http.MethodPost, "/service/motifs", url.Values{"id": {"Étranger"}, "label_fr": {"x"}}).wants(422, "Lettres minuscules", "Écrivez le libellé")
	v.do(http.MethodPost, "/service/motifs", url.Values{"id": {"recours"}, "label_fr": {"Recours"}, "label_en": {"Appeal"}, "seen": {"0"}}).wants(200, "Recours")
	l, err := s.srv.Drafts.Look(s.Context())
	s.must(err)
	if r := l.Next.Reasons["permis"]; !r.Retired || r.Label["fr"].Say != "Permis" || r.Directorate != "France Titres" || l.Next.Reasons["recours"] == nil || l.Next.Callback.Share != 30 || l.Next.Queues["accueil"].WrapUp.String() != "1m30s" || l.Next.Privacy.Numbers != 60*24*time.Hour {
		t.Errorf("the drafts: %+v, %+v", r, l.Next.Callback)
	}
}

// Hours of the access that are written in the file are no word to choose: the page keeps them as they are.
func TestASettingThatIsWrittenInAnotherWayStaysAsItIs(t *testing.T) {
	s := open(t)
	v := s.account("camille", people.Editor)
	const own = "mon-fri: 09:00-12:00\nsat: 09:00-11:00"
	s.must(s.srv.Drafts.Write(s.Context(), "access.hours", own, "same", 0, "noe"))
	v.get("/service/reglages").wants(200, "Ce qui est écrit dans le fichier du service")
	v.submit("access.hours", strings.ReplaceAll(own, "\n", "\r\n"), "callback.abandoned", "nothing").wants(200, "C'est dans le brouillon") // as browsers send lines
	v.get("/service/brouillon").wants(200, "Envoyer un SMS", "Ne rien envoyer")
	if now, _, err := s.srv.Drafts.Part(s.Context(), "access.hours"); err != nil || now != own {
		t.Errorf("the hours of the access are now %q, %v", now, err)
	}
}

func TestWhatTheGuideRefusesCannotBePublished(t *testing.T) {
	s := open(t)
	v := s.account("camille", people.Editor)
	long := strings.Repeat("Nous vous rappelons que tout est sur notre site. ", 30)
	v.get("/service/textes/accueil").submit("text_fr", long).wants(200, "C'est dans le brouillon")
	v.get("/service/brouillon").wants(200, "À corriger", "Trop de paroles avant de pouvoir joindre une personne", "ne peut pas être publié").lacks(">Publier ces modifications<")
	l, err := s.srv.Drafts.Look(s.Context())
	s.must(err)
	v.do(http.MethodPost, "/service/brouillon", url.Values{"version": {l.Version}}).wants(422, "ne peut pas être publié")
	v.do(http.MethodPost, "/service/brouillon", url.Values{"version": {"old"}}).wants(422, "Le brouillon a changé")
	if data, _ := os.ReadFile(s.file); strings.Contains(string(data), "tout est sur notre site") {
		t.Error("it was published")
	}
}

func TestASecondPersonPublishesTheDraft(t *testing.T) {
	s := open(t)
	s.srv.Approval = true
	a, b := s.account("camille", people.Admin), s.account("lou", people.Approver)
	a.get("/service/textes/accueil").submit("text_fr", "Bonjour.")
	l, err := s.srv.Drafts.Look(s.Context())
	s.must(err)
	form := url.Values{"version": {l.Version}}
	a.get("/service/brouillon").wants(200, "Une autre personne doit publier")
	a.do(http.MethodPost, "/service/brouillon", form).wants(403, "Une autre personne doit l'autoriser")
	s.account("dom", people.Auditor).do(http.MethodPost, "/service/brouillon", form).wants(403)
	b.get("/service/brouillon").wants(200, ">Publier ces modifications<")
	b.do(http.MethodPost, "/service/brouillon", form).wants(200, "C'est publié")
}

func TestAPlanIsSwitchedOnInOneClickAndOffAgain(t *testing.T) {
	s := open(t)
	v := s.account("camille", people.Supervisor)
	v.get("/plans").wants(200, "Afflux d'appels", "Inactif", "Rappel proposé dès que l'attente dépasse 1 min", "S'active de lui-même si l'attente dépasse 15 min", "Beaucoup de personnes nous appellent", "Remplace l'accueil")
	v.submitTo("/plans/afflux", "end", "1h").wants(200, "Le plan est actif", "Actif par camille", "Arrêter ce plan")
	v.do(http.MethodPost, "/plans/afflux", nil).wants(200, "Le plan est actif") // a double click
	v.do(http.MethodPost, "/plans/autre", nil).wants(404)
	v.get("/messages").wants(200, "Beaucoup de personnes nous appellent en ce moment.", "Many people are calling", "propose d'être rappelé")
	v.get("/plans").submitTo("/arreter").wants(200, "Le plan est arrêté", "arrêté par camille")
	v.get("/messages").wants(200, "Aucun message")
	s.account("lou", people.Auditor).get("/plans").wants(200, "Afflux").lacks("Activer ce plan")
	s.account("dom", people.Manager).get("/journal").wants(200, "Plan activé", "Plan arrêté")
}

// late is a store that cannot be told, once, what was published.
type late struct {
	drafts.Store
	failed atomic.Bool
}

func (s *late) SettleDrafts(ctx context.Context, ids []int64, state drafts.State, by string, at time.Time) error {
	if state == drafts.Published && s.failed.CompareAndSwap(false, true) {
		return errors.New("the disk is full")
	}
	return s.Store.SettleDrafts(ctx, ids, state, by, at)
}

func TestWhatIsInForceIsToldSoWhenItsHistoryIsLate(t *testing.T) {
	s := open(t)
	s.srv.Drafts.Store = &late{Store: s.srv.Drafts.Store}
	v := s.account("camille", people.Editor)
	v.get("/service/textes/ferme").submit("text_fr", "Nous sommes fermés.").wants(200)
	version := regexp.MustCompile(`name="version" value="([^"]*)"`).FindStringSubmatch(v.get("/service/brouillon").body)[1]
	v.do(http.MethodPost, "/service/brouillon", url.Values{"version": {version}})
	v.wants(200, "C'est publié : les appels suivants l'entendent. L'historique n'a pas pu être écrit au même moment").lacks("garde ce qu'elle disait")
	if got := s.def.Load().Prompts["ferme"]["fr"].Say; got != "Nous sommes fermés." {
		t.Errorf("the line says %q", got)
	}
	v.get("/service/brouillon").wants(200, "Aucune modification en attente", "publié par camille")
	s.account("lou", people.Manager).get("/journal").wants(200, "Service modifié", "prompts.ferme")
}

func TestTheLogNamesTheDraftThatWasForgotten(t *testing.T) {
	s := open(t)
	v := s.account("camille", people.Editor)
	v.get("/service/textes/ferme").submit("text_fr", "Nous sommes fermés.").wants(200)
	action, _ := v.get("/service/brouillon").form("/oublier")
	v.do(http.MethodPost, action, url.Values{"path": {"prompts.tout-autre"}}).wants(200, "Cette modification est oubliée")
	v.do(http.MethodPost, action, nil).wants(200, "n'est plus dans le brouillon")
	v.do(http.MethodPost, "/service/brouillon/x/oublier", nil).wants(404)
	s.account("lou", people.Manager).get("/journal?quoi=service").wants(200, "prompts.ferme").lacks("tout-autre")
	if n := strings.Count(s.account("dom", people.Manager).get("/journal?quoi=service").body, "Brouillon oublié"); n != 1 {
		t.Errorf("the log has %d lines of one that was forgotten", n)
	}
}

// gone is the log of a site whose reader leaves just before a line of it is written.
type gone struct {
	people.Store
	leave func()
}

func (g gone) Log(ctx context.Context, a people.Act) error {
	g.leave()
	return g.Store.Log(ctx, a)
}

func TestWhatIsDoneIsLoggedAlsoWhenTheTabIsClosed(t *testing.T) {
	s := open(t)
	v := s.account("camille", people.Editor)
	v.get("/service/textes/ferme")
	action, form := v.form("/service/textes/ferme")
	form.Set("text_fr", "Nous sommes fermés.")
	closed, left := context.WithCancel(t.Context())
	s.srv.Accounts = gone{s.srv.Accounts, left}
	req := httptest.NewRequestWithContext(closed, http.MethodPost, action, strings.NewReader(form.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	u, err := url.Parse(s.web.URL)
	s.must(err)
	for _, c := range v.client.Jar.Cookies(u) {
		req.AddCookie(c)
	}
	s.srv.Handler().ServeHTTP(httptest.NewRecorder(), req)
	if closed.Err() == nil {
		t.Fatal("nothing was done")
	}
	acts, err := s.db.People().Acts(t.Context(), people.Acts{Group: "service", Limit: 10})
	if err != nil || len(acts) != 1 || acts[0].About != "prompts.ferme" || acts[0].Who != "camille" {
		t.Errorf("the log has %+v, %v", acts, err)
	}
}

// A plan that is on is heard as far as it goes: of a moment after its end nothing of it is.
func TestAJourneyIsPlayedWithThePlansOfItsMoment(t *testing.T) {
	s := open(t)
	v := s.account("camille", people.Editor)
	base := *s.def.Load()
	s.srv.Plans.Service = func() *service.Definition { return &base }
	plan := base.Plans["afflux"]
	if plan == nil {
		t.Fatal("the demonstration has no such plan")
	}
	s.def.Store(base.With(plan)) // in force, as it is while the plan is on
	until := time.Now().Add(48 * time.Hour)
	if _, err := s.srv.Plans.On(t.Context(), "afflux", until, "camille"); err != nil {
		t.Fatal(err)
	}
	var played atomic.Pointer[service.Definition]
	play := s.srv.Play
	s.srv.Play = func(ctx context.Context, def *service.Definition, info call.Info, at time.Time, keys string) (ivr.Rehearsal, error) {
		played.Store(def)
		return play(ctx, def, info, at, keys)
	}
	for _, version := range []string{"publie", "brouillon"} {
		for after, on := range map[time.Duration]bool{-24 * time.Hour: false, 24 * time.Hour: true, 72 * time.Hour: false} {
			at := time.Now().Add(after).In(base.Location)
			q := url.Values{"jour": {at.Format(time.DateOnly)}, "heure": {at.Format("15:04")}, "version": {version}}
			v.get("/service/ecouter?"+q.Encode()).wants(200, "Les messages publiés et programmés pour ce moment sont compris")
			if got := played.Load().Callback.OfferAbove == plan.OfferAbove; got != on {
				t.Errorf("%s after %s: with the plan: %t, want %t", version, after, got, on)
			}
		}
	}
}
