package service

import (
	"regexp"
	"slices"
	"strings"
)

// Point is a place where people are received: a France Services office, a counter, a town hall.
type Point struct {
	ID string
	// Prompt tells where it is and when it is open.
	Prompt string
	// Postcodes are the postcodes, or the beginnings of postcodes, that it serves: "56640", "56".
	Postcodes []string
}

// Nearest is the point for a postcode: the one whose postcodes have the most digits in common with
// it from the first on, all of their own at least; nil when none serves it.
func (d *Definition) Nearest(postcode string) *Point {
	var best *Point
	length := 0
	for _, id := range keysOf(d.Points) {
		for _, p := range d.Points[id].Postcodes {
			if len(p) > length && strings.HasPrefix(postcode, p) {
				best, length = d.Points[id], len(p)
			}
		}
	}
	return best
}

// SendsOnline says that a prompt sends callers to one of the links.
func (d *Definition) SendsOnline(prompt string) bool {
	for _, l := range d.Links {
		if slices.Contains(l.Prompts, prompt) {
			return true
		}
	}
	return false
}

// postcodeForm is a postcode, or its beginning: the département's two digits at least.
var postcodeForm = regexp.MustCompile(`^\d{2,5}$`)

func (r *reader) points(o *object) {
	r.def.Points = map[string]*Point{}
	serves := map[string]string{}
	r.section(o, "points", say("a.point"), func(name string, at Position, n *node) {
		po := r.object(n, "points."+name, say("the.point", "name", name))
		po.need("prompt", "point.prompt")
		po.need("postcodes", "point.postcodes")
		p := &Point{ID: name, Prompt: po.ref("prompt", "prompt")}
		for _, item := range po.list("postcodes") {
			s, ok := r.scalar(item, po.item("postcodes"))
			switch {
			case !ok:
			case !postcodeForm.MatchString(s):
				r.problem(item.at, say("postcode.wrong", "value", s, "of", po.label), say("postcode.wrong.fix"))
			case serves[s] != "":
				r.problem(item.at, say("postcode.twice", "value", s, "point", serves[s]), say("keep"))
			default:
				serves[s] = name
				p.Postcodes = append(p.Postcodes, s)
			}
		}
		po.close()
		r.def.Points[name] = p
	})
}

// offline holds every procedure to a way without the internet.
func (l *linter) offline() {
	for _, id := range keysOf(l.d.Infos) {
		if info := l.d.Infos[id]; info.Link != "" && info.Offline == "" {
			l.add(RuleOffline, 10, Defect, "infos."+id, "offline", "info", id)
		}
	}
}
