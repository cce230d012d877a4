package e2e

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"decroche/call"
	"decroche/callback"
	"decroche/e2e/rig"
	"decroche/e2e/softphone"
	"decroche/metrics"
	"decroche/metrics/report"
	"decroche/service"
	"decroche/store/storetest"

	decroche "decroche/store"
)

// A script tells fifty calls and counts, by its own hand, what becomes of each.
type script struct {
	*rig.Rig
	mu    sync.Mutex
	count map[string]int64
	calls int
	under sync.WaitGroup
	room  chan struct{} // so many calls at a time as this machine can listen to
}

// caller is the next citizen, each with a number of their own, and notes what becomes of the call.
func (s *script) caller(t *testing.T, number string, counts ...string) *rig.Line {
	t.Helper()
	s.mu.Lock()
	s.calls++
	from := nth(400 + s.calls)
	s.note(counts...)
	s.mu.Unlock()
	return s.With(t).Dial(number, from)
}

// note counts; the lock is held.
func (s *script) note(counts ...string) {
	for _, c := range counts {
		s.count[c]++
	}
}

// times tells a story so often, each in a goroutine of its own, so that calls lie over each
// other as on any day. A story that fails ends alone, and fails the test.
func (s *script) times(n int, story func()) {
	for range n {
		s.under.Go(func() {
			s.room <- struct{}{}
			defer func() { <-s.room }()
			story()
		})
	}
}

// desk answers whatever rings, and hangs up after a moment, until it is told to stop.
func (s *script) desk(t *testing.T, id string) (p *softphone.Phone, stop func()) {
	t.Helper()
	p = s.Available(id)
	over, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-over:
				return
			case ring := <-p.Incoming():
				c, err := ring.Answer(t.Context())
				if err != nil {
					continue // the caller left
				}
				select {
				case <-c.Done():
				case <-time.After(9 * time.Second): // what the agent is told first takes half of it
				}
				_ = c.Hangup(t.Context())
			}
		}
	}()
	return p, func() { close(over); <-done }
}

// figures reads what the controller has counted, as a manager's tool does.
func (s *script) figures(t *testing.T) (*metrics.Figures, metrics.Query) {
	t.Helper()
	db := storetest.Open(t, cmp.Or(s.Database, "sqlite:"+s.Dir+"/decroche.db"), func(o *decroche.Options) { o.DataDir, o.Tool = s.Dir, true })
	def, err := service.ParseFile(s.Dir + "/service.yaml")
	if err != nil {
		t.Fatal(err)
	}
	f := &metrics.Figures{Store: db.Ledger(), Settings: func() *metrics.Settings { return metrics.SettingsOf(def) }, Now: time.Now}
	day := time.Now().In(def.Location).Truncate(time.Hour).Add(-24 * time.Hour)
	return f, metrics.Query{From: day, To: day.Add(48 * time.Hour), Percentiles: true}
}

func TestADayOfFiftyCallsIsCountedAsItsScriptCountsIt(t *testing.T) {
	t.Parallel()
	closedNow := essai(t) // closedLine is closed now, the other numbers are always open
	r := rig.Start(t, rig.Options{Service: closedNow})
	r.Index() // before the callers share it
	s := &script{Rig: r, count: map[string]int64{}, room: make(chan struct{}, 10)}

	s.times(6, func() { // hangs up in the menu
		c := s.caller(t, line, "received", "open", "left_ivr")
		c.Hears("fr/menu-principal", 15*time.Second)
		c.HangsUp()
	})
	s.times(6, func() { // hears the information
		c := s.caller(t, line, "received", "open", "self_served")
		c.Hears("fr/bienvenue", 15*time.Second)
		c.Types("3")
		c.HearsAll("fr/info-horaires", 15*time.Second)
		c.Hears("fr/info.offer-person", 10*time.Second)
		c.HangsUp()
	})
	s.times(6, func() { // finds it closed
		c := s.caller(t, closedLine, "received", "closed")
		c.HearsAll("fr/ferme", 15*time.Second)
		c.Ends(30 * time.Second)
	})
	s.times(6, func() { // abandons
		c := s.caller(t, line, "received", "open", "requested", "offered", "abandoned")
		c.Hears("fr/bienvenue", 15*time.Second)
		c.Types("1")
		c.Hears("fr/queue.joined", 15*time.Second)
		time.Sleep(7 * time.Second) // longer than a short abandonment
		c.HangsUp()
	})
	s.times(4, func() { // abandons at once
		c := s.caller(t, line, "received", "open", "requested", "offered", "abandoned", "short")
		c.Hears("fr/bienvenue", 15*time.Second)
		c.Types("1")
		c.Hears("fr/queue.joined", 15*time.Second)
		c.HangsUp()
	})
	s.times(3, func() { // hides the number
		s.mu.Lock()
		s.note("received", "open", "left_ivr", "withheld")
		s.mu.Unlock()
		c := s.With(t).Dial(line, "anonymous", softphone.From(`"Anonymous" <sip:anonymous@anonymous.invalid>`))
		c.Hears("fr/menu-principal", 15*time.Second)
		c.HangsUp()
	})
	s.times(2, func() { // dials a number of nobody
		c := s.caller(t, "+33199003999", "received", "failed")
		c.Ends(30 * time.Second)
	})
	s.under.Wait()
	s.fillsTheQueue(t)
	agent := s.isAnswered(t)
	s.isCalledBack(t, agent)
	s.check(t)
}

// fillsTheQueue has two wait, and three who find the queue full.
func (s *script) fillsTheQueue(t *testing.T) {
	var waiting []*rig.Line
	for range 2 {
		c := s.caller(t, permits, "received", "open", "requested", "offered", "abandoned")
		c.Hears("fr/position.*", 15*time.Second)
		waiting = append(waiting, c)
	}
	s.times(3, func() {
		c := s.caller(t, permits, "received", "open", "dissuaded")
		c.HearsAll("fr/sature", 15*time.Second)
		c.Ends(30 * time.Second)
	})
	s.under.Wait()
	for _, c := range waiting {
		c.HangsUp()
	}
}

// isAnswered has ten answered, two of whom call again for the same reason.
func (s *script) isAnswered(t *testing.T) *softphone.Phone {
	first, stop := s.desk(t, "2001")
	_, stopToo := s.desk(t, "2002")
	for range 2 {
		again := 0
		s.times(5, func() {
			s.mu.Lock()
			s.note("received", "open", "requested", "offered", "answered", "legs")
			from := nth(490 + again) // the same five, twice
			again++
			s.mu.Unlock()
			c := s.With(t).Dial(line, from)
			c.Hears("fr/bienvenue", 15*time.Second)
			c.Types("1")
			c.Ends(90 * time.Second)
		})
		s.under.Wait()
	}
	s.mu.Lock()
	s.count["repeated"] += 5 // the first calls of the five
	s.mu.Unlock()
	for _, id := range []string{"2001", "2002"} {
		s.Must("agent", "pause", id)
	}
	stop()
	stopToo()
	return first
}

// isCalledBack has two ask for a callback: one is called back and speaks with an agent, the
// other thinks better of it.
func (s *script) isCalledBack(t *testing.T, desk *softphone.Phone) {
	s.WriteService(callbacksOn(t, ""))
	s.Must("reload")
	p := mobile(t, s.Rig, softphone.Manner{})
	s.note("received", "open", "requested", "offered", "called_back", "promised", "cancelled")
	asks(t, s.Rig, p.Phone).Ends(20 * time.Second)
	s.Must("callbacks", "cancel", string(onePromise(t, s.Rig).ID))

	s.note("received", "open", "requested", "offered", "called_back", "promised", "kept", "legs", "repeated")
	asks(t, s.Rig, p.Phone).Ends(20 * time.Second)
	s.Must("agent", "available", "2001")
	agent := s.Answers(desk, 20*time.Second)
	select {
	case up := <-p.Citizen.Calls():
		back := s.Listen(p.Phone, up)
		back.Hears("fr/recall.press", 15*time.Second)
		back.Types("1")
		s.Talks(back, agent)
		back.HangsUp()
	case <-time.After(40 * time.Second):
		t.Fatal("the citizen's phone should ring")
	}
	s.Eventually(10*time.Second, "the promise is kept", func() error {
		if len(promises(t, s.Rig, string(callback.Kept))) != 1 {
			return errors.New("not yet")
		}
		return nil
	})
}

// check holds the figures against the script's own count.
func (s *script) check(t *testing.T) {
	n := s.count
	f, q := s.figures(t)
	want := map[string][2]int64{
		"received": {n["received"], 0}, "received_open": {n["open"], 0}, "requested": {n["requested"], 0},
		"decroche_agent":         {n["answered"], n["requested"]},
		"decroche_agent_kept":    {n["answered"] + n["kept"], n["requested"]},
		"decroche_agent_harsher": {n["answered"], n["requested"] + n["dissuaded"]},
		"decroche_global":        {n["answered"] + n["self_served"], n["open"]},
		"abandoned":              {n["abandoned"], n["offered"]},
		"abandoned_short":        {n["short"], n["offered"]},
		"self_served":            {n["self_served"], n["received"]},
		"left_ivr":               {n["left_ivr"], n["received"]},
		"outcome_closed":         {n["closed"], 0}, "outcome_dissuaded": {n["dissuaded"], 0}, "outcome_failed": {n["failed"], 0},
		"outcome_called_back": {n["called_back"], 0}, "outcome_answered": {n["answered"], 0},
		"withheld":       {n["withheld"], n["received"]},
		"repeated_24h":   {n["repeated"], n["received"] - n["withheld"]},
		"promises_asked": {n["promised"], 0}, "promises_kept": {n["kept"], n["kept"]}, "promises_cancelled": {n["cancelled"], 0},
	}
	var last []metrics.Line
	counted := func() error {
		lines, err := f.Lines(t.Context(), q)
		if err != nil || len(lines) != 1 {
			return errors.Join(err, fmt.Errorf("%d lines", len(lines)))
		}
		last = lines
		var wrong []string
		for id, w := range want {
			i, ok := metrics.IndicatorOf(id)
			if !ok {
				t.Fatalf("there is no indicator %q", id)
			}
			if got := i.Of(lines[0].Cell); got.Num != w[0] || got.Den != w[1] {
				wrong = append(wrong, fmt.Sprintf("%s is %d / %d, and the script counts %d / %d", id, got.Num, got.Den, w[0], w[1]))
			}
		}
		if got := lines[0].Cell.N(metrics.Legs); got != n["legs"] {
			wrong = append(wrong, fmt.Sprintf("%d conversations, and the script counts %d", got, n["legs"]))
		}
		if len(wrong) > 0 {
			return errors.New(strings.Join(wrong, "\n"))
		}
		return nil
	}
	if n["received"] != 50 {
		t.Fatalf("the script has %d calls", n["received"])
	}
	s.Eventually(15*time.Second, "the figures are those of the script", counted)

	t.Run("the report says the same", func(t *testing.T) {
		days := []string{"report", "--from", q.From.Format(time.DateOnly), "--to", q.To.Format(time.DateOnly)}
		var rep report.Report
		if err := json.Unmarshal([]byte(s.Must(append(days, "--format", "json")...)), &rep); err != nil {
			t.Fatal(err)
		}
		said := 0
		for _, f := range rep.Figures {
			if w, counted := want[f.Indicator]; counted {
				said++
				if f.Num != w[0] || f.Den != w[1] {
					t.Errorf("%s is reported as %d / %d, and the script counts %d / %d", f.Indicator, f.Num, f.Den, w[0], w[1])
				}
			}
		}
		if said != len(want) {
			t.Errorf("%d of %d figures are reported", said, len(want))
		}
		listed := s.Must(append(days, "--contacts", "decroche_agent", "--side", "den")...)
		if end := fmt.Sprintf("%d contacts\n", n["requested"]); !strings.HasSuffix(listed, end) {
			t.Errorf("the denominator opens on\n%s", listed)
		}
	})

	t.Run("each figure opens on its contacts", func(t *testing.T) {
		for _, i := range []metrics.Measure{metrics.AnsweredCalls, metrics.AbandonedQueue, metrics.AbandonedShort, metrics.Asked, metrics.SelfServed, metrics.Repeated24h, metrics.PromisesKept} {
			page, err := f.Contacts(t.Context(), metrics.Drill{From: q.From, To: q.To, Counted: []metrics.Measure{i}, Limit: 100})
			if err != nil {
				t.Fatal(err)
			}
			if got, want := int64(len(page.Contacts)), last[0].Cell.N(i); got != want {
				t.Errorf("measure %d opens on %d contacts, and counts %d", i, got, want)
			}
		}
	})
	if out := s.Must("metrics", "rebuild"); !strings.Contains(out, "made anew") {
		t.Errorf("a rebuild says %q", out)
	}
	if err := counted(); err != nil {
		t.Errorf("made anew, beside the controller: %v", err)
	}
	if lost := s.Metric("decroche_today_ratio{indicator=\"decroche_agent\"}"); lost <= 0 || lost >= 1 {
		t.Errorf("the décroché of the day on /metrics is %v", lost)
	}
	for _, e := range s.Facts(call.EventEnded) {
		if e.Data["outcome"] == "" {
			t.Errorf("a call ends without an outcome: %v", e)
		}
	}
}
