package service

import (
	"slices"
)

// others are ids by which a base names what fits no other reason.
var others = []string{"autre", "autres", "divers", "other", "others"}

// reasons looks at the base of motifs, which the guide (p. 43) wants filled in at each call,
// with an eye on the share of "autre".
func (l *linter) reasons() {
	if len(l.d.Reasons) == 0 {
		l.add(RuleReasons, 14, Defect, "reasons", "reasons")
	}
	if l.d.Indicators.OtherReason != "" {
		return
	}
	for _, id := range keysOf(l.d.Reasons) {
		if slices.Contains(others, id) {
			l.add(RuleReasons, 14, Doubt, "reasons."+id, "reasons.other", "reason", id)
		}
	}
}
