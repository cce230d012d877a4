package service

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// DefaultIndicators are the settings of a definition that says nothing.
func DefaultIndicators() Indicators {
	return Indicators{
		ShortAbandon: 5 * time.Second, Reconnect: 5 * time.Minute, SelfService: 7 * 24 * time.Hour, Other: 0.15, AnnouncedAbove: 0.10,
		Goals: Goals{Answered: 0.85, Excellent: 0.92}, Costs: Costs{FullTime: 35},
	}
}

// DefaultInTime is the guide's first step: 80 % of calls within a minute.
var DefaultInTime = InTime{Within: time.Minute, Share: 0.80}

func (r *reader) indicators(o *object) {
	in := DefaultIndicators()
	io := r.object(o.get("indicators"), "indicators", theKey("indicators"))
	in.ShortAbandon = io.duration("short_abandon", in.ShortAbandon, 0, time.Minute)
	in.Reconnect = io.duration("reconnect", in.Reconnect, 0, time.Hour)
	if io.choice("self_service", "168h", "24h") == "24h" {
		in.SelfService = 24 * time.Hour
	}
	other := r.object(io.get("other"), "indicators.other", io.key("other"))
	in.Other = other.percent("share", in.Other)
	in.OtherReason = other.ref("reason", "reason")
	other.close()
	goals := r.object(io.get("goals"), "indicators.goals", io.key("goals"))
	in.Goals.Answered = goals.percent("answered", in.Goals.Answered)
	in.Goals.Excellent = goals.percent("excellent", max(in.Goals.Answered, in.Goals.Excellent))
	if in.Goals.Excellent < in.Goals.Answered {
		r.problem(goals.place("excellent"), say("goals", "excellent", whole(in.Goals.Excellent*100), "answered", whole(in.Goals.Answered*100)), say("goals.fix"))
	}
	r.noGoal(goals)
	goals.close()
	in.AnnouncedAbove = io.percent("announced_above", in.AnnouncedAbove)
	in.Costs = r.costs(io, in.Costs)
	r.noGoal(io)
	io.close()
	r.def.Indicators = in
}

func (r *reader) costs(io *object, c Costs) Costs {
	co := r.object(io.get("costs"), "indicators.costs", io.key("costs"))
	c.Hour = co.euros("hour", 1000)
	c.MinuteIn, c.MinuteOut, c.SMS = co.euros("minute_in", 10), co.euros("minute_out", 10), co.euros("sms", 10)
	c.FullTime = float64(co.integer("full_time", int(c.FullTime), 1, 60))
	teams := r.object(co.get("teams"), "indicators.costs.teams", co.key("teams"))
	c.Teams = map[string]float64{}
	teams.each(func(team string, _ Position, _ *node) { c.Teams[team] = teams.euros(team, 1000) })
	co.close()
	return c
}

// inTime reads what "in time" means in a queue.
func (r *reader) inTime(qo *object) InTime {
	in := DefaultInTime
	o := r.object(qo.get("in_time"), qo.path+".in_time", qo.key("in_time"))
	in.Within = o.duration("within", in.Within, time.Second, time.Hour)
	in.Share = o.percent("share", in.Share)
	r.noGoal(o)
	o.close()
	return in
}

// handling are words in a key by which somebody would write a goal for how long agents take.
var handling = []string{"dmt", "dmc", "aht", "talk", "handling", "conversation", "duree", "durée", "duration", "traitement", "communication"}

// noGoal refuses, among the keys that nobody asked for, a goal for the length of
// conversations: the guide wants it followed and never aimed at, for agents then answer less
// than is asked of them. What is used until there is data (default_aht) is no goal.
func (r *reader) noGoal(o *object) {
	for _, p := range o.n.pairs {
		words := strings.FieldsFunc(strings.ToLower(p.key), func(c rune) bool { return c == '_' || c == '-' || c == ' ' })
		if slices.Contains(o.known, p.key) || slices.Contains(words, "default") || !slices.ContainsFunc(words, func(w string) bool { return slices.Contains(handling, w) }) {
			continue
		}
		o.known = append(o.known, p.key)
		r.problem(p.at, say("handling", "key", p.key, "of", o.label), say("handling.fix"))
	}
}

// percent reads a share of 1 to 100 %; "85" and "85 %" are the same.
func (o *object) percent(key string, otherwise float64) float64 {
	s := strings.TrimSpace(strings.TrimSuffix(o.text(key), "%"))
	if s == "" {
		return otherwise
	}
	v, err := strconv.ParseFloat(strings.ReplaceAll(s, ",", "."), 64)
	if err != nil || !(v >= 1 && v <= 100) { // NaN neither
		o.r.problem(o.place(key), o.wrong(key, o.text(key)), say("percent.fix"))
		return otherwise
	}
	return v / 100
}

// euros reads an amount, to a hundredth of a cent; 0 when it is not written.
func (o *object) euros(key string, most float64) float64 {
	s := strings.TrimSpace(strings.TrimSuffix(o.text(key), "€"))
	if s == "" {
		return 0
	}
	v, err := strconv.ParseFloat(strings.ReplaceAll(s, ",", "."), 64)
	if err != nil || !(v >= 0 && v <= most) {
		o.r.problem(o.place(key), o.wrong(key, o.text(key)), say("euros.fix", "most", whole(most)))
		return 0
	}
	return v
}

// Privacy is how long personal data is kept, by kind.
type Privacy struct {
	// Numbers in clear: promises and text messages, after they are settled. 1 day or
	// more, and not longer than Journal. Default 90 days.
	Numbers time.Duration
	// Journal: the facts of contacts, under pseudonyms. 8 days or more, for a repeat shows
	// within 7. Default 1095 days. Figures are kept for ever: they hold no person.
	Journal time.Duration
}

const day = 24 * time.Hour

func (r *reader) privacy(o *object) {
	p := Privacy{Numbers: 90 * day, Journal: 1095 * day}
	po := r.object(o.get("privacy"), "privacy", theKey("privacy"))
	p.Numbers = po.days("numbers", p.Numbers, 1, 3650)
	p.Journal = po.days("journal", p.Journal, 8, 3650)
	if p.Numbers > p.Journal {
		r.problem(po.place("numbers"), say("privacy", "numbers", int(p.Numbers/day), "journal", int(p.Journal/day)), say("privacy.fix"))
	}
	po.close()
	r.def.Privacy = p
}

// days reads a number of days: "90d".
func (o *object) days(key string, otherwise time.Duration, least, most int) time.Duration {
	s := o.text(key)
	if s == "" {
		return otherwise
	}
	n, err := strconv.Atoi(strings.TrimSuffix(s, "d"))
	if err != nil || !strings.HasSuffix(s, "d") || n < least || n > most {
		o.r.problem(o.place(key), o.wrong(key, s), say("days.fix", "least", least, "most", most))
		return otherwise
	}
	return time.Duration(n) * day
}
