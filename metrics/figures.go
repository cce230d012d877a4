package metrics

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Figures answers questions from what the ledger keeps.
type Figures struct {
	Store    Store
	Settings func() *Settings
	Now      func() time.Time
	// Gently leaves half of the time to others while contacts are read one by one: where a line runs beside.
	Gently bool

	scanning sync.Mutex // one question at a time reads contacts
}

// Step is the length of the periods of an answer.
type Step string

const (
	WholeRange Step = ""
	ByQuarter  Step = "quarter" // of an hour
	ByHour     Step = "hour"
	ByDay      Step = "day"
	ByWeek     Step = "week" // ISO: from Monday
	ByMonth    Step = "month"
	ByYear     Step = "year"
)

var steps = []Step{WholeRange, ByQuarter, ByHour, ByDay, ByWeek, ByMonth, ByYear}

// Query chooses figures: of the contacts that arrived in [From, To).
type Query struct {
	From, To time.Time
	Step     Step
	By       Dim
	// Where keeps the contacts of one value of a dimension; several must all hold.
	Where map[Dim]string
	// Percentiles asks for distributions too.
	Percentiles bool
}

// Line is what one value of the dimension counts in one period.
type Line struct {
	Value    string
	From, To time.Time
	Cell     *Cell
}

// Final says that no repeat can come any more that changes the indicator.
func (l Line) Final(i Indicator, now time.Time) bool { return !l.To.Add(i.Needs).After(now) }

// ErrQuery is a question that cannot be answered as it is asked.
var ErrQuery = errors.New("this question cannot be answered")

func (f *Figures) check(q Query) error {
	switch {
	case !slices.Contains(steps, q.Step):
		return fmt.Errorf("%w: there is no period %q; ask for one of %q", ErrQuery, q.Step, steps)
	case !q.From.Before(q.To):
		return fmt.Errorf("%w: it ends at %s, before or when it begins, at %s", ErrQuery, q.To.Format(time.DateTime), q.From.Format(time.DateTime))
	case At(q.From)%quarter != 0 || At(q.To)%quarter != 0:
		return fmt.Errorf("%w: figures are kept by the quarter of an hour; begin and end at one, as %s", ErrQuery, q.From.Truncate(15*time.Minute).Format(time.DateTime))
	case q.To.Sub(q.From) > 20*366*Day:
		return fmt.Errorf("%w: %s to %s is more than 20 years", ErrQuery, q.From.Format(time.DateOnly), q.To.Format(time.DateOnly))
	}
	if n := len(f.periods(q)); n > 40_000 {
		return fmt.Errorf("%w: it has %d periods; ask for longer ones, or for a shorter time", ErrQuery, n)
	}
	return nil
}

// Lines answers a query, by value and then by period; a period in which nothing was counted
// has no line. Where on more than one dimension, or by another, reads the contacts themselves, which takes
// longer; everything else is read from sums, whatever the number of contacts.
func (f *Figures) Lines(ctx context.Context, q Query) ([]Line, error) {
	all, err := f.All(ctx, q)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// All answers several queries. Those that read contacts of the same time read them once.
func (f *Figures) All(ctx context.Context, queries ...Query) ([][]Line, error) {
	for _, q := range queries {
		if err := f.check(q); err != nil {
			return nil, err
		}
	}
	at, err := f.Store.Standing(ctx)
	if err != nil {
		return nil, err
	}
	st, err := stateOf(at)
	if err != nil {
		return nil, err
	}
	asked := make([]*asking, len(queries))
	var scans []*asking
	for i, q := range queries {
		a := &asking{Query: q, periods: f.periods(q)}
		a.rows = make([]Row, len(a.periods))
		for i := range a.rows {
			a.rows[i] = Row{}
		}
		asked[i] = a
		dim, only, ok := q.fromSums()
		if !ok {
			scans = append(scans, a)
			continue
		}
		if err := f.sums(ctx, at, st, q, a.periods, a.rows, dim, only); err != nil {
			return nil, err
		}
	}
	if err := f.fromContacts(ctx, at, scans); err != nil {
		return nil, err
	}
	out := make([][]Line, len(asked))
	for i, a := range asked {
		out[i] = a.lines()
	}
	return out, nil
}

// asking is a query that is being answered: what is counted in each of its periods.
type asking struct {
	Query
	periods []period
	rows    []Row
	at      int // the period that the last contact lay in
}

func (a *asking) lines() (out []Line) {
	for i, r := range a.rows {
		for value, c := range r {
			if a.By == Whole {
				value = "" // what is asked for under a condition is kept under its name
			}
			if !c.empty() {
				out = append(out, Line{Value: value, From: a.periods[i].from, To: a.periods[i].to, Cell: c})
			}
		}
	}
	slices.SortFunc(out, func(a, b Line) int {
		if c := strings.Compare(a.Value, b.Value); c != 0 {
			return c
		}
		return a.From.Compare(b.From)
	})
	return out
}

// fromSums says which dimension's rows answer the query, and which of its values; false when
// none does.
func (q Query) fromSums() (d Dim, only func(string) bool, ok bool) {
	switch {
	case len(q.Where) == 0:
		return q.By, nil, true
	case len(q.Where) > 1:
		return 0, nil, false
	}
	for dim, value := range q.Where {
		if q.By != Whole && q.By != dim {
			return 0, nil, false
		}
		return dim, func(v string) bool { return v == value }, true
	}
	return 0, nil, false
}

type period struct{ from, to time.Time }

// periods splits the query's time.
func (f *Figures) periods(q Query) []period {
	zone := f.Settings().Zone
	var out []period
	for at := q.From; at.Before(q.To); {
		end := q.Step.next(at.In(zone), zone)
		if q.Step == WholeRange || end.After(q.To) {
			end = q.To
		}
		out = append(out, period{at, end})
		at = end
	}
	return out
}

// next is the beginning of the period after the one t lies in. Hours are those of the clock
// on the wall; the hour that comes twice in October is two.
func (s Step) next(t time.Time, zone *time.Location) time.Time {
	y, m, d := t.Date()
	switch s {
	case ByQuarter:
		return t.Truncate(15 * time.Minute).Add(15 * time.Minute)
	case ByHour:
		_, offset := t.Zone()
		shift := time.Duration(offset) * time.Second
		return t.Add(shift).Truncate(time.Hour).Add(time.Hour - shift)
	case ByWeek:
		return time.Date(y, m, d+7-(int(t.Weekday())+6)%7, 0, 0, 0, 0, zone)
	case ByMonth:
		return time.Date(y, m+1, 1, 0, 0, 0, 0, zone)
	case ByYear:
		return time.Date(y+1, 1, 1, 0, 0, 0, 0, zone)
	}
	return time.Date(y, m, d+1, 0, 0, 0, 0, zone)
}

// sums reads the kept rows, the longest that fit, each into its period.
func (f *Figures) sums(ctx context.Context, at Standing, st *state, q Query, p []period, rows []Row, d Dim, only func(string) bool) error {
	zone := f.Settings().Zone
	stale := map[Interval]bool{}
	for _, i := range st.Stale {
		stale[i] = true
	}
	into := func(start Moment) Row {
		i, found := slices.BinarySearchFunc(p, start, func(p period, m Moment) int {
			return int(At(p.from) - m)
		})
		if !found {
			i--
		}
		return rows[i]
	}
	var parts []cover
	for _, one := range p {
		for _, c := range covers(At(one.from), At(one.to), func(i Interval) bool { return stale[i] }, zone) {
			if last := len(parts) - 1; last >= 0 && parts[last].grain == c.grain && parts[last].until == c.from {
				parts[last].until = c.until
			} else {
				parts = append(parts, c)
			}
		}
	}
	for _, c := range parts {
		err := f.Store.Rows(ctx, at.Side, c.grain, d, c.from, c.until, func(start Moment, row []byte) error {
			return into(start).DecodeInto(row, q.Percentiles, only)
		})
		if err != nil {
			return err
		}
	}
	f.present(st, q, d, only, into)
	return nil
}

// present adds the time of agents who are at work now, which is counted when their state ends.
func (f *Figures) present(st *state, q Query, d Dim, only func(string) bool, into func(Moment) Row) {
	var k counted
	from, until := At(q.From), min(At(q.To), At(f.Now()))
	for agent, s := range st.Agents {
		value := ""
		switch d {
		case Whole:
		case ByTeam:
			value = s.Team
		case ByAgent:
			value = agent
		default:
			return
		}
		if only != nil && !only(value) {
			continue
		}
		s.Since = max(s.Since, from)
		s.each(until, &k, func(start Moment, k *counted) { into(start).cell(value).count(k, 1) })
	}
}

// fromContacts counts the contacts that meet every condition, for all queries of one time at once.
func (f *Figures) fromContacts(ctx context.Context, at Standing, asked []*asking) error {
	for len(asked) > 0 {
		from, to := asked[0].From, asked[0].To
		var same, others []*asking
		for _, a := range asked {
			if a.From.Equal(from) && a.To.Equal(to) {
				same = append(same, a)
			} else {
				others = append(others, a)
			}
		}
		if err := f.scan(ctx, at, At(from), At(to), same); err != nil {
			return err
		}
		asked = others
	}
	return nil
}

const (
	// scanBatch is how many contacts are read before anybody else is thought of.
	scanBatch = 500
	// longestPause bounds a pause: a machine that slept meanwhile did not work.
	longestPause = 50 * time.Millisecond
)

func (f *Figures) scan(ctx context.Context, at Standing, from, to Moment, asked []*asking) error {
	f.scanning.Lock()
	defer f.scanning.Unlock()
	var k counted
	settings := f.Settings()
	var bad error
	begun, n := time.Now(), 0
	err := f.Store.Contacts(ctx, at.Side, int64(from)<<12, int64(to)<<12, func(kept Kept) bool {
		c, err := decodeContact(kept.Facts)
		if err != nil {
			bad = err
			return false
		}
		for _, a := range asked {
			for !c.Arrived.Time().Before(a.periods[a.at].to) {
				a.at++
			}
			row := a.rows[a.at]
			settings.contributeTo(c, a.By, a.Where, &k, func(value string, k *counted) { row.cell(value).count(k, 1) })
		}
		if n++; n%scanBatch == 0 {
			if bad = context.Cause(ctx); f.Gently && bad == nil {
				time.Sleep(min(time.Since(begun), longestPause))
			}
			begun = time.Now()
		}
		return bad == nil
	})
	return errors.Join(err, bad)
}

func stateOf(at Standing) (*state, error) {
	st := new(state)
	if len(at.State) > 0 {
		if err := json.Unmarshal(at.State, st); err != nil {
			return nil, fmt.Errorf("the state of the figures cannot be read: %w; decroche metrics rebuild makes them anew", err)
		}
	}
	return st, nil
}

// Freshness tells of what figures are made: when the last fact was told, and whether the
// settings have changed since.
type Freshness struct {
	LastFact time.Time
	// Outdated says that figures are being made anew with other settings.
	Outdated bool
	// PurgedBefore is the day before which figures cannot be opened any more; zero for none.
	PurgedBefore time.Time
}

// Fresh tells how fresh the figures are.
func (f *Figures) Fresh(ctx context.Context) (Freshness, error) {
	at, err := f.Store.Standing(ctx)
	if err != nil {
		return Freshness{}, err
	}
	st, err := stateOf(at)
	if err != nil {
		return Freshness{}, err
	}
	out := Freshness{Outdated: st.Settings != f.Settings().fingerprint()}
	if st.LastFact != 0 {
		out.LastFact = st.LastFact.Time()
	}
	if st.Purged != 0 {
		out.PurgedBefore = st.Purged.Time()
	}
	return out, nil
}
