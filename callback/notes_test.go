package callback

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"decroche/call"
	"decroche/service"
	"decroche/sms"
	"decroche/text"
)

// longest are notes with a name of 30 characters and links of 45, at the longest date.
func longest(lang call.Lang) (notes, Promise) {
	def := prefecture()
	def.Name = service.Text{"fr": {Say: "Préfecture des Hautes-Pyrénées"}, "en": {Say: "Hautes-Pyrénées County Council"}}
	link := "https://rappel.hautes-pyrenees.example/r/" + strings.Repeat("K", 4)
	n := notes{
		def: def, zone: paris, now: local("2026-09-01 10:00"),
		page: func(Promise) string { return link }, book: func(call.Lang) string { return link },
	}
	p := Promise{ID: "K3V7QW2M9X", Number: mobile, Lang: lang, Asked: n.now, Due: local("2026-09-30 11:45")}
	p.toSlot(p.Due)
	return n, p
}

// every gives all the messages there are about a promise.
func every(n notes, p Promise) []sms.Message {
	var all []sms.Message
	for _, kind := range []Kind{Place, Slot} {
		for _, origin := range []Origin{FromPage, FromCutOff} {
			q := p
			q.Kind, q.Origin = kind, origin
			all = append(append(all, n.confirmed(q)...), n.moved(q)...)
		}
	}
	all = append(append(append(all, n.cancelled(p)...), n.carried(p)...), n.unreachable(p)...)
	return append(all, n.invitation(Request{Number: p.Number, Lang: p.Lang}, paris))
}

func TestEveryMessageIsOneSegmentWithLongNamesAndLinks(t *testing.T) {
	for _, lang := range []call.Lang{"fr", "en"} {
		n, p := longest(lang)
		if name, link := len([]rune(n.name(lang))), len(n.page(p)); name != 30 || link != 45 {
			t.Fatalf("a name of %d and a link of %d: the test measures something else", name, link)
		}
		linked := every(n, p)
		n.page, n.book = func(Promise) string { return "" }, func(call.Lang) string { return "" }
		bare := every(n, p)
		if len(linked) != 16 || len(bare) != 16 {
			t.Errorf("%d messages with a link, %d without", len(linked), len(bare))
		}
		for _, m := range append(linked, bare...) {
			if segments, gsm7 := text.Segments(m.Text); segments != 1 || !gsm7 {
				t.Errorf("%s: %d segments, GSM-7 %v, %d characters: %s", m.Key, segments, gsm7, len([]rune(m.Text)), m.Text)
			}
			if strings.ContainsAny(m.Text, "{}") || strings.Contains(m.Text, "sms.") {
				t.Errorf("%s: not filled in: %s", m.Key, m.Text)
			}
		}
	}
}

func TestADateWithACircumflexStaysInOneSegment(t *testing.T) {
	n, p := longest("fr")
	p.toSlot(local("2027-08-18 10:30"))
	m := n.moved(p)[0]
	if !strings.Contains(m.Text, "mercredi 18 aout à 10 h 30") {
		t.Error(m.Text)
	}
	if segments, gsm7 := text.Segments(m.Text); segments != 1 || !gsm7 {
		t.Errorf("%d segments, GSM-7 %v: %s", segments, gsm7, m.Text)
	}
}

func TestTimesAreWrittenInTheCitizensZone(t *testing.T) {
	n, p := longest("fr")
	n.zone, p.Number = location("Pacific/Noumea"), noumea
	p.toSlot(local("2026-11-24 08:30"))
	if m := n.confirmed(p)[0]; !strings.Contains(m.Text, "mardi 24 novembre à 18 h 30") {
		t.Error(m.Text)
	}
	p.Lang = "en"
	if m := n.confirmed(p)[0]; !strings.Contains(m.Text, "Tuesday 24 November at 6:30 p.m.") {
		t.Error(m.Text)
	}
}

func TestALandlineGetsNoMessage(t *testing.T) {
	n, p := longest("fr")
	p.Number = landline
	if got := append(append(n.confirmed(p), n.cancelled(p)...), n.unreachable(p)...); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestAReminderComesAnHourBeforeOrTheEveningBefore(t *testing.T) {
	for _, c := range []struct{ now, slot, want string }{
		{"2026-11-23 10:00", "2026-11-24 10:00", "2026-11-24 09:00"},
		{"2026-11-23 10:00", "2026-11-24 09:00", "2026-11-24 08:00"},
		{"2026-11-23 10:00", "2026-11-24 08:30", "2026-11-23 18:00"},
		{"2026-11-23 19:00", "2026-11-24 08:30", ""}, // the confirmation has just said it
		{"2026-11-23 10:00", "2026-11-23 12:00", ""},
		{"2026-11-23 10:00", "2026-11-23 12:15", "2026-11-23 11:15"},
		{"2026-10-24 10:00", "2026-10-25 08:30", "2026-10-24 18:00"}, // the clocks go back that night
	} {
		at, ok := reminderAt(local(c.slot), paris, local(c.now))
		if ok != (c.want != "") || ok && !at.Equal(local(c.want)) {
			t.Errorf("%+v: %s %v", c, at, ok)
		}
	}
	n, p := longest("fr")
	m := n.reminder(p)[0]
	if m.Key != fmt.Sprintf("promise:K3V7QW2M9X:reminder:%d", p.Slot.Unix()) || !m.Expires.Equal(p.Slot) || !m.NextAt.Equal(m.NotBefore) {
		t.Errorf("%+v", m)
	}
	if p.Slot = p.Slot.Add(24 * time.Hour); n.reminder(p)[0].Key == m.Key {
		t.Error("two slots share a reminder")
	}
}
