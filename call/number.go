package call

import "log/slog"

// Number is a telephone number in E.164 with its plus ("+33199003939"), a French short
// number as dialled ("3939", "118218", "17"), or Withheld.
type Number string

// Withheld is the number of a caller who hides it.
const Withheld Number = ""

// LogValue masks the number: logs never hold it in clear.
func (n Number) LogValue() slog.Value { return slog.StringValue(n.Masked()) }

// Masked keeps the country and the last two digits: "+33…39".
func (n Number) Masked() string {
	switch {
	case n == Withheld:
		return "withheld"
	case len(n) < 7:
		return "…"
	default:
		return string(n[:3]) + "…" + string(n[len(n)-2:])
	}
}
