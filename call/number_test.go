package call

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestNumbersAreReadInEveryFormOperatorsAndPeopleWrite(t *testing.T) {
	for raw, want := range map[string]Number{
		"0199003939":                   "+33199003939",
		"01 99 00 39 39":               "+33199003939",
		"01.99.00.39.39":               "+33199003939",
		"01-99-00-39-39":               "+33199003939",
		"01\u00a099\u202f00 39 39":     "+33199003939",
		"+33199003939":                 "+33199003939",
		"+33 1 99 00 39 39":            "+33199003939",
		"+33 (0)1 99 00 39 39":         "+33199003939",
		"0033199003939":                "+33199003939",
		"33199003939":                  "+33199003939",
		"sip:+33199003939@sip.example": "+33199003939",
		"sips:0199003939;user=phone@sip.example:5061;transport=tls": "+33199003939",
		"SIP:%2B33199003939@192.0.2.1":                              "+33199003939",
		"<sip:0199003939@192.0.2.1;user=phone>;tag=abc":             "+33199003939",
		`"Jean Dupont, 3e étage" <sip:+33199003939@192.0.2.1>`:      "+33199003939",
		`"0155" <tel:+33-1-99-00-39-39>`:                            "+33199003939",
		"tel:0199003939;phone-context=sip.example":                  "+33199003939",
		"tel:0199003939;phone-context=+33":                          "+33199003939",
		"tel:199003939;phone-context=+33":                           "+33199003939",
		"tel:2079460000;phone-context=+44":                          "+442079460000",
		"tel:3939;phone-context=+33":                                "3939",
		"0199003939@192.0.2.1":                                      "+33199003939",
		// overseas numbers, dialled nationally and with the mainland's code
		"0262 99 00 39": "+262262990039", "0692123456": "+262692123456", "0693 12 34 56": "+262693123456",
		"0269601234": "+262269601234", "0639012345": "+262639012345", "+33692123456": "+262692123456",
		"0590201234": "+590590201234", "0690001234": "+590690001234", "0691123456": "+590691123456",
		"0594101234": "+594594101234", "0694201234": "+594694201234",
		"0596301234": "+596596301234", "0696201234": "+596696201234", "0697123456": "+596697123456",
		"0508411234": "+508411234", "+508411234": "+508411234", "00508411234": "+508411234",
		"+687261234": "+687261234", "00689 40 12 34 56": "+68940123456", "+681721234": "+681721234",
		"0709012345": "+590709012345", "0709312345": "+594709312345", "0709352345": "+262709352345",
		// the fiction range lies in Mayotte's block and is not Mayotte's
		"0639980012": "+33639980012", "06 39 98 00 12": "+33639980012", "+33639980012": "+33639980012",
		"0639970012": "+262639970012",
		// machines
		"07001234567890": "+337001234567890",
		// short numbers stay as dialled
		"3939": "3939", "39 39": "3939", "1013": "1013", "118218": "118218", "118 218": "118218", "17": "17", "112": "112",
		"116117": "116117", "sip:3646@192.0.2.1": "3646", "+333939": "3939",
		"+442079460000": "+442079460000", "00 44 20 7946 0000": "+442079460000",
		// nobody
		"": Withheld, "anonymous": Withheld, "Anonymous": Withheld, "unavailable": Withheld, "Restricted": Withheld,
		"sip:anonymous@anonymous.invalid": Withheld, `"Anonymous" <sip:anonymous@anonymous.invalid>`: Withheld,
		"  ": Withheld, "<>": Withheld, `"unknown"`: Withheld,
	} {
		got, err := ParseNumber(raw)
		if err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", raw, string(got), err, string(want))
		}
	}
}

func TestWhatIsNotANumberIsRefusedWithoutRepeatingIt(t *testing.T) {
	for _, raw := range []string{
		"abc", "2001", "019900393", "01990039390", "+33", "+3319900393", "+1", "00", "442079460000", "+0199003939",
		"01 99 00 39 3x", "1234567890123456789012345", "sip:bob@192.0.2.1", "+26269212345", "4",
	} {
		n, err := ParseNumber(raw)
		if !errors.Is(err, ErrNotANumber) || n != Withheld {
			t.Errorf("%q: %q, %v", raw, string(n), err)
			continue
		}
		if len(raw) > 3 && strings.Contains(err.Error(), raw) {
			t.Errorf("the error repeats the number: %v", err)
		}
	}
}

func TestATrunkThatSendsForeignNumbersWithoutPlusSaysSo(t *testing.T) {
	got, err := Normalizer{International: true}.Parse("442079460000")
	if err != nil || got != "+442079460000" {
		t.Errorf("%q, %v", string(got), err)
	}
	if got, _ := (Normalizer{International: true}).Parse("0199003939"); got != "+33199003939" {
		t.Errorf("a national number on such a trunk is %q", string(got))
	}
}

func TestEveryFormOfANumberGivesTheSameNumber(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rest := rapid.StringMatching(`[1-9][0-9]{8}`).Draw(t, "number")
		want, err := ParseNumber("0" + rest)
		if err != nil {
			t.Fatal(err)
		}
		spaced := "0" + rest[:1]
		for i := 1; i < 9; i += 2 {
			spaced += rapid.SampledFrom([]string{"", " ", ".", "-", "\u00a0"}).Draw(t, "separator") + rest[i:i+2]
		}
		for _, form := range []string{
			"+33" + rest, "0033" + rest, "33" + rest, spaced, "+33 (0)" + rest, "sip:+33" + rest + "@192.0.2.1:5060",
			fmt.Sprintf(`"12 34" <sip:0%s@h;user=phone>;tag=1`, rest), "tel:0" + rest + ";phone-context=+33", string(want), want.Spoken(),
		} {
			got, err := ParseNumber(form)
			if err != nil || got != want {
				t.Fatalf("%q: %q, %v; want %q", form, string(got), err, string(want))
			}
		}
	})
}

func FuzzParseNumberGivesAnE164OrShortNumberAndReadsItsOwnAnswer(f *testing.F) {
	for _, s := range []string{"0199003939", "+33 (0)1", `"x" <sip:%2B33199003939@h>`, "tel:1;phone-context=+", "anonymous", "<", "+508411234", "0508"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		n, err := ParseNumber(raw)
		if err != nil {
			if n != Withheld {
				t.Fatalf("%q: an error and the number %q", raw, string(n))
			}
			return
		}
		digits := strings.TrimPrefix(string(n), "+")
		if strings.Trim(digits, "0123456789") != "" || len(digits) > 15 {
			t.Fatalf("%q became %q", raw, string(n))
		}
		again, err := ParseNumber(string(n))
		if err != nil || again != n {
			t.Fatalf("%q became %q, which becomes %q, %v", raw, string(n), string(again), err)
		}
		_, _ = n.Kind(), n.Spoken()
	})
}

func TestTheKindOfANumberTellsWhatItCosts(t *testing.T) {
	for raw, want := range map[string]NumberKind{
		"0199003939": KindGeographic, "0639980012": KindMobile, "0712345678": KindMobile, "0962990039": KindNonGeographic,
		"0262990039": KindGeographic, "0692990039": KindMobile, "0508411234": KindGeographic, "0508551234": KindMobile,
		"0800990039": KindFree, "0805990039": KindFree, "0806990039": KindOrdinary, "0809990039": KindOrdinary,
		"0810990039": KindSharedCost, "0820990039": KindSharedCost, "0825990039": KindSharedCost,
		"0892990039": KindPremium, "0899990039": KindPremium, "0836990039": KindPremium,
		"3939": KindShortMayCost, "3646": KindShortMayCost, "3008": KindShort, "3114": KindShort, "1013": KindShort,
		"118218": KindShortPremium, "15": KindEmergency, "112": KindEmergency, "114": KindEmergency, "116000": KindEmergency,
		"116006": KindShort, "+442079460000": KindForeign, "+687261234": KindForeign, "": KindWithheld,
	} {
		n, err := ParseNumber(raw)
		if err != nil || n.Kind() != want {
			t.Errorf("%s: %s, %v; want %s", raw, n.Kind(), err, want)
		}
		surcharged := want == KindSharedCost || want == KindPremium || want == KindShortPremium
		if want.Surcharged() != surcharged {
			t.Errorf("%s surcharged: %v", want, want.Surcharged())
		}
	}
}

func TestNumbersAreSaidByPairs(t *testing.T) {
	for n, want := range map[Number]string{
		"+33199003939": "01 99 00 39 39", "3939": "39 39", "118218": "118 218", "17": "17", "112": "112", "1013": "10 13",
		"+262692123456": "06 92 12 34 56", "+508411234": "05 08 41 12 34", "+442079460000": "+44 20 79 46 00 00",
		"+687261234": "+687 26 12 34", Withheld: "",
	} {
		if got := n.Spoken(); got != want {
			t.Errorf("%s: %q, want %q", string(n), got, want)
		}
	}
}
