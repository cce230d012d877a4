package callback

import (
	"cmp"
	"slices"
	"time"

	"decroche/service"
)

const (
	// Quarter is the length of a slot; slots begin on the quarters of the clock.
	Quarter = 15 * time.Minute
	// lead is how far ahead at least a slot is offered. One that was offered may be taken until it begins.
	lead = Quarter
	// margin is what a slot's window has beyond the quarter: the agent may be in conversation.
	margin = Quarter
	// usualHorizon and usualAHT serve where the definition says nothing.
	usualHorizon = 15
	usualShare   = 25
	usualAHT     = 5 * time.Minute
	// breath is the least time between two choices said to a caller.
	breath = time.Hour
	// enough free slots, soonest first, always hold the three choices: those of two whole days.
	enough = 2 * 24 * int(time.Hour/Quarter)
)

// Capacity is how many promises one slot of a queue takes: the service's figure if it sets
// one, else what the agents can handle in a quarter of an hour, times the share kept for callbacks:
// agents × 15 min ÷ average handling time × share, at least 1. Without an agent it is 0.
func Capacity(def *service.Definition, queue string, agents int) int {
	if def.Callback.PerSlot > 0 {
		return def.Callback.PerSlot
	}
	if agents <= 0 {
		return 0
	}
	aht := usualAHT
	if q := def.Queues[queue]; q != nil && q.DefaultAHT > 0 {
		aht = q.DefaultAHT
	}
	share := cmp.Or(def.Callback.Share, usualShare)
	return max(1, int(time.Duration(agents)*Quarter*time.Duration(share)/(100*aht)))
}

// slotLines are the lines that must all be open during a slot: the service's, the citizen's
// day, and quiet hours for the publics that have them.
func slotLines(def *service.Definition, zone *time.Location, public string) []*service.Definition {
	lines := []*service.Definition{def, citizenDay(def, zone)}
	if off := def.Callback.OffPeak; slices.Contains(off.Publics, public) {
		lines = append(lines, weekly(def.Location, off.Hours))
	}
	return lines
}

// horizonEnd is the end of the last day in which slots are offered: the Horizon-th open day
// after today. An open day is one on which the line opens; today is day 0, open or not.
func horizonEnd(def *service.Definition, now time.Time) time.Time {
	days := def.Callback.Horizon
	if days < 1 || days > usualHorizon {
		days = usualHorizon
	}
	day := nextDay(def.Location, now)
	for limit := now.Add(sight); ; days-- {
		o := def.Opening(day)
		if !o.Open {
			if o.Next.IsZero() || o.Next.After(limit) {
				return day
			}
			day = o.Next
		}
		day = nextDay(def.Location, day)
		if days == 1 {
			return day
		}
	}
}

// slots walks the slots that begin within [from, horizon): whole quarters in which all lines are open.
func slots(def *service.Definition, zone *time.Location, public string, from, horizon time.Time, yield func(time.Time) bool) {
	for s := range spans(from, horizon, slotLines(def, zone, public)...) {
		start := s.from.Truncate(Quarter) // every zone of today is whole quarters from UTC
		if start.Before(s.from) {
			start = start.Add(Quarter)
		}
		for ; !start.Add(Quarter).After(s.until); start = start.Add(Quarter) {
			if !yield(start) {
				return
			}
		}
	}
}

// FreeSlots lists the slots that can still be promised, soonest first, up to limit; 0 is all up
// to the service's horizon. taken are the promises of each slot, as Store.Taken counts them.
func FreeSlots(def *service.Definition, zone *time.Location, public string, now time.Time, capacity int, taken map[time.Time]int, limit int) []time.Time {
	return freeSlots(def, zone, public, now, horizonEnd(def, now), capacity, bySecond(taken), limit)
}

// bySecond frees counts from the time zone of their keys.
func bySecond(taken map[time.Time]int) map[int64]int {
	counts := make(map[int64]int, len(taken))
	for t, n := range taken {
		counts[t.Unix()] += n
	}
	return counts
}

// freeSlots lists the slots until horizon that can still be promised, soonest first, up to
// limit; 0 is all. taken are the promises of each slot, by its Unix second.
func freeSlots(def *service.Definition, zone *time.Location, public string, now, horizon time.Time, capacity int, taken map[int64]int, limit int) []time.Time {
	if capacity <= 0 {
		return nil
	}
	var free []time.Time
	slots(def, zone, public, now.Add(lead), horizon, func(slot time.Time) bool {
		if taken[slot.Unix()] < capacity {
			free = append(free, slot)
		}
		return limit <= 0 || len(free) < limit
	})
	return free
}

// SlotAllowed says whether a slot may be promised, its capacity apart.
func SlotAllowed(def *service.Definition, zone *time.Location, public string, slot, now time.Time) bool {
	if !slot.Equal(slot.Truncate(Quarter)) || slot.Before(now) {
		return false
	}
	if end := slot.Add(Quarter); end.After(horizonEnd(def, now)) {
		return false
	}
	for s := range spans(slot, slot.Add(Quarter), slotLines(def, zone, public)...) {
		return s.from.Equal(slot) && s.until.Equal(slot.Add(Quarter))
	}
	return false
}

// Choices picks the three slots that a caller can weigh by ear: the first one; the first of
// a later half-day, an hour away at least; and the first on a later day than the first, in a
// later half-day than the second. Where there are not so many, the soonest others
// fill up. Days and half-days are the citizen's.
func Choices(free []time.Time, zone *time.Location) []time.Time {
	if len(free) <= 3 {
		return slices.Clone(free)
	}
	chosen := []time.Time{free[0]}
	second := slices.IndexFunc(free, func(t time.Time) bool {
		return halfDay(t, zone) > halfDay(free[0], zone) && t.Sub(free[0]) >= breath
	})
	if second > 0 {
		chosen = append(chosen, free[second])
		third := slices.IndexFunc(free, func(t time.Time) bool {
			return halfDay(t, zone)/2 > halfDay(free[0], zone)/2 && halfDay(t, zone) > halfDay(free[second], zone) &&
				t.Sub(free[second]) >= breath
		})
		if third > 0 {
			chosen = append(chosen, free[third])
		}
	}
	for _, t := range free {
		if len(chosen) == 3 {
			break
		}
		if !slices.Contains(chosen, t) {
			chosen = append(chosen, t)
		}
	}
	slices.SortFunc(chosen, time.Time.Compare)
	return chosen
}

// halfDay counts the mornings and afternoons of a zone: even for a morning, which lasts until one o'clock.
func halfDay(t time.Time, zone *time.Location) int {
	t = t.In(zone)
	y, m, d := t.Date()
	n := 2 * int(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix()/86400)
	if t.Hour() >= 13 {
		n++
	}
	return n
}
