package store

import "time"

// pacer tells a group writer when to write: a moment after the first entry of a group, or
// at once when the group is full or somebody waits for it.
type pacer struct {
	some, full, now chan struct{} // each holds at most one signal
	stop            chan struct{}
}

func newPacer() pacer {
	return pacer{
		some: make(chan struct{}, 1), full: make(chan struct{}, 1), now: make(chan struct{}, 1),
		stop: make(chan struct{}),
	}
}

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// added says that n entries wait, of which a full group has size.
func (p *pacer) added(n, size int) {
	signal(p.some)
	if n >= size {
		signal(p.full)
	}
}

func (p *pacer) hurry() {
	signal(p.some)
	signal(p.now)
}

func (p *pacer) close() { close(p.stop) }

// wait returns true when a group is due and false when the writer must stop. After a failure
// it lets pause pass; relieve, if any, is called whenever a group fills up meanwhile.
func (p *pacer) wait(delay, pause time.Duration, relieve func()) bool {
	if pause > 0 {
		t := time.NewTimer(pause)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				return true
			case <-p.full:
				if relieve != nil {
					relieve()
				}
			case <-p.stop:
				return false
			}
		}
	}
	select {
	case <-p.some:
	case <-p.stop:
		return false
	}
	t := time.NewTimer(delay)
	defer t.Stop()
	select {
	case <-t.C:
	case <-p.full:
	case <-p.now:
	case <-p.stop:
		return false
	}
	return true
}

// waiters are those who wait until entries up to a number are written. Its owner locks it.
type waiters struct {
	done int64
	list []waiter
}

type waiter struct {
	seq int64
	ch  chan struct{}
}

func (w *waiters) add(seq int64) <-chan struct{} {
	ch := make(chan struct{})
	if seq <= w.done {
		close(ch)
		return ch
	}
	w.list = append(w.list, waiter{seq, ch})
	return ch
}

func (w *waiters) reach(seq int64) {
	w.done = max(w.done, seq)
	rest := w.list[:0]
	for _, x := range w.list {
		if x.seq <= w.done {
			close(x.ch)
		} else {
			rest = append(rest, x)
		}
	}
	w.list = rest
}
