package store

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"decroche/call"
)

const (
	// keyLife is how long a key of the pseudonyms serves. Periods are counted from 1970.
	keyLife = 30 * 24 * time.Hour
	// keyOverlap is how long a period goes on with the key before beside its own, so that who
	// calls again within the longest window of réitération, seven days, is known again.
	keyOverlap = 7 * 24 * time.Hour
)

// keys are those of the pseudonyms. Each period has its own, and the key of the next period is
// the hash of this one's: nodes that were once given the same file go on with the same keys,
// and nobody can go back. Once a key is not needed any more, keyOverlap after its period, the
// file holds the next in its place, and no number can be tied to the older pseudonyms, not even
// by whoever has the file and the journal.
type keys struct {
	path string // "" for a key of the options, which no file holds
	log  *slog.Logger

	mu     sync.Mutex
	period int64 // of the oldest key that is needed, which is first
	first  []byte
	// before stands for all older keys, in the import of history: drawn by this process, kept
	// nowhere. nil until it is needed.
	before []byte
	failed bool // the file could not be written, and that was told
}

// Pseudonym is the keyed pseudonym of a number: 32 hexadecimal digits.
func Pseudonym(key []byte, n call.Number) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(n))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// at is the key of a moment, and the one before if it serves too.
func (k *keys) at(t time.Time) (now, was []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	p, into := periodOf(t)
	now = k.of(p)
	if into < keyOverlap && (p > k.period || p == k.period && k.before != nil) {
		was = k.of(p - 1)
	}
	return now, was
}

// all are the pseudonyms of a number under the keys there still are.
func (k *keys) all(n call.Number, now time.Time) (names []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	p, _ := periodOf(now)
	for i := k.period; i <= max(p, k.period); i++ {
		names = append(names, Pseudonym(k.of(i), n))
	}
	return names
}

// of is the key of a period; the mutex is held.
func (k *keys) of(period int64) []byte {
	if period < k.period {
		if k.before == nil {
			k.before = freshKey()
		}
		return k.before
	}
	key := k.first
	for range period - k.period {
		key = nextKey(key)
	}
	return key
}

// turn destroys the keys that are not needed any more.
func (k *keys) turn(now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	p, _ := periodOf(now.Add(-keyOverlap))
	if p <= k.period {
		return
	}
	key := k.of(p)
	if k.path != "" {
		if err := writeKey(k.path, p, key); err != nil {
			if !k.failed {
				k.failed = true
				k.log.Error("an old key of the pseudonyms cannot be destroyed, trying again", "error", err)
			}
			return
		}
	}
	k.period, k.first, k.failed = p, key, false
}

// periodOf is the period a moment lies in, and how far.
func periodOf(t time.Time) (period int64, into time.Duration) {
	ms := max(0, t.UnixMilli())
	life := keyLife.Milliseconds()
	return ms / life, time.Duration(ms%life) * time.Millisecond
}

func nextKey(key []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("the key of the next period"))
	return mac.Sum(nil)
}

func freshKey() []byte {
	key := make([]byte, 32)
	rand.Read(key)
	return key
}

// openKeys takes the key of the options, or reads the file of the data folder, which it makes
// at first use.
func openKeys(opts Options) (*keys, error) {
	now, _ := periodOf(time.Now())
	if len(opts.PseudonymKey) > 0 {
		return &keys{period: now, first: opts.PseudonymKey, log: opts.Log}, nil
	}
	path := filepath.Join(opts.DataDir, "pseudonym.key")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeKey(path, now); err != nil {
			return nil, fmt.Errorf("write the key of the pseudonyms: %w", err)
		}
		text, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("read the key of the pseudonyms: %w", err)
	}
	period, key, ok := parseKey(string(text), now)
	if !ok {
		return nil, fmt.Errorf("the key of the pseudonyms, %s, is damaged: put it back from a backup, or remove it (callers then get new pseudonyms)", path)
	}
	return &keys{path: path, period: period, first: key, log: opts.Log}, nil
}

// parseKey reads a period and its key. A key alone, as files once held it, is the present one.
func parseKey(text string, now int64) (period int64, key []byte, ok bool) {
	fields := strings.Fields(text)
	period = now
	if len(fields) == 2 {
		var err error
		if period, err = strconv.ParseInt(fields[0], 10, 64); err != nil || period < 0 {
			return 0, nil, false
		}
		fields = fields[1:]
	}
	if len(fields) != 1 {
		return 0, nil, false
	}
	key, err := hex.DecodeString(fields[0])
	return period, key, err == nil && len(key) == 32
}

// makeKey makes the file, unless another process just has.
func makeKey(path string, period int64) error {
	own := fmt.Sprintf("%s.%d", path, os.Getpid())
	if err := writeKey(own, period, freshKey()); err != nil {
		return err
	}
	err := os.Link(own, path)
	if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	return errors.Join(err, os.Remove(own))
}

// writeKey puts the file in the place of the one before, whole or not at all.
func writeKey(path string, period int64, key []byte) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".pseudonym-*") // 0600
	if err != nil {
		return err
	}
	_, werr := fmt.Fprintf(f, "%d %s\n", period, hex.EncodeToString(key))
	if err := errors.Join(werr, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
