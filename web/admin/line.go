package admin

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"decroche/call"
	"decroche/service"
)

// linePrefix begins, among sounds to listen to, a prompt of the line.
const linePrefix = "line:"

// lineParts are the first words of what the line says, in the order of a call; then what agents hear, and who
// records a message.
var lineParts = []string{
	"menu", "info", "link", "offline", "access", "relay", "message", "queue", "position", "wait", "hold", "callback", "recall", "survey", "goodbye",
	"again", "sorry", "caller", "unknown-number", "dialplan", "whisper", "agent", "studio",
}

// linePart is the part of the journey that a prompt of the line is of: the first word of its name.
func linePart(id string) string {
	part, _, _ := strings.Cut(id, ".")
	return part
}

// valueForm is where a value is filled in.
var valueForm = regexp.MustCompile(`\{[a-z]+\}`)

// linePatience bounds how long a page waits for the lengths of what the line says: they are made beforehand.
const linePatience = 2 * time.Second

// lineGroups is what the line says, by part of the journey.
func (v *visit) lineGroups(drafted map[string]bool) (groups []textGroup) {
	ctx, cancel := context.WithTimeout(v.r.Context(), linePatience)
	defer cancel()
	rows := map[string][]textRow{}
	parts := slices.Clone(lineParts)
	for _, id := range v.s.Catalogue.IDs() {
		own := v.def.Wording[id]
		row := textRow{Name: id, Said: v.saidOfLine(ctx, id, own), Draft: drafted["wording."+id], Own: len(own) > 0}
		if _, prompt := v.def.Prompts[id]; prompt || len(row.Said) == 0 { // said by the service, or not at all
			continue
		}
		part := linePart(id)
		if rows[part] = append(rows[part], row); !slices.Contains(parts, part) {
			parts = append(parts, part)
		}
	}
	for _, part := range parts {
		g := textGroup{Name: v.T("line." + part), Rows: rows[part]}
		g.Open = slices.ContainsFunc(g.Rows, func(r textRow) bool { return r.Own || r.Draft })
		if len(g.Rows) > 0 {
			groups = append(groups, g)
		}
	}
	return groups
}

// wholeLine is a prompt of the line in the service's words, and in the line's own where it has none.
func (v *visit) wholeLine(id string, own service.Text) service.Text {
	t := service.Text{}
	for _, lang := range v.s.Catalogue.Langs(v.def, id) {
		t[lang] = service.Phrase{Say: v.s.Catalogue.Text(id, lang)}
	}
	maps.Copy(t, own)
	return t
}

// saidOfLine is what is heard of a prompt of the line, in these languages or in all that it is said in: the
// service's words, or the line's own.
func (v *visit) saidOfLine(ctx context.Context, id string, own service.Text, in ...call.Lang) (all []said) {
	if len(in) == 0 {
		in = v.s.Catalogue.Langs(v.def, id)
	}
	for _, lang := range in {
		p, worded := own[lang]
		s := said{Lang: lang, Name: v.T("lang." + string(lang)), Text: p.Say, Recorded: p.Recording != "", Own: worded}
		s.Sound = listenTo(lang, p.Say, linePrefix+id)
		if p.Recording != "" {
			s.Sound = listenTo(lang, p.Say, filePrefix+p.Recording)
		}
		if !worded {
			s.Text = v.s.Catalogue.Text(id, lang)
		}
		if slices.Contains(v.s.Service().Languages, lang) { // those of another are not made yet
			sound, err := v.s.Catalogue.Sound(ctx, id, lang, p)
			s = v.measured(s, sound, err)
		}
		all = append(all, s)
	}
	return all
}
