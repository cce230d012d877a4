// Package past turns files of past calls into facts of the journal, so that indicators and
// wait estimation know the years before Decroche as they know today.
//
// It reads the CSV of `decroche wait replay`, Asterisk's queue_log and Asterisk's CDR, the
// latter two joined by uniqueid (Read). What belongs together, a call or the time an agent was
// signed in, becomes one Bundle of facts with the times the file gives. A Bundle is named after what
// the file says, so the same call has the same name in every file that tells of it; Journal
// writes a Bundle whose name it does not know, and its facts and its name are there together
// or not at all (Write). So a file may be imported twice, overlap another, or be cut short by
// a crash: every call is in the journal once.
//
// What cannot be used is refused with its line and how to mend it, and the rest goes in. A
// refusal never shows more than five digits in a row of the file: they may be a caller's number.
package past

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"decroche/call"
	"decroche/service"
)

// Format is how a file is written.
type Format string

const (
	// Auto finds the format from the first line.
	Auto Format = "auto"
	// CSV has a header with outcome and arrived_at or queued_at; see docs/import.md.
	CSV Format = "csv"
	// QueueLog is Asterisk's queue_log: epoch|callid|queue|agent|event|data….
	QueueLog Format = "queue_log"
	// CDR is Asterisk's Master.csv, or an export of the CDR table with a header.
	CDR Format = "cdr"
)

// Options say how files are understood.
type Options struct {
	// Service has the queues, reasons, numbers, opening hours and time zone.
	Service *service.Definition
	Format  Format // of all files; "" is Auto
	// Queues and Reasons translate names of the files to ids of the service; LeaveOut leaves
	// out what has the name.
	Queues, Reasons map[string]string
	// Teams are the agents' teams of today, by agent.
	Teams map[string]string
	// Number is the one dialled where a file does not say; "" is the service's first.
	Number call.Number
	// Oldest and Now bound what is taken: before Oldest the journal would purge it at once.
	Oldest, Now time.Time
}

// LeaveOut is the translation of a queue or reason that is not the service's.
const LeaveOut = "-"

// File is a file to read.
type File struct {
	Name string
	Body io.Reader
}

// Bundle is facts that are written together or not at all: of a call, or of an agent from
// signing in to signing out.
type Bundle struct {
	ID call.ID
	// At is the first fact's time; Digest is of what the file says, the caller's number left
	// out: another one under the same ID tells that files contradict each other.
	At     time.Time
	Digest int64
	Facts  []call.Event
}

// Journal keeps bundles.
type Journal interface {
	// Import writes the bundles whose ID it does not know, each with all its facts, in one
	// transaction, and returns the digests of those it knew.
	Import(ctx context.Context, bundles []Bundle) (known map[call.ID]int64, err error)
}

// Refusal is what could not be used.
type Refusal struct {
	File string `json:"file"`
	Line int    `json:"line"` // the first it is about
	Why  string `json:"why"`
	Mend string `json:"mend"`

	input int      // which of the files
	text  []string // the lines, to be mended; none when there is nothing to mend
}

func (r Refusal) String() string {
	return fmt.Sprintf("%s:%d: %s; %s", r.File, r.Line, r.Why, r.Mend)
}

// Report is what an import found and did.
type Report struct {
	Lines int `json:"lines"`
	// Calls and Sessions (of agents) could be used; Written of them are new in the journal,
	// Known were there.
	Calls    int `json:"calls"`
	Sessions int `json:"sessions"`
	Written  int `json:"written"`
	Known    int `json:"known"`
	// From and Until are the first and the last arrival.
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`
	// PassedOver counts lines that say nothing of the service's calls, by why.
	PassedOver map[string]int `json:"passed_over,omitempty"`
	// Twice counts times in the hour that the clocks show twice, taken as the first or the
	// second by the order of the lines.
	Twice int `json:"in_the_hour_that_comes_twice,omitempty"`
	// Unused are columns that were not used.
	Unused   []string  `json:"unused_columns,omitempty"`
	Refusals []Refusal `json:"refused,omitempty"`
}

// History is what files tell.
type History struct {
	Report

	opts     Options
	files    []string // names
	headers  []string // of the files that have one
	records  []*record
	sessions []*session
}

// Read understands the files together. It fails when one cannot be read or its format is not
// known; lines that cannot be used are refusals. It holds all calls in memory, about 1 kB each.
func Read(opts Options, files ...File) (*History, error) {
	if opts.Number == "" && len(opts.Service.Numbers) > 0 {
		opts.Number = opts.Service.Numbers[0].Number
	}
	h := &History{opts: opts, Report: Report{PassedOver: map[string]int{}}, headers: make([]string, len(files))}
	log, bills := newQueueLog(h), newBills(h)
	for i, f := range files {
		h.files = append(h.files, f.Name)
		if err := h.read(i, f, log, bills); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	log.finish(bills)
	bills.finish()
	h.settle()
	return h, nil
}

func (h *History) read(i int, f File, log *queueLog, bills *bills) error {
	in := newLines(f.Body)
	first, err := in.peek()
	if err != nil {
		return err
	}
	format := h.opts.Format
	if format == Auto || format == "" {
		if format = detect(first); format == Auto {
			return fmt.Errorf("the first line is neither a CSV header with outcome and queued_at, nor a line of queue_log (epoch|callid|queue|agent|event), nor a CDR of Asterisk: name the format with --format")
		}
	}
	switch format {
	case CSV:
		err = h.readCSV(i, in)
	case QueueLog:
		err = log.read(i, in)
	case CDR:
		err = bills.read(i, in)
	default:
		return fmt.Errorf("format %q is not known: write %s, %s, %s or %s", format, Auto, CSV, QueueLog, CDR)
	}
	h.Lines += in.n
	return err
}

// settle checks times, drops what two files tell alike, and puts all in the order of time.
func (h *History) settle() {
	seen := map[call.ID]bool{}
	h.records = slices.DeleteFunc(h.records, func(r *record) bool {
		why, mend := "", ""
		switch {
		case r.arrived.Before(h.opts.Oldest):
			why = "the call is older than what the journal keeps"
			mend = "leave it out, or raise privacy.journal in the service definition before"
		case r.ended.After(h.opts.Now):
			why, mend = "the call ends in the future", "mend its times, or the time zone of the service"
		}
		if why != "" {
			h.refuse(r.input, r.line, why, mend, r.text()...)
			return true
		}
		again := seen[r.id]
		seen[r.id] = true
		if again {
			h.PassedOver["told twice in these files"]++
		}
		return again
	})
	slices.SortFunc(h.records, func(a, b *record) int {
		return cmp.Or(a.arrived.Compare(b.arrived), cmp.Compare(a.id, b.id))
	})
	slices.SortFunc(h.sessions, func(a, b *session) int {
		return cmp.Or(a.spans[0].at.Compare(b.spans[0].at), cmp.Compare(a.agent, b.agent))
	})
	slices.SortStableFunc(h.Refusals, func(a, b Refusal) int {
		return cmp.Or(cmp.Compare(a.input, b.input), cmp.Compare(a.Line, b.Line))
	})
	h.Calls, h.Sessions = len(h.records), len(h.sessions)
	if h.Calls > 0 {
		h.From, h.Until = h.records[0].arrived, h.records[h.Calls-1].arrived
	}
}

func (h *History) refuse(input, line int, why, mend string, text ...string) {
	h.Refusals = append(h.Refusals, Refusal{File: h.files[input], Line: line, Why: why, Mend: mend, input: input, text: text})
}

// Refused gives, for each file with lines to mend, those lines under the file's own header:
// what is mended there can be imported. The text holds callers' numbers in clear.
func (h *History) Refused(fn func(file int, text string) error) error {
	for i := range h.files {
		var b strings.Builder
		for _, r := range h.Refusals {
			if r.input != i || len(r.text) == 0 {
				continue
			}
			if b.Len() == 0 && h.headers[i] != "" {
				b.WriteString(h.headers[i] + "\n")
			}
			for _, line := range r.text {
				b.WriteString(line + "\n")
			}
		}
		if b.Len() == 0 {
			continue
		}
		if err := fn(i, b.String()); err != nil {
			return err
		}
	}
	return nil
}

// bundlesAtOnce are written in one transaction: a controller beside us waits for it.
const bundlesAtOnce = 250

// Write writes what the journal does not know yet, in the order of time.
func (h *History) Write(ctx context.Context, j Journal) error {
	behind := map[call.ID]*record{}
	batch := make([]Bundle, 0, bundlesAtOnce)
	flush := func() error {
		known, err := j.Import(ctx, batch)
		if err != nil {
			return fmt.Errorf("write what was imported: %w; what is written stays, start again to go on", err)
		}
		for _, b := range batch {
			digest, was := known[b.ID]
			if !was {
				h.Written++
				continue
			}
			h.Known++
			if r := behind[b.ID]; r != nil && digest != b.Digest {
				h.refuse(r.input, r.line, "the call was imported before, from a file that tells it in another way", "the facts of the first import stay")
			}
		}
		clear(behind)
		batch = batch[:0]
		return nil
	}
	facts := newTeller(h.opts)
	for next := range h.bundles(facts) {
		if r := next.record; r != nil {
			behind[r.id] = r
		}
		batch = append(batch, next.Bundle)
		if len(batch) == bundlesAtOnce {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

type told struct {
	Bundle
	record *record // nil of an agent's
}

// bundles gives calls and agents' times in the order of time.
func (h *History) bundles(t *teller) func(yield func(told) bool) {
	return func(yield func(told) bool) {
		sessions := h.sessions
		for _, r := range h.records {
			for len(sessions) > 0 && sessions[0].spans[0].at.Before(r.arrived) {
				if !yield(told{Bundle: sessions[0].bundle(h.opts.Teams)}) {
					return
				}
				sessions = sessions[1:]
			}
			if !yield(told{t.bundle(r), r}) {
				return
			}
		}
		for _, s := range sessions {
			if !yield(told{Bundle: s.bundle(h.opts.Teams)}) {
				return
			}
		}
	}
}

// named makes an ID of what identifies something in its file. No caller's number is among it:
// whoever knows the rest could try all numbers.
func named(what ...string) call.ID {
	sum := sha256.Sum256([]byte(strings.Join(what, "\x1f")))
	return call.ID("imp-" + hex.EncodeToString(sum[:12]))
}

func digest(what ...string) int64 {
	sum := sha256.Sum256([]byte(strings.Join(what, "\x1f")))
	return int64(binary.BigEndian.Uint64(sum[:8]))
}

// shown is a text of the file as a refusal may repeat it.
func shown(s string) string {
	run := 0
	for _, c := range s {
		switch {
		case c >= '0' && c <= '9':
			run++
		case !strings.ContainsRune(" .-/()+", c):
			run = 0
		}
		if run > 5 {
			return `"…"`
		}
	}
	if r := []rune(s); len(r) > 40 {
		s = string(r[:40]) + "…"
	}
	return fmt.Sprintf("%q", s)
}
