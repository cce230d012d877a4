package ivr

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"decroche/call"
	"decroche/callback"
	"decroche/sms"
)

// Wherever the journey speaks, two keys serve who has not understood.
const (
	keyAgain   = '*' // the same words again, slower and louder
	keyWritten = '#' // the same words in a text message
)

const (
	// slowFrom is how often words are asked for again before all words of the call are said slowly.
	slowFrom = 2
	// mostWritten bounds the text messages of one call.
	mostWritten = 6
	// longestWritten is the longest text of one, in characters: four segments.
	longestWritten = 600
)

// listener is a call whose caller may not have understood. It answers the two keys where a
// question is asked, and after whatever is said; keys typed for a number are not its business.
type listener struct {
	call.Call
	j *Journey
	v *Visit
	// said is what was said since the last answer, as it was meant before any slowing down.
	said []call.Sound
}

// Read implements call.Call.
func (l *listener) Read(ctx context.Context, timeout time.Duration, question ...call.Sound) (call.Digit, error) {
	if len(question) == 0 { // the next key of a number
		return l.Call.Read(ctx, l.v.patience(timeout))
	}
	l.said = append(l.said, question...)
	words := l.words(ctx, question)
	for {
		key, err := l.Call.Read(ctx, l.v.patience(timeout), words...)
		switch {
		case err == nil && key == keyAgain:
			words = l.again(ctx)
		case err == nil && key == keyWritten:
			words = l.written(ctx)
		default:
			l.said = nil
			return key, err
		}
	}
}

// Say implements call.Call.
func (l *listener) Say(ctx context.Context, sounds ...call.Sound) error {
	l.said = append(l.said, sounds...)
	words := l.words(ctx, sounds)
	for {
		if err := l.Call.Say(ctx, words...); err != nil || len(words) == 0 {
			return err
		}
		key, err := l.typed(ctx)
		switch {
		case err != nil || key == 0:
			return err
		case key == keyAgain:
			words = l.again(ctx)
		case key == keyWritten:
			words = l.written(ctx)
		default:
			l.Unread(key)
			return nil
		}
	}
}

// SayUnlessKey implements call.Call. Who has it sent as a text has it whole.
func (l *listener) SayUnlessKey(ctx context.Context, sounds ...call.Sound) (bool, error) {
	l.said = append(l.said, sounds...)
	words := l.words(ctx, sounds)
	for {
		heard, err := l.Call.SayUnlessKey(ctx, words...)
		if heard || err != nil {
			return heard, err
		}
		key, err := l.typed(ctx)
		switch {
		case err != nil:
			return false, err
		case key == keyAgain:
			words = l.again(ctx)
		case key == keyWritten:
			return true, l.Call.Say(ctx, l.written(ctx)...)
		default:
			l.Unread(key)
			return false, nil
		}
	}
}

// typed is a key that is there already, 0 for none.
func (l *listener) typed(ctx context.Context) (call.Digit, error) { return l.j.read(ctx, l.Call, 0) }

// words are those that are said: slowly, in a call where that was asked for often enough.
func (l *listener) words(ctx context.Context, sounds []call.Sound) []call.Sound {
	return l.j.paced(ctx, l.v, sounds)
}

// again is what was said, slower and louder.
func (l *listener) again(ctx context.Context) []call.Sound {
	l.v.Again++
	return l.j.clear(ctx, l.said)
}

// written sends what was said, and says whether that can be.
func (l *listener) written(ctx context.Context) []call.Sound { return l.j.write(ctx, l, l.v, l.said) }

// paced slows words down for who has asked for it often enough.
func (j *Journey) paced(ctx context.Context, v *Visit, sounds []call.Sound) []call.Sound {
	if v.Again < slowFrom {
		return sounds
	}
	return j.clear(ctx, sounds)
}

// clear makes sounds slower and louder; what cannot be is said as it is.
func (j *Journey) clear(ctx context.Context, sounds []call.Sound) []call.Sound {
	bounded, cancel := context.WithTimeout(ctx, patienceForWords)
	defer cancel()
	out := slices.Clone(sounds)
	for i, s := range sounds {
		clear, err := j.Voice.Clear(bounded, s)
		if err != nil {
			if ctx.Err() == nil {
				j.Log.Error("words cannot be said slower and louder", "prompt", s.Name, "lang", s.Lang, "err", err)
			}
			continue
		}
		out[i] = clear
	}
	return out
}

// write sends words to the caller's mobile, and returns those that tell it. The same words of
// one call are one message, also after a restart in between.
func (j *Journey) write(ctx context.Context, c call.Call, v *Visit, said []call.Sound) []call.Sound {
	info, text := c.Info(), textOf(said)
	switch {
	case j.Texts == nil || v.relayed() || info.From.Kind() != call.KindMobile || text == "":
		return j.prompts(ctx, v, "again.no-sms")
	case v.Written >= mostWritten:
		return j.prompts(ctx, v, "again.enough")
	}
	if j.MenuURL != nil && v.Menu != "" && !v.AgentAsked && !v.Offline { // the menu can be read, too
		text += " " + j.MenuURL(v.Lang)
	}
	bounded, cancel := context.WithTimeout(ctx, bookPatience)
	defer cancel()
	err := j.Texts.SendText(bounded, sms.Message{
		Key: fmt.Sprintf("said:%s:%.6x", info.ID, sha256.Sum256([]byte(text))), To: info.From, Lang: v.Lang, Purpose: sms.Said, Contact: info.ID,
		Text: callback.Plain(v.serviceName() + " : " + text), Expires: time.Now().Add(time.Hour),
	})
	if err != nil {
		if ctx.Err() == nil {
			j.Log.Error("words could not be sent as a text", "call", info.ID, "err", err)
		}
		return j.prompts(ctx, v, "again.failed")
	}
	v.Written++
	return j.prompts(ctx, v, "again.sent")
}

// textOf writes down what was said, each sentence once, as much as a telephone shows well.
func textOf(said []call.Sound) string {
	var text strings.Builder
	var before []string
	for _, s := range said {
		if s.Text == "" || slices.Contains(before, s.Text) {
			continue
		}
		if text.Len()+len(s.Text) > longestWritten && text.Len() > 0 {
			break
		}
		before = append(before, s.Text)
		if text.Len() > 0 {
			text.WriteByte(' ')
		}
		text.WriteString(strings.TrimSpace(s.Text))
	}
	return text.String()
}
