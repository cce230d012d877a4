package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"decroche/call"
	"decroche/metrics"
	"decroche/metrics/report"
	"decroche/text"
)

// Facts reads the journal: the facts of a call, by their order.
type Facts interface {
	Facts(ctx context.Context, id call.ID) ([]call.Event, error)
}

// Definition of an indicator, for those who read figures.
type Definition struct {
	ID     string            `json:"id"`
	Name   map[string]string `json:"name"`
	Is     map[string]string `json:"definition"`
	Unit   metrics.Unit      `json:"unit"`
	Better string            `json:"better,omitempty"` // higher, lower; nothing: followed, and never a goal
	// FinalAfterH is how many hours after its end a period's figure can still change.
	FinalAfterH float64 `json:"final_after_h,omitempty"`
	GuidePage   int     `json:"guide_page,omitempty"`
}

func (s *Server) indicators(*http.Request) (any, error) {
	out := []Definition{}
	better := map[metrics.Direction]string{metrics.HigherIsBetter: "higher", metrics.LowerIsBetter: "lower"}
	for _, i := range metrics.Indicators {
		d := Definition{ID: i.ID, Unit: i.Unit, Better: better[i.Better], FinalAfterH: i.Needs.Hours(), GuidePage: i.Page, Name: map[string]string{}, Is: map[string]string{}}
		for _, lang := range []call.Lang{"fr", "en"} {
			d.Name[string(lang)] = text.Get(lang, "indicator."+i.ID)
			d.Is[string(lang)] = text.Get(lang, "indicator."+i.ID+".is")
		}
		out = append(out, d)
	}
	return out, nil
}

// figures answers GET /api/figures with a report.
func (s *Server) figures(r *http.Request) (any, error) {
	q, err := s.asked(r.URL.Query(), "by", "step", "lang")
	if err != nil {
		return nil, err
	}
	rep, err := s.Reports().Make(r.Context(), q)
	return rep, queried(err)
}

// opened is the answer of GET /api/figures/contacts.
type opened struct {
	Contacts []report.Opened `json:"contacts"`
	Next     int64           `json:"next,omitempty"` // the "after" of the next page
}

func (s *Server) openFigure(r *http.Request) (any, error) {
	values := r.URL.Query()
	q, err := s.asked(values, "side", "after", "limit")
	if err != nil {
		return nil, err
	}
	side, ids := values.Get("side"), values["indicator"]
	if len(ids) != 1 {
		return nil, bad("indicator: name the one that is opened")
	}
	if side != "" && side != "num" && side != "den" {
		return nil, bad("side: num opens the numerator, den the denominator, not %q", side)
	}
	after, limit := int64(0), 50
	if v := values.Get("after"); v != "" {
		if after, err = strconv.ParseInt(v, 10, 64); err != nil || after < 0 {
			return nil, bad(`after: give the "next" of the page before`)
		}
	}
	if v := values.Get("limit"); v != "" {
		if limit, err = strconv.Atoi(v); err != nil || limit < 1 || limit > 500 {
			return nil, bad("limit: 1 to 500 contacts")
		}
	}
	page, next, err := s.Reports().Open(r.Context(), q, ids[0], side == "den", after, limit)
	return opened{page, next}, queried(err)
}

// fact is a fact of the journal as it is shown.
type fact struct {
	At   time.Time      `json:"at"`
	Call call.ID        `json:"call"`
	Kind call.EventKind `json:"kind"`
	Data map[string]any `json:"data,omitempty"`
}

// whole is the answer of GET /api/contacts/{id}.
type whole struct {
	report.Opened
	Facts []fact `json:"facts"`
}

func (s *Server) contact(r *http.Request) (any, error) {
	id := r.PathValue("id")
	c, ok, err := s.Reports().Figures.Contact(r.Context(), id)
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, &fault{http.StatusNotFound, errors.New("there is no contact " + id + ": give a call's id, as GET /api/figures/contacts lists them")}
	}
	out := whole{Opened: report.Opening(&c), Facts: []fact{}}
	for _, id := range c.Calls() {
		events, err := s.Facts.Facts(r.Context(), id)
		if err != nil {
			return nil, err
		}
		for _, e := range events {
			f := fact{At: e.At, Call: e.Call, Kind: e.Kind, Data: map[string]any{}}
			if err := json.Unmarshal(e.Data, &f.Data); err != nil {
				return nil, err
			}
			delete(f.Data, "caller") // pseudonyms are nobody's to read
			delete(f.Data, "caller_was")
			out.Facts = append(out.Facts, f)
		}
	}
	return out, nil
}

// asked reads what a question about figures has in common, and refuses parameters that are not known:
// a figure under a misspelt condition would be another figure.
func (s *Server) asked(values url.Values, also ...string) (q report.Request, err error) {
	known := map[string]bool{"from": true, "to": true, "indicator": true}
	for _, name := range also {
		known[name] = true
	}
	q.Where = map[metrics.Dim]string{}
	for name := range values {
		dim, isWhere := strings.CutPrefix(name, "where.")
		d, isDim := metrics.DimNames[dim]
		switch {
		case isWhere && isDim && dim != "":
			q.Where[d] = values.Get(name)
		case !known[name]:
			return q, bad("%s: this question has no such parameter", name)
		}
	}
	for _, side := range []struct {
		name string
		into *time.Time
	}{{"from", &q.From}, {"to", &q.To}} {
		if *side.into, err = s.moment(values.Get(side.name)); err != nil {
			return q, bad("%s: %w", side.name, err)
		}
	}
	by, ok := metrics.DimNames[values.Get("by")]
	if !ok {
		return q, bad("by: there is no dimension %q", values.Get("by"))
	}
	lang := values.Get("lang")
	if lang != "" && lang != "fr" && lang != "en" {
		return q, bad("lang: fr or en, not %q", lang)
	}
	q.By, q.Step, q.Lang, q.Indicators = by, metrics.Step(values.Get("step")), call.Lang(lang), values["indicator"]
	return q, nil
}

// moment is a local day, at whose beginning it is, or a time of RFC 3339.
func (s *Server) moment(v string) (time.Time, error) {
	if t, err := time.ParseInLocation(time.DateOnly, v, s.Zone()); err == nil {
		return t, nil
	}
	t, err := time.Parse(time.RFC3339, v)
	if err != nil {
		return t, errors.New("write a day as 2026-11-30, at whose beginning it is, or a time as 2026-11-30T08:15:00+01:00")
	}
	return t, nil
}

// queried makes what cannot be asked the fault of who asks.
func queried(err error) error {
	if errors.Is(err, metrics.ErrQuery) {
		return &fault{http.StatusBadRequest, err}
	}
	return err
}
