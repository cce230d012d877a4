package text

import (
	"strings"
	"testing"

	"decroche/call"
)

func TestATextIsCountedInSegmentsAsItIsSent(t *testing.T) {
	for _, c := range []struct {
		name string
		text string
		n    int
		gsm7 bool
	}{
		{"nothing", "", 1, true},
		{"160 septets fill one", strings.Repeat("a", 160), 1, true},
		{"161 make two", strings.Repeat("a", 161), 2, true},
		{"306 fill two", strings.Repeat("a", 306), 2, true},
		{"307 make three", strings.Repeat("a", 307), 3, true},
		{"the euro counts for two", strings.Repeat("a", 158) + "€", 1, true},
		{"and may be one too many", strings.Repeat("a", 159) + "€", 2, true},
		// 152 and € do not fit in 153: € goes to the next, which then overflows.
		{"the euro is not split", strings.Repeat("a", 152) + "€" + strings.Repeat("a", 152), 3, true},
		{"the same length without it", strings.Repeat("a", 306), 2, true},
		{"accents of the alphabet", "Où ? Là, déjà réservé à l'été", 1, true},
		{"one letter outside makes all UCS-2", strings.Repeat("a", 69) + "ê", 1, false},
		{"71 units make two", strings.Repeat("a", 70) + "ê", 2, false},
		{"134 fill two", strings.Repeat("ê", 134), 2, false},
		{"135 make three", strings.Repeat("ê", 135), 3, false},
		{"a surrogate pair counts for two", strings.Repeat("ê", 68) + "😀", 1, false},
		{"and is not split", strings.Repeat("ê", 66) + "😀" + strings.Repeat("ê", 66), 3, false},
		{"an extended sign is one unit in UCS-2", strings.Repeat("€", 69) + "ê", 1, false},
	} {
		if n, gsm7 := Segments(c.text); n != c.n || gsm7 != c.gsm7 {
			t.Errorf("%s: %d segments, GSM 03.38 %v; want %d, %v", c.name, n, gsm7, c.n, c.gsm7)
		}
	}
}

func TestTheAlphabetIsThatOfGSM0338(t *testing.T) {
	if n := len([]rune(gsm7Basic)); n != 127 { // 128 places, one of them the escape
		t.Errorf("%d characters of one septet, want 127", n)
	}
	if n := len([]rune(gsm7Extended)); n != 10 {
		t.Errorf("%d characters of two septets, want 10", n)
	}
	seen := map[rune]bool{}
	for _, r := range gsm7Basic + gsm7Extended {
		if seen[r] {
			t.Errorf("%q is there twice", r)
		}
		seen[r] = true
	}
	if got := string(NotGSM7("Être là, ça côute : œuf d’août à 10 € — être")); got != "Êçôœ’û—ê" {
		t.Errorf("outside the alphabet: %q", got)
	}
}

func TestRepliesAreOneSegmentEach(t *testing.T) {
	for _, lang := range []call.Lang{"fr", "en"} {
		for _, id := range IDs(lang) {
			if !strings.HasPrefix(id, "smsreply.") {
				continue
			}
			reply := Get(lang, id, "service", "Mairie de Nantes", "number", "09 72 72 72 72", "code", "482913", "minutes", 10)
			if n, gsm7 := Segments(reply); n != 1 || !gsm7 {
				t.Errorf("%s in %s takes %d segments, GSM 03.38 %v (outside it: %q)", id, lang, n, gsm7, string(NotGSM7(reply)))
			}
		}
	}
}
