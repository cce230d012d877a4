package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"decroche/e2e/rig"
	"decroche/speech"
)

// definition is the test service with pieces replaced: old, new, …
func definition(t *testing.T, replace ...string) string {
	t.Helper()
	raw, err := os.ReadFile("testdata/service.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(string(raw), replace[i]) {
			t.Fatalf("the test service has no %q", replace[i])
		}
	}
	return strings.NewReplacer(replace...).Replace(string(raw))
}

func TestAReloadIsHeardByTheNextCallerAndDropsNobody(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	const second, third = "Voici la deuxième version de notre accueil.", "Merci d'écouter la troisième version."
	r.Learn("second", "fr", second)
	r.Learn("third", "fr", third)
	waiting := joins(r, "+33639980301")
	choosing := r.Dial(line, "+33639980302")
	choosing.Hears("fr/menu-principal", 10*time.Second)

	r.WriteService(definition(t, "Bonjour et bienvenue.", second, "2: {menu: second}", "2: {info: horaires}"))
	if out := r.Must("reload"); !strings.Contains(out, "essai") {
		t.Errorf("the command says %q", out)
	}
	choosing.Types("2") // the call keeps the menus it was told
	choosing.Hears("fr/menu-second", 5*time.Second)
	choosing.HangsUp()
	c := r.Dial(line, "+33639980303")
	c.Hears("second", 5*time.Second)
	c.Types("2")
	c.Hears("fr/info-horaires", 5*time.Second)
	c.HangsUp()

	r.WriteService(definition(t, "Bonjour et bienvenue.", third))
	r.Signal(syscall.SIGHUP)
	r.Eventually(10*time.Second, "the definition is taken after SIGHUP", func() error {
		if n := strings.Count(r.ControllerLog(), "is in force"); n < 1 {
			return errors.New("the log does not say so")
		}
		return nil
	})
	c = r.Dial(line, "+33639980304")
	c.Hears("third", 5*time.Second)
	c.HangsUp()

	// A bad file is refused with the place, by either way, and the old one stays.
	r.WriteService(definition(t, "menu: principal\n", "menu: nullepart\n"))
	out, err := r.CLI("reload")
	if err == nil || !regexp.MustCompile(`service\.yaml:\d+`).MatchString(out) || !strings.Contains(out, "nullepart") {
		t.Errorf("a bad file: %v\n%s", err, out)
	}
	r.Signal(syscall.SIGHUP)
	r.Eventually(10*time.Second, "the refusal is logged", func() error {
		if !strings.Contains(r.ControllerLog(), "the old one stays") {
			return errors.New("the log does not say so")
		}
		return nil
	})
	r.WriteService(strings.Repeat("# five megabytes of nothing\n", 200_000))
	if out, err := r.CLI("reload"); err == nil || !strings.Contains(out, "service.yaml") {
		t.Errorf("a file of 5 MB: %v\n%s", err, out)
	} else {
		t.Logf("a file of 5 MB: %s", strings.TrimSpace(out))
	}
	if err := os.Remove(filepath.Join(r.Dir, "service.yaml")); err != nil {
		t.Fatal(err)
	}
	if out, err := r.CLI("reload"); err == nil || !strings.Contains(out, "service.yaml") {
		t.Errorf("no file: %v\n%s", err, out)
	}
	c = r.Dial(line, "+33639980305")
	c.Hears("third", 5*time.Second)
	c.HangsUp()

	if !waiting.Up() {
		t.Fatal("the waiting caller was dropped")
	}
	if n := count(waiting, "fr/queue.joined"); n != 1 {
		t.Errorf("the waiting caller joined %d times: %v", n, waiting.Heard())
	}
	desk := r.Available("2001")
	r.Talks(waiting, r.Answers(desk, 10*time.Second))
}

func TestASoundFileThatVanishedIsMadeAgainAndTheCallGoesOn(t *testing.T) {
	t.Parallel()
	// Its own words, for the folder of sounds is shared with other lines.
	words := fmt.Sprintf("Vous pouvez taper un, ou zéro. Essai numéro %d.", os.Getpid())
	r := rig.Start(t, rig.Options{Service: definition(t, "Dossier, tapez 1. Titres, tapez 2. Horaires, tapez 3. Un agent, tapez 0.", words)})
	lib, err := speech.Open(speech.Options{Dir: r.Sounds})
	if err != nil {
		t.Fatal(err)
	}
	sound, err := lib.Text(t.Context(), "menu-principal", "fr", words)
	if err != nil {
		t.Fatal(err)
	}
	c := r.Dial(line, caller)
	c.HearsAll("fr/menu-principal", 15*time.Second)
	c.HangsUp()
	files, err := filepath.Glob(sound.Path + ".*")
	if err != nil || len(files) == 0 {
		t.Fatalf("the files of the prompt: %v, %v", files, err)
	}
	for _, f := range files {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
	c = r.Dial(line, caller)
	c.HearsAll("fr/menu-principal", 15*time.Second)
	c.Types("1")
	c.Hears("fr/queue.joined", 5*time.Second)
}
