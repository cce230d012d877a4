package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"decroche/e2e/browser"
	"decroche/e2e/rig"
)

// happening is a line of site.mjs.
type happening struct {
	Problem                                    string
	Sound                                      float64
	Published, Live, Lost, Back, Stopped, Done bool
	Click, Answered, Took                      int64
}

// An admin who has never seen the site writes an incident message, listens to it and lets it out; a
// telephone hears it within two seconds, and who waits hears it too. Chromium looks at every page.
// DECROCHE_SHOTS names a folder for screenshots.
func TestAnAdminWhoNeverSawTheSitePublishesAMessageThatCallersHear(t *testing.T) {
	t.Parallel()
	lock, err := os.ReadFile("../web/public/testdata/browser/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	r := rig.Start(t, rig.Options{})
	r.Learn("incident", "fr", incident)
	link := regexp.MustCompile(`http://\S+/mot-de-passe/\S+`).FindString(r.Must("user", "add", "camille", "--full", "Camille Martin"))
	if !strings.HasPrefix(link, "http://"+r.Admin+"/") {
		t.Fatalf("the link is %q", link)
	}
	waiting := joins(r, "+33639980601")
	waiting.Hears("fr/queue.noagents", 15*time.Second)

	job, err := json.Marshal(map[string]any{
		"modules": browser.Modules(t, lock), "chromium": browser.Program(t, "chromium"), "link": link, "words": incident,
		"shots": os.Getenv("DECROCHE_SHOTS"), "agent": "Noé Bernard", "away": true,
	})
	if err != nil {
		t.Fatal(err)
	}
	temp, err := os.MkdirTemp("", "site") // the test's own is too long for the browser's sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(temp) })
	cmd := exec.CommandContext(t.Context(), browser.Program(t, "node"), "testdata/site.mjs")
	cmd.Env = append(os.Environ(), "TMPDIR="+temp, "NO_PROXY=127.0.0.1", "NODE_USE_ENV_PROXY=0")
	var says bytes.Buffer
	cmd.Stdin, cmd.Stderr, cmd.WaitDelay = bytes.NewReader(job), &says, 5*time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait() //nolint:errcheck // its words tell
	var last happening
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var l happening
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Fatalf("site.mjs says %q: %v", lines.Text(), err)
		}
		last = l
		switch {
		case l.Problem != "":
			t.Error(l.Problem)
		case l.Sound != 0:
			if l.Sound < 2 || l.Sound > 15 {
				t.Errorf("what is listened to lasts %.1f s", l.Sound)
			}
		case l.Published:
			c := r.Dial(line, "+33639980602")
			c.HearsAll("incident", 8*time.Second)
			t.Logf("from the click to the page %d ms; written, listened to and let out in %.1f s", l.Answered-l.Click, float64(l.Took)/1000)
			if l.Answered-l.Click > 2000 {
				t.Errorf("letting it out took %d ms", l.Answered-l.Click)
			}
			c.HangsUp()
			waiting.HearsAll("incident", 15*time.Second)
			waiting.HangsUp()
			r.Available("2002")
		case l.Live: // the board says who is there; now the controller goes, and comes back
			r.KillController()
		case l.Lost:
			r.StartController()
		}
	}
	if !last.Done {
		t.Errorf("site.mjs ended early: %s", says.String())
	}
	if out := r.Must("message", "list"); strings.Contains(out, "active") {
		t.Errorf("the message is still heard: %s", out)
	}
}

// A recording that is sent on the site is what callers hear, in place of the voice; it outlives the file
// on the node's disk, which the database gives back.
func TestARecordingSentOnTheSiteIsHeardByCallers(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	const words = "Les guichets de la rue haute sont fermés par une inondation."
	r.Learn("recorded", "fr", words)
	file := filepath.Join(t.TempDir(), "message.wav")
	if out, err := exec.Command("pico2wave", "-l", "fr-FR", "-w", file, "--", words).CombinedOutput(); err != nil {
		t.Fatalf("pico2wave: %v\n%s", err, out)
	}
	sound, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	link := regexp.MustCompile(`http://\S+/mot-de-passe/\S+`).FindString(r.Must("user", "add", "lou", "--role", "editor"))
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar, Timeout: 20 * time.Second}
	post := func(address string, form url.Values, sound []byte, want int) {
		t.Helper()
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		for field, values := range form {
			_ = w.WriteField(field, values[0])
		}
		if sound != nil {
			f, err := w.CreateFormFile("sound_fr", "message.wav")
			if err != nil {
				t.Fatal(err)
			}
			_, _ = f.Write(sound)
		}
		_ = w.Close()
		res, err := client.Post(address, w.FormDataContentType(), &b)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if page, _ := io.ReadAll(res.Body); res.StatusCode != want {
			t.Fatalf("%s is answered %d, want %d:\n%s", address, res.StatusCode, want, page)
		}
	}
	const password = "une phrase que je retiens"
	res, err := client.PostForm(link, url.Values{"password": {password}, "again": {password}})
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("the password: %v %v", res, err)
	}
	res.Body.Close()
	form := url.Values{"key": {"k1"}, "text_fr": {"Guichets fermés."}, "effect": {"say"}, "end": {"1h"}, "step": {"publish"}}
	post("http://"+r.Admin+"/messages/nouveau", form, []byte("no sound at all"), http.StatusUnprocessableEntity)
	post("http://"+r.Admin+"/messages/nouveau", form, sound, http.StatusOK)
	c := r.Dial(line, "+33639980611")
	c.HearsAll("recorded", 10*time.Second)
	c.HangsUp()
	if err := os.RemoveAll(filepath.Join(r.Dir, "messages")); err != nil {
		t.Fatal(err)
	}
	again := r.Dial(line, "+33639980612")
	again.HearsAll("recorded", 10*time.Second)
	again.HangsUp()
}
