package e2e

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"decroche/e2e/rig"
)

// inSpanish is the tests' service with a third language.
func inSpanish(t *testing.T) string {
	t.Helper()
	text := essai(t, "languages: [fr, en]", "languages: [fr, en, es]", "{1: fr, 2: en}", "{1: fr, 2: en, 3: es}")
	text = regexp.MustCompile(`, en: ([^{}]*)\}`).ReplaceAllString(text, `, en: $1, es: "Texto de prueba."}`)
	for english, spanish := range map[string]string{
		"Hello and welcome.": "Hola y bienvenidos.",
		`"Case, press 1. Permits, press 2. Hours, press 3. A person, press 0."`: "Expediente, pulse 1. Permisos, pulse 2. Horarios, pulse 3. Un agente, pulse 0.",
		`"Our offices open at nine."`:                                           "Nuestras oficinas abren a las nueve.",
	} {
		text = strings.Replace(text, english+`, es: "Texto de prueba."`, english+`, es: "`+spanish+`"`, 1)
	}
	return text
}

// Who chooses Spanish hears Spanish from the first menu to the agent, and reads it: the words of the
// menu by text message, the callback and its page.
func TestTheWholeJourneyIsInTheLanguageChosen(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{Service: inSpanish(t)})
	const number = "+33639980520"
	c := r.Dial("+33199003940", number)
	c.Hears("fr/langue", 10*time.Second)
	c.Types("3")
	c.Hears("es/bienvenue", 10*time.Second)
	c.Hears("es/menu-principal", 10*time.Second)
	c.Types("#")
	c.Hears("es/again.sent", 10*time.Second)
	texted(t, r, "said", "+33…20", "sent", "Expediente, pulse 1.")
	c.Types("3")
	c.Hears("es/info-horaires", 10*time.Second)
	c.Hears("es/info.offer-person", 60*time.Second)
	c.Types("0")
	c.Hears("es/queue.*", 20*time.Second)
	agent := r.Answers(r.Available("2001"), 30*time.Second)
	c.Hears("es/hold.connecting", 15*time.Second)
	r.Talks(c, agent)
	for _, h := range c.Heard() {
		if strings.HasPrefix(h.Name, "fr/") && h.Name != "fr/langue" {
			t.Errorf("heard in French after the choice: %v", c.Heard())
			break
		}
	}
}
