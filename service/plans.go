package service

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"decroche/call"
)

// Plan is a set of actions prepared for an incident (the guide, p. 52), to be switched on in one go.
type Plan struct {
	ID    string
	Label Text
	// Ends is how long it runs when nobody says otherwise.
	Ends time.Duration
	// When switches it on by itself; nil: by hand alone.
	When *Trigger
	// Messages are said while it runs.
	Messages []PlanMessage
	// OfferAbove, if not zero, switches callbacks on, and offers them above this wait.
	OfferAbove time.Duration
	// Queues have other rules while it runs, by queue.
	Queues map[string]PlanQueue
}

// PlanMessage is an incident message whose words are a prompt.
type PlanMessage struct {
	Prompt string
	// Queue or Menu is where it is heard; neither: everywhere.
	Queue, Menu string
	// Offer is "callback", "exit" or "link", Link the link of the latter.
	Offer, Link string
	// Replace: it takes the place of the journey.
	Replace bool
}

// PlanQueue is what a queue is changed to.
type PlanQueue struct {
	// MaxWaiting is -1 to leave it as it is.
	MaxWaiting int
	// Overflow takes the place of the queue's, if it is written.
	Overflow []Overflow
}

// Trigger is a rule: exactly one of LinkDown, WaitAbove, AgentsBelow and AnsweredBelow is set.
type Trigger struct {
	// LinkDown is a link whose site does not work.
	LinkDown string
	// WaitAbove: somebody waits longer, AgentsBelow: fewer agents are signed in, AnsweredBelow: this share of
	// the calls of the hour was answered (0 to 1). Of the queue, or of any.
	WaitAbove     time.Duration
	AgentsBelow   int
	AnsweredBelow float64
	Queue         string
	// For is how long it must be so, to switch on, and not be so, to switch off.
	For time.Duration
}

// MessageMaxText is the longest text of an incident message in one language, in characters.
const MessageMaxText = 1000

const (
	defaultPlanEnds = 4 * time.Hour
	longestPlan     = 31 * 24 * time.Hour
	// DefaultTriggerFor is how long a rule must hold when nobody says otherwise.
	DefaultTriggerFor = 2 * time.Minute
)

func (r *reader) plans(o *object) {
	r.def.Plans = map[string]*Plan{}
	r.section(o, "plans", say("a.plan"), func(name string, at Position, n *node) {
		r.def.Plans[name] = r.plan(name, at, n)
	})
}

func (r *reader) plan(name string, at Position, n *node) *Plan {
	po := r.object(n, "plans."+name, say("the.plan", "name", name))
	p := &Plan{ID: name, Ends: po.duration("ends", defaultPlanEnds, time.Minute, longestPlan), Queues: map[string]PlanQueue{}}
	if l := po.need("label", "plan.label"); l != nil {
		p.Label = r.label(l, po.path+".label", labelOf(po.label))
	}
	p.When = r.trigger(po)
	for i, item := range po.list("messages") {
		p.Messages = append(p.Messages, r.planMessage(item, fmt.Sprintf("%s.messages[%d]", po.path, i), say("the.message.of", "n", i+1, "of", po.label)))
	}
	if c := po.get("callback"); c != nil {
		co := r.object(c, po.path+".callback", po.key("callback"))
		co.need("offer_above", "plan.offer_above")
		p.OfferAbove = co.duration("offer_above", 0, time.Second, time.Hour)
		co.close()
	}
	r.planQueues(po, p)
	po.close()
	if len(p.Messages) == 0 && p.OfferAbove == 0 && len(p.Queues) == 0 {
		r.problem(at, say("nothing", "of", po.label), say("plan.nothing.fix"))
	}
	return p
}

func (r *reader) planMessage(n *node, path string, label words) PlanMessage {
	r.def.pos[path] = n.at
	mo := r.object(n, path, label)
	mo.need("prompt", "message.prompt")
	m := PlanMessage{
		Prompt: mo.ref("prompt", "prompt"), Queue: mo.ref("queue", "queue"), Menu: mo.ref("menu", "menu"),
		Offer: mo.choice("offer", "callback", "exit", "link"), Link: mo.ref("link", "link"), Replace: mo.truth("replace"),
	}
	mo.close()
	switch {
	case m.Queue != "" && m.Menu != "":
		r.problem(n.at, say("plan.two", "of", label), say("plan.two.fix"))
	case (m.Offer == "link") != (m.Link != ""):
		r.problem(n.at, say("plan.link", "of", label), say("plan.link.fix"))
	case m.Replace && m.Offer != "":
		r.problem(n.at, say("plan.replace", "of", label), say("plan.replace.fix"))
	}
	for lang, p := range r.def.Prompts[m.Prompt] {
		switch long := utf8.RuneCountInString(p.Say); {
		case long == 0:
			r.problem(n.at, say("plan.text", "of", label, "prompt", m.Prompt, "lang", lang), say("plan.text.fix"))
		case long > MessageMaxText:
			r.problem(n.at, say("plan.long", "of", label, "prompt", m.Prompt, "lang", lang, "n", long, "max", MessageMaxText), say("plan.long.fix"))
		}
	}
	return m
}

func (r *reader) planQueues(po *object, p *Plan) {
	qs := r.object(po.get("queues"), po.path+".queues", po.key("queues"))
	qs.each(func(queue string, at Position, n *node) {
		r.refs = append(r.refs, reference{kind: "queue", name: queue, where: qs.label, at: at})
		qo := r.object(n, qs.path+"."+queue, say("the.queue.of", "name", queue, "of", po.label))
		q := PlanQueue{MaxWaiting: -1}
		if qo.get("max_waiting") != nil {
			q.MaxWaiting = qo.integer("max_waiting", 0, 0, 100_000)
		}
		q.Overflow = r.overflow(qo, queue)
		qo.close()
		if q.MaxWaiting < 0 && q.Overflow == nil {
			r.problem(at, say("plan.queue", "of", qo.label), say("plan.queue.fix"))
		}
		p.Queues[queue] = q
	})
}

func (r *reader) trigger(po *object) *Trigger {
	n := po.get("when")
	if n == nil {
		return nil
	}
	wo := r.object(n, po.path+".when", po.key("when"))
	t := &Trigger{
		LinkDown: wo.ref("link_down", "link"), WaitAbove: wo.duration("wait_above", 0, 10*time.Second, 4*time.Hour),
		AgentsBelow: wo.integer("agents_below", 0, 1, 10_000), AnsweredBelow: wo.percent("answered_below", 0),
		Queue: wo.ref("queue", "queue"), For: wo.duration("for", DefaultTriggerFor, 0, 4*time.Hour),
	}
	wo.close()
	set := 0
	for _, is := range []bool{t.LinkDown != "", t.WaitAbove != 0, t.AgentsBelow != 0, t.AnsweredBelow != 0} {
		if is {
			set++
		}
	}
	if set != 1 {
		r.problem(n.at, say("plan.when", "of", wo.label, "n", set), say("plan.when.fix"))
	}
	return t
}

// NewPlan is a plan that says nothing yet, with what is usual.
func NewPlan(id string) *Plan {
	return &Plan{ID: id, Label: Text{}, Ends: defaultPlanEnds, Queues: map[string]PlanQueue{}}
}

// YAML writes a plan as a definition has it, with its label in these languages.
func (p *Plan) YAML(langs []call.Lang) string {
	var messages []*node
	for _, m := range p.Messages {
		replace := ""
		if m.Replace {
			replace = "true"
		}
		messages = append(messages, group("prompt", m.Prompt, "queue", m.Queue, "menu", m.Menu, "offer", m.Offer, "link", m.Link, "replace", replace))
	}
	queues := group()
	for _, id := range keysOf(p.Queues) {
		queues.pairs = append(queues.pairs, pair{key: id, value: p.Queues[id].node()})
	}
	return render(group(
		"label", p.Label.node(langs), "ends", Compact(p.Ends), "when", p.When.node(), "messages", list(messages),
		"callback", group("offer_above", written(p.OfferAbove)), "queues", queues,
	))
}

func (t *Trigger) node() *node {
	if t == nil {
		return group()
	}
	answered := ""
	if t.AnsweredBelow > 0 { // the nearest short number that reads as this share: 55, and not 55.00000000000001
		answered = strconv.FormatFloat(math.Round(t.AnsweredBelow*1e8)/1e6, 'f', -1, 64)
	}
	return group(
		"link_down", t.LinkDown, "wait_above", written(t.WaitAbove), "agents_below", counted(t.AgentsBelow), "answered_below", answered,
		"queue", t.Queue, "for", Compact(t.For),
	)
}

func (q PlanQueue) node() *node {
	most := ""
	if q.MaxWaiting >= 0 {
		most = strconv.Itoa(q.MaxWaiting)
	}
	var rules []*node
	for _, o := range q.Overflow {
		rules = append(rules, group("to", o.To, "after", written(o.After), "longer_than", counted(o.LongerThan)))
	}
	return group("max_waiting", most, "overflow", list(rules))
}

// ParsePlan reads a plan as YAML writes it, in the languages of the definition. The error is of type Problems; what
// could be read is given all the same. Whether what it names is there is not looked at.
func (d *Definition) ParsePlan(id, value string) (*Plan, error) {
	r, n, err := d.partReader(value)
	if err != nil {
		return nil, err
	}
	return r.plan(id, n.at, n), r.failed()
}

// With is the definition as it is while plans run: a copy where they change something. Of two that change
// the same, the later wins. Their messages are not in it.
func (d *Definition) With(plans ...*Plan) *Definition {
	if len(plans) == 0 {
		return d
	}
	out := *d
	out.Queues = maps.Clone(d.Queues)
	for _, p := range plans {
		if p.OfferAbove > 0 {
			out.Callback.On, out.Callback.OfferAbove = true, p.OfferAbove
		}
		for id, change := range p.Queues {
			if out.Queues[id] == nil {
				continue
			}
			q := *out.Queues[id]
			if change.MaxWaiting >= 0 {
				q.MaxWaiting = change.MaxWaiting
			}
			if change.Overflow != nil {
				q.Overflow = slices.Clone(change.Overflow)
			}
			out.Queues[id] = &q
		}
	}
	return &out
}
