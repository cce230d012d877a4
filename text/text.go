// Package text is what people read: text messages and pages, in each language, and how
// days and hours are written. What they hear is speech's catalogue.
package text

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"sync"

	"github.com/goccy/go-yaml"

	"decroche/call"
)

// The catalogue: one file for each part and language, "sms.fr.yaml"; flat keys, one text
// each; {name} is filled in.
//
//go:embed catalogue/*.yaml
var files embed.FS

var catalogues = sync.OnceValue(func() map[call.Lang]map[string]string {
	all := map[call.Lang]map[string]string{}
	names, err := fs.Glob(files, "catalogue/*.yaml")
	if err != nil {
		panic(err) // of a constant pattern
	}
	for _, name := range names {
		raw, err := files.ReadFile(name)
		if err != nil {
			panic(err)
		}
		part, lang, _ := strings.Cut(strings.TrimSuffix(path.Base(name), ".yaml"), ".")
		texts := map[string]string{}
		if err := yaml.UnmarshalWithOptions(raw, &texts, yaml.Strict()); err != nil {
			panic(fmt.Sprintf("%s: %v", name, err)) // a test reads them all
		}
		l := call.Lang(lang)
		if all[l] == nil {
			all[l] = map[string]string{}
		}
		for id, t := range texts {
			all[l][part+"."+id] = t
		}
	}
	return all
})

// Get gives a text ("sms.confirmed.slot") in a language; one the catalogue has not in that
// language is given in French. pairs fill it in: name, value, … An unknown id is given back as it is.
func Get(lang call.Lang, id string, pairs ...any) string {
	t, ok := catalogues()[lang][id]
	if !ok {
		if t, ok = catalogues()["fr"][id]; !ok {
			return id
		}
	}
	if len(pairs) == 0 {
		return t
	}
	fill := make([]string, 0, len(pairs))
	for i := 0; i+1 < len(pairs); i += 2 {
		fill = append(fill, fmt.Sprintf("{%v}", pairs[i]), fmt.Sprint(pairs[i+1]))
	}
	return strings.NewReplacer(fill...).Replace(t)
}

// IDs lists the ids of a language, for tests.
func IDs(lang call.Lang) []string {
	var ids []string
	for id := range catalogues()[lang] {
		ids = append(ids, id)
	}
	return ids
}
