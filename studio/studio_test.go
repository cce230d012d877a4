package studio

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"decroche/call"
)

// telephone is somebody who types keys and speaks; what they hear is written down.
type telephone struct {
	call.Recorder
	keys   string
	said   []string
	heard  []string
	silent bool   // nobody speaks, and nobody hangs up
	during func() // happens while they speak
}

func (p *telephone) Info() call.Info { return call.Info{ID: "n1-1.1"} }
func (p *telephone) Flush()          {}

func (p *telephone) Say(_ context.Context, sounds ...call.Sound) error {
	for _, s := range sounds {
		p.heard = append(p.heard, s.Name)
	}
	return nil
}

func (p *telephone) Read(ctx context.Context, _ time.Duration, sounds ...call.Sound) (call.Digit, error) {
	_ = p.Say(ctx, sounds...)
	if p.keys == "" {
		return 0, call.ErrNoInput
	}
	key := p.keys[0]
	p.keys = p.keys[1:]
	return call.Digit(key), nil
}

func (p *telephone) Record(context.Context, time.Duration) ([]byte, error) {
	if p.during != nil {
		p.during()
	}
	if p.silent {
		return nil, nil
	}
	if len(p.said) == 0 {
		return nil, call.ErrHangup
	}
	words := p.said[0]
	p.said = p.said[1:]
	return []byte(words), nil
}

// recorded is what the page of an account is told now.
func recorded(o *Office, code, by string) string {
	sound, known := o.Recorded(code, by, time.Now())
	if !known {
		return "unknown"
	}
	return sound
}

func office() *Office {
	return &Office{
		Log: slog.New(slog.DiscardHandler),
		Keep: func(_ context.Context, wav []byte) (string, call.Sound, error) {
			if len(wav) == 0 {
				return "", call.Sound{}, ErrUnfit
			}
			return string(wav) + ".wav", call.Sound{Name: "what was said"}, nil
		},
		Prompts: func(_ context.Context, ids ...string) (list []call.Sound) {
			for _, id := range ids {
				list = append(list, call.Sound{Name: id})
			}
			return list
		},
	}
}

func TestAMessageIsRecordedListenedToAndKept(t *testing.T) {
	o := office()
	code, err := o.Open("lou", time.Now())
	if err != nil || len(code) != codeLength {
		t.Fatalf("code %q: %v", code, err)
	}
	p := &telephone{keys: code + "2" + "7" + "1", said: []string{"", "first", "second"}}
	if err := o.Answer(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	want := "studio.code studio.speak studio.empty studio.speak studio.listen what was said studio.choice " +
		"studio.speak studio.listen what was said studio.choice studio.listen what was said studio.choice studio.kept goodbye"
	if got := strings.Join(p.heard, " "); got != want {
		t.Errorf("heard was\n%s, want\n%s", got, want)
	}
	if got := recorded(o, code, "lou"); got != "second.wav" {
		t.Errorf("the recording is %q", got)
	}
	if got := recorded(o, code, "another"); got != "unknown" {
		t.Errorf("another account has the recording %q", got)
	}
	late := &telephone{keys: code}
	if err := o.Answer(t.Context(), late); err != nil || late.heard[len(late.heard)-2] != "studio.refused" {
		t.Errorf("a code serves twice: %v, %v", late.heard, err)
	}
}

func TestWhoHangsUpWhileRecordingKeepsNothing(t *testing.T) {
	o := office()
	code, _ := o.Open("lou", time.Now())
	if err := o.Answer(t.Context(), &telephone{keys: code}); err == nil {
		t.Error("who hung up was not missed")
	}
	if recorded(o, code, "lou") != "" {
		t.Error("something was kept")
	}
	if err := o.Answer(t.Context(), &telephone{keys: code + "1", said: []string{"again"}}); err != nil || recorded(o, code, "lou") != "again.wav" {
		t.Errorf("the code does not serve the next call: %v", err)
	}
}

func TestCodesAreNotGuessed(t *testing.T) {
	o := office()
	now := time.Now()
	code, _ := o.Open("lou", now)
	old, _ := o.Open("lou", now.Add(-codeLife-time.Second))
	wrong := "000000"
	if code == wrong {
		wrong = "000001"
	}
	if got, _ := o.take(old, now); got != nil {
		t.Error("an old code serves")
	}
	for range wrongMost {
		o.take(wrong, now)
	}
	if got, open := o.take(code, now); got != nil || open {
		t.Error("after so many wrong codes the right one serves still")
	}
	if got, _ := o.take(code, now.Add(wrongSpan+time.Second)); got == nil {
		t.Error("the number stays closed")
	}
	p := &telephone{keys: strings.Repeat(wrong, tries)}
	if err := office().Answer(t.Context(), p); err != nil || strings.Count(strings.Join(p.heard, " "), "studio.wrong") != tries-1 {
		t.Errorf("heard was %v, %v", p.heard, err)
	}
}

// Who is told that it is kept finds it on the page, however long they spoke, and long after.
func TestACodeThatRunsOutDuringTheCallServesItToItsEnd(t *testing.T) {
	o := office()
	code, err := o.Open("lou", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(codeLife + time.Minute)
	p := &telephone{keys: code + "1", said: []string{"words"}, during: func() {
		if _, err := o.Open("another", later); err != nil { // which forgets the codes that have run out
			t.Error(err)
		}
		if sound, known := o.Recorded(code, "lou", later); sound != "" || !known {
			t.Errorf("during the call the page is told %q, %t", sound, known)
		}
	}}
	if err := o.Answer(t.Context(), p); err != nil || p.heard[len(p.heard)-2] != "studio.kept" {
		t.Fatalf("heard was %v, %v", p.heard, err)
	}
	if _, err := o.Open("another", later.Add(codeLife)); err != nil {
		t.Fatal(err)
	}
	if sound, known := o.Recorded(code, "lou", later.Add(codeLife)); sound != "words.wav" || !known {
		t.Errorf("the page is told %q, %t", sound, known)
	}
}

func TestAPageIsToldOfACodeThatServesNoMore(t *testing.T) {
	o, now := office(), time.Now()
	code, err := o.Open("lou", now)
	if err != nil {
		t.Fatal(err)
	}
	if sound, known := o.Recorded(code, "lou", now.Add(codeLife-time.Second)); sound != "" || !known {
		t.Errorf("in time the page is told %q, %t", sound, known)
	}
	if _, known := o.Recorded(code, "lou", now.Add(codeLife)); known {
		t.Error("a code that nobody can use any more is waited for")
	}
	if _, known := office().Recorded(code, "lou", now); known {
		t.Error("a code of another process is waited for")
	}
}

func TestALineOnWhichNobodySpeaksIsLeft(t *testing.T) {
	o := office()
	code, _ := o.Open("lou", time.Now())
	p := &telephone{keys: code, silent: true}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // not for ever, whatever is wrong
	defer cancel()
	p.during = func() {
		if len(p.heard) > 100 {
			p.silent = false
		}
	}
	if err := o.Answer(ctx, p); err != nil {
		t.Error(err)
	}
	want := "studio.code studio.speak studio.empty studio.speak studio.empty studio.speak studio.empty goodbye"
	if got := strings.Join(p.heard, " "); got != want {
		t.Errorf("heard was\n%s, want\n%s", got, want)
	}
	if got := recorded(o, code, "lou"); got != "" {
		t.Errorf("the code, which serves still, gives %q", got)
	}
}
