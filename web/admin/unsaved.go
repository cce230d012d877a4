package admin

import (
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// secretForms begin the addresses of forms that hold passwords.
var secretForms = []string{"/connexion", "/mot-de-passe/", "/moi/"}

// unsaved are the words of a form that came to nothing, because the session was over, the right was gone or the
// database away: its page gives them back to be copied. Passwords and codes are none, nor is what was only chosen.
func (v *visit) unsaved() string {
	if v.r.Method != http.MethodPost || slices.ContainsFunc(secretForms, func(form string) bool { return strings.HasPrefix(v.r.URL.Path, form) }) {
		return ""
	}
	form := v.r.PostForm
	if form == nil { // nobody has read it yet
		form = v.readWords()
	}
	var words []string
	for _, name := range slices.Sorted(maps.Keys(form)) {
		for _, value := range form[name] {
			if value = strings.TrimSpace(value); written(name, value) && !slices.Contains(words, value) {
				words = append(words, value)
			}
		}
	}
	return strings.Join(words, "\n\n")
}

// written tells whether somebody wrote a value: a text, or more than one word. Names, choices, dates and codes have one
// word; what a field was before is told apart by its name.
func written(name, value string) bool {
	if strings.HasSuffix(name, "was") || strings.HasSuffix(name, "seen") {
		return false
	}
	return value != "" && (strings.HasPrefix(name, "text_") || strings.ContainsAny(value, " \n"))
}

// readWords reads a form without its files, which whoever is not signed in could fill our disk with.
func (v *visit) readWords() url.Values {
	parts, err := v.r.MultipartReader()
	if err != nil { // it is none of several parts
		_ = v.r.ParseForm() // what could be read of it is there all the same
		return v.r.PostForm
	}
	form := url.Values{}
	for left := int64(maxBody); left > 0; {
		part, err := parts.NextPart()
		if err != nil {
			break
		}
		left -= readWord(form, part, left)
	}
	return form
}

// readWord reads a field that is no file, of a bounded length, and tells how long it is.
func readWord(form url.Values, part *multipart.Part, most int64) int64 {
	if part.FileName() != "" {
		return 0
	}
	value, _ := io.ReadAll(io.LimitReader(part, most))
	form.Add(part.FormName(), string(value))
	return int64(len(value))
}
