package admin

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"decroche/call"
	"decroche/ivr"
	"decroche/plans"
	"decroche/service"
)

// planForm is a plan as it is written on its page: everything that a definition can say of one, as it was typed.
type planForm struct {
	namedPart
	Running string // since when and until when it is on; "" when it is not

	Labels      []field
	Ends, Above string
	Messages    []planMessageForm
	Queues      []planQueueForm
	When        triggerForm
}

type planMessageForm struct {
	N                     int
	Prompt, Place, Effect string
	Drop                  bool
	Prompts, Places       []choice
	Effects               []choice
	Said                  []said
}

type planQueueForm struct {
	ID, Name, Max string
	Rules         []overflowForm
	Open          bool
}

type overflowForm struct {
	N                 int
	To, After, Longer string
	Drop              bool
	Tos               []choice
}

type triggerForm struct {
	Kind                             string // "" for none
	Link, Wait, Agents, Share, Queue string
	For                              string
	Kinds, Links, Queues             []choice
}

// Address is the one of the plan's page.
func (f *planForm) Address() string {
	if f.Fresh {
		return "/plans/" + unnamed + "/modifier"
	}
	return "/plans/" + f.ID + "/modifier"
}

// showPlan gives the form of a plan, as its draft has it.
func (v *visit) showPlan() {
	id := v.r.PathValue("plan")
	if v.look() == nil {
		return
	}
	if id == unnamed {
		if !v.Edits() {
			v.stop(http.StatusForbidden, "forbidden")
			return
		}
		v.planPage(v.formOf(service.NewPlan(""), part{}))
		return
	}
	value, p, ok := v.partOf("plans." + id)
	if !ok {
		return
	}
	plan := v.s.Service().Plans[id]
	if value != "" {
		plan = v.planIn(id, value)
	}
	if plan == nil {
		v.stop(http.StatusNotFound, "missing")
		return
	}
	f := v.formOf(plan, p)
	f.Read = v.planText(plan)
	v.planPage(f)
}

// planIn reads a plan as a draft has it; one that is not written is new.
func (v *visit) planIn(id, value string) *service.Plan {
	if value == "" {
		return service.NewPlan(id)
	}
	plan, err := v.def.ParsePlan(id, value)
	if plan == nil {
		v.s.Log.Error("a plan cannot be read", "plan", id, "err", err)
		return service.NewPlan(id)
	}
	return plan
}

// formOf fills in the form of a plan.
func (v *visit) formOf(p *service.Plan, seen part) *planForm {
	f := &planForm{namedPart: namedPart{ID: p.ID, Fresh: p.ID == "", formPart: formPart{part: seen}}, Labels: v.labelFields("label", "", p.Label), Ends: shownSpan(p.Ends), Above: shownSpan(p.OfferAbove)}
	for _, m := range p.Messages {
		f.Messages = append(f.Messages, planMessageForm{Prompt: m.Prompt, Place: planPlace(m), Effect: planEffect(m)})
	}
	for _, id := range slices.Sorted(maps.Keys(p.Queues)) {
		q := planQueueForm{ID: id}
		if n := p.Queues[id].MaxWaiting; n >= 0 {
			q.Max = strconv.Itoa(n)
		}
		for _, o := range p.Queues[id].Overflow {
			q.Rules = append(q.Rules, overflowForm{To: o.To, After: shownSpan(o.After), Longer: shownCount(o.LongerThan)})
		}
		f.Queues = append(f.Queues, q)
	}
	f.When = triggerForm{For: shownSpan(service.DefaultTriggerFor)}
	if t := p.When; t != nil {
		f.When = triggerForm{Link: t.LinkDown, Wait: shownSpan(t.WaitAbove), Agents: shownCount(t.AgentsBelow), Share: shownShare(t.AnsweredBelow), Queue: t.Queue, For: spanText(t.For)}
		f.When.Kind = ruleOf(t)
	}
	return f
}

// ruleOf names the rule of a trigger.
func ruleOf(t *service.Trigger) string {
	switch {
	case t.LinkDown != "":
		return "link"
	case t.WaitAbove > 0:
		return "wait"
	case t.AgentsBelow > 0:
		return "agents"
	}
	return "share"
}

func shownShare(share float64) string {
	if share == 0 {
		return ""
	}
	return strings.Replace(strconv.FormatFloat(float64(int64(share*1e8+0.5))/1e6, 'f', -1, 64), ".", ",", 1)
}

// planPlace is where a message of a plan is heard, and planEffect what it does, as messages have them; planned is
// the message of both.
func planPlace(m service.PlanMessage) string {
	if m.Menu != "" {
		return ivr.MessageMenu + m.Menu
	}
	return m.Queue
}

func planEffect(m service.PlanMessage) string {
	switch {
	case m.Replace:
		return "replace"
	case m.Link != "":
		return ivr.OfferLink + m.Link
	}
	return cmp.Or(m.Offer, "say")
}

func planned(prompt, place, effect string) service.PlanMessage {
	m := service.PlanMessage{Prompt: prompt, Replace: effect == "replace"}
	if menu, is := strings.CutPrefix(place, ivr.MessageMenu); is {
		m.Menu = menu
	} else {
		m.Queue = place
	}
	if link, is := strings.CutPrefix(effect, ivr.OfferLink); is {
		m.Offer, m.Link = "link", link
	} else if effect != "say" && effect != "replace" {
		m.Offer = effect
	}
	return m
}

// writePlan keeps a plan as a draft, takes it out by one, or gives the form again with what was asked for.
func (v *visit) writePlan() {
	id := v.r.PathValue("plan")
	if !v.filled() || v.look() == nil {
		return
	}
	if id != unnamed && !promptName.MatchString(id) {
		v.stop(http.StatusNotFound, "missing")
		return
	}
	f := v.typedPlan(id)
	if f.more(v.post("step")) {
		v.planPage(f)
		return
	}
	fields, value := map[string]string{"": "drop"}, ""
	if !f.Drop {
		var plan *service.Plan
		plan, fields = v.planOf(f)
		if value = plan.YAML(v.def.Languages); f.Was != "" && reflect.DeepEqual(plan, v.planIn(plan.ID, f.Was)) {
			value = f.Was // said in another way, and the same
		}
	}
	if len(v.Errors) == 0 && v.writeParts(fields, "plans."+f.ID, value, f.part) {
		v.see("/plans?fait=brouillon", nil)
		return
	}
	v.planPage(f)
}

// typedPlan is the form as it was sent.
func (v *visit) typedPlan(id string) *planForm {
	f := &planForm{namedPart: v.sentPart(id), Ends: v.post("ends"), Above: v.post("above")}
	for n := range 200 {
		at := "-" + strconv.Itoa(n)
		if _, sent := v.r.PostForm["prompt"+at]; !sent {
			break
		}
		f.Messages = append(f.Messages, planMessageForm{N: n, Prompt: v.post("prompt" + at), Place: v.post("place" + at), Effect: v.post("effect" + at), Drop: v.post("drop"+at) != ""})
	}
	for _, name := range slices.Sorted(maps.Keys(v.r.PostForm)) {
		id, is := strings.CutPrefix(name, "max-")
		if !is {
			continue
		}
		q := planQueueForm{ID: id, Max: v.post(name)}
		for n := range 200 {
			at := fmt.Sprintf("-%s-%d", id, n)
			if _, sent := v.r.PostForm["to"+at]; !sent {
				break
			}
			q.Rules = append(q.Rules, overflowForm{N: n, To: v.post("to" + at), After: v.post("after" + at), Longer: v.post("longer" + at), Drop: v.post("less"+at) != ""})
		}
		f.Queues = append(f.Queues, q)
	}
	f.When = triggerForm{Kind: v.post("when"), Link: v.post("link"), Wait: v.post("wait"), Agents: v.post("agents"), Share: v.post("share"), Queue: v.post("of"), For: v.post("for")}
	return f
}

// more adds an empty message, or an empty rule of a queue, to the form; it tells whether the form was sent for that,
// or to be looked at again, and not to be kept.
func (f *planForm) more(step string) bool {
	if step == "message" {
		f.Messages = append(f.Messages, planMessageForm{})
	}
	if id, is := strings.CutPrefix(step, "rule-"); is {
		for i := range f.Queues {
			if f.Queues[i].ID == id {
				f.Queues[i].Rules, f.Queues[i].Open = append(f.Queues[i].Rules, overflowForm{}), true
			}
		}
	}
	return step != ""
}

// Number counts the messages, and the rules of a queue, from one.
func (m planMessageForm) Number() int { return m.N + 1 }
func (o overflowForm) Number() int    { return o.N + 1 }

func (m planMessageForm) empty() bool {
	return m.Prompt == "" && m.Place == "" && (m.Effect == "" || m.Effect == "say")
}

func (o overflowForm) empty() bool { return o.To == "" && o.After == "" && o.Longer == "" }

// planOf is the plan that was typed, and the fields of its parts. What is wrong is added to the errors.
func (v *visit) planOf(f *planForm) (*service.Plan, map[string]string) {
	p := service.NewPlan(f.ID)
	first := "label_" + string(v.def.Languages[0])
	fields := map[string]string{"label": first, "ends": "ends", "callback": "above"}
	for _, lang := range v.def.Languages {
		fields["label."+string(lang)] = "label_" + string(lang)
	}
	if f.Fresh {
		v.newName("id", f.ID, v.def.Plans[f.ID] != nil)
	}
	p.Label = v.typedLabel("label", "", v.planIn(f.ID, f.Was).Label)
	p.Ends = v.typedSpan("ends", f.Ends, p.Ends)
	v.planMessages(f, p, fields)
	if p.OfferAbove = v.typedSpan("above", f.Above, 0); f.Above != "" && p.OfferAbove == 0 && v.ErrorOf("above") == "" {
		v.wrong("above", "field.error.zero")
	}
	v.planQueues(f, p, fields)
	p.When = v.planRule(f.When, fields)
	if len(v.Errors) == 0 && len(p.Messages) == 0 && p.OfferAbove == 0 && len(p.Queues) == 0 {
		v.wrong("prompt-0", "plan.error.nothing")
	}
	return p, fields
}

func (v *visit) planMessages(f *planForm, p *service.Plan, fields map[string]string) {
	for _, m := range f.Messages {
		if m.Drop || m.empty() {
			continue
		}
		at := fmt.Sprintf("-%d", m.N)
		if m.Prompt == "" {
			v.wrong("prompt"+at, "plan.error.prompt")
		}
		path := fmt.Sprintf("messages[%d]", len(p.Messages))
		fields[path] = "prompt" + at
		for _, key := range []string{".queue", ".menu"} {
			fields[path+key] = "place" + at
		}
		for _, key := range []string{".offer", ".link", ".replace"} {
			fields[path+key] = "effect" + at
		}
		p.Messages = append(p.Messages, planned(m.Prompt, m.Place, m.Effect))
	}
}

func (v *visit) planQueues(f *planForm, p *service.Plan, fields map[string]string) {
	for _, q := range f.Queues {
		change, path := service.PlanQueue{MaxWaiting: v.typedCount("max-"+q.ID, q.Max, -1)}, "queues."+q.ID
		fields[path] = "max-" + q.ID
		for _, o := range q.Rules {
			if o.Drop || o.empty() {
				continue
			}
			at, rule := fmt.Sprintf("-%s-%d", q.ID, o.N), fmt.Sprintf("%s.overflow[%d]", path, len(change.Overflow))
			if o.To == "" {
				v.wrong("to"+at, "plan.error.to")
			}
			fields[rule], fields[rule+".after"], fields[rule+".longer_than"] = "to"+at, "after"+at, "longer"+at
			help := service.Overflow{To: o.To, After: v.typedSpan("after"+at, o.After, 0), LongerThan: v.typedCount("longer"+at, o.Longer, 0)}
			if help.After == 0 && help.LongerThan == 0 && v.ErrorOf("after"+at) == "" && v.ErrorOf("longer"+at) == "" {
				v.wrong("after"+at, "plan.error.never")
			}
			change.Overflow = append(change.Overflow, help)
		}
		if change.MaxWaiting >= 0 || change.Overflow != nil {
			p.Queues[q.ID] = change
		}
	}
}

// planRule is the rule that was typed; nil for none.
func (v *visit) planRule(w triggerForm, fields map[string]string) *service.Trigger {
	if w.Kind == "" {
		return nil
	}
	maps.Copy(fields, map[string]string{
		"when": "when", "when.link_down": "link", "when.wait_above": "wait", "when.agents_below": "agents",
		"when.answered_below": "share", "when.queue": "of", "when.for": "for",
	})
	t := &service.Trigger{Queue: w.Queue, For: v.typedSpan("for", w.For, service.DefaultTriggerFor)}
	var set bool
	switch w.Kind {
	case "link":
		t.LinkDown, set = w.Link, w.Link != ""
	case "wait":
		t.WaitAbove = v.typedSpan("wait", w.Wait, 0)
		set = t.WaitAbove != 0
	case "agents":
		t.AgentsBelow = v.typedCount("agents", w.Agents, 0)
		set = t.AgentsBelow != 0
	case "share":
		share, err := strconv.ParseFloat(strings.Replace(strings.TrimSpace(strings.TrimSuffix(w.Share, "%")), ",", ".", 1), 64)
		t.AnsweredBelow, set = share/100, err == nil && share > 0
	default:
		v.wrong("when", "plan.error.when")
		return t
	}
	if !set && v.ErrorOf(w.Kind) == "" {
		v.wrong(w.Kind, "plan.error."+w.Kind)
	}
	return t
}

// planPage gives the form, with what can be chosen in it.
func (v *visit) planPage(f *planForm) {
	if !v.stands(&f.namedPart, "plans") {
		return
	}
	if !f.Fresh {
		var err error
		if f.Running, err = v.running(f.ID); err != nil {
			v.fail("list the plans", err)
			return
		}
	}
	if v.r.Method == http.MethodPost {
		f.Labels = v.labelFields("label", "", v.typedWords("label", ""))
	}
	v.planChoices(f)
	v.Plan = f
	title := v.T("plan.title", "name", v.planName(f.ID))
	if f.Fresh {
		title = v.T("plan.new")
	}
	v.render(http.StatusOK, "plan.html", title)
}

// running says since when and until when a plan is on, "" when it is not.
func (v *visit) running(id string) (string, error) {
	runs, err := v.s.Plans.Runs(v.r.Context(), v.now)
	i := slices.IndexFunc(runs, func(r plans.Run) bool { return r.Plan == id && r.On(v.now) })
	if err != nil || i < 0 {
		return "", err
	}
	return v.onSince(runs[i]), nil
}

func (v *visit) onSince(r plans.Run) string {
	return v.T("plans.on", "who", v.who(r.By), "from", v.when(r.From), "until", v.when(r.Until))
}

// planName is a plan's label, or its id.
func (v *visit) planName(id string) string {
	for _, d := range []*service.Definition{v.def, v.s.Service()} {
		if p := d.Plans[id]; p != nil {
			return cmp.Or(v.phrase(p.Label), id)
		}
	}
	return id
}

// planChoices adds what can be chosen, and an empty entry at the end of each list.
func (v *visit) planChoices(f *planForm) {
	if n := len(f.Messages); n == 0 || !f.Messages[n-1].empty() {
		f.Messages = append(f.Messages, planMessageForm{})
	}
	for i := range f.Messages {
		m := &f.Messages[i]
		m.N, m.Prompts, m.Said = i, v.planPrompts(m.Prompt), v.saidOf(v.def.Prompts[m.Prompt])
		if m.Places = v.places(m.Place); !chosen(m.Places) { // the first menu, that the file may name
			m.Places = append(m.Places, choice{m.Place, v.where(m.Place), true})
		}
		for _, e := range v.effects(cmp.Or(m.Effect, "say"), true) {
			m.Effects = append(m.Effects, choice{e.Value, e.Name, e.Chosen})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(v.def.Queues)) {
		if !slices.ContainsFunc(f.Queues, func(q planQueueForm) bool { return q.ID == id }) {
			f.Queues = append(f.Queues, planQueueForm{ID: id})
		}
	}
	slices.SortFunc(f.Queues, func(a, b planQueueForm) int { return cmp.Compare(a.ID, b.ID) })
	for i := range f.Queues {
		v.queueChoices(&f.Queues[i])
	}
	w := &f.When
	for _, kind := range []string{"", "link", "wait", "agents", "share"} {
		w.Kinds = append(w.Kinds, choice{kind, v.T("plan.when." + cmp.Or(kind, "none")), kind == w.Kind})
	}
	w.Links = []choice{{"", v.T("plan.choose"), w.Link == ""}}
	for _, id := range slices.Sorted(maps.Keys(v.def.Links)) {
		w.Links = append(w.Links, choice{id, v.linkName(id), id == w.Link})
	}
	w.Queues = v.queueList(w.Queue, v.T("plan.of.any"), "")
}

func chosen(all []choice) bool {
	return slices.ContainsFunc(all, func(c choice) bool { return c.Chosen })
}

func (v *visit) queueChoices(q *planQueueForm) {
	q.Name = v.queueName(q.ID)
	q.Open = q.Open || q.Max != "" || slices.ContainsFunc(q.Rules, func(o overflowForm) bool { return !o.empty() })
	if n := len(q.Rules); n == 0 || !q.Rules[n-1].empty() {
		q.Rules = append(q.Rules, overflowForm{})
	}
	for i := range q.Rules {
		q.Rules[i].N, q.Rules[i].Tos = i, v.queueList(q.Rules[i].To, v.T("plan.to.none"), q.ID)
	}
}

// queueList are the queues to choose one of, behind what it means to choose none, and without one.
func (v *visit) queueList(chosen, none, without string) []choice {
	all := []choice{{"", none, chosen == ""}}
	for _, id := range slices.Sorted(maps.Keys(v.def.Queues)) {
		if id != without {
			all = append(all, choice{id, v.queueName(id), id == chosen})
		}
	}
	return all
}

// promptBegins is how many characters of a text are shown where it is chosen.
const promptBegins = 60

// planPrompts are the texts that a plan can say, those that nothing else says first: written in every language, and
// no longer than a message.
func (v *visit) planPrompts(chosen string) []choice {
	all := []choice{{"", v.T("plan.choose"), chosen == ""}}
	list := uses(v.def)
	slices.Reverse(list) // the last are those that the journey does not say
	for _, use := range list {
		for _, name := range use.names {
			t := v.def.Prompts[name]
			unfit := slices.ContainsFunc(v.def.Languages, func(l call.Lang) bool { n := utf8.RuneCountInString(t[l].Say); return n == 0 || n > ivr.MessageMaxText })
			if name == chosen || !unfit {
				all = append(all, choice{name, name + " : " + begin(v.phrase(t), promptBegins), name == chosen})
			}
		}
	}
	return all
}

// planText is a plan as people read it, for who compares two.
func (v *visit) planText(p *service.Plan) string {
	var lines []string
	for _, lang := range v.def.Languages {
		lines = append(lines, v.T("plan.line", "what", v.T("lang."+string(lang)), "value", p.Label[lang].Say))
	}
	lines = append(lines, v.T("plan.line", "what", v.T("plan.ends"), "value", spanText(p.Ends)), cmp.Or(v.rule(p.When), v.T("plan.when.none")))
	for _, m := range p.Messages {
		lines = append(lines, v.T("plan.line", "what", v.planMessage(m), "value", v.T("part.prompt", "name", m.Prompt)))
	}
	return strings.Join(append(lines, v.planDoes(p)...), "\n")
}
