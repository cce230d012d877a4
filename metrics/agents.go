package metrics

// span is what an agent is doing since a moment.
type span struct {
	Team  string `json:"team,omitempty"`
	State string `json:"state"`
	Since Moment `json:"since"`
}

// The agents' states, as package routing writes them in the journal.
const (
	signedOut = "signed_out"
	talking   = "talking"
	wrapUp    = "wrap_up"
	paused    = "paused"
	setAside  = "set_aside"
)

// agentState ends what the agent did until now and begins the next.
func (b *book) agentState(f *Fact) {
	if f.Agent == "" {
		return
	}
	b.spend(f.Agent, f.At)
	since := max(f.At, b.state.Agents[f.Agent].Since) // told late: what is counted is counted
	if f.State == signedOut {
		delete(b.state.Agents, f.Agent)
		return
	}
	b.state.Agents[f.Agent] = span{Team: f.Team, State: f.State, Since: since}
}

// controllerStarted leaves out the time while no controller was there: nobody could be served.
func (b *book) controllerStarted(f *Fact) {
	for agent, s := range b.state.Agents {
		b.spend(agent, min(f.At, max(b.state.LastFact, s.Since)))
		s.Since = f.At
		b.state.Agents[agent] = s
	}
}

// spend counts an agent's time from the last change of state until a moment.
func (b *book) spend(agent string, until Moment) {
	s, ok := b.state.Agents[agent]
	if !ok {
		return
	}
	s.each(until, &b.spent, func(start Moment, k *counted) {
		if b.spending.rows == nil || b.spending.start != start {
			b.spending = rowsOf{start: start, rows: []Row{
				rowOf(b.rows, RowKey{Quarter, Whole, start}), rowOf(b.rows, RowKey{Quarter, ByTeam, start}), rowOf(b.rows, RowKey{Quarter, ByAgent, start}),
			}}
		}
		b.spending.rows[0].cell("").count(k, 1)
		b.spending.rows[1].cell(s.Team).count(k, 1)
		b.spending.rows[2].cell(agent).count(k, 1)
	})
}

// each splits a span over the quarters of an hour it touches; k is room to work in.
func (s span) each(until Moment, k *counted, fn func(start Moment, k *counted)) {
	for from := s.Since; from < until; {
		start := quarterOf(from)
		to := min(until, start+quarter)
		k.reset()
		s.count(k, int64(to-from))
		fn(start, k)
		from = to
	}
}

func (s span) count(k *counted, ms int64) {
	k.add(LoggedMS, ms)
	switch s.State {
	case talking, wrapUp:
		k.add(BusyMS, ms)
	case paused:
		k.add(PausedMS, ms)
	case setAside:
	default: // available, or chosen for a caller who is not there yet
		k.add(ReadyMS, ms)
	}
}
