package phone

import (
	"testing"
	"time"
)

func TestAShortAnswerAfterTheQuestionIsAPersonAndTalkOrSilenceIsNot(t *testing.T) {
	// A burst is from the first moment of Confirm, in ms; the question takes 4 s. Each is
	// told over a second after its end.
	type burst struct{ from, length int }
	const question = 4000
	for name, c := range map[string]struct {
		bursts []burst
		person int // the burst that counts; -1 none
	}{
		"silence":                                        {nil, -1},
		"yes after the question":                         {[]burst{{5200, 600}}, 0},
		"yes in the last moment of the question":         {[]burst{{3600, 700}}, 0},
		"a word before the last moment":                  {[]burst{{3400, 500}}, -1},
		"hello at the answer, then yes":                  {[]burst{{100, 700}, {5000, 400}}, 1},
		"a sound of no length, then yes":                 {[]burst{{0, 0}, {5000, 400}}, 1},
		"a crack":                                        {[]burst{{5000, 120}}, -1},
		"a crack, then yes":                              {[]burst{{5000, 120}, {7000, 600}}, 1},
		"the shortest answer":                            {[]burst{{5000, 200}}, 0},
		"the longest answer":                             {[]burst{{5000, 2500}}, 0},
		"talk longer than an answer":                     {[]burst{{5000, 2600}}, -1},
		"a voicemail over the whole question":            {[]burst{{200, 8000}}, -1},
		"a voicemail over the question, then its beep":   {[]burst{{200, 3000}, {5500, 500}}, -1},
		"a voicemail of two phrases, then its beep":      {[]burst{{200, 1500}, {2000, 1200}, {5500, 500}}, -1},
		"a voicemail that begins late and outlasts":      {[]burst{{3000, 9000}, {14000, 500}}, -1},
		"a voicemail that begins after, then its beep":   {[]burst{{4500, 7000}, {12600, 500}}, -1},
		"long talk after the question, then a word":      {[]burst{{4500, 2600}, {8200, 400}}, -1},
		"speaks over the question for as long as it may": {[]burst{{200, 1200}, {2300, 1300}, {5000, 400}}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			at := func(ms int) time.Time { return began.Add(time.Duration(ms) * time.Millisecond) }
			var e ear
			asked := false
			ask := func(now int) {
				if !asked && now >= question {
					asked = true
					e.questionEnds(at(question))
				}
			}
			got := -1
			for i, b := range c.bursts {
				ask(b.from)
				e.sound(at(b.from))
				over := b.from + b.length + 1000
				ask(over)
				if e.silence(time.Duration(b.length)*time.Millisecond) && got < 0 {
					got = i
				}
			}
			if got != c.person {
				t.Errorf("sound %d counts as a person, want %d", got, c.person)
			}
		})
	}
}

func TestAnEndOfSoundWithoutItsBeginningIsNothing(t *testing.T) {
	var e ear
	e.questionEnds(time.Now())
	if e.silence(600 * time.Millisecond) {
		t.Error("the end of a sound that nobody heard begin counts as a person")
	}
}

func TestOnlyASoundThatMayStillBeAnAnswerIsWaitedFor(t *testing.T) {
	asked := time.Now()
	for name, c := range map[string]struct {
		began, now time.Duration // after the question
		machine    bool
		want       time.Duration
	}{
		"just begun":               {9800 * time.Millisecond, 10 * time.Second, false, 3300 * time.Millisecond},
		"talks for long":           {5 * time.Second, 10 * time.Second, false, 0},
		"began over the question":  {-time.Second, time.Second, false, 0},
		"began in the last moment": {-200 * time.Millisecond, time.Second, false, 2300 * time.Millisecond},
		"was heard to be none":     {9800 * time.Millisecond, 10 * time.Second, true, 0},
	} {
		e := ear{asked: asked, began: asked.Add(c.began), machine: c.machine}
		if got := e.patience(asked.Add(c.now)); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	if (&ear{asked: asked}).patience(asked.Add(time.Second)) != 0 || (&ear{began: asked}).patience(asked) != 0 {
		t.Error("silence is waited for, or a sound over the question")
	}
}
