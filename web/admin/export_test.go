package admin

import "time"

// Hurry makes sessions end sooner, for a test of their end.
func Hurry(idle, seen, alive time.Duration) (restore func()) {
	before := [3]time.Duration{idleLife, seenEvery, aliveEvery}
	idleLife, seenEvery, aliveEvery = idle, seen, alive
	return func() { idleLife, seenEvery, aliveEvery = before[0], before[1], before[2] }
}

// Patterns are the addresses of the site, as its mux has them; Handler was called before.
func (s *Server) Patterns() (all []string) {
	for _, r := range s.routes() {
		all = append(all, r.pattern)
	}
	return all
}
