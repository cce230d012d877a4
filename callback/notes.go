package callback

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"decroche/call"
	"decroche/service"
	"decroche/sms"
	"decroche/text"
)

// Notes are the text messages that tell a citizen about a promise. They are written in the
// citizen's language and time zone, to mobiles only, and dates are written in full:
// "tomorrow" may be read the day after.
//
// A promise is known by the keys of its messages, so that none is made twice:
//
//	promise:<id>:confirmed
//	promise:<id>:reminder:<slot, Unix seconds>
//	promise:<id>:moved:<version>
//	promise:<id>:carried:<due, Unix seconds>
//	promise:<id>:relay_silent:<tries>
//	promise:<id>:cancelled, promise:<id>:unreachable
//	invite:<hash of number and day>
type notes struct {
	def  *service.Definition
	zone *time.Location
	now  time.Time
	// page and book are the links, "" where there is no page.
	page func(Promise) string
	book func(call.Lang) string
}

// confirmed are the messages of a new promise: what was promised, and a reminder.
func (n notes) confirmed(p Promise) []sms.Message {
	id, purpose := "confirmed", sms.Confirmed
	if p.Origin == FromCutOff {
		id, purpose = "cut_off", sms.CutOff
	}
	if p.Relay != call.Withheld {
		id += ".relay"
	}
	m := n.message(p, purpose, id+"."+string(p.Kind), "confirmed", n.page(p), p.Slot)
	m.Expires = p.By
	return n.toMobile(p, append([]sms.Message{m}, n.reminder(p)...)...)
}

// relaySilent tells that the relay centre could not put us through, and when we try again.
func (n notes) relaySilent(p Promise) []sms.Message {
	m := n.message(p, sms.RelaySilent, "relay_silent", fmt.Sprintf("relay_silent:%d", p.Tries), n.page(p), p.Due)
	m.Expires = p.Due
	return n.toMobile(p, n.byDay(m))
}

// moved are those of a promise that was moved; its version is the one before the move.
func (n notes) moved(p Promise) []sms.Message {
	m := n.message(p, sms.Moved, "moved."+string(p.Kind), fmt.Sprintf("moved:%d", p.Version+1), n.page(p), p.Slot)
	m.Expires = p.By
	return n.toMobile(p, append([]sms.Message{m}, n.reminder(p)...)...)
}

func (n notes) cancelled(p Promise) []sms.Message {
	return n.toMobile(p, n.message(p, sms.Dropped, "cancelled", "cancelled", n.book(p.Lang), time.Time{}))
}

// carried tells of a promise that is kept on another day or hour: its Due. It does not wake anybody.
func (n notes) carried(p Promise) []sms.Message {
	m := n.message(p, sms.CarriedOver, "carried", fmt.Sprintf("carried:%d", p.Due.Unix()), n.page(p), p.Due)
	m.Expires = p.Due.Add(time.Hour)
	return n.toMobile(p, n.byDay(m))
}

func (n notes) unreachable(p Promise) []sms.Message {
	return n.toMobile(p, n.byDay(n.message(p, sms.NotReached, "unreachable", "unreachable", n.book(p.Lang), time.Time{})))
}

// reminder is none for a slot so near that the confirmation reminds of it.
func (n notes) reminder(p Promise) []sms.Message {
	at, ok := reminderAt(p.Slot, n.zone, n.now)
	if p.Kind != Slot || !ok {
		return nil
	}
	m := n.message(p, sms.Reminder, "reminder", fmt.Sprintf("reminder:%d", p.Slot.Unix()), n.page(p), p.Slot)
	m.NotBefore, m.NextAt, m.Expires = at, at, p.Slot
	return []sms.Message{m}
}

// reminderAt is when a reminder leaves: an hour before the slot, and where that is before
// eight in the citizen's morning, the evening before at six. ok is false for a slot within
// two hours, and when that moment is past.
func reminderAt(slot time.Time, zone *time.Location, now time.Time) (at time.Time, ok bool) {
	if slot.Sub(now) <= 2*time.Hour {
		return time.Time{}, false
	}
	at = slot.Add(-time.Hour).In(zone)
	if at.Hour() < 8 {
		y, m, d := slot.In(zone).Date()
		at = time.Date(y, m, d-1, 18, 0, 0, 0, zone)
	}
	return at, at.After(now)
}

// pending are the keys of what is not to be sent any more once a promise has moved or is settled.
func pending(p Promise) []string {
	keys := []string{key(p.ID, "confirmed"), key(p.ID, fmt.Sprintf("carried:%d", p.Due.Unix()))}
	if !p.Slot.IsZero() {
		keys = append(keys, key(p.ID, fmt.Sprintf("reminder:%d", p.Slot.Unix())))
	}
	return keys
}

func key(id ID, what string) string { return "promise:" + string(id) + ":" + what }

// message writes one. when is the moment that it tells, zero for none.
func (n notes) message(p Promise, purpose sms.Purpose, id, what, link string, when time.Time) sms.Message {
	when = when.In(n.zone)
	// Seen from another year no day is "today" or "tomorrow".
	day, clock := text.Day(p.Lang, when, time.Time{}), text.Clock(p.Lang, when)
	id = "sms." + id
	if link == "" {
		id += ".bare"
	}
	return sms.Message{
		Key: key(p.ID, what), To: p.Number, Lang: p.Lang, Purpose: purpose, Promise: string(p.ID), Contact: p.Contact,
		Text: Plain(text.Get(p.Lang, id, "service", n.name(p.Lang), "day", day, "clock", clock, "link", link,
			"when", text.Get(p.Lang, "sms.when", "day", day, "clock", clock), "number", n.def.Present.Spoken())),
		State: sms.Queued, Created: n.now, NextAt: n.now,
	}
}

// invitation says how to book to somebody who hung up while waiting; once a day and number.
func (n notes) invitation(r Request, zone *time.Location) sms.Message {
	day := n.now.In(zone).Format(time.DateOnly)
	hash := sha256.Sum256([]byte(string(r.Number) + " " + day))
	return n.byDay(sms.Message{
		Key: fmt.Sprintf("invite:%x", hash[:10]), To: r.Number, Lang: r.Lang, Purpose: sms.Invitation, Contact: r.Contact,
		Text:  Plain(text.Get(r.Lang, "sms.invitation", "service", n.name(r.Lang), "link", n.book(r.Lang))),
		State: sms.Queued, Created: n.now, NextAt: n.now, Expires: n.now.Add(24 * time.Hour),
	})
}

// byDay holds a message that nobody has just asked for until the citizen's day is on.
func (n notes) byDay(m sms.Message) sms.Message {
	if day := citizenDay(n.def, n.zone).Opening(n.now); !day.Open && !day.Next.IsZero() {
		m.NotBefore, m.NextAt = day.Next, day.Next
	}
	return m
}

func (n notes) toMobile(p Promise, ms ...sms.Message) []sms.Message {
	if !Mobile(p.Number) {
		return nil
	}
	return ms
}

// name is the service's in a language, or in its first.
func (n notes) name(lang call.Lang) string {
	if say := n.def.Name[lang].Say; say != "" {
		return say
	}
	if len(n.def.Languages) > 0 {
		return n.def.Name[n.def.Languages[0]].Say
	}
	return n.def.Name["fr"].Say
}

// plain are the nearest characters of GSM 03.38 to those that French is written with: one
// circumflex would more than double what the message costs.
var plain = strings.NewReplacer(
	"â", "a", "ê", "e", "ë", "e", "î", "i", "ï", "i", "ô", "o", "û", "u", "ÿ", "y", "ç", "c", "œ", "oe", "á", "a", "í", "i", "ó", "o", "ú", "u",
	"À", "A", "Â", "A", "È", "E", "Ê", "E", "Ë", "E", "Î", "I", "Ï", "I", "Ô", "O", "Ù", "U", "Û", "U", "Œ", "OE",
	"’", "'", "‘", "'", "«", `"`, "»", `"`, "“", `"`, "”", `"`, "–", "-", "—", "-", "…", "...", "\u00a0", " ", "\u202f", " ", "\u2009", " ",
)

// Plain writes a text in GSM 03.38 as far as French and English go: "août" is "aout".
func Plain(s string) string { return plain.Replace(s) }
