// Package tags keeps what callers want known of them (tag téléphonique): that they are deaf, speak
// another language, live overseas, are vulnerable, or do without the internet. An agent notes it
// with a reason and the caller's consent; it ends by itself, the caller is told it on request, and it
// is erased with the person. The journey follows it: see ivr.
//
// Whose a tag is, is a pseudonym under a key of its own; the number itself is kept apart, sealed,
// so that who manages tags can tell people about them.
package tags

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"decroche/call"
	"decroche/service"
)

// Kind is what a tag says.
type Kind string

const (
	Vulnerable Kind = "vulnerable" // is helped first
	Deaf       Kind = "deaf"       // is led to the access for deaf callers
	Language   Kind = "language"   // Value is the language
	Overseas   Kind = "overseas"   // is called in the hours of overseas
	Offline    Kind = "offline"    // is not sent to the internet
)

// Kinds are all of them.
var Kinds = []Kind{Vulnerable, Deaf, Language, Overseas, Offline}

// Tag is one thing that is known of a caller.
type Tag struct {
	Kind   Kind         `json:"kind"`
	Value  string       `json:"value,omitempty"`
	Reason string       `json:"reason"`
	By     call.AgentID `json:"by"`
	Set    time.Time    `json:"set"`
	Until  time.Time    `json:"until"`
}

// Person is a caller with their tags.
type Person struct {
	Number call.Number `json:"-"`
	Tags   []Tag       `json:"tags"`
}

// Kept is a tag as the store has it: under a pseudonym, with the sealed number beside.
type Kept struct {
	Person string
	Sealed []byte
	Tag
}

// Store keeps tags. Its changes are durable when they return.
type Store interface {
	// Tag keeps a tag, in the place of the person's one of that kind.
	Tag(ctx context.Context, k Kept) error
	// Untag deletes a person's tag of a kind, "" all of them; it tells how many.
	Untag(ctx context.Context, person string, kind Kind) (int64, error)
	// Tagged lists a person's tags that hold at an instant, "" everybody's; by person and kind.
	Tagged(ctx context.Context, person string, at time.Time) ([]Kept, error)
	// PurgeTags deletes those that ended before.
	PurgeTags(ctx context.Context, before time.Time) (int64, error)
}

// ErrTag wraps why a tag cannot be set.
var ErrTag = errors.New("the tag cannot be set")

// Bounds of a tag.
const (
	DefaultLife = 365 * 24 * time.Hour
	MaxLife     = 3 * 365 * 24 * time.Hour
	maxReason   = 200
)

// Office sets tags, and tells them. Every method may be called from any goroutine and node.
type Office struct {
	Store   Store
	Service func() *service.Definition
	Journal call.Journal
	// Secret is the deployment's for tags, at least 16 bytes. When it changes, tags are lost.
	Secret []byte
	Log    *slog.Logger

	once sync.Once
	key  []byte // of pseudonyms
	seal cipher.AEAD
}

func (o *Office) derive() {
	key := func(purpose string) []byte {
		k, err := hkdf.Key(sha256.New, o.Secret, nil, "decroche tags: "+purpose, 32)
		if err != nil {
			panic(err) // 32 bytes are never too many
		}
		return k
	}
	o.key = key("pseudonyms")
	block, err := aes.NewCipher(key("numbers"))
	if err == nil {
		o.seal, err = cipher.NewGCMWithRandomNonce(block)
	}
	if err != nil {
		panic(err) // of a key that has the right length
	}
}

func (o *Office) person(n call.Number) string {
	o.once.Do(o.derive)
	h := hmac.New(sha256.New, o.key)
	h.Write([]byte(n))
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// Wish is a tag to be set.
type Wish struct {
	Number  call.Number
	Tag     Tag // Set is ignored; Until zero: a year from now
	Consent bool
}

// Set keeps a tag, in the place of the one of its kind. It returns ErrTag with what is wrong.
func (o *Office) Set(ctx context.Context, w Wish) (Tag, error) {
	now := time.Now()
	t := w.Tag
	t.Set, t.Reason = now, strings.TrimSpace(t.Reason)
	if t.Until.IsZero() {
		t.Until = now.Add(DefaultLife)
	}
	if why := o.wrong(w, t, now); why != "" {
		return Tag{}, fmt.Errorf("%w: %s", ErrTag, why)
	}
	o.once.Do(o.derive)
	k := Kept{Person: o.person(w.Number), Sealed: o.seal.Seal(nil, nil, []byte(w.Number), nil), Tag: t}
	if err := o.Store.Tag(ctx, k); err != nil {
		return Tag{}, fmt.Errorf("tag a caller: %w", err)
	}
	o.tell("set", t.Kind, t.By)
	return t, nil
}

func (o *Office) wrong(w Wish, t Tag, now time.Time) string {
	def := o.Service()
	_, ours := def.NumberFor(w.Number)
	switch {
	case w.Number == call.Withheld:
		return "a number is needed"
	case ours:
		return "the number is the service's own"
	case def.IsRelay(w.Number):
		return "the number is the relay centre's: it is nobody's"
	case !slices.Contains(Kinds, t.Kind):
		return fmt.Sprintf("there is no tag %q: write one of %v", t.Kind, Kinds)
	case !w.Consent:
		return "the caller has not agreed: ask them, then say so with \"consent\""
	case t.Reason == "" || utf8.RuneCountInString(t.Reason) > maxReason:
		return fmt.Sprintf("a reason is needed, of at most %d characters", maxReason)
	case t.By == "":
		return "who sets it is needed"
	case t.Kind == Language && !slices.Contains(def.Languages, call.Lang(t.Value)):
		return fmt.Sprintf("the service has no language %q: write one of %v as its value", t.Value, def.Languages)
	case t.Kind != Language && t.Value != "":
		return fmt.Sprintf("a tag %q has no value", t.Kind)
	case !t.Until.After(now):
		return "it would be over already"
	case t.Until.After(now.Add(MaxLife)):
		return "it would last more than three years: the caller is asked again before"
	}
	return ""
}

// Remove takes a tag back. It tells whether there was one.
func (o *Office) Remove(ctx context.Context, n call.Number, kind Kind, by call.AgentID) (bool, error) {
	gone, err := o.Store.Untag(ctx, o.person(n), kind)
	if err != nil {
		return false, fmt.Errorf("take a tag back: %w", err)
	}
	if gone > 0 {
		o.tell("removed", kind, by)
	}
	return gone > 0, nil
}

// Of lists a caller's tags that hold now.
func (o *Office) Of(ctx context.Context, n call.Number) ([]Tag, error) {
	if n == call.Withheld {
		return nil, nil
	}
	list, err := o.Store.Tagged(ctx, o.person(n), time.Now())
	if err != nil {
		return nil, fmt.Errorf("read a caller's tags: %w", err)
	}
	var out []Tag
	for _, k := range list {
		out = append(out, k.Tag)
	}
	return out, nil
}

// People lists everybody who has tags. A number that cannot be opened, under a secret that is not
// this one, is left out and logged.
func (o *Office) People(ctx context.Context) ([]Person, error) {
	list, err := o.Store.Tagged(ctx, "", time.Now())
	if err != nil {
		return nil, fmt.Errorf("list the tags: %w", err)
	}
	o.once.Do(o.derive)
	var out []Person
	for i, k := range list {
		if i > 0 && k.Person == list[i-1].Person {
			out[len(out)-1].Tags = append(out[len(out)-1].Tags, k.Tag)
			continue
		}
		number, err := o.seal.Open(nil, nil, k.Sealed, nil)
		if err != nil {
			o.Log.Error("the number of a tag cannot be opened: was the secret tag-key changed?", "err", err)
		}
		out = append(out, Person{Number: call.Number(number), Tags: []Tag{k.Tag}})
	}
	return slices.DeleteFunc(out, func(p Person) bool { return p.Number == "" }), nil
}

// Forget implements privacy.Register.
func (o *Office) Forget(ctx context.Context, n call.Number) (int64, error) {
	return o.Store.Untag(ctx, o.person(n), "")
}

// Held implements privacy.Register.
func (o *Office) Held(ctx context.Context, n call.Number) (rows []map[string]any, err error) {
	list, err := o.Of(ctx, n)
	for _, t := range list {
		rows = append(rows, map[string]any{
			"tag": t.Kind, "value": t.Value, "reason": t.Reason, "set_by": t.By,
			"set": t.Set.UTC().Format(time.RFC3339), "until": t.Until.UTC().Format(time.RFC3339),
		})
	}
	return rows, err
}

// Run deletes what is over, each hour, until ctx ends.
func (o *Office) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		if _, err := o.Store.PurgeTags(ctx, time.Now()); err != nil && ctx.Err() == nil {
			o.Log.Error("tags that are over could not be deleted; it is tried again", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (o *Office) tell(what string, kind Kind, by call.AgentID) {
	o.Journal.Append(call.NewEvent("", call.EventTag, map[string]any{"what": what, "tag": kind, "agent": by}))
}
