package admin

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/alexedwards/scs/v2"

	"decroche/people"
)

// signedIn reads whose session a context carries; ok is false for nobody's, and for one that is over. That is an
// activity, which is kept.
func (s *Server) signedIn(ctx context.Context) (me people.Account, ok bool, err error) {
	name, began, seen, now := s.sessions.GetString(ctx, "name"), s.sessions.GetTime(ctx, "began"), s.sessions.GetTime(ctx, "seen"), time.Now()
	if name == "" {
		return me, false, nil
	}
	if now.Sub(seen) > idleLife {
		return me, false, s.sessions.Destroy(ctx)
	}
	switch me, err = s.People.Current(ctx, name, began); {
	case errors.Is(err, people.ErrNone):
		return people.Account{}, false, s.sessions.Destroy(ctx)
	case err != nil:
		return people.Account{}, false, err
	}
	if now.Sub(seen) > seenEvery {
		s.sessions.Put(ctx, "seen", now)
	}
	return me, true, nil
}

// lasting is with for what lasts longer than a page, a stream or a socket: its context ends soon after the session
// does, or the right.
func (s *Server) lasting(right people.Right, handle func(*visit)) http.HandlerFunc {
	return s.with(right, func(v *visit) {
		ctx, end := context.WithCancel(v.r.Context())
		token, tick := s.sessions.Token(ctx), time.NewTicker(aliveEvery)
		var watch sync.WaitGroup
		watch.Go(func() {
			defer end()
			defer tick.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
					if !s.stays(ctx, token, right) {
						return // the page comes back, and is told
					}
				}
			}
		})
		defer watch.Wait()
		defer end()
		v.r = v.r.WithContext(ctx)
		handle(v)
	})
}

// lookPatience bounds a look at a session.
const lookPatience = 10 * time.Second

// stays looks anew whether a session is there, and has the right; one that cannot be looked at is taken for over.
// That keeps the session, or a board on a wall would be signed out for want of clicks.
func (s *Server) stays(ctx context.Context, token string, right people.Right) bool {
	ctx, cancel := context.WithTimeout(anew{ctx}, lookPatience)
	defer cancel()
	me, ok, err := s.look(ctx, token)
	if err != nil && !errors.Is(err, context.Canceled) {
		s.Log.Warn("what lasts on a page is ended, for its session could not be read", "err", err)
	}
	return err == nil && ok && me.May(right)
}

// look reads whose session a token is, and keeps that it was active.
func (s *Server) look(ctx context.Context, token string) (me people.Account, ok bool, err error) {
	if ctx, err = s.sessions.Load(ctx, token); err != nil {
		return me, false, err
	}
	me, ok, err = s.signedIn(ctx)
	if err == nil && s.sessions.Status(ctx) == scs.Modified {
		_, _, err = s.sessions.Commit(ctx)
	}
	return me, ok, err
}

// anew hides the session that a context carries, as it was when the request came.
type anew struct{ context.Context }

func (anew) Value(any) any { return nil }
