package links

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"

	"decroche/service"
)

const (
	pollSwitches = 2 * time.Second
	lookForDue   = time.Second
	// checkTimeout bounds one check, redirects and the beginning of the page included.
	checkTimeout = 5 * time.Second
	// failures in a row make a link down; the one after the first comes soon.
	failures = 2
	again    = 10 * time.Second
	// atOnce bounds the checks under way.
	atOnce    = 4
	redirects = 3
	// firstBytes of the page are read: a site that sends a header and hangs does not work.
	firstBytes = 4 << 10
)

// Run checks the links and reads the switches until ctx ends; then it waits for the checks
// under way, which end with ctx, and returns nil.
func (w *Watcher) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { w.poll(ctx) })
	s := schedule{next: map[string]time.Time{}, url: map[string]string{}, busy: make(chan struct{}, atOnce), wg: &wg}
	client := w.client()
	tick := time.NewTicker(lookForDue)
	defer tick.Stop()
	for {
		w.startDue(ctx, client, &s, time.Now())
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (w *Watcher) poll(ctx context.Context) {
	tick := time.NewTicker(pollSwitches)
	defer tick.Stop()
	trouble := false
	for {
		err := w.Load(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !trouble:
			w.Log.Warn("the links stay switched as they were", "err", err)
		case err == nil && trouble:
			w.Log.Info("the switches of the links are read again")
		}
		trouble = err != nil
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// schedule is when each link is checked next; mu guards both maps.
type schedule struct {
	mu   sync.Mutex
	next map[string]time.Time // zero: a check is under way
	url  map[string]string    // what is checked, or is about to be
	busy chan struct{}
	wg   *sync.WaitGroup
}

// startDue begins the checks whose time has come, as far as there is room. A link that is new, or
// has a new address, comes within the first seconds and not together with the others.
func (w *Watcher) startDue(ctx context.Context, client *http.Client, s *schedule, now time.Time) {
	def := w.Service()
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.next {
		if link := def.Links[id]; link == nil || link.Every <= 0 {
			delete(s.next, id)
			delete(s.url, id)
		}
	}
	for id, link := range def.Links {
		if link.Every <= 0 {
			continue
		}
		if s.url[id] != link.Check {
			s.url[id] = link.Check
			s.next[id] = now.Add(time.Duration(w.random() * float64(min(link.Every, again))))
		}
		if at := s.next[id]; at.IsZero() || at.After(now) {
			continue
		}
		select {
		case s.busy <- struct{}{}:
		default:
			return // all are busy: what is due waits for the next look
		}
		s.next[id] = time.Time{}
		s.wg.Go(func() {
			defer func() { <-s.busy }()
			wait := w.check(ctx, client, link)
			s.mu.Lock()
			defer s.mu.Unlock()
			if at, ok := s.next[link.ID]; ok && at.IsZero() && s.url[link.ID] == link.Check {
				s.next[link.ID] = time.Now().Add(wait)
			}
		})
	}
}

// check makes one check, keeps what it found and says when the next is to be.
func (w *Watcher) check(ctx context.Context, client *http.Client, link *service.Link) (wait time.Duration) {
	err := probe(ctx, client, link.Check)
	if is := w.Service().Links[link.ID]; ctx.Err() != nil || is == nil || is.Check != link.Check {
		return link.Every // it says nothing, or nothing of the site that the link leads to now
	}
	now := time.Now()
	w.mu.Lock()
	h := w.health[link.ID]
	if h.url != link.Check {
		h = health{url: link.Check}
	}
	before := h.down
	h.at, h.err = now, ""
	if err != nil {
		h.failed, h.err = h.failed+1, words(err.Error(), 200)
		h.down = h.down || h.failed >= failures
	} else {
		h.failed, h.down = 0, false
	}
	if h.down != before {
		h.since = now
	}
	if w.health == nil {
		w.health = map[string]health{}
	}
	w.health[link.ID] = h
	w.mu.Unlock()
	switch {
	case h.down && !before:
		w.Log.Warn("a site does not work: no caller is sent there", "link", link.ID, "err", h.err)
		w.tell("link_down", map[string]any{"link": link.ID, "why": h.err})
	case before && !h.down:
		w.Log.Info("a site works again", "link", link.ID)
		w.tell("link_up", map[string]any{"link": link.ID})
	}
	if h.failed > 0 && !h.down {
		return min(link.Every, again)
	}
	return time.Duration(float64(link.Every) * (0.9 + 0.2*w.random()))
}

func (w *Watcher) random() float64 {
	if w.Rand != nil {
		return w.Rand()
	}
	return rand.Float64()
}

// client is the Watcher's HTTP with redirects of its own.
func (w *Watcher) client() *http.Client {
	var c http.Client
	if w.HTTP != nil {
		c = *w.HTTP
	} else {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.DisableKeepAlives = true
		t.MaxResponseHeaderBytes = 64 << 10
		c.Transport = t
	}
	c.Timeout = 0 // the request's context bounds it
	c.CheckRedirect = func(_ *http.Request, via []*http.Request) error {
		if len(via) > redirects {
			return errRedirects
		}
		return nil
	}
	return &c
}

// probe asks for a page and tells why the site does not work, or nil. It works when it answers
// 2xx, or refuses us as a program that it does not know: 401, 403, 405, 406 and 429.
// Every other answer is one that a citizen could do nothing with.
func probe(ctx context.Context, client *http.Client, address string) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return fmt.Errorf("its address cannot be asked: %w", err)
	}
	req.Header.Set("User-Agent", "decroche (check of a link)")
	resp, err := client.Do(req)
	if err != nil {
		return trouble(ctx, "no answer", err)
	}
	defer resp.Body.Close()
	switch code := resp.StatusCode; {
	case code >= 200 && code < 300:
	case code == http.StatusUnauthorized, code == http.StatusForbidden, code == http.StatusMethodNotAllowed,
		code == http.StatusNotAcceptable, code == http.StatusTooManyRequests:
	default:
		return fmt.Errorf("it answers %d %s", code, http.StatusText(code))
	}
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, firstBytes)); err != nil {
		return trouble(ctx, "its page breaks off", err)
	}
	return nil
}

var errRedirects = fmt.Errorf("it redirects more than %d times", redirects)

// trouble says what went wrong without the address, which is said beside it.
func trouble(ctx context.Context, what string, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("no answer within %s", checkTimeout)
	}
	if errors.Is(err, errRedirects) {
		return errRedirects
	}
	var at *url.Error
	if errors.As(err, &at) {
		err = at.Err
	}
	return fmt.Errorf("%s: %w", what, err)
}
