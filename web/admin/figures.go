package admin

import (
	"bytes"
	"errors"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"decroche/call"
	"decroche/metrics"
	"decroche/metrics/report"
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
	r := report.Request{From: from, To: to.AddDate(0, 0, 1), By: metrics.DimNames[q.Get("par")], Step: metrics.Step(q.Get("pas")), Where: map[metrics.Dim]string{}, Lang: v.Lang}
	f := &figuresView{From: from.Format(time.DateOnly), To: to.Format(time.DateOnly)}
	f.By = append(f.By, choice{"", v.T("figures.whole"), q.Get("par") == ""})
	for _, name := range []string{"queue", "reason", "public", "language", "team"} {
		f.By = append(f.By, choice{name, text.Get(v.Lang, "report.by."+name), q.Get("par") == name})
	}
	for _, name := range []string{"", "day", "week", "month"} {
		f.Step = append(f.Step, choice{name, v.T("figures.step." + name), q.Get("pas") == name})
	}
	f.Where = v.filters(q, r.Where)
	return r, f
}

// filters are those of the service, as they are chosen.
func (v *visit) filters(q url.Values, where map[metrics.Dim]string) (all []filter) {
	for _, d := range []struct {
		name   string
		dim    metrics.Dim
		values []string
	}{
		{"queue", metrics.ByQueue, slices.Sorted(maps.Keys(v.def.Queues))},
		{"reason", metrics.ByReason, slices.Sorted(maps.Keys(v.def.Reasons))},
	} {
		one := filter{d.name, text.Get(v.Lang, "report.by."+d.name), []choice{{"", v.T("figures.all"), q.Get(d.name) == ""}}}
		for _, id := range d.values {
			one.Values = append(one.Values, choice{id, report.Label(v.def, d.dim, id, v.Lang), q.Get(d.name) == id})
			if q.Get(d.name) == id {
				where[d.dim] = id
			}
		}
		all = append(all, one)
	}
	return all
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
	r, f := v.asked()
	v.Figures = f
	rep, err := v.s.Reports().Page(v.r.Context(), r)
	if err != nil {
		v.unasked(err)
		return
	}
	var b bytes.Buffer
	if err := rep.Body(&b, func(indicator string) string { return "/indicateurs/contacts?" + v.query("indicateur", indicator) }); err != nil {
		v.fail("write the indicators", err)
		return
	}
	f.Body = template.HTML(b.String()) // the report's own page, escaped there
	for _, format := range []string{"xlsx", "csv", "json", "html"} {
		f.Exports = append(f.Exports, choice{"/indicateurs/export?" + v.query("format", format), v.T("figures.export." + format), false})
	}
	v.render(http.StatusOK, "figures.html", v.T("figures.title"))
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
	back := v.r.URL.Query()
	for _, own := range []string{"indicateur", "den", "apres"} {
		back.Del(own)
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
