package speech

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"decroche/call"

	"golang.org/x/text/unicode/norm"
)

// MaxText is the longest text that is spoken, in characters: about five minutes.
const MaxText = 5000

// ErrNothingToSay is returned for a text without a letter or a digit.
var ErrNothingToSay = errors.New("the text holds nothing that can be said")

var and = map[call.Lang]string{"fr": "et", "en": "and", "es": "y", "de": "und", "it": "e"}

// spoken rewrites a text as engines take it: one line of letters, digits and plain
// punctuation. Markup signs go, for Pico and espeak-ng obey tags; emoji go, for some
// engines read their names aloud; typographic signs become plain ones.
func spoken(text string, lang call.Lang) (string, error) {
	if !utf8.ValidString(text) {
		return "", errors.New("the text is not valid UTF-8")
	}
	if n := utf8.RuneCountInString(text); n > MaxText {
		return "", fmt.Errorf("the text has %d characters, more than the %d that can be spoken: shorten it", n, MaxText)
	}
	var b strings.Builder
	says := false
	for _, r := range norm.NFC.String(text) {
		says = says || unicode.IsLetter(r) || unicode.IsDigit(r) || r == '&'
		b.WriteString(spokenRune(r, lang))
	}
	if !says {
		return "", ErrNothingToSay
	}
	s := strings.Join(strings.Fields(b.String()), " ")
	return strings.Trim(doubled.ReplaceAllString(s, "$1"), ", "), nil
}

// doubled is a comma put for a line break where the phrase had its sign already.
var doubled = regexp.MustCompile(`([.,;:!?])( ?,)+`)

func spokenRune(r rune, lang call.Lang) string {
	switch r {
	case '’', '‘', 'ʼ', '`', '´':
		return "'"
	case '“', '”', '«', '»', '"', '<', '>', '\\', '|', '*', '_', '~', '^', '{', '}', '[', ']', '#':
		return " "
	case '–', '—':
		return ", "
	case '…':
		return "..."
	case '\n', '\r', '\u2028', '\u2029':
		// A line break ends a phrase even where no full stop was typed.
		return " , "
	case '&':
		return " " + and[lang] + " "
	}
	switch {
	case unicode.IsSpace(r), unicode.IsControl(r), unicode.Is(unicode.Me, r), unicode.Is(unicode.Variation_Selector, r):
		return " "
	case unicode.IsLetter(r), unicode.IsMark(r), unicode.IsDigit(r):
		return string(r)
	case r < 0x80, unicode.Is(unicode.Sc, r), r == '°', r == '½':
		return string(r)
	default:
		return " "
	}
}
