// Package report makes the figures of a time fit to be read: by managers on a page, in a terminal and in a
// spreadsheet, and by machines. Every rate has its numerator and denominator beside it, with
// the settings it was computed with; a figure that later calls can still change says so.
package report

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"decroche/call"
	"decroche/metrics"
	"decroche/service"
	"decroche/text"
)

// Request says what a report is about.
type Request struct {
	// From and To bound it: contacts that arrived in [From, To), which begin and end at a quarter of
	// an hour.
	From, To time.Time
	// By breaks figures down by a dimension, Step by periods; they are nothing by default.
	By   metrics.Dim
	Step metrics.Step
	// Where keeps the contacts of some values.
	Where map[metrics.Dim]string
	// Indicators are those shown, by ID; none is all of them.
	Indicators []string
	// Lang is the language of names; French by default.
	Lang call.Lang
}

// Source is where a report comes from.
type Source struct {
	Figures *metrics.Figures
	Service *service.Definition
	Now     func() time.Time
	// Parity compares the hours of the access for deaf callers with those of the line, in whole
	// half-hours; nil: only the hours of the definition are compared.
	Parity func(ctx context.Context, from, to time.Time) (metrics.Parity, error)
	// Agent is an agent's name, "" for who is not known any more; nil: agents are named by their numbers.
	Agent func(id string) string
}

// Report is the figures of a time. Its JSON has the names of the HTTP interface.
type Report struct {
	Service  string      `json:"service"`
	Name     string      `json:"name"`
	From     time.Time   `json:"from"`
	To       time.Time   `json:"to"`
	By       string      `json:"by,omitempty"`
	Step     string      `json:"step,omitempty"`
	Where    []Condition `json:"where,omitempty"`
	Made     time.Time   `json:"made"`
	Settings Settings    `json:"settings"`
	// Figures are by value of the dimension, then by period, then in the order of
	// metrics.Indicators.
	Figures []Figure `json:"figures"`

	lang call.Lang
	zone *time.Location
	// page is what the page shows beside the figures; see page.go.
	page *page
}

// Condition is a value that contacts must have.
type Condition struct {
	Dimension string `json:"dimension"`
	Value     string `json:"value"`
}

// Settings are the thresholds that figures were computed with, in seconds and shares.
type Settings struct {
	ShortAbandonS float64            `json:"short_abandon_s"`
	ReconnectS    float64            `json:"reconnect_s"`
	SelfServiceS  float64            `json:"self_service_s"`
	InTimeS       map[string]float64 `json:"in_time_s"` // by queue
	Goal          float64            `json:"goal_answered"`
	Excellent     float64            `json:"goal_excellent"`
}

// Figure is an indicator of one value and period.
type Figure struct {
	Indicator string    `json:"indicator"`
	Name      string    `json:"name"`
	Value     string    `json:"value,omitempty"` // of the dimension
	Label     string    `json:"label,omitempty"` // its name for people
	From      time.Time `json:"from"`
	To        time.Time `json:"to"`
	Num       int64     `json:"num"`
	Den       int64     `json:"den,omitempty"`
	// Figure is in the unit; nil when there is nothing to divide by.
	Figure *float64     `json:"figure"`
	Unit   metrics.Unit `json:"unit"`
	// Final is false while contacts to come can still change it.
	Final bool `json:"final"`
}

// Make makes a report. It fails with metrics.ErrQuery for what cannot be asked.
func (s Source) Make(ctx context.Context, r Request) (*Report, error) {
	lines, err := s.Figures.Lines(ctx, r.query())
	if err != nil {
		return nil, err
	}
	return s.of(r, lines)
}

// query is what the report's own figures are.
func (r Request) query() metrics.Query {
	return metrics.Query{From: r.From, To: r.To, By: r.By, Step: r.Step, Where: r.Where, Percentiles: true}
}

// of writes a report of figures.
func (s Source) of(r Request, lines []metrics.Line) (*Report, error) {
	if r.Lang == "" {
		r.Lang = "fr"
	}
	chosen, err := choose(r.Indicators)
	if err != nil {
		return nil, err
	}
	now := s.Now()
	out := &Report{
		Service: s.Service.ID, Name: s.Service.Name[r.Lang].Say, From: r.From, To: r.To, Made: now, Step: string(r.Step),
		Settings: settingsOf(s.Service), lang: r.Lang, zone: s.Service.Location, Figures: []Figure{},
	}
	if r.By != metrics.Whole {
		out.By = r.By.String()
	}
	for d, v := range r.Where {
		out.Where = append(out.Where, Condition{d.String(), v})
	}
	slices.SortFunc(out.Where, func(a, b Condition) int { return compare(a.Dimension, b.Dimension) })
	if len(lines) == 0 && r.By == metrics.Whole && r.Step == metrics.WholeRange { // nothing happened, and that is a report too
		lines = []metrics.Line{{From: r.From, To: r.To, Cell: new(metrics.Cell)}}
	}
	for _, l := range lines {
		for _, i := range chosen {
			out.Figures = append(out.Figures, s.figure(l, i, r, now))
		}
	}
	return out, nil
}

func (s Source) figure(l metrics.Line, i metrics.Indicator, r Request, now time.Time) Figure {
	f := i.Of(l.Cell)
	out := Figure{
		Indicator: i.ID, Name: nameOf(r.Lang, i.ID), Value: l.Value, From: l.From, To: l.To,
		Num: f.Num, Den: f.Den, Unit: i.Unit, Final: l.Final(i, now),
	}
	if r.By != metrics.Whole {
		out.Label = s.Label(r.By, l.Value, r.Lang)
	}
	if f.Known {
		out.Figure = &f.Value
	}
	return out
}

// Label is the name for people of a dimension's value, an agent's too.
func (s Source) Label(by metrics.Dim, value string, lang call.Lang) string {
	name := ""
	if by == metrics.ByAgent && s.Agent != nil {
		name = s.Agent(value)
	}
	return cmp.Or(name, Label(s.Service, by, value, lang))
}

func choose(ids []string) (chosen []metrics.Indicator, err error) {
	if len(ids) == 0 {
		return metrics.Indicators, nil
	}
	for _, id := range ids {
		i, ok := metrics.IndicatorOf(id)
		if !ok {
			return nil, fmt.Errorf("%w: there is no indicator %q; docs/indicators.md lists them", metrics.ErrQuery, id)
		}
		chosen = append(chosen, i)
	}
	return chosen, nil
}

func settingsOf(def *service.Definition) Settings {
	in := def.Indicators
	out := Settings{
		ShortAbandonS: in.ShortAbandon.Seconds(), ReconnectS: in.Reconnect.Seconds(), SelfServiceS: in.SelfService.Seconds(),
		InTimeS: map[string]float64{}, Goal: in.Goals.Answered, Excellent: in.Goals.Excellent,
	}
	for id, q := range def.Queues {
		out.InTimeS[id] = q.InTime.Within.Seconds()
	}
	return out
}

// nameOf is an indicator's name for people.
func nameOf(lang call.Lang, id string) string { return text.Get(lang, "indicator."+id) }

// Label is the name for people of a dimension's value.
func Label(def *service.Definition, by metrics.Dim, value string, lang call.Lang) string {
	label := ""
	switch by {
	case metrics.ByQueue:
		if q := def.Queues[value]; q != nil {
			label = q.Label[lang].Say
		}
	case metrics.ByReason:
		if r := def.Reasons[value]; r != nil {
			label = r.Label[lang].Say
		}
	case metrics.ByPublic, metrics.ByLanguage:
		if id := "report." + by.String() + "." + value; text.Get(lang, id) != id {
			label = text.Get(lang, id)
		}
	case metrics.ByService:
		if value == def.ID {
			label = def.Name[lang].Say
		}
	}
	switch {
	case label != "":
		return label
	case value == "":
		return text.Get(lang, "report.none")
	}
	return value
}
