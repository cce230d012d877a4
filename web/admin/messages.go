package admin

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"decroche/call"
	"decroche/ivr"
	"decroche/people"
	"decroche/service"
	"decroche/text"
)

// pastShown is how far back the list of messages that are over goes.
const pastShown = 30 * 24 * time.Hour

type listView struct {
	Now, Past []messageRow
	Publish   bool
}

// messageRow is a message as the list has it.
type messageRow struct {
	ID                       int64
	Texts                    []said
	Where, Effect, Span, Who string
	State                    string // "on", "soon", "held", "over"
	Approve                  bool   // whoever reads may let it out
	StateName                string
	Heard                    string
	Missing                  string // languages that hear it in French
	Again                    string // what its link to write it again says
}

// said is a text of a message in one language, and where it is listened to.
type said struct {
	Lang       call.Lang
	Name, Text string
	Sound      string
	Recorded   bool
	Length     string
	// Voice says it, in words. Own: it is the service's wording of what the line says.
	Voice string
	Own   bool
}

func (v *visit) showMessages() {
	v.told()
	all, err := v.s.Messages.Messages(v.r.Context(), v.now.Add(-pastShown))
	if err != nil {
		v.fail("list the messages", err)
		return
	}
	v.List = &listView{Publish: v.Me.May("publish")}
	for _, m := range slices.Backward(all) {
		row, err := v.messageRow(m)
		if err != nil {
			v.fail("count who heard a message", err)
			return
		}
		if row.State == "over" {
			v.List.Past = append(v.List.Past, row)
		} else {
			v.List.Now = append(v.List.Now, row)
		}
	}
	v.render(http.StatusOK, "messages.html", v.T("messages.title"))
}

func (v *visit) messageRow(m ivr.Message) (messageRow, error) {
	row := messageRow{ID: m.ID, Texts: v.texts(m), Where: v.where(m.Queue), Effect: v.effect(m), Missing: v.missing(m)}
	row.Span = v.T("messages.span", "from", v.when(m.From), "until", v.when(m.Until))
	row.Who = v.T("messages.by", "who", v.who(m.CreatedBy), "when", v.when(m.Created))
	if m.ApprovedBy != "" {
		row.Who += " " + v.T("messages.approved", "who", m.ApprovedBy)
	}
	switch {
	case m.Over(v.now):
		row.State = "over"
	case m.Held:
		row.State, row.Approve = "held", v.Me.May(people.Approve) && m.CreatedBy != v.Me.Name
	case v.now.Before(m.From):
		row.State = "soon"
	default:
		row.State = "on"
	}
	switch {
	case m.Stopped.IsZero():
	case m.Stopped.After(v.now):
		row.Who += " " + v.T("messages.giving_way", "who", v.who(m.StoppedBy), "when", v.when(m.Stopped))
	default:
		row.Who += " " + v.T("messages.stopped", "who", v.who(m.StoppedBy), "when", v.when(m.Stopped))
	}
	if row.Again = v.T("messages.change"); row.State == "over" {
		row.Again = v.T("messages.again")
	}
	row.StateName = v.T("messages.state." + row.State)
	if row.State == "soon" || row.State == "held" {
		return row, nil
	}
	heard, left, err := v.s.Heard(v.r.Context(), m)
	row.Heard = v.T("messages.heard", "heard", heard, "left", left)
	return row, err
}

func (v *visit) texts(m ivr.Message) (all []said) {
	for _, l := range v.langsOf(m.Text) {
		all = append(all, said{Lang: l, Name: v.T("lang." + string(l)), Text: m.Text[l], Sound: listenTo(l, m.Text[l], m.Sound[l]), Recorded: m.Sound[l] != ""})
	}
	return all
}

// langsOf are the languages of a message, those of the service first.
func (v *visit) langsOf(texts map[call.Lang]string) (langs []call.Lang) {
	for _, l := range v.def.Languages {
		if texts[l] != "" {
			langs = append(langs, l)
		}
	}
	for _, l := range slices.Sorted(maps.Keys(texts)) {
		if !slices.Contains(langs, l) {
			langs = append(langs, l)
		}
	}
	return langs
}

func listenTo(l call.Lang, words, sound string) string {
	return "/messages/ecoute?" + url.Values{"langue": {string(l)}, "texte": {words}, "son": {sound}}.Encode()
}

func (v *visit) where(queue string) string {
	if queue == "" {
		return v.T("messages.where.all")
	}
	if menu, is := strings.CutPrefix(queue, ivr.MessageMenu); is {
		return v.T("messages.where.menu", "menu", v.menuName(menu))
	}
	return v.T("messages.where.queue", "queue", v.queueName(queue))
}

// menuName is how a menu begins, for it has no name but the one in the definition.
func (v *visit) menuName(id string) string {
	m := v.def.Menus[id]
	if m == nil {
		return id
	}
	return id + " (" + begin(v.phrase(v.def.Prompts[m.Prompt]), 40) + ")"
}

// begin is the beginning of a text.
func begin(s string, most int) string {
	if words := []rune(s); len(words) > most {
		return string(words[:most]) + "…"
	}
	return s
}

// effect says what a message does.
func (v *visit) effect(m ivr.Message) string {
	link, is := m.Link()
	switch {
	case m.Replace:
		return v.T("messages.effect.replace")
	case is:
		return v.T("messages.effect.link", "link", v.linkName(link))
	case m.Offer != "":
		return v.T("messages.effect." + m.Offer)
	}
	return v.T("messages.effect.say")
}

// linkName is a link's label, or its id.
func (v *visit) linkName(id string) string {
	if l := v.def.Links[id]; l != nil {
		return cmp.Or(v.phrase(l.Label), id)
	}
	return id
}

// effects are what a message may do, and how each is told; that it offers a callback, where callbacks are on.
func (v *visit) effects(chosen string, callbacks bool) []effectChoice {
	say := func(value, hint string, m ivr.Message) effectChoice {
		return effectChoice{value, v.effect(m), v.T("write.effect." + hint + ".hint"), chosen == value}
	}
	all := []effectChoice{say("say", "say", ivr.Message{})}
	if callbacks {
		all = append(all, say(ivr.OfferCallback, "callback", ivr.Message{Offer: ivr.OfferCallback}))
	}
	for _, id := range slices.Sorted(maps.Keys(v.def.Links)) {
		offer := ivr.OfferLink + id
		all = append(all, say(offer, "link", ivr.Message{Offer: offer}))
	}
	return append(all, say(ivr.OfferExit, "exit", ivr.Message{Offer: ivr.OfferExit}), say("replace", "replace", ivr.Message{Replace: true}))
}

// missing names the languages of the service whose callers hear the message in French.
func (v *visit) missing(m ivr.Message) string {
	var names []string
	for _, l := range v.def.Languages {
		if m.Text[l] == "" {
			names = append(names, v.T("lang."+string(l)))
		}
	}
	if len(names) == 0 {
		return ""
	}
	return v.T("messages.missing", "languages", strings.Join(names, ", "))
}

// listen gives a text's sound as callers hear it.
func (v *visit) listen() {
	q := v.r.URL.Query()
	lang, words := call.Lang(q.Get("langue")), strings.TrimSpace(q.Get("texte"))
	say, ok := v.toHear(lang, words, q.Get("son"))
	if !ok || len(words) > 4*ivr.MessageMaxText || !slices.Contains(v.def.Languages, lang) {
		v.stop(http.StatusNotFound, "missing")
		return
	}
	ctx, cancel := context.WithTimeout(v.r.Context(), 20*time.Second)
	defer cancel()
	wav, err := say(ctx)
	if err != nil {
		v.fail("say a message", err)
		return
	}
	v.w.Header().Set("Content-Type", "audio/wav")
	v.w.Header().Set("Content-Length", strconv.Itoa(len(wav)))
	_, _ = v.w.Write(wav)
}

// toHear says words, or what is named with them: a recording beside the definition, a prompt of the line, the
// recording of a message. ok is false for what is none of these.
func (v *visit) toHear(lang call.Lang, words, from string) (say func(context.Context) ([]byte, error), ok bool) {
	p := ivr.Message{Text: map[call.Lang]string{lang: words}, Sound: map[call.Lang]string{lang: from}}.Phrase(lang)
	ok = words != ""
	if id, is := strings.CutPrefix(from, linePrefix); is {
		return func(ctx context.Context) ([]byte, error) {
			return v.s.Catalogue.Listen(ctx, id, lang, service.Phrase{Say: words})
		}, v.s.Catalogue.Text(id, lang) != ""
	}
	if file, is := strings.CutPrefix(from, filePrefix); is {
		p, ok = service.Phrase{Say: words, Recording: file}, filepath.IsLocal(file)
	}
	return func(ctx context.Context) ([]byte, error) { return v.s.Rehearse(ctx, lang, p) }, ok
}

// writeView is the form of a message, and what it will be.
type writeView struct {
	Key string // names this message: sent twice it is one
	// Instead is the message that it takes the place of, 0 for none; Runs is when that one is heard.
	Instead int64
	Runs    string
	Langs   []langField
	Queue   string
	Queues  []choice
	// Effect is "say", "replace", or what the message offers.
	Effect  string
	Effects []effectChoice
	// Recorder is the number to record by telephone; "": there is none.
	Recorder string
	Held     bool // a second person will let it out
	// Ends are the ends offered, End is the one chosen: "1h", "2h", "4h", "closing" or "other".
	Ends              []choice
	End               string
	UntilDay, UntilAt string
	Later             bool
	FromDay, FromAt   string
	// What is read before it is let out; set on the second page.
	Sure    bool
	Row     messageRow
	Waiting string
	Max     int
	Today   string
}

type langField struct {
	Lang       call.Lang
	Name, Text string
	Sound      string // the recording that was sent
	Needed     bool
	// Phone is the code to record it by telephone, "" while none was asked for.
	Phone string
}

type effectChoice struct {
	Value, Name, Hint string
	Chosen            bool
}

type choice struct {
	Value, Name string
	Chosen      bool
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
	v.writePage()
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

func (v *visit) writePage() {
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
	if v.s.Recorder != call.Withheld {
		w.Recorder = v.s.Recorder.Spoken()
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
	v.render(http.StatusOK, name, v.T(title))
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
func (v *visit) langFields(texts, sounds map[call.Lang]string) []langField {
	all := []langField{{Lang: "fr", Name: v.T("lang.fr"), Text: texts["fr"], Sound: sounds["fr"], Needed: true, Phone: v.phoneCode("fr")}}
	for _, l := range v.def.Languages {
		if l != "fr" {
			all = append(all, langField{Lang: l, Name: v.T("lang." + string(l)), Text: texts[l], Sound: sounds[l], Phone: v.phoneCode(l)})
		}
	}
	return all
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
	v.Write = w
	m := ivr.Message{Instead: w.Instead, Text: map[call.Lang]string{}, Sound: map[call.Lang]string{}, Queue: w.Queue, Created: v.now, From: v.now, CreatedBy: v.Me.Name, Held: v.s.Approval}
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
	for _, l := range append([]call.Lang{"fr"}, v.def.Languages...) {
		if words := strings.TrimSpace(post("text_" + string(l))); words != "" {
			m.Text[l] = words
		}
		if name := v.typedSound(l); name != "" {
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
		m.Until = v.typedMoment("until", w.UntilDay, w.UntilAt)
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

// phoneCode is the code by which the text of a language is recorded by telephone: one that was given
// before, or a new one if that is what was asked for; "" for none.
func (v *visit) phoneCode(l call.Lang) string {
	code := v.r.PostFormValue("phone_" + string(l))
	if v.r.PostFormValue("step") != "phone_"+string(l) || v.s.Recorder == call.Withheld {
		return code
	}
	code, err := v.s.Studio.Open(v.Me.Name, v.now)
	if err != nil {
		v.s.Log.Error("no code to record a message could be given", "err", err)
	}
	return code
}

// recorded tells the page whether the code was used.
func (v *visit) recorded() {
	v.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if v.s.Studio.Recorded(v.r.URL.Query().Get("code"), v.Me.Name) != "" {
		_, _ = io.WriteString(v.w, "yes")
		return
	}
	_, _ = io.WriteString(v.w, "no")
}

// typedSound is the recording of a language: one that is sent now, was made by telephone, or was there
// before; "" for none.
func (v *visit) typedSound(l call.Lang) string {
	field := "sound_" + string(l)
	if v.r.PostFormValue("drop_"+string(l)) != "" {
		return ""
	}
	before := v.r.PostFormValue("kept_" + string(l))
	if code := v.r.PostFormValue("phone_" + string(l)); code != "" {
		before = cmp.Or(v.s.Studio.Recorded(code, v.Me.Name), before)
	}
	ext, data, sent := v.sentSound(field)
	if !sent {
		return before
	}
	name, err := v.s.KeepSound(v.r.Context(), ext, data)
	if err == nil {
		return name
	}
	if !errors.Is(err, ErrSound) {
		v.s.Log.Error("a recording could not be kept", "err", err)
	}
	v.wrong(field, "write.error.sound")
	return before
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
	_, asks := strings.CutPrefix(step, "phone_")
	if len(v.Errors) > 0 || step == "change" || asks {
		if step == "change" || asks {
			v.Errors = nil
		}
		v.writePage()
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
		v.writePage()
		return
	}
	if step != "publish" {
		v.Write.Sure = true
		v.Write.Row = messageRow{
			Texts: v.texts(m), Where: v.where(m.Queue), Effect: v.effect(m), Missing: v.missing(m),
			Span: v.T("messages.span", "from", v.when(m.From), "until", v.when(m.Until)),
		}
		v.Write.UntilDay, v.Write.UntilAt, v.Write.End = m.Until.In(v.zone()).Format(time.DateOnly), m.Until.In(v.zone()).Format("15:04"), "other"
		v.Write.Waiting = v.waiting(m.Queue)
		v.writePage()
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

func (v *visit) publish(m ivr.Message) {
	ctx := v.r.Context()
	kept, err := v.s.Messages.Publish(ctx, m, "site:"+v.Write.Key)
	if errors.Is(err, ivr.ErrMessageOver) || errors.Is(err, ivr.ErrNoMessage) { // somebody was faster; nothing is lost
		v.Write.Instead = 0
		v.wrong("main", "write.error.over")
		v.writePage()
		return
	}
	if err == nil {
		err = v.s.Changed(ctx)
	}
	if err != nil {
		v.fail("let a message out", err)
		return
	}
	what, told := "message.published", "publie"
	if kept.Held {
		what, told = "message.written", "attente"
	}
	v.log(what, strconv.FormatInt(kept.ID, 10), v.where(m.Queue)+" · "+v.effect(m)+" · "+text.Day(v.Lang, m.Until.In(v.zone()), v.now.In(v.zone()))+" "+text.Clock(v.Lang, m.Until.In(v.zone())))
	v.s.Log.Info("incident message published", "message", kept.ID, "by", v.Me.Name, "queue", m.Queue, "replace", m.Replace, "offer", m.Offer, "held", m.Held, "until", m.Until)
	v.see("/messages?fait="+told, nil)
}

// approveMessage lets out what another person wrote.
func (v *visit) approveMessage() {
	id, err := strconv.ParseInt(v.r.PathValue("id"), 10, 64)
	if err != nil {
		v.stop(http.StatusNotFound, "missing")
		return
	}
	ctx := v.r.Context()
	_, err = v.s.Messages.Approve(ctx, id, v.Me.Name, v.now)
	switch {
	case errors.Is(err, ivr.ErrOwnMessage):
		v.stop(http.StatusForbidden, "own")
		return
	case errors.Is(err, ivr.ErrNoMessage):
		v.stop(http.StatusNotFound, "missing")
		return
	case err == nil:
		err = v.s.Changed(ctx)
	}
	if err != nil {
		v.fail("let a message out", err)
		return
	}
	v.log("message.approved", strconv.FormatInt(id, 10), "")
	v.s.Log.Info("incident message let out by a second person", "message", id, "by", v.Me.Name)
	v.see("/messages?fait=autorise", nil)
}

func (v *visit) stopMessage() {
	id, err := strconv.ParseInt(v.r.PathValue("id"), 10, 64)
	if err != nil {
		v.stop(http.StatusNotFound, "missing")
		return
	}
	ctx := v.r.Context()
	m, err := v.s.Messages.Stop(ctx, id, v.Me.Name, v.now)
	if errors.Is(err, ivr.ErrNoMessage) {
		v.stop(http.StatusNotFound, "missing")
		return
	}
	if err == nil {
		err = v.s.Changed(ctx)
	}
	if err != nil {
		v.fail("stop a message", err)
		return
	}
	if m.StoppedBy == v.Me.Name {
		v.log("message.stopped", strconv.FormatInt(id, 10), "")
	}
	v.s.Log.Info("incident message stopped", "message", id, "by", m.StoppedBy)
	v.see("/messages?fait=arrete", nil)
}
