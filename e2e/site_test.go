package e2e

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"html"
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

	"decroche/call"
	"decroche/e2e/browser"
	"decroche/e2e/rig"
	"decroche/e2e/softphone"
)

// happening is a line of site.mjs.
type happening struct {
	Problem                                             string
	Sound                                               float64
	Published, Changed, Live, Lost, Back, Stopped, Done bool
	Conflict, Refused                                   bool
	Click, Answered, Took                               int64
}

// newMenu is what an admin changes the menu to.
const newMenu = "Pour votre dossier, tapez 1. Pour les titres, tapez 2. Pour nos horaires, tapez 3. Pour une personne, tapez 0."

// An admin who has never seen the site writes an incident message, listens to it and lets it out; a
// telephone hears it within two seconds, and who waits hears it too. Chromium looks at every page.
// DECROCHE_SHOTS names a folder for screenshots.
func TestAnAdminWhoNeverSawTheSitePublishesAMessageThatCallersHear(t *testing.T) {
	t.Parallel()
	lock, err := os.ReadFile("../web/public/testdata/browser/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	r := rig.Start(t, rig.Options{Service: planned(t)})
	r.Learn("incident", "fr", incident)
	r.Learn("new-menu", "fr", newMenu)
	link := regexp.MustCompile(`http://\S+/mot-de-passe/\S+`).FindString(r.Must("user", "add", "camille", "--full", "Camille Martin"))
	if !strings.HasPrefix(link, "http://"+r.Admin+"/") {
		t.Fatalf("the link is %q", link)
	}
	waiting := joins(r, "+33639980601")
	waiting.Hears("fr/queue.noagents", 15*time.Second)

	job, err := json.Marshal(map[string]any{
		"modules": browser.Modules(t, lock), "chromium": browser.Program(t, "chromium"), "link": link, "words": incident,
		"other": regexp.MustCompile(`http://\S+/mot-de-passe/\S+`).FindString(r.Must("user", "add", "lou", "--role", "editor")),
		"shots": os.Getenv("DECROCHE_SHOTS"), "agent": "Noé Bernard", "away": true,
		"menu": newMenu,
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
	defer cmd.Wait() //nolint:errcheck // of a test that failed on the way
	var last happening
	conflict, refused := false, false
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var l happening
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Fatalf("site.mjs says %q: %v", lines.Text(), err)
		}
		last = l
		conflict, refused = conflict || l.Conflict, refused || l.Refused
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
		case l.Changed: // the next call hears the text that was published
			c := r.Dial(line, "+33639980603")
			c.HearsAll("new-menu", 15*time.Second)
			c.HangsUp()
		case l.Live: // the board says who is there; now the controller goes, and comes back
			r.KillController()
		case l.Lost:
			r.StartController()
		}
	}
	if err := cmd.Wait(); err != nil || !last.Done || !conflict || !refused {
		t.Errorf("site.mjs ended early: %v %s", err, says.String())
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
	lou := signIn(t, r, "lou", "editor")
	form := url.Values{"key": {"k1"}, "text_fr": {"Guichets fermés."}, "effect": {"say"}, "end": {"1h"}, "step": {"publish"}}
	lou.post("/messages/nouveau", form, []byte("no sound at all"), http.StatusUnprocessableEntity)
	lou.post("/messages/nouveau", form, sound, http.StatusOK)
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

// visitor is somebody who is signed in to the administration site, without a browser.
type visitor struct {
	t      *testing.T
	r      *rig.Rig
	client *http.Client
}

// signIn makes an account with its password.
func signIn(t *testing.T, r *rig.Rig, name, role string) *visitor {
	t.Helper()
	link := regexp.MustCompile(`http://\S+/mot-de-passe/\S+`).FindString(r.Must("user", "add", name, "--role", role))
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	v := &visitor{t, r, &http.Client{Jar: jar, Timeout: 20 * time.Second}}
	const password = "une phrase que je retiens"
	res, err := v.client.PostForm(link, url.Values{"password": {password}, "again": {password}})
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("the password: %v %v", res, err)
	}
	res.Body.Close()
	return v
}

// post sends a form, with a sound if there is one, and gives the page.
func (v *visitor) post(path string, form url.Values, sound []byte, want int) string {
	v.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for field, values := range form {
		_ = w.WriteField(field, values[0])
	}
	if sound != nil {
		f, err := w.CreateFormFile("sound_fr", "message.wav")
		if err != nil {
			v.t.Fatal(err)
		}
		_, _ = f.Write(sound)
	}
	_ = w.Close()
	res, err := v.client.Post("http://"+v.r.Admin+path, w.FormDataContentType(), &b)
	if err != nil {
		v.t.Fatal(err)
	}
	return v.read(path, res, want)
}

func (v *visitor) get(path string, want int) string {
	v.t.Helper()
	res, err := v.client.Get("http://" + v.r.Admin + path)
	if err != nil {
		v.t.Fatal(err)
	}
	return v.read(path, res, want)
}

func (v *visitor) read(path string, res *http.Response, want int) string {
	v.t.Helper()
	defer res.Body.Close()
	page, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != want {
		v.t.Fatalf("%s is answered %d, want %d (%v):\n%s", path, res.StatusCode, want, err, page)
	}
	return html.UnescapeString(string(page))
}

// records speaks on the private number what a page has given a code for, listens, and keeps it.
func records(t *testing.T, r *rig.Rig, private, from, code string, words softphone.Prompt) {
	t.Helper()
	studio := r.Dial(private, from)
	studio.Hears("fr/studio.code", 10*time.Second)
	studio.Types(code)
	studio.HearsAll("fr/studio.speak", 15*time.Second)
	time.Sleep(time.Second) // as people take breath
	if err := studio.Speak(t.Context(), words.PCM); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	studio.Types("#")
	studio.HearsAll("fr/studio.listen", 15*time.Second)
	studio.Hears("fr/studio.choice", 20*time.Second)
	studio.Types("1")
	studio.HearsAll("fr/studio.kept", 10*time.Second)
	studio.Ends(15 * time.Second)
}

// An editor records a message by telephone, on the private number and with the code of the page; nobody
// hears it before a second person lets it out, and then callers hear the voice that was recorded.
func TestAMessageRecordedByTelephoneIsHeardOnceASecondPersonLetsItOut(t *testing.T) {
	t.Parallel()
	const private = "+33199003949"
	r := rig.Start(t, rig.Options{Admin: `, approval: true, recorder: "01 99 00 39 49"`})
	const words = "Les guichets de la rue haute sont fermés par une inondation."
	spoken := r.SoundOf("spoken", "fr", words)
	lou, dom := signIn(t, r, "lou", "editor"), signIn(t, r, "dom", "approver")
	form := url.Values{"key": {"k1"}, "text_fr": {"Guichets fermés."}, "effect": {"exit"}, "end": {"1h"}, "step": {"phone_fr"}}
	page := lou.post("/messages/nouveau", form, nil, http.StatusOK)
	code := regexp.MustCompile(`name="phone_fr" value="(\d{6})"`).FindStringSubmatch(page)
	if code == nil || !strings.Contains(page, "01 99 00 39 49") {
		t.Fatalf("the page gives no code:\n%s", page)
	}

	records(t, r, private, "+33639980621", code[1], spoken)
	if got := lou.get("/enregistrement?code="+code[1], http.StatusOK); got != "yes" {
		t.Errorf("the page is told %q", got)
	}
	files, err := filepath.Glob(filepath.Join(r.Dir, "messages", "*.wav"))
	if err != nil || len(files) != 1 {
		t.Fatalf("recordings: %q, %v", files, err)
	}
	wav, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	pcm := make([]int16, (len(wav)-44)/2)
	if _, err := binary.Decode(wav[44:], binary.LittleEndian, pcm); err != nil {
		t.Fatal(err)
	}
	heard := softphone.NewIndex([]softphone.Prompt{spoken}).Recognise(softphone.Recording{Codec: "L16", PCM: pcm})
	if len(heard) != 1 || !heard[0].Is("spoken") || heard[0].Score < 0.9 {
		t.Errorf("what was recorded is not what was said: %v", heard)
	}
	r.LearnRecording("recorded", files[0])
	if n := len(r.Facts(call.EventArrived)); n != 0 {
		t.Errorf("the recording counts as %d contacts", n)
	}

	// So is what the line says itself, in place of the voice.
	joined := r.SoundOf("joined", "fr", "Merci de votre appel, un agent va vous répondre.")
	wording := url.Values{"was": {""}, "seen": {"0"}, "text_fr": {"Merci, un agent va répondre."}, "text_en": {""}, "step": {"phone_fr"}}
	texts := regexp.MustCompile(`name="phone_fr" value="(\d{6})"`).FindStringSubmatch(lou.post("/service/textes/queue.joined", wording, nil, http.StatusOK))
	if texts == nil {
		t.Fatal("the page of a text gives no code")
	}
	records(t, r, private, "+33639980625", texts[1], joined)
	wording.Set("phone_fr", texts[1])
	wording.Del("step")
	lou.post("/service/textes/queue.joined", wording, nil, http.StatusOK)
	dom.publishes()
	files, err = filepath.Glob(filepath.Join(r.Dir, "enregistrements", "*.wav"))
	if err != nil || len(files) != 1 {
		t.Fatalf("recordings beside the definition: %q, %v", files, err)
	}
	r.LearnRecording("joined-recorded", files[0])

	form.Set("phone_fr", code[1])
	form.Set("step", "publish")
	if page := lou.post("/messages/nouveau", form, nil, http.StatusOK); !strings.Contains(page, "Attend un accord") || strings.Contains(page, "/autoriser") {
		t.Errorf("the author sees:\n%s", page)
	}
	before := r.Dial(line, "+33639980622")
	before.Hears("fr/menu-principal", 15*time.Second)
	before.Types("1")
	before.HearsAll("joined-recorded", 10*time.Second)
	before.HangsUp()
	action := regexp.MustCompile(`action="(/messages/\d+/autoriser)"`).FindStringSubmatch(dom.get("/messages", http.StatusOK))
	if action == nil {
		t.Fatal("the second person cannot let it out")
	}
	lou.post(action[1], nil, nil, http.StatusForbidden)
	dom.post(action[1], nil, nil, http.StatusOK)
	c := r.Dial(line, "+33639980623")
	c.HearsAll("recorded", 10*time.Second)
	c.Hears("fr/message.exit", 10*time.Second)
	c.Types("9")
	c.HearsAll("fr/goodbye", 10*time.Second)
	c.Ends(10 * time.Second)
	r.WaitFact(call.EventEnded, func(f rig.Fact) bool { return f.Data["outcome"] == "self_served" })
	if guess := r.Dial(private, "+33639980624"); guess != nil {
		guess.Hears("fr/studio.code", 10*time.Second)
		guess.Types(code[1]) // it has served
		guess.Hears("fr/studio.wrong", 10*time.Second)
		guess.HangsUp()
	}
}
