package phone

import (
	"context"
	"errors"
	"fmt"
	"time"

	"decroche/ari"
	"decroche/call"
)

// noise is a beginning or an end of sound from the far end.
type noise struct {
	at     time.Time
	over   bool          // the end of a sound, known after answerSilence
	length time.Duration // of the sound that is over
}

// talkThreshold is the mean level (of 32768) above which Asterisk takes a sound for talk: -42 dBFS.
const talkThreshold = 256

// heard passes on what the far end is heard to do, to a Confirm that listens.
func (l *line) heard(channel string, n noise) {
	if channel != l.id || !l.listening.Load() {
		return
	}
	select {
	case l.noises <- n:
	default:
		l.log.Warn("sounds of a caller came faster than they were taken")
	}
}

// Confirm implements call.Outgoing. A key counts at any time, one typed before it too; it is
// used up. A sound counts as ear has it, and is known to be over a second after its end.
// At the end of the timeout a sound that may still be an answer is waited for, 3.5 s at most.
// What follows the question if this process dies is as in Read.
func (l *line) Confirm(ctx context.Context, timeout time.Duration, sounds ...call.Sound) error {
	if _, ok := l.next(); ok {
		return nil
	}
	if err := l.leaveHold(ctx); err != nil {
		return err
	}
	deaf, err := l.listen(ctx)
	if err != nil {
		return err
	}
	defer deaf()
	now := make(chan struct{})
	close(now)
	var asked <-chan struct{} = now
	var p *playback
	if len(sounds) > 0 {
		if p, err = l.play(ctx, l.id, sounds, l.rescue(sounds, timeout+answerMost+answerSilence)); err != nil {
			return err
		}
		asked = p.said
	}
	return l.awaitPerson(ctx, timeout, asked, p)
}

// awaitPerson waits for a key or for an answer to the question that p asks until asked is closed.
func (l *line) awaitPerson(ctx context.Context, timeout time.Duration, asked <-chan struct{}, p *playback) error {
	var e ear
	late := time.NewTimer(timeout)
	late.Stop()
	defer late.Stop()
	for {
		select {
		case <-l.digits:
			return l.stop(ctx, p)
		case <-asked:
			asked = nil
			e.questionEnds(time.Now())
			late.Reset(timeout)
		case n := <-l.noises:
			if !n.over {
				e.sound(n.at)
			} else if e.silence(n.length) {
				return l.stop(ctx, p)
			}
		case <-late.C:
			if more := e.patience(time.Now()); more > 0 {
				late.Reset(more)
				continue
			}
			if err := l.stop(ctx, p); err != nil {
				return err
			}
			return call.ErrNoInput
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// listen lets Asterisk tell of sound and silence on the channel until deaf is called. An
// Asterisk that cannot is no failure: keys count all the same.
func (l *line) listen(ctx context.Context) (deaf func(), err error) {
	for len(l.noises) > 0 {
		<-l.noises
	}
	l.listening.Store(true)
	set := func(ctx context.Context, name, value string) error {
		return l.do(ctx, func(ctx context.Context) error { return l.x.ari.SetVariable(ctx, l.id, name, value) })
	}
	err = set(ctx, "TALK_DETECT(set)", fmt.Sprintf("%d,%d", answerSilence.Milliseconds(), talkThreshold))
	if err != nil && ctx.Err() != nil {
		l.listening.Store(false)
		return nil, err
	} else if err != nil {
		l.log.Warn("Asterisk does not tell whether somebody speaks; only keys count", "err", err)
	}
	return func() {
		l.listening.Store(false)
		if l.ctx.Err() != nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
		err := l.x.ari.SetVariable(ctx, l.id, "TALK_DETECT(remove)", "")
		if err != nil && !errors.Is(err, ari.ErrNotFound) && !errors.Is(err, ari.ErrConflict) {
			l.log.Warn("Asterisk goes on telling whether somebody speaks", "err", err)
		}
	}, nil
}
