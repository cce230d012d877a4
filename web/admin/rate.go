package admin

import (
	"sync"

	"golang.org/x/time/rate"
)

// What one account, and one address that is not signed in, may ask for: far more than a person does, and
// less than would slow the line.
const (
	accountRate, accountBurst = 100, 200
	addressRate, addressBurst = 20, 100
	// mostRated bounds the memory of the rates; beyond it they begin anew.
	mostRated = 20_000
)

// rates counts requests. Its zero value is ready.
type rates struct {
	mu  sync.Mutex
	all map[string]*rate.Limiter
}

// allow takes a request of an account, or of an address.
func (r *rates) allow(account, address string) bool {
	key, limit, burst := "account "+account, rate.Limit(accountRate), accountBurst
	if account == "" {
		key, limit, burst = "address "+address, rate.Limit(addressRate), addressBurst
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all == nil || len(r.all) >= mostRated {
		r.all = map[string]*rate.Limiter{}
	}
	l := r.all[key]
	if l == nil {
		l = rate.NewLimiter(limit, burst)
		r.all[key] = l
	}
	return l.Allow()
}
