package metrics

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"
	"golang.org/x/sync/errgroup"

	"decroche/call"
)

// Ledger derives contacts and figures from the journal as facts come in, and keeps them in
// its store. What it keeps is a function of the journal and of the settings alone, so it can
// always be made anew; several controllers may run one on the same store.
type Ledger struct {
	Store    Store
	Settings func() *Settings
	Log      *slog.Logger
	// Changed, if set, tells that the journal has new facts; the ledger looks every second anyway.
	Changed <-chan struct{}
	// Kept, if set, is told up to which id of the journal everything is kept.
	Kept func(upto int64)

	mu   sync.Mutex
	book *book // nil until the standing is read
	tidy bool  // nothing is left of a side given up
}

const (
	// memory is how long contacts stay in memory: the longest window of réitération and a day.
	memory = Week + Day
	// memoryAnew is how long while everything is made anew: so long that what comes late, as a
	// reason told days after the call, is hardly ever looked up in tables that are being filled.
	memoryAnew = 2*Week + 2*Day
	// batchFacts bounds the facts of a commit.
	batchFacts = 20_000
	// pageFacts are read at a time, and ahead pages are when they are folded.
	pageFacts = 512
	ahead     = 32
	lookEvery = time.Second
)

// Run derives until ctx ends. It rebuilds first when the settings are no longer those the
// figures were made with.
func (l *Ledger) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	trouble := false
	for {
		err := l.Advance(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !errors.Is(err, ErrMoved):
			if !trouble {
				l.Log.Error("the figures cannot be brought up to date; the journal keeps all facts", "err", err)
			}
			trouble = true
		default:
			trouble = false
		}
		select {
		case <-ctx.Done():
			return nil
		case <-l.Changed:
		case <-tick.C:
		}
	}
}

// Advance folds in what the journal has by now. It rebuilds when the settings have changed.
func (l *Ledger) Advance(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.advance(ctx); err != nil {
		l.book = nil // read anew where the ledger stands
		return err
	}
	return nil
}

func (l *Ledger) advance(ctx context.Context) error {
	if l.book == nil {
		at, err := l.Store.Standing(ctx)
		if err != nil {
			return err
		}
		if l.book, err = openBook(l.Store, at, l.Settings()); err != nil {
			return err
		}
	}
	if l.book.outdated(l.Settings()) {
		return l.rebuild(ctx)
	}
	if err := l.fold(ctx, l.book, l.book.commit); err != nil {
		return err
	}
	if err := l.book.sumUp(ctx, time.Now()); err != nil {
		return err
	}
	if l.Kept != nil {
		l.Kept(l.book.upto)
	}
	return l.tidyUp(ctx)
}

// tidyUp gives up, once, what a rebuild has left: this one's, or that of a process which ended.
func (l *Ledger) tidyUp(ctx context.Context) error {
	if l.tidy {
		return nil
	}
	err := l.Store.Tidy(ctx)
	l.tidy = err == nil
	return err
}

// fold reads on from where the book stands, and commits after each batch. The journal is
// read and understood by a goroutine that is a few pages ahead.
func (l *Ledger) fold(ctx context.Context, b *book, commit func(context.Context) error) error {
	reading, stop := context.WithCancel(ctx)
	pages, used := make(chan []Fact, ahead), make(chan []Fact, ahead+2)
	var g errgroup.Group
	g.Go(func() error {
		defer close(pages)
		return l.read(reading, b.upto, pages, used)
	})
	n, err := 0, error(nil)
	for page := range pages {
		for i := range page {
			if err != nil {
				break // what is read already is given up
			}
			f := &page[i]
			err = b.take(ctx, f)
			b.upto = f.ID
			if n++; n%batchFacts == 0 && err == nil {
				err = commit(ctx)
			}
		}
		if err != nil {
			stop()
		}
		used <- page
	}
	stop()
	if rerr := g.Wait(); err == nil {
		err = rerr
	}
	if err != nil {
		return err
	}
	return commit(ctx)
}

// read gives the journal's facts after an id in pages, which are filled again once used.
func (l *Ledger) read(ctx context.Context, after int64, pages chan<- []Fact, used <-chan []Fact) error {
	var r factReader
	page := make([]Fact, 0, pageFacts)
	give := func() error {
		select {
		case pages <- page:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		select {
		case page = <-used:
			page = page[:0]
		default:
			page = make([]Fact, 0, pageFacts)
		}
		return nil
	}
	err := l.Store.Scan(ctx, after, func(id int64, e call.Event) error {
		page = append(page, Fact{})
		f := &page[len(page)-1]
		if err := r.read(f, id, e); err != nil {
			l.Log.Warn("a fact of the journal cannot be read and is left out", "err", err)
			*f = Fact{ID: id}
		}
		if len(page) == pageFacts {
			return give()
		}
		return nil
	})
	if err != nil {
		return err
	}
	return give()
}

// Tidy gives up what rebuilds have left. Advance does it too.
func (l *Ledger) Tidy(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tidyUp(ctx)
}

// Rebuild makes everything derived anew from the journal, beside what is live, and then takes
// its place. Figures of days whose facts the journal does not hold any more are kept as they are.
// What was live before is given up afterwards, by Advance or Tidy.
func (l *Ledger) Rebuild(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rebuild(ctx)
}

func (l *Ledger) rebuild(ctx context.Context) error {
	l.book = nil
	from, err := l.Store.Standing(ctx)
	if err != nil {
		return err
	}
	to, err := l.Store.Fresh(ctx)
	if err != nil {
		return err
	}
	b, err := openBook(l.Store, to, l.Settings())
	if err != nil {
		return err
	}
	defer func() { _ = b.await() }() // not done before something else failed
	b.anew()
	if err := b.inherit(ctx, from); err != nil {
		return err
	}
	began := time.Now()
	for turned := false; !turned; { // a controller may go on beside us, on the side that is live
		if err := l.fold(ctx, b, b.settle); err != nil {
			return err
		}
		b.upto = max(b.upto, from.Upto) // what the journal does not hold any more is inherited
		if err := b.commit(ctx); err != nil {
			return err
		}
		err := l.Store.Turn(ctx, from, b.standing())
		if turned = err == nil; turned {
			continue
		}
		if now, serr := l.Store.Standing(ctx); !errors.Is(err, ErrMoved) || serr != nil || now.Side != from.Side {
			return errors.Join(err, serr)
		}
	}
	b.grown()
	l.book, l.tidy = b, false
	l.Log.Info("the figures were made anew from the journal", "contacts", b.contacts, "events_upto", b.upto, "took", time.Since(began).Round(time.Millisecond))
	return nil
}

// book is one side of the ledger with what is in memory of it.
type book struct {
	store    Store
	settings *Settings
	side     int
	from     int64 // the id the store stands at
	upto     int64
	state    state
	contacts int64 // made since it was opened

	// byCall has the contacts in memory by each of their calls, byPerson by pseudonym.
	byID     map[int64]*entryOf
	byCall   map[call.ID]*entryOf
	byPerson map[string][]*entryOf
	links    map[string][]*entryOf // by promise
	recent   [1024]meeting
	inMemory []*entryOf       // as they came, most of them by their arrival
	missing  map[call.ID]bool // calls the store does not know, until the next commit
	whole    Moment           // contacts that arrived from then on are all in memory
	frontier Moment           // the latest arrival
	merged   map[string]bool  // promises of contacts that only asked again and left memory; while fresh

	dirty    []*entryOf // those that changed since they were written
	rows     map[RowKey]Row
	newLinks []Link
	stale    map[Interval]bool // days and months whose sums are not kept
	fresh    bool              // being rebuilt: nothing is kept yet
	recalled bool              // those under way that began before the book was opened are in memory
	sums     sums              // those under way, while fresh
	// counting has the rows that contacts were last counted in, and work is room for it;
	// spending and spent are those of agents' time.
	counting, spending rowsOf
	work, spent        counted
	// sent is the last batch that is being made and committed; left and unsettled are how many
	// contacts were in memory, and dirty, when last looked through.
	sent            *sending
	leaving         []*entryOf // what it is made of
	left, unsettled int
}

// sending is a batch on its way: first it is made of contacts, then committed after the one
// before it, while the next is made.
type sending struct {
	made, done chan struct{} // closed when they are
	err        error         // once done
}

// entryOf is a contact in memory.
type entryOf struct {
	Contact
	id   int64
	kept []byte // as the store has it; nil when it does not
	// dirty says that it is to be written; leaving, that it is being written: neither it nor
	// kept may be touched. See book.touch.
	dirty, leaving bool
}

// state is what the ledger keeps beside contacts and rows.
type state struct {
	Settings string          `json:"settings"` // fingerprint
	Agents   map[string]span `json:"agents"`
	LastFact Moment          `json:"last_fact"`
	// Purged is the first moment whose contacts the journal still tells of; before it, rows
	// are kept as they are and contacts are gone.
	Purged Moment `json:"purged,omitempty"`
	// Stale are the days and months whose sums are not kept.
	Stale []Interval `json:"stale,omitempty"`
}

// never is after everything, and fits an id of contactID.
const never Moment = 1 << 50

func openBook(s Store, at Standing, settings *Settings) (*book, error) {
	b := &book{
		store: s, settings: settings, side: at.Side, from: at.Upto, upto: at.Upto, whole: never,
		byID: map[int64]*entryOf{}, byCall: map[call.ID]*entryOf{}, byPerson: map[string][]*entryOf{}, links: map[string][]*entryOf{},
		missing: map[call.ID]bool{}, rows: map[RowKey]Row{}, stale: map[Interval]bool{}, merged: map[string]bool{},
	}
	if len(at.State) > 0 {
		if err := json.Unmarshal(at.State, &b.state); err != nil {
			return nil, fmt.Errorf("the state of the figures cannot be read: %w; decroche metrics rebuild makes them anew", err)
		}
	}
	if b.state.Agents == nil {
		b.state.Agents = map[string]span{}
	}
	for _, k := range b.state.Stale {
		b.stale[k] = true
	}
	if b.state.LastFact != 0 { // nobody the store knows arrived later
		b.whole = b.state.LastFact + 1
	}
	return b, nil
}

// anew prepares an empty side: all it will ever hold goes through memory.
func (b *book) anew() {
	b.fresh, b.whole, b.sums = true, 0, newSums(b.settings.Zone)
	b.state = state{Settings: b.settings.fingerprint(), Agents: map[string]span{}}
}

// grown ends anew: what is kept is live from now on.
func (b *book) grown() { b.fresh, b.merged, b.sums = false, nil, sums{} }

// outdated says that the figures were made with other settings; with none when there are none yet.
func (b *book) outdated(now *Settings) bool {
	b.settings = now
	mark := now.fingerprint()
	if b.state.Settings == "" && b.upto == 0 {
		b.state.Settings, b.whole = mark, 0
	}
	return b.state.Settings != mark
}

// fingerprint names the settings: equal settings have equal ones.
func (s *Settings) fingerprint() string {
	zone := ""
	if s.Zone != nil {
		zone = s.Zone.String()
	}
	plain := struct {
		Row, Contact int
		Zone         string
		Settings
	}{rowVersion, contactVersion, zone, *s}
	plain.Settings.Zone = nil
	text, _ := json.Marshal(plain) // of strings, numbers and maps: it cannot fail
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

func (b *book) standing() Standing {
	b.state.Stale = b.state.Stale[:0]
	for k := range b.stale {
		b.state.Stale = append(b.state.Stale, k)
	}
	slices.SortFunc(b.state.Stale, func(x, y Interval) int {
		return cmp.Or(cmp.Compare(x.Grain, y.Grain), cmp.Compare(x.Start, y.Start))
	})
	text, _ := json.Marshal(b.state) // of strings and numbers: it cannot fail
	return Standing{Side: b.side, Upto: b.upto, State: text}
}

// take folds one fact; it may change the fact's Call.
func (b *book) take(ctx context.Context, f *Fact) error {
	switch f.Kind {
	case call.EventAgentState:
		b.agentState(f)
		b.state.LastFact = max(b.state.LastFact, f.At)
		return nil
	case call.EventController:
		if f.What == "started" {
			b.controllerStarted(f)
		}
		b.state.LastFact = max(b.state.LastFact, f.At)
		return nil
	}
	b.state.LastFact = max(b.state.LastFact, f.At)
	f.Call = f.subject()
	if f.Call == "" {
		return nil
	}
	e, err := b.contactOf(ctx, f)
	if err != nil || e == nil {
		return err
	}
	if err := b.fold(ctx, e, f); err != nil {
		return err
	}
	return b.others(ctx, e, f)
}

// subject is the call a fact is about. A promise that no call made stands for one.
func (f *Fact) subject() call.ID {
	if f.Call == "" && f.Promise != "" {
		return call.ID("promise:" + f.Promise)
	}
	return f.Call
}

func (b *book) fold(ctx context.Context, e *entryOf, f *Fact) error {
	before, reason := e.Ended, e.Reason
	b.touch(e)
	e.apply(f)
	if e.Ended != before || e.Ended != 0 && e.Reason != reason {
		return b.relink(ctx, e)
	}
	return nil
}

// others folds what becomes of a promise into the contacts that asked for it again.
func (b *book) others(ctx context.Context, e *entryOf, f *Fact) error {
	switch f.Kind {
	case call.EventPromised:
		if f.Merged {
			b.tie("promise:"+f.Promise, e)
			b.links[f.Promise] = append(b.links[f.Promise], e)
		}
	case call.EventPromiseMoved, call.EventPromiseEnded:
		also := b.links[f.Promise]
		if b.whole > 0 && (!b.fresh || b.merged[f.Promise]) {
			if err := b.await(); err != nil {
				return err
			}
			kept, err := b.store.Linked(ctx, b.side, "promise:"+f.Promise)
			if err != nil {
				return err
			}
			for _, k := range kept {
				o, err := b.remember(k)
				if err != nil {
					return err
				}
				if !slices.Contains(also, o) {
					also = append(also, o)
				}
			}
		}
		for _, o := range also {
			if o != e {
				if err := b.fold(ctx, o, f); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// tie notes that a key means this contact too.
func (b *book) tie(key string, e *entryOf) {
	b.newLinks = append(b.newLinks, Link{Key: key, Contact: e.id})
}

// contactOf finds the contact a fact belongs to, or begins it; nil when there is none.
func (b *book) contactOf(ctx context.Context, f *Fact) (*entryOf, error) {
	if e := b.met(f.Call); e != nil {
		return e, nil
	}
	switch f.Kind {
	case call.EventArrived:
		if f.At < b.state.Purged {
			return nil, nil
		}
		e := &entryOf{Contact: begin(f)}
		cut, err := b.cutOff(ctx, &e.Contact)
		if err != nil {
			return nil, err
		}
		if cut != nil {
			b.tie(string(f.Call), cut)
			b.byCall[f.Call] = cut
			return cut, nil
		}
		return e, b.add(ctx, e)
	case call.EventCalling, call.EventDialled:
		e, err := b.find(ctx, cmp.Or(f.data.Contact, call.ID("promise:"+f.Promise)))
		if e != nil {
			b.tie(string(f.Call), e)
			b.byCall[f.Call] = e
		}
		return e, err
	}
	e, err := b.find(ctx, f.Call)
	// A promise made on a call whose facts are purged is no contact of its own.
	if e != nil || err != nil || f.Kind != call.EventPromised || f.At < b.state.Purged+Moment(Day.Milliseconds()) {
		return e, err
	}
	e = &entryOf{Contact: begin(f)}
	return e, b.add(ctx, e)
}

// meeting is a call met lately, with its contact: the facts of a call come close together.
type meeting struct {
	call  call.ID
	entry *entryOf
}

// met finds the contact of a call in memory.
func (b *book) met(id call.ID) *entryOf {
	m := b.recently(id)
	if m.call == id {
		return m.entry
	}
	e := b.byCall[id]
	if e != nil {
		*m = meeting{id, e}
	}
	return e
}

// recently is where a call is noted: calls differ in their last signs.
func (b *book) recently(id call.ID) *meeting {
	h := uint32(0)
	for i := max(0, len(id)-6); i < len(id); i++ {
		h = h*31 + uint32(id[i])
	}
	return &b.recent[h%uint32(len(b.recent))]
}

// find looks for the contact of a call in memory, then in the store.
func (b *book) find(ctx context.Context, id call.ID) (*entryOf, error) {
	if e := b.byCall[id]; e != nil || b.whole == 0 || b.missing[id] {
		return e, nil
	}
	if err := b.await(); err != nil {
		return nil, err
	}
	k, ok, err := b.store.Contact(ctx, b.side, id)
	if err != nil {
		return nil, err
	}
	if !ok {
		b.missing[id] = true
		return nil, nil
	}
	return b.remember(k)
}

// add takes in a new contact.
func (b *book) add(ctx context.Context, e *entryOf) error {
	e.id = contactID(e.Arrived, e.ID)
	for {
		taken := b.byID[e.id] != nil
		if !taken && e.Arrived < b.whole {
			if err := b.await(); err != nil {
				return err
			}
			err := b.store.Contacts(ctx, b.side, e.id, e.id+1, func(Kept) bool { taken = true; return false })
			if err != nil {
				return err
			}
		}
		if !taken {
			break
		}
		e.id++
	}
	if first, until, ok := Within(e.ID); !ok || e.id < first || e.id >= until {
		b.tie(string(e.ID), e)
	}
	b.contacts++
	b.frontier = max(b.frontier, e.Arrived)
	b.index(e)
	return nil
}

func (b *book) index(e *entryOf) {
	b.byID[e.id] = e
	b.inMemory = append(b.inMemory, e)
	for _, id := range e.Calls() {
		b.byCall[id] = e
	}
	for _, p := range e.pseudonyms() {
		b.byPerson[p] = append(b.byPerson[p], e)
	}
}

// remember takes a contact of the store into memory, unless it is there.
func (b *book) remember(k Kept) (*entryOf, error) {
	if e := b.byID[k.ID]; e != nil {
		return e, nil
	}
	c, err := decodeContact(k.Facts)
	if err != nil {
		return nil, err
	}
	e := &entryOf{Contact: *c, id: k.ID, kept: k.Facts}
	b.index(e)
	return e, nil
}

// forget drops a contact from memory.
func (b *book) forget(e *entryOf) {
	delete(b.byID, e.id)
	for _, id := range e.Calls() {
		delete(b.byCall, id)
		*b.recently(id) = meeting{}
	}
	for _, p := range e.pseudonyms() {
		list := slices.DeleteFunc(b.byPerson[p], func(o *entryOf) bool { return o == e })
		if b.byPerson[p] = list; len(list) == 0 {
			delete(b.byPerson, p)
		}
	}
	for _, p := range e.Promises {
		list := slices.DeleteFunc(b.links[p.ID], func(o *entryOf) bool { return o == e })
		if b.links[p.ID] = list; len(list) == 0 {
			delete(b.links, p.ID)
		}
		if p.Merged && b.fresh {
			b.merged[p.ID] = true
		}
	}
}

func (c *Contact) pseudonyms() []string {
	switch {
	case c.Caller == "":
		return nil
	case c.Was == "":
		return []string{c.Caller}
	}
	return []string{c.Caller, c.Was}
}

// cutOff finds the contact that a call goes on with: its caller was cut off a moment ago.
func (b *book) cutOff(ctx context.Context, c *Contact) (*entryOf, error) {
	if c.Caller == "" || b.settings.Reconnect <= 0 || c.Public == publicRelay {
		return nil, nil
	}
	window := Moment(b.settings.Reconnect.Milliseconds())
	people, err := b.person(ctx, c, c.Arrived-Moment(memory.Milliseconds()), c.Arrived)
	if err != nil {
		return nil, err
	}
	var last *entryOf
	for _, e := range people {
		cut := e.Why == call.ReasonCutOff || e.Why == call.ReasonExchange || e.Why == call.ReasonControllerDown
		if cut && e.Called && e.Public != publicRelay && e.Service == c.Service && len(e.Live) == 0 && e.Ended <= c.Arrived && c.Arrived-e.Ended <= window {
			last = e
		}
	}
	return last, nil
}

// person lists the contacts of the one who made c that arrived in [from, until), by arrival.
func (b *book) person(ctx context.Context, c *Contact, from, until Moment) ([]*entryOf, error) {
	if from < b.whole {
		if err := b.await(); err != nil {
			return nil, err
		}
		kept, err := b.store.Person(ctx, b.side, c.pseudonyms(), from, until)
		if err != nil {
			return nil, err
		}
		for _, k := range kept {
			if _, err := b.remember(k); err != nil {
				return nil, err
			}
		}
	}
	var out []*entryOf
	for _, p := range c.pseudonyms() {
		for _, e := range b.byPerson[p] {
			if e.Arrived >= from && e.Arrived < until && e.same(c) && !slices.Contains(out, e) {
				out = append(out, e)
			}
		}
	}
	slices.SortFunc(out, func(x, y *entryOf) int { return inOrder(&x.Contact, &y.Contact) })
	return out, nil
}

// relink finds anew what follows the contacts that this one may follow, and what follows it.
func (b *book) relink(ctx context.Context, e *entryOf) error {
	if !e.canRepeat() {
		return nil
	}
	week := Moment(Week.Milliseconds())
	people, err := b.person(ctx, &e.Contact, e.Arrived-week, e.Arrived+week+1)
	if err != nil || len(people) < 2 {
		return err
	}
	people = slices.DeleteFunc(people, func(o *entryOf) bool { return !o.canRepeat() || o.Ended == 0 })
	for i, x := range people {
		if inOrder(&x.Contact, &e.Contact) > 0 {
			break
		}
		next := Moment(0)
		for _, y := range people[i+1:] {
			if x.repeats(&y.Contact) {
				next = y.Arrived
				break
			}
		}
		if next > x.Arrived+week {
			next = 0
		}
		if next != x.Next {
			b.touch(x)
			x.Next = next
		}
	}
	return nil
}

// commit writes all that changed.
func (b *book) commit(ctx context.Context) error { return b.flush(ctx, never) }

// settle writes what is not going to change any more, so that a rebuild writes each contact
// once, when it has grown by enough to be worth looking through all of it.
func (b *book) settle(ctx context.Context) error {
	if len(b.dirty) < b.unsettled+b.unsettled/4+5000 {
		return nil
	}
	err := b.flush(ctx, b.frontier-Moment(memory.Milliseconds()))
	b.unsettled = len(b.dirty)
	return err
}

// flush writes the contacts that arrived before and changed, with what they count, and lets
// go of those that are old and over. What is not all is written while reading goes on.
func (b *book) flush(ctx context.Context, before Moment) error {
	b.release()
	batch := Batch{Side: b.side, From: b.from, Upto: b.upto, Links: b.newLinks, Rows: b.takeRows(before)}
	quarters := map[Moment]bool{}
	for k := range batch.Rows {
		quarters[k.Start] = true
	}
	b.dirty = slices.DeleteFunc(b.dirty, func(e *entryOf) bool {
		if e.Arrived >= before {
			return false
		}
		b.leaving = append(b.leaving, e)
		e.leaving, e.dirty = true, false
		quarters[quarterOf(e.Arrived)] = true
		return true
	})
	for start := range quarters {
		b.spoil(start, &batch)
	}
	over := b.endSums(min(before-quarter, b.settled(time.Now())))
	batch.State = b.standing().State
	if len(b.leaving)+len(batch.Rows)+len(batch.Links) > 0 || b.upto > b.from {
		last := b.sent
		b.sent = &sending{made: make(chan struct{}), done: make(chan struct{})}
		go b.send(ctx, b.sent, last, over, b.leaving, batch)
	}
	b.newLinks, b.from = nil, b.upto
	clear(b.missing)
	b.letGo()
	if before == never {
		return b.await()
	}
	return nil
}

// send makes a batch and commits it after the last one. Where that failed, this one does.
func (b *book) send(ctx context.Context, s, last *sending, over []Interval, leaving []*entryOf, batch Batch) {
	defer close(s.done)
	s.err = b.make(leaving, over, &batch)
	close(s.made)
	if last != nil {
		<-last.done
		if last.err != nil {
			s.err = last.err
		}
	}
	if s.err == nil {
		s.err = b.store.Commit(ctx, batch)
	}
}

// make encodes contacts that nobody changes meanwhile, and the sums that are over.
func (b *book) make(leaving []*entryOf, over []Interval, batch *Batch) error {
	slices.SortFunc(leaving, func(x, y *entryOf) int { return cmp.Compare(x.id, y.id) })
	b.counting = rowsOf{}
	for _, e := range leaving {
		if err := b.write(e, batch); err != nil {
			return err
		}
	}
	if b.fresh {
		b.sums.grow(batch.Rows, over)
	}
	return nil
}

// release waits until the batch under way is made: its contacts may be changed again.
func (b *book) release() {
	if b.sent == nil {
		return
	}
	<-b.sent.made
	for _, e := range b.leaving {
		e.leaving = false
	}
	b.leaving = b.leaving[:0]
}

// await waits for the commits under way, which must be there before the store is asked. A book
// whose commit failed is of no use any more.
func (b *book) await() error {
	if b.sent == nil {
		return nil
	}
	b.release()
	<-b.sent.done
	err := b.sent.err
	b.sent = nil
	return err
}

// touch marks a contact that is about to change; one that is being written is waited for.
func (b *book) touch(e *entryOf) {
	if !e.dirty {
		e.dirty = true
		b.dirty = append(b.dirty, e)
	}
	if e.leaving {
		b.release()
	}
}

// takeRows takes out the rows that are ready to be written: while everything is made anew,
// those that no contact in memory can change.
func (b *book) takeRows(before Moment) map[RowKey]Row {
	b.spending = rowsOf{}
	if before == never {
		rows := b.rows
		b.rows = map[RowKey]Row{}
		return rows
	}
	rows := map[RowKey]Row{}
	for k, r := range b.rows {
		if k.Start < before-quarter {
			rows[k] = r
			delete(b.rows, k)
		}
	}
	return rows
}

// spoil drops the sums that a changed quarter belongs to, and notes that they are to be made;
// while everything is made anew they are made as rows come.
func (b *book) spoil(start Moment, batch *Batch) {
	for _, g := range []Grain{Daily, Monthly} {
		sum := Interval{g, g.start(start, b.settings.Zone)}
		if b.stale[sum] || b.sums.kept[sum] {
			continue
		}
		b.stale[sum] = true
		if !b.fresh {
			batch.Drop = append(batch.Drop, sum)
		}
	}
}

// write encodes a contact and moves what it counts.
func (b *book) write(e *entryOf, batch *Batch) error {
	if e.kept != nil {
		was, err := decodeContact(e.kept)
		if err != nil {
			return err
		}
		b.count(was, -1, batch)
	}
	b.count(&e.Contact, 1, batch)
	facts, err := encodeContact(&e.Contact)
	if err != nil {
		return err
	}
	e.kept = facts
	batch.Contacts = append(batch.Contacts, Kept{ID: e.id, Call: e.ID, Caller: e.Caller, Was: e.Was, Facts: facts})
	return nil
}

func (b *book) count(c *Contact, sign int64, batch *Batch) {
	start := quarterOf(c.Arrived)
	if b.counting.rows == nil || b.counting.start != start {
		b.counting = rowsOf{start: start, rows: make([]Row, dims)}
	}
	b.settings.contribute(c, &b.work, func(ref cellRef, k *counted) {
		r := b.counting.rows[ref.dim]
		if r == nil {
			r = rowOf(batch.Rows, RowKey{Quarter, ref.dim, start})
			b.counting.rows[ref.dim] = r
		}
		r.cell(ref.value).count(k, sign)
	})
}

// rowsOf are the rows of a quarter of an hour by dimension, nil where nobody has looked yet.
// What is counted next lies nearly always in the same quarter as what was counted before.
type rowsOf struct {
	start Moment
	rows  []Row
}

// rowOf finds a row, or makes it.
func rowOf(rows map[RowKey]Row, k RowKey) Row {
	r := rows[k]
	if r == nil {
		r = Row{}
		rows[k] = r
	}
	return r
}

// letGo forgets contacts too old to be met again, unless they wait for something, whenever
// there are enough new ones to be worth looking through all.
func (b *book) letGo() {
	if len(b.byID) < b.left+b.left/4+5000 {
		return
	}
	keep := memory
	if b.fresh {
		keep = memoryAnew
	}
	limit := b.frontier - Moment(keep.Milliseconds())
	young := slices.IndexFunc(b.inMemory, func(e *entryOf) bool { return e.Arrived >= limit })
	if young < 0 {
		young = len(b.inMemory)
	}
	old := slices.DeleteFunc(slices.Clone(b.inMemory[:young]), func(e *entryOf) bool {
		done := !e.dirty && !e.waits()
		if done {
			b.forget(e)
		}
		return done
	})
	b.inMemory = append(old, b.inMemory[young:]...) // who is old among the young leaves later
	b.whole, b.left = max(b.whole, limit), len(b.byID)
}

// waits says that more facts of the contact are to come.
func (c *Contact) waits() bool {
	return len(c.Live) > 0 || slices.ContainsFunc(c.Promises, func(p Promise) bool { return p.State == "" })
}

// contactVersion changes with the fields of Contact, and with the tables of the store.
const contactVersion = 3

func encodeContact(c *Contact) ([]byte, error) {
	facts, err := cbor.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("write contact %s: %w", c.ID, err)
	}
	return facts, nil
}

// errContact is a contact that cannot be read.
var errContact = errors.New("a contact of the figures is damaged: decroche metrics rebuild makes them anew")

func decodeContact(facts []byte) (*Contact, error) {
	c := new(Contact)
	if err := cbor.Unmarshal(facts, c); err != nil {
		return nil, fmt.Errorf("%w (%w)", errContact, err)
	}
	return c, nil
}
