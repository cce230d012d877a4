package ivr

import (
	"strings"
	"testing"
	"time"

	"decroche/call"
)

// told is what a rehearsal says: prompts, and the keys in brackets.
func told(r Rehearsal) string {
	var words []string
	for _, t := range r.Turns {
		for _, s := range t.Sounds {
			words = append(words, s.Name)
		}
		if t.Key != 0 {
			words = append(words, "["+string(rune(t.Key))+"]")
		}
	}
	return strings.Join(words, " ")
}

func TestAJourneyIsRehearsedAtAnyTime(t *testing.T) {
	play(t, func(s *stage) {
		s.desk()
		s.board.publish(Message{})
		monday := time.Now()
		holiday := time.Date(2000, 7, 14, 10, 0, 0, 0, s.def.Load().Location)
		for name, test := range map[string]struct {
			to    call.Number
			at    time.Time
			keys  string
			want  string
			check func(Rehearsal) bool
		}{
			"the menu":               {general, monday, "", "bienvenue message:1 menu-principal", func(r Rehearsal) bool { return r.Asked }},
			"a key":                  {general, monday, "2", "bienvenue message:1 menu-principal [2] menu-second", func(r Rehearsal) bool { return r.Asked }},
			"a wrong key, then none": {general, monday, "7t", "bienvenue message:1 menu-principal [7] menu.wrong menu-principal [t] menu.noinput menu-principal", func(r Rehearsal) bool { return r.Asked }},
			"the queue":              {general, monday, "1", "bienvenue message:1 menu-principal [1]", func(r Rehearsal) bool { return r.Waits == "accueil" }},
			"an info":                {general, monday, "23", "bienvenue message:1 menu-principal [2] menu-second [3] info-site info.offer-person", func(r Rehearsal) bool { return r.Asked }},
			"the fourteenth of July": {general, holiday, "", "ferme ferme-horaires autres-moyens callback.hint", func(r Rehearsal) bool { return r.Asked }},
			"and being called back":  {general, holiday, "1", "ferme ferme-horaires autres-moyens callback.hint [1]", func(r Rehearsal) bool { return r.Callback }},
			"and not":                {general, holiday, "t", "ferme ferme-horaires autres-moyens callback.hint [t] goodbye", func(r Rehearsal) bool { return r.End.Outcome == call.Closed }},
			"a closure":              {general, time.Date(2000, 1, 11, 10, 0, 0, 0, s.def.Load().Location), "", "ferme-travaux ferme-horaires autres-moyens callback.hint", func(r Rehearsal) bool { return r.Asked }},
			"a number of nobody's":   {"+33199009999", monday, "", "unknown-number", func(r Rehearsal) bool { return r.End.Outcome == call.Failed }},
		} {
			r, err := s.journey.Rehearse(s.t.Context(), s.def.Load(), call.Info{From: "+33639980001", To: test.to}, test.at, test.keys)
			if err != nil || told(r) != test.want || !test.check(r) {
				t.Errorf("%s: %q, want %q; %+v, %v", name, told(r), test.want, r, err)
			}
		}
		if n := len(s.facts.of(call.EventLanguage)) + s.queue("accueil").Waiting; n != 0 {
			t.Error("a rehearsal is in the journal, or in line")
		}
	})
}
