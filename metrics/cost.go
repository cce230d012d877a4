package metrics

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"decroche/service"
)

// Micro are millionths of a euro: whole numbers, so that parts add up to the whole.
type Micro int64

// Euros is the same in euros.
func (m Micro) Euros() float64 { return float64(m) / 1e6 }

// Cost is what contacts cost. Hours are those that agents were signed in, at their team's loaded
// cost, whether somebody called or not.
type Cost struct {
	// Name is the reason or the directorate, "" for contacts that have none.
	Name string
	// Answered is how many contacts were answered; the cost per call is Total ÷ Answered.
	Answered               int64
	Agents, Telephony, SMS Micro
}

// Total is all of it.
func (c Cost) Total() Micro { return c.Agents + c.Telephony + c.SMS }

// PerCall is Total ÷ Answered in euros; false when nothing was answered.
func (c Cost) PerCall() (float64, bool) {
	if c.Answered == 0 {
		return 0, false
	}
	return c.Total().Euros() / float64(c.Answered), true
}

// Costs are those of a time.
type Costs struct {
	Whole         Cost
	ByReason      []Cost // the dearest first
	ByDirectorate []Cost
	// Unassigned is the cost of teams that were signed in and had no conversation at all: it is
	// in Whole, and in no reason.
	Unassigned Micro
	// FullTime is how many full-time agents the hours signed in are worth, and PerFullTime the
	// contacts answered by each (appels par ETP): answered ÷ (hours ÷ hours of a full-time
	// equivalent in the same time). Known is false when nobody was signed in.
	FullTime, PerFullTime float64
	Known                 bool
}

// Costs computes what the contacts of [from, to) cost. A team's hours are spread over reasons as
// its handling time (talk, hold and wrap-up) is: a reason bears its share of the time spent
// waiting for calls. Telephony and messages are the contacts' own.
func (f *Figures) Costs(ctx context.Context, from, to time.Time, prices service.Costs, directorate func(reason string) string) (*Costs, error) {
	lines := map[Dim][]Line{}
	for _, d := range []Dim{Whole, ByTeam, ByReason, ReasonTeam} {
		var err error
		if lines[d], err = f.Lines(ctx, Query{From: from, To: to, By: d}); err != nil {
			return nil, err
		}
	}
	out, byReason := &Costs{}, map[string]*Cost{}
	of := func(reason string) *Cost {
		if byReason[reason] == nil {
			byReason[reason] = &Cost{Name: reason}
		}
		return byReason[reason]
	}
	for _, l := range lines[ByReason] {
		c := of(l.Value)
		c.Answered = l.Cell.N(AnsweredCalls)
		c.Telephony = minutes(l.Cell.N(LineInMS), prices.MinuteIn) + minutes(l.Cell.N(LineOutMS), prices.MinuteOut)
		c.SMS = micro(float64(l.Cell.N(SMSSent)) * prices.SMS)
	}
	var logged int64
	for _, l := range lines[ByTeam] {
		ms := l.Cell.N(LoggedMS)
		logged += ms
		spent := hours(ms, prices.Team(l.Value))
		out.Whole.Agents += spent
		names, shares := handled(lines[ReasonTeam], l.Value)
		if len(names) == 0 {
			out.Unassigned += spent
		}
		for i, part := range split(spent, shares) {
			of(names[i]).Agents += part
		}
	}
	byDirectorate := map[string]*Cost{}
	for reason, c := range byReason {
		out.ByReason = append(out.ByReason, *c)
		out.Whole.Answered += c.Answered
		out.Whole.Telephony += c.Telephony
		out.Whole.SMS += c.SMS
		name := directorate(reason)
		if byDirectorate[name] == nil {
			byDirectorate[name] = &Cost{Name: name}
		}
		d := byDirectorate[name]
		d.Answered, d.Agents, d.Telephony, d.SMS = d.Answered+c.Answered, d.Agents+c.Agents, d.Telephony+c.Telephony, d.SMS+c.SMS
	}
	for _, d := range byDirectorate {
		out.ByDirectorate = append(out.ByDirectorate, *d)
	}
	dearest(out.ByReason)
	dearest(out.ByDirectorate)
	if weeks := to.Sub(from).Hours() / Week.Hours(); logged > 0 && prices.FullTime > 0 {
		out.FullTime = float64(logged) / float64(time.Hour.Milliseconds()) / (prices.FullTime * weeks)
		out.PerFullTime, out.Known = float64(out.Whole.Answered)/out.FullTime, true
	}
	return out, nil
}

// handled lists the reasons that a team had conversations about, and their handling time.
func handled(lines []Line, team string) (reasons []string, ms []int64) {
	for _, l := range lines {
		reason, of, _ := strings.Cut(l.Value, "\x1f")
		if n := l.Cell.N(TalkMS) + l.Cell.N(HoldMS) + l.Cell.N(WrapMS); of == team && n > 0 {
			reasons, ms = append(reasons, reason), append(ms, n)
		}
	}
	return reasons, ms
}

// split parts an amount in proportion to shares, so that the parts add up to it: what rounding
// leaves goes to those who lost most by it.
func split(amount Micro, shares []int64) []Micro {
	total := 0.0
	for _, s := range shares {
		total += float64(s)
	}
	parts, lost, left := make([]Micro, len(shares)), make([]float64, len(shares)), amount
	order := make([]int, len(shares))
	for i, s := range shares {
		exact := float64(amount) * float64(s) / total
		parts[i], order[i] = Micro(exact), i
		lost[i] = exact - float64(parts[i])
		left -= parts[i]
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(lost[b], lost[a]) })
	for i := 0; left > 0 && len(order) > 0; i++ {
		parts[order[i%len(order)]]++
		left--
	}
	return parts
}

func dearest(list []Cost) {
	slices.SortFunc(list, func(a, b Cost) int {
		return cmp.Or(cmp.Compare(b.Total(), a.Total()), cmp.Compare(a.Name, b.Name))
	})
}

func micro(euros float64) Micro { return Micro(math.Round(euros * 1e6)) }

func minutes(ms int64, price float64) Micro { return micro(float64(ms) / 60_000 * price) }

func hours(ms int64, price float64) Micro { return micro(float64(ms) / 3_600_000 * price) }
