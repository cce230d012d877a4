package admin

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"decroche/call"
	"decroche/service"
)

// textsView is everything that is said, by journey.
type textsView struct {
	Groups  []textGroup
	BuiltIn []textRow
}

type textGroup struct {
	Name string
	Rows []textRow
}

type textRow struct {
	Name  string
	Said  []said
	Draft bool
}

// textView is the form of one text.
type textView struct {
	Name, Where string
	Fields      []textField
	part
	Draft   bool
	Now     []said // what callers hear meanwhile
	Theirs  []said // what another editor wrote, after a conflict
	Past    []pastText
	Missing bool
}

type textField struct {
	Lang                  call.Lang
	Name, Text, Recording string
	Sound                 string
	Length                string
}

type pastText struct {
	ID  int64
	Was bool // the text before the change, not after it
	Who string
	All []said
}

var promptName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,47}$`)

// promptUse is where prompts are said: a part of the journey, in the order of a call.
type promptUse struct {
	id    string
	names []string
}

// uses sorts the prompts of a definition by where they are said first.
func uses(d *service.Definition) []promptUse {
	seen := map[string]bool{}
	var all []promptUse
	add := func(id string, names ...string) {
		use := promptUse{id: id}
		for _, n := range names {
			if _, ok := d.Prompts[n]; ok && !seen[n] {
				seen[n] = true
				use.names = append(use.names, n)
			}
		}
		if len(use.names) > 0 {
			all = append(all, use)
		}
	}
	entry := []string{d.Access.Hint, d.Entry.LanguagePrompt, d.Entry.Welcome}
	for _, m := range d.Entry.Messages {
		entry = append(entry, m.Prompt)
	}
	add("entry", entry...)
	menus, infos, points, links, queues := []string{}, []string{}, []string{}, []string{}, []string{}
	if m := d.Menus[d.Entry.Menu]; m != nil {
		menus = append(menus, m.Prompt)
	}
	for _, id := range slices.Sorted(maps.Keys(d.Menus)) {
		menus = append(menus, d.Menus[id].Prompt)
	}
	for _, id := range slices.Sorted(maps.Keys(d.Infos)) {
		infos = append(infos, d.Infos[id].Prompt, d.Infos[id].Offline)
	}
	for _, id := range slices.Sorted(maps.Keys(d.Points)) {
		points = append(points, d.Points[id].Prompt)
	}
	for _, id := range slices.Sorted(maps.Keys(d.Links)) {
		links = append(links, d.Links[id].Spoken)
	}
	for _, id := range slices.Sorted(maps.Keys(d.Queues)) {
		queues = append(queues, d.Queues[id].Whisper)
	}
	closed := d.Closed.Prompts()
	for _, c := range d.Closures {
		closed = append(closed, c.Prompt)
	}
	add("menus", menus...)
	add("infos", append(append(infos, links...), points...)...)
	add("access", d.Access.Prompt)
	add("closed", closed...)
	add("saturated", d.Saturated.Prompts()...)
	add("failed", d.Failed.Prompts()...)
	add("agents", queues...)
	add("other", slices.Sorted(maps.Keys(d.Prompts))...)
	return all
}

func (v *visit) showTexts() {
	v.told()
	l := v.look()
	if l == nil {
		return
	}
	drafted := map[string]bool{}
	for _, r := range l.Drafts {
		drafted[strings.TrimPrefix(r.Path, "prompts.")] = strings.HasPrefix(r.Path, "prompts.")
	}
	v.Texts = &textsView{}
	for _, use := range uses(v.def) {
		g := textGroup{Name: v.T("use." + use.id)}
		for _, name := range use.names {
			g.Rows = append(g.Rows, textRow{Name: name, Said: v.saidOf(v.def.Prompts[name]), Draft: drafted[name]})
		}
		v.Texts.Groups = append(v.Texts.Groups, g)
	}
	for _, id := range v.s.BuiltIn() {
		row := textRow{Name: id}
		for _, lang := range v.def.Languages {
			if words := v.s.BuiltInText(id, lang); words != "" {
				row.Said = append(row.Said, v.saidIn(lang, service.Phrase{Say: words}))
			}
		}
		v.Texts.BuiltIn = append(v.Texts.BuiltIn, row)
	}
	v.render(http.StatusOK, "texts.html", v.T("texts.title"))
}

func (v *visit) saidOf(t service.Text) (all []said) {
	for _, lang := range v.def.Languages {
		if p, ok := t[lang]; ok {
			all = append(all, v.saidIn(lang, p))
		}
	}
	return all
}

// saidIn is a wording, how long it lasts, and where it is listened to.
func (v *visit) saidIn(lang call.Lang, p service.Phrase) said {
	s := said{Lang: lang, Name: v.T("lang." + string(lang)), Text: p.Say, Recorded: p.Recording != ""}
	s.Sound = listenTo(lang, p.Say, "")
	if p.Recording != "" {
		s.Sound = listenTo(lang, p.Say, filePrefix+p.Recording)
	}
	ctx, cancel := context.WithTimeout(v.r.Context(), 10*time.Second)
	defer cancel()
	if d, err := v.s.Length(ctx, lang, p); err == nil {
		s.Length = v.T("texts.length", "seconds", int((d+time.Second/2)/time.Second))
	}
	return s
}

// filePrefix begins, among sounds to listen to, the recording of a prompt beside the definition.
const filePrefix = "file:"

func (v *visit) showText() {
	v.told()
	name := v.r.PathValue("name")
	if !promptName.MatchString(name) {
		v.stop(http.StatusNotFound, "missing")
		return
	}
	if v.look() == nil {
		return
	}
	_, p, ok := v.partOf("prompts." + name)
	if !ok {
		return
	}
	v.textPage(name, p, v.def.Prompts[name], nil)
}

func (v *visit) textPage(name string, p part, t service.Text, theirs []said) {
	w := &textView{Name: name, part: p, Draft: p.Seen != 0, Theirs: theirs}
	published := v.s.Service().Prompts[name]
	w.Missing = published == nil
	if w.Draft && published != nil {
		w.Now = v.saidOf(published)
	}
	for _, use := range uses(v.def) {
		if slices.Contains(use.names, name) {
			w.Where = v.T("use." + use.id)
		}
	}
	for _, lang := range v.def.Languages {
		f := textField{Lang: lang, Name: v.T("lang." + string(lang)), Text: t[lang].Say, Recording: t[lang].Recording}
		if f.Text != "" || f.Recording != "" {
			s := v.saidIn(lang, t[lang])
			f.Sound, f.Length = s.Sound, s.Length
		}
		w.Fields = append(w.Fields, f)
	}
	past, err := v.s.Drafts.Store.History(v.r.Context(), "prompts."+name, historyShown)
	if err != nil {
		v.fail("read the history of a text", err)
		return
	}
	for i, c := range past {
		who := v.T("draft.published", "who", c.By, "by", c.SettledBy, "when", v.when(c.Settled))
		if i > 0 {
			w.Past = append(w.Past, pastText{c.ID, false, who, v.saidOf(v.textOf(c.Value))})
		}
		if i == len(past)-1 && c.Was != "" {
			w.Past = append(w.Past, pastText{c.ID, true, v.T("texts.before", "when", v.when(c.Settled)), v.saidOf(v.textOf(c.Was))})
		}
	}
	v.Text = w
	v.render(http.StatusOK, "text.html", v.T("text.title", "name", name))
}

// textOf reads a text as a draft keeps it.
func (v *visit) textOf(value string) service.Text {
	t, err := service.ParseText(value)
	if err != nil {
		v.s.Log.Error("a text of the past cannot be read", "err", err)
	}
	return t
}

// writeText keeps a text as a draft.
func (v *visit) writeText() {
	name := v.r.PathValue("name")
	if err := v.r.ParseMultipartForm(maxSound); err != nil && !errors.Is(err, http.ErrNotMultipart) {
		v.stop(http.StatusRequestEntityTooLarge, "unread")
		return
	}
	if !promptName.MatchString(name) {
		v.stop(http.StatusNotFound, "missing")
		return
	}
	if v.look() == nil {
		return
	}
	path := "prompts." + name
	if id := v.r.PostFormValue("restore"); id != "" {
		v.restoreText(name, path, id)
		return
	}
	t := service.Text{}
	for _, lang := range v.def.Languages {
		p := service.Phrase{Say: strings.Join(strings.Fields(v.r.PostFormValue("text_"+string(lang))), " "), Recording: v.typedRecording(lang)}
		if p.Say == "" && p.Recording == "" {
			v.wrong("text_"+string(lang), "text.empty")
		}
		t[lang] = p
	}
	p := v.seenPart("")
	if len(v.Errors) == 0 && v.sayable(t) && v.writePart("text_"+string(v.def.Languages[0]), path, t.YAML(v.def.Languages), p) {
		v.see("/service/textes/"+name+"?fait=brouillon", nil)
		return
	}
	v.afterConflict(name, path, p, t)
}

// sayable makes the sounds, so that nothing is published that cannot be said.
func (v *visit) sayable(t service.Text) bool {
	ctx, cancel := context.WithTimeout(v.r.Context(), 20*time.Second)
	defer cancel()
	for lang, p := range t {
		if _, err := v.s.Length(ctx, lang, p); err != nil {
			v.s.Log.Error("a text cannot be said", "lang", lang, "err", err)
			v.wrong("text_"+string(lang), "write.error.say")
		}
	}
	return len(v.Errors) == 0
}

// afterConflict gives the form again with what was typed; what another editor wrote meanwhile is shown
// beside it, and is what the next attempt has seen.
func (v *visit) afterConflict(name, path string, p part, typed service.Text) {
	value, current, ok := v.partOf(path)
	if !ok {
		return
	}
	var theirs []said
	if current != p {
		theirs = v.saidOf(v.textOf(value))
	}
	v.textPage(name, current, typed, theirs)
}

func (v *visit) restoreText(name, path, id string) {
	past, err := v.s.Drafts.Store.History(v.r.Context(), path, historyShown)
	if err != nil {
		v.fail("read the history of a text", err)
		return
	}
	n, _ := strconv.ParseInt(strings.TrimPrefix(id, "-"), 10, 64)
	for _, c := range past {
		if c.ID != n {
			continue
		}
		value := c.Value
		if strings.HasPrefix(id, "-") {
			value = c.Was
		}
		if v.writePart("main", path, value, v.seenPart("")) {
			v.see("/service/textes/"+name+"?fait=brouillon", nil)
			return
		}
		v.afterConflict(name, path, v.seenPart(""), v.textOf(value))
		return
	}
	v.stop(http.StatusNotFound, "missing")
}

// typedRecording is the recording of a language: one that is sent now, or was before; "" for none.
func (v *visit) typedRecording(lang call.Lang) string {
	field := "sound_" + string(lang)
	if v.r.PostFormValue("drop_"+string(lang)) != "" {
		return ""
	}
	before := v.r.PostFormValue("kept_" + string(lang))
	ext, data, sent := v.sentSound(field)
	if !sent {
		return before
	}
	path, err := v.s.KeepRecording(v.r.Context(), ext, data)
	if err == nil {
		return path
	}
	if !errors.Is(err, ErrSound) {
		v.s.Log.Error("a recording could not be kept", "err", err)
	}
	v.wrong(field, "write.error.sound")
	return before
}

// sentSound reads a file of a form; what cannot be a sound is added to the errors.
func (v *visit) sentSound(field string) (ext string, data []byte, sent bool) {
	if v.r.MultipartForm == nil || len(v.r.MultipartForm.File[field]) == 0 {
		return "", nil, false
	}
	h := v.r.MultipartForm.File[field][0]
	if h.Size == 0 && h.Filename == "" {
		return "", nil, false
	}
	ext = strings.ToLower(filepath.Ext(h.Filename))
	if !slices.Contains([]string{".wav", ".mp3", ".ogg"}, ext) || h.Size > maxSound {
		v.wrong(field, "write.error.sound")
		return "", nil, false
	}
	f, err := h.Open()
	if err == nil {
		defer f.Close()
		var b bytes.Buffer
		if _, err = io.Copy(&b, f); err == nil {
			return ext, b.Bytes(), true
		}
	}
	v.s.Log.Error("a recording could not be read", "err", err)
	v.wrong(field, "write.error.sound")
	return "", nil, false
}
