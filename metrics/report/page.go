package report

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"slices"
	"time"

	"decroche/metrics"
	"decroche/service"
	"decroche/text"
)

// page is what the page shows beside the figures themselves.
type page struct {
	// Alarms are those of the daily audit: title, what was found, what to do.
	Alarms [][]string
	labels func(metrics.Dim, string) string
	Charts []*chart
	Days   []metrics.Days
	Costs  *metrics.Costs
	Access access
	// Before are the figures of a whole in the time of the same length before.
	Before map[string]Figure
}

// access is how deaf and hard-of-hearing callers were served.
type access struct {
	// Hours is the access' hours of opening as a share of the line's.
	Hours   float64
	Figures []Figure
	// Parity is what was seen, half-hour by half-hour; nil when nobody watched.
	Parity *metrics.Parity
}

// Page makes a report with all that the page shows: alarms and charts; and where the request keeps all contacts,
// days at target, costs and the access of deaf callers, which are those of the whole service. All of one time is asked
// in one go: what has to be counted from the contacts is counted once.
func (s Source) Page(ctx context.Context, r Request) (*Report, error) {
	step := stepOf(r)
	span := func(q metrics.Query) metrics.Query {
		q.From, q.To, q.Where = r.From, r.To, r.Where
		return q
	}
	lines, err := s.Figures.All(ctx, r.query(), span(metrics.Query{Step: step}), span(metrics.Query{Step: metrics.ByHour}), span(metrics.Query{By: metrics.ByQueue}), span(metrics.Query{By: metrics.ByReason}))
	if err != nil {
		return nil, err
	}
	out, err := s.of(r, lines[0])
	if err != nil {
		return nil, err
	}
	p := &page{labels: func(by metrics.Dim, value string) string { return s.Label(by, value, out.lang) }}
	p.Charts = charts(s.overTime(out, step, lines[1]), s.overHours(out, lines[2]), s.bars(out, lines[3], metrics.ByQueue, "decroche_agent", "chart.queues"),
		outcomes(out), s.bars(out, lines[4], metrics.ByReason, "received", "chart.reasons"))
	now := s.Now().In(s.Service.Location)
	today := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location())
	audited, err1 := s.Figures.Daily(ctx, today, s.Service.Indicators)
	var err2, err3 error
	p.Before, err2 = s.before(ctx, r)
	if len(r.Where) == 0 {
		err3 = s.whole(ctx, r, out, p)
	}
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	for _, a := range audited.Alarms {
		p.Alarms = append(p.Alarms, s.told(a, out))
	}
	out.page = p
	return out, nil
}

// whole adds what is of the whole service.
func (s Source) whole(ctx context.Context, r Request, out *Report, p *page) error {
	goals := s.Service.Indicators.Goals
	days, err1 := s.Figures.DaysAtGoal(ctx, metrics.Query{From: r.From, To: r.To}, goals, s.inTime)
	queues, err2 := s.Figures.DaysAtGoal(ctx, metrics.Query{From: r.From, To: r.To, By: metrics.ByQueue}, goals, s.inTime)
	p.Days = append(days, slices.DeleteFunc(queues, func(d metrics.Days) bool { return d.Value == "" })...)
	var err3, err4 error
	p.Costs, err3 = s.Figures.Costs(ctx, r.From, r.To, s.Service.Indicators.Costs, s.directorate)
	p.Access, err4 = s.access(ctx, r, out)
	return errors.Join(err1, err2, err3, err4)
}

// before makes the figures of a whole for the time of as many days before the request's.
func (s Source) before(ctx context.Context, r Request) (map[string]Figure, error) {
	if r.By != metrics.Whole || r.Step != metrics.WholeRange {
		return nil, nil
	}
	days := int(r.To.Sub(r.From).Round(24*time.Hour) / (24 * time.Hour))
	r.From, r.To = r.From.AddDate(0, 0, -days), r.From
	rep, err := s.Make(ctx, r)
	if err != nil {
		return nil, err
	}
	out := map[string]Figure{}
	for _, f := range rep.Figures {
		out[f.Indicator] = f
	}
	return out, nil
}

func (s Source) inTime(queue string) float64 {
	if q := s.Service.Queues[queue]; q != nil {
		return q.InTime.Share
	}
	return service.DefaultInTime.Share
}

func (s Source) directorate(reason string) string {
	if r := s.Service.Reasons[reason]; r != nil {
		return r.Directorate
	}
	return ""
}

// access gathers the figures of the publics that the access is for.
func (s Source) access(ctx context.Context, r Request, rep *Report) (access, error) {
	out := access{Hours: 1}
	if h := s.Service.Access.Hours; h != nil {
		if line := open(s.Service.Hours); line > 0 {
			out.Hours = float64(open(*h)) / float64(line)
		}
	}
	if end := s.Now().Truncate(metrics.HalfHour); s.Parity != nil && r.From.Before(end) {
		if r.To.Before(end) {
			end = r.To
		}
		seen, err := s.Parity(ctx, r.From.Truncate(metrics.HalfHour), end)
		if err != nil {
			return out, err
		}
		out.Parity = &seen
	}
	lines, err := s.Figures.Lines(ctx, metrics.Query{From: r.From, To: r.To, By: metrics.ByPublic})
	for _, l := range lines {
		if l.Value != "deaf" && l.Value != "relay" {
			continue
		}
		for _, id := range []string{"received", "decroche_agent", "asa", "dmt"} {
			i, _ := metrics.IndicatorOf(id)
			out.Figures = append(out.Figures, s.figure(l, i, Request{By: metrics.ByPublic, Lang: rep.lang}, rep.Made))
		}
	}
	return out, err
}

// open is how many minutes a week has.
func open(h service.Hours) (minutes int) {
	for _, day := range h.Week {
		for _, r := range day {
			minutes += r.To - r.From
		}
	}
	return minutes
}

// told is an alarm as people read it: what was found, and what to do.
func (s Source) told(a metrics.Alarm, r *Report) []string {
	where := text.Get(r.lang, "alarm.service")
	if a.Queue != "" {
		where = text.Get(r.lang, "alarm.queue", "queue", Label(s.Service, metrics.ByQueue, a.Queue, r.lang))
	}
	moved := func(list []metrics.Move) (words string) {
		for i, m := range list {
			if i > 0 {
				words += text.Get(r.lang, "alarm.and")
			}
			ind, _ := metrics.IndicatorOf(m.Indicator)
			words += text.Get(r.lang, "alarm.moved."+m.Indicator, "before", written(r.lang, ind.Unit, m.Before.Value), "now", written(r.lang, ind.Unit, m.Now.Value))
		}
		return words
	}
	share := func(v float64) string { return written(r.lang, metrics.Share, v) }
	id := "alarm." + string(a.Kind)
	return []string{
		text.Get(r.lang, id+".title"),
		text.Get(r.lang, id, "where", where, "n", a.N, "value", share(a.Value), "low", share(a.Low), "high", share(a.High), "limit", share(a.Limit),
			"since", day(r.lang, a.Since.In(r.zone)), "until", day(r.lang, a.Until.In(r.zone).AddDate(0, 0, -1)), "better", moved(a.Better), "worse", moved(a.Worse)),
		text.Get(r.lang, id+".do"),
	}
}

// stepOf is the period of the chart over time.
func stepOf(r Request) metrics.Step {
	switch span := r.To.Sub(r.From); {
	case span > 400*24*time.Hour:
		return metrics.ByMonth
	case span > 70*24*time.Hour:
		return metrics.ByWeek
	}
	return metrics.ByDay
}

// charts are those of the page that have something to show: over time, over the hours of a day, and by what people ask.
func charts(all ...*chart) []*chart {
	all = slices.DeleteFunc(all, func(c *chart) bool { return len(c.Labels) == 0 })
	for i, c := range all {
		c.ID = fmt.Sprint("chart-", i+1)
	}
	return all
}

func (s Source) overTime(rep *Report, step metrics.Step, lines []metrics.Line) *chart {
	t := func(id string, pairs ...any) string { return text.Get(rep.lang, id, pairs...) }
	c := &chart{
		Title: t("report.chart.decroche", "period", t("report.chart.by."+string(step))), Kind: lined, Unit: metrics.Share, lang: rep.lang, Top: 1,
		Series: []series{{Name: t("report.chart.decroche.agent")}, {Name: t("report.chart.decroche.global")}},
		Goals:  []float64{s.Service.Indicators.Goals.Answered, s.Service.Indicators.Goals.Excellent},
		Axis:   t("report.period"),
	}
	part := &Report{Step: string(step), zone: rep.zone}
	for _, l := range lines {
		agent, _ := metrics.IndicatorOf("decroche_agent")
		global, _ := metrics.IndicatorOf("decroche_global")
		a, g := agent.Of(l.Cell), global.Of(l.Cell)
		if !a.Known && !g.Known {
			continue
		}
		c.Labels = append(c.Labels, part.period(Figure{From: l.From}))
		c.Short = append(c.Short, briefly(rep.lang, step, l.From.In(rep.zone)))
		c.Series[0].add(a)
		c.Series[1].add(g)
	}
	return c
}

func (s Source) overHours(rep *Report, lines []metrics.Line) *chart {
	c := &chart{
		Title: text.Get(rep.lang, "report.chart.hours"), Kind: upright, Unit: metrics.Number, lang: rep.lang, Axis: text.Get(rep.lang, "report.hour"),
		Series: []series{{Name: text.Get(rep.lang, "report.chart.hours.requested")}, {Name: text.Get(rep.lang, "report.chart.hours.answered")}},
	}
	var asked, answered [24]int64
	first, last := 24, -1
	for _, l := range lines {
		h := l.From.In(rep.zone).Hour()
		asked[h] += l.Cell.N(metrics.Asked)
		answered[h] += l.Cell.N(metrics.AnsweredCalls)
		if asked[h] > 0 {
			first, last = min(first, h), max(last, h)
		}
	}
	for h := first; h <= last; h++ {
		c.Labels = append(c.Labels, text.Clock(rep.lang, time.Date(2000, 1, 1, h, 0, 0, 0, time.UTC)))
		c.Series[0].Points = append(c.Series[0].Points, point{float64(asked[h]), true})
		c.Series[1].Points = append(c.Series[1].Points, point{float64(answered[h]), true})
	}
	return c
}

// mostBars is how many values a chart of bars has room for.
const mostBars = 12

func (s Source) bars(rep *Report, lines []metrics.Line, by metrics.Dim, indicator, title string) *chart {
	i, _ := metrics.IndicatorOf(indicator)
	c := &chart{
		Title: text.Get(rep.lang, "report."+title), Kind: lying, Unit: i.Unit, lang: rep.lang, Axis: text.Get(rep.lang, "report.by."+by.String()),
		Series: []series{{Name: nameOf(rep.lang, indicator)}},
	}
	if i.Unit == metrics.Share {
		c.Top, c.Goals = 1, []float64{s.Service.Indicators.Goals.Answered}
	}
	slices.SortStableFunc(lines, func(a, b metrics.Line) int {
		return compare(b.Cell.N(metrics.Received), a.Cell.N(metrics.Received))
	})
	for _, l := range lines {
		f := i.Of(l.Cell)
		if !f.Known || by == metrics.ByQueue && l.Value == "" || len(c.Labels) == mostBars {
			continue
		}
		c.Labels = append(c.Labels, Label(s.Service, by, l.Value, rep.lang))
		c.Series[0].add(f)
	}
	return c
}

// outcomes draws what became of contacts, from the report's own figures when they are of a whole.
func outcomes(rep *Report) *chart {
	c := &chart{
		Title: text.Get(rep.lang, "report.chart.outcomes"), Kind: lying, Unit: metrics.Number, lang: rep.lang, Axis: text.Get(rep.lang, "report.indicator"),
		Series: []series{{Name: text.Get(rep.lang, "report.contacts")}},
	}
	if rep.By != "" || rep.Step != "" {
		return c
	}
	for _, f := range rep.Figures {
		if len(f.Indicator) > 8 && f.Indicator[:8] == "outcome_" && f.Num > 0 {
			c.Labels = append(c.Labels, f.Name)
			c.Series[0].Points = append(c.Series[0].Points, point{float64(f.Num), true})
		}
	}
	return c
}

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// HTML writes the page: one file, which needs nothing else, and prints on A4. The report is one
// of Source.Page.
func (r *Report) HTML(w io.Writer) error {
	return pageTemplate.Execute(w, view{r, r.page, nil})
}

// Body writes what is in the page below its heading, for a site that has its own; the report is one of
// Source.Page. opens gives the address of the contacts that a figure counts.
func (r *Report) Body(w io.Writer, opens func(Figure) string) error {
	return pageTemplate.ExecuteTemplate(w, "body", view{r, r.page, opens})
}

// Style is that of the page, for what is inside an element of a class.
func Style(class string) string { return "." + class + " {\n" + pageStyle + "}\n" }
