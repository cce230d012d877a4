package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"decroche/call"
	"decroche/e2e/rig"
)

// in is a moment from now, as --until takes it.
func in(d time.Duration) string { return time.Now().Add(d).Format(time.RFC3339) }

// messageID is the id in the answer of "message publish".
func messageID(t *testing.T, out string) string {
	t.Helper()
	var id int
	if _, err := fmt.Sscanf(out, "message %d", &id); err != nil {
		t.Fatalf("the command says %q", out)
	}
	return strconv.Itoa(id)
}

const (
	incident = "En raison d'une panne, les dossiers ne sont pas consultables."
	ofQueue  = "Le service des titres est très demandé ce matin."
	instead  = "Nos bureaux sont évacués. Rappelez demain."
)

func TestAnIncidentMessageIsHeardAtOnceByNewAndWaitingCallers(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	r.Learn("incident", "fr", incident)
	r.Learn("of-queue", "fr", ofQueue)
	r.Learn("instead", "fr", instead)

	waiting := joins(r, "+33639980201")
	waiting.Hears("fr/queue.noagents", 15*time.Second)
	waiting.Hears("music", 15*time.Second)
	id := messageID(t, r.Must("message", "publish", "--text", incident, "--until", in(time.Hour)))
	c := r.Dial(line, "+33639980202") // dials after the command returned
	c.Hears("fr/bienvenue", 5*time.Second)
	c.Types("1") // an incident is not skipped
	c.HearsAll("incident", 5*time.Second)
	c.Hears("fr/queue.joined", 5*time.Second)
	waiting.HearsAll("incident", 15*time.Second)

	english := r.Dial(bilingual, "+33639980203")
	english.Hears("fr/langue", 5*time.Second)
	english.Types("2")
	english.HearsAll("en/message.in-french", 10*time.Second)
	english.HearsAll("incident", 5*time.Second)
	english.HangsUp()

	queueID := messageID(t, r.Must("message", "publish", "--text", ofQueue, "--queue", "titres", "--until", in(time.Hour)))
	titres := r.Dial(permits, "+33639980204")
	titres.HearsAll("incident", 10*time.Second)
	titres.HearsAll("of-queue", 10*time.Second)
	titres.Hears("fr/queue.joined", 5*time.Second)
	titres.HangsUp()

	if out := r.Must("message", "list"); !strings.Contains(out, incident) || strings.Count(out, "heard") != 2 {
		t.Errorf("the list says\n%s", out)
	}
	r.Must("message", "stop", id)
	r.Must("message", "stop", queueID)
	c2 := r.Dial(line, "+33639980205")
	c2.Hears("fr/menu-principal", 10*time.Second)
	if count(c2, "incident") != 0 {
		t.Errorf("a stopped message was heard: %v", c2.Heard())
	}
	c2.HangsUp()

	// Callers who waited have heard it once, and those of another queue not at all.
	waiting.Hears("fr/position.1", 15*time.Second)
	for _, l := range []*rig.Line{waiting, c} {
		if n, other := count(l, "incident"), count(l, "of-queue"); n != 1 || other != 0 {
			t.Errorf("a caller heard the incident %d times, the other queue's %d times: %v", n, other, l.Heard())
		}
	}

	r.Must("message", "publish", "--text", instead, "--replace", "--until", in(time.Hour))
	c3 := r.Dial(line, "+33639980206")
	c3.HearsAll("instead", 10*time.Second)
	c3.Hears("fr/goodbye", 5*time.Second)
	c3.Ends(10 * time.Second)
	waiting.Hears("instead", 15*time.Second)
	waiting.Hears("music", 15*time.Second)
	if !waiting.Up() || !c.Up() {
		t.Error("who waits already keeps the place")
	}
	r.WaitFact(call.EventEnded, func(f rig.Fact) bool { return f.Data["outcome"] == "dissuaded" && f.Data["reason"] == "closure" })
}

func TestAMessageIsHeardWithinTwoSecondsOfItsCommand(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	r.Learn("incident", "fr", incident)
	c := r.Dial(line, caller) // in the welcome when the command returns
	r.Must("message", "publish", "--text", incident, "--until", in(time.Hour))
	published := time.Since(c.Hear().Start)
	next := r.Dial(line, caller)
	next.Hears("incident", 10*time.Second)
	welcomed := heardOf(t, next, "fr/bienvenue").End
	h := heardOf(t, next, "incident")
	t.Logf("published %s into the first call; the next heard it %s after the welcome", published, h.Start-welcomed)
	if h.Start-welcomed > 500*time.Millisecond {
		t.Errorf("the message came %s after the welcome", h.Start-welcomed)
	}
}

func TestAnExpiredMessageIsNeverHeardEvenIfTheControllerWasDownAtItsEnd(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	r.Learn("incident", "fr", incident)
	r.Must("message", "publish", "--text", incident, "--until", in(12*time.Second))
	end := time.Now().Add(12 * time.Second)
	c := r.Dial(line, caller)
	c.Hears("incident", 10*time.Second)
	c.HangsUp()
	r.StopController()
	time.Sleep(time.Until(end.Add(time.Second)))
	r.StartController()
	r.WaitReady()
	c = r.Dial(line, caller)
	c.Hears("fr/menu-principal", 15*time.Second)
	if count(c, "incident") != 0 {
		t.Errorf("an expired message was heard: %v", c.Heard())
	}
	if out := r.Must("message", "list"); strings.Contains(out, incident) {
		t.Errorf("the list of what runs has it still:\n%s", out)
	}
	if out := r.Must("message", "list", "--all"); !strings.Contains(out, incident) {
		t.Errorf("the list of all has it no more:\n%s", out)
	}
}

func TestTheHTTPInterfaceOfMessagesRefusesWhatIsWrongAndSaysWhy(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	post := func(body, token, key string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+r.Web+"/api/messages", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		req.Header.Set("Idempotency-Key", key)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		raw, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(raw)
	}
	token := r.Secret("api-token")
	good := fmt.Sprintf(`{"text": {"fr": %q}, "until": %q}`, incident, in(time.Hour))
	for name, test := range map[string]struct {
		body, token string
		status      int
		says        string
	}{
		"no token":      {good, "", 401, "token"},
		"wrong token":   {good, "wrong", 401, "token"},
		"no end":        {`{"text": {"fr": "Panne."}}`, token, 400, "until"},
		"past":          {fmt.Sprintf(`{"text": {"fr": "Panne."}, "until": %q}`, in(-time.Minute)), token, 400, "past"},
		"too far":       {fmt.Sprintf(`{"text": {"fr": "Panne."}, "until": %q}`, in(32*24*time.Hour)), token, 400, "too far"},
		"unknown queue": {fmt.Sprintf(`{"text": {"fr": "Panne."}, "queue": "nulle", "until": %q}`, in(time.Hour)), token, 400, "nulle"},
		"garbage":       {`{"text": `, token, 400, "body"},
		"unknown key":   {`{"texte": {"fr": "Panne."}}`, token, 400, "texte"},
		"no text":       {fmt.Sprintf(`{"text": {}, "until": %q}`, in(time.Hour)), token, 400, "French"},
	} {
		if status, said := post(test.body, test.token, ""); status != test.status || !strings.Contains(said, test.says) {
			t.Errorf("%s: %d %s, want %d with %q", name, status, said, test.status, test.says)
		}
	}
	var ids [2]int64
	for i := range ids {
		status, said := post(good, token, "once-only")
		var m struct{ ID int64 }
		if err := json.Unmarshal([]byte(said), &m); err != nil || status != 200 {
			t.Fatalf("%d %s", status, said)
		}
		ids[i] = m.ID
	}
	if out := r.Must("message", "list"); ids[0] != ids[1] || strings.Count(out, incident) != 1 {
		t.Errorf("sent twice with one key, the message is there as %v:\n%s", ids, out)
	}
	if out, err := r.CLI("message", "publish", "--text", "Panne."); err == nil || !strings.Contains(out, "until") {
		t.Errorf("without an end the command says %q, %v", out, err)
	}
	if out, err := r.CLI("message", "publish", "--text", "Panne.", "--until", "25:00"); err == nil || !strings.Contains(out, "25:00") {
		t.Errorf("with a wrong end the command says %q, %v", out, err)
	}
	if out, err := r.CLI("message", "stop", "999"); err == nil || !strings.Contains(out, "999") {
		t.Errorf("for an unknown message the command says %q, %v", out, err)
	}
}
