package service

import (
	"fmt"

	"decroche/call"
)

// Interpreter speaks a language with a caller, and French with the agent who asks for them.
type Interpreter struct {
	Number call.Number
	// Trunk, if set, is the deployment's trunk to them.
	Trunk string
	Label Text
	// PerMinute is what a minute costs, in euros; what is begun is paid by the second.
	PerMinute float64
}

func (r *reader) interpreters(o *object) {
	n := o.get("interpreters")
	if n == nil {
		return
	}
	io := r.object(n, "interpreters", `"interpreters"`)
	r.def.Interpreters = map[string]*Interpreter{}
	io.each(func(lang string, at Position, item *node) {
		if !r.name(lang, at, "an interpreter") {
			return
		}
		path := "interpreters." + lang
		one := r.object(item, path, fmt.Sprintf("interpreter %q", lang))
		i := &Interpreter{Number: one.number("number"), Trunk: one.text("trunk"), PerMinute: one.euros("per_minute", 100)}
		if i.Number == call.Withheld {
			r.problem(at, fmt.Sprintf("interpreter %q has no number", lang), `write "number:" and whom to call`)
		}
		if l := one.get("label"); l != nil {
			i.Label = r.label(l, path+".label", fmt.Sprintf("the label of interpreter %q", lang))
		}
		one.close()
		r.def.Interpreters[lang] = i
	})
}
