package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	asteriskconfig "decroche/asterisk-config"
	"decroche/service"
)

// examples are the YAML blocks of docs/deployment.md; the first is a file of its own.
func examples(t *testing.T) (page string, blocks []string) {
	t.Helper()
	raw, err := os.ReadFile("../../docs/deployment.md")
	if err != nil {
		t.Fatal(err)
	}
	for i, part := range strings.Split(string(raw), "```") {
		if yaml, ok := strings.CutPrefix(part, "yaml\n"); ok && i%2 == 1 {
			blocks = append(blocks, yaml)
		}
	}
	return string(raw), blocks
}

// loaded reads a configuration as the program does.
func loaded(t *testing.T, text string) (*config, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "decroche.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return (&env{cli: &cli{Config: file, Data: t.TempDir()}, ctx: t.Context()}).load()
}

func TestTheExamplesOfTheDeploymentReferenceLoad(t *testing.T) {
	_, blocks := examples(t)
	if len(blocks) < 5 {
		t.Fatalf("only %d examples were found", len(blocks))
	}
	short, err := loaded(t, blocks[0])
	if err != nil {
		t.Fatal(err)
	}
	if short.Web.Listen != "127.0.0.1:8080" || short.Agents[0].ID != "2001" || short.Agents[0].Skills["titres"] != 1 || short.Agents[0].Languages[1] != "en" {
		t.Errorf("read as %+v", short)
	}
	long, err := loaded(t, "service: prefecture.yaml\n"+strings.Join(blocks[1:], ""))
	if err != nil {
		t.Fatal(err)
	}
	base := filepath.Dir(long.file)
	if err := os.WriteFile(filepath.Join(base, "second-password"), []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	rendered, err := long.asterisk(asteriskconfig.Asterisk{})
	if err != nil {
		t.Fatal(err)
	}
	if tr := rendered.Trunks[1]; tr.Password != "secret" || tr.Username != "0033199003900" || !tr.Register || tr.Domain != "second.example" || len(tr.Codecs) != 1 {
		t.Errorf("the second trunk is %+v", tr)
	}
	if rendered.SIPBind != "192.0.2.1" || rendered.HoldLimit != 180 || long.Speech.Recordings != filepath.Join(base, "recordings") {
		t.Errorf("read as %+v", rendered)
	}
}

func TestEveryKeyOfTheDeploymentIsInItsReference(t *testing.T) {
	page, _ := examples(t)
	raw, err := os.ReadFile("../../docs/sms.md")
	if err != nil {
		t.Fatal(err)
	}
	texts := string(raw)
	var walk func(prefix string, typ reflect.Type)
	keys := 0
	walk = func(prefix string, typ reflect.Type) {
		for f := range typ.Fields() {
			key := f.Tag.Get("yaml")
			switch {
			case key == "":
			case f.Type.Kind() == reflect.Struct:
				walk(prefix+key+".", f.Type)
			case f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct:
				walk("", f.Type.Elem())
			default:
				keys++
				where, name, file := page, prefix+key, "deployment.md"
				if below, ok := strings.CutPrefix(name, "sms."); ok {
					where, name, file = texts, below, "sms.md"
				}
				if !strings.Contains(where, "`"+name+"`") {
					t.Errorf("key %s is not in docs/%s", name, file)
				}
			}
		}
	}
	walk("", reflect.TypeFor[config]())
	if keys < 30 {
		t.Errorf("only %d keys were found", keys)
	}
	for code, c := range starCodes {
		if !strings.Contains(page, "`"+code+"`") {
			t.Errorf("star code %s (%s) is not in docs/deployment.md", code, c.state)
		}
	}
}

func TestAWrongConfigurationIsRefusedWithWhatToMend(t *testing.T) {
	const good = "service: s.yaml\ntrunks: [{name: operator, match: [192.0.2.1]}]\n"
	if _, err := loaded(t, good); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ text, want string }{
		{"trunks: []\n", "service: name the file"},
		{good + "trunk: []\n", "trunk"},
		{good + "node: Nœud\n", "small letters"},
		{good + "sip: {bind: sip.example}\n", `sip.bind: "sip.example" is not an address`},
		{good + "sip: {port: 70000}\n", "70000 is not a port"},
		{good + "web: {listen: 8080}\n", "write an address and a port"},
		{good + "web: {public: {listen: 8081}}\n", "web.public.listen"},
		{good + "web: {public: {url: rappel.example.fr}}\n", "write how citizens reach the pages"},
		{good + "web: {public: {proxies: [proxy.example]}}\n", `web.public.proxies: "proxy.example" is neither an address nor a network`},
		{good + "web: {admin: {proxies: [192.0.2.0/33]}}\n", `web.admin.proxies: "192.0.2.0/33" is neither an address nor a network`},
		{good + "calls_out: nobody\n", "is no trunk with a server"},
		{good + "agents: [{id: x1, name: A}]\n", "three digits or more"},
		{good + "agents: [{id: 2001, name: 'A <b>'}]\n", "angle brackets"},
		{good + "agents: [{id: 2001, name: A}, {id: 2001, name: B}]\n", "2001"},
		{good + "agents: [{id: 2001, name: A, skill: {x: 1}}]\n", "skill"},
	} {
		if _, err := loaded(t, c.text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.text, err, c.want)
		}
	}
	if _, err := (&env{cli: &cli{Config: filepath.Join(t.TempDir(), "none.yaml")}, ctx: t.Context()}).load(); err == nil || !strings.Contains(err.Error(), "none.yaml") {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestAProxyThatIsNotNamedIsTold(t *testing.T) {
	const good = "service: s.yaml\ntrunks: [{name: operator, match: [192.0.2.1]}]\n"
	for text, want := range map[string]string{
		"": "",
		"web: {public: {url: \"https://rappel.example.fr\"}, admin: {url: \"https://admin.example.fr\"}}\n":                                                "[web.public.proxies web.admin.proxies]",
		"web: {public: {url: \"https://rappel.example.fr\", proxies: [192.0.2.7]}, admin: {url: \"https://admin.example.fr\", proxies: [192.0.2.0/24]}}\n": "",
		"web: {admin: {url: \"https://admin.example.fr\", acme: {on: true}}}\n":                                                                            "",
		"web: {admin: {url: \"https://admin.example.fr\", certificate: c.pem, key: k.pem}}\n":                                                              "",
	} {
		c, err := loaded(t, good+text)
		if err != nil {
			t.Fatal(err)
		}
		var said bytes.Buffer
		c.warn(&service.Definition{}, slog.New(slog.NewTextHandler(&said, nil)))
		if strings.Contains(said.String(), "write the addresses of the proxy") != (want != "") || !strings.Contains(said.String(), want) {
			t.Errorf("%q: said %q, want %q", text, said.String(), want)
		}
	}
}

func TestASecretIsMadeOnceAndReadableByItsOwnerAlone(t *testing.T) {
	c := &config{Data: t.TempDir()}
	first, err := c.secret("agents/2001")
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.secret("agents/2001")
	if err != nil || again != first || len(first) < 20 {
		t.Errorf("%d letters, then %d, %v", len(first), len(again), err)
	}
	other, err := c.secret("agents/2002")
	if err != nil || other == first {
		t.Errorf("two agents have the same password: %v", err)
	}
	file := filepath.Join(c.secretDir(), "agents", "2001")
	for path, mode := range map[string]os.FileMode{file: 0o600, filepath.Dir(file): 0o700} {
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", path, st.Mode(), err)
		}
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.secret("agents/2001"); err == nil || !strings.Contains(err.Error(), "empty") {
		t.Errorf("an empty secret: %v", err)
	}
}
