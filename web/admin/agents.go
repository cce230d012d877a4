package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"decroche/call"
	"decroche/drafts"
	"decroche/people"
	"decroche/service"
)

// Agent is who answers calls, as the deployment's file has them.
type Agent struct {
	ID, Name, Team string
	// Skills have levels from 1 to 5.
	Skills    map[string]int
	Languages []call.Lang
}

// Roster is where the agents are changed.
type Roster interface {
	// Agents lists them; was is how their file has them, for SetAgents.
	Agents(ctx context.Context) (list []Agent, was string, err error)
	// SetAgents takes effect at once, or changes nothing: drafts.ErrChanged when the file says something else
	// than was, drafts.ErrUnfit when the line does not take it.
	SetAgents(ctx context.Context, list []Agent, was string) error
}

// agentsView are the agents, their teams and skills.
type agentsView struct {
	Rows   []agentForm
	Edit   bool
	Skills []string // their names, for who may not write them
}

// agentForm is an agent as they are written on the page.
type agentForm struct {
	ID, Name, Team string // ID: "" for a new one
	Typed          string // the number that was typed for it
	// Was is the agent as the sender of the form saw them, "" for a new one.
	Was       string
	Skills    []skillField
	Languages []langField
	Teams     []string
	// Has are the skills, and Speaks the languages, in words.
	Has, Speaks string
	Drop, Open  bool
	Theirs      *theirs
}

type skillField struct{ ID, Name, Level string }

const highestLevel = 5

var agentID = regexp.MustCompile(`^[0-9]{3,10}$`)

func (v *visit) showAgents() {
	v.told()
	v.agentsPage(nil, nil)
}

// seen is the agent in a form, for who sends it: another text is another agent.
func (a Agent) seen() string {
	raw, err := json.Marshal(a)
	if err != nil {
		panic(err) // texts and numbers
	}
	return string(raw)
}

// seenAgent is who has a number, as a form has them; "" for nobody.
func seenAgent(list []Agent, id string) string {
	if i := slices.IndexFunc(list, func(a Agent) bool { return a.ID == id }); i >= 0 {
		return list[i].seen()
	}
	return ""
}

// agentsPage gives the page; typed is the form with errors, skill that of a skill.
func (v *visit) agentsPage(typed *agentForm, skill *skillForm) {
	list, _, err := v.s.Roster.Agents(v.r.Context())
	if err != nil {
		v.fail("list the agents", err)
		return
	}
	if typed != nil && !v.agentNow(typed, list) {
		return
	}
	w := &agentsView{Edit: v.Me.May(people.EditAgents)}
	var teams []string
	for _, a := range list {
		f := v.agentForm(a)
		f.Was = a.seen()
		if typed != nil && typed.ID == a.ID {
			f = *typed
		}
		w.Rows = append(w.Rows, f)
		if a.Team != "" {
			teams = append(teams, a.Team)
		}
	}
	if fresh := v.agentForm(Agent{}); w.Edit {
		if typed != nil && typed.ID == "" {
			fresh = *typed
		}
		w.Rows = append(w.Rows, fresh)
	}
	slices.Sort(teams)
	teams = slices.Compact(teams)
	for i := range w.Rows {
		w.Rows[i].Teams = teams
	}
	v.Agents = w
	if v.Edits() && !v.skillForms(skill) {
		return
	}
	if !v.Edits() {
		for _, id := range slices.Sorted(maps.Keys(v.def.Skills)) {
			w.Skills = append(w.Skills, v.skillName(id))
		}
	}
	v.render(http.StatusOK, "agents.html", v.T("agents.title"))
}

// agentNow adds to a form what another person made of its agent meanwhile, which the next attempt has seen. One who is
// no more is new in it. ok is false when the page of a failure was given.
func (v *visit) agentNow(f *agentForm, list []Agent) (ok bool) {
	f.Open = true
	now := seenAgent(list, f.ID)
	if now == f.Was {
		return true
	}
	f.Theirs = &theirs{Title: v.T("theirs"), Text: v.T("part.out")}
	if f.Theirs.Who, ok = v.lastAct("agent", f.ID); !ok {
		return false
	}
	if f.Was = now; now == "" {
		f.ID, f.Typed = "", f.ID
		return true
	}
	i := slices.IndexFunc(list, func(a Agent) bool { return a.ID == f.ID })
	a := v.agentForm(list[i])
	f.Theirs.Text = v.listed(v.T("agents.name"), a.Name, v.T("agents.team"), a.Team, v.T("agents.skills"), a.Has, v.T("agents.languages"), a.Speaks)
	return true
}

// agentForm is the form of an agent.
func (v *visit) agentForm(a Agent) agentForm {
	f := agentForm{ID: a.ID, Name: a.Name, Team: a.Team}
	var has, speaks []string
	for _, s := range slices.Sorted(maps.Keys(v.def.Skills)) {
		name := v.phrase(v.def.Skills[s])
		f.Skills = append(f.Skills, skillField{s, name, strconv.Itoa(a.Skills[s])})
		if a.Skills[s] > 0 {
			has = append(has, fmt.Sprintf("%s (%d)", name, a.Skills[s]))
		}
	}
	for _, l := range v.def.Languages {
		field := langField{Lang: l, Name: v.T("lang." + string(l)), Needed: slices.Contains(a.Languages, l)}
		f.Languages = append(f.Languages, field)
		if field.Needed {
			speaks = append(speaks, field.Name)
		}
	}
	f.Has, f.Speaks = strings.Join(has, ", "), strings.Join(speaks, ", ")
	return f
}

// typedAgent reads the form, and the agent that it makes. What is wrong is added to the errors.
func (v *visit) typedAgent() (*agentForm, Agent) {
	id := v.post("id")
	a := Agent{ID: id, Name: v.post("name"), Team: v.post("team"), Skills: map[string]int{}}
	for _, l := range v.r.PostForm["language"] {
		if slices.Contains(v.def.Languages, call.Lang(l)) {
			a.Languages = append(a.Languages, call.Lang(l))
		}
	}
	form := v.agentForm(a)
	f := &form
	if f.Was, f.Drop = v.r.PostFormValue("was"), v.post("drop") != ""; f.Was == "" {
		f.ID, f.Typed = "", id
	}
	for i := range f.Skills {
		s := &f.Skills[i]
		s.Level = v.post("skill_" + s.ID)
		switch n, err := strconv.Atoi(s.Level); {
		case s.Level == "":
		case err != nil || n < 0 || n > highestLevel:
			v.wrong("skill-"+s.ID+"-"+f.ID, "agents.error.level", "skill", s.Name, "max", highestLevel)
		case n > 0:
			a.Skills[s.ID] = n
		}
	}
	if !agentID.MatchString(id) {
		v.wrong("id-", "agents.error.id")
	}
	if a.Name == "" {
		v.wrong("name-"+f.ID, "agents.error.name")
	}
	return f, a
}

// writeAgent changes one agent, makes a new one, or takes one away.
func (v *visit) writeAgent() {
	if !v.filled() {
		return
	}
	f, a := v.typedAgent()
	list, was, err := v.s.Roster.Agents(v.r.Context())
	if err != nil {
		v.fail("list the agents", err)
		return
	}
	i := slices.IndexFunc(list, func(b Agent) bool { return b.ID == a.ID })
	switch {
	case f.ID == "" && i >= 0:
		v.wrong("id-", "agents.error.taken", "name", list[i].Name)
	case f.ID != "" && i < 0: // the page has them as a new one
		v.wrong("name-", "part.changed")
	case f.ID != "" && f.Was != list[i].seen():
		v.wrong("name-"+f.ID, "part.changed")
	}
	switch {
	case len(v.Errors) > 0:
		v.agentsPage(f, nil)
		return
	case f.Drop && i >= 0:
		list = slices.Delete(list, i, i+1)
	case i >= 0:
		list[i] = a
	case !f.Drop:
		list = append(list, a)
	}
	switch err := v.s.Roster.SetAgents(v.r.Context(), list, was); {
	case errors.Is(err, drafts.ErrChanged): // this moment
		v.wrong("name-"+f.ID, "part.changed")
		v.agentsPage(f, nil)
	case errors.Is(err, drafts.ErrUnfit), errors.Is(err, service.ErrByHand):
		v.s.Log.Warn("the agents were not changed", "by", v.Me.Name, "err", err)
		v.wrong("name-"+f.ID, "agents.error.unfit")
		v.agentsPage(f, nil)
	case err != nil:
		v.fail("write the agents", err)
	default:
		what := "agent.changed"
		if f.Drop {
			what = "agent.removed"
		}
		v.log(what, a.ID, a.Name)
		v.see("/service/agents?fait=agent", nil)
	}
}
