package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"decroche/call"
	"decroche/e2e/rig"
	"decroche/e2e/softphone"
)

// joins dials and goes to the queue accueil; it returns once the caller hears so.
func joins(r *rig.Rig, from string) *rig.Line {
	c := r.Dial(line, from)
	c.Hears("fr/bienvenue", 10*time.Second)
	c.Types("1")
	c.Hears("fr/queue.joined", 5*time.Second)
	return c
}

// One agent is on a call and three callers wait: what they hear, for the whole of their wait.
func TestWaitingCallersHearTheirPlaceARangeAndMusicAndNoSilence(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	desk := r.Available("2001")
	helped := r.Dial(permits, "+33639980100") // nobody who serves titres: the agent of accueil helps after six seconds
	joined := helped.Hears("fr/queue.joined", 10*time.Second)
	ring := r.Rings(desk, 20*time.Second)
	if after := time.Since(helped.Hear().Start.Add(joined.Start)); after < 5*time.Second || after > 9*time.Second {
		t.Errorf("the agent who helps by overflow rang after %s", after)
	}
	agentCall, err := ring.Answer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.Talks(helped, r.Listen(desk, agentCall))
	if n := len(r.Facts(call.EventOverflowed)); n == 0 {
		t.Error("the journal does not say that the call went to a helping queue")
	}

	callers := []*rig.Line{joins(r, "+33639980101"), joins(r, "+33639980102"), joins(r, "+33639980103")}
	first, last := callers[0], callers[2]
	last.Hears("fr/position.3", 10*time.Second)
	last.Hears("fr/wait.*", 5*time.Second)
	last.Hears("music", 10*time.Second)
	if out := r.Must("queues"); !strings.Contains(out, "accueil") || strings.Contains(queueLine(out, "accueil"), "unknown") {
		t.Errorf("the operator sees no estimate:\n%s", out)
	}
	first.HangsUp()
	last.Hears("fr/position.2", 20*time.Second)
	last.Hears("music", 15*time.Second)

	// Any key: the place is said at once.
	pressed := time.Since(last.Hear().Start)
	last.Types("5", softphone.WithLength(100*time.Millisecond, 60*time.Millisecond))
	last.Hears("fr/position.2", 5*time.Second)
	for _, h := range last.Heard() {
		if h.Is("fr/position.2") && h.Start > pressed {
			t.Logf("a key pressed while waiting was answered after %s", h.Start-pressed)
			if h.Start-pressed > time.Second {
				t.Errorf("a key pressed while waiting was answered after %s", h.Start-pressed)
			}
			break
		}
	}
	// The line is listened to for at least forty seconds of waiting.
	began := heardOf(t, last, "fr/queue.joined").Start
	for last.Hear().Duration() < began+42*time.Second {
		time.Sleep(500 * time.Millisecond)
	}
	heard := last.Hear()
	if s := softphone.LongestSilence(heard, began, began+41*time.Second); s.Length() > 2*time.Second {
		t.Errorf("a waiting caller heard nothing for %s from %s on: %v", s.Length(), s.Start, last.Heard())
	} else {
		t.Logf("the longest silence in 41 s of waiting is %s", s.Length())
	}
	checkAnnouncements(t, last)
	checkRanges(t, r)
	if s := softphone.LongestSilence(callers[1].Hear(), heardOf(t, callers[1], "fr/queue.joined").Start, 0); s.Length() > 2*time.Second {
		t.Errorf("the caller before heard nothing for %s", s.Length())
	}

	// The agent is free: the one who waits longest is served.
	if err := agentCall.Hangup(t.Context()); err != nil {
		t.Fatal(err)
	}
	served := r.Answers(desk, 10*time.Second)
	callers[1].Hears("fr/hold.connecting", 5*time.Second)
	served.Hears("fr/whisper.wait.*", 20*time.Second)
	r.Talks(callers[1], served)
	last.Hears("fr/position.1", 20*time.Second)
}

func queueLine(out, queue string) string {
	for l := range strings.Lines(out) {
		if strings.HasPrefix(l, queue) {
			return l
		}
	}
	return ""
}

// checkAnnouncements holds that words and music take turns and that no announcement is cut.
func checkAnnouncements(t *testing.T, l *rig.Line) {
	t.Helper()
	all := l.Heard()
	from := slices.IndexFunc(all, func(h softphone.Heard) bool { return h.Is("fr/queue.joined") })
	announcements, music := 0, 0
	for i, h := range all[from:] {
		if h.Is("music") {
			music++
			continue
		}
		if strings.HasPrefix(h.Name, "fr/position.") && h.Offset == 0 {
			announcements++
		}
		if from+i == len(all)-1 {
			break // it still plays
		}
		// Packets that a busy machine loses part a hearing in two; the second goes on where the first stopped.
		next := all[from+i+1]
		if parted := h.Offset > 0 || next.Is(h.Name) && next.Offset > 0; !parted && h.Score < 0.7 {
			t.Errorf("%s was cut: %v", h.Name, all)
		}
	}
	if announcements < 4 || music < 4 {
		t.Errorf("in forty seconds the place was said %d times, with music %d times: %v", announcements, music, all)
	}
}

// checkRanges holds every announcement to the rule: a range that is no exact figure, and
// that does not rise without a cause.
func checkRanges(t *testing.T, r *rig.Rig) {
	t.Helper()
	high := map[string]float64{}
	ranges := 0
	for _, f := range r.Facts(call.EventAnnounced) {
		if f.Data["rung"] == nil || f.Data["queue"] != "accueil" {
			continue
		}
		ranges++
		upper := f.Data["high_s"].(float64)
		if upper == 0 {
			upper = 1e9
		}
		if before, ok := high[f.Call]; ok && upper > before && f.Data["cause"] == "" {
			t.Errorf("the wait of %s rose without a cause: %v", f.Call, f.Data)
		}
		high[f.Call] = upper
	}
	if ranges < 5 {
		t.Errorf("only %d ranges were announced", ranges)
	}
}
