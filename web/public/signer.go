package public

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"strings"
	"sync"
	"time"

	"decroche/call"
	"decroche/callback"
	"decroche/chat"
	"decroche/survey"
	"decroche/text"
)

// Signer makes the links that are sent to citizens, and tells whether one that comes back is ours.
//
// A link to a promise, or to a survey, holds its id (50 bits), the last day it serves (14 bits,
// counted from 2000-01-01 UTC) and 80 bits of an HMAC-SHA256 over both and the purpose, written
// in 25 letters and digits: it has no sign that a telephone would leave out of a link, and
// fits into a text message of one segment. That of a promise serves for two days after its window,
// that of a conversation for thirty days.
//
// Each purpose has a key of its own, derived from Key: what was made for one proves nothing
// to another.
type Signer struct {
	// Key is the deployment's secret, at least 16 bytes. When it changes, all links end.
	Key []byte
	// Base is how citizens reach the pages, "https://rappel.example.fr", without a slash at the end.
	Base string

	once     sync.Once
	promises []byte      // key of the links to promises …
	surveys  []byte      // … to surveys …
	chats    []byte      // … and to conversations
	bookings cipher.AEAD // seals the steps of a booking
}

var (
	errForged  = errors.New("the token is not one of ours")
	errExpired = errors.New("the token has expired")
)

const (
	// graceOfLink is how long a link serves after the promise's window.
	graceOfLink = 48 * time.Hour
	tokenBytes  = 18
	macBytes    = 10
	tokenLen    = 25 // 144 bits in base 62
	dayBits     = 14
	crockford   = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	idLen       = 10
)

// epoch is day 0 of the links; the 14 bits last until November 2044.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// PromiseURL is the address of a promise's page: see, move, cancel. It is "" for an id that is
// not ten characters of Crockford's base 32.
func (s *Signer) PromiseURL(p callback.Promise) string {
	path := s.promisePath(p)
	if path == "" {
		return ""
	}
	return s.Base + path
}

// BookURL is the address of the page to book a callback, in a language that has pages.
func (s *Signer) BookURL(lang call.Lang) string {
	return s.Base + "/" + string(known(lang)) + "/rappel"
}

// MenuURL is the page where the menu is read.
func (s *Signer) MenuURL(lang call.Lang) string { return s.Base + "/" + string(known(lang)) }

// RelayURL is the page to book a callback through the relay centre.
func (s *Signer) RelayURL(lang call.Lang) string { return s.BookURL(lang) + "?relais=1" }

func (s *Signer) promisePath(p callback.Promise) string {
	last := lastMoment(p)
	s.once.Do(s.derive)
	token, ok := linkToken(s.promises, string(p.ID), last)
	if !ok {
		return ""
	}
	return "/p/" + token
}

// lastMoment is until when a promise has a page.
func lastMoment(p callback.Promise) time.Time {
	end := p.By
	if !p.Settled.IsZero() {
		end = p.Settled
	}
	return end.Add(graceOfLink)
}

// SurveyURL is the address of a survey's page, which serves until its day is over; "" for an id
// that is not ten characters of Crockford's base 32.
func (s *Signer) SurveyURL(v survey.Survey) string {
	path := s.surveyPath(v)
	if path == "" {
		return ""
	}
	return s.Base + path
}

func (s *Signer) surveyPath(v survey.Survey) string {
	s.once.Do(s.derive)
	token, ok := linkToken(s.surveys, string(v.ID), v.Until)
	if !ok {
		return ""
	}
	return "/s/" + token
}

// chatServes is how long the link of a conversation does.
const chatServes = 30 * 24 * time.Hour

// WriteURL is the page to write to an agent.
func (s *Signer) WriteURL(lang call.Lang) string {
	return s.Base + "/" + string(known(lang)) + "/ecrire"
}

func (s *Signer) chatPath(c chat.Conversation) string {
	s.once.Do(s.derive)
	token, _ := linkToken(s.chats, string(c.ID), c.Opened.Add(chatServes)) // ids of ours always do
	return "/c/" + token
}

// linkToken writes an id and the day of a moment, signed with a purpose's key.
func linkToken(key []byte, id string, last time.Time) (string, bool) {
	day := int(last.Sub(epoch) / (24 * time.Hour))
	if len(id) != idLen || day < 0 || day >= 1<<dayBits {
		return "", false
	}
	var bits uint64
	for _, c := range id {
		v := strings.IndexRune(crockford, c)
		if v < 0 {
			return "", false
		}
		bits = bits<<5 | uint64(v)
	}
	bits = bits<<dayBits | uint64(day)
	var raw [tokenBytes]byte
	for i := range 8 {
		raw[i] = byte(bits >> (56 - 8*i))
	}
	copy(raw[8:], mac(key, raw[:8]))
	digits := new(big.Int).SetBytes(raw[:]).Text(62)
	return strings.Repeat("0", tokenLen-len(digits)) + digits, true
}

// openPromise reads a token. With errExpired the token is ours, and the id is given.
func (s *Signer) openPromise(token string, now time.Time) (callback.ID, error) {
	s.once.Do(s.derive)
	id, err := openToken(s.promises, token, now)
	return callback.ID(id), err
}

// openSurvey is openPromise for surveys.
func (s *Signer) openSurvey(token string, now time.Time) (survey.ID, error) {
	s.once.Do(s.derive)
	id, err := openToken(s.surveys, token, now)
	return survey.ID(id), err
}

// openChat is openPromise for conversations.
func (s *Signer) openChat(token string, now time.Time) (chat.ID, error) {
	s.once.Do(s.derive)
	id, err := openToken(s.chats, token, now)
	return chat.ID(id), err
}

func openToken(key []byte, token string, now time.Time) (string, error) {
	n, ok := new(big.Int), len(token) == tokenLen
	for i := 0; ok && i < len(token); i++ { // SetString would take signs and underscores too
		c := token[i]
		ok = '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
	}
	if ok {
		_, ok = n.SetString(token, 62)
	}
	if !ok || n.BitLen() > 8*tokenBytes {
		return "", errForged
	}
	var raw [tokenBytes]byte
	n.FillBytes(raw[:])
	if !hmac.Equal(raw[8:], mac(key, raw[:8])) {
		return "", errForged
	}
	var bits uint64
	for _, b := range raw[:8] {
		bits = bits<<8 | uint64(b)
	}
	day := int(bits & (1<<dayBits - 1))
	bits >>= dayBits
	id := make([]byte, idLen)
	for i := range id {
		id[idLen-1-i] = crockford[bits&31]
		bits >>= 5
	}
	if !now.Before(epoch.AddDate(0, 0, day+1)) {
		return string(id), errExpired
	}
	return string(id), nil
}

func mac(key, of []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(of)
	return h.Sum(nil)[:macBytes]
}

func (s *Signer) derive() {
	if len(s.Key) < 16 {
		panic(fmt.Sprintf("the key of the public pages has %d bytes and 16 are the least: give the deployment a longer one", len(s.Key)))
	}
	key := func(purpose string) []byte {
		k, err := hkdf.Key(sha256.New, s.Key, nil, "decroche public pages: "+purpose, 32)
		if err != nil {
			panic(err) // 32 bytes are never too many
		}
		return k
	}
	s.promises, s.surveys, s.chats = key("link to a promise"), key("link to a survey"), key("link to a conversation")
	block, err := aes.NewCipher(key("steps of a booking"))
	if err != nil {
		panic(err) // of a key that has the right length
	}
	if s.bookings, err = cipher.NewGCMWithRandomNonce(block); err != nil {
		panic(err)
	}
}

// A booking is what somebody has said so far. It goes from page to page sealed, for it holds
// the number and is in addresses: nobody reads or alters it on the way, and the server keeps nothing.
type booking struct {
	// Proof names the proof of the number: the code that is sent, and what was promised by it.
	Proof string `json:"p"`
	// Round counts the codes asked for, from 1.
	Round  int         `json:"r,omitempty"`
	Queue  string      `json:"q"`
	Reason string      `json:"m,omitempty"`
	Number call.Number `json:"n"`
	// Relay says that the centre is called, which gets the citizen on the line.
	Relay bool `json:"c,omitempty"`
	// Zone is where the citizen said to be; "": where the number is from.
	Zone string `json:"z,omitempty"`
	// Kind and Slot (Unix seconds) are the wish.
	Kind callback.Kind `json:"k,omitempty"`
	Slot int64         `json:"s,omitempty"`
	// Proved says that the code was given.
	Proved bool `json:"v,omitempty"`
	// Until is when the booking is to be done, Unix seconds.
	Until int64 `json:"u"`
}

// patience is how long a booking may take from its first step.
const patience = 30 * time.Minute

func (s *Signer) seal(b booking) string {
	s.once.Do(s.derive)
	raw, err := json.Marshal(b)
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	return base64.RawURLEncoding.EncodeToString(s.bookings.Seal(nil, nil, raw, nil))
}

// open reads a booking. With errExpired it is ours, and given.
func (s *Signer) open(token string, now time.Time) (booking, error) {
	s.once.Do(s.derive)
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(token) > 1024 {
		return booking{}, errForged
	}
	plain, err := s.bookings.Open(nil, nil, raw, nil)
	if err != nil {
		return booking{}, errForged
	}
	var b booking
	if err := json.Unmarshal(plain, &b); err != nil {
		return booking{}, errForged
	}
	if now.Unix() >= b.Until {
		return b, errExpired
	}
	return b, nil
}

// languages are those that have pages.
var languages = []call.Lang{"fr", "en", "es", "de", "it"}

// known is the language itself if it has pages, or French.
func known(lang call.Lang) call.Lang {
	for _, l := range languages {
		if l == lang {
			return l
		}
	}
	return languages[0]
}

// say gives a text of the pages. Lines do not break within a number, nor before the signs
// that French sets apart.
func say(lang call.Lang, id string, pairs ...any) string {
	return set(lang, text.Get(lang, "page."+id, pairs...))
}

// set keeps a text's parts together that belong together.
func set(lang call.Lang, t string) string {
	if lang == "fr" {
		t = setApart.Replace(t)
	}
	return pairsOfDigits.ReplaceAllString(t, "$1\u00a0$2")
}

var (
	setApart      = strings.NewReplacer(" :", "\u00a0:", " ;", "\u00a0;", " ?", "\u00a0?", " !", "\u00a0!")
	pairsOfDigits = regexp.MustCompile(`(\d) (\d)`)
)
