package public

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"strings"
	"sync"
	"time"

	"decroche/call"
	"decroche/callback"
)

// Codes proves that numbers are the citizens': a code is sent to the number and typed on the page.
// A proof is named by who began it; its rounds count the codes asked for, from 1.
type Codes interface {
	// New makes the code of a round. fresh is false when that round, or a later one, was asked
	// for already: nothing is to be sent. A new round ends the code before it. *TooMany when a
	// limit of the number or of the address is reached.
	New(proof string, round int, n call.Number, from netip.Prefix) (code string, fresh bool, err error)
	// Withdraw takes back a code that could not be sent: the round may be asked for again.
	Withdraw(proof string, round int)
	// Check tells whether the code is the proof's: nil, *WrongCode or ErrNoCode. A code that
	// was right once is right again until it ends.
	Check(proof, code string) error
	// Keep remembers what was promised by a proof, for an hour; Kept tells it.
	Keep(proof string, id callback.ID)
	Kept(proof string) (callback.ID, bool)
}

// ErrNoCode: the code has ended, was tried too often or was never sent.
var ErrNoCode = errors.New("there is no code to check")

// WrongCode is a code that is not right.
type WrongCode struct{ Left int } // tries that are left

func (e *WrongCode) Error() string {
	return fmt.Sprintf("the code is wrong, %d tries are left", e.Left)
}

// TooMany is a limit that is reached.
type TooMany struct {
	// Of is "number", "address" or "all".
	Of    string
	After time.Duration // when to try again
}

func (e *TooMany) Error() string {
	return fmt.Sprintf("too many codes for one %s: again in %s", e.Of, e.After)
}

// The limits of codes.
const (
	CodeLife     = 10 * time.Minute
	CodeTries    = 5
	PerHour      = 3  // codes for one number
	PerDay       = 5  // codes for one number
	AddressHour  = 20 // codes for one address (IPv6: one /64)
	keptFor      = time.Hour
	defaultRooms = 50_000
)

// MemoryCodes keeps codes in memory, hashed with a key of the process. Its size is bounded: when
// it is full of what has not ended yet, new codes are refused. A restart forgets all: who was
// waiting for a code is told to ask for a new one, and the limits begin anew.
type MemoryCodes struct {
	// Rooms is how many proofs, and how many numbers and addresses, are remembered. Default 50,000.
	Rooms int

	mu     sync.Mutex
	key    []byte
	proofs map[string]*proof
	asked  map[string][]time.Time // by "n" and number, or "a" and address; oldest first
}

type proof struct {
	round int
	hash  []byte // nil: the code is not valid any more
	tries int
	until time.Time // of the code
	kept  callback.ID
	drop  time.Time // from when the proof may be forgotten
	undo  []string  // what the last round was counted under
	began time.Time
}

// NewCodes makes an empty memory.
func NewCodes() *MemoryCodes {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return &MemoryCodes{Rooms: defaultRooms, key: key, proofs: map[string]*proof{}, asked: map[string][]time.Time{}}
}

// New implements Codes.
func (m *MemoryCodes) New(name string, round int, n call.Number, from netip.Prefix) (string, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	p := m.proofs[name]
	if p != nil && p.round >= round {
		return "", false, nil
	}
	number, address := "n"+string(n), "a"+from.String()
	if err := m.allow(number, address, now); err != nil {
		return "", false, err
	}
	if !m.room(p == nil, now) {
		return "", false, &TooMany{Of: "all", After: CodeLife}
	}
	if p == nil {
		p = new(proof)
		m.proofs[name] = p
	}
	code := newCode()
	p.round, p.hash, p.tries, p.until = round, m.hash(name, code), 0, now.Add(CodeLife)
	p.drop, p.undo, p.began = now.Add(keptFor), []string{number, address}, now
	for _, k := range p.undo {
		m.asked[k] = append(m.asked[k], now)
	}
	return code, true, nil
}

// allow tells whether one more code is within the limits.
func (m *MemoryCodes) allow(number, address string, now time.Time) error {
	for _, l := range []struct {
		of, key string
		within  time.Duration
		most    int
	}{
		{"number", number, time.Hour, PerHour},
		{"number", number, 24 * time.Hour, PerDay},
		{"address", address, time.Hour, AddressHour},
	} {
		times := m.asked[l.key]
		if len(times) < l.most {
			continue
		}
		if first := times[len(times)-l.most].Add(l.within); first.After(now) {
			return &TooMany{Of: l.of, After: first.Sub(now)}
		}
	}
	return nil
}

// room makes room by forgetting what has ended; it tells whether there is any.
func (m *MemoryCodes) room(wanted bool, now time.Time) bool {
	full := func() bool { return wanted && len(m.proofs) >= m.Rooms || len(m.asked)+2 > 2*m.Rooms }
	if !full() {
		return true
	}
	for name, p := range m.proofs {
		if now.After(p.drop) {
			delete(m.proofs, name)
		}
	}
	for key, times := range m.asked {
		within := 24 * time.Hour
		if strings.HasPrefix(key, "a") {
			within = time.Hour
		}
		if len(times) == 0 || now.Sub(times[len(times)-1]) > within {
			delete(m.asked, key)
		}
	}
	return !full()
}

// Withdraw implements Codes.
func (m *MemoryCodes) Withdraw(name string, round int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.proofs[name]
	if p == nil || p.round != round {
		return
	}
	p.round, p.hash = round-1, nil
	for _, key := range p.undo {
		times := m.asked[key]
		for i := len(times) - 1; i >= 0; i-- {
			if times[i].Equal(p.began) {
				m.asked[key] = append(times[:i:i], times[i+1:]...)
				break
			}
		}
	}
	p.undo = nil
}

// Check implements Codes.
func (m *MemoryCodes) Check(name, code string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.proofs[name]
	if p == nil || p.hash == nil || p.tries >= CodeTries || !time.Now().Before(p.until) {
		return ErrNoCode
	}
	if hmac.Equal(p.hash, m.hash(name, code)) {
		return nil
	}
	if p.tries++; p.tries >= CodeTries {
		return ErrNoCode
	}
	return &WrongCode{Left: CodeTries - p.tries}
}

// Keep implements Codes.
func (m *MemoryCodes) Keep(name string, id callback.ID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.proofs[name]
	if p == nil { // a restart forgot it
		if !m.room(true, time.Now()) {
			return
		}
		p = new(proof)
		m.proofs[name] = p
	}
	p.kept, p.drop = id, time.Now().Add(keptFor)
}

// Kept implements Codes.
func (m *MemoryCodes) Kept(name string) (callback.ID, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.proofs[name]
	if p == nil || p.kept == "" || time.Now().After(p.drop) {
		return "", false
	}
	return p.kept, true
}

func (m *MemoryCodes) hash(name, code string) []byte {
	h := hmac.New(sha256.New, m.key)
	fmt.Fprintf(h, "%s\x00%s", name, code)
	return h.Sum(nil)
}

// newCode gives six digits, each code as likely as any other.
func newCode() string {
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		panic(err) // crypto/rand never fails
	}
	return fmt.Sprintf("%06d", n)
}
