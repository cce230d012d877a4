package service

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Report writes findings for people ("text", one a line, and a last line that counts
// them) or for programs ("json", an array of Finding, [] when there is none).
func Report(findings []Finding, format string) (string, error) {
	switch format {
	case "text":
		return reportText(findings), nil
	case "json":
		if findings == nil {
			findings = []Finding{}
		}
		out, err := json.MarshalIndent(findings, "", "  ")
		if err != nil {
			return "", fmt.Errorf("report findings as JSON: %w", err)
		}
		return string(out) + "\n", nil
	default:
		return "", fmt.Errorf("report findings: format %q is not known; use text or json", format)
	}
}

func reportText(findings []Finding) string {
	var b strings.Builder
	for _, f := range findings {
		place := f.File
		if f.Line > 0 {
			place = fmt.Sprintf("%s:%d", f.File, f.Line)
		}
		fmt.Fprintf(&b, "%s: %s: %s; %s [%s, row %d, %s]\n", place, f.Severity, f.What, f.Fix, f.Rule, f.Row, f.Where)
	}
	switch len(findings) {
	case 0:
		b.WriteString("clean: nothing found against the guide\n")
	case 1:
		b.WriteString("1 finding\n")
	default:
		fmt.Fprintf(&b, "%d findings\n", len(findings))
	}
	return b.String()
}
