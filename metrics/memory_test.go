package metrics

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"decroche/call"
)

// shelf is a Store in memory, with a journal.
type shelf struct {
	mu     sync.Mutex
	events []call.Event // the id is the index + 1
	live   int
	sides  [2]leaf
}

type leaf struct {
	Standing
	contacts map[int64]Kept
	rows     map[RowKey][]byte
	links    []Link
}

func newLeaf(side int) leaf {
	return leaf{Standing: Standing{Side: side}, contacts: map[int64]Kept{}, rows: map[RowKey][]byte{}}
}

func newShelf(events ...call.Event) *shelf {
	return &shelf{events: events, sides: [2]leaf{newLeaf(0), newLeaf(1)}}
}

func (s *shelf) Append(e call.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, e)
}

func (s *shelf) Scan(_ context.Context, after int64, fn func(int64, call.Event) error) error {
	s.mu.Lock()
	events := s.events
	s.mu.Unlock()
	for i := after; i < int64(len(events)); i++ {
		if err := fn(i+1, events[i]); err != nil {
			return err
		}
	}
	return nil
}

func (s *shelf) Standing(context.Context) (Standing, error) { return s.sides[s.live].Standing, nil }

func (s *shelf) Fresh(context.Context) (Standing, error) {
	s.sides[1-s.live] = newLeaf(1 - s.live)
	return s.sides[1-s.live].Standing, nil
}

func (s *shelf) Turn(_ context.Context, from, to Standing) error {
	if s.live != from.Side || s.sides[s.live].Upto > to.Upto {
		return ErrMoved
	}
	s.sides[s.live].Upto = -1
	s.live = to.Side
	return nil
}

func (s *shelf) Tidy(context.Context) error {
	if other := 1 - s.live; s.sides[other].Upto == -1 {
		s.sides[other] = newLeaf(other)
	}
	return nil
}

func (s *shelf) Commit(_ context.Context, b Batch) error {
	l := &s.sides[b.Side]
	if l.Upto != b.From {
		return ErrMoved
	}
	l.Upto, l.State = b.Upto, bytes.Clone(b.State)
	for _, k := range b.Contacts {
		l.contacts[k.ID] = k
	}
	for _, i := range b.Drop {
		maps.DeleteFunc(l.rows, func(k RowKey, _ []byte) bool { return k.Grain == i.Grain && k.Start == i.Start })
	}
	for k, r := range b.Rows {
		sum, err := AddRows(l.rows[k], r)
		if err != nil {
			return err
		}
		if l.rows[k] = sum; sum == nil {
			delete(l.rows, k)
		}
	}
	l.links = append(l.links, b.Links...)
	return nil
}

func (s *shelf) Purge(_ context.Context, side int, until int64) (n int64, _ error) {
	maps.DeleteFunc(s.sides[side].contacts, func(id int64, _ Kept) bool {
		if id < until {
			n++
		}
		return id < until
	})
	return n, nil
}

func (s *shelf) Contact(_ context.Context, side int, id call.ID) (Kept, bool, error) {
	l := &s.sides[side]
	for _, k := range l.contacts {
		if k.Call == id {
			return k, true, nil
		}
	}
	for _, link := range l.links {
		if link.Key == string(id) {
			return l.contacts[link.Contact], true, nil
		}
	}
	return Kept{}, false, nil
}

func (s *shelf) Linked(_ context.Context, side int, key string) (out []Kept, _ error) {
	for _, link := range s.sides[side].links {
		if link.Key == key {
			out = append(out, s.sides[side].contacts[link.Contact])
		}
	}
	return out, nil
}

func (s *shelf) sorted(side int) []Kept {
	return slices.SortedFunc(maps.Values(s.sides[side].contacts), func(a, b Kept) int { return cmp.Compare(a.ID, b.ID) })
}

func (s *shelf) Person(_ context.Context, side int, pseudonyms []string, from, until Moment) (out []Kept, _ error) {
	for _, k := range s.sorted(side) {
		known := slices.Contains(pseudonyms, k.Caller) || k.Was != "" && slices.Contains(pseudonyms, k.Was)
		if at := arrivedOf(k.ID); known && at >= from && at < until {
			out = append(out, k)
		}
	}
	return out, nil
}

func (s *shelf) Contacts(_ context.Context, side int, first, until int64, fn func(Kept) bool) error {
	for _, k := range s.sorted(side) {
		if k.ID >= first && k.ID < until && !fn(k) {
			return nil
		}
	}
	return nil
}

func (s *shelf) Rows(_ context.Context, side int, g Grain, d Dim, from, until Moment, fn func(Moment, []byte) error) error {
	keys := slices.SortedFunc(maps.Keys(s.sides[side].rows), func(a, b RowKey) int { return cmp.Compare(a.Start, b.Start) })
	for _, k := range keys {
		if k.Grain == g && k.Dim == d && k.Start >= from && k.Start < until {
			if err := fn(k.Start, s.sides[side].rows[k]); err != nil {
				return err
			}
		}
	}
	return nil
}

// wantSame compares what two stores keep, to the byte.
func wantSame(t interface {
	Helper()
	Fatalf(string, ...any)
}, a, b *shelf,
) {
	t.Helper()
	x, y := a.sides[a.live], b.sides[b.live]
	for k := range maps.Keys(x.rows) {
		if !bytes.Equal(x.rows[k], y.rows[k]) {
			t.Fatalf("row %+v differs:\n%s\n%s", k, tell(x.rows[k]), tell(y.rows[k]))
		}
	}
	if len(x.rows) != len(y.rows) {
		t.Fatalf("%d rows, and %d", len(x.rows), len(y.rows))
	}
	for id, k := range x.contacts {
		if !bytes.Equal(k.Facts, y.contacts[id].Facts) {
			t.Fatalf("contact %s differs", k.Call)
		}
	}
	if len(x.contacts) != len(y.contacts) {
		t.Fatalf("%d contacts, and %d", len(x.contacts), len(y.contacts))
	}
}

// tell writes a row for people.
func tell(row []byte) string {
	r := Row{}
	if err := r.DecodeInto(row, true, nil); err != nil {
		return err.Error()
	}
	var b strings.Builder
	for value, c := range r {
		b.WriteString(value + ": ")
		for m, n := range c.n {
			if n != 0 {
				b.WriteString(measureName(Measure(m)) + "=" + itoa(n) + " ")
			}
		}
	}
	return b.String()
}

func measureName(m Measure) string { return "m" + strconv.Itoa(int(m)) }

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
