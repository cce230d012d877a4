package service

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"decroche/text"
)

// Each row is one edit of the demonstration, and what its author reads in French.
func TestMistakesAreToldInFrench(t *testing.T) {
	source, err := os.ReadFile("../demo/prefecture.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ before, after, what, fix string }{
		{"    prompt: menu-principal", "    promt: menu-principal", "clé inconnue : « promt » (menu « principal »)", "écrivez « prompt »"},
		{"holidays: metropole", "holidays: martinik", "« martinik » n'est pas une valeur de « holidays » (la définition)", "écrivez « martinique »"},
		{"number: 01 99 00 39 42", "number: 01 99 00 39 4", "« number » vaut « 01 99 00 39 4 », qui n'est pas un numéro de téléphone (numéro n° 4)", "écrivez-le comme on le compose en France, par exemple 01 99 00 39 39, ou avec + et le pays"},
		{"  fri: 08:30-12:30, 13:30-16:30", "  fri: 08:30-12:30, 12:00-16:30", "les plages 08:30-12:30 et 12:00-16:30 se chevauchent (« fri »)", "terminez la première avant le début de la seconde"},
		{"    queue: accueil\n    choices", "    queue: acueil\n    choices", "la file « acueil » n'existe pas (menu « principal »)", "écrivez « accueil », ou écrivez-le dans « queues »"},
		{"      9: repeat", "      9: repete", "« repete » n'est pas possible (touche 9 (menu « conduite »))", "écrivez « repeat », ou bien {menu: …}, {info: …} ou {queue: …}"},
		{"    en: Call, general reception.\n", "", "texte « annonce-accueil » : pas de texte en « en »", "ajoutez « en: » en dessous"},
		{"    default_aht: 6m", "    default_aht: 6\u202em", "« default_aht » vaut « 6\\u202em », qui n'est pas une durée (file « etrangers »)", "écrivez un nombre et son unité, par exemple « 30 s » ou « 2 min »"},
	} {
		_, err := Parse("prefecture.yaml", []byte(strings.Replace(string(source), c.before, c.after, 1)))
		var problems Problems
		if !errors.As(err, &problems) {
			t.Errorf("%q was accepted: %v", c.after, err)
			continue
		}
		if p := problems[0]; p.What.In("fr") != c.what || p.Fix.In("fr") != c.fix {
			t.Errorf("got  %s; %s\nwant %s; %s", p.What.FR, p.Fix.FR, c.what, c.fix)
		}
	}
	d := demo(t)
	d.Closed.Hours = ""
	found := Lint(d, nil)
	if len(found) != 1 || found[0].What.FR != "les appelants n'apprennent pas quand rappeler quand la ligne est fermée" {
		t.Errorf("%+v", found)
	}
}

// said is a sentence that the source asks for: an id, or the beginning of one, and the names of what fills it in.
type said struct {
	id      string
	prefix  bool
	filled  []string
	unknown bool // more than the names that are written may fill it in
	at      string
}

// Every sentence that is asked for is in the catalogue and filled in whole; and every one there is asked for.
func TestEverySentenceIsInTheCatalogueAndFilledIn(t *testing.T) {
	var ids []string
	for _, id := range text.IDs("fr") {
		if id, is := strings.CutPrefix(id, "definition."); is {
			ids = append(ids, id)
		}
	}
	asked := map[string]bool{}
	for _, s := range sentencesOf(t) {
		fits := func(id string) bool { return id == s.id || s.prefix && strings.HasPrefix(id, s.id) }
		if !slices.ContainsFunc(ids, fits) {
			t.Errorf("%s: %q is not in the catalogue", s.at, s.id)
		}
		for _, id := range ids {
			if !fits(id) {
				continue
			}
			asked[id] = true
			fr, en := holes(text.Get("fr", "definition."+id)), holes(text.Get("en", "definition."+id))
			for _, hole := range slices.Concat(fr, en) {
				if !s.unknown && !slices.Contains(s.filled, hole) {
					t.Errorf("%s: nothing fills {%s} of %q in", s.at, hole, id)
				}
			}
			for _, hole := range fr {
				if !slices.Contains(en, hole) {
					t.Errorf("%q: {%s} is in French alone", id, hole)
				}
			}
		}
	}
	for _, id := range ids {
		if !asked[id] {
			t.Errorf("%q is never said", id)
		}
	}
}

var hole = regexp.MustCompile(`\{([a-z]+)\}`)

func holes(s string) (names []string) {
	for _, m := range hole.FindAllStringSubmatch(s, -1) {
		names = append(names, m[1])
	}
	return names
}

// sentencesOf reads, in the source, the calls that name sentences.
func sentencesOf(t *testing.T) (all []said) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	for _, name := range append(files, "../cmd/decroche/callbacks.go", "../cmd/decroche/wording.go") {
		if strings.HasSuffix(name, "_test.go") || name == "sentence.go" {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			at := fset.Position(call.Pos()).String()
			switch fn := called(call); {
			case (fn == "say" || fn == "Say") && !call.Ellipsis.IsValid():
				all = append(all, sentence("", call.Args, at))
			case fn == "need":
				all = append(all, sentence("need.", call.Args[1:], at))
			case fn == "add" && len(call.Args) >= 5: // of a finding
				s := sentence("lint.", call.Args[4:], at)
				s.unknown = call.Ellipsis.IsValid()
				all = append(all, s)
				if !s.prefix {
					s.id += ".fix"
					all = append(all, s)
				}
			}
			return true
		})
	}
	for _, id := range []string{"the.key", "the.label"} { // sentence.go's own
		all = append(all, said{id: id, unknown: true, at: "sentence.go"})
	}
	return all
}

func called(c *ast.CallExpr) string {
	switch fn := c.Fun.(type) {
	case *ast.Ident:
		return fn.Name
	case *ast.SelectorExpr:
		return fn.Sel.Name
	}
	return ""
}

// sentence reads an id, "…" or "…" + something, and the names behind it.
func sentence(part string, args []ast.Expr, at string) said {
	s := said{at: at}
	if sum, ok := args[0].(*ast.BinaryExpr); ok {
		s.id, s.prefix = literal(sum.X), true
	} else {
		s.id = literal(args[0])
	}
	if s.id == "" {
		part = "not written as a text: "
	}
	s.id = part + s.id
	for i := 1; i < len(args); i += 2 {
		s.filled = append(s.filled, literal(args[i]))
	}
	return s
}

func literal(e ast.Expr) string {
	lit, ok := e.(*ast.BasicLit)
	if !ok {
		return ""
	}
	s, _ := strconv.Unquote(lit.Value)
	return s
}
