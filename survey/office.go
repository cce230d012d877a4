package survey

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"decroche/call"
	"decroche/callback"
	"decroche/service"
	"decroche/sms"
	"decroche/text"
)

// The time to answer.
const (
	onTheLine = 30 * time.Minute
	byLink    = 7 * 24 * time.Hour
)

// Callbacks promises callbacks; *callback.Book is one.
type Callbacks interface {
	Ask(ctx context.Context, r callback.Request) (p callback.Promise, made bool, err error)
}

// Office asks, and takes the answers. Every method may be called from any goroutine and node.
type Office struct {
	Store   Store
	Service func() *service.Definition
	Journal call.Journal
	// Callbacks is nil where nobody is called back.
	Callbacks Callbacks
	// PageURL is the signed link of a survey's page; nil or "": nobody is asked by SMS.
	PageURL func(s Survey) string
	// Blocked tells who has written STOP; nil: nobody.
	Blocked func(ctx context.Context, n call.Number) (bool, error)
	// Changed is told that a message was enqueued; nil is allowed.
	Changed func()
	// Secret is the deployment's, at least 16 bytes: people who were asked are known by it.
	Secret []byte
	Log    *slog.Logger

	once sync.Once
	key  []byte
}

func (o *Office) person(n call.Number) string {
	o.once.Do(func() { o.key = personKey(o.Secret) })
	return person(o.key, n)
}

// Offered says whether a caller who waits is offered to be asked afterwards.
func (o *Office) Offered(contact call.ID) bool {
	rules := o.rules()
	return rules.On && rules.Before && drawn(contact, rules.Sample)
}

func (o *Office) rules() service.Survey {
	if def := o.Service(); def != nil {
		return def.Survey
	}
	return service.Survey{}
}

// HandOver is an agent's word that the caller is to be asked when the agent hangs up, whether
// drawn or not.
func (o *Office) HandOver(ctx context.Context, contact call.ID) error {
	if !o.rules().On {
		return fmt.Errorf("hand a call over to the survey: %w: the service's definition has no \"survey\"", ErrNoSurvey)
	}
	return o.Store.HandOver(ctx, contact, time.Now())
}

// OnTheLine gives the survey to ask now that the agent has hung up; ok is false when this caller
// is not asked. Asked again after a crash it is the same one, with the answers given so far.
func (o *Office) OnTheLine(ctx context.Context, t Talk) (s Survey, ok bool, err error) {
	rules := o.rules()
	if !rules.On {
		return Survey{}, false, nil
	}
	if s, ok, err := o.Store.OfContact(ctx, t.Contact); err != nil || ok {
		return s, ok && s.How == ByCall && time.Now().Before(s.Until), err
	}
	wanted := t.Chosen
	if !wanted {
		if wanted, err = o.Store.HandedOver(ctx, t.Contact); err != nil {
			return Survey{}, false, err
		}
	}
	if !wanted && (!rules.ByCall || !drawn(t.Contact, rules.Sample)) {
		return Survey{}, false, nil
	}
	return o.open(ctx, t, ByCall, onTheLine)
}

// ByLink sends the link to a caller who has hung up after talking, if they are one of those asked
// and were not asked on the line.
func (o *Office) ByLink(ctx context.Context, t Talk) error {
	rules := o.rules()
	if !rules.On || !rules.BySMS || o.PageURL == nil || !callback.Mobile(t.Number) {
		return nil
	}
	wanted := t.Chosen || drawn(t.Contact, rules.Sample)
	if !wanted {
		var err error
		if wanted, err = o.Store.HandedOver(ctx, t.Contact); err != nil || !wanted {
			return err
		}
	}
	if o.Blocked != nil {
		if blocked, err := o.Blocked(ctx, t.Number); err != nil || blocked {
			return err
		}
	}
	_, ok, err := o.open(ctx, t, BySMS, byLink)
	if ok && o.Changed != nil {
		o.Changed()
	}
	return err
}

// open asks a person, if they were not asked of late.
func (o *Office) open(ctx context.Context, t Talk, how How, patience time.Duration) (Survey, bool, error) {
	now := time.Now()
	s := Survey{
		ID: ID(callback.NewID()), Contact: t.Contact, Number: t.Number, Lang: t.Lang, Queue: t.Queue, Reason: t.Reason, Public: t.Public,
		How: how, Asked: now, Until: now.Add(patience),
	}
	var ms []sms.Message
	if how == BySMS {
		m, ok := o.message(s)
		if !ok {
			return s, false, nil
		}
		ms = append(ms, m)
	}
	ok, err := o.Store.Open(ctx, s, o.person(t.Number), now.Add(-o.rules().AgainAfter), ms...)
	if err != nil || !ok {
		return s, false, err
	}
	o.tell(s.Contact, call.EventSurveyAsked, map[string]any{"survey": s.ID, "how": how, "agent": t.Agent, "team": t.Team})
	return s, true, nil
}

// message is the link to the survey's page; ok is false when there is no page.
func (o *Office) message(s Survey) (sms.Message, bool) {
	url := o.PageURL(s)
	def := o.Service()
	name := def.Name[s.Lang].Say
	if name == "" {
		name = def.Name[def.Languages[0]].Say
	}
	return sms.Message{
		Key: "survey:" + string(s.ID), To: s.Number, Lang: s.Lang, Purpose: sms.Survey, Contact: s.Contact,
		Text:    callback.Plain(text.Get(s.Lang, "sms.survey", "service", name, "link", url)),
		Created: s.Asked, NextAt: s.Asked, Expires: s.Asked.Add(24 * time.Hour), State: sms.Queued,
	}, url != ""
}

// Survey returns one, or ErrNoSurvey.
func (o *Office) Survey(ctx context.Context, id ID) (Survey, error) { return o.Store.Survey(ctx, id) }

// errSame says inside a change that nothing is to change.
var errSame = errors.New("nothing changes")

// Answer takes the answer to one question. The first one holds: who sends a form twice has
// answered once. It returns ErrAnswer, ErrOver or ErrNoSurvey.
func (o *Office) Answer(ctx context.Context, id ID, about string, score int) (Survey, error) {
	rules := o.rules()
	q, ok := rules.Question(about)
	if !ok || score < 1 || score > q.Of() {
		return Survey{}, fmt.Errorf("take an answer about %q: %w", about, ErrAnswer)
	}
	var same Survey
	s, err := o.Store.Change(ctx, id, func(s *Survey) error {
		if s.Score(about) != 0 {
			same = *s
			return errSame
		}
		if !time.Now().Before(s.Until) {
			return ErrOver
		}
		s.Answers = append(s.Answers, Answer{about, score})
		return nil
	})
	switch {
	case errors.Is(err, errSame):
		return same, nil
	case err != nil:
		return Survey{}, fmt.Errorf("take an answer about %q: %w", about, err)
	}
	i := slices.IndexFunc(rules.Questions, func(q service.Question) bool { return q.About == about })
	o.tell(s.Contact, call.EventSurveyAnswer, map[string]any{"survey": s.ID, "question": fmt.Sprintf("q%d", i+1), "about": about, "score": score, "of": q.Of()})
	return s, nil
}

// Unhappy is the lowest answer that offers a callback; 0: there is none, or nobody is called back.
func (o *Office) Unhappy(s Survey) int {
	def := o.Service()
	if o.Callbacks == nil || !def.Callback.On {
		return 0
	}
	lowest := 0
	for _, a := range s.Answers {
		q, ok := def.Survey.Question(a.About)
		if ok && def.Survey.Unhappy(q, a.Score) && (lowest == 0 || a.Score < lowest) {
			lowest = a.Score
		}
	}
	return lowest
}

// CallBack promises who is unhappy, and asks for it, to be called back. Asked twice it is one
// promise. A *callback.Refusal says that it cannot be promised; ErrAnswer, that no answer offers it.
func (o *Office) CallBack(ctx context.Context, id ID) (callback.Promise, error) {
	s, err := o.Store.Survey(ctx, id)
	if err != nil {
		return callback.Promise{}, err
	}
	score := o.Unhappy(s)
	if score == 0 {
		return callback.Promise{}, fmt.Errorf("call back after survey %s: %w", id, ErrAnswer)
	}
	p, _, err := o.Callbacks.Ask(ctx, callback.Request{
		Number: s.Number, Lang: s.Lang, Queue: s.Queue, Reason: s.Reason, Public: s.Public,
		Origin: callback.FromSurvey, Contact: s.Contact, Score: score,
	})
	if err != nil {
		return p, err
	}
	return p, o.Promised(ctx, id, p.ID)
}

// Promised notes the callback that an answer has made.
func (o *Office) Promised(ctx context.Context, id ID, p callback.ID) error {
	_, err := o.Store.Change(ctx, id, func(s *Survey) error { s.Promise = string(p); return nil })
	if err != nil {
		return fmt.Errorf("note the callback after survey %s: %w", id, err)
	}
	return nil
}

func (o *Office) tell(contact call.ID, kind call.EventKind, data map[string]any) {
	o.Journal.Append(call.NewEvent(contact, kind, data))
}

// Forget deletes what is kept of a person.
func (o *Office) Forget(ctx context.Context, n call.Number) (int64, error) {
	return o.Store.Forget(ctx, n, o.person(n))
}

// Held is what is kept of a person, as rows.
func (o *Office) Held(ctx context.Context, n call.Number) (rows []map[string]any, err error) {
	list, err := o.Store.Held(ctx, n)
	for _, s := range list {
		rows = append(rows, map[string]any{
			"number": string(s.Number), "contact": s.Contact, "lang": s.Lang, "queue": s.Queue, "reason": s.Reason, "public": s.Public,
			"how": s.How, "asked": s.Asked.UTC().Format(time.RFC3339), "answers": s.Answers, "promise": s.Promise,
		})
	}
	return rows, err
}

// keptAfter is how long a survey is kept once it is over, so that its page can say so.
const keptAfter = 24 * time.Hour

// Run deletes what is over, each hour, until ctx ends.
func (o *Office) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		now, again := time.Now(), o.rules().AgainAfter
		if again == 0 { // switched off: they are not asked twice if it is switched on again
			again = 365 * 24 * time.Hour
		}
		if _, err := o.Store.Purge(ctx, now.Add(-keptAfter), now.Add(-again)); err != nil && ctx.Err() == nil {
			o.Log.Error("surveys that are over could not be deleted; it is tried again", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
