package service

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
	_ "time/tzdata" // a container without time zones still knows when the line opens

	"decroche/call"
)

// Defaults of what a definition leaves out.
const (
	DefaultMenuTimeout = 5 * time.Second
	DefaultRing        = 20 * time.Second
	DefaultWrapUp      = 30 * time.Second
	DefaultAnnounce    = 30 * time.Second
	DefaultAHT         = 5 * time.Minute
	DefaultMaxChoices  = 4
	DefaultMaxDepth    = 2
	DefaultSpeech      = 45 * time.Second
	DefaultMaxNumbers  = 3
)

// ParseFile reads the definition in a file. See Parse.
func ParseFile(path string) (*Definition, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the service definition: %w", err)
	}
	data, err := io.ReadAll(io.LimitReader(f, MaxFileSize+1))
	info, statErr := f.Stat()
	if err := errors.Join(err, statErr, f.Close()); err != nil {
		return nil, fmt.Errorf("read the service definition %s: %w", path, err)
	}
	if len(data) > MaxFileSize {
		p := tooLarge(max(info.Size(), int64(len(data))))
		p.File = path
		return nil, Problems{*p}
	}
	return Parse(path, data)
}

// Parse reads and checks a definition. filename names it in messages, and recordings
// are looked for relative to its folder. The error is of type Problems and lists
// everything there is to mend; the definition is then nil.
func Parse(filename string, data []byte) (*Definition, error) {
	root, problems := readTree(filename, data)
	if root == nil && len(problems) == 0 {
		problems = Problems{{File: filename, What: say("empty").written(), Fix: say("empty.fix").written()}}
	}
	if root == nil {
		return nil, problems.sorted()
	}
	r := &reader{
		file: filename, dir: filepath.Dir(filename), problems: problems,
		def: &Definition{File: filename, pos: map[string]Position{}},
	}
	r.definition(root)
	r.resolve()
	if err := r.failed(); err != nil {
		return nil, err
	}
	return r.def, nil
}

func (r *reader) definition(root *node) {
	o, d := r.object(root, "", say("the.definition")), r.def
	if id, ok := r.scalar(o.need("service", "service"), say("the.id")); ok && r.name(id, o.place("service"), say("a.service")) {
		d.ID = id
	}
	r.timeZone(o)
	r.languages(o)
	if n := o.need("name", "name"); n != nil {
		d.Name = r.label(n, "name", say("the.name"))
	}
	r.numbers(o)
	d.Present = o.number("present")
	if d.Present == call.Withheld && len(d.Numbers) > 0 {
		d.Present = d.Numbers[0].Number
	}
	if n := o.need("hours", "hours"); n != nil {
		d.Hours = r.hours(n, "hours")
	}
	d.Holidays = r.holidays(o)
	r.closures(o)
	r.openings(o)
	r.prompts(o)
	r.wording(o)
	r.skills(o)
	r.reasons(o)
	r.queues(o)
	r.links(o)
	r.points(o)
	r.infos(o)
	r.menus(o)
	r.entry(o)
	d.Closed = r.journey(o, "closed", true)
	d.Saturated = r.journey(o, "saturated", true)
	d.Failed = r.journey(o, "failed", false)
	r.access(o)
	r.tags(o)
	r.interpreters(o)
	r.callback(o)
	r.indicators(o)
	r.privacy(o)
	r.survey(o)
	r.plans(o)
	r.limits(o)
	o.close()
}

func (r *reader) timeZone(o *object) {
	r.def.Location = time.UTC
	name := o.text("time_zone")
	if name == "" {
		name = "Europe/Paris"
	}
	loc, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		r.problem(o.get("time_zone").at, say("zone", "value", name),
			suggest(name, []string{
				"Europe/Paris", "America/Guadeloupe", "America/Martinique", "America/Cayenne", "Indian/Reunion", "Indian/Mayotte",
				"America/Miquelon", "Pacific/Noumea", "Pacific/Tahiti", "Pacific/Wallis", "America/Marigot", "America/St_Barthelemy",
			}))
		return
	}
	r.def.Location = loc
}

func (r *reader) languages(o *object) {
	for _, n := range o.list("languages") {
		s, ok := r.scalar(n, say("the.language"))
		switch {
		case !ok:
		case !langForm.MatchString(s):
			r.problem(n.at, say("language.code", "value", s), say("language.code.fix"))
		case slices.Contains(r.def.Languages, call.Lang(s)):
			r.problem(n.at, say("language.twice", "value", s), say("keep"))
		default:
			r.def.Languages = append(r.def.Languages, call.Lang(s))
		}
	}
	if len(r.def.Languages) == 0 {
		r.def.Languages = []call.Lang{"fr"}
	}
}

// language checks a language used somewhere against those of the service.
func (r *reader) language(s string, at Position, where words) (call.Lang, bool) {
	l := call.Lang(s)
	if slices.Contains(r.def.Languages, l) {
		return l, true
	}
	var known []string
	for _, l := range r.def.Languages {
		known = append(known, string(l))
	}
	r.problem(at, say("language.unknown", "value", s, "of", where), say("language.unknown.fix", "suggest", suggest(s, known)))
	return "", false
}

func (r *reader) numbers(o *object) {
	n := o.need("numbers", "numbers")
	if n == nil {
		return
	}
	first := map[call.Number]int{}
	for i, item := range o.list("numbers") {
		path := fmt.Sprintf("numbers[%d]", i)
		r.def.pos[path] = item.at
		if item.kind == scalar { // a number and nothing more
			item = &node{kind: mapping, at: item.at, pairs: []pair{{key: "number", at: item.at, value: item}}}
		}
		no := r.object(item, path, say("the.number", "n", i+1))
		no.need("number", "number")
		num := Number{Number: no.number("number")}
		num.Public = no.choice("public", publics...)
		if num.Public == "" {
			num.Public = "general"
		}
		if s := no.text("language"); s != "" {
			num.Language, _ = r.language(s, no.get("language").at, no.label)
		}
		num.Queue = no.ref("queue", "queue")
		num.AlwaysOpen = no.truth("always_open")
		num.Cost = no.choice("cost", "free", "standard", "premium")
		no.close()
		if before, twice := first[num.Number]; twice && num.Number != call.Withheld {
			r.problem(no.place("number"), say("number.twice", "number", num.Number.Spoken(), "n", before), say("keep"))
			continue
		}
		first[num.Number] = i + 1
		r.def.Numbers = append(r.def.Numbers, num)
	}
	if n.kind == sequence && len(n.items) == 0 {
		r.problem(n.at, say("number.none"), say("number.none.fix"))
	}
}

func (r *reader) journey(o *object, key string, needed bool) Journey {
	n := o.get(key)
	if n == nil {
		if needed {
			r.problem(o.place(key), say("missing", "key", key, "of", o.label), say("journey.fix", "key", key))
		}
		return Journey{}
	}
	jo := r.object(n, key, theKey(key))
	jo.need("prompt", "prompt")
	j := Journey{
		Prompt: jo.ref("prompt", "prompt"), Hours: jo.ref("hours", "prompt"),
		OtherMeans: jo.ref("other_means", "prompt"), Callback: jo.ref("callback", "prompt"),
	}
	if key == "closed" {
		j.Menu = jo.ref("menu", "menu")
	}
	jo.close()
	return j
}

func (r *reader) limits(o *object) {
	lo := r.object(o.get("limits"), "limits", theKey("limits"))
	r.def.Limits = Limits{
		MaxChoices:     lo.integer("choices", DefaultMaxChoices, 1, 12),
		MaxDepth:       lo.integer("depth", DefaultMaxDepth, 1, 9),
		MaxNumbers:     lo.integer("numbers", DefaultMaxNumbers, 1, 100),
		SpeechToPerson: lo.duration("speech_to_person", DefaultSpeech, time.Second, 10*time.Minute),
	}
	lo.close()
}
