package past

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"decroche/call"
)

// billColumns are those of Asterisk's Master.csv, which has no header.
var billColumns = []string{
	"accountcode", "src", "dst", "dcontext", "clid", "channel", "dstchannel", "lastapp", "lastdata",
	"start", "answer", "end", "duration", "billsec", "disposition", "amaflags", "uniqueid", "userfield",
}

// bills are the rows of CDR files, by call.
type bills struct {
	h     *History
	rows  map[string][]bill
	taken map[string]bool // calls that the queue_log told
	calls []string        // in the order of the files
}

// bill is one row: a call, or one of its ways.
type bill struct {
	start, end  time.Time
	talked      time.Duration
	src, dst    string
	did, agent  string
	lastapp     string
	lastdata    string
	disposition string
	raw         rawLine
}

func newBills(h *History) *bills {
	return &bills{h: h, rows: map[string][]bill{}, taken: map[string]bool{}}
}

// billsHeader says that a first line names the columns of a CDR.
func billsHeader(t table) bool {
	return t.misses("src", "dst", "lastapp", "duration", "disposition", "uniqueid") == "" && (t.has("start") || t.has("calldate"))
}

var dispositions = []string{"ANSWERED", "NO ANSWER", "BUSY", "FAILED", "CONGESTION"}

// looksLikeBill says that a line has the columns of Master.csv.
func looksLikeBill(fields []string) bool {
	return len(fields) >= 16 && slices.Contains(dispositions, strings.ToUpper(fields[14]))
}

func (b *bills) read(input int, in *lines) error {
	first, err := in.peek()
	if err != nil {
		return err
	}
	t := tableOf(first)
	if billsHeader(t) {
		b.h.headers[input] = first
		if _, err := in.next(); err != nil {
			return err
		}
	} else {
		t = table{comma: ',', names: billColumns, at: map[string]int{}}
		for i, name := range billColumns {
			t.at[name] = i
		}
	}
	c := clock{zone: b.h.opts.Service.Location}
	err = in.each(b.h, input, func(line string) {
		raw := rawLine{input, in.n, line}
		if why, mend := b.row(&t, &c, raw); why != "" {
			b.h.refuse(input, in.n, why, mend, line)
		}
	})
	b.h.Twice += c.twice
	return err
}

func (b *bills) row(t *table, c *clock, raw rawLine) (why, mend string) {
	fields, err := t.split(raw.text)
	if err != nil || len(fields) < 15 {
		return "it is no row of a CDR", "write the columns of Master.csv (docs/import.md), or drop it"
	}
	row := row{t, fields}
	id := cmp.Or(row.get("linkedid"), row.get("uniqueid"))
	started := cmp.Or(row.get("start"), row.get("calldate"))
	start, err := c.read(started, time.Time{})
	if made, ok := madeAt(row.get("uniqueid")); ok && err == nil {
		start = nearest(started, c.zone, start, made)
	}
	duration, derr := strconv.ParseInt(row.get("duration"), 10, 64)
	billsec, berr := strconv.ParseInt(cmp.Or(row.get("billsec"), "0"), 10, 64)
	switch {
	case err != nil || start.IsZero():
		return "what is in start is no time, or one that the clocks went over", mendTime
	case derr != nil || berr != nil || duration < 0 || billsec < 0 || billsec > duration:
		return "duration and billsec are no seconds, or billsec is the longer", "write whole seconds"
	}
	if id == "" {
		id = "row " + c.wall(start) + " " + row.get("channel")
	}
	if b.rows[id] == nil {
		b.calls = append(b.calls, id)
	}
	b.rows[id] = append(b.rows[id], bill{
		start: start, end: start.Add(time.Duration(duration) * time.Second), talked: time.Duration(billsec) * time.Second,
		src: row.get("src"), dst: row.get("dst"), did: row.get("did"), agent: agentOf(row.get("dstchannel")),
		lastapp: row.get("lastapp"), lastdata: row.get("lastdata"), disposition: strings.ToUpper(row.get("disposition")), raw: raw,
	})
	return "", ""
}

// nearest is the time a text means that is nearest to when the uniqueid says the channel was
// made: it settles the hour that comes twice.
func nearest(text string, zone *time.Location, read, made time.Time) time.Time {
	wall, instant, err := parseTime(text)
	if err != nil || !instant.IsZero() {
		return read
	}
	for _, t := range instants(wall, zone) {
		if t.Sub(made).Abs() < read.Sub(made).Abs() {
			read = t
		}
	}
	return read
}

// take gives what the CDR tells of a call of the queue_log, nil for nothing.
func (b *bills) take(uniqueid string) *bill {
	rows := b.rows[uniqueid]
	if len(rows) == 0 {
		return nil
	}
	b.taken[uniqueid] = true
	sum := whole(rows)
	return &sum
}

// whole is all rows of a call as one: from the first start to the last end, and the number
// dialled, which later ways of the call may not show any more.
func whole(rows []bill) bill {
	sum := rows[0]
	for _, r := range rows[1:] {
		if r.start.Before(sum.start) {
			sum.start = r.start
		}
		sum.end = later(sum.end, r.end)
		sum.src, sum.did = cmp.Or(sum.src, r.src), cmp.Or(sum.did, r.did)
	}
	return sum
}

// tell adds to a call of the queue_log who called, which number and when.
func (b *bill) tell(r *record, h *History) {
	if !r.told {
		r.caller, r.told = b.caller()
	}
	if n, ok := h.ours(b.did, b.dst); ok {
		r.to = n
	}
	if b.start.Before(r.arrived) && r.arrived.Sub(b.start) <= longestMenu {
		r.arrived = b.start
	}
}

func (b *bill) caller() (n call.Number, told bool) {
	n, err := call.ParseNumber(b.src)
	return n, b.src != "" && err == nil
}

// ours is the first of the texts that is a number of the service.
func (h *History) ours(texts ...string) (call.Number, bool) {
	for _, text := range texts {
		if n, err := call.ParseNumber(text); err == nil {
			if _, ok := h.opts.Service.NumberFor(n); ok {
				return n, true
			}
		}
	}
	return "", false
}

// finish makes contacts of the calls that no queue_log told: those that reached no queue, and
// those that rang phones without one.
func (b *bills) finish() {
	for _, id := range b.calls {
		if b.taken[id] {
			continue
		}
		rows := b.rows[id]
		r := &record{input: rows[0].raw.input, line: rows[0].raw.n}
		for _, row := range rows {
			r.raw = append(r.raw, row.raw)
		}
		why, mend := b.alone(id, r, rows)
		switch {
		case why != "":
			b.h.refuse(r.input, r.line, why, mend, r.text()...)
			b.h.refuseRest(r)
		case r.id != "":
			b.h.records = append(b.h.records, r)
		}
	}
}

// alone tells a call by its CDR alone; r keeps no id when it is none of the service's.
func (b *bills) alone(id string, r *record, rows []bill) (why, mend string) {
	sum := whole(rows)
	queued := slices.ContainsFunc(rows, func(x bill) bool { return strings.EqualFold(x.lastapp, "Queue") })
	var dialled []string
	for _, x := range rows {
		dialled = append(dialled, x.did, x.dst)
	}
	to, ours := b.h.ours(dialled...)
	switch {
	case queued:
		return "the call was in a queue, and a CDR does not tell when an agent answered", "import it together with the queue_log of the same days"
	case !ours:
		b.h.PassedOver["cdr: not to a number of the service"] += len(rows)
		return "", ""
	}
	r.to, r.arrived, r.ended = to, sum.start, sum.end
	r.caller, r.told = sum.caller()
	r.outcome, r.why = call.LeftIVR, call.ReasonCallerHungUp
	if rang := slices.IndexFunc(rows, func(x bill) bool { return strings.EqualFold(x.lastapp, "Dial") }); rang >= 0 {
		if why, mend := b.rang(r, rows); why != "" || r.stays == nil {
			return why, mend
		}
	}
	r.id = named("uniqueid", id)
	r.digest = digest(b.said(rows)...)
	return "", ""
}

// said is what rows say, but the caller, in an order of its own.
func (b *bills) said(rows []bill) []string {
	all := map[string]bool{}
	for _, x := range rows {
		all[strings.Join([]string{strconv.FormatInt(x.start.Unix(), 10), x.end.Sub(x.start).String(), x.talked.String(), x.lastapp, x.disposition, x.agent}, " ")] = true
	}
	return slices.Sorted(maps.Keys(all))
}

// rang tells a call that rang phones without a queue: whoever asked for the number waited from
// the start until an answer.
func (b *bills) rang(r *record, rows []bill) (why, mend string) {
	number, _ := b.h.opts.Service.NumberFor(r.to)
	name := number.Queue
	if _, ok := b.h.opts.Queues[string(r.to)]; ok || name == "" && len(b.h.opts.Service.Queues) > 1 {
		name = string(r.to)
	}
	queue, why, _ := b.h.opts.queueOf(name)
	switch {
	case why != "":
		return "the call rang phones without a queue, and the number dialled belongs to none", "say to which with --queue-map " + name + "=QUEUE"
	case queue == LeaveOut:
		b.h.PassedOver["of a queue that is left out"] += len(rows)
		return "", ""
	}
	s := stay{queue: queue, joined: r.arrived, left: r.ended, wrap: -1}
	r.outcome = call.Abandoned
	for _, x := range rows {
		if strings.EqualFold(x.lastapp, "Dial") && x.disposition == "ANSWERED" && x.agent != "" && s.answered.IsZero() {
			s.agent, s.answered, s.over, s.by = x.agent, x.end.Add(-x.talked), x.end, call.CallerLeft
			s.left = s.answered
			r.outcome, r.ended = call.Answered, later(x.end, r.ended)
		}
	}
	r.stays = []stay{s}
	return "", ""
}
