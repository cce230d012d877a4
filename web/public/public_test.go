package public

import (
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"decroche/call"
	"decroche/callback"
	"decroche/text"
)

// everyPage visits each kind of page once, in each language.
func everyPage(t *testing.T, o *office, look func(r *reader)) {
	t.Helper()
	p := o.promise(another, callback.Slot)
	for i, lang := range []string{"fr", "en", "es", "de", "it"} {
		r := o.reader()
		look(r.get("/" + lang + "/rappel"))
		look(r.submit("number", "12"))
		look(r.submit("subject", "accueil/", "number", fmt.Sprint("0692 99 00 1", i)))
		look(r.submit())
		look(r.submit("slot", r.slots()[1]))
		look(r.submit("code", "1"))
		look(r.submit("code", o.code(call.Number(fmt.Sprint("+26269299001", i)))))
		in := "?lang=" + lang
		link := o.link(p)
		for _, page := range []string{link, link + "/deplacer", link + "/annuler", "/p/" + strings.Repeat("a", 25), "/" + lang + "/nowhere"} {
			look(r.get(page + in))
		}
		r.header.Set("Sec-Fetch-Site", "cross-site")
		look(r.do("POST", "/"+lang+"/rappel", url.Values{}))
	}
}

func TestEveryPageIsStrictLightAndComplete(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		tag := regexp.MustCompile(`<html lang="(fr|en|es|de|it)">`)
		outside := regexp.MustCompile(`(?i)(src|href|action)="(https?:)?//`)
		missing := regexp.MustCompile(`\b(page|time|smsreply)\.[a-z]`)
		everyPage(t, o, func(r *reader) {
			for header, want := range map[string]string{
				"Content-Security-Policy":   "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
				"Strict-Transport-Security": "max-age=31536000",
				"X-Content-Type-Options":    "nosniff",
				"Cache-Control":             "no-store",
				"Referrer-Policy":           "same-origin",
				"X-Robots-Tag":              "noindex, nofollow",
				"Content-Type":              "text/html; charset=utf-8",
			} {
				if got := r.answer.Get(header); got != want {
					t.Errorf("%s: %s is %q, want %q", r.at, header, got, want)
				}
			}
			if r.answer.Get("Set-Cookie") != "" || strings.Contains(r.body, "<script") || strings.Contains(r.body, " style=") || outside.MatchString(r.body) {
				t.Errorf("%s has a cookie, a script, a style of its own or somebody else's address", r.at)
			}
			if !tag.MatchString(r.body) || strings.Count(r.body, "<h1") != 1 || r.heading() == "" || !strings.Contains(r.body, "<title>") {
				t.Errorf("%s has no language, no title, or not one heading", r.at)
			}
			if missing.MatchString(r.body) || strings.Contains(r.body, "{") || strings.Contains(r.body, "%!") {
				t.Errorf("%s has a text that is missing or not filled in:\n%s", r.at, r.text())
			}
			if len(r.body)+len(css) > 20_000 {
				t.Errorf("%s weighs %d bytes with its style", r.at, len(r.body)+len(css))
			}
		})
	})
}

func TestThePageWithTheMostHoursIsLight(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		for day := range o.def.Hours.Week {
			o.def.Hours.Week[day] = o.def.Hours.Week[1]
			o.def.Hours.Week[day][0].From, o.def.Hours.Week[day][0].To = 8*60, 13*60
			o.def.Hours.Week[day][1].From, o.def.Hours.Week[day][1].To = 13*60, 20*60
		}
		r := o.reader().get("/fr/rappel").submit("subject", "accueil/", "number", "0639980012")
		if n := len(r.body) + len(css); n > 20_000 || len(r.slots()) < 30 {
			t.Errorf("%d choices weigh %d bytes with the style", len(r.slots()), n)
		}
	})
}

func TestTheLanguageIsTheBrowsersAtFirstAndCanBeSwitched(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		for accept, want := range map[string]string{
			"": "/fr", "fr-FR,fr;q=0.9,en;q=0.8": "/fr", "en-GB,en;q=0.9": "/en", "de,en;q=0.5": "/de",
			"es-MX": "/es", "pl": "/fr", "nonsense;;;": "/fr", strings.Repeat("x", 5000): "/fr",
		} {
			r := o.reader()
			r.header.Set("Accept-Language", accept)
			if got := r.get("/").at; got != want {
				t.Errorf("%.40q leads to %s, want %s", accept, got, want)
			}
		}
		r := o.reader()
		r.header.Set("Accept-Language", "en")
		if r.get("/fr/"); r.at != "/fr" {
			t.Errorf("/fr/ leads to %s", r.at)
		}
		r.get("/fr/rappel")
		other := regexp.MustCompile(`<a href="([^"]+)" lang="en" hreflang="en">English</a>`)
		r.submit("subject", "accueil/", "number", "0639980012")
		r.get(other.FindStringSubmatch(r.body)[1]).wants(200, "When would you like to be called?", "06 •• •• •• 12")
		p := o.promise(another, callback.Slot)
		r.get(o.link(p)).wants(200, "Votre rappel")
		r.get(other.FindStringSubmatch(r.body)[1]).wants(200, "Your callback")
	})
}

func TestAFormOfAnotherSiteIsRefused(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		p := o.promise(mobile, callback.Slot)
		action, form := o.reader().get(o.link(p) + "/annuler").filled()
		for header, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"} {
			r := o.reader()
			r.header.Set(header, value)
			r.do("POST", action, form).wants(403, "Demande refusée par sécurité")
		}
		if o.desk.only(t) != p {
			t.Fatal("another site changed the promise")
		}
		r := o.reader() // an older browser, behind a proxy that gives us another host
		r.header.Set("Origin", "https://rappel.example.fr")
		r.do("POST", action, form).wants(200, "Votre rappel", "Ce rappel est annulé")
	})
}

func TestAFormThatIsTooLongIsRefused(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		o.reader().do("POST", "/fr/rappel", url.Values{"number": {strings.Repeat("0", 1<<20)}}).wants(400, "Formulaire illisible")
	})
}

func TestWhatIsNotThereIsSaidPolitely(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		r := o.reader()
		for _, page := range []string{"/wp-login.php", "/p/", "/p/x/y", "/pl/rappel", "/fr/rappel/autre"} {
			r.get(page).wants(404, "Cette page n'existe pas", "01 99 00 39 40")
		}
		r.get("/en/x").wants(404, "This page does not exist")
		r.do("POST", "/robots.txt", url.Values{}).wants(404, "Cette page n'existe pas")
	})
}

func TestFilesBesideThePages(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		r := o.reader().get(cssPath)
		if r.status != 200 || r.answer.Get("Content-Type") != "text/css; charset=utf-8" || !strings.Contains(r.answer.Get("Cache-Control"), "immutable") {
			t.Errorf("the style: %d, %v", r.status, r.answer)
		}
		if strings.Contains(r.body, "url(") || strings.Contains(r.body, "@import") {
			t.Error("the style fetches something else")
		}
		if r.get("/icon.svg"); r.status != 200 || r.answer.Get("Content-Type") != "image/svg+xml" {
			t.Errorf("the icon: %d", r.status)
		}
		if r.get("/robots.txt"); r.status != 200 || !strings.Contains(r.body, "Disallow: /") {
			t.Errorf("robots.txt: %d", r.status)
		}
	})
}

func TestWithoutHTTPSNothingIsSaidOfIt(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		o.srv.Signer.Base = "http://127.0.0.1:8081"
		if got := o.reader().get("/fr/rappel").answer.Get("Strict-Transport-Security"); got != "" {
			t.Errorf("HSTS over http: %q", got)
		}
	})
}

func TestEveryTextOfThePagesIsUsed(t *testing.T) {
	var used strings.Builder
	for _, name := range []string{"book.go", "promise.go", "survey.go", "view.go", "public.go", "codes.go", "menu.go", "chat.go"} {
		used.Write(source(t, name))
	}
	names, err := files.ReadDir("templates")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		used.Write(mustRead("templates/" + n.Name()))
	}
	// Made of a word and a value.
	made := regexp.MustCompile(`^(refused|state|told|zone|toomany|off|full|done|missing|expired|foreign|unreadable|broken|chat\.(off|expired|toomany|who|state)|menu\.(open|closed)|survey\.(question|score|expired|refused))\.`)
	for _, id := range text.IDs("fr") {
		id, ours := strings.CutPrefix(id, "page.")
		if ours && !made.MatchString(id) && !strings.Contains(used.String(), `"`+id+`"`) {
			t.Errorf("the text %s is said nowhere", id)
		}
	}
}

func TestEveryRefusalHasItsWords(t *testing.T) {
	for _, why := range []callback.Why{
		callback.WhyOff, callback.WhyWithheld, callback.WhyEmergency, callback.WhyShort, callback.WhyPremium, callback.WhyForeign,
		callback.WhyInvalid, callback.WhyOurs, callback.WhyTooMany, callback.WhyFull, callback.WhyAsleep, callback.WhySlot,
	} {
		if say("fr", "refused."+string(why)) == "page.refused."+string(why) {
			t.Errorf("%s has no words", why)
		}
	}
}

func source(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
