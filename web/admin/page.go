package admin

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/language"

	"decroche/call"
	"decroche/people"
	"decroche/service"
	"decroche/text"
)

var pages = template.Must(template.New("").ParseFS(files, "templates/*.html"))

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:6])
}

// visit is one request, with what its page will say. Templates read it.
type visit struct {
	s   *Server
	w   http.ResponseWriter
	r   *http.Request
	def *service.Definition
	now time.Time

	Lang  call.Lang
	Title string
	// Me is who is signed in, if SignedIn.
	Me       people.Account
	SignedIn bool
	Notice   string
	Errors   []fieldError
	// Onward is where the page goes by itself.
	Onward string
	// Wall: the page is read from afar, and by nobody who clicks.
	Wall bool
	// Lines are the sentences of a page that only tells something; Unsaved are the words of the form that it answers.
	Lines   []string
	Unsaved string

	Sign    *signView
	Floor   *floorView
	List    *listView
	Write   *writeView
	People  *peopleView
	Account *accountView
	Log     *logView
	Figures *figuresView
	Contact *contactView
	Links   []linkRow

	Texts    *textsView
	Text     *textView
	Hours    *hoursView
	Settings *settingsView
	Reasons  *reasonsView
	Draft    *draftView
	Play     *playView
	Plans    *plansView
	Plan     *planForm
	Link     *linkForm
	LinkList []linkItem
	Skills   []skillForm
	Phone    *phoneView
	Agents   *agentsView
}

// Keys are those of a telephone.
func (v *visit) Keys() []string {
	return []string{"1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"}
}

// fieldError is what is to be mended, and the id of the field it is about.
type fieldError struct{ Field, Text string }

// languages are those of the site.
var languages = []call.Lang{"fr", "en"}

var matcher = language.NewMatcher([]language.Tag{language.French, language.English})

func (s *Server) visit(w http.ResponseWriter, r *http.Request) *visit {
	v := &visit{s: s, w: w, r: r, def: s.Service(), now: time.Now(), Lang: "fr"}
	if lang := s.chosenLanguage(r); lang != "" {
		v.Lang = lang
	} else {
		_, i := language.MatchStrings(matcher, r.Header.Get("Accept-Language"))
		v.Lang = languages[i]
	}
	return v
}

// address is the visitor's, for limits.
func (v *visit) address() string { return v.s.Proxies.Address(v.r).String() }

const languageCookie = "langue"

func (s *Server) chosenLanguage(r *http.Request) call.Lang {
	c, err := r.Cookie(languageCookie)
	if err != nil || !slices.Contains(languages, call.Lang(c.Value)) {
		return ""
	}
	return call.Lang(c.Value)
}

// setLanguage keeps the language of a browser, and goes back to where it was.
func (v *visit) setLanguage() {
	lang := call.Lang(v.r.PostFormValue("langue"))
	if slices.Contains(languages, lang) {
		http.SetCookie(v.w, &http.Cookie{
			Name: languageCookie, Value: string(lang), Path: "/", MaxAge: 365 * 24 * 3600,
			HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: strings.HasPrefix(v.s.URL, "https://"),
		})
	}
	v.see(inside(v.r.PostFormValue("vers")), nil)
}

// inside is an address of the site, "/" for any other.
func inside(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\r\n") {
		return "/"
	}
	return to
}

// T is a text of the catalogue.
func (v *visit) T(id string, pairs ...any) string {
	t := text.Get(v.Lang, "admin."+id, pairs...)
	if v.Lang == "fr" {
		t = setApart.Replace(t)
	}
	return t
}

// setApart keeps the signs that French sets apart on the line of their word.
var setApart = strings.NewReplacer(" :", "\u00a0:", " ;", "\u00a0;", " ?", "\u00a0?", " !", "\u00a0!")

func (v *visit) CSS() string    { return cssPath }
func (v *visit) Script() string { return scriptPath }

// Themed says that the operator has a theme.
func (v *visit) Themed() bool { return v.s.Theme != nil }

func (v *visit) ReportCSS() string { return reportPath }

// Switches says that the account may switch sites on and off.
func (v *visit) Switches() bool { return v.Me.May(people.Publish) }

// Here is the address of the page, to come back to.
func (v *visit) Here() string {
	if v.r.Method != http.MethodGet {
		return v.r.URL.Path
	}
	return v.r.URL.RequestURI()
}

// OtherLang is the language that the page can be switched to.
func (v *visit) OtherLang() call.Lang { return languages[1-slices.Index(languages, v.Lang)] }

// OtherName is its name.
func (v *visit) OtherName() string { return text.Get(v.OtherLang(), "admin.language") }

// Service is the service's name.
func (v *visit) Service() string { return v.phrase(v.def.Name) }

// phrase takes a definition's text in the page's language, or in the service's first.
func (v *visit) phrase(t service.Text) string {
	if p, ok := t[v.Lang]; ok && p.Say != "" {
		return p.Say
	}
	for _, l := range v.def.Languages {
		if p, ok := t[l]; ok && p.Say != "" {
			return p.Say
		}
	}
	return ""
}

// queueName is a queue's label, or its id.
func (v *visit) queueName(id string) string {
	if q := v.def.Queues[id]; q != nil {
		if name := v.phrase(q.Label); name != "" {
			return name
		}
	}
	return id
}

// tab is an entry of the navigation.
type tab struct {
	Path, Name string
	Here       bool
}

// Tabs are the pages that whoever is signed in may see.
func (v *visit) Tabs() (all []tab) {
	for _, t := range []struct {
		path, id string
		right    people.Right
	}{
		{"/messages", "messages", people.SeeMessages},
		{"/plans", "plans", people.SeeMessages},
		{"/direct", "floor", people.SeeFloor},
		{"/indicateurs", "figures", people.SeeFigures},
		{"/service", "service", people.SeeService},
		{"/sites", "links", people.SeeFloor},
		{"/comptes", "people", people.SeePeople},
		{"/journal", "log", people.SeeLog},
	} {
		if v.SignedIn && v.Me.May(t.right) {
			all = append(all, tab{t.path, v.T("tab." + t.id), v.r.URL.Path == t.path || strings.HasPrefix(v.r.URL.Path, t.path+"/")})
		}
	}
	return all
}

// home is the first page that the account may see.
func (v *visit) home() {
	tabs := v.Tabs()
	if len(tabs) == 0 {
		v.stop(http.StatusForbidden, "nothing")
		return
	}
	v.see(tabs[0].Path, nil)
}

// ErrorOf is the error of a field, "" for none.
func (v *visit) ErrorOf(field string) string {
	for _, e := range v.Errors {
		if e.Field == field {
			return e.Text
		}
	}
	return ""
}

// wrong adds an error.
func (v *visit) wrong(field, id string, pairs ...any) {
	v.Errors = append(v.Errors, fieldError{field, v.T(id, pairs...)})
}

// faulty adds the error of a rule of accounts; ok is false for any other error.
func (v *visit) faulty(err error) (ok bool) {
	if f := new(people.Fault); errors.As(err, &f) {
		v.wrong(f.Field, "fault."+f.Rule)
		return true
	}
	return false
}

// render gives a page. A page with errors has the status 422.
func (v *visit) render(status int, name, title string) {
	v.Title = title
	if len(v.Errors) > 0 && status == http.StatusOK {
		status = http.StatusUnprocessableEntity
	}
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name, v); err != nil {
		v.s.Log.Error("a page could not be written", "page", name, "err", err)
		http.Error(v.w, v.T("broken.title"), http.StatusInternalServerError)
		return
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.Header().Set("Content-Language", string(v.Lang))
	v.w.WriteHeader(status)
	_, _ = v.w.Write(b.Bytes())
}

// stop gives a page that only tells something: texts "<id>.title" and "<id>.text".
func (v *visit) stop(status int, id string, pairs ...any) {
	v.Lines, v.Errors, v.Notice = append(v.Lines, v.T(id+".text", pairs...)), nil, ""
	if id != "foreign" { // another site's words are not shown as if they were somebody's here
		v.Unsaved = v.unsaved()
	}
	v.render(status, "message.html", v.T(id+".title"))
}

// fail answers for a failure of ours.
func (v *visit) fail(doing string, err error) {
	if errors.Is(v.r.Context().Err(), context.Canceled) {
		return // nobody waits for the answer
	}
	v.s.Log.Error("a page could not be given", "doing", doing, "err", err)
	v.stop(http.StatusServiceUnavailable, "broken")
}

// patience lets a request last longer than others: a recording that is sent over a slow line, figures that are counted
// one by one.
func (v *visit) patience(d time.Duration) {
	out := http.NewResponseController(v.w)
	if err := errors.Join(out.SetReadDeadline(v.now.Add(d)), out.SetWriteDeadline(v.now.Add(d+30*time.Second))); err != nil {
		v.s.Log.Warn("a request cannot be given more time", "err", err)
	}
}

// see leads on.
func (v *visit) see(path string, query url.Values) {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	http.Redirect(v.w, v.r, path, http.StatusSeeOther)
}

// told is what was done before this page was led to: the texts "told.<id>".
func (v *visit) told() {
	if id := v.r.URL.Query().Get("fait"); id != "" {
		if t := v.T("told." + id); t != "admin.told."+id {
			v.Notice = t
		}
	}
}

// logPatience bounds the writing of a line of the log.
const logPatience = 10 * time.Second

// log writes a line of the log, of what is done by now, also when whoever did it has gone; that it cannot is told, and
// stops nothing that was done.
func (v *visit) log(what, about, detail string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(v.r.Context()), logPatience)
	defer cancel()
	err := v.s.Accounts.Log(ctx, people.Act{At: v.now, Who: v.Me.Name, What: what, About: about, Detail: detail})
	if err != nil {
		v.s.Log.Error("what was done could not be written in the log", "what", what, "about", about, "by", v.Me.Name, "err", err)
	}
}

func (v *visit) zone() *time.Location {
	if v.def.Location == nil {
		return time.UTC
	}
	return v.def.Location
}

// when writes a moment: "aujourd'hui, 14 h 05".
func (v *visit) when(t time.Time) string {
	z := v.zone()
	return text.Day(v.Lang, t.In(z), v.now.In(z)) + ", " + text.Clock(v.Lang, t.In(z))
}
