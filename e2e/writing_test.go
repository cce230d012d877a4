package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"decroche/call"
	"decroche/chat"
	"decroche/e2e/rig"
	"decroche/e2e/softphone"
	"decroche/sms/smstest"
	"decroche/web/api"
)

// written is a service that is written to, by text message and on a page, and works with a relay centre.
func written(t *testing.T) rig.Options {
	t.Helper()
	return rig.Options{Service: callbacksOn(t, "",
		"access: {prompt: acces, number: 01 99 00 39 42, queue: accueil}",
		"access: {prompt: acces, number: 01 99 00 39 42, queue: accueil, writing: [sms, web], relay: {number: 01 99 00 50 00}}",
		"      3: {info: horaires}\n", "      3: {info: horaires}\n      8: {access: true}\n",
	)}
}

// A deaf caller presses the key, has a text message, answers it, and writes with an agent: nothing is
// said or heard. The controller is killed on the way, and the provider delivers twice.
func TestADeafCallerWritesWithAnAgentByTextMessage(t *testing.T) {
	t.Parallel()
	b := smstest.New(t)
	opts := written(t)
	opts.NoController = true
	opts.Config = fmt.Sprintf("sms: {provider: twilio, from: \"+33700000000\", twilio: {account_sid: %s, auth_token_file: twilio-token, base_url: \"%s\"}}", smstest.SID, b.URL)
	r := rig.Start(t, opts)
	if err := os.WriteFile(filepath.Join(r.Dir, "twilio-token"), []byte(smstest.Token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.EditConfig("public: {listen: "+r.Public+"}", "public: {listen: "+r.Public+", url: \"http://"+r.Public+"\"}")
	r.StartController()
	r.WaitReady()

	c := r.DialFrom(mobile(t, r, softphone.Manner{}).Phone, line)
	c.Hears("fr/bienvenue", 15*time.Second)
	c.Types("8")
	wrote := func(n int, last string) {
		t.Helper()
		r.Eventually(20*time.Second, fmt.Sprintf("message %d is sent", n), func() error {
			if got := sentTo(b, caller); len(got) != n || !strings.Contains(got[n-1], last) {
				return fmt.Errorf("sent were %q, want %q as number %d", got, last, n)
			}
			return nil
		})
	}
	wrote(1, "répondez à ce SMS")
	c.HangsUp()

	texts := func(id, body string) {
		t.Helper()
		fields := map[string]string{"MessageSid": id, "From": caller, "To": "+33700000000", "Body": body, "AccountSid": smstest.SID}
		if status := told(t, r, "/hooks/twilio/incoming", smstest.Token, fields); status != http.StatusOK {
			t.Fatalf("a message is answered %d", status)
		}
	}
	texts("SM01", "Bonjour, mon titre de séjour est perdu")
	wrote(2, "Un agent vous répond ici")
	r.KillController()
	r.StartController()
	r.WaitReady()
	texts("SM01", "Bonjour, mon titre de séjour est perdu") // its answer was lost
	var list []api.Conversation
	if status, words := callAPI(t, r, "GET", "/api/conversations", nil, &list); status != http.StatusOK || len(list) != 1 {
		t.Fatalf("%d conversations: %s", len(list), words)
	}
	if got := list[0]; got.State != chat.Waiting || got.Queue != "accueil" || got.Number != call.Number(caller).Masked() || got.Last != 2 {
		t.Errorf("an agent sees %+v", got)
	}
	id := string(list[0].ID)
	if out := r.Must("conversations", "show", id); !strings.Contains(out, "mon titre de séjour est perdu") || !strings.Contains(out, caller) {
		t.Errorf("the conversation is shown as\n%s", out)
	}
	r.Must("conversations", "say", id, "Bonjour. Avez-vous une photo du titre ?", "--agent", "2001")
	wrote(3, "Avez-vous une photo du titre ?")
	texts("SM02", "Oui merci")
	if status, words := callAPI(t, r, "POST", "/api/conversations/"+id+"/messages", api.NewMessage{Agent: "2002", Text: "Bonjour"}, nil); status != http.StatusConflict {
		t.Errorf("a second agent is answered %d: %s", status, words)
	}
	if out := r.Must("conversations"); !strings.Contains(out, "waiting") || strings.Contains(out, "39980") {
		t.Errorf("the list is\n%s", out)
	}
	r.Must("conversations", "close", id, "--agent", "2001")
	if out := r.Must("conversations", "--state", "closed"); !strings.Contains(out, id) {
		t.Errorf("the list of those closed is\n%s", out)
	}
	if n := len(r.Facts(call.EventConversation)); n != 3 {
		t.Errorf("the journal has %d facts of the conversation, want opened, answered and closed", n)
	}
	noDigits(t, r, "639980")
}

// The page of a conversation is known to its citizen alone, and an agent's answer is on it at once.
func TestAConversationOnThePageReachesTheAgentAndBack(t *testing.T) {
	t.Parallel()
	opts := written(t)
	opts.NoAsterisk = true
	r := rig.Start(t, opts)
	r.Eventually(60*time.Second, "the pages are there without Asterisk", func() error {
		res, err := http.Get("http://" + r.Public + "/robots.txt")
		if err != nil {
			return err
		}
		return res.Body.Close()
	})
	first := browse(t, "http://"+r.Public+"/fr/ecrire", nil)
	first.says(t, http.StatusOK, "chat.title")
	form := url.Values{"k": {first.hidden(t, "k")}, "words": {"Bonjour, <j'écris>"}}
	page := browse(t, first.at.String(), form)
	page.says(t, http.StatusOK, "chat.title")
	again := browse(t, first.at.String(), form)
	if again.at.String() != page.at.String() || !regexp.MustCompile(`/c/[0-9A-Za-z]{25}$`).MatchString(page.at.Path) {
		t.Errorf("the form sent twice leads to %s and %s", page.at, again.at)
	}
	var list []api.Conversation
	if _, words := callAPI(t, r, "GET", "/api/conversations?state=waiting", nil, &list); len(list) != 1 || list[0].Channel != chat.ByWeb {
		t.Fatalf("an agent sees %s", words)
	}
	var c api.Conversation
	path := "/api/conversations/" + string(list[0].ID)
	for range 2 { // a double click
		if status, words := callAPI(t, r, "POST", path+"/messages", api.NewMessage{Agent: "2001", Text: "Bonjour, je vous lis.", Key: "k1"}, &c); status != http.StatusOK {
			t.Fatal(words)
		}
	}
	if len(c.Messages) != 3 || c.Messages[0].Text != "Bonjour, <j'écris>" || c.State != chat.Answered {
		t.Errorf("the conversation is %+v", c)
	}
	if now := browse(t, page.at.String(), nil); strings.Count(now.body, "Bonjour, je vous lis.") != 1 || strings.Contains(now.body, "2001") {
		t.Errorf("the citizen reads\n%s", now.body)
	}
	for what, want := range map[string]int{
		"/api/conversations/NOSUCHONE0": http.StatusNotFound, "/api/conversations?state=asleep": http.StatusBadRequest, "/api/conversations?queue=nulle": http.StatusBadRequest,
	} {
		if status, words := callAPI(t, r, "GET", what, nil, nil); status != want {
			t.Errorf("%s is answered %d: %s", what, status, words)
		}
	}
	for _, m := range []struct {
		body api.NewMessage
		want int
	}{
		{api.NewMessage{Agent: "2001", Text: "  "}, http.StatusUnprocessableEntity},
		{api.NewMessage{Agent: "9999", Text: "Bonjour"}, http.StatusBadRequest},
	} {
		if status, words := callAPI(t, r, "POST", path+"/messages", m.body, nil); status != m.want {
			t.Errorf("%+v is answered %d: %s", m.body, status, words)
		}
	}
}
