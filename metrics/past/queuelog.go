package past

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"decroche/call"
)

// queueLog collects the lines of queue_log by call and by agent. Several files are read as
// one: a log is cut at midnight, and calls are not.
type queueLog struct {
	h      *History
	calls  map[string][]logLine
	agents map[string][]logLine
	starts []time.Time // of Asterisk
	last   time.Time
}

// logLine is one line: epoch|callid|queue|agent|event|data….
type logLine struct {
	at           time.Time
	queue, agent string
	event        string
	data         []string
	raw          rawLine
}

func newQueueLog(h *History) *queueLog {
	return &queueLog{h: h, calls: map[string][]logLine{}, agents: map[string][]logLine{}}
}

// datum is one of the event's data, "" when the line has fewer.
func (l *logLine) datum(i int) string {
	if i < len(l.data) {
		return l.data[i]
	}
	return ""
}

func (q *queueLog) read(input int, in *lines) error {
	return in.each(q.h, input, func(line string) { q.line(rawLine{input, in.n, line}) })
}

func (q *queueLog) line(raw rawLine) {
	fields := strings.Split(raw.text, "|")
	if len(fields) < 5 {
		q.h.refuse(raw.input, raw.n, "it has less than five fields", "write epoch|callid|queue|agent|event, or drop it", raw.text)
		return
	}
	for i := range fields {
		fields[i] = strings.TrimSpace(fields[i])
	}
	x, err := strconv.ParseFloat(fields[0], 64)
	if err != nil || !(x >= firstSecond && x <= lastSecond) {
		q.h.refuse(raw.input, raw.n, "its first field is no time in seconds since 1970", "write seconds, or drop it", raw.text)
		return
	}
	l := logLine{
		at: time.UnixMilli(int64(math.Round(x * 1000))).UTC(), queue: fields[2], agent: agentOf(fields[3]),
		event: strings.ToUpper(fields[4]), data: fields[5:], raw: raw,
	}
	q.last = later(q.last, l.at)
	id := fields[1]
	switch l.event {
	case "QUEUESTART":
		q.starts = append(q.starts, l.at)
	case "ENTERQUEUE", "ABANDON", "EXITWITHTIMEOUT", "EXITWITHKEY", "EXITEMPTY", "RINGNOANSWER", "DID":
		q.calls[id] = append(q.calls[id], l)
	case "CONNECT", "COMPLETEAGENT", "COMPLETECALLER", "TRANSFER", "BLINDTRANSFER", "ATTENDEDTRANSFER":
		q.calls[id] = append(q.calls[id], l)
		q.agents[l.agent] = append(q.agents[l.agent], l)
	case "ADDMEMBER", "REMOVEMEMBER", "PAUSE", "UNPAUSE", "PAUSEALL", "UNPAUSEALL",
		"AGENTLOGIN", "AGENTLOGOFF", "AGENTCALLBACKLOGIN", "AGENTCALLBACKLOGOFF":
		if l.agent == "" || l.agent == "NONE" {
			q.h.refuse(raw.input, raw.n, l.event+" names no agent", "drop it", raw.text)
			return
		}
		q.agents[l.agent] = append(q.agents[l.agent], l)
	default:
		q.h.PassedOver["queue_log: "+l.event]++
	}
}

// finish makes calls and sessions of all lines. bills add what the log does not know.
func (q *queueLog) finish(b *bills) {
	slices.SortFunc(q.starts, time.Time.Compare)
	for id, lines := range q.calls {
		lines = inTime(lines)
		w := &walk{log: q, r: &record{input: lines[0].raw.input, line: lines[0].raw.n}}
		for _, l := range lines {
			w.r.raw = append(w.r.raw, l.raw)
		}
		switch c := w.call(id, lines, b.take(id)); {
		case c != nil:
			q.h.refuse(w.r.input, w.r.line, c.why, c.mend, w.r.text()...)
			q.h.refuseRest(w.r)
		case len(w.r.stays) == 0:
			q.h.PassedOver["of a queue that is left out"] += len(lines)
		default:
			q.h.records = append(q.h.records, w.r)
		}
	}
	for agent, lines := range q.agents {
		q.sessions(agent, inTime(lines))
	}
}

// refuseRest gives back the lines of a refused call that are in other files.
func (h *History) refuseRest(r *record) {
	for _, l := range r.raw {
		if l.input != r.input {
			h.refuse(l.input, l.n, "it belongs to the call refused in "+h.files[r.input], "import it with that file", l.text)
		}
	}
}

// inTime sorts lines, and drops those that are there twice: files overlap. Lines of one second
// stay as their file has them.
func inTime(lines []logLine) []logLine {
	slices.SortStableFunc(lines, func(a, b logLine) int { return a.at.Compare(b.at) })
	seen := make(map[string]bool, len(lines))
	return slices.DeleteFunc(lines, func(l logLine) bool {
		was := seen[l.raw.text]
		seen[l.raw.text] = true
		return was
	})
}

// walk follows a call through the lines of its log.
type walk struct {
	log *queueLog
	r   *record
	now *stay // the queue or conversation it is in; nil between two
	out bool  // now is of a queue that is left out
}

// call fills in the record of a call; it returns why it cannot.
func (w *walk) call(id string, lines []logLine, bill *bill) *complaint {
	said := make([]string, 0, 6*len(lines))
	for i := range lines {
		l := &lines[i]
		if c := w.line(l); c != nil {
			w.r.line, w.r.input = l.raw.n, l.raw.input
			return c
		}
		if l.event != "DID" {
			said = append(said, strconv.FormatInt(l.at.UnixMilli(), 10), l.queue, l.agent, l.event)
		}
	}
	if w.now != nil && !w.cutShort(lines[len(lines)-1].at) {
		return &complaint{"the call has not ended in these files", "import it together with the file that goes on (the lines are among those refused)"}
	}
	if len(w.r.stays) == 0 {
		return nil
	}
	w.r.id, w.r.digest = named("uniqueid", id), digest(said...)
	w.r.arrived = arrivalOf(id, w.r.stays[0].joined)
	if w.r.to == "" {
		w.r.to = w.log.h.opts.Number
	}
	w.end(bill)
	return nil
}

// line takes one line.
func (w *walk) line(l *logLine) *complaint {
	waiting := w.now != nil && w.now.answered.IsZero()
	talking := w.now != nil && !waiting
	switch l.event {
	case "DID":
		w.dialled(l.datum(0))
		return nil
	case "ENTERQUEUE":
		if w.now != nil {
			return &complaint{"the call joins a queue and has not left the one before", "add the line that is missing, or drop the call"}
		}
		return w.joins(l)
	case "RINGNOANSWER":
		if waiting {
			rang, _ := strconv.ParseInt(l.datum(0), 10, 64) // milliseconds; 0 when it is not told
			w.now.rings = append(w.now.rings, ring{agent: l.agent, at: l.at.Add(-time.Duration(max(0, rang)) * time.Millisecond), missed: l.at})
		}
		return nil
	case "CONNECT":
		if !waiting {
			return &complaint{"the call is connected and waits in no queue", "import it together with the file before (the lines are among those refused)"}
		}
		if rang, err := strconv.ParseInt(l.datum(2), 10, 64); err == nil && rang > 0 {
			w.now.rings = append(w.now.rings, ring{agent: l.agent, at: later(w.now.joined, l.at.Add(-time.Duration(rang)*time.Second))})
		}
		w.now.agent, w.now.answered, w.now.left = l.agent, l.at, l.at
		return nil
	case "ABANDON", "EXITWITHTIMEOUT", "EXITWITHKEY", "EXITEMPTY":
		if !waiting {
			return &complaint{"the call leaves a queue and waits in none", "import it together with the file before (the lines are among those refused)"}
		}
		w.now.left, w.r.why = l.at, exits[l.event]
		w.keep()
		return nil
	}
	if !talking {
		return &complaint{"a conversation ends that has not begun", "import it together with the file before (the lines are among those refused)"}
	}
	w.now.over, w.now.by = l.at, call.CallerLeft
	switch w.r.why = call.ReasonCallerHungUp; l.event {
	case "COMPLETEAGENT":
		w.now.by, w.r.why = call.AgentLeft, call.ReasonAgentHungUp
	case "TRANSFER", "BLINDTRANSFER":
		w.now.handed, w.now.to = "blind", w.colleague(l.datum(0))
	case "ATTENDEDTRANSFER":
		w.now.handed = "consulted"
	}
	w.keep()
	return nil
}

// exits are why a caller left a queue without an agent.
var exits = map[string]call.Reason{
	"ABANDON": call.ReasonCallerHungUp, "EXITWITHKEY": call.ReasonCallerHungUp,
	"EXITWITHTIMEOUT": call.ReasonSaturated, "EXITEMPTY": call.ReasonNoAgents,
}

func (w *walk) joins(l *logLine) *complaint {
	queue, why, mend := w.log.h.opts.queueOf(l.queue)
	if why != "" {
		return &complaint{why, mend}
	}
	position, _ := strconv.Atoi(l.datum(2)) // 0 when it is not told
	w.now, w.out = &stay{queue: queue, position: position, joined: l.at, wrap: -1}, queue == LeaveOut
	if text := l.datum(1); !w.r.told && text != "" {
		if n, err := call.ParseNumber(text); err == nil {
			w.r.caller, w.r.told = n, true
		}
	}
	return nil
}

// keep ends the stay.
func (w *walk) keep() {
	if !w.out {
		w.r.stays = append(w.r.stays, *w.now)
	}
	w.now = nil
}

// cutShort ends a call that ended with its Asterisk; when, the log does not tell.
func (w *walk) cutShort(last time.Time) bool {
	i, _ := slices.BinarySearchFunc(w.log.starts, last, time.Time.Compare)
	if i == len(w.log.starts) {
		return false
	}
	if w.r.why = call.ReasonExchange; w.now.answered.IsZero() {
		w.now.left = last
	} else {
		w.now.over, w.now.by = last, call.CallerLeft
	}
	w.keep()
	return true
}

// dialled notes the number the caller dialled, where it is one of the service's.
func (w *walk) dialled(text string) {
	if n, err := call.ParseNumber(text); err == nil && w.r.to == "" {
		if _, ok := w.log.h.opts.Service.NumberFor(n); ok {
			w.r.to = n
		}
	}
}

// colleague is the agent behind an extension, "" when it is nobody we know: it may be a
// citizen's number.
func (w *walk) colleague(extension string) string {
	if _, ok := w.log.h.opts.Teams[extension]; ok {
		return extension
	}
	return ""
}

// end tells how it ended: answered once is answered. The CDR knows how long a colleague had
// the call after a transfer.
func (w *walk) end(b *bill) {
	r := w.r
	if b != nil {
		b.tell(r, w.log.h)
	}
	last := &r.stays[len(r.stays)-1]
	r.ended = later(last.left, last.over)
	r.outcome = call.Abandoned
	for i := range r.stays {
		s := &r.stays[i]
		if !s.answered.IsZero() {
			r.outcome = call.Answered
		}
		if s.handed == "" {
			continue
		}
		s.handedUntil = s.over
		if i+1 < len(r.stays) {
			s.handedUntil = r.stays[i+1].joined
		} else if b != nil {
			s.handedUntil = later(s.over, b.end)
			r.ended = s.handedUntil
		}
	}
	if r.outcome == call.Abandoned && r.why == call.ReasonExchange {
		r.outcome = call.Failed
	}
}

// madeAt reads when the channel was made from its uniqueid: "1700000010.12", or
// "pbx-1700000010.12".
func madeAt(uniqueid string) (time.Time, bool) {
	head, _, ok := strings.Cut(uniqueid, ".")
	if at := strings.LastIndexByte(head, '-'); at >= 0 {
		head = head[at+1:]
	}
	sec, err := strconv.ParseInt(head, 10, 64)
	return time.Unix(sec, 0).UTC(), ok && err == nil && sec >= firstSecond
}

// arrivalOf is when the channel was made, where that may be: the caller heard a menu before
// they joined.
func arrivalOf(uniqueid string, joined time.Time) time.Time {
	if t, ok := madeAt(uniqueid); ok && !t.After(joined) && joined.Sub(t) <= longestMenu {
		return t
	}
	return joined
}

// longestMenu is how long a caller may have been there before they joined a queue.
const longestMenu = 2 * time.Hour

// session is the time of an agent from signing in to signing out.
type session struct {
	agent string
	spans []span
}

// span is a state from a moment on.
type span struct {
	at            time.Time
	state, reason string
}

// attendance follows one agent.
type attendance struct {
	member, paused map[string]bool
	all, busy      bool // paused altogether, talking
	reason         string
	in             bool // signed in
}

func (a *attendance) state() string {
	switch {
	case a.busy:
		return "talking"
	case a.all || len(a.member) > 0 && len(a.paused) >= len(a.member):
		return "paused"
	}
	return "available"
}

// sessions finds when an agent was signed in. An agent who is a member for ever, by the
// configuration of Asterisk, signs in and out in no log: nothing is told of their time.
func (q *queueLog) sessions(agent string, lines []logLine) {
	a := attendance{}
	var s *session
	from := 0
	for i := range lines {
		l := &lines[i]
		was := a.in
		if a.takes(l); a.in && !was {
			s, from = &session{agent: agent}, i
		}
		switch {
		case was && !a.in:
			s.spans = append(s.spans, span{at: l.at, state: "signed_out"})
			q.h.keepSession(s, lines[from].raw)
			s = nil
		case a.in:
			if n := len(s.spans); n == 0 || s.spans[n-1].state != a.state() {
				reason := ""
				if a.state() == "paused" {
					reason = a.reason
				}
				s.spans = append(s.spans, span{at: l.at, state: a.state(), reason: reason})
			}
		case !was && signsOut[l.event]:
			q.h.refuse(l.raw.input, l.raw.n, "agent "+shown(agent)+" signs out and has not signed in", "import it together with the file before", l.raw.text)
		}
	}
	if s == nil {
		return
	}
	byFile := map[int][]logLine{}
	for _, l := range lines[from:] {
		byFile[l.raw.input] = append(byFile[l.raw.input], l)
	}
	for input, list := range byFile {
		var text []string
		for _, l := range list {
			text = append(text, l.raw.text)
		}
		q.h.refuse(input, list[0].raw.n, "agent "+shown(agent)+" has signed in and not out", "import it together with the file that goes on (the lines are among those refused)", text...)
	}
}

var signsOut = map[string]bool{"REMOVEMEMBER": true, "AGENTLOGOFF": true, "AGENTCALLBACKLOGOFF": true}

// takes moves the agent on by one line.
func (a *attendance) takes(l *logLine) {
	queue := l.queue
	switch l.event {
	case "CONNECT":
		a.busy = true
	case "COMPLETEAGENT", "COMPLETECALLER", "TRANSFER", "BLINDTRANSFER", "ATTENDEDTRANSFER":
		a.busy = false
	case "ADDMEMBER", "AGENTLOGIN", "AGENTCALLBACKLOGIN":
		if !a.in {
			*a = attendance{member: map[string]bool{}, paused: map[string]bool{}, in: true}
		}
		a.member[queue] = true
	case "REMOVEMEMBER":
		delete(a.member, queue)
		delete(a.paused, queue)
		a.in = a.in && len(a.member) > 0
	case "AGENTLOGOFF", "AGENTCALLBACKLOGOFF":
		a.in = false
	case "PAUSE", "PAUSEALL":
		if a.reason = l.datum(0); l.event == "PAUSEALL" || queue == "" || queue == "NONE" {
			a.all = true
		} else if a.member[queue] {
			a.paused[queue] = true
		}
	case "UNPAUSE", "UNPAUSEALL":
		if l.event == "UNPAUSEALL" || queue == "" || queue == "NONE" {
			a.all = false
			clear(a.paused)
		} else {
			delete(a.paused, queue)
		}
	}
}

func (h *History) keepSession(s *session, raw rawLine) {
	end := s.spans[len(s.spans)-1].at
	if s.spans[0].at.Before(h.opts.Oldest) || end.After(h.opts.Now) {
		h.refuse(raw.input, raw.n, "agent "+shown(s.agent)+" signs in at a time that is not kept, or to come", "leave it out", raw.text)
		return
	}
	h.sessions = append(h.sessions, s)
}

func (s *session) bundle(teams map[string]string) Bundle {
	said := []string{s.agent}
	for _, p := range s.spans {
		said = append(said, strconv.FormatInt(p.at.UnixMilli(), 10), p.state)
	}
	b := Bundle{ID: named("agent", s.agent, said[1]), At: s.spans[0].at, Digest: digest(said...)}
	for _, p := range s.spans {
		e := call.NewEvent("", call.EventAgentState, map[string]any{
			"agent": s.agent, "team": teams[s.agent], "state": p.state, "reason": p.reason, "source": "import",
		})
		e.At = p.at
		b.Facts = append(b.Facts, e)
	}
	return b
}
