package admin

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"decroche/call"
	"decroche/callback"
	"decroche/routing"
	"decroche/text"
)

// floorView is the live board.
type floorView struct {
	v      *visit
	At     string
	Queues []queueRow
	Agents []agentRow
	Alarms []Alarm
	States []stateCount
	// Stale says of when the figures of the day are, when they are not of now.
	Stale string
	// Elsewhere are the other lines.
	Elsewhere []Elsewhere
}

// table is the queues of a line, and the words of the board.
type table struct {
	*floorView
	Rows []queueRow
	ID   string
}

// Of is the table of some queues.
func (f *floorView) Of(rows []queueRow, id string) table { return table{f, rows, id} }

type queueRow struct {
	Name                                         string
	Waiting, Ringing, Talking                    int
	Longest, Estimate, Agents                    string
	Decroche, Hour, InTime, Abandoned, Callbacks string
	// Mood is "good", "bad" or "" by the goal of the day; Late marks a wait beyond the queue's goal, Overdue callbacks
	// whose window is over.
	Mood          string
	Late, Overdue bool
}

type agentRow struct {
	ID, Name, Team, State, StateName, Since, Of string
}

type stateCount struct {
	State, Name string
	N           int
}

// boards renders the board once a second for all who look at it, in each language.
type boards struct {
	mu      sync.Mutex
	running bool
	ended   bool
	viewers map[chan []byte]call.Lang
	last    map[call.Lang][]byte
	// day are the figures of the day as they were last counted, at dayAt; counting says that they are being.
	day      map[string]Day
	dayAt    time.Time
	counting bool
}

const (
	boardEvery = 500 * time.Millisecond
	// dayPatience bounds the counting of the day; figures that are older are said to be.
	dayPatience = 5 * time.Second
)

// aliveEvery tells a proxy, and the browser, that the stream lives; and looks whether the session does. Tests have
// less time.
var aliveEvery = 5 * time.Second

// Close ends the streams, so that a server can stop.
func (s *Server) Close() {
	s.boards.mu.Lock()
	defer s.boards.mu.Unlock()
	s.boards.ended = true
	for c := range s.boards.viewers {
		close(c)
		delete(s.boards.viewers, c)
	}
}

// showFloor is the board as it is now; its script keeps it so.
func (v *visit) showFloor() {
	if err := v.s.countDay(v.r.Context()); err != nil {
		v.s.Log.Warn("the board has no figures of the day", "err", err)
	}
	v.Floor = v.board(v.s.boards.counted())
	v.Wall = v.r.URL.Query().Get("mur") != ""
	v.render(http.StatusOK, "floor.html", v.T("floor.title"))
}

// countDay counts the day, unless that was done just now.
func (s *Server) countDay(ctx context.Context) error {
	b := &s.boards
	if _, at := b.counted(); time.Since(at) < boardEvery/2 {
		return nil
	}
	ctx, done := context.WithTimeout(ctx, dayPatience)
	defer done()
	day, err := s.Today(ctx)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.day, b.dayAt = day, time.Now()
	return nil
}

// counted are the figures of the day as they were last counted, and when.
func (b *boards) counted() (day map[string]Day, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.day, b.dayAt
}

// count has the day counted, and waits a little for it: who waits and who answers is pushed in time,
// whatever the database does.
func (b *boards) count(ctx context.Context, s *Server) {
	b.mu.Lock()
	busy := b.counting
	b.counting = true
	b.mu.Unlock()
	if busy {
		return
	}
	counted := make(chan struct{})
	go func() {
		defer close(counted)
		if err := s.countDay(ctx); err != nil && ctx.Err() == nil {
			s.Log.Warn("the board has no figures of the day", "err", err)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.counting = false
	}()
	select {
	case <-counted:
	case <-time.After(boardEvery / 2):
	}
}

// streamFloor pushes the board until the browser, the session or the server goes.
func (v *visit) streamFloor() {
	c := make(chan []byte, 1)
	if !v.s.boards.join(v.s, c, v.Lang) {
		v.stop(http.StatusServiceUnavailable, "broken")
		return
	}
	defer v.s.boards.leave(c)
	out := http.NewResponseController(v.w)
	v.w.Header().Set("Content-Type", "text/event-stream")
	v.w.Header().Set("X-Accel-Buffering", "no")
	alive := time.NewTicker(aliveEvery)
	defer alive.Stop()
	for {
		var message []byte
		select {
		case <-v.r.Context().Done():
			return
		case board, ok := <-c:
			if !ok {
				return
			}
			message = board
		case <-alive.C:
			message = []byte("event: alive\ndata: 1\n\n")
		}
		_ = out.SetWriteDeadline(time.Now().Add(2 * aliveEvery)) // one who does not read is let go
		if _, err := v.w.Write(message); err != nil {
			return
		}
		if err := out.Flush(); err != nil {
			return
		}
	}
}

// join adds a viewer, who is given the board at once.
func (b *boards) join(s *Server, c chan []byte, lang call.Lang) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return false
	}
	if b.viewers == nil {
		b.viewers, b.last = map[chan []byte]call.Lang{}, map[call.Lang][]byte{}
	}
	b.viewers[c] = lang
	if last := b.last[lang]; last != nil {
		c <- last
	}
	if !b.running {
		b.running = true
		go b.run(s)
	}
	return true
}

func (b *boards) leave(c chan []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.viewers, c)
}

// run renders while somebody looks.
func (b *boards) run(s *Server) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s.followOthers(ctx)
	tick := time.NewTicker(boardEvery)
	defer tick.Stop()
	for range tick.C {
		b.mu.Lock()
		langs := map[call.Lang]bool{}
		for _, l := range b.viewers {
			langs[l] = true
		}
		if len(langs) == 0 {
			b.running, b.last = false, map[call.Lang][]byte{}
			b.mu.Unlock()
			return
		}
		b.mu.Unlock()
		b.count(ctx, s)
		for l := range langs {
			b.push(l, s.rendered(l))
		}
	}
}

// push gives a board to those who read this language, if it is another than the last. Who is
// slow is given the newest only.
func (b *boards) push(lang call.Lang, board []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if bytes.Equal(b.last[lang], board) {
		return
	}
	b.last[lang] = board
	for c, l := range b.viewers {
		if l != lang {
			continue
		}
		select {
		case <-c:
		default:
		}
		c <- board
	}
}

// rendered is the board as an event of the stream.
func (s *Server) rendered(lang call.Lang) []byte {
	v := &visit{s: s, def: s.Service(), now: time.Now(), Lang: lang}
	var page, out bytes.Buffer
	if err := pages.ExecuteTemplate(&page, "board", v.board(s.boards.counted())); err != nil {
		s.Log.Error("the board could not be written", "err", err)
		return nil
	}
	for line := range bytes.Lines(bytes.TrimSpace(page.Bytes())) {
		fmt.Fprintf(&out, "data: %s\n", bytes.TrimRight(line, "\n"))
	}
	out.WriteString("\n")
	return out.Bytes()
}

// T is a text of the board.
func (f *floorView) T(id string, pairs ...any) string { return f.v.T(id, pairs...) }

// Risk is how many minutes before the end of its window a callback is at risk.
func (*floorView) Risk() int { return int(callback.Risk / time.Minute) }

// board is how things stand, with the figures of the day as they were counted at a moment.
func (v *visit) board(day map[string]Day, counted time.Time) *floorView {
	f := &floorView{v: v, At: text.Clock(v.Lang, v.now.In(v.zone())), Alarms: v.s.Alarms(v.Lang, day), Elsewhere: v.elsewhere()}
	switch {
	case counted.IsZero():
		f.Stale = v.T("floor.uncounted")
	case v.now.Sub(counted) > dayPatience:
		f.Stale = v.T("floor.stale", "when", v.when(counted))
	}
	for _, q := range v.s.Floor.Queues() {
		f.Queues = append(f.Queues, v.queueRow(q, day[q.ID]))
	}
	counts := map[routing.AgentState]int{}
	for _, a := range v.s.Floor.Agents() {
		counts[a.State]++
		if a.State == routing.SignedOut {
			continue
		}
		row := agentRow{ID: string(a.ID), Name: cmp.Or(a.Name, string(a.ID)), Team: a.Team, State: string(a.State), StateName: v.T("agent." + string(a.State)), Since: v.lasted(v.now.Sub(a.Since))}
		if a.Queue != "" {
			row.Of = v.queueName(a.Queue)
		}
		f.Agents = append(f.Agents, row)
	}
	for _, state := range slices.Sorted(maps.Keys(counts)) {
		f.States = append(f.States, stateCount{string(state), v.T("agent." + string(state)), counts[state]})
	}
	return f
}

func (v *visit) queueRow(q routing.QueueStatus, d Day) queueRow {
	row := queueRow{
		Name: v.queueName(q.ID), Waiting: q.Waiting, Ringing: q.Ringing, Talking: q.Talking, Longest: "–", Estimate: v.estimate(q.Estimate),
		Agents:   v.T("floor.agents", "available", q.Available, "signed_in", q.SignedIn),
		Decroche: share(v.Lang, d.Answered, d.Requested), Hour: share(v.Lang, d.HourAnswered, d.HourRequested), InTime: share(v.Lang, d.InTime, d.Offered),
		Abandoned: fmt.Sprint(d.Abandoned), Callbacks: v.callbacks(d), Overdue: d.CallbacksLate > 0,
	}
	if q.Waiting > 0 {
		row.Longest = v.lasted(q.LongestWait)
	}
	if def := v.def.Queues[q.ID]; def != nil {
		row.Late = q.Waiting > 0 && q.LongestWait > def.InTime.Within
	}
	if goal := v.def.Indicators.Goals.Answered; d.Requested > 0 {
		if row.Mood = "bad"; float64(d.Answered) >= goal*float64(d.Requested) {
			row.Mood = "good"
		}
	}
	return row
}

// callbacks writes those to be made, and how many of them are late or at risk.
func (v *visit) callbacks(d Day) string {
	id := ""
	switch {
	case d.CallbacksLate > 0 && d.CallbacksAtRisk > 0:
		id = "floor.late_risk"
	case d.CallbacksLate > 0:
		id = "floor.late"
	case d.CallbacksAtRisk > 0:
		id = "floor.risk"
	default:
		return fmt.Sprint(d.CallbacksDue)
	}
	return v.T(id, "due", d.CallbacksDue, "late", d.CallbacksLate, "risk", d.CallbacksAtRisk)
}

// lasted writes a duration: "34 s", "2 min", "1 h 05".
func (v *visit) lasted(d time.Duration) string {
	switch s := int(d.Seconds()); {
	case s < 60:
		return fmt.Sprintf("%d s", max(0, s))
	case s < 3600:
		return fmt.Sprintf("%d min %02d", s/60, s%60)
	default:
		return fmt.Sprintf("%d h %02d", s/3600, s/60%60)
	}
}

// share writes a rate with its counts: "85 % (17/20)", "–" when there is nothing to divide by.
func share(lang call.Lang, num, den int64) string {
	if den == 0 {
		return "–"
	}
	space := ""
	if lang == "fr" {
		space = "\u202f"
	}
	return fmt.Sprintf("%d%s%% (%d/%d)", (200*num+den)/(2*den), space, num, den)
}

// estimate writes the wait that a caller who came now would be told.
func (v *visit) estimate(e routing.Estimate) string {
	low, high := int(e.Low/time.Minute), int((e.High+time.Minute-1)/time.Minute)
	switch {
	case !e.Known:
		return "–"
	case low <= 0:
		return v.T("floor.under", "high", max(1, high))
	}
	return v.T("floor.between", "low", low, "high", high)
}
