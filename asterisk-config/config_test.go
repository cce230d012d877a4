package asteriskconfig

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// valid is a configuration as the program makes it.
func valid(t *testing.T) Config {
	t.Helper()
	dir := t.TempDir()
	return Config{
		Dir: filepath.Join(dir, "asterisk"), Node: "n1", SIPBind: "127.0.0.1", SIPPort: 5060, RTPFrom: 20000, RTPTo: 20999,
		ARIBind: "127.0.0.1", ARIPort: 8088, ARIUser: "decroche", ARIPassword: "ari-secret", App: "decroche-n1",
		Sounds: filepath.Join(dir, "sounds"), Music: filepath.Join(dir, "music"), HoldLimit: 180,
		Modules: filepath.Join(dir, "modules"), Documentation: filepath.Join(dir, "documentation"),
		Trunks: []Trunk{
			{Name: "operator", Match: []string{"192.0.2.1", "192.0.2.16/28", "2001:db8::1"}},
			{
				Name: "second", Server: "sip.example:5070", Register: true, Username: "0033199003900", Password: `p;w"[x]\; y`,
				Domain: "sip.example", Codecs: []string{"ulaw"},
			},
		},
	}
}

// render gives the files that were written, by name.
func render(t *testing.T, c Config) map[string]string {
	t.Helper()
	if err := c.Render(-1, -1); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	names, err := filepath.Glob(filepath.Join(c.Dir, "etc", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(name)] = string(raw)
	}
	return files
}

// section gives the lines of a section of pjsip.conf, found by its name and type.
func section(t *testing.T, text, name, kind string) string {
	t.Helper()
	for _, part := range strings.Split(text, "\n[")[1:] {
		if strings.HasPrefix(part, name+"]\n") && strings.Contains(part, "type = "+kind+"\n") {
			return part
		}
	}
	t.Fatalf("there is no [%s] of type %s in\n%s", name, kind, text)
	return ""
}

func TestFilesCanBeReadByTheirOwnerAloneAndSecretsAreInTwoOfThem(t *testing.T) {
	c := valid(t)
	files := render(t, c)
	for _, name := range []string{"asterisk.conf", "pjsip.conf", "ari.conf", "http.conf", "extensions.conf", "modules.conf", "sorcery.conf", "rtp.conf", "manager.conf"} {
		if files[name] == "" {
			t.Errorf("%s was not written", name)
		}
	}
	for name, text := range files {
		st, err := os.Stat(filepath.Join(c.Dir, "etc", name))
		if err != nil {
			t.Fatal(err)
		}
		if st.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o", name, st.Mode().Perm())
		}
		if strings.Contains(text, "ari-secret") != (name == "ari.conf") {
			t.Errorf("%s: ARI's password is in ari.conf alone", name)
		}
		if strings.HasSuffix(name, ".new") {
			t.Errorf("%s was left", name)
		}
		if strings.Contains(text, "<no value>") {
			t.Errorf("%s has a hole", name)
		}
	}
	for _, dir := range []string{"", "etc", "lib", "log"} {
		if st, err := os.Stat(filepath.Join(c.Dir, dir)); err != nil || st.Mode().Perm()&0o007 != 0 {
			t.Errorf("folder %q: %v, %v", dir, st, err)
		}
	}
	render(t, c) // a second start
}

func TestWhatAsteriskMustNotDoIsNotInItsFiles(t *testing.T) {
	files := render(t, valid(t))
	for _, bad := range []string{"Dial(", "System(", "AGI(", "Originate(", "SHELL(", "Transfer(", "Local/"} {
		if strings.Contains(files["extensions.conf"], bad) {
			t.Errorf("the dialplan has %s", bad)
		}
	}
	for _, bad := range []string{"app_dial", "app_originate", "app_system", "res_agi", "func_shell", "pbx_spool", "res_manager", "chan_iax2", "res_pjsip_endpoint_identifier_anonymous"} {
		if strings.Contains(strings.Join(modules, " "), bad) {
			t.Errorf("module %s would be loaded", bad)
		}
	}
	if !strings.Contains(files["modules.conf"], "autoload = no") {
		t.Error("Asterisk would load every module it has")
	}
	if !strings.Contains(files["http.conf"], "bindaddr = 127.0.0.1\n") {
		t.Errorf("ARI is served on\n%s", files["http.conf"])
	}
	if strings.Contains(files["manager.conf"], "enabled") {
		t.Error("the manager interface is on")
	}
}

func TestATrunkIsKnownByItsAddressesOrTheLineOfItsRegistration(t *testing.T) {
	text := render(t, valid(t))["pjsip.conf"]
	for _, name := range []string{"trunk-operator", "trunk-second"} {
		endpoint := section(t, text, name, "endpoint")
		for _, want := range []string{"identify_by = ip\n", "context = from-trunk\n", "allow_transfer = no\n", "send_connected_line = no\n", "direct_media = no\n"} {
			if !strings.Contains(endpoint, want) {
				t.Errorf("%s lacks %q:\n%s", name, want, endpoint)
			}
		}
	}
	identify := section(t, text, "trunk-operator", "identify")
	for _, want := range []string{"match = 192.0.2.1\n", "match = 192.0.2.16/28\n", "match = 2001:db8::1\n"} {
		if !strings.Contains(identify, want) {
			t.Errorf("the addresses lack %q:\n%s", want, identify)
		}
	}
	if strings.Contains(text, "[trunk-second]\ntype = identify") {
		t.Error("a trunk without addresses has an empty list of them, which Asterisk refuses")
	}
	registration := section(t, text, "trunk-second", "registration")
	for _, want := range []string{"line = yes\n", "endpoint = trunk-second\n", "server_uri = sip:sip.example:5070\n", "client_uri = sip:0033199003900@sip.example:5070\n"} {
		if !strings.Contains(registration, want) {
			t.Errorf("the registration lacks %q:\n%s", want, registration)
		}
	}
	if auth := section(t, text, "trunk-second", "auth"); !strings.Contains(auth, `password = p\;w"[x]\\; y`+"\n") {
		t.Errorf("a semicolon would begin a comment:\n%s", auth)
	}
	if strings.Contains(text, "anonymous]") {
		t.Error("there is an endpoint for anybody")
	}
}

func TestWrongTrunksAreRefusedInWordsAndAllAtOnce(t *testing.T) {
	for want, spoil := range map[string]func(*Config){
		"no trunk":                  func(c *Config) { c.Trunks = nil },
		"small letters":             func(c *Config) { c.Trunks[0].Name = "Opérateur 1" },
		`"operator" is there twice`: func(c *Config) { c.Trunks[1].Name = "operator" },
		"under match, or register":  func(c *Config) { c.Trunks[0].Match = nil },
		"neither an address":        func(c *Config) { c.Trunks[0].Match = []string{"operator.example"} },
		`match "192.0.2.1/99"`:      func(c *Config) { c.Trunks[0].Match = []string{"192.0.2.1/99"} },
		"give server, username":     func(c *Config) { c.Trunks[1].Server = "" },
		"to register, give":         func(c *Config) { c.Trunks[1].Password = "" },
		"is not a host":             func(c *Config) { c.Trunks[1].Server = "sip.example\ntype=x" },
		"whole seconds from 5s":     func(c *Config) { c.Trunks[0].Check = 3 * time.Second },
		"is not a domain":           func(c *Config) { c.Trunks[1].Domain = "a b" },
		"letters, digits":           func(c *Config) { c.Trunks[1].Username = "a\"b" },
		"not one line of printable": func(c *Config) { c.Trunks[1].Password = "a\n[global]" },
		"a username needs":          func(c *Config) { c.Trunks[0].Username = "x" },
		`codec "opus"`:              func(c *Config) { c.Trunks[0].Codecs = []string{"alaw", "opus"} },
		"within 1024-65535":         func(c *Config) { c.RTPFrom = 80 },
		"rtp ports 30000-20999":     func(c *Config) { c.RTPFrom = 30000 },
		"cannot hold":               func(c *Config) { c.Sounds = "/srv/a;b" },
	} {
		c := valid(t)
		spoil(&c)
		err := c.Render(-1, -1)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
		if err != nil && strings.Contains(err.Error(), `p;w"[x]`) {
			t.Errorf("the error tells the password: %v", err)
		}
		if _, err := os.Stat(c.Dir); err == nil {
			t.Errorf("%s: something was written all the same", want)
		}
	}
	c := valid(t)
	c.Trunks[0].Match, c.Trunks[1].Codecs = []string{"x"}, []string{"opus"}
	if err := c.Validate(); err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("two faults are told in two lines: %v", err)
	}
}

func TestEveryModuleTheLineNeedsIsInTheRealAsterisk(t *testing.T) {
	cache := os.Getenv("DECROCHE_CACHE")
	if cache == "" {
		cache = "/var/cache/decroche"
	}
	a, err := Find(cache)
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^\d+\.`).MatchString(a.Version) {
		t.Errorf("its version is %q", a.Version)
	}
	for _, m := range modules {
		if _, err := os.Stat(filepath.Join(a.Modules, m+".so")); err != nil {
			t.Errorf("module %s: %v", m, err)
		}
	}
	c := valid(t)
	c.Modules = a.Modules
	if got := c.ModuleList(); len(got) != len(modules) {
		t.Errorf("%d of %d modules would be loaded", len(got), len(modules))
	}
}

func TestWithoutAnAsteriskTheMessageSaysWhereItWasLookedForAndWhatToDo(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	cache := t.TempDir()
	_, err := Find(cache)
	if err == nil || !strings.Contains(err.Error(), cache) || !strings.Contains(err.Error(), "make run") {
		t.Errorf("%v", err)
	}

	old := filepath.Join(t.TempDir(), "asterisk")
	if err := os.WriteFile(old, []byte("#!/bin/sh\necho Asterisk 16.28.0\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", filepath.Dir(old))
	if _, err = Find(cache); err == nil || !strings.Contains(err.Error(), "16.28.0 is too old") {
		t.Errorf("%v", err)
	}
}

func TestAsteriskTellsWhyACallerLeftAndWhoSpeaksAndRingsAsInFrance(t *testing.T) {
	c := valid(t)
	if err := os.MkdirAll(c.Modules, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, m := range []string{"func_talkdetect", "res_pjsip_rfc3326"} {
		if err := os.WriteFile(filepath.Join(c.Modules, m+".so"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	files := render(t, c)
	for _, m := range []string{"func_talkdetect", "res_pjsip_rfc3326"} {
		if !strings.Contains(files["modules.conf"], "load = "+m+".so\n") {
			t.Errorf("%s is not loaded", m)
		}
	}
	for _, kind := range []string{"hangup_request", "talking", "dtmf_end"} {
		if strings.Contains(files["stasis.conf"], "decline = ast_channel_"+kind) {
			t.Errorf("events of %s are declined", kind)
		}
	}
	tones := files["indications.conf"]
	if !strings.Contains(tones, "country = fr\n") || !strings.Contains(tones, "ring = 440/1500,0/3500\n") {
		t.Errorf("the tones are\n%s", tones)
	}
}
