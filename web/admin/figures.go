package admin

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"decroche/call"
	"decroche/metrics"
	"decroche/metrics/report"
	"decroche/people"
	"decroche/service"
	"decroche/text"
)

// figuresView is the page of the indicators: what is asked, and the report.
type figuresView struct {
	From, To    string // days, both in it
	By, Step    []choice
	Where       []filter
	Body        template.HTML
	Exports     []choice
	Contacts    []contactRow
	Counted     string
	Back, Older string
}

// filter keeps the contacts of one value of a dimension.
type filter struct {
	Name, Label string
	Values      []choice
}

type contactRow struct {
	When, Queue, Reason, Public, Outcome, Wait, Talk, Agents string
	ID                                                       string
}

// longestSpan bounds what a page may ask for.
const longestSpan = 5 * 366 * 24 * time.Hour

// asked reads the filters of the address; what is wrong is added to the errors, and then its
// place is taken by what is usual: this month.
func (v *visit) asked() (report.Request, *figuresView) {
	q, z := v.r.URL.Query(), v.zone()
	now := v.now.In(z)
	from := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, z)
	to := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, z)
	for _, d := range []struct {
		field string
		into  *time.Time
	}{{"du", &from}, {"au", &to}} {
		if q.Get(d.field) == "" {
			continue
		}
		day, err := time.ParseInLocation(time.DateOnly, q.Get(d.field), z)
		if err != nil {
			v.wrong(d.field, "figures.error.day")
			continue
		}
		*d.into = day
	}
	if to.Before(from) || to.Sub(from) > longestSpan {
		v.wrong("au", "figures.error.span")
		to = from
	}
	r := report.Request{From: from, To: to.AddDate(0, 0, 1), By: metrics.Whole, Step: metrics.Step(q.Get("pas")), Where: map[metrics.Dim]string{}, Lang: v.Lang}
	f := &figuresView{From: from.Format(time.DateOnly), To: to.Format(time.DateOnly)}
	f.By = append(f.By, choice{"", v.T("figures.whole"), true})
	src := v.s.Reports()
	for _, d := range v.dimensions() {
		chosen := q.Get("par") == d.name
		if chosen {
			r.By, f.By[0].Chosen = d.dim, false
		}
		f.By = append(f.By, choice{d.name, text.Get(v.Lang, "report.by."+d.name), chosen})
		f.Where = append(f.Where, v.filter(src, d, r.Where))
	}
	for _, s := range pageSteps {
		f.Step = append(f.Step, choice{string(s.step), v.T("figures.step." + string(s.step)), r.Step == s.step})
	}
	v.moments(&r)
	return r, f
}

// moments narrows what is asked to the part of a day that a figure is of.
func (v *visit) moments(r *report.Request) {
	q := v.r.URL.Query()
	from, err1 := time.Parse(time.RFC3339, q.Get("debut"))
	to, err2 := time.Parse(time.RFC3339, q.Get("fin"))
	if err1 == nil && err2 == nil && from.Before(to) && to.Sub(from) <= longestSpan {
		r.From, r.To = from.In(v.zone()), to.In(v.zone())
	}
}

// pageSteps are the periods that a page may be broken down by, and how long one is.
var pageSteps = []struct {
	step metrics.Step
	long time.Duration
}{
	{metrics.WholeRange, 0},
	{metrics.ByQuarter, 15 * time.Minute},
	{metrics.ByHour, time.Hour},
	{metrics.ByDay, 24 * time.Hour},
	{metrics.ByWeek, 7 * 24 * time.Hour},
	{metrics.ByMonth, 30 * 24 * time.Hour},
	{metrics.ByYear, 365 * 24 * time.Hour},
}

// mostPeriods is how many periods a page has room for; files have room for all.
const mostPeriods = 200

// tooFine says that the page would have more periods than it has room for.
func tooFine(r report.Request) bool {
	for _, s := range pageSteps {
		if s.step == r.Step && s.long > 0 {
			return r.To.Sub(r.From)/s.long > mostPeriods
		}
	}
	return false
}

// dimension is what figures are broken down by, and filtered.
type dimension struct {
	name   string
	dim    metrics.Dim
	values []string
}

// dimensions are those that the account may see.
func (v *visit) dimensions() []dimension {
	var numbers, languages []string
	for _, n := range v.def.Numbers {
		numbers = append(numbers, string(n.Number))
	}
	for _, l := range v.def.Languages {
		languages = append(languages, string(l))
	}
	teams, agents := map[string]bool{}, map[string]bool{}
	for _, a := range v.s.Floor.Agents() {
		agents[string(a.ID)] = true
		if a.Team != "" {
			teams[a.Team] = true
		}
	}
	all := []dimension{
		{"queue", metrics.ByQueue, slices.Sorted(maps.Keys(v.def.Queues))},
		{"reason", metrics.ByReason, slices.Sorted(maps.Keys(v.def.Reasons))},
		{"public", metrics.ByPublic, service.Publics()},
		{"number", metrics.ByNumber, numbers},
		{"language", metrics.ByLanguage, languages},
		{"team", metrics.ByTeam, slices.Sorted(maps.Keys(teams))},
	}
	if v.Me.May(people.SeeAgents) {
		all = append(all, dimension{"agent", metrics.ByAgent, slices.Sorted(maps.Keys(agents))})
	}
	return all
}

// nothing, in an address, is the value of contacts that have none.
const nothing = "-"

// filter is that of a dimension, as it is chosen. A value that is of the past alone is one too.
func (v *visit) filter(src report.Source, d dimension, where map[metrics.Dim]string) filter {
	asked := v.r.URL.Query().Get(d.name)
	one := filter{d.name, text.Get(v.Lang, "report.by."+d.name), []choice{{"", v.T("figures.all"), asked == ""}}}
	values := d.values
	if asked != "" && !slices.Contains(values, asked) {
		values = append(slices.Clone(values), asked)
	}
	for _, id := range values {
		value := id
		if id == nothing {
			value = ""
		}
		if asked == id {
			where[d.dim] = value
		}
		name := src.Label(d.dim, value, v.Lang)
		if d.dim == metrics.ByNumber && value != "" {
			name = call.Number(value).Spoken()
		}
		one.Values = append(one.Values, choice{id, name, asked == id})
	}
	return one
}

// opens gives the address of the contacts that a figure of the page counts.
func (v *visit) opens(r report.Request) func(report.Figure) string {
	return func(f report.Figure) string {
		q := v.r.URL.Query()
		q.Set("retour", v.r.URL.RawQuery)
		q.Set("indicateur", f.Indicator)
		if r.By != metrics.Whole {
			q.Set(r.By.String(), cmp.Or(f.Value, nothing))
		}
		if r.Step != metrics.WholeRange {
			q.Set("debut", f.From.In(v.zone()).Format(time.RFC3339))
			q.Set("fin", f.To.In(v.zone()).Format(time.RFC3339))
		}
		return "/indicateurs/contacts?" + q.Encode()
	}
}

// query is the address of the filters, with others.
func (v *visit) query(set ...string) string {
	q := v.r.URL.Query()
	for i := 0; i+1 < len(set); i += 2 {
		q.Set(set[i], set[i+1])
	}
	return q.Encode()
}

func (v *visit) showFigures() {
	v.patience(countPatience)
	r, f := v.asked()
	v.Figures = f
	if tooFine(r) { // the files below have it all
		v.wrong("pas", "figures.error.fine")
		r.Step = metrics.WholeRange
	}
	key := fmt.Sprint(v.Lang, v.Me.May(people.SeeAgents), r.Step, v.now.In(v.zone()).Format(time.DateOnly), v.r.URL.RawQuery)
	body, err := v.s.made.page(key, func() ([]byte, error) {
		rep, err := v.s.Reports().Page(v.r.Context(), r)
		if err != nil {
			return nil, err
		}
		var b bytes.Buffer
		err = rep.Body(&b, v.opens(r))
		return b.Bytes(), err
	})
	if err != nil {
		v.unasked(err)
		return
	}
	f.Body = template.HTML(body) // the report's own page, escaped there
	for _, format := range []string{"xlsx", "csv", "json", "html"} {
		f.Exports = append(f.Exports, choice{"/indicateurs/export?" + v.query("format", format), v.T("figures.export." + format), false})
	}
	v.render(http.StatusOK, "figures.html", v.T("figures.title"))
}

// madePages are reports as they were written a moment ago: of those who look at the same at once, and of one who asks
// again and again, each is made once.
type madePages struct {
	mu  sync.Mutex
	all map[string]*madePage
}

type madePage struct {
	mu   sync.Mutex
	at   time.Time
	body []byte
}

const (
	// madeFresh is how old a report may be, mostMade bounds how many are kept.
	madeFresh = 5 * time.Second
	mostMade  = 50
)

// page gives a report, made now if none is fresh.
func (m *madePages) page(key string, write func() ([]byte, error)) ([]byte, error) {
	m.mu.Lock()
	if m.all == nil || len(m.all) >= mostMade {
		m.all = map[string]*madePage{}
	}
	p := m.all[key]
	if p == nil {
		p = new(madePage)
		m.all[key] = p
	}
	m.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.at) < madeFresh {
		return p.body, nil
	}
	body, err := write()
	if err == nil {
		p.at, p.body = time.Now(), body
	}
	return body, err
}

// unasked answers for what cannot be asked, and for a failure.
func (v *visit) unasked(err error) {
	if errors.Is(err, metrics.ErrQuery) {
		v.stop(http.StatusBadRequest, "unasked")
		return
	}
	v.fail("make the indicators", err)
}

func (v *visit) exportFigures() {
	v.patience(countPatience)
	r, _ := v.asked()
	if len(v.Errors) > 0 {
		v.stop(http.StatusBadRequest, "unasked")
		return
	}
	ctx, format := v.r.Context(), v.r.URL.Query().Get("format")
	src := v.s.Reports()
	var b bytes.Buffer
	rep, err := src.Make(ctx, r)
	if format == "html" && err == nil {
		rep, err = src.Page(ctx, r)
	}
	kind := ""
	if err == nil {
		switch format {
		case "xlsx":
			kind, err = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", rep.XLSX(&b)
		case "csv":
			kind, err = "text/csv; charset=utf-8", rep.CSV(&b)
		case "json":
			kind, err = "application/json", rep.JSON(&b)
		case "html":
			kind, err = "text/html; charset=utf-8", rep.HTML(&b)
		default:
			v.stop(http.StatusNotFound, "missing")
			return
		}
	}
	if err != nil {
		v.unasked(err)
		return
	}
	name := "indicateurs-" + r.From.Format(time.DateOnly) + "-" + r.To.AddDate(0, 0, -1).Format(time.DateOnly) + "." + format
	v.w.Header().Set("Content-Type", kind)
	v.w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	_, _ = v.w.Write(b.Bytes())
	v.log("figures.exported", name, "")
}

// contactsPage is how many contacts a page has.
const contactsPage = 50

// showContacts opens a figure on the contacts that it counts.
func (v *visit) showContacts() {
	r, f := v.asked()
	q := v.r.URL.Query()
	after, _ := strconv.ParseInt(q.Get("apres"), 10, 64)
	page, next, err := v.s.Reports().Open(v.r.Context(), r, q.Get("indicateur"), q.Get("den") != "", after, contactsPage)
	if err != nil || len(v.Errors) > 0 {
		v.unasked(errors.Join(err, metrics.ErrQuery))
		return
	}
	v.Figures = f
	f.Counted = text.Get(v.Lang, "indicator."+q.Get("indicateur"))
	back, err := url.ParseQuery(q.Get("retour"))
	if err != nil {
		back = nil
	}
	f.Back = "/indicateurs?" + back.Encode()
	for _, c := range page {
		f.Contacts = append(f.Contacts, v.contactRow(c))
	}
	if next != 0 {
		f.Older = "/indicateurs/contacts?" + v.query("apres", strconv.FormatInt(next, 10))
	}
	v.render(http.StatusOK, "contacts.html", f.Counted)
}

func (v *visit) contactRow(c report.Opened) contactRow {
	outcome := text.Get(v.Lang, "indicator.outcome_"+c.Outcome)
	if strings.HasPrefix(outcome, "indicator.") {
		outcome = c.Outcome
	}
	lasting := func(s float64) string { return v.lasted(time.Duration(s * float64(time.Second))) }
	return contactRow{
		When: v.when(c.Arrived), Queue: report.Label(v.def, metrics.ByQueue, c.Queue, v.Lang), Reason: report.Label(v.def, metrics.ByReason, c.Reason, v.Lang),
		Public: report.Label(v.def, metrics.ByPublic, c.Public, v.Lang), Outcome: outcome, Wait: lasting(c.WaitS), Talk: lasting(c.TalkS),
		Agents: strings.Join(c.Agents, ", "), ID: string(c.Contact),
	}
}

// contactView is one contact, with what happened.
type contactView struct {
	contactRow
	Facts []factRow
}

type factRow struct{ When, Kind, Data string }

func (v *visit) showContact() {
	id := call.ID(v.r.PathValue("id"))
	facts, err := v.s.Facts(v.r.Context(), id)
	if err != nil {
		v.fail("read a contact", err)
		return
	}
	if len(facts) == 0 {
		v.stop(http.StatusNotFound, "missing")
		return
	}
	v.Contact = &contactView{contactRow: contactRow{ID: string(id)}}
	for _, e := range facts {
		v.Contact.Facts = append(v.Contact.Facts, factRow{e.At.In(v.zone()).Format("02/01/2006 15:04:05.0"), string(e.Kind), string(e.Data)})
	}
	v.render(http.StatusOK, "contact.html", v.T("contact.title"))
}
