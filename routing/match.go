package routing

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"decroche/call"
	"decroche/service"
)

// matcher is the state of the matching. Each of its events (arrive, back, leave,
// setPresence, advance, setQueues, setAgents) leaves it settled: no caller in line
// has an available agent who may take the call. So an event looks only at what it
// can have changed: an arrival at one line, a free agent at the heads of the lines,
// a due overflow at the lines it opens.
//
// It holds no clock: advance carries the time, and goes before every other event. It is
// not safe for concurrent use.
type matcher struct {
	now   int64 // of the last event, Unix nanoseconds; it never goes back
	lines []*line
	byID  map[string]*line
	seats map[call.AgentID]*seat
	// profiles and pools are rebuilt when the queues or the roster change.
	profiles map[string]*profile
	pools    []*pool
	// nextDue is no later than the next moment an overflow opens by wait.
	nextDue int64

	// What happened besides assignments, for the owner to take: overflows that opened
	// to a caller, lines whose callers have a cause to be told.
	opened []opening
	shaken []*line
	marks  uint64 // for marking lines once in a walk
}

const never = int64(1<<63 - 1)

// waiter is a caller in line.
type waiter struct {
	Caller
	at       int64 // Joined
	line     *line
	seat     *seat    // reserved for this caller
	told     []string // aid queues already reported as open
	place    *Place   // of the Floor; the matching does not look at it
	gone     bool
	onArrive int // callers ahead when joining
}

// compare orders callers of one priority.
func (w *waiter) compare(o *waiter) int {
	switch {
	case w.at != o.at:
		if w.at < o.at {
			return -1
		}
		return 1
	default:
		return strings.Compare(string(w.ID), string(o.ID))
	}
}

// goesBefore orders callers of all lines.
func (w *waiter) goesBefore(o *waiter) bool {
	if w.line.rules.Priority != o.line.rules.Priority {
		return w.line.rules.Priority > o.line.rules.Priority
	}
	return w.compare(o) < 0
}

// line is the callers of one queue.
type line struct {
	id      string
	index   int // in matcher.lines
	rules   *service.Queue
	removed bool
	aids    []aid
	// waiting are the callers nobody is reserved for, first to be served first; reserved
	// are those with an agent who has not answered yet.
	waiting, reserved []*waiter
	profiles          []*profile // that meet the needs
	pools             []*pool

	agentsLeft, higherCame uint64
	mark                   uint64
	arrivals               rate
	counts                 counts
}

// counts of a line since the start, kept for the Floor.
type counts struct{ arrived, answered, abandoned, refused, talking int }

// aid lets the agents of another line help.
type aid struct {
	to     *line
	after  int64 // 0: not by wait
	longer int   // 0: not by length
}

// profile is all agents with the same skills and languages.
type profile struct {
	skills map[string]int
	langs  []call.Lang
	score  []int // per line: the sum of levels in its needs, -1 if they are not met
	pool   *pool
	idle   []*seat // longest idle first
}

// pool is all agents who can serve the same lines.
type pool struct {
	index                  int
	seats                  []*seat
	serves                 []*line
	idle, staffed, present int // available; signed in and not paused; signed in
}

// presence is what the matching needs to know of an agent's state.
type presence int8

const (
	absent presence = iota // signed out
	away                   // paused
	busy                   // at work, or about to be back
	idle
)

// seat is an agent.
type seat struct {
	id       call.AgentID
	profile  *profile
	presence presence
	since    int64  // idle since
	agent    *agent // of the Floor; the matching does not look at it
}

func (s *seat) compare(o *seat) int {
	switch {
	case s.since != o.since:
		if s.since < o.since {
			return -1
		}
		return 1
	default:
		return strings.Compare(string(s.id), string(o.id))
	}
}

// assignment gives an agent to a caller. via is the aid line that allowed it, nil if the
// agent meets the needs of the caller's own queue.
type assignment struct {
	waiter *waiter
	seat   *seat
	via    *line
}

// opening says that the agents of a queue may serve the caller from now on.
type opening struct {
	waiter *waiter
	to     string
}

func newMatcher() *matcher {
	return &matcher{
		byID: map[string]*line{}, seats: map[call.AgentID]*seat{},
		profiles: map[string]*profile{}, nextDue: never,
	}
}

// arrive puts a caller in line at the place of the joining time.
func (m *matcher) arrive(w *waiter) []assignment {
	w.at = w.Joined.UnixNano()
	if !w.Resumed {
		w.line.arrivals.add(m.now)
		m.pressOn(w.line)
	}
	return m.enterLine(w)
}

// back returns a caller to line, at the old place, whose reserved agent did not answer.
// The agent stays busy until setPresence says otherwise.
func (m *matcher) back(w *waiter) []assignment {
	w.line.reserved = removeSorted(w.line.reserved, w)
	w.seat = nil
	return m.enterLine(w)
}

func (m *matcher) enterLine(w *waiter) []assignment {
	l := w.line
	l.waiting = insertSorted(l.waiting, w)
	for _, a := range l.aids {
		if a.after == 0 {
			continue
		}
		if due := w.at + a.after; due > m.now {
			m.nextDue = min(m.nextDue, due)
		} else {
			m.tell(w, a)
		}
	}
	return m.settle(l)
}

// leave takes a caller out, connected or gone. It returns the agent who was reserved.
func (m *matcher) leave(w *waiter) *seat {
	if w.gone {
		return nil
	}
	w.gone = true
	s := w.seat
	w.seat = nil
	if s != nil {
		w.line.reserved = removeSorted(w.line.reserved, w)
	} else {
		w.line.waiting = removeSorted(w.line.waiting, w)
	}
	return s
}

// setPresence tells what an agent is doing; since is when an idle agent became idle.
func (m *matcher) setPresence(s *seat, p presence, since time.Time) []assignment {
	if s.presence == p && (p != idle || s.since == since.UnixNano()) {
		return nil
	}
	m.count(s, -1)
	was := s.presence
	s.presence, s.since = p, since.UnixNano()
	m.count(s, +1)
	if p < min(was, busy) {
		m.agentLeft(s.profile.pool)
	} else if was < busy && p >= busy {
		m.agentCame(s.profile.pool)
	}
	if p == idle {
		if a, ok := m.pick(s); ok {
			return []assignment{m.assign(a)}
		}
	}
	return nil
}

// count adds a seat to the idle list and the pool's figures, or takes it off.
func (m *matcher) count(s *seat, d int) {
	p := s.profile.pool
	if s.presence == idle {
		p.idle += d
		if d > 0 {
			s.profile.idle = insertSorted(s.profile.idle, s)
		} else {
			s.profile.idle = removeSorted(s.profile.idle, s)
		}
	}
	if s.presence >= busy {
		p.staffed += d
	}
	if s.presence >= away {
		p.present += d
	}
}

func (m *matcher) assign(a assignment) assignment {
	m.count(a.seat, -1)
	a.seat.presence = busy
	m.count(a.seat, +1)
	l := a.waiter.line
	if a.via != nil {
		for _, x := range l.aids {
			if x.to == a.via {
				m.tell(a.waiter, x)
			}
		}
	}
	l.waiting = removeSorted(l.waiting, a.waiter)
	l.reserved = insertSorted(l.reserved, a.waiter)
	a.waiter.seat = a.seat
	return a
}

// settle gives agents to the heads of these lines, the first in order first. Only heads
// need looking at: who may serve somebody in a line may serve its head.
func (m *matcher) settle(lines ...*line) (out []assignment) {
	for {
		var best assignment
		for _, l := range lines {
			h := l.head()
			if h == nil || best.waiter != nil && !h.goesBefore(best.waiter) {
				continue
			}
			if s, via := m.bestSeat(h); s != nil {
				best = assignment{h, s, via}
			}
		}
		if best.waiter == nil {
			return out
		}
		out = append(out, m.assign(best))
	}
}

// onTheLine counts the waiting callers who hold a line: callbacks wait at home.
func (l *line) onTheLine() (n int) {
	for _, w := range l.waiting {
		if w.Kind == "" {
			n++
		}
	}
	return n
}

func (l *line) head() *waiter {
	if len(l.waiting) == 0 {
		return nil
	}
	return l.waiting[0]
}

// open says whether an overflow rule of the line is open to w.
func (m *matcher) open(l *line, w *waiter, a aid) bool {
	return a.after > 0 && w.at+a.after <= m.now || a.longer > 0 && len(l.waiting) > a.longer
}

// bestSeat finds the best suited available agent for a caller.
func (m *matcher) bestSeat(w *waiter) (*seat, *line) {
	if s := w.line.bestIdle(w.Lang); s != nil {
		return s, nil
	}
	for _, a := range w.line.aids {
		if m.open(w.line, w, a) {
			if s := a.to.bestIdle(w.Lang); s != nil {
				return s, a.to
			}
		}
	}
	return nil, nil
}

func (l *line) bestIdle(lang call.Lang) *seat {
	if l.idle() == 0 {
		return nil
	}
	var best *seat
	var bestSpeaks bool
	for _, p := range l.profiles {
		if len(p.idle) == 0 {
			continue
		}
		s, speaks := p.idle[0], p.speaks(lang)
		switch {
		case best == nil:
		case speaks != bestSpeaks:
			if !speaks {
				continue
			}
		case p.score[l.index] != best.profile.score[l.index]:
			if p.score[l.index] < best.profile.score[l.index] {
				continue
			}
		case s.compare(best) >= 0:
			continue
		}
		best, bestSpeaks = s, speaks
	}
	return best
}

func (p *profile) speaks(lang call.Lang) bool {
	return lang == "" || len(p.langs) == 0 || slices.Contains(p.langs, lang)
}

// pick finds the caller an available agent takes.
func (m *matcher) pick(s *seat) (assignment, bool) {
	best := assignment{seat: s}
	for _, l := range m.lines {
		h := l.head()
		if h == nil || best.waiter != nil && !h.goesBefore(best.waiter) {
			continue
		}
		if ok, via := m.mayServe(s.profile, h); ok {
			best.waiter, best.via = h, via
		}
	}
	return best, best.waiter != nil
}

func (m *matcher) mayServe(p *profile, w *waiter) (bool, *line) {
	if p.score[w.line.index] >= 0 {
		return true, nil
	}
	for _, a := range w.line.aids {
		if p.score[a.to.index] >= 0 && m.open(w.line, w, a) {
			return true, a.to
		}
	}
	return false, nil
}

// advance moves the time on, and opens the overflows that are due.
func (m *matcher) advance(now time.Time) []assignment {
	was := m.now
	m.now = max(m.now, now.UnixNano())
	if m.now < m.nextDue {
		return nil
	}
	var touched []*line
	m.nextDue = never
	for _, l := range m.lines {
		hit := false
		for _, a := range l.aids {
			if a.after == 0 {
				continue
			}
			from, to := l.joinedBy(was-a.after), l.joinedBy(m.now-a.after)
			for _, w := range l.waiting[min(from, to):to] {
				m.tell(w, a)
			}
			hit = hit || to > from
			if to < len(l.waiting) {
				m.nextDue = min(m.nextDue, l.waiting[to].at+a.after)
			}
		}
		if hit {
			touched = append(touched, l)
		}
	}
	return m.settle(touched...)
}

// joinedBy counts the waiting callers who joined at t or before.
func (l *line) joinedBy(t int64) int {
	i, _ := slices.BinarySearchFunc(l.waiting, t, func(w *waiter, t int64) int {
		if w.at <= t {
			return -1
		}
		return 1
	})
	return i
}

// tell reports, once, that an aid line may serve a caller.
func (m *matcher) tell(w *waiter, a aid) {
	if !slices.Contains(w.told, a.to.id) {
		w.told = append(w.told, a.to.id)
		m.opened = append(m.opened, opening{w, a.to.id})
	}
}

// agentLeft notes a cause for longer waits in all lines the pool serves.
func (m *matcher) agentLeft(p *pool) {
	for _, l := range p.serves {
		l.agentsLeft++
		m.shaken = append(m.shaken, l)
	}
}

// agentCame shakes the lines that had nobody.
func (m *matcher) agentCame(p *pool) {
	for _, l := range p.serves {
		if l.staffed() == 1 {
			m.shaken = append(m.shaken, l)
		}
	}
}

// pressOn notes that a caller came who goes before the callers of lower lines.
func (m *matcher) pressOn(l *line) {
	m.marks++
	for _, p := range l.pools {
		if p.staffed == 0 {
			continue
		}
		for _, o := range p.serves {
			if o.mark != m.marks && o.rules.Priority < l.rules.Priority {
				o.mark = m.marks
				o.higherCame++
			}
		}
	}
}

// setQueues replaces the rules. Callers of a queue that is gone keep its old rules.
func (m *matcher) setQueues(queues map[string]*service.Queue) []assignment {
	for _, l := range m.lines {
		l.removed = queues[l.id] == nil
	}
	for _, id := range sortedKeys(queues) {
		l := m.byID[id]
		if l == nil {
			l = &line{id: id}
			m.byID[id] = l
			m.lines = append(m.lines, l)
		} else if l.rules.Priority != queues[id].Priority {
			// The order among lines changes: a longer wait then has a cause.
			for _, o := range m.lines {
				o.higherCame++
			}
		}
		l.rules = queues[id]
	}
	for _, l := range m.lines {
		if !l.removed {
			l.aids = m.resolveAids(l.rules)
		}
	}
	m.prune()
	return m.rebuild()
}

func (m *matcher) resolveAids(q *service.Queue) (aids []aid) {
	for _, o := range q.Overflow {
		if to := m.byID[o.To]; to != nil && !to.removed && to.id != q.ID {
			aids = append(aids, aid{to, int64(o.After), o.LongerThan})
		}
	}
	return aids
}

// prune forgets removed lines that nobody stands in nor is helped by.
func (m *matcher) prune() {
	used := map[*line]bool{}
	for _, l := range m.lines {
		if !l.removed || len(l.waiting)+len(l.reserved)+l.counts.talking > 0 {
			used[l] = true
			for _, a := range l.aids {
				used[a.to] = true
			}
		}
	}
	m.lines = slices.DeleteFunc(m.lines, func(l *line) bool {
		if !used[l] {
			delete(m.byID, l.id)
		}
		return !used[l]
	})
}

// setAgents replaces the roster. Agents new to it are signed out.
func (m *matcher) setAgents(agents []Agent) []assignment {
	seats := make(map[call.AgentID]*seat, len(agents))
	for _, a := range agents {
		s := m.seats[a.ID]
		if s == nil {
			s = &seat{id: a.ID}
		}
		s.profile = &profile{skills: a.Skills, langs: a.Languages}
		seats[a.ID] = s
	}
	m.seats = seats
	return m.rebuild()
}

// rebuild groups agents and lines anew, then settles all lines.
func (m *matcher) rebuild() []assignment {
	staffed := map[*line]int{}
	slices.SortFunc(m.lines, func(a, b *line) int { return strings.Compare(a.id, b.id) })
	for i, l := range m.lines {
		staffed[l] = l.staffed()
		l.index, l.profiles, l.pools = i, nil, nil
	}
	m.profiles, m.pools = map[string]*profile{}, nil
	pools := map[string]*pool{}
	ids := make([]call.AgentID, 0, len(m.seats))
	for id := range m.seats {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		s := m.seats[id]
		s.profile = m.profileOf(s.profile, pools)
		s.profile.pool.seats = append(s.profile.pool.seats, s)
		m.count(s, +1)
	}
	m.nextDue = m.now
	for _, l := range m.lines {
		if l.staffed() < staffed[l] {
			l.agentsLeft++
		}
		m.shaken = append(m.shaken, l)
		for _, a := range l.aids {
			if a.after > 0 {
				for _, w := range l.waiting[:l.joinedBy(m.now-a.after)] {
					m.tell(w, a)
				}
			}
		}
	}
	out := m.settle(m.lines...)
	return append(out, m.advance(time.Unix(0, m.now))...)
}

// profileOf returns the shared profile of these skills and languages.
func (m *matcher) profileOf(of *profile, pools map[string]*pool) *profile {
	langs := slices.Clone(of.langs)
	slices.Sort(langs)
	var key strings.Builder
	for _, skill := range sortedKeys(of.skills) {
		key.WriteString(strconv.Quote(skill) + strconv.Itoa(of.skills[skill]))
	}
	for _, lang := range langs {
		key.WriteString("," + string(lang))
	}
	if p := m.profiles[key.String()]; p != nil {
		return p
	}
	p := &profile{skills: of.skills, langs: langs, score: make([]int, len(m.lines))}
	m.profiles[key.String()] = p
	serves := make([]byte, len(m.lines))
	for i, l := range m.lines {
		if p.score[i] = suit(of.skills, l.rules.Needs); p.score[i] >= 0 {
			l.profiles = append(l.profiles, p)
			serves[i] = 1
		}
	}
	p.pool = pools[string(serves)]
	if p.pool == nil {
		p.pool = &pool{index: len(m.pools)}
		pools[string(serves)] = p.pool
		m.pools = append(m.pools, p.pool)
		for i, l := range m.lines {
			if serves[i] == 1 {
				p.pool.serves = append(p.pool.serves, l)
				l.pools = append(l.pools, p.pool)
			}
		}
	}
	return p
}

// suit is how well skills meet needs: the sum of the levels in the needed skills, -1
// if one is missing or below the least level.
func suit(skills, needs map[string]int) (score int) {
	for skill, least := range needs {
		level := skills[skill]
		if level < least || level < 1 {
			return -1
		}
		score += level
	}
	return score
}

func (l *line) idle() (n int) {
	for _, p := range l.pools {
		n += p.idle
	}
	return n
}

func (l *line) staffed() (n int) {
	for _, p := range l.pools {
		n += p.staffed
	}
	return n
}

func (l *line) present() (n int) {
	for _, p := range l.pools {
		n += p.present
	}
	return n
}

type comparer[T any] interface{ compare(T) int }

// rank counts the elements of s that go before x.
func rank[T comparer[T]](s []T, x T) int {
	i, _ := slices.BinarySearchFunc(s, x, func(a, b T) int { return a.compare(b) })
	return i
}

// Sorted slices hold lines and idle agents: most goings-in are at the end and most
// goings-out at the head, and in the middle of 10,000 a move of 80 kB costs microseconds.
func insertSorted[T comparer[T]](s []T, x T) []T {
	if n := len(s); n == 0 || s[n-1].compare(x) < 0 {
		return append(s, x)
	}
	return slices.Insert(s, rank(s, x), x)
}

func removeSorted[T comparer[T]](s []T, x T) []T {
	i := rank(s, x)
	if i == 0 {
		var zero T
		s[0] = zero
		return s[1:]
	}
	return slices.Delete(s, i, i+1)
}
