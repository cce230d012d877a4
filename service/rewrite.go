package service

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"decroche/call"
)

// Edit is a part of a definition's file that is written anew.
type Edit struct {
	// Path names the part, as Position does: "prompts.accueil", "closures", "callback.share",
	// "wording.queue.joined".
	Path string
	// Value is its YAML; "" takes the part out.
	Value string
}

// ErrByHand is of a file that is written in a way that Rewrite cannot keep.
var ErrByHand = errors.New("this part of the file is written in a way that can only be changed by hand")

// Parts are the parts of a file, read once.
type Parts struct{ root *node }

// ReadParts reads a file for its parts; what it says as a definition is not looked at.
func ReadParts(data []byte) (Parts, error) {
	root, problems := readTree("", data)
	if root == nil {
		return Parts{}, problems
	}
	return Parts{root}, nil
}

// Part gives the YAML of a part, in the form that Rewrite would write it and without comments; "" when
// it is not written.
func (p Parts) Part(path string) string {
	if n := p.root.part(splitPath(path)); n != nil {
		return render(n)
	}
	return ""
}

// Part gives the YAML of one part of a file. See Parts.
func Part(data []byte, path string) (string, error) {
	parts, err := ReadParts(data)
	if err != nil {
		return "", err
	}
	return parts.Part(path), nil
}

// Canonical writes YAML as Part gives it, so that two ways to write the same are the same text.
func Canonical(value string) (string, error) {
	if value == "" {
		return "", nil
	}
	n, err := readValue(value)
	if err != nil {
		return "", err
	}
	return render(n), nil
}

// YAML writes a text as a definition has it, in these languages.
func (t Text) YAML(langs []call.Lang) string { return render(t.node(langs)) }

func (t Text) node(langs []call.Lang) *node {
	n := group()
	for _, l := range langs {
		p, ok := t[l]
		if !ok {
			continue
		}
		v := &node{kind: scalar, text: p.Say}
		if p.Recording != "" {
			v = group("say", p.Say, "recording", p.Recording)
		}
		n.pairs = append(n.pairs, pair{key: string(l), value: v})
	}
	return n
}

// ParseText reads a text as YAML writes it. Whether it has all languages is not looked at.
func ParseText(value string) (Text, error) {
	if value == "" {
		return nil, nil
	}
	n, err := readValue(value)
	if err != nil {
		return nil, err
	}
	t := Text{}
	for _, p := range n.pairs {
		phrase := Phrase{Say: strings.Join(strings.Fields(p.value.text), " ")}
		if say := p.value.child("say"); say != nil {
			phrase.Say = strings.Join(strings.Fields(say.text), " ")
		}
		if recording := p.value.child("recording"); recording != nil {
			phrase.Recording = recording.text
		}
		t[call.Lang(p.key)] = phrase
	}
	return t, nil
}

// Scalar writes a simple value.
func Scalar(text string) string { return renderScalar(text) }

// Fields writes a group of keys and their simple values, in this order: key, value, …; those without a
// value are left out.
func Fields(pairs ...string) string {
	all := make([]any, len(pairs))
	for i, p := range pairs {
		all[i] = p
	}
	return render(group(all...))
}

// group is a mapping: a key and its value in turn, which is a text or a node. What is empty is left out.
func group(pairs ...any) *node {
	n := &node{kind: mapping}
	for i := 0; i+1 < len(pairs); i += 2 {
		v, is := pairs[i+1].(*node)
		if !is {
			v = &node{kind: scalar, text: pairs[i+1].(string)}
		}
		if v.text != "" || len(v.pairs)+len(v.items) > 0 {
			n.pairs = append(n.pairs, pair{key: pairs[i].(string), value: v})
		}
	}
	return n
}

func list(items []*node) *node { return &node{kind: sequence, items: items} }

// written is a duration as a definition has it, and counted a number; "" for none.
func written(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return Compact(d)
}

func counted(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// partReader reads the YAML of a part by itself, in the languages of the definition and with its prompts.
func (d *Definition) partReader(value string) (*reader, *node, error) {
	n, err := readValue(value)
	if err != nil {
		return nil, nil, err
	}
	return &reader{def: &Definition{Languages: d.Languages, Prompts: d.Prompts, pos: map[string]Position{}}}, n, nil
}

// Items writes a list of parts; "" for none.
func Items(parts []string) string {
	n := &node{kind: sequence}
	for _, p := range parts {
		if item, err := readValue(p); err == nil {
			n.items = append(n.items, item)
		}
	}
	if len(n.items) == 0 {
		return ""
	}
	return render(n)
}

// Rewrite makes edits in the text of a definition, one after the other. What they do not name stays
// as it is written, comments and all; this is checked, and ErrByHand is returned where it cannot be
// had. It does not look at what the definition says: Parse does.
func Rewrite(data []byte, edits ...Edit) ([]byte, error) {
	for _, e := range edits {
		var err error
		if data, err = rewrite(data, e); err != nil {
			return nil, fmt.Errorf("change %s: %w", e.Path, err)
		}
	}
	return data, nil
}

func rewrite(data []byte, e Edit) ([]byte, error) {
	root, problems := readTree("", data)
	if root == nil {
		return nil, problems
	}
	path := splitPath(e.Path)
	var value *node
	if e.Value != "" {
		var err error
		if value, err = readValue(e.Value); err != nil {
			return nil, err
		}
	}
	if value == nil && root.part(path) == nil {
		return data, nil
	}
	want := root.with(path, value)
	out := splice(data, root, path, value)
	got, problems := readTree("", out)
	if got == nil && problems != nil || !same(got, want) {
		return nil, ErrByHand
	}
	return out, nil
}

// splice writes a value in place of the lines of the one before.
func splice(data []byte, root *node, path []string, value *node) []byte {
	parent := root
	for i, key := range path[:len(path)-1] {
		child := parent.child(key)
		if child == nil || child.kind != mapping || !child.isBlock(data) {
			// The nearest part that is written in lines of its own is written anew.
			anew := (&node{kind: mapping}).or(child).with(path[i+1:], value)
			if len(anew.pairs) == 0 {
				anew = nil
			}
			return splice(data, root, path[:i+1], anew)
		}
		parent = child
	}
	key := path[len(path)-1]
	if value == nil && len(parent.pairs) == 1 && parent.child(key) != nil && len(path) > 1 {
		return splice(data, root, path[:len(path)-1], nil)
	}
	lines := slices.Collect(strings.Lines(string(data)))
	indent := 0
	if len(parent.pairs) > 0 {
		indent = parent.pairs[0].at.Column - 1
	}
	from, to := len(lines), len(lines) // after the last, for a key that is new
	for _, p := range parent.pairs {
		a := p.at.Line - 1
		b := entryEnd(lines, a, indent)
		if from, to = b, b; p.key == key {
			from = a
			break
		}
	}
	var entry []string
	if value != nil {
		if from > 0 && !strings.HasSuffix(lines[from-1], "\n") {
			lines[from-1] += "\n"
		}
		for line := range strings.Lines(renderPair(key, value)) {
			entry = append(entry, strings.Repeat(" ", indent)+line)
		}
	}
	return []byte(strings.Join(slices.Replace(lines, from, to, entry...), ""))
}

// entryEnd is the line after the last of the entry that begins on a line: what is indented deeper, and
// a list at the same depth. Comments and empty lines before what follows belong to that.
func entryEnd(lines []string, begin, indent int) int {
	end := begin + 1
	for i := begin + 1; i < len(lines); i++ {
		text := strings.TrimRight(lines[i], "\r\n \t")
		head := strings.TrimLeft(text, " ")
		depth := len(text) - len(head)
		switch {
		case head == "":
		case depth > indent, depth == indent && (head == "-" || strings.HasPrefix(head, "- ")):
			end = i + 1
		case strings.HasPrefix(head, "#"):
		default:
			return end
		}
	}
	return end
}

func (n *node) child(key string) *node {
	if n == nil || n.kind != mapping {
		return nil
	}
	for _, p := range n.pairs {
		if p.key == key {
			return p.value
		}
	}
	return nil
}

func (n *node) part(path []string) *node {
	for _, key := range path {
		n = n.child(key)
	}
	return n
}

// or is another node where that is a mapping.
func (n *node) or(other *node) *node {
	if other != nil && other.kind == mapping {
		return other
	}
	return n
}

// with is a copy of a mapping with a part set, or taken out if value is nil. A mapping that loses its
// last part goes with it.
func (n *node) with(path []string, value *node) *node {
	out := *n
	out.pairs = slices.Clone(n.pairs)
	key, rest := path[0], path[1:]
	if len(rest) > 0 {
		child := (&node{kind: mapping}).or(n.child(key)).with(rest, value)
		if value = child; len(child.pairs) == 0 {
			value = nil
		}
	}
	i := slices.IndexFunc(out.pairs, func(p pair) bool { return p.key == key })
	switch {
	case i < 0 && value != nil:
		out.pairs = append(out.pairs, pair{key: key, value: value})
	case i >= 0 && value == nil:
		out.pairs = slices.Delete(out.pairs, i, i+1)
	case i >= 0:
		out.pairs[i].value = value
	}
	return &out
}

// isBlock says that every key of the mapping begins a line, all at the same depth.
func (n *node) isBlock(data []byte) bool {
	lines := strings.Split(string(data), "\n")
	seen := map[int]bool{}
	for _, p := range n.pairs {
		line, column := p.at.Line-1, p.at.Column-1
		if line < 0 || line >= len(lines) || seen[line] || p.at.Column != n.pairs[0].at.Column || column > len(lines[line]) || strings.TrimLeft(lines[line][:column], " ") != "" {
			return false
		}
		seen[line] = true
	}
	return len(n.pairs) > 0
}

// same compares what two nodes say, wherever it is written.
func same(a, b *node) bool {
	if a == nil || b == nil || a.kind != b.kind || len(a.pairs) != len(b.pairs) || len(a.items) != len(b.items) {
		return a == b
	}
	if a.kind == scalar && strings.Join(strings.Fields(a.text), " ") != strings.Join(strings.Fields(b.text), " ") {
		return false
	}
	for i := range a.pairs {
		if a.pairs[i].key != b.pairs[i].key || !same(a.pairs[i].value, b.pairs[i].value) {
			return false
		}
	}
	for i := range a.items {
		if !same(a.items[i], b.items[i]) {
			return false
		}
	}
	return true
}

// readValue reads the YAML of a part.
func readValue(value string) (*node, error) {
	// A scalar alone is a document of its own, too.
	root, problems := readTree("", []byte(value))
	switch {
	case len(problems) > 0:
		return nil, problems
	case root == nil || root.kind == empty:
		return nil, errors.New("the value is empty")
	}
	return root, nil
}

// render writes a node, each line with its end but the last.
func render(n *node) string { return strings.TrimSuffix(renderValue(n), "\n") }

func renderValue(n *node) string {
	var b strings.Builder
	switch {
	case n.kind == mapping && len(n.pairs) == 0:
		return "{}\n"
	case n.kind == sequence && len(n.items) == 0:
		return "[]\n"
	case n.kind == mapping:
		for _, p := range n.pairs {
			b.WriteString(renderPair(p.key, p.value))
		}
	case n.kind == sequence:
		for _, item := range n.items {
			lead := "- "
			for line := range strings.Lines(renderValue(item)) {
				b.WriteString(lead + line)
				lead = "  "
			}
		}
	case n.kind == empty:
		return "null\n"
	default:
		return renderScalar(n.text) + "\n"
	}
	return b.String()
}

// longText is how many characters of a text are written on one line.
const longText = 90

func renderPair(key string, v *node) string {
	head := renderScalar(key) + ":"
	switch {
	case v.kind == scalar && len([]rune(v.text)) > longText:
		var b strings.Builder
		b.WriteString(head + " >-\n")
		line := ""
		for word := range strings.FieldsSeq(v.text) {
			if line != "" && len([]rune(line))+len([]rune(word)) >= longText {
				b.WriteString("  " + line + "\n")
				line = ""
			}
			line = strings.TrimPrefix(line+" "+word, " ")
		}
		return b.String() + "  " + line + "\n"
	case v.kind == scalar || v.kind == empty || len(v.pairs)+len(v.items) == 0:
		return head + " " + renderValue(v)
	}
	var b strings.Builder
	b.WriteString(head + "\n")
	for line := range strings.Lines(renderValue(v)) {
		b.WriteString("  " + line)
	}
	return b.String()
}

// unquoted are texts that need no quotes; what looks like nothing does.
var unquoted = regexp.MustCompile(`^[\p{L}0-9][\p{L}0-9 _./+%'’,()-]*(:[\p{L}0-9 _./+%'’,()-]+)*$`)

func renderScalar(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if unquoted.MatchString(text) && !strings.Contains(text, ": ") && !slices.Contains([]string{"null", "true", "false", "yes", "no", "on", "off"}, strings.ToLower(text)) {
		return text
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(text) // a string
	return strings.TrimSuffix(b.String(), "\n")
}
