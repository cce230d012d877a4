package main

import (
	"testing"
	"time"

	"decroche/ivr"
)

// A trial that is given up while its call goes on takes no more words, and says so to who reads them.
func TestATrialThatIsOverTakesNoMoreWords(t *testing.T) {
	r := &trial{turns: make(chan ivr.Turn, 2), end: time.NewTimer(time.Hour)}
	for range 5 { // nobody reads: what does not fit is dropped
		r.tell(ivr.Turn{Key: '1'})
	}
	r.finish()
	r.tell(ivr.Turn{Key: '2'})
	n := 0
	for range r.turns {
		n++
	}
	if n != 2 {
		t.Errorf("%d turns were kept", n)
	}
}
