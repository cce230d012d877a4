package past

import (
	"cmp"
	"slices"
	"time"

	"decroche/call"
	"decroche/service"
)

// record is a past call as its file tells it, in the service's own names.
type record struct {
	id          call.ID
	digest      int64
	input, line int
	raw         []rawLine

	caller  call.Number
	told    bool // the file tells who called, or that the number was withheld
	to      call.Number
	arrived time.Time
	ended   time.Time
	open    openness
	reason  string
	outcome call.Outcome
	why     call.Reason
	stays   []stay
}

// rawLine is a line of a file, to be refused with.
type rawLine struct {
	input, n int
	text     string
}

func (r *record) text() []string {
	var out []string
	for _, l := range r.raw {
		if l.input == r.input {
			out = append(out, l.text)
		}
	}
	return out
}

// openness is whether the line was open, where the file tells it.
type openness int8

const (
	openUnsaid openness = iota
	openYes
	openNo
)

// stay is the time in one queue, and with the agent who answered.
type stay struct {
	queue    string
	position int // from 1; 0 is not told
	joined   time.Time
	left     time.Time
	rings    []ring
	agent    string
	answered time.Time // zero when nobody did
	over     time.Time // the end of the conversation
	by       call.TalkEnd
	wrap     time.Duration // -1 is not told
	// handed is how the call was transferred, "" not; to is the colleague, "" unknown, who had
	// it until handedUntil.
	handed      string
	to          string
	handedUntil time.Time
}

// ring is a phone that rang.
type ring struct {
	agent  string
	at     time.Time
	missed time.Time // zero when it was answered
}

// teller turns records into facts. Records come in the order of their arrivals.
type teller struct {
	opts Options
	// open holds from since until until, for the numbers that follow the hours.
	open         bool
	since, until time.Time
}

func newTeller(o Options) *teller { return &teller{opts: o} }

// bundle tells a call from its arrival to its end, as the controller would have told it.
func (t *teller) bundle(r *record) Bundle {
	b := Bundle{ID: r.id, At: r.arrived, Digest: r.digest, Facts: make([]call.Event, 0, 8)}
	tell := func(at time.Time, kind call.EventKind, data map[string]any) {
		e := call.NewEvent(r.id, kind, data)
		e.At = at
		b.Facts = append(b.Facts, e)
	}
	number, _ := t.opts.Service.NumberFor(r.to)
	arrived := map[string]any{
		"to": string(r.to), "withheld": r.told && r.caller == call.Withheld, "service": t.opts.Service.ID,
		"public": cmp.Or(number.Public, "general"), "open": t.wasOpen(r, number), "source": "import",
	}
	if r.told {
		arrived["from"] = string(r.caller)
	}
	tell(r.arrived, call.EventArrived, arrived)
	if r.reason != "" {
		tell(r.arrived, call.EventReason, map[string]any{"reason": r.reason, "by": "import"})
	}
	for i := range r.stays {
		if i == 0 {
			tell(r.stays[0].joined, call.EventAgentAsked, map[string]any{"queue": r.stays[0].queue})
		}
		t.stay(&r.stays[i], tell)
	}
	tell(r.ended, call.EventEnded, map[string]any{"outcome": r.outcome, "reason": r.why})
	for i := range r.stays {
		if s := &r.stays[i]; !s.answered.IsZero() && s.wrap >= 0 {
			tell(later(s.over.Add(s.wrap), r.ended), call.EventWrapped, map[string]any{"agent": s.agent, "wrap_ms": s.wrap.Milliseconds()})
		}
	}
	return b
}

func (t *teller) stay(s *stay, tell func(time.Time, call.EventKind, map[string]any)) {
	queued := map[string]any{"queue": s.queue}
	if s.position > 0 {
		queued["position"] = s.position
	}
	tell(s.joined, call.EventQueued, queued)
	for _, r := range s.rings {
		tell(r.at, call.EventRinging, map[string]any{"agent": r.agent})
		if !r.missed.IsZero() {
			tell(r.missed, call.EventRingFailed, map[string]any{"agent": r.agent, "result": call.NoAnswer})
		}
	}
	if s.answered.IsZero() {
		return
	}
	tell(s.answered, call.EventConnected, map[string]any{
		"agent": s.agent, "team": t.opts.Teams[s.agent], "queue": s.queue, "wait_ms": s.answered.Sub(s.joined).Milliseconds(),
	})
	talked := s.over.Sub(s.answered).Milliseconds()
	if s.handed == "" {
		tell(s.over, call.EventTalkEnded, map[string]any{"agent": s.agent, "by": s.by, "talk_ms": talked})
		return
	}
	tell(s.over, call.EventTransferred, map[string]any{"agent": s.agent, "to": s.to, "team": t.opts.Teams[s.to], "how": s.handed})
	tell(s.handedUntil, call.EventTalkEnded, map[string]any{"agent": s.to, "by": call.CallerLeft, "talk_ms": s.handedUntil.Sub(s.over).Milliseconds()})
}

// wasOpen is what the file says, or else what the hours of the definition say of that day.
func (t *teller) wasOpen(r *record, n service.Number) bool {
	switch {
	case r.open != openUnsaid:
		return r.open == openYes
	case n.AlwaysOpen:
		return true
	}
	if t.since.IsZero() || r.arrived.Before(t.since) || !r.arrived.Before(t.until) {
		o := t.opts.Service.Opening(r.arrived)
		t.open, t.since, t.until = o.Open, r.arrived, o.Until
		if t.until.IsZero() { // nothing changes for more than a year
			t.until = r.arrived.AddDate(1, 0, 0)
		}
	}
	return t.open
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// queueOf is the service's queue that a file means, or why there is none. LeaveOut is left out.
func (o *Options) queueOf(name string) (id, why, mend string) {
	if to, ok := o.Queues[name]; ok {
		return to, "", ""
	}
	if name == "" && len(o.Service.Queues) == 1 {
		for id := range o.Service.Queues {
			return id, "", ""
		}
	}
	if o.Service.Queues[name] != nil {
		return name, "", ""
	}
	mend = "translate it with --queue-map " + plain(name) + "=QUEUE, or leave it out with --queue-map " + plain(name) + "=" + LeaveOut
	if name == "" {
		return "", "the call has no queue", "write one of " + known(o.Service.Queues)
	}
	return "", "the queue " + shown(name) + " is none of the service's (" + known(o.Service.Queues) + ")", mend
}

// reasonOf is the service's reason that a file means.
func (o *Options) reasonOf(name string) (id, why, mend string) {
	switch to, ok := o.Reasons[name]; {
	case ok && to == LeaveOut, name == "":
		return "", "", ""
	case ok:
		return to, "", ""
	case o.Service.Reasons[name] != nil:
		return name, "", ""
	}
	return "", "the reason " + shown(name) + " is none of the service's",
		"translate it with --reason-map " + plain(name) + "=REASON (" + known(o.Service.Reasons) + "), or drop it with " + plain(name) + "=" + LeaveOut
}

// plain is a name as it is typed in an answer, when it can be shown.
func plain(name string) string {
	if q := shown(name); q == `"`+name+`"` {
		return name
	}
	return "NAME"
}

// known lists a few ids.
func known[K ~string, T any](ids map[K]T) string {
	var all []string
	for id := range ids {
		all = append(all, string(id))
	}
	slices.Sort(all)
	out := ""
	for i, id := range all {
		switch {
		case i == 12:
			return out + ", …"
		case i > 0:
			out += ", "
		}
		out += id
	}
	return cmp.Or(out, "it has none")
}
