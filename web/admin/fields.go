package admin

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"decroche/call"
	"decroche/service"
	"decroche/text"
)

// field is one of a form, as the templates "input" and "select" write it: its label, its hint and its error belong
// to it. Its name is its id.
type field struct {
	ID, Name, Hint, Value, Error, Prefix string
	Lang                                 call.Lang // of what is written, "" for the page's
	Choices                              []choice
}

type choice struct {
	Value, Name string
	Chosen      bool
}

// Input is a field whose label is a text of the catalogue, with the hint "<words>.hint" if there is one.
func (v *visit) Input(id, words, value string) field {
	f := field{ID: id, Name: v.T(words), Value: value, Error: v.ErrorOf(id), Prefix: v.T("errors.prefix")}
	if hint := v.T(words + ".hint"); hint != "admin."+words+".hint" {
		f.Hint = hint
	}
	return f
}

// Select is a field to choose in.
func (v *visit) Select(id, words string, choices []choice) field {
	f := v.Input(id, words, "")
	f.Choices = choices
	return f
}

// Check is a box that is checked or not.
func (v *visit) Check(id, words string, on bool) field {
	f := v.Input(id, words, "")
	if on {
		f.Value = "1"
	}
	return f
}

// labelFields are the fields of a name, one for each language of the service: "<id>_fr" and so on, with an ending.
func (v *visit) labelFields(id, ending string, t service.Text) (all []field) {
	for _, lang := range v.def.Languages {
		f := v.Input(id+"_"+string(lang)+ending, "field.label", t[lang].Say)
		f.Name, f.Lang = v.T("field.label", "language", v.T("lang."+string(lang))), lang
		all = append(all, f)
	}
	return all
}

// typedLabel reads them. A recording that the file has for a language stays.
func (v *visit) typedLabel(id, ending string, before service.Text) service.Text {
	t := service.Text{}
	for _, lang := range v.def.Languages {
		name := id + "_" + string(lang) + ending
		t[lang] = service.Phrase{Say: v.post(name), Recording: before[lang].Recording}
		if t[lang].Say == "" {
			v.wrong(name, "reasons.error.label")
		}
	}
	return t
}

// typedWords are the names as they were typed, to be shown again.
func (v *visit) typedWords(id, ending string) service.Text {
	t := service.Text{}
	for _, lang := range v.def.Languages {
		t[lang] = service.Phrase{Say: v.post(id + "_" + string(lang) + ending)}
	}
	return t
}

// post is a field as it was typed, with single spaces.
func (v *visit) post(name string) string {
	return strings.Join(strings.Fields(v.r.PostFormValue(name)), " ")
}

// shownSpan is a duration as people write it; "" for none.
func shownSpan(d time.Duration) string {
	switch {
	case d == 0:
		return ""
	case d%time.Second == 0:
		return text.Span(d)
	}
	return service.Compact(d)
}

// spanText is a duration in a sentence, where none is one too.
func spanText(d time.Duration) string { return cmp.Or(shownSpan(d), text.Span(0)) }

// typedSpan reads one, and takes another for an empty field. What is none is added to the errors.
func (v *visit) typedSpan(id, value string, otherwise time.Duration) time.Duration {
	if value == "" {
		return otherwise
	}
	if d, ok := text.ParseSpan(value); ok {
		return d
	}
	d, err := time.ParseDuration(value)
	if err != nil {
		v.wrong(id, "field.error.span")
		return otherwise
	}
	return d
}

// shownCount is a number; "" for none.
func shownCount(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// typedCount reads one, as typedSpan does.
func (v *visit) typedCount(id, value string, otherwise int) int {
	if value == "" {
		return otherwise
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 {
		v.wrong(id, "field.error.count")
		return otherwise
	}
	return n
}

// fieldOf finds the field of a part, by its path, in a form's table: its own, that of the nearest part around it, or
// that of "", the whole; "main", the page, when there is none.
func fieldOf(table map[string]string, path string) string {
	for path != "" {
		if id, is := table[path]; is {
			return id
		}
		path = path[:max(0, strings.LastIndexByte(path, '.'))]
	}
	return cmp.Or(table[""], "main")
}

// unnamed stands in addresses for what is new and has no name yet: no name can be this.
const unnamed = "-"
