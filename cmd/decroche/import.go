package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"decroche/call"
	"decroche/metrics/past"
	"decroche/routing/wait"
)

type importCmd struct {
	Files     []string          `arg:"" placeholder:"FILE" help:"Files of past calls; a queue_log and the CDR of the same calls together."`
	Format    string            `default:"auto" enum:"auto,csv,queue_log,cdr" help:"csv (as of decroche wait replay), queue_log, cdr, or auto: found from the first line."`
	QueueMap  map[string]string `name:"queue-map" placeholder:"support=accueil" help:"Queues of the files and those of the service; old=- leaves a queue out."`
	ReasonMap map[string]string `name:"reason-map" placeholder:"7=permis" help:"Reasons of the files and those of the service; old=- leaves a reason out."`
	Number    string            `placeholder:"01 99 00 39 39" help:"The number dialled, where a file does not say; the service's first by default."`
	DryRun    bool              `help:"Say what would be imported, and write nothing."`
	Refused   string            `placeholder:"FOLDER" help:"Write the refused lines here, under their files' names, to be mended and imported; they hold callers' numbers."`
	JSON      bool              `name:"json" help:"Give the report as JSON."`
}

// pastBlob holds what wait estimation learned from imported calls, until a controller adopts it.
const pastBlob = "wait-estimator-past"

// Run imports files; a controller may be running.
func (cmd importCmd) Run(e *env) error {
	b, err := e.openBooks()
	if err != nil {
		return err
	}
	defer b.db.Close()
	number, err := call.ParseNumber(cmd.Number)
	if err != nil && cmd.Number != "" {
		return fmt.Errorf("--number %s: %w", cmd.Number, err)
	}
	now := time.Now()
	opts := past.Options{
		Service: b.def, Format: past.Format(cmd.Format), Queues: cmd.QueueMap, Reasons: cmd.ReasonMap, Number: number,
		Teams: map[string]string{}, Oldest: now.Add(-b.def.Privacy.Journal), Now: now,
	}
	for _, a := range b.c.Agents {
		opts.Teams[string(a.ID)] = a.Team
	}
	history, err := cmd.read(opts)
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	if !cmd.DryRun {
		if err := cmd.keep(e.ctx, b, history); err != nil {
			return err
		}
	}
	if cmd.Refused != "" {
		if err := cmd.giveBack(history); err != nil {
			return err
		}
	}
	return cmd.tell(e.stdout, b.def.Location, &history.Report)
}

func (cmd importCmd) read(opts past.Options) (*past.History, error) {
	var files []past.File
	for _, name := range cmd.Files {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		files = append(files, past.File{Name: filepath.Base(name), Body: f})
	}
	return past.Read(opts, files...)
}

// keep writes what is new, brings the figures up to date, and leaves what can be learned about waits to the
// controller: this one's estimator would not know of its own calls.
func (cmd importCmd) keep(ctx context.Context, b *books, h *past.History) error {
	if err := h.Write(ctx, b.db.Imports()); err != nil {
		return err
	}
	if err := b.ledger().Advance(ctx); err != nil {
		return err
	}
	if _, err := b.db.Journal().Seal(ctx); err != nil {
		return err
	}
	learned := wait.New(wait.Options{})
	former, ok, err := b.db.GetBlob(ctx, pastBlob)
	if err != nil {
		return err
	}
	if ok {
		if err := learned.Restore(former); err != nil {
			learned = wait.New(wait.Options{}) // of another version: the files tell again
		}
	}
	latest := map[string]time.Time{}
	newer := func(queue string, joined time.Time) bool {
		if _, known := latest[queue]; !known {
			latest[queue] = learned.Latest(queue)
		}
		return joined.After(latest[queue])
	}
	for w := range h.Waits(newer) {
		switch w.What {
		case past.Joined:
			learned.ObserveArrival(w.Queue, w.At)
		case past.Answered:
			learned.ObserveAnswered(w.Queue, w.Ahead, w.For, w.At)
		case past.Abandoned:
			learned.ObserveAbandoned(w.Queue, w.Ahead, w.For, w.At)
		case past.Served:
			learned.ObserveService(w.Queue, w.For, w.At)
		}
	}
	blob, err := learned.Snapshot()
	if err != nil {
		return err
	}
	return b.db.PutBlob(ctx, pastBlob, blob)
}

// giveBack writes the refused lines, readable by who imports alone.
func (cmd importCmd) giveBack(h *past.History) error {
	if err := os.MkdirAll(cmd.Refused, 0o700); err != nil {
		return fmt.Errorf("write the refused lines: %w", err)
	}
	return h.Refused(func(file int, text string) error {
		name := filepath.Join(cmd.Refused, filepath.Base(cmd.Files[file]))
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return fmt.Errorf("write the refused lines: %w; name a folder without such a file", err)
		}
		if _, err := f.WriteString(text); err != nil {
			f.Close()
			return fmt.Errorf("write the refused lines: %w", err)
		}
		return f.Close()
	})
}

// shownRefusals is how many are listed; all are in the JSON and in the folder of --refused.
const shownRefusals = 20

func (cmd importCmd) tell(w io.Writer, zone *time.Location, r *past.Report) error {
	if cmd.JSON {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(r)
	}
	fmt.Fprintf(w, "%d lines: %d calls and %d times of agents signed in\n", r.Lines, r.Calls, r.Sessions)
	if r.Calls > 0 {
		fmt.Fprintf(w, "arrived from %s to %s\n", r.From.In(zone).Format(time.DateTime), r.Until.In(zone).Format(time.DateTime))
	}
	if cmd.DryRun {
		fmt.Fprintln(w, "nothing was written: --dry-run")
	} else {
		fmt.Fprintf(w, "written: %d; known from an earlier import: %d\n", r.Written, r.Known)
		fmt.Fprintln(w, "a running line learns from them about waits at its next start, or by decroche reload")
	}
	for _, why := range sortedNames(r.PassedOver) {
		fmt.Fprintf(w, "passed over: %d %s\n", r.PassedOver[why], why)
	}
	if r.Twice > 0 {
		fmt.Fprintf(w, "%d times lie in the hour that the clocks show twice, and are taken by the order of the lines\n", r.Twice)
	}
	if len(r.Unused) > 0 {
		fmt.Fprintf(w, "columns not used: %q\n", r.Unused)
	}
	for _, refusal := range r.Refusals[:min(len(r.Refusals), shownRefusals)] {
		fmt.Fprintf(w, "refused: %s\n", refusal)
	}
	if more := len(r.Refusals) - shownRefusals; more > 0 {
		fmt.Fprintf(w, "refused: %d more; --json has them all, --refused writes their lines to be mended\n", more)
	}
	return nil
}

func sortedNames(m map[string]int) (names []string) {
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// learnFromPast takes what imported calls tell of waits, for the queues this line knows nothing newer of.
func (s *server) learnFromPast(ctx context.Context) error {
	blob, ok, err := s.db.GetBlob(ctx, pastBlob)
	if err != nil || !ok {
		return err
	}
	n, err := s.waits.Adopt(blob)
	if n > 0 {
		s.log.Info("wait estimation has learned from imported calls", "queues", n)
	}
	return err
}
