package service

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func parsed(t *testing.T, more string) *Definition {
	t.Helper()
	d, err := Parse("x.yaml", []byte(small+more))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestNothingIsPromisedWhereTheSectionIsNotWrittenAndWhatWasIsKeptByTheDefaults(t *testing.T) {
	d, off := parsed(t, ""), DefaultCallback()
	off.On = false
	if !reflect.DeepEqual(d.Callback, off) || len(d.Links) != 0 {
		t.Errorf("%+v, %v", d.Callback, d.Links)
	}
}

func TestAnEmptySectionHasTheDefaultsOfTheReference(t *testing.T) {
	c := parsed(t, "callback: {}\n").Callback
	if !reflect.DeepEqual(c, DefaultCallback()) {
		t.Errorf("%+v", c)
	}
	if !c.On || c.OfferAbove != 3*time.Minute || !c.Place || !c.Slots || !c.AgentFirst || c.Share != 25 || c.PerSlot != 0 || c.Horizon != 15 ||
		c.Attempts != 3 || !slices.Equal(c.Retry, []time.Duration{10 * time.Minute, time.Hour, NextDay}) || c.Ring != 30*time.Second ||
		c.Answer != 10*time.Second || !c.Speech || c.PerDay != 3 || !c.CutOff || c.InviteAbandoned || len(c.OffPeak.Publics) != 0 {
		t.Errorf("%+v", c)
	}
	if c.Hours.Week[time.Sunday] != nil || c.Hours.Week[time.Saturday][0] != (Range{From: 480, To: 1200}) {
		t.Errorf("hours %v", c.Hours)
	}
	if want := []string{"+33", "+262", "+508", "+590", "+594", "+596", "+681", "+687", "+689"}; !slices.Equal(c.Numbers, want) {
		t.Errorf("numbers %v", c.Numbers)
	}
	DefaultCallback().Numbers[0] = "+1"
	if DefaultCallback().Numbers[0] != "+33" {
		t.Error("the defaults can be changed from outside")
	}
}

func TestEveryKeyOfCallbacksIsRead(t *testing.T) {
	c := parsed(t, `
callback:
  offer_above: 90s
  kinds: slot
  first: citizen
  numbers: [metropole, "+687", +32, metropole]
  hours: {mon-fri: 09:00-19:00}
  share: 40
  per_slot: 2
  days: 10
  attempts: 5
  retry: [5m, next-day]
  ring: 45s
  answer: 8s
  speech: false
  per_day: 2
  cut_off: false
  abandoned: sms
  off_peak: {publics: [vulnerable, overseas], hours: {tue: 13:30-15:00}}
`).Callback
	want := Callback{
		On: true, OfferAbove: 90 * time.Second, Slots: true, Numbers: []string{"+32", "+33", "+687"}, Share: 40, PerSlot: 2, Horizon: 10,
		Attempts: 5, Retry: []time.Duration{5 * time.Minute, NextDay}, Ring: 45 * time.Second, Answer: 8 * time.Second, PerDay: 2,
		InviteAbandoned: true, OffPeak: OffPeak{Publics: []string{"vulnerable", "overseas"}, Hours: Hours{Week: [7][]Range{2: {{810, 900}}}}},
	}
	for day := 1; day <= 5; day++ {
		want.Hours.Week[day] = []Range{{540, 1140}}
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
}

func TestEveryKeyOfALinkIsRead(t *testing.T) {
	d := parsed(t, `
infos:
  venir: {prompt: bonjour, queue: accueil, link: site}
links:
  site:
    url: https://www.arzon.example/demarches
    label: notre site
    spoken: bonjour
    check: http://127.0.0.1:8080/sante
    every: 30s
    prompts: [bonjour]
  autre: {url: "https://arzon.example", label: {fr: autre}, every: 0}
`)
	want := &Link{
		ID: "site", URL: "https://www.arzon.example/demarches", Label: Text{"fr": {Say: "notre site"}}, Spoken: "bonjour",
		Check: "http://127.0.0.1:8080/sante", Every: 30 * time.Second, Prompts: []string{"bonjour"},
	}
	if got := d.Links["site"]; !reflect.DeepEqual(got, want) || d.Infos["venir"].Link != "site" {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if l := d.Links["autre"]; l.Check != l.URL || l.Every != 0 {
		t.Errorf("%+v", l)
	}
	if d := parsed(t, "links: {l: {url: 'https://arzon.example', label: l}}\n"); d.Links["l"].Every != time.Minute {
		t.Errorf("%+v", d.Links["l"])
	}
}

// Each row is a part of a definition, where its mistake is, and the whole message.
func TestMistakesInCallbacksAndLinksAreNamedWithWhatToWrite(t *testing.T) {
	link := func(keys string) string { return "links:\n  l: {label: site, " + keys + "}\n" }
	for _, c := range []struct{ text, at, want string }{
		{"callback:\n  ofer_above: 3m\n", "ofer_above", `unknown key "ofer_above" in "callback"; write "offer_above"`},
		{"callback: yes\n", "yes", `"callback" is a value, not a group of keys; write its keys below it, indented`},
		{"callback: {offer_above: 3}\n", "3}", `"offer_above" of "callback" is "3", not a duration; write 3s for seconds or 3m for minutes`},
		{"callback: {offer_above: 2h}\n", "2h", `"offer_above" of "callback" is 2h; write a duration from 1s to 1h`},
		{"callback: {kinds: [place, slots]}\n", "slots", `"slots" is not a value of "kinds" in "callback"; write "slot"`},
		{"callback: {kinds: [place, place]}\n", "place]", `"place" is written twice in "kinds" of "callback"; keep one of them`},
		{"callback: {kinds: []}\n", "[]", `"kinds" of "callback" is an empty list; write at least one of place, slot, or take the key out`},
		{"callback: {first: agents}\n", "agents", `"agents" is not a value of "first" in "callback"; write "agent"`},
		{"callback: {numbers: [metropol]}\n", "metropol", `"metropol" is neither a group of numbers nor what a number begins with; write "metropole", or + and the country, in quotes, such as "+32"`},
		{"callback: {numbers: [\"0032\"]}\n", `"0032"`, `"0032" is not what a number begins with; write + and the country, in quotes, such as "+32"`},
		{"callback: {numbers: [\"+0\"]}\n", `"+0"`, `"+0" is neither a group of numbers nor what a number begins with; write one of metropole, outre-mer, or + and the country, in quotes, such as "+32"`},
		{"callback: {numbers: []}\n", "[]", `"numbers" of "callback" is an empty list: nobody could be called back; write metropole, outre-mer or prefixes such as "+32", or take the key out`},
		{"callback: {hours: {mon-fri: closed}}\n", "mon-fri", `"callback.hours" has no hours: nobody would ever be called back; write some, such as mon-sat: 08:00-20:00`},
		{"callback: {hours: {mon: 20:00-08:00}}\n", "20:00", `range 20:00-08:00 ends before it begins; write the earlier time first; a night is two ranges, until 24:00 and from 00:00 the next day`},
		{"callback: {share: 0}\n", "0}", `"share" of "callback" is "0"; write a whole number from 1 to 100`},
		{"callback: {days: 16}\n", "16", `"days" of "callback" is "16"; write a whole number from 1 to 15`},
		{"callback: {attempts: 11}\n", "11", `"attempts" of "callback" is "11"; write a whole number from 1 to 10`},
		{"callback: {retry: [10m, tomorrow]}\n", "tomorrow", `"tomorrow" in "retry" of "callback" is not a delay; write a number with its unit, such as "10m" or "1h", or next-day`},
		{"callback: {retry: [10s]}\n", "10s", `a delay in "retry" of "callback" is 10s; write a duration from 1m to 12h, or next-day`},
		{"callback: {retry: []}\n", "[]", `"retry" of "callback" is an empty list; write at least one delay, such as 10m or next-day, or "attempts: 1" for a single try`},
		{"callback: {ring: 5s}\n", "5s", `"ring" of "callback" is 5s; write a duration from 10s to 2m`},
		{"callback: {answer: 1s}\n", "1s", `"answer" of "callback" is 1s; write a duration from 3s to 30s`},
		{"callback: {speech: maybe}\n", "maybe", `"speech" of "callback" is "maybe"; write true or false`},
		{"callback: {abandoned: call}\n", "call}", `"call" is not a value of "abandoned" in "callback"; write one of nothing, sms`},
		{"callback: {off_peak: {publics: [vip], hours: {mon: 10:00-11:00}}}\n", "vip", `"vip" is not a value of "publics" in "off_peak"; write one of deaf, general, overseas, professional, relay, vulnerable`},
		{"callback:\n  off_peak: {publics: [deaf]}\n", "publics", `key "hours" is missing in "off_peak"; write hours: and the quiet hours, such as mon-fri: 13:30-15:00`},
		{"callback:\n  off_peak: {hours: {mon: 10:00-11:00}}\n", "hours", `key "publics" is missing in "off_peak"; write publics: and who is called back at quiet hours, such as [vulnerable]`},
		{"links:\n  l: {label: site}\n", "label", `key "url" is missing in link "l"; write url: and the address, such as https://www.example.fr/demarches`},
		{"links:\n  l: {url: 'https://a.example'}\n", "url", `key "label" is missing in link "l"; write label: and what the link is, such as our website`},
		{link("url: www.arzon.example"), "www", `"url" of link "l" is "www.arzon.example", not an address; write it in full, such as https://www.example.fr/demarches`},
		{link("url: 'http://arzon.example'"), "'http", `"url" of link "l" is "http://arzon.example", an address that is not protected; write https://`},
		{link("url: 'ftp://arzon.example'"), "'ftp", `"url" of link "l" is "ftp://arzon.example", not an address of a site; write https://`},
		{link("url: 'https://u:p@arzon.example'"), "'https", `"url" of link "l" is "https://u:p@arzon.example", an address with a password in it; take it out: the address is sent to everybody`},
		{link("url: 'https://arzon.example/été'"), "'https", `"url" of link "l" is "https://arzon.example/été", an address with characters that not every telephone opens; write accents as %C3%A9 in the path, and as xn--… in the name of the site`},
		{link("url: 'https://arzon.example/" + strings.Repeat("a", 140) + "'"), "'https", `"url" of link "l" is "https://arzon.example/` + strings.Repeat("a", 140) + `", an address of 162 characters; write a shorter one, at most 160 characters and better 60`},
		{link("url: 'https://a.example', check: 'http://a.example'"), "'http:", `"check" of link "l" is "http://a.example", an address that is not protected; write https://`},
		{link("url: 'https://a.example', every: 5s"), "5s", `"every" of link "l" is 5s, which burdens the site; write 10s or more, or 0 to check it never`},
		{link("url: 'https://a.example', every: 48h"), "48h", `"every" of link "l" is 48h; write a duration from 0s to 24h`},
		{link("url: 'https://a.example', spoken: bonsoir"), "bonsoir", `prompt "bonsoir", named by link "l", is not defined; write "bonjour", or define it in "prompts"`},
		{link("url: 'https://a.example', prompts: [bonjou]"), "bonjou", `prompt "bonjou", named by link "l", is not defined; write "bonjour", or define it in "prompts"`},
		{"links:\n  L: {url: 'https://a.example', label: l}\n", "L:", `"L" cannot name a link; use small letters without accents, digits, - and _, at most 48 of them`},
		{"infos:\n  i: {prompt: bonjour, queue: accueil, link: site}\n", "site", `link "site", named by info "i", is not defined; define it in "links"`},
	} {
		text := small + c.text
		_, err := Parse("x.yaml", []byte(text))
		var problems Problems
		if !errors.As(err, &problems) {
			t.Errorf("%q was accepted: %v", c.text, err)
			continue
		}
		place := len(small) + strings.Index(c.text, c.at)
		column := 1 + len([]rune(text[strings.LastIndex(text[:place], "\n")+1:place]))
		want := fmt.Sprintf("x.yaml:%d:%d: %s", 1+strings.Count(text[:place], "\n"), column, c.want)
		if err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}
