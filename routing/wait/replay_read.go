package wait

import (
	"bufio"
	"container/heap"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// longestLine bounds what one line may hold in memory; a longer one is refused.
const longestLine = 64 << 10

var errLongLine = fmt.Errorf("the line is longer than %d bytes", longestLine)

// lineReader gives lines with their numbers; empty ones are passed over.
type lineReader struct {
	r      *bufio.Reader
	n      int
	peeked string
	has    bool
}

func newLineReader(r io.Reader) *lineReader {
	return &lineReader{r: bufio.NewReaderSize(r, longestLine)}
}

func (l *lineReader) peek() (string, error) {
	line, err := l.next()
	if errors.Is(err, io.EOF) {
		return "", errors.New("the file is empty")
	}
	l.peeked, l.has = line, err == nil
	return line, err
}

// next gives the next line, io.EOF after the last, errLongLine for one that is skipped.
func (l *lineReader) next() (string, error) {
	if l.has {
		l.has = false
		return l.peeked, nil
	}
	for {
		data, err := l.r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			l.n++
			for errors.Is(err, bufio.ErrBufferFull) {
				_, err = l.r.ReadSlice('\n')
			}
			if err != nil && !errors.Is(err, io.EOF) {
				return "", err
			}
			return "", errLongLine
		}
		if len(data) == 0 && err != nil {
			return "", err
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
		l.n++
		line := string(data)
		if l.n == 1 {
			line = strings.TrimPrefix(line, "\ufeff")
		}
		if line = strings.TrimRight(line, "\r\n"); strings.TrimSpace(line) != "" {
			return line, nil
		}
	}
}

func detect(first string) Format {
	if columns, err := header(first); err == nil && columns.missing() == "" {
		return FormatCSV
	}
	if fields := strings.Split(first, "|"); len(fields) >= 5 {
		if _, err := strconv.ParseFloat(strings.TrimSpace(fields[0]), 64); err == nil {
			return FormatQueueLog
		}
	}
	return FormatAuto
}

// columns are where the named fields of a CSV stand.
type columns struct {
	comma rune
	at    map[string]int
}

func header(line string) (columns, error) {
	c := columns{comma: ',', at: map[string]int{}}
	if strings.Count(line, ";") > strings.Count(line, ",") {
		c.comma = ';'
	}
	names, err := c.split(line)
	if err != nil {
		return c, err
	}
	for i, name := range names {
		c.at[strings.ToLower(strings.TrimSpace(name))] = i
	}
	return c, nil
}

func (c columns) missing() string {
	var out []string
	for _, name := range []string{"queued_at", "left_queue_at", "outcome"} {
		if _, ok := c.at[name]; !ok {
			out = append(out, name)
		}
	}
	return strings.Join(out, ", ")
}

func (c columns) split(line string) ([]string, error) {
	r := csv.NewReader(strings.NewReader(line))
	r.Comma, r.FieldsPerRecord = c.comma, -1
	fields, err := r.Read()
	var parse *csv.ParseError
	if errors.As(err, &parse) {
		return nil, fmt.Errorf("not a row of CSV: %w", parse.Err)
	}
	return fields, err
}

// fact is something that happens to a call at a time.
type fact struct {
	at   float64
	kind int // of those at the same time, ends come before answers and these before arrivals
	call *replayed
	seq  int
}

const (
	factEnded = iota
	factLeft
	factJoined
)

type facts []fact

func (f facts) Len() int      { return len(f) }
func (f facts) Swap(i, j int) { f[i], f[j] = f[j], f[i] }
func (f facts) Less(i, j int) bool {
	a, b := f[i], f[j]
	switch {
	case a.at != b.at:
		return a.at < b.at
	case a.call == b.call:
		return a.seq < b.seq
	case a.kind != b.kind:
		return a.kind < b.kind
	}
	return a.seq < b.seq
}
func (f *facts) Push(x any) { *f = append(*f, x.(fact)) }
func (f *facts) Pop() any   { o := *f; x := o[len(o)-1]; *f = o[:len(o)-1]; return x }

// readCSV turns rows into facts and lets them happen in the order of time. Rows need only be
// nearly in the order of their queued_at: what is older than the newest by more than
// Disorder can happen, for no row can come before it any more.
func (run *replayRun) readCSV(lines *lineReader) error {
	first, err := lines.next()
	if err != nil {
		return fmt.Errorf("read the header: %w", err)
	}
	cols, err := header(first)
	if err != nil {
		return fmt.Errorf("read the header: %w", err)
	}
	if m := cols.missing(); m != "" {
		return fmt.Errorf("line %d: the header lacks the columns %s", lines.n, m)
	}
	var h facts
	seq := 0
	newest, done := math.Inf(-1), math.Inf(-1)
	for {
		line, err := lines.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if errors.Is(err, errLongLine) {
			run.refuse(lines.n, err.Error())
			continue
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", lines.n+1, err)
		}
		c, why := cols.call(line)
		if why == "" && c.queued < done {
			why = fmt.Sprintf("queued_at lies more than %s before that of an earlier line: sort the file by queued_at", run.opts.Disorder)
		}
		if why != "" {
			run.refuse(lines.n, why)
			continue
		}
		push := func(at float64, kind int) {
			seq++
			heap.Push(&h, fact{at, kind, c, seq})
		}
		push(c.queued, factJoined)
		push(c.left, factLeft)
		if c.answered && !math.IsNaN(c.endedAt) {
			push(c.endedAt, factEnded)
		}
		newest = max(newest, c.queued)
		done = newest - run.opts.Disorder.Seconds()
		for len(h) > 0 && h[0].at < done {
			run.happen(heap.Pop(&h).(fact))
		}
	}
	for len(h) > 0 {
		run.happen(heap.Pop(&h).(fact))
	}
	return nil
}

func (run *replayRun) happen(f fact) {
	switch f.kind {
	case factJoined:
		run.joined(f.call)
	case factLeft:
		run.left(f.call)
	case factEnded:
		run.ended(f.call)
	}
}

// call reads one row; why says what is wrong with it.
func (c columns) call(line string) (call *replayed, why string) {
	fields, err := c.split(line)
	if err != nil {
		return nil, err.Error()
	}
	get := func(name string) string {
		if i, ok := c.at[name]; ok && i < len(fields) {
			return strings.TrimSpace(fields[i])
		}
		return ""
	}
	instant := func(name string) float64 {
		text := get(name)
		t, err := parseTime(text)
		if err != nil && why == "" {
			why = fmt.Sprintf("%s %q is neither RFC 3339 nor seconds", name, text)
		}
		return t
	}
	out := &replayed{id: get("call_id"), queue: get("queue"), agent: get("agent"), ahead: -1}
	arrived := instant("arrived_at")
	out.queued, out.left = instant("queued_at"), instant("left_queue_at")
	out.answeredAt, out.endedAt = instant("answered_at"), instant("ended_at")
	switch get("outcome") {
	case "answered":
		out.answered = true
	case "abandoned":
	default:
		return nil, fmt.Sprintf("outcome %q is neither answered nor abandoned", get("outcome"))
	}
	if math.IsNaN(out.answeredAt) {
		out.answeredAt = out.left
	}
	switch {
	case why != "":
	case math.IsNaN(out.queued):
		why = "queued_at is empty"
	case math.IsNaN(out.left):
		why = "left_queue_at is empty"
	case out.left < out.queued:
		why = "left_queue_at is before queued_at"
	case arrived > out.queued:
		why = "arrived_at is after queued_at"
	case out.answered && out.endedAt < out.answeredAt:
		why = "ended_at is before answered_at"
	case out.answered && out.answeredAt < out.queued:
		why = "answered_at is before queued_at"
	case out.answered && out.endedAt < out.left:
		why = "ended_at is before left_queue_at"
	}
	return out, why
}

// parseTime reads RFC 3339 or seconds; an empty field is NaN.
func parseTime(s string) (float64, error) {
	if s == "" {
		return math.NaN(), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return seconds(t), nil
	}
	x, err := strconv.ParseFloat(s, 64)
	if err != nil || !(x >= 0 && x < 1e11) {
		return math.NaN(), errors.New("not a time")
	}
	return x, nil
}
