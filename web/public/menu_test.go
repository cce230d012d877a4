package public

import (
	"testing"
	"time"

	"decroche/call"
	"decroche/service"
)

// lineNow is a line of a test at one moment.
type lineNow struct {
	news  map[string]string
	waits map[string][2]time.Duration
	down  bool
}

func (l *lineNow) News(queue string, lang call.Lang) []string {
	if text := l.news[queue]; text != "" {
		return []string{text}
	}
	return nil
}

func (l *lineNow) Range(queue string) (low, high time.Duration, ok bool) {
	w, ok := l.waits[queue]
	return w[0], w[1], ok
}

func (l *lineNow) Down(string) bool { return l.down }

// informed gives the service an information with a link, and news.
func (o *office) informed() *lineNow {
	def := o.def
	def.Menus["principal"].Choices['3'] = service.Choice{Info: "venir"}
	def.Infos = map[string]*service.Info{"venir": {ID: "venir", Prompt: "info-venir", Reason: "titre-sejour", Link: "site", Offline: "sans"}}
	def.Links = map[string]*service.Link{"site": {ID: "site", URL: "https://www.val-d-arzon.example/demarches", Label: words("vos démarches en ligne", "our online services")}}
	def.Prompts = map[string]service.Text{
		"info-venir": words("La préfecture vous reçoit le matin.", "The prefecture is open in the morning."),
		"sans":       words("Tout se fait aussi au guichet.", "All of it can be done at the counter."),
		"acces":      words("Accès pour les personnes sourdes.", "Access for deaf people."),
	}
	def.Access.Prompt = "acces"
	now := &lineNow{
		news:  map[string]string{"": "Une grève perturbe l'accueil.", "conduite": "Le site du permis est en panne."},
		waits: map[string][2]time.Duration{"etrangers": {4*time.Minute + 20*time.Second, 9*time.Minute + 10*time.Second}, "conduite": {20 * time.Second, 100 * time.Second}},
	}
	o.srv.Now = now
	return now
}

func TestTheMenuOfTheTelephoneCanBeRead(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		now := o.informed()
		r := o.reader().get("/fr").wants(200, "Nos services", "aujourd'hui, jusqu'à 12 h 30", "Une grève perturbe l'accueil.", "Titre de séjour",
			"entre 4 et 10 minutes", "moins de 2 min", "n'est pas connue en ce moment", "Le site du permis est en panne.",
			"La préfecture vous reçoit le matin.", `href="https://www.val-d-arzon.example/demarches"`, "Tout se fait aussi au guichet.",
			"Accès pour les personnes sourdes.", `href="/fr/rappel?relais=1"`, "C'est la situation à 10 h 05", "01 99 00 39 40")
		r.get("/fr/rappel?sujet=conduite%2Fpermis").wants(200, "Être rappelé", `value="conduite/permis" checked`)
		r.get("/en").wants(200, "Our services", "Residence permit", "between 4 and 10 minutes", "The prefecture is open in the morning.")
		now.down = true
		r.get("/fr").lacks("www.val-d-arzon.example")
	})
}

func TestTheMenuOfAClosedLineTellsWhenItOpensAndNoWait(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		o.informed()
		time.Sleep(9 * time.Hour)
		o.reader().get("/fr").wants(200, "Nos services", "de nouveau demain, à partir de 8 h 30").lacks("entre 4 et 10 minutes", "n'est pas connue")
	})
}

func TestTheMenuServesWithoutAnythingButTheDefinition(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		o.reader().get("/").wants(200, "Nos services", "Titre de séjour").lacks("Attente", "Informations")
		o.def.Callback.On = false
		o.reader().get("/fr").lacks("Être rappelé")
	})
}
