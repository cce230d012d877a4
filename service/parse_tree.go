package service

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"decroche/call"
)

// label reads a text for people who read or are told it: one string for all languages,
// or one per language.
func (r *reader) label(n *node, path string, what words) Text {
	if n.kind == scalar {
		s, ok := r.scalar(n, what)
		if !ok {
			return nil
		}
		t := Text{}
		for _, l := range r.def.Languages {
			t[l] = Phrase{Say: s}
		}
		return t
	}
	return r.perLanguage(n, n.at, path, what)
}

// perLanguage reads a text in each language of the service.
func (r *reader) perLanguage(n *node, at Position, path string, what words) Text {
	t := r.someLanguages(n, at, path, what)
	for _, l := range r.def.Languages {
		if _, ok := t[l]; !ok && t != nil {
			r.problem(at, say("text.missing", "of", what, "lang", l), say("text.missing.fix", "lang", l))
		}
	}
	return t
}

// someLanguages reads a text in languages of the service, nil when it is not written by language.
func (r *reader) someLanguages(n *node, at Position, path string, what words) Text {
	if n.kind == scalar {
		r.problem(n.at, say("text.language", "of", what), say("text.language.fix", "lang", r.def.Languages[0]))
		return nil
	}
	t := Text{}
	if n.kind == empty {
		n = &node{kind: mapping, at: at}
	}
	o := r.object(n, path, what)
	o.each(func(key string, at Position, v *node) {
		if l, ok := r.language(key, at, what); ok {
			t[l] = r.phrase(v, at, join(path, key), say("the.text", "of", what, "lang", key))
		}
	})
	return t
}

func (r *reader) phrase(n *node, at Position, path string, what words) Phrase {
	switch n.kind {
	case scalar:
		s, _ := r.scalar(n, what)
		return Phrase{Say: s}
	case mapping:
		o := r.object(n, path, what)
		p := Phrase{Say: o.text("say"), Recording: o.text("recording")}
		o.close()
		if p.Recording != "" {
			r.recording(p.Recording, o.get("recording").at, what)
		} else if p.Say == "" {
			r.problem(at, say("text.nothing", "of", what), say("text.nothing.either"))
		}
		return p
	default:
		r.problem(at, say("text.nothing", "of", what), say("text.nothing.fix"))
		return Phrase{}
	}
}

// recording checks that a file is there, below the definition's folder.
func (r *reader) recording(name string, at Position, what words) {
	if !filepath.IsLocal(filepath.FromSlash(name)) {
		r.problem(at, say("recording.outside", "of", what, "file", name), say("recording.outside.fix"))
		return
	}
	info, err := os.Stat(filepath.Join(r.dir, filepath.FromSlash(name)))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.problem(at, say("recording.none", "of", what, "file", name), say("recording.none.fix"))
	case err != nil:
		r.problem(at, say("recording.unread", "of", what, "file", name, "why", err), say("recording.unread.fix"))
	case !info.Mode().IsRegular() || info.Size() == 0:
		r.problem(at, say("recording.empty", "of", what, "file", name), say("recording.empty.fix"))
	}
}

// section visits the named parts of a section: menus, queues …
func (r *reader) section(o *object, name string, what words, visit func(name string, at Position, n *node)) {
	n := o.get(name)
	if n == nil {
		return
	}
	so := r.object(n, name, theKey(name))
	so.each(func(name string, at Position, v *node) {
		if r.name(name, at, what) {
			visit(name, at, v)
		}
	})
}

func (r *reader) prompts(o *object) {
	r.def.Prompts = map[string]Text{}
	r.section(o, "prompts", say("a.prompt"), func(name string, at Position, n *node) {
		r.def.Prompts[name] = r.perLanguage(n, at, "prompts."+name, say("the.prompt", "name", name))
	})
}

// wording reads the service's own words for what the line says by itself. Which prompts the line has is
// not known here: whoever serves the definition looks at that.
func (r *reader) wording(o *object) {
	r.def.Wording = map[string]Text{}
	wo := r.object(o.get("wording"), "wording", theKey("wording"))
	wo.each(func(id string, at Position, n *node) {
		what := say("the.wording", "about", id)
		t := r.someLanguages(n, at, join(wo.path, id), what)
		switch _, prompt := r.def.Prompts[id]; {
		case !wordingForm.MatchString(id):
			r.problem(at, say("wording.name", "name", id), say("wording.name.fix"))
		case prompt:
			r.problem(at, say("wording.prompt", "name", id), say("keep"))
		case t != nil && len(t) == 0:
			r.problem(at, say("text.nothing", "of", what), say("text.language.fix", "lang", r.def.Languages[0]))
		default:
			r.def.Wording[id] = t
		}
	})
}

func (r *reader) skills(o *object) {
	r.def.Skills = map[string]Text{}
	r.section(o, "skills", say("a.skill"), func(name string, at Position, n *node) {
		r.def.Skills[name] = r.label(n, "skills."+name, say("the.skill", "name", name))
	})
}

func (r *reader) reasons(o *object) {
	r.def.Reasons = map[string]*Reason{}
	r.section(o, "reasons", say("a.reason"), func(name string, at Position, n *node) {
		what := say("the.reason", "name", name)
		if n.kind == scalar { // a label and nothing more
			r.def.Reasons[name] = &Reason{ID: name, Label: r.label(n, "reasons."+name, what)}
			return
		}
		ro := r.object(n, "reasons."+name, what)
		reason := &Reason{ID: name, Simple: ro.truth("simple"), Directorate: ro.text("directorate"), Retired: ro.truth("retired")}
		if l := ro.need("label", "reason.label"); l != nil {
			reason.Label = r.label(l, ro.path+".label", labelOf(what))
		}
		ro.close()
		r.def.Reasons[name] = reason
	})
}

func (r *reader) queues(o *object) {
	r.def.Queues = map[string]*Queue{}
	o.need("queues", "queues")
	r.section(o, "queues", say("a.queue"), func(name string, at Position, n *node) {
		if n.kind == empty { // a queue that is all defaults
			n = &node{kind: mapping, at: at}
		}
		qo := r.object(n, "queues."+name, say("the.queue", "name", name))
		q := &Queue{
			ID: name, Priority: qo.integer("priority", 0, -100, 100), MaxWaiting: qo.integer("max_waiting", 0, 0, 100_000),
			RingTimeout: qo.duration("ring", DefaultRing, 5*time.Second, 2*time.Minute),
			WrapUp:      qo.duration("wrap_up", DefaultWrapUp, 0, time.Hour),
			Announce:    qo.duration("announce", DefaultAnnounce, 0, 10*time.Minute),
			Whisper:     qo.ref("whisper", "prompt"),
			DefaultAHT:  qo.duration("default_aht", DefaultAHT, 10*time.Second, 4*time.Hour),
			Needs:       map[string]int{},
		}
		if l := qo.get("label"); l != nil {
			q.Label = r.label(l, qo.path+".label", labelOf(qo.label))
		} else {
			q.Label = r.label(&node{kind: scalar, text: name, at: at}, qo.path, qo.label)
		}
		no := r.object(qo.get("needs"), qo.path+".needs", qo.key("needs"))
		no.each(func(skill string, at Position, _ *node) {
			r.refs = append(r.refs, reference{kind: "skill", name: skill, where: no.label, at: at})
			q.Needs[skill] = no.integer(skill, 1, 1, 5)
		})
		q.InTime = r.inTime(qo)
		q.Overflow = r.overflow(qo, name)
		r.noGoal(qo)
		qo.close()
		r.def.Queues[name] = q
	})
}

func (r *reader) overflow(qo *object, queue string) (rules []Overflow) {
	for i, item := range qo.list("overflow") {
		path := fmt.Sprintf("%s.overflow[%d]", qo.path, i)
		r.def.pos[path] = item.at
		oo := r.object(item, path, say("the.overflow", "n", i+1, "of", qo.label))
		oo.need("to", "overflow.to")
		rule := Overflow{To: oo.ref("to", "queue"), After: oo.duration("after", 0, 0, 4*time.Hour), LongerThan: oo.integer("longer_than", 0, 0, 100_000)}
		oo.close()
		if rule.To == queue {
			r.problem(oo.place("to"), say("overflow.itself", "queue", queue), say("overflow.itself.fix"))
		}
		if rule.After == 0 && rule.LongerThan == 0 {
			r.problem(oo.n.at, say("overflow.never", "of", oo.label), say("overflow.never.fix"))
		}
		rules = append(rules, rule)
	}
	return rules
}

func (r *reader) infos(o *object) {
	r.def.Infos = map[string]*Info{}
	r.section(o, "infos", say("a.info"), func(name string, at Position, n *node) {
		io := r.object(n, "infos."+name, say("the.info", "name", name))
		io.need("prompt", "prompt")
		io.need("queue", "info.queue")
		r.def.Infos[name] = &Info{ID: name, Prompt: io.ref("prompt", "prompt"), Queue: io.ref("queue", "queue"), Reason: io.ref("reason", "reason"), Link: io.ref("link", "link"), Offline: io.ref("offline", "prompt")}
		io.close()
	})
}

func (r *reader) menus(o *object) {
	r.def.Menus = map[string]*Menu{}
	o.need("menus", "menus")
	r.section(o, "menus", say("a.menu"), func(name string, at Position, n *node) {
		mo := r.object(n, "menus."+name, say("the.menu", "name", name))
		mo.need("prompt", "menu.prompt")
		mo.need("queue", "menu.queue")
		m := &Menu{
			ID: name, Prompt: mo.ref("prompt", "prompt"), Queue: mo.ref("queue", "queue"), Choices: map[call.Digit]Choice{},
			Timeout: mo.duration("timeout", DefaultMenuTimeout, time.Second, time.Minute),
		}
		mo.need("choices", "menu.choices")
		co := r.object(mo.get("choices"), mo.path+".choices", say("the.choices", "of", mo.label))
		co.each(func(key string, at Position, v *node) {
			if digit, ok := r.digit(key, at); ok {
				m.Choices[digit] = r.oneChoice(digit, v, at, join(co.path, key), say("the.choice", "key", key, "of", mo.label))
			}
		})
		mo.close()
		r.def.Menus[name] = m
	})
}

func (r *reader) digit(key string, at Position) (call.Digit, bool) {
	switch {
	case len(key) == 1 && strings.Contains("0123456789", key):
		return call.Digit(key[0]), true
	case key == "*":
		r.problem(at, say("digit.star"), say("digit.fix"))
	case key == "#":
		r.problem(at, say("digit.hash"), say("digit.fix"))
	default:
		r.problem(at, say("digit", "key", key), say("digit.fix"))
	}
	return 0, false
}

// oneChoice reads what a key does: "person", "repeat", "access", or a group of keys.
func (r *reader) oneChoice(key call.Digit, n *node, at Position, path string, label words) Choice {
	c := Choice{Key: key}
	if n.kind == scalar {
		switch n.text {
		case "person":
			c.Person = true
		case "repeat":
			c.Repeat = true
		case "access":
			c.Access = true
		default:
			r.problem(n.at, say("does.unknown", "value", n.text, "of", label), say("does.unknown.fix", "suggest", suggest(n.text, []string{"person", "repeat", "access"})))
		}
		return c
	}
	if n.kind == empty {
		r.problem(at, say("nothing", "of", label), say("does.nothing.fix"))
		return c
	}
	o := r.object(n, path, label)
	c.Menu, c.Info, c.Queue = o.ref("menu", "menu"), o.ref("info", "info"), o.ref("queue", "queue")
	c.Person, c.Repeat, c.Access = o.truth("person"), o.truth("repeat"), o.truth("access")
	c.Reason = o.ref("reason", "reason")
	o.close()
	does := 0
	for _, set := range []bool{c.Menu != "", c.Info != "", c.Queue != "", c.Person, c.Repeat, c.Access} {
		if set {
			does++
		}
	}
	if does != 1 {
		r.problem(at, say("does.many", "of", label, "n", does), say("does.many.fix"))
	}
	return c
}

func (r *reader) entry(o *object) {
	n := o.need("entry", "entry")
	if n == nil {
		return
	}
	eo := r.object(n, "entry", theKey("entry"))
	eo.need("welcome", "entry.welcome")
	eo.need("menu", "entry.menu")
	e := Entry{
		Welcome: eo.ref("welcome", "prompt"), LanguagePrompt: eo.ref("language_prompt", "prompt"),
		Menu: eo.ref("menu", "menu"), LanguageKeys: map[call.Digit]call.Lang{},
	}
	lo := r.object(eo.get("language_keys"), "entry.language_keys", theKey("language_keys"))
	lo.each(func(key string, at Position, v *node) {
		digit, ok := r.digit(key, at)
		if s, okText := r.scalar(v, say("the.digit", "key", digit)); ok && okText {
			if l, known := r.language(s, v.at, lo.label); known {
				e.LanguageKeys[digit] = l
			}
		}
	})
	r.languageChoice(eo, e)
	ids := map[string]bool{}
	for i, item := range eo.list("messages") {
		e.Messages = append(e.Messages, r.message(item, i, ids))
	}
	eo.close()
	r.def.Entry = e
}

// languageChoice checks that every language can be reached where there are several.
func (r *reader) languageChoice(eo *object, e Entry) {
	asked := slices.ContainsFunc(r.def.Numbers, func(n Number) bool { return n.Language == "" })
	if len(r.def.Languages) < 2 || !asked {
		return
	}
	if e.LanguagePrompt == "" {
		r.problem(eo.n.at, say("language.unasked"), say("language.unasked.fix"))
	}
	for _, l := range r.def.Languages {
		if !slices.ContainsFunc(keysOf(e.LanguageKeys), func(d call.Digit) bool { return e.LanguageKeys[d] == l }) {
			r.problem(eo.place("language_keys"), say("language.key", "lang", l), say("language.key.fix", "lang", l))
		}
	}
}

func (r *reader) message(item *node, i int, ids map[string]bool) DatedMessage {
	path := fmt.Sprintf("entry.messages[%d]", i)
	r.def.pos[path] = item.at
	mo := r.object(item, path, say("the.message", "n", i+1))
	mo.need("id", "message.id")
	mo.need("prompt", "prompt")
	m := DatedMessage{ID: mo.text("id"), Prompt: mo.ref("prompt", "prompt"), Queue: mo.ref("queue", "queue")}
	m.From, m.Until, _ = r.span(mo)
	mo.close()
	if m.ID != "" && r.name(m.ID, mo.place("id"), say("a.message")) {
		if ids[m.ID] {
			r.problem(mo.place("id"), say("message.twice", "id", m.ID), say("message.twice.fix"))
		}
		ids[m.ID] = true
	}
	return m
}
