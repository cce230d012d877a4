package public

import (
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"time"

	"decroche/call"
	"decroche/service"
	"decroche/text"
)

// Now is what the line knows at this moment, for the page of the menu.
type Now interface {
	// News are the incident messages of a queue, "" those for everybody, in a language.
	News(queue string, lang call.Lang) []string
	// Range is the range of the wait of who would join the queue now; ok is false when it is not known.
	Range(queue string) (low, high time.Duration, ok bool)
	// Down says that a link is not to be followed now.
	Down(link string) bool
}

// menuView is the service's menu, as its page shows it: made of the definition that callers hear.
type menuView struct {
	Opening  string
	Messages []string
	Subjects []menuSubject
	Infos    []menuInfo
	At       string
	Self     string // the page itself, to look again
	Access   string // what is said behind the key for deaf callers
	Write    string // where an agent is written to
	Relay    string // where a callback through the relay centre is booked
}

type menuSubject struct {
	Label, Wait, Book string
	Messages          []string
}

type menuInfo struct {
	Title, Text, Link, Label, Offline string
}

// showMenu is the menu of the telephone, to read.
func (s *Server) showMenu(v *visit) {
	m := &menuView{Opening: v.opening(), At: v.clock(v.now.In(v.serviceZone())), Self: "/" + string(v.Lang)}
	v.Menu, v.in = m, under("")
	if s.Now != nil {
		m.Messages = s.Now.News("", v.Lang)
	}
	for _, u := range v.subjects() {
		m.Subjects = append(m.Subjects, v.menuSubject(u))
	}
	for _, id := range v.infos() {
		if i := v.menuInfo(v.def.Infos[id]); i.Text != "" {
			m.Infos = append(m.Infos, i)
		}
	}
	m.Access = v.phrase(v.def.Prompts[v.def.Access.Prompt])
	if v.def.Callback.On && v.HasRelay() {
		m.Relay = v.path("") + "?relais=1"
	}
	if v.Writes() {
		m.Write = v.writePath()
	}
	v.render(http.StatusOK, "menu.html", v.T("menu.title"))
}

// opening says until when the line is open, or from when.
func (v *visit) opening() string {
	o := v.def.Opening(v.now)
	at, id := o.Until, "menu.open"
	if !o.Open {
		at, id = o.Next, "menu.closed"
	}
	if at.IsZero() {
		return v.T(id + ".always")
	}
	at = at.In(v.serviceZone())
	return v.T(id, "day", text.Day(v.Lang, at, v.now.In(v.serviceZone())), "clock", v.clock(at))
}

func (v *visit) menuSubject(u subject) menuSubject {
	out := menuSubject{Label: u.Label}
	if v.def.Callback.On {
		out.Book = v.path("") + "?" + url.Values{"sujet": {u.Value}}.Encode()
	}
	if v.s.Now == nil {
		return out
	}
	out.Messages = v.s.Now.News(u.Queue, v.Lang)
	if !v.def.Opening(v.now).Open {
		return out
	}
	low, high, ok := v.s.Now.Range(u.Queue)
	from, to := int(low/time.Minute), int(math.Ceil(high.Minutes()))
	switch {
	case !ok:
		out.Wait = v.T("menu.wait.unknown")
	case from < 1:
		out.Wait = v.T("menu.wait.under", "high", max(to, 1))
	default:
		out.Wait = v.T("menu.wait.between", "low", from, "high", max(to, from+1))
	}
	return out
}

// menuInfo is an information as it is said, with its link while its site works.
func (v *visit) menuInfo(info *service.Info) menuInfo {
	out := menuInfo{Text: set(v.Lang, v.phrase(v.def.Prompts[info.Prompt])), Offline: set(v.Lang, v.phrase(v.def.Prompts[info.Offline]))}
	if r := v.def.Reasons[info.Reason]; r != nil {
		out.Title = v.phrase(r.Label)
	}
	if l := v.def.Links[info.Link]; l != nil && (v.s.Now == nil || !v.s.Now.Down(info.Link)) {
		out.Link, out.Label = l.URL, v.phrase(l.Label)
	}
	return out
}

// infos lists the informations that a key leads to, as menus say them.
func (v *visit) infos() (ids []string) {
	walked := map[string]bool{}
	var walk func(menu string)
	walk = func(id string) {
		m := v.def.Menus[id]
		if m == nil || walked[id] {
			return
		}
		walked[id] = true
		for _, key := range slices.Sorted(maps.Keys(m.Choices)) {
			if c := m.Choices[key]; c.Info != "" && v.def.Infos[c.Info] != nil && !slices.Contains(ids, c.Info) {
				ids = append(ids, c.Info)
			} else if c.Menu != "" {
				walk(c.Menu)
			}
		}
	}
	walk(v.def.Entry.Menu)
	return ids
}
