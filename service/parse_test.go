package service

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// small is the least a definition can be.
const small = `service: mairie
name: Mairie
numbers: [01 99 00 39 39]
hours:
  mon-fri: 08:30-12:30, 13:30-17:00
entry:
  welcome: bonjour
  menu: main
menus:
  main:
    prompt: bonjour
    queue: accueil
    choices:
      0: person
queues:
  accueil:
closed: {prompt: bonjour}
saturated: {prompt: bonjour}
prompts:
  bonjour: {fr: Bonjour.}
`

func TestTheLeastDefinitionHasTheDefaultsOfTheReference(t *testing.T) {
	d, err := Parse("mairie.yaml", []byte(small))
	if err != nil {
		t.Fatal(err)
	}
	q, m := d.Queues["accueil"], d.Menus["main"]
	if q.RingTimeout != 20*time.Second || q.WrapUp != 30*time.Second || q.Announce != 30*time.Second || q.DefaultAHT != 5*time.Minute || q.MaxWaiting != 0 {
		t.Errorf("queue %+v", q)
	}
	if m.Timeout != 5*time.Second || d.Location.String() != "Europe/Paris" || d.Holidays != "metropole" || d.Present != "+33199003939" || d.Languages[0] != "fr" {
		t.Errorf("menu %+v of %+v", m, d)
	}
	if d.Limits != (Limits{MaxChoices: 4, MaxDepth: 2, SpeechToPerson: 45 * time.Second, MaxNumbers: 3}) {
		t.Errorf("limits %+v", d.Limits)
	}
}

// Each row is one edit of the demonstration and the whole message it gives: place, what, fix.
func TestEveryMistakeIsNamedWithItsPlaceAndWhatToWrite(t *testing.T) {
	source, err := os.ReadFile("../demo/prefecture.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		before, after string
		at            string // the text at the place, on its line
		want          string // after "file:line:column: "
	}{
		{"    prompt: menu-principal", "    promt: menu-principal", "promt:", `unknown key "promt" in menu "principal"; write "prompt"`},
		{"holidays: metropole", "holiday: metropole", "holiday:", `unknown key "holiday" in the definition; write "holidays"`},
		{"holidays: metropole", "holidays: martinik", "martinik", `"martinik" is not a value of "holidays" in the definition; write "martinique"`},
		{"time_zone: Europe/Paris", "time_zone: Europe/Pari", "Europe/Pari", `time zone "Europe/Pari" is not known; write "Europe/Paris"`},
		{"languages: [fr, en]", "languages: [fr, en, fr]", "fr]", `language "fr" is written twice; keep one of them`},
		{"number: 01 99 00 39 42", "number: 01 99 00 39 4", "01 99 00 39 4", `"number" of number 4 is "01 99 00 39 4": not a telephone number: a French number has 10 digits, not 9; write it as it is dialled in France, such as 01 99 00 39 39, or with + and the country`},
		{"number: 01 99 00 39 42", "number: 01 99 00 39 40", "number: 01 99 00 39 40", `number 01 99 00 39 40 is written twice, first as number 2; keep one of them`},
		{"  fri: 08:30-12:30, 13:30-16:30", "  fri: 08:30-12:30, 12:00-16:30", "08:30-12:30, 12:00", `ranges 08:30-12:30 and 12:00-16:30 overlap on fri; end the first before the second begins`},
		{"  fri: 08:30-12:30, 13:30-16:30", "  fri: 16:30-13:30", "16:30-13:30", `range 16:30-13:30 ends before it begins; write the earlier time first; a night is two ranges, until 24:00 and from 00:00 the next day`},
		{"  fri: 08:30-12:30, 13:30-16:30", "  fri: 8h30-12h30", "8h30", `"8h30-12h30" is not a range of hours; write it as 08:30-12:30`},
		{"  fri: 08:30", "  ven: 08:30", "ven:", `"ven" is not a day; write mon, tue, wed, thu, fri, sat or sun, or a span such as mon-fri`},
		{"  fri: 08:30", "  thu-fri: 08:30", "thu-fri:", `thu has hours twice, first on line 30; keep one of them`},
		{"    until: 2027-05-07", "    until: 2027-05-06", "until: 2027-05-06", `closure 2 ends before it begins; write "until" later than "from"`},
		{"    until: 2027-05-07", "    until: 7/5/2027", "7/5/2027", `"until" of closure 2 is "7/5/2027", not a date; write 2026-12-24 or 2026-12-24 12:00, in the service's time zone`},
		{"    queue: accueil\n    choices", "    queue: acueil\n    choices", "acueil", `queue "acueil", named by menu "principal", is not defined; write "accueil", or define it in "queues"`},
		{"      2: {menu: conduite}", "      2: {menu: principal}", "2: {menu: principal}", `menus lead in a circle: principal → principal; lead to a queue, or write "repeat" to say a menu again`},
		{"      2: {queue: conduite, reason: carte-grise}", "      2: {menu: principal}", "2: {menu: principal}", `menus lead in a circle: principal → conduite → principal; lead to a queue, or write "repeat" to say a menu again`},
		{"      3: {info: venir}", "      3: {info: venir, queue: accueil}", "3: {info", `key 3 of menu "principal" does 2 things; write exactly one of menu, info, queue, person, repeat and access`},
		{"      9: repeat", "      9: repete", "repete", `"repete" is not what key 9 of menu "conduite" can do; write "repeat", or {menu: …}, {info: …} or {queue: …}`},
		{"      9: repeat", "      12: repeat", "12:", `"12" is not a key of a telephone; write 0 to 9`},
		{"      9: repeat", `      "*": repeat`, `"*":`, `key "*" has its use everywhere: the same words again, slower and louder; write 0 to 9`},
		{"      9: repeat", `      "#": repeat`, `"#":`, `key "#" has its use everywhere: the same words in a text message; write 0 to 9`},
		{"    needs: {etrangers: 2}", "    needs: {etrangers: 6}", "6}", `"etrangers" of "needs" of queue "etrangers" is "6"; write a whole number from 1 to 5`},
		{"    needs: {etrangers: 2}", "    needs: {etranger: 2}", "etranger:", `skill "etranger", named by "needs" of queue "etrangers", is not defined; write "etrangers", or define it in "skills"`},
		{"    default_aht: 6m", "    default_aht: 360", "360", `"default_aht" of queue "etrangers" is "360", not a duration; write 360s for seconds or 360m for minutes`},
		{"      - {to: accueil, after: 90s}", "      - {to: accueil}", "to: accueil}", `overflow 1 of queue "conduite" never starts; write "after: 2m" for a wait, "longer_than: 5" for a length, or both`},
		{"      - {to: accueil, after: 90s}", "      - {to: conduite, after: 90s}", "to: conduite", `queue "conduite" overflows to itself; write another queue`},
		{"  language_keys: {1: fr, 2: en}", "  language_keys: {1: fr}", "language_keys", `no key chooses language "en"; write a key for it in language_keys, such as 2: en`},
		{"reason: permis}", "reason: permit}", "permit", `reason "permit", named by key 1 of menu "conduite", is not defined; write "permis", or define it in "reasons"`},
		{"    en: Call, general reception.\n", "", "annonce-accueil:", `prompt "annonce-accueil" has no text in "en"; add "en:" below it`},
		{"    en: Call, general reception.\n", "    de: Anruf.\n    en: Call, general reception.\n", "de: Anruf", `language "de" of prompt "annonce-accueil" is not a language of the service; write one of en, fr, or add it to "languages"`},
		{"    en: Call, general reception.\n", "    en: {recording: sons/call.wav}\n", "sons/call.wav", `the recording of prompt "annonce-accueil" in "en", "sons/call.wav", does not exist; put the file there, or take the line out to have the text spoken`},
		{"    en: Call, general reception.\n", "    en: {recording: ../../etc/passwd}\n", "../../etc", `the recording of prompt "annonce-accueil" in "en", "../../etc/passwd", is outside the definition's folder; put it beside the definition and write its path from there`},
		{"    en: Call, general reception.\n", "    en: &a Call\n", "&a", `an anchor or alias (& or *); write the part out where it is used, or quote the text if it begins with & or *`},
		{"present: 01 99 00 39 40", "present: 01 99 00 39 40\npresent: 01 99 00 39 41", "present: 01 99 00 39 41", `key "present" is written twice, first on line 27; keep one of them`},
		{"  welcome: accueil", "  welcome:", "welcome:", `"welcome" has no value in "entry"; write its value, or take the key out`},
		{"closed:\n  prompt: ferme\n", "closed:\n", "hours: horaires\n  other", `key "prompt" is missing in "closed"; write prompt: and the name of a prompt`},
	} {
		if strings.Count(string(source), c.before) == 0 {
			t.Errorf("the demonstration does not hold %q", c.before)
			continue
		}
		text := strings.Replace(string(source), c.before, c.after, 1)
		_, err := Parse("prefecture.yaml", []byte(text))
		var problems Problems
		if !errors.As(err, &problems) {
			t.Errorf("%q was accepted: %v", c.after, err)
			continue
		}
		place := strings.Index(string(source), c.before) + strings.Index(c.after, c.at)
		if c.after == "" || !strings.Contains(c.after, c.at) {
			place = strings.Index(text, c.at)
		}
		line := 1 + strings.Count(text[:place], "\n")
		column := 1 + len([]rune(text[strings.LastIndex(text[:place], "\n")+1:place]))
		want := fmt.Sprintf("prefecture.yaml:%d:%d: %s", line, column, c.want)
		if problems[0].Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

func TestAllMistakesAreToldAtOnceInTheOrderOfTheFile(t *testing.T) {
	text := strings.Replace(small, "prompt: bonjour\n    queue: accueil", "promt: bonjour\n    queue: acueil", 1)
	text = strings.Replace(text, "mon-fri: 08:30", "mon-fri: 25:30", 1)
	_, err := Parse("x.yaml", []byte(text))
	var problems Problems
	if !errors.As(err, &problems) || len(problems) != 3 {
		t.Fatalf("%v", err)
	}
	for i := 1; i < len(problems); i++ {
		if problems[i].Line < problems[i-1].Line {
			t.Errorf("out of order:\n%v", err)
		}
	}
	var one Problem
	if !errors.As(err, &one) || one.Line == 0 {
		t.Error("a single problem cannot be found in the error")
	}
}

func TestARecordingThatExistsIsTakenAndMayStandAlone(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "bonjour.wav"), []byte("RIFF"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(small, "{fr: Bonjour.}", "{fr: {recording: bonjour.wav}}", 1)
	path := filepath.Join(dir, "mairie.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := ParseFile(path)
	if err != nil || d.Prompts["bonjour"]["fr"].Recording != "bonjour.wav" {
		t.Errorf("%v, %v", d, err)
	}
	if err := os.Truncate(filepath.Join(dir, "bonjour.wav"), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := ParseFile(path); err == nil || !strings.Contains(err.Error(), "not a file with sound in it") {
		t.Errorf("an empty recording: %v", err)
	}
}

func TestWhatIsNoDefinitionIsRefusedAtOnce(t *testing.T) {
	deep := strings.Repeat("[", 40)
	for name, c := range map[string]struct{ text, want string }{
		"empty":          {"", "the file is empty"},
		"comments":       {"# nothing\n", "the file is empty"},
		"a list":         {"- a\n- b\n", "the definition is a list, not a group of keys"},
		"a word":         {"bonjour\n", "the definition is a value, not a group of keys"},
		"Latin-1":        {"name: Pr\xe9fecture\n", "x.yaml:1:9: a character that is not UTF-8 text"},
		"a binary file":  {"a\x00b", "x.yaml:1:2: a character that is not UTF-8 text"},
		"two documents":  {"a: 1\n---\nb: 2\n", "a second YAML document"},
		"an open quote":  {"a: 'x\n", "x.yaml:1:4: the YAML cannot be read: could not find end character of single-quoted text"},
		"a tab":          {"a:\n\tb: 1\n", "the YAML cannot be read"},
		"an alias bomb":  {"a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "an anchor or alias"},
		"a merge key":    {"a: &a {x: 1}\nb: {<<: *a}\n", "an anchor or alias"},
		"brackets":       {deep, "nested too deep"},
		"dashes":         {strings.Repeat("- ", 40) + "a", "nested too deep"},
		"deep lines":     {strings.Repeat(" ", 300) + "a: 1", "nested too deep"},
		"a long line":    {"a: " + strings.Repeat("x", 5000), "a line of 5003 bytes"},
		"many lines":     {strings.Repeat("a:\n", 20_000), "more than 10000 lines"},
		"a large file":   {strings.Repeat("a: b\n", 1<<20), "the file has 5242880 bytes, a definition has at most 1048576"},
		"a complex key":  {"? [a, b]\n: 1\n", "the YAML cannot be read"},
		"a tagged value": {"service: !!binary aGVsbG8=\n", "a tag (!)"},
	} {
		_, err := Parse("x.yaml", []byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", name, err, c.want)
		}
	}
}

func TestALargeFileTakesNoMemory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "large.yaml")
	if err := os.WriteFile(path, []byte(strings.Repeat("a: b\n", 1<<20)), 0o600); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := ParseFile(path)
	runtime.ReadMemStats(&after)
	if err == nil || !strings.Contains(err.Error(), "5242880 bytes") {
		t.Errorf("%v", err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 16<<20 {
		t.Errorf("%d MiB were allocated to refuse a file", used>>20)
	}
}

func TestAFileThatIsNotThereIsNamed(t *testing.T) {
	if _, err := ParseFile("nowhere.yaml"); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "nowhere.yaml") {
		t.Errorf("%v", err)
	}
}

func FuzzParseNeverPanicsAndPlacesItsProblemsInTheFile(f *testing.F) {
	source, err := os.ReadFile("../demo/prefecture.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(source))
	f.Add(small)
	f.Add("a: {b: [c, {d: &e f}]}\n? x\n: !!y z\n")
	f.Add(" \r\r0")
	f.Add(small + "callback: {retry: [10m], off_peak: {publics: [deaf]}}\nlinks: {l: {url: 'https://a.example', prompts: [x]}}\n")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 20_000 {
			return
		}
		d, err := Parse("x.yaml", []byte(text))
		var problems Problems
		if (err == nil) != (d != nil) || err != nil && (!errors.As(err, &problems) || len(problems) == 0) {
			t.Fatalf("%v, %v", d, err)
		}
		lines := strings.Count(text, "\n") + strings.Count(text, "\r") + 2 // YAML ends a line with either
		for _, p := range problems {
			if p.Line < 0 || p.Line > lines || p.What.EN == "" {
				t.Fatalf("a problem outside the file of %d lines: %v", lines, p)
			}
		}
		if d != nil {
			Lint(d, nil)
			d.Opening(time.Date(2026, 11, 22, 21, 0, 0, 0, time.UTC))
		}
	})
}
