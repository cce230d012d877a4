package admin

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"decroche/service"
	"decroche/text"
)

// A setting is a simple value of the definition that is changed on the page.
type setting struct {
	id    string // of its texts: "setting.<id>", "setting.<id>.hint"
	group string
	path  string
	// part names the queue whose setting it is, "" for the service's.
	part  string
	words []string // the values, for a choice; nil for a text
	unit  unit
}

// unit is how people write a value.
type unit int

const (
	plain unit = iota // as the definition has it
	span              // "3 min" for 3m
	days              // "90 jours" for 90d
)

// settings are those of the page, in their order: one table.
var settings = []setting{
	{"offer_above", "callback", "callback.offer_above", "", nil, span},
	{"share", "callback", "callback.share", "", nil, plain},
	{"per_slot", "callback", "callback.per_slot", "", nil, plain},
	{"days", "callback", "callback.days", "", nil, plain},
	{"attempts", "callback", "callback.attempts", "", nil, plain},
	{"per_day", "callback", "callback.per_day", "", nil, plain},
	{"abandoned", "callback", "callback.abandoned", "", []string{"sms", "nothing"}, plain},
	{"relay_number", "access", "access.relay.number", "", nil, plain},
	{"relay_ring", "access", "access.relay.ring", "", nil, span},
	{"access_hours", "access", "access.hours", "", []string{"same"}, plain},
	{"sample", "survey", "survey.sample", "", nil, plain},
	{"again_after", "survey", "survey.again_after", "", nil, days},
	{"answered", "goals", "indicators.goals.answered", "", nil, plain},
	{"excellent", "goals", "indicators.goals.excellent", "", nil, plain},
	{"numbers", "privacy", "privacy.numbers", "", nil, days},
	{"journal", "privacy", "privacy.journal", "", nil, days},
}

// queueSettings are those of each queue.
var queueSettings = []setting{
	{"max_waiting", "queue", "max_waiting", "", nil, plain},
	{"ring", "queue", "ring", "", nil, span},
	{"wrap_up", "queue", "wrap_up", "", nil, span},
	{"announce", "queue", "announce", "", nil, span},
	{"within", "queue", "in_time.within", "", nil, span},
	{"in_time_share", "queue", "in_time.share", "", nil, plain},
}

type settingsView struct{ Groups []settingGroup }

type settingGroup struct {
	Name   string
	Fields []settingField
}

type settingField struct {
	ID, Name, Hint, Value string
	Words                 []choice
	formPart
}

// allSettings are those of the service, and of each of its queues.
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

// of names the queue, as it follows the name of the setting.
func (s setting) of(v *visit) string {
	if s.part == "" {
		return ""
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
		var sent *part // by who could not keep it
		if v.ErrorOf(s.path) != "" {
			seen := v.seenPart(s.path + ":")
			sent = &seen
		}
		p, ok := v.formPart(s.path, sent)
		if !ok {
			return
		}
		if key := s.group + s.part; key != last {
			last = key
			w.Groups = append(w.Groups, settingGroup{Name: v.T("settings."+s.group) + s.of(v)})
		}
		f := settingField{ID: s.path, Name: v.T("setting." + s.id), Hint: v.T("setting." + s.id + ".hint"), Value: v.shown(s, p.Was), formPart: p}
		if t, is := typed[s.path]; is {
			f.Value = t
		}
		if s.words != nil {
			f.Words = v.choicesOf(s, f.Value)
		}
		g := &w.Groups[len(w.Groups)-1]
		g.Fields = append(g.Fields, f)
	}
	v.Settings = w
	v.render(http.StatusOK, "settings.html", v.T("settings.title"))
}

// choicesOf are the values of a setting that is chosen. What the file says in another way is kept.
func (v *visit) choicesOf(s setting, value string) []choice {
	all := []choice{{"", v.T("setting.usual"), value == ""}}
	for _, word := range s.words {
		all = append(all, choice{word, v.T("setting." + s.id + "." + word), value == word})
	}
	if value != "" && !slices.Contains(s.words, value) {
		all = append(all, choice{value, v.T("setting.byhand"), true})
	}
	return all
}

// shown is a value as people write it.
func (v *visit) shown(s setting, value string) string {
	value = strings.Trim(value, `"`)
	switch s.unit {
	case span:
		if d, err := time.ParseDuration(value); err == nil && d%time.Second == 0 {
			return text.Span(d)
		}
	case days:
		if n, is := strings.CutSuffix(value, "d"); is {
			return v.T("setting.days.n", "n", n)
		}
	}
	return value
}

var daysForm = regexp.MustCompile(`^([0-9]{1,6}) *(?:d|j|jours?|days?)?$`)

// meant is what people wrote as the definition has it; what it is not stays as it is, for the parser to tell.
func (s setting) meant(value string) string {
	switch s.unit {
	case span:
		if d, ok := text.ParseSpan(value); ok {
			return service.Compact(d)
		}
	case days:
		if m := daysForm.FindStringSubmatch(strings.ToLower(value)); m != nil {
			return m[1] + "d"
		}
	}
	return value
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
		value := strings.TrimSpace(strings.ReplaceAll(values[0], "\r\n", "\n"))
		p := v.seenPart(s.path + ":")
		if value == v.shown(s, p.Was) {
			continue
		}
		typed[s.path] = value
		yaml := ""
		if value != "" {
			yaml = service.Scalar(s.meant(value))
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
	ID, Directorate string // ID: "" for a new one
	Typed           string // the name that was typed for it
	Labels          []langField
	Simple, Retired bool
	formPart
	Read string
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
		var sent *part
		if typed != nil && typed.ID == id {
			row, sent = *typed, &typed.part
		}
		var ok bool
		if row.formPart, ok = v.formPart("reasons."+id, sent); !ok {
			return
		}
		row.Read = v.partText("reasons."+id, row.Was)
		w.Rows = append(w.Rows, row)
	}
	if fresh, ok := v.freshReason(typed); !ok {
		return
	} else if v.Edits() {
		w.Rows = append(w.Rows, fresh)
	}
	v.Reasons = w
	v.render(http.StatusOK, "reasons.html", v.T("reasons.title"))
}

// freshReason is the form of a new reason: empty, as it was typed, or of one that is no more, and may be made anew.
func (v *visit) freshReason(typed *reasonRow) (row reasonRow, ok bool) {
	if typed == nil || v.def.Reasons[typed.ID] != nil {
		return reasonRow{Labels: v.labels(nil)}, true
	}
	row = *typed
	if typed.ID != "" {
		if row.formPart, ok = v.formPart("reasons."+typed.ID, &typed.part); !ok {
			return row, false
		}
		row.ID, row.Typed = "", typed.ID
	}
	return row, true
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
	row := &reasonRow{Directorate: strings.TrimSpace(post("directorate")), Simple: post("simple") != "", Retired: post("retired") != "", formPart: formPart{part: v.seenPart("")}}
	id := strings.TrimSpace(post("id"))
	if row.Was == "" { // a new one
		row.Typed = id
	} else {
		row.ID = id
	}
	label := service.Text{}
	for _, lang := range v.def.Languages {
		label[lang] = service.Phrase{Say: strings.TrimSpace(post("label_" + string(lang)))}
		if label[lang].Say == "" {
			v.wrong(fmt.Sprintf("label_%s-%s", lang, row.ID), "reasons.error.label")
		}
	}
	row.Labels = v.labels(label)
	v.newName("id", id, row.ID == "" && v.def.Reasons[id] != nil)
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
	if len(v.Errors) == 0 && v.writePart("label_"+string(v.def.Languages[0])+"-"+row.ID, "reasons."+id, value, row.part) {
		v.see("/service/motifs?fait=brouillon", nil)
		return
	}
	v.reasonsPage(row)
}

func indent(yaml string) string {
	return "  " + strings.ReplaceAll(strings.TrimSuffix(yaml, "\n"), "\n", "\n  ") + "\n"
}
