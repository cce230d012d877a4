package callback

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"decroche/call"
	"decroche/service"
)

// hours are the line's hours and the citizens' at one look. The line's are worked out again
// when they change, or the clock goes back; a zone's once for each look.
type hours struct {
	def   *service.Definition
	at    time.Time // of the look
	since time.Time // line holds from here on
	line  service.Opening
	days  map[*time.Location]bool
}

func (h *hours) look(def *service.Definition, now time.Time) {
	if def != h.def || now.Before(h.since) || !h.line.Until.IsZero() && !now.Before(h.line.Until) {
		h.def, h.since, h.line = def, now, def.Opening(now)
	}
	h.at, h.days = now, map[*time.Location]bool{}
}

// callable is CallableAt.
func (h *hours) callable(zone *time.Location) bool {
	if !h.line.Open {
		return false
	}
	on, ok := h.days[zone]
	if !ok {
		on = citizenDay(h.def, zone).Opening(h.at).Open
		h.days[zone] = on
	}
	return on
}

// allowed is Allowed at the moment of the look.
func (d *Dialer) allowed(p Promise) bool {
	def := d.hours.def
	if def.Queues[p.Queue] == nil || d.closed(p.Queue) {
		return false
	}
	if p.Relay != call.Withheld { // there are few, with hours of their own
		return CallableAt(LineOf(def, p.Relay), zoneOf(p, def), d.hours.at)
	}
	return d.hours.callable(zoneOf(p, def))
}

// lookOnce makes the line what the Store, the hours and the exchange say. It tells when to
// look again: on the second, so that a slot joins as it begins, or when the line closes.
func (d *Dialer) lookOnce(ctx context.Context) (next time.Time, err error) {
	now, def := time.Now(), d.Service()
	next = now.Truncate(look).Add(look)
	if !d.ready() || d.resting(now) || def == nil {
		d.dropAll()
		return next, nil
	}
	d.hours.look(def, now)
	if u := d.hours.line.Until; !u.IsZero() && u.Before(next) {
		next = u
	}
	for _, t := range d.waiting() {
		if !d.allowed(t.p) {
			d.drop(t.turn)
		}
	}
	todo, err := d.reconcile(ctx)
	if err != nil {
		return next, err
	}
	if d.hours.line.Open {
		todo, err = d.takeDue(ctx, todo)
	}
	if more := d.placeAll(ctx, todo); more {
		next = now
	}
	if err == nil {
		err = d.carryDue(ctx, now)
	}
	return next, err
}

// carryDue carries over what is due and stands in no line, and tells the citizens: the line is
// closed, or a message has closed the queue's until the window promised was over.
func (d *Dialer) carryDue(ctx context.Context, now time.Time) error {
	list, err := d.Store.Promises(ctx, Filter{States: []State{Pending}, Until: now, Limit: carryMax})
	if err != nil {
		return err
	}
	for _, p := range list {
		if d.hours.line.Open && !(d.closed(p.Queue) && now.After(p.By)) {
			continue
		}
		if _, err := d.Book.Carry(ctx, p.ID); err != nil && !overtaken(err) {
			return err
		}
	}
	return nil
}

// reconcile takes out of line what the Store has there no more, and returns what it has there
// that stands in no line.
func (d *Dialer) reconcile(ctx context.Context) (todo []Promise, err error) {
	seq := d.nextLook()
	const limit = 20 * lineMax
	list, err := d.Store.Promises(ctx, Filter{States: []State{InLine}, Node: d.Node, Limit: limit})
	if err != nil {
		return nil, err
	}
	mine := make(map[ID]Promise, len(list))
	for _, p := range list {
		if p.Node == d.Node {
			mine[p.ID] = p
		}
	}
	for _, t := range d.waiting() {
		switch p, ok := mine[t.p.ID]; {
		case t.changed >= seq: // newer than what was read
		case ok && p.Queue == t.p.Queue && p.Lang == t.p.Lang && p.Joined.Equal(t.p.Joined):
			d.refresh(t.turn, p)
		case ok || len(list) < limit: // it stands elsewhere in line, or here no more
			d.drop(t.turn)
		}
	}
	for _, p := range list {
		if _, ok := mine[p.ID]; ok && d.free(p.ID) {
			todo = append(todo, p)
		}
	}
	return todo, nil
}

// placeAll puts promises where they belong, those who joined first before the others: an agent
// may be free. It tells whether there are more to carry over.
func (d *Dialer) placeAll(ctx context.Context, todo []Promise) (more bool) {
	slices.SortStableFunc(todo, func(a, b Promise) int {
		return cmp.Or(a.Joined.Compare(b.Joined), cmp.Compare(a.ID, b.ID))
	})
	carried := 0
	for _, p := range todo {
		if !d.allowed(p) {
			if carried++; carried > carryMax {
				more = true
				continue
			}
		}
		d.place(ctx, p)
	}
	return more
}

// nextLook counts the looks: what changes from now on is newer than what is read next.
func (d *Dialer) nextLook() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, until := range d.held {
		if !d.hours.at.Before(until) {
			delete(d.held, id)
		}
	}
	d.looks++
	return d.looks
}

// free says that a promise neither stands in line, nor is called, nor is to be left alone.
func (d *Dialer) free(id ID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.line[id] == nil && !d.hours.at.Before(d.held[id])
}

// hold leaves a promise alone for a moment.
func (d *Dialer) hold(id ID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held[id] = time.Now().Add(away)
}

// rest leaves all promises alone for a moment: the store does not answer.
func (d *Dialer) rest() {
	d.mu.Lock()
	d.rests = time.Now().Add(away)
	d.mu.Unlock()
	d.Wake()
}

func (d *Dialer) resting(now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return now.Before(d.rests)
}

// place puts a promise that the Store has in line here where it belongs: in line, or at
// another moment, or back where another node may find it.
func (d *Dialer) place(ctx context.Context, p Promise) {
	var err error
	switch {
	case d.hours.def.Queues[p.Queue] == nil:
		d.Log.Error("a promise is of a queue that the service has no more: move it or cancel it", "promise", p.ID, "queue", p.Queue)
		err = d.giveBack(ctx, p)
	case !d.allowed(p):
		_, err = d.Book.Carry(ctx, p.ID)
	case d.onLine(p):
		d.hold(p.ID)
	default:
		err = d.join(ctx, p)
	}
	if err != nil && !overtaken(err) {
		d.hold(p.ID)
		if ctx.Err() == nil {
			d.Log.Warn("a promise could not be put where it belongs: it is tried again", "promise", p.ID, "err", err)
		}
	}
}

// overtaken says that somebody else changed the promise first: the next look sees it.
func overtaken(err error) bool {
	return errors.Is(err, ErrSettled) || errors.Is(err, ErrChanged) || errors.Is(err, ErrCalling) || errors.Is(err, ErrNoPromise)
}

// giveBack makes a promise in line here Pending, as it was.
func (d *Dialer) giveBack(ctx context.Context, p Promise) error {
	_, err := d.Store.Change(ctx, p.ID, 0, func(now *Promise) (Change, error) {
		if now.State != InLine || now.Node != d.Node {
			return Change{}, ErrChanged
		}
		now.State, now.Node = Pending, ""
		return Change{}, nil
	})
	return err
}

// takeDue takes what is due, as far as the queues have room beside todo: those who joined
// first. It returns both; they are in line for the Store and stand in none yet.
func (d *Dialer) takeDue(ctx context.Context, todo []Promise) ([]Promise, error) {
	var open []string
	for id := range d.hours.def.Queues {
		if !d.closed(id) {
			open = append(open, id)
		}
	}
	share := max(shareMin, lineMax/max(1, len(open)))
	open, full, room := d.roomy(open, todo, share)
	if d.hours.at.Sub(d.traded) >= look { // not at each of many looks: it costs two commits
		d.traded = d.hours.at
		for _, q := range full {
			if err := d.trade(ctx, q); err != nil {
				return todo, err
			}
		}
	}
	for range 20 { // what is left after so many, the next look takes
		if len(open) == 0 {
			return todo, nil
		}
		due, err := d.Store.TakeDue(ctx, d.Node, open, d.hours.at, room)
		todo = append(todo, due...)
		if err != nil || len(due) < room {
			return todo, err
		}
		open, _, room = d.roomy(open, todo, share)
	}
	return todo, nil
}

// roomy tells the queues that have room in line, beside those who are about to join, from
// those that have their share there. room is what the one with the least room takes: what is
// taken for all may all be its.
func (d *Dialer) roomy(queues []string, todo []Promise, share int) (roomy, full []string, room int) {
	standing := map[string]int{}
	for _, t := range d.waiting() {
		standing[t.p.Queue]++
	}
	for _, p := range todo {
		standing[p.Queue]++
	}
	room = share
	for _, q := range queues {
		if n := share - standing[q]; n > 0 {
			roomy, room = append(roomy, q), min(room, n)
		} else {
			full = append(full, q)
		}
	}
	return roomy, full, room
}

// trade lets a promise into a full line that joined before the last one there, which makes room.
func (d *Dialer) trade(ctx context.Context, queue string) error {
	due, err := d.Store.TakeDue(ctx, d.Node, []string{queue}, d.hours.at, 1)
	if err != nil || len(due) == 0 {
		return err
	}
	p := due[0]
	var last *seen
	for _, t := range d.waiting() {
		if t.p.Queue == queue && (last == nil || t.p.Joined.After(last.p.Joined)) {
			last = &t
		}
	}
	if last != nil && !p.Joined.Before(last.p.Joined) {
		return d.giveBack(ctx, p)
	}
	d.place(ctx, p)
	if last != nil && d.drop(last.turn) {
		if err := d.giveBack(ctx, last.p); err != nil && !overtaken(err) {
			return err
		}
	}
	return nil
}
