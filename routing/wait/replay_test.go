package wait

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sort"
	"strings"
	"testing"
)

// diary writes what happens in a simulated service with named agents, as a CSV and as a queue_log.
type diary struct {
	rows []string
	log  []struct {
		at   float64
		line string
	}
}

func (d *diary) note(at float64, format string, args ...any) {
	d.log = append(d.log, struct {
		at   float64
		line string
	}{at, fmt.Sprintf("%d|", int64(at)) + fmt.Sprintf(format, args...)})
}

func (d *diary) csv() string {
	return "call_id,queue,arrived_at,queued_at,left_queue_at,outcome,answered_at,ended_at,agent\n" + strings.Join(d.rows, "\n") + "\n"
}

func (d *diary) queueLog() string {
	sort.SliceStable(d.log, func(i, j int) bool { return d.log[i].at < d.log[j].at })
	var b strings.Builder
	for _, l := range d.log {
		b.WriteString(l.line + "\n")
	}
	return b.String()
}

// day simulates calls to a service with so many agents, overloaded by a tenth.
func day(agents, calls int) *diary {
	rng := rand.New(rand.NewPCG(21, 5))
	free := make([]float64, agents) // when each agent will be free
	d := &diary{}
	t := 1_700_000_000.0
	for a := range free {
		d.note(t, "NONE|info|SIP/20%02d|ADDMEMBER|", a)
	}
	for i := range calls {
		t += rng.ExpFloat64() * 240 / (1.1 * float64(agents))
		best := 0
		for a := range free {
			if free[a] < free[best] {
				best = a
			}
		}
		starts, patience := max(t, free[best]), rng.ExpFloat64()*300
		id := fmt.Sprintf("c%d", i)
		d.note(t, "%s|info|NONE|ENTERQUEUE||+33199000001", id)
		if starts-t > patience {
			left := t + patience
			d.rows = append(d.rows, fmt.Sprintf("%s,info,%.3f,%.3f,%.3f,abandoned,,,", id, t, t, left))
			d.note(left, "%s|info|NONE|ABANDON|1|1|%d", id, int(patience))
			continue
		}
		ends := starts + lognormal(240, 0.8)(rng)
		free[best] = ends
		d.rows = append(d.rows, fmt.Sprintf("%s,info,%.3f,%.3f,%.3f,answered,%.3f,%.3f,20%02d", id, t, t, starts, starts, ends, best))
		d.note(starts, "%s|info|SIP/20%02d|CONNECT|%d|x|2", id, best, int(starts-t))
		d.note(ends, "%s|info|SIP/20%02d|COMPLETECALLER|%d|%d|1", id, best, int(starts-t), int(ends-starts))
	}
	return d
}

func TestReplayFindsOursBestOnAServicesOwnLog(t *testing.T) {
	d := day(12, 6000)
	for format, text := range map[Format]string{FormatCSV: d.csv(), FormatQueueLog: d.queueLog()} {
		r, err := Replay(strings.NewReader(text), FormatAuto, ReplayOptions{})
		if err != nil {
			t.Fatal(err)
		}
		t.Log("\n" + r.Text())
		if r.Format != format || r.Calls != 6000 || r.Answered+r.Abandoned != 6000 || r.Refused != 0 {
			t.Errorf("%s: %d calls, %d answered, %d abandoned, %d refused", r.Format, r.Calls, r.Answered, r.Abandoned, r.Refused)
		}
		by := map[string]EstimatorScore{}
		for _, e := range r.Estimators {
			by[e.Name] = e
			if e.N != r.Scored || e.N < 2500 {
				t.Errorf("%s: %s is measured on %d callers, %d are scored", format, e.Name, e.N, r.Scored)
			}
		}
		us := by["decroche"]
		if us.RMSE > 0.75*by["app_queue"].RMSE || us.MAE > 0.75*by["app_queue"].MAE || us.RMSE > 1.03*by["QLm"].RMSE {
			t.Errorf("%s: ours %+v, app_queue %+v, QLm %+v", format, us, by["app_queue"], by["QLm"])
		}
		if us.Coverage == nil || *us.Coverage < 0.74 || *us.Coverage > 0.86 {
			t.Errorf("%s: the 80 %% range holds %s of the answered waits", format, share(us.Coverage))
		}
		if _, err := json.Marshal(r); err != nil {
			t.Error(err)
		}
	}
}

func TestReplayGivesTheSameForRowsInAnotherOrder(t *testing.T) {
	d := day(5, 800)
	want, err := Replay(strings.NewReader(d.csv()), FormatCSV, ReplayOptions{})
	if err != nil {
		t.Fatal(err)
	}
	// As an exchange writes them: by the end of the call.
	sort.SliceStable(d.rows, func(i, j int) bool { return endOf(d.rows[i]) < endOf(d.rows[j]) })
	got, err := Replay(strings.NewReader(d.csv()), FormatCSV, ReplayOptions{})
	if err != nil {
		t.Fatal(err)
	}
	a, _ := json.Marshal(want)
	b, _ := json.Marshal(got)
	if !bytes.Equal(a, b) {
		t.Errorf("in the order of arrival:\n%s\nin the order of the ends:\n%s", a, b)
	}
}

func endOf(row string) string {
	f := strings.Split(row, ",")
	if f[7] != "" {
		return f[7]
	}
	return f[4]
}

func TestReplayRefusesLinesAndSaysWhy(t *testing.T) {
	text := strings.Join([]string{
		"\ufeffcall_id;queue;arrived_at;queued_at;left_queue_at;outcome;answered_at;ended_at;agent",
		"1;info;2026-03-02T09:00:00+01:00;2026-03-02T09:00:05+01:00;2026-03-02T09:01:00+01:00;answered;2026-03-02T09:01:00+01:00;2026-03-02T09:04:00+01:00;2001",
		"2;info;;2026-03-02T09:00:10+01:00;2026-03-02T09:00:00+01:00;answered;;;2001",
		"3;info;;yesterday;2026-03-02T09:00:00+01:00;abandoned;;;",
		"4;info;;2026-03-02T09:00:10+01:00;2026-03-02T09:00:20+01:00;lost;;;",
		"5;info;;;2026-03-02T09:00:20+01:00;abandoned;;;",
		`6;"in"fo;;;;abandoned;;;`,
		"",
		"7;" + strings.Repeat("x", 70_000),
		"8;info;;2026-03-02T01:00:00+01:00;2026-03-02T01:00:20+01:00;abandoned;;;",
		"9;info;;2026-03-02T09:00:30+01:00;2026-03-02T09:00:50+01:00;abandoned;;;",
	}, "\r\n")
	r, err := Replay(strings.NewReader(text), FormatAuto, ReplayOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := []Refusal{
		{3, "left_queue_at is before queued_at"},
		{4, `queued_at "yesterday" is neither RFC 3339 nor seconds`},
		{5, `outcome "lost" is neither answered nor abandoned`},
		{6, "queued_at is empty"},
		{7, `not a row of CSV: extraneous or missing " in quoted-field`},
		{9, "the line is longer than 65536 bytes"},
		{10, "queued_at lies more than 6h0m0s before that of an earlier line: sort the file by queued_at"},
	}
	if fmt.Sprint(r.Refusals) != fmt.Sprint(want) {
		t.Errorf("refused\n%v\nwant\n%v", r.Refusals, want)
	}
	if r.Calls != 2 || r.Answered != 1 || r.Abandoned != 1 || r.Refused != len(want) || r.Lines != 11 {
		t.Errorf("%+v", r)
	}
	if !strings.Contains(r.Text(), "line 5: outcome") {
		t.Errorf("the text does not show the refused lines:\n%s", r.Text())
	}
}

func TestReplayReadsAQueueLogWithAllItsEvents(t *testing.T) {
	text := `1700000000|NONE|NONE|NONE|QUEUESTART|
1700000001|NONE|info|SIP/2001|ADDMEMBER|
1700000001|NONE|info|SIP/2001|PAUSE|coffee
1700000010|a.1|info|NONE|ENTERQUEUE||+33199000001|1
1700000011|b.1|info|NONE|ENTERQUEUE||+33199000002|2
1700000012|NONE|info|SIP/2001|UNPAUSE|
1700000015|a.1|info|SIP/2001|RINGNOANSWER|3000
1700000020|a.1|info|SIP/2001|CONNECT|10|x.2|3
1700000020|a.1|info|SIP/2001|CONNECT|10|x.2|3
1700000050|a.1|info|SIP/2001|BLINDTRANSFER|100|ctx|10|30|1|1
1700000055|b.1|info|NONE|EXITWITHTIMEOUT|1|2|44
1700000060|NONE|NONE|SIP/2001|REMOVEMEMBER|
1700000061|c.1|info|NONE|ENTERQUEUE||+33199000003|1
1700000070|c.1|info|NONE|EXITWITHKEY|1|1|9
1700000071|z.9|info|NONE|ABANDON|1|1|9
garbage
1600000071|z.9|info|NONE|ABANDON|1|1|9
1700000080|d.1|info|NONE|ENTERQUEUE||+33199000003|1
1700000090|NONE|NONE|NONE|QUEUESTART|
1700000091|d.1|info|NONE|ENTERQUEUE||+33199000003|1
1700000092|d.1|info|NONE|ABANDON|1|1|1
`
	r, err := Replay(strings.NewReader(text), FormatAuto, ReplayOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Calls != 5 || r.Answered != 1 || r.Abandoned != 3 || r.Ignored["RINGNOANSWER"] != 1 {
		t.Errorf("%+v", r)
	}
	want := "[{9 the call \"a.1\" waits in no queue} {15 the call \"z.9\" waits in no queue} {16 1 fields, want at least 5: epoch|callid|queue|agent|event} {17 its time lies before that of the line above}]"
	if fmt.Sprint(r.Refusals) != want {
		t.Errorf("refused\n%v\nwant\n%v", r.Refusals, want)
	}
}

func TestReplayOfWhatIsNoLogFailsClearly(t *testing.T) {
	for text, want := range map[string]string{
		"":            "the file is empty",
		"hello world": "neither a CSV header",
		"call_id,queued_at,left_queue_at,outcome\n": "it has no calls",
		"queued_at,left_queue_at,outcome\n1,2,lost": `no line could be used; line 2: outcome "lost"`,
		"{\"a\":1}\n": "neither a CSV header",
		"queued_at,left_queue_at,outcome\n5,2,answered": "left_queue_at is before queued_at",
	} {
		if _, err := Replay(strings.NewReader(text), FormatAuto, ReplayOptions{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if _, err := Replay(strings.NewReader("x"), "xml", ReplayOptions{}); err == nil || !strings.Contains(err.Error(), `"xml" is not known`) {
		t.Errorf("format xml: %v", err)
	}
	if _, err := Replay(strings.NewReader("a,b\n1,2"), FormatCSV, ReplayOptions{}); err == nil || !strings.Contains(err.Error(), "lacks the columns queued_at, left_queue_at, outcome") {
		t.Errorf("missing columns: %v", err)
	}
}

func FuzzReplay(f *testing.F) {
	f.Add("queued_at,left_queue_at,outcome\n1,2,answered\n")
	f.Add("1700000010|a.1|info|NONE|ENTERQUEUE||+33199000001|1\n1700000020|a.1|info|SIP/2001|CONNECT|10|x.2|3\n1700000050|a.1|info|SIP/2001|COMPLETEAGENT|10|30|1\n")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Replay(strings.NewReader(text), FormatAuto, ReplayOptions{WarmUp: 1})
		if err == nil {
			if _, err := json.Marshal(r); err != nil {
				t.Error(err)
			}
		}
	})
}
