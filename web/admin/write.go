package admin

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"decroche/call"
	"decroche/ivr"
	"decroche/text"
)

// writeView is the form of a message, and what it will be.
type writeView struct {
	Key string // names this message: sent twice it is one
	// Instead is the message that it takes the place of, 0 for none, unless it is to be heard Beside it; Runs is when
	// that one is heard.
	Instead int64
	Beside  bool
	Runs    string
	Langs   []langField
	Queue   string
	Queues  []choice
	// Effect is "say", "replace", or what the message offers.
	Effect  string
	Effects []effectChoice
	Held    bool // a second person will let it out
	// Ends are the ends offered, End is the one chosen: "1h", "2h", "4h", "closing" or "other".
	Ends              []choice
	End               string
	UntilDay, UntilAt string
	Later             bool
	FromDay, FromAt   string
	// What is read before it is let out; set on the second page. Until is the end in RFC 3339.
	Sure    bool
	Until   string
	Row     messageRow
	Waiting string
	Max     int
	Today   string
}

type langField struct {
	Lang       call.Lang
	Name, Text string
	Needed     bool
	Recording  soundField
}

type effectChoice struct {
	Value, Name, Hint string
	Chosen            bool
}

// showWrite gives the form: empty, or as another message has it, whose place the new one takes if it is not over.
func (v *visit) showWrite() {
	v.Write = &writeView{Key: rand.Text(), Effect: "say"}
	if id, err := strconv.ParseInt(v.r.URL.Query().Get("depuis"), 10, 64); err == nil {
		m, err := v.messageOf(id)
		switch {
		case errors.Is(err, ivr.ErrNoMessage):
			v.stop(http.StatusNotFound, "missing")
			return
		case err != nil:
			v.fail("read a message", err)
			return
		}
		w := v.Write
		w.Langs, w.Queue, w.Effect = v.langFields(m.Text, m.Sound), m.Queue, cmp.Or(m.Offer, "say")
		if m.Replace {
			w.Effect = "replace"
		}
		if !m.Over(v.now) {
			w.Instead = m.ID
		}
	}
	v.writePage(http.StatusOK)
}

// messageOf is a message that the list has, or ivr.ErrNoMessage.
func (v *visit) messageOf(id int64) (ivr.Message, error) {
	all, err := v.s.Messages.Messages(v.r.Context(), v.now.Add(-pastShown))
	if err != nil {
		return ivr.Message{}, err
	}
	for _, m := range all {
		if m.ID == id {
			return m, nil
		}
	}
	return ivr.Message{}, ivr.ErrNoMessage
}

func (v *visit) writePage(status int) {
	w := v.Write
	w.Max, w.Today = ivr.MessageMaxText, v.now.In(v.zone()).Format(time.DateOnly)
	if len(w.Langs) == 0 {
		w.Langs = v.langFields(nil, nil)
	}
	w.Effects = v.effects(w.Effect, v.def.Callback.On)
	w.Held = v.s.Approval
	if w.Instead != 0 {
		if m, err := v.messageOf(w.Instead); err == nil { // its words are a help, and no more
			w.Runs = v.T("write.instead", "from", v.when(m.From), "until", v.when(m.Until))
		}
	}
	w.Queues = v.places(w.Queue)
	w.Ends = nil
	for _, id := range []string{"1h", "2h", "4h"} {
		d, _ := time.ParseDuration(id)
		w.Ends = append(w.Ends, choice{id, v.T("messages.end."+id, "when", v.when(v.now.Add(d))), w.End == id})
	}
	if closing := v.closing(); !closing.IsZero() {
		w.Ends = append(w.Ends, choice{"closing", v.T("messages.end.closing", "when", v.when(closing)), w.End == "closing"})
	}
	w.Ends = append(w.Ends, choice{"other", v.T("messages.end.other"), w.End == "other"})
	name, title := "write.html", "write.title"
	if w.Instead != 0 {
		title = "write.change.title"
	}
	if w.Sure {
		name, title = "review.html", "review.title"
	}
	v.render(status, name, v.T(title))
}

// places are where a message may be heard: everywhere, by the callers of a queue, or of a menu behind the first.
func (v *visit) places(chosen string) []choice {
	all := []choice{{"", v.T("messages.where.all"), chosen == ""}}
	for _, id := range slices.Sorted(maps.Keys(v.def.Queues)) {
		all = append(all, choice{id, v.where(id), chosen == id})
	}
	for _, id := range slices.Sorted(maps.Keys(v.def.Menus)) {
		if place := ivr.MessageMenu + id; id != v.def.Entry.Menu {
			all = append(all, choice{place, v.where(place), chosen == place})
		}
	}
	return all
}

// langFields are French, which is needed, and the other languages of the service.
func (v *visit) langFields(texts, sounds map[call.Lang]string) (all []langField) {
	for _, l := range v.messageLangs() {
		all = append(all, langField{
			Lang: l, Name: v.T("lang." + string(l)), Text: texts[l], Needed: l == "fr", Recording: v.soundField(l, sounds[l], "write.sound.hint"),
		})
	}
	return all
}

// messageLangs are French first, which every message has, and the other languages of the service.
func (v *visit) messageLangs() []call.Lang {
	return append([]call.Lang{"fr"}, slices.DeleteFunc(slices.Clone(v.def.Languages), func(l call.Lang) bool { return l == "fr" })...)
}

// closing is when the line closes next, if that is within a day; zero else.
func (v *visit) closing() time.Time {
	if o := v.def.Opening(v.now); o.Open && !o.Until.IsZero() && o.Until.Sub(v.now) < 24*time.Hour {
		return o.Until
	}
	return time.Time{}
}

// typedMessage reads the form; what is wrong is added to the errors.
func (v *visit) typedMessage() ivr.Message {
	post := v.r.PostFormValue
	w := &writeView{
		Key: post("key"), Queue: post("queue"), Effect: post("effect"), End: post("end"),
		UntilDay: post("until_day"), UntilAt: post("until_at"), Later: post("later") != "", FromDay: post("from_day"), FromAt: post("from_at"),
	}
	w.Instead, _ = strconv.ParseInt(post("instead"), 10, 64)
	w.Beside = post("beside") != ""
	v.Write = w
	m := ivr.Message{Text: map[call.Lang]string{}, Sound: map[call.Lang]string{}, Queue: w.Queue, Created: v.now, From: v.now, CreatedBy: v.Me.Name, Held: v.s.Approval}
	if !w.Beside {
		m.Instead = w.Instead
	}
	switch w.Effect {
	case "replace":
		m.Replace = true
	case "say", "":
	default:
		m.Offer = w.Effect
	}
	if !slices.ContainsFunc(v.effects("", v.def.Callback.On), func(e effectChoice) bool { return e.Value == cmp.Or(w.Effect, "say") }) {
		v.wrong("effect", "write.error.effect")
	}
	for _, l := range v.messageLangs() {
		if words := strings.TrimSpace(post("text_" + string(l))); words != "" {
			m.Text[l] = words
		}
		if name := v.typedSound(l, inMessages{v.s}); name != "" {
			m.Sound[l] = name
			if m.Text[l] == "" && l != "fr" {
				v.wrong("text_"+string(l), "write.error.said")
			}
		}
	}
	w.Langs = v.langFields(m.Text, m.Sound)
	if m.Text["fr"] == "" {
		v.wrong("text_fr", "write.error.text")
	}
	for _, l := range w.Langs {
		if n := len([]rune(l.Text)); n > ivr.MessageMaxText {
			v.wrong("text_"+string(l.Lang), "write.error.long", "n", n, "max", ivr.MessageMaxText)
		}
	}
	if menu, is := strings.CutPrefix(w.Queue, ivr.MessageMenu); w.Queue != "" && v.def.Queues[w.Queue] == nil && (!is || v.def.Menus[menu] == nil) {
		v.wrong("queue", "write.error.queue")
	}
	if w.Later {
		m.From = v.typedMoment("from", w.FromDay, w.FromAt)
	}
	switch w.End {
	case "1h", "2h", "4h":
		d, _ := time.ParseDuration(w.End)
		m.Until = m.From.Add(d)
	case "closing":
		m.Until = v.closing()
	case "other":
		m.Until = v.typedEnd(post("until"))
	}
	switch {
	case w.End == "" || w.End != "other" && m.Until.IsZero():
		v.wrong("end", "write.error.end")
	case len(v.Errors) > 0 || m.Until.IsZero():
	case !m.Until.After(v.now):
		v.wrong("until_day", "write.error.past")
	case !m.Until.After(m.From):
		v.wrong("until_day", "write.error.before")
	case m.Until.Sub(v.now) > ivr.MessageMaxLife:
		v.wrong("until_day", "write.error.far", "days", int(ivr.MessageMaxLife/(24*time.Hour)))
	}
	return m
}

// typedEnd is the end that was read before publishing, to the second, or else the one that was typed: a time of day
// comes twice in the night when the clocks go back.
func (v *visit) typedEnd(read string) time.Time {
	if t, err := time.Parse(time.RFC3339, read); err == nil {
		return t
	}
	return v.typedMoment("until", v.Write.UntilDay, v.Write.UntilAt)
}

// typedMoment reads a day and a time of day in the service's time zone.
func (v *visit) typedMoment(field, day, at string) time.Time {
	t, err := time.ParseInLocation("2006-01-02 15:04", day+" "+at, v.zone())
	if err != nil {
		v.wrong(field+"_day", "write.error.moment")
		return time.Time{}
	}
	return t
}

// write takes the form: first to be read and listened to, then to be let out.
func (v *visit) write() {
	v.patience(uploadPatience)
	if err := v.r.ParseMultipartForm(maxSound); err != nil && !errors.Is(err, http.ErrNotMultipart) {
		v.stop(http.StatusRequestEntityTooLarge, "unread")
		return
	}
	m := v.typedMessage()
	step := v.r.PostFormValue("step")
	if back := step == "change" || v.asksToRecord(); back || len(v.Errors) > 0 {
		if back {
			v.unfinished()
		}
		v.writePage(http.StatusOK)
		return
	}
	for l := range m.Text { // who cannot be heard is not let out, and nobody waits for the rendering
		ctx, cancel := context.WithTimeout(v.r.Context(), 20*time.Second)
		_, err := v.s.Rehearse(ctx, l, m.Phrase(l))
		cancel()
		if err != nil {
			v.s.Log.Error("a message cannot be said", "lang", l, "err", err)
			v.wrong("text_"+string(l), "write.error.say")
		}
	}
	if len(v.Errors) > 0 {
		v.writePage(http.StatusOK)
		return
	}
	if step != "publish" {
		v.Write.Sure = true
		v.Write.Row = messageRow{
			Texts: v.texts(m), Where: v.where(m.Queue), Effect: v.effect(m), Missing: v.missing(m),
			Span: v.T("messages.span", "from", v.when(m.From), "until", v.when(m.Until)),
		}
		v.Write.Until = m.Until.Format(time.RFC3339)
		v.Write.UntilDay, v.Write.UntilAt, v.Write.End = m.Until.In(v.zone()).Format(time.DateOnly), m.Until.In(v.zone()).Format("15:04"), "other"
		v.Write.Waiting = v.waiting(m.Queue)
		v.writePage(http.StatusOK)
		return
	}
	v.publish(m)
}

// waiting tells how many callers wait now who would hear it.
func (v *visit) waiting(queue string) string {
	n := 0
	for _, q := range v.s.Floor.Queues() {
		if queue == "" || q.ID == queue {
			n += q.Waiting
		}
	}
	return v.T("review.waiting", "n", n)
}

// publish lets the message out. What keeps it from that gives the form back, with all that was typed. It goes on when
// a second click has made the browser give up the first request.
func (v *visit) publish(m ivr.Message) {
	kept, err := v.s.Messages.Publish(context.WithoutCancel(v.r.Context()), m, "site:"+v.Write.Key)
	switch {
	case errors.Is(err, ivr.ErrMessageOver) || errors.Is(err, ivr.ErrNoMessage): // somebody was faster
		v.Write.Instead = 0
		v.wrong("main", "write.error.over")
		v.writePage(http.StatusOK)
		return
	case errors.Is(err, ivr.ErrMessageReused) || err == nil && kept.Over(v.now):
		v.served(kept)
		return
	case err != nil:
		v.s.Log.Error("a message could not be let out; its form is given back", "err", err)
		v.wrong("main", "write.error.kept")
		v.writePage(http.StatusServiceUnavailable)
		return
	}
	v.changed()
	what, told := "message.published", "publie"
	if kept.Held {
		what, told = "message.written", "attente"
	}
	if kept.MadeAt(m.Created) {
		v.log(what, strconv.FormatInt(kept.ID, 10), v.where(m.Queue)+" · "+v.effect(m)+" · "+text.Day(v.Lang, m.Until.In(v.zone()), v.now.In(v.zone()))+" "+text.Clock(v.Lang, m.Until.In(v.zone())))
		v.s.Log.Info("incident message published", "message", kept.ID, "by", v.Me.Name, "queue", m.Queue, "replace", m.Replace, "offer", m.Offer, "held", m.Held, "until", m.Until)
	}
	v.see("/messages?fait="+told, nil)
}

// served gives back a form that made another message before: its words were changed since, by who went back to it, or
// that message is over. The form is a new one, whose message takes the place of the first unless they say otherwise.
func (v *visit) served(first ivr.Message) {
	w := v.Write
	w.Key, w.Instead, w.Beside = rand.Text(), first.ID, false
	if first.Over(v.now) {
		w.Instead = 0
		v.wrong("main", "write.error.served.over")
	} else {
		v.wrong("beside", "write.error.served")
	}
	v.writePage(http.StatusOK)
}

// changed tells the line at once of what was let out or stopped. Where that fails nothing is lost: every controller
// reads the messages again each ivr.BoardPeriod.
func (v *visit) changed() {
	if err := v.s.Changed(context.WithoutCancel(v.r.Context())); err != nil {
		v.s.Log.Error("the line was not told of a message at once; it finds out by itself", "err", err)
	}
}
