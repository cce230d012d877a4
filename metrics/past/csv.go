package past

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"decroche/call"
)

// csvColumns are those that are used, in the order of time where they are times.
var csvColumns = []string{
	"call_id", "queue", "arrived_at", "ivr_entered_at", "queued_at", "left_queue_at", "answered_at", "ended_at",
	"outcome", "agent", "caller", "number", "reason", "wrapup_s", "open",
}

// The outcomes of a CSV, with the reason they are given. Who stood in line and got nobody has
// abandoned. A promise to call back has facts of its own, which a line does not tell.
var csvOutcomes = map[call.Outcome]call.Reason{
	call.Answered: call.ReasonCallerHungUp, call.Abandoned: call.ReasonCallerHungUp, call.LeftIVR: call.ReasonCallerHungUp,
	call.SelfServed: call.ReasonHeardAll, call.Closed: call.ReasonClosedHours, call.Dissuaded: call.ReasonSaturated,
	call.TransferredOut: call.ReasonAgentHungUp, call.Failed: call.ReasonExchange,
}

// complaint says what is wrong with a line, and how to mend it.
type complaint struct{ why, mend string }

func (c *complaint) Error() string { return c.why }

func wrong(mend, format string, args ...any) error {
	return &complaint{fmt.Sprintf(format, args...), mend}
}

// readCSV reads one call a line.
func (h *History) readCSV(input int, in *lines) error {
	header, err := in.next()
	if err != nil {
		return err
	}
	t := tableOf(header)
	// Without ended_at all answered calls would be refused and the others taken in.
	if m := t.misses("outcome", "queued_at", "left_queue_at", "ended_at"); m != "" {
		return fmt.Errorf("line %d: the header lacks %s: add what the exchange knows, a column may be empty where it does not apply", in.n, m)
	}
	for _, name := range t.names {
		if name = strings.ToLower(strings.TrimSpace(name)); name != "" && !slices.Contains(csvColumns, name) {
			h.Unused = append(h.Unused, name)
		}
	}
	h.headers[input] = header
	rows := csvReader{h: h, table: t, clock: clock{zone: h.opts.Service.Location}, alike: map[call.ID]int{}}
	err = in.each(h, input, func(line string) {
		r, err := rows.record(line)
		var c *complaint
		switch {
		case errors.As(err, &c):
			h.refuse(input, in.n, c.why, c.mend, line)
		case r == nil:
			h.PassedOver["of a queue that is left out"]++
		default:
			r.input, r.line, r.raw = input, in.n, []rawLine{{input, in.n, line}}
			h.records = append(h.records, r)
		}
	})
	h.Twice += rows.clock.twice
	return err
}

type csvReader struct {
	h     *History
	table table
	clock clock
	// alike counts lines without call_id that say the same: several callers of one moment.
	alike map[call.ID]int
}

// moments are the times of a line.
type moments struct {
	arrived, entered, queued, left, answered, ended time.Time
}

// record reads one line; nil is of a queue that is left out.
func (c *csvReader) record(line string) (*record, error) {
	fields, err := c.table.split(line)
	if err != nil {
		return nil, wrong("write quotes within quotes twice", "it is no line of CSV: %v", err)
	}
	if len(fields) > len(c.table.names) {
		return nil, wrong("put fields that hold the separator in quotes", "it has %d fields and the header has %d", len(fields), len(c.table.names))
	}
	row := row{&c.table, fields}
	outcome := call.Outcome(strings.ToLower(row.get("outcome")))
	why, ok := csvOutcomes[outcome]
	switch {
	case outcome == call.CalledBack:
		return nil, wrong("write answered if they were called back, abandoned if not", "a promise to call back cannot be imported")
	case !ok:
		return nil, wrong("write one of "+known(csvOutcomes), "the outcome %s is not known", shown(string(outcome)))
	}
	m, err := c.moments(row)
	if err != nil {
		return nil, err
	}
	r := &record{arrived: first(m.arrived, m.entered, m.queued), outcome: outcome, why: why}
	leftOut, err := c.inLine(row, r, m)
	if err != nil || leftOut {
		return nil, err
	}
	if err := c.about(row, r); err != nil {
		return nil, err
	}
	c.name(row, r, m)
	return r, nil
}

// moments reads the times and holds them in order.
func (c *csvReader) moments(row row) (m moments, err error) {
	var before time.Time
	var beforeName string
	for _, f := range []struct {
		name string
		to   *time.Time
	}{
		{"arrived_at", &m.arrived},
		{"ivr_entered_at", &m.entered},
		{"queued_at", &m.queued},
		{"answered_at", &m.answered},
		{"left_queue_at", &m.left},
		{"ended_at", &m.ended},
	} {
		if f.name == "left_queue_at" && !m.answered.IsZero() { // the two may be one moment, told by two clocks
			before, beforeName = m.queued, "queued_at"
		}
		t, err := c.clock.read(row.get(f.name), before)
		switch {
		case errors.Is(err, errNoSuch):
			return m, wrong(mendMissing, "the time in %s %v", f.name, err)
		case err != nil:
			return m, wrong(mendTime, "what is in %s %v", f.name, err)
		case t.IsZero():
			continue
		case t.Before(before):
			return m, wrong("mend one of the two", "%s is before %s", f.name, beforeName)
		}
		*f.to, before, beforeName = t, t, f.name
	}
	if !m.ended.IsZero() && m.ended.Before(m.answered) {
		return m, wrong("mend one of the two", "ended_at is before answered_at")
	}
	if before.IsZero() || first(m.arrived, m.entered, m.queued).IsZero() {
		return m, wrong(mendTime, "neither arrived_at nor ivr_entered_at nor queued_at has a time")
	}
	return m, nil
}

// first is the first time that there is.
func first(times ...time.Time) time.Time {
	for _, t := range times {
		if !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}

// inLine fills in the time in the queue and with an agent. It tells whether the call's queue
// is left out.
func (c *csvReader) inLine(row row, r *record, m moments) (leftOut bool, err error) {
	answered := r.outcome == call.Answered || r.outcome == call.TransferredOut && !m.answered.IsZero()
	needs := answered || r.outcome == call.Abandoned
	switch {
	case needs && m.queued.IsZero():
		return false, wrong(mendTime, "queued_at is empty, and the call is %s", r.outcome)
	case needs && first(m.left, m.answered).IsZero():
		return false, wrong(mendTime, "left_queue_at is empty, and the call is %s", r.outcome)
	case !needs && !m.answered.IsZero():
		return false, wrong("write answered, or empty answered_at", "answered_at has a time, and the call is %s", r.outcome)
	}
	r.ended = first(m.ended, m.left, m.answered, m.queued, m.entered, m.arrived)
	if m.queued.IsZero() {
		return false, nil
	}
	queue, why, mend := c.h.opts.queueOf(row.get("queue"))
	switch {
	case why != "":
		return false, wrong(mend, "%s", why)
	case queue == LeaveOut:
		return true, nil
	}
	s := stay{queue: queue, joined: m.queued, left: first(m.left, m.answered, m.ended), wrap: -1}
	if answered {
		if m.ended.IsZero() {
			return false, wrong(mendTime, "ended_at is empty, and the call was answered: how long they talked is not known")
		}
		s.answered, s.over, s.by, s.agent = first(m.answered, m.left), m.ended, call.CallerLeft, agentOf(row.get("agent"))
		if text := row.get("wrapup_s"); text != "" {
			x, err := strconv.ParseFloat(strings.Replace(text, ",", ".", 1), 64)
			if err != nil || !(x >= 0 && x <= 24*3600) {
				return false, wrong("write seconds, from 0 to 86400", "what is in wrapup_s is no length")
			}
			s.wrap = time.Duration(x * float64(time.Second)).Round(time.Millisecond)
		}
	} else {
		r.ended = s.left
		if s.left.IsZero() {
			s.left = m.queued
		}
	}
	r.stays = []stay{s}
	return false, nil
}

// about fills in who called, which number, for what, and whether the line was open.
func (c *csvReader) about(row row, r *record) error {
	var err error
	if text := row.get("caller"); text != "" {
		if r.caller, err = call.ParseNumber(text); err != nil {
			return wrong("write it as it is dialled, anonymous when it was withheld, or nothing", "what is in caller is no telephone number")
		}
		r.told = true
	}
	r.to = c.h.opts.Number
	if text := row.get("number"); text != "" {
		n, err := call.ParseNumber(text)
		if err != nil {
			return wrong("write one of the service's numbers, or nothing", "what is in number is no telephone number")
		}
		if _, ok := c.h.opts.Service.NumberFor(n); !ok {
			return wrong("write one of those of the service definition, or nothing", "what is in number is none of the service's numbers")
		}
		r.to = n
	}
	var why, mend string
	if r.reason, why, mend = c.h.opts.reasonOf(row.get("reason")); why != "" {
		return wrong(mend, "%s", why)
	}
	switch text := strings.ToLower(row.get("open")); text {
	case "":
	case "1", "true", "yes", "oui", "vrai":
		r.open = openYes
	case "0", "false", "no", "non", "faux":
		r.open = openNo
	default:
		return wrong("write 1 or 0, or nothing for the hours of the definition", "what is in open is neither yes nor no")
	}
	return nil
}

// name names the call: by its call_id and its first time, for ids begin anew in many exports;
// without one by all that the line says but the caller.
func (c *csvReader) name(row row, r *record, m moments) {
	said := []string{
		"csv", string(r.outcome), row.get("queue"), agentOf(row.get("agent")), row.get("number"),
		c.clock.wall(m.arrived), c.clock.wall(m.entered), c.clock.wall(m.queued), c.clock.wall(m.answered), c.clock.wall(m.left), c.clock.wall(m.ended),
	}
	if id := row.get("call_id"); id != "" {
		r.id = named("csv-id", id, c.clock.wall(r.arrived))
	} else {
		same := named(said...)
		r.id = same
		if n := c.alike[same]; n > 0 {
			r.id = named(append(said, strconv.Itoa(n))...)
		}
		c.alike[same]++
	}
	r.digest = digest(append(said, row.get("reason"), row.get("wrapup_s"))...)
}

// agentOf is the agent that a channel, an interface or a name means: "PJSIP/2001-0000001a",
// "Local/2001@agents/n" and "2001" are agent 2001.
func agentOf(name string) string {
	tech, rest, ok := strings.Cut(name, "/")
	if !ok || strings.ContainsRune(tech, ' ') {
		return name
	}
	rest, _, _ = strings.Cut(rest, "@")
	if at := strings.LastIndexByte(rest, '-'); at > 0 {
		rest = rest[:at]
	}
	rest, _, _ = strings.Cut(rest, "/")
	return rest
}
