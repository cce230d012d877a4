package call

import "strings"

// NumberKind is what a number is and what calling it costs, in the words of ARCEP's
// numbering plan (decision 2018-0881).
type NumberKind string

const (
	KindWithheld      NumberKind = "withheld"
	KindGeographic    NumberKind = "geographic"     // 01–05 and the overseas landlines
	KindMobile        NumberKind = "mobile"         // 06, 07
	KindNonGeographic NumberKind = "non-geographic" // 09
	KindFree          NumberKind = "free"           // 0800–0805
	KindOrdinary      NumberKind = "ordinary"       // 0806–0809: free service, price of a call
	KindSharedCost    NumberKind = "shared-cost"    // 081x, 082x: a surcharge
	KindPremium       NumberKind = "premium"        // 089x, and the rest of 08
	KindShort         NumberKind = "short"          // 10xx, 30xx, 31xx, 116xxx, 1x, 1xx: never surcharged
	KindShortMayCost  NumberKind = "short-may-cost" // 32xx–39xx: the price is the editor's, the number does not tell it
	KindShortPremium  NumberKind = "short-premium"  // 118xxx
	KindEmergency     NumberKind = "emergency"      // 15, 17, 18, 112, …
	KindForeign       NumberKind = "foreign"        // every other plan, +681, +687 and +689 included
)

// Surcharged says that the caller pays more than a call: what row 1 of the guide's
// requirements refuses. KindShortMayCost is not surcharged for sure; ask its editor.
func (k NumberKind) Surcharged() bool {
	return k == KindSharedCost || k == KindPremium || k == KindShortPremium
}

// Kind tells what the number is.
func (n Number) Kind() NumberKind {
	switch {
	case n == Withheld:
		return KindWithheld
	case n[0] != '+':
		return shortKind(string(n))
	}
	cc, rest, ok := frenchCode(string(n[1:]))
	if !ok {
		return KindForeign
	}
	if cc == "508" && len(rest) == 6 {
		if strings.HasPrefix(rest, "55") { // the mobile block of the six-digit plan
			return KindMobile
		}
		return KindGeographic
	}
	switch rest[0] {
	case '6', '7':
		return KindMobile
	case '8':
		return specialKind(rest)
	case '9':
		return KindNonGeographic
	default:
		return KindGeographic
	}
}

// specialKind sorts 08 numbers; what is not known to be cheap is taken as premium.
func specialKind(rest string) NumberKind {
	if len(rest) < 3 {
		return KindPremium
	}
	switch rest[1] {
	case '0':
		if rest[2] <= '5' {
			return KindFree
		}
		return KindOrdinary
	case '1', '2':
		return KindSharedCost
	default:
		return KindPremium
	}
}

func shortKind(d string) NumberKind {
	switch d {
	case "15", "17", "18", "112", "114", "115", "119", "191", "196", "197", "116000", "116117":
		return KindEmergency
	}
	switch {
	case strings.HasPrefix(d, "118") && len(d) == 6:
		return KindShortPremium
	case d[0] == '3' && len(d) == 4 && d[1] >= '2':
		return KindShortMayCost
	default:
		return KindShort
	}
}
