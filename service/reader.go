package service

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"decroche/call"
)

// reader turns nodes into a Definition and collects every problem on the way.
type reader struct {
	file     string
	dir      string // of the file, recordings are relative to it; "" when not known
	problems Problems
	def      *Definition
	refs     []reference
}

// reference is a name that must be defined elsewhere; it is looked up at the end.
type reference struct {
	kind, name string
	where      words
	at         Position
}

func (r *reader) problem(at Position, what, fix words) {
	r.problems = append(r.problems, Problem{File: r.file, Line: at.Line, Column: at.Column, What: what.written(), Fix: fix.written()})
}

// failed is what the reader has to tell, each with the part that it stands in; nil for nothing.
func (r *reader) failed() error {
	if len(r.problems) == 0 {
		return nil
	}
	for i, p := range r.problems {
		r.problems[i].Path = r.def.partAt(Position{p.Line, p.Column})
	}
	return r.problems.sorted()
}

// object reads the keys of one mapping and then, by close, refuses the others.
type object struct {
	r     *reader
	n     *node
	path  string // YAML path: "menus.main"
	label words  // what messages call it: `menu "main"`
	known []string
}

// object opens a mapping. Where the node is something else the problem is noted and the
// object is empty, so that reading goes on.
func (r *reader) object(n *node, path string, label words) *object {
	if n == nil {
		n = &node{kind: mapping}
	}
	if n.kind != mapping {
		r.problem(n.at, say("group", "of", label, "kind", say("kind."+string(n.kind))), say("group.fix"))
		n = &node{kind: mapping, at: n.at}
	}
	return &object{r: r, n: n, path: path, label: label}
}

// key is how messages call one of the object's keys, item what is in its list, and wrong a value that it cannot have.
func (o *object) key(key string) words { return say("the.key.of", "key", key, "of", o.label) }

func (o *object) item(key string) words { return say("the.item", "key", key, "of", o.label) }

func (o *object) wrong(key, value string) words {
	return say("wrong", "key", key, "of", o.label, "value", value)
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// get returns the value of a key, nil when it is not written, and notes its place.
func (o *object) get(key string) *node {
	o.known = append(o.known, key)
	for _, p := range o.n.pairs {
		if p.key != key {
			continue
		}
		o.r.def.pos[join(o.path, key)] = p.at
		if p.value.kind == empty {
			o.r.problem(p.at, say("unset", "key", key, "of", o.label), say("unset.fix"))
			return nil
		}
		return p.value
	}
	return nil
}

// place is where a key is written, or the object itself.
func (o *object) place(key string) Position {
	for _, p := range o.n.pairs {
		if p.key == key {
			return p.at
		}
	}
	return o.n.at
}

// need is get for a key that must be there. A key that is written almost so counts as
// written: close tells how to mend it, and one message is enough.
func (o *object) need(key, example string, with ...any) *node {
	n := o.get(key)
	if n == nil && !slices.ContainsFunc(o.n.pairs, func(p pair) bool { return near(p.key, editDistance(p.key, key)) }) {
		o.r.problem(o.n.at, say("missing", "key", key, "of", o.label), say("need."+example, with...))
	}
	return n
}

// each visits the pairs of a mapping whose keys are names given by the author.
func (o *object) each(visit func(name string, at Position, n *node)) {
	for _, p := range o.n.pairs {
		o.known = append(o.known, p.key)
		o.r.def.pos[join(o.path, p.key)] = p.at
		visit(p.key, p.at, p.value)
	}
}

// close refuses the keys that nobody asked for.
func (o *object) close() {
	for _, p := range o.n.pairs {
		if !slices.Contains(o.known, p.key) {
			o.r.problem(p.at, say("unknown", "key", p.key, "of", o.label), suggest(p.key, o.known))
		}
	}
}

// scalar gives the text of a simple value.
func (r *reader) scalar(n *node, label words) (string, bool) {
	if n == nil {
		return "", false
	}
	if n.kind != scalar {
		r.problem(n.at, say("simple", "of", label, "kind", say("kind."+string(n.kind))), say("simple.fix"))
		return "", false
	}
	text := strings.Join(strings.Fields(n.text), " ")
	if text == "" {
		r.problem(n.at, say("text.empty", "of", label), say("text.empty.fix"))
		return "", false
	}
	return text, true
}

func (o *object) text(key string) string {
	s, _ := o.r.scalar(o.get(key), o.key(key))
	return s
}

// choice reads one word out of a closed set.
func (o *object) choice(key string, words ...string) string {
	s := o.text(key)
	if s != "" && !slices.Contains(words, s) {
		o.r.problem(o.get(key).at, say("choice", "value", s, "key", key, "of", o.label), suggest(s, words))
		return ""
	}
	return s
}

func (o *object) truth(key string) bool { return o.truthOr(key, false) }

func (o *object) truthOr(key string, otherwise bool) bool {
	s := o.text(key)
	switch s {
	case "true":
		return true
	case "false":
		return false
	case "":
	default:
		o.r.problem(o.get(key).at, o.wrong(key, s), say("truth.fix"))
	}
	return otherwise
}

func (o *object) integer(key string, otherwise, least, most int) int {
	s := o.text(key)
	if s == "" {
		return otherwise
	}
	v, err := strconv.Atoi(s)
	if err != nil || v < least || v > most {
		o.r.problem(o.get(key).at, o.wrong(key, s), say("integer.fix", "least", least, "most", most))
		return otherwise
	}
	return v
}

func (o *object) duration(key string, otherwise, least, most time.Duration) time.Duration {
	s := o.text(key)
	if s == "" {
		return otherwise
	}
	v, err := time.ParseDuration(s)
	if err != nil {
		fix := say("duration.fix")
		if _, err := strconv.Atoi(s); err == nil {
			fix = say("duration.unit", "n", s)
		}
		o.r.problem(o.get(key).at, say("duration", "key", key, "of", o.label, "value", s), fix)
		return otherwise
	}
	if v < least || v > most {
		o.r.problem(o.get(key).at, say("bounds", "key", key, "of", o.label, "value", s), say("bounds.fix", "least", least, "most", most))
		return otherwise
	}
	return v
}

// Compact writes a duration as a definition has it, without its zero parts: "2m", not "2m0s".
func Compact(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// ref reads a name that must be defined elsewhere: a prompt, a menu, a queue …
func (o *object) ref(key, kind string) string {
	n := o.get(key)
	s, ok := o.r.scalar(n, o.key(key))
	if ok {
		o.r.refs = append(o.r.refs, reference{kind: kind, name: s, where: o.label, at: n.at})
	}
	return s
}

// list gives the items of a list, and the list of one where a single value stands.
func (o *object) list(key string) []*node {
	n := o.get(key)
	switch {
	case n == nil:
		return nil
	case n.kind == sequence:
		return n.items
	default:
		return []*node{n}
	}
}

// number reads a telephone number.
func (o *object) number(key string) call.Number {
	s := o.text(key)
	if s == "" {
		return call.Withheld
	}
	n, err := call.ParseNumber(s)
	if err == nil && n == call.Withheld {
		err = call.ErrNotANumber
	}
	if err != nil {
		o.r.problem(o.get(key).at, say("number.wrong", "key", key, "of", o.label, "value", s, "why", err), say("number.wrong.fix"))
	}
	return n
}

var (
	nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,47}$`)
	// wordingForm is of the ids of what the line says by itself: "queue.joined", "wait.5-10".
	wordingForm = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)
	langForm    = regexp.MustCompile(`^[a-z]{2,3}(-[A-Z]{2})?$`)
)

// name checks a name that the author gives.
func (r *reader) name(name string, at Position, what words) bool {
	if nameForm.MatchString(name) {
		return true
	}
	r.problem(at, say("name", "name", name, "what", what), say("name.fix"))
	return false
}
