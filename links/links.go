// Package links knows which sites callers may be sent to. A Watcher checks the address of
// each link of the service's definition and keeps the switch that an operator sets by hand.
//
// Two loops run side by side: one checks the sites, the other reads the switches from the
// Store every two seconds, so that what another process has set is seen. The journey asks
// Down and Muted, which read memory only. What fails changes nothing: a Store that cannot be
// read leaves the switches as they were, and a link that was never checked is up.
//
// A switch wins over the checks: off is down, on is up. With auto, two failed checks in a row
// make a link down and one that succeeds makes it up again.
package links

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"decroche/call"
	"decroche/service"
)

// State is how a link is switched.
type State string

const (
	Auto State = "auto" // as its checks say; what is not switched
	On   State = "on"   // up in spite of its checks
	Off  State = "off"  // down
)

// Switch is what an operator has set for a link.
type Switch struct {
	ID    string
	State State
	// Why and By are the operator's words, at most 200 and 100 characters.
	Why, By string
	At      time.Time
}

// Store keeps the switches.
type Store interface {
	// LinkSwitches lists them all, in any order.
	LinkSwitches(ctx context.Context) ([]Switch, error)
	// SetLinkSwitch keeps one in place of the link's former one. It is durable on return.
	SetLinkSwitch(ctx context.Context, s Switch) error
}

// Watcher is the state of the links. Its fields are set before Run and not changed.
type Watcher struct {
	Service func() *service.Definition
	Store   Store
	// HTTP makes the checks; nil is a client that keeps no connection. Its redirects and
	// time-out are the Watcher's.
	HTTP *http.Client
	Log  *slog.Logger
	// Journal is told what changes; it may be nil.
	Journal call.Journal
	// Rand spreads the checks, in [0, 1), for several goroutines at once; nil is math/rand's.
	Rand func() float64

	mu       sync.RWMutex // held for memory only
	switches map[string]Switch
	set      int // counts Set: what was read from the Store meanwhile is older
	health   map[string]health
}

// health is what the checks of a link have found.
type health struct {
	url    string // checked; another one is another site
	down   bool
	since  time.Time // of down, or of up again; zero: up from the beginning
	failed int       // in a row
	at     time.Time // of the last check
	err    string    // of the last check
}

// Down tells whether no caller is to be sent to a link, and why, in a sentence for
// operators. It is called while a caller listens and reads memory only.
func (w *Watcher) Down(id string) (why string, down bool) {
	link := w.Service().Links[id]
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.down(id, link)
}

// Muted tells whether a prompt sends callers to a site that is down.
func (w *Watcher) Muted(prompt string) bool {
	def := w.Service()
	w.mu.RLock()
	defer w.mu.RUnlock()
	for id, link := range def.Links {
		if !slices.Contains(link.Prompts, prompt) {
			continue
		}
		if _, down := w.down(id, link); down {
			return true
		}
	}
	return false
}

func (w *Watcher) down(id string, link *service.Link) (why string, down bool) {
	switch s := w.switches[id]; s.State {
	case Off:
		why = "it is switched off"
		if s.By != "" {
			why += " by " + s.By
		}
		if s.Why != "" {
			why += ": " + s.Why
		}
		return why, true
	case On:
		return "", false
	}
	if h := w.healthOf(id, link); h.down {
		return "its site does not work: " + h.err, true
	}
	return "", false
}

// healthOf forgets what was found of an address that is checked no more.
func (w *Watcher) healthOf(id string, link *service.Link) health {
	if h := w.health[id]; link != nil && link.Every > 0 && h.url == link.Check {
		return h
	}
	return health{}
}

// Status is what operators see of a link.
type Status struct {
	ID    string `json:"id"`
	URL   string `json:"url"`
	State State  `json:"state"`
	// Down is what callers meet, the switch and the checks together.
	Down bool `json:"down"`
	// Healthy is what the checks say; a link that was never checked is healthy.
	Healthy bool `json:"healthy"`
	// Since is since when Down is as it is; zero: from the start.
	Since       time.Time `json:"since,omitzero"`
	LastChecked time.Time `json:"last_checked,omitzero"`
	LastError   string    `json:"last_error,omitempty"`
	// Why and By are the words of who set the switch.
	Why string `json:"why,omitempty"`
	By  string `json:"by,omitempty"`
}

// Status lists the links of the definition by id.
func (w *Watcher) Status() []Status {
	def := w.Service()
	w.mu.RLock()
	defer w.mu.RUnlock()
	list := make([]Status, 0, len(def.Links))
	for _, id := range slices.Sorted(maps.Keys(def.Links)) {
		link, s := def.Links[id], w.switches[id]
		h := w.healthOf(id, link)
		_, down := w.down(id, link)
		st := Status{
			ID: id, URL: link.URL, State: s.State, Down: down, Healthy: !h.down, Since: h.since,
			LastChecked: h.at, LastError: h.err, Why: s.Why, By: s.By,
		}
		if st.State == "" {
			st.State = Auto
		}
		if st.State != Auto {
			st.Since = s.At
		}
		list = append(list, st)
	}
	return list
}

// Set switches a link by hand: state is "auto", "on" or "off". It is kept before it returns.
func (w *Watcher) Set(ctx context.Context, id, state, why, by string) error {
	def := w.Service()
	if def.Links[id] == nil {
		return fmt.Errorf("switch link %q: the service has no such link, it has %s", id, known(def))
	}
	s := Switch{ID: id, State: State(state), Why: words(why, 200), By: words(by, 100), At: time.Now()}
	if s.State != Auto && s.State != On && s.State != Off {
		return fmt.Errorf("switch link %q: %q is no state, write auto, on or off", id, state)
	}
	if err := w.Store.SetLinkSwitch(ctx, s); err != nil {
		return fmt.Errorf("switch link %q %s: %w", id, state, err)
	}
	w.mu.Lock()
	if w.switches == nil {
		w.switches = map[string]Switch{}
	}
	w.switches[id] = s
	w.set++
	w.mu.Unlock()
	w.Log.Info("a link is switched by hand", "link", id, "state", state, "why", s.Why)
	w.tell("link_switched", map[string]any{"link": id, "state": state, "why": s.Why})
	return nil
}

func known(def *service.Definition) string {
	if len(def.Links) == 0 {
		return "none"
	}
	return strings.Join(slices.Sorted(maps.Keys(def.Links)), ", ")
}

// words keeps what an operator wrote on one line, and not longer than it may be.
func words(s string, most int) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || r == utf8.RuneError }), " ")
	if r := []rune(s); len(r) > most {
		return string(r[:most])
	}
	return s
}

func (w *Watcher) tell(what string, data map[string]any) {
	if w.Journal == nil {
		return
	}
	data["what"] = what
	w.Journal.Append(call.NewEvent("", call.EventController, data))
}

// Load reads the switches from the Store. Run does so by itself; who calls it before the
// first caller comes in lets no link through that was switched off before a restart.
func (w *Watcher) Load(ctx context.Context) error {
	w.mu.RLock()
	set := w.set
	w.mu.RUnlock()
	list, err := w.Store.LinkSwitches(ctx)
	if err != nil {
		return fmt.Errorf("read the switches of the links: %w", err)
	}
	switches := make(map[string]Switch, len(list))
	for _, s := range list {
		switches[s.ID] = s
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.set == set {
		w.switches = switches
	}
	return nil
}
