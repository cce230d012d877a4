package admin

import (
	"cmp"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"decroche/call"
	"decroche/drafts"
	"decroche/people"
	"decroche/service"
)

// part is a part of the definition in a form: what its editor saw.
type part struct {
	Was  string
	Seen int64
}

// namedPart is a named part of the definition as it is written on a page of its own.
type namedPart struct {
	ID    string
	Fresh bool // a new one, whose name is asked for
	formPart
	Out  bool   // the draft takes it out
	Drop bool   // whoever writes takes it out
	Read string // what who may not write reads
}

// sentPart is the part of a form that was sent for an id; a new one is named in it.
func (v *visit) sentPart(id string) namedPart {
	f := namedPart{ID: id, Fresh: id == unnamed, formPart: formPart{part: v.seenPart("")}, Drop: v.post("drop") != ""}
	if f.Fresh {
		f.ID, f.part = v.post("id"), part{}
	}
	return f
}

// newName holds the name that something new is given to what a name is; another has it not yet.
func (v *visit) newName(field, id string, taken bool) {
	switch {
	case !promptName.MatchString(id):
		v.wrong(field, "reasons.error.id")
	case taken:
		v.wrong(field, "field.error.taken")
	}
}

// stands looks how the part of a section stands by now: what another editor wrote since the form was filled in is shown
// beside it, and is what the next attempt has seen. ok is false when the page of a failure was given.
func (v *visit) stands(f *namedPart, section string) (ok bool) {
	if f.Fresh {
		return true
	}
	if f.formPart, ok = v.formPart(section+"."+f.ID, &f.part); !ok {
		return false
	}
	f.Out = f.Draft && f.Was == ""
	return true
}

// draftView is what is to be published together.
type draftView struct {
	Version            string
	Rows               []draftRow
	Findings, Problems []findingRow
	Fit                bool
	Publish            bool // whoever reads may
	Second             bool // by another person than the authors
	History            []draftRow
	Lost               []draftRow // what another wrote over, or forgot
}

type draftRow struct {
	ID         int64
	Path, Name string
	Now, Value string
	Who        string
	Conflict   bool
}

type findingRow struct {
	Rule, Where, What, Fix string
	Error                  bool
}

// historyShown is how many changes of the past a page lists.
const historyShown = 30

// look reads the definition and its drafts; nil when that failed, and the page is given then.
func (v *visit) look() *drafts.Look {
	l, err := v.s.Drafts.Look(v.r.Context())
	if err != nil {
		v.fail("read the drafts", err)
		return nil
	}
	if l.Next != nil {
		v.def = l.Next
	}
	return l
}

// reason is why a definition is refused, in the reader's language where it is said in both.
func (v *visit) reason(err error) string {
	var said service.Sentence
	if errors.As(err, &said) {
		return said.In(v.Lang)
	}
	return err.Error()
}

func (v *visit) showDraft() {
	v.told()
	v.draftPage()
}

func (v *visit) draftPage() {
	l := v.look()
	if l == nil {
		return
	}
	d := &draftView{Version: l.Version, Fit: l.Fit(), Second: v.s.Approval, Publish: v.mayPublish(l)}
	for _, r := range l.Drafts {
		d.Rows = append(d.Rows, draftRow{
			ID: r.ID, Path: r.Path, Name: v.partName(r.Path), Now: v.partText(r.Path, r.Now), Value: v.partText(r.Path, r.Value), Conflict: r.Conflict,
			Who: v.T("draft.by", "who", r.By, "when", v.when(r.At)),
		})
	}
	for _, f := range l.Findings {
		d.Findings = append(d.Findings, findingRow{v.T("rule." + string(f.Rule)), f.Where, f.What.In(v.Lang), f.Fix.In(v.Lang), l.Blocks(f)})
	}
	for _, p := range l.Problems {
		d.Problems = append(d.Problems, findingRow{What: p.What.In(v.Lang), Fix: p.Fix.In(v.Lang), Error: true})
	}
	var refused service.Problems
	switch {
	case errors.As(l.Refused, &refused):
		for _, p := range refused {
			d.Problems = append(d.Problems, findingRow{What: p.What.In(v.Lang), Fix: p.Fix.In(v.Lang), Error: true})
		}
	case l.Refused != nil:
		d.Problems = append(d.Problems, findingRow{What: v.reason(l.Refused), Error: true})
	}
	if !v.draftsPast(d) {
		return
	}
	v.Draft = d
	v.render(http.StatusOK, "draft.html", v.T("draft.title"))
}

// draftsPast adds what was published, and what another than its author wrote over or forgot. ok is false when the page
// of a failure was given.
func (v *visit) draftsPast(d *draftView) (ok bool) {
	past, err := v.s.Drafts.Store.History(v.r.Context(), "", historyShown)
	if err != nil {
		v.fail("read what was changed", err)
		return false
	}
	for _, c := range past {
		d.History = append(d.History, draftRow{Name: v.partName(c.Path), Who: v.T("draft.published", "who", c.By, "by", c.SettledBy, "when", v.when(c.Settled))})
	}
	lost, err := v.s.Drafts.Store.Lost(v.r.Context(), historyShown)
	if err != nil {
		v.fail("read what was written over", err)
		return false
	}
	for _, c := range lost {
		d.Lost = append(d.Lost, draftRow{
			Name: v.partName(c.Path), Value: cmp.Or(v.partText(c.Path, c.Value), v.T("part.out")),
			Who: v.T("draft.lost.by", "who", c.By, "at", v.when(c.At), "by", c.SettledBy, "when", v.when(c.Settled)),
		})
	}
	return true
}

// mayPublish: editors may, or where a second person is asked for, approvers who wrote none of it.
func (v *visit) mayPublish(l *drafts.Look) bool {
	if !v.s.Approval {
		return v.Me.May(people.EditService)
	}
	for _, r := range l.Drafts {
		if r.By == v.Me.Name {
			return false
		}
	}
	return v.Me.May(people.Approve)
}

// partName is what people call a part of the definition.
func (v *visit) partName(path string) string {
	section, name, _ := strings.Cut(path, ".")
	switch section {
	case "prompts":
		return v.T("part.prompt", "name", name)
	case "wording":
		return v.T("part.wording", "name", name)
	case "reasons":
		return v.T("part.reason", "name", name)
	case "plans":
		return v.T("part.plan", "name", v.planName(name))
	case "links":
		return v.T("part.link", "name", v.linkName(name))
	case "skills":
		return v.T("part.skill", "name", v.skillName(name))
	}
	if s := v.setting(path); s != nil {
		return v.T("setting."+s.id) + s.of(v)
	}
	if t := v.T("part." + path); t != "admin.part."+path {
		return t
	}
	return path
}

// partText shows the value of a part: texts, weeks, settings, plans and links as they are read, all else as it is written.
func (v *visit) partText(path, value string) string {
	if s := v.setting(path); s != nil {
		switch {
		case value == "":
			return v.T("setting.usual")
		case slices.Contains(s.words, value):
			return v.T("setting." + s.id + "." + value)
		}
		return v.shown(*s, value)
	}
	if slices.ContainsFunc(weeks, func(w week) bool { return w.path == path }) {
		return v.weekText(value)
	}
	section, name, _ := strings.Cut(path, ".")
	switch {
	case section == "wording":
		return v.textText(v.wholeLine(name, v.textOf(value)))
	case value == "":
		return ""
	case section == "prompts", section == "skills":
		return v.textText(v.textOf(value))
	case section == "plans":
		return v.planText(v.planIn(name, value))
	case section == "links":
		return v.linkText(v.linkIn(name, value))
	case path == "holidays":
		return v.T("holidays." + value)
	case path == "closures", path == "openings", section == "reasons":
		return v.keyText(value)
	}
	return value
}

// keyWords are the keys of closures, openings and reasons, and what the catalogue calls them.
var keyWords = map[string]string{
	"from": "hours.from", "until": "hours.until", "why": "hours.why", "prompt": "hours.prompt", "day": "write.day", "hours": "hours.ranges",
	"label": "part.label", "directorate": "part.directorate", "simple": "reasons.simple", "retired": "part.retired",
}

var keyLine = regexp.MustCompile(`(?m)^([ -]*)([a-z]+):(?: ("?true"?)$)?`)

// keyText is the YAML of a list or a group as people read it: its keys are said in their words.
func (v *visit) keyText(value string) string {
	return keyLine.ReplaceAllStringFunc(value, func(line string) string {
		m := keyLine.FindStringSubmatch(line)
		words, known := keyWords[m[2]]
		switch {
		case slices.Contains(v.def.Languages, call.Lang(m[2])):
			words = "lang." + m[2]
		case !known:
			return line
		}
		said := m[1] + v.T("part.key", "key", v.T(words))
		if m[3] != "" {
			said += " " + v.T("part.yes")
		}
		return said
	})
}

// textText is a text in each of its languages.
func (v *visit) textText(t service.Text) string {
	var lines []string
	for _, lang := range v.def.Languages {
		if p, ok := t[lang]; ok {
			words := p.Say
			if p.Recording != "" {
				words += " ♪ " + p.Recording
			}
			lines = append(lines, v.T("plan.line", "what", v.T("lang."+string(lang)), "value", words))
		}
	}
	return strings.Join(lines, "\n")
}

func (v *visit) publishDraft() {
	if !v.Me.May(people.EditService) && !v.Me.May(people.Approve) {
		v.stop(http.StatusForbidden, "forbidden")
		return
	}
	l := v.look()
	if l == nil {
		return
	}
	if !v.s.Approval && !v.Me.May(people.EditService) || v.s.Approval && !v.Me.May(people.Approve) {
		v.stop(http.StatusForbidden, "forbidden")
		return
	}
	n, err := v.s.Drafts.Publish(v.r.Context(), v.r.PostFormValue("version"), v.Me.Name, v.s.Approval)
	switch {
	case errors.Is(err, drafts.ErrUnsettled):
		v.s.Log.Error("a publication is in force, and not kept as the history yet", "by", v.Me.Name, "err", err)
		v.published(n, l)
		v.see("/service/brouillon?fait=publie-sans-historique", nil)
	case errors.Is(err, drafts.ErrNothing): // a double click
		v.see("/service/brouillon?fait=publie-service", nil)
	case errors.Is(err, drafts.ErrChanged):
		v.wrong("main", "draft.changed")
		v.draftPage()
	case errors.Is(err, drafts.ErrOwn):
		v.stop(http.StatusForbidden, "own")
	case errors.Is(err, drafts.ErrUnfit):
		v.wrong("main", "draft.unfit")
		v.draftPage()
	case err != nil:
		v.s.Log.Error("the line did not take the definition", "by", v.Me.Name, "err", err)
		v.wrong("main", "draft.refused")
		v.draftPage()
	default:
		v.published(n, l)
		v.see("/service/brouillon?fait=publie-service", nil)
	}
}

// published logs that n drafts, which were looked at, are in force.
func (v *visit) published(n int, l *drafts.Look) {
	var paths []string
	for _, r := range l.Drafts {
		paths = append(paths, r.Path)
	}
	v.log("service.published", strconv.Itoa(n), strings.Join(paths, ", "))
	v.s.Log.Info("the definition was changed", "by", v.Me.Name, "parts", paths)
}

func (v *visit) dropDraft() {
	id, err := strconv.ParseInt(v.r.PathValue("id"), 10, 64)
	if err != nil {
		v.stop(http.StatusNotFound, "missing")
		return
	}
	switch dropped, err := v.s.Drafts.Drop(v.r.Context(), id, v.Me.Name); {
	case errors.Is(err, drafts.ErrNone): // a double click, or it was published meanwhile
		v.see("/service/brouillon?fait=plus-la", nil)
	case err != nil:
		v.fail("forget a draft", err)
	default:
		v.log("service.dropped", dropped.Path, "")
		v.see("/service/brouillon?fait=oublie", nil)
	}
}

// partOf is a part as its editor sees it; ok is false when the page of a failure was given.
func (v *visit) partOf(path string) (value string, p part, ok bool) {
	value, seen, err := v.s.Drafts.Part(v.r.Context(), path)
	if err != nil {
		v.fail("read a part of the definition", err)
		return "", part{}, false
	}
	return value, part{value, seen}, true
}

// filled reads the form; ok is false when it cannot be read, and the page that says so was given.
func (v *visit) filled() (ok bool) {
	if err := v.r.ParseForm(); err != nil {
		v.stop(http.StatusBadRequest, "unread")
		return false
	}
	return true
}

// seenPart is what the sender of a form saw; name is a prefix of its fields.
func (v *visit) seenPart(name string) part {
	seen, _ := strconv.ParseInt(v.r.PostFormValue(name+"seen"), 10, 64)
	return part{strings.ReplaceAll(v.r.PostFormValue(name+"was"), "\r\n", "\n"), seen}
}

// writePart keeps a change as a draft. What is wrong is added to the errors of the field; ok is false then.
func (v *visit) writePart(field, path, value string, p part) (ok bool) {
	return v.writeParts(map[string]string{"": field}, path, value, p)
}

// writeParts is writePart of a form with a field for each part of what it writes, by their paths from there; "" is
// the field of the whole.
func (v *visit) writeParts(fields map[string]string, path, value string, p part) (ok bool) {
	err := v.s.Drafts.Write(v.r.Context(), path, value, p.Was, p.Seen, v.Me.Name)
	field := fieldOf(fields, "")
	var problems service.Problems
	switch {
	case err == nil:
		v.log("service.written", path, "")
		return true
	case errors.Is(err, drafts.ErrChanged):
		v.wrong(field, "part.changed")
	case errors.Is(err, service.ErrByHand):
		v.wrong(field, "part.byhand")
	case errors.As(err, &problems) && value == "":
		v.wrong(field, "part.needed", "what", problems[0].What.In(v.Lang))
	case errors.As(err, &problems):
		for _, p := range problems {
			within, _ := strings.CutPrefix(p.Path, path+".")
			v.wrong(fieldOf(fields, within), "part.problem", "what", p.What.In(v.Lang), "fix", p.Fix.In(v.Lang))
		}
	default:
		v.s.Log.Error("a draft could not be kept", "path", path, "err", err)
		v.wrong(field, "part.failed")
	}
	return false
}

// Sub are the pages of the service.
func (v *visit) Sub() (all []tab) {
	if !strings.HasPrefix(v.r.URL.Path, "/service") {
		return nil
	}
	for _, t := range []struct{ path, id string }{
		{"/service/textes", "texts"},
		{"/service/horaires", "hours"},
		{"/service/motifs", "reasons"},
		{"/service/liens", "links"},
		{"/service/agents", "agents"},
		{"/service/reglages", "settings"},
		{"/service/ecouter", "rehearse"},
		{"/service/appeler", "phone"},
		{"/service/brouillon", "draft"},
	} {
		all = append(all, tab{t.path, v.T("sub." + t.id), strings.HasPrefix(v.r.URL.Path, t.path)})
	}
	return all
}

// Reads says that the account may read the definition.
func (v *visit) Reads() bool { return v.Me.May(people.SeeService) }

// Edits says that the account may change the definition.
func (v *visit) Edits() bool { return v.Me.May(people.EditService) }
