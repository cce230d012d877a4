package callback

import (
	"errors"
	"testing"
	"time"

	"decroche/call"
	"decroche/service"
	"decroche/sms"
)

const relayCentre = call.Number("+33199005000")

// withRelay is a service whose relay centre is there from ten to noon on Mondays, and on Tuesdays
// after the line has closed.
func withRelay(def *service.Definition) {
	h := new(service.Hours)
	h.Week[time.Monday] = []service.Range{{From: 600, To: 720}}
	h.Week[time.Tuesday] = []service.Range{{From: 1080, To: 1200}}
	def.Access.Relay = &service.Relay{Number: relayCentre, Hours: h}
}

func TestACallbackThroughARelayKeepsToTheHoursOfBoth(t *testing.T) {
	at(t, "2026-11-23 09:00", func(d *desk) { // a Monday
		withRelay(d.def)
		r := Request{Number: mobile, Queue: "accueil", Relay: relayCentre, Origin: FromAccess, Wait: 5 * time.Minute}
		free, err := d.SlotsFor(t.Context(), r, 0)
		if err != nil || len(free) == 0 {
			t.Fatalf("slots: %v, %v", free, err)
		}
		for _, s := range free {
			wall := s.In(paris)
			if minute := wall.Hour()*60 + wall.Minute(); wall.Weekday() != time.Monday || minute < 600 || minute >= 720 {
				t.Errorf("a slot at %s, when the relay is not there", wall)
			}
		}
		o, err := d.Options(t.Context(), r)
		if err != nil || o.Place {
			t.Errorf("a place in line is promised while the relay is closed: %+v, %v", o, err)
		}
		r.Slot = local("2026-11-23 14:00")
		if _, _, err := d.Ask(t.Context(), r); !errors.As(err, new(*Refusal)) {
			t.Errorf("a slot of the afternoon: %v", err)
		}
		r.Slot = time.Time{}
		d.until("2026-11-23 10:30")
		p := d.ask(r)
		if p.Relay != relayCentre || p.Number != mobile || !p.By.Equal(local("2026-11-23 12:00")) {
			t.Errorf("the promise is %+v", p)
		}
		if again, made, err := d.Ask(t.Context(), Request{Number: mobile, Queue: "accueil", Origin: FromPage, Wait: time.Minute}); err != nil || made || again.ID != p.ID {
			t.Errorf("the citizen has one promise, whichever way they are called: %+v, %v, %v", again, made, err)
		}
		if other := d.ask(Request{Number: "+33639980055", Queue: "accueil", Relay: relayCentre, Origin: FromAccess, Wait: time.Minute}); other.ID == p.ID {
			t.Error("two citizens behind one relay have one promise")
		}
		if got := d.sent(sms.Confirmed); len(got) != 2 || got[0].To != mobile {
			t.Errorf("messages: %+v", got)
		}
	})
}

func TestARelayThatDoesNotAnswerIsToldByTextAndTriedAgainWhenItIsThere(t *testing.T) {
	at(t, "2026-11-23 11:50", func(d *desk) {
		withRelay(d.def)
		p := d.ask(Request{Number: mobile, Queue: "accueil", Relay: relayCentre, Origin: FromAccess, Wait: time.Minute, Lang: "fr"})
		d.until("2026-11-23 11:55")
		p = d.attempt(p.ID, NoAnswer)
		if want := local("2026-11-30 10:00"); p.State != Pending || !p.Due.Equal(want) {
			t.Errorf("the next try is due at %s, %s: want %s, when both are there", p.Due.In(paris), p.State, want)
		}
		if got := d.sent(sms.RelaySilent); len(got) != 1 || got[0].To != mobile {
			t.Errorf("messages: %+v", got)
		}
		for n := range 2 {
			time.Sleep(time.Until(p.Due))
			if p = d.attempt(p.ID, Machine); n == 0 && len(d.sent(sms.RelaySilent)) != 2 {
				t.Errorf("after the second: %+v", d.sent(sms.RelaySilent))
			}
		}
		if p.State != Unreachable || len(d.sent(sms.RelaySilent)) != 2 || len(d.sent(sms.NotReached)) != 1 {
			t.Errorf("after the last: %s, %+v", p.State, d.sent(sms.NotReached))
		}
	})
	at(t, "2026-11-23 10:30", func(d *desk) { // who is called without a relay hears nothing of one
		p := d.ask(Request{Number: mobile, Queue: "accueil", Origin: FromQueue, Wait: time.Minute})
		d.until("2026-11-23 10:35")
		d.attempt(p.ID, NoAnswer)
		if len(d.sent(sms.RelaySilent)) != 0 {
			t.Error("a text about a relay")
		}
	})
}

func TestTheDialLoopCallsThroughARelayOnlyWhileItIsThere(t *testing.T) {
	open(t, "2026-11-23 09:30", []call.AgentID{"2001"}, func(o *office) {
		def := *o.def.Load()
		withRelay(&def)
		o.def.Store(&def)
		o.book.Service = o.def.Load
		p := o.promise("P1", local("2026-11-23 09:30"), time.Minute)
		_, err := o.store.Change(t.Context(), p.ID, 0, func(p *Promise) (Change, error) {
			p.Relay = relayCentre
			return Change{}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		o.dialer.Wake()
		time.Sleep(20 * time.Minute)
		o.settles()
		if got := o.results(p.ID); len(got) != 0 {
			t.Errorf("called at half past nine: %v", got)
		}
		if p, err := o.store.Promise(t.Context(), p.ID); err != nil || !p.Due.Equal(local("2026-11-23 10:00")) {
			t.Errorf("it is due at %s (%v), want ten", p.Due.In(paris), err)
		}
		time.Sleep(30 * time.Minute)
		o.settles()
		if got := o.results(p.ID); len(got) == 0 {
			t.Error("not called when the relay was there")
		}
	})
}
