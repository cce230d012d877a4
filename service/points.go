package service

import (
	"fmt"
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
	r.section(o, "points", "a reception point", func(name string, at Position, n *node) {
		po := r.object(n, "points."+name, fmt.Sprintf("point %q", name))
		po.need("prompt", "prompt: and the name of a prompt that tells where it is and when it is open")
		po.need("postcodes", "postcodes: and those it serves, such as [56640, 56]")
		p := &Point{ID: name, Prompt: po.ref("prompt", "prompt")}
		for _, item := range po.list("postcodes") {
			s, ok := r.scalar(item, `a postcode in "postcodes" of `+po.label)
			switch {
			case !ok:
			case !postcodeForm.MatchString(s):
				r.problem(item.at, fmt.Sprintf("%q in \"postcodes\" of %s is not a postcode", s, po.label), "write five digits, or the first two to four of them; quote those that begin with 0")
			case serves[s] != "":
				r.problem(item.at, fmt.Sprintf("postcode %s is served by point %q already", s, serves[s]), "keep one of them")
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
			l.add(RuleOffline, 10, Defect, "infos."+id, fmt.Sprintf("information %q sends online and does not tell how it is done by telephone or in person", id),
				`write "offline" with a prompt that tells it`)
		}
	}
}
