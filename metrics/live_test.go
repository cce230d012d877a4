package metrics

import (
	"log/slog"
	"testing"
	"time"
)

// A conversation counts on the live board from its first word, and once: as under way, then as over. A
// controller that begins while somebody speaks knows of it too.
func TestAConversationUnderWayCountsOnTheBoardOnceAndOutlivesARestart(t *testing.T) {
	d := on(t, "2000-01-01 00:00")
	d.start = time.Now().In(paris).Add(-30 * time.Minute).Truncate(time.Minute)
	d.now = d.start
	answered := func() (n, inTime int64) {
		t.Helper()
		err := d.ledger.Live(t.Context(), func(underWay UnderWay) error {
			figures := &Figures{Store: d.shelf, Settings: func() *Settings { return d.settings }, Now: time.Now}
			from := d.start.Truncate(15 * time.Minute)
			lines, err := figures.Lines(t.Context(), Query{From: from, To: from.Add(2 * time.Hour), By: ByQueue})
			for _, l := range lines {
				n, inTime = n+l.Cell.N(AnsweredCalls), inTime+l.Cell.N(InTimeAnswers)
			}
			for _, c := range underWay(ByQueue, d.start) {
				n, inTime = n+c.N(AnsweredCalls), inTime+c.N(InTimeAnswers)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return n, inTime
	}
	holds := func(what string, n, inTime int64) {
		t.Helper()
		if gotN, gotIn := answered(); gotN != n || gotIn != inTime {
			t.Errorf("%s: %d answered, %d in time, want %d and %d", what, gotN, gotIn, n, inTime)
		}
	}
	c := d.arrives().queues("accueil")
	holds("who waits", 0, 0)
	d.after(20 * time.Second)
	c.connects("2001")
	holds("a conversation", 1, 1)
	d.ledger = &Ledger{Store: d.shelf, Settings: func() *Settings { return d.settings }, Log: slog.New(slog.DiscardHandler)}
	holds("the same after a restart", 1, 1)
	c.talks("2001", 5*time.Minute, 0)
	holds("when it is over", 1, 1)
	late := d.arrives().queues("accueil")
	d.after(2 * time.Minute)
	late.connects("2002")
	holds("another that waited for long", 2, 1)

	d.ledger.mu.Lock() // as while the figures are made anew
	defer d.ledger.mu.Unlock()
	holds("while they are made anew", 1, 1)
}
