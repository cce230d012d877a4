package service

import (
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// publics are who a number can be for: the values of Number.Public.
var publics = []string{"general", "deaf", "relay", "overseas", "vulnerable", "professional"}

// Publics are those that a number may be for.
func Publics() []string { return slices.Clone(publics) }

// Prefixes of the French numbering plan and of the French plans that are not part of it.
var (
	mainland = []string{"+33"}
	overseas = []string{"+262", "+508", "+590", "+594", "+596", "+681", "+687", "+689"}
)

// DefaultCallback is callbacks as "callback: {}" switches them on.
func DefaultCallback() Callback {
	c := Callback{
		On: true, OfferAbove: 3 * time.Minute, Place: true, Slots: true, AgentFirst: true,
		Numbers: slices.Concat(mainland, overseas),
		Share:   25, Horizon: 15, Attempts: 3, Retry: []time.Duration{10 * time.Minute, time.Hour, NextDay},
		Ring: 30 * time.Second, Answer: 10 * time.Second, Speech: true, PerDay: 3, CutOff: true,
	}
	for day := time.Monday; day <= time.Saturday; day++ {
		c.Hours.Week[day] = []Range{{From: 8 * 60, To: 20 * 60}}
	}
	return c
}

func (r *reader) callback(o *object) {
	c := DefaultCallback()
	n := o.get("callback")
	if n == nil { // off; promises made before are kept by these settings
		c.On = false
		r.def.Callback = c
		return
	}
	co := r.object(n, "callback", theKey("callback"))
	c.OfferAbove = co.duration("offer_above", c.OfferAbove, time.Second, time.Hour)
	if kinds := co.words("kinds", "place", "slot"); kinds != nil {
		c.Place, c.Slots = slices.Contains(kinds, "place"), slices.Contains(kinds, "slot")
	}
	c.AgentFirst = co.choice("first", "agent", "citizen") != "citizen"
	if numbers := r.prefixes(co); numbers != nil {
		c.Numbers = numbers
	}
	if h := co.get("hours"); h != nil {
		c.Hours = r.someHours(h, "callback.hours", say("callback.never"))
	}
	c.Share = co.integer("share", c.Share, 1, 100)
	c.PerSlot = co.integer("per_slot", 0, 1, 1000)
	c.Horizon = co.integer("days", c.Horizon, 1, 15)
	c.Attempts = co.integer("attempts", c.Attempts, 1, 10)
	if retry := r.retries(co); retry != nil {
		c.Retry = retry
	}
	c.Ring = co.duration("ring", c.Ring, 10*time.Second, 2*time.Minute)
	c.Answer = co.duration("answer", c.Answer, 3*time.Second, 30*time.Second)
	c.Speech = co.truthOr("speech", c.Speech)
	c.PerDay = co.integer("per_day", c.PerDay, 1, 100)
	c.CutOff = co.truthOr("cut_off", c.CutOff)
	c.InviteAbandoned = co.choice("abandoned", "sms", "nothing") == "sms"
	c.OffPeak = r.offPeak(co)
	co.close()
	r.def.Callback = c
}

// words reads a list of words out of a closed set, each at most once; nil when it is not
// written or holds none.
func (o *object) words(key string, known ...string) (words []string) {
	n := o.get(key)
	for _, item := range o.list(key) {
		s, ok := o.r.scalar(item, o.key(key))
		switch {
		case !ok:
		case !slices.Contains(known, s):
			o.r.problem(item.at, say("choice", "value", s, "key", key, "of", o.label), suggest(s, known))
		case slices.Contains(words, s):
			o.r.problem(item.at, say("item.twice", "value", s, "key", key, "of", o.label), say("keep"))
		default:
			words = append(words, s)
		}
	}
	if n != nil && n.kind == sequence && len(n.items) == 0 {
		o.r.problem(n.at, say("list.empty", "key", key, "of", o.label), say("list.empty.fix", "list", strings.Join(known, ", ")))
	}
	return words
}

var prefixForm = regexp.MustCompile(`^\+[1-9][0-9]{0,7}$`)

// prefixes reads "numbers": groups of numbers by their names, or what they begin with.
func (r *reader) prefixes(o *object) (prefixes []string) {
	groups := map[string][]string{"metropole": mainland, "outre-mer": overseas}
	n := o.get("numbers")
	for _, item := range o.list("numbers") {
		s, ok := r.scalar(item, o.key("numbers"))
		group := groups[s]
		switch {
		case !ok:
		case group != nil:
			prefixes = append(prefixes, group...)
		case prefixForm.MatchString(s):
			prefixes = append(prefixes, s)
		case strings.Trim(s, "0123456789") == "":
			r.problem(item.at, say("prefix", "value", s), say("prefix.fix"))
		default:
			r.problem(item.at, say("prefix.group", "value", s), say("prefix.group.fix", "suggest", suggest(s, keysOf(groups))))
		}
	}
	if n != nil && n.kind == sequence && len(n.items) == 0 {
		r.problem(n.at, say("prefix.none"), say("prefix.none.fix"))
	}
	slices.Sort(prefixes)
	return slices.Compact(prefixes)
}

// someHours reads a week that is open at some time.
func (r *reader) someHours(n *node, path string, or words) Hours {
	before := len(r.problems)
	h := r.hours(n, path)
	for _, ranges := range h.Week {
		if len(ranges) > 0 {
			return h
		}
	}
	if len(r.problems) == before {
		r.problem(n.at, say("hours.empty", "path", path, "or", or), say("hours.empty.fix"))
	}
	return h
}

// retries reads the delays before the second try, the third, and so on.
func (r *reader) retries(o *object) (delays []time.Duration) {
	n := o.get("retry")
	for _, item := range o.list("retry") {
		s, ok := r.scalar(item, o.key("retry"))
		if !ok {
			continue
		}
		if s == "next-day" {
			delays = append(delays, NextDay)
			continue
		}
		v, err := time.ParseDuration(s)
		switch {
		case err != nil:
			r.problem(item.at, say("retry", "value", s, "of", o.label), say("retry.fix"))
		case v < time.Minute || v > 12*time.Hour:
			r.problem(item.at, say("retry.bounds", "of", o.label, "value", s), say("retry.bounds.fix"))
		default:
			delays = append(delays, v)
		}
	}
	if n != nil && n.kind == sequence && len(n.items) == 0 {
		r.problem(n.at, say("list.empty", "key", "retry", "of", o.label), say("retry.none.fix"))
	}
	return delays
}

func (r *reader) offPeak(o *object) (quiet OffPeak) {
	n := o.get("off_peak")
	if n == nil {
		return quiet
	}
	oo := r.object(n, "callback.off_peak", theKey("off_peak"))
	oo.need("publics", "off_peak.publics")
	quiet.Publics = oo.words("publics", publics...)
	if h := oo.need("hours", "off_peak.hours"); h != nil {
		quiet.Hours = r.someHours(h, "callback.off_peak.hours", say("off_peak.never"))
	}
	oo.close()
	return quiet
}

// Bounds of an address sent by SMS: what is longer leaves no room for a sentence.
const (
	maxURL    = 160
	adviseURL = 60
)

func (r *reader) links(o *object) {
	r.def.Links = map[string]*Link{}
	r.section(o, "links", say("a.link"), func(name string, at Position, n *node) {
		r.def.Links[name] = r.link(name, n)
	})
}

func (r *reader) link(name string, n *node) *Link {
	lo := r.object(n, "links."+name, say("the.link", "name", name))
	lo.need("url", "link.url")
	link := &Link{
		ID: name, URL: r.address(lo, "url"), Spoken: lo.ref("spoken", "prompt"), Check: r.address(lo, "check"),
		Every: lo.duration("every", DefaultLinkEvery, 0, 24*time.Hour),
	}
	if link.Check == "" {
		link.Check = link.URL
	}
	if link.Every > 0 && link.Every < 10*time.Second {
		r.problem(lo.get("every").at, say("link.every", "of", lo.label, "every", link.Every), say("link.every.fix"))
	}
	if l := lo.need("label", "link.label"); l != nil {
		link.Label = r.label(l, lo.path+".label", labelOf(lo.label))
	}
	for _, item := range lo.list("prompts") {
		if s, ok := r.scalar(item, lo.item("prompts")); ok {
			r.refs = append(r.refs, reference{kind: "prompt", name: s, where: lo.label, at: item.at})
			link.Prompts = append(link.Prompts, s)
		}
	}
	lo.close()
	return link
}

// address reads a URL that any telephone opens: https, and http within this machine only.
func (r *reader) address(o *object, key string) string {
	s := o.text(key)
	if s == "" {
		return ""
	}
	u, err := url.Parse(s)
	var what, fix words
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		what, fix = say("address.none"), say("address.none.fix")
	case strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c > '~' }):
		what, fix = say("address.characters"), say("address.characters.fix")
	case u.User != nil:
		what, fix = say("address.password"), say("address.password.fix")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		what, fix = say("address.plain"), say("address.https")
	case u.Scheme != "https" && u.Scheme != "http":
		what, fix = say("address.scheme"), say("address.https")
	case len(s) > maxURL:
		what, fix = say("address.long", "n", len(s)), say("address.long.fix", "most", maxURL, "better", adviseURL)
	default:
		return s
	}
	r.problem(o.get(key).at, say("address", "key", key, "of", o.label, "value", s, "what", what), fix)
	return ""
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
