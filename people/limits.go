package people

import (
	"sync"
	"time"
)

// Limits of wrong passwords: after five of one name from one address, twenty from one address, or a
// hundred of one name, each further one costs a wait that doubles from half a minute to a quarter of
// an hour. They are forgotten an hour after the last. That of a name alone is high, so that a stranger
// does not lock out the one who is to tell callers of an incident.
const (
	freeByBoth    = 5
	freeByAddress = 20
	freeByName    = 100
	leastWait     = 30 * time.Second
	longestWait   = 15 * time.Minute
	forgotten     = time.Hour
	// mostLimited bounds the memory of the limits; beyond it those that are over go first, and
	// then all: an attack of so many names is one of so many addresses, too.
	mostLimited = 20_000
)

// limiter counts wrong passwords. Its zero value is ready.
type limiter struct {
	mu  sync.Mutex
	all map[string]failures
}

type failures struct {
	n    int
	last time.Time
}

// wait is how long this name, or this address, has to wait now.
func (l *limiter) wait(now time.Time, name, from string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	keys := keysOf(name, from)
	return max(l.all[keys[0]].wait(now, freeByBoth), l.all[keys[1]].wait(now, freeByAddress), l.all[keys[2]].wait(now, freeByName))
}

func keysOf(name, from string) [3]string {
	return [3]string{"both " + from + " " + name, "from " + from, "name " + name}
}

func (f failures) wait(now time.Time, free int) time.Duration {
	if f.n < free {
		return 0
	}
	d := leastWait
	for i := free; i < f.n && d < longestWait; i++ {
		d *= 2
	}
	return max(0, min(d, longestWait)-now.Sub(f.last))
}

func (l *limiter) failed(now time.Time, name, from string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all == nil {
		l.all = map[string]failures{}
	}
	for _, key := range keysOf(name, from) {
		f := l.all[key]
		if now.Sub(f.last) > forgotten {
			f.n = 0
		}
		l.all[key] = failures{f.n + 1, now}
	}
	if len(l.all) > mostLimited {
		for key, f := range l.all {
			if now.Sub(f.last) > forgotten {
				delete(l.all, key)
			}
		}
		if len(l.all) > mostLimited {
			clear(l.all)
		}
	}
}

// forget is for who knew the password after all. The address is given back what this name has cost it, so that
// the slips of an office behind one address do not add up; what was tried on other names stays, so that nobody
// who has an account can go on guessing at others.
func (l *limiter) forget(now time.Time, name, from string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	keys := keysOf(name, from)
	if own := l.all[keys[0]]; now.Sub(own.last) <= forgotten { // an older one may be forgotten at the address already
		address := l.all[keys[1]]
		address.n -= own.n
		l.all[keys[1]] = address
	}
	delete(l.all, keys[0])
	delete(l.all, keys[2])
}
