package admin

import (
	"cmp"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"decroche/service"
)

// linkItem is a link in the list of them.
type linkItem struct {
	ID, Name, URL string
	Draft         bool
}

// linkForm is a link as it is written on its page.
type linkForm struct {
	namedPart
	Labels            []field
	URL, Check, Every string
	Spoken            string
	Prompts           []string // those that are muted
	Spokens, Muted    []choice
}

// Address is the one of the link's page.
func (f *linkForm) Address() string {
	if f.Fresh {
		return "/service/liens/" + unnamed
	}
	return "/service/liens/" + f.ID
}

// showLinkList lists the links, with those of drafts.
func (v *visit) showLinkList() {
	v.told()
	l := v.look()
	if l == nil {
		return
	}
	drafted := map[string]bool{}
	for _, d := range l.Drafts {
		if id, is := strings.CutPrefix(d.Path, "links."); is {
			drafted[id] = true
		}
	}
	all := maps.Clone(l.Now.Links) // one that a draft takes out is listed, to be kept after all
	maps.Copy(all, v.def.Links)
	for _, id := range slices.Sorted(maps.Keys(all)) {
		v.LinkList = append(v.LinkList, linkItem{id, cmp.Or(v.phrase(all[id].Label), id), all[id].URL, drafted[id]})
	}
	v.render(http.StatusOK, "linklist.html", v.T("link.list"))
}

// showLink gives the form of a link, as its draft has it.
func (v *visit) showLink() {
	id := v.r.PathValue("link")
	if v.look() == nil {
		return
	}
	if id == unnamed {
		if !v.Edits() {
			v.stop(http.StatusForbidden, "forbidden")
			return
		}
		v.linkFormPage(v.linkFormOf(&service.Link{Every: service.DefaultLinkEvery}, part{}))
		return
	}
	value, p, ok := v.partOf("links." + id)
	if !ok {
		return
	}
	l := v.s.Service().Links[id]
	if value != "" {
		l = v.linkIn(id, value)
	}
	if l == nil {
		v.stop(http.StatusNotFound, "missing")
		return
	}
	f := v.linkFormOf(l, p)
	f.Read = v.linkText(l)
	v.linkFormPage(f)
}

// linkIn reads a link as a draft has it; one that is not written is new.
func (v *visit) linkIn(id, value string) *service.Link {
	if value != "" {
		l, err := v.def.ParseLink(id, value)
		if l != nil {
			return l
		}
		v.s.Log.Error("a link cannot be read", "link", id, "err", err)
	}
	return &service.Link{ID: id, Every: service.DefaultLinkEvery}
}

func (v *visit) linkFormOf(l *service.Link, seen part) *linkForm {
	f := &linkForm{
		namedPart: namedPart{ID: l.ID, Fresh: l.ID == "", formPart: formPart{part: seen}}, Labels: v.labelFields("label", "", l.Label),
		URL: l.URL, Check: l.Check, Every: cmp.Or(shownSpan(l.Every), "0"), Spoken: l.Spoken, Prompts: l.Prompts,
	}
	if l.Check == l.URL {
		f.Check = ""
	}
	return f
}

// writeLink keeps a link as a draft, or takes it out by one.
func (v *visit) writeLink() {
	id := v.r.PathValue("link")
	if !v.filled() || v.look() == nil {
		return
	}
	if id != unnamed && !promptName.MatchString(id) {
		v.stop(http.StatusNotFound, "missing")
		return
	}
	f := &linkForm{
		namedPart: v.sentPart(id), URL: v.post("url"), Check: v.post("check"), Every: v.post("every"), Spoken: v.post("spoken"), Prompts: v.r.PostForm["prompts"],
	}
	fields, value := map[string]string{"": "drop"}, ""
	if !f.Drop {
		fields = map[string]string{"url": "url", "check": "check", "every": "every", "spoken": "spoken", "prompts": "prompts"}
		for _, lang := range v.def.Languages {
			fields["label."+string(lang)] = "label_" + string(lang)
		}
		l := v.typedLink(f)
		if value = l.YAML(v.def.Languages); f.Was != "" && reflect.DeepEqual(l, v.linkIn(f.ID, f.Was)) {
			value = f.Was // said in another way, and the same
		}
	}
	if len(v.Errors) == 0 && v.writeParts(fields, "links."+f.ID, value, f.part) {
		v.see("/service/liens?fait=brouillon", nil)
		return
	}
	v.linkFormPage(f)
}

// typedLink is the link that was typed. What is wrong is added to the errors.
func (v *visit) typedLink(f *linkForm) *service.Link {
	if f.Fresh {
		v.newName("id", f.ID, v.def.Links[f.ID] != nil)
	}
	before := v.linkIn(f.ID, f.Was)
	l := &service.Link{ID: f.ID, URL: f.URL, Check: cmp.Or(f.Check, f.URL), Spoken: f.Spoken}
	for _, p := range append(slices.Clone(before.Prompts), f.Prompts...) { // in the order of the file, the new ones behind
		if slices.Contains(f.Prompts, p) && !slices.Contains(l.Prompts, p) {
			l.Prompts = append(l.Prompts, p)
		}
	}
	l.Label = v.typedLabel("label", "", before.Label)
	if f.URL == "" {
		v.wrong("url", "link.error.url")
	}
	l.Every = v.typedSpan("every", f.Every, service.DefaultLinkEvery)
	return l
}

// linkFormPage gives the form.
func (v *visit) linkFormPage(f *linkForm) {
	if !v.stands(&f.namedPart, "links") {
		return
	}
	if v.r.Method == http.MethodPost {
		f.Labels = v.labelFields("label", "", v.typedWords("label", ""))
	}
	f.Spokens = []choice{{"", v.T("link.spoken.none"), f.Spoken == ""}}
	for _, name := range slices.Sorted(maps.Keys(v.def.Prompts)) {
		words := name + " : " + begin(v.phrase(v.def.Prompts[name]), promptBegins)
		f.Spokens = append(f.Spokens, choice{name, words, name == f.Spoken})
		f.Muted = append(f.Muted, choice{name, words, slices.Contains(f.Prompts, name)})
	}
	v.Link = f
	title := v.T("link.edit", "name", v.linkName(f.ID))
	if f.Fresh {
		title = v.T("link.new")
	}
	v.render(http.StatusOK, "link.html", title)
}

// linkText is a link as people read it, for who compares two.
func (v *visit) linkText(l *service.Link) string {
	var lines []string
	add := func(what, value string) {
		if value != "" {
			lines = append(lines, v.T("plan.line", "what", what, "value", value))
		}
	}
	for _, lang := range v.def.Languages {
		add(v.T("lang."+string(lang)), l.Label[lang].Say)
	}
	add(v.T("link.url"), l.URL)
	if l.Check != l.URL {
		add(v.T("link.check"), l.Check)
	}
	every := shownSpan(l.Every)
	add(v.T("link.every"), cmp.Or(every, v.T("link.never")))
	add(v.T("link.spoken"), l.Spoken)
	add(v.T("link.prompts"), strings.Join(l.Prompts, ", "))
	return strings.Join(lines, "\n")
}
