package admin

import (
	"context"
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
	Rows []agentForm
	Was  string
	Edit bool
}

type agentForm struct {
	ID, Name, Team string
	Skills         []skillField
	Languages      []langField
	Teams          []string
	Has            string // skills, in words
}

type skillField struct {
	ID, Name string
	Level    int // 0: they have it not
}

const highestLevel = 5

var agentID = regexp.MustCompile(`^[0-9]{3,10}$`)

func (v *visit) showAgents() {
	v.told()
	v.agentsPage(nil, "", nil)
}

// agentsPage gives the page; typed is the form with errors, was what its sender saw, and skill that of a skill.
func (v *visit) agentsPage(typed *Agent, was string, skill *skillForm) {
	list, now, err := v.s.Roster.Agents(v.r.Context())
	if err != nil {
		v.fail("list the agents", err)
		return
	}
	w := &agentsView{Was: now, Edit: v.Me.May(people.EditAgents)}
	if typed != nil && was != "" && was != now { // they have seen it by now
		v.wrong("main", "part.changed")
	}
	teams := map[string]bool{}
	for _, a := range list {
		teams[a.Team] = a.Team != ""
	}
	known := slices.Sorted(maps.Keys(teams))
	fresh := Agent{}
	for _, a := range list {
		if typed != nil && typed.ID == a.ID {
			a = *typed
		}
		w.Rows = append(w.Rows, v.agentForm(a, known))
	}
	if typed != nil && !slices.ContainsFunc(list, func(a Agent) bool { return a.ID == typed.ID }) {
		fresh = *typed
	}
	w.Rows = append(w.Rows, v.agentForm(fresh, known))
	v.Agents = w
	if v.Edits() && !v.skillForms(skill) {
		return
	}
	v.render(http.StatusOK, "agents.html", v.T("agents.title"))
}

func (v *visit) agentForm(a Agent, teams []string) agentForm {
	f := agentForm{ID: a.ID, Name: a.Name, Team: a.Team, Teams: teams}
	var has []string
	for _, s := range slices.Sorted(maps.Keys(v.def.Skills)) {
		name := v.phrase(v.def.Skills[s])
		f.Skills = append(f.Skills, skillField{s, name, a.Skills[s]})
		if a.Skills[s] > 0 {
			has = append(has, fmt.Sprintf("%s (%d)", name, a.Skills[s]))
		}
	}
	f.Has = strings.Join(has, ", ")
	for _, l := range v.def.Languages {
		f.Languages = append(f.Languages, langField{Lang: l, Name: v.T("lang." + string(l)), Needed: slices.Contains(a.Languages, l)})
	}
	return f
}

// writeAgent changes one agent, makes a new one, or takes one away.
func (v *visit) writeAgent() {
	if !v.filled() {
		return
	}
	post := v.r.PostFormValue
	a := Agent{ID: strings.TrimSpace(post("id")), Name: strings.TrimSpace(post("name")), Team: strings.TrimSpace(post("team")), Skills: map[string]int{}}
	for s := range v.def.Skills {
		if n, err := strconv.Atoi(post("skill_" + s)); err == nil && n > 0 && n <= highestLevel {
			a.Skills[s] = n
		}
	}
	for _, l := range v.r.PostForm["language"] {
		if slices.Contains(v.def.Languages, call.Lang(l)) {
			a.Languages = append(a.Languages, call.Lang(l))
		}
	}
	if !agentID.MatchString(a.ID) {
		v.wrong("id-", "agents.error.id")
	}
	if a.Name == "" {
		v.wrong("name-"+a.ID, "agents.error.name")
	}
	was := strings.ReplaceAll(post("was"), "\r\n", "\n")
	list, _, err := v.s.Roster.Agents(v.r.Context())
	if err != nil {
		v.fail("list the agents", err)
		return
	}
	i := slices.IndexFunc(list, func(b Agent) bool { return b.ID == a.ID })
	gone := post("drop") != ""
	switch {
	case len(v.Errors) > 0:
		v.agentsPage(&a, "", nil)
		return
	case i >= 0 && gone:
		list = slices.Delete(list, i, i+1)
	case i >= 0:
		list[i] = a
	case !gone:
		list = append(list, a)
	}
	switch err := v.s.Roster.SetAgents(v.r.Context(), list, was); {
	case errors.Is(err, drafts.ErrChanged):
		v.agentsPage(&a, was, nil)
	case errors.Is(err, drafts.ErrUnfit), errors.Is(err, service.ErrByHand):
		v.s.Log.Warn("the agents were not changed", "by", v.Me.Name, "err", err)
		v.wrong("name-"+a.ID, "agents.error.unfit")
		v.agentsPage(&a, "", nil)
	case err != nil:
		v.fail("write the agents", err)
	default:
		what := "agent.changed"
		if gone {
			what = "agent.removed"
		}
		v.log(what, a.ID, a.Name)
		v.see("/service/agents?fait=agent", nil)
	}
}
