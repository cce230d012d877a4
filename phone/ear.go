package phone

import "time"

// What a short answer of a person sounds like.
const (
	// answerLeast is less than a spoken "oui"; what is shorter is a crack.
	answerLeast = 200 * time.Millisecond
	// answerMost is the longest answer, and the most that a person says while being asked:
	// a voicemail greets for longer.
	answerMost = 2500 * time.Millisecond
	// answerSilence follows an answer: it is over.
	answerSilence = time.Second
	// answerEarly is how long before the end of the question an answer may begin.
	answerEarly = 500 * time.Millisecond
)

// ear tells a person, who answers a question in a word or two, from a voicemail, which
// talks over it, talks on after it, or is silent. It is told of sound and silence as they
// come and knows nothing else: a voicemail that says one short phrase right after the
// question and then waits passes for a person.
type ear struct {
	asked   time.Time     // the question's end; zero: it is being asked
	began   time.Time     // of the sound that is heard now; zero: silence
	over    time.Duration // sound over the question, all in all
	machine bool          // no sound counts any more
}

// questionEnds tells that the question was asked.
func (e *ear) questionEnds(at time.Time) { e.asked = at }

// sound tells that the far end begins to be heard.
func (e *ear) sound(at time.Time) { e.began = at }

// silence tells that the last sound, which lasted so long, was followed by answerSilence.
// It says whether that was a person's answer.
func (e *ear) silence(length time.Duration) (person bool) {
	began := e.began
	e.began = time.Time{}
	if began.IsZero() {
		return false
	}
	switch {
	case e.asked.IsZero():
		e.over += length
	case began.Before(e.asked):
		e.over += min(length, e.asked.Sub(began))
	}
	if length > answerMost || e.over > answerMost {
		e.machine = true
	}
	return !e.machine && !e.asked.IsZero() && length >= answerLeast && !began.Before(e.asked.Add(-answerEarly))
}

// patience is how much longer the sound heard now must be waited for: it may still turn out
// to be an answer. 0: it can't, or there is silence.
func (e *ear) patience(now time.Time) time.Duration {
	if e.machine || e.began.IsZero() || e.asked.IsZero() || e.began.Before(e.asked.Add(-answerEarly)) {
		return 0
	}
	return max(0, e.began.Add(answerMost+answerSilence).Sub(now))
}
