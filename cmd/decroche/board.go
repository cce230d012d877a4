package main

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"decroche/call"
	"decroche/callback"
	"decroche/metrics"
	"decroche/routing"
	"decroche/service"
	"decroche/text"
	"decroche/web/admin"
)

// boardDay are the figures of the live board, by queue: those of the ledger, which counts calls that are over,
// and the conversations under way.
func (s *server) boardDay(ctx context.Context) (map[string]admin.Day, error) {
	now := time.Now().In(s.def.Load().Location)
	midnight := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location())
	hour := time.Date(now.Year(), now.Month(), now.Day(), now.Hour(), 0, 0, 0, now.Location())
	out := map[string]admin.Day{}
	day := func(queue string, c *metrics.Cell) {
		d := out[queue]
		d.Requested, d.Answered = d.Requested+c.N(metrics.Asked), d.Answered+c.N(metrics.AnsweredCalls)
		d.Offered, d.InTime = d.Offered+c.N(metrics.Offered)-c.N(metrics.AbandonedShort), d.InTime+c.N(metrics.InTimeAnswers)
		d.Abandoned += c.N(metrics.AbandonedQueue)
		out[queue] = d
	}
	thisHour := func(queue string, c *metrics.Cell) {
		d := out[queue]
		d.HourRequested, d.HourAnswered = d.HourRequested+c.N(metrics.Asked), d.HourAnswered+c.N(metrics.AnsweredCalls)
		out[queue] = d
	}
	err := s.ledger.Live(ctx, func(underWay metrics.UnderWay) error {
		return errors.Join(s.eachQueue(ctx, underWay, midnight, now, day), s.eachQueue(ctx, underWay, hour, now, thisHour))
	})
	promises, err2 := s.db.Promises().Standings(ctx, now, quarterAfter(now))
	if err := errors.Join(err, err2); err != nil {
		return nil, err
	}
	for queue, p := range promises {
		d := out[queue]
		d.CallbacksDue, d.CallbacksAtRisk, d.CallbacksLate = p.Due, p.AtRisk, p.Late
		out[queue] = d
	}
	return out, nil
}

// quarter is the grain of the figures.
const quarter = 15 * time.Minute

// quarterAfter is the end of the quarter of an hour that now is in.
func quarterAfter(now time.Time) time.Time { return now.Truncate(quarter).Add(quarter) }

// eachQueue adds what was counted of each queue since a quarter of an hour, and what is under way.
func (s *server) eachQueue(ctx context.Context, underWay metrics.UnderWay, since, now time.Time, add func(queue string, c *metrics.Cell)) error {
	over, err := s.figures.Lines(ctx, metrics.Query{From: since, To: quarterAfter(now), By: metrics.ByQueue})
	if err != nil {
		return err
	}
	for _, l := range over {
		add(l.Value, l.Cell)
	}
	for queue, c := range underWay(metrics.ByQueue, since) {
		add(queue, c)
	}
	return nil
}

// alarmsNow are what somebody on the floor should do something about, with the figures of the day.
func (s *server) alarmsNow(lang call.Lang, day map[string]admin.Day) (list []admin.Alarm) {
	add := func(id string, pairs ...any) {
		id = "admin.alarm." + id
		list = append(list, admin.Alarm{Title: text.Get(lang, id+".title", pairs...), Text: text.Get(lang, id, pairs...), Do: text.Get(lang, id+".do", pairs...)})
	}
	// prepared names the plans for the alarm that was added last.
	prepared := func(is func(*service.Trigger) bool) {
		list[len(list)-1].Plans = s.preparedFor(lang, is)
	}
	if err := s.ready(); err != nil {
		add("ready")
	}
	for _, name := range s.trunks.All() {
		add("trunk", "name", name)
	}
	def := s.def.Load()
	for _, q := range s.floor.Queues() {
		rules := def.Queues[q.ID]
		if rules == nil {
			continue
		}
		name := rules.Label[lang].Say
		if name == "" {
			name = q.ID
		}
		switch {
		case q.Waiting > 0 && q.SignedIn == 0:
			add("nobody", "queue", name, "n", q.Waiting)
			prepared(func(t *service.Trigger) bool { return t.AgentsBelow > 0 && (t.Queue == "" || t.Queue == q.ID) })
		case q.Waiting > 0 && q.LongestWait > 3*rules.InTime.Within:
			add("long", "queue", name, "minutes", int(q.LongestWait/time.Minute))
			prepared(func(t *service.Trigger) bool { return t.WaitAbove > 0 && (t.Queue == "" || t.Queue == q.ID) })
		}
		if a, is := s.callbackAlarm(lang, name, q, day[q.ID]); is {
			list = append(list, a)
		}
	}
	for _, l := range s.desk.links.Status() {
		if l.Down {
			add("link", "url", l.URL)
			prepared(func(t *service.Trigger) bool { return t.LinkDown == l.ID })
		}
	}
	return append(list, s.lastingAlarms(lang)...)
}

// callbackAlarm is about the promises of a queue that are late or at risk: how many, why nobody keeps them, and what helps.
func (s *server) callbackAlarm(lang call.Lang, name string, q routing.QueueStatus, d admin.Day) (a admin.Alarm, is bool) {
	if d.CallbacksLate+d.CallbacksAtRisk == 0 {
		return a, false
	}
	say := func(id string, pairs ...any) string { return text.Get(lang, "admin.alarm.callbacks."+id, pairs...) }
	title, cause := "risk.title", "busy"
	if d.CallbacksLate > 0 {
		title = "late.title"
	}
	switch {
	case s.uncallable(q.ID):
		cause = "closed"
	case q.SignedIn == 0:
		cause = "nobody"
	}
	return admin.Alarm{
		Title: say(title, "queue", name),
		Text:  say("counts", "late", d.CallbacksLate, "risk", d.CallbacksAtRisk, "minutes", int(callback.Risk/time.Minute)) + " " + say(cause, "signed_in", q.SignedIn, "available", q.Available),
		Do:    say(cause + ".do"),
	}, true
}

// preparedFor names the plans whose rule is about what is so, and that are not on.
func (s *server) preparedFor(lang call.Lang, is func(*service.Trigger) bool) (list []admin.AlarmPlan) {
	def := s.base.Load()
	for _, id := range slices.Sorted(maps.Keys(def.Plans)) {
		if p := def.Plans[id]; p.When != nil && is(p.When) && !s.plans.IsOn(id) {
			list = append(list, admin.AlarmPlan{ID: id, Name: planLabel(def, id, lang)})
		}
	}
	return list
}
