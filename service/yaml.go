package service

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

const (
	// MaxFileSize is the largest definition that is read, in bytes. The demonstration
	// has 15 kB.
	MaxFileSize = 1 << 20
	// maxDepth bounds what is nested in what, before the YAML library recurses into it.
	maxDepth = 32
	// maxLine is the longest line, in bytes: five minutes of speech. The YAML library takes
	// a time that grows with the square of a line's length.
	maxLine = 4096
	// maxLines is fifty times the demonstration; the library's time grows with the square of it too.
	maxLines = 10_000
)

// node is a part of the file: a scalar, a mapping or a sequence, with its place.
type node struct {
	kind  nodeKind
	text  string
	at    Position
	pairs []pair  // of a mapping, in the order of the file
	items []*node // of a sequence
}

type nodeKind string

const (
	scalar   nodeKind = "value"
	mapping  nodeKind = "group"
	sequence nodeKind = "list"
	empty    nodeKind = "nothing"
)

type pair struct {
	key   string
	at    Position
	value *node
}

// readTree reads YAML into nodes. The subset is small on purpose: no anchors, aliases,
// merge keys nor tags, so that a file says what it says where it says it, and a small
// file cannot unfold into a large one.
func readTree(file string, data []byte) (root *node, problems Problems) {
	if p := unreadable(data); p != nil {
		p.File = file
		return nil, Problems{*p}
	}
	// The library has panicked on malformed files before; that is a fault of the file here.
	defer func() {
		if r := recover(); r != nil {
			root, problems = nil, Problems{{File: file, What: say("yaml", "why", r).written(), Fix: say("yaml.fix").written()}}
		}
	}()
	parsed, err := parser.ParseBytes(bytes.TrimPrefix(data, []byte("\ufeff")), 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, Problems{syntaxProblem(file, err)}
	}
	t := &treeReader{file: file}
	for i, doc := range parsed.Docs {
		if i > 0 && doc.Body != nil {
			t.problem(place(doc.Body.GetToken()), say("yaml.second"), say("yaml.second.fix"))
			break
		}
		if doc.Body != nil {
			root = t.read(doc.Body)
		}
	}
	if t.refused {
		return nil, t.problems
	}
	return root, t.problems
}

// unreadable finds what must not reach the YAML library.
func unreadable(data []byte) *Problem {
	if len(data) > MaxFileSize {
		return tooLarge(int64(len(data)))
	}
	if at, ok := badByte(data); ok {
		return &Problem{
			Line: at.Line, Column: at.Column,
			What: say("utf8").written(), Fix: say("utf8.fix").written(),
		}
	}
	return tooTangled(data)
}

func tooLarge(size int64) *Problem {
	return &Problem{
		What: say("large", "bytes", size, "most", MaxFileSize).written(),
		Fix:  say("large.fix").written(),
	}
}

func badByte(data []byte) (Position, bool) {
	at := Position{Line: 1, Column: 1}
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		if r == utf8.RuneError && size == 1 || r < ' ' && r != '\n' && r != '\t' && r != '\r' {
			return at, true
		}
		at.Column++
		if r == '\n' {
			at.Line, at.Column = at.Line+1, 1
		}
		data = data[size:]
	}
	return Position{}, false
}

// tooTangled bounds, by lines and characters alone, how deep the parser can recurse
// and how long it can take: brackets open at a time, dashes at the head of a line,
// indentation, length of lines. It may count a bracket inside a text, so its bounds are
// far above what a definition needs.
func tooTangled(data []byte) *Problem {
	open, deepest, line := 0, 0, 0
	for text := range bytes.Lines(data) {
		if line++; line > maxLines {
			return &Problem{Line: line, Column: 1, What: say("lines", "most", maxLines).written(), Fix: say("lines.fix").written()}
		}
		if len(text) > maxLine {
			return &Problem{Line: line, Column: 1, What: say("line", "bytes", len(text)).written(), Fix: say("line.fix").written()}
		}
		head := bytes.TrimLeft(text, " ")
		indent := len(text) - len(head)
		marks := 0
		for len(head) > 1 && (head[0] == '-' || head[0] == '?') && (head[1] == ' ' || head[1] == '\t') {
			marks++
			head = bytes.TrimLeft(head[1:], " \t")
		}
		for _, c := range text {
			switch c {
			case '[', '{':
				open++
			case ']', '}':
				open = max(0, open-1)
			}
			deepest = max(deepest, open)
		}
		if deepest > maxDepth || marks > maxDepth || indent > 8*maxDepth {
			return &Problem{Line: line, Column: 1, What: say("deep").written(), Fix: say("deep.fix").written()}
		}
	}
	return nil
}

func syntaxProblem(file string, err error) Problem {
	p := Problem{File: file, What: say("yaml", "why", err).written(), Fix: say("yaml.fix").written()}
	var syntax *yaml.SyntaxError
	if errors.As(err, &syntax) {
		at := place(syntax.Token)
		p.Line, p.Column, p.What = at.Line, at.Column, say("yaml", "why", syntax.Message).written()
	}
	return p
}

func place(t *token.Token) Position {
	if t == nil || t.Position == nil {
		return Position{}
	}
	return Position{Line: t.Position.Line, Column: t.Position.Column}
}

type treeReader struct {
	file     string
	problems Problems
	// refused is set when parts are left out of the tree: what is checked on it would be
	// wrong then.
	refused bool
}

func (t *treeReader) problem(at Position, what, fix words) {
	t.problems = append(t.problems, Problem{File: t.file, Line: at.Line, Column: at.Column, What: what.written(), Fix: fix.written()})
}

func (t *treeReader) read(n ast.Node) *node {
	at := place(n.GetToken())
	switch n := n.(type) {
	case *ast.NullNode:
		return &node{kind: empty, at: at}
	case *ast.LiteralNode:
		return &node{kind: scalar, at: at, text: n.Value.Value}
	case *ast.SequenceNode:
		out := &node{kind: sequence, at: at}
		for _, item := range n.Values {
			out.items = append(out.items, t.read(item))
		}
		return out
	case ast.MapNode:
		return t.readMapping(n, at)
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		t.refused = true
		t.problem(at, say("anchor"), say("anchor.fix"))
		return &node{kind: empty, at: at}
	case *ast.TagNode:
		t.refused = true
		t.problem(at, say("yamltag"), say("yamltag.fix"))
		return &node{kind: empty, at: at}
	default: // strings, and numbers and dates as they are written
		return &node{kind: scalar, at: at, text: n.GetToken().Value}
	}
}

func (t *treeReader) readMapping(m ast.MapNode, at Position) *node {
	out := &node{kind: mapping, at: at}
	first := map[string]Position{}
	for it := m.MapRange(); it.Next(); {
		key := it.Key()
		keyAt := place(key.GetToken())
		if len(out.pairs) == 0 {
			out.at = keyAt
		}
		switch key.(type) {
		case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode:
		default:
			t.refused = true
			t.problem(keyAt, say("plain"), say("plain.fix"))
			continue
		}
		name := strings.TrimSpace(key.GetToken().Value)
		if before, twice := first[name]; twice {
			t.problem(keyAt, say("key.twice", "key", name, "line", before.Line), say("keep"))
			continue
		}
		first[name] = keyAt
		out.pairs = append(out.pairs, pair{key: name, at: keyAt, value: t.read(it.Value())})
	}
	return out
}
