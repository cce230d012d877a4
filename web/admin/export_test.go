package admin

import (
	"testing"
	"time"
)

// Hurry makes sessions end sooner, for a test of their end; it comes before the site, which is to be closed first.
func Hurry(t *testing.T, idle, seen, alive time.Duration) {
	before := [3]time.Duration{idleLife, seenEvery, aliveEvery}
	idleLife, seenEvery, aliveEvery = idle, seen, alive
	t.Cleanup(func() { idleLife, seenEvery, aliveEvery = before[0], before[1], before[2] })
}

// Patterns are the addresses of the site, as its mux has them; Handler was called before.
func (s *Server) Patterns() (all []string) {
	for _, r := range s.routes() {
		all = append(all, r.pattern)
	}
	return all
}
