package service

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"decroche/call"
)

// worded is a definition with words of its own for some of what the line says.
const worded = small + `
# Our words.
wording:
  queue.joined: {fr: Merci de votre appel.} # the first word

  # Two of one family, and one whose id begins another's.
  position.1:
    fr: C'est bientôt à vous.
  callback.already: {fr: {say: Nous vous rappelons déjà., recording: voix.wav}}
`

func TestAServiceWordsWhatTheLineSaysInSomeOfItsLanguages(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "voix.wav"), []byte("RIFF"), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := Parse(filepath.Join(dir, "mairie.yaml"), []byte(strings.Replace(worded, "name: Mairie\n", "name: Mairie\nlanguages: [fr]\n", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Wording) != 3 || d.Wording["queue.joined"]["fr"].Say != "Merci de votre appel." || d.Wording["callback.already"]["fr"] != (Phrase{Say: "Nous vous rappelons déjà.", Recording: "voix.wav"}) {
		t.Errorf("the wording is %+v", d.Wording)
	}
	two, err := Parse("prefecture.yaml", append(demoText(t), "wording: {goodbye: {en: Goodbye.}}\n"...))
	if err != nil || len(two.Wording["goodbye"]) != 1 {
		t.Errorf("one of two languages: %+v, %v", two.Wording, err)
	}
	for path, want := range map[string]Position{
		"wording.queue.joined.fr":       {25, 18},
		"wording.position.1":            {28, 3},
		"wording.callback.already.slot": {24, 1}, // not written: not its namesake's
		"wording.position.2":            {24, 1},
	} {
		if got := d.Position(path); got != want {
			t.Errorf("%s is at %v, want %v", path, got, want)
		}
	}
}

func TestMistakesInAWordingAreNamedInBothLanguages(t *testing.T) {
	for _, c := range []struct{ wording, fr, en string }{
		{"{queue.joined: Merci.}", "formulation de « queue.joined » : le texte n'est pas donné par langue; écrivez-le sous « fr: », et ainsi pour chaque langue", `the wording of "queue.joined" is not given by language; write it under "fr:", and so for each language`},
		{"{queue.joined: {fr: Merci., de: Danke.}}", "« de » n'est pas une langue du service (formulation de « queue.joined »); écrivez l'un de ceux-ci : fr, ou ajoutez-la à « languages »", ""},
		{"{queue.joined: {}}", "formulation de « queue.joined » : ne dit rien; écrivez-le sous « fr: », et ainsi pour chaque langue", ""},
		{"{queue.joined: {fr: {say: ''}}}", "", ""},
		{"{queue.joined: {fr: {recording: nulle.wav}}}", "formulation de « queue.joined », en « fr » : l'enregistrement « nulle.wav » n'existe pas", ""},
		{"{Queue.Joined: {fr: Merci.}}", "« Queue.Joined » ne peut pas nommer un texte de la ligne; écrivez son nom comme la page « Tout ce qui est dit » le donne, par exemple queue.joined", `"Queue.Joined" cannot name a prompt of the line; write its name as the page "Everything that is said" has it, for example queue.joined`},
		{"{bonjour: {fr: Merci.}}", "« bonjour » est écrit dans « prompts » et dans « wording »; gardez l'une des deux", `"bonjour" is written in "prompts" and in "wording"; keep one of them`},
		{"[queue.joined]", "« wording » : une liste, et non un groupe de clés", ""},
	} {
		_, err := Parse("mairie.yaml", []byte(small+"wording: "+c.wording+"\n"))
		problems, ok := err.(Problems)
		if !ok {
			t.Errorf("%s is taken: %v", c.wording, err)
			continue
		}
		p := problems[0]
		if !strings.HasPrefix(p.What.FR+"; "+p.Fix.FR, c.fr) || !strings.HasPrefix(p.What.EN+"; "+p.Fix.EN, c.en) || p.Line == 0 {
			t.Errorf("%s: line %d\n%s; %s\n%s; %s", c.wording, p.Line, p.What.FR, p.Fix.FR, p.What.EN, p.Fix.EN)
		}
	}
}

func TestANumberThatCostsIsFoundInAWordingToo(t *testing.T) {
	d, err := Parse("mairie.yaml", []byte(small+"wording: {queue.noagents: {fr: Appelez le 08 99 00 39 39.}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range Lint(d, nil) {
		if f.Rule == RuleCost && f.Where == "wording.queue.noagents.fr" && f.Line == 21 {
			return
		}
	}
	t.Error("a surcharged number in a wording is not found")
}

func TestAnEditOfAWordingTakesItsIDAsItIs(t *testing.T) {
	for _, e := range []struct{ id, value, want string }{
		{"queue.joined", "fr: Un instant.", "wording:\n  queue.joined:\n    fr: Un instant.\n"},
		{"callback.already.slot", "fr: C'est le {day} à {clock}.", "voix.wav}}\n  callback.already.slot:\n    fr: \"C'est le {day} à {clock}.\"\n"},
		{"wait.5-10", "fr: Entre cinq et dix minutes.", "voix.wav}}\n  wait.5-10:\n    fr: Entre cinq et dix minutes.\n"},
		{"position.1", "", "begins another's.\n  callback.already:"},
	} {
		out, err := Rewrite([]byte(worded), Edit{"wording." + e.id, e.value})
		if err != nil || !strings.Contains(string(out), e.want) {
			t.Errorf("%s: %v\n%s", e.id, err, out)
		}
		want, _ := Canonical(e.value)
		if got, err := Part(out, "wording."+e.id); got != want || err != nil {
			t.Errorf("%s is now %q, %v", e.id, got, err)
		}
	}
}

// An edit of one wording leaves every other line of the file where it was; taken back, the file is as before.
func TestAnEditOfAnyWordingChangesNothingElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := rapid.SampledFrom([]string{worded, small, string(demoText(discard{}))}).Draw(t, "base")
		id := rapid.StringMatching(`[a-z0-9][a-z0-9._-]{0,20}`).Draw(t, "id")
		say := strings.Join(strings.Fields(rapid.StringMatching(`[ -~éà’«»]{1,150}`).Draw(t, "say")), " ")
		if say == "" || strings.Contains(base, "\n  "+id+":") {
			return
		}
		value := Text{"fr": {Say: say}}.YAML([]call.Lang{"fr"})
		out, err := Rewrite([]byte(base), Edit{"wording." + id, value})
		if err != nil {
			t.Fatalf("%s: %v", id, err)
		}
		if got, err := Part(out, "wording."+id); got != value || err != nil {
			t.Fatalf("%s is %q, %v; want %q", id, got, err, value)
		}
		rest := strings.Split(string(out), "\n")
		for _, line := range strings.Split(base, "\n") {
			at := 0
			for at < len(rest) && rest[at] != line {
				at++
			}
			if at == len(rest) {
				t.Fatalf("the line %q is gone, or moved:\n%s", line, out)
			}
			rest = rest[at+1:]
		}
		back, err := Rewrite(out, Edit{"wording." + id, ""})
		if err != nil || string(back) != base {
			t.Fatalf("taken back it is\n%s\n%v", back, err)
		}
	})
}

// discard is a test that only reads a file.
type discard struct{ testing.TB }
