package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"decroche/e2e/softphone"
)

// latencies are what telephones of our own measured while the load was on. Times of
// arrival are the kernel's.
type latencies struct {
	// firstSound is from INVITE to the first packet of the welcome.
	firstSound []time.Duration
	// prompt is from the last packet of a key (RFC 4733) to the first of the next prompt.
	prompt []time.Duration
	// ring is from an agent's BYE to the next INVITE at the same agent's phone.
	ring []time.Duration
	lost int
}

// measure probes for as long as calls come in, from when as many are up as there will be.
func (s *side) measure(ctx context.Context, warm, span time.Duration) (latencies, error) {
	m := &meter{s: s, ix: softphone.NewIndex(s.prompts)}
	ctx, cancel := context.WithTimeout(ctx, span)
	defer cancel()
	var work sync.WaitGroup
	warm = min(warm, span/2)
	work.Go(func() { m.visits(ctx, warm) })
	for i := range callersWaiting {
		work.Go(func() {
			if sleep(ctx, time.Duration(i)*warm/callersWaiting) { // one after the other
				m.waiting(ctx)
			}
		})
	}
	for _, p := range s.probes {
		work.Go(func() { m.agent(ctx, p) })
	}
	work.Wait()
	return m.got, nil
}

const (
	callersWaiting = 32
	visitsEvery    = 500 * time.Millisecond
)

type meter struct {
	s   *side
	ix  *softphone.Index
	mu  sync.Mutex
	got latencies
}

func (m *meter) dial(ctx context.Context) (*softphone.Phone, *softphone.Call, error) {
	p, err := softphone.New(softphone.Config{User: "+33639980001", Local: trunk, Server: m.s.sip})
	if err != nil {
		return nil, nil, err
	}
	c, err := p.Dial(ctx, number)
	if err != nil {
		p.Close()
		return nil, nil, err
	}
	return p, c, nil
}

// visits sends a caller twice a second who hears the welcome and asks for the information.
func (m *meter) visits(ctx context.Context, warm time.Duration) {
	var work sync.WaitGroup
	defer work.Wait()
	if !sleep(ctx, warm) {
		return
	}
	for sleep(ctx, visitsEvery) {
		work.Go(func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			first, prompt, err := m.visit(ctx)
			m.mu.Lock()
			defer m.mu.Unlock()
			if err != nil {
				m.got.lost++
				return
			}
			m.got.firstSound, m.got.prompt = append(m.got.firstSound, first), append(m.got.prompt, prompt)
		})
	}
}

func (m *meter) visit(ctx context.Context) (first, prompt time.Duration, err error) {
	p, c, err := m.dial(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer p.Close()
	if !sleep(ctx, 3*time.Second) {
		return 0, 0, ctx.Err()
	}
	const frame = 20 * time.Millisecond
	if err := c.Press(ctx, "3", softphone.WithLength(100*time.Millisecond, 0)); err != nil {
		return 0, 0, err
	}
	pressed := time.Now().Add(-frame) // Press returns a frame after the key's last packet
	heard, err := c.ListenFor(m.ix).WaitFor(ctx, "info")
	if err != nil {
		return 0, 0, err
	}
	return c.RecvStats().FirstMedia, c.Hear().Start.Add(heard.Start).Sub(pressed), nil
}

// waiting is a caller who waits for one of the probe's agents; then the next one does.
func (m *meter) waiting(ctx context.Context) {
	for ctx.Err() == nil {
		p, c, err := m.dial(ctx)
		if err != nil {
			if !sleep(ctx, time.Second) {
				return
			}
			continue
		}
		if sleep(ctx, 3*time.Second) && c.Press(ctx, "4") == nil {
			select {
			case <-c.Done():
			case <-ctx.Done():
			}
		}
		p.Close()
	}
}

// agent takes calls of the probe's queue and hangs up when the whisper is over.
func (m *meter) agent(ctx context.Context, p *softphone.Phone) {
	var free time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case ring := <-p.Incoming():
			if !free.IsZero() && ring.Since().After(free) {
				m.mu.Lock()
				m.got.ring = append(m.got.ring, ring.Since().Sub(free))
				m.mu.Unlock()
			}
			free = m.take(ctx, ring)
		}
	}
}

// take answers and hangs up; it gives the moment of the hang-up.
func (m *meter) take(ctx context.Context, ring *softphone.Ringing) time.Time {
	c, err := ring.Answer(context.WithoutCancel(ctx))
	if err != nil {
		return time.Time{}
	}
	timer := time.NewTimer(4 * time.Second) // the whisper lasts 3 s
	defer timer.Stop()
	select {
	case <-c.Done():
		return time.Time{}
	case <-timer.C:
	}
	at := time.Now()
	if err := c.Hangup(context.WithoutCancel(ctx)); err != nil {
		return time.Time{}
	}
	return at
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

func (l latencies) String() string {
	return fmt.Sprintf("first sound %s, key to prompt %s, agent free to ringing %s, lost %d",
		percentiles(l.firstSound), percentiles(l.prompt), percentiles(l.ring), l.lost)
}
