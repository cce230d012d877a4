package storetest

import (
	"errors"
	"reflect"
	"sync"
	"testing"

	"decroche/drafts"
)

func draftLife(t *testing.T, e Engine) {
	ctx := t.Context()
	db := Open(t, e.URL(t)).Drafts()
	change := func(path, value, by string) drafts.Change {
		return drafts.Change{Path: path, Value: value, Was: "x", By: by, At: noon, State: drafts.Draft}
	}
	first := get(db.PutDraft(ctx, change("prompts.accueil", "fr: un", "camille"), 0))(t)
	if again := get(db.PutDraft(ctx, change("prompts.accueil", "fr: un", "camille"), 0))(t); again != first {
		t.Errorf("a change that comes again is another draft: %+v, then %+v", first, again)
	}
	if _, err := db.PutDraft(ctx, change("prompts.accueil", "fr: deux", "lou"), 0); !errors.Is(err, drafts.ErrChanged) {
		t.Errorf("who has not seen the draft writes over it: %v", err)
	}
	second := get(db.PutDraft(ctx, change("prompts.accueil", "fr: deux", "lou"), first.ID))(t)
	other := get(db.PutDraft(ctx, change("hours", "mon: closed", "lou"), 0))(t)
	if got := get(db.Drafts(ctx))(t); !reflect.DeepEqual(got, []drafts.Change{second, other}) {
		t.Errorf("drafts are %+v", got)
	}
	if err := db.SettleDrafts(ctx, []int64{second.ID, first.ID}, drafts.Dropped, "dominique", noon); !errors.Is(err, drafts.ErrNone) {
		t.Errorf("a draft that is none is dropped: %v", err)
	}
	if len(get(db.Drafts(ctx))(t)) != 2 {
		t.Error("half of what was dropped was kept")
	}
	must(t, db.SettleDrafts(ctx, []int64{other.ID}, drafts.Dropped, "lou", noon)) // and published all the same, the same moment
	for range 2 {                                                                 // the answer of the first may be lost
		must(t, db.SettleDrafts(ctx, []int64{second.ID, other.ID}, drafts.Published, "dominique", noon))
	}
	history := get(db.History(ctx, "prompts.accueil", 10))(t)
	if len(history) != 1 || history[0].Value != "fr: deux" || history[0].SettledBy != "dominique" || !history[0].Settled.Equal(noon) || history[0].State != drafts.Published {
		t.Errorf("the history is %+v", history)
	}
	must(t, db.SettleDrafts(ctx, []int64{second.ID}, drafts.Published, "another", noon)) // by another node: the first stays
	if again := get(db.History(ctx, "prompts.accueil", 10))(t); !reflect.DeepEqual(again, history) {
		t.Errorf("published twice, the history is %+v", again)
	}
	if n := len(get(db.History(ctx, "", 10))(t)); n != 2 {
		t.Errorf("the history of all has %d changes", n)
	}
	lost := get(db.Lost(ctx, 10))(t)
	if len(lost) != 1 || lost[0].ID != first.ID || lost[0].Value != "fr: un" || lost[0].By != "camille" || lost[0].SettledBy != "lou" || lost[0].State != drafts.Dropped {
		t.Errorf("the drafts that another wrote over are %+v", lost)
	}
	own := get(db.PutDraft(ctx, change("openings", "- un", "lou"), 0))(t)
	own = get(db.PutDraft(ctx, change("openings", "- deux", "lou"), own.ID))(t)
	must(t, db.SettleDrafts(ctx, []int64{own.ID}, drafts.Dropped, "lou", noon))
	if n := len(get(db.Lost(ctx, 10))(t)); n != 1 {
		t.Errorf("what an author wrote anew or forgot is lost: %d drafts", n)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for _, by := range []string{"a", "b", "c"} {
		wg.Go(func() {
			_, err := db.PutDraft(ctx, change("closures", "- "+by, by), 0)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
			} else if !errors.Is(err, drafts.ErrChanged) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won != 1 {
		t.Errorf("%d of three at once wrote the draft", won)
	}
}
