package public

import (
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"decroche/call"
	"decroche/callback"
	"decroche/service"
	"decroche/sms"
)

var (
	regexpLater   = regexp.MustCompile(`<a href="([^"]+)">Jours suivants`)
	regexpRestart = regexp.MustCompile(`<a href="([^"]+)">Changer de numéro`)
	regexpSealed  = regexp.MustCompile(`e=[\w-]+|name="e" value="[\w-]+"`)
)

// inOffice runs a test on a Monday, at five past ten in the morning, in virtual time.
func inOffice(t *testing.T, test func(t *testing.T, o *office)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2000, 1, 3, 9, 5, 0, 0, time.UTC)))
		test(t, newOffice(t, time.Now))
	})
}

func TestACitizenBooksASlotWithoutAnyVoice(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		r := o.reader().get("/fr/rappel").wants(200, "Être rappelé", "Titre de séjour", "Permis de conduire", "Carte grise", "Autre sujet", "Étape 1 sur 3",
			"01 99 00 39 40", "Du lundi au vendredi : de 8 h 30 à 12 h 30 et de 13 h 30 à 17 h").lacks("Titres de séjour", "01 99 00 39 39")
		r.submit("subject", "etrangers/titre-sejour", "number", "06 39 98 00 12")
		r.wants(200, "Quand souhaitez-vous être rappelé ?", "aujourd'hui", "demain", "10 h 30", "06 •• •• •• 12", "Dès que possible")
		if o.texts() != 0 {
			t.Fatal("a code was sent before an hour was chosen")
		}
		slot := r.slots()[1]
		r.lacks("d'après votre numéro")
		r.submit("slot", slot).wants(200, "Confirmez votre numéro", "aujourd'hui, entre 10 h 30 et 10 h 45", "06 •• •• •• 12")
		m := o.sent[0]
		if m.Purpose != sms.Code || m.To != mobile || m.Lang != "fr" || !m.Expires.Equal(time.Now().Add(10*time.Minute)) || m.Key == "" {
			t.Errorf("the code was sent as %+v", m)
		}
		r.submit("code", o.code(mobile)).wants(200, "Votre rappel", "C'est noté", "Aujourd'hui, entre 10 h 30 et 10 h 45"[1:], "06 •• •• •• 12", "01 99 00 39 40")
		p := o.desk.only(t)
		if p.Number != mobile || p.Queue != "etrangers" || p.Reason != "titre-sejour" || p.Kind != callback.Slot || p.Lang != "fr" ||
			p.Origin != callback.FromPage || strconv.FormatInt(p.Slot.Unix(), 10) != slot || p.Contact == "" {
			t.Errorf("promised: %+v", p)
		}
	})
}

func TestADeafCitizenBooksACallbackThroughTheRelayCentre(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		r := o.reader().get("/fr/rappel").wants(200, "Être rappelé", "rappelez-moi par le centre relais").lacks(`name="relay" value="1" checked`)
		r.get("/en/rappel?relais=1").wants(200, "Ask to be called back", "call me through the relay centre", `name="relay" value="1" checked`)
		r = o.reader().get("/fr/rappel?relais=1").wants(200, "Être rappelé", `name="relay" value="1" checked`) // as the text message leads to it
		r.submit("subject", "etrangers/titre-sejour", "relay", "1", "number", "06").wants(422, "Être rappelé", `name="relay" value="1" checked`)
		r.submit("subject", "etrangers/titre-sejour", "relay", "1", "number", "06 39 98 00 12").wants(200, "Quand souhaitez-vous être rappelé ?")
		r.submit("slot", r.slots()[0]).wants(200, "Confirmez votre numéro")
		r.submit("code", o.code(mobile)).wants(200, "Votre rappel", "C'est noté")
		if p := o.desk.only(t); p.Relay != "+33199005000" || p.Number != mobile || p.Public != "relay" {
			t.Errorf("promised: %+v", p)
		}
	})
	inOffice(t, func(t *testing.T, o *office) { // a service without a centre
		def := *o.srv.Service()
		def.Access.Relay = nil
		o.srv.Service = func() *service.Definition { return &def }
		r := o.reader().get("/fr/rappel?relais=1").lacks("centre relais")
		r.submit("subject", "etrangers/titre-sejour", "relay", "1", "number", "06 39 98 00 12")
		r.submit("slot", r.slots()[0])
		r.submit("code", o.code(mobile))
		if p := o.desk.only(t); p.Relay != "" {
			t.Errorf("promised: %+v", p)
		}
	})
}

func TestACitizenTakesAPlaceInLineInEnglish(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		r := o.reader().get("/en/rappel").wants(200, "Ask to be called back", "Residence permit")
		r.submit("subject", "conduite/permis", "number", "+33 6 39 98 00 12").wants(200, "When would you like to be called?", "10:30 a.m.")
		r.submit("slot", "place").wants(200, "Confirm your number", "Val-d'Arzon Prefecture")
		if !strings.Contains(o.sent[0].Text, "is your code") {
			t.Errorf("the code says %q", o.sent[0].Text)
		}
		code := o.code(mobile)
		r.submit("code", " "+code[:3]+" "+code[3:]).wants(200, "Your callback", "As soon as your turn comes", "Driving licence")
		if p := o.desk.only(t); p.Kind != callback.Place || p.Lang != "en" {
			t.Errorf("promised: %+v", p)
		}
	})
}

func TestWhatIsTypedWronglyIsSaidClearlyAndNothingTypedIsLost(t *testing.T) {
	for _, c := range []struct {
		name, number, subject string
		field, says           string
	}{
		{"nothing", "", "etrangers/titre-sejour", "number", "Indiquez votre numéro de téléphone mobile"},
		{"blanks", "   ", "etrangers/titre-sejour", "number", "Indiquez votre numéro"},
		{"too short", "06 39 98 00", "etrangers/titre-sejour", "number", "Un numéro français a 10 chiffres"},
		{"too long", "06 39 98 00 12 3", "etrangers/titre-sejour", "number", "Un numéro français a 10 chiffres"},
		{"letters", "zéro six", "etrangers/titre-sejour", "number", "autre chose que des chiffres"},
		{"markup", `"><script>alert(1)</script>`, "etrangers/titre-sejour", "number", "autre chose que des chiffres"},
		{"a landline", "01 99 00 12 34", "etrangers/titre-sejour", "number", "ne reçoit pas de SMS"},
		{"a landline of La Réunion", "0262 99 00 12", "etrangers/titre-sejour", "number", "appelez-nous au 01 99 00 39 40"},
		{"a box", "09 72 99 00 12", "etrangers/titre-sejour", "number", "ne reçoit pas de SMS"},
		{"an emergency number", "112", "etrangers/titre-sejour", "number", "numéro d'urgence"},
		{"a short number", "3939", "etrangers/titre-sejour", "number", "numéro court"},
		{"a premium number", "0892 99 00 12", "etrangers/titre-sejour", "number", "surtaxé"},
		{"our own number", "01 99 00 39 40", "etrangers/titre-sejour", "number", "C'est notre numéro"},
		{"a country that is not called", "+44 20 7946 0000", "etrangers/titre-sejour", "number", "Nous ne pouvons pas appeler ce pays"},
		{"no subject", "06 39 98 00 12", "", "subject", "Choisissez le sujet"},
		{"a subject of another service", "06 39 98 00 12", "mairie/", "subject", "Choisissez le sujet"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inOffice(t, func(t *testing.T, o *office) {
				r := o.reader().get("/fr/rappel").submit("subject", c.subject, "number", c.number)
				r.wants(http.StatusUnprocessableEntity, "Être rappelé", c.says, "<title>Erreur : ", `id="`+c.field+`-error"`)
				if m := errorTag.FindAllStringSubmatch(r.body, -1); len(m) != 1 || m[0][1] != c.field {
					t.Errorf("the summary lists %q", m)
				}
				if !strings.Contains(r.body, `id="`+c.field+`"`) {
					t.Errorf("the summary leads nowhere: no %q", c.field)
				}
				if c.number != "" && !strings.Contains(r.body, `value="`+c.number+`"`) {
					t.Error("the number typed is lost")
				}
				if c.subject == "etrangers/titre-sejour" && !strings.Contains(r.body, `value="etrangers/titre-sejour" checked`) {
					t.Error("the subject chosen is lost")
				}
				if o.texts() != 0 || o.desk.asked != 0 {
					t.Error("something was sent or promised")
				}
			})
		})
	}
}

func TestTwoMistakesAreBothSaid(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		r := o.reader().get("/en/rappel").submit("number", "12")
		r.wants(422, "Ask to be called back", "There are 2 things to correct", `href="#subject"`, `href="#number"`)
	})
}

func TestANumberIsTakenInAnyFrenchForm(t *testing.T) {
	for form, want := range map[string]call.Number{
		"0639980012": mobile, "06.39.98.00.12": mobile, "06-39-98-00-12": mobile, "+33 (0)6 39 98 00 12": mobile, "0033639980012": mobile,
		"tel:+33639980012": mobile, "06\u00a039\u202f98 00 12": mobile, "0692 99 00 12": "+262692990012", "+262 692 99 00 12": "+262692990012",
	} {
		inOffice(t, func(t *testing.T, o *office) {
			o.reader().toCode(form, "")
			if o.sent[0].To != want {
				t.Errorf("%s was taken for %s", form, string(o.sent[0].To))
			}
		})
	}
}

func TestHoursAreThoseOfTheCitizenAndTheNoteSaysSo(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		r := o.reader().get("/fr/rappel").submit("subject", "accueil/", "number", "0692 99 00 12")
		// 10:30 in Paris, in winter, is 13:30 on the island; its day ends at 20:00.
		r.wants(200, "Quand souhaitez-vous être rappelé ?", "La Réunion (UTC+04:00)", "13 h 30", "Ces horaires sont ceux de la France métropolitaine").lacks("10 h 30", "20 h")
		r.submit("slot", r.slots()[1]).wants(200, "Confirmez votre numéro", "entre 13 h 30 et 13 h 45")
		r.submit("code", o.code("+262692990012")).wants(200, "Votre rappel", "entre 13 h 30 et 13 h 45", "La Réunion (UTC+04:00)")
	})
}

func TestWhoIsElsewhereChoosesTheHoursOfThatPlace(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		r := o.reader().get("/fr/rappel").submit("subject", "accueil/", "number", "06 39 98 00 12").wants(200, "Quand souhaitez-vous être rappelé ?", "Vous êtes ailleurs ?")
		action, form := r.filled()
		for _, zone := range []string{"Mars/Olympus", ""} {
			r.get(action+"?"+url.Values{"e": form["e"], "ailleurs": {zone}}.Encode()).wants(200, "Quand souhaitez-vous être rappelé ?", "10 h 30").lacks("comme vous l'avez indiqué")
		}
		r.get(action + "?" + url.Values{"e": form["e"], "ailleurs": {"Indian/Reunion"}}.Encode())
		r.wants(200, "Quand souhaitez-vous être rappelé ?", "La Réunion (UTC+04:00), comme vous l'avez indiqué", "13 h 30").lacks("10 h 30")
		r.submit("slot", r.slots()[1]).wants(200, "Confirmez votre numéro", "entre 13 h 30 et 13 h 45")
		r.submit("code", o.code(mobile)).wants(200, "Votre rappel", "entre 13 h 30 et 13 h 45", "comme vous l'avez indiqué")
		p := o.desk.only(t)
		if p.Zone != "Indian/Reunion" || p.Number != mobile {
			t.Errorf("promised: %+v", p)
		}
		r.get(o.link(p)+"/deplacer").wants(200, "Changer d'horaire", "comme vous l'avez indiqué")
	})
}

func TestNoHourNoWrongHourAndNoHourThatIsGoneAreAccepted(t *testing.T) {
	for name, c := range map[string]struct{ slot, says string }{
		"none":               {"", "Choisissez quand vous souhaitez être rappelé"},
		"past":               {strconv.FormatInt(time.Date(2000, 1, 3, 8, 0, 0, 0, time.UTC).Unix(), 10), "n'est plus libre"},
		"at night":           {strconv.FormatInt(time.Date(2000, 1, 4, 2, 0, 0, 0, time.UTC).Unix(), 10), "n'est plus libre"},
		"not a quarter":      {strconv.FormatInt(time.Date(2000, 1, 4, 9, 7, 0, 0, time.UTC).Unix(), 10), "n'est plus libre"},
		"nonsense":           {"demain", "n'est plus libre"},
		"beyond all numbers": {"99999999999999999999", "n'est plus libre"},
	} {
		t.Run(name, func(t *testing.T) {
			inOffice(t, func(t *testing.T, o *office) {
				r := o.reader().get("/fr/rappel").submit("subject", "accueil/", "number", "0639980012")
				r.submit("slot", c.slot).wants(422, "Quand souhaitez-vous être rappelé ?", c.says, `id="slot"`, `aria-describedby="slot-error"`)
				if o.texts() != 0 {
					t.Error("a code was sent")
				}
			})
		})
	}
}

func TestAPlaceInLineIsNotOfferedWhenTheLineIsAboutToCloseOrClosed(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		r := o.reader().get("/fr/rappel").submit("subject", "accueil/", "number", "0639980012").wants(200, "Quand souhaitez-vous être rappelé ?", "Dès que possible")
		time.Sleep(6*time.Hour + 30*time.Minute) // 16:35
		r.get("/fr/rappel").submit("subject", "accueil/", "number", "0639980012").wants(200, "Quand souhaitez-vous être rappelé ?").lacks("Dès que possible")
		r.submit("slot", "place").wants(422, "Quand souhaitez-vous être rappelé ?", "la fermeture est trop proche")
	})
}

func TestAllDaysCanBeReachedWithoutScript(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		r := o.reader().get("/fr/rappel").submit("subject", "accueil/", "number", "0639980012")
		later := func() string {
			m := regexpLater.FindStringSubmatch(r.body)
			if m == nil {
				return ""
			}
			return m[1]
		}
		seen := map[string]bool{}
		for pages := 1; ; pages++ {
			for _, s := range r.slots() {
				seen[s] = true
			}
			next := later()
			if next == "" {
				break
			}
			if pages > 10 {
				t.Fatal("the days never end")
			}
			r.get(next).wants(200, "Quand souhaitez-vous être rappelé ?")
		}
		if want := len(o.desk.free(callback.Request{Number: mobile, Queue: "accueil"}, "")) + 1; len(seen) != want {
			t.Errorf("%d choices were shown, want %d", len(seen), want)
		}
		last := r.slots()[len(r.slots())-1]
		r.submit("slot", last).wants(200, "Confirmez votre numéro")
		r.submit("code", o.code(mobile)).wants(200, "Votre rappel", "Lundi 10 janvier"[1:])
	})
}

func TestAWrongCodeCanBeMendedAndFiveEndIt(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		r := o.reader().toCode("0639980012", "")
		code := o.code(mobile)
		r.submit("code", "").wants(422, "Confirmez votre numéro", "Indiquez le code reçu")
		r.submit("code", "12 34").wants(422, "Confirmez votre numéro", "Le code a 6 chiffres", `value="12 34"`)
		r.submit("code", "abcdef").wants(422, "Confirmez votre numéro", "Le code a 6 chiffres")
		for _, says := range []string{"il vous reste 4 essais", "il vous reste 3 essais", "il vous reste 2 essais", "il vous reste 1 essai", "n'est plus valable"} {
			r.submit("code", wrongFor(code)).wants(422, "Confirmez votre numéro", says)
		}
		r.submit("code", code).wants(422, "Confirmez votre numéro", "n'est plus valable")
		if o.desk.asked != 0 {
			t.Fatal("a promise was made without the code")
		}
		action, form := r.filled()
		r.do("POST", action+"/nouveau", form).wants(200, "Confirmez votre numéro", "Un nouveau code est parti")
		if o.texts() != 2 || o.code(mobile) == "" {
			t.Fatalf("%d texts", o.texts())
		}
		r.submit("code", o.code(mobile)).wants(200, "Votre rappel", "C'est noté")
	})
}

func TestALateCodeIsRenewedAndALateBookingKeepsItsSubject(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		r := o.reader().toCode("0639980012", "")
		code := o.code(mobile)
		time.Sleep(10 * time.Minute)
		r.submit("code", code).wants(422, "Confirmez votre numéro", "n'est plus valable")
		time.Sleep(21 * time.Minute)
		r.submit("code", code).wants(200, "Être rappelé", "plus de 30 minutes", `value="etrangers/titre-sejour" checked`).lacks("0639980012", "06 39 98 00 12\"")
	})
}

func TestARestartAsksForANewCode(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		r := o.reader().toCode("0639980012", "")
		code := o.code(mobile)
		o.srv.Codes = NewCodes()
		r.submit("code", code).wants(422, "Confirmez votre numéro", "Demandez un nouveau code")
		action, form := r.filled()
		r.do("POST", action+"/nouveau", form).wants(200, "Confirmez votre numéro", "Un nouveau code est parti")
		if o.sent[0].Key == o.sent[1].Key {
			t.Error("the outbox would leave the new code alone: it has the key of the first")
		}
		r.submit("code", o.code(mobile)).wants(200, "Votre rappel")
	})
}

func TestAFormSentTwiceIsOneCodeAndOnePromise(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		r := o.reader().get("/fr/rappel").submit("subject", "etrangers/titre-sejour", "number", "0639980012")
		action, form := r.filled("slot", r.slots()[2])
		r.do("POST", action, form).do("POST", action, form).wants(200, "Confirmez votre numéro")
		if o.texts() != 1 {
			t.Fatalf("%d codes were sent", o.texts())
		}
		action, form = r.filled("code", o.code(mobile))
		first := r.do("POST", action, form).wants(200, "Votre rappel", "C'est noté").body
		if again := r.do("POST", action, form).wants(200, "Votre rappel").body; again != first {
			t.Errorf("the same form gives another answer:\n%s", again)
		}
		o.desk.only(t)

		// The back button, after the promise was cancelled: nothing new is promised.
		if _, err := o.desk.Cancel(t.Context(), o.desk.only(t).ID, "page"); err != nil {
			t.Fatal(err)
		}
		r.do("POST", action, form).wants(200, "Votre rappel", "Ce rappel est annulé")
		o.desk.only(t)
	})
}

func TestTheBackButtonDoesNotSendAnotherCodeAndChangesTheHour(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		r := o.reader().get("/fr/rappel").submit("subject", "etrangers/titre-sejour", "number", "0639980012")
		times := r.at
		r.submit("slot", r.slots()[1]).wants(200, "Confirmez votre numéro")
		r.get(times)
		want := r.slots()[5]
		r.submit("slot", want).wants(200, "Confirmez votre numéro")
		if o.texts() != 1 {
			t.Errorf("%d codes were sent", o.texts())
		}
		r.submit("code", o.code(mobile)).wants(200, "Votre rappel")
		if p := o.desk.only(t); strconv.FormatInt(p.Slot.Unix(), 10) != want {
			t.Errorf("promised for %s", p.Slot)
		}
		r.get(times).wants(200, "Votre demande est déjà enregistrée").lacks("06 ••")
	})
}

func TestChangingTheNumberIsANewProofAndTheSameNumberIsNot(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		r := o.reader().toCode("0639980012", "")
		back := regexpRestart.FindStringSubmatch(r.body)[1]
		r.get(back).wants(200, "Être rappelé", `value="etrangers/titre-sejour" checked`).lacks("0639980012")
		r.submit("subject", "etrangers/titre-sejour", "number", "06 39 98 00 12")
		r.submit("slot", r.slots()[1]).wants(200, "Confirmez votre numéro")
		if o.texts() != 1 {
			t.Fatalf("the same number was sent %d codes", o.texts())
		}
		old := o.code(mobile)
		r.get(back).submit("subject", "etrangers/titre-sejour", "number", "06 39 98 00 34")
		r.submit("slot", r.slots()[1]).wants(200, "Confirmez votre numéro", "06 •• •• •• 34")
		if o.texts() != 2 {
			t.Fatalf("%d codes were sent", o.texts())
		}
		if fresh := o.code(another); fresh != old {
			r.submit("code", old).wants(422, "Confirmez votre numéro", "n'est pas le bon")
		}
		if o.desk.asked != 0 {
			t.Error("the code of one number was taken for another's")
		}
	})
}

func TestASlotThatGoesWhileTheCodeIsTypedIsChosenAgainWithoutAnotherCode(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		r := o.reader().toCode("0639980012", "")
		other := o.reader().toCode("0639980034", "")
		other.submit("code", o.code(another)).wants(200, "Votre rappel")
		r.submit("code", o.code(mobile)).wants(422, "Quand souhaitez-vous être rappelé ?", "n'est plus libre")
		action, form := r.filled("slot", r.slots()[3])
		first := r.do("POST", action, form).wants(200, "Votre rappel", "C'est noté").at
		if again := r.do("POST", action, form).wants(200, "Votre rappel").at; again != first {
			t.Errorf("the same form leads to %s, then to %s", first, again)
		}
		if o.texts() != 2 || len(o.desk.promises) != 2 {
			t.Errorf("%d codes, %d promises", o.texts(), len(o.desk.promises))
		}
	})
}

func TestNobodyLearnsOfAPromiseBeforeTheCode(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		p := o.promise(mobile, callback.Place)
		pages := func(n string) (all []string) {
			r := o.reader().get("/fr/rappel").submit("subject", "accueil/", "number", n)
			all = append(all, r.body)
			r.submit("slot", r.slots()[1])
			all = append(all, r.body)
			r.submit("code", "12")
			all = append(all, r.body)
			for i := range all {
				all[i] = regexpSealed.ReplaceAllString(all[i], "")
				all[i] = strings.ReplaceAll(strings.ReplaceAll(all[i], "34", ".."), "12", "..")
			}
			return all
		}
		with, without := pages("0639980012"), pages("0639980034")
		for i := range with {
			if with[i] != without[i] {
				t.Errorf("page %d differs for a number that has a promise:\n%s\n%s", i, with[i], without[i])
			}
		}
		r := o.reader().toCode("0639980012", "")
		r.submit("code", o.code(mobile)).wants(200, "Votre rappel", "Un rappel était déjà prévu", "Dès que votre tour vient")
		if got := o.desk.only(t); got != p {
			t.Errorf("the promise became %+v", got)
		}
	})
}

func TestTheCodesOfANumberAndOfAnAddressAreLimited(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		for range 3 {
			o.reader().toCode("0639980012", "")
		}
		r := o.reader().get("/fr/rappel").submit("subject", "accueil/", "number", "0639980012")
		r.submit("slot", r.slots()[1]).wants(429, "Trop de codes demandés pour ce numéro", "à partir de 11 h 06 (aujourd'hui)", "01 99 00 39 40")
		if r.answer.Get("Retry-After") == "" || o.texts() != 3 {
			t.Errorf("Retry-After %q, %d texts", r.answer.Get("Retry-After"), o.texts())
		}
		for i := range 17 {
			o.reader().toCode("06399801"+strconv.Itoa(10+i), "")
		}
		r.get("/fr/rappel").submit("subject", "accueil/", "number", "0639980055")
		r.submit("slot", r.slots()[1]).wants(429, "Trop de codes demandés", "depuis votre connexion")
		r.from = "192.0.2.8:40000"
		r.get("/fr/rappel").submit("subject", "accueil/", "number", "0639980055")
		r.submit("slot", r.slots()[1]).wants(200, "Confirmez votre numéro")
	})
}

func TestWhenTheCodeCannotBeSentItIsSaidAndMayBeTriedAgain(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		r := o.reader().get("/fr/rappel").submit("subject", "accueil/", "number", "0639980012")
		action, form := r.filled("slot", r.slots()[1])
		o.fail = errors.New("the disk is full")
		for range 5 { // it counts for nothing
			r.do("POST", action, form).wants(503, "Un incident technique nous empêche de répondre", "01 99 00 39 40")
		}
		o.fail = nil
		r.do("POST", action, form).wants(200, "Confirmez votre numéro")
		if log := o.log.String(); !strings.Contains(log, "the disk is full") || strings.Contains(log, "639980012") || strings.Contains(log, "06399800") {
			t.Errorf("the log says %s", log)
		}
	})
}

func TestWhenTheDeskFailsNothingIsSaidToBePromised(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		r := o.reader().toCode("0639980012", "")
		action, form := r.filled("code", o.code(mobile))
		o.desk.err = errors.New("the database is away")
		r.do("POST", action, form).wants(503, "Un incident technique nous empêche de répondre")
		o.desk.err = nil
		r.do("POST", action, form).wants(200, "Votre rappel", "C'est noté")
	})
}

func TestTheDesksRefusalsAreSaidAfterTheCode(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		r := o.reader().toCode("0639980012", "")
		o.desk.err = &callback.Refusal{Why: callback.WhyTooMany}
		r.submit("code", o.code(mobile)).wants(429, "Nous ne pouvons pas noter ce rappel", "demain")
	})
}

func TestAServiceThatCallsNobodyBackSaysSo(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		def := *o.def
		def.Callback.On = false
		o.def = &def
		o.reader().get("/fr/rappel").wants(404, "Pas de rappel en ce moment", "01 99 00 39 40").lacks("<form", "Demander un rappel")
		o.reader().do("POST", "/en/rappel", url.Values{}).wants(404, "No callbacks at the moment")
	})
}

func TestWhenAllIsTakenItIsSaidWithWhatToDo(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		def := *o.def
		def.Callback.Place = false
		o.def = &def
		o.desk.def.Callback.PerSlot = 0
		o.reader().get("/fr/rappel").submit("subject", "accueil/", "number", "0639980012").wants(200, "Plus d'horaire libre", "réessayez demain", "01 99 00 39 40")
	})
}

func TestAServiceOfOneSubjectDoesNotAskForIt(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		o.def.Menus = nil
		o.def.Queues = map[string]*service.Queue{"accueil": o.def.Queues["accueil"]}
		r := o.reader().get("/fr/rappel").wants(200, "Être rappelé").lacks("À quel sujet", `type="radio"`)
		r.submit("number", "0639980012").wants(200, "Quand souhaitez-vous être rappelé ?")
	})
}

func TestAForgedOrMissingBookingBeginsAgain(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		r := o.reader()
		for _, step := range []string{"/fr/rappel/horaire", "/fr/rappel/code", "/fr/rappel/horaire?e=AAAA", "/fr/rappel/code?e=" + strings.Repeat("x", 3000)} {
			r.get(step).wants(200, "Être rappelé", "le lien est incomplet")
		}
		for _, step := range []string{"/fr/rappel/horaire", "/fr/rappel/code", "/fr/rappel/code/nouveau"} {
			r.do("POST", step, url.Values{"e": {"AAAA"}, "slot": {"place"}, "code": {"123456"}}).wants(200, "Être rappelé", "Rien n'a été enregistré")
		}
		if o.texts() != 0 || o.desk.asked != 0 {
			t.Error("something was sent or promised")
		}
	})
}

func TestTenFormsWithTheRightCodeAtOnceMakeOnePromise(t *testing.T) {
	o := newOffice(t, time.Now)
	o.def.Hours.Week = [7][]service.Range{}
	for day := range o.def.Hours.Week {
		o.def.Hours.Week[day] = []service.Range{{From: 0, To: 24 * 60}}
	}
	r := o.reader().toCode("0639980012", "")
	action, form := r.filled("code", o.code(mobile))
	var wg sync.WaitGroup
	ends := make([]string, 10)
	for i := range ends {
		wg.Go(func() {
			r := o.reader().do("POST", action, form)
			ends[i] = r.heading() + r.at
		})
	}
	wg.Wait()
	o.desk.only(t)
	for _, e := range ends {
		if e != ends[0] || !strings.HasPrefix(e, "Votre rappel/p/") || !strings.Contains(e, "fait=nouveau") {
			t.Errorf("one ended at %s, another at %s", ends[0], e)
		}
	}
}
