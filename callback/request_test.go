package callback

import (
	"strings"
	"testing"
)

func TestEveryRefusalSaysWhyInWords(t *testing.T) {
	for _, why := range []Why{
		WhyOff, WhyWithheld, WhyEmergency, WhyShort, WhyPremium, WhyForeign, WhyInvalid, WhyOurs, WhyTooMany, WhyFull, WhyAsleep, WhySlot,
	} {
		if text := (&Refusal{Why: why}).Error(); strings.HasSuffix(text, ": ") || !strings.Contains(text, "("+string(why)+")") {
			t.Errorf("%s: %q", why, text)
		}
	}
}
