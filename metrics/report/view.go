package report

import (
	"html/template"
	"time"

	"decroche/metrics"
	"decroche/text"
)

// view is the report as the page's template asks for it.
type view struct {
	*Report
	*page
	opens func(Figure) string
}

// Style is that of the page by itself.
func (v view) Style() template.CSS { return template.CSS(pageStyle) }

// Opens is the address of the contacts that a figure counts, "" where there is none.
func (v view) Opens(f Figure) string {
	i, ok := metrics.IndicatorOf(f.Indicator)
	if v.opens == nil || !ok || i.Percentile() || f.Num == 0 {
		return ""
	}
	return v.opens(f)
}

// T is a text of the report.
func (v view) T(id string, pairs ...any) string { return text.Get(v.lang, "report."+id, pairs...) }

func (v view) Lang() string { return string(v.lang) }
func (v view) Span() string { return v.span() }
func (v view) When() string {
	at := v.Made.In(v.zone)
	return day(v.lang, at) + ", " + text.Clock(v.lang, at)
}
func (v view) Thresholds() []string { return v.thresholds() }
func (v view) Broken() bool         { return v.By != "" || v.Step != "" }
func (v view) Compared() bool       { return len(v.Before) > 0 }
func (v view) Empty() bool          { return len(v.Figures) == 0 }
func (v view) Provisional() bool    { return !v.final() }

// Conditions are those of the request, as people call their values.
func (v view) Conditions() (all []Condition) {
	for _, c := range v.Where {
		all = append(all, Condition{c.Dimension, v.labels(metrics.DimNames[c.Dimension], c.Value)})
	}
	return all
}

// shown is a figure with its words.
type shown struct {
	Figure
	Is, Text, Count string
	// Before is the figure of the time before, "" when there was none.
	Before string
}

// Detail is what a figure was made of; of a plain number, which opens on its contacts too, itself.
func (s shown) Detail() string {
	if s.Count == "" && s.Num > 0 {
		return s.Text
	}
	return s.Count
}

func (v view) show(f Figure) shown {
	out := shown{Figure: f, Is: text.Get(v.lang, "indicator."+f.Indicator+".is"), Text: f.Written(v.lang), Count: f.counts()}
	if b, ok := v.Before[f.Indicator]; ok && b.Figure != nil {
		out.Before = b.Written(v.lang)
	}
	return out
}

// Tile is one of the few figures that are read first.
type Tile struct {
	shown
	Goal string
	// Met is "met", "missed" or "".
	Met string
}

var tileIDs = []string{"decroche_agent", "decroche_global", "in_time", "asa", "abandoned", "promises_kept", "repeated_7d", "satisfaction_overall"}

// Tiles are those of a whole.
func (v view) Tiles() (tiles []Tile) {
	if v.Broken() {
		return nil
	}
	for _, id := range tileIDs {
		for _, f := range v.Figures {
			if f.Indicator != id {
				continue
			}
			t := Tile{shown: v.show(f)}
			if t.Before != "" {
				t.Before = v.T("before", "figure", t.Before)
			}
			if id == "decroche_agent" && f.Figure != nil {
				t.Goal, t.Met = v.T("goal", "goal", written(v.lang, metrics.Share, v.Settings.Goal)), "missed"
				if *f.Figure >= v.Settings.Goal {
					t.Met = "met"
				}
			}
			tiles = append(tiles, t)
		}
	}
	return tiles
}

// Part is a section of the page.
type Part struct {
	Title, Note string
	Figures     []shown
}

// Parts are the sections of a whole.
func (v view) Parts() (parts []Part) {
	by := map[string]Figure{}
	for _, f := range v.Figures {
		by[f.Indicator] = f
	}
	for _, s := range sections {
		p := Part{Title: v.T("section." + s.id)}
		if note := v.T("section." + s.id + ".note"); note != "report.section."+s.id+".note" {
			p.Note = note
		}
		for _, id := range s.indicators {
			if f, ok := by[id]; ok {
				p.Figures = append(p.Figures, v.show(f))
			}
		}
		if len(p.Figures) > 0 {
			parts = append(parts, p)
		}
	}
	return parts
}

// Table is the figures broken down: what columns say, and rows.
type Table struct {
	Head []string
	Rows [][]string
}

// Broken is the figures broken down: what columns say, and a row for each value and period.
type Broken struct {
	Head, Names []string // of what a row is about, and of its indicators
	Rows        []BrokenRow
}

// BrokenRow is what a row is about, and its figures.
type BrokenRow struct {
	About []string
	Cells []Figure
}

// Breakdown has a row for each value and period.
func (v view) Breakdown() (t Broken) {
	if v.By != "" {
		t.Head = append(t.Head, v.T("by."+v.By))
	}
	if v.Step != "" {
		t.Head = append(t.Head, v.T("period"))
	}
	for i, row := range v.rows() {
		r := BrokenRow{Cells: row}
		if v.By != "" {
			r.About = append(r.About, row[0].Label)
		}
		if v.Step != "" {
			r.About = append(r.About, v.period(row[0]))
		}
		for _, f := range row {
			if i == 0 {
				t.Names = append(t.Names, f.Name)
			}
		}
		t.Rows = append(t.Rows, r)
	}
	return t
}

// Text is a figure as the table has it.
func (v view) Text(f Figure) string { return f.Written(v.lang) + mark(f) }

// GoalTable has the days at target.
func (v view) GoalTable() (t Table) {
	share := func(s float64) string { return written(v.lang, metrics.Share, s) }
	t.Head = []string{v.T("by.queue"), v.T("open_days"), v.T("at_goal", "goal", share(v.Settings.Goal)), v.T("at_goal", "goal", share(v.Settings.Excellent)), v.T("in_time_days")}
	of := func(n, all int) string {
		if all == 0 {
			return v.T("unknown")
		}
		return number(v.lang, float64(n), 0) + " (" + share(float64(n)/float64(all)) + ")"
	}
	for _, d := range v.Days {
		label := v.T("total")
		if d.Value != "" {
			label = v.labels(metrics.ByQueue, d.Value)
		}
		t.Rows = append(t.Rows, []string{label, number(v.lang, float64(d.Open), 0), of(d.Answered, d.Open), of(d.Excellent, d.Open), of(d.InTime, d.InTimeOpen)})
	}
	return t
}

// CostTable has the costs by reason.
func (v view) CostTable() Table { return v.costs(metrics.ByReason, v.Costs.ByReason) }

// DirectorateTable has them by directorate.
func (v view) DirectorateTable() Table { return v.costs(metrics.Whole, v.Costs.ByDirectorate) }

func (v view) costs(by metrics.Dim, list []metrics.Cost) (t Table) {
	name := v.T("directorate")
	if by != metrics.Whole {
		name = v.T("by.reason")
	}
	t.Head = []string{name, v.T("contacts"), v.T("cost_total"), v.T("cost_per_call")}
	row := func(label string, c metrics.Cost) {
		each := v.T("unknown")
		if e, ok := c.PerCall(); ok {
			each = written(v.lang, metrics.Euros, e)
		}
		t.Rows = append(t.Rows, []string{label, number(v.lang, float64(c.Answered), 0), written(v.lang, metrics.Euros, c.Total().Euros()), each})
	}
	for _, c := range list {
		label := c.Name
		if by != metrics.Whole {
			label = v.labels(by, c.Name)
		} else if label == "" {
			label = v.T("none")
		}
		row(label, c)
	}
	row(v.T("total"), v.Costs.Whole)
	return t
}

// Priced says that the service has prices.
func (v view) Priced() bool { return v.Costs.Whole.Total() > 0 }

// Unassigned tells of costs in no reason, "" when there are none.
func (v view) Unassigned() string {
	if v.Costs.Unassigned == 0 {
		return ""
	}
	return v.T("unassigned", "cost", written(v.lang, metrics.Euros, v.Costs.Unassigned.Euros()))
}

// FullTime tells of full-time equivalents, "" when nobody was signed in.
func (v view) FullTime() string {
	if !v.Costs.Known {
		return ""
	}
	return v.T("full_time", "n", number(v.lang, v.Costs.FullTime, 2), "calls", number(v.lang, v.Costs.PerFullTime, 0))
}

// AccessHours tells the hours of the access.
func (v view) AccessHours() string {
	return v.T("access.hours", "share", written(v.lang, metrics.Share, v.Access.Hours))
}

// Parity tells what was seen of the access in the half-hours of the line, "" when nobody watched.
func (v view) Parity() string {
	p := v.Access.Parity
	if p == nil {
		return ""
	}
	share, ok := p.Share()
	if !ok {
		return v.T("parity.none")
	}
	return v.T("parity", "open", number(v.lang, float64(p.Open), 0), "line", number(v.lang, float64(p.Line), 0), "share", written(v.lang, metrics.Share, share))
}

// Unwatched tells of the half-hours that nobody watched, "" when there are none.
func (v view) Unwatched() string {
	if p := v.Access.Parity; p != nil && p.Unwatched > 0 {
		return v.T("parity.unwatched", "n", number(v.lang, float64(p.Unwatched), 0))
	}
	return ""
}

// GapTable has the times in which the line was open and its access was not.
func (v view) GapTable() (t Table) {
	t.Head = []string{v.T("parity.from"), v.T("parity.to"), v.T("parity.why")}
	if v.Access.Parity == nil {
		return t
	}
	for _, g := range v.Access.Parity.Missing {
		at := func(when time.Time) string {
			return day(v.lang, when.In(v.zone)) + ", " + text.Clock(v.lang, when.In(v.zone))
		}
		t.Rows = append(t.Rows, []string{at(g.From), at(g.To), v.T("parity.why." + g.Why)})
	}
	return t
}

// AccessTable has the figures of its publics.
func (v view) AccessTable() (t Table) {
	t.Head = []string{v.T("by.public")}
	for i, f := range v.Access.Figures {
		if i == 0 || f.Value != v.Access.Figures[i-1].Value {
			t.Rows = append(t.Rows, []string{f.Label})
		}
		last := len(t.Rows) - 1
		t.Rows[last] = append(t.Rows[last], f.Written(v.lang))
		if last == 0 {
			t.Head = append(t.Head, f.Name)
		}
	}
	return t
}
