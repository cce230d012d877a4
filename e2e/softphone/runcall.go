package softphone

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// CataloguePrompt is a prompt as the catalogue knows it.
type CataloguePrompt struct {
	Name, Lang, Text string
	// Path is its .alaw or .ulaw file.
	Path string
}

// CallOptions is one call of `decroche call`.
type CallOptions struct {
	// Server is the exchange, "127.0.0.1:5060"; Number what is dialled.
	Server, Number string
	// From is the caller's number or a whole From header; empty: "decroche".
	From string
	// User and Password are a SIP account, where the exchange wants one.
	User, Password string
	// Listen is the address of a telephone that is called without an account (AwaitCalls).
	Listen string
	// Keys is what to press: commas part what is pressed one after the other, a duration
	// waits, "1,2s,3#". Each is pressed 1 s after a prompt that was not heard before was
	// recognised, or 3 s after the last; after a duration, at once.
	Keys string
	// INFO sends keys as SIP INFO.
	INFO bool
	// Wait is how long the call lasts at most after its answer, 30 s when 0.
	Wait time.Duration
	// Save is a WAV file for what was heard; empty: none.
	Save string
	// Prompts is the catalogue; a file that cannot be read is said and left out.
	Prompts []CataloguePrompt
	Log     *slog.Logger
}

const (
	afterPrompt = time.Second
	atLatest    = 3 * time.Second
	longSilence = 2 * time.Second
)

// RunCall places a call, prints what is heard as it comes, presses the keys, and returns
// when the call has ended, by either side, or after Wait. When ctx ends it hangs up.
func RunCall(ctx context.Context, o CallOptions, out io.Writer) error {
	keys, err := parseKeys(o.Keys)
	if err != nil {
		return err
	}
	ix, texts := loadCatalogue(o.Prompts, out)
	user := cmp.Or(o.User, "decroche")
	from := o.From
	if from != "" && !strings.Contains(from, "sip:") {
		from = "<sip:" + from + "@127.0.0.1>"
	}
	p, err := New(Config{Server: o.Server, User: user, Password: o.Password, FromHeader: from, Log: o.Log})
	if err != nil {
		return err
	}
	defer p.Close()
	c, err := p.Dial(ctx, o.Number, OnRinging(func(int) { fmt.Fprintln(out, "   0.00 s  ringing") }))
	if err != nil {
		return explain(err, o)
	}
	s := &session{call: c, out: out, texts: texts, listener: c.ListenFor(ix), keys: keys, info: o.INFO}
	return s.follow(ctx, o)
}

// AwaitCalls is a telephone that answers: that of an account (User and Password), which it
// registers, or one at Listen ("127.0.0.1:5070"). It takes call after call until ctx ends, each as RunCall does.
func AwaitCalls(ctx context.Context, o CallOptions, out io.Writer) error {
	keys, err := parseKeys(o.Keys)
	if err != nil {
		return err
	}
	cfg := Config{Server: o.Server, User: cmp.Or(o.User, "citizen"), Password: o.Password, Log: o.Log}
	if o.Listen != "" {
		host, port, err := net.SplitHostPort(o.Listen)
		if err != nil {
			return fmt.Errorf("listen for calls: %w", err)
		}
		if cfg.Local = host; port != "" {
			if cfg.Port, err = strconv.Atoi(port); err != nil {
				return fmt.Errorf("listen for calls on %s: the port is no number", o.Listen)
			}
		}
	}
	ix, texts := loadCatalogue(o.Prompts, out)
	p, err := New(cfg)
	if err != nil {
		return err
	}
	defer p.Close()
	if o.User != "" {
		if err := p.Register(ctx); err != nil {
			return explain(err, o)
		}
	}
	fmt.Fprintln(out, "waiting for calls; Ctrl-C ends it")
	for {
		select {
		case <-ctx.Done():
			return nil
		case ring := <-p.Incoming():
			fmt.Fprintf(out, "   0.00 s  rings: %s\n", ring.CallerID())
			c, err := ring.Answer(ctx)
			if err != nil {
				fmt.Fprintf(out, "           not answered: %v\n", err)
				continue
			}
			s := &session{call: c, out: out, texts: texts, listener: c.ListenFor(ix), keys: slices.Clone(keys), info: o.INFO}
			if err := s.follow(ctx, o); err != nil {
				return err
			}
		}
	}
}

// follow is a call from its answer to its end, and what is kept of it.
func (s *session) follow(ctx context.Context, o CallOptions) error {
	s.line(s.call.Hear().Answered, "answered")
	s.run(ctx, cmp.Or(o.Wait, 30*time.Second))
	if o.Save != "" {
		if err := s.call.SaveWAV(o.Save); err != nil {
			return err
		}
		s.line(s.call.Hear().Duration(), "saved to "+o.Save)
	}
	return s.err
}

// explain words a call that was not answered for somebody who has no SIP at hand.
func explain(err error, o CallOptions) error {
	var r *Rejected
	why := ""
	switch {
	case errors.Is(err, ErrNobody):
		why = "nobody listens on " + o.Server + ": is the line started (`make run`), and is this its address (--server)?"
	case !errors.As(err, &r):
		return err
	case r.Code == 401 || r.Code == 407:
		why = "the exchange wants an account, or does not know this address"
	case r.Code == 403:
		why = "the exchange does not let this caller in"
	case r.Code == 404:
		why = "the exchange does not know this number"
	case r.Code == 480:
		why = "nobody is there"
	case r.Code == 486 || r.Code == 600:
		why = "the line is busy"
	case r.Code == 503:
		why = "the exchange takes no call now: no free line, or it is starting or stopping"
	default:
		return err
	}
	return fmt.Errorf("%s (%w)", why, err)
}

// step is a wait or keys.
type step struct {
	wait time.Duration
	keys string
}

func parseKeys(s string) ([]step, error) {
	var steps []step
	for part := range strings.SplitSeq(s, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		if strings.Trim(part, keyNames) == "" {
			steps = append(steps, step{keys: part})
			continue
		}
		d, err := time.ParseDuration(part)
		if err != nil || d < 0 {
			return nil, fmt.Errorf("read the keys: %q is neither keys (0-9, *, #, A-D) nor a duration (2s)", part)
		}
		steps = append(steps, step{wait: d})
	}
	return steps, nil
}

func loadCatalogue(ps []CataloguePrompt, out io.Writer) (*Index, map[string]string) {
	texts := map[string]string{}
	var prompts []Prompt
	missing := 0
	for _, cp := range ps {
		p, err := LoadPrompt(cp.Path)
		if err != nil {
			missing++
			continue
		}
		p.Name = cp.Name
		if cp.Lang != "" {
			p.Name += " (" + cp.Lang + ")"
		}
		texts[p.Name] = cp.Text
		prompts = append(prompts, p)
	}
	if missing > 0 {
		fmt.Fprintf(out, "%d of %d prompts have no readable file and will be shown as «music»\n", missing, len(ps))
	}
	return NewIndex(prompts), texts
}

// session is a call that RunCall follows.
type session struct {
	call     *Call
	listener *Listener
	texts    map[string]string
	info     bool
	keys     []step
	err      error

	mu  sync.Mutex
	out io.Writer

	shown   int           // parts of the time line that were printed
	begun   bool          // the beginning of the next one was
	heard   time.Duration // when the last new prompt was recognised
	pressed time.Duration // when the last key was pressed, or waited for
	ready   bool          // a duration has been waited: press at once
}

func (s *session) line(at time.Duration, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.out, "%7.2f s  %s\n", at.Seconds(), text)
}

func (s *session) run(ctx context.Context, limit time.Duration) {
	answered := s.call.Hear().Answered
	s.heard, s.pressed = -1, answered
	end := time.NewTimer(limit)
	defer end.Stop()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.show(false)
			s.press(ctx)
			continue
		case <-s.call.Done():
		case <-ctx.Done():
		case <-end.C:
		}
		break
	}
	why := "the time is up"
	switch {
	case s.call.EndedBy() == EndedThem:
		why = "the line hung up"
	case ctx.Err() != nil:
		why = "stopped"
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := s.call.Hangup(closing); err != nil {
		s.err = err
	}
	s.show(true)
	s.line(s.call.Hear().Duration(), "end: "+why)
}

// show prints prompts as soon as they are recognised beyond doubt, music and silence when they are over.
func (s *session) show(all bool) {
	hs := s.listener.Heard()
	if n := len(hs); n > 0 && hs[n-1].Start > s.heard && hs[n-1].End-hs[n-1].Start > 250*time.Millisecond {
		s.heard = hs[n-1].Start
	}
	parts := Timeline(s.call.Hear(), hs)
	for ; s.shown < len(parts); s.shown++ {
		p, last := parts[s.shown], s.shown == len(parts)-1
		switch {
		case p.Prompt == nil:
			if last && !all {
				return
			}
			s.line(p.Start, p.describe(s.texts))
			continue
		case p.Prompt.open && len(p.Prompt.rivals) > 0 && !all:
			return
		case !s.begun:
			s.line(p.Start, p.describe(s.texts))
			s.begun = true
		}
		if p.Prompt.open && last && !all {
			return
		}
		if !p.Prompt.Complete {
			s.line(p.End, fmt.Sprintf("  %s was cut after %.1f s", p.Prompt.Name, (p.End-p.Start).Seconds()))
		}
		s.begun = false
	}
}

// press presses what is due.
func (s *session) press(ctx context.Context) {
	if len(s.keys) == 0 {
		return
	}
	k, now := s.keys[0], time.Since(s.call.start)
	if k.wait > 0 || k.keys == "" {
		if now-s.pressed >= k.wait {
			s.keys, s.pressed, s.ready = s.keys[1:], now, true
		}
		return
	}
	recognised := s.heard >= s.pressed && now-s.heard >= afterPrompt
	if !s.ready && !recognised && now-s.pressed < atLatest {
		return
	}
	s.keys, s.ready, s.pressed = s.keys[1:], false, now
	opts := []PressOption{WithRFC4733()}
	if s.info {
		opts = []PressOption{WithINFO()}
	}
	s.line(now, "press "+k.keys)
	if err := s.call.Press(ctx, k.keys, opts...); err != nil {
		s.line(now, err.Error())
		s.err = err
	}
}

// Part is a stretch of what was heard: a prompt, music (or what else is no known prompt),
// or a silence of 2 s and more.
type Part struct {
	Start, End time.Duration
	Prompt     *Heard
	Music      bool // else, without a prompt, silence
}

func (p Part) describe(texts map[string]string) string {
	switch {
	case p.Prompt != nil:
		s := "♪ " + p.Prompt.Name
		if t := texts[p.Prompt.Name]; t != "" {
			s += ": " + t
		}
		return s
	case p.Music:
		return fmt.Sprintf("«music» %.1f s", (p.End - p.Start).Seconds())
	}
	return fmt.Sprintf("silence %.1f s", (p.End - p.Start).Seconds())
}

// Timeline parts a recording, from its answer on, into the prompts that were heard, music
// between them and silences of 2 s and more, in order.
func Timeline(rec Recording, heard []Heard) []Part {
	var parts []Part
	at := rec.Answered
	for i := range heard {
		parts = append(parts, rec.between(at, heard[i].Start)...)
		parts = append(parts, Part{Start: heard[i].Start, End: heard[i].End, Prompt: &heard[i]})
		at = max(at, heard[i].End)
	}
	return append(parts, rec.between(at, rec.Duration())...)
}

// between parts a stretch without prompts.
func (r Recording) between(from, to time.Duration) []Part {
	var parts []Part
	sound := func(a, b time.Duration) {
		if b-a < 300*time.Millisecond || rms(r.PCM[samples(a):samples(b)]) < quiet {
			return
		}
		parts = append(parts, Part{Start: a, End: b, Music: true})
	}
	to = min(to, r.Duration())
	at := from
	for _, s := range r.silences(from, to) {
		if s.Length() < longSilence {
			continue
		}
		sound(at, s.Start)
		parts = append(parts, Part{Start: s.Start, End: s.End})
		at = min(s.End, to)
	}
	if at < to {
		sound(at, to)
	}
	return slices.Clip(parts)
}
