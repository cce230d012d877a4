package admin

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"decroche/service"
)

// A setting is a simple value of the definition that is changed on the page.
type setting struct {
	id    string // of its texts: "setting.<id>", "setting.<id>.hint"
	group string
	path  string
	// part names the queue or the link whose setting it is, "" for the service's.
	part  string
	words []string // the values, for a choice; nil for a text
}

// settings are those of the page, in their order: one table.
var settings = []setting{
	{"offer_above", "callback", "callback.offer_above", "", nil},
	{"share", "callback", "callback.share", "", nil},
	{"per_slot", "callback", "callback.per_slot", "", nil},
	{"days", "callback", "callback.days", "", nil},
	{"attempts", "callback", "callback.attempts", "", nil},
	{"per_day", "callback", "callback.per_day", "", nil},
	{"abandoned", "callback", "callback.abandoned", "", []string{"sms", "nothing"}},
	{"relay_number", "access", "access.relay.number", "", nil},
	{"relay_ring", "access", "access.relay.ring", "", nil},
	{"access_hours", "access", "access.hours", "", nil},
	{"sample", "survey", "survey.sample", "", nil},
	{"again_after", "survey", "survey.again_after", "", nil},
	{"answered", "goals", "indicators.goals.answered", "", nil},
	{"excellent", "goals", "indicators.goals.excellent", "", nil},
	{"numbers", "privacy", "privacy.numbers", "", nil},
	{"journal", "privacy", "privacy.journal", "", nil},
}

// linkSettings are those of each link; whether its site works is on the page of sites.
var linkSettings = []setting{
	{"url", "link", "url", "", nil},
	{"every", "link", "every", "", nil},
}

// queueSettings are those of each queue.
var queueSettings = []setting{
	{"max_waiting", "queue", "max_waiting", "", nil},
	{"ring", "queue", "ring", "", nil},
	{"wrap_up", "queue", "wrap_up", "", nil},
	{"announce", "queue", "announce", "", nil},
	{"within", "queue", "in_time.within", "", nil},
	{"in_time_share", "queue", "in_time.share", "", nil},
}

type settingsView struct{ Groups []settingGroup }

type settingGroup struct {
	Name   string
	Fields []settingField
}

type settingField struct {
	ID, Name, Hint, Value string
	Words                 []choice
	part
	Draft bool
}

// allSettings are those of the service, and of each of its queues and links.
func (v *visit) allSettings() []setting {
	all := slices.DeleteFunc(slices.Clone(settings), func(s setting) bool { // writing one would switch these on
		return s.group == "callback" && !v.def.Callback.On || s.group == "survey" && !v.def.Survey.On
	})
	for _, q := range slices.Sorted(maps.Keys(v.def.Queues)) {
		for _, s := range queueSettings {
			s.path, s.part = "queues."+q+"."+s.path, q
			all = append(all, s)
		}
	}
	for _, l := range slices.Sorted(maps.Keys(v.def.Links)) {
		for _, s := range linkSettings {
			s.path, s.part = "links."+l+"."+s.path, l
			all = append(all, s)
		}
	}
	return all
}

// setting finds one by its path; nil for none.
func (v *visit) setting(path string) *setting {
	for _, s := range v.allSettings() {
		if s.path == path {
			return &s
		}
	}
	return nil
}

// of names the queue or the link, as it follows the name of the setting.
func (s setting) of(v *visit) string {
	switch {
	case s.part == "":
		return ""
	case s.group == "link":
		return " · " + v.linkName(s.part)
	}
	return " · " + v.queueName(s.part)
}

func (v *visit) showSettings() {
	v.told()
	v.settingsPage(nil)
}

// settingsPage gives the page; typed are the values of a form with errors, by path.
func (v *visit) settingsPage(typed map[string]string) {
	if v.look() == nil {
		return
	}
	w := &settingsView{}
	last := ""
	for _, s := range v.allSettings() {
		value, p, ok := v.partOf(s.path)
		if !ok {
			return
		}
		if key := s.group + s.part; key != last {
			last = key
			w.Groups = append(w.Groups, settingGroup{Name: v.T("settings."+s.group) + s.of(v)})
		}
		f := settingField{ID: s.path, Name: v.T("setting." + s.id), Hint: v.T("setting." + s.id + ".hint"), Value: strings.Trim(value, `"`), part: p, Draft: p.Seen != 0}
		if t, is := typed[s.path]; is {
			f.Value = t
		}
		if s.words != nil {
			f.Words = append(f.Words, choice{"", v.T("setting.usual"), f.Value == ""})
			for _, word := range s.words {
				f.Words = append(f.Words, choice{word, v.T("setting." + s.id + "." + word), f.Value == word})
			}
		}
		g := &w.Groups[len(w.Groups)-1]
		g.Fields = append(g.Fields, f)
	}
	v.Settings = w
	v.render(http.StatusOK, "settings.html", v.T("settings.title"))
}

// writeSettings keeps the settings that were changed, each as a draft of its own.
func (v *visit) writeSettings() {
	if !v.filled() || v.look() == nil {
		return
	}
	typed := map[string]string{}
	for _, s := range v.allSettings() {
		values, sent := v.r.PostForm[s.path]
		if !sent {
			continue
		}
		value := strings.TrimSpace(values[0])
		p := v.seenPart(s.path + ":")
		if value == strings.Trim(p.Was, `"`) {
			continue
		}
		typed[s.path] = value
		yaml := ""
		if value != "" {
			yaml = service.Scalar(value)
		}
		v.writePart(s.path, s.path, yaml, p)
	}
	if len(v.Errors) == 0 {
		v.see("/service/reglages?fait=brouillon", nil)
		return
	}
	v.settingsPage(typed)
}

// reasonsView are the reasons of contacts.
type reasonsView struct{ Rows []reasonRow }

type reasonRow struct {
	ID, Directorate string
	Labels          []langField
	Simple, Retired bool
	part
	Draft bool
}

func (v *visit) showReasons() {
	v.told()
	v.reasonsPage(nil)
}

// reasonsPage gives the page; typed is the row of a form with errors.
func (v *visit) reasonsPage(typed *reasonRow) {
	if v.look() == nil {
		return
	}
	w := &reasonsView{}
	for _, id := range slices.SortedFunc(maps.Keys(v.def.Reasons), func(a, b string) int {
		if x, y := v.def.Reasons[a].Retired, v.def.Reasons[b].Retired; x != y {
			if x {
				return 1
			}
			return -1
		}
		return strings.Compare(a, b)
	}) {
		r := v.def.Reasons[id]
		row := reasonRow{ID: id, Directorate: r.Directorate, Simple: r.Simple, Retired: r.Retired, Labels: v.labels(r.Label)}
		_, p, ok := v.partOf("reasons." + id)
		if !ok {
			return
		}
		row.part, row.Draft = p, p.Seen != 0
		if typed != nil && typed.ID == id {
			typed.part, typed.Draft = row.part, row.Draft
			row = *typed
		}
		w.Rows = append(w.Rows, row)
	}
	fresh := reasonRow{Labels: v.labels(nil)}
	if typed != nil && v.def.Reasons[typed.ID] == nil {
		fresh = *typed
	}
	w.Rows = append(w.Rows, fresh)
	v.Reasons = w
	v.render(http.StatusOK, "reasons.html", v.T("reasons.title"))
}

func (v *visit) labels(t service.Text) (all []langField) {
	for _, lang := range v.def.Languages {
		all = append(all, langField{Lang: lang, Name: v.T("lang." + string(lang)), Text: t[lang].Say})
	}
	return all
}

// writeReason keeps a reason as a draft: its name in the figures stays, its label may change.
func (v *visit) writeReason() {
	if v.look() == nil {
		return
	}
	post := v.r.PostFormValue
	row := &reasonRow{ID: strings.TrimSpace(post("id")), Directorate: strings.TrimSpace(post("directorate")), Simple: post("simple") != "", Retired: post("retired") != ""}
	label := service.Text{}
	for _, lang := range v.def.Languages {
		label[lang] = service.Phrase{Say: strings.TrimSpace(post("label_" + string(lang)))}
		if label[lang].Say == "" {
			v.wrong(fmt.Sprintf("label_%s-%s", lang, row.ID), "reasons.error.label")
		}
	}
	row.Labels = v.labels(label)
	if !promptName.MatchString(row.ID) {
		v.wrong("id", "reasons.error.id")
	}
	value := "label:\n" + indent(label.YAML(v.def.Languages))
	if row.Simple {
		value += "simple: true\n"
	}
	if row.Directorate != "" {
		value += "directorate: " + service.Scalar(row.Directorate) + "\n"
	}
	if row.Retired {
		value += "retired: true\n"
	}
	if len(v.Errors) == 0 && v.writePart("label_"+string(v.def.Languages[0])+"-"+row.ID, "reasons."+row.ID, value, v.seenPart("")) {
		v.see("/service/motifs?fait=brouillon", nil)
		return
	}
	v.reasonsPage(row)
}

func indent(yaml string) string {
	return "  " + strings.ReplaceAll(strings.TrimSuffix(yaml, "\n"), "\n", "\n  ") + "\n"
}
