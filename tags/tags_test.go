package tags_test

import (
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"decroche/call"
	"decroche/service"
	"decroche/store"
	"decroche/store/storetest"
	"decroche/tags"
)

const citizen, other = call.Number("+33639980041"), call.Number("+33639980042")

type line struct {
	*tags.Office
	*testing.T
	db *store.DB

	mu   sync.Mutex
	told []string
}

func (l *line) Append(e call.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told = append(l.told, string(e.Data))
}

func stories(t *testing.T, story func(l *line)) {
	for name, url := range map[string]func(t *testing.T) string{
		"SQLite":     func(t *testing.T) string { return "sqlite:" + t.TempDir() + "/decroche.db" },
		"PostgreSQL": func(t *testing.T) string { return storetest.Postgres(t) },
	} {
		t.Run(name, func(t *testing.T) {
			l := &line{T: t, db: storetest.Open(t, url(t))}
			def := &service.Definition{
				Languages: []call.Lang{"fr", "en"}, Numbers: []service.Number{{Number: "+33199003939"}},
				Access: service.Access{Relay: &service.Relay{Number: "+33199005000", Callers: []call.Number{"+33199005001"}}},
			}
			l.Office = &tags.Office{
				Store: l.db.Tags(), Service: func() *service.Definition { return def }, Journal: l, Secret: []byte("a secret of the tests"),
				Log: slog.New(slog.DiscardHandler),
			}
			story(l)
		})
	}
}

func (l *line) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

func wish(kind tags.Kind, change ...func(w *tags.Wish)) tags.Wish {
	w := tags.Wish{Number: citizen, Consent: true, Tag: tags.Tag{Kind: kind, Reason: "demandé au téléphone", By: "2001"}}
	for _, c := range change {
		c(&w)
	}
	return w
}

func (l *line) kinds(n call.Number) (all string) {
	l.Helper()
	list, err := l.Of(l.Context(), n)
	l.must(err)
	for _, t := range list {
		all += string(t.Kind) + t.Value + " "
	}
	return strings.TrimSpace(all)
}

func TestATagIsKeptToldAndTakenBack(t *testing.T) {
	stories(t, func(l *line) {
		set, err := l.Set(l.Context(), wish(tags.Deaf))
		l.must(err)
		if life := time.Until(set.Until); life < 364*24*time.Hour || life > tags.DefaultLife {
			l.Errorf("it lasts %s", life)
		}
		for _, lang := range []string{"fr", "en"} { // the second takes the place of the first
			_, err = l.Set(l.Context(), wish(tags.Language, func(w *tags.Wish) { w.Tag.Value = lang }))
			l.must(err)
		}
		if got := l.kinds(citizen); got != "deaf languageen" {
			l.Errorf("known is %q", got)
		}
		if got := l.kinds(other) + l.kinds(call.Withheld); got != "" {
			l.Errorf("of others %q", got)
		}
		people, err := l.People(l.Context())
		l.must(err)
		if len(people) != 1 || people[0].Number != citizen || len(people[0].Tags) != 2 {
			l.Errorf("everybody is %+v", people)
		}
		was, err := l.Remove(l.Context(), citizen, tags.Deaf, "2001")
		again, err2 := l.Remove(l.Context(), citizen, tags.Deaf, "2001")
		l.must(errors.Join(err, err2))
		if !was || again || l.kinds(citizen) != "languageen" {
			l.Errorf("taken back: %v, then %v; known is %q", was, again, l.kinds(citizen))
		}
		if len(l.told) != 4 || strings.Contains(strings.Join(l.told, ""), "39980") {
			l.Errorf("the journal has %q", l.told)
		}
	})
}

func TestATagThatMayNotBeSetSaysWhy(t *testing.T) {
	stories(t, func(l *line) {
		for why, change := range map[string]func(w *tags.Wish){
			"has not agreed":        func(w *tags.Wish) { w.Consent = false },
			"a number is needed":    func(w *tags.Wish) { w.Number = call.Withheld },
			"the service's own":     func(w *tags.Wish) { w.Number = "+33199003939" },
			"it is nobody's":        func(w *tags.Wish) { w.Number = "+33199005001" },
			"there is no tag":       func(w *tags.Wish) { w.Tag.Kind = "difficile" },
			"a reason is needed":    func(w *tags.Wish) { w.Tag.Reason = "  " },
			"at most 200":           func(w *tags.Wish) { w.Tag.Reason = strings.Repeat("é", 201) },
			"who sets it":           func(w *tags.Wish) { w.Tag.By = "" },
			"no language":           func(w *tags.Wish) { w.Tag.Kind, w.Tag.Value = tags.Language, "de" },
			"has no value":          func(w *tags.Wish) { w.Tag.Value = "oui" },
			"over already":          func(w *tags.Wish) { w.Tag.Until = time.Now().Add(-time.Second) },
			"more than three years": func(w *tags.Wish) { w.Tag.Until = time.Now().Add(4 * 365 * 24 * time.Hour) },
		} {
			if _, err := l.Set(l.Context(), wish(tags.Deaf, change)); !errors.Is(err, tags.ErrTag) || !strings.Contains(err.Error(), why) {
				l.Errorf("%s: %v", why, err)
			}
		}
		if got := l.kinds(citizen); got != "" || len(l.told) != 0 {
			l.Errorf("known is %q", got)
		}
	})
}

func TestATagEndsByItselfAndIsErasedWithThePerson(t *testing.T) {
	stories(t, func(l *line) {
		_, err := l.Set(l.Context(), wish(tags.Offline, func(w *tags.Wish) { w.Tag.Until = time.Now().Add(time.Hour) }))
		l.must(err)
		_, err = l.Set(l.Context(), wish(tags.Vulnerable, func(w *tags.Wish) { w.Number = other }))
		l.must(err)
		held, err := l.Held(l.Context(), citizen)
		l.must(err)
		if len(held) != 1 || held[0]["tag"] != tags.Offline || held[0]["reason"] != "demandé au téléphone" {
			l.Errorf("the person is shown %v", held)
		}
		kept, err := l.Store.Tagged(l.Context(), "", time.Now())
		l.must(err)
		for _, k := range kept {
			if k.Kind == tags.Offline { // its hour is over
				k.Until = time.Now().Add(-time.Second)
				l.must(l.Store.Tag(l.Context(), k))
			}
		}
		if got := l.kinds(citizen); got != "" {
			l.Errorf("what is over is known: %q", got)
		}
		gone, err := l.Store.PurgeTags(l.Context(), time.Now())
		l.must(err)
		forgotten, err := l.Forget(l.Context(), other)
		l.must(err)
		people, err := l.People(l.Context())
		l.must(err)
		if gone != 1 || forgotten != 1 || len(people) != 0 {
			l.Errorf("%d are purged, %d forgotten, left are %+v", gone, forgotten, people)
		}
	})
}

func TestAnotherSecretOpensNothing(t *testing.T) {
	stories(t, func(l *line) {
		_, err := l.Set(l.Context(), wish(tags.Deaf))
		l.must(err)
		changed := &tags.Office{Store: l.Store, Service: l.Service, Journal: l, Secret: []byte("another secret of tests"), Log: l.Log}
		list, err := changed.Of(l.Context(), citizen)
		people, err2 := changed.People(l.Context())
		if err := errors.Join(err, err2); err != nil || len(list)+len(people) != 0 {
			l.Errorf("with another secret %v and %v are known: %v", list, people, err)
		}
	})
}
