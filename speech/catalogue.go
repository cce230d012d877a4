package speech

import (
	"embed"
	"fmt"
	"path"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"

	"decroche/call"

	"github.com/goccy/go-yaml"
)

//go:embed catalogue/*.yaml
var catalogueFiles embed.FS

// ladder, under and over hold the bounds, in minutes, of the waits that are rendered
// beforehand: routing/wait's ladder and its neighbours. Any other bounds are rendered
// when they are first said (see waitText).
var (
	ladder = [][2]int{
		{1, 2},
		{1, 3},
		{1, 4},
		{1, 5},
		{2, 4},
		{2, 5},
		{2, 8},
		{3, 5},
		{3, 8},
		{4, 6},
		{5, 8},
		{5, 10},
		{5, 15},
		{8, 12},
		{8, 15},
		{10, 15},
		{10, 20},
		{15, 20},
		{15, 30},
		{20, 30},
		{20, 45},
		{30, 45},
		{30, 60},
		{45, 60},
	}
	under = []int{1, 2, 3, 5, 8, 10, 15, 20, 30}
	over  = []int{20, 30, 45, 60}
)

// PositionMax is the last position with a prompt of its own; later ones are "position.many".
const PositionMax = 20

// WhisperMax is the last minute with a whisper of its own; later ones are "whisper.wait.over60".
const WhisperMax = 60

// families are the prompts that differ by a value, one prompt per set of values.
var families = map[string][]map[string]int{
	"position.{n}":      values("n", 1, PositionMax),
	"whisper.wait.{n}":  values("n", 1, WhisperMax),
	"number.digit.0{d}": values("d", 0, 9),
	"number.digit.{n}":  values("n", 10, 99),
	"number.single.{d}": values("d", 0, 9),
	"wait.under{high}":  some("high", under),
	"wait.over{low}":    some("low", over),
	"wait.{low}-{high}": ranges(),
}

func values(name string, from, to int) []map[string]int {
	var vs []int
	for v := from; v <= to; v++ {
		vs = append(vs, v)
	}
	return some(name, vs)
}

func some(name string, vs []int) []map[string]int {
	var sets []map[string]int
	for _, v := range vs {
		sets = append(sets, map[string]int{name: v})
	}
	return sets
}

func ranges() []map[string]int {
	var vs []map[string]int
	for _, r := range ladder {
		vs = append(vs, map[string]int{"low": r[0], "high": r[1]})
	}
	return vs
}

// A catalogue is a language's prompts.
type catalogue struct {
	prompts map[string]string // by id
	raw     map[string]string // as written, families included
}

// catalogues is every language's prompts, read once from the embedded files.
var catalogues = sync.OnceValues(func() (map[call.Lang]catalogue, error) {
	entries, err := catalogueFiles.ReadDir("catalogue")
	if err != nil {
		return nil, fmt.Errorf("list the catalogues: %w", err)
	}
	all := map[call.Lang]catalogue{}
	for _, e := range entries {
		data, err := catalogueFiles.ReadFile(path.Join("catalogue", e.Name()))
		if err != nil {
			return nil, fmt.Errorf("read the catalogue %s: %w", e.Name(), err)
		}
		prompts, err := parseCatalogue(data)
		if err != nil {
			return nil, fmt.Errorf("catalogue %s: %w", e.Name(), err)
		}
		all[call.Lang(strings.TrimSuffix(e.Name(), ".yaml"))] = prompts
	}
	return all, nil
})

func parseCatalogue(data []byte) (catalogue, error) {
	var texts map[string]string
	if err := yaml.Unmarshal(data, &texts); err != nil {
		return catalogue{}, err
	}
	prompts := map[string]string{}
	for id, text := range texts {
		sets, isFamily := families[id]
		names, isSentence := sentences[id]
		switch {
		case isSentence:
			if unfilled, lost := Misplaced(text, names); unfilled != "" || lost != "" {
				return catalogue{}, fmt.Errorf("the text of sentence %q holds %q, which nothing fills in, or lacks %q", id, unfilled, lost)
			}
		case isFamily:
			for _, set := range sets {
				full := fill(id, set)
				if _, written := texts[full]; !written {
					prompts[full] = fill(text, set)
				}
			}
		case strings.ContainsAny(id, "{}"):
			return catalogue{}, fmt.Errorf("%q is not a known family of prompts", id)
		default:
			prompts[id] = text
		}
	}
	for id, text := range prompts {
		if left := placeholder.FindString(text); left != "" {
			return catalogue{}, fmt.Errorf("the text of %q holds %s, which nothing fills in", id, left)
		}
	}
	return catalogue{prompts, texts}, nil
}

var placeholder = regexp.MustCompile(`\{[^}]*\}`)

func fill(s string, set map[string]int) string {
	for name, v := range set {
		s = strings.ReplaceAll(s, "{"+name+"}", strconv.Itoa(v))
	}
	return s
}

// Langs lists the languages the catalogue has, in alphabetical order.
func Langs() []call.Lang {
	all, err := catalogues()
	if err != nil {
		return nil
	}
	var langs []call.Lang
	for l := range all {
		langs = append(langs, l)
	}
	slices.Sort(langs)
	return langs
}

// IDs lists the catalogue's prompts of a language in alphabetical order; none for a
// language the catalogue lacks.
func IDs(lang call.Lang) []string {
	all, err := catalogues()
	if err != nil {
		return nil
	}
	var ids []string
	for id := range all[lang].prompts {
		ids = append(ids, id)
	}
	sort.Strings(ids)
	return ids
}

// SystemText is the wording of a catalogue's prompt. Waits are worded for any bounds in
// whole minutes: "wait.7-9", "wait.under4", "wait.over25".
func SystemText(id string, lang call.Lang) (string, error) {
	all, err := catalogues()
	if err != nil {
		return "", err
	}
	c, ok := all[lang]
	if !ok {
		return "", fmt.Errorf("find prompt %q: the catalogue has no language %q (it has %v)", id, lang, Langs())
	}
	text, ok := c.prompts[id]
	if !ok {
		text, ok = c.waitText(id)
	}
	if !ok {
		return "", fmt.Errorf("find prompt %q in language %q: the catalogue has no such prompt", id, lang)
	}
	return text, nil
}

var waitForm = regexp.MustCompile(`^wait\.(?:([1-9]\d{0,2})-([1-9]\d{0,2})|under([1-9]\d{0,2})|over([1-9]\d{0,2}))$`)

// waitText words a wait whose bounds are not among those rendered beforehand.
func (c catalogue) waitText(id string) (string, bool) {
	m := waitForm.FindStringSubmatch(id)
	if m == nil {
		return "", false
	}
	number := func(s string) int { n, _ := strconv.Atoi(s); return n }
	family, set := "wait.{low}-{high}", map[string]int{"low": number(m[1]), "high": number(m[2])}
	switch {
	case m[3] != "":
		family, set = "wait.under{high}", map[string]int{"high": number(m[3])}
	case m[4] != "":
		family, set = "wait.over{low}", map[string]int{"low": number(m[4])}
	case set["low"] >= set["high"]:
		return "", false
	}
	text, ok := c.raw[family]
	return fill(text, set), ok
}

// PositionID names the prompt for a place in the queue, 1 for the next to be served.
// A place below 1 is said as 1.
func PositionID(position int) string {
	if position > PositionMax {
		return "position.many"
	}
	return "position." + strconv.Itoa(max(position, 1))
}

// WhisperWaitID names what an agent hears of the caller's wait, in whole minutes elapsed.
func WhisperWaitID(minutes int) string {
	switch {
	case minutes < 1:
		return "whisper.wait.under1"
	case minutes > WhisperMax:
		return "whisper.wait.over60"
	default:
		return "whisper.wait." + strconv.Itoa(minutes)
	}
}
