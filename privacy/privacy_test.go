package privacy_test

import (
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"decroche/call"
	"decroche/callback"
	"decroche/metrics"
	"decroche/privacy"
	"decroche/service"
	"decroche/sms"
	"decroche/store"
	"decroche/store/storetest"
)

const (
	citizen = call.Number("+33639980041")
	other   = call.Number("+33639980042")
)

// house is a line's data: two citizens who called, were promised a callback and were written to.
type house struct {
	*privacy.Office
	*testing.T
	db      *store.DB
	figures *metrics.Figures
	start   time.Time
}

func furnished(t *testing.T, url string) *house {
	t.Helper()
	db := storetest.Open(t, url)
	def := &service.Definition{Location: time.UTC, Indicators: service.DefaultIndicators(), Privacy: service.Privacy{Numbers: 90 * 24 * time.Hour, Journal: 365 * 24 * time.Hour}}
	settings := func() *metrics.Settings { return metrics.SettingsOf(def) }
	ledger := &metrics.Ledger{Store: db.Ledger(), Settings: settings, Log: slog.New(slog.DiscardHandler)}
	h := &house{
		T: t, db: db, start: begun(time.Now().UTC()),
		Office:  &privacy.Office{Store: db, Journal: db.Journal(), Ledger: ledger, Service: func() *service.Definition { return def }, Log: slog.New(slog.DiscardHandler)},
		figures: &metrics.Figures{Store: db.Ledger(), Settings: settings, Now: time.Now},
	}
	for i, n := range []call.Number{citizen, citizen, other} {
		h.calls(n, call.ID("call-"+string(rune('a'+i))), h.start.Add(time.Duration(i)*time.Minute))
	}
	return h
}

// begun is when the first citizen called: some hours ago, and not before the database's first key of
// pseudonyms, that of these thirty days.
func begun(now time.Time) time.Time {
	const keyLife = 30 * 24 * 60 * 60
	start, key := now.Truncate(time.Hour).Add(-2*time.Hour), time.Unix(now.Unix()/keyLife*keyLife, 0).UTC()
	if start.Before(key) {
		return key
	}
	return start
}

func (h *house) calls(n call.Number, id call.ID, at time.Time) {
	h.Helper()
	for _, e := range []call.Event{
		call.NewEvent(id, call.EventArrived, map[string]any{"from": string(n), "to": "+33199003939", "service": "s", "open": true}),
		call.NewEvent(id, call.EventReason, map[string]any{"reason": "permis"}),
		call.NewEvent(id, call.EventQueued, map[string]any{"queue": "accueil"}),
		call.NewEvent(id, call.EventEnded, call.End{Outcome: call.CalledBack, Reason: call.ReasonPlace}),
	} {
		e.At = at
		h.db.Journal().Append(e)
	}
	h.must(h.db.Journal().Flush(h.Context()))
	p := callback.Promise{
		ID: callback.ID("p-" + string(id)), Number: n, Lang: "fr", Queue: "accueil", Kind: callback.Place, Origin: callback.FromQueue,
		Contact: id, Asked: at, Joined: at, Due: at, By: at.Add(time.Hour),
	}
	_, _, err := h.db.Promises().Ask(h.Context(), p, callback.Bounds{}, callback.Change{})
	h.must(err)
	h.must(h.db.SMS().Enqueue(h.Context(), sms.Message{Key: string(id), To: n, Lang: "fr", Text: "Nous vous rappelons.", Purpose: sms.Confirmed, Contact: id, Created: at}))
}

func (h *house) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

// settle ends what is under way.
func (h *house) settle() {
	h.Helper()
	live, err := h.db.Promises().Promises(h.Context(), callback.Filter{})
	h.must(err)
	for _, p := range live {
		_, err := h.db.Promises().Change(h.Context(), p.ID, 0, func(p *callback.Promise) (callback.Change, error) {
			p.State, p.Settled = callback.Kept, h.start.Add(30*time.Minute)
			return callback.Change{}, nil
		})
		h.must(err)
	}
	for {
		m, ok, err := h.db.SMS().Claim(h.Context(), "n", time.Now(), time.Minute)
		h.must(err)
		if !ok {
			return
		}
		m.State, m.DoneAt = sms.Delivered, h.start.Add(time.Minute)
		h.must(h.db.SMS().Settle(h.Context(), m))
	}
}

func (h *house) line() metrics.Line {
	h.Helper()
	h.must(h.Ledger.Advance(h.Context()))
	lines, err := h.figures.Lines(h.Context(), metrics.Query{From: h.start.Add(-time.Hour), To: h.start.Add(5 * time.Hour), Percentiles: true})
	h.must(err)
	if len(lines) != 1 {
		h.Fatalf("%d lines", len(lines))
	}
	return lines[0]
}

// everywhere is all the text the database has in clear, to look for somebody in.
func (h *house) everywhere() string {
	h.Helper()
	var all strings.Builder
	write := func(v any) {
		raw, err := json.Marshal(v)
		h.must(err)
		all.Write(raw)
	}
	h.must(h.db.Journal().Read(h.Context(), store.Filter{}, func(e store.Entry) error { write(e); return nil }))
	for _, n := range []call.Number{citizen, other} {
		held, err := h.db.Export(h.Context(), n, "test")
		h.must(err)
		write(held)
	}
	receipts, err := h.Receipts(h.Context(), 100)
	h.must(err)
	write(receipts)
	return all.String()
}

func engines(t *testing.T, story func(t *testing.T, url string)) {
	t.Run("SQLite", func(t *testing.T) { story(t, "sqlite:"+t.TempDir()+"/decroche.db") })
	t.Run("PostgreSQL", func(t *testing.T) { story(t, storetest.Postgres(t)) })
}

func TestAnErasedPersonIsNowhereAndTheFiguresStay(t *testing.T) {
	engines(t, func(t *testing.T, url string) {
		h := furnished(t, url)
		if _, err := h.Erase(t.Context(), citizen, "agent 2001"); !errors.Is(err, privacy.ErrUnderWay) || !strings.Contains(err.Error(), "cancel it first") {
			t.Fatalf("with a promise under way erasing says: %v", err)
		}
		h.settle()
		before := h.line()
		pseudonyms := h.db.Journal().Pseudonyms(citizen)
		receipt, err := h.Erase(t.Context(), citizen, "agent 2001")
		h.must(err)
		want := privacy.Counted{"promises to call back": 1, "text messages sent": 2, privacy.Contacts: 2}
		if receipt.ID == 0 || receipt.By != "agent 2001" || len(receipt.Counts) != len(want) {
			t.Errorf("the receipt is %+v, want %v", receipt, want)
		}
		for kind, n := range want {
			if receipt.Counts[kind] != n {
				t.Errorf("%d %s are erased, want %d", receipt.Counts[kind], kind, n)
			}
		}
		all := h.everywhere()
		for _, trace := range append(pseudonyms, string(citizen), "+33…41", "639980041") {
			if strings.Contains(all, trace) {
				t.Errorf("%q is still there", trace)
			}
		}
		if !strings.Contains(all, string(other)) {
			t.Error("the other citizen is gone too")
		}
		if after := h.line(); !same(before, after) || after.Cell.N(metrics.Repeated24h) != 1 {
			t.Errorf("the figures changed: %d repeats, before %d", after.Cell.N(metrics.Repeated24h), before.Cell.N(metrics.Repeated24h))
		}
		h.must(h.Ledger.Rebuild(t.Context()))
		if again := h.line(); !same(before, again) {
			t.Error("the figures made anew are others")
		}
		again, err := h.Erase(t.Context(), citizen, "agent 2001")
		h.must(err)
		if len(again.Counts) != 0 || again.ID == receipt.ID {
			t.Errorf("erasing once more has the receipt %+v", again)
		}
	})
}

func same(a, b metrics.Line) bool {
	for _, i := range metrics.Indicators {
		if i.Of(a.Cell) != i.Of(b.Cell) {
			return false
		}
	}
	return true
}

func TestAPersonGetsWhatIsHeldOfThemAndOfNobodyElse(t *testing.T) {
	engines(t, func(t *testing.T, url string) {
		h := furnished(t, url)
		h.line()
		held, err := h.Export(t.Context(), citizen, "agent 2001")
		h.must(err)
		if len(held["promises to call back"]) != 1 || len(held["text messages sent"]) != 2 || len(held[privacy.Contacts]) != 2 {
			t.Errorf("held are %v", held)
		}
		raw, err := json.Marshal(held)
		h.must(err)
		if strings.Contains(string(raw), string(other)) {
			t.Error("the other citizen's data is given out")
		}
		receipts, err := h.Receipts(t.Context(), 10)
		h.must(err)
		if len(receipts) != 1 || receipts[0].What != "exported" || receipts[0].Counts["text messages sent"] != 2 {
			t.Errorf("the log says %+v", receipts)
		}
	})
}

func TestWhatIsOldEnoughGoesByItselfAndTheFiguresStay(t *testing.T) {
	engines(t, func(t *testing.T, url string) {
		h := furnished(t, url)
		h.settle()
		before := h.line()
		gone, err := h.Purge(t.Context(), time.Now())
		h.must(err)
		if len(gone) != 0 {
			t.Errorf("at once %v goes", gone)
		}
		gone, err = h.Purge(t.Context(), time.Now().Add(91*24*time.Hour))
		h.must(err)
		if gone["promises to call back"] != 2 || gone["text messages sent"] != 3 || gone[privacy.Facts] != 0 {
			t.Errorf("after 91 days %v goes", gone)
		}
		if strings.Contains(h.everywhere(), string(citizen)) {
			t.Error("a number is still there in clear after 91 days")
		}
		if kept := h.line(); !same(before, kept) || kept.Cell.N(metrics.Repeated24h) != 1 {
			t.Error("without the numbers the figures, and the rate of repeats, are others")
		}
		gone, err = h.Purge(t.Context(), time.Now().Add(367*24*time.Hour))
		h.must(err)
		if gone[privacy.Contacts] != 3 || gone[privacy.Facts] != 12 {
			t.Errorf("after a year %v goes", gone)
		}
		if after := h.line(); !same(before, after) {
			t.Error("without the facts the figures are others")
		}
		h.must(h.Ledger.Rebuild(t.Context()))
		if again := h.line(); !same(before, again) {
			t.Error("a rebuild loses the figures whose facts are gone")
		}
	})
}
