package drafts_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"decroche/drafts"
	"decroche/service"
	"decroche/store/storetest"
)

// desk is one on a real store and a copy of the demonstration.
func desk(t *testing.T) (*drafts.Desk, *int) {
	t.Helper()
	dir := t.TempDir()
	data, err := os.ReadFile("../demo/prefecture.yaml")
	if err != nil {
		t.Fatal(err)
	}
	d := &drafts.Desk{File: filepath.Join(dir, "prefecture.yaml"), Store: storetest.Open(t, "sqlite:"+filepath.Join(dir, "decroche.db")).Drafts()}
	if err := os.WriteFile(d.File, data, 0o640); err != nil {
		t.Fatal(err)
	}
	reloads := 0
	d.Reload = func(context.Context) error { reloads++; return nil }
	return d, &reloads
}

// write changes a part as its editor sees it now.
func write(t *testing.T, d *drafts.Desk, path, value, by string) error {
	t.Helper()
	was, seen, err := d.Part(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return d.Write(t.Context(), path, value, was, seen, by)
}

func look(t *testing.T, d *drafts.Desk) *drafts.Look {
	t.Helper()
	l, err := d.Look(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const welcome = "fr: Bonjour et bienvenue.\nen: Hello and welcome."

func TestDraftsArePublishedTogetherAndAreTheHistory(t *testing.T) {
	d, reloads := desk(t)
	must(t, write(t, d, "prompts.accueil", welcome, "camille"))
	must(t, write(t, d, "callback.share", "30", "lou"))
	l := look(t, d)
	if !l.Fit() || len(l.Drafts) != 2 || l.Next.Prompts["accueil"]["fr"].Say != "Bonjour et bienvenue." || l.Now.Callback.Share != 25 || l.Next.Callback.Share != 30 {
		t.Fatalf("the drafts: %+v", l)
	}
	before, _ := os.ReadFile(d.File)
	if !strings.Contains(string(before), "share: 25") || *reloads != 0 {
		t.Error("a draft is in force already")
	}
	if n, err := d.Publish(t.Context(), l.Version, "camille", false); err != nil || n != 2 || *reloads != 1 {
		t.Fatalf("published %d: %v, %d reloads", n, err, *reloads)
	}
	after, _ := os.ReadFile(d.File)
	if info, _ := os.Stat(d.File); info.Mode().Perm() != 0o640 || !bytes.Contains(after, []byte("share: 30")) || !bytes.Contains(after, []byte("# Every key is explained")) {
		t.Errorf("the file is %v:\n%s", info.Mode(), after)
	}
	if _, err := d.Publish(t.Context(), look(t, d).Version, "camille", false); !errors.Is(err, drafts.ErrNothing) {
		t.Errorf("published again: %v", err)
	}
	history, err := d.Store.History(t.Context(), "prompts.accueil", 5)
	if err != nil || len(history) != 1 || !strings.Contains(history[0].Was, "Val-d'Arzon") {
		t.Fatalf("the history: %+v, %v", history, err)
	}
	must(t, write(t, d, "prompts.accueil", history[0].Was, "camille")) // restored, as a draft
	if l := look(t, d); len(l.Drafts) != 1 || !strings.Contains(l.Next.Prompts["accueil"]["fr"].Say, "Val-d'Arzon") {
		t.Errorf("restored: %+v", l.Drafts)
	}
}

func TestTwoEditorsOfAPartLoseNothing(t *testing.T) {
	d, _ := desk(t)
	was, seen, err := d.Part(t.Context(), "prompts.accueil")
	must(t, err)
	must(t, d.Write(t.Context(), "prompts.accueil", welcome, was, seen, "camille"))
	if err := d.Write(t.Context(), "prompts.accueil", "fr: Autre.\nen: Other.", was, seen, "lou"); !errors.Is(err, drafts.ErrChanged) {
		t.Errorf("the second writes over the first: %v", err)
	}
	must(t, write(t, d, "prompts.accueil", "fr: Autre.\nen: Other.", "lou")) // who has seen it may
	must(t, write(t, d, "prompts.accueil", was, "lou"))                      // and what the file says is no draft
	if l := look(t, d); len(l.Drafts) != 0 {
		t.Errorf("drafts: %+v", l.Drafts)
	}
}

func TestWhatIsAgainstTheGuideIsNotPublished(t *testing.T) {
	d, reloads := desk(t)
	must(t, write(t, d, "closed.hours", "", "camille")) // row 2: what is said when closed tells the hours
	l := look(t, d)
	if l.Fit() || len(l.Errors()) == 0 {
		t.Fatalf("findings: %+v", l.Findings)
	}
	if _, err := d.Publish(t.Context(), l.Version, "camille", false); !errors.Is(err, drafts.ErrUnfit) || *reloads != 0 {
		t.Errorf("published: %v", err)
	}
	_, err := d.Drop(t.Context(), l.Drafts[0].ID, "camille")
	must(t, err)
	for path, value := range map[string]string{"queues.accueil.max_waiting": "beaucoup", "prompts.accueil": "fr: [", "entry.welcome": "nulle-part", "menus": ""} {
		var problems service.Problems
		if err := write(t, d, path, value, "camille"); !errors.As(err, &problems) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestAnErrorOfTheFileDoesNotKeepFromMendingAnother(t *testing.T) {
	d, _ := desk(t)
	data, _ := os.ReadFile(d.File)
	must(t, os.WriteFile(d.File, bytes.Replace(data, []byte("  hours: horaires\n  other_means"), []byte("  other_means"), 1), 0o640))
	must(t, write(t, d, "prompts.accueil", welcome, "camille"))
	if l := look(t, d); !l.Fit() || len(l.Findings) == 0 {
		t.Errorf("fit %t, findings %+v", l.Fit(), l.Findings)
	}
}

func TestWhatTheLineDoesNotTakeLeavesTheFileAsItWas(t *testing.T) {
	d, _ := desk(t)
	before, _ := os.ReadFile(d.File)
	must(t, write(t, d, "prompts.accueil", welcome, "camille"))
	refused := errors.New("the voice is missing")
	d.Reload = func(context.Context) error { return refused }
	if _, err := d.Publish(t.Context(), look(t, d).Version, "camille", false); !errors.Is(err, refused) {
		t.Errorf("published: %v", err)
	}
	if after, _ := os.ReadFile(d.File); !bytes.Equal(before, after) || len(look(t, d).Drafts) != 1 {
		t.Error("the file or the draft is another")
	}
	d.Judge = func(*service.Definition) error { return refused }
	if l := look(t, d); l.Fit() || l.Refused == nil {
		t.Error("what cannot be served here may be published")
	}
}

func TestAChangeByHandIsKeptAndAConflictIsTold(t *testing.T) {
	d, _ := desk(t)
	must(t, write(t, d, "callback.share", "30", "camille"))
	version := look(t, d).Version
	byHand := func(from, to string) {
		data, _ := os.ReadFile(d.File)
		must(t, os.WriteFile(d.File, bytes.Replace(data, []byte(from), []byte(to), 1), 0o640))
	}
	byHand("attempts: 3", "attempts: 4")
	if _, err := d.Publish(t.Context(), version, "camille", false); !errors.Is(err, drafts.ErrChanged) {
		t.Errorf("published what was not looked at: %v", err)
	}
	if l := look(t, d); !l.Fit() || l.Next.Callback.Attempts != 4 || l.Next.Callback.Share != 30 {
		t.Errorf("a change elsewhere is lost: %+v", l.Next.Callback)
	}
	byHand("share: 25", "share: 20")
	if l := look(t, d); l.Fit() || !l.Drafts[0].Conflict || l.Drafts[0].Now != "20" {
		t.Errorf("the conflict is not told: %+v", l.Drafts)
	}
}

func TestASecondPersonPublishes(t *testing.T) {
	d, _ := desk(t)
	must(t, write(t, d, "callback.share", "30", "camille"))
	if _, err := d.Publish(t.Context(), look(t, d).Version, "camille", true); !errors.Is(err, drafts.ErrOwn) {
		t.Errorf("its author publishes it: %v", err)
	}
	if _, err := d.Publish(t.Context(), look(t, d).Version, "lou", true); err != nil {
		t.Error(err)
	}
}

// late is a store that fails, or lets somebody else come first, when it is told what was published.
type late struct {
	drafts.Store
	fails error
	first func()
}

func (s *late) SettleDrafts(ctx context.Context, ids []int64, state drafts.State, by string, at time.Time) error {
	if state == drafts.Published && s.first != nil {
		s.first()
	}
	if state == drafts.Published && s.fails != nil {
		return s.fails
	}
	return s.Store.SettleDrafts(ctx, ids, state, by, at)
}

func TestWhatTheLineHasTakenIsTheHistoryHoweverLate(t *testing.T) {
	d, reloads := desk(t)
	store := &late{Store: d.Store, fails: errors.New("the disk is full")}
	d.Store = store
	must(t, write(t, d, "prompts.accueil", welcome, "camille"))
	must(t, write(t, d, "callback.share", "30", "camille"))
	n, err := d.Publish(t.Context(), look(t, d).Version, "camille", false)
	if !errors.Is(err, drafts.ErrUnsettled) || !errors.Is(err, store.fails) || n != 2 || *reloads != 1 {
		t.Fatalf("published %d: %v, %d reloads", n, err, *reloads)
	}
	if text, _ := os.ReadFile(d.File); !bytes.Contains(text, []byte("share: 30")) {
		t.Error("the file is not what the line has taken")
	}
	if l := look(t, d); len(l.Drafts) != 2 || !l.Fit() || l.Drafts[1].Now != "30" {
		t.Errorf("while the store fails the drafts are %+v", l.Drafts)
	}
	if _, err := d.Drop(t.Context(), 2, "lou"); !errors.Is(err, store.fails) {
		t.Errorf("what is in force is forgotten: %v", err)
	}
	store.fails = nil
	if l := look(t, d); len(l.Drafts) != 0 {
		t.Errorf("in the end the drafts are %+v", l.Drafts)
	}
	history, err := d.Store.History(t.Context(), "", 5)
	if err != nil || len(history) != 2 || history[0].Value != "30" || history[0].SettledBy != "camille" {
		t.Errorf("the history is %+v, %v", history, err)
	}
	if _, err := d.Drop(t.Context(), 2, "lou"); !errors.Is(err, drafts.ErrNone) {
		t.Errorf("what was published is forgotten: %v", err)
	}
}

// Another node forgets a draft while this one publishes it: the line says it, and so does the history.
func TestWhatIsForgottenWhileItIsPublishedIsPublished(t *testing.T) {
	d, _ := desk(t)
	must(t, write(t, d, "callback.share", "30", "camille"))
	l := look(t, d)
	other := drafts.Desk{File: d.File, Store: d.Store}
	d.Store = &late{Store: d.Store, first: func() {
		if dropped, err := other.Drop(t.Context(), l.Drafts[0].ID, "lou"); err != nil || dropped.Path != "callback.share" {
			t.Errorf("forgotten: %+v, %v", dropped, err)
		}
	}}
	if n, err := d.Publish(t.Context(), l.Version, "camille", false); err != nil || n != 1 {
		t.Errorf("published %d: %v", n, err)
	}
	if history, err := d.Store.History(t.Context(), "", 5); err != nil || len(history) != 1 || history[0].SettledBy != "camille" {
		t.Errorf("the history is %+v, %v", history, err)
	}
}

// Here it is not forgotten meanwhile: who wants to is told that it is a draft no more.
func TestADraftIsNotForgottenWhileItIsPublished(t *testing.T) {
	d, _ := desk(t)
	must(t, write(t, d, "callback.share", "30", "camille"))
	l := look(t, d)
	forgotten := make(chan error)
	d.Reload = func(ctx context.Context) error {
		go func() {
			_, err := d.Drop(context.WithoutCancel(ctx), l.Drafts[0].ID, "lou")
			forgotten <- err
		}()
		return nil
	}
	if n, err := d.Publish(t.Context(), l.Version, "camille", false); err != nil || n != 1 {
		t.Errorf("published %d: %v", n, err)
	}
	if err := <-forgotten; !errors.Is(err, drafts.ErrNone) {
		t.Errorf("forgotten: %v", err)
	}
}
