package admin

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
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
	// Waits: the rule does not switch it on again while its cause lasts.
	Waits bool
	// Gone is a run whose plan the definition has no more, New a plan that is a draft alone; neither is switched on.
	Gone, New bool
	// Drafted says what a draft of it is to change, for who may write one.
	Drafted string
	Does    []string
	Said    [][]said
	Rule    string
	Ends    []choice
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
		row := v.planRow(v.def.Plans[id])
		for _, r := range runs { // the last run of the plan has the last word
			if r.Plan == id {
				row.Waits = r.Waits() && row.Rule != ""
			}
			if r.Plan == id && r.On(v.now) {
				row.On, row.Run, row.State = true, r.ID, v.onSince(r)
			}
		}
		w.All = append(w.All, row)
	}
	for _, r := range runs {
		if r.On(v.now) && v.def.Plans[r.Plan] == nil {
			w.All = append(w.All, planRow{ID: r.Plan, Name: r.Plan, On: true, Run: r.ID, State: v.onSince(r), Gone: true})
		}
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
	if v.Edits() && !v.planDrafts(w) {
		return
	}
	v.Plans = w
	v.render(http.StatusOK, "plans.html", v.T("plans.title"))
}

func (v *visit) planRow(p *service.Plan) planRow {
	row := planRow{ID: p.ID, Name: v.phrase(p.Label), Rule: v.rule(p.When), State: v.T("plans.off"), Ends: v.planEnds(p)}
	for _, m := range p.Messages {
		row.Does = append(row.Does, v.planMessage(m))
		row.Said = append(row.Said, v.saidOf(v.def.Prompts[m.Prompt]))
	}
	row.Does = append(row.Does, v.planDoes(p)...)
	return row
}

// planDrafts adds what drafts are to change, and the plans that are drafts alone; ok is false when the page of a
// failure was given.
func (v *visit) planDrafts(w *plansView) (ok bool) {
	list, err := v.s.Drafts.Store.Drafts(v.r.Context())
	if err != nil {
		v.fail("read the drafts", err)
		return false
	}
	for _, d := range list {
		id, is := strings.CutPrefix(d.Path, "plans.")
		if !is {
			continue
		}
		i := slices.IndexFunc(w.All, func(r planRow) bool { return r.ID == id && !r.Gone })
		switch {
		case i >= 0 && d.Value == "":
			w.All[i].Drafted = v.T("plans.draft.out")
		case i >= 0:
			w.All[i].Drafted = v.T("plans.draft.changed")
		case d.Value != "":
			row := v.planRow(v.planIn(id, d.Value))
			row.New, row.State, row.Drafted = true, v.T("plans.unpublished"), v.T("plans.draft.new")
			w.All = append(w.All, row)
		}
	}
	return true
}

// who names an account, or the rule, the end and the change that need nobody.
func (v *visit) who(by string) string {
	switch by {
	case plans.ByRule, plans.ByEnd, plans.ByChange:
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
	msg := ivr.Message{Replace: m.Replace, Offer: m.Offer}
	if m.Link != "" {
		msg.Offer = ivr.OfferLink + m.Link
	}
	return v.where(planPlace(m)) + " · " + v.effect(msg)
}

// planDoes says what else a plan changes.
func (v *visit) planDoes(p *service.Plan) (does []string) {
	if p.OfferAbove > 0 {
		does = append(does, v.T("plans.callback", "wait", spanText(p.OfferAbove)))
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
			does = append(does, v.T("plans.overflow", "queue", v.queueName(id), "to", v.queueName(o.To), "when", v.helped(o)))
		}
	}
	return does
}

// helped says from when on a queue is helped.
func (v *visit) helped(o service.Overflow) string {
	after, longer := v.T("plans.after", "after", spanText(o.After)), v.T("plans.longer", "n", o.LongerThan)
	switch {
	case o.LongerThan == 0:
		return after
	case o.After == 0:
		return longer
	}
	return v.T("plans.or", "a", after, "b", longer)
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
	long := spanText(t.For)
	switch {
	case t.LinkDown != "":
		return v.T("plans.rule.link", "link", v.linkName(t.LinkDown), "for", long)
	case t.WaitAbove > 0:
		return v.T("plans.rule.wait", "wait", spanText(t.WaitAbove), "where", where, "for", long)
	case t.AgentsBelow > 0:
		return v.T("plans.rule.agents", "n", t.AgentsBelow, "where", where, "for", long)
	}
	return v.T("plans.rule.answered", "share", shownShare(t.AnsweredBelow), "where", where, "for", long)
}

func (v *visit) startPlan() {
	id := v.r.PathValue("plan")
	var until time.Time // what the plan says
	end := v.r.PostFormValue("end")
	switch end {
	case "1h", "2h", "4h":
		d, _ := time.ParseDuration(end)
		until = v.now.Add(d)
	case "closing":
		until = v.closing()
	}
	if end != "" && until.IsZero() && v.def.Plans[id] != nil {
		v.endGone(id)
		return
	}
	r, err := v.s.Plans.On(v.r.Context(), id, until, v.Me.Name)
	if r.ID != 0 {
		v.log("plan.on", id, text.Day(call.Lang("fr"), r.Until.In(v.zone()), v.now.In(v.zone()))+" "+text.Clock("fr", r.Until.In(v.zone())))
	}
	switch {
	case errors.Is(err, plans.ErrNone):
		v.stop(http.StatusNotFound, "missing")
	case errors.Is(err, plans.ErrEnd): // the closing came between two looks at the clock
		v.endGone(id)
	case errors.Is(err, plans.ErrRunning): // a double click, or another was faster
		v.see("/plans?fait=plan-actif", nil)
	case err != nil:
		v.fail("switch a plan on", err)
	default:
		v.see("/plans?fait=plan-actif", nil)
	}
}

// endGone gives the plans again: the end that was chosen cannot be had any more, and no other is taken for it.
func (v *visit) endGone(id string) {
	v.wrong("end-"+id, "plans.error.end", "plan", v.planName(id))
	v.plansPage()
}

func (v *visit) endPlan() {
	id, err := strconv.ParseInt(v.r.PathValue("id"), 10, 64)
	if err != nil {
		v.stop(http.StatusNotFound, "missing")
		return
	}
	r, ended, err := v.s.Plans.Off(v.r.Context(), id, v.Me.Name)
	if ended { // by this click, and not before it
		v.log("plan.off", r.Plan, "")
	}
	if err != nil {
		v.fail("switch a plan off", err)
		return
	}
	v.see("/plans?fait=plan-arrete", nil)
}
