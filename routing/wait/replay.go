package wait

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
	"time"
)

// Format is how a log of calls is written.
type Format string

const (
	// FormatAuto finds the format from the first line.
	FormatAuto Format = ""
	// FormatCSV has a header with at least queued_at, left_queue_at and outcome; call_id,
	// queue, arrived_at, answered_at, ended_at and agent are used where they are there.
	// Times are RFC 3339 or seconds; outcome is answered or abandoned; fields are separated
	// by commas or semicolons.
	FormatCSV Format = "csv"
	// FormatQueueLog is Asterisk's queue_log: epoch|callid|queue|agent|event|data….
	FormatQueueLog Format = "queue_log"
)

// ReplayOptions are how a log is replayed. The zero value is usable.
type ReplayOptions struct {
	// Estimator are the options of ours.
	Estimator Options
	// WarmUp is how many callers are learned from before any is scored (default 50).
	WarmUp int
	// AgentIdle is how long after a call an agent still counts as serving where the log does
	// not say when agents leave (default 30 min).
	AgentIdle time.Duration
	// WrapUp is how long an agent may stay without a call although callers wait, and still
	// counts as serving (default 3 min).
	WrapUp time.Duration
	// Disorder is how far the rows of a CSV may be from the order of their queued_at
	// (default 6 h); the rows of that time are held in memory.
	Disorder time.Duration
	// MaxRefusals is how many refused lines the report shows (default 20); all are counted.
	MaxRefusals int
}

func (o ReplayOptions) withDefaults() ReplayOptions {
	if o.WarmUp <= 0 {
		o.WarmUp = 50
	}
	if o.AgentIdle <= 0 {
		o.AgentIdle = 30 * time.Minute
	}
	if o.WrapUp <= 0 {
		o.WrapUp = 3 * time.Minute
	}
	if o.Disorder <= 0 {
		o.Disorder = 6 * time.Hour
	}
	if o.MaxRefusals <= 0 {
		o.MaxRefusals = 20
	}
	return o
}

// Report is what a replay found.
type Report struct {
	Format Format `json:"format"`
	// Lines counts the lines read, Refused those that could not be used; Refusals are the
	// first of them. Ignored counts events of a queue_log that say nothing of waits.
	Lines    int            `json:"lines"`
	Refused  int            `json:"refused"`
	Refusals []Refusal      `json:"refusals,omitempty"`
	Ignored  map[string]int `json:"ignored,omitempty"`
	// Calls is how many callers joined a queue; Answered and Abandoned how they left it.
	Calls     int `json:"calls"`
	Answered  int `json:"answered"`
	Abandoned int `json:"abandoned"`
	// Scored is how many of the answered callers had found nobody free, after the warm-up,
	// and had an estimate from every estimator: all are measured on the same callers.
	Scored     int              `json:"scored"`
	From       time.Time        `json:"from"`
	Until      time.Time        `json:"until"`
	Estimators []EstimatorScore `json:"estimators"`
}

// Refusal is a line that could not be used.
type Refusal struct {
	Line int    `json:"line"`
	Why  string `json:"why"`
}

// EstimatorScore is what one estimator reached; times in seconds, shares 0..1.
type EstimatorScore struct {
	Name string `json:"name"`
	N    int    `json:"n"`
	// MAE is the mean absolute error, RMSE the root of the mean squared error, WAPE the sum
	// of absolute errors over the sum of waits, Bias the mean of estimate minus wait.
	MAE  float64 `json:"mae_s"`
	RMSE float64 `json:"rmse_s"`
	WAPE float64 `json:"wape"`
	Bias float64 `json:"bias_s"`
	// Within60 is the share of estimates no further than 60 s from the wait.
	Within60 float64 `json:"within_60s"`
	// Coverage is the share of waits in the 80 % interval, Spoken in the range that would have
	// been said first; only for the estimator that gives them.
	Coverage *float64 `json:"coverage,omitempty"`
	Spoken   *float64 `json:"spoken_coverage,omitempty"`
}

// Replay runs the estimators over a service's past log, in the order of time, each knowing
// only what was known then, and measures them. Lines that cannot be used are counted and
// shown. It fails when the input cannot be read, its format is not known, a column is
// missing, or no line could be used.
func Replay(r io.Reader, format Format, opts ReplayOptions) (Report, error) {
	opts = opts.withDefaults()
	run := newReplayRun(opts)
	lines := newLineReader(r)
	if format == FormatAuto {
		first, err := lines.peek()
		if err != nil {
			return Report{}, fmt.Errorf("replay a log of calls: %w", err)
		}
		if format = detect(first); format == FormatAuto {
			return Report{}, fmt.Errorf("replay a log of calls: the first line is neither a CSV header with queued_at, left_queue_at and outcome nor a line of queue_log (epoch|callid|queue|agent|event)")
		}
	}
	run.report.Format = format
	var err error
	switch format {
	case FormatCSV:
		err = run.readCSV(lines)
	case FormatQueueLog:
		err = run.readQueueLog(lines)
	default:
		return Report{}, fmt.Errorf("replay a log of calls: format %q is not known: write %q or %q", format, FormatCSV, FormatQueueLog)
	}
	if err != nil {
		return Report{}, fmt.Errorf("replay a log of calls: %w", err)
	}
	run.report.Lines = lines.n
	if run.report.Calls == 0 {
		why := "it has no calls"
		if len(run.report.Refusals) > 0 {
			why = fmt.Sprintf("no line could be used; line %d: %s", run.report.Refusals[0].Line, run.report.Refusals[0].Why)
		}
		return Report{}, fmt.Errorf("replay a log of calls: %s", why)
	}
	run.finish()
	return run.report, nil
}

// Text is the report for a terminal.
func (r Report) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %d lines, %s to %s\n", r.Format, r.Lines, r.From.UTC().Format(time.RFC3339), r.Until.UTC().Format(time.RFC3339))
	fmt.Fprintf(&b, "%d calls joined a queue: %d answered, %d abandoned; %d answered callers had to wait and are scored\n\n", r.Calls, r.Answered, r.Abandoned, r.Scored)
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "estimator\tn\tMAE s\tRMSE s\tWAPE\tbias s\twithin 60 s\t80 % range holds\tspoken range holds\t")
	for _, e := range r.Estimators {
		fmt.Fprintf(w, "%s\t%d\t%.1f\t%.1f\t%.1f %%\t%+.1f\t%.1f %%\t%s\t%s\t\n", e.Name, e.N, e.MAE, e.RMSE, 100*e.WAPE, e.Bias, 100*e.Within60, share(e.Coverage), share(e.Spoken))
	}
	_ = w.Flush()
	if r.Refused > 0 {
		fmt.Fprintf(&b, "\n%d lines refused", r.Refused)
		if len(r.Refusals) < r.Refused {
			fmt.Fprintf(&b, ", the first %d", len(r.Refusals))
		}
		b.WriteString(":\n")
		for _, f := range r.Refusals {
			fmt.Fprintf(&b, "  line %d: %s\n", f.Line, f.Why)
		}
	}
	return b.String()
}

func share(x *float64) string {
	if x == nil {
		return "-"
	}
	return fmt.Sprintf("%.1f %%", 100**x)
}

// tally sums what an EstimatorScore is made of.
type tally struct {
	n, within, inside, ranges, spoken, rungs int
	abs, square, bias, waits                 float64
}

func (t *tally) add(p prediction, waited float64) {
	d := p.point - waited
	t.n++
	t.abs += math.Abs(d)
	t.square += d * d
	t.bias += d
	t.waits += waited
	if math.Abs(d) <= 60 {
		t.within++
	}
	if !p.interval {
		return
	}
	t.ranges++
	if waited >= p.low && waited <= p.high {
		t.inside++
	}
	if a := NewAnnouncer(nil).Next(p.estimate, 0, Causes{}); a.Rung != nil {
		t.rungs++
		if a.Rung.Covers(duration(waited)) {
			t.spoken++
		}
	}
}

func (t *tally) score(name string) EstimatorScore {
	s := EstimatorScore{Name: name, N: t.n}
	if t.n == 0 {
		return s
	}
	n := float64(t.n)
	s.MAE, s.RMSE, s.Bias, s.Within60 = t.abs/n, math.Sqrt(t.square/n), t.bias/n, float64(t.within)/n
	if t.waits > 0 {
		s.WAPE = t.abs / t.waits
	}
	if t.ranges > 0 {
		c := float64(t.inside) / float64(t.ranges)
		s.Coverage = &c
	}
	if t.rungs > 0 {
		c := float64(t.spoken) / float64(t.rungs)
		s.Spoken = &c
	}
	return s
}
