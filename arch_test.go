package decroche_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// A rule says what a folder, with the folders below it, may import of this module. The
// folder itself is always allowed, and the longest folder that fits a package is its rule.
type rule struct {
	folder string
	may    []string
	why    string
}

// domain are the packages that know what a public service is, and no technique.
var domain = []string{"call", "service", "ivr", "routing", "callback", "metrics", "speech", "sms", "text", "links", "privacy", "survey", "chat", "tags", "people", "drafts", "plans"}

var rules = []rule{
	{"call", nil, "the vocabulary stands on nothing, for everything stands on it"},
	{"service", []string{"call", "text"}, "a definition is read and linted without a line to run it on"},
	{"ivr", []string{"call", "service", "routing", "callback", "survey", "sms", "tags", "text"}, "a journey is tested in virtual time: sounds, storage and telephony come in through its own interfaces"},
	{"routing", []string{"call", "service"}, "who answers is decided by pure functions"},
	{"routing/wait", nil, "the estimation of a wait is arithmetic on times and counts"},
	{"callback", []string{"call", "service", "routing", "sms", "text"}, "a promise is kept whatever carries the call"},
	{"survey", []string{"call", "service", "callback", "sms", "text"}, "a question is asked whatever carries it"},
	{"chat", []string{"call", "service", "callback", "sms", "text"}, "what is written is answered whatever carries it"},
	{"drafts", []string{"service"}, "a definition is edited whoever serves it"},
	{"plans", []string{"call", "service", "ivr"}, "a plan is messages and rules of queues, whoever serves them"},
	{"studio", []string{"call"}, "a message is recorded whatever it is for"},
	{"people", nil, "who may do what is known without knowing what is done"},
	{"tags", []string{"call", "service"}, "what is known of a caller is kept whatever follows it"},
	{"metrics/report", []string{"call", "service", "metrics", "text"}, "a report is words about figures"},
	{"metrics", []string{"call", "service"}, "the indicators are computed from the journal alone"},
	{"speech", []string{"call", "text"}, "synthesis serves whoever has a text"},
	{"sms", []string{"call", "text"}, "a text message is sent without knowing why"},
	{"text", []string{"call"}, "what is read is written without knowing who reads it"},
	{"links", []string{"call", "service"}, "a site is watched whoever sends people there"},
	{"privacy", []string{"call", "service", "metrics", "callback", "sms"}, "it knows kinds of data and no table"},
	{"ari", nil, "Asterisk's interface knows no domain word"},
	{"phone", []string{"call", "ari"}, "it turns Asterisk into calls, and the journey decides what is said"},
	{"store", domain, "storage serves the domain's interfaces and no other adapter"},
	{"store/storetest", slices.Concat(domain, []string{"store", "e2e/port"}), "the conformance suite knows the domain and the engines"},
	{"cluster", []string{"call", "routing"}, "what nodes share may be lost, so little depends on it"},
	{"web", domain, "pages reach storage and telephony through interfaces of their own"},
	{"asterisk-config", nil, "the templates render without a line to run"},
	{"e2e/softphone", nil, "the test telephone must not share a mistake with what it tests"},
	{"e2e", []string{"*"}, ""},
	{"bench", []string{"*"}, ""},
	{"cmd", []string{"*"}, ""},
	{"demo", nil, "the demonstration is files"},
}

// inTests are what tests may import beyond their package's rule: the means of testing.
var inTests = []string{"e2e", "store", "cluster", "demo"}

// A home is where one technique lives; elsewhere it would leak.
type home struct {
	module string
	in     []string
	why    string
}

var homes = []home{
	{"github.com/jackc/pgx", []string{"store"}, "SQL is written in store"},
	{"modernc.org/sqlite", []string{"store"}, "SQL is written in store"},
	{"github.com/pressly/goose", []string{"store"}, "SQL is written in store"},
	{"github.com/redis/go-redis", []string{"cluster"}, "Redis is known to cluster"},
	{"github.com/coder/websocket", []string{"ari", "web"}, "sockets belong to the interfaces that speak over them"},
	{"github.com/go-chi/chi", []string{"web", "cmd"}, "HTTP routes are declared in web"},
	{"github.com/twilio", []string{"sms", "web"}, "providers of text messages are known to sms, and to the hooks they call"},
	{"github.com/ovh", []string{"sms"}, "providers of text messages are known to sms"},
	{"github.com/alecthomas/kong", []string{"cmd", "bench"}, "command lines are parsed in main packages"},
	{"github.com/prometheus", []string{"metrics", "cmd"}, "Prometheus is known to metrics"},
	{"github.com/xuri/excelize", []string{"metrics"}, "files of figures are written by metrics/report"},
	{"github.com/parquet-go", []string{"metrics"}, "files of figures are written by metrics/report"},
	{"github.com/emiago", []string{"e2e"}, "the product's SIP is Asterisk's; ours is for tests"},
	{"github.com/icholy/digest", []string{"e2e"}, "the product's SIP is Asterisk's; ours is for tests"},
	{"github.com/pion", []string{"e2e"}, "the product's RTP is Asterisk's; ours is for tests"},
}

// standardOnly are the folders that import no third party's module at all.
var standardOnly = []string{"call", "routing", "ivr", "asterisk-config"}

// A listed is what `go list -json` says of a package.
type listed struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
}

func TestEveryPackageImportsOnlyWhatTheDesignAllowsIt(t *testing.T) {
	packages := list(t)
	if len(packages) < 5 {
		t.Fatalf("go list found %d packages: the table would hold nothing", len(packages))
	}
	for _, p := range packages {
		for _, complaint := range complaints(p) {
			t.Error(complaint)
		}
	}
}

func TestTheTableRefusesAForbiddenImportWithItsReason(t *testing.T) {
	for _, c := range []struct {
		name string
		p    listed
		want string // part of the only complaint; none when empty
	}{
		{"journey on telephony", listed{ImportPath: "decroche/ivr", Imports: []string{"decroche/phone"}}, "virtual time"},
		{"journey on speech", listed{ImportPath: "decroche/ivr", Imports: []string{"decroche/speech"}}, "virtual time"},
		{"adapter on adapter", listed{ImportPath: "decroche/web/api", Imports: []string{"decroche/store"}}, "interfaces of their own"},
		{"telephone on the rig", listed{ImportPath: "decroche/e2e/softphone", Imports: []string{"decroche/e2e/rig"}}, "must not share"},
		{"a name that only begins alike", listed{ImportPath: "decroche/speech", Imports: []string{"decroche/callback"}}, "serves whoever"},
		{"SQL outside the store", listed{ImportPath: "decroche/metrics", Imports: []string{"github.com/jackc/pgx/v5"}}, "SQL is written in store"},
		{"a module where there is to be none", listed{ImportPath: "decroche/call", Imports: []string{"github.com/google/uuid"}}, "standard library"},
		{"a folder nobody thought of", listed{ImportPath: "decroche/utils"}, "not in the table"},
		{"a test on telephony", listed{ImportPath: "decroche/ivr", XTestImports: []string{"decroche/phone"}}, "virtual time"},
		{"a test on the real store", listed{ImportPath: "decroche/web/api", XTestImports: []string{"decroche/store"}}, ""},
		{"a test's own library", listed{ImportPath: "decroche/call", TestImports: []string{"pgregory.net/rapid"}}, ""},
		{"a folder below an allowed one", listed{ImportPath: "decroche/ivr", Imports: []string{"decroche/routing/wait", "time"}}, ""},
		{"main on all", listed{ImportPath: "decroche/cmd/decroche", Imports: []string{"decroche/phone", "decroche/store", "decroche/web/api"}}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := complaints(c.p)
			if c.want == "" {
				if len(got) != 0 {
					t.Fatalf("complaints about what is allowed: %q", got)
				}
				return
			}
			if len(got) != 1 || !strings.Contains(got[0], c.want) {
				t.Fatalf("want one complaint with %q, got %q", c.want, got)
			}
		})
	}
}

// complaints says what is wrong with a package's imports.
func complaints(p listed) []string {
	if p.ImportPath == "decroche" { // this test's own
		return nil
	}
	folder := strings.TrimPrefix(p.ImportPath, "decroche/")
	r, ok := ruleOf(folder)
	if !ok {
		return []string{fmt.Sprintf("%s is not in the table: say in arch_test.go what it may import, and why", folder)}
	}
	var all []string
	for _, path := range p.Imports {
		all = append(all, judge(folder, r, path, r.may)...)
	}
	tests := slices.Concat(p.TestImports, p.XTestImports)
	slices.Sort(tests)
	for _, path := range slices.Compact(tests) {
		// Libraries of tests are free; this module's packages are not.
		if strings.HasPrefix(path, "decroche/") {
			all = append(all, judge(folder, r, path, slices.Concat(r.may, inTests))...)
		}
	}
	return all
}

func judge(folder string, r rule, path string, may []string) []string {
	if target, ours := strings.CutPrefix(path, "decroche/"); ours {
		if !below(target, r.folder) && !slices.Contains(may, "*") && !slices.ContainsFunc(may, func(f string) bool { return below(target, f) }) {
			return []string{fmt.Sprintf("%s imports %s, which the design forbids: %s", folder, target, r.why)}
		}
		return nil
	}
	for _, h := range homes {
		if below(path, h.module) && !slices.ContainsFunc(h.in, func(f string) bool { return below(folder, f) }) {
			return []string{fmt.Sprintf("%s imports %s, whose place is %s: %s", folder, path, strings.Join(h.in, " and "), h.why)}
		}
	}
	host, _, _ := strings.Cut(path, "/")
	if strings.Contains(host, ".") && slices.ContainsFunc(standardOnly, func(f string) bool { return below(folder, f) }) {
		return []string{fmt.Sprintf("%s imports %s, and is to stand on the standard library alone", folder, path)}
	}
	return nil
}

func ruleOf(folder string) (best rule, ok bool) {
	for _, r := range rules {
		if below(folder, r.folder) && len(r.folder) > len(best.folder) {
			best, ok = r, true
		}
	}
	return best, ok
}

// below says whether path is folder or lies in it.
func below(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, folder+"/")
}

// list asks go for every package of the module. -e keeps a package that does not compile
// in the list: its compiler says it better than this test would.
func list(t *testing.T) []listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Imports,TestImports,XTestImports", "./...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v: %s", err, stderr.String())
	}
	var all []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("read what go list says: %v", err)
		}
		all = append(all, p)
	}
}
