package admin

import (
	"maps"
	"slices"

	"decroche/service"
)

// skillForm is a skill with its names. A skill is what queues ask of agents.
type skillForm struct {
	ID, Name string // "" for a new one
	Typed    string // the name that was typed for it
	Labels   []field
	formPart
	Out, Drop bool // Out: a draft takes it out
	Open      bool
}

// skillForms adds the skills, as their drafts have them, to the page of agents; typed is one with errors. ok is false
// when the page of a failure was given.
func (v *visit) skillForms(typed *skillForm) (ok bool) {
	l := v.look()
	if l == nil {
		return false
	}
	all := map[string]service.Text{}
	if typed != nil { // also one whose draft was forgotten meanwhile
		all[typed.ID] = nil
	}
	maps.Copy(all, l.Now.Skills) // one that a draft takes out is listed, to be kept after all
	maps.Copy(all, v.def.Skills)
	delete(all, "") // the new one is the last
	for _, id := range append(slices.Sorted(maps.Keys(all)), "") {
		f := skillForm{ID: id, Name: v.phrase(all[id])}
		var sent *part
		if typed != nil && typed.ID == id {
			sent = &typed.part
		}
		if id != "" {
			if f.formPart, ok = v.formPart("skills."+id, sent); !ok {
				return false
			}
			f.Out = f.Draft && f.Was == ""
		}
		f.Labels = v.labelFields("skill", "-"+id, all[id])
		if sent != nil {
			f.Typed, f.Drop, f.Open = typed.Typed, typed.Drop, true
			f.Labels = v.labelFields("skill", "-"+id, v.typedWords("skill", "-"+id))
		}
		v.Skills = append(v.Skills, f)
	}
	return true
}

// skillName is a skill's name, or its id.
func (v *visit) skillName(id string) string {
	for _, d := range []*service.Definition{v.def, v.s.Service()} {
		if name := v.phrase(d.Skills[id]); name != "" {
			return name
		}
	}
	return id
}

// writeSkill keeps a skill as a draft, or takes it out by one.
func (v *visit) writeSkill() {
	if !v.filled() || v.look() == nil {
		return
	}
	f := &skillForm{ID: v.post("of"), Typed: v.post("skill"), formPart: formPart{part: v.seenPart("")}, Drop: v.post("drop-"+v.post("of")) != ""}
	id, ending := f.ID, "-"+f.ID
	if f.ID == "" {
		f.part, id = part{}, f.Typed
	}
	v.newName("skill", id, f.ID == "" && v.def.Skills[id] != nil)
	field, value := "drop"+ending, ""
	if !f.Drop {
		field = "skill_" + string(v.def.Languages[0]) + ending
		value = v.typedLabel("skill", ending, v.textOf(f.Was)).YAML(v.def.Languages)
	}
	if len(v.Errors) == 0 && v.writePart(field, "skills."+id, value, f.part) {
		v.see("/service/agents?fait=brouillon", nil)
		return
	}
	v.def = v.s.Service() // agents have the skills that are in force
	v.agentsPage(nil, f)
}
