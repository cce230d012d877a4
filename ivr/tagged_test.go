package ivr

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"decroche/call"
	"decroche/tags"
)

// known is what is known of the callers of a test.
type known struct {
	of    map[call.Number][]tags.Tag
	err   error
	takes time.Duration
}

func (k *known) Of(ctx context.Context, n call.Number) ([]tags.Tag, error) {
	select {
	case <-time.After(k.takes):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return k.of[n], k.err
}

const theirs = call.Number("+33639980077")

// knows tags the caller of a test.
func (s *stage) knows(list ...tags.Tag) *known {
	k := &known{of: map[call.Number][]tags.Tag{theirs: list}}
	s.journey.Tags = k
	return k
}

// callFrom is a call of one number to another.
func (s *stage) callFrom(from, to call.Number, keys ...string) *fake {
	c := s.caller(to)
	c.info.From = from
	c.types(strings.Join(keys, ""))
	c.begin(StepGreet, new(Visit))
	return c
}

func TestWhoseLanguageIsKnownIsNotAskedForIt(t *testing.T) {
	play(t, func(s *stage) {
		s.knows(tags.Tag{Kind: tags.Language, Value: "en"})
		c := s.callFrom(theirs, both)
		time.Sleep(6 * time.Second)
		c.hears("en/bienvenue", "en/menu-principal")
		if f := s.facts.of(call.EventLanguage); len(f) != 1 || f[0]["by"] != "tag" || f[0]["lang"] != "en" {
			t.Errorf("the journal has %v", f)
		}
	})
	play(t, func(s *stage) { // a number that speaks one language is dialled on purpose, and a language that is gone is none
		s.knows(tags.Tag{Kind: tags.Language, Value: "de"})
		c := s.callFrom(theirs, general)
		time.Sleep(6 * time.Second)
		c.hears("fr/bienvenue", "fr/menu-principal")
	})
}

func TestWhoIsKnownToBeDeafIsAtTheAccessWithoutAKey(t *testing.T) {
	play(t, func(s *stage) {
		x := s.online()
		s.accessible()
		s.knows(tags.Tag{Kind: tags.Deaf})
		c := s.callFrom(theirs, general)
		time.Sleep(9 * time.Second)
		heard := strings.Join(c.names(), " ")
		if !strings.Contains(heard, "fr/acces fr/access.sms") || strings.Contains(heard, "menu-principal") {
			t.Errorf("heard %s", heard)
		}
		if got := x.sent(); len(got) != 1 {
			t.Errorf("sent were %v", got)
		}
	})
}

func TestWhoIsVulnerableWaitsInTheQueueThatIsServedFirst(t *testing.T) {
	play(t, func(s *stage) {
		s.def.Store(parse(t, strings.Replace(definition, "queues:\n", "tags:\n  vulnerable: {queues: {accueil: titres}}\nqueues:\n", 1)+prompts()))
		s.knows(tags.Tag{Kind: tags.Vulnerable})
		c := s.callFrom(theirs, general, "1")
		time.Sleep(10 * time.Second)
		if st := s.queue("titres"); st.Waiting != 1 {
			t.Errorf("in the queue wait %+v", st)
		}
		c.hangsUp()
		if f := s.facts.of(call.EventTag); len(f) != 1 || f[0]["tag"] != "vulnerable" || f[0]["what"] != "used" {
			t.Errorf("the journal has %v", f)
		}
	})
}

func TestWhoDoesWithoutTheInternetIsNotOfferedIt(t *testing.T) {
	play(t, func(s *stage) {
		s.withoutInternet()
		s.knows(tags.Tag{Kind: tags.Offline})
		c := s.callFrom(theirs, general, "22")
		time.Sleep(12 * time.Second)
		heard := strings.Join(c.names(), " ")
		if strings.Contains(heard, "link.offer") || strings.Contains(heard, "offline.offer") || !strings.Contains(heard, "fr/info-horaires") {
			t.Errorf("heard %s", heard)
		}
	})
}

func TestACallerIsReceivedWhateverBecomesOfTheirTags(t *testing.T) {
	for name, k := range map[string]*known{
		"an error": {err: errors.New("the database is away")}, "an answer that does not come": {takes: time.Hour},
	} {
		play(t, func(s *stage) {
			s.journey.Tags = k
			c := s.callFrom(theirs, general)
			time.Sleep(6 * time.Second)
			if heard := strings.Join(c.names(), " "); !strings.Contains(heard, "fr/bienvenue fr/menu-principal") {
				t.Errorf("%s: heard %s", name, heard)
			}
		})
	}
}
