package admin

import (
	"net/http"
	"slices"
	"strings"

	"decroche/links"
)

type linkRow struct {
	ID, URL, State, StateName, Since, Why, Error string
	States                                       []choice
}

func (v *visit) showLinks() {
	v.told()
	v.linksPage()
}

func (v *visit) linksPage() {
	for _, l := range v.s.Links.Status() {
		row := linkRow{ID: l.ID, URL: l.URL, State: "up", Why: l.Why, Error: l.LastError}
		if l.Down {
			row.State = "down"
		}
		row.StateName = v.T("links." + row.State)
		if !l.Since.IsZero() {
			row.Since = v.when(l.Since)
		}
		if l.By != "" {
			row.Why = strings.TrimSpace(l.Why + " (" + l.By + ")")
		}
		for _, s := range []links.State{links.Auto, links.On, links.Off} {
			row.States = append(row.States, choice{string(s), v.T("links.state." + string(s)), l.State == s})
		}
		v.Links = append(v.Links, row)
	}
	v.render(http.StatusOK, "links.html", v.T("links.title"))
}

// setLink switches a site on, off, or to what the checks say.
func (v *visit) setLink() {
	id, state, why := v.r.PathValue("id"), v.r.PostFormValue("state"), strings.TrimSpace(v.r.PostFormValue("why"))
	if len([]rune(why)) > 200 {
		v.wrong("why-"+id, "links.error.why")
		v.linksPage()
		return
	}
	if v.def.Links[id] == nil || !slices.Contains([]links.State{links.Auto, links.On, links.Off}, links.State(state)) {
		v.stop(http.StatusNotFound, "missing")
		return
	}
	if err := v.s.Links.Set(v.r.Context(), id, state, why, v.Me.Name); err != nil {
		v.fail("switch a link", err)
		return
	}
	v.log("link.switched", id, v.T("links.state."+state)+" "+why)
	v.see("/sites?fait=site", nil)
}
