package text

import (
	"slices"
	"strings"
)

// The alphabet that a text message is written in decides how many the citizen's telephone
// receives and what they cost: GSM 03.38 holds 160 characters in one segment, anything else
// makes the whole message UCS-2, of 70. Most French accents are in it; ê, ç, ô, œ and ’ are not.
const (
	// gsm7Basic are the characters of one septet (GSM 03.38 § 6.2.1), escape left out.
	gsm7Basic = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
		"¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	// gsm7Extended are those of two: escape and one more (§ 6.2.1.1).
	gsm7Extended = "\f^{}\\[~]|€"
)

// Segments counts the segments that a text is sent in, and tells whether it is written in
// GSM 03.38. A text of one segment holds 160 septets or 70 UTF-16 units; of several, 153 or
// 67 each, for the header that joins them. A character of two units is not split over two
// segments. The empty text is one segment.
func Segments(s string) (n int, gsm7 bool) {
	gsm7 = len(NotGSM7(s)) == 0
	single, joined := 160, 153
	if !gsm7 {
		single, joined = 70, 67
	}
	total, segments, used := 0, 1, 0
	for _, r := range s {
		w := width(r, gsm7)
		total += w
		if used+w > joined {
			segments, used = segments+1, 0
		}
		used += w
	}
	if total <= single {
		return 1, gsm7
	}
	return segments, gsm7
}

// NotGSM7 lists the characters that are not in GSM 03.38, each once, as they come.
func NotGSM7(s string) []rune {
	var out []rune
	for _, r := range s {
		if !strings.ContainsRune(gsm7Basic, r) && !strings.ContainsRune(gsm7Extended, r) && !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	return out
}

// width is how many septets or UTF-16 units a character takes.
func width(r rune, gsm7 bool) int {
	if gsm7 && strings.ContainsRune(gsm7Extended, r) || !gsm7 && r > 0xFFFF {
		return 2
	}
	return 1
}
