package main

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"decroche/call"
	"decroche/ivr"
	"decroche/store"
	"decroche/store/storetest"
)

// A fact is read once however often a page asks, and everything again when something older is asked for.
func TestAFactOfTheJournalIsReadOnceHoweverOftenAPageAsks(t *testing.T) {
	db := storetest.Open(t, "sqlite:"+filepath.Join(t.TempDir(), "decroche.db"))
	noon := time.Now().Add(-2 * time.Hour).Truncate(time.Second)
	var given []call.ID
	begun := 0
	f := follower{kinds: []call.EventKind{call.EventAccess}}
	read := func(since time.Time) {
		t.Helper()
		given = nil
		must(t, db.Journal().Flush(t.Context()))
		must(t, f.read(t.Context(), db.Journal(), since, func() { begun++ }, func(e store.Entry) error {
			given = append(given, e.Call)
			return nil
		}))
	}
	tell := func(id call.ID, at time.Time, kind call.EventKind) {
		db.Journal().Append(call.Event{At: at, Call: id, Kind: kind, Data: []byte(`{}`)})
	}
	tell("old", noon.Add(-time.Hour), call.EventAccess)
	tell("first", noon, call.EventAccess)
	tell("another kind", noon, call.EventEnded)
	if read(noon); len(given) != 1 || given[0] != "first" || begun != 1 {
		t.Errorf("at first %v is given, after %d beginnings", given, begun)
	}
	if read(noon); len(given) != 0 {
		t.Errorf("then %v again", given)
	}
	tell("second", noon.Add(time.Minute), call.EventAccess)
	if read(noon.Add(time.Second)); len(given) != 1 || given[0] != "second" || begun != 1 {
		t.Errorf("what is new is %v, after %d beginnings", given, begun)
	}
	if read(noon.Add(-2 * time.Hour)); len(given) != 3 || begun != 2 {
		t.Errorf("of long ago %v is given, after %d beginnings", given, begun)
	}
}

// calls is a journal of calls in which messages are heard, and what is counted of it.
type calls struct {
	*testing.T
	db     *store.DB
	at     time.Time
	h      *hearing
	counts func(context.Context, ivr.Message) (heard, left int, err error)
}

func heardOn(t *testing.T) *calls {
	db := storetest.Open(t, "sqlite:"+filepath.Join(t.TempDir(), "decroche.db"))
	h := new(hearing)
	return &calls{T: t, db: db, at: time.Now().Add(-time.Hour).Truncate(time.Second), h: h, counts: h.of(db.Journal())}
}

func (c *calls) holds(m ivr.Message, heard, left int) {
	c.Helper()
	must(c.T, c.db.Journal().Flush(c.Context()))
	c.h.at = time.Time{} // as some seconds later
	if n, gone, err := c.counts(c.Context(), m); err != nil || n != heard || gone != left {
		c.Errorf("message %d was heard by %d of whom %d left, want %d and %d (%v)", m.ID, n, gone, heard, left, err)
	}
}

func (c *calls) tell(id call.ID, after time.Duration, kind call.EventKind, data string) {
	c.db.Journal().Append(call.Event{At: c.at.Add(after), Call: id, Kind: kind, Data: []byte(data)})
}

const hungUp = `{"outcome": "left_ivr", "reason": "caller_hung_up"}`

// Who heard a message, and who hung up within ten seconds of it, is counted as it comes.
func TestWhoHeardAMessageIsCountedAsItComes(t *testing.T) {
	c := heardOn(t)
	now, long := ivr.Message{ID: 7, Created: c.at}, ivr.Message{ID: 3, Created: c.at.AddDate(0, 0, -45)}
	c.holds(now, 0, 0)
	c.tell("a", time.Second, call.EventMessage, `{"id": 7}`)
	c.holds(now, 1, 0)
	c.tell("a", 5*time.Second, call.EventEnded, hungUp)
	c.tell("who heard nothing", 5*time.Second, call.EventEnded, hungUp)
	c.tell("b", time.Minute, call.EventMessage, `{"id": 7}`)
	c.tell("c", time.Minute, call.EventMessage, `{"id": 7}`)
	c.tell("b", 2*time.Minute, call.EventEnded, hungUp)
	c.holds(now, 3, 1)
	c.holds(now, 3, 1)
	c.tell("d", -45*24*time.Hour+time.Minute, call.EventMessage, `{"id": 3}`) // of long ago, as an import tells it
	c.tell("d", -45*24*time.Hour+time.Minute+time.Second, call.EventEnded, hungUp)
	c.holds(long, 1, 1)
	c.holds(now, 3, 1)
}

// Only who hangs up themselves has left because of a message: not whom the line lets go, nor who has talked.
func TestWhoseCallEndsOtherwiseHasNotHungUpOnAMessage(t *testing.T) {
	for name, end := range map[string]string{
		"an emergency closure lets them go": `{"outcome": "dissuaded", "reason": "closure"}`,
		"key 9: it was all they needed":     `{"outcome": "self_served", "reason": "heard_all"}`,
		"they are called back":              `{"outcome": "called_back", "reason": "place"}`,
		"the line broke":                    `{"outcome": "abandoned", "reason": "cut_off"}`,
		"they talked with an agent":         `{"outcome": "answered", "reason": "caller_hung_up"}`,
		"the agent hung up":                 `{"outcome": "answered", "reason": "agent_hung_up"}`,
		"nobody knows":                      `{}`,
	} {
		t.Run(name, func(t *testing.T) {
			c := heardOn(t)
			c.tell("a", time.Second, call.EventMessage, `{"id": 7}`)
			c.tell("a", 5*time.Second, call.EventEnded, end)
			c.holds(ivr.Message{ID: 7, Created: c.at}, 1, 0)
		})
	}
}

// Who waits is said a message after the journal is told: it lasts from 12 s to 27 s here.
func TestWhoHangsUpDuringAMessageThatIsSaidWhileTheyWaitIsCounted(t *testing.T) {
	for after, want := range map[time.Duration][2]int{
		11 * time.Second: {0, 0}, // before its first word
		13 * time.Second: {1, 1},
		24 * time.Second: {1, 1},
		36 * time.Second: {1, 1},
		38 * time.Second: {1, 0},
	} {
		t.Run(after.String(), func(t *testing.T) {
			c := heardOn(t)
			c.tell("a", 10*time.Second, call.EventMessage, `{"id": 7, "queue": "", "after_ms": 2000, "lasts_ms": 15000}`)
			c.tell("a", after, call.EventEnded, `{"outcome": "abandoned", "reason": "caller_hung_up"}`)
			c.holds(ivr.Message{ID: 7, Created: c.at}, want[0], want[1])
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
