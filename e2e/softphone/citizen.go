package softphone

import (
	"context"
	"math"
	"regexp"
	"slices"
	"sync"
	"time"
)

// Manner is how a citizen's telephone behaves when it is called. The zero value answers at
// once and listens.
type Manner struct {
	// After is how long it rings before it does what follows.
	After time.Duration
	// Never: it rings until the caller gives up.
	Never bool
	// Refuse is a SIP code: 486 busy, 603 declined, 404 no such number, 480 switched off; 0: it answers.
	Refuse int
	// Then is what it does once it has answered, until ctx ends with the call; nil: it
	// listens. The call stays up afterwards.
	Then func(ctx context.Context, c *Call)
}

// Citizen is who answers a telephone that the exchange calls: every call that comes to the
// telephone is met in the manner set. It ends with the telephone.
type Citizen struct {
	phone *Phone
	calls chan *Call

	mu     sync.Mutex
	manner Manner
	met    []Met
	open   int // ringing or up
	most   int
}

// Met is a call that a citizen was rung for.
type Met struct {
	// At is when the INVITE came in.
	At time.Time
	// Shown is the number in the From header, Asserted that of P-Asserted-Identity, "" without one.
	Shown, Asserted string
	// Result is "ringing", "answered", "refused" or "cancelled" (the caller gave up).
	Result string
	// Over is when it stopped ringing.
	Over time.Time

	freed bool // no longer one of those that ring or are up
}

// Citizen takes the telephone's incoming calls from now on. It is for telephones without AutoAnswer.
func (p *Phone) Citizen(m Manner) *Citizen {
	h := &Citizen{phone: p, manner: m, calls: make(chan *Call, 64)}
	if !p.enter() {
		return h
	}
	go func() {
		defer p.wg.Done()
		for {
			select {
			case r := <-p.incoming:
				h.take(r)
			case <-p.ctx.Done():
				return
			}
		}
	}()
	return h
}

// Behave changes the manner for the calls to come.
func (h *Citizen) Behave(m Manner) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.manner = m
}

// Calls gives the calls that were answered, 64 at most.
func (h *Citizen) Calls() <-chan *Call { return h.calls }

// Met lists the calls so far, oldest first.
func (h *Citizen) Met() []Met {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.met)
}

// Most is the greatest number of calls that rang or were up at one time.
func (h *Citizen) Most() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.most
}

var userOf = regexp.MustCompile(`sip:([^@;>]*)`)

// take begins a call in a goroutine of its own.
func (h *Citizen) take(r *Ringing) {
	h.mu.Lock()
	m := h.manner
	met := Met{At: r.Since(), Shown: r.CallerID(), Result: "ringing"}
	if u := userOf.FindStringSubmatch(r.Header("P-Asserted-Identity")); u != nil {
		met.Asserted = u[1]
	}
	i := len(h.met)
	h.met = append(h.met, met)
	h.open++
	h.most = max(h.most, h.open)
	h.mu.Unlock()
	if !h.phone.enter() {
		return
	}
	go func() {
		defer h.phone.wg.Done()
		h.meet(r, m, i)
		h.free(i)
	}()
}

func (h *Citizen) meet(r *Ringing, m Manner, i int) {
	after := time.NewTimer(m.After)
	defer after.Stop()
	if m.Never {
		after.Stop()
	}
	select {
	case <-after.C:
	case <-r.Cancelled():
		h.settle(i, "cancelled")
		return
	}
	if m.Refuse != 0 {
		h.settle(i, "refused") // before it is sent: who waits for the answer finds it so
		if err := r.Reject(m.Refuse); err != nil {
			h.settle(i, "cancelled")
		}
		return
	}
	c, err := r.Answer(h.phone.ctx)
	if err != nil {
		h.settle(i, "cancelled")
		return
	}
	h.settle(i, "answered")
	select {
	case h.calls <- c:
	default:
		h.phone.log.Warn("nobody takes the calls a citizen has answered: one is not handed on")
	}
	ctx, cancel := context.WithCancel(h.phone.ctx)
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		select {
		case <-c.Done():
			cancel()
		case <-ctx.Done():
		}
	})
	if m.Then != nil {
		m.Then(ctx, c)
	}
	select {
	case <-c.Done():
	case <-ctx.Done():
	}
}

func (h *Citizen) settle(i int, result string) {
	h.mu.Lock()
	h.met[i].Result, h.met[i].Over = result, time.Now()
	h.mu.Unlock()
	// A refused call is over for who rang before its last message is acknowledged here: the
	// next may ring in between.
	if result != "answered" {
		h.free(i)
	}
}

// free notes, once, that a call neither rings nor is up any more.
func (h *Citizen) free(i int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.met[i].freed {
		h.met[i].freed = true
		h.open--
	}
}

// PressesWhenSpokenTo presses keys once a sound of the other side has been heard for half a second.
func PressesWhenSpokenTo(keys string) func(context.Context, *Call) {
	return func(ctx context.Context, c *Call) {
		if c.untilSound(ctx, 500*time.Millisecond) {
			_ = c.Press(ctx, keys)
		}
	}
}

// PressesWhenHearing presses keys once a prompt of the index is recognised.
func PressesWhenHearing(ix *Index, name, keys string) func(context.Context, *Call) {
	return func(ctx context.Context, c *Call) {
		if _, err := c.ListenFor(ix).WaitFor(ctx, name); err == nil {
			_ = c.Press(ctx, keys)
		}
	}
}

// SaysYes answers a question, once it was asked and the other side is silent for pause, by a
// voice of 600 ms.
func SaysYes(pause time.Duration) func(context.Context, *Call) {
	return func(ctx context.Context, c *Call) {
		if c.untilSound(ctx, 500*time.Millisecond) && c.untilSilence(ctx, pause) {
			_ = c.Speak(ctx, Murmur(600*time.Millisecond))
		}
	}
}

// IsVoicemail greets for a while from the answer on, whatever is said to it, lets a beep of
// half a second follow, and listens.
func IsVoicemail(greeting time.Duration) func(context.Context, *Call) {
	return func(ctx context.Context, c *Call) {
		if c.Speak(ctx, append(Murmur(greeting), tone(1000, 500*time.Millisecond)...)) != nil {
			return
		}
		c.Silent()
	}
}

// Murmur is a sound like a voice: syllables of changing pitch with short pauses between them.
func Murmur(d time.Duration) []int16 {
	out := make([]int16, 0, samples(d))
	for n := 0; len(out) < samples(d); n++ {
		syllable := tone(140+float64(n%5)*25, time.Duration(120+n%3*60)*time.Millisecond)
		for i, v := range tone(700+float64(n%4)*180, span(len(syllable))) {
			syllable[i] = syllable[i]/2 + v/2
		}
		out = append(append(out, syllable...), make([]int16, samples(40*time.Millisecond))...)
	}
	return out[:samples(d)]
}

func tone(hz float64, d time.Duration) []int16 {
	out := make([]int16, samples(d))
	for i := range out {
		out[i] = int16(8000 * math.Sin(2*math.Pi*hz*float64(i)/rate))
	}
	return out
}

// untilSound waits for a sound that lasts for d, give or take the holes of speech.
func (c *Call) untilSound(ctx context.Context, d time.Duration) bool {
	return c.until(ctx, d, func(loud int, frames int) bool { return loud >= frames*2/3 })
}

// untilSilence waits for a silence of d.
func (c *Call) untilSilence(ctx context.Context, d time.Duration) bool {
	return c.until(ctx, d, func(loud, _ int) bool { return loud == 0 })
}

// until looks each 20 ms at the last d of what was heard, and counts the frames with sound.
func (c *Call) until(ctx context.Context, d time.Duration, is func(loud, frames int) bool) bool {
	tick := time.NewTicker(frameTime)
	defer tick.Stop()
	began := time.Now()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
		if time.Since(began) < d {
			continue
		}
		from := max(0, samples(time.Since(c.start)-d-3*frameTime))
		wire, _, closed := c.stream.heard(from, true)
		if closed {
			return false
		}
		pcm, loud, frames := c.codec().decodeAll(wire), 0, 0
		for i := 0; i+frameSamples <= len(pcm); i += frameSamples {
			frames++
			if rms(pcm[i:i+frameSamples]) >= quiet {
				loud++
			}
		}
		if frames > 0 && is(loud, frames) {
			return true
		}
	}
}
