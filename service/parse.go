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
		problems = Problems{{File: filename, What: "the file is empty", Fix: "start from demo/prefecture.yaml"}}
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
	if len(r.problems) > 0 {
		return nil, r.problems.sorted()
	}
	return r.def, nil
}

func (r *reader) definition(root *node) {
	o, d := r.object(root, "", "the definition"), r.def
	if id, ok := r.scalar(o.need("service", "service: and a short name, such as prefecture-val-d-arzon"), "the service's name"); ok && r.name(id, o.place("service"), "a service") {
		d.ID = id
	}
	r.timeZone(o)
	r.languages(o)
	if n := o.need("name", "name: and how the service is called"); n != nil {
		d.Name = r.label(n, "name", "the service's name")
	}
	r.numbers(o)
	d.Present = o.number("present")
	if d.Present == call.Withheld && len(d.Numbers) > 0 {
		d.Present = d.Numbers[0].Number
	}
	if n := o.need("hours", "hours: and the week, such as mon-fri: 08:30-12:30, 13:30-17:00"); n != nil {
		d.Hours = r.hours(n, "hours")
	}
	d.Holidays = r.holidays(o)
	r.closures(o)
	r.openings(o)
	r.prompts(o)
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
		r.problem(o.get("time_zone").at, fmt.Sprintf("time zone %q is not known", name),
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
		s, ok := r.scalar(n, "a language")
		switch {
		case !ok:
		case !langForm.MatchString(s):
			r.problem(n.at, fmt.Sprintf("%q is not a language code", s), "write two letters, such as fr or en")
		case slices.Contains(r.def.Languages, call.Lang(s)):
			r.problem(n.at, fmt.Sprintf("language %q is written twice", s), "keep one of them")
		default:
			r.def.Languages = append(r.def.Languages, call.Lang(s))
		}
	}
	if len(r.def.Languages) == 0 {
		r.def.Languages = []call.Lang{"fr"}
	}
}

// language checks a language used somewhere against those of the service.
func (r *reader) language(s string, at Position, where string) (call.Lang, bool) {
	l := call.Lang(s)
	if slices.Contains(r.def.Languages, l) {
		return l, true
	}
	var known []string
	for _, l := range r.def.Languages {
		known = append(known, string(l))
	}
	r.problem(at, fmt.Sprintf("language %q of %s is not a language of the service", s, where), suggest(s, known)+`, or add it to "languages"`)
	return "", false
}

func (r *reader) numbers(o *object) {
	n := o.need("numbers", "numbers: and the numbers that callers dial")
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
		no := r.object(item, path, fmt.Sprintf("number %d", i+1))
		no.need("number", "number: and the number, such as 01 99 00 39 39")
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
			r.problem(no.place("number"), fmt.Sprintf("number %s is written twice, first as number %d", num.Number.Spoken(), before), "keep one of them")
			continue
		}
		first[num.Number] = i + 1
		r.def.Numbers = append(r.def.Numbers, num)
	}
	if n.kind == sequence && len(n.items) == 0 {
		r.problem(n.at, "the service has no number", "write the numbers that callers dial")
	}
}

func (r *reader) journey(o *object, key string, needed bool) Journey {
	n := o.get(key)
	if n == nil {
		if needed {
			r.problem(o.place(key), fmt.Sprintf("key %q is missing in the definition", key),
				fmt.Sprintf("write %s: with prompt, hours, other_means and callback, each the name of a prompt", key))
		}
		return Journey{}
	}
	jo := r.object(n, key, fmt.Sprintf("%q", key))
	jo.need("prompt", "prompt: and the name of a prompt")
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
	lo := r.object(o.get("limits"), "limits", `"limits"`)
	r.def.Limits = Limits{
		MaxChoices:     lo.integer("choices", DefaultMaxChoices, 1, 12),
		MaxDepth:       lo.integer("depth", DefaultMaxDepth, 1, 9),
		MaxNumbers:     lo.integer("numbers", DefaultMaxNumbers, 1, 100),
		SpeechToPerson: lo.duration("speech_to_person", DefaultSpeech, time.Second, 10*time.Minute),
	}
	lo.close()
}
