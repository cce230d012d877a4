package callback

import (
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nyaruka/phonenumbers"

	"decroche/call"
	"decroche/service"
)

// DefaultNumbers are the prefixes of the numbers called when a service lists none: mainland
// and overseas France.
var DefaultNumbers = []string{"+33", "+262", "+590", "+594", "+596", "+508", "+687", "+689", "+681"}

// overseas are the time zones of the French country codes, and of the part of +262 that is
// Mayotte's: the longest prefix decides. The blocks are those of call.ParseNumber, which
// gives the numbers dialled as 06 39 … their +262; the fiction's 06 39 98 stays +33.
// +590 serves Guadeloupe, Saint-Martin and Saint-Barthélemy, +689 Tahiti first: most
// people of Polynesia live there, and the Marquesas and Gambier are 30 min and 1 h ahead.
var overseas = []struct{ prefix, zone string }{
	{"+262269", "Indian/Mayotte"},
	{"+2622689", "Indian/Mayotte"},
	{"+262639", "Indian/Mayotte"},
	{"+26270935", "Indian/Mayotte"},
	{"+26270936", "Indian/Mayotte"},
	{"+26270937", "Indian/Mayotte"},
	{"+262", "Indian/Reunion"},
	{"+33", "Europe/Paris"},
	{"+508", "America/Miquelon"},
	{"+590", "America/Guadeloupe"},
	{"+594", "America/Cayenne"},
	{"+596", "America/Martinique"},
	{"+681", "Pacific/Wallis"},
	{"+687", "Pacific/Noumea"},
	{"+689", "Pacific/Tahiti"},
}

// Zones are those that a citizen may say to be in, wherever their number is from: mainland
// France first, then the others from west to east.
var Zones = []string{
	"Europe/Paris", "Pacific/Tahiti", "America/Martinique", "America/Guadeloupe", "America/Cayenne", "America/Miquelon",
	"Indian/Mayotte", "Indian/Reunion", "Pacific/Noumea", "Pacific/Wallis",
}

// At is whom the service may call, and in which time zone their day is: the one that they said, one
// of Zones, or with "" that of their number.
func At(n call.Number, said string, def *service.Definition) (*time.Location, *Refusal) {
	zone, refused := Callable(n, def)
	if refused == nil && slices.Contains(Zones, said) {
		zone = location(said)
	}
	return zone, refused
}

// Callable says whether the service calls this number back, and in which time zone the day
// of its owner is. What is no person's number is refused: emergency and short numbers, all
// of 08, machines, and the service's own.
func Callable(n call.Number, def *service.Definition) (zone *time.Location, refused *Refusal) {
	kind := n.Kind()
	switch kind {
	case call.KindWithheld:
		return nil, &Refusal{WhyWithheld}
	case call.KindEmergency:
		return nil, &Refusal{WhyEmergency}
	}
	if ours(n, def) {
		return nil, &Refusal{WhyOurs}
	}
	switch kind {
	case call.KindShort, call.KindShortMayCost, call.KindShortPremium:
		return nil, &Refusal{WhyShort}
	case call.KindFree, call.KindOrdinary, call.KindSharedCost, call.KindPremium:
		return nil, &Refusal{WhyPremium}
	}
	if !allowed(n, def.Callback.Numbers) {
		return nil, &Refusal{WhyForeign}
	}
	if kind == call.KindForeign {
		return callableAbroad(n, def)
	}
	if why := shapeOfFrench(n); why != "" {
		return nil, &Refusal{why}
	}
	return zoneOfPrefix(n), nil
}

func ours(n call.Number, def *service.Definition) bool {
	_, dialled := def.NumberFor(n)
	return dialled || n == def.Present || n == def.Access.Number
}

func allowed(n call.Number, prefixes []string) bool {
	if len(prefixes) == 0 {
		prefixes = DefaultNumbers
	}
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(string(n), p) })
}

var (
	// person is a number of the French plan that a person may have; +508 has a plan of six digits beside.
	person = regexp.MustCompile(`^\+(33|262|508|590|594|596)[1-79]\d{8}$|^\+508[2-9]\d{5}$`)
	// machine is a number of the fourteen digits kept for machines.
	machine = regexp.MustCompile(`^\+33700\d{10}$`)
)

// shapeOfFrench refuses what no operator assigns to a person.
func shapeOfFrench(n call.Number) Why {
	switch {
	case person.MatchString(string(n)):
		return ""
	case machine.MatchString(string(n)):
		return WhyPremium
	}
	return WhyInvalid
}

// callableAbroad judges numbers outside the French plan, +681, +687 and +689 included.
func callableAbroad(n call.Number, def *service.Definition) (*time.Location, *Refusal) {
	parsed, err := phonenumbers.Parse(string(n), "ZZ")
	if err != nil || !phonenumbers.IsPossibleNumber(parsed) {
		return nil, &Refusal{WhyInvalid}
	}
	switch phonenumbers.GetNumberType(parsed) {
	case phonenumbers.PREMIUM_RATE, phonenumbers.SHARED_COST, phonenumbers.TOLL_FREE, phonenumbers.UAN:
		return nil, &Refusal{WhyPremium}
	}
	if zone := zoneOfPrefix(n); zone != nil {
		return zone, nil
	}
	return zoneAbroad(parsed, def), nil
}

// zoneOfPrefix is nil for what is not French.
func zoneOfPrefix(n call.Number) *time.Location {
	best := -1
	for i, o := range overseas {
		if strings.HasPrefix(string(n), o.prefix) && (best < 0 || len(o.prefix) > len(overseas[best].prefix)) {
			best = i
		}
	}
	if best < 0 {
		return nil
	}
	return location(overseas[best].zone)
}

// zoneAbroad asks Google's table. Where it gives several zones, as for the mobiles of
// a wide country, the one in the middle is taken; where it gives none, the service's own.
func zoneAbroad(parsed *phonenumbers.PhoneNumber, def *service.Definition) *time.Location {
	names, err := phonenumbers.GetTimezonesForNumber(parsed)
	if err != nil {
		return def.Location
	}
	var zones []*time.Location
	for _, name := range names {
		if z := location(name); z != nil {
			zones = append(zones, z)
		}
	}
	if len(zones) == 0 {
		return def.Location
	}
	winter := time.Date(2026, time.January, 15, 12, 0, 0, 0, time.UTC)
	slices.SortStableFunc(zones, func(a, b *time.Location) int {
		_, east := winter.In(a).Zone()
		_, west := winter.In(b).Zone()
		return east - west
	})
	return zones[len(zones)/2]
}

var locations sync.Map // by name; those that do not exist are kept as nil

// location is nil for a zone that does not exist: "Etc/Unknown".
func location(name string) *time.Location {
	if z, ok := locations.Load(name); ok {
		return z.(*time.Location)
	}
	z, err := time.LoadLocation(name)
	if err != nil {
		z = nil
	}
	locations.Store(name, z)
	return z
}

// Mobile says whether a text message reaches the number.
func Mobile(n call.Number) bool {
	switch n.Kind() {
	case call.KindMobile:
		return shapeOfFrench(n) == ""
	case call.KindForeign:
		parsed, err := phonenumbers.Parse(string(n), "ZZ")
		if err != nil {
			return false
		}
		kind := phonenumbers.GetNumberType(parsed)
		return kind == phonenumbers.MOBILE || kind == phonenumbers.FIXED_LINE_OR_MOBILE
	}
	return false
}
