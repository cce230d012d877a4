package sms

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"decroche/call"
	"decroche/text"
)

var monday = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

// desk is an inbox of a service, what it cancels, and its log.
type desk struct {
	*Inbox
	store *memory
	// promises are the numbers that have one.
	promises map[call.Number]bool
	fail     error
	woken    int
	log      bytes.Buffer
}

func newDesk() *desk {
	d := &desk{store: newMemory(), promises: map[call.Number]bool{}}
	d.Inbox = &Inbox{
		Store: d.store, Service: func() string { return "Mairie" }, Phone: func() string { return "09 72 72 72 72" },
		Cancel: func(_ context.Context, from call.Number) (bool, error) {
			was := d.promises[from]
			delete(d.promises, from)
			return was, d.fail
		},
		Changed: func() { d.woken++ },
		Log:     slog.New(slog.NewTextHandler(&d.log, nil)),
	}
	return d
}

// gets receives a message and gives back the keys of what we reply.
func (d *desk) gets(t *testing.T, id, words string, at time.Time) []string {
	t.Helper()
	before := len(d.store.out)
	in := Incoming{Provider: "twilio", ProviderID: id, From: marie, Text: words, At: at}
	if err := d.Receive(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	var replies []string
	for _, k := range d.store.out[before:] {
		if k.To != marie || k.Purpose != Reply {
			t.Errorf("a reply to %v for %s", k.To, k.Purpose)
		}
		replies = append(replies, k.Text)
	}
	return replies
}

func (d *desk) handled() string {
	var all []string
	for _, in := range d.store.in {
		all = append(all, in.Handled)
	}
	return strings.Join(all, " ")
}

func reply(id string) string {
	return fmt.Sprint([]string{text.Get("fr", "smsreply."+id, "service", "Mairie", "number", "09 72 72 72 72")})
}

func TestWordsAreUnderstoodAsPeopleWriteThem(t *testing.T) {
	for words, want := range map[string]string{
		"STOP": HandledStop, " stop. ": HandledStop, "Stop !": HandledStop, "S T O P": HandledStop, "arrêt": HandledStop, "ARRÊTER": HandledStop,
		"ARRE\u0302T": HandledStop, "Arrêtez": HandledStop, "unsubscribe": HandledStop, "STOPALL": HandledStop, "désabonner": HandledStop,
		"START": HandledStart, "Reprendre": HandledStart, "unstop\n": HandledStart,
		"ANNULER": HandledCancelled, "annulation": HandledCancelled, "«Cancel»": HandledCancelled, "Annulé": HandledCancelled,
		"": "", "merci": "", "stop appeler ma mère": "", "ne pas annuler": "", "👍": "", "STOPPER LE RAPPEL": "",
		strings.Repeat(" ", 500) + "STOP": "",
	} {
		if got := meaning(words); got != want {
			t.Errorf("%q is taken for %q, want %q", words, got, want)
		}
	}
}

func TestStopIsHonouredRememberedAndRepliedToOnce(t *testing.T) {
	d := newDesk()
	if got := fmt.Sprint(d.gets(t, "1", "Stop", monday)); got != reply("stopped") {
		t.Errorf("replied %s", got)
	}
	if _, is := d.store.blocked[marie]; !is {
		t.Error("the number is not blocked")
	}
	if got := d.gets(t, "2", "STOP", monday.Add(time.Minute)); len(got) != 0 {
		t.Errorf("a second STOP is replied to: %q", got)
	}
	if got := fmt.Sprint(d.gets(t, "3", "reprendre", monday.Add(time.Hour))); got != reply("started") {
		t.Errorf("replied %s", got)
	}
	if _, is := d.store.blocked[marie]; is {
		t.Error("the number is still blocked")
	}
	if got := d.handled(); got != "stop stop start" || d.woken != 2 {
		t.Errorf("handled %s, woken %d times", got, d.woken)
	}
}

func TestCancellingIsToldByWhoCancels(t *testing.T) {
	d := newDesk()
	d.promises[marie] = true
	if got := d.gets(t, "1", "Annuler", monday); len(got) != 0 || d.promises[marie] {
		t.Errorf("replied %q, cancelled %v", got, !d.promises[marie])
	}
	if got := fmt.Sprint(d.gets(t, "2", "Annuler", monday)); got != reply("nothing") {
		t.Errorf("replied %s", got)
	}
	if got := d.gets(t, "3", "Annuler svp", monday); fmt.Sprint(got) != reply("unread") {
		t.Errorf("replied %q", got)
	}
	d.fail = errors.New("the store is down")
	if got := d.gets(t, "4", "ANNULATION", monday); len(got) != 0 {
		t.Errorf("replied %q to what we could not do", got)
	}
	if got := d.handled(); got != "cancelled kept kept kept" {
		t.Errorf("handled %s", got)
	}
}

func TestOtherMessagesAreKeptAndAnsweredOnceADay(t *testing.T) {
	d := newDesk()
	if got := fmt.Sprint(d.gets(t, "1", "Bonjour, où êtes-vous ?", monday)); got != reply("unread") {
		t.Errorf("replied %s", got)
	}
	if got := d.gets(t, "2", "Allô ?", monday.Add(time.Hour)); len(got) != 0 {
		t.Errorf("replied again: %q", got)
	}
	if got := d.gets(t, "3", "Allô ?", monday.Add(24*time.Hour)); len(got) != 1 {
		t.Errorf("the next day: %q", got)
	}
	if got := d.handled(); got != "kept kept kept" || d.store.in[0].Text != "Bonjour, où êtes-vous ?" {
		t.Errorf("handled %s, kept %+v", got, d.store.in[0])
	}
}

func TestMessageThatComesAgainDoesNothing(t *testing.T) {
	d := newDesk()
	d.gets(t, "1", "STOP", monday)
	d.gets(t, "2", "START", monday)
	d.promises[marie] = true
	d.gets(t, "3", "ANNULER", monday)
	d.promises[marie] = true // booked again
	for id, words := range map[string]string{"1": "STOP", "2": "START", "3": "ANNULER"} {
		if got := d.gets(t, id, words, monday.Add(time.Hour)); len(got) != 0 {
			t.Errorf("%s again is replied to: %q", words, got)
		}
	}
	if _, is := d.store.blocked[marie]; is || !d.promises[marie] || len(d.store.in) != 3 {
		t.Errorf("blocked %v, promised %v, %d kept", is, d.promises[marie], len(d.store.in))
	}
}

func TestNobodyIsAnsweredWhoCannotBeOrHasBeen(t *testing.T) {
	d := newDesk()
	for i, in := range []Incoming{
		{From: call.Withheld, Text: "STOP"}, // a short number
		{From: marie, Text: "STOP", Answered: true},
		{From: marie, Text: "HELP", Answered: true},
	} {
		in.Provider, in.ProviderID, in.At = "twilio", fmt.Sprint(i), monday
		if err := d.Receive(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	if got := d.handled(); len(d.store.out) != 0 || len(d.store.blocked) != 1 || got != "kept stop kept" {
		t.Errorf("%d replies, %d blocked, handled %s", len(d.store.out), len(d.store.blocked), got)
	}
}

func TestRepliesAreInTheCitizensLanguage(t *testing.T) {
	d := newDesk()
	d.Lang = func(context.Context, call.Number) call.Lang { return "en" }
	if got := d.gets(t, "1", "hello", monday); len(got) != 1 || !strings.Contains(got[0], "call 09 72 72 72 72") {
		t.Errorf("replied %q", got)
	}
}

// TestMessageIsHandledWhereverTheProcessIsKilled kills the process at each operation of each
// kind of message; the provider delivers it again.
func TestMessageIsHandledWhereverTheProcessIsKilled(t *testing.T) {
	walks := 0
	for _, words := range []string{"STOP", "START", "ANNULER", "bonjour"} {
		for n := 1; ; n++ {
			d := newDesk()
			d.promises[marie] = true
			if words == "START" {
				d.store.blocked[marie] = monday
			}
			k := &killer{left: n, died: func() {}}
			d.store.op = func(name string) error { return k.mark("before " + name) }
			d.store.after = func(name string) error { return k.mark("after " + name) }
			in := Incoming{Provider: "twilio", ProviderID: "1", From: marie, Text: words, At: monday}
			err := d.Receive(t.Context(), in)
			d.store.op, d.store.after = nil, nil
			if err == nil {
				break
			}
			walks++
			if err := d.Receive(t.Context(), in); err != nil {
				t.Fatal(err)
			}
			_, blocked := d.store.blocked[marie]
			replies := len(d.store.out)
			want := map[string]string{
				"STOP": "true true 1 stop", "START": "false true 1 start", "bonjour": "false true 1 kept",
				"ANNULER": "false false 0 cancelled",
			}[words]
			got := fmt.Sprint(blocked, " ", d.promises[marie], " ", replies, " ", d.handled())
			// Cancelled before the kill: the second delivery finds nothing and says so, or was kept already.
			twice := words == "ANNULER" && got == "false false 1 kept"
			if got != want && !twice {
				t.Errorf("%s killed at %d (%s): %s, want %s", words, n, k.trail[len(k.trail)-1], got, want)
			}
		}
	}
	if walks < 25 {
		t.Errorf("%d walks only", walks)
	}
}

func TestLogsHoldNoNumberAndNoText(t *testing.T) {
	d := newDesk()
	d.fail = errors.New("down")
	d.gets(t, "1", "Bonjour, je suis Marie", monday)
	d.gets(t, "2", "STOP", monday)
	d.gets(t, "2", "STOP", monday)
	d.gets(t, "3", "ANNULER", monday)
	if log := d.log.String(); log == "" || strings.Contains(log, "612345678") || strings.Contains(log, "Marie") {
		t.Errorf("the log says %s", log)
	}
	for _, k := range d.store.out {
		if strings.Contains(k.Key, "612345678") {
			t.Errorf("the key tells the number: %s", k.Key)
		}
	}
}
