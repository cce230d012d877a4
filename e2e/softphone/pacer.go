package softphone

import (
	"sync"
	"time"
)

const frameTime = 20 * time.Millisecond

// pacer gives every stream of the process its turn each 20 ms. One goroutine runs
// while there is a stream and ends with the last.
type pacer struct {
	mu      sync.Mutex
	streams map[*stream]struct{}
	stopped chan struct{} // of the running goroutine
}

var clock = &pacer{streams: map[*stream]struct{}{}}

func (p *pacer) add(s *stream) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.streams[s] = struct{}{}
	if len(p.streams) == 1 {
		before := p.stopped
		p.stopped = make(chan struct{})
		go p.run(before, p.stopped)
	}
}

// remove takes a closed stream out; when it was the last, it returns after the goroutine.
func (p *pacer) remove(s *stream) {
	p.mu.Lock()
	_, had := p.streams[s]
	delete(p.streams, s)
	stopped := p.stopped
	last := had && len(p.streams) == 0
	p.mu.Unlock()
	if last {
		<-stopped
	}
}

func (p *pacer) run(before, stopped chan struct{}) {
	defer close(stopped)
	if before != nil {
		<-before
	}
	next := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	var turn []*stream
	for {
		<-timer.C
		p.mu.Lock()
		if len(p.streams) == 0 || p.stopped != stopped {
			p.mu.Unlock()
			return
		}
		turn = turn[:0]
		for s := range p.streams {
			turn = append(turn, s)
		}
		p.mu.Unlock()
		// A late turn is made up for at once, as a telephone's sound card would;
		// after half a second the time is given up.
		if now := time.Now(); now.Sub(next) > 500*time.Millisecond {
			next = now
		}
		for ok := true; ok; ok = !next.After(time.Now()) {
			for _, s := range turn {
				s.tick()
			}
			next = next.Add(frameTime)
		}
		timer.Reset(time.Until(next))
	}
}
