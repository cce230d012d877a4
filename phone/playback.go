package phone

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"decroche/ari"
	"decroche/call"
)

// playback is a list of sounds that Asterisk plays. The line's lock guards left and ended.
type playback struct {
	id    string
	left  int           // sounds of the list that have not ended yet
	said  chan struct{} // closed when the last has ended
	done  chan struct{} // closed when nothing is played any more
	ended bool

	channel string
	failed  atomic.Bool
	late    *time.Timer // ends it if Asterisk does not
}

// advance counts a sound that has ended.
func (l *line) advance(p *playback) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.ended {
		return
	}
	if p.left--; p.left == 0 {
		close(p.said)
	}
}

// play starts the sounds on a channel of this line, and then those of the rescue.
func (l *line) play(ctx context.Context, channel string, sounds, rescue []call.Sound) (*playback, error) {
	media := make([]string, 0, len(sounds)+len(rescue))
	for _, s := range sounds {
		media = append(media, "sound:"+s.Path)
	}
	for _, s := range rescue {
		media = append(media, "sound:"+s.Path)
	}
	l.mu.Lock()
	l.seq++
	p := &playback{
		id: playID(channel, l.x.Epoch, l.seq), channel: channel, left: len(sounds),
		said: make(chan struct{}), done: make(chan struct{}),
	}
	l.plays[p.id] = p
	p.late = time.AfterFunc(length(sounds)+playGrace, func() { l.overdue(p, len(rescue) > 0) })
	l.mu.Unlock()
	err := l.do(ctx, func(ctx context.Context) error {
		_, err := l.x.ari.Play(ctx, channel, ari.Play{ID: p.id, Media: media})
		return err
	})
	if err != nil {
		l.finish(p)
		return nil, fmt.Errorf("play %s: %w", sounds[0].Name, err)
	}
	return p, nil
}

// playSlots is how many ids of playbacks a channel has, used in turn: few, so that the next
// controller can try them all, and enough that the last word on one is over before its id
// comes again. A caller hears one at a time.
const playSlots = 4

// playID names a playback so that a later controller can guess it.
func playID(channel string, epoch int64, seq int) string {
	return fmt.Sprintf("say-%s-%d-%d", channel, epoch, seq%playSlots)
}

// stop ends a playback at once; nil and ended ones are fine.
func (l *line) stop(ctx context.Context, p *playback) error {
	if p == nil {
		return nil
	}
	select {
	case <-p.done:
		return nil
	default:
	}
	l.finish(p)
	err := l.x.ari.StopPlayback(ctx, p.id)
	if err == nil || errors.Is(err, ari.ErrNotFound) {
		return nil
	}
	return l.do(ctx, func(ctx context.Context) error {
		if err := l.x.ari.StopPlayback(ctx, p.id); !errors.Is(err, ari.ErrNotFound) {
			return err
		}
		return nil
	})
}

// playGrace is how much longer than their length sounds may last before they are given up.
const playGrace = 10 * time.Second

func length(sounds []call.Sound) (d time.Duration) {
	for _, s := range sounds {
		d += s.Duration
	}
	return d
}

// overdue gives up a playback whose end was never told, so that no caller waits for it in silence.
func (l *line) overdue(p *playback, more bool) {
	l.mu.Lock()
	if p.ended || p.left == 0 {
		l.mu.Unlock()
		return
	}
	if more { // what follows the sounds may go on
		p.left = 0
		close(p.said)
	}
	l.mu.Unlock()
	l.log.Warn("Asterisk has not told that a sound was over; the call goes on")
	if !more {
		l.finish(p)
	}
}

// finish forgets a playback that has ended; it may be called more than once.
func (l *line) finish(p *playback) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.ended {
		return
	}
	p.ended = true
	p.late.Stop()
	delete(l.plays, p.id)
	if p.left > 0 {
		close(p.said)
		p.left = 0
	}
	close(p.done)
}

func (l *line) playing(id string) *playback {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.plays[id]
}

// failed notes a playback that ended before its time: of a missing sound, or because who
// listened has hung up.
func (l *line) failed(p *playback, end ari.Playback) {
	if end.State != "failed" {
		return
	}
	p.failed.Store(true)
	if p.channel == l.id {
		l.x.spawn(func() { l.unheard(end.MediaURI) })
	}
}

// unheard tells of a sound that could not be played, unless the caller has hung up: then
// the sound fails first, and the hang-up is told a moment later.
func (l *line) unheard(media string) {
	select {
	case <-l.ctx.Done():
	case <-time.After(hangupFollows):
		l.log.Warn("Asterisk could not play a sound", "media", media)
	}
}
