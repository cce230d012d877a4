package public

import (
	"context"
	"log/slog"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"decroche/callback"
	"decroche/service"
	"decroche/sms"
	"decroche/store"
)

// realDesk is the desk as it is served: the Book on SQLite.
type realDesk struct {
	*callback.Book
	store *store.Promises
}

func (d realDesk) Promise(ctx context.Context, id callback.ID) (callback.Promise, error) {
	return d.store.Promise(ctx, id)
}

func TestThePagesKeepMoveAndCancelARealPromise(t *testing.T) {
	o := newOffice(t, time.Now)
	open := service.Hours{}
	for day := range open.Week {
		open.Week[day] = []service.Range{{From: 0, To: 24 * 60}}
	}
	o.def.Hours, o.def.Callback.Hours = open, open // at whatever hour the test runs
	db, err := store.Open(t.Context(), store.Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "decroche.db"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	o.srv.Desk = realDesk{&callback.Book{
		Store: db.Promises(), Service: o.srv.Service, PageURL: o.srv.Signer.PromiseURL, BookURL: o.srv.Signer.BookURL,
	}, db.Promises()}
	outbox := func(p sms.Purpose) (found []sms.Message) {
		ms, err := db.SMS().Outbox(t.Context(), 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range ms {
			if m.Purpose == p {
				found = append(found, m)
			}
		}
		return found
	}
	o.srv.Send = func(ctx context.Context, m sms.Message) error {
		o.sent = append(o.sent, m)
		return db.SMS().Enqueue(ctx, m)
	}

	r := o.reader().toCode("06 39 98 00 12", "")
	if codes := outbox(sms.Code); len(codes) != 1 || codes[0].Text != o.sent[0].Text {
		t.Fatalf("the outbox has %d codes", len(codes))
	}
	r.submit("code", o.code(mobile)).wants(200, "Votre rappel", "C'est noté", "06 •• •• •• 12")
	confirmed := outbox(sms.Confirmed)
	if len(confirmed) != 1 {
		t.Fatalf("%d confirmations", len(confirmed))
	}
	link := regexp.MustCompile(`https://rappel\.example\.fr(/p/\w+)`).FindStringSubmatch(confirmed[0].Text)
	if link == nil {
		t.Fatalf("the confirmation has no link: %s", confirmed[0].Text)
	}
	r.get(link[1]).wants(200, "Votre rappel")

	r.get(link[1] + "/deplacer")
	all := r.slots()
	slot := all[len(all)-1]
	action, form := r.filled("slot", slot)
	r.do("POST", action, form).wants(200, "Votre rappel", "votre rappel est déplacé")
	r.do("POST", action, form).wants(200, "Votre rappel", "votre rappel est déplacé")
	p, ok, err := db.Promises().Live(t.Context(), mobile)
	if err != nil || !ok || strconv.FormatInt(p.Slot.Unix(), 10) != slot || p.Version != 2 || len(outbox(sms.Moved)) != 1 {
		t.Fatalf("%+v, %v, %v, %d messages", p, ok, err, len(outbox(sms.Moved)))
	}

	// Who asks again is shown what there is.
	again := o.reader().toCode("06 39 98 00 12", "")
	again.submit("code", o.code(mobile)).wants(200, "Votre rappel", "Un rappel était déjà prévu")
	if !strings.HasPrefix(again.at, o.link(p)) {
		t.Errorf("led to %s, want %s", again.at, o.link(p))
	}

	r.get(link[1] + "/annuler")
	action, form = r.filled()
	r.do("POST", action, form).wants(200, "Votre rappel", "Ce rappel est annulé")
	r.do("POST", action, form).wants(200, "Votre rappel", "Ce rappel est annulé")
	if _, ok, err := db.Promises().Live(t.Context(), mobile); ok || err != nil || len(outbox(sms.Dropped)) != 1 {
		t.Errorf("live %v, %v, %d messages", ok, err, len(outbox(sms.Dropped)))
	}
}
