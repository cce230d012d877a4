package call

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
)

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

// ErrNotANumber is matched by every error of ParseNumber. The errors never repeat
// the digits, for callers' numbers go through here and errors go to logs.
var ErrNotANumber = errors.New("not a telephone number")

// Normalizer turns what a trunk or a person writes into a Number. The zero value
// reads numbers as dialled in mainland France.
type Normalizer struct {
	// International says that the trunk sends numbers of any country without plus
	// nor 00 ("442079460000"). French numbers are recognised without it.
	International bool
}

// ParseNumber reads a number as dialled in mainland France: national, 00, + and bare
// 33 forms, with or without separators, bare or in a sip: or tel: URI, with or
// without display name. Overseas numbers dialled nationally get their country code.
// An empty, anonymous, unavailable or restricted caller is Withheld, without error.
func ParseNumber(raw string) (Number, error) { return Normalizer{}.Parse(raw) }

// Parse is ParseNumber with the habits of a trunk.
func (z Normalizer) Parse(raw string) (Number, error) {
	user, context := addressee(raw)
	if hidden(user) {
		return Withheld, nil
	}
	digits, plus, err := digitsOf(user)
	if err != nil {
		return Withheld, err
	}
	if cc, ok := strings.CutPrefix(context, "+"); ok && !plus {
		return inContext(cc, digits)
	}
	switch {
	case plus:
		return international(digits)
	case strings.HasPrefix(digits, "00"):
		return international(digits[2:])
	case short(digits):
		return Number(digits), nil
	case strings.HasPrefix(digits, "0"):
		return national(digits)
	case french(digits) || z.International:
		return international(digits)
	default:
		return Withheld, fail("%d digits that begin neither with 0, 00 or +, nor with 33", len(digits))
	}
}

func fail(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrNotANumber}, args...)...)
}

// addressee takes the user part out of a name-addr or URI, and a tel URI's phone-context.
func addressee(raw string) (user, context string) {
	s := strings.TrimSpace(raw)
	if open := strings.LastIndexByte(s, '<'); open >= 0 {
		s = s[open+1:]
		if end := strings.IndexByte(s, '>'); end >= 0 {
			s = s[:end]
		}
	}
	scheme, rest, ok := strings.Cut(s, ":")
	switch scheme = strings.ToLower(strings.TrimSpace(scheme)); {
	case ok && (scheme == "sip" || scheme == "sips"):
		s = rest
		if at := strings.LastIndexByte(s, '@'); at >= 0 {
			s = s[:at]
		}
		s, _, _ = strings.Cut(s, ":") // a password, or the port of an address without user
	case ok && scheme == "tel":
		s = rest
	default:
		if at := strings.LastIndexByte(s, '@'); at >= 0 {
			s = s[:at]
		}
	}
	s, params, _ := strings.Cut(s, ";")
	for p := range strings.SplitSeq(params, ";") {
		if name, value, _ := strings.Cut(p, "="); strings.EqualFold(name, "phone-context") {
			context = value
		}
	}
	if u, err := url.PathUnescape(s); err == nil {
		s = u
	}
	return strings.TrimSpace(s), context
}

// hidden knows the words operators put in place of a number that is kept back.
func hidden(user string) bool {
	switch strings.ToLower(strings.Trim(user, ` "'`)) {
	case "", "anonymous", "unavailable", "restricted", "withheld", "private", "unknown", "anonyme", "masqué":
		return true
	}
	return false
}

// digitsOf drops the separators that people write.
func digitsOf(user string) (digits string, plus bool, err error) {
	var b strings.Builder
	for _, r := range user {
		switch {
		case r >= '0' && r <= '9':
			b.WriteRune(r)
		case r == '+' && b.Len() == 0 && !plus:
			plus = true
		case strings.ContainsRune(" .-/()\t\u00a0\u2009\u202f\u2010\u2011\u2012\u2013\u200e\u202a\u202c", r):
		default:
			return "", false, fail("it holds something else than digits")
		}
	}
	if b.Len() == 0 {
		return "", false, fail("it holds no digit")
	}
	if b.Len() > 20 {
		return "", false, fail("%d digits are too many", b.Len())
	}
	return b.String(), plus, nil
}

// inContext completes a local number with the country code its tel URI gives.
func inContext(cc, digits string) (Number, error) {
	ccDigits, _, err := digitsOf(cc)
	if err != nil {
		return Withheld, err
	}
	if ccDigits == "33" && short(digits) {
		return Number(digits), nil
	}
	return international(ccDigits + strings.TrimPrefix(digits, "0"))
}

// overseas maps the first digits of a ten-digit national number to the country code
// it is reached by from abroad. Source: ARCEP's decision 2018-0881 as amended, and for the
// blocks opened since (02688 …, 0709x) the allocations as Google's libphonenumber lists them.
var overseas = []struct{ cc, national string }{
	{"262", "0262 0263 02688 0692 0693 07092"},             // La Réunion
	{"262", "0269 02689 0639 070935 070936 070937"},        // Mayotte
	{"590", "0590 05987 0690 0691 07090"},                  // Guadeloupe, Saint-Barthélemy, Saint-Martin
	{"594", "0594 05988 0694 070930 070931 070932 070933"}, // Guyane
	{"596", "0596 05989 0696 0697 07091"},                  // Martinique
	{"508", "0708"},                                        // Saint-Pierre-et-Miquelon, mobile
}

// fiction is the block of mobile numbers kept for films and examples. It lies inside
// Mayotte's 0639 and belongs to mainland France all the same.
const fiction = "063998"

func national(d string) (Number, error) {
	if len(d) == 14 && strings.HasPrefix(d, "0700") { // machines
		return Number("+33" + d[1:]), nil
	}
	if len(d) != 10 {
		return Withheld, fail("a French number has 10 digits, not %d", len(d))
	}
	if strings.HasPrefix(d, "0508") { // Saint-Pierre-et-Miquelon: six digits behind its code
		return Number("+508" + d[4:]), nil
	}
	if !strings.HasPrefix(d, fiction) {
		for _, o := range overseas {
			for prefix := range strings.SplitSeq(o.national, " ") {
				if strings.HasPrefix(d, prefix) {
					return Number("+" + o.cc + d[1:]), nil
				}
			}
		}
	}
	return Number("+33" + d[1:]), nil
}

func international(d string) (Number, error) {
	if cc, rest, ok := frenchCode(d); ok {
		// "+33 (0)1 99…": the national 0 is written by people and does not belong.
		rest = strings.TrimPrefix(rest, "0")
		switch {
		case cc == "33" && len(rest) >= 4 && short(rest):
			return Number(rest), nil
		case cc == "33":
			return national("0" + rest)
		case cc == "508" && len(rest) == 6:
			return Number("+508" + rest), nil
		case len(rest) != 9:
			return Withheld, fail("a number behind +%s has 9 digits, not %d", cc, len(rest))
		}
		return Number("+" + cc + rest), nil
	}
	if len(d) < 7 || len(d) > 15 || d[0] == '0' {
		return Withheld, fail("an international number has 7 to 15 digits and does not begin with 0")
	}
	return Number("+" + d), nil
}

// frenchCode splits the country codes whose numbers are written with nine digits.
func frenchCode(d string) (cc, rest string, ok bool) {
	for _, cc := range []string{"33", "262", "590", "594", "596", "508"} {
		if rest, ok := strings.CutPrefix(d, cc); ok {
			return cc, rest, true
		}
	}
	return "", "", false
}

// french recognises a French number that lacks its plus by its exact length.
func french(d string) bool {
	cc, rest, ok := frenchCode(d)
	return ok && rest != "" && rest[0] != '0' && (len(rest) == 9 || cc == "508" && len(rest) == 6)
}

// short says whether the digits are a French short number: 1x, 1xx, 10xx, 3xxx, 116xxx, 118xxx.
func short(d string) bool {
	switch len(d) {
	case 2, 3:
		return d[0] == '1'
	case 4:
		return d[0] == '3' || d[:2] == "10"
	case 6:
		return d[:3] == "116" || d[:3] == "118"
	}
	return false
}

// Spoken writes the number as the French say it: by pairs ("01 99 00 39 39", "39 39"),
// short numbers of six by threes. A foreign number keeps its plus.
func (n Number) Spoken() string {
	s := string(n)
	switch {
	case n == Withheld:
		return ""
	case len(s) == 3:
		return s
	case len(s) == 6 && s[0] == '1':
		return s[:3] + " " + s[3:]
	}
	prefix := ""
	if cc, rest, ok := frenchCode(strings.TrimPrefix(s, "+")); ok && s[0] == '+' {
		if cc == "508" && len(rest) == 6 {
			rest = "508" + rest
		}
		s = "0" + rest
	} else if s[0] == '+' {
		prefix, s = "+", s[1:]
	}
	var pairs []string
	if len(s)%2 == 1 && len(s) > 3 {
		pairs, s = append(pairs, s[:3]), s[3:]
	}
	for ; len(s) > 1; s = s[2:] {
		pairs = append(pairs, s[:2])
	}
	return prefix + strings.Join(pairs, " ")
}
