package public

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"decroche/call"
	"decroche/callback"
	"decroche/e2e/browser"
	"decroche/survey"
)

// The pages in a real Chromium: testdata/browser/check.mjs walks them, this starts what it
// walks. DECROCHE_SHOTS names a folder that is given a screenshot of each page.

// A browserJob is what check.mjs is told.
type browserJob struct {
	Modules  string        `json:"modules"`
	Chromium string        `json:"chromium"`
	Origin   string        `json:"origin"`
	Control  string        `json:"control"`
	Spent    call.Number   `json:"spent"`
	Pages    []browserPage `json:"pages"`
	Shots    string        `json:"shots"`
}

type browserPage struct {
	Name string `json:"name"`
	Path string `json:"path"`
	Lang string `json:"lang"`
}

func TestThePagesServeEverybodyInARealBrowser(t *testing.T) {
	node, chromium := browser.Program(t, "node"), browser.Program(t, "chromium")
	modules := browser.Modules(t, source(t, "testdata/browser/package-lock.json"))

	// It is always a Tuesday morning there.
	began, tuesday := time.Now(), time.Date(2026, 11, 24, 9, 5, 0, 0, time.UTC)
	o := newOffice(t, func() time.Time { return tuesday.Add(time.Since(began)) })
	chats := o.writing()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.srv.Signer.Base = "http://" + listener.Addr().String()
	pages := httptest.NewUnstartedServer(o.srv.Handler())
	_ = pages.Listener.Close()
	pages.Listener = listener
	pages.Start()
	defer pages.Close()
	control := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if r.URL.Path != "/answer" {
			fmt.Fprintln(w, o.code(call.Number(q.Get("number"))))
			return
		}
		id, err := o.srv.Signer.openChat(strings.TrimPrefix(q.Get("path"), "/c/"), o.desk.now())
		if err == nil {
			_, err = chats.Answer(r.Context(), id, "2001", "", q.Get("words"), false)
		}
		if err != nil {
			t.Error(err)
		}
	}))
	defer control.Close()

	job := browserJob{
		Modules: modules, Chromium: chromium, Origin: pages.URL, Control: control.URL,
		Spent: "+33639980077", Shots: os.Getenv("DECROCHE_SHOTS"), Pages: statesToSee(o),
	}
	for i := range PerHour {
		if _, _, err := o.srv.Codes.New(fmt.Sprint("spent", i), 1, job.Spent, netip.MustParsePrefix("192.0.2.0/32")); err != nil {
			t.Fatal(err)
		}
	}
	in, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), node, "testdata/browser/check.mjs")
	cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir(), "NO_PROXY=127.0.0.1", "NODE_USE_ENV_PROXY=0")
	var out, says bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = bytes.NewReader(in), &out, &says, 5*time.Second
	if err := cmd.Run(); err != nil {
		t.Fatalf("check.mjs: %v\n%s%s", err, out.String(), says.String())
	}
	for line := range strings.Lines(out.String()) {
		t.Error(strings.TrimSpace(line))
	}
	var looked int
	if _, err := fmt.Sscanf(says.String(), "%d pages looked at", &looked); err != nil || looked < 120 {
		t.Errorf("%d pages were looked at: %s", looked, says.String())
	}
	t.Logf("%d pages", looked)
}

// statesToSee makes promises in every state, and gives the pages that no journey comes to.
func statesToSee(o *office) (pages []browserPage) {
	add := func(name, path string) {
		for _, lang := range languages {
			in := "?lang="
			if strings.Contains(path, "?") {
				in = "&lang="
			}
			pages = append(pages, browserPage{name, path + in + string(lang), string(lang)})
		}
	}
	now := o.desk.now()
	for i, s := range []struct {
		name   string
		number call.Number
		kind   callback.Kind
		change func(p *callback.Promise)
	}{
		{"slot", "+33639980101", callback.Slot, func(*callback.Promise) {}},
		{"place", "+33639980102", callback.Place, func(*callback.Promise) {}},
		{"missed", "+33639980103", callback.Slot, func(p *callback.Promise) { p.Tries, p.Due = 1, now.Add(time.Hour) }},
		{"calling", "+33639980104", callback.Slot, func(p *callback.Promise) { p.State = callback.Calling }},
		{"kept", "+33639980105", callback.Slot, func(p *callback.Promise) { p.State, p.Settled = callback.Kept, now }},
		{"unreachable", "+33639980106", callback.Slot, func(p *callback.Promise) { p.State, p.Settled = callback.Unreachable, now }},
		{"island", "+262692990012", callback.Slot, func(*callback.Promise) {}},
		{"over", "+33639980107", callback.Slot, func(p *callback.Promise) { p.State, p.Settled = callback.Kept, now.Add(-72*time.Hour) }},
	} {
		o.def.Callback.PerSlot = i + 1 // all of them in one slot
		p := o.promise(s.number, s.kind)
		p = o.desk.change(p.ID, s.change)
		add("promise-"+s.name, o.link(p))
		if s.name == "slot" || s.name == "island" {
			add("move-"+s.name, o.link(p)+"/deplacer")
		}
	}
	o.informed()
	for _, lang := range languages {
		pages = append(pages, browserPage{"menu", "/" + string(lang), string(lang)})
	}
	x, sv, link := surveyed(o)
	add("survey", link)
	for i, score := range []int{5, 1} {
		done := sv
		done.ID, done.Answers = survey.ID(fmt.Sprintf("S3AB00000%d", i+2)), []survey.Answer{{About: "overall", Score: score}}
		x.all[done.ID] = done
		add(fmt.Sprint("survey-", score), o.srv.Signer.surveyPath(done))
	}
	sv.ID, sv.Until = "S3AB000009", now.Add(-time.Minute)
	x.all[sv.ID] = sv
	add("survey-over", o.srv.Signer.surveyPath(sv))
	add("forged", "/p/"+strings.Repeat("a", tokenLen))
	for _, lang := range languages {
		root := "/" + string(lang)
		old := o.srv.Signer.seal(booking{Proof: "p", Queue: "accueil", Number: mobile, Until: now.Add(-time.Minute).Unix()})
		full := o.srv.Signer.seal(booking{Proof: "full", Queue: "accueil", Number: "+262692990012", Until: now.Add(time.Hour).Unix()})
		done := o.srv.Signer.seal(booking{Proof: "done", Queue: "accueil", Number: mobile, Until: now.Add(time.Hour).Unix()})
		o.srv.Codes.Keep("done", "K3AB000001")
		pages = append(pages,
			browserPage{"nowhere", root + "/nowhere", string(lang)},
			browserPage{"expired", root + "/rappel/horaire?e=" + old, string(lang)},
			browserPage{"times-island", root + "/rappel/horaire?e=" + full, string(lang)},
			browserPage{"done", root + "/rappel/horaire?e=" + done, string(lang)},
			browserPage{"times-taken", root + "/rappel/horaire?erreur=pris&e=" + full, string(lang)})
	}
	return pages
}
