package service

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

func keysOf[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// resolve checks that every name that is used is defined, and that menus do not lead
// into each other without end.
func (r *reader) resolve() {
	defined := map[string][]string{
		"prompt": keysOf(r.def.Prompts), "menu": keysOf(r.def.Menus), "info": keysOf(r.def.Infos),
		"queue": keysOf(r.def.Queues), "reason": keysOf(r.def.Reasons), "skill": keysOf(r.def.Skills), "link": keysOf(r.def.Links),
	}
	for _, ref := range r.refs {
		known := defined[ref.kind]
		if slices.Contains(known, ref.name) {
			continue
		}
		fix := say("define", "section", ref.kind+"s")
		if len(known) > 0 {
			fix = say("or", "a", suggest(ref.name, known), "b", fix)
		}
		r.problem(ref.at, say("undefined", "kind", say("ref."+ref.kind), "name", ref.name, "where", ref.where), fix)
	}
	r.cycles()
}

// cycles reports each ring of menus once, at the choice that closes it.
func (r *reader) cycles() {
	const (
		open = 1
		done = 2
	)
	state := map[string]int{}
	var trail []string
	var visit func(id string)
	visit = func(id string) {
		m := r.def.Menus[id]
		if m == nil || state[id] == done {
			return
		}
		state[id] = open
		trail = append(trail, id)
		for _, key := range keysOf(m.Choices) {
			next := m.Choices[key].Menu
			if next != "" && state[next] == open {
				ring := append(slices.Clone(trail[slices.Index(trail, next):]), next)
				at := r.def.Position(fmt.Sprintf("menus.%s.choices.%c", id, key))
				r.problem(at, say("circle", "ring", strings.Join(ring, " → ")), say("circle.fix"))
				continue
			}
			visit(next)
		}
		trail = trail[:len(trail)-1]
		state[id] = done
	}
	for _, id := range append([]string{r.def.Entry.Menu}, keysOf(r.def.Menus)...) {
		visit(id)
	}
}
