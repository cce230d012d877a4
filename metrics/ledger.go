package metrics

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

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
