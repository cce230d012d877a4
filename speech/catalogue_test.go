package speech

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"decroche/call"

	"github.com/goccy/go-yaml"
)

func TestEveryPromptIsInEveryLanguage(t *testing.T) {
	if !slices.Contains(Langs(), "fr") || !slices.Contains(Langs(), "en") {
		t.Fatalf("languages are %v, want at least fr and en", Langs())
	}
	french := IDs("fr")
	for _, lang := range Langs() {
		ids := IDs(lang)
		for _, id := range french {
			if !slices.Contains(ids, id) {
				t.Errorf("%s lacks %q", lang, id)
			}
		}
		for _, id := range ids {
			if !slices.Contains(french, id) {
				t.Errorf("%s has %q, French does not", lang, id)
			}
		}
	}
}

func TestPromptsTheLineNeedsAreThere(t *testing.T) {
	need := strings.Fields(`hold.connecting position.1 position.20 position.many
		wait.under1 wait.under2 wait.1-2 wait.1-3 wait.2-4 wait.3-5 wait.5-8 wait.5-10 wait.8-12 wait.10-15 wait.15-20
		wait.20-30 wait.30-45 wait.45-60 wait.over60 wait.late wait.unknown
		menu.noinput menu.wrong menu.to-person info.offer-person goodbye queue.joined queue.noagents
		sorry.technical sorry.moment message.in-french caller.resumed unknown-number dialplan.hold dialplan.sorry
		agent.available agent.paused agent.wrapup-done agent.signed-out agent.refused-code agent.state.available
		whisper.wait.under1 whisper.wait.1 whisper.wait.60 whisper.wait.over60
		callback.offer callback.offer.closing callback.hint callback.back callback.failed
		callback.number.yours callback.number.choice callback.number.choice.end callback.number.type
		callback.number.typed callback.number.confirm callback.number.confirm.end number.plus number.single.0 number.single.9
		callback.when.place callback.when.zone callback.already.place callback.already.keep
		callback.noted callback.noted.place callback.noted.sms
		callback.refused.off callback.refused.withheld callback.refused.emergency callback.refused.short callback.refused.premium
		callback.refused.foreign callback.refused.invalid callback.refused.ours callback.refused.too_many callback.refused.full
		callback.refused.asleep callback.refused.slot
		recall.hello.plain recall.press recall.press.key recall.again recall.wait recall.sorry recall.goodbye
		recall.agent.no_answer recall.agent.busy recall.agent.refused recall.agent.voicemail recall.agent.unreachable recall.agent.hung_up recall.agent.late recall.agent.settled
		whisper.callback whisper.callback.refuse link.offer link.sent link.failed link.hear`)
	for i := range 100 {
		need = append(need, "number.digit."+strconv.Itoa(i/10)+strconv.Itoa(i%10))
	}
	for i := -1; i < 30; i++ {
		need = append(need, PositionID(i), WhisperWaitID(i*3))
	}
	for _, lang := range Langs() {
		for _, id := range need {
			if text, err := SystemText(id, lang); err != nil || text == "" {
				t.Errorf("prompt %q in %s: %q, %v", id, lang, text, err)
			}
		}
	}
}

func TestPlaceholdersAreTheSameInEveryLanguage(t *testing.T) {
	for _, lang := range Langs() {
		data, err := catalogueFiles.ReadFile("catalogue/" + string(lang) + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		var raw map[string]string
		if err := yaml.Unmarshal(data, &raw); err != nil {
			t.Fatal(err)
		}
		for id, text := range raw {
			if _, filled := sentences[id]; filled {
				continue // held to its names when the catalogue is read
			}
			inID, inText := placeholder.FindAllString(id, -1), placeholder.FindAllString(text, -1)
			slices.Sort(inID)
			slices.Sort(inText)
			if !slices.Equal(inID, inText) {
				t.Errorf("%s, %q: its text fills in %v, its id %v", lang, id, inText, inID)
			}
		}
	}
}

func TestRungsSayTheirBounds(t *testing.T) {
	for _, lang := range []call.Lang{"fr", "en"} {
		for _, r := range ladder {
			id := "wait." + strconv.Itoa(r[0]) + "-" + strconv.Itoa(r[1])
			text, err := SystemText(id, lang)
			if err != nil {
				t.Fatal(err)
			}
			numbers := regexp.MustCompile(`\d+`).FindAllString(text, -1)
			if !slices.Equal(numbers, []string{strconv.Itoa(r[0]), strconv.Itoa(r[1])}) {
				t.Errorf("%s %s says %q", lang, id, text)
			}
		}
	}
}

func TestWaitsOfAnyBoundsAreWorded(t *testing.T) {
	for id, want := range map[string]string{
		"wait.7-9": "entre 7 et 9 minutes", "wait.under4": "moins de 4 minutes", "wait.over25": "plus de 25 minutes",
		"wait.over60": "plus d'une heure", "wait.under1": "moins d'une minute",
	} {
		if text, err := SystemText(id, "fr"); err != nil || !strings.Contains(text, want) {
			t.Errorf("%s: %q, %v, want %q in it", id, text, err, want)
		}
	}
	for _, id := range []string{"wait.9-7", "wait.0-1", "wait.1-1", "wait.-2", "wait.over", "wait.1-2x", "wait.1-2000", "queue.1-2"} {
		if text, err := SystemText(id, "fr"); err == nil {
			t.Errorf("%s says %q", id, text)
		}
	}
}

// Words that are wrong without their accent, and words a public service does not say.
var badFrench = regexp.MustCompile(`(?i)\b(etes|etat|ecoute|reecouter|relation a|numero|reponse|estimee|prevu a|a plus d|a un agent,? tapez|deconnecte|francais|tres|desole|apres|reessayer|zero|des que|premiere|tu|ton|ta|tes|veuillez patientez|svp)\b`)

func TestFrenchIsSpeltAndPolite(t *testing.T) {
	all, err := catalogues()
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range append(IDs("fr"), SentenceIDs()...) {
		text, ok := all["fr"].prompts[id]
		if !ok {
			text = all["fr"].raw[id]
		}
		// \b is of ASCII letters alone: hide the accented ones behind a letter first.
		plain := regexp.MustCompile(`[À-ÿœ]`).ReplaceAllString(text, "x")
		if m := badFrench.FindString(plain); m != "" && !strings.HasPrefix(m, "à") {
			t.Errorf("%s: %q in %q", id, m, text)
		}
		if strings.Contains(text, "  ") || strings.TrimSpace(text) != text {
			t.Errorf("%s: stray space in %q", id, text)
		}
		if !strings.HasPrefix(id, "number.") && !regexp.MustCompile(`^[A-ZÀÉÊ].*([.]| [?])$`).MatchString(text) {
			t.Errorf("%s: %q is not a sentence", id, text)
		}
	}
}

func TestCatalogueWithAnUnknownFamilyOrPlaceholderIsRefused(t *testing.T) {
	for _, text := range []string{
		`"queue.{x}": "Bonjour."`, `goodbye: "Au revoir {name}."`,
		`link.address: "Voici l'adresse."`, `link.address: "Voici {address}, {day}."`, `"position.{n}": "Position {m}."`, "a: b\na: c\n",
	} {
		if _, err := parseCatalogue([]byte(text)); err == nil {
			t.Errorf("%s is taken", text)
		}
	}
}

func TestASentenceIsFilledInInEveryLanguageOrNotSaidAtAll(t *testing.T) {
	for _, lang := range Langs() {
		for _, id := range SentenceIDs() {
			var pairs []any
			for i, name := range sentences[id] {
				if _, err := SentenceText(id, lang, pairs...); err == nil {
					t.Errorf("%s, %s: said without {%s}", lang, id, name)
				}
				pairs = append(pairs, name, "value-"+strconv.Itoa(i))
			}
			text, err := SentenceText(id, lang, pairs...)
			if err != nil || strings.ContainsAny(text, "{}") || strings.Count(text, "value-") != len(sentences[id]) {
				t.Errorf("%s, %s: %q, %v", lang, id, text, err)
			}
		}
	}
	for _, id := range []string{"goodbye", "callback.noted", "nothing"} {
		if text, err := SentenceText(id, "fr"); err == nil {
			t.Errorf("%s is no sentence and says %q", id, text)
		}
	}
	if text, _ := SentenceText("callback.when.slot", "fr", "day", "mardi 24 novembre", "clock", "10 heures 15", "key", 2); text != "Pour être rappelé mardi 24 novembre à 10 heures 15, tapez 2." {
		t.Errorf("the slot is offered so: %q", text)
	}
}
