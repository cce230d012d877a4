package e2e

import (
	"bytes"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"decroche/call"
	"decroche/e2e/rig"
	"decroche/e2e/softphone"
	"decroche/routing"
)

var ariAt = regexp.MustCompile(`ari: \{bind: ([0-9.]+), port: (\d+)\}`)

// ariAddress is where this line's ARI listens.
func ariAddress(t *testing.T, r *rig.Rig) string {
	t.Helper()
	raw, err := os.ReadFile(r.Config)
	if err != nil {
		t.Fatal(err)
	}
	m := ariAt.FindSubmatch(raw)
	if m == nil {
		t.Fatal("the configuration does not say where ARI is")
	}
	return net.JoinHostPort(string(m[1]), string(m[2]))
}

func askARI(t *testing.T, r *rig.Rig, method, path, password string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+ariAddress(t, r)+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("decroche", password)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var b bytes.Buffer
	_, _ = b.ReadFrom(res.Body)
	return res.StatusCode, b.String()
}

// knocks is a telephone that nobody knows, and what it is told.
func knocks(t *testing.T, r *rig.Rig, local, user, password, number string) error {
	t.Helper()
	p, err := softphone.New(softphone.Config{User: user, Password: password, Local: local, Server: r.SIP})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	c, err := p.Dial(t.Context(), number)
	if err == nil {
		_ = c.Hangup(t.Context())
	}
	return err
}

func refusedAs(err error, codes ...int) bool {
	var refused *softphone.Rejected
	if !errors.As(err, &refused) {
		return false
	}
	for _, code := range codes {
		if refused.Code == code {
			return true
		}
	}
	return false
}

func TestWhoIsNotKnownIsRefused(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	desk := r.Available("2001")
	for _, user := range []string{
		"100", "+33639980001", "trunk-operator", "operator", "decroche", "2001", "2999", "anonymous", "127.0.0.2", "res_pjsip", "*10",
	} {
		for _, number := range []string{line, "2001", "*10", "00442079460000"} {
			if err := knocks(t, r, rig.Unknown, user, "", number); !refusedAs(err, 401, 403) {
				t.Errorf("%s calls %s: %v, want 401 or 403", user, number, err)
			}
		}
	}
	for _, password := range []string{"2001", "password", "' or 1=1"} {
		if err := knocks(t, r, rig.Unknown, "2001", password, line); !refusedAs(err, 401, 403) {
			t.Errorf("agent 2001 with a wrong password: %v, want 401 or 403", err)
		}
		p, err := softphone.New(softphone.Config{User: "2001", Password: password, Local: rig.Unknown, Server: r.SIP})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Register(t.Context()); !refusedAs(err, 401, 403) {
			t.Errorf("a registration with a wrong password: %v, want 401 or 403", err)
		}
		p.Close()
	}
	if arrived := r.Facts(call.EventArrived); len(arrived) > 0 {
		t.Errorf("%d calls reached the line", len(arrived))
	}
	agentBecomes(t, r, "2001", routing.Available, "")
	select {
	case <-desk.Incoming():
		t.Error("the agent's phone rang")
	default:
	}
	c := waits(t, r, "1", caller) // and the line works
	agent := r.Answers(desk, 5*time.Second)
	agent.HearsAll("fr/whisper.wait.under1", 10*time.Second)
	r.Talks(c, agent)
}

func TestACallerReachesNeitherAgentsNorCodesByDialling(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	desk := r.Available("2001")
	for _, number := range []string{"2001", "2001@from-agent", "0639980012", "+442079460000", "s1", "answer"} {
		c := r.Dial(strings.ReplaceAll(number, "@", "%40"), caller)
		c.Hears("fr/unknown-number", 5*time.Second)
		c.HangsUp()
	}
	for _, number := range []string{"*10", "*13", "*", "%0A10", "h"} {
		if err := knocks(t, r, rig.Trunk, caller, "", number); !refusedAs(err, 404, 484) {
			t.Errorf("%s from the trunk: %v, want 404", number, err)
		}
	}
	agentBecomes(t, r, "2001", routing.Available, "")
	select {
	case <-desk.Incoming():
		t.Error("the agent's phone rang")
	default:
	}
}

func TestWhatACallerCallsHimselfDoesNotReachTheAgentsPhone(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	desk := r.Available("2003")
	for _, name := range []string{
		`"\"><sip:2001@evil> \"x"`, `"a%0d%0aX-Evil: 1"`, `"<script>alert(1)</script>"`, `"Préfecture"`, `"${SHELL(touch /tmp/x)}"`,
	} {
		ring := callFrom{from: name + " <sip:0639980001@operator.example>", number: direct}.shows(t, r, desk)
		number, shown := ring.Caller()
		if number != "+33639980001" || shown != "titres" {
			t.Errorf("%s: the agent is shown %q %q", name, shown, number)
		}
		if ring.Header("X-Evil") != "" {
			t.Errorf("%s: a header was smuggled in", name)
		}
	}
}

func TestNothingSecretIsReadableByOthersNorWrittenAnywhere(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	desk := r.Available("2001")
	tells(t, r, desk, "*11", "agent.paused")
	tells(t, r, desk, "*10", "agent.available")
	c := r.Dial(line, caller)
	c.Hears("fr/bienvenue", 10*time.Second)
	c.Types("8") // no choice, to be said again
	c.Hears("fr/menu-principal", 10*time.Second)
	c.Types("1")
	agent := r.Answers(desk, 10*time.Second)
	agent.HearsAll("fr/whisper.wait.under1", 10*time.Second)
	c.Types("90817263") // to the agent: a file number
	r.Talks(c, agent)
	if err := knocks(t, r, rig.Unknown, "2001", "guessed-password", line); err == nil {
		t.Error("a wrong password was let in")
	}
	if status, _ := askARI(t, r, http.MethodGet, "/ari/channels", "wrong"); status != http.StatusUnauthorized {
		t.Errorf("ARI answers a wrong password with %d", status)
	}
	c.HangsUp()
	agent.Ends(5 * time.Second)
	r.WaitFact(call.EventEnded, nil)

	secrets := map[string]string{
		"the caller's number": "639980001", "the digits typed": "90817263", "the password tried": "guessed-password",
		"ARI's password": r.Secret("ari-password"), "the API's token": r.Secret("api-token"), "a phone's password": r.Secret("agents/2001"),
	}
	mustNotHave := func(where string, text []byte) {
		t.Helper()
		for what, secret := range secrets {
			if bytes.Contains(text, []byte(secret)) {
				t.Errorf("%s has %s", where, what)
			}
		}
	}
	mustNotHave("the journal", []byte(r.Must("journal")))
	mustNotHave("the controller's log", []byte(r.ControllerLog()))
	mustNotHave("the list of agents", []byte(r.Must("agent", "list", "--json")))
	logs, _ := filepath.Glob(filepath.Join(r.Dir, "asterisk", "log", "*"))
	if len(logs) < 2 {
		t.Errorf("Asterisk's logs are %v", logs)
	}
	for _, file := range logs {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		mustNotHave(file, raw)
	}
	seen := 0
	for _, dir := range processes(t) {
		line, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		if !bytes.Contains(line, []byte(r.Dir)) {
			continue
		}
		seen++
		mustNotHave("the process list", line)
		environ, _ := os.ReadFile(filepath.Join(dir, "environ"))
		mustNotHave("a process's environment", environ)
	}
	if seen < 3 { // asterisk, what started it, the controller
		t.Errorf("%d processes of the line were seen", seen)
	}
	err := filepath.WalkDir(r.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Type()&fs.ModeSymlink != 0 {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return nil // sockets
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		for what, secret := range secrets {
			if bytes.Contains(raw, []byte(secret)) && st.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s is in %s, of mode %o", what, strings.TrimPrefix(path, r.Dir), st.Mode().Perm())
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func processes(t *testing.T) []string {
	t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	return dirs
}

func TestTheLineListensForSIPAndTheWebAloneAndForARIOnLoopback(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	if host, _, _ := net.SplitHostPort(ariAddress(t, r)); !net.ParseIP(host).IsLoopback() {
		t.Errorf("ARI listens on %s", host)
	}
	group := map[string]bool{}
	for _, dir := range processes(t) {
		if line, _ := os.ReadFile(filepath.Join(dir, "cmdline")); bytes.Contains(line, []byte(r.Dir)) {
			group["pid="+filepath.Base(dir)+","] = true
		}
	}
	out, err := exec.CommandContext(t.Context(), "ss", "-lntupH").Output()
	if err != nil {
		t.Fatal(err)
	}
	resolver := 0
	allowed := map[string]bool{"udp " + r.SIP: false, "tcp " + r.SIP: false, "tcp " + r.Web: false, "tcp " + r.Public: false, "tcp " + r.Admin: false, "tcp " + ariAddress(t, r): false}
	for l := range strings.Lines(string(out)) {
		ours := false
		for pid := range group {
			ours = ours || strings.Contains(l, pid)
		}
		if !ours {
			continue
		}
		f := strings.Fields(l)
		at := f[0] + " " + f[4]
		if f[0] == "udp" && (strings.HasPrefix(f[4], "0.0.0.0:") || strings.HasPrefix(f[4], "[::]:")) {
			resolver++ // Asterisk asks name servers from these, at ports of the kernel's choice
			continue
		}
		if _, ok := allowed[at]; !ok {
			t.Errorf("the line listens on %s", at)
		}
		allowed[at] = true
	}
	if resolver > 2 {
		t.Errorf("%d sockets are open to anybody", resolver)
	}
	for at, heard := range allowed {
		if !heard {
			t.Errorf("nobody listens on %s", at)
		}
	}
	if status, _ := askARI(t, r, http.MethodGet, "/ari/channels", r.Secret("ari-password")); status != http.StatusOK {
		t.Errorf("ARI answers %d", status)
	}
	for _, path := range []string{"/static/", "/httpstatus", "/phoneprov", "/ari/api-docs/resources.json", "/rawman?action=ping", "/metrics"} {
		if status, body := askARI(t, r, http.MethodGet, path, "wrong"); status < 400 {
			t.Errorf("Asterisk's web server gives %s to anybody: %d %.80q", path, status, body)
		}
	}
}

func TestTheDialplanDialsNobody(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{NoController: true})
	plan := asterisk(t, r, "dialplan show")
	if !strings.Contains(plan, "from-agent") || !strings.Contains(plan, "Stasis") {
		t.Fatalf("this is not the dialplan:\n%s", plan)
	}
	for _, bad := range []string{"Dial(", "System(", "TrySystem(", "AGI(", "Originate(", "SHELL", "Local/", "Transfer("} {
		if strings.Contains(plan, bad) {
			t.Errorf("the dialplan has %s", bad)
		}
	}
	modules := asterisk(t, r, "module show")
	for _, bad := range []string{"app_dial", "app_originate", "app_system", "res_agi", "func_shell", "app_transfer", "pbx_spool", "chan_iax2", "manager"} {
		if strings.Contains(modules, bad+".so") {
			t.Errorf("module %s is loaded", bad)
		}
	}
	if !strings.Contains(modules, "chan_pjsip.so") {
		t.Errorf("this is not the list of modules:\n%s", modules)
	}
}
