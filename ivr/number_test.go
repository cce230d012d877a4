package ivr

import (
	"slices"
	"strings"
	"testing"
	"time"

	"decroche/call"
)

// Whose own number cannot be called is asked for another.
func TestANumberThatCannotBeCalledIsRefusedAndAnotherAskedFor(t *testing.T) {
	for from, why := range map[call.Number]string{
		call.Withheld: "withheld", "17": "emergency", "3939": "short", "+33899000000": "premium", "+442079460000": "foreign", general: "ours",
	} {
		t.Run(why, func(t *testing.T) {
			play(t, func(s *stage) {
				b := s.desk()
				c := s.from(from, "1")
				time.Sleep(10 * time.Second)
				c.hears(c.names()...)
				c.types("1")
				time.Sleep(5 * time.Second)
				c.hears("fr/callback.refused."+why, "fr/callback.number.type")
				c.types("0199001122")
				time.Sleep(15 * time.Second)
				c.hears("fr/callback.number.typed", "fr/number.digit.01", "fr/number.digit.99", "fr/number.digit.00", "fr/number.digit.11", "fr/number.digit.22", "fr/callback.number.confirm")
				c.types("1")
				time.Sleep(6 * time.Second)
				c.types("1")
				c.ends(call.CalledBack, call.ReasonPlace)
				if p := b.only(s); p.Number != "+33199001122" {
					t.Errorf("promised was %+v", p)
				}
				if slices.Contains(c.names(), "fr/callback.noted.sms") {
					t.Error("a landline gets no SMS")
				}
			})
		})
	}
}

func TestANumberIsTypedReadBackAndConfirmed(t *testing.T) {
	for keys, want := range map[string]struct {
		number call.Number
		spoken string
	}{
		"0199001122":       {"+33199001122", "01 99 00 11 22"},
		"0639980002":       {"+33639980002", "06 39 98 00 02"},
		"06*0199001122":    {"+33199001122", "01 99 00 11 22"}, // * begins anew
		"0692000001":       {"+262692000001", "06 92 00 00 01"},
		"0033199001122#":   {"+33199001122", "01 99 00 11 22"},
		"00687250000#":     {"+687250000", "plus 6 87 25 00 00"},
		"00687250000":      {"+687250000", "plus 6 87 25 00 00"}, // and a pause
		"#0199001122":      {"+33199001122", "01 99 00 11 22"},   // # before the first digit is none
		"00262692000001##": {"+262692000001", "06 92 00 00 01"},
	} {
		t.Run(keys, func(t *testing.T) {
			play(t, func(s *stage) {
				b := s.desk()
				c := s.asking()
				c.types("2")
				time.Sleep(3 * time.Second)
				c.hears("fr/callback.number.type")
				c.types(strings.TrimSuffix(keys, "##"))
				if strings.HasSuffix(keys, "##") {
					c.types("#")
				}
				time.Sleep(25 * time.Second)
				var spoken []string
				for _, n := range c.names() {
					if at := strings.LastIndex(n, "."); strings.HasPrefix(n, "fr/number.") {
						spoken = append(spoken, n[at+1:])
					}
				}
				if got := strings.Join(spoken, " "); !strings.HasPrefix(got, want.spoken) {
					t.Errorf("read back was %q, want %q", got, want.spoken)
				}
				c.types("1")
				time.Sleep(7 * time.Second)
				c.types("1")
				c.ends(call.CalledBack, call.ReasonPlace)
				if p := b.only(s); p.Number != want.number {
					t.Errorf("promised was %s, want %s", p.Number, want.number)
				}
			})
		})
	}
}

func TestAWrongNumberIsTriedThreeTimesThenTheCallerWaitsOn(t *testing.T) {
	for keys, why := range map[string]string{
		"12345": "invalid", "0199": "invalid", "3939#": "short", "112#": "emergency", "0899000000": "premium", "00442079460000#": "foreign", "0199003939": "ours",
		"": "",
	} {
		t.Run(keys, func(t *testing.T) {
			play(t, func(s *stage) {
				b := s.desk()
				c := s.asking()
				c.types("2")
				said := "callback.refused." + why
				if keys == "" {
					said = "menu.noinput"
				}
				for range 3 {
					time.Sleep(3 * time.Second)
					c.types(keys)
					time.Sleep(5 * time.Second) // the pause that ends a number
				}
				time.Sleep(10 * time.Second)
				got := strings.Join(c.names(), " ")
				if n := strings.Count(got, said); n < 3 || !strings.Contains(got, "fr/callback.back") {
					t.Errorf("heard %s", got)
				}
				if s.queue("accueil").Waiting != 1 || len(look(b, &b.asked)) != 0 {
					t.Error("the caller should wait on, and nothing be promised")
				}
			})
		})
	}
}

func TestATypedNumberCanBeCorrectedOrGivenUp(t *testing.T) {
	play(t, func(s *stage) {
		b := s.desk()
		c := s.asking()
		c.types("2")
		c.types("0199001123")
		time.Sleep(time.Second)
		c.types("2") // not that one
		time.Sleep(time.Second)
		c.types("0199001122")
		time.Sleep(time.Second)
		c.types("1")
		time.Sleep(time.Second)
		c.types("1")
		c.ends(call.CalledBack, call.ReasonPlace)
		if p := b.only(s); p.Number != "+33199001122" {
			t.Errorf("promised was %+v", p)
		}
		c = s.asking()
		c.types("2")
		c.types("0199001123")
		time.Sleep(time.Second)
		c.types("3")
		time.Sleep(time.Second)
		if got := c.names(); got[len(got)-1] != "fr/callback.back" {
			t.Errorf("heard %q", got)
		}
	})
}

func TestNumbersAreReadByPairs(t *testing.T) {
	for number, want := range map[call.Number]string{
		"+33199003939":  "digit.01 digit.99 digit.00 digit.39 digit.39",
		"+262692000001": "digit.06 digit.92 digit.00 digit.00 digit.01",
		"+687250000":    "plus single.6 digit.87 digit.25 digit.00 digit.00",
		"+442079460000": "plus digit.44 digit.20 digit.79 digit.46 digit.00 digit.00",
		"3939":          "digit.39 digit.39",
		"118218":        "single.1 digit.18 single.2 digit.18",
		call.Withheld:   "",
	} {
		if got := strings.ReplaceAll(strings.Join(NumberPrompts(number), " "), "number.", ""); got != want {
			t.Errorf("%s: %s, want %s", number.Masked(), got, want)
		}
	}
}
