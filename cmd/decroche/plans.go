package main

import (
	"cmp"
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"decroche/call"
	"decroche/metrics"
	"decroche/plans"
	"decroche/service"
	"decroche/speech"
	"decroche/text"
	"decroche/web/admin"
)

// assemblePlans makes what switches prepared plans. The definition as it is written is s.base; the one in
// force, s.def, is that with the plans that are on.
func (s *server) assemblePlans() {
	s.plans = &plans.Office{
		Store: s.db, Messages: s.db, Service: s.base.Load, State: s.planState, Keep: s.keepPlanSound, Changed: s.board.Refresh, Log: s.log,
		Apply: func(on []*service.Plan) { s.force(s.base.Load().With(on...)) },
	}
}

// force puts a definition in force; calls under way keep the one they began with.
func (s *server) force(def *service.Definition) {
	s.def.Store(def)
	s.floor.SetQueues(def.Queues)
	if s.desk.dialer != nil {
		s.desk.dialer.Wake()
	}
}

// take puts the definition that was read in force, with the plans that are on.
func (s *server) take(ctx context.Context, def *service.Definition) {
	s.setDefaults(def)
	s.base.Store(def)
	if err := s.plans.Again(ctx); err != nil {
		s.log.Warn("what plans are on could not be read; the definition is in force without them", "err", err)
		s.force(def)
	}
}

// planState is how the service stands, for the rules of plans.
func (s *server) planState(ctx context.Context) (plans.State, error) {
	now := time.Now()
	hour, err := s.lastHour(ctx, now)
	if err != nil {
		return plans.State{}, err
	}
	state := plans.State{Open: s.base.Load().Opening(now).Open, Down: map[string]bool{}, Queues: map[string]plans.QueueState{}}
	for _, l := range s.desk.links.Status() {
		state.Down[l.ID] = l.Down
	}
	for _, q := range s.floor.Queues() {
		now := hour[q.ID]
		now.Longest, now.Agents = q.LongestWait, q.SignedIn
		state.Queues[q.ID] = now
	}
	return state, nil
}

// lastHour counts the calls of each queue over the last hour, from the quarter of an hour that it begins in. An hour
// of the clock would begin with no call at all, and no rule would hold then.
func (s *server) lastHour(ctx context.Context, now time.Time) (map[string]plans.QueueState, error) {
	out := map[string]plans.QueueState{}
	add := func(queue string, c *metrics.Cell) {
		sum := out[queue]
		sum.Requested, sum.Answered = sum.Requested+c.N(metrics.Asked), sum.Answered+c.N(metrics.AnsweredCalls)
		out[queue] = sum
	}
	err := s.ledger.Live(ctx, func(underWay metrics.UnderWay) error {
		return s.eachQueue(ctx, underWay, now.Add(-time.Hour).Truncate(quarter), now, add)
	})
	return out, err
}

// keepPlanSound keeps a recording of the service among those of messages, so that callers hear of a plan what was
// listened to on its page, on every node and whatever becomes of the file.
func (s *server) keepPlanSound(ctx context.Context, recording string) (string, error) {
	data, err := os.ReadFile(filepath.Join(filepath.Dir(s.c.Service), recording))
	if err != nil {
		return "", err
	}
	return s.keepSound(ctx, filepath.Ext(recording), data, speech.MaxRecording) // those of the service are not held to the minute of a message
}

// lastingAlarms tell of plans that came to their end while their cause lasts: they stay off.
func (s *server) lastingAlarms(lang call.Lang) (list []admin.Alarm) {
	def := s.base.Load()
	for _, id := range slices.Sorted(maps.Keys(def.Plans)) {
		if !s.plans.Lasting(id) || s.plans.IsOn(id) {
			continue
		}
		name := planLabel(def, id, lang)
		list = append(list, admin.Alarm{
			Title: text.Get(lang, "admin.alarm.plan.title", "plan", name), Text: text.Get(lang, "admin.alarm.plan"), Do: text.Get(lang, "admin.alarm.plan.do"),
			Plans: []admin.AlarmPlan{{ID: id, Name: name}},
		})
	}
	return list
}

// planLabel is what a plan is called on pages.
func planLabel(def *service.Definition, id string, lang call.Lang) string {
	label := def.Plans[id].Label
	return cmp.Or(label[lang].Say, label[def.Languages[0]].Say)
}
