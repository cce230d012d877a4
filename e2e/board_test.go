package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"html"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"decroche/call"
	"decroche/e2e/rig"
)

// behind is how late the live board may be.
const behind = time.Second

// The board is at most a second behind the line: who waits, who speaks with whom, and the figures of the day,
// in which a conversation counts from its first word.
func TestTheLiveBoardIsAtMostASecondBehindTheLine(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{Service: callbacksOn(t, "")})
	b := watch(signIn(t, r, "lou", "supervisor"))
	b.shows(time.Now(), "an empty board", "Accueil", map[int]string{waitingCell: "0", decrocheCell: "–"})

	first := joins(r, "+33639980641")
	queued := r.WaitFact(call.EventQueued, nil)
	b.shows(queued.At, "a caller waits", "Accueil", map[int]string{waitingCell: "1"})

	desk := r.Available("2001")
	agent := r.Answers(desk, 10*time.Second)
	talking := r.WaitFact(call.EventConnected, nil)
	b.shows(talking.At, "a caller is answered", "Accueil", map[int]string{waitingCell: "0", talkingCell: "1", decrocheCell: "100 % (1/1)", hourCell: "100 % (1/1)", inTimeCell: "100 % (1/1)"})

	second := joins(r, "+33639980642")
	time.Sleep(5 * time.Second) // beyond a short abandonment, which "in time" leaves out
	second.HangsUp()
	left := r.WaitFact(call.EventEnded, nil)
	b.shows(left.At, "a caller abandons", "Accueil", map[int]string{waitingCell: "0", abandonedCell: "1", decrocheCell: "50 % (1/2)", inTimeCell: "50 % (1/2)"})

	first.HangsUp()
	agent.Ends(5 * time.Second)
	over := r.WaitFact(call.EventEnded, func(f rig.Fact) bool { return f.Data["outcome"] == "answered" })
	b.shows(over.At, "the conversation is over", "Accueil", map[int]string{talkingCell: "0", decrocheCell: "50 % (1/2)", abandonedCell: "1"})

	r.Must("callbacks", "add", "0639980012", "--queue", "accueil")
	b.shows(r.WaitFact(call.EventPromised, nil).At, "a callback is due", "Accueil", map[int]string{callbacksCell: "1"})
}

// Cells of a queue's row, after its name.
const (
	waitingCell   = 0
	talkingCell   = 3
	decrocheCell  = 5
	hourCell      = 6
	inTimeCell    = 7
	abandonedCell = 8
	callbacksCell = 9
)

// liveBoard is a board that somebody looks at, as the server pushes it.
type liveBoard struct {
	t      *testing.T
	mu     sync.Mutex
	frames []frame
}

type frame struct {
	at   time.Time
	rows map[string][]string
}

func watch(v *visitor) *liveBoard {
	v.t.Helper()
	req, err := http.NewRequestWithContext(v.t.Context(), http.MethodGet, "http://"+v.r.Admin+"/direct/flux", nil)
	if err != nil {
		v.t.Fatal(err)
	}
	res, err := (&http.Client{Jar: v.client.Jar}).Do(req)
	if err != nil || res.StatusCode != http.StatusOK {
		v.t.Fatalf("the board's stream: %v %v", res, err)
	}
	b := &liveBoard{t: v.t}
	go func() {
		defer res.Body.Close()
		var page bytes.Buffer
		for lines := bufio.NewScanner(res.Body); lines.Scan(); {
			if line, is := strings.CutPrefix(lines.Text(), "data: "); is {
				page.WriteString(line + "\n")
				continue
			}
			if f := (frame{time.Now(), rowsOf(page.String())}); len(f.rows) > 0 {
				b.mu.Lock()
				b.frames = append(b.frames, f)
				b.mu.Unlock()
			}
			page.Reset()
		}
	}()
	return b
}

var (
	boardRow  = regexp.MustCompile(`(?s)<tr><th scope="row">([^<]*)</th>(.*?)</tr>`)
	boardCell = regexp.MustCompile(`(?s)<td[^>]*>(.*?)</td>`)
	boardTag  = regexp.MustCompile(`(?s)<span class="vh">.*?</span>|<[^>]*>`)
)

func rowsOf(page string) map[string][]string {
	rows := map[string][]string{}
	for _, row := range boardRow.FindAllStringSubmatch(page, -1) {
		for _, c := range boardCell.FindAllStringSubmatch(row[2], -1) {
			rows[row[1]] = append(rows[row[1]], strings.TrimSpace(strings.ReplaceAll(html.UnescapeString(boardTag.ReplaceAllString(c[1], "")), "\u202f", " ")))
		}
	}
	return rows
}

// shows holds the board to what it says of a queue within a second of a moment.
func (b *liveBoard) shows(since time.Time, what, queue string, want map[int]string) {
	b.t.Helper()
	var last string
	for limit := time.Now().Add(10 * time.Second); time.Now().Before(limit); time.Sleep(20 * time.Millisecond) {
		b.mu.Lock()
		frames := b.frames
		b.mu.Unlock()
		for _, f := range frames {
			if f.at.Before(since) || len(f.rows[queue]) == 0 {
				continue
			}
			wrong := ""
			for cell, text := range want {
				if got := f.rows[queue][cell]; got != text {
					wrong += fmt.Sprintf(" cell %d is %q, want %q;", cell, got, text)
				}
			}
			if last = wrong; wrong != "" {
				continue
			}
			late := f.at.Sub(since)
			b.t.Logf("%s: on the board after %s", what, late.Round(time.Millisecond))
			if late > behind {
				b.t.Errorf("%s: the board is %s behind", what, late.Round(time.Millisecond))
			}
			return
		}
	}
	b.t.Fatalf("%s: never on the board:%s", what, last)
}
