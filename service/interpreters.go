package service

import (
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
	io := r.object(n, "interpreters", theKey("interpreters"))
	r.def.Interpreters = map[string]*Interpreter{}
	io.each(func(lang string, at Position, item *node) {
		if !r.name(lang, at, say("a.interpreter")) {
			return
		}
		path := "interpreters." + lang
		one := r.object(item, path, say("the.interpreter", "lang", lang))
		i := &Interpreter{Number: one.number("number"), Trunk: one.text("trunk"), PerMinute: one.euros("per_minute", 100)}
		if i.Number == call.Withheld {
			r.problem(at, say("interpreter.number", "lang", lang), say("interpreter.number.fix"))
		}
		if l := one.get("label"); l != nil {
			i.Label = r.label(l, path+".label", labelOf(one.label))
		}
		one.close()
		r.def.Interpreters[lang] = i
	})
}
