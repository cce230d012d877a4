package callback

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"decroche/call"
	"decroche/service"
	"decroche/sms"
)

// desk is a book in virtual time, with what it keeps and says.
type desk struct {
	*Book
	t     *testing.T
	def   *service.Definition
	store *memory
	facts *facts
}

// at runs fn in a bubble whose clock shows a time of Paris.
func at(t *testing.T, when string, fn func(d *desk)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(local(when)))
		def, store := prefecture(), newMemory()
		b := newBook(def, store)
		b.Texts = enqueuer{store}
		fn(&desk{Book: b, t: t, def: def, store: store, facts: b.Journal.(*facts)})
	})
}

// enqueuer is the outbox beside the promises.
type enqueuer struct{ *memory }

func (e enqueuer) Enqueue(_ context.Context, ms ...sms.Message) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.apply(Change{Send: ms})
	return nil
}

func (d *desk) until(when string) { time.Sleep(time.Until(local(when))) }

func (d *desk) ask(r Request) Promise {
	d.t.Helper()
	if r.Number == "" {
		r.Number = mobile
	}
	if r.Queue == "" {
		r.Queue = "accueil"
	}
	p, made, err := d.Ask(d.t.Context(), r)
	if err != nil || !made {
		d.t.Fatalf("ask: made %v, %v", made, err)
	}
	return p
}

func (d *desk) slot(when string) Promise {
	d.t.Helper()
	return d.ask(Request{Kind: Slot, Slot: local(when), Origin: FromPage, Lang: "fr"})
}

// begin takes the promise in line and begins an attempt.
func (d *desk) begin(id ID) int {
	d.t.Helper()
	p, err := d.store.Promise(d.t.Context(), id)
	if err != nil {
		d.t.Fatal(err)
	}
	if p.State == Pending {
		if _, err := d.store.TakeDue(d.t.Context(), "node1", []string{"accueil"}, time.Now(), 10); err != nil {
			d.t.Fatal(err)
		}
	}
	a, err := d.store.Begin(d.t.Context(), Attempt{Promise: id, Call: "out-1", Agent: "2001", Node: "node1", Epoch: 1, Started: time.Now()})
	if err != nil {
		d.t.Fatalf("begin: %v", err)
	}
	return a.N
}

func (d *desk) attempt(id ID, r Result) Promise {
	d.t.Helper()
	p, err := d.Attempted(d.t.Context(), id, d.begin(id), r)
	if err != nil {
		d.t.Fatalf("attempted: %v", err)
	}
	return p
}

// sent are the messages that are to leave or have left, as "purpose text".
func (d *desk) sent(purpose sms.Purpose) []sms.Message {
	return slices.DeleteFunc(d.store.messages(), func(m sms.Message) bool { return m.Purpose != purpose || m.State == sms.Dropt })
}

func TestAPlaceInLineIsPromisedUntilTheLineCloses(t *testing.T) {
	at(t, "2026-11-23 10:00", func(d *desk) {
		r := Request{Number: mobile, Queue: "accueil", Origin: FromQueue, Contact: "call-1", Reason: "dossier", Joined: local("2026-11-23 09:50"), Wait: 20 * time.Minute}
		o, err := d.Options(t.Context(), r)
		if err != nil || !o.Place || len(o.Slots) != 3 || o.Live != nil || o.Zone.String() != "Europe/Paris" {
			t.Fatalf("options: %+v, %v", o, err)
		}
		p := d.ask(r)
		if p.Kind != Place || p.State != Pending || !p.Joined.Equal(r.Joined) || !p.By.Equal(local("2026-11-23 12:30")) ||
			!p.Slot.IsZero() || p.Contact != "call-1" || p.Lang != "fr" || p.Public != "general" || len(p.ID) != 10 {
			t.Errorf("promise: %+v", p)
		}
		if wait := time.Until(p.Due); wait != handsFree {
			t.Errorf("due in %s: the caller is still on the telephone", wait)
		}
		if got := d.sent(sms.Confirmed); len(got) != 1 || got[0].To != mobile || got[0].Promise != string(p.ID) || !strings.Contains(got[0].Text, string(p.ID)) {
			t.Errorf("messages: %+v", got)
		}
		fact := d.facts.of(t, call.EventPromised)
		if len(fact) != 1 || fact[0]["call"] != "call-1" || fact[0]["kind"] != "place" || fact[0]["origin"] != "queue" || fact[0]["merged"] != false ||
			fact[0]["by_ms"] != float64(p.By.UnixMilli()) || fact[0]["joined_ms"] != float64(p.Joined.UnixMilli()) ||
			fact[0]["reason"] != "dossier" || fact[0]["public"] != "general" || fact[0]["asked_ms"] != float64(p.Asked.UnixMilli()) || p.Asked.IsZero() {
			t.Errorf("facts: %v", fact)
		}
	})
}

func TestAPlaceIsPromisedOnlyIfItCanBeKeptBeforeClosing(t *testing.T) {
	for _, c := range []struct {
		at    string
		n     call.Number
		wait  time.Duration
		place bool
	}{
		{"2026-11-23 12:00", mobile, 29 * time.Minute, true},
		{"2026-11-23 12:00", mobile, 31 * time.Minute, false},
		{"2026-11-23 12:00", mobile, 0, true}, // unknown: half an hour remains
		{"2026-11-23 12:01", mobile, 0, false},
		{"2026-11-23 12:45", mobile, time.Minute, false}, // closed
		{"2026-11-22 10:00", mobile, time.Minute, false}, // Sunday
		{"2026-11-23 09:30", noumea, 20 * time.Minute, true},
		{"2026-11-23 09:30", noumea, 40 * time.Minute, false}, // their evening ends first
		{"2026-11-23 10:30", noumea, time.Minute, false},
	} {
		at(t, c.at, func(d *desk) {
			r := Request{Number: c.n, Queue: "accueil", Origin: FromQueue, Wait: c.wait, Kind: Place}
			o, err := d.Options(t.Context(), r)
			if err != nil || o.Place != c.place || len(o.Slots) != 3 {
				t.Errorf("%+v: %+v, %v", c, o, err)
			}
			if _, _, err := d.Ask(t.Context(), r); (err == nil) != c.place || !c.place && refusal(err) != WhyFull {
				t.Errorf("%+v: ask: %v", c, err)
			}
		})
	}
}

func TestSlotsAreThoseOfTheDayWhereTheCitizenSaysToBe(t *testing.T) {
	at(t, "2026-11-23 09:00", func(d *desk) {
		r := Request{Number: mobile, Queue: "accueil", Origin: FromPage, Zone: "Pacific/Noumea", Kind: Slot}
		free, err := d.SlotsFor(t.Context(), r, 0)
		if err != nil || len(free) == 0 {
			t.Fatalf("slots: %v, %v", free, err)
		}
		for _, s := range free {
			if wall := s.In(location("Pacific/Noumea")); wall.Hour() < 8 || wall.Hour() >= 20 {
				t.Errorf("a slot at %s there", wall.Format("15:04"))
			}
		}
		r.Slot = free[0]
		if p := d.ask(r); p.Zone != r.Zone || p.Number != mobile {
			t.Errorf("the promise is %+v", p)
		} else if _, err := d.Move(t.Context(), p.ID, 0, Slot, local("2026-11-24 11:00"), "page"); refusal(err) != WhySlot {
			t.Errorf("moved to nine in the evening there: %v", err)
		}
		if _, _, err := d.Ask(t.Context(), Request{Number: "+33639980055", Queue: "accueil", Zone: "Mars/Olympus"}); err == nil || !strings.Contains(err.Error(), "Mars/Olympus") {
			t.Errorf("a zone that is not: %v", err)
		}
	})
}

func TestNothingIsPromisedWhenTheStoreFails(t *testing.T) {
	at(t, "2026-11-23 10:00", func(d *desk) {
		broken := errors.New("the disk is full")
		d.store.fail = func(op string) error {
			if op == "ask" {
				return broken
			}
			return nil
		}
		if _, _, err := d.Ask(t.Context(), Request{Number: mobile, Queue: "accueil"}); !errors.Is(err, broken) || refusal(err) != "" {
			t.Errorf("ask: %v", err)
		}
		if n := len(d.store.messages()); n != 0 || len(d.facts.list) != 0 {
			t.Errorf("%d messages and %d facts about a promise that was not kept", n, len(d.facts.list))
		}
	})
}

func TestAHundredRequestsAtOnceForOneNumberMakeOnePromise(t *testing.T) {
	at(t, "2026-11-23 10:00", func(d *desk) {
		var mu sync.Mutex
		ids, made := map[ID]int{}, 0
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				p, first, err := d.Ask(t.Context(), Request{Number: mobile, Queue: "accueil", Origin: FromQueue, Wait: time.Minute})
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
				}
				if ids[p.ID]++; first {
					made++
				}
			})
		}
		all.Wait()
		if len(ids) != 1 || made != 1 || len(d.store.promises) != 1 || len(d.sent(sms.Confirmed)) != 1 {
			t.Errorf("%d promises said, %d made, %d kept, %d confirmed", len(ids), made, len(d.store.promises), len(d.sent(sms.Confirmed)))
		}
		merged := 0
		for _, f := range d.facts.of(t, call.EventPromised) {
			if f["merged"] == true {
				merged++
			}
		}
		if merged != 99 {
			t.Errorf("%d merged", merged)
		}
	})
}

func TestAskingAgainSaysThePromiseThereIs(t *testing.T) {
	at(t, "2026-11-23 10:00", func(d *desk) {
		p := d.slot("2026-11-24 10:00")
		o, err := d.Options(t.Context(), Request{Number: mobile, Queue: "titres"})
		if err != nil || o.Live == nil || o.Live.ID != p.ID || o.Place || len(o.Slots) != 0 {
			t.Errorf("options: %+v, %v", o, err)
		}
		again, made, err := d.Ask(t.Context(), Request{Number: mobile, Queue: "titres", Kind: Slot, Slot: local("2026-11-23 10:05"), Contact: "call-2"})
		if err != nil || made || again.ID != p.ID {
			t.Errorf("again: %+v, %v, %v", again, made, err)
		}
		if f := d.facts.of(t, call.EventPromised); len(f) != 2 || f[1]["call"] != "call-2" || f[1]["merged"] != true {
			t.Errorf("facts: %v", f)
		}
	})
}

func TestANumberIsGivenSoManyPromisesADay(t *testing.T) {
	at(t, "2026-11-23 10:00", func(d *desk) {
		for range 3 {
			p := d.slot("2026-11-24 10:00")
			if _, err := d.Cancel(t.Context(), p.ID, "page"); err != nil {
				t.Fatal(err)
			}
		}
		r := Request{Number: mobile, Queue: "accueil", Kind: Slot, Slot: local("2026-11-24 10:00")}
		if _, _, err := d.Ask(t.Context(), r); refusal(err) != WhyTooMany {
			t.Errorf("a fourth one: %v", err)
		}
		if _, err := d.Options(t.Context(), r); refusal(err) != WhyTooMany {
			t.Errorf("options: %v", err)
		}
		d.until("2026-11-24 00:00")
		d.slot("2026-11-24 10:00")
	})
}

func TestRequestsAreRefusedPolitely(t *testing.T) {
	at(t, "2026-11-23 10:00", func(d *desk) {
		d.ask(Request{Number: "+33639980099", Kind: Slot, Slot: local("2026-11-24 08:30")})
		for _, c := range []struct {
			r    Request
			want Why
		}{
			{Request{Number: "", Queue: "accueil"}, WhyWithheld},
			{Request{Number: "3939", Queue: "accueil"}, WhyShort},
			{Request{Number: mobile, Queue: "accueil", Kind: Slot, Slot: local("2026-11-24 08:30")}, WhySlot},
			{Request{Number: mobile, Queue: "accueil", Kind: Slot, Slot: local("2026-11-24 12:30")}, WhySlot},
			{Request{Number: mobile, Queue: "accueil", Kind: Slot}, WhySlot},
		} {
			if _, _, err := d.Ask(t.Context(), c.r); refusal(err) != c.want {
				t.Errorf("%+v: %v, want %s", c.r, err, c.want)
			}
		}
		if _, err := d.Options(t.Context(), Request{Number: mobile, Queue: "nulle-part"}); err == nil || refusal(err) != "" {
			t.Errorf("a queue that is not there: %v", err)
		}
		d.def.Callback.On = false
		if _, err := d.Options(t.Context(), Request{Number: mobile, Queue: "accueil"}); refusal(err) != WhyOff {
			t.Errorf("switched off: %v", err)
		}
	})
}

func TestAFullLineOffersNothing(t *testing.T) {
	at(t, "2026-11-23 12:45", func(d *desk) {
		d.Agents = func(string) int { return 0 }
		if _, err := d.Options(t.Context(), Request{Number: mobile, Queue: "accueil"}); refusal(err) != WhyFull {
			t.Errorf("nobody to call back: %v", err)
		}
	})
}

func TestQuietPublicsGetSlotsInTheirHours(t *testing.T) {
	at(t, "2026-11-23 10:00", func(d *desk) {
		d.def.Callback.OffPeak.Publics = []string{"vulnerable"}
		d.def.Callback.OffPeak.Hours.Week[time.Wednesday] = []service.Range{{From: 14 * 60, To: 15 * 60}}
		r := Request{Number: mobile, Queue: "accueil", Public: "vulnerable"}
		o, err := d.Options(t.Context(), r)
		if err != nil || len(o.Slots) != 3 || !o.Slots[0].Equal(local("2026-11-25 14:00")) {
			t.Errorf("%v %v", o.Slots, err)
		}
		r.Kind, r.Slot = Slot, local("2026-11-25 15:00")
		if _, _, err := d.Ask(t.Context(), r); refusal(err) != WhySlot {
			t.Errorf("outside the quiet hours: %v", err)
		}
	})
}

func TestWhoWasCutOffGetsAPlaceOrTheFirstSlot(t *testing.T) {
	at(t, "2026-11-23 10:00", func(d *desk) {
		p := d.ask(Request{Origin: FromCutOff, Joined: local("2026-11-23 09:45")})
		if p.Kind != Place || !p.Due.Equal(p.Joined) || len(d.sent(sms.CutOff)) != 1 {
			t.Errorf("%+v", p)
		}
	})
	at(t, "2026-11-23 16:50", func(d *desk) {
		p := d.ask(Request{Origin: FromCutOff, Joined: local("2026-11-23 16:45")})
		if p.Kind != Slot || !p.Slot.Equal(local("2026-11-24 08:30")) || len(d.sent(sms.CutOff)) != 1 {
			t.Errorf("%+v", p)
		}
	})
}

func TestASlotIsMovedWithItsReminder(t *testing.T) {
	at(t, "2026-11-23 10:00", func(d *desk) {
		p := d.slot("2026-11-24 10:00")
		if !p.By.Equal(local("2026-11-24 10:30")) || !p.Due.Equal(p.Slot) || !p.Joined.Equal(p.Slot) {
			t.Errorf("slot: %+v", p)
		}
		moved, err := d.Move(t.Context(), p.ID, p.Version, Slot, local("2026-11-25 14:00"), "page")
		if err != nil || !moved.Slot.Equal(local("2026-11-25 14:00")) || !moved.Joined.Equal(moved.Slot) || !moved.By.Equal(local("2026-11-25 14:30")) {
			t.Fatalf("moved: %+v, %v", moved, err)
		}
		if got := d.sent(sms.Reminder); len(got) != 1 || !got[0].NotBefore.Equal(local("2026-11-25 13:00")) {
			t.Errorf("reminders: %+v", got)
		}
		if len(d.sent(sms.Confirmed)) != 0 || len(d.sent(sms.Moved)) != 1 {
			t.Errorf("messages: %+v", d.store.messages())
		}
		if _, err := d.Move(t.Context(), p.ID, p.Version, Slot, local("2026-11-26 14:00"), "page"); !errors.Is(err, ErrChanged) {
			t.Errorf("an older version: %v", err)
		}
		if same, err := d.Move(t.Context(), p.ID, 0, Slot, local("2026-11-25 14:00"), "page"); err != nil || same.Version != moved.Version {
			t.Errorf("to where it is: %+v, %v", same, err)
		}
		if _, err := d.Move(t.Context(), p.ID, 0, Slot, local("2026-11-25 18:00"), "page"); refusal(err) != WhySlot {
			t.Errorf("to a closed hour: %v", err)
		}
		d.ask(Request{Number: landline, Kind: Slot, Slot: local("2026-11-27 09:00")})
		if _, err := d.Move(t.Context(), p.ID, 0, Slot, local("2026-11-27 09:00"), "page"); refusal(err) != WhySlot {
			t.Errorf("to a full slot: %v", err)
		}
		now, err := d.Move(t.Context(), p.ID, 0, Place, time.Time{}, "agent:2001")
		if err != nil || now.Kind != Place || !now.Slot.IsZero() || !now.Joined.Equal(time.Now()) || !now.By.Equal(local("2026-11-23 12:30")) {
			t.Errorf("to a place: %+v, %v", now, err)
		}
		if len(d.sent(sms.Reminder)) != 0 {
			t.Errorf("a place has a reminder")
		}
		if f := d.facts.of(t, call.EventPromiseMoved); len(f) != 2 || f[0]["why"] != "citizen" || f[1]["why"] != "agent" || f[1]["by_ms"] != float64(now.By.UnixMilli()) {
			t.Errorf("facts: %v", f)
		}
		d.begin(p.ID)
		if _, err := d.Move(t.Context(), p.ID, 0, Slot, local("2026-11-26 14:00"), "page"); !errors.Is(err, ErrCalling) {
			t.Errorf("while called: %v", err)
		}
		if _, err := d.Cancel(t.Context(), p.ID, "page"); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Move(t.Context(), p.ID, 0, Slot, local("2026-11-26 14:00"), "page"); !errors.Is(err, ErrSettled) {
			t.Errorf("once cancelled: %v", err)
		}
		if _, err := d.Move(t.Context(), "0000000000", 0, Slot, local("2026-11-26 14:00"), "page"); !errors.Is(err, ErrNoPromise) {
			t.Errorf("of nobody: %v", err)
		}
	})
}

func TestWhoWaitsForTheNextTryIsCalledNowIfTheyAskForIt(t *testing.T) {
	at(t, "2026-11-23 10:00", func(d *desk) {
		p := d.ask(Request{Origin: FromPage})
		after := d.attempt(p.ID, Busy)
		if !after.Due.Equal(time.Now().Add(10 * time.Minute)) {
			t.Fatalf("%+v", after)
		}
		time.Sleep(time.Minute)
		now, err := d.Move(t.Context(), p.ID, after.Version, Place, time.Time{}, "agent:2001")
		if err != nil || !now.Due.Equal(time.Now()) || !now.Joined.Equal(p.Joined) || now.Kind != Place {
			t.Errorf("%+v, %v", now, err)
		}
		if same, err := d.Move(t.Context(), p.ID, 0, Place, time.Time{}, "agent:2001"); err != nil || same.Version != now.Version {
			t.Errorf("asked again: %+v, %v", same, err)
		}
	})
}

func TestAPromiseTakenOutOfLineByAMoveIsNotBegun(t *testing.T) {
	at(t, "2026-11-23 10:00", func(d *desk) {
		p := d.ask(Request{Origin: FromPage})
		if got, err := d.store.TakeDue(t.Context(), "node1", []string{"accueil"}, time.Now(), 1); err != nil || len(got) != 1 {
			t.Fatal(got, err)
		}
		if moved, err := d.Move(t.Context(), p.ID, 0, Slot, local("2026-11-24 10:00"), "page"); err != nil || moved.State != Pending || moved.Node != "" {
			t.Fatalf("%+v, %v", moved, err)
		}
		if _, err := d.store.Begin(t.Context(), Attempt{Promise: p.ID, Node: "node1", Epoch: 1}); !errors.Is(err, ErrChanged) {
			t.Errorf("begin: %v", err)
		}
	})
}

func TestCancellingIsOnceAndForAll(t *testing.T) {
	at(t, "2026-11-23 10:00", func(d *desk) {
		p := d.slot("2026-11-24 10:00")
		for range 2 {
			got, err := d.Cancel(t.Context(), p.ID, "page")
			if err != nil || got.State != Cancelled || got.SettledBy != "page" || !got.Settled.Equal(time.Now()) {
				t.Errorf("%+v, %v", got, err)
			}
		}
		if _, ok, err := d.CancelNumber(t.Context(), mobile, "sms"); ok || err != nil {
			t.Errorf("a number without a promise: %v %v", ok, err)
		}
		if len(d.sent(sms.Dropped)) != 1 || len(d.sent(sms.Reminder)) != 0 || len(d.facts.of(t, call.EventPromiseEnded)) != 1 {
			t.Errorf("messages: %+v", d.store.messages())
		}
		second := d.slot("2026-11-24 10:00")
		if got, ok, err := d.CancelNumber(t.Context(), mobile, "sms"); !ok || err != nil || got.ID != second.ID || got.SettledBy != "sms" {
			t.Errorf("by number: %+v %v %v", got, ok, err)
		}
	})
}

func TestWhoCancelsWhileBeingCalledIsNotCalledAgain(t *testing.T) {
	at(t, "2026-11-23 10:00", func(d *desk) {
		p := d.ask(Request{Origin: FromPage})
		n := d.begin(p.ID)
		if got, err := d.Cancel(t.Context(), p.ID, "sms"); err != nil || got.State != Cancelled {
			t.Fatalf("%+v, %v", got, err)
		}
		got, err := d.Attempted(t.Context(), p.ID, n, NoAnswer)
		if err != nil || got.State != Cancelled {
			t.Errorf("%+v, %v", got, err)
		}
		if open, _ := d.store.Open(t.Context(), "node1"); len(open) != 0 {
			t.Errorf("the attempt is open: %+v", open)
		}
		if len(d.facts.of(t, call.EventPromiseEnded)) != 1 {
			t.Error("ended twice")
		}
	})
}

func TestAnAnswerByCallingAgainEndsThePromiseInSilence(t *testing.T) {
	at(t, "2026-11-23 10:00", func(d *desk) {
		p := d.slot("2026-11-24 10:00")
		before := len(d.store.messages())
		for range 2 {
			if err := d.CalledAgain(t.Context(), mobile, "call-9"); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.CalledAgain(t.Context(), call.Withheld, "call-9"); err != nil {
			t.Fatal(err)
		}
		got, _ := d.store.Promise(t.Context(), p.ID)
		if got.State != Answered || got.SettledBy != "call:call-9" || len(d.store.messages()) != before || len(d.sent(sms.Reminder)) != 0 {
			t.Errorf("%+v", got)
		}
	})
}

func TestThreeTriesThenTheCitizenIsToldHowToBookAgain(t *testing.T) {
	at(t, "2026-11-23 10:00", func(d *desk) {
		p := d.ask(Request{Origin: FromPage})
		got := d.attempt(p.ID, NoAnswer)
		if got.State != Pending || got.Node != "" || got.Tries != 1 || !got.Due.Equal(local("2026-11-23 10:10")) || !got.Joined.Equal(p.Joined) || !got.By.Equal(p.By) {
			t.Fatalf("first: %+v", got)
		}
		d.until("2026-11-23 10:10")
		if got = d.attempt(p.ID, Machine); got.Tries != 2 || !got.Voicemail || !got.Due.Equal(local("2026-11-23 11:10")) {
			t.Fatalf("second: %+v", got)
		}
		d.until("2026-11-23 11:10")
		if got = d.attempt(p.ID, Busy); got.State != Unreachable || got.Tries != 3 || got.SettledBy != "call:out-1" {
			t.Fatalf("third: %+v", got)
		}
		for range 2 { // told twice by a controller that restarts
			if again, err := d.Attempted(t.Context(), p.ID, 3, Connected); err != nil || again.State != Unreachable || again.Version != got.Version {
				t.Errorf("again: %+v, %v", again, err)
			}
		}
		if m := d.sent(sms.NotReached); len(m) != 1 || !strings.Contains(m[0].Text, "https://rappel.example/") {
			t.Errorf("messages: %+v", m)
		}
		if f := d.facts.of(t, call.EventAttempted); len(f) != 3 || f[1]["result"] != "voicemail" || f[2]["tries"] != 3.0 || f[0]["agent"] != "2001" {
			t.Errorf("attempts: %v", f)
		}
		if f := d.facts.of(t, call.EventPromiseEnded); len(f) != 1 || f[0]["state"] != "unreachable" || f[0]["late"] != false {
			t.Errorf("ended: %v", f)
		}
		if _, err := d.Attempted(t.Context(), p.ID, 4, Connected); !errors.Is(err, ErrNoPromise) {
			t.Errorf("an attempt that was never begun: %v", err)
		}
	})
}

func TestOnPaperEverythingIsPromisedAndNothingKept(t *testing.T) {
	at(t, "2026-11-23 10:00", func(d *desk) {
		var sent []sms.Message
		d.Store = Paper{Store: d.store, Sent: func(m sms.Message) { sent = append(sent, m) }}
		p := d.ask(Request{Kind: Place, Origin: FromQueue, Lang: "fr"})
		if len(sent) != 1 || sent[0].Purpose != sms.Confirmed {
			t.Errorf("sent: %+v", sent)
		}
		d.slot("2026-11-24 10:00") // the first is not there to be told of
		if list, err := d.store.Promises(d.t.Context(), Filter{}); err != nil || len(list) != 0 || len(d.store.sms) != 0 {
			t.Errorf("kept: %+v, %+v, %v", list, d.store.sms, err)
		}
		if _, err := d.Cancel(d.t.Context(), p.ID, "page"); err == nil {
			t.Error("a promise on paper was cancelled")
		}
	})
}

func TestAnAgentWhoDoesNotTakeItCostsTheCitizenNeitherPlaceNorTry(t *testing.T) {
	at(t, "2026-11-23 10:00", func(d *desk) {
		p := d.ask(Request{Origin: FromPage})
		for range restAfter - 1 {
			got := d.attempt(p.ID, AgentMissed)
			if got.State != InLine || got.Node != "node1" || got.Tries != 0 || !got.Due.Equal(p.Due) || !got.Joined.Equal(p.Joined) {
				t.Fatalf("%+v", got)
			}
		}
		if got := d.attempt(p.ID, AgentRefused); got.State != Pending || got.Node != "" || time.Until(got.Due) != rest || !got.Joined.Equal(p.Joined) {
			t.Errorf("the fifth in a row: %+v", got)
		}
		time.Sleep(rest)
		if got := d.attempt(p.ID, NoAnswer); got.Tries != 1 {
			t.Errorf("%+v", got)
		}
		time.Sleep(10 * time.Minute)
		if got := d.attempt(p.ID, Interrupted); got.State != Pending || got.Due.After(time.Now()) || got.Tries != 1 {
			t.Errorf("interrupted after a try: %+v", got)
		}
	})
}

func TestAPromiseIsKeptOnce(t *testing.T) {
	at(t, "2026-11-23 10:00", func(d *desk) {
		p := d.ask(Request{Origin: FromPage})
		n := d.begin(p.ID)
		d.until("2026-11-23 13:40")
		for range 2 {
			if err := d.Kept(t.Context(), p.ID, n); err != nil {
				t.Fatal(err)
			}
		}
		got, err := d.Attempted(t.Context(), p.ID, n, Connected)
		if err != nil || got.State != Kept || got.SettledBy != "call:out-1" {
			t.Errorf("%+v, %v", got, err)
		}
		if f := d.facts.of(t, call.EventPromiseEnded); len(f) != 1 || f[0]["state"] != "kept" || f[0]["late"] != true || f[0]["by"] != "call:out-1" {
			t.Errorf("a promise until 12:30: %v", f)
		}
	})
}

func TestAConversationKeepsAPromiseWhoseAttemptWasBelievedDead(t *testing.T) {
	at(t, "2026-11-23 10:00", func(d *desk) {
		p := d.ask(Request{Origin: FromPage})
		n := d.begin(p.ID)
		if got, err := d.Attempted(t.Context(), p.ID, n, Interrupted); err != nil || got.State != Pending {
			t.Fatalf("%+v, %v", got, err)
		}
		if err := d.Kept(t.Context(), p.ID, n); err != nil {
			t.Fatal(err)
		}
		if got, _ := d.store.Promise(t.Context(), p.ID); got.State != Kept || got.SettledBy != "call:out-1" {
			t.Errorf("%+v", got)
		}
	})
}

func TestWhatClosingTimeOvertakesIsCarriedOverAndTold(t *testing.T) {
	at(t, "2026-11-27 16:00", func(d *desk) {
		p := d.ask(Request{Origin: FromPage, Lang: "fr"})
		if _, err := d.store.TakeDue(t.Context(), "node1", []string{"accueil"}, time.Now(), 1); err != nil {
			t.Fatal(err)
		}
		d.until("2026-11-27 17:00")
		var got Promise
		for range 2 {
			var err error
			if got, err = d.Carry(t.Context(), p.ID); err != nil {
				t.Fatal(err)
			}
		}
		if got.State != Pending || got.Node != "" || !got.Due.Equal(local("2026-11-30 08:30")) || !got.Joined.Equal(p.Joined) || !got.By.Equal(p.By) {
			t.Errorf("%+v", got)
		}
		m := d.sent(sms.CarriedOver)
		if len(m) != 1 || !strings.Contains(m[0].Text, "lundi 30 novembre dès 8 h 30") || !m[0].NotBefore.IsZero() {
			t.Errorf("%+v", m)
		}
		if f := d.facts.of(t, call.EventPromiseMoved); len(f) != 1 || f[0]["why"] != "closed" {
			t.Errorf("%v", f)
		}
	})
}

func TestNobodyIsWokenByTheNewsOfAPromiseCarriedOver(t *testing.T) {
	at(t, "2026-11-23 09:00", func(d *desk) {
		p := d.ask(Request{Number: noumea, Origin: FromPage, Lang: "fr"})
		d.until("2026-11-23 17:00") // three in the morning there
		got, err := d.Carry(t.Context(), p.ID)
		if err != nil || !got.Due.Equal(local("2026-11-24 08:30")) {
			t.Fatalf("%+v, %v", got, err)
		}
		m := d.sent(sms.CarriedOver)
		if len(m) != 1 || m[0].NotBefore.In(location("Pacific/Noumea")).Format("02 15:04") != "24 08:00" || !strings.Contains(m[0].Text, "mardi 24 novembre dès 18 h 30") {
			t.Errorf("%+v", m)
		}
	})
}

func TestAnEmergencyClosureCarriesBeyondTheHoursItFallsIn(t *testing.T) {
	at(t, "2026-11-23 10:00", func(d *desk) {
		p := d.ask(Request{Origin: FromPage})
		if got, err := d.Carry(t.Context(), p.ID); err != nil || !got.Due.Equal(local("2026-11-23 13:30")) {
			t.Errorf("%+v, %v", got, err)
		}
		d.begin(d.ask(Request{Number: landline, Origin: FromPage}).ID)
		live, _, _ := d.store.Live(t.Context(), landline)
		if _, err := d.Carry(t.Context(), live.ID); !errors.Is(err, ErrCalling) {
			t.Errorf("while called: %v", err)
		}
		if _, err := d.Cancel(t.Context(), live.ID, "page"); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Carry(t.Context(), live.ID); !errors.Is(err, ErrSettled) {
			t.Errorf("once settled: %v", err)
		}
	})
}

func TestWhoHungUpIsInvitedOnceADay(t *testing.T) {
	at(t, "2026-11-23 10:00", func(d *desk) {
		r := Request{Number: mobile, Queue: "accueil", Contact: "call-1", Lang: "fr"}
		invite := func(r Request, want int) {
			t.Helper()
			if err := d.Invite(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			if got := len(d.sent(sms.Invitation)); got != want {
				t.Errorf("%d invitations, want %d", got, want)
			}
		}
		invite(r, 0) // the service does not want it
		d.def.Callback.InviteAbandoned = true
		invite(r, 1)
		r.Contact = "call-2"
		invite(r, 1)
		invite(Request{Number: landline, Queue: "accueil"}, 1)
		invite(Request{Number: "", Queue: "accueil"}, 1)
		d.ask(Request{Number: "+33639980098", Origin: FromPage})
		invite(Request{Number: "+33639980098", Queue: "accueil"}, 1) // has a promise
		for _, m := range d.sent(sms.Invitation) {
			if strings.Contains(m.Key, string(mobile[1:])) {
				t.Errorf("the key tells the number: %s", m.Key)
			}
		}
		d.until("2026-11-24 10:00")
		invite(r, 2)
	})
}

func TestTheOfferOnEntryFollowsTheEstimateAndClosingTime(t *testing.T) {
	b := newBook(prefecture(), newMemory())
	def := b.Service()
	def.Callback.OfferAbove = 5 * time.Minute
	for _, c := range []struct {
		at       string
		estimate time.Duration
		why      string
	}{
		{"2026-11-23 10:00", 5 * time.Minute, ""},
		{"2026-11-23 10:00", 6 * time.Minute, "estimate"},
		{"2026-11-23 10:00", 0, ""},
		{"2026-11-23 12:20", 12 * time.Minute, "closing"},
		{"2026-11-23 12:26", 0, "closing"},
		{"2026-11-23 12:20", 0, ""},
		{"2026-11-23 12:45", 6 * time.Minute, "estimate"}, // on a number that is always open
	} {
		offer, why := b.Offer("accueil", "general", c.estimate, local(c.at))
		if offer != (c.why != "") || why != c.why {
			t.Errorf("%+v: %v %q", c, offer, why)
		}
	}
	def.Callback.Slots = false
	if offer, _ := b.Offer("accueil", "general", 12*time.Minute, local("2026-11-23 12:20")); offer {
		t.Error("offered, though a place cannot be kept and there are no slots")
	}
	if offer, _ := b.Offer("accueil", "general", 12*time.Minute, local("2026-11-23 11:20")); !offer {
		t.Error("a place can be kept and is not offered")
	}
	def.Callback.On = false
	if offer, _ := b.Offer("accueil", "general", time.Hour, local("2026-11-23 10:00")); offer {
		t.Error("offered, though the service calls nobody back")
	}
}

func TestThePageListsMoreSlots(t *testing.T) {
	at(t, "2026-11-23 10:00", func(d *desk) {
		d.ask(Request{Number: landline, Kind: Slot, Slot: local("2026-11-23 10:30")})
		got, err := d.SlotsFor(t.Context(), Request{Number: mobile, Queue: "accueil"}, 2)
		if err != nil || len(got) != 2 || !got[0].Equal(local("2026-11-23 10:15")) || !got[1].Equal(local("2026-11-23 10:45")) {
			t.Errorf("%v %v", got, err)
		}
		all, err := d.SlotsFor(t.Context(), Request{Number: mobile, Queue: "accueil"}, 0)
		if last := all[len(all)-1]; err != nil || !last.Equal(local("2026-12-14 16:45")) {
			t.Errorf("the last: %v %v", last, err)
		}
	})
}
