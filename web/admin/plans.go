package admin

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"decroche/call"
	"decroche/ivr"
	"decroche/people"
	"decroche/plans"
	"decroche/service"
	"decroche/text"
)

// plansView are the prepared plans, and when they were on.
type plansView struct {
	All    []planRow
	Past   []string
	Switch bool
}

type planRow struct {
	ID, Name string
	On       bool
	Run      int64
	State    string
	Does     []string
	Said     [][]said
	Rule     string
	Ends     []choice
}

func (v *visit) showPlans() {
	v.told()
	v.plansPage()
}

func (v *visit) plansPage() {
	runs, err := v.s.Plans.Runs(v.r.Context(), v.now.Add(-pastShown))
	if err != nil {
		v.fail("list the plans", err)
		return
	}
	w := &plansView{Switch: v.Me.May(people.Publish)}
	for _, id := range slices.Sorted(maps.Keys(v.def.Plans)) {
		p := v.def.Plans[id]
		row := planRow{ID: id, Name: v.phrase(p.Label), Rule: v.rule(p.When), State: v.T("plans.off")}
		for _, m := range p.Messages {
			row.Does = append(row.Does, v.planMessage(m))
			row.Said = append(row.Said, v.saidOf(v.def.Prompts[m.Prompt]))
		}
		row.Does = append(row.Does, v.planDoes(p)...)
		if i := slices.IndexFunc(runs, func(r plans.Run) bool { return r.Plan == id && r.On(v.now) }); i >= 0 {
			row.On, row.Run = true, runs[i].ID
			row.State = v.T("plans.on", "who", v.who(runs[i].By), "from", v.when(runs[i].From), "until", v.when(runs[i].Until))
		}
		row.Ends = v.planEnds(p)
		w.All = append(w.All, row)
	}
	for _, r := range slices.Backward(runs) {
		if r.Ended.IsZero() {
			continue
		}
		name := r.Plan
		if p := v.def.Plans[r.Plan]; p != nil {
			name = v.phrase(p.Label)
		}
		w.Past = append(w.Past, v.T("plans.was", "plan", name, "from", v.when(r.From), "until", v.when(r.Ended), "by", v.who(r.By), "ended", v.who(r.EndedBy)))
	}
	v.Plans = w
	v.render(http.StatusOK, "plans.html", v.T("plans.title"))
}

// who names an account, or the rule and the end that need nobody.
func (v *visit) who(by string) string {
	switch by {
	case plans.ByRule, plans.ByEnd:
		return v.T("plans.by." + by)
	}
	return by
}

func (v *visit) planEnds(p *service.Plan) []choice {
	all := []choice{{"", v.T("plans.usual", "when", v.when(v.now.Add(p.Ends))), true}}
	for _, id := range []string{"1h", "2h", "4h"} {
		d, _ := time.ParseDuration(id)
		all = append(all, choice{id, v.T("messages.end."+id, "when", v.when(v.now.Add(d))), false})
	}
	if closing := v.closing(); !closing.IsZero() {
		all = append(all, choice{"closing", v.T("messages.end.closing", "when", v.when(closing)), false})
	}
	return all
}

// planMessage says where a message of a plan is heard, and what it does.
func (v *visit) planMessage(m service.PlanMessage) string {
	place, msg := m.Queue, ivr.Message{Replace: m.Replace, Offer: m.Offer}
	if m.Menu != "" {
		place = ivr.MessageMenu + m.Menu
	}
	if m.Link != "" {
		msg.Offer = ivr.OfferLink + m.Link
	}
	return v.where(place) + " · " + v.effect(msg)
}

// planDoes says what else a plan changes.
func (v *visit) planDoes(p *service.Plan) (does []string) {
	if p.OfferAbove > 0 {
		does = append(does, v.T("plans.callback", "wait", v.lasted(p.OfferAbove)))
	}
	for _, id := range slices.Sorted(maps.Keys(p.Queues)) {
		q := p.Queues[id]
		switch {
		case q.MaxWaiting == 0:
			does = append(does, v.T("plans.unlimited", "queue", v.queueName(id)))
		case q.MaxWaiting > 0:
			does = append(does, v.T("plans.waiting", "queue", v.queueName(id), "n", q.MaxWaiting))
		}
		for _, o := range q.Overflow {
			does = append(does, v.T("plans.overflow", "queue", v.queueName(id), "to", v.queueName(o.To), "after", v.lasted(o.After)))
		}
	}
	return does
}

// rule says what switches a plan on by itself; "" for nothing.
func (v *visit) rule(t *service.Trigger) string {
	if t == nil {
		return ""
	}
	where := v.T("plans.rule.any")
	if t.Queue != "" {
		where = v.queueName(t.Queue)
	}
	long := v.lasted(t.For)
	switch {
	case t.LinkDown != "":
		return v.T("plans.rule.link", "link", v.linkName(t.LinkDown), "for", long)
	case t.WaitAbove > 0:
		return v.T("plans.rule.wait", "wait", v.lasted(t.WaitAbove), "where", where, "for", long)
	case t.AgentsBelow > 0:
		return v.T("plans.rule.agents", "n", t.AgentsBelow, "where", where, "for", long)
	}
	return v.T("plans.rule.answered", "share", int(100*t.AnsweredBelow+0.5), "where", where, "for", long)
}

func (v *visit) startPlan() {
	id := v.r.PathValue("plan")
	var until time.Time
	switch end := v.r.PostFormValue("end"); end {
	case "1h", "2h", "4h":
		d, _ := time.ParseDuration(end)
		until = v.now.Add(d)
	case "closing":
		until = v.closing()
	}
	r, err := v.s.Plans.On(v.r.Context(), id, until, v.Me.Name)
	switch {
	case errors.Is(err, plans.ErrNone):
		v.stop(http.StatusNotFound, "missing")
	case errors.Is(err, plans.ErrRunning): // a double click, or another was faster
		v.see("/plans?fait=plan-actif", nil)
	case err != nil:
		v.fail("switch a plan on", err)
	default:
		v.log("plan.on", id, text.Day(call.Lang("fr"), r.Until.In(v.zone()), v.now.In(v.zone()))+" "+text.Clock("fr", r.Until.In(v.zone())))
		v.see("/plans?fait=plan-actif", nil)
	}
}

func (v *visit) endPlan() {
	id, err := strconv.ParseInt(v.r.PathValue("id"), 10, 64)
	if err != nil {
		v.stop(http.StatusNotFound, "missing")
		return
	}
	if err := v.s.Plans.Off(v.r.Context(), id, v.Me.Name); err != nil {
		v.fail("switch a plan off", err)
		return
	}
	v.log("plan.off", v.r.PostFormValue("plan"), "")
	v.see("/plans?fait=plan-arrete", nil)
}
