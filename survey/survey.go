// Package survey asks citizens what they thought of a call: on the line by keys, once their agent
// has hung up, or by a link to a page. Who is asked is drawn, and nobody twice within the service's
// time. Answers go into the journal, tied to the contact; an unhappy one may ask to be called back.
//
//	Office   decides who is asked, takes the answers, and promises the callback
//	Store    keeps what was asked, until it is over
package survey

import (
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
	"time"

	"decroche/call"
	"decroche/sms"
)

// ID names a survey: ten characters of Crockford's base 32, random.
type ID string

// How is by which way somebody is asked.
type How string

const (
	ByCall How = "call"
	BySMS  How = "sms"
)

// Talk is a conversation that somebody can be asked about.
type Talk struct {
	// Contact is any call of the contact: answers are tied to it.
	Contact call.ID
	Number  call.Number // Withheld: they can be asked on the line only
	Lang    call.Lang
	Queue   string
	Reason  string
	Public  string
	// Agent and Team are whom they talked with last.
	Agent call.AgentID
	Team  string
	// Chosen: they have said that they want to be asked.
	Chosen bool
}

// Survey is one person asked about one contact.
type Survey struct {
	ID      ID
	Contact call.ID
	Number  call.Number // in clear until the survey is over
	Lang    call.Lang
	Queue   string
	Reason  string
	Public  string
	How     How
	Asked   time.Time
	// Until is the end of the time to answer.
	Until   time.Time
	Answers []Answer
	// Promise is the callback that an answer has made, "" for none.
	Promise string
}

// Answer is the answer to one question.
type Answer struct {
	About string `json:"about"`
	Score int    `json:"score"`
}

// Score is the answer about something, 0 when there is none.
func (s *Survey) Score(about string) int {
	i := slices.IndexFunc(s.Answers, func(a Answer) bool { return a.About == about })
	if i < 0 {
		return 0
	}
	return s.Answers[i].Score
}

var (
	// ErrNoSurvey: there is none of this name.
	ErrNoSurvey = errors.New("there is no such survey")
	// ErrOver: the time to answer is over.
	ErrOver = errors.New("the survey is over")
	// ErrAnswer: the survey has no such question or score.
	ErrAnswer = errors.New("this is no answer to a question of the survey")
)

// Store keeps surveys. Its changes are durable when they return.
type Store interface {
	// Open keeps a survey with its messages. ok is false, and nothing changes, when the contact
	// has one, or when person, if not "", was asked at since or later.
	Open(ctx context.Context, s Survey, person string, since time.Time, ms ...sms.Message) (ok bool, err error)
	// Survey returns one, or ErrNoSurvey.
	Survey(ctx context.Context, id ID) (Survey, error)
	// OfContact returns the contact's; ok is false when it has none.
	OfContact(ctx context.Context, contact call.ID) (s Survey, ok bool, err error)
	// Change runs fn on a survey and saves its Answers and Promise in one transaction. fn may run
	// more than once; its error changes nothing and is returned.
	Change(ctx context.Context, id ID, fn func(*Survey) error) (Survey, error)
	// HandOver notes that the agent of a call hands it over; HandedOver tells.
	HandOver(ctx context.Context, contact call.ID, at time.Time) error
	HandedOver(ctx context.Context, contact call.ID) (bool, error)
	// Forget deletes what is kept of a person; Held returns it.
	Forget(ctx context.Context, n call.Number, person string) (int64, error)
	Held(ctx context.Context, n call.Number) ([]Survey, error)
	// Purge deletes surveys over before a moment, and people asked before another.
	Purge(ctx context.Context, over, asked time.Time) (int64, error)
}

// drawn says whether a contact is one of those asked. It is decided by the contact's name
// alone, so that a controller that takes over after a crash decides the same.
func drawn(contact call.ID, share float64) bool {
	sum := sha256.Sum256([]byte("survey " + contact))
	return float64(binary.BigEndian.Uint32(sum[:4])) < share*(1<<32)
}

// personKey is that of the pseudonyms by which people are known to have been asked.
func personKey(secret []byte) []byte {
	key, err := hkdf.Key(sha256.New, secret, nil, "decroche surveys: people asked", 32)
	if err != nil {
		panic(err) // 32 bytes are never too many
	}
	return key
}

// person is a number's pseudonym; "" for a withheld number.
func person(key []byte, n call.Number) string {
	if n == call.Withheld {
		return ""
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(n))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}
