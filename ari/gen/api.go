package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// api is a description of the interface: its models, by name and by file.
type api struct {
	models map[string]*model
	files  map[string][]string // file name to the names of its models, in order
}

type model struct {
	Name       string
	SubTypes   []string
	Properties []property
}

type property struct {
	Name     string
	Type     string
	Required bool
}

// readAPI reads every *.json of a folder. A model in two files is kept once.
func readAPI(dir string) (*api, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("no *.json in %s: give the folder with Asterisk's rest-api description (Debian package asterisk: /usr/share/asterisk/rest-api)", dir)
	}
	a := &api{models: map[string]*model{}, files: map[string][]string{}}
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var file struct {
			Models ordered[struct {
				SubTypes   []string `json:"subTypes"`
				Properties ordered[struct {
					Type     string `json:"type"`
					Required bool   `json:"required"`
				}] `json:"properties"`
			}] `json:"models"`
		}
		if err := json.Unmarshal(content, &file); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		for _, m := range file.Models {
			if a.models[m.key] != nil {
				continue
			}
			mod := &model{Name: m.key, SubTypes: m.value.SubTypes}
			for _, p := range m.value.Properties {
				mod.Properties = append(mod.Properties, property{p.key, p.value.Type, p.value.Required})
			}
			a.models[m.key] = mod
			base := filepath.Base(name)
			a.files[base] = append(a.files[base], m.key)
		}
	}
	return a, nil
}

// ordered is a JSON object that keeps its order, so that generated fields stand as
// Asterisk describes them.
type ordered[V any] []pair[V]

type pair[V any] struct {
	key   string
	value V
}

func (o *ordered[V]) UnmarshalJSON(b []byte) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return errors.Join(errors.New("not an object"), err)
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return err
		}
		p := pair[V]{key: key.(string)}
		if err := dec.Decode(&p.value); err != nil {
			return fmt.Errorf("%s: %w", p.key, err)
		}
		*o = append(*o, p)
	}
	return nil
}

// used gives the wanted models and what they refer to, in the order they are met.
func (a *api) used() ([]*model, error) {
	var queue []string
	for _, d := range slices.Concat(wantedModels, wantedEvents) {
		queue = append(queue, d.name)
	}
	var out []*model
	seen := map[string]bool{}
	for len(queue) > 0 {
		name := queue[0]
		queue = queue[1:]
		if seen[name] {
			continue
		}
		seen[name] = true
		m := a.models[name]
		if m == nil {
			return nil, fmt.Errorf("the description has no model %s", name)
		}
		out = append(out, m)
		for _, p := range m.Properties {
			if t := element(p.Type); a.models[t] != nil {
				queue = append(queue, t)
			}
		}
	}
	return out, nil
}

// element is the T of a List[T], or the type itself.
func element(t string) string {
	if inner, ok := strings.CutPrefix(t, "List["); ok {
		return strings.TrimSuffix(inner, "]")
	}
	return t
}

// trim gives the files of a description that has the used models only, names and types
// without prose. Event keeps its whole list of subtypes: ari tells events it does
// not use from events nobody knows.
func (a *api) trim() (map[string][]byte, error) {
	used, err := a.used()
	if err != nil {
		return nil, err
	}
	keep := map[string]bool{"Event": true, "Message": true}
	for _, m := range used {
		keep[m.Name] = true
	}
	out := map[string][]byte{}
	for file, names := range a.files {
		var b strings.Builder
		sep := ""
		for _, name := range names {
			if keep[name] {
				b.WriteString(sep)
				a.models[name].writeTrimmed(&b)
				sep = ",\n"
			}
		}
		if sep != "" {
			out[file] = []byte("{\n\t\"models\": {\n" + b.String() + "\n\t}\n}\n")
		}
	}
	return out, nil
}

func (m *model) writeTrimmed(b *strings.Builder) {
	fmt.Fprintf(b, "\t\t%q: {\n", m.Name)
	if len(m.SubTypes) > 0 {
		subs, _ := json.Marshal(m.SubTypes)
		fmt.Fprintf(b, "\t\t\t\"subTypes\": %s,\n", subs)
	}
	b.WriteString("\t\t\t\"properties\": {")
	sep := "\n"
	for _, p := range m.Properties {
		fmt.Fprintf(b, "%s\t\t\t\t%q: {\"type\": %q, \"required\": %t}", sep, p.Name, p.Type, p.Required)
		sep = ",\n"
	}
	if len(m.Properties) > 0 {
		b.WriteString("\n\t\t\t")
	}
	b.WriteString("}\n\t\t}")
}
