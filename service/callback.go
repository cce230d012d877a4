package service

import (
	"time"

	"decroche/call"
)

// Link is an address of a site, sent by SMS at the caller's key.
type Link struct {
	ID  string
	URL string
	// Label is what the link is: "our website"; said, and written in the message.
	Label Text
	// Spoken is a prompt that says the address slowly, for who has no mobile.
	Spoken string
	// Check is the address whose answer tells that the site works, by default URL; Every is the
	// period of the check, 0: never.
	Check string
	Every time.Duration
	// Prompts send callers online: they are left out while the link is down.
	Prompts []string
}

// DefaultLinkEvery is how often a site is checked when nothing is said of it.
const DefaultLinkEvery = time.Minute

// YAML writes a link as a definition has it, with its label in these languages.
func (l *Link) YAML(langs []call.Lang) string {
	check := l.Check
	if check == l.URL {
		check = ""
	}
	var prompts []*node
	for _, p := range l.Prompts {
		prompts = append(prompts, &node{kind: scalar, text: p})
	}
	return render(group("url", l.URL, "label", l.Label.node(langs), "spoken", l.Spoken, "check", check, "every", Compact(l.Every), "prompts", list(prompts)))
}

// ParseLink reads a link as YAML writes it; see ParsePlan.
func (d *Definition) ParseLink(id, value string) (*Link, error) {
	r, n, err := d.partReader(value)
	if err != nil {
		return nil, err
	}
	return r.link(id, n), r.failed()
}

// Callback is how citizens are called back.
type Callback struct {
	// On says that callbacks are offered at all: the section is there. Without it the defaults
	// stand, by which promises made before are kept.
	On bool
	// OfferAbove: the offer is made on entry when the estimated wait is above it; default 3 min.
	OfferAbove time.Duration
	// Place and Slots are the kinds offered; both by default.
	Place, Slots bool
	// AgentFirst: the agent is rung and told, then the citizen; else the citizen first. Default true.
	AgentFirst bool
	// Numbers are the prefixes of the numbers we call, "+33"; default: mainland and overseas France.
	Numbers []string
	// Hours are the citizens', in their own time zone; default Monday to Saturday, 08:00–20:00.
	Hours Hours
	// Share is the part of the agents' time kept for slots, 1–100 (%); default 25. PerSlot, if
	// set, is the capacity of each slot and queue instead.
	Share, PerSlot int
	// Horizon is how many open days ahead slots are offered, 1–15; default 15.
	Horizon int
	// Attempts is how many tries there are, 1–10; default 3.
	Attempts int
	// Retry are the delays before the second try, the third, …; NextDay is the next open day. The
	// last one serves for further tries. Default 10 min, 1 h, NextDay.
	Retry []time.Duration
	// Ring is how long the citizen's phone rings, default 30 s; Answer how long a key is waited for, default 10 s.
	Ring, Answer time.Duration
	// Speech: a short spoken answer counts as a key; default true.
	Speech bool
	// PerDay is how many promises a number may be given in a day; default 3.
	PerDay int
	// CutOff: callers cut off while they wait are called back; default true.
	CutOff bool
	// InviteAbandoned: mobiles that hang up on purpose while waiting are sent how to book.
	InviteAbandoned bool
	// OffPeak, if it has Publics: their slots are within its hours.
	OffPeak OffPeak
}

// NextDay is the delay of a try on the next open day.
const NextDay = time.Duration(-1)

// OffPeak are quiet hours for chosen publics.
type OffPeak struct {
	Publics []string
	Hours   Hours
}
