package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"decroche/call"
	"decroche/metrics"
	"decroche/metrics/report"
)

type reportCmd struct {
	From       string            `required:"" placeholder:"2026-11-01" help:"First day."`
	To         string            `placeholder:"2026-11-30" help:"Last day, itself in the report; the first day when left out."`
	By         string            `default:"" enum:",service,number,queue,reason,public,language,team,agent" help:"Break figures down: service, number, queue, reason, public, language, team or agent."`
	Step       string            `default:"" enum:",quarter,hour,day,week,month,year" help:"Break figures down by periods: quarter (of an hour), hour, day, week, month or year."`
	Where      map[string]string `placeholder:"queue=accueil" help:"Keep the contacts of one value; several must all hold."`
	Indicators []string          `name:"indicator" placeholder:"ID" help:"Show these indicators alone (docs/indicators.md)."`
	Format     string            `default:"text" enum:"text,json,csv,xlsx,html,opendata,parquet" help:"text, json, csv, xlsx, html (a page to print), opendata (taux de décroché by service and month), parquet (contacts without personal data)."`
	Lang       string            `default:"fr" enum:"fr,en" help:"Language of the names."`
	Out        string            `short:"o" placeholder:"FILE" help:"Write to a file instead of the standard output."`
	Contacts   string            `placeholder:"ID" help:"List the contacts that this indicator counts, in place of figures."`
	Side       string            `default:"num" enum:"num,den" help:"Those of its numerator (num) or of its denominator (den)."`
}

// Run makes a report from what the database holds; a controller may be running.
func (cmd reportCmd) Run(e *env) error {
	b, err := e.openBooks()
	if err != nil {
		return err
	}
	defer b.db.Close()
	from, to, err := cmd.days(b.def.Location)
	if err != nil {
		return err
	}
	// Nobody keeps the figures up when no controller runs, as after an import.
	if err := b.ledger().Advance(e.ctx); err != nil {
		return err
	}
	src := report.Source{
		Figures: &metrics.Figures{Store: b.db.Ledger(), Settings: b.settings, Now: time.Now}, Service: b.def, Now: time.Now,
		Parity: parityIn(b.db),
	}
	where := map[metrics.Dim]string{}
	for name, value := range cmd.Where {
		dim, known := metrics.DimNames[name]
		if !known || name == "" {
			return fmt.Errorf("--where %s=%s: there is no dimension %q; take one of those of --by", name, value, name)
		}
		where[dim] = value
	}
	r := report.Request{From: from, To: to, By: metrics.DimNames[cmd.By], Step: metrics.Step(cmd.Step), Where: where, Indicators: cmd.Indicators, Lang: call.Lang(cmd.Lang)}
	return cmd.write(e, func(w io.Writer) error { return cmd.make(e, src, r, w) })
}

// days reads the first and the last day as local days.
func (cmd reportCmd) days(zone *time.Location) (from, to time.Time, err error) {
	if cmd.To == "" {
		cmd.To = cmd.From
	}
	for _, d := range []struct {
		name, text string
		into       *time.Time
	}{{"--from", cmd.From, &from}, {"--to", cmd.To, &to}} {
		if *d.into, err = time.ParseInLocation(time.DateOnly, d.text, zone); err != nil {
			return from, to, fmt.Errorf("%s %s: write a day as 2026-11-30", d.name, d.text)
		}
	}
	if to.Before(from) {
		return from, to, fmt.Errorf("--to %s is before --from %s", cmd.To, cmd.From)
	}
	return from, to.AddDate(0, 0, 1), nil
}

func (cmd reportCmd) make(e *env, src report.Source, r report.Request, w io.Writer) error {
	switch {
	case cmd.Contacts != "":
		return cmd.list(e, src, r, w)
	case cmd.Format == "opendata":
		return src.OpenData(e.ctx, r.From, r.To, w)
	case cmd.Format == "parquet":
		return src.Parquet(e.ctx, r.From, r.To, w)
	case cmd.Format == "html":
		rep, err := src.Page(e.ctx, r)
		if err != nil {
			return err
		}
		return rep.HTML(w)
	}
	if cmd.Format == "text" && len(r.Indicators) == 0 && (cmd.By != "" || cmd.Step != "") {
		r.Indicators = report.Brief
	}
	rep, err := src.Make(e.ctx, r)
	if err != nil {
		return err
	}
	switch cmd.Format {
	case "json":
		return rep.JSON(w)
	case "csv":
		return rep.CSV(w)
	case "xlsx":
		return rep.XLSX(w)
	}
	return rep.Text(w)
}

// write gives w to fn: the standard output, or a file that is there whole or not at all.
func (cmd reportCmd) write(e *env, fn func(io.Writer) error) error {
	if cmd.Out == "" {
		return fn(e.stdout)
	}
	f, err := os.CreateTemp(filepath.Dir(cmd.Out), ".report-*")
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	defer os.Remove(f.Name())
	if err := fn(f); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if err := os.Rename(f.Name(), cmd.Out); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// list opens a figure: the contacts in its numerator or its denominator, as a table or as JSON.
func (cmd reportCmd) list(e *env, src report.Source, r report.Request, w io.Writer) error {
	var all []report.Opened
	for after := int64(0); ; {
		page, next, err := src.Open(e.ctx, r, cmd.Contacts, cmd.Side == "den", after, 500)
		if err != nil {
			return err
		}
		all = append(all, page...)
		if after = next; after == 0 {
			break
		}
	}
	if cmd.Format == "json" {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(all)
	}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, strings.ToUpper("contact\tarrived\tnumber\tqueue\treason\toutcome\twait\tagents"))
	for _, c := range all {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%.0f s\t%s\n", c.Contact, c.Arrived.In(src.Service.Location).Format(time.DateTime), c.Number, c.Queue, c.Reason, c.Outcome, c.WaitS, strings.Join(c.Agents, ", "))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%d contacts\n", len(all))
	return err
}
