package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"decroche/call"
	"decroche/callback"
	"decroche/e2e/softphone"
	"decroche/speech"
	"decroche/web/api"
)

// recalls are what a telephone of an agent and one of a citizen measured of callbacks. All
// lists go by attempt.
type recalls struct {
	rings   []time.Duration // agent available → agent's phone rings
	told    []time.Duration // agent's answer → first word of what the callback is about
	dialled []time.Duration // last word → citizen's phone rings
	beyond  []time.Duration // the sum: everything but the agent's own answer and the words
}

// N is how many there were; Parts is the sum's parts, for the template.
func (r recalls) N() int { return len(r.beyond) }

func (r recalls) Parts() struct{ Rings, Told, Dialled string } {
	return struct{ Rings, Told, Dialled string }{percentiles(r.rings), percentiles(r.told), percentiles(r.dialled)}
}

func (r recalls) mark() string {
	if r.N() == 0 {
		return ""
	}
	return bar(r.beyond, 300)
}

// callbacks measures them on a line of its own.
func (r *results) callbacks(ctx context.Context) error {
	o := r.o
	if o.callbacks == 0 || o.quick {
		return nil
	}
	o.agents = 0
	s, err := start(ctx, callbacks, o)
	if err != nil {
		return err
	}
	defer s.stop()
	r.called, err = s.recalls(ctx, o)
	if err != nil {
		return fmt.Errorf("measure callbacks: %w", err)
	}
	parts := r.called.Parts()
	say("%d callbacks: agent free → citizen rings %s; of these agent free → agent rings %s, answer → told %s, told → citizen rings %s",
		r.called.N(), percentiles(r.called.beyond), parts.Rings, parts.Told, parts.Dialled)
	return nil
}

const firstWords, lastWords = "whisper.callback", "whisper.callback.refuse"

// recalls makes callbacks one after the other, to a number that is busy.
func (s *side) recalls(ctx context.Context, o options) (m recalls, err error) {
	ix, err := o.words(ctx)
	if err != nil {
		return m, err
	}
	for _, id := range probeIDs() {
		if err := s.order(ctx, "agents/"+id+"/state", `{"state":"paused"}`, nil); err != nil {
			return m, err
		}
	}
	p, err := softphone.New(softphone.Config{User: "citizen", Local: trunk, Port: s.operator, Server: s.sip})
	if err != nil {
		return m, err
	}
	defer p.Close()
	citizen := p.Citizen(softphone.Manner{Refuse: 486})
	for i := range o.callbacks {
		if err := m.add(s.recall(ctx, ix, citizen, i)); err != nil {
			return m, fmt.Errorf("callback %d: %w", i+1, err)
		}
	}
	return m, nil
}

func (m *recalls) add(rings, told, dialled time.Duration, err error) error {
	if err != nil {
		return err
	}
	m.rings, m.told, m.dialled = append(m.rings, rings), append(m.told, told), append(m.dialled, dialled)
	m.beyond = append(m.beyond, rings+told+dialled)
	return nil
}

// words are what an agent hears first and last.
func (o options) words(ctx context.Context) (*softphone.Index, error) {
	lib, err := speech.Open(speech.Options{Dir: o.sounds(), Langs: []call.Lang{"fr"}})
	if err != nil {
		return nil, err
	}
	var prompts []softphone.Prompt
	for _, id := range []string{firstWords, lastWords} {
		s, err := lib.System(ctx, id, "fr")
		if err != nil {
			return nil, err
		}
		p, err := softphone.LoadPrompt(s.Path + ".alaw")
		if err != nil {
			return nil, err
		}
		p.Name = id
		prompts = append(prompts, p)
	}
	return softphone.NewIndex(prompts), nil
}

// recall makes one callback and times it. The agent pauses before it and after.
func (s *side) recall(ctx context.Context, ix *softphone.Index, citizen *softphone.Citizen, n int) (rings, told, dialled time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	agent := "agents/" + probeIDs()[0] + "/state"
	var p api.Callback
	if err := s.order(ctx, "callbacks", fmt.Sprintf(`{"number":"+3363998%04d","queue":"sonde"}`, n), &p); err != nil {
		return 0, 0, 0, err
	}
	if err := s.becomes(ctx, &p, callback.InLine); err != nil {
		return 0, 0, 0, err
	}
	free := time.Now()
	if err := s.order(ctx, agent, `{"state":"available"}`, nil); err != nil {
		return 0, 0, 0, err
	}
	var ring *softphone.Ringing
	select {
	case ring = <-s.probes[0].Incoming():
	case <-ctx.Done():
		return 0, 0, 0, errors.New("the agent's phone does not ring")
	}
	answered := time.Now()
	c, err := ring.Answer(ctx)
	if err != nil {
		return 0, 0, 0, err
	}
	ear := c.ListenFor(ix)
	first, err1 := ear.WaitFor(ctx, firstWords)
	last, err2 := ear.WaitFor(ctx, lastWords)
	if err := errors.Join(err1, err2); err != nil {
		return 0, 0, 0, err
	}
	if last, err = ear.WaitEnd(ctx, last); err != nil {
		return 0, 0, 0, err
	}
	began := c.Hear().Start
	if err := s.becomes(ctx, &p, callback.Unreachable); err != nil { // busy, and there is one try
		return 0, 0, 0, err
	}
	select {
	case <-c.Done():
	case <-ctx.Done():
		return 0, 0, 0, errors.New("the agent's call does not end")
	}
	met := citizen.Met()
	if len(met) != n+1 {
		return 0, 0, 0, fmt.Errorf("the citizen's phone rang %d times", len(met)-n)
	}
	err = s.order(ctx, agent, `{"state":"paused"}`, nil)
	return ring.Since().Sub(free), began.Add(first.Start).Sub(answered), met[n].At.Sub(began.Add(last.End)), err
}

// becomes waits for a promise's state.
func (s *side) becomes(ctx context.Context, p *api.Callback, states ...callback.State) error {
	return s.until(ctx, 30*time.Second, fmt.Sprint("the promise is ", states), func() error {
		if err := s.order(ctx, "callbacks/"+string(p.ID), "", p); err != nil {
			return err
		}
		if !slices.Contains(states, p.State) {
			return fmt.Errorf("it is %s", p.State)
		}
		return nil
	})
}
