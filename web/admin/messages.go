package admin

import (
	"cmp"
	"context"
	"errors"
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

// approveMessage lets out what another person wrote. Who comes second is told by whom it was, and the log is not.
func (v *visit) approveMessage() {
	id, err := strconv.ParseInt(v.r.PathValue("id"), 10, 64)
	if err != nil {
		v.stop(http.StatusNotFound, "missing")
		return
	}
	m, err := v.s.Messages.Approve(context.WithoutCancel(v.r.Context()), id, v.Me.Name, v.now)
	switch {
	case errors.Is(err, ivr.ErrNotHeld) && m.ApprovedBy == v.Me.Name: // a double click
		v.see("/messages?fait=autorise", nil)
		return
	case errors.Is(err, ivr.ErrNotHeld):
		v.Notice = v.T("told.unheld")
		if m.ApprovedBy != "" {
			v.Notice = v.T("told.approved", "who", m.ApprovedBy)
		}
		v.showMessages()
		return
	case errors.Is(err, ivr.ErrOwnMessage):
		v.stop(http.StatusForbidden, "own")
		return
	case errors.Is(err, ivr.ErrNoMessage):
		v.stop(http.StatusNotFound, "missing")
		return
	case err != nil:
		v.fail("let a message out", err)
		return
	}
	v.changed()
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
	m, err := v.s.Messages.Stop(context.WithoutCancel(v.r.Context()), id, v.Me.Name, v.now)
	switch {
	case errors.Is(err, ivr.ErrNoMessage):
		v.stop(http.StatusNotFound, "missing")
		return
	case err != nil:
		v.fail("stop a message", err)
		return
	}
	v.changed()
	if m.StoppedAt(v.now) { // and not by who clicked before
		v.log("message.stopped", strconv.FormatInt(id, 10), "")
		v.s.Log.Info("incident message stopped", "message", id, "by", v.Me.Name)
	}
	v.see("/messages?fait=arrete", nil)
}
