package report

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/xuri/excelize/v2"

	"decroche/metrics"
	"decroche/text"
)

// JSON writes the report as the HTTP interface gives it.
func (r *Report) JSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

// Text writes the report for a terminal: by sections when it is of one whole, and otherwise as
// one table.
func (r *Report) Text(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s — %s\n", r.Name, r.span())
	for _, c := range r.Where {
		fmt.Fprintf(&b, "%s: %s\n", text.Get(r.lang, "report.by."+c.Dimension), c.Value)
	}
	if r.By == "" && r.Step == "" {
		r.list(&b)
	} else {
		r.table(&b)
	}
	if !r.final() {
		fmt.Fprintf(&b, "\n* %s\n", text.Get(r.lang, "report.not_final"))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) final() bool {
	for _, f := range r.Figures {
		if !f.Final {
			return false
		}
	}
	return true
}

func (r *Report) list(b *strings.Builder) {
	by := map[string]Figure{}
	for _, f := range r.Figures {
		by[f.Indicator] = f
	}
	for _, s := range sections {
		title := "\n" + text.Get(r.lang, "report.section."+s.id) + "\n"
		for _, id := range s.indicators {
			f, ok := by[id]
			if !ok {
				continue
			}
			b.WriteString(title)
			title = ""
			fmt.Fprintf(b, "  %s %s  %s\n", pad(f.Name, 52), padLeft(f.Written(r.lang)+mark(f), 14), f.counts())
		}
	}
}

// mark is a star on what can still change.
func mark(f Figure) string {
	if f.Final {
		return ""
	}
	return "*"
}

// counts are the numerator and the denominator of a share.
func (f Figure) counts() string {
	if f.Unit != metrics.Share {
		return ""
	}
	return fmt.Sprintf("%d / %d", f.Num, f.Den)
}

// table has a line for each value and period, and the indicators in columns under their IDs.
func (r *Report) table(b *strings.Builder) {
	rows := r.rows()
	head := []string{}
	if r.By != "" {
		head = append(head, text.Get(r.lang, "report.by."+r.By))
	}
	if r.Step != "" {
		head = append(head, text.Get(r.lang, "report.period"))
	}
	lines := [][]string{head}
	for _, row := range rows {
		var line []string
		if r.By != "" {
			line = append(line, row[0].Label)
		}
		if r.Step != "" {
			line = append(line, r.period(row[0]))
		}
		for _, f := range row {
			if len(lines) == 1 {
				head = append(head, f.Indicator)
			}
			line = append(line, f.Written(r.lang)+mark(f))
		}
		lines = append(lines, line)
	}
	lines[0] = head
	widths := make([]int, len(head))
	for _, l := range lines {
		for i, c := range l {
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	b.WriteString("\n")
	for _, l := range lines {
		for i, c := range l {
			if i < len(head)-len(rowsOf(rows)) {
				b.WriteString(pad(c, widths[i]) + "  ")
			} else {
				b.WriteString(padLeft(c, widths[i]) + "  ")
			}
		}
		b.WriteString("\n")
	}
}

func rowsOf(rows [][]Figure) []Figure {
	if len(rows) == 0 {
		return nil
	}
	return rows[0]
}

// rows are the figures of each value and period.
func (r *Report) rows() (rows [][]Figure) {
	for i, f := range r.Figures {
		if i == 0 || f.Value != r.Figures[i-1].Value || !f.From.Equal(r.Figures[i-1].From) {
			rows = append(rows, nil)
		}
		rows[len(rows)-1] = append(rows[len(rows)-1], f)
	}
	return rows
}

func pad(s string, n int) string {
	return s + strings.Repeat(" ", max(0, n-utf8.RuneCountInString(s)))
}

func padLeft(s string, n int) string {
	return strings.Repeat(" ", max(0, n-utf8.RuneCountInString(s))) + s
}

// columns of a figure in files of tables.
var columns = []string{"value", "label", "from", "to", "indicator", "name", "figure", "num", "den", "unit", "final"}

// CSV writes a line for each figure, for spreadsheets: UTF-8 with its mark, semicolons, and the
// decimal point of the language, so that a double click opens it.
func (r *Report) CSV(w io.Writer) error {
	if _, err := io.WriteString(w, "\ufeff"); err != nil {
		return err
	}
	out := csv.NewWriter(w)
	out.Comma, out.UseCRLF = ';', true
	if err := out.Write(columns); err != nil {
		return err
	}
	for _, f := range r.Figures {
		v := ""
		if f.Figure != nil {
			v = strconv.FormatFloat(*f.Figure, 'f', -1, 64)
			if r.lang == "fr" {
				v = strings.Replace(v, ".", ",", 1)
			}
		}
		err := out.Write([]string{
			Guarded(f.Value), Guarded(f.Label), r.local(f.From), r.local(f.To), f.Indicator, f.Name, v,
			strconv.FormatInt(f.Num, 10), strconv.FormatInt(f.Den, 10), string(f.Unit), strconv.FormatBool(f.Final),
		})
		if err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func (r *Report) local(t time.Time) string { return t.In(r.zone).Format(time.RFC3339) }

// Guarded keeps a spreadsheet from taking a text for a formula.
func Guarded(s string) string {
	if s != "" && strings.ContainsAny(s[:1], "=+-@\t\r") {
		return "'" + s
	}
	return s
}

// XLSX writes a workbook: figures, as numbers with their formats, and the settings they were
// computed with.
func (r *Report) XLSX(w io.Writer) error {
	f := excelize.NewFile()
	defer f.Close()
	sheet := text.Get(r.lang, "report.sheet.figures")
	if err := f.SetSheetName("Sheet1", sheet); err != nil {
		return err
	}
	styles := map[metrics.Unit]int{}
	for unit, format := range map[metrics.Unit]string{metrics.Share: "0.0%", metrics.Seconds: `0.0" s"`, metrics.Points: "0.00", metrics.Euros: `#,##0.00" €"`, metrics.Number: "#,##0.##"} {
		id, err := f.NewStyle(&excelize.Style{CustomNumFmt: &format})
		if err != nil {
			return err
		}
		styles[unit] = id
	}
	bold, err := f.NewStyle(&excelize.Style{Font: &excelize.Font{Bold: true}})
	if err != nil {
		return err
	}
	s, err := f.NewStreamWriter(sheet)
	if err != nil {
		return err
	}
	head := make([]any, len(columns))
	for i, c := range columns {
		head[i] = excelize.Cell{StyleID: bold, Value: text.Get(r.lang, "report.column."+c)}
	}
	if err := s.SetPanes(&excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"}); err != nil {
		return err
	}
	for col, width := range map[int]float64{1: 16, 2: 28, 3: 18, 4: 18, 5: 24, 6: 48, 7: 12} {
		if err := s.SetColWidth(col, col, width); err != nil {
			return err
		}
	}
	if err := s.SetRow("A1", head); err != nil {
		return err
	}
	for i, fig := range r.Figures {
		var v any
		if fig.Figure != nil {
			v = *fig.Figure
		}
		row := []any{
			fig.Value, fig.Label, r.stamp(fig.From), r.stamp(fig.To), fig.Indicator, fig.Name,
			excelize.Cell{StyleID: styles[fig.Unit], Value: v},
			fig.Num, fig.Den, string(fig.Unit), fig.Final,
		}
		if err := s.SetRow(fmt.Sprintf("A%d", i+2), row); err != nil {
			return err
		}
	}
	if err := s.Flush(); err != nil {
		return err
	}
	if err := r.settingsSheet(f); err != nil {
		return err
	}
	return f.Write(w)
}

// stamp is a local moment as a spreadsheet's text sorts it.
func (r *Report) stamp(t time.Time) string { return t.In(r.zone).Format("2006-01-02 15:04") }

func (r *Report) settingsSheet(f *excelize.File) error {
	sheet := text.Get(r.lang, "report.sheet.settings")
	if _, err := f.NewSheet(sheet); err != nil {
		return err
	}
	rows := [][]any{{r.Name}, {r.span()}, {text.Get(r.lang, "report.made", "when", r.stamp(r.Made))}}
	for _, t := range r.thresholds() {
		rows = append(rows, []any{t})
	}
	for i, row := range rows {
		if err := f.SetSheetRow(sheet, fmt.Sprintf("A%d", i+1), &row); err != nil {
			return err
		}
	}
	return nil
}

// thresholds are the settings as sentences.
func (r *Report) thresholds() []string {
	t := func(id string, pairs ...any) string { return text.Get(r.lang, "report.threshold."+id, pairs...) }
	out := []string{
		t("short", "s", length(r.lang, r.Settings.ShortAbandonS)),
		t("reconnect", "s", length(r.lang, r.Settings.ReconnectS)),
		t("self_service", "s", length(r.lang, r.Settings.SelfServiceS)),
		t("goals", "goal", written(r.lang, metrics.Share, r.Settings.Goal), "excellent", written(r.lang, metrics.Share, r.Settings.Excellent)),
	}
	byTime := map[float64][]string{}
	for _, q := range sorted(r.Settings.InTimeS) {
		byTime[r.Settings.InTimeS[q]] = append(byTime[r.Settings.InTimeS[q]], q)
	}
	for _, s := range sorted(byTime) {
		out = append(out, t("in_time", "s", length(r.lang, s), "queues", strings.Join(byTime[s], ", ")))
	}
	return append(out, t("dmt"))
}
