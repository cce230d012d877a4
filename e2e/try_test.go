package e2e

import (
	"bufio"
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http/httptest"
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
)

// An editor calls the line from the page, in Chromium and in Firefox over WebRTC, SIP over a WebSocket with TLS: the
// line is heard, a key is obeyed, what is said is read. No agent is rung, and nothing is counted.
func TestTheLineIsCalledFromTheBrowser(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{Service: callbacksOn(t, ""), Admin: withTLS(t)})
	r.Available("2001")
	for i, name := range []string{"chromium", "firefox"} {
		t.Run(name, func(t *testing.T) {
			tryFrom(t, r, name, map[string]string{"chromium": "chromium", "firefox": "firefox-esr"}[name], []string{"lou", "dom"}[i])
		})
	}
	if n := len(r.Facts(call.EventArrived)); n != 0 {
		t.Errorf("the trials count as %d contacts", n)
	}
	if list, texts := promises(t, r, ""), r.Must("sms"); len(list) != 0 || strings.Count(strings.TrimSpace(texts), "\n") != 0 {
		t.Errorf("the trials have promised %+v, and sent %s", list, texts)
	}
	if a := r.Agents()["2001"]; a.State != "available" {
		t.Errorf("the agent is %s", a.State)
	}
	if log := r.ControllerLog(); strings.Contains(log, "ERROR") {
		t.Errorf("the controller says:\n%s", log)
	}
}

// withTLS makes a certificate, and gives the keys by which the site serves it.
func withTLS(t *testing.T) string {
	t.Helper()
	made := httptest.NewTLSServer(nil) // for its certificate
	defer made.Close()
	own := made.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(own.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: own.Certificate[0]}, "key.pem": {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return fmt.Sprintf(", certificate: %q, key: %q", filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
}

func tryFrom(t *testing.T, r *rig.Rig, name, program, account string) {
	lock, err := os.ReadFile("../web/public/testdata/browser/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	link := regexp.MustCompile(`https://\S+/mot-de-passe/\S+`).FindString(r.Must("user", "add", account, "--role", "editor"))
	job, err := json.Marshal(map[string]any{
		"modules": browser.Modules(t, lock), "name": name, "program": browser.Program(t, program), "link": link, "shots": os.Getenv("DECROCHE_SHOTS"),
		"first": "Bonjour et bienvenue.", "menu": "Dossier, tapez 1.", "second": "Titre de séjour, tapez 1.",
		"noted": "C'est noté", "written": "nous vous rappelons dès que votre tour vient",
		"asks": [][2]string{
			{"Dossier, tapez 1.", "1"}, {"Pour être rappelé, tapez 1.", "1"}, {"Pour garder ce numéro, tapez 1.", "1"}, {"Pour être rappelé à votre tour", "1"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	temp, err := os.MkdirTemp("", "site") // the test's own is too long for the browser's sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(temp) })
	cmd := exec.CommandContext(t.Context(), browser.Program(t, "node"), "testdata/phone.mjs")
	cmd.Env = append(os.Environ(), "TMPDIR="+temp, "HOME="+temp, "NO_PROXY=127.0.0.1", "NODE_USE_ENV_PROXY=0")
	var says bytes.Buffer
	cmd.Stdin, cmd.Stderr, cmd.WaitDelay = bytes.NewReader(job), &says, 5*time.Second
	out, err := cmd.Output()
	done := map[string]bool{}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		var l map[string]any
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Fatalf("phone.mjs says %q: %v", lines.Text(), err)
		}
		if p, is := l["problem"]; is {
			t.Error(p)
		}
		for k, v := range l {
			done[k] = done[k] || v == true
		}
		t.Log(lines.Text())
	}
	if err != nil || !done["heard"] || !done["pressed"] || !done["over"] || !done["secure"] || !done["promised"] || !done["done"] {
		t.Errorf("phone.mjs ended early: %v %s", err, says.String())
	}
}
