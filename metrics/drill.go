package metrics

import (
	"context"
	"errors"
	"fmt"
	"time"

	"decroche/call"
)

// Drill asks for the contacts that a figure counts.
type Drill struct {
	From, To time.Time
	Where    map[Dim]string
	// Counted are the measures of which the contact must add to one: an indicator's Num, or Den;
	// Less those of which it must add to none: NumLess, or DenLess.
	Counted, Less []Measure
	// After is the Next of the page before, 0 for the first.
	After int64
	// Limit is 1 to 500; 0 is 50.
	Limit int
}

// Page is a part of the contacts, by arrival.
type Page struct {
	Contacts []Contact
	// Next is the After of the next page; 0 when this is the last.
	Next int64
}

var errFull = errors.New("the page is full")

// Contacts lists the contacts that a figure counts. It goes by the sums to the quarters of an
// hour that hold some, and reads the contacts of those alone.
func (f *Figures) Contacts(ctx context.Context, d Drill) (Page, error) {
	if err := f.check(Query{From: d.From, To: d.To}); err != nil {
		return Page{}, err
	}
	if d.Limit == 0 {
		d.Limit = 50
	}
	if d.Limit < 1 || d.Limit > 500 {
		return Page{}, fmt.Errorf("%w: a page has 1 to 500 contacts, not %d", ErrQuery, d.Limit)
	}
	at, err := f.Store.Standing(ctx)
	if err != nil {
		return Page{}, err
	}
	st, err := stateOf(at)
	if err != nil {
		return Page{}, err
	}
	w := walker{Figures: f, Drill: d, side: at.Side, settings: f.Settings(), stale: map[Interval]bool{}}
	for _, i := range st.Stale {
		w.stale[i] = true
	}
	for dim := range dims {
		if value, ok := d.Where[dim]; ok {
			w.dim, w.value = dim, value
		}
	}
	from := max(At(d.From), quarterOf(arrivedOf(d.After)))
	err = w.walk(ctx, from, At(d.To), Interval{})
	if errors.Is(err, errFull) {
		return w.page, nil
	}
	w.page.Next = 0
	return w.page, err
}

// Contact finds a contact by any of its calls.
func (f *Figures) Contact(ctx context.Context, id string) (Contact, bool, error) {
	at, err := f.Store.Standing(ctx)
	if err != nil {
		return Contact{}, false, err
	}
	k, ok, err := f.Store.Contact(ctx, at.Side, call.ID(id))
	if err != nil || !ok {
		return Contact{}, false, err
	}
	c, err := decodeContact(k.Facts)
	if err != nil {
		return Contact{}, false, err
	}
	return *c, true, nil
}

type walker struct {
	*Figures
	Drill
	side     int
	settings *Settings
	stale    map[Interval]bool
	dim      Dim // the most particular of the conditions
	value    string
	page     Page
	work     counted
}

// walk goes from months to days to quarters of an hour where something is counted. not is
// the sum whose parts are wanted.
func (w *walker) walk(ctx context.Context, from, until Moment, not Interval) error {
	stale := func(i Interval) bool { return w.stale[i] || i == not }
	for _, c := range covers(from, until, stale, w.settings.Zone) {
		var hits []Moment
		err := w.Store.Rows(ctx, w.side, c.grain, w.dim, c.from, c.until, func(start Moment, row []byte) error {
			r := Row{}
			if err := r.DecodeInto(row, false, func(v string) bool { return v == w.value }); err != nil {
				return err
			}
			for _, cell := range r {
				for _, m := range w.Counted {
					// what is above and below may come to nothing together
					if cell.n[m] != 0 || m == ToldBiasMS && cell.n[ToldEstimate] != 0 {
						hits = append(hits, start)
						return nil
					}
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, start := range hits {
			if c.grain == Quarter {
				err = w.read(ctx, start)
			} else {
				err = w.walk(ctx, start, c.grain.next(start, w.settings.Zone), Interval{c.grain, start})
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// read takes the contacts of a quarter of an hour.
func (w *walker) read(ctx context.Context, start Moment) error {
	var stop error
	err := w.Store.Contacts(ctx, w.side, max(int64(start)<<12, w.After+1), int64(start+quarter)<<12, func(k Kept) bool {
		c, err := decodeContact(k.Facts)
		if err != nil {
			stop = err
			return false
		}
		if !w.counts(c) {
			return true
		}
		if len(w.page.Contacts) == w.Limit {
			stop = errFull
			return false
		}
		w.page.Contacts = append(w.page.Contacts, *c)
		w.page.Next = k.ID
		return true
	})
	return errors.Join(err, stop)
}

// counts says that the contact is one of those the figure counts.
func (w *walker) counts(c *Contact) (yes bool) {
	less := false
	w.settings.contributeTo(c, Whole, w.Where, &w.work, func(_ string, k *counted) {
		for _, m := range w.Counted {
			yes = yes || k.of(m) != 0
		}
		for _, m := range w.Less {
			less = less || k.of(m) != 0
		}
	})
	return yes && !less
}
