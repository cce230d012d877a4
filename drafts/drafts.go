// Package drafts keeps what is to be changed in the service's definition until it is let out.
//
// A change is of one part of the file: a prompt, the closures, a setting. It is a draft until all drafts
// are published together; then the file is written, the line takes it, and the changes are the history
// of their parts, from which any of them is restored. The file stays the one truth: what somebody
// changes in it by hand is kept, and a draft of the same part is shown as in conflict.
package drafts

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"decroche/service"
)

// Change is a part of the definition written anew.
type Change struct {
	ID   int64
	Path string // as service.Edit has it
	// Value is the part's new YAML, Was the one that its author saw in the file; "" is a part that is not written.
	Value, Was string
	By         string
	At         time.Time
	State      State
	// Settled is when it was published or dropped, and by whom; zero for a draft.
	Settled   time.Time
	SettledBy string
}

// State is one out of a closed set.
type State string

const (
	Draft     State = "draft"
	Published State = "published"
	Dropped   State = "dropped"
)

// Errors of drafts.
var (
	// ErrChanged: somebody else has changed this part meanwhile.
	ErrChanged = errors.New("this part was changed meanwhile")
	// ErrNone: there is no such draft any more.
	ErrNone = errors.New("there is no such draft")
	// ErrNothing: there is nothing to publish.
	ErrNothing = errors.New("there is no draft")
	// ErrOwn: what one person writes, another lets out.
	ErrOwn = errors.New("a draft is let out by another person than who wrote it")
	// ErrUnfit: the definition would not be one, or is against the guide.
	ErrUnfit = errors.New("the definition cannot be published like this")
	// ErrUnsettled: the definition is in force, and the store does not know it yet.
	ErrUnsettled = errors.New("what was published is in force and could not be kept as the history; it is tried again")
)

// Store keeps changes.
type Store interface {
	// PutDraft keeps a change as the draft of its path. seen is the draft that its author saw, 0 for none:
	// ErrChanged if there is another by now.
	PutDraft(ctx context.Context, c Change, seen int64) (Change, error)
	// Drafts lists the drafts, in the order they were written.
	Drafts(ctx context.Context) ([]Change, error)
	// SettleDrafts makes drafts dropped, all or none: ErrNone if one is no draft any more. Or it makes them published,
	// also those that were dropped meanwhile: the line says them, whatever became of the draft.
	SettleDrafts(ctx context.Context, ids []int64, state State, by string, at time.Time) error
	// History lists what was published of a path, newest first; of all paths for "".
	History(ctx context.Context, path string, limit int) ([]Change, error)
	// Lost lists the drafts that another person than their author wrote over or forgot, the last first.
	Lost(ctx context.Context, limit int) ([]Change, error)
}

// Desk is where the definition is edited.
type Desk struct {
	Store Store
	// File is the definition's.
	File string
	// Judge says what else keeps a definition from being served here: service.Problems where it knows
	// what to mend in the file; nil: nothing.
	Judge func(*service.Definition) error
	// Reload makes the line take the file, or tells why it stays with what it has.
	Reload func(ctx context.Context) error

	mu   sync.Mutex // publishing, and what would come between
	owed []publication

	seen  sync.Mutex
	last  *Look         // of the file and the drafts as they were looked at last
	parts service.Parts // of the file of sum
	sum   [sha256.Size]byte
}

// publication is what the line has taken and the store is still to be told.
type publication struct {
	ids []int64
	by  string
	at  time.Time
}

// settlePatience bounds the telling of the store, which does not end with who asked for it.
const settlePatience = 10 * time.Second

// Look is how the file stands, and how it will.
type Look struct {
	Drafts []Row
	// Now is in the file; Next is with the drafts, nil when Problems keep it from being read.
	Now, Next *service.Definition
	Text      []byte // of Next
	Problems  service.Problems
	// Refused is what else keeps it from being served, nil for nothing; Findings are the guide's.
	Refused  error
	Findings []service.Finding
	// Version names what was looked at: who publishes, publishes this.
	Version string

	before []service.Finding // of Now
}

// Row is a draft with what the file says now.
type Row struct {
	Change
	Now string
	// Conflict: the file says something else than what the author saw.
	Conflict bool
}

// Errors are the findings that keep it from being published: those that are not in the file already, for
// who mends one thing is not kept from it by another.
func (l *Look) Errors() (list []service.Finding) {
	for _, f := range l.Findings {
		if l.Blocks(f) {
			list = append(list, f)
		}
	}
	return list
}

// Blocks says that a finding is an error that the drafts bring.
func (l *Look) Blocks(f service.Finding) bool {
	return f.Severity == service.Defect && !slices.ContainsFunc(l.before, func(b service.Finding) bool {
		return b.Rule == f.Rule && b.Where == f.Where && b.What == f.What
	})
}

// Fit tells whether it may be published.
func (l *Look) Fit() bool {
	return l.Next != nil && l.Refused == nil && len(l.Errors()) == 0 && !slices.ContainsFunc(l.Drafts, func(r Row) bool { return r.Conflict })
}

// Look reads the file and the drafts; what is the same as at the last look is not read again.
func (d *Desk) Look(ctx context.Context) (*Look, error) {
	if d.mu.TryLock() { // a page does not wait for who publishes
		_ = d.settle(ctx) // until that works, the drafts say what the file says
		d.mu.Unlock()
	}
	data, list, err := d.read(ctx)
	if err != nil {
		return nil, err
	}
	d.seen.Lock()
	defer d.seen.Unlock()
	if d.last == nil || d.last.Version != versionOf(data, list) {
		l, err := d.look(data, list)
		if err != nil {
			return nil, err
		}
		d.last = l
	}
	return d.judged(d.last), nil
}

// judged adds what else keeps a Look's definition from being served, which may be another by now.
func (d *Desk) judged(l *Look) *Look {
	out := *l
	if d.Judge != nil && len(l.Problems) == 0 {
		out.Refused = d.Judge(l.Next)
	}
	return &out
}

// read gives the file and the drafts.
func (d *Desk) read(ctx context.Context) ([]byte, []Change, error) {
	data, err := os.ReadFile(d.File)
	if err != nil {
		return nil, nil, fmt.Errorf("read the service definition: %w", err)
	}
	list, err := d.Store.Drafts(ctx)
	return data, list, err
}

// versionOf names a file and the drafts of it.
func versionOf(data []byte, list []Change) string {
	sum := sha256.New()
	sum.Write(data)
	for _, c := range list {
		fmt.Fprintf(sum, "%d ", c.ID)
	}
	return fmt.Sprintf("%x", sum.Sum(nil)[:8])
}

// look reads what the file says, and what it would say with the drafts; recordings that are named are looked for.
func (d *Desk) look(data []byte, list []Change) (l *Look, err error) {
	l = &Look{Text: data, Version: versionOf(data, list)}
	if l.Now, err = service.Parse(d.File, data); err != nil {
		return nil, err // the line serves an older one; the file is to be mended first
	}
	parts, err := service.ReadParts(data)
	if err != nil {
		return nil, err
	}
	for _, c := range list {
		row := Row{Change: c, Now: parts.Part(c.Path)}
		row.Conflict = row.Now != c.Was && row.Now != c.Value
		l.Drafts = append(l.Drafts, row)
		if l.Text, err = service.Rewrite(l.Text, service.Edit{Path: c.Path, Value: c.Value}); err != nil {
			return nil, err
		}
	}
	l.Next, err = service.Parse(d.File, l.Text)
	switch problems := service.Problems(nil); {
	case errors.As(err, &problems):
		l.Problems = problems
	case err != nil:
		return nil, err
	default:
		l.Findings, l.before = service.Lint(l.Next, nil), service.Lint(l.Now, nil)
	}
	return l, nil
}

// Part gives a part as its editor sees it: with its draft, and the ID of that, 0 for none.
func (d *Desk) Part(ctx context.Context, path string) (value string, seen int64, err error) {
	data, list, err := d.read(ctx)
	if err != nil {
		return "", 0, err
	}
	for _, c := range list {
		if c.Path == path {
			return c.Value, c.ID, nil
		}
	}
	d.seen.Lock()
	defer d.seen.Unlock()
	if sum := sha256.Sum256(data); sum != d.sum { // a page asks for many parts of one file
		parts, err := service.ReadParts(data)
		if err != nil {
			return "", 0, err
		}
		d.parts, d.sum = parts, sum
	}
	return d.parts.Part(path), 0, nil
}

// Write keeps a change as a draft. was is the part as its author saw it, seen the draft they saw. It
// returns ErrChanged when one of them is another by now, service.Problems when the definition could
// not be read with it, and service.ErrByHand. What says the same as the file is no draft: one that was is dropped.
func (d *Desk) Write(ctx context.Context, path, value, was string, seen int64, by string) error {
	value, err := service.Canonical(value)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(d.File)
	if err != nil {
		return fmt.Errorf("read the service definition: %w", err)
	}
	now, err := service.Part(data, path)
	if err != nil {
		return err
	}
	shown, current, err := d.Part(ctx, path)
	switch {
	case err != nil:
		return err
	case current != seen || seen == 0 && was != shown:
		return ErrChanged
	case value == shown:
		return nil
	case value == now && seen == 0:
		return nil
	case value == now:
		return d.Store.SettleDrafts(ctx, []int64{seen}, Dropped, by, time.Now())
	}
	if err := d.readable(ctx, data, path, value); err != nil {
		return err
	}
	_, err = d.Store.PutDraft(ctx, Change{Path: path, Value: value, Was: now, By: by, At: time.Now(), State: Draft}, seen)
	return err
}

// readable refuses a change by which the definition could not be read any more: service.Problems, of
// what was not there before.
func (d *Desk) readable(ctx context.Context, data []byte, path, value string) error {
	list, err := d.Store.Drafts(ctx)
	if err != nil {
		return err
	}
	for _, c := range list {
		if c.Path != path {
			if data, err = service.Rewrite(data, service.Edit{Path: c.Path, Value: c.Value}); err != nil {
				return err
			}
		}
	}
	before := map[service.Sentence]bool{}
	for _, p := range d.problems(data) {
		before[p.What] = true
	}
	if data, err = service.Rewrite(data, service.Edit{Path: path, Value: value}); err != nil {
		return err
	}
	fresh := slices.DeleteFunc(d.problems(data), func(p service.Problem) bool { return before[p.What] })
	if len(fresh) > 0 {
		return fresh
	}
	return nil
}

// problems are what a text is refused for, by who reads it or by who serves it.
func (d *Desk) problems(data []byte) service.Problems {
	def, err := service.Parse(d.File, data)
	if err == nil && d.Judge != nil {
		err = d.Judge(def)
	}
	var problems service.Problems
	errors.As(err, &problems)
	return problems
}

// Drop forgets a draft, and gives it. What is being published is not forgotten meanwhile. It returns ErrNone.
func (d *Desk) Drop(ctx context.Context, id int64, by string) (Change, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.settle(ctx); err != nil {
		return Change{}, err
	}
	list, err := d.Store.Drafts(ctx)
	if err != nil {
		return Change{}, err
	}
	i := slices.IndexFunc(list, func(c Change) bool { return c.ID == id })
	if i < 0 {
		return Change{}, ErrNone
	}
	return list[i], d.Store.SettleDrafts(ctx, []int64{id}, Dropped, by, time.Now())
}

// settle tells the store what is in force. It is called with the lock held.
func (d *Desk) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settlePatience)
	defer cancel()
	for len(d.owed) > 0 {
		p := d.owed[0]
		if err := d.Store.SettleDrafts(ctx, p.ids, Published, p.by, p.at); err != nil {
			return err
		}
		d.owed = d.owed[1:]
	}
	return nil
}

// Publish writes the file with all drafts, and makes the line take it. version is what was looked at:
// ErrChanged if it is another by now. With second, none of the drafts is by's own: ErrOwn. It returns
// ErrUnfit for what Look shows. When the line does not take it, the file is as before. With ErrUnsettled
// it is published all the same.
func (d *Desk) Publish(ctx context.Context, version, by string, second bool) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.settle(ctx); err != nil {
		return 0, err
	}
	before, list, err := d.read(ctx)
	if err != nil {
		return 0, err
	}
	l, err := d.look(before, list)
	if err != nil {
		return 0, err
	}
	switch l = d.judged(l); {
	case len(l.Drafts) == 0:
		return 0, ErrNothing
	case l.Version != version:
		return 0, ErrChanged
	case second && slices.ContainsFunc(l.Drafts, func(r Row) bool { return r.By == by }):
		return 0, ErrOwn
	case !l.Fit():
		return 0, ErrUnfit
	}
	if now, err := os.ReadFile(d.File); err != nil || !bytes.Equal(now, before) { // by hand, this moment
		return 0, errors.Join(ErrChanged, err)
	}
	if err := Try(d.File, l.Text, func() error { return d.Reload(ctx) }); err != nil {
		return 0, err
	}
	ids := make([]int64, len(l.Drafts))
	for i, r := range l.Drafts {
		ids[i] = r.ID
	}
	d.owed = append(d.owed, publication{ids, by, time.Now()})
	if err := d.settle(ctx); err != nil {
		return len(ids), fmt.Errorf("%w: %w", ErrUnsettled, err)
	}
	return len(ids), nil
}

// Try writes a file and has it taken. When it is not taken the file is as before, on a full disk too: its room is
// kept meanwhile.
func Try(path string, data []byte, take func() error) error {
	before, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	kept, err := beside(path, before)
	if err != nil {
		return err
	}
	defer os.Remove(kept)
	if err := Replace(path, data); err != nil {
		return err
	}
	if err := take(); err != nil {
		return errors.Join(err, os.Rename(kept, path))
	}
	return nil
}

// Replace writes a file that is there whole, or not at all.
func Replace(path string, data []byte) error {
	fresh, err := beside(path, data)
	if err != nil {
		return err
	}
	defer os.Remove(fresh)
	if err := os.Rename(fresh, path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// beside writes a file beside another, to take its place; it is there whole, or not at all.
func beside(path string, data []byte) (name string, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("write %s: %w", path, err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return "", fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Chmod(info.Mode().Perm()), f.Sync(), f.Close()); err != nil {
		return "", fmt.Errorf("write %s: %w", path, errors.Join(err, os.Remove(f.Name())))
	}
	return f.Name(), nil
}
