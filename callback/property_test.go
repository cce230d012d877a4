package callback

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"decroche/call"
)

var people = []call.Number{mobile, landline, noumea, "+262692123456", "+33639980011", "+33639980013", "+33639980014"}

// An act is one thing that a citizen does, after some minutes.
type act struct {
	Minutes, Person int
	// Seen is how many slots they are shown, 0 for all; Pick chooses one. Odd asks for any quarter
	// at all instead, From now.
	Seen, Pick, From int
	Odd, Place       bool
	What             int
}

func anAct(r *rapid.T) act {
	return act{
		Minutes: rapid.IntRange(0, 180).Draw(r, "minutes"), Person: rapid.IntRange(0, len(people)-1).Draw(r, "person"),
		Seen: rapid.SampledFrom([]int{1, 3, 0}).Draw(r, "seen"), Pick: rapid.IntRange(0, 500).Draw(r, "pick"),
		From: rapid.IntRange(-100, 20000).Draw(r, "from now"), Odd: rapid.IntRange(0, 4).Draw(r, "odd") == 0,
		Place: rapid.IntRange(0, 5).Draw(r, "place") == 0, What: rapid.IntRange(0, 5).Draw(r, "what"),
	}
}

func TestNoSlotIsEverFullerThanItsCapacityAndNobodyHasTwoPromises(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		horizon, agents := rapid.IntRange(1, 4).Draw(r, "horizon"), rapid.IntRange(1, 6).Draw(r, "agents")
		acts := rapid.SliceOfN(rapid.Custom(anAct), 1, 40).Draw(r, "acts")
		var failure error
		at(t, "2026-10-23 09:00", func(d *desk) { // the clocks go back that week
			d.def.Callback.PerDay, d.def.Callback.Horizon = 0, horizon
			d.Agents = func(string) int { return agents }
			for i := 0; i < len(acts) && failure == nil; i++ {
				time.Sleep(time.Duration(acts[i].Minutes) * time.Minute)
				if failure = d.do(acts[i]); failure == nil {
					failure = d.holds()
				}
			}
		})
		if failure != nil {
			r.Fatal(failure)
		}
	})
}

func (d *desk) do(a act) error {
	ctx, n := d.t.Context(), people[a.Person]
	req := Request{Number: n, Queue: "accueil", Origin: FromPage, Kind: Slot}
	free, err := d.SlotsFor(ctx, req, a.Seen)
	if err != nil {
		return err
	}
	if len(free) > 0 {
		req.Slot = free[a.Pick%len(free)]
	}
	if a.Odd {
		req.Slot = time.Now().Add(time.Duration(a.From) * time.Minute).Truncate(Quarter)
	}
	live, ok, err := d.store.Live(ctx, n)
	if err != nil {
		return err
	}
	switch {
	case a.What <= 2 && a.Place:
		req.Kind, req.Slot = Place, time.Time{}
		_, _, err = d.Ask(ctx, req)
	case a.What <= 2:
		var p Promise
		if p, _, err = d.Ask(ctx, req); err == nil && !ok && !p.Slot.Equal(req.Slot) {
			return fmt.Errorf("asked for %s and got %s", req.Slot, p.Slot)
		}
		if err != nil && !a.Odd && !ok && len(free) > 0 {
			return fmt.Errorf("the free slot %s: %w", req.Slot, err)
		}
	case a.What == 3 && ok:
		_, err = d.Move(ctx, live.ID, live.Version, Slot, req.Slot, "page")
	case a.What == 4:
		_, _, err = d.CancelNumber(ctx, n, "sms")
	case a.What == 5:
		err = d.CalledAgain(ctx, n, "call-1")
	}
	if refusal(err) != "" {
		return nil
	}
	return err
}

// holds checks what must be true at any time.
func (d *desk) holds() error {
	taken, live := map[time.Time]int{}, map[call.Number]int{}
	for _, p := range d.store.promises {
		if !p.State.Live() {
			continue
		}
		if live[p.Number]++; live[p.Number] > 1 {
			return fmt.Errorf("%s has two promises", p.Number)
		}
		if p.Kind != Slot {
			continue
		}
		if taken[p.Slot.UTC()]++; taken[p.Slot.UTC()] > d.capacity(d.def, p.Queue) {
			return fmt.Errorf("%s is promised %d times", p.Slot, taken[p.Slot.UTC()])
		}
		zone, refused := Callable(p.Number, d.def)
		if refused != nil {
			return refused
		}
		if hour := p.Slot.In(zone).Hour(); hour < 8 || hour >= 20 {
			return fmt.Errorf("%s is called at %d o'clock", p.Number, hour)
		}
		for m := range 15 {
			if minute := p.Slot.Add(time.Duration(m) * time.Minute); !CallableAt(d.def, zone, minute) {
				return fmt.Errorf("%s of %s is not within the hours of both sides", minute, p.Number)
			}
		}
		if p.Slot.After(horizonEnd(d.def, time.Now())) {
			return fmt.Errorf("%s lies beyond the horizon", p.Slot)
		}
	}
	return nil
}
