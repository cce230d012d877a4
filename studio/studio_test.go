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
	keys  string
	said  []string
	heard []string
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
	if len(p.said) == 0 {
		return nil, call.ErrHangup
	}
	words := p.said[0]
	p.said = p.said[1:]
	return []byte(words), nil
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
	if got := o.Recorded(code, "lou"); got != "second.wav" {
		t.Errorf("the recording is %q", got)
	}
	if got := o.Recorded(code, "another"); got != "" {
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
	if o.Recorded(code, "lou") != "" {
		t.Error("something was kept")
	}
	if err := o.Answer(t.Context(), &telephone{keys: code + "1", said: []string{"again"}}); err != nil || o.Recorded(code, "lou") == "" {
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
	if ok, _ := o.good(old, now); ok {
		t.Error("an old code serves")
	}
	for range wrongMost {
		o.good(wrong, now)
	}
	if ok, open := o.good(code, now); ok || open {
		t.Error("after so many wrong codes the right one serves still")
	}
	if ok, _ := o.good(code, now.Add(wrongSpan+time.Second)); !ok {
		t.Error("the number stays closed")
	}
	p := &telephone{keys: strings.Repeat(wrong, tries)}
	if err := office().Answer(t.Context(), p); err != nil || strings.Count(strings.Join(p.heard, " "), "studio.wrong") != tries-1 {
		t.Errorf("heard was %v, %v", p.heard, err)
	}
}
