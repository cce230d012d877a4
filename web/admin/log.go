package admin

import (
	"encoding/csv"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"decroche/metrics/report"
	"decroche/people"
)

// logView is the log of what was done, as it is filtered.
type logView struct {
	Rows            []logRow
	Whos, Whats     []choice
	From, To        string
	Older, Exported string // addresses; no older page: ""
}

type logRow struct{ When, Who, What, About, Detail string }

const (
	logPage = 100
	// logChunk is how many lines of a file are read at a time.
	logChunk = 1000
)

// actGroups are the kinds of what is done, by the first word of an act.
var actGroups = []string{"message", "plan", "service", "agent", "link", "account", "figures", "line"}

// lines reads the filters of the log.
func (v *visit) lines() (of people.Acts, w *logView) {
	q, z := v.r.URL.Query(), v.zone()
	w = &logView{From: q.Get("du"), To: q.Get("au")}
	of.Who = q.Get("qui")
	of.Before, _ = strconv.ParseInt(q.Get("avant"), 10, 64)
	for _, d := range []struct {
		field, day string
		into       *time.Time
		after      int
	}{{"du", w.From, &of.From, 0}, {"au", w.To, &of.Until, 1}} {
		if d.day == "" {
			continue
		}
		day, err := time.ParseInLocation(time.DateOnly, d.day, z)
		if err != nil {
			v.wrong(d.field, "figures.error.day")
			continue
		}
		*d.into = day.AddDate(0, 0, d.after)
	}
	w.Whats = []choice{{"", v.T("figures.all"), q.Get("quoi") == ""}}
	for _, g := range actGroups {
		chosen := q.Get("quoi") == g
		if chosen {
			of.Group = g
		}
		w.Whats = append(w.Whats, choice{g, v.T("acts." + g), chosen})
	}
	return of, w
}

func (v *visit) showLog() {
	of, w := v.lines()
	of.Limit = logPage
	acts, err := v.s.Accounts.Acts(v.r.Context(), of)
	if err != nil {
		v.fail("read the log", err)
		return
	}
	all, err := v.s.Accounts.Accounts(v.r.Context())
	if err != nil {
		v.fail("list the accounts", err)
		return
	}
	w.Whos = []choice{{"", v.T("figures.all"), of.Who == ""}}
	for _, a := range all {
		w.Whos = append(w.Whos, choice{a.Name, a.Full, a.Name == of.Who})
	}
	for _, name := range people.Reserved {
		w.Whos = append(w.Whos, choice{name, name, name == of.Who})
	}
	if of.Who != "" && !slices.ContainsFunc(w.Whos, func(c choice) bool { return c.Chosen }) {
		w.Whos = append(w.Whos, choice{of.Who, of.Who, true})
	}
	for _, a := range acts {
		w.Rows = append(w.Rows, logRow{v.when(a.At), a.Who, v.T("act." + a.What), a.About, a.Detail})
	}
	if len(acts) == logPage {
		w.Older = "/journal?" + v.query("avant", strconv.FormatInt(acts[len(acts)-1].ID, 10))
	}
	file := v.r.URL.Query()
	file.Del("avant")
	w.Exported = "/journal/export?" + file.Encode()
	v.Log = w
	v.render(http.StatusOK, "log.html", v.T("log.title"))
}

// exportLog gives the log as it is filtered, whole, as a file for a spreadsheet.
func (v *visit) exportLog() {
	of, _ := v.lines()
	if len(v.Errors) > 0 {
		v.stop(http.StatusBadRequest, "unasked")
		return
	}
	of.Limit = logChunk
	acts, err := v.s.Accounts.Acts(v.r.Context(), of)
	if err != nil {
		v.fail("read the log", err)
		return
	}
	v.log("figures.exported", "journal", v.r.URL.Query().Encode())
	v.w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	v.w.Header().Set("Content-Disposition", `attachment; filename="journal-`+v.now.In(v.zone()).Format(time.DateOnly)+`.csv"`)
	out := csv.NewWriter(v.w)
	out.Comma = ';'
	err = out.Write([]string{"\ufeff" + v.T("log.when"), v.T("log.who"), v.T("log.what"), v.T("log.about"), v.T("log.detail")})
	for err == nil && len(acts) > 0 {
		if err = v.writeActs(out, acts); err == nil {
			of.Before = acts[len(acts)-1].ID
			acts, err = v.s.Accounts.Acts(v.r.Context(), of)
		}
	}
	out.Flush()
	if err = errors.Join(err, out.Error()); err != nil {
		v.s.Log.Warn("a file of the log ended early", "by", v.Me.Name, "err", err)
		panic(http.ErrAbortHandler) // so that the browser tells of a file that is not whole
	}
}

// writeActs writes lines of the log, to who reads on.
func (v *visit) writeActs(out *csv.Writer, acts []people.Act) error {
	rows := make([][]string, len(acts))
	for i, a := range acts {
		rows[i] = []string{a.At.In(v.zone()).Format(time.DateTime), report.Guarded(a.Who), v.T("act." + a.What), report.Guarded(a.About), report.Guarded(a.Detail)}
	}
	_ = http.NewResponseController(v.w).SetWriteDeadline(time.Now().Add(countPatience))
	return out.WriteAll(rows)
}
