package main

import (
	"context"
	"time"

	"decroche/plans"
	"decroche/service"
)

// assemblePlans makes what switches prepared plans. The definition as it is written is s.base; the one in
// force, s.def, is that with the plans that are on.
func (s *server) assemblePlans() {
	s.plans = &plans.Office{
		Store: s.db, Messages: s.db, Service: s.base.Load, State: s.planState, Changed: s.board.Refresh, Log: s.log,
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
	day, err := s.boardDay(ctx)
	if err != nil {
		return plans.State{}, err
	}
	state := plans.State{Open: s.base.Load().Opening(time.Now()).Open, Down: map[string]bool{}, Queues: map[string]plans.QueueState{}}
	for _, l := range s.desk.links.Status() {
		state.Down[l.ID] = l.Down
	}
	for _, q := range s.floor.Queues() {
		d := day[q.ID]
		state.Queues[q.ID] = plans.QueueState{Longest: q.LongestWait, Agents: q.SignedIn, Requested: d.HourRequested, Answered: d.HourAnswered}
	}
	return state, nil
}
