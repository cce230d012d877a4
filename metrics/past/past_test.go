package past

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"decroche/call"
	"decroche/service"
)

var prefecture = func() *service.Definition {
	def, err := service.ParseFile("../../demo/prefecture.yaml")
	if err != nil {
		panic(err)
	}
	return def
}()

// usual are the options of a service that imports its year.
func usual() Options {
	return Options{
		Service: prefecture, Teams: map[string]string{"2001": "titres"},
		Oldest: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), Now: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC),
	}
}

// ledger is a journal of bundles.
type ledger map[call.ID]Bundle

func (l ledger) Import(_ context.Context, bundles []Bundle) (map[call.ID]int64, error) {
	known := map[call.ID]int64{}
	for _, b := range bundles {
		if was, has := l[b.ID]; has {
			known[b.ID] = was.Digest
			continue
		}
		l[b.ID] = b
	}
	return known, nil
}

// imported reads files and writes them.
func imported(t testing.TB, l ledger, o Options, texts ...string) *History {
	t.Helper()
	var files []File
	for i, text := range texts {
		files = append(files, File{fmt.Sprintf("file%d", i+1), strings.NewReader(text)})
	}
	h, err := Read(o, files...)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Write(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	return h
}

// story is a bundle's facts in a line: kinds with what matters of each.
func story(b Bundle) string {
	var words []string
	for _, f := range b.Facts {
		var data map[string]any
		_ = json.Unmarshal(f.Data, &data)
		word := string(f.Kind)
		for _, k := range []string{"from", "reason", "queue", "agent", "wait_ms", "talk_ms", "wrap_ms", "state", "outcome", "to"} {
			if v, has := data[k]; has && !(k == "to" && f.Kind == call.EventArrived) {
				word += fmt.Sprintf(" %v", v)
			}
		}
		words = append(words, word)
	}
	return strings.Join(words, "; ")
}

// only is the single bundle of a journal.
func only(t *testing.T, l ledger) Bundle {
	t.Helper()
	if len(l) != 1 {
		t.Fatalf("%d bundles are written", len(l))
	}
	for _, b := range l {
		return b
	}
	panic("unreachable")
}

const header = "call_id,queue,arrived_at,ivr_entered_at,queued_at,left_queue_at,answered_at,ended_at,outcome,agent,caller,reason,wrapup_s\n"

func TestALineOfACSVIsToldAsTheControllerWouldHaveToldIt(t *testing.T) {
	l := ledger{}
	h := imported(t, l, usual(), header+
		"a1,accueil,2026-03-02 09:00:00,,2026-03-02 09:00:20,,2026-03-02 09:01:05,2026-03-02 09:04:05,answered,2001,0639980042,permis,30\n")
	if h.Written != 1 || h.Calls != 1 || len(h.Refusals) != 0 {
		t.Fatalf("%+v", h.Report)
	}
	b := only(t, l)
	got := story(b)
	for _, want := range []string{"arrived +33639980042", "reason permis", "queued accueil", "2001", "45000", "180000", "wrapped", "30000", "ended", "answered"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %s", want, got)
		}
	}
	if !b.At.Equal(time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)) || !slices.IsSortedFunc(b.Facts, func(a, b call.Event) int { return a.At.Compare(b.At) }) {
		t.Errorf("from %s: %s", b.At, got)
	}
	var arrived map[string]any
	if err := json.Unmarshal(b.Facts[0].Data, &arrived); err != nil || arrived["source"] != "import" || arrived["open"] != true || arrived["service"] != prefecture.ID {
		t.Errorf("it arrived as %v (%v)", arrived, err)
	}
}

func TestFilesOfSpreadsheetsAreRead(t *testing.T) {
	const fr = "queue;queued_at;left_queue_at;ended_at;outcome;reason\naccueil;02/03/2026 09:00:00;02/03/2026 09:01:00;;abandoned;\n"
	latin := strings.NewReplacer("é", "\xe9").Replace("queue;queued_at;left_queue_at;ended_at;outcome;équipe\naccueil;02/03/2026 09:00:00;02/03/2026 09:01:00;;abandoned;été\n")
	for name, text := range map[string]string{
		"semicolons": fr, "tabs": strings.ReplaceAll(fr, ";", "\t"), "with a mark": "\ufeff" + fr, "Latin-1": latin, "CRLF": strings.ReplaceAll(fr, "\n", "\r\n"),
		"commas": strings.ReplaceAll(fr, ";", ","),
	} {
		l := ledger{}
		h := imported(t, l, usual(), text)
		if h.Written != 1 || len(h.Refusals) != 0 {
			t.Errorf("%s: %+v", name, h.Report)
			continue
		}
		if got := story(only(t, l)); !strings.Contains(got, "ended") || !strings.Contains(got, "abandoned") {
			t.Errorf("%s: %s", name, got)
		}
		if name == "Latin-1" && !slices.Contains(h.Unused, "équipe") {
			t.Errorf("unused are %q", h.Unused)
		}
	}
}

func TestWhatCannotBeUsedIsRefusedWithItsLineAndHowToMendItAndNoNumberIsShown(t *testing.T) {
	row := func(fields string) string { return header + fields + "\n" }
	for want, text := range map[string]string{
		`the outcome "lost" is not known`:              row("a,accueil,,,2026-03-02 09:00:00,2026-03-02 09:01:00,,,lost,,,,"),
		"what is in queued_at is no time":              row("a,accueil,,,soon,2026-03-02 09:01:00,,,abandoned,,,,"),
		"left_queue_at is before queued_at":            row("a,accueil,,,2026-03-02 09:00:00,2026-03-02 08:59:00,,,abandoned,,,,"),
		"ended_at is empty, and the call was answered": row("a,accueil,,,2026-03-02 09:00:00,,2026-03-02 09:01:00,,answered,2001,,,"),
		"what is in caller is no telephone number":     row("a,accueil,,,2026-03-02 09:00:00,2026-03-02 09:01:00,,,abandoned,,0639980042x,,"),
		"the clocks went forward over it":              row("a,accueil,,,2026-03-29 02:30:00,2026-03-29 03:01:00,,,abandoned,,,,"),
		"the call ends in the future":                  row("a,accueil,,,2026-12-02 09:00:00,2026-12-02 09:01:00,,,abandoned,,,,"),
		"the call is older than what the journal":      row("a,accueil,,,2023-03-02 09:00:00,2023-03-02 09:01:00,,,abandoned,,,,"),
		"a promise to call back cannot be imported":    row("a,accueil,,,2026-03-02 09:00:00,2026-03-02 09:01:00,,,called_back,,,,"),
		"it has 14 fields and the header has 13":       row("a,accueil,,,2026-03-02 09:00:00,2026-03-02 09:01:00,,,abandoned,,,,,x"),
		"nulle-part":                                   row("a,nulle-part,,,2026-03-02 09:00:00,2026-03-02 09:01:00,,,abandoned,,,,"),
		"what is in wrapup_s is no length":             row("a,accueil,,,2026-03-02 09:00:00,,2026-03-02 09:01:00,2026-03-02 09:02:00,answered,2001,,,-3"),
	} {
		l := ledger{}
		h := imported(t, l, usual(), text+"ok,accueil,,,2026-03-02 10:00:00,2026-03-02 10:01:00,,,abandoned,,0639980099,,\n")
		if len(h.Refusals) != 1 || h.Written != 1 {
			t.Errorf("%s: %+v", want, h.Report)
			continue
		}
		r := h.Refusals[0]
		if r.Line != 2 || !strings.Contains(r.Why, want) && !strings.Contains(r.String(), want) || r.Mend == "" || strings.Contains(r.String(), "39980042") {
			t.Errorf("%s: %s", want, r)
		}
		given := ""
		if err := h.Refused(func(_ int, text string) error { given += text; return nil }); err != nil || given != text {
			t.Errorf("given back is %q (%v)", given, err)
		}
	}
}

func TestTheHourThatComesTwiceIsTakenByTheOrderOfTheLines(t *testing.T) {
	l := ledger{}
	h := imported(t, l, usual(), header+
		"a,accueil,,,2026-10-25 02:10:00,2026-10-25 02:11:00,,,abandoned,,,,\n"+
		"b,accueil,,,2026-10-25 02:50:00,2026-10-25 02:51:00,,,abandoned,,,,\n"+
		"c,accueil,,,2026-10-25 02:10:00,2026-10-25 02:12:00,,,abandoned,,,,\n")
	if h.Written != 3 || h.Twice == 0 {
		t.Fatalf("%+v", h.Report)
	}
	var at []string
	for _, b := range l {
		at = append(at, b.At.UTC().Format("15:04"))
	}
	slices.Sort(at)
	if !slices.Equal(at, []string{"00:10", "00:50", "01:10"}) {
		t.Errorf("they arrived at %q", at)
	}
}

const pastLog = `1772438400|NONE|NONE|NONE|QUEUESTART|
1772438401|NONE|accueil|PJSIP/2001|ADDMEMBER|
1772438420|1772438410.1|accueil|NONE|ENTERQUEUE||0639980042|1
1772438425|1772438410.1|accueil|PJSIP/2001|RINGNOANSWER|5000
1772438450|1772438410.1|accueil|PJSIP/2001|CONNECT|30|1772438440.2|6
1772438570|1772438410.1|accueil|PJSIP/2001|COMPLETECALLER|30|120|1
1772438600|1772438590.3|accueil|NONE|ENTERQUEUE||0639980043|1
1772438640|1772438590.3|accueil|NONE|ABANDON|1|1|40
1772442000|NONE|accueil|PJSIP/2001|REMOVEMEMBER|
`

const cdr = `"","0639980042","0199003939","from-trunk","""X"" <0639980042>","PJSIP/trunk-1","PJSIP/2001-2","Queue","accueil,t","2026-03-02 09:00:10","2026-03-02 09:00:10","2026-03-02 09:02:50","160","160","ANSWERED","DOCUMENTATION","1772438410.1",""
`

func TestAQueueLogTellsCallsAndAgentsAndTheCDRWhoCalledAndWhen(t *testing.T) {
	alone, joined := ledger{}, ledger{}
	imported(t, alone, usual(), pastLog)
	h := imported(t, joined, usual(), pastLog, cdr)
	if h.Calls != 2 || h.Sessions != 1 || h.Written != 3 || len(h.Refusals) != 0 {
		t.Fatalf("%+v", h.Report)
	}
	var answered, abandoned, session string
	var first time.Time
	for _, b := range joined {
		switch s := story(b); {
		case strings.Contains(s, "abandoned"):
			abandoned = s
		case strings.Contains(s, "agent_state"):
			session = s
		default:
			answered, first = s, b.At
		}
	}
	for _, want := range []string{"+33639980042", "accueil", "30000", "120000", "2001", "ended"} {
		if !strings.Contains(answered, want) {
			t.Errorf("no %q in %s", want, answered)
		}
	}
	if !strings.Contains(abandoned, "abandoned") || strings.Contains(abandoned, "connected") {
		t.Errorf("abandoned: %s", abandoned)
	}
	if !strings.Contains(session, "available") || !strings.Contains(session, "signed_out") {
		t.Errorf("the agent's time: %s", session)
	}
	if !first.Equal(time.Unix(1772438410, 0)) {
		t.Errorf("by the CDR the call came at %s", first.UTC())
	}
	for id := range alone {
		if _, same := joined[id]; !same {
			t.Errorf("%s has another name without the CDR", id)
		}
	}
}

func TestQueuesOfFilesAreMappedOrLeftOut(t *testing.T) {
	o := usual()
	o.Queues = map[string]string{"support": "accueil", "interne": LeaveOut}
	l := ledger{}
	h := imported(t, l, o, header+
		"a,support,,,2026-03-02 09:00:00,2026-03-02 09:01:00,,,abandoned,,,,\n"+
		"b,interne,,,2026-03-02 09:00:00,2026-03-02 09:01:00,,,abandoned,,,,\n")
	if h.Written != 1 || len(h.PassedOver) != 1 || !strings.Contains(story(only(t, l)), "queued accueil") {
		t.Errorf("%+v", h.Report)
	}
}

func TestAFileOfNoKnownKindIsRefusedWhole(t *testing.T) {
	for _, text := range []string{"", "hello\n", "a,b,c\n1,2,3\n", "outcome,queued_at\n"} {
		_, err := Read(usual(), File{"f", strings.NewReader(text)})
		if err == nil || !strings.HasPrefix(err.Error(), "f: ") {
			t.Errorf("%q is taken: %v", text, err)
		}
	}
}

// rows draws lines of a CSV, each with an id of its own.
func rows(t *rapid.T) []string {
	return rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) string {
		at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC).Add(time.Duration(rapid.IntRange(0, 3000).Draw(t, "s")) * time.Second)
		left := at.Add(time.Duration(rapid.IntRange(0, 300).Draw(t, "w")) * time.Second)
		const f = "2006-01-02 15:04:05"
		if rapid.Bool().Draw(t, "answered") {
			return fmt.Sprintf("%d,accueil,,,%s,,%s,%s,answered,2001,,,", rapid.IntRange(1, 1_000_000_000).Draw(t, "id"), at.Format(f), left.Format(f), left.Add(time.Minute).Format(f))
		}
		return fmt.Sprintf("%d,accueil,,,%s,%s,,,abandoned,,,,", rapid.IntRange(1, 1_000_000_000).Draw(t, "id"), at.Format(f), left.Format(f))
	}), 1, 60, func(line string) string { id, _, _ := strings.Cut(line, ","); return id }).Draw(t, "rows")
}

func same(a, b ledger) bool {
	if len(a) != len(b) {
		return false
	}
	for id, x := range a {
		y, has := b[id]
		if !has || x.Digest != y.Digest || story(x) != story(y) {
			return false
		}
	}
	return true
}

func TestWhateverIsImportedTwiceOrInPartsIsThereOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		all := rows(rt)
		text := func(rows []string) string { return header + strings.Join(rows, "\n") + "\n" }
		once, twice, parts := ledger{}, ledger{}, ledger{}
		imported(t, once, usual(), text(all))
		imported(t, twice, usual(), text(all))
		if h := imported(t, twice, usual(), text(all)); h.Written != 0 || len(h.Refusals) != 0 {
			rt.Fatalf("the second time %d are written, %v", h.Written, h.Refusals)
		}
		cut := rapid.IntRange(0, len(all)).Draw(rt, "cut")
		overlap := rapid.IntRange(0, cut).Draw(rt, "overlap")
		halves := [][]string{all[:cut], all[cut-overlap:]}
		if rapid.Bool().Draw(rt, "later first") {
			slices.Reverse(halves)
		}
		for _, half := range halves {
			if len(half) > 0 {
				imported(t, parts, usual(), text(half))
			}
		}
		if !same(once, twice) || !same(once, parts) {
			rt.Fatalf("%d, %d and %d bundles", len(once), len(twice), len(parts))
		}
	})
}

func TestFilesThatContradictEachOtherAreTold(t *testing.T) {
	l := ledger{}
	line := "a,accueil,,,2026-03-02 09:00:00,2026-03-02 09:01:00,,,abandoned,,,,\n"
	imported(t, l, usual(), header+line)
	h := imported(t, l, usual(), header+strings.Replace(line, "09:01:00", "09:02:00", 1))
	if h.Written != 0 || h.Known != 1 || len(h.Refusals) != 1 || !strings.Contains(h.Refusals[0].Why, "in another way") {
		t.Errorf("%+v", h.Report)
	}
}

func BenchmarkImport(b *testing.B) {
	var text strings.Builder
	text.WriteString(header)
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	const n = 20_000
	for i := range n {
		at = at.Add(7 * time.Second)
		const f = "2006-01-02 15:04:05"
		fmt.Fprintf(&text, "%d,accueil,,,%s,,%s,%s,answered,2001,06399800%02d,permis,20\n", i, at.Format(f), at.Add(30*time.Second).Format(f), at.Add(3*time.Minute).Format(f), i%100)
	}
	for b.Loop() {
		if h := imported(b, ledger{}, usual(), text.String()); h.Written != n {
			b.Fatal(h.Report)
		}
	}
	b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
