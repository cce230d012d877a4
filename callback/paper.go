package callback

import (
	"context"
	"errors"
	"time"

	"decroche/sms"
)

// Paper is a Store for who tries the line: it reads what is promised, so that slots and limits are what
// they are, and keeps nothing. Sent, if set, is told of the messages that would have been sent.
type Paper struct {
	Store
	Sent func(sms.Message)
}

// errOnPaper is of what only those who keep promises ask for.
var errOnPaper = errors.New("nothing is kept on a trial")

// Ask gives the promise as it would have been kept.
func (s Paper) Ask(_ context.Context, p Promise, _ Bounds, c Change) (Promise, bool, error) {
	if s.Sent != nil {
		for _, m := range c.Send {
			if m.NotBefore.IsZero() || !m.NotBefore.After(time.Now()) { // reminders come later
				s.Sent(m)
			}
		}
	}
	return p, true, nil
}

func (Paper) Change(context.Context, ID, int, func(*Promise) (Change, error)) (Promise, error) {
	return Promise{}, errOnPaper
}

func (Paper) TakeDue(context.Context, string, []string, time.Time, int) ([]Promise, error) {
	return nil, errOnPaper
}

func (Paper) Begin(context.Context, Attempt) (Attempt, error) { return Attempt{}, errOnPaper }

func (Paper) End(context.Context, ID, int, time.Time, Result, func(*Promise) (Change, error)) (Promise, error) {
	return Promise{}, errOnPaper
}

func (Paper) Release(context.Context, string) (int, error) { return 0, errOnPaper }
