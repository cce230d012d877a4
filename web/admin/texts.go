package admin

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"decroche/call"
	"decroche/service"
)

// textsView is everything that is said: by the service, and by the line itself.
type textsView struct {
	Groups, Line []textGroup
}

type textGroup struct {
	Name string
	Rows []textRow
	Open bool // something of it is the service's own
}

type textRow struct {
	Name  string
	Said  []said
	Draft bool
	Own   bool // the service words it in some language
}

// textView is the form of one text.
type textView struct {
	Name, Where string
	Fields      []textField
	formPart
	Read    []said // what who may not write reads
	Now     []said // what callers hear meanwhile
	Past    []pastText
	Missing bool
	Line    bool   // it words what the line says
	Values  string // what is filled in when it is said: "{day}, {clock}"
}

type textField struct {
	Lang          call.Lang
	Name, Text    string
	Sound         string // where it is listened to
	Length, Voice string
	Recording     soundField
	// Line is what the line says without the service's words, where it has some.
	Line *said
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
		drafted[r.Path] = true
	}
	v.Texts = &textsView{Line: v.lineGroups(drafted)}
	for _, use := range uses(v.def) {
		g := textGroup{Name: v.T("use." + use.id)}
		for _, name := range use.names {
			g.Rows = append(g.Rows, textRow{Name: name, Said: v.saidOf(v.def.Prompts[name]), Draft: drafted["prompts."+name]})
		}
		v.Texts.Groups = append(v.Texts.Groups, g)
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

// saidIn is a wording, how long it lasts, who says it, and where it is listened to.
func (v *visit) saidIn(lang call.Lang, p service.Phrase) said {
	s := said{Lang: lang, Name: v.T("lang." + string(lang)), Text: p.Say, Recorded: p.Recording != ""}
	s.Sound = listenTo(lang, p.Say, "")
	if p.Recording != "" {
		s.Sound = listenTo(lang, p.Say, filePrefix+p.Recording)
	}
	ctx, cancel := context.WithTimeout(v.r.Context(), 10*time.Second)
	defer cancel()
	sound, err := v.s.Sound(ctx, lang, p)
	return v.measured(s, sound, err)
}

// measured adds what its sound tells of a wording; one that cannot be had tells nothing.
func (v *visit) measured(s said, sound call.Sound, err error) said {
	if err != nil {
		return s
	}
	s.Length = v.T("texts.length", "seconds", int((sound.Duration+time.Second/2)/time.Second))
	s.Voice = v.T("texts.recorded")
	if sound.Voice != "" {
		s.Voice = v.T("texts.voice", "voice", sound.Voice)
	}
	return s
}

// filePrefix begins, among sounds to listen to, the recording of a prompt beside the definition.
const filePrefix = "file:"

// aText is a text that is edited: a prompt of the service, or its words for what the line says.
type aText struct {
	name, path string
	line       bool
	langs      []call.Lang // that it is said in
}

// textNamed finds a text, or the prompt that is to have this name; ok is false for what can be none.
func (v *visit) textNamed(name string) (x aText, ok bool) {
	if _, prompt := v.def.Prompts[name]; !prompt && v.s.Catalogue.Text(name, "fr") != "" {
		x = aText{name, "wording." + name, true, v.s.Catalogue.Langs(v.def, name)}
		return x, len(x.langs) > 0
	}
	return aText{name, "prompts." + name, false, v.def.Languages}, promptName.MatchString(name)
}

// in gives the text as a definition has it.
func (x aText) in(d *service.Definition) service.Text {
	if x.line {
		return d.Wording[x.name]
	}
	return d.Prompts[x.name]
}

// saids is what is heard of a text.
func (v *visit) saids(x aText, t service.Text) []said {
	if x.line {
		return v.saidOfLine(v.r.Context(), x.name, t)
	}
	return v.saidOf(t)
}

func (v *visit) showText() {
	v.told()
	if v.look() == nil {
		return
	}
	x, ok := v.textNamed(v.r.PathValue("name"))
	if !ok {
		v.stop(http.StatusNotFound, "missing")
		return
	}
	p, ok := v.formPart(x.path, nil)
	if !ok {
		return
	}
	t := x.in(v.def)
	if t == nil && !x.line && !v.Edits() { // nobody can write it, and there is nothing to read
		v.stop(http.StatusNotFound, "missing")
		return
	}
	v.textPage(x, p, t)
}

func (v *visit) textPage(x aText, p formPart, t service.Text) {
	w := &textView{Name: x.name, formPart: p, Line: x.line, Where: v.whereSaid(x)}
	published := x.in(v.s.Service())
	w.Missing = !x.line && published == nil
	if !v.Edits() {
		w.Read = v.saids(x, t)
	}
	if w.Draft && !w.Missing {
		w.Now = v.saids(x, published)
	}
	for _, lang := range x.langs {
		w.Fields = append(w.Fields, v.textField(x, lang, t[lang]))
	}
	if x.line {
		w.Values = strings.Join(valueForm.FindAllString(v.s.Catalogue.Text(x.name, "fr"), -1), ", ")
	}
	past, err := v.s.Drafts.Store.History(v.r.Context(), x.path, historyShown)
	if err != nil {
		v.fail("read the history of a text", err)
		return
	}
	for i, c := range past {
		who := v.T("draft.published", "who", c.By, "by", c.SettledBy, "when", v.when(c.Settled))
		if i > 0 {
			w.Past = append(w.Past, pastText{c.ID, false, who, v.saids(x, v.textOf(c.Value))})
		}
		if i == len(past)-1 && (c.Was != "" || x.line) {
			w.Past = append(w.Past, pastText{c.ID, true, v.T("texts.before", "when", v.when(c.Settled)), v.saids(x, v.textOf(c.Was))})
		}
	}
	v.Text = w
	v.render(http.StatusOK, "text.html", v.T("text.title", "name", x.name))
}

// whereSaid is the part of the journey that a text is said in, in words; "" where none is known.
func (v *visit) whereSaid(x aText) string {
	if x.line {
		return v.T("line." + linePart(x.name))
	}
	for _, use := range uses(v.def) {
		if slices.Contains(use.names, x.name) {
			return v.T("use." + use.id)
		}
	}
	return ""
}

// textField is the field of one language. Where the service has no words of its own it holds the line's.
func (v *visit) textField(x aText, lang call.Lang, p service.Phrase) textField {
	f := textField{Lang: lang, Name: v.T("lang." + string(lang)), Text: p.Say, Recording: v.soundField(lang, p.Recording, "text.sound.hint")}
	f.Recording.Path = p.Recording
	own := p != service.Phrase{}
	switch {
	case x.line && own:
		s, line := v.saidOfLine(v.r.Context(), x.name, service.Text{lang: p}, lang), v.saidOfLine(v.r.Context(), x.name, nil, lang)
		f.Sound, f.Length, f.Voice, f.Line = s[0].Sound, s[0].Length, s[0].Voice, &line[0]
	case x.line:
		s := v.saidOfLine(v.r.Context(), x.name, nil, lang)[0]
		f.Text, f.Sound, f.Length, f.Voice = s.Text, s.Sound, s.Length, s.Voice
	case own:
		s := v.saidIn(lang, p)
		f.Sound, f.Length, f.Voice = s.Sound, s.Length, s.Voice
	}
	return f
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
	v.patience(uploadPatience)
	if err := v.r.ParseMultipartForm(maxSound); err != nil && !errors.Is(err, http.ErrNotMultipart) {
		v.stop(http.StatusRequestEntityTooLarge, "unread")
		return
	}
	if v.look() == nil {
		return
	}
	x, ok := v.textNamed(v.r.PathValue("name"))
	if !ok {
		v.stop(http.StatusNotFound, "missing")
		return
	}
	if id := v.r.PostFormValue("restore"); id != "" {
		v.restoreText(x, id)
		return
	}
	t := v.typedText(x)
	value := ""
	if len(t) > 0 {
		value = t.YAML(x.langs)
	}
	p := v.seenPart("")
	if v.asksToRecord() {
		v.unfinished()
		v.textAgain(x, p, t)
		return
	}
	if len(v.Errors) == 0 && v.sayable(x, t) && v.writePart("text_"+string(x.langs[0]), x.path, value, p) {
		v.see("/service/textes/"+x.name+"?fait=brouillon", nil)
		return
	}
	v.textAgain(x, p, t)
}

// typedText reads a text from the form. A prompt needs all its languages; in one that is left empty, or as it
// is, the line keeps its own words.
func (v *visit) typedText(x aText) service.Text {
	t := service.Text{}
	for _, lang := range x.langs {
		p := service.Phrase{Say: strings.Join(strings.Fields(v.r.PostFormValue("text_"+string(lang))), " "), Recording: v.typedSound(lang, beside{v.s})}
		line := service.Phrase{Say: v.s.Catalogue.Text(x.name, lang)}
		switch empty := p == (service.Phrase{}); {
		case x.line && (empty || p == line):
			continue
		case empty:
			v.wrong("text_"+string(lang), "text.empty")
		}
		t[lang] = p
	}
	return t
}

// sayable makes the sounds, so that nothing is published that cannot be said.
func (v *visit) sayable(x aText, t service.Text) bool {
	ctx, cancel := context.WithTimeout(v.r.Context(), 20*time.Second)
	defer cancel()
	for lang, p := range t {
		_, err := v.s.Sound(ctx, lang, p)
		if x.line {
			_, err = v.s.Catalogue.Sound(ctx, x.name, lang, p)
		}
		if err != nil {
			v.s.Log.Error("a text cannot be said", "lang", lang, "err", err)
			v.wrong("text_"+string(lang), "write.error.say")
		}
	}
	return len(v.Errors) == 0
}

// textAgain gives the form again with what was typed; what another editor wrote meanwhile is shown
// beside it, and is what the next attempt has seen.
func (v *visit) textAgain(x aText, p part, typed service.Text) {
	now, ok := v.formPart(x.path, &p)
	if !ok {
		return
	}
	if now.Theirs != nil {
		now.Theirs.Saids = v.saids(x, v.textOf(now.Was))
	}
	v.textPage(x, now, typed)
}

func (v *visit) restoreText(x aText, id string) {
	past, err := v.s.Drafts.Store.History(v.r.Context(), x.path, historyShown)
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
		if v.writePart("main", x.path, value, v.seenPart("")) {
			v.see("/service/textes/"+x.name+"?fait=brouillon", nil)
			return
		}
		v.textAgain(x, v.seenPart(""), v.textOf(value))
		return
	}
	v.stop(http.StatusNotFound, "missing")
}
