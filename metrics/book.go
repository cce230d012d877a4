package metrics

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"decroche/call"
)

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
